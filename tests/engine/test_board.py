"""The board and its queues: to ask twice is to ask once, and nothing that was asked for is lost."""

from __future__ import annotations

from dir_sync.core import limits, notes
from dir_sync.core.events import Send
from dir_sync.core.jobs import DiscardJob
from dir_sync.core.messages import Lacks
from dir_sync.core.model import FIRST_CONTACT
from dir_sync.engine.queues import ListQueue, PlanQueue
from dir_sync.engine.scope import Scope
from tests.engine.kit import FOLDER, OTHER, PEER, Alone, record


def test_a_path_is_planned_once_however_often_it_is_asked_for() -> None:
    queue = PlanQueue()
    for _ in range(3):
        queue.add(b"a")
    assert [paths for _, paths in queue.take(10)] == [[b"a"]]
    assert not queue


def test_what_is_planned_later_comes_in_its_time_and_for_whom_it_was_asked() -> None:
    queue = PlanQueue()
    queue.for_one(PEER)
    queue.add_at(20, b"b")
    queue.add_at(10, b"a")
    queue.for_all()
    assert queue.next_due_ms() == 10
    queue.add_due(10)
    assert queue.timed() == {b"b"}
    assert queue.take(10) == [(PEER, [b"a"])]


def test_more_than_is_kept_is_found_again_among_the_offers() -> None:
    queue = PlanQueue()
    queue.add_all({b"%d" % number: None for number in range(limits.TODO_PATHS_MAX + 5)})
    assert queue.cursor is None
    queue.take_overflow()
    assert queue.cursor == b""


def test_room_is_heard_of_once() -> None:
    queue = PlanQueue()
    queue.room_came()
    assert [queue.take_room() for _ in range(2)] == [True, False]


def test_a_folder_that_cannot_be_listed_is_tried_again_twice_as_late_each_time() -> None:
    queue = ListQueue()
    due = []
    for _ in range(4):
        queue.list_later(b"d", 0, 10, 40)
        due.append(queue.next_due_ms())
    assert due == [10, 20, 40, 40]
    queue.add_due(39)
    assert queue.waiting == 0
    queue.add_due(40)
    assert queue.take(9, set()) == [b"d"]
    queue.listed(b"d")
    assert queue.next_due_ms() is None


def test_folders_that_come_back_unlisted_are_listed_next() -> None:
    queue = ListQueue()
    queue.add_all([b"a", b"b", b"c"])
    assert queue.take(2, {b"b", b"x"}) == [b"b", b"c"]
    assert queue.put_in == {b"b"}
    assert not queue.is_over
    queue.came_back([b"c"])
    assert queue.take(9, set()) == [b"c"]  # the last job had time for one
    queue.came_back([])
    assert queue.take(9, set()) == [b"a"]


def test_looks_that_end_while_a_job_is_out_may_be_newer_than_what_it_saw() -> None:
    queue = ListQueue()
    queue.look_ended(b"before")
    queue.add(b"d")
    queue.take(9, set())
    queue.look_ended(b"d/a")
    queue.came_back([b"d"])
    assert queue.looked == {b"d/a"}, "what came back is not read yet"
    queue.look_ended(b"after")
    queue.take(9, set())
    assert queue.looked == set()


def test_what_a_node_is_called() -> None:
    kit = Alone(Scope)
    kit.connects()
    kit.index.notes.put("name " + OTHER, "an old friend")
    names = [kit.board.name_of(node) for node in (PEER, OTHER, "c" * 16, "=first", "")]
    assert names == ["name of " + PEER, "an old friend", "c" * 8, FIRST_CONTACT, ""]


def test_a_message_to_all_goes_to_those_who_have_asked() -> None:
    kit = Alone(Scope)
    for node, asks in ((PEER, True), (OTHER, True), ("cc", False)):
        kit.connects(node, asks)
    kit.board.send_to_all(Lacks(FOLDER, 0, 0, 0, 0), 50, but=OTHER)
    assert [send.peers for send in kit.out(Send)] == [(PEER,)]
    assert kit.board.peers[PEER].connection.queued == 50


def test_a_staging_file_that_was_ordered_away_is_remembered_for_a_while() -> None:
    kit = Alone(Scope)
    kit.board.order_discard(tuple(b"%d" % number for number in range(1_001)), (7,))
    assert len(kit.board.discarded) == 1_000
    assert b"0" not in kit.board.discarded
    assert [job.tokens for job in kit.out(DiscardJob)] == [(7,)]


def test_a_peer_that_has_not_told_all_may_say_more_of_a_path() -> None:
    kit = Alone(Scope)
    peer = kit.connects()
    kit.announces(record(b"a", b"1"))
    assert kit.board.is_being_told(b"a")
    peer.synced = True
    assert not kit.board.is_being_told(b"a")


def test_what_a_user_did_is_told_at_the_end_of_the_turn() -> None:
    kit = Alone(Scope)
    kit.board.tell_later(notes.NewHere(b"a", 1))
    kit.board.tell_later(notes.NewHere(b"a", 2))
    assert kit.told() == []
    assert kit.board.announcements.take_unlogged() == [notes.NewHere(b"a", 2)]
