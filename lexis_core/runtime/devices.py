"""Which devices ONNX Runtime can run on here, and why not a better one."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from functools import cache
from importlib import metadata
from pathlib import Path
from types import ModuleType

from lexis_core.errors import InputError, RuntimeUnavailable

PROVIDERS = {"cuda": "CUDAExecutionProvider", "coreml": "CoreMLExecutionProvider", "cpu": "CPUExecutionProvider"}
DEVICES = ("auto", *PROVIDERS)
DISTRIBUTIONS = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-directml", "onnxruntime-openvino", "onnxruntime-qnn",
                 "onnxruntime-rocm", "onnxruntime-migraphx", "onnxruntime-training", "onnxruntime-webgpu",
                 "ort-nightly", "ort-nightly-gpu")
CPU_PACKAGE, CUDA_PACKAGE = "onnxruntime", '"onnxruntime-gpu[cuda,cudnn]==1.31.1"'
INSTALL = {
    "cpu": f"Install it: python -m pip install {CPU_PACKAGE}.",
    "cuda": f"Choose the device auto or cpu; or, for an NVIDIA card: python -m pip uninstall {CPU_PACKAGE}, then "
            f"python -m pip install {CUDA_PACKAGE}.",
    "coreml": "Choose the device auto or cpu; CoreML is part of onnxruntime on macOS 14 and later.",
}


def import_onnxruntime() -> ModuleType:
    """onnxruntime, imported with its telemetry off.

    On import, onnxruntime 1.29 and later write a device id and report home unless this variable is set before.
    RuntimeUnavailable when it is not installed, or more than one of its packages are.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    if len(found := installed_packages()) > 1:
        names = [name for name, _ in found]
        raise RuntimeUnavailable(
            "ONNX Runtime cannot be trusted here.",
            f"{' and '.join(' '.join(package) for package in found)} are both installed and overwrite each other.",
            f"Remove all, then install the one you want: python -m pip uninstall {' '.join(names)}, then "
            f"python -m pip install {CPU_PACKAGE} (or {CUDA_PACKAGE}).")
    try:
        import onnxruntime
    except ImportError as error:
        raise RuntimeUnavailable("ONNX Runtime cannot be loaded.", f"Python says: {error}.", INSTALL["cpu"]) from error
    return onnxruntime


@cache
def installed_packages() -> tuple[tuple[str, str], ...]:
    """(name, version) of every installed package that fills the folder onnxruntime; it should be one."""
    found = []
    for name in DISTRIBUTIONS:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found.append((name, metadata.version(name)))
    return tuple(found)


def devices() -> tuple[str, ...]:
    """The devices that can run here."""
    return tuple(device for device in PROVIDERS if not why_not(device))


@cache
def why_not(device: str) -> str:
    """One sentence on why a device cannot run here, as far as that is seen without a model; "" when nothing speaks
    against it. InputError for a device that is none.
    """
    if device not in PROVIDERS:
        raise InputError(f"There is no device called {device!r}.", f"LEXIS runs on {', '.join(DEVICES)}.",
                         "Choose one of these.")
    runtime = import_onnxruntime()
    if PROVIDERS[device] not in runtime.get_available_providers():
        return f"The installed onnxruntime {runtime.__version__} is made without it."
    return _why_no_cuda(runtime) if device == "cuda" else ""


def _why_no_cuda(runtime: ModuleType) -> str:
    """What is missing between the driver and onnxruntime's CUDA library. Loads that library when nothing is.

    onnxruntime itself would only log the reason and fall back to the CPU.
    """
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return "There is no NVIDIA driver on this machine."
    if code := driver.cuInit(0):
        return f"The NVIDIA driver finds no card to run on (CUDA error {code})."
    with contextlib.redirect_stdout(sys.stderr):  # it prints what it does not find
        runtime.preload_dlls()
    names = ("onnxruntime_providers_shared.dll", "onnxruntime_providers_cuda.dll") if sys.platform == "win32" else (
        "libonnxruntime_providers_shared.so", "libonnxruntime_providers_cuda.so")
    folder = Path(runtime.__file__).parent / "capi"
    try:
        for name in names:
            ctypes.CDLL(os.fspath(folder / name), mode=getattr(os, "RTLD_LAZY", 0) | ctypes.RTLD_GLOBAL)
    except OSError as error:
        return f"A library that CUDA needs cannot be loaded ({error})."
    return ""
