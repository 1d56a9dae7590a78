"""The benchmark: all methods from the same observations and the same starts, scored against the truth.

`lexis evaluate` is its command line; evaluate_table renders its JSON.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from lexis_core import __version__
from lexis_core.errors import InputError
from lexis_core.learn.evaluation.benchmark import Benchmark, load_benchmark
from lexis_core.learn.evaluation.methods import METHODS, Method, Task
from lexis_core.learn.evaluation.report import section
from lexis_core.learn.evaluation.scores import CONVENTIONS, METRICS, Truth, state_of
from lexis_core.learn.flow_net import UNKNOWN
from lexis_core.learn.flow_state import States
from lexis_core.learn.sampler import WEIGHTS, Flow, load_flow
from lexis_core.synthetic.states import Interactions

Array = np.ndarray
Say = Callable[[str], None]

BATCH = 32
REAL = "real"  # in place of a scale: the expert estimate itself
LARGEST = 2.0  # scale of a start's errors
SAID_EVERY = 10.0  # seconds


@dataclass(frozen=True)
class Plan:
    """What to evaluate.

    data    : "synthetic:test", or FILE.npz[:split] of lexis_core.synthetic
    methods : names of METHODS
    scales  : of the starts' errors, 1 is the expert estimate's own; or REAL, the estimate itself on fewer images
    count   : interactions, all when None; chosen by the seed, as the starts and the noise are
    weights : a folder of trained networks, for the learned methods
    cache   : a folder for the test set and its pictures
    workers : processes that score
    real    : interactions the estimate is run on; timed : images that each method is timed on
    told    : the learned methods are told the scale of the start's errors
    size    : how many times as large as the true object the one is that the methods are given
    """

    data: str
    methods: tuple[str, ...]
    scales: tuple[str, ...] = ("1", "0.5", "0.25")
    count: int | None = None
    seed: int = 0
    weights: Path = WEIGHTS
    cache: Path = Path("lexis-data")
    workers: int = 1
    real: int = 100
    timed: int = 5
    told: bool = False
    size: float = 1.0


@dataclass(frozen=True)
class _Run:
    """One scale: the rows it has, the states of each method there."""

    rows: Array
    states: dict[str, States]


def evaluate(plan: Plan, say: Say = print) -> dict[str, Any]:
    """Run and score everything; the JSON's content. `methods` and `paired` at the top are the first scale's.

    Raises InputError when the plan, the data or the weights are not what they must be.
    """
    methods = {name: _method(name) for name in plan.methods}
    scales = [_scale(text) for text in plan.scales]
    if not methods or not scales:
        raise InputError("There is nothing to evaluate.", "No method or no scale was given.",
                         f"Methods are {', '.join(METHODS)}.")
    if plan.size <= 0 or (plan.size != 1 and None in scales):
        raise InputError(f"The object cannot be given at {plan.size:g} times its size.",
                         f"A size is more than 0, and the scale {REAL} is of true sizes only.",
                         f"Give a size such as 0.8, and no scale {REAL} with it.")
    flow = load_flow(plan.weights) if any(method.learned for method in methods.values()) else None
    say(f"{plan.data}: reading, and rendering what is not in the cache")
    benchmark = load_benchmark(plan.data, plan.count, plan.seed, plan.cache, plan.workers, plan.size)
    say(f"{len(benchmark)} interactions, {benchmark.touch.sum()} with contact, {benchmark.held_out.sum()} held out")
    runs = _runs(plan, scales, methods, benchmark, flow, say)
    scores = _scored(benchmark, runs, plan.workers, say)
    seconds = _timed(plan, methods, benchmark, flow)
    groups = {"seen categories": ~benchmark.held_out, "held-out categories": benchmark.held_out,
              "contact": benchmark.touch, "no contact": ~benchmark.touch}
    found = {}
    for text, run in runs.items():
        table = {name: of | {"seconds": _padded(seconds[name], len(run.rows))} for name, of in scores[text].items()}
        found[text] = section(table, {name: chosen[run.rows] for name, chosen in groups.items()})
    head = {"data": plan.data, "seed": plan.seed, "version": __version__, "scale": plan.scales[0],
            "threads": torch.get_num_threads(), "told": plan.told, "size": plan.size, "conventions": CONVENTIONS}
    return head | found[plan.scales[0]] | {"scales": found}


def _method(name: str) -> Method:
    if name not in METHODS:
        raise InputError(f"There is no method {name}.", "The table does not know it.",
                         f"Methods are {', '.join(METHODS)}.")
    return METHODS[name]


def _scale(text: str) -> float | None:
    """A scale as a number; None for REAL."""
    if text == REAL:
        return None
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= LARGEST:
        raise InputError(f"The starts cannot have a scale of {text}.",
                         f"It is not a number from 0 to {LARGEST:g}, nor the word {REAL}.",
                         "Give scales such as 1,0.5,0.25.")
    return number


def _runs(plan: Plan, scales: Sequence[float | None], methods: dict[str, Method], benchmark: Benchmark,
          flow: Flow | None, say: Say) -> dict[str, _Run]:
    """Every method at every scale; those that do not look at the start, once."""
    everything, free, runs = np.arange(len(benchmark)), {}, {}
    for text, scale in zip(plan.scales, scales, strict=True):
        if scale is None:
            say(f"the expert estimate itself, on {min(plan.real, len(benchmark))} images")
            rows, begun = benchmark.real_starts(plan.real, plan.workers)
        else:
            rows, begun = everything, benchmark.starts(scale, plan.seed)
        states = {}
        for name, method in methods.items():
            if not method.from_start and name in free:
                states[name] = _take(free[name], rows)
                continue
            whole = rows if method.from_start else everything
            now = time.monotonic()
            told = scale if plan.told and scale is not None else UNKNOWN
            made = _made(method, benchmark, whole, begun if method.from_start else _blank(len(whole)), flow, told, plan)
            say(f"scale {text}, {name}: {len(whole)} images in {time.monotonic() - now:.0f} s")
            if not method.from_start:
                free[name], made = made, _take(made, rows)
            states[name] = made
        runs[text] = _Run(rows, states)
    return runs


def _made(method: Method, benchmark: Benchmark, rows: Array, begun: States, flow: Flow | None, scale: float, plan: Plan
          ) -> States:
    """The method's states of these rows, begun from these starts, BATCH at a time."""
    pieces = [_batch(method, benchmark, rows[k:k + BATCH], _take(begun, np.arange(k, min(k + BATCH, len(rows)))), flow,
                     scale, plan.seed + k) for k in range(0, len(rows), BATCH)]
    return States(*(torch.cat(column).cpu() for column in zip(*pieces, strict=True)))


def _batch(method: Method, benchmark: Benchmark, rows: Array, begun: States, flow: Flow | None, scale: float,
           seed: int) -> States:
    field = benchmark.true_fields(rows) if method.told else None
    with torch.no_grad():
        image = flow.encoder(benchmark.pictures(rows)) if method.learned else None
        return method.run(Task(benchmark.observed(rows, image), begun, scale, seed, field), flow)


def _timed(plan: Plan, methods: dict[str, Method], benchmark: Benchmark, flow: Flow | None) -> dict[str, Array]:
    """Seconds of each method, one image at a time; none of what is only looked up."""
    begun = benchmark.starts(1.0, plan.seed)
    rows = np.arange(min(plan.timed + 1, len(benchmark)) if plan.timed else 0)
    found = {name: np.zeros(0) for name in methods}
    for name, method in methods.items():
        if name == "estimate":
            continue
        seconds = []
        for k in rows:
            now = time.perf_counter()
            _batch(method, benchmark, rows[k:k + 1], _take(begun, rows[k:k + 1]), flow, UNKNOWN, plan.seed)
            seconds.append(time.perf_counter() - now)
        found[name] = np.array(seconds[1:])
    return found


def _padded(seconds: Array, count: int) -> Array:
    return np.concatenate([seconds, np.full(count, np.nan)])[:count]


def _scored(benchmark: Benchmark, runs: dict[str, _Run], workers: int, say: Say
            ) -> dict[str, dict[str, dict[str, Array]]]:
    """Scale, method, metric: (rows,)."""
    table = {text: {name: {metric: np.full(len(run.rows), np.nan) for metric in METRICS} for name in run.states}
             for text, run in runs.items()}
    place = {text: {int(row): k for k, row in enumerate(run.rows)} for text, run in runs.items()}

    def job(i: int) -> tuple[Interactions, float, dict]:
        states = {(text, name): tuple(part[place[text][i]].numpy() for part in run.states[name])
                  for text, run in runs.items() if i in place[text] for name in run.states}
        return benchmark.interactions.take(np.array([i])), benchmark.size, states

    begun, said = time.monotonic(), 0.0
    for i, scores in enumerate(_mapped(_score, (job(i) for i in range(len(benchmark))), workers)):
        for (text, name), of in scores.items():
            for metric, value in of.items():
                table[text][name][metric][place[text][i]] = value
        passed = time.monotonic() - begun
        if passed > said + SAID_EVERY or i + 1 == len(benchmark):
            said = passed
            say(f"scored {i + 1} of {len(benchmark)}, {passed / (i + 1):.2f} s an interaction")
    return table


def _mapped(work: Callable, jobs: Iterator, workers: int) -> Iterator:
    if workers <= 1:
        with threadpool_limits(1):
            yield from map(work, jobs)
        return
    with ProcessPoolExecutor(workers, get_context("spawn"), _alone) as pool:
        yield from pool.map(work, jobs)


def _alone() -> None:
    """One thread for each process that scores."""
    os.environ["IGL_NUM_THREADS"] = "1"
    torch.set_num_threads(1)
    threadpool_limits(1)


def _score(job: tuple[Interactions, float, dict]) -> dict:
    one, size, states = job
    truth = Truth(one, 0, size)
    return {key: truth.scores(state_of(*parts)) for key, parts in states.items()}


def _take(states: States, rows: Array) -> States:
    at = torch.from_numpy(np.asarray(rows))
    return States(*(part[at] for part in states))


def _blank(count: int) -> States:
    """A start that says nothing, for methods that do not look at it."""
    turn = torch.eye(3)
    return States(turn.expand(count, 21, 3, 3), turn.expand(count, 3, 3), torch.tensor([0.0, 0, 3]).expand(count, 3),
                  torch.zeros(count, 10), turn.expand(count, 3, 3), torch.tensor([0.0, 0, 3]).expand(count, 3))
