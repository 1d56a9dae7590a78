"""What guidance measures, and how it depends on what moves: the energy, its gradient and its curvature in closed form.

Every term is a sum of robust squares of residuals: a distance that should be another one, an outline or a landmark that
is missed, a depth under the skin. How a residual changes with each number that moves is known without a tape: a joint's
turn moves a point about the joint by what of the point hangs on it. Gradient and curvature (Gauss and Newton's, each
residual weighted as its robust square is steep there) are two products of these.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from lexis_core.body.names import PARENTS, POSED
from lexis_core.learn.observed import SIDE, Observed
from lexis_core.learn.proximity import REACH, gaps, length, pick
from lexis_core.learn.surface import Rig, Surface

FIELD_SPREAD = 0.05      # metres by which distances may miss
MASK_SPREAD, LANDMARK_SPREAD = 0.02, 0.02  # crop sides
DEAD_ZONE = 1 / SIDE     # crop sides an outline may be off for nothing
DEPTH_SPREAD = 0.02      # metres under the skin, or in the object
CLEAR = 0.02             # metres before the object's planes, to where skin is pushed out: what touches, touch pulls in
BETWEEN = 0.7            # of the spacing of object points: so far along the surface from one, it is as near to others
SIZE_SPREAD = 0.2        # of the log of how large the object in the picture is to the mesh
AROUND = 6               # object points whose planes say whether a skin point is out


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


class Cloud(NamedTuple):
    """Points of the object's surface (B, Q, 3) and outward normals (B, Q, 3), zeros where not known; camera axes."""

    points: Tensor
    normals: Tensor


class Pull(NamedTuple):
    """energy (B, 4) of field, mask, landmarks and inside; gradient (B, 75) and curvature (B, 75, 75) of their sum by
    the turns of the 22 joints, the pelvis's place, the object's turn and its offset from the pelvis: radians, the
    pelvis and the object in camera axes, other joints in their own; crop sides and log depth; metres. Neither knows
    how large the object in the picture is to the mesh (_of_any_size)."""

    energy: Tensor
    gradient: Tensor
    curvature: Tensor


class Residuals(NamedTuple):
    """R numbers that should be zero.

    energy      : (B,) of them all; steep, bend : (B, R) its first derivative by each, and its second
    way         : (B, R, 3) how each grows with the place of its point; with that of a point opposite it falls as much
    """

    energy: Tensor
    steep: Tensor
    bend: Tensor
    way: Tensor


def pull(rig: Rig, surface: Surface, pelvis: Tensor, cloud: Cloud, middle: Tensor, seen: Observed, landmark: Tensor,
         goal: Goal, weights: Tensor, follows: Tensor) -> Pull:
    """Energies of a posed skeleton and an object, and how they change.

    surface  : of the rig; its last K points are landmarks, which of the 33 says landmark (K,)
    middle   : (B, 3) the object's canonical origin; pelvis (B, 3); weights (4,) of the terms
    follows  : (B,) 1 where the object goes along with the body, 0 where it is held
    """
    count, object = goal.body.shape[1], cloud.points
    points, normals = surface.skinned(rig)
    marks, points, about = points[:, count:] + pelvis[:, None], points[:, :count], object - pelvis[:, None]
    gap = gaps(points, about)
    close, to_skin = gap.topk(AROUND, largest=False), gap.argmin(1)
    met = pick(torch.cat([points, normals.detach()[:, :count]], -1), to_skin)
    around = torch.cat([about, cloud.normals, _spacing(about)[..., None]], -1)
    opposite = pick(around, close.indices[..., 0])

    upon = _landmarks(seen, marks, landmark, weights[2])
    near = _gaps(_to_plane(points - opposite[..., :3], opposite[..., 3:6], opposite[..., 6:]), goal.body,
                 goal.body_weight, weights[0])
    far = _gaps(met[..., :3] - about, goal.object, goal.object_weight, weights[0])
    under = _inside(met[..., :3] - about, met[..., 3:], weights[3])
    sunk = _sunk(points, around, *close, weights[3])
    beside = _beside(seen, object, weights[1])
    missed, where = _missed(seen, object, weights[1])

    arms = _arms(rig, surface)
    of_skin, of_marks = arms[..., :count], arms[..., count:]
    of_met = of_skin.gather(3, to_skin[:, None, None].expand(-1, POSED, 3, -1))
    skin = torch.cat([part.way for part in (upon, near, sunk, far, under)], 1).transpose(1, 2)
    turned = _turned(rig, torch.cat([of_marks, of_marks, of_skin, of_skin, of_met, of_met], -1), skin)
    at = (torch.cat([points + pelvis[:, None]] * 2 + [object] * 3 + [where], 1) - middle[:, None]).transpose(1, 2)
    thing = torch.cat([-near.way, -sunk.way, -far.way, -under.way, beside.way, missed.way], 1).transpose(1, 2)
    before, after = upon.steep.shape[1], beside.steep.shape[1] + missed.steep.shape[1]  # of one of the two only
    skin, turned = functional.pad(skin, (0, after)), functional.pad(turned, (0, after))
    thing = functional.pad(torch.cat([torch.linalg.cross(at, thing, dim=1), thing], 1), (before, 0))
    whole = skin + follows[:, None, None] * thing[:, 3:]
    outline = torch.cat([beside.way, missed.way], 1).transpose(1, 2)
    grown = functional.pad((at[..., -after:] * outline).sum(1, keepdim=True), (at.shape[2] + before - after, 0))
    rows = torch.cat([turned, _place(seen.focal, pelvis) @ whole, thing, grown], 1)

    parts = upon, near, sunk, far, under, beside, missed
    steep, bend = torch.cat([part.steep for part in parts], 1), torch.cat([part.bend for part in parts], 1)
    energy = near.energy + far.energy, beside.energy + missed.energy, upon.energy, under.energy + sunk.energy
    gradient, curvature = (rows @ steep[..., None])[..., 0], (rows * bend[:, None]) @ rows.transpose(1, 2)
    return Pull(torch.stack(energy, 1), *_of_any_size(gradient, curvature))


def _of_any_size(gradient: Tensor, curvature: Tensor) -> tuple[Tensor, Tensor]:
    """Without their last number, the log of how large what the picture shows is to the mesh, which is near zero by
    SIZE_SPREAD: what is left of the others when it is solved for (the Schur complement).

    A mesh is seldom as large as the thing in the picture. It stays so, and neither it nor the body is brought nearer.
    """
    share = curvature[:, :-1, -1:] / (curvature[:, -1:, -1:] + SIZE_SPREAD**-2)
    return (gradient[:, :-1] - share[..., 0] * gradient[:, -1:],
            curvature[:, :-1, :-1] - share @ curvature[:, -1:, :-1])


def _arms(rig: Rig, surface: Surface) -> Tensor:
    """(B, 22, 3, N) camera axes, metres: what of each point hangs on each joint, from the joint; a joint that turns
    moves a point across this."""
    weights = surface.weights.T
    hung = weights[:, None] * (rig.turns @ rig.rest.transpose(1, 2)[:, None] + rig.shifts[..., None])
    descent = weights.new_tensor(_DESCENT)
    return (descent @ hung.flatten(2)).unflatten(2, (3, -1)) - rig.places[..., None] * (descent @ weights)[:, None]


def _turned(rig: Rig, arms: Tensor, way: Tensor) -> Tensor:
    """Points with these arms (B, 22, 3, R) and residuals that grow this way (B, 3, R) -> how these grow with a turn of
    each joint (B, 66, R)."""
    across = torch.linalg.cross(arms, way[:, None].expand_as(arms), dim=2)
    own = torch.cat([across[:, :1], rig.turns[:, 1:].transpose(2, 3) @ across[:, 1:]], 1)
    return own.flatten(1, 2)


def _place(focal: Tensor, pelvis: Tensor) -> Tensor:
    """(B, 3, 3) rows: where the pelvis goes with its place in the picture, and with the log of its depth."""
    flat = (pelvis[:, 2] / focal)[:, None, None] * torch.eye(3, device=focal.device)[:2]
    return torch.cat([flat, pelvis[:, None]], 1)


def _gaps(toward: Tensor, goal: Tensor, weight: Tensor, strength: Tensor) -> Residuals:
    """Distances, the lengths of toward (B, P, 3), that should be others; as nothing beyond REACH."""
    distance = length(toward)
    miss = (distance.clamp(max=REACH) - goal) / FIELD_SPREAD
    share = strength * weight / (weight.sum(1, keepdim=True) + 1)
    near = (distance < REACH).to(share)
    return Residuals((share * _robust(miss)).sum(1), share * near * _slope(miss), share * near * _bend(miss),
                     toward / (FIELD_SPREAD * distance[..., None]))


def _inside(toward: Tensor, normal: Tensor, strength: Tensor) -> Residuals:
    """Object points under the skin: the skin points nearest to them lie in this direction (B, Q, 3), and have these
    normals, which are taken as they are."""
    depth = (toward * normal).sum(-1)
    under = ((toward.square().sum(-1) < REACH**2 / 9) & (depth > 0)).to(depth)
    share = 20 * strength * under / depth.shape[1]
    depth = depth / DEPTH_SPREAD
    return Residuals(0.5 * (share * depth.square()).sum(1), share * depth, share, normal / DEPTH_SPREAD)


def _spacing(points: Tensor) -> Tensor:
    """(B, Q, 3) -> (B, Q) metres from each point to the nearest of the others."""
    apart = gaps(points, points) + torch.eye(points.shape[1], device=points.device)
    return apart.amin(2).clamp(min=0).sqrt()


def _to_plane(toward: Tensor, normal: Tensor, spacing: Tensor) -> Tensor:
    """From object points to skin points, toward (B, P, 3) -> from the surface that the object points stand for: along
    it, what lies between them, by their spacing (B, P, 1), counts nothing. Without a normal, as it was."""
    up = (toward * normal).sum(-1, keepdim=True) * normal
    along = toward - up
    own = BETWEEN * spacing * normal.square().sum(-1, keepdim=True)
    return up + along * (1 - own / length(along)[..., None]).clamp(min=0)


def _sunk(points: Tensor, around: Tensor, apart: Tensor, close: Tensor, strength: Tensor) -> Residuals:
    """Skin points (B, P, 3) in the object; around : (B, Q, 7) object points, normals, spacing; close : (B, P, AROUND)
    which of these are nearest to each, in order, and apart : their squared distances.

    A skin point is pushed out until it is CLEAR before the plane of one of the AROUND object points nearest to it: that
    which it is least behind is the way out.
    """
    count = points.shape[1]
    facing = pick(around[..., :6], close.flatten(1)).unflatten(1, (count, AROUND))
    plane = facing[..., :3] + CLEAR * facing[..., 3:]
    depth = ((plane - points[:, :, None]) * facing[..., 3:]).sum(-1)
    least = depth.argmin(2, keepdim=True)
    depth, out = depth.gather(2, least)[..., 0], facing.gather(2, least[..., None].expand(-1, -1, 1, 6))[:, :, 0, 3:]
    inside = ((apart[..., 0] < REACH**2 / 9) & (depth > 0)).to(depth)
    share, depth = 20 * strength * inside / count, depth / DEPTH_SPREAD
    return Residuals(0.5 * (share * depth.square()).sum(1), share * depth, share, -out / DEPTH_SPREAD)


def _beside(seen: Observed, object: Tensor, strength: Tensor) -> Residuals:
    """Object points beside both masks."""
    value, slope = seen.slope(seen.project(object), 3)
    beside = functional.relu(value - DEAD_ZONE) / MASK_SPREAD
    share = (strength * seen.seen[:, 3] * seen.seen[:, 1])[:, None] / beside.shape[1] * (beside > 0)
    return Residuals((share * _robust(beside)).sum(1), share * _slope(beside), share * _bend(beside),
                     _lifted(seen, object, slope / MASK_SPREAD))


def _missed(seen: Observed, object: Tensor, strength: Tensor) -> tuple[Residuals, Tensor]:
    """Pixels of the object's mask that no point meets, and the points nearest to them (B, 96, 3)."""
    at = seen.project(object)
    with torch.no_grad():
        which = gaps(seen.pixels, at).argmin(2)
    near = pick(torch.cat([object, at], -1), which)
    apart = near[..., 3:] - seen.pixels
    met = length(apart)
    missed = functional.relu(met - 2 * DEAD_ZONE) / MASK_SPREAD
    share = (strength * seen.seen[:, 3] * seen.seen[:, 1])[:, None] / missed.shape[1] * (missed > 0)
    return Residuals((share * _robust(missed)).sum(1), share * _slope(missed), share * _bend(missed),
                     _lifted(seen, near[..., :3], apart / (MASK_SPREAD * met[..., None]))), near[..., :3]


def _landmarks(seen: Observed, marks: Tensor, landmark: Tensor, strength: Tensor) -> Residuals:
    """Landmarks of the body (B, K, 3) beside those of the picture: how far to the right, then how far down."""
    right, down = ((seen.project(marks) - seen.landmarks[:, landmark]) / LANDMARK_SPREAD).unbind(-1)
    trust = seen.confidence[:, landmark].square() * seen.seen[:, 2:3]
    share = strength * trust / (trust.sum(1, keepdim=True) + 1)
    away = (right.square() + down.square() + 1e-8).sqrt()
    bend = share * _bend(away)
    axes = torch.eye(2, device=marks.device) / LANDMARK_SPREAD
    return Residuals((share * _robust(away)).sum(1), torch.cat([bend * right, bend * down], 1),
                     torch.cat([bend, bend], 1),
                     torch.cat([_lifted(seen, marks, axis.expand(*marks.shape[:2], 2)) for axis in axes], 1))


def _lifted(seen: Observed, points: Tensor, flat: Tensor) -> Tensor:
    """A gradient (B, P, 2) by where points are in the picture -> by where they are in space (B, P, 3)."""
    z = points[..., 2:].clamp(min=0.1)
    across = flat * seen.camera[:, None, :1] / z
    away = -(across * points[..., :2]).sum(-1, keepdim=True) / z
    return torch.cat([across, torch.where(points[..., 2:] > 0.1, away, torch.zeros_like(away))], -1)


def _robust(x: Tensor) -> Tensor:
    """Half the square near zero, the length far away (Charbonnier)."""
    return (x.square() + 1).sqrt() - 1


def _slope(x: Tensor) -> Tensor:
    """The derivative of _robust."""
    return x * _bend(x)


def _bend(x: Tensor) -> Tensor:
    """The curvature of the parabola through zero that has _robust's slope at x."""
    return (x.square() + 1).rsqrt()
