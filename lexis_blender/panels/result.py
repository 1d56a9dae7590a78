"""Panel 4, Result: which hypothesis, which field, what its colours mean, and what it measures."""

from __future__ import annotations

import bpy
import bpy.utils.previews
from bpy.types import Menu, Panel

from lexis_core.colours import RAMP

from .. import snapshot
from ..properties import FIELDS
from ..scene import facts, stand
from ..scene.identity import Imported
from .base import LexisPanel

SWATCH = 16  # pixels
_icons = None


class LEXIS_PT_result(LexisPanel, Panel):
    """What was found, in colours and numbers"""

    bl_idname = "LEXIS_PT_result"
    bl_label = "Result"

    def draw(self, context):
        layout = self.prepare()
        made = snapshot.active_import(context)
        if made is None:
            lost = bool(snapshot.active_id(context))
            layout.label(text="A part was deleted" if lost else "No result in this scene", icon="INFO")
            layout.operator("lexis.import_result", icon="IMPORT")
            return
        collection, settings = made.collection, context.scene.lexis
        layout.label(text=collection.name, icon="OUTLINER_COLLECTION", translate=False)
        _draw_hypotheses(layout, collection)
        row = layout.row(align=True)
        row.use_property_split = False
        row.menu("LEXIS_MT_field", text=NAMES[facts.kind(collection)])
        row.operator("lexis.measure", text="", icon="FILE_REFRESH")
        if not stand.as_measured(made):
            layout.label(text="Of an earlier pose: measure", icon="ERROR")
        _draw_legend(layout, collection)
        layout.prop(settings, "contact_threshold")
        _draw_numbers(layout, collection)
        layout.prop(settings, "overlay_opacity")
        row = layout.row(align=True)
        row.operator("lexis.camera_view", icon="VIEW_CAMERA")
        row.operator("lexis.camera_view", text="", icon="FULLSCREEN_ENTER").photo_size = True


class LEXIS_MT_field(Menu):
    """What the colours show"""

    bl_idname = "LEXIS_MT_field"
    bl_label = "Field"

    def draw(self, context):
        made = snapshot.active_import(context)
        for kind, name, _ in FIELDS:
            row = self.layout.row()
            row.enabled = made is not None and _carries(made, kind)
            row.operator("lexis.show_field", text=name).field = kind


NAMES = {kind: name for kind, name, _ in FIELDS}


def _draw_hypotheses(layout: bpy.types.UILayout, collection: bpy.types.Collection) -> None:
    total = facts.count(collection)
    row = layout.row(align=True)
    row.enabled = total > 1
    row.operator("lexis.next_hypothesis", text="", icon="TRIA_LEFT").step = -1
    row.label(text=f"Hypothesis {facts.hypothesis(collection) + 1} of {max(total, 1)}", translate=False)
    row.operator("lexis.next_hypothesis", text="", icon="TRIA_RIGHT").step = 1


def _draw_legend(layout: bpy.types.UILayout, collection: bpy.types.Collection) -> None:
    """The ramp from near to far, each colour with what it stands for."""
    lines = facts.legend(collection)
    values = [value for value, _ in RAMP]
    stops = values if len(lines) == len(values) else (values[0], values[-1])
    column = layout.box().column(align=True)
    column.scale_y = 0.75
    for value, text in reversed(list(zip(stops, lines, strict=False))):
        column.label(text=text, icon_value=swatch(value), translate=False)


def _draw_numbers(layout: bpy.types.UILayout, collection: bpy.types.Collection) -> None:
    column = layout.column(align=True)
    for text in (f"Contact: {1e4 * collection.get(facts.CONTACT_AREA, 0.0):.0f} cm²",
                 f"Inside the object: {100 * collection.get(facts.PENETRATION, 0.0):.1f} %",
                 f"Nearest: {100 * collection.get(facts.NEAREST, 0.0):.1f} cm"):
        column.label(text=text, translate=False)


def _carries(made: Imported, kind: str) -> bool:
    return kind in made.body.data.attributes and kind in made.object.data.attributes


def swatch(value: float) -> int:
    """The icon of a stop of the ramp; 0 where there is none."""
    name = f"{value:.2f}"
    return _icons[name].icon_id if _icons is not None and name in _icons else 0


def register() -> None:
    global _icons
    _icons = bpy.utils.previews.new()
    for value, colour in RAMP:
        icon = _icons.new(f"{value:.2f}")
        icon.icon_size = (SWATCH, SWATCH)
        icon.icon_pixels_float = [*colour, 1.0] * SWATCH * SWATCH


def unregister() -> None:
    global _icons
    bpy.utils.previews.remove(_icons)
    _icons = None


CLASSES = (LEXIS_MT_field, LEXIS_PT_result)
