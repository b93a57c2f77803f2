"""Reads entries again, from the medium, and compares their contents with what the index says.

In:   a `VerifyJob`: entries as the index has them, and how many bytes to read at most.
Out:  `Verified`: what was found of each entry; of the next one, how far it was read. The next job continues there.
Rule: it changes nothing. A file counts as rotten only if two reads give the same other content, its fingerprint is the known
one before and after, and no program has it open for writing.
Used by: `file_sync`.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from blake3 import blake3

from dir_sync.core import limits
from dir_sync.core.frozen import mutable
from dir_sync.core.model import FINGERPRINT_BYTES, Kind, Stat, fingerprint
from dir_sync.core.verify import Checked, Item, Outcome, Verified, VerifyJob
from dir_sync.files.hashing import Stopped
from dir_sync.ports import Disk, DiskError, Reader, Trouble

__all__ = ["Rereads"]

_PIECE_BYTES = 1 * limits.MIB  # others get the disk in between
_COARSE_NS = 1_000_000_000  # such a file system (FAT) keeps no time at which a file was changed


@mutable
class _Partly:
    """A file of which a part is read. `first`: what another read gave, if that was not what was expected."""

    item: Item
    hasher: blake3
    offset: int = 0
    first: bytes | None = None


class Rereads:
    """Reads for several askers, each of which may be in the middle of a file. One thread at a time for each asker."""

    def __init__(self, disk: Disk, stopping: Callable[[], bool]) -> None:
        self._disk = disk
        self._stopping = stopping
        self._partly: dict[str, _Partly] = {}

    def verify(self, job: VerifyJob) -> Verified:
        """Read until everything is checked, or enough is read. Raises Stopped when the program ends."""
        checked: list[Checked] = []
        left, read = job.most, 0
        for item in job.items:
            result = None
            while result is None and left > 0:  # what seems rotten is read once more, at once if there is time
                took, result = self._check(job.asker, item, left)
                read += took
                left -= max(took, 1)
            if result is None:
                break
            checked.append(result)
            if left <= 0:
                break
        partly = self._partly.get(job.asker)
        if partly is not None and len(checked) == len(job.items):
            del self._partly[job.asker]  # it was begun for an entry that nobody asks for any more
            partly = None
        return Verified(job.asker, tuple(checked), read, 0 if partly is None else partly.offset)

    def _forget(self, asker: str) -> None:
        self._partly.pop(asker, None)

    def _check(self, asker: str, item: Item, most: int) -> tuple[int, Checked | None]:
        """How much was read; and what was found, or None if the file goes on."""
        try:
            if item.kind is not Kind.FILE:
                return 0, self._check_other(item)
            return self._check_file(asker, item, most)
        except DiskError as error:
            self._forget(asker)
            if error.trouble in (Trouble.ABSENT, Trouble.WRONG_TYPE):
                return 0, Checked(item, Outcome.CHANGED)
            return 0, Checked(item, Outcome.UNREADABLE, problem=str(error))

    def _check_other(self, item: Item) -> Checked:
        stat = self._disk.stat(item.path)
        is_known = stat is not None and fingerprint(stat) == item.fp
        if not is_known or stat is None:
            return Checked(item, Outcome.CHANGED)
        if item.kind is Kind.SYMLINK and self._disk.read_link(item.path) != item.content:
            return Checked(item, Outcome.UNREADABLE, problem="the link leads elsewhere than recorded")
        return Checked(item, Outcome.SAME)

    def _check_file(self, asker: str, item: Item, most: int) -> tuple[int, Checked | None]:
        partly = self._partly.get(asker)
        if partly is None or partly.item != item:
            partly = self._partly[asker] = _Partly(item, blake3())
        reader = self._disk.open(item.path)
        try:
            before = reader.stat()
            if fingerprint(before) != item.fp[:FINGERPRINT_BYTES]:
                self._forget(asker)
                return 0, Checked(item, Outcome.CHANGED)
            if not partly.offset:
                _read_the_medium(reader)
            took = self._read_on(reader, partly, most)
            if partly.offset < item.size and took >= most:
                return took, None
            digest = partly.hasher.digest()
            after = reader.stat()
        finally:
            _leave_no_pages(reader)
            reader.close()
        if fingerprint(after) != item.fp[:FINGERPRINT_BYTES]:
            self._forget(asker)
            return took, Checked(item, Outcome.CHANGED)
        if digest == item.content and partly.first is None:
            self._forget(asker)
            return took, Checked(item, Outcome.SAME)
        if partly.first is None:
            self._partly[asker] = _Partly(item, blake3(), first=digest)
            return took, None  # read it once more: a bit may have tipped over on its way
        self._forget(asker)
        return took, self._judge(item, digest, partly.first, after)

    def _judge(self, item: Item, digest: bytes, first: bytes, stat: Stat) -> Checked:
        """The content is another one than the index says, and the fingerprint is the same."""
        if digest != first:
            return Checked(item, Outcome.UNREADABLE, problem="each read gives something else")
        if not self._disk.is_closed(item.path) or self._disk.stat(item.path) != stat:
            return Checked(item, Outcome.CHANGED)  # a program writes into it: its times may be set later
        if self._disk.grain_ns >= _COARSE_NS:
            return Checked(item, Outcome.DOUBTFUL, digest)
        return Checked(item, Outcome.ROTTEN, digest)

    def _read_on(self, reader: Reader, partly: _Partly, most: int) -> int:
        took = 0
        size = partly.item.size
        while partly.offset < size and took < most:
            piece = reader.read(partly.offset, min(_PIECE_BYTES, size - partly.offset))
            if not piece:
                break
            partly.hasher.update(piece)
            partly.offset += len(piece)
            took += len(piece)
            if self._stopping():
                raise Stopped
        return took


def _read_the_medium(reader: Reader) -> None:
    """What is in memory says nothing about the medium: have the file read from there."""
    if reader.fileno() >= 0:
        os.posix_fadvise(reader.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        os.posix_fadvise(reader.fileno(), 0, 0, os.POSIX_FADV_SEQUENTIAL)


def _leave_no_pages(reader: Reader) -> None:
    """A folder that is read once must not push everything else out of the memory of the machine."""
    if reader.fileno() >= 0:
        os.posix_fadvise(reader.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
