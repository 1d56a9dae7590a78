"""What cameras and websites do to a picture: exposure, colour cast, blur, noise, few pixels, JPEG, black and white."""

from __future__ import annotations

import cv2
import numpy as np

from lexis_core.synthetic.kernels import develop

Array = np.ndarray


def developed(light: Array, rng: np.random.Generator) -> Array:
    """Linear light (H, W, 3) float32 -> a photo (H, W, 3) uint8."""
    height, width = light.shape[:2]
    exposure = rng.uniform(0.42, 0.62) / max(float(np.sqrt(cv2.mean(light)[1])), 0.05)
    gain = exposure ** rng.uniform(0.4, 1.0) * np.exp(rng.normal(0, 0.05, 3))
    draw = rng.random(6)
    grain = rng.uniform(0.01, 0.09) * rng.uniform() if draw[4] < 0.6 else 0.0
    picture = np.empty_like(light)
    develop(light, gain, rng.uniform(0.8, 1.25), 0.5 + rng.normal(0, 0.03), grain, draw[3] < 0.07,
            int(rng.integers(1 << 31)), picture)
    if draw[0] < 0.2:
        small = rng.uniform(0.4, 0.9)
        few = cv2.resize(picture, (round(width * small), round(height * small)), interpolation=cv2.INTER_AREA)
        picture = cv2.resize(few, (width, height), interpolation=cv2.INTER_LINEAR)
    elif draw[1] < 0.35:
        picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.3, 1.1))
    if draw[2] < 0.06:
        picture = cv2.filter2D(picture, -1, _streak(rng))
    photo = cv2.convertScaleAbs(picture, alpha=255)
    if draw[5] < 0.7:
        written = cv2.imencode(".jpg", photo[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, int(rng.uniform(35, 95))])[1]
        photo = np.ascontiguousarray(cv2.imdecode(written, cv2.IMREAD_COLOR)[..., ::-1])
    return photo


def _streak(rng: np.random.Generator) -> Array:
    """A short line as a filter: the camera moved."""
    angle, length = rng.uniform(0, np.pi), rng.uniform(1.5, 4)
    kernel = np.zeros((9, 9), np.float32)
    for t in np.linspace(-length, length, 25):
        kernel[round(4 + t * np.sin(angle)), round(4 + t * np.cos(angle))] += 1
    return kernel / kernel.sum()
