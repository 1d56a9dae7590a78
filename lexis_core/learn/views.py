"""What a photo shows of stored interactions: rendered once into a cache that several processes fill and read.

    python -m lexis_core.learn.views STATES [--cache FOLDER] [--processes 2] [--variant 0]

The cache is a folder of .npy beside the states file, named after the digest of everything it depends on. A killed run
goes on where it stopped. Another variant sees the same interactions in other clothes, light, places and crops.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
from threadpoolctl import threadpool_limits

from lexis_core.body import default_body
from lexis_core.camera import Camera
from lexis_core.errors import InputError
from lexis_core.files import unwritable
from lexis_core.synthetic.memory import keep_freed_memory
from lexis_core.synthetic.render import Rendered, render
from lexis_core.synthetic.states import CROP, Interactions, load

Array = np.ndarray

SIDE = CROP // 2   # pixels of a stored picture
LANDMARKS = 33
NOTHING, PERSON, OBJECT = 0, 1, 2  # in masks
CHUNK = 32         # interactions a process takes at a time
VERSION = 1        # of what is stored and of how it is rendered

_ROW: dict[str, tuple[type, tuple[int, ...]]] = {
    "image": (np.uint8, (SIDE, SIDE, 3)), "masks": (np.uint8, (SIDE, SIDE)), "landmarks": (np.float32, (LANDMARKS, 2)),
    "landmarks_world": (np.float32, (LANDMARKS, 3)), "confidence": (np.float32, (LANDMARKS,)),
    "camera": (np.float32, (3,)),
}


@dataclass(frozen=True)
class Views:
    """Arrays of a whole states file, row i of interaction i, memory-mapped and read only.

    Crop units: a pixel's place from the crop's centre over the crop's side, x right, y down; focal in crop sides.

    image           : (N, 112, 112, 3) uint8 sRGB
    masks           : (N, 112, 112) uint8: NOTHING, PERSON or OBJECT
    landmarks       : (N, 33, 2) float32 crop units, as a detector would give them
    landmarks_world : (N, 33, 3) float32 metres, camera axes, from the middle of the hips, as a detector would
    confidence      : (N, 33) float32 in [0, 1]
    camera          : (N, 3) float32: focal, cx, cy in crop units of the crop that was rendered
    """

    image: Array
    masks: Array
    landmarks: Array
    landmarks_world: Array
    confidence: Array
    camera: Array

    def __len__(self) -> int:
        return len(self.image)


def views(states: str | Path, folder: str | Path | None = None, processes: int = 2, variant: int = 0) -> Views:
    """The views of a states file, from their cache or rendered into it. Prints its rate while it renders.

    folder  : where caches are kept; beside the states file when None
    variant : 0 for the pictures of the interactions' own seeds; each other number gives another set

    Raises InputError when the states file cannot be read or the cache not be written.
    """
    states = Path(states)
    path = Path(folder or states.parent) / f"{states.stem}.views-{_digest(states, variant)}"
    interactions = load(states)
    rows = np.flatnonzero(_opened(path, len(interactions))["done"] == 0)
    rows = rows[np.argsort(interactions.instance[rows], kind="stable")]  # so that each object is built by one process
    _render_rows(states, path, rows, processes, variant)
    return Views(**{name: _array(path, name, "r") for name in _ROW})


def with_variant(interactions: Interactions, variant: int) -> Interactions:
    """The same interactions with other seeds, which follow from the old ones; variant 0 keeps them."""
    if not variant:
        return interactions
    seed = interactions.seed.astype(np.uint64) + np.uint64(variant * 0x9E3779B97F4A7C15 % (1 << 64))
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):  # SplitMix64 (Steele et al. 2014)
        seed = (seed ^ (seed >> np.uint64(shift))) * np.uint64(factor)
    return replace(interactions, seed=((seed ^ (seed >> np.uint64(31))) >> np.uint64(1)).astype(np.int64))


def view_of(picture: Rendered) -> dict[str, Array]:
    """One rendered picture as a row of Views."""
    size = picture.camera.width
    return {
        "image": halved(picture.image), "masks": halved_masks(picture.person_mask, picture.object_mask),
        "landmarks": in_crop(picture.landmarks[:LANDMARKS], size),
        "landmarks_world": picture.landmarks_world[:LANDMARKS], "confidence": picture.confidence[:LANDMARKS],
        "camera": camera_in_crop(picture.camera),
    }


def halved(image: Array) -> Array:
    """(2 H, 2 W, C) uint8 -> (H, W, C) uint8: means of 2 x 2 pixels."""
    rows = image[0::2].astype(np.uint16) + image[1::2]
    return ((rows[:, 0::2] + rows[:, 1::2] + 2) >> 2).astype(np.uint8)


def halved_masks(person: Array, object: Array) -> Array:
    """Two masks (2 H, 2 W) bool -> (H, W) uint8: who has at least two of four pixels, first the person."""
    def most(mask: Array) -> Array:
        rows = mask[0::2].astype(np.uint8) + mask[1::2]
        return rows[:, 0::2] + rows[:, 1::2] >= 2

    return np.where(most(person), PERSON, np.where(most(object), OBJECT, NOTHING)).astype(np.uint8)


def in_crop(pixels: Array, size: int) -> Array:
    """(..., 2) pixels of a size x size crop -> crop units, float32."""
    return ((pixels - size / 2) / size).astype(np.float32)


def camera_in_crop(camera: Camera) -> Array:
    """(3,) float32: focal, cx, cy of a square crop's camera, crop units."""
    return np.array([camera.focal[0] / camera.width, *in_crop(np.array(camera.center), camera.width)], np.float32)


def _digest(states: Path, variant: int) -> str:
    try:
        content = states.read_bytes()
    except OSError as error:
        raise InputError(f"{states} cannot be read.", f"The system says: {error.strerror or error}.",
                         "Check the spelling.") from error
    parts = [content, default_body().digest.encode(), repr((VERSION, variant, SIDE, LANDMARKS)).encode()]
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()[:16]


def _layout() -> dict[str, tuple[type, tuple[int, ...]]]:
    return {"done": (np.uint8, ()), **_ROW}


def _array(path: Path, name: str, mode: str) -> Array:
    return np.load(path / f"{name}.npy", mmap_mode=mode)


def _opened(path: Path, count: int) -> dict[str, Array]:
    """The cache's arrays, read only; a new cache where there is none, nothing done in it yet."""
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            new = path.with_name(f".{path.name}.{os.getpid()}")
            new.mkdir(exist_ok=True)
            for name, (kind, row) in _layout().items():
                np.lib.format.open_memmap(new / f"{name}.npy", "w+", kind, (count, *row)).flush()
            try:
                os.rename(new, path)
            except OSError:
                shutil.rmtree(new)
                if not path.exists():  # else another process was first
                    raise
        arrays = {name: _array(path, name, "r") for name in _layout()}
    except OSError as error:
        raise unwritable(path, error) from error
    except ValueError as error:
        raise InputError(f"The cache {path} cannot be read.", f"{error}.", "Delete it; it is made again.") from error
    for name, (kind, row) in _layout().items():
        if arrays[name].dtype != kind or arrays[name].shape != (count, *row):
            raise InputError(f"{path} is not the cache of these interactions.",
                             f"{name}.npy holds {arrays[name].shape} of {arrays[name].dtype}.", "Delete it.")
    return arrays


def _render_rows(states: Path, path: Path, rows: Array, processes: int, variant: int) -> None:
    start, done, said = time.monotonic(), 0, 0.0
    for count in _worked(states, path, [rows[k:k + CHUNK] for k in range(0, len(rows), CHUNK)], processes, variant):
        done += count
        passed = time.monotonic() - start
        if passed > said + 10 or done == len(rows):
            said = passed
            print(f"views: {done:,} of {len(rows):,} rendered, {done / passed:.0f} a second", flush=True)


def _worked(states: Path, path: Path, chunks: list[Array], processes: int, variant: int) -> Iterator[int]:
    if processes <= 1 or len(chunks) <= 1:
        yield from (_render_chunk(states, path, chunk, variant) for chunk in chunks)
        return
    with ProcessPoolExecutor(processes, get_context("spawn"), cv2.setNumThreads, (1,)) as pool:
        yield from pool.map(_render_chunk, *zip(*((states, path, chunk, variant) for chunk in chunks), strict=True))


def _render_chunk(states: Path, path: Path, rows: Array, variant: int) -> int:
    interactions = _loaded(states, variant)
    arrays = {name: _array(path, name, "r+") for name in _layout()}
    keep_freed_memory()
    with threadpool_limits(1):
        for i in rows:
            for name, value in view_of(render(interactions, int(i))).items():
                arrays[name][i] = value
            arrays["done"][i] = 1
    return len(rows)


@cache
def _loaded(states: Path, variant: int) -> Interactions:
    return with_variant(load(states), variant)


def main() -> None:
    parser = argparse.ArgumentParser(description="Render the views of a states file into their cache.")
    parser.add_argument("states", type=Path)
    parser.add_argument("--cache", type=Path, metavar="FOLDER", help="default: beside the states file")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--variant", type=int, default=0, help="another number: other clothes, light, places and crops")
    options = parser.parse_args()
    known = views(options.states, options.cache, options.processes, options.variant)
    print(f"{len(known):,} views")


if __name__ == "__main__":
    main()
