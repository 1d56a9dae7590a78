"""How long each graph of the default bundle takes to open and to run: python benchmarks/graphs.py [--batch 1,4,16]

Milliseconds of processor time on one thread, the best of many runs, on random input; the 11 steps from a start and the
25 from noise through the whole sampler, on the golden picture.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial

import numpy as np

from lexis_core.body import default_body
from lexis_core.body.surface import guide_surface
from lexis_core.runtime import golden
from lexis_core.runtime.bundle import TensorSpec, default_bundle
from lexis_core.runtime.sampler import Sampler
from lexis_core.runtime.seen import Seen
from lexis_core.runtime.session import Session, Sessions, import_onnxruntime
from lexis_core.runtime.states import States

GRAPHS = ("encoder", "context", "step", "decoder", "guide")
POINTS, MARKS = 256, 27  # of the surfaces; landmarks on the body
RUNS = 30


def spent(work: Callable[[], object], runs: int = RUNS) -> float:
    """Milliseconds of processor time, the best of so many runs."""
    best = np.inf
    for _ in range(runs):
        begin = time.process_time()
        work()
        best = min(best, time.process_time() - begin)
    return 1e3 * best


def some(name: str, spec: TensorSpec, batch: int) -> np.ndarray:
    """Numbers of the shape a graph takes: the first free axis is the batch, or of a body's surface its points."""
    surface = name in ("template", "shape", "normal", "weights")
    first = POINTS + MARKS if surface else batch
    shape = [size if size >= 0 else first if axis == 0 else POINTS for axis, size in enumerate(spec.shape)]
    return np.random.default_rng(0).uniform(0.1, 0.9, shape).astype(spec.type) if spec.type != "int64" else (
        np.arange(shape[0]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", default="1,4,16")
    batches = [int(word) for word in parser.parse_args().batch.split(",")]
    bundle = default_bundle()
    import_onnxruntime()
    print("graph      open " + "".join(f"batch {batch:<3}" for batch in batches))
    for name in (*GRAPHS, *(model for model in bundle.models if model not in GRAPHS)):
        opened = partial(Session, bundle.path(name), "cpu", threads=1)
        timed, run, inputs = [spent(opened, 3)], opened().run, bundle.models[name].inputs
        for batch in batches if name in GRAPHS else ():
            timed.append(spent(partial(run, {key: some(key, spec, batch) for key, spec in inputs.items()})))
        print(f"{name:9} {timed[0]:5.0f} " + "".join(f"{value:9.1f}" for value in timed[1:]))
    with np.load(bundle.folder / bundle.golden, allow_pickle=False) as file:
        seen, start = (kind(*(file[golden.GIVEN + field] for field in kind._fields)) for kind in (Seen, States))
    sampler, guide = Sampler(Sessions(bundle, "cpu", threads=1)), guide_surface(default_body())
    for title, begin in (("11 steps from a start", start), ("25 steps from noise", None)):
        print(f"{title:22} {spent(partial(sampler.sample, seen, guide, begin), 5):5.0f}")


if __name__ == "__main__":
    main()
