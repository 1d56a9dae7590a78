"""Closed, outward-facing solids from which the library's objects are put together. Metres, y up."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lexis_core.geometry import rotation_from_axis_angle
from lexis_core.mesh import Mesh

Array = np.ndarray
Point = Sequence[float]

ORIGIN = (0.0, 0.0, 0.0)
FINE = 0.015  # metres: edges rounded less than this are blunted by a single chamfer


def box(size: Point, centre: Point = ORIGIN, radius: float = 0.0, step: float = 0.1) -> Mesh:
    """A box, its edges rounded by the radius, its flat sides divided into cells no longer than the step."""
    half = np.asarray(size, np.float64) / 2
    radius = min(radius, 0.999 * half.min())
    lines = [_box_lines(h, radius, step) for h in half]
    shape = tuple(len(line) for line in lines)
    index = np.full(shape, -1)
    border = np.ones(shape, bool)
    border[1:-1, 1:-1, 1:-1] = False
    index[border] = np.arange(border.sum())
    grid = np.stack(np.meshgrid(*lines, indexing="ij"), -1)[border]
    if radius > 0:
        inner = np.clip(grid, radius - half, half - radius)
        away = grid - inner
        grid = inner + radius * away / np.linalg.norm(away, axis=1, keepdims=True)
    sides = []
    for axis in range(3):
        near, far = np.take(index, 0, axis), np.take(index, -1, axis)
        # rows and columns are (y, z), (x, z) or (x, y): columns x rows is -x, +y or -z.
        sides += [near, far.T] if axis != 1 else [near.T, far]
    return Mesh((grid + centre).astype(np.float32), np.concatenate([_quads(side) for side in sides]))


def loft(rings: Array, start: Point | None = None, stop: Point | None = None, ring_shaped: bool = False) -> Mesh:
    """The skin over rings (N, M, 3), each counter-clockwise seen from the last ring's side, looking back.

    The ends are closed by fans around start and stop (by default the mean of the end ring), or, when
    ring_shaped, the last ring is joined to the first.
    """
    rings = np.asarray(rings, np.float64)
    count, around = rings.shape[:2]
    index = np.arange(count * around).reshape(count, around)
    index = np.concatenate([index, index[:, :1]], 1)
    if ring_shaped:
        faces = [_quads(np.concatenate([index, index[:1]]))]
        points = rings.reshape(-1, 3)
    else:
        first, last = count * around, count * around + 1
        ends = [rings[0].mean(0) if start is None else start, rings[-1].mean(0) if stop is None else stop]
        points = np.concatenate([rings.reshape(-1, 3), np.asarray(ends, np.float64)])
        faces = [_quads(index), _fan(index[0, ::-1], first), _fan(index[-1], last)]
    return Mesh(points.astype(np.float32), np.concatenate(faces))


def tube(path: Array, radius: float | Array, sides: int = 8, ring_shaped: bool = False,
         profile: Array | None = None, up: Point | None = None, round_ends: bool = False) -> Mesh:
    """A pipe along path (N, 3); radius is one number or one a point, (N,) or (N, 2) along the frame's two axes.

    profile (M, 2), counter-clockwise, replaces the circle; up fixes the frame's second axis, which otherwise is
    carried along the path without twist. round_ends adds a half ball to each end.
    """
    path = np.asarray(path, np.float64)
    radii = np.broadcast_to(np.asarray(radius, np.float64).reshape(-1, 1) if np.ndim(radius) < 2 else radius,
                            (len(path), 2))
    tangent = _tangents(path, ring_shaped)
    ends = path[0], path[-1]
    if round_ends:
        ends = path[0] - radii[0].mean() * tangent[0], path[-1] + radii[-1].mean() * tangent[-1]
        path, radii, tangent = _rounded_ends(path, radii, tangent)
    across, upward = _frames(tangent, up)
    outline = circle(sides) if profile is None else np.asarray(profile, np.float64)
    rings = path[:, None] + (radii[:, :1] * outline[:, 0])[..., None] * across[:, None] \
        + (radii[:, 1:] * outline[:, 1])[..., None] * upward[:, None]
    return loft(rings, *ends, ring_shaped)


def rod(a: Point, b: Point, radius: float, end_radius: float | None = None, sides: int = 8, step: float = 0.1,
        round_ends: bool = False) -> Mesh:
    """A straight, possibly tapering rod from a to b, with a ring at least every step."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    t = np.linspace(0, 1, max(2, 1 + int(np.ceil(np.linalg.norm(b - a) / step))))
    end_radius = radius if end_radius is None else end_radius
    return tube(a + t[:, None] * (b - a), radius + t * (end_radius - radius), sides, round_ends=round_ends)


def post(foot: Point, top: Point, radius: float, top_radius: float | None = None, sides: int = 8,
         step: float = 0.1) -> Mesh:
    """A leg: like rod() from its foot up to its top, but cut level, so that a leaning one stands flat on the floor."""
    foot, top = np.asarray(foot, np.float64), np.asarray(top, np.float64)
    t = np.linspace(0, 1, max(2, 1 + int(np.ceil(np.linalg.norm(top - foot) / step))))
    return level(foot + t[:, None] * (top - foot),
                 radius + t * ((radius if top_radius is None else top_radius) - radius), sides)


def level(path: Array, radius: Array, sides: int = 12) -> Mesh:
    """A pipe of level rings along a rising path (N, 3); radius (N,), or (N, 2) along x and z."""
    path, radius = np.asarray(path, np.float64), np.asarray(radius, np.float64)
    wide, deep = (radius, radius) if radius.ndim == 1 else radius.T
    turn = circle(sides)
    ring = np.stack([wide[:, None] * turn[:, 1], np.zeros((len(path), sides)), deep[:, None] * turn[:, 0]], -1)
    return loft(path[:, None] + ring, path[0], path[-1])


def ellipsoid(radii: Point, centre: Point = ORIGIN, rows: int = 12, sides: int = 20) -> Mesh:
    """A ball stretched along the axes."""
    latitude = np.linspace(-np.pi / 2, np.pi / 2, rows + 1)
    return moved(scaled(lathe(np.stack([np.cos(latitude), np.sin(latitude)], -1), sides), radii), centre)


def lathe(profile: Array, sides: int = 24, centre: Point = ORIGIN, ring_shaped: bool = False) -> Mesh:
    """A solid of revolution about y: profile (N, 2) of (radius, height), upwards along the outside.

    It starts and ends on the axis (radius 0) or is closed there by flat caps; when ring_shaped, the profile is a
    closed loop beside the axis instead.
    """
    profile = np.asarray(profile, np.float64)
    start, stop = [0, profile[0, 1], 0], [0, profile[-1, 1], 0]
    if not ring_shaped:
        profile = profile[profile[:, 0] > 1e-9]
    turn = circle(sides)
    rings = np.stack([profile[:, :1] * turn[:, 1], np.repeat(profile[:, 1:], sides, 1), profile[:, :1] * turn[:, 0]],
                     -1)
    return moved(loft(rings, start, stop, ring_shaped), centre)


def torus(major: float, minor: float, centre: Point = ORIGIN, sides: int = 32, minor_sides: int = 8) -> Mesh:
    """A ring about the y axis."""
    turn = circle(minor_sides)
    return lathe(np.array([major, 0]) + minor * turn, sides, centre, ring_shaped=True)


def extrude(outline: Array, thickness: float, centre: Point = ORIGIN, bevel: float = 0.0, layers: int = 1) -> Mesh:
    """A plate: outline (M, 2) in x and y, counter-clockwise and star-shaped about its mean, extended along z."""
    outline = np.asarray(outline, np.float64)
    half = thickness / 2
    middle = outline.mean(0)
    inset = 1 - bevel / np.linalg.norm(outline - middle, axis=1).mean()
    inner = middle + inset * (outline - middle)
    depths = np.linspace(-half + bevel, half - bevel, layers + 1)
    rows = [(outline, z) for z in depths]
    if bevel > 0:
        rows = [(inner, -half), *rows, (inner, half)]
    rows = [(middle + 0.5 * (rows[0][0] - middle), -half), *rows, (middle + 0.5 * (rows[-1][0] - middle), half)]
    rings = np.stack([np.column_stack([shape, np.full(len(shape), z)]) for shape, z in rows])
    return moved(loft(rings, [*middle, -half], [*middle, half]), centre)


def slab(outline: Array, thickness: float, centre: Point = ORIGIN, bevel: float = 0.0) -> Mesh:
    """extrude() lying down: outline (M, 2) in x and z, counter-clockwise when z points up the page, thick along y."""
    upright = extrude(np.asarray(outline)[::-1] * [1, -1], thickness, bevel=bevel)
    return moved(turned(upright, "x", -90), centre)


def moved(mesh: Mesh, offset: Point) -> Mesh:
    """The mesh shifted by offset (3,) metres."""
    return Mesh((mesh.vertices + np.asarray(offset)).astype(np.float32), mesh.faces)


def scaled(mesh: Mesh, scale: Point) -> Mesh:
    """The mesh stretched about the origin by three positive factors."""
    return Mesh((mesh.vertices * np.asarray(scale)).astype(np.float32), mesh.faces)


def turned(mesh: Mesh, axis: str, degrees: float, about: Point = ORIGIN) -> Mesh:
    """The mesh turned right-handedly about a line along the x, y or z axis through a point."""
    turn = rotation_from_axis_angle(np.radians(degrees) * np.eye(3)["xyz".index(axis)])
    return Mesh(((mesh.vertices - np.asarray(about)) @ turn.T + np.asarray(about)).astype(np.float32), mesh.faces)


def mirrored(mesh: Mesh) -> Mesh:
    """The mesh on the other side of the plane x = 0."""
    return Mesh(mesh.vertices * np.float32([-1, 1, 1]), mesh.faces[:, ::-1].copy())


def circle(sides: int) -> Array:
    """(sides, 2): the unit circle, counter-clockwise."""
    angle = np.arange(sides) * 2 * np.pi / sides
    return np.stack([np.cos(angle), np.sin(angle)], -1)


def rectangle(width: float, height: float, radius: float, corner: int = 4) -> Array:
    """(4 corner, 2): a rectangle with round corners, centred, counter-clockwise."""
    quarter = np.linspace(0, np.pi / 2, corner)
    arcs = [radius * np.stack([np.cos(quarter + k * np.pi / 2), np.sin(quarter + k * np.pi / 2)], -1) for k in range(4)]
    inner = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]]) * [width / 2 - radius, height / 2 - radius]
    return np.concatenate([arc + c for arc, c in zip(arcs, inner, strict=True)])


def curve(points: Array, count: int, ring_shaped: bool = False) -> Array:
    """(count, D): a Catmull-Rom spline through points (N, D), evenly in its parameter."""
    p = np.asarray(points, np.float64)
    before, after = (p[-1:], p[:2]) if ring_shaped else (2 * p[:1] - p[1:2], 2 * p[-1:] - p[-2:-1])
    p = np.concatenate([before, p, after])
    t = np.linspace(0, len(p) - 3, count, endpoint=not ring_shaped)
    k = np.minimum(t.astype(int), len(p) - 4)
    u = (t - k)[:, None]
    a, b, c, d = (p[k + i] for i in range(4))
    return 0.5 * (2 * b + (c - a) * u + (2 * a - 5 * b + 4 * c - d) * u**2 + (3 * b - a - 3 * c + d) * u**3)


def arc(radius: float, start: float, stop: float, count: int) -> Array:
    """(count, 2): part of a circle about the origin; angles in degrees, counter-clockwise from +x."""
    angle = np.radians(np.linspace(start, stop, count))
    return radius * np.stack([np.cos(angle), np.sin(angle)], -1)


def _box_lines(half: float, radius: float, step: float) -> Array:
    flat = half - radius
    inner = np.linspace(-flat, flat, max(2, 1 + int(np.ceil(2 * flat / step - 1e-9))))
    if radius == 0:
        return inner
    bend = radius * np.tan(np.radians([22.5, 45.0] if radius > FINE else [45.0]))
    return np.concatenate([-flat - bend[::-1], inner, flat + bend])


def _quads(index: Array) -> Array:
    """Two triangles a cell of an index grid (R, C): counter-clockwise seen from where rows x columns points away."""
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]
    return np.concatenate([np.stack(t, -1).reshape(-1, 3) for t in ((a, b, c), (a, c, d))]).astype(np.int32)


def _fan(loop: Array, centre: int) -> Array:
    return np.stack([loop[:-1], loop[1:], np.full(len(loop) - 1, centre)], -1).astype(np.int32)


def _tangents(path: Array, ring_shaped: bool) -> Array:
    if ring_shaped:
        step = np.roll(path, -1, 0) - np.roll(path, 1, 0)
    else:
        unit = np.diff(path, axis=0)
        unit /= np.linalg.norm(unit, axis=1, keepdims=True)
        step = np.concatenate([unit[:1], unit[:-1] + unit[1:], unit[-1:]])
    return step / np.linalg.norm(step, axis=1, keepdims=True)


def _frames(tangent: Array, up: Point | None) -> tuple[Array, Array]:
    """Two axes across each tangent, (N, 3) each, so that (across, upward, tangent) is right-handed."""
    guide = np.asarray(up, np.float64) if up is not None else np.eye(3)[np.argmin(np.abs(tangent[0]))]
    upward = np.empty_like(tangent)
    for i, t in enumerate(tangent):
        side = guide - (guide @ t) * t
        upward[i] = side / np.linalg.norm(side)
        if up is None:
            guide = upward[i]
    return np.cross(upward, tangent), upward


def _rounded_ends(path: Array, radii: Array, tangent: Array) -> tuple[Array, Array, Array]:
    """Two more rings at each end, on the half balls there."""
    angle = np.radians([[60.0], [30.0]])
    before, after = radii[0].mean() * np.sin(angle), radii[-1].mean() * np.sin(angle[::-1])
    path = np.concatenate([path[:1] - before * tangent[:1], path, path[-1:] + after * tangent[-1:]])
    radii = np.concatenate([radii[:1] * np.cos(angle), radii, radii[-1:] * np.cos(angle[::-1])])
    return path, radii, np.concatenate([tangent[:1], tangent[:1], tangent, tangent[-1:], tangent[-1:]])
