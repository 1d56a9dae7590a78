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

from lexis_core.camera import Camera
from lexis_core.errors import InputError
from lexis_core.files import arrays_in
from lexis_core.reconstruction import MAX_PIXELS, Reconstruction, to_arrays

from . import mesh
from .identity import Imported

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
        given[name] = np.frombuffer(zlib.compress(np.packbits(arrays[name]), 1), np.uint8)
    faces = arrays[FACES]
    if len(mesh.representable(faces)) < len(faces):
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
    for name in MASKS:
        given[name] = _mask(made.collection, given[name], given["image_size"])
    return {**given, **unpacked(made.collection, STATE, POSED), "photo": _photo(made.collection)}


def camera(made: Imported) -> Camera:
    """The photo's camera. InputError as kept()."""
    given = unpacked(made.collection, STORE, (*GIVEN, *MASKS, FACES))
    try:
        width, height = (int(n) for n in given["image_size"])
        focal, center = (tuple(float(n) for n in given[name]) for name in ("focal", "center"))
        if len(focal) != 2 or len(center) != 2 or not min(width, height, *focal) > 0:
            raise ValueError("Its camera is none.")
    except (TypeError, ValueError) as error:
        raise _unknown(made.collection, str(error)) from error
    return Camera(width, height, focal, center)


def put_bytes(collection: bpy.types.Collection, name: str, data: bytes) -> None:
    """Set a custom property to bytes. Set over old ones, Blender would cut them at the first zero."""
    if name in collection:
        del collection[name]
    collection[name] = data


def packed(arrays: Mapping[str, Array]) -> bytes:
    """Arrays as the bytes of a .npz file, not compressed: that takes longer than all else, and .blend files can be."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
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
    except (OSError, ValueError) as error:
        raise _unknown(collection, str(error)) from error
    return arrays


def _mask(collection: bpy.types.Collection, data: Array, size: Array) -> Array:
    """(H, W) bool of what keep() made of a mask."""
    try:
        width, height = (int(n) for n in np.asarray(size).ravel())
        pixels = width * height
        if not 0 < pixels <= MAX_PIXELS:
            raise ValueError(f"The photo may have at most {MAX_PIXELS:,} pixels.")
        bits = zlib.decompressobj().decompress(np.ascontiguousarray(data, np.uint8).tobytes(), pixels // 8 + 1)
        return np.unpackbits(np.frombuffer(bits, np.uint8), count=pixels).view(bool).reshape(height, width)
    except (ValueError, zlib.error) as error:
        raise _unknown(collection, f"A mask is damaged ({error}).") from error


def _unknown(collection: bpy.types.Collection, why: str) -> InputError:
    return InputError(f'"{collection.name}" does not know what it was made from.', why,
                      "Import the reconstruction again.")


def _mesh_sum(surface: bpy.types.Mesh) -> str:
    """A checksum of the vertices and triangles."""
    return f"{zlib.crc32(mesh.triangles(surface), zlib.crc32(mesh.points(surface))):08x}"


def _photo(collection: bpy.types.Collection) -> Array:
    """(N,) uint8, the photo's JPEG file."""
    image = collection.get(PHOTO)
    file = image.packed_file if isinstance(image, bpy.types.Image) else None
    if file is None:
        raise InputError(f'"{collection.name}" has lost its photo.', "The image was deleted or unpacked.",
                         "Pack it again (File > External Data > Pack Resources), or import the reconstruction again.")
    return np.frombuffer(bytes(file.data), np.uint8)
