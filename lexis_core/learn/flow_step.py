"""One step of the sampler, and what is made of a picture before the first: each is a graph of the exported bundle."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from lexis_core.learn.flow_net import Context, LexisFlow
from lexis_core.learn.flow_reference import codes
from lexis_core.learn.flow_state import Coordinates, Free, Reference, States, coordinates, states_at
from lexis_core.learn.kinematics import rotation_from_sixd, sixd_from_rotation
from lexis_core.learn.net import LexisNet
from lexis_core.learn.observed import Observed


class Moving(NamedTuple):
    """Between two steps: the noisy coordinates, and the clean estimate: its tokens (B, 16, 128) about the reference's,
    and its states, as guidance left them."""

    x: Coordinates
    tokens: Tensor
    states: States


class Share(NamedTuple):
    """toward : (B,) of the way from x to the clean estimate that is gone before the network is asked, 0 the first time
    keep   : (B,) of where guidance left the states, the rest what the network says now
    settle : (B,) of the tokens of before, the rest what the network says now: with 1 - 1 / k for the k-th they are the
             mean of all that it said, which tells the field better than any one
    onward : (B,) of the way from x to what the network says that is gone after it was asked, 0 before guidance: what
             the network is unsure of is small in its own numbers, and no longer is once it is a rotation
    body, object : (B,) times of the two streams, where x is then; 0 noise, 1 data
    """

    toward: Tensor
    keep: Tensor
    settle: Tensor
    onward: Tensor
    body: Tensor
    object: Tensor


def prepared(net: LexisNet, flow: LexisFlow, seen: Observed, known: States, started: Tensor, scale: Tensor,
             points: int) -> tuple[Tensor, Reference, Context]:
    """f_o (B, shape), the reference, and what a step needs of the picture.

    known   : the start, or what the closed form gives; started : (B,) 1 or 0, which of them
    scale   : (B,) of the start's errors, or flow_net.UNKNOWN
    points  : of the object, by which LEXIS-Net knows it
    """
    f_o = net.embed(seen.object_points[:, :points])
    tokens = codes(net, known, f_o, quantised=False) * started[:, None, None]
    reference = Reference(known, started > 0, tokens)
    return f_o, reference, flow.picture(seen, f_o, reference, scale)


def begun(x: Coordinates, reference: Reference) -> Moving:
    return Moving(x, torch.zeros_like(x.tokens), reference.states)


def step(flow: LexisFlow, now: Moving, share: Share, context: Context, reference: Reference, focal: Tensor,
         free: Free) -> Moving:
    """Move x to the clean estimate, ask the network for a better one, and hold what is held."""
    clean = coordinates(now.states, reference.tokens + now.tokens, reference, focal)
    x = now.x.toward(clean, share.toward, share.toward)
    out = flow.step(x, share.body, share.object, context)
    kept = out.clean.toward(clean, share.keep, share.keep)
    theta = _pose(out.pose, now.states.theta, reference.states.theta, share.keep, free.joints)
    x = x.toward(_free(out.clean, free), share.onward, share.onward)
    tokens = torch.lerp(out.clean.tokens, now.tokens, share.settle[:, None, None])
    return Moving(x, tokens, _held(kept, theta, reference, focal, free))


def _pose(change: Tensor, now: Tensor, known: Tensor, keep: Tensor, free: Tensor) -> Tensor:
    """The reference's pose and what the network adds to it, blended with where guidance left off."""
    start = sixd_from_rotation(known)
    told = sixd_from_rotation(rotation_from_sixd(start + change * free[..., None]))
    return rotation_from_sixd(torch.lerp(told, torch.lerp(start, sixd_from_rotation(now), free[..., None]),
                                         keep[:, None, None]))


def _free(x: Coordinates, free: Free) -> Coordinates:
    """What is held is as the reference has it, but for the object's offset, which follows the body."""
    body = torch.cat([x.body[:, :9] * free.body[:, None], x.body[:, 9:] * free.betas[:, None]], -1)
    return Coordinates(x.tokens, body, torch.cat([x.object[:, :6] * free.object[:, None], x.object[:, 6:]], -1))


def _held(x: Coordinates, theta: Tensor, reference: Reference, focal: Tensor, free: Free) -> States:
    states = states_at(_free(x, free), theta, reference, focal)
    position = torch.lerp(reference.states.object_position, states.object_position, free.object[:, None])
    return states._replace(object_position=position)
