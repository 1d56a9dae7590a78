"""Reconstruct, Refine from Scene, and Cancel."""

from __future__ import annotations

import bpy
from bpy.types import Operator

from lexis_core.errors import InputError

from .. import dialog, preferences, request, results, runtime, snapshot
from ..jobs import CANCELLING, IDLE, Work


class LEXIS_OT_reconstruct(Operator):
    """Pose a body and the object as the photo shows them; Blender stays usable meanwhile"""

    bl_idname = "lexis.reconstruct"
    bl_label = "Reconstruct"

    @classmethod
    def poll(cls, context):
        return ready(cls, context)

    @dialog.told
    def invoke(self, context, event):
        return start(context, wait=False)

    @dialog.told
    def execute(self, context):
        return start(context, wait=True)


class LEXIS_OT_refine(Operator):
    """Go on from where the rig and the object stand now; what is pinned stays"""

    bl_idname = "lexis.refine"
    bl_label = "Refine from Scene"

    @classmethod
    def poll(cls, context):
        if not ready(cls, context):
            return False
        return bool(snapshot.active_id(context)) or cls.poll_message_set("Reconstruct or import a result first")

    @dialog.told
    def invoke(self, context, event):
        return start_refining(context, wait=False)

    @dialog.told
    def execute(self, context):
        return start_refining(context, wait=True)


class LEXIS_OT_cancel(Operator):
    """Stop the job; nothing in the scene changes"""

    bl_idname = "lexis.cancel"
    bl_label = "Cancel"

    @classmethod
    def poll(cls, context):
        if runtime.jobs.state == IDLE:
            cls.poll_message_set("Nothing is running")
        return runtime.jobs.state not in (IDLE, CANCELLING)

    def execute(self, context):
        runtime.jobs.cancel()
        runtime.redraw()
        return {"FINISHED"}


def start(context: bpy.types.Context, wait: bool) -> set[str]:
    """Send the scene's request to the worker and import what it finds. LexisError when something is missing."""
    settings, scene = context.scene.lexis, context.scene.name
    name = request.photo_name(settings)
    prepare = request.reconstruct(context)
    runtime.run(Work(
        "reconstruct", prepare,
        finish=results.keeper(preferences.cache_folder(), name, preferences.body_path()),
        done=lambda solved: results.bring_in(solved, name, scene),
        failed=dialog.show,
    ), wait)
    return {"FINISHED"}


def start_refining(context: bpy.types.Context, wait: bool, painted: bool = False) -> set[str]:
    """Send what the scene holds to the worker and put what it finds onto the same import. LexisError as above.

    painted : towards the painted field, instead of by the photo
    """
    from .. import bodies

    made = snapshot.active_import(context)
    if made is None:
        raise InputError("There is nothing to refine.", "A part of the reconstruction was deleted.",
                         "Undo that, or reconstruct again.")
    model = bodies.body_of_import(made.collection)
    import_id, scene = made.id, context.scene.name
    runtime.run(Work(
        "refine", request.refine(context, made, model, painted),
        finish=results.keeper(preferences.cache_folder(), made.collection.name, model),
        done=lambda solved: results.put_on(solved, import_id, scene),
        failed=dialog.show,
    ), wait)
    return {"FINISHED"}


def ready(cls: type[Operator], context: bpy.types.Context) -> bool:
    """For poll(): whether a job may start."""
    if runtime.busy():
        cls.poll_message_set("A job is running")
        return False
    if context.scene is None:
        cls.poll_message_set("There is no scene")
        return False
    return True


CLASSES = (LEXIS_OT_reconstruct, LEXIS_OT_refine, LEXIS_OT_cancel)
