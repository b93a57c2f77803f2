"""New files that came with their content are installed at once, as one intent; whatever is not quite so takes the long way."""

from __future__ import annotations

from typing import Any

import pytest

from dir_sync.core import notes
from dir_sync.core.events import Urgency
from dir_sync.core.jobs import ApplyItem, ApplyResult, Cause, Result, TreeOp
from dir_sync.core.messages import Change
from dir_sync.core.model import FINGERPRINT_BYTES, Kind, Record
from dir_sync.core.reconcile import Take
from dir_sync.engine.bulk_install import BulkInstall
from dir_sync.engine.own_echoes import OwnEchoes
from dir_sync.engine.publisher import Publisher
from tests.engine.kit import PEER, Alone, folder, later, record

FP = b"f" * FINGERPRINT_BYTES


def alone() -> Alone[BulkInstall]:
    kit = Alone(BulkInstall, OwnEchoes)
    kit.real(Publisher).peer_came(kit.connects())
    return kit


def gift(path: bytes, content: bytes) -> Change:
    return Change("create", record(path, content), attached=True, content=content)


def push(kit: Alone[BulkInstall], *changes: Change) -> list[Change]:
    """Those that are not installed at once."""
    return kit.it.install_pushed(kit.board.peers[PEER], changes)


def items(kit: Alone[BulkInstall]) -> list[ApplyItem]:
    return [item for _, _, some in kit.asked("applier.intend") for item in some]


def test_new_files_are_installed_at_once_as_one_intent() -> None:
    kit = alone()
    assert push(kit, gift(b"a", b"1"), gift(b"b", b"2")) == []
    assert [(item.path, item.act, item.data, item.expect) for item in items(kit)] == [
        (b"a", TreeOp.INSTALL, b"1", b""),
        (b"b", TreeOp.INSTALL, b"2", b""),
    ]
    assert len(kit.asked("applier.intend")) == 1
    assert all(kit.real(OwnEchoes).take(path, kit.board.now.mono_ms) for path in (b"a", b"b"))
    assert kit.work.jobs.is_at(b"a")


@pytest.mark.parametrize(
    "why",
    ["no content", "a row", "a look", "a job", "its content is here", "its content comes", "no folder", "in the way"],
)
def test_what_is_not_quite_new_takes_the_long_way(why: str) -> None:
    kit = alone()
    one: Any = gift(b"d/a", b"content")
    kit.has(folder(b"d"))
    target: Record = one.record
    match why:
        case "no content":
            one = Change("create", target)
        case "a row":
            kit.has(record(b"d/a", b"mine"))
        case "a look":
            kit.board.pending_looks.add(b"d/a", 0, 0)
        case "a job":
            kit.work.jobs.begin_apply(
                ApplyItem(b"d/a", TreeOp.INSTALL, target, b"", Cause.REPLACED), Take(target, False)
            )
        case "its content is here":
            kit.has(record(b"b", b"content"))
        case "its content comes":
            kit.work.expected.add(target.content, b"b")
        case "no folder":
            kit.index.rows.put(later(folder(b"d"), None), b"")
        case "in the way":
            kit.work.obstruct(b"d/a", Kind.OTHER)
    assert push(kit, one) == [one]
    assert items(kit) == []


def test_of_two_equal_ones_and_two_of_one_name_one_is_installed() -> None:
    kit = alone()
    alike = gift(b"b", b"1")
    same_name = gift(b"a", b"2")
    assert push(kit, gift(b"a", b"1"), alike, same_name) == [alike, same_name]
    assert [item.path for item in items(kit)] == [b"a"]


def test_what_was_installed_is_noted_and_told_to_others() -> None:
    kit = alone()
    push(kit, gift(b"a", b"1"), gift(b"b", b"2"))
    assert kit.it.on_pushed_installed([ApplyResult(path, Result.DONE, FP) for path in (b"a", b"b")]) == []
    assert [seq for seq, _ in kit.board.announcements.rows] == [1, 2]
    row = kit.index.rows.get(b"a")
    assert row is not None
    assert row.fp == FP
    assert [call[1] for call in kit.asked("applier.no_longer_intended")] == [2]
    assert set(kit.real(Publisher).subscribers[PEER].knows) == {b"a", b"b"}
    assert kit.told() == [notes.Received(path, "name of " + PEER, 1) for path in (b"a", b"b")]


def test_of_a_crowd_people_are_told_of_some_by_name() -> None:
    kit = alone()
    paths = [b"%d" % number for number in range(9)]
    push(kit, *(gift(path, path) for path in paths))
    kit.it.on_pushed_installed([ApplyResult(path, Result.DONE, FP) for path in paths])
    assert [type(note) for note in kit.told()] == [notes.Received] * 5 + [notes.ReceivedMany]
    last = kit.told()[-1]
    assert isinstance(last, notes.ReceivedMany)
    assert [path for path, _ in last.files] == paths[5:]


@pytest.mark.parametrize("result", [ApplyResult(b"a", Result.CHANGED), ApplyResult(b"a", Result.DONE, FP + b"racy")])
def test_what_did_not_go_as_it_should_is_left_to_others(result: ApplyResult) -> None:
    kit = alone()
    push(kit, gift(b"a", b"1"))
    assert kit.it.on_pushed_installed([result]) == [result]
    assert kit.index.rows.get(b"a") is None
    assert kit.work.jobs.is_at(b"a")


@pytest.mark.parametrize(
    ("urgency", "is_doubted"), [(Urgency.NOW, True), (Urgency.ARRIVED, False), (Urgency.VANISHED, False)]
)
def test_what_was_written_while_it_was_installed_is_left_to_others(urgency: Urgency, is_doubted: bool) -> None:
    """A program may have written to the file between its installation and the stat: `Applier` says that it is read again."""
    kit = alone()
    push(kit, gift(b"a", b"1"))
    kit.board.pending_looks.touch(b"a", urgency, kit.board.now.mono_ms)
    result = ApplyResult(b"a", Result.DONE, FP)
    assert kit.it.on_pushed_installed([result]) == ([result] if is_doubted else [])


def test_who_waits_for_the_content_is_planned() -> None:
    kit = alone()
    push(kit, gift(b"a", b"1"))
    kit.work.copies.begin_wait(b"b", b"a")
    kit.it.on_pushed_installed([ApplyResult(b"a", Result.DONE, FP)])
    assert kit.planned() == [b"b"]


@pytest.mark.parametrize("journals", [True, False])
def test_the_journal_notes_what_came_once_the_first_meeting_is_over(journals: bool) -> None:
    kit = alone()
    if journals:
        kit.board.begin_journal()
    push(kit, gift(b"a", b"1"))
    noted: list[Any] = []
    kit.index.journal.write_new = lambda records, at_ns: noted.extend(records)  # type: ignore[method-assign]
    kit.it.on_pushed_installed([ApplyResult(b"a", Result.DONE, FP)])
    assert [one.path for one in noted] == ([b"a"] if journals else [])
