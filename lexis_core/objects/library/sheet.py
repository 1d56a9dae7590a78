"""A contact sheet of the object library: python -m lexis_core.objects.library.sheet --out docs/images/objects.png"""

from __future__ import annotations

import argparse

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from lexis_core.camera import Camera
from lexis_core.draw import OBJECT_COLOUR, shade
from lexis_core.geometry import rotation_from_axis_angle
from lexis_core.mesh import Mesh
from lexis_core.objects.library import CATEGORIES, make
from lexis_core.objects.model import ObjectModel

Array = np.ndarray

FRAMING = 1.06   # the picture's half side over the object's reach in it
DISTANCE = 8.0   # of the eye, in reaches of the object
TINTS = (1.0, 0.72, 0.88, 0.62)  # the parts in turn, to tell them apart


def view(model: ObjectModel, size: int, turn: float = 35.0, tilt: float = 18.0) -> Array:
    """A three-quarter view of the model's front on white, (size, size, 3) uint8; turn and tilt in degrees."""
    upright = np.diag([1.0, -1.0, -1.0])  # y up and front +z -> y down, front towards the camera
    turned = rotation_from_axis_angle(np.radians([0, -turn, 0]))
    rotation = rotation_from_axis_angle(np.radians([tilt, 0, 0])) @ upright @ turned
    mesh = model.mesh.moved(rotation, np.zeros(3))
    flat = Mesh(mesh.vertices[mesh.faces].reshape(-1, 3), np.arange(3 * len(mesh.faces), dtype=np.int32).reshape(-1, 3))
    low, high = flat.vertices.min(0), flat.vertices.max(0)
    seen = flat.vertices - (low + high) / 2 + [0, 0, DISTANCE * (high - low).max() / 2]
    camera = Camera.of_image(size, size, focal=0.5 * size / (FRAMING * np.abs(seen[:, :2] / seen[:, 2:]).max()))
    flat = Mesh(seen.astype(np.float32), flat.faces)
    tint = np.concatenate([np.full(3 * count, TINTS[i % len(TINTS)]) for i, (_, _, count) in enumerate(model.parts)]
                          or [np.ones(len(seen))])
    picture, cover = shade([flat], [tint[:, None] * np.array(OBJECT_COLOUR, np.float32)], camera)
    return np.clip((picture + 1 - cover[..., None]) * 255 + 0.5, 0, 255).astype(np.uint8)


def sheet(names: list[str], size: int, columns: int, **angles: float) -> Image.Image:
    """The named categories with their defaults, each with its name and extents in metres below it."""
    label = size // 5
    rows = -(-len(names) // columns)
    page = Image.new("RGB", (columns * size, rows * (size + label)), "white")
    draw = ImageDraw.Draw(page)
    font, small = ImageFont.load_default(label * 0.40), ImageFont.load_default(label * 0.29)
    for i, name in enumerate(names):
        model = make(name)
        x, y = i % columns * size, i // columns * (size + label)
        page.paste(Image.fromarray(view(model, size, **angles)), (x, y))
        extents = " x ".join(f"{e:.2f}" for e in np.ptp(model.mesh.vertices, axis=0))
        draw.text((x + size / 2, y + size + 0.02 * label), name.replace("_", " "), "black", font, anchor="ma")
        draw.text((x + size / 2, y + size + 0.48 * label), f"{extents} m", (110, 110, 110), small, anchor="ma")
    return page


def main() -> None:
    """Write the sheet as a PNG with a small palette."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", default="docs/images/objects.png")
    parser.add_argument("--size", type=int, default=220)
    parser.add_argument("--columns", type=int, default=7)
    parser.add_argument("--turn", type=float, default=35.0, help="degrees to the object's left")
    parser.add_argument("--tilt", type=float, default=18.0, help="degrees from above")
    parser.add_argument("names", nargs="*", help="categories; all when none is named")
    given = parser.parse_args()
    page = sheet(given.names or list(CATEGORIES), given.size, given.columns, turn=given.turn, tilt=given.tilt)
    page.quantize(64, dither=Image.Dither.NONE).save(given.out, optimize=True)
    print(f"{given.out}: {len(given.names or CATEGORIES)} objects")


if __name__ == "__main__":
    main()
