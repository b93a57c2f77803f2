"""Moves existing content: carries out a rename of a peer, or takes a version out of the history.

In:   one change that names its source and the source's expected state.
Out:  `ApplyResult`, with the displaced version. Raises Unexpected, Missing, DiskError: the source then has its old
name; unless a user has written into it, or replaced it, at its new one.
Used by: `batches`.
"""

from __future__ import annotations

from collections.abc import Callable

from dir_sync.core.jobs import ApplyItem, ApplyResult, Result, Version
from dir_sync.core.model import FINGERPRINT_BYTES, Kind, Record, Stat, fingerprint
from dir_sync.core.names import SWAP, is_version
from dir_sync.files import fingerprints
from dir_sync.files.fingerprints import Fingerprints
from dir_sync.files.hashing import Stopped, digest_at
from dir_sync.files.history_store import HistoryStore
from dir_sync.files.kept import Keeper
from dir_sync.files.metadata import Metadata
from dir_sync.files.outcomes import Missing, Unexpected
from dir_sync.files.put_back import PutBack
from dir_sync.files.replace import Match, Replacer
from dir_sync.files.staging import Staging
from dir_sync.ports import Disk, DiskError, Trouble

__all__ = ["Mover"]

_TRIES = 4  # a user's file is to get its name back, so one error does not end the attempt


class Mover:
    """Moves files, links and versions. Fields: the disk and the modules below."""

    def __init__(
        self,
        disk: Disk,
        staging: Staging,
        fingerprints: Fingerprints,
        put_back: PutBack,
        replacer: Replacer,
        meta: Metadata,
        keeper: Keeper,
        history: HistoryStore,
        stopping: Callable[[], bool],
    ) -> None:
        self._disk = disk
        self._staging = staging
        self._fingerprints = fingerprints
        self._put_back = put_back
        self._replacer = replacer
        self._meta = meta
        self._keeper = keeper
        self._history = history
        self._stopping = stopping

    def move(self, item: ApplyItem) -> ApplyResult:
        """Rename `item.copy_path` to `item.path` and set mode and mtime. The file that was there goes into the
        history."""
        path, source, target = item.path, item.copy_path, item.target
        assert source is not None
        # Where nothing is expected, the rename itself finds out if there is something: it never replaces.
        there = self._replacer.expected(path, item.expect) if item.expect else None
        moving = self._disk.stat(source)
        if moving is None or not fingerprints.is_still_as(
            fingerprint(moving), item.copy_fp[:FINGERPRINT_BYTES], source
        ):
            raise Missing
        is_meant = (moving.mode, moving.mtime) == (target.mode, target.mtime)
        is_others = not is_meant and self._disk.is_only_replaceable(source)
        if is_others and not item.expect:
            self._replacer.expected(path, b"")
        if is_others and is_version(source):
            result = self._meta.put_ours(item, source)
            left = self._disk.stat(source)
            if left is None or self._replacer.compare(source, left, moving, target.content) is not Match.OTHER:
                self._disk.remove_file(source)
            else:  # a program that has had it open all the time has written into it since
                self._history.rescue(source, left, path)
            return result
        if is_others and there is not None:
            # that would take two steps that each displace something: the content is copied or fetched instead
            raise Missing
        if there is not None or (is_version(source) and not is_meant):
            return self._move_staged(item, source, moving, there, is_meant)
        self._give_name(source, path, moving)
        try:
            moved = self._disk.stat(path)
            match = Match.OTHER if moved is None else self._replacer.compare(path, moved, moving, target.content)
            if moved is None or match is Match.OTHER:
                raise Unexpected
        except (DiskError, Unexpected, Stopped):
            # A name of the tree may have been given to something else before the rename. Nobody does that to a version: a
            # user has saved at `path` since, and that stays.
            if not is_version(source) or self._written(path, moving, target) is None:
                self._undo(path, source, path)
            raise
        if is_others:
            try:
                return self._meta.put_ours(item._replace(expect=fingerprint(moved), known=target.content), path)
            except (DiskError, Unexpected, Missing):
                if self._written(path, moving, target) is None:
                    self._undo(path, source, path)
                raise
        if not is_meant:
            try:
                self._disk.set_meta(path, target.mode, target.mtime)
            except DiskError:
                # otherwise the file would look like one that a user put there
                if self._written(path, moving, target) is None:
                    self._undo(path, source, path)
                raise
            moved = self._disk.stat(path)
            if moved is None or moved.inode != moving.inode or moved.size != moving.size:
                return ApplyResult(path, Result.CHANGED)
            if not self._meta.verify_meta(moved, target.mode, target.mtime):
                return ApplyResult(path, Result.CHANGED)
        else:
            moved = moved._replace(mode=moving.mode)  # if a user has changed the mode since, the next look sees that
        return self._with_attributes(path, moved, target, None, match)

    def _move_staged(
        self, item: ApplyItem, source: bytes, moving: Stat, there: Stat | None, is_meant: bool
    ) -> ApplyResult:
        """Rename `source` to a path at which there is something else, or a version to any path. It has its mode and mtime
        before it gets the name: otherwise a failure in between would leave a file that looks like one that a user put
        there. (Into a free name, a file of the tree goes in one step: it is always at one of its two names.)"""
        path, target = item.path, item.target
        swap = self._staging.new_name(SWAP)
        self._disk.rename(source, swap)
        is_exchanged, mtimes = False, {moving.mtime, target.mtime}
        try:
            came = self._disk.stat(swap)
            match = Match.OTHER if came is None else self._replacer.compare(swap, came, moving, target.content)
            if came is None or match is Match.OTHER:
                raise Unexpected
            if not is_meant:
                self._disk.set_meta(swap, target.mode, target.mtime)
                came = self._disk.stat(swap)
                if came is None or (came.inode, came.size) != (moving.inode, moving.size):
                    raise Unexpected
                if not self._meta.verify_meta(came, target.mode, target.mtime):
                    raise Unexpected
                mtimes.add(came.mtime)
            if there is None:
                self._disk.rename(swap, path)
                version = None
            else:
                self._replacer.exchange(path, swap, there)
                is_exchanged = True
                version = self._replacer.take_out(item, swap, there, came)
        except (DiskError, Unexpected):
            if not is_exchanged or self._is_at(swap, moving.inode):
                out = self._written_since(swap, source, moving, target) if is_exchanged else None
                if out is not None:
                    # A user wrote into it while it had the name `path`. So it is not the version that the history lists. A
                    # file of the tree keeps the new name: under the old one, it would be what nobody has saved there.
                    if is_version(source):
                        self._history.rescue(swap, out, path)
                    else:
                        self._put_back.give_newest(swap, out, path)
                    raise
                if not is_meant:
                    self._as_before(swap, moving, mtimes)
                self._undo(swap, source, path)
            raise
        moved = self._disk.stat(path)
        if moved is None or not fingerprints.is_same(moved, came):
            return ApplyResult(path, Result.CHANGED, b"", version)
        moved = moved._replace(mode=came.mode)  # if a user has changed the mode since, the next look sees that
        return self._with_attributes(path, moved, target, version, match)

    def _with_attributes(
        self, path: bytes, moved: Stat, target: Record, version: Version | None, match: Match
    ) -> ApplyResult:
        """Give what has its new name the attributes of its version. That comes last, so nothing that fails later has to take
        it back. If it fails, a look finds the content and the rest is done once more."""
        if self._keeper.is_on:
            try:
                self._keeper.give(path, target)
            except DiskError:
                return ApplyResult(path, Result.CHANGED, b"", version)
            given = self._disk.stat(path)
            if given is None or not fingerprints.is_same(given, moved):
                return ApplyResult(path, Result.CHANGED, b"", version)
            moved = given._replace(mode=moved.mode)
        fp = self._fingerprints.aged(moved)
        if moved.kind is Kind.FILE:
            fp = self._keeper.marked(path, target, fp)
        if match is Match.UNREAD:
            fp = fp[:FINGERPRINT_BYTES] + fingerprints.RACY  # whether it has that content is still to be read
        return ApplyResult(path, Result.DONE, fp, version)

    def _is_at(self, name: bytes, inode: int) -> bool:
        for _ in range(_TRIES):
            try:
                out = self._disk.stat(name)
            except DiskError:
                continue
            return out is not None and out.inode == inode
        return False

    def _written(self, name: bytes, moving: Stat, target: Record) -> Stat | None:
        """The stat of the entry if it is not the one that was moved, or if a program has written into it since: the size may
        be the same, and the times too, so the content is compared. None if it is as it was, or if that is unknown."""
        try:
            out = self._disk.stat(name)
            if out is None or (out.inode, out.kind) != (moving.inode, moving.kind):
                return out
            if out.kind is not Kind.FILE:
                return None
            is_so = out.size == target.size and digest_at(self._disk, name, out.size, self._stopping) == target.content
            return None if is_so else out
        except DiskError:
            return None

    def _written_since(self, name: bytes, source: bytes, moving: Stat, target: Record) -> Stat | None:
        """`_written`. If the program ends before that is known, a file of the tree counts as not written: it has to get a
        name."""
        try:
            return self._written(name, moving, target)
        except Stopped:
            if is_version(source):
                raise
            return None

    def _undo(self, name: bytes, source: bytes, path: bytes) -> None:
        """Give what was to be moved to `path` its old name back. If a version cannot have it, it is one of `path`."""
        self._put_back.undo_rename(name, source, path if is_version(source) else source)

    def _as_before(self, name: bytes, moving: Stat, ours: set[int]) -> None:
        """Give the file its mode and mtime back, unless its mtime is none of `ours`: then a program wrote into it. A passing
        error is retried at once."""
        for _ in range(_TRIES):
            try:
                out = self._disk.stat(name)
                if out is None or (out.inode, out.size) != (moving.inode, moving.size) or out.mtime not in ours:
                    return
                if (out.mode, out.mtime) != (moving.mode, moving.mtime):
                    self._disk.set_meta(name, moving.mode, moving.mtime)
            except DiskError:
                continue
            return

    def _give_name(self, source: bytes, path: bytes, moving: Stat) -> None:
        """Rename. If the two names are one to the disk, rename through the staging folder."""
        try:
            self._disk.rename(source, path)
            return
        except DiskError as error:
            if error.trouble is not Trouble.EXISTS or self._disk.spelled(path) != source:
                raise
        swap = self._staging.new_name(SWAP)
        self._disk.rename(source, swap)
        try:
            came = self._disk.stat(swap)
            if came is None or not fingerprints.is_same(came, moving):
                raise Unexpected
            self._disk.rename(swap, path)
        except (DiskError, Unexpected):
            self._put_back.undo_rename(swap, source)
            raise
