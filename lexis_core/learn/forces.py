"""What guidance measures, and its gradient in closed form: how each term pulls at points, and what that does to joints.

A gradient of points' positions is a force. Forces on the skin are summed into each joint's force and moment (virtual
work), so no step of the body's chain is taken back one by one, and the gradient is the few products that the energy is.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from lexis_core.body.names import PARENTS, POSED
from lexis_core.learn.observed import SIDE, Observed
from lexis_core.learn.proximity import REACH, gaps, length, nearest, pick
from lexis_core.learn.surface import Rig, Surface

FIELD_SPREAD = 0.05      # metres by which distances may miss
MASK_SPREAD, LANDMARK_SPREAD = 0.02, 0.02  # crop sides
DEAD_ZONE = 1 / SIDE     # crop sides an outline may be off for nothing
DEPTH_SPREAD = 0.02      # metres under the skin
OBJECT_SHARE = 0.6       # how much the object's field counts beside the body's: it is predicted less well


def _descent() -> list[list[float]]:
    """(22, 22): 1 where the second joint moves with the first."""
    moves = [[0.0] * POSED for _ in range(POSED)]
    for joint in range(POSED):
        above = joint
        while above >= 0:
            moves[above][joint] = 1.0
            above = PARENTS[above]
    return moves


_DESCENT = _descent()


class Goal(NamedTuple):
    """What distances should be, metres, at most REACH, and how much each point counts: body (B, P), object (B, Q)."""

    body: Tensor
    object: Tensor
    body_weight: Tensor
    object_weight: Tensor


class Wrench(NamedTuple):
    """A gradient of a rigid thing's motion. force (B, ..., 3) by its place; torque (B, ..., 3) by a turn in camera
    axes about its own origin."""

    force: Tensor
    torque: Tensor


class Pull(NamedTuple):
    """energy (B, 4) of field, mask, landmarks and inside; turns (B, 22, 3, 3) of the joints; joints : of each of the 22
    and all that hangs on it, about the joint; object : about its canonical origin."""

    energy: Tensor
    turns: Tensor
    joints: Wrench
    object: Wrench


class _Skin(NamedTuple):
    """Forces on skin points themselves (B, P, 3), on the skin points nearest to the object's (B, Q, 3), on their
    normals (B, Q, 3), and on the object's nearest to the skin's (B, P, 3) and the object's own (B, Q, 3)."""

    points: Tensor
    met: Tensor
    normals: Tensor
    object_met: Tensor
    object: Tensor


def pull(rig: Rig, surface: Surface, pelvis: Tensor, object: Tensor, middle: Tensor, seen: Observed, landmark: Tensor,
         goal: Goal, weights: Tensor) -> Pull:
    """Energies of a posed skeleton and object points (B, Q, 3), and their gradient.

    surface  : of the rig; its last K points are landmarks, which of the 33 says landmark (K,)
    middle   : (B, 3) the object's canonical origin; pelvis (B, 3); weights (4,) of the terms
    """
    count = goal.body.shape[1]
    points, normals = surface.skinned(rig)
    object = object - pelvis[:, None]
    pairs = nearest(points[:, :count], object)
    met = pick(torch.cat([points, normals, rig.rest, surface.normal.expand_as(normals)], -1), pairs[1])
    near, skin = _surfaces(points[:, :count], met[..., :6], object, pairs, goal, weights)
    beside, outside = _beside(seen, object + pelvis[:, None], weights[1])
    missed, where, inward = _missed(seen, object + pelvis[:, None], weights[1])
    marks, upon = _landmarks(seen, points[:, count:] + pelvis[:, None], landmark, weights[2])
    energy = torch.stack([near[0], beside + missed, marks, near[1]], 1)
    joints = _on_joints(rig, surface, torch.cat([skin.points, upon], 1), pairs[1], met[..., 6:], skin)
    force = torch.cat([skin.object + outside, skin.object_met, inward], 1)
    at = torch.cat([object, pick(object, pairs[0]), where - pelvis[:, None]], 1) - (middle - pelvis)[:, None]
    return Pull(energy, rig.turns, joints, Wrench(force.sum(1), torch.linalg.cross(at, force, dim=-1).sum(1)))


def _surfaces(points: Tensor, met: Tensor, object: Tensor, pairs: tuple[Tensor, Tensor], goal: Goal, weights: Tensor,
              ) -> tuple[tuple[Tensor, Tensor], _Skin]:
    """Energies (B,) of field and inside, and the forces. met (B, Q, 6): the skin points nearest to the object's, and
    their normals."""
    to_object = points - pick(object, pairs[0])
    to_skin, normal = object - met[..., :3], met[..., 3:]
    body, at_body = _gap(to_object, goal.body, goal.body_weight)
    thing, at_thing = _gap(to_skin, goal.object, goal.object_weight)
    depth = -(to_skin * normal).sum(-1)
    under = (to_skin.square().sum(-1) < REACH**2 / 9) & (depth > 0)
    depth = torch.where(under, depth, torch.zeros_like(depth))
    inside = (depth / DEPTH_SPREAD).square().mean(1) * 10
    press = (weights[3] * 20 / DEPTH_SPREAD**2 * depth / depth.shape[1])[..., None]
    at_body, at_thing = weights[0] * at_body, OBJECT_SHARE * weights[0] * at_thing - press * normal
    return (weights[0] * (body + OBJECT_SHARE * thing), weights[3] * inside), _Skin(
        at_body, -at_thing, -press * to_skin, -at_body, at_thing)


def _gap(toward: Tensor, goal: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Energy (B,) of distances that should be others, and its gradient by where the points (B, P, 3) are."""
    distance = length(toward)
    miss = (distance.clamp(max=REACH) - goal) / FIELD_SPREAD
    share = weight / (weight.sum(1, keepdim=True) + 1)
    slope = torch.where(distance < REACH, share * _slope(miss) / (FIELD_SPREAD * distance), torch.zeros_like(share))
    return (share * _robust(miss)).sum(1), slope[..., None] * toward


def _beside(seen: Observed, object: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Object points beside both masks: energy (B,), gradient (B, Q, 3)."""
    at = seen.project(object)
    value, slope = seen.slope(at, 3)
    beside = functional.relu(value - DEAD_ZONE) / MASK_SPREAD
    told = (weight * seen.seen[:, 3] * seen.seen[:, 1])[:, None]
    pull = told * _slope(beside) / (MASK_SPREAD * beside.shape[1])
    return told[:, 0] * _robust(beside).mean(1), _lifted(seen, object, pull[..., None] * slope)


def _missed(seen: Observed, object: Tensor, weight: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Pixels of the object's mask that no point meets: energy (B,), the points nearest to them (B, 96, 3), gradient."""
    at = seen.project(object)
    with torch.no_grad():
        which = gaps(seen.pixels, at).argmin(2)
    near = pick(torch.cat([object, at], -1), which)
    apart = near[..., 3:] - seen.pixels
    met = length(apart)
    missed = functional.relu(met - 2 * DEAD_ZONE) / MASK_SPREAD
    told = (weight * seen.seen[:, 3] * seen.seen[:, 1])[:, None]
    pull = told * _slope(missed) / (MASK_SPREAD * missed.shape[1] * met)
    return told[:, 0] * _robust(missed).mean(1), near[..., :3], _lifted(seen, near[..., :3], pull[..., None] * apart)


def _landmarks(seen: Observed, marks: Tensor, landmark: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Landmarks of the body (B, K, 3) beside those of the picture: energy (B,), gradient (B, K, 3)."""
    off = (seen.project(marks) - seen.landmarks[:, landmark]) / LANDMARK_SPREAD
    away = length(off)
    trust = seen.confidence[:, landmark].square() * seen.seen[:, 2:3]
    share = weight * trust / (trust.sum(1, keepdim=True) + 1)
    pull = share * _slope(away) / (LANDMARK_SPREAD * away)
    return (share * _robust(away)).sum(1), _lifted(seen, marks, pull[..., None] * off)


def _lifted(seen: Observed, points: Tensor, flat: Tensor) -> Tensor:
    """A gradient (B, P, 2) by where points are in the picture -> by where they are in space (B, P, 3)."""
    z = points[..., 2:].clamp(min=0.1)
    across = flat * seen.camera[:, None, :1] / z
    away = -(across * points[..., :2]).sum(-1, keepdim=True) / z
    return torch.cat([across, torch.where(points[..., 2:] > 0.1, away, torch.zeros_like(away))], -1)


def _on_joints(rig: Rig, surface: Surface, force: Tensor, rows: Tensor, met: Tensor, skin: _Skin) -> Wrench:
    """Forces on the skin -> on each joint and all that hangs on it.

    force : (B, P + K, 3) on the surface's own points; rows, met : (B, Q) and (B, Q, 6), which points the object's
    nearest are, their rest points and rest normals; skin.met and skin.normals are the forces there
    """
    own = surface.weights.T @ torch.cat([force, _outer(rig.rest, force)], -1)
    weights = surface.weights[rows].transpose(1, 2)
    moment = _outer(met[..., :3], skin.met) + _outer(met[..., 3:], skin.normals)
    each = own + weights @ torch.cat([skin.met, moment], -1)
    force, moment = each[..., :3], rig.turns @ each[..., 3:].unflatten(-1, (3, 3))
    torque = torch.stack([moment[..., 1, 2] - moment[..., 2, 1], moment[..., 2, 0] - moment[..., 0, 2],
                          moment[..., 0, 1] - moment[..., 1, 0]], -1) + torch.linalg.cross(rig.shifts, force, dim=-1)
    force, torque = (force.new_tensor(_DESCENT) @ torch.cat([force, torque], -1)).split(3, -1)
    return Wrench(force, torque - torch.linalg.cross(rig.places, force, dim=-1))


def _outer(a: Tensor, b: Tensor) -> Tensor:
    """(B, P, 3), (B, P, 3) -> (B, P, 9)."""
    return (a[..., :, None] * b[..., None, :]).flatten(2)


def _robust(x: Tensor) -> Tensor:
    """Half the square near zero, the length far away (Charbonnier)."""
    return (x.square() + 1).sqrt() - 1


def _slope(x: Tensor) -> Tensor:
    """The derivative of _robust."""
    return x * (x.square() + 1).rsqrt()
