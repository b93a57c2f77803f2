"""One heap for all threads.

In:   nothing. Out: a setting of the C library.
Rule: an optimization. Where the C library knows no such setting, nothing happens.
Used by: process.

glibc gives each of the first threads a heap of its own, and what one thread frees is not used by the others. The threads of
a node pass buffers on to each other, and only one of them runs Python at a time. With one heap, a node needs a quarter less
memory while it sends or gets large files, and no more time.
"""

from __future__ import annotations

import ctypes

__all__ = ["use_one_arena"]

_ARENA_MAX = -8  # mallopt(3): M_ARENA_MAX


def use_one_arena() -> bool:
    """From now on, no thread gets a heap of its own. False: the C library cannot do that. Call it before other threads
    begin."""
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    return set_option is not None and set_option(_ARENA_MAX, 1) == 1
