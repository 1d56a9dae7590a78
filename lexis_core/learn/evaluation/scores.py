"""How far one state is from the truth: every number of the table but the seconds, by the conventions of CONVENTIONS.

Everything that depends on the truth alone is made once for all states that are compared with it. Distances to the
object are measured in its own frame, where its tree stays the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import igl
import numpy as np
from scipy.spatial import cKDTree

from lexis_core.body import default_body, pose, rest_joints
from lexis_core.geometry import axis_angle_from_rotation
from lexis_core.interfield import CONTACT, SIGMA, field_of
from lexis_core.learn.body_distance import body_distance
from lexis_core.mesh import Mesh, face_areas, sample_surface, vertex_areas
from lexis_core.metrics import CENTIMETRES, SAMPLES, align_pair, contact_scores, pose_error
from lexis_core.state import BodyState, ObjectState, State
from lexis_core.synthetic.states import Interactions

Array = np.ndarray

OBJECT_POINTS = 1024
NOTHING = 6 * SIGMA  # metres; farther from the object's box, the field is below 2e-8 and taken as 0

CONVENTIONS = {
    "pa_cd_body_cm, pa_cd_object_cm, pa_cd_both_cm":
        "One similarity (Procrustes) over all body and object vertices together, then Chamfer in cm: 6000 samples by "
        "area of each mesh, unsquared distance to the nearest sample of the other, the sum of both directed means "
        "(CHORE, CONTHO). Equal meshes score the samples' spacing, 1.7 cm for a body. Both: 6000 samples of body and "
        "object as one surface.",
    "rotation_deg": "Angle between the object's rotation and the true one, camera axes; symmetries are not looked for.",
    "translation_cm": "Error of the object's place from the pelvis, camera axes.",
    "contact_precision, contact_recall, contact_f1":
        "Contact is a body vertex nearer than 5 cm to the object's surface; every vertex counts once. Precision is "
        "averaged over images with a predicted contact, recall over those with a true one, F1 over those with either.",
    "false_contact": "Of images without a true contact, the share in which any is predicted.",
    "false_contact_vertices": "Share of the body's vertices in contact, averaged over images without a true contact.",
    "if_mae_body, if_mae_object":
        "Mean |IF - true IF| with sigma 0.10 m; over the body's vertices, weighted by the true body's areas; over 1024 "
        "points of the object, spread by area.",
    "penetration_share": "Share of the body's vertices inside the object.",
    "penetration_depth_cm": "Deepest body vertex in the object or object point in the body, cm; 0 without any.",
    "seconds": "Wall clock for one image at a time, on the first images, after one that does not count.",
    "starts": "The truth with the measured errors of the expert estimate, times the scale; \"real\" is the estimate "
              "itself. Where \"told\" is true, learned methods are told the scale.",
    "size": "Where it is not 1, methods are given the object so many times as large as it is, their results hold it "
            "so, and it is compared with the true one.",
    "hands": "Every method's body has the model's mean hands, the true body its own.",
    "camera": "The true camera is known to all methods.",
}
METRICS = ("pa_cd_body_cm", "pa_cd_object_cm", "pa_cd_both_cm", "rotation_deg", "translation_cm", "contact_precision",
           "contact_recall", "contact_f1", "if_mae_body", "if_mae_object", "penetration_share", "penetration_depth_cm",
           "false_contact", "false_contact_vertices")


@dataclass(frozen=True)
class Near:
    """How near a body and an object are to each other.

    body         : (V,) metres from each body vertex to the object, inf where the field is nothing
    object       : (OBJECT_POINTS,) metres from each object point to the body
    body_inside  : (V,) bool; depth : metres, of the deepest point of either in the other
    """

    body: Array
    object: Array
    body_inside: Array
    depth: float


class Thing:
    """An object's mesh in its own frame, with its trees and points."""

    def __init__(self, mesh: Mesh):
        self.mesh = mesh
        self.vertices, self.faces = mesh.vertices.astype(np.float64), mesh.faces.astype(np.int64)
        self.points = sample_surface(mesh, OBJECT_POINTS, 0)[0]
        self.low, self.high = self.vertices.min(0), self.vertices.max(0)
        self.tree, self.winding = igl.AABB(), igl.FastWindingNumberBVH()
        self.tree.init(self.vertices, self.faces)
        self.winding.init(self.vertices, self.faces)

    def distance(self, points: Array) -> Array:
        """(P, 3) in the object's frame -> (P,) metres; inf where the field is nothing."""
        beyond = np.linalg.norm(np.maximum(np.maximum(self.low - points, points - self.high), 0), axis=1)
        near = beyond < NOTHING
        found = np.full(len(points), np.inf)
        if near.any():
            found[near] = np.sqrt(self.tree.squared_distance(self.vertices, self.faces, points[near])[0])
        return found

    def holds(self, points: Array) -> Array:
        """(P,) bool, which points in the object's frame are inside it."""
        found = ((points >= self.low) & (points <= self.high)).all(1)
        if found.any():
            found[found] = np.abs(self.winding.winding_number(np.ascontiguousarray(points[found]))) > 0.5
        return found

    def near(self, body: Array, placed: ObjectState) -> Near:
        """The default body's vertices (V, 3) and the object where it stands, both in camera space."""
        rotation, shift = np.asarray(placed.rotation, np.float64), np.asarray(placed.translation, np.float64)
        there = np.ascontiguousarray((body - shift) @ rotation)
        to_object, body_inside = self.distance(there), self.holds(there)
        points = (self.points @ rotation.T + shift).astype(np.float32)
        to_body = body_distance(points, body)
        deep = [0.0, *to_object[body_inside]]
        if to_object.min() < CONTACT or body_inside.any():
            deep.extend(to_body[_in_body(points, body)])
        return Near(to_object, to_body, body_inside, float(max(deep)))


def _in_body(points: Array, body: Array) -> Array:
    """(P,) bool, as interfield.inside has it, of the default body, whose faces need no look for repeated ones."""
    found = ((points >= body.min(0)) & (points <= body.max(0))).all(1)
    if found.any():
        tree = igl.FastWindingNumberBVH()
        tree.init(body.astype(np.float64), default_body().faces.astype(np.int64))
        found[found] = np.abs(tree.winding_number(points[found].astype(np.float64))) > 0.5
    return found


@dataclass(frozen=True)
class Samples:
    """SAMPLES points of the body, of the object, and of both as one surface."""

    body: Array
    object: Array
    both: Array

    @classmethod
    def of(cls, body: Mesh, object: Mesh, seed: int) -> Samples:
        a, b = sample_surface(body, SAMPLES, seed)[0], sample_surface(object, SAMPLES, seed)[0]
        areas = [face_areas(mesh).sum() for mesh in (body, object)]
        of_body = np.random.default_rng(seed).binomial(SAMPLES, areas[0] / sum(areas))
        return cls(a, b, np.concatenate([a[:of_body], b[of_body:]]))

    @cached_property
    def trees(self) -> tuple[cKDTree, cKDTree, cKDTree]:
        return cKDTree(self.body), cKDTree(self.object), cKDTree(self.both)


class Truth:
    """One interaction, ready to be compared with; size : how many times as large the object of what is compared is."""

    def __init__(self, interactions: Interactions, i: int, size: float = 1.0):
        model, self.state = default_body(), interactions.state(i)
        self.pelvis = pelvis_of(self.state.body)
        mesh = interactions.object_model(i).mesh
        self.body = Mesh(pose(model, self.state.body).vertices, model.faces)
        self.object = mesh.moved(self.state.object.rotation, self.state.object.translation)
        self.thing = Thing(mesh)
        self.given = self.thing if size == 1 else Thing(mesh.moved(np.eye(3), np.zeros(3), size))
        self.areas = vertex_areas(self.body)
        self.near = self.thing.near(self.body.vertices, self.state.object)
        self.contact = self.near.body < CONTACT
        self.samples = Samples.of(self.body, self.object, 1)

    def scores(self, state: State) -> dict[str, float]:
        """Every number of METRICS for a state in camera space; NaN where one is not defined."""
        model = default_body()
        body = Mesh(pose(model, state.body).vertices, model.faces)
        placed = self.given.mesh.moved(state.object.rotation, state.object.translation)
        near = self.given.near(body.vertices, state.object)
        gaps = np.abs(field_of(near.body) - field_of(self.near.body))
        contact = near.body < CONTACT
        found = contact_scores(contact, self.contact)
        turn, shift = pose_error(state.object.rotation, state.object.translation - pelvis_of(state.body),
                                 self.state.object.rotation, self.state.object.translation - self.pelvis)
        apart = not self.contact.any()
        return dict(zip(METRICS, (
            *self._chamfer(body, placed), float(turn), float(shift), found.precision, found.recall, found.f1,
            float(np.average(gaps, weights=self.areas)),
            float(np.abs(field_of(near.object) - field_of(self.near.object)).mean()),
            float(near.body_inside.mean()), CENTIMETRES * near.depth,
            float(contact.any()) if apart else np.nan, float(contact.mean()) if apart else np.nan), strict=True))

    def _chamfer(self, body: Mesh, object: Mesh) -> list[float]:
        found = Samples.of(*align_pair(body, object, self.body, self.object), 2)
        pairs = zip((found.body, found.object, found.both), found.trees,
                    (self.samples.body, self.samples.object, self.samples.both), self.samples.trees, strict=True)
        return [CENTIMETRES * float(there.query(a)[0].mean() + here.query(b)[0].mean()) for a, here, b, there in pairs]


def pelvis_of(body: BodyState) -> Array:
    """(3,) where the pelvis joint is, camera space."""
    return rest_joints(default_body(), body.betas, np.zeros(10))[0] + body.translation


def state_of(theta: Array, body_rotation: Array, pelvis: Array, betas: Array, object_rotation: Array,
             object_position: Array) -> State:
    """One row of the learned models' States as a State with mean hands."""
    resting = rest_joints(default_body(), betas, np.zeros(10))[0]
    body = BodyState(body_pose=axis_angle_from_rotation(theta).astype(np.float32), betas=betas, rotation=body_rotation,
                     translation=(pelvis - resting).astype(np.float32))
    return State(body, ObjectState(object_rotation, object_position))
