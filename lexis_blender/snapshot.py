"""What panels show, kept ready: draw() and poll() only read here, and never compute.

No reference to a data-block is kept, since undo and loading a file replace them: names are, and are checked when used.
"""

from __future__ import annotations

from dataclasses import dataclass

import bpy
from bpy.app.handlers import persistent

from .scene import identity
from .scene.identity import MADE, Imported

CLASSES = ()
PARTS = (identity.RIG, identity.BODY, identity.OBJECT, identity.CAMERA)


@dataclass
class LastRun:
    """What the last job took and assumed, what the worker said of itself, and its bundle; empty where not known."""

    summary: str = ""
    notes: tuple[str, ...] = ()
    worker: str = ""
    bundle: str = ""


last = LastRun()
_names: dict[tuple[str, str], str] = {}


def active_id(context: bpy.types.Context) -> str:
    """The id of the import that is worked on: the active object's, else the newest of the scene's; "" when none is."""
    active = context.view_layer.objects.active
    if active is not None and (found := identity.import_of(active)):
        return found
    newest, made = "", -1.0
    scene_collections = context.scene.collection.children
    for collection in bpy.data.collections:
        found = identity.import_of(collection)
        if found and collection.get(MADE, 0.0) > made and collection.name in scene_collections:
            newest, made = found, collection.get(MADE, 0.0)
    return newest


def active_import(context: bpy.types.Context) -> Imported | None:
    """The parts of that import, or None when there is none or one of them was deleted."""
    return parts(active_id(context))


def parts(import_id: str) -> Imported | None:
    """The parts of an import, or None when one of them is gone."""
    if not import_id:
        return None
    collection = _collection(import_id)
    found = [_object(import_id, part) for part in PARTS]
    if collection is None or None in found:
        return None
    return Imported(import_id, collection, *found)


def forget() -> None:
    """Empty the snapshot."""
    _names.clear()
    last.summary, last.notes = "", ()


def _collection(import_id: str) -> bpy.types.Collection | None:
    found = bpy.data.collections.get(_names.get((import_id, identity.SCENE), ""))
    if found is None or identity.import_of(found) != import_id:
        found = identity.find_collection(import_id)
        _names[import_id, identity.SCENE] = "" if found is None else found.name
    return found


def _object(import_id: str, part: str) -> bpy.types.Object | None:
    found = bpy.data.objects.get(_names.get((import_id, part), ""))
    if found is None or identity.import_of(found) != import_id or identity.part_of(found) != part:
        found = identity.find(import_id, part)
        _names[import_id, part] = "" if found is None else found.name
    return found


@persistent
def _file_closes(*_) -> None:
    forget()


def register() -> None:
    bpy.app.handlers.load_pre.append(_file_closes)


def unregister() -> None:
    bpy.app.handlers.load_pre.remove(_file_closes)
    forget()
