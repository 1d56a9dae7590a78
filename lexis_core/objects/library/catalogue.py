"""The library as a Markdown table, for docs/objects.md: python -m lexis_core.objects.library.catalogue"""

from __future__ import annotations

from lexis_core.objects.library import CATEGORIES, make


def table() -> str:
    """One row a category: where it is touched, its faces by default, its part names, its parameters."""
    rows = ["| Object | Touched with | Faces | Parts | Parameters: default (range or choices) |",
            "|---|---|---:|---|---|"]
    for name, category in CATEGORIES.items():
        model = make(name)
        parameters = ", ".join(f"`{key}` {value}" for key, value in category.parameters.items())
        parts = ", ".join(part for part, _, _ in model.parts)
        rows.append(f"| {name} | {category.place} | {len(model.mesh.faces):,} | {parts} | {parameters} |")
    return "\n".join(rows)


if __name__ == "__main__":
    print(table())
