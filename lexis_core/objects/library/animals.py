"""A horse: something large and soft-shaped to sit on, heading for +z."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lexis_core.objects.library.category import Part, category
from lexis_core.objects.library.primitives import curve, ellipsoid, level, mirrored, moved, scaled, tube, turned

# (y, z, half width, half height) in metres along a horse of 1.60 m at the withers.
BODY = [(1.24, -0.80, 0.12, 0.15), (1.25, -0.70, 0.22, 0.26), (1.24, -0.45, 0.28, 0.32), (1.19, -0.15, 0.28, 0.32),
        (1.17, 0.15, 0.27, 0.33), (1.19, 0.42, 0.25, 0.34), (1.19, 0.62, 0.20, 0.28), (1.19, 0.72, 0.11, 0.16)]
NECK = [(1.24, 0.36, 0.13, 0.20), (1.40, 0.57, 0.125, 0.215), (1.62, 0.78, 0.095, 0.165), (1.82, 0.92, 0.08, 0.125),
        (1.92, 0.98, 0.065, 0.09)]
HEAD = [(1.97, 0.88, 0.065, 0.080), (1.90, 0.96, 0.088, 0.140), (1.80, 1.06, 0.084, 0.128), (1.68, 1.19, 0.060, 0.082),
        (1.58, 1.28, 0.056, 0.070), (1.52, 1.33, 0.050, 0.058), (1.50, 1.35, 0.035, 0.040)]
# (x, y, z, half width, half depth) of the left legs, from the trunk to the hoof.
FORELEG = [(0.14, 1.18, 0.48, 0.10, 0.19), (0.15, 0.94, 0.47, 0.08, 0.125), (0.15, 0.70, 0.47, 0.055, 0.065),
           (0.15, 0.50, 0.48, 0.050, 0.055),
           (0.15, 0.44, 0.48, 0.040, 0.042), (0.15, 0.22, 0.47, 0.032,
                                              0.035), (0.15, 0.15, 0.475, 0.040,
                                                       0.043), (0.15, 0.08, 0.50, 0.042, 0.045)]
HINDLEG = [(0.13, 1.20, -0.56, 0.13, 0.26), (0.16, 0.97, -0.56, 0.115, 0.20), (0.16, 0.78, -0.62, 0.075, 0.11),
           (0.16, 0.60, -0.74, 0.050, 0.062),
           (0.16, 0.50, -0.76, 0.050, 0.060), (0.16, 0.42, -0.75, 0.040,
                                               0.044), (0.16, 0.22, -0.73, 0.034,
                                                        0.038), (0.16, 0.15, -0.72, 0.042, 0.045),
           (0.16, 0.08, -0.69, 0.043, 0.046)]


@category("seat", height=(1.60, 1.30, 1.80), girth=(1.0, 0.85, 1.2), saddle=(True, False))
def horse(height, girth, saddle) -> Iterator[Part]:
    """The height is the withers'; girth scales its width."""
    size = height / 1.60
    for name, mesh in _horse(saddle):
        yield name, scaled(mesh, (size * girth, size, size))


def _horse(saddle: bool) -> Iterator[Part]:
    yield "body", _limb([(0, *row) for row in BODY], 24, 22, (0, 1, 0))
    yield "neck", _limb([(0, *row) for row in NECK], 20, 18, (0, 0.7, -0.7))
    yield "head", _limb([(0, *row) for row in HEAD], 20, 18, (0, 0.7, 0.7))
    for leg in (FORELEG, HINDLEG):
        left = _limb(leg, 20, 12, (0, 0, 1))
        yield "leg", left
        yield "leg", mirrored(left)
        x, _, z = leg[-1][:3]
        hoof = np.array([(x, 0.0, z + 0.035), (x, 0.05, z + 0.018), (x, 0.10, z + 0.004)])
        left = level(hoof, np.array([(0.062, 0.072), (0.053, 0.060), (0.044, 0.049)]), 14)
        yield "hoof", left
        yield "hoof", mirrored(left)
    ear = tube(np.array([(0.045, 1.98, 0.93), (0.05, 2.03, 0.935), (0.055, 2.08, 0.94), (0.055, 2.12, 0.945)]),
               np.array([(0.022, 0.012), (0.028, 0.015), (0.018, 0.010), (0.004, 0.004)]), 8, up=(0, 0, 1))
    yield "ear", ear
    yield "ear", mirrored(ear)
    eye = ellipsoid((0.012, 0.018, 0.018), (0.078, 1.885, 1.02), 8, 10)
    yield "eye", eye
    yield "eye", mirrored(eye)
    mane = curve(np.array([(1.50, 0.42, 0.06), (1.70, 0.58, 0.075), (1.86, 0.72, 0.07), (1.95, 0.84, 0.05),
                           (1.99, 0.93, 0.035)]), 24)
    yield "mane", tube(np.column_stack([np.zeros(24), mane[:, :2]]), np.stack([np.full(24, 0.022), mane[:, 2]], -1), 10,
                       up=(0, 0.7, -0.7))
    tail = curve(np.array([(1.35, -0.76, 0.030), (1.31, -0.90, 0.045), (1.08, -0.98, 0.07), (0.82, -0.98, 0.07),
                           (0.60, -0.96, 0.03)]), 24)
    yield "tail", tube(np.column_stack([np.zeros(24), tail[:, :2]]), tail[:, 2:] * [0.8, 1.0], 12, up=(0, 0.3, -1))
    if saddle:
        yield from _saddle()


def _limb(rows: list[tuple], count: int, sides: int, up):
    line = curve(np.array(rows), count)
    return tube(line[:, :3], np.maximum(line[:, 3:], 0.01), sides, up=up)


def _saddle() -> Iterator[Part]:
    """An English saddle: the seat follows the back, a flap and a stirrup hang down each side."""
    rows = np.array([(1.535, 0.24, 0.11), (1.54, 0.16, 0.13), (1.515, 0.04, 0.16), (1.525, -0.10, 0.19),
                     (1.57, -0.19, 0.17), (1.585, -0.23, 0.12)])
    line = curve(rows, 18)
    yield "seat", tube(np.column_stack([np.zeros(18), line[:, :2]]) - [0, 0.02, 0],
                       np.stack([line[:, 2], np.full(18, 0.045)], -1), 18, up=(0, 1, 0))
    flap = ellipsoid((0.014, 0.26, 0.18), rows=12, sides=24)
    left = moved(turned(flap, "z", 8), (0.272, 1.26, 0.10))
    yield "saddle", left
    yield "saddle", mirrored(left)
    strap = tube(curve(np.array([(0.285, 1.30, 0.09), (0.315, 1.05, 0.09), (0.32, 0.80, 0.09)]), 8),
                 np.tile([[0.014, 0.003]], (8, 1)), 6, up=(1, 0, 0))
    yield "stirrup", strap
    yield "stirrup", mirrored(strap)
    loop = np.array([(0.32, 0.81, 0.09), (0.375, 0.76, 0.09), (0.385, 0.69, 0.09), (0.255, 0.69, 0.09),
                     (0.265, 0.76, 0.09)])
    ring = tube(curve(loop, 30, ring_shaped=True), 0.008, 6, ring_shaped=True, up=(0, 0, 1))
    yield "stirrup", ring
    yield "stirrup", mirrored(ring)
