"""From every image's scores to means, 95 % bootstrap intervals, paired differences, and their JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from lexis_core.learn.evaluation.methods import PAIRS
from lexis_core.metrics import bootstrap_ci

Array = np.ndarray
Scores = Mapping[str, Mapping[str, Array]]  # method, metric: (N,), NaN where not defined

RESAMPLES = 2000


def section(scores: Scores, groups: Mapping[str, Array]) -> dict[str, Any]:
    """Means and paired differences over all images, and over each group (N,) bool of them under "breakdowns"."""
    count = len(next(iter(next(iter(scores.values())).values())))
    parts = {name: {"n": int(chosen.sum()), **_tables(scores, chosen)}
             for name, chosen in groups.items() if chosen.any() and not chosen.all()}
    return {"n": count, **_tables(scores, np.ones(count, bool)), "breakdowns": parts}


def _tables(scores: Scores, chosen: Array) -> dict[str, Any]:
    methods = {name: {metric: _interval(values[chosen]) for metric, values in of.items()}
               for name, of in scores.items()}
    paired = {f"{one} - {other}": {metric: difference(values[chosen], scores[other][metric][chosen])
                                   for metric, values in scores[one].items()}
              for one, other in PAIRS if one in scores and other in scores}
    return {"methods": methods, "paired": paired}


def difference(one: Array, other: Array) -> dict[str, Any]:
    """one - other over the images where both are defined, and as a share of the other's mean there."""
    both = ~(np.isnan(one) | np.isnan(other))
    found = _interval(one[both] - other[both])
    middle = float(other[both].mean()) if both.any() else 0.0
    relative = found["mean"] / middle if found["mean"] is not None and middle else None
    return found | {"relative": _number(relative)}


def _interval(values: Array) -> dict[str, Any]:
    found = bootstrap_ci(values, resamples=RESAMPLES)
    return {"mean": _number(found.mean), "ci95": [_number(found.low), _number(found.high)],
            "n": int((~np.isnan(values)).sum())}


def _number(value: float | None) -> float | None:
    """JSON knows no NaN: null says that there is nothing to average."""
    return None if value is None or not np.isfinite(value) else round(float(value), 6)
