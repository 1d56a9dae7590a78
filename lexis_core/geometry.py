"""Rotations and alignments. Quaternions are wxyz, axis-angles radians; every function takes leading batch axes."""

from __future__ import annotations

import numpy as np

Array = np.ndarray


def rotation_from_axis_angle(axis_angle: Array) -> Array:
    """(..., 3) radians -> (..., 3, 3), Rodrigues' formula; exact at zero by sinc."""
    w = np.asarray(axis_angle)
    theta = np.linalg.norm(w, axis=-1)[..., None, None]
    k = cross_matrix(w)
    half = np.sinc(theta / (2 * np.pi))
    return np.eye(3, dtype=w.dtype) + np.sinc(theta / np.pi) * k + 0.5 * half * half * (k @ k)


def cross_matrix(v: Array) -> Array:
    """(..., 3) -> (..., 3, 3) with cross_matrix(v) @ u = v x u."""
    x, y, z = v[..., 0], v[..., 1], v[..., 2]
    out = np.zeros((*v.shape, 3), v.dtype)
    out[..., 0, 1], out[..., 0, 2], out[..., 1, 2] = -z, y, -x
    out[..., 1, 0], out[..., 2, 0], out[..., 2, 1] = z, -y, x
    return out


def quaternion_from_rotation(rotation: Array) -> Array:
    """(..., 3, 3) -> (..., 4) wxyz, w >= 0. Picks the largest of the four components to divide by."""
    r = np.asarray(rotation, np.float64)
    xx, yy, zz = r[..., 0, 0], r[..., 1, 1], r[..., 2, 2]
    a, b, c = r[..., 2, 1], r[..., 0, 2], r[..., 1, 0]
    d, e, f = r[..., 1, 2], r[..., 2, 0], r[..., 0, 1]
    rows = np.stack([
        np.stack([1 + xx + yy + zz, a - d, b - e, c - f], -1),
        np.stack([a - d, 1 + xx - yy - zz, c + f, b + e], -1),
        np.stack([b - e, c + f, 1 - xx + yy - zz, a + d], -1),
        np.stack([c - f, b + e, a + d, 1 - xx - yy + zz], -1),
    ], -2)
    best = np.argmax(np.stack([xx + yy + zz, xx, yy, zz], -1), -1)
    q = np.take_along_axis(rows, best[..., None, None], -2)[..., 0, :]
    q /= np.linalg.norm(q, axis=-1, keepdims=True)
    return np.where(q[..., :1] < 0, -q, q)


def rotation_from_quaternion(quaternion: Array) -> Array:
    """(..., 4) wxyz, any length but zero -> (..., 3, 3)."""
    q = np.asarray(quaternion, np.float64)
    w, x, y, z = np.moveaxis(q / np.linalg.norm(q, axis=-1, keepdims=True), -1, 0)
    return np.stack([
        1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
        2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
        2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y),
    ], -1).reshape(*q.shape[:-1], 3, 3)


def axis_angle_from_rotation(rotation: Array) -> Array:
    """(..., 3, 3) -> (..., 3) radians, angle in [0, pi]."""
    q = quaternion_from_rotation(rotation)
    sine = np.linalg.norm(q[..., 1:], axis=-1, keepdims=True)
    angle = 2 * np.arctan2(sine, q[..., :1])
    return q[..., 1:] * np.where(sine > 1e-12, angle / np.maximum(sine, 1e-12), 2.0)


def sixd_from_rotation(rotation: Array) -> Array:
    """(..., 3, 3) -> (..., 6): the first two columns (Zhou et al. 2019)."""
    return np.concatenate([rotation[..., 0], rotation[..., 1]], -1)


def rotation_from_sixd(sixd: Array) -> Array:
    """(..., 6) -> (..., 3, 3) by Gram-Schmidt (Zhou et al. 2019)."""
    x = sixd[..., :3] / np.linalg.norm(sixd[..., :3], axis=-1, keepdims=True)
    y = sixd[..., 3:] - (x * sixd[..., 3:]).sum(-1, keepdims=True) * x
    y = y / np.linalg.norm(y, axis=-1, keepdims=True)
    return np.stack([x, y, np.cross(x, y)], -1)


def nearest_rotation(matrix: Array) -> Array:
    """(..., 3, 3) -> the rotation nearest in Frobenius norm, by SVD."""
    u, _, vt = np.linalg.svd(np.asarray(matrix, np.float64))
    u[..., :, 2] *= np.linalg.det(u @ vt)[..., None]
    return u @ vt


def rotation_degrees(a: Array, b: Array) -> Array:
    """The angle between two rotations, (...,) degrees."""
    return np.degrees(np.linalg.norm(axis_angle_from_rotation(np.swapaxes(a, -1, -2) @ b), axis=-1))


def align(source: Array, target: Array, scaled: bool) -> tuple[float, Array, Array]:
    """Least-squares scale, rotation (3, 3), translation (3,) that take source (N, 3) onto target (N, 3).

    Umeyama 1991: a similarity when scaled, else a rigid motion (scale 1).
    """
    source, target = np.asarray(source, np.float64), np.asarray(target, np.float64)
    mean_s, mean_t = source.mean(0), target.mean(0)
    s, t = source - mean_s, target - mean_t
    u, singular, vt = np.linalg.svd(t.T @ s)
    sign = np.array([1.0, 1.0, np.linalg.det(u @ vt)])
    rotation = (u * sign) @ vt
    scale = float((singular * sign).sum() / (s * s).sum()) if scaled else 1.0
    return scale, rotation, mean_t - scale * rotation @ mean_s
