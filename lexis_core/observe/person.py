"""Which person: the one in the mask, else in the box, else the largest of all."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from lexis_core.errors import InputError
from lexis_core.observe.detector import detect
from lexis_core.observe.landmarks import Person, follow, person_mask
from lexis_core.observe.masks import Box, box_of
from lexis_core.observe.region import Region
from lexis_core.runtime.session import Session

Array = np.ndarray

STARTS = (1.0, 1.4, 2.0)  # first crops around a mask or box; the wide ones are for people cut off by the border
AGREES = 0.2              # least agreement of what was seen with the mask or box that was given
COARSE = 256              # pixels along the longer side of the masks that are only compared


@dataclass(frozen=True)
class Networks:
    """The two sessions: who is where, and how they stand."""

    detector: Session
    landmarks: Session


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
    people = follow(networks.landmarks, image, starts)
    agreements = [agreement(person, image, mask, box) for person in people]
    if max(agreements, default=0.0) < AGREES:
        where = "mask" if mask is not None else "box"
        raise InputError("No person was found.", f"Nothing in the person's {where} looks like a person.",
                         "Check that it encloses the whole person, and is for this photo.")
    return people[int(np.argmax([p.presence * a for p, a in zip(people, agreements, strict=True)]))], ()


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


def search(networks: Networks, image: Array) -> list[Person]:
    """Everyone the detector found and the landmark network confirms, the largest first.

    Where several crops show one person, the one the network is surest of stands for them.
    """
    people: list[tuple[Person, Array]] = []
    found = follow(networks.landmarks, image, (detection.body for detection in detect(networks.detector, image)))
    for person in sorted(found, key=lambda p: -p.presence):
        mask = coarse_mask(person, image)
        if mask.any() and not any(shows_same(mask, other) for _, other in people):
            people.append((person, mask))
    return [person for person, mask in sorted(people, key=lambda p: -p[1].sum())]


def agreement(person: Person, image: Array, mask: Array | None, box: Box | None) -> float:
    """Intersection over union of what the network saw with the mask, or of its box with the box."""
    seen = coarse_mask(person, image)
    if not seen.any():
        return 0.0
    if mask is not None:
        given = cv2.resize(mask.astype(np.float32), seen.shape[::-1], interpolation=cv2.INTER_AREA) >= 0.5
        return float((seen & given).sum() / (seen | given).sum())
    a, b = np.array(box_of(seen)), np.array(box) * coarse_scale(image)
    common = np.prod(np.maximum(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0))
    return float(common / (np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - common))


def shows_same(a: Array, b: Array) -> bool:
    """Whether most of the smaller mask lies in the larger one."""
    return bool((a & b).sum() > 0.5 * min(a.sum(), b.sum()))


def coarse_mask(person: Person, image: Array) -> Array:
    """The network's mask, small, to compare with others."""
    return person_mask(person, image.shape[1], image.shape[0], coarse_scale(image))


def coarse_scale(image: Array) -> float:
    """How much smaller the compared masks are than the image."""
    return min(1.0, COARSE / max(image.shape[:2]))
