"""All hypotheses of a reconstruction, kept inside the .blend: what differs between them is small."""

from __future__ import annotations

import io
from collections.abc import Sequence

import bpy
import numpy as np

from lexis_core.body.model import BodyModel
from lexis_core.errors import InputError
from lexis_core.files import arrays_in
from lexis_core.interfield import InterField, field_of
from lexis_core.reconstruction import Reconstruction, to_arrays

from . import apply_state, facts, fields, read_back, store
from .identity import Imported

Array = np.ndarray

KEPT = "lexis_hypotheses"
MEASURED = ("body_distance", "object_distance", "body_inside", "object_inside")
PREDICTED = ("predicted_body", "predicted_object")


def keep(made: Imported, results: Sequence[Reconstruction]) -> None:
    """Keep them all, best first; the first is the one that was imported."""
    _write(made, [to_arrays(result) for result in results])
    made.collection[facts.HYPOTHESIS] = 0


def add(made: Imported, result: Reconstruction) -> None:
    """Keep one more, what was solved on from what is there, and say that it is the one shown."""
    stacks = _arrays(made.collection) if facts.count(made.collection) else {}
    each = [{name: stack[index] for name, stack in stacks.items()} for index in range(facts.count(made.collection))]
    _write(made, [*each, to_arrays(result)])
    made.collection[facts.HYPOTHESIS] = len(each)


def take(context: bpy.types.Context, made: Imported, model: BodyModel, result: Reconstruction) -> None:
    """Pose rig and object as a result solved on from this import says, and keep it as one more hypothesis."""
    if not facts.count(made.collection):
        keep(made, [read_back.as_kept(made, model)])
    apply_state.apply(context, made, model, result)
    add(made, result)


def show(context: bpy.types.Context, made: Imported, model: BodyModel, index: int) -> None:
    """Pose rig and object, and write the fields, as one of the hypotheses has them; no object is added.

    What was posed by hand is lost to it, until undone. InputError when there is no such hypothesis.
    """
    total = facts.count(made.collection)
    if not 0 <= index < total:
        raise InputError(f"There is no hypothesis {index + 1}.", f"This result has {total}.", "Choose one of them.")
    apply_state.apply(context, made, model, _read(made, model, index))
    made.collection[facts.HYPOTHESIS] = index


def _write(made: Imported, each: Sequence[dict[str, Array]]) -> None:
    """What some have not, or have for the vertices the object had before it was edited, is kept as NaN."""
    stacks = {name: np.stack([arrays[name] for arrays in each]) for name in store.POSED}
    for name in (*MEASURED, *PREDICTED):
        shape = next((arrays[name].shape for arrays in reversed(each) if name in arrays), None)
        if shape is not None:
            fitting = [arrays[name] if name in arrays and arrays[name].shape == shape else None for arrays in each]
            stacks[name] = np.stack([_nothing(name, shape) if own is None else own for own in fitting])
    store.put_bytes(made.collection, KEPT, store.packed(stacks))
    made.collection[facts.HYPOTHESES] = len(each)


def _nothing(name: str, shape: tuple[int, ...]) -> Array:
    return np.zeros(shape, bool) if name.endswith("inside") else np.full(shape, np.nan, np.float32)


def _read(made: Imported, model: BodyModel, index: int) -> Reconstruction:
    arrays = _arrays(made.collection)
    try:
        own = {name: stack[index] for name, stack in arrays.items()}
    except IndexError as error:
        raise _damaged(made.collection, f"It has no number {index + 1}.") from error
    sigma = fields.sigma(made)
    distances, inside = [own[name] for name in MEASURED[:2]], [own[name] for name in MEASURED[2:]]
    known = all(np.isfinite(d).all() for d in distances)
    field = InterField(*(field_of(d, sigma) for d in distances), *distances, *inside, sigma) if known else None
    predicted = tuple(own[name] for name in PREDICTED if name in own and np.isfinite(own[name]).all())
    kept = store.kept(made) | {name: own[name] for name in store.POSED}
    return read_back.whole(made, model, kept, field, predicted if len(predicted) == 2 else None)


def _arrays(collection: bpy.types.Collection) -> dict[str, Array]:
    data = collection.get(KEPT)
    try:
        if not isinstance(data, bytes):
            raise ValueError(f"Its {KEPT} is missing.")
        arrays = arrays_in(io.BytesIO(data), (*store.POSED, *MEASURED, *PREDICTED), store.LIMIT)
        if lost := sorted({*store.POSED, *MEASURED} - set(arrays)):
            raise ValueError(f"It lacks {', '.join(lost)}.")
        if any(array.ndim == 0 for array in arrays.values()):
            raise ValueError("It holds no stacks of arrays.")
    except (OSError, ValueError) as error:
        raise _damaged(collection, str(error)) from error
    return arrays


def _damaged(collection: bpy.types.Collection, why: str) -> InputError:
    return InputError(f'The hypotheses of "{collection.name}" cannot be read.', why, "Reconstruct again.")
