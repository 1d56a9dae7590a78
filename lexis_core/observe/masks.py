"""Masks: reading them from files, cleaning what a network drew, and the boxes people draw instead."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from lexis_core.errors import InputError
from lexis_core.observe.image import grey_levels, open_image

Array = np.ndarray
Box = tuple[float, float, float, float]

MIN_BOX_SIDE = 8


def read_mask(source: Path | str | bytes | Array, width: int, height: int, name: str) -> Array:
    """A mask from an image file or an array -> (height, width) bool.

    name : what it is called in errors, such as "the person mask"

    White is inside. A file with transparency: what is at least half opaque is inside. A file of two levels: the
    brighter one, whatever they are (0 and 1, a palette's two colours). Everything else: from half brightness on.
    InputError when it cannot be read, is of another size than the photo, or empty.
    """
    mask = _mask_from_array(source, name) if isinstance(source, np.ndarray) else _mask_from_file(source, name)
    if mask.shape != (height, width):
        turned = " It looks turned by 90 degrees." if mask.shape == (width, height) != (height, width) else ""
        raise InputError(f"{_capital(name)} does not fit the photo.",
                         f"It has {mask.shape[1]} x {mask.shape[0]} pixels, the photo {width} x {height}.{turned}",
                         "Give a mask of the photo's size, for the photo as it looks upright.")
    if not mask.any():
        raise empty(name, "No pixel of it is white.", "Give an image that is white where it is and black elsewhere.")
    return mask


def check_box(box: Sequence[float], width: int, height: int, name: str) -> Box:
    """x0, y0, x1, y1 in pixels -> the same, cut at the image's border. InputError when it is not a box in the image."""
    remedy = "Give x0,y0,x1,y1 in pixels, the upper left and the lower right corner."
    try:
        x0, y0, x1, y1 = (float(n) for n in box)
    except (TypeError, ValueError) as error:
        raise InputError(f"{_capital(name)} cannot be used.", "It is not four numbers.", remedy) from error
    if not (x1 > x0 and y1 > y0 and np.isfinite([x0, y0, x1, y1]).all()):
        raise InputError(f"{_capital(name)} cannot be used.", f"{x0:g},{y0:g},{x1:g},{y1:g} encloses nothing.", remedy)
    x0, y0, x1, y1 = max(x0, 0.0), max(y0, 0.0), min(x1, float(width)), min(y1, float(height))
    if x1 - x0 < MIN_BOX_SIDE or y1 - y0 < MIN_BOX_SIDE:
        raise InputError(f"{_capital(name)} cannot be used.",
                         f"Less than {MIN_BOX_SIDE} pixels of it lie in the photo, which has {width} x {height}.",
                         remedy)
    return x0, y0, x1, y1


def box_of(mask: Array) -> Box:
    """The box around the mask's pixels, (x0, y0, x1, y1) pixels."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)


def clean(mask: Array, smallest_part: float, largest_hole: float) -> Array:
    """Drop parts smaller than smallest_part of the largest one, close holes smaller than largest_hole of it. bool."""
    area = largest_area(mask)
    parts = _components_from(mask, smallest_part * area)
    return ~_components_from(~parts, largest_hole * area)


def largest_area(mask: Array) -> int:
    """Pixels of the largest connected part; 0 for an empty mask."""
    _, _, statistics, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    return int(statistics[1:, cv2.CC_STAT_AREA].max(initial=0))


def empty(name: str, why: str, remedy: str) -> InputError:
    """The error for a mask without a pixel."""
    return InputError(f"{_capital(name)} is empty.", why, remedy)


def _components_from(mask: Array, area: float) -> Array:
    """The connected parts of at least this many pixels."""
    _, labels, statistics, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    keep = statistics[:, cv2.CC_STAT_AREA] >= max(area, 1)
    keep[0] = False
    return keep[labels]


def _mask_from_file(source: Path | str | bytes, name: str) -> Array:
    image, _ = open_image(source, name if isinstance(source, bytes) else f"{_capital(name)} {source}")
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        alpha = np.asarray(image.convert("RGBA").getchannel("A"))
        if alpha.min() < 255:
            return alpha >= 128
    if image.mode in ("F", "I") or image.mode.startswith("I;16"):
        wide = np.asarray(image)
        levels = np.unique(wide)
        return wide == levels[1] if len(levels) == 2 else grey_levels(image) >= 128
    return _threshold(_brightness(image))


def _mask_from_array(array: Array, name: str) -> Array:
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if array.ndim != 2 or array.dtype.kind not in "biuf" or not np.isfinite(array).all():
        raise InputError(f"{_capital(name)} cannot be used.", f"It is an array of {array.dtype} {array.shape}, or NaN.",
                         "Give (H, W) bool, uint8, or float in [0, 1].")
    if array.dtype.kind == "b":
        return array.copy()
    return _threshold(array, 0.5 if array.dtype.kind == "f" else 127.5)


def _brightness(image: Image.Image) -> Array:
    """(H, W) uint8, the brightest channel, so that a pure colour counts as bright."""
    if image.mode in ("1", "L"):
        return np.asarray(image.convert("L"))
    return np.asarray(image.convert("RGB")).max(-1)


def _threshold(values: Array, half: float = 127.5) -> Array:
    levels = np.unique(values)
    return values == levels[1] if len(levels) == 2 else values > half


def _capital(name: str) -> str:
    return name[:1].upper() + name[1:]
