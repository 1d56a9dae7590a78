"""An InterField that an artist painted, as a task for guidance: points where it was painted, the rest where it is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from lexis_core.body import BodyModel, pose, pose_batch
from lexis_core.body.model import joint_rotations
from lexis_core.body.names import PARENTS, POSED
from lexis_core.body.surface import GUIDE_POINTS, guide_surface, mover, points_at
from lexis_core.errors import InputError
from lexis_core.initialise.landmark_points import landmark_points
from lexis_core.interfield import outward
from lexis_core.mesh import Mesh, face_areas, vertex_areas
from lexis_core.reconstruction import Reconstruction
from lexis_core.runtime.crop import FILL, Crop, crop_around, cropped, start_of
from lexis_core.runtime.sampler import Free, Goal, Stage
from lexis_core.runtime.seen import LANDMARKS
from lexis_core.runtime.states import States
from lexis_core.state import BodyState, ObjectState

Array = np.ndarray

CARRIES = 0.25       # share of the paint a joint's skin must have for the joint to be moved by it
TRUNK = (0, 3, 6, 9)  # pelvis and spine: they carry everything else
LOOSE = 0.1          # confidence in a landmark that the paint may take along
TOUCH = 0.5          # a painted field above this asks for touch
STAGES = ((1.0, 0.7), (0.5, 0.3))  # first only painted points, so that nothing else is met; then some all over
NEAR = 0.15          # metres: of a surface without paint, what is about as near to the other one is looked at first
SLOW = 0.5           # of the body's steps where the object moves as well
APART = 0.2          # metres; from farther away than this the object is first brought near, for guidance reaches 0.3


@dataclass(frozen=True)
class Painted:
    """InterFields in [0, 1] that are wanted at vertices, where the masks are true; elsewhere nothing is asked.

    body (Vb,) float32, body_mask (Vb,) bool; object (Vo,) float32, object_mask (Vo,) bool
    """

    body: Array
    body_mask: Array
    object: Array
    object_mask: Array


class Task(NamedTuple):
    """The stages one after another from the start, what is free in them, and the crop that their states are in.

    middle : (3,) metres, canonical: where the object's paint is; the states have the object's place there, so that a
             turn leaves it where it is
    """

    stages: tuple[Stage, ...]
    start: States
    free: Free
    crop: Crop
    middle: Array

    def solved(self, found: States) -> States:
        """What was found, with the object's place where it is in every other state."""
        return found._replace(object_position=found.object_position - found.object_rotation @ self.middle)


def painted_task(model: BodyModel, result: Reconstruction, painted: Painted, free: Free, seed: int) -> Task:
    """How to move a result's body and object towards a painted field.

    A limb that carries paint moves; the rest of the body is held, by the picture of its landmarks where the paint is on
    the trunk. free : what is not pinned. InputError when the field does not fit the meshes, or nothing is painted.
    """
    thing = result.object.mesh
    body_field, body_mask = _checked("body", painted.body, painted.body_mask, len(model.template))
    object_field, object_mask = _checked("object", painted.object, painted.object_mask, len(thing.vertices))
    if not (body_mask.any() or object_mask.any()):
        raise InputError("There is no painted field to solve for.", "Nothing is painted on either surface.",
                         "Paint where body and object should touch.")
    posed = pose(model, result.state.body)
    state = result.state
    if free.object:
        state = replace(state, object=_brought_near(state.object, (posed.vertices, thing.vertices),
                                                    (body_field * body_mask, object_field * object_mask)))
    rng = np.random.default_rng(seed)
    rest, hands = Mesh(model.template, model.faces), joint_rotations(model, state.body)[25:]
    free = _carrying(free, _carried(model, rest, body_mask))
    crop = _crop_of(result, posed.vertices)
    start = start_of(model, state, crop)
    middle = state.object.scale * _middle(thing, object_mask)
    start = start._replace(object_position=start.object_position + start.object_rotation @ middle)
    seen = cropped(result.observation(), crop, result.object, state.object.scale, seed)
    marks, trust = _landmarks(model, state.body, start, crop, free)
    seen = seen._replace(landmarks=marks[None], confidence=trust[None])
    seen.seen[:, 2] = 1
    looked = tuple(mask if mask.any() else gap < gap.min() + NEAR for mask, gap in (
        (body_mask, result.field.body_distance), (object_mask, result.field.object_distance)))
    stages = []
    for paint, share in STAGES:
        face, corner = _points(rest, looked[0], paint, rng)
        body_goal = _at(body_field, body_mask, model.faces[face], corner)
        guide = guide_surface(model, points_at(model, face, corner), hands)
        face, corner = _points(thing, looked[1], paint, rng)
        object_goal = _at(object_field, object_mask, thing.faces[face], corner)
        points = np.einsum("pk,pkd->pd", corner, thing.vertices[thing.faces[face]])
        normals = outward(points, face, thing)
        points = np.ascontiguousarray(state.object.scale * points - middle, np.float32)
        stages.append(Stage(seen._replace(object_points=points[None], object_normals=normals[None]), guide,
                            Goal(*body_goal, *object_goal), share))
    return Task(tuple(stages), start, free, crop, middle)


def _checked(name: str, field: Array, mask: Array, count: int) -> tuple[Array, Array]:
    field, mask = np.asarray(field), np.asarray(mask)
    if field.shape != (count,) or mask.shape != (count,) or field.dtype.kind not in "fiub":
        raise InputError(f"The painted field does not fit the {name}.",
                         f"The {name} has {count:,} vertices, painted are {field.shape} and {mask.shape}.",
                         "Paint on the surfaces of the result that is refined.")
    if not np.isfinite(field).all():
        raise InputError(f"The painted field of the {name} cannot be used.", "It holds NaN or infinity.",
                         "Paint numbers from 0 to 1.")
    return np.clip(field, 0, 1).astype(np.float64), mask.astype(bool)


def _middle(mesh: Mesh, mask: Array) -> Array:
    return (mesh.vertices[mask].mean(0) if mask.any() else np.zeros(3)).astype(np.float32)


def _brought_near(placed: ObjectState, vertices: tuple[Array, Array], touch: tuple[Array, Array]) -> ObjectState:
    """The object so near that the middles of what should touch are no more than APART from each other."""
    wanted = tuple(field > TOUCH for field in touch)
    if not all(chosen.any() for chosen in wanted):
        return placed
    body, thing = (points[chosen].mean(0) for points, chosen in zip(vertices, wanted, strict=True))
    way = body - (placed.scale * thing @ placed.rotation.T + placed.translation)
    far = float(np.linalg.norm(way))
    moved = placed.translation + way * (1 - APART / max(far, APART))
    return replace(placed, translation=moved.astype(np.float32))


def _points(mesh: Mesh, mask: Array, paint: float, rng: np.random.Generator) -> tuple[Array, Array]:
    """Faces (P,) and barycentric places (P, 3): this share of them in the mask, the rest all over."""
    areas = face_areas(mesh)
    painted = areas * mask[mesh.faces].mean(1)
    there = round(paint * GUIDE_POINTS) if painted.sum() > 0 else 0
    odds = [(painted, there), (areas, GUIDE_POINTS - there)]
    face = np.concatenate([rng.choice(len(areas), count, p=odd / odd.sum()) for odd, count in odds if count])
    return face, rng.dirichlet(np.ones(3), len(face)).astype(np.float32)


def _at(field: Array, mask: Array, corners: Array, places: Array) -> tuple[Array, Array]:
    """The painted field at points, and how much of each point is painted: both (1, P) float32."""
    share = (places * mask[corners]).sum(1)
    value = (places * (field * mask)[corners]).sum(1) / np.maximum(share, 1e-9)
    return tuple(np.ascontiguousarray(a, np.float32)[None] for a in (np.clip(value, 1e-4, 1), share))


def _carried(model: BodyModel, rest: Mesh, mask: Array) -> Array:
    """(22,) the share of the paint that each joint's skin has."""
    area = vertex_areas(rest) * mask
    share = np.bincount(mover(), area @ model.weights, POSED)
    return share / max(share.sum(), 1e-12)


def _carrying(free: Free, share: Array) -> Free:
    """What is left free: the limbs that carry paint, and the body as a whole where the trunk does."""
    moves = np.zeros(POSED, bool)
    for joint in np.flatnonzero(share > CARRIES):
        while joint >= 0 and joint not in TRUNK:
            moves[joint], joint = True, PARENTS[joint]
    whole = share[list(TRUNK)].sum() > CARRIES
    ease = SLOW if free.object else 1.0
    return free._replace(joints=ease * free.joints * moves[1:], body=ease * free.body * whole, betas=0.0)


def _crop_of(result: Reconstruction, vertices: Array) -> Crop:
    at = result.camera.project(vertices)
    low, high = np.nanmin(at, 0), np.nanmax(at, 0)
    return crop_around(result.camera, (low + high) / 2, max(float((high - low).max()), 1.0) / FILL)


def _landmarks(model: BodyModel, body: BodyState, start: States, crop: Crop, free: Free) -> tuple[Array, Array]:
    """Where the start's own landmarks are, (33, 2) crop units, and how surely they should stay there (33,)."""
    points = landmark_points(model)
    posing = (joint_rotations(model, body)[None], body.betas[None], body.expression[None], body.translation[None])
    placed, joints = points.of(*pose_batch(points.model, *posing))[0], pose_batch(points.model, *posing)[1]
    there = (placed - joints[0, 0]) @ crop.turn.T + start.pelvis[0]
    marks, trust = np.zeros((LANDMARKS, 2), np.float32), np.zeros(LANDMARKS, np.float32)
    marks[points.landmark] = crop.used * there[:, :2] / np.maximum(there[:, 2:], 0.1)
    joint = np.where(points.joint >= 0, points.joint, points.model.weights[points.vertex].argmax(1))
    trust[points.landmark] = np.where(_taken(free)[mover()[joint]], LOOSE, 1)
    return marks, trust


def _taken(free: Free) -> Array:
    """(22,) bool: joints whose skin moves with a free joint."""
    taken = np.zeros(POSED, bool)
    for joint in range(1, POSED):
        taken[joint] = free.joints[joint - 1] > 0 or taken[PARENTS[joint]]
    return taken

