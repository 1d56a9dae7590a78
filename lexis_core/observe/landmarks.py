"""How a person stands: 39 landmarks and a mask, by the BlazePose network on a crop that follows its own answer.

Bazarevsky et al. 2020, "BlazePose: On-device Real-time Body Pose tracking". The crop is a square, turned so that the
line from the hips to the head points up. Two of the network's 39 points say where the square should be: point 33 is
its centre, point 34 lies on the circle around the whole body.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import cv2
import numpy as np
from scipy.special import expit

from lexis_core.observe.masks import clean
from lexis_core.observe.region import Region, between_centres, region_from_points, square_overlap
from lexis_core.runtime.session import Session

Array = np.ndarray

CROP = 256              # pixels a side, the network's input
CENTRE, RIM = 33, 34    # landmarks that place the next crop
SETTLED = 0.05          # the crop stands still when its corners move less than this share of its side
MAX_LOOKS = 6
SAME_CROP = 0.8         # crops that overlap more than this (intersection over union) settle at the same place
PRESENT = 0.5           # least probability that a crop shows a person
STEADY_SIDES = (0.9, 1.0, 1.12)   # of the crops whose median counts, shares of the settled one's side
STEADY_TURNS = (-0.15, 0.0, 0.15)  # radians
WAVER = 0.03            # mean distance from the median, share of the crop's side, that halves the confidence
HEATMAP_WINDOW = 3      # cells to each side of a landmark that may move it
HEATMAP_SURE = 0.5      # least probability in that window


@dataclass(frozen=True)
class Person:
    """What one crop showed, in the image's pixels.

    landmarks : (39, 2) pixels; world : (39, 3) metres, camera axes, from the middle of the hips
    visibility, confidence : (39,) in [0, 1]; presence : probability that this is a person
    mask_logits : (CROP, CROP) of the region that was looked at
    """

    landmarks: Array
    world: Array
    visibility: Array
    confidence: Array
    presence: float
    mask_logits: Array
    region: Region


def follow(session: Session, image: Array, starts: Iterable[Region]) -> list[Person]:
    """From each start: look, move the crop to where the network says the body is, look again, until it stands still.

    A start that leads to a crop which was already followed is left out, and so is one that shows nobody.
    """
    people: list[Person] = []
    for start in starts:
        person = look(session, image, start)
        if any(square_overlap(next_region(person), other.region) > SAME_CROP for other in people):
            continue
        for _ in range(MAX_LOOKS - 1):
            target = next_region(person)
            if person.presence < PRESENT or target.side < 1 or settled(person.region, target):
                break
            person = look(session, image, target)
        if person.presence >= PRESENT:
            people.append(person)
    return people


def look(session: Session, image: Array, region: Region) -> Person:
    """Run the network on one crop and bring what it says back to the image."""
    out = session.run({"image": crop(image, region)[None]})
    visibility = expit(out["landmarks"].reshape(39, 5)[:, 3])
    points = out["landmarks"].reshape(39, 5).astype(np.float64)
    points[:, :2] = refined(points[:, :2], out["heatmaps"][0])
    world = out["world_landmarks"].reshape(39, 3).astype(np.float64)
    to_image = region.to_image(CROP)
    world[:, :2] = world[:, :2] @ region.rotation().T
    return Person(
        landmarks=(points[:, :2] @ to_image[:, :2].T + to_image[:, 2]).astype(np.float32),
        world=world.astype(np.float32),
        visibility=visibility,
        confidence=visibility,
        presence=float(out["presence"][0, 0]),
        mask_logits=out["person_mask"][0, :, :, 0],
        region=region,
    )


def refined(points: Array, heatmaps: Array) -> Array:
    """Move each landmark to the centre of mass of its heat map around it, where the map is sure of anything.

    points : (39, 2) crop pixels; heatmaps : (64, 64, 39) logits. As mediapipe does, so that the two agree.
    """
    cells = heatmaps.shape[0]
    points = points.copy()
    for i, (x, y) in enumerate(np.floor(points * cells / CROP).astype(int)):
        if not (0 <= x < cells and 0 <= y < cells):
            continue
        x0, y0 = max(x - HEATMAP_WINDOW, 0), max(y - HEATMAP_WINDOW, 0)
        weights = expit(heatmaps[y0:y + HEATMAP_WINDOW + 1, x0:x + HEATMAP_WINDOW + 1, i].astype(np.float64))
        if weights.max() >= HEATMAP_SURE:
            rows, columns = np.indices(weights.shape)
            centre = np.array([(columns * weights).sum(), (rows * weights).sum()]) / weights.sum() + [x0, y0]
            points[i] = centre * CROP / cells
    return points


def crop(image: Array, region: Region) -> Array:
    """(CROP, CROP, 3) float32 in [0, 1]; beyond the image's border its last pixels repeat."""
    pixels = cv2.warpAffine(image, between_centres(region.to_image(CROP)), (CROP, CROP),
                            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE)
    return pixels.astype(np.float32) / 255


def steadied(session: Session, image: Array, person: Person) -> Person:
    """The medians of several looks through crops of other sizes and turns; who wavers between them is trusted less.

    One look at a person the network finds hard (cut off, dark, from the side) is off by several times more than
    their median, and the network's own visibility does not show it.
    """
    crops = [replace(person.region, side=person.region.side * wider, angle=person.region.angle + turn)
             for wider in STEADY_SIDES for turn in STEADY_TURNS]
    looks = session.each(lambda region: look(session, image, region), crops)
    landmarks = np.array([p.landmarks for p in looks])
    middle = np.median(landmarks, axis=0)
    waver = np.linalg.norm(landmarks - middle, axis=-1).mean(0) / person.region.side
    visibility = np.median([p.visibility for p in looks], axis=0)
    return replace(person, landmarks=middle, world=np.median([p.world for p in looks], axis=0),
                   confidence=(visibility / (1 + (waver / WAVER) ** 2)).astype(np.float32))


def next_region(person: Person) -> Region:
    """The crop that the two helper points ask for."""
    return region_from_points(person.landmarks[CENTRE], person.landmarks[RIM])


def settled(a: Region, b: Region) -> bool:
    """Whether the corners of the two crops are nearly the same."""
    corners = np.array([[0, 0, 1], [CROP, 0, 1], [CROP, CROP, 1], [0, CROP, 1]], np.float64)
    return float(np.abs(corners @ (a.to_image(CROP) - b.to_image(CROP)).T).max()) < SETTLED * a.side


def person_mask(person: Person, width: int, height: int, scale: float = 1.0) -> Array:
    """The network's own mask in the image scaled by this much, bool: without crumbs, small holes closed."""
    size = max(1, round(width * scale)), max(1, round(height * scale))
    to_image = np.diag([size[0] / width, size[1] / height]) @ person.region.to_image(CROP)
    logits = cv2.warpAffine(np.clip(person.mask_logits, -20, 20), between_centres(to_image), size,
                            flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=-20)
    return clean(logits > 0, smallest_part=0.1, largest_hole=0.002)
