"""LEXIS-Net: a pose and an object's shape -> 16 tokens of a codebook -> the InterFields of both surfaces, and the pose.

The idea is the paper's (LEXIS, arXiv 2604.20800): pose and object in, a discrete code between, InterFields out, read
from one triplane for the body and one for the object. Sizes, layers, 6D rotations and units are our choice.
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
from lexis_core.learn.layers import BatchRenorm, Block, fourier, learned, mlp
from lexis_core.learn.vector_quantiser import VectorQuantiser

KIND = "LEXIS-Net"
JOINTS = 21
PLANES = 3                         # xy, xz, yz
BODY_CENTRE = (0.0, -0.13, 0.04)   # metres from the pelvis: the middle of the T-posed body ...
BODY_HALF = (0.95, 0.95, 0.2)      # ... and half the box its triplane covers
OCTAVES = 4                        # of a point's position


@dataclass(frozen=True)
class NetParams:
    """Everything that fixes the network's shape. Unknown action: index `actions`."""

    actions: int = 18
    codes: int = 2048
    code_width: int = 128
    tokens: int = 16
    shape: int = 256            # f_o: the log of the object's radius in metres, then features
    width: int = 160
    heads: int = 5
    encoder_layers: int = 3
    decoder_layers: int = 3
    patches: int = 4            # a plane is patches x patches tokens ...
    patch: int = 8              # ... of patch x patch cells ...
    channels: int = 16          # ... of this many numbers
    quantised: bool = True      # False: the ablation without the discrete bottleneck
    sees_object: bool = True    # False: the ablation without f_o


SIZES = {
    "small": NetParams(),
    "base": NetParams(shape=512, width=512, heads=8, encoder_layers=6, decoder_layers=6, patches=8, patch=8,
                      channels=32),
}


class Decoded(NamedTuple):
    """body (B, P), object (B, Q): InterField in (0, 1) at the points asked for; theta (B, 21, 6)."""

    body: Tensor
    object: Tensor
    theta: Tensor


class ObjectEncoder(nn.Module):
    """Surface points (B, Q, 3), metres in the object's canonical frame -> f_o (B, shape). Any Q; 1024 in training."""

    def __init__(self, p: NetParams):
        super().__init__()
        h = p.shape // 2
        self.each = mlp(3 + 3 * (1 + 2 * OCTAVES), h, h)
        self.again = mlp(2 * h, h, h)
        self.out = mlp(2 * h + 1, p.shape, p.shape - 1)

    def forward(self, points: Tensor) -> Tensor:
        radius = points.abs().amax((1, 2)).clamp(min=1e-3)[:, None, None]
        each = self.each(torch.cat([points / radius, fourier(points, OCTAVES)], -1))
        each = self.again(torch.cat([each, each.amax(1, keepdim=True).expand_as(each)], -1))
        size = radius[:, 0].log()
        return torch.cat([size, self.out(torch.cat([each.amax(1), each.mean(1), size], -1))], -1)


class Encoder(nn.Module):
    """Joint rotations (B, 21, 6), f_o (B, shape), action (B,) int64 -> tokens (B, 16, code_width).

    Each number of each token has mean 0 and variance 1 over the interactions (normalised over the batch before the
    codebook, Lancucki et al. 2020): else the tokens differ by their place alone and a few codes serve everyone.
    """

    def __init__(self, p: NetParams):
        super().__init__()
        self.count = p.tokens
        self.joint, self.object = nn.Linear(6, p.width), nn.Linear(p.shape, p.width)
        self.pose = nn.Linear(JOINTS * 6, p.tokens * p.width)  # attention alone takes long to find the joints
        self.action = nn.Embedding(p.actions + 1, p.width)
        self.which_joint, self.token = learned(JOINTS, p.width), learned(p.tokens, p.width)
        self.blocks = nn.Sequential(*(Block(p.width, p.heads) for _ in range(p.encoder_layers)))
        self.norm = nn.LayerNorm(p.width)
        self.out = nn.Linear(p.width, p.code_width)
        self.spread = BatchRenorm(p.tokens * p.code_width)

    def forward(self, theta: Tensor, f_o: Tensor, action: Tensor) -> Tensor:
        given = [self.joint(theta) + self.which_joint, self.object(f_o)[:, None], self.action(action)[:, None]]
        tokens = self.token + self.pose(theta.flatten(1)).unflatten(1, self.token.shape)
        x = torch.cat([tokens, *given], 1)
        z = self.out(self.norm(self.blocks(x)[:, : self.count]))
        return self.spread(z.float().flatten(1)).reshape(z.shape)


class Decoder(nn.Module):
    """Tokens (B, 16, code_width), f_o (B, shape) -> body and object triplanes (B, 3, C, H, W) and theta (B, 21, 6)."""

    def __init__(self, p: NetParams):
        super().__init__()
        self.p, self.count = p, PLANES * p.patches**2
        self.token, self.object = nn.Linear(p.code_width, p.width), nn.Linear(p.shape, p.width)
        self.which_token = learned(p.tokens, p.width)
        self.gist = nn.Linear(p.tokens * p.code_width, p.width)
        self.body_patch, self.object_patch = learned(self.count, p.width), learned(self.count, p.width)
        self.blocks = nn.Sequential(*(Block(p.width, p.heads) for _ in range(p.decoder_layers)))
        self.norm = nn.LayerNorm(p.width)
        self.theta = mlp(p.tokens * p.code_width, 4 * p.width, JOINTS * 6)
        self.theta[-1].bias.data = torch.tensor([1.0, 0, 0, 0, 1, 0]).repeat(JOINTS)  # starts at the T-pose
        self.body, self.shape = (nn.Linear(p.width, p.channels * p.patch**2) for _ in range(2))

    def forward(self, z: Tensor, f_o: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        whole = z.flatten(1)
        given = [self.token(z) + self.which_token, self.object(f_o)[:, None]]
        wanted = torch.cat([self.body_patch, self.object_patch]) + self.gist(whole)[:, None]
        x = self.norm(self.blocks(torch.cat([*given, wanted], 1)))
        _, body, object = x.split([z.shape[1] + 1, self.count, self.count], 1)
        theta = self.theta(whole).float().unflatten(1, (JOINTS, 6))
        return self.unpatched(self.body(body)), self.unpatched(self.shape(object)), theta

    def unpatched(self, x: Tensor) -> Tensor:
        """(B, 3 n n, C k k) patches -> (B, 3, C, n k, n k) planes."""
        n, k, c = self.p.patches, self.p.patch, self.p.channels
        return x.reshape(-1, PLANES, n, n, c, k, k).permute(0, 1, 4, 2, 5, 3, 6).reshape(-1, PLANES, c, n * k, n * k)


class FieldHead(nn.Module):
    """Triplane (B, 3, C, H, W) and points (B, P, 3) in [-1, 1] -> InterField (B, P) in (0, 1)."""

    def __init__(self, p: NetParams):
        super().__init__()
        self.mlp = mlp(PLANES * p.channels + 3 * (1 + 2 * OCTAVES), 64, 64, 1)
        nn.init.constant_(self.mlp[-1].bias, -3)  # starts at a field of almost nothing, which is most of the truth

    def forward(self, planes: Tensor, points: Tensor) -> Tensor:
        batch, count = points.shape[:2]
        grid = torch.stack([points[..., [0, 1]], points[..., [0, 2]], points[..., [1, 2]]], 1)
        read = functional.grid_sample(planes.float().flatten(0, 1), grid.flatten(0, 1)[:, :, None], "bilinear",
                                      "border", align_corners=False)
        read = read[..., 0].reshape(batch, -1, count).transpose(1, 2)
        return self.mlp(torch.cat([read, fourier(points, OCTAVES)], -1))[..., 0].float().sigmoid()


class LexisNet(nn.Module):
    """The whole of it. encode and decode are what LEXIS-Flow uses; forward is what training and export use."""

    def __init__(self, p: NetParams):
        super().__init__()
        self.p = p
        self.object_encoder, self.encoder, self.decoder = ObjectEncoder(p), Encoder(p), Decoder(p)
        self.quantiser = VectorQuantiser(p.codes, p.code_width)
        self.body_field, self.object_field = FieldHead(p), FieldHead(p)
        self.register_buffer("body_centre", torch.tensor(BODY_CENTRE), persistent=False)
        self.register_buffer("body_half", torch.tensor(BODY_HALF), persistent=False)

    def embed(self, points: Tensor) -> Tensor:
        """Object surface points (B, Q, 3), metres, canonical -> f_o (B, shape)."""
        f_o = self.object_encoder(points)
        return f_o if self.p.sees_object else torch.cat([f_o[:, :1], torch.zeros_like(f_o[:, 1:])], -1)

    def encode(self, theta: Tensor, f_o: Tensor, action: Tensor) -> Tensor:
        """Tokens (B, 16, code_width) before the codebook. theta (B, 21, 6); action (B,), p.actions where unknown."""
        return self.encoder(theta, self.seen(f_o), action)

    def decode(self, z: Tensor, f_o: Tensor, body_points: Tensor, object_points: Tensor) -> Decoded:
        """Read the fields that tokens z (B, 16, code_width) stand for.

        body_points   : (B, P, 3) metres, where the points are on the unshaped T-posed body, from its pelvis joint
        object_points : (B, Q, 3) metres, where the points are in the object's canonical frame
        """
        body, object, theta = self.decoder(z, self.seen(f_o))
        radius = f_o[:, :1].exp()[:, None]
        return Decoded(self.body_field(body, (body_points - self.body_centre) / self.body_half),
                       self.object_field(object, object_points / radius), theta)

    def seen(self, f_o: Tensor) -> Tensor:
        """What the transformers see of f_o: in the ablation without the object not even its size."""
        return f_o if self.p.sees_object else torch.zeros_like(f_o)

    def forward(self, theta: Tensor, shape_points: Tensor, action: Tensor, body_points: Tensor, object_points: Tensor,
                quantise: bool = True) -> tuple[Decoded, Tensor, Tensor]:
        """Decoded, the tokens' codes (B, 16) int64, commitment loss ()."""
        f_o = self.embed(shape_points)
        z = self.encode(theta, f_o, action)
        if self.p.quantised and quantise:
            with torch.autocast(z.device.type, enabled=False):  # nearness to a code needs all of float32
                z, codes, commitment = self.quantiser(z)
        else:
            codes, commitment = z.new_zeros(z.shape[:2], dtype=torch.int64), z.new_zeros(())
        return self.decode(z, f_o, body_points, object_points), codes, commitment


def load_net(path: str | Path, device: str = "cpu") -> LexisNet:
    """The network of a checkpoint that train_net wrote, ready to use. InputError when it cannot be."""
    content = checkpoint.load(path, KIND, device)
    try:
        net = LexisNet(NetParams(**content["params"]))
        net.load_state_dict(content["net"])
    except (KeyError, TypeError, RuntimeError, AttributeError) as error:
        raise InputError(f"{path} does not fit this version's LEXIS-Net.", "Its sizes or its weights are others.",
                         "Train again with this version.") from error
    return net.to(device).eval()
