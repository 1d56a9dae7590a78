"""A few interactions by hand, for tests of what is made from interactions."""

from __future__ import annotations

import numpy as np

from lexis_core.body import default_body, pose
from lexis_core.geometry import axis_angle_from_rotation, rotation_from_axis_angle
from lexis_core.state import BodyState
from lexis_core.synthetic.states import Interactions

Array = np.ndarray

LEFT_HIP, RIGHT_HIP, LEFT_KNEE, RIGHT_KNEE, LEFT_SHOULDER, RIGHT_SHOULDER, LEFT_ELBOW, RIGHT_ELBOW = (
    0, 1, 3, 4, 15, 16, 17, 18)


def made_up_interactions(count: int, seed: int = 0) -> Interactions:
    """People who stand with lowered arms or sit, turned and seen from anywhere, with a thing before them."""
    rng = np.random.default_rng(seed)
    things = [("chair", {}), ("box", {"width": 0.4}), ("skateboard", {}), ("umbrella", {}), ("table", {})]
    heights = [0.44, 1.1, 0.08, 1.4, 0.37]
    values: dict[str, list] = {name: [] for name in (
        "action", "instance", "split", "seed", "betas", "body_pose", "left_hand_pose", "right_hand_pose", "rotation",
        "translation", "object_rotation", "object_translation", "camera_rotation", "camera_translation", "focal")}
    for k in range(count):
        pose_of = np.zeros((21, 3), np.float32)
        pose_of[LEFT_SHOULDER, 2], pose_of[RIGHT_SHOULDER, 2] = -1.2, 1.2
        pose_of[LEFT_ELBOW, 1], pose_of[RIGHT_ELBOW, 1] = -0.9 * rng.random(), 0.9 * rng.random()
        if k % 2:
            pose_of[[LEFT_HIP, RIGHT_HIP], 0], pose_of[[LEFT_KNEE, RIGHT_KNEE], 0] = -1.5, 1.5
        pose_of += rng.normal(0, 0.06, (21, 3))
        betas = rng.normal(0, 1, 10).astype(np.float32)
        heading = np.array([0, rng.uniform(-np.pi, np.pi), 0])
        body = BodyState(body_pose=pose_of, betas=betas, rotation=rotation_from_axis_angle(heading))
        posed = pose(default_body(), body)
        up = np.array([0, -posed.vertices[:, 1].min(), 0])
        ahead = body.rotation[:, 2]
        thing = np.array([*(ahead * rng.uniform(0.3, 0.6))]) * (1, 0, 1) + (0, heights[k % 5], 0)
        turn, shift = _looking_at(np.array([*thing]) * 0.4 + (0, 0.75, 0), rng)
        row = {"action": 0, "instance": k % 5, "split": 0, "seed": rng.integers(1 << 62), "betas": betas,
               "body_pose": pose_of, "left_hand_pose": np.zeros((15, 3)), "right_hand_pose": np.zeros((15, 3)),
               "rotation": heading, "translation": up, "object_rotation": heading, "object_translation": thing,
               "camera_rotation": axis_angle_from_rotation(turn), "camera_translation": shift, "focal": 1.4}
        for name, value in row.items():
            values[name].append(value)
    kinds = {"action": np.int16, "instance": np.int32, "split": np.int8, "seed": np.int64}
    return Interactions(**{name: np.array(column, kinds.get(name, np.float32)) for name, column in values.items()},
                        instances=tuple(things))


def _looking_at(middle: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """World to camera from somewhere around, 3.2 m away and a little above: rotation (3, 3), translation (3,)."""
    yaw, pitch = rng.uniform(-np.pi, np.pi), rng.uniform(0.0, 0.35)
    ahead = -np.array([np.cos(pitch) * np.sin(yaw), np.sin(pitch), np.cos(pitch) * np.cos(yaw)])
    right = np.cross(ahead, [0, 1, 0])
    right /= np.linalg.norm(right)
    turn = np.stack([right, np.cross(ahead, right), ahead])
    return turn, np.array([0, 0, 3.2]) - turn @ middle
