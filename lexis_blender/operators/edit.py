"""Editing a result: painting fields, solving to them, snapping, baking."""

from __future__ import annotations

CLASSES = ()
