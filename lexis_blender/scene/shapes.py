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


def add_shape_keys(body: bpy.types.Object, model: BodyModel, state: BodyState) -> None:
    """Basis, beta_00.., expression_00.. and, for bodies that have pose_dirs, the correctives of the solved pose.

    body : the mesh object whose vertices are the template in local axes
    """
    basis = axes.local_points(model.template)
    body.shape_key_add(name="Basis", from_mix=False)
    for index, value in enumerate(state.betas):
        _add(body, f"beta_{index:02d}", basis, model.shape_dirs[:, :, index], float(value), SLIDER)
    for index, value in enumerate(state.expression):
        name = fitted(f"expression_{index:02d} {_own_name(model, index)}".rstrip())
        _add(body, name, basis, model.expression_dirs[:, :, index], float(value), SLIDER)
    if model.pose_dirs is not None:
        _add(body, CORRECTIVES, basis, pose_offsets(model, state), 1.0, 1.0)


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
    reach = min(max(slider, abs(value)), LIMIT)
    key.slider_min, key.slider_max = (0.0 if name == CORRECTIVES else -reach), reach
    key.value = value
