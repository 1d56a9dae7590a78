"""Looking at a result: fields, hypotheses, the camera's view."""

from __future__ import annotations

import bpy
from bpy.props import BoolProperty, EnumProperty, IntProperty
from bpy.types import Operator

from lexis_core.errors import InputError

from .. import dialog, measuring, runtime, snapshot, view
from ..properties import FIELDS
from ..scene import facts
from ..scene.identity import Imported


class ForImport:
    """Mixed into operators that work on an import: they are grey without one."""

    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context):
        return has_import(cls, context)


class LEXIS_OT_show_field(ForImport, Operator):
    """Let the colours of body and object show this field"""

    bl_idname = "lexis.show_field"
    bl_label = "Show Field"

    field: EnumProperty(name="Field", items=FIELDS)

    @dialog.told
    def execute(self, context):
        from ..scene import fields

        fields.show(active(context), self.field)
        view.show_colours(context.space_data)
        return {"FINISHED"}


class LEXIS_OT_next_hypothesis(ForImport, Operator):
    """Show another of the solutions that were found; posing by hand is lost to it, until undone"""

    bl_idname = "lexis.next_hypothesis"
    bl_label = "Next Hypothesis"

    step: IntProperty(name="Step", description="1 is the next one, -1 the one before", default=1)
    number: IntProperty(name="Number", description="Of the hypothesis, from 1; 0 goes by the step", default=0, min=0,
                        options={"SKIP_SAVE"})

    @classmethod
    def poll(cls, context):
        if not has_import(cls, context):
            return False
        collection = snapshot.active_import(context).collection
        return facts.count(collection) > 1 or refused(cls, "There is only one solution")

    @dialog.told
    def execute(self, context):
        from .. import bodies
        from ..scene import hypotheses

        made = active(context)
        total, shown = facts.count(made.collection), facts.hypothesis(made.collection)
        index = self.number - 1 if self.number else (shown + self.step) % total
        hypotheses.show(context, made, bodies.body_of_import(made.collection), index)
        return {"FINISHED"}


class LEXIS_OT_measure(ForImport, Operator):
    """Measure the InterField anew between body and object as they are posed and placed now"""

    bl_idname = "lexis.measure"
    bl_label = "Measure"

    @dialog.told
    def invoke(self, context, event):
        made = active(context)
        if measuring.is_large(made) and not runtime.busy():
            measuring.start(context, made, wait=False)
            return {"CANCELLED"}  # nothing has changed yet: the undo step comes with the result
        return self.execute(context)

    @dialog.told
    def execute(self, context):
        from ..scene import apply_state

        apply_state.measure(context, active(context))
        return {"FINISHED"}


class LEXIS_OT_camera_view(ForImport, Operator):
    """Look through the photo's camera, with the photo behind"""

    bl_idname = "lexis.camera_view"
    bl_label = "Camera View"

    photo_size: BoolProperty(name="Photo's Size", default=False, options={"SKIP_SAVE"},
                             description="Let the scene render at the photo's size too, so that the frame is the photo")

    @dialog.told
    def execute(self, context):
        from ..scene import camera, store

        made = active(context)
        if self.photo_size:
            camera.frame_scene(context.scene, made.camera, store.camera(made))
        context.scene.camera = made.camera
        camera.lay_photo(context.scene, made.camera)
        made.camera.data.show_background_images = True
        if context.area is not None and context.area.type == "VIEW_3D":
            context.area.spaces.active.region_3d.view_perspective = "CAMERA"
        return {"FINISHED"}


def active(context: bpy.types.Context) -> Imported:
    """The import that is worked on. InputError when there is none."""
    made = snapshot.active_import(context)
    if made is None:
        raise InputError("There is no reconstruction to work on.", "None is in the scene, or a part of it was deleted.",
                         "Undo that, or import a reconstruction.")
    return made


def has_import(cls: type[Operator], context: bpy.types.Context) -> bool:
    """For poll()."""
    found = context.scene is not None and snapshot.active_import(context) is not None
    return found or refused(cls, "Reconstruct or import a result first")


def refused(cls: type[Operator], why: str) -> bool:
    """False, and a tooltip that says why."""
    cls.poll_message_set(why)
    return False


CLASSES = (LEXIS_OT_show_field, LEXIS_OT_next_hypothesis, LEXIS_OT_measure, LEXIS_OT_camera_view)
