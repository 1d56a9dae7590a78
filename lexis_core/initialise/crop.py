"""Square crops of masks, for matching outlines at a small and steady size."""

from __future__ import annotations

import cv2
import numpy as np

Array = np.ndarray
Box = tuple[float, float, float, float]


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
