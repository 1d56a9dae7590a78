"""Errors a person can act on: what happened, why, and what to do."""

from __future__ import annotations


class LexisError(Exception):
    """Base of every error LEXIS raises on purpose.

    what   : one sentence, what could not be done
    why    : one sentence, the cause
    remedy : one sentence, what the reader can do now
    """

    def __init__(self, what: str, why: str, remedy: str):
        super().__init__(what, why, remedy)
        self.what, self.why, self.remedy = what, why, remedy

    def __str__(self) -> str:
        return f"{self.what}\n{self.why}\n{self.remedy}"


class InputError(LexisError):
    """Something from outside (a file, an array, an option) is not what it must be."""


class BundleError(LexisError):
    """The model bundle is incomplete, altered or of another version."""


class RuntimeUnavailable(LexisError):
    """The device or package asked for is not to be had here."""


class OutOfMemory(LexisError):
    """The work does not fit into the memory of the device."""


class Cancelled(LexisError):
    """The caller stopped the work."""

    def __init__(self) -> None:
        super().__init__("Stopped.", "The work was cancelled.", "Start it again when you are ready.")
