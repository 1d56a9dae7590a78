"""The fields of an import on its two meshes: written, read back, shown in colours, and told in a few numbers."""

from __future__ import annotations

from typing import NamedTuple

import bpy
import numpy as np

from lexis_core import interfield
from lexis_core.errors import InputError
from lexis_core.interfield import InterField, summary
from lexis_core.mesh import Mesh
from lexis_core.reconstruction import Reconstruction

from . import attributes, facts, material, stand
from .identity import Imported

Array = np.ndarray

CHANGE = 0.01  # a painted value that is farther than this from the field was painted

Pair = tuple[Array, Array]


class Goal(NamedTuple):
    """A painted field, and where it was painted: (Vb,) float32, (Vb,) bool, (Vo,) float32, (Vo,) bool."""

    body: Array
    body_mask: Array
    object: Array
    object_mask: Array


def write(made: Imported, field: InterField, surfaces: tuple[Mesh, Mesh], threshold: float | None = None,
          stands: list[float] | None = None) -> None:
    """Put a field on the meshes, in place of what they carried; what was painted stays painted.

    surfaces  : body and object where they stand, for the areas
    threshold : metres, nearer is contact; None keeps the import's
    stands    : stand.now() when the surfaces were taken; None where that is now
    """
    threshold = contact_threshold(made) if threshold is None else float(threshold)
    made.collection[facts.SIGMA], made.collection[facts.THRESHOLD] = float(field.sigma), threshold
    measured = ((field.body, field.body_distance, field.body_inside),
                (field.object, field.object_distance, field.object_inside))
    for mesh, values, contact in zip(meshes(made), measured, field.contact(threshold), strict=True):
        _follow(mesh, values[0])
        attributes.write_interfield(mesh, *values, contact)
    _tell(made, field, surfaces, threshold)
    made.collection[facts.STANDS] = stand.now(made) if stands is None else stands
    show(made, shown(made))


def read(made: Imported) -> InterField:
    """What the meshes carry. InputError when an attribute was deleted or a mesh was cut."""
    body, item = ([attributes.read(mesh, name) for name in (attributes.FIELD, attributes.DISTANCE, attributes.INSIDE)]
                  for mesh in meshes(made))
    return InterField(body[0], item[0], body[1], item[1], body[2], item[2], sigma(made))


def write_pair(made: Imported, name: str, body: Array, item: Array) -> None:
    """One more field, `predicted` or `painted`: (Vb,) and (Vo,) in [0, 1]."""
    for mesh, values in zip(meshes(made), (body, item), strict=True):
        attributes.write(mesh, name, "FLOAT", _unit(values))
    if shown(made) == name:
        show(made, name)


def write_predicted(made: Imported, result: Reconstruction) -> None:
    """The network's own field, where the result has one; else there is none."""
    if result.predicted_body is None or result.predicted_object is None:
        drop_pair(made, attributes.PREDICTED)
    else:
        write_pair(made, attributes.PREDICTED, result.predicted_body, result.predicted_object)


def read_pair(made: Imported, name: str) -> Pair | None:
    """A field of both meshes: (Vb,) and (Vo,), or None when one of them lacks it."""
    if not available(made, name):
        return None
    body, item = (attributes.read(mesh, name) for mesh in meshes(made))
    return body, item


def drop_pair(made: Imported, name: str) -> None:
    """Remove a field from both meshes, and show the InterField if it was the one shown."""
    was_shown = shown(made) == name
    for mesh in meshes(made):
        attributes.drop(mesh, name)
    if was_shown:
        show(made, attributes.FIELD)


def available(made: Imported, kind: str) -> bool:
    """Whether both meshes carry this field."""
    return all(attributes.has(mesh, kind) for mesh in meshes(made))


def shown(made: Imported) -> str:
    """Which field the colours show."""
    kind = facts.kind(made.collection)
    return kind if available(made, kind) else attributes.FIELD


def show(made: Imported, kind: str) -> None:
    """Let material, Solid view and legend show one of facts.KINDS. InputError when the meshes do not carry it."""
    if not available(made, kind):
        raise InputError(f"There is no {kind} field to show.", "The meshes do not carry it.",
                         "Show another one, or import the reconstruction again.")
    fall_off, threshold = sigma(made), contact_threshold(made)
    look = material.field_material(kind, fall_off)
    for mesh in meshes(made):
        attributes.write_preview(mesh, values(mesh, kind, fall_off))
        _dress(mesh, look)
    made.collection[facts.SHOWN] = kind
    made.collection[facts.LEGEND] = "\n".join(text for _, text in material.legend(kind, fall_off, threshold))


def values(mesh: bpy.types.Mesh, kind: str, fall_off: float) -> Array:
    """What a mesh's colours show of a field: (V,) at most 1, which is nearest."""
    found = attributes.read(mesh, kind)
    return 1 - found / material.reach(fall_off) if kind == "distance" else found


def sigma(made: Imported) -> float:
    """Metres, the fields' fall-off."""
    return float(made.collection.get(facts.SIGMA, interfield.SIGMA))


def contact_threshold(made: Imported) -> float:
    """Metres."""
    return float(made.collection.get(facts.THRESHOLD, interfield.CONTACT))


def set_threshold(made: Imported, threshold: float, surfaces: tuple[Mesh, Mesh]) -> None:
    """Tell contact anew from the distances. threshold : metres"""
    field = read(made)
    made.collection[facts.THRESHOLD] = float(threshold)
    for mesh, contact in zip(meshes(made), field.contact(threshold), strict=True):
        attributes.write(mesh, attributes.CONTACT, "BOOLEAN", contact)
    _tell(made, field, surfaces, threshold)
    show(made, shown(made))


def painted_goal(made: Imported) -> Goal | None:
    """What was painted; None when nothing was."""
    painted, field = read_pair(made, attributes.PAINTED), read_pair(made, attributes.FIELD)
    if painted is None or field is None:
        return None
    masks = [np.abs(p - f) > CHANGE for p, f in zip(painted, field, strict=True)]
    return Goal(painted[0], masks[0], painted[1], masks[1]) if masks[0].any() or masks[1].any() else None


def meshes(made: Imported) -> tuple[bpy.types.Mesh, bpy.types.Mesh]:
    return made.body.data, made.object.data


def _follow(mesh: bpy.types.Mesh, field: Array) -> None:
    """Where nothing was painted, the painted field is the measured one."""
    if attributes.has(mesh, attributes.PAINTED) and attributes.has(mesh, attributes.FIELD):
        painted, old = attributes.read(mesh, attributes.PAINTED), attributes.read(mesh, attributes.FIELD)
        attributes.write(mesh, attributes.PAINTED, "FLOAT", np.where(np.abs(painted - old) > CHANGE, painted, field))


def _tell(made: Imported, field: InterField, surfaces: tuple[Mesh, Mesh], threshold: float) -> None:
    said = summary(field, *surfaces, threshold)
    made.collection[facts.CONTACT_AREA] = said.body_contact_area
    made.collection[facts.PENETRATION] = said.penetration_area_share
    made.collection[facts.NEAREST] = said.minimum_distance


def _dress(mesh: bpy.types.Mesh, look: bpy.types.Material) -> None:
    """Put our material in the place of ours; a material the artist gave the mesh stays."""
    slots = [index for index, used in enumerate(mesh.materials) if used is None or material.is_ours(used)]
    for index in slots:
        mesh.materials[index] = look
    if not mesh.materials:
        mesh.materials.append(look)


def _unit(found: Array) -> Array:
    found = np.asarray(found, np.float32)
    if not (np.isfinite(found).all() and found.min(initial=0) >= 0 and found.max(initial=0) <= 1):
        raise InputError("These values are no field.", "A field lies between 0 and 1.", "Clip them first.")
    return found
