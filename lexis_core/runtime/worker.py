"""The worker: a child process that reconstructs, so that a crash or a full memory never takes the caller along.

`python -m lexis_core.runtime.worker` speaks protocol.py over its standard input and output. One thread reads requests,
the main thread does one job at a time; the worker ends when its input does, which is when its parent is gone.
"""

from __future__ import annotations

import os
import sys


def _take_pipe() -> tuple[int, int]:
    """Descriptors of standard input and output; whatever prints or reads from now on gets stderr and nothing."""
    if sys.platform == "win32":
        import msvcrt
        for descriptor in (0, 1):
            msvcrt.setmode(descriptor, os.O_BINARY)
    pipe = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return pipe


def _add_dll_folders() -> None:
    """On Windows, find libraries also in the folders of client.DLL_FOLDERS: Python looks beside itself alone."""
    for folder in os.environ.get("LEXIS_DLL_FOLDERS", "").split(os.pathsep):
        if hasattr(os, "add_dll_directory") and os.path.isdir(folder):
            os.add_dll_directory(os.path.abspath(folder))


_add_dll_folders()
PIPE = _take_pipe() if __name__ == "__main__" else None  # before any import that might print

import contextlib  # noqa: E402
import faulthandler  # noqa: E402
import platform  # noqa: E402
import queue  # noqa: E402
import signal  # noqa: E402
import threading  # noqa: E402
import traceback  # noqa: E402
from collections.abc import Mapping  # noqa: E402
from typing import Any, BinaryIO  # noqa: E402

from lexis_core import __version__  # noqa: E402
from lexis_core.errors import Cancelled, InputError, LexisError, OutOfMemory  # noqa: E402
from lexis_core.runtime import protocol  # noqa: E402
from lexis_core.runtime.protocol import Message, ProtocolError, read_message, write_message  # noqa: E402


class Server:
    """Requests in, answers out, over two binary streams.

    Every request is answered by result, error or cancelled under its own id, progress before that; but cancel and
    shutdown are not answered.
    """

    def __init__(self, source: BinaryIO, sink: BinaryIO):
        self._source, self._sink = source, sink
        self._writing, self._jobs = threading.Lock(), queue.SimpleQueue()
        self._running: tuple[int, threading.Event] | None = None

    def serve(self) -> int:
        """Do jobs until the input ends; the exit status: 0, or 1 when what came was no message."""
        threading.Thread(target=self._read, name="requests", daemon=True).start()
        while isinstance(job := self._jobs.get(), tuple):
            self._do(*job)
        return job

    def _read(self) -> None:
        status = 0
        try:
            while (message := read_message(self._source)) is not None:
                if not self._take(message):
                    break
        except ProtocolError as error:
            self._answer(None, "error", protocol.error_header(error))
            status = 1
        except (OSError, MemoryError):
            status = 1
        running = self._running
        if running is not None:
            running[1].set()
        self._jobs.put(status)
        self.ended(status)

    def ended(self, status: int) -> None:
        """Called in the reading thread when no request will follow."""

    def _take(self, message: Message) -> bool:
        """Start, answer or refuse a request. False at shutdown."""
        number, kind = message.header.get("id"), message.header.get("kind")
        try:
            if type(number) is not int or not 0 <= number < 1 << 53:
                number = None
                raise InputError("The request was not understood.", "Its id is not a whole number from 0 up.",
                                 "Give every request a number of its own.")
            if kind == "shutdown":
                return False
            if kind == "cancel":
                running = self._running
                if running is not None and running[0] == message.header.get("job"):
                    running[1].set()
                return True
            if kind == "hello":
                self._answer(number, "result", hello())
                return True
            running = self._running
            if running is not None:
                raise InputError("The worker is busy.", f"It is still at job {running[0]}.",
                                 "Wait for it, or cancel it first.")
            self._running = running = number, threading.Event()
            self._jobs.put((number, message, running[1]))
        except LexisError as error:
            self._answer(number, "error", protocol.error_header(error))
        except Exception as error:
            self._answer(number, "error", _internal(error))
        return True

    def _do(self, number: int, message: Message, stop: threading.Event) -> None:
        def progress(stage: str, fraction: float) -> None:
            if stop.is_set():
                raise Cancelled
            self._answer(number, "progress", {"stage": str(stage), "fraction": min(max(float(fraction), 0.0), 1.0)})

        try:
            from lexis_core.runtime import jobs
            kind, header, arrays = "result", *jobs.run(message, progress, stop.is_set)
        except Cancelled:
            kind, header, arrays = "cancelled", {}, {}
        except LexisError as error:
            kind, header, arrays = "error", protocol.error_header(error), {}
        except MemoryError:
            error = OutOfMemory("The work did not fit into memory.", "This machine has too little left.",
                                "Close other programs, or use a smaller photo or mesh.")
            kind, header, arrays = "error", protocol.error_header(error), {}
        except Exception as error:
            kind, header, arrays = "error", _internal(error), {}
        self._running = None
        self._answer(number, kind, header, arrays)

    def _answer(self, number: int | None, kind: str, header: Mapping[str, Any], arrays: Mapping | None = None) -> None:
        with self._writing, contextlib.suppress(OSError):  # a caller that has gone; our input ends as well
            try:
                write_message(self._sink, {"id": number, "kind": kind, **header}, arrays)
            except (ValueError, TypeError) as error:
                write_message(self._sink, {"id": number, "kind": "error", **_internal(error)})


def hello() -> dict[str, Any]:
    """Who answers, with what; "onnxruntime" and "bundle" hold a reason where they cannot be used."""
    from lexis_core.runtime.devices import PROVIDERS, import_onnxruntime, why_not
    reasons = {}
    try:
        runtime = import_onnxruntime().__version__
        reasons = {device: why_not(device) for device in PROVIDERS}
    except LexisError as error:
        runtime = f"{error.what} {error.why} {error.remedy}"
    from lexis_core.runtime.bundle import default_bundle
    try:
        bundle = default_bundle().name
    except LexisError as error:
        bundle = f"{error.what} {error.why} {error.remedy}"
    return {
        "version": __version__, "protocol": protocol.VERSION, "python": platform.python_version(), "pid": os.getpid(),
        "onnxruntime": runtime, "devices": [device for device, reason in reasons.items() if not reason],
        "why_not": {device: reason for device, reason in reasons.items() if reason}, "bundle": bundle}


def _internal(error: Exception) -> dict[str, str]:
    traceback.print_exception(error, file=sys.stderr)
    sys.stderr.flush()
    return {"type": protocol.INTERNAL, "what": "The worker failed at its job.",
            "why": traceback.format_exception_only(error)[-1].strip() or type(error).__name__,
            "remedy": "Report it, with the worker's log."}


class _Process(Server):
    """The server of a process that is there for nothing else."""

    def ended(self, status: int) -> None:
        sys.stderr.flush()
        os._exit(status)  # a job may be deep inside a library, and nobody is left to hear of it


def main() -> int:
    """Serve the pipe this process was started with."""
    faulthandler.enable()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is the caller's business: it ends our input, or cancels
    source, sink = PIPE or _take_pipe()
    return _Process(os.fdopen(source, "rb"), os.fdopen(sink, "wb")).serve()


if __name__ == "__main__":
    sys.exit(main())
