"""Editing a result: painting fields, solving to them, snapping, pinning, baking."""

from __future__ import annotations

import bpy
from bpy.props import BoolProperty, EnumProperty, StringProperty
from bpy.types import Operator

from lexis_core.errors import InputError

from .. import compat, dialog
from ..properties import SURFACES
from ..scene import facts, identity
from ..scene.identity import PINNED
from .reconstruct import ready, start_refining
from .result import ForImport, active, has_import, refused

PIN_COLOUR = "THEME01"


class Painting(ForImport):
    """Mixed into operators that need a painting under way."""

    @classmethod
    def poll(cls, context):
        if not has_import(cls, context):
            return False
        return facts.painting(active(context)) is not None or refused(cls, "Press Paint Field first")


class LEXIS_OT_paint_field(ForImport, Operator):
    """Paint on a copy of the shown field: 1 where body and object should touch, 0 where they should be apart"""

    bl_idname = "lexis.paint_field"
    bl_label = "Paint Field"

    surface: EnumProperty(name="Surface", items=(("SETTING", "As Chosen", "As the Edit panel says"), *SURFACES))

    @dialog.told
    def execute(self, context):
        from ..scene import paint

        surface = context.scene.lexis.paint_surface if self.surface == "SETTING" else self.surface
        paint.begin(context, active(context), identity.BODY if surface == "BODY" else identity.OBJECT)
        return {"FINISHED"}


class LEXIS_OT_paint_apply(Painting, Operator):
    """Take what was painted as the painted field"""

    bl_idname = "lexis.paint_apply"
    bl_label = "Apply"

    @dialog.told
    def execute(self, context):
        from ..scene import paint

        paint.apply(context, active(context))
        return {"FINISHED"}


class LEXIS_OT_paint_discard(Painting, Operator):
    """Forget this painting; the painted field stays as it was"""

    bl_idname = "lexis.paint_discard"
    bl_label = "Discard"

    @dialog.told
    def execute(self, context):
        from ..scene import paint

        paint.discard(context, active(context))
        return {"FINISHED"}


class LEXIS_OT_paint_reset(ForImport, Operator):
    """Forget all that was painted on body and object"""

    bl_idname = "lexis.paint_reset"
    bl_label = "Reset"

    @dialog.told
    def execute(self, context):
        from ..scene import paint

        paint.reset(context, active(context))
        return {"FINISHED"}


class LEXIS_OT_solve_painted(Operator):
    """Move body and object so that they touch as painted; what is pinned stays"""

    bl_idname = "lexis.solve_painted"
    bl_label = "Solve to Painted Field"

    @classmethod
    def poll(cls, context):
        if not (ready(cls, context) and has_import(cls, context)):
            return False
        painted = facts.PAINTED in active(context).body.data.attributes
        return painted or refused(cls, "Paint a field and press Apply first")

    @dialog.told
    def invoke(self, context, event):
        return start_refining(context, wait=False, painted=True)

    @dialog.told
    def execute(self, context):
        return start_refining(context, wait=True, painted=True)


class LEXIS_OT_snap_object(ForImport, Operator):
    """Move the object, without turning it, until it touches: where touch was painted, else where it is nearest"""

    bl_idname = "lexis.snap_object"
    bl_label = "Snap Object to Contact"

    @dialog.told
    def execute(self, context):
        from mathutils import Matrix

        from ..scene import apply_state, fields, read_back, snap

        made = active(context)
        with apply_state.object_mode(context):
            surfaces, painted = read_back.surfaces(context, made), fields.painted_goal(made)
            way = snap.to_nearest(*surfaces) if painted is None else snap.to_paint(*surfaces, painted)
            made.object.matrix_world = Matrix.Translation(way) @ made.object.matrix_world
            apply_state.measure(context, made)
        self.report({"INFO"}, f"The object moved by {100 * (way @ way) ** 0.5:.1f} cm.")
        return {"FINISHED"}


class LEXIS_OT_pin_bones(ForImport, Operator):
    """Let solving leave the selected bones as they are posed; they are shown in red"""

    bl_idname = "lexis.pin_bones"
    bl_label = "Pin Selected Bones"

    pin: BoolProperty(name="Pin", description="Off lets them move again", default=True)
    bones: StringProperty(name="Bones", description="Names, separated by commas; empty takes the selected ones",
                          options={"SKIP_SAVE"})

    @dialog.told
    def execute(self, context):
        rig = active(context).rig
        chosen = _named(rig, self.bones) if self.bones else compat.selected_bones(rig)
        if not chosen:
            raise InputError("No bone was pinned.", "None is selected.", "Select bones of the rig in Pose Mode.")
        for bone in chosen:
            if self.pin:
                bone[PINNED], bone.color.palette = True, PIN_COLOUR
            elif PINNED in bone:
                del bone[PINNED]
                bone.color.palette = "DEFAULT"
        return {"FINISHED"}


class LEXIS_OT_bake_keyframe(ForImport, Operator):
    """Key the rig's pose and the object's place at the current frame"""

    bl_idname = "lexis.bake_keyframe"
    bl_label = "Bake to Keyframe"

    @dialog.told
    def execute(self, context):
        from ..scene import keyframes

        keyframes.bake(active(context), context.scene.frame_current)
        return {"FINISHED"}


def _named(rig: bpy.types.Object, names: str) -> list[bpy.types.PoseBone]:
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    if unknown := [name for name in wanted if name not in rig.pose.bones]:
        raise InputError("No bone was pinned.", f"The rig has no {', '.join(unknown)}.", "Use the names of its bones.")
    return [rig.pose.bones[name] for name in wanted]


CLASSES = (LEXIS_OT_paint_field, LEXIS_OT_paint_apply, LEXIS_OT_paint_discard, LEXIS_OT_paint_reset,
           LEXIS_OT_solve_painted, LEXIS_OT_snap_object, LEXIS_OT_pin_bones, LEXIS_OT_bake_keyframe)
