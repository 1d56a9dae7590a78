"""InterFields as mesh attributes: one FLOAT a field, and a colour view of it for Solid shading."""

from __future__ import annotations

import bpy
import numpy as np

from lexis_core.draw import ramp
from lexis_core.errors import InputError

Array = np.ndarray

FIELD, DISTANCE, CONTACT, PREVIEW = "interfield", "distance", "contact", "InterField"
_SLOT = {"FLOAT": ("value", np.float32), "BOOLEAN": ("value", bool), "FLOAT_COLOR": ("color", np.float32)}


def write_interfield(mesh: bpy.types.Mesh, field: Array, distance: Array, contact: Array) -> None:
    """Write the four attributes of a mesh and show the preview.

    field (V,) in (0, 1]; distance (V,) metres; contact (V,) bool
    """
    write(mesh, FIELD, "FLOAT", field)
    write(mesh, DISTANCE, "FLOAT", distance)
    write(mesh, CONTACT, "BOOLEAN", contact)
    write_preview(mesh, field)
    mesh.update()


def write_preview(mesh: bpy.types.Mesh, field: Array) -> None:
    """The field's colours as the active and rendered colour attribute, which is all that Solid view can show."""
    colours = np.ones((len(field), 4), np.float32)
    colours[:, :3] = linear(ramp(field))
    write(mesh, PREVIEW, "FLOAT_COLOR", colours)
    mesh.color_attributes.active_color_name = PREVIEW
    mesh.color_attributes.render_color_index = mesh.color_attributes.find(PREVIEW)


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


def linear(srgb: Array) -> Array:
    """sRGB (...,) in [0, 1] -> scene-linear (...,), IEC 61966-2-1."""
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def _need(holds: bool, mesh: bpy.types.Mesh, why: str, remedy: str) -> None:
    if not holds:
        raise InputError(f'The attributes of "{mesh.name}" cannot be used.', why, remedy)
