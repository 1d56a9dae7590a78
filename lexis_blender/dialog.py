"""Errors told in one way: what happened, why, what to do, and a button that does it where one can."""

from __future__ import annotations

import functools
import textwrap
from collections.abc import Callable

import bpy
from bpy.props import EnumProperty, StringProperty
from bpy.types import Operator

from lexis_core.errors import BundleError, LexisError, OutOfMemory, RuntimeUnavailable

from . import compat

WIDTH, CHARACTERS = 440, 62  # of the dialog: pixels, and how many letters of the usual font fit into a line

# fix: its button
FIXES = {
    "NONE": "",
    "CPU": "Use the CPU",
    "PREFERENCES": "Open the Preferences",
    "PERSON_BOX": "Draw a Box around the Person",
    "OBJECT_BOX": "Draw a Box around the Object",
}


def told(method: Callable[..., set[str]]) -> Callable[..., set[str]]:
    """For an operator's execute() or invoke(): a LexisError becomes the dialog in a window, and in scripts a report of
    three lines. A report of an error raises RuntimeError for a script, which is what a batch wants.
    """
    if method.__code__.co_argcount == 3:  # Blender counts the arguments
        @functools.wraps(method)
        def wrapped(operator: Operator, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
            try:
                return method(operator, context, event)
            except LexisError as error:
                return failed(operator, error)
    else:
        @functools.wraps(method)
        def wrapped(operator: Operator, context: bpy.types.Context) -> set[str]:
            try:
                return method(operator, context)
            except LexisError as error:
                return failed(operator, error)

    return wrapped


def failed(operator: Operator, error: LexisError) -> set[str]:
    """Tell what went wrong in an operator; what its execute() then returns."""
    if operator.options.is_invoke and not bpy.app.background:
        show(error)
    else:
        operator.report({"ERROR"}, str(error))
    return {"CANCELLED"}


def show(error: LexisError) -> None:
    """Open the dialog, from anywhere on the main thread. Without a window it goes to the standard output."""
    with compat.with_window():
        if bpy.app.background or bpy.context.window is None:
            print(error)
            return
        bpy.ops.lexis.show_error("INVOKE_DEFAULT", what=error.what, why=error.why, remedy=error.remedy,
                                 fix=fix_for(error))


def fix_for(error: LexisError) -> str:
    """The key of FIXES that helps."""
    words = str(error).lower()
    if isinstance(error, OutOfMemory) or (isinstance(error, RuntimeUnavailable) and "device" in words):
        return "CPU"
    if isinstance(error, (BundleError, RuntimeUnavailable)):
        return "PREFERENCES"
    if "nobody" in words or "no person" in words:
        return "PERSON_BOX"
    if "object mask" in words or "object's box" in words:
        return "OBJECT_BOX"
    return "NONE"


class LEXIS_OT_show_error(Operator):
    """What happened, why, and what to do"""

    bl_idname = "lexis.show_error"
    bl_label = "LEXIS"
    bl_options = {"INTERNAL"}

    what: StringProperty(options={"SKIP_SAVE"})
    why: StringProperty(options={"SKIP_SAVE"})
    remedy: StringProperty(options={"SKIP_SAVE"})
    fix: EnumProperty(items=[(key, text or "None", "") for key, text in FIXES.items()], options={"SKIP_SAVE"})

    def invoke(self, context, event):
        return context.window_manager.invoke_props_dialog(self, width=WIDTH, title="LEXIS")

    def draw(self, context):
        for text, icon in ((self.what, "ERROR"), (self.why, "BLANK1"), (self.remedy, "INFO")):
            column = self.layout.column(align=True)
            for line in textwrap.wrap(text, CHARACTERS):
                column.label(text=line, icon=icon, translate=False)
                icon = "BLANK1"
        fixable = self.fix != "NONE"
        button = self.layout.template_popup_confirm("lexis.fix", text=FIXES[self.fix] if fixable else "Close",
                                                    cancel_text="Close" if fixable else "")
        if button is not None:
            button.kind = self.fix

    def execute(self, context):
        return {"FINISHED"}


class LEXIS_OT_fix(Operator):
    """Do what the error's last line says"""

    bl_idname = "lexis.fix"
    bl_label = "Fix"
    bl_options = {"INTERNAL"}

    kind: EnumProperty(items=[(key, text or "None", "") for key, text in FIXES.items()])

    def execute(self, context):
        _ACTIONS[self.kind](context)
        return {"FINISHED"}


def _use_cpu(context: bpy.types.Context) -> None:
    context.scene.lexis.device = "cpu"


def _open_preferences(context: bpy.types.Context) -> None:
    bpy.ops.preferences.addon_show(module=__package__)


def _draw_box(surface: str) -> Callable[[bpy.types.Context], None]:
    def draw(context: bpy.types.Context) -> None:
        place = compat.largest_view(context.window)
        if place is not None:
            with context.temp_override(**place):
                bpy.ops.lexis.draw_box("INVOKE_DEFAULT", surface=surface)

    return draw


_ACTIONS = {"NONE": lambda context: None, "CPU": _use_cpu, "PREFERENCES": _open_preferences,
            "PERSON_BOX": _draw_box("PERSON"), "OBJECT_BOX": _draw_box("OBJECT")}
CLASSES = (LEXIS_OT_show_error, LEXIS_OT_fix)
