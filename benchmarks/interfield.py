"""InterFields of a 10,475-vertex body and a 20,480-face object, both ways, beside the tools one would use instead.

python -m pip install -e ".[bench]"
python benchmarks/interfield.py [BODY.obj OBJECT.obj] [--object-level 6] [--repeats 9]

Every tool starts from arrays of vertices and faces in each repeat, so building its search structure counts. The tools
take turns, so a busy moment of the machine hits all alike; the table gives the least and the median of the repeats.
--picture OUT.png draws the fields of the two meshes instead.
"""

from __future__ import annotations

import argparse
import os
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import fast_simplification
import numpy as np
import trimesh
from PIL import Image
from scipy.spatial import cKDTree

from lexis_core.body import load_body, pose
from lexis_core.camera import Camera
from lexis_core.draw import ramp, shade
from lexis_core.interfield import distance, measure
from lexis_core.mesh import Mesh
from lexis_core.state import BodyState

SMPLX_VERTICES = 10_475
BALL = 0.35  # metres, radius of the object: a ball held in front of the chest, its back sunk into it


def both_ways(body: Mesh, object: Mesh) -> list[np.ndarray]:
    return [distance(body.vertices, object), distance(object.vertices, body)]


def both_ways_signed(body: Mesh, object: Mesh) -> list[np.ndarray]:
    field = measure(body, object)
    return [np.where(field.body_inside, -1, 1) * field.body_distance,
            np.where(field.object_inside, -1, 1) * field.object_distance]


def open3d_scene(mesh: Mesh):
    import open3d  # a large package that not everyone has

    scene = open3d.t.geometry.RaycastingScene()
    scene.add_triangles(mesh.vertices, mesh.faces.astype(np.uint32))
    return scene


def by_open3d(body: Mesh, object: Mesh) -> list[np.ndarray]:
    return [open3d_scene(b).compute_distance(a.vertices).numpy() for a, b in ((body, object), (object, body))]


def by_open3d_signed(body: Mesh, object: Mesh) -> list[np.ndarray]:
    return [open3d_scene(b).compute_signed_distance(a.vertices).numpy() for a, b in ((body, object), (object, body))]


def by_trimesh(body: Mesh, object: Mesh) -> list[np.ndarray]:
    return [trimesh.proximity.closest_point(trimesh.Trimesh(b.vertices, b.faces, process=False), a.vertices)[1]
            for a, b in ((body, object), (object, body))]


def by_trimesh_signed(body: Mesh, object: Mesh) -> list[np.ndarray]:
    return [-trimesh.proximity.signed_distance(trimesh.Trimesh(b.vertices, b.faces, process=False), a.vertices)
            for a, b in ((body, object), (object, body))]


def by_vertices(body: Mesh, object: Mesh) -> list[np.ndarray]:
    return [cKDTree(b.vertices).query(a.vertices, workers=-1)[0] for a, b in ((body, object), (object, body))]


# name, its packages, function, signed, slow: run once only
TOOLS = (
    ("LEXIS, with sign", ("libigl",), both_ways_signed, True, False),
    ("LEXIS, distance only", ("libigl",), both_ways, False, False),
    ("open3d, with sign", ("open3d",), by_open3d_signed, True, False),
    ("open3d, distance only", ("open3d",), by_open3d, False, False),
    ("trimesh.proximity, with sign", ("trimesh", "rtree"), by_trimesh_signed, True, True),
    ("trimesh.proximity, distance only", ("trimesh", "rtree"), by_trimesh, False, True),
    ("vertices only, scipy cKDTree", ("scipy",), by_vertices, False, False),
)


def scene(level: int) -> tuple[Mesh, Mesh]:
    """The default body thinned to the size of SMPL-X, and a ball of 20 * 4^level faces against its chest."""
    model = load_body(None)
    vertices = pose(model, BodyState()).vertices
    points, faces = fast_simplification.simplify(vertices, model.faces, target_count=2 * SMPLX_VERTICES - 4)
    body = Mesh(points.astype(np.float32), faces.astype(np.int32))
    chest = vertices[np.abs(vertices[:, 0]) < 0.1].max(0)[2]
    middle = np.array([0, vertices[:, 1].max() - 0.45, chest + BALL - 0.05])
    ball = trimesh.creation.icosphere(level, BALL).apply_translation(middle)
    return body, Mesh(ball.vertices.astype(np.float32), ball.faces.astype(np.int32))


def read(path: str) -> Mesh:
    mesh = trimesh.load(path, force="mesh", process=False)
    return Mesh(np.asarray(mesh.vertices, np.float32), np.asarray(mesh.faces, np.int32))


def picture(body: Mesh, object: Mesh) -> Image.Image:
    """Both surfaces by their field, the body from its front, the object from its back; each without the other."""
    field = measure(body, object)
    views = []
    for mesh, values, axes in ((body, field.body, [1, -1, -1]), (object, field.object, [-1, -1, 1])):
        low, high = mesh.vertices.min(0), mesh.vertices.max(0)
        size, turn = (high - low).max(), np.diag(np.asarray(axes, float))
        seen = mesh.moved(turn, [0, 0, 4 * size] - turn @ ((low + high) / 2))
        colour, cover = shade([seen], [ramp(values)], Camera.of_image(480, 480, 3.5 * 480))
        views.append(np.clip(255 * (colour + 1 - cover[..., None]), 0, 255).astype(np.uint8))
    return Image.fromarray(np.concatenate(views, 1))


def installed(packages: tuple[str, ...]) -> str | None:
    """Their versions in words, or None when one is missing."""
    try:
        return ", ".join(f"{package} {version(package)}" for package in packages)
    except PackageNotFoundError:
        return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("meshes", nargs="*", help="two mesh files, body and object; none: the scene made here")
    parser.add_argument("--object-level", type=int, default=5, help="subdivisions of the ball: 20 * 4^level faces")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--picture", type=Path)
    options = parser.parse_args()
    if len(options.meshes) not in (0, 2):
        parser.error("give two meshes, or none")
    body, object = map(read, options.meshes) if options.meshes else scene(options.object_level)
    if options.picture:
        picture(body, object).save(options.picture, optimize=True)
        return

    present = [tool for tool in TOOLS if installed(tool[1])]
    seconds, answers = {tool[0]: [] for tool in present}, {}
    for _, _, run, _, slow in present:
        if not slow:
            run(body, object)  # the first call pays for imports
    for repeat in range(options.repeats):
        for name, _, run, _, slow in present:
            if not (slow and repeat):
                start = time.perf_counter()
                answers[name] = run(body, object)
                seconds[name].append(time.perf_counter() - start)

    print(f"body {len(body.vertices):,} vertices, {len(body.faces):,} faces; object {len(object.vertices):,} vertices, "
          f"{len(object.faces):,} faces; {os.cpu_count()} cores; {options.repeats} repeats (1 of trimesh)\n")
    print("| both ways | ms, least | ms, median | times ours | largest error, mm | other side |")
    print("|---|---|---|---|---|---|")
    ours = np.concatenate(answers["LEXIS, with sign"])
    for name, packages, _, signed, _ in TOOLS:
        if name not in seconds:
            print(f"| {name} | not installed | | | | |")
            continue
        theirs = np.concatenate(answers[name])
        least = 1e3 * min(seconds[name])
        same = 1e3 * min(seconds["LEXIS, with sign" if signed else "LEXIS, distance only"])
        error = "" if name.startswith("LEXIS") else f"{1e3 * np.abs(np.abs(theirs) - np.abs(ours)).max():.4f}"
        flips = f"{np.count_nonzero((theirs < 0) != (ours < 0))}" if signed and not name.startswith("LEXIS") else ""
        print(f"| {name} ({installed(packages)}) | {least:.0f} | {1e3 * np.median(seconds[name]):.0f} | "
              f"{least / same:.2f} | {error} | {flips} |")
    print("\nlargest error: against LEXIS's distance; other side: vertices told inside by one and outside by the other")


if __name__ == "__main__":
    main()
