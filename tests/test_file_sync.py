"""Changes of the tree: what they displace is in the history or where it was, whatever the disk does."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from random import Random

import pytest
from blake3 import blake3

from dir_sync.core.jobs import (
    Act,
    Applied,
    ApplyItem,
    ApplyJob,
    ApplyResult,
    Pruned,
    PruneJob,
    ReadDone,
    ReadItem,
    ReadJob,
    Rechecked,
    RecheckJob,
    Result,
    Staged,
    StageJob,
    Why,
)
from dir_sync.core.model import Kind, Record, Stamp, fingerprint
from dir_sync.disk import RealDisk
from dir_sync.file_sync import HISTORY, STAGING, FileSync
from dir_sync.ports import Disk, Trouble
from tests.pair import NoSignatures
from tests.sim.memory_disk import MemoryDisk

THEIRS = Stamp(5, "their node")
MTIME = 1_700_000_000_000_000_000


def file_sync(disk: Disk) -> FileSync:
    sync = FileSync(disk, lambda _: True, NoSignatures(), time.time_ns, "test")
    sync.prepare()
    return sync


def record(path: bytes, data: bytes | None) -> Record:
    if data is None:
        return Record(path, Kind.ABSENT, 0, b"", 0, 0, THEIRS, ())
    return Record(path, Kind.FILE, len(data), blake3(data).digest(), MTIME, 0o644, THEIRS, ())


def change(disk: Disk, path: bytes, data: bytes | None) -> ApplyItem:
    """`data` takes the place of what is there now; None: nothing does."""
    stat = disk.stat(path)
    expect = b"" if stat is None else fingerprint(stat)
    return ApplyItem(path, Act.REMOVE if data is None else Act.INSTALL, record(path, data), expect, Why.REPLACED, data)


def apply(sync: FileSync, *items: ApplyItem) -> tuple[ApplyResult, ...]:
    done = sync.perform(ApplyJob(items))
    assert isinstance(done, Applied)
    return done.items


def kept(disk: MemoryDisk) -> list[bytes | None]:
    """The contents in the history."""
    days = [HISTORY + b"/" + day for day, _ in disk.list(HISTORY) or []]
    return [disk.content(day + b"/" + name) for day in days for name, _ in disk.list(day) or []]


@pytest.fixture
def disk() -> MemoryDisk:
    return MemoryDisk(time.time_ns, Random(1))


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
        disk.link(b"file", b"its other name")

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
    disk.link(b"file", b"its other name")

    def fail(verb: str, path: bytes) -> Trouble | None:
        return Trouble.FULL if verb == "file.sync" and disk.counts["file.copy_from"] else None

    disk.fail = fail
    (result,) = apply(sync, change(disk, b"file", b"new"))
    assert result.result == Result.PROBLEM
    assert disk.content(b"file") == b"old"
    assert kept(disk) == []
    assert disk.list(STAGING) == []


@pytest.mark.parametrize("kind", [Kind.FILE, Kind.SYMLINK])
def test_what_cannot_get_its_times_does_not_stay_half_made(disk: MemoryDisk, kind: Kind) -> None:
    sync = file_sync(disk)
    disk.write(b"file", b"data")
    item = change(disk, b"new", b"data")
    if kind is Kind.FILE:
        item = item._replace(data=None, copy_path=b"file")
    else:
        item = item._replace(data=None, target=item.target._replace(kind=kind, content=b"x", size=0))
    disk.fail = lambda verb, path: Trouble.IO if verb.endswith("set_meta") else None
    (result,) = apply(sync, item)
    assert result.result == Result.PROBLEM
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


def nowhere(_digest: bytes, _base: bytes) -> None:
    """Of an index that knows nothing."""


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
    assert found._replace(content=b"", time_ns=0, node="") == result.version._replace(content=b"", time_ns=0, node="")
    assert found.content == blake3(b"old").digest()
    assert abs(found.time_ns - result.version.time_ns) < 1000
    assert again.unlisted(lambda name: name == found.name, nowhere) == []
    (found,) = again.unlisted(lambda name: False, nowhere)
    assert found.path == b"file"


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
    assert (found.path, found.why, found.time_ns) == (b"a-b\n", Why.CONFLICT, 1_577_966_400_000_500_000)


def test_what_is_recovered_is_listed_under_the_path_that_it_had(disk: MemoryDisk) -> None:
    sync = file_sync(disk)
    disk.write(STAGING + b"/swap-old-1", b"displaced")
    paths = {blake3(b"displaced").digest(): b"folder/file"}
    (version,) = sync.recover(sync.prepare(), lambda digest: None, lambda digest, base: paths[digest])
    assert version.path == b"folder/file"
    assert version.name.endswith(b"-file")


def test_half_a_copy_is_never_in_the_history(disk: MemoryDisk) -> None:
    """What has other names is copied there; whoever dies meanwhile leaves the rest in the staging folder."""
    sync = file_sync(disk)
    disk.write(b"file", b"old")
    disk.link(b"file", b"other")
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


@pytest.mark.parametrize("change_meta", ["touch", "chmod"])
def test_whoever_touches_a_file_while_its_times_are_set_is_not_taken_for_ourselves(
    disk: MemoryDisk, change_meta: str
) -> None:
    sync = file_sync(disk)
    disk.write(b"file", b"data")

    def before(verb: str, path: bytes) -> None:
        if verb == "stat" and path == b"file" and disk.counts["set_meta"]:
            disk.before = None
            if change_meta == "touch":
                disk.touch(b"file")
            else:
                disk.chmod(b"file", 0o600)

    item = change(disk, b"file", b"data")._replace(act=Act.META, data=None)
    disk.before = before
    (result,) = apply(sync, item)
    assert disk.before is None
    assert result.result == Result.CHANGED
    assert disk.list(STAGING) == []


def test_times_that_the_file_system_cannot_hold_are_nobodys_touch() -> None:
    disk = MemoryDisk(time.time_ns, Random(1), mtimes=(MTIME + 1, MTIME + 2))
    sync = file_sync(disk)
    disk.write(b"file", b"data", MTIME + 2)
    (result,) = apply(sync, change(disk, b"file", b"data")._replace(act=Act.META, data=None))
    assert result.result == Result.DONE
    assert disk.stat(b"file").mtime == MTIME + 1  # type: ignore[union-attr]
    assert disk.list(STAGING) == []


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


def test_what_could_not_be_synced_is_not_used_again(disk: MemoryDisk) -> None:
    """The next sync of the same file would say that all is well."""
    sync = file_sync(disk)
    disk.write(b"file", b"old")
    staged = STAGING + b"/part-1"
    disk.write(staged, b"new")
    disk.fail = lambda verb, path: Trouble.IO if verb == "file.sync" else None
    item = change(disk, b"file", b"new")._replace(data=None, staged=staged)
    (result,) = apply(sync, item)
    disk.fail = None
    assert result.result == Result.PROBLEM
    assert disk.content(b"file") == b"old"
    assert disk.list(STAGING) == []


def test_what_could_not_take_its_place_is_used_again(disk: MemoryDisk) -> None:
    """Also if nobody may write into it: it is opened once more all the same. And if it went, that is no change of a user's."""
    sync = file_sync(disk)
    disk.write(b"file", b"old")
    staged = STAGING + b"/part-1"
    disk.write(staged, b"new")
    item = change(disk, b"file", b"new")
    item = item._replace(data=None, staged=staged, target=item.target._replace(mode=0o444))
    disk.fail = lambda verb, path: Trouble.DENIED if verb == "exchange" else None
    (result,) = apply(sync, item)
    assert result.result == Result.PROBLEM
    disk.fail = None
    there = disk.stat(staged)
    assert there is not None
    assert there.mode == 0o600
    disk.delete(staged)
    (result,) = apply(sync, item)
    assert result.result == Result.MISSING
    disk.write(staged, b"new")
    (result,) = apply(sync, item)
    assert result.result == Result.DONE
    assert disk.stat(b"file").mode == 0o444  # type: ignore[union-attr]
    assert disk.list(STAGING) == []


def test_what_finds_no_room_is_not_even_begun(disk: MemoryDisk) -> None:
    sync = file_sync(disk)
    name = STAGING + b"/part-x"
    disk.capacity = 10_000
    begun = sync.perform(StageJob(1, name, (), 1_000_000, blake3(b"").digest()))
    assert isinstance(begun, Staged)
    assert begun.full
    assert disk.stat(name) is None
    begun = sync.perform(StageJob(2, name, (), 1_000, blake3(b"").digest()))
    assert isinstance(begun, Staged)
    assert (begun.written, begun.problem) == (0, "")
    sync.close()


@pytest.mark.parametrize("there", [b"old", None])
def test_whatever_takes_the_name_of_what_should_move_stays_where_its_user_put_it(
    disk: MemoryDisk, there: bytes | None
) -> None:
    """Between the last look at the source and its rename."""
    sync = file_sync(disk)
    if there is not None:
        disk.write(b"file", there)
    disk.write(b"source", b"new")
    disk.mkdir(b"folder")
    disk.write(b"folder/in", b"a user's")

    swaps = [None]

    def before(verb: str, path: bytes) -> None:
        if verb == "rename" and path == b"source" and swaps:
            swaps.pop()
            disk.move(b"source", b"elsewhere")
            disk.move(b"folder", b"source")

    source = disk.stat(b"source")
    assert source is not None
    item = change(disk, b"file", b"new")._replace(
        act=Act.MOVE, data=None, copy_path=b"source", copy_fp=fingerprint(source)
    )
    disk.before = before
    (result,) = apply(sync, item)
    assert not swaps
    assert result.result == Result.CHANGED
    assert disk.content(b"source/in") == b"a user's"
    assert disk.content(b"elsewhere") == b"new"
    assert disk.content(b"file") == there
    assert kept(disk) == []
    assert disk.list(STAGING) == []


@pytest.mark.parametrize("trouble", [False, True])
def test_what_was_written_into_ours_while_it_had_the_name_is_kept(trouble: bool) -> None:
    """The exchange brought out a save that nobody has seen. Before it is put back, its user saves again: into our file,
    as long as it was, within one tick of the clock."""
    now = MTIME // 10**10 * 10**10
    disk = MemoryDisk(lambda: now, Random(1), grain_ns=2 * 10**9)
    sync = file_sync(disk)
    disk.write(b"file", b"old")

    def before(verb: str, path: bytes) -> None:
        if verb == "exchange" and path == b"file":
            data = b"save" if disk.counts["exchange"] == 1 else b"six by"
            disk.write(path, data, replace=False)

    def fail(verb: str, path: bytes) -> Trouble | None:
        looks_again = verb == "stat" and b"/swap-" in path and disk.counts["exchange"] == 2
        if trouble and looks_again:
            disk.fail = None
            return Trouble.LIMIT
        return None

    item = change(disk, b"file", b"sixsix")
    item = item._replace(target=item.target._replace(mtime=now))
    disk.before, disk.fail = before, fail
    (result,) = apply(sync, item)
    assert result.result == (Result.PROBLEM if trouble else Result.CHANGED)
    assert disk.content(b"file") == b"save"
    assert kept(disk) == [b"six by"]
    assert disk.list(STAGING) == []


@pytest.mark.parametrize("data", [b"new", None])
@pytest.mark.parametrize("replaced", [False, True])
def test_what_cannot_be_put_back_because_its_folder_went_is_in_the_history(
    disk: MemoryDisk, data: bytes | None, replaced: bool
) -> None:
    sync = file_sync(disk)
    disk.mkdir(b"folder")
    disk.write(b"folder/file", b"old")
    saves = [b"saved"]

    def before(verb: str, path: bytes) -> None:
        if verb in ("exchange", "rename") and path == b"folder/file" and saves:
            disk.write(path, saves.pop(), replace=True)
        elif verb == "stat" and path.startswith((STAGING + b"/swap-", STAGING + b"/old-")):
            disk.delete(b"folder")
            if replaced:
                disk.symlink(b"folder", b"nowhere")
            disk.before = None

    item = change(disk, b"folder/file", data)
    disk.before = before
    (result,) = apply(sync, item)
    assert disk.before is None
    assert result.result in (Result.CHANGED, Result.PROBLEM)
    assert kept(disk) == [b"saved"]
    assert disk.list(STAGING) == []


@pytest.mark.parametrize("how", ["taken", "gone", "found"])
def test_a_folder_that_cannot_be_put_back_gets_another_name(disk: MemoryDisk, how: str) -> None:
    """A user put a folder under the name just before the exchange; then another one, or removed all around. `found`: the
    program died with it in the staging folder."""
    sync = file_sync(disk)
    disk.mkdir(b"above")
    if how == "found":
        disk.mkdir(STAGING + b"/swap-old-1")
        disk.write(STAGING + b"/swap-old-1/in", b"a user's")
        assert sync.recover(sync.prepare(), lambda digest: None) == []
        assert disk.content(b"folder.recovered-1/in") == b"a user's"
        assert disk.list(STAGING) == []
        return
    disk.write(b"above/file", b"old")
    for name in (b"first", b"second"):
        disk.mkdir(name)
        disk.write(name + b"/in", b"of the " + name)
    steps = [b"first", b"second"]

    def before(verb: str, path: bytes) -> None:
        if verb == "exchange" and path == b"above/file" and steps:
            name = steps.pop(0)
            if name == b"second" and how == "gone":
                disk.delete(b"above")
            else:
                disk.delete(path)
                disk.move(name, path)

    item = change(disk, b"above/file", b"new")
    disk.before = before
    (result,) = apply(sync, item)
    assert not steps
    assert result.result in (Result.CHANGED, Result.PROBLEM)
    everywhere = {path: entry[1] for path, entry in disk.tree().items() if entry[0] == Kind.FILE}
    if how == "gone":
        assert everywhere == {b"file.recovered-1/in": b"of the first", b"second/in": b"of the second"}
    else:
        assert sorted(everywhere.values()) == [b"of the first", b"of the second"]
        assert {path.rpartition(b"/")[0] for path in everywhere} == {b"above/file", b"above/file.recovered-1"}
    assert disk.list(STAGING) == []


class Watched(MemoryDisk):
    """Notes the order of the names of each exchange."""

    exchanges: list[tuple[bytes, bytes]]

    def exchange(self, mine: bytes, theirs: bytes) -> None:
        self.exchanges.append((mine, theirs))
        super().exchange(mine, theirs)


def watched() -> Watched:
    disk = Watched(time.time_ns, Random(1))
    disk.exchanges = []
    return disk


def test_what_is_replaced_is_named_first() -> None:
    """So whoever watches the folder hears last that the name is there."""
    disk = watched()
    disk.write(b"file", b"old")
    disk.write(b"source", b"moved")
    sync = file_sync(disk)
    apply(sync, change(disk, b"file", b"new"))
    source = disk.stat(b"source")
    assert source is not None
    item = change(disk, b"file", b"moved")._replace(
        act=Act.MOVE, data=None, copy_path=b"source", copy_fp=fingerprint(source)
    )
    apply(sync, item)
    assert disk.content(b"file") == b"moved"
    assert [mine for mine, _ in disk.exchanges] == [b"file", b"file"]


@pytest.mark.parametrize("written_meanwhile", [False, True])
def test_what_went_to_the_history_comes_out_of_it_as_it_was(written_meanwhile: bool) -> None:
    disk = watched()
    disk.write(b"old", b"content")
    before = disk.stat(b"old")
    assert before is not None
    sync = file_sync(disk)
    (removed,) = apply(sync, change(disk, b"old", None))
    assert removed.version is not None
    if written_meanwhile:
        disk.write(removed.version.name, b"written by whoever had it open")
    item = change(disk, b"new", b"content")._replace(
        act=Act.MOVE, data=None, copy_path=removed.version.name, copy_fp=fingerprint(before)
    )
    (moved,) = apply(sync, item)
    if written_meanwhile:
        assert moved.result is Result.MISSING
        assert disk.content(removed.version.name) == b"written by whoever had it open"
        return
    now = disk.stat(b"new")
    assert moved.result is Result.DONE
    assert now is not None
    assert now.inode == before.inode
    assert disk.content(removed.version.name) is None


def test_what_came_out_of_the_history_goes_back_where_it_cannot_get_its_time() -> None:
    """Else the name would hold what nobody at this node has put there."""
    disk = watched()
    disk.write(b"old", b"content")
    before = disk.stat(b"old")
    assert before is not None
    sync = file_sync(disk)
    (removed,) = apply(sync, change(disk, b"old", None))
    assert removed.version is not None
    disk.fail = lambda verb, path: Trouble.IO if verb == "set_meta" and path == b"new" else None
    item = change(disk, b"new", b"content")._replace(
        act=Act.MOVE, data=None, copy_path=removed.version.name, copy_fp=fingerprint(before)
    )
    (moved,) = apply(sync, item)
    assert moved.result is Result.PROBLEM
    assert disk.content(b"new") is None
    assert disk.content(removed.version.name) == b"content"


def test_what_a_move_displaced_is_told_also_where_its_time_cannot_be_set() -> None:
    disk = watched()
    disk.write(b"file", b"before")
    disk.write(b"source", b"moved")
    sync = file_sync(disk)
    source = disk.stat(b"source")
    assert source is not None
    disk.fail = lambda verb, path: Trouble.IO if verb == "set_meta" and path == b"file" else None
    item = change(disk, b"file", b"moved")._replace(
        act=Act.MOVE, data=None, copy_path=b"source", copy_fp=fingerprint(source)
    )
    (moved,) = apply(sync, item)
    assert moved.result is Result.PROBLEM
    assert moved.version is not None
    assert disk.content(moved.version.name) == b"before"


def test_a_folder_that_takes_the_place_of_another_one_meanwhile_is_not_taken_for_it(disk: MemoryDisk) -> None:
    sync = file_sync(disk)
    disk.mkdir(b"folder")
    disk.mkdir(b"other")
    disk.write(b"other/file", b"not listed")
    there = disk.stat(b"folder")
    assert there is not None

    def before(verb: str, path: bytes) -> None:
        if verb == "set_meta":
            disk.before = None
            disk.delete(b"folder")
            disk.move(b"other", b"folder")

    target = Record(b"folder", Kind.DIRECTORY, 0, b"", MTIME, 0o700, Stamp(MTIME, "peer"), (("peer", 1),))
    disk.before = before
    (result,) = apply(sync, ApplyItem(b"folder", Act.META, target, fingerprint(there), Why.REPLACED, None, mode=0o700))
    assert disk.before is None
    assert result.result is Result.CHANGED


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
