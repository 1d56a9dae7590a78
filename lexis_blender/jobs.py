"""One job at a time in the worker process, in plain Python: whoever owns it calls tick() now and then.

Nothing here blocks but wait() and stop(). What takes long beside the worker (reading pixels, writing results) runs on
a thread before the request is sent and after its result has come.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from lexis_core.errors import Cancelled, LexisError

IDLE, STARTING, RUNNING, CANCELLING = "idle", "starting", "running", "cancelling"
PATIENCE = 0.25   # seconds a worker has to stop its job; then it is ended, and the next job starts another
FAREWELL = 0.5    # seconds a worker has to end by itself
PAUSE = 0.01      # seconds between two looks while waiting

log = logging.getLogger(__package__)
Request = tuple[Mapping[str, Any], Mapping[str, Any]]


class Worker(Protocol):
    """What Jobs needs of lexis_core.runtime.client.Worker."""

    alive: bool

    def submit(self, kind: str, options: Mapping[str, Any], arrays: Mapping[str, Any]) -> int: ...
    def poll(self) -> list: ...
    def cancel(self, job: int) -> None: ...
    def close(self, timeout: float) -> None: ...
    def kill(self) -> None: ...


@dataclass(frozen=True)
class Work:
    """What to do, in order.

    kind    : of the request (docs/runtime.md)
    prepare : on a thread, the request's options and arrays
    finish  : on a thread, makes of the result's event what done() takes
    done    : called by tick() with that
    failed  : called by tick() with the error, whichever step it came from; not when the job was cancelled
    """

    kind: str
    prepare: Callable[[], Request]
    finish: Callable[[Any], Any] = lambda event: event
    done: Callable[[Any], None] = lambda value: None
    failed: Callable[[LexisError], None] = lambda error: None


@dataclass
class Jobs:
    """The state of the one job, for whoever shows it, and the worker it runs in.

    state : idle, starting (the request is being put together), running or cancelling
    stage, fraction : how far it is, the fraction in [0, 1]
    started : time.monotonic() of its start
    """

    make_worker: Callable[[], Worker]
    state: str = IDLE
    stage: str = ""
    fraction: float = 0.0
    started: float = 0.0
    _worker: Worker | None = field(default=None, repr=False)
    _work: Work | None = field(default=None, repr=False)
    _job: int | None = None
    _aside: _Aside | None = field(default=None, repr=False)
    _deadline: float = 0.0

    @property
    def worker(self) -> Worker | None:
        """The worker process, when there is one that can work."""
        return self._worker if self._worker is not None and self._worker.alive else None

    def start(self, work: Work) -> None:
        """Begin a job. RuntimeError when another one is not over."""
        if self.state != IDLE:
            raise RuntimeError("A job is running.")
        if self.worker is None:
            self._worker = self.make_worker()  # it starts up while the request is put together
        self.state, self.stage, self.fraction, self.started = STARTING, "start", 0.0, time.monotonic()
        self._work, self._aside = work, _Aside(work.prepare)

    def cancel(self) -> None:
        """Let go of the job: at once, or as soon as the worker has stopped it. Its result is never delivered."""
        if self.state == RUNNING and self._job is not None:
            self.state, self._deadline = CANCELLING, time.monotonic() + PATIENCE
            self._worker.cancel(self._job)
        elif self.state != CANCELLING:
            self._rest()

    def tick(self, may_finish: bool = True) -> bool:
        """Take what has come, without waiting; True while there is a job.

        may_finish : whether done() may be called now; else the result is kept for a later tick
        """
        if self.state == CANCELLING:
            self._watch_cancelling()
        elif self._aside is not None:
            self._watch_aside(may_finish)
        elif self._job is not None:
            self._watch_worker()
        return self.state != IDLE

    def wait(self, progress: Callable[[str, float], None] | None = None) -> None:
        """Tick until the job is over."""
        told = None
        while self.tick():
            if progress is not None and told != (told := (self.stage, self.fraction)):
                progress(self.stage, self.fraction)
            time.sleep(PAUSE)

    def stop(self, farewell: float = FAREWELL) -> None:
        """Let go of the job and end the worker, which frees its memory on every device."""
        self._rest()
        if self._worker is not None:
            self._worker.close(farewell)
            self._worker = None

    def _watch_cancelling(self) -> None:
        if any(event.job == self._job and event.kind != "progress" for event in self._worker.poll()):
            self._rest()
        elif time.monotonic() > self._deadline:
            self._worker.kill()
            self._worker = None
            self._rest()

    def _watch_aside(self, may_finish: bool) -> None:
        aside = self._aside
        if not aside.over:
            return
        if aside.error is not None:
            self._fail(aside.error)
        elif self.state == STARTING:
            self._aside = None
            self._job = self._worker.submit(self._work.kind, *aside.value)
            self.state = RUNNING
        elif may_finish:
            work = self._rest()
            try:
                work.done(aside.value)
            except Exception as error:
                work.failed(told(error))

    def _watch_worker(self) -> None:
        for event in self._worker.poll():
            if event.job != self._job:
                continue
            if event.kind == "progress":
                self.stage, self.fraction = event.stage, max(self.fraction, event.fraction)
            elif event.kind == "result":
                self.stage, self.fraction, self._job = "save", 1.0, None
                self._aside = _Aside(self._work.finish, event)
                return
            else:
                self._fail(event.error)
                return

    def _fail(self, error: LexisError) -> None:
        work = self._rest()
        if not isinstance(error, Cancelled):
            work.failed(error)

    def _rest(self) -> Work | None:
        """Idle, with nothing left of the job, which is returned."""
        work, self._work, self._aside, self._job = self._work, None, None, None
        self.state, self.stage, self.fraction = IDLE, "", 0.0
        return work


class _Aside:
    """A call on a thread: over, then value or error. Blender does not wait for it when it quits."""

    def __init__(self, call: Callable[..., Any], *given: Any):
        self.over, self.value, self.error = False, None, None
        threading.Thread(target=self._run, args=(call, *given), name="LEXIS", daemon=True).start()

    def _run(self, call: Callable[..., Any], *given: Any) -> None:
        try:
            self.value = call(*given)
        except Exception as error:
            self.error = told(error)
        self.over = True


def told(error: Exception) -> LexisError:
    """The error for people; one that nobody foresaw is also logged, with where it happened."""
    if isinstance(error, LexisError):
        return error
    log.error("A job failed.", exc_info=error)
    return LexisError("LEXIS could not go on.", f"{type(error).__name__}: {error}",
                      "Report it, with what Copy Debug Info in the preferences gives.")
