"""Compiled loops of the training renderer: z-buffer, normals, and the noise that textures are made of."""

from __future__ import annotations

import numpy as np
from numba import njit

Array = np.ndarray

compiled = njit(cache=True, error_model="numpy")  # a division by zero gives infinity, as in numpy
inlined = njit(cache=True, error_model="numpy", forceinline=True)


@compiled
def rasterise(seen: Array, faces: Array, facing: float, best: Array, ids: Array) -> None:
    """The nearest face at every pixel centre, written into ids (H, W) int32 and best (H, W) float32.

    seen   : (V, 3) float32, x and y in pixels and nearness: larger is nearer, affine in the image (1 / z of a pinhole,
             -z of a parallel projection); faces with a corner at -inf are left out
    facing : 1 keeps the faces whose outside is seen, -1 those whose inside is

    best and ids hold what was drawn before, -inf and -1 at first.
    """
    height, width = ids.shape
    for f in range(len(faces)):
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        xa, ya, xb, yb, xc, yc = seen[a, 0], seen[a, 1], seen[b, 0], seen[b, 1], seen[c, 0], seen[c, 1]
        area = ((xc - xa) * (yb - ya) - (xb - xa) * (yc - ya)) * facing
        if not area > 1e-9:
            continue
        left = max(int(np.ceil(min(xa, xb, xc) - 0.5)), 0)
        right = min(int(np.floor(max(xa, xb, xc) - 0.5)), width - 1)
        top = max(int(np.ceil(min(ya, yb, yc) - 0.5)), 0)
        bottom = min(int(np.floor(max(ya, yb, yc) - 0.5)), height - 1)
        if left > right or top > bottom:
            continue
        na, nb, nc = seen[a, 2], seen[b, 2], seen[c, 2]
        if min(na, nb, nc) == -np.inf:
            continue
        scale = facing / area
        along_u, along_v = (yc - yb) * scale, (ya - yc) * scale
        slope_u, slope_v = na - nc, nb - nc
        for row in range(top, bottom + 1):
            py = row + 0.5
            start_u = (xc - xb) * (yb - py) * scale - (xb - 0.5) * along_u
            start_v = (xa - xc) * (yc - py) * scale - (xc - 0.5) * along_v
            for column in range(left, right + 1):
                u, v = start_u + column * along_u, start_v + column * along_v
                if u >= 0 and v >= 0 and u + v <= 1:
                    near = nc + u * slope_u + v * slope_v
                    if near > best[row, column]:
                        best[row, column] = near
                        ids[row, column] = f


@compiled
def vertex_normals(vertices: Array, faces: Array) -> Array:
    """Area-weighted unit normals, (V, 3) float32."""
    normals = np.zeros_like(vertices)
    for f in range(len(faces)):
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        ux, uy, uz = (vertices[b, 0] - vertices[a, 0], vertices[b, 1] - vertices[a, 1], vertices[b, 2] - vertices[a, 2])
        vx, vy, vz = (vertices[c, 0] - vertices[a, 0], vertices[c, 1] - vertices[a, 1], vertices[c, 2] - vertices[a, 2])
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        for k in (a, b, c):
            normals[k, 0] += nx
            normals[k, 1] += ny
            normals[k, 2] += nz
    for k in range(len(normals)):
        length = np.sqrt(normals[k, 0] ** 2 + normals[k, 1] ** 2 + normals[k, 2] ** 2)
        normals[k] /= max(length, np.float32(1e-12))
    return normals


@compiled
def cross(a: Array, b: Array) -> Array:
    """Of two (3,) vectors; numpy's own takes fifty times longer."""
    return np.array([a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]])


@compiled
def bounds(points: Array) -> tuple[Array, Array]:
    """The least and the greatest of each coordinate of (N, 3) points."""
    low, high = points[0].copy(), points[0].copy()
    for k in range(len(points)):
        for axis in range(3):
            low[axis] = min(low[axis], points[k, axis])
            high[axis] = max(high[axis], points[k, axis])
    return low, high


@compiled
def seen_through(points: Array, lens: Array) -> Array:
    """Pinhole projection of points (N, 3), camera space: x, y in pixels and 1 / z, (N, 3) float32.

    lens : (4,) fx, fy, cx, cy in pixels. Behind the lens 1 / z comes out as -inf.
    """
    out = np.empty((len(points), 3), np.float32)
    for k in range(len(points)):
        inverse = 1 / points[k, 2]
        out[k, 0] = points[k, 0] * inverse * lens[0] + lens[2]
        out[k, 1] = points[k, 1] * inverse * lens[1] + lens[3]
        out[k, 2] = inverse if points[k, 2] > 1e-3 else -np.inf
    return out


@compiled
def seen_along(points: Array, axes: Array, middle: Array, scale: float, size: int) -> Array:
    """Parallel projection of points (N, 3) onto a map of size x size cells: x, y in cells and height, (N, 3) float32.

    axes : (3, 3) right, down, toward; middle : (3,), what lies in the map's middle; scale : cells a metre
    """
    out = np.empty((len(points), 3), np.float32)
    for k in range(len(points)):
        x, y, z = points[k, 0] - middle[0], points[k, 1] - middle[1], points[k, 2] - middle[2]
        out[k, 0] = (x * axes[0, 0] + y * axes[0, 1] + z * axes[0, 2]) * scale + 0.5 * size
        out[k, 1] = (x * axes[1, 0] + y * axes[1, 1] + z * axes[1, 2]) * scale + 0.5 * size
        out[k, 2] = x * axes[2, 0] + y * axes[2, 1] + z * axes[2, 2]
    return out


@compiled
def splat_low(seen: Array, floor: float, reach: float, out: Array) -> None:
    """Add to each cell of a map how many points (of seen_along) stand over it, few beyond reach (metres)."""
    size = len(out)
    for k in range(len(seen)):
        row, column = int(seen[k, 1]), int(seen[k, 0])
        above = max(seen[k, 2] - floor, 0.0) / reach
        if above < 4 and 0 <= row < size and 0 <= column < size:
            out[row, column] += 1 / (1 + above * above * above)


@compiled
def develop(light: Array, gain: Array, contrast: float, middle: float, grain: float, grey: bool, seed: int,
            out: Array) -> None:
    """Linear light to display values in place of out (H, W, 3) float32: a gamma of two, gain, contrast, grain."""
    height, width = light.shape[:2]
    state = np.uint32(seed)
    values = np.zeros(3)
    for row in range(height):
        for column in range(width):
            for k in range(3):
                state = np.uint32(state * np.uint32(1664525) + np.uint32(1013904223))
                noise_now = (state >> np.uint32(16)) * (1 / 65536) + ((state >> np.uint32(4)) & np.uint32(4095)) / 4096
                values[k] = np.sqrt(max(light[row, column, k], 0.0)) * gain[k]
                values[k] = (values[k] - 0.5) * contrast + middle + grain * (noise_now - 1)
            if grey:
                values[:] = 0.3 * values[0] + 0.59 * values[1] + 0.11 * values[2]
            for k in range(3):
                out[row, column, k] = min(max(values[k], 0.0), 1.0)


@compiled
def hashed(i: int, j: int, k: int) -> float:
    """A number in [0, 1) of a cell of the integer lattice, the same everywhere (Wang's integer hash)."""
    h = np.uint32(i * 73856093 ^ j * 19349663 ^ k * 83492791)
    h = np.uint32((h ^ np.uint32(61)) ^ (h >> np.uint32(16)))
    h = np.uint32(h * np.uint32(9))
    h = np.uint32(h ^ (h >> np.uint32(4)))
    h = np.uint32(h * np.uint32(0x27D4EB2D))
    h = np.uint32(h ^ (h >> np.uint32(15)))
    return h * 2.3283064365386963e-10


@compiled
def noise(x: float, y: float, z: float) -> float:
    """Smooth value noise in [0, 1] with cells of size 1."""
    i, j, k = int(np.floor(x)), int(np.floor(y)), int(np.floor(z))
    u, v, w = x - i, y - j, z - k
    u, v, w = u * u * (3 - 2 * u), v * v * (3 - 2 * v), w * w * (3 - 2 * w)
    total = 0.0
    for a in range(2):
        for b in range(2):
            line = hashed(i + a, j + b, k) * (1 - w) + hashed(i + a, j + b, k + 1) * w
            total += line * (u if a else 1 - u) * (v if b else 1 - v)
    return total


PLAIN, STRIPES, CHECKS, BLOTCHES, WOOD, SPECKLE, PATCH, PLANKS = range(8)


@compiled
def pattern(kind: int, x: float, y: float, z: float, cell: float) -> float:
    """How much of a material's second colour is at this place of its texture space, in [0, 1].

    x, y, z : metres; cell : the pattern's size, metres
    """
    if kind == STRIPES:
        return 1.0 if (y / cell) % 1.0 < 0.5 else 0.0
    if kind == CHECKS:
        first, second = (y / cell) % 1.0 < 0.5, ((x + z) / cell) % 1.0 < 0.5
        return 0.5 * first + 0.5 * second
    if kind == BLOTCHES:
        return min(max(4 * noise(x / cell, y / cell, z / cell) - 1.6, 0.0), 1.0)
    if kind == WOOD:
        grain = noise(x / cell, y / (8 * cell), z / cell)
        return (6 * grain) % 1.0 * 0.6 + 0.4 * noise(9 * x / cell, y / cell, 9 * z / cell)
    if kind == SPECKLE:
        return noise(x / cell, y / cell, z / cell)
    if kind == PATCH:
        return 1.0 if abs(x) < cell and abs(y - 0.25) < 0.7 * cell and z > 0 else 0.0
    if kind == PLANKS:
        row = np.floor(x / cell)
        along = z / (6 * cell) + hashed(int(row), 7, 3)
        edge = (x / cell - row < 0.06) or (along % 1.0 < 0.012)
        tone = 0.6 * hashed(int(row), int(np.floor(along)), 5) + 0.4 * noise(8 * x / cell, 0.0, z / cell)
        return 1.0 if edge else 0.8 * tone
    return 0.0
