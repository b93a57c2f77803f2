"""What another node did to our files is done here, waits for more of its kind, or is held until somebody decides."""

from __future__ import annotations

from typing import Any

import pytest

from dir_sync.core import notes
from dir_sync.core.messages import Held
from dir_sync.core.model import Record
from dir_sync.core.safeguard.brake import Limits
from dir_sync.engine.brakes import Brakes
from dir_sync.engine.constants import OURS
from dir_sync.engine.peer_losses import PeerLosses
from tests.engine.kit import OTHER, PEER, Alone, later, record, tombstone


def alone(files: int = 10, **answers: Any) -> Alone[PeerLosses]:
    answers = {name.replace("__", "."): it for name, it in answers.items()}
    kit = Alone(PeerLosses, Brakes, answers=answers, brake=Limits(files=3, percent=50))
    kit.connects().synced = True
    for number in range(files):
        kit.has(record(b"%02d" % number, b"content %d" % number, node="mm"))
    kit.real(Brakes).peers.sample(files, kit.board.now.mono_ms)
    kit.wait(1_000)
    return kit


def mine(kit: Alone[PeerLosses], number: int) -> Record:
    row = kit.index.rows.get(b"%02d" % number)
    assert row is not None
    return row.record


def is_held_up(kit: Alone[PeerLosses], number: int, maker: str = PEER, node: str = PEER) -> bool:
    """True if the removal of a file of ours is not done now."""
    target = kit.announces(later(mine(kit, number), None, maker), node).record
    is_held_up = kit.it.hold_if_disaster(mine(kit, number), target)
    if not is_held_up:
        kit.index.rows.put(target, b"")
    return is_held_up


def test_a_few_removals_go_ahead_and_a_burst_is_held_up() -> None:
    kit = alone()
    stopped = [is_held_up(kit, number) for number in range(10)]
    assert stopped[:2] == [False, False]
    assert stopped[-1]
    kit.wait(kit.board.now.mono_ms)
    kit.it.judge_peers()
    held = kit.real(Brakes).peers.held()
    assert list(held) == [PEER]
    assert any(isinstance(note, notes.PeerHeld) for note in kit.told())
    assert kit.index.notes.get("braked " + PEER) == "removals"


@pytest.mark.parametrize("why", ["a person here", "no limit", "no file", "approved", "expected"])
def test_what_is_wanted_is_not_held(why: str) -> None:
    kit = alone()
    if why == "no limit":
        kit = Alone(PeerLosses, Brakes, brake=Limits(files=0))
        for number in range(10):
            kit.has(record(b"%02d" % number, b"content %d" % number, node="mm"))
    if why == "approved":
        kit.it.approvals.approve(PEER, 10**6, {PEER})
    if why == "expected":
        kit.it.approvals.expect(PEER, 10)
    node = OURS if why == "a person here" else PEER
    if why == "no file":
        folders = [record(b"d%d" % number, b"")._replace(kind=mine(kit, 0).kind + 1) for number in range(10)]
        assert not any(kit.it.hold_if_disaster(one, later(one, None)) for one in folders)
    else:
        assert not any(is_held_up(kit, number, node=node) for number in range(10))


def test_what_only_gets_another_name_is_no_removal() -> None:
    kit = alone()
    for number in range(10):
        kit.has(record(b"new name %d" % number, b"content %d" % number))
    assert not any(is_held_up(kit, number) for number in range(10))


def test_the_removals_of_a_maker_count_by_the_link_that_brings_them() -> None:
    kit = alone()
    for number in range(10):
        is_held_up(kit, number, maker=OTHER)
    kit.wait(60_000)
    kit.it.judge_peers()
    assert kit.it.carriers(b"00", OTHER) == {PEER}
    assert list(kit.real(Brakes).peers.links_of(OTHER)) == [PEER]


def test_what_was_held_when_the_program_ended_is_held_again() -> None:
    kit = alone()
    kit.index.notes.put("braked " + PEER, "removals")
    for number in range(4):
        kit.announces(later(mine(kit, number), None))
    kit.it.brake_again()
    assert [kit.real(Brakes).peers.holds(b"%02d" % number) for number in (0, 3, 4)] == [True, True, False]
    assert kit.told() == [notes.StillHeld("name of " + PEER)]


def test_if_nothing_of_it_is_announced_any_more_it_is_not() -> None:
    kit = alone()
    kit.index.notes.put("braked " + PEER, "removals")
    kit.it.brake_again()
    assert kit.told() == []
    assert not kit.index.notes.get("braked " + PEER)


def test_tombstones_of_what_was_never_here_are_counted_by_the_link(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dir_sync.core.limits.HEARSAY_PER_LINK_MAX", 2)
    kit = alone(0)
    mine_, theirs = ([kit.announces(tombstone(b"a" + node.encode()), node)] for node in (PEER, OTHER))
    assert [kit.it.count_hearsay(mine_) for _ in range(3)] == [False, False, True]
    assert not kit.it.count_hearsay(theirs)


def test_people_are_told_once_what_a_peer_holds() -> None:
    kit = alone(0)
    peer = kit.board.peers[PEER]
    kit.it.on_brake_news(peer, (Held(PEER, 1, 5, b"a"),))
    kit.it.on_brake_news(peer, (Held(PEER, 1, 6, b"a"),))
    assert kit.told() == [notes.LossHeldThere(b"a", "name of " + PEER, 5)]
    kit.effects()
    kit.it.on_brake_news(peer, (Held(kit.index.identity.replica, 1, 5, b"a"),))
    assert kit.told() == [notes.HeldThere(b"a", "name of " + PEER, None, 5)]


def test_what_a_peer_missed_may_be_there_again_when_its_brake_says_anything() -> None:
    kit = alone(0, sources__forget_missing=True)
    kit.announces(record(b"a", b"1"))
    kit.it.on_brake_news(kit.board.peers[PEER], ())
    assert kit.board.plan_queue.cursor == b""
