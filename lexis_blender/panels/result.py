"""Panel 4, Result: which hypothesis, which field, and what it measures."""

from __future__ import annotations

CLASSES = ()
