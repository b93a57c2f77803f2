"""Bounds and waits that several machines of the engine use. What one machine alone uses stands in its module."""

from __future__ import annotations

from dir_sync.core import limits

__all__ = [
    "BLIND",
    "BRAKED_AT",
    "CALM_MS",
    "CHANGING",
    "DELTA_KEEP_MS",
    "ECHO_MS",
    "EMPTY_MS",
    "MEMBER",
    "MOVE_ROWS_MAX",
    "NOBODY",
    "OURS",
    "PLAN_MAX",
    "READY_BYTES_MAX",
    "RECHECK_MAX",
    "RECHECK_MS",
    "RETRY_MS",
    "STALLED_MS",
    "TELL_TOGETHER_MS",
    "TIMES_MAX",
    "TROUBLE_RETRY_MS",
]

NOBODY = ""  # whose offers are those that their peer has replaced
OURS = "~"  # whose offers are what was here once and is wanted again; before the name of a peer: it has the content
TIMES_MAX = 10_000  # folders whose times are to be set, or told once more
PLAN_MAX = 800  # paths planned in one turn ...
TELL_TOGETHER_MS = 40
RETRY_MS = 1_000
MEMBER = "member "  # note of the index, before the id of a node that has shared most of the folder with us
BRAKED_AT = "brake time "  # ... and since when (wall clock, ns)
TROUBLE_RETRY_MS = (2_000, 30_000)  # first and longest wait after the world's trouble
BLIND = "blind"  # note of the index: it was made, or has been checked, on a disk that is blind to spellings
CHANGING = "it is being changed here"  # no trouble that people are told of
STALLED_MS = 60_000
RECHECK_MAX = 500
RECHECK_MS = (5_000, 60_000)  # after it was displaced, a version is looked at again
CALM_MS = 300  # after the last change: time for what is only nice to have
ECHO_MS = 2_000  # an event that comes later is looked at
READY_BYTES_MAX = 64 * limits.MIB  # contents in memory that wait for their turn
DELTA_KEEP_MS = STALLED_MS + 5_000  # nobody has asked for any of it: whoever began to has given it up by then
MOVE_ROWS_MAX = 5_000  # rows of a moved folder that are paired one by one; the rest is found by content
EMPTY_MS = 3_000  # a new file that is open and empty is announced after this
_new = tuple.__new__  # half the cost of a named tuple's own
