"""The next start: what the last run left in the staging folder."""

from __future__ import annotations

import pytest
from blake3 import blake3

from dir_sync.core.jobs import Looked, LookJob
from dir_sync.core.looks import LookItem, LookOutcome, Seen
from dir_sync.core.model import fingerprint
from dir_sync.core.names import STAGING
from dir_sync.file_sync import FileSync
from dir_sync.ports import DiskError, Trouble
from tests.files.tools import file_sync, kept
from tests.sim.memory_disk import MemoryDisk


def test_what_is_recovered_is_listed_under_the_path_that_it_had(disk: MemoryDisk) -> None:
    sync = file_sync(disk)
    disk.write(STAGING + b"/swap-old-1", b"displaced")
    paths = {blake3(b"displaced").digest(): b"folder/file"}
    (version,) = sync.recover(sync.prepare(), lambda digest: None, lambda digest, base: paths[digest])
    assert version.path == b"folder/file"
    assert version.name.endswith(b"-file")


def test_what_is_recovered_is_listed_also_if_the_disk_cannot_be_synced(disk: MemoryDisk) -> None:
    """It is in the history, and no later start looks there if this run ends well."""
    sync = file_sync(disk)
    disk.write(STAGING + b"/swap-old-1", b"displaced")
    disk.fail = lambda verb, path: Trouble.IO if verb == "sync_all" else None
    (version,) = sync.recover(sync.prepare(), lambda digest: None)
    assert disk.content(version.name) == b"displaced"


@pytest.mark.parametrize("verb", ["append", "remove_file"])
def test_what_was_kept_of_a_growing_file_is_listed_whatever_fails_next(disk: MemoryDisk, verb: str) -> None:
    """The file cannot be cut back, or its note cannot be removed."""
    sync = file_sync(disk)
    disk.write(b"f", b"12345 and mine", 77)
    was, will = blake3(b"12345").hexdigest().encode(), blake3(b"1234567890").hexdigest().encode()
    disk.make_link(STAGING + b"/grow-1", b"5 420 5 10 420 6 %s %s f" % (was, will))
    disk.fail = lambda asked, path: Trouble.IO if asked == verb and path in (b"f", STAGING + b"/grow-1") else None
    (version,) = sync.recover(sync.prepare(), lambda digest: None)
    assert version.path == b"f"
    assert disk.content(version.name) == b"12345 and mine"
    assert kept(disk) == [b"12345 and mine"]


def half_grown(disk: MemoryDisk, mtime: int = 5) -> tuple[bytes, bytes]:
    """A file that grew when the last run ended. Returns what the index has: content and fingerprint."""
    disk.write(b"f", b"12345", 5, mode=0o644)
    before = disk.stat(b"f")
    assert before is not None
    was, will = blake3(b"12345").digest(), blake3(b"1234567890")
    file = disk.hold(b"f")
    file.write(5, b"678")
    file.close()
    disk.touch(b"f", mtime)
    disk.make_link(STAGING + b"/grow-1", b"5 420 5 10 420 6 %s %s f" % (was.hex().encode(), will.hexdigest().encode()))
    return was, fingerprint(before)


def looked(sync: FileSync) -> Seen:
    event = sync.perform(LookJob((LookItem(b"f", b"", b"", None, False, True),)))
    assert isinstance(event, Looked)
    return event.items[0]


@pytest.mark.parametrize("verb", ["append", "file.truncate", "file.set_meta", "file.sync", "file.read"])
def test_a_growth_that_cannot_be_undone_is_no_version_before_it_is(disk: MemoryDisk, verb: str) -> None:
    """Whatever part of it was done: peers would get it as an edit of a user."""
    sync = file_sync(disk)
    known = half_grown(disk)
    disk.fail = lambda asked, path: Trouble.LIMIT if asked == verb else None
    assert sync.recover(sync.prepare(), lambda digest: None, file_at=lambda path: known) == []
    assert looked(sync).look in (LookOutcome.UNSTABLE, LookOutcome.UNKNOWN)
    disk.fail = None
    seen = looked(sync)
    assert (seen.look, seen.content, seen.mtime) == (LookOutcome.FOUND, known[0], 5)
    assert disk.list(STAGING) == []


def test_what_a_user_appended_before_a_growth_could_be_undone_stays(disk: MemoryDisk) -> None:
    sync = file_sync(disk)
    known = half_grown(disk)
    disk.fail = lambda asked, path: Trouble.LIMIT if asked == "append" else None
    assert sync.recover(sync.prepare(), lambda digest: None, file_at=lambda path: known) == []
    file = disk.hold(b"f")
    file.write(8, b" mine")
    file.close()
    disk.fail = None
    assert looked(sync).content == blake3(b"12345678 mine").digest()
    assert disk.list(STAGING) == []


def test_what_was_kept_before_is_cut_off_later(disk: MemoryDisk) -> None:
    sync = file_sync(disk)
    known = half_grown(disk, mtime=77)
    disk.fail = lambda asked, path: Trouble.LIMIT if asked == "append" else None
    (version,) = sync.recover(sync.prepare(), lambda digest: None, file_at=lambda path: known)
    assert disk.content(version.name) == b"12345678"
    disk.fail = None
    assert looked(sync).content == known[0]
    assert kept(disk) == [b"12345678"]


@pytest.mark.parametrize("verb", ["create", "file.read", "file.sync", "rename", "append", "file.set_meta"])
def test_one_error_at_the_start_does_not_make_a_growth_a_version(disk: MemoryDisk, verb: str) -> None:
    """What was written last has a time of its own, so it may be a user's: no later look can list a copy of it."""
    sync = file_sync(disk)
    known = half_grown(disk, mtime=77)
    failed: list[bytes] = []

    def fail(asked: str, path: bytes) -> Trouble | None:
        if asked != verb or failed:
            return None
        failed.append(path)
        return Trouble.IO

    disk.fail = fail
    (version,) = sync.recover(sync.prepare(), lambda digest: None, file_at=lambda path: known)
    assert failed
    assert disk.content(version.name) == b"12345678"
    assert kept(disk) == [b"12345678"]
    seen = looked(sync)
    assert (seen.look, seen.content, seen.mtime) == (LookOutcome.FOUND, known[0], 5)


def test_a_note_that_is_not_removed_at_once_undoes_nothing_later(disk: MemoryDisk) -> None:
    sync = file_sync(disk)
    known = half_grown(disk)
    disk.fail = lambda asked, path: Trouble.IO if asked == "remove_file" else None
    assert sync.recover(sync.prepare(), lambda digest: None, file_at=lambda path: known) == []
    assert looked(sync).content == known[0]
    file = disk.hold(b"f")
    file.write(5, b" mine")
    file.close()
    disk.fail = None
    assert looked(sync).content == blake3(b"12345 mine").digest()
    assert disk.list(STAGING) == []


def test_a_note_that_cannot_be_read_stops_the_start(disk: MemoryDisk) -> None:
    """Nobody knows which file must not be looked at."""
    sync = file_sync(disk)
    half_grown(disk)
    disk.fail = lambda asked, path: Trouble.LIMIT if asked == "read_link" else None
    with pytest.raises(DiskError):
        sync.recover(sync.prepare(), lambda digest: None)
    assert disk.list(STAGING) != []
