"""How far a reconstruction is from the truth, each number by the convention its function states.

Errors of a part are in centimetres, as the field's tables have them. Penetration is measured without a truth:
see interfield.summary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from lexis_core.errors import InputError
from lexis_core.geometry import align, rotation_degrees
from lexis_core.interfield import InterField, area_weighted_mean, closest, distance
from lexis_core.mesh import Mesh, sample_surface

Array = np.ndarray

SAMPLES = 6000  # surface points a mesh, as CHORE and CONTHO take
CENTIMETRES = 100.0  # in a metre


@dataclass(frozen=True)
class Parts:
    """One number for the body and one for the object, in the unit the function states."""

    body: float
    object: float


@dataclass(frozen=True)
class ContactScores:
    """Precision, recall and F1 in 0..1; NaN where undefined."""

    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class Interval:
    """A mean and the ends of its confidence interval."""

    mean: float
    low: float
    high: float


def chamfer(mesh: Mesh, truth: Mesh, seed: int = 0) -> float:
    """Chamfer distance in cm as CHORE and CONTHO count it, so that it can stand beside theirs.

    6000 area-weighted surface samples of each, unsquared distance from each sample to the nearest sample of the other
    mesh, and the *sum* of the two directed means. The samplings are independent, so two equal meshes do not score 0
    but the spacing of the samples, sqrt(area / 6000): 1.7 cm on an adult of 1.8 m2. surface_chamfer has no such floor.
    """
    a, b = _sampled(mesh, truth, seed)
    return CENTIMETRES * float(cKDTree(b).query(a)[0].mean() + cKDTree(a).query(b)[0].mean())


def surface_chamfer(mesh: Mesh, truth: Mesh, seed: int = 0) -> float:
    """Like chamfer, but from each sample to the nearest point of the other *surface*: 0 for equal meshes. In cm."""
    a, b = _sampled(mesh, truth, seed)
    return CENTIMETRES * float(distance(a, truth).mean(dtype=float) + distance(b, mesh).mean(dtype=float))


def align_pair(
    body: Mesh, object: Mesh, body_truth: Mesh, object_truth: Mesh, pairs: tuple[Array, Array] | None = None
) -> tuple[Mesh, Mesh]:
    """Body and object after the one similarity (Procrustes) that brings both together nearest to the truth.

    The points brought together are the vertices of both parts where both have the truth's topology. Where they do not
    (another body model, another object mesh), give pairs: (N, 3) points of the reconstruction and the (N, 3) points
    of the truth they stand for, in metres: the joints of both bodies, say, with matching points of the objects.
    Open3DHOI's coarse objects share the order of vertices with the annotated ones but not the faces: pair the vertices.
    Raises InputError when the topologies differ and there are no pairs.
    """
    if pairs is None:
        if not (_same_topology(body, body_truth) and _same_topology(object, object_truth)):
            raise InputError(
                "The reconstruction cannot be aligned to the truth vertex by vertex.",
                "Their meshes do not have the same vertices and faces.",
                "Give pairs of corresponding points, such as the joints of both bodies.",
            )
        pairs = (
            np.concatenate([body.vertices, object.vertices]),
            np.concatenate([body_truth.vertices, object_truth.vertices]),
        )
    scale, rotation, translation = align(*pairs, scaled=True)
    return body.moved(rotation, translation, scale), object.moved(rotation, translation, scale)


def pa_chamfer(
    body: Mesh,
    object: Mesh,
    body_truth: Mesh,
    object_truth: Mesh,
    pairs: tuple[Array, Array] | None = None,
    between: Callable[[Mesh, Mesh, int], float] = chamfer,
    seed: int = 0,
) -> Parts:
    """Chamfer of each part in cm after one similarity for both together: the PA-Chamfer of CHORE and CONTHO.

    pairs   : as in align_pair
    between : chamfer (the peers' convention) or surface_chamfer (without the sampling floor)
    """
    body, object = align_pair(body, object, body_truth, object_truth, pairs)
    return Parts(between(body, body_truth, seed), between(object, object_truth, seed))


def contact_scores(predicted: Array, truth: Array) -> ContactScores:
    """Scores of a contact mask (V,) bool against the true one (V,) bool; every vertex counts once.

    The masks are InterField.contact's: nearer than 5 cm to the other surface, inside or outside. Precision is NaN
    without a predicted contact, recall without a true one, F1 without either, as CONTHO leaves those samples out.
    """
    hits = np.count_nonzero(predicted & truth)
    found, there = np.count_nonzero(predicted), np.count_nonzero(truth)
    return ContactScores(_ratio(hits, found), _ratio(hits, there), _ratio(2 * hits, found + there))


def mean_contact_scores(scores: Sequence[ContactScores]) -> ContactScores:
    """Each score averaged over the samples where it is defined (CONTHO's convention); NaN where there are none."""
    table = np.array([[s.precision, s.recall, s.f1] for s in scores]).reshape(-1, 3)
    return ContactScores(*(float(np.mean(c[~np.isnan(c)])) if (~np.isnan(c)).any() else np.nan for c in table.T))


def transfer_labels(labels: Array, source: Mesh, points: Array) -> Array:
    """Labels (V,) of the source mesh at points (P, 3): that of the nearest corner of the nearest face, (P,).

    This is how contact on one body topology is scored on another one: bring the bodies together (align_pair with
    the joints as pairs, or both in the rest pose, where limbs cannot take a label from a neighbour they touch), carry
    the predicted labels over to the true body's vertices, then contact_scores. A pose error between the two bodies
    counts as contact error wherever it exceeds the distance between two parts of the body.
    """
    nearest, face = closest(points, source)
    corners = source.faces[face]
    gaps = np.linalg.norm(source.vertices[corners] - nearest[:, None], axis=2)
    return labels[np.take_along_axis(corners, gaps.argmin(1)[:, None], 1)[:, 0]]


def proximity_error(field: InterField, truth: InterField, body_truth: Mesh, object_truth: Mesh) -> Parts:
    """Mean |IF - IF_true| over each surface, weighted by the true meshes' areas; 0..1, no unit.

    Both fields must have the same sigma, and one value for each vertex of the true meshes.
    Raises InputError when they do not.
    """
    if field.sigma != truth.sigma or field.body.shape != truth.body.shape or field.object.shape != truth.object.shape:
        raise InputError(
            "These two InterFields cannot be compared.",
            f"One has {len(field.body)} and {len(field.object)} values at sigma {field.sigma} m, "
            f"the other {len(truth.body)} and {len(truth.object)} at {truth.sigma} m.",
            "Measure both on the same topology with the same sigma.",
        )
    return Parts(
        area_weighted_mean(np.abs(field.body - truth.body), body_truth),
        area_weighted_mean(np.abs(field.object - truth.object), object_truth),
    )


def pose_error(rotation: Array, translation: Array, rotation_truth: Array, translation_truth: Array) -> tuple:
    """Angle between the rotations (..., 3, 3) in degrees, distance of the translations (..., 3) in cm."""
    gap = np.asarray(translation, np.float64) - np.asarray(translation_truth, np.float64)
    return rotation_degrees(rotation, rotation_truth), CENTIMETRES * np.linalg.norm(gap, axis=-1)


def iou(mask: Array, truth: Array) -> float:
    """Intersection over union of two masks (H, W) bool; NaN when both are empty."""
    mask, truth = np.asarray(mask, bool), np.asarray(truth, bool)
    return _ratio(np.count_nonzero(mask & truth), np.count_nonzero(mask | truth))


def bootstrap_ci(values: Array, seed: int = 0, resamples: int = 10_000) -> Interval:
    """Mean of values (N,) and its 95 % percentile bootstrap interval; NaN values are left out.

    The ends are NaN with fewer than two values: one sample says nothing of the spread.
    """
    values = np.asarray(values, np.float64)
    values = values[~np.isnan(values)]
    if len(values) < 2:
        return Interval(float(values.mean()) if len(values) else np.nan, np.nan, np.nan)
    rng = np.random.default_rng(seed)
    means = [rng.choice(values, len(values)).mean() for _ in range(resamples)]
    low, high = np.quantile(means, [0.025, 0.975])
    return Interval(float(values.mean()), float(low), float(high))


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else np.nan


def _same_topology(a: Mesh, b: Mesh) -> bool:
    """Whether vertex i of one stands for vertex i of the other: the same faces, whichever way round each is."""
    return len(a.vertices) == len(b.vertices) and np.array_equal(np.sort(a.faces, 1), np.sort(b.faces, 1))


def _sampled(mesh: Mesh, truth: Mesh, seed: int) -> tuple[Array, Array]:
    return sample_surface(mesh, SAMPLES, 2 * seed)[0], sample_surface(truth, SAMPLES, 2 * seed + 1)[0]
