"""What every method of the benchmark gets: the same pictures, the same objects, and the same starts."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lexis_core.body import default_body, pose
from lexis_core.body.surface import GUIDE_POINTS, guide_points
from lexis_core.errors import InputError
from lexis_core.interfield import distance, field_of, outer
from lexis_core.learn.flow_batch import true_states
from lexis_core.learn.flow_state import States
from lexis_core.learn.measure_starts import as_states, estimated, seen_in, touching
from lexis_core.learn.net_data import object_surface
from lexis_core.learn.observed import Observed, observed
from lexis_core.learn.starts import kind_of, start, start_errors
from lexis_core.learn.views import Views, views
from lexis_core.mesh import Mesh
from lexis_core.synthetic.generate import test_set
from lexis_core.synthetic.render import render
from lexis_core.synthetic.states import SPLITS, Interactions, load

Array = np.ndarray

TEST = "synthetic:test"
TESTS = ("test", "test held out")  # splits
IMAGE_TOKENS = (16, 128)           # of zeros, where no method looks at the picture itself


@dataclass(frozen=True)
class Benchmark:
    """Some interactions and what is seen of them, row k of each.

    name         : what the data was called
    rows         : (N,) of the states file
    interactions : those rows only
    seen         : their views
    truth        : camera space
    kind         : (N,) int64, as starts.kind_of has it
    points       : (N, 256, 3) of each object's outside, canonical; normals : (N, 256, 3) there, outward
    size         : how many times as large as the true object the one is that the methods are given
    """

    name: str
    rows: Array
    interactions: Interactions
    seen: Views
    truth: States
    kind: Tensor
    points: Tensor
    normals: Tensor
    size: float = 1.0

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def touch(self) -> Array:
        """(N,) bool, whether body and object truly touch."""
        return self.kind.numpy() % 2 == 1

    @property
    def held_out(self) -> Array:
        """(N,) bool, whether no training set has the object's category."""
        return self.interactions.split == SPLITS.index("test held out")

    def observed(self, chosen: Array, image: Tensor | None = None) -> Observed:
        """What is seen of the chosen rows; image (B, T, C) tokens of the pictures, zeros when None."""
        v, at = self.seen, torch.from_numpy(chosen)
        image = torch.zeros(len(chosen), *IMAGE_TOKENS) if image is None else image
        return observed(image, v.masks[chosen], v.landmarks[chosen], v.landmarks_world[chosen], v.confidence[chosen],
                        v.camera[chosen], self.size * self.points[at], self.normals[at])

    def pictures(self, chosen: Array) -> Tensor:
        """(B, 3, 112, 112) float32 in 0..1."""
        return torch.from_numpy(self.seen.image[chosen]).permute(0, 3, 1, 2).float() / 255

    def true_fields(self, chosen: Array) -> tuple[Tensor, Tensor]:
        """The true InterField at the guidance's points: (B, 256) of the body, (B, 256) of the object."""
        found = [_true_field(self.interactions, int(i), self.points[i].numpy()) for i in chosen]
        return tuple(torch.from_numpy(np.stack(side)) for side in zip(*found, strict=True))

    def starts(self, scale: float, seed: int) -> States:
        """The truth with the expert's errors times scale; a row's errors are the same at every scale."""
        generator = torch.Generator().manual_seed(seed)
        focal = torch.from_numpy(self.seen.camera[:, 0])
        return start(self.truth, start_errors().draw(generator, self.kind, scale), focal)

    def real_starts(self, count: int, workers: int) -> tuple[Array, States]:
        """The expert estimate itself, run on the first count rows: those where it worked (M,), and its states."""
        chosen = range(min(count, len(self)))
        if workers > 1:
            with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
                found = list(pool.map(_estimate, (self.interactions.take(np.array([k])) for k in chosen)))
        else:
            found = [_estimate(self.interactions.take(np.array([k]))) for k in chosen]
        worked = np.array([k for k in chosen if found[k] is not None], int)
        if not len(worked):
            raise InputError("The expert estimate could not be run.", "It failed on every picture.",
                             "Give a larger --real, or leave it out.")
        return worked, as_states([found[k] for k in worked])


def load_benchmark(data: str, count: int | None, seed: int, cache: Path, workers: int, size: float = 1.0) -> Benchmark:
    """`synthetic:test`, made in the cache folder where it is missing, or FILE[:split] of lexis_core.synthetic.

    count : how many interactions, chosen by the seed; all when None
    size  : as Benchmark has it
    Raises InputError when the file is none, or the split is unknown or empty.
    """
    path, splits = _named(data, cache, workers)
    interactions, shown = load(path), views(path, processes=workers)
    rows = np.flatnonzero(np.isin(interactions.split, [SPLITS.index(name) for name in splits]))
    if not len(rows):
        raise InputError(f"There is nothing to evaluate in {data}.", f"It holds none of {' or '.join(splits)}.",
                         f"Give FILE:SPLIT, where SPLIT is one of {', '.join(SPLITS)}.")
    rows = np.sort(np.random.default_rng(seed).permutation(rows)[:count])
    chosen = interactions.take(rows)
    clouds = {int(k): _outside(interactions, int(k)) for k in np.unique(chosen.instance)}
    kind = [kind_of(chosen.category(i), touching(chosen, i)) for i in range(len(chosen))]
    outside = zip(*(clouds[int(k)] for k in chosen.instance), strict=True)
    return Benchmark(
        data, rows, chosen, Views(*(np.asarray(getattr(shown, name)[rows]) for name in Views.__dataclass_fields__)),
        true_states(chosen), torch.tensor(kind), *(torch.from_numpy(np.stack(part)) for part in outside), size)


def _named(data: str, cache: Path, workers: int) -> tuple[Path, tuple[str, ...]]:
    if data == TEST:
        path = cache / "test.npz"
        test_set(path, workers)
        return path, TESTS
    file, _, split = data.rpartition(":")
    split = split.replace("-", " ")
    if file and split in SPLITS:
        return Path(file), (split,)
    if Path(data).suffix != ".npz":
        raise InputError(f"{data} is not known data.", "It is neither synthetic:test nor FILE.npz nor FILE.npz:SPLIT.",
                         f"A split is one of {', '.join(name.replace(' ', '-') for name in SPLITS)}.")
    return Path(data), TESTS


def _true_field(interactions: Interactions, i: int, points: Array) -> tuple[Array, Array]:
    model, state = default_body(), interactions.world_state(i)
    body = Mesh(pose(model, state.body).vertices, model.faces)
    rotation, shift = state.object.rotation, state.object.translation
    on_body = guide_points(model).on(body.vertices, model.faces)
    thing = interactions.object_model(i).mesh.moved(rotation, shift)
    return field_of(distance(on_body, thing)), field_of(distance(points @ rotation.T + shift, body))


def _outside(interactions: Interactions, instance: int) -> tuple[Array, Array]:
    """GUIDE_POINTS points of one row of instances and their outward normals, both (GUIDE_POINTS, 3) float32."""
    mesh, points, face = object_surface(interactions, instance)
    rows, normals = outer(points, face, mesh, GUIDE_POINTS)
    return points[rows], normals


def _estimate(one: Interactions):
    """The estimate of a set of one interaction, or None where it fails."""
    try:
        return estimated(one, 0, seen_in(render(one, 0)))[0]
    except InputError:
        return None
