"""Run LEXIS-Flow: from noise, or from a start as SDEdit does, guided by the InterFields it decodes on the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from lexis_core.body import BodyModel, default_body
from lexis_core.body.surface import GUIDE_POINTS, GuideSurface, guide_surface
from lexis_core.errors import InputError
from lexis_core.learn.flow_decode import repeated, tokens_of
from lexis_core.learn.flow_net import UNKNOWN, Context, LexisFlow, load_network
from lexis_core.learn.flow_reference import reference_without_start
from lexis_core.learn.flow_state import BODY, OBJECT, Coordinates, Free, Reference, States
from lexis_core.learn.flow_step import Share, begun, prepared, step
from lexis_core.learn.guidance import Goal, Scene, Weights, contact_goal, guided, interfield_goal, terms, touching
from lexis_core.learn.image_encoder import load_encoder
from lexis_core.learn.net import LexisNet, load_net
from lexis_core.learn.observed import Observed
from lexis_core.learn.surface import Surface
from lexis_core.runtime.sampler import STEPS, shares, times

WEIGHTS = Path(__file__).parents[1] / "data" / "weights"
FIELDS = ("interfield", "contact", "true", "none")


@dataclass(frozen=True)
class Flow:
    """Networks ready to run. surface : guidance's points on the body and then its landmarks; landmark : which each is;
    body_rest : (P, 3) where the points are on the unshaped T-posed body; guide : the same three as arrays."""

    net: LexisNet
    flow: LexisFlow
    encoder: torch.nn.Module
    surface: Surface
    landmark: Tensor
    body_rest: Tensor
    guide: GuideSurface


class Sampled(NamedTuple):
    """H hypotheses of each of B pictures, the best by energy first.

    states : of the best, (B, ...); every : (B H, ...) in order of energy; energy : (B, H)
    body, object : (B, P), (B, Q) the fields the best's tokens stand for, at body_points() and at the object's points
    """

    states: States
    every: States
    energy: Tensor
    body: Tensor
    object: Tensor


def load_flow(folder: str | Path, model: BodyModel | None = None) -> Flow:
    """The weights of a folder: net.pt, encoder.pt, flow.pt. model : whose surface guidance measures on.

    Raises InputError when one is missing, damaged, or of other sizes than the rest.
    """
    folder, model = Path(folder), model or default_body()
    net, encoder = load_net(folder / "net.pt").requires_grad_(False), load_encoder(folder / "encoder.pt")
    return ready(net, load_network(folder / "flow.pt"), encoder, model)


@lru_cache(maxsize=1)
def _shipped() -> Flow:
    return load_flow(WEIGHTS)


def default_flow(model: BodyModel) -> Flow:
    """The weights that ship, for a body."""
    flow = _shipped()
    return ready(flow.net, flow.flow, flow.encoder, model)


def ready(net: LexisNet, flow: LexisFlow, encoder: torch.nn.Module, model: BodyModel | None = None) -> Flow:
    guide = guide_surface(model or default_body())
    return Flow(net.eval(), flow.eval().requires_grad_(False), encoder, Surface.of(guide.surface),
                torch.from_numpy(guide.landmark), torch.from_numpy(guide.rest), guide)


@torch.no_grad()
def regress(flow: Flow, seen: Observed, start: States | None = None, scale: float = UNKNOWN) -> States:
    """One step from nothing at time zero: the mean of what the flow would give."""
    times = torch.zeros(len(seen.camera))
    _, reference, context = _prepared(flow, seen, start, times, scale)
    none = begun(Coordinates(*(torch.zeros_like(v) for v in noise_of(flow, len(times), None))), reference)
    return step(flow.flow, none, Share(*(times,) * len(Share._fields)), context, reference, seen.focal,
                Free.all(len(times))).states


@torch.no_grad()
def sample(flow: Flow, seen: Observed, start: States | None = None, *, steps: int = STEPS, guidance: str = "interfield",
           weights: Weights | None = None, true_field: tuple[Tensor, Tensor] | None = None, hypotheses: int = 1,
           seed: int = 0, noise: Coordinates | None = None, scale: float = UNKNOWN, free: Free | None = None,
           progress: Callable[[float], None] | None = None) -> Sampled:
    """Bodies and objects as B pictures show them.

    start      : other tools' estimate; the star mode then enters at 15/25
    guidance   : "interfield", "contact" (the same as binary contact), "true" (by true_field), or "none"
    true_field : fields at the 256 guidance points of the body and the object's first 256 points
    hypotheses : the first without noise, the others from noise of this seed, the best by energy first
    noise      : (B H, ...) in place of the seed's
    scale      : how large the start's errors are, 1 our own estimate's, where that is known
    free       : what may move, of each picture; the rest stays as the start has it
    """
    if guidance not in FIELDS:
        raise InputError(f"There is no guidance {guidance!r}.", f"It is one of {', '.join(FIELDS)}.", "Choose one.")
    count, weight = len(seen.camera), (weights or Weights()).tensor()
    many, free = repeated(seen, hypotheses), repeated(free or Free.all(count), hypotheses)
    each = torch.arange(hypotheses).repeat(count)
    f_o, reference, context = _prepared(flow, many, None if start is None else repeated(start, hypotheses),
                                        2 * np.pi * each / hypotheses, scale)
    noise = noise or noise_of(flow, len(each), torch.Generator().manual_seed(seed))
    x = Coordinates(*(v * (each > 0).float().reshape(-1, *[1] * (v.ndim - 1)) for v in noise))
    scene = Scene(many, flow.surface, flow.landmark, many.object_points[:, :GUIDE_POINTS],
                  many.object_normals[:, :GUIDE_POINTS])
    now, line = begun(x, reference), times(steps, start is not None)
    for k, time in enumerate(line):
        moves, ways = shares(line, k, guidance != "none")
        share = Share(*(torch.full((len(each),), float(value)) for value in (*ways, time, time)))
        now = step(flow.flow, now, share, context, reference, many.focal, free)
        if moves:
            goal = _goal(flow, guidance, now.tokens, reference, f_o, scene, true_field)
            now = now._replace(states=guided(now.states, scene, goal, weight, free=free))
        if progress is not None:
            progress((k + 1) / len(line))
    body, object = _fields(flow, now.tokens, reference, f_o, scene)
    energy = terms(now.states, scene, interfield_goal(touching(body), object), weight).sum(1).reshape(count, hypotheses)
    order = energy.argsort(1) + hypotheses * torch.arange(count)[:, None]
    best = order[:, 0]
    return Sampled(States(*(v[best] for v in now.states)), States(*(v[order.flatten()] for v in now.states)),
                   energy.sort(1).values, body[best], object[best])


def _prepared(flow: Flow, seen: Observed, start: States | None, yaw: Tensor, scale: float,
              ) -> tuple[Tensor, Reference, Context]:
    p = flow.flow.p
    known = start or reference_without_start(seen, yaw, (p.tokens, p.code_width), flow.guide).states
    started = torch.full((len(yaw),), float(start is not None))
    return prepared(flow.net, flow.flow, seen, known, started, torch.full_like(started, scale), GUIDE_POINTS)


def noise_of(flow: Flow, count: int, generator: torch.Generator | None) -> Coordinates:
    """Standard normal numbers to begin count samples with."""
    p = flow.flow.p
    shapes = ((count, p.tokens, p.code_width), (count, BODY), (count, OBJECT))
    return Coordinates(*(torch.randn(shape, generator=generator) for shape in shapes))


def _fields(flow: Flow, tokens: Tensor, reference: Reference, f_o: Tensor, scene: Scene) -> tuple[Tensor, Tensor]:
    rest = flow.body_rest.expand(len(f_o), -1, -1)
    return flow.net.decode(tokens_of(tokens, reference), f_o, rest, scene.points)[:2]


def _goal(flow: Flow, guidance: str, tokens: Tensor, reference: Reference, f_o: Tensor, scene: Scene,
          true_field: tuple[Tensor, Tensor] | None) -> Goal:
    if guidance == "true":
        return interfield_goal(*(repeated(f, len(f_o) // len(f)) for f in true_field))
    body, object = _fields(flow, tokens, reference, f_o, scene)
    return contact_goal(body, object) if guidance == "contact" else interfield_goal(touching(body), object)
