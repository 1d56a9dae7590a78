"""Runs inside Blender's window: evaluates the Python that tests/gui/window.py leaves in a folder, between two redraws.

blender --python agent.py -- FOLDER
"""

from __future__ import annotations

import json
import sys
import time
import traceback
from pathlib import Path

import bpy

FOLDER = Path(sys.argv[sys.argv.index("--") + 1])
LOOK = 0.02  # seconds between two looks

# At once and not in the timer: the splash screen opens right after this file has run.
bpy.context.preferences.view.show_splash = False
bpy.context.preferences.view.show_tooltips = False  # hovering must not cover what is looked at
bpy.context.preferences.view.use_save_prompt = False


def window():
    """Blender's first window."""
    return bpy.context.window_manager.windows[0]


def view():
    """The window, its 3D view and that one's sidebar."""
    area = next(each for each in window().screen.areas if each.type == "VIEW_3D")
    return window(), area, next(each for each in area.regions if each.type == "UI")


def main():
    """The region of the 3D view that shows the scene."""
    return next(each for each in view()[1].regions if each.type == "WINDOW")


def rectangle(region) -> list[int]:
    """Left, top, width, height on the screen: y from the top."""
    return [region.x, window().height - region.y - region.height, region.width, region.height]


def hovered() -> str:
    """What the button under the mouse would run or show, as Python; empty where there is none."""
    _, area, sidebar = view()
    manager = bpy.context.window_manager
    with bpy.context.temp_override(window=window(), screen=window().screen, area=area, region=sidebar):
        manager.clipboard = ""
        for copy, options in ((bpy.ops.ui.copy_python_command_button, {}),
                              (bpy.ops.ui.copy_data_path_button, {"full_path": True})):
            if copy.poll():
                copy(**options)
                break
        return manager.clipboard


def on_screen(point) -> list[int] | None:
    """Where a point of the world is on the screen."""
    from bpy_extras.view3d_utils import location_3d_to_region_2d

    _, area, _ = view()
    region = main()
    at = location_3d_to_region_2d(region, area.spaces.active.region_3d, point)
    left, top, _, height = rectangle(region)
    return at and [round(left + at.x), round(top + height - at.y)]


names = {"bpy": bpy, "window": window, "view": view, "main": main, "rectangle": rectangle, "hovered": hovered,
         "on_screen": on_screen, "history": []}


def _look() -> float:
    for question in sorted(FOLDER.glob("*.py")):
        source = question.read_text(encoding="utf-8")
        question.unlink()
        names.pop("result", None)
        try:
            exec(compile(source, question.name, "exec"), names)
            answer = {"result": names.get("result")}
        except Exception:
            answer = {"error": traceback.format_exc()}
        written = question.with_suffix(".part")
        written.write_text(json.dumps(answer, default=repr), encoding="utf-8")
        written.rename(question.with_suffix(".json"))
    if watch := names.get("watch"):
        seen = [time.time(), *watch()]
        if not names["history"] or names["history"][-1][1:] != seen[1:]:
            names["history"].append(seen)
    return LOOK


bpy.app.timers.register(_look, first_interval=LOOK, persistent=True)
