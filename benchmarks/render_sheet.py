"""A contact sheet of training pictures: python benchmarks/render_sheet.py --states FILE [--out docs/images/renders.png]

Every second picture shows what is known of it: the outlines of the person's and the object's mask, and the landmarks,
white where the detector's model is sure and black where it is not.
"""

from __future__ import annotations

import argparse

import cv2
import numpy as np
from PIL import Image

from lexis_core.synthetic.render import Rendered, render
from lexis_core.synthetic.sheet import spread_over_actions
from lexis_core.synthetic.states import load

Array = np.ndarray

PERSON, THING = (0, 200, 255), (255, 140, 0)


def marked(picture: Rendered, size: int) -> Array:
    """The picture enlarged, with outlines and landmarks."""
    scale = size / picture.image.shape[0]
    page = cv2.resize(picture.image, (size, size), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    for mask, colour in ((picture.person_mask, PERSON), (picture.object_mask, THING)):
        big = cv2.resize(mask.astype(np.float32), (size, size), interpolation=cv2.INTER_LINEAR) > 0.5
        outlines, _ = cv2.findContours(big.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(page, outlines, -1, colour, 1)
    for (x, y), sure in zip(picture.landmarks[:33] * scale, picture.confidence[:33], strict=True):
        cv2.circle(page, (round(float(x)), round(float(y))), 1, (int(255 * sure),) * 3, -1)
    return page


def sheet(pictures: list[Rendered], columns: int, size: int) -> Array:
    """(rows size, columns size, 3) uint8: every second one marked."""
    tiles = [marked(p, size) if k % 2 else cv2.resize(p.image, (size, size), interpolation=cv2.INTER_AREA)
             for k, p in enumerate(pictures)]
    lines = [np.concatenate(tiles[k:k + columns], 1) for k in range(0, len(tiles) - columns + 1, columns)]
    return np.concatenate(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--states", required=True, help="a file of interactions")
    parser.add_argument("--out", default="docs/images/renders.png")
    parser.add_argument("--count", type=int, default=64)
    given = parser.parse_args()
    interactions = load(given.states)
    pictures = [render(interactions, i) for i in spread_over_actions(interactions, given.count)]
    page = Image.fromarray(sheet(pictures, 8, 160))
    page.quantize(256, dither=Image.Dither.FLOYDSTEINBERG).save(given.out, optimize=True)
    print(f"{given.out}: {len(pictures)} pictures")


if __name__ == "__main__":
    main()
