"""What a read-only member says: that it holds what others have made, and nothing else."""

from __future__ import annotations

from typing import get_args

from dir_sync.core import notes
from dir_sync.core.messages import (
    Brake,
    Change,
    Chunks,
    Decision,
    JsonMessage,
    Lost,
    Message,
    ModificationUpdate,
    Pull,
    Rejected,
    Settle,
    State,
)
from dir_sync.core.model import Record
from dir_sync.engine.readers import HARMLESS, ReadersFilter
from tests.engine.kit import FOLDER, OTHER, PEER, Alone, later, record


def allowed(kit: Alone[ReadersFilter], message: Message) -> Message | None:
    peer = kit.board.peers.get(PEER) or kit.connects()
    return kit.it.allowed(peer, message)


def records(message: Message | None) -> list[Record]:
    assert isinstance(message, State)
    return list(message.records)


def test_what_others_have_made_counts_and_what_it_made_itself_does_not() -> None:
    kit = Alone(ReadersFilter)
    ours = kit.has(record(b"ours", b"1", node="mm")).record
    theirs = kit.announces(record(b"theirs", b"2", node=OTHER), OTHER).record
    its_own = record(b"its own", b"3")
    kept = records(allowed(kit, State(FOLDER, 5, True, (ours, theirs, its_own))))
    assert [one.path for one in kept] == [b"ours", b"theirs"]
    assert [type(note) for note in kit.told()] == [notes.BadContent]


def test_what_it_made_of_ours_does_not_count() -> None:
    kit = Alone(ReadersFilter)
    ours = kit.has(record(b"a", b"1", node="mm")).record
    assert records(allowed(kit, State(FOLDER, 5, True, (later(ours, b"2"), later(ours, None))))) == []


def test_a_larger_vector_for_the_same_version_is_not_taken() -> None:
    kit = Alone(ReadersFilter)
    ours = kit.has(record(b"a", b"1", node="mm")).record
    forged = ours._replace(vector=(*ours.vector, (PEER, 99)))
    assert records(allowed(kit, State(FOLDER, 5, True, (forged,)))) == []


def test_what_is_behind_ours_is_only_behind() -> None:
    kit = Alone(ReadersFilter)
    old = record(b"a", b"1", node="mm")
    kit.has(later(old, b"2", "mm"))
    assert records(allowed(kit, State(FOLDER, 5, True, (old,)))) == [old]


def test_its_sequence_goes_on_and_its_contents_are_left_out() -> None:
    kit = Alone(ReadersFilter)
    ours = kit.has(record(b"a", b"1", node="mm")).record
    change = Change("modify", ours, attached=True, content=b"1")
    update = allowed(kit, ModificationUpdate(FOLDER, 9, (change, Change("create", record(b"b", b"2"))), (), True))
    assert isinstance(update, ModificationUpdate)
    assert update.sequence == 9
    assert [(one.record.path, one.content) for one in update.changes] == [(b"a", None)]


def test_it_decides_nothing_and_may_ask() -> None:
    kit = Alone(ReadersFilter)
    for message in (
        Decision(FOLDER, "mm", 1, True),
        Rejected(FOLDER, "mm", (b"a",)),
        Settle(FOLDER, ()),
        Brake(FOLDER, ()),
    ):
        assert allowed(kit, message) is None
    pull = Pull(FOLDER, ())
    assert allowed(kit, pull) == pull


def test_people_are_told_once_on_each_connection() -> None:
    kit = Alone(ReadersFilter)
    for number in range(3):
        allowed(kit, State(FOLDER, 5, True, (record(b"%d" % number, b"3"),)))
    assert len(kit.told()) == 1
    kit.it.peer_gone(PEER)
    allowed(kit, State(FOLDER, 5, True, (record(b"again", b"3"),)))
    assert len(kit.told()) == 2


def test_each_kind_of_message_is_known_to_change_something_or_not() -> None:
    """A new one does not pass until somebody has decided that."""
    kinds = {*get_args(JsonMessage), Chunks}
    deciding: set[type[Message]] = {Brake, Decision, Rejected, Settle, Lost}
    assert HARMLESS | deciding | {State, ModificationUpdate} == kinds
    assert not HARMLESS & (deciding | {State, ModificationUpdate})
    kit = Alone(ReadersFilter)
    for kind in deciding:
        message: Message = kind.__new__(kind)
        assert allowed(kit, message) is None
