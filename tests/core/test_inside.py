"""Inside and outside, against closed forms, on meshes whole and broken."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from numpy.testing import assert_array_equal
from shapes import ball, box, joined, meshes, points, turned_out

from lexis_core.interfield import inside, measure
from lexis_core.mesh import Mesh


def shell_queries() -> tuple[np.ndarray, np.ndarray]:
    """Points in and around the unit ball, none nearer than 5 cm to its surface, and which are inside."""
    directions = np.random.default_rng(4).normal(size=(2000, 3))
    radii = np.random.default_rng(5).uniform(0, 2, (2000, 1))
    radii = radii[np.abs(radii - 1) > 0.05][:1500, None]
    directions = directions[: len(radii)] / np.linalg.norm(directions[: len(radii)], axis=1, keepdims=True)
    return (radii * directions).astype(np.float32), radii[:, 0] < 1


def test_inside_a_ball_is_the_closed_form():
    queries, expected = shell_queries()
    assert_array_equal(inside(queries, ball()), expected)


def test_inside_a_box_is_the_closed_form():
    queries = np.random.default_rng(6).uniform(-1, 2, (2000, 3)).astype(np.float32)
    expected = np.all((queries > 0) & (queries < [1, 0.5, 1]), axis=1)
    assert_array_equal(inside(queries, box([0, 0, 0], [1, 0.5, 1])), expected)


def test_holes_and_flipped_faces_do_not_change_the_inside():
    mesh, rng = ball(), np.random.default_rng(7)
    faces = mesh.faces[rng.random(len(mesh.faces)) > 0.05]
    flipped = rng.random(len(faces)) < 0.05
    faces[flipped] = faces[flipped, ::-1]
    queries, expected = shell_queries()
    clear = np.abs(np.linalg.norm(queries, axis=1) - 1) > 0.15
    assert_array_equal(inside(queries, Mesh(mesh.vertices, faces))[clear], expected[clear])


def test_a_mesh_turned_inside_out_has_the_same_inside():
    queries, expected = shell_queries()
    assert_array_equal(inside(queries, turned_out(ball())), expected)


@pytest.mark.parametrize(("scale", "offset"), [(1e-3, 0), (1e3, 0), (1, 100)])
def test_inside_holds_at_any_scale_and_place(scale, offset):
    queries, expected = shell_queries()
    mesh = ball(scale, (offset, -offset, offset))
    assert_array_equal(inside((scale * queries + offset * np.array([1, -1, 1])).astype(np.float32), mesh), expected)


def test_the_cavity_of_a_hollow_ball_is_outside():
    queries, expected = shell_queries()
    hollow = joined(ball(), turned_out(ball(0.5)))
    radius = np.linalg.norm(queries, axis=1)
    clear = np.abs(radius - 0.5) > 0.02
    assert_array_equal(inside(queries, hollow)[clear], (expected & (radius > 0.5))[clear])


def test_overlapping_parts_make_one_inside():
    union = joined(ball(), ball(1, (1, 0, 0)))
    queries, first = shell_queries()
    second = np.linalg.norm(queries - [1, 0, 0], axis=1)
    clear = np.abs(second - 1) > 0.05
    assert_array_equal(inside(queries, union)[clear], (first | (second < 1))[clear])


def test_nothing_outside_the_bounding_box_is_inside_even_under_many_open_bowls():
    bowls = []
    for radius in (0.8, 0.85, 0.9, 0.95, 1.0):
        whole = ball(radius)
        bowls.append(Mesh(whole.vertices, whole.faces[whole.vertices[whole.faces][..., 2].min(1) >= -1e-6]))
    below = np.array([[0, 0, -0.1], [0.2, 0, -0.05]], np.float32)
    assert not inside(below, joined(*bowls)).any()
    assert inside(np.array([[0, 0, 0.3]], np.float32), bowls[-1]).all()


@settings(max_examples=50, deadline=None)
@given(meshes(), points())
def test_any_mesh_gives_an_answer_everywhere(mesh, points):
    assert inside(points, mesh).shape == (12,)
    field = measure(Mesh(points, mesh.faces % 12), mesh)
    for value in (field.body, field.object, field.body_distance, field.object_distance):
        assert value.dtype == np.float32 and np.isfinite(value).all()


def test_faces_without_area_have_no_inside():
    mesh = Mesh(np.array([[0, 0, 0], [1, 1, 1], [2, 2, 2]], np.float32), np.array([[0, 1, 2], [1, 1, 1]], np.int32))
    assert not inside(np.array([[0.5, 0.5, 0.5], [0.2, 0.3, 0.4]], np.float32), mesh).any()
