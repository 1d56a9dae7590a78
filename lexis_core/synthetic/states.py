"""The stored training set: interactions as states only, in one compact file. Pictures are rendered from it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from lexis_core.body import default_body, rest_joints
from lexis_core.camera import Camera
from lexis_core.errors import InputError
from lexis_core.files import read_arrays, written_whole
from lexis_core.geometry import rotation_from_axis_angle
from lexis_core.objects.library import CATEGORIES, make
from lexis_core.objects.model import ObjectModel
from lexis_core.state import BodyState, ObjectState, State

Array = np.ndarray

FORMAT_VERSION = 1
MAX_BYTES = 4 << 30
CROP = 224  # pixels, the side of a training picture
ACTION_NAMES = (
    "sit on", "stand on", "lie on", "ride", "carry in front", "carry overhead", "carry at the side", "lift",
    "hold in one hand", "hold in two hands", "push", "pull", "kick", "lean on", "reach for", "swing",
    "use at a table", "walk past",
)
SPLITS = ("train", "validation", "test", "test held out")

# name: dtype in memory, dtype in the file, shape of a row. Half floats only where they move the skin by under 0.5 mm.
_LAYOUT: dict[str, tuple[type, type, tuple[int, ...]]] = {
    "action": (np.int16, np.int16, ()), "instance": (np.int32, np.int32, ()), "split": (np.int8, np.int8, ()),
    "seed": (np.int64, np.int64, ()), "betas": (np.float32, np.float16, (10,)),
    "body_pose": (np.float32, np.float32, (21, 3)), "left_hand_pose": (np.float32, np.float16, (15, 3)),
    "right_hand_pose": (np.float32, np.float16, (15, 3)), "rotation": (np.float32, np.float32, (3,)),
    "translation": (np.float32, np.float32, (3,)), "object_rotation": (np.float32, np.float32, (3,)),
    "object_translation": (np.float32, np.float32, (3,)), "camera_rotation": (np.float32, np.float32, (3,)),
    "camera_translation": (np.float32, np.float32, (3,)), "focal": (np.float32, np.float32, ()),
}
FIELDS = tuple(_LAYOUT)


@dataclass(frozen=True)
class Interactions:
    """N interactions in a world frame: metres, y up, the floor at y = 0. Rotations are axis-angle in radians.

    action             : (N,) int16, index into ACTION_NAMES
    instance           : (N,) int32, row of instances
    split              : (N,) int8, index into SPLITS
    seed               : (N,) int64, everything random in rendering a sample follows from it
    betas              : (N, 10)
    body_pose          : (N, 21, 3); left_hand_pose, right_hand_pose : (N, 15, 3), added to the model's mean hand
    rotation           : (N, 3) of the pelvis; translation : (N, 3): v' = R (v - pelvis) + pelvis + translation
    object_rotation    : (N, 3); object_translation : (N, 3): v' = R v + t of the library's canonical mesh
    camera_rotation    : (N, 3) world to camera (OpenCV axes); camera_translation : (N, 3) metres, added after it
    focal              : (N,) in units of the crop's side; the principal point is the crop's centre
    instances          : (category, parameters) of each distinct object
    meta               : generator version, global seed, acceptance by action; plain JSON
    """

    action: Array
    instance: Array
    split: Array
    seed: Array
    betas: Array
    body_pose: Array
    left_hand_pose: Array
    right_hand_pose: Array
    rotation: Array
    translation: Array
    object_rotation: Array
    object_translation: Array
    camera_rotation: Array
    camera_translation: Array
    focal: Array
    instances: tuple[tuple[str, Mapping[str, Any]], ...]
    meta: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.action)

    def category(self, i: int) -> str:
        return self.instances[self.instance[i]][0]

    def object_model(self, i: int) -> ObjectModel:
        """The canonical object of interaction i; equal instances are built once."""
        category, parameters = self.instances[self.instance[i]]
        return _made(category, json.dumps(dict(parameters), sort_keys=True))

    def world_state(self, i: int) -> State:
        """Body and object of interaction i in the world frame (y up)."""
        body = BodyState(self.body_pose[i], self.left_hand_pose[i], self.right_hand_pose[i], betas=self.betas[i],
                         rotation=rotation_from_axis_angle(self.rotation[i]), translation=self.translation[i])
        placed = ObjectState(rotation_from_axis_angle(self.object_rotation[i]), self.object_translation[i])
        return State(body, placed)

    def state(self, i: int) -> State:
        """Body and object of interaction i in camera space, for the default body."""
        world = self.world_state(i)
        turn, shift = rotation_from_axis_angle(self.camera_rotation[i]), self.camera_translation[i]
        pelvis = rest_joints(default_body(), self.betas[i], np.zeros(10, np.float32))[0]
        body = replace(world.body, rotation=turn @ world.body.rotation,
                       translation=turn @ (pelvis + world.body.translation) + shift - pelvis)
        placed = ObjectState(turn @ world.object.rotation, turn @ world.object.translation + shift)
        return State(body, placed)

    def camera(self, i: int, size: int = CROP) -> Camera:
        """The camera of interaction i for a crop of size x size pixels."""
        focal = float(self.focal[i]) * size
        return Camera(size, size, (focal, focal), (size / 2, size / 2))

    def take(self, rows: Array) -> Interactions:
        """The interactions of these rows, in this order; all instances stay."""
        return replace(self, **{name: getattr(self, name)[rows] for name in FIELDS})

    def save(self, path: str | Path) -> None:
        """Write one compressed npz; equal interactions give equal bytes."""
        head = {"format_version": FORMAT_VERSION, "actions": ACTION_NAMES, "instances": self.instances,
                "meta": dict(self.meta)}
        arrays = {name: np.asarray(getattr(self, name), stored) for name, (_, stored, _) in _LAYOUT.items()}
        with written_whole(path) as temporary, open(temporary, "wb") as file:
            np.savez_compressed(file, head=np.array(json.dumps(head, sort_keys=True)), **arrays)


@lru_cache(maxsize=4096)
def _made(category: str, parameters: str) -> ObjectModel:
    return make(category, **json.loads(parameters))


def stored_precision(name: str, values: Array) -> Array:
    """Values of a field as a file gives them back."""
    kept, stored, _ = _LAYOUT[name]
    return np.asarray(values).astype(stored).astype(kept)


def joined(pieces: list[Interactions], meta: Mapping[str, Any]) -> Interactions:
    """Several sets as one, in order; instances that are equal are kept once."""
    known: dict[str, int] = {}
    instances: list[tuple[str, Mapping[str, Any]]] = []
    rows = []
    for piece in pieces:
        place = np.zeros(len(piece.instances), np.int32)
        for k, (category, parameters) in enumerate(piece.instances):
            key = json.dumps([category, dict(parameters)], sort_keys=True)
            if key not in known:
                known[key] = len(instances)
                instances.append((category, parameters))
            place[k] = known[key]
        rows.append(place[piece.instance])
    arrays = {name: np.concatenate([getattr(piece, name) for piece in pieces]) for name in FIELDS}
    return Interactions(**arrays | {"instance": np.concatenate(rows)}, instances=tuple(instances), meta=meta)


def load(path: str | Path) -> Interactions:
    """Read a states file. Names, shapes, types and ranges are checked here; InputError says what is off."""
    path = Path(path)
    if not path.is_file():
        raise InputError(f"There is no file {path}.", "The path does not lead to a file.", "Check the spelling.")
    try:
        return _checked(_read(path))
    except (OSError, ValueError, KeyError, TypeError, RecursionError, MemoryError) as error:
        why = str(error) or type(error).__name__
        raise InputError(f"{path} is not a states file this version can read.", why,
                         "Make it again with `python -m lexis_core.synthetic.generate`.") from error


def _read(path: Path) -> dict[str, Array]:
    arrays = read_arrays(path, ("head", *_LAYOUT), MAX_BYTES)
    missing = sorted({"head", *_LAYOUT} - set(arrays))
    if missing:
        raise ValueError(f"It lacks {', '.join(missing)}.")
    return arrays


def _checked(arrays: dict[str, Array]) -> Interactions:
    head = json.loads(str(arrays["head"]))
    if not isinstance(head, dict) or head.get("format_version") != FORMAT_VERSION:
        raise ValueError(f"Its format version is not {FORMAT_VERSION}.")
    if head.get("actions") != list(ACTION_NAMES):
        raise ValueError("It was made with another list of actions.")
    instances = _checked_instances(head.get("instances"))
    count = arrays["action"].shape[:1]
    values = {}
    for name, (kept, stored, row) in _LAYOUT.items():
        array = arrays[name]
        if array.dtype != stored or array.shape != count + row:
            raise ValueError(f"{name} has shape {array.shape} and type {array.dtype}; "
                             f"{count + row} of {np.dtype(stored)} is needed.")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ValueError(f"{name} holds NaN or infinity.")
        values[name] = array.astype(kept)
    for name, limit in (("action", len(ACTION_NAMES)), ("instance", len(instances)), ("split", len(SPLITS))):
        if len(values[name]) and not 0 <= values[name].min() <= values[name].max() < limit:
            raise ValueError(f"{name} must lie in 0..{limit - 1}.")
    if not (values["focal"] > 0).all():
        raise ValueError("focal must be above 0.")
    if not isinstance(head.get("meta"), dict):
        raise ValueError("Its meta is not a dictionary.")
    return Interactions(**values, instances=instances, meta=head["meta"])


def _checked_instances(entries: Any) -> tuple[tuple[str, Mapping[str, Any]], ...]:
    if not isinstance(entries, list):
        raise ValueError("Its instances are not a list.")
    for entry in entries:
        if not (isinstance(entry, list) and len(entry) == 2 and entry[0] in CATEGORIES and isinstance(entry[1], dict)):
            raise ValueError("An instance must be a category of the object library and its parameters.")
        try:
            CATEGORIES[entry[0]].checked(entry[1])
        except InputError as error:
            raise ValueError(f"{error.what} {error.why}") from error
    return tuple((category, parameters) for category, parameters in entries)
