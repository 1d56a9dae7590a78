"""Where the points of a body and of an object are to each other, given a pose and a placement: what LEXIS-Net's field
heads see besides their triplanes. All in torch, batched, differentiable, and traceable for export.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from scipy.spatial import cKDTree
from scipy.stats import qmc
from torch import Tensor, nn

from lexis_core.body import default_body
from lexis_core.body.names import JOINTS, PARENTS
from lexis_core.learn.kinematics import POSED, rotation_from_sixd, skeleton, turns_and_places
from lexis_core.mesh import spread

BODY_CENTRE = (0.0, -0.13, 0.04)   # metres from the pelvis: the middle of the T-posed body ...
BODY_HALF = (0.95, 0.95, 0.2)      # ... and half the box its triplane covers
CELLS = (76, 76, 16)               # of that box, each with the skinning weights of the vertex nearest to its middle
HEAD = 1 + 3                       # of f_o: the log of the radius, half the extents
EVERY = 6                          # of the body's vertices, those whose weights are kept
NEAR = 0.3                         # metres, the scale on which joints are felt
SKIN = 512                         # points of the body's skin that an object's points look for
THICK = 0.01                       # metres that the skin between them is nearer than they are, on the mean
MARGIN = (1.15, 0.15)              # of an object's box: its triplane and its fixed places reach beyond it by this
TIPS = {"head": (0, 0.16, 0), "left_wrist": (0.16, 0, 0), "right_wrist": (-0.16, 0, 0), "left_foot": (0, 0, 0.05),
        "right_foot": (0, 0, 0.05)}  # metres in the T-pose, where the last bones end


class Posed(nn.Module):
    """The body of a pose and a build, in its pelvis's frame: bones, and any point known by its rest position.

    Points carry their nearest vertex's skinning weights, fingers with the wrist and the face with the head. The build
    moves the joints only.
    """

    def __init__(self):
        super().__init__()
        weights, cells = _skin()
        self.register_buffer("weights", torch.from_numpy(weights), persistent=False)
        self.register_buffer("cells", torch.from_numpy(cells), persistent=False)
        self.register_buffer("rest", skeleton(), persistent=False)
        self.register_buffer("dirs", _joint_dirs(), persistent=False)
        self.register_buffer("box", torch.tensor([BODY_CENTRE, BODY_HALF]), persistent=False)
        self.register_buffer("skin", _skin_points(), persistent=False)
        tips = torch.tensor(list(TIPS.values()))
        self.register_buffer("tips", tips, persistent=False)
        self.ends = [JOINTS.index(name) for name in TIPS]
        self.above = list(PARENTS[1:POSED])

    def joints(self, theta: Tensor, betas: Tensor) -> tuple[Tensor, Tensor]:
        """Rotations (B, 21, 6) and betas (B, 10) -> turns (B, 22, 3, 3) and places (B, 22, 3) in the pelvis's frame."""
        rest = self.rest + (betas @ self.dirs.flatten(0, 1).T).unflatten(1, (POSED, 3))
        return turns_and_places(rotation_from_sixd(theta), rest)

    def points(self, rest_points: Tensor, turns: Tensor, places: Tensor) -> Tensor:
        """Rest positions (B, P, 3), metres from the pelvis -> where the skin is (B, P, 3) in the pelvis's frame."""
        size = torch.tensor(CELLS, device=rest_points.device)
        cell = (((rest_points - self.box[0]) / self.box[1] + 1) / 2 * size).long()
        cell = torch.minimum(cell.clamp(min=0), size - 1)
        weights = self.weights[self.cells[(cell[..., 0] * CELLS[1] + cell[..., 1]) * CELLS[2] + cell[..., 2]]]
        shift = places - (turns @ self.rest[..., None])[..., 0]
        motion = weights @ torch.cat([turns.flatten(2), shift], -1)
        return (motion[..., :9].unflatten(-1, (3, 3)) @ rest_points[..., None])[..., 0] + motion[..., 9:]

    def touched(self, points: Tensor, turns: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
        """Points (B, Q, 3) in the pelvis's frame -> metres to the nearest of the skin's points (B, Q), and where that
        one is at rest (B, Q, 3), metres from the pelvis."""
        rest = self.skin.expand(places.shape[0], -1, -1)  # len() would fix the batch in an exported graph
        skin = self.points(rest, turns, places)
        with torch.no_grad():
            square = torch.baddbmm(skin.square().sum(-1)[:, None], points, skin.transpose(1, 2), alpha=-2)
            which = square.argmin(2, keepdim=True).expand(-1, -1, 3)
        away = points - skin.gather(1, which)
        return (away.square().sum(-1) + 1e-8).sqrt(), rest.gather(1, which)

    def felt(self, points: Tensor, turns: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
        """Points (B, Q, 3) in the pelvis's frame -> metres to each bone (B, Q, 26), place in each joint's frame
        (B, Q, 66) in units of NEAR, squashed into (-1, 1)."""
        tips = places[:, self.ends] + (turns[:, self.ends] @ self.tips[..., None])[..., 0]
        begin = torch.cat([places[:, self.above], places[:, self.ends]], 1)
        bone = torch.cat([places[:, 1:], tips], 1) - begin
        length = bone.square().sum(-1).clamp(min=1e-6)[:, None]
        along = points @ bone.transpose(1, 2) - (begin * bone).sum(-1)[:, None]
        square = (points.square().sum(-1, keepdim=True) - 2 * points @ begin.transpose(1, 2)
                  + begin.square().sum(-1)[:, None])
        share = (along / length).clamp(0, 1)
        away = (square - share * (2 * along - share * length)).clamp(min=0)
        flat = turns.permute(0, 2, 1, 3).flatten(2)  # (B, 3, 66): every joint's axes side by side
        local = points @ flat - (places[:, :, None] @ turns)[:, :, 0].flatten(1)[:, None]
        return (away + 1e-6).sqrt(), torch.tanh(local / NEAR)


@cache
def _skin() -> tuple[np.ndarray, np.ndarray]:
    """Weights (A, 22) float32 of chosen vertices, and which of them each cell of the rest box has, flat, int64."""
    model = default_body()
    chosen = slice(None, None, EVERY)
    owner = list(range(len(PARENTS)))
    for joint in range(POSED, len(PARENTS)):
        owner[joint] = owner[PARENTS[joint]]
    weights = model.weights[chosen] @ np.eye(POSED, dtype=np.float32)[owner]
    middles = [(np.arange(n) + 0.5) / n * 2 - 1 for n in CELLS]
    grid = np.stack(np.meshgrid(*middles, indexing="ij"), -1).reshape(-1, 3) * BODY_HALF + BODY_CENTRE
    nearest = cKDTree(model.template[chosen] - model.joint_template[0]).query(grid)[1]
    return np.ascontiguousarray(weights, np.float32), nearest.astype(np.int64)


@cache
def _skin_points() -> Tensor:
    """(SKIN, 3) vertices of the body at rest that lie far apart, metres from the pelvis."""
    places = (default_body().template - default_body().joint_template[0]).astype(np.float32)
    return torch.from_numpy(places[spread(places, SKIN)])


@cache
def _joint_dirs() -> Tensor:
    """(22, 3, 10) metres a unit of beta, the pelvis held still."""
    dirs = default_body().joint_shape_dirs[:POSED, :, :10]
    return torch.from_numpy(np.ascontiguousarray(dirs - dirs[:1], np.float32))


@cache
def basis(count: int) -> Tensor:
    """(count, 3) fixed points spread over the cube [-1, 1], symmetric in x."""
    half = 2 * qmc.Halton(3, scramble=False).random(count // 2 + 1)[1:] - 1
    half[:, 0] = np.abs(half[:, 0])
    return torch.from_numpy(np.concatenate([half, half * [-1, 1, 1]])[:count].astype(np.float32))


def distances_to_points(queried: Tensor, points: Tensor) -> Tensor:
    """(B, K, 3) and (B, Q, 3) -> (B, K) distance to the nearest of the points."""
    nearest = torch.baddbmm(points.square().sum(-1)[:, None], queried, points.transpose(1, 2), alpha=-2).amin(2)
    return (nearest + queried.square().sum(-1)).clamp(min=0).sqrt()


def box_of(half: Tensor) -> Tensor:
    """Half an object's extents (B, 3) -> half of the box its triplane covers (B, 3)."""
    return MARGIN[0] * half + MARGIN[1]


def nearness(queried: Tensor, half: Tensor, known: Tensor) -> Tensor:
    """What is known of the distance of queried (B, P, 3) to an object, (B, P, 4), all in the object's radii.

    half (B, 3) are half the object's extents, known (B, K) its distances at the basis stretched to box_of(half).
    At least so far, at most so far (the triangle inequality), the mean of the near places, outside the bounding box.
    """
    places = basis(known.shape[1]).to(queried) * box_of(half)[:, None]
    square = torch.baddbmm(places.square().sum(-1)[:, None], queried, places.transpose(1, 2), alpha=-2)
    apart = (square + queried.square().sum(-1, keepdim=True)).clamp(min=1e-5).sqrt()
    known = known[:, None]
    mean = (torch.softmax(-12 * apart, -1) @ known.transpose(1, 2))[..., 0]
    outside = ((queried.abs() - half[:, None]).clamp(min=0).square().sum(-1) + 1e-6).sqrt()
    return torch.stack([(known - apart).amax(-1), (known + apart).amin(-1), mean, outside], -1)
