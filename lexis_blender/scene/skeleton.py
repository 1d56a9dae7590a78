"""Where the 55 bones lie: heads on the joints, tails towards the next joint, rolls mirrored between left and right.

Plain numpy, in the rest frame of lexis_core (y up, front +z, left +x).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lexis_core.body.names import JOINTS, PARENTS

Array = np.ndarray

SHORTEST = 0.01  # metres; Blender deletes bones without length
UP, DOWN, FRONT = np.array([0.0, 1, 0]), np.array([0.0, -1, 0]), np.array([0.0, 0, 1])
CHIN = np.array([0, -0.45, 0.9])  # from the jaw joint
FINGERS = ("thumb", "index", "middle", "ring", "pinky")
FACE = ("jaw", "eye")

# The joint a bone points at, where it has several children.
_NEXT = {"pelvis": "spine1", "spine3": "neck", "head": None, "left_wrist": "left_middle1",
         "right_wrist": "right_middle1"}


@dataclass(frozen=True)
class Bones:
    """head, tail : (55, 3) metres. z_axis : (55, 3), where each bone's Z axis should point. connected : (55,) bool."""

    head: Array
    tail: Array
    z_axis: Array
    connected: Array


def lay_bones(joints: Array, crown: float) -> Bones:
    """Bones for rest joints (55, 3) metres; crown is the height of the top of the head, metres."""
    joints = np.asarray(joints, np.float64)
    tails = np.empty_like(joints)
    connected = np.zeros(len(JOINTS), bool)
    for joint, name in enumerate(JOINTS):
        child = next_joint(joint)
        reach = None if child is None else joints[child] - joints[joint]
        if reach is not None and np.linalg.norm(reach) >= SHORTEST:
            connected[child] = True
        else:
            reach = _free_end(name, joint, joints, crown)
        tails[joint] = joints[joint] + reach
    return Bones(joints, tails, np.array([z_direction(name) for name in JOINTS]), connected)


def next_joint(joint: int) -> int | None:
    """The child a bone points at: its only one, or the one that carries on the limb; None at the ends."""
    name = JOINTS[joint]
    if name in _NEXT:
        return None if _NEXT[name] is None else JOINTS.index(_NEXT[name])
    return PARENTS.index(joint) if joint in PARENTS else None


def z_direction(name: str) -> Array:
    """Turning about a bone's X axis moves its tail towards Z, so Z is where the joint bends to.

    Fingers and jaw bend down, feet and eyes up, elbows, hips and spine to the front; a knee bends with negative X.
    """
    if any(part in name for part in (*FINGERS, "jaw")):
        return DOWN
    if any(part in name for part in ("ankle", "foot", "eye")):
        return UP
    return FRONT


def group_of(name: str) -> str:
    """The bone collection a bone belongs to."""
    if any(part in name for part in FACE):
        return "Face"
    if any(part in name for part in FINGERS):
        return "Left hand" if name.startswith("left") else "Right hand"
    return "Body"


def _free_end(name: str, joint: int, joints: Array, crown: float) -> Array:
    """Head to tail of a bone that no child continues, (3,) metres."""
    head_height = max(crown - joints[JOINTS.index("head"), 1], 0.1)
    if name == "head":
        return UP * head_height
    if name == "jaw":
        return CHIN * 0.45 * head_height
    if "eye" in name:
        return FRONT * 0.15 * head_height
    above = joints[joint] - joints[PARENTS[joint]] if joint else UP * SHORTEST
    length = max(np.linalg.norm(above), SHORTEST)
    if "foot" in name:
        return FRONT * 0.5 * length
    direction = above / np.linalg.norm(above) if np.linalg.norm(above) >= SHORTEST else UP
    return direction * 0.8 * length
