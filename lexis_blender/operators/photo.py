"""Choosing the photo, and drawing boxes on it."""

from __future__ import annotations

CLASSES = ()
