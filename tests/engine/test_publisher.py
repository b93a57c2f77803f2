"""What each peer is told of changes here, in which order; renames as one thing; and a newcomer that is given everything."""

from __future__ import annotations

from typing import Any

from dir_sync.core import limits, notes
from dir_sync.core.jobs import ReadJob
from dir_sync.core.messages import Message, ModificationUpdate, State
from dir_sync.core.model import Record
from dir_sync.core.peers.announce import Fresh
from dir_sync.engine.constants import TELL_TOGETHER_MS
from dir_sync.engine.publisher import Publisher
from tests.engine.kit import OTHER, PEER, Alone, later, record


def alone(*nodes: str) -> Alone[Publisher]:
    kit = Alone(Publisher)
    for node in nodes:
        kit.it.peer_came(kit.connects(node))
    return kit


def change(kit: Alone[Publisher], record: Record, previous: Record | None = None, data: bytes | None = None) -> None:
    """Made here, in this turn."""
    row = kit.has(record)
    kit.board.announcements.add(row, record)
    kit.board.announcements.add_change(Fresh(record, previous, data, None, None, None))


def sequences(messages: list[Message]) -> list[int]:
    return [message.sequence for message in messages if isinstance(message, (State, ModificationUpdate))]


def test_a_change_is_told_at_once_to_all_who_are_up_to_date() -> None:
    kit = alone(PEER, OTHER)
    change(kit, record(b"a", b"new"), data=b"new")
    kit.it.publish_when_due()
    assert kit.said(PEER) == kit.said(OTHER)
    (update,) = kit.said(PEER)
    assert isinstance(update, ModificationUpdate)
    assert [(one.record.path, one.content) for one in update.changes] == [(b"a", b"new")]
    assert len(kit.effects()) == 1, "one message for both"
    assert kit.it.is_up_to_date(PEER) is False, "it was never told that this is all"
    kit.it.publish_when_due()
    assert kit.effects() == [], "nothing is told twice"


def test_who_has_not_asked_or_lags_behind_is_not_told() -> None:
    kit = alone(PEER, OTHER)
    kit.board.peers[OTHER].has_asked = False
    kit.it.subscribers[PEER].sent = -5
    change(kit, record(b"a", b"new"))
    kit.it.publish()
    assert kit.effects() == []


def test_who_has_too_much_in_its_outbox_hears_of_it_later_from_the_index() -> None:
    kit = alone(PEER)
    kit.board.peers[PEER].connection.queued = limits.OUTBOX_BYTES_MAX + 1
    change(kit, record(b"a", b"new"))
    kit.it.publish()
    assert kit.said() == []
    kit.board.peers[PEER].connection.queued = 0
    kit.it.send_backlogs()
    assert sequences(kit.said())[-1] == kit.index.sequences.last


def test_a_rename_is_one_thing_for_peers_and_for_people() -> None:
    kit = alone(PEER)
    old = record(b"old", b"same")
    kit.has(old)
    kit.it.subscribers[PEER].sent = kit.index.sequences.last
    change(kit, record(b"new", b"same"), data=b"same")
    change(kit, later(old, None), old)
    kit.board.tell_later(notes.NewHere(b"new", 4))
    kit.board.tell_later(notes.DeletedHere(b"old"))
    kit.it.publish()
    (update,) = kit.said()
    assert isinstance(update, ModificationUpdate)
    assert [(one.record.path, one.source, one.content) for one in update.changes if one.source] == [
        (b"new", b"old", None)
    ]
    assert kit.told() == [notes.RenamedHere(b"new", b"old")]


def test_a_rename_with_an_edit_is_known_by_what_the_watcher_saw() -> None:
    kit = alone(PEER)
    old = record(b"old", b"before")
    kit.has(old)
    kit.it.subscribers[PEER].sent = kit.index.sequences.last
    change(kit, record(b"new", b"after"))
    change(kit, later(old, None), old)
    kit.it.renamed(b"new", (b"older", b"old"))
    kit.it.publish()
    (update,) = kit.said()
    assert isinstance(update, ModificationUpdate)
    assert [one.source for one in update.changes if one.record.path == b"new"] == [b"old"]


def test_people_are_told_also_when_nobody_is_connected() -> None:
    kit = alone()
    change(kit, record(b"a", b"new"))
    kit.board.tell_later(notes.NewHere(b"a", 3))
    kit.it.publish()
    assert kit.told() == [notes.NewHere(b"a", 3)]


def test_while_several_want_something_what_came_from_peers_is_told_together() -> None:
    kit = alone(PEER)
    kit.board.is_shared = True
    kit.it.publish_when_due()
    kit.wait(1)
    kit.board.announcements.add(kit.has(record(b"a", b"1")), record(b"a", b"1"))
    kit.it.publish_when_due()
    assert kit.said() == []
    kit.board.tell_later(notes.NewHere(b"b", 1))
    assert not kit.it.may_tell_later(), "what a user did here does not wait"
    kit.board.announcements.take_unlogged()
    kit.wait(TELL_TOGETHER_MS)
    kit.it.publish_when_due()
    assert len(kit.said()) == 1


# --- backlogs -------------------------------------------------------------------------------------------------------


def test_who_lags_behind_is_told_page_by_page_and_then_that_this_is_all() -> None:
    kit = alone(PEER)
    for number in range(limits.PAGE_RECORDS_MAX):
        kit.has(record(b"%05d" % number, b""))
    told: list[Message] = []
    for _ in range(10):
        kit.wait(1)
        kit.it.send_backlogs()
        told += kit.said()
    assert sequences(told) == sorted(sequences(told))
    names = [one.path for message in told if isinstance(message, State) for one in message.records]
    assert len(names) == len(set(names)) == limits.PAGE_RECORDS_MAX
    assert isinstance(told[-1], State)
    assert told[-1].last
    assert kit.it.is_up_to_date(PEER)


def test_while_several_compete_pages_are_short() -> None:
    kit = alone(PEER)
    kit.board.is_shared = True
    for number in range(600):
        kit.has(record(b"%05d" % number, b""))
    sizes: list[int] = []
    for _ in range(5):
        kit.wait(1)
        kit.it.send_backlogs()
        sizes += [len(message.records) for message in kit.said() if isinstance(message, State) and message.records]
    assert sum(sizes) == 600
    assert max(sizes) <= 250


def test_while_the_scan_goes_on_nobody_is_told_that_this_is_all() -> None:
    kit = alone(PEER)
    kit.board.scan.begin()
    kit.has(record(b"a", b""))
    kit.it.send_backlogs()
    assert not any(message.last for message in kit.said() if isinstance(message, State))


def test_of_those_who_lag_far_behind_only_some_are_told_in_one_turn_one_after_the_other() -> None:
    nodes = ["aa", "bb", "cc", "dd"]
    kit = alone(*nodes)
    for number in range(limits.CHANGES_MAX):
        kit.has(record(b"%05d" % number, b""))
    kit.it.send_backlogs()
    first = [node for node in nodes if kit.said(node)]
    assert len(first) == 2
    assert kit.board.run_again
    kit.wait(1)
    kit.it.send_backlogs()
    assert not set(first) & {node for node in nodes if kit.said(node)}


def test_where_two_hold_the_same_nothing_is_told() -> None:
    kit = alone(PEER)
    kit.has(record(b"a", b"1"))
    kit.it.subscribers[PEER].begin(0, kit.index.rows.summary())
    kit.it.send_backlogs()
    (end,) = kit.said()
    assert isinstance(end, State)
    assert (end.records, end.last) == ((), True)


# --- a newcomer -----------------------------------------------------------------------------------------------------


def newcomer(kit: Alone[Publisher], node: str = PEER) -> Any:
    kit.it.subscribers[node].seeding.begin()
    return kit.it.subscribers[node].seeding


def test_a_newcomer_is_given_the_contents_unasked() -> None:
    kit = alone(PEER)
    kit.has(record(b"a", b"content"))
    newcomer(kit)
    kit.it.send_backlogs()
    (job,) = kit.out(ReadJob)
    assert (job.push, [item.path for item in job.items]) == (True, [b"a"])
    kit.it.seed(PEER, {0: b"content"})
    (update,) = kit.said()
    assert isinstance(update, ModificationUpdate)
    assert [(one.record.path, one.content) for one in update.changes] == [(b"a", b"content")]
    assert kit.told() == [notes.Sent(b"a", "name of " + PEER, 7)]


def test_of_many_contents_for_a_newcomer_people_are_told_of_some_by_name() -> None:
    kit = alone(PEER)
    paths = [b"%d" % number for number in range(9)]
    for path in paths:
        kit.has(record(path, path))
    newcomer(kit)
    kit.it.send_backlogs()
    kit.it.seed(PEER, dict(enumerate(paths)))
    name = "name of " + PEER
    assert kit.told() == [
        *(notes.Sent(path, name, 1) for path in paths[:5]),
        notes.SentMany(name, tuple((path, 1) for path in paths[5:]), 4),
    ]


def test_what_has_changed_while_it_was_read_is_told_with_its_new_sequence() -> None:
    kit = alone(PEER)
    kit.has(record(b"a", b"old"))
    newcomer(kit)
    kit.it.send_backlogs()
    kit.has(record(b"a", b"new"))
    kit.it.seed(PEER, {0: b"old"})
    assert not [one for message in kit.said() for one in getattr(message, "changes", ())]


def test_where_others_could_give_it_as_well_it_is_asked_what_it_wants() -> None:
    kit = alone(PEER, OTHER)
    newcomer(kit)
    assert not kit.it.check_seeding(PEER)
    kit = alone(PEER)
    newcomer(kit).note_announcement()
    assert not kit.it.check_seeding(PEER), "it has something itself"
    kit = alone(PEER)
    newcomer(kit)
    assert kit.it.check_seeding(PEER)


def test_the_scan_waits_for_a_newcomer_only_while_it_keeps_up() -> None:
    kit = alone(PEER)
    newcomer(kit)
    assert not kit.it.seeding_lags()
    kit.it.subscribers[PEER].pushes.pushed(b"a", limits.PULL_WINDOW_BYTES)
    kit.it.subscribers[PEER].pushes.acked_ms = kit.board.now.mono_ms
    assert kit.it.seeding_lags()
    kit.wait(60_000)
    assert not kit.it.seeding_lags()
    assert not kit.it.check_seeding(PEER)
