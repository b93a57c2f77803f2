"""Moves: what is not what it was stays where its user put it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from random import Random

import pytest
from blake3 import blake3

from dir_sync.core.attributes import Attributes, Owner
from dir_sync.core.jobs import Applied, ApplyItem, ApplyJob, Cause, Result
from dir_sync.core.looks import RACY
from dir_sync.core.model import fingerprint
from dir_sync.core.names import STAGING
from dir_sync.core.preserve import ON_ENTRIES
from dir_sync.disk.spelling import SpelledDisk
from dir_sync.engine.values import got_meta
from dir_sync.file_sync import FileSync
from dir_sync.ports import Trouble
from tests.files.tools import MTIME, apply, change, file_sync, kept, move, watched
from tests.sim.memory_disk import Fail, MemoryDisk


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
    item = move(disk, b"file", b"new", b"source", source)
    disk.before = before
    (result,) = apply(sync, item)
    assert not swaps
    assert result.result == Result.CHANGED
    assert disk.content(b"source/in") == b"a user's"
    assert disk.content(b"elsewhere") == b"new"
    assert disk.content(b"file") == there
    assert kept(disk) == []
    assert disk.list(STAGING) == []


@pytest.mark.parametrize("is_dated", [False, True])
def test_what_a_user_made_where_nothing_was_expected_stays_beside_what_should_move(
    disk: MemoryDisk, is_dated: bool
) -> None:
    sync = file_sync(disk)
    disk.write(b"source", b"content", None if is_dated else MTIME)
    source = disk.stat(b"source")
    assert source is not None
    item = move(disk, b"file", b"content", b"source", source)._replace(expect=b"")
    disk.write(b"file", b"a user's")
    (result,) = apply(sync, item)
    assert result.result == Result.CHANGED
    assert disk.content(b"file") == b"a user's"
    assert disk.content(b"source") == b"content"
    assert kept(disk) == []
    assert disk.list(STAGING) == []


@pytest.mark.parametrize("there", [b"old", None])
@pytest.mark.parametrize("is_dated", [False, True])
def test_what_is_as_large_and_as_old_as_what_should_move_stays(
    disk: MemoryDisk, there: bytes | None, is_dated: bool
) -> None:
    """cp -p between the last look at the source and its rename. `is_dated`: the move also sets another time."""
    sync = file_sync(disk)
    if there is not None:
        disk.write(b"file", there)
    disk.write(b"source", b"new", None if is_dated else MTIME)

    def before(verb: str, path: bytes) -> None:
        if verb == "rename" and path == b"source" and disk.content(b"source") == b"new":
            assert source is not None
            disk.write(b"source", b"own", source.mtime)

    source = disk.stat(b"source")
    assert source is not None
    item = move(disk, b"file", b"new", b"source", source)
    disk.before = before
    (result,) = apply(sync, item)
    assert result.result is Result.CHANGED
    assert (disk.content(b"source"), disk.content(b"file")) == (b"own", there)
    assert kept(disk) == []
    assert disk.list(STAGING) == []


@pytest.mark.parametrize("there", [b"old", None])
@pytest.mark.parametrize("is_readable", [False, True])
def test_what_moves_and_cannot_be_read_is_to_be_read_again(
    disk: MemoryDisk, there: bytes | None, is_readable: bool
) -> None:
    """It has another's content, maybe: a program wrote as many bytes with the old time."""
    sync = file_sync(disk)
    if there is not None:
        disk.write(b"file", there)
    disk.write(b"source", b"new", MTIME)
    source, inode = disk.stat(b"source"), disk._find(b"source")
    assert source is not None
    assert inode is not None
    if not is_readable:
        disk.unreadable.add(inode.number)
    (result,) = apply(sync, move(disk, b"file", b"new", b"source", source))
    now = disk.stat(b"file")
    assert now is not None
    assert result.result is Result.DONE
    assert result.fp == fingerprint(now) + (b"" if is_readable else RACY)


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
    item = move(disk, b"new", b"content", removed.version.name, before)
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
    failing = [True]
    disk.fail = lambda verb, _: Trouble.IO if verb == "set_meta" and failing and failing.pop() else None
    item = move(disk, b"new", b"content", removed.version.name, before)
    (moved,) = apply(sync, item)
    assert not failing
    assert moved.result is Result.PROBLEM
    assert disk.content(b"new") is None
    assert disk.content(removed.version.name) == b"content"
    now = disk.stat(removed.version.name)
    assert now is not None
    assert now.mtime == before.mtime


@pytest.mark.parametrize(
    ("is_version", "is_others", "is_lasting"),
    [(True, False, False), (True, False, True), (True, True, False), (False, False, False), (False, True, False)],
)
def test_what_moves_has_its_mode_and_time_at_its_new_name_whatever_fails(
    is_version: bool, is_others: bool, is_lasting: bool
) -> None:
    """Else the next look takes it for what a user put there. `is_others`: the file is another user's. `is_lasting`: whatever
    comes after the first failure fails, too, so that nothing can be undone."""
    for at in range(100):
        disk = watched()
        sync = file_sync(disk)
        disk.write(b"source", b"content", MTIME - 1)
        disk.chmod(b"source", 0o600)
        before, source = disk.stat(b"source"), b"source"
        assert before is not None
        if is_version:
            (removed,) = apply(sync, change(disk, b"source", None))
            assert removed.version is not None
            source = removed.version.name
        if is_others:
            disk.others.add(before.inode)
        calls = 0

        def fail(_verb: str, path: bytes, at: int = at) -> Trouble | None:
            nonlocal calls
            calls += 1
            return Trouble.DENIED if calls - 1 == at or (is_lasting and calls > at) else None

        item = move(disk, b"new", b"content", source, before)
        disk.fail = fail
        (moved,) = apply(sync, item)
        disk.fail = None
        now, old = disk.stat(b"new"), disk.stat(source)
        if now is not None:
            assert (now.mode, now.mtime) == (0o644, MTIME), at
            assert disk.content(b"new") == b"content"
        if old is not None:
            assert (old.mode, old.mtime) == (before.mode, before.mtime), at
            assert disk.content(source) == b"content"
        if calls <= at:
            assert moved.result is Result.DONE
            return
        staged = disk.list(STAGING)
        assert now is not None or old is not None or (is_lasting and staged), "it is somewhere"
    pytest.fail("it never comes")


def test_what_only_changes_its_spelling_is_not_left_in_the_staging_folder() -> None:
    """It has a name there for a moment, where the disk takes the two names for one."""
    disk = MemoryDisk(time.time_ns, Random(1), fold=bytes.lower)
    disk.write(b"source", b"content", MTIME)
    before = disk.stat(b"source")
    assert before is not None
    sync = file_sync(SpelledDisk(disk, everywhere=True, keeps=True))
    item = move(disk, b"SOURCE", b"content", b"source", before)._replace(expect=b"")
    failed = []

    def fail(verb: str, path: bytes) -> Trouble | None:
        if verb != "stat" or not path.startswith(STAGING + b"/swap") or failed:
            return None
        failed.append(path)
        return Trouble.IO

    disk.fail = fail
    (moved,) = apply(sync, item)
    assert failed
    assert moved.result is Result.PROBLEM
    assert disk.content(b"source") == b"content"
    assert disk.list(STAGING) == []


def out_of_the_history(disk: MemoryDisk, sync: FileSync) -> tuple[ApplyItem, bytes]:
    """The move of a version to `file`, and the name of the version."""
    disk.write(b"old", b"version", MTIME)
    before = disk.stat(b"old")
    assert before is not None
    (removed,) = apply(sync, change(disk, b"old", None))
    assert removed.version is not None
    return move(disk, b"file", b"version", removed.version.name, before), removed.version.name


def test_what_a_program_writes_into_another_users_version_while_that_is_copied_is_kept(disk: MemoryDisk) -> None:
    """It has had the file open since before that was displaced."""
    sync = file_sync(disk)
    item, version = out_of_the_history(disk, sync)
    found = disk.stat(version)
    assert found is not None
    item = item._replace(target=item.target._replace(mode=0o600), copy_fp=fingerprint(found))
    disk.others.add(found.inode)
    late = [disk.hold(version)]

    def before(verb: str, path: bytes) -> None:
        if verb == "rename" and path == b"file" and late:
            late.pop().write(len(b"version"), b" and more")

    disk.before = before
    done = sync.perform(ApplyJob((item,)))
    assert isinstance(done, Applied)
    assert not late
    assert done.items[0].result is Result.DONE
    assert disk.content(b"file") == b"version"
    (rescued,) = done.rescued
    assert (rescued.why, rescued.path) == (Cause.RECOVERED, b"file")
    assert kept(disk) == [b"version and more"]
    assert disk.stat(version) is None


def save_with_its_time(disk: MemoryDisk, data: bytes) -> None:
    """A user saves `file`; it keeps its time."""
    there = disk.stat(b"file")
    assert there is not None
    disk.write(b"file", data, there.mtime)


@pytest.mark.parametrize("is_dated", [False, True])
def test_what_a_user_writes_into_a_version_that_came_out_of_the_history_is_no_version(
    disk: MemoryDisk, is_dated: bool
) -> None:
    """It had the name of the file while what the user had saved before was put back. As large and as old as it was, it would
    count as the content that the history lists. `is_dated`: the move also sets another time."""
    sync = file_sync(disk)
    disk.write(b"file", b"before")
    item, name = out_of_the_history(disk, sync)
    if is_dated:
        item = item._replace(target=item.target._replace(mtime=MTIME + 1_000))
    saves = [b"saved 1", b"saved 2"]

    def before(verb: str, path: bytes) -> None:
        if verb == "exchange" and path == b"file" and saves:
            save_with_its_time(disk, saves.pop(0))

    disk.before = before
    done = sync.perform(ApplyJob((item,)))
    disk.before = None
    assert isinstance(done, Applied)
    assert not saves
    assert [result.result for result in done.items] == [Result.CHANGED]
    assert disk.content(b"file") == b"saved 1"
    assert disk.content(name) is None, "it is not there any more"
    (version,) = done.rescued
    assert (version.path, version.why) == (b"file", Cause.RECOVERED)
    assert version.content == blake3(b"saved 2").digest()
    assert kept(disk) == [b"saved 2"]


def saved_twice(disk: MemoryDisk, sync: FileSync, is_dated: bool, then: Callable[[], None] = lambda: None) -> Applied:
    """A file of the tree moves to `file`. Before that has its name, and again before what was there is put back, a user saves
    `file`, without another time. `then`: what comes right after that."""
    disk.write(b"file", b"before")
    disk.write(b"source", b"moving!", MTIME - 1 if is_dated else MTIME)
    source = disk.stat(b"source")
    assert source is not None
    saves = [b"saved 1", b"saved 2"]

    def before(verb: str, path: bytes) -> None:
        if verb == "exchange" and path == b"file" and saves:
            save_with_its_time(disk, saves.pop(0))
        elif verb == "stat" and path.startswith(STAGING) and not saves:
            disk.before = None
            then()

    disk.before = before
    done = sync.perform(ApplyJob((move(disk, b"file", b"moving!", b"source", source),)))
    assert disk.before is None
    assert isinstance(done, Applied)
    return done


@pytest.mark.parametrize("is_dated", [False, True])
def test_what_a_user_saves_into_what_moves_keeps_the_name_it_was_saved_at(disk: MemoryDisk, is_dated: bool) -> None:
    """The move is undone, for what a user had saved just before. Under its old name, the latest save would be announced as one
    of another file. `is_dated`: the move also sets another time."""
    done = saved_twice(disk, file_sync(disk), is_dated)
    assert [result.result for result in done.items] == [Result.CHANGED]
    assert disk.content(b"file") == b"saved 2"
    assert disk.content(b"source") is None
    (version,) = done.rescued
    assert (version.path, version.why, version.content) == (b"file", Cause.RECOVERED, blake3(b"saved 1").digest())
    assert kept(disk) == [b"saved 1"]
    assert disk.list(STAGING) == []


@pytest.mark.parametrize("is_folder", [False, True])
def test_what_a_user_saved_into_what_moves_is_kept_if_its_name_goes_meanwhile(
    disk: MemoryDisk, is_folder: bool
) -> None:
    """`is_folder`: a folder takes it."""

    def then() -> None:
        disk.delete(b"file")
        if is_folder:
            disk.mkdir(b"file")

    done = saved_twice(disk, file_sync(disk), False, then)
    assert (disk.content(b"file"), disk.content(b"source")) == (None, None)
    assert (disk.stat(b"file") is not None) == is_folder
    assert [(version.path, version.why) for version in done.rescued] == [(b"file", Cause.RECOVERED)]
    assert kept(disk) == [b"saved 2"]


def test_what_a_user_saves_into_what_moves_is_kept_whatever_fails_once() -> None:
    """In the staging folder, the next start finds it."""
    for at in range(100):
        disk = watched()
        calls = 0

        def fail(_verb: str, _path: bytes, at: int = at) -> Trouble | None:
            nonlocal calls
            calls += 1
            return Trouble.IO if calls - 1 == at else None

        def then(disk: MemoryDisk = disk, fail: Fail = fail) -> None:
            disk.fail = fail

        saved_twice(disk, file_sync(disk), False, then)
        disk.fail = None
        there = [content for _, content, *_ in disk.tree().values()]
        staged = [disk.content(STAGING + b"/" + name) for name, _ in disk.list(STAGING) or []]
        assert Counter([*there, *kept(disk), *staged]) == Counter([b"saved 1", b"saved 2"]), at
        if calls <= at:
            return
    pytest.fail("it never comes")


@pytest.mark.parametrize("replaces", [False, True])
@pytest.mark.parametrize("is_dated", [False, True])
@pytest.mark.parametrize("fails", [False, True])
def test_what_a_user_saves_at_the_new_name_of_a_version_stays_there(
    disk: MemoryDisk, replaces: bool, is_dated: bool, fails: bool
) -> None:
    """In the history, it would be listed as what it is not. `is_dated`: the move also sets another time. `fails`: what
    looks at the user's file."""
    sync = file_sync(disk)
    item, name = out_of_the_history(disk, sync)
    if is_dated:
        item = item._replace(target=item.target._replace(mtime=MTIME + 1_000))
    saved = []

    def before(verb: str, path: bytes) -> None:
        if (verb, path) == ("stat", b"file") and disk.content(b"file") == b"version" and not saved:
            disk.write(b"file", b"a user\xb4s", MTIME, replace=replaces)
            saved.append(path)

    def fail(verb: str, path: bytes) -> Trouble | None:
        if not (fails and saved and (verb, path) == ("stat", b"file")):
            return None
        disk.fail = None
        return Trouble.LIMIT

    disk.before = before
    disk.fail = fail
    (result,) = apply(sync, item)
    disk.before = disk.fail = None
    assert saved
    assert result.result is (Result.PROBLEM if fails else Result.CHANGED)
    assert disk.content(b"file") == b"a user\xb4s"
    assert disk.content(name) is None
    assert kept(disk) == []


def test_a_version_that_cannot_have_its_name_back_is_one_of_the_path_it_was_for(disk: MemoryDisk) -> None:
    """The folder of its day went meanwhile. The history lists paths of the tree."""
    sync = file_sync(disk)
    disk.write(b"file", b"before")
    item, name = out_of_the_history(disk, sync)

    def before(verb: str, path: bytes) -> None:
        if verb == "exchange" and path == b"file" and disk.content(path) == b"before":
            disk.delete(name.rpartition(b"/")[0])
            disk.write(b"file", b"saved")

    disk.before = before
    done = sync.perform(ApplyJob((item,)))
    assert isinstance(done, Applied)
    assert disk.content(b"file") == b"saved"
    (version,) = done.rescued
    assert (version.path, version.content) == (b"file", item.target.content)


@pytest.mark.parametrize(
    ("verb", "written"),
    [("set_meta", False), ("set_meta", True), ("exchange", False), ("exchange", True), ("rename", False)],
)
def test_what_should_take_the_place_of_a_file_goes_back_as_it_was_after_any_failure(verb: str, written: bool) -> None:
    """Else one of the two names would hold what looks like a change of a user. "rename": of what was displaced."""
    disk = watched()
    disk.write(b"file", b"before")
    disk.write(b"source", b"moved")
    disk.chmod(b"source", 0o600)
    sync = file_sync(disk)
    source = disk.stat(b"source")
    assert source is not None

    def fail(made: str, path: bytes) -> Trouble | None:
        is_it = made == verb and path.startswith(b".dir_sync/staging/swap")
        if not is_it:
            return None
        disk.fail = None
        if written:
            disk.write(path, b"other")
        return Trouble.IO

    disk.fail = fail
    item = move(disk, b"file", b"moved", b"source", source)
    (moved,) = apply(sync, item)
    assert disk.fail is None
    assert moved.result is Result.PROBLEM
    assert disk.content(b"file") == b"before"
    assert kept(disk) == []
    there = disk.stat(b"source")
    assert there is not None
    if written:
        assert disk.content(b"source") == b"other"
        assert there.mtime not in (source.mtime, MTIME), "the next look has to see that"
    else:
        assert there._replace(ctime=0) == source._replace(ctime=0)


@pytest.mark.parametrize(("there", "is_dated"), [(b"before", True), (b"before", False), (None, True)])
def test_what_does_not_move_has_its_attributes_as_before(disk: MemoryDisk, there: bytes | None, is_dated: bool) -> None:
    """Else they would look like a change of a user. `is_dated`: the move also sets another time."""
    disk.kept_parts = ON_ENTRIES
    if there is not None:
        disk.write(b"file", there)
    disk.write(b"source", b"moved", None if is_dated else MTIME)
    had = Attributes(Owner("anna", 1, "anna", 1), ((), ()), ((b"user.a", b"1"),))
    disk.change_attributes(b"source", **had._asdict())
    sync = file_sync(disk)
    source = disk.stat(b"source")
    assert source is not None
    verb = "exchange" if there is not None else "set_meta"
    failed = []

    def fail(made: str, path: bytes) -> Trouble | None:
        if (made, path) != (verb, b"file"):
            return None
        failed.append(made)
        return Trouble.IO

    item = move(disk, b"file", b"moved", b"source", source)
    wanted = Attributes(Owner("ben", 2, "ben", 2), None, ((b"user.b", b"2"),))
    disk.fail = fail
    (moved,) = apply(sync, item._replace(target=item.target._replace(attributes=wanted)))
    disk.fail = None
    assert failed
    assert moved.result is Result.PROBLEM
    assert disk.content(b"file") == there
    assert disk.read_attributes(b"source", None) == had


def test_what_takes_the_place_of_a_file_has_its_mode_and_time_before_it_has_the_name() -> None:
    """A power cut in between leaves nothing that looks like a change of a user."""
    disk = watched()
    disk.write(b"file", b"before")
    disk.write(b"source", b"moved")
    disk.chmod(b"source", 0o600)
    sync = file_sync(disk)
    source = disk.stat(b"source")
    assert source is not None
    found = []

    def before(verb: str, path: bytes) -> None:
        _, content, mode, mtime = disk.tree()[b"file"]
        if content == b"moved":
            found.append((mode, mtime))

    item = move(disk, b"file", b"moved", b"source", source)
    disk.before = before
    (moved,) = apply(sync, item)
    disk.before = None
    assert moved.result is Result.DONE
    assert set(found) == {(item.target.mode, item.target.mtime)}
    assert kept(disk) == [b"before"]


def test_who_changes_the_mode_of_what_has_just_moved_is_seen_by_the_next_look(disk: MemoryDisk) -> None:
    """Otherwise the new mode would count as what we made, and nobody would ever be told of it."""
    sync = file_sync(disk)
    disk.write(b"source", b"new", MTIME, mode=0o644)
    source = disk.stat(b"source")
    assert source is not None

    def before(verb: str, path: bytes) -> None:
        if verb == "stat" and path == b"file" and disk.content(b"file") is not None:
            disk.before = None
            disk.chmod(b"file", 0o600)

    item = move(disk, b"file", b"new", b"source", source)
    disk.before = before
    (result,) = apply(sync, item)
    stat = disk.stat(b"file")
    assert stat is not None
    assert stat.mode == 0o600
    assert result.result == Result.DONE
    assert got_meta(result.fp) == (MTIME, 0o644)


@pytest.mark.parametrize("there", [b"before", None])
def test_what_moved_and_cannot_have_its_attributes_yet_is_looked_at(disk: MemoryDisk, there: bytes | None) -> None:
    """Otherwise what it lacks would be announced as removed."""
    disk.kept_parts = ON_ENTRIES
    if there is not None:
        disk.write(b"file", there)
    disk.write(b"source", b"moved", MTIME)
    sync = file_sync(disk)
    source = disk.stat(b"source")
    assert source is not None
    item = move(disk, b"file", b"moved", b"source", source)
    wanted = Attributes(Owner("ben", 2, "ben", 2), None, ((b"user.b", b"2"),))
    disk.fail = lambda verb, path: Trouble.LIMIT if verb == "set_attributes" else None
    (moved,) = apply(sync, item._replace(target=item.target._replace(attributes=wanted)))
    disk.fail = None
    assert moved.result is Result.CHANGED
    assert disk.content(b"file") == b"moved"
    assert kept(disk) == ([] if there is None else [there])
    assert (moved.version is None) == (there is None), "what was displaced is listed"
