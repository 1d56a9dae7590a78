"""Panel 5, Edit: paint, solve, snap, pin, bake."""

from __future__ import annotations

from bpy.types import Panel

from .. import snapshot
from ..scene import facts
from .base import LexisPanel, choices


class LEXIS_PT_edit(LexisPanel, Panel):
    """Say where body and object should touch, and let them"""

    bl_idname = "LEXIS_PT_edit"
    bl_label = "Edit"

    def draw(self, context):
        layout, settings = self.prepare(), context.scene.lexis
        made = snapshot.active_import(context)
        column = layout.column(align=True)
        if made is not None and facts.painting(made):
            column.label(text="Painting: 1 touches, 0 is far", icon="BRUSH_DATA")
            row = column.row(align=True)
            row.operator("lexis.paint_apply", icon="CHECKMARK")
            row.operator("lexis.paint_discard", icon="X")
        else:
            choices(column, settings, "paint_surface")
            column.operator("lexis.paint_field", icon="BRUSH_DATA")
        column.operator("lexis.paint_reset", icon="LOOP_BACK")
        column = layout.column(align=True)
        column.scale_y = 1.2
        column.operator("lexis.solve_painted", icon="PLAY")
        column = layout.column(align=True)
        column.operator("lexis.snap_object", icon="SNAP_ON")
        column.operator("lexis.bake_keyframe", icon="KEY_HLT")
        column = layout.column(align=True, heading="Pin")
        column.prop(settings, "pin_body")
        column.prop(settings, "pin_object")
        row = column.row(align=True)
        row.operator("lexis.pin_bones", text="Pin Bones", icon="PINNED").pin = True
        row.operator("lexis.pin_bones", text="Free Bones", icon="UNPINNED").pin = False


CLASSES = (LEXIS_PT_edit,)
