"""Looking at a result: fields, hypotheses, the camera's view."""

from __future__ import annotations

CLASSES = ()
