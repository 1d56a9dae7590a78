"""The InterField against a brute force in float64, closed forms and its own symmetries."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.transform import Rotation
from shapes import ball, box, from_trimesh, meshes, points

from lexis_core import interfield
from lexis_core.errors import InputError
from lexis_core.interfield import closest, distance, distance_of, field_of, inside, measure, outer, outward, summary
from lexis_core.mesh import Mesh, sample_surface, spread


def to_segment(p, a, b):
    ab = b - a
    length = (ab * ab).sum(-1)
    t = np.clip(((p - a) * ab).sum(-1) / np.where(length > 0, length, 1), 0, 1)
    return np.linalg.norm(a + t[..., None] * ab - p, axis=-1)


def brute_force_distance(points, mesh: Mesh):
    """Every point against every triangle in float64: its three edges, and its plane where the foot falls inside."""
    p = points.astype(np.float64)[:, None]
    a, b, c = (mesh.vertices.astype(np.float64)[mesh.faces[None, :, k]] for k in range(3))
    edges = np.minimum(np.minimum(to_segment(p, a, b), to_segment(p, b, c)), to_segment(p, c, a))
    normal = np.cross(b - a, c - a)
    area = np.linalg.norm(normal, axis=-1)
    longest = np.maximum(np.maximum(np.linalg.norm(b - a, axis=-1), np.linalg.norm(c - b, axis=-1)), 1e-30)
    flat = area < 1e-10 * longest**2  # thinner than 1e-9 m: its edges say it all, and its normal is rounding
    unit = normal / np.where(flat, 1, area)[..., None]
    over = ~flat
    for start, end in ((a, b), (b, c), (c, a)):
        over = over & ((np.cross(end - start, p - start) * unit).sum(-1) >= 0)
    return np.where(over, np.abs(((p - a) * unit).sum(-1)), edges).min(1)



@settings(max_examples=300, deadline=None)
@given(meshes(), points())
def test_distance_is_exact_on_any_mesh(mesh, points):
    assert_allclose(distance(points, mesh), brute_force_distance(points, mesh), atol=1e-6)


@pytest.mark.parametrize("thickness", [0, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3])
def test_distance_is_exact_on_slivers(thickness):
    rng = np.random.default_rng(0)
    line = rng.uniform(-1, 1, (60, 1, 3)) + rng.uniform(-1, 2, (60, 3, 1)) * rng.uniform(-1, 1, (60, 1, 3))
    vertices = (line + thickness * rng.normal(size=(60, 3, 3))).reshape(-1, 3).astype(np.float32)
    mesh = Mesh(vertices, np.arange(180, dtype=np.int32).reshape(60, 3))
    queries = rng.normal(size=(500, 3)).astype(np.float32)
    assert_allclose(distance(queries, mesh), brute_force_distance(queries, mesh), atol=1e-6)


def test_distance_agrees_with_trimesh_on_an_open_surface():
    surface = ball(0.4, level=3)
    surface = Mesh(surface.vertices, surface.faces[::3].copy())
    queries = np.random.default_rng(1).normal(size=(100, 3)).astype(np.float32)
    triangles = np.tile(surface.vertices[surface.faces].astype(float), (100, 1, 1))
    repeated = np.repeat(queries, len(surface.faces), 0).astype(float)
    feet = trimesh.triangles.closest_point(triangles, repeated).reshape(100, -1, 3)
    gaps = np.linalg.norm(feet - queries[:, None], axis=2)
    assert_allclose(distance(queries, surface), gaps.min(1), atol=1e-6)
    assert_allclose(closest(queries, surface)[0], feet[np.arange(100), gaps.argmin(1)], atol=1e-5)


def test_distance_to_a_ball_is_the_closed_form():
    queries = np.random.default_rng(2).uniform(-2, 2, (500, 3)).astype(np.float32)
    fine = ball(level=6)
    assert_allclose(distance(queries, fine), np.abs(np.linalg.norm(queries, axis=1) - 1), atol=3e-4)


@settings(max_examples=50, deadline=None)
@given(meshes(), points())
def test_the_closest_point_lies_on_its_face_at_that_distance(mesh, points):
    nearest, face = closest(points, mesh)
    assert_allclose(np.linalg.norm(nearest - points, axis=1), distance(points, mesh), atol=2e-6)
    for point, f in zip(nearest, face, strict=True):
        assert brute_force_distance(point[None], Mesh(mesh.vertices, mesh.faces[f : f + 1])) < 1e-6


def test_a_vertex_without_faces_is_no_surface_but_has_a_distance():
    plate = box([0, 0, 0], [1, 1, 0.1])
    stray = Mesh(np.append(plate.vertices, [[0.5, 0.5, 3]], 0).astype(np.float32), plate.faces)
    assert distance(np.array([[0.5, 0.5, 3]], np.float32), stray) == pytest.approx(2.9)
    field = measure(stray, box([0, 0, 4], [1, 1, 5]))
    assert field.body_distance[-1] == pytest.approx(1.0)


def test_outward_is_away_from_the_inside_however_the_faces_wind():
    fine = ball(level=4)
    queries = fine.vertices[::7]
    turned = Mesh(fine.vertices, np.ascontiguousarray(fine.faces[:, ::-1]))
    for mesh in (fine, turned):
        assert ((outward(queries, closest(queries, mesh)[1], mesh) * queries).sum(1) > 0.98).all()


def test_out_is_not_known_of_an_open_sheet_or_of_an_inner_wall():
    sheet = Mesh(np.float32([[0, 0, 0], [1, 0, 0], [0, 1, 0]]), np.int32([[0, 1, 2]]))
    assert_array_equal(outward(np.float32([[0.2, 0.2, 0]]), [0], sheet), 0)
    a, b = box([0, 0, 0], [1, 1, 1]), box([0.5, 0, 0], [1.5, 1, 1])
    both = Mesh(np.concatenate([a.vertices, b.vertices]), np.concatenate([a.faces, b.faces + len(a.vertices)]))
    queries = np.float32([[1, 0.5, 0.5], [1.5, 0.5, 0.5]])
    wall, end = outward(queries, closest(queries, both)[1], both)
    assert_array_equal(wall, 0)
    assert_allclose(end, [1, 0, 0])


def test_points_of_the_outside_are_far_apart_and_on_no_inner_wall():
    a, b = box([0, 0, 0], [1, 1, 1]), box([0.5, 0, 0], [1.5, 1, 1])
    both = Mesh(np.concatenate([a.vertices, b.vertices]), np.concatenate([a.faces, b.faces + len(a.vertices)]))
    points, face = sample_surface(both, 1000, 0)
    rows, normals = outer(points, face, both, 100)
    assert_array_equal(normals, outward(points[rows], face[rows], both))
    assert_array_equal(np.linalg.norm(normals, axis=1), 1)
    wall = np.isclose(points[:, 0], 0.5) | np.isclose(points[:, 0], 1)
    assert wall.sum() > 100 and not wall[rows].any() and len(set(rows)) == 100
    assert_array_equal(outer(points[wall], face[wall], both, 20)[0], spread(points[wall], 20))  # too few elsewhere
    sheet = np.float32([[0, 0, 3], [1, 0, 3], [0, 1, 3]])
    more = Mesh(np.concatenate([both.vertices, sheet]), np.append(both.faces, [[16, 17, 18]], 0).astype(np.int32))
    at, on = np.concatenate([points[wall][:5], sheet.mean(0, keepdims=True)]), np.append(face[wall][:5], 24)
    assert_array_equal(outer(at, on, more, 1)[0], [5])  # an open sheet can be touched


def test_ten_thousand_copies_of_a_face_cost_what_one_costs_and_change_nothing():
    mesh = ball(level=2)
    many = Mesh(mesh.vertices, np.concatenate([mesh.faces, np.tile(mesh.faces[:1, [1, 2, 0]], (10_000, 1))]))
    queries = np.random.default_rng(3).normal(size=(300, 3)).astype(np.float32)
    assert_array_equal(distance(queries, many), distance(queries, mesh))
    assert_array_equal(inside(queries, many), inside(queries, mesh))



@given(st.floats(0, 1e30), st.floats(1e-3, 10))
def test_the_field_is_above_zero_and_at_most_one(metres, sigma):
    field = field_of(np.array([metres]), sigma)
    assert field.dtype == np.float32
    assert 0 < field[0] <= 1
    assert field[0] >= np.finfo(np.float32).tiny


def test_the_field_is_the_published_formula():
    metres = np.linspace(0, 1, 100)
    assert_allclose(field_of(metres, 0.1), np.exp(-(metres**2) / (2 * 0.1**2)), rtol=1e-6)
    assert field_of(np.array([0.1]), 0.1)[0] == pytest.approx(0.6065307)


def test_distances_come_back_from_the_field():
    for sigma in (0.02, 0.1, 1.0):
        metres = np.linspace(0, 13 * sigma, 5000)
        assert np.abs(distance_of(field_of(metres, sigma), sigma) - metres).max() < 4e-4 * sigma
        assert 13 * sigma < distance_of(field_of(np.array([50 * sigma]), sigma), sigma)[0] <= 50 * sigma


def test_painted_values_out_of_range_are_clamped():
    back = distance_of(np.array([-1, 0, 1, 2], np.float32), 0.1)
    assert back[2] == back[3] == 0
    assert back[0] == back[1] > 1.3


def test_two_meshes_far_apart_underflow_to_the_smallest_number_not_to_zero():
    field = measure(ball(level=1), ball(center=(1e6, 0, 0), level=1))
    assert (field.body > 0).all() and (field.object > 0).all()


def test_two_balls_see_each_other_alike_across_a_known_gap():
    left, right = (from_trimesh(trimesh.creation.uv_sphere(0.5, count=[64, 64])) for _ in range(2))
    right = right.moved(np.eye(3), [0, 0, 1.03])  # pole to pole along z
    field, swapped = measure(left, right), measure(right, left)
    assert summary(field, left, right).minimum_distance == pytest.approx(0.03, abs=1e-6)
    assert field.body.max() == pytest.approx(np.exp(-(0.3**2) / 2), abs=1e-5)
    assert_array_equal(field.body, swapped.object)
    assert_array_equal(field.object_inside, swapped.body_inside)
    mirrored = left.moved(np.diag([1.0, 1.0, -1.0]), [0, 0, 1.03])
    assert_allclose(measure(left, mirrored).body, measure(left, mirrored).object, atol=1e-5)


@pytest.mark.parametrize("scale", [0.01, 3.0, 100.0])
def test_the_field_only_knows_distance_over_sigma(scale):
    a, b = ball(0.3), ball(0.2, (0.3, 0.2, 0.1))
    small = measure(a, b, 0.1)
    large = measure(a.moved(np.eye(3), np.zeros(3), scale), b.moved(np.eye(3), np.zeros(3), scale), 0.1 * scale)
    assert_allclose(large.body, small.body, atol=1e-5)
    assert_array_equal(large.body_inside, small.body_inside)


def test_moving_both_meshes_together_changes_nothing():
    a, b = ball(0.3), ball(0.2, (0.3, 0.2, 0.1))
    turn, shift = Rotation.from_rotvec([1, 2, 3]).as_matrix(), [4, 5, 6]
    assert_allclose(measure(a.moved(turn, shift), b.moved(turn, shift)).object, measure(a, b).object, atol=2e-5)


def test_contact_is_what_is_nearer_than_the_threshold():
    field = measure(box([0, 0, 0], [1, 1, 1]), box([0, 0, 1.04], [1, 1, 2]))
    body, object = field.contact()
    assert_array_equal(body, field.body_distance < interfield.CONTACT)
    assert body.sum() == object.sum() == 4
    assert not any(mask.any() for mask in field.contact(0.03))


@pytest.mark.parametrize("sigma", [0, -0.1, float("nan"), float("inf")])
def test_sigma_must_be_a_length(sigma):
    with pytest.raises(InputError):
        measure(ball(level=1), ball(level=1), sigma)


def test_a_mesh_without_faces_is_refused_either_way():
    cloud = Mesh(np.zeros((5, 3), np.float32), np.zeros((0, 3), np.int32))
    for body, object in ((cloud, ball(level=1)), (ball(level=1), cloud)):
        with pytest.raises(InputError):
            measure(body, object)



def test_two_plates_share_their_area_in_contact():
    square = trimesh.Trimesh([[0, 0, 0], [2, 0, 0], [2, 1, 0], [0, 1, 0]], [[0, 1, 2], [0, 2, 3]], process=False)
    plate = from_trimesh(square)
    numbers = summary(measure(plate, plate.moved(np.eye(3), [0, 0, 0.03])), plate, plate)
    assert numbers.body_contact_area == pytest.approx(2)
    assert numbers.object_contact_area == pytest.approx(2)
    assert numbers.minimum_distance == pytest.approx(0.03)
    assert numbers.body_field == pytest.approx(np.exp(-0.3**2 / 2), rel=1e-5)
    assert numbers.penetration_share == numbers.maximum_depth == numbers.mean_depth == 0


def test_a_box_corner_in_a_box_is_an_eighth_of_its_vertices():
    body, object = box([0, 0, 0], [1, 1, 1]), box([0.6, 0.6, 0.6], [2, 2, 2])
    numbers = summary(measure(body, object), body, object)
    assert numbers.penetration_share == 1 / 8
    assert numbers.maximum_depth == pytest.approx(0.4)
    assert numbers.mean_depth == pytest.approx(0.4)
    assert numbers.minimum_distance == 0


def test_means_weigh_by_area_however_the_vertices_crowd():
    plain, crowded = ball(level=3), ball(level=3)
    dense = trimesh.Trimesh(crowded.vertices, crowded.faces, process=False)
    dense = from_trimesh(dense.subdivide(np.flatnonzero(dense.triangles_center[:, 0] > 0)))
    assert dense.vertices[:, 0].mean() > 0.1
    for mesh in (plain, dense):
        assert interfield.area_weighted_mean(mesh.vertices[:, 0], mesh) == pytest.approx(0, abs=2e-3)


def test_half_a_ball_in_a_wall_is_half_its_area_and_one_radius_deep():
    body, wall = ball(0.5, level=5), box([0, -2, -2], [2, 2, 2])
    field = measure(body, wall)
    numbers = summary(field, body, wall)
    assert numbers.penetration_area_share == pytest.approx(0.5, abs=0.02)
    assert numbers.maximum_depth == pytest.approx(0.5, abs=1e-3)
    assert numbers.mean_depth == pytest.approx(0.25, abs=0.01)  # Archimedes: heights are even over a sphere


def test_a_stick_through_a_sheet_of_few_vertices_still_has_a_depth():
    palm, stick = box([-1, -1, -0.02], [1, 1, 0.02]), box([-0.01, -0.01, -0.01], [0.01, 0.01, 3])
    numbers = summary(measure(palm, stick), palm, stick)
    assert numbers.penetration_share == 0
    assert numbers.maximum_depth == pytest.approx(0.01, abs=1e-6)


@settings(max_examples=25, deadline=None)
@given(meshes(), meshes())
def test_the_summary_of_any_two_meshes_is_finite(body, object):
    assume(len(body.vertices) > 2)
    numbers = summary(measure(body, object), body, object)
    assert np.isfinite(list(vars(numbers).values())).all()
