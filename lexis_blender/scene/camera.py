"""The photo's camera, at the world's origin looking along +Y, with the photo behind what it sees."""

from __future__ import annotations

import math

import bpy
import numpy as np

from lexis_core.camera import Camera

SENSOR = 36.0  # millimetres, the width; only its ratio to the focal length matters
DEPTHS = 0.01, 1000.0  # metres


def create(name: str, camera: Camera, photo: bytes, opacity: float, frame: float | None) -> bpy.types.Object:
    """A camera object that projects as `camera` does, with the photo as its background image.

    photo   : a JPEG file; it is packed into the .blend
    opacity : of the photo, 0..1
    frame   : width / height of what the scene renders, None when that is the photo (frame_scene). The lens holds the
              horizontal view, so in another frame the photo is laid across the full width and still lines up.
    Non-square pixels need the scene's pixel aspect as well: see `frame_scene`.
    """
    lens = bpy.data.cameras.new(name)
    lens.sensor_fit, lens.sensor_width = "HORIZONTAL", SENSOR
    lens.lens = SENSOR * camera.focal[0] / camera.width
    lens.shift_x = (camera.width / 2 - camera.center[0]) / camera.width
    lens.shift_y = (camera.center[1] - camera.height / 2) / camera.width * _pixel_height(camera)
    lens.clip_start, lens.clip_end = DEPTHS
    lens.show_background_images = True
    background = lens.background_images.new()
    background.image = _packed_image(f"{name} photo", photo)
    background.alpha = opacity
    background.frame_method = "STRETCH" if frame is None else _method(camera.width, camera.height, frame)
    placed = bpy.data.objects.new(name, lens)
    placed.rotation_euler = (math.pi / 2, 0, 0)
    return placed


def frame_scene(scene: bpy.types.Scene, placed: bpy.types.Object, camera: Camera) -> None:
    """Let the scene render through this camera, at the photo's size and pixel aspect."""
    render = scene.render
    scene.camera = placed
    render.resolution_x, render.resolution_y, render.resolution_percentage = camera.width, camera.height, 100
    height = _pixel_height(camera)
    render.pixel_aspect_x, render.pixel_aspect_y = max(1.0, 1 / height), max(1.0, height)


def lay_photo(scene: bpy.types.Scene, placed: bpy.types.Object) -> None:
    """Lay the photo across the width of what the scene renders by now, as create() does."""
    render = scene.render
    for background in placed.data.background_images[:1]:
        width, height = background.image.size if background.image is not None else (0, 0)
        if (width, height) == (render.resolution_x, render.resolution_y):
            background.frame_method = "STRETCH"
        elif height:
            background.frame_method = _method(width, height, frame_ratio(scene))


def _method(width: int, height: int, frame: float) -> str:
    return "FIT" if width / height >= frame else "CROP"


def frame_ratio(scene: bpy.types.Scene) -> float:
    """Width / height of what the scene renders."""
    render = scene.render
    return render.resolution_x * render.pixel_aspect_x / (render.resolution_y * render.pixel_aspect_y)


def _pixel_height(camera: Camera) -> float:
    """Height of a pixel over its width: the focal lengths count the same distance in pixels."""
    ratio = camera.focal[0] / camera.focal[1]
    return 1.0 if np.isclose(ratio, 1, rtol=1e-6) else ratio


def _packed_image(name: str, data: bytes) -> bpy.types.Image:
    image = bpy.data.images.new(name, 1, 1)
    image.pack(data=data, data_len=len(data))
    image.source = "FILE"
    return image
