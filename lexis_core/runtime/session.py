"""An ONNX Runtime session that says on which device it runs, and never falls back without a word."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import numpy as np

from lexis_core.errors import BundleError, InputError, OutOfMemory, RuntimeUnavailable
from lexis_core.runtime.bundle import Bundle, default_bundle

Array = np.ndarray

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider", "coreml": "CoreMLExecutionProvider"}
INSTALL = {
    "cpu": "Install it: python -m pip install onnxruntime.",
    "cuda": "Install onnxruntime-gpu in place of onnxruntime, with a driver it supports, or choose the device auto.",
    "coreml": "CoreML is part of onnxruntime on macOS 14 and later; elsewhere choose the device auto.",
}
MAX_THREADS = 8  # small networks gain nothing beyond


class Session:
    """One opened model.

    path   : ONNX file, out of a verified bundle
    device : "auto" (CUDA where it works, else the CPU), "cpu", "cuda" or "coreml"

    `device` afterwards is the device that runs. RuntimeUnavailable when the device asked for is not to be had,
    BundleError when the file is no model ONNX Runtime can open.
    """

    def __init__(self, path: Path | str, device: str = "auto"):
        if device != "auto" and device not in PROVIDERS:
            raise InputError(f"There is no device called {device!r}.", "LEXIS runs on auto, cpu, cuda or coreml.",
                             "Choose one of these.")
        runtime = import_onnxruntime()
        available = runtime.get_available_providers()
        wanted = [device] if device != "auto" else [d for d in ("cuda", "cpu") if PROVIDERS[d] in available]
        if PROVIDERS[wanted[0]] not in available:
            raise _no_device(device, f"The installed onnxruntime {runtime.__version__} offers {', '.join(available)}.")
        self._session = _open(runtime, Path(path), [PROVIDERS[d] for d in wanted])
        running = self._session.get_providers()[0]
        if device != "auto" and running != PROVIDERS[device]:
            raise _no_device(device, f"onnxruntime {runtime.__version__} has it but could not start it here.")
        self.device = {provider: name for name, provider in PROVIDERS.items()}[running]
        self._out_of_memory = runtime.capi.onnxruntime_pybind11_state.RuntimeException
        self._inputs = {i.name: i for i in self._session.get_inputs()}
        self.outputs = tuple(o.name for o in self._session.get_outputs())

    def run(self, inputs: Mapping[str, Array], outputs: tuple[str, ...] | None = None) -> dict[str, Array]:
        """Named arrays in, named arrays out. InputError when a name, a type or a shape is not the model's."""
        if inputs.keys() != self._inputs.keys():
            raise InputError("The model cannot run.", f"It takes {sorted(self._inputs)}, given were {sorted(inputs)}.",
                             "Use a bundle made for this version of LEXIS.")
        for name, array in inputs.items():
            _check_input(name, array, self._inputs[name])
        names = list(outputs or self.outputs)
        try:
            return dict(zip(names, self._session.run(names, dict(inputs)), strict=True))
        except self._out_of_memory as error:
            if "allocat" not in str(error).lower():
                raise
            raise OutOfMemory("The model did not fit into memory.", f"The {self.device} device has too little left.",
                              "Close other programs, or run it on the cpu.") from error


class Sessions:
    """Opened models of one device, kept from job to job. Nothing is opened before it is asked for.

    bundle : whose models; None is the default bundle
    device : as Session
    """

    def __init__(self, bundle: Bundle | None = None, device: str = "auto"):
        self.bundle, self.wanted = bundle or default_bundle(), device
        self._opened: dict[str, Session] = {}

    def __getitem__(self, model: str) -> Session:
        """The session of a model of the bundle, by its name there."""
        if model not in self._opened:
            self._opened[model] = Session(self.bundle.path(model), self.wanted)
        return self._opened[model]

    def release(self) -> None:
        """Let go of every session and the memory it holds; the next use opens it again."""
        self._opened.clear()


def devices() -> tuple[str, ...]:
    """The devices the installed onnxruntime was built for, fastest first."""
    available = import_onnxruntime().get_available_providers()
    return tuple(name for name in ("cuda", "coreml", "cpu") if PROVIDERS[name] in available)


def import_onnxruntime() -> ModuleType:
    """onnxruntime, imported with its telemetry off. RuntimeUnavailable when it is not installed.

    On import, onnxruntime 1.29 and later write a device id and report home unless this variable is set before.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    try:
        import onnxruntime
    except ImportError as error:
        raise RuntimeUnavailable("ONNX Runtime cannot be loaded.", f"Python says: {error}.", INSTALL["cpu"]) from error
    return onnxruntime


def _open(runtime: ModuleType, path: Path, providers: list[str]):
    options = runtime.SessionOptions()
    options.intra_op_num_threads = min(_usable_cores(), MAX_THREADS)
    options.log_severity_level = 3  # errors; that a device is missing we say ourselves
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # idle threads leave the CPU to Blender
    try:
        return runtime.InferenceSession(os.fspath(path), options, providers=providers)
    except Exception as error:  # onnxruntime has a class of its own for each way a file can be wrong
        raise BundleError(f"The model {path} cannot be opened.", f"ONNX Runtime says: {error}",
                          "Install LEXIS again, or fetch the bundle again.") from error


def _check_input(name: str, array: Array, expected) -> None:
    element = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64,
               "tensor(int64)": np.int64, "tensor(int32)": np.int32, "tensor(bool)": np.bool_}[expected.type]
    fits = array.ndim == len(expected.shape) and all(
        not isinstance(n, int) or n == m for n, m in zip(expected.shape, array.shape, strict=True))
    if array.dtype != element or not fits:
        raise InputError(f"The model cannot take {name!r}.",
                         f"It must be {np.dtype(element).name} {expected.shape}, it is {array.dtype} {array.shape}.",
                         "Use a bundle made for this version of LEXIS.")


def _usable_cores() -> int:
    """Cores this process may use; a container often gets fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _no_device(device: str, why: str) -> RuntimeUnavailable:
    return RuntimeUnavailable(f"The device {device} is not available.", why, INSTALL[device])
