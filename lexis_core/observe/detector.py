"""Where people are: BlazePose's detector.

Bazarevsky et al. 2020. The network answers at 2,254 anchors; each answer is a box at the head and four points, of
which the first two are the middle of the hips and a point on the circle around the whole body.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.special import expit

from lexis_core.observe.region import Region, between_centres, region_from_points, square_overlap
from lexis_core.runtime.session import Session

Array = np.ndarray

CROP = 224                      # pixels a side, the network's input
GRIDS = ((28, 2), (14, 2), (7, 6))  # anchors: cells a side, anchors a cell
FOUND = 0.5                     # least probability of a person
SAME_HEAD = 0.3                 # head boxes that overlap more (intersection over union) are one person
SAME_BODY = 0.6                 # body crops that overlap more are of one person
TILES = (1.0, 0.5)              # sides of the searched squares, shares of the image's longer side


@dataclass(frozen=True)
class Detection:
    """score : probability; head : x0, y0, x1, y1, pixels; body : the crop for the landmark network"""

    score: float
    head: tuple[float, float, float, float]
    body: Region


def detect(session: Session, image: Array) -> list[Detection]:
    """Everyone in the image, the surest first: in the whole of it and in its half-overlapping halves.

    image : (H, W, 3) uint8
    """
    height, width = image.shape[:2]
    looks = session.each(lambda tile: detect_in(session, image, tile), tiles(width, height))
    found = [detection for look in looks for detection in look]
    people: list[Detection] = []
    for detection in sorted(found, key=lambda d: -d.score):
        if all(square_overlap(detection.body, other.body) < SAME_BODY for other in people):
            people.append(detection)
    return people


def tiles(width: int, height: int) -> list[Region]:
    """Squares of each size, half overlapping, that cover the image."""
    regions = []
    for share in TILES:
        side = share * max(width, height)
        columns, rows = (max(1, int(np.ceil(2 * length / side)) - 1) for length in (width, height))
        for y in np.linspace(min(side, height) / 2, height - min(side, height) / 2, rows):
            regions += [Region(float(x), float(y), side)
                        for x in np.linspace(min(side, width) / 2, width - min(side, width) / 2, columns)]
    return regions


def detect_in(session: Session, image: Array, region: Region) -> list[Detection]:
    """Everyone in one square of the image, the surest first; black where the square leaves the image."""
    to_image = region.to_image(CROP)
    pixels = cv2.warpAffine(image, between_centres(to_image), (CROP, CROP), borderMode=cv2.BORDER_CONSTANT,
                            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    out = session.run({"image": (pixels.astype(np.float32) / 127.5 - 1)[None]})
    scores = expit(out["scores"][0, :, 0])
    likely = scores >= FOUND
    raw = out["boxes"][0, likely].reshape(-1, 6, 2).astype(np.float64)  # centre, size, four points
    raw[:, [0, 2, 3, 4, 5]] += anchors()[likely][:, None]
    raw[:, [0, 2, 3, 4, 5]] = raw[:, [0, 2, 3, 4, 5]] @ to_image[:, :2].T + to_image[:, 2]
    raw[:, 1] *= region.side / CROP
    return merge(raw, scores[likely])


def anchors() -> Array:
    """(2254, 2) pixels of the crop: the centres of the cells of each grid, as often as it has anchors a cell."""
    points = []
    for cells, count in GRIDS:
        centres = (np.arange(cells) + 0.5) * CROP / cells
        y, x = np.meshgrid(centres, centres, indexing="ij")
        points.append(np.repeat(np.stack([x.ravel(), y.ravel()], -1), count, axis=0))
    return np.concatenate(points)


def merge(answers: Array, scores: Array) -> list[Detection]:
    """Answers about one head become their average, weighted by score; the surest first.

    answers : (N, 6, 2) centre, size and four points, pixels
    """
    heads = np.concatenate([answers[:, 0] - answers[:, 1] / 2, answers[:, 0] + answers[:, 1] / 2], -1)
    left = np.argsort(-scores)
    people = []
    while len(left):
        same = box_overlap(heads[left[0]], heads[left]) > SAME_HEAD
        same[0] = True
        group, weights = left[same], scores[left[same]]
        points = np.average(answers[group], axis=0, weights=weights)
        head = np.average(heads[group], axis=0, weights=weights)
        people.append(Detection(float(weights[0]), tuple(head.tolist()), region_from_points(points[2], points[3])))
        left = left[~same]
    return people


def box_overlap(box: Array, boxes: Array) -> Array:
    """(4,), (N, 4) x0, y0, x1, y1 -> (N,) intersection over union."""
    common = np.prod(np.maximum(np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2]), 0), -1)
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], -1)
    return common / np.maximum(np.prod(box[2:] - box[:2]) + areas - common, 1e-9)
