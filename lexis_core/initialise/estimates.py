"""Estimates from other tools: SMPL-X parameters and an object pose, as our .npz or as Open3DHOI's json.

The .npz holds betas (10), body_pose (21, 3), rotation (3, 3), translation (3) and, where known, left_hand_pose and
right_hand_pose (15, 3), jaw (3), expression (10), flat_hand (), object_rotation (3, 3), object_translation (3),
object_scale (), focal () or (2), center (2): camera space, OpenCV axes, metres, radians, pixels.

Open3DHOI's smplx_parameters.json (its object_mesh.obj is given in the same frame, so the object's pose is the file's
own) adds cam_trans to both meshes; its camera is weak-perspective: a focal length of 10 to 18 thousand pixels.
"""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lexis_core.camera import Camera
from lexis_core.errors import InputError
from lexis_core.geometry import nearest_rotation, rotation_from_axis_angle
from lexis_core.objects.model import ObjectModel
from lexis_core.state import BodyState, ObjectState

Array = np.ndarray

MAX_BYTES = 64 << 20
REMEDY = "Give a .npz with the arrays docs/reconstruct.md names, or Open3DHOI's smplx_parameters.json."
_OPTIONAL = {"left_hand_pose": (15, 3), "right_hand_pose": (15, 3), "jaw": (3,), "expression": (10,)}
_OPEN3DHOI = {"body_pose": ("body_pose", (21, 3)), "lhand_pose": ("left_hand_pose", (15, 3)),
              "rhand_pose": ("right_hand_pose", (15, 3)), "jaw_pose": ("jaw", (3,)), "shape": ("betas", (10,)),
              "expr": ("expression", (10,))}


@dataclass(frozen=True)
class Estimate:
    """body in camera space; object and camera where the file knows them, else None."""

    body: BodyState
    object: ObjectState | None
    camera: Camera | None


def read_estimate(path: str | Path, model: ObjectModel, width: int, height: int) -> Estimate:
    """Another tool's estimate for a photo of width x height pixels. InputError names what is missing or off."""
    path = Path(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError(f"It is larger than {MAX_BYTES >> 20} MB.")
        read = {".json": _open3dhoi, ".npz": _ours}.get(path.suffix.lower())
        if read is None:
            raise ValueError("Its name ends neither in .npz nor in .json.")
        return read(path, model, width, height)
    except OSError as error:
        raise InputError(f"The estimate {path} was not read.", f"The system says: {error.strerror}.", REMEDY) from error
    except (ValueError, KeyError, TypeError, zipfile.BadZipFile, EOFError, RecursionError) as error:
        why = f"It lacks {error}." if isinstance(error, KeyError) else str(error)
        raise InputError(f"The estimate {path} was not read.", why, REMEDY) from error


def _ours(path: Path, model: ObjectModel, width: int, height: int) -> Estimate:
    with zipfile.ZipFile(path) as archive:
        if sum(member.file_size for member in archive.infolist()) > MAX_BYTES:
            raise ValueError(f"It unpacks to more than {MAX_BYTES >> 20} MB.")
    with np.load(path, allow_pickle=False) as file:
        a = {name: file[name] for name in file.files}
    optional = {name: _array(a, name, shape) for name, shape in _OPTIONAL.items() if name in a}
    body = BodyState(body_pose=_array(a, "body_pose", (21, 3)), betas=_array(a, "betas", (10,)),
                     rotation=_rotation(a, "rotation"), translation=_array(a, "translation", (3,)),
                     flat_hand=bool(_array(a, "flat_hand", ())) if "flat_hand" in a else False, **optional)
    placed = None
    if "object_rotation" in a:
        scale = float(_array(a, "object_scale", ())) if "object_scale" in a else 1.0
        if scale <= 0:
            raise ValueError("object_scale must be above 0.")
        placed = ObjectState(_rotation(a, "object_rotation"), _array(a, "object_translation", (3,)), scale)
    camera = None
    if "focal" in a:
        camera = _camera(a["focal"], a.get("center"), width, height)
    return Estimate(body, placed, camera)


def _open3dhoi(path: Path, model: ObjectModel, width: int, height: int) -> Estimate:
    a: dict[str, Any] = json.loads(path.read_text("utf-8"))
    if not isinstance(a, dict):
        raise ValueError("The json is not an object with named values.")
    parts = {ours: _array(a, theirs, shape) for theirs, (ours, shape) in _OPEN3DHOI.items()}
    move = _array(a, "cam_trans", (3,))
    turn = rotation_from_axis_angle(_array(a, "root_pose", (3,)).astype(np.float64)).astype(np.float32)
    linear, offset = model.file_from_canonical[:3, :3], model.file_from_canonical[:3, 3]
    scale = float(np.cbrt(np.linalg.det(linear)))
    placed = ObjectState((linear / scale).astype(np.float32), offset + move, scale)
    body = BodyState(**parts, rotation=turn, translation=move)
    return Estimate(body, placed, _camera(a["focal"], a.get("princpt"), width, height))


def _array(a: dict[str, Any], name: str, shape: tuple[int, ...]) -> Array:
    """A named value, wrapped in more lists or not, as float32 of the shape."""
    value = np.asarray(a[name], np.float64)
    if value.size != int(np.prod(shape)):
        raise ValueError(f"{name} holds {value.size} numbers; {int(np.prod(shape))} are needed.")
    if not np.isfinite(value).all():
        raise ValueError(f"{name} holds NaN or infinity.")
    return value.reshape(shape).astype(np.float32)


def _rotation(a: dict[str, Any], name: str) -> Array:
    matrix = _array(a, name, (3, 3)).astype(np.float64)
    nearest = nearest_rotation(matrix)
    if np.abs(nearest - matrix).max() > 1e-2:
        raise ValueError(f"{name} is not a rotation.")
    return nearest.astype(np.float32)


def _camera(focal: Any, center: Any, width: int, height: int) -> Camera:
    f = np.broadcast_to(np.asarray(focal, np.float64).ravel(), 2)
    c = np.array([width / 2, height / 2]) if center is None else np.asarray(center, np.float64).ravel()
    if c.shape != (2,) or not np.isfinite([*f, *c]).all() or f.min() <= 0:
        raise ValueError("focal and the principal point must be numbers of pixels, focal above 0.")
    return Camera(width, height, (float(f[0]), float(f[1])), (float(c[0]), float(c[1])))
