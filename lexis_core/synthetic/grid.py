"""Signed distance read from each object's grid, with its gradient worked out by hand: the solver's innermost loop."""

from __future__ import annotations

import torch

Tensor = torch.Tensor


class GridDistance(torch.autograd.Function):
    """Trilinear distances (B, P) in metres of points (B, P, 3); beyond the grid, the way to it is added.

    values : all grids in one line; offset (B, 1) where each begins; origin (B, 1, 3), cell (B,), dims (B, 1, 3)
    """

    @staticmethod
    def forward(context, points, values, offset, origin, cell, dims):
        index = (points - origin) / cell[:, None, None]
        held = torch.minimum(index.clamp(min=0), dims - 1.001)
        base = held.floor()
        x, y, z = (held - base).unbind(-1)
        i, j, k = base.long().unbind(-1)
        step_x, step_y = dims[..., 1] * dims[..., 2], dims[..., 2]
        corner = offset + i * step_x + j * step_y + k
        c000, c001 = values[corner], values[corner + 1]
        c010, c011 = values[corner + step_y], values[corner + step_y + 1]
        corner = corner + step_x
        c100, c101 = values[corner], values[corner + 1]
        c110, c111 = values[corner + step_y], values[corner + step_y + 1]
        d00, d01, d10, d11 = c001 - c000, c011 - c010, c101 - c100, c111 - c110
        e00, e01, e10, e11 = c000 + z * d00, c010 + z * d01, c100 + z * d10, c110 + z * d11
        f0, f1 = e00 + y * (e01 - e00), e10 + y * (e11 - e10)
        g0, g1 = d00 + y * (d01 - d00), d10 + y * (d11 - d10)
        slope = torch.stack([f1 - f0, (e01 - e00) * (1 - x) + (e11 - e10) * x, g0 + x * (g1 - g0)], -1)
        beyond = index - held
        away = beyond.norm(dim=-1)
        slope = torch.where(beyond != 0, 0.0, slope) / cell[:, None, None]
        context.save_for_backward(slope + beyond / away.clamp(min=1e-9)[..., None])
        return f0 + x * (f1 - f0) + cell[:, None] * away

    @staticmethod
    def backward(context, grad):
        (slope,) = context.saved_tensors
        return grad[..., None] * slope, None, None, None, None, None
