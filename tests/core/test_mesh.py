"""Areas, surface samples and motions of meshes, against trimesh and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh
from numpy.testing import assert_allclose, assert_array_equal

from lexis_core.errors import InputError
from lexis_core.mesh import Mesh, face_areas, sample_surface, spread, vertex_areas


def random_mesh(seed: int, vertices: int = 60, faces: int = 90) -> Mesh:
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(vertices, 3)).astype(np.float32)
    return Mesh(points, rng.integers(0, vertices, (faces, 3), dtype=np.int32))


def test_face_areas_agree_with_trimesh():
    mesh = random_mesh(1)
    assert_allclose(face_areas(mesh), trimesh.triangles.area(mesh.vertices.astype(float)[mesh.faces]), atol=1e-12)


def test_vertex_areas_add_up_to_the_area_of_the_surface():
    ball = trimesh.creation.icosphere(4, 0.3)
    areas = vertex_areas(Mesh(ball.vertices.astype(np.float32), ball.faces.astype(np.int32)))
    assert areas.sum() == pytest.approx(4 * np.pi * 0.3**2, rel=5e-3)


def test_a_face_gives_a_third_of_its_area_to_each_corner_and_a_stray_vertex_has_none():
    vertices = np.array([[0, 0, 0], [3, 0, 0], [0, 2, 0], [3, 2, 0], [9, 9, 9]], np.float32)
    mesh = Mesh(vertices, np.array([[0, 1, 2], [1, 3, 2], [4, 4, 4]], np.int32))
    assert_allclose(vertex_areas(mesh), [1, 2, 2, 1, 0])


def test_samples_lie_on_their_face_and_crowd_by_area():
    mesh = random_mesh(2, 12, 10)
    points, face = sample_surface(mesh, 20_000, 7)
    corners = mesh.vertices[mesh.faces[face]].astype(float)
    weights = trimesh.triangles.points_to_barycentric(corners, points.astype(float))
    filled = face_areas(mesh)[face] > 1e-3
    assert weights[filled].min() > -1e-3
    assert_allclose((weights[filled, :, None] * corners[filled]).sum(1), points[filled], atol=1e-5)
    assert_allclose(np.bincount(face, minlength=10) / 20_000, face_areas(mesh) / face_areas(mesh).sum(), atol=0.015)


def test_samples_are_even_within_a_triangle():
    triangle = Mesh(np.array([[0, 0, 0], [3, 0, 0], [0, 3, 0]], np.float32), np.array([[0, 1, 2]], np.int32))
    points, _ = sample_surface(triangle, 50_000, 3)
    assert_allclose(points.mean(0), [1, 1, 0], atol=0.02)
    assert (points.sum(1) < 1.5).mean() == pytest.approx(0.25, abs=0.01)  # half the side holds a quarter of the area


def test_the_same_seed_gives_the_same_samples():
    mesh = random_mesh(3)
    for again, other in zip(sample_surface(mesh, 50, 5), sample_surface(mesh, 50, 5), strict=True):
        assert_array_equal(again, other)
    assert not np.array_equal(sample_surface(mesh, 50, 5)[0], sample_surface(mesh, 50, 6)[0])


@pytest.mark.parametrize("faces", [np.zeros((0, 3), np.int32), np.array([[0, 1, 1], [2, 2, 2]], np.int32)])
def test_a_mesh_without_area_cannot_be_sampled(faces):
    with pytest.raises(InputError):
        sample_surface(Mesh(random_mesh(4).vertices, faces), 10, 0)


def test_points_that_are_spread_lie_apart():
    line = np.array([[0.4, 0, 0], [0, 0, 0], [1, 0, 0], [0.1, 0, 0], [0.7, 0, 0]], np.float32)
    assert_array_equal(spread(line, 4), [0, 2, 1, 4])  # the ends, then the middles of the gaps
    many = np.random.default_rng(0).random((2, 300, 3)).astype(np.float32)
    for points, rows in zip(many, spread(many, 40), strict=True):
        assert_array_equal(rows, spread(points, 40))
        gaps = np.linalg.norm(points[rows][:, None] - points[rows], axis=-1) + 9 * np.eye(40)
        left = np.linalg.norm(points[:, None] - points[rows], axis=-1).min(1)
        assert left.max() <= gaps.min()  # nothing that is left out is farther off than what was taken


def test_moved_agrees_with_trimesh():
    mesh = random_mesh(5)
    matrix = trimesh.transformations.random_rotation_matrix(np.random.default_rng(0).random(3))
    matrix[:3, 3] = 1, -2, 3
    other = trimesh.Trimesh(mesh.vertices * 1.7, mesh.faces, process=False).apply_transform(matrix)
    moved = mesh.moved(matrix[:3, :3], matrix[:3, 3], 1.7)
    assert_allclose(moved.vertices, other.vertices, atol=1e-5)
    assert moved.vertices.dtype == np.float32
    assert_array_equal(moved.faces, mesh.faces)
