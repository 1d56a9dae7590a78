"""Compiled light: sun with its shadows, sky, and how a textured surface answers them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lexis_core.synthetic.kernels import inlined, noise, pattern

Array = np.ndarray
Vector = tuple[float, float, float]


class Light(NamedTuple):
    """Sun, sky and where their shadows lie. Colours are linear, everything is camera space and metres.

    Plain numbers only: a compiled call that hands on arrays counts references, which costs more than the shading.

    up     : unit; toward : unit, to the sun; sun, sky, ground : colours
    axes   : right, down and toward of the sun's depth map; origin : its middle; span : its side
    soft   : half width of a shadow's edge in texels, on things and on the floor
    contact_axes : of the floor's map of lost sky, which has the same middle and side
    """

    up: Vector
    toward: Vector
    sun: Vector
    sky: Vector
    ground: Vector
    axes: tuple[Vector, Vector, Vector]
    origin: Vector
    span: float
    soft: tuple[float, float]
    contact_axes: tuple[Vector, Vector]


class Shadows(NamedTuple):
    """depth : (S, S) nearness to the sun; contact : (C, C) the share of the sky that the floor loses. float32"""

    depth: Array
    contact: Array


@inlined
def lit(material: int, x: float, y: float, z: float, nx: float, ny: float, nz: float, dx: float, dy: float,
        open_sky: float, sunlit: float, table: Array, light: Light, out: Array) -> None:
    """Diffuse light of sun, sky and ground, and Blinn's highlight, on a textured surface."""
    m = material
    second = pattern(int(table[m, 0]), x, y, z, table[m, 1])
    facing = nx * light.toward[0] + ny * light.toward[1] + nz * light.toward[2]
    if table[m, 10] > 0:
        facing += table[m, 10] * (noise(14 * x, 9 * y, 14 * z) - 0.5)
    diffuse = max(facing, 0.0) * sunlit
    shine = 0.0
    if table[m, 8] > 0 and sunlit > 0:
        far = np.sqrt(dx * dx + dy * dy + 1)
        hx, hy, hz = light.toward[0] - dx / far, light.toward[1] - dy / far, light.toward[2] - 1 / far
        along = (nx * hx + ny * hy + nz * hz) / max(np.sqrt(hx * hx + hy * hy + hz * hz), 1e-9)
        power = max(along, 0.0) ** 2
        for _ in range(int(table[m, 9])):
            power *= power
        shine = table[m, 8] * power * sunlit
    for k in range(3):
        albedo = table[m, 2 + k] * (1 - second) + table[m, 5 + k] * second
        ambient = light.ground[k] + (light.sky[k] - light.ground[k]) * open_sky
        out[k] = albedo * (ambient + light.sun[k] * diffuse) + light.sun[k] * shine
    out[3], out[4], out[5] = nx, ny, nz


@inlined
def sunlit(x: float, y: float, z: float, light: Light, shadows: Shadows, soft: float) -> float:
    """The share of four rays around the one to the sun that nothing stops."""
    x, y, z = x - light.origin[0], y - light.origin[1], z - light.origin[2]
    size = len(shadows.depth)
    scale = size / light.span
    column = (x * light.axes[0][0] + y * light.axes[0][1] + z * light.axes[0][2]) * scale + 0.5 * size
    row = (x * light.axes[1][0] + y * light.axes[1][1] + z * light.axes[1][2]) * scale + 0.5 * size
    if not (soft + 1 <= row < size - soft - 1 and soft + 1 <= column < size - soft - 1):
        return 1.0
    near = x * light.axes[2][0] + y * light.axes[2][1] + z * light.axes[2][2] + 0.01
    part = 0.4 * soft
    stopped = (
        (shadows.depth[int(row - soft), int(column - part)] > near)
        + (shadows.depth[int(row - part), int(column + soft)] > near)
        + (shadows.depth[int(row + soft), int(column + part)] > near)
        + (shadows.depth[int(row + part), int(column - soft)] > near)
    )
    return 1 - 0.25 * stopped
