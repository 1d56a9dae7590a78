"""The scene's settings, and what the worker is asked for them."""

from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scene_reading import datablocks, evaluated_vertices

from lexis_blender import api
from lexis_core.objects.library import CATEGORIES
from lexis_core.observe import read_mask
from lexis_core.runtime.sampler import Weights


def cube(scale=(1, 1, 1)) -> bpy.types.Object:
    bpy.ops.mesh.primitive_cube_add(size=1)
    bpy.context.object.scale = scale
    return bpy.context.object


def test_presets_are_the_settings_they_stand_for(settings):
    assert settings.preset == "BALANCED"
    settings.preset = "BEST"
    assert (settings.steps, settings.hypotheses, settings.method) == (50, 4, "AUTO")
    settings.steps = 33
    assert settings.preset == "CUSTOM"
    settings.preset = "FAST"
    assert settings.preset == "FAST" and settings.hypotheses == 1


def test_the_librarys_parameters_go_to_the_worker_as_it_takes_them(settings):
    from lexis_blender import request

    settings.object_kind, settings.object_name = "LIBRARY", "chair"
    bpy.ops.lexis.object_parameters()
    assert request.parameters(settings.object_parameters) == pytest.approx(CATEGORIES["chair"].defaults)
    settings.object_parameters["back"].word = "panel"
    given = request.parameters(settings.object_parameters)
    assert given["back"] == "panel" and CATEGORIES["chair"].checked(given).keys() == given.keys()
    settings.object_name = "cup"
    assert not settings.object_parameters


def test_factors_become_weights(settings):
    from lexis_blender import request

    assert "weights" not in request.weighed(request.solver_options(settings))
    settings.weight_mask = 2.0
    usual = Weights()
    assert request.weighed(request.solver_options(settings))["weights"] == {
        "field": usual.field, "mask": 2 * usual.mask, "landmarks": usual.landmarks, "inside": usual.inside}


def test_the_scenes_settings_are_saved(settings, tmp_path):
    settings.object_kind, settings.steps, settings.person_box = "LIBRARY", 31, (1, 2, 30, 40)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"))
    settings.steps = 2
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "scene.blend"))
    again = bpy.context.scene.lexis
    assert (again.object_kind, again.steps, tuple(again.person_box)) == ("LIBRARY", 31, (1, 2, 30, 40))


def asked(settings):
    from lexis_blender import request

    return request.reconstruct(bpy.context)()


def test_files_are_named_and_boxes_are_numbers(demo):
    demo.object_source, demo.object_box, demo.focal = "BOX", (10, 20, 100, 200), 900
    options, arrays = asked(demo)
    assert arrays == {}
    assert options["image"] == demo.image_path and options["person_mask"] == demo.person_mask_path
    assert options["object_box"] == [10, 20, 100, 200] and options["focal"] == 900 and "box" not in options
    assert (options["object"], options["method"], options["device"]) == ("tripod", "estimate", "auto")


def test_painted_images_come_upright_and_as_bytes(demo):
    photo = bpy.data.images.new("photo", 6, 4)
    mask = bpy.data.images.new("mask", 6, 4)
    rows = np.random.default_rng(3).integers(0, 256, (4, 6, 3), np.uint8)
    inside = np.zeros((4, 6), bool)
    inside[0, 2:4] = True  # the uppermost row

    def paint(image, values):
        rgba = np.ones((4, 6, 4), np.float32)
        rgba[..., :3] = values[::-1]
        image.pixels.foreach_set(rgba.ravel())

    paint(photo, rows / 255)
    paint(mask, np.repeat(inside[..., None], 3, 2))
    demo.image_source, demo.image = "IMAGE", photo
    demo.object_source, demo.object_mask_image = "IMAGE", mask
    options, arrays = asked(demo)
    assert "image" not in options and (arrays["image"] == rows).all()
    assert ((arrays["object_mask"] > 127) == inside).all()


def test_a_new_mask_shows_the_photo_and_is_inside_where_it_is_painted_white(demo):
    bpy.ops.lexis.new_mask(surface="OBJECT")
    image = demo.object_mask_image
    assert demo.object_source == "IMAGE" and image.packed_file
    height, width = image.size[1], image.size[0]
    rgba = np.empty((height, width, 4), np.float32)
    image.pixels.foreach_get(rgba.ravel())
    assert rgba[..., :3].std() > 0.05 and rgba[..., :3].max() < 0.5
    rgba[-20:-10, 5:15] = 1  # 10 to 20 pixels from the top
    image.pixels.foreach_set(rgba.ravel())
    inside = read_mask(asked(demo)[1]["object_mask"], width, height, "the mask")
    assert inside[10:20, 5:15].all() and inside.sum() == 100


def test_an_image_as_it_is_on_disk_is_read_from_there_and_a_packed_one_keeps_its_bytes(demo):
    photo = Path(demo.image_path)
    image = bpy.data.images.load(str(photo))
    demo.image_source, demo.image = "IMAGE", image
    assert asked(demo)[0]["image"] == str(photo)
    image.pack()
    path = asked(demo)[0]["image"]
    assert path != str(photo) and Path(path).read_bytes() == photo.read_bytes()


def test_the_active_mesh_comes_as_it_is_seen_in_metres(demo):
    item = cube((0.5, 1.0, 2.0))
    item.location, item.rotation_euler = (3, 4, 5), (0.3, 0.2, 0.1)
    item.modifiers.new("two", "ARRAY").count = 2
    demo.object_kind, demo.object_size = "ACTIVE", 0.75
    bpy.context.scene.unit_settings.scale_length = 0.1
    options, arrays = asked(demo)
    vertices, faces = arrays["object_vertices"], arrays["object_faces"]
    turn = np.array(item.matrix_world.to_3x3().normalized())
    assert_allclose(vertices @ turn.T / 0.1 + np.array(item.location), evaluated_vertices(item), atol=1e-5)
    assert faces.shape == (24, 3) and faces.dtype == np.int32
    assert (options["object_up"], options["object_units"], options["object_size"]) == ("z", "m", 0.75)


@pytest.mark.parametrize(("change", "said"), [
    ({"image_path": ""}, "There is no photo"),
    ({"image_path": "/nowhere/photo.png"}, "There is no photo"),
    ({"image_source": "IMAGE"}, "There is no photo"),
    ({"person_source": "BOX"}, "There is no box around the person"),
    ({"object_mask_path": "/nowhere/mask.png"}, "There is no object mask"),
    ({"object_source": "IMAGE"}, "There is no object mask"),
    ({"object_kind": "ACTIVE"}, "There is no object"),
    ({"object_kind": "FILE"}, "There is no object"),
])
def test_what_is_missing_is_told_in_three_lines(demo, change, said):
    for name, value in change.items():
        setattr(demo, name, value)
    before = datablocks()
    with pytest.raises(RuntimeError, match=said) as error:
        bpy.ops.lexis.reconstruct()
    assert len(str(error.value).strip().splitlines()) == 3
    assert datablocks() == before


def test_a_body_or_an_empty_is_no_object(demo, result, small_body):
    demo.object_kind = "ACTIVE"
    made = api.import_reconstruction(result, body=small_body)
    demo.object_mesh = made.body
    with pytest.raises(RuntimeError, match="The body cannot be the object"):
        bpy.ops.lexis.reconstruct()
    demo.object_mesh = None
    with pytest.raises(RuntimeError, match="There is no object"):  # the rig is active
        bpy.ops.lexis.reconstruct()


def test_a_deleted_object_is_forgotten(demo):
    demo.object_kind, demo.object_mesh = "ACTIVE", cube()
    bpy.data.objects.remove(demo.object_mesh)
    assert demo.object_mesh is None
    with pytest.raises(RuntimeError, match="There is no object"):
        bpy.ops.lexis.reconstruct()
