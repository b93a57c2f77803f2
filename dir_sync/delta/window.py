"""Reads a file in large pieces, forwards or backwards.

In:   a file as `Readable`, and a function that tells whether to stop. Out: the bytes of adjacent ranges.
Rule: a file under mmap that shrinks kills the process, so files are read. A file that became shorter is a DeltaError.
      Called by `sign`, `match`, `search` and `make`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from dir_sync.core import limits
from dir_sync.delta.format import DeltaError

__all__ = ["READ_BYTES", "Readable", "Stop", "Window"]

READ_BYTES = 1 * limits.MIB  # one read: more would exceed the CPU's cache, less would cost calls

Stop = Callable[[], bool]


class Readable(Protocol):
    """Bytes at offsets, fewer than requested only at the end. Every ports.Reader is one."""

    def read(self, offset: int, length: int) -> bytes: ...


class Window:
    """Reads a file in large pieces. The last piece is in `data`, from offset `begin`."""

    def __init__(self, reader: Readable, should_stop: Stop | None) -> None:
        self._reader = reader
        self._should_stop = should_stop
        self.begin = 0
        self.data = b""

    def forward(self, begin: int, end: int, until: int) -> memoryview:
        """Bytes [begin, end). The next call asks for the bytes after them, up to `until`."""
        if not self.begin <= begin <= end <= self.begin + len(self.data):
            self._load(begin, max(end, min(begin + READ_BYTES, until)))
        return memoryview(self.data)[begin - self.begin : end - self.begin]

    def backward(self, begin: int, end: int, until: int) -> memoryview:
        """Bytes [begin, end). The next call asks for the bytes before them, down to `until`."""
        if not self.begin <= begin <= end <= self.begin + len(self.data):
            self._load(min(begin, max(end - READ_BYTES, until)), end)
        return memoryview(self.data)[begin - self.begin : end - self.begin]

    def check_stop(self) -> None:
        if self._should_stop is not None and self._should_stop():
            raise DeltaError("stopped")

    def _load(self, begin: int, end: int) -> None:
        self.check_stop()
        self.data = self._reader.read(begin, end - begin)
        self.begin = begin
        if len(self.data) != end - begin:
            raise DeltaError("the file became shorter while it was read")
