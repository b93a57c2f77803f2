"""Finds what moved: librsync's search for blocks of the base at any offset of the new file.

In:   a signature that may be hostile, and ranges of the new file. Out: the commands that make these ranges.
Rule: the search ends when its CPU time is used up, whatever the signature contains. Called by `make`.

The end of a search inside the library cannot be interrupted: for each of the last bytes it looks up a window that is
one byte shorter, all in one call, and a hostile signature makes it hash nearly a block for each of them (100 s and
more). Therefore a block of random bytes follows each range: nobody can make a signature for it, so the end of the
search is only about these bytes, and their commands are cut off. The price is the base's last block, if it is shorter
than the others: with the appendix `match` has looked for it before; with a signature without appendix that block is not
used.

Source: librsync 2.3, delta.c.
"""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Iterator
from typing import Self

from dir_sync.core import limits
from dir_sync.delta.format import (
    COPY,
    DELTA_MAGIC,
    END,
    LITERAL,
    DeltaError,
    Sums,
    check_signature,
    copy_command,
    literal_command,
)
from dir_sync.delta.librsync import DONE, Job, need_library
from dir_sync.delta.window import Window

__all__ = ["GivenUpError", "Search"]

_SAMPLES = 32
_SAMPLE_BLOCKS = 32
_STEP_WORK_BYTES = 16 * limits.MIB  # at most hashed in the first step, between two looks at the clock: 50 ms
# the same for any step: a later part may be more expensive than the earlier ones
_STEP_WORK_BYTES_MAX = 256 * limits.MIB
_STEP_BYTES_MAX = 64 * limits.KIB
_STEP_CPU_S = (0.005, 0.02)  # after a faster step the next one is longer, after a slower one shorter
_CPU_S_MIN = 1.0
_CPU_BYTES_PER_S = 5_000_000  # even the smallest computers are faster; a slower search is an unlucky or hostile case


class GivenUpError(Exception):
    """Sending the whole file is better."""


class Search:
    """librsync's search for blocks of the base at any offset, in ranges of the new file. The library gets the signature
    at the first use. Raises GivenUpError when the CPU time for `search_bytes` is used up."""

    def __init__(self, sums: Sums, window: Window, search_bytes: int) -> None:
        self._sums = sums
        self._window = window
        self._cpu_s = min(limits.DELTA_CPU_S_MAX, _CPU_S_MIN + search_bytes / _CPU_BYTES_PER_S)
        self._cpu_s_end = 0.0
        # The clock cannot be read inside the library. A hostile signature makes it hash a block per byte.
        self._step_bytes = max(1, min(_STEP_BYTES_MAX, _STEP_WORK_BYTES // sums.block))
        self._step_bytes_max = max(1, min(_STEP_BYTES_MAX, _STEP_WORK_BYTES_MAX // sums.block))
        self._loaded: ctypes.c_void_p | None = None
        self._noise = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._loaded is not None:
            need_library().rs_free_sumset(self._loaded)
            self._loaded = None

    def commands(self, begin: int, end: int) -> Iterator[bytes]:
        """The commands that make bytes [begin, end) of the new file, in pieces."""
        library = self._load()
        front = _Front(end - begin)
        with Job(library, library.rs_delta_begin(self._loaded)) as job:
            clock = time.thread_time()
            for data, offset, length in self._steps(begin, end):
                for piece in job.run(data, offset, length, end=data is self._noise and offset + length == len(data)):
                    if commands := front.of(piece):
                        yield commands
                self._window.check_stop()
                now = time.thread_time()
                if now > self._cpu_s_end:
                    raise GivenUpError
                if now - clock < _STEP_CPU_S[0]:
                    self._step_bytes = min(2 * self._step_bytes, self._step_bytes_max)
                elif now - clock > _STEP_CPU_S[1]:
                    self._step_bytes = max(1, self._step_bytes // 2)
                clock = now
        if not front.is_complete:
            raise DeltaError("librsync made a delta without an end")

    def _steps(self, begin: int, end: int) -> Iterator[tuple[bytes, int, int]]:
        """The library's input: the range, then random bytes. Each item is some data, and which bytes of it."""
        while begin < end:
            stop = min(begin + self._step_bytes, end)
            self._window.forward(begin, stop, end)
            yield self._window.data, begin - self._window.begin, stop - begin
            begin = stop
        at = 0
        while at < len(self._noise):
            length = min(self._step_bytes, len(self._noise) - at)
            yield self._noise, at, length
            at += length

    def estimate(self, begin: int, end: int) -> int:
        """The estimated size (bytes) of the commands for this range, from samples of it."""
        sample_bytes = _SAMPLE_BLOCKS * self._sums.block
        made = sampled = 0
        for start in range(begin, end, max(sample_bytes, (end - begin) // _SAMPLES)):
            stop = min(start + sample_bytes, end)
            made += sum(map(len, self.commands(start, stop)))
            sampled += stop - start
        return made * (end - begin) // sampled

    def _load(self) -> ctypes.CDLL:
        library = need_library()
        if self._loaded is None:
            self._cpu_s_end = time.thread_time() + self._cpu_s
            check_signature(self._sums.data)
            self._noise = os.urandom(self._sums.block)
            loaded = ctypes.c_void_p()
            with Job(library, library.rs_loadsig_begin(ctypes.byref(loaded))) as job:
                self._loaded = loaded
                for _ in job.run(self._sums.data, 0, self._sums.plain_bytes, end=True):
                    raise DeltaError("librsync answered to a signature")
            result = library.rs_build_hash_table(loaded)
            if result != DONE:
                raise DeltaError(f"librsync failed with {result}")
        return library


class _Front:
    """Takes a delta in pieces, and returns the commands, without magic and end, that make the first `length` bytes."""

    def __init__(self, length: int) -> None:
        self._left = length
        self._data = b""  # an incomplete command
        self._has_begun = self._has_ended = False
        self._kept = self._dropped = 0  # bytes of the current literal that still come

    @property
    def is_complete(self) -> bool:
        return self._has_ended and not self._left

    def of(self, piece: bytes) -> bytes:
        """The wanted part of the next piece."""
        data = self._data + piece
        at = 0
        out = bytearray()
        if not self._has_begun:
            if len(data) < len(DELTA_MAGIC):
                self._data = data
                return b""
            self._has_begun = True
            at = len(DELTA_MAGIC)
        while at < len(data):
            if self._kept or self._dropped:
                kept = data[at : at + self._kept]
                dropped = min(self._dropped, len(data) - at - len(kept))
                out += kept
                self._kept -= len(kept)
                self._dropped -= dropped
                at += len(kept) + dropped
                continue
            code = data[at]
            first = last = 0  # widths of the two numbers, in bytes
            if COPY <= code < COPY + 16:
                first, last = 1 << (code - COPY) // 4, 1 << (code - COPY) % 4
            elif LITERAL <= code < COPY:
                last = 1 << code - LITERAL
            elif code > COPY:
                raise DeltaError(f"librsync made the unknown command {code}")
            stop = at + 1 + first + last
            if stop > len(data):
                break
            length = int.from_bytes(data[stop - last : stop], "big") if last else code
            kept_bytes = min(length, self._left)
            self._left -= kept_bytes
            if code == END[0]:
                self._has_ended = True
            elif first:
                if kept_bytes == length:
                    out += data[at:stop]
                elif kept_bytes:
                    out += copy_command(int.from_bytes(data[at + 1 : at + 1 + first], "big"), kept_bytes)
            else:
                if kept_bytes:
                    out += data[at:stop] if kept_bytes == length else literal_command(kept_bytes)
                self._kept, self._dropped = kept_bytes, length - kept_bytes
            at = stop
        self._data = data[at:]
        return bytes(out)
