"""What is installed here and what is missing, in lines a person can read or paste into a report."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator
from importlib import metadata

from lexis_core import __version__
from lexis_core.errors import LexisError

PACKAGES = ("numpy", "scipy", "libigl", "pillow", "opencv-python-headless", "trimesh", "fast-simplification",
            "threadpoolctl", "bpy", "torch", "smplx")
OPTIONAL = {"bpy": "writing .blend and .glb", "torch": "training", "smplx": "parity with the licensed package"}


def report() -> str:
    """Versions, ONNX Runtime and its devices, bundle, body, and what is missing."""
    lines = [f"lexis {__version__}, Python {platform.python_version()}, {platform.platform()}"]
    lines += [_package(name) for name in PACKAGES]
    lines += [_said("ONNX Runtime", _runtime), *_devices(), _said("bundle", _bundle), _said("body", _body)]
    return "\n".join(lines)


def _package(name: str) -> str:
    try:
        return f"{name:<24}{metadata.version(name)}"
    except metadata.PackageNotFoundError:
        wanted = f"only for {OPTIONAL[name]}" if name in OPTIONAL else "NEEDED: python -m pip install lexis-blender"
        return f"{name:<24}missing ({wanted})"


def _said(name: str, tell: Callable[[], str]) -> str:
    try:
        return f"{name:<24}{tell()}"
    except LexisError as error:
        return f"{name:<24}PROBLEM: {error.what} {error.why} {error.remedy}"
    except ImportError as error:
        return f"{name:<24}PROBLEM: {error}."


def _runtime() -> str:
    from lexis_core.runtime.devices import import_onnxruntime, installed_packages
    version = import_onnxruntime().__version__
    packages = [" ".join(package) for package in installed_packages()]
    return ", ".join(packages) if packages else f"{version}, from a package of an unknown name"


def _devices() -> Iterator[str]:
    from lexis_core.runtime.devices import PROVIDERS, import_onnxruntime, why_not
    try:
        import_onnxruntime()
    except LexisError:
        return  # the line above says it
    for device in PROVIDERS:
        reason = why_not(device)
        yield f"device {device:<17}{f'no: {reason}' if reason else 'yes'}"
        if device == "cuda" and not reason:
            yield _said("half precision", _half)


def _bundle() -> str:
    from lexis_core.runtime.bundle import default_bundle
    bundle = default_bundle()
    size = sum(file.stat().st_size for file in bundle.folder.rglob("*") if file.is_file())
    return f"{bundle.name}, {len(bundle.models)} networks, {size / 1e6:.1f} MB, verified: {bundle.folder}"


def _half() -> str:
    """Whether the card runs the sampler's step in half precision, and as a CUDA graph; it is tried out."""
    from lexis_core.runtime.bundle import HALF, default_bundle
    from lexis_core.runtime.session import Sessions
    if HALF not in default_bundle().models:
        return f"no: the bundle has no {HALF}; docs/runtime.md says how to add it"
    reason = Sessions(device="cuda").half_step(1).why_no_graph
    return f"yes. {reason}" if reason else "yes, and as a CUDA graph"


def _body() -> str:
    from lexis_core.body import load_body
    body = load_body()
    return f"{body.name}: {len(body.template):,} vertices, {body.shape_dirs.shape[2]} betas, sha256 {body.digest[:12]}"
