"""What lies on desks and in hands: drinks, books, screens."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lexis_core.objects.library.category import Part, category
from lexis_core.objects.library.primitives import (
    arc,
    box,
    curve,
    extrude,
    lathe,
    moved,
    rectangle,
    rod,
    slab,
    tube,
    turned,
)


@category("hand", height=(0.24, 0.15, 0.34), diameter=(0.070, 0.055, 0.100), neck=(0.45, 0.30, 0.60))
def bottle(height, diameter, neck) -> Iterator[Part]:
    r, top = diameter / 2, height - 0.022
    thin = max(0.0125, neck * r)
    waist = 0.62 * top
    shoulder = curve(np.array([(r, waist), (0.97 * r, waist + 0.08 * top), (0.6 * r + 0.4 * thin, waist + 0.18 * top),
                               (0.15 * r + 0.85 * thin, waist + 0.26 * top), (thin, waist + 0.33 * top)]), 14)
    profile = [(0, 0.006), (0.7 * r, 0.002), (0.92 * r, 0), (r, 0.008),
               *((r, y) for y in np.linspace(0.02, 0.97 * waist, 8)),
               *shoulder, (thin, top), (0, top)]
    yield "body", lathe(np.array(profile), 28)
    yield "cap", lathe(np.array([(0, top - 0.006), (1.18 * thin, top - 0.006), (1.18 * thin, height - 0.002),
                                 (1.05 * thin, height), (0, height)]), 24)


@category("hand", height=(0.095, 0.07, 0.14), diameter=(0.082, 0.065, 0.10), handle=(True, False),
          taper=(1.0, 0.7, 1.0))
def cup(height, diameter, handle, taper) -> Iterator[Part]:
    r, wall = diameter / 2, 0.004
    up = np.linspace(0, 1, 8)
    wide = r * (taper + (1 - taper) * up)
    outer = np.column_stack([wide, 0.004 + (height - 0.006) * up])
    inner = np.column_stack([wide - wall, 0.008 + (height - 0.010) * up])[::-1]
    profile = [(0, 0), (0.5 * wide[0], 0), (0.94 * wide[0], 0), *outer, (r - wall / 2, height), *inner,
               (0.5 * wide[0], 0.007),
               (0, 0.007)]
    yield "body", lathe(np.array(profile), 36)
    if handle:
        low, high = 0.24 * height, 0.80 * height
        edge = np.interp([low, high], outer[:, 1], outer[:, 0]) - 0.002
        reach = 0.030
        points = np.array([(edge[0], low), (edge[0] + 0.8 * reach, low + 0.08 * height), (r + reach, (low + high) / 2),
                           (edge[1] + 0.8 * reach, high - 0.02 * height), (edge[1], high)])
        path = np.column_stack([curve(points, 20), np.zeros(20)])
        yield "handle", tube(path, np.tile([[0.0055, 0.0035]], (20, 1)), 10, up=(0, 0, 1))


@category("hands", height=(0.23, 0.17, 0.30), width=(0.155, 0.11, 0.22), thickness=(0.028, 0.012, 0.05),
          opening=(110.0, 0.0, 170.0))
def book(height, width, thickness, opening) -> Iterator[Part]:
    """The spine stands upright at the rear; opened, the pages face +z."""
    cover, half = 0.0025, thickness / 2
    for side in (-1, 1):
        board = box((cover, height, width), (side * (half - cover / 2), 0, width / 2), 0, 0.025)
        pages = box((half - cover, height - 0.008, width - 0.005), (side * (half - cover) / 2, 0, width / 2 - 0.002), 0,
                    0.025)
        yield "cover", turned(board, "y", side * opening / 2)
        yield "pages", turned(pages, "y", side * opening / 2)
    yield "cover", slab(rectangle(thickness, 0.006, 0.0029, 4), height - 0.001, (0, 0, -0.001))


@category("hands", width=(0.33, 0.28, 0.40), depth=(0.23, 0.19, 0.28), opening=(110.0, 60.0, 135.0))
def laptop(width, depth, opening) -> Iterator[Part]:
    base, lid = 0.014, 0.007
    yield "base", slab(rectangle(width, depth, 0.012, 5), base, (0, base / 2, 0), bevel=0.003)
    yield "base", box((width - 0.03, 0.001, depth - 0.03), (0, base + 0.0002, 0), 0, 0.03)
    rows, columns = 5, 13
    pitch = (width - 0.05) / columns
    for z in np.arange(rows):
        for x in np.arange(columns):
            at = ((x - (columns - 1) / 2) * pitch, base + 0.001, -depth / 2 + 0.035 + 0.0185 * z * depth / 0.23)
            yield "key", box((0.85 * pitch, 0.0025, 0.0155 * depth / 0.23), at, 0, 1)
    yield "touchpad", box((0.36 * width, 0.001, 0.30 * depth), (0, base + 0.0008, 0.30 * depth), 0, 0.03)
    screen = [("screen", extrude(rectangle(width, depth, 0.012, 5), lid, (0, depth / 2, -lid / 2), bevel=0.002)),
              ("screen", box((width - 0.016, depth - 0.024, 0.001), (0, depth / 2 + 0.003, 0.0002), 0, 0.03))]
    for name, mesh in screen:
        yield name, moved(turned(mesh, "x", 90 - opening), (0, base + 0.002, -depth / 2 + 0.006))
    yield "hinge", rod((-0.38 * width, base, -depth / 2 + 0.004), (0.38 * width, base, -depth / 2 + 0.004), 0.006)


@category("hand", height=(0.150, 0.13, 0.17), width=(0.072, 0.062, 0.080), thickness=(0.0085, 0.007, 0.012))
def phone(height, width, thickness) -> Iterator[Part]:
    """Upright, the screen to +z."""
    body = extrude(rectangle(width, height, 0.010, 6), thickness, bevel=0.002)
    yield "body", body
    yield "screen", extrude(rectangle(0.92 * width, 0.96 * height, 0.008, 6), 0.0008, (0, 0, thickness / 2), layers=1)
    bump = (0.19 * width, 0.33 * height, -thickness / 2)
    yield "camera", box((0.034, 0.036, 0.003), (bump[0] - 0.002, bump[1], bump[2]), 0.001, 0.01)
    for x, y in ((-0.008, 0.008), (-0.008, -0.008), (0.008, 0.0)):
        disc = lathe(np.array([(0, 0), (0.006, 0), (0.006, 0.003), (0, 0.003)]), 16)
        yield "camera", moved(turned(disc, "x", -90), (bump[0] - 0.002 + x, bump[1] + y, bump[2] - 0.001))
    yield "button", box((0.002, 0.020, 0.003), (width / 2, 0.15 * height, 0), 0, 0.01)


@category("hands", width=(0.56, 0.45, 0.80), height=(0.33, 0.27, 0.40), stand=(0.14, 0.08, 0.22))
def monitor(width, height, stand) -> Iterator[Part]:
    middle = stand + height / 2
    yield "screen", extrude(rectangle(width, height, 0.008, 4), 0.022, (0, middle, 0), bevel=0.003)
    yield "screen", box((width - 0.02, height - 0.025, 0.002), (0, middle + 0.004, 0.0108), 0, 0.05)
    yield "back", box((0.5 * width, 0.6 * height, 0.035), (0, middle, -0.02), 0.015, 0.06)
    yield "stand", turned(box((0.07, middle, 0.018), (0, middle / 2, -0.055), 0.006, 0.05), "x", 4, (0, 0, -0.055))
    yield "stand", box((0.06, 0.06, 0.04), (0, middle - 0.02, -0.042), 0.008, 0.05)
    yield "stand", slab(rectangle(0.26, 0.19, 0.02, 6), 0.014, (0, 0.007, -0.03), bevel=0.003)


@category("hands", width=(0.44, 0.36, 0.47), depth=(0.135, 0.11, 0.16), slope=(5.0, 2.0, 9.0))
def keyboard(width, depth, slope) -> Iterator[Part]:
    columns = round(width / 0.0215)
    pitch, row = (width - 0.016) / columns, (depth - 0.018) / 6
    pieces = [("body", slab(rectangle(width, depth, 0.008, 5), 0.016, (0, 0.008, 0), bevel=0.003))]
    for z in range(6):
        wide = {5: [1.2, 1.2, 1.2, 6.0, 1.2, 1.2, 1.2], 4: [2.2], 3: [1.8], 2: [1.5]}.get(z, [])
        wide = wide + [1.0] * int(columns - sum(wide))
        wide = np.array(wide) * columns / sum(wide)
        for x, w in zip(np.cumsum(wide) - wide / 2 - columns / 2, wide, strict=True):
            at = (x * pitch, 0.020, (z - 2.5) * row)
            pieces.append(("key", box((w * pitch - 0.003, 0.009, row - 0.003), at, 0, 1)))
    for name, mesh in pieces:
        yield name, turned(mesh, "x", slope, (0, 0, depth / 2))
    for x in (-1, 1):
        lift = depth * np.sin(np.radians(slope))
        yield "foot", box((0.03, lift + 0.006, 0.01), (x * 0.4 * width, (lift + 0.006) / 2, -depth / 2 + 0.02), 0, 0.05)


@category("hands", diameter=(0.14, 0.11, 0.18), length=(0.61, 0.55, 0.66), turns=(6.0, 5.0, 8.0))
def yoga_mat(diameter, length, turns) -> Iterator[Part]:
    """Rolled up, lying along x."""
    count = int(24 * turns)
    angle = np.linspace(0, 2 * np.pi * turns, count)
    gap = 0.5 * 0.82 * diameter / (turns + 0.4)
    reach = 0.5 * diameter - 0.5 * gap - gap * turns * np.linspace(1, 0, count)
    path = np.column_stack([np.zeros(count), reach * np.sin(angle), reach * np.cos(angle)])
    yield "mat", tube(path, 1.0, profile=rectangle(0.86 * gap, length, 0.2 * gap, 2), up=(1, 0, 0))
    for x in (-0.28, 0.28):
        loop = np.column_stack([np.full(32, x * length), arc(0.5 * diameter - 0.6 * gap, 0, 348.75, 32)])
        yield "strap", tube(loop, np.tile([[0.65 * gap + 0.002, 0.014]], (32, 1)), ring_shaped=True, up=(1, 0, 0))
