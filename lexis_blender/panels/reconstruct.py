"""Panel 3, Reconstruct."""

from __future__ import annotations

CLASSES = ()
