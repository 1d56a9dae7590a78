"""Parts of LEXIS-Net: an object's shape as numbers, triplanes read at points, and the small heads that give a field."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from lexis_core.interfield import SIGMA
from lexis_core.learn.layers import mlp
from lexis_core.learn.net_geometry import HEAD, basis, box_of, distances_to_points


def shape_of(points: Tensor, count: int) -> Tensor:
    """Surface points (B, Q, 3), metres, canonical -> f_o (B, count), whatever their order and number.

    The log of the object's radius, half its extents, and how far it is from fixed places of its box (basis point
    sets, Prokudin et al. 2019), the last two in radii.
    """
    radius = points.abs().amax((1, 2)).clamp(min=1e-3)[:, None, None]
    scaled = points / radius
    half = scaled.abs().amax(1)
    places = basis(count - HEAD).to(points) * box_of(half)[:, None]
    return torch.cat([radius[:, 0].log(), half, distances_to_points(places, scaled)], -1)


def read_planes(planes: Tensor, points: Tensor) -> Tensor:
    """Triplane (B, 3, C, H, W) at points (B, P, 3) in [-1, 1], and beyond as at the border -> (B, P, 3 C)."""
    batch, count = points.shape[:2]
    grid = torch.stack([points[..., [0, 1]], points[..., [0, 2]], points[..., [1, 2]]], 1)
    read = functional.grid_sample(planes.flatten(0, 1), grid.flatten(0, 1)[:, :, None], "bilinear", "border",
                                  align_corners=False)
    return read[..., 0].reshape(batch, -1, count).transpose(1, 2)


class FieldHead(nn.Module):
    """What is known of points (B, P, given), a hint for all of them (B, head) and a first guess (B, P) -> InterField
    (B, P) in (0, 1)."""

    def __init__(self, given: int, width: int):
        super().__init__()
        self.given, self.mlp = nn.Linear(given, width), mlp(width, width, 1)

    def forward(self, given: Tensor, hint: Tensor, guess: Tensor) -> Tensor:
        more = self.mlp(functional.gelu(self.given(given) + hint[:, None]))[..., 0].float()
        return (guess.clamp(0.01, 0.99).logit() + more).sigmoid()


def field_of(distance: Tensor) -> Tensor:
    """Metres -> InterField."""
    return torch.exp(-0.5 * (distance.clamp(min=0) / SIGMA).square())


def in_full(like: Tensor) -> torch.autocast:
    """Places must be exact to millimetres, so no bfloat16 in here."""
    return torch.autocast(like.device.type, enabled=False)
