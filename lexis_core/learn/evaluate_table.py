"""Render what `lexis evaluate` wrote as Markdown: python -m lexis_core.learn.evaluate_table F.json [--breakdowns]"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lexis_core.errors import InputError, LexisError

# metric: heading, decimals, factor
COLUMNS: dict[str, tuple[str, int, float]] = {
    "pa_cd_body_cm": ("body cm", 2, 1), "pa_cd_object_cm": ("object cm", 2, 1), "pa_cd_both_cm": ("both cm", 2, 1),
    "rotation_deg": ("rot. deg", 1, 1), "translation_cm": ("place cm", 1, 1),
    "contact_precision": ("prec.", 3, 1), "contact_recall": ("recall", 3, 1), "contact_f1": ("F1", 3, 1),
    "if_mae_body": ("IF body", 4, 1), "if_mae_object": ("IF object", 4, 1),
    "penetration_share": ("inside %", 2, 100), "penetration_depth_cm": ("deep cm", 2, 1),
    "false_contact": ("false contact", 3, 1), "seconds": ("s", 3, 1),
}


def tables(found: Mapping[str, Any], breakdowns: bool = False) -> str:
    """Methods and paired differences of every scale; with breakdowns, of every group of images too."""
    size = "" if found.get("size", 1) == 1 else f", the object given at {found['size']:g} times its size"
    lines = [f"{found['data']}, seed {found['seed']}{size}."]
    for scale, part in found["scales"].items():
        name = "The expert estimate itself" if scale == "real" else f"Starts at {scale} of the expert's errors"
        lines += ["", f"### {name}, n = {part['n']}", "", *_section(part)]
        for group, of in part["breakdowns"].items() if breakdowns else ():
            lines += ["", f"#### {name}, {group}, n = {of['n']}", "", *_section(of)]
    return "\n".join(lines)


def _section(part: Mapping[str, Any]) -> list[str]:
    lines = _table("method", part["methods"], _mean)
    return lines + ["", *_table("difference", part["paired"], _change)] if part["paired"] else lines


def _table(head: str, rows: Mapping[str, Mapping[str, Any]], cell) -> list[str]:
    shown = [metric for metric in COLUMNS if any(metric in row for row in rows.values())]
    lines = [f"| {head} | " + " | ".join(COLUMNS[metric][0] for metric in shown) + " |",
             "|---" + "|---:" * len(shown) + "|"]
    return lines + [f"| {name} | " + " | ".join(cell(row.get(metric), metric) for metric in shown) + " |"
                    for name, row in rows.items()]


def _mean(value: Mapping[str, Any] | None, metric: str) -> str:
    """The mean and half the width of its interval."""
    if value is None or value["mean"] is None:
        return ""
    _, decimals, factor = COLUMNS[metric]
    low, high = value["ci95"]
    spread = "" if low is None else f" ± {factor * (high - low) / 2:.{decimals}f}"
    return f"{factor * value['mean']:.{decimals}f}{spread}"


def _change(value: Mapping[str, Any] | None, metric: str) -> str:
    """The paired difference with its interval, bold where that is clear of zero, and its share of the second's mean."""
    if value is None or value["mean"] is None or value["ci95"][0] is None:
        return ""
    _, decimals, factor = COLUMNS[metric]
    low, high = (factor * end for end in value["ci95"])
    text = f"{factor * value['mean']:+.{decimals}f} [{low:+.{decimals}f}, {high:+.{decimals}f}]"
    share = "" if value["relative"] is None else f" {100 * value['relative']:+.0f} %"
    return f"**{text}**{share}" if low > 0 or high < 0 else text + share


def read(path: Path) -> dict[str, Any]:
    """The JSON of `lexis evaluate`. InputError when it is none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if not all(key in found for key in ("data", "seed", "scales")):
            raise ValueError("It lacks data, seed or scales.")
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{path} is not a result of lexis evaluate.", f"{error}",
                         "Give the file that its --json wrote.") from error
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Render a result of lexis evaluate as Markdown.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--breakdowns", action="store_true", help="seen and held-out categories, contact and none, too")
    options = parser.parse_args()
    try:
        print(tables(read(options.file), options.breakdowns))
    except LexisError as error:
        parser.exit(2, f"{error}\n")


if __name__ == "__main__":
    main()
