"""The reference of LEXIS-Flow's numbers: a start, or without one what landmarks and mask give in closed form."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from lexis_core.body import default_body
from lexis_core.body.surface import GuideSurface, guide_surface
from lexis_core.learn.flow_net import FlowParams
from lexis_core.learn.flow_state import Reference, States, placement
from lexis_core.learn.kinematics import sixd_from_rotation
from lexis_core.learn.net import LexisNet
from lexis_core.learn.observed import Observed
from lexis_core.learn.surface import Surface, landmark_surface
from lexis_core.runtime.seen import Seen
from lexis_core.runtime.start import closed_form


def codes(net: LexisNet, states: States, f_o: Tensor, quantised: bool = True) -> Tensor:
    """(B, 16, 128) the codes of these states, the action unknown."""
    count = states.pelvis.shape[0]  # len() would fix the batch in an exported graph
    action = torch.full((count,), net.p.actions)
    z = net.encode(sixd_from_rotation(states.theta), f_o, action, placement(states), torch.ones(count) > 0)
    return net.quantiser(z)[0] if quantised else z


def reference_of(net: LexisNet, seen: Observed, f_o: Tensor, guess: States | None, has: Tensor, yaw: Tensor,
                 p: FlowParams) -> Reference:
    """The start where there is one (has (B,) bool), else the closed form with the object turned by yaw (B,)."""
    without = reference_without_start(seen, yaw, (p.tokens, p.code_width))
    if guess is None:
        return without
    tokens = codes(net, guess, f_o, quantised=False)
    mixed = (torch.where(has.reshape(-1, *[1] * (a.ndim - 1)), a, b)
             for a, b in zip((*guess, tokens), (*without.states, without.tokens), strict=True))
    *states, tokens = mixed
    return Reference(States(*states), has, tokens)


@cache
def landmark_points() -> tuple[Surface, Tensor]:
    return landmark_surface(default_body())


@cache
def _default_guide() -> GuideSurface:
    return guide_surface(default_body())


def reference_without_start(seen: Observed, yaw: Tensor, tokens: tuple[int, int],
                            guide: GuideSurface | None = None) -> Reference:
    """Where body and object are by landmarks and mask alone (runtime.start); yaw (B,) radians is how the object is
    turned, guide another body's surface than the default one's."""
    found = closed_form(Seen(*(value.numpy() for value in seen)), guide or _default_guide(), yaw.numpy())
    count = len(yaw)
    return Reference(States(*map(torch.from_numpy, found)), torch.zeros(count, dtype=torch.bool),
                     torch.zeros(count, *tokens))
