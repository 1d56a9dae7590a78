"""A codebook learned by exponential moving averages, and how much of it is in use."""

from __future__ import annotations

import torch
from torch import Tensor, nn

DECAY = 0.99
DEAD = 0.05    # of the mean use: a code used less than this is put onto a token of the batch
JITTER = 0.01  # so that codes put onto the same token part


class VectorQuantiser(nn.Module):
    """Each token becomes its nearest code (van den Oord et al. 2017; moving averages as in their appendix A.1).

    codebook : (codes, width); the first training batch it sees spreads it over that batch's tokens
    counts   : (codes,), how often a training batch uses each code, a moving average
    sums     : (codes, width), the sum of the tokens each code stood for, a moving average
    within   : (rank, width), orthogonal rows of one length that span the space all tokens lie in, to search there
    """

    def __init__(self, codes: int, width: int, within: Tensor | None = None):
        super().__init__()
        self.register_buffer("within", torch.eye(width) if within is None else within)
        self.register_buffer("codebook", torch.randn(codes, width))
        self.register_buffer("counts", torch.zeros(codes))
        self.register_buffer("sums", torch.zeros(codes, width))

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Tokens (B, T, width) -> their codes, straight-through (B, T, width); indices (B, T); commitment loss ()."""
        if self.training and not self.counts.any():
            self._spread(tokens.detach().flatten(0, 1))
        indices = self.indices(tokens)
        codes = self.codebook[indices]
        if self.training:
            self._follow(tokens.detach().flatten(0, 1), indices.flatten())
        commitment = (tokens - codes).square().mean()
        return tokens + (codes - tokens).detach(), indices, commitment

    def indices(self, tokens: Tensor) -> Tensor:
        """(B, T, width) -> the nearest code of each token (B, T) int64."""
        codes = self.codebook @ self.within.T
        flat = tokens.flatten(0, 1) @ self.within.T
        return torch.addmm(codes.square().sum(1), flat, codes.T, alpha=-2).argmin(1).reshape(tokens.shape[:2])

    @torch.no_grad()
    def _spread(self, tokens: Tensor) -> None:
        every = torch.arange(len(self.codebook), device=tokens.device)
        self._put(every, tokens, use=len(tokens) / len(self.codebook))

    @torch.no_grad()
    def _follow(self, tokens: Tensor, indices: Tensor) -> None:
        """Move each code towards the mean of the tokens it stood for; revive the codes nothing uses."""
        used = torch.zeros_like(self.counts).index_add_(0, indices, torch.ones_like(tokens[:, 0]))
        self.counts.lerp_(used, 1 - DECAY)
        self.sums.lerp_(torch.zeros_like(self.sums).index_add_(0, indices, tokens), 1 - DECAY)
        self.codebook.copy_(self.sums / self.counts.clamp(min=1e-6)[:, None])
        mean_use = len(tokens) / len(self.codebook)
        self._put((self.counts < DEAD * mean_use).nonzero()[:, 0], tokens, use=mean_use)

    def _put(self, which: Tensor, tokens: Tensor, use: float) -> None:
        """Put these codes onto random tokens, as if each had been used that often a batch."""
        chosen = tokens[torch.randint(len(tokens), (len(which),), device=tokens.device)]
        self.codebook[which] = chosen + JITTER * torch.randn_like(chosen)
        self.counts[which] = use
        self.sums[which] = use * self.codebook[which]


def codebook_use(indices: Tensor, codes: int) -> tuple[float, int]:
    """Perplexity (the number of equally used codes with the same entropy) and how many codes are never used."""
    share = torch.bincount(indices.flatten(), minlength=codes).double() / indices.numel()
    entropy = -(share * share.clamp(min=1e-12).log()).sum()
    return float(entropy.exp()), int((share == 0).sum())
