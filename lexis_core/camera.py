"""The pinhole camera of a photo. OpenCV axes: x right, y down, z forward; pixel centres at half integers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Array = np.ndarray

DEFAULT_FIELD_OF_VIEW = np.radians(50.0)  # along the longer side: a 39 mm lens in full-frame terms


@dataclass(frozen=True)
class Camera:
    """Intrinsics in pixels. The top left corner of the image is (0, 0), its bottom right (width, height).

    width, height : image size, pixels
    focal         : (fx, fy), pixels
    center        : (cx, cy), the principal point, pixels
    """

    width: int
    height: int
    focal: tuple[float, float]
    center: tuple[float, float]

    @classmethod
    def of_image(cls, width: int, height: int, focal: float | None = None) -> Camera:
        """Square pixels and a centred principal point; without a focal length, the default field of view."""
        if focal is None:
            focal = 0.5 * max(width, height) / np.tan(DEFAULT_FIELD_OF_VIEW / 2)
        return cls(width, height, (float(focal), float(focal)), (width / 2, height / 2))

    def project(self, points: Array) -> Array:
        """(..., 3) metres in camera space -> (..., 2) pixels. Points at or behind the lens come out as NaN."""
        z = np.where(points[..., 2:] > 1e-6, points[..., 2:], np.nan)
        return points[..., :2] / z * np.asarray(self.focal, points.dtype) + np.asarray(self.center, points.dtype)

    def lift(self, pixels: Array, depth: Array) -> Array:
        """(..., 2) pixels at depth (...,) metres along z -> (..., 3) metres."""
        xy = (pixels - np.asarray(self.center)) / np.asarray(self.focal)
        return np.concatenate([xy, np.ones_like(xy[..., :1])], -1) * np.asarray(depth)[..., None]

    def cropped(self, box: tuple[float, float, float, float], width: int, height: int) -> Camera:
        """The camera that sees only box (x0, y0, x1, y1), resampled to width x height pixels."""
        x0, y0, x1, y1 = box
        sx, sy = width / (x1 - x0), height / (y1 - y0)
        return Camera(width, height, (self.focal[0] * sx, self.focal[1] * sy),
                      ((self.center[0] - x0) * sx, (self.center[1] - y0) * sy))
