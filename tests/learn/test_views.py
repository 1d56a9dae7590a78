"""The cache of rendered views: what a picture shows, in crop units, rendered once and never mixed up."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from rendered_interactions import made_up_interactions

from lexis_core.body import default_body, pose
from lexis_core.errors import InputError
from lexis_core.learn.views import OBJECT, PERSON, SIDE, Views, halved_masks, views, with_variant
from lexis_core.synthetic.render import render
from lexis_core.synthetic.states import Interactions, load


@pytest.fixture(scope="module")
def states(tmp_path_factory):
    path = tmp_path_factory.mktemp("views") / "few.npz"
    made_up_interactions(6).save(path)
    return path


@pytest.fixture(scope="module")
def interactions(states) -> Interactions:
    return load(states)


@pytest.fixture(scope="module")
def known(states) -> Views:
    return views(states, processes=1)


def test_each_row_is_the_rendered_picture_of_its_interaction(interactions, known):
    assert len(known) == len(interactions)
    for i in range(len(interactions)):
        picture = render(interactions, i)
        small = cv2.resize(picture.image, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        assert np.abs(known.image[i].astype(int) - small).max() <= 1
        for value, mask in ((PERSON, picture.person_mask), (OBJECT, picture.object_mask)):
            share = cv2.resize(mask.astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
            mine = known.masks[i] == value
            assert mine[share > 0.5].all() and not mine[share < 0.5].any()
        assert np.allclose(known.landmarks[i] * 224 + 112, picture.landmarks[:33], atol=1e-3)
        assert np.array_equal(known.landmarks_world[i], picture.landmarks_world[:33])
        assert np.array_equal(known.confidence[i], picture.confidence[:33])


def test_the_camera_in_crop_units_sees_the_body_where_the_person_is(interactions, known):
    shares = []
    for i in range(len(interactions)):
        focal, cx, cy = known.camera[i]
        vertices = pose(default_body(), interactions.state(i).body).vertices
        seen = focal * vertices[:, :2] / vertices[:, 2:] + (cx, cy)
        pixels = np.floor((seen + 0.5) * SIDE).astype(int)
        pixels = pixels[((pixels >= 0) & (pixels < SIDE)).all(1)]
        either = (known.masks[i] == PERSON) | (known.masks[i] == OBJECT)
        shares.append(either[pixels[:, 1], pixels[:, 0]].mean())
    assert np.median(shares) > 0.96 and min(shares) > 0.7  # other things stand before some of the body


def test_where_both_have_half_a_pixel_the_person_is_seen():
    person, object = np.zeros((2, 2, 4), bool)
    person[0, :2] = object[1, :2] = object[0, 2:] = True
    assert halved_masks(person, object).tolist() == [[PERSON, OBJECT]]


def test_a_run_that_was_stopped_goes_on_where_it_was_and_processes_change_nothing(states, known, tmp_path):
    again = views(states, tmp_path, processes=1)
    folder = next(tmp_path.iterdir())
    done, image = (np.load(folder / f"{name}.npy", mmap_mode="r+") for name in ("done", "image"))
    assert done.all()
    done[:4], image[:4], image[5] = 0, 0, 7
    views(states, tmp_path, processes=2)
    assert np.array_equal(again.image[:5], known.image[:5])
    assert (again.image[5] == 7).all()  # was done before, and so was left alone


def test_two_processes_give_the_bytes_of_one(tmp_path):
    path = tmp_path / "many.npz"
    made_up_interactions(40).save(path)
    two, many = views(path, tmp_path / "two", processes=2), load(path)
    for i in (0, 33, 39):
        assert np.array_equal(two.landmarks_world[i], render(many, i).landmarks_world[:33])
    assert two.image.reshape(40, -1).any(1).all()


def test_another_variant_shows_the_same_interactions_otherwise(states, interactions, known, tmp_path):
    assert with_variant(interactions, 0) is interactions
    seeds = [with_variant(interactions, k).seed for k in range(4)]
    assert len(np.unique(seeds)) == 4 * len(interactions) and np.min(seeds) >= 0
    assert np.array_equal(with_variant(interactions, 2).seed, seeds[2])
    other = views(states, tmp_path, processes=1, variant=1)
    assert (other.image != known.image).mean() > 0.5
    assert not np.isclose(other.camera, known.camera).all(1).any()
    twin = render(with_variant(interactions, 1), 2)
    assert np.array_equal(other.landmarks_world[2], twin.landmarks_world[:33])


def test_changed_interactions_never_meet_an_old_cache(states, interactions, known, tmp_path):
    changed = tmp_path / states.name
    replace(interactions, seed=interactions.seed + 1).save(changed)
    other = views(changed, states.parent, processes=1)
    assert (other.image != known.image).mean() > 0.5


def test_bad_files_are_told(states, tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.npz"):
        views(tmp_path / "nowhere.npz")
    views(states, tmp_path, processes=1)
    image = next(tmp_path.iterdir()) / "image.npy"
    image.write_bytes(image.read_bytes()[:5000])
    with pytest.raises(InputError, match="Delete it"):
        views(states, tmp_path, processes=1)
    np.save(image, np.zeros((2, SIDE, SIDE, 3), np.uint8))
    with pytest.raises(InputError, match="not the cache"):
        views(states, tmp_path, processes=1)
