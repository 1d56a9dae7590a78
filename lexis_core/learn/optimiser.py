"""The optimiser of LEXIS-Flow: Muon for the matrices inside its layers, AdamW for the rest and what learns along."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

SHARE = 10.0  # Muon's learning rate over AdamW's


class Together:
    """Muon (Jordan et al. 2024) orthogonalises each matrix's step, which takes fewer steps than AdamW alone."""

    def __init__(self, matrices: list[nn.Parameter], others: list[nn.Parameter], along: list[nn.Parameter],
                 rate: float, along_rate: float, decay: float):
        self.parts = [torch.optim.Muon(matrices, SHARE * rate, weight_decay=decay, ns_steps=5),
                      torch.optim.AdamW(others, rate, (0.9, 0.99), weight_decay=decay)]
        self.rates = [SHARE * rate, rate]
        if along:
            self.parts.append(torch.optim.AdamW(along, along_rate, (0.9, 0.99), weight_decay=decay))
            self.rates.append(along_rate)

    def scale(self, share: float) -> None:
        """Learning rates as a share of the full ones."""
        for part, rate in zip(self.parts, self.rates, strict=True):
            for group in part.param_groups:
                group["lr"] = share * rate

    def zero_grad(self) -> None:
        for part in self.parts:
            part.zero_grad(set_to_none=True)

    def step(self) -> None:
        for part in self.parts:
            part.step()

    def state_dict(self) -> dict[str, Any]:
        return {str(k): part.state_dict() for k, part in enumerate(self.parts)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for k, part in enumerate(self.parts):
            part.load_state_dict(state[str(k)])


def optimiser_of(net: nn.Module, rate: float, decay: float, layers: tuple[type[nn.Module], ...],
                 along: nn.Module | None = None, along_rate: float = 0.0) -> Together:
    """Muon for the matrices within modules of these types, AdamW for the rest; AdamW at its own rate for what of
    another network learns along.

    The rest are biases, embeddings, convolutions, and what reads the state and writes it: Muon's steps are all of one
    size, far too large for outputs that count in centimetres.
    """
    matrices = [m.weight for layer in net.modules() if isinstance(layer, layers)
                for m in layer.modules() if isinstance(m, nn.Linear) and m.weight.any()]
    inside = {id(p) for p in matrices}
    learning = [p for p in along.parameters() if p.requires_grad] if along is not None else []
    return Together(matrices, [p for p in net.parameters() if id(p) not in inside], learning, rate, along_rate, decay)
