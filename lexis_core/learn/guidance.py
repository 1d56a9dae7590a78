"""Guidance: which way a clean estimate must move so that surfaces are as near as their InterFields say.

Published (LEXIS): gradients of render-and-compare and of proximity nudge the estimate while sampling. Our choice: the
proximity term compares distances, not fields, for a field says nothing from far away; outlines are compared by two-way
distances to mask pixels; landmarks hold the body; object points under the skin are pushed out. The gradient is plain
and clipped. All of it is ordinary operations that trace and export.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from lexis_core.interfield import CONTACT, SIGMA
from lexis_core.learn.flow_state import States, pelvis_of, place_of
from lexis_core.learn.kinematics import rotation_of
from lexis_core.learn.observed import SIDE, Observed
from lexis_core.learn.proximity import REACH, near
from lexis_core.learn.surface import Surface

FIELD_SPREAD = 0.05      # metres by which distances may miss
MASK_SPREAD, LANDMARK_SPREAD = 0.02, 0.02  # crop sides
DEAD_ZONE = 1 / SIDE     # crop sides an outline may be off for nothing
DEPTH_SPREAD = 0.02      # metres under the skin
# what one step of the gradient moves at most: radians, crop sides and log depth, radians, metres
UNITS = {"theta": 0.03, "rotation": 0.02, "place": (0.005, 0.005, 0.01), "object_rotation": 0.12, "offset": 0.06}
SIZE = 63 + 3 + 3 + 3 + 3


@dataclass(frozen=True)
class Weights:
    """Of the terms; field also takes the artist's painted one."""

    field: float = 3.0
    mask: float = 5.0
    landmarks: float = 3.0
    inside: float = 0.3


class Goal(NamedTuple):
    """What distances should be, metres, at most REACH, and how much each point counts: body (B, P), object (B, Q)."""

    body: Tensor
    object: Tensor
    body_weight: Tensor
    object_weight: Tensor


class Scene(NamedTuple):
    """What guidance measures on: the picture, P body points followed by K landmarks in one surface, which landmark each
    of the K is, and object points (B, Q, 3), canonical, metres."""

    seen: Observed
    surface: Surface
    landmark: Tensor
    points: Tensor


def interfield_goal(body: Tensor, object: Tensor) -> Goal:
    """Fields in (0, 1] -> the distances they stand for; near points count more."""
    return Goal(distance_of(body), distance_of(object), 0.2 + body, 0.2 + object)


def contact_goal(body: Tensor, object: Tensor) -> Goal:
    """The same fields as binary contact: what is nearer than 5 cm should touch, the rest may be anywhere."""
    touch = float(torch.exp(torch.tensor(-0.5 * (CONTACT / SIGMA) ** 2)))
    return Goal(torch.zeros_like(body), torch.zeros_like(object), (body > touch).float(), (object > touch).float())


def distance_of(field: Tensor) -> Tensor:
    """InterField -> metres, at most REACH."""
    return (SIGMA * (-2 * field.clamp(1e-4, 1).log() + 1e-9).sqrt()).clamp(max=REACH)


def terms(states: States, scene: Scene, goal: Goal | None, weights: Weights) -> Tensor:
    """(B, 4) weighted energy of field, mask, landmarks and inside."""
    seen, count = scene.seen, scene.surface.template.shape[0] - scene.landmark.shape[0]
    posed = scene.surface.posed(*states[:4])
    skin = type(posed)(posed.points[:, :count], posed.normals[:, :count], posed.joints)
    object = scene.points @ states.object_rotation.transpose(1, 2) + states.object_position[:, None]
    found = near(skin, object)
    field = torch.zeros_like(states.pelvis[:, 0])
    if goal is not None:
        gaps = ((found.body - goal.body, goal.body_weight), (found.object - goal.object, goal.object_weight))
        field = sum((weight * _robust(gap / FIELD_SPREAD)).sum(1) / (weight.sum(1) + 1) for gap, weight in gaps)
    inside = (found.inside / DEPTH_SPREAD).square().mean(1) * 10
    marks = (seen.project(posed.points[:, count:]) - seen.landmarks[:, scene.landmark]) / LANDMARK_SPREAD
    trust = seen.confidence[:, scene.landmark].square() * seen.seen[:, 2:3]
    landmarks = (trust * _robust(_length(marks))).sum(1) / (trust.sum(1) + 1)
    return torch.stack([weights.field * field, weights.mask * _outline(seen, object),
                        weights.landmarks * landmarks, weights.inside * inside], 1)


def guided(states: States, scene: Scene, goal: Goal | None, weights: Weights, steps: int, rate: float) -> States:
    """So many steps down the gradient, each part clipped to its unit."""
    for _ in range(steps):
        with torch.enable_grad():
            change = torch.zeros(len(states.pelvis), SIZE, device=states.pelvis.device, requires_grad=True)
            energy = terms(moved(states, change, scene.seen.focal), scene, goal, weights).sum()
            (slope,) = torch.autograd.grad(energy, change)
        states = moved(states, -clipped(rate * slope), scene.seen.focal)
    return states


def clipped(slope: Tensor) -> Tensor:
    """Each part of the gradient (B, 75) no longer than 1: a joint, the root, the object's turn, its place."""
    parts = slope.unflatten(1, (SIZE // 3, 3))
    return (parts / parts.norm(dim=-1, keepdim=True).clamp(min=1)).flatten(1)


def moved(states: States, change: Tensor, focal: Tensor) -> States:
    """States after small changes (B, 75) in units of UNITS: 21 joints, the body's turn and place, the object's turn and
    its offset from the pelvis."""
    theta, turn, place, object_turn, offset = change.split([63, 3, 3, 3, 3], 1)
    pelvis = pelvis_of(place_of(states.pelvis, focal) + place * place.new_tensor(UNITS["place"]), focal)
    return States(
        states.theta @ rotation_of(UNITS["theta"] * theta.unflatten(1, (21, 3))),
        rotation_of(UNITS["rotation"] * turn) @ states.body_rotation, pelvis, states.betas,
        rotation_of(UNITS["object_rotation"] * object_turn) @ states.object_rotation,
        pelvis + states.object_position - states.pelvis + UNITS["offset"] * offset)


def _outline(seen: Observed, object: Tensor) -> Tensor:
    """(B,) two-way: object points beside both masks, and pixels of the object's mask that no point meets."""
    at = seen.project(object)
    beside = functional.relu(seen.read(at, slice(3, 4))[..., 0] - DEAD_ZONE) / MASK_SPREAD
    with torch.no_grad():
        gap = (seen.pixels[:, :, None] - at[:, None]).square().sum(-1)
        nearest = gap.argmin(2)
    met = _length(seen.pixels - at.gather(1, nearest[..., None].expand(-1, -1, 2)))
    missed = functional.relu(met - 2 * DEAD_ZONE) / MASK_SPREAD
    return (_robust(beside).mean(1) + _robust(missed).mean(1)) * seen.seen[:, 3] * seen.seen[:, 1]


def _robust(x: Tensor) -> Tensor:
    """Half the square near zero, the length far away (Charbonnier)."""
    return (x.square() + 1).sqrt() - 1


def _length(x: Tensor) -> Tensor:
    return (x.square().sum(-1) + 1e-8).sqrt()
