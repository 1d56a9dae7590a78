"""Painting a field: a copy of it as a vertex group, which Weight Paint has the best brush for, and back bit for bit."""

from __future__ import annotations

import bpy
import numpy as np

from lexis_core.errors import InputError

from .. import compat
from . import attributes, fields
from .facts import PAINT, painting
from .identity import BODY, Imported

Array = np.ndarray

TOUCH = 1.0  # what the brush paints at first: the surfaces should touch
BEFORE = "lexis_tools"  # on the painted object: the brush settings to give back


def begin(context: bpy.types.Context, made: Imported, part: str) -> None:
    """Copy the shown field of the body or object into the vertex group PAINT, and take up the brush.

    part : identity.BODY or identity.OBJECT
    """
    item = made.body if part == BODY else made.object
    discard(context, made)  # gives the brush back, if the other one was being painted
    _leave(context, item)
    values = _start(made, item.data)
    attributes.write(item.data, PAINT, "FLOAT", values)
    item.data.attributes.active = item.data.attributes[PAINT]
    bpy.ops.geometry.attribute_convert(mode="VERTEX_GROUP")
    item.vertex_groups.active_index = item.vertex_groups[PAINT].index
    item[BEFORE] = compat.take_weight_brush(context, TOUCH)
    bpy.ops.object.mode_set(mode="WEIGHT_PAINT")
    compat.need_weight_brush(context)


def apply(context: bpy.types.Context, made: Imported) -> None:
    """Make the painted copy the `painted` field, and show it. InputError when nothing is being painted."""
    item = painting(made)
    if item is None:
        raise InputError("There is no painting to apply.", "Neither the body nor the object is being painted.",
                         "Press Paint Field first.")
    values = weights(item, PAINT)
    discard(context, made)
    pair = fields.read_pair(made, attributes.PAINTED) or fields.read_pair(made, attributes.FIELD)
    if pair is None:
        raise InputError("There is no field to paint on.", "The meshes do not carry it any more.", "Press Measure.")
    body, thing = (values, pair[1]) if item == made.body else (pair[0], values)
    fields.write_pair(made, attributes.PAINTED, body, thing)
    fields.show(made, attributes.PAINTED)


def discard(context: bpy.types.Context, made: Imported) -> None:
    """Put the brush away and forget the copy."""
    item = painting(made)
    if item is None:
        return
    _leave(context, item)
    compat.give_back_weight_brush(context, item.pop(BEFORE, ""))
    compat.drop_weight_brush()
    _forget(made)


def reset(context: bpy.types.Context, made: Imported) -> None:
    """Forget all that was painted: the painted field is the measured one again."""
    discard(context, made)
    fields.drop_pair(made, attributes.PAINTED)


def weights(item: bpy.types.Object, name: str) -> Array:
    """A vertex group's weights, (V,) float32; 0 where a vertex is not in it."""
    group = item.vertex_groups[name].index
    found = [(vertex.index, entry.weight) for vertex in item.data.vertices for entry in vertex.groups
             if entry.group == group]
    values = np.zeros(len(item.data.vertices), np.float32)
    if found:
        index, weight = zip(*found, strict=True)
        values[np.array(index)] = weight
    return values


def _start(made: Imported, mesh: bpy.types.Mesh) -> Array:
    """What is shown, as a field: distances are shown as the field they make."""
    kind = fields.shown(made)
    return attributes.read(mesh, attributes.FIELD if kind == attributes.DISTANCE else kind).astype(np.float32)


def _leave(context: bpy.types.Context, item: bpy.types.Object) -> None:
    """Object mode, with this object active."""
    active = context.view_layer.objects.active
    if active is not None and active.mode != "OBJECT":
        bpy.ops.object.mode_set(mode="OBJECT")
    if not item.visible_get(view_layer=context.view_layer):
        raise InputError(f'"{item.name}" cannot be painted.', "It is hidden.", "Show it and try again.")
    for other in context.selected_objects:
        other.select_set(False)
    item.select_set(True)
    context.view_layer.objects.active = item


def _forget(made: Imported) -> None:
    for item in (made.body, made.object):
        if (group := item.vertex_groups.get(PAINT)) is not None:
            item.vertex_groups.remove(group)
        attributes.drop(item.data, PAINT)
