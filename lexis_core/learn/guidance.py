"""Guidance: which way a clean estimate must move so that surfaces are as near as their InterFields say.

Published (LEXIS): gradients of render-and-compare and of proximity nudge the estimate while sampling. Our choice: the
proximity term compares distances, not fields, for a field says nothing from far away; outlines are compared by two-way
distances to mask pixels; landmarks hold the body; object points under the skin, and skin in the object, are pushed
out. A step is Gauss and Newton's, damped and clipped, of a gradient and curvature in closed form (forces.py): ordinary
operations that export.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from lexis_core.interfield import CONTACT, SIGMA
from lexis_core.learn.flow_state import Free, States, pelvis_of, place_of
from lexis_core.learn.forces import Cloud, Goal, Pull, pull
from lexis_core.learn.kinematics import rotation_of
from lexis_core.learn.observed import Observed
from lexis_core.learn.proximity import REACH
from lexis_core.learn.surface import Surface
from lexis_core.runtime import sampler

# what one step moves at most: radians of the pelvis and of a joint, crop sides and log depth, radians, metres
UNITS = {"rotation": 0.02, "theta": 0.03, "place": (0.005, 0.005, 0.01), "object_rotation": 0.12, "offset": 0.06}
SIZE = 3 + 63 + 3 + 3 + 3
TOUCH = 16         # to this power, a field is that of a quarter of sigma: what touches
REST, FIRM = 0.2, 0.6  # what any point counts; what the body's that touch count together, as a share of all its points
SOLVER_STEPS = 16  # of conjugate gradients


@dataclass(frozen=True)
class Weights(sampler.Weights):
    """The runtime's, for torch."""

    def tensor(self) -> Tensor:
        """(4,), as guide takes them."""
        return torch.tensor(astuple(self))


class Scene(NamedTuple):
    """What guidance measures on: the picture, P body points followed by K landmarks in one surface, which landmark each
    of the K is, object points (B, Q, 3), canonical, metres, and outward normals (B, Q, 3), zeros where not known."""

    seen: Observed
    surface: Surface
    landmark: Tensor
    points: Tensor
    normals: Tensor


def interfield_goal(body: Tensor, object: Tensor) -> Goal:
    """Fields in (0, 1] -> the distances they stand for. What touches counts more; of the body, where three points of a
    kicking foot do and hundreds do not, two to three times as much as all the rest, however few."""
    touch, touched = body**TOUCH, object**TOUCH
    firm = FIRM * body.shape[1] * touch / (touch.sum(1, keepdim=True) + 1)
    return Goal(distance_of(body), distance_of(object), REST + touch + firm, REST + touched)


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
    return pulled(states, scene, goal, weights, Free.all(len(states.pelvis))).energy


def guided(states: States, scene: Scene, goal: Goal, weights: Tensor, steps: int = sampler.INNER,
           free: Free | None = None) -> States:
    """So many steps down at the sampler's rate, each part clipped to its unit."""
    free = free or Free.all(len(states.pelvis))
    for _ in range(steps):
        states, _ = guide(states, scene, goal, weights, torch.full_like(free.body, sampler.RATE), free)
    return states


def guide(states: States, scene: Scene, goal: Goal, weights: Tensor, rate: Tensor, free: Free) -> tuple[States, Tensor]:
    """One step down, and the energy (B, 4) before it. rate (B,) : how far down the gradient where nothing curves; where
    the energy is steep and narrow, only to its ground (Levenberg and Marquardt's step, damped by 1 / rate)."""
    found = pulled(states, scene, goal, weights, free)
    unit = allowed(free)
    gradient, curvature = found.gradient * unit, found.curvature * unit[:, :, None] * unit[:, None]
    still = torch.eye(SIZE, device=rate.device) + rate[:, None, None] * curvature
    change = -clipped(solved(still, rate[:, None] * gradient))
    return moved(states, change, scene.seen.focal, free), found.energy


def solved(matrix: Tensor, right: Tensor) -> Tensor:
    """x with matrix x = right, (B, N, N) symmetric positive and (B, N): conjugate gradients, each number in its own
    scale, until a millionth remains, for their condition is some 40. (ONNX has no operation that solves.)"""
    own = torch.diagonal(matrix, dim1=1, dim2=2).reciprocal()
    x, rest = torch.zeros_like(right), right
    way = ready = own * rest
    size = (rest * ready).sum(1, keepdim=True)
    for _ in range(SOLVER_STEPS):
        bent = (matrix @ way[..., None])[..., 0]
        far = size / ((way * bent).sum(1, keepdim=True) + 1e-20)
        x, rest = x + far * way, rest - far * bent
        ready = own * rest
        before, size = size, (rest * ready).sum(1, keepdim=True)
        way = ready + size / (before + 1e-20) * way
    return x


def allowed(free: Free) -> Tensor:
    """(B, 75) what each number may move, in units of UNITS; 0 where it is held."""
    ones = torch.ones_like(free.body)[:, None].expand(-1, 3)
    body, object = free.body[:, None] * ones, free.object[:, None] * ones
    joints = free.joints[..., None].expand(-1, -1, 3).flatten(1)
    return torch.cat([UNITS["rotation"] * body, UNITS["theta"] * joints, body * body.new_tensor(UNITS["place"]),
                      UNITS["object_rotation"] * object, UNITS["offset"] * object], 1)


def clipped(slope: Tensor) -> Tensor:
    """Each part of the gradient (B, 75) no longer than 1: a joint, the root, the object's turn, its place."""
    parts = slope.unflatten(1, (SIZE // 3, 3))
    return (parts / parts.norm(dim=-1, keepdim=True).clamp(min=1)).flatten(1)


def moved(states: States, change: Tensor, focal: Tensor, free: Free) -> States:
    """States after small changes (B, 75) in units of UNITS: the body's turn, 21 joints, its place, the object's turn
    and its offset from the pelvis."""
    turn, theta, place, object_turn, offset = (change * allowed(free)).split([3, 63, 3, 3, 3], 1)
    pelvis = pelvis_of(place_of(states.pelvis, focal) + place, focal)
    return States(
        states.theta @ rotation_of(theta.unflatten(1, (21, 3))), rotation_of(turn) @ states.body_rotation, pelvis,
        states.betas, rotation_of(object_turn) @ states.object_rotation,
        states.object_position + (pelvis - states.pelvis) * free.object[:, None] + offset)


def pulled(states: States, scene: Scene, goal: Goal, weights: Tensor, free: Free) -> Pull:
    """What the energy of these states is, and how it changes as they move; free : whether the object goes along."""
    rig = scene.surface.rig(states.theta, states.body_rotation, states.betas)
    turn = states.object_rotation.transpose(1, 2)
    object = Cloud(scene.points @ turn + states.object_position[:, None], scene.normals @ turn)
    return pull(rig, scene.surface, states.pelvis, object, states.object_position, scene.seen, scene.landmark, goal,
                weights, free.object)
