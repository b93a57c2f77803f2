"""Appends what a file has gained at a peer to the file itself, so that the cost does not depend on its size.

In:   jobs that name a path, its present state, its future state, and the bytes in between.
Out:  the longer file; or, where appending is not safe, a longer copy in the staging folder, to be installed as usual.
Rule: no existing byte is overwritten. Bytes are only appended, and only after their mark (core/transfers/growth.py) was
verified. An abandoned append is cut off again, unless another program has written meanwhile.

A file is appended to only if no program has it open for writing and it has no other hard link. While it grows, it keeps
the mtime of its old version, and a symbolic link in the staging folder records its old state: if the program ends, the
next start cuts the file back to that (growth_undo.py).

Used by: `appends`, `growth_undo`; `scanner`, which is told which files these are.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from blake3 import blake3

from dir_sync.core import limits
from dir_sync.core.jobs import Growing
from dir_sync.core.model import FINGERPRINT_BYTES, Stat, fingerprint, parent_of
from dir_sync.core.transfers.growth import MARK_BYTES, mark_offsets
from dir_sync.files.hashing import digest_of
from dir_sync.ports import Disk, DiskError, Trouble, Writer

__all__ = ["BaseChanged", "GrowingFiles", "Growth", "Hashes", "WrongContent"]

_NOTE_BYTES_MAX = 4_000  # the longest target of a symbolic link
_READ_BYTES = 1 * limits.MIB
_HASHES_MAX = 8


class BaseChanged(Exception):
    """The file has changed: look again."""


class WrongContent(Exception):
    """The received bytes are not the announced content."""


class Hashes:
    """The hash states of files that grew last: the next append need not read them again."""

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, tuple[bytes, Any]] = OrderedDict()  # path -> digest, hasher

    def put(self, path: bytes, hasher: Any) -> None:
        self._known[path] = hasher.digest(), hasher
        while len(self._known) > _HASHES_MAX:
            self._known.popitem(last=False)

    def take(self, path: bytes, digest: bytes) -> Any | None:
        known = self._known.pop(path, None)
        return known[1] if known is not None and known[0] == digest else None


class GrowingFiles:
    """The files that grow in place at the moment, by token. A user may move one meanwhile, alone or with its folder.
    Under its new name, a look would take what was appended so far for a user's version."""

    def __init__(self) -> None:
        self._files: dict[int, tuple[int, int]] = {}

    def begins(self, token: int, stat: Stat) -> None:
        self._files[token] = stat.device, stat.inode

    def ends(self, token: int) -> None:
        self._files.pop(token, None)

    def watch(self) -> Callable[[Stat], bool]:
        """Call this before reading; what it returns tells afterwards whether a file was growing meanwhile."""
        files = self._files
        before = frozenset(files.values()) if files else frozenset()

        def is_growing(stat: Stat) -> bool:
            if not before and not files:  # asked for each file of a first scan
                return False
            return (stat.device, stat.inode) in before or (stat.device, stat.inode) in [*files.values()]

        return is_growing


class Growth:
    """One growing file. `length` bytes of it are here and verified, in the file or in `_pending`.

    It has more fields than a class should have: the old state of the file, the state after each of our steps, and the
    step that may be incomplete are all needed to tell our bytes from a user's."""

    def __init__(
        self,
        disk: Disk,
        job: Growing,
        copy_name: bytes,
        note_name: bytes,
        hashes: Hashes,
        stopping: Callable[[], bool],
    ) -> None:
        """Opens the file, or makes a copy of it named `copy_name`. Raises BaseChanged, DiskError."""
        self._disk, self._job, self._hashes = disk, job, hashes
        self._copy_name, self._note_name = copy_name, note_name
        self._pending: list[bytes | memoryview] = []
        self._marks = dict(zip(mark_offsets(job.size, job.target_size), job.marks, strict=True))
        self.length = job.size
        self._written = job.size
        self._is_finishing = False
        self._last = b""  # bytes of the last write, while its result is unknown
        self._is_cut = False  # the file was cut back to its old size; its mtime may not be set yet
        self._cut_mtime: int | None = None  # the mtime that the cut caused
        there = disk.stat(job.path)
        if there is None or fingerprint(there) != job.fp[:FINGERPRINT_BYTES]:
            raise BaseChanged
        self._was = there
        numbers = b"%d %d %d %d %d %d" % (
            job.size, there.mode, there.mtime, job.target_size, job.mode, job.mtime
        )  # fmt: skip
        note = b" ".join((numbers, job.content.hex().encode(), job.target.hex().encode(), job.path))
        self.in_place = there.links == 1 and len(note) <= _NOTE_BYTES_MAX and disk.is_closed(job.path)
        self._writer, self._left = self._open(there, note)
        try:
            known = hashes.take(job.path, job.content) if self.in_place else None
            self._hasher: Any = self._hash_base(stopping) if known is None else known
            if self._hasher.digest() != job.content:
                raise BaseChanged
        except BaseException:
            if not self.give_up():
                self._writer.close()
            raise

    @property
    def was(self) -> Stat:
        """The stat of the file before it grew."""
        return self._was

    def _open(self, there: Stat, note: bytes) -> tuple[Writer, Stat]:
        job, disk = self._job, self._disk
        if self.in_place:
            try:
                writer = disk.append(job.path)
            except DiskError:
                self.in_place = False  # we may not write into the file, but into its folder
            else:
                try:
                    if writer.stat() != there:
                        raise BaseChanged
                    disk.make_link(self._note_name, note)
                except BaseException:
                    writer.close()
                    raise
                return writer, there
        writer = disk.create(self._copy_name)
        try:
            reader = disk.open(job.path)
            try:
                if fingerprint(reader.stat()) != job.fp[:FINGERPRINT_BYTES]:
                    raise BaseChanged
                if writer.copy_from(reader, 0, 0, job.size) != job.size:
                    raise BaseChanged
            finally:
                reader.close()
            return writer, writer.stat()
        except BaseException:
            writer.close()
            self._remove(self._copy_name)
            raise

    def _hash_base(self, stopping: Callable[[], bool]) -> Any:
        hasher = blake3()
        offset = 0
        while offset < self._job.size:
            piece = self._writer.read(offset, min(_READ_BYTES, self._job.size - offset))
            if not piece or stopping():
                raise BaseChanged
            hasher.update(piece)
            offset += len(piece)
        return hasher

    def add(self, offset: int, data: bytes | memoryview) -> None:
        """Append the next bytes. Raises BaseChanged, WrongContent or DiskError; the growth then has to be given up."""
        size = self._job.target_size
        if offset != self.length or offset + len(data) > size:
            raise WrongContent("the content came out of order")
        view = memoryview(data)
        while len(view):
            step = limits.GROWTH_STEP_BYTES
            end = min((self.length // step + 1) * step, size)
            piece, view = view[: end - self.length], view[end - self.length :]
            self._hasher.update(piece)
            self._pending.append(piece)
            self.length += len(piece)
            if self.length == end:
                self._check_and_write()

    def _check_and_write(self) -> None:
        mark = self._marks.get(self.length)
        if mark is not None:
            is_right = self._hasher.digest(MARK_BYTES) == mark
        else:
            is_right = self._hasher.digest() == self._job.target
        if not is_right:
            raise WrongContent("what was appended is not what was announced")
        data = b"".join(self._pending)
        self._pending.clear()
        if self.in_place and self._writer.stat() != self._left:
            raise BaseChanged  # another program has written into it
        self._last = data
        self._writer.write(self._written, data)
        if self.in_place and self._writer.stat().size != self.length:
            raise BaseChanged
        if self.in_place and self.length < self._job.target_size:
            self._writer.set_meta(self._was.mode, self._was.mtime)
        left = self._writer.stat()
        if self.in_place and left.size != self.length:
            raise BaseChanged  # another program has written into it since: its bytes must not be cut off
        self._left = left
        self._written, self._last = self.length, b""

    @property
    def is_complete(self) -> bool:
        return self._written == self._job.target_size

    def finish(self) -> Stat | None:
        """Make the complete file durable and set its mtime. Returns its stat; None for a copy in the staging folder.

        A write of another program right before the mtime was set does not show in the stat, so the content has to be
        read again."""
        if not self.in_place:
            self._writer.close()
            return None
        self._is_finishing = True
        self._writer.set_meta(self._job.mode, self._job.mtime)
        self._writer.sync()
        stat = self._writer.stat()
        if stat.size != self._job.target_size:
            raise BaseChanged
        self._writer.close()
        self._remove(self._note_name)
        self._hashes.put(self._job.path, self._hasher)
        return stat

    def give_up(self) -> bool:
        """Restore the old state, unless another program has written into the file. False: it could not be cut back
        now."""
        try:
            # without the lock, a write in this instant would be cut off; but no program had the file open before
            self._writer.lock()
            if self.in_place and not self._is_cut:
                stat = self._writer.stat()
                if self._is_ours(stat):
                    # If it cannot be cut now, the next attempt tells by this state what a user has written meanwhile.
                    self._left, self._written, self._last = stat, stat.size, b""
                    self._writer.truncate(self._job.size)
                    self._is_cut = True
            if self._is_cut:
                mtime = self._writer.stat().mtime
                if self._cut_mtime is None:
                    self._cut_mtime = mtime
                if mtime == self._cut_mtime:  # otherwise a user has changed it since
                    self._writer.set_meta(self._was.mode, self._was.mtime)
                self._writer.sync()  # before the note goes: else a power cut brings our bytes back, and nobody cuts them off
            elif self.in_place:
                self._leave_to_its_user()
            if self.in_place:
                self._forget_note()
        except DiskError:
            return False
        self._writer.close()
        if not self.in_place:
            self._remove(self._copy_name)
        return True

    def _forget_note(self) -> None:
        """Remove the note for good. If a power cut brought it back, the next start would cut off what users have
        appended since."""
        try:
            self._disk.remove_file(self._note_name)
        except DiskError as error:
            if error.trouble != Trouble.ABSENT:
                raise
        self._disk.sync_directory(parent_of(self._note_name))

    def _leave_to_its_user(self) -> None:
        """Another program has written into the file. If it truncated the file in the instant before our last write,
        that write was appended after its bytes: cut it off again. Other bytes of ours stay in the file, and are made
        durable before a look finds them and peers are told."""
        size = self._writer.stat().size
        before = size - len(self._last)
        if self._last and 0 <= before < self._written and self._writer.read(before, len(self._last)) == self._last:
            self._writer.truncate(before)
            self._last = b""
        else:
            self._last = b""  # the next attempt does not ask for it any more: the file is the user's
            if size > self._job.size:
                self._writer.sync()

    def _is_ours(self, stat: Stat) -> bool:
        """True if the file, whose stat is `stat`, is longer than its old version, and no other program has written into
        it. Once it was cut back, there is nothing of ours in it: do not ask any more."""
        if stat.size == self._job.size:
            return False
        if self._is_finishing:
            return stat.size == self._left.size and stat.mtime in (self._left.mtime, self._job.mtime)
        if not self._last or stat == self._left:
            return stat == self._left
        more = stat.size - self._written
        if not 0 <= more <= len(self._last) or self._writer.read(self._written, more) != self._last[:more]:
            return False
        # The last bytes may be like ours by chance, if they repeat: a user may have saved another text in that instant.
        return self._is_prefix(self._written)

    def _is_prefix(self, size: int) -> bool:
        """True if the first `size` bytes of the file, after which there is a mark, are those of the new version."""
        digest, is_whole = digest_of(self._writer, size, lambda: False)
        if size == self._job.size:
            return is_whole and digest == self._job.content
        return is_whole and digest[:MARK_BYTES] == self._marks[size]

    def leave(self) -> None:
        """The program ends: close the file. The next start cleans up."""
        self._writer.close()

    def _remove(self, name: bytes) -> None:
        try:
            self._disk.remove_file(name)
        except DiskError:
            pass  # the next start handles it
