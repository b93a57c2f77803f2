"""Undoes what the last run appended to files and did not end: see growth.py.

In:   the notes in the staging folder; what the index has at their paths.
Out:  files with their old state again; copies of what a user may have written into them.
Rule: as long as a growth is not undone, no look takes the file for a user's version. What failed is tried again before each
look.
Used by: `recovery`, `file_sync`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from threading import Lock

from dir_sync.core.model import FINGERPRINT_BYTES, Kind, Stat, fingerprint
from dir_sync.core.named import NamedTuple
from dir_sync.files.fingerprints import mtime_of
from dir_sync.files.growth import GrowingFiles
from dir_sync.files.hashing import digest_at
from dir_sync.ports import Disk, DiskError, Trouble

__all__ = ["GrowthUndo", "Unfinished", "read_note", "undo_unfinished"]

_TRIES = 4  # only a start can list a copy of what may be a user's, so one error does not end the attempt


class Unfinished(NamedTuple):
    """The content of a note in the staging folder: a file was growing when the program ended."""

    path: bytes
    size: int
    mode: int
    mtime: int
    content: bytes
    size_after: int
    mode_after: int
    mtime_after: int
    target: bytes


def read_note(disk: Disk, name: bytes) -> Unfinished | None:
    try:
        *numbers, content, target, path = disk.read_link(name).split(b" ", 8)
        size, mode, mtime, size_after, mode_after, mtime_after = map(int, numbers)
        was, will = bytes.fromhex(content.decode("ascii")), bytes.fromhex(target.decode("ascii"))
        return Unfinished(path, size, mode, mtime, was, size_after, mode_after, mtime_after, will)
    except ValueError:
        return None


def undo_unfinished(
    disk: Disk,
    left: Unfinished,
    digest_of_first: Callable[[bytes, int], bytes],
    keep_copy: Callable[[bytes, Stat], None],
    recorded: bytes = b"",
    fp: bytes = b"",
) -> None:
    """Cut the file back to its old state. If it has reached its new state, only set its mtime. If a program may have
    written into it since, call `keep_copy` first. `digest_of_first`: the digest of the first so many bytes. `recorded`:
    the content that the index has at this path, and `fp` its fingerprint; b"": none. Raises DiskError.

    A power cut may bring back the note of a growth that was complete, because the removal of a note is not synced: that
    would cost each append another sync. The index then has the new content, or what a user has made of it."""
    stat = disk.stat(left.path)
    if stat is None or stat.kind != Kind.FILE or stat.size < left.size:
        return
    if stat.size == left.size:
        if recorded == left.content and mtime_of(fp) == left.mtime:
            _end_cut(disk, left, stat, digest_of_first, fp)
        return  # otherwise the index has what a user has made of it since
    was_complete = recorded == left.target
    if recorded and recorded not in (left.content, left.target) and digest_of_first(left.path, stat.size) == recorded:
        return
    if stat.size >= left.size_after and digest_of_first(left.path, left.size_after) == left.target:
        if was_complete and stat.size == left.size_after:
            return  # a mode or time that it has got since is a user's
        if stat.size == left.size_after:
            disk.set_meta(left.path, left.mode_after, left.mtime_after)
        elif stat.mtime == left.mtime_after:  # it had begun to grow again, and the note of that is lost
            _cut(disk, left.path, stat, left.size_after, left.mode_after, left.mtime_after)
        return
    if was_complete or digest_of_first(left.path, left.size) != left.content:
        return  # a user has replaced or changed it
    if stat.mtime != left.mtime:
        keep_copy(left.path, stat)
    _cut(disk, left.path, stat, left.size, left.mode, left.mtime)


def _end_cut(
    disk: Disk, left: Unfinished, there: Stat, digest_of_first: Callable[[bytes, int], bytes], fp: bytes
) -> None:
    """The file has its old size. If it was cut back to that, it may not be durable yet, and lack its time: a cut sets
    mtime and ctime to the same moment."""
    if fingerprint(there) == fp[:FINGERPRINT_BYTES] or there.mtime not in (left.mtime, there.ctime):
        return  # nothing was written; or a user has set its time
    if digest_of_first(left.path, left.size) != left.content:
        return
    mode = left.mode if there.mode == left.mode_after else there.mode
    _cut(disk, left.path, there, left.size, mode, left.mtime)


def _cut(disk: Disk, path: bytes, there: Stat, size: int, mode: int, mtime: int) -> None:
    writer = disk.append(path)
    try:
        writer.lock()
        if writer.stat() == there:
            writer.truncate(size)
            writer.set_meta(mode, mtime)
            writer.sync()
    finally:
        writer.close()


class _IsUsers(Exception):
    """A user may have written into the file: it stays as it is."""


class _Late(NamedTuple):
    """A growth that could not be undone, or whose note could not be removed."""

    left: Unfinished | None  # None: only its note has to go
    recorded: bytes
    fp: bytes
    kept: Stat | None  # the state of the file of which the history has a copy
    token: int  # in the table of the files that grow


class GrowthUndo:
    """The growths of the last run. Fields: the disk, the files that grow, the function that tells whether the program
    ends; what is still to be done, by note, and its lock: looks run on several threads."""

    def __init__(self, disk: Disk, growing: GrowingFiles, stopping: Callable[[], bool]) -> None:
        self._disk = disk
        self._growing = growing
        self._stopping = stopping
        self._late: dict[bytes, _Late] = {}
        self._lock = Lock()

    def undo(
        self, note: bytes, left: Unfinished | None, recorded: bytes, fp: bytes, keep_copy: Callable[[bytes, Stat], None]
    ) -> None:
        """At the start. What fails several times is tried again before each look (`try_again`)."""
        kept: Stat | None = None

        def keep(path: bytes, stat: Stat) -> None:
            nonlocal kept
            if stat != kept:
                keep_copy(path, stat)
                kept = stat

        for _ in range(_TRIES):
            try:
                if left is not None:
                    undo_unfinished(self._disk, left, self._digest_of_first, keep, recorded, fp)
                    left = None
                self._remove(note)
            except DiskError:
                continue
            return
        self._late[note] = late = _Late(left, recorded, fp, kept, -1 - len(self._late))
        self._hold(late)

    def try_again(self) -> None:
        """Undo what could not be undone before. A look follows."""
        if not self._late:
            return
        with self._lock:
            for note, late in list(self._late.items()):
                try:
                    if late.left is not None:
                        self._undo_late(late.left, late)
                        self._late[note] = late = late._replace(left=None)
                        self._growing.ends(late.token)
                    self._remove(note)
                except DiskError:
                    self._hold(late)
                else:
                    del self._late[note]

    def _undo_late(self, left: Unfinished, late: _Late) -> None:
        def keep(path: bytes, stat: Stat) -> None:
            if stat != late.kept:
                raise _IsUsers  # nothing can be listed in the history any more

        with contextlib.suppress(_IsUsers):
            undo_unfinished(self._disk, left, self._digest_of_first, keep, late.recorded, late.fp)

    def _hold(self, late: _Late) -> None:
        if late.left is None:
            return
        with contextlib.suppress(DiskError):
            stat = self._disk.stat(late.left.path)
            if stat is not None:
                self._growing.begins(late.token, stat)

    def _digest_of_first(self, path: bytes, size: int) -> bytes:
        return digest_at(self._disk, path, size, self._stopping)

    def _remove(self, note: bytes) -> None:
        try:
            self._disk.remove_file(note)
        except DiskError as error:
            if error.trouble != Trouble.ABSENT:
                raise
