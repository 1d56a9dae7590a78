"""What the collection of an import tells of it: custom properties, which survive undo and saving, and panels read."""

from __future__ import annotations

import bpy

from .identity import Imported

SIGMA = "lexis_sigma"               # metres, the fields' fall-off
SHOWN = "lexis_shown"               # which of KINDS the colours show
LEGEND = "lexis_legend"             # what the colours mean, a line a stop, the far end first
THRESHOLD = "lexis_contact"         # metres, nearer is contact
CONTACT_AREA = "lexis_contact_area"  # m2 of the body
PENETRATION = "lexis_penetration"   # share of the body's surface that is inside the object
NEAREST = "lexis_nearest"           # metres
STANDS = "lexis_stands"             # how all stood when the fields were measured (stand.now)
HYPOTHESES, HYPOTHESIS = "lexis_hypothesis_count", "lexis_hypothesis"

PAINTED = "painted"
KINDS = ("interfield", "distance", "contact", "predicted", PAINTED)
PAINT = "interfield_paint"  # the vertex group that is painted


def count(collection: bpy.types.Collection) -> int:
    """How many hypotheses there are to choose from; 0 for an import that has only itself."""
    return int(collection.get(HYPOTHESES, 0))


def hypothesis(collection: bpy.types.Collection) -> int:
    """Which hypothesis is shown, from 0."""
    return int(collection.get(HYPOTHESIS, 0))


def kind(collection: bpy.types.Collection) -> str:
    """Which field the colours were last told to show."""
    found = str(collection.get(SHOWN, KINDS[0]))
    return found if found in KINDS else KINDS[0]


def painting(made: Imported) -> bpy.types.Object | None:
    """Which of body and object is being painted, or None."""
    return next((item for item in (made.body, made.object) if PAINT in item.vertex_groups), None)


def legend(collection: bpy.types.Collection) -> list[str]:
    return str(collection.get(LEGEND, "")).splitlines()
