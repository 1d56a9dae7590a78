"""From LEXIS-Flow's numbers to a posed body and a placed object."""

from __future__ import annotations

from torch import Tensor

from lexis_core.learn.flow_net import Output
from lexis_core.learn.flow_state import Reference, States, states_at
from lexis_core.learn.kinematics import rotation_from_sixd, sixd_from_rotation


def tokens_of(clean_tokens: Tensor, reference: Reference) -> Tensor:
    """(B, 16, 128) LEXIS-Net's tokens."""
    return reference.tokens + clean_tokens


def decoded(out: Output, reference: Reference, focal: Tensor) -> States:
    """The pose is the reference's and what the network adds to it.

    The tokens hold a pose too (LexisNet.pose), but one they know to 2 cm only: a good start would be lost in it.
    """
    sixd = sixd_from_rotation(reference.states.theta) + out.pose
    return states_at(out.clean, rotation_from_sixd(sixd), reference, focal)


def repeated(value, draws: int):
    """A tuple of tensors (B, ...), or of such tuples, with every row draws times: (B draws, ...)."""
    if isinstance(value, Tensor):
        return value.repeat_interleave(draws, 0)
    return type(value)(*(repeated(part, draws) for part in value))
