"""The caller's side of the worker: starts the child process, hands it jobs, and never waits unless told to.

Needs numpy and nothing heavier, so that a user interface can import it at once.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from lexis_core.errors import Cancelled, LexisError
from lexis_core.runtime.protocol import Message, ProtocolError, error_of, read_message, write_message

Array = np.ndarray

MODULE = "lexis_core.runtime.worker"
NEEDED = ("numpy", "scipy", "igl", "onnxruntime", "PIL", "cv2", "trimesh", "fast_simplification", "threadpoolctl")
DLL_FOLDERS = "LEXIS_DLL_FOLDERS"  # variable: where a worker on Windows also looks for libraries, such as MSVCP140.dll
LAST = ("result", "error", "cancelled", "died")  # after one of these a job is over
LOG_LINES = 200
REMEDY = "Start the work again; if it happens again, report it with the worker's log."


class WorkerDied(LexisError):
    """The worker process ended before it answered."""


@dataclass(frozen=True)
class Event:
    """What became of a job.

    kind     : "progress", or one of LAST
    stage, fraction : of a progress event, the fraction of the whole in [0, 1]
    header, arrays  : of a result
    error    : of "error", "cancelled" (Cancelled) and "died" (WorkerDied)
    """

    job: int
    kind: str
    stage: str = ""
    fraction: float = 0.0
    header: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, Array] = field(default_factory=dict)
    error: LexisError | None = None


class Worker:
    """A running worker process. No method but wait() and close() ever blocks, and only wait() raises.

    python      : the interpreter, else this one; another one must find numpy and the rest by itself
    env         : environment variables to set on top of this process's own
    stderr_path : a file the worker's log is appended to

    What the caller does with it: submit(), then poll() now and then, until an event of LAST comes for the job.
    """

    def __init__(self, python: str | None = None, env: Mapping[str, str] | None = None,
                 stderr_path: str | Path | None = None):
        self._changed = threading.Condition()
        self._events: list[Event] = []
        self._open: set[int] = set()
        self._count, self._why = 0, ""
        self._closing = False
        self._log: deque[str] = deque(maxlen=LOG_LINES)
        self._outgoing: queue.SimpleQueue[tuple[dict, dict] | None] = queue.SimpleQueue()
        self._process: subprocess.Popen | None = None
        command = [python or sys.executable, "-P", "-X", "utf8", "-m", MODULE]
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                env=_environment(python) | dict(env or {}), creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0))
        except OSError as error:
            self._why = f"{command[0]} could not be started: {error.strerror or error}."
            return
        log = threading.Thread(target=self._keep_log, args=(stderr_path,), name="worker log", daemon=True)
        log.start()
        threading.Thread(target=self._send, name="to worker", daemon=True).start()
        threading.Thread(target=self._receive, args=(log,), name="from worker", daemon=True).start()

    @property
    def alive(self) -> bool:
        """Whether the process is there and will take jobs."""
        return self._process is not None and not self._why and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """The process's id; None when it could not be started."""
        return None if self._process is None else self._process.pid

    @property
    def log(self) -> tuple[str, ...]:
        """The last lines the worker wrote to its standard error."""
        return tuple(self._log)

    def submit(self, kind: str, options: Mapping[str, Any] | None = None,
               arrays: Mapping[str, Array] | None = None) -> int:
        """Hand over a request of docs/runtime.md and return its job number at once.

        The arrays must not be changed before the job is over.
        """
        with self._changed:
            self._count += 1
            job = self._count
            self._open.add(job)
            if self._process is None or self._why:
                self._bury()
            else:
                self._outgoing.put(({**(options or {}), "id": job, "kind": kind}, dict(arrays or {})))
        return job

    def cancel(self, job: int) -> None:
        """Ask the worker to stop a job; it answers "cancelled", or as if not asked when it was just done."""
        self._outgoing.put(({"id": 0, "kind": "cancel", "job": job}, {}))

    def poll(self) -> list[Event]:
        """What happened since the last call, oldest first."""
        with self._changed:
            events, self._events = self._events, []
        return events

    def wait(self, job: int, timeout: float | None = None, progress: Callable[[str, float], None] | None = None,
             ) -> Event:
        """The job's last event. Its earlier ones go to progress(stage, fraction); other jobs' are kept for poll().

        TimeoutError after so many seconds; the job goes on. ValueError when no such job is open.
        """
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            with self._changed:
                mine = [event for event in self._events if event.job == job]
                if not mine:
                    if job not in self._open:
                        raise ValueError(f"There is no open job {job}.")
                    left = None if end is None else end - time.monotonic()
                    if (left is not None and left <= 0) or not self._changed.wait(left):
                        raise TimeoutError(f"Job {job} is not done after {timeout} seconds.")
                    continue
                self._events = [event for event in self._events if event.job != job]
            for event in mine:
                if event.kind in LAST:
                    return event
                if progress is not None:
                    progress(event.stage, event.fraction)

    def close(self, timeout: float = 2.0) -> None:
        """End the worker: politely, and by force after so many seconds. Open jobs end as "died"."""
        if self._process is None:
            return
        self._closing = True
        self._outgoing.put(({"id": 0, "kind": "shutdown"}, {}))
        self._outgoing.put(None)
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def kill(self) -> None:
        """End the worker by force, at once."""
        self._closing = True
        if self._process is not None:
            self._process.kill()
            self._outgoing.put(None)

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _send(self) -> None:
        pipe = self._process.stdin
        while (item := self._outgoing.get()) is not None:
            try:
                write_message(pipe, *item)
            except OSError:  # it has died; the receiving thread tells why
                break
            except (TypeError, ValueError) as error:
                with self._changed:
                    self._put(Event(item[0]["id"], "error", error=LexisError(
                        "The request could not be sent to the worker.", f"{error}", "Check its options and arrays.")))
        with contextlib.suppress(OSError):
            pipe.close()

    def _receive(self, log: threading.Thread) -> None:
        why = ""
        try:
            while (message := read_message(self._process.stdout)) is not None:
                with self._changed:
                    self._put(_event(message))
        except ProtocolError as error:
            why = f"What it wrote could not be read: {error.why}"
            self._process.kill()
        except (OSError, MemoryError) as error:
            why = f"What it wrote could not be read: {error}."
            self._process.kill()
        code = self._process.wait()
        log.join(1.0)
        self._outgoing.put(None)
        with self._changed:
            self._why = why or self._reason(code)
            self._bury()

    def _reason(self, code: int) -> str:
        if self._closing:
            return "It was closed."
        if code < 0:
            with contextlib.suppress(ValueError):
                return f"It was ended by the signal {signal.Signals(-code).name}."
        last = next((line for line in reversed(self._log) if line.strip()), "")
        return f"It ended with status {code}" + (f"; the last it said: {last.strip()}" if last else ".")

    def _put(self, event: Event) -> None:
        """Called under the lock. What belongs to no open job is left out."""
        if event.job not in self._open:
            return
        if event.kind in LAST:
            self._open.discard(event.job)
        self._events.append(event)
        self._changed.notify_all()

    def _bury(self) -> None:
        """Called under the lock: every open job has died."""
        for job in sorted(self._open):
            self._put(Event(job, "died", error=WorkerDied("The worker has stopped.", self._why, REMEDY)))

    def _keep_log(self, path: str | Path | None) -> None:
        with contextlib.ExitStack() as stack:
            file = None
            if path is not None:
                with contextlib.suppress(OSError):
                    file = stack.enter_context(open(path, "a", encoding="utf-8", errors="replace"))
            for line in self._process.stderr:
                text = line.decode(errors="replace").rstrip()
                self._log.append(text)
                if file is not None:
                    with contextlib.suppress(OSError):
                        print(text, file=file, flush=True)


def _event(message: Message) -> Event:
    header = dict(message.header)
    job, kind = header.pop("id", None), header.pop("kind", None)
    job = job if type(job) is int else -1
    if kind == "progress":
        fraction = header.get("fraction")
        share = float(min(max(0, fraction), 1)) if type(fraction) in (int, float) else 0.0
        return Event(job, kind, str(header.get("stage")), share)
    if kind == "result":
        return Event(job, kind, header=header, arrays=message.arrays)
    if kind == "cancelled":
        return Event(job, kind, error=Cancelled())
    return Event(job, "error", error=error_of(header))


def _environment(python: str | None) -> dict[str, str]:
    """This process's variables, with a PYTHONPATH by which the child finds LEXIS, and in the same interpreter all else.

    The folders are those of sys.path that hold the packages, in its order; an add-on's wheels lie in one of them.
    """
    own = str(Path(__file__).resolve().parents[2])
    folders = {own}
    if python is None:
        for name in NEEDED:
            with contextlib.suppress(ValueError, ImportError):
                spec = importlib.util.find_spec(name)
                if spec is not None and spec.origin:
                    folders.add(str(Path(spec.origin).parent.parent))
    ordered = [own, *(path for path in sys.path if path in folders and path != own)]
    path = os.pathsep.join([*ordered, *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**os.environ, "PYTHONPATH": path, "ORT_DISABLE_TELEMETRY": "1"}
