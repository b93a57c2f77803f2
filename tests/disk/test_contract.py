"""One contract for the real disk, in each of its ways, and for the one in memory."""

from __future__ import annotations

import os
import random
import stat as st
from collections.abc import Callable

import pytest

from dir_sync.core.model import Kind
from dir_sync.ports import DiskError, NewFile, Trouble
from tests.disk.worlds import (
    NS,
    T0,
    RealWorld,
    World,
    fill,
    trouble,
    within,
)
from tests.sim.memory_disk import MemoryDisk

# --- looking -------------------------------------------------------------------------------------------------------


def test_stat_tells_what_a_name_is(world: World) -> None:
    fill(world)
    world.chmod(b"file", 0o640)
    file = world.seen(b"file")
    assert (file.kind, file.size, file.mode, file.links) == (Kind.FILE, 7, 0o640, 1)
    assert abs(file.mtime - file.ctime) < NS
    assert world.seen(b"folder").kind == Kind.DIRECTORY
    assert world.seen(b"").kind == Kind.DIRECTORY
    link = world.seen(b"link")
    assert (link.kind, link.size, link.mode) == (Kind.SYMLINK, 6, 0o777)
    assert world.seen(b"dangling").kind == Kind.SYMLINK
    assert world.seen(b"fifo").kind == Kind.OTHER
    assert len({world.seen(path).inode for path in (b"file", b"folder", b"link", b"fifo")}) == 4
    assert world.seen(b"file").device == world.seen(b"folder").device
    world.link(b"file", b"twin")
    assert world.seen(b"twin").links == 2
    assert world.seen(b"twin").inode == file.inode


@pytest.mark.parametrize(
    "path", [b"absent", b"absent/x", b"file/x", b"file/x/y", b"link/inner", b"dangling/x", b"folder/x"]
)
def test_what_is_not_there_is_none(world: World, path: bytes) -> None:
    fill(world)
    assert world.disk.stat(path) is None
    assert world.disk.list(path) is None


@pytest.mark.parametrize("path", [b"file", b"link", b"fifo"])
def test_only_a_folder_is_listed(world: World, path: bytes) -> None:
    fill(world)
    assert world.disk.list(path) is None


def test_list_gives_what_stat_gives(world: World) -> None:
    fill(world)
    world.mkdir(b".dir_sync")
    listed = world.disk.list(b"")
    assert listed is not None
    assert sorted(name for name, _ in listed) == [b".dir_sync", b"dangling", b"fifo", b"file", b"folder", b"link"]
    for name, stat in listed:
        assert stat == world.seen(name)
    assert world.disk.list(b"folder") == [(b"inner", world.seen(b"folder/inner"))]
    assert world.disk.list(b".dir_sync") == []


def test_read_link(world: World) -> None:
    fill(world)
    world.symlink(b"folder/odd", b"/../\xff\n//x")
    assert world.disk.read_link(b"link") == b"folder"
    assert world.disk.read_link(b"folder/odd") == b"/../\xff\n//x"
    assert trouble(world.disk.read_link, b"file") == Trouble.WRONG_TYPE
    assert trouble(world.disk.read_link, b"folder") == Trouble.WRONG_TYPE
    assert trouble(world.disk.read_link, b"absent") == Trouble.ABSENT
    assert trouble(world.disk.read_link, b"link/inner") == Trouble.BOUNDARY


def test_read(world: World) -> None:
    fill(world)
    reader = world.disk.open(b"folder/inner")
    assert reader.read(0, 100) == b"inner content"
    assert reader.read(6, 3) == b"con"
    assert reader.read(13, 10) == b""
    assert reader.read(99, 10) == b""
    assert reader.read(0, 0) == b""
    assert reader.stat() == world.seen(b"folder/inner")
    reader.close()
    reader.close()


@pytest.mark.parametrize("verb", ["open", "reopen"])
def test_only_files_are_opened(world: World, verb: str) -> None:
    fill(world)
    act = getattr(world.disk, verb)
    with within(5):
        for path in (b"folder", b"link", b"dangling", b"fifo"):
            assert trouble(act, path) == Trouble.WRONG_TYPE
        assert trouble(act, b"absent") == Trouble.ABSENT
        assert trouble(act, b"absent/x") == Trouble.ABSENT
        assert trouble(act, b"file/x") == Trouble.ABSENT
        assert trouble(act, b"link/inner") == Trouble.BOUNDARY


def test_small_files_are_read_one_or_many_at_a_time(world: World) -> None:
    fill(world)
    world.write(b"folder/large", b"x" * 101)
    world.write(b"folder/empty", b"")
    assert world.disk.read_small(b"folder/inner", 100) == (world.seen(b"folder/inner"), b"inner content")
    assert world.disk.read_small(b"folder/large", 100) is None
    world.symlink(b"folder/link", b"inner")
    world.mkfifo(b"folder/fifo")
    names = [b"inner", b"large", b"absent", b"link", b"fifo", b"empty"]
    with within(5):
        found = world.disk.read_many(b"folder", names, 100)
    assert list(found) == [
        (world.seen(b"folder/inner"), b"inner content"), None, None, None, None, (world.seen(b"folder/empty"), b""),
    ]  # fmt: skip
    assert list(world.disk.read_many(b"", [b"file"], 100)) == [(world.seen(b"file"), world.read(b"file"))]
    for folder in (b"absent", b"file", b"link", b"absent/x"):
        assert list(world.disk.read_many(folder, [b"inner"], 100)) == [None]


# --- writing -------------------------------------------------------------------------------------------------------


def test_create_write_and_go_on(world: World) -> None:
    writer = world.disk.create(b"new")
    assert (world.seen(b"new").size, world.seen(b"new").mode) == (0, 0o600)
    writer.write(0, b"hello")
    writer.write(5, memoryview(b" world"))
    writer.write(2, b"LL")
    assert writer.read(0, 99) == b"heLLo world"
    writer.start_flush(0, 11)
    writer.sync()
    writer.close()
    writer.close()
    writer = world.disk.reopen(b"new")
    assert writer.stat().size == 11
    writer.truncate(4)
    writer.write(6, b"x")  # a hole before it
    assert writer.read(0, 99) == b"heLL\0\0x"
    writer.truncate(9)
    assert writer.stat().size == 9
    writer.close()
    assert world.read(b"new") == b"heLL\0\0x\0\0"


@pytest.mark.parametrize("length", [0, 1, 4, 5, 6, 10_000])
def test_the_question_whether_a_length_fits_changes_nothing(world: World, length: int) -> None:
    """A download that was complete when the program died is asked about again: its last byte became zero."""
    file = world.disk.create(b"new")
    file.write(0, b"12345")
    file.must_fit(length)
    assert (file.read(0, 10), file.stat().size) == (b"12345", 5)
    file.close()


def test_many_files_are_made_and_named(world: World) -> None:
    fill(world)
    files = [
        NewFile(b"new1", b"one", 0o640, T0 + 7),
        NewFile(b"inner", b"taken", 0o600, T0),
        NewFile(b"new2", b"", 0o444, T0 - 9),
    ]
    one, taken, two = world.disk.create_many(b"folder", files)
    assert one == world.seen(b"folder/new1")
    assert two == world.seen(b"folder/new2")
    assert isinstance(taken, DiskError)
    assert taken.trouble == Trouble.EXISTS
    assert world.read(b"folder/inner") == b"inner content"
    assert (world.seen(b"folder/new1").mode, world.seen(b"folder/new1").mtime) == (0o640, T0 + 7)
    assert world.read(b"folder/new1") == b"one"
    moves = [(b"folder/new1", b"a"), (b"folder/new2", b"file"), (b"folder/new2", b"absent/x"), (b"folder/new2", b"b")]
    named = world.disk.rename_many(moves)
    assert named[0] == world.seen(b"a")
    assert [error.trouble for error in named[1:3] if isinstance(error, DiskError)] == [Trouble.EXISTS, Trouble.ABSENT]
    assert named[3] == world.seen(b"b")
    assert world.disk.stat(b"folder/new1") is None
    for folder in (b"absent", b"file", b"link"):
        (failed,) = world.disk.create_many(folder, files[:1])
        assert isinstance(failed, DiskError)


def test_create_takes_only_free_names(world: World) -> None:
    fill(world)
    for path in (b"file", b"folder", b"link", b"dangling", b"fifo"):
        assert trouble(world.disk.create, path) == Trouble.EXISTS
    assert trouble(world.disk.create, b"absent/x") == Trouble.ABSENT
    assert trouble(world.disk.create, b"file/x") == Trouble.ABSENT
    assert trouble(world.disk.create, b"link/x") == Trouble.BOUNDARY
    assert world.disk.stat(b"folder/x") is None


def test_times_and_mode_of_a_writer(world: World) -> None:
    writer = world.disk.create(b"new")
    writer.write(0, b"x")
    writer.set_meta(0o7751, T0 + 123_456_789)
    assert (writer.stat().mode, writer.stat().mtime) == (0o751, T0 + 123_456_789)
    writer.close()
    assert (world.seen(b"new").mode, world.seen(b"new").mtime) == (0o751, T0 + 123_456_789)


@pytest.mark.parametrize(
    "mtime", [-1, -NS - 1, 0, 1, 2**31 * NS + 5, 2**32 * NS, 15_032_385_534 * NS + 999_999_999], ids=str
)
def test_far_times(world: World, mtime: int) -> None:
    """1969, 1970, 2038, 2106, and the last whole second of ext4, in 2446, beyond 64 bits of ns."""
    writer = world.disk.create(b"new")
    writer.set_meta(0o600, mtime)
    assert writer.stat().mtime == mtime
    writer.close()
    world.mkdir(b"folder")
    world.symlink(b"link", b"x")
    for path in (b"folder", b"link"):
        world.disk.set_meta(path, None, mtime)
        assert world.seen(path).mtime == mtime
    listed = world.disk.list(b"")
    assert listed is not None
    assert {stat.mtime for _, stat in listed} == {mtime}


def test_copy_from(world: World) -> None:
    world.write(b"source", bytes(range(256)) * 1000)
    reader = world.disk.open(b"source")
    writer = world.disk.create(b"copy")
    assert writer.copy_from(reader, 0, 0, 256_000) == 256_000
    assert writer.copy_from(reader, 255_990, 10, 100) == 10
    assert writer.copy_from(reader, 256_000, 0, 5) == 0
    assert writer.copy_from(reader, 0, 256_005, 3) == 3
    expected = bytearray(bytes(range(256)) * 1000)
    expected[10:20] = expected[-10:]
    assert writer.read(0, 1 << 20) == bytes(expected) + b"\0\0\0\0\0\0\1\2"
    reader.close()
    writer.close()


def test_copy_from_another_kind_of_disk(world: World) -> None:
    elsewhere = MemoryDisk(lambda: T0, random.Random(1))
    elsewhere.write(b"source", b"from elsewhere")
    writer = world.disk.create(b"copy")
    assert writer.copy_from(elsewhere.open(b"source"), 5, 0, 99) == 9
    writer.close()
    assert world.read(b"copy") == b"elsewhere"


def test_an_open_file_does_not_care_for_its_name(world: World) -> None:
    world.write(b"mine", b"mine")
    world.write(b"theirs", b"theirs")
    held = world.disk.reopen(b"theirs")
    world.disk.exchange(b"mine", b"theirs")
    held.write(6, b"+")
    assert world.read(b"mine") == b"theirs+"
    world.disk.rename(b"mine", b"moved")
    held.write(7, b"+")
    assert world.read(b"moved") == b"theirs++"
    world.disk.remove_file(b"moved")
    held.write(8, b"+")
    assert held.read(0, 99) == b"theirs+++"
    assert held.stat().links == 0
    held.close()
    assert world.disk.list(b"") == [(b"theirs", world.seen(b"theirs"))]


def test_what_is_appended_goes_to_the_end_whatever_the_offset(world: World) -> None:
    world.write(b"log", b"first")
    writer = world.disk.append(b"log")
    writer.write(0, b" second")
    writer.write(3, b" third")
    writer.close()
    assert world.read(b"log") == b"first second third"


def test_a_file_is_closed_if_nobody_has_it_open_for_writing(world: World) -> None:
    world.write(b"log", b"x")
    assert world.disk.is_closed(b"log")
    assert not world.disk.is_open(b"log")
    reader = world.disk.open(b"log")
    assert world.disk.is_closed(b"log")
    reader.close()
    held = world.disk.reopen(b"log")
    assert not world.disk.is_closed(b"log")
    assert world.disk.is_open(b"log")
    writer = world.disk.append(b"log")
    assert not writer.lock()
    writer.close()
    held.close()
    assert not world.disk.is_closed(b"nothing")
    assert not world.disk.is_open(b"nothing")


# --- making, removing ----------------------------------------------------------------------------------------------


def test_make_directory_has_the_mode_asked_for(world: World) -> None:
    before = os.umask(0o077)
    try:
        world.disk.make_directory(b"a", 0o755)
        world.disk.make_directory(b"a/b", 0o7777)
        world.disk.make_directory(b"c", 0o500)
    finally:
        os.umask(before)
    assert [world.seen(path).mode for path in (b"a", b"a/b", b"c")] == [0o755, 0o777, 0o500]


def test_make_takes_only_free_names(world: World) -> None:
    fill(world)
    for path in (b"file", b"folder", b"link", b"dangling", b"fifo"):
        assert trouble(world.disk.make_directory, path, 0o755) == Trouble.EXISTS
        assert trouble(world.disk.make_link, path, b"x") == Trouble.EXISTS
    for act in (lambda path: world.disk.make_directory(path, 0o755), lambda path: world.disk.make_link(path, b"x")):
        assert trouble(act, b"absent/x") == Trouble.ABSENT
        assert trouble(act, b"file/x") == Trouble.ABSENT
        assert trouble(act, b"link/x") == Trouble.BOUNDARY


def test_links_point_anywhere(world: World) -> None:
    world.mkdir(b"folder")
    for number, target in enumerate([b"..", b"/etc/passwd", b"self", b"\xff\xfe\n", b"x" * 4095]):
        path = b"folder/%d" % number
        world.disk.make_link(path, target)
        assert world.disk.read_link(path) == target
    for target in (b"", b"a\0b", b"x" * 4096):
        assert trouble(world.disk.make_link, b"folder/bad", target) == Trouble.NAME
    assert world.disk.stat(b"folder/bad") is None


def test_remove_directory(world: World) -> None:
    fill(world)
    assert trouble(world.disk.remove_directory, b"folder") == Trouble.NOT_EMPTY
    for path in (b"file", b"link", b"dangling", b"fifo"):
        assert trouble(world.disk.remove_directory, path) == Trouble.WRONG_TYPE
    assert trouble(world.disk.remove_directory, b"absent") == Trouble.ABSENT
    assert trouble(world.disk.remove_directory, b"file/x") == Trouble.ABSENT
    assert trouble(world.disk.remove_directory, b"link/x") == Trouble.BOUNDARY
    world.disk.remove_file(b"folder/inner")
    world.disk.remove_directory(b"folder")
    assert world.disk.stat(b"folder") is None


def test_remove_file(world: World) -> None:
    fill(world)
    assert trouble(world.disk.remove_file, b"folder") == Trouble.WRONG_TYPE
    assert trouble(world.disk.remove_file, b"absent") == Trouble.ABSENT
    assert trouble(world.disk.remove_file, b"file/x") == Trouble.ABSENT
    assert trouble(world.disk.remove_file, b"link/inner") == Trouble.BOUNDARY
    for path in (b"file", b"link", b"dangling", b"fifo"):
        world.disk.remove_file(path)
        assert world.disk.stat(path) is None
    assert world.read(b"folder/inner") == b"inner content"


# --- moving --------------------------------------------------------------------------------------------------------


KINDS = [Kind.FILE, Kind.DIRECTORY, Kind.SYMLINK, Kind.OTHER]


@pytest.mark.parametrize("kind", KINDS)
def test_rename(world: World, kind: Kind) -> None:
    world.mkdir(b"a")
    world.mkdir(b"b")
    world.make(b"a/x", kind)
    if kind == Kind.DIRECTORY:
        world.write(b"a/x/inner", b"inner content")
    before = world.seen(b"a/x")
    world.disk.rename(b"a/x", b"b/y")
    after = world.seen(b"b/y")
    assert world.disk.stat(b"a/x") is None
    assert after._replace(ctime=0) == before._replace(ctime=0)
    if kind == Kind.DIRECTORY:
        assert world.read(b"b/y/inner") == b"inner content"
    world.disk.rename(b"b/y", b"z")
    assert world.seen(b"z").inode == before.inode


@pytest.mark.parametrize("kind", KINDS)
def test_rename_never_replaces(world: World, kind: Kind) -> None:
    fill(world)
    world.mkdir(b"empty")
    world.make(b"x", kind)
    before = world.seen(b"x")
    for path in (b"file", b"folder", b"empty", b"link", b"dangling", b"fifo", b"x"):
        taken = world.seen(path)
        assert trouble(world.disk.rename, b"x", path) == Trouble.EXISTS
        assert world.seen(path) == taken
    assert world.seen(b"x") == before


def test_rename_troubles(world: World) -> None:
    fill(world)
    assert trouble(world.disk.rename, b"absent", b"x") == Trouble.ABSENT
    assert trouble(world.disk.rename, b"absent", b"file") == Trouble.ABSENT
    assert trouble(world.disk.rename, b"file", b"absent/x") == Trouble.ABSENT
    assert trouble(world.disk.rename, b"file", b"fifo/x") == Trouble.ABSENT
    assert trouble(world.disk.rename, b"file", b"link/x") == Trouble.BOUNDARY
    assert trouble(world.disk.rename, b"link/inner", b"x") == Trouble.BOUNDARY
    assert trouble(world.disk.rename, b"folder", b"folder/x") == Trouble.NAME
    assert world.seen(b"folder").kind == Kind.DIRECTORY
    assert world.disk.stat(b"x") is None
    assert [name for name, _ in world.disk.list(b"folder") or []] == [b"inner"]


@pytest.mark.parametrize("mine", KINDS)
@pytest.mark.parametrize("theirs", KINDS)
def test_exchange_whatever_they_are(world: World, mine: Kind, theirs: Kind) -> None:
    world.mkdir(b"a")
    world.mkdir(b"b")
    world.make(b"a/x", mine)
    world.make(b"b/y", theirs)
    x, y = world.seen(b"a/x"), world.seen(b"b/y")
    world.disk.exchange(b"a/x", b"b/y")
    assert world.seen(b"a/x")._replace(ctime=0) == y._replace(ctime=0)
    assert world.seen(b"b/y")._replace(ctime=0) == x._replace(ctime=0)
    assert [name for name, _ in world.disk.list(b"a") or []] == [b"x"]
    assert [name for name, _ in world.disk.list(b"b") or []] == [b"y"]


def test_exchange_troubles(world: World) -> None:
    fill(world)
    assert trouble(world.disk.exchange, b"file", b"absent") == Trouble.ABSENT
    assert trouble(world.disk.exchange, b"absent", b"file") == Trouble.ABSENT
    assert trouble(world.disk.exchange, b"absent/x", b"file") == Trouble.ABSENT
    assert trouble(world.disk.exchange, b"file", b"link/inner") == Trouble.BOUNDARY
    assert trouble(world.disk.exchange, b"folder", b"folder/inner") == Trouble.NAME
    assert trouble(world.disk.exchange, b"folder/inner", b"folder") == Trouble.NAME
    world.link(b"file", b"twin")
    world.disk.exchange(b"file", b"twin")
    world.disk.exchange(b"file", b"file")
    assert world.seen(b"file").links == 2
    assert sorted(name for name, _ in world.disk.list(b"") or []) == [
        *(b"dangling", b"fifo", b"file", b"folder", b"link", b"twin")
    ]


# --- other names ---------------------------------------------------------------------------------------------------


def test_link(world: World, request: pytest.FixtureRequest) -> None:
    fill(world)
    if "no links" in request.node.callspec.params.values():
        assert trouble(world.disk.link, b"file", b"twin") == Trouble.NO_LINK
        return
    world.disk.link(b"file", b"folder/twin")
    assert world.seen(b"folder/twin").inode == world.seen(b"file").inode
    assert world.seen(b"file").links == 2
    assert trouble(world.disk.link, b"file", b"folder/inner") == Trouble.EXISTS
    assert trouble(world.disk.link, b"absent", b"x") == Trouble.ABSENT
    assert trouble(world.disk.link, b"file", b"absent/x") == Trouble.ABSENT
    assert trouble(world.disk.link, b"folder", b"x") == Trouble.WRONG_TYPE
    assert trouble(world.disk.link, b"link", b"x") == Trouble.WRONG_TYPE
    assert trouble(world.disk.link, b"file", b"link/x") == Trouble.BOUNDARY


# --- metadata ------------------------------------------------------------------------------------------------------


def test_set_meta(world: World) -> None:
    fill(world)
    before = world.seen(b"file")
    world.disk.set_meta(b"file", 0o7750, None)
    assert (world.seen(b"file").mode, world.seen(b"file").mtime) == (0o750, before.mtime)
    world.disk.set_meta(b"file", None, T0)
    assert (world.seen(b"file").mode, world.seen(b"file").mtime) == (0o750, T0)
    world.disk.set_meta(b"folder", 0o711, T0 + 1)
    assert (world.seen(b"folder").mode, world.seen(b"folder").mtime) == (0o711, T0 + 1)
    world.disk.set_meta(b"folder/inner", 0o400, T0 + 2)
    assert (world.seen(b"folder/inner").mode, world.seen(b"folder/inner").mtime) == (0o400, T0 + 2)
    inner = world.seen(b"folder")
    world.disk.set_meta(b"link", 0o600, T0 + 3)
    assert (world.seen(b"link").mode, world.seen(b"link").mtime) == (0o777, T0 + 3)
    assert world.seen(b"folder") == inner
    world.disk.set_meta(b"", 0o700, T0 + 4)
    assert (world.seen(b"").mode, world.seen(b"").mtime) == (0o700, T0 + 4)
    assert trouble(world.disk.set_meta, b"fifo", 0o600, None) == Trouble.WRONG_TYPE
    assert trouble(world.disk.set_meta, b"absent", 0o600, None) == Trouble.ABSENT
    assert trouble(world.disk.set_meta, b"link/inner", 0o600, None) == Trouble.BOUNDARY


def test_what_is_as_wished_is_not_touched(world: World) -> None:
    fill(world)
    for path in (b"file", b"folder", b"link"):
        before = world.seen(path)
        world.disk.set_meta(path, before.mode, before.mtime)
        assert world.seen(path) == before


def test_keep_attributes_never_fails(world: World) -> None:
    fill(world)
    world.write(b"other", b"")
    before = world.seen(b"other")
    world.disk.keep_attributes(b"file", b"other")
    assert world.seen(b"other").mode == before.mode
    world.disk.keep_attributes(b"absent", b"other")
    world.disk.keep_attributes(b"file", b"link/absent")


def test_each_change_changes_ctime_or_more(world: World) -> None:
    """What scans rely on, on a file system without a grain."""
    world.write(b"file", b"1")
    if world.disk.grain_ns:
        pytest.skip(f"times have a grain of {world.disk.grain_ns} ns here")
    seen = [world.seen(b"file")]
    writer = world.disk.reopen(b"file")
    steps: list[Callable[[], None]] = [
        lambda: writer.write(0, b"2"),
        lambda: world.disk.set_meta(b"file", 0o600, None),
        lambda: world.disk.set_meta(b"file", None, T0),
        lambda: writer.write(0, b"3"),
        lambda: world.disk.set_meta(b"file", None, T0),
    ]
    for step in steps:
        step()
        seen.append(world.seen(b"file"))
    writer.close()
    assert len({stat.ctime for stat in seen}) == len(seen)


def test_special_bits_never_travel(world: World) -> None:
    if not isinstance(world, RealWorld):
        pytest.skip("there are no special bits in memory")
    disk = world.disk
    writer = disk.create(b"file")
    writer.set_meta(0o6755, T0)
    writer.close()
    assert st.S_IMODE(os.stat(world.at(b"file")).st_mode) == 0o755
    disk.set_meta(b"file", 0o4711, None)
    assert st.S_IMODE(os.stat(world.at(b"file")).st_mode) == 0o711
    world.chmod(b"file", 0o4711)
    disk.set_meta(b"file", 0o711, None)
    assert st.S_IMODE(os.stat(world.at(b"file")).st_mode) == 0o711
    disk.make_directory(b"folder", 0o7755)
    assert st.S_IMODE(os.stat(world.at(b"folder")).st_mode) == 0o755
    world.chmod(b"folder", 0o3775)  # a folder that a group shares: the sharing stays, and is inherited
    disk.set_meta(b"folder", 0o770, None)
    assert st.S_IMODE(os.stat(world.at(b"folder")).st_mode) == 0o3770
    disk.make_directory(b"folder/inner", 0o777)
    assert st.S_IMODE(os.stat(world.at(b"folder/inner")).st_mode) == 0o2777


# --- the medium, the folder as a whole -----------------------------------------------------------------------------


def test_sync(world: World) -> None:
    fill(world)
    world.disk.sync_directory(b"")
    world.disk.sync_directory(b"folder")
    world.disk.sync_all()
    assert trouble(world.disk.sync_directory, b"absent") == Trouble.ABSENT
    assert trouble(world.disk.sync_directory, b"file") == Trouble.ABSENT
    assert trouble(world.disk.sync_directory, b"link") == Trouble.BOUNDARY
    assert trouble(world.disk.sync_directory, b"link/x") == Trouble.BOUNDARY


def test_the_folder(world: World) -> None:
    assert world.disk.free_bytes() > 0
    assert world.disk.is_root_here()
    assert world.disk.grain_ns >= 0


# --- names ---------------------------------------------------------------------------------------------------------


ESCAPES = [
    b"..",
    b"../x",
    b"x/..",
    b"a/../x",
    b"a/./x",
    b".",
    b"./x",
    b"a//x",
    b"/etc",
    b"/etc/passwd",
    b"a/",
    b"a\0b",
    b"a\0/b",
]


@pytest.mark.parametrize("path", ESCAPES)
def test_no_path_leads_out(world: World, path: bytes) -> None:
    world.mkdir(b"a")
    world.write(b"x", b"x")
    disk = world.disk
    for act in (
        *(disk.stat, disk.list, disk.open, disk.reopen, disk.create, disk.read_link, disk.remove_file),
        *(disk.remove_directory, disk.sync_directory, lambda path: disk.make_directory(path, 0o755)),
        *(lambda path: disk.make_link(path, b"x"), lambda path: disk.rename(path, b"y")),
        *(lambda path: disk.rename(b"x", path), lambda path: disk.exchange(b"x", path)),
        *(lambda path: disk.exchange(path, b"x"), lambda path: disk.set_meta(path, 0o600, T0)),
    ):
        assert trouble(act, path) == Trouble.NAME


def test_the_folder_itself_is_not_a_name(world: World) -> None:
    disk = world.disk
    for act in (disk.open, disk.reopen, disk.create, disk.read_link, disk.remove_file, disk.remove_directory):
        assert trouble(act, b"") == Trouble.NAME
    assert trouble(disk.make_directory, b"", 0o755) == Trouble.NAME
    assert trouble(disk.rename, b"", b"x") == Trouble.NAME


def test_every_byte_is_a_name(world: World) -> None:
    names = [bytes([byte]) for byte in range(1, 256) if bytes([byte]) not in (b"/", b".")]
    names += [
        b"caf\xc3\xa9",
        b"cafe\xcc\x81",
        b"\xed\xa0\x80",
        b"\x1b]0;x\x07\n",
        b"-rf",
        b"a:b",
        b"con",
        b"a\\b",
    ]
    names += [b"trailing ", b"trailing.", b"...", b".. ", b"\xc3\xa9" * 127, b"n" * 255, b"\xff" * 255]
    world.mkdir(b"names")
    with world.disk.batch():
        for name in names:
            writer = world.disk.create(b"names/" + name)
            writer.write(0, name)
            writer.close()
        listed = world.disk.list(b"names")
        assert listed is not None
        assert sorted(name for name, _ in listed) == sorted(names)
        for name, stat in listed:
            assert stat == world.seen(b"names/" + name)
            assert world.read(b"names/" + name) == name
            world.disk.rename(b"names/" + name, b"names/.moved")
            world.disk.rename(b"names/.moved", b"names/" + name)
    assert len(world.disk.list(b"names") or []) == len(names)


def test_a_name_of_256_bytes(world: World) -> None:
    long = b"n" * 256
    disk = world.disk
    world.write(b"x", b"x")
    for act in (
        *(disk.stat, disk.open, disk.create, disk.remove_file, disk.remove_directory, disk.list),
        *(lambda path: disk.make_directory(path, 0o755), lambda path: disk.rename(b"x", path)),
        *(lambda path: disk.stat(path + b"/x"), lambda path: disk.create(path + b"/x")),
    ):
        assert trouble(act, long) == Trouble.NAME


@pytest.mark.parametrize(("parts", "length"), [(20, 199), (30, 200)], ids=["4,000 bytes", "6,000 bytes"])
def test_deep_paths(world: World, parts: int, length: int) -> None:
    path = b""
    folders = []
    for number in range(parts):
        path = (path + b"/" if path else b"") + (b"%d-" % number).ljust(length, b"x")
        world.disk.make_directory(path, 0o755)
        folders.append(path)
    writer = world.disk.create(path + b"/file")
    writer.write(0, b"deep")
    writer.close()
    assert world.read(path + b"/file") == b"deep"
    assert world.seen(path + b"/file").size == 4
    assert [name for name, _ in world.disk.list(path) or []] == [b"file"]
    world.disk.sync_directory(path)
    world.disk.rename(path + b"/file", b"up")
    world.disk.rename(b"up", path + b"/down")
    world.disk.exchange(path + b"/down", path + b"/down")
    world.disk.remove_file(path + b"/down")
    for folder in reversed(folders):
        world.disk.remove_directory(folder)
    assert world.disk.list(b"") == []


# --- batches -------------------------------------------------------------------------------------------------------


def test_a_batch_sees_its_own_changes(world: World) -> None:
    disk = world.disk
    world.mkdir(b"a/b")
    with disk.batch(), disk.batch():
        disk.create(b"a/b/x").close()
        disk.rename(b"a", b"c")
        assert disk.stat(b"a/b/x") is None
        assert trouble(disk.create, b"a/b/y") == Trouble.ABSENT
        disk.create(b"c/b/y").close()
        disk.make_directory(b"a", 0o755)
        disk.make_directory(b"a/b", 0o755)
        disk.create(b"a/b/z").close()
        disk.exchange(b"a", b"c/b")
        assert sorted(name for name, _ in disk.list(b"a") or []) == [b"x", b"y"]
        assert disk.stat(b"a/x") is not None
        assert disk.stat(b"c/b/b/z") is not None
        disk.remove_file(b"c/b/b/z")
        disk.remove_directory(b"c/b/b")
        disk.make_directory(b"c/b/b", 0o755)
        disk.create(b"c/b/b/z").close()
        assert disk.stat(b"c/b/b/z") is not None
    assert disk.stat(b"c/b/b/z") is not None


def test_a_batch_over_many_folders(world: World) -> None:
    disk = world.disk
    with disk.batch():
        for number in range(200):
            disk.make_directory(b"%d" % number, 0o755)
            disk.create(b"%d/file" % number).close()
        for number in range(100):
            disk.rename(b"%d/file" % number, b"%d/moved" % (199 - number))
        assert all(len(disk.list(b"%d" % number) or []) == (number >= 100) * 2 for number in range(200))
