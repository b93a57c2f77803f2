"""Who lacks what, and when all is in sync: said to peers and to people, and not too often."""

from __future__ import annotations

import pytest

from dir_sync.core import notes
from dir_sync.core.declined import Declined, Reason
from dir_sync.core.messages import Lacks, State
from dir_sync.core.mode import Mode
from dir_sync.core.model import Record
from dir_sync.core.peers.standing import NOTHING, Lack
from dir_sync.engine.brakes import Brakes
from dir_sync.engine.declining import Declining
from dir_sync.engine.publisher import Publisher
from dir_sync.engine.sync_report import SyncReport
from dir_sync.index import PeerSeen
from tests.engine.kit import FOLDER, PEER, Alone, folder, later, record


def alone(heard: bool = True) -> Alone[SyncReport]:
    """`heard`: the peer has said what it has."""
    kit = Alone(SyncReport, Brakes)
    peer = kit.connects()
    peer.was_asked = True
    kit.real(Publisher).peer_came(peer)
    kit.index.peers.put(PEER, PeerSeen(0, None))
    if heard:
        peer.standing.came(State(FOLDER, 0, True, ()))
    return kit


def in_sync(*held: Record) -> Alone[SyncReport]:
    kit = alone()
    kit.answers["publisher.is_up_to_date"] = True
    for one in held:
        kit.has(one)
    peer = kit.board.peers[PEER]
    peer.synced = True
    peer.standing.told(State(FOLDER, kit.index.sequences.last, True, ()))
    kit.it.on_lacks(peer, Lacks(FOLDER, kit.index.sequences.last, 0, 0, 0))
    return kit


def test_two_are_in_sync_if_both_have_said_that_they_lack_nothing() -> None:
    assert in_sync(record(b"a", b"1")).it.in_sync_with() == [PEER]


@pytest.mark.parametrize("why", ["not told", "not all heard", "it lacks", "we lack", "a look", "a plan", "held"])
def test_otherwise_they_are_not(why: str) -> None:
    kit = in_sync(record(b"a", b"1"))
    peer = kit.board.peers[PEER]
    match why:
        case "not told":
            kit.answers["publisher.is_up_to_date"] = False
        case "not all heard":
            peer.synced = False
        case "it lacks":
            kit.it.on_lacks(peer, Lacks(FOLDER, kit.index.sequences.last, 1, 5, 0))
        case "we lack":
            kit.announces(record(b"b", b"2"))
        case "a look":
            kit.board.pending_looks.add(b"a", 0, 0)
        case "a plan":
            kit.board.plan_queue.add(b"a")
        case "held":
            own = kit.real(Brakes).own
            own.miss(b"a")
            own.hold({b"a": (1, 1)}, 1)
    assert kit.it.in_sync_with() == []


def test_what_a_peer_keeps_apart_is_told_with_that_all_is_in_sync() -> None:
    kit = in_sync()
    apart = Declined(Reason.IGNORED, 2, 10)
    kit.it.on_lacks(kit.board.peers[PEER], Lacks(FOLDER, kit.index.sequences.last, 0, 0, 0, (apart,)))
    kit.it.note_in_sync()
    kit.effects()
    kit.wait(500)
    kit.it.note_in_sync()
    name = "name of " + PEER
    (note,) = [one for one in kit.told() if isinstance(one, notes.InSync)]
    assert [(one.reason, one.files, one.size) for one in note.apart] == [("ignored", 2, 10)]
    assert note.peers == (name,)


def test_people_are_told_when_it_has_lasted_a_moment() -> None:
    kit = in_sync()
    kit.it.note_in_sync()
    assert kit.told() == []
    assert kit.it.sync_due_ms == kit.board.now.mono_ms + 500
    kit.wait(500)
    kit.it.note_in_sync()
    assert kit.told() == [notes.InSync(("name of " + PEER,))]
    kit.effects()
    kit.it.note_in_sync()
    assert kit.told() == []


def test_single_edits_one_after_the_other_are_no_news() -> None:
    kit = in_sync()
    kit.it.note_in_sync()
    kit.wait(500)
    kit.it.note_in_sync()
    kit.board.pending_looks.add(b"a", 0, 0)
    kit.it.note_in_sync()
    kit.board.pending_looks.pull(b"a")
    kit.wait(500)
    kit.it.note_in_sync()
    kit.wait(500)
    kit.it.note_in_sync()
    assert kit.told() == []
    kit.wait(10_000)
    kit.it.note_in_sync()
    assert len(kit.told()) == 1


def test_a_peer_is_told_what_is_lacking_when_that_changes() -> None:
    kit = alone()
    kit.it.tell_lacks()
    assert kit.said() == [Lacks(FOLDER, 0, *NOTHING)]
    kit.effects()
    kit.announces(record(b"a", b"content"))
    kit.wait(1_000)
    kit.it.tell_lacks()
    assert kit.said() == [Lacks(FOLDER, 0, 1, 7, 0)]
    kit.wait(1_000)
    kit.it.tell_lacks()
    assert kit.said() == [], "it knows"


def test_the_first_report_answers_something() -> None:
    """Otherwise the one that does would have to wait: two that have the same would know it a fifth of a second later."""
    kit = alone(heard=False)
    kit.it.tell_lacks()
    assert kit.said() == []
    kit.board.peers[PEER].standing.came(State(FOLDER, 3, True, ()))
    kit.it.tell_lacks()
    assert kit.said() == [Lacks(FOLDER, 0, *NOTHING)]


def test_not_more_often_than_now_and_then() -> None:
    kit = alone()
    kit.it.tell_lacks()
    kit.effects()
    kit.announces(record(b"a", b"content"))
    kit.it.tell_lacks()
    assert kit.said() == []
    assert kit.it.lacks_due_ms is not None
    kit.wait(kit.it.lacks_due_ms - kit.board.now.mono_ms)
    kit.it.tell_lacks()
    assert len(kit.said()) == 1


def test_while_something_is_lacking_all_the_time_the_figures_change_once_a_second() -> None:
    """Each report costs both sides a turn and a commit. That nothing is lacking any more is said soon."""
    kit = alone()
    kit.announces(record(b"a", b"content"))
    kit.announces(record(b"b", b"2"))
    kit.it.tell_lacks()
    kit.index.offers.drop(b"b", PEER)
    kit.effects()
    kit.wait(900)
    kit.it.tell_lacks()
    assert kit.said() == []
    kit.wait(100)
    kit.it.tell_lacks()
    assert kit.said() == [Lacks(FOLDER, 0, 1, 7, 0)]
    kit.index.offers.drop(b"a", PEER)
    kit.wait(200)
    kit.it.tell_lacks()
    assert kit.said() == [Lacks(FOLDER, 0, *NOTHING)]


def test_a_peer_is_told_why_what_it_announced_is_not_taken() -> None:
    kit = alone()
    kit.announces(record(b"a", b"content"))
    kit.it.tell_lacks()
    assert kit.said() == [Lacks(FOLDER, 0, 1, 7, 0)]
    kit.effects()
    why = (Declined(Reason.DISK_FULL, 1, 7),)
    kit.answers["declining.of"] = why
    kit.it.tell_lacks()
    assert kit.said() == [], "a reason is no haste"
    kit.wait(1_000)
    kit.it.tell_lacks()
    assert kit.said() == [Lacks(FOLDER, 0, 1, 7, 0, why)]
    kit.effects()
    kit.wait(5_000)
    kit.it.tell_lacks()
    assert kit.said() == [], "once"
    kit.index.offers.drop(b"a", PEER)
    kit.it.tell_lacks()
    assert kit.said() == [Lacks(FOLDER, 0, *NOTHING)]


def test_a_send_only_node_says_what_it_does_not_take_and_lacks_nothing() -> None:
    kit = alone()
    kit.mode_rules.mode = Mode.SEND_ONLY
    kit.announces(record(b"a", b"content"))
    kit.it.tell_lacks()
    assert kit.said() == [Lacks(FOLDER, 0, *NOTHING, (Declined(Reason.SEND_ONLY, 1, 7),))]
    kit.effects()
    kit.wait(5_000)
    kit.it.tell_lacks()
    assert kit.said() == [], "once"
    kit.index.offers.drop(b"a", PEER)
    kit.it.tell_lacks()
    assert kit.said() == [Lacks(FOLDER, 0, *NOTHING)], "its user has overridden that"


def test_who_lacks_nothing_counts_no_reasons_again() -> None:
    """Otherwise the node would never rest."""
    kit = alone()
    kit.announces(record(b"a", b"1"))
    kit.it.tell_lacks()
    kit.real(Declining).due_ms = 5
    kit.wait(1_000)
    kit.it.tell_lacks()
    assert kit.it.lacks_due_ms == 5
    kit.index.offers.drop(b"a", PEER)
    kit.wait(1_000)
    kit.it.tell_lacks()
    assert kit.it.lacks_due_ms is None


def test_people_are_told_why_a_peer_does_not_take_something() -> None:
    kit = alone()
    peer = kit.board.peers[PEER]
    why = (Declined(Reason.TOO_LARGE, 500, 5_000_000_000, 0, 1_000),)
    kit.it.on_lacks(peer, Lacks(FOLDER, 0, 500, 5_000_000_000, 0, why))
    assert peer.standing.declined == why
    told = notes.NotTakenThere("name of " + PEER, "too-large", 500, 5_000_000_000, 0, 1_000)
    assert kit.told() == [told], "and not that it still lacks them, as if they were on their way"
    for _ in range(3):
        kit.wait(60_000)
        kit.it.on_lacks(peer, Lacks(FOLDER, 0, 0, 0, 0))
        kit.it.on_lacks(peer, Lacks(FOLDER, 0, 500, 5_000_000_000, 0, why))
        assert kit.told() == [], "it is known"
    kit.wait(700_000)
    kit.it.on_lacks(peer, Lacks(FOLDER, 0, 600, 5_000_000_000, 0, why))
    assert [type(note) for note in kit.told()] == [notes.NotTakenThere, notes.PeerBehind]


def test_what_is_held_here_is_lacking() -> None:
    kit = alone()
    own = kit.real(Brakes).own
    own.miss(b"a")
    own.hold({b"a": (3, 50)}, 1)
    assert kit.it.lacked_from(PEER) == Lack(3, 50, 0)


def test_of_much_that_a_peer_lacks_people_are_told_now_and_then() -> None:
    kit = alone()
    peer = kit.board.peers[PEER]
    kit.it.on_lacks(peer, Lacks(FOLDER, 0, 5, 10, 0))
    assert kit.told() == []
    for _ in range(2):
        kit.it.on_lacks(peer, Lacks(FOLDER, 0, 500, 10, 0))
    assert kit.told() == [notes.PeerBehind("name of " + PEER, 500, 10)]
    kit.wait(30_000)
    kit.it.on_lacks(peer, Lacks(FOLDER, 0, 500, 10, 0))
    assert len(kit.told()) == 1


def test_what_was_told_since_a_peer_counted_is_lacking_too() -> None:
    kit = alone()
    assert kit.it.lacked_by(PEER) is None, "it has said nothing yet"
    kit.it.on_lacks(kit.board.peers[PEER], Lacks(FOLDER, 0, 1, 10, 0))
    kit.has(record(b"a", b"content"))
    assert kit.it.lacked_by(PEER) == Lack(2, 17, 0)
    assert kit.it.lacked_by("nobody") is None


def test_troubles_are_named_as_long_as_they_are_wanted() -> None:
    kit = alone()
    kit.work.retries.note_trouble(b"a", "no permission", Reason.FAILED)
    assert kit.it.troubled() == []
    kit.announces(record(b"a", b"1"))
    assert kit.it.troubled() == [(b"a", "no permission", Reason.FAILED, True)]


def test_what_waits_for_a_decision_is_named() -> None:
    kit = alone()
    kit.has(folder(b"d"))
    mine = kit.has(record(b"d/a", b"1")).record
    kit.announces(later(mine, b"2"))
    kit.announces(record(b"other", b"1"))
    assert kit.it.undecided() == []
    own = kit.real(Brakes).own
    own.miss(b"d")
    own.hold({b"d": (1, 1)}, 1)
    assert kit.it.undecided() == [b"d/a"]
