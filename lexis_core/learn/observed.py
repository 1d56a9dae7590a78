"""What LEXIS-Flow is told: a square picture around the person, as image tokens, masks, landmarks and object points.

Pictures are in crop units: pixel / side, the origin at the crop's middle. Masks come as they are and as distances, so
that a point beside a mask knows how far beside.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from lexis_core.runtime.seen import SIDE, measured

Array = np.ndarray


class Observed(NamedTuple):
    """B pictures.

    image           : (B, 16, C) tokens of the image encoder
    maps            : (B, 4, 112, 112) person mask, object mask, distance to the object's mask, and to either mask; the
                      distances outside, in crop sides, at most a quarter
    box             : (B, 3) the middle and side of a square around the object's mask, crop units
    pixels          : (B, 96, 2) pixels of the object's mask, crop units
    landmarks       : (B, 33, 2) crop units; landmarks_world : (B, 33, 3) metres from the hips' middle, camera axes
    confidence      : (B, 33) in [0, 1]
    camera          : (B, 3) focal length and principal point, crop units
    object_points   : (B, Q, 3) metres, canonical
    object_normals  : (B, Q, 3) of the surface there, outward; zeros where out is not known
    seen            : (B, 4) 1 where image, masks, landmarks, the object's own mask are to be had, else 0
    """

    image: Tensor
    maps: Tensor
    box: Tensor
    pixels: Tensor
    landmarks: Tensor
    landmarks_world: Tensor
    confidence: Tensor
    camera: Tensor
    object_points: Tensor
    object_normals: Tensor
    seen: Tensor

    @property
    def focal(self) -> Tensor:
        return self.camera[:, 0]

    def take(self, rows: Tensor) -> Observed:
        return Observed(*(value[rows] for value in self))

    def project(self, points: Tensor) -> Tensor:
        """Camera space (B, P, 3) metres -> crop units (B, P, 2)."""
        flat = points[..., :2] / points[..., 2:].clamp(min=0.1)
        return flat * self.camera[:, None, :1] + self.camera[:, None, 1:]

    def read(self, at: Tensor, channels: slice) -> Tensor:
        """The maps' channels at crop units (B, P, 2) -> (B, P, K); beyond the edge, what the edge holds.

        Bilinear, written out: its gradient by the place then exports.
        """
        maps = self.maps[:, channels].flatten(2)
        x, y, corner = _cell(at)

        def value(step: int) -> Tensor:
            return maps.gather(2, (corner + step)[:, None].expand(-1, maps.shape[1], -1)).transpose(1, 2)

        x, y = x[..., None], y[..., None]
        return ((1 - y) * ((1 - x) * value(0) + x * value(1))
                + y * ((1 - x) * value(SIDE) + x * value(SIDE + 1)))

    def slope(self, at: Tensor, channel: int) -> tuple[Tensor, Tensor]:
        """One of the maps' channels at crop units (B, P, 2) -> (B, P), and its gradient by the place (B, P, 2)."""
        x, y, corner = _cell(at)
        steps = torch.tensor([0, 1, SIDE, SIDE + 1], device=at.device)
        around = (corner[..., None] + steps).flatten(1)
        a, b, c, d = self.maps[:, channel].flatten(1).gather(1, around).unflatten(1, (-1, 4)).unbind(-1)
        across, below = b - a, d - c
        inside = (SIDE * (at.abs() < 0.5 - 0.5 / SIDE)).float()
        slope = torch.stack([across + y * (below - across), c - a + x * (below - across)], -1) * inside
        return a + x * across + y * (c - a + x * (below - across)), slope


def _cell(at: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Crop units (B, P, 2) -> how far right and down in a cell of four pixels, and which pixel is its first."""
    at = ((at + 0.5) * SIDE - 0.5).clamp(0.0, SIDE - 1.001)
    low = at.detach().floor()
    x, y = (at - low).unbind(-1)
    return x, y, (low[..., 1] * SIDE + low[..., 0]).long()


def observed(image: Tensor, masks: Array, landmarks: Array, landmarks_world: Array, confidence: Array, camera: Array,
             object_points: Tensor, object_normals: Tensor | None = None) -> Observed:
    """Put together what is seen; masks (B, 112, 112) uint8: 1 person, 2 object. Which pixels of a mask are looked at
    depends on the mask alone. Where nothing is guided, normals are not needed."""
    maps, box, pixels, found = measured(masks)
    there = torch.ones(len(masks), 4)
    there[:, 3] = torch.from_numpy(found)
    flat = (torch.from_numpy(np.ascontiguousarray(a, np.float32)) for a in
            (maps, box, pixels, landmarks, landmarks_world, confidence, camera))
    object_normals = torch.zeros_like(object_points) if object_normals is None else object_normals
    return Observed(image, *flat, object_points, object_normals, there)
