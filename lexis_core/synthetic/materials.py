"""Random surfaces: colours people and factories like, and which pattern of the renderer each thing gets."""

from __future__ import annotations

from collections.abc import Sequence
from colorsys import hsv_to_rgb
from dataclasses import dataclass

import numpy as np

from lexis_core.synthetic.kernels import BLOTCHES, CHECKS, PLAIN, SPECKLE, STRIPES, WOOD

Array = np.ndarray

COLUMNS = 11  # kind, cell, first colour, second colour, specular, gloss, folds
_NEUTRALS = ((0.06, 0.06, 0.07), (0.18, 0.18, 0.20), (0.42, 0.42, 0.43), (0.68, 0.68, 0.66), (0.93, 0.92, 0.90),
             (0.10, 0.13, 0.26), (0.24, 0.33, 0.47), (0.63, 0.55, 0.42), (0.33, 0.34, 0.24), (0.35, 0.22, 0.15))
_WOODS = ((0.72, 0.53, 0.34), (0.55, 0.36, 0.21), (0.36, 0.22, 0.13), (0.83, 0.69, 0.50), (0.88, 0.83, 0.74))
_METALS = ((0.62, 0.63, 0.65), (0.33, 0.34, 0.36), (0.12, 0.12, 0.13), (0.80, 0.79, 0.77), (0.72, 0.58, 0.30))
_HARD = {"wheel", "tyre", "spoke", "frame", "fork", "stem", "handlebar", "chain", "crank", "pedal", "hinge", "latch",
         "bar", "sleeve", "collar", "weight", "shaft", "rib", "truck", "stand", "rail", "rung", "claw", "hub", "column",
         "brace", "exhaust", "footpeg", "mirror", "engine", "shock", "tuner"}
_WOODEN = {"leg", "stretcher", "apron", "top", "drawer", "headboard", "stick", "rail", "rung", "neck", "fingerboard"}


@dataclass(frozen=True)
class Material:
    """One surface. Colours are sRGB in [0, 1].

    kind, cell : which pattern mixes the two colours, and its size in metres
    specular   : strength of the highlight; gloss : how small, its exponent is 2 to the power of gloss + 1
    folds      : how much creases change the light
    """

    first: Array | tuple[float, float, float] = (0.5, 0.5, 0.5)
    second: Array | tuple[float, float, float] = (0.5, 0.5, 0.5)
    kind: int = PLAIN
    cell: float = 0.1
    specular: float = 0.0
    gloss: float = 3.0
    folds: float = 0.0


def table(materials: Sequence[Material]) -> Array:
    """(M, COLUMNS) float32 for the shading kernel; colours squared, which is linear light at a gamma of two."""
    rows = np.zeros((len(materials), COLUMNS), np.float32)
    for row, m in zip(rows, materials, strict=True):
        row[0], row[1], row[8], row[9], row[10] = m.kind, m.cell, m.specular, m.gloss, m.folds
        row[2:5], row[5:8] = m.first, m.second
    rows[:, 2:8] = np.clip(rows[:, 2:8], 0, 1) ** 2
    return rows


def pick(rng: np.random.Generator, *shares: float) -> int:
    """0, 1, 2, ... with these probabilities; several times faster than Generator.choice."""
    left = rng.random() * sum(shares)
    for k, share in enumerate(shares):
        left -= share
        if left < 0:
            return k
    return len(shares) - 1


def colour(rng: np.random.Generator) -> Array:
    """sRGB (3,): a neutral more often than not, else any hue, seldom a shrill one."""
    if rng.random() < 0.6:
        return np.maximum(_NEUTRALS[rng.integers(len(_NEUTRALS))] + rng.normal(0, 0.03, 3), 0.02)
    hue, saturation, value = rng.random(), min(rng.random(), rng.random()) + 0.1 * rng.random(), rng.uniform(0.25, 0.95)
    return np.array(hsv_to_rgb(hue, saturation, value))


def part_materials(parts: Sequence[str], rng: np.random.Generator) -> list[Material]:
    """A surface for each named part of one object: metal and wood where the part's name lets one expect it.

    Half of all things are one family of colours; parts repeat it, as products do.
    """
    main = _surface(rng, pick(rng, 0.6, 0.25, 0.15))
    other = _surface(rng, pick(rng, 0.7, 0.15, 0.15))
    metal, wood = _surface(rng, 2), _surface(rng, 1)
    chosen = []
    for part in parts:
        draw = rng.random()
        if part in _HARD and draw < 0.7:
            chosen.append(metal)
        elif part in _WOODEN and draw < 0.5:
            chosen.append(wood)
        else:
            chosen.append(main if draw < 0.65 else other if draw < 0.9 else _surface(rng, 0))
    return chosen


def _surface(rng: np.random.Generator, family: int) -> Material:
    """Plain or printed (0), wood (1), metal (2)."""
    if family == 1:
        tone = np.array(_WOODS[rng.integers(len(_WOODS))]) * rng.uniform(0.85, 1.1)
        return Material(tone, tone * rng.uniform(0.6, 0.85), WOOD, rng.uniform(0.015, 0.05), rng.uniform(0, 0.15))
    if family == 2:
        tone = np.array(_METALS[rng.integers(len(_METALS))]) * rng.uniform(0.9, 1.1)
        return Material(tone, tone * 0.9, SPECKLE, 0.03, rng.uniform(0.25, 0.8), rng.uniform(3, 6))
    first, second = colour(rng), colour(rng)
    kind = (PLAIN, SPECKLE, BLOTCHES, STRIPES, CHECKS)[pick(rng, 0.35, 0.4, 0.11, 0.08, 0.06)]
    if kind == SPECKLE:
        second = first * rng.uniform(0.75, 0.95)
    return Material(first, second, kind, rng.uniform(0.02, 0.15), rng.uniform(0, 0.35), rng.uniform(2, 5.5))
