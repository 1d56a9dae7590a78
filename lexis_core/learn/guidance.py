"""Guidance: which way a clean estimate must move so that surfaces are as near as their InterFields say.

Published (LEXIS): gradients of render-and-compare and of proximity nudge the estimate while sampling. Our choice: the
proximity term compares distances, not fields, for a field says nothing from far away; outlines are compared by two-way
distances to mask pixels; landmarks hold the body; object points under the skin are pushed out. The gradient is plain
and clipped, in closed form (forces.py): ordinary operations that export.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from lexis_core.interfield import CONTACT, SIGMA
from lexis_core.learn.flow_state import Free, States, pelvis_of, place_of
from lexis_core.learn.forces import Goal, Pull, pull
from lexis_core.learn.kinematics import rotation_of
from lexis_core.learn.observed import Observed
from lexis_core.learn.proximity import REACH
from lexis_core.learn.surface import Surface
from lexis_core.runtime import sampler

# what one step of the gradient moves at most: radians, crop sides and log depth, radians, metres
UNITS = {"theta": 0.03, "rotation": 0.02, "place": (0.005, 0.005, 0.01), "object_rotation": 0.12, "offset": 0.06}
SIZE = 63 + 3 + 3 + 3 + 3


@dataclass(frozen=True)
class Weights(sampler.Weights):
    """The runtime's, for torch."""

    def tensor(self) -> Tensor:
        """(4,), as guide takes them."""
        return torch.tensor(astuple(self))


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


def touching(body: Tensor) -> Tensor:
    """The body's predicted field as guidance aims at it: the runtime's, for torch."""
    distance = SIGMA * (-2 * body.clamp(1e-4, 1.0).log()).sqrt()
    return (-0.5 * (distance * ((distance - sampler.TOUCHING) / sampler.BLUR).sigmoid() / SIGMA).square()).exp()


def contact_goal(body: Tensor, object: Tensor) -> Goal:
    """The same fields as binary contact: what is nearer than 5 cm should touch, the rest may be anywhere."""
    touch = float(torch.exp(torch.tensor(-0.5 * (CONTACT / SIGMA) ** 2)))
    return Goal(torch.zeros_like(body), torch.zeros_like(object), (body > touch).float(), (object > touch).float())


def distance_of(field: Tensor) -> Tensor:
    """InterField -> metres, at most REACH."""
    return (SIGMA * (-2 * field.clamp(1e-4, 1.0).log() + 1e-9).sqrt()).clamp(max=REACH)


def terms(states: States, scene: Scene, goal: Goal, weights: Tensor) -> Tensor:
    """(B, 4) weighted energy of field, mask, landmarks and inside; weights (4,)."""
    return pulled(states, scene, goal, weights).energy


def guided(states: States, scene: Scene, goal: Goal, weights: Tensor, rates: Sequence[float],
           free: Free | None = None) -> States:
    """A step down the gradient at each rate, each part clipped to its unit."""
    free = free or Free.all(len(states.pelvis))
    for rate in rates:
        states, _ = guide(states, scene, goal, weights, torch.full_like(free.body, rate), free)
    return states


def guide(states: States, scene: Scene, goal: Goal, weights: Tensor, rate: Tensor, free: Free) -> tuple[States, Tensor]:
    """One step down the gradient, rate (B,); and the energy (B, 4) before it."""
    found = pulled(states, scene, goal, weights)
    change = -clipped(rate[:, None] * slope(found, states, scene.seen.focal, free))
    return moved(states, change, scene.seen.focal, free), found.energy


def slope(found: Pull, states: States, focal: Tensor, free: Free) -> Tensor:
    """The gradient (B, 75) of the energy by the change of moved(), at no change."""
    joints = found.joints
    own = found.turns[:, 1:].transpose(2, 3)
    theta = (own @ joints.torque[:, 1:, :, None])[..., 0] * free.joints[..., None] * UNITS["theta"]
    force = joints.force[:, 0] + free.object[:, None] * found.object.force
    across = force[:, :2] * states.pelvis[:, 2:] / focal[:, None]
    place = torch.cat([across, (force * states.pelvis).sum(1, keepdim=True)], 1) * force.new_tensor(UNITS["place"])
    return torch.cat([theta.flatten(1), UNITS["rotation"] * joints.torque[:, 0] * free.body[:, None],
                      place * free.body[:, None],
                      UNITS["object_rotation"] * found.object.torque * free.object[:, None],
                      UNITS["offset"] * found.object.force * free.object[:, None]], 1)


def clipped(slope: Tensor) -> Tensor:
    """Each part of the gradient (B, 75) no longer than 1: a joint, the root, the object's turn, its place."""
    parts = slope.unflatten(1, (SIZE // 3, 3))
    return (parts / parts.norm(dim=-1, keepdim=True).clamp(min=1)).flatten(1)


def moved(states: States, change: Tensor, focal: Tensor, free: Free) -> States:
    """States after small changes (B, 75) in units of UNITS: 21 joints, the body's turn and place, the object's turn and
    its offset from the pelvis."""
    theta, turn, place, object_turn, offset = change.split([63, 3, 3, 3, 3], 1)
    place, body, object = place * place.new_tensor(UNITS["place"]), free.body[:, None], free.object[:, None]
    pelvis = pelvis_of(place_of(states.pelvis, focal) + place * body, focal)
    return States(
        states.theta @ rotation_of(UNITS["theta"] * theta.unflatten(1, (21, 3)) * free.joints[..., None]),
        rotation_of(UNITS["rotation"] * turn * body) @ states.body_rotation, pelvis, states.betas,
        rotation_of(UNITS["object_rotation"] * object_turn * object) @ states.object_rotation,
        states.object_position + (pelvis - states.pelvis + UNITS["offset"] * offset) * object)


def pulled(states: States, scene: Scene, goal: Goal, weights: Tensor) -> Pull:
    """What the energy of these states is, and how it pulls."""
    rig = scene.surface.rig(states.theta, states.body_rotation, states.betas)
    object = scene.points @ states.object_rotation.transpose(1, 2) + states.object_position[:, None]
    return pull(rig, scene.surface, states.pelvis, object, states.object_position, scene.seen, scene.landmark, goal,
                weights)
