"""Panel 5, Edit: paint, solve, snap, pin, bake."""

from __future__ import annotations

CLASSES = ()
