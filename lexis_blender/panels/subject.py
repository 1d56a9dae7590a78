"""Panel 2, Object."""

from __future__ import annotations

CLASSES = ()
