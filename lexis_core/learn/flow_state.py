"""What LEXIS-Flow moves: a body's and an object's state as small numbers about a reference.

The reference is the start where there is one, else what landmarks and mask give in closed form. In these coordinates
the reference is zero, so the start of the star mode is the origin, and a good start asks for small numbers.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from lexis_core.learn.kinematics import rotation_from_sixd, sixd_from_rotation

PLACE_UNIT = (0.03, 0.03, 0.10)  # crop sides, crop sides, log depth: about one spread of a start's errors
TURN_UNIT = 0.35
OFFSET_UNIT = 0.15               # metres
BODY, OBJECT = 19, 9             # numbers of each stream beside the tokens


class States(NamedTuple):
    """B people and things in camera space (OpenCV axes), metres.

    theta : (B, 21, 3, 3) local joint rotations; body_rotation : (B, 3, 3) of the pelvis
    pelvis : (B, 3), where the pelvis joint is; betas : (B, 10)
    object_rotation : (B, 3, 3); object_position : (B, 3), where the canonical origin is
    """

    theta: Tensor
    body_rotation: Tensor
    pelvis: Tensor
    betas: Tensor
    object_rotation: Tensor
    object_position: Tensor


class Free(NamedTuple):
    """What may move: 1 free, 0 held where the reference has it.

    joints : (B, 21); body : (B,) the pelvis's place and turn; betas : (B,)
    object : (B,) its place and turn in space, held also where the body moves
    """

    joints: Tensor
    body: Tensor
    betas: Tensor
    object: Tensor

    @classmethod
    def all(cls, count: int) -> Free:
        return cls(torch.ones(count, 21), *(torch.ones(count) for _ in range(3)))


class Reference(NamedTuple):
    """states; started (B,) bool; tokens (B, 16, 128) of the start, zero without one."""

    states: States
    started: Tensor
    tokens: Tensor


class Coordinates(NamedTuple):
    """tokens (B, 16, 128), body (B, 19): rotation 6, place 3, betas 10; object (B, 9): rotation 6, offset 3."""

    tokens: Tensor
    body: Tensor
    object: Tensor

    def toward(self, other: Coordinates, body: Tensor, object: Tensor) -> Coordinates:
        """(1 - share) of this and share of the other; shares (B,) of the two streams."""
        return Coordinates(torch.lerp(self.tokens, other.tokens, body[:, None, None]),
                           torch.lerp(self.body, other.body, body[:, None]),
                           torch.lerp(self.object, other.object, object[:, None]))


def place_of(pelvis: Tensor, focal: Tensor) -> Tensor:
    """Camera space (B, 3) metres -> x and y in the picture from the principal point, crop sides, and log(z / focal).

    The depth is in units of the focal length, so that equal numbers look equal whatever the lens.
    """
    z = pelvis[:, 2:]
    return torch.cat([pelvis[:, :2] / z * focal[:, None], (z / focal[:, None]).log()], -1)


def pelvis_of(place: Tensor, focal: Tensor) -> Tensor:
    """The inverse of place_of."""
    scale = place[:, 2:].clamp(-3, 5).exp()
    return torch.cat([place[:, :2] * scale, scale * focal[:, None]], -1)


def coordinates(states: States, tokens: Tensor, reference: Reference, focal: Tensor) -> Coordinates:
    """States and their tokens (B, 16, 128) about a reference; focal (B,) in crop sides."""
    known = reference.states
    place = (place_of(states.pelvis, focal) - place_of(known.pelvis, focal)) / focal.new_tensor(PLACE_UNIT)
    offset = (states.object_position - states.pelvis) - (known.object_position - known.pelvis)
    return Coordinates(tokens - reference.tokens,
                       torch.cat([_turn(states.body_rotation, known.body_rotation), place,
                                  states.betas - known.betas], -1),
                       torch.cat([_turn(states.object_rotation, known.object_rotation), offset / OFFSET_UNIT], -1))


def states_at(x: Coordinates, theta: Tensor, reference: Reference, focal: Tensor) -> States:
    """The inverse of coordinates; theta (B, 21, 3, 3) is no coordinate (flow_decode)."""
    known = reference.states
    place = place_of(known.pelvis, focal) + x.body[:, 6:9] * focal.new_tensor(PLACE_UNIT)
    pelvis = pelvis_of(place, focal)
    offset = known.object_position - known.pelvis + OFFSET_UNIT * x.object[:, 6:]
    return States(theta, _turned(x.body[:, :6], known.body_rotation), pelvis, known.betas + x.body[:, 9:],
                  _turned(x.object[:, :6], known.object_rotation), pelvis + offset)


def placement(states: States) -> Tensor:
    """(B, 19), what LEXIS-Net's encoder sees of the object's place: rotation 6D and origin in the pelvis's frame
    (metres), and the betas."""
    back = states.body_rotation.transpose(1, 2)
    origin = back @ (states.object_position - states.pelvis)[..., None]
    return torch.cat([sixd_from_rotation(back @ states.object_rotation), origin[..., 0], states.betas], -1)


def _turn(rotation: Tensor, known: Tensor) -> Tensor:
    change = rotation @ known.transpose(1, 2)
    return sixd_from_rotation(change - torch.eye(3, device=change.device)) / TURN_UNIT


def _turned(turn: Tensor, known: Tensor) -> Tensor:
    unit = sixd_from_rotation(torch.eye(3, device=turn.device))
    return rotation_from_sixd(unit + TURN_UNIT * turn) @ known
