"""Filters that say of most new paths and contents, without a look into the database, that they are new.

In:   what the tables hold.
Out:  "certainly not there", or "maybe there: look".
Rule: a filter never says no to what it was given. Nothing is ever taken out. Imports nothing of the package.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

__all__ = ["Bloom", "ContentFilter"]


class Bloom:
    """A set of random numbers that may err on the side of yes: some 3 % of the time with 100,000 of them, in 128 KiB.

    Of each number the lowest 40 bits count."""

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
        """For each of them: true if it is not in the set."""
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
    """Which contents no row and no version ever had. It is made at the first question, and grows from then on."""

    def __init__(self, everything: Callable[[], Iterable[bytes]]) -> None:
        """`everything`: the digests that all rows and versions have now."""
        self._everything = everything
        self._bloom: Bloom | None = None

    def add(self, digest: bytes) -> None:
        if self._bloom is not None:
            self._bloom.add(_low_bits(digest))

    def add_all(self, digests: Iterable[bytes]) -> None:
        if self._bloom is not None:
            self._bloom.add_all(map(_low_bits, digests))

    def may_have(self, digest: bytes) -> bool:
        """False: no row and no version ever had this content. True: look."""
        return self._made().may_have(_low_bits(digest))

    def may_not_have(self, digests: Sequence[bytes]) -> set[bytes]:
        """Those for which `may_have` is false."""
        lacking = self._made().lack(map(_low_bits, digests))
        return {digest for digest, is_new in zip(digests, lacking, strict=True) if is_new}

    def _made(self) -> Bloom:
        if self._bloom is None:
            self._bloom = Bloom()
            self._bloom.add_all(map(_low_bits, self._everything()))
        return self._bloom


def _low_bits(digest: bytes) -> int:
    return int.from_bytes(digest[:5], "little")
