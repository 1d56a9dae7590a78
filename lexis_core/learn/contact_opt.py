"""The usual way to fix contact: optimise the estimate afterwards on binary contact, as PHOSA, PICO and InteractVLM do.

It is the benchmark's baseline, so it is made as good as its kind allows: the body is first fitted to the landmarks
and takes the object along; then body and object are moved together, by masks, contact, collision and landmarks.
What touches is decided once, from the start: pairs of points nearer than REACH.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from lexis_core.body import default_body
from lexis_core.initialise.landmark_points import LEFT_HIP, RIGHT_HIP
from lexis_core.learn.flow_reference import landmark_points
from lexis_core.learn.flow_state import States, pelvis_of, place_of
from lexis_core.learn.kinematics import rotation_of
from lexis_core.learn.net_data import body_points
from lexis_core.learn.observed import Observed
from lexis_core.learn.proximity import near
from lexis_core.learn.surface import Posed, Surface, surface_points

POINTS = 256                 # of the body's surface, and of the object's: as many as the guidance has
PIXELS = 96                  # of the person's mask
PATCH = 0.05                 # metres that a point may be farther than the nearest one and still be taken to touch
FIRST_STEPS, STEPS = 60, 250
FIRST_RATE, RATE = 0.03, 0.015
REACH = 0.20                 # metres, the farthest pair that is taken to touch
SEEN_SPREAD = 0.010          # crop sides, of a landmark and of an outline
WORLD_SPREAD = (0.06, 0.06, 0.10)  # metres; the detector's depth is squashed, so it is trusted less
POSE_SPREAD = 0.35           # radians from the start's pose
CONTACT_SPREAD, COLLISION_SPREAD = 0.03, 0.01  # metres
# unknowns of a step are spreads of a start's errors: radians, crop sides, log depth, metres
UNITS = {"theta": 0.3, "body_rotation": 0.3, "place": (0.03, 0.03, 0.1), "object_rotation": 0.5, "offset": 0.15}


class Weights(NamedTuple):
    """Of the terms of the second stage, each a mean of squared spreads; chosen on validation interactions."""

    landmarks: float = 2.0
    masks: float = 1.0
    contact: float = 1.0
    collision: float = 2.0
    pose: float = 0.1


@dataclass(frozen=True)
class _Guess:
    """Points and normals of body and object in one state, and the body's landmarks (B, K, 3)."""

    body: Posed
    object: Posed
    marks: Tensor


def optimised(seen: Observed, start: States, weights: Weights | None = None) -> States:
    """Both stages; every sample of the batch is on its own."""
    return _with_contact(seen, fitted_to_landmarks(seen, start), weights or Weights())


def fitted_to_landmarks(seen: Observed, start: States) -> States:
    """The start's pose, turn and place fitted to the landmarks, in the photo and in space; the object goes along."""
    change = _nothing(start, ("theta", "body_rotation", "place"))

    def loss() -> Tensor:
        return _landmark_misfit(seen, _marks(_changed(start, change, seen.focal))) + 0.1 * _pose_change(change)

    _descend(loss, change, FIRST_STEPS, FIRST_RATE)
    return _changed(start, change, seen.focal, detach=True)


def _with_contact(seen: Observed, start: States, weights: Weights) -> States:
    change = _nothing(start, tuple(UNITS))
    person = _mask_pixels(seen.maps[:, 0])
    touching = None

    def loss() -> Tensor:
        nonlocal touching
        guess = _guess(_changed(start, change, seen.focal), seen)
        found = near(guess.body, guess.object.points)
        if touching is None:
            touching = _chosen(found.body), _chosen(found.object)
        terms = (
            _landmark_misfit(seen, guess.marks),
            _outline_misfit(seen, guess.object.points, seen.pixels, seen.seen[:, 3])
            + _outline_misfit(seen, guess.body.points, person, person.abs().sum((1, 2)) > 0),
            _contact(found.body, touching[0]) + _contact(found.object, touching[1]),
            _depth(found.inside) + _depth(near(guess.object, guess.body.points).inside),
            _pose_change(change),
        )
        return sum(weight * term for weight, term in zip(weights, terms, strict=True))

    _descend(loss, change, STEPS, RATE)
    return _changed(start, change, seen.focal, detach=True)


def _descend(loss, change: dict[str, Tensor], steps: int, rate: float) -> None:
    """Adam on the sum over the batch, the rate falling to a tenth along half a cosine."""
    adam = torch.optim.Adam(change.values(), rate, betas=(0.9, 0.99))
    fall = torch.optim.lr_scheduler.CosineAnnealingLR(adam, steps, rate / 10)
    with torch.enable_grad():
        for _ in range(steps):
            adam.zero_grad()
            loss().sum().backward()
            adam.step()
            fall.step()


def _nothing(start: States, names: tuple[str, ...]) -> dict[str, Tensor]:
    shapes = {"theta": (21, 3), "body_rotation": (3,), "place": (3,), "object_rotation": (3,), "offset": (3,)}
    return {name: torch.zeros(len(start.betas), *shapes[name], device=start.betas.device, requires_grad=True)
            for name in names}


def _changed(start: States, change: dict[str, Tensor], focal: Tensor, detach: bool = False) -> States:
    change = {name: value.detach() if detach else value for name, value in change.items()}
    step = {name: value * value.new_tensor(UNITS[name]) for name, value in change.items()}
    pelvis = pelvis_of(place_of(start.pelvis, focal) + step["place"], focal)
    turned, offset = start.object_rotation, start.object_position - start.pelvis
    if "offset" in step:
        turned, offset = rotation_of(step["object_rotation"]) @ turned, offset + step["offset"]
    return States(start.theta @ rotation_of(step["theta"]), rotation_of(step["body_rotation"]) @ start.body_rotation,
                  pelvis, start.betas, turned, pelvis + offset)


def _guess(states: States, seen: Observed) -> _Guess:
    whole = _body().to(states.betas.device).posed(*states[:4])
    body = Posed(whole.points[:, :POINTS], functional.normalize(whole.normals[:, :POINTS], dim=-1), whole.joints)
    points, normals = (values @ states.object_rotation.mT for values in (seen.object_points, seen.object_normals))
    object = Posed(points + states.object_position[:, None], normals, whole.joints[:, :0])
    return _Guess(body, object, whole.points[:, POINTS:])


def _marks(states: States) -> Tensor:
    surface, _ = landmark_points()
    return surface.to(states.betas.device).posed(*states[:4]).points


def _landmark_misfit(seen: Observed, marks: Tensor) -> Tensor:
    """(B,) robust misfit of the body's landmark points (B, K, 3), in the photo and in space."""
    _, which = landmark_points()
    trust = seen.confidence[:, which].clamp(min=0.02)
    flat = (seen.project(marks) - seen.landmarks[:, which]) / SEEN_SPREAD
    hips = [int((which == k).nonzero()) for k in (LEFT_HIP, RIGHT_HIP)]
    world = seen.landmarks_world[:, which]
    gap = (marks - marks[:, hips].mean(1, keepdim=True)) - (world - world[:, hips].mean(1, keepdim=True))
    space = gap / gap.new_tensor(WORLD_SPREAD)
    share = trust / trust.sum(1, keepdim=True)
    return (share * (_robust(flat) + _robust(space))).sum(1)


def _outline_misfit(seen: Observed, points: Tensor, pixels: Tensor, shown: Tensor) -> Tensor:
    """(B,) both ways: points outside both masks, since one may hide the other, and pixels that no point meets."""
    at = seen.project(points)
    outside = seen.read(at, slice(3, 4))
    with torch.no_grad():
        nearest = torch.cdist(pixels, at, compute_mode="use_mm_for_euclid_dist").argmin(2)
    missed = pixels - at.gather(1, nearest[..., None].expand(-1, -1, 2))
    return _robust(outside / SEEN_SPREAD).mean(1) + shown.float() * _robust(missed / SEEN_SPREAD).mean(1)


def _depth(inside: Tensor) -> Tensor:
    """(B,) of how deep each point (B, P) is in the other surface, by the nearest normal."""
    return (inside / COLLISION_SPREAD).square().mean(1)


def _pose_change(change: dict[str, Tensor]) -> Tensor:
    return (change["theta"] * UNITS["theta"] / POSE_SPREAD).square().mean((1, 2))


def _chosen(gap: Tensor) -> Tensor:
    """(B, P) 1 for the points taken to touch: within REACH, and not much farther away than the nearest one."""
    gap = gap.detach()
    return (gap < (gap.min(1, keepdim=True).values + PATCH).clamp(max=REACH)).float()


def _contact(gap: Tensor, chosen: Tensor) -> Tensor:
    """(B,) mean over the points (B, P) that are taken to touch."""
    return (_robust(gap[..., None] / CONTACT_SPREAD) * chosen).sum(1) / chosen.sum(1).clamp(min=1)


def _robust(x: Tensor) -> Tensor:
    """(..., D) -> (...,): the squared length near zero, twice the length far away."""
    return 2 * ((1 + x.square().sum(-1)).sqrt() - 1)


def _mask_pixels(masks: Tensor) -> Tensor:
    """(B, S, S) of 0 and 1 -> (B, PIXELS, 2) crop units, spread over each mask; zeros where it is empty."""
    found = []
    for mask in masks:
        row, column = mask.nonzero(as_tuple=True)
        chosen = torch.linspace(0, max(len(row) - 1, 0), PIXELS, device=mask.device).long()
        at = torch.stack([column, row], 1)[chosen] if len(row) else mask.new_full((PIXELS, 2), mask.shape[0] / 2 - 0.5)
        found.append((at + 0.5) / mask.shape[0] - 0.5)
    return torch.stack(found)


@cache
def _body() -> Surface:
    """The body's points, then its landmarks."""
    points, marks = surface_points(default_body(), body_points(POINTS)), landmark_points()[0]
    joint = ("joints", "joint_shape")
    return Surface(*(getattr(points, entry.name) if entry.name in joint else
                     torch.cat([getattr(points, entry.name), getattr(marks, entry.name)]) for entry in fields(Surface)))
