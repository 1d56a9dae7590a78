"""The wheels inside a zip: which, of what version, under what licence, and what of them is left out."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from lexis_core.errors import RuntimeUnavailable

PLATFORMS = {  # Blender's name of a platform: the wheel tags that run there, best first
    "linux-x64": ("manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64"),
    "windows-x64": ("win_amd64",),
    "macos-arm64": ("macosx_14_0_arm64", "macosx_13_0_arm64", "macosx_12_0_arm64", "macosx_11_0_arm64"),
}
BUILD_TAG = "1lexis"  # a wheel we left something out of; Blender prefers the whole one where another extension has it


@dataclass(frozen=True)
class Pin:
    """One wheel. left_out: patterns of paths no import reaches; Blender would unpack them all the same."""

    name: str
    version: str
    licence: str
    left_out: tuple[str, ...] = ()


# numpy is not here and never may be: Blender brings its own, and extensions share one folder, the highest version wins.
# flatbuffers, packaging and protobuf, which onnxruntime asks for, serve only its tools.
PINS = (
    Pin("scipy", "1.15.3", "BSD-3-Clause", ("*/tests/*",)),  # 1.16 no longer runs on Blender 4.2's numpy
    Pin("libigl", "2.6.3", "MPL-2.0",                        # static libraries and headers, 54 MB on Windows; and
        ("lib/*", "lib64/*", "bin/*", "include/*", "share/*", "embree-vars.*",  # Triangle, which is not free software,
         "igl/triangle/*", "igl/copyleft/*", "igl/embree/*")),  # TetGen under the AGPL, CGAL, Embree: none is used
    Pin("onnxruntime", "1.31.1", "MIT",                      # a second copy of the runtime, for programs in C
        ("onnxruntime/capi/libonnxruntime.*", "onnxruntime/capi/onnxruntime.dll")),
    Pin("opencv-python-headless", "4.11.0.86", "Apache-2.0 AND LGPL-2.1-or-later"),  # the last for numpy 1
    Pin("pillow", "13.0.0", "MIT-CMU"),
    Pin("trimesh", "5.2.0", "MIT"),
    Pin("fast-simplification", "0.2.0", "MIT"),
    Pin("threadpoolctl", "3.8.0", "BSD-3-Clause"),
)


def fetch(platform: str, python: str, folder: Path) -> list[Path]:
    """Download the pinned wheels with pip, as it is configured, and leave out what is never imported.

    platform : a key of PLATFORMS; python : "3.11" or "3.13"; folder : where the wheels are put
    Raises RuntimeUnavailable where pip cannot fetch them.
    """
    whole = folder / "whole"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
               "--only-binary=:all:", "--implementation", "cp", "--python-version", python, "--dest", str(whole)]
    for tag in PLATFORMS[platform]:
        command += ["--platform", tag]
    done = subprocess.run([*command, *(f"{pin.name}=={pin.version}" for pin in PINS)], capture_output=True, text=True)
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or ["pip gave no reason."]
        raise RuntimeUnavailable(f"The wheels for {platform} and Python {python} were not fetched.", said[-1],
                                 "See that pip can reach its package index.")
    return [_without(_wheel_of(pin, whole), pin.left_out, folder) for pin in PINS]


def _wheel_of(pin: Pin, folder: Path) -> Path:
    return next(folder.glob(f"{pin.name.replace('-', '_')}-{pin.version}-*.whl"))


def _without(wheel: Path, patterns: tuple[str, ...], folder: Path) -> Path:
    if not patterns:
        return wheel.rename(folder / wheel.name)
    name, version, tags = wheel.name.split("-", 2)
    with zipfile.ZipFile(wheel) as whole:
        kept = (entry for entry in whole.infolist()
                if not entry.is_dir() and not any(fnmatch(entry.filename, pattern) for pattern in patterns))
        slim = write_wheel(folder / f"{name}-{version}-{BUILD_TAG}-{tags}",
                           ((entry.filename, lambda entry=entry: whole.read(entry)) for entry in kept))
    wheel.unlink()
    return slim


def write_wheel(path: Path, files: Iterable[tuple[str, Callable[[], bytes]]]) -> Path:
    """Write a wheel of (path inside, its bytes when asked), with a RECORD of its own at the end."""
    record: list[tuple[str, str, str]] = []
    information = ""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        for name, content in files:
            top = name.split("/", 1)[0]
            if top.endswith(".dist-info"):
                information = top
            if name == f"{information}/RECORD":
                continue
            data = content()
            wheel.writestr(_entry(name), data)
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            record.append((name, f"sha256={digest}", str(len(data))))
        table = io.StringIO()
        csv.writer(table, lineterminator="\n").writerows([*record, (f"{information}/RECORD", "", "")])
        wheel.writestr(_entry(f"{information}/RECORD"), table.getvalue())
    return path


def _entry(name: str) -> zipfile.ZipInfo:
    """With a date of its own, so that the same content makes the same wheel."""
    entry = zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0))
    entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
    return entry
