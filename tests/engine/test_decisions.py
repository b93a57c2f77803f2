"""A person approves or rejects what is held; whose word counts about what, and what follows from it."""

from __future__ import annotations

from typing import Any

import pytest

from dir_sync.core import notes
from dir_sync.core.messages import Decision, Held, Rejected
from dir_sync.core.model import Record
from dir_sync.core.safeguard.brake import Limits
from dir_sync.engine.brakes import Brakes
from dir_sync.engine.decisions import Decisions
from dir_sync.engine.peer_losses import PeerLosses
from tests.engine.kit import OTHER, PEER, WALL_NS, Alone, later, record


def alone(**answers: Any) -> Alone[Decisions]:
    answers = {name.replace("__", "."): it for name, it in answers.items()}
    kit = Alone(Decisions, Brakes, PeerLosses, answers=answers, brake=Limits(files=3, percent=50))
    for node in (PEER, OTHER):
        kit.connects(node)
    return kit


def hold_own(kit: Alone[Decisions]) -> None:
    kit.has(record(b"a", b"1"))
    own = kit.real(Brakes).own
    own.miss(b"a")
    own.hold({b"a": (1, 1)}, 7)


def hold_peers(kit: Alone[Decisions], count: int = 4) -> list[Record]:
    """Removals by PEER, which its own link brought."""
    gone = []
    for number in range(count):
        mine = kit.has(record(b"%d" % number, b"content %d" % number, node="mm")).record
        gone.append(kit.announces(later(mine, None)).record)
    kit.real(Brakes).peers.go_on(PEER, {one.path: (PEER, 9) for one in gone}, False)
    return gone


def test_what_is_approved_of_our_own_losses_is_looked_at_once_more_and_told() -> None:
    kit = alone()
    hold_own(kit)
    kit.it.on_decided(True)
    assert not kit.real(Brakes).own.held
    assert kit.asked("own_losses.release") == [([b"a"],)]
    assert kit.index.rows.get(b"a") is not None


def test_what_is_rejected_is_forgotten_here_and_asked_of_all() -> None:
    kit = alone()
    hold_own(kit)
    kit.it.on_decided(False)
    assert kit.index.rows.get(b"a") is None
    assert [peer.replica for (peer,) in kit.asked("intake.ask_again")] == [PEER, OTHER]


def test_about_our_own_losses_any_member_may_decide_and_no_stranger() -> None:
    for member in (True, False):
        kit = alone(intake__is_member=member)
        hold_own(kit)
        kit.it.decide_on(kit.index.identity.replica, 7, True, PEER)
        assert bool(kit.real(Brakes).own.held) != member


def test_a_decision_about_earlier_losses_is_not_about_these() -> None:
    kit = alone(intake__is_member=True)
    hold_own(kit)
    kit.it.decide_on(kit.index.identity.replica, 6, True, PEER)
    assert kit.real(Brakes).own.held


def test_what_a_peer_did_is_done_when_it_is_approved_here_and_all_hear_of_it() -> None:
    kit = alone()
    gone = hold_peers(kit)
    kit.it.on_decided(True)
    assert not kit.real(Brakes).peers.held()
    assert set(kit.planned()) >= {one.path for one in gone}
    assert notes.Decided(b"0", "name of " + PEER, 4, True) in kit.told()
    assert Decision(kit.board.folder, PEER, 9, True) in kit.said(OTHER)
    assert kit.index.notes.get("approved " + PEER)


def test_what_is_rejected_is_reasserted_here_and_so_everywhere() -> None:
    kit = alone()
    gone = hold_peers(kit)
    kit.it.on_decided(False)
    assert sorted(call[1].path for call in kit.asked("rows.reassert")) == sorted(one.path for one in gone)
    assert all(call[2] for call in kit.asked("rows.reassert")), "it was meant"
    assert sum(isinstance(note, notes.Spared) for note in kit.told()) == 4


def test_nobody_approves_what_its_own_link_brought_but_may_take_it_back() -> None:
    kit = alone(intake__is_member=True)
    hold_peers(kit)
    kit.it.decide_on(PEER, 9, True, PEER)
    assert kit.real(Brakes).peers.held()
    kit.it.decide_on(PEER, 9, False, PEER)
    assert not kit.real(Brakes).peers.held()


@pytest.mark.parametrize("member", [True, False])
def test_another_member_may_approve_it(member: bool) -> None:
    kit = alone(intake__is_member=lambda node: member and node == OTHER)
    kit.contacts.addresses |= {PEER: "10.0.0.1", OTHER: "10.0.0.2"}
    hold_peers(kit)
    kit.it.decide_on(PEER, 9, True, OTHER)
    assert bool(kit.real(Brakes).peers.held()) != member


def test_a_decision_is_not_sent_back_to_who_said_it() -> None:
    kit = alone(intake__is_member=True)
    kit.contacts.addresses |= {PEER: "10.0.0.1", OTHER: "10.0.0.2"}
    hold_peers(kit)
    kit.it.decide_on(PEER, 9, True, OTHER)
    assert [one for one in kit.said(OTHER) if isinstance(one, Decision)] == []
    assert [one for one in kit.said(PEER) if isinstance(one, Decision)]


def test_what_was_approved_for_a_peer_is_expected_of_it() -> None:
    kit = alone()
    kit.real(Brakes).held_there(PEER, (Held(PEER, 3, 5, b"a"),))
    kit.it.on_decided(True)
    assert kit.real(PeerLosses).approvals.is_expected(b"a", PEER, {PEER})
    assert Decision(kit.board.folder, PEER, 3, True) in kit.said(PEER)


@pytest.mark.parametrize("member", [True, False])
def test_what_a_member_rejects_of_ours_it_may_put_back(member: bool) -> None:
    kit = alone(intake__is_member=member)
    kit.index.journal.write(
        kit.has(record(b"a", b"after", node=kit.index.identity.replica)).record, record(b"a", b"before"), WALL_NS
    )
    kit.it.decide_on(kit.index.identity.replica, 9, False, PEER)
    before = record(b"a", b"before").content
    assert kit.real(PeerLosses).approvals.is_revert(b"a", before, {PEER}) == member


@pytest.mark.parametrize(("maker", "to"), [(PEER, [PEER]), ("gone", [PEER, OTHER])])
def test_rejected_paths_are_told_to_their_maker_or_to_all_if_it_is_not_there(maker: str, to: list[str]) -> None:
    paths = tuple(b"%d" % number for number in range(101))
    kit = alone(path_decisions__decide=[maker])
    kit.it.on_decided(True, paths)
    assert not any(isinstance(one, Rejected) for node in (PEER, OTHER) for one in kit.said(node))
    kit.it.on_decided(False, paths)
    for node in (PEER, OTHER):
        told = [one for one in kit.said(node) if isinstance(one, Rejected)]
        assert [one.paths for one in told] == ([paths[:100], paths[100:]] if node in to else [])


@pytest.mark.parametrize(
    ("member", "said_by", "passed"), [(True, OTHER, True), (False, OTHER, False), (True, PEER, False)]
)
def test_who_stands_between_passes_on_what_a_member_rejected(member: bool, said_by: str, passed: bool) -> None:
    kit = alone(intake__is_member=member)
    message = Rejected(kit.board.folder, PEER, (b"a",))
    kit.it.on_rejected(said_by, message)
    assert (message in kit.said(PEER)) == passed
    kit.it.on_rejected(said_by, Rejected(kit.board.folder, "gone", (b"a",)))
    assert not [one for one in kit.said(OTHER) if isinstance(one, Rejected)]
