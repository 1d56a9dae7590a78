"""A parametric body in SMPL-X's sense, and linear blend skinning of it in plain numpy."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise

import numpy as np

from lexis_core.errors import InputError
from lexis_core.geometry import rotation_from_axis_angle
from lexis_core.state import BodyState

Array = np.ndarray


@dataclass(frozen=True)
class BodyModel:
    """Everything needed to shape and pose a body of 55 joints (names.JOINTS). Rest frame: y up, front +z, left +x.

    template              : (V, 3) float32, metres, the mean body in its T-pose
    faces                 : (F, 3) int32
    shape_dirs            : (V, 3, S) float32, metres a unit of beta
    expression_dirs       : (V, 3, E) float32, metres a unit of expression
    pose_dirs             : (V, 3, 486) float32 or None, metres a unit of (R - I) of joints 1..54, row by row
    weights               : (V, 55) float32, each row sums to 1
    joint_template        : (55, 3) float32, metres
    joint_shape_dirs      : (55, 3, S) float32
    joint_expression_dirs : (55, 3, E) float32
    parents               : (55,) int32, -1 for the root; a parent comes before its children
    hand_mean_left        : (15, 3) float32 axis-angle, what a zero hand pose means unless the state says flat_hand
    hand_mean_right       : (15, 3) float32 axis-angle
    expression_names      : E names
    digest                : sha256 of the file's bytes, hex
    source                : "default" or the file's path
    """

    name: str
    template: Array
    faces: Array
    shape_dirs: Array
    expression_dirs: Array
    pose_dirs: Array | None
    weights: Array
    joint_template: Array
    joint_shape_dirs: Array
    joint_expression_dirs: Array
    parents: Array
    hand_mean_left: Array
    hand_mean_right: Array
    expression_names: tuple[str, ...]
    digest: str
    source: str


@dataclass(frozen=True)
class PosedBody:
    """A body in camera space.

    vertices   : (V, 3) float32, metres
    joints     : (55, 3) float32, metres
    transforms : (55, 4, 4) float32, each joint's motion from the rest frame (shaped, unposed) to camera space
    """

    vertices: Array
    joints: Array
    transforms: Array


def rest_vertices(model: BodyModel, betas: Array, expression: Array) -> Array:
    """The shaped body before posing, (V, 3) float32 metres. betas (S',), expression (E',), S' <= S, E' <= E."""
    betas, expression = (np.asarray(c, np.float32)[None] for c in (betas, expression))
    return _shaped(model.template, model.shape_dirs, model.expression_dirs, betas, expression)[0]


def rest_joints(model: BodyModel, betas: Array, expression: Array) -> Array:
    """The joints of rest_vertices, (55, 3) float32 metres."""
    betas, expression = (np.asarray(c, np.float32)[None] for c in (betas, expression))
    dirs = model.joint_shape_dirs, model.joint_expression_dirs
    return _shaped(model.joint_template, *dirs, betas, expression)[0]


def joint_rotations(model: BodyModel, state: BodyState) -> Array:
    """(55, 3, 3) float32 local rotations: the root is state.rotation, the eyes look ahead.

    The hand mean is added to the hands' axis-angles, as SMPL-X does, unless state.flat_hand.
    """
    axis_angle = np.zeros((55, 3), np.float32)
    axis_angle[1:22] = state.body_pose
    axis_angle[22] = state.jaw
    axis_angle[25:40] = state.left_hand_pose
    axis_angle[40:55] = state.right_hand_pose
    if not state.flat_hand:
        axis_angle[25:40] += model.hand_mean_left
        axis_angle[40:55] += model.hand_mean_right
    rotations = rotation_from_axis_angle(axis_angle)
    rotations[0] = state.rotation
    return rotations


def pose(model: BodyModel, state: BodyState) -> PosedBody:
    """Shape and pose the body: v' = R (v - pelvis) + pelvis + translation about the shaped pelvis, as SMPL-X does."""
    rotations = joint_rotations(model, state)[None]
    betas, expression = (np.asarray(c, np.float32)[None] for c in (state.betas, state.expression))
    translation = np.asarray(state.translation, np.float32)[None]
    vertices, joints, motion = _skinned(model, rotations, betas, expression, translation)
    transforms = np.zeros((55, 4, 4), np.float32)
    transforms[:, :3] = motion[0]
    transforms[:, :3, 3] += translation
    transforms[:, 3, 3] = 1
    return PosedBody(vertices[0], joints[0], transforms)


def pose_batch(
    model: BodyModel, rotations: Array, betas: Array, expression: Array, translation: Array
) -> tuple[Array, Array]:
    """Many poses of a small (restricted) model at once, for solvers: vertices (B, V, 3) and joints (B, 55, 3).

    rotations   : (B, 55, 3, 3) local rotations, the root at 0; float64 in gives float64 out
    betas       : (B, S') or (1, S'); expression : (B, E') or (1, E'); translation : (B, 3) metres
    """
    vertices, joints, _ = _skinned(model, rotations, betas, expression, translation)
    return vertices, joints


def restrict(model: BodyModel, vertex_ids: Array) -> BodyModel:
    """The same joints with only these vertices (in this order) and no faces, for solvers that need a few of them."""
    ids = np.asarray(vertex_ids)
    return replace(
        model,
        template=model.template[ids],
        faces=np.zeros((0, 3), np.int32),
        shape_dirs=component_major(model.shape_dirs[ids]),
        expression_dirs=component_major(model.expression_dirs[ids]),
        pose_dirs=None if model.pose_dirs is None else component_major(model.pose_dirs[ids]),
        weights=model.weights[ids],
    )


def component_major(dirs: Array) -> Array:
    """The same (N, 3, C) array as float32, laid out in memory so that each of the C components is contiguous.

    A product with the first few components then reads only those, which is most of the time pose() takes.
    """
    return np.ascontiguousarray(np.moveaxis(dirs, -1, 0), dtype=np.float32).transpose(1, 2, 0)


def _skinned(model: BodyModel, rotations: Array, betas: Array, expression: Array, translation: Array):
    """Vertices (B, V, 3), joints (B, 55, 3), and each joint's motion (B, 55, 3, 4) without the translation."""
    count, dtype = len(rotations), rotations.dtype
    betas, expression = betas.astype(dtype, copy=False), expression.astype(dtype, copy=False)
    joints_rest = _shaped(
        model.joint_template, model.joint_shape_dirs, model.joint_expression_dirs, betas, expression
    )
    rest = _shaped(model.template, model.shape_dirs, model.expression_dirs, betas, expression)
    if model.pose_dirs is not None:
        rest = rest + _combined(model.pose_dirs, (rotations[:, 1:] - np.eye(3, dtype=dtype)).reshape(count, -1))
    turn, joints = _forward_kinematics(model.parents, rotations, joints_rest)
    motion = np.empty((count, 55, 3, 4), dtype)
    motion[..., :3] = turn
    motion[..., 3] = joints - (turn @ joints_rest[..., None])[..., 0]
    # One matrix product blends all motions: (B 12, 55) x (55, V), so that each of the 12 entries is a contiguous row.
    by_joint = motion.reshape(count, 55, 12).transpose(0, 2, 1).reshape(count * 12, 55)
    blend = (by_joint @ model.weights.T.astype(dtype, copy=False)).reshape(count, 3, 4, -1)
    x, y, z = (np.ascontiguousarray(rest[..., k])[:, None] for k in range(3))
    vertices = blend[:, :, 0] * x
    vertices += blend[:, :, 1] * y
    vertices += blend[:, :, 2] * z
    vertices += blend[:, :, 3]
    vertices += translation.astype(dtype, copy=False)[:, :, None]
    return np.ascontiguousarray(vertices.transpose(0, 2, 1)), joints + translation[:, None].astype(dtype), motion


def _shaped(template: Array, shape_dirs: Array, expression_dirs: Array, betas: Array, expression: Array) -> Array:
    """template + shape_dirs betas + expression_dirs expression, (B, N, 3)."""
    return template + _combined(shape_dirs, betas) + _combined(expression_dirs, expression)


def _combined(dirs: Array, coefficients: Array) -> Array:
    """(N, 3, C) with (B, C') -> (B or 1, N, 3), using the first C' components. Zeros at either end are skipped."""
    available, count = dirs.shape[2], coefficients.shape[1]
    if count > available:
        raise InputError(
            f"The body takes {available} coefficients of this kind.",
            f"{count} were given.",
            f"Give at most {available}, or load a body file that has more.",
        )
    used = np.flatnonzero(coefficients.any(0))
    if not len(used):
        return np.zeros((1, *dirs.shape[:2]), coefficients.dtype)
    span = slice(used[0], used[-1] + 1)
    coefficients = coefficients[:, span]
    rows = dirs.transpose(2, 0, 1)[span].reshape(coefficients.shape[1], -1)
    return (coefficients @ rows.astype(coefficients.dtype, copy=False)).reshape(-1, *dirs.shape[:2])


def _forward_kinematics(parents: Array, rotations: Array, joints_rest: Array) -> tuple[Array, Array]:
    """Rotations (B, 55, 3, 3) and positions (B, 55, 3) of the joints, the tree walked one generation at a time."""
    joints_rest = np.broadcast_to(joints_rest, (len(rotations), *joints_rest.shape[1:]))
    turn, place = np.empty_like(rotations), np.empty(joints_rest.shape, rotations.dtype)
    turn[:, 0], place[:, 0] = rotations[:, 0], joints_rest[:, 0]
    for children in _generations(tuple(int(p) for p in parents)):
        above = parents[children]
        bone = joints_rest[:, children] - joints_rest[:, above]
        turn_above = turn[:, above]
        turn[:, children] = turn_above @ rotations[:, children]
        place[:, children] = place[:, above] + (turn_above @ bone[..., None])[..., 0]
    return turn, place


@cache
def _generations(parents: tuple[int, ...]) -> tuple[Array, ...]:
    """The joints by their distance from the root, the root left out."""
    depth = [0] * len(parents)
    for joint, parent in enumerate(parents):
        depth[joint] = depth[parent] + 1 if parent >= 0 else 0
    order = np.argsort(depth, kind="stable")
    bounds = np.searchsorted(np.sort(depth), range(1, max(depth) + 2))
    return tuple(order[a:b] for a, b in pairwise(bounds))
