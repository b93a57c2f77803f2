"""The interfaces of random number generators that pure modules receive."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Rng", "Uniform"]


class Uniform(Protocol):
    """The part of random.Random that randomizes waits."""

    def uniform(self, a: float, b: float, /) -> float: ...


class Rng(Protocol):
    """The part of random.Random that makes ids."""

    def getrandbits(self, k: int, /) -> int: ...
