"""The optimiser of every network here: Muon for the matrices, AdamW for the rest."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

SHARE = 0.02 / 1e-3  # Muon's learning rate over AdamW's


class Both:
    """Muon (Jordan et al. 2024) orthogonalises each matrix's step, which takes fewer steps than AdamW alone."""

    def __init__(self, matrices: list[nn.Parameter], others: list[nn.Parameter], rate: float, decay: float):
        self.parts = [torch.optim.Muon(matrices, SHARE * rate, weight_decay=decay, ns_steps=5),
                      torch.optim.AdamW(others, rate, (0.9, 0.99), weight_decay=decay)]
        self.rates = [SHARE * rate, rate]

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


def optimiser_of(net: nn.Module, rate: float, decay: float) -> Both:
    """Muon for weights of two dimensions within the network, AdamW for the rest: convolutions, biases, embeddings."""
    matrices = [m.weight for m in net.modules() if isinstance(m, nn.Linear) and min(m.weight.shape) >= 32]
    inside = {id(p) for p in matrices}
    return Both(matrices, [p for p in net.parameters() if id(p) not in inside], rate, decay)
