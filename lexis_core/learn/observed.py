"""What LEXIS-Flow is told: a square picture around the person, as image tokens, masks, landmarks and object points.

Pictures are in crop units: pixel / side, the origin at the crop's middle. Masks come as they are and as distances, so
that a point beside a mask knows how far beside.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor

from lexis_core.body import default_body
from lexis_core.learn.flow_state import Reference, States
from lexis_core.learn.starts import rotation_of, start_errors
from lexis_core.learn.surface import Surface, landmark_surface

Array = np.ndarray

SIDE = 112                # pixels of a mask
PIXELS = 96               # mask pixels of each kind that the guidance looks at
FARTHEST = 0.25           # crop sides
TRUNK = (0, 7, 8, 11, 12, 23, 24)
LEFT_HIP, RIGHT_HIP = 23, 24


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


@cache
def landmark_points() -> tuple[Surface, Tensor]:
    return landmark_surface(default_body())


def reference_without_start(seen: Observed, yaw: Tensor, tokens: tuple[int, int]) -> Reference:
    """Where body and object are by landmarks and mask alone; yaw (B,) radians is how the object is turned.

    The trunk's landmarks turn the body (Kabsch), the rays through all of them place it (least squares); the object
    stands upright where its mask's middle is, as deep as the pelvis.
    """
    surface, which = landmark_points()
    count = len(yaw)
    trunk = [int((which == k).nonzero()) for k in TRUNK]
    hips = [int((which == k).nonzero()) for k in (LEFT_HIP, RIGHT_HIP)]
    rest = surface.template[trunk]
    world = seen.landmarks_world[:, list(TRUNK)]
    rotation, scale = _aligned(rest - rest.mean(0), world - world.mean(1, keepdim=True))
    weight = seen.confidence.clamp(min=0.01)
    middle = _placed(seen.landmarks_world / scale[:, None, None], (seen.landmarks - seen.camera[:, None, 1:])
                     / seen.camera[:, None, :1], weight)
    pelvis = middle + (rotation @ (surface.joints[0] - surface.template[hips].mean(0))[:, None])[..., 0]
    pelvis = torch.cat([pelvis[:, :2], pelvis[:, 2:].clamp(min=0.3)], -1)
    aim = torch.where(seen.seen[:, 3:] > 0, seen.pixels.mean(1), seen.landmarks[:, [LEFT_HIP, RIGHT_HIP]].mean(1))
    ray = torch.cat([(aim - seen.camera[:, 1:]) / seen.camera[:, :1], torch.ones(count, 1)], -1)
    cosine, sine, zero, one = yaw.cos(), yaw.sin(), torch.zeros_like(yaw), torch.ones_like(yaw)
    turn = torch.stack([cosine, zero, sine, zero, -one, zero, sine, zero, -cosine], -1).reshape(-1, 3, 3)
    theta = rotation_of(start_errors().mean["theta"]).expand(count, 21, 3, 3)
    states = States(theta, rotation, pelvis, torch.zeros(count, 10), turn, ray * pelvis[:, 2:])
    return Reference(states, torch.zeros(count, dtype=torch.bool), torch.zeros(count, *tokens))


def _aligned(rest: Tensor, world: Tensor) -> tuple[Tensor, Tensor]:
    """Rotations (B, 3, 3) and scales (B,) that bring rest (K, 3) nearest to world (B, K, 3), both about their mean."""
    u, s, vt = torch.linalg.svd(world.transpose(1, 2) @ rest)
    sign = torch.ones_like(s)
    sign[:, 2] = torch.det(u @ vt).sign()
    return (u * sign[:, None]) @ vt, (s * sign).sum(-1) / rest.square().sum()


def _placed(points: Tensor, rays: Tensor, weight: Tensor) -> Tensor:
    """(B, 3) translations that put points (B, K, 3) on rays (B, K, 2) = x / z, y / z: linear least squares."""
    one, none = torch.ones_like(weight), torch.zeros_like(weight)
    rows = torch.cat([torch.stack([one, none, -rays[..., 0]], -1), torch.stack([none, one, -rays[..., 1]], -1)], 1)
    right = torch.cat([rays[..., k] * points[..., 2] - points[..., k] for k in (0, 1)], 1)
    weight = torch.cat([weight, weight], 1)[..., None]
    a, right = rows * weight, right[..., None] * weight
    return torch.linalg.solve(a.transpose(1, 2) @ a + 1e-6 * torch.eye(3), a.transpose(1, 2) @ right)[..., 0]
