"""Contents that changed without their time: whether people are told, and for how long `status` says so."""

from __future__ import annotations

import pytest

from dir_sync.core import notes
from dir_sync.core.model import NS_PER_S, Record, fingerprint
from dir_sync.engine import silent
from dir_sync.engine.silent import SilentChanges
from dir_sync.index import Row
from tests.engine.kit import WALL_NS, Alone, record, stat

THERE = stat(b"good", inode=7)._replace(mtime=WALL_NS + 5)
LATER = THERE._replace(ctime=THERE.ctime + 9)
FP = fingerprint(LATER)


def made() -> Alone[SilentChanges]:
    return Alone(SilentChanges)


def file(path: bytes, content: bytes | None) -> Record:
    return record(path, content)._replace(mtime=0 if content is None else WALL_NS + 5)


def row(kit: Alone[SilentChanges], path: bytes = b"a", fp: bytes = b"") -> Row:
    return kit.has(file(path, b"good"), fp or fingerprint(THERE))


def said(kit: Alone[SilentChanges]) -> list[bytes]:
    return [note.path for note in kit.told() if isinstance(note, notes.SilentChange)]


def test_other_bytes_with_the_same_size_time_and_inode_are_told_of() -> None:
    kit = made()
    kit.it.recorded(file(b"a", b"baad"), row(kit), FP)
    assert said(kit) == [b"a"]
    kit.has(file(b"a", b"baad"), FP)
    assert list(kit.it.found()) == list(SilentChanges(kit.board).found()) == [b"a"], "also after a restart"


@pytest.mark.parametrize("change", ["content", "mtime", "inode", "size", "racy", "was racy", "new"])
def test_an_ordinary_change_is_not(change: str) -> None:
    kit = made()
    now = file(b"a", b"good" if change == "content" else b"baad")
    there = LATER._replace(**{change: 99}) if change in ("mtime", "inode", "size") else LATER
    was = None if change == "new" else row(kit, fp=fingerprint(THERE) + b"!" if change == "was racy" else b"")
    kit.it.recorded(now, was, fingerprint(there) + (b"!" if change == "racy" else b""))
    assert said(kit) == []


@pytest.mark.parametrize("is_first_gone", [True, False])
@pytest.mark.parametrize("is_whole_second", [True, False])
def test_the_halves_of_a_rename_that_nobody_saw(is_first_gone: bool, is_whole_second: bool) -> None:
    kit = made()
    old, new = row(kit), file(b"b", b"baad")
    if is_whole_second:
        old, new = old._replace(record=old.record._replace(mtime=WALL_NS)), new._replace(mtime=WALL_NS)
    steps = [lambda: kit.it.recorded(file(b"a", None), old, b""), lambda: kit.it.recorded(new, None, FP)]
    for step in steps if is_first_gone else steps[::-1]:
        step()
    assert said(kit) == ([] if is_whole_second else [b"b"])


def test_a_rename_with_the_same_bytes_is_not_told_of() -> None:
    kit = made()
    kit.it.recorded(file(b"b", b"good"), None, FP)
    kit.it.recorded(file(b"a", None), row(kit), b"")
    assert said(kit) == []


def test_it_is_said_until_the_file_changes_or_for_a_week() -> None:
    for end in ("edited", "gone", "late"):
        kit = made()
        kit.it.recorded(file(b"a", b"baad"), row(kit), FP)
        kit.has(file(b"a", b"edit" if end == "edited" else b"baad"), FP)
        if end == "gone":
            kit.index.rows.forget(b"a")
        if end == "late":
            kit.board.now = kit.board.now._replace(wall_ns=WALL_NS + 8 * 86_400 * NS_PER_S)
        assert list(kit.it.found()) == []
        assert list(SilentChanges(kit.board).found()) == []


def test_of_very_many_some_are_told_and_the_last_ones_are_known() -> None:
    kit = made()
    for number in range(silent._MOST + 5):
        path = b"%03d" % number
        kit.it.recorded(file(path, b"baad"), row(kit, path), FP)
        kit.has(file(path, b"baad"), FP)
    assert len(said(kit)) == silent._TOLD_MAX
    assert list(kit.it.found()) == [b"%03d" % number for number in range(5, silent._MOST + 5)]


def test_what_came_and_went_is_forgotten_some_time() -> None:
    kit = made()
    for number in range(silent._PASSING_MAX + 5):
        kit.it.recorded(file(b"%d" % number, b"new!"), None, fingerprint(LATER._replace(inode=100 + number)))
    assert len(kit.it._came) == silent._PASSING_MAX
