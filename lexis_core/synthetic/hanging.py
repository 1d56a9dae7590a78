"""Skirts and long hair: surfaces that hang from the body and are skinned with it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lexis_core.body.model import BodyModel, PosedBody
from lexis_core.body.names import JOINTS
from lexis_core.synthetic.clothing import BOTTOM, EYE_Y, HAIR, WAIST, Outfit

Array = np.ndarray

_J = {name: index for index, name in enumerate(JOINTS)}
AROUND, DOWN = 28, 9  # vertices around a skirt and along its fall


@dataclass(frozen=True)
class Hung:
    """vertices (V, 3) camera space, coords (V, 3) rest place, faces (F, 3) seen from both sides, material a row."""

    vertices: Array
    coords: Array
    faces: Array
    material: int


def hanging_pieces(body: BodyModel, posed: PosedBody, betas: Array, outfit: Outfit) -> list[Hung]:
    """What the outfit has of a skirt and of long hair."""
    pieces = []
    if outfit.skirt is not None:
        rest, weights = _skirt(body, outfit)
        pieces.append(_hung(body, posed, betas, rest, weights, closed=True, material=BOTTOM))
    if outfit.long_hair:
        rest, weights = _hair(body, outfit)
        pieces.append(_hung(body, posed, betas, rest, weights, closed=False, material=HAIR))
    return pieces


def _skirt(body: BodyModel, outfit: Outfit) -> tuple[Array, dict[str, Array]]:
    """Rings (DOWN, AROUND, 3) from the waist to the hem: as wide as the hips above, then widening.

    Each side follows its thigh, and below the knee half of its shin; front and back follow both thighs.
    """
    hem, flare = outfit.skirt
    joint = body.joint_template
    hip, knee = joint[_J["left_hip"]], joint[_J["left_knee"]]
    trunk = body.template[(np.abs(body.template[:, 0]) < 0.3) & (np.abs(body.template[:, 1] - hip[1]) < 0.06)]
    waist_line = body.template[(np.abs(body.template[:, 0]) < 0.3)
                               & (np.abs(body.template[:, 1] - outfit.borders[WAIST]) < 0.03)]
    y = np.linspace(outfit.borders[WAIST] - 0.01, hem, DOWN)
    below = np.clip((hip[1] - y) / 0.8, 0, None)
    hips = np.clip((outfit.borders[WAIST] - y) / max(outfit.borders[WAIST] - hip[1], 0.02), 0, 1)
    wide = (1 - hips) * np.abs(waist_line[:, 0]).max() + hips * np.abs(trunk[:, 0]).max() + 0.012 + flare * below
    half = (1 - hips) * np.ptp(waist_line[:, 2]) / 2 + hips * np.ptp(trunk[:, 2]) / 2 + 0.012 + 0.8 * flare * below
    middle = (trunk[:, 2].max() + trunk[:, 2].min()) / 2
    angle = np.linspace(0, 2 * np.pi, AROUND, endpoint=False)
    ripple = 1 + 0.05 * np.cos(7 * angle) * below[:, None] / 0.8
    rest = np.stack([wide[:, None] * np.cos(angle) * ripple, np.repeat(y[:, None], AROUND, 1),
                     middle + half[:, None] * np.sin(angle) * ripple], -1)
    left = np.clip(0.5 + 0.75 * np.cos(angle), 0, 1)[None] * np.ones((DOWN, 1))
    leg = np.clip(0.9 * (outfit.borders[WAIST] - y) / 0.25, 0, 0.95)[:, None]
    shin = np.clip((knee[1] - y) / 0.3, 0, 0.5)[:, None]
    return rest, {"pelvis": 1 - leg + 0 * left, "left_hip": leg * (1 - shin) * left, "left_knee": leg * shin * left,
                  "right_hip": leg * (1 - shin) * (1 - left), "right_knee": leg * shin * (1 - left)}


def _hair(body: BodyModel, outfit: Outfit) -> tuple[Array, dict[str, Array]]:
    """Half a tube behind head and neck, (DOWN, AROUND, 3); it follows the head above and the chest below."""
    eye = outfit.borders[EYE_Y]
    head = body.template[(np.abs(body.template[:, 1] - eye) < 0.03) & (np.abs(body.template[:, 0]) < 0.15)]
    y = np.linspace(eye + 0.06, eye - outfit.long_hair, DOWN)
    wide = np.abs(head[:, 0]).max() + 0.012 + 0.03 * np.linspace(0, 1, DOWN)
    back = head[:, 2].min() - 0.02 - 0.03 * np.linspace(0, 1, DOWN) ** 2
    middle = body.joint_template[_J["head"], 2]
    angle = np.linspace(-0.15, np.pi + 0.15, AROUND)
    rest = np.stack([wide[:, None] * np.cos(angle), np.repeat(y[:, None], AROUND, 1),
                     middle - (middle - back)[:, None] * np.sin(angle)], -1)
    chest = np.clip((eye - 0.12 - y) / 0.25, 0, 0.9)[:, None] * np.ones((1, AROUND))
    return rest, {"head": 1 - chest, "spine3": chest}


def _hung(body: BodyModel, posed: PosedBody, betas: Array, rest: Array, weights: dict[str, Array], closed: bool,
          material: int) -> Hung:
    """Shape the rest surface as the nearest joint's shape directions say, then skin it."""
    joints = np.array([_J[name] for name in weights])
    blend = np.stack([w.ravel() for w in weights.values()], -1)
    points = rest.reshape(-1, 3)
    shift = body.joint_shape_dirs[joints][..., :len(betas)] @ betas
    points = points + blend @ shift
    moved = np.einsum("vj,jab,vb->va", blend, posed.transforms[joints, :3, :3], points)
    moved += blend @ posed.transforms[joints, :3, 3]
    faces = _sheet(*rest.shape[:2], closed)
    inside = faces[:, ::-1] + np.int32(len(points))  # vertices of its own, for its normals point the other way
    twice = np.tile(np.concatenate([moved, rest.reshape(-1, 3)], 1).astype(np.float32), (2, 1))
    return Hung(twice[:, :3], twice[:, 3:], np.concatenate([faces, inside]), material)


def _sheet(rows: int, columns: int, closed: bool) -> Array:
    """Triangles of a grid of vertices, joined around when closed."""
    r, c = np.meshgrid(np.arange(rows - 1), np.arange(columns if closed else columns - 1), indexing="ij")
    a, b = r * columns + c, r * columns + (c + 1) % columns
    quads = np.stack([a, b, b + columns, a + columns], -1).reshape(-1, 4)
    return np.concatenate([quads[:, :3], quads[:, [0, 2, 3]]]).astype(np.int32)
