"""The next start: what the last run left in the staging folder.

In:   the names that are there; questions to the index.
Out:  versions to be noted: what may be a user's bytes is in the history. Partial downloads stay, files that were growing
      are what they were, and the rest is removed.
Used by: `file_sync`.
"""

from __future__ import annotations

from collections.abc import Callable

from dir_sync.core.jobs import Version, Why
from dir_sync.core.model import Kind, Stat
from dir_sync.core.names import DELTA, GROW, NEW, PART, STAGING
from dir_sync.files import growth
from dir_sync.files.hashing import digest_at
from dir_sync.files.history_store import HistoryStore
from dir_sync.files.put_back import PutBack
from dir_sync.files.staging import Staging
from dir_sync.ports import Disk, DiskError

__all__ = ["Recovery"]


class Recovery:
    """Clears the staging folder once. Fields: the disk, the rooms below, and the question whether the program ends."""

    def __init__(
        self,
        disk: Disk,
        staging: Staging,
        history: HistoryStore,
        put_back: PutBack,
        stopping: Callable[[], bool],
    ) -> None:
        self._disk = disk
        self._staging = staging
        self._history = history
        self._put_back = put_back
        self._stopping = stopping

    def recover(
        self,
        names: list[bytes],
        known: Callable[[bytes], Version | None],
        path_of: Callable[[bytes, bytes], bytes | None] = lambda digest, base: None,
    ) -> list[Version]:
        """Clear what an earlier run left in the staging folder. Partial downloads stay, to be gone on with; what may
        be a user's bytes (displaced, and not yet filed when the program ended) goes to the history, unless the history
        has this content, in the version that `known` names. (What the index says proves nothing: the displaced content
        is exactly what it still says of the tree, and what a user had not synced may be lost from the history.)

        `path_of`: where the index says that this content is, at best under that last part of a path ("" for any)."""
        versions = []
        growing: dict[bytes, growth.Unfinished | None] = {}
        for name in names:
            path = STAGING + b"/" + name
            try:
                stat = self._disk.stat(path)
                if stat is None or name.startswith(PART):
                    continue
                if name.startswith(DELTA):
                    self._disk.remove_file(path)
                elif name.startswith(GROW) and stat.kind == Kind.SYMLINK:
                    growing[path] = growth.read_note(self._disk, path)
                elif stat.kind == Kind.DIRECTORY:
                    self._put_back.return_folder(path, b"folder")
                elif stat.kind == Kind.FILE and not name.startswith(NEW):
                    digest = digest_at(self._disk, path, stat.size, self._stopping)
                    if self._history.has_kept(known(digest), digest):
                        self._disk.remove_file(path)
                    else:
                        was = path_of(digest, b"") or name
                        versions.append(self._history.file_away(path, stat, was, digest, Why.RECOVERED, ""))
                else:
                    self._disk.remove_file(path)
            except DiskError:
                continue  # it stays where it is until the next start
        # After a power cut there may be notes of one file's earlier growths again: the latest of them is undone first.
        for note, left in sorted(growing.items(), key=lambda each: -each[1].size if each[1] is not None else 0):
            try:
                versions += self._undo_growth(note, left)
            except DiskError:
                continue
        if versions:
            try:
                self._disk.sync_all()
            except DiskError:
                return []  # they are in the history all the same, and nobody says so
        return versions

    def _undo_growth(self, note: bytes, left: growth.Unfinished | None) -> list[Version]:
        """A file was growing when the program ended. If somebody may have written into it since, what it is now is kept."""
        versions: list[Version] = []

        def digest_of_first(path: bytes, size: int) -> bytes:
            return digest_at(self._disk, path, size, self._stopping)

        def keep_copy(path: bytes, stat: Stat) -> None:
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
            versions.append(self._history.file_away(name, made, path, digest, Why.RECOVERED, ""))

        if left is not None:
            growth.undo_unfinished(self._disk, left, digest_of_first, keep_copy)
        self._disk.remove_file(note)
        return versions
