"""Signed distance read from each object's grid, with its gradient worked out by hand: the solver's innermost loop."""

from __future__ import annotations

import numpy as np
import torch

from lexis_core.synthetic.kernels import compiled

Array = np.ndarray


class GridDistance(torch.autograd.Function):
    """Trilinear distances (B, P) in metres of points (B, P, 3); beyond the grid, the way to it is added.

    values : all grids in one line; offset (B,) where each begins; origin (B, 3), cell (B,), dims (B, 3); arrays
    """

    @staticmethod
    def forward(context, points, values, offset, origin, cell, dims):
        distance, slope = points.new_empty(points.shape[:2]), torch.empty_like(points)
        _read(points.numpy(), values, offset, origin, cell, dims, distance.numpy(), slope.numpy())
        context.save_for_backward(slope)
        return distance

    @staticmethod
    def backward(context, grad):
        (slope,) = context.saved_tensors
        return grad[..., None] * slope, None, None, None, None, None


@compiled
def _read(points: Array, values: Array, offset: Array, origin: Array, cell: Array, dims: Array, distance: Array,
          slope: Array) -> None:
    for b in range(len(points)):
        size = cell[b]
        step_x, step_y = dims[b, 1] * dims[b, 2], dims[b, 2]
        for p in range(points.shape[1]):
            x, y, z = ((points[b, p, 0] - origin[b, 0]) / size, (points[b, p, 1] - origin[b, 1]) / size,
                       (points[b, p, 2] - origin[b, 2]) / size)
            held_x = min(max(x, 0.0), dims[b, 0] - 1.001)
            held_y = min(max(y, 0.0), dims[b, 1] - 1.001)
            held_z = min(max(z, 0.0), dims[b, 2] - 1.001)
            i, j, k = int(held_x), int(held_y), int(held_z)
            u, v, w = held_x - i, held_y - j, held_z - k
            at = offset[b] + i * step_x + j * step_y + k
            c00, c01 = values[at], values[at + step_y]
            c10, c11 = values[at + step_x], values[at + step_x + step_y]
            d00, d01 = values[at + 1] - c00, values[at + step_y + 1] - c01
            d10, d11 = values[at + step_x + 1] - c10, values[at + step_x + step_y + 1] - c11
            e00, e01, e10, e11 = c00 + w * d00, c01 + w * d01, c10 + w * d10, c11 + w * d11
            f0, f1 = e00 + v * (e01 - e00), e10 + v * (e11 - e10)
            g0, g1 = d00 + v * (d01 - d00), d10 + v * (d11 - d10)
            away_x, away_y, away_z = x - held_x, y - held_y, z - held_z
            away = np.sqrt(away_x * away_x + away_y * away_y + away_z * away_z)
            over = 1.0 / max(away, 1e-9)
            distance[b, p] = f0 + u * (f1 - f0) + size * away
            slope[b, p, 0] = away_x * over if away_x != 0 else (f1 - f0) / size
            slope[b, p, 1] = away_y * over if away_y != 0 else ((e01 - e00) * (1 - u) + (e11 - e10) * u) / size
            slope[b, p, 2] = away_z * over if away_z != 0 else (g0 + u * (g1 - g0)) / size
