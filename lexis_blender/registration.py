"""Everything the add-on puts into Blender, in order; taken out again in reverse, each in its own try."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

import bpy

from . import dialog, preferences, properties, runtime, snapshot
from .operators import device, edit, files, photo, reconstruct, result, subject
from .panels import edit as edit_panel
from .panels import image as image_panel
from .panels import reconstruct as reconstruct_panel
from .panels import result as result_panel
from .panels import subject as subject_panel

# Each has CLASSES, and may have register() and unregister(): after its classes go in, before they go out. Panels show
# in this order.
MODULES = (
    preferences, properties, snapshot, runtime, dialog, photo, subject, reconstruct, device, result, edit, files,
    image_panel, subject_panel, reconstruct_panel, result_panel, edit_panel,
)
log = logging.getLogger(__package__)


def register() -> None:
    """Put everything in, or nothing when something fails."""
    done: list[Callable[[], None]] = []
    try:
        for do, undo in _steps():
            do()
            done.append(undo)
    except BaseException:
        _run(reversed(done))
        raise


def unregister() -> None:
    """Take everything out; what fails is logged and the rest still goes."""
    _run(undo for _, undo in reversed(list(_steps())))


def _steps() -> Iterator[tuple[Callable[[], None], Callable[[], None]]]:
    for module in MODULES:
        for cls in module.CLASSES:
            yield lambda cls=cls: bpy.utils.register_class(cls), lambda cls=cls: bpy.utils.unregister_class(cls)
        yield getattr(module, "register", _nothing), getattr(module, "unregister", _nothing)


def _run(actions: Iterator[Callable[[], None]]) -> None:
    for action in actions:
        try:
            action()
        except Exception:
            log.exception("Something could not be taken out of Blender.")


def _nothing() -> None:
    pass
