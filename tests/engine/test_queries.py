"""Questions to and from peers, and what is wanted back from the history."""

from __future__ import annotations

import pytest

from dir_sync.core.jobs import Before, Cause, Version
from dir_sync.core.messages import Have, HaveRequest, History, HistoryRequest
from dir_sync.core.mode import OWN, OWN_FIRST, OWN_LARGE
from dir_sync.core.model import Kind, beats
from dir_sync.engine.constants import OURS
from dir_sync.engine.queries import Queries
from dir_sync.engine.stamps import Stamps
from tests.engine.kit import FOLDER, OTHER, PEER, WALL_NS, Alone, record


def alone() -> Alone[Queries]:
    kit = Alone(Queries, Stamps)
    kit.connects()
    return kit


def before(path: bytes, content: bytes | None) -> Before:
    was = record(path, content)
    return Before(path, was.kind, was.size, was.content, was.mtime, was.mode, 0, PEER)


def holders(kit: Alone[Queries], path: bytes = b"a") -> list[str]:
    return sorted(offer.peer for offer in kit.index.offers.of(path))


def test_what_is_wanted_back_is_a_new_change_of_ours() -> None:
    kit = alone()
    mine = kit.has(record(b"a", b"now")).record
    kit.it.on_restore([before(b"a", b"then")], {record(b"a", b"then").content: (PEER, OTHER)})
    offers = kit.index.offers.of(b"a")
    assert holders(kit) == [OURS + PEER, OURS + OTHER]
    assert all(beats(offer.record, mine) for offer in offers)
    assert {offer.record.stamp.maker for offer in offers} == {kit.index.identity.replica}
    assert kit.planned() == [b"a"]
    assert kit.it.pending_restores() == 1


def test_what_is_here_in_the_history_is_asked_of_nobody() -> None:
    kit = alone()
    kit.has(record(b"a", b"now"))
    then = record(b"a", b"then")
    kit.index.versions.put(Version(b"v", b"a", Kind.FILE, 4, then.content, 0, 0o644, WALL_NS, Cause.REPLACED, PEER))
    kit.it.on_restore([before(b"a", b"then")], {then.content: (PEER,)})
    assert holders(kit) == [OURS]


def test_what_is_as_it_was_is_left_alone() -> None:
    kit = alone()
    kit.has(record(b"a", b"now"))
    kit.it.on_restore([before(b"a", b"now"), before(b"never here", None)], {})
    assert holders(kit) == []
    assert kit.planned() == []


def test_what_nobody_has_is_not_promised() -> None:
    kit = alone()
    kit.has(record(b"a", b""))
    kit.it.on_restore([before(b"a", b"then")], {})
    assert holders(kit) == []


def test_what_came_since_is_removed_again() -> None:
    kit = alone()
    kit.has(record(b"a", b"now"))
    kit.it.on_restore([before(b"a", None)], {})
    assert [(offer.peer, offer.record.kind) for offer in kit.index.offers.of(b"a")] == [(OURS, Kind.ABSENT)]


@pytest.mark.parametrize("asks", [True, False])
def test_a_question_goes_to_all_who_have_asked_us(asks: bool) -> None:
    kit = alone()
    kit.connects(OTHER, asks)
    kit.it.ask_peers(1, [HistoryRequest(FOLDER, 0, b"a", 5), HaveRequest(FOLDER, 0, (b"d" * 32,))])
    assert [type(message) for message in kit.said(PEER)] == [HistoryRequest, HaveRequest]
    assert len(kit.said(OTHER)) == (2 if asks else 0)
    ids = {
        message.id
        for node in (PEER, OTHER)
        for message in kit.said(node)
        if isinstance(message, (HistoryRequest, HaveRequest))
    }
    assert len(ids) == (4 if asks else 2), "each has an id of its own"


def test_the_newest_versions_are_told_in_pages() -> None:
    kit = alone()
    for number in range(600):
        name = b"v%03d" % number
        kit.index.versions.put(Version(name, b"a", Kind.FILE, 4, b"c" * 32, 0, 0o644, number + 1, Cause.REPLACED, PEER))
    kit.it.on_history_request(kit.board.peers[PEER], HistoryRequest(FOLDER, 3, b"a", 550))
    kit.it.answer_some()
    assert len(kit.said()) == 1, "a page in a turn"
    assert kit.board.run_again
    kit.it.answer_some()
    pages = [message for message in kit.said() if isinstance(message, History)]
    assert [(len(page.kept), page.last, page.id) for page in pages] == [(500, False, 3), (50, True, 3)]
    assert pages[0].kept[0].until == 600


def test_a_change_that_is_not_announced_has_the_id_of_its_machine_for_others() -> None:
    kit = alone()
    for number, mark in enumerate((OWN, OWN_FIRST, OWN_LARGE, PEER)):
        version = Version(b"%d" % number, b"a", Kind.FILE, 4, b"c" * 32, 0, 0o644, number, Cause.REPLACED, mark)
        kit.index.versions.put(version)
    kit.it.on_history_request(kit.board.peers[PEER], HistoryRequest(FOLDER, 3, b"a", 10))
    kit.it.answer_some()
    (page,) = [message for message in kit.said() if isinstance(message, History)]
    me = kit.index.identity.replica
    assert {one.maker for one in page.kept} == {me, PEER}
    assert History.from_wire(page.to_wire()) == page, "a peer takes it"


def test_two_that_ask_for_the_history_get_their_pages_in_turn_and_each_version_once() -> None:
    kit = alone()
    kit.connects(OTHER)
    for number in range(1_100):
        name = b"v%04d" % (number * 7 % 1_100)
        kit.index.versions.put(
            Version(name, b"a", Kind.FILE, 4, name * 6, 0, 0o644, number // 300, Cause.REPLACED, PEER)
        )
    for node in (PEER, OTHER):
        kit.it.on_history_request(kit.board.peers[node], HistoryRequest(FOLDER, 3, b"", 10_000))
    for _ in range(3):
        assert len(kit.said(PEER)) == len(kit.said(OTHER))
        kit.it.answer_some()
        kit.it.answer_some()
    pages = [message for message in kit.said(OTHER) if isinstance(message, History)]
    kept = [one for page in pages for one in page.kept]
    assert [page.last for page in pages] == [False, False, True]
    assert len({one.content for one in kept}) == len(kept) == 1_100
    assert [one.until for one in kept] == sorted((one.until for one in kept), reverse=True)
    kit.it.answer_some()
    assert len(kit.said(OTHER)) == 3


def test_many_look_ups_are_answered_in_pieces() -> None:
    kit = alone()
    mine = kit.has(record(b"a", b"1")).record
    digests = tuple(b"%032d" % number for number in range(200))
    kit.it.on_have_request(kit.board.peers[PEER], HaveRequest(FOLDER, 5, (*digests, mine.content)))
    kit.it.answer_some()
    assert kit.said() == []
    assert kit.board.run_again
    kit.it.answer_some()
    assert kit.said() == [Have(FOLDER, 5, (200,))]


def test_who_has_left_gets_no_answer() -> None:
    kit = alone()
    kit.it.on_have_request(kit.board.peers[PEER], HaveRequest(FOLDER, 5, (b"d" * 32,)))
    kit.contacts.left(PEER)
    kit.it.answer_some()
    assert kit.effects() == []
