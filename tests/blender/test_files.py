"""A reconstruction as a .blend and as a .glb: whole, self-contained, and equal to what was solved."""

from __future__ import annotations

import bpy
import numpy as np
import pytest
from glb_reading import read_glb
from made_up_results import made_up_result
from numpy.testing import assert_allclose
from scene_reading import evaluated_vertices, in_world
from scipy.spatial import cKDTree

from lexis_blender import api
from lexis_blender.scene import identity
from lexis_core.body.model import joint_rotations, pose, rest_vertices
from lexis_core.errors import InputError


@pytest.fixture
def solved(small_body):
    return made_up_result(small_body, 6)


def posed_by_four_joints(body, state):
    """(V, 3) in camera space, the skin held by the four strongest joints of each vertex, as most glTF viewers do."""
    strongest = np.argsort(body.weights, axis=1)[:, -4:]
    weights = np.take_along_axis(body.weights, strongest, axis=1)
    weights = weights / weights.sum(1, keepdims=True)
    rest = rest_vertices(body, state.betas, state.expression)
    if body.pose_dirs is not None:
        turned = joint_rotations(body, state)[1:] - np.eye(3)
        rest = rest + np.einsum("vck,k->vc", body.pose_dirs, turned.ravel())
    motion = pose(body, state).transforms
    moved = np.einsum("vjab,vb->vja", motion[strongest], np.c_[rest, np.ones(len(rest))])
    return (moved * weights[..., None]).sum(1)[:, :3]


def test_a_saved_blend_opens_with_everything_in_place(body, tmp_path):
    result = made_up_result(body, 6)
    path = tmp_path / "new folder" / "scene.blend"
    import_id = api.save_blend(result, path, body=body, options=api.ImportOptions(name="man")).id
    assert [p.name for p in path.parent.iterdir()] == ["scene.blend"]
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.wm.open_mainfile(filepath=str(path))
    scene, surface = bpy.context.scene, identity.find(import_id, identity.BODY)
    assert scene.camera == identity.find(import_id, identity.CAMERA)
    assert (scene.render.resolution_x, scene.render.resolution_y) == (result.camera.width, result.camera.height)
    assert_allclose(evaluated_vertices(surface), in_world(pose(body, result.state.body).vertices), atol=1e-4)
    assert_allclose(evaluated_vertices(identity.find(import_id, identity.OBJECT)),
                    in_world(result.object_mesh().vertices), atol=1e-5)
    values = [entry.value for entry in surface.data.attributes["interfield"].data]
    assert_allclose(values, result.field.body, rtol=1e-7)
    assert all(image.packed_file for image in bpy.data.images if image.users)
    assert scene.world and any(o.type == "LIGHT" for o in scene.objects)
    collection = identity.find_collection(import_id)
    assert collection.name == "man" and collection["lexis_body_digest"] == body.digest


def test_a_saved_blend_replaces_the_old_one_without_a_backup(solved, small_body, tmp_path):
    path = tmp_path / "scene.blend"
    for _ in range(2):
        api.save_blend(solved, path, body=small_body)
    assert [p.name for p in tmp_path.iterdir()] == ["scene.blend"]


def test_a_glb_shows_the_posed_body_and_the_object(body, tmp_path):
    result = made_up_result(body, 6)
    path = tmp_path / "scene.glb"
    api.export_glb(result, path, body=body)
    glb = read_glb(path)
    body_node, object_node = glb.node(" body"), glb.node(" box")
    assert len(glb.json["skins"][body_node["skin"]]["joints"]) == 55

    def y_up(points):
        """Camera space as glTF shows it: y up, and -z into the picture."""
        return points * [1, -1, -1]

    shown = glb.placed(object_node)
    distance, _ = cKDTree(y_up(result.object_mesh().vertices)).query(shown)
    assert distance.max() < 1e-4
    x, y, z = glb.attribute(body_node, "POSITION").T
    apart, source = cKDTree(body.template).query(np.stack([x, y, z], 1))
    assert apart.max() < 1e-5
    expected = y_up(posed_by_four_joints(body, result.state.body))
    error = np.linalg.norm(glb.placed(body_node) - expected[source], axis=1)
    assert np.percentile(error, 99.9) < 1e-4  # equal weights may be cut another way


def test_a_glb_carries_the_fields(solved, small_body, tmp_path):
    path = tmp_path / "scene.glb"
    made = api.import_reconstruction(solved, body=small_body)
    api.export_glb(made, path)
    glb = read_glb(path)
    for suffix, field, distance in ((" body", solved.field.body, solved.field.body_distance),
                                    (" box", solved.field.object, solved.field.object_distance)):
        node = glb.node(suffix)
        count = len(glb.attribute(node, "POSITION"))
        interfield, metres, contact = (glb.attribute(node, n) for n in ("_INTERFIELD", "_DISTANCE", "_CONTACT"))
        assert interfield.shape == metres.shape == contact.shape == (count, 1)
        assert interfield.min() > 0 and interfield.max() <= 1
        assert set(np.unique(interfield)) <= set(field) and set(np.unique(metres)) <= set(distance)
        assert_allclose(interfield, np.exp(-metres**2 / 0.02), atol=1e-5)
        assert ((contact == 1) == (metres < 0.05)).all()
        assert glb.attribute(node, "COLOR_0").shape[0] == count
    names = glb.json["meshes"][glb.node(" body")["mesh"]]["extras"]["targetNames"]
    assert names[:2] == ["beta_00", "beta_01"] and len(names) == 20


def test_exporting_leaves_the_scene_as_it_was(solved, small_body, tmp_path):
    made = api.import_reconstruction(solved, body=small_body)
    for item in bpy.context.selected_objects:
        item.select_set(False)
    made.object.select_set(True)
    bpy.context.view_layer.objects.active = made.object
    names = [a.name for a in made.body.data.attributes if not a.name.startswith(".")]
    api.export_glb(made, tmp_path / "scene.glb")
    assert bpy.context.selected_objects == [made.object] and bpy.context.view_layer.objects.active == made.object
    assert [a.name for a in made.body.data.attributes if not a.name.startswith(".")] == names
    assert made.body.data.color_attributes.active_color.name == "InterField"


@pytest.mark.parametrize(("write", "suffix"), [(api.save_blend, ".blend"), (api.export_glb, ".glb")])
def test_an_unwritable_place_or_a_wrong_name_is_one_clear_error(solved, small_body, tmp_path, write, suffix):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="Could not write"):
        write(solved, tmp_path / "file" / f"scene{suffix}", body=small_body)
    with pytest.raises(InputError, match="does not end in"):
        write(solved, tmp_path / "scene.txt", body=small_body)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_file_of_its_own_leaves_the_preferences_alone(solved, small_body, tmp_path):
    bpy.context.preferences.filepaths.save_version = 7
    api.save_blend(solved, tmp_path / "scene.blend", body=small_body)
    assert bpy.context.preferences.filepaths.save_version == 7
    assert "io_scene_gltf2" in bpy.context.preferences.addons


def test_nothing_is_printed(solved, small_body, tmp_path, capfd):
    made = api.save_blend(solved, tmp_path / "scene.blend", body=small_body)
    api.export_glb(made, tmp_path / "scene.glb")
    assert capfd.readouterr().out == ""
