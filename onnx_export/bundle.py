"""Put the bundle together: the five graphs, the person's networks beside them, what the sampler must know, a golden
input and output."""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from lexis_core.errors import InputError
from lexis_core.interfield import SIGMA
from lexis_core.learn import checkpoint, sampler
from lexis_core.learn.guidance import Weights
from lexis_core.runtime import golden
from lexis_core.runtime.bundle import (
    HALF,
    MANIFEST,
    default_bundle_folder,
    describe,
    is_plain_path,
    open_bundle,
    seal_bundle,
)
from lexis_core.runtime.sampler import BLUR, GUIDED_STEPS, INNER, RATE, STAR, STEPS, TOUCHING, times
from onnx_export.golden import write_golden
from onnx_export.graphs import graphs_of, half_step
from onnx_export.write import write

NAME = "lexis-default"
LICENCE = "GPL-3.0-or-later"      # of the networks trained here
PERSON = ("detector", "landmarks")  # MediaPipe's
MOST = 40_000_000                 # bytes, without the step in half precision, which does not ship


def make_bundle(weights: Path, networks: Path, out: Path, half: bool = False) -> dict[str, int]:
    """Write the bundle of a folder of weights; its files and their bytes.

    networks : a bundle with the person's networks
    half     : also the step in half precision, for CUDA

    Raises InputError when the weights cannot be read, the bundle is too large, or out is the folder of something else;
    BundleError when networks is no bundle.
    """
    _check_free(out)
    known = open_bundle(networks, hard_links=networks == default_bundle_folder())
    flow = sampler.load_flow(weights)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        models = {name: known.models[name] for name in PERSON}
        for file in ("LICENSE", *(entry.file for entry in models.values())):
            shutil.copyfile(known.folder / file, folder / file)
        graphs = graphs_of(flow)
        written = (*graphs, half_step(flow)) if half else graphs
        names = ", ".join(graph.name for graph in written)
        (folder / "NOTICE").write_text(_notice((known.folder / "NOTICE").read_text(), names))
        for graph in written:
            write(graph, folder / f"{graph.name}.onnx")
            models[graph.name] = describe(folder, f"{graph.name}.onnx", LICENCE)
        write_golden(flow, graphs, folder / golden.FILE)
        seal_bundle(folder, NAME, models, _lexis(flow, weights), golden.FILE)
        golden.check(open_bundle(folder))
        sizes = {path.name: path.stat().st_size for path in sorted(folder.iterdir())}
        if (size := sum(sizes.values()) - sizes.get(f"{HALF}.onnx", 0)) > MOST:
            raise InputError("This bundle is too large to ship.", f"It takes {size:,} bytes, {MOST:,} may ship.",
                             "Train a smaller size.")
        _replace(folder, out)
    return sizes


def _lexis(flow: sampler.Flow, weights: Path) -> dict[str, Any]:
    """What whoever runs the networks must know of them."""
    p = flow.flow.p
    return {
        "sigma": SIGMA, "steps": STEPS, "star": STAR, "guided_steps": GUIDED_STEPS,
        "times": {"noise": times(STEPS, False), "star": times(STEPS, True)},
        "touching": TOUCHING, "blur": BLUR,
        "inner": INNER, "rate": RATE, "weights": asdict(Weights()),
        "tokens": p.tokens, "code_width": p.code_width, "guide_points": sampler.GUIDE_POINTS, "licence": LICENCE,
        "training": training_of(weights),
    }


def training_of(weights: Path) -> dict[str, dict[str, Any]]:
    """How long each network was trained, with what, and how good it was then; as JSON gives it back."""
    kept = ("kind", "step", "validation", "settings")
    found = {name: checkpoint.load(weights / f"{name}.pt", None) for name in ("net", "encoder", "flow")}
    return json.loads(json.dumps({name: {key: content[key] for key in kept if key in content}
                                  for name, content in found.items()}))


def _notice(text: str, names: str) -> str:
    """The notice of the person's networks, and that of ours, by these names."""
    own = "The other networks"
    return f"""{text.split(own)[0].rstrip()}

{own} ({names}) are LEXIS-Net, LEXIS-Flow and their image encoder, trained by this
project on interactions it made itself. They are part of it and under its own licence, {LICENCE}.
"""


def _check_free(out: Path) -> None:
    """InputError unless a bundle may be written there: nothing is there yet, or a bundle."""
    if out.exists() and not (out.is_dir() and ((out / MANIFEST).exists() or not any(out.iterdir()))):
        raise InputError(f"The bundle cannot be written to {out}.", "Something else than a bundle is there.",
                         "Give an empty or a new folder, or that of a bundle to be replaced.")


def _replace(made: Path, out: Path) -> None:
    """Put the bundle's files where they belong, in place of an older bundle's; the manifest last, so that half a bundle
    is none."""
    out.mkdir(parents=True, exist_ok=True)
    if (out / MANIFEST).exists():
        for name in json.loads((out / MANIFEST).read_text()).get("files", ()):
            if is_plain_path(name):
                (out / name).unlink(missing_ok=True)
    (out / MANIFEST).unlink(missing_ok=True)
    for path in sorted(made.iterdir(), key=lambda path: path.name == MANIFEST):
        shutil.copyfile(path, out / path.name)
