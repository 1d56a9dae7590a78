"""Interactions seen again from elsewhere: the same people and things, other cameras, clothes, light and places.

    python -m lexis_core.synthetic.again STATES --times 3 --out MORE

Solving an interaction takes many times longer than looking at it. MORE holds all of STATES, and its training split so
many times more; other splits are never multiplied.
"""

from __future__ import annotations

import argparse
from dataclasses import replace

import numpy as np

from lexis_core.body import default_body, pose
from lexis_core.geometry import axis_angle_from_rotation
from lexis_core.mesh import Mesh
from lexis_core.synthetic.cameras import draw_camera, in_sight
from lexis_core.synthetic.states import SPLITS, Interactions, joined, load, stored_precision

Array = np.ndarray

TRIES = 10


def seen_again(interactions: Interactions, times: int) -> Interactions:
    """All interactions, then those of the training split once more for each of `times`, seen otherwise.

    What is drawn follows from each interaction's own seed. A row for which no camera sees both body and object in
    TRIES draws keeps its camera.
    """
    rows = np.flatnonzero(interactions.split == SPLITS.index("train"))
    more = [interactions]
    for time in range(1, times + 1 if len(rows) else 1):
        drawn = [_drawn(interactions, int(i), time) for i in rows]
        values = dict(zip(("camera_rotation", "camera_translation", "focal", "seed"), zip(*drawn, strict=True),
                          strict=True))
        more.append(replace(interactions.take(rows), **{
            name: stored_precision(name, np.array(column)) for name, column in values.items()}))
    return joined(more, {**interactions.meta, "seen_again": times})


def _drawn(interactions: Interactions, i: int, time: int) -> tuple[Array, Array, float, int]:
    """Another camera of interaction i, axis-angle, translation, focal length; and another seed."""
    rng = np.random.default_rng([int(interactions.seed[i]), time])
    seed = int(rng.integers(1 << 62))
    state = interactions.world_state(i)
    body = Mesh(pose(default_body(), state.body).vertices, default_body().faces)
    thing = interactions.object_model(i).mesh.moved(state.object.rotation, state.object.translation)
    for _ in range(TRIES):
        view = draw_camera(rng, body.vertices, thing.vertices)
        if view is not None and in_sight(body, thing, *view):
            return axis_angle_from_rotation(view[0]), view[1], view[2], seed
    return interactions.camera_rotation[i], interactions.camera_translation[i], float(interactions.focal[i]), seed


def main() -> None:
    parser = argparse.ArgumentParser(description="See the training split of a states file again from elsewhere.")
    parser.add_argument("states")
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--out", required=True)
    options = parser.parse_args()
    made = seen_again(load(options.states), options.times)
    made.save(options.out)
    print(f"{len(made):,} interactions")


if __name__ == "__main__":
    main()
