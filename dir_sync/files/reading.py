"""Reads pieces of files for peers.

In:   a `ReadJob`: paths, the expected state of each file, offsets and lengths.
Out:  `ReadDone`: the pieces, and the items that are refused because the file has changed.
Used by: `file_sync`.
"""

from __future__ import annotations

from dir_sync.core.jobs import ReadDone, ReadItem, ReadJob
from dir_sync.core.messages import Piece
from dir_sync.core.model import FINGERPRINT_BYTES, fingerprint, inode_of, size_of
from dir_sync.ports import Disk, DiskError, Reader

__all__ = ["read"]


def read(job: ReadJob, disk: Disk) -> ReadDone:
    """Read each item; refuse those whose file has changed."""
    pieces: list[Piece] = []
    refused: list[tuple[int, bytes]] = []
    reader: Reader | None = None
    opened = b""
    try:
        for item in job.items:
            try:
                if reader is None or opened != item.path:
                    if reader is not None:
                        reader.close()
                        reader = None
                    reader = disk.open(item.path)
                    opened = item.path
                    if not _is_as_known(reader, item):
                        refused.append((item.id, item.path))
                        continue
                data = reader.read(item.offset, item.length)
                if len(data) == item.length:
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
    if not item.fp:
        return True
    stat = reader.stat()
    if item.grows and stat.inode == inode_of(item.fp) and stat.size >= size_of(item.fp):
        return True
    return fingerprint(stat) == item.fp[:FINGERPRINT_BYTES]
