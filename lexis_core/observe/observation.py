"""What was seen in the photo; everything after this stage works from it alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lexis_core.camera import Camera

Array = np.ndarray


@dataclass(frozen=True)
class Observation:
    """One photo, measured.

    image           : (H, W, 3) uint8 sRGB, upright
    camera          : Camera of the whole image
    person_mask     : (H, W) bool
    object_mask     : (H, W) bool, or None when the object's place in the photo is not known
    landmarks       : (39, 2) float32 pixels, BlazePose order (33 body points, then 6 helper points)
    landmarks_world : (39, 3) float32 metres, camera axes, relative to the middle of the hips
    confidence      : (39,) float32 in [0, 1]
    notes           : sentences for the user: what was guessed, which person was taken
    """

    image: Array
    camera: Camera
    person_mask: Array
    object_mask: Array | None
    landmarks: Array
    landmarks_world: Array
    confidence: Array
    notes: tuple[str, ...] = ()
