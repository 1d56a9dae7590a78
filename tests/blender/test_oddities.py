"""What artists do to scenes: copies, deleted parts, scaled rigs, edited meshes, long names, folders of their own."""

from __future__ import annotations

from dataclasses import replace

import bpy
import numpy as np
import pytest
from checking_layout import draw, labels
from made_up_results import made_up_result
from scene_reading import evaluated_vertices

from lexis_blender import api, bodies, preferences, request, results, snapshot
from lexis_blender.scene import apply_state, facts, fields, hypotheses, read_back, stand
from lexis_core.errors import InputError
from lexis_core.interfield import measure
from lexis_core.reconstruction import load, to_arrays
from lexis_core.runtime.client import Event

EARLIER = "Of an earlier pose"


@pytest.fixture
def made(addon, result, small_body):
    found = api.import_reconstruction(result, body=small_body)
    hypotheses.keep(found, [result, made_up_result(small_body, 2)])
    return found


def subdivide(item):
    for other in bpy.context.selected_objects:
        other.select_set(False)
    bpy.context.view_layer.objects.active = item
    bpy.ops.object.mode_set(mode="EDIT")
    bpy.ops.mesh.select_all(action="SELECT")
    bpy.ops.mesh.subdivide()
    bpy.ops.object.mode_set(mode="OBJECT")


def result_panel() -> str:
    from lexis_blender.panels.result import LEXIS_PT_result

    return labels(draw(LEXIS_PT_result, bpy.context))


def test_in_a_full_copy_of_a_scene_the_copy_is_worked_on(made):
    bpy.context.view_layer.objects.active = made.rig
    original = [tuple(bone.rotation_quaternion) for bone in made.rig.pose.bones]
    bpy.ops.scene.new(type="FULL_COPY")
    copied = snapshot.active_import(bpy.context)
    assert copied.id == made.id and copied.rig != made.rig and copied.rig.name in bpy.context.scene.objects
    bpy.ops.lexis.next_hypothesis()
    assert facts.hypothesis(copied.collection) == 1 and facts.hypothesis(made.collection) == 0
    assert [tuple(bone.rotation_quaternion) for bone in made.rig.pose.bones] == original


def test_an_import_inside_another_collection_is_found_without_an_active_object(made):
    scene = bpy.context.scene
    outer = bpy.data.collections.new("shots")
    scene.collection.children.link(outer)
    scene.collection.children.unlink(made.collection)
    outer.children.link(made.collection)
    bpy.context.view_layer.objects.active = None
    assert snapshot.active_id(bpy.context) == made.id


def test_a_part_in_another_collection_is_found(made):
    made.collection.objects.unlink(made.object)
    bpy.context.scene.collection.objects.link(made.object)
    assert snapshot.active_import(bpy.context).object == made.object


def test_a_deleted_object_that_a_setting_still_holds_is_gone(made):
    settings = bpy.context.scene.lexis
    settings.object_kind, settings.object_mesh = "ACTIVE", made.object
    with bpy.context.temp_override(selected_objects=[made.object]):
        bpy.ops.object.delete()
    assert settings.object_mesh is not None  # Blender keeps what a setting holds
    bpy.context.view_layer.objects.active = made.rig
    assert snapshot.active_import(bpy.context) is None and "A part was deleted" in result_panel()
    with pytest.raises(InputError, match="No mesh is chosen"):
        request.active_mesh(bpy.context)


def test_a_scaled_rig_is_refused_and_stays(made):
    made.rig.scale = (2, 2, 2)
    before = [tuple(bone.rotation_quaternion) for bone in made.rig.pose.bones]
    with pytest.raises(RuntimeError, match="It is scaled"):
        bpy.ops.lexis.next_hypothesis()
    assert [tuple(bone.rotation_quaternion) for bone in made.rig.pose.bones] == before
    assert facts.hypothesis(made.collection) == 0


def test_solving_on_after_the_object_was_edited_keeps_the_earlier_hypotheses(made, small_body):
    subdivide(made.object)
    hypotheses.take(bpy.context, made, small_body, api.read_back(made))
    assert (facts.count(made.collection), facts.hypothesis(made.collection)) == (3, 2)
    bpy.ops.lexis.next_hypothesis(number=2)
    surfaces = read_back.surfaces(bpy.context, made)
    np.testing.assert_allclose(fields.read(made).object_distance, measure(*surfaces).object_distance, atol=1e-4)


def test_a_result_for_a_mesh_that_was_edited_meanwhile_changes_nothing(made, small_body, result):
    subdivide(made.object)
    before = evaluated_vertices(made.body)
    with pytest.raises(InputError, match="does not fit"):
        apply_state.apply(bpy.context, made, small_body, made_up_result(small_body, 2))
    assert np.abs(evaluated_vertices(made.body) - before).max() == 0


@pytest.mark.parametrize("switched_off", ["body", "object", "collection"])
def test_what_blender_does_not_evaluate_is_not_measured_as_it_was_before(made, switched_off):
    layer = bpy.context.view_layer.layer_collection.children[made.collection.name]
    if switched_off == "collection":
        layer.exclude = True
    else:
        getattr(made, switched_off).hide_viewport = True
    made.object.location.x += 0.5
    with pytest.raises(RuntimeError, match="switched off in the viewport"):
        bpy.ops.lexis.measure()


def test_what_the_eye_hides_is_measured_where_it_is(made):
    before = fields.read(made).object_distance
    made.object.hide_set(True)
    made.object.location.z += 5
    bpy.ops.lexis.measure()
    assert (fields.read(made).object_distance > before).all()


def test_a_hidden_part_is_not_left_out_of_a_glb(made, tmp_path):
    made.object.hide_set(True)
    with pytest.raises(InputError, match="is hidden"):
        api.export_glb(made, tmp_path / "scene.glb")


def test_the_panel_says_when_the_fields_belong_to_an_earlier_pose(made):
    assert EARLIER not in result_panel()
    made.rig.pose.bones["left_elbow"].rotation_quaternion = (0.92, 0.38, 0.0, 0.0)
    assert EARLIER in result_panel()
    bpy.ops.lexis.measure()
    assert EARLIER not in result_panel()
    made.object.location.x += 0.1
    bpy.context.view_layer.update()
    assert EARLIER in result_panel()
    bpy.ops.lexis.next_hypothesis()
    assert EARLIER not in result_panel()
    made.body.data.shape_keys.key_blocks["beta_00"].value += 0.5
    assert EARLIER in result_panel()


def test_turning_the_whole_scene_is_no_other_pose(made, tmp_path):
    holder = bpy.data.objects.new("holder", None)
    bpy.context.scene.collection.objects.link(holder)
    for part in (made.rig, made.object, made.camera):
        part.parent = holder
    holder.rotation_euler = (0.3, 0.2, 0.5)
    bpy.context.view_layer.update()
    assert stand.as_measured(made)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "scene.blend"))
    assert stand.as_measured(snapshot.parts(made.id))


def test_the_brush_is_given_back_when_painting_goes_over_to_the_object(made):
    tools = bpy.context.scene.tool_settings
    tools.use_auto_normalize = True
    bpy.ops.lexis.paint_field(surface="BODY")
    bpy.ops.lexis.paint_field(surface="OBJECT")
    bpy.ops.lexis.paint_discard()
    assert tools.use_auto_normalize and "lexis_tools" not in made.body


def test_the_frame_takes_the_photos_size_on_request(made, result):
    render = bpy.context.scene.render
    render.resolution_x, render.resolution_y = 300, 900
    bpy.ops.lexis.camera_view()
    assert (render.resolution_x, render.resolution_y) == (300, 900)
    background = made.camera.data.background_images[0]
    assert background.frame_method == "FIT"
    bpy.ops.lexis.camera_view(photo_size=True)
    assert (render.resolution_x, render.resolution_y) == (result.camera.width, result.camera.height)
    assert background.frame_method == "STRETCH"


@pytest.mark.parametrize("name", ["Ein sehr langer Name für ein Photo " * 4, "写真" * 40, "con.", "a/b\\c:d"],
                         ids=["long", "wide", "reserved", "path"])
def test_names_of_any_length_and_script(addon, result, small_body, tmp_path, name):
    found = Event(1, "result", header={"count": 1, "seconds": 1.0, "device": "cpu"},
                  arrays={f"0.{key}": array for key, array in to_arrays(result).items()})
    solved = results.keeper(tmp_path, name, small_body)(found)
    made = results.bring_in(solved, name, bpy.context.scene.name)
    assert len(list(tmp_path.iterdir())) == 1 and len(made.body.name.encode()) <= 63
    photo = bpy.data.images.new(name[:30], 64, 64)
    bpy.context.scene.lexis.image_source, bpy.context.scene.lexis.image = "IMAGE", photo
    for _ in range(2):
        bpy.ops.lexis.new_mask(surface="PERSON")
    bpy.ops.lexis.export_result(filepath=str(tmp_path / "Ünï 写真.lexis.npz"))
    bodies.given(small_body)
    bpy.ops.lexis.import_result(filepath=str(tmp_path / "Ünï 写真.lexis.npz"))


def test_a_collections_exporter_writes_that_collections_reconstruction(made, small_body, tmp_path):
    other = made_up_result(small_body, 4)
    second = api.import_reconstruction(other, body=small_body)
    layers = bpy.context.view_layer.layer_collection.children
    bpy.context.view_layer.active_layer_collection = layers[second.collection.name]
    bpy.context.view_layer.objects.active = made.rig
    bpy.ops.collection.exporter_add(name="LEXIS_FH_result")
    second.collection.exporters[0].export_properties.filepath = str(tmp_path / "second.lexis.npz")
    bpy.ops.collection.exporter_export(index=0)
    np.testing.assert_array_equal(load(tmp_path / "second.lexis.npz").state.body.betas, other.state.body.betas)
    with pytest.raises(RuntimeError, match="no whole reconstruction"):
        bpy.ops.lexis.export_result(filepath=str(tmp_path / "no.lexis.npz"), collection="no")


def test_clearing_the_cache_deletes_results_alone(addon, tmp_path):
    chosen = preferences.read()
    chosen.cache_folder = str(tmp_path)
    (tmp_path / "thesis").mkdir()
    for name in ("photo.jpg", "mine.lexis.npz", "thesis/a.txt", "photo 20261122-151500 1.lexis.npz"):
        (tmp_path / name).write_bytes(b"0")
    bpy.ops.lexis.clear_cache()
    kept = sorted(path.name for path in tmp_path.rglob("*") if path.is_file())
    assert kept == ["a.txt", "mine.lexis.npz", "photo.jpg"]


def test_a_cache_folder_that_cannot_be_is_told(addon, tmp_path):
    (tmp_path / "file").write_text("no folder")
    preferences.read().cache_folder = str(tmp_path / "file" / "cache")
    with pytest.raises(RuntimeError, match="Results cannot be kept"):
        bpy.ops.lexis.clear_cache()


def test_a_number_stays_within_what_the_library_takes(addon):
    settings = bpy.context.scene.lexis
    settings.object_kind, settings.object_name = "LIBRARY", "chair"
    bpy.ops.lexis.object_parameters()
    item = next(entry for entry in settings.object_parameters if not entry.words)
    item.value = item.high + 100
    assert item.value == item.high
    item.value = item.low - 100
    assert item.value == item.low


def test_an_import_without_its_measured_pose_says_nothing(made):
    del made.collection[facts.STANDS]
    assert stand.as_measured(made)
    made.collection[facts.STANDS] = "no"
    assert stand.as_measured(made)


def test_a_predicted_field_of_another_mesh_is_let_go(made, small_body, result):
    one = replace(result, predicted_body=result.field.body, predicted_object=result.field.object)
    hypotheses.keep(made, [one])
    subdivide(made.object)
    hypotheses.take(bpy.context, made, small_body, api.read_back(made))
    bpy.ops.lexis.next_hypothesis(number=1)
    assert not fields.available(made, "predicted")
