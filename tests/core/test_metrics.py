"""The evaluation's numbers against hand counts, closed forms and scipy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.distance import cdist
from scipy.spatial.transform import Rotation
from shapes import ball, box, from_trimesh, turned_out
from trimesh import Trimesh

from lexis_core import metrics
from lexis_core.errors import InputError
from lexis_core.interfield import closest, measure
from lexis_core.mesh import Mesh, sample_surface
from lexis_core.metrics import ContactScores, chamfer, contact_scores, pa_chamfer, surface_chamfer

NAN = float("nan")
TURN = Rotation.from_rotvec([0.3, -0.5, 1.0]).as_matrix()


def grid(height: float, cells: int = 20) -> Mesh:
    """A square metre, level at that height, of 2 cells^2 faces."""
    x, y = np.meshgrid(np.linspace(0, 1, cells + 1), np.linspace(0, 1, cells + 1))
    corner = (np.arange(cells)[:, None] * (cells + 1) + np.arange(cells)).ravel()
    right, up = corner + 1, corner + cells + 1
    faces = np.concatenate([np.stack([corner, right, up], 1), np.stack([right, up + 1, up], 1)])
    return Mesh(np.stack([x, y, np.full_like(x, height)], -1).reshape(-1, 3).astype(np.float32), faces.astype(np.int32))


def test_chamfer_agrees_with_all_pairs():
    a, b = ball(0.3), box([0, 0, 0], [0.4, 0.3, 0.2])
    gaps = cdist(sample_surface(a, 6000, 8)[0], sample_surface(b, 6000, 9)[0])
    assert chamfer(a, b, seed=4) == pytest.approx(100 * (gaps.min(0).mean() + gaps.min(1).mean()), rel=1e-5)


def test_chamfer_is_the_sum_of_both_ways_in_centimetres():
    assert surface_chamfer(grid(0), grid(0.03)) == pytest.approx(6, abs=1e-4)
    inner, outer = ball(0.5, level=5), ball(0.6, level=5)
    assert surface_chamfer(inner, outer) == pytest.approx(20, abs=0.1)
    assert chamfer(grid(0), grid(0.3)) == pytest.approx(60, abs=0.1)


def test_equal_meshes_have_the_floor_that_the_docstring_says():
    body_sized = ball(np.sqrt(1.8 / (4 * np.pi)), level=5)
    assert chamfer(body_sized, body_sized) == pytest.approx(100 * np.sqrt(1.8 / 6000), rel=0.02)
    assert chamfer(body_sized, body_sized) == pytest.approx(1.7, abs=0.05)
    assert surface_chamfer(body_sized, body_sized) < 1e-3


def test_chamfer_does_not_see_how_vertices_crowd():
    even = ball(0.5)
    crowded = Trimesh(even.vertices, even.faces, process=False)
    crowded = from_trimesh(crowded.subdivide(np.flatnonzero(crowded.triangles_center[:, 0] > 0)))
    assert surface_chamfer(crowded, ball(0.5, (0.1, 0, 0))) == pytest.approx(
        surface_chamfer(even, ball(0.5, (0.1, 0, 0))), rel=0.02)


def test_a_similarity_between_reconstruction_and_truth_costs_nothing():
    body, object = ball(0.5, (0, 1, 0)), box([0.5, 0, 0], [1, 0.3, 0.3])
    moved = [part.moved(TURN, [1, 2, 3], 1.7) for part in (body, object)]
    errors = pa_chamfer(*moved, body, object, between=surface_chamfer)
    assert errors.body < 1e-3 and errors.object < 1e-3


def test_one_similarity_serves_both_parts():
    body, object = ball(0.5), ball(0.1, (0.7, 0, 0))
    errors = pa_chamfer(body, object.moved(np.eye(3), [0.2, 0, 0]), body, object, between=surface_chamfer)
    both = np.concatenate([body.vertices, object.vertices]).astype(float)
    shifted = both + np.repeat([[0, 0, 0], [0.2, 0, 0]], [len(body.vertices), len(object.vertices)], 0)
    target, source = both - both.mean(0), shifted - shifted.mean(0)
    scale = (source * target).sum() / (source**2).sum()  # by symmetry about x the best rotation is none
    x_body, x_object = scale * (np.array([0, 0.9]) - shifted.mean(0)[0]) + both.mean(0)[0]
    assert errors.body == pytest.approx(surface_chamfer(
        body.moved(np.eye(3), [x_body, 0, 0], scale), body), abs=0.02)
    assert errors.object == pytest.approx(surface_chamfer(
        ball(0.1 * scale, (x_object, 0, 0)), object), abs=0.05)
    assert errors.object > 1


def test_meshes_of_another_topology_align_by_given_pairs():
    body, object = ball(0.5, level=4), ball(0.2, (0.7, 0, 0), level=4)
    others = [part.moved(TURN, [1, 2, 3], 0.5) for part in (ball(0.5, level=5), ball(0.2, (0.7, 0, 0), level=5))]
    joints = np.random.default_rng(0).normal(size=(55, 3))
    pairs = 0.5 * joints @ TURN.T + [1, 2, 3], joints
    errors = pa_chamfer(*others, body, object, pairs, between=surface_chamfer)
    assert errors.body < 0.5 and errors.object < 0.5
    with pytest.raises(InputError):
        pa_chamfer(*others, body, object)


def test_faces_turned_round_are_the_same_topology():
    body, object = ball(0.5), box([0.5, 0, 0], [1, 0.3, 0.3])
    assert pa_chamfer(turned_out(body), object, body, object, between=surface_chamfer).body < 1e-3


def test_contact_scores_are_those_counted_by_hand():
    predicted = np.array([1, 1, 1, 0, 0, 0, 0, 0], bool)
    truth = np.array([1, 0, 0, 1, 1, 0, 0, 0], bool)
    scores = contact_scores(predicted, truth)
    assert scores == ContactScores(pytest.approx(1 / 3), pytest.approx(1 / 3), pytest.approx(1 / 3))
    scores = contact_scores(predicted, np.array([1, 1, 0, 0, 0, 0, 0, 0], bool))
    assert (scores.precision, scores.recall, scores.f1) == pytest.approx((2 / 3, 1, 0.8))


@given(arrays(bool, (2, 30)))
def test_f1_is_the_harmonic_mean_where_it_is_defined(masks):
    scores = contact_scores(*masks)
    if masks.any(1).all() and (masks[0] & masks[1]).any():
        assert scores.f1 == pytest.approx(2 / (1 / scores.precision + 1 / scores.recall))
    elif masks.any():
        assert scores.f1 == 0


def test_a_sample_without_contact_is_left_out_of_that_score_only():
    none, some = np.zeros(4, bool), np.array([1, 1, 0, 0], bool)
    scores = [contact_scores(some, some), contact_scores(none, some), contact_scores(some, none),
              contact_scores(none, none)]
    assert_array_equal([s.precision for s in scores], [1, NAN, 0, NAN])
    assert_array_equal([s.recall for s in scores], [1, 0, NAN, NAN])
    assert_array_equal([s.f1 for s in scores], [1, 0, 0, NAN])
    mean = metrics.mean_contact_scores(scores)
    assert (mean.precision, mean.recall, mean.f1) == pytest.approx((1 / 2, 1 / 2, 1 / 3))
    assert np.isnan(metrics.mean_contact_scores([scores[-1]]).f1)
    assert np.isnan(metrics.mean_contact_scores([]).f1)


def test_labels_carry_over_to_another_topology():
    coarse, fine = ball(0.5, level=3), ball(0.5, level=5)
    carried = metrics.transfer_labels(coarse.vertices[:, 0] > 0.1, coarse, fine.vertices)
    clear = np.abs(fine.vertices[:, 0] - 0.1) > 0.05
    assert_array_equal(carried[clear], (fine.vertices[:, 0] > 0.1)[clear])
    assert_array_equal(metrics.transfer_labels(np.arange(len(fine.vertices)), fine, fine.vertices),
                       np.arange(len(fine.vertices)))


def test_labels_come_from_the_surface_and_not_from_a_nearer_vertex_of_another_part():
    long = Mesh(np.array([[0, 0, 0], [10, 0, 0], [0, 10, 0], [4, 1, 1], [4.1, 1, 1], [4, 1.1, 1]], np.float32),
                np.array([[0, 1, 2], [3, 4, 5]], np.int32))
    point = np.array([[4, 1, 0.2]], np.float32)
    assert closest(point, long)[1] == 0
    assert metrics.transfer_labels(np.arange(6), long, point) == 0


def test_contact_on_two_topologies_scores_as_on_one():
    object = box([0.49, -0.2, -0.2], [1, 0.2, 0.2])
    coarse, fine = ball(0.5, level=4), ball(0.5, level=5)
    mask = measure(coarse, object).contact()[0]
    truth = measure(fine, object).contact()[0]
    assert contact_scores(metrics.transfer_labels(mask, coarse, fine.vertices), truth).f1 > 0.9


def test_proximity_error_is_the_area_weighted_mean():
    body, object = grid(0), grid(0.1)
    truth = measure(body, object)
    errors = metrics.proximity_error(measure(body, grid(0.2)), truth, body, object)
    assert errors.body == pytest.approx(np.exp(-0.5) - np.exp(-2), rel=1e-5)
    assert errors.object == pytest.approx(errors.body)
    half = replace(truth, body=np.where(body.vertices[:, 0] < 0.5, truth.body, 0).astype(np.float32))
    assert metrics.proximity_error(half, truth, body, object).body == pytest.approx(np.exp(-0.5) * 21 / 40, rel=1e-5)


def test_fields_that_do_not_match_are_not_compared():
    body, object = grid(0), grid(0.1)
    truth = measure(body, object)
    for other in (measure(body, object, 0.2), measure(grid(0, 3), object), measure(body, grid(0.1, 3))):
        with pytest.raises(InputError):
            metrics.proximity_error(other, truth, body, object)


def test_pose_errors_are_in_degrees_and_centimetres():
    turned = Rotation.from_euler("y", 30, degrees=True).as_matrix() @ TURN
    degrees, centimetres = metrics.pose_error(turned, [0.03, 0, 0.04], TURN, np.zeros(3))
    assert degrees == pytest.approx(30)
    assert centimetres == pytest.approx(5)


def test_iou_counts_pixels():
    a, b = np.zeros((2, 10, 10), bool)
    a[:4], b[2:6] = True, True
    assert metrics.iou(a, b) == pytest.approx(20 / 60)
    assert metrics.iou(255 * a.astype(np.uint8), a) == 1
    assert metrics.iou(a, ~a) == 0
    assert np.isnan(metrics.iou(a & ~a, b & ~b))


def test_the_interval_agrees_with_scipy():
    values = np.random.default_rng(1).exponential(size=60)
    ours = metrics.bootstrap_ci(np.append(values, NAN))
    theirs = scipy.stats.bootstrap((values,), np.mean, method="percentile", random_state=2).confidence_interval
    assert ours.mean == pytest.approx(values.mean())
    assert_allclose([ours.low, ours.high], theirs, atol=0.02)
    assert metrics.bootstrap_ci(values, seed=3, resamples=100) == metrics.bootstrap_ci(values, seed=3, resamples=100)


def test_one_value_has_a_mean_and_no_interval():
    one = metrics.bootstrap_ci([2.0])
    assert one.mean == 2 and np.isnan([one.low, one.high]).all()
    assert np.isnan(metrics.bootstrap_ci([]).mean)
