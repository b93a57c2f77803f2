"""How a world ends before its time: a promise is broken, or the power fails in the middle of a job."""

from __future__ import annotations

__all__ = ["Broken", "PowerCut"]


class Broken(AssertionError):
    """A promise was broken."""


class PowerCut(BaseException):
    """The power fails in the middle of a job."""
