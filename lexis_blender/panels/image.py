"""Panel 1, Image: the photo, what is the person and what the object in it, and its focal length."""

from __future__ import annotations

import bpy
from bpy.types import Panel

from .base import LexisPanel, choices


class LEXIS_PT_image(LexisPanel, Panel):
    """The photo and what is in it"""

    bl_idname = "LEXIS_PT_image"
    bl_label = "Image"

    def draw(self, context):
        settings = context.scene.lexis
        layout = self.prepare()
        choices(layout, settings, "image_source")
        if settings.image_source == "FILE":
            row = layout.row(align=True)
            row.use_property_split = False
            row.prop(settings, "image_path", text="")
        else:
            layout.template_ID(settings, "image", open="image.open")
        _draw_mask(layout, settings, "person")
        _draw_mask(layout, settings, "object")
        layout.prop(settings, "focal", text="Focal (px)")


def _draw_mask(layout: bpy.types.UILayout, settings: bpy.types.PropertyGroup, who: str) -> None:
    column = layout.column(align=True)
    column.prop(settings, f"{who}_source")
    source = getattr(settings, f"{who}_source")
    if source == "FILE":
        row = column.row()
        row.use_property_split = False
        row.prop(settings, f"{who}_mask_path", text="")
    elif source == "IMAGE":
        column.template_ID(settings, f"{who}_mask_image", open="image.open")
        if getattr(settings, f"{who}_mask_image") is None:
            column.operator("lexis.new_mask", icon="BRUSH_DATA").surface = who.upper()
    elif source == "BOX":
        column.operator("lexis.draw_box", icon="SELECT_SET").surface = who.upper()
        for index, side in enumerate(("Left", "Top", "Right", "Bottom")):
            column.prop(settings, f"{who}_box", index=index, text=side)


CLASSES = (LEXIS_PT_image,)
