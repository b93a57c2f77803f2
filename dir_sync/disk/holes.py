"""Holes of sparse files: ranges that read as zeros and take no room on the disk.

In:   bytes that are to be written at the end of a file; open files.
Out:  the same content, with a hole wherever a whole block is zero.
Rule: a hole is only made where the file has no bytes yet: behind its end. The number of calls for content without zero
blocks is the same as without this module.
Used by: files.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator

from dir_sync.disk.linux import os_error

__all__ = ["BLOCK_BYTES", "data_ranges", "write_all", "write_around", "zero_runs"]

BLOCK_BYTES = 4096  # the smallest hole of nearly all file systems; a larger one keeps the others as zeros
_ZEROS = bytes(BLOCK_BYTES)


def zero_runs(offset: int, data: bytes | memoryview) -> list[tuple[int, int]]:
    """Which blocks of `data`, which belongs at `offset` of a file, are zeros: (begin, end) in `data`. At both ends a part of
    a block counts as one: the rest of it may be zeros, too."""
    first = -offset % BLOCK_BYTES
    if len(data) < BLOCK_BYTES or not ((first and not data[0]) or 0 in bytes(data[first::BLOCK_BYTES])):
        return []  # no block begins with a zero
    runs: list[tuple[int, int]] = []
    begin = 0
    while begin < len(data):
        end = min(begin + (first if first and not begin else BLOCK_BYTES), len(data))
        if not data[begin] and bytes(data[begin:end]) == _ZEROS[: end - begin]:
            if runs and runs[-1][1] == begin:
                runs.append((runs.pop()[0], end))
            else:
                runs.append((begin, end))
        begin = end
    return runs


def write_around(handle: int, offset: int, data: bytes | memoryview, runs: list[tuple[int, int]]) -> None:
    """Write `data` behind the end of a file, with holes in place of `runs`. Nobody else may write to it. OSError."""
    view = memoryview(data)
    at = 0
    for begin, end in runs:
        if begin > at:
            write_all(handle, offset + at, view[at:begin])
        os.ftruncate(handle, offset + end)  # at once: a handle with O_APPEND writes what comes next at the end
        at = end
    if at < len(view):
        write_all(handle, offset + at, view[at:])


def write_all(handle: int, offset: int, data: bytes | memoryview) -> None:
    """OSError."""
    written = os.pwrite(handle, data, offset)
    while written < len(data):
        more = os.pwrite(handle, memoryview(data)[written:], offset + written)
        if not more:
            raise os_error(errno.EIO)
        written += more


def data_ranges(handle: int, offset: int, length: int) -> Iterator[tuple[int, int]]:
    """Which parts of a range of an open file are data: (begin, end), in order. A file system that knows no holes says:
    all of it."""
    at, stop = offset, offset + length
    while at < stop:
        try:
            begin = os.lseek(handle, at, os.SEEK_DATA)
            end = os.lseek(handle, begin, os.SEEK_HOLE)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return  # only a hole follows
            begin, end = at, stop
        if begin >= stop:
            return
        if end <= begin:
            end = stop  # the file has changed meanwhile
        yield begin, min(end, stop)
        at = end
