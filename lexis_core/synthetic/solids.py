"""Objects as the contact solver sees them: distance on a grid, exact trees, places to touch, handles to grip."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import igl
import numpy as np
from scipy.ndimage import label

from lexis_core.objects.model import ObjectModel

Array = np.ndarray

CELLS = 60_000  # of a grid, about
FINER = {"bicycle": 3, "motorcycle": 3}  # times as many where legs go between thin parts of a large thing
MARGIN = 0.10  # metres of grid around the object
SAMPLES = 3000  # surface points the places to touch are drawn from
NEIGHBOURHOOD = 0.035  # metres, half the width of a hand
SMALLEST_GRIP, SLENDER, LARGEST_GRIP = 0.004, 0.022, 0.06  # metres, radius


@dataclass(frozen=True)
class Spot:
    """A place on the object: point (3,), outward normal (3,), and for handles the axis (3,) and radius; canonical.

    Of a handle, the point lies on its axis.
    """

    point: Array
    normal: Array
    axis: Array | None = None
    radius: float = 0.0


@dataclass(frozen=True)
class Solid:
    """One object instance.

    values, origin, cell, dims : signed distance (metres, negative inside) at origin + cell * index, C order
    points, normals, part_of   : SAMPLES surface points, their outward normals and part indices
    """

    model: ObjectModel
    values: Array
    origin: Array
    cell: float
    dims: Array
    points: Array
    normals: Array
    part_of: Array
    tree: igl.AABB
    winding: igl.FastWindingNumberBVH
    vertices: Array
    faces: Array
    grips: dict = field(default_factory=dict)

    @cached_property
    def low(self) -> Array:
        return self.vertices.min(0)

    @cached_property
    def high(self) -> Array:
        return self.vertices.max(0)

    def signed_distance(self, points: Array, matters: float = np.inf) -> Array:
        """Exact, (P,) metres, negative inside; points (P, 3) canonical.

        matters : of points further than this from the object's box, the distance to the box is enough
        """
        points = np.ascontiguousarray(points, np.float64)
        if matters < np.inf:
            distance = np.linalg.norm(points - np.clip(points, self.low, self.high), axis=1)
            close = np.flatnonzero(distance < matters)
            distance[close] = self.signed_distance(points[close])
            return distance
        distance = np.sqrt(self.tree.squared_distance(self.vertices, self.faces, points)[0])
        near = ((points >= self.low) & (points <= self.high)).all(1)
        if near.any():
            within = np.abs(self.winding.winding_number(np.ascontiguousarray(points[near]))) > 0.5
            distance[near] = np.where(within, -distance[near], distance[near])
        return distance


def solid(model: ObjectModel, seed: int, values: Array | None = None) -> Solid:
    """Prepare an object of the library for solving. values : its grid, when it is known already."""
    vertices, faces = model.mesh.vertices.astype(np.float64), model.mesh.faces.astype(np.int64)
    tree, winding = igl.AABB(), igl.FastWindingNumberBVH()
    tree.init(vertices, faces)
    winding.init(vertices, faces)
    low, high = vertices.min(0) - MARGIN, vertices.max(0) + MARGIN
    cell = float((np.prod(high - low) / (CELLS * FINER.get(model.category, 1))) ** (1 / 3))
    dims = 2 * np.ceil((high - low) / (2 * cell)).astype(int) + 1
    bare = Solid(model, np.zeros(0), low, cell, dims, *_samples(model, seed), tree, winding, vertices, faces)
    if values is None:
        values = _values(bare)
    return replace(bare, values=values)


def _values(solid: Solid) -> Array:
    """Signed distances on the grid: exact near the surface, from every other point along each axis elsewhere."""
    distance = _unsigned(solid, np.indices((solid.dims + 1) // 2) * 2)
    for axis in range(3):
        distance = _between(distance, axis)
    near = np.nonzero(distance < 2.5 * solid.cell)
    distance[near] = _unsigned(solid, np.stack(near))
    # where the surface is further than a step, neighbours lie on the same side
    regions, _ = label(distance > solid.cell)
    _, first = np.unique(regions, return_index=True)
    doubtful = np.flatnonzero(regions == 0)
    ids = np.concatenate([doubtful, first[1:]])
    at = solid.origin + solid.cell * np.stack(np.unravel_index(ids, solid.dims), -1)
    within = np.abs(solid.winding.winding_number(np.ascontiguousarray(at))) > 0.5
    inner = np.concatenate([[False], within[len(doubtful):]])[regions]
    inner.flat[doubtful] = within[: len(doubtful)]
    return np.where(inner, -distance, distance).ravel().astype(np.float32)


def _unsigned(solid: Solid, index: Array) -> Array:
    """Exact distances at grid points (3, ...)."""
    points = np.ascontiguousarray(np.moveaxis(index, 0, -1).reshape(-1, 3) * solid.cell + solid.origin)
    return np.sqrt(solid.tree.squared_distance(solid.vertices, solid.faces, points)[0]).reshape(index.shape[1:])


def _between(values: Array, axis: int) -> Array:
    """Twice as dense along an axis, linear."""
    values = np.moveaxis(values, axis, 0)
    dense = np.empty((2 * len(values) - 1, *values.shape[1:]))
    dense[::2] = values
    dense[1::2] = 0.5 * (values[1:] + values[:-1])
    return np.moveaxis(dense, 0, axis)


def _samples(model: ObjectModel, seed: int) -> tuple[Array, Array, Array]:
    """Area-weighted within each part, so that a small handle gets as many as a large body."""
    rng = np.random.default_rng(seed)
    each = SAMPLES // len(model.parts)
    points, normals, owner = [], [], []
    for k, (_, first, count) in enumerate(model.parts):
        a, b, c = (model.mesh.vertices[model.mesh.faces[first:first + count, n]].astype(np.float64) for n in range(3))
        cross = np.cross(b - a, c - a)
        area = np.linalg.norm(cross, axis=1)
        pick = rng.choice(count, each, p=area / area.sum())
        u, v = rng.random((2, each, 1))
        u, v = np.where(u + v > 1, 1 - u, u), np.where(u + v > 1, 1 - v, v)
        points.append(a[pick] + u * (b - a)[pick] + v * (c - a)[pick])
        normals.append(cross[pick] / np.maximum(area[pick, None], 1e-12))
        owner.append(np.full(each, k))
    return np.concatenate(points), np.concatenate(normals), np.concatenate(owner)


def _of_parts(solid: Solid, parts: tuple[str, ...]) -> Array:
    names = [name for name, _, _ in solid.model.parts]
    if parts == ("*",):
        return np.ones(len(solid.part_of), bool)
    return np.isin(solid.part_of, [k for k, name in enumerate(names) if name in parts])


def spots(solid: Solid, parts: tuple[str, ...], turn: Array, facing: Array, low: Array, high: Array,
          least: float = 0.75) -> list[Spot]:
    """Places on these parts that face that way, within the part of the parts' box given by fractions low..high.

    turn : (3, 3) from canonical to the person's frame, in which facing, low and high are given
    parts : ("*",) stands for the whole object
    """
    own = _of_parts(solid, parts)
    if not own.any():
        return []
    points, normals = solid.points @ turn.T, solid.normals @ turn.T
    corner, extent = points[own].min(0), np.maximum(np.ptp(points[own], axis=0), 1e-9)
    share = (points - corner) / extent
    facing = np.asarray(facing, float) / np.linalg.norm(facing)
    ids = np.flatnonzero(own & (normals @ facing > least) & ((share >= low) & (share <= high)).all(1))
    if len(ids):
        ids = ids[solid.signed_distance(solid.points[ids] + 0.03 * solid.normals[ids]) > 0.015]
    return [Spot(solid.points[k], solid.normals[k]) for k in ids]


def grips(solid: Solid, parts: tuple[str, ...], largest: float = LARGEST_GRIP, clearance: float = 0.02) -> list[Spot]:
    """Stretches of these parts that a hand fits around: normals give the axis, their meeting point the centre.

    clearance : metres free around the handle, over three quarters of the way round, for the fingers
    """
    key = (parts, largest)
    if key not in solid.grips:
        own = np.flatnonzero(_of_parts(solid, parts))
        # thin ones apart: two handles of a bag lie closer together than a bottle is thick
        found = [_grip(solid, own, k, most) for most in (SLENDER, largest) for k in own[:: max(1, len(own) // 80)]]
        solid.grips[key] = _free([spot for spot in found if spot is not None], solid, clearance)
    return solid.grips[key]


def _grip(solid: Solid, own: Array, seed: int, largest: float) -> Spot | None:
    """The handle around one sample, or None when the surface is not round there."""
    near = own[np.linalg.norm(solid.points[own] - solid.points[seed], axis=1) < NEIGHBOURHOOD + 0.6 * largest]
    if len(near) < 12:
        return None
    _, basis = np.linalg.eigh(solid.normals[near].T @ solid.normals[near])
    axis = basis[:, 0]
    near = near[np.abs((solid.points[near] - solid.points[seed]) @ axis) < NEIGHBOURHOOD]
    side = near[np.abs(solid.normals[near] @ axis) < 0.35]
    outward = (solid.points[side] - solid.points[side].mean(0)) * solid.normals[side]
    side = side[outward.sum(1) > 0]  # of a hollow thing, its outside
    if len(side) < 12:
        return None
    # where lines along the normals meet: p - r n = c, least squares in the plane across the axis
    p, n = (values[side] @ basis[:, 1:] for values in (solid.points, solid.normals))
    rows = np.concatenate([np.concatenate([np.eye(2)[None].repeat(len(p), 0), n[..., None]], -1)]).reshape(-1, 3)
    answer, *_ = np.linalg.lstsq(rows, p.ravel(), rcond=None)
    rest = np.sqrt(((rows @ answer - p.ravel()) ** 2).mean())
    radius = float(answer[2])
    if not SMALLEST_GRIP <= radius <= largest or rest > max(0.3 * radius, 0.003):
        return None
    along = (solid.points[seed] @ axis) * axis
    centre = basis[:, 1:] @ answer[:2] + along
    return Spot(centre, solid.normals[seed], axis, radius)


def _free(found: list[Spot], solid: Solid, clearance: float) -> list[Spot]:
    """Those of the handles with room for fingers around them, and solid along their axis."""
    if not found:
        return []
    centre, axis = np.stack([s.point for s in found])[:, None], np.stack([s.axis for s in found])[:, None]
    radius = np.array([s.radius for s in found])[:, None]
    side = np.cross(axis, np.eye(3)[np.abs(axis).argmin(-1)])
    side /= np.linalg.norm(side, axis=-1, keepdims=True)
    turn = np.linspace(0, 2 * np.pi, 12, endpoint=False)[:, None]
    around = (radius + clearance)[..., None] * (np.cos(turn) * side + np.sin(turn) * np.cross(axis, side))
    ring = np.concatenate([centre + around + shift * axis for shift in (-0.035, 0, 0.035)], 1)
    room = solid.signed_distance(ring.reshape(-1, 3)).reshape(len(found), -1)
    ends = np.concatenate([centre - 0.025 * axis, centre + 0.025 * axis], 1)
    gap = np.abs(solid.signed_distance(ends.reshape(-1, 3)).reshape(len(found), -1))
    good = ((room > 0.5 * clearance).mean(1) >= 0.75) & (gap <= np.maximum(0.004, 1.1 * radius)).all(1)
    return [s for s, ok in zip(found, good, strict=True) if ok]
