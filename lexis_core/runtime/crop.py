"""A photo as LEXIS-Flow looks at it: a square around the person, as the training pictures are; and the way back."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from lexis_core.body import BodyModel, rest_joints
from lexis_core.body.model import joint_rotations
from lexis_core.body.names import POSED
from lexis_core.body.surface import GUIDE_POINTS
from lexis_core.camera import Camera
from lexis_core.errors import InputError
from lexis_core.geometry import axis_angle_from_rotation
from lexis_core.initialise.crop import reduced
from lexis_core.interfield import outer
from lexis_core.mesh import sample_surface
from lexis_core.objects.model import ObjectModel
from lexis_core.observe.observation import Observation
from lexis_core.runtime.seen import LANDMARKS, OBJECT, PERSON, SIDE, Seen, seen_of
from lexis_core.runtime.states import States, pelvis_of, place_of
from lexis_core.state import BodyState, ObjectState, State

Array = np.ndarray

FILL = 0.75          # of the crop's side, by the person's longer extent; training has 0.5 to 0.95
FOCAL = (0.9, 3.0)   # crop sides, as in training; a longer lens sees as one of 3 does, from as much nearer


@dataclass(frozen=True)
class Crop:
    """A square picture around the person by a camera at the photo's place that looks at the square's middle.

    turn    : (3, 3) photo's camera axes -> crop's; homography : (3, 3) photo pixels -> crop units
    focal   : of that camera, crop sides; used : the focal length the networks are told
    side    : of the square, photo pixels
    """

    turn: Array
    homography: Array
    focal: float
    used: float
    side: float


def crop_of(seen: Observation) -> Crop:
    """The crop around the person's mask. InputError when the mask is empty."""
    if not seen.person_mask.any():
        raise InputError("The photo cannot be looked at again.", "Nothing in it is marked as the person.",
                         "Reconstruct from the photo first, or give a person mask.")
    rows, columns = (np.flatnonzero(seen.person_mask.any(axis)) for axis in (1, 0))
    middle = np.array([columns[0] + columns[-1] + 1, rows[0] + rows[-1] + 1]) / 2
    return crop_around(seen.camera, middle, max(np.ptp(columns), np.ptp(rows), 1) / FILL)


def crop_around(camera: Camera, middle: Array, side: float) -> Crop:
    """The crop around a place (2,) of the photo; pixels."""
    focal, center = np.array(camera.focal), np.array(camera.center)
    ray = np.append((middle - center) / focal, 1)
    away = float(np.linalg.norm(ray))
    z = ray / away
    x = np.array([1.0, 0, 0]) - z[0] * z
    x /= np.linalg.norm(x)
    turn = np.stack([x, np.cross(z, x), z])
    of_crop = float(focal.mean()) * away / side
    lens = np.array([[focal[0], 0, center[0]], [0, focal[1], center[1]], [0, 0, 1]])
    homography = np.diag([of_crop, of_crop, 1]) @ turn @ np.linalg.inv(lens)
    return Crop(turn, homography, of_crop, float(np.clip(of_crop, *FOCAL)), float(side))


def cropped(seen: Observation, crop: Crop, object: ObjectModel, scale: float, seed: int) -> Seen:
    """What the networks are told of a photo; scale : of the object, whose points are drawn by the seed."""
    seen, crop = _near(seen, crop)
    big = 2 * SIDE
    to_pixels = np.array([[big, 0, big / 2], [0, big, big / 2], [0, 0, 1]]) @ crop.homography
    shift = np.array([[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1]])  # OpenCV counts from the first pixel's middle
    warp = shift @ to_pixels @ np.linalg.inv(shift)

    def warped(picture: Array) -> Array:
        return cv2.warpPerspective(picture, warp, (big, big), flags=cv2.INTER_AREA)

    def share(mask: Array) -> Array:
        return warped(mask.astype(np.float32)).reshape(SIDE, 2, SIDE, 2).mean((1, 3))

    image = warped(np.ascontiguousarray(seen.image)).reshape(SIDE, 2, SIDE, 2, 3).mean((1, 3))
    thing = share(seen.object_mask) if seen.object_mask is not None else np.zeros((SIDE, SIDE))
    person = share(seen.person_mask)
    masks = np.where((thing >= 0.5) & (thing >= person), OBJECT, np.where(person >= 0.5, PERSON, 0)).astype(np.uint8)
    marks = np.concatenate([seen.landmarks[:LANDMARKS], np.ones((LANDMARKS, 1))], 1) @ crop.homography.T
    points, face = sample_surface(object.mesh, 4 * GUIDE_POINTS, seed)
    apart, normals = outer(points, face, object.mesh, GUIDE_POINTS)
    return seen_of((image / 255).transpose(2, 0, 1)[None], masks[None], (marks[:, :2] / marks[:, 2:])[None],
                   (seen.landmarks_world[:LANDMARKS] @ crop.turn.T)[None], seen.confidence[None, :LANDMARKS],
                   np.array([[crop.used, 0, 0]]), scale * points[None, apart], normals[None])


def _near(seen: Observation, crop: Crop) -> tuple[Observation, Crop]:
    """The photo with as many pixels as warping takes, and the crop of it."""
    height, width = seen.person_mask.shape
    seen = reduced(seen, round(max(height, width) * 4 * SIDE / crop.side))
    now = seen.person_mask.shape
    if now == (height, width):
        return seen, crop
    grown = np.diag([width / now[1], height / now[0], 1])
    return seen, replace(crop, homography=crop.homography @ grown)


def start_of(model: BodyModel, state: State, crop: Crop) -> States:
    """A state in the photo's camera space, as the networks take it."""
    turn = crop.turn
    pelvis = rest_joints(model, state.body.betas, state.body.expression)[0] + state.body.translation
    theta = joint_rotations(model, state.body)[1:POSED]
    body, object = turn @ pelvis, turn @ state.object.translation
    seen = _through(body, crop.focal, crop.used)
    arrays = theta, turn @ state.body.rotation, seen, state.body.betas, turn @ state.object.rotation, (
        seen + object - body)
    return States(*(np.ascontiguousarray(a, np.float32)[None] for a in arrays))


def state_of(model: BodyModel, found: States, start: State | None, crop: Crop) -> State:
    """The inverse of start_of for one state (1, ...); hands, face, and the object's size are the start's."""
    start = start or State(BodyState(), ObjectState())
    theta, rotation, seen, betas, object_rotation, position = (v[0].astype(np.float64) for v in found)
    pelvis = _through(seen, crop.used, crop.focal)
    back = crop.turn.T
    betas = betas.astype(np.float32)
    rest = rest_joints(model, betas, start.body.expression)[0]
    body = replace(start.body, body_pose=axis_angle_from_rotation(theta).astype(np.float32), betas=betas,
                   rotation=(back @ rotation).astype(np.float32),
                   translation=(back @ pelvis - rest).astype(np.float32))
    object = ObjectState((back @ object_rotation).astype(np.float32),
                         (back @ (pelvis + position - seen)).astype(np.float32), start.object.scale)
    return State(body, object)


def _through(point: Array, focal: float, other: float) -> Array:
    """Where a point seen through one lens is for another that sees it at the same place and size."""
    place = place_of(np.asarray(point, np.float64)[None], np.array([focal]))
    return pelvis_of(place, np.array([other]))[0]
