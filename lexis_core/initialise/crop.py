"""Photos and masks at the small and steady size that outlines are matched at."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from lexis_core.observe.observation import Observation

Array = np.ndarray
Box = tuple[float, float, float, float]


def reduced(seen: Observation, side: int) -> Observation:
    """The same photo with at most so many pixels along its longer side. Nothing in space changes by it."""
    height, width = seen.person_mask.shape
    share = side / max(height, width)
    if share >= 1:
        return seen
    size = max(1, round(width * share)), max(1, round(height * share))

    def shrunk(mask: Array) -> Array:
        cover = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA)
        return cover >= min(0.5, cover.max())  # what is small stays

    return replace(
        seen, image=cv2.resize(seen.image, size, interpolation=cv2.INTER_AREA),
        camera=seen.camera.cropped((0, 0, width, height), *size), person_mask=shrunk(seen.person_mask),
        object_mask=None if seen.object_mask is None else shrunk(seen.object_mask),
        landmarks=(seen.landmarks * [size[0] / width, size[1] / height]).astype(np.float32))


def square_around(mask: Array, margin: float) -> Box:
    """x0, y0, x1, y1 pixels: a square about the mask's box, `margin` times its longer side; it may leave the photo."""
    rows, columns = np.nonzero(mask)
    middle = np.array([columns.min() + columns.max() + 1, rows.min() + rows.max() + 1]) / 2
    half = margin / 2 * max(np.ptp(columns), np.ptp(rows), 8)
    return (*(middle - half), *(middle + half))


def cropped_mask(picture: Array, box: Box, side: int) -> Array:
    """A square box of a mask as (side, side) float32 in [0, 1]; zero beyond the photo."""
    step = (box[2] - box[0]) / side
    soft = picture.astype(np.float32)
    if step > 1:
        soft = cv2.GaussianBlur(soft, (0, 0), step / 2)
    matrix = np.array([[step, 0, box[0] + step / 2 - 0.5], [0, step, box[1] + step / 2 - 0.5]])
    return cv2.warpAffine(soft, matrix, (side, side), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
