"""What LEXIS-Flow is told: a square picture around the person, as image tokens, masks, landmarks and object points.

Pictures are in crop units: pixel / side, the origin at the crop's middle. Masks come as they are and as distances, so
that a point beside a mask knows how far beside.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor

Array = np.ndarray

SIDE = 112                # pixels of a mask
PIXELS = 96               # mask pixels of each kind that the guidance looks at
FARTHEST = 0.25           # crop sides


class Observed(NamedTuple):
    """B pictures.

    image           : (B, 16, C) tokens of the image encoder
    maps            : (B, 4, 112, 112) person mask, object mask, distance to the object's mask, and to either mask; the
                      distances outside, in crop sides, at most FARTHEST
    box             : (B, 3) the middle and side of a square around the object's mask, crop units
    pixels          : (B, 96, 2) pixels of the object's mask, crop units
    landmarks       : (B, 33, 2) crop units; landmarks_world : (B, 33, 3) metres from the hips' middle, camera axes
    confidence      : (B, 33) in [0, 1]
    camera          : (B, 3) focal length and principal point, crop units
    object_points   : (B, Q, 3) metres, canonical
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
        at = ((at + 0.5) * SIDE - 0.5).clamp(0, SIDE - 1.001)
        low = at.detach().floor()
        x, y = (at - low).unbind(-1)
        corner = (low[..., 1] * SIDE + low[..., 0]).long()

        def value(step: int) -> Tensor:
            return maps.gather(2, (corner + step)[:, None].expand(-1, maps.shape[1], -1)).transpose(1, 2)

        x, y = x[..., None], y[..., None]
        return ((1 - y) * ((1 - x) * value(0) + x * value(1))
                + y * ((1 - x) * value(SIDE) + x * value(SIDE + 1)))


def observed(image: Tensor, masks: Array, landmarks: Array, landmarks_world: Array, confidence: Array, camera: Array,
             object_points: Tensor) -> Observed:
    """Put together what is seen; masks (B, 112, 112) uint8: 1 person, 2 object. Which pixels of a mask are looked at
    depends on the mask alone."""
    person, thing = masks == 1, masks == 2
    maps = np.zeros((len(masks), 4, SIDE, SIDE), np.float32)
    box = np.tile(np.float32([0, 0, 1]), (len(masks), 1))
    pixels = np.zeros((len(masks), PIXELS, 2), np.float32)
    for k in range(len(masks)):
        maps[k, 0], maps[k, 1] = person[k], thing[k]
        maps[k, 2], maps[k, 3] = _distance(thing[k]), _distance(masks[k] > 0)
        rows, columns = np.nonzero(thing[k])
        if len(rows):
            at = (np.stack([columns, rows], 1) + 0.5) / SIDE - 0.5
            low, high = at.min(0), at.max(0)
            box[k] = *((low + high) / 2), 1.5 * float((high - low).max()) + 0.04
            pixels[k] = at[np.linspace(0, len(at) - 1, PIXELS).astype(int)]
    found = torch.from_numpy(thing.any((1, 2)))
    seen = torch.stack([torch.ones(len(masks)), torch.ones(len(masks)), torch.ones(len(masks)), found.float()], 1)
    flat = (torch.from_numpy(np.ascontiguousarray(a, np.float32)) for a in
            (maps, box, pixels, landmarks, landmarks_world, confidence, camera))
    return Observed(image, *flat, object_points, seen)


def _distance(mask: Array) -> Array:
    if not mask.any():
        return np.full(mask.shape, FARTHEST, np.float32)
    return np.minimum(cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 5) / SIDE, FARTHEST)
