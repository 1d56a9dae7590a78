"""What an import was made from, kept inside the .blend, so that a saved scene alone can be exported or refined later.

The meshes, their attributes and the packed photo hold most of a result. The rest lies on the collection as the bytes of
two .npz files: what the photo gave (STORE), and the state that the rig was last posed by, with the result's facts
(STATE).
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Mapping

import bpy
import numpy as np

from lexis_core.errors import InputError
from lexis_core.files import arrays_in
from lexis_core.reconstruction import Reconstruction, to_arrays

from .identity import Imported
from .mesh import representable

Array = np.ndarray

STORE, STATE, PHOTO, FILE = "lexis_store", "lexis_state", "lexis_photo", "lexis_file"
MESH = "lexis_mesh"  # the checksum of the object's mesh that the fields belong to
BODY, BODY_DIGEST, BODY_SOURCE = "lexis_body", "lexis_body_digest", "lexis_body_source"
MASKS = ("person_mask", "object_mask")
FACES = "object_faces"  # only where Blender could not hold them all
GIVEN = ("file_from_canonical", "image_size", "focal", "center", "sigma", "landmarks", "landmarks_world", "confidence")
POSED = ("body_pose", "left_hand_pose", "right_hand_pose", "jaw", "betas", "expression", "body_rotation",
         "body_translation", "flat_hand", "object_rotation", "object_translation", "object_scale", "meta")
LIMIT = 256 << 20  # bytes that either may unpack to


def keep(made: Imported, result: Reconstruction, body_source: str, file: str = "") -> None:
    """Keep all of a new import.

    body_source : "default", or the body's file
    file        : the *.lexis.npz the result came from, "" when it came from elsewhere
    """
    arrays = to_arrays(result)
    given = {name: arrays[name] for name in GIVEN}
    for name in MASKS:
        given[name] = np.packbits(arrays[name], axis=1)
    faces = arrays[FACES]
    if len(representable(faces)) < len(faces):
        given[FACES] = faces
    put_bytes(made.collection, STORE, packed(given))
    made.collection[BODY], made.collection[BODY_DIGEST] = result.body_name, result.body_digest
    made.collection[BODY_SOURCE], made.collection[FILE] = body_source, file
    made.collection[PHOTO] = made.camera.data.background_images[0].image
    keep_state(made, result)


def keep_state(made: Imported, result: Reconstruction) -> None:
    """Remember which state the rig and the object have just been given, and the facts of the result it is from."""
    arrays = to_arrays(result)
    put_bytes(made.collection, STATE, packed({name: arrays[name] for name in POSED}))
    made.collection[MESH] = _mesh_sum(made.object.data)


def mark_measured(made: Imported) -> None:
    """Say that the fields were measured where things stand now, and not where the kept state has them."""
    made.collection[MESH] = ""


def fields_are_kept(made: Imported) -> bool:
    """Whether the fields on the meshes are those of the kept state and of the object's mesh as it is."""
    return made.collection.get(MESH) == _mesh_sum(made.object.data)


def kept(made: Imported) -> dict[str, Array]:
    """The named arrays of GIVEN, MASKS, POSED, "photo" and perhaps FACES, as keep() had them.

    Raises InputError when they are damaged, or the import was made before they were kept.
    """
    given = unpacked(made.collection, STORE, (*GIVEN, *MASKS, FACES))
    width = int(np.ravel(given["image_size"])[0])
    for name in MASKS:
        given[name] = np.unpackbits(given[name], axis=1, count=width).astype(bool)
    return {**given, **unpacked(made.collection, STATE, POSED), "photo": _photo(made.collection)}


def put_bytes(collection: bpy.types.Collection, name: str, data: bytes) -> None:
    """Set a custom property to bytes. Set over old ones, Blender would cut them at the first zero."""
    if name in collection:
        del collection[name]
    collection[name] = data


def packed(arrays: Mapping[str, Array], small: bool = True) -> bytes:
    """Arrays as the bytes of a .npz file; quick to make rather than small where they are many numbers."""
    buffer = io.BytesIO()
    (np.savez_compressed if small else np.savez)(buffer, **arrays)
    return buffer.getvalue()


def unpacked(collection: bpy.types.Collection, name: str, names: tuple[str, ...]) -> dict[str, Array]:
    """The arrays of a custom property that packed() made; a .blend may come from anywhere, so nothing is trusted."""
    data = collection.get(name)
    try:
        if not isinstance(data, bytes):
            raise ValueError(f"Its {name} is missing.")
        arrays = arrays_in(io.BytesIO(data), names, LIMIT)
        lost = sorted(set(names) - {FACES} - set(arrays))
        if lost:
            raise ValueError(f"It lacks {', '.join(lost)}.")
        for mask in set(MASKS) & set(arrays):
            if arrays[mask].ndim != 2 or arrays[mask].dtype != np.uint8:
                raise ValueError(f"{mask} is damaged.")
    except (OSError, ValueError) as error:
        raise InputError(f'"{collection.name}" does not know what it was made from.', str(error),
                         "Import the reconstruction again.") from error
    return arrays


def _mesh_sum(mesh: bpy.types.Mesh) -> str:
    """A checksum of the vertices and polygons."""
    points = np.empty(3 * len(mesh.vertices), np.float32)
    mesh.vertices.foreach_get("co", points)
    corners = np.empty(len(mesh.loops), np.int32)
    mesh.loops.foreach_get("vertex_index", corners)
    return f"{zlib.crc32(corners, zlib.crc32(points)):08x}"


def _photo(collection: bpy.types.Collection) -> Array:
    """(N,) uint8, the photo's JPEG file."""
    image = collection.get(PHOTO)
    file = image.packed_file if isinstance(image, bpy.types.Image) else None
    if file is None:
        raise InputError(f'"{collection.name}" has lost its photo.', "The image was deleted or unpacked.",
                         "Pack it again (File > External Data > Pack Resources), or import the reconstruction again.")
    return np.frombuffer(bytes(file.data), np.uint8)
