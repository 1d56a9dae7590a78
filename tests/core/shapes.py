"""Meshes the tests measure: balls, boxes, and whatever hypothesis thinks of."""

from __future__ import annotations

import numpy as np
import trimesh
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lexis_core.mesh import Mesh

coordinates = st.floats(-2, 2, width=32, allow_subnormal=False)


def points(count: int = 12):
    return arrays(np.float32, (count, 3), elements=coordinates)


@st.composite
def meshes(draw) -> Mesh:
    """Triangle soups: open, non-manifold, with stray vertices, degenerate and repeated faces, shared positions."""
    vertices = draw(arrays(np.float32, (draw(st.integers(1, 12)), 3), elements=coordinates))
    shape = (draw(st.integers(1, 20)), 3)
    return Mesh(vertices, draw(arrays(np.int32, shape, elements=st.integers(0, len(vertices) - 1))))


def from_trimesh(mesh: trimesh.Trimesh) -> Mesh:
    return Mesh(np.asarray(mesh.vertices, np.float32), np.asarray(mesh.faces, np.int32))


def ball(radius: float = 1.0, center=(0, 0, 0), level: int = 4) -> Mesh:
    return from_trimesh(trimesh.creation.icosphere(level, radius).apply_translation(center))


def box(low, high) -> Mesh:
    return from_trimesh(trimesh.creation.box(bounds=[low, high]))


def joined(*parts: Mesh) -> Mesh:
    starts = np.cumsum([0] + [len(p.vertices) for p in parts])
    faces = [p.faces + start for p, start in zip(parts, starts, strict=False)]
    return Mesh(np.concatenate([p.vertices for p in parts]), np.concatenate(faces).astype(np.int32))


def turned_out(mesh: Mesh) -> Mesh:
    return Mesh(mesh.vertices, mesh.faces[:, ::-1].copy())
