"""The object instances of a set: which belong to training, validation and testing, and each one ready for solving."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

import numpy as np

from lexis_core.files import written_whole
from lexis_core.objects.library import CATEGORIES, make
from lexis_core.synthetic import solids
from lexis_core.synthetic.actions import HELD_OUT, PLANS

TRAIN, VALIDATION, TEST, HELD = range(4)  # states.SPLITS
HELD_SHARE = 1 / 3  # of a test set's interactions with an action that held-out categories allow


def instances(count: int, seed: int, test: bool = False) -> list[tuple[str, dict, int]]:
    """(category, parameters, split) of every object of a set of this size; no instance is in two splits.

    A test set draws all of its own, of every category; otherwise there are none for testing, no held-out categories,
    and one in ten of each category is for validation.
    """
    each = int(np.clip(count // 1000, 5, 40))
    kept = max(1, each // 10)
    found = []
    for k, (name, category) in enumerate(CATEGORIES.items()):
        if name in HELD_OUT and not test:
            continue
        rng = np.random.default_rng([seed, 4 if test else 1, k])
        for n in range(each):
            parameters = {key: value.item() if isinstance(value, np.generic) else value
                          for key, value in category.sample(rng).items()}
            held = HELD if name in HELD_OUT else TEST
            found.append((name, parameters, held if test else VALIDATION if n < kept else TRAIN))
    return found


def wanted_kinds(action: str, test: bool) -> dict[str, float]:
    """The categories an action is made with, and the share of its interactions that each kind of category should have.

    Shares are per category; those that no training sample shows get HELD_SHARE together, and only in a test set.
    """
    usual, held = ([n for n in PLANS[action] if (n in HELD_OUT) == out] for out in (False, True))
    if not test or not held:
        return {name: 1 / len(usual) for name in usual}
    return ({name: (1 - HELD_SHARE) / len(usual) for name in usual}
            | {name: HELD_SHARE / len(held) for name in held})


@lru_cache(maxsize=200)
def solid(category: str, parameters: str, grid: Path | None) -> solids.Solid:
    """An instance ready for solving; its grid is kept in a file, for every shard wants it."""
    if grid is not None and grid.is_file():
        return solids.solid(make(category, **json.loads(parameters)), 0, np.load(grid, allow_pickle=False))
    made = solids.solid(make(category, **json.loads(parameters)), 0)
    if grid is not None:
        with written_whole(grid) as temporary:
            np.save(temporary, made.values)
    return made
