"""The few layers the networks are built of: a pre-norm transformer block, a small MLP, Fourier features."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn


class Attention(nn.Module):
    """Multi-head self-attention over tokens (B, N, width).

    Written out: at a hundred tokens that trains faster on a CPU than torch's fused kernel, and every operation of it
    exports and can be differentiated in a traced graph.
    """

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        batch, count, width = x.shape
        q, k, v = self.qkv(x).reshape(batch, count, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        share = (q @ k.transpose(2, 3) * (width // self.heads) ** -0.5).softmax(-1)
        mixed = share @ v
        return self.out(mixed.transpose(1, 2).reshape(batch, count, width))


class Block(nn.Module):
    """Attention, then an MLP on each token, each added to its input."""

    def __init__(self, width: int, heads: int, widen: int = 3):
        super().__init__()
        self.attention_norm, self.mlp_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.mlp = mlp(width, widen * width, width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.attention_norm(x))
        return x + self.mlp(self.mlp_norm(x))


class ResidualMLP(nn.Module):
    """Blocks of norm, linear, GELU, linear on vectors (B, width), each added to its input; a norm at the end."""

    def __init__(self, width: int, layers: int):
        super().__init__()
        self.blocks = nn.ModuleList(nn.Sequential(nn.LayerNorm(width), mlp(width, width, width))
                                    for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = x + block(x)
        return self.norm(x)


class BatchRenorm(nn.Module):
    """(B, width) -> each column with mean 0 and variance 1 over the data (Ioffe 2017).

    Forward it uses running statistics, in training too, so that a network answers the same in both; backward the
    batch's, so that nothing is gained by a larger scale. Where a batch has left the running statistics behind, by more
    than a factor or an offset of `limit`, its own bound the numbers. running : (2, width) mean and standard deviation,
    which follow quickly: tokens that drift leave the codebook behind.
    """

    def __init__(self, width: int, follow: float = 0.5, limit: float = 2.0):
        super().__init__()
        self.follow, self.limit = follow, limit
        self.register_buffer("running", torch.zeros(2, width))

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return (x - self.running[0]) / self.running[1].clamp(min=1e-4)
        mean, deviation = x.mean(0), (x.var(0, correction=0) + 1e-8).sqrt()
        with torch.no_grad():
            self.running.lerp_(torch.stack([mean, deviation]), self.follow if self.running.any() else 1.0)
            ratio = (deviation / self.running[1]).clamp(1 / self.limit, self.limit)
            offset = ((mean - self.running[0]) / self.running[1]).clamp(-self.limit, self.limit)
        return (x - mean) / deviation * ratio + offset


def mlp(*widths: int) -> nn.Sequential:
    """Linear layers from width to width with GELU between them."""
    layers: list[nn.Module] = []
    for a, b in pairwise(widths):
        layers += [nn.Linear(a, b), nn.GELU()]
    return nn.Sequential(*layers[:-1])


def learned(count: int, width: int) -> nn.Parameter:
    """(count, width) learned tokens, as large as what they are added to."""
    return nn.Parameter(0.5 * torch.randn(count, width))


def fourier(x: Tensor, octaves: int) -> Tensor:
    """(..., D) -> (..., D + 2 D octaves): x itself, sines and cosines of pi x, 2 pi x, 4 pi x, ..."""
    angles = torch.cat([math.pi * 2**k * x for k in range(octaves)], -1)
    return torch.cat([x, angles.sin(), angles.cos()], -1)
