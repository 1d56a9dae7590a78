"""A made-up body of SMPL-X's size and skeleton: tubes around the bones, soft weights, random correctives.

It holds no data of the SMPL-X model; the joints are rough distances of a person 1.7 m tall.
"""

from __future__ import annotations

import hashlib

import numpy as np

from lexis_core.body.model import BodyModel, component_major
from lexis_core.body.names import JOINTS, PARENTS

SMPLX_VERTICES = 10_475
RING = 12

_MIDDLE = {
    "pelvis": (0, 0.95, 0), "spine1": (0, 1.06, -0.01), "spine2": (0, 1.19, -0.01), "spine3": (0, 1.25, 0.01),
    "neck": (0, 1.45, -0.03), "head": (0, 1.54, 0), "jaw": (0, 1.53, 0.01),
}
_LEFT = {
    "hip": (0.06, 0.86, 0), "knee": (0.11, 0.47, 0), "ankle": (0.09, 0.08, -0.03), "foot": (0.12, 0.02, 0.09),
    "collar": (0.05, 1.38, 0), "shoulder": (0.17, 1.39, -0.01), "elbow": (0.43, 1.38, -0.03),
    "wrist": (0.68, 1.38, -0.03), "eye_smplhf": (0.03, 1.61, 0.08), "thumb": (0.72, 1.36, 0.01),
    "index": (0.77, 1.38, 0), "middle": (0.78, 1.38, -0.02), "ring": (0.77, 1.37, -0.04), "pinky": (0.75, 1.36, -0.06),
}


def rest_joints() -> np.ndarray:
    """(55, 3) float32 metres, y up, front +z, left +x."""
    joints = []
    for name in JOINTS:
        side, _, part = name.partition("_")
        if name in _MIDDLE:
            joints.append(_MIDDLE[name])
            continue
        finger = part[:-1] in _LEFT
        x, y, z = _LEFT[part[:-1] if finger else part]
        if finger:
            x += 0.03 * (int(part[-1]) - 1)
        joints.append((x if side == "left" else -x, y, z))
    return np.array(joints, np.float32)


def smplx_like(seed: int = 0, vertices: int = SMPLX_VERTICES, pose_dirs: bool = True) -> BodyModel:
    """A BodyModel with 10 betas, 10 expressions and, if asked, 486 pose correctives of some millimetres."""
    rng = np.random.default_rng(seed)
    joints = rest_joints()
    template, faces = _tubes(joints, vertices)
    smooth = rng.normal(size=(3, 6)).astype(np.float32)
    regressor = _nearest_regressor(joints, template)
    waves = np.sin(template @ rng.normal(size=(3, 20)) * 4 + rng.uniform(0, 6, 20)).astype(np.float32)
    dirs = 0.008 * waves[:, None] * rng.normal(size=(1, 3, 20)).astype(np.float32)
    correctives = None
    if pose_dirs:
        correctives = component_major(np.einsum(
            "vk,kcp->vcp", np.sin(3 * template @ smooth), rng.normal(size=(6, 3, 486)).astype(np.float32) * 5e-4))
    joint_dirs = np.einsum("jv,vcs->jcs", regressor, dirs)
    return BodyModel(
        name="made-up", template=template, faces=faces, shape_dirs=component_major(dirs[..., :10]),
        expression_dirs=component_major(dirs[..., 10:]), pose_dirs=correctives, weights=_weights(joints, template),
        joint_template=joints, joint_shape_dirs=component_major(joint_dirs[..., :10]),
        joint_expression_dirs=component_major(joint_dirs[..., 10:]), parents=np.array(PARENTS, np.int32),
        hand_mean_left=rng.normal(0, 0.2, (15, 3)).astype(np.float32),
        hand_mean_right=rng.normal(0, 0.2, (15, 3)).astype(np.float32),
        expression_names=tuple(f"expression {i}" for i in range(10)),
        digest=hashlib.sha256(template.tobytes()).hexdigest(), source="made-up",
    )


def _tubes(joints: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Rings of vertices along the bones with quads between them; the remainder are stray vertices at the pelvis."""
    rings = count // RING // (len(PARENTS) - 1)
    angle = np.linspace(0, 2 * np.pi, RING, endpoint=False)
    vertices, faces, start = [], [], 0
    corner = np.arange(RING)
    for child, parent in list(enumerate(PARENTS))[1:]:
        along = joints[child] - joints[parent]
        side = np.cross(along, [0.3, 0.5, 0.8])
        side /= np.linalg.norm(side)
        other = np.cross(along, side) / np.linalg.norm(along)
        ring = 0.25 * min(np.linalg.norm(along), 0.2) * (np.cos(angle)[:, None] * side + np.sin(angle)[:, None] * other)
        vertices.append((joints[parent] + np.linspace(0, 1, rings)[:, None, None] * along + ring).reshape(-1, 3))
        for step in range(rings - 1):
            a = start + step * RING + corner
            b = start + step * RING + (corner + 1) % RING
            faces += [np.stack([a, b, a + RING], 1), np.stack([b, b + RING, a + RING], 1)]
        start += rings * RING
    vertices.append(np.repeat(joints[:1], count - start, 0))
    return np.concatenate(vertices).astype(np.float32), np.concatenate(faces).astype(np.int32)


def _weights(joints: np.ndarray, template: np.ndarray) -> np.ndarray:
    """Soft in the distance to each joint: some 5 joints a vertex count, and many more hold it by a trace."""
    squared = ((template[:, None] - joints) ** 2).sum(-1)
    weights = np.exp(-(squared - squared.min(1, keepdims=True)) / 0.06**2)
    return (weights / weights.sum(1, keepdims=True)).astype(np.float32)


def _nearest_regressor(joints: np.ndarray, template: np.ndarray) -> np.ndarray:
    """(55, V): each joint as the mean of its 30 nearest vertices, only good for how a joint moves with the shape."""
    order = np.argsort(((joints[:, None] - template) ** 2).sum(-1), axis=1)[:, :30]
    regressor = np.zeros((len(joints), len(template)), np.float32)
    np.put_along_axis(regressor, order, 1 / 30, axis=1)
    return regressor
