"""Two-wheelers to sit on. They head for +z and stand on y = 0, upright."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lexis_core.objects.library.category import Part, category
from lexis_core.objects.library.primitives import (
    arc,
    box,
    curve,
    ellipsoid,
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


def _both(name: str, left) -> Iterator[Part]:
    yield name, left
    yield name, mirrored(left)


def _disc(radius, width, at, sides=24):
    """A solid disc about the x axis."""
    return moved(turned(lathe(np.array([(0, -width / 2), (radius, -width / 2), (radius, width / 2), (0, width / 2)]),
                              sides), "z", 90), at)


def _spoked_wheel(radius, tyre, spokes, at, sides=40) -> Iterator[Part]:
    at = np.asarray(at, float)
    yield "wheel", moved(turned(torus(radius - tyre, tyre, sides=sides, minor_sides=8), "z", 90), at)
    yield "wheel", moved(turned(torus(radius - 2 * tyre, 0.55 * tyre, sides=sides, minor_sides=6), "z", 90), at)
    yield "wheel", rod(at - [0.05, 0, 0], at + [0.05, 0, 0], 0.018, sides=10)
    for k in range(spokes):
        angle = 2 * np.pi * k / spokes
        lean = angle + (0.35 if k % 4 < 2 else -0.35)
        hub = at + [0.03 * (-1) ** k, 0.016 * np.cos(lean), 0.016 * np.sin(lean)]
        rim = at + (radius - 2 * tyre) * np.array([0, np.cos(angle), np.sin(angle)])
        yield "spoke", rod(hub, rim, 0.0015, sides=4, step=0.4)


@category("seat", wheel_diameter=(0.69, 0.50, 0.74), wheelbase=(1.03, 0.90, 1.15), saddle_height=(0.95, 0.75, 1.05),
          tyre=(0.040, 0.024, 0.060), handlebar=("flat", "drop"), handlebar_width=(0.60, 0.42, 0.76))
def bicycle(wheel_diameter, wheelbase, saddle_height, tyre, handlebar, handlebar_width) -> Iterator[Part]:
    r = wheel_diameter / 2
    crank = np.array([0, 0.28, 0])
    rear, front = np.array([0, r, -0.42]), np.array([0, r, wheelbase - 0.42])
    up, steer = (np.array([0, np.sin(angle), -np.cos(angle)]) for angle in np.radians([73.0, 71.0]))
    for hub in (rear, front):
        yield from _spoked_wheel(r, tyre / 2, 28, hub)
    saddle = crank + up * (saddle_height - 0.28) / up[1]
    seat_top = crank + up * (0.76 * (saddle_height - 0.28)) / up[1]
    crown = front + [0, 0, -0.045] + steer * (r + 0.06)
    head_low, head_high = crown + 0.015 * steer, crown + steer * max(0.10, (seat_top[1] + 0.06 - crown[1]) / steer[1])
    for a, b, size in ((crank, seat_top + 0.02 * up, 0.015), (crank, head_low + 0.04 * steer, 0.019),
                       (seat_top - 0.03 * up, head_high - 0.03 * steer, 0.015), (head_low, head_high, 0.021)):
        yield "frame", rod(a, b, size, sides=12)
    yield "frame", rod(crank - [0.036, 0, 0], crank + [0.036, 0, 0], 0.022, sides=14)
    stay = 0.5 * tyre + 0.022
    for a, b, size in ((crank + [0.025, 0, -0.01], rear, 0.009), (seat_top - 0.03 * up + [0.01, 0, 0], rear, 0.008)):
        bend = a + 0.25 * (b - a)
        path = np.array([a, [stay, bend[1], bend[2]], [stay + 0.015, b[1], b[2]]])
        yield from _both("frame", tube(curve(path, 10), size))
    fork = curve(np.array([crown + [0.012, 0.01, 0], crown + [stay, -0.02, 0.004], front + [0.048, 0.18, -0.10],
                           front + [0.05, 0, 0]]), 14)
    yield from _both("fork", tube(fork, np.linspace(0.013, 0.009, 14)))
    yield "seatpost", rod(seat_top, saddle - 0.03 * up, 0.0135, sides=10)
    yield "saddle", _saddle(saddle)
    bar = head_high + 0.05 * steer + [0, 0, 0.08]
    yield "stem", rod(head_high, head_high + 0.05 * steer, 0.015, sides=10)
    yield "stem", rod(head_high + 0.04 * steer, bar, 0.014, sides=10)
    half = handlebar_width / 2
    if handlebar == "flat":
        points, grip_from = np.array([(0, 0, 0), (0.10, 0, 0), (0.20, 0.02, 0.0), (half, 0.022, -0.035)]), 0.70
    else:
        half = min(half, 0.23)
        points, grip_from = np.array([(0, 0, 0), (0.8 * half, 0, 0), (half, 0, 0.03), (half, -0.015, 0.09),
                                      (half, -0.07, 0.10),
                                      (half, -0.12, 0.06), (half, -0.13, -0.02)]), 0.45
    path = curve(points, 24) + bar
    yield from _both("handlebar", tube(path, 0.011))
    yield from _both("grip", tube(path[int(grip_from * 24):], 0.0165, 10, round_ends=True))
    yield "crank", _disc(0.09, 0.005, crank + [-0.045, 0, 0], 36)
    yield "crank", _disc(0.035, 0.012, rear + [-0.045, 0, 0], 20)
    for side, turn in ((-1, 1), (1, -1)):
        end = crank + [side * 0.075, -0.12 * turn, 0.12 * turn]
        yield "crank", rod(crank + [side * 0.055, 0, 0], end, 0.012, 0.009)
        yield "crank", rod(crank, crank + [side * 0.062, 0, 0], 0.011)
        yield "pedal", box((0.09, 0.022, 0.075), end + [side * 0.06, 0, 0], 0.006, 0.05)
        yield "pedal", rod(end - [side * 0.008, 0, 0], end + [side * 0.02, 0, 0], 0.008)
        chain = [crank + [-0.045, turn * 0.088, 0], rear + [-0.045, turn * 0.033, 0]]
        yield "chain", rod(*chain, 0.004, sides=5)


def _saddle(at):
    """A bicycle saddle whose top is at the point: wide behind, a nose in front."""
    z = np.linspace(-0.13, 0.14, 14)
    wide = np.interp(z, [-0.13, -0.11, -0.06, 0.0, 0.06, 0.12, 0.14], [0.045, 0.070, 0.075, 0.045, 0.022, 0.018, 0.010])
    deep = np.interp(z, [-0.13, -0.06, 0.12, 0.14], [0.018, 0.028, 0.020, 0.010])
    path = np.column_stack([0 * z, 0.08 * np.maximum(-z - 0.04, 0) - deep, z]) + at
    return tube(path, np.stack([wide, deep], -1), 16, up=(0, 1, 0))


@category("seat", wheelbase=(1.42, 1.25, 1.60), wheel_diameter=(0.62, 0.54, 0.68), seat_height=(0.80, 0.70, 0.88),
          handlebar_width=(0.76, 0.62, 0.90), screen=(False, True))
def motorcycle(wheelbase, wheel_diameter, seat_height, handlebar_width, screen) -> Iterator[Part]:
    r, tyre = wheel_diameter / 2, 0.060
    rear, front = np.array([0, r, -0.48 * wheelbase]), np.array([0, r, 0.52 * wheelbase])
    for hub, wide in ((rear, 1.25), (front, 1.0)):
        wheel = turned(torus(r - tyre, tyre, sides=36, minor_sides=10), "z", 90)
        wheel = type(wheel)(wheel.vertices * np.float32([wide, 1, 1]), wheel.faces)
        yield "wheel", moved(wheel, hub)
        yield "wheel", moved(turned(torus(r - 1.9 * tyre, 0.028, sides=36, minor_sides=6), "z", 90), hub)
        yield "wheel", rod(hub - [0.09, 0, 0], hub + [0.09, 0, 0], 0.03, sides=14)
        yield "wheel", rod(hub - [0.14, 0, 0], hub + [0.14, 0, 0], 0.012)
        for angle in np.arange(5) * 2 * np.pi / 5:
            yield "spoke", rod(hub, hub + (r - 1.9 * tyre) * np.array([0, np.cos(angle), np.sin(angle)]), 0.02, 0.015,
                               8)
        yield "wheel", _disc(0.13, 0.005, hub + [0.075, 0, 0], 32)
    steer = np.array([0, np.cos(np.radians(27)), -np.sin(np.radians(27))])
    crown = front + [0, 0, -0.02] + steer * (seat_height + 0.16 - r) / steer[1]
    head = crown - 0.10 * steer
    for x in (-1, 1):
        side = np.array([x * 0.105, 0, 0])
        yield "fork", rod(front + side, front + side + 0.34 * steer, 0.030, sides=12)
        yield "fork", rod(front + side + 0.30 * steer, crown + side, 0.021, sides=12)
        yield "frame", rod(rear + [x * 0.13, 0, 0], [x * 0.10, r + 0.05, -0.12 * wheelbase], 0.028, sides=10)
        yield "shock", rod(rear + [x * 0.13, 0.03, 0.06], [x * 0.13, seat_height - 0.13, rear[2] + 0.16], 0.028,
                           sides=12)
        yield "frame", tube(curve(np.array([head, [x * 0.12, 0.45, 0.24 * wheelbase],
                                            [x * 0.14, 0.20, 0.12 * wheelbase],
                                            [x * 0.14, 0.19, -0.12 * wheelbase], [x * 0.12, 0.45, -0.16 * wheelbase],
                                            [x * 0.10, seat_height - 0.10, -0.10 * wheelbase]]), 24), 0.017)
        yield "frame", rod([x * 0.10, seat_height - 0.11, 0.02], [x * 0.11, seat_height - 0.06, rear[2] - 0.05], 0.015)
        yield "footpeg", rod([x * 0.13, 0.30, -0.06 * wheelbase], [x * 0.27, 0.30, -0.06 * wheelbase], 0.016, sides=10)
    for up in (0.0, -0.17):
        yield "fork", box((0.27, 0.03, 0.06), crown + up * steer, 0.01, 0.08)
    yield "frame", rod(crown, crown - 0.18 * steer, 0.03, sides=12)
    yield "frame", rod(head, [0, seat_height - 0.10, -0.10 * wheelbase], 0.028, sides=12)
    yield "engine", box((0.34, 0.24, 0.40), (0, 0.33, 0.0), 0.06, 0.15)
    for x in (-1, 1):
        yield "engine", _disc(0.10, 0.05, (x * 0.175, 0.33, -0.06), 24)
    for k in range(6):
        fin = box((0.26 - 0.006 * k, 0.018, 0.24), (0, 0.45 + 0.032 * k, 0.06 + 0.008 * k), 0.006, 0.3)
        yield "engine", fin
    yield "engine", box((0.21, 0.26, 0.19), (0, 0.52, 0.075), 0.02, 0.2)
    tank = np.array([(0, seat_height - 0.03, -0.08), (0, seat_height + 0.04, 0.03), (0, seat_height + 0.09, 0.18),
                     (0, seat_height + 0.09, 0.32), (0, seat_height + 0.04, 0.42)])
    wide = np.array([(0.07, 0.06), (0.125, 0.10), (0.155, 0.13), (0.150, 0.12), (0.09, 0.07)])
    both = curve(np.concatenate([tank, wide], 1), 16)
    yield "tank", tube(both[:, :3], both[:, 3:], 20, up=(0, 1, 0), round_ends=True)
    seat = np.array([(0, seat_height - 0.01, 0.02, 0.08), (0, seat_height - 0.035, -0.10, 0.125),
                     (0, seat_height - 0.03, -0.28, 0.145),
                     (0, seat_height + 0.02, -0.42, 0.125), (0, seat_height + 0.03, -0.64, 0.10)])
    line = curve(seat, 18)
    yield "seat", tube(line[:, :3] - [0, 0.03, 0], np.stack([line[:, 3], np.full(18, 0.05)], -1), 16, up=(0, 1, 0),
                       round_ends=True)
    half = handlebar_width / 2
    bar = np.array([(0, 0.02, 0), (0.10, 0.03, 0.0), (0.20, 0.13, -0.05), (0.6 * half + 0.06, 0.14, -0.08),
                    (half, 0.12, -0.17)])
    path = curve(bar, 24) + crown
    yield from _both("handlebar", tube(path, 0.012))
    yield from _both("grip", tube(path[-7:], 0.019, 10, round_ends=True))
    mirror = ellipsoid((0.06, 0.04, 0.015), crown + [0.62 * half + 0.08, 0.29, -0.05], 8, 14)
    yield from _both("mirror", mirror)
    yield from _both("mirror", rod(path[16], crown + [0.62 * half + 0.08, 0.27, -0.05], 0.006, sides=6))
    lamp = crown - 0.10 * steer + [0, 0, 0.13]
    yield "headlight", moved(turned(lathe(np.array([(0, -0.09), (0.05, -0.08), (0.09, -0.03), (0.095, 0.03),
                                                    (0.085, 0.045), (0, 0.05)]), 24),
                                    "x", 90), lamp)
    yield "headlight", box((0.22, 0.03, 0.10), lamp - [0, 0, 0.07], 0.01)
    for hub, start, stop in ((front, 40, 150), (rear, 70, 165)):
        spread = arc(r + 0.025, start, stop, 16)
        guard = np.column_stack([np.zeros(16), spread[:, 1] + hub[1], spread[:, 0] + hub[2]])
        yield "fender", tube(guard, 1.0, profile=rectangle(0.15, 0.012, 0.005, 3), up=(0, 1, 0.2))
    yield from _both("fender", rod(front + [0.075, r + 0.02, 0], front + [0.10, 0.10, -0.02], 0.008, sides=6))
    yield from _both("fender", rod([0.11, seat_height - 0.065, rear[2]], [0.07, 2 * r + 0.02, rear[2]], 0.008, sides=6))
    yield "light", box((0.24, 0.05, 0.05), (0, seat_height - 0.06, rear[2] - 0.05), 0.015, 0.08)
    pipe = np.array([(-0.05, 0.55, 0.16), (-0.12, 0.42, 0.29), (-0.17, 0.22, 0.22), (-0.19, 0.20, -0.10),
                     (-0.20, 0.24, -0.30)])
    yield "exhaust", tube(curve(pipe, 24), 0.022, 10)
    yield "exhaust", rod((-0.20, 0.235, -0.26), (-0.205, 0.36, -0.84), 0.042, 0.050, 16)
    if screen:
        yield from _both("screen", rod(crown + [0.10, 0, 0], crown + [0.13, 0.13, 0.10], 0.007))
        layers = [np.column_stack([0.20 * s * np.sin(a), np.full(9, y), 0.10 * np.cos(a) + z]) for y, s, z in
                  ((0.0, 0.9, 0.0), (0.13, 1.0, -0.03), (0.26, 0.8, -0.09), (0.32, 0.5, -0.12))
                  for a in [np.radians(np.linspace(-80, 80, 9))]]
        rings = [np.concatenate([front_face, (front_face - [0, 0, 0.006])[::-1]]) for front_face in layers]
        yield "screen", moved(loft(np.array(rings)), crown + [0, 0.02, 0.06])
