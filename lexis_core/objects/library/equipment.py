"""Equipment people work or play with: tripod, toolbox, hammer, guitar, microphone."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lexis_core.objects.library.category import Part, category
from lexis_core.objects.library.primitives import (
    arc,
    box,
    curve,
    ellipsoid,
    extrude,
    lathe,
    moved,
    rod,
    tube,
    turned,
)


@category("floor", height=(1.50, 0.60, 1.80), spread=(0.95, 0.50, 1.30), leg_radius=(0.016, 0.010, 0.028),
          camera=(True, False), camera_size=(0.16, 0.10, 0.32), column=(0.22, 0.05, 0.40), pan_angle=(0.0, -60.0, 60.0))
def tripod(height, spread, leg_radius, camera, camera_size, column, pan_angle) -> Iterator[Part]:
    """A photographer's tripod; the camera looks to +z, the pan handle points to -z. Height: the head's plate."""
    head = 0.12
    hub = height - head - column
    out = spread / np.sqrt(3)  # the feet's circle, when spread is the distance between two feet
    for angle in np.radians([60.0, 180.0, 300.0]):
        way = np.array([np.sin(angle), 0, np.cos(angle)])
        top, foot = way * 0.045 + [0, hub, 0], way * out
        along = foot - top
        for start, stop, size in ((0.0, 0.42, 1.0), (0.38, 0.72, 0.80), (0.68, 0.985, 0.62)):
            yield "leg", rod(top + start * along, top + stop * along, size * leg_radius, sides=10)
        for at, size in ((0.40, 1.25), (0.70, 1.05)):
            yield "leg", rod(top + (at - 0.018) * along, top + (at + 0.018) * along, size * leg_radius, sides=12)
        yield "foot", rod(top + 0.97 * along, foot, 0.9 * leg_radius, 0.7 * leg_radius, 10, round_ends=True)
        brace = top + 0.36 * along
        yield "brace", rod(brace, [0, brace[1] + 0.05, 0], 0.0055, sides=6, step=0.2)
        yield "hub", rod(way * 0.02 + [0, hub + 0.005, 0], way * 0.062 + [0, hub - 0.01, 0], 1.2 * leg_radius, sides=12)
    low = hub - 0.36 * hub
    yield "column", rod((0, low, 0), (0, height - head + 0.01, 0), 0.0135, sides=12)
    yield "column", rod((0, low + 0.02, 0), (0, low + 0.075, 0), 0.020, sides=12)
    yield "hub", rod((0, hub - 0.03, 0), (0, hub + 0.04, 0), 0.034, 0.026, 16)
    plate = height
    pieces = [
        ("head", rod((0, plate - head, 0), (0, plate - 0.06, 0), 0.027, 0.024, 16)),
        ("head", box((0.055, 0.06, 0.06), (0, plate - 0.041, 0), 0.012, 0.05)),
        ("head", rod((-0.045, plate - 0.045, 0), (0.045, plate - 0.045, 0), 0.017, sides=12)),
        ("head", box((0.075, 0.016, 0.10), (0, plate - 0.008, 0), 0.004, 0.05)),
        ("handle", rod((0.03, plate - 0.05, -0.02), (0.06, plate - 0.12, -0.24), 0.006)),
        ("handle", rod((0.06, plate - 0.12, -0.24), (0.072, plate - 0.148, -0.33), 0.013, sides=10, round_ends=True)),
    ]
    if camera:
        pieces += _camera(camera_size, plate)
    for name, mesh in pieces:
        yield name, turned(mesh, "y", pan_angle)


def _camera(size: float, plate: float) -> list[Part]:
    """A photo camera of this width standing on the plate, its lens to +z."""
    w, h, d = size, 0.66 * size, 0.42 * size
    middle = plate + h / 2
    lens = lathe(np.array([(0, 0), (0.27, 0), (0.27, 0.10), (0.25, 0.11), (0.25, 0.30), (0.29, 0.31), (0.29, 0.62),
                           (0.27, 0.65), (0.24, 0.65),
                           (0.22, 0.58), (0, 0.55)]) * size, 28)
    return [
        ("camera", box((w, h, d), (0, middle, 0), 0.10 * size, 0.05)),
        ("camera", box((0.42 * w, 0.24 * size, 0.92 * d), (0, plate + h + 0.07 * size, 0), 0.05 * size, 0.05)),
        ("camera", box((0.26 * w, 0.9 * h, 0.55 * d), (-0.40 * w, middle, 0.30 * d), 0.06 * size, 0.05)),
        ("camera", moved(turned(lens, "x", 90), (0.04 * w, middle - 0.02 * size, d / 2 - 0.02 * size))),
        ("camera", rod((-0.36 * w, plate + h - 0.02 * size, 0), (-0.36 * w, plate + h + 0.05 * size, 0), 0.09 * size,
                       sides=16)),
        ("camera", box((0.22 * w, 0.16 * size, 0.10 * size), (0, plate + h + 0.06 * size, -0.5 * d), 0.03 * size,
                       0.05)),
    ]


@category("hand", width=(0.48, 0.35, 0.62), height=(0.21, 0.16, 0.28), depth=(0.23, 0.17, 0.28))
def toolbox(width, height, depth) -> Iterator[Part]:
    body = 0.62 * height
    yield "body", box((width, body, depth), (0, body / 2, 0), 0.012, 0.06)
    yield "seam", box((width + 0.008, 0.016, depth + 0.008), (0, body, 0), 0.004, 0.06)
    x, z, low, top = width / 2 - 0.002, depth / 2 - 0.002, body, height
    outline = np.array([(-z, low), (z, low), (z, low + 0.35 * (top - low)), (0.62 * z, top), (-0.62 * z, top),
                        (-z, low + 0.35 * (top - low))])
    lid = extrude(outline, 2 * x, bevel=0.008, layers=6)
    yield "lid", turned(lid, "y", 90)
    reach = 0.20 * width
    points = np.array([(-reach, top - 0.012, 0), (-reach, top + 0.030, 0), (-0.85 * reach, top + 0.044, 0),
                       (0.85 * reach, top + 0.044, 0),
                       (reach, top + 0.030, 0), (reach, top - 0.012, 0)])
    yield "handle", tube(curve(points, 30), 0.011, 10, up=(0, 0, 1))
    for side in (-1, 1):
        at = side * 0.30 * width
        yield "latch", box((0.045, 0.065, 0.014), (at, body - 0.004, depth / 2 + 0.004), 0.004, 0.04)
        yield "foot", box((0.05, 0.012, 0.8 * depth), (at, 0.002, 0), 0.003, 0.06)


@category("hand", length=(0.33, 0.26, 0.42), head=(0.115, 0.09, 0.15))
def hammer(length, head) -> Iterator[Part]:
    """The handle points down, the striking face to +z."""
    neck = length - 0.015
    points = np.array([(0, 0.013, 0.017), (0.03, 0.014, 0.018), (0.10, 0.012, 0.015), (0.18, 0.010, 0.013),
                       (0.24, 0.009, 0.012), (0.33, 0.008, 0.011)])
    line = curve(points, 24)
    path = np.column_stack([np.zeros(24), line[:, 0] * neck / 0.33, np.zeros(24)])
    yield "handle", tube(path, line[:, 1:], 12, up=(0, 0, 1), round_ends=True)
    yield "head", box((0.024, 0.027, 0.34 * head), (0, neck, 0), 0.005, 0.02)
    yield "head", rod((0, neck, 0.1 * head), (0, neck, 0.40 * head), 0.010, sides=16)
    yield "head", rod((0, neck, 0.36 * head), (0, neck, 0.52 * head), 0.0145, sides=20)
    for side in (-1, 1):
        claw = curve(np.array([(side * 0.003, neck, -0.12 * head), (side * 0.006, neck + 0.002, -0.30 * head),
                               (side * 0.009, neck - 0.012, -0.48 * head)]), 12)
        yield "claw", tube(claw, np.column_stack([np.linspace(0.009, 0.006, 12), np.linspace(0.012, 0.003, 12)]), 10,
                           up=(0, 1, 0))


@category("hands", length=(1.02, 0.75, 1.08), body_width=(0.39, 0.28, 0.43), body_depth=(0.105, 0.04, 0.13))
def guitar(length, body_width, body_depth) -> Iterator[Part]:
    """The neck points up, the strings face +z."""
    k, w, front = length / 1.02, body_width / 0.39, body_depth / 2
    half = np.array([(0.0, 0.0), (0.10, 0.006), (0.168, 0.05), (0.194, 0.13), (0.178, 0.215), (0.132, 0.285),
                     (0.120, 0.315), (0.134, 0.36),
                     (0.143, 0.41), (0.122, 0.465), (0.07, 0.488), (0.0, 0.490)]) * [w, k]
    outline = np.concatenate([half, half[-2:0:-1] * [-1, 1]])
    outline = curve(outline, 72, ring_shaped=True)
    yield "body", extrude(outline, body_depth, bevel=0.006, layers=3)
    hole, bridge, nut, joint = 0.335 * k, 0.145 * k, 0.825 * k, 0.47 * k
    ring = lathe(np.array([(0.046, 0), (0.058, 0), (0.057, 0.003), (0.047, 0.003)]) * [w, 1], 40, ring_shaped=True)
    yield "soundhole", moved(turned(ring, "x", 90), (0, hole, front))
    yield "bridge", box((0.16 * w, 0.030, 0.010), (0, bridge, front + 0.004), 0.003, 0.04)
    y = np.linspace(joint - 0.03, nut + 0.01, 12)
    wide = np.linspace(0.029, 0.023, 12)
    neck = np.concatenate([arc(1.0, 180, 360, 11), [(1, 0.25), (-1, 0.25)]])
    path = np.column_stack([0 * y, y, 0 * y + front + 0.002])
    yield "neck", tube(path, np.column_stack([wide, np.full(12, 0.017)]), profile=neck * [1, 1], up=(0, 0, 1))
    board = np.linspace(hole + 0.055 * w, nut, 14)
    yield "fingerboard", tube(np.column_stack([0 * board, board, 0 * board + front + 0.006]),
                              np.column_stack([np.linspace(0.0285, 0.0225, 14), np.full(14, 0.0035)]),
                              profile=np.array([(1, 1), (-1, 1), (-1, -1), (1, -1)]), up=(0, 0, 1))
    for n in range(1, 18):
        at = nut - (nut - bridge) * (1 - 2 ** (-n / 12))
        yield "fret", rod((-0.022, at, front + 0.0095), (0.022, at, front + 0.0095), 0.001, sides=5, step=0.1)
    heel = np.array([(0, joint - 0.02, -0.3 * body_depth), (0, joint + 0.015, 0), (0, joint + 0.04, front - 0.005)])
    yield "neck", tube(heel, np.array([(0.018, 0.02), (0.024, 0.022), (0.027, 0.02)]), 10, up=(0, 1, 0))
    top = length - nut
    shape = np.array([(-0.023, 0), (0.023, 0), (0.036, 0.22 * top), (0.033, 0.93 * top), (0.016, top), (-0.016, top),
                      (-0.033, 0.93 * top), (-0.036, 0.22 * top)])
    yield "headstock", turned(extrude(shape, 0.016, (0, nut, front - 0.004), bevel=0.002), "x", -12, (0, nut, front))
    for i in range(3):
        for side in (-1, 1):
            at = np.array([side * 0.034, nut + (0.32 + 0.24 * i) * top, front - 0.010])
            peg = [("tuner", rod(at, at + [side * 0.018, 0, 0], 0.003, sides=6)),
                   ("tuner", ellipsoid((0.010, 0.008, 0.004), at + [side * 0.023, 0, 0], 6, 10)),
                   ("tuner", rod(at + [-side * 0.018, 0, 0], at + [-side * 0.018, 0, 0.024], 0.003, sides=6))]
            for name, mesh in peg:
                yield name, turned(mesh, "x", -12, (0, nut, front))
    for x in np.linspace(-1, 1, 6):
        yield "strings", rod((0.026 * x, bridge, front + 0.012), (0.019 * x, nut + 0.01, front + 0.012), 0.0007,
                             sides=4, step=0.3)


@category("hand", height=(1.55, 0.95, 1.75), base=(0.30, 0.22, 0.40))
def microphone(height, base) -> Iterator[Part]:
    """A microphone in its clip on a round-based stand; it speaks towards +z."""
    r = base / 2
    yield "base", lathe(np.array([(0, 0), (0.6 * r, 0), (r, 0), (r, 0.008), (0.85 * r, 0.018), (0.02, 0.035),
                                  (0, 0.035)]), 40)
    top = height - 0.07
    yield "stand", rod((0, 0.02, 0), (0, 0.55 * height, 0), 0.011, sides=12)
    yield "stand", rod((0, 0.5 * height, 0), (0, top, 0), 0.008, sides=12)
    yield "stand", rod((0, 0.54 * height, 0), (0, 0.54 * height + 0.07, 0), 0.017, sides=14)
    tip = np.array([0, height - 0.035, 0.085])
    tail = np.array([0, top - 0.045, -0.085])
    way = (tip - tail) / np.linalg.norm(tip - tail)
    yield "clip", rod((0, top - 0.01, 0), (0, top + 0.015, 0), 0.014, sides=12)
    yield "microphone", rod(tail, tip - 0.025 * way, 0.011, 0.017, 16, 0.03)
    yield "microphone", ellipsoid((0.026, 0.026, 0.026), tip - 0.01 * way, 12, 18)
