"""A folder of results as Blender files: one .blend, .glb and turntable each.

    blender -b -P lexis_blender/batch.py -- RESULTS --out SCENES
    python -m lexis_blender.batch RESULTS --out SCENES            (with the bpy package)

Prints one line a file. What is there and newer than its result is left alone, so a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import bpy

SUFFIX = ".lexis.npz"
ID = "lexis_blender"  # of the add-on; an extension's module has its repository before it
FRAMES, SIZE = 24, 256  # of a turntable


def main(arguments: Sequence[str]) -> int:
    """Work through the folder; 1 when any file failed."""
    given = _parsed(arguments)
    paths = sorted(Path(given.results).rglob(f"*{SUFFIX}"))
    if not paths:
        print(f"There is no *{SUFFIX} file in {given.results}.", file=sys.stderr)
        return 1
    failed = 0
    for path in paths:
        line, ok = _written(path, Path(given.out) / path.parent.relative_to(given.results), given)
        failed += not ok
        print(f"{path.relative_to(given.results)}: {line}", flush=True)
    print(f"{len(paths) - failed} of {len(paths)} done")
    return int(failed > 0)


def _parsed(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="batch.py", description="A folder of LEXIS results as Blender files.")
    parser.add_argument("results", help="a folder with *.lexis.npz files, at any depth")
    parser.add_argument("--out", required=True, help="the folder to write to")
    parser.add_argument("--body", help="the SMPL-X file the results were solved with; else the default body")
    parser.add_argument("--no-glb", action="store_true", help="write no .glb")
    parser.add_argument("--no-turntable", action="store_true", help="write no .gif")
    parser.add_argument("--frames", type=int, default=FRAMES, help=f"of the turntable (default {FRAMES})")
    parser.add_argument("--size", type=int, default=SIZE, help=f"of the turntable, pixels (default {SIZE})")
    given = parser.parse_args(arguments)
    if given.frames < 2 or given.size < 16:
        parser.error("A turntable has at least 2 frames of 16 pixels.")
    return given


def _written(path: Path, folder: Path, given: argparse.Namespace) -> tuple[str, bool]:
    """What became of a result, in one line, and whether it went well."""
    from lexis_core.errors import LexisError

    name = path.name.removesuffix(SUFFIX)
    wanted = {kind: folder / f"{name}.{kind}" for kind, left_out in
              (("blend", False), ("glb", given.no_glb), ("gif", given.no_turntable)) if not left_out}
    missing = {kind: out for kind, out in wanted.items() if not _is_newer(out, path)}
    if not missing:
        return "is there", True
    start = time.perf_counter()
    try:
        _write(path, missing, given)
    except LexisError as error:
        return " ".join(str(error).splitlines()), False
    return f"{', '.join(missing)} in {time.perf_counter() - start:.1f} s", True


def _write(path: Path, wanted: dict[str, Path], given: argparse.Namespace) -> None:
    api = _package("api")
    result = api.load(path)
    model = _package("bodies").given(given.body)
    made = None
    if "blend" in wanted:
        made = api.save_blend(result, wanted["blend"], body=model,
                              options=api.ImportOptions(name=path.name.removesuffix(SUFFIX)))
    if "glb" in wanted:
        api.export_glb(made or result, wanted["glb"], body=model)
    if "gif" in wanted:
        _turn(result, model, wanted["gif"], given)


def _turn(result, model, out: Path, given: argparse.Namespace) -> None:
    """The InterField's colours from all around, drawn by the core: no renderer, no graphics card."""
    from lexis_core.body.model import pose
    from lexis_core.draw import orbit, ramp
    from lexis_core.mesh import Mesh
    from lexis_core.results import drawn, save_turn

    meshes, fields = drawn(Mesh(pose(model, result.state.body).vertices, model.faces), result)
    save_turn(orbit(meshes, [ramp(field) for field in fields], given.frames, given.size), out)


def _is_newer(out: Path, source: Path) -> bool:
    return out.is_file() and out.stat().st_mtime >= source.stat().st_mtime


def _package(name: str) -> ModuleType:
    """A module of the add-on, from wherever it is installed: -P runs this file outside its package."""
    installed = (addon.module for addon in bpy.context.preferences.addons)
    package = __package__ or next((m for m in installed if m.rpartition(".")[2] == ID), ID)
    return importlib.import_module(f"{package}.{name}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[sys.argv.index("--") + 1:] if "--" in sys.argv else sys.argv[1:]))
