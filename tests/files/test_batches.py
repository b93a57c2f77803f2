"""A batch of changes: what is prepared, synced, and used again if it was not installed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from blake3 import blake3

from dir_sync.core.attributes import Attributes
from dir_sync.core.jobs import Applied, ApplyItem, ApplyJob, Cause, Rechecked, RecheckJob, Result
from dir_sync.core.model import Kind, fingerprint
from dir_sync.core.names import HISTORY, STAGING
from dir_sync.core.preserve import ON_ENTRIES
from dir_sync.files.hashing import Stopped
from dir_sync.files.install import Installer
from dir_sync.ports import DiskError, Trouble
from tests.files.tools import apply, change, file_sync, kept
from tests.sim.memory_disk import MemoryDisk


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


@pytest.mark.parametrize("then", ["the look at the new file fails", "its folder cannot be synced"])
@pytest.mark.parametrize("data", [b"new", None])
def test_what_went_into_the_history_is_reported_though_the_change_fails_afterwards(
    disk: MemoryDisk, data: bytes | None, then: str
) -> None:
    """Otherwise nothing would ever list it, or give its room back."""
    sync = file_sync(disk)
    disk.mkdir(b"folder")
    disk.write(b"folder/file", b"old")
    item = change(disk, b"folder/file", data)

    was_filed = False

    def fail(verb: str, path: bytes) -> Trouble | None:
        nonlocal was_filed
        was_filed = was_filed or (verb == "rename" and path.startswith(HISTORY))
        if not was_filed:
            return None
        if then == "its folder cannot be synced":
            return Trouble.IO if verb == "sync_directory" and path == b"folder" else None
        return Trouble.LIMIT if verb == "stat" and path == b"folder/file" else None

    disk.fail = fail
    (result,) = apply(sync, item)
    disk.fail = None
    assert result.result is (Result.DONE if data is None and "look" in then else Result.PROBLEM)
    assert result.version is not None
    assert disk.content(result.version.name) == b"old"
    assert result.version.path == b"folder/file"
    assert kept(disk) == [b"old"]


def test_what_went_into_the_history_is_reported_as_what_was_at_its_own_path(disk: MemoryDisk) -> None:
    """Also if another change of the batch wanted a copy of it: it would be listed as what was at the path of that one."""
    sync = file_sync(disk)
    disk.write(b"first", b"1")
    disk.write(b"second", b"2")
    found = disk.stat(b"second")
    assert found is not None
    copy = change(disk, b"first", b"2")._replace(data=None, copy_path=b"second", copy_fp=fingerprint(found))
    was_filed = False

    def fail(verb: str, path: bytes) -> Trouble | None:
        nonlocal was_filed
        was_filed = was_filed or (verb == "rename" and path.startswith(HISTORY) and disk.content(b"second") == b"3")
        return Trouble.LIMIT if was_filed and (verb, path) == ("stat", b"second") else None

    disk.fail = fail
    first, second = apply(sync, copy, change(disk, b"second", b"3"))
    disk.fail = None
    assert second.result is Result.PROBLEM
    assert [one.version is not None and disk.content(one.version.name) for one in (first, second)] == [b"1", b"2"]
    assert [one.version is not None and one.version.path for one in (first, second)] == [b"first", b"second"]


@pytest.mark.parametrize("linked", [False, True])
def test_a_users_file_that_no_look_has_seen_is_reported_as_what_it_is(disk: MemoryDisk, linked: bool) -> None:
    """It could not have its name back, because its folder went."""
    sync = file_sync(disk)
    disk.mkdir(b"folder")
    disk.write(b"folder/file", b"old")
    item = change(disk, b"folder/file", None)

    def before(verb: str, path: bytes) -> None:
        if verb == "rename" and path == b"folder/file" and disk.content(path) == b"old":
            disk.write(path, b"a user's", replace=True)
            if linked:
                disk.give_name(path, b"link")
        elif verb == "stat" and path.startswith(STAGING + b"/old-") and disk.stat(b"folder") is not None:
            disk.delete(b"folder")

    disk.before = before
    done = sync.perform(ApplyJob((item,)))
    disk.before = None
    assert isinstance(done, Applied)
    assert [result.version for result in done.items] == [None]
    (version,) = done.rescued
    assert (version.path, version.why, version.content) == (
        b"folder/file", Cause.RECOVERED, blake3(b"a user's").digest(),
    )  # fmt: skip
    assert disk.content(version.name) == b"a user's"
    unread = version._replace(content=b"")
    assert sync.perform(RecheckJob((unread,))) == Rechecked((version,), ()), "also if it could not be read then"
    again = sync.perform(ApplyJob((change(disk, b"other", b"x"),)))
    assert isinstance(again, Applied)
    assert again.rescued == (), "it is told once"


def test_what_was_done_before_the_program_ends_is_reported(disk: MemoryDisk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the index would not know it: commands read it without a node."""
    sync = file_sync(disk)
    install = Installer.install

    def stopped(self: Any, item: ApplyItem, made: Any) -> Any:
        if item.path == b"b":
            raise Stopped
        return install(self, item, made)

    monkeypatch.setattr(Installer, "install", stopped)
    results = apply(sync, *(change(disk, name, b"content") for name in (b"a", b"b", b"c")))
    assert [(one.path, one.result) for one in results] == [
        (b"a", Result.DONE),
        (b"b", Result.CHANGED),
        (b"c", Result.CHANGED),
    ]
    assert [disk.content(name) for name in (b"a", b"b", b"c")] == [b"content", None, None]
    assert disk.list(STAGING) == []


def test_a_new_file_without_its_attributes_gets_no_name(disk: MemoryDisk) -> None:
    disk.kept_parts = ON_ENTRIES
    sync = file_sync(disk)
    wanted = Attributes(None, None, ((b"user.a", b"1"),))
    items = [change(disk, b"f%d" % number, b"data") for number in range(6)]
    items = [item._replace(target=item.target._replace(attributes=wanted)) for item in items]
    tries = iter([None, Trouble.IO, None])
    disk.fail = lambda verb, path: next(tries, None) if verb == "set_attributes" else None
    results = apply(sync, *items)
    disk.fail = None
    bad = [item.path for item, result in zip(items, results, strict=True) if result.result is not Result.DONE]
    assert len(bad) == 1
    assert {path for path in disk.tree() if path.startswith(b"f")} == {item.path for item in items} - set(bad)
    assert disk.list(STAGING) == []


def test_new_files_that_cannot_inherit_from_their_folder_get_no_name(
    disk: MemoryDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of the other folders get theirs."""
    sync = file_sync(disk)
    for folder in (b"team", b"plain"):
        disk.make_directory(folder, 0o755)
    items = [
        change(disk, b"%b/%d" % (folder, number), b"data") for number in range(3) for folder in (b"team", b"plain")
    ]

    def inherit(folder: bytes, on: Sequence[bytes]) -> None:
        assert len(on) == 3
        if folder == b"team":
            raise DiskError(Trouble.LIMIT, folder)

    monkeypatch.setattr(disk, "inherit", inherit)
    results = apply(sync, *items)
    for item, result in zip(items, results, strict=True):
        is_there = item.path.startswith(b"plain")
        assert result.result is (Result.DONE if is_there else Result.PROBLEM)
        assert (disk.stat(item.path) is not None) is is_there
    assert disk.list(STAGING) == []


@pytest.mark.parametrize("count", [1, 5])
def test_the_tree_changes_only_when_the_index_says_so(disk: MemoryDisk, count: int) -> None:
    """`may_name` is asked when the contents are written, and once. If it says no, what was written has no name."""
    sync = file_sync(disk)
    disk.write(b"f0", b"old")
    items = tuple(change(disk, b"f%d" % number, b"new") for number in range(count))
    seen: list[tuple[bytes | None, int]] = []

    def stop() -> None:
        seen.append((disk.content(b"f0"), len(disk.list(STAGING) or ())))
        raise Stopped

    with pytest.raises(Stopped):
        sync.perform(ApplyJob(items), may_name=stop)
    assert seen == [(b"old", count)]
    assert disk.content(b"f0") == b"old"
    done = sync.perform(ApplyJob(items), may_name=lambda: seen.append((disk.content(b"f0"), 0)))
    assert isinstance(done, Applied)
    assert [result.result for result in done.items] == [Result.DONE] * count
    assert seen[1:] == [(b"old", 0)]
    assert disk.content(b"f0") == b"new"
