"""Texts are kept and merged; what is no text, not as expected, or takes too long is left alone."""

from __future__ import annotations

import itertools
import zlib

import pytest
from blake3 import blake3

from dir_sync.core.model import Kind, Record, unstamped
from dir_sync.core.text_jobs import KeepTextsJob, Merged, MergeJob, Text, TextsRead
from dir_sync.files.texts import merge_texts
from tests.files.tools import file_sync
from tests.sim.memory_disk import MemoryDisk

LINES = [b"line %d\n" % number for number in range(12)]
BASE = b"".join(LINES)


def changed(*at: int, to: bytes = b"changed\n") -> bytes:
    return b"".join(to if number in at else line for number, line in enumerate(LINES))


def test_changes_of_different_lines_are_both_in_it() -> None:
    assert merge_texts(BASE, changed(1), changed(9, to=b"")) == changed(1).replace(b"line 9\n", b"")


@pytest.mark.parametrize("theirs", [changed(1, to=b"other\n"), changed(2, to=b"other\n"), b""])
def test_changes_of_one_line_or_side_by_side_stay_a_conflict(theirs: bytes) -> None:
    assert merge_texts(BASE, changed(1), theirs) is None


def test_the_same_change_on_both_sides_is_made_once() -> None:
    assert merge_texts(BASE, changed(1), changed(1)) == changed(1)
    assert merge_texts(BASE, changed(1), changed(1, 9)) == changed(1, 9)


def test_lines_keep_their_ends_and_a_last_line_without_one_stays_last() -> None:
    windows = BASE.replace(b"\n", b"\r\n")
    mine, theirs = windows.replace(b"line 1\r", b"mine\r"), windows.replace(b"line 9\r", b"theirs\r")
    both = mine.replace(b"line 9\r", b"theirs\r")
    assert merge_texts(windows, mine, theirs) == both
    assert merge_texts(BASE[:-1], changed(1)[:-1], BASE[:-1] + b"\nmore") == changed(1) + b"more"


def test_it_gives_up_in_time() -> None:
    ticks = itertools.count()
    assert merge_texts(BASE, changed(1), changed(9), 2.5, lambda: float(next(ticks))) is None
    assert merge_texts(b"a\n" * 20_001, b"a\n", b"a\n") is None


def text(path: bytes, content: bytes, at: bytes | None = None) -> Text:
    record: Record = unstamped(path, Kind.FILE, len(content), blake3(content).digest(), 0, 0o644)
    return Text(record, path if at is None else at)


def test_a_job_reads_texts_and_says_what_is_none(disk: MemoryDisk) -> None:
    disk.write(b"a", BASE)
    disk.write(b"b", b"a\0b")
    texts = (text(b"a", BASE), text(b"b", b"a\0b"), text(b"a", b"other"), text(b"gone", BASE))
    found = file_sync(disk).perform(KeepTextsJob(texts))
    assert isinstance(found, TextsRead)
    assert found.texts == texts
    first, *others = found.packed
    assert first is not None
    assert zlib.decompress(first) == BASE
    assert others == [b"", None, None]


def test_a_job_merges(disk: MemoryDisk) -> None:
    base, mine, theirs = (zlib.compress(each) for each in (BASE, changed(1), changed(9)))
    assert file_sync(disk).perform(MergeJob(b"a", base, mine, theirs)) == Merged(b"a", changed(1, 9))
    assert file_sync(disk).perform(MergeJob(b"a", base, mine, mine)) == Merged(b"a", changed(1))
