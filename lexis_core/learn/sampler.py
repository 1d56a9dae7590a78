"""Run LEXIS-Flow: from noise, or from a start as SDEdit does, guided by the InterFields it decodes on the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from lexis_core.body import BodyModel, default_body
from lexis_core.errors import InputError
from lexis_core.learn import checkpoint
from lexis_core.learn.flow_decode import decoded, repeated, tokens_of
from lexis_core.learn.flow_net import KIND, UNKNOWN, FlowParams, LexisFlow
from lexis_core.learn.flow_reference import reference_of
from lexis_core.learn.flow_state import BODY, OBJECT, Coordinates, Reference, States, coordinates, states_at
from lexis_core.learn.guidance import Goal, Scene, Weights, contact_goal, guided, interfield_goal, terms
from lexis_core.learn.image_encoder import load_encoder
from lexis_core.learn.kinematics import rotation_from_sixd, sixd_from_rotation
from lexis_core.learn.net import LexisNet, load_net
from lexis_core.learn.net_data import points_of
from lexis_core.learn.observed import Observed
from lexis_core.learn.surface import Surface, landmark_surface, surface_points

STEPS = 25
STAR = 15 / 25           # where the star mode enters
GUIDED_STEPS = 8         # the last ones, where the estimate is clean enough to be moved
INNER = 5                # gradient steps in each
RATE = 3.0               # at the first of them, falling to a fifth
KEEP = 0.8               # of what guidance moved, from one step to the next
GUIDE_POINTS = 256       # of each surface
WEIGHTS = Path(__file__).parents[1] / "data" / "weights"
FIELDS = ("interfield", "contact", "true", "none")


@dataclass(frozen=True)
class Flow:
    """Networks ready to run. surface : guidance's points on the body and then its landmarks; landmark : which each is;
    body_rest : (P, 3) where the points are on the unshaped T-posed body."""

    net: LexisNet
    flow: LexisFlow
    encoder: torch.nn.Module
    surface: Surface
    landmark: Tensor
    body_rest: Tensor


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
    content = checkpoint.load(folder / "flow.pt", KIND)
    try:
        flow = LexisFlow(FlowParams(**content["params"]))
        flow.load_state_dict({name: value.float() for name, value in content["flow"].items()})
    except (KeyError, TypeError, RuntimeError, AttributeError) as error:
        raise InputError(f"{folder / 'flow.pt'} does not fit this version's LEXIS-Flow.",
                         "Its sizes or its weights are others.", "Train again with this version.") from error
    return ready(net, flow, encoder, model)


@lru_cache(maxsize=1)
def _shipped() -> Flow:
    return load_flow(WEIGHTS)


def default_flow(model: BodyModel) -> Flow:
    """The weights that ship, for a body."""
    flow = _shipped()
    return ready(flow.net, flow.flow, flow.encoder, model)


def ready(net: LexisNet, flow: LexisFlow, encoder: torch.nn.Module, model: BodyModel | None = None) -> Flow:
    model = model or default_body()
    points = points_of(model, GUIDE_POINTS)
    on_body, (marks, landmark) = surface_points(model, points), landmark_surface(model)
    shared = ("joints", "joint_shape")
    joined = {f.name: getattr(on_body, f.name) if f.name in shared else
              torch.cat([getattr(on_body, f.name), getattr(marks, f.name)]) for f in fields(Surface)}
    rest = torch.from_numpy(np.asarray(points.rest))
    return Flow(net.eval(), flow.eval().requires_grad_(False), encoder, Surface(**joined), landmark, rest)


@torch.no_grad()
def regress(flow: Flow, seen: Observed, start: States | None = None, scale: float = UNKNOWN) -> States:
    """One step from nothing at time zero: the mean of what the flow would give."""
    reference, f_o = _reference(flow, seen, start, torch.zeros(len(seen.camera)))
    none = Coordinates(*(torch.zeros_like(v) for v in _noise(flow, len(seen.camera), None)))
    times = torch.zeros(len(seen.camera))
    context = flow.flow.picture(seen, f_o, reference, torch.full_like(times, scale))
    return decoded(flow.flow.step(none, times, times, context), reference, seen.focal)


@torch.no_grad()
def sample(flow: Flow, seen: Observed, start: States | None = None, *, steps: int = STEPS, guidance: str = "interfield",
           weights: Weights | None = None, true_field: tuple[Tensor, Tensor] | None = None, hypotheses: int = 1,
           seed: int = 0, scale: float = UNKNOWN, own_betas: bool = True,
           progress: Callable[[float], None] | None = None) -> Sampled:
    """Bodies and objects as B pictures show them.

    start      : other tools' estimate; the star mode then enters at 15/25
    guidance   : "interfield", "contact" (the same as binary contact), "true" (by true_field), or "none"
    true_field : fields at the 256 guidance points of the body and the object's first 256 points
    scale      : how large the start's errors are, 1 our own estimate's, where that is known
    own_betas  : False keeps the start's, for a body whose betas are not the default body's
    hypotheses : the first without noise, the others from noise of this seed, the best by energy first
    """
    if guidance not in FIELDS:
        raise InputError(f"There is no guidance {guidance!r}.", f"It is one of {', '.join(FIELDS)}.", "Choose one.")
    count, weights = len(seen.camera), weights or Weights()
    many = repeated(seen, hypotheses)
    generator = torch.Generator().manual_seed(seed)
    each = torch.arange(hypotheses).repeat(count)
    yaw = 2 * np.pi * each / hypotheses
    reference, f_o = _reference(flow, many, None if start is None else repeated(start, hypotheses), yaw)
    context = flow.flow.picture(many, f_o, reference, torch.full((len(each),), scale))
    first = STAR if start is not None else 0.0
    noise = _noise(flow, len(each), generator)
    x = Coordinates(*((1 - first) * v * (each > 0).float().reshape(-1, *[1] * (v.ndim - 1)) for v in noise))
    scene = Scene(many, flow.surface, flow.landmark, many.object_points[:, :GUIDE_POINTS])
    taken = round(steps * (1 - first))
    held: tuple[Coordinates, Tensor] | None = None
    states = reference.states
    for k in range(taken):
        time = first + (1 - first) * k / taken
        times = torch.full((len(each),), time)
        out = flow.flow.step(x, times, times, context)
        if not own_betas:
            place, betas = out.clean.body.split([9, BODY - 9], -1)
            out = out._replace(clean=out.clean._replace(body=torch.cat([place, torch.zeros_like(betas)], -1)))
        clean = out.clean
        states = decoded(out, reference, many.focal)
        if guidance != "none" and k >= taken - GUIDED_STEPS:
            states = _kept(states, clean, held, reference, many.focal)
            rate = RATE * (1 - 0.8 * (k - taken + GUIDED_STEPS) / GUIDED_STEPS)
            states = guided(states, scene, _goal(flow, guidance, clean, reference, f_o, scene, true_field), weights,
                            INNER, rate)
            clean = coordinates(states, tokens_of(clean.tokens, reference), reference, many.focal)
            held = clean, sixd_from_rotation(states.theta)
        share = torch.full_like(times, 1 / (taken - k))
        x = x.toward(clean, share, share)
        if progress is not None:
            progress((k + 1) / taken)
    body, object = _fields(flow, out.clean, reference, f_o, scene)
    energy = terms(states, scene, interfield_goal(body, object), weights).sum(1).reshape(count, hypotheses)
    order = energy.argsort(1) + hypotheses * torch.arange(count)[:, None]
    best = order[:, 0]
    return Sampled(States(*(v[best] for v in states)), States(*(v[order.flatten()] for v in states)),
                   energy.sort(1).values, body[best], object[best])


def _reference(flow: Flow, seen: Observed, start: States | None, yaw: Tensor) -> tuple[Reference, Tensor]:
    f_o = flow.net.embed(seen.object_points[:, :GUIDE_POINTS])
    has = torch.full((len(yaw),), start is not None)
    return reference_of(flow.net, seen, f_o, start, has, yaw, flow.flow.p), f_o


def _noise(flow: Flow, count: int, generator: torch.Generator | None) -> Coordinates:
    p = flow.flow.p
    shapes = ((count, p.tokens, p.code_width), (count, BODY), (count, OBJECT))
    return Coordinates(*(torch.randn(shape, generator=generator) for shape in shapes))


def _fields(flow: Flow, clean: Coordinates, reference: Reference, f_o: Tensor, scene: Scene) -> tuple[Tensor, Tensor]:
    rest = flow.body_rest.expand(len(f_o), -1, -1)
    return flow.net.decode(tokens_of(clean.tokens, reference), f_o, rest, scene.points)[:2]


def _goal(flow: Flow, guidance: str, clean: Coordinates, reference: Reference, f_o: Tensor, scene: Scene,
          true_field: tuple[Tensor, Tensor] | None) -> Goal:
    if guidance == "true":
        return interfield_goal(*(repeated(f, len(f_o) // len(f)) for f in true_field))
    body, object = _fields(flow, clean, reference, f_o, scene)
    return contact_goal(body, object) if guidance == "contact" else interfield_goal(body, object)


def _kept(states: States, clean: Coordinates, held: tuple[Coordinates, Tensor] | None, reference: Reference,
          focal: Tensor) -> States:
    """Where guidance begins: mostly where it left off, the rest what the network says now."""
    if held is None:
        return states
    share = torch.full_like(focal, KEEP)
    theta = rotation_from_sixd(torch.lerp(sixd_from_rotation(states.theta), held[1], KEEP))
    return states_at(clean.toward(held[0], share, share), theta, reference, focal)
