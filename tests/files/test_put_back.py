"""What we took and nobody had seen gets its name again, or another, or is in the history."""

from __future__ import annotations

from random import Random

import pytest

from dir_sync.core.jobs import Result
from dir_sync.core.model import Kind
from dir_sync.core.names import HISTORY, STAGING
from dir_sync.ports import Trouble
from tests.files.tools import apply, change, file_sync, kept
from tests.sim.memory_disk import MemoryDisk


class Saves:
    """Counts how often a verb reaches b"file". Before it does so for the `at`-th time, a user saves another file there; if
    that `settles`, it is on the medium at once."""

    def __init__(self, disk: MemoryDisk, verb: str, at: int, data: bytes, settles: bool = False) -> None:
        self._disk, self._verb, self._at, self._data, self._settles = disk, verb, at, data, settles
        self.times = 0

    def __call__(self, verb: str, path: bytes) -> None:
        if verb == self._verb and path == b"file":
            self.times += 1
            if self.times == self._at:
                self._disk.write(path, self._data, replace=True)
                if self._settles:
                    self._disk.settle()


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


@pytest.mark.parametrize("how", ["no room for a copy", "a sync fails once", "a rename fails once"])
def test_a_users_file_without_a_name_is_in_the_history_at_once(disk: MemoryDisk, how: str) -> None:
    """Our file took its place, and then a user put another one there. It must not wait in the staging folder for the
    next start. It has another hard link, so it would be copied if there were room."""
    sync = file_sync(disk)
    disk.write(b"file", b"old")
    if how == "no room for a copy":
        disk.give_name(b"file", b"link")
    item = change(disk, b"file", b"new")
    seen = Saves(disk, "exchange", 2, b"a user's")

    def fail(verb: str, path: bytes) -> Trouble | None:
        if how == "no room for a copy":
            return Trouble.FULL if verb == "create" and seen.times else None
        if how == "a sync fails once":
            is_it = verb == "sync_directory" and path == HISTORY
        else:
            is_it = verb == "rename" and seen.times == 3
        # the first verb of the history fails, so the exchange is undone; what fails once later must not end that
        if is_it or (verb == "rename" and seen.times == 1 and path.startswith(HISTORY)):
            if seen.times == 3:
                disk.fail = None
            return Trouble.IO
        return None

    disk.before, disk.fail = seen, fail
    (result,) = apply(sync, item)
    disk.before = disk.fail = None
    assert seen.times == 3
    assert result.result is Result.PROBLEM
    assert disk.content(b"file") == b"a user's"
    assert kept(disk) == [b"old"]
    assert disk.list(STAGING) == []


def test_a_rename_that_took_what_nobody_had_seen_is_undone_though_it_fails_once(disk: MemoryDisk) -> None:
    sync = file_sync(disk)
    disk.write(b"file", b"old")
    item = change(disk, b"file", None)
    seen = Saves(disk, "rename", 1, b"saved")

    def fail(verb: str, path: bytes) -> Trouble | None:
        return Trouble.IO if verb == "rename" and seen.times == 2 else None

    disk.before, disk.fail = seen, fail
    (result,) = apply(sync, item)
    disk.before = disk.fail = None
    assert seen.times == 3
    assert result.result is Result.CHANGED
    assert disk.content(b"file") == b"saved"
    assert disk.list(STAGING) == []


@pytest.mark.parametrize("seed", range(8))
def test_what_was_put_back_has_its_name_for_good_whatever_fails_next(disk: MemoryDisk, seed: int) -> None:
    """A look finds it there, and peers are told of it: no power cut may bring our file back to its name."""
    disk.rng = Random(seed)
    sync = file_sync(disk)
    disk.write(b"file", b"old")
    item = change(disk, b"file", b"new")
    seen = Saves(disk, "exchange", 1, b"saved", settles=True)
    failures = [Trouble.DENIED]
    disk.before = seen
    disk.fail = lambda verb, path: failures.pop() if verb == "stat" and seen.times == 2 and failures else None
    (result,) = apply(sync, item)
    assert result.result == Result.PROBLEM
    assert not failures
    disk.before = disk.fail = None
    disk.crash()
    assert disk.content(b"file") == b"saved"
