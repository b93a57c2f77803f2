"""Makes new entries, complete and verified, in the staging folder.

In:   one change. Its content came with it, is staged already, or is in another file of this folder.
Out:  a path in the staging folder and its stat. Raises Missing if the source has changed, or DiskError.
Used by: `metadata`, `batches`.
"""

from __future__ import annotations

from collections.abc import Callable

from blake3 import blake3

from dir_sync.core.jobs import ApplyItem, Naming, TreeOp
from dir_sync.core.model import CTIME_BYTES, FINGERPRINT_BYTES, Kind, Stat, fingerprint
from dir_sync.core.names import NEW
from dir_sync.files.hashing import digest_of
from dir_sync.files.outcomes import NO_SUCH_NAME, Missing
from dir_sync.files.staging import Staging
from dir_sync.ports import Disk, DiskError, Trouble, Writer

__all__ = ["Preparer"]


class Preparer:
    """Makes new files, folders and links in the staging folder. Fields: the disk, the staging folder, and the function
    that tells whether the program ends."""

    def __init__(self, disk: Disk, staging: Staging, stopping: Callable[[], bool]) -> None:
        self._disk = disk
        self._staging = staging
        self._stopping = stopping

    def prepare(self, item: ApplyItem, unsynced: list[Writer], together: bool) -> tuple[bytes, Stat] | None:
        """The new entry, complete and verified in the staging folder; None if none is needed there.

        `together`: one syncfs for the whole batch follows."""
        if item.act != TreeOp.INSTALL:
            return None
        target = item.target
        if target.kind == Kind.DIRECTORY and not item.expect:
            return None  # a new folder is made directly at its path
        name = self._staging.new_name(NEW)
        if item.staged is not None:
            try:
                writer = self._disk.reopen(item.staged)
            except DiskError as error:
                if error.trouble in NO_SUCH_NAME:
                    raise Missing from error
                raise
            try:
                writer.set_meta(target.mode, target.mtime)
                ready = writer.stat()
                self._disk.rename(item.staged, name)
            except DiskError:
                writer.close()  # the file is kept as it is, and not synced either (see `_sync_files`)
                raise
            unsynced.append(writer)
            return name, ready
        if item.data is not None and target.kind == Kind.FILE:
            if len(item.data) != target.size or blake3(item.data).digest() != target.content:
                raise Missing
            return name, self._disk.create_whole(name, item.data, target.mode, target.mtime, not together)
        if item.naming in (Naming.LINK, Naming.JOIN):
            made = self._link(item, name, together)
            if made is not None:
                return name, made
        if target.kind == Kind.FILE:
            writer = self._disk.create(name)
            unsynced.append(writer)
            try:
                self._copy(item, writer)
                writer.set_meta(target.mode, target.mtime)
                return name, writer.stat()
            except (DiskError, Missing):
                self._staging.discard((name,))
                raise
        if target.kind == Kind.DIRECTORY:
            self._disk.make_directory(name, target.mode)
        else:
            self._disk.make_link(name, target.content)
            try:
                self._disk.set_meta(name, None, target.mtime)
            except DiskError:
                self._staging.discard((name,))
                raise
        made = self._disk.stat(name)
        if made is None:
            raise Missing
        return name, made

    def _link(self, item: ApplyItem, name: bytes, together: bool) -> Stat | None:
        """Make a new name of the file that has the content, and verify it; None if the file can have none, and a copy will
        do. Other names that it got meanwhile change its ctime."""
        source, target = item.copy_path, item.target
        assert source is not None
        try:
            reader = self._disk.open(source)
        except DiskError as error:
            raise Missing from error
        try:
            before = reader.stat()
            if fingerprint(before)[:-CTIME_BYTES] != item.copy_fp[:FINGERPRINT_BYTES][:-CTIME_BYTES]:
                raise Missing
            if digest_of(reader, target.size, self._stopping) != (target.content, True):
                raise Missing
        finally:
            reader.close()
        if not together:
            self._disk.sync_all()  # the file may be a user's, and not be on the medium yet
        try:
            self._disk.link(source, name)
        except DiskError as error:
            if error.trouble is Trouble.NO_LINK and item.naming is Naming.LINK:
                return None
            raise
        made = self._disk.stat(name)
        if made is None or made._replace(ctime=before.ctime, links=before.links) != before:
            self._staging.discard((name,))
            raise Missing
        return made

    def _copy(self, item: ApplyItem, writer: Writer) -> None:
        """Copy the content of a local file, and verify it."""
        target = item.target
        assert item.copy_path is not None
        try:
            reader = self._disk.open(item.copy_path)
        except DiskError as error:
            raise Missing from error
        try:
            if item.copy_fp and fingerprint(reader.stat()) != item.copy_fp[:FINGERPRINT_BYTES]:
                raise Missing
            if writer.copy_from(reader, 0, 0, target.size) != target.size:
                raise Missing
        finally:
            reader.close()
        if digest_of(writer, target.size, self._stopping) != (target.content, True):
            raise Missing
