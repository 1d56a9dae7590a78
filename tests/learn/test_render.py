"""The training pictures: the same from the same seed, true masks and landmarks, and faults like the detector's."""

from __future__ import annotations

import time
from dataclasses import replace

import igl
import numpy as np
import pytest
from rendered_interactions import made_up_interactions

from lexis_core.body import default_body, pose
from lexis_core.mesh import Mesh
from lexis_core.raster import rasterise
from lexis_core.synthetic.clothing import random_outfit
from lexis_core.synthetic.detector import STATURE, detected, landmark_sites, with_helpers
from lexis_core.synthetic.render import (
    Rendered,
    clutter_piece,
    dressed_body,
    joined,
    object_piece,
    render,
    z_buffer,
)
from lexis_core.synthetic.shading import BODY, SAMPLES, THING

INTERACTIONS = made_up_interactions(12)


@pytest.fixture(scope="module")
def pictures() -> list[Rendered]:
    return [render(INTERACTIONS, i) for i in range(len(INTERACTIONS))]


def scene(i: int, seed: int = 0):
    """A dressed body, its object and a box before both, as geometry; and the camera."""
    rng = np.random.default_rng(seed)
    body, state, model = default_body(), INTERACTIONS.state(i), INTERACTIONS.object_model(i)
    outfit = replace(random_outfit(body, rng), skirt=None, long_hair=0.0)
    person = dressed_body(body, pose(body, state.body), state.body.betas, outfit, rng)
    thing = model.mesh.moved(state.object.rotation, state.object.translation)
    before = model.mesh.moved(state.object.rotation, state.object.translation * (0.8, 1, 0.6), 0.3)
    pieces = [person, object_piece(model, thing, state.object.rotation), clutter_piece(before, (), 0)]
    return joined(pieces, 10), INTERACTIONS.camera(i)


def test_a_seed_gives_the_same_bytes_and_another_seed_another_picture(pictures):
    again = render(INTERACTIONS, 3)
    for name in ("image", "person_mask", "object_mask", "landmarks", "landmarks_world", "confidence", "normals"):
        assert np.array_equal(getattr(pictures[3], name), getattr(again, name)), name
    other = render(replace(INTERACTIONS, seed=INTERACTIONS.seed + 1), 3)
    assert (other.image != again.image).mean() > 0.5
    assert other.camera != again.camera


def test_shapes_and_types(pictures):
    for picture in pictures:
        assert picture.image.shape == (224, 224, 3) and picture.image.dtype == np.uint8
        assert picture.person_mask.dtype == picture.object_mask.dtype == bool
        assert picture.landmarks.shape == (39, 2) and picture.landmarks_world.shape == (39, 3)
        assert np.isfinite(picture.landmarks).all() and np.isfinite(picture.landmarks_world).all()
        assert ((picture.confidence >= 0) & (picture.confidence <= 1)).all()
        assert not (picture.person_mask & picture.object_mask).any()
        assert 5 < picture.image.mean() < 250 and picture.image.std() > 5


@pytest.mark.parametrize("i", range(5))
def test_the_z_buffer_agrees_with_the_numpy_rasteriser(i):
    geometry, camera = scene(i)
    big = camera.cropped((0, 0, camera.width, camera.height), SAMPLES * camera.width, SAMPLES * camera.height)
    face, depth = rasterise(big.project(geometry.vertices), geometry.vertices[:, 2], geometry.faces, big.width,
                            big.height)
    ids, nearness = z_buffer(geometry, camera)
    assert ((ids >= 0) == (face >= 0)).mean() > 0.9998
    both = (ids >= 0) & (face >= 0)
    assert (geometry.owner[ids[both]] == geometry.owner[face[both]]).mean() > 0.9995
    assert np.quantile(np.abs(1 / nearness[both] - depth[both]), 0.999) < 1e-3


@pytest.mark.parametrize("i", range(3))
def test_what_is_seen_is_what_a_ray_meets_first(i):
    geometry, camera = scene(i)
    ids, nearness = z_buffer(geometry, camera)
    rng = np.random.default_rng(i)
    rows, columns = np.nonzero(ids >= 0)
    kept = rng.choice(len(rows), 400, replace=False)
    pixels = np.stack([columns[kept] + 0.5, rows[kept] + 0.5], -1) / SAMPLES
    rays = camera.lift(pixels, np.ones(len(kept)))
    hits = [igl.ray_mesh_intersect(np.zeros(3), ray, geometry.vertices.astype(np.float64), geometry.faces)
            for ray in rays[:60]]
    agreed = []
    for hit, row, column in zip(hits, rows[kept], columns[kept], strict=False):
        if hit:
            first = min(hit, key=lambda h: h[1])
            agreed.append(geometry.owner[first[0]] == geometry.owner[ids[row, column]]
                          and abs(first[1] - 1 / nearness[row, column]) < 2e-3)
    assert len(agreed) > 50 and np.mean(agreed) > 0.97


def test_masks_hold_what_is_seen_of_each(pictures):
    for picture in pictures:
        full = [render_alone(mesh, picture) for mesh in picture.meshes]
        assert not (picture.person_mask & ~full[0]).any()
        assert not (picture.object_mask & ~full[1]).any()
        grey = picture.normals.any(-1)
        assert grey[picture.person_mask].all()


def render_alone(mesh: Mesh, picture: Rendered) -> np.ndarray:
    """Where any sample of a pixel shows this mesh when nothing else is there."""
    size = picture.image.shape[0]
    big = picture.camera.cropped((0, 0, size, size), SAMPLES * size, SAMPLES * size)
    face, _ = rasterise(big.project(mesh.vertices), mesh.vertices[:, 2], mesh.faces, SAMPLES * size, SAMPLES * size)
    near = (face >= 0).reshape(size, SAMPLES, size, SAMPLES).any((1, 3))
    grown = near.copy()
    for axis in (0, 1):
        for step in (-1, 1):
            grown |= np.roll(near, step, axis)
    return grown


def test_true_landmarks_are_the_projected_body(pictures):
    sites = landmark_sites(default_body())
    for i, picture in enumerate(pictures):
        posed = pose(default_body(), INTERACTIONS.state(i).body)
        points = sites.of(posed.vertices, posed.joints)
        np.testing.assert_allclose(picture.true_landmarks[:33], picture.camera.project(points[:33]), atol=1e-3)
        np.testing.assert_allclose(points[15], posed.joints[20], atol=1e-6)
        assert np.linalg.norm(points[9] - points[10]) < 0.08 and np.linalg.norm(points[3] - points[6]) < 0.13
        np.testing.assert_allclose(picture.true_landmarks[33], picture.true_landmarks[[23, 24]].mean(0), atol=1e-3)


def test_what_lies_behind_something_is_not_visible(pictures):
    hidden = shown = 0
    for picture in pictures:
        inside = ((picture.true_landmarks >= 0) & (picture.true_landmarks < 224)).all(1)
        assert (picture.visible[~inside] == 0).all()
        for k in np.flatnonzero(inside[:33]):
            x, y = picture.true_landmarks[k].astype(int)
            if picture.object_mask[y, x] and picture.visible[k] < 0.5:
                hidden += 1
            shown += picture.person_mask[y, x] and picture.visible[k] > 0.5
    assert shown > 100 and hidden > 3


def errors(visible: float, draws: int = 300):
    """Errors (share of stature), confidences and depth's slopes of many draws, all landmarks equally visible."""
    rng = np.random.default_rng(0)
    sites = landmark_sites(default_body())
    posed = [pose(default_body(), INTERACTIONS.state(i).body) for i in range(len(INTERACTIONS))]
    everyone = [sites.of(body.vertices, body.joints) for body in posed]
    off, sure, slope = [], [], []
    for n in range(draws):
        points, camera = everyone[n % len(everyone)], INTERACTIONS.camera(n % len(everyone))
        true = with_helpers(camera.project(points[:33]))
        pixels, world, confidence = detected(true, points, np.full(39, visible), camera, rng)
        metre = camera.focal[0] / points[[23, 24], 2].mean()
        off.append(np.linalg.norm(pixels - true, axis=1)[:33] / (STATURE * metre))
        sure.append(confidence[:33])
        depth = points[11:33, 2] - points[[23, 24], 2].mean()
        slope.append(world[11:33, 2] @ depth / (depth @ depth))
    return np.array(off), np.array(sure), np.array(slope)


def test_the_error_model_has_the_detectors_faults():
    seen, sure, slope = errors(1.0)
    hidden, unsure, _ = errors(0.0)
    limbs = [13, 14, 15, 16, 25, 26, 27, 28]
    assert 0.01 < np.median(seen) < 0.03
    assert 1.5 < np.median(hidden[:, limbs]) / np.median(seen[:, limbs]) < 6
    assert np.quantile(seen, 0.99) > 5 * np.median(seen)  # a normal error would have 2.6
    assert np.median(sure) > 0.85 and np.median(unsure[:, [13, 14, 15, 16]]) < 0.25
    assert 0.55 < np.median(slope) < 0.95 and np.quantile(slope, 0.1) < 0.6
    far, near = seen[:, limbs] > 0.06, seen[:, limbs] < 0.01
    assert sure[:, limbs][far].mean() < sure[:, limbs][near].mean() - 0.1


def test_world_landmarks_start_from_the_hips_and_helpers_have_no_confidence(pictures):
    for picture in pictures:
        np.testing.assert_allclose(picture.landmarks_world[[23, 24]].mean(0), 0, atol=1e-5)
        assert (picture.confidence[33:] == 0).all()
        np.testing.assert_allclose(picture.landmarks[36], picture.landmarks[15])


def test_nobody_in_the_picture_is_no_error():
    away = replace(INTERACTIONS, camera_translation=INTERACTIONS.camera_translation + np.float32([9, 0, 0]))
    picture = render(away, 0)
    assert not picture.person_mask.any() and not picture.visible.any() and np.isfinite(picture.landmarks).all()


def test_the_rate(pictures):
    start = time.process_time()
    for i in range(len(INTERACTIONS)):
        render(INTERACTIONS, i)
    print(f"{len(INTERACTIONS) / (time.process_time() - start):.0f} pictures a second and core")
    assert {BODY, THING} == {0, 1}
