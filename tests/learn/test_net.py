"""LEXIS-Net: what its parts promise, that it learns, and that it leaves torch unharmed."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import trimesh

from lexis_core.body import default_body, pose
from lexis_core.body.names import JOINTS
from lexis_core.errors import InputError
from lexis_core.geometry import rotation_from_axis_angle
from lexis_core.interfield import distance
from lexis_core.mesh import Mesh
from lexis_core.runtime.session import Session
from lexis_core.state import BodyState

torch = pytest.importorskip("torch", reason="the learn extra is not installed")
sys.path.insert(0, str(Path(__file__).parents[1] / "data"))

from made_up_interactions import made_up  # noqa: E402

from lexis_core.learn import checkpoint, net_data, net_report  # noqa: E402
from lexis_core.learn.body_distance import body_distance  # noqa: E402
from lexis_core.learn.kinematics import (  # noqa: E402
    joint_positions,
    mirrored,
    rotation_from_sixd,
    rotation_of,
    sixd_from_rotation,
    skeleton,
)
from lexis_core.learn.layers import BatchRenorm  # noqa: E402
from lexis_core.learn.net import SIZES, LexisNet, NetParams, load_net  # noqa: E402
from lexis_core.learn.net_batch import Tensors, batch_of, varied  # noqa: E402
from lexis_core.learn.net_codes import read_back, search  # noqa: E402
from lexis_core.learn.net_fields import shape_of  # noqa: E402
from lexis_core.learn.net_geometry import Posed, basis, box_of, distances_to_points, nearness  # noqa: E402
from lexis_core.learn.net_report import measure, summary  # noqa: E402
from lexis_core.learn.settings import from_command_line  # noqa: E402
from lexis_core.learn.train_net import Settings, losses, train  # noqa: E402
from lexis_core.learn.vector_quantiser import VectorQuantiser, codebook_use  # noqa: E402
from lexis_core.synthetic.states import Interactions  # noqa: E402

REAL_SIZES = dict(SIZES)
TINY = NetParams(codes=64, code_width=16, tokens=4, token_rank=4, shape=32, width=32, encoder_layers=1,
                 decoder_layers=1, cells=4, object_cells=4, channels=4, head=16)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def states(tmp_path_factory):
    path = tmp_path_factory.mktemp("net") / "states.npz"
    near().save(path)
    return path


def near() -> Interactions:
    """16 made-up interactions, the objects brought to where they touch."""
    far = made_up(16, seed=3)
    way = (far.object_translation - far.translation) * [1, 0, 1]
    way /= np.linalg.norm(way, axis=1, keepdims=True)
    return replace(far, object_translation=(far.object_translation - 0.55 * way).astype(np.float32))


@pytest.fixture(scope="module")
def data(states):
    return Tensors(net_data.net_data(states, "train", processes=1), "cpu")


def some_input(count: int, seed: int = 0) -> tuple:
    generator = torch.Generator().manual_seed(seed)
    rotation = torch.from_numpy(rotation_from_axis_angle(0.5 * np.random.default_rng(seed).normal(size=(count, 21, 3))))
    points = torch.rand(count, 50, 3, generator=generator) - 0.5
    body = torch.rand(count, 40, 3, generator=generator) - 0.5
    turn = torch.from_numpy(rotation_from_axis_angle(np.random.default_rng(seed + 1).normal(size=(count, 3))))
    placement = torch.cat([sixd_from_rotation(turn), torch.rand(count, 13, generator=generator) - 0.5], 1).float()
    placed = torch.arange(count) % 3 > 0
    return (sixd_from_rotation(rotation).float(), points, torch.arange(count) % 19, placement, placed, body,
            points[:, :30].clone())


# kinematics

def test_joints_are_where_the_body_model_puts_them():
    axis_angle = np.random.default_rng(1).normal(0, 0.4, (2, 21, 3)).astype(np.float32)
    ours = joint_positions(torch.from_numpy(rotation_from_axis_angle(axis_angle)), skeleton()).numpy()
    for joints, theta in zip(ours, axis_angle, strict=True):
        theirs = pose(default_body(), BodyState(body_pose=theta)).joints[:22]
        np.testing.assert_allclose(joints, theirs - theirs[0], atol=2e-6)


def test_sixd_comes_back_as_the_same_rotation():
    rotation = torch.from_numpy(rotation_from_axis_angle(np.random.default_rng(2).normal(size=(5, 21, 3))))
    torch.testing.assert_close(rotation_from_sixd(sixd_from_rotation(rotation)), rotation)


def test_the_mirrored_pose_has_mirrored_joints():
    rotation = torch.from_numpy(rotation_from_axis_angle(np.random.default_rng(4).normal(0, 0.5, (3, 21, 3))))
    rest = skeleton().double()
    exchanged = [JOINTS.index(name.replace("left", "?").replace("right", "left").replace("?", "right"))
                 for name in JOINTS[:22]]
    expected = (joint_positions(rotation, rest) * torch.tensor([-1.0, 1, 1]))[:, exchanged]
    torch.testing.assert_close(joint_positions(mirrored(rotation), rest), expected, atol=2e-4, rtol=0)


# the codebook

def test_every_token_becomes_its_nearest_code():
    quantiser = VectorQuantiser(50, 8).eval()
    tokens = torch.randn(3, 16, 8)
    codes, indices, commitment = quantiser(tokens)
    nearest = torch.cdist(tokens, quantiser.codebook[None]).argmin(-1)
    assert torch.equal(indices, nearest)
    torch.testing.assert_close(codes, quantiser.codebook[nearest])
    torch.testing.assert_close(commitment, (tokens - codes).square().mean())


def test_the_gradient_goes_straight_through():
    tokens = torch.randn(2, 4, 8, requires_grad=True)
    codes, _, _ = VectorQuantiser(10, 8)(tokens)
    (codes * torch.arange(8.0)).sum().backward()
    torch.testing.assert_close(tokens.grad, torch.arange(8.0).expand(2, 4, 8))


def test_the_codebook_follows_its_tokens_and_leaves_no_code_dead():
    torch.manual_seed(0)
    quantiser = VectorQuantiser(32, 2)
    for middle in (0, 20):  # the encoder drifts away from where the codebook began
        for _ in range(500):
            quantiser(middle + torch.randn(8, 16, 2))
    _, indices, commitment = quantiser.eval()(20 + torch.randn(500, 16, 2))
    perplexity, dead = codebook_use(indices, 32)
    assert commitment < 0.1  # of a variance of 1
    assert perplexity > 24 and dead == 0


def test_use_of_a_codebook_counted_by_hand():
    assert codebook_use(torch.tensor([[0, 1], [2, 3]]), 8) == (pytest.approx(4), 4)
    assert codebook_use(torch.tensor([[5, 5, 5, 5]]), 8) == (pytest.approx(1), 7)


def test_codes_chosen_together_cost_less_than_the_nearest():
    """The search against every choice of codes there is."""
    torch.manual_seed(0)
    codes, tokens = torch.randn(5, 2), torch.randn(30, 3, 2)
    root = torch.randn(30, 6, 6)
    curvature, gradient = root @ root.transpose(1, 2) + 0.1 * torch.eye(6), torch.randn(30, 6)

    def cost(indices: torch.Tensor) -> torch.Tensor:
        x = (codes[indices] - tokens).flatten(1)
        return (gradient * x).sum(1) + 0.5 * (x[:, None] @ curvature @ x[..., None])[:, 0, 0]

    every = torch.cartesian_prod(*[torch.arange(5)] * 3)
    best = torch.stack([cost(choice.expand(30, 3)) for choice in every]).amin(0)
    found = cost(search(codes, tokens, curvature, gradient))
    nearest = cost(torch.cdist(tokens, codes[None]).argmin(-1))
    assert (found > best - 1e-4).all() and (found < best + 1e-4).float().mean() > 0.5
    assert (found - best).mean() < 0.2 * (nearest - best).mean()


# the network

def test_fields_lie_between_0_and_1_for_any_number_of_points():
    net = LexisNet(TINY).eval()
    with torch.no_grad():
        decoded, codes, _ = net(*some_input(3))
    assert decoded.body.shape == (3, 40) and decoded.object.shape == (3, 30)
    assert decoded.theta.shape == (3, 21, 6) and decoded.placement.shape == (3, 19) and codes.shape == (3, 4)
    for field in (decoded.body, decoded.object):
        assert field.min() > 0 and field.max() < 1


def test_normalised_numbers_are_the_same_in_training_and_in_use():
    torch.manual_seed(0)
    norm = BatchRenorm(3)
    for _ in range(300):
        norm(torch.tensor([5.0, -2, 0]) + torch.tensor([1.0, 4, 0.1]) * torch.randn(64, 3))
    x = (torch.tensor([5.0, -2, 0]) + torch.tensor([1.0, 4, 0.1]) * torch.randn(1000, 3)).requires_grad_()
    trained = norm(x)
    torch.testing.assert_close(trained, norm.eval()(x))
    torch.testing.assert_close(trained.mean(0), torch.zeros(3), atol=0.1, rtol=0)
    torch.testing.assert_close(trained.std(0), torch.ones(3), atol=0.1, rtol=0)
    (trained * torch.randn(1000, 3)).sum().backward()
    scale = (x.grad * (x - x.mean(0))).sum(0).detach()  # how the loss changes when everything grows
    torch.testing.assert_close(scale, torch.zeros(3), atol=1e-3, rtol=0)


def test_the_object_is_seen_as_a_set_of_points():
    net = LexisNet(TINY).eval()
    points = torch.rand(2, 60, 3)
    with torch.no_grad():
        torch.testing.assert_close(net.embed(points), net.embed(points[:, torch.randperm(60)]))


def test_without_the_object_nothing_of_its_shape_reaches_the_fields():
    net = LexisNet(replace(TINY, sees_object=False)).eval()
    theta, points, *others = some_input(2)
    with torch.no_grad():
        one, other = (net(theta, shape, *others)[0] for shape in (points, 3 * points.flip(1) + 0.1))
    torch.testing.assert_close(one.body, other.body)
    torch.testing.assert_close(one.theta, other.theta)


def test_sizes_are_what_they_are_called():
    millions = {name: sum(w.numel() for w in LexisNet(p).parameters()) / 1e6 for name, p in REAL_SIZES.items()}
    assert 2 < millions["small"] < 6 < millions["base"]
    assert all((p.codes, p.code_width, p.tokens) == (2048, 128, 16) for p in REAL_SIZES.values())


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
def test_the_exported_network_answers_as_torch_does(tmp_path):
    pytest.importorskip("onnx", reason="onnx is not installed, which writes the file")
    pytest.importorskip("onnxscript", reason="onnxscript is not installed, which torch exports with")
    net = LexisNet(TINY)
    for seed in range(3):  # the norm and the codebook get the statistics of something
        net(*some_input(8, seed))
    net.eval()
    batch, *counts = (torch.export.Dim(name) for name in ("batch", "shape", "body", "object"))
    shapes = ({0: batch}, {0: batch, 1: counts[0]}, *({0: batch},) * 3, {0: batch, 1: counts[1]},
              {0: batch, 1: counts[2]})
    names = ["theta", "shape_points", "action", "placement", "placed", "body_points", "object_points"]
    program = torch.onnx.export(Whole(net).eval(), some_input(2), dynamo=True, opset_version=23, input_names=names,
                                dynamic_shapes=shapes, verbose=False)
    program.save(tmp_path / "net.onnx")
    given = some_input(5, seed=9)
    with torch.no_grad():
        decoded, codes, _ = net(*given)
    session = Session(tmp_path / "net.onnx", "cpu")
    answers = list(session.run({name: array.numpy() for name, array in zip(names, given, strict=True)}).values())
    np.testing.assert_array_equal(answers[4], codes.numpy())
    for answer, expected in zip(answers, decoded, strict=False):
        np.testing.assert_allclose(answer, expected.numpy(), atol=1e-4)


class Whole(torch.nn.Module):
    """forward without what only training uses."""

    def __init__(self, net: LexisNet):
        super().__init__()
        self.net = net

    def forward(self, theta, shape_points, action, placement, placed, body_points, object_points):
        decoded, codes, _ = self.net(theta, shape_points, action, placement, placed, body_points, object_points)
        return *decoded, codes


# what it learns from

def test_cached_distances_are_those_of_the_meshes(states, data):
    interactions = near()
    i = int(np.flatnonzero(interactions.split == 0)[1])
    state, model = interactions.world_state(i), default_body()
    posed = pose(model, state.body).vertices
    body = trimesh.Trimesh(posed, model.faces, process=False)
    placed = interactions.object_model(i).mesh.moved(state.object.rotation, state.object.translation)
    object = trimesh.Trimesh(placed.vertices, placed.faces, process=False)
    some = slice(None, None, 100)
    on_body = net_data.body_points().on(posed, model.faces)[some]
    canonical = data.object_points[data.instance[1]].float().numpy()[some]
    on_object = canonical @ state.object.rotation.T + state.object.translation
    for points, mesh, cached in ((on_body, object, data.body_distance[1]), (on_object, body, data.object_distance[1])):
        expected = np.linalg.norm(trimesh.proximity.closest_point_naive(mesh, points)[0] - points, axis=1)
        np.testing.assert_allclose(cached[some].numpy(), np.minimum(expected, net_data.FAR), atol=1e-3, rtol=1e-3)


def test_the_fast_distance_to_a_posed_body_is_the_exact_one_within_2_mm_nearly_everywhere():
    model, rng = default_body(), np.random.default_rng(7)
    for reach in (0.2, 0.3):  # radians
        posed = pose(model, BodyState(body_pose=rng.normal(0, reach, (21, 3)).astype(np.float32))).vertices
        near = posed[rng.integers(len(posed), size=2000)] + rng.normal(0, 0.03, (2000, 3))
        points = np.concatenate([near, posed[::7], rng.uniform(-2, 2, (500, 3))])
        error = body_distance(points, posed) - distance(points, Mesh(posed, model.faces))
        assert error.min() > -1e-5 and error.max() < 0.01
        assert (error < 2e-3).mean() > 0.999


def test_body_points_lie_on_the_rest_body_and_spread_by_area():
    model, points = default_body(), net_data.body_points()
    np.testing.assert_allclose(points.on(model.template, model.faces) - model.joint_template[0], points.rest, atol=1e-6)
    areas = np.linalg.norm(np.cross(*(model.template[model.faces[:, k]] - model.template[model.faces[:, 0]]
                                      for k in (1, 2))), axis=1)
    upper = model.template[model.faces].mean(1)[:, 1] > model.joint_template[0, 1]
    share = (points.rest[:, 1] > 0).mean()
    assert share == pytest.approx(areas[upper].sum() / areas.sum(), abs=0.05)


def test_a_killed_measurement_goes_on_where_it_stopped(tmp_path):
    path = tmp_path / "states.npz"
    made_up(4, seed=5).save(path)
    whole = net_data.fields(path, processes=1)
    body, object = np.array(whole.body_distance), np.array(whole.object_distance)
    (file,) = tmp_path.glob("*.fields-*.npy")
    stored = np.load(file, mmap_mode="r+")
    stored[net_data.BODY_POINTS + 500 : 2 * net_data.BODY_POINTS] = np.nan  # half of row 1 was not written
    stored[0] = 3.25                                                        # row 0 was, and is not measured again
    stored.flush()
    again = net_data.fields(path, processes=1)
    np.testing.assert_array_equal(again.body_distance[1:], body[1:])
    np.testing.assert_array_equal(again.object_distance, object)
    assert again.body_distance[0, 0] == 3.25


def test_a_cut_cache_is_told(tmp_path):
    path = tmp_path / "states.npz"
    made_up(2, seed=6).save(path)
    net_data.fields(path, processes=1)
    (file,) = tmp_path.glob("*.fields-*.npy")
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(InputError, match="Delete it"):
        net_data.fields(path, processes=1)


def test_a_mirrored_sample_keeps_its_field_where_the_mirrored_point_is(data):
    batch = batch_of(data, torch.arange(2))
    torch.manual_seed(0)
    seen = varied(batch, shape_points=10, field_points=20, mirror=1, turned=0, action_dropped=1,
                  placement_dropped=1, loosened=0, unknown_action=18)
    assert (seen.action == 18).all() and not seen.placed.any()
    for points, distances, all_points, known in (
        (seen.body_points, seen.body_distance, batch.body_points, batch.body_distance),
        (seen.object_points, seen.object_distance, batch.object_points, batch.object_distance),
    ):
        back = points * torch.tensor([-1.0, 1, 1])
        row = torch.cdist(back, all_points).argmin(-1)
        torch.testing.assert_close(known.gather(1, row), distances)


def test_a_turned_canonical_frame_turns_what_is_seen_and_what_is_asked(data):
    batch = batch_of(data, torch.arange(3))
    torch.manual_seed(0)
    seen = varied(batch, shape_points=1024, field_points=1024, mirror=0, turned=1, action_dropped=0,
                  placement_dropped=0, loosened=0, unknown_action=18)
    assert not torch.allclose(seen.shape_points.sort(1)[0], batch.shape_points.sort(1)[0], atol=0.05)
    torch.testing.assert_close(torch.cdist(seen.shape_points, seen.object_points).amin(-1).amax(),
                               torch.tensor(0.0), atol=1e-3, rtol=0)
    torch.testing.assert_close(seen.theta, batch.theta)


def test_placements_are_the_object_as_the_pelvis_sees_it(states, data):
    interactions = near()
    rows = np.flatnonzero(interactions.split == 0)
    for k, i in enumerate(rows):
        state = interactions.state(int(i))  # in camera space: the world's axes must not matter
        pelvis = pose(default_body(), state.body).joints[0]
        turn, way = rotation_from_sixd(data.placement[k, :6]).numpy(), data.placement[k, 6:9].numpy()
        np.testing.assert_allclose(state.body.rotation @ turn, state.object.rotation, atol=1e-5)
        np.testing.assert_allclose(state.body.rotation @ way + pelvis, state.object.translation, atol=1e-5)
        np.testing.assert_allclose(data.placement[k, 9:], interactions.betas[i])


def test_mirrored_and_turned_samples_keep_their_objects_among_their_joints(data):
    """Distances from the joints to the object's points stay what they were, left and right exchanged."""
    batch = batch_of(data, torch.arange(4))
    torch.manual_seed(1)
    seen = varied(batch, shape_points=1024, field_points=1024, mirror=1, turned=1, action_dropped=0,
                  placement_dropped=0, loosened=0, unknown_action=18)

    def apart(some):
        joints = joint_positions(rotation_from_sixd(some.theta), skeleton())
        placed = (some.object_points @ rotation_from_sixd(some.placement[:, :6]).transpose(1, 2)
                  + some.placement[:, None, 6:9])
        return torch.cdist(joints, placed).sort(-1)[0]

    exchanged = [JOINTS.index(name.replace("left", "?").replace("right", "left").replace("?", "right"))
                 for name in JOINTS[:22]]
    torch.testing.assert_close(apart(seen), apart(batch)[:, exchanged], atol=2e-3, rtol=0)
    assert not torch.allclose(seen.placement[:, :6], batch.placement[:, :6], atol=0.1)


# where things are to each other

def test_skin_points_go_where_the_body_model_puts_them():
    rng, points = np.random.default_rng(5), net_data.body_points()
    state = BodyState(body_pose=rng.normal(0, 0.3, (21, 3)).astype(np.float32),
                      betas=rng.normal(0, 0.5, 10).astype(np.float32))
    posed, bodies = pose(default_body(), state), Posed()
    theta = sixd_from_rotation(torch.from_numpy(rotation_from_axis_angle(state.body_pose)))[None].float()
    turns, places = bodies.joints(theta, torch.from_numpy(state.betas)[None])
    np.testing.assert_allclose(places[0].numpy(), posed.joints[:22] - posed.joints[0], atol=1e-5)
    skin = bodies.points(torch.from_numpy(points.rest)[None], turns, places)[0].numpy()
    off = np.linalg.norm(skin - (points.on(posed.vertices, default_body().faces) - posed.joints[0]), axis=1)
    assert np.median(off) < 0.01 and off.mean() < 0.02  # the flesh of the build and the fingers are left out


def test_the_nearest_skin_is_found_wherever_the_pose_brings_it():
    rng, bodies = np.random.default_rng(6), Posed()
    theta = torch.from_numpy(rng.normal(0, 0.3, (2, 21, 3)).astype(np.float32))
    turns, places = bodies.joints(sixd_from_rotation(rotation_of(theta)), torch.zeros(2, 10))
    points = torch.from_numpy(rng.normal(0, 0.4, (2, 30, 3)).astype(np.float32))
    away, rest = bodies.touched(points, turns, places)
    skin = bodies.points(bodies.skin.expand(2, -1, -1), turns, places)
    torch.testing.assert_close(away, torch.cdist(points, skin).amin(2), atol=1e-4, rtol=0)
    there = bodies.points(rest, turns, places)
    torch.testing.assert_close(away, (points - there).norm(dim=-1), atol=1e-3, rtol=0)


def test_bones_are_felt_where_they_are():
    bodies = Posed()
    theta = sixd_from_rotation(torch.eye(3)).expand(1, 21, 6)
    turns, places = bodies.joints(theta, torch.zeros(1, 10))
    knee, ankle = (places[:, JOINTS.index(name)] for name in ("left_knee", "left_ankle"))
    side = torch.tensor([0.07, 0.0, 0.0])
    bones, local = (felt[0, 0] for felt in bodies.felt(((knee + ankle) / 2 + side)[:, None], turns, places))
    shin = JOINTS.index("left_ankle") - 1
    across = (ankle - knee)[0] / (ankle - knee).norm()
    expected = (side - side.dot(across) * across).norm()
    assert bones.argmin() == shin and float(bones[shin]) == pytest.approx(float(expected), abs=1e-4)
    local = torch.atanh(local.unflatten(0, (22, 3))) * 0.3
    torch.testing.assert_close(local, (knee + ankle) / 2 + side - places[0], atol=1e-4, rtol=0)


def test_places_stay_exact_where_training_rounds():
    net = LexisNet(TINY).eval()
    given = some_input(4)
    with torch.no_grad():
        exact = net.embed(given[1])
        with torch.autocast("cpu", torch.bfloat16):
            torch.testing.assert_close(net.embed(given[1]), exact, rtol=0, atol=0)
            known = net.latent(torch.randn(4, 4, 16), exact)
            rounded = net.asked(known, exact, *given[5:])
        torch.testing.assert_close(rounded.object, net.asked(known, exact, *given[5:]).object, atol=0.01, rtol=0)


def test_distances_from_fixed_places_bound_those_between():
    torch.manual_seed(0)
    shape, queried = (2 * torch.rand(2, 200, 3) - 1) * torch.tensor([1, 0.3, 0.6]), 2 * torch.rand(2, 50, 3) - 1
    half = shape.abs().amax(1)
    places = basis(64) * box_of(half)[:, None]
    known = distances_to_points(places, shape)
    torch.testing.assert_close(known, torch.cdist(places, shape).amin(-1), atol=1e-4, rtol=0)
    below, above, _, outside = nearness(queried, half, known).unbind(-1)
    true = torch.cdist(queried, shape).amin(-1)
    assert (below <= true + 1e-4).all() and (true <= above + 1e-4).all() and (outside <= true + 1e-2).all()
    torch.testing.assert_close(shape_of(0.4 * shape, 68)[:, 1:], torch.cat([half, known], 1), atol=1e-2, rtol=0)


# how it learns

def test_one_batch_is_learned_by_heart(data):
    torch.manual_seed(0)
    net, s = LexisNet(replace(TINY, width=64, codes=256)), Settings("")
    rest = skeleton()
    batch = varied(batch_of(data, torch.arange(len(data))), shape_points=128, field_points=128, mirror=0, turned=0,
                   action_dropped=0, placement_dropped=0, loosened=0, unknown_action=18)
    optimiser, history = torch.optim.AdamW(net.parameters(), 3e-3), []
    for step in range(120):
        decoded, _, commitment = net(batch.theta, batch.shape_points, batch.action, batch.placement, batch.placed,
                                     batch.body_points, batch.object_points, quantise=step >= 20)
        loss = torch.stack(list(losses(s, decoded, batch, commitment, rest).values())).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        history.append(loss.item())
    assert history[-1] < history[0] / 5


def tiny_run(states, out, **changes) -> Settings:
    quick = {"steps": 6, "batch": 4, "free_steps": 2, "shape_points": 32, "field_points": 32, "validate_every": 6,
             "save_every": 3, "processes": 1, "threads": 1, "device": "cpu"}
    return Settings(str(states), str(out), **quick | changes)


@pytest.fixture(scope="module", autouse=True)
def tiny_size():
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SIZES, "small", TINY)
        yield


@pytest.fixture(scope="module")
def whole_run(states, tmp_path_factory):
    """A folder and what train returned."""
    out = tmp_path_factory.mktemp("run")
    return out, train(tiny_run(states, out))


class Killed(Exception):
    """Stands for the end of the process."""


def test_a_killed_training_ends_with_the_same_weights(states, tmp_path, whole_run):
    saved = checkpoint.save

    def save_and_die(path, content):
        saved(path, content)
        raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "save", save_and_die)
        with pytest.raises(Killed):
            train(tiny_run(states, tmp_path))
    assert checkpoint.load(tmp_path / "last.pt", "LEXIS-Net")["step"] == 3
    train(tiny_run(states, tmp_path))
    whole, resumed = (checkpoint.load(out / "last.pt", "LEXIS-Net")["net"] for out in (whole_run[0], tmp_path))
    for name, weights in whole.items():
        torch.testing.assert_close(resumed[name], weights, rtol=0, atol=0)


def test_a_run_leaves_its_curves_its_report_and_a_network(states, whole_run):
    out, result = whole_run
    assert {"best.pt", "last.pt", "log.csv", "curves.png", "report.json"} <= {path.name for path in out.iterdir()}
    told = json.loads((out / "report.json").read_text())
    assert told["splits"].keys() == {"validation", "test", "test held out"}
    net = load_net(out / "best.pt")
    data = Tensors(net_data.net_data(states, "test", processes=1), "cpu")
    assert summary(measure(net, data), net.p.codes) == pytest.approx(result["splits"]["test"])


def test_a_network_is_measured_again_as_its_report_has_it(states, whole_run, capsys, monkeypatch):
    out, report = whole_run
    monkeypatch.setattr(sys, "argv", ["net_report", "--net", str(out / "best.pt"), "--states", str(states)])
    net_report.main()
    together, nearest = capsys.readouterr().out.splitlines()
    for line, known in ((together, report["splits"]), (nearest, report["nearest_codes"])):
        assert f"if_mae_object {known['validation']['if_mae_object']:.4g}," in line


@pytest.mark.parametrize(("switch", "param"), [("quantiser", "quantised"), ("object", "sees_object"),
                                               ("placement", "sees_placement")])
def test_ablations_are_switches(states, tmp_path, switch, param):
    train(tiny_run(states, tmp_path, steps=3, **{switch: False}))
    net = load_net(tmp_path / "best.pt")
    assert not getattr(net.p, param)
    assert replace(net.p, **{param: True}) == TINY


def test_codes_chosen_together_say_the_placement_and_the_pose_better(data):
    torch.manual_seed(0)
    net, batch = LexisNet(replace(TINY, codes=256)), batch_of(data, torch.arange(len(data)))
    for _ in range(3):  # the norm and the codebook get the statistics of something
        read_back(net, batch, as_one=0.0)
    net.eval()
    with torch.no_grad():
        alone, nearest, _ = read_back(net, batch, as_one=0.0)
        whole, chosen, _ = read_back(net, batch)
        mixed, both, _ = read_back(net, batch, as_one=0.5)
    first = round(0.5 * len(data))
    assert torch.equal(both[:first], chosen[:first]) and torch.equal(both[first:], nearest[first:])
    torch.testing.assert_close(mixed.object[first:], alone.object[first:])
    off = [(said.placement - batch.placement)[:, 6:9].norm(dim=1).mean() for said in (whole, alone)]
    assert off[0] < off[1]


def test_held_tokens_stay_while_fields_learn_on(states, tmp_path, whole_run):
    begun = whole_run[0] / "best.pt"
    train(tiny_run(states, tmp_path, begin=str(begun), learning_rate=1e-2))
    before, after = load_net(begun), load_net(tmp_path / "best.pt")
    theta, points, action, placement, placed, body, queried = some_input(6)
    with torch.no_grad():
        one, other = (net.encode(theta, net.embed(points), action, placement, placed) for net in (before, after))
        torch.testing.assert_close(one, other, rtol=0, atol=0)
        torch.testing.assert_close(before.pose(one), after.pose(one), rtol=0, atol=0)
        torch.testing.assert_close(before.quantiser(one)[0], after.quantiser(one)[0], rtol=0, atol=0)
        first, second = (net.decode(one, net.embed(points), body, queried).object for net in (before, after))
    assert not torch.allclose(first, second)


def test_another_run_is_not_continued(states, whole_run):
    with pytest.raises(InputError, match="other settings"):
        train(tiny_run(states, whole_run[0], learning_rate=1e-4))


def test_a_truncated_checkpoint_is_told(tmp_path):
    path = tmp_path / "net.pt"
    checkpoint.save(path, {"kind": "LEXIS-Net", "net": LexisNet(TINY).state_dict()})
    whole = path.read_bytes()
    for size in (0, 10, len(whole) // 2, len(whole) - 5):
        path.write_bytes(whole[:size])
        with pytest.raises(InputError, match="cut short"):
            load_net(path)
    with pytest.raises(InputError, match="no file"):
        load_net(tmp_path / "missing.pt")
    checkpoint.save(path, {"kind": "LEXIS-Net", "params": {"codes": 7}, "net": {}})
    with pytest.raises(InputError, match="this version"):
        load_net(path)
    checkpoint.save(path, {"kind": "something else"})
    with pytest.raises(InputError, match="LEXIS-Net"):
        load_net(path)


def test_nan_in_a_batch_stops_the_training(states, tmp_path, monkeypatch):
    def spoilt(self, data, device, given=Tensors.__init__):
        given(self, data, device)
        self.theta = torch.full_like(self.theta, torch.nan)

    monkeypatch.setattr(Tensors, "__init__", spoilt)
    with pytest.raises(InputError, match="not a number"):
        train(tiny_run(states, tmp_path))


def test_every_setting_is_an_option():
    words = ["--states", "s.npz", "--no-object", "--steps", "7", "--learning-rate", "2e-4"]
    assert from_command_line(Settings, "", words) == Settings("s.npz", object=False, steps=7, learning_rate=2e-4)


@pytest.mark.parametrize("change", [{"size": "huge"}, {"free_steps": 6}, {"states": "nowhere.npz"}])
def test_wrong_settings_are_told(states, tmp_path, change):
    with pytest.raises(InputError):
        train(replace(tiny_run(states, tmp_path), **change))
