"""How long a photo takes, and where: by stage, beside torch and the optimisation, by batch, steps and mesh.

    python -m pip install -e ".[learn]"
    python benchmarks/runtime.py [--repeats 7] [--threads 2] [--picture docs/images/runtime.png]

Prints the tables of docs/performance.md as they stand there. What is compared takes turns, so a busy moment of the
machine hits all alike; every number is the median of the repeats, after one that does not count.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from lexis_core.body import default_body, pose
from lexis_core.body.surface import guide_surface
from lexis_core.interfield import measure
from lexis_core.mesh import Mesh
from lexis_core.pipeline import STAGES, reconstruct
from lexis_core.reconstruction import Reconstruction
from lexis_core.runtime.client import Worker
from lexis_core.runtime.crop import crop_of, cropped, start_of
from lexis_core.runtime.devices import import_onnxruntime
from lexis_core.runtime.sampler import Sampler
from lexis_core.runtime.session import Sessions

DEMO = Path(__file__).resolve().parents[1] / "lexis_core" / "data" / "demo"
PHOTO = {"image": DEMO / "camera.png", "object": "tripod", "object_mask": DEMO / "tripod_mask.png"}
MODELS = ("detector", "landmarks", "encoder", "context", "step", "decoder", "guide")
BATCHES, STEPS, FACES = (1, 2, 4, 8, 16, 32), (5, 10, 25, 50, 100), (1_280, 5_120, 20_480, 81_920, 327_680)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="of ONNX Runtime and torch")
    parser.add_argument("--picture", type=Path, metavar="PNG", help="where the graph goes; none without it")
    parser.add_argument("--child", choices=("noise", "star", "open"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(child(options.child, options.threads)))
        return
    print(f"{processor()}, {options.threads} threads, Python {platform.python_version()}, "
          f"onnxruntime {import_onnxruntime().__version__}, numpy {np.__version__}; medians of {options.repeats}.\n")
    sessions = Sessions(device="cpu", threads=options.threads)
    with tempfile.TemporaryDirectory() as folder:
        stages(sessions, options, Path(folder) / "start.npz")
    result = reconstruct(**PHOTO, method="estimate", sessions=sessions)
    process(options)
    against(sessions, result, options)
    growth(sessions, result, options)


def median(work: Callable[[], object], repeats: int) -> float:
    """Seconds."""
    return medians([work], repeats)[0]


def medians(works: list[Callable[[], object]], repeats: int) -> list[float]:
    """Seconds of each; they take turns."""
    found = [[] for _ in works]
    for _ in range(repeats + 1):
        for work, seconds in zip(works, found, strict=True):
            start = time.perf_counter()
            work()
            seconds.append(time.perf_counter() - start)
    return [statistics.median(seconds[1:]) for seconds in found]


def stages(sessions: Sessions, options: argparse.Namespace, start: Path) -> None:
    """Seconds of each stage of three ways from the photo to the InterFields."""
    estimate = reconstruct(**PHOTO, method="estimate", sessions=sessions)
    save_estimate(estimate, start)
    ways = {"from noise": {"method": "noise"}, "star, estimate given (`--init`)": {"method": "learned", "init": start},
            "star, our own estimate": {"method": "learned"}, "our estimate alone": {"method": "estimate"}}
    print("| seconds | " + " | ".join(STAGES) + " | all |\n" + "|---" * (len(STAGES) + 2) + "|")
    found = {name: [] for name in ways}
    for _ in range(options.repeats + 1):
        for name, way in ways.items():
            now = time.perf_counter()
            seconds = reconstruct(**PHOTO, **way, sessions=sessions).info["seconds"]
            found[name].append({**seconds, "all": time.perf_counter() - now})
    for name, each in found.items():
        columns = [f"{statistics.median(of.get(stage, 0) for of in each[1:]):.2f}" for stage in (*STAGES, "all")]
        print(f"| {name} | {' | '.join(columns)} |")
    print()


def save_estimate(result: Reconstruction, path: Path) -> None:
    """The result's state as a file for --init."""
    body, placed = result.state.body, result.state.object
    np.savez(path, betas=body.betas, body_pose=body.body_pose, rotation=body.rotation, object_scale=placed.scale,
             pelvis=pose(default_body(), body).joints[0], object_rotation=placed.rotation,
             object_translation=placed.translation, focal=result.camera.focal, center=result.camera.center)


def process(options: argparse.Namespace) -> None:
    """What a fresh process needs: to open the networks, to be ready as a worker, and memory at most."""
    def fresh(kind: str) -> dict:
        command = [sys.executable, __file__, "--child", kind, "--threads", str(options.threads)]
        return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1])

    opened = [fresh("open") for _ in range(3)]
    ready, first = zip(*(worker_ready() for _ in range(3)), strict=True)
    print("| a fresh process | |\n|---|---|")
    for name in ("import", "bundle verified", *MODELS):
        print(f"| {name if name not in MODELS else f'open {name}'}, s | "
              f"{statistics.median(of[name] for of in opened):.2f} |")
    print(f"| worker started and answering, s | {statistics.median(ready):.2f} |")
    print(f"| worker started and its networks open, s | {statistics.median(first):.2f} |")
    for kind, name in (("noise", "from noise"), ("star", "star, our own estimate")):
        print(f"| peak memory {name}, MB | {fresh(kind)['peak']:.0f} |")
    print()


def child(kind: str, threads: int) -> dict[str, float]:
    """Inside a fresh process."""
    if kind == "open":
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import lexis_core.pipeline"], check=True)
        found = {"import": time.perf_counter() - start}
        start = time.perf_counter()
        sessions = Sessions(device="cpu", threads=threads)
        found["bundle verified"] = time.perf_counter() - start
        for name in MODELS:
            start = time.perf_counter()
            sessions[name]
            found[name] = time.perf_counter() - start
        return found
    reconstruct(**PHOTO, method={"noise": "noise", "star": "learned"}[kind], device="cpu")
    return {"peak": peak_memory() / 1e6}


def peak_memory() -> float:
    """Bytes this process has held at most; by /proc where there is one, for getrusage counts the parent's as well."""
    status = Path("/proc/self/status")
    if status.exists():
        return 1024 * float(status.read_text().split("VmHWM:")[1].split()[0])
    import resource
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def worker_ready() -> tuple[float, float]:
    """Seconds until a worker says hello, and until it has opened the networks."""
    start = time.perf_counter()
    worker = Worker()
    try:
        worker.wait(worker.submit("hello", {}), 60)
        hello = time.perf_counter() - start
        worker.wait(worker.submit("prepare", {"device": "cpu"}), 60)
        return hello, time.perf_counter() - start
    finally:
        worker.close()


def against(sessions: Sessions, result: Reconstruction, options: argparse.Namespace) -> None:
    """The sampler beside torch and beside the optimisation, all from what is seen to the state."""
    import torch

    from lexis_core.learn import flow_state, sampler
    from lexis_core.learn.contact_opt import optimised
    from lexis_core.learn.observed import Observed
    torch.set_num_threads(options.threads)
    model, ours = default_body(), Sampler(sessions)
    crop = crop_of(result.observation())
    seen = cropped(result.observation(), crop, result.object, 1.0, 0)
    guide, start = guide_surface(model), start_of(model, result.state, crop)
    flow = sampler.default_flow(model)
    begin = flow_state.States(*(torch.from_numpy(value) for value in start))

    def observed() -> Observed:
        with torch.no_grad():
            return Observed(flow.encoder(torch.from_numpy(seen.image)), *(torch.from_numpy(v) for v in seen[1:]))

    def eager(begin, guidance: str) -> Callable:
        return lambda: sampler.sample(flow, observed(), begin, guidance=guidance)

    works = {"from noise, guided": (lambda: ours.sample(seen, guide), eager(None, "interfield")),
             "star, guided": (lambda: ours.sample(seen, guide, start), eager(begin, "interfield")),
             "star, unguided": (lambda: ours.sample(seen, guide, start, guided=False), eager(begin, "none"))}
    seconds = medians([work for pair in works.values() for work in pair], options.repeats)
    baseline = median(lambda: optimised(observed(), begin), max(1, options.repeats // 3))
    print(f"The optimisation baseline (`contact-opt` of docs/evaluation.md): {baseline:.2f} s.\n")
    print("| sampler, s | ONNX Runtime | torch eager | torch / ours | optimisation / ours |\n" + "|---" * 5 + "|")
    for k, name in enumerate(works):
        mine, theirs = seconds[2 * k:2 * k + 2]
        print(f"| {name} | {mine:.3f} | {theirs:.3f} | {theirs / mine:.1f} | {baseline / mine:.0f} |")
    print()


def growth(sessions: Sessions, result: Reconstruction, options: argparse.Namespace) -> None:
    """Seconds against batch, steps and mesh, as three rows of numbers and a graph."""
    model, ours, repeats = default_body(), Sampler(sessions), max(1, options.repeats // 3)
    crop = crop_of(result.observation())
    seen, guide = cropped(result.observation(), crop, result.object, 1.0, 0), guide_surface(model)
    start = start_of(model, result.state, crop)
    posed = Mesh(pose(model, result.state.body).vertices, model.faces)
    balls = [ball(faces) for faces in FACES]
    rows = {
        "pictures at once": (BATCHES, "star", [median(
            lambda b=b: ours.sample(seen.repeated(b), guide, start.repeated(b)), repeats) for b in BATCHES]),
        "steps": (STEPS, "from noise", [median(lambda s=s: ours.sample(seen, guide, steps=s), repeats)
                                        for s in STEPS]),
        "faces of the object": (FACES, "InterFields with the default body", [median(
            lambda mesh=mesh: measure(posed, mesh), repeats) for mesh in balls]),
    }
    for name, (at, what, seconds) in rows.items():
        print(f"| {name} | " + " | ".join(f"{n:,}" for n in at) + " |\n" + "|---" * (len(at) + 1) + "|")
        print(f"| {what}, s | " + " | ".join(f"{s:.2f}" for s in seconds) + " |\n")
    if options.picture:
        draw(rows, options.picture)


def ball(faces: int) -> Mesh:
    """A ball of that many faces before the body."""
    import trimesh
    level = round(np.log(faces / 20) / np.log(4))
    shape = trimesh.creation.icosphere(level, 0.3)
    return Mesh((shape.vertices + [0, 0, 2.5]).astype(np.float32), shape.faces.astype(np.int32))


def draw(rows: dict[str, tuple], path: Path) -> None:
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt
    figure, axes = plt.subplots(1, len(rows), figsize=(10, 3), layout="constrained")
    for axis, (name, (at, what, seconds)) in zip(axes, rows.items(), strict=True):
        axis.plot(at, seconds, "o-", color="#2a6f97")
        for n, s in zip(at, seconds, strict=True):
            axis.annotate(f"{s:.2f}", (n, s), (0, 7), textcoords="offset points", ha="center", fontsize=8)
        axis.set(title=f"{what}, s", xlabel=name, xscale="log", yscale="log",
                 ylim=(min(seconds) / 1.5, max(seconds) * 1.8))
        axis.set_xticks(at, [f"{n:,}" if n < 1000 else f"{n / 1000:.0f}k" for n in at])
        axis.set_yticks([])
        axis.minorticks_off()
        axis.margins(x=0.12)
        axis.title.set_fontsize(10)
    figure.savefig(path, dpi=110)


def processor() -> str:
    if Path("/proc/cpuinfo").exists():
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


if __name__ == "__main__":
    main()
