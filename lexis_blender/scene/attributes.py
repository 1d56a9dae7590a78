"""InterFields as mesh attributes: one FLOAT a field, and a colour view of it for Solid shading."""

from __future__ import annotations

from functools import cache

import bpy
import numpy as np

from lexis_core.draw import ramp
from lexis_core.errors import InputError

from . import facts

Array = np.ndarray

FIELD, DISTANCE, CONTACT, INSIDE, PREVIEW = "interfield", "distance", "contact", "inside", "InterField"
PREDICTED, PAINTED = "predicted", facts.PAINTED
SHADES = 4096  # of the ramp in a preview: finer than eight bits in every channel
_SLOT = {"FLOAT": ("value", np.float32), "BOOLEAN": ("value", bool), "FLOAT_COLOR": ("color", np.float32)}


def write_interfield(mesh: bpy.types.Mesh, field: Array, distance: Array, inside: Array, contact: Array) -> None:
    """Write what was measured on a mesh.

    field (V,) in (0, 1]; distance (V,) metres; inside, contact (V,) bool
    """
    write(mesh, FIELD, "FLOAT", field)
    write(mesh, DISTANCE, "FLOAT", distance)
    write(mesh, INSIDE, "BOOLEAN", inside)
    write(mesh, CONTACT, "BOOLEAN", contact)


def write_preview(mesh: bpy.types.Mesh, shown: Array) -> None:
    """Colours of (V,) values in [0, 1] as the active and rendered colour attribute: all that Solid view can show."""
    shade = (np.clip(shown, 0, 1) * (SHADES - 1) + 0.5).astype(np.int32)
    write(mesh, PREVIEW, "FLOAT_COLOR", np.take(_shades(), shade, axis=0))
    mesh.color_attributes.active_color_name = PREVIEW
    mesh.color_attributes.render_color_index = mesh.color_attributes.find(PREVIEW)
    mesh.update()


@cache
def _shades() -> Array:
    """The ramp, (SHADES, 4) float32 scene-linear."""
    colours = np.ones((SHADES, 4), np.float32)
    colours[:, :3] = linear(ramp(np.linspace(0, 1, SHADES)))
    return colours


def write(mesh: bpy.types.Mesh, name: str, kind: str, values: Array) -> None:
    """Write one POINT attribute, made if need be. kind: FLOAT or BOOLEAN with (V,), FLOAT_COLOR with (V, 4) linear.

    Raises InputError when the mesh is in edit mode, the length differs, or the name is taken by another kind.
    """
    _need(not mesh.is_editmode, mesh, "It is in edit mode.", "Leave edit mode and try again.")
    _need(len(values) == len(mesh.vertices), mesh,
          f"It has {len(mesh.vertices):,} vertices and {len(values):,} values were given.",
          "Give one value a vertex.")
    attribute = mesh.attributes.get(name)
    if attribute is None:
        attribute = mesh.attributes.new(name, kind, "POINT")
    fits = attribute is not None and (attribute.data_type, attribute.domain) == (kind, "POINT")
    _need(fits, mesh, f'The name "{name}" is taken by other data.', "Rename or remove it and try again.")
    slot, dtype = _SLOT[kind]
    attribute.data.foreach_set(slot, np.ascontiguousarray(values, dtype).ravel())


def read(mesh: bpy.types.Mesh, name: str) -> Array:
    """One attribute's values: (V,) float32 or bool, or (V, 4) float32 linear colours. InputError when it is missing."""
    attribute = mesh.attributes.get(name)
    _need(not mesh.is_editmode, mesh, "It is in edit mode.", "Leave edit mode and try again.")
    _need(attribute is not None and attribute.data_type in _SLOT, mesh, f'It has no attribute "{name}".',
          "Import the reconstruction again, or name another attribute.")
    slot, dtype = _SLOT[attribute.data_type]
    values = np.empty(len(attribute.data) * (4 if slot == "color" else 1), dtype)
    attribute.data.foreach_get(slot, values)
    return values.reshape(-1, 4) if slot == "color" else values


def has(mesh: bpy.types.Mesh, name: str) -> bool:
    """Whether the mesh carries these values, one a vertex."""
    attribute = mesh.attributes.get(name)
    return attribute is not None and attribute.domain == "POINT" and attribute.data_type in _SLOT


def drop(mesh: bpy.types.Mesh, name: str) -> None:
    """Remove an attribute if it is there."""
    if (attribute := mesh.attributes.get(name)) is not None:
        mesh.attributes.remove(attribute)


def linear(srgb: Array) -> Array:
    """sRGB (...,) in [0, 1] -> scene-linear (...,), IEC 61966-2-1."""
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def _need(holds: bool, mesh: bpy.types.Mesh, why: str, remedy: str) -> None:
    if not holds:
        raise InputError(f'The attributes of "{mesh.name}" cannot be used.', why, remedy)
