"""Train LEXIS-Flow: python -m lexis_core.learn.train_flow --states FILE --net FILE --encoder FILE --out FOLDER

The image encoder stays as it is, and LEXIS-Net, but for its fields where they learn along. Killed, it goes on from its
last checkpoint when started again with the same settings; what is random in a step follows from the seed and the step
alone. FOLDER gets last.pt, best.pt (by validation), log.csv and curves.png, and net.pt where the fields learn.
"""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lexis_core.body import default_body
from lexis_core.errors import InputError
from lexis_core.learn import checkpoint
from lexis_core.learn.flow_batch import FlowBatch, FlowData
from lexis_core.learn.flow_decode import decoded, repeated, tokens_of
from lexis_core.learn.flow_net import KIND, SIZES, UNKNOWN, Context, FlowParams, LexisFlow, Stream, load_network
from lexis_core.learn.flow_reference import reference_of
from lexis_core.learn.flow_state import BODY, OBJECT, Coordinates, Reference, States, coordinates, place_of, placement
from lexis_core.learn.image_encoder import load_encoder
from lexis_core.learn.kinematics import sixd_from_rotation
from lexis_core.learn.layers import Block
from lexis_core.learn.net import KIND as NET
from lexis_core.learn.net import LexisNet, load_net
from lexis_core.learn.net_batch import Batch
from lexis_core.learn.net_codes import read_back
from lexis_core.learn.net_data import body_points
from lexis_core.learn.optimiser import optimiser_of
from lexis_core.learn.proximity import chamfer, near
from lexis_core.learn.run import check_finite, resumed, write_log
from lexis_core.learn.settings import from_command_line
from lexis_core.learn.starts import start_errors
from lexis_core.learn.surface import Surface, surface_points
from lexis_core.learn.train_net import field_loss

MAY_CHANGE = {"out", "minutes", "processes", "threads", "device", "validate_every", "save_every", "states"}
VALIDATION_SEED = 77
CURVES = (("validation", ("validation",)), ("surfaces", tuple(f"validation_{k}" for k in ("pose", "object", "near"))),
          ("the rest", tuple(f"validation_{k}" for k in ("tokens", "place", "field", "inside"))))


@dataclass(frozen=True)
class Settings:
    states: str                 # a file of lexis_core.synthetic
    net: str                    # a checkpoint of train_net
    encoder: str                # a checkpoint of train_encoder
    out: str = "runs/lexis-flow"
    begin: str = ""             # a trained flow that learns on
    size: str = "small"         # or base
    minutes: float = 120.0      # of training; the learning rate falls to its end with them
    batch: int = 64             # pictures
    draws: int = 2              # noisy states of each
    learning_rate: float = 1e-3
    warm_up: int = 200          # steps of rising learning rate
    weight_decay: float = 0.01
    clip: float = 1.0           # of the gradient's norm
    mirror: float = 0.4         # share of pictures seen in a mirror
    started: float = 0.75       # share with a start ...
    largest: float = 1.5        # ... whose errors are up to this times the expert's
    again: float = 0.25         # share whose start is what the network itself makes of theirs, in one step
    dropped: float = 0.1        # share from which image, masks or landmarks are each kept back
    regression: float = 0.25    # share of draws at time zero without noise
    blended: float = 0.5        # share of draws whose clean part is in part the network's own answer, or the start
    points: int = 160           # of each surface in the losses
    token_weight: float = 0.5
    pose_weight: float = 5.0    # on metres
    place_weight: float = 0.3
    betas_weight: float = 0.05
    object_weight: float = 5.0  # on metres
    near_weight: float = 8.0    # on metres, distances between the surfaces
    field_weight: float = 2.0
    fields_learning_rate: float = 0.0   # not 0: LEXIS-Net's fields learn along, from the network's own tokens ...
    recalled: float = 0.25      # ... and from the true codes, chosen together, of this share of the pictures
    inside_weight: float = 5.0  # on metres
    validate_every: int = 200
    validation_rows: int = 512  # at most
    save_every: int = 100
    seed: int = 0
    processes: int = 2          # that render and measure the first time
    threads: int = 0            # of torch; 0: its own choice
    bfloat16: bool = True       # --no-bfloat16 for a CPU without instructions for it


def noisy(s: Settings, clean: Coordinates, wrong: Coordinates) -> tuple[Coordinates, Tensor, Tensor]:
    """(1 - t) noise + t clean, as the sampler meets it, and the two times (B,).

    Of the regression's draws nothing is known, not even noise. Some draws have no noise, for the sampler's most likely
    answer; the clean part of some is on the way from what is wrong to the truth, since the sampler's is never true.
    """
    count = len(clean.body)

    def chance(share: float) -> Tensor:
        return (torch.rand(count) < share).float()

    body_time = torch.rand(count)
    object_time = torch.where(chance(0.5) > 0, body_time, torch.rand(count))
    known = 1 - chance(s.regression)
    body_time, object_time = body_time * known, object_time * known
    off = chance(s.blended) * torch.rand(count).sqrt()
    loud = known * torch.where(off > 0, chance(0.5), chance(0.75))
    clean = clean.toward(wrong, off, off)

    def mixed(value: Tensor, time: Tensor) -> Tensor:
        shape = (-1, *[1] * (value.ndim - 1))
        return ((1 - time) * loud).reshape(shape) * torch.randn_like(value) + time.reshape(shape) * value

    return (Coordinates(mixed(clean.tokens, body_time), mixed(clean.body, body_time),
                        mixed(clean.object, object_time)), body_time, object_time)


@torch.no_grad()
def answered(flow: LexisFlow, context: Context, reference: Reference, focal: Tensor, draws: int) -> Coordinates:
    """What the sampler takes for clean in D draws of each of B pictures: the network's own answer at time zero, as its
    numbers are or with rotations made of them; in some, where they start."""
    count = len(focal)
    times = torch.zeros(count)
    start = Coordinates(torch.zeros_like(reference.tokens), torch.zeros(count, BODY), torch.zeros(count, OBJECT))
    out = flow.step(start, times, times, context)
    made = coordinates(decoded(out, reference, focal), tokens_of(out.clean.tokens, reference), reference, focal)
    said, made, start = (repeated(way, draws) for way in (out.clean, made, start))
    kind = torch.rand(count * draws)
    turned, begun = (kind < 0.5).float(), (kind > 0.8).float()
    return said.toward(made, turned, turned).toward(start, begun, begun)


def losses(s: Settings, states: States, clean: Coordinates, batch: FlowBatch, truth: States, target: Coordinates,
           net: LexisNet, surface: Surface) -> dict[str, Tensor]:
    """Each term of the loss with its weight in it. states, clean : the network's; D draws of B pictures."""
    draws = len(clean.body) // len(batch.f_o)
    focal = batch.seen.focal.repeat_interleave(draws)
    few = surface.take(torch.randperm(len(surface.template))[: s.points])
    with torch.no_grad():
        real = few.posed(*truth[:4])
    posed = few.posed(*states[:4])
    chosen = torch.randperm(batch.seen.object_points.shape[1])[: s.points]
    points = batch.seen.object_points[:, chosen].repeat_interleave(draws, 0)
    here, there = (points @ x.object_rotation.transpose(1, 2) + (x.object_position)[:, None]
                   for x in (states, truth))
    with torch.no_grad():
        known = near(real, there)
    found = near(posed, here)
    apart, really = here - states.pelvis[:, None], there - truth.pelvis[:, None]
    object = 0.5 * (apart - really).norm(dim=-1).mean() + chamfer(apart, really).mean()
    body = (posed.points - states.pelvis[:, None] - real.points + truth.pelvis[:, None]).norm(dim=-1).mean()
    place = (place_of(states.pelvis, focal) - place_of(truth.pelvis, focal)) / clean.body.new_tensor([0.03, 0.03, 0.1])
    far = (found.body - known.body).abs().mean() + (found.object - known.object).abs().mean()
    first = tokens_of(clean.tokens, repeated(batch.reference, draws))[::draws]
    some = torch.randperm(batch.body_points.shape[1])[: s.points]
    fields = net.decode(first, batch.f_o, batch.body_points[:, some], batch.seen.object_points[:, chosen])
    truth_fields = (torch.exp(-50 * d.square()) for d in (batch.body_distance[:, some],
                                                          batch.object_distance[:, chosen]))
    return {
        "tokens": s.token_weight * (clean.tokens - target.tokens).square().mean(),
        "pose": s.pose_weight * body,
        "place": s.place_weight * torch.nn.functional.smooth_l1_loss(place, torch.zeros_like(place)),
        "betas": s.betas_weight * (states.betas - truth.betas).square().mean(),
        "object": s.object_weight * object,
        "near": s.near_weight * far,
        "field": s.field_weight * sum(field_loss(a, b).mean() for a, b in zip(fields[:2], truth_fields, strict=True)),
        "inside": s.inside_weight * (found.inside.mean() - known.inside.mean()).clamp(min=0),
    }


def recalled(s: Settings, net: LexisNet, batch: FlowBatch) -> Tensor:
    """How far LEXIS-Net's fields are off where its codes are those of the truth, chosen together: what it was trained
    for before, and is not to forget."""
    few = slice(round(s.recalled * len(batch.f_o)))
    truth, points = States(*(value[few] for value in batch.truth)), batch.seen.object_points[few]
    some, others = (torch.randperm(p.shape[1])[: s.points] for p in (batch.body_points, points))
    known = Batch(sixd_from_rotation(truth.theta), torch.full((len(points),), net.p.actions), placement(truth),
                  torch.ones(len(points), dtype=torch.bool), points, batch.body_points[few][:, some],
                  points[:, others], batch.body_distance[few][:, some], batch.object_distance[few][:, others])
    found = read_back(net, known)[0]
    return field_loss(found.body, known.body) + field_loss(found.object, known.object)


def forward(s: Settings, flow: LexisFlow, net: LexisNet, batch: FlowBatch, surface: Surface, draws: int,
            regression: bool = False) -> dict[str, Tensor]:
    """The losses of one batch; regression : one step from nothing, as sampler.regress does."""
    target = coordinates(batch.truth, batch.tokens, batch.reference, batch.seen.focal)
    target = repeated(target, draws)
    reference, truth = repeated(batch.reference, draws), repeated(batch.truth, draws)
    focal = batch.seen.focal.repeat_interleave(draws)
    with torch.autocast("cpu", torch.bfloat16, enabled=s.bfloat16):
        context = flow.picture(batch.seen, batch.f_o, batch.reference, batch.scale)
        if regression:
            times = torch.zeros(len(target.body))
            x, body_time, object_time = Coordinates(*(torch.zeros_like(v) for v in target)), times, times
        else:
            wrong = answered(flow, context, batch.reference, batch.seen.focal, draws)
            x, body_time, object_time = noisy(s, target, wrong)
        out = flow.step(x, body_time, object_time, context)
    states = decoded(out, reference, focal)
    return losses(s, states, out.clean, batch, truth, target, net, surface)


@torch.no_grad()
def restarted(s: Settings, flow: LexisFlow, net: LexisNet, batch: FlowBatch) -> FlowBatch:
    """The batch with the network's own answer as the start of its first rows, so that it may be asked twice."""
    few = round(s.again * len(batch.f_o))
    if not few:
        return batch
    seen, f_o, scale = batch.seen.take(slice(few)), batch.f_o[:few], batch.scale[:few]
    reference = first(batch.reference, few)
    times = torch.zeros(few)
    with torch.autocast("cpu", torch.bfloat16, enabled=s.bfloat16):
        context = flow.picture(seen, f_o, reference, scale)
        out = flow.step(Coordinates(torch.zeros_like(reference.tokens), torch.zeros(few, BODY),
                                    torch.zeros(few, OBJECT)), times, times, context)
    states = decoded(out, reference, seen.focal)
    own = reference_of(net, seen, f_o, states, times == 0, times, flow.p)
    return batch._replace(reference=joined(own, first(batch.reference, few, rest=True)),
                          scale=torch.cat([torch.full_like(scale, UNKNOWN), batch.scale[few:]]))


def first(value, count: int, rest: bool = False):
    """The first rows, or the rest, of a tuple of tensors or of such tuples."""
    if isinstance(value, Tensor):
        return value[count:] if rest else value[:count]
    return type(value)(*(first(part, count, rest) for part in value))


def joined(a, b):
    """Rows of a, then those of b."""
    if isinstance(a, Tensor):
        return torch.cat([a, b])
    return type(a)(*(joined(x, y) for x, y in zip(a, b, strict=True)))


@torch.no_grad()
def validate(s: Settings, flow: LexisFlow, net: LexisNet, data: FlowData, surface: Surface) -> dict[str, float]:
    """Regression's losses, unweighted by chance: the same starts and dropped parts each time."""
    torch.manual_seed(VALIDATION_SEED)
    flow.eval()
    rows = np.arange(min(len(data), s.validation_rows))
    found: list[dict[str, float]] = []
    for begin in range(0, len(rows), s.batch):
        batch = data.batch(rows[begin:begin + s.batch], net, flow.p, largest=1.0, started=0.8)
        found.append({k: v.item() for k, v in forward(s, flow, net, batch, surface, 1, regression=True).items()})
    flow.train()
    return {name: float(np.mean([f[name] for f in found])) for name in found[0]}


def params_of(s: Settings, net: LexisNet, encoder) -> FlowParams:
    if s.size not in SIZES:
        raise InputError(f"There is no size {s.size!r}.", f"LEXIS-Flow comes as {' or '.join(SIZES)}.", "Choose one.")
    return replace(SIZES[s.size], tokens=net.p.tokens, code_width=net.p.code_width, shape=net.p.shape,
                   image_width=encoder.width, image_tokens=encoder.tokens)


def flow_of(s: Settings, params: FlowParams) -> LexisFlow:
    """A new network, or the one to begin with. InputError when that was made for another LEXIS-Net or encoder."""
    if not s.begin:
        return LexisFlow(params)
    flow = load_network(s.begin)
    if flow.p != params:
        raise InputError(f"{s.begin} cannot learn on here.", "Its sizes are not those of these networks and this size.",
                         "Give the LEXIS-Net, the encoder and the size it was trained with.")
    return flow


def train(s: Settings) -> None:
    """Raises InputError for bad settings, files, or numbers in a batch."""
    out = Path(s.out)
    if s.threads:
        torch.set_num_threads(s.threads)
    net, encoder = load_net(s.net), load_encoder(s.encoder)
    if s.fields_learning_rate:
        net.hold_tokens()
    else:
        net.requires_grad_(False)
    errors = start_errors()
    data = FlowData(s.states, "train", encoder, errors, s.processes)
    held = FlowData(s.states, "validation", encoder, errors, s.processes, s.validation_rows)
    if not len(data) or not len(held):
        raise InputError(f"Nothing can be learned from {s.states}.", "It lacks training or validation interactions.",
                         "Make a larger set.")
    surface = surface_points(default_body(), body_points())
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(s.seed)
    flow = flow_of(s, params_of(s, net, encoder))
    optimiser = optimiser_of(flow, s.learning_rate, s.weight_decay, (Block, Stream), net, s.fields_learning_rate)
    step, best, passed, log = 0, math.inf, 0.0, []
    last = resumed(out, KIND, s, MAY_CHANGE)
    if last is not None:
        flow.load_state_dict(last["flow"])
        net.load_state_dict(last["net"])
        optimiser.load_state_dict(last["optimiser"])
        step, best, passed, log = last["step"], last["best"], last["seconds"], last["log"]
    count = sum(parameter.numel() for parameter in flow.parameters()) / 1e6
    print(f"LEXIS-Flow {s.size}, {count:.1f} M parameters; {len(data):,} train, {len(held):,} validation", flush=True)
    began, first, before, whole = time.monotonic() - passed, step, passed, 60 * s.minutes
    terms: dict[str, Tensor] = {}
    while (passed := time.monotonic() - began) < whole:
        torch.manual_seed((s.seed << 32) + step)
        share = min(1.0, (step + 1) / s.warm_up) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * passed / whole)))
        optimiser.scale(share)
        batch = data.batch(torch.randint(len(data), (s.batch,)).numpy(), net, flow.p, mirror=s.mirror,
                           started=s.started, largest=s.largest, dropped=s.dropped)
        terms = forward(s, flow, net, restarted(s, flow, net, batch), surface, s.draws)
        if s.fields_learning_rate:
            terms["recalled"] = s.field_weight * recalled(s, net, batch)
        loss = torch.stack(list(terms.values())).sum()
        check_finite(loss, step)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_([*flow.parameters(), *net.parameters()], s.clip)
        optimiser.step()
        step += 1
        ended = time.monotonic() - began >= whole
        if step % s.validate_every == 0 or ended:
            found = validate(s, flow, net, held, surface)
            score = sum(value for name, value in found.items() if name != "tokens")
            row = {"step": step, "seconds": round(time.monotonic() - began, 1)}
            log.append(row | {name: term.item() for name, term in terms.items()}
                       | {f"validation_{name}": value for name, value in found.items()} | {"validation": score})
            if score < best:
                best = score
                checkpoint.save(out / "best.pt", {"kind": KIND, "params": asdict(flow.p), "flow": flow.state_dict(),
                                                  "settings": asdict(s), "step": step, "validation": found})
                if s.fields_learning_rate:
                    checkpoint.save(out / "net.pt", {"kind": NET, "params": asdict(net.p), "net": net.state_dict(),
                                                     "settings": asdict(s), "step": step, "validation": found})
            write_log(out, log, CURVES)
            rate = s.batch * (step - first) / (time.monotonic() - began - before + 1e-9)
            print(f"step {step:,}, {rate:.0f} pictures a second, loss {loss.item():.3f}; validation {score:.4f}: "
                  + ", ".join(f"{k} {v:.3f}" for k, v in found.items()), flush=True)
        if step % s.save_every == 0 or ended:
            checkpoint.save(out / "last.pt", {
                "kind": KIND, "params": asdict(flow.p), "flow": flow.state_dict(), "net": net.state_dict(), "log": log,
                "best": best, "optimiser": optimiser.state_dict(), "settings": asdict(s), "step": step,
                "seconds": time.monotonic() - began})


if __name__ == "__main__":
    train(from_command_line(Settings, "Train LEXIS-Flow. What each setting means: the head of this file."))
