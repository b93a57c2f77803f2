"""Contents read again: what is rotten, what was changed, and what cannot be told."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from random import Random

import pytest
from blake3 import blake3

from dir_sync.core.model import Kind, fingerprint
from dir_sync.core.verify import Checked, Item, Outcome, Verified, VerifyJob
from dir_sync.files.hashing import Stopped
from dir_sync.files.rereads import Rereads
from dir_sync.ports import DiskError, Trouble
from tests.sim.memory_disk import MemoryDisk

CONTENT = b"some bytes " * 300_000


def disk(grain_ns: int = 0) -> MemoryDisk:
    clock = itertools.count(10**18, 1_000)
    found = MemoryDisk(lambda: next(clock), Random(1))
    found.grain_ns = grain_ns
    found.write(b"a", CONTENT)
    return found


def item(on: MemoryDisk, path: bytes = b"a", content: bytes = CONTENT) -> Item:
    stat = on.stat(path)
    assert stat is not None
    known = blake3(content).digest() if stat.kind is Kind.FILE else content
    return Item(path, stat.kind, fingerprint(stat), stat.size, known)


def rot(on: MemoryDisk, at: int = 5) -> bytes:
    inode = on._find(b"a")
    assert inode is not None
    inode.data[at] ^= 1
    return blake3(bytes(inode.data)).digest()


def found(on: MemoryDisk, *items: Item, most: int = 10**9, stopping: Callable[[], bool] = lambda: False) -> Verified:
    """All jobs of one walk until everything is checked."""
    rereads = Rereads(on, stopping)
    checked: list[Checked] = []
    read = 0
    for _ in range(100):
        event = rereads.verify(VerifyJob("x", items[len(checked) :], most))
        checked += event.checked
        read += event.read
        if len(checked) == len(items):
            assert not rereads._partly, "nothing is remembered of a walk that is over"
            return Verified("x", tuple(checked), read, event.partly)
    raise AssertionError("it does not end")


@pytest.mark.parametrize("most", [10**9, 1_000_000])
def test_a_file_as_recorded_is_the_same(most: int) -> None:
    on = disk()
    event = found(on, item(on), most=most)
    assert [one.outcome for one in event.checked] == [Outcome.SAME]
    assert event.read == len(CONTENT)


@pytest.mark.parametrize("most", [10**9, 1_000_000])
@pytest.mark.parametrize("at", [0, 2_000_000, len(CONTENT) - 1])
def test_a_bit_that_tipped_over_is_rot_and_read_twice(most: int, at: int) -> None:
    on = disk()
    known = item(on)
    bad = rot(on, at)
    event = found(on, known, most=most)
    assert event.checked == (Checked(known, Outcome.ROTTEN, bad),)
    assert event.read == 2 * len(CONTENT)


def test_a_read_that_gives_something_else_each_time_is_no_rot() -> None:
    on = disk()
    known = item(on)
    rot(on)
    rereads = Rereads(on, lambda: False)
    assert rereads.verify(VerifyJob("x", (known,), len(CONTENT))).checked == ()
    rot(on, 7)
    assert rereads.verify(VerifyJob("x", (known,), 10**9)).checked[0].outcome is Outcome.UNREADABLE
    rot(on)
    assert rereads.verify(VerifyJob("x", (known,), len(CONTENT))).checked == ()
    rot(on, 7)
    assert rereads.verify(VerifyJob("x", (known,), 10**9)).checked[0].outcome is Outcome.UNREADABLE, "now it is right"


def test_an_edit_whose_size_and_time_are_the_same_is_a_change() -> None:
    on = disk()
    known = item(on)
    before = on.stat(b"a")
    assert before is not None
    on.write(b"a", b"S" + CONTENT[1:], before.mtime)
    after = on.stat(b"a")
    assert after is not None
    assert (after.size, after.mtime, after.inode) == (before.size, before.mtime, before.inode)
    assert found(on, known).checked[0].outcome is Outcome.CHANGED


def test_where_no_time_of_a_change_is_kept_it_may_have_been_an_edit() -> None:
    on = disk(2 * 10**9)
    known = item(on)
    rot(on)
    assert found(on, known).checked[0].outcome is Outcome.DOUBTFUL


def test_a_file_that_a_program_has_open_is_being_changed() -> None:
    on = disk()
    known = item(on)
    rot(on)
    inode = on._find(b"a")
    assert inode is not None
    inode.writers += 1
    assert found(on, known).checked[0].outcome is Outcome.CHANGED


def test_what_is_gone_was_changed_and_what_cannot_be_read_is_said() -> None:
    on = disk()
    known = item(on)
    inode = on._find(b"a")
    assert inode is not None
    on.unreadable.add(inode.number)
    (one,) = found(on, known).checked
    assert one.outcome is Outcome.UNREADABLE
    assert one.problem == str(DiskError(Trouble.IO, b"a", "a bad sector"))
    on.remove_file(b"a")
    assert found(on, known).checked[0].outcome is Outcome.CHANGED


def test_folders_and_links() -> None:
    on = disk()
    on.mkdir(b"d")
    on.make_link(b"l", b"target")
    items = [item(on, b"d", b""), item(on, b"l", b"target")]
    assert [one.outcome for one in found(on, *items).checked] == [Outcome.SAME, Outcome.SAME]
    elsewhere = [items[0]._replace(fp=b"x"), items[1]._replace(content=b"elsewhere")]
    assert [one.outcome for one in found(on, *elsewhere).checked] == [Outcome.CHANGED, Outcome.UNREADABLE]


def test_several_walks_may_be_in_the_middle_of_one_file() -> None:
    on = disk()
    known = item(on)
    rereads = Rereads(on, lambda: False)
    done: dict[str, int] = {}
    for _ in range(5):
        for asker in ("x", "y"):
            event = rereads.verify(VerifyJob(asker, (known,), 1_000_000))
            done[asker] = done.get(asker, 0) + event.read
            if event.checked:
                assert event.checked[0].outcome is Outcome.SAME
    assert done["x"] >= len(CONTENT)
    assert done["x"] == done["y"]


def test_the_end_of_the_program_ends_it() -> None:
    on = disk()
    with pytest.raises(Stopped):
        found(on, item(on), stopping=lambda: True)
