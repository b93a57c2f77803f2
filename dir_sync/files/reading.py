"""Reads pieces of files for peers.

In:   a `ReadJob`: paths, the expected state of each file, offsets and lengths.
Out:  `ReadDone`: the pieces, and the items that are refused because the file has changed. It may have grown.
Used by: `file_sync`.
"""

from __future__ import annotations

from collections.abc import Callable

from dir_sync.core import limits
from dir_sync.core.jobs import ReadDone, ReadItem, ReadJob
from dir_sync.core.messages import Piece
from dir_sync.core.model import FINGERPRINT_BYTES, fingerprint, inode_of, size_of
from dir_sync.files.hashing import digest_of
from dir_sync.ports import Disk, DiskError, Reader

__all__ = ["read"]


def read(job: ReadJob, disk: Disk, stopping: Callable[[], bool]) -> ReadDone:
    """Read each item; refuse those whose file has changed. Raises Stopped when the program ends."""
    pieces: list[Piece] = []
    refused: list[tuple[int, bytes]] = []
    reader: Reader | None = None
    opened = b""
    begins: dict[tuple[bytes, int], bool] = {}  # of the open file
    try:
        for item in job.items:
            try:
                if reader is None or opened != item.path:
                    if reader is not None:
                        reader.close()
                        reader = None
                    begins.clear()
                    reader = disk.open(item.path)
                    opened = item.path
                is_known = _is_as_known(reader, item)
                if not is_known and not _may_have_grown(reader, item):
                    refused.append((item.id, item.path))
                    continue
                data = reader.read(item.offset, item.length)
                if len(data) == item.length and (is_known or _begins(reader, item, begins, stopping)):
                    pieces.append(Piece(item.id, item.offset, data))
                else:
                    refused.append((item.id, item.path))
            except DiskError:
                refused.append((item.id, item.path))
    finally:
        if reader is not None:
            reader.close()
    asked = sum(item.length for item in job.items)
    return ReadDone(job.peer, job.link, tuple(pieces), tuple(refused), asked, job.push)


def _is_as_known(reader: Reader, item: ReadItem) -> bool:
    if item.kept is not None:
        stat = reader.stat()
        return (stat.size, stat.mtime) == item.kept
    return not item.fp or fingerprint(reader.stat()) == item.fp[:FINGERPRINT_BYTES]


def _may_have_grown(reader: Reader, item: ReadItem) -> bool:
    if item.grows is None or item.kept is not None:
        return False
    stat = reader.stat()
    return stat.inode == inode_of(item.fp) and stat.size >= size_of(item.fp)


def _begins(reader: Reader, item: ReadItem, known: dict[tuple[bytes, int], bool], stopping: Callable[[], bool]) -> bool:
    """True if the file begins with what was asked for. A program may as well have written it anew in place, which must
    not be sent: the receiver would blame us. To read a large file for each piece would cost too much, so what is in it
    is left to the receiver, which checks all that it gets."""
    assert item.grows is not None
    digest, size = item.grows
    if size >= limits.LARGE_FILE_BYTES:
        return True
    if item.grows not in known:
        known[item.grows] = digest_of(reader, size, stopping) == (digest, True)
    return known[item.grows]
