"""Pictures for people: shaded meshes over the photo, the turn around the scene, and the InterField's colours."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lexis_core.camera import Camera
from lexis_core.colours import BODY_COLOUR, OBJECT_COLOUR, RAMP
from lexis_core.geometry import rotation_from_axis_angle
from lexis_core.mesh import Mesh
from lexis_core.raster import rasterise

Array = np.ndarray
__all__ = ["BODY_COLOUR", "OBJECT_COLOUR", "RAMP", "orbit", "overlay", "ramp", "shade"]

SUPERSAMPLE = 2
CREASE = 0.8  # cosine between a face and its corner's mean normal below which the edge shows


def ramp(values: Array) -> Array:
    """InterField values (...,) in [0, 1] -> (..., 3) float32 sRGB."""
    stops = np.array([stop for stop, _ in RAMP])
    colours = np.array([colour for _, colour in RAMP])
    return np.stack([np.interp(values, stops, colours[:, k]) for k in range(3)], -1).astype(np.float32)


def shade(meshes: Sequence[Mesh], colours: Sequence[Array], camera: Camera) -> tuple[Array, Array]:
    """Smoothly shaded meshes in camera space, with one colour (3,) or a colour a vertex (V, 3) each.

    Returns sRGB (H, W, 3) float32 in [0, 1] and coverage (H, W) float32 in [0, 1].
    """
    vertices = np.concatenate([m.vertices for m in meshes])
    offsets = np.cumsum([0, *(len(m.vertices) for m in meshes[:-1])])
    faces = np.concatenate([m.faces + o for m, o in zip(meshes, offsets, strict=True)])
    colour = np.concatenate([np.broadcast_to(c, m.vertices.shape) for m, c in zip(meshes, colours, strict=True)])
    big = camera.cropped((0, 0, camera.width, camera.height), camera.width * SUPERSAMPLE, camera.height * SUPERSAMPLE)
    face, depth = rasterise(big.project(vertices), vertices[:, 2], faces, big.width, big.height)
    seen = face >= 0
    rows, columns = np.nonzero(seen)
    point = big.lift(np.stack([columns + 0.5, rows + 0.5], -1), depth[seen])
    corners = faces[face[seen]]
    weights = _barycentric(point, vertices[corners])
    normal = np.einsum("nk,nkc->nc", weights, _corner_normals(vertices, faces)[face[seen]])
    picture = np.zeros((big.height, big.width, 3), np.float32)
    picture[seen] = np.einsum("nk,nkc->nc", weights, colour[corners]) * _light(normal, point)[:, None]
    return _shrink(picture, seen.astype(np.float32)[..., None])


def overlay(image: Array, meshes: Sequence[Mesh], colours: Sequence[Array], camera: Camera,
            opacity: float = 0.8) -> Array:
    """The shaded meshes over the photo: (H, W, 3) uint8."""
    picture, cover = shade(meshes, colours, camera)
    alpha = opacity * cover[..., None]
    blended = image / 255.0 * (1 - alpha) + picture * opacity
    return np.clip(blended * 255 + 0.5, 0, 255).astype(np.uint8)


def orbit(meshes: Sequence[Mesh], colours: Sequence[Array], frames: int, size: int) -> list[Array]:
    """A full turn about the scene's vertical (-y) through its centre: frames of (size, size, 3) uint8, on white."""
    points = np.concatenate([m.vertices for m in meshes])
    centre = (points.min(0) + points.max(0)) / 2
    radius = np.linalg.norm(points - centre, axis=1).max()
    camera = Camera.of_image(size, size, focal=1.6 * size)
    away = np.array([0.0, 0.0, 1.6 * 2 * radius * 1.05])
    tilt = rotation_from_axis_angle(np.array([np.radians(10.0), 0, 0]))
    pictures = []
    for angle in np.linspace(0, 2 * np.pi, frames, endpoint=False):
        turn = tilt @ rotation_from_axis_angle(np.array([0, angle, 0]))
        turned = [m.moved(turn, away - turn @ centre) for m in meshes]
        picture, cover = shade(turned, colours, camera)
        pictures.append(np.clip((picture + 1 - cover[..., None]) * 255 + 0.5, 0, 255).astype(np.uint8))
    return pictures


def _corner_normals(vertices: Array, faces: Array) -> Array:
    """(F, 3, 3): a face's three normals, shared with its neighbours where they meet without a crease."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    normals = np.cross(b - a, c - a)
    total = np.stack([np.bincount(faces.ravel(), np.repeat(normals[:, k], 3), len(vertices)) for k in range(3)], -1)
    shared = _unit(total)[faces]
    flat = np.broadcast_to(_unit(normals)[:, None], shared.shape)
    return np.where((shared * flat).sum(-1, keepdims=True) > CREASE, shared, flat)


def _unit(vectors: Array) -> Array:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)


def _barycentric(point: Array, triangle: Array) -> Array:
    a, b, c = triangle[:, 0], triangle[:, 1], triangle[:, 2]
    normal = np.cross(b - a, c - a)
    size = np.maximum((normal * normal).sum(1), 1e-20)
    u = (np.cross(c - b, point - b) * normal).sum(1) / size
    v = (np.cross(a - c, point - c) * normal).sum(1) / size
    weights = np.clip(np.stack([u, v, 1 - u - v], -1), 0, 1)
    return weights / np.maximum(weights.sum(1, keepdims=True), 1e-12)


def _light(normal: Array, point: Array) -> Array:
    """A key light from the upper left, a little from the eye; both sides of a surface are lit alike."""
    eye, normal = _unit(-point), _unit(normal)
    normal = np.where((normal * eye).sum(1, keepdims=True) < 0, -normal, normal)
    key = np.clip(normal @ _unit(np.array([-0.4, -0.8, -0.45])), 0, 1)
    return 0.35 + 0.40 * key + 0.28 * np.clip((normal * eye).sum(1), 0, 1)


def _shrink(picture: Array, cover: Array) -> tuple[Array, Array]:
    both = np.concatenate([np.clip(picture, 0, 1), cover], -1)
    height, width = both.shape[0] // SUPERSAMPLE, both.shape[1] // SUPERSAMPLE
    small = both.reshape(height, SUPERSAMPLE, width, SUPERSAMPLE, 4).mean((1, 3))
    return small[..., :3], small[..., 3]
