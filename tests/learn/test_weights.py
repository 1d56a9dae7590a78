"""The weights that ship: they load, they are small, they carry nothing of where they were made, and they help."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lexis_core.errors import InputError
from lexis_core.learn import checkpoint, ship
from lexis_core.learn.evaluation.benchmark import load_benchmark
from lexis_core.learn.evaluation.scores import Truth, state_of
from lexis_core.learn.sampler import WEIGHTS, load_flow, sample
from lexis_core.synthetic import generate

NAMES = ("net", "encoder", "flow")
COUNT = 24


def test_they_are_small_and_say_how_they_were_trained():
    assert sum((WEIGHTS / f"{name}.pt").stat().st_size for name in NAMES) <= ship.MOST
    for name in NAMES:
        content = checkpoint.load(WEIGHTS / f"{name}.pt", ship.KINDS[name])
        assert content["step"] > 0 and "seed" in content["settings"]
        assert not set(content["settings"]) & set(ship.PATHS)


def test_ship_writes_what_loads_and_refuses_another_kind(tmp_path):
    sources = {name: WEIGHTS / f"{name}.pt" for name in NAMES}
    ship.ship(sources, tmp_path / "weights")
    a, b = load_flow(WEIGHTS), load_flow(tmp_path / "weights")
    for name, value in a.flow.state_dict().items():
        assert torch.equal(value, b.flow.state_dict()[name])
    with pytest.raises(InputError, match="not a checkpoint of"):
        ship.ship(sources | {"net": WEIGHTS / "flow.pt"}, tmp_path / "more")
    assert not (tmp_path / "more").exists()


@pytest.fixture(scope="module")
def benchmark(tmp_path_factory):
    folder = tmp_path_factory.mktemp("unseen")
    generate.generate(COUNT, 5, folder / "unseen.npz", processes=1, test=True)
    return load_benchmark(str(folder / "unseen.npz"), None, 0, folder, 1)


def test_the_star_is_nearer_to_the_truth_than_its_start(benchmark):
    """On two dozen unseen interactions; docs/evaluation.md has the benchmark."""
    flow, rows = load_flow(WEIGHTS), np.arange(len(benchmark))
    start = benchmark.starts(1.0, 0)
    found = sample(flow, benchmark.observed(rows, flow.encoder(benchmark.pictures(rows))), start).states
    scores = {name: [] for name in ("start", "found")}
    for k in rows:
        truth = Truth(benchmark.interactions.take(np.array([k])), 0)
        for name, states in (("start", start), ("found", found)):
            scores[name].append(truth.scores(state_of(*(part[k].numpy() for part in states))))
    for metric in ("pa_cd_object_cm", "if_mae_object", "if_mae_body"):
        before, after = (np.nanmean([s[metric] for s in scores[name]]) for name in ("start", "found"))
        assert after < before, metric
