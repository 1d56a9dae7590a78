"""How fast training pictures are rendered, on one core, beside other ways of drawing the same scenes.

python benchmarks/render.py [--states FILE] [--count 100]

Without a file, interactions made up for the tests. Peers draw body and object at the same size with the same camera,
and less: no clothes, no place behind, no shadows, no masks of two owners, no landmarks.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from threadpoolctl import threadpool_limits

from lexis_core.body import default_body, pose
from lexis_core.draw import shade
from lexis_core.mesh import Mesh
from lexis_core.raster import rasterise
from lexis_core.synthetic.memory import keep_freed_memory
from lexis_core.synthetic.render import render
from lexis_core.synthetic.states import CROP, Interactions, load


def scene(interactions: Interactions, i: int) -> tuple[Mesh, Mesh]:
    """The undressed body and the object, camera space."""
    state, model = interactions.state(i), interactions.object_model(i)
    body = Mesh(pose(default_body(), state.body).vertices, default_body().faces)
    return body, model.mesh.moved(state.object.rotation, state.object.translation)


def by_numpy(interactions: Interactions, i: int) -> None:
    body, thing = scene(interactions, i)
    camera = interactions.camera(i)
    for mesh in (body, thing):
        rasterise(camera.project(mesh.vertices), mesh.vertices[:, 2], mesh.faces, CROP, CROP)


def by_draw(interactions: Interactions, i: int) -> None:
    shade(scene(interactions, i), [np.full(3, 0.5, np.float32)] * 2, interactions.camera(i))


def by_open3d(interactions: Interactions, i: int) -> None:
    import open3d as o3d

    cast, camera = o3d.t.geometry.RaycastingScene(nthreads=1), interactions.camera(i)
    for mesh in scene(interactions, i):
        cast.add_triangles(o3d.core.Tensor(mesh.vertices), o3d.core.Tensor(mesh.faces.astype(np.uint32)))
    lens = np.array([[camera.focal[0], 0, camera.center[0]], [0, camera.focal[1], camera.center[1]], [0, 0, 1]])
    cast.cast_rays(cast.create_rays_pinhole(lens, np.eye(4), CROP, CROP))


def by_embree(interactions: Interactions, i: int) -> None:
    import trimesh
    from trimesh.ray.ray_pyembree import RayMeshIntersector

    body, thing = scene(interactions, i)
    both = trimesh.util.concatenate([trimesh.Trimesh(m.vertices, m.faces, process=False) for m in (body, thing)])
    columns, rows = np.meshgrid(np.arange(CROP) + 0.5, np.arange(CROP) + 0.5)
    pixels = np.stack([columns, rows], -1).reshape(-1, 2)
    rays = interactions.camera(i).lift(pixels, np.ones(len(pixels)))
    RayMeshIntersector(both).intersects_first(np.zeros_like(rays), rays)


def rate(work: Callable[[Interactions, int], object], interactions: Interactions, count: int) -> float:
    """Pictures a second of processor time, after one round for warming up."""
    rows = range(min(count, len(interactions)))
    for i in rows:
        work(interactions, i)
    start = time.process_time()
    for i in rows:
        work(interactions, i)
    return len(rows) / (time.process_time() - start)


def made_up(count: int) -> Interactions:
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "learn"))
    from rendered_interactions import made_up_interactions

    return made_up_interactions(count)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--states", help="a file of interactions")
    parser.add_argument("--count", type=int, default=100)
    given = parser.parse_args()
    interactions = load(given.states) if given.states else made_up(given.count)
    cv2.setNumThreads(1)
    with threadpool_limits(1):
        rows = [("render() while the system takes every freed array back", rate(render, interactions, given.count))]
        keep_freed_memory()
        ours = rate(render, interactions, given.count)
        rows.insert(0, ("render(): posing, clothes, place, shadows, masks, landmarks, photo", ours))
        rows.append(("posing alone, no picture", rate(scene, interactions, given.count)))
        peers = [("lexis_core.raster: face ids, numpy", by_numpy, None),
                 ("lexis_core.draw: shaded, numpy", by_draw, None),
                 ("open3d ray casting: face ids", by_open3d, "open3d"),
                 ("trimesh with embreex: face ids", by_embree, "embreex")]
        for name, work, package in peers:
            if package and importlib.util.find_spec(package) is None:
                rows.append((f"{name} (not installed)", float("nan")))
            else:
                rows.append((name, rate(work, interactions, max(given.count // 5, 5))))
    print(f"| {CROP} x {CROP} pictures, one core | a second | render() is faster by |\n|---|---:|---:|")
    for name, speed in rows:
        print(f"| {name} | {speed:.1f} | {ours / speed:.1f} |".replace("nan", "-"))


if __name__ == "__main__":
    main()
