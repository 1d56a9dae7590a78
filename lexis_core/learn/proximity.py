"""Distances between two sets of posed surface points, differentiable: what guidance and training measure."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from lexis_core.learn.surface import Posed

REACH = 0.30  # metres: nearness beyond it is all the same


class Near(NamedTuple):
    """body (B, P), object (B, Q): metres to the other set's nearest point, at most REACH; inside (B, Q): how deep an
    object point is under the skin, by the nearest skin point's normal, metres."""

    body: Tensor
    object: Tensor
    inside: Tensor


def near(body: Posed, object: Tensor) -> Near:
    """Points of a posed body and of an object (B, Q, 3). The nearest pairs are chosen without gradient, then measured
    with it: the gradient of a minimum is that of the pair that attains it."""
    of_body, of_object = nearest(body.points, object)
    to_object = body.points - pick(object, of_body)
    skin, normal = pick(body.points, of_object), pick(body.normals, of_object)
    to_skin = object - skin
    depth = -(to_skin * normal).sum(-1)
    near_enough = (to_skin.square().sum(-1) < REACH**2 / 9) & (depth > 0)
    return Near(length(to_object).clamp(max=REACH), length(to_skin).clamp(max=REACH),
                torch.where(near_enough, depth, torch.zeros_like(depth)))


@torch.no_grad()
def nearest(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Points (B, P, 3) and (B, Q, 3) -> which of the others is nearest to each, (B, P) and (B, Q) int64."""
    gap = gaps(a, b)
    return gap.argmin(2), gap.argmin(1)


def gaps(a: Tensor, b: Tensor) -> Tensor:
    """(B, P, D), (B, Q, D) -> squared distances (B, P, Q)."""
    middle = b.mean(1, keepdim=True)  # metres from the lens would cost the squares their last digits
    a, b = a - middle, b - middle
    return a.square().sum(-1)[:, :, None] + b.square().sum(-1)[:, None] - 2 * a @ b.transpose(1, 2)


def pick(points: Tensor, rows: Tensor) -> Tensor:
    """(B, P, D) and rows (B, Q) -> (B, Q, D)."""
    return points.gather(1, rows[..., None].expand(-1, -1, points.shape[2]))


def length(x: Tensor) -> Tensor:
    """(..., D) -> (...); smooth at zero, 1e-4 m there."""
    return (x.square().sum(-1) + 1e-8).sqrt()


def chamfer(a: Tensor, b: Tensor) -> Tensor:
    """(B, P, 3), (B, Q, 3) -> (B,) mean distance to the nearest, both ways, metres."""
    of_a, of_b = nearest(a, b)
    return (length(a - pick(b, of_a)).mean(1) + length(b - pick(a, of_b)).mean(1)) / 2
