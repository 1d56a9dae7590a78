"""The object library: everyday things as parametric, closed meshes in metres, with named parts."""

from __future__ import annotations

from typing import Any

import numpy as np

from lexis_core.errors import InputError
from lexis_core.mesh import Mesh
from lexis_core.objects.library import (  # noqa: F401  each module enters its categories when imported
    animals,
    carried,
    desktop,
    equipment,
    exercise,
    furniture,
    household,
    riding,
    vehicles,
)
from lexis_core.objects.library.category import REGISTRY, Category, Part
from lexis_core.objects.model import ObjectModel

CATEGORIES: dict[str, Category] = dict(sorted(REGISTRY.items()))


def canonical_name(name: str) -> str:
    """"Yoga ball" or "yoga-ball" -> "yoga_ball"."""
    return "_".join(name.lower().replace("-", " ").replace("_", " ").split())


def make(name: str, **parameters: Any) -> ObjectModel:
    """An object of the library, with its defaults where no parameter is given.

    With all defaults it is a typical one, not the one in the photo: its size does not count as known (metric).
    InputError when there is no such category or parameter, or a value is out of its range.
    """
    category = CATEGORIES.get(canonical_name(name))
    if category is None:
        raise InputError(f'The object library has no "{name}".', "That is not one of its categories.",
                         f"Use one of: {', '.join(CATEGORIES)}; or give the path of a mesh.")
    mesh, parts = _joined(list(category.build(**category.checked(parameters))))
    centre = (mesh.vertices.min(0) + mesh.vertices.max(0)) / 2
    back = np.eye(4, dtype=np.float32)
    back[:3, 3] = centre
    return ObjectModel(category.name, category.name, Mesh(mesh.vertices - centre, mesh.faces), back, bool(parameters),
                       (), parts)


def _joined(pieces: list[Part]) -> tuple[Mesh, tuple[tuple[str, int, int], ...]]:
    """One mesh of all pieces, those of the same name side by side, and (name, first face, face count) of each name."""
    names = list(dict.fromkeys(name for name, _ in pieces))
    pieces = sorted(pieces, key=lambda piece: names.index(piece[0]))
    offsets = np.cumsum([0, *(len(mesh.vertices) for _, mesh in pieces)])
    faces = np.concatenate([mesh.faces + offset for (_, mesh), offset in zip(pieces, offsets, strict=False)])
    counts = [sum(len(mesh.faces) for name, mesh in pieces if name == part) for part in names]
    starts = np.cumsum([0, *counts])
    parts = tuple((name, int(start), count) for name, start, count in zip(names, starts, counts, strict=False))
    return Mesh(np.concatenate([mesh.vertices for _, mesh in pieces]), faces.astype(np.int32)), parts
