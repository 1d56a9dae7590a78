"""What LEXIS-Net trains on: the exact InterFields of stored interactions, measured once into a cache file.

    python -m lexis_core.learn.net_data STATES [--cache FOLDER] [--processes 2]

The cache is one .npy of float16 beside the states file, named after the digest of everything it depends on. Rows are
written as they are measured, so a killed run goes on where it stopped. Distances to the object are exact, by one tree
for all interactions of an object; those to the body are body_distance's, nearly so.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, lru_cache
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from lexis_core.body import default_body, pose
from lexis_core.body.surface import SEED, BodyPoints, points_of
from lexis_core.errors import InputError
from lexis_core.files import unwritable
from lexis_core.geometry import rotation_from_axis_angle, sixd_from_rotation
from lexis_core.interfield import distance_to
from lexis_core.learn.body_distance import body_distance
from lexis_core.mesh import Mesh, sample_surface
from lexis_core.objects.library import make
from lexis_core.synthetic.states import SPLITS, Interactions, load

Array = np.ndarray

BODY_POINTS, OBJECT_POINTS = 1000, 1024
FAR = 4.0     # metres; farther is stored as this: the field has long since been 0
CHUNK = 64    # interactions a process takes at a time
VERSION = 2   # of what is measured and how


@dataclass(frozen=True)
class Fields:
    """Arrays of a whole states file, row i of interaction i. Distances in metres, unsigned, float16, at most FAR.

    body_distance   : (N, 1000) from each of body_points() to the object
    object_distance : (N, 1024) from each of object_points[instance] to the body
    object_points   : (K, 1024, 3) float16, metres, canonical, spread over each instance's surface by area
    """

    body_distance: Array
    object_distance: Array
    object_points: Array


@dataclass(frozen=True)
class NetData:
    """Everything LEXIS-Net sees of some interactions.

    theta           : (N, 21, 6) float32, joint rotations as 6D
    placement       : (N, 19) float32, the object in the pelvis joint's frame: rotation as 6D, translation in metres;
                      then the betas
    action          : (N,) int64; instance : (N,) int64, row of object_points
    body_rest       : (1000, 3) float32, metres, from the pelvis
    body_distance, object_distance, object_points : as in Fields, rows chosen with the interactions
    """

    theta: Array
    placement: Array
    action: Array
    instance: Array
    body_rest: Array
    body_distance: Array
    object_distance: Array
    object_points: Array

    def __len__(self) -> int:
        return len(self.theta)


@cache
def body_points(count: int = BODY_POINTS, seed: int = SEED) -> BodyPoints:
    """points_of the default body."""
    return points_of(default_body(), count, seed)


def object_points(interactions: Interactions, instance: int) -> Array:
    """(1024, 3) float32, metres, canonical, of one row of interactions.instances."""
    return object_surface(interactions, instance)[1]


def object_surface(interactions: Interactions, instance: int) -> tuple[Mesh, Array, Array]:
    """The mesh of one row of interactions.instances, its object_points, and the face of each, (1024,) int32."""
    category, parameters = interactions.instances[instance]
    mesh = make(category, **parameters).mesh
    return mesh, *sample_surface(mesh, OBJECT_POINTS, SEED + instance)


def measured(interactions: Interactions, i: int, points: Array, to_object: Callable) -> tuple[Array, Array]:
    """Distances of interaction i, metres: body points to the object (1000,), object points (1024, 3) to the body.

    to_object : distance to the canonical object of points in its frame
    """
    model, state = default_body(), interactions.world_state(i)
    body = pose(model, state.body).vertices
    rotation, translation = state.object.rotation, state.object.translation
    on_body = (body_points().on(body, model.faces) - translation) @ rotation
    return to_object(on_body), body_distance(points @ rotation.T + translation, body)


def fields(states: str | Path, folder: str | Path | None = None, processes: int = 2) -> Fields:
    """The InterFields of a states file, from its cache or measured into it. Prints its rate while it measures.

    Raises InputError when the states file cannot be read or the cache not be written.
    """
    states = Path(states)
    interactions = load(states)
    path = Path(folder or states.parent) / f"{states.stem}.fields-{_digest(states)}.npy"
    whole = _opened(path, _size(interactions))
    cached = _views(whole, interactions)
    unsampled = ~np.isfinite(cached.object_points.reshape(len(interactions.instances), -1)).all(1)
    for k in np.flatnonzero(unsampled):
        cached.object_points[k] = object_points(interactions, int(k))
    done = np.isfinite(cached.body_distance).all(1) & np.isfinite(cached.object_distance).all(1)
    missing = np.flatnonzero(~done)
    by_object = missing[np.argsort(interactions.instance[missing], kind="stable")]
    _measure_rows(states, path, by_object, processes)
    return _views(np.load(path, mmap_mode="r"), interactions)


def net_data(states: str | Path, split: str, folder: str | Path | None = None, processes: int = 2) -> NetData:
    """What LEXIS-Net sees of one split (a name of SPLITS)."""
    interactions, known = load(states), fields(states, folder, processes)
    rows = np.flatnonzero(interactions.split == SPLITS.index(split))
    theta = sixd_from_rotation(rotation_from_axis_angle(interactions.body_pose[rows]))
    return NetData(theta.astype(np.float32), placements(interactions.take(rows)),
                   interactions.action[rows].astype(np.int64), interactions.instance[rows].astype(np.int64),
                   body_points().rest, known.body_distance[rows], known.object_distance[rows],
                   np.array(known.object_points))


def placements(interactions: Interactions) -> Array:
    """NetData.placement of these interactions, (N, 19) float32."""
    model = default_body()
    pelvis = (model.joint_template[0] + interactions.betas @ model.joint_shape_dirs[0, :, :10].T
              + interactions.translation)
    back = rotation_from_axis_angle(interactions.rotation).transpose(0, 2, 1)
    turn = back @ rotation_from_axis_angle(interactions.object_rotation)
    way = (back @ (interactions.object_translation - pelvis)[..., None])[..., 0]
    return np.concatenate([sixd_from_rotation(turn), way, interactions.betas], 1).astype(np.float32)


def _digest(states: Path) -> str:
    parts = [states.read_bytes(), default_body().digest.encode(),
             repr((VERSION, BODY_POINTS, OBJECT_POINTS, SEED, FAR)).encode()]
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()[:16]


def _size(interactions: Interactions) -> int:
    return len(interactions) * (BODY_POINTS + OBJECT_POINTS) + len(interactions.instances) * OBJECT_POINTS * 3


def _opened(path: Path, size: int) -> Array:
    """The cache as it is, or a new one of NaN: what is not measured yet."""
    try:
        if path.exists():
            whole = np.load(path, mmap_mode="r")  # r+ would fill up a file cut short with zeros
            if whole.dtype == np.float16 and whole.shape == (size,):
                return np.load(path, mmap_mode="r+")
            raise InputError(f"{path} is not the cache of these interactions.",
                             f"It holds {whole.shape} of {whole.dtype}, not ({size},) of float16.", "Delete it.")
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_suffix(".new")
        whole = np.lib.format.open_memmap(new, "w+", np.float16, (size,))
        whole[:] = np.nan
        whole.flush()
        os.replace(new, path)
        return np.load(path, mmap_mode="r+")
    except OSError as error:
        raise unwritable(path, error) from error
    except ValueError as error:
        raise InputError(f"The cache {path} cannot be read.", f"{error}.", "Delete it; it is made again.") from error


def _views(whole: Array, interactions: Interactions) -> Fields:
    count = len(interactions)
    body, object, points = np.split(whole, np.cumsum([count * BODY_POINTS, count * OBJECT_POINTS]))
    return Fields(body.reshape(count, BODY_POINTS), object.reshape(count, OBJECT_POINTS),
                  points.reshape(-1, OBJECT_POINTS, 3))


def _measure_rows(states: Path, path: Path, rows: Array, processes: int) -> None:
    start, done, said = time.monotonic(), 0, 0.0
    for count in _worked(states, path, [rows[k : k + CHUNK] for k in range(0, len(rows), CHUNK)], processes):
        done += count
        passed = time.monotonic() - start
        if passed > said + 10 or done == len(rows):
            said = passed
            print(f"fields: {done:,} of {len(rows):,} measured, {done / passed:.0f} a second", flush=True)


def _worked(states: Path, path: Path, chunks: list[Array], processes: int) -> Iterator[int]:
    if processes <= 1 or len(chunks) <= 1:
        yield from (_measure_chunk(states, path, chunk) for chunk in chunks)
        return
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:  # forked threads of libigl and torch would hang
        yield from pool.map(_measure_chunk, *zip(*((states, path, chunk) for chunk in chunks), strict=True))


def _measure_chunk(states: Path, path: Path, rows: Array) -> int:
    interactions = _loaded(states)
    cached = _views(np.load(path, mmap_mode="r+"), interactions)
    for i in rows:
        points = np.asarray(cached.object_points[interactions.instance[i]], np.float32)
        on_body, on_object = measured(interactions, int(i), points, _to_object(states, int(interactions.instance[i])))
        cached.body_distance[i] = np.minimum(on_body, FAR)
        cached.object_distance[i] = np.minimum(on_object, FAR)
    return len(rows)


@lru_cache(maxsize=4)  # rows come ordered by instance
def _to_object(states: Path, instance: int) -> Callable[[Array], Array]:
    category, parameters = _loaded(states).instances[instance]
    return distance_to(make(category, **parameters).mesh)


@cache
def _loaded(states: Path) -> Interactions:
    return load(states)


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the InterFields of a states file into its cache.")
    parser.add_argument("states", type=Path)
    parser.add_argument("--cache", type=Path, metavar="FOLDER", help="default: beside the states file")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    known = fields(options.states, options.cache, options.processes)
    print(f"{len(known.body_distance):,} interactions, {len(known.object_points):,} objects")


if __name__ == "__main__":
    main()
