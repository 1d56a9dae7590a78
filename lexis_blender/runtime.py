"""The add-on's one job manager, the timer that drives it while there is work, and what must not outlive a job.

In a window jobs run beside Blender. In the background timers never fire, so there a job is waited for.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import bpy
from bpy.app.handlers import persistent

from . import preferences
from .jobs import IDLE, Jobs, Work

CLASSES = ()
INTERVAL = 0.05  # seconds between two looks at the worker
LOG = "worker.log"
REGIONS = {"VIEW_3D": "UI", "PREFERENCES": "WINDOW"}  # where a job shows
# Modal operators in whose middle no result must appear: the artist is moving, painting or sculpting something.
BUSY_HANDS = ("TRANSFORM_OT", "PAINT_OT", "SCULPT_OT", "MESH_OT", "POSE_OT", "ARMATURE_OT", "CURVE_OT", "OBJECT_OT",
              "LEXIS_OT_draw_box")


def run(work: Work, wait: bool = False) -> None:
    """Start a job. In the background, or when told to wait, return when it is over, and raise what went wrong."""
    if not (wait or bpy.app.background):
        jobs.start(work)
        if not bpy.app.timers.is_registered(_tick):
            bpy.app.timers.register(_tick, first_interval=INTERVAL)
        return
    errors = []
    jobs.start(replace(work, failed=errors.append))
    jobs.wait()
    if errors:
        raise errors[0]


def busy() -> bool:
    """Whether a job is under way."""
    return jobs.state != IDLE


def device(settings: bpy.types.PropertyGroup) -> str:
    """The device a scene's jobs run on: auto, cpu, cuda or coreml."""
    return preferences.read().device if settings.device == "preferences" else settings.device


def new_worker():
    """A worker process with the Python of the preferences."""
    from lexis_core.runtime.client import DLL_FOLDERS, Worker

    python = bpy.path.abspath(preferences.read().worker_python) or None
    env = {}
    if python and __package__.startswith("bl_ext."):
        env["PYTHONPATH"] = ""  # Blender's wheels are for Blender's Python: another one finds its own
    if not python and sys.platform == "win32":
        program = Path(bpy.app.binary_path).parent
        env[DLL_FOLDERS] = os.pathsep.join(map(str, (program, program / "blender.crt")))
    return Worker(python, env, log_file())


def log_file() -> Path:
    """What the worker writes to its standard error."""
    return preferences.cache_folder() / LOG


def redraw() -> None:
    """Let the sidebars and the preferences show how far the job is."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type in REGIONS:
                for region in area.regions:
                    if region.type == REGIONS[area.type]:
                        region.tag_redraw()


jobs = Jobs(new_worker)


def _tick() -> float | None:
    active = jobs.tick(not _hands_are_busy())
    redraw()
    return INTERVAL if active else None


def _hands_are_busy() -> bool:
    return any(operator.bl_idname.startswith(BUSY_HANDS)
               for window in bpy.context.window_manager.windows for operator in window.modal_operators)


@persistent
def _file_closes(*_) -> None:
    jobs.cancel()
    jobs.wait()  # at most jobs.PATIENCE: the timer that would watch ends with the file


def register() -> None:
    bpy.app.handlers.load_pre.append(_file_closes)


def unregister() -> None:
    bpy.app.handlers.load_pre.remove(_file_closes)
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)
    jobs.stop()
