"""Why this node does not take what it lacks: counted for each peer, and not too often."""

from __future__ import annotations

import pytest

from dir_sync.core.declined import Declined, Reason
from dir_sync.core.taking import Taking
from dir_sync.core.unable import Unfit
from dir_sync.engine.declining import Declining
from tests.engine.kit import OTHER, PEER, Alone, folder, record, tombstone


def alone(most: int = 0) -> Alone[Declining]:
    kit = Alone(Declining)
    kit.connects()
    kit.connects(OTHER)
    kit.board.taking = Taking(most, large="too large")
    return kit


def fails(kit: Alone[Declining], path: bytes, reason: Reason) -> None:
    kit.work.retries.note_trouble(path, "a problem", reason)


def test_who_takes_all_says_nothing() -> None:
    kit = alone()
    kit.announces(record(b"a", b"1"))
    assert kit.it.of(PEER) == ()
    assert kit.it.due_ms is None


def test_each_reason_says_how_much_it_keeps_away() -> None:
    kit = alone(most=5)
    for path, content, reason in (
        (b"a", b"x" * 6, None),
        (b"b", b"x" * 10, None),
        (b"c", b"123", Reason.DISK_FULL),
        (b"d", b"12", Reason.DISK_FULL),
        (b"e", b"1", Reason.FAILED),
    ):
        kit.announces(record(path, content))
        if reason is None:
            kit.work.unable.hold(path, Unfit("too large", limit=5))
        else:
            fails(kit, path, reason)
    kit.announces(folder(b"f"))
    fails(kit, b"f", Reason.BLOCKED)
    assert kit.it.of(PEER) == (
        Declined(Reason.TOO_LARGE, 2, 16, 0, 5),
        Declined(Reason.DISK_FULL, 2, 5),
        Declined(Reason.BLOCKED, 0, 0, 1),
        Declined(Reason.FAILED, 1, 1),
    )
    assert kit.it.of(OTHER) == (), "that one has announced nothing"


def test_what_could_be_taken_after_all_is_not_counted() -> None:
    """A smaller version, a deletion, and what passes in a moment."""
    kit = alone(most=5)
    for path, what in ((b"a", record(b"a", b"1")), (b"b", tombstone(b"b"))):
        kit.announces(what)
        kit.work.unable.hold(path, Unfit("too large", limit=5))
    kit.announces(record(b"c", b"1"))
    kit.work.retries.wait_after_change(b"c")
    assert kit.it.of(PEER) == ()


def test_a_disk_without_room_is_told_from_other_trouble() -> None:
    kit = alone()
    for path in (b"a", b"b"):
        kit.announces(record(path, b"1"))
    kit.work.retries.await_disk_room(b"a", 1)
    for path in (b"a", b"b"):
        kit.work.retries.wait_after(path, "no room")
    assert kit.it.of(PEER) == (Declined(Reason.DISK_FULL, 1, 1), Declined(Reason.FAILED, 1, 1))


def test_what_the_disk_cannot_store() -> None:
    kit = alone()
    kit.announces(record(b"README", b"1"))
    kit.work.unable.take_for(b"README", b"readme")
    assert kit.it.of(PEER) == (Declined(Reason.UNFIT, 1, 1),)


def test_it_is_counted_again_a_second_later() -> None:
    kit = alone()
    for path in (b"a", b"b"):
        kit.announces(record(path, b"1"))
    fails(kit, b"a", Reason.FAILED)
    first = kit.it.of(PEER)
    assert kit.it.due_ms is None
    kit.wait(300)
    fails(kit, b"b", Reason.FAILED)
    assert kit.it.of(PEER) == first
    assert kit.it.due_ms is not None
    kit.wait(kit.it.due_ms - kit.board.now.mono_ms)
    assert kit.it.of(PEER) == (Declined(Reason.FAILED, 2, 2),)
    assert kit.it.due_ms is None
    for path in (b"a", b"b"):
        kit.work.retries.end_trouble(path)
    assert kit.it.of(PEER) == (), "at once"


def test_of_very_many_only_some_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dir_sync.core.limits.DECLINED_PATHS_MAX", 3)
    kit = alone()
    for number in range(9):
        path = b"%d" % number
        kit.announces(record(path, b"1"))
        fails(kit, path, Reason.FAILED)
    assert kit.it.of(PEER) == (Declined(Reason.FAILED, 3, 3),)
