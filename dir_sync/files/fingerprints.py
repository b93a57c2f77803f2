"""Fingerprints of files that we have just changed.

In:   stats of the prepared file and of the installed one.
Out:  fingerprints; RACY ones if a later write might leave the same times.
Used by: `replace`, `install`, `metadata`, `move`, `batches`, `appends`, `growth_undo`, `scanner`.
"""

from __future__ import annotations

from collections.abc import Callable

from dir_sync.core.looks import RACY
from dir_sync.core.model import CTIME_BYTES, NS_PER_S, Kind, Stat, fingerprint
from dir_sync.core.names import is_version
from dir_sync.ports import Disk

__all__ = ["RACY", "Fingerprints", "is_same", "is_still_as", "mtime_of"]

_COARSE_NS = 1_000_000_000  # the granularity of FAT and ext3


class Fingerprints:
    """Fingerprints of files that we have just installed. Fields: the disk and the wall clock."""

    def __init__(self, disk: Disk, now_ns: Callable[[], int]) -> None:
        self._disk = disk
        self._now_ns = now_ns

    def after_rename(self, path: bytes, ready: Stat) -> bytes:
        """The fingerprint of the file just installed at `path`. If a user changed it since, the fingerprint of the
        prepared file: the next look then sees the difference."""
        return self.of_new(self._disk.stat(path), ready)

    def of_new(self, stat: Stat | None, ready: Stat) -> bytes:
        if stat is None or not is_same(stat, ready) or stat.mode != ready.mode:
            return fingerprint(ready)
        return self.aged(stat)

    def aged(self, stat: Stat) -> bytes:
        """The fingerprint of a file that has just got its name and its mtime. If times are rounded, a write within the
        same granule leaves the same ctime. The content has to be read again if the mtime may be the same, too: after a
        write, or because an old mtime was copied along. Where only the kernel's tick rounds, times that come from other
        machines are never rounded alike, unless they are whole seconds."""
        grain = self._disk.grain_ns
        if not grain:
            return fingerprint(stat)
        may_be_as_old = (
            grain >= _COARSE_NS or not stat.mtime % grain or self._disk.keeps
        )  # attributes change ctime alone
        is_racy = may_be_as_old and abs(self._now_ns() - stat.ctime) < 2 * grain
        return fingerprint(stat) + RACY if is_racy and stat.kind == Kind.FILE else fingerprint(stat)


def is_still_as(now: bytes, known: bytes, name: bytes) -> bool:
    """True if the fingerprint of a file still matches. A file that was moved into the history has another ctime."""
    if is_version(name):
        return now[:-CTIME_BYTES] == known[:-CTIME_BYTES]
    return now == known


def is_same(out: Stat, there: Stat) -> bool:
    """True if the displaced file is the one that was looked at, unchanged except for its name (which changes ctime)."""
    return (
        out.inode == there.inode
        and out.kind == there.kind
        and (out.kind == Kind.DIRECTORY or (out.size == there.size and out.mtime == there.mtime))
    )


def mtime_of(fp: bytes) -> int | None:
    """The mtime (ns) in a file's fingerprint; None for an empty one."""
    if not fp:
        return None
    return int.from_bytes(fp[19:27], "little", signed=True) * NS_PER_S + int.from_bytes(fp[27:31], "little")
