"""Write what the mediapipe package itself sees in a few photos, as numbers our tests compare with.

    python -m pip install mediapipe==0.10.21          # in an environment of its own, Python 3.9 to 3.12
    python onnx_export/mediapipe_reference.py --out tests/data/mediapipe_landmarks.json NAME=PHOTO ...

For each photo: the landmarks of a single look, as the package finds them in a still, and the settled ones, after it
has followed its own crop over the same picture as if it were a film of ten frames.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

FRAMES = 10


def main() -> None:
    """Look at each photo twice and write the numbers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", nargs="+", metavar="NAME=PHOTO")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    photos = {}
    for argument in options.photos:
        name, _, path = argument.partition("=")
        photos[name] = reference(Path(path))
    lines = ",\n".join(f" {json.dumps(name)}: {json.dumps(values)}" for name, values in photos.items())
    options.out.write_text('{"mediapipe": "0.10.21", "photos": {\n' + lines + "\n}}\n")


def reference(photo: Path) -> dict:
    """width, height, and for a single and for a settled look: 33 x (x, y, visibility) and 33 x (x, y, z) metres."""
    from PIL import Image

    pixels = np.asarray(Image.open(photo).convert("RGB"))
    height, width = pixels.shape[:2]
    return {"width": width, "height": height, "single": look(pixels, frames=1), "settled": look(pixels, FRAMES)}


def look(pixels: np.ndarray, frames: int) -> dict:
    """Landmarks in [0, 1] of the image's width and height, world landmarks, and the mask's share of the image."""
    import mediapipe

    with mediapipe.solutions.pose.Pose(static_image_mode=frames == 1, model_complexity=1, smooth_landmarks=False,
                                       enable_segmentation=True, smooth_segmentation=False) as pose:
        for _ in range(frames):
            seen = pose.process(pixels)
    return {
        "landmarks": [[round(p.x, 5), round(p.y, 5), round(p.visibility, 4)] for p in seen.pose_landmarks.landmark],
        "world": [[round(p.x, 4), round(p.y, 4), round(p.z, 4)] for p in seen.pose_world_landmarks.landmark],
        "mask_share": round(float((seen.segmentation_mask > 0.5).mean()), 5),
    }


if __name__ == "__main__":
    main()
