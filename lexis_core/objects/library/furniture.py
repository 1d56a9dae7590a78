"""Furniture: what people sit at, sit on and lie on. The floor is y = 0, a seat's front is +z."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lexis_core.mesh import Mesh
from lexis_core.objects.library.category import Part, category
from lexis_core.objects.library.primitives import (
    box,
    curve,
    extrude,
    lathe,
    moved,
    post,
    rectangle,
    rod,
    slab,
    torus,
    tube,
    turned,
)


@category("seat", seat_height=(0.45, 0.40, 0.50), width=(0.44, 0.38, 0.52), depth=(0.42, 0.38, 0.48),
          back_height=(0.42, 0.30, 0.55), back_tilt=(12.0, 4.0, 22.0), leg_splay=(9.0, 0.0, 14.0),
          leg_radius=(0.017, 0.012, 0.024), back=("spindles", "panel"), spindles=(7, 4, 10))
def chair(seat_height, width, depth, back_height, back_tilt, leg_splay, leg_radius, back, spindles) -> Iterator[Part]:
    w, d, thick = width / 2, depth / 2, 0.034
    corners = [(0.82 * w, -d), (0, -1.05 * d), (-0.82 * w, -d), (-0.97 * w, 0), (-w, 0.75 * d), (-0.72 * w, 0.98 * d),
               (0, 1.03 * d), (0.72 * w, 0.98 * d), (w, 0.75 * d), (0.97 * w, 0)]
    outline = curve(np.array(corners)[::-1], 40, ring_shaped=True)
    yield "seat", slab(outline, thick, (0, seat_height - thick / 2, 0), bevel=0.01)
    under, spread = seat_height - 0.02, np.tan(np.radians(leg_splay)) * seat_height
    tops = {(x, z): np.array([x * 0.70 * w, under, z * 0.72 * d]) for x in (-1, 1) for z in (-1, 1)}
    feet = {(x, z): np.array([x * (0.70 * w + spread), 0, z * (0.72 * d + spread)]) for x, z in tops}
    for key, top in tops.items():
        yield "leg", post(feet[key], top, leg_radius, 0.8 * leg_radius)
    middle = {}
    for x in (-1, 1):
        ends = [tops[x, z] + 0.6 * (feet[x, z] - tops[x, z]) for z in (-1, 1)]
        middle[x] = (ends[0] + ends[1]) / 2
        yield "stretcher", rod(*ends, 0.6 * leg_radius)
    yield "stretcher", rod(middle[-1], middle[1], 0.6 * leg_radius)
    lean = np.tan(np.radians(back_tilt))

    def on_back(across, up):
        """A point of the back: -1 to 1 across, metres above the seat. The back widens and curves around the sitter."""
        reach = (0.72 + 0.28 * up / back_height) * w
        return np.stack([across * reach, seat_height + up, -0.86 * d - lean * up + 0.10 * w * across**2], -1)

    t = np.linspace(-1, 1, 15)
    if back == "spindles":
        for x in np.linspace(-0.86, 0.86, spindles):
            yield "back", tube(on_back(np.full(6, x), np.linspace(-0.02, back_height - 0.02, 6)),
                               0.45 * leg_radius, 6)
    else:
        for x in (-0.94, 0.94):
            yield "back", tube(on_back(np.full(6, x), np.linspace(-0.02, back_height - 0.01, 6)), 0.8 * leg_radius)
        yield "back", tube(on_back(0.95 * t, np.full(15, 0.62 * back_height)), 1.0, up=(0, 1, 0),
                           profile=rectangle(0.014, 0.45 * back_height, 0.006))
    yield "back", tube(on_back(1.06 * t, np.full(15, back_height - 0.02)), 1.0, up=(0, 1, -lean),
                       profile=rectangle(0.022, 0.065, 0.010))


@category("seat", width=(0.84, 0.70, 1.00), depth=(0.84, 0.72, 0.98), height=(0.82, 0.70, 1.05),
          seat_height=(0.43, 0.38, 0.48), arm_height=(0.61, 0.55, 0.68), arm_width=(0.15, 0.08, 0.22))
def armchair(width, depth, height, seat_height, arm_height, arm_width) -> Iterator[Part]:
    yield from _upholstered(width, depth, height, seat_height, arm_height, arm_width, 1)


@category("seat", width=(2.00, 1.45, 2.60), depth=(0.90, 0.78, 1.05), height=(0.82, 0.70, 0.98),
          seat_height=(0.43, 0.38, 0.48), arm_height=(0.61, 0.55, 0.66), arm_width=(0.17, 0.08, 0.24),
          cushions=(3, 2, 4))
def sofa(width, depth, height, seat_height, arm_height, arm_width, cushions) -> Iterator[Part]:
    yield from _upholstered(width, depth, height, seat_height, arm_height, arm_width, cushions)


def _upholstered(width, depth, height, seat_height, arm_height, arm_width, cushions) -> Iterator[Part]:
    foot, cushion, back = 0.07, 0.15, 0.17
    inner = width - 2 * arm_width
    front, rear = depth / 2, -depth / 2
    base = seat_height - cushion - foot + 0.02
    yield "base", box((inner + 0.04, base, depth - 0.06), (0, foot + base / 2, 0), 0.02, 0.15)
    for x in (-1, 1):
        yield "arm", box((arm_width, arm_height - foot, depth),
                         (x * (width - arm_width) / 2, (foot + arm_height) / 2, 0),
                         min(0.06, 0.45 * arm_width), 0.12)
    tall = height - foot
    lean = turned(box((inner + 0.02, tall, back), (0, foot + tall / 2, rear + back / 2 + 0.02), 0.05, 0.12), "x", -5,
                  (0, foot, rear))
    yield "back", lean
    each = inner / cushions
    for x in (np.arange(cushions) + 0.5) * each - inner / 2:
        deep = depth - back - 0.02
        yield "seat", box((each - 0.006, cushion, deep), (x, seat_height - cushion / 2, front - deep / 2 + 0.015), 0.05,
                          0.12)
        soft = box((each - 0.01, 0.9 * (height - seat_height), 0.14), (x, seat_height + 0.45 * (height - seat_height),
                   rear + back + 0.06), 0.06, 0.12)
        yield "back", turned(soft, "x", -10, (x, seat_height, rear + back))
    for x in (-1, 1):
        for z in (-1, 1):
            at = np.array([x * (width / 2 - 0.07), 0, z * (depth / 2 - 0.07)])
            yield "leg", rod(at, at + [0, foot + 0.02, 0], 0.018, 0.026, 10)


@category("seat", height=(0.46, 0.40, 0.78), diameter=(0.34, 0.28, 0.42), leg_splay=(9.0, 3.0, 14.0),
          leg_radius=(0.016, 0.012, 0.022), seat=("round", "square"))
def stool(height, diameter, leg_splay, leg_radius, seat) -> Iterator[Part]:
    r = diameter / 2
    if seat == "round":
        rim = [(0, height - 0.04), (0.4 * r, height - 0.04), (0.92 * r, height - 0.04), (r, height - 0.03),
               (r, height - 0.01), (0.95 * r, height), (0.7 * r,
                                                        height), (0.35 * r, height - 0.004), (0, height - 0.006)]
        yield "seat", lathe(np.array(rim), 32)
    else:
        yield "seat", box((diameter, 0.04, diameter), (0, height - 0.02, 0), 0.012, 0.06)
    spread = np.tan(np.radians(leg_splay)) * height
    angles = np.radians([45, 135, 225, 315])
    out = np.stack([np.cos(angles), 0 * angles, np.sin(angles)], -1)
    for way in out:
        yield "leg", post(way * (0.66 * r + spread), way * 0.66 * r + [0, height - 0.02, 0], leg_radius,
                          0.85 * leg_radius)
    ring = 0.66 * r + spread * 0.68
    yield "stretcher", torus(ring, 0.55 * leg_radius, (0, 0.32 * height, 0), 36, 6)


@category("seat", width=(1.50, 1.00, 2.00), seat_height=(0.45, 0.40, 0.48), depth=(0.42, 0.34, 0.50),
          back=(True, False), back_height=(0.40, 0.30, 0.48))
def bench(width, seat_height, depth, back, back_height) -> Iterator[Part]:
    slats, gap, thick = 4, 0.015, 0.028
    each = (depth - (slats - 1) * gap) / slats
    for z in (np.arange(slats) + 0.5) * (each + gap) - (depth + gap) / 2:
        yield "seat", box((width, thick, each), (0, seat_height - thick / 2, z), 0.006, 0.12)
    rear = -depth / 2 - 0.02
    for x in (-1, 1):
        side = x * (width / 2 - 0.16)
        yield "leg", box((0.05, 0.05, depth + 0.02), (side, seat_height - thick - 0.024, 0), 0.006, 0.12)
        for z in (-1, 1):
            yield "leg", box((0.05, seat_height - 0.03, 0.05), (side, (seat_height - 0.03) / 2, z * (depth / 2 - 0.03)),
                             0.006, 0.12)
        yield "leg", box((0.04, 0.04, depth - 0.04), (side, 0.12, 0), 0.006, 0.12)
        if back:
            post = box((0.05, back_height + 0.14, 0.035), (side, seat_height + back_height / 2 - 0.07, rear), 0.006,
                       0.12)
            yield "back", turned(post, "x", -12, (0, seat_height, rear))
    if back:
        for up in np.linspace(0.16, back_height - 0.04, 3):
            slat = box((width, 0.075, 0.022), (0, seat_height + up, rear + 0.026), 0.006, 0.12)
            yield "back", turned(slat, "x", -12, (0, seat_height, rear))


@category("floor", width=(1.40, 0.80, 2.00), depth=(0.80, 0.60, 1.00), height=(0.74, 0.70, 0.78),
          leg_width=(0.06, 0.04, 0.09), top=("rectangular", "round"))
def table(width, depth, height, leg_width, top) -> Iterator[Part]:
    thick = 0.032
    if top == "round":
        r = depth / 2 + 0.1
        radii = np.array([0, 0.33, 0.66, 1]) * (r - 0.008)
        profile = [*((x, height - thick) for x in radii), (r, height - thick + 0.008), (r, height - 0.008),
                   *((x, height) for x in radii[::-1])]
        yield "top", lathe(np.array(profile), 48)
        yield "leg", lathe(np.array([(0, 0.03), (0.06, 0.03), (0.045, 0.1), (0.04, height - 0.12),
                                     (0.1, height - thick),
                                     (0, height - thick + 0.01)]), 20)
        yield "leg", lathe(np.array([(0, 0), (0.55 * r, 0), (0.55 * r, 0.012), (0.06, 0.04), (0, 0.04)]), 32)
        return
    yield "top", box((width, thick, depth), (0, height - thick / 2, 0), 0.008, 0.1)
    x, z, below = width / 2 - 0.04 - leg_width / 2, depth / 2 - 0.04 - leg_width / 2, height - thick
    for sx in (-1, 1):
        for sz in (-1, 1):
            yield "leg", box((leg_width, below + 0.01, leg_width), (sx * x, (below + 0.01) / 2, sz * z), 0.005, 0.12)
        yield "apron", box((0.02, 0.08, 2 * z), (sx * x, below - 0.038, 0), 0, 0.12)
        yield "apron", box((2 * x, 0.08, 0.02), (0, below - 0.038, sx * z), 0, 0.12)


@category("floor", width=(1.30, 1.00, 1.80), depth=(0.65, 0.55, 0.85), height=(0.74, 0.68, 0.78), drawers=(3, 2, 4))
def desk(width, depth, height, drawers) -> Iterator[Part]:
    thick, chest = 0.03, 0.40
    below = height - thick
    yield "top", box((width, thick, depth), (0, height - thick / 2, 0), 0.006, 0.1)
    yield "leg", box((0.035, below + 0.01, depth - 0.04), (-width / 2 + 0.05, below / 2, 0), 0.004, 0.12)
    yield "back", box((width - 0.10, 0.30, 0.02), (0, below - 0.14, -depth / 2 + 0.05), 0.003, 0.12)
    x = width / 2 - 0.03 - chest / 2
    yield "drawer", box((chest, below - 0.03, depth - 0.06), (x, (below + 0.05) / 2, -0.01), 0.004, 0.12)
    each = (below - 0.08) / drawers
    for y in 0.06 + (np.arange(drawers) + 0.5) * each:
        front = depth / 2 - 0.03
        yield "drawer", box((chest - 0.03, each - 0.015, 0.022), (x, y, front), 0.004, 0.12)
        yield "handle", _handle(0.12, 0.028, (x, y + 0.2 * each, front + 0.008))
    for sx in (-1, 1):
        for sz in (-1, 1):
            at = np.array([x + sx * (chest / 2 - 0.03), 0, sz * (depth / 2 - 0.07) - 0.01])
            yield "leg", rod(at, at + [0, 0.06, 0], 0.016, 0.02)


def _handle(width, reach, at) -> Mesh:
    path = np.array([(-width / 2, 0, 0), (-width / 2, 0, 0.8 * reach), (-0.4 * width, 0, reach),
                     (0.4 * width, 0, reach),
                     (width / 2, 0, 0.8 * reach), (width / 2, 0, 0)])
    return moved(tube(path, 0.005, 6, up=(0, 1, 0)), at)


@category("seat", width=(1.40, 0.90, 1.90), length=(2.00, 1.90, 2.10), height=(0.52, 0.40, 0.65),
          headboard_height=(1.00, 0.80, 1.30), mattress=(0.22, 0.15, 0.28), pillows=(2, 1, 3))
def bed(width, length, height, headboard_height, mattress, pillows) -> Iterator[Part]:
    rail = height - mattress
    yield "mattress", box((width, mattress, length), (0, rail + mattress / 2 - 0.02, 0), 0.05, 0.12)
    yield "frame", box((width + 0.06, 0.14, length + 0.06), (0, rail - 0.05, 0), 0.012, 0.15)
    for sx in (-1, 1):
        for sz in (-1, 1):
            low = max(rail - 0.1, 0.05)
            yield "leg", box((0.06, low, 0.06), (sx * (width / 2 - 0.03), low / 2, sz * (length / 2 - 0.03)), 0.006,
                             0.15)
    outline = rectangle(width + 0.10, headboard_height - 0.12, 0.06, 6)
    yield "headboard", extrude(outline, 0.05, (0, 0.12 + (headboard_height - 0.12) / 2, -length / 2 - 0.05), 0.012)
    each = width / pillows
    for x in (np.arange(pillows) + 0.5) * each - width / 2:
        pillow = _pillow(0.88 * each, 0.13, 0.42)
        yield "pillow", moved(turned(pillow, "x", 8), (x, height + 0.045, -length / 2 + 0.27))


def _pillow(width, height, depth) -> Mesh:
    """A box whose sides thin out towards its seams."""
    block = box((1, 1, 1), radius=0.2, step=0.12)
    x, y, z = 2 * block.vertices.T
    thin = 0.35 + 0.65 * np.sqrt(np.clip(1 - x**4, 0, 1) * np.clip(1 - z**4, 0, 1))
    return Mesh((np.stack([x * width, y * thin * height, z * depth], -1) / 2).astype(np.float32), block.faces)
