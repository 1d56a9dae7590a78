"""What a reconstruction solves for: the body's and the object's parameters."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

Array = np.ndarray


def _zeros(*shape: int):
    return field(default_factory=lambda: np.zeros(shape, np.float32))


def _identity():
    return field(default_factory=lambda: np.eye(3, dtype=np.float32))


@dataclass(frozen=True)
class BodyState:
    """Parameters of a body in SMPL-X's sense, in camera space (OpenCV axes: x right, y down, z forward).

    body_pose       : (21, 3) axis-angle, radians, joints 1..21 relative to their parents
    left_hand_pose  : (15, 3) axis-angle, radians
    right_hand_pose : (15, 3) axis-angle, radians
    jaw             : (3,) axis-angle, radians
    betas           : (10,) shape coefficients
    expression      : (10,) face coefficients
    rotation        : (3, 3) rotation of the pelvis, about the pelvis joint as SMPL-X does
    translation     : (3,) metres, added after the rotation: v' = R (v - pelvis) + pelvis + translation
    flat_hand       : True when zero hand poses mean a flat hand; False when they mean the model's mean hand
    """

    body_pose: Array = _zeros(21, 3)
    left_hand_pose: Array = _zeros(15, 3)
    right_hand_pose: Array = _zeros(15, 3)
    jaw: Array = _zeros(3)
    betas: Array = _zeros(10)
    expression: Array = _zeros(10)
    rotation: Array = _identity()
    translation: Array = _zeros(3)
    flat_hand: bool = False


@dataclass(frozen=True)
class ObjectState:
    """Where the canonical object mesh stands in camera space: v' = scale * R v + t.

    rotation    : (3, 3)
    translation : (3,) metres
    scale       : 1 when the mesh is metric
    """

    rotation: Array = _identity()
    translation: Array = _zeros(3)
    scale: float = 1.0


@dataclass(frozen=True)
class State:
    body: BodyState
    object: ObjectState
