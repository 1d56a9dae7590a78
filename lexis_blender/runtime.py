"""The one job manager of the add-on, and the timer that drives it while there is work."""

from __future__ import annotations

CLASSES = ()
