"""Panel 3, Reconstruct: how, the buttons, and how far the job is."""

from __future__ import annotations

import time

from bpy.types import Panel

from .. import runtime, snapshot
from ..jobs import CANCELLING, IDLE
from .base import LexisPanel

STAGES = {
    "start": "Starting", "load": "Loading", "observe": "Looking at the photo", "body": "Posing the body",
    "object": "Placing the object", "flow": "Solving", "interfield": "Measuring", "save": "Saving",
}


class LEXIS_PT_reconstruct(LexisPanel, Panel):
    """From the photo, or on from what is in the scene"""

    bl_idname = "LEXIS_PT_reconstruct"
    bl_label = "Reconstruct"

    def draw(self, context):
        settings = context.scene.lexis
        layout = self.prepare()
        layout.prop(settings, "preset")
        if runtime.jobs.state == IDLE:
            column = layout.column(align=True)
            row = column.row()
            row.scale_y = 1.4
            row.operator("lexis.reconstruct", icon="PLAY")
            column.operator("lexis.refine", icon="FILE_REFRESH")
            if snapshot.last.summary:
                layout.label(text=snapshot.last.summary, icon="CHECKMARK", translate=False)
        else:
            _draw_progress(layout)


class LEXIS_PT_advanced(LexisPanel, Panel):
    """What the presets set, and more"""

    bl_idname = "LEXIS_PT_advanced"
    bl_parent_id = "LEXIS_PT_reconstruct"
    bl_label = "Advanced"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context):
        settings = context.scene.lexis
        layout = self.prepare()
        for name in ("method", "device", "steps", "hypotheses", "seed"):
            layout.prop(settings, name)
        column = layout.column(align=True, heading="Weights")
        for name in ("weight_field", "weight_mask", "weight_landmarks", "weight_inside"):
            column.prop(settings, name)


class LEXIS_PT_notes(LexisPanel, Panel):
    """What was assumed in the last job"""

    bl_idname = "LEXIS_PT_notes"
    bl_parent_id = "LEXIS_PT_reconstruct"
    bl_label = "Notes"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context):
        if not snapshot.last.notes:
            self.layout.label(text="Nothing so far")
        column = self.layout.column(align=True)
        column.scale_y = 0.8
        for line in snapshot.last.notes:
            column.label(text=line, translate=False)


def _draw_progress(layout) -> None:
    jobs = runtime.jobs
    seconds = time.monotonic() - jobs.started
    stage = "Stopping" if jobs.state == CANCELLING else STAGES.get(jobs.stage, "Working")
    row = layout.row(align=True)
    row.progress(factor=jobs.fraction, text=f"{100 * jobs.fraction:.0f} %, {seconds:.0f} s", translate=False)
    row.operator("lexis.cancel", text="", icon="CANCEL")
    layout.label(text=stage, icon="TIME")


CLASSES = (LEXIS_PT_reconstruct, LEXIS_PT_notes, LEXIS_PT_advanced)
