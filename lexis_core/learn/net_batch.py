"""Batches for LEXIS-Net: interactions on the device, as they are or varied for training."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from lexis_core.interfield import SIGMA
from lexis_core.learn.kinematics import mirrored, rotation_from_sixd, rotation_of, sixd_from_rotation
from lexis_core.learn.net_data import NetData

LOOSE_TURN, LOOSE_WAY = 0.2, 0.09  # radians and metres an axis


class Tensors:
    """NetData on a device."""

    def __init__(self, data: NetData, device: str):
        def put(array):
            return torch.from_numpy(array).to(device)

        self.theta, self.placement = put(data.theta), put(data.placement)
        self.action, self.instance = put(data.action), put(data.instance)
        self.body_rest, self.object_points = put(data.body_rest), put(data.object_points)
        self.body_distance, self.object_distance = put(data.body_distance), put(data.object_distance)

    def __len__(self) -> int:
        return len(self.theta)


@dataclass(frozen=True)
class Batch:
    """B interactions.

    theta                          : (B, 21, 6)
    action                         : (B,) int64
    placement                      : (B, 19), the object in the pelvis's frame (rotation 6D, translation), betas
    placed                         : (B,) bool, whether the encoder is told the placement
    shape_points                   : (B, S, 3) metres, canonical, what the object encoder sees
    body_points, object_points     : (A, P, 3), (A, Q, 3) metres, where the fields are known, of the first A <= B
    body_distance, object_distance : (A, P), (A, Q) metres
    """

    theta: Tensor
    action: Tensor
    placement: Tensor
    placed: Tensor
    shape_points: Tensor
    body_points: Tensor
    object_points: Tensor
    body_distance: Tensor
    object_distance: Tensor

    @property
    def body(self) -> Tensor:
        """The body's InterField (B, P)."""
        return field_of(self.body_distance)

    @property
    def object(self) -> Tensor:
        """The object's InterField (B, Q)."""
        return field_of(self.object_distance)


def batch_of(data: Tensors, rows: Tensor) -> Batch:
    """These interactions as they are, with all their points."""
    points = data.object_points[data.instance[rows]].float()
    placed = torch.ones(len(rows), dtype=torch.bool, device=points.device)
    return Batch(data.theta[rows], data.action[rows], data.placement[rows], placed, points,
                 data.body_rest.expand(len(rows), -1, -1), points,
                 data.body_distance[rows].float(), data.object_distance[rows].float())


def varied(batch: Batch, *, shape_points: int, field_points: int, mirror: float, turned: float, action_dropped: float,
           placement_dropped: float, loosened: float, unknown_action: int) -> Batch:
    """The batch as training sees it, by torch's random numbers. The last samples have their object moved off.

    shape_points   : how many points the object encoder sees, others in each sample; in every fourth batch all
    field_points   : how many points of each surface are kept, the same ones throughout the batch
    mirror, turned : share seen in a mirror; share whose canonical frame is turned about y by any angle
    loosened       : share whose object is moved off: their fields are not known any more, but where it is
    action_dropped, placement_dropped : shares whose action becomes unknown_action, whose placement is not told
    """
    count, device = len(batch.theta), batch.theta.device

    def chance(share: float) -> Tensor:
        return torch.rand(count, device=device) < share

    def some(points: Tensor, wanted: int) -> Tensor:
        return torch.randperm(points.shape[1], device=device)[:wanted]

    shape = batch.shape_points
    if torch.rand(()) > 0.25:  # the points are in random order: any run of them is spread over the surface
        first = torch.randint(shape.shape[1], (count, 1), device=device)
        run = (first + torch.arange(shape_points, device=device)) % shape.shape[1]
        shape = shape.gather(1, run[..., None].expand(-1, -1, 3))
    flip = chance(mirror)
    sign = torch.ones(count, 1, 3, device=device)
    sign[:, 0, 0] -= 2 * flip
    theta = batch.theta.clone()
    theta[flip] = sixd_from_rotation(mirrored(rotation_from_sixd(theta[flip])))
    turn = about_y(2 * math.pi * torch.rand(count, device=device) * chance(turned))
    asked = round(count * (1 - loosened))
    placement = replaced(batch.placement, sign, turn)
    placement = torch.cat([placement[:asked], moved_off(placement[asked:])])
    body, object = some(batch.body_points, field_points), some(batch.object_points, field_points)
    return Batch(theta, torch.where(chance(action_dropped), unknown_action, batch.action), placement,
                 ~chance(placement_dropped), shape * sign @ turn, batch.body_points[:asked, body] * sign[:asked],
                 batch.object_points[:asked, object] * sign[:asked] @ turn[:asked],
                 batch.body_distance[:asked, body], batch.object_distance[:asked, object])


def moved_off(placement: Tensor) -> Tensor:
    """Placements (B, 19) with the object turned by about 20 degrees and moved by about 15 cm, any way."""
    turn, way = (size * torch.randn(len(placement), 3, device=placement.device) for size in (LOOSE_TURN, LOOSE_WAY))
    turn = rotation_of(turn)
    turned = sixd_from_rotation(turn @ rotation_from_sixd(placement[:, :6]))
    return torch.cat([turned, placement[:, 6:9] + way, placement[:, 9:]], -1)


def replaced(placement: Tensor, sign: Tensor, turn: Tensor) -> Tensor:
    """Placements (B, 19) seen in mirrors of signs (B, 1, 3), with canonical frames where p is p @ turn (B, 3, 3)."""
    rotation = sign.transpose(1, 2) * rotation_from_sixd(placement[:, :6]) * sign
    return torch.cat([sixd_from_rotation(rotation @ turn), placement[:, 6:9] * sign[:, 0], placement[:, 9:]], -1)


def about_y(angle: Tensor) -> Tensor:
    """(B,) radians -> (B, 3, 3) rotations about y."""
    cosine, sine, zero, one = angle.cos(), angle.sin(), torch.zeros_like(angle), torch.ones_like(angle)
    return torch.stack([cosine, zero, sine, zero, one, zero, -sine, zero, cosine], -1).reshape(-1, 3, 3)


def field_of(distance: Tensor) -> Tensor:
    """Metres -> InterField at the usual sigma."""
    return torch.exp(-0.5 * (distance / SIGMA).square())
