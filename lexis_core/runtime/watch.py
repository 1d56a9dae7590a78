"""Ends runs whose job was cancelled: one thread looks after all of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from lexis_core.runtime.devices import import_onnxruntime

POLL = 0.03      # seconds between two looks at whether a job was cancelled
SILENT = 4       # onnxruntime's log: only what ends the process; we raise what it would have logged


class Watch:
    """The runs that may be cancelled. There is no thread before the first."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._runs: dict[object, Callable[[], bool]] = {}
        self._thread: threading.Thread | None = None

    @contextmanager
    def stopping(self, cancelled: Callable[[], bool] | None) -> Iterator[Any]:
        """Run options that are told to terminate soon after cancelled() is true; None where it never will be."""
        if cancelled is None:
            yield None
            return
        options = import_onnxruntime().RunOptions()
        options.log_severity_level = SILENT
        with self._changed:
            self._runs[options] = cancelled
            if self._thread is None:
                self._thread = threading.Thread(target=self._look, name="cancel", daemon=True)
                self._thread.start()
            self._changed.notify()
        try:
            yield options
        finally:
            with self._changed:
                self._runs.pop(options)

    def _look(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._runs)
                runs = list(self._runs.items())
            for options, cancelled in runs:
                if cancelled():
                    options.terminate = True
            time.sleep(POLL)


WATCH = Watch()
