"""Freed memory stays with the process: rendering frees and asks for the same megabytes a hundred times a second."""

from __future__ import annotations

import ctypes

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h


def keep_freed_memory(largest: int = 64 << 20, kept: int = 256 << 20) -> bool:
    """Tell glibc to hand freed blocks out again instead of giving them back to the system; False on other C libraries.

    largest : bytes of a block that is treated so; kept : bytes that may lie about unused

    By default every large array is mapped anew and its pages come one fault at a time, which was a quarter of the
    renderer's time (benchmarks/render.py).
    """
    try:
        library = ctypes.CDLL(None)
        return bool(library.mallopt(MMAP_THRESHOLD, largest) and library.mallopt(TRIM_THRESHOLD, kept))
    except (OSError, AttributeError, TypeError):
        return False
