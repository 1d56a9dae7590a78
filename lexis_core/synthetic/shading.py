"""Compiled shading: every pixel of the z-buffer, and of the place behind it, becomes light."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lexis_core.synthetic.backdrop import Place, behind
from lexis_core.synthetic.clothing import worn
from lexis_core.synthetic.kernels import compiled, inlined
from lexis_core.synthetic.lighting import Light, Shadows, lit, sunlit

Array = np.ndarray

SAMPLES = 2  # z-buffer pixels along a picture's pixel
BODY, THING, CLUTTER = 0, 1, 2  # owners of faces
DRESSED = -1  # material of faces that wear the outfit


class Geometry(NamedTuple):
    """All triangles, camera space, metres.

    vertices : (V, 3); coords : (V, 3) places in texture space
    normals  : (N, 3) unit; normal_faces : (F, 3), which normal each corner of a face has
    faces    : (F, 3) int32; owner, material : (F,) int16
    """

    vertices: Array
    coords: Array
    normals: Array
    faces: Array
    normal_faces: Array
    owner: Array
    material: Array


@inlined
def _apart(a: int, b: int, g: Geometry) -> bool:
    """Whether there is an edge between two faces seen in one pixel: of owner, of material, or in depth."""
    if g.owner[a] != g.owner[b] or g.material[a] != g.material[b]:
        return True
    za, zb = g.vertices[g.faces[a, 0], 2], g.vertices[g.faces[b, 0], 2]
    return abs(za - zb) > 0.02 * za


@inlined
def _surface(face: int, dx: float, dy: float, g: Geometry, table: Array, borders: Array, light: Light,
             shadows: Shadows, out: Array) -> None:
    """Light and normal where the ray (dx, dy, 1) meets a face's plane (Moeller and Trumbore 1997)."""
    a, b, c = g.faces[face, 0], g.faces[face, 1], g.faces[face, 2]
    ax, ay, az = g.vertices[a, 0], g.vertices[a, 1], g.vertices[a, 2]
    ux, uy, uz = g.vertices[b, 0] - ax, g.vertices[b, 1] - ay, g.vertices[b, 2] - az
    vx, vy, vz = g.vertices[c, 0] - ax, g.vertices[c, 1] - ay, g.vertices[c, 2] - az
    px, py, pz = dy * vz - vy, vx - dx * vz, dx * vy - dy * vx
    det = ux * px + uy * py + uz * pz
    if abs(det) < 1e-14:
        det = 1e-14
    u = -(ax * px + ay * py + az * pz) / det
    qx, qy, qz = -ay * uz + az * uy, -az * ux + ax * uz, -ax * uy + ay * ux
    v = (dx * qx + dy * qy + qz) / det
    u, v = min(max(u, 0.0), 1.0), min(max(v, 0.0), 1.0)
    if u + v > 1:
        u, v = u / (u + v), v / (u + v)
    w = 1 - u - v
    na, nb, nc = g.normal_faces[face, 0], g.normal_faces[face, 1], g.normal_faces[face, 2]
    nx = w * g.normals[na, 0] + u * g.normals[nb, 0] + v * g.normals[nc, 0]
    ny = w * g.normals[na, 1] + u * g.normals[nb, 1] + v * g.normals[nc, 1]
    nz = w * g.normals[na, 2] + u * g.normals[nb, 2] + v * g.normals[nc, 2]
    length = max(np.sqrt(nx * nx + ny * ny + nz * nz), 1e-9)
    nx, ny, nz = nx / length, ny / length, nz / length
    x = w * g.coords[a, 0] + u * g.coords[b, 0] + v * g.coords[c, 0]
    y = w * g.coords[a, 1] + u * g.coords[b, 1] + v * g.coords[c, 1]
    z = w * g.coords[a, 2] + u * g.coords[b, 2] + v * g.coords[c, 2]
    material = g.material[face]
    if material < 0:
        material = worn(x, y, z, borders)
    tx, ty, tz = ax + u * ux + v * vx, ay + u * uy + v * vy, az + u * uz + v * vz
    open_sky = 0.5 + 0.5 * (nx * light.up[0] + ny * light.up[1] + nz * light.up[2])
    sun = sunlit(tx + 0.012 * nx, ty + 0.012 * ny, tz + 0.012 * nz, light, shadows, light.soft[0])
    lit(material, x, y, z, nx, ny, nz, dx, dy, open_sky, sun, table, light, out)


@compiled
def paint_background(ids: Array, lens: Array, table: Array, light: Light, shadows: Shadows, place: Place,
                     pictures: Array, picture: Array) -> None:
    """Fill picture (H, W, 3) with the linear light of the place, but where meshes hide all of a pixel.

    ids  : (n H, n W) faces of the z-buffer
    lens : (4,) fx, fy, cx, cy of this picture; pictures : (R, 8) on the walls: which wall, left, right, bottom, top in
    metres, linear colour
    """
    out = np.zeros(6)
    block = len(ids) // len(picture)
    for row in range(len(picture)):
        for column in range(picture.shape[1]):
            seen = False
            for s in range(block * block):
                if ids[row * block + s // block, column * block + s % block] < 0:
                    seen = True
                    break
            if seen:
                dx, dy = (column + 0.5 - lens[2]) / lens[0], (row + 0.5 - lens[3]) / lens[1]
                behind(dx, dy, table, light, shadows, place, pictures, out)
                for k in range(3):
                    picture[row, column, k] = out[k]


@compiled
def paint(ids: Array, lens: Array, geometry: Geometry, table: Array, borders: Array, light: Light, shadows: Shadows,
          picture: Array, normals: Array, cover: Array) -> None:
    """Put the meshes over the background in picture (H, W, 3), linear light.

    ids     : (SAMPLES H, SAMPLES W) faces of the z-buffer; lens : (4,) fx, fy, cx, cy of the picture
    normals : (H, W, 3) of what is nearest; cover : (H, W, 3) each owner's share of a pixel; both zero before
    Pixels that show one thing are shaded once, those with an edge in every sample.
    """
    height, width = picture.shape[:2]
    step = 1.0 / SAMPLES
    here, there = np.zeros(6), np.zeros(6)
    for row in range(height):
        for column in range(width):
            edge, empty = False, True
            first = ids[SAMPLES * row, SAMPLES * column]
            for s in range(SAMPLES * SAMPLES):
                face = ids[SAMPLES * row + s // SAMPLES, SAMPLES * column + s % SAMPLES]
                if face >= 0:
                    cover[row, column, geometry.owner[face]] += step * step
                    empty = False
                if (face < 0) != (first < 0):
                    edge = True
                elif face >= 0 and face != first:
                    edge |= _apart(face, first, geometry)
            if empty:
                continue
            for k in range(6):
                here[k] = 0
            count = SAMPLES * SAMPLES if edge else 1
            for s in range(count):
                face = ids[SAMPLES * row + s // SAMPLES, SAMPLES * column + s % SAMPLES]
                if face < 0:
                    for k in range(3):
                        here[k] += picture[row, column, k] / count
                    continue
                dx = column + ((s % SAMPLES + 0.5) * step if edge else 0.5)
                dy = row + ((s // SAMPLES + 0.5) * step if edge else 0.5)
                dx, dy = (dx - lens[2]) / lens[0], (dy - lens[3]) / lens[1]
                _surface(face, dx, dy, geometry, table, borders, light, shadows, there)
                for k in range(6):
                    here[k] += there[k] / count
            for k in range(3):
                picture[row, column, k] = here[k]
                normals[row, column, k] = here[3 + k]
