"""From a photo to what was seen in it: masks, landmarks, camera."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lexis_core.camera import Camera
from lexis_core.errors import InputError
from lexis_core.observe.image import Photo, read_image
from lexis_core.observe.landmarks import person_mask as network_mask
from lexis_core.observe.landmarks import steadied
from lexis_core.observe.masks import check_box, empty, read_mask
from lexis_core.observe.object_mask import cut_object
from lexis_core.observe.observation import Observation
from lexis_core.observe.person import Networks, find_person
from lexis_core.runtime.bundle import default_bundle
from lexis_core.runtime.session import Session

Array = np.ndarray
Source = Path | str | bytes | Array

__all__ = ["Networks", "Observation", "observe", "open_networks", "read_image", "read_mask"]

def observe(
    image: Source,
    person_mask: Source | None = None,
    object_mask: Source | None = None,
    box: Sequence[float] | None = None,
    object_box: Sequence[float] | None = None,
    focal: float | None = None,
    networks: Networks | None = None,
) -> Observation:
    """Read a photo, find the person and the object in it.

    image, person_mask, object_mask : files, the bytes of files, or arrays
    box, object_box : x0, y0, x1, y1 pixels around the person, around the object
    focal : pixels; without it the photo's EXIF, else a default field of view
    networks : from open_networks(), to open them once for many photos

    The person is the one in the mask, else in the box, else the largest. The object is where its mask says, else what
    GrabCut finds in its box, else unknown (None). InputError when something given cannot be used or nobody is found.
    """
    photo = read_image(image)
    height, width = photo.pixels.shape[:2]
    box = None if box is None else check_box(box, width, height, "the person's box")
    object_box = None if object_box is None else check_box(object_box, width, height, "the object's box")
    given_person = None if person_mask is None else read_mask(person_mask, width, height, "the person mask")
    given_object = None if object_mask is None else read_mask(object_mask, width, height, "the object mask")
    camera, camera_note = camera_of(photo, focal)

    networks = networks or open_networks()
    found, notes = find_person(networks, photo.pixels, given_person, box)
    person = steadied(networks.landmarks, photo.pixels, found)
    mask = network_mask(person, width, height) if given_person is None else given_person
    mask, thing = separate(mask, given_object, person_given=given_person is not None)
    if thing is None and object_box is not None:
        thing = cut_object(photo.pixels, object_box, mask)
        notes += ("The object was cut out of its box by GrabCut; thin or open objects need a mask (--object-mask).",)
    return Observation(photo.pixels, camera, mask, thing, person.landmarks, person.world, person.confidence,
                       photo.notes + camera_note + notes)


def open_networks(device: str = "auto") -> Networks:
    """The person detector and the landmark network of the default bundle, ready to run."""
    bundle = default_bundle()
    return Networks(Session(bundle.path("detector"), device), Session(bundle.path("landmarks"), device))


def camera_of(photo: Photo, focal: float | None) -> tuple[Camera, tuple[str, ...]]:
    """The camera by the focal length given, else the photo's own, else the default; and a note when it is the default.

    InputError when focal is not a positive number of pixels.
    """
    height, width = photo.pixels.shape[:2]
    if focal is not None and not (np.isfinite(focal) and focal > 0):
        raise InputError("The focal length cannot be used.", f"{focal} is not a positive number of pixels.",
                         "Give it in pixels (--focal), or leave it away.")
    camera = Camera.of_image(width, height, focal or photo.focal)
    if focal or photo.focal:
        return camera, ()
    return camera, (f"The focal length is not known; {camera.focal[0]:.0f} pixels was assumed (--focal sets it).",)


def separate(person: Array, thing: Array | None, person_given: bool) -> tuple[Array, Array | None]:
    """Give every pixel to one of the two.

    A mask that was given beats one that was computed; where both were given, the person beats the object.

    InputError when nothing of the object is left.
    """
    if thing is None:
        return person, None
    if not person_given:
        return person & ~thing, thing
    if not (thing & ~person).any():
        raise empty("the object mask", "All of it lies in the person mask.",
                    "Check that the two masks are not the same.")
    return person, thing & ~person
