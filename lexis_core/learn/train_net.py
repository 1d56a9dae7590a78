"""Train LEXIS-Net, from the settings below to a report: python -m lexis_core.learn.train_net --states FILE --out FOLDER

Killed, it goes on from its last checkpoint when started again with the same settings; what is random in a step follows
from the seed and the step alone. FOLDER gets last.pt, best.pt (by validation), log.csv, curves.png and report.json.
"""

from __future__ import annotations

import json
import math
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from lexis_core.errors import InputError
from lexis_core.interfield import SIGMA
from lexis_core.learn import checkpoint
from lexis_core.learn.kinematics import joint_positions, rotation_from_sixd, skeleton
from lexis_core.learn.net import KIND, SIZES, Decoded, LexisNet, NetParams, load_net
from lexis_core.learn.net_batch import Batch, Tensors, batch_of, varied
from lexis_core.learn.net_codes import read_back
from lexis_core.learn.net_data import net_data
from lexis_core.learn.net_report import CURVES, by_action, measure, summary
from lexis_core.learn.run import check_finite, resumed, write_log
from lexis_core.learn.settings import from_command_line
from lexis_core.synthetic.states import ACTION_NAMES, SPLITS

PLACED_POINTS = 32
# of a run that goes on
MAY_CHANGE = {"out", "steps", "minutes", "processes", "threads", "device", "validate_every", "save_every"}


@dataclass(frozen=True)
class Settings:
    states: str                 # a file of lexis_core.synthetic
    out: str = "runs/lexis-net"
    begin: str = ""             # a trained network whose fields learn on, its tokens held as they are
    size: str = "small"         # or base
    quantiser: bool = True      # --no-quantiser: the ablation without the discrete bottleneck
    as_one: float = 0.7         # share whose codes, once tokens are held, are chosen together; not 0: in the report all
    object: bool = True         # --no-object: the ablation without f_o
    placement: bool = True      # --no-placement: the ablation with the paper's inputs only
    steps: int = 20_000
    minutes: float = 0.0        # not 0: the run, and its learning rate with it, ends after so long instead
    batch: int = 192
    learning_rate: float = 5e-3
    warm_up: int = 150          # steps of rising learning rate
    weight_decay: float = 0.01
    clip: float = 1.0           # of the gradient's norm
    free_steps: int = 200       # first steps without the codebook: it starts on tokens that already mean something
    shape_points: int = 256     # of 1024, another choice each step: f_o learns not to depend on them
    field_points: int = 128     # of each surface, another choice each step
    mirror: float = 0.5         # share of samples seen in a mirror
    turned: float = 0.25        # share of samples whose object's canonical frame is turned about y: files have theirs
    action_dropped: float = 0.3
    placement_dropped: float = 0.15
    loosened: float = 0.5       # share whose object is moved off: its fields are unknown, pose and placement are not
    field_weight: float = 8.0
    distance_weight: float = 0.5    # on metres, up to half a metre
    joint_weight: float = 5.0       # on metres
    rotation_weight: float = 1.0
    place_weight: float = 3.0       # on metres of the object's points, where the encoder was told their place
    build_weight: float = 0.02
    commitment: float = 0.25
    validate_every: int = 300
    validation_rows: int = 1000 # at most; the report at the end takes all
    save_every: int = 300
    seed: int = 0
    processes: int = 2          # that measure InterFields the first time
    threads: int = 0            # of torch; 0: its own choice
    bfloat16: bool = True       # --no-bfloat16 for a CPU without instructions for it
    device: str = "auto"        # cuda where there is one


def near_distance(field: Tensor) -> Tensor:
    """InterField -> metres up to half a metre, its gradient finite at touch."""
    return SIGMA * (-2 * field.clamp(3.7e-6, 1).log() + 1e-4).sqrt()


def field_loss(field: Tensor, truth: Tensor) -> Tensor:
    """Mean absolute error, and divergence to leave the field of zeros, the median of most points."""
    p, q = truth.clamp(1e-6, 1 - 1e-6), field.clamp(1e-6, 1 - 1e-6)
    divergence = p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()
    return functional.l1_loss(field, truth) + 0.3 * divergence.mean()


def losses(s: Settings, decoded: Decoded, batch: Batch, commitment: Tensor, rest: Tensor) -> dict[str, Tensor]:
    """Each term of the loss with its weight in it."""
    rotation, truth = rotation_from_sixd(decoded.theta), rotation_from_sixd(batch.theta)
    gap = (joint_positions(rotation, rest) - joint_positions(truth, rest)).square().sum(-1)
    body, object = batch.body, batch.object
    far = (functional.l1_loss(near_distance(decoded.body), near_distance(body))
           + functional.l1_loss(near_distance(decoded.object), near_distance(object)))
    return {
        "body": s.field_weight * field_loss(decoded.body, body),
        "object": s.field_weight * field_loss(decoded.object, object),
        "distance": s.distance_weight * far,
        "joints": s.joint_weight * (gap + 1e-8).sqrt().mean(),
        "rotation": s.rotation_weight * (rotation - truth).square().sum((-1, -2)).mean(),
        "place": s.place_weight * misplaced(decoded.placement, batch).mean(),
        "build": s.build_weight * (decoded.placement - batch.placement)[:, 9:].square().mean(),
        "commitment": s.commitment * commitment,
    }


def misplaced(placement: Tensor, batch: Batch) -> Tensor:
    """(B,) metres, how far the object's points are from where they are, on the mean; 0 where the place was not told."""
    points = batch.shape_points[:, :PLACED_POINTS]

    def where(placement: Tensor) -> Tensor:
        return points @ rotation_from_sixd(placement[:, :6]).transpose(1, 2) + placement[:, None, 6:9]

    gap = (where(placement) - where(batch.placement)).square().sum(-1)
    return (gap + 1e-8).sqrt().mean(1) * batch.placed


def rate_at(step: int, done: float, s: Settings) -> float:
    """Rises over warm_up steps, then falls along a cosine of the share of the run that is done to a fiftieth."""
    return s.learning_rate * min((step + 1) / s.warm_up, 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done)))


def share_done(s: Settings, step: int, seconds: float) -> float:
    return seconds / (60 * s.minutes) if s.minutes else step / s.steps


def params_of(s: Settings) -> NetParams:
    if s.size not in SIZES:
        raise InputError(f"There is no size {s.size!r}.", f"LEXIS-Net comes as {' or '.join(SIZES)}.", "Choose one.")
    return replace(SIZES[s.size], quantised=s.quantiser, sees_object=s.object, sees_placement=s.placement)


def train(s: Settings) -> dict:
    """Train, and return what report.json holds. Raises InputError for bad settings, files, or numbers in a batch."""
    out, device = Path(s.out), s.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if s.threads:
        torch.set_num_threads(s.threads)
    data = {split: Tensors(net_data(s.states, split, processes=s.processes), device) for split in SPLITS}
    if s.quantiser and s.free_steps >= s.steps and not s.minutes:
        raise InputError("LEXIS-Net would never see its codebook.", f"All {s.steps} steps are free_steps.",
                         "Give more --steps or fewer --free-steps.")
    if not len(data["train"]) or not len(data["validation"]):
        raise InputError(f"Nothing can be learned from {s.states}.", "It lacks training or validation interactions.",
                         "Make a larger set.")

    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(s.seed)
    net = load_net(s.begin, device).train() if s.begin else LexisNet(params_of(s)).to(device)
    if s.begin:
        net.hold_tokens()
    learning = [parameter for parameter in net.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(learning, s.learning_rate, (0.9, 0.99), weight_decay=s.weight_decay)
    rest, step, spent, best, log = skeleton().to(device), 0, 0.0, math.inf, []
    last = resumed(out, KIND, s, MAY_CHANGE, device)
    if last is not None:
        net.load_state_dict(last["net"])
        optimiser.load_state_dict(last["optimiser"])
        step, spent, best, log = last["step"], last["spent"], last["best"], last["log"]

    count = sum(parameter.numel() for parameter in net.parameters()) / 1e6
    print(f"LEXIS-Net {s.size}, {count:.1f} M parameters, on {device}; "
          + ", ".join(f"{len(tensors):,} {split}" for split, tensors in data.items()), flush=True)
    before, first = spent, step
    as_one = s.as_one * bool(s.begin)  # tokens that still learn go each to its nearest code, straight through
    began = time.monotonic() - spent
    done = share_done(s, step, spent)
    while done < 1:
        torch.manual_seed((s.seed << 32) + step)
        for group in optimiser.param_groups:
            group["lr"] = rate_at(step, done, s)
        quantise = bool(s.begin) or step >= s.free_steps
        rows = torch.randint(len(data["train"]), (s.batch,), device=device)
        batch = varied(batch_of(data["train"], rows), shape_points=s.shape_points, field_points=s.field_points,
                       mirror=s.mirror, turned=s.turned, action_dropped=s.action_dropped,
                       placement_dropped=s.placement_dropped, loosened=s.loosened, unknown_action=net.p.actions)
        with torch.autocast(device, torch.bfloat16, enabled=s.bfloat16):
            decoded, _, commitment = read_back(net, batch, quantise, as_one)
        terms = losses(s, decoded, batch, commitment, rest)
        loss = torch.stack(list(terms.values())).sum()
        check_finite(loss, step)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), s.clip)
        optimiser.step()
        step, spent = step + 1, time.monotonic() - began
        done = share_done(s, step, spent)

        if step % s.validate_every == 0 or done >= 1:
            found = summary(measure(net, data["validation"], s.validation_rows, quantise, as_one > 0), net.p.codes)
            row = {"step": step, "seconds": round(spent, 1)}
            log.append(row | {name: term.item() for name, term in terms.items()} | found)
            score = found["if_mae_body"] + found["if_mae_object"] + found["theta_mm"] / 1000
            if score < best and (quantise or not s.quantiser):
                best = score
                checkpoint.save(out / "best.pt", {"kind": KIND, "params": asdict(net.p), "net": net.state_dict(),
                                                  "settings": asdict(s), "step": step, "validation": found})
            write_log(out, log, CURVES)
            print(f"step {step:,}, {s.batch * (step - first) / (spent - before + 1e-9):.0f} samples a second, "
                  f"loss {loss.item():.3f}; validation: " + ", ".join(f"{k} {v:.4g}" for k, v in found.items()),
                  flush=True)
        if step % s.save_every == 0 or done >= 1:
            checkpoint.save(out / "last.pt", {
                "kind": KIND, "params": asdict(net.p), "net": net.state_dict(), "optimiser": optimiser.state_dict(),
                "settings": asdict(s), "step": step, "spent": spent, "best": best, "log": log})

    net = load_net(out / "best.pt", device)
    result = {"settings": asdict(s), "parameters_million": count, "splits": {}, "nearest_codes": {}, "by_action": {}}
    for split, tensors in data.items():
        if split != "train" and len(tensors):
            measured = measure(net, tensors, as_one=s.as_one > 0)
            result["splits"][split] = numbers = summary(measured, net.p.codes)
            result["nearest_codes"][split] = summary(measure(net, tensors, as_one=False), net.p.codes)
            result["by_action"][split] = by_action(measured, ACTION_NAMES)
            print(f"{split}: " + ", ".join(f"{name} {value:.4g}" for name, value in numbers.items()))
    (out / "report.json").write_text(json.dumps(without_nan(result), indent=1))
    return result


def without_nan(content):
    """The same with null, which JSON has, for NaN, which it has not."""
    if isinstance(content, dict):
        return {name: without_nan(value) for name, value in content.items()}
    return None if isinstance(content, float) and math.isnan(content) else content


if __name__ == "__main__":
    train(from_command_line(Settings, "Train LEXIS-Net. What each setting means: the head of this file."))
