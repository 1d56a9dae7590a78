"""Panel 1, Image."""

from __future__ import annotations

CLASSES = ()
