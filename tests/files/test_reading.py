"""Pieces for peers come only from files that are what the engine knows."""

from __future__ import annotations

from dir_sync.core.jobs import ReadItem, ReadJob
from dir_sync.core.model import fingerprint
from dir_sync.files.reading import read
from tests.sim.memory_disk import MemoryDisk


def known(disk: MemoryDisk, path: bytes) -> bytes:
    stat = disk.stat(path)
    assert stat is not None
    return fingerprint(stat)


def test_pieces_of_files_as_they_are_known(disk: MemoryDisk) -> None:
    disk.write(b"a", b"0123456789")
    disk.write(b"b", b"b")
    fp = known(disk, b"a")
    items = (ReadItem(1, b"a", fp, 0, 4), ReadItem(1, b"a", fp, 4, 6), ReadItem(2, b"b", b"", 0, 1))
    done = read(ReadJob("peer", 1, items), disk)
    assert [(piece.key, piece.offset, piece.data) for piece in done.pieces] == [
        (1, 0, b"0123"), (1, 4, b"456789"), (2, 0, b"b"),
    ]  # fmt: skip
    assert (done.refused, done.asked) == ((), 11)


def test_what_changed_went_or_is_too_short_is_refused_and_the_rest_is_served(disk: MemoryDisk) -> None:
    for name in (b"changed", b"gone", b"short", b"good"):
        disk.write(name, b"0123456789")
    fps = {name: known(disk, name) for name in (b"changed", b"gone", b"short", b"good")}
    disk.write(b"changed", b"another")
    disk.delete(b"gone")
    items = tuple(ReadItem(n, name, fp, 0, 11 if name == b"short" else 10) for n, (name, fp) in enumerate(fps.items()))
    done = read(ReadJob("peer", 1, items), disk)
    assert done.refused == ((0, b"changed"), (1, b"gone"), (2, b"short"))
    assert [piece.key for piece in done.pieces] == [3]
