"""Results from and to files: the File menu's entries and drag and drop."""

from __future__ import annotations

CLASSES = ()
