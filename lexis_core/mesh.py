"""Triangle meshes as two arrays, and what can be said of their surface."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from lexis_core.errors import InputError

Array = np.ndarray


@dataclass(frozen=True)
class Mesh:
    """A triangle mesh. It may be open, non-manifold, or carry stray vertices and degenerate faces.

    vertices : (V, 3) float32, metres
    faces    : (F, 3) int32, indices into vertices, counter-clockwise seen from outside
    """

    vertices: Array
    faces: Array

    def moved(self, rotation: Array, translation: Array, scale: float = 1.0) -> Mesh:
        """The mesh at scale * R v + t. rotation (3, 3), translation (3,) in metres."""
        vertices = scale * self.vertices @ np.asarray(rotation, np.float32).T + np.asarray(translation, np.float32)
        return replace(self, vertices=vertices.astype(np.float32))


def face_areas(mesh: Mesh) -> Array:
    """(F,) float64, square metres."""
    a, b, c = (mesh.vertices[mesh.faces[:, k]].astype(np.float64) for k in range(3))
    return 0.5 * np.linalg.norm(np.cross(b - a, c - a), axis=1)


def vertex_areas(mesh: Mesh) -> Array:
    """(V,) float64, square metres: a third of every face goes to each of its corners. Stray vertices get 0."""
    thirds = np.repeat(face_areas(mesh) / 3, 3)
    return np.bincount(mesh.faces.ravel(), weights=thirds, minlength=len(mesh.vertices))


def vertex_normals(mesh: Mesh) -> Array:
    """(V, 3) float64 area-weighted unit normals; zero at stray vertices."""
    a, b, c = (mesh.vertices[mesh.faces[:, k]].astype(np.float64) for k in range(3))
    face = np.cross(b - a, c - a)
    total = np.stack([np.bincount(mesh.faces.ravel(), np.repeat(face[:, k], 3), len(mesh.vertices)) for k in range(3)],
                     -1)
    return total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-12)


def sample_surface(mesh: Mesh, count: int, seed: int) -> tuple[Array, Array]:
    """Area-weighted points on the surface: (count, 3) float32 metres and the face of each (count,) int32.

    Raises InputError when the mesh has no area.
    """
    rng = np.random.default_rng(seed)
    areas = face_areas(mesh)
    if not areas.sum() > 0:
        raise InputError(
            "No points can be taken from the surface of this mesh.",
            "Its faces have no area, or it has none.",
            "Give a mesh with triangles.",
        )
    face = rng.choice(len(areas), count, p=areas / areas.sum()).astype(np.int32)
    u, v = rng.random((2, count, 1))
    flip = u + v > 1
    u, v = np.where(flip, 1 - u, u), np.where(flip, 1 - v, v)
    a, b, c = (mesh.vertices[mesh.faces[face, k]] for k in range(3))
    return (a + u * (b - a) + v * (c - a)).astype(np.float32), face


def spread(points: Array, count: int) -> Array:
    """(..., count) int64: which of points (..., N, 3) lie as far apart as can be, each the farthest from those before
    (Gonzalez 1985). The first is the first."""
    rows = np.zeros((*points.shape[:-2], count), np.int64)
    far = np.full(points.shape[:-1], np.inf, np.float32)
    for k in range(1, count):
        away = points - np.take_along_axis(points, rows[..., k - 1, None, None], -2)
        np.minimum(far, np.einsum("...d,...d->...", away, away), out=far)
        rows[..., k] = far.argmax(-1)
    return rows
