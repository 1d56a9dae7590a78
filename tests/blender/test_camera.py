"""The camera sees what the photo saw, and shows the photo behind it."""

from __future__ import annotations

import bpy
import numpy as np
import pytest
from bpy_extras.object_utils import world_to_camera_view
from made_up_results import made_up_result
from mathutils import Vector
from numpy.testing import assert_allclose
from scene_reading import in_world

from lexis_blender import api
from lexis_core.body.model import pose
from lexis_core.camera import Camera
from lexis_core.mesh import Mesh
from lexis_core.raster import rasterise
from lexis_core.reconstruction import decode_photo

CAMERAS = {
    "odd landscape": Camera(331, 247, (420.0, 420.0), (150.25, 131.5)),
    "portrait": Camera(301, 533, (700.0, 700.0), (120.0, 300.0)),
    "wide pixels": Camera(400, 300, (400.0, 520.0), (215.0, 140.0)),
    "tall pixels": Camera(300, 400, (520.0, 400.0), (140.0, 215.0)),
    "far off centre": Camera(1920, 1080, (1500.0, 1500.0), (-200.0, 1300.0)),
}


@pytest.mark.parametrize("camera", CAMERAS.values(), ids=CAMERAS.keys())
def test_points_fall_on_the_photos_pixels(small_body, camera):
    result = made_up_result(small_body, camera=camera)
    made = api.import_reconstruction(result, body=small_body, options=api.ImportOptions(set_scene=True))
    bpy.context.view_layer.update()
    points = np.random.default_rng(0).uniform((-1, -1, 1), (1, 1, 6), (40, 3))
    seen = np.array([world_to_camera_view(bpy.context.scene, made.camera, Vector(p)) for p in in_world(points)])
    pixels = np.stack([seen[:, 0] * camera.width, (1 - seen[:, 1]) * camera.height], 1)
    assert_allclose(pixels, camera.project(points), atol=0.05)
    assert_allclose(seen[:, 2], points[:, 2], atol=1e-5)


@pytest.mark.parametrize("name", ["odd landscape", "tall pixels"])
def test_a_render_covers_what_the_rasteriser_covers(default_body, name, tmp_path):
    camera = CAMERAS[name]
    result = made_up_result(default_body, 2, camera=camera, strength=0.2)
    api.import_reconstruction(result, body=default_body, options=api.ImportOptions(set_scene=True))
    scene = bpy.context.scene
    scene.render.engine, scene.cycles.samples, scene.cycles.use_denoising = "CYCLES", 1, False
    scene.cycles.max_bounces, scene.render.film_transparent = 0, True
    scene.cycles.pixel_filter_type, scene.cycles.filter_width = "BLACKMAN_HARRIS", 0.01
    scene.render.filepath = str(tmp_path / "seen.png")
    scene.render.image_settings.color_mode = "RGBA"
    bpy.ops.render.render(write_still=True)
    image = bpy.data.images.load(scene.render.filepath)
    alpha = np.array(image.pixels[:]).reshape(camera.height, camera.width, 4)[::-1, :, 3] > 0.5
    body = Mesh(pose(default_body, result.state.body).vertices, default_body.faces)
    expected = np.zeros_like(alpha)
    for mesh in (body, result.object_mesh()):
        face, _ = rasterise(camera.project(mesh.vertices), mesh.vertices[:, 2], mesh.faces, camera.width, camera.height)
        expected |= face >= 0
    assert (alpha & expected).sum() / (alpha | expected).sum() > 0.97


def test_the_photo_is_packed_and_shown(result, small_body):
    made = api.import_reconstruction(result, body=small_body, options=api.ImportOptions(photo_opacity=0.3))
    lens = made.camera.data
    background = lens.background_images[0]
    assert lens.show_background_images and background.alpha == pytest.approx(0.3)
    assert bytes(background.image.packed_file.data) == result.photo.tobytes()
    assert tuple(background.image.size) == (result.camera.width, result.camera.height)
    pixels = np.array(background.image.pixels[:]).reshape(result.camera.height, result.camera.width, -1)[::-1, :, :3]
    assert_allclose(pixels, decode_photo(result.photo) / 255, atol=0.02)


@pytest.mark.parametrize(("width", "height", "method"), [(1920, 1080, "CROP"), (300, 900, "FIT")])
def test_the_photo_spans_the_frame_by_its_width(small_body, result, width, height, method):
    """The lens holds the horizontal view, so in a scene of another aspect the photo must fill the width to line up.

    Looked at in a Blender 4.3 window: 4:3, tall and panoramic photos in a 16:9 frame, stretched pixels in their own.
    """
    render = bpy.context.scene.render
    render.resolution_x, render.resolution_y = width, height
    made = api.import_reconstruction(result, body=small_body)
    assert made.camera.data.background_images[0].frame_method == method
    framed = api.import_reconstruction(result, body=small_body, options=api.ImportOptions(set_scene=True))
    assert framed.camera.data.background_images[0].frame_method == "STRETCH"


def test_the_camera_stands_at_the_origin_and_looks_along_y(result, small_body):
    made = api.import_reconstruction(result, body=small_body)
    bpy.context.view_layer.update()
    matrix = made.camera.matrix_world
    assert_allclose(matrix.translation, 0)
    assert_allclose(matrix.to_3x3() @ Vector((0, 0, -1)), (0, 1, 0), atol=1e-6)
    assert_allclose(matrix.to_3x3() @ Vector((0, 1, 0)), (0, 0, 1), atol=1e-6)
