"""Chapters of story.py about the photo: dropped onto the view, a box drawn on it, a mask painted over it."""

from __future__ import annotations

import time
from typing import Any

BOX = (100, 60, 400, 470)  # left, top, right, bottom in the demo photo's pixels


def drop(story: Any) -> None:
    """The photo from a file browser; Blender asks what to do with it, and the key of our entry is pressed."""
    window = story.window
    left, top, width, height = window.value("rectangle(main())")
    objects = window.value("len(bpy.data.objects)")
    for attempt in range(5):  # a busy machine may drop the key
        window.drop(story.demo / "camera.png", left + width // 4, top + height // 3)
        window.settle()
        time.sleep(1)
        if not attempt:
            window.picture(story.out / "viewport-dropped.png")
        window.pointer("key", "s")
        try:
            window.wait("bpy.context.scene.lexis.image_path", 5)
            break
        except TimeoutError:
            window.pointer("key", "Escape")
    story.tell(dropped=window.value("bpy.context.scene.lexis.image_path"),
               added_by_drop=window.value("len(bpy.data.objects)") - objects)


def box(story: Any) -> None:
    """Dragged from beyond one corner of the photo to beyond the other; then inside it; then left with Escape."""
    window = story.window
    story.set(person_source="BOX")
    told = {}
    for name, corners in (("whole", (-5, -5, 517, 517)), ("inside", BOX), ("escaped", None)):
        window.settle()
        window.click(*story.find("lexis.draw_box"))
        window.wait("lexis('operators.photo')._open")
        x, y, scale = window.run("""
overlay = lexis("operators.photo")._open[0]
left, bottom, scale = overlay._frame()
x, y, _, height = rectangle(overlay._region)
lowest = y + height - 1  # the row of pixels that is 0 from the bottom
result = [x + left, lowest - bottom - scale * overlay._height, scale]
""")
        if corners:
            a, b = [(round(x + scale * across), round(y + scale * down)) for across, down in (corners[:2], corners[2:])]
            window.drag([a, ((a[0] + b[0]) // 2, (a[1] + b[1]) // 2), b])
        else:
            window.pointer("key", "Escape")
        window.wait("not lexis('operators.photo')._open")
        told[name] = window.value("list(bpy.context.scene.lexis.person_box)")
        told["scale"] = scale
    story.tell(box=told)
    story.picture("box")


def mask(story: Any) -> None:
    """New Mask, the view made an Image Editor in Paint mode, one stroke; what a job would be asked with."""
    window = story.window
    story.set(person_source="IMAGE")
    window.settle()
    window.click(*story.find("lexis.new_mask"))
    window.wait("bpy.context.scene.lexis.person_mask_image")
    window.run("""
area = view()[1]
area.type = "IMAGE_EDITOR"
area.spaces.active.image = bpy.context.scene.lexis.person_mask_image
area.spaces.active.mode = "PAINT"
""")
    time.sleep(1)
    stroke = window.run("""
tools = bpy.context.scene.tool_settings
if tools.image_paint.brush is None:  # Debian's Blender has none
    brush = bpy.data.brushes.new("Mask", mode="TEXTURE_PAINT")
    brush.asset_mark()
    region = next(each for each in area.regions if each.type == "WINDOW")
    with bpy.context.temp_override(window=window(), area=area, region=region):
        bpy.ops.brush.asset_activate(asset_library_type="LOCAL", relative_asset_identifier="Brush/Mask")
for place in (tools.unified_paint_settings, tools.image_paint.brush):
    place.color, place.size, place.strength = (1, 1, 1), 20, 1
region = next(each for each in area.regions if each.type == "WINDOW")
x, y, _, height = rectangle(region)
result = []
for share in (0.4, 0.5, 0.6):
    at = region.view2d.view_to_region(share, 0.7, clip=False)
    result.append([x + at[0], y + height - at[1]])
""")
    window.drag(stroke)
    window.run("area.tag_redraw()")
    time.sleep(0.5)
    window.picture(story.out / "viewport-mask.png")
    story.tell(mask=window.run("""
import numpy
image = bpy.context.scene.lexis.person_mask_image
values = numpy.empty(image.size[0] * image.size[1] * 4, numpy.float32)
image.pixels.foreach_get(values)
white = values.reshape(image.size[1], image.size[0], 4)[::-1, :, :3].max(-1) > 0.5
asked = lexis("request").reconstruct(bpy.context)()[1]["person_mask"]
down, across = numpy.nonzero(white)
result = {"painted": int(white.sum()), "asked": int((asked > 127).sum()), "same": bool(((asked > 127) == white).all()),
          "middle": [float(across.mean() / image.size[0]), float(down.mean() / image.size[1])] if white.any() else None}
"""))
    window.run("area.type = 'VIEW_3D'")
    window.settle()
    story.set(person_source="FILE")
