"""What is known of a file after we have touched it.

In:   stats of what we put there and of what is there now.
Out:  fingerprints; RACY ones where a later write might leave the same times behind.
Used by: `replace`, `install`, `metadata`, `move`, `batches`, `appends`, `scanner`.
"""

from __future__ import annotations

from collections.abc import Callable

from dir_sync.core.model import CTIME_BYTES, Kind, Stat, fingerprint
from dir_sync.core.names import HISTORY
from dir_sync.ports import Disk

__all__ = ["RACY", "Fingerprints", "is_same", "is_still_as"]

RACY = b"?"
"""Appended to the fingerprint of a file that was written within the clock's grain of being read."""

_COARSE_NS = 1_000_000_000  # times rounded like this: FAT, ext3


class Fingerprints:
    """The fingerprints of what we just put somewhere. Fields: the disk and the wall clock."""

    def __init__(self, disk: Disk, now_ns: Callable[[], int]) -> None:
        self._disk = disk
        self._now_ns = now_ns

    def after_rename(self, path: bytes, ready: Stat) -> bytes:
        """The fingerprint of what we just put there; of what we made ready, if someone has touched it since (which
        the next look will see, because it differs)."""
        return self.of_new(self._disk.stat(path), ready)

    def of_new(self, stat: Stat | None, ready: Stat) -> bytes:
        if stat is None or not is_same(stat, ready) or stat.mode != ready.mode:
            return fingerprint(ready)
        return self.aged(stat)

    def aged(self, stat: Stat) -> bytes:
        """The fingerprint of a file that has just got its name and its mtime. Where times are rounded, someone who writes
        into it within the same grain leaves the same times behind: then the content has to be read again. Where they are
        rounded to seconds there is time enough to copy an old time with it, too."""
        grain = self._disk.grain_ns
        if not grain:
            return fingerprint(stat)
        since = stat.mtime if grain < _COARSE_NS else stat.ctime
        is_racy = (grain >= _COARSE_NS or not stat.mtime % grain) and abs(self._now_ns() - since) < 2 * grain
        return fingerprint(stat) + RACY if is_racy and stat.kind == Kind.FILE else fingerprint(stat)


def is_still_as(now: bytes, known: bytes, name: bytes) -> bool:
    """True if a file is as its fingerprint says. What went to the history since has got another ctime by that."""
    if name.startswith(HISTORY + b"/"):
        return now[:-CTIME_BYTES] == known[:-CTIME_BYTES]
    return now == known


def is_same(out: Stat, there: Stat) -> bool:
    """True if what came out is what was looked at, untouched but for its name (which changes ctime)."""
    return (
        out.inode == there.inode
        and out.kind == there.kind
        and (out.kind == Kind.DIRECTORY or (out.size == there.size and out.mtime == there.mtime))
    )
