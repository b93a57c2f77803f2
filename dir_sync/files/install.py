"""Installs a prepared entry at a path; removes the entry at a path.

In:   one change, and for an installation the entry that `prepare` made and the batch has synced.
Out:  `ApplyResult`, with the displaced version. Raises Unexpected, Missing, DiskError: the path is then unchanged.
Used by: `metadata`, `batches`.
"""

from __future__ import annotations

from collections.abc import Callable

from dir_sync.core.jobs import ApplyItem, ApplyResult, Result
from dir_sync.core.model import Kind, Stat, fingerprint, parent_of
from dir_sync.core.names import OLD, SWAP
from dir_sync.files.fingerprints import Fingerprints
from dir_sync.files.hashing import digest_at
from dir_sync.files.history_store import HistoryStore
from dir_sync.files.kept import Keeper
from dir_sync.files.outcomes import Unexpected
from dir_sync.files.put_back import PutBack
from dir_sync.files.replace import Match, Replacer
from dir_sync.files.staging import Staging
from dir_sync.ports import Disk, DiskError

__all__ = ["Installer"]


class Installer:
    """Installs and removes. Fields: the disk and the modules below."""

    def __init__(
        self,
        disk: Disk,
        staging: Staging,
        fingerprints: Fingerprints,
        history: HistoryStore,
        put_back: PutBack,
        replacer: Replacer,
        keeper: Keeper,
        stopping: Callable[[], bool],
    ) -> None:
        self._disk = disk
        self._staging = staging
        self._fingerprints = fingerprints
        self._history = history
        self._put_back = put_back
        self._replacer = replacer
        self._keeper = keeper
        self._stopping = stopping

    def install(self, item: ApplyItem, made: tuple[bytes, Stat] | None, displaced: bytes = b"") -> ApplyResult:
        """Install the prepared entry at `item.path`, and file away what was there. `made`: None for a new folder, which
        needs no preparation. `displaced`: the digest of what was there; b"": the engine knows it."""
        path, target = item.path, item.target
        if not item.expect:  # a new folder or file replaces nothing
            if made is None:
                self._disk.make_directory(path, target.mode)
                self._keeper.give(path, target)
                return ApplyResult(path, Result.DONE, self._of_new_folder(path, target.mode))
            if not _has_other_names(made[1]):
                self._disk.inherit(parent_of(path), (made[0],))
                self._keeper.give(made[0], target)
            self._disk.rename(made[0], path)
            return ApplyResult(path, Result.DONE, self._fingerprints.after_rename(path, made[1]))
        there = self._replacer.expected(path, item.expect)
        if made is None or there is None:
            raise Unexpected
        staged, ready = made
        if there.inode == ready.inode:  # it is a name of that file already
            self._staging.discard((staged,))
            return ApplyResult(path, Result.DONE, self._fingerprints.after_rename(path, there))
        if not _has_other_names(ready):
            if there.kind == Kind.FILE and ready.kind == Kind.FILE:
                self._disk.keep_attributes(path, staged)
            else:
                self._disk.inherit(parent_of(path), (staged,))
            self._keeper.give(staged, target)
        # From now on this name may hold a user's data: its prefix tells the next start (see `recover`).
        swap = self._staging.new_name(SWAP)
        self._disk.rename(staged, swap)
        was_seen = False
        try:
            self._replacer.exchange(path, swap, there)
            was_seen = True
            version = self._replacer.take_out(item, swap, there, ready, displaced)
        except (DiskError, Unexpected):
            out = self._disk.stat(swap)
            if out is not None and out.inode == ready.inode:
                if was_seen and ready.kind == Kind.FILE and not self._is_still(swap, out, target.content):
                    self._history.rescue(swap, out, path)
                else:
                    self._disk.rename(swap, staged)
            raise
        fp = self._keeper.marked(path, target, self._fingerprints.after_rename(path, ready))
        return ApplyResult(path, Result.DONE, fp, version)

    def _of_new_folder(self, path: bytes, mode: int) -> bytes:
        """The fingerprint of a folder that was just made. If a user changed its mode since, the fingerprint as it was
        made: the next look then sees the difference. Raises Unexpected if something else is there now."""
        stat = self._disk.stat(path)
        if stat is None or stat.kind != Kind.DIRECTORY:
            raise Unexpected
        if stat.mode == mode:
            return fingerprint(stat)
        # Either a user changed the mode, or this file system cannot store it: a folder of ours shows which.
        with self._staging.trial(Kind.DIRECTORY, mode) as name:
            tried = self._disk.stat(name)
        is_changed = tried is not None and tried.mode == mode
        return fingerprint(stat._replace(mode=mode) if is_changed else stat)

    def _is_still(self, name: bytes, stat: Stat, digest: bytes) -> bool:
        """False if a program wrote into the file while it had a name in the tree. The size may be the same, and the
        times too, if that happened within one granule of the clock, so the content is compared."""
        try:
            return digest_at(self._disk, name, stat.size, self._stopping) == digest
        except DiskError:
            return False

    def remove(self, item: ApplyItem) -> ApplyResult:
        """Remove an entry: an empty folder, or a file or link, which goes into the history."""
        path = item.path
        there = self._replacer.expected(path, item.expect)
        if there is None:
            return ApplyResult(path, Result.DONE, b"")
        if there.kind == Kind.DIRECTORY:
            self._disk.remove_directory(path)
            return ApplyResult(path, Result.DONE, b"")
        name = self._staging.new_name(OLD)
        self._disk.rename(path, name)
        displaced = self._disk.stat(name)
        match = Match.OTHER if displaced is None else self._replacer.compare(name, displaced, there, item.known)
        if displaced is None or match is Match.OTHER:
            self._put_back.undo_rename(name, path)
            raise Unexpected
        try:
            maker, is_read = item.target.stamp.maker, match is not Match.UNREAD
            version = self._history.file_away(name, displaced, path, b"", item.why, maker, is_read)
        except DiskError:
            if self._disk.stat(name) is not None:
                self._put_back.undo_rename(name, path)
            raise
        return ApplyResult(path, Result.DONE, b"", version)


def _has_other_names(ready: Stat) -> bool:
    """True for a prepared entry that is another name of a file in the tree: what belongs to the file is as it is to be."""
    return ready.kind is Kind.FILE and ready.links > 1
