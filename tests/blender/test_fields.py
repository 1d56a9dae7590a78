"""The InterField in Blender: canonical attributes, a colour view, and a material with a legend in metres."""

from __future__ import annotations

from dataclasses import replace

import bpy
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from lexis_blender import api
from lexis_blender.scene import attributes
from lexis_blender.scene.material import stop_label
from lexis_core.draw import RAMP, ramp
from lexis_core.errors import InputError

KINDS = {"interfield": "FLOAT", "distance": "FLOAT", "contact": "BOOLEAN", "InterField": "FLOAT_COLOR"}


@pytest.fixture
def made(result, small_body):
    return api.import_reconstruction(result, body=small_body)


def values(mesh, name, slot="value"):
    return np.array([getattr(entry, slot) for entry in mesh.attributes[name].data])


def test_both_meshes_carry_the_fields_exactly(made, result):
    field = result.field
    for mesh, interfield, distance in ((made.body.data, field.body, field.body_distance),
                                       (made.object.data, field.object, field.object_distance)):
        for name, kind in KINDS.items():
            attribute = mesh.attributes[name]
            assert (attribute.data_type, attribute.domain) == (kind, "POINT")
        assert_array_equal(values(mesh, "interfield").astype(np.float32), interfield)
        assert_array_equal(values(mesh, "distance").astype(np.float32), distance)
        assert_array_equal(values(mesh, "contact"), distance < 0.05)
        assert_array_equal(attributes.read(mesh, "interfield"), interfield)
        assert_array_equal(attributes.read(mesh, "contact"), distance < 0.05)


def test_the_preview_shows_the_ramps_colours(made, result):
    mesh = made.body.data
    assert mesh.color_attributes.active_color.name == "InterField"
    assert mesh.color_attributes[mesh.color_attributes.render_color_index].name == "InterField"
    shown = values(mesh, "InterField", "color_srgb")
    assert_allclose(shown[:, :3], ramp(result.field.body), atol=2e-3)
    assert_allclose(shown[:, 3], 1)


def test_the_contact_threshold_is_an_option(result, small_body):
    made = api.import_reconstruction(result, body=small_body, options=api.ImportOptions(contact=0.2))
    assert_array_equal(values(made.body.data, "contact"), result.field.body_distance < 0.2)


def test_one_material_reads_the_field_through_the_ramp(made):
    material = made.body.data.materials[0]
    assert made.object.data.materials[0] == material and material.name == "LEXIS InterField"
    nodes = {node.type: node for node in material.node_tree.nodes if node.type != "FRAME"}
    assert nodes["ATTRIBUTE"].attribute_name == "interfield"
    links = {(link.from_node.type, link.to_node.type) for link in material.node_tree.links}
    assert links == {("ATTRIBUTE", "VALTORGB"), ("VALTORGB", "BSDF_PRINCIPLED"), ("BSDF_PRINCIPLED", "OUTPUT_MATERIAL")}
    stops = nodes["VALTORGB"].color_ramp
    assert_allclose([s.position for s in stops.elements], [value for value, _ in RAMP])
    for stop, (_, colour) in zip(stops.elements, RAMP, strict=True):
        assert_allclose(stops.evaluate(stop.position)[:3], attributes.linear(np.array(colour)), atol=1e-5)


def test_the_ramps_stops_are_labelled_in_metres(made):
    labels = [n.label for n in made.body.data.materials[0].node_tree.nodes if n.type == "FRAME"]
    assert sorted(labels) == ["0.00: far", "0.25: 0.167 m", "0.50: 0.118 m", "0.75: 0.076 m", "1.00: touching"]
    assert np.exp(-(0.118**2) / (2 * 0.1**2)) == pytest.approx(0.5, abs=0.01)
    assert stop_label(0.5, 0.2) == "0.50: 0.235 m"


def test_another_fall_off_gets_a_material_of_its_own(made, result, small_body):
    other = replace(result, field=replace(result.field, sigma=0.2))
    material = api.import_reconstruction(other, body=small_body).body.data.materials[0]
    assert material != made.body.data.materials[0] and material["lexis_sigma"] == pytest.approx(0.2)


def test_attributes_are_not_written_in_edit_mode(made):
    bpy.context.view_layer.objects.active = made.body
    bpy.ops.object.mode_set(mode="EDIT")
    try:
        with pytest.raises(InputError, match="edit mode"):
            attributes.write(made.body.data, "interfield", "FLOAT", np.ones(len(made.body.data.vertices)))
    finally:
        bpy.ops.object.mode_set(mode="OBJECT")


def test_a_wrong_length_or_a_taken_name_is_refused(made):
    mesh = made.body.data
    with pytest.raises(InputError, match="values were given"):
        attributes.write(mesh, "interfield", "FLOAT", np.ones(3))
    with pytest.raises(InputError, match="taken by other data"):
        attributes.write(mesh, "interfield", "BOOLEAN", np.ones(len(mesh.vertices), bool))
    with pytest.raises(InputError, match="no attribute"):
        attributes.read(mesh, "nothing")
