"""How long showing a result takes in Blender: importing it whole, switching fields and hypotheses, and measuring.

    python benchmarks/fields.py

Prints medians in milliseconds. The targets: an import of a full result (a photo of 12 million pixels, masks, the
network's field) in 250 ms, switching a field in 10 ms at 10,000 vertices and in 100 ms at 200,000.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "data")]

import bpy  # noqa: E402
import numpy as np  # noqa: E402
from made_up_results import made_up_result  # noqa: E402
from synthetic_smplx import smplx_like  # noqa: E402

from lexis_blender import api  # noqa: E402
from lexis_blender.scene import apply_state, facts, fields, hypotheses, read_back  # noqa: E402
from lexis_core.body.files import load_body  # noqa: E402
from lexis_core.camera import Camera  # noqa: E402
from lexis_core.mesh import Mesh  # noqa: E402
from lexis_core.objects.model import ObjectModel  # noqa: E402
from lexis_core.reconstruction import Reconstruction  # noqa: E402

ROUNDS = 15
PHOTO = Camera(4000, 3000, (3600.0, 3600.0), (2000.0, 1500.0))


def main() -> None:
    body = smplx_like(vertices=10_000, pose_dirs=False)
    print(f"Blender {bpy.app.version_string}, median of {ROUNDS}, ms")
    for vertices in (1_000, 10_000, 200_000):
        bpy.ops.wm.read_factory_settings(use_empty=True)
        made = api.import_reconstruction(_full(body, vertices), body=body)
        count = len(made.body.data.vertices) + len(made.object.data.vertices)
        print(f"\n{count:,} vertices: body {len(made.body.data.vertices):,}, object {len(made.object.data.vertices):,}")
        for kind in facts.KINDS[:-1]:
            _print(f"show {kind}", lambda kind=kind, made=made: fields.show(made, kind), ROUNDS)
        seen = read_back.surfaces(bpy.context, made)
        _print("contact threshold", lambda made=made, seen=seen: fields.set_threshold(made, 0.04, seen), 5)
        _print("measure anew", lambda made=made: apply_state.measure(bpy.context, made), 3)
        _print("read back", lambda made=made: read_back.read_back(bpy.context, made, body, measured=False), 5)
    _import_of_a_full_result()


def _import_of_a_full_result() -> None:
    model = load_body()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "result.lexis.npz"
        _full(model, 10_000, PHOTO).save(path)
        print(f"\nA full result from its file: {PHOTO.width} x {PHOTO.height} pixels")
        spent = []
        for _ in range(5):
            bpy.ops.wm.read_factory_settings(use_empty=True)
            start = perf_counter()
            made = api.import_reconstruction(path)
            spent.append(1000 * (perf_counter() - start))
        print(f"{'import':24}{median(spent):10.1f}")
        result = api.load(path)
        several = [replace(result, state=made_up_result(model, seed).state) for seed in range(3)]
        _print("keep three hypotheses", lambda: hypotheses.keep(made, several), 5)
        turn = iter(range(100))
        _print("switch hypothesis", lambda: hypotheses.show(bpy.context, made, model, next(turn) % 3), 6)


def _full(body, vertices: int, camera: Camera | None = None) -> Reconstruction:
    """A result whose object is a wavy ball of this many vertices, with everything a result may carry."""
    rng = np.random.default_rng(0)
    result = made_up_result(body, 1, item=ObjectModel("ball", "", _ball(vertices), np.eye(4, dtype=np.float32), True),
                            camera=camera)
    mask = np.zeros((result.camera.height, result.camera.width), bool)
    mask[mask.shape[0] // 4:, mask.shape[1] // 3: mask.shape[1] // 2] = True
    body_field, item_field = (rng.uniform(0.01, 1, len(f)).astype(np.float32)
                              for f in (result.field.body, result.field.object))
    return replace(result, person_mask=mask, object_mask=~mask, predicted_body=body_field, predicted_object=item_field)


def _ball(vertices: int) -> Mesh:
    """A wavy sphere of about this many vertices, 0.4 m across."""
    rows = round(np.sqrt(vertices / 2))
    down = np.linspace(0.02, np.pi - 0.02, rows)[:, None]
    around = np.linspace(0, 2 * np.pi, 2 * rows, endpoint=False)
    radius = 0.2 + 0.01 * np.sin(5 * around)
    points = np.stack([radius * np.sin(down) * np.cos(around), radius * np.cos(down),
                       radius * np.sin(down) * np.sin(around)], -1)
    index = np.arange(2 * rows * rows).reshape(rows, -1)
    a, b = index[:-1], index[1:]
    c, d = np.roll(a, -1, 1), np.roll(b, -1, 1)
    faces = np.concatenate([np.stack(corners, -1).reshape(-1, 3) for corners in ((a, c, b), (c, d, b))])
    return Mesh(points.reshape(-1, 3).astype(np.float32), faces.astype(np.int32))


def _print(what: str, do, rounds: int) -> None:
    spent = []
    for _ in range(rounds):
        start = perf_counter()
        do()
        spent.append(1000 * (perf_counter() - start))
    print(f"{what:24}{median(spent):10.1f}")


if __name__ == "__main__":
    main()
