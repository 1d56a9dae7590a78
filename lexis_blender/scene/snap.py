"""Bringing the object to the body: the rigid shift that closes the gap where they are to touch."""

from __future__ import annotations

import numpy as np

from lexis_core.errors import InputError
from lexis_core.interfield import closest
from lexis_core.mesh import Mesh

from .fields import Goal

Array = np.ndarray

TOUCH = 0.5     # a painted field above this asks for touch
NEAREST = 0.01  # metres; without paint, what is nearer than the nearest point and this is to touch
ROUNDS = 12     # each shift changes which points are nearest
CLOSED = 5e-4   # metres; a shift that is shorter than this is none


def shift(body: Mesh, item: Mesh, painted: Goal | None) -> Array:
    """How far to move the item, (3,) metres: by the mean gap of the pairs that are to touch, again until it is closed.

    painted : where touch was painted it is closed, on both surfaces' paint where both have some; None closes the
              nearest gap
    Raises InputError when the painted places ask for no touch.
    """
    touching = None if painted is None else (painted.body_mask & (painted.body > TOUCH),
                                             painted.object_mask & (painted.object > TOUCH))
    if touching is not None and not (touching[0].any() or touching[1].any()):
        raise InputError("The object cannot be snapped.", "No vertex is painted as touching.",
                         "Paint values above 0.5 where body and object should touch, or press Reset.")
    total = np.zeros(3)
    if touching is not None and touching[0].any() and touching[1].any():  # bring the painted places together first
        total += body.vertices[touching[0]].mean(0) - item.vertices[touching[1]].mean(0)
    for _ in range(ROUNDS):
        moved = Mesh((item.vertices + total).astype(np.float32), item.faces)
        step = _gaps(body, moved, touching).mean(0)
        total += step
        if np.linalg.norm(step) < CLOSED:
            break
    return total


def _gaps(body: Mesh, item: Mesh, touching: tuple[Array, Array] | None) -> Array:
    """(N, 3) from points of the item to the points of the body that they are to touch."""
    if touching is None:
        there = closest(item.vertices, body)[0] - item.vertices
        back = body.vertices - closest(body.vertices, item)[0]
        gaps = np.concatenate([there, back]).astype(np.float64)
        length = np.linalg.norm(gaps, axis=1)
        return gaps[length <= length.min() + NEAREST]
    gaps = []
    for points, own, other, sign in ((body.vertices[touching[0]], 0, item, -1), (item.vertices[touching[1]], 1, body, 1)):
        if len(points):
            target = _part(other, touching[1 - own])
            gaps.append(sign * (closest(points, target)[0] - points).astype(np.float64))
    return np.concatenate(gaps)


def _part(mesh: Mesh, chosen: Array) -> Mesh:
    """The faces with a chosen corner; the whole mesh when there is none."""
    faces = mesh.faces[chosen[mesh.faces].any(1)]
    return Mesh(mesh.vertices, faces) if len(faces) else mesh
