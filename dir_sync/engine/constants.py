"""Limits and delays that several machines of the engine use. A limit of one machine stands in its module."""

from __future__ import annotations

from dir_sync.core import limits
from dir_sync.core.mode import OURS

__all__ = [
    "BLIND",
    "BRAKED_AT",
    "CALM_MS",
    "CHANGING",
    "DELTA_KEEP_MS",
    "ECHO_LOOK_MS",
    "ECHO_MS",
    "EMPTY_MS",
    "FOLDER_ECHO_MS",
    "MEMBER",
    "MERGED",
    "MOVE_ROWS_MAX",
    "NOBODY",
    "OURS",
    "PLAN_MAX",
    "READY_BYTES_MAX",
    "RECHECK_MAX",
    "RECHECK_MS",
    "REOPENED_MS",
    "RETRY_MS",
    "STALLED_MS",
    "TELL_TOGETHER_MS",
    "TIMES_MAX",
    "TOLD_SINGLY",
    "TROUBLE_RETRY_MS",
]

MERGED = OURS + "merged"  # peer of an offer: a text that was merged here
NOBODY = ""  # node of an offer that its peer has replaced since
TIMES_MAX = 10_000  # folders whose mtimes are to be set or announced
PLAN_MAX = 800  # paths planned in one turn ...
TELL_TOGETHER_MS = 40
TOLD_SINGLY = 5  # of the files of one message, so many have a note of their own; the others share one
RETRY_MS = 1_000
READER = "reader "  # prefix of an index note, before the id of a peer whose own changes were ignored: it was read-only
MEMBER = "member "  # prefix of an index note, before the id of a node that has shared most of the folder with us
BRAKED_AT = "brake time "  # index note: since when (wall clock, ns) that is held
TROUBLE_RETRY_MS = (2_000, 30_000)  # first and longest wait after an error of the disk
BLIND = "blind"  # index note: this index was made or verified on a disk that ignores case or Unicode form
CHANGING = "it is being changed here"  # this problem is not logged
STALLED_MS = 60_000
RECHECK_MAX = 500
RECHECK_MS = (5_000, 60_000)  # a displaced version is looked at again: first and last delay
CALM_MS = 300  # without a change for so long, low-priority work begins
ECHO_MS = 2_000  # a watcher event that comes later than this after our own change causes a look
FOLDER_ECHO_MS = 2_000  # a folder that we made for a bulk of files is listed at most so long after it was found
ECHO_LOOK_MS = 250  # files that we installed are looked at once more, all of such a span together
READY_BYTES_MAX = 64 * limits.MIB  # contents in memory that are not installed yet
DELTA_KEEP_MS = STALLED_MS + 5_000  # nobody pulled from a delta for so long: its transfer has stalled by then
MOVE_ROWS_MAX = 5_000  # rows of a moved folder that are paired one by one; the others are matched by content
EMPTY_MS = 3_000  # an empty file that a program has open is announced after this
REOPENED_MS = 100  # the event of a write to a file that was closed and is opened again at once comes within this
_new = tuple.__new__  # half the cost of calling the named tuple
