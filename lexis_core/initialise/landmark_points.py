"""Where BlazePose's landmarks lie on a body model of any topology.

Joints serve where the landmark is a joint; nose, ears, heels and toes are found on the rest surface by its shape.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lexis_core.body.model import BodyModel, restrict
from lexis_core.body.names import JOINTS

Array = np.ndarray

_J = {name: index for index, name in enumerate(JOINTS)}

# landmark: joint
_JOINT_OF = {2: "left_eye_smplhf", 5: "right_eye_smplhf", 11: "left_shoulder", 12: "right_shoulder", 13: "left_elbow",
             14: "right_elbow", 15: "left_wrist", 16: "right_wrist", 17: "left_pinky1", 18: "right_pinky1",
             19: "left_index1", 20: "right_index1", 21: "left_thumb2", 22: "right_thumb2", 23: "left_hip",
             24: "right_hip", 25: "left_knee", 26: "right_knee", 27: "left_ankle", 28: "right_ankle"}
NOSE, LEFT_EAR, RIGHT_EAR, LEFT_HEEL, RIGHT_HEEL, LEFT_TOE, RIGHT_TOE = 0, 7, 8, 29, 30, 31, 32
LEFT_HIP, RIGHT_HIP = 23, 24

# how much a landmark tells of the pose, beside the detector's own confidence
_TRUST = {**{k: 0.7 for k in (17, 18, 19, 20, 21, 22)}, **{k: 0.5 for k in (2, 5, 7, 8)}, 29: 0.7, 30: 0.7}


@dataclass(frozen=True)
class LandmarkPoints:
    """The landmarks a solver can pose.

    landmark : (K,) which of the 39 landmarks each point answers to
    joint    : (K,) the joint that is the point, or -1
    vertex   : (K,) the vertex of `model` that is the point, or -1
    trust    : (K,) in (0, 1]
    model    : the body restricted to those vertices
    """

    landmark: Array
    joint: Array
    vertex: Array
    trust: Array
    model: BodyModel

    def of(self, vertices: Array, joints: Array) -> Array:
        """Posed vertices (B, V, 3) and joints (B, 55, 3) of `model` -> the landmark points (B, K, 3)."""
        return np.where((self.joint >= 0)[:, None], joints[:, self.joint], vertices[:, self.vertex])


def landmark_points(model: BodyModel) -> LandmarkPoints:
    """The 27 landmarks that have a counterpart on the body."""
    on_surface = _surface_landmarks(model)
    landmark = np.array(sorted({*_JOINT_OF, *on_surface}))
    joint = np.array([_J[_JOINT_OF[k]] if k in _JOINT_OF else -1 for k in landmark])
    order = {k: n for n, k in enumerate(on_surface)}
    vertex = np.array([order.get(k, -1) for k in landmark])
    trust = np.array([_TRUST.get(k, 1.0) for k in landmark])
    return LandmarkPoints(landmark, joint, vertex, trust, restrict(model, np.array(list(on_surface.values()))))


def _surface_landmarks(model: BodyModel) -> dict[int, int]:
    """Landmark -> vertex, by extremes of the rest surface: y up, front +z, left +x."""
    v, j = model.template, model.joint_template
    head = model.weights[:, [_J["head"], _J["jaw"]]].sum(1) > 0.5
    eye = (j[_J["left_eye_smplhf"], 1] + j[_J["right_eye_smplhf"], 1]) / 2
    nose = head & (np.abs(v[:, 0]) < 0.02) & (v[:, 1] < eye) & (v[:, 1] > eye - 0.07)
    ears = head & (v[:, 1] < eye + 0.02) & (v[:, 1] > eye - 0.05)
    found = {NOSE: _extreme(nose, v[:, 2]), LEFT_EAR: _extreme(ears, v[:, 0]), RIGHT_EAR: _extreme(ears, -v[:, 0])}
    for side, heel, toe in (("left", LEFT_HEEL, LEFT_TOE), ("right", RIGHT_HEEL, RIGHT_TOE)):
        foot = model.weights[:, [_J[f"{side}_ankle"], _J[f"{side}_foot"]]].sum(1) > 0.5
        low = foot & (v[:, 1] < v[foot, 1].min() + 0.05)
        found[heel], found[toe] = _extreme(low, -v[:, 2]), _extreme(low, v[:, 2])
    return found


def _extreme(candidates: Array, value: Array) -> int:
    if not candidates.any():
        return int(np.argmax(value))
    return int(np.argmax(np.where(candidates, value, -np.inf)))
