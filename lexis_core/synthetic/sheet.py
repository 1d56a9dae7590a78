"""A contact sheet of interactions, plainly shaded: python -m lexis_core.synthetic.sheet states.npz --out sheet.png"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from lexis_core.body import default_body, pose
from lexis_core.draw import BODY_COLOUR, OBJECT_COLOUR, shade
from lexis_core.mesh import Mesh
from lexis_core.synthetic.states import ACTION_NAMES, Interactions, load

Array = np.ndarray

LABEL = 15  # pixels


def picture(interactions: Interactions, i: int, size: int) -> Array:
    """Interaction i through its own camera on white, (size, size, 3) uint8."""
    model, state = default_body(), interactions.state(i)
    body = Mesh(pose(model, state.body).vertices, model.faces)
    thing = interactions.object_model(i).mesh.moved(state.object.rotation, state.object.translation)
    colours = [np.array(BODY_COLOUR, np.float32), np.array(OBJECT_COLOUR, np.float32)]
    shaded, cover = shade([body, thing], colours, interactions.camera(i, size))
    return np.clip((shaded + 1 - cover[..., None]) * 255 + 0.5, 0, 255).astype(np.uint8)


def spread_over_actions(interactions: Interactions, count: int) -> list[int]:
    """The first interactions of each action in turn, of as many different kinds of things as there are."""
    queues = []
    for action in range(len(ACTION_NAMES)):
        rows = np.flatnonzero(interactions.action == action).tolist()
        seen: dict[str, int] = {}
        order = []
        for row in rows:
            name = interactions.category(row)
            seen[name] = seen.get(name, 0) + 1
            order.append((seen[name], row))
        queues.append([row for _, row in sorted(order)])
    chosen: list[int] = []
    while len(chosen) < min(count, len(interactions)):
        for queue in queues:
            if queue and len(chosen) < count:
                chosen.append(queue.pop(0))
    return sorted(chosen, key=lambda row: (interactions.action[row], interactions.category(row)))


def sheet(interactions: Interactions, rows: list[int], size: int, columns: int) -> Image.Image:
    """The interactions of these rows with action and category below each."""
    height = size + LABEL
    page = Image.new("RGB", (columns * size, -(-len(rows) // columns) * height), "white")
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(10)
    for k, row in enumerate(rows):
        x, y = k % columns * size, k // columns * height
        page.paste(Image.fromarray(picture(interactions, row, size)), (x, y))
        text = f"{ACTION_NAMES[interactions.action[row]]}: {interactions.category(row).replace('_', ' ')}"
        draw.text((x + size / 2, y + size), text, "black", font, anchor="ma")
    return page


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("states")
    parser.add_argument("--out", type=Path, default=Path("docs/images/interactions.png"))
    parser.add_argument("--count", type=int, default=64)
    parser.add_argument("--size", type=int, default=150)
    parser.add_argument("--columns", type=int, default=8)
    given = parser.parse_args()
    interactions = load(given.states)
    rows = spread_over_actions(interactions, given.count)
    page = sheet(interactions, rows, given.size, given.columns)
    page.quantize(48, dither=Image.Dither.NONE).save(given.out, optimize=True)
    print(f"{given.out}: {len(rows)} of {len(interactions)} interactions")


if __name__ == "__main__":
    main()
