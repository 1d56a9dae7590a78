"""From MakeHuman's rig to SMPL-X's: which bone is which joint, and how an A-posed body comes to stand in the T-pose."""

from __future__ import annotations

import numpy as np

from lexis_core.body.names import JOINTS, PARENTS

Array = np.ndarray

# SMPL-X joint -> MakeHuman bone whose head it sits on. Left sides; the right is the same with .R. Of MakeHuman's
# five spine bones these three stand at 28, 43 and 68 % of the way from the hips to the neck (SMPL-X: 33, 56, 65 %).
MIDDLE = {"spine1": "spine03", "spine2": "spine02", "spine3": "spine01", "neck": "neck01", "head": "head", "jaw": "jaw"}
PELVIS_HEIGHT = "spine04"  # its head is 15 % of the way up, as is SMPL-X's pelvis
LEFT = {
    "hip": "upperleg01", "knee": "lowerleg01", "ankle": "foot", "collar": "clavicle", "shoulder": "upperarm01",
    "elbow": "lowerarm01", "wrist": "wrist", "eye_smplhf": "eye",
    **{f"thumb{k}": f"finger1-{k}" for k in (1, 2, 3)},
    **{f"index{k}": f"finger2-{k}" for k in (1, 2, 3)},
    **{f"middle{k}": f"finger3-{k}" for k in (1, 2, 3)},
    **{f"ring{k}": f"finger4-{k}" for k in (1, 2, 3)},
    **{f"pinky{k}": f"finger5-{k}" for k in (1, 2, 3)},
}
SIDES = (("left", "L"), ("right", "R"))
FINGERS = ("index", "middle", "pinky", "ring")

# Where the leg bones point at rest, between MakeHuman's stance (5 and 6 degrees outward) and SMPL-X's (5 and -2).
THIGH = np.array([0.085, -1.0, 0.05])
SHIN = np.array([0.015, -1.0, -0.085])


def joint_bones() -> dict[str, str]:
    """SMPL-X joint -> MakeHuman bone, for all but the pelvis and the feet."""
    sides = {f"{side}_{j}": f"{bone}.{s}" for side, s in SIDES for j, bone in LEFT.items()}
    return {**MIDDLE, **sides}


def joint_positions(heads: Array, labels: list[str]) -> Array:
    """Bone heads (N, bones, 3) -> joints (N, 55, 3).

    The feet are the mean of the toes. MakeHuman's root lies on the skin, so the pelvis stands between the hips' sides,
    at their depth, raised as SMPL-X's is.
    """
    where = {label: i for i, label in enumerate(labels)}
    joints = np.zeros((len(heads), 55, 3))
    for joint, bone in joint_bones().items():
        joints[:, JOINTS.index(joint)] = heads[:, where[bone]]
    for side, s in SIDES:
        toes = [where[f"toe{k}-1.{s}"] for k in range(1, 6)]
        joints[:, JOINTS.index(f"{side}_foot")] = heads[:, toes].mean(1)
    joints[:, 0] = joints[:, 1:3].mean(1)
    joints[:, 0, 1] = heads[:, where[PELVIS_HEIGHT], 1]
    return joints


def joint_weights(weights: Array, labels: list[str], parents: list[int]) -> Array:
    """Bone weights (V, bones) -> joint weights (V, 55): each bone's go to the nearest mapped bone above it."""
    mapped = {bone: JOINTS.index(joint) for joint, bone in joint_bones().items()}
    mapped |= {f"toe{k}-1.{s}": JOINTS.index(f"{side}_foot") for side, s in SIDES for k in range(1, 6)}
    result = np.zeros((len(weights), 55))
    for bone in range(len(labels)):
        above = bone
        while above >= 0 and labels[above] not in mapped:
            above = parents[above]
        result[:, mapped[labels[above]] if above >= 0 else 0] += weights[:, bone]
    return result / result.sum(1, keepdims=True)


def turns_to_tpose(joints: Array, finger_tips: dict[str, Array]) -> Array:
    """World rotations (N, 55, 3, 3) that bring each A-posed body with these joints (N, 55, 3) to the T-pose.

    finger_tips : joint name of each last phalanx -> (N, 3) position of its tip
    """
    at = dict(zip(JOINTS, np.moveaxis(joints, 1, 0), strict=True))
    turn = np.tile(np.eye(3), (len(joints), 55, 1, 1))

    def put(joint: str, rotation: Array) -> None:
        turn[:, JOINTS.index(joint)] = rotation

    for side, sign in (("left", 1.0), ("right", -1.0)):
        mirror = np.array([sign, 1.0, 1.0])
        hip, knee, ankle = at[f"{side}_hip"], at[f"{side}_knee"], at[f"{side}_ankle"]
        put(f"{side}_hip", _shortest(knee - hip, THIGH * mirror))
        put(f"{side}_knee", _shortest(ankle - knee, SHIN * mirror))
        shoulder, elbow, wrist = at[f"{side}_shoulder"], at[f"{side}_elbow"], at[f"{side}_wrist"]
        outward, hinge = np.array([sign, 0, 0]), np.array([0, -sign, 0])
        bend = np.cross(elbow - shoulder, wrist - elbow)
        put(f"{side}_shoulder", _frame_to(elbow - shoulder, bend, outward, hinge))
        put(f"{side}_elbow", _frame_to(wrist - elbow, bend, outward, hinge))
        across = at[f"{side}_index1"] - at[f"{side}_pinky1"]
        hand = _frame_to(at[f"{side}_middle1"] - wrist, across, outward, np.array([0, 0, 1.0]))
        put(f"{side}_wrist", hand)
        for finger in FINGERS:
            chain = [at[f"{side}_{finger}{k}"] for k in (1, 2, 3)] + [finger_tips[f"{side}_{finger}3"]]
            spread = np.einsum("nij,nj->ni", hand, chain[3] - chain[0]) * np.array([1, 0, 0.6])
            for k in (1, 2, 3):
                now = np.einsum("nij,nj->ni", hand, chain[k] - chain[k - 1])
                put(f"{side}_{finger}{k}", _shortest(now, spread) @ hand)
        for k in (1, 2, 3):
            put(f"{side}_thumb{k}", hand)
    for joint, parent in enumerate(PARENTS):
        if JOINTS[joint].endswith("foot"):
            turn[:, joint] = turn[:, parent]
    return turn


def to_tpose(vertices: Array, joints: Array, turn: Array, weights: Array) -> tuple[Array, Array]:
    """Vertices (V, 3) and joints (55, 3) of one A-posed body in the T-pose, by world rotations turn (55, 3, 3).

    The T-pose is the one from which skinning with the opposite turns gives the sculpted A-pose back exactly, so
    lowered arms look as modelled: each vertex is moved by the inverse of the blend of the inverse motions.
    """
    posed = joints.copy()
    for joint, parent in enumerate(PARENTS[1:], 1):
        posed[joint] = posed[parent] + turn[parent] @ (joints[joint] - joints[parent])
    back = turn.transpose(0, 2, 1)
    shift = joints - np.einsum("jab,jb->ja", back, posed)
    blend = np.einsum("vj,jab->vab", weights, back)
    return np.linalg.solve(blend, (vertices - weights @ shift)[..., None])[..., 0], posed


def _unit(v: Array) -> Array:
    return v / np.linalg.norm(v, axis=-1, keepdims=True)


def _shortest(source: Array, target: Array) -> Array:
    """(N, 3, 3) smallest rotations from the directions source (N, 3) to target (3,) or (N, 3)."""
    a, b = np.broadcast_arrays(_unit(source), _unit(target))
    half = _unit(a + b)
    eye = np.eye(3)
    mirror = eye - 2 * half[..., :, None] * half[..., None, :]
    return mirror @ (eye - 2 * a[..., :, None] * a[..., None, :])


def _frame_to(first: Array, second: Array, to_first: Array, to_second: Array) -> Array:
    """(N, 3, 3) rotations taking first (N, 3) exactly, and second (N, 3) as nearly as can be, to two directions."""

    def frame(u: Array, v: Array) -> Array:
        x = _unit(u)
        y = _unit(v - (v * x).sum(-1, keepdims=True) * x)
        return np.stack([x, y, np.cross(x, y)], -1)

    return frame(to_first, to_second) @ np.swapaxes(frame(first, second), -1, -2)
