"""A model of the landmark detector's faults, so that training sees landmarks as they will come.

The constants were set by running the project's own detector on rendered pictures; `benchmarks/detector_model.py`
prints the two side by side.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lexis_core.body.model import BodyModel
from lexis_core.body.names import JOINTS
from lexis_core.camera import Camera
from lexis_core.geometry import rotation_from_axis_angle
from lexis_core.initialise.landmark_points import landmark_points
from lexis_core.synthetic.kernels import cross
from lexis_core.synthetic.shading import BODY, SAMPLES, Geometry

Array = np.ndarray

STATURE = 1.7  # metres: image errors are shares of a person of this height at the hips' depth
SPREAD = np.array([(x, y) for x in (-3, 0, 3) for y in (-3, 0, 3)])  # samples of the z-buffer around a landmark

_J = {name: index for index, name in enumerate(JOINTS)}
_HIPS, _SHOULDERS = [23, 24], [11, 12]
_FACE, _LEGS = ((1, 4), (2, 5), (3, 6), (7, 8), (9, 10)), ((25, 26), (27, 28), (29, 30), (31, 32))
_ARMS, _TRUNK = ((13, 14), (15, 16), (17, 18), (19, 20), (21, 22)), ((11, 12), (23, 24))
_KIND = np.array([0] * 11 + [1, 1, 2, 2, 3, 3] + [4] * 6 + [5, 5, 6, 6, 7, 7] + [8] * 4)
# by kind: face, shoulder, elbow, wrist, hand, hip, knee, ankle, foot
_UNDER_SKIN = np.array([0.03, 0.10, 0.07, 0.05, 0.04, 0.15, 0.09, 0.06, 0.05])[_KIND]  # metres
_SEEN = np.array([0.0095, 0.011, 0.0115, 0.01, 0.013, 0.012, 0.012, 0.0135, 0.016])[_KIND]  # median, of stature
_HIDDEN = np.array([0.010, 0.012, 0.024, 0.034, 0.032, 0.014, 0.022, 0.024, 0.02])[_KIND]
_DEPTH = np.array([0.035, 0.025, 0.045, 0.065, 0.075, 0.012, 0.045, 0.075, 0.075])[_KIND]  # metres
_ACROSS = np.array([0.025, 0.015, 0.025, 0.03, 0.035, 0.008, 0.035, 0.04, 0.045])[_KIND]  # metres
_SURE_SEEN = np.array([4.0, 3.9, 2.5, 2.1, 1.8, 3.2, 2.5, 2.3, 1.8])[_KIND]  # log odds
_SURE_HIDDEN = np.array([3.8, 3.2, -1.6, -1.8, -1.4, 2.8, 0.3, 0.2, 0.4])[_KIND]
_MOODY = np.array([0.7, 0.9, 1.5, 1.5, 1.4, 0.9, 1.2, 1.2, 1.2])[_KIND]
_CANDID = np.array([0.1, 0.3, 0.9, 0.9, 0.8, 0.3, 0.8, 0.8, 0.8])[_KIND]  # how much of its error it shows

# where the detector sees a landmark of the left side beside ours: outward, up the trunk, ahead, centimetres
_HABIT = {0: (0, 0.9, 2.2), 1: (0, 0.4, 1.3), 2: (0, 0.2, 0.5), 3: (-1.1, 0.1, 2.1), 7: (-3.7, -1.0, -2.5),
          9: (-0.6, 0.1, 2.0), 11: (-1.4, 2.6, 0.6), 13: (-1.0, 1.8, -0.5), 15: (-0.2, 0.5, -0.4),
          17: (-2.0, 0.7, 0.2), 19: (-0.6, -0.4, 1.5), 21: (1.4, 0.0, 0.6), 23: (-2.1, -0.6, -2.8),
          25: (-0.9, -1.1, 1.1), 27: (0.0, 2.5, -1.1), 29: (-0.8, 1.3, -2.1), 31: (1.0, 1.1, 3.5)}
# landmark: whose error it shares, and their correlation
_FOLLOWS = {**{k: (0, 0.5) for k in range(1, 11)}, 13: (11, 0.5), 15: (13, 0.6), 17: (15, 0.85), 19: (15, 0.85),
            21: (15, 0.85), 25: (23, 0.4), 27: (25, 0.4), 29: (27, 0.55), 31: (27, 0.55)}

SKILL = 0.50                    # spread of a picture's difficulty, logarithm
BAD, BAD_SHARE = 3.0, 0.05      # how much worse, and how often, when the whole person is misread
LOST, LOST_SEEN, FAR = 0.09, 0.03, 0.2  # share of hidden and of all limbs that are nowhere near, by so many metres
FLIP_AWAY, FLIP = 0.11, 0.015  # share of people whose sides are mixed up: seen from behind, else
FLIP_LIMB = 0.025               # legs alone, arms alone
TURN = 0.08                     # radians about each axis
SQUASH, SCALE = (0.72, 0.20), (-0.06, 0.07)  # mean and spread of depth's factor, and of the logarithm of the size
HEAVY = 2.2                     # degrees of freedom of Student's t
REACH, WORLD_REACH = 1.09, 0.25  # of the rim, shares of the farthest landmark: in the picture, in the world
MEDIAN = 1.37                   # of the length of two such numbers


def _habits() -> Array:
    """(33, 3) metres: _HABIT on both sides."""
    table = np.zeros((33, 3))
    for k, (outward, up, ahead) in _HABIT.items():
        table[k] = outward, up, ahead
        if k:
            table[_mirror(k)] = -outward, up, ahead
    return table / 100


def _mirror(k: int) -> int:
    """The left landmark's partner on the right."""
    return k + 3 if k in (1, 2, 3) else k + 1


def _mixing() -> Array:
    """(33, 33): makes of independent errors those that follow one another along the limbs."""
    mix = np.eye(33)
    for k, (leader, share) in _FOLLOWS.items():
        mix[k] = share * mix[leader] + np.sqrt(1 - share**2) * mix[k]
        if leader:
            other = _mirror(k)
            mix[other] = share * mix[_mirror(leader)] + np.sqrt(1 - share**2) * mix[other]
    return mix


@dataclass(frozen=True)
class LandmarkSites:
    """Where the 39 landmarks lie on a body.

    landmark, joint, vertex : (K,) what each of the points is: a joint, or a vertex where joint is -1
    """

    landmark: Array
    joint: Array
    vertex: Array

    def of(self, vertices: Array, joints: Array) -> Array:
        """Posed vertices (V, 3) and joints (55, 3) -> (39, 3) metres; for the helpers see with_helpers()."""
        points = np.zeros((33, 3), np.float32)
        points[self.landmark] = np.where((self.joint >= 0)[:, None], joints[self.joint], vertices[self.vertex])
        return with_helpers(points)


def with_helpers(points: Array, reach: float = REACH) -> Array:
    """The detector's six helpers after its 33 landmarks: (33, D) -> (39, D), in pixels or metres.

    33 is the middle of the hips and 34 straight up the trunk from it, a little farther than the farthest landmark
    (reach times); 35 and 37 lie between the knuckles of a hand, 36 and 38 are the wrists.
    """
    hips, shoulders = (points[23] + points[24]) / 2, (points[11] + points[12]) / 2
    trunk = shoulders - hips
    far = np.sqrt(((points - hips) ** 2).sum(1).max())
    rim = hips + reach * far * trunk / max(float(np.sqrt((trunk**2).sum())), 1e-6)
    palms = (points[17] + points[19]) / 2, (points[18] + points[20]) / 2
    return np.concatenate([points, [hips, rim, palms[0], points[15], palms[1], points[16]]]).astype(points.dtype)


def landmark_sites(model: BodyModel) -> LandmarkSites:
    """The landmarks the solver knows, and the corners of eyes and mouth besides."""
    known = landmark_points(model)
    index = {tuple(row): k for k, row in enumerate(model.template.tolist())}
    of_known = [index[tuple(row)] for row in known.model.template.tolist()]
    vertex = [-1 if j >= 0 else of_known[v] for j, v in zip(known.joint, known.vertex, strict=True)]
    eye = model.joint_template[_J["left_eye_smplhf"]]
    head = (np.abs(model.template[:, 0]) < 0.08) & (model.template[:, 2] > eye[2] - 0.03)
    extra = {}
    for pair, (x, y) in {(1, 4): (-0.016, 0), (3, 6): (0.016, 0), (9, 10): (-0.006, -0.067)}.items():
        for landmark, side in zip(pair, (1, -1), strict=True):
            goal = np.array([side * (eye[0] + x), eye[1] + y])
            off = np.linalg.norm(model.template[:, :2] - goal, axis=1) - 0.3 * model.template[:, 2]
            extra[landmark] = int(np.argmin(np.where(head, off, np.inf)))
    return LandmarkSites(np.array([*known.landmark, *extra]), np.array([*known.joint, *([-1] * len(extra))]),
                         np.array([*vertex, *extra.values()]))


def visibility(pixels: Array, points: Array, ids: Array, nearness: Array, geometry: Geometry) -> Array:
    """The share of each landmark's surrounding that nothing hides, (39,) float32 in [0, 1]; 0 outside the picture.

    pixels : (39, 2); points : (39, 3) camera space, metres; ids, nearness : of the z-buffer
    The body itself hides a landmark when its surface is nearer by more than the landmark lies under the skin. The
    helpers, which are no places of the body, have 0.
    """
    height, width = ids.shape
    place = pixels[:33] * SAMPLES
    inside = ((place >= 0) & (place < (width, height))).all(1)
    place = np.where(inside[:, None], place, 0)
    columns = (place[:, :1] + SPREAD[:, 0]).astype(np.int64).clip(0, width - 1)
    rows = (place[:, 1:] + SPREAD[:, 1]).astype(np.int64).clip(0, height - 1)
    face = ids[rows, columns]
    depth = np.where(face >= 0, 1 / np.maximum(nearness[rows, columns], 1e-6), np.inf)
    under = np.where(geometry.owner[face] == BODY, _UNDER_SKIN[:, None], 0.02)
    hidden = depth < points[:33, 2:] - under
    return np.concatenate([inside * (1 - hidden.mean(1)), np.zeros(6)]).astype(np.float32)


def detected(pixels: Array, points: Array, visible: Array, camera: Camera,
             rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """What a detector would say: landmarks (39, 2) pixels, world landmarks (39, 3) metres, confidence (39,).

    pixels, points, visible : the truth, as in visibility()

    The detector has habits (its hips are not our hip joints). Its errors have heavy tails, grow where a landmark is
    hidden, and are shared along a limb; people seen from behind are taken for people seen from the front, limbs change
    sides, depth is squashed, and the whole person is turned and scaled a little. The helpers' confidence is 0.
    """
    pixels, points, visible = np.where(np.isfinite(pixels), pixels, -1e3)[:33], points[:33], visible[:33]
    hips = points[_HIPS].mean(0)
    metre = camera.focal[0] / max(float(hips[2]), 0.1)  # pixels
    axes = _trunk_axes(points)
    habit = _HABITS @ axes
    skill = np.exp(rng.normal(0, SKILL)) * (BAD if rng.random() < BAD_SHARE else 1.0)
    waver = skill * (_SEEN + (1 - visible) * _HIDDEN)
    order = _sides(float(axes[2, 2]), rng)
    steps = _MIX @ rng.standard_t(HEAVY, (33, 3))

    off = STATURE * waver[:, None] * steps[:, :2] / MEDIAN
    lost = rng.random(33) < (LOST_SEEN + LOST * (1 - visible)) * (_CANDID > 0.5)
    off = off + lost[:, None] * (_MIX @ rng.normal(0, FAR, (33, 2)))
    seen = (pixels + metre * habit[:, :2])[order] + metre * off

    turn = rotation_from_axis_angle(rng.normal(0, TURN, 3))
    stretch = np.exp(rng.normal(*SCALE)) * np.array([1, 1, rng.normal(*SQUASH)])
    world = stretch * ((points - hips + habit)[order] @ turn.T)
    blur = skill * (1 + 0.6 * (1 - visible))
    world[:, :2] += off + blur[:, None] * _ACROSS[:, None] * (_MIX @ rng.normal(0, 0.85, (33, 2)))
    world[:, 2] += blur * _DEPTH * 0.75 * steps[:, 2]
    world -= world[_HIPS].mean(0)

    odds = visible * _SURE_SEEN + (1 - visible) * _SURE_HIDDEN + _MOODY * (_MIX @ rng.standard_normal(33))
    share = np.sqrt((off**2).sum(1)) / STATURE
    odds -= _CANDID * (np.log(np.maximum(share, 0.004) / 0.02) + np.log(skill))
    confidence = np.concatenate([0.99 / (1 + np.exp(-odds)), np.zeros(6)])
    reach = REACH * np.exp(rng.normal(0, 0.08))
    return (with_helpers(seen, reach).astype(np.float32), with_helpers(world, WORLD_REACH).astype(np.float32),
            confidence.astype(np.float32))


def _trunk_axes(points: Array) -> Array:
    """(3, 3) rows: to the left, up the trunk, ahead; camera axes."""
    up = points[_SHOULDERS].mean(0) - points[_HIPS].mean(0)
    up = up / max(float(np.sqrt(up @ up)), 1e-6)
    left = points[11] - points[12] + points[23] - points[24]
    left = left - (left @ up) * up
    left = left / max(float(np.sqrt(left @ left)), 1e-6)
    return np.stack([left, up, cross(left, up)])


def _sides(ahead: float, rng: np.random.Generator) -> Array:
    """(33,) which landmark is given out as which.

    ahead : where the trunk faces, -1 to the camera and 1 away from it
    """
    order = np.arange(33)
    groups = []
    if rng.random() < (FLIP_AWAY if ahead > 0.6 else FLIP):
        groups = [_FACE, _TRUNK, _LEGS, _ARMS]
    else:
        groups = [limb for limb in (_LEGS, _ARMS) if rng.random() < FLIP_LIMB]
    for pairs in groups:
        for left, right in pairs:
            order[[left, right]] = right, left
    return order


_HABITS, _MIX = _habits(), _mixing()
