"""Pieces for peers come only from files that are what the engine knows."""

from __future__ import annotations

import pytest
from blake3 import blake3

from dir_sync.core import limits
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
    done = read(ReadJob("peer", 1, items), disk, lambda: False)
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
    done = read(ReadJob("peer", 1, items), disk, lambda: False)
    assert done.refused == ((0, b"changed"), (1, b"gone"), (2, b"short"))
    assert [piece.key for piece in done.pieces] == [3]


def test_every_piece_of_a_file_that_changed_is_refused(disk: MemoryDisk) -> None:
    disk.write(b"a", b"0123456789")
    fp = known(disk, b"a")
    disk.write(b"a", b"another text")
    items = (ReadItem(1, b"a", fp, 0, 4), ReadItem(2, b"a", fp, 4, 6))
    done = read(ReadJob("peer", 1, items), disk, lambda: False)
    assert (done.pieces, done.refused) == ((), ((1, b"a"), (2, b"a")))


@pytest.mark.parametrize("asked", [10, 6])
def test_what_grew_is_served_and_what_was_written_anew_in_place_is_not(disk: MemoryDisk, asked: int) -> None:
    """`asked`: the size of the content that is asked for; the file of the index is longer or as long."""
    disk.write(b"a", b"0123456789")
    fp, grows = known(disk, b"a"), (blake3(b"0123456789"[:asked]).digest(), asked)
    items = (ReadItem(1, b"a", fp, 0, 4, None, grows), ReadItem(2, b"a", fp, 4, 2, None, grows))
    file = disk.hold(b"a")
    file.write(10, b" and more")
    done = read(ReadJob("peer", 1, items), disk, lambda: False)
    assert ([piece.data for piece in done.pieces], done.refused) == ([b"0123", b"45"], ())
    file.write(5, b"?")
    file.close()
    done = read(ReadJob("peer", 1, items), disk, lambda: False)
    assert (done.pieces, done.refused) == ((), ((1, b"a"), (2, b"a"))), "nothing of it is what was announced"


def test_of_a_large_file_that_may_have_grown_only_the_piece_is_read(
    disk: MemoryDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "LARGE_FILE_BYTES", 10)
    disk.write(b"a", b"0123456789")
    item = ReadItem(1, b"a", known(disk, b"a"), 0, 4, None, (blake3(b"0123456789").digest(), 10))
    file = disk.hold(b"a")
    file.write(10, b" and more")
    file.close()
    before = disk.counts["file.read"]
    (piece,) = read(ReadJob("peer", 1, (item,)), disk, lambda: False).pieces
    assert (piece.data, disk.counts["file.read"] - before) == (b"0123", 1)
