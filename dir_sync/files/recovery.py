"""Recovery at the next start: handles what the last run left in the staging folder.

In:   the names in the staging folder; questions to the index.
Out:  versions to be recorded: files that may be a user's data are in the history. Partial downloads are kept, growing
files have their old state again, and everything else is removed.
Used by: `file_sync`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from dir_sync.core.jobs import Cause, Version
from dir_sync.core.model import Kind, Stat
from dir_sync.core.names import DELTA, GROW, NEW, PART, STAGING
from dir_sync.files.growth_undo import GrowthUndo, Unfinished, read_note
from dir_sync.files.hashing import digest_at
from dir_sync.files.history_store import HistoryStore
from dir_sync.files.put_back import PutBack
from dir_sync.files.staging import Staging
from dir_sync.ports import Disk, DiskError

__all__ = ["Recovery"]


class Recovery:
    """Clears the staging folder once. Fields: the disk, the modules below, and the function that tells whether the
    program ends."""

    def __init__(
        self,
        disk: Disk,
        staging: Staging,
        history: HistoryStore,
        put_back: PutBack,
        growths: GrowthUndo,
        stopping: Callable[[], bool],
    ) -> None:
        self._disk = disk
        self._staging = staging
        self._history = history
        self._put_back = put_back
        self._growths = growths
        self._stopping = stopping

    def recover(
        self,
        names: list[bytes],
        known: Callable[[bytes], Version | None],
        path_of: Callable[[bytes, bytes], bytes | None] = lambda digest, base: None,
        file_at: Callable[[bytes], tuple[bytes, bytes]] = lambda path: (b"", b""),
    ) -> list[Version]:
        """Clear what an earlier run left in the staging folder. Partial downloads are kept, to be continued. Files that
        may be a user's data (displaced, and not filed away when the program ended) go into the history, unless the
        version that `known` names is there with this content. (A row of the index proves nothing: it still describes
        the displaced content as that of the tree; and a version that was not synced may be lost.)

        A version is returned whatever fails afterwards, also if its name is not on the medium for certain: a power cut then
        brings the file back to the staging folder, and the row is dropped when it is used. Without a row nobody would
        find it.

        `path_of`: the path that the index has for a content, preferably one with that last part ("" for any).
        `file_at`: the content and the fingerprint that the index has at a path; b"": none. DiskError if a note of a growing
        file cannot be read: it is not known which file has to be cut back before anybody looks at it."""
        versions: list[Version] = []
        growing = self._read_notes(names)
        for name in names:
            path = STAGING + b"/" + name
            try:
                stat = self._disk.stat(path)
                if stat is None or name.startswith(PART) or path in growing:
                    continue
                if name.startswith(DELTA):
                    self._disk.remove_file(path)
                elif stat.kind == Kind.DIRECTORY:
                    self._put_back.return_folder(path, b"folder")
                elif stat.kind == Kind.FILE and not name.startswith(NEW):
                    digest = digest_at(self._disk, path, stat.size, self._stopping)
                    if self._history.has_kept(known(digest), digest):
                        self._disk.remove_file(path)
                    else:
                        was = path_of(digest, b"") or name
                        versions.append(self._history.rescue(path, stat, was, digest))
                else:
                    self._disk.remove_file(path)
            except DiskError:
                continue  # it is kept until the next start
        # After a power cut there may be several notes of one file's growths: the latest one is undone first.
        for note, left in sorted(growing.items(), key=lambda each: -each[1].size if each[1] is not None else 0):
            recorded, fp = (b"", b"") if left is None else file_at(left.path)
            self._growths.undo(note, left, recorded, fp, lambda path, stat: self._keep_copy(path, stat, versions))
        for version in versions:
            self._history.take_filed(version.path)
        if versions:
            with contextlib.suppress(DiskError):
                self._disk.sync_all()
        return versions

    def _read_notes(self, names: list[bytes]) -> dict[bytes, Unfinished | None]:
        """The notes of growing files, by path."""
        found: dict[bytes, Unfinished | None] = {}
        for name in names:
            path = STAGING + b"/" + name
            if name.startswith(GROW):
                stat = self._disk.stat(path)
                if stat is not None and stat.kind == Kind.SYMLINK:
                    found[path] = read_note(self._disk, path)
        return found

    def _keep_copy(self, path: bytes, stat: Stat, versions: list[Version]) -> None:
        """A program may have written into a growing file since: its present content is kept, and added to `versions`."""
        name = self._staging.new_name(NEW)
        writer = self._disk.create(name)
        try:
            reader = self._disk.open(path)
            try:
                writer.copy_from(reader, 0, 0, stat.size)
            finally:
                reader.close()
            writer.set_meta(stat.mode, stat.mtime)
            writer.sync()
            made = writer.stat()
        finally:
            writer.close()
        digest = digest_at(self._disk, name, made.size, self._stopping)
        versions.append(self._history.file_away(name, made, path, digest, Cause.RECOVERED, ""))
