"""What peers announce becomes offers; how far each has told and heard, and whether its word counts."""

from __future__ import annotations

from typing import Any

import pytest

from dir_sync.core import limits, notes
from dir_sync.core.content import first_scan_record
from dir_sync.core.events import Drop, NewReplica, PeerUp
from dir_sync.core.jobs import ApplyItem, Cause, TreeOp
from dir_sync.core.messages import PROTOCOL, FolderIndex, Hello, State, StateRequest
from dir_sync.core.mode import THEIRS, nothing, own_change
from dir_sync.core.model import Kind, PeerError, Record
from dir_sync.core.peers.contact import Contact
from dir_sync.core.peers.standing import NOTHING
from dir_sync.core.reconcile import Offer
from dir_sync.core.transfers.uploads import Uploads
from dir_sync.engine.constants import MEMBER, NOBODY
from dir_sync.engine.intake import Intake
from dir_sync.engine.publisher import Publisher
from dir_sync.engine.stamps import Stamps
from dir_sync.engine.uploader import Uploader
from dir_sync.index import PeerSeen
from tests.engine.kit import FOLDER, OTHER, PEER, WALL_NS, Alone, later, record, tombstone


def alone(**answers: Any) -> Alone[Intake]:
    lacks = {"sync_report.lacked_from": NOTHING}
    return Alone(Intake, Stamps, answers=lacks | {name.replace("__", "."): it for name, it in answers.items()})


def comes(kit: Alone[Intake], node: str = PEER, folder: str = FOLDER) -> Contact | None:
    peer = kit.it.on_peer_up(PeerUp(node, Hello(PROTOCOL, node, node, "1", 6000, (FolderIndex(folder, node, 0),))))
    if peer is not None:
        kit.real(Publisher).peer_came(peer)
    return peer


def met(kit: Alone[Intake], node: str = PEER) -> Contact:
    peer = comes(kit, node)
    assert peer is not None
    kit.effects()
    return peer


# --- who comes ------------------------------------------------------------------------------------------------------


def test_who_comes_is_asked_for_what_is_new_since_last_time() -> None:
    kit = alone()
    comes(kit)
    (request,) = kit.said()
    assert isinstance(request, StateRequest)
    assert (request.replica, request.after) == (PEER, 0)
    kit = alone()
    kit.index.peers.put(PEER, PeerSeen(7, 3))
    comes(kit)
    (request,) = kit.said()
    assert isinstance(request, StateRequest)
    assert request.after == 7


def test_while_it_is_unknown_what_is_here_nobody_is_asked() -> None:
    kit = alone()
    kit.board.scan.begin()
    comes(kit)
    assert kit.said() == []


def test_who_has_no_such_folder_is_let_go_of() -> None:
    kit = alone()
    assert comes(kit, folder="another") is None
    assert [drop.reason for drop in kit.out(Drop)] == ["no-common-folder"]


@pytest.mark.parametrize("ignored", [False, True], ids=["offers", "ignored paths"])
def test_what_a_stranger_leaves_behind_is_bounded(ignored: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dir_sync.core.limits.OFFERS_LEFT_MAX", 2)
    for member, left in ((False, 0), (True, 3)):
        kit = alone()
        if member:
            kit.index.notes.put(MEMBER + PEER, 1)
        met(kit)
        for path in (b"a", b"b", b"c"):
            if ignored:
                kit.index.unshared.put(PEER, record(path, b"1"))
            else:
                kit.announces(record(path, b"1"))
        kit.it.peer_gone(PEER)
        assert (kit.index.unshared.of_peer(PEER).files if ignored else kit.index.offers.count_by(PEER)) == left


# --- what it asks ---------------------------------------------------------------------------------------------------


def test_who_asks_is_told_from_there() -> None:
    kit = alone()
    peer = met(kit)
    for path in (b"a", b"b"):
        kit.has(record(path, b"1"))
    kit.it.on_state_request(peer, StateRequest(FOLDER, kit.index.identity.replica, 1))
    assert peer.has_asked
    assert kit.real(Publisher).subscribers[PEER].sent == 1
    kit.it.on_state_request(peer, StateRequest(FOLDER, "an index that was lost", 1))
    assert kit.real(Publisher).subscribers[PEER].sent == 0


@pytest.mark.parametrize("after", [0, 1])
def test_who_asks_is_told_also_what_it_had_announced_before_that(after: int) -> None:
    """On an earlier connection, it may be, and its index may come from a backup since."""
    kit = alone()
    peer = met(kit)
    kit.has(record(b"a", b"1"))
    subscriber = kit.real(Publisher).subscribers[PEER]
    subscriber.taken_over(kit.has(record(b"b", b"1")).record)
    kit.it.on_state_request(peer, StateRequest(FOLDER, kit.index.identity.replica, after))
    assert subscriber.knows == {}


def test_who_has_seen_more_of_us_than_there_is_shows_that_we_have_lost_it() -> None:
    kit = alone()
    peer = met(kit)
    before = kit.index.identity.replica
    kit.it.on_state_request(peer, StateRequest(FOLDER, kit.index.identity.replica, 99))
    assert kit.index.identity.replica != before
    assert len(kit.out(NewReplica)) == 1
    assert [type(note) for note in kit.told()] == [notes.IdentityChanged]
    assert kit.contacts.next_gone() == PEER
    with pytest.raises(PeerError):  # that is true once at most
        kit.it.on_state_request(peer, StateRequest(FOLDER, kit.index.identity.replica, 99))


def test_who_comes_with_nothing_for_the_first_time_is_given_everything() -> None:
    for sequence, given in ((0, True), (5, False)):
        kit = alone()
        peer = met(kit)
        kit.it.on_state_request(peer, StateRequest(FOLDER, "lost", 0, sequence))
        assert (kit.real(Publisher).subscribers[PEER].seeding.contents is not None) == given


# --- what it announces ----------------------------------------------------------------------------------------------


def test_news_is_an_offer_and_planned() -> None:
    kit = alone()
    peer = met(kit)
    news = record(b"a", b"1")
    assert kit.it.on_announced(peer, news, 1)
    assert [offer.record for offer in kit.index.offers.of(b"a")] == [news]
    assert kit.planned() == [b"a"]


def test_what_is_here_already_is_no_news_and_its_peer_need_not_be_told() -> None:
    kit = alone()
    peer = met(kit)
    mine = kit.has(record(b"a", b"1", node="mm"))
    kit.announces(later(mine.record, b"2"))
    assert not kit.it.on_announced(peer, mine.record, 1)
    assert not kit.index.offers.of(b"a"), "it has moved on"
    subscriber = kit.real(Publisher).subscribers[PEER]
    assert subscriber.knows == {b"a": (mine.record.stamp, mine.record.vector)}
    assert subscriber.shared == 1
    assert kit.asked("vain.add_repeat") == [(PEER,)]


def test_what_is_older_than_ours_is_no_news() -> None:
    kit = alone()
    peer = met(kit)
    old = record(b"a", b"1")
    kit.has(later(old, b"2"))
    assert not kit.it.on_announced(peer, old, 1)
    assert not kit.index.offers.of(b"a")


def test_what_is_being_installed_when_its_peer_moves_on_must_still_be_known() -> None:
    kit = alone()
    peer = met(kit)
    first = kit.announces(record(b"a", b"1")).record
    kit.work.attempts.record_attempt(b"a", first.stamp)
    kit.it.on_announced(peer, later(first, b"2"), 2)
    kept = kit.index.offers.of_peer(b"a", NOBODY)
    assert kept is not None
    assert kept.record == first


def test_what_the_last_run_may_have_left_in_an_unseen_folder_must_still_be_known() -> None:
    """This run has tried what another peer announced there; nobody has seen what is there."""
    kit = alone()
    peer, other = met(kit), met(kit, OTHER)
    first = kit.announces(record(b"d/a", b"1")).record
    gone = later(first, None)
    kit.board.listings.failed[b"d"] = (1_000, 1_000)
    kit.it.on_announced(other, gone, 2)
    kit.work.attempts.record_attempt(b"d/a", gone.stamp)
    kit.it.on_announced(peer, gone, 2)
    kept = kit.index.offers.of_peer(b"d/a", NOBODY)
    assert kept is not None
    assert kept.record == first


@pytest.mark.parametrize("is_better_first", [True, False])
def test_of_what_several_had_in_the_last_run_the_best_must_still_be_known(is_better_first: bool) -> None:
    """That is what the last run was installing when it ended. Both have moved on before anybody has seen what is there."""
    kit = alone()
    peer, other = met(kit), met(kit, OTHER)
    first = kit.announces(record(b"d/a", b"1")).record
    better = kit.announces(later(first, b"2"), OTHER).record
    kit.board.listings.failed[b"d"] = (1_000, 1_000)
    for each in (other, peer) if is_better_first else (peer, other):
        kit.it.on_announced(each, later(better, b"3"), 2)
    kept = kit.index.offers.of_peer(b"d/a", NOBODY)
    assert kept is not None
    assert kept.record == better


def test_what_a_mirror_was_undoing_when_a_peer_announced_something_is_no_offer_of_anybody() -> None:
    """It is kept as what the mesh has, for as long as something else is here."""
    kit = alone()
    peer = met(kit)
    mine = own_change(record(b"a", b"1"), 5, 1)
    undone = nothing(mine)
    kit.has(mine)
    kit.index.offers.put(Offer(THEIRS, undone, False))
    kit.work.attempts.record_attempt(b"a", undone.stamp)
    kit.it.on_announced(peer, record(b"a", b"2"), 1)
    assert [offer.peer for offer in kit.index.offers.of(b"a")] == [THEIRS, PEER]


def test_a_deletion_that_was_made_in_ignorance_of_us_is_foreign() -> None:
    for contact, foreign in (("first", True), ("later", False)):
        kit = alone()
        peer = met(kit)
        kit.has(first_scan_record(b"a", Kind.FILE, 1, b"c" * 32, 5, 0o644))
        if contact == "later":
            kit.it.on_last_state(peer, 1)
        kit.it.on_announced(peer, tombstone(b"a", ns=WALL_NS), 1)
        assert [offer.foreign for offer in kit.index.offers.of(b"a")] == [foreign]


def test_what_was_replaced_before_it_could_be_had_counts_as_in_vain() -> None:
    kit = alone()
    peer = met(kit)
    first = record(b"a", b"1")
    kit.it.on_announced(peer, first, 1)
    assert kit.asked("vain.add") == []
    kit.it.on_announced(peer, later(first, b"2"), 2)
    assert kit.asked("vain.add") == [(PEER,)]


# --- what it has heard ----------------------------------------------------------------------------------------------


def acknowledges(kit: Alone[Intake], peer: Contact, *held: Any) -> None:
    kit.it.on_acknowledge(peer, [(one.path, one.stamp) for one in held])


def test_what_it_holds_is_shared_and_who_shares_most_is_a_member() -> None:
    kit = alone()
    peer = met(kit)
    one = kit.has(record(b"a", b"1")).record
    kit.has(record(b"b", b"1"))
    assert not kit.it.is_member(PEER)
    acknowledges(kit, peer, one)
    kit.it.advance_received(peer, 5)
    assert kit.it.is_member(PEER), "half of it"
    assert kit.index.notes.get(MEMBER + PEER) == 1
    known = kit.index.peers.get(PEER)
    assert known is not None
    assert known.seen == 5
    kit.it.advance_received(peer, 3)
    assert kit.index.peers.get(PEER) == known


def test_an_offer_from_which_it_has_moved_on_is_taken_back() -> None:
    kit = alone()
    peer = met(kit)
    mine = kit.has(record(b"a", b"1", node=kit.index.identity.replica)).record
    kit.announces(later(mine, b"2"))
    acknowledges(kit, peer, mine)
    assert not kit.index.offers.of(b"a")


@pytest.mark.parametrize("how", ["acknowledges", "announces"])
def test_who_says_that_it_has_a_missing_content_is_asked_for_it_again(how: str) -> None:
    """A mirror has changed the path since: what the mesh had there it knows from the others."""
    kit = alone(sources__no_longer_missing=lambda peer, content: content == theirs.content)
    peer = met(kit)
    theirs = record(b"a", b"1")
    kit.has(own_change(record(b"a", b"2"), 99, 7))
    kit.announces(theirs, THEIRS)
    kit.announces(record(b"b", b"3"), OTHER)
    kit.planned()
    if how == "acknowledges":
        acknowledges(kit, peer, theirs)
    else:
        kit.it.on_announced(peer, theirs, 5)
    assert kit.asked("sources.no_longer_missing") == [(PEER, theirs.content)]
    assert kit.board.plan_queue.cursor is not None, "all that peers announced is planned"


def test_who_has_heard_from_us_what_we_have_lost_is_asked_for_all_it_has() -> None:
    kit = alone()
    peer = met(kit)
    kit.index.peers.put(PEER, PeerSeen(7, 3))
    acknowledges(kit, peer, record(b"a", b"lost here", node=kit.index.identity.replica))
    assert kit.asked("vain.add") == [(PEER,)], "who says so without end floods"
    kit.it.ask_again_if_due(peer)
    assert kit.said() == [], "first it tells all it has to tell"
    kit.it.on_last_state(peer, 7)
    kit.effects()
    kit.it.ask_again_if_due(peer)
    (request,) = kit.said()
    assert isinstance(request, StateRequest)
    assert request.after == 0
    kit.it.on_last_state(peer, 7)
    kit.effects()
    kit.it.ask_again_if_due(peer)
    assert kit.said() == [], "once"


def page(sequence: int, last: bool = False) -> State:
    return State(FOLDER, sequence, last, ())


def test_what_was_under_way_when_a_peer_was_asked_anew_does_not_count_as_told() -> None:
    """If the connection breaks then, all it has is asked for at the next contact."""
    kit = alone()
    peer = met(kit)

    def seen() -> int:
        known = kit.index.peers.get(PEER)
        assert known is not None
        return known.seen

    kit.it.advance_received(peer, 500, page(500))
    assert seen() == 500
    kit.it.ask_again(peer)
    assert seen() == 0
    kit.it.advance_received(peer, 700)
    kit.it.advance_received(peer, 900, page(900))
    assert seen() == 0, "a change, and a page of what was asked for at first"
    assert peer.standing.heard == -1, "it is no news either: a report as of 0 would stay the last one"
    kit.it.advance_received(peer, 300, page(300))
    assert seen() == 300
    kit.it.advance_received(peer, 700)
    assert seen() == 700
    kit.it.ask_again(peer)
    kit.it.advance_received(peer, 950, page(950, last=True))
    assert seen() == 950, "all of it in one page"


def test_what_a_larger_stamp_said_before_it_went_back_is_not_unheard_of() -> None:
    kit = alone()
    peer = met(kit)
    larger = record(b"a", b"1", ns=WALL_NS + 10)
    kit.has(later(larger, b"2", ns=-20))
    kit.real(Stamps).lowered[b"a"] = {larger.stamp}
    acknowledges(kit, peer, larger)
    kit.it.on_last_state(peer, 7)
    kit.effects()
    kit.it.ask_again_if_due(peer)
    assert kit.said() == []


def uploads(kit: Alone[Intake], what: Record) -> Uploads:
    """A peer asks for a large content of ours."""
    active = kit.real(Uploader).active
    active.asked(PEER, what.path, what.content, what.size, what.size, 0, what.size, kit.board.now.mono_ms)
    return active


def test_what_a_peer_announces_with_the_content_that_it_is_sent_has_come() -> None:
    """It has restored that version with the content that is in the history here: it never acknowledges it."""
    kit = alone()
    peer = met(kit)
    old = record(b"a", b"1")._replace(size=limits.LARGE_FILE_BYTES)
    mine = kit.has(later(old, b"2", kit.index.identity.replica)).record
    active = uploads(kit, old)
    kit.wait(2_000)
    kit.it.on_announced(peer, later(mine, b"3"), 1)
    assert active.of(PEER), "that is another version of it"
    kit.it.on_announced(peer, later(mine, b"1", ns=2 * 10**9), 2)
    assert not active.of(PEER)
    assert kit.told() == [notes.SentLarge(b"a", peer.name, old.size, old.size, 2_000)]


def test_what_a_peer_announces_as_it_is_here_has_come() -> None:
    """Its state says it before its acknowledgement does."""
    kit = alone()
    peer = met(kit)
    mine = kit.has(record(b"a", b"1")).record
    active = uploads(kit, mine)
    kit.it.on_announced(peer, mine, 1)
    assert not active.of(PEER)


def test_two_peers_are_told_apart() -> None:
    kit = alone()
    met(kit, PEER)
    peer = met(kit, OTHER)
    kit.it.on_announced(peer, record(b"a", b"1"), 1)
    assert [offer.peer for offer in kit.index.offers.of(b"a")] == [OTHER]


def test_a_gift_that_is_being_installed_must_still_be_known() -> None:
    kit = alone()
    peer = met(kit)
    gift = record(b"a", b"1")
    kit.work.begin_pushed(1, PEER, [ApplyItem(b"a", TreeOp.INSTALL, gift, b"", Cause.REPLACED, b"1")])
    kit.it.on_announced(peer, later(gift, b"2"), 2)
    kept = kit.index.offers.of_peer(b"a", NOBODY)
    assert kept is not None
    assert kept.record == gift
