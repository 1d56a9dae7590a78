"""Editing a result: painting goes there and back bit for bit, snapping closes the gap, pins and keyframes hold."""

from __future__ import annotations

from dataclasses import replace

import bpy
import numpy as np
import pytest
from made_up_results import made_up_result
from numpy.testing import assert_allclose, assert_array_equal
from scene_reading import evaluated_vertices
from synthetic_smplx import smplx_like

from lexis_blender import api, snapshot
from lexis_blender.scene import attributes, facts, fields, hypotheses
from lexis_blender.scene.facts import PAINT
from lexis_core.interfield import distance
from lexis_core.mesh import Mesh
from lexis_core.state import ObjectState


@pytest.fixture
def made(addon, result, small_body):
    return api.import_reconstruction(result, body=small_body)


def weights(item) -> np.ndarray:
    group = item.vertex_groups[PAINT]
    found = np.zeros(len(item.data.vertices), np.float32)
    for vertex in item.data.vertices:
        for entry in vertex.groups:
            if entry.group == group.index:
                found[vertex.index] = entry.weight
    return found


def brush(item, vertices, value):
    """What a stroke of the weight brush leaves."""
    item.vertex_groups[PAINT].add([int(v) for v in vertices], value, "REPLACE")


def test_a_painting_goes_there_and_back_bit_for_bit_at_ten_thousand_vertices(addon):
    body = smplx_like(pose_dirs=False)
    result = made_up_result(body, 1)
    made = api.import_reconstruction(result, body=body)
    assert len(made.body.data.vertices) > 10_000
    bpy.ops.lexis.paint_field(surface="BODY")
    assert bpy.context.mode == "PAINT_WEIGHT" and made.body.vertex_groups.active.name == PAINT
    assert_array_equal(weights(made.body), result.field.body)
    bpy.ops.lexis.paint_apply()
    assert bpy.context.mode == "OBJECT" and PAINT not in made.body.vertex_groups
    assert_array_equal(attributes.read(made.body.data, "painted"), result.field.body)
    assert_array_equal(attributes.read(made.object.data, "painted"), result.field.object)


@pytest.mark.parametrize("surface", ["BODY", "OBJECT"])
def test_a_stroke_is_the_painted_field(made, result, surface):
    item, field = (made.body, result.field.body) if surface == "BODY" else (made.object, result.field.object)
    stroke, value = [0, 3, len(field) - 1], np.float32(0.37)
    bpy.ops.lexis.paint_field(surface=surface)
    brush(item, stroke, value)
    bpy.ops.lexis.paint_apply()
    expected = field.copy()
    expected[stroke] = value
    assert_array_equal(attributes.read(item.data, "painted"), expected)
    assert facts.kind(made.collection) == "painted"
    goal = fields.painted_goal(made)
    mask = goal.body_mask if surface == "BODY" else goal.object_mask
    assert_array_equal(np.flatnonzero(mask), [v for v in stroke if abs(field[v] - value) > 0.01])
    assert np.flatnonzero(goal.object_mask if surface == "BODY" else goal.body_mask).size == 0


def test_the_bones_weights_and_the_pose_are_untouched_by_painting(made):
    def deform():
        return [[(entry.group, entry.weight) for entry in vertex.groups if entry.group < 55]
                for vertex in made.body.data.vertices]

    before, seen = deform(), evaluated_vertices(made.body)
    tools = bpy.context.scene.tool_settings
    tools.use_auto_normalize = True
    bpy.ops.lexis.paint_field(surface="BODY")
    assert not tools.use_auto_normalize
    brush(made.body, range(100), 1.0)
    bpy.ops.lexis.paint_apply()
    assert tools.use_auto_normalize
    assert deform() == before and [g.name for g in made.body.vertex_groups][-1] == "right_thumb3"
    assert_allclose(evaluated_vertices(made.body), seen, atol=1e-6)


def test_painting_leaves_the_context_without_an_owner(made):
    """Else Blender 4.2 damages its memory when, after the next file was opened, a scene is set to a window."""
    bpy.ops.lexis.paint_field(surface="BODY")
    bpy.ops.lexis.paint_apply()
    assert not isinstance(bpy.context.window.id_data, bpy.types.Scene)


def test_painting_starts_from_what_is_shown(made, result):
    bpy.ops.lexis.show_field(field="contact")
    bpy.ops.lexis.paint_field(surface="OBJECT")
    assert_array_equal(weights(made.object), result.field.object_distance < 0.05)
    bpy.ops.lexis.paint_discard()
    bpy.ops.lexis.show_field(field="distance")
    bpy.ops.lexis.paint_field(surface="OBJECT")
    assert_array_equal(weights(made.object), result.field.object)


def test_painting_goes_on_from_the_painted_field(made):
    bpy.ops.lexis.paint_field(surface="BODY")
    brush(made.body, [5], 1.0)
    bpy.ops.lexis.paint_apply()
    bpy.ops.lexis.paint_field(surface="BODY")
    brush(made.body, [6], 0.5)
    bpy.ops.lexis.paint_apply()
    painted = attributes.read(made.body.data, "painted")
    assert (painted[5], painted[6]) == (1.0, 0.5)


def test_discard_keeps_what_was_applied_and_reset_forgets_all(made, result):
    bpy.ops.lexis.paint_field(surface="BODY")
    brush(made.body, [5], 1.0)
    bpy.ops.lexis.paint_apply()
    bpy.ops.lexis.paint_field(surface="BODY")
    brush(made.body, [6], 0.5)
    bpy.ops.lexis.paint_discard()
    painted = attributes.read(made.body.data, "painted")
    assert painted[5] == 1.0 and painted[6] == result.field.body[6]
    bpy.ops.lexis.paint_reset()
    assert not fields.available(made, "painted") and facts.kind(made.collection) == "interfield"
    assert PAINT not in made.body.vertex_groups and fields.painted_goal(made) is None
    assert not bpy.ops.lexis.paint_apply.poll() and not bpy.ops.lexis.solve_painted.poll()


def test_paint_stays_where_the_field_is_measured_anew(made):
    bpy.ops.lexis.paint_field(surface="OBJECT")
    brush(made.object, [2], 0.25)
    bpy.ops.lexis.paint_apply()
    made.object.location.x += 0.5
    bpy.ops.lexis.measure()
    goal = fields.painted_goal(made)
    assert goal.object[2] == 0.25 and goal.object_mask.sum() == 1 and not goal.body_mask.any()
    assert_array_equal(goal.body, attributes.read(made.body.data, "interfield"))


@pytest.mark.parametrize("mode", ["POSE", "EDIT", "WEIGHT_PAINT"])
def test_measuring_and_switching_leave_the_mode_as_it_is(made, small_body, mode):
    hypotheses.keep(made, [made_up_result(small_body, 1), made_up_result(small_body, 2)])
    item = made.body if mode == "WEIGHT_PAINT" else made.rig
    bpy.context.view_layer.objects.active = item
    bpy.ops.object.mode_set(mode=mode)
    bpy.ops.lexis.measure()
    bpy.ops.lexis.next_hypothesis()
    assert item.mode == mode and bpy.context.view_layer.objects.active == item


def test_painting_is_undone_step_by_step_and_saved(made, tmp_path):
    import_id = made.id
    bpy.ops.ed.undo_push(message="before")
    bpy.ops.lexis.paint_field(surface="OBJECT")
    brush(made.object, [1], 0.5)
    bpy.ops.lexis.paint_apply()
    bpy.ops.ed.undo_push(message="applied")
    bpy.ops.lexis.paint_reset()
    bpy.ops.ed.undo_push(message="reset")
    bpy.ops.ed.undo()
    made = snapshot.parts(import_id)
    assert attributes.read(made.object.data, "painted")[1] == 0.5
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"))
    bpy.ops.ed.undo()
    assert not fields.available(snapshot.parts(import_id), "painted")
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "scene.blend"))
    assert attributes.read(snapshot.parts(import_id).object.data, "painted")[1] == 0.5


def test_an_unfinished_painting_survives_saving(made, result, tmp_path):
    import_id = made.id
    bpy.ops.lexis.paint_field(surface="BODY")
    brush(made.body, [7], 0.75)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "scene.blend"))
    bpy.ops.lexis.paint_apply()
    expected = result.field.body.copy()
    expected[7] = 0.75
    assert_array_equal(attributes.read(snapshot.parts(import_id).body.data, "painted"), expected)


def test_solving_without_paint_is_refused(made):
    assert not bpy.ops.lexis.solve_painted.poll()
    bpy.ops.lexis.paint_field(surface="OBJECT")
    bpy.ops.lexis.paint_apply()
    with pytest.raises(RuntimeError, match="There is no painted field to solve for"):
        bpy.ops.lexis.solve_painted()


def apart(small_body, way=(0.0, 0.0, -0.6)):
    """A result whose object stands away from the body."""
    result = made_up_result(small_body, 3)
    placed = replace(result.state.object, translation=result.state.object.translation + np.float32(way))
    return replace(result, state=replace(result.state, object=placed))


def gap(made, small_body):
    body = Mesh(evaluated_vertices(made.body), small_body.faces)
    return distance(evaluated_vertices(made.object), body).min()


def test_snapping_closes_the_nearest_gap_without_turning(addon, small_body):
    result = apart(small_body)
    made = api.import_reconstruction(result, body=small_body)
    before = made.object.matrix_world.copy()
    assert gap(made, small_body) > 0.1
    bpy.ops.lexis.snap_object()
    after = made.object.matrix_world
    assert_allclose(np.array(after)[:3, :3], np.array(before)[:3, :3], atol=1e-6)
    body = Mesh(evaluated_vertices(made.body), small_body.faces)
    item = Mesh(evaluated_vertices(made.object), result.object.mesh.faces)
    nearest = min(distance(item.vertices, body).min(), distance(body.vertices, item).min())
    assert nearest < 1e-3
    assert made.collection[facts.NEAREST] == pytest.approx(nearest, abs=1e-4)
    assert api.read_back(made).state.body.translation.tolist() == result.state.body.translation.tolist()


def test_snapping_brings_the_painted_places_together(addon, small_body):
    result = apart(small_body, (0.1, 0.3, -0.9))
    made = api.import_reconstruction(result, body=small_body)
    body = evaluated_vertices(made.body)
    wrist = np.array(made.rig.matrix_world @ made.rig.pose.bones["right_wrist"].head)
    hand = np.linalg.norm(body - wrist, axis=1) < 0.1
    for surface, item, chosen in (("BODY", made.body, np.flatnonzero(hand)), ("OBJECT", made.object, [2, 3, 6, 7])):
        bpy.ops.lexis.paint_field(surface=surface)
        brush(item, chosen, 1.0)
        bpy.ops.lexis.paint_apply()
    bpy.ops.lexis.snap_object()
    item = Mesh(evaluated_vertices(made.object), result.object.mesh.faces)
    top = item.vertices[[2, 3, 6, 7]].mean(0)
    assert np.linalg.norm(top - body[hand].mean(0)) < 0.2
    assert distance(body[hand], item).mean() < 0.05


def test_pinned_bones_are_marked_and_freed(made):
    bones = made.rig.pose.bones
    bpy.ops.lexis.pin_bones(bones="left_elbow, left_wrist")
    assert [b.name for b in bones if b.get("lexis_pinned")] == ["left_elbow", "left_wrist"]
    assert bones["left_elbow"].color.palette == "THEME01"
    bpy.ops.lexis.pin_bones(bones="left_elbow", pin=False)
    assert [b.name for b in bones if b.get("lexis_pinned")] == ["left_wrist"]
    assert bones["left_elbow"].color.palette == "DEFAULT"
    with pytest.raises(RuntimeError, match="no tail"):
        bpy.ops.lexis.pin_bones(bones="tail")


def test_the_selected_bones_are_pinned(made):
    for bone in made.rig.pose.bones:
        holder = bone if hasattr(bone, "select") else bone.bone
        holder.select = bone.name == "head"
    bpy.ops.lexis.pin_bones()
    assert [b.name for b in made.rig.pose.bones if b.get("lexis_pinned")] == ["head"]


def test_baking_keys_the_pose_and_the_object(made):
    scene = bpy.context.scene
    scene.frame_set(10)
    bpy.ops.lexis.bake_keyframe()
    at_ten = evaluated_vertices(made.body), evaluated_vertices(made.object)
    bone = made.rig.pose.bones["left_elbow"]
    bone.rotation_quaternion = (1, 0, 0, 0)
    made.object.location.x += 1
    scene.frame_set(20)
    bone.rotation_quaternion = (1, 0, 0, 0)
    made.object.location.x += 1
    bpy.ops.lexis.bake_keyframe()
    scene.frame_set(10)
    assert_allclose(evaluated_vertices(made.body), at_ten[0], atol=1e-5)
    assert_allclose(evaluated_vertices(made.object), at_ten[1], atol=1e-5)
    scene.frame_set(20)
    assert tuple(bone.rotation_quaternion) == (1, 0, 0, 0)


def test_an_animated_import_reads_back_at_the_current_frame(made, result):
    scene = bpy.context.scene
    scene.frame_set(1)
    bpy.ops.lexis.bake_keyframe()
    scene.frame_set(11)
    made.object.location.x += 1
    bpy.ops.lexis.bake_keyframe()
    scene.frame_set(1)
    assert isinstance(api.read_back(made).state.object, ObjectState)
    assert_array_equal(api.read_back(made).state.object.translation, result.state.object.translation)
    scene.frame_set(11)
    moved = api.read_back(made).state.object.translation - result.state.object.translation
    assert_allclose(moved, (1, 0, 0), atol=1e-5)
