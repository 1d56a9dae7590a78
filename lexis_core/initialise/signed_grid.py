"""How far points are outside or inside a body: a grid, rough but fast enough for a solver's inner loop."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import map_coordinates
from scipy.spatial import cKDTree

from lexis_core.interfield import inside
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
        """Sampled every CELL metres, by surface points that are dense enough for such cells."""
        surface, _ = sample_surface(body, POINTS, seed)
        low, high = body.vertices.min(0) - BORDER, body.vertices.max(0) + BORDER
        axes = [np.arange(lo, hi + CELL, CELL) for lo, hi in zip(low, high, strict=True)]
        at = np.stack(np.meshgrid(*axes, indexing="ij"), -1)
        away, _ = cKDTree(surface).query(at)
        within = inside(at.reshape(-1, 3), body).reshape(away.shape)
        return cls(low.astype(np.float64), np.where(within, -away, away).astype(np.float32))

    def at(self, points: Array) -> Array:
        """(..., 3) metres -> (...,) metres; beyond the grid the way to it is added."""
        place = (points - self.low) / CELL
        inside = np.clip(place, 0, np.array(self.values.shape) - 1)
        value = map_coordinates(self.values, np.moveaxis(inside, -1, 0), order=1, output=np.float64)
        return value + CELL * np.linalg.norm(place - inside, axis=-1)
