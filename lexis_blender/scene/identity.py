"""Finding again what an import made: custom properties that survive renaming, saving and undo."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

import bpy

IMPORT, PART, ID = "lexis_import", "lexis_part", "lexis_id"
RIG, BODY, OBJECT, CAMERA, SCENE = "rig", "body", "object", "camera", "collection"
MADE = "lexis_made"  # on the collection: seconds since 1970 when it was imported
PINNED = "lexis_pinned"  # on a pose bone: refining leaves its joint as it is
NAME_BYTES = 50  # Blender's names have at most 63 bytes; this leaves room for ".001"


@dataclass(frozen=True)
class Imported:
    """The data-blocks of one import. Undo replaces them: keep `id`, and find(id, part) finds them again."""

    id: str
    collection: bpy.types.Collection
    rig: bpy.types.Object
    body: bpy.types.Object
    object: bpy.types.Object
    camera: bpy.types.Object


def new_id() -> str:
    return uuid.uuid4().hex


def tag(datablock: bpy.types.ID, import_id: str, part: str) -> None:
    """Mark a collection or object as one part of one import, with an id of its own."""
    datablock[IMPORT], datablock[PART], datablock[ID] = import_id, part, new_id()


def part_of(datablock: bpy.types.ID | None) -> str:
    """Which part of an import this is; "" when it is none."""
    return str(datablock.get(PART, "")) if datablock is not None else ""


def import_of(datablock: bpy.types.ID | None) -> str:
    """The id of the import this belongs to; "" when it belongs to none."""
    return str(datablock.get(IMPORT, "")) if datablock is not None else ""


def find(import_id: str, part: str) -> bpy.types.Object | None:
    """That part of that import, or None when it is in no scene any more. Of copies, the first."""
    return next((o for o in bpy.data.objects
                 if o.get(IMPORT) == import_id and o.get(PART) == part and o.users_scene), None)


def find_collection(import_id: str, scene: bpy.types.Scene | None = None) -> bpy.types.Collection | None:
    """The import's collection, or None when it was deleted. Of copies, the one in this scene, else the first."""
    found = [c for c in bpy.data.collections if c.get(IMPORT) == import_id]
    if len(found) > 1 and scene is not None:
        here = set(scene.collection.children_recursive)
        found.sort(key=lambda c: c not in here)
    return found[0] if found else None


def fitted(name: str, size: int = NAME_BYTES) -> str:
    """The name cut to at most `size` bytes of UTF-8, never inside a character."""
    return name.encode("utf-8", "ignore")[:size].decode("utf-8", "ignore").strip()
