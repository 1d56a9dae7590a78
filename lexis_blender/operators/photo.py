"""Choosing the photo, and drawing boxes on it."""

from __future__ import annotations

from typing import Any

import bpy
from bpy.props import EnumProperty, FloatVectorProperty, StringProperty
from bpy.types import FileHandler, Operator

from lexis_core.errors import InputError

from .. import dialog, request

EXTENSIONS = ".jpg;.jpeg;.png;.webp;.tif;.tiff;.bmp"
SMALLEST = 8  # pixels of the photo; a smaller box is a slip of the hand
_open: list[Any] = []  # overlays that are on a view
SURFACES = (("PERSON", "Person", "Around the person"), ("OBJECT", "Object", "Around the object"))


class LEXIS_OT_set_photo(Operator):
    """Choose the photo"""

    bl_idname = "lexis.set_photo"
    bl_label = "Set LEXIS Photo"  # what Blender offers, besides its own ideas, when a photo is dropped
    bl_options = {"REGISTER", "UNDO"}

    filepath: StringProperty(subtype="FILE_PATH", options={"SKIP_SAVE"})
    filter_glob: StringProperty(default=";".join(f"*{e}" for e in EXTENSIONS.split(";")), options={"HIDDEN"})

    def invoke(self, context, event):
        if self.filepath:  # dropped into the window
            return self.execute(context)
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    @dialog.told
    def execute(self, context):
        from pathlib import Path

        if not Path(bpy.path.abspath(self.filepath)).is_file():
            raise InputError(f"There is no photo {self.filepath}.", "The path does not lead to a file.",
                             "Choose another file.")
        settings = context.scene.lexis
        settings.image_source, settings.image_path = "FILE", self.filepath
        for box in ("person_box", "object_box"):
            setattr(settings, box, (0.0, 0.0, 0.0, 0.0))
        return {"FINISHED"}


class LEXIS_FH_photo(FileHandler):
    """A photo dropped into the 3D View"""

    bl_idname = "LEXIS_FH_photo"
    bl_label = "LEXIS: Reconstruct This Photo"
    bl_import_operator = "lexis.set_photo"
    bl_file_extensions = EXTENSIONS

    @classmethod
    def poll_drop(cls, context):
        return context.area is not None and context.area.type == "VIEW_3D"


class LEXIS_OT_new_mask(Operator):
    """Make a darkened copy of the photo: open it in an Image Editor, choose Paint, and paint what is meant white"""

    bl_idname = "lexis.new_mask"
    bl_label = "New Mask"
    bl_options = {"REGISTER", "UNDO"}

    surface: EnumProperty(name="Of", items=SURFACES)

    @classmethod
    def poll(cls, context):
        return _has_photo(cls, context)

    @dialog.told
    def execute(self, context):
        from ..scene import pixels

        settings, who = context.scene.lexis, self.surface.lower()
        image = pixels.unpainted(request.photo_pixels(settings), f"{request.photo_name(settings)} {who} mask")
        setattr(settings, f"{who}_source", "IMAGE")
        setattr(settings, f"{who}_mask_image", image)
        return {"FINISHED"}


class LEXIS_OT_draw_box(Operator):
    """Show the photo in the view and drag a box on it; Esc leaves it as it was"""

    bl_idname = "lexis.draw_box"
    bl_label = "Draw Box"
    bl_options = {"REGISTER", "UNDO"}

    surface: EnumProperty(name="Around", items=SURFACES)
    box: FloatVectorProperty(name="Box", description="Left, top, right, bottom in pixels of the photo", size=4, min=0.0,
                             precision=0)

    @classmethod
    def poll(cls, context):
        return _has_photo(cls, context)

    @dialog.told
    def invoke(self, context, event):
        region = next((r for r in context.area.regions if r.type == "WINDOW"), None) if context.area else None
        if region is None or context.area.type != "VIEW_3D":
            raise InputError("The box cannot be drawn here.", "It is drawn in a 3D View.",
                             "Press the button in the sidebar of a 3D View.")
        from ..overlay import Overlay  # brings numpy and gpu

        self._overlay = Overlay(context.area, region, request.photo_pixels(context.scene.lexis))
        _open.append(self._overlay)
        self._start = None
        context.window_manager.modal_handler_add(self)
        context.window.cursor_modal_set("CROSSHAIR")
        return {"RUNNING_MODAL"}

    def modal(self, context, event):
        if event.type in {"ESC", "RIGHTMOUSE", "WINDOW_DEACTIVATE"} and event.value != "RELEASE":
            return self._end(context, {"CANCELLED"})
        if event.type == "MOUSEMOVE" and self._start is not None:
            self._overlay.box = _ordered(self._start, self._overlay.pixel(event))
        elif event.type == "LEFTMOUSE" and event.value == "PRESS":
            self._start = self._overlay.pixel(event)
        elif event.type == "LEFTMOUSE" and event.value == "RELEASE" and self._start is not None:
            self.box = _ordered(self._start, self._overlay.pixel(event))
            self._start = None
            if min(self.box[2] - self.box[0], self.box[3] - self.box[1]) >= SMALLEST:
                return self._end(context, self.execute(context))
            self._overlay.box = None
        self._overlay.redraw()
        return {"RUNNING_MODAL"}

    def cancel(self, context):
        self._end(context, {"CANCELLED"})

    @dialog.told
    def execute(self, context):
        if self.box[2] <= self.box[0] or self.box[3] <= self.box[1]:
            raise InputError("There is no box.", "Its corners enclose nothing.",
                             "Give left, top, right, bottom in pixels of the photo.")
        settings = context.scene.lexis
        who = self.surface.lower()
        setattr(settings, f"{who}_source", "BOX")
        setattr(settings, f"{who}_box", self.box)
        return {"FINISHED"}

    def _end(self, context: bpy.types.Context, result: set[str]) -> set[str]:
        self._overlay.remove()
        if self._overlay in _open:
            _open.remove(self._overlay)
        if context.window is not None:  # none when Blender closes
            context.window.cursor_modal_restore()
        return result


def _has_photo(cls: type[Operator], context: bpy.types.Context) -> bool:
    settings = context.scene.lexis
    there = bool(settings.image_path if settings.image_source == "FILE" else settings.image)
    if not there:
        cls.poll_message_set("Choose a photo first")
    return there


def _ordered(a: tuple[float, float], b: tuple[float, float]) -> tuple[float, float, float, float]:
    """Left, top, right, bottom of a box dragged between two points in any direction."""
    return min(a[0], b[0]), min(a[1], b[1]), max(a[0], b[0]), max(a[1], b[1])


CLASSES = (LEXIS_OT_set_photo, LEXIS_FH_photo, LEXIS_OT_new_mask, LEXIS_OT_draw_box)


def unregister() -> None:
    while _open:
        _open.pop().remove()
