"""lexis_core as a wheel of its own, without what only training needs."""

from __future__ import annotations

import hashlib
from pathlib import Path

import lexis_core
from lexis_blender.package.wheels import write_wheel

TRAINING = ("learn", "synthetic", "data/weights", "body/bake.py")  # torch, and the checkpoints the bundle is made of


def core_wheel(folder: Path) -> Path:
    """Write the wheel into a folder.

    Its version ends in a digest of its content: Blender unpacks a wheel of the same version only once, so an update
    between two releases would keep the old code.
    """
    top = Path(lexis_core.__file__).parent
    files = {f"lexis_core/{path.relative_to(top).as_posix()}": path for path in sorted(top.rglob("*"))
             if path.is_file() and not _left_out(path.relative_to(top))}
    digest = hashlib.sha256()
    for name, path in files.items():
        digest.update(name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    version = f"{lexis_core.__version__}+{digest.hexdigest()[:12]}"
    information = f"lexis_core-{version}.dist-info"
    written = {
        f"{information}/METADATA": f"Metadata-Version: 2.4\nName: lexis_core\nVersion: {version}\n"
                                   "License-Expression: GPL-3.0-or-later AND Apache-2.0 AND CC0-1.0\n",
        f"{information}/WHEEL": "Wheel-Version: 1.0\nGenerator: lexis_blender.package\nRoot-Is-Purelib: true\n"
                                "Tag: py3-none-any\n",
    }
    return write_wheel(folder / f"lexis_core-{version}-py3-none-any.whl",
                       [*((name, path.read_bytes) for name, path in files.items()),
                        *((name, text.encode) for name, text in written.items())])


def _left_out(path: Path) -> bool:
    name = path.as_posix()
    return "__pycache__" in path.parts or any(name == part or name.startswith(f"{part}/") for part in TRAINING)
