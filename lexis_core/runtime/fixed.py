"""A model for one batch, whose inputs and outputs stay where they are: so CUDA can record a run and replay it whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lexis_core.errors import InputError, RuntimeUnavailable
from lexis_core.runtime.session import ELEMENTS, Session

Array = np.ndarray


class FixedSession(Session):
    """A Session of one batch, with a buffer of its own for everything that goes in and comes out.

    On CUDA the run is recorded as a CUDA graph while it is opened, and from then on replayed with one launch: small
    networks spend more on launches than on work. Where CUDA refuses that, the runs are ordinary ones.

    device : "cpu", "cuda" or "coreml"; the other options are those of Session

    `why_no_graph` is a sentence on why CUDA runs it without a graph, or "".
    Of the thread that opened it: ONNX Runtime records for each thread, and the buffers are there once.
    InputError when an axis beside the batch may have any size; other errors as of Session.
    """

    def __init__(self, path: Path | str, device: str, batch: int, *, threads: int | None = None,
                 memory: int | None = None):
        def opened(graph: bool) -> None:
            super(FixedSession, self).__init__(path, device, threads=threads, memory=memory, batch=batch, graph=graph)
            self._bind(path)
            self._attempt(self._go)  # of zeros: with a graph, ONNX Runtime runs it twice, then records the third

        self.why_no_graph = ""
        try:
            opened(graph=device == "cuda")
        except RuntimeUnavailable as error:
            if device != "cuda":
                raise
            self.why_no_graph = f"The CUDA graph did not run. {error.why}"
            opened(graph=False)

    def run(self, inputs: Mapping[str, Any], outputs: Sequence[str] | None = None,
            cancelled: Callable[[], bool] | None = None) -> dict[str, Array]:
        """As Session's; what is on the device already may go in as it is."""
        return {name: np.array(value.numpy()) for name, value in self.run_kept(inputs, outputs, cancelled).items()}

    def run_kept(self, inputs: Mapping[str, Any], outputs: Sequence[str] | None = None,
                 cancelled: Callable[[], bool] | None = None) -> dict[str, Any]:
        """As Session's, but what comes out is overwritten by the next run."""
        self._check(inputs)

        def attempt(options: Any) -> None:
            for name, value in inputs.items():
                if value is self._holds.get(name):
                    continue
                self._holds.pop(name, None)
                self._buffers[name].update_inplace(self._copyable(value))
                if not isinstance(value, np.ndarray) and value not in self._buffers.values():
                    self._holds[name] = value
            self._go(options)

        self._attempt(attempt, cancelled)
        return {name: self._buffers[name] for name in outputs or self.outputs}

    def _bind(self, path: Path | str) -> None:
        """Make the buffers, and tell ONNX Runtime of them."""
        tensors = (*self._session.get_inputs(), *self._session.get_outputs())
        if free := [tensor.name for tensor in tensors if not all(isinstance(size, int) for size in tensor.shape)]:
            raise InputError(f"The model {path} cannot be opened for one batch.",
                             f"Not only the batch may have any size in {', '.join(free[:3])}.", "Open it as a Session.")
        self._buffers = self._attempt(lambda _: {
            tensor.name: self.kept(np.zeros(tensor.shape, ELEMENTS[tensor.type])) for tensor in tensors})
        self._holds: dict[str, Any] = {}  # what was copied in and nobody changes: it need not be copied again
        self._binding = self._session.io_binding()
        for name in self.inputs:
            self._binding.bind_ortvalue_input(name, self._buffers[name])
        for name in self.outputs:
            self._binding.bind_ortvalue_output(name, self._buffers[name])

    def _copyable(self, value: Any) -> Any:
        """As the oldest onnxruntime of each device copies it: that of the CPU takes arrays alone, and row by row."""
        if isinstance(value, np.ndarray):
            return np.asarray(value, order="C")
        return value if self.device == "cuda" else value.numpy()

    def _go(self, options: Any) -> None:
        self._binding.synchronize_inputs()  # copies do not run in the stream of the session
        self._session.run_with_iobinding(self._binding, options)
