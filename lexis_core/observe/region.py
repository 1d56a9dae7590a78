"""A turned square in the image: what the person networks look at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lexis_core.observe.masks import Box

Array = np.ndarray

MARGIN = 1.25  # a crop is this much wider than the circle around the body, as in the networks' training


@dataclass(frozen=True)
class Region:
    """x, y : centre, pixels; side : pixels; angle : radians, clockwise on the screen"""

    x: float
    y: float
    side: float
    angle: float = 0.0

    @classmethod
    def around(cls, box: Box) -> Region:
        """The upright square around a box, with the margin of training."""
        x0, y0, x1, y1 = box
        return cls((x0 + x1) / 2, (y0 + y1) / 2, MARGIN * max(x1 - x0, y1 - y0))

    def to_image(self, size: int) -> Array:
        """(2, 3): takes positions in a crop of this size (0..size, corners) to positions in the image, pixels."""
        turn = self.side / size * self.rotation()
        return np.column_stack([turn, np.array([self.x, self.y]) - turn @ np.full(2, size / 2)])

    def rotation(self) -> Array:
        """(2, 2): from the crop's axes to the image's."""
        cosine, sine = np.cos(self.angle), np.sin(self.angle)
        return np.array([[cosine, -sine], [sine, cosine]])


def region_from_points(centre: Array, rim: Array) -> Region:
    """The square around the circle with this centre through rim, turned so that rim is straight up from the centre."""
    dx, dy = (np.asarray(rim, np.float64) - centre).tolist()
    return Region(float(centre[0]), float(centre[1]), 2 * MARGIN * float(np.hypot(dx, dy)), float(np.arctan2(dx, -dy)))


def square_overlap(a: Region, b: Region) -> float:
    """Intersection over union of two squares, as if upright."""
    width = min(a.x + a.side / 2, b.x + b.side / 2) - max(a.x - a.side / 2, b.x - b.side / 2)
    height = min(a.y + a.side / 2, b.y + b.side / 2) - max(a.y - a.side / 2, b.y - b.side / 2)
    common = max(width, 0.0) * max(height, 0.0)
    return common / (a.side**2 + b.side**2 - common)


def between_centres(corners: Array) -> Array:
    """A (2, 3) map between corner positions, as OpenCV wants it: between pixel centres at whole numbers."""
    matrix = corners.copy()
    matrix[:, 2] += corners[:, :2] @ np.full(2, 0.5) - 0.5
    return matrix
