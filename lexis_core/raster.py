"""A z-buffer in numpy: which face is seen at every pixel, and batches of silhouettes.

Triangles become horizontal spans, one per pixel row they cross; a pixel belongs to the span that holds its centre.
Outlines need no depth and are drawn by edges instead, several times faster.
Faces with a corner behind the camera (NaN pixels) are left out.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix

Array = np.ndarray


def rasterise(pixels: Array, depth: Array, faces: Array, width: int, height: int) -> tuple[Array, Array]:
    """The nearest face at every pixel centre.

    pixels : (V, 2) projected vertices
    depth  : (V,) along the view axis, metres, > 0
    faces  : (F, 3) int

    Returns the face index (height, width) int32, -1 where nothing is, and the depth (height, width) float32,
    infinite where nothing is. Depth is perspective-correct: 1 / z is affine in the image.
    """
    face, row, start, stop = _spans(pixels[None], faces, width, height)
    inverse = _plane(pixels[faces].astype(np.float64), 1.0 / depth[faces].astype(np.float64))
    span, column = _expand(start, stop)
    owner, y = face[span], row[span]
    a, b, c = inverse[owner].T
    nearness = a * (column + 0.5) + b * (y + 0.5) + c
    order = np.argsort(nearness, kind="stable")
    where = (y * width + column)[order]
    ids = np.full(height * width, -1, np.int32)
    best = np.zeros(height * width)
    ids[where] = owner[order]
    best[where] = nearness[order]
    z = np.full(height * width, np.inf, np.float32)
    np.divide(1.0, best, out=z, where=best > 0, casting="same_kind")
    return ids.reshape(height, width), z.reshape(height, width)


def silhouettes(pixels: Array, faces: Array, width: int, height: int) -> Array:
    """Filled outlines of the same mesh in B poses: pixels (B, V, 2) -> (B, height, width) bool.

    How many faces cover a pixel is summed from edges: each adds or takes one to its right. Between two faces that are
    turned the same way an edge does neither, so only those of the outline and of open borders are followed.
    """
    pixels = np.asarray(pixels, np.float64)
    edges, along = _edges(faces)
    a, b, c = (pixels[:, faces[:, k]] for k in range(3))
    u, v = b - a, c - a
    with np.errstate(invalid="ignore"):
        turned = np.nan_to_num(np.sign(u[..., 0] * v[..., 1] - u[..., 1] * v[..., 0]))
    steps = along @ turned.T
    edge, which = np.nonzero(steps)
    step = steps[edge, which]
    a, b = pixels[which, edges[edge, 0]], pixels[which, edges[edge, 1]]
    down = (b[:, 1] > a[:, 1])[:, None]
    top, bottom = np.where(down, a, b), np.where(down, b, a)
    span, row = _expand(_first_centre(top[:, 1], height), _first_centre(bottom[:, 1], height))
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = (bottom[:, 0] - top[:, 0]) / (bottom[:, 1] - top[:, 1])
    column = _first_centre(top[span, 0] + (row + 0.5 - top[span, 1]) * slope[span], width)
    at = (which[span] * height + row) * (width + 1) + column
    change = np.bincount(at, np.where(down[:, 0], -step, step)[span], len(pixels) * height * (width + 1))
    return np.cumsum(change.reshape(len(pixels), height, width + 1)[..., :-1], axis=-1) > 0.5


def silhouette(pixels: Array, faces: Array, width: int, height: int) -> Array:
    """Filled outline of one mesh, (V, 2) -> (height, width) bool."""
    return silhouettes(pixels[None], faces, width, height)[0]


def _edges(faces: Array) -> tuple[Array, csr_matrix]:
    """Every edge (E, 2) once, and (E, F): 1 where the face runs along it, -1 where against it."""
    ends = np.stack([faces, np.roll(faces, -1, 1)], -1).reshape(-1, 2).astype(np.int64)
    size = int(ends.max()) + 1
    code, edge = np.unique(ends.min(1) * size + ends.max(1), return_inverse=True)
    way = np.where(ends[:, 0] < ends[:, 1], 1.0, -1.0)
    return (np.stack(np.divmod(code, size), -1),
            csr_matrix((way, (edge.ravel(), np.repeat(np.arange(len(faces)), 3))), (len(code), len(faces))))


def _spans(pixels: Array, faces: Array, width: int, height: int) -> tuple[Array, Array, Array, Array]:
    """Face (numbered through the batch), row, first column and end column of every non-empty span.

    A triangle's top, middle and bottom corners bound its rows by one long edge and, above and below the middle, by a
    short one.
    """
    corners = pixels[:, faces].reshape(-1, 3, 2).astype(np.float64)
    corners[~np.isfinite(corners).all((1, 2))] = 0
    order = np.argsort(corners[..., 1], axis=1)[..., None]
    (xt, yt), (xm, ym), (xb, yb) = np.take_along_axis(corners, order, 1).transpose(1, 2, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        long, upper, lower = (xb - xt) / (yb - yt), (xm - xt) / (ym - yt), (xb - xm) / (yb - ym)
    face, row = _expand(_first_centre(yt, height), _first_centre(yb, height))
    edges = np.stack([xt, yt, long, xm, ym, upper, lower], -1)[face].T
    xt, yt, long, xm, ym, upper, lower = edges
    middle = row + 0.5
    one = xt + (middle - yt) * long
    other = xm + (middle - ym) * np.where(middle < ym, upper, lower)
    start, stop = _first_centre(np.minimum(one, other), width), _first_centre(np.maximum(one, other), width)
    kept = stop > start
    return face[kept], row[kept], start[kept], stop[kept]


def _first_centre(position: Array, size: int) -> Array:
    """The first pixel in [0, size] whose centre lies at or beyond the position."""
    return np.ceil(np.clip(position, 0, size) - 0.5).clip(0, size).astype(np.int64)


def _expand(start: Array, stop: Array) -> tuple[Array, Array]:
    """All integers of the ranges [start, stop): the range each comes from, and the integer."""
    lengths = stop - start
    owner = np.repeat(np.arange(len(start)), lengths)
    offset = np.arange(len(owner)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return owner, start[owner] + offset


def _plane(corners: Array, values: Array) -> Array:
    """Coefficients (F, 3) of a x + b y + c through values (F, 3) at corners (F, 3, 2); flat triangles get zeros."""
    d1, d2 = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    v1, v2 = values[:, 1] - values[:, 0], values[:, 2] - values[:, 0]
    det = d1[:, 0] * d2[:, 1] - d1[:, 1] * d2[:, 0]
    with np.errstate(invalid="ignore"):
        safe = np.where(np.abs(det) > 1e-12, det, np.inf)
        a = (v1 * d2[:, 1] - v2 * d1[:, 1]) / safe
        b = (v2 * d1[:, 0] - v1 * d2[:, 0]) / safe
    return np.stack([a, b, values[:, 0] - a * corners[:, 0, 0] - b * corners[:, 0, 1]], -1)
