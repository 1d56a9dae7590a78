"""Shape keys: the body's betas and expressions as sliders at the solved values, and its pose correctives."""

from __future__ import annotations

import bpy
import numpy as np

from lexis_core.body.model import BodyModel, joint_rotations
from lexis_core.state import BodyState

from .. import compat
from . import axes
from .identity import fitted

Array = np.ndarray

SLIDER = 5.0
LIMIT = 10.0  # Blender's own for a shape key's value
CORRECTIVES = "pose_correctives"
BETA, EXPRESSION = "beta_", "expression_"


def add_shape_keys(body: bpy.types.Object, model: BodyModel, state: BodyState) -> None:
    """Basis, beta_00.., expression_00.. and, for bodies that have pose_dirs, the correctives of the solved pose.

    body : the mesh object whose vertices are the template in local axes
    """
    basis = axes.local_points(model.template)
    body.shape_key_add(name="Basis", from_mix=False)
    for index, value in enumerate(state.betas):
        _add(body, f"{BETA}{index:02d}", basis, model.shape_dirs[:, :, index], float(value), SLIDER)
    for index, value in enumerate(state.expression):
        name = fitted(f"{EXPRESSION}{index:02d} {_own_name(model, index)}".rstrip())
        _add(body, name, basis, model.expression_dirs[:, :, index], float(value), SLIDER)
    if model.pose_dirs is not None:
        _add(body, CORRECTIVES, basis, pose_offsets(model, state), 1.0, 1.0)


def set_shape(body: bpy.types.Object, model: BodyModel, state: BodyState) -> None:
    """Give the shape keys there are another state's values, and the correctives its pose."""
    keys = _keys(body)
    for prefix, values in ((BETA, state.betas), (EXPRESSION, state.expression)):
        for index, value in enumerate(values):
            if (key := _found(keys, prefix, index)) is not None:
                _slide(key, float(value))
    if model.pose_dirs is not None and CORRECTIVES in keys:
        points = axes.local_points(model.template) + axes.local_points(pose_offsets(model, state))
        keys[CORRECTIVES].points.foreach_set("co", points.ravel())
        keys[CORRECTIVES].value = 1.0
        body.data.update_tag()


def shape(body: bpy.types.Object, known: BodyState) -> tuple[Array, Array]:
    """The betas and expression that the sliders show, (10,) float32 each; where a key is gone, as they were known."""
    keys = _keys(body)

    def read(prefix: str, before: Array) -> Array:
        found = [_found(keys, prefix, index) for index in range(len(before))]
        return np.array([old if key is None else 0.0 if key.mute else key.value
                         for key, old in zip(found, before, strict=True)], np.float32)

    return read(BETA, known.betas), read(EXPRESSION, known.expression)


def pose_offsets(model: BodyModel, state: BodyState) -> Array:
    """What pose_dirs add to the rest vertices in this pose, (V, 3) float32 metres."""
    feature = (joint_rotations(model, state)[1:] - np.eye(3, dtype=np.float32)).ravel()
    by_component = model.pose_dirs.transpose(2, 0, 1).reshape(len(feature), -1)
    return (feature @ by_component).reshape(-1, 3)


def _own_name(model: BodyModel, index: int) -> str:
    """The expression's name where it says more than its number."""
    name = model.expression_names[index]
    return "" if name == f"expression {index}" else name


def _add(body: bpy.types.Object, name: str, basis: Array, offset: Array, value: float, slider: float) -> None:
    key = compat.new_shape_key(body, name)
    key.points.foreach_set("co", (basis + axes.local_points(offset)).ravel())
    key.slider_max = slider
    key.slider_min = 0.0 if name == CORRECTIVES else -slider
    _slide(key, value)


def _slide(key: bpy.types.ShapeKey, value: float) -> None:
    """Set a slider, which reaches farther when the value does."""
    beyond = min(abs(value), LIMIT)
    if value > key.slider_max or value < key.slider_min:
        key.slider_min, key.slider_max = -beyond, beyond
    key.value = value
    key.mute = False


def _keys(body: bpy.types.Object) -> dict[str, bpy.types.ShapeKey]:
    keys = body.data.shape_keys
    return {} if keys is None else dict(keys.key_blocks.items())


def _found(keys: dict[str, bpy.types.ShapeKey], prefix: str, index: int) -> bpy.types.ShapeKey | None:
    """The slider of a coefficient; expressions carry a name behind their number."""
    name = f"{prefix}{index:02d}"
    return next((key for own, key in keys.items() if own == name or own.startswith(f"{name} ")), None)
