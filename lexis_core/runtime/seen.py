"""What LEXIS-Flow is told of square pictures around a person: picture, masks, landmarks, object points, as arrays.

Crop units: pixel / side of the square, the origin at its middle. Masks come as they are and as distances, so that a
point beside a mask knows how far beside.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

Array = np.ndarray

SIDE = 112        # pixels of a mask
PIXELS = 96       # mask pixels that the guidance looks at
FARTHEST = 0.25   # crop sides
LANDMARKS = 33
PERSON, OBJECT = 1, 2  # in masks


class Seen(NamedTuple):
    """B pictures, float32.

    image           : (B, 3, 112, 112) in 0..1
    maps            : (B, 4, 112, 112) person mask, object mask, distance to the object's mask, and to either mask; the
                      distances outside, in crop sides, at most FARTHEST
    box             : (B, 3) the middle and side of a square around the object's mask, crop units
    pixels          : (B, 96, 2) pixels of the object's mask, crop units
    landmarks       : (B, 33, 2) crop units; landmarks_world : (B, 33, 3) metres from the hips' middle, camera axes
    confidence      : (B, 33) in [0, 1]
    camera          : (B, 3) focal length and principal point, crop units
    object_points   : (B, Q, 3) metres, canonical
    object_normals  : (B, Q, 3) of the surface there, outward; zeros where out is not known
    seen            : (B, 4) 1 where image, masks, landmarks, the object's own mask are to be had, else 0
    """

    image: Array
    maps: Array
    box: Array
    pixels: Array
    landmarks: Array
    landmarks_world: Array
    confidence: Array
    camera: Array
    object_points: Array
    object_normals: Array
    seen: Array

    def repeated(self, count: int) -> Seen:
        """Every picture count times, one after another."""
        return Seen(*(np.repeat(value, count, 0) for value in self))


class Masks(NamedTuple):
    """maps, box, pixels as in Seen; found : (B,) bool, whether there is an object's mask."""

    maps: Array
    box: Array
    pixels: Array
    found: Array


def measured(masks: Array) -> Masks:
    """Masks (B, 112, 112) uint8 of PERSON and OBJECT as Seen has them. The pixels depend on the mask alone."""
    person, thing = masks == PERSON, masks == OBJECT
    maps = np.zeros((len(masks), 4, SIDE, SIDE), np.float32)
    box = np.tile(np.float32([0, 0, 1]), (len(masks), 1))
    pixels = np.zeros((len(masks), PIXELS, 2), np.float32)
    for k in range(len(masks)):
        maps[k, 0], maps[k, 1] = person[k], thing[k]
        maps[k, 2], maps[k, 3] = _distance(thing[k]), _distance(masks[k] > 0)
        rows, columns = np.nonzero(thing[k])
        if len(rows):
            at = (np.stack([columns, rows], 1) + 0.5) / SIDE - 0.5
            low, high = at.min(0), at.max(0)
            box[k] = *((low + high) / 2), 1.5 * float((high - low).max()) + 0.04
            pixels[k] = at[np.linspace(0, len(at) - 1, PIXELS).astype(int)]
    return Masks(maps, box, pixels, thing.any((1, 2)))


def seen_of(image: Array, masks: Array, landmarks: Array, landmarks_world: Array, confidence: Array, camera: Array,
            object_points: Array, object_normals: Array) -> Seen:
    """Put together what is seen of B pictures; image (B, 3, 112, 112) in 0..1, masks (B, 112, 112) uint8."""
    maps, box, pixels, found = measured(masks)
    known = np.stack([np.ones(len(masks)), masks.any((1, 2)), np.ones(len(masks)), found], 1)
    told = image, maps, box, pixels, landmarks, landmarks_world, confidence, camera
    return Seen(*(np.ascontiguousarray(a, np.float32) for a in (*told, object_points, object_normals, known)))


def _distance(mask: Array) -> Array:
    if not mask.any():
        return np.full(mask.shape, FARTHEST, np.float32)
    return np.minimum(cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 5) / SIDE, FARTHEST)
