"""First estimates find what is known: poses from their own landmarks, objects from their own outlines."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import igl
import numpy as np
import pytest
import trimesh
from numpy.testing import assert_allclose, assert_array_equal
from shapes import ball, box
from threadpoolctl import threadpool_limits

from lexis_core.body import joint_rotations, load_body, pose, pose_batch
from lexis_core.body.names import JOINTS
from lexis_core.camera import Camera
from lexis_core.errors import InputError
from lexis_core.geometry import rotation_degrees, rotation_from_axis_angle
from lexis_core.initialise import body_from_landmarks, joint_limits, object_by_category, object_from_mask, read_estimate
from lexis_core.initialise.crop import cropped_mask, reduced, square_around
from lexis_core.initialise.landmark_points import LEFT_HIP, RIGHT_HIP, landmark_points
from lexis_core.initialise.signed_grid import SignedGrid
from lexis_core.mesh import Mesh
from lexis_core.objects.library import CATEGORIES, make
from lexis_core.objects.library.category import PLACES
from lexis_core.objects.load import load_object
from lexis_core.objects.model import ObjectModel, decimated
from lexis_core.observe.observation import Observation
from lexis_core.raster import silhouette
from lexis_core.state import BodyState, ObjectState

sys.path.insert(0, str(Path(__file__).parents[1] / "data"))

from synthetic_smplx import smplx_like

J = {name: index for index, name in enumerate(JOINTS)}
SOLVED = np.array(joint_limits.SOLVED) - 1  # rows of body_pose
FACING = np.diag([1.0, -1.0, -1.0])         # a rest frame turned to face the camera
CAMERA = Camera.of_image(480, 640, 700.0)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """As in the pipeline: the solvers' small matrices stall on BLAS threads when others work too."""
    with threadpool_limits(1, "blas"):
        yield


@pytest.fixture(scope="module")
def model():
    return load_body()


def stood(model, yaw: float = 0.0, betas=(0.0,) * 10, **joints) -> BodyState:
    """A body 3.2 m before the camera, at rest but for the joints named."""
    body_pose = np.zeros((21, 3), np.float32)
    body_pose[SOLVED] = joint_limits.REST
    for name, axis_angle in joints.items():
        body_pose[J[name] - 1] = axis_angle
    turn = rotation_from_axis_angle(np.array([0.0, yaw, 0.0])) @ FACING
    there = np.array([0.1, 0.1, 3.2]) - model.joint_template[0]
    return BodyState(body_pose=body_pose, betas=np.array(betas, np.float32), rotation=turn.astype(np.float32),
                     translation=there.astype(np.float32))


def landmarks_of(model, state: BodyState) -> tuple[np.ndarray, np.ndarray]:
    """(K,) which of the 39 landmarks, and where they are, (K, 3) metres."""
    points = landmark_points(model)
    posed = pose_batch(points.model, joint_rotations(model, state)[None], state.betas[None], np.zeros((1, 1)),
                       state.translation[None])
    return points.landmark, points.of(*posed)[0]


def outline(mesh: Mesh, camera: Camera = CAMERA) -> np.ndarray:
    return silhouette(camera.project(mesh.vertices), mesh.faces, camera.width, camera.height)


def surface(model, state: BodyState) -> Mesh:
    return Mesh(pose(model, state).vertices, model.faces)


def seen_perfectly(model, state: BodyState, camera: Camera = CAMERA) -> Observation:
    """What an observer without error would tell of this body."""
    which, points = landmarks_of(model, state)
    landmarks, world, confidence = (np.zeros((39, *more), np.float32) for more in ((2,), (3,), ()))
    landmarks[which], confidence[which] = camera.project(points), 1.0
    world[which] = points - points[np.isin(which, (LEFT_HIP, RIGHT_HIP))].mean(0)
    return Observation(np.zeros((camera.height, camera.width, 3), np.uint8), camera,
                       outline(surface(model, state), camera), None, landmarks, world, confidence)


def overlap(a: np.ndarray, b: np.ndarray, known=True) -> float:
    return float((a & b & known).sum() / ((a | b) & known).sum())


POSES = {
    "standing": {"yaw": 0.4},
    "from behind": {"yaw": 2.8, "left_elbow": (0, -1.5, 0.3), "right_elbow": (0, 1.2, -0.3)},
    "sitting": {"yaw": -0.5, "left_hip": (-1.5, 0, 0.1), "right_hip": (-1.4, 0, -0.1), "left_knee": (1.5, 0, 0),
                "right_knee": (1.3, 0, 0)},
    "reaching": {"yaw": 0.2, "left_shoulder": (0, -0.8, -0.3), "left_elbow": (0, -1.0, 0.1),
                 "right_shoulder": (0, 0.2, 0.3), "spine1": (0.3, 0.1, 0)},
}


@pytest.mark.parametrize("name", POSES)
def test_a_known_pose_is_found_from_its_own_landmarks(model, name):
    state = stood(model, **POSES[name])
    seen = seen_perfectly(model, state)
    found = body_from_landmarks(model, seen)
    height = np.ptp(np.nonzero(seen.person_mask.any(1))[0])
    want, got = (CAMERA.project(landmarks_of(model, s)[1]) for s in (state, found))
    assert np.linalg.norm(got - want, axis=1).max() < 0.01 * height
    joints = [pose(model, s).joints[:22] for s in (state, found)]
    assert np.linalg.norm(joints[1] - joints[0], axis=1).mean() < 0.05
    assert rotation_degrees(found.rotation, state.rotation) < 10
    assert overlap(outline(surface(model, found)), seen.person_mask) > 0.9
    assert (found.body_pose[SOLVED] >= joint_limits.LOW - 1e-6).all()
    assert (found.body_pose[SOLVED] <= joint_limits.HIGH + 1e-6).all()


def test_a_tall_and_broad_body_fills_its_mask(model):
    """Size and distance cannot both be known from one photo; what is seen agrees all the same."""
    state = stood(model, yaw=0.3, betas=(1.5, -1.0, 1.0, 0.5, 0, 0, 0, 0, 0, 0))
    seen = seen_perfectly(model, state)
    found = body_from_landmarks(model, seen)
    assert overlap(outline(surface(model, found)), seen.person_mask) > 0.9
    assert found.betas[0] > 0.3 and np.abs(found.betas).max() <= 3
    ratio = pose(model, found).joints[0, 2] / pose(model, state).joints[0, 2]
    assert 0.85 < ratio < 1.15


def test_a_body_of_another_topology_is_found_too():
    other = smplx_like(vertices=3000, pose_dirs=False)
    state = stood(other, yaw=0.3)
    found = body_from_landmarks(other, seen_perfectly(other, state))
    want, got = (CAMERA.project(landmarks_of(other, s)[1]) for s in (state, found))
    assert np.linalg.norm(got - want, axis=1).max() < 10


def test_too_few_landmarks_are_refused_with_a_remedy(model):
    seen = seen_perfectly(model, stood(model))
    confidence = np.where(np.arange(39) < 8, seen.confidence, 0.1).astype(np.float32)
    with pytest.raises(InputError, match="--box"):
        body_from_landmarks(model, replace(seen, confidence=confidence))


def test_a_hidden_arm_keeps_within_what_joints_can_do(model):
    seen = seen_perfectly(model, stood(model, **POSES["reaching"]))
    wild = seen.landmarks.copy()
    wild[[13, 15, 17, 19, 21]] += 150  # the left arm is guessed somewhere else, and not trusted
    confidence = seen.confidence.copy()
    confidence[[13, 15, 17, 19, 21]] = 0.2
    found = body_from_landmarks(model, replace(seen, landmarks=wild, confidence=confidence))
    rows = SOLVED[[JOINTS[j].startswith("left_") or "spine" in JOINTS[j] for j in joint_limits.SOLVED]]
    assert np.isfinite(found.body_pose).all() and np.abs(found.body_pose[rows]).max() < 2.7
    points = CAMERA.project(landmarks_of(model, found)[1])
    which = landmarks_of(model, found)[0]
    others = ~np.isin(which, (13, 15, 17, 19, 21))
    assert np.linalg.norm(points - seen.landmarks[which], axis=1)[others].mean() < 4


def test_joint_limits_are_each_others_mirror_image():
    """Mirroring x turns an axis-angle (a, b, c) into (a, -b, -c)."""
    for joint, name in enumerate(JOINTS[:22]):
        if joint not in joint_limits.SOLVED or not name.startswith("left_"):
            continue
        left = joint_limits.SOLVED.index(joint)
        right = joint_limits.SOLVED.index(J[name.replace("left", "right")])
        low, high, rest, spread = (table for table in (joint_limits.LOW, joint_limits.HIGH, joint_limits.REST,
                                                       joint_limits.SPREAD))
        mirror = np.array([1, -1, -1])
        assert_array_equal(np.sort([low[left] * mirror, high[left] * mirror], axis=0), [low[right], high[right]])
        assert_array_equal(rest[left] * mirror, rest[right])
        assert_array_equal(spread[left], spread[right])
    assert (joint_limits.LOW < joint_limits.HIGH).all() and (joint_limits.SPREAD > 0).all()
    assert ((joint_limits.LOW <= joint_limits.REST) & (joint_limits.REST <= joint_limits.HIGH)).all()


SQUARE = Camera.of_image(640, 640, 600.0)


def beside(model, thing: ObjectModel, turn: np.ndarray, x: float, y: float | None, z: float):
    """The standing body, the object at a place (y None: on the floor), and both seen."""
    state = stood(model, **POSES["standing"])
    body, seen = surface(model, state), seen_perfectly(model, state, SQUARE)
    if y is None:
        y = body.vertices[:, 1].max() - thing.mesh.moved(turn, np.zeros(3)).vertices[:, 1].max()
    placed = ObjectState(turn.astype(np.float32), np.array([x, y, z], np.float32))
    mask = outline(thing.mesh.moved(placed.rotation, placed.translation), SQUARE) & ~seen.person_mask
    return body, placed, replace(seen, object_mask=mask)


def turned(pitch: float, yaw: float) -> np.ndarray:
    """Upright before the camera, turned by yaw, the camera looking down by pitch; radians."""
    return rotation_from_axis_angle(np.array([pitch, 0, 0])) @ FACING @ rotation_from_axis_angle(np.array([0, yaw, 0]))


@pytest.mark.parametrize("name, turn, at, degrees", [
    ("chair", turned(0.1, -2.2), (0.75, None, 3.2), 10),   # nothing of it is symmetric but left and right
    ("skateboard", turned(0.2, 1.0), (0.6, None, 3.0), 180),
    ("laptop", turned(0.3, 0.5), (0.45, 0.0, 3.1), 10),
])
def test_a_known_object_is_found_from_its_own_outline(model, name, turn, at, degrees):
    thing = replace(make(name), metric=True)
    body, placed, seen = beside(model, thing, turn, *at)
    found = object_from_mask(thing, CATEGORIES[name].place, body, seen, seed=0)
    state = found.state
    drawn = outline(thing.mesh.moved(state.rotation, state.translation, state.scale), SQUARE)
    assert overlap(drawn, seen.object_mask, ~seen.person_mask | seen.object_mask) > 0.85
    assert found.iou > 0.85
    assert rotation_degrees(state.rotation, placed.rotation) < degrees
    assert np.linalg.norm(state.translation - placed.translation) < 0.25
    assert state.scale == pytest.approx(1.0, abs=0.1)


def test_an_object_of_unknown_size_is_scaled_to_what_the_mask_and_the_body_say(model):
    """A chair file of unsure unit that came out 15 % too small."""
    true = make("chair")
    body, placed, seen = beside(model, true, turned(0.1, -2.2), 0.75, None, 3.2)
    small = replace(true, mesh=Mesh(true.mesh.vertices * np.float32(0.85), true.mesh.faces), metric=False)
    state = object_from_mask(small, "seat", body, seen, seed=0).state
    assert 0.85 * state.scale / state.translation[2] * placed.translation[2] == pytest.approx(1.0, abs=0.06)
    assert state.scale > 1.03


def test_decimation_keeps_every_leg_and_wire():
    """Within 6 % of the object's size, 600 faces for the solve; legs and spokes must not vanish."""
    for name in ("table", "bicycle", "tripod", "ladder", "tennis_racket"):
        whole = make(name)
        small = decimated(whole, 600)
        assert len(small.mesh.faces) <= 600
        reach = np.sqrt(igl.point_mesh_squared_distance(
            whole.mesh.vertices.astype(float), small.mesh.vertices.astype(float), small.mesh.faces.astype(np.int64))[0])
        assert reach.max() < 0.03, name


@pytest.mark.parametrize("spoilt", ["flipped", "three faces an edge", "soup"])
def test_what_is_no_surface_is_decimated_all_the_same(spoilt):
    sphere = ball(0.5, level=4)
    faces, vertices = sphere.faces.copy(), sphere.vertices
    if spoilt == "flipped":
        faces[:700] = faces[:700, ::-1]
    if spoilt == "three faces an edge":
        faces = np.concatenate([faces, faces[:300, [0, 1, 2]] * [1, 1, 0] + [0, 0, len(vertices) - 1]]).astype(np.int32)
    if spoilt == "soup":
        vertices, faces = vertices[faces].reshape(-1, 3), np.arange(3 * len(faces), dtype=np.int32).reshape(-1, 3)
    thing = ObjectModel("thing", "", Mesh(vertices, faces), np.eye(4, dtype=np.float32), True)
    small = decimated(thing, 600)
    assert 100 < len(small.mesh.faces) <= 900
    used = small.mesh.vertices[np.unique(small.mesh.faces)]
    assert_allclose(np.linalg.norm(used, axis=1), 0.5, atol=0.06)


@pytest.fixture(scope="module")
def standing(model):
    return pose(model, stood(model, yaw=0.5))


def test_the_library_knows_every_word_for_a_place(standing):
    """Each word puts things somewhere else than on the floor before the body, but "floor" and no word at all."""
    cup = make("cup")
    default = object_by_category(cup, "", standing).translation
    for place in PLACES:
        same = np.array_equal(object_by_category(cup, place, standing).translation, default)
        assert same == (place == "floor"), place


@pytest.mark.parametrize("name, place", [(name, CATEGORIES[name].place) for name in (
    "box", "cup", "chair", "skateboard", "backpack", "basket", "table")] + [("monitor", "")])
def test_without_a_mask_things_are_where_such_things_are(standing, name, place):
    thing = make(name)
    state = object_by_category(thing, place, standing)
    up, front = np.array([0, -1.0, 0]), standing.transforms[0, :3, :3] @ [0, 0, 1.0]
    joints, soles = standing.joints, (standing.vertices @ up).min()
    assert_allclose(state.rotation @ [0, 1, 0], up, atol=1e-6)               # upright
    assert_allclose(state.rotation @ [0, 0, 1], front / np.linalg.norm(front * [1, 0, 1]) * [1, 0, 1], atol=1e-5)
    assert np.linalg.det(state.rotation) == pytest.approx(1, abs=1e-5) and state.scale == 1
    points = thing.mesh.moved(state.rotation, state.translation).vertices
    low, high, centre = (points @ up).min(), (points @ up).max(), state.translation

    def level(joint) -> float:
        """Distance to a joint as seen from above."""
        return float(np.linalg.norm((centre - joints[J[joint]])[[0, 2]]))

    if place == "hands":
        wrists = joints[[J["left_wrist"], J["right_wrist"]]]
        assert np.linalg.norm(centre - wrists.mean(0)) < 0.15
    elif place == "hand":
        assert np.linalg.norm(centre - joints[J["right_wrist"]]) < 0.15
    elif place == "seat":
        assert level("pelvis") < 1e-3 and low == pytest.approx(soles, abs=1e-3)
    elif place == "feet":
        assert high == pytest.approx(soles, abs=1e-3) and max(level("left_foot"), level("right_foot")) < 0.3
    elif place == "back":
        assert (centre - joints[J["spine2"]]) @ front < -0.1 and abs(centre[1] - joints[J["spine2"], 1]) < 0.1
    elif place == "head":
        head = standing.vertices[np.linalg.norm(standing.vertices - joints[J["head"]], axis=1) < 0.3]
        assert low == pytest.approx((head @ up).max(), abs=1e-3) and level("head") < 1e-3
    else:
        assert low == pytest.approx(soles, abs=1e-3)
        assert ((points - joints[J["pelvis"]]) @ front).min() > 0.4


def test_a_body_lying_on_its_back_still_gets_an_upright_object(model):
    state = replace(stood(model), rotation=rotation_from_axis_angle(np.array([-np.pi / 2, 0, 0])).astype(np.float32)
                    @ FACING.astype(np.float32))
    placed = object_by_category(make("chair"), "floor", pose(model, state))
    assert np.isfinite(placed.translation).all()
    assert_allclose(placed.rotation @ placed.rotation.T, np.eye(3), atol=1e-6)


def to_ball(points: np.ndarray) -> np.ndarray:
    return np.linalg.norm(points - [0.3, -0.2, 2.5], axis=1) - 0.4


def to_box(points: np.ndarray) -> np.ndarray:
    beyond = np.abs(points - [0.1, 0.1, 2.3]) - [0.4, 0.3, 0.3]
    return np.linalg.norm(np.maximum(beyond, 0), axis=1) + np.minimum(beyond.max(1), 0)


@pytest.mark.parametrize("mesh, formula", [
    (ball(0.4, (0.3, -0.2, 2.5), 4), to_ball), (box((-0.3, -0.2, 2.0), (0.5, 0.4, 2.6)), to_box)])
def test_the_grid_tells_signed_distance_within_two_centimetres(mesh, formula):
    grid = SignedGrid.around(mesh, seed=0)
    low, high = mesh.vertices.min(0) - 0.2, mesh.vertices.max(0) + 0.2
    points = np.random.default_rng(1).uniform(low, high, (20_000, 3))
    assert np.abs(grid.at(points) - formula(points)).max() < 0.02


def test_the_grid_knows_the_inside_of_a_body(model):
    body = surface(model, stood(model, **POSES["sitting"]))
    grid = SignedGrid.around(body, seed=0)
    points = np.random.default_rng(2).uniform(body.vertices.min(0) - 0.1, body.vertices.max(0) + 0.1, (4000, 3))
    want = igl.signed_distance(points, body.vertices.astype(float), body.faces.astype(np.int64))[0]
    error = np.abs(grid.at(points) - want)
    assert np.percentile(error, 95) < 0.02
    clear = np.abs(want) > 0.03
    assert (np.sign(grid.at(points)) == np.sign(want))[clear].mean() > 0.99


def test_beyond_the_grid_distance_keeps_growing():
    mesh = ball(0.4, level=3)
    far = SignedGrid.around(mesh, seed=0).at(np.array([[3.0, 0, 0], [0, 5.0, 0]]))
    assert_allclose(far, [2.6, 4.6], atol=0.05)


def test_a_crop_of_a_mask_holds_its_share_of_the_photo():
    mask = np.zeros((400, 300), bool)
    mask[100:200, 250:300] = True
    x0, y0, x1, y1 = square_around(mask, 1.5)
    assert ((x0 + x1) / 2, (y0 + y1) / 2, x1 - x0) == pytest.approx((275, 150, 150), abs=1.5)
    small = cropped_mask(mask, (x0, y0, x1, y1), 50)
    assert small.shape == (50, 50) and small.sum() * (150 / 50) ** 2 == pytest.approx(5000, rel=0.05)
    assert small[:, 35:].max() == 0  # beyond the photo's edge there is nothing


def test_a_large_photo_is_solved_at_a_smaller_size_and_means_the_same(model):
    large = Camera(4000, 3000, (3900.0, 3950.0), (2010.0, 1490.0))
    state = stood(model, **POSES["standing"])
    mask = np.zeros((3000, 4000), bool)
    mask[1500:1503, 2000:2002] = True
    seen = replace(seen_perfectly(model, state, large), object_mask=mask)
    small = reduced(seen, 800)
    assert small.image.shape == (600, 800, 3) and small.person_mask.shape == small.object_mask.shape == (600, 800)
    assert small.object_mask.any()  # however small
    assert overlap(small.person_mask, outline(surface(model, state), small.camera)) > 0.97
    assert_allclose(small.camera.lift(small.landmarks, np.ones(39)), large.lift(seen.landmarks, np.ones(39)), atol=1e-6)
    assert reduced(small, 800) is small


def written(path: Path, **changes) -> Path:
    values = {"betas": np.arange(10.0) / 10, "body_pose": np.full((21, 3), 0.1), "rotation": FACING,
              **({} if "pelvis" in changes else {"translation": [0.0, 0.9, 3.0]}), **changes}
    np.savez(path, **values)
    return path


def test_an_estimate_comes_back_as_it_was_written(tmp_path):
    estimate = read_estimate(written(tmp_path / "e.npz", jaw=[0.1, 0, 0], focal=[500.0]), make("cup"))
    assert_allclose(estimate.body.betas, np.arange(10) / 10, atol=1e-7)
    assert_allclose(estimate.body.jaw, [0.1, 0, 0], atol=1e-7)
    assert estimate.object is None and estimate.focal == (500, 500) and estimate.center is None
    camera = estimate.camera(Camera.of_image(640, 480, 777.0))
    assert camera.focal == (500, 500) and camera.center == (320, 240) and not estimate.body.flat_hand
    unknown = read_estimate(written(tmp_path / "u.npz"), make("cup"))
    assert unknown.camera(Camera.of_image(640, 480, 777.0)).focal == (777, 777)


@pytest.mark.parametrize("betas", [np.zeros(10), np.linspace(-1, 1, 10)])
def test_the_pelvis_stands_where_the_file_says_whatever_the_body(model, tmp_path, betas):
    path = written(tmp_path / "e.npz", betas=betas, pelvis=[0.3, -0.1, 4.0])
    estimate = read_estimate(path, make("cup"))
    for body in (model, smplx_like(vertices=1500, pose_dirs=False)):
        assert_allclose(pose(body, estimate.body_of(body)).joints[0], [0.3, -0.1, 4.0], atol=1e-6)


def test_a_translation_means_smplx_origin(model, tmp_path):
    """A body of SMPL-X's kind takes it as it is; the default one puts its pelvis where the mean SMPL-X body has it."""
    estimate = read_estimate(written(tmp_path / "e.npz"), make("cup"))
    other = smplx_like(vertices=1500, pose_dirs=False)
    assert_allclose(estimate.body_of(other).translation, [0, 0.9, 3.0])
    assert_allclose(estimate.body_of(other).betas, estimate.body.betas)
    assert_allclose(pose(model, estimate.body_of(model)).joints[0], [0, 0.9 - 0.35, 3.01], atol=1e-6)
    assert not estimate.body_of(model).betas.any()


def test_arrays_may_be_flat_or_wrapped(tmp_path):
    path = written(tmp_path / "e.npz", body_pose=np.full((1, 63), 0.1), translation=[[0.0, 0.9, 3.0]])
    assert read_estimate(path, make("cup")).body.body_pose.shape == (21, 3)


def test_a_matrix_that_is_nearly_a_rotation_is_made_one(tmp_path):
    rough = FACING + np.random.default_rng(0).normal(0, 1e-3, (3, 3))
    rotation = read_estimate(written(tmp_path / "e.npz", rotation=rough), make("cup")).body.rotation.astype(np.float64)
    assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-6)


def test_open3dhoi_is_read_as_its_files_say(tmp_path):
    """The object's pose is that of its own file, moved by cam_trans like the body."""
    rng = np.random.default_rng(0)
    trimesh.creation.box((0.2, 0.3, 0.4)).apply_translation((0.5, 0.6, 0.7)).export(tmp_path / "thing.obj")
    values = {name: rng.normal(0, 0.1, (1, size)).tolist() for name, size in (
        ("body_pose", 63), ("lhand_pose", 45), ("rhand_pose", 45), ("jaw_pose", 3), ("shape", 10), ("expr", 10),
        ("root_pose", 3))}
    (tmp_path / "p.json").write_text(json.dumps({**values, "cam_trans": [[0.1, 0.2, 30.0]], "focal": [12000.0, 12000.0],
                                                 "princpt": [100.0, 90.0]}))
    thing = load_object(tmp_path / "thing.obj", units="cm")
    estimate = read_estimate(tmp_path / "p.json", thing)
    stood_at = thing.mesh.moved(estimate.object.rotation, estimate.object.translation, estimate.object.scale).vertices
    assert_allclose(stood_at.min(0), [0.4 + 0.1, 0.45 + 0.2, 0.5 + 30], atol=1e-5)
    assert_allclose(estimate.body.betas, values["shape"][0], atol=1e-7)
    assert_allclose(estimate.body.translation, [0.1, 0.2, 30.0])
    assert rotation_degrees(estimate.body.rotation,
                            rotation_from_axis_angle(np.array(values["root_pose"][0]))) < 1e-3
    assert estimate.focal == (12000, 12000) and estimate.center == (100, 90)


@pytest.mark.parametrize("name, value, told", [
    ("focal", None, "lacks focal"), ("shape", "x", "shape"), ("shape", None, "lacks shape"),
    ("cam_trans", [[0, 0], [1]], "cam_trans"), ("princpt", [1], "princpt"), ("focal", [10**400, 1], "focal"),
    ("focal", [], "focal"), ("expr", {"a": 1}, "expr"), ("shape", [50.0] * 10, "beyond"),
])
def test_a_json_that_lacks_something_is_refused_by_name(tmp_path, name, value, told):
    values = {"body_pose": [0] * 63, "lhand_pose": [0] * 45, "rhand_pose": [0] * 45, "jaw_pose": [0] * 3,
              "shape": [0] * 10, "expr": [0] * 10, "cam_trans": [0, 0, 3], "root_pose": [0] * 3,
              "focal": [1000, 1000], "princpt": [1, 1], name: value}
    (tmp_path / "p.json").write_text(json.dumps({key: v for key, v in values.items() if v is not None}))
    with pytest.raises(InputError, match=told):
        read_estimate(tmp_path / "p.json", make("cup"))
