"""The pixels of a Blender image as the core takes them: rows from the top, bytes, sRGB."""

from __future__ import annotations

from dataclasses import dataclass

import bpy
import numpy as np

Array = np.ndarray

DARKENED = 0.45  # brightness of white in a mask's photo; a mask begins at one half


@dataclass(frozen=True)
class Pixels:
    """values : (H W C,) float32, rows from the bottom; linear : scene-linear light, as float images hold it."""

    values: Array
    width: int
    height: int
    channels: int
    linear: bool

    def rows(self) -> Array:
        """(H, W, C), rows from the top."""
        return self.values.reshape(self.height, self.width, self.channels)[::-1]


def take(image: bpy.types.Image) -> Pixels:
    """Copy an image's pixels, on the main thread; everything else may happen on another one."""
    width, height = image.size
    values = np.empty(width * height * image.channels, np.float32)
    image.pixels.foreach_get(values)
    return Pixels(values, width, height, image.channels, image.is_float)


def colours(taken: Pixels) -> Array:
    """(H, W, 3) uint8 sRGB."""
    rgb = taken.rows()[..., :3] if taken.channels >= 3 else np.repeat(taken.rows()[..., :1], 3, axis=2)
    if taken.linear:
        rgb = np.clip(rgb, 0, 1)
        rgb = np.where(rgb <= 0.0031308, 12.92 * rgb, 1.055 * rgb ** (1 / 2.4) - 0.055)
    return _bytes(rgb)


def mask(taken: Pixels) -> Array:
    """(H, W) uint8, brighter is inside: the opacity where some of the image is transparent, else the brightness."""
    rows = taken.rows()
    if taken.channels == 4 and rows[..., 3].min() < 1:
        return _bytes(rows[..., 3])
    return _bytes(rows[..., :3].max(-1))


def unpainted(photo: Array, name: str) -> bpy.types.Image:
    """An image to paint a mask on with white: the photo (H, W, 3) uint8, darkened below what counts as inside."""
    height, width = photo.shape[:2]
    rgba = np.ones((height, width, 4), np.float32)
    rgba[..., :3] = photo[::-1] * np.float32(DARKENED / 255)
    image = bpy.data.images.new(name, width, height)
    image.pixels.foreach_set(rgba.ravel())
    image.update()
    image.pack()  # it stays in the .blend, painted or not
    return image


def _bytes(values: Array) -> Array:
    return np.ascontiguousarray((np.clip(values, 0, 1) * 255 + 0.5).astype(np.uint8))
