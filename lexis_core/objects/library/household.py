"""Things about the house: plants, bins, brooms, ladders and shopping carts."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lexis_core.objects.library.category import Part, category
from lexis_core.objects.library.primitives import box, curve, lathe, loft, moved, rectangle, rod, torus, tube, turned


@category("hands", height=(0.75, 0.40, 1.40), pot=(0.26, 0.16, 0.40), leaves=(18, 10, 26), spread=(0.55, 0.35, 0.90))
def plant(height, pot, leaves, spread) -> Iterator[Part]:
    tall, r = 0.95 * pot, pot / 2
    profile = [(0, 0), (0.35 * r, 0), (0.72 * r, 0), (0.74 * r, 0.02), (0.94 * r, 0.80 * tall), (r, 0.82 * tall),
               (r, tall),
               (0.90 * r, tall), (0.87 * r, 0.88 * tall), (0.4 * r, 0.90 * tall), (0, 0.91 * tall)]
    yield "pot", lathe(np.array(profile), 32)
    stem_top = tall + 0.55 * (height - tall)
    yield "stem", tube(curve(np.array([(0, 0.85 * tall, 0), (0.01, 0.5 * (tall + stem_top), 0.01), (0, stem_top, 0)]),
                             10),
                       np.linspace(0.014, 0.008, 10))
    for i in range(leaves):
        share = (i + 0.5) / leaves
        angle = i * 2.39996  # the golden angle: no two leaves above each other
        way = np.array([np.sin(angle), 0, np.cos(angle)])
        reach = 0.5 * spread * (1 - 0.45 * share)
        base = np.array([0, 0.93 * tall + share * (stem_top - 0.93 * tall), 0])
        rise = (height - base[1]) * (0.40 + 0.60 * share)
        outward = np.linspace(0, 1, 6)
        path = base + way * (reach * outward**(1.0 + 0.5 * share))[:, None] + np.outer(
            rise * (1.55 * outward - 0.95 * outward**3) / 0.75, [0, 1, 0])
        yield "stem", tube(path[:3], 0.004, 5)
        blade = curve(path, 17)[4:]
        wide = 0.16 * np.hypot(reach, rise) * np.sin(np.pi * np.linspace(0.03, 0.985, len(blade)) ** 0.75)
        yield "leaf", tube(blade, np.stack([wide, np.full(len(blade), 0.002)], -1), 6,
                           up=np.cross(np.cross(way, [0, 1, 0]), way)
                           + 0.001 * way)


@category("hands", height=(0.40, 0.25, 0.70), diameter=(0.30, 0.20, 0.42), taper=(0.80, 0.65, 1.0))
def trash_bin(height, diameter, taper) -> Iterator[Part]:
    r, wall = diameter / 2, 0.005
    up = np.linspace(0, 1, 9)
    outer = np.column_stack([r * (taper + (1 - taper) * up), height * up])
    inner = np.column_stack([outer[:, 0] - wall, wall + (height - wall) * up])[::-1]
    bottom = outer[0, 0]
    yield "body", lathe(np.array([(0, 0), (0.5 * bottom, 0), *outer, *inner, (0.5 * bottom, wall), (0, wall)]), 40)
    yield "rim", torus(r - wall / 2, 0.007, (0, height, 0), 40, 8)


@category("hands", length=(1.40, 1.10, 1.60), width=(0.32, 0.22, 0.42), bristles=(0.13, 0.07, 0.20))
def broom(length, width, bristles) -> Iterator[Part]:
    yield "stick", rod((0, bristles, 0), (0, length, 0), 0.0125, 0.0115, 12, 0.06, round_ends=True)
    yield "head", box((0.72 * width, 0.045, 0.05), (0, bristles + 0.02, 0), 0.012, 0.05)
    yield "head", rod((0, bristles + 0.03, 0), (0, bristles + 0.11, 0), 0.021, 0.016, 12)
    outline = rectangle(1, 1, 0.25, 4)
    up = np.linspace(0, 1, 7)
    rings = [np.column_stack([(1 - 0.32 * u) * width * outline[:, 0], np.full(len(outline), (bristles + 0.01) * u),
                              -(0.075 - 0.030 * u) * outline[:, 1]]) for u in up]
    yield "bristles", loft(np.array(rings))


@category("hands", height=(2.40, 1.60, 3.20), width=(0.42, 0.34, 0.52), spacing=(0.28, 0.25, 0.31))
def ladder(height, width, spacing) -> Iterator[Part]:
    for x in (-1, 1):
        yield "rail", box((0.028, height, 0.07), (x * width / 2, height / 2, 0), 0.006, 0.12)
        yield "foot", box((0.036, 0.04, 0.08), (x * width / 2, 0.02, 0), 0.006, 0.12)
    for y in np.arange(0.25, height - 0.08, spacing):
        yield "rung", rod((-width / 2, y, 0), (width / 2, y, 0), 0.016, sides=10)


@category("hands", length=(0.95, 0.75, 1.10), width=(0.56, 0.46, 0.64), height=(1.02, 0.90, 1.10))
def shopping_cart(length, width, height) -> Iterator[Part]:
    """Pushed from behind: the handle at -z, the nose at +z."""
    rear, front, top, floor = -0.42 * length, 0.53 * length, height - 0.08, 0.50 * height
    low = np.array([[-0.40 * width, floor, rear + 0.06], [0.40 * width, floor, rear + 0.06],
                    [0.30 * width, floor + 0.07, front - 0.09], [-0.30 * width, floor + 0.07, front - 0.09]])
    high = np.array([[-0.5 * width, top, rear], [0.5 * width, top, rear],
                     [0.40 * width, top - 0.06, front], [-0.40 * width, top - 0.06, front]])
    for k in range(4):
        j = (k + 1) % 4
        for a, b, r in ((high[k], high[j], 0.008), (low[k], low[j], 0.006), (low[k], high[k], 0.006)):
            yield "basket", rod(a, b, r, step=0.2, round_ends=True)
        for s in np.linspace(0, 1, 10 if k % 2 else 7)[1:-1]:
            yield "basket", rod(low[k] + s * (low[j] - low[k]), high[k] + s * (high[j] - high[k]), 0.0028, sides=5,
                                step=0.25)
        for s in (0.25, 0.5, 0.75):
            yield "basket", rod(low[k] + s * (high[k] - low[k]), low[j] + s * (high[j] - low[j]), 0.0028, sides=5,
                                step=0.25)
    for s in np.linspace(0, 1, 10)[1:-1]:
        yield "basket", rod(low[0] + s * (low[3] - low[0]), low[1] + s * (low[2] - low[1]), 0.0028, sides=5, step=0.25)
    for s in np.linspace(0, 1, 6)[1:-1]:
        yield "basket", rod(low[0] + s * (low[1] - low[0]), low[3] + s * (low[2] - low[3]), 0.0028, sides=5, step=0.25)
    wheel = 0.0625
    for x in (-1, 1):
        side = x * 0.44 * width
        bend = np.array([(0.5 * x * width, top + 0.02, rear - 0.04), (0.47 * x * width, floor + 0.05, rear + 0.02),
                         (side, 0.26, rear + 0.03), (side, 0.18, rear + 0.12), (0.92 * side, 0.17, 0.2 * length),
                         (0.75 * side, 0.17, front - 0.08)])
        yield "frame", tube(curve(bend, 30), 0.011)
        rail = low[[1, 2]] * [x, 1, 1]
        yield "frame", rod((0.92 * side, 0.17, 0.15 * length), rail[0] + 0.65 * (rail[1] - rail[0]), 0.010, step=0.2)
        yield "handle", rod((0.5 * x * width, top, rear), (0.5 * x * width, height - 0.01, rear - 0.10), 0.010)
        for z, at in ((rear + 0.10, side), (front - 0.10, 0.76 * side)):
            disc = lathe(np.array([(0, -0.014), (0.7 * wheel, -0.014), (wheel, -0.010), (wheel, 0.010),
                                   (0.7 * wheel, 0.014),
                                   (0, 0.014)]), 20)
            yield "wheel", moved(turned(disc, "z", 90), (at, wheel, z))
            yield "wheel", rod((at, 0.18, z + 0.02), (at, 0.105, z + 0.012), 0.012, sides=10)
            for fork in (-0.02, 0.02):
                yield "wheel", rod((at + fork, 0.125, z + 0.012), (at + fork, wheel - 0.01, z), 0.005, sides=6)
            yield "wheel", box((0.05, 0.012, 0.03), (at, 0.122, z + 0.012), 0.003)
    for z, y in ((0.1 * length, 0.17), (rear + 0.10, 0.20)):
        yield "frame", rod((-0.44 * width, y, z), (0.44 * width, y, z), 0.009)
    yield "handle", rod((-0.52 * width, height, rear - 0.11), (0.52 * width, height, rear - 0.11), 0.015, sides=12,
                        round_ends=True)
