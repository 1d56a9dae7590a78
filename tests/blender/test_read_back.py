"""What the artist posed and placed is a reconstruction again: bit for bit where nothing was touched."""

from __future__ import annotations

from dataclasses import fields, replace

import bpy
import numpy as np
import pytest
from made_up_results import box, made_up_result
from mathutils import Matrix, Quaternion
from numpy.testing import assert_allclose, assert_array_equal
from scene_reading import evaluated_vertices, in_world

from lexis_blender import api, snapshot
from lexis_blender.scene import apply_state
from lexis_core.body.model import pose
from lexis_core.errors import InputError
from lexis_core.interfield import measure
from lexis_core.mesh import Mesh
from lexis_core.objects.model import ObjectModel
from lexis_core.reconstruction import Reconstruction, load


def same(a, b) -> bool:
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and np.array_equal(a, b)
    if hasattr(a, "__dataclass_fields__"):
        return type(a) is type(b) and all(same(getattr(a, f.name), getattr(b, f.name)) for f in fields(a))
    return a == b


def full(body, seed=3) -> Reconstruction:
    """A result with something in every part."""
    rng = np.random.default_rng(seed)
    thing = ObjectModel("crate", "box", box(), np.diag([100, 100, 100, 1]).astype(np.float32), False, ("A guess.",),
                        (("lid", 0, 4),))
    result = made_up_result(body, seed, item=thing)
    height, width = result.camera.height, result.camera.width
    return replace(
        result, person_mask=rng.random((height, width)) > 0.5, object_mask=rng.random((height, width)) > 0.7,
        landmarks=rng.normal(size=(39, 2)).astype(np.float32), confidence=rng.random(39).astype(np.float32),
        landmarks_world=rng.normal(size=(39, 3)).astype(np.float32), info={"seconds": {"flow": 1.5}, "notes": ["one"]},
        predicted_body=rng.uniform(0.1, 1, len(result.field.body)).astype(np.float32),
        predicted_object=rng.uniform(0.1, 1, len(result.field.object)).astype(np.float32))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_an_untouched_import_comes_back_bit_for_bit(body, seed, tmp_path):
    result = full(body, seed)
    made = api.import_reconstruction(result, body=body)
    assert same(api.read_back(made), result)
    api.export_reconstruction(made, tmp_path / "again.lexis.npz")
    assert same(load(tmp_path / "again.lexis.npz"), result)


def test_a_saved_blend_alone_holds_the_whole_result(small_body, tmp_path):
    result = full(small_body)
    result.save(tmp_path / "result.lexis.npz")
    made = api.import_reconstruction(tmp_path / "result.lexis.npz", body=small_body)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"))
    (tmp_path / "result.lexis.npz").unlink()
    import_id = made.id
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "scene.blend"))
    assert same(api.read_back(snapshot.parts(import_id)), result)


def test_faces_blender_cannot_hold_come_back(small_body):
    mesh = box()
    faces = np.r_[mesh.faces, [[0, 0, 1]], mesh.faces[:1]].astype(np.int32)
    item = ObjectModel("box", "", Mesh(mesh.vertices, faces), np.eye(4, dtype=np.float32), True)
    result = made_up_result(small_body, item=item)
    assert same(api.read_back(api.import_reconstruction(result, body=small_body)), result)


def test_a_turned_bone_changes_its_joint_and_no_other(body):
    result = made_up_result(body, 4)
    made = api.import_reconstruction(result, body=body)
    for name, axis in (("left_elbow", (1, 0, 0)), ("right_index2", (0, 1, 0)), ("jaw", (1, 0, 0))):
        bone = made.rig.pose.bones[name]
        bone.rotation_quaternion = bone.rotation_quaternion @ Quaternion(axis, 0.3)
    again = api.read_back(made)
    before, after = result.state.body, again.state.body
    for name, moved in (("body_pose", 17), ("right_hand_pose", 1)):
        changed = (getattr(before, name) != getattr(after, name)).any(1)
        assert np.flatnonzero(changed).tolist() == [moved]
    assert (before.jaw != after.jaw).any()
    for name in ("left_hand_pose", "betas", "expression", "rotation", "translation"):
        assert_array_equal(getattr(before, name), getattr(after, name))
    assert same(again.state.object, result.state.object)
    if body.pose_dirs is None:
        assert_allclose(evaluated_vertices(made.body), in_world(pose(body, after).vertices), atol=1e-4)
    heads = [made.rig.matrix_world @ bone.head for bone in made.rig.pose.bones]
    assert_allclose(heads, in_world(pose(body, after).joints)[_order(made.rig)], atol=1e-4)


def _order(rig):
    from lexis_core.body.names import JOINTS
    return [JOINTS.index(bone.name) for bone in rig.pose.bones]


def test_the_moved_pelvis_the_turned_rig_and_the_sliders_are_read(small_body):
    result = made_up_result(small_body, 5)
    made = api.import_reconstruction(result, body=small_body)
    made.rig.pose.bones["pelvis"].location.x += 0.2
    made.rig.matrix_world = Matrix.Translation((0.1, 0.2, 0.3)) @ Matrix.Rotation(0.4, 4, "Z")
    keys = made.body.data.shape_keys.key_blocks
    keys["expression_03"].value = 0.5
    state = api.read_back(made).state.body
    assert state.expression[3] == 0.5 and (state.betas == result.state.body.betas).all()
    assert_array_equal(state.body_pose, result.state.body.body_pose)
    seen, told = evaluated_vertices(made.body), in_world(pose(small_body, state).vertices)
    assert np.linalg.norm(seen - told, axis=1).max() < 0.01  # the rest joints follow the face a little
    keys["expression_03"].value = result.state.body.expression[3]
    state = api.read_back(made).state.body
    assert_allclose(evaluated_vertices(made.body), in_world(pose(small_body, state).vertices), atol=1e-4)


def test_posing_by_constraints_counts_as_posed(small_body):
    made = api.import_reconstruction(made_up_result(small_body, 5), body=small_body)
    target = bpy.data.objects.new("target", None)
    target.location = (0.3, 2.5, 0.1)
    bpy.context.scene.collection.objects.link(target)
    reach = made.rig.pose.bones["left_wrist"].constraints.new("IK")
    reach.target, reach.chain_count = target, 3
    state = api.read_back(made).state.body
    assert_allclose(evaluated_vertices(made.body), in_world(pose(small_body, state).vertices), atol=2e-4)


def test_the_moved_object_is_read_and_its_field_measured(small_body):
    result = made_up_result(small_body, 6)
    made = api.import_reconstruction(result, body=small_body)
    made.object.location.x += 0.25
    made.object.rotation_mode = "XYZ"
    made.object.rotation_euler.z += 0.5
    made.object.scale *= 1.5
    again = api.read_back(made)
    assert same(again.state.body, result.state.body)
    assert again.state.object.scale == pytest.approx(1.5 * result.state.object.scale)
    assert_allclose(evaluated_vertices(made.object), in_world(again.object_mesh().vertices), atol=1e-5)
    field = measure(Mesh(pose(small_body, again.state.body).vertices, small_body.faces), again.object_mesh())
    assert same(again.field, field) and again.info["edited"]


def test_an_edited_mesh_is_what_comes_back(small_body):
    result = made_up_result(small_body, 6)
    made = api.import_reconstruction(result, body=small_body)
    made.object.data.vertices[0].co.z += 0.1
    made.object.data.update()
    again = api.read_back(made)
    assert_allclose(again.object.mesh.vertices[0] - result.object.mesh.vertices[0], (0, 0.1, 0), atol=1e-6)
    assert not same(again.field, result.field)


def test_a_scene_turned_as_a_whole_is_the_same_reconstruction(small_body):
    result = made_up_result(small_body, 7)
    made = api.import_reconstruction(result, body=small_body)
    bpy.context.view_layer.update()
    upright = Matrix.Rotation(0.3, 4, "X") @ Matrix.Translation((0.2, 0.5, 1))
    for part in (made.rig, made.object, made.camera):
        part.matrix_world = upright @ part.matrix_world
    assert same(api.read_back(made).state, result.state)


@pytest.mark.parametrize(("spoil", "why"), [
    (lambda made: setattr(made.rig, "scale", (1, 1, 1.1)), "It is scaled"),
    (lambda made: setattr(made.object, "scale", (1, 1, 1.1)), "longer along one axis"),
    (lambda made: setattr(made.object, "scale", (1, 1, -1)), "mirrored"),
    (lambda made: made.collection.pop("lexis_store"), "lexis_store is missing"),
    (lambda made: made.collection.__setitem__("lexis_store", b"PK no"), "damaged"),
    (lambda made: bpy.data.images.remove(made.camera.data.background_images[0].image), "image was deleted"),
], ids=["scaled rig", "stretched", "mirrored", "no store", "damaged store", "no photo"])
def test_what_cannot_be_read_back_is_told(small_body, spoil, why):
    made = api.import_reconstruction(made_up_result(small_body), body=small_body)
    spoil(made)
    with pytest.raises(InputError, match=why):
        api.read_back(made)


def test_another_state_is_put_onto_the_same_rig(body):
    first, second = made_up_result(body, 1), made_up_result(body, 2)
    made = api.import_reconstruction(first, body=body)
    parts = set(bpy.data.objects)
    other = replace(first, state=second.state, field=second.field)
    apply_state.apply(bpy.context, made, body, other)
    bpy.context.view_layer.update()
    assert set(bpy.data.objects) == parts
    assert_allclose(evaluated_vertices(made.body), in_world(pose(body, second.state.body).vertices), atol=1e-4)
    assert_allclose(evaluated_vertices(made.object), in_world(second.object_mesh().vertices), atol=1e-5)
    heads = [made.rig.matrix_world @ bone.head for bone in made.rig.pose.bones]
    assert_allclose(heads, in_world(pose(body, second.state.body).joints)[_order(made.rig)], atol=1e-4)
    fresh = api.import_reconstruction(other, body=body).rig.data.bones
    for bone in made.rig.data.bones:
        assert_allclose(bone.matrix_local, fresh[bone.name].matrix_local, atol=1e-5)
        assert bone.use_connect == fresh[bone.name].use_connect
    assert same(api.read_back(made), other)


def test_a_state_goes_where_the_rig_and_the_camera_have_moved_to(small_body):
    first, second = made_up_result(small_body, 1), made_up_result(small_body, 2)
    made = api.import_reconstruction(first, body=small_body)
    bpy.context.view_layer.update()
    upright = Matrix.Rotation(0.3, 4, "X") @ Matrix.Translation((0.2, 0.5, 1))
    for part in (made.rig, made.object, made.camera):
        part.matrix_world = upright @ part.matrix_world
    made.rig.location.x += 0.5  # then the pelvis goes the way back
    apply_state.apply(bpy.context, made, small_body, replace(first, state=second.state, field=second.field))
    expected = in_world(pose(small_body, second.state.body).vertices) @ np.array(upright.to_3x3()).T
    assert_allclose(evaluated_vertices(made.body), expected + np.array(upright.translation), atol=2e-4)
    assert same(api.read_back(made).state, second.state)


def test_a_camera_switched_off_in_the_viewport_counts_where_it_was_put(small_body, result):
    made = api.import_reconstruction(result, body=small_body)
    bpy.context.view_layer.update()
    made.camera.hide_viewport = True
    motion = Matrix.Translation((1, 2, 3)) @ Matrix.Rotation(0.4, 4, "Z")
    for part in (made.rig, made.object, made.camera):
        part.matrix_world = motion @ part.matrix_world
    again = api.read_back(made)
    assert_allclose(again.state.object.translation, result.state.object.translation, atol=1e-5)
    assert_allclose(again.state.body.translation, result.state.body.translation, atol=1e-5)
    made.camera.parent = made.object
    with pytest.raises(InputError, match="switched off in the viewport"):
        api.read_back(made)
