"""The InterField: how near two surfaces are to each other, exactly, and where one is inside the other.

Distances are to triangles, not to vertices, by libigl's AABB tree. Inside and outside are told by libigl's fast winding
number (Barill et al. 2018), which stays right on meshes with holes and flipped faces. libigl spreads queries over the
cores itself and keeps Python's lock while it works, so a thread pool on top gains nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import igl
import numpy as np

from lexis_core.errors import InputError
from lexis_core.mesh import Mesh, spread, vertex_areas

Array = np.ndarray

SIGMA = 0.10  # metres, the fall-off of the field: our choice, the paper's value is not published
CONTACT = 0.05  # metres, nearer than this is contact: the usual threshold of the field's benchmarks
ASIDE = 1e-3  # of a mesh's extent, how far from its surface its inside is looked for
SMALLEST = np.finfo(np.float32).tiny  # keeps the field above zero where exp underflows, beyond 13 sigma


@dataclass(frozen=True)
class InterField:
    """How near each surface is to the other one: IF(p) = exp(-d(p)^2 / (2 sigma^2)), LEXIS (arXiv 2604.20800).

    body, object                   : (Vb,), (Vo,) float32 in (0, 1], one value a vertex, 1 = touching
    body_distance, object_distance : (Vb,), (Vo,) float32, metres to the nearest point of the other surface, unsigned
    body_inside, object_inside     : (Vb,), (Vo,) bool, the vertex is inside the other mesh
    sigma                          : metres, the fall-off
    """

    body: Array
    object: Array
    body_distance: Array
    object_distance: Array
    body_inside: Array
    object_inside: Array
    sigma: float = SIGMA

    def contact(self, threshold: float = CONTACT) -> tuple[Array, Array]:
        """Which body and which object vertices are nearer than threshold metres: (Vb,) bool, (Vo,) bool."""
        return self.body_distance < threshold, self.object_distance < threshold


@dataclass(frozen=True)
class Summary:
    """An InterField in a few numbers.

    body_field, object_field  : area-weighted mean of the field over each surface, in (0, 1]
    body_contact_area         : m2 of the body surface nearer to the object than the threshold
    object_contact_area       : m2 of the object surface nearer to the body than the threshold
    minimum_distance          : metres between any vertex and the other surface; 0 as soon as a vertex is inside
    penetration_share         : share of the body's vertices inside the object (the collision score of TeHOR), 0..1
    penetration_area_share    : the same by area, 0..1
    maximum_depth, mean_depth : metres from a vertex inside the other mesh back to that mesh's surface, over the
                                vertices of both meshes: a thin stick through a palm may hold no body vertex; 0 if none
    """

    body_field: float
    object_field: float
    body_contact_area: float
    object_contact_area: float
    minimum_distance: float
    penetration_share: float
    penetration_area_share: float
    maximum_depth: float
    mean_depth: float


def measure(body: Mesh, object: Mesh, sigma: float = SIGMA) -> InterField:
    """The InterField of two meshes in one frame, exact at every vertex, stray vertices included.

    sigma : metres, the fall-off
    Raises InputError when a mesh has no faces or is not finite, or sigma is not a positive number.
    """
    _check_sigma(sigma)
    body_surface, object_surface = _surface(body), _surface(object)
    body_distance = _distance(body.vertices, object_surface)
    object_distance = _distance(object.vertices, body_surface)
    return InterField(
        field_of(body_distance, sigma), field_of(object_distance, sigma), body_distance, object_distance,
        _inside(body.vertices, object_surface), _inside(object.vertices, body_surface), float(sigma),
    )


def field_of(distance: Array, sigma: float = SIGMA) -> Array:
    """Metres (...,) -> field (...,) float32 in (0, 1]."""
    _check_sigma(sigma)
    return np.maximum(np.exp(-0.5 * (np.asarray(distance, np.float64) / sigma) ** 2), SMALLEST).astype(np.float32)


def distance_of(field: Array, sigma: float = SIGMA) -> Array:
    """Field (...,) -> metres (...,) float32, to 4e-4 sigma up to 13 sigma, and a lower bound beyond.

    A painted field may hold any number: it is clamped into (0, 1] first.
    """
    _check_sigma(sigma)
    return (sigma * np.sqrt(-2 * np.log(np.clip(np.asarray(field, np.float64), SMALLEST, 1)))).astype(np.float32)


def distance(points: Array, mesh: Mesh) -> Array:
    """Exact distance of points (P, 3) to the triangles of the mesh: (P,) float32, metres, unsigned.

    A face without area counts as the segment or point it has become; vertices that no face uses do not count.
    Raises InputError when the mesh has no faces.
    """
    return distance_to(mesh)(points)


def distance_to(mesh: Mesh) -> Callable[[Array], Array]:
    """distance(points, mesh) as a function of the points, its search tree built once."""
    surface = _surface(mesh)
    tree = _tree(surface)
    return lambda points: np.sqrt(_searched(tree, points, surface)[0]).astype(np.float32)


def closest(points: Array, mesh: Mesh) -> tuple[Array, Array]:
    """The nearest surface point of each of points (P, 3): (P, 3) float32 metres, and its face (P,) int32.

    Raises InputError when the mesh has no faces.
    """
    surface = _surface(mesh)
    _, face, nearest = _nearest(points, surface)
    return nearest.astype(np.float32), surface.origin[face].astype(np.int32)


def inside(points: Array, mesh: Mesh) -> Array:
    """Which of points (P, 3) are inside the mesh: (P,) bool.

    Inside is where the winding number is beyond one half, in either sense, so a mesh turned inside out has the same
    inside; no point outside the bounding box is inside. Holes are closed as a soap film would close them.
    Raises InputError when the mesh has no faces.
    """
    return _inside(points, _surface(mesh))


def outward(points: Array, face: Array, mesh: Mesh) -> Array:
    """Unit normals of the mesh at points (P, 3) on its faces (P,), away from its inside: (P, 3) float32.

    Zeros where both sides are in it, or both out of it: an inner wall, an open sheet. The mesh's own winding does not
    matter. Raises InputError when the mesh has no faces.
    """
    return _sides(points, face, mesh)[0]


def outer(points: Array, face: Array, mesh: Mesh, count: int) -> tuple[Array, Array]:
    """So many of points (P, 3) on a mesh's faces (P,) as lie far apart, none on an inner wall: (count,) rows of them,
    and outward there, (count, 3).

    On such a wall the inside is on both sides, and nothing touches it; all points count where too few lie elsewhere.
    Raises InputError when the mesh has no faces.
    """
    normals, buried = _sides(points, face, mesh)
    rows = np.flatnonzero(~buried)
    rows = rows if len(rows) >= count else np.arange(len(points))
    rows = rows[spread(points[rows], count)]
    return rows, normals[rows]


def _sides(points: Array, face: Array, mesh: Mesh) -> tuple[Array, Array]:
    """What outward says, and whether the mesh's inside is on both sides of each point: (P,) bool."""
    surface = _surface(mesh)
    a, b, c = (surface.vertices[mesh.faces[face, k]] for k in range(3))
    normals = np.cross(b - a, c - a)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), SMALLEST)
    step = ASIDE * np.ptp(surface.vertices[surface.faces.ravel()], axis=0).max() * normals
    front, back = np.split(_inside(np.concatenate([points + step, points - step]), surface), 2)
    return (normals * (back.astype(int) - front)[:, None]).astype(np.float32), front & back


def area_weighted_mean(values: Array, mesh: Mesh) -> float:
    """Mean of one value a vertex (V,) over the surface. A mesh without area gets the plain mean."""
    return _mean(values, vertex_areas(mesh))


def summary(field: InterField, body: Mesh, object: Mesh, threshold: float = CONTACT) -> Summary:
    """The field of these two meshes in a few numbers. threshold : metres, nearer is contact."""
    body_contact, object_contact = field.contact(threshold)
    body_areas, object_areas = vertex_areas(body), vertex_areas(object)
    distances = np.concatenate([field.body_distance, field.object_distance])
    within = np.concatenate([field.body_inside, field.object_inside])
    depth = distances[within] if within.any() else np.zeros(1)
    return Summary(
        body_field=_mean(field.body, body_areas),
        object_field=_mean(field.object, object_areas),
        body_contact_area=float(body_areas[body_contact].sum()),
        object_contact_area=float(object_areas[object_contact].sum()),
        minimum_distance=0.0 if within.any() else float(distances.min()),
        penetration_share=float(field.body_inside.mean()),
        penetration_area_share=_mean(field.body_inside, body_areas),
        maximum_depth=float(depth.max()),
        mean_depth=float(depth.mean()),
    )


def _mean(values: Array, areas: Array) -> float:
    return float(np.average(values, weights=areas if areas.sum() > 0 else None))


def _check_sigma(sigma: float) -> None:
    if not (np.isfinite(sigma) and sigma > 0):
        raise InputError(
            f"The InterField cannot fall off over sigma = {sigma}.",
            "Sigma is a length in metres and must be a number above zero.",
            f"Give a sigma such as {SIGMA}.",
        )


@dataclass(frozen=True)
class _Surface:
    """A mesh as libigl wants it.

    vertices : (V, 3) float64, metres
    faces    : (F', 3) int64, the distinct ones
    origin   : (F',) int64, which face of the mesh each was
    """

    vertices: Array
    faces: Array
    origin: Array


def _surface(mesh: Mesh) -> _Surface:
    """The mesh without repeated faces.

    A face repeated with the same orientation would count twice in the winding number, and thousands of them would
    bring the tree down to a linear search.
    """
    if len(mesh.faces) == 0:
        raise InputError(
            "Nothing can be measured against this mesh.",
            "It has no faces: a point cloud has no surface.",
            "Give a mesh with triangles.",
        )
    if not np.isfinite(mesh.vertices).all():  # libigl's tree would never end and bring the process down
        raise InputError(
            "Nothing can be measured against this mesh.",
            "Some of its coordinates are not numbers (NaN or infinite).",
            "Clean the mesh, or check where it was moved to.",
        )
    faces = np.asarray(mesh.faces, np.int64)
    start = faces.argmin(1)[:, None]
    a, b, c = np.take_along_axis(faces, (start + np.arange(3)) % 3, axis=1).T
    order = np.lexsort((c, a * len(mesh.vertices) + b))
    a, b, c = a[order], b[order], c[order]
    first = np.r_[True, (a[1:] != a[:-1]) | (b[1:] != b[:-1]) | (c[1:] != c[:-1])]
    origin = np.sort(order[first])
    return _Surface(np.ascontiguousarray(mesh.vertices, np.float64), np.ascontiguousarray(faces[origin]), origin)


def _nearest(points: Array, surface: _Surface) -> tuple[Array, Array, Array]:
    """Squared distance (P,), face (P,) and nearest point (P, 3) of the surface, in float64."""
    return _searched(_tree(surface), points, surface)


def _tree(surface: _Surface) -> igl.AABB:
    tree = igl.AABB()
    tree.init(surface.vertices, surface.faces)
    return tree


def _searched(tree: igl.AABB, points: Array, surface: _Surface) -> tuple[Array, Array, Array]:
    return tree.squared_distance(surface.vertices, surface.faces, np.ascontiguousarray(points, np.float64))


def _distance(points: Array, surface: _Surface) -> Array:
    return np.sqrt(_nearest(points, surface)[0]).astype(np.float32)


def _inside(points: Array, surface: _Surface) -> Array:
    points = np.asarray(points, np.float64)
    corners = surface.vertices[np.unique(surface.faces)]
    result = np.all((points >= corners.min(0)) & (points <= corners.max(0)), axis=1)
    if result.any():
        tree = igl.FastWindingNumberBVH()
        tree.init(surface.vertices, surface.faces)
        result[result] = np.abs(tree.winding_number(np.ascontiguousarray(points[result]))) > 0.5
    return result
