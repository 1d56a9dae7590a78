"""How far points are from a posed body, fast: exact to the faces around the body's vertices nearest to each point.

A tree over 27,000 moving faces takes 30 times as long to build as the vertices' own. What is left out is a face nearer
than all those around the nearest vertices, which happens at the body's few large faces and in its creases.
"""

from __future__ import annotations

from functools import cache

import numba
import numpy as np
from scipy.spatial import cKDTree

from lexis_core.body import default_body

Array = np.ndarray

NEAREST = 6  # vertices whose faces are looked at


def body_distance(points: Array, vertices: Array) -> Array:
    """Distance of points (P, 3) to the default body posed to vertices (V, 3): (P,) float32 metres, unsigned.

    Never below interfield.distance; the same at more than 999 points in 1000 to 2 mm, at the worst off by millimetres.
    """
    nearest = cKDTree(vertices, balanced_tree=False, compact_nodes=False).query(points, k=NEAREST)[1]
    return _to_faces(np.asarray(points, np.float32), np.asarray(vertices, np.float32), nearest, *_around())


@cache
def _around() -> tuple[Array, Array, Array]:
    """faces (F, 3); the faces around vertex v are around[first[v]:first[v + 1]]."""
    model = default_body()
    order = np.argsort(model.faces.ravel(), kind="stable")
    uses = np.bincount(model.faces.ravel(), minlength=len(model.template))
    return model.faces, np.r_[0, np.cumsum(uses)], order // 3


@numba.njit(cache=True)
def _to_faces(points, vertices, nearest, faces, first, around):
    result = np.empty(len(points), np.float32)
    for p in range(len(points)):
        best = np.inf
        for v in nearest[p]:
            for k in range(first[v], first[v + 1]):
                a, b, c = faces[around[k]]
                best = min(best, _squared(points[p], vertices[a], vertices[b], vertices[c]))
        result[p] = np.sqrt(best)
    return result


@numba.njit(cache=True)
def _squared(p, a, b, c):
    """Squared distance to a triangle, in float64: inside it to its plane, else to the nearest of its edges."""
    ab, ac, ap = _from(a, b), _from(a, c), _from(a, p)
    bb, cc, bc = _dot(ab, ab), _dot(ac, ac), _dot(ab, ac)
    bp, cp = _dot(ab, ap), _dot(ac, ap)
    area = bb * cc - bc * bc
    v, w = cc * bp - bc * cp, bb * cp - bc * bp
    if area > 1e-20 and v >= 0 and w >= 0 and v + w <= area:
        v, w = v / area, w / area
        away = (ap[0] - v * ab[0] - w * ac[0], ap[1] - v * ab[1] - w * ac[1], ap[2] - v * ab[2] - w * ac[2])
        return _dot(away, away)
    return min(_to_edge(ap, ab), _to_edge(ap, ac), _to_edge(_from(b, p), _from(b, c)))


@numba.njit(cache=True)
def _to_edge(p, edge):
    length = _dot(edge, edge)
    t = min(max(_dot(p, edge) / length, 0.0), 1.0) if length > 0 else 0.0
    away = (p[0] - t * edge[0], p[1] - t * edge[1], p[2] - t * edge[2])
    return _dot(away, away)


@numba.njit(cache=True)
def _from(a, b):
    return np.float64(b[0]) - a[0], np.float64(b[1]) - a[1], np.float64(b[2]) - a[2]


@numba.njit(cache=True)
def _dot(a, b):
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
