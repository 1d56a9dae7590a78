"""The body: the open default, SMPL-X files, and skinning against independent implementations."""

from __future__ import annotations

import os
import pickle
import sys
from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest
import scipy.sparse
import trimesh
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from lexis_core.body import joint_rotations, load_body, pose, pose_batch, rest_joints, rest_vertices, restrict
from lexis_core.body.model import component_major
from lexis_core.body.names import JOINTS, PARENTS
from lexis_core.errors import InputError
from lexis_core.state import BodyState

ZEROS = np.zeros(10, np.float32)
J = {name: i for i, name in enumerate(JOINTS)}


@pytest.fixture(scope="module")
def body():
    return load_body()


@pytest.fixture(scope="module")
def corrected(body):
    """A few hundred vertices of the default body with dense weights and random pose correctives."""
    rng = np.random.default_rng(5)
    small = restrict(body, rng.choice(len(body.template), 300, replace=False))
    dirs = component_major(rng.normal(0, 0.01, (300, 3, 486)))
    return replace(small, pose_dirs=dirs, weights=rng.dirichlet(np.ones(55), 300).astype(np.float32))


def random_state(seed, flat_hand=False):
    rng = np.random.default_rng(seed)

    def numbers(*shape, scale=0.5):
        return rng.normal(0, scale, shape).astype(np.float32)

    return BodyState(
        body_pose=numbers(21, 3), left_hand_pose=numbers(15, 3), right_hand_pose=numbers(15, 3), jaw=numbers(3),
        betas=numbers(10, scale=1), expression=numbers(10, scale=1), translation=numbers(3, scale=2),
        rotation=Rotation.from_rotvec(numbers(3, scale=1)).as_matrix().astype(np.float32), flat_hand=flat_hand,
    )


def slow_pose(model, state):
    """SMPL-X's definition in float64, joint by joint and vertex by vertex. Returns vertices and joints."""
    axis_angle = np.zeros((55, 3))
    axis_angle[1:22], axis_angle[22] = state.body_pose, state.jaw
    axis_angle[25:40], axis_angle[40:] = state.left_hand_pose, state.right_hand_pose
    if not state.flat_hand:
        axis_angle[25:40] += model.hand_mean_left
        axis_angle[40:] += model.hand_mean_right
    local = Rotation.from_rotvec(axis_angle).as_matrix()
    local[0] = state.rotation
    betas, expression = state.betas.astype(float), state.expression.astype(float)
    rest = model.template + model.shape_dirs[..., :10] @ betas + model.expression_dirs[..., :10] @ expression
    joints = model.joint_template + model.joint_shape_dirs[..., :10] @ betas
    joints = joints + model.joint_expression_dirs[..., :10] @ expression
    if model.pose_dirs is not None:
        rest = rest + model.pose_dirs @ (local[1:] - np.eye(3)).ravel()
    world = []
    for j, parent in enumerate(PARENTS):
        step = np.eye(4)
        step[:3, :3] = local[j]
        step[:3, 3] = joints[j] - (joints[parent] if parent >= 0 else 0)
        world.append(world[parent] @ step if parent >= 0 else step)
    vertices = np.zeros_like(rest)
    for v, vertex in enumerate(rest):
        for j, weight in enumerate(model.weights[v]):
            if weight:
                vertices[v] += weight * (world[j][:3, :3] @ (vertex - joints[j]) + world[j][:3, 3])
    return vertices + state.translation, np.array([w[:3, 3] for w in world]) + state.translation


def test_default_body_is_a_person_in_tpose(body):
    v, joints = body.template, body.joint_template
    assert 1.65 < np.ptp(v[:, 1]) < 1.75
    assert np.ptp(v[:, 0]) == pytest.approx(np.ptp(v[:, 1]), rel=0.06)
    assert_allclose(joints[0], 0, atol=1e-6)
    assert joints[J["left_wrist"], 0] > 0.5 > -0.5 > joints[J["right_wrist"], 0]
    arm = joints[[J["left_shoulder"], J["left_elbow"], J["left_wrist"]]]
    assert np.ptp(arm[:, 1]) < 2e-3 and np.ptp(arm[:, 2]) < 2e-3
    assert joints[J["left_foot"], 2] > joints[J["left_ankle"], 2] + 0.08
    assert joints[J["left_eye_smplhf"], 2] > joints[J["head"], 2]
    assert joints[J["left_thumb3"], 2] > joints[J["left_middle1"], 2]


def test_default_mesh_is_closed_and_faces_outward(body):
    mesh = trimesh.Trimesh(body.template, body.faces, process=False)
    assert mesh.is_watertight and mesh.is_winding_consistent
    assert mesh.body_count == 4  # skin, two eyes, tongue
    assert 0.05 < mesh.volume < 0.08
    assert body.faces.dtype == np.int32 and body.faces.min() == 0 and body.faces.max() == len(body.template) - 1


def test_default_arrays_are_finite_and_weights_sum_to_one(body):
    for array in (body.template, body.shape_dirs, body.expression_dirs, body.weights, body.joint_shape_dirs):
        assert array.dtype == np.float32 and np.isfinite(array).all()
    assert_allclose(body.weights.sum(1), 1, atol=1e-6)
    assert body.weights.min() >= 0
    assert body.pose_dirs is None
    assert_array_equal(body.parents, PARENTS)


def test_default_body_is_its_own_mirror_image(body):
    distance, _ = cKDTree(body.template).query(body.template * [-1, 1, 1])
    assert distance.max() < 1e-4
    for j, name in enumerate(JOINTS):
        other = J[name.replace("left", "RIGHT").replace("right", "left").replace("RIGHT", "right")]
        assert_allclose(body.joint_template[j] * [-1, 1, 1], body.joint_template[other], atol=1e-4)


def test_first_beta_is_height_and_the_others_are_not(body):
    height = np.array([np.ptp(rest_vertices(body, b, ZEROS)[:, 1]) for b in np.eye(10)]) - np.ptp(body.template[:, 1])
    assert 0.07 < height[0] < 0.13
    assert np.abs(height[1:]).max() < 0.02


@pytest.mark.parametrize("name", ["left_hip", "right_knee", "left_shoulder", "right_elbow", "left_wrist", "neck"])
def test_joints_follow_the_betas(body, name):
    """The skin that a joint shares with its parent stays around it, within 16 mm at two deviations of any beta."""
    joint = J[name]
    ring = np.flatnonzero((body.weights[:, joint] > 0.25) & (body.weights[:, PARENTS[joint]] > 0.25))
    before = body.template[ring].mean(0) - body.joint_template[joint]
    for betas in 2 * np.concatenate([np.eye(10), -np.eye(10)]):
        vertices, joints = rest_vertices(body, betas, ZEROS), rest_joints(body, betas, ZEROS)
        assert_allclose(vertices[ring].mean(0) - joints[joint], before, atol=0.016)


def test_zero_pose_with_flat_hands_is_the_template(body):
    posed = pose(body, BodyState(flat_hand=True))
    assert_allclose(posed.vertices, body.template, atol=1e-6)
    assert_allclose(posed.joints, body.joint_template, atol=1e-6)


def test_hand_mean_curls_the_fingers_down(body):
    flat, relaxed = pose(body, BodyState(flat_hand=True)), pose(body, BodyState())
    for side in ("left", "right"):
        for finger in ("index", "middle", "ring", "pinky"):
            tip = J[f"{side}_{finger}3"]
            assert relaxed.joints[tip, 1] < flat.joints[tip, 1] - 0.01


def test_jaw_opens_the_mouth(body):
    opened = pose(body, BodyState(jaw=np.array([0.3, 0, 0], np.float32))).vertices
    moved = np.linalg.norm(opened - pose(body, BodyState()).vertices, axis=1)
    chin = body.template[moved > 0.01].mean(0)
    assert body.joint_template[J["neck"], 1] < chin[1] < body.joint_template[J["left_eye_smplhf"], 1]
    assert (opened - pose(body, BodyState()).vertices)[moved > 0.01, 1].mean() < -0.008
    assert moved[body.template[:, 1] < body.joint_template[J["neck"], 1] - 0.05].max() < 1e-3


def test_every_expression_moves_the_face_and_nothing_else(body):
    assert len(body.expression_names) == body.expression_dirs.shape[2] == 10
    size = np.linalg.norm(body.expression_dirs, axis=1)
    assert (size.max(0) > 0.003).all() and size.max() < 0.05
    assert size[body.template[:, 1] < body.joint_template[J["neck"], 1]].max() == 0


@pytest.mark.parametrize("flat_hand", [True, False])
def test_pose_equals_the_definition(body, corrected, flat_hand):
    for model in (restrict(body, np.arange(0, len(body.template), 97)), corrected):
        state = random_state(1, flat_hand)
        vertices, joints = slow_pose(model, state)
        posed = pose(model, state)
        assert_allclose(posed.vertices, vertices, atol=5e-6)
        assert_allclose(posed.joints, joints, atol=5e-6)


def test_transforms_carry_rest_to_posed(body):
    state = random_state(2)
    posed = pose(body, state)
    rest = np.pad(rest_vertices(body, state.betas, state.expression), ((0, 0), (0, 1)), constant_values=1)
    blended = np.einsum("vj,jab,vb->va", body.weights, posed.transforms, rest)
    assert_allclose(blended[:, :3], posed.vertices, atol=5e-6)
    joints = np.pad(rest_joints(body, state.betas, state.expression), ((0, 0), (0, 1)), constant_values=1)
    assert_allclose(np.einsum("jab,jb->ja", posed.transforms, joints)[:, :3], posed.joints, atol=5e-6)


def test_rotation_turns_about_the_pelvis(body):
    state = random_state(3)
    turned, still = pose(body, state), pose(body, replace(state, rotation=np.eye(3), translation=np.zeros(3)))
    pelvis = rest_joints(body, state.betas, state.expression)[0]
    expected = (still.vertices - pelvis) @ state.rotation.T + pelvis + state.translation
    assert_allclose(turned.vertices, expected, atol=5e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_pose_batch_is_pose_many_times(corrected, dtype):
    states = [random_state(seed) for seed in range(4)]
    rotations = np.stack([joint_rotations(corrected, s) for s in states]).astype(dtype)
    stacked = (np.stack([getattr(s, name) for s in states]) for name in ("betas", "expression", "translation"))
    vertices, joints = pose_batch(corrected, rotations, *stacked)
    assert vertices.dtype == dtype
    for k, state in enumerate(states):
        assert_allclose(vertices[k], pose(corrected, state).vertices, atol=5e-6)
        assert_allclose(joints[k], pose(corrected, state).joints, atol=5e-6)


def test_restricted_body_poses_as_the_whole(body):
    ids = np.array([5, 13000, 42, 7000])
    assert_allclose(pose(restrict(body, ids), random_state(6)).vertices, pose(body, random_state(6)).vertices[ids],
                    atol=1e-6)


def test_too_many_betas_are_refused(body):
    with pytest.raises(InputError, match="10 coefficients"):
        pose(body, BodyState(betas=np.ones(11, np.float32)))


# SMPL-X files


def smplx_arrays(columns=400, count=9930, seed=0):
    """Random arrays under SMPL-X's keys; 9,930 vertices are the fewest the smplx package takes."""
    rng = np.random.default_rng(seed)

    def numbers(*shape, scale=0.01):
        return (scale * rng.standard_normal(shape, dtype=np.float32)).astype(np.float32)

    regressor = np.zeros((55, count), np.float32)
    regressor[np.arange(55)[:, None], rng.integers(0, count, (55, 8))] = rng.dirichlet(np.ones(8), 55)
    regressor /= regressor.sum(1, keepdims=True)
    parents = np.array(PARENTS, np.int64)
    parents[0] = 2**32 - 1
    return {
        "v_template": numbers(count, 3, scale=0.4), "f": rng.integers(0, count, (500, 3)).astype(np.uint32),
        "shapedirs": numbers(count, 3, columns), "posedirs": numbers(count, 3, 486, scale=0.003),
        "weights": rng.dirichlet(np.ones(55) * 0.1, count).astype(np.float32), "J_regressor": regressor,
        "kintree_table": np.stack([parents, np.arange(55)]),
        "hands_meanl": numbers(45, scale=0.3), "hands_meanr": numbers(45, scale=0.3),
        "hands_componentsl": np.eye(45), "hands_componentsr": np.eye(45),
        "lmk_faces_idx": np.zeros(51, np.int64), "lmk_bary_coords": np.full((51, 3), 1 / 3),
    }


@pytest.fixture(scope="module")
def smplx_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("smplx") / "SMPLX_NEUTRAL.npz"
    np.savez(path, **smplx_arrays())
    return path


@pytest.mark.parametrize("flat_hand", [True, False])
def test_smplx_file_poses_as_the_smplx_package(smplx_file, flat_hand):
    smplx = pytest.importorskip("smplx", reason="the licensed smplx package is not installed")
    torch = pytest.importorskip("torch")
    model = load_body(smplx_file)
    assert model.shape_dirs.shape[2] == 300 and model.expression_dirs.shape[2] == 100
    official = smplx.create(str(smplx_file), "smplx", use_pca=False, flat_hand_mean=flat_hand)
    state = random_state(7, flat_hand)

    def tensor(array):
        return torch.tensor(np.asarray(array, np.float32).reshape(1, -1))

    result = official(
        betas=tensor(state.betas), expression=tensor(state.expression), body_pose=tensor(state.body_pose),
        left_hand_pose=tensor(state.left_hand_pose), right_hand_pose=tensor(state.right_hand_pose),
        jaw_pose=tensor(state.jaw), global_orient=tensor(Rotation.from_matrix(state.rotation).as_rotvec()),
        transl=tensor(state.translation),
    )
    posed = pose(model, state)
    assert_allclose(posed.vertices, result.vertices[0].detach().numpy(), atol=1e-5)
    assert_allclose(posed.joints, result.joints[0, :55].detach().numpy(), atol=1e-5)


def test_all_three_hundred_betas_may_be_given(smplx_file):
    model = load_body(smplx_file)
    betas = np.random.default_rng(8).normal(size=300).astype(np.float32)
    expected = model.template + model.shape_dirs @ betas
    assert_allclose(rest_vertices(model, betas, ZEROS), expected, atol=1e-5)


def small_arrays():
    """SMPL-X's keys over 60 vertices with 10 + 10 shape columns: what the format says, quick to write."""
    return smplx_arrays(columns=20, count=60)


def test_twenty_shape_columns_are_ten_and_ten(tmp_path):
    arrays = small_arrays()
    np.savez(tmp_path / "body.npz", **arrays)
    model = load_body(tmp_path / "body.npz")
    assert_array_equal(model.shape_dirs, arrays["shapedirs"][..., :10])
    assert_array_equal(model.expression_dirs, arrays["shapedirs"][..., 10:])
    assert_allclose(model.joint_template, arrays["J_regressor"] @ arrays["v_template"], atol=1e-6)


def test_keys_that_hold_pickles_are_left_alone(tmp_path):
    np.savez(tmp_path / "body.npz", **small_arrays(), joint2num=np.array({"pelvis": 0}, dtype=object))
    assert len(load_body(tmp_path / "body.npz").template) == 60


@pytest.mark.parametrize(("key", "value", "says"), [
    ("shapedirs", None, "shapedirs"),
    ("v_template", np.full((60, 3), np.nan), "not finite"),
    ("v_template", np.zeros((0, 3)), "empty"),
    ("v_template", np.zeros((60, 4)), r"\(60, 4\)"),
    ("posedirs", np.zeros((60, 3, 207)), r"\(60, 3, 207\)"),
    ("weights", np.zeros((60, 55)), "sum to 1"),
    ("weights", np.zeros((60, 24)), "weights"),
    ("J_regressor", np.full((55, 60), np.inf), "J_regressor"),
    ("f", np.full((4, 3), 60), r"0\.\.59"),
    ("f", np.full((4, 3), -1), r"0\.\.59"),
    ("f", np.full((4, 3), 0.5), "whole"),
    ("shapedirs", np.zeros((60, 3, 16)), "16 columns"),
    ("kintree_table", np.zeros((2, 24), int), "kintree_table"),
    ("kintree_table", np.zeros((2, 55), int), "tree"),
    ("hands_meanl", np.zeros((15, 3)), "hands_meanl"),
    ("hands_meanr", np.full(45, "a"), "hands_meanr"),
    ("v_template", np.full((60, 3), 1e300), "not finite"),
    ("v_template", np.full((60, 3), {}, dtype=object), "damaged"),
])
def test_wrong_files_say_which_key_is_wrong(tmp_path, key, value, says):
    arrays = small_arrays()
    arrays.pop(key)
    if value is not None:
        arrays[key] = value
    np.savez(tmp_path / "body.npz", **arrays)
    with pytest.raises(InputError, match=says):
        load_body(tmp_path / "body.npz")


@pytest.mark.parametrize(("name", "content"), [
    ("none.npz", None), ("body.txt", b"x"), ("body.npz", b"not a zip"), ("body.npz", b""),
    ("body.pkl", b"\x80\x04\x95"), ("body.pkl", pickle.dumps([1, 2])),
])
def test_what_is_no_body_file_is_refused(tmp_path, name, content):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError):
        load_body(tmp_path / name)


def test_a_truncated_file_is_refused(tmp_path):
    np.savez(tmp_path / "body.npz", **small_arrays())
    whole = (tmp_path / "body.npz").read_bytes()
    (tmp_path / "body.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError):
        load_body(tmp_path / "body.npz")


@pytest.mark.parametrize("protocol", range(6))
def test_pickle_reads_as_the_npz(tmp_path, protocol, monkeypatch):
    """With a chumpy array and a sparse regressor, as the official pickles hold."""
    arrays = small_arrays()
    chumpy = ModuleType("chumpy.ch")
    chumpy.Ch = type("Ch", (), {"__module__": "chumpy.ch"})
    monkeypatch.setitem(sys.modules, "chumpy", ModuleType("chumpy"))
    monkeypatch.setitem(sys.modules, "chumpy.ch", chumpy)
    dirs = chumpy.Ch()
    dirs.x = arrays["shapedirs"]
    stored = arrays | {"shapedirs": dirs, "J_regressor": scipy.sparse.csc_matrix(arrays["J_regressor"])}
    (tmp_path / "body.pkl").write_bytes(pickle.dumps(stored, protocol=protocol))
    np.savez(tmp_path / "body.npz", **arrays)
    a, b = load_body(tmp_path / "body.pkl"), load_body(tmp_path / "body.npz")
    for field in ("template", "faces", "shape_dirs", "pose_dirs", "weights", "joint_template", "hand_mean_left"):
        assert_array_equal(getattr(a, field), getattr(b, field))


class Runs:
    """Pickles as a call of any function."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("function", [os.system, eval, exec, __import__, getattr, open, np.load, np.fromfile])
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_pickle_that_runs_something_is_refused(tmp_path, function, protocol):
    mark = tmp_path / "ran"
    argument = f"touch {mark}" if function is os.system else f"open({str(mark)!r}, 'w')"
    arrays = small_arrays() | {"v_template": Runs(function, argument)}
    (tmp_path / "body.pkl").write_bytes(pickle.dumps(arrays, protocol=protocol))
    with pytest.raises(InputError, match="asks for"):
        load_body(tmp_path / "body.pkl")
    assert not mark.exists()
