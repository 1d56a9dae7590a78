"""LEXIS-Flow: a body's tokens and place, and an object's place, denoised side by side to what a picture shows.

Published (LEXIS, arXiv 2604.20800): body stream of code tokens, rotation, translation and betas, object stream of
rotation and translation, a time for each, coupled by cross-attention, the picture's tokens by cross-attention. Our
choice: everything else, above all that the network gives the clean state, relative to a reference (flow_state.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from lexis_core.errors import InputError
from lexis_core.learn import checkpoint
from lexis_core.learn.flow_state import BODY, OBJECT, Coordinates, Reference, place_of
from lexis_core.learn.kinematics import sixd_from_rotation
from lexis_core.learn.layers import Attention, Block, fourier, learned, mlp
from lexis_core.learn.observed import SIDE, Observed

KIND = "LEXIS-Flow"
TIME_OCTAVES, POINT_OCTAVES = 4, 3
UNKNOWN = -1.0          # scale of a start's errors
CROP = 56                # pixels of the picture of the object's surroundings
SEEN_POINTS = 128        # of the object's surface, by which the network sees its shape and how it fits the masks


@dataclass(frozen=True)
class FlowParams:
    """Everything that fixes the network's shape."""

    tokens: int = 16
    code_width: int = 128
    shape: int = 196         # of LEXIS-Net's f_o
    image_width: int = 128   # of the image encoder's tokens
    image_tokens: int = 16
    width: int = 160
    heads: int = 5
    context_layers: int = 2
    layers: int = 5
    point_tokens: int = 8


SIZES = {"small": FlowParams(), "base": FlowParams(width=384, heads=8, context_layers=4, layers=10, point_tokens=16)}


class Context(NamedTuple):
    """What a step needs of the picture, made once: keys and values (B, M, 2 width) of each layer, and the pose token's
    own view of the reference (B, width)."""

    keys: tuple[Tensor, ...]
    pose: Tensor


class Output(NamedTuple):
    """The clean state: coordinates, and pose (B, 21, 6), what is added to the reference's pose as 6D."""

    clean: Coordinates
    pose: Tensor


class CrossAttention(nn.Module):
    """Queries (B, N, width) look at keys and values (B, M, 2 width) that are made elsewhere."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.q, self.out = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, x: Tensor, keys: Tensor) -> Tensor:
        batch, count, width = x.shape
        q = self.q(x).reshape(batch, count, self.heads, -1).transpose(1, 2)
        k, v = keys.reshape(batch, keys.shape[1], 2, self.heads, -1).permute(2, 0, 3, 1, 4)
        share = (q @ k.transpose(2, 3) * q.shape[-1] ** -0.5).softmax(-1)
        return self.out((share @ v).transpose(1, 2).reshape(batch, count, width))


class Stream(nn.Module):
    """One layer of one stream: attention to itself, to the picture, to the other stream, and an MLP, each scaled and
    shifted by the times."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width, elementwise_affine=False) for _ in range(4))
        self.own, self.picture = Attention(width, heads), CrossAttention(width, heads)
        self.other, self.other_keys = CrossAttention(width, heads), nn.Linear(width, 2 * width)
        self.mlp = mlp(width, 3 * width, width)
        self.times = nn.Linear(width, 8 * width)
        nn.init.zeros_(self.times.weight)
        nn.init.zeros_(self.times.bias)

    def forward(self, x: Tensor, other: Tensor, keys: Tensor, times: Tensor) -> Tensor:
        scale, shift = self.times(functional.silu(times))[:, None].chunk(2, -1)
        scales, shifts = (1 + scale).chunk(4, -1), shift.chunk(4, -1)

        def ready(k: int) -> Tensor:
            return self.norms[k](x) * scales[k] + shifts[k]

        x = x + self.own(ready(0))
        x = x + self._picture(ready(1), keys)
        x = x + self.other(ready(2), self.other_keys(other))
        return x + self.mlp(ready(3))

    def _picture(self, x: Tensor, keys: Tensor) -> Tensor:
        """Several draws of one picture lie one after another in the batch and share its keys."""
        draws = x.shape[0] // keys.shape[0]
        folded = x.reshape(keys.shape[0], draws * x.shape[1], x.shape[2])
        return self.picture(folded, keys).reshape(x.shape)


class Picture(nn.Module):
    """Observed, f_o (B, shape) and the reference -> Context."""

    def __init__(self, p: FlowParams):
        super().__init__()
        w = p.width
        self.p = p
        self.image = nn.Linear(p.image_width, w)
        self.masks, self.around = (nn.Sequential(nn.Conv2d(2, 32, first, first), nn.GELU(), nn.Conv2d(32, 96, 7, 7),
                                                 nn.Flatten(2)) for first in (SIDE // 28, CROP // 28))
        self.masks_out, self.around_out = nn.Linear(96, w), nn.Linear(96, w)
        self.box = nn.Linear(3, w)
        self.landmarks = mlp(2 + 3 + 1 + 2, w, w)
        self.points = mlp(3 + 3 * (1 + 2 * POINT_OCTAVES) + 2 + 4, 96, 96)
        self.points_key, self.points_query = nn.Linear(96, 2 * w), learned(p.point_tokens, w)
        self.points_at = CrossAttention(w, p.heads)
        self.f_o, self.tokens = nn.Linear(p.shape, w), nn.Linear(p.code_width, w)
        self.body = nn.Linear(6 + 3 + 10 + 1 + 2, w)
        self.pose = nn.Linear(21 * 6, w)
        self.object = nn.Linear(6 + 3 + 2, w)
        count = p.image_tokens + 16 + 16 + 33 + p.point_tokens + p.tokens + 4
        self.which = learned(count, w)
        self.missing = learned(4, w)  # in place of image, masks, landmarks, start
        self.blocks = nn.Sequential(*(Block(w, p.heads) for _ in range(p.context_layers)))
        self.norm = nn.LayerNorm(w)
        self.keys = nn.ModuleList(nn.Linear(w, 2 * w) for _ in range(p.layers))

    def forward(self, seen: Observed, f_o: Tensor, reference: Reference, scale: Tensor) -> Context:
        """scale (B,) : how large the start's errors are, 1 the estimate's own, or UNKNOWN."""
        known = reference.states
        started = reference.started.float()[:, None]
        place = place_of(known.pelvis, seen.focal)
        offset = known.object_position - known.pelvis
        middle = place[:, :2] + seen.camera[:, 1:]
        marks = torch.cat([seen.landmarks - middle[:, None], seen.landmarks_world, seen.confidence[..., None],
                           seen.landmarks], -1)
        pose = self.pose(sixd_from_rotation(known.theta).flatten(1))
        body = torch.cat([sixd_from_rotation(known.body_rotation), place, known.betas,
                          seen.focal.log()[:, None], started, scale[:, None] * started], -1)
        object = torch.cat([sixd_from_rotation(known.object_rotation), offset, started, seen.seen[:, 3:]], -1)
        parts = [
            self._or_missing(self.image(seen.image), seen.seen[:, 0], 0),
            self._or_missing(self.masks_out(self.masks(seen.maps[:, :2]).transpose(1, 2)), seen.seen[:, 1], 1),
            self._or_missing(self._around(seen), seen.seen[:, 1], 1),
            self._or_missing(self.landmarks(marks), seen.seen[:, 2], 2),
            self._points(seen, reference),
            self._or_missing(self.tokens(reference.tokens), started[:, 0], 3),
            torch.stack([self.f_o(f_o), self.body(body), pose, self.object(object)], 1),
        ]
        x = self.norm(self.blocks(torch.cat(parts, 1) + self.which))
        return Context(tuple(keys(x) for keys in self.keys), pose)

    def _or_missing(self, tokens: Tensor, seen: Tensor, which: int) -> Tensor:
        seen = seen[:, None, None]
        return tokens * seen + self.missing[which] * (1 - seen)

    def _around(self, seen: Observed) -> Tensor:
        line = (torch.arange(CROP, device=seen.box.device) + 0.5) / CROP - 0.5
        grid = torch.stack(torch.meshgrid(line, line, indexing="xy"), -1)
        at = seen.box[:, None, None, :2] + grid * seen.box[:, None, None, 2:]
        crop = functional.grid_sample(seen.maps[:, :2], 2 * at, "bilinear", "zeros", align_corners=False)
        return self.around_out(self.around(crop).transpose(1, 2)) + self.box(seen.box)[:, None]

    def _points(self, seen: Observed, reference: Reference) -> Tensor:
        known = reference.states
        turned = seen.object_points[:, :SEEN_POINTS] @ known.object_rotation.transpose(1, 2)
        placed = turned + known.object_position[:, None]
        at = seen.project(placed)
        read = seen.read(at, slice(0, 4)) * seen.seen[:, 1, None, None]
        each = torch.cat([placed - known.pelvis[:, None], fourier(turned, POINT_OCTAVES), at, read], -1)
        keys = self.points_key(self.points(each))
        return self.points_at(self.points_query.expand(keys.shape[0], -1, -1), keys)


class LexisFlow(nn.Module):
    """picture once, then step for every step; regression is one step from zero at time zero."""

    def __init__(self, p: FlowParams):
        super().__init__()
        self.p, w = p, p.width
        self.picture = Picture(p)
        self.code, self.code_out = nn.Linear(p.code_width, w), nn.Linear(w, p.code_width)
        widths = {"rotation": 6, "place": 3, "betas": 10, "object_rotation": 6, "object_offset": 3}
        self.state = nn.ModuleDict({name: nn.Linear(n, w) for name, n in widths.items()})
        self.state_out = nn.ModuleDict({name: nn.Linear(w, n) for name, n in widths.items()})
        self.pose_out = nn.Linear(w, 21 * 6)
        self.which_body, self.which_object = learned(p.tokens + 4, w), learned(2, w)
        self.times = mlp(2 * (1 + 2 * TIME_OCTAVES), w, w)
        self.body = nn.ModuleList(Stream(w, p.heads) for _ in range(p.layers))
        self.object = nn.ModuleList(Stream(w, p.heads) for _ in range(p.layers))
        self.body_norm, self.object_norm = nn.LayerNorm(w), nn.LayerNorm(w)
        for out in (self.code_out, self.pose_out, *self.state_out.values()):
            nn.init.zeros_(out.weight)
            nn.init.zeros_(out.bias)

    def step(self, x: Coordinates, body_time: Tensor, object_time: Tensor, context: Context) -> Output:
        """The clean state that noisy coordinates x of D draws a picture, (B D, ...), stand for; times (B D,) in [0, 1],
        0 noise and 1 data. The D draws of a picture lie one after another."""
        draws = x.body.shape[0] // context.pose.shape[0]  # len() would fix the batch in an exported graph
        pose = context.pose.repeat_interleave(draws, 0)
        turn, place, betas = x.body.split([6, 3, BODY - 9], -1)
        object_turn, offset = x.object.split([6, OBJECT - 6], -1)
        body = torch.cat([self.code(x.tokens), torch.stack([
            self.state["rotation"](turn), self.state["place"](place), self.state["betas"](betas), pose], 1)], 1)
        object = torch.stack([self.state["object_rotation"](object_turn), self.state["object_offset"](offset)], 1)
        body, object = body + self.which_body, object + self.which_object
        times = self.times(fourier(torch.stack([body_time, object_time], -1), TIME_OCTAVES))
        for left, right, keys in zip(self.body, self.object, context.keys, strict=True):
            body, object = left(body, object, keys, times), right(object, body, keys, times)
        body, object = self.body_norm(body), self.object_norm(object)
        n = self.p.tokens
        out = self.state_out
        clean = Coordinates(
            self.code_out(body[:, :n]).float(),
            torch.cat([out["rotation"](body[:, n]), out["place"](body[:, n + 1]), out["betas"](body[:, n + 2])],
                      -1).float(),
            torch.cat([out["object_rotation"](object[:, 0]), out["object_offset"](object[:, 1])], -1).float())
        return Output(clean, self.pose_out(body[:, n + 3]).float().unflatten(-1, (21, 6)))


def load_network(path: str | Path) -> LexisFlow:
    """The network of a checkpoint that train_flow wrote, or of what ships of it. InputError when it cannot be."""
    content = checkpoint.load(path, KIND)
    try:
        flow = LexisFlow(FlowParams(**content["params"]))
        flow.load_state_dict({name: value.float() for name, value in content["flow"].items()})
    except (KeyError, TypeError, RuntimeError, AttributeError) as error:
        raise InputError(f"{path} does not fit this version's LEXIS-Flow.", "Its sizes or its weights are others.",
                         "Train again with this version.") from error
    return flow
