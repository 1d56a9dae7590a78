"""The made training set: equal seeds give equal sets, what is accepted holds against other tools, files are checked."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import cKDTree

from lexis_core.body import default_body, pose
from lexis_core.errors import InputError
from lexis_core.geometry import rotation_from_axis_angle
from lexis_core.initialise.joint_limits import HIGH, LOW, SOLVED
from lexis_core.interfield import measure
from lexis_core.mesh import Mesh, sample_surface
from lexis_core.objects.library import CATEGORIES, make

sys.path.insert(0, str(Path(__file__).parents[1] / "data"))
pytest.importorskip("torch")

from made_up_interactions import made_up

from lexis_core.synthetic import cameras, catalogue, generate, hands, regions, setup, solids, states
from lexis_core.synthetic.actions import HELD_OUT, PLANS

MODEL = default_body()


@pytest.fixture(scope="module", autouse=True)
def coarse_grids():
    """Grids of a tenth of the points: the solver sees less, what is accepted is still judged exactly."""
    usual, solids.CELLS = solids.CELLS, 6_000
    yield
    solids.CELLS = usual
    catalogue.solid.cache_clear()


@pytest.fixture(scope="module")
def made():
    return generate.shard(0, 40, seed=5, total=40)


def scene(interactions, i):
    state = interactions.world_state(i)
    body = Mesh(pose(MODEL, state.body).vertices, MODEL.faces)
    return body, interactions.object_model(i).mesh.moved(state.object.rotation, state.object.translation)


def test_every_action_yields_interactions_and_a_tenth_touch_nothing(made):
    names = [states.ACTION_NAMES[a] for a in made.action]
    assert set(names) == set(PLANS)
    assert names.count("walk past") >= 0.1 * len(names)


def test_accepted_interactions_hold_by_the_exact_field_of_the_whole_surfaces(made):
    for i in range(len(made)):
        body, thing = scene(made, i)
        field = measure(body, thing)
        depth = max(np.max(field.body_distance, where=field.body_inside, initial=0.0),
                    np.max(field.object_distance, where=field.object_inside, initial=0.0))
        nearest = min(field.body_distance.min(), field.object_distance.min())
        name = states.ACTION_NAMES[made.action[i]]
        assert depth < 0.0155, (name, depth)
        if name == "walk past":
            assert nearest > 0.03
        elif name == "reach for":
            assert nearest < 0.25
        else:
            assert nearest < 0.02, name
        assert body.vertices[:, 1].min() > -0.03 and thing.vertices[:, 1].min() > -0.02


def test_distances_agree_with_a_dense_point_cloud(made):
    for i in range(0, len(made), 8):
        body, thing = scene(made, i)
        cloud = sample_surface(thing, 60_000, 0)[0]
        brute = cKDTree(cloud).query(body.vertices[::7])[0]
        assert np.abs(brute - measure(body, thing).body_distance[::7]).max() < 0.03


def test_joints_stay_inside_their_limits(made):
    solved = made.body_pose[:, np.array(SOLVED) - 1]
    assert (solved > LOW - 1e-4).all() and (solved < HIGH + 1e-4).all()


def test_the_person_fills_the_crop_and_lies_inside_it(made):
    for i in range(len(made)):
        pixels = made.camera(i).project(pose(MODEL, made.state(i).body).vertices)
        assert pixels.min() >= 0 and pixels.max() <= states.CROP
        assert 0.45 < np.ptp(pixels, axis=0).max() / states.CROP < 0.98


def test_a_picture_shows_person_and_thing():
    person = Mesh(*_panel(0.6, 1.6, 0.0))
    turn, shift = np.eye(3), np.array([0, 0, 4.0])
    for width, height, z, shown in ((0.4, 0.4, -0.5, True), (0.4, 0.4, 0.5, False), (0.9, 0.4, 0.5, True),
                                    (0.8, 1.8, -0.5, False), (0.1, 1.8, -0.5, True)):
        thing = Mesh(*_panel(width, height, z))
        assert cameras.in_sight(person, thing, turn, shift, 1.5) == shown
    beside = Mesh(_panel(0.4, 0.4, 0.0)[0] + np.float32([1.6, 0, 0]), person.faces)
    assert not cameras.in_sight(person, beside, turn, shift, 1.5)


def _panel(width, height, z):
    """A rectangle that faces -z."""
    x, y = width / 2, height / 2
    corners = np.array([[-x, -y, z], [x, -y, z], [x, y, z], [-x, y, z]], np.float32)
    return corners, np.array([[0, 2, 1], [0, 3, 2]], np.int32)


def test_camera_space_is_the_world_seen_by_the_camera(made):
    body, thing = scene(made, 3)
    turn, shift = rotation_from_axis_angle(made.camera_rotation[3]), made.camera_translation[3]
    state = made.state(3)
    assert np.abs(pose(MODEL, state.body).vertices - (body.vertices @ turn.T + shift)).max() < 1e-4
    moved = made.object_model(3).mesh.moved(state.object.rotation, state.object.translation).vertices
    assert np.abs(moved - (thing.vertices @ turn.T + shift)).max() < 1e-4


def test_equal_seeds_make_equal_bytes(tmp_path):
    for name in ("a", "b"):
        generate.shard(1, 4, seed=5, total=40).save(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_stopped_run_goes_on_from_its_shards_and_only_its_own(tmp_path, made):
    out = tmp_path / "set.npz"
    folder = tmp_path / "set.npz.shards"
    folder.mkdir()
    stamp = {"version": generate.VERSION, "count": 40, "seed": 5, "captured": False, "test": False}
    (folder / "stamp.json").write_text(json.dumps(stamp))
    made.save(folder / "00000.npz")
    with pytest.raises(InputError):
        generate.generate(40, 6, out)
    whole = generate.generate(40, 5, out)
    assert not folder.exists() and len(states.load(out)) == len(made)
    kept = set(states.FIELDS) - {"instance"}  # rows of another list
    assert all(np.array_equal(getattr(whole, name), getattr(made, name)) for name in kept)
    assert [whole.category(i) for i in range(len(whole))] == [made.category(i) for i in range(len(made))]
    assert {len(row.split("|")) for row in generate.table(whole.meta).splitlines()} == {7}


def test_no_instance_is_in_two_splits_and_held_out_kinds_never_train(made):
    training, tests = (catalogue.instances(20_000, 3, test) for test in (False, True))
    assert {split for _, _, split in training} == {0, 1} and {split for _, _, split in tests} == {2, 3}
    assert {name for name, _, split in tests if split == 3} == set(HELD_OUT)
    assert {name for name, _, _ in training} == set(CATEGORIES) - set(HELD_OUT)
    for name in CATEGORIES:
        own = [(json.dumps(parameters), split) for category, parameters, split in training + tests if category == name]
        assert len({parameters for parameters, _ in own}) == len(own)
        assert name in HELD_OUT or [split for _, split in own].count(1) == 2
    assert set(made.split) <= {0, 1} and not {made.category(i) for i in range(len(made))} & set(HELD_OUT)


def test_a_test_set_has_its_own_instances_and_a_share_of_unseen_kinds():
    made = generate.shard(0, 40, seed=5, total=40, test=True)
    held = np.array([made.category(i) in HELD_OUT for i in range(len(made))])
    assert ((made.split == 3) == held).all() and ((made.split == 2) == ~held).all()
    assert 0.1 < held.mean() < 0.4


def test_another_set_is_not_taken_for_the_test_set(tmp_path):
    made_up(4).save(tmp_path / "set.npz")
    with pytest.raises(InputError):
        generate.test_set(tmp_path / "set.npz")


def test_a_set_comes_back_from_disk_as_it_was(tmp_path, made):
    for interactions in (made, made_up(8)):
        interactions.save(tmp_path / "set.npz")
        back = states.load(tmp_path / "set.npz")
        assert all(np.array_equal(getattr(back, name), getattr(interactions, name)) for name in states.FIELDS)
        assert [c for c, _ in back.instances] == [c for c, _ in interactions.instances]
        assert back.object_model(0).mesh.vertices.shape == interactions.object_model(0).mesh.vertices.shape


def rewritten(path, **changes):
    with np.load(path) as file:
        arrays = dict(file)
    for name, change in changes.items():
        arrays[name] = change(arrays[name])
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})


def head(**values):
    return lambda array: np.array(json.dumps(json.loads(str(array)) | values))


def with_nan(array):
    array = array.copy()
    array.flat[0] = np.nan
    return array


@pytest.mark.parametrize("change", [
    {"head": head(format_version=99)}, {"head": head(actions=["fly"])}, {"head": head(meta=3)},
    {"head": head(instances=[["dragon", {}]] * 8)}, {"head": head(instances=[["chair", {"legs": 9}]] * 8)},
    {"head": lambda a: np.array("{")}, {"head": lambda a: np.array("[" * 100_000)}, {"betas": lambda a: None},
    {"focal": lambda a: -a}, {"translation": with_nan}, {"body_pose": lambda a: a[:-1]}, {"action": lambda a: a + 99},
    {"instance": lambda a: a - 50}, {"seed": lambda a: a.astype(np.float64)}, {"split": lambda a: a.astype(object)},
])
def test_a_wrong_file_is_refused_with_a_reason(tmp_path, change):
    path = tmp_path / "set.npz"
    made_up(8).save(path)
    rewritten(path, **change)
    with pytest.raises(InputError):
        states.load(path)


def test_a_cut_or_foreign_file_is_refused(tmp_path):
    path = tmp_path / "set.npz"
    made_up(4).save(path)
    whole = path.read_bytes()
    for data in (b"", b"nothing", whole[: len(whole) // 2], whole[:-10]):
        path.write_bytes(data)
        with pytest.raises(InputError):
            states.load(path)
    with pytest.raises(InputError):
        states.load(tmp_path / "absent.npz")


def test_hands_close_on_handles_without_going_into_them():
    state = made_up(1).world_state(0).body
    for radius in (0.012, 0.02, 0.035):
        flat = replace(state, body_pose=np.zeros((21, 3)), betas=np.zeros(10), rotation=np.eye(3),
                       translation=np.zeros(3), left_hand_pose=hands.grasp(radius, True))
        body = pose(MODEL, flat)
        axis = body.joints[20] + hands.grip_centre(radius, True)
        own = MODEL.weights[:, 25:37].sum(1) > 0.9
        gap = np.linalg.norm((body.vertices[own] - axis)[:, :2], axis=1) - radius
        assert gap.min() > -0.005
        for finger in range(3):
            tip = MODEL.weights[own][:, 27 + 3 * finger] > 0.9
            assert gap[tip].min() < 0.012


def test_grips_find_the_axis_and_thickness_of_a_handle():
    dumbbell = solids.solid(make("dumbbell", grip_diameter=0.03), 0)
    found = solids.grips(dumbbell, ("grip",))
    assert found
    for spot in found:
        assert abs(spot.axis[0]) > 0.98 and spot.radius == pytest.approx(0.015, abs=0.002)
        assert np.hypot(*spot.point[1:]) < 0.002


def test_hands_hold_a_round_rim_from_its_front_to_its_rear_across_from_each_other():
    basket, rng = solids.solid(make("basket"), 0), np.random.default_rng(3)
    radius, found = np.ptp(basket.vertices[:, 2]) / 2, []
    for _ in range(60):
        start = setup.draft(PLANS["carry overhead"]["basket"], basket, rng, None)
        places = {c.region: start.turn @ c.spot.point for c in start.contacts}
        across = places["left_palm"] - places["right_palm"] * [-1, 1, 1]
        assert np.linalg.norm(across) < 0.3 * radius
        found.append(places["left_palm"][2])
    assert min(found) < -0.5 * radius and max(found) > 0.5 * radius


def test_regions_are_where_their_names_say():
    found = regions.regions()
    for name, region in found.items():
        if name.startswith("left_"):
            twin = MODEL.template[found[name.replace("left", "right")].vertices].mean(0)
            assert MODEL.template[region.vertices].mean(0) * [-1, 1, 1] == pytest.approx(twin, abs=0.005)
    assert MODEL.template[found["left_sole"].vertices][:, 1].max() < -0.9
