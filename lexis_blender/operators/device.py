"""What the preferences offer: testing the device, freeing its memory, emptying the cache, telling what is installed."""

from __future__ import annotations

CLASSES = ()
