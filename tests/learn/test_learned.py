"""`reconstruct` by LEXIS-Flow*: it goes on from the estimate, says so, and leaves it alone where it is told to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lexis_core.errors import InputError
from lexis_core.pipeline import reconstruct

DEMO = Path(__file__).resolve().parents[2] / "lexis_core" / "data" / "demo"


def solved(method: str):
    return reconstruct(DEMO / "camera.png", "tripod", person_mask=DEMO / "person_mask.png",
                       object_mask=DEMO / "tripod_mask.png", method=method)


def test_the_learned_result_begins_at_the_estimate_and_says_so():
    estimate, learned = solved("estimate"), solved("auto")
    assert (estimate.info["method"], learned.info["method"]) == ("estimate", "learned")
    assert "flow" in learned.info["seconds"] and "flow" not in estimate.info["seconds"]
    body, other = estimate.state.body, learned.state.body
    assert not np.array_equal(body.body_pose, other.body_pose)
    gap = np.linalg.norm(other.translation - body.translation) / np.linalg.norm(body.translation)
    assert gap < 0.3  # of the way to the camera
    assert learned.field.object.shape == estimate.field.object.shape


def test_an_unknown_method_is_told():
    with pytest.raises(InputError, match="no method"):
        solved("magic")
