"""Where body and object are by landmarks and mask alone: what LEXIS-Flow begins from where there is no estimate."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

from lexis_core.body.names import POSED
from lexis_core.body.surface import BETAS, GuideSurface
from lexis_core.geometry import rotation_from_axis_angle
from lexis_core.initialise.landmark_points import LEFT_HIP, RIGHT_HIP
from lexis_core.runtime.seen import Seen
from lexis_core.runtime.states import States

Array = np.ndarray

TRUNK = (0, 7, 8, 11, 12, LEFT_HIP, RIGHT_HIP)
HIPS = (LEFT_HIP, RIGHT_HIP)
NEAREST = 0.3  # metres
MEANS = Path(__file__).parents[1] / "data" / "start_errors.npz"


def closed_form(seen: Seen, guide: GuideSurface, yaw: Array) -> States:
    """The pose is the mean one; the trunk's landmarks turn the body (Kabsch), the rays through all of them place it
    (least squares); the object stands upright where its mask's middle is, as deep as the pelvis, turned by yaw (B,)
    radians. Betas are zero."""
    count = len(yaw)
    trunk, hips = (np.array([np.flatnonzero(guide.landmark == k)[0] for k in of]) for of in (TRUNK, HIPS))
    rest = guide.surface.template[len(guide.rest):].astype(np.float64)
    exact = ("landmarks", "landmarks_world", "confidence", "camera")
    seen = seen._replace(**{name: getattr(seen, name).astype(np.float64) for name in exact})
    rotation, scale = _aligned(rest[trunk], seen.landmarks_world[:, list(TRUNK)])
    rays = (seen.landmarks - seen.camera[:, None, 1:]) / seen.camera[:, None, :1]
    middle = _placed(seen.landmarks_world / scale[:, None, None], rays, np.maximum(seen.confidence, 0.01))
    pelvis = middle + rotation @ (guide.surface.joints[0] - rest[hips].mean(0))
    pelvis[:, 2] = np.maximum(pelvis[:, 2], NEAREST)
    aim = np.where(seen.seen[:, 3:] > 0, seen.pixels.mean(1), seen.landmarks[:, list(HIPS)].mean(1))
    ray = np.concatenate([(aim - seen.camera[:, 1:]) / seen.camera[:, :1], np.ones((count, 1))], -1)
    upright = np.diag([1.0, -1, -1]) @ rotation_from_axis_angle(np.stack([0 * yaw, yaw, 0 * yaw], -1))
    theta = np.broadcast_to(mean_pose(), (count, POSED - 1, 3, 3))
    arrays = theta, rotation, pelvis, np.zeros((count, BETAS)), upright, ray * pelvis[:, 2:]
    return States(*(np.ascontiguousarray(a, np.float32) for a in arrays))


@cache
def mean_pose() -> Array:
    """(21, 3, 3), the mean local rotations of the poses that were trained on."""
    with np.load(MEANS, allow_pickle=False) as file:
        return rotation_from_axis_angle(file["mean_theta"].astype(np.float64))


def _aligned(rest: Array, world: Array) -> tuple[Array, Array]:
    """Rotations (B, 3, 3) and scales (B,) that bring rest (K, 3) nearest to world (B, K, 3), both about their mean."""
    rest, world = rest - rest.mean(0), world - world.mean(1, keepdims=True)
    u, s, vt = np.linalg.svd(world.transpose(0, 2, 1) @ rest)
    sign = np.ones_like(s)
    sign[:, 2] = np.sign(np.linalg.det(u @ vt))
    return (u * sign[:, None]) @ vt, (s * sign).sum(-1) / (rest**2).sum()


def _placed(points: Array, rays: Array, weight: Array) -> Array:
    """(B, 3) translations that put points (B, K, 3) on rays (B, K, 2) = x / z, y / z: linear least squares."""
    one, none = np.ones_like(weight), np.zeros_like(weight)
    rows = np.concatenate([np.stack([one, none, -rays[..., 0]], -1), np.stack([none, one, -rays[..., 1]], -1)], 1)
    right = np.concatenate([rays[..., k] * points[..., 2] - points[..., k] for k in (0, 1)], 1)
    weight = np.concatenate([weight, weight], 1)[..., None]
    a, right = rows * weight, right[..., None] * weight
    turned = a.transpose(0, 2, 1)
    return np.linalg.solve(turned @ a + 1e-6 * np.eye(3), turned @ right)[..., 0]
