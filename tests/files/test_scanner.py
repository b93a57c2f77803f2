"""Looking at the tree: what it must not believe."""

from __future__ import annotations

import time
from random import Random

from dir_sync.core.jobs import Listed, ListJob
from dir_sync.core.looks import Folder, LookItem, LookOutcome
from dir_sync.core.model import fingerprint
from dir_sync.files.growth import GrowingFiles
from dir_sync.files.scanner import list_folders, look
from tests.sim.memory_disk import MemoryDisk


def listed(disk: MemoryDisk, known: dict[bytes, bytes]) -> Listed:
    return list_folders(disk, lambda _: True, ListJob((Folder(b"", known),)), time.time_ns, GrowingFiles())


def test_what_is_empty_because_the_shared_folder_is_gone_tells_nothing() -> None:
    disk = MemoryDisk(time.time_ns, Random(1))
    disk.write(b"a", b"here")
    stat = disk.stat(b"a")
    assert stat is not None
    known = {b"a": fingerprint(stat)}
    disk.go_away()
    (listing,) = listed(disk, known).listings
    assert listing.entries is None
    assert listing.problem
    (seen,) = look(
        disk,
        (LookItem(b"a", b"", b"", None, False, False),),
        time.time_ns,
        lambda: False,
        lambda item, reader, seen: seen,
        GrowingFiles(),
    ).items
    assert seen.look == LookOutcome.UNKNOWN
    disk.come_back()
    (listing,) = listed(disk, known).listings
    assert (listing.entries, listing.gone, listing.problem) == ([], (), "")
    disk.delete(b"a")
    (listing,) = listed(disk, known).listings
    assert (listing.entries, listing.gone, listing.problem) == ([], (b"a",), "")
