"""The benchmark's numbers against hand counts, closed forms and trimesh; the baseline; the command from end to end."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from numpy.testing import assert_allclose
from rendered_interactions import made_up_interactions
from scipy.spatial.transform import Rotation

from lexis_core import cli, metrics
from lexis_core.body import default_body, pose
from lexis_core.errors import InputError
from lexis_core.interfield import measure
from lexis_core.learn import checkpoint, contact_opt, evaluate_table
from lexis_core.learn.evaluate import METHODS, Plan, evaluate
from lexis_core.learn.evaluation import report
from lexis_core.learn.evaluation.benchmark import Benchmark, load_benchmark
from lexis_core.learn.evaluation.methods import PAIRS
from lexis_core.learn.evaluation.scores import METRICS, NOTHING, Samples, Thing, Truth, state_of
from lexis_core.learn.flow_net import KIND as FLOW
from lexis_core.learn.flow_net import FlowParams, LexisFlow
from lexis_core.learn.image_encoder import ImageEncoder, ImageParams, packed
from lexis_core.learn.net import KIND as NET
from lexis_core.learn.net import LexisNet, NetParams
from lexis_core.mesh import Mesh, face_areas
from lexis_core.state import ObjectState, State

COUNT = 5


@pytest.fixture(scope="module")
def states_file(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("benchmark") / "made_up.npz"
    interactions = made_up_interactions(COUNT)
    replace(interactions, split=np.array([2, 2, 3, 2, 2], np.int8)).save(path)
    return path


@pytest.fixture(scope="module")
def benchmark_(states_file) -> Benchmark:
    return load_benchmark(str(states_file), None, 0, states_file.parent, 1)


@pytest.fixture(scope="module")
def truth() -> Truth:
    return Truth(made_up_interactions(2), 1)  # a box before a sitting person


def with_object(truth: Truth, turn=(0, 0, 0), shift=(0, 0, 0)) -> State:
    placed = truth.state.object
    turn = Rotation.from_rotvec(turn).as_matrix()
    return State(truth.state.body, ObjectState(turn @ placed.rotation, placed.translation + np.array(shift)))


def test_the_truth_has_no_error_but_the_spacing_of_its_samples(truth):
    scores = truth.scores(truth.state)
    area = {"body": face_areas(truth.body).sum(), "object": face_areas(truth.object).sum()}
    area["both"] = area["body"] + area["object"]
    for part, size in area.items():
        assert scores[f"pa_cd_{part}_cm"] == pytest.approx(100 * np.sqrt(size / 6000), rel=0.06)
    for name in ("rotation_deg", "translation_cm", "if_mae_body", "if_mae_object"):
        assert scores[name] == pytest.approx(0, abs=1e-5)
    assert scores["contact_f1"] == 1 or not truth.contact.any()


def test_a_moved_object_is_off_by_as_much(truth):
    scores = truth.scores(with_object(truth, (0, 0.5, 0), (0.06, 0, 0.08)))
    assert scores["translation_cm"] == pytest.approx(10, abs=1e-3)
    assert scores["rotation_deg"] == pytest.approx(np.degrees(0.5), abs=1e-3)


def test_an_object_of_another_size_is_compared_with_the_true_one():
    """Placed as the truth is, it is off by its size alone."""
    interactions = made_up_interactions(2)
    scores = (other := Truth(interactions, 1, 1.5)).scores(other.state)
    assert scores["rotation_deg"] == scores["translation_cm"] == pytest.approx(0, abs=1e-4)
    placed = other.state.object
    larger = interactions.object_model(1).mesh.moved(placed.rotation, placed.translation, 1.5)
    fields = [measure(other.body, thing) for thing in (larger, other.object)]
    gaps = np.abs(fields[0].body - fields[1].body)
    assert scores["if_mae_body"] == pytest.approx(np.average(gaps, weights=other.areas), abs=1e-4) and gaps.max() > 0.1


def test_methods_are_given_the_object_at_the_size_that_is_asked_for(states_file, benchmark_):
    larger = load_benchmark(str(states_file), None, 0, states_file.parent, 1, 1.5)
    rows = np.arange(COUNT)
    assert_allclose(larger.observed(rows).object_points, 1.5 * benchmark_.observed(rows).object_points)
    assert_allclose(larger.true_fields(rows)[1], benchmark_.true_fields(rows)[1])
    found = evaluate(Plan(str(states_file), ("estimate",), ("0",), size=1.5, timed=0))
    scores = found["methods"]["estimate"]  # from the truth, so that only the size is off
    assert scores["translation_cm"]["mean"] == pytest.approx(0, abs=1e-3) and scores["pa_cd_object_cm"]["mean"] > 5
    assert evaluate_table.tables(found).startswith(f"{states_file}, seed 0, the object given at 1.5 times its size.")
    for size, scales in ((0.0, ("1",)), (0.8, ("1", "real"))):
        with pytest.raises(InputError, match="times its size"):
            evaluate(Plan(str(states_file), ("estimate",), scales, size=size))


def test_moving_body_and_object_together_changes_no_relation(truth):
    body, placed = truth.state.body, truth.state.object
    shift = np.array([0.3, -0.2, 0.5], np.float32)
    scores = truth.scores(State(replace(body, translation=body.translation + shift),
                                ObjectState(placed.rotation, placed.translation + shift)))
    still = truth.scores(truth.state)
    for name in METRICS:
        assert scores[name] == pytest.approx(still[name], abs=2e-3, nan_ok=True)


def test_chamfer_agrees_with_the_metrics_module(truth):
    state = with_object(truth, (0, 0.5, 0), (0.06, 0, 0.08))
    body = Mesh(pose(default_body(), state.body).vertices, default_body().faces)
    placed = truth.thing.mesh.moved(state.object.rotation, state.object.translation)
    other = metrics.pa_chamfer(body, placed, truth.body, truth.object)
    scores = truth.scores(state)
    assert scores["pa_cd_body_cm"] == pytest.approx(other.body, rel=0.03)
    assert scores["pa_cd_object_cm"] == pytest.approx(other.object, rel=0.03)
    assert min(other.body, other.object) < scores["pa_cd_both_cm"] < max(other.body, other.object) + 1


def test_both_are_sampled_as_one_surface():
    body = Mesh(*(np.asarray(a, t) for a, t in zip(_ball(0.5), (np.float32, np.int32), strict=True)))
    thing = Mesh(body.vertices * np.float32(2) + np.float32(5), body.faces)
    both = Samples.of(body, thing, 3).both
    assert len(both) == 6000 and (both[:, 0] < 2).sum() == pytest.approx(1200, abs=100)


def _ball(radius: float):
    ball = trimesh.creation.icosphere(3, radius)
    return ball.vertices, ball.faces


def test_distances_and_contact_agree_with_trimesh(truth):
    state = with_object(truth, (0, 0.3, 0), (0, -0.05, 0.1))
    body = pose(default_body(), state.body).vertices
    near = truth.thing.near(body, state.object)
    rows = np.random.default_rng(0).choice(len(body), 200)
    placed = truth.thing.mesh.moved(state.object.rotation, state.object.translation)
    faces = np.asarray(placed.vertices[placed.faces], float)
    nearest = [trimesh.triangles.closest_point(faces, np.tile(p, (len(faces), 1))) - p
               for p in body[rows].astype(float)]
    gap = np.linalg.norm(nearest, axis=2).min(1)
    close = gap < NOTHING
    assert close.any()
    assert_allclose(near.body[rows][close], gap[close], atol=1e-4)
    assert (near.body[rows][~close] > NOTHING - 0.01).all()
    mine = np.exp(-0.5 * (near.body[rows] / 0.1) ** 2)
    assert_allclose(mine, np.exp(-0.5 * (gap / 0.1) ** 2), atol=1e-3)


def test_depth_in_a_box_is_that_counted_by_hand():
    corners = trimesh.creation.box(bounds=[[-0.5, -0.25, -0.25], [0.5, 0.25, 0.25]])
    thing = Thing(Mesh(np.asarray(corners.vertices, np.float32), np.asarray(corners.faces, np.int32)))
    points = np.array([[0, 0.2, 0], [0.4, 0, 0], [0, 0, 0.3], [0.8, 0.25, 0.25], [9, 0, 0]], float)
    assert_allclose(thing.distance(points), [0.05, 0.1, 0.05, 0.3, np.inf], atol=1e-9)
    assert thing.holds(points).tolist() == [True, True, False, False, False]
    body = pose(default_body(), made_up_interactions(1).state(0).body).vertices
    head = body[:, 1].argmin()
    placed = ObjectState(np.eye(3), body[head] - [0, 0.25 - 0.04, 0])  # its lower face 4 cm under the top of the head
    found = thing.near(body, placed)
    inside = (np.abs(body - placed.translation) < [0.5, 0.25, 0.25]).all(1)
    deepest = (np.array([0.5, 0.25, 0.25]) - np.abs(body - placed.translation))[inside].min(1).max()
    assert found.body_inside.tolist() == inside.tolist()
    assert found.depth == pytest.approx(deepest, abs=2e-3) and found.depth == pytest.approx(0.04, abs=2e-3)


def test_contact_where_there_is_none_is_told_apart(truth):
    assert not Truth(made_up_interactions(COUNT), 3).contact.any() or truth.contact.any()
    apart = next(t for t in (Truth(made_up_interactions(COUNT), i) for i in range(COUNT)) if not t.contact.any())
    far = apart.scores(apart.state)
    assert far["false_contact"] == 0 and np.isnan(far["contact_f1"]) and np.isnan(far["contact_recall"])
    onto = apart.body.vertices[0] - apart.object.vertices[0]
    near = apart.scores(with_object(apart, shift=onto))
    assert near["false_contact"] == 1 and near["contact_f1"] == 0 and near["false_contact_vertices"] > 0


def test_learned_states_stand_where_stored_ones_do(benchmark_):
    for i in range(COUNT):
        state, stored = state_of(*(part[i].numpy() for part in benchmark_.truth)), benchmark_.interactions.state(i)
        mine, theirs = (pose(default_body(), s.body).vertices for s in (state, stored))
        assert_allclose(mine, theirs, atol=1e-4)
        assert_allclose(state.object.translation, stored.object.translation, atol=1e-5)


def test_differences_are_paired():
    one, other = np.array([1.0, 2, 3, np.nan, 5]), np.array([2.0, 4, 6, 8, np.nan])
    found = report.difference(one, other)
    assert found["mean"] == -2 and found["n"] == 3 and found["relative"] == -0.5
    assert -3 <= found["ci95"][0] < found["ci95"][1] <= -1
    empty = report.difference(np.full(3, np.nan), np.ones(3))
    assert empty["mean"] is None and empty["ci95"] == [None, None]


def test_groups_are_reported_on_their_own():
    scores = {"flow-star": {"x": np.array([1.0, 2, 3, 4])}, "estimate": {"x": np.array([2.0, 2, 2, 2])}}
    groups = {"first": np.array([1, 1, 0, 0], bool), "none": np.zeros(4, bool), "all": np.ones(4, bool)}
    found = report.section(scores, groups)
    assert set(found["breakdowns"]) == {"first"} and found["breakdowns"]["first"]["n"] == 2
    assert found["breakdowns"]["first"]["methods"]["flow-star"]["x"]["mean"] == 1.5
    assert found["paired"]["flow-star - estimate"]["x"]["mean"] == 0.5


def batch(b: Benchmark, rows: list[int], scale: float):
    begun = b.starts(scale, 0)
    return b.observed(np.array(rows)), type(begun)(*(part[rows] for part in begun))


def test_starts_of_every_scale_err_alike(benchmark_):
    whole, half, none = (benchmark_.starts(scale, 4) for scale in (1, 0.5, 0))
    gap = [torch.log(s.pelvis[:, 2] / benchmark_.truth.pelvis[:, 2]) for s in (whole, half, none)]
    assert_allclose(gap[1], gap[0] / 2, atol=1e-5)
    assert_allclose(gap[2], 0, atol=1e-6)


def test_the_baseline_first_fits_the_landmarks(benchmark_):
    seen, begun = batch(benchmark_, list(range(COUNT)), 1.0)
    fitted = contact_opt.fitted_to_landmarks(seen, begun)
    surface, which = contact_opt.landmark_points()

    def off(states):
        marks = seen.project(surface.posed(*states[:4]).points)
        return (marks - seen.landmarks[:, which]).norm(dim=-1).median(1).values

    assert (off(fitted) < off(begun)).float().mean() >= 0.8
    assert off(fitted).median() < 0.5 * off(begun).median()
    assert_allclose(fitted.object_position - fitted.pelvis, begun.object_position - begun.pelvis, atol=1e-5)


def test_the_baseline_closes_gaps_and_every_image_is_on_its_own(benchmark_, monkeypatch):
    monkeypatch.setattr(contact_opt, "STEPS", 60)
    seen, begun = batch(benchmark_, [0, 1], 0.25)
    both = contact_opt.optimised(seen, begun)
    for k in (0, 1):
        truth = Truth(benchmark_.interactions, k)
        before, after = (truth.thing.near(pose(default_body(), s.body).vertices, s.object) for s in (
            state_of(*(part[k].numpy() for part in states)) for states in (begun, both)))
        if 0.02 < before.body.min() < contact_opt.REACH:
            assert after.body.min() < before.body.min()
        alone = contact_opt.optimised(*batch(benchmark_, [k], 0.25))
        assert_allclose(alone.object_position[0], both.object_position[k], atol=5e-3)


def test_one_command_from_states_to_a_table(states_file, tmp_path, capsys):
    out = tmp_path / "table.json"
    code = cli.main(["evaluate", "--data", str(states_file), "--methods", "mean,estimate", "--scale", "0,1",
                     "--json", str(out), "--cache", str(tmp_path)])
    said = capsys.readouterr().out
    assert code == 0
    found = json.loads(out.read_text())
    assert found["n"] == COUNT and found["data"] == str(states_file)
    assert found["methods"] == found["scales"]["0"]["methods"]
    for name in ("mean", "estimate"):
        assert set(METRICS) | {"seconds"} == set(found["methods"][name])
        assert set(found["methods"][name]["rotation_deg"]) == {"mean", "ci95", "n"}
    exact, wrong = (found["scales"][scale]["methods"]["estimate"] for scale in ("0", "1"))
    assert exact["translation_cm"]["mean"] < 0.01 < wrong["translation_cm"]["mean"]
    assert exact["if_mae_body"]["mean"] < 0.01  # the hands are the mean ones
    assert found["scales"]["0"]["methods"]["mean"] == found["scales"]["1"]["methods"]["mean"]
    assert found["scales"]["1"]["breakdowns"]["held-out categories"]["n"] == 1
    assert all(name in " ".join(found["conventions"]) for name in METRICS)
    assert evaluate_table.tables(evaluate_table.read(out)) in said and "| estimate |" in said


def test_learned_methods_run_from_a_folder_of_weights(states_file, tmp_path):
    torch.manual_seed(0)
    net = LexisNet(replace(NetParams(), width=48, encoder_layers=1, decoder_layers=1))
    sizes = FlowParams(width=32, heads=2, context_layers=1, layers=2, shape=net.p.shape, code_width=net.p.code_width)
    checkpoint.save(tmp_path / "net.pt", {"kind": NET, "params": asdict(net.p), "net": net.state_dict()})
    checkpoint.save(tmp_path / "encoder.pt", packed(ImageEncoder(ImageParams())))
    flow = LexisFlow(sizes).state_dict()
    checkpoint.save(tmp_path / "flow.pt", {"kind": FLOW, "params": asdict(sizes), "flow": flow})
    names = tuple(name for name, method in METHODS.items() if method.learned)
    plan = Plan(str(states_file), ("estimate", *names), ("1",), 1, weights=tmp_path, cache=tmp_path, timed=0)
    found = evaluate(plan, lambda text: None)
    json.dumps(found, allow_nan=False)
    assert set(found["methods"]) == {"estimate", *names} and "flow-star - estimate" in found["paired"]
    assert all(found["methods"][name]["pa_cd_body_cm"]["mean"] > 0 for name in names)


def test_the_table_marks_what_is_clear_of_zero():
    clear, open_ = ({"mean": 1.0, "ci95": ends, "n": 9, "relative": 0.5} for ends in ([0.5, 1.5], [-0.5, 1.5]))
    part = {"n": 9, "methods": {"a": {"rotation_deg": clear}}, "breakdowns": {},
            "paired": {"a - b": {"rotation_deg": clear}, "a - c": {"rotation_deg": open_}}}
    text = evaluate_table.tables({"data": "d", "seed": 0, "scales": {"1": part}})
    assert "| a - b | **+1.0 [+0.5, +1.5]** +50 % |" in text and "| a - c | +1.0 [-0.5, +1.5] +50 % |" in text


def test_every_pair_is_of_known_methods():
    assert {name for pair in PAIRS for name in pair} <= set(METHODS)


@pytest.mark.parametrize("change", [
    {"methods": ("best",)}, {"methods": ()}, {"scales": ("9",)}, {"scales": ("much",)}, {"data": "real"},
    {"data": "none.npz"}, {"data": "{file}:train"}])
def test_a_plan_that_cannot_be_followed_is_told(states_file, tmp_path, change):
    change = {key: value.format(file=states_file) if key == "data" else value for key, value in change.items()}
    plan = replace(Plan(str(states_file), ("estimate",), cache=tmp_path), **change)
    with pytest.raises(InputError):
        evaluate(plan, lambda text: None)


def test_another_json_is_told(tmp_path):
    (tmp_path / "a.json").write_text('{"data": 1}')
    for name in ("a.json", "b.json"):
        with pytest.raises(InputError):
            evaluate_table.read(tmp_path / name)
