"""Compiled backgrounds: what a ray that misses every mesh meets, be it floor, wall, sky or a paper roll."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lexis_core.synthetic.kernels import hashed, inlined, noise
from lexis_core.synthetic.lighting import Light, Shadows, Vector, lit, sunlit

Array = np.ndarray
ROOM, OUTDOORS, STUDIO = range(3)


class Place(NamedTuple):
    """What is behind everyone. up . p = height is the floor; plain numbers as in Light.

    kind       : ROOM, OUTDOORS or STUDIO; seed : of its noise
    up         : unit; height : metres
    walls      : normal and distance of each, normal . p = distance
    along      : unit, the horizontal direction in each wall
    materials  : floor and two walls, rows of the material table
    far        : linear colours: overhead and at the horizon, or the backdrop's bottom and top
    skyline    : height and step (radians) of what stands at the horizon, 0 or 1 for round or square
    """

    kind: int
    seed: int
    up: Vector
    height: float
    walls: tuple[tuple[float, float, float, float], tuple[float, float, float, float]]
    along: tuple[Vector, Vector]
    materials: tuple[int, int, int]
    far: tuple[Vector, Vector]
    skyline: Vector


@inlined
def _floor_light(x: float, y: float, z: float, light: Light, shadows: Shadows) -> tuple[float, float]:
    """How much sun and how much sky a place of the floor gets."""
    sun = sunlit(x, y, z, light, shadows, light.soft[1])
    ox, oy, oz = x - light.origin[0], y - light.origin[1], z - light.origin[2]
    axes, size = light.contact_axes, len(shadows.contact)
    column = int(((ox * axes[0][0] + oy * axes[0][1] + oz * axes[0][2]) / light.span + 0.5) * size)
    row = int(((ox * axes[1][0] + oy * axes[1][1] + oz * axes[1][2]) / light.span + 0.5) * size)
    sky = 1.0 - shadows.contact[row, column] if 0 <= row < size and 0 <= column < size else 1.0
    return sun, sky


@inlined
def _on_floor(x: float, y: float, z: float, dx: float, dy: float, table: Array, light: Light,
              shadows: Shadows, place: Place, out: Array) -> None:
    sun, sky = _floor_light(x, y, z, light, shadows)
    along, up = place.along, place.up
    u = x * along[0][0] + y * along[0][1] + z * along[0][2]
    v = x * along[1][0] + y * along[1][1] + z * along[1][2]
    lit(place.materials[0], u, v, v, up[0], up[1], up[2], dx, dy, sky, sun, table, light, out)
    if place.kind == OUTDOORS:
        haze = 1 - np.exp(-z / 25.0)
        for k in range(3):
            out[k] += haze * (place.far[1][k] - out[k])


@inlined
def _backdrop(tint: float, dx: float, dy: float, climb: float, light: Light, shadows: Shadows, place: Place,
              out: Array) -> None:
    """A paper roll: a gradient that takes the shadows of its floor."""
    shadow = 1.0
    t = place.height / climb
    if t > 0 and t < 12:
        sun, sky = _floor_light(dx * t, dy * t, t, light, shadows)
        shadow = 0.4 + 0.3 * sun + 0.3 * sky
    for k in range(3):
        out[k] = shadow * (place.far[0][k] * (1 - tint) + place.far[1][k] * tint)


@inlined
def _sky(dx: float, dy: float, climb: float, place: Place, out: Array) -> None:
    """Sky over trees or houses."""
    far = np.sqrt(dx * dx + dy * dy + 1)
    rise = climb / far
    turn = np.arctan(dx) / place.skyline[1] + place.seed
    top = place.skyline[0] * (hashed(int(np.floor(turn)), place.seed, 1) if place.skyline[2] > 0.5
                              else noise(turn, 0.5, 0.5) * 0.7 + noise(6 * turn, 3.5, 0.5) * 0.3)
    if rise < top:
        tone = 0.25 + 0.5 * noise(5 * turn, 40 * rise, 0.5)
        if place.skyline[2] > 0.5:
            windows = (turn * 5) % 1 < 0.5 and (rise * 60) % 1 < 0.5
            tone = (0.3 + 0.6 * hashed(int(np.floor(turn)), place.seed, 2)) * (0.5 if windows else 1.0)
        green = 1.25 if place.skyline[2] < 0.5 else 1.0
        out[0], out[1], out[2] = 0.45 * tone, 0.45 * tone * green, 0.42 * tone / green
        return
    mix = min(max(2.5 * rise, 0.0), 1.0)
    cloud = max(noise(4 * dx + place.seed, 9 * dy, 1.5) - 0.55, 0.0)
    for k in range(3):
        out[k] = place.far[1][k] * (1 - mix) + place.far[0][k] * mix + 0.6 * cloud


@inlined
def behind(dx: float, dy: float, table: Array, light: Light, shadows: Shadows, place: Place, pictures: Array,
           out: Array) -> None:
    """What the ray (dx, dy, 1) meets when it misses every mesh: floor, wall, sky, or a backdrop."""
    for k in range(6):
        out[k] = 0
    up = place.up
    climb = dx * up[0] + dy * up[1] + up[2]
    if place.kind == STUDIO:
        far = np.sqrt(dx * dx + dy * dy + 1)
        tint = min(max(0.5 + 0.8 * climb / far + 0.3 * (noise(3 * dx + place.seed, 3 * dy, 0.5) - 0.5), 0.0), 1.0)
        _backdrop(tint, dx, dy, climb, light, shadows, place, out)
        return
    nearest, wall = np.inf, -1
    if place.height / climb > 0:
        nearest, wall = place.height / climb, 0
    if place.kind == ROOM:
        for k in range(2):
            toward = dx * place.walls[k][0] + dy * place.walls[k][1] + place.walls[k][2]
            t = place.walls[k][3] / toward if abs(toward) > 1e-9 else np.inf
            if 0 < t < nearest:
                nearest, wall = t, k + 1
    if wall < 0 or (wall == 0 and nearest > 60):
        _sky(dx, dy, climb, place, out)
        return
    x, y, z = dx * nearest, dy * nearest, nearest
    if wall == 0:
        _on_floor(x, y, z, dx, dy, table, light, shadows, place, out)
        return
    k = wall - 1
    u = x * place.along[k][0] + y * place.along[k][1] + z * place.along[k][2]
    v = x * up[0] + y * up[1] + z * up[2] - place.height
    nx, ny, nz = -place.walls[k][0], -place.walls[k][1], -place.walls[k][2]
    lit(place.materials[wall], u, v, 0.3, nx, ny, nz, dx, dy, 0.5, 1.0, table, light, out)
    p = pictures
    for k in range(len(p)):
        if p[k, 0] == wall - 1 and p[k, 1] < u < p[k, 2] and p[k, 3] < v < p[k, 4]:
            frame = min(u - p[k, 1], p[k, 2] - u, v - p[k, 3], p[k, 4] - v) < 0.03
            for i in range(3):
                out[i] = 0.5 * out[i] if frame else p[k, 5 + i] * (0.4 + 0.8 * noise(4 * u, 4 * v, k))
    if v < 0.09 and place.seed % 3:
        for i in range(3):
            out[i] = 0.6 * out[i]
