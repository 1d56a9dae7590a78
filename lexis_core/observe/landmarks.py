"""Finding the person: 39 landmarks and a mask, by the BlazePose network on a crop that follows its own answer.

Bazarevsky et al. 2020, "BlazePose: On-device Real-time Body Pose tracking". The crop is a square, turned so that the
line from the hips to the head points up. Two of the network's 39 points say where the square should be: point 33 is
its centre, point 34 lies on the circle around the whole body.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from scipy.special import expit

from lexis_core.errors import InputError
from lexis_core.observe.detector import detect
from lexis_core.observe.masks import Box, box_of, clean
from lexis_core.observe.region import Region, between_centres, region_from_points
from lexis_core.runtime.session import Session

Array = np.ndarray

CROP = 256              # pixels a side, the network's input
CENTRE, RIM = 33, 34    # landmarks that place the next crop
SETTLED = 0.02          # the crop stands still when its corners move less than this share of its side
MAX_LOOKS = 6
PRESENT = 0.5           # least probability that a crop shows a person
STARTS = (1.0, 1.4, 2.0)  # first crops around a mask or box; the wide ones are for people cut off by the border
AGREES = 0.2            # least agreement of what was seen with the mask or box that was given
HEATMAP_WINDOW = 3      # cells to each side of a landmark that may move it
HEATMAP_SURE = 0.5      # least probability in that window


@dataclass(frozen=True)
class Networks:
    """The two sessions: who is where, and how they stand."""

    detector: Session
    landmarks: Session


@dataclass(frozen=True)
class Person:
    """What one crop showed, in the image's pixels.

    landmarks : (39, 2) pixels; world : (39, 3) metres, camera axes, from the middle of the hips
    visibility : (39,) in [0, 1]; presence : probability that this is a person
    mask_logits : (CROP, CROP) of the region that was looked at
    """

    landmarks: Array
    world: Array
    visibility: Array
    presence: float
    mask_logits: Array
    region: Region


def find_person(networks: Networks, image: Array, mask: Array | None,
                box: Box | None) -> tuple[Person, tuple[str, ...]]:
    """The person in the mask, else in the box, else the largest in the image; and notes about the choice.

    image : (H, W, 3) uint8. InputError when there is nobody.
    """
    if mask is None and box is None:
        return largest_person(networks, image)
    start = Region.around(box_of(mask) if mask is not None else box)
    starts = [replace(start, side=start.side * wider) for wider in STARTS]
    starts += [detection.body for detection in detect(networks.detector, image)]
    people = [follow(networks.landmarks, image, start) for start in starts]
    best = max(people, key=lambda p: p.presence * agreement(p, image, mask, box))
    if best.presence < PRESENT or agreement(best, image, mask, box) < AGREES:
        where = "mask" if mask is not None else "box"
        raise InputError("No person was found.", f"Nothing in the person's {where} looks like a person.",
                         "Check that it encloses the whole person, and is for this photo.")
    return best, ()


def largest_person(networks: Networks, image: Array) -> tuple[Person, tuple[str, ...]]:
    """The largest person of all, and a note when there are more. InputError when there is nobody."""
    people = search(networks, image)
    if not people:
        raise InputError("No person was found.", "Nothing in the photo looks like a person.",
                         "Show where the person is: a box (--box x0,y0,x1,y1) or a mask (--person-mask).")
    if len(people) == 1:
        return people[0], ()
    height, width = image.shape[:2]
    corners = ",".join(f"{n:.0f}" for n in box_of(person_mask(people[0], width, height)))
    return people[0], (f"{len(people)} people were found; the largest was taken, at {corners}. A box chooses another.",)


def agreement(person: Person, image: Array, mask: Array | None, box: Box | None) -> float:
    """Intersection over union of what the network saw with the mask, or of its box with the box."""
    seen = person_mask(person, image.shape[1], image.shape[0])
    if not seen.any():
        return 0.0
    if mask is not None:
        return float((seen & mask).sum() / (seen | mask).sum())
    a, b = np.array(box_of(seen)), np.array(box)
    common = np.prod(np.maximum(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0))
    return float(common / (np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - common))


def search(networks: Networks, image: Array) -> list[Person]:
    """Everyone the detector found and the landmark network confirms, the largest first.

    Where several crops show one person, the one the network is surest of stands for them.
    """
    height, width = image.shape[:2]
    found = [follow(networks.landmarks, image, detection.body) for detection in detect(networks.detector, image)]
    people: list[tuple[Person, Array]] = []
    for person in sorted(found, key=lambda p: -p.presence):
        mask = person_mask(person, width, height)
        if person.presence >= PRESENT and mask.any() and not any(shows_same(mask, other) for _, other in people):
            people.append((person, mask))
    return [person for person, mask in sorted(people, key=lambda p: -p[1].sum())]


def shows_same(a: Array, b: Array) -> bool:
    """Whether most of the smaller mask lies in the larger one."""
    return bool((a & b).sum() > 0.5 * min(a.sum(), b.sum()))


def follow(session: Session, image: Array, region: Region) -> Person:
    """Look, move the crop to where the network says the body is, look again, until it stands still."""
    person = look(session, image, region)
    for _ in range(MAX_LOOKS - 1):
        target = region_from_points(person.landmarks[CENTRE], person.landmarks[RIM])
        if person.presence < PRESENT or target.side < 1 or settled(person.region, target):
            break
        person = look(session, image, target)
    return person


def look(session: Session, image: Array, region: Region) -> Person:
    """Run the network on one crop and bring what it says back to the image."""
    out = session.run({"image": crop(image, region)[None]})
    points = out["landmarks"].reshape(39, 5).astype(np.float64)
    points[:, :2] = refined(points[:, :2], out["heatmaps"][0])
    world = out["world_landmarks"].reshape(39, 3).astype(np.float64)
    to_image = region.to_image(CROP)
    world[:, :2] = world[:, :2] @ region.rotation().T
    return Person(
        landmarks=(points[:, :2] @ to_image[:, :2].T + to_image[:, 2]).astype(np.float32),
        world=world.astype(np.float32),
        visibility=expit(points[:, 3]).astype(np.float32),
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


def settled(a: Region, b: Region) -> bool:
    """Whether the corners of the two crops are nearly the same."""
    corners = np.array([[0, 0, 1], [CROP, 0, 1], [CROP, CROP, 1], [0, CROP, 1]], np.float64)
    return float(np.abs(corners @ (a.to_image(CROP) - b.to_image(CROP)).T).max()) < SETTLED * a.side


def person_mask(person: Person, width: int, height: int) -> Array:
    """The network's own mask in the image, (height, width) bool: without crumbs, small holes closed."""
    logits = cv2.warpAffine(np.clip(person.mask_logits, -20, 20), between_centres(person.region.to_image(CROP)),
                            (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=-20)
    return clean(logits > 0, smallest_part=0.1, largest_hole=0.002)
