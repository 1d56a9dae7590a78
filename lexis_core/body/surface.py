"""Points of a body's surface and how they move: the body as LEXIS-Flow's guidance takes it, in SMPL-X's format.

The hands rest as they are given, else as the body's mean hand, and move with the wrists; jaw and eyes with the head.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lexis_core.body.model import BodyModel, pose_batch, restrict
from lexis_core.body.names import JOINTS, POSED
from lexis_core.errors import InputError
from lexis_core.geometry import rotation_from_axis_angle
from lexis_core.initialise.landmark_points import landmark_points
from lexis_core.mesh import Mesh, face_areas, spread, vertex_normals

Array = np.ndarray

BETAS = 10
HEAD, LEFT_WRIST, RIGHT_WRIST = (JOINTS.index(name) for name in ("head", "left_wrist", "right_wrist"))
SEED = 20_604_800        # of the points that everyone takes
GUIDE_POINTS = 256       # of each surface
HAND_POINTS = 80         # of the body's, on both hands together, which touch most and are small


@dataclass(frozen=True)
class BodyPoints:
    """Points of a body's surface.

    face, barycentric : (P,) int64, (P, 3) float32: where each is on any posing of the body
    rest              : (P, 3) float32, metres, where each is on the unshaped T-posed body, from its pelvis joint
    """

    face: Array
    barycentric: Array
    rest: Array

    def on(self, vertices: Array, faces: Array) -> Array:
        """(V, 3) vertices of a posed body -> (P, 3)."""
        return np.einsum("pk,pkd->pd", self.barycentric, vertices[faces[self.face]])


@dataclass(frozen=True)
class BodySurface:
    """P points of a body at rest, and the 22 joints that move them; float32.

    template : (P, 3) metres; shape : (P, 3, 10) metres for each beta; normal : (P, 3) outward, unit
    weights  : (P, 22), each row adding to 1
    joints   : (22, 3) metres; joint_shape : (22, 3, 10)
    """

    template: Array
    shape: Array
    normal: Array
    weights: Array
    joints: Array
    joint_shape: Array

    def before(self, other: BodySurface) -> BodySurface:
        """The points of this one and then those of another surface of the same body."""
        mine, theirs = ((s.template, s.shape, s.normal, s.weights) for s in (self, other))
        return BodySurface(*(np.concatenate(pair) for pair in zip(mine, theirs, strict=True)), self.joints,
                           self.joint_shape)


@dataclass(frozen=True)
class GuideSurface:
    """What guidance measures a body by.

    surface  : P points of the skin, then K landmarks (without normals)
    landmark : (K,) int64, which of BlazePose's 33 each is
    rest     : (P, 3) BodyPoints.rest of the P points
    """

    surface: BodySurface
    landmark: Array
    rest: Array


def points_at(model: BodyModel, face: Array, barycentric: Array) -> BodyPoints:
    """Points given by their place on the surface."""
    rest = np.einsum("pk,pkd->pd", barycentric, model.template[model.faces[face]]) - model.joint_template[0]
    return BodyPoints(face, barycentric, rest.astype(np.float32))


def points_of(model: BodyModel, count: int, seed: int = SEED) -> BodyPoints:
    """Points of any body, spread by the area of its rest pose; the same for everyone who asks."""
    rng = np.random.default_rng(seed)
    areas = face_areas(Mesh(model.template, model.faces))
    face = rng.choice(len(areas), count, p=areas / areas.sum())
    return points_at(model, face, rng.dirichlet(np.ones(3), count).astype(np.float32))


def guide_points(model: BodyModel) -> BodyPoints:
    """GUIDE_POINTS vertices of any body, far apart: distances to points at random are too large by centimetres where
    these leave gaps, most of all on hands. InputError for a body without hands."""
    in_face = np.isin(np.arange(len(model.template)), model.faces)
    of_hand = np.isin(mover()[model.weights.argmax(1)], (LEFT_WRIST, RIGHT_WRIST))
    if not (in_face & of_hand).any():
        raise InputError(f'The body "{model.name}" cannot be guided.', "None of its skin moves mostly with a hand.",
                         "Use a body file of SMPL-X, whole and with its weights.")
    vertices = np.concatenate([np.flatnonzero(part)[spread(model.template[part], count)] for part, count in (
        (in_face & of_hand, HAND_POINTS), (in_face & ~of_hand, GUIDE_POINTS - HAND_POINTS))])
    face = np.zeros(len(model.template), np.int64)
    face[model.faces] = np.arange(len(model.faces))[:, None]
    face = face[vertices]
    return points_at(model, face, (model.faces[face] == vertices[:, None]).astype(np.float32))


_last: list[tuple[BodyModel, GuideSurface]] = []


def guide_surface(model: BodyModel, points: BodyPoints | None = None, hands: Array | None = None) -> GuideSurface:
    """Guidance's surface of a body: its own points, or those that are given; hands as in surface_points. The last
    body's, with its own points and the mean hands, is kept."""
    if points is None and hands is None:
        for known, surface in tuple(_last):
            if known is model:
                return surface
        surface = guide_surface(model, guide_points(model))
        _last[:] = [(model, surface)]
        return surface
    points = points or guide_points(model)
    marks, landmark = landmark_surface(model, hands)
    return GuideSurface(surface_points(model, points, hands).before(marks), landmark, points.rest)


def surface_points(model: BodyModel, chosen: BodyPoints, hands: Array | None = None) -> BodySurface:
    """The chosen points of the surface. hands : (30, 3, 3) local rotations, left then right; else the mean hands."""
    corners = model.faces[chosen.face]
    used, place = np.unique(corners, return_inverse=True)
    moved, weights = _at_rest(restrict(model, used), model, hands)
    place = place.reshape(corners.shape)

    def at(values: Array) -> Array:
        return np.einsum("pk,pk...->p...", chosen.barycentric, values[place])

    normals = at(vertex_normals(Mesh(model.template, model.faces))[used])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    return _surface(model, at(moved), normals, at(weights))


def landmark_surface(model: BodyModel, hands: Array | None = None) -> tuple[BodySurface, Array]:
    """The points that BlazePose's landmarks are on the model, and which of its 33 each is (K,) int64."""
    points = landmark_points(model)
    moved, weights = _at_rest(points.model, model, hands)
    joints = _changes(_posed_by_betas(restrict(model, np.zeros(1, int)), model, hands)[1])
    own = np.zeros((len(points.landmark), POSED), np.float32)
    own[np.arange(len(own)), np.maximum(mover()[np.maximum(points.joint, 0)], 0)] = 1
    is_joint = (points.joint >= 0)[:, None]
    place = np.where(is_joint[..., None], joints[points.joint], moved[points.vertex])
    surface = _surface(model, place, np.zeros_like(place[..., 0]), np.where(is_joint, own, weights[points.vertex]))
    return surface, points.landmark


def mover() -> Array:
    """(55,) which of the 22 joints each joint goes with."""
    found = np.arange(len(JOINTS))
    found[POSED:25], found[25:40], found[40:] = HEAD, LEFT_WRIST, RIGHT_WRIST
    return found


def _surface(model: BodyModel, moved: Array, normals: Array, weights: Array) -> BodySurface:
    """moved : (P, 3, 11), the rest points and their change with each beta."""
    arrays = (moved[..., 0], moved[..., 1:], normals, weights, model.joint_template[:POSED],
              model.joint_shape_dirs[:POSED, :, :BETAS])
    return BodySurface(*(np.ascontiguousarray(a, np.float32) for a in arrays))


def _posed_by_betas(few: BodyModel, model: BodyModel, hands: Array | None) -> tuple[Array, Array]:
    """Vertices (11, V, 3) and joints (11, 55, 3) with the hands, of no betas and of each beta at 1."""
    turns = np.broadcast_to(np.eye(3), (BETAS + 1, 55, 3, 3)).copy()
    mean = np.concatenate([model.hand_mean_left, model.hand_mean_right]).astype(np.float64)
    turns[:, 25:] = rotation_from_axis_angle(mean) if hands is None else hands
    betas = np.concatenate([np.zeros((1, BETAS)), np.eye(BETAS)])
    none = np.zeros((1, few.expression_dirs.shape[-1]))
    return pose_batch(few, turns, betas, none, np.zeros((BETAS + 1, 3)))


def _changes(values: Array) -> Array:
    """(11, P, 3) -> (P, 3, 11): the first, and what each other adds to it. Skinning is linear in the betas."""
    return np.moveaxis(np.concatenate([values[:1], values[1:] - values[:1]]), 0, -1)


def _at_rest(few: BodyModel, model: BodyModel, hands: Array | None) -> tuple[Array, Array]:
    """Rest points (V, 3, 11) with the hands, and weights (V, 22), of a restricted model."""
    weights = np.zeros((len(few.weights), POSED), np.float32)
    np.add.at(weights.T, mover(), few.weights.T)
    return _changes(_posed_by_betas(few, model, hands)[0]), weights
