"""What all panels of the LEXIS tab share."""

from __future__ import annotations


class LexisPanel:
    """Mixed into bpy.types.Panel. Beneath the headings, labels stand left of their fields."""

    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "LEXIS"

    def prepare(self):
        """The panel's layout, fields aligned and without dots for animation: none of this is animated."""
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        return layout


def choices(layout, data, name: str) -> None:
    """An enum as a row of buttons across the whole panel."""
    row = layout.row()
    row.use_property_split = False
    row.prop(data, name, expand=True)
