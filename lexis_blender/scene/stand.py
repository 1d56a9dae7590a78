"""How an import stands, told in microseconds, so that a panel can say that its fields belong to an earlier pose."""

from __future__ import annotations

from .facts import STANDS
from .identity import Imported

SAME = 1e-4  # of any number: radians, metres, or a slider's value


def now(made: Imported) -> list[float]:
    """The pose of each bone, the sliders, and the object's place from the rig's: enough to tell that one has moved.

    Constraints count on the object alone.
    """
    bones, keys = made.rig.pose.bones, made.body.data.shape_keys
    pose = [0.0] * (16 * len(bones))
    bones.foreach_get("matrix_basis", pose)
    sliders = [0.0] * (len(keys.key_blocks) if keys is not None else 0)
    if sliders:
        keys.key_blocks.foreach_get("value", sliders)
    placed = made.rig.matrix_world.inverted_safe() @ made.object.matrix_world
    return [*pose, *sliders, *(number for row in placed for number in row)]


def as_measured(made: Imported) -> bool:
    """Whether everything stands where it stood when the fields were measured; True where that is not known."""
    kept = made.collection.get(STANDS)
    if not hasattr(kept, "to_list"):
        return True
    before, after = kept.to_list(), now(made)
    return before == after or (
        len(before) == len(after) and all(abs(a - b) < SAME for a, b in zip(before, after, strict=True)))
