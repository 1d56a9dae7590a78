"""The object from its mask: many rotations matched by silhouette, the best few refined together.

A rotation's size and place in the photo follow from the mask. Depth and true size are then weighed: what the mesh's
metres say against the body standing near. Pixels the person covers, or beyond the photo's edge, say nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from lexis_core.camera import Camera
from lexis_core.geometry import rotation_from_axis_angle, rotation_from_quaternion
from lexis_core.initialise.crop import cropped_mask, square_around
from lexis_core.initialise.signed_grid import SignedGrid
from lexis_core.mesh import Mesh, sample_surface
from lexis_core.objects.model import ObjectModel, decimated
from lexis_core.observe.observation import Observation
from lexis_core.raster import silhouettes
from lexis_core.state import ObjectState

Array = np.ndarray

UPRIGHT = np.diag([1.0, -1.0, -1.0])  # takes a rest frame to one that stands before the camera and faces it
TILT_SPREAD = {"floor": 15.0, "seat": 15.0, "feet": 40.0, "back": 40.0, "hands": 60.0, "hand": 120.0}  # degrees

COARSE, FINE = 64, 128          # pixels along the crop
MARGIN = 1.5                    # the crop's side over the mask's longer side
FACES = 1200                    # of the mesh that is matched
ROTATIONS = 480                 # spread evenly over all rotations
YAWS, PITCHES = 24, (-20.0, 0.0, 20.0)  # of the upright ones, degrees
KEPT, APART, FINALISTS = 16, 20.0, 5  # candidates refined, the degrees between any two of them, those refined finely
MISFIT = 0.015                  # share of the mask's area that counts as one squared spread
DEPTH_SPREAD = 0.30             # metres between object and body along the view axis
HEIGHT_SPREAD = 0.07            # the body's height is known to this share, and its depth with it
SIZE_SPREAD = {True: 0.03, False: 0.12}  # log scale of a mesh whose size is known; of a typical one
NEAR = 0.03                     # of the photo's longer side: masks this near to one another are taken to touch
GAP_SPREAD, DEEP_SPREAD, FLOOR_SPREAD = 0.03, 0.02, 0.10  # metres
MOST_HOVER = 6.0                # spreads: what stands well apart is not drawn in, whatever the masks suggest
STANDING = ("floor", "seat")    # such things share the floor with the body's feet
# unknowns: turn about x, y, z (radians), place in the crop (shares of its side), log depth, log scale
DIFFERENCE = np.array([0.03, 0.03, 0.03, 0.01, 0.01, 0.03, 0.03])


@dataclass(frozen=True)
class ObjectEstimate:
    """Where the object stands, and the IoU of its outline with the mask where the photo can tell."""

    state: ObjectState
    iou: float


def object_from_mask(model: ObjectModel, place: str, body: Mesh, seen: Observation, seed: int,
                     progress: Callable[[float], None] = lambda done: None) -> ObjectEstimate:
    """The pose whose outline fits the mask, near the body.

    place    : the library's word for how such an object is held or used, "" when unknown
    body     : the posed body in camera space
    progress : called after every step with the share that is done; it may raise
    """
    match = _Match.of(model, place, body, seen, seed)
    rotations = _candidates()
    progress(0.05)
    x = match.fitted_to_mask(rotations, lambda done: progress(0.05 + 0.2 * done))
    progress(0.25)
    cost = (match.residuals(rotations, x, COARSE, 1.0) ** 2).sum(1)
    chosen = _diverse(rotations, cost)
    rotations, x, cost = _refined(match, rotations[chosen], x[chosen], COARSE, 2.0, 8,
                                  lambda done: progress(0.3 + 0.3 * done))
    chosen = np.argsort(cost)[:FINALISTS]
    rotations, x, cost = _refined(match, rotations[chosen], x[chosen], FINE, 1.5, 14,
                                  lambda done: progress(0.6 + 0.4 * done))
    best = np.argmin(cost)
    return ObjectEstimate(match.state(rotations[best], x[best]), match.iou(rotations[best], x[best]))


@dataclass(frozen=True)
class _Match:
    """The mask and the body around it. Hypotheses are rotations (B, 3, 3) and x (B, 4): place, log depth, log scale."""

    mesh: Mesh
    points: Array           # (P, 3) canonical surface points
    box: tuple[float, float, float, float]
    camera: Camera
    crops: dict[int, tuple[Array, Array]]  # side: the mask and where the photo can tell, (side, side) in [0, 1]
    log_depth: float        # of the body
    depth_spread: float
    size_spread: float
    tilt_spread: float
    touches: bool
    ground: float | None    # y of the floor where the object stands on it
    body: SignedGrid

    @classmethod
    def of(cls, model: ObjectModel, place: str, body: Mesh, seen: Observation, seed: int) -> _Match:
        small = decimated(model, FACES).mesh
        mask = seen.object_mask
        box = square_around(mask, MARGIN)
        depth = float(np.median(body.vertices[:, 2]))
        reach = int(NEAR * max(mask.shape)) | 1
        spread_out = cv2.dilate(mask.astype(np.uint8), np.ones((reach, reach), np.uint8)) > 0
        known = ~seen.person_mask | mask
        crops = {side: (cropped_mask(mask, box, side), cropped_mask(known, box, side)) for side in (COARSE, FINE)}
        return cls(small, sample_surface(model.mesh, 400, seed)[0], box, seen.camera, crops,
                   np.log(depth), np.hypot(DEPTH_SPREAD / depth, HEIGHT_SPREAD), SIZE_SPREAD[model.metric],
                   np.radians(TILT_SPREAD.get(place, 60.0)), bool((spread_out & seen.person_mask).any()),
                   float(body.vertices[:, 1].max()) if place in STANDING else None, SignedGrid.around(body, seed))

    def placed(self, x: Array) -> tuple[Array, Array]:
        """(B, 4) -> translation (B, 3) metres and scale (B,)."""
        x0, y0, x1, y1 = self.box
        pixel = np.stack([x0 + x[:, 0] * (x1 - x0), y0 + x[:, 1] * (y1 - y0)], -1)
        return self.camera.lift(pixel, np.exp(x[:, 2])), np.exp(x[:, 3])

    def outlines(self, rotations: Array, x: Array, size: int) -> Array:
        """The object's silhouette in the crop, (B, size, size) bool."""
        translation, scale = self.placed(x)
        turned = self.mesh.vertices.astype(np.float64) @ np.swapaxes(rotations, 1, 2)
        points = scale[:, None, None] * turned + translation[:, None]
        return silhouettes(self.camera.cropped(self.box, size, size).project(points), self.mesh.faces, size, size)

    def fitted_to_mask(self, rotations: Array, progress: Callable[[float], None]) -> Array:
        """Place and size of each rotation so that area and centroid agree with the mask's: three fixed-point rounds."""
        mask, known = self.crops[COARSE]
        target, area = _centroid(mask[None])[0], mask.sum()
        x = np.tile([0.5, 0.5, self.log_depth, 0.0], (len(rotations), 1))
        for k in range(3):
            progress(k / 3)
            drawn = self.outlines(rotations, x, COARSE) * known
            x[:, :2] += target - _centroid(drawn)
            grow = 0.5 * np.log(area / np.maximum(drawn.sum((1, 2)), 1))
            apparent = x[:, 3] - x[:, 2] + np.clip(grow, -1, 1) + self.log_depth
            share = self.size_spread**2 / (self.size_spread**2 + self.depth_spread**2)
            x[:, 3] = share * apparent
            x[:, 2] = self.log_depth - (1 - share) * apparent
        return x

    def residuals(self, rotations: Array, x: Array, size: int, blur: float) -> Array:
        """(B, M): the blurred difference of outline and mask, then the priors, each in units of its spread."""
        mask, known = self.crops[size]
        drawn = self.outlines(rotations, x, size).astype(np.float32)
        misfit = np.stack([cv2.GaussianBlur((d - mask) * known, (0, 0), blur) for d in drawn]).reshape(len(x), -1)
        up = (UPRIGHT.T @ rotations)[:, 1, 1]
        tilt = np.arccos(np.clip(up, -1, 1)) / self.tilt_spread
        depth = (x[:, 2] - self.log_depth) / self.depth_spread
        priors = np.stack([tilt, depth, x[:, 3] / self.size_spread], -1)
        return np.concatenate([misfit / np.sqrt(MISFIT * mask.sum()), priors, self._contact(rotations, x)], 1)

    def _contact(self, rotations: Array, x: Array) -> Array:
        """(B, 3): how far the nearest points hover over the body, how deep points sit in it, how far from the floor."""
        translation, scale = self.placed(x)
        points = scale[:, None, None] * (self.points @ np.swapaxes(rotations, 1, 2)) + translation[:, None]
        height = self.body.at(points)
        gap = np.partition(np.abs(height), 8, axis=1)[:, :8].mean(1) if self.touches else np.zeros(len(x))
        deep = np.sqrt((np.clip(-height, 0, 0.2) ** 2).mean(1)) * 3
        floor = points[..., 1].max(1) - self.ground if self.ground is not None else np.zeros(len(x))
        hover = np.maximum(gap - 0.01, 0) / GAP_SPREAD
        hover = hover / np.hypot(1, hover / MOST_HOVER)
        return np.stack([hover, deep / DEEP_SPREAD, floor / FLOOR_SPREAD], -1)

    def state(self, rotation: Array, x: Array) -> ObjectState:
        translation, scale = self.placed(x[None])
        return ObjectState(rotation.astype(np.float32), translation[0].astype(np.float32), float(np.float32(scale[0])))

    def iou(self, rotation: Array, x: Array) -> float:
        mask, known = self.crops[FINE]
        drawn, mask, known = self.outlines(rotation[None], x[None], FINE)[0], mask > 0.5, known > 0.5
        return float((drawn & mask & known).sum() / max(((drawn | mask) & known).sum(), 1))


def _refined(match: _Match, rotations: Array, x: Array, size: int, blur: float, steps: int,
             progress: Callable[[float], None]) -> tuple[Array, Array, Array]:
    """Levenberg-Marquardt on every hypothesis at once, with central differences; returns the final costs too."""
    value = match.residuals(rotations, x, size, blur)
    cost = (value**2).sum(1)
    damping = np.full(len(x), 1e-2)
    for k in range(steps):
        progress(k / steps)
        jacobian = _jacobian(match, rotations, x, size, blur)
        normal = np.einsum("bim,bjm->bij", jacobian, jacobian)
        slope = np.einsum("bim,bm->bi", jacobian, value)
        ridge = damping[:, None, None] * normal * np.eye(7) + 1e-6 * np.eye(7)
        step = -np.linalg.solve(normal + ridge, slope[..., None])[..., 0]
        step = np.clip(step, -5 * DIFFERENCE, 5 * DIFFERENCE)
        new_rotations, new_x = _stepped(rotations, x, step)
        new_value = match.residuals(new_rotations, new_x, size, blur)
        better = (new_value**2).sum(1) < cost
        rotations, x = np.where(better[:, None, None], new_rotations, rotations), np.where(better[:, None], new_x, x)
        value = np.where(better[:, None], new_value, value)
        cost = (value**2).sum(1)
        damping = np.clip(np.where(better, damping / 4, damping * 6), 1e-4, 1e4)
    return rotations, x, cost


def _jacobian(match: _Match, rotations: Array, x: Array, size: int, blur: float) -> Array:
    """(B, 7, M) by central differences."""
    count = len(x)
    moves = np.concatenate([np.diag(DIFFERENCE), -np.diag(DIFFERENCE)])
    tiled = np.repeat(rotations, 14, 0), np.repeat(x, 14, 0)
    values = match.residuals(*_stepped(*tiled, np.tile(moves, (count, 1))), size, blur).reshape(count, 2, 7, -1)
    return (values[:, 0] - values[:, 1]) / (2 * DIFFERENCE[:, None])


def _stepped(rotations: Array, x: Array, step: Array) -> tuple[Array, Array]:
    return rotation_from_axis_angle(step[:, :3]) @ rotations, x + step[:, 3:]


def _candidates() -> Array:
    """Upright rotations at every yaw, and others spread over all rotations (Alexa 2022, super-Fibonacci spirals)."""
    yaw = np.linspace(0, 2 * np.pi, YAWS, endpoint=False)
    pitch = np.radians(PITCHES)
    turn = rotation_from_axis_angle(np.stack([0 * yaw, yaw, 0 * yaw], -1))
    nod = rotation_from_axis_angle(np.stack([pitch, 0 * pitch, 0 * pitch], -1))
    upright = (nod[:, None] @ UPRIGHT @ turn[None]).reshape(-1, 3, 3)
    s = np.arange(ROTATIONS) + 0.5
    near, far = np.sqrt(s / ROTATIONS), np.sqrt(1 - s / ROTATIONS)
    alpha, beta = 2 * np.pi * s / np.sqrt(2), 2 * np.pi * s / 1.533751168755204288118041
    spiral = np.stack([near * np.sin(alpha), near * np.cos(alpha), far * np.sin(beta), far * np.cos(beta)], -1)
    return np.concatenate([upright, rotation_from_quaternion(spiral)])


def _diverse(rotations: Array, cost: Array) -> Array:
    """The cheapest rotations, none within APART degrees of a cheaper one."""
    chosen: list[int] = []
    for index in np.argsort(cost):
        trace = np.einsum("bij,ij->b", rotations[chosen], rotations[index]) if chosen else np.array([-1.0])
        if np.degrees(np.arccos(np.clip((trace - 1) / 2, -1, 1))).min() > APART:
            chosen.append(int(index))
        if len(chosen) == KEPT:
            break
    return np.array(chosen)


def _centroid(pictures: Array) -> Array:
    """(B, S, S) -> (B, 2) x, y in shares of the side; the middle where a picture is empty."""
    size = pictures.shape[-1]
    at = (np.arange(size) + 0.5) / size
    total = pictures.sum((1, 2))
    middle = np.stack([(pictures.sum(1) * at).sum(1), (pictures.sum(2) * at).sum(1)], -1)
    return np.where(total[:, None] > 0, middle / np.maximum(total, 1)[:, None], 0.5)
