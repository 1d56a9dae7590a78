"""An artist's painted contact moves hand and object together, and leaves everything else where it is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from lexis_core.body import default_body, pose
from lexis_core.body.names import JOINTS
from lexis_core.camera import Camera
from lexis_core.errors import Cancelled, InputError
from lexis_core.geometry import rotation_from_axis_angle
from lexis_core.interfield import measure
from lexis_core.mesh import Mesh, vertex_normals
from lexis_core.objects.library import make
from lexis_core.pipeline import Painted, Pins, refine
from lexis_core.reconstruction import Reconstruction, encode_photo
from lexis_core.runtime.session import Sessions
from lexis_core.state import BodyState, ObjectState, State
from lexis_core.synthetic.regions import regions

SIDE = 640
AWAY = 0.15  # metres from the palm to the handle
ARM = ("collar", "shoulder", "elbow", "wrist", "index", "middle", "ring", "pinky", "thumb")


@pytest.fixture(scope="module")
def sessions() -> Sessions:
    return Sessions(device="cpu")


@pytest.fixture(scope="module")
def palm() -> np.ndarray:
    return regions()["left_palm"].vertices


def scene(name: str, part: str) -> tuple[Reconstruction, np.ndarray]:
    """A person who reaches out over the handle of a thing, without a photo; and the handle's vertices."""
    model, thing = default_body(), make(name)
    bend = np.zeros((21, 3), np.float32)
    turns = {"left_shoulder": (0, -1.05, 0), "right_shoulder": (0, 0, 1.2), "left_elbow": (0, -0.5, 0)}
    for joint, turn in turns.items():
        bend[JOINTS.index(joint) - 1] = turn
    facing = np.diag([1.0, -1, -1]) @ rotation_from_axis_angle(np.array([0, 0.4, 0]))
    body = BodyState(body_pose=bend, rotation=facing.astype(np.float32), translation=np.float32([0, -0.95, 3]))
    posed = Mesh(pose(model, body).vertices, model.faces)
    faces = np.unique(thing.mesh.faces[thing.part_faces(part)])
    high = thing.mesh.vertices[faces, 1]
    handle = faces[high > high.max() - 0.03]
    on_palm = regions()["left_palm"].vertices
    below = vertex_normals(posed)[on_palm].mean(0)
    place = posed.vertices[on_palm].mean(0) + AWAY * below / np.linalg.norm(below)
    place = place - facing @ thing.mesh.vertices[handle].mean(0)
    placed = ObjectState(facing.astype(np.float32), place.astype(np.float32))
    field = measure(posed, thing.mesh.moved(placed.rotation, placed.translation))
    none, marks = np.zeros((SIDE, SIDE), bool), np.zeros((39, 3), np.float32)
    return Reconstruction(
        State(body, placed), Camera.of_image(SIDE, SIDE), thing, field, model.name, model.digest,
        encode_photo(np.zeros((SIDE, SIDE, 3), np.uint8)), none, none, marks[:, :2], marks, marks[:, 0]), handle


def touching(result: Reconstruction, palm: np.ndarray, handle: np.ndarray) -> Painted:
    """Contact painted on the palm and on the handle."""
    body, thing = (np.zeros(count, bool) for count in (len(result.field.body), len(result.field.object)))
    body[palm], thing[handle] = True, True
    return Painted(body.astype(np.float32), body, thing.astype(np.float32), thing)


def vertices(result: Reconstruction) -> np.ndarray:
    return pose(default_body(), result.state.body).vertices


@pytest.mark.parametrize("name", ["toolbox", "suitcase", "bag", "shopping_cart"])
def test_a_painted_palm_meets_a_painted_handle_and_the_body_stays(name, palm, sessions):
    start, handle = scene(name, "handle")
    assert start.field.body_distance[palm].mean() > 0.12
    found = refine(start, painted=touching(start, palm, handle), sessions=sessions)
    assert found.info["method"] == "painted"
    assert found.field.body_distance[palm].mean() < 0.02
    moved = np.linalg.norm(vertices(found) - vertices(start), axis=1)
    other = np.ones(len(moved), bool)
    other[palm] = False
    assert moved[other].max() < 0.05
    assert moved[palm].mean() > 0.005  # both give way: the hand a little, the object more
    gone = np.linalg.norm(found.object_mesh().vertices - start.object_mesh().vertices, axis=1)
    assert 0.05 < gone.mean() < 0.25
    assert found.field.body_inside.mean() < 0.02


def test_with_the_object_pinned_the_arm_alone_reaches_for_it(palm, sessions):
    start, handle = scene("toolbox", "handle")
    found = refine(start, painted=touching(start, palm, handle), pins=Pins(object=True), sessions=sessions)
    assert found.field.body_distance[palm].mean() < 0.02
    assert_array_equal(found.state.object.translation, start.state.object.translation)
    main = np.array(JOINTS)[default_body().weights.argmax(1)]
    arm = np.isin(main, [joint for joint in JOINTS if joint.startswith("left_") and any(part in joint for part in ARM)])
    moved = np.linalg.norm(vertices(found) - vertices(start), axis=1)
    assert moved[~arm].max() < 0.05 and moved[palm].mean() > 0.1
    for joint in ("left_hip", "right_elbow", "spine2", "head"):
        row = JOINTS.index(joint) - 1
        assert_array_equal(found.state.body.body_pose[row], start.state.body.body_pose[row])


def test_with_the_body_pinned_the_object_comes_to_the_hand(palm, sessions):
    start, handle = scene("toolbox", "handle")
    found = refine(start, painted=touching(start, palm, handle), pins=Pins(body=True), sessions=sessions)
    assert found.field.body_distance[palm].mean() < 0.02
    assert_array_equal(vertices(found), vertices(start))
    held = refine(start, painted=touching(start, palm, handle), pins=Pins(joints=("left_shoulder", "left_collar")),
                  sessions=sessions)
    row = JOINTS.index("left_shoulder") - 1
    assert_array_equal(held.state.body.body_pose[row], start.state.body.body_pose[row])
    assert held.field.body_distance[palm].mean() < 0.02


def test_a_thing_from_across_the_room_is_brought_to_the_hand(palm, sessions):
    start, handle = scene("toolbox", "handle")
    far = replace(start, state=replace(start.state, object=replace(
        start.state.object, translation=start.state.object.translation + np.float32([0.5, 0.3, 0.4]))))
    found = refine(far, painted=touching(far, palm, handle), sessions=sessions)
    assert found.field.body_distance[palm].mean() < 0.02


def test_paint_on_one_surface_alone_is_met_by_the_nearest_of_the_other(palm, sessions):
    start, handle = scene("toolbox", "handle")
    both = touching(start, palm, handle)
    for one in (replace(both, object_mask=np.zeros_like(both.object_mask)),
                replace(both, body_mask=np.zeros_like(both.body_mask))):
        found = refine(start, painted=one, sessions=sessions)
        painted = (found.field.body_distance[one.body_mask] if one.body_mask.any()
                   else found.field.object_distance[one.object_mask])
        assert painted.mean() < 0.06 and painted.min() < 0.02


def test_no_touch_can_be_painted_too(palm, sessions):
    start, handle = scene("toolbox", "handle")
    paint = touching(start, palm, handle)
    near = refine(start, painted=paint, sessions=sessions)
    apart = refine(near, painted=replace(paint, body=0 * paint.body, object=0 * paint.object), sessions=sessions)
    assert apart.field.body_distance[palm].min() > near.field.body_distance[palm].min() + 0.05


def test_the_same_paint_gives_the_same_result_and_half_way_it_can_be_stopped(palm, sessions):
    start, handle = scene("toolbox", "handle")
    paint, said = touching(start, palm, handle), []
    first, again = (refine(start, painted=paint, sessions=sessions, seed=7) for _ in range(2))
    assert_array_equal(first.state.object.translation, again.state.object.translation)
    assert_array_equal(first.state.body.body_pose, again.state.body.body_pose)
    with pytest.raises(Cancelled):
        refine(start, painted=paint, sessions=sessions, progress=lambda stage, done: said.append(done),
               cancelled=lambda: len(said) > 20)
    assert 20 < len(said) < 25 and said == sorted(said)


def test_the_hand_keeps_its_own_fingers(palm, sessions):
    """The palm of a flat hand lies elsewhere than that of a curled one: it is the hand as posed that is brought."""
    start, handle = scene("toolbox", "handle")
    curled = np.full((15, 3), 0.0, np.float32)
    curled[:12, 2] = -0.9
    fist = replace(start, state=replace(start.state, body=replace(start.state.body, left_hand_pose=curled)))
    found = refine(fist, painted=touching(fist, palm, handle), sessions=sessions)
    assert_array_equal(found.state.body.left_hand_pose, curled)
    assert found.field.body_distance[palm].mean() < 0.02
    assert_allclose(found.state.body.betas, start.state.body.betas)


@pytest.mark.parametrize("change, told", [
    ({"body_mask": np.zeros(5, bool)}, "does not fit the body"), ({"object": np.zeros(3, np.float32)}, "the object"),
    ({"nothing": True}, "Nothing is painted"), ({"nan": True}, "NaN")])
def test_paint_that_cannot_be_used_is_told(change, told, palm, sessions):
    start, handle = scene("toolbox", "handle")
    paint = touching(start, palm, handle)
    if change.pop("nothing", False):
        change = {"body_mask": np.zeros_like(paint.body_mask), "object_mask": np.zeros_like(paint.object_mask)}
    if change.pop("nan", False):
        change = {"body": np.full_like(paint.body, np.nan)}
    with pytest.raises(InputError, match=told):
        refine(start, painted=replace(paint, **change), sessions=sessions)


def test_a_start_that_cannot_be_seen_is_told(palm, sessions):
    start, handle = scene("toolbox", "handle")
    with pytest.raises(InputError, match="Nothing in it is marked as the person"):
        refine(start, sessions=sessions)  # there is no photo to look at again
    body = replace(start.state.body, translation=np.float32([0, -0.95, -3]))
    behind = replace(start, state=replace(start.state, body=body))
    with pytest.raises(InputError, match="before the camera"):
        refine(behind, painted=touching(start, palm, handle), sessions=sessions)
