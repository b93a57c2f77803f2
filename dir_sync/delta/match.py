"""Finds what did not move: parts of a file that are in its base at the same offset, from the front or from the end.

In:   the sums of the base, and the new file. Out: the parts that are equal.
Rule: only plain hashes are compared, at some 2 GB/s. `search` finds moved parts. Called by `make`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dir_sync.core.named import NamedTuple
from dir_sync.delta.format import Sums, chunk_sum, strong_sum
from dir_sync.delta.window import Window

__all__ = ["Part", "gaps", "unmoved"]

_MISSES_MAX = 64  # after so many changed blocks in a row the rest has probably moved, and is left to librsync


class Part(NamedTuple):
    """Bytes [begin, end) of the new file equal those of the base from begin - shift."""

    begin: int
    end: int
    shift: int


def unmoved(sums: Sums, size: int, window: Window) -> list[Part]:
    """Parts that kept their offset, counted from the file's front or (shifted by the growth) from its end: ascending,
    disjoint and joined. Chunks first, then single blocks in the gaps between them."""
    if sums.size is None:
        return []  # comparing all strong sums is no faster than librsync
    parts = _equal_chunks(sums, sums.size, size, window)
    blocks: list[Part] = []
    for begin, end in gaps(parts, size):
        growth = size - sums.size if end == size else 0
        blocks += _equal_blocks(sums, sums.size, begin, end, growth, window)
    joined: list[Part] = []
    for part in sorted(parts + blocks):
        last = joined[-1] if joined else None
        if last is not None and last.end == part.begin and last.shift == part.shift:
            joined[-1] = last._replace(end=part.end)
        else:
            joined.append(part)
    return joined


def _equal_chunks(sums: Sums, base_size: int, size: int, window: Window) -> list[Part]:
    """Chunks from the front to the first change, from the end to the last one, and those in between that kept their
    offset."""
    chunk, growth = sums.chunk, size - base_size
    count = -(-base_size // chunk)

    def kept(number: int, until: int) -> bool:
        end = min((number + 1) * chunk, base_size)
        if end > until:
            return False
        return chunk_sum(window.forward(number * chunk, end, until)) == sums.chunk_sum(number)

    front = 0
    while front < count and kept(front, size):
        front += 1
    middle, back = min(front * chunk, base_size), size
    parts = [Part(0, middle, 0)] if middle else []
    if growth:
        for number in reversed(range(count)):
            begin = number * chunk + growth
            # Parts must not overlap in the new file. In the base they may, for example if a file was doubled.
            if begin < middle or chunk_sum(window.backward(begin, back, middle)) != sums.chunk_sum(number):
                break
            back = begin
        if back < size:
            parts.append(Part(back, size, growth))
    rest = range(front + 1, min(count, back // chunk + 1))
    parts += [Part(n * chunk, min((n + 1) * chunk, base_size), 0) for n in rest if kept(n, back)]
    return sorted(parts)


def _equal_blocks(sums: Sums, base_size: int, begin: int, end: int, growth: int, window: Window) -> list[Part]:
    """Equal blocks in a gap: from its begin at their offset, then from its end shifted by `growth`; each way until many
    in a row differ."""
    block = sums.block
    parts: list[Part] = []
    misses = 0
    done = begin
    number = -(-begin // block)
    while misses < _MISSES_MAX and number * block < base_size:
        start, stop = number * block, min((number + 1) * block, base_size)
        if stop > end:
            break
        if strong_sum(window.forward(start, stop, end)) == sums.strong_sum(number):
            parts.append(Part(start, stop, 0))
            misses, done = 0, stop
        else:
            misses += 1
        number += 1
    if growth == 0 and misses < _MISSES_MAX:
        return parts  # every block of the gap was compared
    misses = 0
    number = -(-base_size // block) if end - growth >= base_size else (end - growth) // block
    while misses < _MISSES_MAX and number > 0:
        number -= 1
        start, stop = number * block + growth, min((number + 1) * block, base_size) + growth
        if start < done:
            break
        if strong_sum(window.backward(start, stop, done)) == sums.strong_sum(number):
            parts.append(Part(start, stop, growth))
            misses = 0
        else:
            misses += 1
    return parts


def gaps(parts: Iterable[Part], size: int) -> Iterator[tuple[int, int]]:
    """The ranges of the new file that no part covers."""
    at = 0
    for part in parts:
        if part.begin > at:
            yield at, part.begin
        at = part.end
    if at < size:
        yield at, size
