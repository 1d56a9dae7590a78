"""Make the weights that ship out of trained ones: python -m lexis_core.learn.ship --net F --encoder F --flow F

Matrices become half precision; what only training needs (the optimiser, the log, file names) stays behind. The files
must load as LEXIS-Flow's own before they replace those in lexis_core/data/weights.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from lexis_core.errors import InputError
from lexis_core.learn import checkpoint, flow_net, image_encoder, net
from lexis_core.learn.sampler import WEIGHTS, load_flow

KINDS = {"net": net.KIND, "encoder": image_encoder.KIND, "flow": flow_net.KIND}
KEPT = ("kind", "type", "params", "step", "validation")
PATHS = ("states", "out", "net", "encoder", "begin")  # settings that only mean something where the training ran
MOST = 40_000_000  # bytes, together


def shipped(content: Mapping[str, Any]) -> dict[str, Any]:
    """What ships of a checkpoint."""
    small = {key: content[key] for key in KEPT if key in content}
    small["settings"] = {name: value for name, value in content.get("settings", {}).items() if name not in PATHS}
    name = "flow" if content["kind"] == flow_net.KIND else "net"
    small[name] = {key: value.half() if value.is_floating_point() and value.ndim > 1 else value
                   for key, value in content[name].items()}
    return small


def ship(sources: Mapping[str, Path], out: Path) -> int:
    """Write net.pt, encoder.pt and flow.pt into out; their bytes together. InputError when they do not fit."""
    with tempfile.TemporaryDirectory() as folder:
        for name, path in sources.items():
            checkpoint.save(Path(folder) / f"{name}.pt", shipped(checkpoint.load(path, KINDS[name])))
        load_flow(folder)
        files = {name: (Path(folder) / f"{name}.pt").read_bytes() for name in sources}
    size = sum(len(content) for content in files.values())
    if size > MOST:
        raise InputError("These weights are too large to ship.", f"They take {size:,} bytes, {MOST:,} may ship.",
                         "Train a smaller size.")
    out.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (out / f"{name}.pt").write_bytes(content)
        print(f"{name}.pt {len(content):,} bytes")
    return size


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in KINDS:
        parser.add_argument(f"--{name}", type=Path, required=True, help="best.pt of its training")
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    given = parser.parse_args()
    torch.set_num_threads(1)
    ship({name: getattr(given, name) for name in KINDS}, given.out)


if __name__ == "__main__":
    main()
