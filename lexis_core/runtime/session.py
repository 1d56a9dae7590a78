"""ONNX Runtime sessions that say on which device they run, never fall back without a word, and can be stopped."""

from __future__ import annotations

import os
import re
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from lexis_core.errors import BundleError, Cancelled, InputError, LexisError, OutOfMemory, RuntimeUnavailable
from lexis_core.runtime.bundle import HALF, Bundle, default_bundle
from lexis_core.runtime.devices import DEVICES, INSTALL, PROVIDERS, devices, import_onnxruntime, why_not
from lexis_core.runtime.watch import SILENT, WATCH

if TYPE_CHECKING:
    from lexis_core.runtime.fixed import FixedSession

Array = np.ndarray

__all__ = ["Session", "Sessions", "devices", "import_onnxruntime", "why_not"]

MAX_THREADS = 8  # small networks gain nothing beyond
AT_ONCE = 2      # runs of one small network: more take the cores from each other
BATCHES = 4      # for which the half-precision step stays open, in each thread
FULL = ("failed to allocate memory", "out of memory", "alloc_failed", "bad_alloc", "bad allocation")
ELEMENTS = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64,
            "tensor(int64)": np.int64, "tensor(int32)": np.int32, "tensor(uint8)": np.uint8, "tensor(bool)": np.bool_}


class Session:
    """One opened model.

    path    : ONNX file, out of a verified bundle
    device  : "auto" (CUDA where it works, else the CPU), "cpu", "cuda" or "coreml"
    threads : of the CPU; None is as many as this process has cores, at most MAX_THREADS
    memory  : bytes of the CUDA device the session may take; None is all there is
    batch   : the only one it will take; None is any
    graph   : record its runs on CUDA as a CUDA graph, which FixedSession does with the buffers that takes

    Afterwards `device` is what runs it, `why_not` a sentence on why that is not a better one, or "", and `threads` how
    many of the CPU there are.
    RuntimeUnavailable when the device asked for is not to be had, BundleError when the file is no model ONNX Runtime
    can open, InputError when there is no such device.
    """

    def __init__(self, path: Path | str, device: str = "auto", *, threads: int | None = None,
                 memory: int | None = None, batch: int | None = None, graph: bool = False):
        if device != "auto":
            self.why_not = ""
            if reason := why_not(device):
                raise _no_device(device, reason)
        elif reason := why_not("cuda"):
            self.why_not = f"CUDA did not run. {reason}"
        else:
            self.why_not = ""
        self.threads = threads or min(_usable_cores(), MAX_THREADS)
        runtime, how = import_onnxruntime(), (self.threads, memory, batch, graph)
        first = "cpu" if self.why_not else "cuda" if device == "auto" else device
        try:
            self._session = _open(runtime, Path(path), first, *how)
        except RuntimeUnavailable as error:
            if device != "auto" or first == "cpu":
                raise
            self.why_not, first = f"CUDA did not run. {error.why}", "cpu"
            self._session = _open(runtime, Path(path), first, *how)
        self.device, self._place = first, "cuda" if first == "cuda" else "cpu"
        self._runtime = runtime
        self._inputs = {i.name: i for i in self._session.get_inputs()}
        self.outputs = tuple(o.name for o in self._session.get_outputs())

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of what the model takes."""
        return tuple(self._inputs)

    def run(self, inputs: Mapping[str, Array], outputs: Sequence[str] | None = None,
            cancelled: Callable[[], bool] | None = None) -> dict[str, Array]:
        """Named arrays in, named arrays out.

        cancelled : asked before and, from a thread of its own, during the run, which ends soon after it says yes

        InputError when a name, a type or a shape is not the model's, OutOfMemory, Cancelled, or RuntimeUnavailable
        when the device failed.
        """
        self._check(inputs)
        names = list(outputs or self.outputs)
        values = self._attempt(lambda options: self._session.run(names, dict(inputs), options), cancelled)
        return dict(zip(names, values, strict=True))

    def each(self, work: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
        """work(item) of each, in order: two at a time where two threads run the model, for a small one idles half of
        them."""
        with ThreadPoolExecutor(min(AT_ONCE, self.threads)) as pool:
            return list(pool.map(work, items))

    def run_kept(self, inputs: Mapping[str, Any], outputs: Sequence[str] | None = None,
                 cancelled: Callable[[], bool] | None = None) -> dict[str, Any]:
        """As run, but what comes out stays on the device, as OrtValues that go in again as they are.

        inputs : arrays, or OrtValues of an earlier run; value.numpy() copies one back
        """
        self._check(inputs)
        names = list(outputs or self.outputs)

        def attempt(options: Any) -> list:
            binding = self._session.io_binding()
            for name, value in inputs.items():
                if isinstance(value, np.ndarray):
                    binding.bind_cpu_input(name, np.asarray(value, order="C"))
                else:
                    binding.bind_ortvalue_input(name, value)
            for name in names:
                binding.bind_output(name, self._place)
            self._session.run_with_iobinding(binding, options)
            return binding.get_outputs()

        return dict(zip(names, self._attempt(attempt, cancelled), strict=True))

    def kept(self, array: Array):
        """An array on the session's device, for run_kept."""
        place = self._runtime.OrtValue.ortvalue_from_numpy
        return self._attempt(lambda _: place(np.asarray(array, order="C"), self._place))

    def _attempt(self, call: Callable[[Any], Any], cancelled: Callable[[], bool] | None = None):
        if cancelled is not None and cancelled():
            raise Cancelled
        try:
            with WATCH.stopping(cancelled) as options:
                return call(options)
        except MemoryError as error:
            raise _full(self.device) from error
        except Exception as error:  # onnxruntime has a class of its own for each way to fail
            if cancelled is not None and cancelled():
                raise Cancelled from None
            raise _full(self.device) if _is_full(error) else RuntimeUnavailable(
                f"A model failed on the device {self.device}.", f"ONNX Runtime says: {_short(error)}",
                "Choose the device cpu; if it fails there too, report it.") from error

    def _check(self, inputs: Mapping[str, Any]) -> None:
        if inputs.keys() != self._inputs.keys():
            raise InputError("The model cannot run.", f"It takes {sorted(self._inputs)}, given were {sorted(inputs)}.",
                             "Use a bundle made for this version of LEXIS.")
        for name, value in inputs.items():
            if isinstance(value, np.ndarray):
                _check_input(name, value.dtype, value.shape, self._inputs[name])
            else:
                _check_input(name, np.dtype(ELEMENTS.get(value.data_type(), object)), value.shape(),
                             self._inputs[name])


class Sessions:
    """Opened models of one bundle on one device, kept from job to job. Each is opened when it is first asked for.

    bundle : None is the default bundle
    device, threads, memory : as of Session; the memory is that of each session

    `why_no_graph` is, once the half-precision step has run on CUDA, a sentence on why not as a CUDA graph, or "".
    """

    def __init__(self, bundle: Bundle | None = None, device: str = "auto", *, threads: int | None = None,
                 memory: int | None = None):
        if device not in DEVICES:
            why_not(device)
        self.bundle = bundle or default_bundle()
        self._how = {"device": device, "threads": threads, "memory": memory}
        self._opened: dict[str, Session] = {}
        self._half, self._beside = threading.local(), threading.Lock()
        self.why_no_graph = ""
        self._opening: dict[str, threading.Lock] = defaultdict(threading.Lock)

    def __getitem__(self, model: str) -> Session:
        """The session of a model, by its name in the bundle; errors as of Session."""
        with self._opening[model]:
            if model not in self._opened:
                self._opened[model] = Session(self.bundle.path(model), **self._how)
            return self._opened[model]

    def half_step(self, batch: int) -> FixedSession:
        """The step in half precision for this batch and the calling thread, on the device that the step runs on.

        Errors as of FixedSession; BundleError when the bundle has none.
        """
        from lexis_core.runtime.fixed import FixedSession
        opened = self._half.__dict__  # of each thread: its buffers are, and so is what CUDA records
        session = opened.pop(batch, None)
        if session is None:
            path, how = self.bundle.path(HALF), self._how | {"device": self["step"].device}
            while len(opened) >= BATCHES:
                del opened[next(iter(opened))]
            with self._beside:  # nothing else may be put on the card while a run is recorded
                session = FixedSession(path, batch=batch, **how)
            self.why_no_graph = session.why_no_graph or self.why_no_graph
        opened[batch] = session  # again the last to be closed
        return session

    @property
    def models(self) -> tuple[str, ...]:
        """The models that are opened for every batch: all of the bundle's but the half-precision step."""
        return tuple(model for model in self.bundle.models if model != HALF)

    def open_beside(self, models: Iterable[str]) -> None:
        """Begin to open these on a thread; whoever asks for one waits for it, and hears what went wrong."""
        def work() -> None:
            for model in models:
                with suppress(LexisError), self._beside:
                    self[model]

        threading.Thread(target=work, name="networks", daemon=True).start()

    @property
    def opened(self) -> tuple[str, ...]:
        """The models that are open now."""
        return tuple(self._opened)

    def release(self) -> None:
        """Let go of every session and the memory it holds; the next use opens it again."""
        self._opened.clear()
        self._half = threading.local()


def _open(runtime: ModuleType, path: Path, device: str, threads: int, memory: int | None, batch: int | None,
          graph: bool):
    options = runtime.SessionOptions()
    if batch is not None:
        options.add_free_dimension_override_by_name("B", batch)
    options.intra_op_num_threads = threads
    options.log_severity_level = SILENT
    options.enable_mem_reuse = False  # its planner takes the square of the nodes: 0.5 of 0.7 s; memory stays the same
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # idle threads leave the CPU to Blender
    providers = [PROVIDERS["cpu"]] if device == "cpu" else [(PROVIDERS[device], _device_options(device, memory, graph)),
                                                            PROVIDERS["cpu"]]
    try:
        # enable_fallback: without it an error of the device is raised, not printed and the CPU taken
        session = runtime.InferenceSession(os.fspath(path), options, providers=providers, enable_fallback=False)
    except MemoryError as error:
        raise _full(device) from error
    except Exception as error:  # onnxruntime has a class of its own for each way a file or a device can be wrong
        if _is_full(error):
            raise _full(device) from error
        if device != "cpu" and "cuda" in str(error).lower():
            raise _no_device(device, f"ONNX Runtime says: {_short(error)}") from error
        raise BundleError(f"The model {path} cannot be opened.", f"ONNX Runtime says: {_short(error)}",
                          "Install LEXIS again, or fetch the bundle again.") from error
    if session.get_providers()[0] != PROVIDERS[device]:
        raise _no_device(device, f"onnxruntime {runtime.__version__} has it but could not start it here.")
    return session


def _device_options(device: str, memory: int | None, graph: bool) -> dict[str, str]:
    if device != "cuda":
        return {}
    # Heuristic search and no TF32: the same numbers every time, and those of the CPU to float32's precision.
    options = {"arena_extend_strategy": "kSameAsRequested", "cudnn_conv_algo_search": "HEURISTIC", "use_tf32": "0"}
    return (options | ({} if memory is None else {"gpu_mem_limit": str(memory)})
            | ({"enable_cuda_graph": "1"} if graph else {}))


def _check_input(name: str, dtype: np.dtype, shape: Sequence[int], expected) -> None:
    fits = len(shape) == len(expected.shape) and all(
        not isinstance(n, int) or n == m for n, m in zip(expected.shape, shape, strict=True))
    wanted = np.dtype(ELEMENTS.get(expected.type, object))
    if dtype != wanted or not fits:
        raise InputError(f"The model cannot take {name!r}.",
                         f"It must be {wanted.name} {expected.shape}, it is {dtype} {tuple(shape)}.",
                         "Use a bundle made for this version of LEXIS.")


def _usable_cores() -> int:
    """Cores this process may use; a container often gets fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _is_full(error: Exception) -> bool:
    return any(sign in str(error).lower() for sign in FULL)


def _full(device: str) -> OutOfMemory:
    remedy = ("Close other programs or ask for fewer hypotheses." if device == "cpu" else
              "Run it on the device cpu, ask for fewer hypotheses, or close what else uses the graphics card.")
    return OutOfMemory("A model did not fit into memory.", f"The device {device} has too little left.", remedy)


def _short(error: Exception) -> str:
    """The heart of onnxruntime's message, in one line."""
    text = " ".join(str(error).split())
    if found := re.search(r"\b(CUDA|CUBLAS|CUDNN|CUFFT) failure \d+: [^;]*", text):
        return f"{found[0].strip()}."
    return text if len(text) <= 300 else f"{text[:297]}..."


def _no_device(device: str, why: str) -> RuntimeUnavailable:
    return RuntimeUnavailable(f"The device {device} is not available.", why, INSTALL[device])
