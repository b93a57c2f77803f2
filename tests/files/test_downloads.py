"""Downloads: chunks in order, the announced digest, and continuing after a restart."""

from __future__ import annotations

import pytest
from blake3 import blake3

from dir_sync.core import limits
from dir_sync.core.jobs import Beginning, Staged, StageJob
from dir_sync.core.model import fingerprint
from dir_sync.core.names import STAGING, part_name
from dir_sync.files.downloads import Downloads
from dir_sync.files.staging import Staging
from tests.files.tools import file_sync
from tests.sim.memory_disk import MemoryDisk

CONTENT = b"0123456789" * 100
DIGEST = blake3(CONTENT).digest()
NAME = part_name(DIGEST)


def downloads(disk: MemoryDisk, tag: bytes = b"t") -> Downloads:
    if disk.stat(STAGING) is None:
        disk.mkdir(STAGING)
    return Downloads(disk, Staging(disk, tag), lambda: False)


def chunk(offset: int, length: int, token: int = 1, digest: bytes = DIGEST) -> StageJob:
    return StageJob(token, NAME, ((offset, CONTENT[offset : offset + length]),), len(CONTENT), digest)


def test_chunks_in_order_become_a_verified_file(disk: MemoryDisk) -> None:
    room = downloads(disk)
    assert room.stage(chunk(0, 400)) == Staged(1, 400, False)
    assert room.stage(chunk(400, 600)) == Staged(1, 1000, True)
    assert disk.content(NAME) == CONTENT


@pytest.mark.parametrize("offset", [0, 399, 401, 700])
def test_a_chunk_out_of_order_removes_the_file(disk: MemoryDisk, offset: int) -> None:
    room = downloads(disk)
    room.stage(chunk(0, 400))
    answer = room.stage(chunk(offset, 100))
    assert (answer.written, answer.verified, answer.problem) == (0, False, "the content came out of order")
    assert disk.content(NAME) is None
    assert room.stage(chunk(0, 1000)).verified, "the token begins anew"


def test_a_content_that_was_not_announced_is_removed(disk: MemoryDisk) -> None:
    room = downloads(disk)
    answer = room.stage(chunk(0, 1000, digest=blake3(b"another").digest()))
    assert (answer.verified, answer.problem) == (False, "the content is not what was announced")
    assert disk.content(NAME) is None


@pytest.mark.parametrize("case", ["here", "changed", "gone", "in the history", "another content"])
def test_what_is_to_come_begins_with_a_copy_of_what_is_here(disk: MemoryDisk, case: str) -> None:
    room = downloads(disk)
    old = b"o" * 3 * limits.MIB
    disk.write(b"f.part", old)
    found = disk.stat(b"f.part")
    assert found is not None
    begins = Beginning(b"f.part", b"" if case == "in the history" else fingerprint(found), len(old))
    if case == "changed":
        disk.write(b"f.part", old + b"more")
    elif case == "gone":
        disk.delete(b"f.part")
    whole = (b"x" if case == "another content" else b"") + old + b"new"
    digest = blake3(whole).digest()
    begun = room.stage(StageJob(1, NAME, (), len(whole), digest, begins=begins))
    assert begun.written == (0 if case in ("changed", "gone") else len(old))
    end = room.stage(StageJob(1, NAME, ((begun.written, whole[begun.written :]),), len(whole), digest))
    assert end.verified == (case != "another content")
    assert disk.content(NAME) == (whole if end.verified else None)


def test_another_run_reads_what_is_there_and_continues(disk: MemoryDisk) -> None:
    first = downloads(disk)
    first.stage(chunk(0, 400))
    first.close_all()
    again = downloads(disk, b"u")
    assert again.stage(StageJob(7, NAME, (), len(CONTENT), DIGEST)) == Staged(7, 400, False)
    assert again.stage(chunk(400, 600, token=7)) == Staged(7, 1000, True)


def test_what_is_there_and_wrong_is_found_at_the_end(disk: MemoryDisk) -> None:
    room = downloads(disk)
    disk.write(NAME, b"x" * 400)
    assert not room.stage(chunk(400, 600)).verified
    assert disk.content(NAME) is None


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
