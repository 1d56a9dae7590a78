"""Points of a body's surface (body/surface.py), posed in torch: batched and differentiable."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from lexis_core.body import BodyModel
from lexis_core.body import surface as arrays
from lexis_core.body.names import PARENTS, POSED
from lexis_core.body.surface import BodyPoints, BodySurface


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
    return Surface.of(arrays.surface_points(model, chosen))


def landmark_surface(model: BodyModel) -> tuple[Surface, Tensor]:
    """The points that BlazePose's landmarks are on the model, and which of its 33 each is (K,) int64."""
    surface, landmark = arrays.landmark_surface(model)
    return Surface.of(surface), torch.from_numpy(landmark)
