"""Panel 2, Object: the mesh of what the person touches, and its size."""

from __future__ import annotations

import bpy
from bpy.types import Panel

from .base import LexisPanel, choices


class LEXIS_PT_object(LexisPanel, Panel):
    """What the person touches"""

    bl_idname = "LEXIS_PT_object"
    bl_label = "Object"

    def draw(self, context):
        settings = context.scene.lexis
        layout = self.prepare()
        choices(layout, settings, "object_kind")
        if settings.object_kind == "ACTIVE":
            layout.prop(settings, "object_mesh")
            if settings.object_mesh is None or settings.object_mesh.name not in context.scene.objects:
                active = context.view_layer.objects.active
                there = active is not None and active.type == "MESH"
                layout.label(text=active.name if there else "Choose or select a mesh",
                             icon="OBJECT_DATA" if there else "INFO", translate=not there)
        elif settings.object_kind == "FILE":
            row = layout.row()
            row.use_property_split = False
            row.prop(settings, "object_path", text="")
            layout.prop(settings, "object_units")
            layout.prop(settings, "object_up")
        else:
            layout.prop(settings, "object_name")
            _draw_parameters(layout, settings)
        layout.prop(settings, "object_size", text="Size (longest)")


def _draw_parameters(layout: bpy.types.UILayout, settings: bpy.types.PropertyGroup) -> None:
    if not settings.object_parameters:
        layout.operator("lexis.object_parameters", icon="PREFERENCES")
        return
    column = layout.column(align=True)
    column.use_property_split = False  # "Headboard Height" would not fit beside its field
    for item in settings.object_parameters:
        column.prop(item, "word" if item.words else "value", text=item.name.replace("_", " ").title(), translate=False)
    layout.operator("lexis.clear_parameters", icon="LOOP_BACK")


CLASSES = (LEXIS_PT_object,)
