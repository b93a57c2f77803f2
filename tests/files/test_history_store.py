"""What is displaced goes into the history and comes out of it, whatever the disk does."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from blake3 import blake3

from dir_sync.core import limits
from dir_sync.core.jobs import (
    ApplyItem,
    ApplyResult,
    Cause,
    Pruned,
    PruneJob,
    ReadDone,
    ReadItem,
    ReadJob,
    Rechecked,
    RecheckJob,
    Result,
)
from dir_sync.core.names import HISTORY, STAGING
from dir_sync.disk import RealDisk
from dir_sync.file_sync import FileSync
from dir_sync.files.history_store import HistoryStore
from dir_sync.files.staging import Staging
from dir_sync.ports import Trouble
from tests.files.tools import apply, change, file_sync, kept, nowhere
from tests.sim.memory_disk import MemoryDisk


@pytest.mark.parametrize("data", [b"new", None])
def test_the_day_of_the_history_may_be_made_by_somebody_else_just_now(disk: MemoryDisk, data: bytes | None) -> None:
    sync = file_sync(disk)
    disk.write(b"file", b"old")

    def before(verb: str, path: bytes) -> None:
        if verb == "make_directory" and path.startswith(HISTORY):
            disk.before = None
            disk.make_directory(path, 0o700)  # another thread was faster

    disk.before = before
    (result,) = apply(sync, change(disk, b"file", data))
    assert disk.before is None
    assert result.result == Result.DONE
    assert result.version is not None
    assert kept(disk) == [b"old"]
    assert disk.list(STAGING) == []


@pytest.mark.parametrize("data", [b"new", None])
def test_the_day_of_the_history_may_appear_after_it_was_missed(disk: MemoryDisk, data: bytes | None) -> None:
    """Between the rename that fails and whatever comes next."""
    sync = file_sync(disk)
    disk.write(b"file", b"old")

    def fail(verb: str, path: bytes) -> Trouble | None:
        if verb == "rename" and path.startswith(HISTORY):
            disk.fail = None
            disk.make_directory(path.rpartition(b"/")[0], 0o700)
            return Trouble.ABSENT
        return None

    disk.fail = fail
    (result,) = apply(sync, change(disk, b"file", data))
    assert disk.fail is None
    assert result.result == Result.DONE
    assert kept(disk) == [b"old"]
    assert disk.list(STAGING) == []


@pytest.mark.parametrize("trouble", [Trouble.FULL, Trouble.IO, Trouble.DENIED, Trouble.READ_ONLY])
@pytest.mark.parametrize("data", [b"new", None])
@pytest.mark.parametrize("linked", [False, True])
def test_what_the_history_cannot_take_stays_where_it_was(
    disk: MemoryDisk, trouble: Trouble, data: bytes | None, linked: bool
) -> None:
    sync = file_sync(disk)
    disk.write(b"file", b"old")
    if linked:
        disk.give_name(b"file", b"its other name")

    def fail(_: str, path: bytes) -> Trouble | None:
        return trouble if path.startswith(HISTORY + b"/") else None

    disk.fail = fail
    (result,) = apply(sync, change(disk, b"file", data))
    disk.fail = None
    assert result.result == Result.PROBLEM
    assert result.version is None
    assert disk.content(b"file") == b"old"
    assert [name for name, _ in disk.list(STAGING) or []] == []
    assert kept(disk) == []
    (result,) = apply(sync, change(disk, b"file", data))  # the trouble has passed
    assert result.result == Result.DONE
    assert kept(disk) == [b"old"]


@pytest.mark.parametrize("data", [b"new", None])
def test_where_there_is_no_room_for_a_folder_of_the_day_versions_are_kept_all_the_same(
    disk: MemoryDisk, data: bytes | None
) -> None:
    """No inode is left: what is deleted is what makes room, and a rename needs none."""
    sync = file_sync(disk)
    items = []
    disk.mkdir(b"d")
    for name in (b"file", b"d/file"):
        disk.write(name, b"old " + name)
        items.append(change(disk, name, data))
    disk.fail = lambda verb, path: Trouble.FULL if verb == "make_directory" and path.startswith(HISTORY) else None
    done = apply(sync, *items)
    disk.fail = None
    assert [result.result for result in done] == [Result.DONE] * 2
    versions = [result.version for result in done]
    assert [disk.content(version.name) for version in versions if version] == [b"old file", b"old d/file"]
    assert disk.list(STAGING) == []
    found = file_sync(disk).unlisted(lambda _: False, nowhere)
    assert {one.name for one in found} == {one.name for one in versions if one}
    for one, known in zip(sorted(found), sorted(one for one in versions if one), strict=True):
        assert (one.why, one.time_ns // 1000, one.path) == (known.why, known.time_ns // 1000, b"file")
    sync.perform(PruneJob(tuple(one.name for one in found)))
    assert disk.list(HISTORY) == []


def test_half_a_copy_does_not_stay_in_the_history(disk: MemoryDisk) -> None:
    sync = file_sync(disk)
    disk.write(b"file", b"old")
    disk.give_name(b"file", b"its other name")

    def fail(verb: str, path: bytes) -> Trouble | None:
        return Trouble.FULL if verb == "file.sync" and disk.counts["file.copy_from"] else None

    disk.fail = fail
    (result,) = apply(sync, change(disk, b"file", b"new"))
    assert result.result == Result.PROBLEM
    assert disk.content(b"file") == b"old"
    assert kept(disk) == []
    assert disk.list(STAGING) == []


def test_half_a_copy_is_never_in_the_history(disk: MemoryDisk) -> None:
    """What has other names is copied there; whoever dies meanwhile leaves the rest in the staging folder."""
    sync = file_sync(disk)
    disk.write(b"file", b"old")
    disk.give_name(b"file", b"other")
    seen = []

    def before(verb: str, path: bytes) -> None:
        if verb == "file.sync" and disk.counts["file.copy_from"]:
            seen.append(kept(disk))

    disk.before = before
    (result,) = apply(sync, change(disk, b"file", b"new"))
    assert result.result == Result.DONE
    assert kept(disk) == [b"old"]
    assert seen
    assert not any(seen)
    assert disk.list(STAGING) == []


def run(sync: FileSync, start: threading.Barrier, item: ApplyItem, results: list[ApplyResult]) -> None:
    start.wait(10)
    results += apply(sync, item)


@pytest.mark.parametrize("act", ["replace", "remove"])
def test_many_threads_displace_at_once_with_no_history_yet(tmp_path: Path, act: str) -> None:
    """The first of the day makes its folder, and all find it."""
    threads_at_once, rounds = 8, 20
    data = b"new" if act == "replace" else None
    for turn in range(rounds):
        root = tmp_path / f"{turn}"
        root.mkdir()
        for number in range(threads_at_once):
            (root / f"{number}").write_bytes(b"old %d" % number)
        disk = RealDisk(bytes(root))
        try:
            sync = file_sync(disk)
            start = threading.Barrier(threads_at_once)
            results: list[ApplyResult] = []

            items = [change(disk, b"%d" % number, data) for number in range(threads_at_once)]
            workers = [threading.Thread(target=run, args=(sync, start, item, results)) for item in items]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join(30)
        finally:
            disk.close()
        assert [result.result for result in results] == [Result.DONE] * threads_at_once
        contents = sorted(path.read_bytes() for path in (root / HISTORY.decode()).rglob("*") if path.is_file())
        assert contents == [b"old %d" % number for number in range(threads_at_once)]
        assert not list((root / STAGING.decode()).iterdir())


@pytest.mark.parametrize("data", [b"new", None])
def test_what_was_displaced_and_not_noted_is_known_after_the_next_start(disk: MemoryDisk, data: bytes | None) -> None:
    sync = file_sync(disk)
    disk.make_directory(b"folder", 0o755)
    disk.write(b"folder/file", b"old")
    (result,) = apply(sync, change(disk, b"folder/file", data))
    assert result.version is not None  # and the program ends
    paths = {blake3(b"old").digest(): b"folder/file"}
    again = file_sync(disk)
    (found,) = again.unlisted(lambda name: False, lambda digest, base: paths[digest] if base == b"file" else None)
    assert found._replace(content=b"", time_ns=0, maker="") == result.version._replace(content=b"", time_ns=0, maker="")
    assert found.content == blake3(b"old").digest()
    assert abs(found.time_ns - result.version.time_ns) < 1000
    assert again.unlisted(lambda name: name == found.name, nowhere) == []
    (found,) = again.unlisted(lambda name: False, nowhere)
    assert found.path == b"file"


def test_what_was_not_noted_is_listed_also_if_the_disk_cannot_be_synced(disk: MemoryDisk) -> None:
    sync = file_sync(disk)
    disk.write(b"file", b"old")
    (result,) = apply(sync, change(disk, b"file", None))
    assert result.version is not None
    disk.fail = lambda verb, path: Trouble.IO if verb == "sync_all" else None
    (found,) = sync.unlisted(lambda name: False, nowhere)
    assert found.name == result.version.name


@pytest.mark.parametrize("passes", [True, False])
def test_what_cannot_be_read_is_listed_and_read_later(disk: MemoryDisk, passes: bool) -> None:
    """Without a row it would be found by nobody. An error that passes is no reason to list it under another path."""
    sync = file_sync(disk)
    disk.mkdir(b"folder")
    disk.write(b"folder/file", b"old")
    disk.symlink(b"link", b"target")
    apply(sync, change(disk, b"folder/file", None), change(disk, b"link", None))
    failed: set[bytes] = set()

    def fail(verb: str, path: bytes) -> Trouble | None:
        if verb not in ("open", "read_link") or (passes and path in failed):
            return None
        failed.add(path)
        return Trouble.IO

    disk.fail = fail
    file, link = sync.unlisted(lambda name: False, lambda digest, base: b"folder/file")
    disk.fail = None
    digest = blake3(b"old").digest()
    assert (file.path, file.content) == ((b"folder/file", digest) if passes else (b"file", b""))
    assert (link.path, link.content) == (b"link", b"target" if passes else b"")
    done = sync.perform(RecheckJob((file, link)))
    read = () if passes else (file._replace(content=digest), link._replace(content=b"target"))
    assert done == Rechecked(read, ())


def test_a_copy_in_the_history_that_cannot_be_taken_back_is_listed(disk: MemoryDisk) -> None:
    """A file with other names is copied; then neither the file nor the copy can be removed. The next start removes the file."""
    sync = file_sync(disk)
    disk.write(b"file", b"old")
    disk.give_name(b"file", b"its other name")
    disk.fail = lambda verb, path: Trouble.IO if verb == "remove_file" and b"/new-" not in path else None
    (result,) = apply(sync, change(disk, b"file", None))
    disk.fail = None
    assert result.result is Result.DONE
    version = result.version
    assert version is not None
    assert disk.content(version.name) == b"old"
    assert kept(disk) == [b"old"]
    again = file_sync(disk)
    assert again.recover(again.prepare(), lambda digest: version) == []
    assert disk.list(STAGING) == []
    assert kept(disk) == [b"old"]


def test_what_a_user_put_there_is_listed_also_if_the_program_ends_while_it_is_read(disk: MemoryDisk) -> None:
    file_sync(disk)
    disk.write(STAGING + b"/swap-1", bytes(limits.MIB + 1))
    stat = disk.stat(STAGING + b"/swap-1")
    assert stat is not None
    history = HistoryStore(disk, Staging(disk, b"test"), time.time_ns, lambda: True)
    version = history.rescue(STAGING + b"/swap-1", stat, b"file")
    assert version.content == b""
    assert history.take_filed(b"file") == [version]


def test_names_in_the_history_that_are_not_ours_are_left_alone(disk: MemoryDisk) -> None:
    sync = file_sync(disk)
    disk.make_directory(HISTORY + b"/2020-01-02", 0o700)
    disk.make_directory(HISTORY + b"/photos", 0o700)
    for name in (
        b"note",
        b"2020-01-02/note",
        b"2020-01-02/120000.000000-kept-0-x",
        b"photos/120000.000000-deleted-0-x",
    ):
        disk.write(HISTORY + b"/" + name, b"a user's")
    disk.write(HISTORY + b"/2020-01-02/120000.000500-conflict-3-a-b\n", b"ours")
    (found,) = sync.unlisted(lambda name: False, nowhere)
    assert (found.path, found.why, found.time_ns) == (b"a-b\n", Cause.CONFLICT, 1_577_966_400_000_500_000)


@pytest.mark.parametrize("written", [b"goes on", b"12"])
def test_what_was_written_into_a_version_is_not_given_for_what_it_was(disk: MemoryDisk, written: bytes) -> None:
    sync = file_sync(disk)
    disk.write(b"file", b"12")
    program = disk.hold(b"file")
    (result,) = apply(sync, change(disk, b"file", b"new"))
    version = result.version
    assert version is not None
    read = ReadJob("peer", 1, (ReadItem(1, version.name, b"", 0, 2, (version.size, version.mtime)),))
    done = sync.perform(read)
    assert isinstance(done, ReadDone)
    assert [piece.data for piece in done.pieces] == [b"12"]
    program.write(0, written)
    done = sync.perform(read)
    assert isinstance(done, ReadDone)
    assert done.pieces == ()
    looked = sync.perform(RecheckJob((version,)))
    assert isinstance(looked, Rechecked)
    (now,) = looked.versions
    assert (now.size, now.content) == (len(written), blake3(written).digest())
    disk.delete(version.name)
    assert sync.perform(RecheckJob((version,))) == Rechecked((), (version.name,))


def test_a_link_that_was_just_displaced_may_leave_the_history_at_once(disk: MemoryDisk) -> None:
    """Nobody writes into a link; only a file that somebody has open has to wait."""
    sync = file_sync(disk)
    disk.symlink(b"link", b"target")
    disk.write(b"file", b"written to")
    removed = apply(sync, change(disk, b"link", None), change(disk, b"file", None))
    link, file = (one.version.name for one in removed if one.version is not None)
    program = disk.hold(file)
    assert sync.perform(PruneJob((link, file), young=frozenset((link, file)))) == Pruned((link,))
    program.close()
    assert sync.perform(PruneJob((file,), young=frozenset((file,)))) == Pruned((file,))


def test_versions_are_not_gone_while_the_shared_folder_is(disk: MemoryDisk) -> None:
    """They come back with it, and would be in no list."""
    sync = file_sync(disk)
    disk.write(b"file", b"old")
    (result,) = apply(sync, change(disk, b"file", None))
    version = result.version
    assert version is not None
    jobs = PruneJob((version.name,)), RecheckJob((version,))
    disk.go_away()
    assert [sync.perform(job) for job in jobs] == [Pruned(()), Rechecked((), ())]
    disk.come_back()
    assert kept(disk) == [b"old"]
    disk.delete(version.name)
    assert [sync.perform(job) for job in jobs] == [Pruned((version.name,)), Rechecked((), (version.name,))]
