"""How the landmark error model of the training pictures compares with the real detector on the same pictures.

python benchmarks/detector_model.py --states FILE [--count 200]

Errors in the image are shares of a 1.7 m person's height at the hips' depth, in the world metres.
"""

from __future__ import annotations

import argparse

import numpy as np

from lexis_core.body import default_body, pose
from lexis_core.errors import InputError
from lexis_core.observe import observe, open_networks
from lexis_core.synthetic.detector import STATURE, landmark_sites
from lexis_core.synthetic.render import render
from lexis_core.synthetic.states import Interactions, load

Array = np.ndarray

KINDS = {"face": range(11), "shoulders": (11, 12), "elbows": (13, 14), "wrists": (15, 16), "hands": range(17, 23),
         "hips": (23, 24), "knees": (25, 26), "ankles": (27, 28), "feet": range(29, 33)}
SMALLEST = 600  # pixels of a person


def observations(interactions: Interactions, count: int) -> tuple[dict[str, list[Array]], int]:
    """What the detector and the model say of the first pictures with enough person, and how often nobody was found."""
    networks, sites, missed = open_networks("cpu"), landmark_sites(default_body()), 0
    found: dict[str, list[Array]] = {name: [] for name in ("true", "visible", "world", "stature", "real", "real_world",
                                                           "real_sure", "model", "model_world", "model_sure", "iou")}
    for i in range(len(interactions)):
        if len(found["true"]) == count:
            break
        picture = render(interactions, i)
        if picture.person_mask.sum() < SMALLEST:
            continue
        rows, columns = np.nonzero(picture.person_mask)
        box = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
        try:
            seen = observe(picture.image, box=box, networks=networks)
        except InputError:
            missed += 1
            continue
        posed = pose(default_body(), interactions.state(i).body)
        points = sites.of(posed.vertices, posed.joints)
        hips = points[[23, 24]].mean(0)
        values = {"true": picture.true_landmarks, "visible": picture.visible, "world": points - hips,
                  "stature": STATURE * picture.camera.focal[0] / hips[2], "real": seen.landmarks,
                  "real_world": seen.landmarks_world, "real_sure": seen.confidence, "model": picture.landmarks,
                  "model_world": picture.landmarks_world, "model_sure": picture.confidence,
                  "iou": overlap(seen.person_mask, picture.person_mask)}
        for name, value in values.items():
            found[name].append(value)
    return found, missed


def overlap(a: Array, b: Array) -> float:
    """Intersection over union."""
    return float((a & b).sum() / (a | b).sum())


def quantiles(values: Array, scale: float, digits: int) -> str:
    """Median and 90th percentile."""
    if len(values) < 8:
        return "- | -"
    return " | ".join(f"{scale * q:.{digits}f}" for q in np.quantile(values, [0.5, 0.9]))


def table(found: dict[str, Array]) -> str:
    """Markdown: one row a kind of landmark, seen and hidden, detector beside model."""
    rows = ["| Landmarks | n | 2D %: detector median | 90 % | model median | 90 % | world cm: detector median | 90 % "
            "| model median | 90 % | confidence: detector | model |", "|---" * 12 + "|"]
    inside = ((found["true"] >= 0) & (found["true"] < 224)).all(-1)
    groups = {"seen": found["visible"] > 0.7, "hidden": (found["visible"] < 0.3) & inside, "outside": ~inside}
    for state, chosen in groups.items():
        for kind, numbers in KINDS.items():
            mask = np.zeros_like(chosen)
            mask[:, list(numbers)] = chosen[:, list(numbers)]
            if mask.sum() < 8:
                continue
            cells = [f"{kind}, {state}", str(int(mask.sum()))]
            for source in ("real", "model"):
                off = np.linalg.norm(found[source] - found["true"], axis=-1) / found["stature"][:, None]
                cells.append(quantiles(off[mask], 100, 1))
            for source in ("real_world", "model_world"):
                cells.append(quantiles(np.linalg.norm(found[source] - found["world"], axis=-1)[mask], 100, 0))
            cells += [f"{np.median(found[source][mask]):.2f}" for source in ("real_sure", "model_sure")]
            rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows)


def whole_person(found: dict[str, Array]) -> str:
    """Errors of the person at once: sides mixed up, depth squashed, how much skill differs."""
    lines = []
    for source in ("real", "model"):
        world, pixels = found[f"{source}_world"][:, 11:33], found[source]
        slope = (world * found["world"][:, 11:33])[..., 2].sum(1) / (found["world"][:, 11:33, 2] ** 2).sum(1)
        size = (world * found["world"][:, 11:33])[..., :2].sum((1, 2)) / (found["world"][:, 11:33, :2] ** 2).sum((1, 2))
        off = np.linalg.norm(pixels - found["true"], axis=-1)[:, 11:29] / found["stature"][:, None]
        mixed = [swapped(pixels, found["true"], limb) for limb in (((25, 26), (27, 28)), ((13, 14), (15, 16)))]
        lines.append(f"{'detector' if source == 'real' else 'model':8s}: legs swapped {mixed[0]:.1%}, arms "
                     f"{mixed[1]:.1%}; depth slope 10/50/90 % {np.quantile(slope, [0.1, 0.5, 0.9]).round(2)}; size "
                     f"{np.quantile(size, [0.1, 0.5, 0.9]).round(2)}; a person's median error 50/90 % "
                     f"{(100 * np.quantile(np.median(off, 1), [0.5, 0.9])).round(1)} % of the height")
    return "\n".join(lines)


def swapped(pixels: Array, true: Array, pairs: tuple[tuple[int, int], ...]) -> float:
    """The share of people whose limb fits the other side's truth twice as well."""
    left, right = (list(side) for side in zip(*pairs, strict=True))
    kept = np.linalg.norm(pixels[:, left + right] - true[:, left + right], axis=-1).mean(1)
    other = np.linalg.norm(pixels[:, left + right] - true[:, right + left], axis=-1).mean(1)
    return float((other < 0.5 * kept).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--states", required=True, help="a file of interactions")
    parser.add_argument("--count", type=int, default=200, help="pictures to look at")
    parser.add_argument("--raw", help="also write the numbers there, npz")
    given = parser.parse_args()
    lists, missed = observations(load(given.states), given.count)
    found = {name: np.array(values) for name, values in lists.items()}
    print(f"{len(found['true'])} pictures, nobody found in {missed} more; "
          f"the detector's mask against the rendered one: IoU {np.median(found['iou']):.2f}\n")
    print(table(found))
    print()
    print(whole_person(found))
    if given.raw:
        np.savez_compressed(given.raw, **found)


if __name__ == "__main__":
    main()
