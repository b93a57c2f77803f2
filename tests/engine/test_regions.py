"""The small regions below the table of work, each by itself: what may be left, who failed, who waits, what is in the way."""

from __future__ import annotations

import pytest

from dir_sync.core import limits
from dir_sync.core.jobs import ApplyItem, Cause, TreeOp
from dir_sync.core.messages import DeltaOffer
from dir_sync.core.model import Kind, Stamp
from dir_sync.engine.constants import RETRY_MS, TROUBLE_RETRY_MS
from dir_sync.engine.obstacles import Obstacles
from dir_sync.engine.out_of_reach import OutOfReach
from dir_sync.engine.room_queues import RoomQueues
from dir_sync.engine.scope import Scope
from dir_sync.engine.values import Ready
from dir_sync.engine.work import WorkTable
from tests.engine.kit import OTHER, PEER, Alone, record


def work() -> tuple[Alone[Scope], WorkTable]:
    """A table of work on a board; the machine beside it does nothing here."""
    kit = Alone(Scope)
    return kit, kit.work


# --- what is in the way ---------------------------------------------------------------------------------------------


def test_nothing_can_be_had_below_what_is_in_the_way() -> None:
    names = Obstacles()
    names.add(b"d/pipe", Kind.OTHER)
    assert [names.is_at_or_above(path) for path in (b"d/pipe/a", b"d/pipe", b"d", b"d/pipes")] == [
        True,
        True,
        False,
        False,
    ]


def test_a_look_frees_the_name_and_a_file_what_was_in_the_folder() -> None:
    names = Obstacles()
    for path in (b"d", b"d/a", b"e"):
        names.add(path, Kind.OTHER)
    assert names.found(b"e", Kind.OTHER) == [], "it is still there"
    assert names.found(b"d", Kind.DIRECTORY) == [b"d"]
    assert names.found(b"d", Kind.FILE) == [b"d/a"]
    assert names.all() == [(b"e", Kind.OTHER)]


def test_a_listing_tells_what_is_in_the_way_no_more() -> None:
    names = Obstacles()
    for path in (b"d/a", b"d/b", b"d/e/c"):
        names.add(path, Kind.OTHER)
    assert names.not_among(b"d", {b"d/b"}) == [b"d/a"]


def test_what_was_denied_in_a_folder_is_tried_again_with_all_below_it() -> None:
    names = Obstacles()
    for folder, path in ((b"d", b"d/a"), (b"d/e", b"d/e/b"), (b"dd", b"dd/c")):
        names.deny(folder, path)
    assert sorted(names.take_denied(b"d")) == [b"d/a", b"d/e/b"]
    assert names.take_denied(b"d") == []
    assert names.has_denied


# --- who waits ------------------------------------------------------------------------------------------------------


def test_a_path_waits_for_one_content_that_nobody_has() -> None:
    waits = OutOfReach()
    waits.enter(b"a", b"1")
    waits.enter(b"b", b"1")
    waits.enter(b"a", b"2")
    assert waits.take(b"1") == [b"b"]
    assert waits.take(b"1") == []
    waits.leave(b"a")
    assert not waits
    assert waits.take(b"2") == []


def test_a_path_may_wait_for_room_at_several_peers() -> None:
    rooms = RoomQueues()
    for peer in (PEER, OTHER):
        rooms.enter(peer, b"a", 10)
    rooms.leave(b"a")
    assert not rooms
    assert rooms.has_queues
    rooms.enter(PEER, b"a", limits.MIB)
    rooms.enter(PEER, b"b", limits.MIB)
    assert rooms.wake(PEER, limits.MIB) == [b"a"]
    assert rooms.close(PEER) == {b"b": limits.MIB}


def test_a_content_waits_for_its_folder() -> None:
    kit, table = work()
    table.folders.begin_wait(b"d/a", b"c" * 32)
    assert table.folders.is_content_awaited(b"c" * 32)
    assert table.folders.ready() == []
    table.arrivals.make_ready(b"d/a", Ready(b"c" * 32, b"data", None))
    assert table.folders.has_ready()
    assert table.folders.ready() == [b"d/a"]
    table.folders.begin_wait(b"d/b", b"c" * 32)
    table.folders.begin_wait(b"d/b", b"c" * 32)
    table.folders.end_wait(b"d/a")
    assert not table.folders.is_waiting(b"d/a")
    assert table.folders.is_content_awaited(b"c" * 32), "another path wants it"
    table.folders.begin_wait(b"d/b", b"e" * 32)
    assert not table.folders.is_content_awaited(b"c" * 32)
    table.folders.end_wait(b"d/b")
    assert not table.folders.is_content_awaited(b"e" * 32)
    assert kit.planned() == []


def test_who_waits_for_a_content_that_comes_to_another_path_is_woken_once() -> None:
    kit, table = work()
    for path in (b"b", b"c"):
        table.copies.begin_wait(path, b"a")
    assert table.copies.waiting_for(b"a") == [b"b", b"c"]
    table.copies.wake_all([b"a", b"x"])
    assert kit.planned() == [b"b", b"c"]
    table.copies.wake(b"a")
    assert kit.planned() == []


def test_what_is_expected_is_known_by_its_content() -> None:
    _, table = work()
    target = record(b"a", b"1")
    table.expected.add_all([ApplyItem(b"a", TreeOp.INSTALL, target, b"", Cause.REPLACED)])
    table.expected.add(b"x" * 32, b"b")
    assert table.expected.path_of(target.content) == b"a"
    assert table.expected.lacks({target.content, b"y" * 32}) == {b"y" * 32}
    table.expected.remove(b"x" * 32)
    assert len(table.expected) == 1


def test_contents_in_memory_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dir_sync.engine.arrivals.READY_BYTES_MAX", 10)
    _, table = work()
    table.arrivals.make_ready(b"a", Ready(b"1" * 32, b"x" * 8, None))
    table.arrivals.make_ready(b"b", Ready(b"2" * 32, b"x" * 8, None))
    assert (table.arrivals.is_ready(b"a"), table.arrivals.is_ready(b"b")) == (True, False)
    table.arrivals.unready(b"a")
    table.arrivals.make_ready(b"b", Ready(b"2" * 32, b"x" * 8, None))
    assert table.arrivals.is_ready(b"b")


# --- what went wrong, and what may be left ----------------------------------------------------------------------------


def test_who_failed_is_asked_again_when_it_announces_anew_or_anything_else_is_wanted() -> None:
    _, table = work()
    for node in (PEER, OTHER):
        table.holders.holder_failed(b"a", node)
    assert table.holders.is_whole_wanted(b"a")
    table.holders.announced_by(b"a", PEER, False)
    assert table.holders.failed_holders(b"a") == {OTHER}
    table.holders.announced_by(b"a", PEER, True)
    assert table.holders.failed_holders(b"a") == frozenset()
    assert not table.holders.is_whole_wanted(b"a")


def test_rounds_are_counted_until_something_is_announced() -> None:
    _, table = work()
    assert [table.holders.end_round(b"a", b"1", 0) for _ in range(3)] == [RETRY_MS, 2 * RETRY_MS, 4 * RETRY_MS]
    table.holders.announced_by(b"a", PEER, False)
    assert table.holders.end_round(b"a", b"1", 0) == RETRY_MS


@pytest.mark.parametrize("why", ["later", "another content", "announced", "connected", "not wanted for a while"])
def test_between_two_rounds_nobody_is_asked_again(why: str) -> None:
    _, table = work()
    holders = table.holders
    assert holders.begin_round(b"a", b"1", 0)
    holders.holder_failed(b"a", PEER)
    wait = holders.end_round(b"a", b"1", 5)
    assert not holders.begin_round(b"a", b"1", 5 + wait - 1)
    assert holders.failed_holders(b"a") == {PEER}
    match why:
        case "announced":
            holders.announced_by(b"a", OTHER, False)
        case "connected":
            holders.end_rests()
        case "not wanted for a while":
            table.stop_waiting(b"a")
    is_other = why == "another content"
    assert holders.begin_round(b"a", b"2" if is_other else b"1", 5 + wait if why == "later" else 5)
    assert holders.failed_holders(b"a") == frozenset()
    assert not holders.is_whole_wanted(b"a")


def test_a_delta_is_offered_until_it_is_dropped() -> None:
    _, table = work()
    table.holders.offer_delta(b"a", PEER, b"b", b"c", DeltaOffer(b"b" * 32, 5))
    offer = table.holders.delta_offer(b"a")
    assert offer is not None
    assert (offer.peer, offer.base) == (PEER, b"b")
    table.holders.drop_delta_offer(b"a")
    assert table.holders.delta_offer(b"a") is None


def test_after_a_change_that_nobody_expected_it_is_tried_again_soon_and_then_later() -> None:
    kit, table = work()
    waits = [table.retries.wait_after_change(b"a") for _ in range(20)]
    assert waits[0] == 0
    assert waits == sorted(waits)
    assert waits[-1] == TROUBLE_RETRY_MS[1]
    assert kit.told() == [], "no trouble that people are told of"
    assert not table.retries.is_due(b"a")
    kit.wait(waits[-1])
    assert table.retries.is_due(b"a")


def test_who_waits_for_room_on_the_disk_waits_together() -> None:
    _, table = work()
    for path, size in ((b"a", 5), (b"b", 7)):
        table.retries.await_disk_room(path, size)
    assert table.retries.short_bytes() == 12
    assert table.retries.end_shortage() == [b"a", b"b"]
    assert not table.retries.is_short


def test_what_a_job_may_have_left_is_remembered_until_a_look() -> None:
    _, table = work()
    stamp = Stamp(5, PEER)
    table.attempts.record_attempt(b"a", stamp)
    table.forget_announced(b"a")
    assert table.attempts.attempted(b"a") == stamp
    table.attempts.forget_attempt(b"a")
    assert table.attempts.attempted(b"a") is None
    table.attempts.note_listed(b"a", b"fp")
    assert [table.attempts.take_listed(b"a") for _ in range(2)] == [b"fp", None]
    table.attempts.await_listing(b"d")
    assert table.attempts.awaits_listing(b"d")
    table.attempts.end_listing_wait(b"d")
    assert not table.attempts.awaits_listing(b"d")
