"""The expert estimate's own errors as numbers to draw from: how a first guess of body and object strays from the truth.

measure_starts.py ran the estimate (initialise) on rendered interactions and stored how to get from each truth to its
estimate. Here such rows are drawn, scaled and put on other truths, for training and for the benchmark's starts.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from lexis_core.body.names import PARENTS
from lexis_core.errors import InputError
from lexis_core.files import read_arrays
from lexis_core.learn.flow_state import States
from lexis_core.learn.kinematics import POSED, rotation_of, skeleton, swapped_sides
from lexis_core.objects.library import CATEGORIES

FILE = Path(__file__).parents[1] / "data" / "start_errors.npz"
MAX_BYTES = 64 << 20
PLACES = ("hands", "hand", "seat", "feet", "floor", "back", "head")  # the library's words for how a thing is used
KINDS = 2 * len(PLACES)
# One residual a row: how to get from the truth to the start. Rotation vectors in radians. F is a frame of each joint's
# bone and the view (_bone_frames): along the bone, towards the lens, across it. So a twist stays a twist, a limb is off
# by the angle it was measured to be off, and what was off in depth is off in depth, in every other pose.
RESIDUALS: dict[str, tuple[int, ...]] = {
    "body_rotation": (3,),    # camera axes: R_start = exp(r) R_true
    "body_place": (3,),       # of the pelvis: du, dv in crop sides, dlog z
    "theta": (21, 3),         # of joints 1..21, how each is turned in camera space: G_start = exp(F r) G_true
    "betas": (10,),           # start - true
    "object_rotation": (3,),  # camera axes: R_start = exp(r) R_true
    "object_place": (3,),     # of the object's origin: du, dv in crop sides; metres by which it is too deep behind the
                              # pelvis. In the picture it is near its mask, whatever its depth
}
MEANS: dict[str, tuple[int, ...]] = {"theta": (21, 3), "place": (3,), "offset": (3,)}
TURNS = ("body_rotation", "theta", "object_rotation")
OTHER_PLACE, OTHER_TOUCH = 0.2, 0.02  # how often a row of another place, of the other touch, is drawn beside one's own
CLOSEST = 0.25                        # metres from the lens, of a start's object
JITTER = 0.1                          # spread of the log of a factor on every residual of a drawn row
_TURNED, _MOVED, _BONE_TURNED = (1.0, -1.0, -1.0), (-1.0, 1.0, 1.0), (-1.0, 1.0, -1.0)  # in the mirror


@dataclass(frozen=True)
class StartErrors:
    """The measured rows.

    rows  : one (N, ...) float32 tensor for each of RESIDUALS
    kind  : (N,) int64, as kind_of has it
    odds  : (KINDS, N) float32, how likely each row is for a start of that kind
    mean  : of the truths that were measured on: theta (21, 3) rotation vectors, place (3,) of the pelvis as
            flow_state.place_of has it, offset (3,) metres, camera axes, from the pelvis to the object
    """

    rows: dict[str, Tensor]
    kind: Tensor
    odds: Tensor
    mean: dict[str, Tensor]

    @classmethod
    def load(cls, path: str | Path = FILE) -> StartErrors:
        """The rows of a file that measure_starts wrote. InputError when it is not one."""
        try:
            arrays = read_arrays(Path(path), ("kind", *RESIDUALS, *(f"mean_{name}" for name in MEANS)), MAX_BYTES)
            kind = arrays["kind"].astype(np.int64)
            rows = {name: arrays[name].astype(np.float32) for name in RESIDUALS}
            mean = {name: arrays[f"mean_{name}"].astype(np.float32) for name in MEANS}
            if not len(kind) or any(rows[name].shape != (len(kind), *row) for name, row in RESIDUALS.items()):
                raise ValueError("Its arrays do not have the shapes of residuals.")
            if any(mean[name].shape != row for name, row in MEANS.items()):
                raise ValueError("Its means do not have the shapes of a state.")
            if not all(np.isfinite(values).all() for values in (*rows.values(), *mean.values())):
                raise ValueError("It holds NaN or infinity.")
            if not 0 <= kind.min() <= kind.max() < KINDS:
                raise ValueError(f"A kind must lie in 0..{KINDS - 1}.")
        except (OSError, ValueError, KeyError) as error:
            raise InputError(f"{path} holds no start errors.", f"{error}",
                             "Measure them with `python -m lexis_core.learn.measure_starts`.") from error
        kinds = torch.from_numpy(kind)
        rows, mean = ({name: torch.from_numpy(values) for name, values in each.items()} for each in (rows, mean))
        return cls(rows, kinds, _odds(kinds), mean)

    def to(self, device: torch.device | str) -> StartErrors:
        rows, mean = ({name: values.to(device) for name, values in each.items()} for each in (self.rows, self.mean))
        return StartErrors(rows, self.kind.to(device), self.odds.to(device), mean)

    def draw(self, generator: torch.Generator, kind: Tensor, scale: Tensor | float = 1.0) -> dict[str, Tensor]:
        """Residuals for a start of each kind (B,), one (B, ...) tensor for each of RESIDUALS.

        A row is drawn whole, since the errors of body and object go together: mostly one of the same kind. Half of
        them are mirrored, which is exact: the estimate knows no left and right. Each gets a factor near 1.
        scale     : (B,) or one number; 0 is no error, 1 the estimate's own
        generator : on the same device as the rows
        """
        device = self.kind.device
        kind = kind.to(device)
        scale = torch.as_tensor(scale, dtype=torch.float32, device=device).expand(len(kind))
        row = torch.multinomial(self.odds[kind], 1, generator=generator)[:, 0]
        flip = torch.rand(len(kind), generator=generator, device=device) < 0.5
        factor = torch.exp(JITTER * torch.randn(len(kind), generator=generator, device=device))
        drawn = {name: values[row] for name, values in self.rows.items()}
        mirror = mirrored(drawn)
        for name, values in drawn.items():
            values = torch.where(_like(flip, values), mirror[name], values)
            drawn[name] = _scaled(name, _scaled(name, values, factor), scale)
        return drawn


def kind_of(category: str, touch: bool) -> int:
    """0..KINDS-1: the category's place in the library, and whether body and object touch (nearer than 5 cm)."""
    return 2 * PLACES.index(CATEGORIES[category].place) + bool(touch)


def start(truth: States, errors: dict[str, Tensor], focal: Tensor) -> States:
    """The truth with errors as draw gives them; focal (B,) in sides of the crop."""
    pelvis = _placed(truth.pelvis, errors["body_place"][:, :2] / focal[:, None],
                     truth.pelvis[:, 2] * torch.exp(errors["body_place"][:, 2]))
    behind = truth.object_position[:, 2] - truth.pelvis[:, 2] + errors["object_place"][:, 2]
    thing = _placed(truth.object_position, errors["object_place"][:, :2] / focal[:, None],
                    (pelvis[:, 2] + behind).clamp(min=CLOSEST))
    turns = _turns(truth)
    frames = _bone_frames(turns)
    off = torch.cat([errors["body_rotation"][:, None], (frames @ errors["theta"][..., None])[..., 0]], 1)
    turns = rotation_of(off) @ turns
    return States(
        theta=turns[:, list(PARENTS[1:POSED])].mT @ turns[:, 1:],
        body_rotation=turns[:, 0],
        pelvis=pelvis,
        betas=truth.betas + errors["betas"],
        object_rotation=rotation_of(errors["object_rotation"]) @ truth.object_rotation,
        object_position=thing,
    )


def residuals(truth: States, guess: States, focal: Tensor) -> dict[str, Tensor]:
    """How to get from the truth to a guess: start(truth, residuals(truth, guess, focal), focal) is the guess."""
    shown, thing = (_shift(getattr(truth, name), getattr(guess, name), focal) for name in ("pelvis", "object_position"))
    farther = torch.log(guess.pelvis[:, 2:] / truth.pelvis[:, 2:])
    behind = (guess.object_position - guess.pelvis) - (truth.object_position - truth.pelvis)
    turns = _turns(truth)
    off = rotation_vector(_turns(guess) @ turns.mT)
    return {
        "body_rotation": off[:, 0],
        "body_place": torch.cat([shown, farther], 1),
        "theta": (_bone_frames(turns).mT @ off[:, 1:, :, None])[..., 0],
        "betas": guess.betas - truth.betas,
        "object_rotation": rotation_vector(guess.object_rotation @ truth.object_rotation.mT),
        "object_place": torch.cat([thing, behind[:, 2:]], 1),
    }


def _placed(point: Tensor, shift: Tensor, depth: Tensor) -> Tensor:
    """Points (B, 3) moved in x / z and y / z by shift (B, 2) and to another depth (B,)."""
    return torch.cat([(point[:, :2] / point[:, 2:] + shift) * depth[:, None], depth[:, None]], 1)


def _shift(true: Tensor, guess: Tensor, focal: Tensor) -> Tensor:
    """(B, 2) how far a guess (B, 3) is off in the picture, crop sides."""
    return (guess[:, :2] / guess[:, 2:] - true[:, :2] / true[:, 2:]) * focal[:, None]


def _turns(states: States) -> Tensor:
    """(B, 22, 3, 3) how the pelvis and joints 1..21 are turned in camera space."""
    found = [states.body_rotation]
    for joint in range(1, POSED):
        found.append(found[PARENTS[joint]] @ states.theta[:, joint - 1])
    return torch.stack(found, 1)


def _bone_frames(turns: Tensor) -> Tensor:
    """(B, 22, 3, 3) of turned joints -> (B, 21, 3, 3) of joints 1..21: columns along the bone, square to it and to the
    view, and across."""
    along = (turns[:, 1:] @ _bones().to(turns)[..., None])[..., 0]
    view = along.new_tensor([0.0, 0.0, 1.0]).expand_as(along)
    toward = functional.normalize(torch.linalg.cross(along, view, dim=-1), dim=-1)
    return torch.stack([along, toward, torch.linalg.cross(along, toward, dim=-1)], -1)


@cache
def _bones() -> Tensor:
    """(21, 3) unit, at rest: from joints 1..21 to the middle of their children; at the ends, as the bone before."""
    rest = skeleton()
    bones = []
    for joint in range(1, POSED):
        children = [child for child in range(POSED) if PARENTS[child] == joint]
        bones.append(rest[children].mean(0) - rest[joint] if children else rest[joint] - rest[PARENTS[joint]])
    return functional.normalize(torch.stack(bones), dim=-1)


def mirrored(errors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The errors of the same scene seen in a mirror: x turned about, left and right joints exchanged."""
    turned, moved = (errors["betas"].new_tensor(signs) for signs in (_TURNED, _MOVED))
    return {
        "body_rotation": errors["body_rotation"] * turned,
        "body_place": errors["body_place"] * moved,
        "theta": swapped_sides(errors["theta"]) * errors["theta"].new_tensor(_BONE_TURNED),
        "betas": errors["betas"],
        "object_rotation": errors["object_rotation"] * turned,
        "object_place": errors["object_place"] * moved,
    }


def rotation_vector(rotation: Tensor) -> Tensor:
    """(..., 3, 3) -> (..., 3) radians, at most pi long; by the quaternion with the largest divisor (Shepperd 1978)."""
    r = rotation
    xx, yy, zz = r[..., 0, 0], r[..., 1, 1], r[..., 2, 2]
    a, b, c = r[..., 2, 1], r[..., 0, 2], r[..., 1, 0]
    d, e, f = r[..., 1, 2], r[..., 2, 0], r[..., 0, 1]
    rows = torch.stack([
        torch.stack([1 + xx + yy + zz, a - d, b - e, c - f], -1),
        torch.stack([a - d, 1 + xx - yy - zz, c + f, b + e], -1),
        torch.stack([b - e, c + f, 1 - xx + yy - zz, a + d], -1),
        torch.stack([c - f, b + e, a + d, 1 - xx - yy + zz], -1),
    ], -2)
    best = torch.diagonal(rows, dim1=-2, dim2=-1).argmax(-1)[..., None, None].expand(*r.shape[:-2], 1, 4)
    q = functional.normalize(rows.gather(-2, best)[..., 0, :], dim=-1)
    q = torch.where(q[..., :1] < 0, -q, q)
    sine = torch.linalg.vector_norm(q[..., 1:], dim=-1, keepdim=True)
    angle = 2 * torch.atan2(sine, q[..., :1])
    return q[..., 1:] * torch.where(sine > 1e-7, angle / sine.clamp(min=1e-7), 2.0)


@cache
def start_errors() -> StartErrors:
    """The measured rows that ship."""
    return StartErrors.load()


def _odds(kind: Tensor) -> Tensor:
    wanted = torch.arange(KINDS)[:, None]
    return torch.where(kind % 2 == wanted % 2, 1.0, OTHER_TOUCH) * torch.where(
        kind // 2 == wanted // 2, 1.0, OTHER_PLACE)


def _scaled(name: str, values: Tensor, factor: Tensor) -> Tensor:
    """Residuals times a factor (B,); a turn stays within half a turn, so that half of it leads half the way."""
    values = values * _like(factor, values)
    if name not in TURNS:
        return values
    length = torch.linalg.vector_norm(values, dim=-1, keepdim=True)
    return values * (torch.pi / length.clamp(min=1e-6)).clamp(max=1)


def _like(values: Tensor, other: Tensor) -> Tensor:
    return values.view(-1, *[1] * (other.dim() - 1))
