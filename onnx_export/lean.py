"""LEXIS-Flow's step as few operations: what the exported graph runs ten to twenty-five times a picture.

The same layers with the same weights as flow_net's, laid out for a runtime that pays for every operation: tokens of all
pictures are rows of one matrix, so that a layer's bias goes with its product; keys of the picture come as the products
take them; and what the times do, which is the same for every picture, is worked out for all steps at once.
"""

from __future__ import annotations

from copy import deepcopy
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from lexis_core.learn.flow_net import TIME_OCTAVES, Context, CrossAttention, LexisFlow, Output, Stream
from lexis_core.learn.flow_state import BODY, OBJECT, Coordinates
from lexis_core.learn.layers import fourier

NORMS = 4  # of a layer of a stream, each scaled and shifted by the times


def attention(q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:
    """q (B, N, width) look at k and v: both (B, M, width), or both (B, heads, M, width / heads). -> (B, N, width)"""
    q, k, v = (x if x.ndim == 4 else x.unflatten(2, (heads, -1)).transpose(1, 2) for x in (q, k, v))
    share = (q * q.shape[-1] ** -0.5 @ k.transpose(2, 3)).softmax(-1)  # scaled first: farther from float16's largest
    return (share @ v).transpose(1, 2).flatten(2)


class Kept(NamedTuple):
    """What a step needs beside the noisy coordinates.

    keys, values : of the picture, for each layer (B, heads, M, width / heads); pose : (B, width)
    pace         : (layers * 2 * 2 * NORMS * width,): layer by layer, body and object, the norms' scales, their shifts
    """

    keys: tuple[Tensor, ...]
    values: tuple[Tensor, ...]
    pose: Tensor
    pace: Tensor


class Paces(nn.Module):
    """Times (T,) of steps -> (T, ...), of which each is a step's Kept.pace: all the layers' in one product."""

    def __init__(self, flow: LexisFlow):
        super().__init__()
        self.times = flow.times
        layers = [stream.times for layer in zip(flow.body, flow.object, strict=True) for stream in layer]
        scales = torch.cat([torch.ones(NORMS * flow.p.width), torch.zeros(NORMS * flow.p.width)])
        self.register_buffer("weight", torch.cat([layer.weight.detach() for layer in layers]))
        self.register_buffer("bias", torch.cat([layer.bias.detach() + scales for layer in layers]))

    def forward(self, body_time: Tensor, object_time: Tensor) -> Tensor:
        times = self.times(fourier(torch.stack([body_time, object_time], -1), TIME_OCTAVES))
        return functional.linear(functional.silu(times), self.weight, self.bias)


def apart(flow: LexisFlow, context: Context) -> tuple[list[Tensor], list[Tensor]]:
    """Keys and values of the picture as Kept has them."""
    parts = [keys.unflatten(2, (2, flow.p.heads, -1)).permute(2, 0, 3, 1, 4) for keys in context.keys]
    return [keys for keys, _ in parts], [values for _, values in parts]


class LeanFlow(nn.Module):
    """flow.step, as flow_step.step asks it: with a Kept in place of a Context; the times are in its pace.

    half : the products of the two streams' layers, and what lies between them, run in float16. The rows that they are
           added to, the norms, the times, and what enters and leaves the streams, so every place and rotation, stay
           float32: some rows reach a thousand, where float16 knows whole numbers only.
    """

    def __init__(self, flow: LexisFlow, half: bool = False):
        super().__init__()
        self.flow, p = flow, flow.p
        self.type = torch.float16 if half else torch.float32
        self.body, self.object = (deepcopy(layers).to(self.type) for layers in (flow.body, flow.object))
        self.heads, self.width = p.heads, p.width
        self.counts = p.tokens + 4, 2

    def step(self, x: Coordinates, body_time: Tensor | None, object_time: Tensor | None, kept: Kept) -> Output:
        flow, n = self.flow, self.flow.p.tokens
        turn, place, betas = x.body.split([6, 3, BODY - 9], -1)
        object_turn, offset = x.object.split([6, OBJECT - 6], -1)
        told = flow.state
        body = torch.cat([flow.code(x.tokens), torch.stack([
            told["rotation"](turn), told["place"](place), told["betas"](betas), kept.pose], 1)], 1)
        object = torch.stack([told["object_rotation"](object_turn), told["object_offset"](offset)], 1)
        body, object = ((y + which).view(-1, self.width) for y, which in
                        ((body, flow.which_body), (object, flow.which_object)))
        pace = kept.pace.split(self.width)
        few = 2 * NORMS
        for k, (left, right) in enumerate(zip(self.body, self.object, strict=True)):
            picture = kept.keys[k].to(self.type), kept.values[k].to(self.type)
            body, object = (self._stream(left, body, object, self.counts, picture, pace[2 * k * few:][:few]),
                            self._stream(right, object, body, self.counts[::-1], picture,
                                         pace[(2 * k + 1) * few:][:few]))
        body, object = (norm(y).view(-1, count, self.width) for norm, y, count in
                        zip((flow.body_norm, flow.object_norm), (body, object), self.counts, strict=True))
        out = flow.state_out
        clean = Coordinates(
            flow.code_out(body[:, :n]),
            torch.cat([out["rotation"](body[:, n]), out["place"](body[:, n + 1]), out["betas"](body[:, n + 2])], -1),
            torch.cat([out["object_rotation"](object[:, 0]), out["object_offset"](object[:, 1])], -1))
        return Output(clean, flow.pose_out(body[:, n + 3]).unflatten(-1, (21, 6)))

    def _stream(self, stream: Stream, x: Tensor, other: Tensor, counts: tuple[int, int],
                picture: tuple[Tensor, Tensor], pace: tuple[Tensor, ...]) -> Tensor:
        """One layer of one stream on rows (B N, width); other (B M, width), counts N and M."""
        def ready(k: int) -> Tensor:
            return functional.layer_norm(x, (self.width,), pace[k], pace[NORMS + k]).to(self.type)

        own, count = stream.own, counts[0]
        x = x + own.out(self._mixed(*own.qkv(ready(0)).view(-1, count, 3 * self.width).chunk(3, -1))).float()
        x = x + self._asked(stream.picture, ready(1), count, *picture).float()
        keys = stream.other_keys(other.to(self.type)).view(-1, counts[1], 2 * self.width).chunk(2, -1)
        x = x + self._asked(stream.other, ready(2), count, *keys).float()
        return x + stream.mlp(ready(3)).float()

    def _asked(self, layer: CrossAttention, x: Tensor, count: int, k: Tensor, v: Tensor) -> Tensor:
        return layer.out(self._mixed(layer.q(x).view(-1, count, self.width), k, v))

    def _mixed(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return attention(q, k, v, self.heads).view(-1, self.width)
