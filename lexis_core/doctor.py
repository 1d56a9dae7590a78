"""What is installed here and what is missing, in lines a person can read or paste into a report."""

from __future__ import annotations

import platform
from collections.abc import Callable
from importlib import metadata

from lexis_core import __version__
from lexis_core.errors import LexisError

PACKAGES = ("numpy", "scipy", "libigl", "onnxruntime", "onnxruntime-gpu", "pillow", "opencv-python-headless", "trimesh",
            "fast-simplification", "threadpoolctl", "bpy", "torch", "smplx")
OPTIONAL = {"onnxruntime-gpu": "CUDA", "bpy": "writing .blend and .glb", "torch": "training",
            "smplx": "parity with the licensed package"}


def report() -> str:
    """Versions, providers, bundle, body, and what is missing."""
    lines = [f"lexis {__version__}, Python {platform.python_version()}, {platform.platform()}"]
    lines += [_package(name) for name in PACKAGES]
    lines += [_said("providers", _providers), _said("bundle", _bundle), _said("body", _body)]
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


def _providers() -> str:
    from lexis_core.runtime.session import import_onnxruntime
    return ", ".join(import_onnxruntime().get_available_providers())


def _bundle() -> str:
    from lexis_core.runtime.bundle import default_bundle
    return f"{default_bundle().folder} verified"


def _body() -> str:
    from lexis_core.body import load_body
    body = load_body()
    return f"{body.name}: {len(body.template):,} vertices, {body.shape_dirs.shape[2]} betas, sha256 {body.digest[:12]}"
