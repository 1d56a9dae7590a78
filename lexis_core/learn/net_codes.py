"""The codes of an interaction chosen together, so that what they say of it is right, not each of them near its token.

Where each token takes its nearest code, sixteen small errors add up: the object comes back 35 mm from its place. Many
choices of codes nearly as near say the same pose and place far better. So the encoder's tokens are where a search
begins (analysis by synthesis, as speech coders choose their codes, Schroeder and Atal 1985; here with the decoder's
linearisation): codes change one token at a time to the best of all, given the others, for what the decoder then says.
"""

from __future__ import annotations

from dataclasses import fields

import torch
from torch import Tensor
from torch.func import jvp, vmap

from lexis_core.learn.kinematics import rotation_from_sixd
from lexis_core.learn.net import Decoded, LexisNet
from lexis_core.learn.net_batch import Batch
from lexis_core.learn.net_fields import in_full
from lexis_core.learn.net_geometry import distances_to_points

PASSES = 3
NEAR = 0.1      # metres: joints so near to the object count most, for they place the surfaces that touch
FAR_SHARE = 0.02  # what joints far from it still count
STAY = 0.001    # square metres for tokens that move by 1: what the fields are read from besides
TURNED = 0.35   # of an object's radius: how far its points lie from its middle, by axis


def read_back(net: LexisNet, batch: Batch, quantise: bool = True,
              as_one: float = 1.0) -> tuple[Decoded, Tensor, Tensor]:
    """The batch through the network and out again: what net(...) returns. as_one : the share of it, from its first on,
    whose codes are chosen together; each token of the others takes its nearest."""
    given = batch.theta, batch.shape_points, batch.action, batch.placement, batch.placed
    asked, first = (batch.body_points, batch.object_points), round(as_one * len(batch.theta))
    if not (first and quantise and net.p.quantised):
        return net(*given, *asked, quantise=quantise)
    f_o = net.embed(batch.shape_points)
    tokens = net.encode(batch.theta, f_o, *given[2:])
    with in_full(tokens):
        codes, indices = together(net, tokens[:first].float(), f_o[:first],
                                  Batch(*(getattr(batch, part.name)[:first] for part in fields(Batch))))
        if first < len(tokens):
            more, others, _ = net.quantiser(tokens[first:].float())
            codes, indices = torch.cat([codes, more]), torch.cat([indices, others])
    return net.decode(codes, f_o, *asked), indices, tokens.new_zeros(())


@torch.no_grad()
def together(net: LexisNet, tokens: Tensor, f_o: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
    """Codes (B, T, code_width) for the tokens (B, T, code_width) that the encoder made of this batch, and their indices
    (B, T)."""
    placement, placed = batch.placement, batch.placed
    low, seen, shape = net.lowered(tokens), net.seen(f_o), tokens.shape[1:]
    count, numbers = len(low), shape[0] * low.shape[2]
    wanted, share = _joints(net, batch.theta), _share(net, batch)
    turn, way, known = rotation_from_sixd(placement[:, :6]), placement[:, 6:9], placed[:, None].to(low)
    size = TURNED * f_o[:, :1].exp() * known

    def missed(low: Tensor) -> Tensor:
        """(B, R) metres: by how much what the tokens say is off."""
        said, place = net.decoder.said(low, seen)[1:]
        off = (_joints(net, said.unflatten(1, (-1, 6))) - wanted) * share
        turned = (rotation_from_sixd(place[:, :6]) - turn).flatten(1)
        return torch.cat([off.flatten(1), (place[:, 6:9] - way) * known, turned * size], 1)

    basis = torch.eye(numbers).to(low).reshape(numbers, 1, *low.shape[1:]).expand(-1, count, -1, -1)
    slopes = vmap(lambda way: jvp(missed, (low,), (way,))[1])(basis).permute(1, 2, 0)
    curvature = slopes.transpose(1, 2) @ slopes + STAY * torch.eye(numbers).to(low)
    gradient = (slopes.transpose(1, 2) @ missed(low)[..., None])[..., 0]
    indices = search(net.lowered(net.quantiser.codebook[None])[0], low, curvature, gradient)
    return net.quantiser.codebook[indices], indices


def search(codes: Tensor, tokens: Tensor, curvature: Tensor, gradient: Tensor) -> Tensor:
    """Indices (B, T) of codes (N, r) in place of tokens (B, T, r), for a cost that changes with their change x
    (B, T r) by gradient x + x curvature x / 2. From where the cost is lowest, token by token, PASSES times."""
    rank = codes.shape[1]
    terms = torch.cat([codes, 0.5 * (codes[:, :, None] * codes[:, None]).flatten(1)], 1).T
    change = -torch.linalg.solve(curvature, gradient)
    indices = torch.zeros(tokens.shape[:2], dtype=torch.int64, device=tokens.device)
    for token in PASSES * list(range(tokens.shape[1])):
        own, at = slice(rank * token, rank * token + rank), tokens[:, token]
        change[:, own] = 0
        bent = curvature[:, own, own]
        slope = gradient[:, own] + (curvature[:, own] @ change[..., None] - bent @ at[..., None])[..., 0]
        indices[:, token] = (torch.cat([slope, bent.flatten(1)], 1) @ terms).argmin(1)
        change[:, own] = codes[indices[:, token]] - at
    return indices


def _joints(net: LexisNet, theta: Tensor) -> Tensor:
    """(B, 21, 3) joints of poses (B, 21, 6) on the body as it is without betas, from the pelvis, metres."""
    return net.bodies.joints(theta, theta.new_zeros(len(theta), 10))[1][:, 1:]


def _share(net: LexisNet, batch: Batch) -> Tensor:
    """(B, 21, 1) how much each joint counts, squares of sum 1: near the object more; the same where its place is not
    known."""
    joints = net.bodies.joints(batch.theta, batch.placement[:, 9:])[1][:, 1:] - batch.placement[:, None, 6:9]
    away = distances_to_points(joints @ rotation_from_sixd(batch.placement[:, :6]), batch.shape_points)
    share = torch.where(batch.placed[:, None], (-away / NEAR).exp(), 1.0) + FAR_SHARE
    return (share / share.sum(1, keepdim=True)).sqrt()[..., None]
