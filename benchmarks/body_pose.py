"""How long loading and posing take, on the default body and on a random SMPL-X-size body with pose correctives.

python benchmarks/body_pose.py
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from lexis_core.body import BodyModel, joint_rotations, load_body, pose, pose_batch, restrict
from lexis_core.body.model import component_major
from lexis_core.state import BodyState


def milliseconds(work: Callable[[], object], repeats: int = 100) -> float:
    """The median over the repeats, after one for warming up."""
    work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return 1000 * float(np.median(times))


def smplx_size(model: BodyModel, rng: np.random.Generator) -> BodyModel:
    """Random arrays of SMPL-X's sizes: 10,475 vertices, 300 + 100 shape columns, 486 correctives, dense weights."""
    count = 10_475

    def numbers(*shape: int) -> np.ndarray:
        return (0.01 * rng.normal(size=shape)).astype(np.float32)

    return replace(
        model, template=numbers(count, 3), shape_dirs=component_major(numbers(count, 3, 300)),
        expression_dirs=component_major(numbers(count, 3, 100)), pose_dirs=component_major(numbers(count, 3, 486)),
        weights=rng.dirichlet(np.ones(55), count).astype(np.float32),
        joint_shape_dirs=component_major(numbers(55, 3, 300)),
        joint_expression_dirs=component_major(numbers(55, 3, 100)),
    )


def main() -> None:
    rng = np.random.default_rng(0)
    default = load_body()
    state = BodyState(
        body_pose=rng.normal(0, 0.5, (21, 3)).astype(np.float32), betas=rng.normal(size=10).astype(np.float32),
        expression=rng.normal(size=10).astype(np.float32), jaw=np.array([0.2, 0, 0], np.float32),
    )
    rows = [("load_body()", milliseconds(load_body, 10))]
    for name, model in (("default body", default), ("SMPL-X size with correctives", smplx_size(default, rng))):
        rows.append((f"pose, {name}, {len(model.template):,} vertices", milliseconds(partial(pose, model, state))))
        rotations = np.repeat(joint_rotations(model, state)[None], 90, 0)
        betas, still = np.repeat(state.betas[None], 90, 0), np.zeros((90, 3), np.float32)
        batch = partial(pose_batch, restrict(model, np.arange(40)), rotations, betas, state.expression[None], still)
        rows.append((f"pose_batch, {name}, 40 vertices x 90", milliseconds(batch)))
    for name, took in rows:
        print(f"{name:60}{took:7.2f} ms")


if __name__ == "__main__":
    main()
