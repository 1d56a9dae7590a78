"""Reconstruct, Refine from Scene, and Cancel."""

from __future__ import annotations

CLASSES = ()
