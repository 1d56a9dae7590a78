"""Runs of a bundle's models for one piece of work: it can be stopped, and its arrays may stay on the device."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from lexis_core.errors import Cancelled
from lexis_core.runtime.session import Session, Sessions

Array = np.ndarray


class Running:
    """sessions : opened models
    resident  : keep outputs where they were made, as OrtValues that go into the next model as they are
    half      : the step runs in half precision
    progress  : called with the share that is done; cancelled : asked before every run, and during it
    """

    def __init__(self, sessions: Sessions, resident: bool, progress: Callable[[float], None] | None = None,
                 cancelled: Callable[[], bool] | None = None, half: bool = False):
        self.sessions, self.resident, self.progress, self.cancelled = sessions, resident, progress, cancelled
        self.half = half

    def run(self, model: str, feeds: Mapping[str, Any], outputs: Sequence[str] | None = None) -> dict[str, Any]:
        """What a model gives, as back() and other models take it."""
        self._check()
        return self._on(self.sessions[model], feeds, outputs)

    def step(self, feeds: Mapping[str, Any]) -> dict[str, Any]:
        """What the sampler's step gives; the next one may overwrite it."""
        if not self.half:
            return self.run("step", feeds)
        self._check()
        return self._on(self.sessions.half_step(len(feeds["toward"])), feeds, None)

    def _on(self, session: Session, feeds: Mapping[str, Any], outputs: Sequence[str] | None) -> dict[str, Any]:
        return (session.run_kept if self.resident else session.run)(feeds, outputs, self.cancelled)

    def _check(self) -> None:
        if self.cancelled is not None and self.cancelled():
            raise Cancelled

    def placed(self, feeds: Mapping[str, Any]) -> dict[str, Any]:
        """Inputs that many runs take, put onto the device once."""
        if not self.resident:
            return dict(feeds)
        keep = self.sessions["step"].kept
        return {name: keep(value) if isinstance(value, np.ndarray) else value for name, value in feeds.items()}

    @staticmethod
    def back(value: Any) -> Array:
        """A value as an array."""
        return value if isinstance(value, np.ndarray) else value.numpy()

    def at(self, fraction: float) -> None:
        if self.progress is not None:
            self.progress(fraction)
