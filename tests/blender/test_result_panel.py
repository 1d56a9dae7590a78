"""Looking at a result: which field the colours show, what they mean, what it measures, and which hypothesis it is."""

from __future__ import annotations

from dataclasses import replace

import bpy
import numpy as np
import pytest
from checking_layout import draw, labels
from made_up_results import made_up_result
from numpy.testing import assert_allclose, assert_array_equal
from scene_reading import datablocks, evaluated_vertices, in_world

from lexis_blender import api, measuring, snapshot
from lexis_blender.scene import attributes, facts, fields, hypotheses
from lexis_core.body.model import pose
from lexis_core.draw import ramp
from lexis_core.interfield import measure, summary
from lexis_core.mesh import Mesh

SIGMA = 0.1


@pytest.fixture
def made(addon, result, small_body):
    rng = np.random.default_rng(1)
    field = result.field
    body, item = (rng.uniform(0.05, 1, len(part)).astype(np.float32) for part in (field.body, field.object))
    return api.import_reconstruction(replace(result, predicted_body=body, predicted_object=item), body=small_body)


@pytest.fixture
def several(addon, small_body):
    """Three solutions of one photo; the first is imported."""
    results = [made_up_result(small_body, 1), made_up_result(small_body, 2), made_up_result(small_body, 3)]
    results = [replace(results[0], state=r.state, field=r.field, info={"seed": i}) for i, r in enumerate(results)]
    made = api.import_reconstruction(results[0], body=small_body)
    hypotheses.keep(made, results)
    return made, results


def posed(body, result):
    return in_world(pose(body, result.state.body).vertices)


def colours(mesh):
    """(V, 3) sRGB of what Solid view shows."""
    assert mesh.color_attributes.active_color.name == "InterField"
    return np.array([entry.color_srgb[:3] for entry in mesh.color_attributes["InterField"].data])


def looks(mesh):
    """What the material reads, and through which kinds of nodes it goes."""
    (material,) = mesh.materials
    nodes = [node for node in material.node_tree.nodes if node.type != "FRAME"]
    return next(n.attribute_name for n in nodes if n.type == "ATTRIBUTE"), {n.type for n in nodes}


def test_every_field_is_shown_by_the_material_and_in_solid_view(made, result):
    field, mesh = result.field, made.body.data
    expected = {
        "distance": 1 - np.clip(field.body_distance / (3 * SIGMA), 0, 1), "contact": field.body_distance < 0.05,
        "predicted": attributes.read(mesh, "predicted"), "interfield": field.body,
    }
    for kind, values in expected.items():
        bpy.ops.lexis.show_field(field=kind)
        assert_allclose(colours(mesh), ramp(values), atol=2e-3)
        attribute, nodes = looks(mesh)
        assert attribute == kind and ("MAP_RANGE" in nodes) == (kind == "distance")
        assert made.object.data.materials[:] == mesh.materials[:]
        assert facts.kind(made.collection) == kind


def test_a_field_that_is_not_there_is_grey_and_refused(addon, result, small_body):
    from lexis_blender.panels.result import LEXIS_MT_field, LEXIS_PT_result

    api.import_reconstruction(result, body=small_body)
    with pytest.raises(RuntimeError, match="There is no predicted field"):
        bpy.ops.lexis.show_field(field="predicted")
    said = draw(LEXIS_MT_field, bpy.context)
    assert labels(said).splitlines() == ["InterField", "Distance", "Contact", "Predicted", "Painted"]
    assert "1.00: touching\n0.75: 0.076 m" in labels(draw(LEXIS_PT_result, bpy.context))


def test_the_legend_tells_metres(made):
    from lexis_blender.panels.result import LEXIS_PT_result

    bpy.ops.lexis.show_field(field="distance")
    assert "0.000 m\n0.075 m\n0.150 m\n0.225 m\n0.300 m and more" in labels(draw(LEXIS_PT_result, bpy.context))
    bpy.ops.lexis.show_field(field="contact")
    bpy.context.scene.lexis.contact_threshold = 0.02
    assert "nearer than 0.020 m\nno contact" in labels(draw(LEXIS_PT_result, bpy.context))
    frames = [node.label for node in made.body.data.materials[0].node_tree.nodes if node.type == "FRAME"]
    assert frames == ["no contact", "contact"]


def test_the_contact_threshold_belongs_to_the_import(made, result, small_body):
    other = api.import_reconstruction(result, body=small_body)
    settings = bpy.context.scene.lexis
    settings.contact_threshold = 0.12
    for mesh, distance in ((other.body.data, result.field.body_distance),
                           (other.object.data, result.field.object_distance)):
        assert_array_equal(attributes.read(mesh, "contact"), distance < 0.12)
    assert_array_equal(attributes.read(made.body.data, "contact"), result.field.body_distance < 0.05)
    bpy.context.view_layer.objects.active = made.rig
    assert settings.contact_threshold == pytest.approx(0.05)


def test_the_numbers_are_the_cores(made, result, small_body):
    from lexis_blender.panels.result import LEXIS_PT_result

    stood = Mesh(pose(small_body, result.state.body).vertices, small_body.faces)
    said = summary(result.field, stood, result.object_mesh(), 0.05)
    assert made.collection[facts.CONTACT_AREA] == pytest.approx(said.body_contact_area)
    assert made.collection[facts.PENETRATION] == pytest.approx(said.penetration_area_share)
    assert made.collection[facts.NEAREST] == pytest.approx(said.minimum_distance)
    bpy.context.scene.lexis.contact_threshold = 0.2
    wider = summary(result.field, stood, result.object_mesh(), 0.2)
    assert made.collection[facts.CONTACT_AREA] == pytest.approx(wider.body_contact_area, rel=1e-3)
    assert f"Contact: {1e4 * wider.body_contact_area:.0f} cm²" in labels(draw(LEXIS_PT_result, bpy.context))


def test_measuring_anew_sees_what_was_moved(made, result, small_body):
    made.object.location.z += 0.3
    made.rig.pose.bones["left_shoulder"].rotation_quaternion.x += 0.3
    bpy.ops.lexis.measure()
    body = Mesh(evaluated_vertices(made.body), small_body.faces)
    item = Mesh(evaluated_vertices(made.object), result.object.mesh.faces)
    assert_allclose(attributes.read(made.body.data, "distance"), measure(body, item).body_distance, atol=1e-5)
    assert_allclose(attributes.read(made.object.data, "interfield"), measure(body, item).object, atol=1e-4)
    bpy.context.view_layer.update()
    again = api.read_back(made)  # of the state, not of what is seen
    stood = Mesh(pose(small_body, again.state.body).vertices, small_body.faces)
    assert_array_equal(again.field.body, measure(stood, again.object_mesh()).body)


def test_the_worker_measures_the_same(made, result, small_body):
    made.object.location.z += 0.3
    measuring.start(bpy.context, made, wait=True)
    body, item = (attributes.read(mesh, "distance") for mesh in (made.body.data, made.object.data))
    bpy.ops.lexis.measure()
    assert_allclose(body, attributes.read(made.body.data, "distance"), atol=1e-6)
    assert_allclose(item, attributes.read(made.object.data, "distance"), atol=1e-6)


def test_a_modifier_that_adds_vertices_is_told(made):
    made.object.modifiers.new("more", "SUBSURF").levels = 1
    with pytest.raises(RuntimeError, match="A modifier changes how many vertices"):
        bpy.ops.lexis.measure()


def test_switching_hypotheses_poses_the_same_rig(several, small_body):
    made, results = several
    before = datablocks()
    for number in (2, 3, 1):
        bpy.ops.lexis.next_hypothesis()
        wanted = results[number - 1]
        assert facts.hypothesis(made.collection) == number - 1
        assert_allclose(evaluated_vertices(made.body), posed(small_body, wanted), atol=1e-4)
        assert_allclose(evaluated_vertices(made.object), in_world(wanted.object_mesh().vertices), atol=1e-5)
        assert_array_equal(attributes.read(made.body.data, "distance"), wanted.field.body_distance)
        again = api.read_back(made)
        assert_array_equal(again.state.body.body_pose, wanted.state.body.body_pose)
        assert_allclose(again.field.body, wanted.field.body, rtol=1e-6)
        assert again.info == wanted.info
    bpy.ops.lexis.next_hypothesis(step=-1)
    assert facts.hypothesis(made.collection) == 2
    assert datablocks() == before


@pytest.mark.parametrize("bone", ["", "right_wrist"])
def test_under_a_stretched_parent_or_a_bone_the_object_is_placed_all_the_same(several, bone):
    made, results = several
    holder = made.rig if bone else bpy.data.objects.new("holder", None)
    if not bone:
        bpy.context.scene.collection.objects.link(holder)
        holder.scale, holder.rotation_euler, holder.location = (1, 2, 0.5), (0.3, 0.2, 0.5), (1, 2, 3)
    made.object.parent = holder
    if bone:
        made.object.parent_type, made.object.parent_bone = "BONE", bone
    for number in (2, 3, 2):
        bpy.ops.lexis.next_hypothesis(number=number)
        wanted = results[number - 1]
        assert_allclose(evaluated_vertices(made.object), in_world(wanted.object_mesh().vertices), atol=1e-5)
        assert_allclose(api.read_back(made).state.object.rotation, wanted.state.object.rotation, atol=1e-6)
    assert made.object.parent == holder


def test_a_hypothesis_is_chosen_by_number_and_undone(several, small_body):
    made, results = several
    import_id = made.id
    bpy.ops.ed.undo_push(message="before")
    bpy.ops.lexis.next_hypothesis(number=3)
    bpy.ops.ed.undo_push(message="switched")
    with pytest.raises(RuntimeError, match="There is no hypothesis 9"):
        bpy.ops.lexis.next_hypothesis(number=9)
    bpy.ops.ed.undo()
    made = snapshot.parts(import_id)
    assert facts.hypothesis(made.collection) == 0
    assert_allclose(evaluated_vertices(made.body), posed(small_body, results[0]), atol=1e-4)


def test_hypotheses_and_fields_are_saved(several, small_body, tmp_path):
    made, results = several
    import_id = made.id
    bpy.ops.lexis.show_field(field="distance")
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "scene.blend"))
    made = snapshot.parts(import_id)
    assert fields.shown(made) == "distance" and facts.count(made.collection) == 3
    bpy.ops.lexis.next_hypothesis(number=2)
    assert_allclose(evaluated_vertices(made.body), posed(small_body, results[1]), atol=1e-4)


def test_one_solution_has_no_next(made):
    assert not bpy.ops.lexis.next_hypothesis.poll()


def test_what_was_solved_on_is_one_more_hypothesis(several, small_body):
    made, results = several
    hypotheses.add(made, made_up_result(small_body, 4))
    assert (facts.count(made.collection), facts.hypothesis(made.collection)) == (4, 3)
    bpy.ops.lexis.next_hypothesis(number=2)
    assert_array_equal(api.read_back(made).state.body.betas, results[1].state.body.betas)


@pytest.mark.parametrize("data", [None, b"PK no", b""])
def test_damaged_hypotheses_are_told(several, data):
    made, _ = several
    del made.collection["lexis_hypotheses"]
    if data is not None:
        made.collection["lexis_hypotheses"] = data
    with pytest.raises(RuntimeError, match="The hypotheses of"):
        bpy.ops.lexis.next_hypothesis()


def test_the_camera_view_and_the_photos_opacity(made):
    bpy.ops.lexis.camera_view()
    assert bpy.context.scene.camera == made.camera
    bpy.context.scene.lexis.overlay_opacity = 0.9
    assert made.camera.data.background_images[0].alpha == pytest.approx(0.9)


def test_an_artists_own_material_stays(made):
    own = bpy.data.materials.new("skin")
    made.body.data.materials[0] = own
    bpy.ops.lexis.show_field(field="contact")
    assert made.body.data.materials[:] == [own] and looks(made.object.data)[0] == "contact"


def test_without_a_result_the_operators_are_grey(addon):
    names = ("show_field", "next_hypothesis", "measure", "camera_view", "paint_field", "paint_reset", "solve_painted",
             "snap_object", "pin_bones", "bake_keyframe", "export_result")
    assert not any(getattr(bpy.ops.lexis, name).poll() for name in names)
