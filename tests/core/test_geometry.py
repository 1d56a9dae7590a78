"""Rotations and alignments against scipy and trimesh, the camera against OpenCV and closed forms."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import trimesh
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose
from scipy.linalg import polar
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

from lexis_core import geometry
from lexis_core.camera import DEFAULT_FIELD_OF_VIEW, Camera

vectors = arrays(np.float64, (5, 3), elements=st.floats(-4, 4, allow_subnormal=False))


def rotations(seed: int, count: int = 200) -> Rotation:
    return Rotation.random(count, random_state=seed)


@given(vectors)
def test_axis_angles_become_the_rotations_of_scipy(axis_angles):
    assert_allclose(geometry.rotation_from_axis_angle(axis_angles), Rotation.from_rotvec(axis_angles).as_matrix(),
                    atol=1e-12)


@given(vectors)
def test_axis_angles_come_back_as_the_same_rotation(axis_angles):
    rotation = Rotation.from_rotvec(axis_angles)
    back = geometry.axis_angle_from_rotation(rotation.as_matrix())
    assert np.all(np.linalg.norm(back, axis=-1) <= np.pi + 1e-9)
    assert (Rotation.from_rotvec(back) * rotation.inv()).magnitude().max() < 1e-7


@pytest.mark.parametrize("angle", [0, 1e-12, 1e-7, 1e-3, np.pi - 1e-7, np.pi])
def test_small_and_half_turns_survive(angle):
    axis_angle = angle * np.array([2, -3, 6]) / 7
    rotation = geometry.rotation_from_axis_angle(axis_angle)
    back = geometry.rotation_from_axis_angle(geometry.axis_angle_from_rotation(rotation))
    assert_allclose(back, rotation, atol=1e-9)
    assert_allclose(rotation, Rotation.from_rotvec(axis_angle).as_matrix(), atol=1e-12)


def test_float32_stays_float32():
    assert geometry.rotation_from_axis_angle(np.ones((4, 3), np.float32)).dtype == np.float32


def test_quaternions_agree_with_scipy_up_to_sign():
    r = rotations(0)
    xyzw = r.as_quat()
    ours = geometry.quaternion_from_rotation(r.as_matrix())
    assert np.all(ours[:, 0] >= 0)
    assert_allclose(np.abs((ours * xyzw[:, [3, 0, 1, 2]]).sum(1)), 1, atol=1e-12)
    assert_allclose(geometry.rotation_from_quaternion(3 * ours), r.as_matrix(), atol=1e-12)


def test_batch_axes_are_kept():
    r = rotations(1, 12).as_matrix().reshape(3, 4, 3, 3)
    for there, back in (
        (geometry.quaternion_from_rotation, geometry.rotation_from_quaternion),
        (geometry.axis_angle_from_rotation, geometry.rotation_from_axis_angle),
        (geometry.sixd_from_rotation, geometry.rotation_from_sixd),
    ):
        assert_allclose(back(there(r)), r, atol=1e-9)
    assert_allclose(geometry.nearest_rotation(r), r, atol=1e-12)


@given(arrays(np.float64, (3, 6), elements=st.floats(-10, 10, allow_subnormal=False)))
def test_any_six_numbers_that_span_a_plane_make_a_rotation(sixd):
    a, b = sixd[:, :3], sixd[:, 3:]
    if np.linalg.norm(np.cross(a, b), axis=1).min() < 1e-3:
        return
    r = geometry.rotation_from_sixd(sixd)
    assert_allclose(r @ np.swapaxes(r, -1, -2), np.broadcast_to(np.eye(3), (3, 3, 3)), atol=1e-9)
    assert_allclose(np.linalg.det(r), 1, atol=1e-9)
    assert_allclose(np.cross(r[..., 0], a), 0, atol=1e-9)


def test_the_nearest_rotation_is_the_polar_factor():
    rng = np.random.default_rng(2)
    for _ in range(50):
        m = rng.normal(size=(3, 3))
        if np.linalg.det(m) < 0:
            m = -m
        assert_allclose(geometry.nearest_rotation(m), polar(m)[0], atol=1e-9)


def test_a_mirror_still_gives_a_rotation():
    r = geometry.nearest_rotation(np.diag([1.0, 1.0, -0.5]))
    assert np.linalg.det(r) == pytest.approx(1)


def test_the_angle_between_rotations_agrees_with_scipy():
    a, b = rotations(3), rotations(4)
    assert_allclose(geometry.rotation_degrees(a.as_matrix(), b.as_matrix()), np.degrees((a.inv() * b).magnitude()),
                    atol=1e-6)


def test_cross_matrix_is_the_cross_product():
    u, v = np.random.default_rng(5).normal(size=(2, 10, 3))
    assert_allclose((geometry.cross_matrix(u) @ v[..., None])[..., 0], np.cross(u, v))


def noisy_pair() -> tuple[np.ndarray, np.ndarray]:
    source, noise = np.random.default_rng(6).normal(size=(2, 40, 3))
    return source, 1.8 * rotations(7, 1)[0].apply(source) + [1, 2, 3] + 0.3 * noise


def test_rigid_alignment_agrees_with_trimesh():
    source, target = noisy_pair()
    scale, rotation, translation = geometry.align(source, target, scaled=False)
    matrix = trimesh.registration.procrustes(source, target, reflection=False, scale=False)[0]
    assert scale == 1
    assert_allclose(rotation, matrix[:3, :3], atol=1e-9)
    assert_allclose(translation, matrix[:3, 3], atol=1e-9)


def test_similarity_alignment_is_the_least_squares_one():
    source, target = noisy_pair()

    def residual(x):
        return (np.exp(x[6]) * Rotation.from_rotvec(x[:3]).apply(source) + x[3:6] - target).ravel()

    start = np.r_[rotations(7, 1)[0].as_rotvec(), 0, 0, 0, 0]
    best = least_squares(residual, start, xtol=1e-15, ftol=1e-15, gtol=1e-15).x
    scale, rotation, translation = geometry.align(source, target, scaled=True)
    assert scale == pytest.approx(np.exp(best[6]), abs=1e-6)
    assert_allclose(rotation, Rotation.from_rotvec(best[:3]).as_matrix(), atol=1e-6)
    assert_allclose(translation, best[3:6], atol=1e-6)


def test_alignment_never_mirrors():
    source = np.random.default_rng(8).normal(size=(30, 3))
    assert np.linalg.det(geometry.align(source, source * [1, 1, -1], True)[1]) == pytest.approx(1)


def test_flat_points_align_exactly():
    source = np.random.default_rng(9).normal(size=(30, 3)) * [1, 1, 0]
    turn = rotations(10, 1)[0]
    scale, rotation, translation = geometry.align(source, 2 * turn.apply(source) + 5, True)
    assert_allclose(scale * source @ rotation.T + translation, 2 * turn.apply(source) + 5, atol=1e-9)
    assert scale == pytest.approx(2)


def test_projection_agrees_with_opencv():
    camera = Camera(640, 480, (700.0, 650.0), (300.0, 250.0))
    points = np.random.default_rng(11).uniform([-1, -1, 2], [1, 1, 5], (50, 3))
    matrix = np.array([[700, 0, 300], [0, 650, 250], [0, 0, 1.0]])
    expected = cv2.projectPoints(points, np.zeros(3), np.zeros(3), matrix, None)[0][:, 0]
    assert_allclose(camera.project(points), expected, atol=1e-9)
    assert_allclose(camera.lift(camera.project(points), points[:, 2]), points, atol=1e-9)


def test_points_behind_the_lens_have_no_pixel():
    pixels = Camera.of_image(100, 50).project(np.array([[0, 0, 1], [0, 0, 0], [1, 1, -2]], np.float32))
    assert_allclose(pixels[0], [50, 25])
    assert np.isnan(pixels[1:]).all()
    assert pixels.dtype == np.float32


def test_the_default_field_of_view_spans_the_longer_side():
    camera = Camera.of_image(300, 800)
    edge = camera.lift(np.array([150.0, 800.0]), np.array(1.0))
    assert np.arctan(edge[1]) == pytest.approx(DEFAULT_FIELD_OF_VIEW / 2)


def test_a_crop_sees_what_the_whole_camera_sees():
    camera = Camera.of_image(640, 480, 500)
    points = np.random.default_rng(12).uniform([-1, -1, 2], [1, 1, 5], (20, 3))
    cropped = camera.cropped((100, 50, 300, 450), 224, 112).project(points)
    assert_allclose(cropped, (camera.project(points) - [100, 50]) * [224 / 200, 112 / 400], atol=1e-9)
