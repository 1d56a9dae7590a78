"""Bodies and objects as LEXIS-Flow's graphs take them: plain arrays in the camera space of a crop."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

Array = np.ndarray


class States(NamedTuple):
    """B people and things in camera space (OpenCV axes), metres, float32.

    theta  : (B, 21, 3, 3) local joint rotations; rotation : (B, 3, 3) of the pelvis
    pelvis : (B, 3), where the pelvis joint is; betas : (B, 10)
    object_rotation : (B, 3, 3); object_position : (B, 3), where the canonical origin is
    """

    theta: Array
    rotation: Array
    pelvis: Array
    betas: Array
    object_rotation: Array
    object_position: Array

    def take(self, rows) -> States:
        return States(*(value[rows] for value in self))

    def repeated(self, count: int) -> States:
        """Every state count times, one after another."""
        return States(*(np.repeat(value, count, 0) for value in self))


def place_of(pelvis: Array, focal: Array) -> Array:
    """Camera space (B, 3) metres, focal (B,) crop sides -> x and y in the picture, crop sides, and log(z / focal)."""
    z = pelvis[:, 2:]
    return np.concatenate([pelvis[:, :2] / z * focal[:, None], np.log(z / focal[:, None])], -1)


def pelvis_of(place: Array, focal: Array) -> Array:
    """The inverse of place_of, within reason: depths of exp(-3) to exp(5) focal lengths."""
    scale = np.exp(np.clip(place[:, 2:], -3, 5))
    return np.concatenate([place[:, :2] * scale, scale * focal[:, None]], -1)
