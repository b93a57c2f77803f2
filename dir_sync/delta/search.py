"""Finding what moved: librsync's search for blocks of the base at any offset of the new file.

In:   a signature, maybe a hostile one, and ranges of the new file. Out: the commands that make these ranges.
Rule: the search ends when its CPU time is used up, whatever the signature says. Called by `make`.

Source: librsync 2.3, delta.c.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Iterator
from typing import Self

from dir_sync.core import limits
from dir_sync.delta.format import DELTA_MAGIC, END, DeltaError, Sums, check_signature
from dir_sync.delta.librsync import DONE, Job, need_library
from dir_sync.delta.window import Window

__all__ = ["GivenUpError", "Search"]

_SAMPLES = 32
_SAMPLE_BLOCKS = 32
_STEP_WORK_BYTES = 16 * limits.MIB  # hashed at the worst in the first step, between two looks at the clock: 50 ms
_STEP_WORK_BYTES_MAX = 256 * limits.MIB  # the same in any step: what was cheap until now may be dear from here on
_STEP_BYTES_MAX = 64 * limits.KIB
_STEP_CPU_S = (0.005, 0.02)  # a step that took less is followed by a longer one, one that took more by a shorter one
_CPU_S_MIN = 1.0
_CPU_BYTES_PER_S = 5_000_000  # the smallest computers are faster; what is slower is an unlucky or hostile case


class GivenUpError(Exception):
    """The whole file is the better choice."""


class Search:
    """librsync's search for blocks of the base at any offset, in ranges of the new file. The library is given
    the signature at the first use. GivenUpError when the CPU time granted for `search_bytes` is used up."""

    def __init__(self, sums: Sums, window: Window, search_bytes: int) -> None:
        self._sums = sums
        self._window = window
        self._cpu_s = min(limits.DELTA_CPU_S_MAX, _CPU_S_MIN + search_bytes / _CPU_BYTES_PER_S)
        self._cpu_s_end = 0.0
        # The clock cannot be looked at inside the library. A hostile signature makes it hash a block per byte.
        self._step_bytes = max(1, min(_STEP_BYTES_MAX, _STEP_WORK_BYTES // sums.block))
        self._step_bytes_max = max(1, min(_STEP_BYTES_MAX, _STEP_WORK_BYTES_MAX // sums.block))
        self._loaded: ctypes.c_void_p | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._loaded is not None:
            need_library().rs_free_sumset(self._loaded)
            self._loaded = None

    def commands(self, begin: int, end: int) -> Iterator[bytes]:
        """The commands that make bytes [begin, end) of the new file, in pieces."""
        library = self._load()
        head, tail = len(DELTA_MAGIC), b""
        with Job(library, library.rs_delta_begin(self._loaded)) as job:
            start = begin
            clock = time.thread_time()
            while start < end:
                stop = min(start + self._step_bytes, end)
                self._window.forward(start, stop, end)
                offset = start - self._window.begin
                for piece in job.run(self._window.data, offset, stop - start, end=stop == end):
                    # Each search makes a whole delta: its magic and its end must go.
                    data = (tail + piece)[head:]
                    head = max(0, head - len(tail) - len(piece))
                    if len(data) > 1:
                        yield data[:-1]
                    tail = data[-1:]
                start = stop
                self._window.check_stop()
                now = time.thread_time()
                if now > self._cpu_s_end:
                    raise GivenUpError
                if now - clock < _STEP_CPU_S[0]:
                    self._step_bytes = min(2 * self._step_bytes, self._step_bytes_max)
                elif now - clock > _STEP_CPU_S[1]:
                    self._step_bytes = max(1, self._step_bytes // 2)
                clock = now
        if tail != END:
            raise DeltaError("librsync made a delta without an end")

    def estimate(self, begin: int, end: int) -> int:
        """How many bytes the commands for this range will need, judged by samples of it."""
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
            loaded = ctypes.c_void_p()
            with Job(library, library.rs_loadsig_begin(ctypes.byref(loaded))) as job:
                self._loaded = loaded
                for _ in job.run(self._sums.data, 0, self._sums.plain_bytes, end=True):
                    raise DeltaError("librsync answered to a signature")
            result = library.rs_build_hash_table(loaded)
            if result != DONE:
                raise DeltaError(f"librsync failed with {result}")
        return library
