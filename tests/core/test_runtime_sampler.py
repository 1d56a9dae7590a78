"""LEXIS-Flow in ONNX Runtime and numpy: the same every time, ordered, stoppable, and what is pinned stays."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from lexis_core.body import default_body, pose
from lexis_core.body.names import JOINTS
from lexis_core.body.surface import guide_points, guide_surface
from lexis_core.errors import Cancelled, InputError
from lexis_core.interfield import SIGMA
from lexis_core.objects.library import make
from lexis_core.pipeline import Pins, reconstruct, reconstructions, refine
from lexis_core.reconstruction import load
from lexis_core.runtime.crop import crop_of, cropped, start_of, state_of
from lexis_core.runtime.sampler import Free, Goal, Sampler, Weights, _scene, times, touching
from lexis_core.runtime.session import Sessions
from lexis_core.runtime.states import States

sys.path.insert(0, str(Path(__file__).parents[1] / "data"))
from synthetic_smplx import smplx_like

DEMO = Path(__file__).resolve().parents[2] / "lexis_core" / "data" / "demo"
PHOTO = {"person_mask": DEMO / "person_mask.png", "object_mask": DEMO / "tripod_mask.png"}


@pytest.fixture(scope="module")
def sessions() -> Sessions:
    return Sessions(device="cpu")


@pytest.fixture(scope="module")
def found(sessions):
    """Three hypotheses of the demo photo from noise, and how far the work was said to be."""
    said = []
    results = reconstructions(DEMO / "camera.png", "tripod", **PHOTO, method="noise", hypotheses=3, seed=5,
                              sessions=sessions, progress=lambda stage, fraction: said.append((stage, fraction)))
    return results, said


@pytest.fixture(scope="module")
def task(found, sessions):
    """The best of them as the sampler sees it: what is seen, the body, the start."""
    result = found[0][0]
    seen, model = result.observation(), default_body()
    crop = crop_of(seen)
    return (Sampler(sessions), cropped(seen, crop, result.object, 1.0, 0), guide_surface(model),
            start_of(model, result.state, crop))


def test_hypotheses_come_best_first_and_differ(found):
    results, _ = found
    energies = [r.info["energy"] for r in results]
    assert energies == sorted(energies) and len({r.state.object.translation.tobytes() for r in results}) == 3
    for r in results:
        assert (r.info["method"], r.info["device"], r.info["start"]) == ("noise", "cpu", "none")
        assert {"load", "observe", "flow", "interfield"} == r.info["seconds"].keys()


def test_the_work_goes_on_from_stage_to_stage(found):
    stages, fractions = zip(*found[1], strict=True)
    assert list(dict.fromkeys(stages)) == ["load", "observe", "flow", "interfield"]
    assert list(fractions) == sorted(fractions) and fractions[0] == 0 and fractions[-1] == 1
    assert stages.count("flow") > 25  # a step of the sampler each


def test_a_result_keeps_the_field_that_was_told(found, tmp_path):
    """It is no other than the one that is measured between the surfaces, as far as the network is right."""
    best = found[0][0]
    best.save(tmp_path / "a.lexis.npz")
    again = load(tmp_path / "a.lexis.npz")
    assert_array_equal(again.predicted_body, best.predicted_body)
    assert again.predicted_body.shape == best.field.body.shape
    assert again.predicted_object.shape == best.field.object.shape
    assert np.corrcoef(best.predicted_body, best.field.body)[0, 1] > 0.2


def test_the_same_seed_gives_the_same_numbers_and_another_one_others(task):
    sampler, seen, guide, start = task
    first, again, other = (sampler.sample(seen, guide, start, hypotheses=2, seed=seed) for seed in (3, 3, 4))
    for a, b in zip(first.every, again.every, strict=True):
        assert a.tobytes() == b.tobytes()
    assert_allclose(min(first.energy[0]), first.energy[0][0])
    same = [np.allclose(first.every.object_position[k], other.every.object_position[j], atol=1e-4)
            for k in range(2) for j in range(2)]
    assert sum(same) == 1  # the hypothesis without noise


def test_arrays_that_stay_on_the_device_give_the_same_numbers(task, sessions):
    sampler, seen, guide, start = task
    kept = Sampler(sessions, resident=True)
    for begin in (None, start):
        one, other = (way.sample(seen, guide, begin, hypotheses=2, steps=10) for way in (sampler, kept))
        for a, b in zip((*one.every, *one[1:]), (*other.every, *other[1:]), strict=True):
            assert_array_equal(a, b)


def test_a_start_is_asked_about_before_the_star_mode_enters():
    assert times(4, False) == [0, 0.25, 0.5, 0.75]
    assert_allclose(times(25, True), [0, *np.arange(15, 25) / 25])


def test_guidance_has_points_near_all_skin_and_nearer_on_hands():
    model = default_body()
    places = model.template - model.joint_template[0]
    far = np.linalg.norm(places[:, None] - guide_surface(model).rest, axis=-1).min(1)
    hand = np.abs(model.template[:, 0] - model.joint_template[0, 0]) > 1.02 * abs(
        model.joint_template[JOINTS.index("left_wrist"), 0])
    assert 500 < hand.sum() < len(hand) / 2 and far.max() < 0.08 and far[hand].max() < 0.03


def test_one_step_more_or_less_is_taken_as_asked(task):
    sampler, seen, guide, start = task
    for steps, begin, expected in ((5, None, 5), (25, start, 11), (1, start, 2)):
        said = []
        sampler.sample(seen, guide, begin, steps=steps, progress=said.append)
        assert_allclose(said, np.arange(1, expected + 1) / expected)
    with pytest.raises(InputError, match="at least one"):
        sampler.sample(seen, guide, start, steps=0)


def test_what_is_held_stays_and_the_rest_moves(task):
    sampler, seen, guide, start = task
    joints = np.ones(21, np.float32)
    joints[[3, 17]] = 0
    moved = sampler.sample(seen, guide, start, free=Free(joints, body=0.0, betas=0.0)).every
    assert_allclose(moved.theta[:, [3, 17]], start.theta[:, [3, 17]], atol=1e-5)
    for name in ("rotation", "pelvis", "betas"):
        assert_allclose(getattr(moved, name), getattr(start, name), atol=1e-5)
    assert np.abs(moved.theta - start.theta).max() > 0.01 and not np.allclose(moved.object_position,
                                                                             start.object_position, atol=1e-3)
    still = sampler.sample(seen, guide, start, free=Free.all()._replace(object=0.0)).every
    assert_allclose(still.object_position, start.object_position, atol=1e-5)
    assert_allclose(still.object_rotation, start.object_rotation, atol=1e-5)
    assert np.abs(still.pelvis - start.pelvis).max() > 1e-3


def test_work_that_is_cancelled_ends_where_it_is(task, sessions):
    sampler, seen, guide, _ = task
    said = []
    with pytest.raises(Cancelled):
        sampler.sample(seen, guide, None, progress=said.append, cancelled=lambda: len(said) >= 3)
    assert len(said) == 3
    for last in ("observe", "body", "object", "flow"):
        stages = []

        def asked(last: str = last, stages: list[str] = stages) -> bool:
            return last in stages

        with pytest.raises(Cancelled):
            reconstruct(DEMO / "camera.png", "tripod", **PHOTO, sessions=sessions, cancelled=asked, method="learned",
                        progress=lambda stage, fraction, stages=stages: stages.append(stage))
        assert stages[-1] == last


def test_a_state_goes_into_the_crop_and_back(found):
    result, model = found[0][1], default_body()
    crop = crop_of(result.observation())
    back = state_of(model, start_of(model, result.state, crop), result.state, crop)
    for one, other in ((back.body, result.state.body), (back.object, result.state.object)):
        for name, value in vars(other).items():
            assert_allclose(getattr(one, name), value, atol=2e-5, err_msg=name)


def test_a_result_is_refined_and_what_is_pinned_is_the_same_to_the_last_digit(found, sessions):
    result = found[0][0]
    free = refine(result, sessions=sessions)
    assert free.info["method"] == "refined" and not np.array_equal(free.state.object.translation,
                                                                  result.state.object.translation)
    pins = Pins(object=True, joints=("left_elbow", "pelvis"))
    pinned = refine(result, sessions=sessions, pins=pins)
    assert_array_equal(pinned.state.object.translation, result.state.object.translation)
    assert_array_equal(pinned.state.body.rotation, result.state.body.rotation)
    elbow = JOINTS.index("left_elbow") - 1
    assert_array_equal(pinned.state.body.body_pose[elbow], result.state.body.body_pose[elbow])
    assert not np.array_equal(pinned.state.body.body_pose, result.state.body.body_pose)
    whole = refine(result, sessions=sessions, pins=Pins(body=True))
    for name, value in vars(result.state.body).items():
        assert_array_equal(getattr(whole.state.body, name), value)
    assert not np.array_equal(whole.state.object.translation, result.state.object.translation)


def test_the_learned_result_goes_on_from_the_estimate_and_says_so(sessions):
    estimate, learned = (reconstruct(DEMO / "camera.png", "tripod", **PHOTO, method=method, sessions=sessions)
                         for method in ("estimate", "learned"))
    assert (estimate.info["method"], learned.info["method"]) == ("estimate", "learned")
    assert learned.info["start"] == "own estimate" and learned.info["steps"] == 25
    assert "flow" in learned.info["seconds"] and "flow" not in estimate.info["seconds"]
    body, other = estimate.state.body, learned.state.body
    assert not np.array_equal(body.body_pose, other.body_pose)
    gap = np.linalg.norm(other.translation - body.translation) / np.linalg.norm(body.translation)
    assert gap < 0.15  # of the way to the camera
    assert estimate.predicted_body is None and learned.predicted_object.shape == estimate.field.object.shape


def test_a_body_of_ones_own_is_solved_with_its_own_surface_and_betas(sessions):
    model = smplx_like()
    result = reconstruct(DEMO / "camera.png", make("tripod"), **PHOTO, method="noise", body=model, sessions=sessions)
    assert result.field.body.shape == (len(model.template),) and result.body_digest == model.digest
    assert_array_equal(result.state.body.betas, 0)
    seen = result.observation()
    marks = result.camera.project(pose(model, result.state.body).joints[[16, 17, 1, 2]])
    height = np.ptp(np.nonzero(seen.person_mask)[0])
    assert np.linalg.norm(marks - seen.landmarks[[11, 12, 23, 24]], axis=1).mean() < 0.1 * height
    again = refine(result, body=model, sessions=sessions, pins=Pins(joints=("head",)))
    assert_array_equal(again.state.body.betas, 0)


def test_weights_move_what_they_weigh(task):
    sampler, seen, guide, start = task
    energy = {}
    for name in ("mask", "landmarks"):
        loose, tight = (sampler.sample(seen, guide, start, weights=Weights(**{name: weight})).every
                        for weight in (0.0, 50.0))
        ask = {"mask": 1, "landmarks": 2}[name]
        energy[name] = [float(_energy(sampler, seen, guide, states)[ask]) for states in (loose, tight)]
    for name, (loose, tight) in energy.items():
        assert tight < loose, name


def _energy(sampler: Sampler, seen, guide, states: States) -> np.ndarray:
    """Guidance's own terms, each with the weight 1, where nothing is wanted of the fields."""
    none = np.full((1, len(guide.rest)), 1e-4, np.float32)
    goal = Goal(none, 0 * none, np.full_like(seen.object_points[..., 0], 1e-4), 0 * seen.object_points[..., 0])
    feeds = {**_scene(seen, guide), **goal._asdict(), "term_weights": np.ones(4, np.float32),
             "rate": np.zeros(1, np.float32), **Free.all().of(1)}
    feeds |= {f"now_{name}": value for name, value in states._asdict().items()}
    feeds.pop("free_betas")
    return sampler.sessions["guide"].run(feeds)["energy"][0]


@pytest.mark.parametrize("options, told", [
    ({"method": "magic"}, "no method"), ({"weights": {"gravity": 1.0}}, "no weight"),
    ({"weights": {"mask": -1.0}}, "cannot be"), ({"method": "noise", "init": "a.npz"}, "without one")])
def test_what_cannot_be_done_is_told_before_the_work(options, told, sessions):
    with pytest.raises(InputError, match=told):
        reconstruct(DEMO / "camera.png", "tripod", **options, sessions=sessions)


def test_a_result_of_another_body_and_an_unknown_joint_are_told(found, sessions):
    with pytest.raises(InputError, match="another body"):
        refine(found[0][0], body=smplx_like(vertices=4000), sessions=sessions)
    with pytest.raises(InputError, match="no joint tail"):
        refine(found[0][0], pins=Pins(joints=("tail",)), sessions=sessions)


def test_what_is_predicted_nearly_to_touch_is_aimed_at_touch():
    distance = np.float32([0, 0.03, 0.2])
    aimed = np.sqrt(-2 * np.log(touching(np.exp(-0.5 * (distance / SIGMA) ** 2)))) * SIGMA
    assert aimed[0] == 0 and aimed[1] < 0.01 and abs(aimed[2] - 0.2) < 1e-3
    assert touching(np.float32([[0, 1e-30, 1]])).dtype == np.float32


def test_guidance_measures_only_on_the_skin():
    """Loose vertices, as some body files have for eyes or helpers, are none of it."""
    body = smplx_like(1500)
    assert len(np.unique(body.faces)) < len(body.template)
    points = guide_points(body)
    np.testing.assert_allclose(points.barycentric.sum(1), 1)
    with pytest.raises(InputError, match="hand"):
        guide_points(replace(body, weights=np.eye(55, dtype=np.float32)[np.zeros(len(body.template), int)]))
