"""How long an import into Blender takes, part by part, for a body of SMPL-X's size and for the default body.

    python benchmarks/blender_import.py

Prints medians in milliseconds, from the *.lexis.npz on disk to the selected collection; the target is 250 ms. The body
of SMPL-X's size is made up and handed over as a value, the default one is read from its file each time.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "data")]

import bpy  # noqa: E402
from made_up_results import made_up_result  # noqa: E402
from synthetic_smplx import smplx_like  # noqa: E402

from lexis_blender import api, bodies  # noqa: E402
from lexis_blender.scene import armature, attributes, camera, fields, mesh, shapes, store  # noqa: E402
from lexis_core.body.files import load_body  # noqa: E402
from lexis_core.body.model import BodyModel  # noqa: E402

ROUNDS = 9
PARTS = {
    "read the result": (api, "load"), "read the body": (bodies, "load_body"),
    "rig: create": (armature, "create"), "rig: pose": (armature, "set_pose"), "meshes: build": (mesh, "build"),
    "- of which weights": (mesh, "_write_weights"), "shape keys": (shapes, "add_shape_keys"),
    "camera and photo": (camera, "create"), "fields and material": (fields, "write"),
    "- of which attributes": (attributes, "write_interfield"), "keeping the source": (store, "keep"),
}


def main() -> None:
    bodies = {"SMPL-X's size": smplx_like(), "default body": load_body()}
    with TemporaryDirectory() as folder:
        spent = {name: _measure(model, Path(folder) / "made up.lexis.npz") for name, model in bodies.items()}
    print(f"Blender {bpy.app.version_string}, median of {ROUNDS} imports, ms")
    print(f"{'':22}" + "".join(f"{name:>16}" for name in bodies))
    print(f"{'vertices':22}" + "".join(f"{len(model.template):16,}" for model in bodies.values()))
    for part in (*PARTS, "whole import"):
        print(f"{part:22}" + "".join(f"{spent[name].get(part, 0):16.1f}" for name in bodies))


def _measure(model: BodyModel, path: Path) -> dict[str, float]:
    rounds = defaultdict(list)
    for seed in range(ROUNDS):
        made_up_result(model, seed).save(path)
        bpy.ops.wm.read_factory_settings(use_empty=True)
        bodies.forget()
        spent = defaultdict(float)
        undo = [_timed(module, function, part, spent) for part, (module, function) in PARTS.items()]
        start = perf_counter()
        api.import_reconstruction(path, body=None if model.source == "default" else model)
        spent["whole import"] = 1000 * (perf_counter() - start)
        for restore in undo:
            restore()
        for part, milliseconds in spent.items():
            rounds[part].append(milliseconds)
    return {part: median(values) for part, values in rounds.items()}


def _timed(module, name: str, part: str, spent: dict[str, float]):
    """Add the time of module.name to spent[part] until the returned function is called."""
    plain = getattr(module, name)

    def timed(*arguments, **named):
        start = perf_counter()
        try:
            return plain(*arguments, **named)
        finally:
            spent[part] += 1000 * (perf_counter() - start)

    setattr(module, name, timed)
    return lambda: setattr(module, name, plain)


if __name__ == "__main__":
    main()
