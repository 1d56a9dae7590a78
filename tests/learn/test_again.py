"""Interactions seen again: the same bodies and things before other cameras, only where training may look."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from rendered_interactions import made_up_interactions

from lexis_core.body import default_body, pose
from lexis_core.learn.encoder_labels import labels_of
from lexis_core.synthetic.again import seen_again
from lexis_core.synthetic.states import load


@pytest.fixture(scope="module")
def once():
    return replace(made_up_interactions(6), split=np.array([0, 1, 0, 2, 0, 3], np.int8))


def test_only_the_training_split_is_seen_again_with_all_else_kept(once, tmp_path):
    more = seen_again(once, 2)
    assert len(more) == 6 + 2 * 3
    for name in ("body_pose", "betas", "rotation", "translation", "object_rotation", "object_translation", "action",
                 "split"):
        assert np.array_equal(getattr(more, name)[:6], getattr(once, name))
        for k in (6, 9):
            assert np.array_equal(getattr(more, name)[k:k + 3], getattr(once, name)[[0, 2, 4]]), name
    assert len(np.unique(more.seed)) == 12
    assert len(np.unique(more.camera_rotation.round(3), axis=0)) > 9
    more.save(tmp_path / "more.npz")
    again = load(tmp_path / "more.npz")
    assert np.array_equal(again.camera_rotation, more.camera_rotation) and again.meta["seen_again"] == 2
    assert np.array_equal(seen_again(once, 2).focal, more.focal)


def test_every_new_camera_holds_the_whole_person_and_nobody_touches_anything_else(once):
    more = seen_again(once, 2)
    for i in range(6, 12):
        seen = more.camera(i).project(pose(default_body(), more.state(i).body).vertices)
        assert seen.min() >= -0.5 and seen.max() <= 224.5
    views = np.tile(np.array([1.0, 0, 0], np.float32), (12, 1)), np.zeros((12, 112, 112), np.uint8)
    touch = labels_of(more, *views).touch
    for k in (6, 9):
        assert np.array_equal(touch[k:k + 3], touch[[0, 2, 4]])
