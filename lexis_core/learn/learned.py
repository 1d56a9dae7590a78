"""LEXIS-Flow on a photo: crop it as the training pictures are, start from the estimate, and bring the result back."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch

from lexis_core.body import BodyModel, rest_joints
from lexis_core.body.model import joint_rotations
from lexis_core.geometry import axis_angle_from_rotation
from lexis_core.initialise.crop import reduced
from lexis_core.learn.flow_state import Free, States, pelvis_of, place_of
from lexis_core.learn.observed import SIDE, Observed, observed
from lexis_core.learn.sampler import GUIDE_POINTS, Flow, Sampled, sample
from lexis_core.mesh import sample_surface
from lexis_core.objects.model import ObjectModel
from lexis_core.observe.observation import Observation
from lexis_core.state import ObjectState, State

Array = np.ndarray

FILL = 0.75          # of the crop's side, by the person's longer extent; training has 0.5 to 0.95
FOCAL = (0.9, 3.0)   # crop sides, as in training; a longer lens sees as one of 3 does, from as much nearer
LANDMARKS = 33


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
    """The crop around the person's mask."""
    rows, columns = (np.flatnonzero(seen.person_mask.any(axis)) for axis in (1, 0))
    middle = np.array([columns[0] + columns[-1] + 1, rows[0] + rows[-1] + 1]) / 2
    side = max(np.ptp(columns), np.ptp(rows)) / FILL
    focal, center = np.array(seen.camera.focal), np.array(seen.camera.center)
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


def cropped(flow: Flow, seen: Observation, crop: Crop, object: ObjectModel, seed: int) -> Observed:
    """What the networks are told of a photo."""
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
    masks = np.where((thing >= 0.5) & (thing >= person), 2, np.where(person >= 0.5, 1, 0)).astype(np.uint8)
    marks = np.concatenate([seen.landmarks[:LANDMARKS], np.ones((LANDMARKS, 1))], 1) @ crop.homography.T
    points, _ = sample_surface(object.mesh, GUIDE_POINTS, seed)
    with torch.no_grad():
        tokens = flow.encoder(torch.from_numpy(image / 255).float().permute(2, 0, 1)[None])
    return observed(tokens, masks[None], (marks[:, :2] / marks[:, 2:])[None],
                    (seen.landmarks_world[:LANDMARKS] @ crop.turn.T)[None], seen.confidence[None, :LANDMARKS],
                    np.array([[crop.used, 0, 0]]), torch.from_numpy(np.float32(points))[None])


def start_of(model: BodyModel, state: State, crop: Crop) -> States:
    """A state in the photo's camera space, as the networks take it."""
    turn = crop.turn
    pelvis = rest_joints(model, state.body.betas, state.body.expression)[0] + state.body.translation
    theta = joint_rotations(model, state.body)[1:22]
    body, object = turn @ pelvis, turn @ state.object.translation
    seen = _through(body, crop.focal, crop.used)
    arrays = theta, turn @ state.body.rotation, seen, state.body.betas, turn @ state.object.rotation, (
        seen + object - body)
    return States(*(torch.from_numpy(np.ascontiguousarray(a, np.float32))[None] for a in arrays))


def state_of(model: BodyModel, found: States, start: State, crop: Crop) -> State:
    """The inverse of start_of; hands, face, and the object's size are the start's."""
    theta, rotation, seen, betas, object_rotation, position = (v[0].numpy().astype(np.float64) for v in found)
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
    place = place_of(torch.from_numpy(np.float32(point))[None], torch.tensor([focal], dtype=torch.float32))
    return pelvis_of(place, torch.tensor([other], dtype=torch.float32))[0].numpy().astype(np.float64)


def refined(flow: Flow, model: BodyModel, object: ObjectModel, seen: Observation, start: State, *, star: bool = True,
            hypotheses: int = 1, seed: int = 0, own_betas: bool = True, **options) -> tuple[State, Sampled]:
    """What LEXIS-Flow makes of a photo: from the start (star), or from noise.

    own_betas : False keeps the start's, for a body whose betas are not the default body's
    options   : of sampler.sample
    """
    seen = reduced(seen, round(max(seen.person_mask.shape) * 4 * SIDE / crop_of(seen).side))  # what warping takes
    crop = crop_of(seen)
    scaled = replace(object, mesh=replace(object.mesh, vertices=object.mesh.vertices * start.object.scale))
    told = cropped(flow, seen, crop, scaled, seed)
    begin = start_of(model, start, crop)
    free = Free.all(1)._replace(betas=torch.full((1,), float(own_betas)))
    found = sample(flow, told, begin if star else None, hypotheses=hypotheses, seed=seed, free=free, **options)
    return state_of(model, found.states, start, crop), found
