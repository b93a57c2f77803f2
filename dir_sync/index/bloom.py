"""Bloom filters that tell, without a query, that most new paths and contents are new.

In:   the contents and paths of the tables.
Out:  "certainly not there", or "maybe there: query".
Rule: a filter never says no to an added value. Values are never removed. Imports nothing of the package.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

__all__ = ["Bloom", "ContentFilter"]


class Bloom:
    """A set of random numbers with false positives: some 3 % of all answers with 100,000 numbers, in 128 KiB.

    Of each number only the lowest 40 bits count."""

    def __init__(self) -> None:
        self._bits = bytearray(1 << 17)

    def add(self, number: int) -> None:
        bits = self._bits
        bits[number >> 3 & 0x1FFFF] |= 1 << (number & 7)
        number >>= 20
        bits[number >> 3 & 0x1FFFF] |= 1 << (number & 7)

    def add_all(self, numbers: Iterable[int]) -> None:
        bits = self._bits
        for number in numbers:
            bits[number >> 3 & 0x1FFFF] |= 1 << (number & 7)
            bits[number >> 23 & 0x1FFFF] |= 1 << (number >> 20 & 7)

    def lack(self, numbers: Iterable[int]) -> list[bool]:
        """For each number: true if it is certainly not in the set."""
        bits = self._bits
        return [
            not (
                bits[number >> 3 & 0x1FFFF] & 1 << (number & 7)
                and bits[number >> 23 & 0x1FFFF] & 1 << (number >> 20 & 7)
            )
            for number in numbers
        ]

    def may_have(self, number: int) -> bool:
        bits = self._bits
        if not bits[number >> 3 & 0x1FFFF] & 1 << (number & 7):
            return False
        number >>= 20
        return bits[number >> 3 & 0x1FFFF] & 1 << (number & 7) != 0


class ContentFilter:
    """Which contents no row and no version ever had. It is filled at the first question, and updated from then on."""

    def __init__(self, everything: Callable[[], Iterable[bytes]]) -> None:
        """`everything`: the digests of all rows and versions at present."""
        self._everything = everything
        self._bloom: Bloom | None = None

    def add(self, digest: bytes) -> None:
        if self._bloom is not None:
            self._bloom.add(_low_bits(digest))

    def add_all(self, digests: Iterable[bytes]) -> None:
        if self._bloom is not None:
            self._bloom.add_all(map(_low_bits, digests))

    def may_have(self, digest: bytes) -> bool:
        """False: no row and no version ever had this content. True: maybe one has."""
        return self._made().may_have(_low_bits(digest))

    def may_not_have(self, digests: Sequence[bytes]) -> set[bytes]:
        """Those of `digests` for which `may_have` is false."""
        lacking = self._made().lack(map(_low_bits, digests))
        return {digest for digest, is_new in zip(digests, lacking, strict=True) if is_new}

    def _made(self) -> Bloom:
        if self._bloom is None:
            self._bloom = Bloom()
            self._bloom.add_all(map(_low_bits, self._everything()))
        return self._bloom


def _low_bits(digest: bytes) -> int:
    return int.from_bytes(digest[:5], "little")
