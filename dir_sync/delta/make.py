"""Makes a delta: equal parts become copies, new parts become literals.

In:   a signature that may be hostile, and a file. Out: the commands of the delta, or None if it saves too little.
Rule: `match` finds what did not move; only the rest is searched. Called by `files.deltas`.
"""

from __future__ import annotations

from collections.abc import Callable

from dir_sync.core import limits
from dir_sync.delta.format import DELTA_MAGIC, END, copy_command, literal_command, parse_signature
from dir_sync.delta.match import Part, gaps, unmoved
from dir_sync.delta.search import GivenUpError, Search
from dir_sync.delta.window import READ_BYTES, Readable, Stop, Window

__all__ = ["make_delta"]

_SEARCH_BLOCKS_MIN = 2  # shorter unknown parts are sent as they are: a changed page is rarely found elsewhere
_SAMPLE_ABOVE_BYTES = 32 * limits.MIB  # up to this size everything is searched: half a second if nothing matches
_NEW_ABOVE = 0.95  # if more samples than this are not found, a search would take seconds and save little


def make_delta(
    base_signature: bytes,
    reader: Readable,
    size: int,
    write: Callable[[bytes], object],
    limit_bytes: int,
    should_stop: Stop | None = None,
) -> int | None:
    """Write the delta that makes the `size` bytes of `reader` from the base; returns its size in bytes.

    Returns None if it would exceed `limit_bytes` or take too long: then send the whole file, and discard what was
    written. The signature may come from anybody and is checked. Raises DeltaError if it is rejected, if the file is
    shorter than `size`, on `should_stop`, and if the library is needed and missing. May take DELTA_CPU_S_MAX and more.

    Plain hashes find parts that kept their offset, counted from the front or from the end: first of chunks, then of
    blocks around the changes. librsync searches only the rest (below 100 MB/s if nothing matches), and a large part
    only if samples of it show that it will pay.
    """
    sums = parse_signature(base_signature, None)
    window = Window(reader, should_stop)
    parts = unmoved(sums, size, window)
    unmatched = list(gaps(parts, size))
    unknown = sum(end - begin for begin, end in unmatched)
    search_bytes_min = _SEARCH_BLOCKS_MIN * sums.block if sums.count else size + 1
    if unknown > limit_bytes and all(end - begin < search_bytes_min for begin, end in unmatched):
        return None
    out = _Output(write, limit_bytes)
    try:
        with Search(sums, window, unknown) as search:
            sampled = {
                begin: (end - begin, search.estimate(begin, end))
                for begin, end in unmatched
                if end - begin >= max(search_bytes_min, _SAMPLE_ABOVE_BYTES)
            }
            if sum(needed for _, needed in sampled.values()) > limit_bytes:
                return None
            new = {begin for begin, (length, needed) in sampled.items() if needed > _NEW_ABOVE * length}
            out.put(DELTA_MAGIC)
            at = 0
            for begin, end, shift in [*parts, Part(size, size, 0)]:
                if begin - at >= search_bytes_min and at not in new:
                    for piece in search.commands(at, begin):
                        out.put(piece)
                elif begin > at:
                    _put_literal(out, window, at, begin)
                if end > begin:
                    out.put(copy_command(begin - shift, end - begin))
                at = end
            out.put(END)
    except GivenUpError:
        return None
    return out.count


class _Output:
    def __init__(self, write: Callable[[bytes], object], limit_bytes: int) -> None:
        self._write = write
        self._limit_bytes = limit_bytes
        self.count = 0

    def put(self, data: bytes) -> None:
        self.count += len(data)
        if self.count > self._limit_bytes:
            raise GivenUpError
        self._write(data)


def _put_literal(out: _Output, window: Window, begin: int, end: int) -> None:
    out.put(literal_command(end - begin))
    for start in range(begin, end, READ_BYTES):
        out.put(bytes(window.forward(start, min(start + READ_BYTES, end), end)))
