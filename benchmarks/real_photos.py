"""How well the estimate and LEXIS-Flow* do on real photos: outlines, landmarks, seconds, and the distance to
Open3DHOI's annotation; there also from the coarse placement that the data set gives.

    python benchmarks/real_photos.py FOLDER

FOLDER holds one folder a photo: image.jpg, person_mask.*, object_mask.*, and for the ones with an annotation what
Open3DHOI lays beside them. A photo without a mesh of its own takes the library's object of the name in OBJECTS.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lexis_core.body import load_body, pose
from lexis_core.body.model import BodyModel
from lexis_core.body.names import JOINTS
from lexis_core.camera import Camera
from lexis_core.datasets.open3dhoi import read_open3dhoi
from lexis_core.geometry import rotation_from_axis_angle
from lexis_core.initialise.landmark_points import landmark_points
from lexis_core.interfield import area_weighted_mean, measure
from lexis_core.mesh import Mesh
from lexis_core.metrics import align_pair, chamfer, contact_scores, iou, transfer_labels
from lexis_core.objects.files import read_triangles
from lexis_core.objects.library import make
from lexis_core.objects.model import ObjectModel
from lexis_core.pipeline import reconstruct
from lexis_core.raster import silhouette
from lexis_core.reconstruction import Reconstruction

Array = np.ndarray

OBJECTS = {"skateboard": "skateboard", "behave_chair": "chair"}
TURN = rotation_from_axis_angle(np.array([0.0, 2.2, 0.0])) @ np.diag([1.0, -1.0, -1.0])
SURE = 0.5  # landmarks the detector is surer of than this are held against the body
# SMPL-X's vertices at the nose, the ears, the heels, the big toes and the fingertips (thumb to pinky, left then right)
SMPLX_POINTS = (9120, 6, 616, 8846, 8634, 5770, 8463, 5361, 4933, 5058, 5169, 5286, 8079, 7669, 7794, 7905, 8022)
STAGES = ("observe", "body", "object", "flow")
COARSE, RESIZED = "coarse placement, ", "coarse placement at the annotated size, "
ROWS = tuple((method, begun) for begun in ("", COARSE, RESIZED) for method in ("estimate", "learned"))
FINGERS = tuple(f"{side}_{finger}" for side in ("left", "right")
                for finger in ("thumb", "index", "middle", "ring", "pinky"))


@dataclass(frozen=True)
class Fit:
    """How the result agrees with the photo: shares of 1, and of the person's height."""

    body_iou: float
    object_iou: float
    landmark_error: float


@dataclass(frozen=True)
class Distance:
    """The result against an annotation, after one similarity; centimetres, and shares of 1."""

    body_chamfer: float
    object_chamfer: float
    contact_precision: float
    contact_recall: float
    contact_f1: float
    body_field_error: float
    object_field_error: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    folders = sorted(f for f in parser.parse_args().folder.iterdir() if (f / "image.jpg").exists())
    print("| photo | method | body IoU | object IoU | landmarks, % of height | observe s | body s | object s | flow s "
          "| all s |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    distances = {}
    for folder in folders:
        annotated = (folder / "h_mesh.obj").exists()
        for method, begun in ROWS if annotated else ROWS[:2]:
            result, name = solve(folder, method, begun), begun + method
            fit, seconds = agreement(result), result.info["seconds"]
            print(f"| {folder.name} | {name} | {fit.body_iou:.2f} | {fit.object_iou:.2f} "
                  f"| {100 * fit.landmark_error:.1f} | "
                  + " | ".join(f"{s:.1f}" for s in (*(seconds.get(k, 0) for k in STAGES), sum(seconds.values())))
                  + " |")
            if annotated:
                distances[folder.name, name] = distance_to_truth(result, folder)
        if annotated:
            truth = read_open3dhoi(folder)
            found = covered(truth.camera, truth.body, truth.object, truth.person_mask, truth.object_mask)
            print(f"| {folder.name} | annotation | {found[0]:.2f} | {found[1]:.2f} |" + " |" * 6)
    print("\n| photo | method | Chamfer body cm | Chamfer object cm | contact P / R / F1 | IF error body / object |")
    print("|---|---|---|---|---|---|")
    for (name, method), d in distances.items():
        print(f"| {name} | {method} | {d.body_chamfer:.2f} | {d.object_chamfer:.2f} | {d.contact_precision:.2f} / "
              f"{d.contact_recall:.2f} / {d.contact_f1:.2f} | {d.body_field_error:.3f} / {d.object_field_error:.3f} |")


def solve(folder: Path, method: str = "estimate", begun: str = "") -> Reconstruction:
    """The result for one folder, from its photo and masks; begun from the data set's own placement, or from nothing."""
    person, thing = (next(folder.glob(f"{kind}_mask.*")) for kind in ("person", "object"))
    return reconstruct(folder / "image.jpg", object_of(folder, begun), person_mask=person, object_mask=thing,
                       init=folder / "smplx_parameters.json" if begun else None, method=method)


def object_of(folder: Path, begun: str = "") -> ObjectModel:
    """The annotated mesh, turned upright and by 126 degrees so that it gives nothing away; else the library's.

    begun : COARSE, the data set's coarse mesh, as its file has it: that is the placement; RESIZED, there as large as
            the annotated mesh
    """
    if begun:
        vertices, faces = read_triangles(folder / "object_mesh_coarse.obj")
        middle = (vertices.min(0) + vertices.max(0)) / 2
        if begun == RESIZED:
            size, true_size = (np.linalg.norm(np.ptp(points, 0))
                               for points in (vertices, read_triangles(folder / "object_mesh.obj")[0]))
            vertices = middle + true_size / size * (vertices - middle)
        there = np.eye(4, dtype=np.float32)
        there[:3, 3] = middle
        mesh = Mesh((vertices - middle).astype(np.float32), faces.astype(np.int32))
        return ObjectModel("coarse object", "", mesh, there, True)
    if not (folder / "h_mesh.obj").exists():
        return make(OBJECTS[folder.name])
    mesh = read_open3dhoi(folder).object
    middle = (mesh.vertices.min(0) + mesh.vertices.max(0)) / 2
    turned = Mesh(mesh.vertices - middle, mesh.faces).moved(TURN, np.zeros(3))
    back = np.eye(4, dtype=np.float32)
    back[:3, :3], back[:3, 3] = TURN.T, middle
    return ObjectModel("annotated object", "", turned, back, True)


def agreement(result: Reconstruction, model: BodyModel | None = None) -> Fit:
    """IoU of the outlines with the masks, each where the other one's mask does not hide it; landmark distance."""
    model = model or load_body()
    posed = pose(model, result.state.body)
    camera, seen = result.camera, result.observation()
    points = landmark_points(model)
    marks = points.of(pose(points.model, result.state.body).vertices[None], posed.joints[None])[0]
    sure = seen.confidence[points.landmark] > SURE
    miss = np.linalg.norm(camera.project(marks) - seen.landmarks[points.landmark], axis=1)[sure]
    return Fit(*covered(camera, Mesh(posed.vertices, model.faces), result.object_mesh(), result.person_mask,
                        result.object_mask),
               float(miss.mean() / np.ptp(camera.project(posed.vertices)[:, 1])))


def covered(camera: Camera, body: Mesh, thing: Mesh, person_mask: Array, object_mask: Array) -> tuple[float, float]:
    """IoU of both outlines with their masks, each where the other one's mask does not hide it."""
    outlines = [silhouette(camera.project(mesh.vertices), mesh.faces, camera.width, camera.height)
                for mesh in (body, thing)]
    return iou(outlines[0] & ~object_mask, person_mask), iou(outlines[1] & ~person_mask, object_mask)


def distance_to_truth(result: Reconstruction, folder: Path) -> Distance:
    """Against Open3DHOI's meshes.

    The two bodies have other topologies. The points both have (nose, ears, heels, toes, fingertips), and as many
    spread over the object, are brought together by one similarity. The body's field and contact are carried over to
    the true body's vertices after a similarity of the body alone, by those of its points that the photo shows.
    """
    truth, model = read_open3dhoi(folder), load_body()
    body, thing = Mesh(pose(model, result.state.body).vertices, model.faces), result.object_mesh()
    there = truth.body.vertices[list(SMPLX_POINTS)]
    pixel = truth.camera.project(there)
    shown = ((pixel >= 0) & (pixel < [truth.camera.width, truth.camera.height])).all(1)
    here = body.vertices[matching_vertices(model)]
    spread = np.linspace(0, len(thing.vertices) - 1, len(here)).astype(int)
    pairs = (np.concatenate([here, thing.vertices[spread]]), np.concatenate([there, truth.object.vertices[spread]]))
    near_body, near_thing = align_pair(body, thing, truth.body, truth.object, pairs)
    field = measure(truth.body, truth.object)
    alone, _ = align_pair(body, thing, truth.body, truth.object, (here[shown], there[shown]))
    labels = transfer_labels(result.field.contact()[0], alone, truth.body.vertices)
    scores = contact_scores(labels, field.contact()[0])
    on_truth = transfer_labels(result.field.body, alone, truth.body.vertices)
    return Distance(
        chamfer(near_body, truth.body), chamfer(near_thing, truth.object), scores.precision, scores.recall, scores.f1,
        area_weighted_mean(np.abs(on_truth - field.body), truth.body),
        area_weighted_mean(np.abs(result.field.object - field.object), truth.object))


def matching_vertices(model: BodyModel) -> Array:
    """The default body's vertices that answer to SMPLX_POINTS, (17,) int."""
    points = landmark_points(model)
    at = {int(k): points.model.template[v] for k, v in zip(points.landmark, points.vertex, strict=True) if v >= 0}
    places = [at[k] for k in (0, 7, 8, 29, 30, 31, 32)]
    for finger in FINGERS:
        first, last = (JOINTS.index(f"{finger}{n}") for n in (1, 3))
        own = np.flatnonzero(model.weights[:, last] > 0.5)
        away = np.linalg.norm(model.template[own] - model.joint_template[first], axis=1)
        places.append(model.template[own[away.argmax()]])
    return np.array([np.linalg.norm(model.template - place, axis=1).argmin() for place in places])


if __name__ == "__main__":
    main()
