"""How an import is looked at: settings of its own that the Result panel shows as sliders. Light to import."""

from __future__ import annotations

import math
from typing import Any

import bpy

from lexis_core.errors import LexisError

from . import compat, dialog
from .scene import facts
from .scene.identity import Imported

USUAL_THRESHOLD, USUAL_OPACITY = 0.05, 0.5
VIEWPORT_SENSOR = 72.0  # mm; that of a 3D View, along its longer side


def show_colours(space: bpy.types.Space | None) -> None:
    """Let Solid view show the fields; other editors and other kinds of shading stay as they are."""
    if space is not None and space.type == "VIEW_3D" and space.shading.type == "SOLID":
        space.shading.color_type = "VERTEX"


def show_in_window() -> dict[str, Any] | None:
    """Let the largest 3D View show the fields; what temp_override needs for it, None where there is none."""
    if bpy.app.background:
        return None
    place = compat.largest_view(bpy.context.window)
    if place is not None:
        show_colours(place["area"].spaces.active)
    return place


def distance_to_see(place: dict[str, Any], radius: float) -> float:
    """How far a 3D View stands off to see a ball whole. radius : in metres"""
    region = place["region"]
    wide = VIEWPORT_SENSOR / 2 / place["area"].spaces.active.lens  # the tangent of half the angle, on the longer side
    return radius / math.sin(math.atan(wide * min(region.width, region.height) / max(region.width, region.height)))


def threshold(made: Imported) -> float:
    """Metres; nearer is contact."""
    return float(made.collection.get(facts.THRESHOLD, USUAL_THRESHOLD))


def set_threshold(context: bpy.types.Context, made: Imported, metres: float) -> None:
    """Tell contact anew. What goes wrong (edit mode, a mesh that was cut) is told in the dialog."""
    from .scene import fields, read_back

    try:
        fields.set_threshold(made, metres, read_back.surfaces(context, made))
    except LexisError as error:
        dialog.show(error)


def opacity(made: Imported) -> float:
    """Of the photo in the camera's view, 0..1."""
    photos = made.camera.data.background_images
    return photos[0].alpha if photos else 0.0


def set_opacity(made: Imported, share: float) -> None:
    for photo in made.camera.data.background_images:
        photo.alpha = share
