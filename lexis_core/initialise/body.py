"""The body from its landmarks: bounded least squares over pose, rotation, translation and betas.

What is fitted: the landmarks in the photo, the detector's 3D landmarks up to one scale, joint bounds, a pose prior.
Depth follows from the focal length and the body's height, which the betas' prior keeps near the model's mean.
Between two such fits the betas are moved to fill the person's mask.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np
from scipy.optimize import least_squares

from lexis_core.body.model import BodyModel, pose_batch
from lexis_core.errors import InputError
from lexis_core.geometry import align, rotation_from_axis_angle
from lexis_core.initialise import joint_limits as limits
from lexis_core.initialise.betas import betas_from_mask
from lexis_core.initialise.landmark_points import LEFT_HIP, RIGHT_HIP, LandmarkPoints, landmark_points
from lexis_core.observe.observation import Observation
from lexis_core.state import BodyState

Array = np.ndarray

BETAS = 10
PIXEL_SPREAD = 0.012     # of the person's height in the photo: how well a landmark is seen
WORLD_SPREAD = np.array([0.06, 0.06, 0.10])  # metres; the detector's depth is squashed, so it is trusted less
PRIOR_WEIGHT = 0.35
LEAN_SPREAD = 0.25       # metres between trunk and ankles along the view axis: people stand over their feet
LIMBS = ((13, 15, 17, 19, 21), (14, 16, 18, 20, 22), (25, 27, 29, 31), (26, 28, 30, 32))  # landmarks
TRUNK, ANKLES = [0, 9, 15], [7, 8]
SETTLED = 0.3            # spread of the betas once the mask has been used
MAX_STEPS = 40
DIFFERENCE = 1e-6
HIDDEN, SURE = 0.4, 0.9  # confidence from which a landmark begins to count, and counts fully
LEAST_WEIGHT, GUESS_WEIGHT = 0.01, 0.2
MIN_SEEN = 6
HALF_SURE = 0.5          # below this a landmark is dropped where the photo shows something else,
STRAY = 0.02             # of the person's height away from the masks


@dataclass(frozen=True)
class _Problem:
    """Everything the residuals need; unknowns are root turn 3, translation 3, joints 3 J, betas, log world scale."""

    points: LandmarkPoints
    flat: Array           # (55, 3, 3) rotations of the joints that are not solved
    root: Array           # (3, 3) starting rotation
    target: Array         # (K, 2) pixels
    world: Array          # (K, 3) metres from the middle of the hips
    weight: Array         # (K,) of the pixels
    world_weight: Array   # (K,) of the metres: what is hidden the detector still guesses from the rest of the body
    focal: Array
    center: Array
    pixel: float          # pixels that count as one spread
    betas: Array          # (10,) where the betas' prior is centred
    betas_spread: float

    def unpack(self, x: Array) -> tuple[Array, Array, Array, Array]:
        """(B, N) unknowns -> rotations (B, 55, 3, 3), betas, translation, world scale."""
        joints = len(limits.SOLVED)
        rotations = np.broadcast_to(self.flat, (len(x), 55, 3, 3)).copy()
        rotations[:, 0] = rotation_from_axis_angle(x[:, :3]) @ self.root
        rotations[:, limits.SOLVED] = rotation_from_axis_angle(x[:, 6:6 + 3 * joints].reshape(-1, joints, 3))
        return rotations, x[:, 6 + 3 * joints:-1], x[:, 3:6], np.exp(x[:, -1])

    def residuals(self, x: Array) -> Array:
        """(B, N) -> (B, M), each in units of its spread."""
        rotations, betas, translation, scale = self.unpack(x)
        none = np.zeros((1, 1))
        vertices, joints = pose_batch(self.points.model, rotations, betas, none, translation)
        p = self.points.of(vertices, joints)
        depth = np.maximum(p[..., 2:], 0.1)
        seen = p[..., :2] / depth * self.focal + self.center
        image = (seen - self.target) / self.pixel * self.weight[:, None]
        hips = np.isin(self.points.landmark, (LEFT_HIP, RIGHT_HIP))
        from_hips = p - p[:, hips].mean(1, keepdims=True)
        space = (from_hips - scale[:, None, None] * self.world) / WORLD_SPREAD * self.world_weight[:, None]
        pose = x[:, 6:-1 - BETAS].reshape(len(x), -1, 3)
        prior = (pose - limits.REST) / limits.SPREAD * PRIOR_WEIGHT
        shape = (betas - self.betas) / self.betas_spread
        lean = (joints[:, TRUNK, 2].mean(1) - joints[:, ANKLES, 2].mean(1)) / LEAN_SPREAD
        parts = (image, space, prior, shape, x[:, -1:] / 0.1, lean[:, None])
        return np.concatenate([part.reshape(len(x), -1) for part in parts], 1)

    def state(self, x: Array) -> BodyState:
        rotations, betas, translation, _ = self.unpack(x[None])
        body_pose = np.zeros((21, 3), np.float32)
        body_pose[np.array(limits.SOLVED) - 1] = x[6:-1 - BETAS].reshape(-1, 3)
        return BodyState(body_pose=body_pose, betas=betas[0].astype(np.float32),
                         rotation=rotations[0, 0].astype(np.float32), translation=translation[0].astype(np.float32))

    def jacobian(self, x: Array) -> Array:
        steps = np.concatenate([np.zeros((1, len(x))), DIFFERENCE * np.eye(len(x))])
        values = self.residuals(x + steps)
        return (values[1:] - values[0]).T / DIFFERENCE


def body_from_landmarks(model: BodyModel, seen: Observation, check: Callable[[], None] = lambda: None) -> BodyState:
    """The body state whose landmarks fit the photo's. check : called again and again, to raise where it should stop.

    InputError when too few landmarks are seen.
    """
    problem, start = _problem(model, seen)
    first = _solved(problem, start, check)
    betas = betas_from_mask(model, problem.state(first), seen)
    first[-1 - BETAS:-1] = betas
    return problem.state(_solved(replace(problem, betas=betas, betas_spread=SETTLED), first, check))


def _solved(problem: _Problem, start: Array, check: Callable[[], None]) -> Array:
    low = np.concatenate([np.full(6, -np.inf), limits.LOW.ravel(), np.full(BETAS, -3.0), [-0.5]])
    high = np.concatenate([np.full(6, np.inf), limits.HIGH.ravel(), np.full(BETAS, 3.0), [0.5]])

    def jacobian(x: Array) -> Array:
        check()
        return problem.jacobian(x)

    return least_squares(lambda x: problem.residuals(x[None])[0], np.clip(start, low + 1e-6, high - 1e-6), jacobian,
                         (low, high), x_scale="jac", loss="soft_l1", f_scale=2.0, max_nfev=MAX_STEPS, ftol=1e-4,
                         xtol=1e-4).x


def _problem(model: BodyModel, seen: Observation) -> tuple[_Problem, Array]:
    points = landmark_points(model)
    k = points.landmark
    confidence = seen.confidence[k]
    if (confidence > HIDDEN).sum() < MIN_SEEN:
        raise InputError("The person's pose could not be read.",
                         f"Fewer than {MIN_SEEN} body landmarks are seen in the photo.",
                         "Give --box around the person, or choose a photo that shows more of the body.")
    shown = np.clip((confidence - HIDDEN) / (SURE - HIDDEN), LEAST_WEIGHT, 1)
    strayed = _strayed(seen, k)
    weight = points.trust * np.where(strayed, LEAST_WEIGHT, shown)
    world_weight = points.trust * np.where(strayed, LEAST_WEIGHT, np.maximum(shown, GUESS_WEIGHT))
    target, world = seen.landmarks[k].astype(np.float64), seen.landmarks_world[k].astype(np.float64)
    sure = target[confidence > HIDDEN]
    pixel = PIXEL_SPREAD * float(np.ptp(sure, axis=0).max())
    rest = np.concatenate([np.zeros((1, 3)), limits.REST])
    flat = np.broadcast_to(np.eye(3), (55, 3, 3)).copy()
    flat[limits.SOLVED,] = rotation_from_axis_angle(rest[1:])
    none = np.zeros((1, 1))
    rest_points = points.of(*pose_batch(points.model, flat[None], none, none, np.zeros((1, 3))))[0]
    trunk = np.isin(k, (0, 7, 8, 11, 12, LEFT_HIP, RIGHT_HIP))
    scale, root, _ = align(rest_points[trunk], world[trunk], scaled=True)
    focal, center = np.array(seen.camera.focal), np.array(seen.camera.center)
    problem = _Problem(points, flat, root, target, world, weight, world_weight, focal, center, pixel,
                       np.zeros(BETAS), 1.0)
    translation = _place(world / scale, (target - center) / focal, weight)
    hips = np.isin(k, (LEFT_HIP, RIGHT_HIP))
    pelvis = points.model.joint_template[0].astype(np.float64)
    offset = translation + root @ (pelvis - rest_points[hips].mean(0)) - pelvis
    start = np.concatenate([np.zeros(3), offset, limits.REST.ravel(), np.zeros(BETAS), [np.log(1 / scale)]])
    start[-1] = np.clip(start[-1], -0.45, 0.45)
    return problem, start


def _strayed(seen: Observation, landmark: Array) -> Array:
    """(K,) bool: landmarks guessed beyond the photo, or into a part of it that shows neither person nor object.

    A limb is guessed as one: where a part of it strays, its hidden parts are no better.
    """
    height, width = seen.person_mask.shape
    shown = seen.person_mask if seen.object_mask is None else seen.person_mask | seen.object_mask
    away = cv2.distanceTransform((~shown).astype(np.uint8), cv2.DIST_L2, 5)
    column, row = np.floor(seen.landmarks[landmark]).astype(int).T
    in_photo = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    off = away[np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)]
    rows = np.nonzero(seen.person_mask.any(1))[0]
    hidden = seen.confidence[landmark] < HALF_SURE
    strayed = ~in_photo | hidden & (off > STRAY * np.ptp(rows))
    for limb in LIMBS:
        of_limb = np.isin(landmark, limb)
        strayed |= of_limb & hidden & (of_limb & strayed).any()
    return strayed


def _place(points: Array, rays: Array, weight: Array) -> Array:
    """The translation that best puts points (K, 3) on rays (K, 2) = x / z, y / z: linear least squares."""
    rows = [np.stack([np.ones(len(points)) * (axis == 0), np.ones(len(points)) * (axis == 1), -rays[:, axis]], -1)
            for axis in (0, 1)]
    right = [rays[:, axis] * points[:, 2] - points[:, axis] for axis in (0, 1)]
    a = np.concatenate(rows) * np.tile(weight, 2)[:, None]
    found = np.linalg.lstsq(a, np.concatenate(right) * np.tile(weight, 2), rcond=None)[0]
    if found[2] < 0.3:
        raise InputError("The body could not be placed before the camera.",
                         "The landmarks and the focal length do not fit one another.",
                         "Give --focal in pixels, or leave it out to use the default.")
    return found
