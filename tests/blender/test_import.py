"""An import is one collection that stands where lexis_core says, in one undo step, and leaves the scene alone."""

from __future__ import annotations

from dataclasses import replace

import bpy
import numpy as np
import pytest
from made_up_results import box, made_up_result
from numpy.testing import assert_allclose
from scene_reading import datablocks, evaluated_vertices, in_world

from lexis_blender import api
from lexis_blender.scene import armature, identity
from lexis_core.body.model import pose
from lexis_core.body.names import JOINTS
from lexis_core.errors import InputError
from lexis_core.mesh import Mesh
from lexis_core.objects.model import ObjectModel
from lexis_core.reconstruction import load


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_evaluated_body_is_the_posed_body(body, seed):
    result = made_up_result(body, seed)
    made = api.import_reconstruction(result, body=body)
    posed = pose(body, result.state.body)
    assert_allclose(evaluated_vertices(made.body), in_world(posed.vertices), atol=1e-4)
    heads = [made.rig.matrix_world @ made.rig.pose.bones[name].head for name in JOINTS]
    assert_allclose(heads, in_world(posed.joints), atol=1e-4)


def test_the_object_stands_where_the_state_says(small_body):
    result = made_up_result(small_body, 5)
    made = api.import_reconstruction(result, body=small_body)
    assert_allclose(evaluated_vertices(made.object), in_world(result.object_mesh().vertices), atol=1e-5)
    assert_allclose(made.object.matrix_world.translation, in_world(result.state.object.translation), atol=1e-6)
    assert_allclose(made.object.scale, [result.state.object.scale] * 3, atol=1e-6)
    local = np.array([v.co for v in made.object.data.vertices])
    x, y, z = result.object.mesh.vertices.T
    assert_allclose(local, np.stack([x, -z, y], 1), atol=1e-6)


def test_everything_is_in_one_collection_selected_with_the_rig_active(result, small_body):
    before = bpy.data.objects.new("mine", None)
    bpy.context.scene.collection.objects.link(before)
    before.select_set(True)
    made = api.import_reconstruction(result, body=small_body, options=api.ImportOptions(name="basket"))
    parts = {made.rig, made.body, made.object, made.camera}
    assert set(made.collection.objects) == parts and made.collection.name == "basket"
    assert set(bpy.context.selected_objects) == parts
    assert bpy.context.view_layer.objects.active == made.rig
    assert {p.name for p in parts} == {"basket rig", "basket body", "basket box", "basket camera"}


def test_scene_settings_change_only_on_request(result, small_body):
    def settings():
        render = bpy.context.scene.render
        return (bpy.context.scene.camera, render.resolution_x, render.resolution_y, render.engine,
                render.pixel_aspect_x, bpy.context.scene.world, bpy.context.scene.frame_current)

    before = settings()
    api.import_reconstruction(result, body=small_body)
    assert settings() == before
    made = api.import_reconstruction(result, body=small_body, options=api.ImportOptions(set_scene=True))
    assert settings() == (made.camera, result.camera.width, result.camera.height, *before[3:])


def test_a_second_import_stands_beside_the_first(result, small_body):
    first = api.import_reconstruction(result, body=small_body)
    second = api.import_reconstruction(result, body=small_body)
    assert first.collection != second.collection and first.id != second.id
    assert {first.rig, first.body, first.object, first.camera}.isdisjoint(second.collection.objects)
    assert second.body.modifiers[0].object == second.rig and second.body.parent == second.rig
    assert first.body.data.materials[0] == second.object.data.materials[0]
    assert identity.find(second.id, identity.BODY) == second.body


def test_undo_takes_the_import_back_in_one_step(result, small_body):
    bpy.context.scene.collection.objects.link(bpy.data.objects.new("mine", None))
    before = datablocks()
    bpy.ops.ed.undo_push(message="before")
    made = api.import_reconstruction(result, body=small_body)
    after, import_id = datablocks(), made.id
    bpy.ops.ed.undo_push(message="import")
    bpy.ops.ed.undo()
    assert datablocks() == before
    bpy.ops.ed.redo()
    assert datablocks() == after
    assert len(identity.find(import_id, identity.BODY).data.vertices) == len(small_body.template)


def test_a_failing_import_leaves_nothing(result, small_body, monkeypatch):
    def fail(*_):
        raise MemoryError

    before = datablocks()
    monkeypatch.setattr(armature, "set_pose", fail)
    with pytest.raises(MemoryError):
        api.import_reconstruction(result, body=small_body)
    assert datablocks() == before


def test_an_import_from_edit_mode_works(result, small_body):
    made = api.import_reconstruction(result, body=small_body)
    bpy.context.view_layer.objects.active = made.rig
    bpy.ops.object.mode_set(mode="POSE")
    assert api.import_reconstruction(result, body=small_body).rig.mode == "OBJECT"


def test_another_body_is_refused_before_anything_is_made(result, default_body):
    before = datablocks()
    with pytest.raises(InputError, match="another body"):
        api.import_reconstruction(result, body=default_body)
    assert datablocks() == before


def test_a_field_of_other_meshes_is_refused(result, small_body):
    wrong = replace(result, field=replace(result.field, body=result.field.body[:-1]))
    with pytest.raises(InputError, match="does not fit together"):
        api.import_reconstruction(wrong, body=small_body)


def test_a_file_names_its_collection(result, small_body, tmp_path):
    path = tmp_path / "man with basket.lexis.npz"
    result.save(path)
    made = api.import_reconstruction(path, body=small_body)
    assert made.collection.name == "man with basket"
    posed = pose(small_body, load(path).state.body)
    assert_allclose(evaluated_vertices(made.body), in_world(posed.vertices), atol=1e-4)


def test_long_names_are_cut_between_characters(small_body):
    item = ObjectModel("椅子" * 40, "", box(), np.eye(4, dtype=np.float32), True)
    result = made_up_result(small_body, item=item)
    made = api.import_reconstruction(result, body=small_body, options=api.ImportOptions(name="写真" * 40))
    for block in (made.collection, *made.collection.objects, *(o.data for o in made.collection.objects)):
        assert len(block.name.encode()) < 60
    assert made.object.name.startswith("写真") and "椅子" in made.object.name


def test_broken_object_meshes_keep_every_vertex(small_body):
    cube = box()
    faces = np.concatenate([cube.faces, [[0, 0, 1], [1, 3, 0], [2, 2, 2]]]).astype(np.int32)
    vertices = np.concatenate([cube.vertices, [[9, 9, 9]]]).astype(np.float32)
    item = ObjectModel("scan", "", Mesh(vertices, faces), np.eye(4, dtype=np.float32), True)
    result = made_up_result(small_body, item=item)
    mesh = api.import_reconstruction(result, body=small_body).object.data
    assert (len(mesh.vertices), len(mesh.polygons)) == (9, 12)
    assert not mesh.validate()


def test_shape_keys_hold_the_solved_values(body):
    result = made_up_result(body, 7)
    state = result.state.body
    keys = api.import_reconstruction(result, body=body).body.data.shape_keys.key_blocks
    assert_allclose([keys[f"beta_{i:02d}"].value for i in range(10)], state.betas, atol=1e-6)
    expressions = [k for k in keys if k.name.startswith("expression_")]
    assert_allclose([k.value for k in expressions], state.expression, atol=1e-6)
    assert all(k.slider_min <= -5 and k.slider_max >= 5 for k in [keys["beta_00"], *expressions])
    assert ("pose_correctives" in keys) == (body.pose_dirs is not None)


def test_a_coefficient_beyond_what_a_shape_key_holds_is_refused(result, small_body):
    far = replace(result.state.body, betas=np.full(10, 11, np.float32))
    with pytest.raises(InputError, match="shape cannot be shown"):
        api.import_reconstruction(replace(result, state=replace(result.state, body=far)), body=small_body)


def test_the_skin_follows_the_weights(body):
    made = api.import_reconstruction(made_up_result(body, 1), body=body)
    assert [g.name for g in made.body.vertex_groups] == list(JOINTS)
    for vertex in list(made.body.data.vertices)[::97]:
        weights = np.zeros(len(JOINTS))
        for entry in vertex.groups:
            weights[entry.group] = entry.weight
        assert_allclose(weights, body.weights[vertex.index], atol=5e-5)
        assert weights.sum() == pytest.approx(1, abs=1e-5)
