"""Things people carry: in the hands, on the back, on the head."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lexis_core.mesh import Mesh
from lexis_core.objects.library.category import Part, category
from lexis_core.objects.library.primitives import (
    arc,
    box,
    circle,
    curve,
    lathe,
    loft,
    mirrored,
    moved,
    rectangle,
    rod,
    torus,
    tube,
    turned,
)


@category("hands", width=(0.45, 0.20, 0.80), height=(0.32, 0.15, 0.60), depth=(0.35, 0.15, 0.60),
          lid=("closed", "open"))
def box_(width, height, depth, lid) -> Iterator[Part]:
    if lid == "closed":
        yield "body", box((width, height, depth), (0, height / 2, 0), 0.004, 0.06)
        yield "tape", box((width + 0.001, 0.002, 0.05), (0, height, 0), 0, 0.06)
        for x in (-1, 1):
            yield "tape", box((0.002, 0.07, 0.05), (x * width / 2, height - 0.034, 0), 0, 0.06)
        return
    wall = 0.006
    yield "body", box((width, wall, depth), (0, wall / 2, 0), 0, 0.06)
    for side in (-1, 1):
        yield "body", box((width, height, wall), (0, height / 2, side * (depth - wall) / 2), 0, 0.06)
        yield "body", box((wall, height, depth), (side * (width - wall) / 2, height / 2, 0), 0, 0.06)
        flap = box((width, wall, depth / 2), (0, height - wall / 2, side * 0.75 * depth), 0, 0.06)
        yield "flap", turned(flap, "x", side * 25, (0, height, side * depth / 2))
        flap = box((depth / 2, wall, depth), (side * (width / 2 + depth / 4), height - wall / 2, 0), 0, 0.06)
        yield "flap", turned(flap, "z", -side * 35, (side * width / 2, height, 0))


@category("hand", height=(0.64, 0.45, 0.78), width=(0.44, 0.34, 0.54), depth=(0.26, 0.18, 0.34),
          handle_out=(0.38, 0.0, 0.45))
def suitcase(height, width, depth, handle_out) -> Iterator[Part]:
    low, tall = 0.05, height - 0.05
    yield "body", box((width, tall, depth), (0, low + tall / 2, 0), 0.05, 0.07)
    for x in np.linspace(-0.36, 0.36, 5) * width:
        for side in (-1, 1):
            yield "rib", box((0.035, tall - 0.12, 0.012), (x, low + tall / 2, side * depth / 2), 0.004, 0.12)
    yield "seam", box((width + 0.006, tall + 0.006, 0.012), (0, low + tall / 2, 0), 0.002, 0.12)
    for x in (-1, 1):
        for z in (-1, 1):
            at = (x * (width / 2 - 0.05), 0.025, z * (depth / 2 - 0.05))
            yield "wheel", moved(turned(lathe(np.array([(0, -0.009), (0.025, -0.009), (0.025, 0.009), (0, 0.009)]), 16),
                                        "z", 90), at)
            yield "wheel", box((0.03, 0.035, 0.03), (at[0], 0.043, at[2]), 0.004)
    top, rear = height, -depth / 2 + 0.045
    for x in (-0.09, 0.09):
        yield "handle", rod((x, top - 0.06, rear), (x, top + handle_out + 0.01, rear), 0.008)
    grip = np.array([(-0.105, 0), (-0.09, 0.02), (0, 0.024), (0.09, 0.02), (0.105, 0)])
    path = np.column_stack([curve(grip, 14), np.full(14, rear)]) + [0, top + handle_out, 0]
    yield "handle", tube(path, 0.014, round_ends=True)
    carry = np.array([(0, -0.01, -0.09), (0, 0.03, -0.075), (0, 0.034, 0), (0, 0.03, 0.075),
                      (0, -0.01, 0.09)]) * [1, 1, 0.8]
    yield "grip", tube(curve(carry, 14) + [0, top, 0.03], 0.009, up=(1, 0, 0))
    side = np.array([(-0.01, -0.09, 0), (0.03, -0.075, 0), (0.034, 0, 0), (0.03, 0.075, 0), (-0.01, 0.09, 0)])
    yield "grip", tube(curve(side, 14) + [width / 2, low + 0.55 * tall, 0], 0.009, up=(0, 0, 1))


@category("back", height=(0.46, 0.36, 0.60), width=(0.31, 0.25, 0.38), depth=(0.17, 0.12, 0.26))
def backpack(height, width, depth) -> Iterator[Part]:
    """Worn as it is, unturned: the straps face +z, towards the wearer's back."""
    up = np.linspace(0, 1, 13)
    fat = np.interp(up, [0, 0.08, 0.3, 0.75, 0.92, 1], [0.80, 0.98, 1.0, 0.92, 0.72, 0.40])
    deep = np.interp(up, [0, 0.08, 0.3, 0.75, 0.92, 1], [0.75, 0.98, 1.0, 0.80, 0.55, 0.25])
    outline = rectangle(1, 1, 0.32, 6)
    front = depth / 2
    rings = [np.column_stack([width * f * outline[:, 0], np.full(len(outline), height * u),
                              front - depth * d * (0.5 + outline[:, 1])])
             for u, f, d in zip(up, fat, deep, strict=True)]
    yield "body", loft(np.array(rings))
    pocket = box((0.74 * width, 0.42 * height, 0.07), (0, 0.27 * height, front - depth - 0.012), 0.033, 0.05)
    yield "pocket", pocket
    yield "pocket", turned(box((0.6 * width, 0.2 * height, 0.05), (0, 0.66 * height, front - 0.88 * depth), 0.024,
                               0.05),
                           "x", 12, (0, 0.66 * height, front - 0.88 * depth))
    x = 0.24 * width
    strap = np.array([(0.9 * x, 0.93, -0.045), (0.95 * x, 1.0, 0.0), (1.05 * x, 0.95, 0.07), (1.2 * x, 0.70, 0.10),
                      (1.4 * x, 0.42, 0.075), (1.7 * x, 0.18, 0.02), (1.75 * x, 0.10, -0.015)]) * [1, height, 1]
    path = curve(strap, 26) + [0, 0, front]
    wide = np.interp(np.linspace(0, 1, 26), [0, 0.1, 0.6, 0.68, 1], [0.045, 0.06, 0.06, 0.025, 0.025])
    left = tube(path, np.stack([np.full(26, 0.011), wide], -1), profile=rectangle(1, 1, 0.3, 3), up=(1, 0, 0))
    yield "strap", left
    yield "strap", mirrored(left)
    loop = np.array([(-0.035, 0.95 * height, front - 0.03), (-0.03, height + 0.035, front - 0.02),
                     (0.03, height + 0.035, front - 0.02), (0.035, 0.95 * height, front - 0.03)])
    yield "handle", tube(curve(loop, 14), 0.007)


@category("hand", width=(0.38, 0.25, 0.50), height=(0.30, 0.20, 0.42), depth=(0.14, 0.08, 0.20),
          handle_height=(0.20, 0.10, 0.30))
def bag(width, height, depth, handle_height) -> Iterator[Part]:
    up = np.linspace(0, 1, 11)
    wide = width * np.interp(up, [0, 0.06, 1], [0.84, 0.88, 1.0])
    deep = depth * np.interp(up, [0, 0.06, 0.3, 0.9, 1], [0.88, 1.0, 1.0, 0.36, 0.30])
    outline = rectangle(1, 1, 0.2, 5)
    rings = [np.column_stack([w * outline[:, 0], np.full(len(outline), height * u), -d * outline[:, 1]])
             for u, w, d in zip(up, wide, deep, strict=True)]
    yield "body", loft(np.array(rings))
    x = 0.22 * width
    for side in (-1, 1):
        z = side * deep[-2] / 2
        points = np.array([(-x, height - 0.09, z + side * 0.014), (-x, height, z),
                           (-0.8 * x, height + 0.7 * handle_height, z),
                           (0, height + handle_height, z), (0.8 * x, height + 0.7 * handle_height, z), (x, height, z),
                           (x, height - 0.09, z + side * 0.014)])
        yield "handle", tube(curve(points, 30), 0.008)


@category("head", diameter=(0.60, 0.35, 0.75), height=(0.20, 0.12, 0.32), base_ratio=(0.62, 0.45, 0.85),
          wall=(0.012, 0.008, 0.018))
def basket(diameter, height, base_ratio, wall) -> Iterator[Part]:
    """A woven bowl: the wall's rows bulge in and out in turn around its stakes."""
    r, rows, stakes = diameter / 2, 10, 18
    up = np.linspace(0, 1, 2 * rows + 1)
    wide = r * (base_ratio + (1 - base_ratio) * np.sin(0.5 * np.pi * up) ** 0.9)
    outer = np.column_stack([wide, wall + (height - wall) * up])
    inner = (outer - [wall, 0])[::-1]
    foot = wide[0]
    profile = [(0, 0), (0.5 * foot, 0), (foot - 0.3 * wall, 0), *outer, *inner, (0.5 * foot, wall), (0, wall)]
    skin = lathe(np.array(profile), 3 * stakes)
    x, y, z = skin.vertices.T
    angle = np.arctan2(x, z)
    row = np.round((y - wall) / (height - wall) * 2 * rows)
    weave = 0.30 * wall * np.cos(stakes * angle) * np.cos(0.5 * np.pi * row) * (y > 1.01 * wall)
    factor = 1 + weave / np.maximum(np.hypot(x, z), foot / 2)
    yield "body", Mesh((skin.vertices * np.column_stack([factor, np.ones_like(factor), factor])).astype(np.float32),
                       skin.faces)
    yield "rim", torus(r - wall / 2, 0.95 * wall, (0, height, 0), 54, 8)
    for side in (-1, 1):
        loop = np.column_stack([arc(0.055, 0, 180, 12), np.zeros(12)])[:, [2, 1, 0]] * [1, 0.8, 1]
        yield "handle", tube(loop + [side * (r - wall / 2), height, 0], 0.007, 6, up=(1, 0, 0))


@category("hand", diameter=(1.00, 0.80, 1.30), length=(0.88, 0.75, 1.00), state=("open", "closed"), ribs=(8, 6, 10))
def umbrella(diameter, length, state, ribs) -> Iterator[Part]:
    shaft_top, r = length, diameter / 2
    hook = np.array([(0, 0.12), (0, 0.06), (0.005, 0.03), (0.035, 0.005), (0.07, 0.012), (0.09, 0.05)])
    path = curve(hook, 24)
    yield "handle", tube(np.column_stack([path, np.zeros(24)]), 0.012, 10, up=(0, 0, 1), round_ends=True)
    yield "shaft", rod((0, 0.1, 0), (0, shaft_top, 0), 0.005, step=0.06)
    yield "tip", rod((0, shaft_top - 0.01, 0), (0, shaft_top + 0.055, 0), 0.006, 0.003)
    if state == "closed":
        up = np.linspace(0, 1, 17)
        wide = np.interp(up, [0, 0.04, 0.25, 1], [0.018, 0.038, 0.042, 0.008])
        turn = circle(6 * ribs)
        fold = 1 + 0.16 * np.cos(ribs * np.arctan2(turn[:, 1], turn[:, 0]))
        rings = [np.column_stack([w * fold * turn[:, 1], np.full(len(turn), 0.17 + u * (length - 0.16)),
                                  w * fold * turn[:, 0]])
                 for u, w in zip(up, wide, strict=True)]
        yield "canopy", loft(np.array(rings))
        return
    t, thick, rise = np.linspace(0, 1, 12), 0.004, 0.30 * diameter
    dome = np.column_stack([r * np.sin(1.25 * t) / np.sin(1.25), -rise * (1 - np.cos(1.25 * t)) / (1 - np.cos(1.25))])
    skin = lathe(np.concatenate([dome - [0, thick], dome[::-1]]), 6 * ribs, (0, shaft_top, 0))
    x, y, z = skin.vertices.T
    out, between = np.hypot(x, z) / r, np.abs(np.sin(0.5 * ribs * np.arctan2(x, z)))
    pull = 1 - 0.07 * between * out**2
    yield "canopy", Mesh(np.column_stack([x * pull, y + 0.03 * between * out**2, z * pull]).astype(np.float32),
                         skin.faces)
    for angle in np.arange(ribs) * 2 * np.pi / ribs:
        way = np.array([np.sin(angle), 0, np.cos(angle)])
        spine = way * dome[:, :1] + np.column_stack([0 * t, dome[:, 1] + shaft_top - thick, 0 * t])
        yield "rib", tube(spine, 0.003, 5)
        yield "rib", rod((0, shaft_top - 1.2 * rise, 0), spine[6], 0.0025, sides=5, step=0.2)
    yield "runner", rod((0, shaft_top - 1.2 * rise - 0.03, 0), (0, shaft_top - 1.2 * rise + 0.015, 0), 0.011)
