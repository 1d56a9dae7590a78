"""Estimates from other tools: SMPL-X parameters and an object pose, as our .npz or as Open3DHOI's json.

The .npz holds betas (10), body_pose (21, 3), rotation (3, 3), translation (3) or pelvis (3), and, where known,
left_hand_pose and right_hand_pose (15, 3), jaw (3), expression (10), flat_hand (), object_rotation (3, 3),
object_translation (3), object_scale (), focal () or (2), center (2): camera space, OpenCV axes, metres, radians,
pixels. Whatever else is in the file is left alone.

Open3DHOI's smplx_parameters.json (its object_mesh.obj is given in the same frame, so the object's pose is the file's
own) adds cam_trans to both meshes; its camera is weak-perspective: a focal length of 10 to 18 thousand pixels.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from lexis_core.body.model import BodyModel, rest_joints
from lexis_core.camera import Camera
from lexis_core.errors import InputError
from lexis_core.files import read_arrays
from lexis_core.geometry import nearest_rotation, rotation_from_axis_angle
from lexis_core.objects.model import ObjectModel
from lexis_core.state import BodyState, ObjectState

Array = np.ndarray

MAX_BYTES = 64 << 20
SMPLX_PELVIS = np.array([0.0, -0.35, 0.01], np.float32)  # metres from SMPL-X's origin, in its mean body's chest
MOST = 10.0         # betas and expressions beyond are not shown by a shape key
MOST_SCALE = 1e4    # object_scale: a mesh in tenths of a millimetre
REMEDY = "Give a .npz with the arrays docs/reconstruct.md names, or Open3DHOI's smplx_parameters.json."
_OPTIONAL = {"left_hand_pose": (15, 3), "right_hand_pose": (15, 3), "jaw": (3,), "expression": (10,)}
_OBJECT = ("object_rotation", "object_translation", "object_scale")
_KNOWN = {"betas", "body_pose", "rotation", "translation", "pelvis", "flat_hand", "focal", "center", *_OPTIONAL,
          *_OBJECT}
_OPEN3DHOI = {"body_pose": ("body_pose", (21, 3)), "lhand_pose": ("left_hand_pose", (15, 3)),
              "rhand_pose": ("right_hand_pose", (15, 3)), "jaw_pose": ("jaw", (3,)), "shape": ("betas", (10,)),
              "expr": ("expression", (10,))}


@dataclass(frozen=True)
class Estimate:
    """What another tool found; None for what its file does not tell.

    body   : in camera space, for an SMPL-X body
    pelvis : (3,) metres, where that joint stands in camera space; it then replaces the body's translation
    object : where the canonical mesh stands
    focal  : (fx, fy), pixels
    center : (cx, cy), pixels; never without a focal length
    """

    body: BodyState
    pelvis: Array | None
    object: ObjectState | None
    focal: tuple[float, float] | None
    center: tuple[float, float] | None

    def body_of(self, model: BodyModel) -> BodyState:
        """The body for this model.

        SMPL-X's betas and expressions mean nothing to the default body, which keeps its mean shape, and its translation
        counts from another origin: the default body's pelvis goes where the mean SMPL-X body has it.
        """
        body = self.body
        if model.source == "default":
            mean = BodyState()
            body = replace(body, betas=mean.betas, expression=mean.expression,
                           translation=body.translation + SMPLX_PELVIS - model.joint_template[0])
        if self.pelvis is not None:
            body = replace(body, translation=self.pelvis - rest_joints(model, body.betas, body.expression)[0])
        return body

    def camera(self, of_photo: Camera) -> Camera:
        """The photo's camera with what the file knows of it."""
        return replace(of_photo, focal=self.focal or of_photo.focal, center=self.center or of_photo.center)


def read_estimate(path: str | Path, model: ObjectModel) -> Estimate:
    """Another tool's estimate of a body and of this object. InputError names what is missing or off."""
    path = Path(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError(f"It is larger than {MAX_BYTES >> 20} MB.")
        read = {".json": _open3dhoi, ".npz": _ours}.get(path.suffix.lower())
        if read is None:
            raise ValueError("Its name ends neither in .npz nor in .json.")
        return read(path, model)
    except OSError as error:
        raise InputError(f"The estimate {path} was not read.", f"The system says: {error.strerror or error}.",
                         REMEDY) from error
    except KeyError as error:
        raise InputError(f"The estimate {path} was not read.", f"It lacks {error.args[0]}.", REMEDY) from error
    except ValueError as error:
        raise InputError(f"The estimate {path} was not read.", str(error), REMEDY) from error


def _ours(path: Path, model: ObjectModel) -> Estimate:
    a = read_arrays(path, _KNOWN, MAX_BYTES)
    optional = {name: _array(a, name, shape) for name, shape in _OPTIONAL.items() if name in a}
    if ("translation" in a) == ("pelvis" in a):
        raise KeyError("either translation or pelvis")
    pelvis = _array(a, "pelvis", (3,)) if "pelvis" in a else None
    translation = _array(a, "translation", (3,)) if pelvis is None else pelvis
    body = BodyState(body_pose=_array(a, "body_pose", (21, 3)), betas=_array(a, "betas", (10,)),
                     rotation=_rotation(a, "rotation"), translation=translation,
                     flat_hand=bool(_array(a, "flat_hand", ())) if "flat_hand" in a else False, **optional)
    placed = None
    if any(name in a for name in _OBJECT):
        scale = float(_array(a, "object_scale", ())) if "object_scale" in a else 1.0
        placed = ObjectState(_rotation(a, "object_rotation"), _array(a, "object_translation", (3,)), scale)
    return _estimate(body, pelvis, placed, a, "center")


def _open3dhoi(path: Path, model: ObjectModel) -> Estimate:
    try:
        a: Any = json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"It is not json ({error}).") from error
    if not isinstance(a, dict):
        raise ValueError("The json is not an object with named values.")
    parts = {ours: _array(a, theirs, shape) for theirs, (ours, shape) in _OPEN3DHOI.items()}
    move = _array(a, "cam_trans", (3,))
    turn = rotation_from_axis_angle(_array(a, "root_pose", (3,)).astype(np.float64)).astype(np.float32)
    linear, offset = model.file_from_canonical[:3, :3], model.file_from_canonical[:3, 3]
    scale = float(np.cbrt(np.linalg.det(linear)))
    placed = ObjectState((linear / scale).astype(np.float32), offset + move, scale)
    if "focal" not in a:
        raise KeyError("focal")
    return _estimate(BodyState(**parts, rotation=turn, translation=move), None, placed, a, "princpt")


def _estimate(body: BodyState, pelvis: Array | None, placed: ObjectState | None, a: dict[str, Any],
              center: str) -> Estimate:
    """The ranges, and the camera."""
    if max(np.abs(body.betas).max(), np.abs(body.expression).max()) > MOST:
        raise ValueError(f"A beta or expression is beyond {MOST:g}; they are usually within 5.")
    if placed is not None and not 1 / MOST_SCALE < placed.scale < MOST_SCALE:
        raise ValueError(f"object_scale is not between {1 / MOST_SCALE:g} and {MOST_SCALE:g}.")
    if center in a and "focal" not in a:
        raise KeyError(f"focal, without which {center} means nothing")
    return Estimate(body, pelvis, placed, _pixels(a, "focal"), _pixels(a, center))


def _pixels(a: dict[str, Any], name: str) -> tuple[float, float] | None:
    """Two numbers of pixels, or one focal length for both axes; None where there is none."""
    if name not in a:
        return None
    if name == "focal" and _numbers(a, name).size == 1:
        a = {name: [_numbers(a, name)] * 2}
    x, y = _array(a, name, (2,)).tolist()
    if name == "focal" and min(x, y) <= 0:
        raise ValueError("focal must be above 0.")
    return x, y


def _array(a: dict[str, Any], name: str, shape: tuple[int, ...]) -> Array:
    """A named value, wrapped in more lists or not, as float32 of the shape."""
    value = _numbers(a, name)
    if value.size != math.prod(shape):
        raise ValueError(f"{name} holds {value.size} numbers; {math.prod(shape)} are needed.")
    return value.reshape(shape).astype(np.float32)


def _numbers(a: dict[str, Any], name: str) -> Array:
    """A named value as float64, whatever its shape, within what float32 can hold."""
    try:
        value = np.asarray(a[name], np.float64)
    except (ValueError, TypeError, OverflowError) as error:
        raise ValueError(f"{name} is not made of numbers.") from error
    if not (np.abs(value) < np.finfo(np.float32).max).all():
        raise ValueError(f"{name} holds NaN, infinity or a number far too large.")
    return value


def _rotation(a: dict[str, Any], name: str) -> Array:
    matrix = _array(a, name, (3, 3)).astype(np.float64)
    nearest = nearest_rotation(matrix)
    if np.abs(nearest - matrix).max() > 1e-2:
        raise ValueError(f"{name} is not a rotation.")
    return nearest.astype(np.float32)
