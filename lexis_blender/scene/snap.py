"""Bringing the object to the body: the rigid shift that closes the gap where they are to touch."""

from __future__ import annotations

import numpy as np

from lexis_core.errors import InputError
from lexis_core.interfield import closest, inside
from lexis_core.mesh import Mesh

from .fields import Goal

Array = np.ndarray

TOUCH = 0.5    # a painted field above this asks for touch
ROUNDS = 12    # each shift changes which points are nearest
CLOSED = 5e-4  # metres; a shift that is shorter than this is none


def to_nearest(body: Mesh, item: Mesh) -> Array:
    """How far to move the item until it touches the body where it is nearest, (3,) metres; 0 where they overlap."""
    if inside(item.vertices, body).any() or inside(body.vertices, item).any():
        return np.zeros(3)
    there = closest(item.vertices, body)[0] - item.vertices
    back = body.vertices - closest(body.vertices, item)[0]
    gaps = np.concatenate([there, back]).astype(np.float64)
    return gaps[np.linalg.norm(gaps, axis=1).argmin()]


def to_paint(body: Mesh, item: Mesh, painted: Goal) -> Array:
    """How far to move the item, (3,) metres, so that the mean gap is closed where touch was painted.

    Where both surfaces have such paint, between the painted places. InputError when the paint asks for no touch.
    """
    body_touch, item_touch = (mask & (field > TOUCH) for field, mask in
                              ((painted.body, painted.body_mask), (painted.object, painted.object_mask)))
    if not (body_touch.any() or item_touch.any()):
        raise InputError("The object cannot be snapped.", "No vertex is painted as touching.",
                         "Paint values above 0.5 where body and object should touch, or press Reset.")
    total = np.zeros(3)
    if body_touch.any() and item_touch.any():  # else each would look for its nearest, far from the other's paint
        total += body.vertices[body_touch].mean(0) - item.vertices[item_touch].mean(0)
    for _ in range(ROUNDS):
        moved = Mesh((item.vertices + total).astype(np.float32), item.faces)
        gaps = np.concatenate([_gaps(moved, item_touch, _part(body, body_touch)),
                               -_gaps(body, body_touch, _part(moved, item_touch))])
        step = gaps.mean(0)
        total += step
        if np.linalg.norm(step) < CLOSED:
            break
    return total


def _gaps(mesh: Mesh, chosen: Array, target: Mesh) -> Array:
    """(N, 3) metres from the chosen vertices to the target."""
    points = mesh.vertices[chosen]
    return (closest(points, target)[0] - points).astype(np.float64) if len(points) else np.zeros((0, 3))


def _part(mesh: Mesh, chosen: Array) -> Mesh:
    """The faces between chosen vertices; where there is none, those beside them; the whole mesh when none is chosen."""
    for inner in (chosen[mesh.faces].all(1), chosen[mesh.faces].any(1)):
        if inner.any():
            return Mesh(mesh.vertices, mesh.faces[inner])
    return mesh
