"""How far points are outside or inside a body: a grid, rough but fast enough for a solver's inner loop."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import map_coordinates
from scipy.spatial import cKDTree

from lexis_core.mesh import Mesh, sample_surface

Array = np.ndarray

CELL = 0.04      # metres
BORDER = 0.25    # metres around the body
POINTS = 6000    # surface points the grid is made from


@dataclass(frozen=True)
class SignedGrid:
    """low (3,) metres, the first sample's place; values (X, Y, Z) metres, below 0 inside."""

    low: Array
    values: Array

    @classmethod
    def around(cls, body: Mesh, seed: int) -> SignedGrid:
        """Sampled every CELL metres; the sign is the nearest surface point's side."""
        surface, face = sample_surface(body, POINTS, seed)
        a, b, c = (body.vertices[body.faces[face, k]] for k in range(3))
        normal = np.cross(b - a, c - a)
        normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
        low, high = body.vertices.min(0) - BORDER, body.vertices.max(0) + BORDER
        axes = [np.arange(lo, hi + CELL, CELL) for lo, hi in zip(low, high, strict=True)]
        at = np.stack(np.meshgrid(*axes, indexing="ij"), -1)
        away, nearest = cKDTree(surface).query(at)
        side = ((at - surface[nearest]) * normal[nearest]).sum(-1)
        return cls(low.astype(np.float64), np.where(side < 0, -away, away).astype(np.float32))

    def at(self, points: Array) -> Array:
        """(..., 3) metres -> (...,) metres; beyond the grid the way to it is added."""
        place = (points - self.low) / CELL
        inside = np.clip(place, 0, np.array(self.values.shape) - 1)
        value = map_coordinates(self.values, np.moveaxis(inside, -1, 0), order=1, output=np.float64)
        return value + CELL * np.linalg.norm(place - inside, axis=-1)
