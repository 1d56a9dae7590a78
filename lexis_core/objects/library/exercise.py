"""Sports: balls, rackets, bats and weights."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lexis_core.objects.library.category import Part, category
from lexis_core.objects.library.primitives import (
    circle,
    curve,
    ellipsoid,
    lathe,
    moved,
    rectangle,
    rod,
    torus,
    tube,
    turned,
)


@category("hands", diameter=(0.22, 0.06, 0.30))
def ball(diameter) -> Iterator[Part]:
    yield "body", ellipsoid([diameter / 2] * 3, rows=20, sides=36)


@category("seat", diameter=(0.65, 0.45, 0.85), flattening=(0.03, 0.0, 0.12))
def yoga_ball(diameter, flattening) -> Iterator[Part]:
    """A gymnastics ball with its grip rings, a little flattened by its own weight."""
    latitude = np.linspace(-np.pi / 2, np.pi / 2, 41)
    ridge = 1 + 0.003 * np.cos(latitude * 20) * (np.abs(latitude) < 0.72)
    r = diameter / 2 * ridge
    profile = np.column_stack([r * np.cos(latitude), (1 - flattening) * r * np.sin(latitude)])
    yield "body", lathe(profile, 48)


@category("hand", length=(0.685, 0.58, 0.72), head_width=(0.26, 0.22, 0.30), strings=(True, False))
def tennis_racket(length, head_width, strings) -> Iterator[Part]:
    """The handle points down, the strings face +z."""
    grip, tall = 0.20, 0.345 * length / 0.685
    a, b, middle = head_width / 2, tall / 2, length - tall / 2
    hoop = np.column_stack([circle(56) * [a - 0.006, b - 0.006] + [0, middle], np.zeros(56)])
    yield "head", tube(hoop, 1.0, profile=rectangle(0.012, 0.022, 0.004, 3), ring_shaped=True, up=(0, 0, 1))
    for x in (-1, 1):
        side = np.array([(x * 0.010, grip - 0.02), (x * 0.012, grip + 0.04), (x * 0.036, grip + 0.09),
                         (x * 0.63 * a, middle - 0.76 * b)])
        yield "throat", tube(np.column_stack([curve(side, 16), np.zeros(16)]), 1.0,
                             profile=rectangle(0.012, 0.022, 0.004, 3),
                             up=(0, 0, 1))
    wide = np.array([(0.0, 0.0175), (0.012, 0.0175), (0.02, 0.0155), (0.1, 0.015), (grip, 0.0145),
                     (grip + 0.005, 0.012)])
    path = np.column_stack([0 * wide[:, 0], wide[:, 0], 0 * wide[:, 0]])
    yield "handle", tube(path, wide[:, 1:] * [1, 1.15], 8, up=(0, 0, 1))
    if strings:
        for x in np.linspace(-0.88, 0.88, 16) * a:
            reach = b * np.sqrt(1 - (x / a) ** 2)
            yield "strings", rod((x, middle - reach + 0.004, 0), (x, middle + reach - 0.004, 0), 0.0009, sides=4,
                                 step=0.06)
        for y in np.linspace(-0.90, 0.90, 19) * b:
            reach = a * np.sqrt(1 - (y / b) ** 2)
            yield "strings", rod((-reach + 0.004, middle + y, 0), (reach - 0.004, middle + y, 0), 0.0009, sides=4,
                                 step=0.06)


@category("hands", length=(0.84, 0.70, 0.92), barrel=(0.066, 0.055, 0.070))
def baseball_bat(length, barrel) -> Iterator[Part]:
    """The knob points down."""
    r, k = barrel / 2, length / 0.84
    profile = [(0, 0), (0.020, 0.002), (0.025, 0.009), (0.021, 0.018), (0.0135, 0.028), (0.0125, 0.08 * k),
               (0.0125, 0.16 * k),
               (0.0132, 0.24 * k), (0.0150, 0.32 * k), (0.0190,
                                                        0.40 * k), (0.52 * r + 0.008, 0.46 * k), (0.86 * r, 0.54 * k),
               (0.97 * r, 0.62 * k), (r, 0.70 * k), (r, 0.76 * k), (0.98 * r, 0.81 * k), (0.90 * r, 0.828 * k),
               (0.70 * r, 0.837 * k), (0.4 * r, length), (0, length)]
    yield "body", lathe(np.array(profile), 28)


@category("hand", length=(0.34, 0.18, 0.42), weight_diameter=(0.16, 0.07, 0.22), grip_diameter=(0.030, 0.026, 0.036))
def dumbbell(length, weight_diameter, grip_diameter) -> Iterator[Part]:
    """Lies along x, its plates upright."""
    yield "grip", rod((-length / 2, 0, 0), (length / 2, 0, 0), grip_diameter / 2, sides=16, step=0.02)
    wide = 0.5 * (length - 0.135)
    for x in (-1, 1):
        for share, reach, size in ((0.27, 0.46, 1.0), (0.72, 0.34, 0.82)):
            plate = _plate(weight_diameter / 2 * size, reach * wide)
            yield "weight", moved(plate, (x * (0.058 + share * wide), 0, 0))
        yield "collar", moved(_plate(grip_diameter * 0.9, 0.012), (x * (length / 2 - 0.012), 0, 0))


@category("hands", length=(2.20, 1.50, 2.20), plate_diameter=(0.45, 0.20, 0.45), plates=(2, 1, 4))
def barbell(length, plate_diameter, plates) -> Iterator[Part]:
    """Lies along x."""
    inner = 0.5 * length - 0.44 * length / 2.2
    yield "bar", rod((-inner, 0, 0), (inner, 0, 0), 0.014, sides=12, step=0.04)
    for x in (-1, 1):
        yield "sleeve", rod((x * inner, 0, 0), (x * length / 2, 0, 0), 0.025, sides=16, step=0.08)
        yield "sleeve", moved(_plate(0.038, 0.03), (x * inner, 0, 0))
        at = inner + 0.02
        for size, thick in ((1.0, 0.045), (0.86, 0.035), (0.72, 0.028), (0.60, 0.022))[:plates]:
            yield "plate", moved(_plate(plate_diameter / 2 * size, thick), (x * (at + thick / 2), 0, 0))
            at += thick + 0.001
        yield "collar", moved(_plate(0.036, 0.03), (x * (at + 0.018), 0, 0))


@category("hand", diameter=(0.27, 0.20, 0.30), rim=(0.025, 0.015, 0.032))
def frisbee(diameter, rim) -> Iterator[Part]:
    r, t = diameter / 2, 0.002
    outer = [(r, 0.001), (r, 0.55 * rim), (0.96 * r, 0.85 * rim), (0.85 * r, rim), (0.5 * r, 1.04 * rim),
             (0, 1.05 * rim)]
    inner = [(0, 1.05 * rim - t), (0.5 * r, 1.04 * rim - t), (0.85 * r, rim - t), (0.945 * r, 0.85 * rim - t),
             (r - 0.004, 0.5 * rim),
             (r - 0.004, 0.001)]
    yield "body", lathe(np.array(inner + outer), 48)


def _plate(radius, thickness):
    """A disc about the x axis with blunted edges and a raised rim."""
    half, edge = thickness / 2, min(0.004, thickness / 5)
    profile = [(0, -0.8 * half), (0.75 * radius, -0.8 * half), (0.82 * radius, -half), (radius - edge, -half),
               (radius, edge - half),
               (radius, half - edge), (radius - edge,
                                       half), (0.82 * radius, half), (0.75 * radius, 0.8 * half), (0, 0.8 * half)]
    return turned(lathe(np.array(profile), 36), "z", 90)


@category("hands", diameter=(0.92, 0.70, 1.05), thickness=(0.022, 0.015, 0.030))
def hula_hoop(diameter, thickness) -> Iterator[Part]:
    yield "ring", torus((diameter - thickness) / 2, thickness / 2, sides=64, minor_sides=10)
