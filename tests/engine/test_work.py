"""What is going on at a path: regions that begin and end, one job at a time, and what `check` notices."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from dir_sync.core import limits
from dir_sync.core.declined import Reason
from dir_sync.core.jobs import ApplyItem, Cause, TreeOp
from dir_sync.core.messages import DeltaOffer
from dir_sync.core.model import Kind, Record, Stamp
from dir_sync.core.peers.contact import Contact
from dir_sync.core.reconcile import Take
from dir_sync.core.transfers.connection import Connection
from dir_sync.core.transfers.transfer import Fetch
from dir_sync.engine.board import Board
from dir_sync.engine.path_work import Growing, MovingAway, PathTable
from dir_sync.engine.values import Now, Ready
from dir_sync.engine.work import WorkTable
from dir_sync.index import Index
from tests.ends import closed_at_end

PEER, OTHER = "p" * 16, "q" * 16
A, B, C = b"a", b"b", b"c"
ONE, TWO = b"1" * 32, b"2" * 32


def record(path: bytes, content: bytes = ONE, kind: Kind = Kind.FILE, ns: int = 5) -> Record:
    return Record(path, kind, 3, content, 0, 0o644, Stamp(ns, PEER), ((PEER, ns),))


def item(path: bytes, content: bytes = ONE, copy_path: bytes | None = None) -> ApplyItem:
    act = TreeOp.INSTALL if copy_path is None else TreeOp.MOVE
    return ApplyItem(path, act, record(path, content), b"", Cause.REPLACED, copy_path=copy_path)


def fetch(path: bytes, content: bytes = ONE, token: int = 1) -> Fetch:
    return Fetch(token, record(path, content), PEER, None, 3, b"")


@pytest.fixture
def board() -> Board:
    board = Board(closed_at_end(Index(":memory:", Random(1))), "folder", "t", False)
    board.now = Now(10**18, 1_000)
    board.peers[PEER] = Contact(PEER, "peer", Connection(1))
    return board


@pytest.fixture
def work(board: Board) -> WorkTable:
    return WorkTable(board)


def planned(board: Board) -> list[bytes]:
    return [path for _, paths in board.plan_queue.take(100) for path in paths]


def order(board: Board, work: WorkTable, change: ApplyItem) -> None:
    work.jobs.begin_apply(change, Take(change.target, False))
    board.jobs_out += 1


# --- jobs ---------------------------------------------------------------------------------------------------------


def test_a_path_is_free_until_a_job_begins_and_after_it_ends(board: Board, work: WorkTable) -> None:
    assert work.is_free(A)
    order(board, work, item(A))
    assert not work.is_free(A)
    assert work.is_at_work(A)
    assert work.jobs.is_applying
    assert work.end_apply(A) == (item(A), Take(record(A), False))
    assert work.is_free(A)
    assert not work.jobs.is_applying


def test_a_second_job_at_a_path_is_our_fault(board: Board, work: WorkTable) -> None:
    order(board, work, item(A))
    for begin in (
        lambda: work.jobs.begin_apply(item(A, TWO), None),
        lambda: work.jobs.begin_move_away(A, B),
        lambda: work.begin_growth(fetch(A)),
        lambda: work.begin_pushed(1, PEER, [item(A, TWO)]),
    ):
        with pytest.raises(AssertionError, match="after Applying"):
            begin()
    assert work.jobs.applying(A) == item(A)


def test_the_end_of_a_job_that_was_never_ordered_is_our_fault(work: WorkTable) -> None:
    with pytest.raises(AssertionError, match="nothing was ordered"):
        work.end_apply(A)


def test_a_move_holds_both_names(board: Board, work: WorkTable) -> None:
    work.jobs.begin_move_away(A, B)
    order(board, work, item(B, copy_path=A))
    assert work.jobs.is_at(A)
    assert work.jobs.applying(A) is None
    work.attempts.note_listed(A, b"fp")
    assert not list(work.check())
    work.end_apply(B)
    assert work.jobs.end_move_away(A) == b"fp"
    assert work.is_free(A)
    assert work.is_free(B)
    assert work.jobs.end_move_away(A) is None, "of a kept version nothing was moved away"


def test_a_pushed_file_is_installed_without_further_ado(work: WorkTable) -> None:
    assert work.may_be_pushed({A, B}) == {A, B}
    assert work.expected.lacks({ONE, TWO}) == {ONE, TWO}
    work.begin_pushed(7, PEER, [item(A), item(B, TWO)])
    assert work.may_be_pushed({A, C}) == {C}, "a job is out there"
    assert not work.expected.lacks({ONE}), "that content comes to another path"
    assert work.jobs.pushed_counts.of(PEER) == (2, item(A).target.size + item(B, TWO).target.size)
    assert work.jobs.pushed_counts.of(OTHER) == (0, 0)
    assert not list(work.jobs.check())
    work.attempts.note_listed(B, b"fp")
    ended = work.jobs.end_pushed([A, B, C])
    assert list(ended) == [A], "at B a listing has seen something, and nothing was ordered at C"
    assert (ended[A].peer, ended[A].intent, ended[A].item) == (PEER, 7, item(A))
    assert work.jobs.pushed_counts.of(PEER) == (1, item(B, TWO).target.size)
    assert work.jobs.pushed_counts
    work.end_apply(B)
    assert not work.jobs.pushed_counts
    assert not work.jobs.is_applying


# --- what comes ---------------------------------------------------------------------------------------------------


def test_who_waits_for_a_content_is_planned_when_it_is_there(board: Board, work: WorkTable) -> None:
    work.arrivals.begin_fetch(coming := fetch(A))
    assert work.arrivals.path_it_arrives_at(ONE) == A
    work.copies.begin_wait(B, A)
    work.copies.begin_wait(C, A)
    assert work.copies.waiting_for(A) == [B, C]
    work.arrivals.end_fetch(fetch(A))
    assert work.arrivals.is_fetching, "that was another transfer"
    work.arrivals.end_fetch(coming)
    assert planned(board) == [B, C]
    assert work.arrivals.path_it_arrives_at(ONE) is None


def test_a_transfer_and_what_has_come_go_on_under_another_name(board: Board, work: WorkTable) -> None:
    work.arrivals.begin_fetch(coming := fetch(A))
    work.arrivals.make_ready(A, Ready(ONE, b"abc", None))
    work.arrivals.hand_over(A, record(B))
    assert not work.arrivals.is_coming_to(A)
    assert work.arrivals.fetch(B) is coming
    assert coming.target.path == B
    assert work.arrivals.ready(B) == Ready(ONE, b"abc", None)
    work.end_turn()
    assert not list(work.check())


def test_a_content_that_has_come_may_wait_beside_a_job_and_for_its_folder(board: Board, work: WorkTable) -> None:
    order(board, work, item(b"d/a", TWO))
    work.arrivals.make_ready(b"d/a", Ready(ONE, b"abc", None))
    work.folders.begin_wait(b"d/a", ONE)
    assert work.folders.ready() == [b"d/a"]
    work.end_apply(b"d/a")
    assert work.arrivals.ready(b"d/a")
    assert work.folders.is_content_awaited(ONE)
    work.obstruct(b"d", Kind.OTHER)
    assert work.arrivals.ready(b"d/a") is None
    assert not work.arrivals.has_ready


# --- retries ------------------------------------------------------------------------------------------------------


def test_trouble_is_told_once_and_waits_longer_each_time(board: Board, work: WorkTable) -> None:
    waits = [work.retries.wait_after(A, "no room") for _ in range(4)]
    assert waits == sorted(waits)
    assert waits[0] < waits[-1]
    assert len(board.out) == 1
    assert [*work.retries.troubles()] == [(A, "no room", Reason.FAILED)]
    work.retries.begin_anew(A)
    assert work.retries.wait_after(A, "no room") == waits[0]
    work.retries.end_trouble(A)
    assert not work.retries.has_troubles
    assert not work.retries.is_troubled(A)


def test_a_path_is_left_alone_until_its_time(board: Board, work: WorkTable) -> None:
    wait = work.retries.refuse(A, "no")
    board.plan_later(A, wait)
    assert not work.is_free(A)
    assert not list(work.check())
    board.now = Now(board.now.wall_ns, board.now.mono_ms + wait)
    assert work.is_free(A)


def test_holders_that_failed_are_asked_again_in_the_next_round(work: WorkTable) -> None:
    work.holders.holder_failed(A, PEER)
    work.holders.holder_failed(A, OTHER)
    work.holders.announced_by(A, OTHER, is_other=False)
    assert work.holders.failed_holders(A) == {PEER}
    assert work.holders.is_whole_wanted(A)
    wait = work.holders.end_round(A, ONE, 0)
    assert not work.holders.begin_round(A, ONE, wait - 1)
    assert work.holders.begin_round(A, ONE, wait)
    assert not work.holders.failed_holders(A)
    assert not work.holders.is_whole_wanted(A)
    work.holders.want_whole(A)
    work.holders.announced_by(A, PEER, is_other=True)
    assert not work.holders.is_whole_wanted(A)
    assert work.holders.end_round(A, ONE, 0) == wait


def test_a_version_announced_anew_has_a_grace_of_its_own(board: Board, work: WorkTable) -> None:
    assert work.grace_ms(A, record(A)) == 0
    board.now = Now(board.now.wall_ns, board.now.mono_ms + 70)
    assert work.grace_ms(A, record(A)) == 70
    assert work.grace_ms(A, record(A, ns=6)) == 0


def test_queues_for_room_are_first_come_first_served(work: WorkTable) -> None:
    for path in (B, A, C):
        work.rooms.enter(PEER, path, 5_000)
    work.rooms.enter(OTHER, A, 5_000)
    assert work.rooms.wake(PEER, 10_000) == [B, A]
    assert work.rooms.paths() == {A, C}
    work.rooms.leave(A)
    assert list(work.rooms.close(PEER)) == [C]
    assert not work.rooms


def test_contents_that_wait_for_the_disk_are_counted_and_their_end_makes_room(board: Board, work: WorkTable) -> None:
    data = bytes(limits.INSTALLING_BYTES_MAX // 2)
    for path in (A, B):
        assert not work.jobs.are_full
        work.jobs.begin_apply(item(path)._replace(data=data), None)
    work.jobs.begin_apply(item(C), None)  # a copy: nothing in memory
    assert work.jobs.are_full
    work.rooms.enter(PEER, b"d", 5)
    assert list(work.jobs.check()) == []
    work.end_apply(C)
    assert not board.plan_queue.has_room_come
    work.end_apply(A)
    assert board.plan_queue.has_room_come
    assert not work.jobs.are_full
    work.end_apply(B)
    assert work.jobs.bytes == 0


# --- the end of all of it -----------------------------------------------------------------------------------------


def test_nothing_is_remembered_of_what_is_announced_no_more_but_what_may_be_on_the_disk(work: WorkTable) -> None:
    work.folders.begin_wait(A, ONE)
    work.rooms.enter(PEER, A, 5_000)
    work.grace_ms(A, record(A))
    work.retries.wait_after(A, "no room")
    work.retries.await_disk_room(A, 5)
    work.holders.holder_failed(A, PEER)
    work.holders.end_round(A, ONE, 0)
    work.holders.offer_delta(A, PEER, TWO, ONE, DeltaOffer(TWO, 5))
    work.attempts.record_attempt(A, Stamp(5, PEER))
    work.stop_waiting(A)
    work.forget_announced(A)
    assert not work.rooms
    assert not work.retries.is_short
    assert not work.folders.is_waiting(A)
    assert work.holders.delta_offer(A) is None
    assert not work.retries.has_troubles
    assert work.attempts.attempted(A) == Stamp(5, PEER)
    work.end_turn()
    assert not list(work.check())


def test_an_entry_goes_at_the_end_of_the_turn_in_which_its_last_region_ended() -> None:
    paths = PathTable()
    paths.set_job(A, MovingAway(B))
    paths.at(A).attempted = Stamp(5, PEER)
    paths.set_job(A, None)
    paths.drop_empty()
    entry = paths.get(A)
    assert entry is not None
    assert not entry.is_empty
    entry.attempted = None
    paths.touch(A)
    assert paths.get(A) is entry, "it may be used once more in this turn"
    paths.drop_empty()
    assert paths.get(A) is None


def test_an_entry_of_which_nothing_is_left_is_noticed_between_two_turns(board: Board, work: WorkTable) -> None:
    order(board, work, item(A))
    work.end_apply(A)
    assert [fault for fault in work.check() if "nothing is going on" in fault]
    work.end_turn()
    assert not list(work.check())


def wait_at_a_stranger(board: Board, work: WorkTable) -> None:
    work.rooms.enter(OTHER, A, 5)


def wait_for_room_that_nothing_frees(board: Board, work: WorkTable) -> None:
    work.rooms.enter(PEER, A, 5)


def wait_for_a_content_that_comes_nowhere(board: Board, work: WorkTable) -> None:
    work.copies.begin_wait(B, A)


def wait_without_a_timer(board: Board, work: WorkTable) -> None:
    work.retries.refuse(A, "no")


def wait_for_a_folder_that_is_here(board: Board, work: WorkTable) -> None:
    work.folders.begin_wait(A, ONE)  # the shared folder itself always is


def remember_of_what_nobody_announces(board: Board, work: WorkTable) -> None:
    work.grace_ms(A, record(A))


def fetch_from_a_stranger(board: Board, work: WorkTable) -> None:
    work.arrivals.begin_fetch(fetch(A))
    del board.peers[PEER]


def lose_a_job(board: Board, work: WorkTable) -> None:
    order(board, work, item(A))
    board.jobs_out -= 1


def move_away_by_no_job(board: Board, work: WorkTable) -> None:
    work.jobs.begin_move_away(A, B)
    order(board, work, item(B))


def redirect_behind_the_table(board: Board, work: WorkTable) -> None:
    work.arrivals.begin_fetch(coming := fetch(A))
    coming.target = record(B)


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (wait_at_a_stranger, "who is not connected"),
        (wait_for_room_that_nothing_frees, "nothing is on its way"),
        (wait_for_a_content_that_comes_nowhere, "nothing does"),
        (wait_without_a_timer, "no timer"),
        (wait_for_a_folder_that_is_here, "which is here"),
        (remember_of_what_nobody_announces, "something is remembered"),
        (fetch_from_a_stranger, "who is not connected"),
        (lose_a_job, "none is out"),
        (move_away_by_no_job, "no job does that"),
        (redirect_behind_the_table, "is one to"),
    ],
)
def test_what_would_wait_for_ever_is_noticed(
    board: Board, work: WorkTable, fault: Callable[[Board, WorkTable], None], told: str
) -> None:
    assert not list(work.check())
    fault(board, work)
    assert any(told in found for found in work.check()), list(work.check())


def test_a_file_that_grows_is_left_alone(work: WorkTable) -> None:
    work.begin_growth(coming := fetch(A))
    assert not work.is_free(A)
    assert work.arrivals.fetch(A) is coming
    assert Growing(coming) != Growing(fetch(B))
    work.attempts.note_listed(A, b"fp")
    work.jobs.end_growth(A)
    assert work.is_free(A)
    assert work.attempts.take_listed(A) is None
    work.jobs.end_growth(A)  # it has ended already: nothing happens
