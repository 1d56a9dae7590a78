"""Random places to take a picture in: rooms, streets, paper backdrops, their light, and the things that stand about."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import cv2
import numpy as np

from lexis_core.mesh import Mesh
from lexis_core.objects.library import CATEGORIES, make
from lexis_core.synthetic.backdrop import OUTDOORS, ROOM, STUDIO, Place
from lexis_core.synthetic.kernels import (
    BLOTCHES,
    CHECKS,
    PLAIN,
    PLANKS,
    SPECKLE,
    STRIPES,
    bounds,
    cross,
    rasterise,
    seen_along,
    splat_low,
)
from lexis_core.synthetic.lighting import Light, Shadows
from lexis_core.synthetic.materials import Material, colour, pick

Array = np.ndarray

SHADOW = 192   # texels a side of the sun's depth map
CONTACT = 48   # texels a side of the floor's map of lost sky
DISTRACTORS = ("box", "chair", "stool", "table", "plant", "trash_bin", "ball", "suitcase", "bench", "desk", "ladder")


@dataclass(frozen=True)
class Floor:
    """The plane up . p = height in camera space, metres; up (3,) unit."""

    up: Array
    height: float

    @cached_property
    def axes(self) -> Array:
        """(2, 3) unit, horizontal: across the view, and away from the camera."""
        away = np.array([0.0, 0.0, 1.0]) - self.up[2] * self.up
        away /= max(np.linalg.norm(away), 1e-6)
        return np.stack([cross(away, -self.up), away])


def random_place(floor: Floor, middle: Array, first: int,
                 rng: np.random.Generator) -> tuple[Place, Array, list[Material]]:
    """A place around the scene's middle (3,), the pictures on its walls, and its surfaces: the floor, two walls.

    first : the row of the material table that the surfaces will have
    """
    kind = (ROOM, OUTDOORS, STUDIO)[pick(rng, 0.55, 0.3, 0.15)]
    across, away = floor.axes
    turn = rng.uniform(-0.7, 0.7)
    normal = np.cos(turn) * away + np.sin(turn) * across
    side = np.sign(turn) * -1 * (np.cos(turn) * across - np.sin(turn) * away)
    walls = np.stack([[*n, n @ middle + rng.uniform(0.9, 4.5)] for n in (normal, side)])
    along = np.stack([cross(floor.up, normal), cross(floor.up, side)])
    pictures = [_picture(walls, along, middle, rng) for _ in range(rng.integers(0, 5))]
    far = np.stack([colour(rng), colour(rng)]) ** 2
    if kind == OUTDOORS:
        grey = rng.uniform(0.5, 0.95)
        far = np.stack([grey * np.array([0.28, 0.5, 0.9]) ** rng.uniform(0.2, 1), np.full(3, grey) * (0.95, 0.98, 1.0)])
    elif rng.random() < 0.5:
        far = np.clip(far.mean() + rng.normal(0, 0.05, (2, 1)), 0.02, 1) * np.ones(3)
    skyline = np.array([rng.uniform(0.03, 0.5), rng.uniform(0.05, 0.3), rng.integers(0, 2)])
    place = Place(kind, int(rng.integers(1000)), numbers(floor.up), float(floor.height), numbers(walls),
                  numbers(along), (first, first + 1, first + 2), numbers(far), numbers(skyline))
    surfaces = [_floor_material(kind, rng), *_wall_materials(rng)]
    return place, np.array(pictures).reshape(-1, 8), surfaces


def numbers(values: Array) -> tuple:
    """An array as nested tuples of plain numbers."""
    return tuple(numbers(row) if np.ndim(row) else float(row) for row in values)


def _picture(walls: Array, along: Array, middle: Array, rng: np.random.Generator) -> list[float]:
    """A picture, window, door or shelf on one of the walls."""
    wall = int(rng.integers(2))
    left = along[wall] @ middle + rng.uniform(-2.5, 2)
    bottom = rng.uniform(0.3, 1.6) * rng.integers(2)
    size = rng.uniform(0.3, 1.4), rng.uniform(0.3, 1.1) + (1.0 if bottom == 0 else 0)
    return [wall, left, left + size[0], bottom, bottom + size[1], *(colour(rng) ** 2 * (1, 1, 2.5)[rng.integers(3)])]


def _floor_material(kind: int, rng: np.random.Generator) -> Material:
    if kind == OUTDOORS:
        first = np.array([(0.30, 0.42, 0.18), (0.45, 0.44, 0.42), (0.62, 0.55, 0.42), (0.55, 0.54, 0.53)])
        first = first[rng.integers(4)] * rng.uniform(0.7, 1.2)
        return Material(first, first * rng.uniform(0.55, 0.9), (SPECKLE, BLOTCHES, PLANKS)[rng.integers(3)],
                        rng.uniform(0.03, 0.4))
    wood = np.array([(0.66, 0.48, 0.30), (0.45, 0.30, 0.19), (0.78, 0.65, 0.48), (0.55, 0.53, 0.50)])[rng.integers(4)]
    first = wood * rng.uniform(0.8, 1.15) if rng.random() < 0.6 else colour(rng)
    kind = (PLANKS, CHECKS, SPECKLE, PLAIN, BLOTCHES)[pick(rng, 0.4, 0.15, 0.25, 0.1, 0.1)]
    cell = rng.uniform(0.08, 0.2) if kind == PLANKS else rng.uniform(0.05, 0.8)
    return Material(first, first * rng.uniform(0.5, 0.9), kind, cell, rng.uniform(0, 0.12))


def _wall_materials(rng: np.random.Generator) -> list[Material]:
    first = np.clip(rng.uniform(0.45, 0.98) + rng.normal(0, 0.05, 3), 0, 1) if rng.random() < 0.65 else colour(rng)
    kind = (PLAIN, SPECKLE, STRIPES, CHECKS, BLOTCHES)[pick(rng, 0.4, 0.3, 0.1, 0.1, 0.1)]
    cell = rng.uniform(0.1, 0.6)
    second = first * rng.uniform(0.75, 0.97)
    return [Material(first, second, kind, cell), Material(first * rng.uniform(0.75, 1.0), second, kind, cell)]


def random_light(vertices: Array, faces: Array, floor: Floor, indoors: bool,
                 rng: np.random.Generator) -> tuple[Light, Shadows]:
    """A sun or lamp with its depth map, and the floor's map of the sky that bodies and things keep from it."""
    across, away = floor.axes
    azimuth, climb = rng.uniform(-np.pi, np.pi), np.radians(rng.uniform(25, 80))
    toward = np.sin(climb) * floor.up + np.cos(climb) * (np.sin(azimuth) * across + np.cos(azimuth) * away)
    low, high = bounds(vertices)
    middle = (low + high) / 2
    span = 1.05 * float(np.linalg.norm(high - low))
    right = cross(floor.up, toward)
    right /= np.linalg.norm(right)
    axes = np.stack([right, cross(toward, right), toward])
    depth = np.full((SHADOW, SHADOW), -np.inf, np.float32)
    texels = seen_along(vertices, axes, middle, SHADOW / span, SHADOW)
    rasterise(texels, faces, 1.0, depth, np.full((SHADOW, SHADOW), -1, np.int32))

    contact = np.zeros((CONTACT, CONTACT), np.float32)
    cells = seen_along(vertices, np.stack([across, away, floor.up]), middle, CONTACT / span, CONTACT)
    splat_low(cells, floor.height - float(middle @ floor.up), 0.15, contact)
    contact = cv2.GaussianBlur(contact / 12, (0, 0), 1.2)
    contact = 0.75 * contact / (1 + contact)

    strength = rng.uniform(0.25, 0.8) if indoors else rng.uniform(0.2, 1.3)
    warm = np.array([1.0, rng.uniform(0.85, 1.0), rng.uniform(0.7, 1.0)])
    sky = rng.uniform(0.35, 0.85) * np.array([rng.uniform(0.85, 1.05), 1.0, rng.uniform(0.9, 1.15)])
    soft = np.array([rng.uniform(0.7, 1.5), rng.uniform(1.0, 4.0)])
    light = Light(*map(numbers, (floor.up, toward, strength * warm, sky, sky * rng.uniform(0.35, 0.75), axes, middle)),
                  span, numbers(soft), numbers(floor.axes))
    return light, Shadows(depth, contact)


def random_clutter(floor: Floor, low: Array, high: Array, rng: np.random.Generator) -> list[tuple[Mesh, tuple]]:
    """Things that stand about in camera space, with their parts: behind and beside mostly, seldom in the way.

    low, high : (3,) the corners of what the picture is of; nothing is put within it.
    """
    across, away = floor.axes
    middle, radius = (low + high) / 2, 0.5 * float(np.linalg.norm((high - low)[[0, 2]]))
    base = middle + (floor.height - middle @ floor.up) * floor.up
    room = float(middle[2])
    things = []
    for _ in range(pick(rng, 0.4, 0.3, 0.2, 0.1)):
        place = base + rng.uniform(-1, 1) * 0.55 * room * across + (radius + rng.uniform(0.5, 2.5)) * away
        things.append(_standing(_thing(rng), place, floor, rng))
    if rng.random() < 0.15:
        near = rng.uniform(0.45, 0.75)
        if room * (1 - near) > radius + 0.2:
            place = near * middle + (floor.height - near * middle @ floor.up) * floor.up
            place = place + rng.uniform(-0.35, 0.35) * near * room * across
            things.append(_standing(_block(rng, rng.uniform(0.15, 0.7)), place, floor, rng))
    return things


def _thing(rng: np.random.Generator) -> tuple[Mesh, tuple]:
    if rng.random() < 0.5:
        return _block(rng, rng.uniform(0.3, 1.9))
    return _library(DISTRACTORS[rng.integers(len(DISTRACTORS))])


@lru_cache(maxsize=64)
def _library(name: str) -> tuple[Mesh, tuple]:
    model = make(CATEGORIES[name].name)
    return model.mesh, model.parts


def _block(rng: np.random.Generator, height: float) -> tuple[Mesh, tuple]:
    """A box of a random footprint."""
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], np.float32)
    corners = corners * np.array([rng.uniform(0.1, 0.6), height / 2, rng.uniform(0.1, 0.4)], np.float32)
    faces = np.array([[0, 1, 3], [0, 3, 2], [4, 6, 7], [4, 7, 5], [0, 4, 5], [0, 5, 1], [2, 3, 7], [2, 7, 6],
                      [0, 2, 6], [0, 6, 4], [1, 5, 7], [1, 7, 3]], np.int32)
    return Mesh(corners, faces), (("block", 0, 12),)


def _standing(thing: tuple[Mesh, tuple], place: Array, floor: Floor, rng: np.random.Generator) -> tuple[Mesh, tuple]:
    mesh, parts = thing
    across, away = floor.axes
    turn = rng.uniform(-np.pi, np.pi)
    right = np.cos(turn) * across + np.sin(turn) * away
    rotation = np.stack([right, floor.up, cross(right, floor.up)], 1)
    return mesh.moved(rotation, place - rotation @ np.array([0, mesh.vertices[:, 1].min(), 0])), parts
