"""What every training run does alike: go on from where it was, refuse numbers that are none, keep its log."""

from __future__ import annotations

import csv
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lexis_core.errors import InputError
from lexis_core.learn import checkpoint
from lexis_core.learn.net_report import curves

Panels = tuple[tuple[str, tuple[str, ...]], ...]


def resumed(out: Path, kind: str, settings: Any, may_change: set[str], device: str = "cpu") -> dict[str, Any] | None:
    """The last checkpoint of a run in this folder, None where there is none.

    Raises InputError when it was begun with other settings than these but for those that may change.
    """
    if not (out / "last.pt").exists():
        return None
    last = checkpoint.load(out / "last.pt", kind, device)
    if any(last["settings"].get(name) != value for name, value in asdict(settings).items() if name not in may_change):
        raise InputError(f"{out} holds a run with other settings.", "A run goes on only as it began.",
                         "Use its settings, or another --out.")
    print(f"going on from step {last['step']:,}")
    return last


def check_finite(loss: Tensor, step: int) -> None:
    """InputError when the loss is not a number."""
    if not torch.isfinite(loss):
        raise InputError(f"The loss of step {step} is not a number.", "A batch or the weights hold NaN or infinity.",
                         "Check the states file, or lower the learning rate and start again.")


def write_log(out: Path, log: list[dict], panels: Panels) -> None:
    """log.csv and its picture, curves.png."""
    with open(out / "log.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, log[0])
        writer.writeheader()
        writer.writerows(log)
    curves(log, out / "curves.png", panels)
