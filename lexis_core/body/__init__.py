"""The parametric body: files, the open default, and linear blend skinning."""

from lexis_core.body.files import default_body, load_body
from lexis_core.body.model import (
    BodyModel,
    PosedBody,
    joint_rotations,
    pose,
    pose_batch,
    rest_joints,
    rest_vertices,
    restrict,
)

__all__ = [
    "BodyModel", "PosedBody", "default_body", "joint_rotations", "load_body", "pose", "pose_batch", "rest_joints",
    "rest_vertices", "restrict",
]
