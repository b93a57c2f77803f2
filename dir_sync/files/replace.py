"""Replaces the expected content of a path, or changes nothing.

In:   a path, its expected fingerprint, and the prepared entry in the staging folder.
Out:  the stat of the present entry; a `Version` of the displaced one. Raises Unexpected if something else was there: it
then has its name again.
Used by: `install`, `metadata`, `move`.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from dir_sync.core import limits
from dir_sync.core.jobs import ApplyItem, Cause, Version
from dir_sync.core.model import FINGERPRINT_BYTES, Kind, Stat, fingerprint
from dir_sync.files import fingerprints
from dir_sync.files.hashing import begins_with, digest_at
from dir_sync.files.history_store import HistoryStore
from dir_sync.files.outcomes import Unexpected
from dir_sync.files.put_back import PutBack
from dir_sync.ports import Disk, DiskError, Trouble

__all__ = ["Match", "Replacer"]


class Match(Enum):
    """What a rename took out, compared with what was looked at."""

    SAME = "same"
    OTHER = "other"  # a program has changed it in between
    UNREAD = "unread"  # it cannot be read, so nobody knows


class Replacer:
    """Exchanges names. Fields: the disk, the history, `PutBack`, and the function that tells whether the program
    ends."""

    def __init__(self, disk: Disk, history: HistoryStore, put_back: PutBack, stopping: Callable[[], bool]) -> None:
        self._disk = disk
        self._history = history
        self._put_back = put_back
        self._stopping = stopping

    def expected(self, path: bytes, expect: bytes) -> Stat | None:
        """The stat of the present entry, verified to be the expected one (None: nothing, as expected)."""
        stat = self._disk.stat(path)
        if (b"" if stat is None else fingerprint(stat)) != expect[:FINGERPRINT_BYTES]:
            raise Unexpected
        return stat

    def exchange(self, path: bytes, swap: bytes, there: Stat) -> None:
        """Give the prepared entry the name of the present one. The order of the two renames matters to programs that
        watch the folder: the last event of `path` is that it exists."""
        if there.kind == Kind.DIRECTORY and self._disk.list(path) != []:
            raise Unexpected  # the displaced entry could only be put back
        self._disk.exchange(path, swap)

    def take_out(self, item: ApplyItem, swap: bytes, there: Stat, ready: Stat, digest: bytes = b"") -> Version | None:
        """Move what an exchange displaced into the history, if it is what was expected; otherwise put it back. `digest`:
        its content; b"": the engine knows it."""
        path = item.path
        displaced = self._disk.stat(swap)
        match = Match.OTHER if displaced is None else self.compare(swap, displaced, there, item.known)
        if displaced is None or match is Match.OTHER:
            self._put_back.undo_exchange(swap, path, ready)
            raise Unexpected
        try:
            if item.naming is not None and item.known == item.target.content:
                if self._is_spare(swap, displaced, path):
                    self._disk.remove_file(swap)
                    return None
                digest = item.known
            if item.why == Cause.REPLACED and self._is_beginning(swap, displaced, path, ready):
                self._disk.remove_file(swap)
                return None
            if displaced.kind != Kind.DIRECTORY:
                maker = "" if item.why is Cause.ROTTEN else item.target.stamp.maker  # nobody made it go bad
                is_read = match is not Match.UNREAD
                return self._history.file_away(swap, displaced, path, digest, item.why, maker, is_read)
            self._disk.remove_directory(swap)
        except DiskError as error:
            out = self._disk.stat(swap)
            if out is not None and out.inode == displaced.inode:
                self._put_back.undo_exchange(swap, path, ready)
            if displaced.kind != Kind.DIRECTORY:
                raise
            raise Unexpected from error
        return None

    def compare(self, name: bytes, out: Stat, there: Stat, digest: bytes) -> Match:
        """Compare what a rename took out with the entry that was looked at. `out`, `there`: after and before the rename.
        `digest`: its content; b"": unknown. A program may write as many bytes between the look and the rename, and set
        the time that was there before (cp -p). Only ctime would show that, and the rename changes it. So a small file is
        read again."""
        if not fingerprints.is_same(out, there):
            return Match.OTHER
        if not digest or out.kind is not Kind.FILE or out.size > limits.MIB:
            return Match.SAME
        trouble = Trouble.LIMIT
        for _ in range(2):
            try:
                is_same = digest_at(self._disk, name, out.size, self._stopping) == digest
            except DiskError as error:
                trouble = error.trouble
            else:
                return Match.SAME if is_same else Match.OTHER
        # A bad sector stays one, and what is on it must not be in the way for ever. Too many open files are not for long.
        return Match.OTHER if trouble is Trouble.LIMIT else Match.UNREAD

    def _is_spare(self, name: bytes, displaced: Stat, path: bytes) -> bool:
        """True if the displaced name is one of several names of its file, or if its content is that of the file that replaced
        it, and no program can write into it any more. The one that replaced it is read, too: a program may have written to it
        under its other name since the job began."""
        return displaced.links > 1 or (self._disk.is_closed(name) and self._begins_with(path, name, displaced.size))

    def _is_beginning(self, name: bytes, displaced: Stat, path: bytes, ready: Stat) -> bool:
        """True if the displaced file is the beginning of the file that replaced it, so that nothing is lost with it,
        and if no program can write into it any more."""
        if not displaced.kind == ready.kind == Kind.FILE or not 0 < displaced.size < ready.size:
            return False
        return self._disk.is_closed(name) and self._begins_with(path, name, displaced.size)

    def _begins_with(self, path: bytes, name: bytes, size: int) -> bool:
        """True if the file at `path` begins with the whole of the file at `name`."""
        try:
            before = self._disk.open(name)
            try:
                after = self._disk.open(path)
                try:
                    return begins_with(after, before, size, self._stopping)
                finally:
                    after.close()
            finally:
                before.close()
        except DiskError:
            return False
