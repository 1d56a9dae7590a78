"""LEXIS-Flow: states and numbers go back and forth, mirrors mirror, guidance finds contact, a batch is learned."""

from __future__ import annotations

import sys
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from rendered_interactions import made_up_interactions
from scipy.ndimage import map_coordinates

from lexis_core.body import default_body, pose
from lexis_core.errors import InputError
from lexis_core.initialise.landmark_points import landmark_points
from lexis_core.learn import checkpoint, forces, guidance
from lexis_core.learn.flow_batch import FlowData, reflected, true_states
from lexis_core.learn.flow_net import FlowParams, LexisFlow, Stream, load_network
from lexis_core.learn.flow_reference import codes, reference_without_start
from lexis_core.learn.flow_state import Coordinates, Free, States, coordinates, placement, states_at
from lexis_core.learn.image_encoder import ImageEncoder, ImageParams
from lexis_core.learn.kinematics import sixd_from_rotation
from lexis_core.learn.layers import Block
from lexis_core.learn.net import LexisNet, NetParams
from lexis_core.learn.net_data import body_points
from lexis_core.learn.observed import SIDE, Observed, observed
from lexis_core.learn.optimiser import optimiser_of
from lexis_core.learn.proximity import REACH, near
from lexis_core.learn.sampler import WEIGHTS, Flow, ready, regress, sample
from lexis_core.learn.starts import rotation_vector, start_errors
from lexis_core.learn.surface import Posed, landmark_surface, surface_points
from lexis_core.learn.train_flow import Settings, flow_of, forward, noisy, recalled
from lexis_core.observe.observation import Observation
from lexis_core.runtime.crop import crop_of, start_of, state_of
from lexis_core.runtime.sampler import RATE
from lexis_core.synthetic.render import render
from lexis_core.synthetic.states import Interactions, load

sys.path.insert(0, str(Path(__file__).parents[1] / "data"))
from synthetic_smplx import smplx_like

COUNT = 8
SMALL_NET = replace(NetParams(), width=48, encoder_layers=1, decoder_layers=1)


@pytest.fixture(scope="module")
def states_file(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("flow") / "few.npz"
    made_up_interactions(COUNT).save(path)
    return path


@pytest.fixture(scope="module")
def interactions(states_file) -> Interactions:
    return load(states_file)


@pytest.fixture(scope="module")
def net() -> LexisNet:
    torch.manual_seed(0)
    made = LexisNet(SMALL_NET)
    made.train()
    truth = true_states(made_up_interactions(64, seed=1))  # its running statistics and its codebook meet some poses
    action = torch.zeros(64, dtype=torch.long)
    tokens = made.encode(sixd_from_rotation(truth.theta), torch.rand(64, made.p.shape), action, placement(truth),
                         torch.ones(64) > 0)
    made.quantiser(tokens)
    return made.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def encoder() -> ImageEncoder:
    torch.manual_seed(1)
    return ImageEncoder(ImageParams()).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def data(states_file, encoder) -> FlowData:
    return FlowData(states_file, "train", encoder, start_errors(), processes=1)


@pytest.fixture(scope="module")
def flow(net, encoder) -> Flow:
    torch.manual_seed(2)
    made = LexisFlow(FlowParams(width=32, heads=2, context_layers=1, layers=2))
    for out in (made.code_out, made.pose_out, *made.state_out.values()):
        torch.nn.init.normal_(out.weight, 0, 0.02)
    return ready(net, made, encoder)


@pytest.mark.parametrize("body", ["default", "SMPL-X"])
def test_points_are_posed_as_the_whole_body_is(interactions, body, tmp_path):
    model = default_body() if body == "default" else smplx_like(pose_dirs=False)
    rng = np.random.default_rng(0)
    points = body_points()
    if body != "default":
        points = replace(points, face=rng.integers(len(model.faces), size=len(points.face)))
        model = replace(model, pose_dirs=None)  # pose correctives are left to the whole body
    state = interactions.state(1).body
    posed = pose(model, state)
    surface = surface_points(model, points)
    theta = true_states(interactions).theta[1:2]
    found = surface.posed(theta, torch.from_numpy(state.rotation)[None], torch.from_numpy(posed.joints[:1]),
                          torch.from_numpy(state.betas)[None])
    gap = np.linalg.norm(found.points[0] - points.on(posed.vertices, model.faces), axis=1)
    assert np.median(gap) < 1e-4 and gap.max() < 0.01  # corners are skinned, not points
    assert_allclose(found.joints[0], posed.joints[:22], atol=1e-5)
    marks, which = landmark_surface(model)
    known = landmark_points(model)
    found = marks.posed(theta, torch.from_numpy(state.rotation)[None], torch.from_numpy(posed.joints[:1]),
                        torch.from_numpy(state.betas)[None])
    corners = pose(known.model, state).vertices
    assert_allclose(found.points[0], known.of(corners[None], posed.joints[None])[0], atol=1e-4)
    assert np.array_equal(which, known.landmark)


def test_states_come_back_from_their_coordinates(data, net):
    batch = data.batch(np.arange(COUNT), net, FlowParams(), started=0.5, largest=1.5)
    x = coordinates(batch.truth, batch.tokens, batch.reference, batch.seen.focal)
    back = states_at(x, batch.truth.theta, batch.reference, batch.seen.focal)
    for name in States._fields:
        assert_allclose(getattr(back, name), getattr(batch.truth, name), atol=2e-5)
    none = Coordinates(*(torch.zeros_like(v) for v in x))
    same = states_at(none, batch.reference.states.theta, batch.reference, batch.seen.focal)
    for name in States._fields:
        assert_allclose(getattr(same, name), getattr(batch.reference.states, name), atol=2e-5)


def test_a_start_without_change_is_kept_to_the_last_digit(flow, data):
    """What tokens cannot say of the start's pose is added again."""
    batch = data.batch(np.arange(COUNT), flow.net, flow.flow.p)
    still = LexisFlow(flow.flow.p)  # its outputs start at zero
    same = regress(replace(flow, flow=still.eval()), batch.seen, batch.reference.states)
    for name in States._fields:
        assert_allclose(getattr(same, name), getattr(batch.reference.states, name), atol=2e-5)


def test_the_mirror_shows_the_same_scene_turned_about(data, net):
    plain, _ = data.observed(np.arange(COUNT))
    flipped, _ = data.observed(np.arange(COUNT), torch.ones(COUNT) > 0)
    truth = States(*(v[:COUNT] for v in data.truth))
    other = reflected(truth, torch.ones(COUNT) > 0)
    assert_allclose(flipped.maps, plain.maps.flip(-1), atol=1e-6)
    way = torch.tensor([-1.0, 1, 1])
    points = plain.object_points @ truth.object_rotation.transpose(1, 2) + truth.object_position[:, None]
    mirror = flipped.object_points @ other.object_rotation.transpose(1, 2) + other.object_position[:, None]
    assert_allclose(mirror, points * way, atol=1e-5)
    surface, which = landmark_surface(default_body())
    here, there = (flipped.project(surface.posed(*s[:4]).points) for s in (other, truth))
    there = plain.project(surface.posed(*truth[:4]).points)
    swap = [int((which == m).nonzero()) for m in (0, *(k + 1 if k % 2 else k - 1 for k in which.tolist()[1:]))
            if (which == m).any()]
    if len(swap) == len(which):
        assert_allclose(here[:, swap], there * way[:2], atol=0.01)
    assert not flipped.seen[:, 0].any()
    assert torch.det(other.object_rotation).min() > 0.99


def test_maps_are_read_bilinearly(data):
    seen, _ = data.observed(np.arange(2))
    at = torch.rand(2, 50, 2) * 0.9 - 0.45
    found = seen.read(at, slice(2, 4))
    for b in range(2):
        for c in range(2):
            place = (at[b].numpy().astype(np.float64) + 0.5) * SIDE - 0.5
            truth = map_coordinates(seen.maps[b, 2 + c].numpy(), [place[:, 1], place[:, 0]], order=1, mode="nearest")
            assert_allclose(found[b, :, c], truth, atol=1e-4)


def test_without_a_start_landmarks_and_mask_place_both(interactions):
    """From true landmarks the closed form finds turn and depth; the object is where its mask is."""
    truth = true_states(interactions)
    surface, which = landmark_surface(default_body())
    marks = surface.posed(*truth[:4]).points.numpy()
    landmarks, world = np.zeros((COUNT, 33, 2)), np.zeros((COUNT, 33, 3))
    confidence = np.zeros((COUNT, 33))
    confidence[:, which] = 1
    focal = interactions.focal[:, None, None]
    hips = marks[:, [which.tolist().index(23), which.tolist().index(24)]].mean(1, keepdims=True)
    landmarks[:, which], world[:, which] = focal * marks[..., :2] / marks[..., 2:], marks - hips
    masks = np.zeros((COUNT, SIDE, SIDE), np.uint8)
    masks[:, 70:80, 40:50] = 2
    camera = np.stack([interactions.focal, *np.zeros((2, COUNT))], 1)
    seen = observed(torch.zeros(COUNT, 16, 128), masks, landmarks, world, confidence, camera,
                    torch.zeros(COUNT, 256, 3))
    found = reference_without_start(seen, torch.zeros(COUNT), (16, 128)).states
    angle = torch.linalg.vector_norm(rotation_vector(found.body_rotation @ truth.body_rotation.mT), dim=1)
    assert torch.rad2deg(angle).max() < 15
    assert ((found.pelvis - truth.pelvis)[:, 2].abs() / truth.pelvis[:, 2]).max() < 0.12
    at = seen.project(found.object_position[:, None])[:, 0]
    assert_allclose(at, np.tile([45 / SIDE - 0.5, 75 / SIDE - 0.5], (COUNT, 1)), atol=0.01)


def test_nearness_is_that_of_the_points():
    rng = np.random.default_rng(0)
    body, thing = (torch.tensor(rng.normal(0, 0.2, (2, n, 3))).float() for n in (40, 30))
    normals = torch.nn.functional.normalize(torch.tensor(rng.normal(size=(2, 40, 3))).float(), dim=-1)
    found = near(Posed(body, normals, body), thing)
    gap = np.linalg.norm(body.numpy()[:, :, None] - thing.numpy()[:, None], axis=-1)
    assert_allclose(found.body, np.minimum(gap.min(2), REACH), atol=2e-4)
    assert_allclose(found.object, np.minimum(gap.min(1), REACH), atol=2e-4)


def scene_of(flow: Flow, seen: Observed) -> guidance.Scene:
    return guidance.Scene(seen, flow.surface, flow.landmark, seen.object_points, seen.object_normals)


def true_goal(flow: Flow, truth: States, seen: Observed) -> tuple[torch.Tensor, torch.Tensor]:
    count = len(flow.surface.template) - len(flow.landmark)
    posed = flow.surface.posed(*truth[:4])
    thing = seen.object_points @ truth.object_rotation.transpose(1, 2) + truth.object_position[:, None]
    found = near(Posed(posed.points[:, :count], posed.normals[:, :count], posed.joints), thing)
    return torch.exp(-50 * found.body.square()), torch.exp(-50 * found.object.square())


def test_guidance_brings_surfaces_as_near_as_they_were(flow, data):
    seen, _ = data.observed(np.arange(COUNT))
    truth = States(*(v[:COUNT] for v in data.truth))
    goal, weights = guidance.interfield_goal(*true_goal(flow, truth, seen)), guidance.Weights().tensor()
    moved = truth._replace(object_position=truth.object_position + torch.tensor([0.03, 0.0, 0.12]))
    found = guidance.guided(moved, scene_of(flow, seen), goal, weights, 15)
    before, after = (guidance.terms(s, scene_of(flow, seen), goal, weights)[:, 0] for s in (moved, found))
    assert (after < before + 1e-3).all() and after.median() < 0.6 * before.median()


def test_skin_in_the_object_is_pushed_out_where_out_is_known(flow, data):
    """A ball of 0.6 m, whose centre is 0.55 m before the pelvis."""
    seen, _ = data.observed(np.arange(COUNT))
    truth = States(*(v[:COUNT] for v in data.truth))
    generator = torch.Generator().manual_seed(0)
    normals = torch.nn.functional.normalize(torch.randn(COUNT, 256, 3, generator=generator), dim=2)
    before = truth._replace(object_position=truth.pelvis - torch.tensor([0, 0, 0.55]))
    nothing = guidance.interfield_goal(torch.full((COUNT, 256), 1e-4), torch.full((COUNT, 256), 1e-4))
    nothing = nothing._replace(body_weight=torch.zeros(COUNT, 256), object_weight=torch.zeros(COUNT, 256))
    weights, left = torch.tensor([0.0, 0, 0, 1]), {}
    count = len(flow.surface.template) - len(flow.landmark)
    for known in (0.0, 1.0):
        scene = scene_of(flow, seen._replace(object_points=0.6 * normals, object_normals=known * normals))
        scene = scene._replace(seen=scene.seen._replace(seen=torch.zeros(COUNT, 4)))
        found = guidance.guided(before, scene, nothing, weights, 15)
        away = flow.surface.posed(*found[:4]).points[:, :count] - found.object_position[:, None]
        left[known] = (0.6 - away.norm(dim=2)).clamp(min=0).amax(1)
    assert (left[1.0] < 0.001).all() and (left[0.0] > left[1.0]).all()


@pytest.mark.parametrize("term", ["field", "mask", "landmarks", "inside", "all"])
def test_the_gradient_in_closed_form_is_autograds(flow, data, term, monkeypatch):
    """Of every term, every number that moves, and with some of them held; where the mesh's size is known."""
    monkeypatch.setattr(forces, "SIZE_SPREAD", 1e-6)
    seen, _ = data.observed(np.arange(COUNT))
    normals = torch.nn.functional.normalize(seen.object_points, dim=2) * (torch.rand(COUNT, 256, 1) > 0.2)
    seen = seen._replace(confidence=torch.rand(COUNT, 33), seen=torch.ones(COUNT, 4), object_normals=normals)
    truth = States(*(v[:COUNT] for v in data.truth))
    into = 0.5 * (truth.object_position - truth.pelvis)  # half of the way into the body
    states = truth._replace(object_position=truth.pelvis + into, betas=torch.randn(COUNT, 10))
    goal = guidance.interfield_goal(torch.rand(COUNT, 256), torch.rand(COUNT, 256))
    weights = guidance.Weights().tensor()
    if term != "all":
        weights = weights * (torch.tensor([name == term for name in ("field", "mask", "landmarks", "inside")]))
    free = Free(torch.rand(COUNT, 21).round(), *(torch.tensor([1.0, 0] * (COUNT // 2))[torch.randperm(COUNT)]
                                                 for _ in range(3)))
    scene, focal = scene_of(flow, seen), seen.focal
    change = torch.zeros(COUNT, guidance.SIZE, requires_grad=True)
    energy = guidance.terms(guidance.moved(states, change, focal, free), scene, goal, weights)
    (truth,) = torch.autograd.grad(energy.sum(), change)
    pulled = guidance.pulled(states, scene, goal, weights, free)
    assert truth.abs().max() > 0.1
    assert_allclose(pulled.gradient * guidance.allowed(free), truth, atol=1e-4 * float(truth.abs().max()))
    assert_allclose(pulled.energy, energy.detach(), rtol=1e-4, atol=1e-5)


def test_a_mesh_too_small_for_its_mask_is_brought_less_near_than_one_whose_size_is_known(flow, data, monkeypatch):
    """And one too large less far, by masks and landmarks alone."""
    seen, _ = data.observed(np.arange(COUNT))
    seen = seen._replace(seen=torch.ones(COUNT, 4))
    truth = States(*(v[:COUNT] for v in data.truth))
    nothing = guidance.interfield_goal(torch.full((COUNT, 256), 1e-4), torch.full((COUNT, 256), 1e-4))
    weights, unsure = torch.tensor([0.0, 10, 5, 0]), forces.SIZE_SPREAD
    for size in (0.7, 1.4):
        scene, moved = scene_of(flow, seen._replace(object_points=size * seen.object_points)), []
        for spread in (unsure, 1e-6):
            monkeypatch.setattr(forces, "SIZE_SPREAD", spread)
            found = guidance.guided(truth, scene, nothing, weights, 10)
            moved.append((found.object_position[:, 2] / truth.object_position[:, 2]).log())
        assert (moved[1].sign() == np.sign(size - 1)).all()
        assert (moved[0].abs() < moved[1].abs()).all() and (moved[0] / moved[1]).median() < 0.7


def test_the_small_system_of_a_step_is_solved(flow, data):
    """Of real pictures, at the sampler's rate."""
    seen, _ = data.observed(np.arange(COUNT))
    truth = States(*(v[:COUNT] for v in data.truth))
    moved = truth._replace(object_position=truth.object_position + torch.tensor([0.03, 0.0, 0.12]))
    goal, free = guidance.interfield_goal(*true_goal(flow, truth, seen)), Free.all(COUNT)
    found = guidance.pulled(moved, scene_of(flow, seen), goal, guidance.Weights().tensor(), free)
    unit = guidance.allowed(free)
    matrix = torch.eye(guidance.SIZE) + RATE * found.curvature * unit[:, :, None] * unit[:, None]
    right = RATE * found.gradient * unit
    known = np.linalg.solve(matrix.double().numpy(), right.double().numpy()[..., None])[..., 0]
    assert np.linalg.norm(guidance.solved(matrix, right) - known) < 1e-3 * np.linalg.norm(known)
    assert not guidance.solved(matrix, 0 * right).any()


def test_what_is_held_stays_while_the_rest_moves(flow, data):
    """Guidance and the network's steps alike: an object that is held stays in space, joints that are held stay bent."""
    batch = data.batch(np.arange(4), flow.net, flow.flow.p, started=1.0)
    start, all_free = batch.reference.states, Free.all(4)
    elbows = torch.ones(4, 21)
    elbows[:, [17, 18]] = 0
    for name, free in {
        "object": all_free._replace(object=torch.zeros(4)), "body": all_free._replace(body=torch.zeros(4)),
        "betas": all_free._replace(betas=torch.zeros(4)), "joints": all_free._replace(joints=elbows),
    }.items():
        found = sample(flow, batch.seen, start, steps=5, free=free).states
        gaps = {part: float((a - b).abs().max()) for part, a, b in zip(States._fields, found, start, strict=True)}
        still = {"object": ("object_rotation", "object_position"), "body": ("body_rotation", "pelvis"),
                 "betas": ("betas",), "joints": ()}[name]
        assert all((gap < 2e-5) == (part in still) for part, gap in gaps.items()), name
        assert name != "joints" or (found.theta - start.theta)[:, [17, 18]].abs().max() < 2e-5


def test_sampling_is_the_same_for_a_seed_and_ordered_by_energy(flow, data):
    batch = data.batch(np.arange(3), flow.net, flow.flow.p)
    a, b = (sample(flow, batch.seen, batch.reference.states, hypotheses=3, seed=5, steps=5) for _ in range(2))
    assert torch.equal(a.states.object_position, b.states.object_position)
    assert a.energy.shape == (3, 3) and (a.energy.diff(dim=1) >= 0).all()
    assert torch.equal(a.every.pelvis[::3], a.states.pelvis)
    other = sample(flow, batch.seen, batch.reference.states, hypotheses=3, seed=6, steps=5)
    assert not torch.equal(a.every.pelvis, other.every.pelvis)
    with pytest.raises(InputError, match="guidance"):
        sample(flow, batch.seen, guidance="prayer")


def test_a_picture_is_sampled_alike_alone_and_among_others(flow, data):
    batch = data.batch(np.arange(3), flow.net, flow.flow.p)
    whole = sample(flow, batch.seen, batch.reference.states, steps=5)
    alone = sample(flow, batch.seen.take(slice(1, 2)), States(*(v[1:2] for v in batch.reference.states)), steps=5)
    assert_allclose(whole.states.object_position[1:2], alone.states.object_position, atol=1e-3)


def test_draws_that_are_off_lie_between_the_truth_and_what_is_wrong():
    torch.manual_seed(0)
    clean, wrong = (Coordinates(*(torch.full(shape, value) for shape in ((400, 16, 128), (400, 19), (400, 9))))
                    for value in (1.0, -1.0))
    x, body_time, object_time = noisy(Settings("", "", "", blended=1.0, regression=0.0), clean, wrong)
    quiet = x.body.std(1) < 1e-6
    assert 100 < quiet.sum() < 300
    way = x.body[quiet, 0] / body_time[quiet]
    assert way.min() >= -1 and way.max() <= 1 and way.mean() < 0  # more often near what is wrong
    torch.testing.assert_close(x.object[quiet, 0] / object_time[quiet], way, rtol=1e-4, atol=1e-4)
    x, body_time, _ = noisy(Settings("", "", "", blended=0.0, regression=1.0), clean, wrong)
    assert not x.tokens.any() and not body_time.any()


def test_one_batch_is_learned(data, net):
    torch.manual_seed(0)
    s = Settings("", "", "", draws=2, bfloat16=False, points=64)
    flow = LexisFlow(FlowParams(width=64, heads=2, context_layers=1, layers=2))
    optimiser = optimiser_of(flow, 1e-3, 0.0, (Block, Stream))
    surface = surface_points(default_body(), body_points())
    batch = data.batch(np.arange(COUNT), net, flow.p, started=0.5)

    def regression() -> dict[str, float]:
        torch.manual_seed(9)
        return {k: v.item() for k, v in forward(s, flow, net, batch, surface, 1, regression=True).items()}

    before = regression()
    for step in range(60):
        torch.manual_seed(step)
        optimiser.zero_grad()
        torch.stack(list(forward(s, flow, net, batch, surface, 2).values())).sum().backward()
        optimiser.step()
    after = regression()
    for name in ("pose", "object", "near"):
        assert after[name] < 0.5 * before[name], name


def test_fields_learn_along_while_tokens_stay(data, net):
    torch.manual_seed(0)
    s, own = Settings("", "", "", bfloat16=False, points=64), deepcopy(net).requires_grad_()
    own.hold_tokens()
    flow = LexisFlow(FlowParams(width=64, heads=2, context_layers=1, layers=2))
    optimiser = optimiser_of(flow, 1e-3, 0.0, (Block, Stream), own, 1e-3)
    batch = data.batch(np.arange(COUNT), own, flow.p)
    terms = forward(s, flow, own, batch, surface_points(default_body(), body_points()), 1)
    (terms["field"] + recalled(s, own, batch)).backward()
    optimiser.step()
    changed = {name.split(".")[0] for (name, a), b in zip(own.named_parameters(), net.parameters(), strict=True)
               if not torch.equal(a, b)}
    assert {"body_field", "object_field"} <= changed <= {"body_field", "object_field", "flesh", "decoder"}
    truth = States(*(v[:COUNT] for v in data.truth))
    assert torch.equal(codes(own, truth, batch.f_o), codes(net, truth, batch.f_o))
    assert torch.equal(own.pose(batch.tokens), net.pose(batch.tokens))


def test_a_few_points_that_touch_count_more_than_all_the_rest():
    far = torch.full((1, 256), 0.01)
    kick = far.clone()
    kick[:, :3] = 1
    weight = guidance.interfield_goal(kick, far).body_weight
    assert 1 < weight[:, :3].sum() / weight[:, 3:].sum() < 4
    weight = guidance.interfield_goal(far, far).body_weight
    assert torch.allclose(weight, weight[:, :1])


def test_a_photo_is_cropped_by_a_camera_that_looks_at_the_person(interactions):
    """The person off the middle of a wide photo: states go to the crop's camera and back, and land on the masks."""
    picture = render(interactions, 1)
    wide = np.zeros((400, 700), bool)
    wide[50:274, 400:624] = picture.person_mask
    camera = replace(picture.camera, width=700, height=400, center=(picture.camera.center[0] + 400,
                                                                   picture.camera.center[1] + 50))
    seen = Observation(np.zeros((400, 700, 3), np.uint8), camera, wide, None, picture.landmarks + np.float32([400, 50]),
                       picture.landmarks_world, picture.confidence)
    crop, state, model = crop_of(seen), interactions.state(1), default_body()
    found = start_of(model, state, crop)
    back = state_of(model, found, state, crop)
    assert_allclose(back.body.translation, state.body.translation, atol=1e-4)
    assert_allclose(back.object.rotation, state.object.rotation, atol=1e-5)
    joints = pose(model, state.body).joints[:22]
    photo = np.concatenate([camera.project(joints), np.ones((22, 1))], 1) @ crop.homography.T
    turned = joints @ crop.turn.T
    assert_allclose(photo[:, :2] / photo[:, 2:], crop.focal * turned[:, :2] / turned[:, 2:], atol=1e-5)
    assert np.abs(photo[:, :2] / photo[:, 2:]).max() < 0.5


def test_training_begins_with_a_flow_of_its_own_sizes_only():
    shipped = WEIGHTS / "flow.pt"
    known = load_network(shipped)
    begun = flow_of(Settings("", "", "", begin=str(shipped)), known.p)
    assert all(torch.equal(a, b) for a, b in zip(known.parameters(), begun.parameters(), strict=True))
    with pytest.raises(InputError, match="cannot learn on"):
        flow_of(Settings("", "", "", begin=str(shipped)), replace(known.p, width=64))


def test_damaged_weights_are_told(tmp_path):
    (tmp_path / "flow.pt").write_bytes(b"PK not a checkpoint")
    with pytest.raises(InputError, match="cannot be read"):
        checkpoint.load(tmp_path / "flow.pt", "LEXIS-Flow")


def test_codes_are_rows_of_the_codebook(net, data):
    truth = States(*(v[:4] for v in data.truth))
    z = codes(net, truth, net.embed(data.object_points[data.instance[:4]].float()))
    gap = torch.cdist(z.flatten(0, 1), net.quantiser.codebook).min(1).values
    assert gap.max() < 0.05  # cdist's own error; other codes are 1 away and more
