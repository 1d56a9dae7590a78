"""How far each joint of a living body turns, and where it likes to rest: bounds and prior of the body solver.

Axis-angle components in radians, in the rest frame's axes (x left, y up, z front). The bounds take in the 0.5 and
99.5 percentiles of the open CMU motion capture poses, widened where that set has no such motion (arms overhead,
shrugged collars, deep squats); the rest and its spread follow the same set's medians and deviations.
"""

from __future__ import annotations

import numpy as np

from lexis_core.body.names import JOINTS

Array = np.ndarray

# joint: low xyz, high xyz, rest xyz, spread xyz; of the left side and the middle
_TABLE = {
    "hip": ((-2.3, -0.8, -0.5), (0.6, 0.8, 0.9), (-0.2, 0.0, 0.0), (0.6, 0.25, 0.25)),
    "knee": ((-0.05, -0.2, -0.1), (2.5, 0.25, 0.1), (0.3, 0.05, 0.0), (0.6, 0.06, 0.04)),
    "ankle": ((-0.8, -0.5, -0.3), (0.7, 0.6, 0.3), (-0.1, 0.0, 0.0), (0.25, 0.2, 0.1)),
    "spine1": ((-0.3, -0.3, -0.3), (0.6, 0.3, 0.3), (0.04, 0.0, 0.0), (0.15, 0.12, 0.1)),
    "spine2": ((-0.3, -0.3, -0.3), (0.6, 0.3, 0.3), (0.04, 0.0, 0.0), (0.15, 0.12, 0.1)),
    "spine3": ((-0.3, -0.3, -0.3), (0.6, 0.3, 0.3), (0.04, 0.0, 0.0), (0.12, 0.12, 0.1)),
    "neck": ((-0.6, -0.7, -0.4), (0.7, 0.7, 0.4), (0.05, 0.0, 0.0), (0.2, 0.25, 0.15)),
    "head": ((-0.8, -0.7, -0.5), (0.6, 0.7, 0.5), (-0.05, 0.0, 0.0), (0.25, 0.25, 0.15)),
    "collar": ((-0.15, -0.3, -0.2), (0.15, 0.3, 0.5), (0.0, 0.0, 0.0), (0.05, 0.12, 0.15)),
    "shoulder": ((-1.6, -2.0, -1.8), (1.6, 1.0, 1.6), (0.2, -0.3, -1.25), (0.6, 0.7, 0.8)),
    "elbow": ((-0.6, -2.6, -0.3), (0.6, 0.05, 1.3), (0.0, -0.5, 0.3), (0.2, 0.7, 0.4)),
    "wrist": ((-0.9, -0.7, -0.9), (0.9, 0.7, 0.9), (0.0, 0.0, 0.1), (0.3, 0.25, 0.25)),
}
_MIRROR = np.array([1.0, -1.0, -1.0])

SOLVED = tuple(j for j, name in enumerate(JOINTS[:22]) if j and "foot" not in name)


def _row(name: str) -> tuple[Array, ...]:
    low, high, rest, spread = (np.array(v) for v in _TABLE[name.removeprefix("left_").removeprefix("right_")])
    if name.startswith("right_"):
        low, high = np.minimum(low * _MIRROR, high * _MIRROR), np.maximum(low * _MIRROR, high * _MIRROR)
        rest = rest * _MIRROR
    return low, high, rest, spread


# each (len(SOLVED), 3)
LOW, HIGH, REST, SPREAD = (np.stack(rows) for rows in zip(*(_row(JOINTS[j]) for j in SOLVED), strict=True))
