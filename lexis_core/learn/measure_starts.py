"""Measure the expert estimate's errors: run it on rendered interactions whose truth is known, and keep the difference.

    python -m lexis_core.learn.measure_starts STATES [--out FILE] [--count 300]

The landmarks are the renderer's, with a detector's errors; the masks are what is seen of person and object; the camera
is known. The estimate is the pipeline's: body_from_landmarks, then object_from_mask, or object_by_category where
nothing is seen of the object. Rows are kept as they come, so that a killed run goes on where it stopped.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from pathlib import Path

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from lexis_core.body import default_body, pose, rest_joints
from lexis_core.errors import InputError
from lexis_core.files import read_arrays, written_whole
from lexis_core.geometry import axis_angle_from_rotation, nearest_rotation, rotation_from_axis_angle
from lexis_core.initialise import body_from_landmarks, object_by_category, object_from_mask
from lexis_core.initialise.crop import reduced
from lexis_core.interfield import CONTACT, distance
from lexis_core.learn.flow_batch import true_states
from lexis_core.learn.flow_state import States, place_of
from lexis_core.learn.starts import FILE, MAX_BYTES, PLACES, RESIDUALS, kind_of, residuals
from lexis_core.mesh import Mesh
from lexis_core.objects.library import CATEGORIES
from lexis_core.observe.observation import Observation
from lexis_core.pipeline import SOLVED_SIDE
from lexis_core.state import State
from lexis_core.synthetic.render import Rendered, render
from lexis_core.synthetic.states import SPLITS, Interactions, load

Array = np.ndarray

MEASURED = ("train", "validation")  # splits; the test rows stay unseen
SAVED_EVERY = 10
ORDER = 20_604_801                  # seed of the order in which rows are taken
EXTRA = ("row", "kind", "category", "log_scale", "by_mask", "seconds")


def seen_in(picture: Rendered) -> Observation:
    """What the estimate gets to see of a rendered picture."""
    shown = picture.object_mask if picture.object_mask.any() else None
    return Observation(picture.image, picture.camera, picture.person_mask, shown, picture.landmarks,
                       picture.landmarks_world, picture.confidence)


def estimated(interactions: Interactions, i: int, seen: Observation, seed: int = 0) -> tuple[State, tuple[float, ...]]:
    """The expert estimate of interaction i, as the pipeline makes it, and the seconds of body and object.

    Raises InputError as the pipeline does, when the pose cannot be read.
    """
    model, thing = default_body(), interactions.object_model(i)
    place = CATEGORIES[thing.category].place
    seen = reduced(seen, SOLVED_SIDE)
    begun = time.perf_counter()
    with threadpool_limits(1, "blas"):
        body = body_from_landmarks(model, seen)
        posed = pose(model, body)
        halfway = time.perf_counter()
        if seen.object_mask is None:
            placed = object_by_category(thing, place, posed)
        else:
            placed = object_from_mask(thing, place, Mesh(posed.vertices, model.faces), seen, seed).state
    return State(body, placed), (halfway - begun, time.perf_counter() - halfway)


def as_states(states: list[State]) -> States:
    """Camera-space states as a batch. Hands, face and an object's scale are left out."""
    def rows(values: list[Array]) -> torch.Tensor:
        return torch.from_numpy(np.stack(values).astype(np.float32))

    pelvis = [rest_joints(default_body(), s.body.betas, np.zeros(10))[0] + s.body.translation for s in states]
    return States(rows([rotation_from_axis_angle(s.body.body_pose) for s in states]),
                  rows([s.body.rotation for s in states]), rows(pelvis), rows([s.body.betas for s in states]),
                  rows([s.object.rotation for s in states]), rows([s.object.translation for s in states]))


def touching(interactions: Interactions, i: int) -> bool:
    """Whether any vertex of the true body is in contact with the true object."""
    state = interactions.world_state(i)
    thing = interactions.object_model(i).mesh.moved(state.object.rotation, state.object.translation)
    return bool(distance(pose(default_body(), state.body).vertices, thing).min() < CONTACT)


def measure_row(interactions: Interactions, i: int) -> dict[str, Array | int | float | str]:
    """The residuals of interaction i's estimate, and what they belong to."""
    picture = render(interactions, i)
    seen = seen_in(picture)
    guess, seconds = estimated(interactions, i, seen)
    focal = torch.tensor([picture.camera.focal[0] / picture.camera.width], dtype=torch.float32)
    truth = as_states([interactions.state(i)])
    row = {name: values[0].numpy() for name, values in residuals(truth, as_states([guess]), focal).items()}
    category = interactions.category(i)
    return row | {"row": i, "kind": kind_of(category, touching(interactions, i)), "category": category,
                  "log_scale": float(np.log(guess.object.scale)), "by_mask": seen.object_mask is not None,
                  "seconds": np.array(seconds, np.float32)}


def measure(states: Path, out: Path, count: int) -> None:
    """Measure rows in a random order until count of them are in the file, those that failed included."""
    interactions, digest = load(states), hashlib.sha256(states.read_bytes()).hexdigest()[:16]
    wanted = np.flatnonzero(np.isin(interactions.split, [SPLITS.index(name) for name in MEASURED]))
    order = np.random.default_rng(ORDER).permutation(wanted)[:count]
    rows, failed = _resumed(out, digest)
    left = [int(i) for i in order if i not in {row["row"] for row in rows} | set(failed)]
    for done, i in enumerate(left, 1):
        begun = time.perf_counter()
        try:
            rows.append(measure_row(interactions, i))
            said = f"{np.degrees(np.linalg.norm(rows[-1]['object_rotation'])):5.0f} deg of the object"
        except InputError as error:
            failed.append(i)
            said = error.what
        print(f"{len(rows) + len(failed)} of {len(order)}: row {i}, {interactions.category(i)}, "
              f"{time.perf_counter() - begun:.1f} s, {said}", flush=True)
        if done % SAVED_EVERY == 0:
            _save(out, digest, interactions, rows, failed)
    _save(out, digest, interactions, rows, failed)


def _resumed(out: Path, digest: str) -> tuple[list[dict], list[int]]:
    if not out.exists():
        return [], []
    try:
        arrays = read_arrays(out, ("head", *EXTRA, *RESIDUALS), MAX_BYTES)
        head = json.loads(str(arrays.pop("head")))
        known = head["states"] == digest
        rows = [{name: values[k] for name, values in arrays.items()} for k in range(len(arrays["row"]))]
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{out} cannot be gone on with.", f"{error}", "Delete it, or give another --out.") from error
    return (rows, head["failed"]) if known else ([], [])


def _save(out: Path, digest: str, interactions: Interactions, rows: list[dict], failed: list[int]) -> None:
    head = json.dumps({"states": digest, "failed": failed, "places": PLACES}, sort_keys=True)
    columns = {name: np.array([row[name] for row in rows]) for name in (*EXTRA, *RESIDUALS)}
    columns |= {name: columns[name].astype(np.float16) for name in ("theta", "betas", "seconds", "log_scale")}
    truth = true_states(interactions.take(columns["row"]))
    focal = torch.from_numpy(interactions.focal[columns["row"]])
    mean = {"theta": axis_angle_from_rotation(nearest_rotation(truth.theta.mean(0).numpy())),
            "place": place_of(truth.pelvis, focal).mean(0).numpy(),
            "offset": (truth.object_position - truth.pelvis).mean(0).numpy()}
    columns |= {f"mean_{name}": value.astype(np.float32) for name, value in mean.items()}
    with written_whole(out) as path, open(path, "wb") as file:
        np.savez_compressed(file, head=np.array(head), **columns)


def summary(path: Path = FILE) -> str:
    """Median and 90th percentile of each error, by kind, as a Markdown table."""
    arrays = read_arrays(path, ("head", *EXTRA, *RESIDUALS), MAX_BYTES)
    errors = {
        "body turn, deg": _degrees(arrays["body_rotation"]),
        "pelvis in the picture, % of the crop": 100 * np.linalg.norm(arrays["body_place"][:, :2], axis=1),
        "depth, %": 100 * np.abs(np.expm1(arrays["body_place"][:, 2])),
        "bone, deg": _degrees(arrays["theta"]).mean(1),
        "object turn, deg": _degrees(arrays["object_rotation"]),
        "object in the picture, % of the crop": 100 * np.linalg.norm(arrays["object_place"][:, :2], axis=1),
        "object's depth from the pelvis, cm": 100 * np.abs(arrays["object_place"][:, 2]),
    }
    kinds = {"all": np.ones(len(arrays["kind"]), bool), "touching": arrays["kind"] % 2 == 1,
             "not touching": arrays["kind"] % 2 == 0}
    kinds |= {f"{place}, touching": arrays["kind"] == 2 * k + 1 for k, place in enumerate(PLACES)}
    lines = ["| kind | n | " + " | ".join(errors) + " |", "|---" * (len(errors) + 2) + "|"]
    for name, chosen in kinds.items():
        if chosen.any():
            cells = [f"{np.median(e[chosen]):.1f} / {np.quantile(e[chosen], 0.9):.1f}" for e in errors.values()]
            lines.append(f"| {name} | {chosen.sum()} | " + " | ".join(cells) + " |")
    failed, seconds = json.loads(str(arrays["head"]))["failed"], np.median(arrays["seconds"].astype(float), axis=0)
    lines += ["", f"{len(failed)} of {len(failed) + len(arrays['kind'])} could not be estimated; "
              f"{(~arrays['by_mask']).sum()} showed nothing of the object and were placed by category. "
              f"Median seconds: body {seconds[0]:.2f}, object {seconds[1]:.2f}."]
    return "\n".join(lines)


def _degrees(vectors: Array) -> Array:
    return np.degrees(np.linalg.norm(vectors.astype(np.float64), axis=-1))


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the expert estimate's errors on rendered interactions.")
    parser.add_argument("states", type=Path, nargs="?", metavar="STATES", help="leave out to print only")
    parser.add_argument("--out", type=Path, default=FILE)
    parser.add_argument("--count", type=int, default=300)
    options = parser.parse_args()
    if options.states is not None:
        measure(options.states, options.out, options.count)
    print(summary(options.out))


if __name__ == "__main__":
    main()
