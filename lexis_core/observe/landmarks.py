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
from lexis_core.observe.masks import Box, box_of, clean
from lexis_core.runtime.session import Session

Array = np.ndarray

CROP = 256              # pixels a side, the network's input
CENTRE, RADIUS = 33, 34  # landmarks that place the next crop
MARGIN = 1.25           # the crop is this much wider than the circle around the body, as in training
SETTLED = 0.02          # the crop stands still when it moves less than this share of its side
MAX_LOOKS = 6
PRESENT = 0.5           # probability from which on the network has seen a person
WINDOWS = (2.0, 1.4, 1.0, 0.6, 0.35)  # sides of the search windows, shares of the image's longer side
STARTS = (1.0, 1.4, 2.0)  # sides of the first crops around a mask or box; the wide ones are for people cut off by the border
SAME_CROP = 0.6         # a crop that overlaps one already followed by more than this leads to the same place
AGREES = 0.2            # least agreement of what was seen with the mask or box that was given


@dataclass(frozen=True)
class Region:
    """A square in the image. x, y : its centre, pixels; side : pixels; angle : radians, clockwise on the screen."""

    x: float
    y: float
    side: float
    angle: float = 0.0

    @classmethod
    def around(cls, box: Box) -> Region:
        """The upright square around a box, with the margin of training."""
        x0, y0, x1, y1 = box
        return cls((x0 + x1) / 2, (y0 + y1) / 2, MARGIN * max(x1 - x0, y1 - y0))

    def to_image(self) -> Array:
        """(2, 3): takes positions in the crop (0..CROP, corners) to positions in the image, pixels."""
        scale = self.side / CROP
        turn = scale * self.rotation()
        return np.column_stack([turn, np.array([self.x, self.y]) - turn @ np.full(2, CROP / 2)])

    def rotation(self) -> Array:
        """(2, 2): from the crop's axes to the image's."""
        cosine, sine = np.cos(self.angle), np.sin(self.angle)
        return np.array([[cosine, -sine], [sine, cosine]])


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


def find_person(session: Session, image: Array, mask: Array | None, box: Box | None) -> tuple[Person, tuple[str, ...]]:
    """The person in the mask, else in the box, else the largest in the image; and notes about the choice.

    image : (H, W, 3) uint8. InputError when there is nobody.
    """
    if mask is None and box is None:
        return largest_person(session, image)
    start = Region.around(box_of(mask) if mask is not None else box)
    people = [follow(session, image, replace(start, side=start.side * wider)) for wider in STARTS]
    best = max(people, key=lambda p: p.presence * agreement(p, image, mask, box))
    if best.presence < PRESENT or agreement(best, image, mask, box) < AGREES:
        where = "mask" if mask is not None else "box"
        raise InputError("No person was found.", f"Nothing in the person's {where} looks like a person.",
                         "Check that it encloses the whole person, and is for this photo.")
    return best, ()


def largest_person(session: Session, image: Array) -> tuple[Person, tuple[str, ...]]:
    """The largest person of all, and a note when there are more. InputError when there is nobody."""
    people = search(session, image)
    if not people:
        raise InputError("No person was found.", "Nothing in the photo looks like a person.",
                         "Show where the person is: a box (--box x0,y0,x1,y1) or a mask (--person-mask).")
    if len(people) == 1:
        return people[0], ()
    height, width = image.shape[:2]
    x0, y0, x1, y1 = box_of(person_mask(people[0], width, height))
    return people[0], (f"{len(people)} people were found; the largest was taken, at {x0:.0f},{y0:.0f},{x1:.0f},{y1:.0f}. "
                       "A box chooses another.",)


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


def search(session: Session, image: Array) -> list[Person]:
    """Everyone found from windows of several sizes all over the image, the largest first.

    Where several crops show one person, the one the network is surest of stands for them.
    """
    height, width = image.shape[:2]
    found: list[Person] = []
    for window in windows(width, height):
        first = look(session, image, window)
        if first.presence < PRESENT or any(overlap(next_region(first.landmarks), p.region) > SAME_CROP for p in found):
            continue
        person = follow(session, image, window)
        if person.presence >= PRESENT:
            found.append(person)
    people: list[tuple[Person, Array]] = []
    for person in sorted(found, key=lambda p: -p.presence):
        mask = person_mask(person, width, height)
        if mask.any() and not any(shows_same(mask, other) for _, other in people):
            people.append((person, mask))
    return [person for person, mask in sorted(people, key=lambda p: -p[1].sum())]


def shows_same(a: Array, b: Array) -> bool:
    """Whether most of the smaller mask lies in the larger one."""
    return bool((a & b).sum() > 0.5 * min(a.sum(), b.sum()))


def windows(width: int, height: int) -> list[Region]:
    """Squares of each size, half overlapping, that cover the image."""
    regions = []
    for share in WINDOWS:
        side = share * max(width, height)
        columns, rows = (max(1, int(np.ceil(2 * length / side)) - 1) for length in (width, height))
        for y in np.linspace(min(side, height) / 2, height - min(side, height) / 2, rows):
            regions += [Region(float(x), float(y), side)
                        for x in np.linspace(min(side, width) / 2, width - min(side, width) / 2, columns)]
    return regions


def follow(session: Session, image: Array, region: Region) -> Person:
    """Look, move the crop to where the network says the body is, look again, until it stands still."""
    person = look(session, image, region)
    for _ in range(MAX_LOOKS - 1):
        target = next_region(person.landmarks)
        if person.presence < PRESENT or target.side < 1 or settled(person.region, target):
            break
        person = look(session, image, target)
    return person


def look(session: Session, image: Array, region: Region) -> Person:
    """Run the network on one crop and bring what it says back to the image."""
    out = session.run({"image": crop(image, region)[None]}, ("landmarks", "presence", "person_mask", "world_landmarks"))
    points = out["landmarks"].reshape(39, 5).astype(np.float64)
    world = out["world_landmarks"].reshape(39, 3).astype(np.float64)
    to_image = region.to_image()
    world[:, :2] = world[:, :2] @ region.rotation().T
    return Person(
        landmarks=(points[:, :2] @ to_image[:, :2].T + to_image[:, 2]).astype(np.float32),
        world=world.astype(np.float32),
        visibility=expit(points[:, 3]).astype(np.float32),
        presence=float(out["presence"][0, 0]),
        mask_logits=out["person_mask"][0, :, :, 0],
        region=region,
    )


def crop(image: Array, region: Region) -> Array:
    """(CROP, CROP, 3) float32 in [0, 1]; beyond the image's border its last pixels repeat."""
    pixels = cv2.warpAffine(image, between_centres(region.to_image()), (CROP, CROP),
                            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE)
    return pixels.astype(np.float32) / 255


def between_centres(corners: Array) -> Array:
    """A (2, 3) map between corner positions, as OpenCV wants it: between pixel centres at whole numbers."""
    matrix = corners.copy()
    matrix[:, 2] += corners[:, :2] @ np.full(2, 0.5) - 0.5
    return matrix


def next_region(landmarks: Array) -> Region:
    """The crop that the two helper points ask for."""
    centre, rim = landmarks[CENTRE].astype(np.float64), landmarks[RADIUS].astype(np.float64)
    dx, dy = rim - centre
    return Region(*centre.tolist(), side=float(2 * MARGIN * np.hypot(dx, dy)), angle=float(np.arctan2(dx, -dy)))


def settled(a: Region, b: Region) -> bool:
    """Whether the corners of the two crops are nearly the same."""
    corners = np.array([[0, 0, 1], [CROP, 0, 1], [CROP, CROP, 1], [0, CROP, 1]], np.float64)
    return float(np.abs(corners @ (a.to_image() - b.to_image()).T).max()) < SETTLED * a.side


def overlap(a: Region, b: Region) -> float:
    """Intersection over union of two crops, as upright squares."""
    width = min(a.x + a.side / 2, b.x + b.side / 2) - max(a.x - a.side / 2, b.x - b.side / 2)
    height = min(a.y + a.side / 2, b.y + b.side / 2) - max(a.y - a.side / 2, b.y - b.side / 2)
    common = max(width, 0.0) * max(height, 0.0)
    return common / (a.side**2 + b.side**2 - common)


def person_mask(person: Person, width: int, height: int) -> Array:
    """The network's own mask in the image, (height, width) bool: without crumbs, small holes closed."""
    logits = cv2.warpAffine(np.clip(person.mask_logits, -20, 20), between_centres(person.region.to_image()),
                            (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=-20)
    return clean(logits > 0, smallest_part=0.1, largest_hole=0.002)
