"""The object's parameters."""

from __future__ import annotations

CLASSES = ()
