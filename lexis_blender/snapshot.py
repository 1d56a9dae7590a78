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
    imports = [collection for collection in bpy.data.collections if identity.import_of(collection)]
    if not imports:
        return ""
    here = set(context.scene.collection.children_recursive)
    newest = max((c for c in imports if c in here), key=lambda c: c.get(MADE, 0.0), default=None)
    return identity.import_of(newest)


def active_import(context: bpy.types.Context) -> Imported | None:
    """The parts of that import, or None when there is none or one of them was deleted."""
    return parts(active_id(context))


def parts(import_id: str) -> Imported | None:
    """The parts of an import, or None when one of them is gone; where the scene was copied, those of this scene."""
    collection = _collection(import_id, bpy.context.scene) if import_id else None
    if collection is None:
        return None
    found = [_object(collection, import_id, part) for part in PARTS]
    return None if None in found else Imported(import_id, collection, *found)


def forget() -> None:
    """Empty the snapshot."""
    _names.clear()
    last.summary, last.notes = "", ()


def _collection(import_id: str, scene: bpy.types.Scene) -> bpy.types.Collection | None:
    key = import_id, f"{identity.SCENE} {scene.name}"
    found = bpy.data.collections.get(_names.get(key, ""))
    if found is None or identity.import_of(found) != import_id:
        found = identity.find_collection(import_id, scene)
        _names[key] = "" if found is None else found.name
    return found


def _object(collection: bpy.types.Collection, import_id: str, part: str) -> bpy.types.Object | None:
    for item in collection.all_objects:
        if identity.part_of(item) == part and identity.import_of(item) == import_id:
            return item
    found = bpy.data.objects.get(_names.get((import_id, part), ""))  # moved to another collection
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
