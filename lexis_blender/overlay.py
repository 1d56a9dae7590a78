"""The photo drawn over a 3D View, with a box on it, while the artist drags one."""

from __future__ import annotations

import bpy
import gpu
import numpy as np
from gpu_extras.batch import batch_for_shader

from .scene.attributes import linear

Array = np.ndarray
LARGEST = 2048  # pixels a side on the screen; a photo has more than any window shows
MARGIN = 8      # screen pixels about the photo
SHADE, LINE = (0.0, 0.0, 0.0, 0.75), (1.0, 0.6, 0.0, 1.0)


class Overlay:
    """A photo fitted into a region, over everything else. `box`: left, top, right, bottom in pixels of the photo."""

    def __init__(self, area: bpy.types.Area, region: bpy.types.Region, photo: Array):
        """photo : (H, W, 3) uint8, upright"""
        self.box: tuple[float, float, float, float] | None = None
        self._area, self._region = area, region
        self._height, self._width = photo.shape[:2]
        step = -(-max(photo.shape[:2]) // LARGEST)
        self._texture = _texture(photo[::step, ::step])
        self._handle = bpy.types.SpaceView3D.draw_handler_add(self._draw, (), "WINDOW", "POST_PIXEL")
        self.redraw()

    def pixel(self, event: bpy.types.Event) -> tuple[float, float]:
        """Where the mouse is, in pixels of the photo, y down, within it."""
        left, bottom, scale = self._frame()
        x = (event.mouse_x - self._region.x - left) / scale
        y = self._height - (event.mouse_y - self._region.y - bottom) / scale
        return min(max(x, 0.0), float(self._width)), min(max(y, 0.0), float(self._height))

    def redraw(self) -> None:
        self._area.tag_redraw()

    def remove(self) -> None:
        """Take it off the view; harmless the second time."""
        if self._handle is not None:
            bpy.types.SpaceView3D.draw_handler_remove(self._handle, "WINDOW")
            self._handle = None
            self.redraw()

    def _frame(self) -> tuple[float, float, float]:
        """Left and bottom of the photo in the region, and screen pixels a photo pixel."""
        left, bottom, right, top = self._free()
        scale = max(min((right - left - 2 * MARGIN) / self._width, (top - bottom - 2 * MARGIN) / self._height), 1e-3)
        return ((left + right - scale * self._width) / 2, (bottom + top - scale * self._height) / 2, scale)

    def _free(self) -> tuple[float, float, float, float]:
        """Left, bottom, right, top of the part of the region that no sidebar, toolbar or header lies over."""
        left, bottom, right, top = 0, 0, self._region.width, self._region.height
        for other in self._area.regions:
            x, y = other.x - self._region.x, other.y - self._region.y
            if min(other.width, other.height) <= 1:
                continue
            if other.type == "TOOLS":
                left = max(left, x + other.width)
            elif other.type == "UI":
                right = min(right, x) if x > 0 else right
            elif other.type in ("HEADER", "TOOL_HEADER", "ASSET_SHELF", "ASSET_SHELF_HEADER"):
                if 2 * y > self._region.height:
                    top = min(top, y)
                else:
                    bottom = max(bottom, y + other.height)
        return left, bottom, max(right, left + 1), max(top, bottom + 1)

    def _draw(self) -> None:
        if bpy.context.region != self._region:
            return
        left, bottom, scale = self._frame()
        right, top = left + scale * self._width, bottom + scale * self._height
        gpu.state.blend_set("ALPHA")
        _fill((0, 0, self._region.width, self._region.height), SHADE)
        shader = gpu.shader.from_builtin("IMAGE")
        batch = batch_for_shader(shader, "TRI_FAN", {
            "pos": ((left, bottom), (right, bottom), (right, top), (left, top)),
            "texCoord": ((0, 0), (1, 0), (1, 1), (0, 1))})
        shader.bind()
        shader.uniform_sampler("image", self._texture)
        batch.draw(shader)
        if self.box is not None:
            x0, y0, x1, y1 = self.box
            _outline((left + scale * x0, top - scale * y1, left + scale * x1, top - scale * y0))
        gpu.state.blend_set("NONE")


def _texture(photo: Array) -> gpu.types.GPUTexture:
    """(H, W, 3) uint8 sRGB, rows from the top -> a texture of linear light, as views take it, rows from the bottom."""
    height, width = photo.shape[:2]
    rgba = np.ones((height, width, 4), np.float32)
    rgba[..., :3] = linear(np.arange(256) / 255).astype(np.float32)[photo[::-1]]
    data = gpu.types.Buffer("FLOAT", rgba.size, rgba.ravel())
    return gpu.types.GPUTexture((width, height), format="RGBA32F", data=data)


def _corners(box: tuple[float, float, float, float]) -> tuple[tuple[float, float], ...]:
    x0, y0, x1, y1 = box
    return (x0, y0), (x1, y0), (x1, y1), (x0, y1)


def _fill(box: tuple[float, float, float, float], colour: tuple[float, ...]) -> None:
    shader = gpu.shader.from_builtin("UNIFORM_COLOR")
    batch = batch_for_shader(shader, "TRI_FAN", {"pos": _corners(box)})
    shader.bind()
    shader.uniform_float("color", colour)
    batch.draw(shader)


def _outline(box: tuple[float, float, float, float]) -> None:
    shader = gpu.shader.from_builtin("POLYLINE_UNIFORM_COLOR")
    corners = _corners(box)
    batch = batch_for_shader(shader, "LINE_STRIP", {"pos": [(x, y, 0.0) for x, y in (*corners, corners[0])]})
    shader.bind()
    shader.uniform_float("viewportSize", gpu.state.viewport_get()[2:])
    shader.uniform_float("lineWidth", 2.0)
    shader.uniform_float("color", LINE)
    batch.draw(shader)
