"""Measuring the InterField of large meshes in the worker, so that Blender does not stand still."""

from __future__ import annotations

from typing import Any

import bpy

from lexis_core.errors import InputError

from . import dialog, results, runtime, snapshot
from .jobs import Work
from .scene.identity import Imported

LARGE = 30_000  # vertices of both; below, measuring at once takes less than starting a worker does


def is_large(made: Imported) -> bool:
    return len(made.body.data.vertices) + len(made.object.data.vertices) > LARGE


def start(context: bpy.types.Context, made: Imported, wait: bool) -> set[str]:
    """Send the surfaces as they are seen to the worker, and write what it measures, as one undo step. LexisError."""
    from .scene import fields, read_back, stand

    surfaces, stands = read_back.surfaces(context, made), stand.now(made)
    import_id, scene, sigma = made.id, context.scene.name, fields.sigma(made)
    arrays = {f"{name}_{part}": getattr(mesh, part) for name, mesh in zip(("body", "object"), surfaces, strict=True)
              for part in ("vertices", "faces")}
    runtime.run(Work("interfield", lambda: ({"sigma": sigma}, arrays), finish=_field,
                     done=lambda field: _write(field, surfaces, stands, import_id, scene), failed=dialog.show), wait)
    return {"FINISHED"}


def _field(event: Any) -> Any:
    from lexis_core.interfield import InterField

    return InterField(**event.arrays, sigma=float(event.header["sigma"]))


def _write(field: Any, surfaces: tuple, stands: list[float], import_id: str, scene: str) -> None:
    from .scene import apply_state

    with results.in_scene(scene):
        made = snapshot.parts(import_id)
        if made is None:
            raise InputError("The measured field has no place.", "Its reconstruction was deleted meanwhile.",
                             "Undo that and measure again.")
        apply_state.put_measured(bpy.context, made, field, surfaces, stands)
        bpy.ops.ed.undo_push(message="LEXIS Measure")
