"""LEXIS-Net: a pose, an object's shape and place -> 16 tokens of a codebook -> the InterFields of both surfaces.

The idea is the paper's (LEXIS, arXiv 2604.20800): pose and object in, a discrete code between, InterFields out, read
from one triplane for the body and one for the object. Sizes, layers, 6D rotations and units are our choice, and so is
that the tokens also hold where the object is, and that the fields are read knowing where that puts each point.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from lexis_core.errors import InputError
from lexis_core.learn import checkpoint
from lexis_core.learn.kinematics import rotation_from_sixd
from lexis_core.learn.layers import BatchRenorm, ResidualMLP, fourier, mlp
from lexis_core.learn.net_fields import FieldHead, field_of, in_full, read_planes, shape_of
from lexis_core.learn.net_geometry import HEAD, THICK, Posed, box_of, nearness
from lexis_core.learn.vector_quantiser import VectorQuantiser

KIND = "LEXIS-Net"
JOINTS = 21
BONES = 26
FELT = 2 * BONES + 1 + 66   # numbers of a point of the object among the bones
PLANES = 3             # xy, xz, yz
OCTAVES = 4            # of a point's position
PLACEMENT = 6 + 3 + 10


@dataclass(frozen=True)
class NetParams:
    """Everything that fixes the network's shape. Unknown action: index `actions`."""

    actions: int = 18
    codes: int = 2048
    code_width: int = 128
    tokens: int = 16
    token_rank: int = 3         # a token lies in a space of this many dimensions of its code_width, shared by all
    shape: int = 196            # f_o: 4 numbers of size, then distances from fixed places
    width: int = 384
    encoder_layers: int = 3
    decoder_layers: int = 3
    cells: int = 8              # of a plane of the body, each way
    object_cells: int = 12
    channels: int = 12          # of a cell
    head: int = 80
    quantised: bool = True        # False: the ablation without the discrete bottleneck
    sees_object: bool = True      # False: the ablation without f_o
    sees_placement: bool = True   # False: the paper's inputs only


SIZES = {
    "small": NetParams(),
    "base": NetParams(shape=516, width=1024, encoder_layers=6, decoder_layers=6, cells=16, object_cells=24, channels=32,
                      head=128),
}


class Decoded(NamedTuple):
    """What tokens say.

    body (B, P), object (B, Q): InterField in (0, 1) at the points asked for; theta (B, 21, 6);
    placement (B, 19): the object in the pelvis's frame and the build, as the encoder takes them
    """

    body: Tensor
    object: Tensor
    theta: Tensor
    placement: Tensor


class Latent(NamedTuple):
    """What a decoder makes of tokens, before any point is asked: planes (B, 3, C, H, W), hints (B, head), theta
    (B, 21, 6), placement (B, 19)."""

    body_planes: Tensor
    object_planes: Tensor
    body_hint: Tensor
    object_hint: Tensor
    theta: Tensor
    placement: Tensor


class Encoder(nn.Module):
    """Joint rotations (B, 21, 6), f_o (B, shape), action (B,) int64, placement (B, 19), placed (B,) bool -> tokens
    (B, 16, token_rank).

    Each token lies in a space of token_rank dimensions, the same for all, and each of these has mean 0 and variance 1
    over the interactions (normalised over the batch before the codebook, Lancucki et al. 2020): so one codebook serves
    all tokens, and all of its codes are within reach of each.
    """

    def __init__(self, p: NetParams):
        super().__init__()
        self.p, self.bodies = p, Posed()
        given = (JOINTS + 1) * (3 + 3 + 4) + JOINTS * 6 + p.shape + PLACEMENT + 1
        self.action = nn.Embedding(p.actions + 1, 32)
        self.read = nn.Linear(given + 32, p.width)
        self.blocks = ResidualMLP(p.width, p.encoder_layers)
        self.out = nn.Linear(p.width, p.tokens * p.token_rank)
        self.direct = nn.Linear(given, p.tokens * p.token_rank)  # what depends linearly is there from the start
        self.spread = BatchRenorm(p.tokens * p.token_rank)

    def forward(self, theta: Tensor, f_o: Tensor, action: Tensor, placement: Tensor, placed: Tensor) -> Tensor:
        """(B, 16, token_rank), in that space."""
        with in_full(theta):
            given = self.given(theta, f_o, placement, placed)
        x = self.blocks(self.read(torch.cat([given, self.action(action)], -1)))
        z = self.spread((self.out(x) + self.direct(given)).float())
        return z.unflatten(1, (self.p.tokens, self.p.token_rank))

    def given(self, theta: Tensor, f_o: Tensor, placement: Tensor, placed: Tensor) -> Tensor:
        """All but the action, with where the joints are to one another and to the object."""
        known = placed[:, None].to(theta) * float(self.p.sees_placement)
        placement = placement * known
        _, joints = self.bodies.joints(theta, placement[:, 9:])
        seen = (joints - placement[:, None, 6:9]) @ rotation_from_sixd(safe(placement[:, :6], known))
        seen = seen / f_o[:, :1].exp()[:, None]  # in the object's frame, in its radii
        near = nearness(seen, f_o[:, 1:HEAD], f_o[:, HEAD:]).clamp(-1, 3)
        relative = torch.cat([seen.clamp(-4, 4), near], -1) * known[:, None]
        return torch.cat([theta.flatten(1), 2 * joints.flatten(1), relative.flatten(1), f_o, placement, known], -1)


def safe(sixd: Tensor, known: Tensor) -> Tensor:
    """A rotation to work with where none is known."""
    return sixd + (1 - known) * sixd.new_tensor([1.0, 0, 0, 0, 1, 0])


class Decoder(nn.Module):
    """Tokens (B, 16, token_rank), f_o (B, shape) -> Latent."""

    def __init__(self, p: NetParams):
        super().__init__()
        self.p = p
        self.pose = mlp(p.tokens * p.token_rank, p.width, JOINTS * 6)
        self.direct = nn.Linear(p.tokens * p.token_rank, JOINTS * 6 + PLACEMENT)
        self.read = nn.Linear(p.tokens * p.token_rank + p.shape, p.width)
        self.blocks = ResidualMLP(p.width, p.decoder_layers)
        seen = p.width // 2
        self.placement = nn.Linear(p.width, PLACEMENT)
        self.body, self.object = (mlp(p.width, seen, PLANES * p.channels * n**2) for n in (p.cells, p.object_cells))
        self.hints = nn.Linear(p.width, 2 * p.head)
        still = torch.tensor([1.0, 0, 0, 0, 1, 0])
        start = [still.repeat(JOINTS), still, torch.zeros(13)]  # the T-pose, the object at its middle
        self.direct.bias.data = torch.cat(start)

    def said(self, z: Tensor, f_o: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What the rest is read from (B, width), the pose (B, 126) and the placement (B, 19)."""
        x = self.blocks(self.read(torch.cat([z.flatten(1), f_o], -1)))
        theta, placement = self.direct(z.flatten(1)).split([JOINTS * 6, PLACEMENT], -1)
        return x, theta + self.pose(z.flatten(1)), placement + self.placement(x)

    def forward(self, z: Tensor, f_o: Tensor) -> Latent:
        x, theta, placement = self.said(z, f_o)
        body, object = self.planes(self.body(x), self.p.cells), self.planes(self.object(x), self.p.object_cells)
        return Latent(body, object, *self.hints(x).chunk(2, -1), theta.float().unflatten(1, (JOINTS, 6)),
                      placement.float())

    def theta(self, z: Tensor) -> Tensor:
        """(B, 21, 6), from the tokens alone."""
        flat = z.flatten(1)
        return (self.direct(flat)[:, : JOINTS * 6] + self.pose(flat)).float().unflatten(1, (JOINTS, 6))

    def planes(self, x: Tensor, cells: int) -> Tensor:
        return x.float().unflatten(1, (PLANES, self.p.channels, cells, cells))


class LexisNet(nn.Module):
    """The whole of it. encode, decode and pose are what LEXIS-Flow uses; forward is what training and export use."""

    def __init__(self, p: NetParams):
        super().__init__()
        self.p, self.bodies = p, Posed()
        self.encoder, self.decoder = Encoder(p), Decoder(p)
        across = torch.linalg.qr(torch.randn(p.code_width, p.token_rank))[0].T.contiguous()
        lift = across * (p.code_width / p.token_rank) ** 0.5  # numbers of variance 1 on the mean
        self.register_buffer("lift", lift)
        self.quantiser = VectorQuantiser(p.codes, p.code_width, across)
        point, read = 3 * (1 + 2 * OCTAVES), PLANES * p.channels
        self.held = False
        self.flesh = nn.Parameter(torch.full((BONES,), 0.07))  # metres of it about each bone
        self.body_field = FieldHead(2 * read + 2 * point + 4 + 4, p.head)
        self.object_field = FieldHead(2 * read + 2 * point + FELT, p.head)

    def hold_tokens(self) -> None:
        """From now on only the fields learn: the tokens and the poses they stand for stay what they are."""
        self.held = True
        for part in (self.encoder, self.decoder.pose, self.decoder.direct):
            part.requires_grad_(False)
        self.train(self.training)

    def train(self, mode: bool = True) -> LexisNet:
        super().train(mode)
        if self.held:
            self.encoder.eval()
            self.quantiser.eval()
        return self

    def embed(self, points: Tensor) -> Tensor:
        """Object surface points (B, Q, 3), metres, canonical -> f_o (B, shape)."""
        with in_full(points):
            return shape_of(points, self.p.shape)

    def encode(self, theta: Tensor, f_o: Tensor, action: Tensor, placement: Tensor, placed: Tensor) -> Tensor:
        """Tokens (B, 16, code_width) before the codebook.

        theta : (B, 21, 6); action : (B,), p.actions where unknown; placed : (B,) bool, False where the next is unknown
        placement : (B, 19) the object in the pelvis joint's frame: rotation 6D, translation 3 in metres; then betas 10
        """
        return self.encoder(theta, self.seen(f_o), action, placement, placed) @ self.lift

    def pose(self, z: Tensor) -> Tensor:
        """The pose (B, 21, 6) that tokens z (B, 16, code_width) stand for."""
        return self.decoder.theta(self.lowered(z))

    def decode(self, z: Tensor, f_o: Tensor, body_points: Tensor, object_points: Tensor) -> Decoded:
        """Read the fields that tokens z (B, 16, code_width) stand for.

        body_points   : (B, P, 3) metres, where the points are on the unshaped T-posed body, from its pelvis joint
        object_points : (B, Q, 3) metres, where the points are in the object's canonical frame
        """
        return self.asked(self.latent(z, f_o), f_o, body_points, object_points)

    def latent(self, z: Tensor, f_o: Tensor) -> Latent:
        """What tokens z (B, 16, code_width) say before any point is asked."""
        return self.decoder(self.lowered(z), self.seen(f_o))

    def asked(self, known: Latent, f_o: Tensor, body_points: Tensor, object_points: Tensor) -> Decoded:
        """The rest of decode. With points for the first A samples only, fields for those."""
        said, count = known, body_points.shape[0]
        known, radius = Latent(*(part[:count] for part in known)), f_o[:count, :1].exp()[:, None]
        f_o = self.seen(f_o[:count])
        with in_full(body_points):
            of_body, of_object = self.geometry(known, f_o, radius, body_points, object_points)
        return Decoded(self.body_field(of_body[0], known.body_hint, of_body[1]),
                       self.object_field(of_object[0], known.object_hint, of_object[1]), said.theta, said.placement)

    def geometry(self, known: Latent, f_o: Tensor, radius: Tensor, body_points: Tensor, object_points: Tensor):
        """What the field heads are given of each point, and their first guess: for the body, for the object."""
        turns, places = self.bodies.joints(known.theta, known.placement[:, 9:])
        turn, way = rotation_from_sixd(known.placement[:, :6]), known.placement[:, None, 6:9]
        box = box_of(f_o[:, 1:HEAD])[:, None]

        rest = (body_points - self.bodies.box[0]) / self.bodies.box[1]
        size = f_o[:, :1].exp()[:, None]
        there = (self.bodies.points(body_points, turns, places) - way) @ turn / size  # in the object's frame and radii
        near = nearness(there.clamp(-4, 4), f_o[:, 1:HEAD], f_o[:, HEAD:])
        there, fields = (there / box).clamp(-2, 2), field_of(near * size)
        of_body = torch.cat([read_planes(known.body_planes, rest), read_planes(known.object_planes, there),
                             fourier(rest, OCTAVES), fourier(there, OCTAVES), near.clamp(-1, 2), fields], -1)

        own = object_points / (radius * box)
        there = object_points @ turn.transpose(1, 2) + way  # in the pelvis's frame
        bones, local = self.bodies.felt(there, turns, places)
        away, touched = self.bodies.touched(there, turns, places)
        touched, nearest = (touched - self.bodies.box[0]) / self.bodies.box[1], field_of(away - THICK)
        of_object = torch.cat([read_planes(known.object_planes, own), read_planes(known.body_planes, touched),
                               fourier(own, OCTAVES), fourier(touched, OCTAVES), torch.exp(-10 * bones),
                               field_of(bones - self.flesh), nearest[..., None], local], -1)
        return (of_body, fields[..., 2]), (of_object, nearest)

    def lowered(self, z: Tensor) -> Tensor:
        """Tokens (B, 16, code_width) in the space they lie in (B, 16, token_rank); what is across it is left out."""
        return z @ self.lift.T * (self.p.token_rank / self.p.code_width)

    def seen(self, f_o: Tensor) -> Tensor:
        """What the networks see of f_o: in the ablation without the object not even its size."""
        return f_o if self.p.sees_object else torch.zeros_like(f_o)

    def forward(self, theta: Tensor, shape_points: Tensor, action: Tensor, placement: Tensor, placed: Tensor,
                body_points: Tensor, object_points: Tensor, quantise: bool = True) -> tuple[Decoded, Tensor, Tensor]:
        """Decoded (fields of the first samples, as many as have points), codes (B, 16) int64, commitment loss ()."""
        f_o = self.embed(shape_points)
        z = self.encode(theta, f_o, action, placement, placed)
        if self.p.quantised and quantise:
            with in_full(z):  # nearness to a code needs it too
                z, codes, commitment = self.quantiser(z.float())
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
