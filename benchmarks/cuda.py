"""What a CUDA card makes of it: a photo by stage, and pictures a second by batch, beside torch on the same card.

    python -m onnx_export --half-step --out BUNDLE
    python benchmarks/cuda.py --bundle BUNDLE [--repeats 7]

Compares the step in float32, in half precision, and that as a CUDA graph, whole samplers each, with and without
guidance; and torch eager where torch has CUDA. What is compared takes turns; every number is the median of the repeats,
after one that does not count. Ends with 2 where there is no card, or the bundle has no step in half precision.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from runtime import PHOTO, medians, processor, save_estimate

from lexis_core.body import default_body
from lexis_core.body.surface import guide_surface
from lexis_core.pipeline import STAGES, reconstruct
from lexis_core.runtime.bundle import HALF, Bundle, default_bundle_folder, open_bundle
from lexis_core.runtime.crop import crop_of, cropped, start_of
from lexis_core.runtime.devices import INSTALL, import_onnxruntime, why_not
from lexis_core.runtime.sampler import Sampler
from lexis_core.runtime.seen import Seen
from lexis_core.runtime.session import Session, Sessions
from lexis_core.runtime.states import States

BATCHES = (1, 2, 4, 8, 16, 32, 64)


class WithoutGraph(Sessions):
    """The half-precision step as an ordinary session."""

    def half_step(self, batch: int) -> Session:
        return self[HALF]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, default=default_bundle_folder(), metavar="FOLDER",
                        help="what python -m onnx_export --half-step wrote; the default bundle where it is left out")
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    if reason := why_not("cuda"):
        print(f"Nothing was measured: CUDA does not run here. {reason} {INSTALL['cuda']}", file=sys.stderr)
        return 2
    bundle = open_bundle(options.bundle, hard_links=options.bundle == default_bundle_folder())
    if HALF not in bundle.models:
        print(f"Nothing was measured: {bundle.folder} has no {HALF}. Write one that has: python -m onnx_export "
              "--half-step --out FOLDER, and give it as --bundle FOLDER.", file=sys.stderr)
        return 2
    print(f"{card()}, {processor()}, onnxruntime {import_onnxruntime().__version__}; medians of {options.repeats}.\n")
    ways = ways_of(bundle, "cuda")
    stages(ways, options.repeats)
    growth(ways, torchs("cuda") if has_torch() else None, options.repeats)
    print(ways["half, CUDA graph"].why_no_graph or "Every CUDA graph was recorded and replayed.")
    return 0


def ways_of(bundle: Bundle, device: str) -> dict[str, Sessions]:
    """The three ways to run the step."""
    models = {name: entry for name, entry in bundle.models.items() if name != HALF}
    return {"float32": Sessions(replace(bundle, models=models), device), "half": WithoutGraph(bundle, device),
            "half, CUDA graph": Sessions(bundle, device)}


def stages(ways: dict[str, Sessions], repeats: int) -> None:
    """Seconds of each stage from the photo to the meshes and their InterFields, one picture."""
    with tempfile.TemporaryDirectory() as folder:
        start = Path(folder) / "start.npz"
        save_estimate(reconstruct(**PHOTO, method="estimate", sessions=ways["float32"]), start)
        tasks = {f"{name}, {title}": {"sessions": sessions, **method} for name, sessions in ways.items()
                 for title, method in (("from noise", {"method": "noise"}),
                                       ("star, estimate given", {"method": "learned", "init": start}))}
        found: dict[str, list[dict[str, float]]] = {title: [] for title in tasks}
        every = medians([lambda title=title, task=task: found[title].append(
            reconstruct(**PHOTO, **task).info["seconds"]) for title, task in tasks.items()], repeats)
    print("| one photo, s | " + " | ".join(STAGES) + " | all |\n" + "|---" * (len(STAGES) + 2) + "|")
    for (title, each), seconds in zip(found.items(), every, strict=True):
        middle = sorted(each[1:], key=lambda stage: stage["flow"])[repeats // 2]
        print(f"| {title} | " + " | ".join(f"{middle.get(stage, 0):.3f}" for stage in STAGES) + f" | {seconds:.3f} |")
    print()


def growth(ways: dict[str, Sessions], torch_too: Callable | None, repeats: int) -> None:
    """Pictures a second from a start, by how many go at once."""
    seen, start = task(ways["float32"])
    guide = guide_surface(default_body())

    def work(name: str, batch: int, guided: bool) -> Callable[[], object]:
        many, begin = seen.repeated(batch), start.repeated(batch)
        if name == "torch eager":
            return torch_too(many, begin, guided)
        sampler = Sampler(ways[name], half=name != "float32")
        return lambda: sampler.sample(many, guide, begin, guided=guided)

    for guided in (True, False):
        rows: dict[str, list[float]] = {name: [] for name in (*ways, *(["torch eager"] if torch_too else []))}
        for batch in BATCHES:
            works = [work(name, batch, guided) for name in rows]
            for row, seconds in zip(rows.values(), medians(works, repeats), strict=True):
                row.append(batch / seconds)
        print(f"| star, {'guided' if guided else 'unguided'}: pictures/s, at once | " + " | ".join(map(str, BATCHES))
              + " |\n" + "|---" * (len(BATCHES) + 1) + "|")
        for name, row in rows.items():
            print(f"| {name} | " + " | ".join(f"{rate:,.1f}" for rate in row) + " |")
        print()


def task(sessions: Sessions) -> tuple[Seen, States]:
    """The demo's photo as the sampler sees it, and our own estimate of it."""
    result = reconstruct(**PHOTO, method="estimate", sessions=sessions)
    crop = crop_of(result.observation())
    return cropped(result.observation(), crop, result.object, 1.0, 0), start_of(default_body(), result.state, crop)


def torchs(device: str) -> Callable[[Seen, States, bool], Callable[[], None]]:
    """What makes the sampler's work in torch, eager, on a device: (seen, start, guided) -> a call that does it."""
    import torch

    from lexis_core.learn import flow_state, sampler
    from lexis_core.learn.observed import Observed
    flow = sampler.default_flow(default_body())
    flow = replace(flow, net=flow.net.to(device), flow=flow.flow.to(device), encoder=flow.encoder.to(device),
                   surface=flow.surface.to(device), landmark=flow.landmark.to(device),
                   body_rest=flow.body_rest.to(device))

    def work(seen: Seen, start: States, guided: bool) -> Callable[[], None]:
        @torch.no_grad()
        def run() -> None:
            with torch.device(device):  # for what the sampler makes on the way; costs it a microsecond an operation
                given = [torch.from_numpy(part).to(device) for part in seen]
                told = Observed(flow.encoder(given[0]), *given[1:])
                begin = flow_state.States(*(torch.from_numpy(part).to(device) for part in start))
                none = flow_state.Coordinates(*(torch.zeros(len(begin.betas), *shape) for shape in (
                    (flow.flow.p.tokens, flow.flow.p.code_width), (flow_state.BODY,), (flow_state.OBJECT,))))
                found = sampler.sample(flow, told, begin, noise=none, guidance="interfield" if guided else "none")
                [part.cpu() for part in found.states]  # waits for the card
        return run

    return work


def has_torch() -> bool:
    if find_spec("torch") is None:
        print("torch is not installed, so nothing is compared with it.\n")
        return False
    import torch
    if not torch.cuda.is_available():
        print(f"torch {torch.__version__} has no CUDA here, so nothing is compared with it.\n")
    return torch.cuda.is_available()


def card() -> str:
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        if tool := shutil.which("nvidia-smi"):
            return subprocess.run([tool, "--query-gpu=name,driver_version", "--format=csv,noheader"], check=True,
                                  capture_output=True, text=True).stdout.splitlines()[0]
    return "a CUDA card"


if __name__ == "__main__":
    sys.exit(main())
