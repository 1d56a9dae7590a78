"""The add-on's preferences: what the networks run on, which body, and where results are kept."""

from __future__ import annotations

import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bpy
from bpy.props import EnumProperty, StringProperty
from bpy.types import AddonPreferences

from lexis_core.errors import InputError

from . import snapshot
from .compat import FILE, FOLDER
from .properties import DEVICES

LEVELS = ("WARNING", "INFO", "DEBUG")
DEFAULTS = {"device": "auto", "worker_python": "", "body_path": "", "cache_folder": "", "log_level": "WARNING"}
RESULTS = "results"  # the folder of cached results
KEPT = f"* {'[0-9]' * 8}-{'[0-9]' * 6} *.lexis.npz"  # their names, as results.keeper() makes them


def read() -> Any:
    """The preferences; their defaults when the add-on was registered by a script and not switched on in Blender."""
    entry = bpy.context.preferences.addons.get(__package__)
    return SimpleNamespace(**DEFAULTS) if entry is None or entry.preferences is None else entry.preferences


def cache_folder() -> Path:
    """Where results are kept; made if need be. InputError when that fails."""
    chosen = read().cache_folder
    if chosen:
        folder = Path(bpy.path.abspath(chosen))
    elif __package__.startswith("bl_ext."):
        folder = Path(bpy.utils.extension_path_user(__package__, path=RESULTS, create=True))
    else:
        folder = Path(bpy.app.tempdir) / "lexis" / RESULTS
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"Results cannot be kept in {folder}.", f"{error.strerror or error}.",
                         "Choose another cache folder in the preferences of LEXIS.") from error
    return folder


def body_path() -> str | None:
    """The SMPL-X file chosen, or None for the default body."""
    return bpy.path.abspath(read().body_path) or None


def _set_level(preferences: LexisPreferences, _context: bpy.types.Context) -> None:
    logging.getLogger(__package__).setLevel(preferences.log_level)


class LexisPreferences(AddonPreferences):
    """Edit > Preferences > Add-ons > LEXIS."""

    bl_idname = __package__

    device: EnumProperty(name="Device", description="What the networks run on", items=DEVICES)
    worker_python: StringProperty(
        name="Worker Python", **FILE,
        description="Another Python with lexis-blender and onnxruntime-gpu; empty takes Blender's own")
    body_path: StringProperty(name="SMPL-X File", **FILE,
                              description="Your own SMPL-X body (.npz); empty takes the open default body")
    cache_folder: StringProperty(name="Cache", **FOLDER,
                                 description="Where results are kept; empty takes the add-on's own folder")
    log_level: EnumProperty(name="Log", description="What is written to the console",
                            items=[(level, level.title(), "") for level in LEVELS], update=_set_level)

    def draw(self, context):
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        row = layout.row(align=True)
        row.prop(self, "device")
        row.operator("lexis.test_device", text="Test")
        if snapshot.last.worker:
            layout.label(text=snapshot.last.worker, icon="CHECKMARK", translate=False)
            layout.label(text=snapshot.last.bundle, icon="PACKAGE", translate=False)
        layout.prop(self, "worker_python")
        layout.prop(self, "body_path")
        layout.label(text=_body_state(self), translate=False)
        layout.prop(self, "cache_folder")
        layout.prop(self, "log_level")
        row = layout.row()
        row.operator("lexis.release_memory")
        row.operator("lexis.clear_cache")
        row.operator("lexis.copy_debug_info")


def _body_state(preferences: LexisPreferences) -> str:
    tr = bpy.app.translations.pgettext_iface
    if not preferences.body_path:
        return tr("Body: the open default")
    return tr("Body: SMPL-X") if Path(body_path()).is_file() else tr("Body: there is no such file")


def empty_cache() -> int:
    """Delete the cached results, and nothing else that lies in their folder; how many there were."""
    found = list(cache_folder().glob(KEPT))
    for path in found:
        path.unlink(missing_ok=True)
    return len(found)


CLASSES = (LexisPreferences,)
