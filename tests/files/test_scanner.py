"""Looking at the tree: what it must not believe."""

from __future__ import annotations

import itertools
import time
from random import Random

import pytest

from dir_sync.core.jobs import Listed, ListJob
from dir_sync.core.looks import Folder, LookItem, LookOutcome, Seen
from dir_sync.core.model import fingerprint
from dir_sync.core.preserve import ON_ENTRIES
from dir_sync.files.growth import GrowingFiles
from dir_sync.files.kept import Keeper
from dir_sync.files.scanner import list_folders, look
from dir_sync.files.staging import Staging
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


def test_a_file_that_vanishes_while_its_attributes_are_read_leaves_its_folder_readable() -> None:
    disk = MemoryDisk(time.time_ns, Random(1))
    disk.kept_parts = ON_ENTRIES
    keeper = Keeper(disk, Staging(disk, b"tag"))
    disk.write(b"a", b"stays")
    disk.write(b"b", b"for a moment")

    def before(verb: str, path: bytes) -> None:
        if (verb, path) == ("read_attributes", b"b"):
            disk.before = None
            disk.delete(b"b")

    disk.before = before
    job = ListJob((Folder(b"", {}),))
    (listing,) = list_folders(disk, lambda _: True, job, time.time_ns, GrowingFiles(), keeper).listings
    assert disk.before is None
    assert listing.problem == ""
    assert [seen.path for seen in listing.seen] == [b"a"]
    assert [name for name, _ in listing.entries or []] == [b"b"], "a look of its own finds that it is gone"


def looked(disk: MemoryDisk, item: LookItem) -> Seen:
    (seen,) = look(disk, (item,), time.time_ns, lambda: False, lambda item, reader, seen: seen, GrowingFiles()).items
    return seen


_VERBS = ("open", "stat", "file.stat", "file.read", "is_open", "is_closed", "file.close")


def meanwhile(known: bytes, is_told: bool, cut_at: int, closed_at: int) -> Seen:
    """What a look finds. Before its verb number `cut_at` a program cuts the file, before `closed_at` it writes and closes
    it."""
    disk = MemoryDisk(time.time_ns, Random(1))
    disk.write(b"f", b"x" * 1_000)
    program = disk.hold(b"f")
    steps = itertools.count()

    def before(verb: str, path: bytes) -> None:
        if verb not in _VERBS:
            return
        step = next(steps)
        if step == cut_at:
            program.truncate(0)
        if step == closed_at:
            program.write(0, b"y" * 1_200)
            program.close()

    disk.before = before
    below = {"open_below" if is_told else "cut_below": 1_000}
    return looked(disk, LookItem(b"f", known, b"", None, True, True, **below))


@pytest.mark.parametrize("known", [b"", b"a fingerprint"])
@pytest.mark.parametrize("is_told", [True, False])
def test_what_is_cut_or_closed_between_two_steps_of_a_look_is_never_read_as_a_half(known: bytes, is_told: bool) -> None:
    found = 0
    for cut_at, closed_at in itertools.combinations_with_replacement(range(12), 2):
        seen = meanwhile(known, is_told, cut_at, closed_at)
        assert seen.look in (LookOutcome.OPEN, LookOutcome.UNSTABLE, LookOutcome.FOUND)
        found += seen.look is LookOutcome.FOUND
        assert seen.look is not LookOutcome.FOUND or seen.size >= 1_000, (cut_at, closed_at)
    assert found


def test_a_shorter_file_that_nobody_has_open_is_found() -> None:
    disk = MemoryDisk(time.time_ns, Random(1))
    disk.write(b"f", b"")
    for below in ({"open_below": 9}, {"cut_below": 9}):
        assert looked(disk, LookItem(b"f", b"", b"", None, False, False, **below)).look is LookOutcome.FOUND
