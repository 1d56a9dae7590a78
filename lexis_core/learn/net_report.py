"""How good a LEXIS-Net is: errors of its fields and of its pose, use of its codebook; and a picture of its training.

    python -m lexis_core.learn.net_report --net FILE --states FILE
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor

from lexis_core.interfield import CONTACT
from lexis_core.learn.kinematics import joint_positions, rotation_from_sixd, skeleton
from lexis_core.learn.net import LexisNet, load_net
from lexis_core.learn.net_batch import Tensors, batch_of, field_of
from lexis_core.learn.net_codes import read_back
from lexis_core.learn.net_data import net_data
from lexis_core.learn.vector_quantiser import codebook_use

CURVES = (("field error", ("if_mae_body", "if_mae_object")), ("pose error, mm", ("theta_mm",)),
          ("contact F1", ("contact_f1_body", "contact_f1_object")), ("perplexity", ("perplexity",)))


@torch.no_grad()
def measure(net: LexisNet, data: Tensors, rows: int = 1 << 30, quantise: bool = True, as_one: bool = True,
            at_once: int = 128) -> dict[str, Tensor]:
    """Numbers of each interaction, at all 1000 + 1024 points, the action known; at most `rows`, spread evenly; the
    codes chosen together where as_one.

    if_mae_*, zero_mae_* : (N,) mean |IF - truth| over area-weighted points, and the same of a field of zeros
    contact_f1_*         : (N,) F1 of nearer than 5 cm by the field against by the mesh, NaN where neither has any
    place_mm, turn_deg   : (N,) how far the object's decoded placement is from the true one
    theta_mm             : (N,) mean joint error of joints 1..21 on the default skeleton, the pelvis held still
    codes                : (N, 16); action : (N,)
    """
    device = data.theta.device
    every = torch.arange(0, len(data), max(1, -(-len(data) // rows)), device=device)
    rest, contact = skeleton().to(device), float(field_of(torch.tensor(CONTACT)))
    was_training = net.training
    net.eval()
    found = []
    for chosen in every.split(at_once):
        batch = batch_of(data, chosen)
        decoded, codes, _ = read_back(net, batch, quantise, float(as_one))
        gap = (joint_positions(rotation_from_sixd(decoded.theta), rest)
               - joint_positions(rotation_from_sixd(batch.theta), rest))
        off = decoded.placement - batch.placement
        numbers = {"theta_mm": 1000 * gap.norm(dim=-1)[:, 1:].mean(1), "place_mm": 1000 * off[:, 6:9].norm(dim=1),
                   "turn_deg": degrees(decoded.placement[:, :6], batch.placement[:, :6]), "codes": codes,
                   "action": batch.action}
        for name in ("body", "object"):
            field, truth = getattr(decoded, name), getattr(batch, name)
            hits = ((field > contact) & (truth > contact)).sum(1)
            numbers |= {f"if_mae_{name}": (field - truth).abs().mean(1), f"zero_mae_{name}": truth.mean(1),
                        f"contact_f1_{name}": 2 * hits / ((field > contact).sum(1) + (truth > contact).sum(1))}
        found.append(numbers)
    net.train(was_training)
    return {name: torch.cat([numbers[name] for numbers in found]).cpu() for name in found[0]}


def degrees(sixd: Tensor, truth: Tensor) -> Tensor:
    """(B,) angle between two rotations (B, 6)."""
    apart = (rotation_from_sixd(sixd) - rotation_from_sixd(truth)).square().sum((-1, -2))
    return torch.rad2deg(2 * (apart / 8).clamp(0, 1).sqrt().asin())


def summary(measured: dict[str, Tensor], codes: int) -> dict[str, float]:
    """Means over the interactions (of F1 where it is defined), the codebook's perplexity and never used codes."""
    means = {name: float(values.nanmean()) for name, values in measured.items() if name not in ("codes", "action")}
    perplexity, dead = codebook_use(measured["codes"], codes)
    return means | {"perplexity": perplexity, "dead_codes": dead, "n": len(measured["action"])}


def by_action(measured: dict[str, Tensor], names: tuple[str, ...]) -> dict[str, dict[str, float]]:
    """The means of each action that occurs."""
    result = {}
    for action in measured["action"].unique().tolist():
        mine = measured["action"] == action
        result[names[action]] = {"n": int(mine.sum())} | {
            name: float(values[mine].nanmean()) for name, values in measured.items() if name not in ("codes", "action")}
    return result


def curves(log: list[dict], path: Path, panels: tuple[tuple[str, tuple[str, ...]], ...] = CURVES) -> None:
    """A picture of the validation numbers over the steps. panels : the title and the numbers of each."""
    from matplotlib.figure import Figure  # only training draws

    figure = Figure(figsize=(4 * len(panels), 3), layout="constrained")
    axes = figure.subplots(1, len(panels))
    for axis, (title, names) in zip(axes, panels, strict=True):
        for name in names:
            axis.plot([row["step"] for row in log], [row[name] for row in log], label=name)
        axis.set(title=title, xlabel="step", ylim=(0, None))
        axis.legend()
    figure.savefig(path, dpi=80)


def main() -> None:
    parser = argparse.ArgumentParser(description="What a network's report.json says of the validation split.")
    parser.add_argument("--net", type=Path, required=True)
    parser.add_argument("--states", type=Path, required=True)
    given = parser.parse_args()
    net, data = load_net(given.net), Tensors(net_data(given.states, "validation"), "cpu")
    for said, as_one in (("codes chosen together", True), ("nearest codes", False)):
        found = summary(measure(net, data, as_one=as_one), net.p.codes)
        print(f"{said}: " + ", ".join(f"{name} {value:.4g}" for name, value in found.items()))


if __name__ == "__main__":
    main()
