"""Batched forward kinematics and skinning in torch, of a few points of the default body, for the contact solver."""

from __future__ import annotations

import numpy as np
import torch

from lexis_core.body.model import BodyModel, restrict

Tensor = torch.Tensor


def rotation(axis_angle: Tensor) -> Tensor:
    """(..., 3) radians -> (..., 3, 3), Rodrigues' formula, smooth at zero."""
    square = (axis_angle * axis_angle).sum(-1)[..., None, None] + 1e-10
    angle = square.sqrt()
    x, y, z = axis_angle.unbind(-1)
    o = torch.zeros_like(x)
    k = torch.stack([o, -z, y, z, o, -x, -y, x, o], -1).reshape(*x.shape, 3, 3)
    return torch.eye(3) + torch.sin(angle) / angle * k + (1 - torch.cos(angle)) / square * (k @ k)


class Skin:
    """Chosen vertices of one body model, ready for many poses at once."""

    def __init__(self, model: BodyModel, vertex_ids: np.ndarray, influences: int = 6):
        few = restrict(model, vertex_ids)
        joints = np.argsort(-few.weights, axis=1)[:, :influences]
        weights = np.take_along_axis(few.weights, joints, 1)
        self.order, self.generations = _generations([int(p) for p in model.parents])
        self.back = np.argsort(self.order)
        self.template = torch.tensor(few.template)
        self.dirs = torch.tensor(np.ascontiguousarray(few.shape_dirs))
        self.joint_template = torch.tensor(model.joint_template)
        self.joint_dirs = torch.tensor(model.joint_shape_dirs)
        dense = np.zeros_like(few.weights)
        np.put_along_axis(dense, joints, weights / weights.sum(1, keepdims=True), 1)
        self.weights = torch.tensor(dense)
        self.hand_mean = torch.tensor(np.concatenate([model.hand_mean_left, model.hand_mean_right]))

    def shaped(self, betas: Tensor) -> tuple[Tensor, Tensor]:
        """Rest points (B, P, 3) and rest joints (B, 55, 3) of bodies (B, 10)."""
        return (self.template + torch.einsum("vcs,bs->bvc", self.dirs, betas),
                self.joint_template + torch.einsum("jcs,bs->bjc", self.joint_dirs, betas))

    def __call__(self, rest: Tensor, rest_joints: Tensor, root: Tensor, body: Tensor, hands: Tensor,
                 translation: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Points (B, P, 3), joints (B, 55, 3) and joint rotations (B, 55, 3, 3) in the world.

        root (B, 3), body (B, 21, 3), hands (B, 30, 3) with the mean included: axis-angles; translation (B, 3).
        """
        count = len(root)
        local = rotation(torch.cat([root[:, None], body, torch.zeros(count, 3, 3), hands], 1))
        turns, joints = local[:, :1], rest_joints[:, :1]
        for above, children in self.generations:
            bone = rest_joints[:, self.order[children]] - rest_joints[:, self.order[above]]
            over = turns[:, above]
            joints = torch.cat([joints, joints[:, above] + (over @ bone[..., None])[..., 0]], 1)
            turns = torch.cat([turns, over @ local[:, self.order[children]]], 1)
        turns, joints = turns[:, self.back], joints[:, self.back]
        shift = joints - (turns @ rest_joints[..., None])[..., 0]
        blend = torch.einsum("pj,bjk->bpk", self.weights, torch.cat([turns.flatten(2), shift], -1))
        points = (blend[..., :9].unflatten(-1, (3, 3)) * rest[..., None, :]).sum(-1) + blend[..., 9:]
        return points + translation[:, None], joints + translation[:, None], turns


def _generations(parents: list[int]):
    """Joints in order of depth, and for each depth the places in that order of the parents and of the joints."""
    depth = [0] * len(parents)
    for joint, parent in enumerate(parents):
        depth[joint] = depth[parent] + 1 if parent >= 0 else 0
    order = np.argsort(depth, kind="stable")
    place = np.argsort(order)
    steps = []
    for level in range(1, max(depth) + 1):
        children = np.array([j for j in order if depth[j] == level])
        steps.append((place[[parents[j] for j in children]], place[children]))
    return order, steps
