"""Takes a name from what was expected there, or leaves everything as it was.

In:   a path, the fingerprint that is expected there, and what is ready in the staging folder.
Out:  the stat of what is there; a `Version` of what was displaced. Raises Unexpected if anything else was there: then it
      has its name again.
Used by: `install`, `metadata`, `move`.
"""

from __future__ import annotations

from collections.abc import Callable

from dir_sync.core.jobs import ApplyItem, Version, Why
from dir_sync.core.model import FINGERPRINT_BYTES, Kind, Stat, fingerprint
from dir_sync.files import fingerprints
from dir_sync.files.hashing import begins_with
from dir_sync.files.history_store import HistoryStore
from dir_sync.files.outcomes import Unexpected
from dir_sync.files.put_back import PutBack
from dir_sync.ports import Disk, DiskError

__all__ = ["Replacer"]


class Replacer:
    """Exchanges names. Fields: the disk, the history, the way back, and the question whether the program ends."""

    def __init__(self, disk: Disk, history: HistoryStore, put_back: PutBack, stopping: Callable[[], bool]) -> None:
        self._disk = disk
        self._history = history
        self._put_back = put_back
        self._stopping = stopping

    def expected(self, path: bytes, expect: bytes) -> Stat | None:
        """The stat of what is there now, known to be what was expected (None: nothing, as expected)."""
        stat = self._disk.stat(path)
        if (b"" if stat is None else fingerprint(stat)) != expect[:FINGERPRINT_BYTES]:
            raise Unexpected
        return stat

    def exchange(self, path: bytes, swap: bytes, there: Stat) -> None:
        """What is ready takes the name of what is there. The order of the names matters to programs that watch the folder:
        the last that they hear of `path` is that it is there."""
        if there.kind == Kind.DIRECTORY and self._disk.list(path) != []:
            raise Unexpected  # it could only be put back
        self._disk.exchange(path, swap)

    def take_out(self, item: ApplyItem, swap: bytes, there: Stat, ready: Stat) -> Version | None:
        """What came out of an exchange, if it is what was expected, goes to the history; if not, it is put back."""
        path = item.path
        displaced = self._disk.stat(swap)
        if displaced is None or not fingerprints.is_same(displaced, there):
            self._put_back.undo_exchange(swap, path, ready)
            raise Unexpected
        try:
            if item.why == Why.REPLACED and self._is_beginning(swap, displaced, path, ready):
                self._disk.remove_file(swap)
                return None
            if displaced.kind != Kind.DIRECTORY:
                return self._history.file_away(swap, displaced, path, b"", item.why, item.target.stamp.maker)
            self._disk.remove_directory(swap)
        except DiskError as error:
            out = self._disk.stat(swap)
            if out is not None and out.inode == displaced.inode:
                self._put_back.undo_exchange(swap, path, ready)
            if displaced.kind != Kind.DIRECTORY:
                raise
            raise Unexpected from error
        return None

    def _is_beginning(self, name: bytes, displaced: Stat, path: bytes, ready: Stat) -> bool:
        """True if what was displaced is the beginning of what took its place, so that nothing is lost with it, and nobody can
        write into it any more."""
        if not displaced.kind == ready.kind == Kind.FILE or not 0 < displaced.size < ready.size:
            return False
        if not self._disk.is_closed(name):
            return False
        try:
            before = self._disk.open(name)
            try:
                after = self._disk.open(path)
                try:
                    return begins_with(after, before, displaced.size, self._stopping)
                finally:
                    after.close()
            finally:
                before.close()
        except DiskError:
            return False
