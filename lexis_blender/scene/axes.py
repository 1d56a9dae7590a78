"""From lexis_core's axes to Blender's, in both senses of "from": where things stand, and how they rest.

Camera space (x right, y down, z forward) becomes the Blender world: (x, z, -y), so the photo's camera stands at the
world origin and looks along +Y. Rest frames (y up, front +z, left +x) become z up: (x, -z, y), so a body rests facing
-Y as Blender's front view expects.
"""

from __future__ import annotations

import numpy as np

Array = np.ndarray

WORLD_FROM_CAMERA = np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]], np.float64)
LOCAL_FROM_REST = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]], np.float64)


def world_points(points: Array) -> Array:
    """(..., 3) in camera space -> (..., 3) in the Blender world, the type kept."""
    return points @ WORLD_FROM_CAMERA.T.astype(points.dtype)


def local_points(points: Array) -> Array:
    """(..., 3) in a rest frame -> (..., 3) in the object's local axes, the type kept. Serves for offsets too."""
    return points @ LOCAL_FROM_REST.T.astype(points.dtype)


def world_rotation(rotation: Array) -> Array:
    """(3, 3) rest frame -> camera space, as (3, 3) float64 local axes -> Blender world."""
    return WORLD_FROM_CAMERA @ np.asarray(rotation, np.float64) @ LOCAL_FROM_REST.T


def local_rotations(rotations: Array) -> Array:
    """(..., 3, 3) within a rest frame -> (..., 3, 3) float64 within the local axes."""
    return LOCAL_FROM_REST @ np.asarray(rotations, np.float64) @ LOCAL_FROM_REST.T
