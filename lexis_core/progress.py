"""How far a piece of work is: named stages, their seconds, a fraction of the whole, and a way to stop it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from lexis_core.errors import Cancelled

Progress = Callable[[str, float], None]


class Clock:
    """Goes through stages in order.

    shares    : stage -> about how long it takes, in any unit; only those that will come
    progress  : called with a stage and the fraction of the whole, which never falls, and ends at 1
    cancelled : asked again and again; Cancelled is raised when it says yes
    """

    def __init__(self, shares: Mapping[str, float], progress: Progress | None = None,
                 cancelled: Callable[[], bool] | None = None):
        self.shares, self.progress, self.cancelled = shares, progress, cancelled
        self.seconds: dict[str, float] = {}
        self._stage = ""

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        self._stage = stage
        start = time.perf_counter()
        self.part(0.0)
        yield
        self.part(1.0)
        self.seconds[stage] = round(time.perf_counter() - start, 3)

    def part(self, fraction: float) -> None:
        """So much of the current stage is done."""
        self.check()
        if self.progress is not None:
            before = sum(self.shares[stage] for stage in self.seconds)
            whole = before + fraction * self.shares[self._stage]
            last = fraction >= 1 and len(self.seconds) + 1 == len(self.shares)
            self.progress(self._stage, 1.0 if last else min(whole / sum(self.shares.values()), 1.0))

    def check(self) -> None:
        """Cancelled where that is asked for."""
        if self.cancelled is not None and self.cancelled():
            raise Cancelled
