"""Points of a body's surface (body/surface.py), posed in torch: batched and differentiable."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import NamedTuple

import torch
from torch import Tensor

from lexis_core.body import BodyModel
from lexis_core.body import surface as arrays
from lexis_core.body.surface import BodyPoints, BodySurface
from lexis_core.learn.kinematics import turns_and_places


@dataclass(frozen=True)
class Surface:
    """A BodySurface as tensors."""

    template: Tensor
    shape: Tensor
    normal: Tensor
    weights: Tensor
    joints: Tensor
    joint_shape: Tensor

    @classmethod
    def of(cls, surface: BodySurface) -> Surface:
        return cls(*(torch.from_numpy(getattr(surface, entry.name)) for entry in fields(cls)))

    def to(self, device: str) -> Surface:
        return Surface(*(getattr(self, entry.name).to(device) for entry in fields(self)))

    def take(self, rows: Tensor) -> Surface:
        """The surface with only these points."""
        return Surface(self.template[rows], self.shape[rows], self.normal[rows], self.weights[rows], self.joints,
                       self.joint_shape)

    def posed(self, theta: Tensor, rotation: Tensor, pelvis: Tensor, betas: Tensor) -> Posed:
        """theta (B, 21, 3, 3), rotation of the pelvis (B, 3, 3), where its joint is (B, 3) metres, betas (B, 10)."""
        rig = self.rig(theta, rotation, betas)
        points, normals = self.skinned(rig)
        return Posed(points + pelvis[:, None], normals, rig.places + pelvis[:, None])

    def rig(self, theta: Tensor, rotation: Tensor, betas: Tensor) -> Rig:
        """The joints' motion with the pelvis joint at the origin."""
        joints = self.joints + _changed(self.joint_shape, betas)
        turns, places = turns_and_places(theta, joints - joints[:, :1])
        turns, places = rotation[:, None] @ turns, places @ rotation.transpose(1, 2)
        return Rig(self.template + _changed(self.shape, betas), turns, places,
                   places - (turns @ joints[..., None])[..., 0])

    def skinned(self, rig: Rig) -> tuple[Tensor, Tensor]:
        """Points and normals (B, P, 3) with the pelvis joint at the origin."""
        motion = self.weights @ torch.cat([rig.turns.flatten(2), rig.shifts], -1)
        blend = motion[..., :9].unflatten(-1, (3, 3))
        return ((blend * rig.rest[:, :, None]).sum(-1) + motion[..., 9:],
                (blend * self.normal[:, None]).sum(-1))


class Rig(NamedTuple):
    """A posed skeleton with its pelvis joint at the origin, camera axes, metres.

    rest   : (B, P, 3) the surface's points at rest, of this build
    turns  : (B, 22, 3, 3); places : (B, 22, 3), of the joints; shifts : (B, 22, 3), a point x at rest that goes with
             a joint is at turn x + shift
    """

    rest: Tensor
    turns: Tensor
    places: Tensor
    shifts: Tensor


@dataclass(frozen=True)
class Posed:
    """points, normals (not quite unit) : (B, P, 3); joints : (B, 22, 3); camera space, metres."""

    points: Tensor
    normals: Tensor
    joints: Tensor


def _changed(dirs: Tensor, betas: Tensor) -> Tensor:
    """(P, 3, 10) metres a unit of beta, (B, 10) -> (B, P, 3) metres."""
    return (betas @ dirs.flatten(0, 1).T).unflatten(1, (-1, 3))


def surface_points(model: BodyModel, chosen: BodyPoints) -> Surface:
    """The chosen points of the model's surface."""
    return Surface.of(arrays.surface_points(model, chosen))


def landmark_surface(model: BodyModel) -> tuple[Surface, Tensor]:
    """The points that BlazePose's landmarks are on the model, and which of its 33 each is (K,) int64."""
    surface, landmark = arrays.landmark_surface(model)
    return Surface.of(surface), torch.from_numpy(landmark)
