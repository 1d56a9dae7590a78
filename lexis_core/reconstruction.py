"""The result of a reconstruction: everything an editable scene needs, in one file without pickles."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from lexis_core.camera import Camera
from lexis_core.errors import InputError
from lexis_core.files import read_arrays, written_whole
from lexis_core.interfield import InterField
from lexis_core.mesh import Mesh
from lexis_core.objects.model import ObjectModel
from lexis_core.observe.observation import Observation
from lexis_core.state import BodyState, ObjectState, State

Array = np.ndarray

FORMAT_VERSION = 1
SUFFIX = ".lexis.npz"
PHOTO_QUALITY = 92
MAX_BYTES = 2 << 30
MAX_PIXELS = 64_000_000


@dataclass(frozen=True)
class Reconstruction:
    """A solved scene in camera space.

    state       : State of body and object
    camera      : Camera of the photo
    object      : ObjectModel, the canonical mesh at full resolution
    field       : InterField between the final surfaces, one value a vertex
    body_name   : which body model the state poses
    body_digest : sha256 of that model's file, hex
    photo       : (N,) uint8, the upright photo as a JPEG file
    person_mask, object_mask : (H, W) bool; the object's may be all False when it was not known
    landmarks, landmarks_world, confidence : as in Observation
    info        : what a person wants to know: seconds a stage, device, seed, notes; plain JSON
    predicted_body, predicted_object : (Vb,), (Vo,) float32 in (0, 1], the InterField as the network decodes it; or None
    """

    state: State
    camera: Camera
    object: ObjectModel
    field: InterField
    body_name: str
    body_digest: str
    photo: Array
    person_mask: Array
    object_mask: Array
    landmarks: Array
    landmarks_world: Array
    confidence: Array
    info: Mapping[str, Any] = field(default_factory=dict)
    predicted_body: Array | None = None
    predicted_object: Array | None = None

    def object_mesh(self) -> Mesh:
        """The object where it stands in camera space."""
        placed = self.state.object
        return self.object.mesh.moved(placed.rotation, placed.translation, placed.scale)

    def observation(self) -> Observation:
        """What the result was solved from, read back from the file."""
        seen = self.object_mask if self.object_mask.any() else None
        return Observation(decode_photo(self.photo), self.camera, self.person_mask, seen,
                           self.landmarks, self.landmarks_world, self.confidence)

    def save(self, path: str | Path) -> None:
        """Write the result as .npz; the file appears whole or not at all."""
        with written_whole(path) as temporary, open(temporary, "wb") as file:
            np.savez_compressed(file, **to_arrays(self))


def encode_photo(image: Array) -> Array:
    """(H, W, 3) uint8 -> (N,) uint8, a JPEG file."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=PHOTO_QUALITY)
    return np.frombuffer(buffer.getvalue(), np.uint8)


def decode_photo(photo: Array) -> Array:
    """(N,) uint8, a JPEG file -> (H, W, 3) uint8. InputError when its bytes are damaged."""
    try:
        with Image.open(io.BytesIO(photo.tobytes()), formats=["JPEG"]) as image:
            return np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError("The photo inside the result cannot be read.", str(error),
                         "Run `lexis reconstruct` again.") from error


# name: dtype kind and shape; a letter stands for a length that must agree wherever it recurs
_LAYOUT: dict[str, tuple[str, tuple]] = {
    "meta": ("U", ()),
    "body_pose": ("f", (21, 3)), "left_hand_pose": ("f", (15, 3)), "right_hand_pose": ("f", (15, 3)),
    "jaw": ("f", (3,)), "betas": ("f", (10,)), "expression": ("f", (10,)),
    "body_rotation": ("f", (3, 3)), "body_translation": ("f", (3,)), "flat_hand": ("b", ()),
    "object_rotation": ("f", (3, 3)), "object_translation": ("f", (3,)), "object_scale": ("f", ()),
    "object_vertices": ("f", ("O", 3)), "object_faces": ("i", ("F", 3)), "file_from_canonical": ("f", (4, 4)),
    "image_size": ("i", (2,)), "focal": ("f", (2,)), "center": ("f", (2,)),
    "if_body": ("f", ("B",)), "if_object": ("f", ("O",)),
    "body_distance": ("f", ("B",)), "object_distance": ("f", ("O",)),
    "body_inside": ("b", ("B",)), "object_inside": ("b", ("O",)), "sigma": ("f", ()),
    "photo": ("u", ("N",)), "person_mask": ("b", ("H", "W")), "object_mask": ("b", ("H", "W")),
    "landmarks": ("f", (39, 2)), "landmarks_world": ("f", (39, 3)), "confidence": ("f", (39,)),
}
_OPTIONAL: dict[str, tuple[str, tuple]] = {"predicted_body": ("f", ("B",)), "predicted_object": ("f", ("O",))}
_KNOWN = {**_LAYOUT, **_OPTIONAL}
_BODY = tuple(f.name for f in fields(BodyState) if f.name not in ("rotation", "translation", "flat_hand"))
_META = {"format_version": int, "body_name": str, "body_digest": str, "object_name": str, "object_category": str,
         "object_metric": bool, "object_parts": list, "object_notes": list, "info": dict}


def to_arrays(r: Reconstruction) -> dict[str, Array]:
    """The result as named arrays: what a file holds, and what goes over the worker's pipe."""
    meta = {"format_version": FORMAT_VERSION, "body_name": r.body_name, "body_digest": r.body_digest,
            "object_name": r.object.name, "object_category": r.object.category, "object_metric": r.object.metric,
            "object_parts": r.object.parts, "object_notes": r.object.notes, "info": dict(r.info)}
    body, placed, camera, f = r.state.body, r.state.object, r.camera, r.field
    optional = {name: getattr(r, name) for name in _OPTIONAL if getattr(r, name) is not None}
    return {
        "meta": np.array(json.dumps(meta)), **{name: getattr(body, name) for name in _BODY},
        "body_rotation": body.rotation, "body_translation": body.translation, "flat_hand": np.array(body.flat_hand),
        "object_rotation": placed.rotation, "object_translation": placed.translation,
        "object_scale": np.array(placed.scale),
        "object_vertices": r.object.mesh.vertices, "object_faces": r.object.mesh.faces,
        "file_from_canonical": r.object.file_from_canonical,
        "image_size": np.array([camera.width, camera.height]), "focal": np.array(camera.focal),
        "center": np.array(camera.center),
        "if_body": f.body, "if_object": f.object,
        "body_distance": f.body_distance, "object_distance": f.object_distance,
        "body_inside": f.body_inside, "object_inside": f.object_inside, "sigma": np.array(f.sigma),
        "photo": r.photo, "person_mask": r.person_mask, "object_mask": r.object_mask,
        "landmarks": r.landmarks, "landmarks_world": r.landmarks_world, "confidence": r.confidence,
        **optional,
    }


def load(path: str | Path) -> Reconstruction:
    """Read a result; InputError says what is off."""
    path = Path(path)
    if not path.is_file():
        raise InputError(f"There is no file {path}.", "The path does not lead to a file.", "Check the spelling.")
    try:
        arrays = read_arrays(path, _KNOWN, MAX_BYTES)
    except (OSError, ValueError) as error:
        raise _refused(str(path), str(error)) from error
    return from_arrays(arrays, str(path))


def from_arrays(arrays: Mapping[str, Array], source: str = "What was given") -> Reconstruction:
    """The result of to_arrays() again. Names, shapes, types and ranges are checked here and nowhere else.

    source : what the arrays came from, for the error
    InputError says what is off.
    """
    a = {name: arrays[name] for name in _KNOWN if name in arrays}
    if missing := sorted(set(_LAYOUT) - set(a)):
        raise _refused(source, f"It lacks {', '.join(missing)}.")
    if unknown := sorted(set(arrays) - set(a)):
        raise _refused(source, f"It holds {', '.join(unknown)[:100]}, which no result has.")
    try:
        meta = _checked(a)
    except (ValueError, RecursionError, OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise _refused(source, str(error)) from error
    body = BodyState(**{name: a[name] for name in _BODY}, rotation=a["body_rotation"],
                     translation=a["body_translation"], flat_hand=bool(a["flat_hand"]))
    placed = ObjectState(a["object_rotation"], a["object_translation"], float(a["object_scale"]))
    width, height = (int(n) for n in a["image_size"])
    return Reconstruction(
        State(body, placed),
        Camera(width, height, tuple(map(float, a["focal"])), tuple(map(float, a["center"]))),
        ObjectModel(meta["object_name"], meta["object_category"], Mesh(a["object_vertices"], a["object_faces"]),
                    a["file_from_canonical"], meta["object_metric"], tuple(meta["object_notes"]),
                    tuple((str(name), int(first), int(count)) for name, first, count in meta["object_parts"])),
        InterField(a["if_body"], a["if_object"], a["body_distance"], a["object_distance"],
                   a["body_inside"], a["object_inside"], float(a["sigma"])),
        meta["body_name"], meta["body_digest"], a["photo"], a["person_mask"], a["object_mask"],
        a["landmarks"], a["landmarks_world"], a["confidence"], meta["info"],
        a.get("predicted_body"), a.get("predicted_object"),
    )


def _refused(source: str, why: str) -> InputError:
    return InputError(f"{source} is not a LEXIS result this version can open.", why,
                      "Run `lexis reconstruct` again, or choose a *.lexis.npz file it wrote.")


def _checked(a: dict[str, Array]) -> dict[str, Any]:
    """Check the arrays in place (floats become float32, integers int32) and return the parsed meta."""
    lengths: dict[str, int] = {}
    for name, array in list(a.items()):
        kind, shape = _KNOWN[name]
        agrees = array.ndim == len(shape) and all(
            got == (want if isinstance(want, int) else lengths.setdefault(want, got))
            for got, want in zip(array.shape, shape, strict=True))
        if array.dtype.kind != kind or not agrees:
            raise ValueError(f"{name} has shape {array.shape} and type {array.dtype}; "
                             f"{shape} of kind {kind!r} is needed.")
        if kind == "f" and not np.isfinite(array).all():
            raise ValueError(f"{name} holds NaN or infinity.")
        if kind == "f" and name not in ("focal", "center", "object_scale", "sigma"):
            a[name] = array.astype(np.float32, copy=False)
    _check_ranges(a, lengths)
    a["object_faces"] = a["object_faces"].astype(np.int32, copy=False)
    meta = json.loads(str(a["meta"]))
    if not isinstance(meta, dict) or meta.get("format_version") != FORMAT_VERSION:
        raise ValueError(f"Its format version is not {FORMAT_VERSION}.")
    for name, kind in _META.items():
        if not isinstance(meta.get(name), kind):
            raise ValueError(f"Its meta lacks {name}, or it is not a {kind.__name__}.")
    for part in meta["object_parts"]:
        if not (isinstance(part, list) and len(part) == 3 and isinstance(part[0], str)
                and all(isinstance(n, int) and 0 <= n <= lengths["F"] for n in part[1:])):
            raise ValueError("object_parts must be lists of a name, a first face and a count.")
    return meta


def _check_ranges(a: dict[str, Array], lengths: dict[str, int]) -> None:
    def need(holds: bool, what: str) -> None:
        if not holds:
            raise ValueError(what)

    for name in ("body_rotation", "object_rotation"):
        r = a[name].astype(np.float64)
        need(np.abs(r @ r.T - np.eye(3)).max() < 1e-3 and np.linalg.det(r) > 0, f"{name} is not a rotation.")
    faces, (width, height) = a["object_faces"], a["image_size"]
    need(len(faces) > 0 and faces.min() >= 0 and faces.max() < lengths["O"], "object_faces point outside the vertices.")
    need(a["object_scale"] > 0 and a["sigma"] > 0, "object_scale and sigma must be above 0.")
    need((a["focal"] > 0).all(), "focal must be above 0.")
    need((lengths["H"], lengths["W"]) == (height, width), "The masks and image_size differ.")
    need(0 < int(width) * int(height) <= MAX_PIXELS, f"The photo may have at most {MAX_PIXELS:,} pixels.")
    need(a["photo"].dtype == np.uint8, "photo must be bytes.")
    for name in {"if_body", "if_object", *_OPTIONAL} & set(a):
        need(((a[name] > 0) & (a[name] <= 1)).all(), f"{name} must lie in (0, 1].")
    for name in ("body_distance", "object_distance"):
        need((a[name] >= 0).all(), f"{name} must not be negative.")
    need(((a["confidence"] >= 0) & (a["confidence"] <= 1)).all(), "confidence must lie in [0, 1].")
    with Image.open(io.BytesIO(a["photo"].tobytes()), formats=["JPEG"]) as image:
        need(image.size == (width, height), "The photo and image_size differ.")
