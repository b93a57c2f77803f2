"""Sets mode and mtime of an existing entry; replaces another user's file by a copy of ours.

In:   one change whose content is there already.
Out:  `ApplyResult`. Raises Unexpected, Missing, DiskError.
Used by: `move`, `batches`, `appends`.
"""

from __future__ import annotations

from dir_sync.core import limits
from dir_sync.core.jobs import ApplyItem, ApplyResult, Result, TreeOp
from dir_sync.core.model import Kind, Stat, fingerprint
from dir_sync.files import fingerprints
from dir_sync.files.install import Installer
from dir_sync.files.kept import Keeper
from dir_sync.files.outcomes import Unexpected
from dir_sync.files.prepare import Preparer
from dir_sync.files.replace import Replacer
from dir_sync.files.staging import Staging
from dir_sync.ports import Disk, DiskError, Trouble, Writer

__all__ = ["Metadata"]


class Metadata:
    """Modes and times. Fields: the disk and the modules below."""

    def __init__(
        self, disk: Disk, staging: Staging, replacer: Replacer, preparer: Preparer, installer: Installer, keeper: Keeper
    ) -> None:
        self._disk = disk
        self._staging = staging
        self._replacer = replacer
        self._preparer = preparer
        self._installer = installer
        self._keeper = keeper

    def set_meta(self, item: ApplyItem) -> ApplyResult:
        """Set mode and mtime of the entry at `item.path`, and check that nothing has changed it meanwhile."""
        path, target = item.path, item.target
        there = self._replacer.expected(path, item.expect)
        if there is None:
            raise Unexpected
        if there.kind == Kind.DIRECTORY:
            self._disk.set_meta(path, item.mode, item.mtime)
            self._keeper.give(path, target)
            now = self._disk.stat(path)
            wanted = there.mode if item.mode is None else item.mode
            # Another inode is a different folder, whose content was not listed; another mode is a user's, of this moment.
            if now is None or now.inode != there.inode or not self.verify_meta(now, wanted, None):
                raise Unexpected
            return ApplyResult(path, Result.DONE, fingerprint(now))
        mode = None if there.kind == Kind.SYMLINK else target.mode
        # The mtime that is there already is not set: it would hide a write since that look.
        mtime = None if there.mtime == target.mtime else target.mtime
        try:
            self._disk.set_meta(path, mode, mtime)
        except DiskError as error:
            if error.trouble != Trouble.DENIED or not self._disk.is_only_replaceable(path):
                raise
            has_all = mode in (None, there.mode) and mtime is None and not self._keeper.is_on
            if not has_all:  # otherwise the user's own file is as it should be
                return self.put_ours(item, path)
        self._keeper.give(path, target)
        now = self._disk.stat(path)
        if now is None or now.inode != there.inode or now.size != there.size:
            raise Unexpected
        if not self.verify_meta(now, mode, target.mtime):
            raise Unexpected
        is_only_attributes = mtime is None and now.mode == there.mode and now.size > limits.MIB
        if is_only_attributes and self._keeper.is_on and not self._disk.grain_ns:
            if not self._keeper.says_more(path, target):
                return ApplyResult(path, Result.DONE, fingerprint(now))
        # A write between the look and the new mtime would not show, so the content has to be read again. Nor would one
        # that set the old mtime (cp -p): as in `Replacer.compare`, only a small file is read because of that.
        return ApplyResult(path, Result.DONE, fingerprint(now) + fingerprints.RACY)

    def put_ours(self, item: ApplyItem, source: bytes) -> ApplyResult:
        """Replace another user's file by a copy that we own, with the wanted mode and mtime. `source`: the file itself,
        or a file in the history. In the first case what is displaced has the wanted content."""
        unsynced: list[Writer] = []
        copy = item._replace(act=TreeOp.INSTALL, copy_path=source, copy_fp=b"")  # its whole content is compared
        made = self._preparer.prepare(copy, unsynced, False)
        try:
            for writer in unsynced:
                writer.sync()
            return self._installer.install(copy, made, item.target.content if source == item.path else b"")
        except BaseException:
            if made is not None:
                self._staging.release(None, made[0], made[1].inode)
            raise
        finally:
            for writer in unsynced:
                writer.close()

    def verify_meta(self, now: Stat, mode: int | None, mtime: int | None) -> bool:
        """True if mode and mtime have the values that were just set, as far as this file system can store them. A file
        of ours shows what the file system makes of them; if that differs, a user has changed the entry since."""

        def is_as(mode: int | None, mtime: int | None) -> bool:
            return mode in (None, now.mode) and mtime in (None, now.mtime)

        if is_as(mode, mtime):
            return True
        with self._staging.trial(now.kind) as name:
            self._disk.set_meta(name, mode, mtime)
            tried = self._disk.stat(name)
        return tried is not None and is_as(None if mode is None else tried.mode, None if mtime is None else tried.mtime)
