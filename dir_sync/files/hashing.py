"""BLAKE3 of files, read in pieces.

In:   open files or paths, and a function that tells whether the program ends.
Out:  digests, marks of growing files. Raises Stopped when the program ends.
Used by: `history_store`, `prepare`, `replace`, `install`, `move`, `batches`, `growth`, `downloads`, `patch`, `deltas`,
`reading`, `rereads`, `growth_undo`, `scanner`, `recovery`.
"""

from __future__ import annotations

from collections.abc import Callable

from blake3 import blake3

from dir_sync.core import limits
from dir_sync.core.transfers.growth import MARK_BYTES, mark_offsets
from dir_sync.ports import Disk, Reader

__all__ = ["Stopped", "begins_with", "digest_at", "digest_of", "digest_of_grown"]

_READ_BYTES = 1 * limits.MIB


class Stopped(Exception):
    """The program ends: the job is abandoned, which is safe at any point."""


def digest_of(reader: Reader, size: int, stopping: Callable[[], bool]) -> tuple[bytes, bool]:
    """BLAKE3 of the first `size` bytes, and whether the file has that many."""
    hasher = blake3()
    offset = 0
    while offset < size:
        piece = reader.read(offset, min(_READ_BYTES, size - offset))
        if not piece:
            return hasher.digest(), False
        hasher.update(piece)
        offset += len(piece)
        if offset < size and stopping():
            raise Stopped
    return hasher.digest(), True


def digest_at(disk: Disk, path: bytes, size: int, stopping: Callable[[], bool]) -> bytes:
    """BLAKE3 of the first `size` bytes of the file at a path. Raises DiskError."""
    reader = disk.open(path)
    try:
        return digest_of(reader, size, stopping)[0]
    finally:
        reader.close()


def digest_of_grown(
    reader: Reader, size: int, stopping: Callable[[], bool], was_size: int, was: bytes
) -> tuple[bytes, bool, tuple[bytes, ...] | None]:
    """`digest_of`, and the marks after `was_size` if the first `was_size` bytes are the content `was`; otherwise
    None."""
    if not 0 < was_size < size:
        return *digest_of(reader, size, stopping), None
    hasher = blake3()
    marks: list[bytes] | None = None
    ends = iter((was_size, *mark_offsets(was_size, size)))
    offset, end = 0, next(ends)
    while offset < size:
        piece = reader.read(offset, min(_READ_BYTES, end - offset))
        if not piece:
            return hasher.digest(), False, None
        hasher.update(piece)
        offset += len(piece)
        if offset < size and stopping():
            raise Stopped
        if offset < end:
            continue
        if marks is not None:
            marks.append(hasher.digest(MARK_BYTES))
        elif offset == was_size and hasher.digest() == was:
            marks = []
        end = size if marks is None else next(ends, size)
    if marks is not None and len(marks) > len(mark_offsets(was_size, size)):
        marks.pop()  # the end needs no mark: the digest covers it
    return hasher.digest(), True, None if marks is None else tuple(marks)


def begins_with(after: Reader, before: Reader, size: int, stopping: Callable[[], bool]) -> bool:
    """True if `before` has `size` bytes, and `after` begins with them."""
    for offset in range(0, size, limits.MIB):
        length = min(limits.MIB, size - offset)
        piece = before.read(offset, length)
        if len(piece) != length or after.read(offset, length) != piece or stopping():
            return False
    return before.stat().size == size
