"""Boards and scooters: what people stand on. The nose is +z, the deck faces up."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lexis_core.mesh import Mesh
from lexis_core.objects.library.category import Part, category
from lexis_core.objects.library.primitives import box, curve, lathe, loft, mirrored, moved, rectangle, rod, tube, turned


def _wheel(radius: float, width: float, sides: int = 24) -> Mesh:
    """A solid wheel about the x axis."""
    half, r = width / 2, radius
    profile = [(0, -0.8 * half), (0.5 * r, -0.8 * half), (0.62 * r, -half), (0.85 * r, -half), (r, -0.6 * half),
               (r, 0.6 * half),
               (0.85 * r, half), (0.62 * r, half), (0.5 * r, 0.8 * half), (0, 0.8 * half)]
    return turned(lathe(np.array(profile), sides), "z", 90)


@category("feet", length=(0.80, 0.70, 1.00), width=(0.205, 0.18, 0.24), wheel_diameter=(0.054, 0.050, 0.070),
          kick_angle=(20.0, 5.0, 25.0))
def skateboard(length, width, wheel_diameter, kick_angle) -> Iterator[Part]:
    r, base, half = wheel_diameter / 2, 0.53 * length / 0.8, length / 2
    z = half * np.sin(np.linspace(-np.pi / 2, np.pi / 2, 41)) * 0.999
    deck = r + 0.075
    beyond = np.maximum(np.abs(z) - 0.66 * half, 0)
    rise = np.tan(np.radians(kick_angle)) * beyond**2 / (beyond + 0.03)
    nose = np.clip((np.abs(z) - (half - 0.5 * width)) / (0.5 * width), 0, 1)
    wide = width * np.sqrt(1 - nose**2 * 0.985)
    yield "deck", _board(z, wide, deck + rise, 0.011, 0.6)
    for side in (-1, 1):
        at = side * base / 2
        yield "truck", box((0.055, 0.010, 0.085), (0, deck - 0.012, at), 0.003, 0.05)
        yield "truck", rod((0, deck - 0.01, at), (0, r + 0.005, at - side * 0.012), 0.022, 0.014, 12)
        yield "truck", rod((-0.42 * width, r, at), (0.42 * width, r, at), 0.011, sides=10, step=0.05)
        yield "truck", rod((-0.52 * width, r, at), (0.52 * width, r, at), 0.004, sides=8, step=0.05)
        for x in (-1, 1):
            yield "wheel", moved(_wheel(r, 0.034), (x * 0.44 * width, r, at))


def _board(z, wide, height, thickness: float, dish: float = 0.0) -> Mesh:
    """A deck along z: width and height at each z (N,) in metres; its sides rise by dish times the distance squared."""
    across = np.concatenate([np.linspace(-0.5, 0.5, 10), np.linspace(0.5, -0.5, 10)])
    side = np.repeat([-thickness / 2, thickness / 2], 10)
    x = np.asarray(wide)[:, None] * across
    return loft(np.stack([x, np.asarray(height)[:, None] + dish * x**2 + side, np.repeat(z[:, None], 20, 1)], -1))


@category("feet", length=(2.00, 1.65, 2.80), width=(0.53, 0.47, 0.60), thickness=(0.064, 0.055, 0.08), fins=(3, 1, 3))
def surfboard(length, width, thickness, fins) -> Iterator[Part]:
    t = 0.5 - 0.5 * np.cos(np.linspace(0.06, np.pi - 0.02, 40))
    z = (t - 0.5) * length
    wide = np.interp(t, [0, 0.02, 0.06, 0.15, 0.30, 0.5, 0.7, 0.85, 0.94, 1.0],
                     [0.22, 0.33, 0.45, 0.66, 0.88, 1, 0.92, 0.66, 0.36, 0.02])
    wide = np.convolve(np.pad(wide, 2, "edge"), [0.1, 0.2, 0.4, 0.2, 0.1], "valid") * width / 2
    thick = thickness / 2 * np.interp(t, [0, 0.15, 0.5, 0.85, 1], [0.35, 0.75, 1, 0.75, 0.22])
    rocker = length * np.where(t > 0.5, 0.30 * np.abs(t - 0.5) ** 2.4, 0.14 * np.abs(t - 0.5) ** 2.4)
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    outline = np.stack([np.sign(np.cos(angle)) * np.abs(np.cos(angle)) ** 0.8,
                        np.sign(np.sin(angle)) * np.abs(np.sin(angle)) ** 0.9], -1)
    base = 0.12
    yield "deck", tube(np.column_stack([0 * z, base + rocker, z]), np.stack([wide, thick], -1), profile=outline,
                       up=(0, 1, 0))
    places = {1: [(0, 0.06)], 2: [(-0.2, 0.11), (0.2, 0.11)], 3: [(-0.22, 0.14), (0.22, 0.14), (0, 0.06)]}[fins]
    for x, back in places:
        under = base - 0.5 * thick[4] + length * 0.14 * (0.5 - back) ** 2.4
        fin = np.array([(0.055, 0.006), (-0.055, 0.006), (-0.085, -0.085), (-0.06, -0.115), (-0.015, -0.075),
                        (0.025, -0.03)])
        smooth = curve(fin, 24, ring_shaped=True)
        ring = np.column_stack([np.zeros(24), under + smooth[:, 1], (back - 0.5) * length + smooth[:, 0]])
        middle = ring.mean(0)
        layers = [middle + s * (ring - middle) + [d, 0, 0] for s,
                  d in ((0.5, 0.005), (0.85, 0.004), (1, 0), (0.85, -0.004), (0.5, -0.005))]
        yield "fin", moved(loft(np.array(layers)), (x * width, 0, 0))


@category("feet", length=(1.55, 1.35, 1.70), width=(0.30, 0.27, 0.33), stance=(0.54, 0.45, 0.62),
          binding_angle=(12.0, 0.0, 21.0))
def snowboard(length, width, stance, binding_angle) -> Iterator[Part]:
    half = length / 2
    z = half * np.sin(np.linspace(-np.pi / 2, np.pi / 2, 45)) * 0.9995
    tip = np.clip((np.abs(z) - (half - 0.55 * width)) / (0.55 * width), 0, 1)
    waist = 1 - 0.16 * (1 - np.clip(np.abs(z) / (half - 0.4 * width), 0, 1) ** 2)
    wide = width * waist * np.sqrt(1 - 0.985 * tip**2.2)
    rise = 0.8 * np.maximum(np.abs(z) - (half - 0.75 * width), 0) ** 2 / width
    yield "deck", _board(z, wide, 0.006 + rise, 0.011)
    for side in (-1, 1):
        at = (0, 0, side * stance / 2)
        for name, mesh in _binding(0.82 * width):
            yield name, moved(turned(mesh, "y", side * binding_angle), at)


def _binding(reach: float) -> Iterator[Part]:
    """The toes point to +x, the highback stands at -x."""
    yield "binding", box((reach, 0.022, 0.11), (0, 0.020, 0), 0.006, 0.05)
    for z in (-1, 1):
        yield "binding", box((0.62 * reach, 0.055, 0.010), (-0.16 * reach, 0.050, z * 0.055), 0.003, 0.05)
    angle = np.radians(np.linspace(100, 260, 11))
    across = np.column_stack([0.07 * np.cos(angle), np.zeros(11), 0.058 * np.sin(angle)])
    rings = []
    for up, size, lean in ((0.03, 1.0, 0.0), (0.10, 0.95, 0.005), (0.18, 0.85, 0.025), (0.24, 0.68, 0.035),
                           (0.26, 0.45, 0.038)):
        outer = across * [1, 1, size] + [-0.30 * reach + lean, up, 0]
        rings.append(np.concatenate([outer, (outer + [0.007, 0, 0])[::-1]])[::-1])
    yield "highback", loft(np.array(rings))
    for x, high in ((-0.16 * reach, 0.115), (0.30 * reach, 0.075)):
        points = np.array([(x, 0.025, -0.050), (x, 0.75 * high, -0.055), (x + 0.01, high, 0), (x, 0.75 * high, 0.055),
                           (x, 0.025, 0.050)])
        yield "strap", tube(curve(points, 16), np.tile([[0.004, 0.022]], (16, 1)), 8, up=(1, 0, 0))


@category("hands", height=(1.00, 0.75, 1.15), length=(0.84, 0.65, 1.00), wheel_diameter=(0.20, 0.11, 0.23),
          handlebar_width=(0.46, 0.34, 0.56))
def kick_scooter(height, length, wheel_diameter, handlebar_width) -> Iterator[Part]:
    r = wheel_diameter / 2
    rear, front = -length / 2 + r, length / 2 - r
    head = np.array([0, 2 * r + 0.07, front - 0.085])
    slope = np.array([0, 1, -0.16]) / np.hypot(1, 0.16)
    deck = 0.5 * r + 0.03
    yield "deck", box((0.13, 0.030, length - 4.2 * r - 0.05), (0, deck, -0.03), 0.010, 0.06)
    yield "frame", tube(curve(np.array([(0, deck, 0.5 * length - 2.4 * r - 0.12),
                                        (0, deck + 0.02, front - 1.5 * r - 0.05), head]), 12), 0.020, 10)
    for x in (-1, 1):
        yield "frame", rod((x * 0.035, deck, rear + 1.5 * r), (x * 0.030, r, rear), 0.010, step=0.2)
        yield "fork", tube(np.array([head - 0.07 * slope + [x * 0.005, 0, 0], head - 0.08 * slope + [x * 0.03, 0, 0],
                                     (x * 0.03, r, front)]), 0.010)
    for z in (rear, front):
        yield "wheel", moved(_wheel(r, 0.034, 32), (0, r, z))
        yield "wheel", rod((-0.045, r, z), (0.045, r, z), 0.006)
    top = head + slope * (height - head[1]) / slope[1]
    yield "stem", rod(head - 0.08 * slope, top, 0.018, 0.015, 12)
    half = handlebar_width / 2
    yield "handlebar", rod(top - [half, 0, 0], top + [half, 0, 0], 0.011, sides=10)
    grip = rod(top + [half - 0.11, 0, 0], top + [half, 0, 0], 0.016, sides=12, step=0.04, round_ends=True)
    yield "grip", grip
    yield "grip", mirrored(grip)
    fender = [(0, r + (r + 0.012) * np.sin(a),
               rear + (r + 0.012) * np.cos(a)) for a in np.radians(np.linspace(45, 165, 12))]
    yield "fender", tube(np.array(fender), 1.0, profile=rectangle(0.05, 0.004, 0.0019, 3), up=(0, 1, 0.3))
    for x in (-1, 1):
        yield "fender", rod((x * 0.030, r, rear), (x * 0.024, 2 * r + 0.010, rear - 0.1 * r), 0.004, sides=6)
