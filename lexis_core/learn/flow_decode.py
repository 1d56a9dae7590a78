"""From LEXIS-Flow's numbers to a posed body and a placed object."""

from __future__ import annotations

from torch import Tensor

from lexis_core.learn.flow_net import Output
from lexis_core.learn.flow_state import Reference, States, states_at
from lexis_core.learn.kinematics import rotation_from_sixd
from lexis_core.learn.net import LexisNet


def tokens_of(clean_tokens: Tensor, reference: Reference) -> Tensor:
    """(B, 16, 128) LEXIS-Net's tokens."""
    return reference.tokens + clean_tokens


def decoded(net: LexisNet, out: Output, reference: Reference, focal: Tensor) -> States:
    """The pose is what the tokens give, what they left of the start, and what the network adds to both."""
    sixd = net.pose(tokens_of(out.clean.tokens, reference)) + reference.left + out.pose
    return states_at(out.clean, rotation_from_sixd(sixd), reference, focal)


def repeated(value, draws: int):
    """A tuple of tensors (B, ...), or of such tuples, with every row draws times: (B draws, ...)."""
    if isinstance(value, Tensor):
        return value.repeat_interleave(draws, 0)
    return type(value)(*(repeated(part, draws) for part in value))
