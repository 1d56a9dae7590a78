"""What the rendered people wear: clothes, hair and faces as regions of the rest pose, and their random colours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lexis_core.body.model import BodyModel
from lexis_core.body.names import JOINTS
from lexis_core.synthetic.kernels import BLOTCHES, CHECKS, PATCH, PLAIN, SPECKLE, STRIPES, compiled, noise
from lexis_core.synthetic.materials import Material, colour, pick, table

Array = np.ndarray

SKIN, TOP, BOTTOM, SHOES, HAIR, SOCKS, HAT, EYES, LIPS, GLOVES = range(10)
NEVER = 9.0  # metres, beyond every part of the body

# sRGB from light to dark
SKIN_TONES = ((0.96, 0.82, 0.74), (0.92, 0.74, 0.62), (0.85, 0.64, 0.50), (0.74, 0.53, 0.39), (0.55, 0.37, 0.26),
              (0.36, 0.24, 0.17))
HAIR_TONES = ((0.09, 0.07, 0.06), (0.22, 0.14, 0.09), (0.40, 0.27, 0.16), (0.74, 0.58, 0.36), (0.62, 0.60, 0.58),
              (0.48, 0.20, 0.10))

# places in the outfit array
(SLEEVE, HEM, NECK_Y, NECK_Z, NECKLINE, WAIST, CUFF, SHOE, SOCK, EYE_X, EYE_Y, EYE_Z, HAIRLINE, HAIR_SLOPE, BRIM, GLOVE,
 ARM_Y, LOWEST, BEARD) = range(19)


@dataclass(frozen=True)
class Outfit:
    """One person's clothes.

    borders   : (19,) float32, where each piece ends in the template's rest pose, metres
    materials : the rows SKIN..GLOVES of the renderer's material table, float32
    thickness : (10,) float32, metres that each piece stands off the skin
    skirt     : (hem's height in the rest pose, flare) or None
    long_hair : how far long hair falls below the eyes, metres, or 0
    """

    borders: Array
    materials: Array
    thickness: Array
    skirt: tuple[float, float] | None
    long_hair: float


@compiled
def worn(x: float, y: float, z: float, borders: Array) -> int:
    """What covers the skin at a place of the template in its rest pose: SKIN, TOP, ... GLOVES."""
    across = abs(x)
    if across > borders[GLOVE]:
        return GLOVES
    if y > borders[NECK_Y] and across < 0.14:
        return _on_head(across, y, z, borders)
    if y > borders[ARM_Y] and across > 0.2:
        return TOP if across < borders[SLEEVE] else SKIN
    around = np.sqrt(across * across + (z - borders[NECK_Z]) ** 2)
    deep = borders[NECK_Y] - (0.09 if z > borders[NECK_Z] else 0.05)
    if around < borders[NECKLINE] and y > deep:
        return SKIN
    if y > borders[HEM]:
        return TOP if across < max(borders[SLEEVE], 0.15) else SKIN
    if y > borders[CUFF] and y < borders[WAIST]:
        return BOTTOM
    if y < borders[SHOE]:
        return SHOES
    return SOCKS if y < borders[SOCK] else SKIN


@compiled
def _on_head(across: float, y: float, z: float, borders: Array) -> int:
    up, ahead = y - borders[EYE_Y], z - borders[EYE_Z]
    if up > borders[BRIM] + 0.15 * ahead:
        return HAT
    if up > borders[HAIRLINE] + borders[HAIR_SLOPE] * (ahead + 0.07):
        return HAIR
    if ahead > -0.045:
        side = across - borders[EYE_X]
        if side * side / 1.8 + up * up < 0.00007:
            return EYES
        if abs(side) < 0.021 and abs(up - 0.024 + 0.2 * abs(side)) < 0.0045:
            return HAIR
        if across < 0.025 and abs(up + 0.067) < 0.008:
            return LIPS
        if up < borders[BEARD] and (across > 0.028 or up < -0.08 or up > -0.056):
            return HAIR
    return SKIN


@compiled
def dressed(vertices: Array, normals: Array, rest: Array, borders: Array, thickness: Array, shift: float) -> Array:
    """Skin vertices (V, 3) moved out along their normals to the cloth, which hangs in folds; (V, 3) float32.

    rest : (V, 3) the template; shift : makes other folds
    """
    out = np.empty_like(vertices)
    for k in range(len(vertices)):
        x, y, z = rest[k]
        off = thickness[worn(x, y, z, borders)]
        if off > 0:
            off *= 0.35 + 1.3 * noise(9 * x + shift, 7 * y, 9 * z)
        for axis in range(3):
            out[k, axis] = vertices[k, axis] + off * normals[k, axis]
    return out


def random_outfit(model: BodyModel, rng: np.random.Generator) -> Outfit:
    """Clothes for one person. Heights are those of the template; a body's own betas carry them along."""
    joint = dict(zip(JOINTS, model.joint_template, strict=True))
    shoulder, _elbow, wrist = (joint[f"left_{name}"] for name in ("shoulder", "elbow", "wrist"))
    hip, knee, ankle, eye = (joint[f"left_{name}"] for name in ("hip", "knee", "ankle", "eye_smplhf"))
    neck = joint["neck"]
    borders = np.full(19, NEVER, np.float32)
    borders[[NECK_Y, NECK_Z, ARM_Y, LOWEST]] = neck[1] - 0.005, neck[2], shoulder[1] - 0.12, ankle[1] - 0.1
    borders[[EYE_X, EYE_Y, EYE_Z]] = eye

    arm = wrist[0] - shoulder[0]
    sleeve = pick(rng, 0.08, 0.42, 0.1, 0.4)
    borders[SLEEVE] = shoulder[0] + arm * (rng.uniform(0.02, 0.08), rng.uniform(0.25, 0.45), rng.uniform(0.45, 0.7),
                                           rng.uniform(0.9, 1.0))[sleeve]
    borders[HEM] = hip[1] + rng.uniform(-0.06, 0.16)
    borders[NECKLINE] = rng.uniform(0.055, 0.11) if sleeve != 3 else rng.uniform(0.0, 0.09)
    borders[WAIST] = max(borders[HEM], hip[1] + 0.12) + 0.01

    leg = pick(rng, 0.62, 0.18, 0.08, 0.12)
    cuff = (ankle[1] + rng.uniform(-0.04, 0.05), knee[1] + rng.uniform(-0.03, 0.2), knee[1] - rng.uniform(0.05, 0.25),
            hip[1] - rng.uniform(0.15, 0.35))[leg]
    borders[CUFF] = cuff
    skirt = None
    if leg == 3 and rng.random() < 0.9:
        skirt = float((knee[1] + 0.08, knee[1] - 0.15, ankle[1] + 0.12)[rng.integers(3)] + rng.uniform(-0.06, 0.06)), \
            float(rng.uniform(0.05, 0.4))

    borders[SHOE] = ankle[1] + rng.uniform(-0.02, 0.05) if rng.random() < 0.9 else -NEVER
    borders[SOCK] = ankle[1] + rng.uniform(0.0, 0.22) if rng.random() < 0.6 else -NEVER
    borders[HAIRLINE] = rng.uniform(-0.03, 0.05) if rng.random() < 0.92 else NEVER
    borders[HAIR_SLOPE] = rng.uniform(0.4, 0.75)
    long_hair = float(rng.uniform(0.08, 0.4)) if rng.random() < 0.35 and borders[HAIRLINE] < 1 else 0.0
    if rng.random() < 0.12:
        borders[BRIM] = rng.uniform(0.03, 0.06)
    borders[BEARD] = rng.uniform(-0.07, -0.03) if rng.random() < 0.15 and not long_hair else -NEVER
    if rng.random() < 0.04:
        borders[GLOVE] = wrist[0] - 0.02

    loose = rng.uniform(0.4, 1.0) ** 1.5
    thickness = np.zeros(10, np.float32)
    thickness[[TOP, BOTTOM]] = rng.uniform(0.004, 0.022) * loose, rng.uniform(0.004, 0.02) * loose
    thickness[[SHOES, HAT, SOCKS, GLOVES]] = 0.006, 0.02, 0.002, 0.003
    thickness[HAIR] = rng.uniform(0.004, 0.03)
    return Outfit(borders, _materials(rng, skirt is not None), thickness, skirt, long_hair)


def _materials(rng: np.random.Generator, dress: bool) -> Array:
    tone = rng.uniform(0, len(SKIN_TONES) - 1)
    skin = np.array([np.interp(tone, range(len(SKIN_TONES)), channel) for channel in np.transpose(SKIN_TONES)])
    skin = skin * rng.uniform(0.93, 1.05)
    hair = np.array(HAIR_TONES[pick(rng, 0.34, 0.28, 0.14, 0.12, 0.07, 0.05)])
    top = _cloth(rng, printed=0.45)
    bottom = top if dress and rng.random() < 0.4 else _cloth(rng, printed=0.15)
    rows = [Material()] * 10
    rows[SKIN] = Material(skin, skin * (0.94, 0.88, 0.86), SPECKLE, 0.05, specular=0.06)
    rows[TOP], rows[BOTTOM] = top, bottom
    rows[SHOES] = Material(colour(rng), colour(rng), BLOTCHES, 0.05, specular=0.1)
    rows[HAIR] = Material(hair, hair * 0.6, SPECKLE, 0.012, specular=0.12)
    rows[SOCKS] = Material((0.12, 0.5, 0.9)[rng.integers(3)] * np.ones(3))
    rows[HAT] = _cloth(rng, printed=0.1)
    rows[EYES] = Material(np.array([0.16, 0.12, 0.10]), specular=0.4)
    rows[LIPS] = Material(skin * (0.82, 0.58, 0.56))
    rows[GLOVES] = Material(colour(rng))
    return table(rows)


def _cloth(rng: np.random.Generator, printed: float) -> Material:
    first, second = colour(rng), colour(rng)
    if rng.random() > printed:
        return Material(first, first * 0.85, SPECKLE, rng.uniform(0.003, 0.05), folds=rng.uniform(0.1, 0.45))
    kind = (STRIPES, CHECKS, BLOTCHES, PATCH, PLAIN)[rng.integers(5)]
    cell = {PATCH: rng.uniform(0.05, 0.1), BLOTCHES: rng.uniform(0.03, 0.12)}.get(kind, rng.uniform(0.02, 0.13))
    return Material(first, second, kind, cell, folds=rng.uniform(0.1, 0.45))
