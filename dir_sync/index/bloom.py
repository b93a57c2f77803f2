"""Bloom filters that tell, without a query, that most new paths and contents are new.

In:   the contents and paths of the tables.
Out:  "certainly not there", or "maybe there: query".
Rule: a filter never says no to an added value. Values are never removed. Imports nothing of the package.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

__all__ = ["Bloom", "ContentFilter", "KnownPaths"]


_BYTES = 1 << 14
_BYTES_MAX = 1 << 20
_GROWTH = 8
_ROWS_PER_QUERY = 8  # a query takes as long as to add so many rows


class Bloom:
    """A set of random numbers of 64 bits with false positives: at most some 5 % of all answers until it is full."""

    def __init__(self, size: int = _BYTES) -> None:
        """`size`: in bytes, a power of two. It has room for as many numbers."""
        self._bits = bytearray(size)
        self._mask = size - 1
        self._room = size

    @property
    def is_full(self) -> bool:
        """True if a larger one should take its place."""
        return self._room < 0 and len(self._bits) < _BYTES_MAX

    def larger(self) -> Bloom:
        """A larger one, without the numbers."""
        return Bloom(len(self._bits) * _GROWTH)

    def add(self, number: int) -> None:
        bits, mask = self._bits, self._mask
        bits[number >> 3 & mask] |= 1 << (number & 7)
        number >>= 32
        bits[number >> 3 & mask] |= 1 << (number & 7)
        self._room -= 1

    def add_all(self, numbers: Iterable[int]) -> None:
        bits, mask = self._bits, self._mask
        count = 0
        for count, number in enumerate(numbers, 1):  # noqa: B007
            bits[number >> 3 & mask] |= 1 << (number & 7)
            bits[number >> 35 & mask] |= 1 << (number >> 32 & 7)
        self._room -= count

    def lack(self, numbers: Iterable[int]) -> list[bool]:
        """For each number: true if it is certainly not in the set."""
        bits, mask = self._bits, self._mask
        return [
            not (bits[number >> 3 & mask] & 1 << (number & 7) and bits[number >> 35 & mask] & 1 << (number >> 32 & 7))
            for number in numbers
        ]

    def may_have(self, number: int) -> bool:
        bits, mask = self._bits, self._mask
        if not bits[number >> 3 & mask] & 1 << (number & 7):
            return False
        number >>= 32
        return bits[number >> 3 & mask] & 1 << (number & 7) != 0


class ContentFilter:
    """Which contents no row and no version ever had. It is filled when so many questions have come that it pays, and updated
    from then on: to fill it from a large index takes as long as a query for every eighth row."""

    def __init__(
        self,
        everything: Callable[[], Iterable[bytes]],
        count: Callable[[], int] = lambda: 0,
        has: Callable[[bytes], bool] = lambda digest: True,
    ) -> None:
        """`everything`: the digests of all rows and versions at present. `count`: about how many there are; 0: a query is
        slow. `has`: a query for one of them."""
        self._everything = everything
        self._count = count
        self._has = has
        self._questions = 0
        self._bloom: Bloom | None = None

    def add(self, digest: bytes) -> None:
        if self._bloom is not None:
            self._bloom.add(_low_bits(digest))

    def add_all(self, digests: Iterable[bytes]) -> None:
        if self._bloom is not None:
            self._bloom.add_all(map(_low_bits, digests))

    def may_have(self, digest: bytes) -> bool:
        """False: no row and no version ever had this content. True: maybe one has, so query."""
        bloom = self._made(1)
        return bloom is None or bloom.may_have(_low_bits(digest))

    def may_not_have(self, digests: Sequence[bytes]) -> set[bytes]:
        """Those of `digests` that no row and no version has; maybe without a few of them."""
        bloom = self._made(len(digests))
        if bloom is None:
            return {digest for digest in digests if not self._has(digest)}
        lacking = bloom.lack(map(_low_bits, digests))
        return {digest for digest, is_new in zip(digests, lacking, strict=True) if is_new}

    def _made(self, questions: int) -> Bloom | None:
        """The filter, if it pays for so many more questions."""
        bloom = self._bloom
        if bloom is None:
            self._questions += questions
            count = self._count()
            if _ROWS_PER_QUERY * self._questions < count:
                return None
            size = _BYTES
            while size < min(count, _BYTES_MAX):
                size *= _GROWTH
            bloom = Bloom(size)
            bloom.add_all(map(_low_bits, self._everything()))
        while bloom.is_full:
            bloom = bloom.larger()
            bloom.add_all(map(_low_bits, self._everything()))
        self._bloom = bloom
        return bloom


class KnownPaths:
    """Which paths never had a row, and in which folders nothing ever was. It is kept only for an index that was empty when it
    was opened: to fill it from a large one would take longer than it saves."""

    def __init__(self, keys: Callable[[], list[tuple[bytes, bytes]]], is_empty: bool) -> None:
        """`keys`: the parent and the name of each path with a row at present."""
        self._keys = keys
        self.bloom = Bloom() if is_empty else None  # hashes of paths, and of "folder/" for their folders; None: unknown

    def add(self, path: bytes) -> None:
        bloom = self.bloom
        if bloom is not None:
            bloom.add(hash(path))
            bloom.add(hash(_folder_key(path)))
            if bloom.is_full:
                self._grow()

    def add_all(self, paths: Sequence[bytes]) -> None:
        bloom = self.bloom
        if bloom is not None:
            bloom.add_all(map(hash, paths))
            bloom.add_all(map(hash, {path[: path.rfind(b"/") + 1] or b"/" for path in paths}))
            if bloom.is_full:
                self._grow()

    def may_have_in(self, folder: bytes) -> bool:
        """False: nothing was ever directly in this folder."""
        return self.bloom is None or self.bloom.may_have(hash(folder + b"/"))

    def _grow(self) -> None:
        """A filter that is full says of most paths that they may be known."""
        while self.bloom is not None and self.bloom.is_full:
            keys = self._keys()
            self.bloom = self.bloom.larger()
            self.bloom.add_all(hash(parent + b"/" + name if parent else name) for parent, name in keys)
            self.bloom.add_all({hash(parent + b"/") for parent, _ in keys})


def _folder_key(path: bytes) -> bytes:
    """The key of a path's folder in the filter. No path ends with a slash."""
    return path[: path.rfind(b"/") + 1] or b"/"


def _low_bits(digest: bytes) -> int:
    return int.from_bytes(digest[:8], "little")
