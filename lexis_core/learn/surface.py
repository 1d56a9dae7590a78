"""Points of a body's surface, posed in torch: batched, differentiable, and of any body in SMPL-X's format.

The hands rest as the body's mean hand and move with the wrists; jaw and eyes move with the head.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from lexis_core.body import BodyModel, pose_batch, restrict
from lexis_core.body.names import JOINTS, PARENTS
from lexis_core.geometry import rotation_from_axis_angle
from lexis_core.initialise.landmark_points import landmark_points
from lexis_core.learn.kinematics import POSED
from lexis_core.learn.net_data import BodyPoints
from lexis_core.mesh import Mesh
from lexis_core.synthetic.regions import vertex_normals

Array = np.ndarray

HEAD, LEFT_WRIST, RIGHT_WRIST = (JOINTS.index(name) for name in ("head", "left_wrist", "right_wrist"))
BETAS = 10


@dataclass(frozen=True)
class Surface:
    """P points of a body at rest, and the 22 joints that move them.

    template : (P, 3) metres; shape : (P, 3, 10) metres for each beta; normal : (P, 3) outward, unit
    weights  : (P, 22), each row adding to 1
    joints   : (22, 3) metres; joint_shape : (22, 3, 10)
    """

    template: Tensor
    shape: Tensor
    normal: Tensor
    weights: Tensor
    joints: Tensor
    joint_shape: Tensor

    def to(self, device: str) -> Surface:
        return Surface(*(getattr(self, entry.name).to(device) for entry in fields(self)))

    def take(self, rows: Tensor) -> Surface:
        """The surface with only these points."""
        return Surface(self.template[rows], self.shape[rows], self.normal[rows], self.weights[rows], self.joints,
                       self.joint_shape)

    def posed(self, theta: Tensor, rotation: Tensor, pelvis: Tensor, betas: Tensor) -> Posed:
        """theta (B, 21, 3, 3), rotation of the pelvis (B, 3, 3), where its joint is (B, 3) metres, betas (B, 10)."""
        rest = self.joints + torch.einsum("jcs,bs->bjc", self.joint_shape, betas)
        turns, places = [rotation], [pelvis]
        for joint in range(1, POSED):
            parent = PARENTS[joint]
            bone = rest[:, joint] - rest[:, parent]
            places.append(places[parent] + (turns[parent] @ bone[..., None])[..., 0])
            turns.append(turns[parent] @ theta[:, joint - 1])
        turn, place = torch.stack(turns, 1), torch.stack(places, 1)
        shift = place - (turn @ rest[..., None])[..., 0]
        motion = self.weights @ torch.cat([turn.flatten(2), shift], -1)
        blend = motion[..., :9].unflatten(-1, (3, 3))
        points = self.template + torch.einsum("pcs,bs->bpc", self.shape, betas)
        return Posed((blend @ points[..., None])[..., 0] + motion[..., 9:], (blend @ self.normal[..., None])[..., 0],
                     place)


@dataclass(frozen=True)
class Posed:
    """points, normals (not quite unit) : (B, P, 3); joints : (B, 22, 3); camera space, metres."""

    points: Tensor
    normals: Tensor
    joints: Tensor


def surface_points(model: BodyModel, chosen: BodyPoints) -> Surface:
    """The chosen points of the model's surface."""
    corners = model.faces[chosen.face]
    used, place = np.unique(corners, return_inverse=True)
    moved, weights = _with_mean_hands(restrict(model, used), model)
    place = place.reshape(corners.shape)

    def at(values: Array) -> Array:
        return np.einsum("pk,pk...->p...", chosen.barycentric, values[place])

    normals = at(vertex_normals(Mesh(model.template, model.faces))[used])
    return _surface(model, at(moved), normals / np.linalg.norm(normals, axis=1, keepdims=True), at(weights))


def landmark_surface(model: BodyModel) -> tuple[Surface, Tensor]:
    """The points that BlazePose's landmarks are on the model, and which of its 33 each is (K,) int64."""
    points = landmark_points(model)
    moved, weights = _with_mean_hands(points.model, model)
    joints = _joints_with_mean_hands(model)
    own = np.zeros((len(points.landmark), POSED), np.float32)
    own[np.arange(len(own)), np.maximum(_mover()[np.maximum(points.joint, 0)], 0)] = 1
    is_joint = (points.joint >= 0)[:, None]
    place = np.where(is_joint[..., None], joints[points.joint], moved[points.vertex])
    surface = _surface(model, place, np.zeros_like(place[..., 0]), np.where(is_joint, own, weights[points.vertex]))
    return surface, torch.from_numpy(points.landmark)


def _surface(model: BodyModel, moved: Array, normals: Array, weights: Array) -> Surface:
    """moved : (P, 3, 11), the rest points and their change with each beta."""
    arrays = (moved[..., 0], moved[..., 1:], normals, weights, model.joint_template[:POSED],
              model.joint_shape_dirs[:POSED, :, :BETAS])
    return Surface(*(torch.from_numpy(np.ascontiguousarray(a, np.float32)) for a in arrays))


def _mover() -> Array:
    """(55,) which of the 22 joints each joint goes with."""
    mover = np.arange(len(JOINTS))
    mover[POSED:25], mover[25:40], mover[40:] = HEAD, LEFT_WRIST, RIGHT_WRIST
    return mover


def _posed_by_betas(few: BodyModel, model: BodyModel) -> tuple[Array, Array]:
    """Vertices (11, V, 3) and joints (11, 55, 3) with mean hands, of no betas and of each beta at 1."""
    axis_angle = np.zeros((55, 3))
    axis_angle[25:40], axis_angle[40:] = model.hand_mean_left, model.hand_mean_right
    turns = np.broadcast_to(rotation_from_axis_angle(axis_angle), (BETAS + 1, 55, 3, 3))
    betas = np.concatenate([np.zeros((1, BETAS)), np.eye(BETAS)])
    none = np.zeros((1, few.expression_dirs.shape[-1]))
    return pose_batch(few, turns, betas, none, np.zeros((BETAS + 1, 3)))


def _changes(values: Array) -> Array:
    """(11, P, 3) -> (P, 3, 11): the first, and what each other adds to it. Skinning is linear in the betas."""
    return np.moveaxis(np.concatenate([values[:1], values[1:] - values[:1]]), 0, -1)


def _with_mean_hands(few: BodyModel, model: BodyModel) -> tuple[Array, Array]:
    """Rest points (V, 3, 11) and weights (V, 22) of a restricted model."""
    weights = np.zeros((len(few.weights), POSED), np.float32)
    np.add.at(weights.T, _mover(), few.weights.T)
    return _changes(_posed_by_betas(few, model)[0]), weights


def _joints_with_mean_hands(model: BodyModel) -> Array:
    return _changes(_posed_by_betas(restrict(model, np.zeros(1, int)), model)[1])
