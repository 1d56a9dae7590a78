"""Where the object is in the photo, when a box is all one has: GrabCut."""

from __future__ import annotations

import cv2
import numpy as np
from scipy.ndimage import gaussian_filter

from lexis_core.observe.masks import Box, clean, empty, largest_area

Array = np.ndarray

WORKING_SIDE = 600     # pixels; GrabCut's time grows with the image, its borders hardly change
ITERATIONS = 5
SEED = 0               # of OpenCV's k-means: the same photo gives the same mask
CONTEXT = 0.5          # share of the box's size around it that GrabCut sees as background
BINS = (16, 32, 32)    # of the colour histograms, in L, a, b
PECULIAR = 0.65        # from this share on a colour is the object's at first,
COMMON = 0.3           # below this one it is the background's for good
SMALLEST = 0.002       # of the box: a smaller result is noise


def cut_object(image: Array, box: Box, person: Array) -> Array:
    """The object in the box, (H, W) bool, by GrabCut (Rother, Kolmogorov and Blake 2004).

    image : (H, W, 3) uint8; person : (H, W) bool, never part of the object
    What lies outside the box, and the person, is background for sure; the rest of the box may be the object.
    InputError when nothing is left, or nothing to tell it from.
    """
    height, width = person.shape
    x0, y0, x1, y1 = box
    margin_x, margin_y = CONTEXT * (x1 - x0), CONTEXT * (y1 - y0)
    left, top = int(max(x0 - margin_x, 0)), int(max(y0 - margin_y, 0))
    right, bottom = int(np.ceil(min(x1 + margin_x, width))), int(np.ceil(min(y1 + margin_y, height)))
    window = np.s_[top:bottom, left:right]

    labels = np.full(person.shape, cv2.GC_BGD, np.uint8)
    labels[int(y0):int(np.ceil(y1)), int(x0):int(np.ceil(x1))] = cv2.GC_PR_FGD
    labels[person] = cv2.GC_BGD
    scale = min(1.0, WORKING_SIDE / max(right - left, bottom - top))
    size = (max(1, round((right - left) * scale)), max(1, round((bottom - top) * scale)))
    small = cv2.resize(image[window], size, interpolation=cv2.INTER_AREA)
    small_labels = cv2.resize(labels[window], size, interpolation=cv2.INTER_NEAREST)
    remedy = "Draw the box tightly around the object with some background in sight, or give a mask (--object-mask)."
    if (small_labels == cv2.GC_BGD).all():
        raise empty("the object mask", "The person fills the whole box.", remedy)
    if (small_labels != cv2.GC_BGD).all():
        raise empty("the object mask", "The box is the whole photo, so there is no background to tell it from.", remedy)

    open_question = small_labels == cv2.GC_PR_FGD
    around = cv2.resize((~person[window]).astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    peculiar = peculiarity(small, open_question, around & ~open_question)
    small_labels[open_question & (peculiar < PECULIAR)] = cv2.GC_PR_BGD
    small_labels[open_question & (peculiar < COMMON)] = cv2.GC_BGD
    if not (small_labels == cv2.GC_PR_FGD).any():
        raise empty("the object mask", "Nothing in the box stands out from what is around it.", remedy)
    cv2.setRNGSeed(SEED)
    cv2.grabCut(cv2.cvtColor(small, cv2.COLOR_RGB2BGR), small_labels, None, np.zeros((1, 65)), np.zeros((1, 65)),
                ITERATIONS, cv2.GC_INIT_WITH_MASK)
    found = np.isin(small_labels, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.float32)
    mask = np.zeros(person.shape, bool)
    mask[window] = cv2.resize(found, (right - left, bottom - top), interpolation=cv2.INTER_LINEAR) > 0.5
    mask &= labels == cv2.GC_PR_FGD
    if largest_area(mask) < SMALLEST * (x1 - x0) * (y1 - y0):
        raise empty("the object mask", "Nothing in the box stands out from what is around it.", remedy)
    return clean(mask, smallest_part=0.05, largest_hole=0.002)


def peculiarity(image: Array, inside: Array, outside: Array) -> Array:
    """How much of a pixel's colour is seen inside and not outside, (H, W) in [0, 1]; 0.5 is undecided.

    image : (H, W, 3) uint8 sRGB; inside, outside : (H, W) bool
    What GrabCut first takes for the object decides what it ends with. The floor between the legs of a chair is in
    the box too, but its colour is seen outside as well.
    """
    lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB).reshape(-1, 3).astype(np.int64) * BINS // 256
    index = np.ravel_multi_index(tuple(lab.T), BINS)
    seen = [gaussian_filter(np.bincount(index[chosen.ravel()], minlength=np.prod(BINS)).reshape(BINS).astype(np.float64)
                            / max(chosen.sum(), 1), 1.0).ravel()[index] for chosen in (inside, outside)]
    share = seen[0] / np.maximum(seen[0] + seen[1], 1e-12)
    return cv2.GaussianBlur(share.reshape(inside.shape), (0, 0), 1.0)
