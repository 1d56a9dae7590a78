"""Cameras for interactions: all around, from about the person's height, close enough that the person fills the crop."""

from __future__ import annotations

import numpy as np

from lexis_core.geometry import rotation_from_axis_angle
from lexis_core.mesh import Mesh
from lexis_core.synthetic.kernels import rasterise
from lexis_core.synthetic.states import CROP

Array = np.ndarray

FILL = (0.5, 0.95)  # of the crop's side, by the person's longer extent
PITCH = (-10.0, 30.0)  # degrees down
ROLL = 4.0  # degrees, standard deviation
FOCAL = (0.9, 3.0)  # in units of the crop's side, log-uniform: 58 to 19 degrees
CLOSEST = 0.25  # metres of anything from the lens
SEEN = 0.3  # of the person's outline at least that the object does not hide
THING_SHARE, THING_PIXELS = 0.15, 60  # of the object's outline, and pixels of the crop: it must show more than one
LOOK = 112  # pixels, the side of the picture that tells
ASIDE = 0.35  # how far the person may be from the middle, in units of the room that is left


def draw_camera(rng: np.random.Generator, body: Array, thing: Array) -> tuple[Array, Array, float] | None:
    """Rotation (3, 3) and translation (3,) world to camera and the focal length, for body and object vertices (N, 3).

    The person fills 50 to 95 % of the crop and lies wholly inside it; the object may be cut. None when the object would
    have to be behind the lens.
    """
    yaw, pitch = rng.uniform(-np.pi, np.pi), np.radians(rng.uniform(*PITCH))
    roll, focal = np.radians(rng.normal(0, ROLL)), float(np.exp(rng.uniform(*np.log(FOCAL))))
    fill, aside = rng.uniform(*FILL), rng.uniform(-ASIDE, ASIDE, 2)
    turn = rotation_from_axis_angle(np.array([0, 0, roll])) @ rotation_from_axis_angle(np.array([pitch, 0, 0]))
    turn = turn @ np.diag([1.0, -1.0, -1.0]) @ rotation_from_axis_angle(np.array([0, yaw, 0]))
    whole, other = body @ turn.T, thing @ turn.T
    seen, nearest = whole[::7], min(whole[:, 2].min(), other[:, 2].min())
    middle = (seen.max(0) + seen.min(0)) / 2
    shift = -middle
    shift[2] += focal * np.ptp(seen[:, :2], axis=0).max() / fill
    for _ in range(6):
        flat = focal * (seen + shift)[:, :2] / (seen + shift)[:, 2:]
        low, high = flat.min(0), flat.max(0)
        size = (high - low).max()
        shift[2] *= size / fill
        wanted = aside * (1 - fill)
        shift[:2] -= ((low + high) / 2 - wanted) * shift[2] / focal
        if shift[2] + nearest < CLOSEST:
            return None
    flat = focal * (whole + shift)[:, :2] / (whole + shift)[:, 2:]
    if np.abs(flat).max() > 0.5 or not FILL[0] - 0.02 < np.ptp(flat, axis=0).max() < FILL[1] + 0.02:
        return None
    return turn, shift, focal


def in_sight(body: Mesh, thing: Mesh, turn: Array, shift: Array, focal: float) -> bool:
    """Whether the picture shows enough of both: the person may be hidden by the object, the object by the person.

    Counted in pixels of the crop. The object's own outline also counts what lies beyond the crop's edge.
    """
    person, _ = _nearness(body.vertices @ turn.T + shift, body.faces, focal, (1.0,))
    other, beyond = _nearness(thing.vertices @ turn.T + shift, thing.faces, focal, (1.0, -1.0))
    free = (person > other).sum() / max((person > 0).sum(), 1)
    seen = (other > person).sum()
    lost = seen <= THING_SHARE * beyond and seen * (CROP / LOOK) ** 2 < THING_PIXELS
    return bool(free > SEEN and not lost)


def _nearness(points: Array, faces: Array, focal: float, sides: tuple[float, ...]) -> tuple[Array, int]:
    """1 / z at each pixel of the crop (LOOK, LOOK), 0 where nothing is, and the pixels covered on a canvas twice as
    wide, for points (V, 3) in camera space."""
    flat = focal * LOOK * points[:, :2] / points[:, 2:] + LOOK
    seen = np.concatenate([flat, 1 / points[:, 2:]], 1).astype(np.float32)
    best, ids = np.full((2 * LOOK, 2 * LOOK), -np.inf, np.float32), np.full((2 * LOOK, 2 * LOOK), -1, np.int32)
    for side in sides:
        rasterise(seen, faces, side, best, ids)
    edge = LOOK // 2
    return np.maximum(best, 0)[edge:-edge, edge:-edge], int((ids >= 0).sum())
