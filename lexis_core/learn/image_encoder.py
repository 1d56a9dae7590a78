"""Image encoders: a 112 x 112 crop becomes 16 tokens, one for each cell of a 4 x 4 grid. Frozen once trained.

ImageEncoder is small, convolutional and trained here (train_encoder.py). VitEncoder holds a plain vision transformer
from a weights file, such as DINOv2's (Oquab et al. 2023), behind the same interface.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import isqrt
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from lexis_core.errors import InputError
from lexis_core.learn import checkpoint
from lexis_core.learn.layers import Block, learned

KIND = "image encoder"
SIDE = 112                  # pixels of the picture given
GRID = 4
TOKENS = GRID * GRID
VIT_SIDE = 224              # pixels a picture is enlarged to for a vision transformer, about
VIT_HEAD = 64               # width of an attention head in every size of DINOv2 and of timm's plain ViTs
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, as those were trained


@dataclass(frozen=True)
class ImageParams:
    """Everything that fixes an ImageEncoder's shape."""

    widths: tuple[int, int, int] = (24, 48, 128)    # channels at 28, 14 and 7 cells a side
    residuals: tuple[int, int, int] = (1, 1, 2)     # residual blocks at each
    layers: int = 2                                 # transformer blocks over the 16 tokens
    heads: int = 4
    width: int = 128                                # of a token


@dataclass(frozen=True)
class VitParams:
    """Everything that fixes a VitEncoder's shape. grid : patches along a side; registers : DINOv2's extra tokens."""

    width: int
    layers: int
    patch: int
    grid: int
    registers: int


class ImageEncoder(nn.Module):
    """Pictures (B, 3, 112, 112) in 0..1, sRGB -> tokens (B, 16, width), row by row from the top left.

    Some 60 million multiply-adds a picture: residual blocks at 28, 14 and 7 cells a side, a step to 4, and attention
    among the 16.
    """

    def __init__(self, p: ImageParams | None = None):
        super().__init__()
        self.p = p = p or ImageParams()
        self.tokens, self.width = TOKENS, p.width
        steps: list[nn.Module] = [_step(3, p.widths[0], 7, 4, 3)]
        for width, count, after in zip(p.widths, p.residuals, (*p.widths[1:], p.width), strict=True):
            steps += [*(_Residual(width) for _ in range(count)), _step(width, after, 3, 2, 1)]
        self.steps = nn.Sequential(*steps)
        self.place = learned(TOKENS, p.width)
        self.blocks = nn.Sequential(*(Block(p.width, p.heads) for _ in range(p.layers)))
        self.norm = nn.LayerNorm(p.width)

    def forward(self, image: Tensor) -> Tensor:
        cells = self.steps(4 * _resized(image, SIDE) - 2)
        return self.norm(self.blocks(cells.flatten(2).transpose(1, 2) + self.place))


class VitEncoder(nn.Module):
    """Pictures (B, 3, 112, 112) in 0..1, sRGB -> tokens (B, 16, width): its patches' tokens, averaged in 4 x 4 cells.

    The picture is enlarged to what the patches need. LayerScale is folded into the layers before it.
    """

    def __init__(self, p: VitParams):
        super().__init__()
        self.p, self.tokens, self.width = p, TOKENS, p.width
        self.patch = nn.Conv2d(3, p.width, p.patch, p.patch)
        self.first = nn.Parameter(torch.zeros(1 + p.registers, p.width))
        self.place = nn.Parameter(torch.zeros(p.grid**2, p.width))
        self.blocks = nn.Sequential(*(Block(p.width, p.width // VIT_HEAD, 4) for _ in range(p.layers)))
        self.norm = nn.LayerNorm(p.width)
        for module in self.modules():
            if isinstance(module, nn.LayerNorm):
                module.eps = 1e-6
        each = torch.eye(p.grid**2).unflatten(1, (1, p.grid, p.grid))
        self.register_buffer("share", functional.adaptive_avg_pool2d(each, GRID).flatten(1).T, persistent=False)
        self.register_buffer("mean", torch.tensor(MEAN)[:, None, None], persistent=False)
        self.register_buffer("deviation", torch.tensor(DEVIATION)[:, None, None], persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        return self.share @ self.patches(image)

    def patches(self, image: Tensor) -> Tensor:
        """(B, grid * grid, width): the normalised last token of each patch."""
        image = (_resized(image, self.p.grid * self.p.patch) - self.mean) / self.deviation
        patches = self.patch(image).flatten(2).transpose(1, 2) + self.place
        first = self.first.expand(image.shape[0], -1, -1)  # len() would fix an exported batch
        return self.norm(self.blocks(torch.cat([first, patches], 1)))[:, len(self.first):]


class _Residual(nn.Module):
    """Two 3 x 3 convolutions added to their input (He et al. 2016)."""

    def __init__(self, width: int):
        super().__init__()
        self.first, self.second = _step(width, width, 3, 1, 1), _step(width, width, 3, 1, 1)[:2]

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(x + self.second(self.first(x)))


def _step(before: int, after: int, side: int, stride: int, padding: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(before, after, side, stride, padding, bias=False), nn.BatchNorm2d(after), nn.ReLU())


def _resized(image: Tensor, side: int) -> Tensor:
    if image.shape[-1] == image.shape[-2] == side:
        return image
    return functional.interpolate(image, (side, side), mode="bilinear", align_corners=False)


def packed(encoder: ImageEncoder | VitEncoder) -> dict[str, Any]:
    """What a checkpoint holds of an encoder; unpacked() makes it again."""
    return {"kind": KIND, "type": type(encoder).__name__, "params": asdict(encoder.p), "net": encoder.state_dict()}


def unpacked(content: Mapping[str, Any]) -> ImageEncoder | VitEncoder:
    """The encoder of packed(), frozen. Raises KeyError, TypeError, ValueError or RuntimeError when it is none."""
    kinds = {"ImageEncoder": (ImageEncoder, ImageParams), "VitEncoder": (VitEncoder, VitParams)}
    made, params = kinds[content["type"]]
    encoder = made(params(**content["params"]))
    encoder.load_state_dict(content["net"])
    return encoder.eval().requires_grad_(False)


def load_encoder(path: str | Path, device: str = "cpu") -> ImageEncoder | VitEncoder:
    """A frozen encoder, ready to use: of a checkpoint that train_encoder wrote, or of a vision transformer's weights.

    Weights are a torch file of one state dict with the names of DINOv2's own files or of timm's models. Nothing in a
    file is run. Raises InputError when the file cannot be read or holds neither.
    """
    content = checkpoint.load(path, None, device)
    try:
        encoder = unpacked(content) if content.get("kind") == KIND else vit_encoder(content)
    except (KeyError, TypeError, ValueError, RuntimeError, AttributeError, IndexError) as error:
        raise InputError(f"{path} holds no image encoder this version knows.",
                         f"It is neither one trained here nor a plain vision transformer ({error}).",
                         "Give best.pt of train_encoder, or DINOv2 weights of size S, B or L.") from error
    return encoder.to(device)


def vit_encoder(weights: Mapping[str, Tensor], side: int = VIT_SIDE) -> VitEncoder:
    """The encoder of a plain ViT's state dict, frozen.

    side : pixels the picture is enlarged to, cut to whole patches; learned places are resampled to its grid

    Raises KeyError, ValueError or RuntimeError when these are not the weights of one.
    """
    kernel = weights["patch_embed.proj.weight"]
    width, patch = kernel.shape[0], kernel.shape[-1]
    layers = 1 + max((int(name.split(".")[1]) for name in weights if name.startswith("blocks.")), default=-1)
    registers = weights.get("register_tokens", weights.get("reg_token"))
    if layers < 1 or width % VIT_HEAD:
        raise ValueError(f"it has {layers} blocks and tokens of {width} numbers")
    grid = side // patch
    first, place = weights["cls_token"][0], weights["pos_embed"][0]
    if isqrt(len(place)) ** 2 != len(place):  # the first place is the class token's
        first, place = first + place[:1], place[1:]
    if registers is not None:
        first = torch.cat([first, registers[0]])
    encoder = VitEncoder(VitParams(width, layers, patch, grid, len(first) - 1))
    encoder.load_state_dict({
        "first": first, "place": _placed(place, grid), "patch.weight": kernel,
        "patch.bias": weights["patch_embed.proj.bias"], "norm.weight": weights["norm.weight"],
        "norm.bias": weights["norm.bias"], **_blocks(weights, layers),
    })
    return encoder.eval().requires_grad_(False)


def _placed(place: Tensor, grid: int) -> Tensor:
    """Learned places (n n, width) -> (grid grid, width)."""
    side = isqrt(len(place))
    if side == grid:
        return place
    square = place.float().T.reshape(1, -1, side, side)
    return functional.interpolate(square, (grid, grid), mode="bicubic", antialias=True)[0].flatten(1).T


def _blocks(weights: Mapping[str, Tensor], layers: int) -> dict[str, Tensor]:
    """The transformer blocks under the names of layers.Block."""
    names = {"norm1": "attention_norm", "attn.qkv": "attention.qkv", "attn.proj": "attention.out",
             "norm2": "mlp_norm", "mlp.fc1": "mlp.0", "mlp.fc2": "mlp.2"}
    scales = {"attn.proj": "ls1.gamma", "mlp.fc2": "ls2.gamma"}
    found = {}
    for k in range(layers):
        for theirs, ours in names.items():
            scale = weights.get(f"blocks.{k}.{scales.get(theirs)}")
            for part in ("weight", "bias"):
                value = weights[f"blocks.{k}.{theirs}.{part}"]
                if scale is not None:
                    value = value * (scale[:, None] if part == "weight" else scale)
                found[f"blocks.{k}.{ours}.{part}"] = value
    return found
