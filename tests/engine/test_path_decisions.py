"""Single paths of what is held are approved or rejected: what becomes of each, and what stays held."""

from __future__ import annotations

from typing import Any

from dir_sync.core import notes
from dir_sync.core.mode import Mode
from dir_sync.core.model import Kind, Record
from dir_sync.core.safeguard.brake import Limits
from dir_sync.engine.brakes import Brakes
from dir_sync.engine.constants import OURS
from dir_sync.engine.own_losses import OwnLosses
from dir_sync.engine.path_decisions import PathDecisions
from dir_sync.engine.peer_losses import PeerLosses
from dir_sync.engine.stamps import Stamps
from tests.engine.kit import PEER, Alone, folder, later, record


def alone(**answers: Any) -> Alone[PathDecisions]:
    answers = {name.replace("__", "."): it for name, it in answers.items()}
    kit = Alone(
        PathDecisions, Brakes, PeerLosses, OwnLosses, Stamps, answers=answers, brake=Limits(files=3, percent=50)
    )
    kit.connects(PEER)
    return kit


def hold_removals(kit: Alone[PathDecisions]) -> list[Record]:
    """Of four files in a folder, which is removed as well: by PEER, whose link brought that."""
    mine = kit.has(folder(b"d")).record
    kit.announces(later(mine, None))
    gone = []
    for number in range(4):
        mine = kit.has(record(b"d/%d" % number, b"content %d" % number, node="mm")).record
        gone.append(kit.announces(later(mine, None)).record)
    kit.real(Brakes).peers.go_on(PEER, {one.path: (PEER, 9) for one in gone}, False)
    return gone


def held(kit: Alone[PathDecisions]) -> list[bytes]:
    return sorted(path for paths in kit.real(Brakes).peers.held().values() for path in paths)


def test_an_approved_path_becomes_a_change_of_this_node_on_top_of_the_held_one() -> None:
    kit = alone()
    gone = hold_removals(kit)
    kit.it.decide(True, [b"d/1"])
    offer = kit.index.offers.of_peer(b"d/1", OURS + PEER)
    assert offer is not None
    assert offer.record.kind == Kind.ABSENT
    assert offer.record.stamp.maker == kit.index.identity.replica
    assert dict(offer.record.vector).items() >= dict(gone[1].vector).items()
    assert held(kit) == [b"d/0", b"d/2", b"d/3"]
    assert b"d/1" in kit.planned()
    assert notes.Decided(b"d/1", "name of " + PEER, 1, True) in kit.told()


def test_where_changes_stay_on_the_node_it_is_the_version_of_its_maker() -> None:
    kit = alone()
    gone = hold_removals(kit)
    kit.mode_rules.mode = Mode.MIRROR
    kit.mode_rules.knows_mesh = True
    kit.it.decide(True, [b"d/1"])
    offer = kit.index.offers.of_peer(b"d/1", OURS + PEER)
    assert offer is not None
    assert offer.record.stamp == gone[1].stamp


def test_a_rejected_path_is_asserted_anew_with_its_folder() -> None:
    kit = alone()
    hold_removals(kit)
    kit.it.decide(False, [b"d/1"])
    assert [call[0].record.path for call in kit.asked("rows.reassert")] == [b"d/1", b"d"]
    assert [note for note in kit.told() if isinstance(note, notes.Spared)] == [notes.Spared(b"d/1")]
    assert held(kit) == [b"d/0", b"d/2", b"d/3"]


def test_what_is_left_is_marked_to_stay_until_nothing_is() -> None:
    kit = alone()
    hold_removals(kit)
    kit.it.decide(True, [b"d/1", b"d/2"])
    assert kit.index.notes.get("stays held " + PEER)
    kit.wait(10_000)
    assert kit.real(Brakes).peers.judge(bool, bool, bool, 4, kit.board.now.mono_ms) == []
    assert held(kit) == [b"d/0", b"d/3"]
    kit.it.decide(True, [b"d"])
    assert held(kit) == []
    assert not kit.index.notes.get("stays held " + PEER)


def test_a_folder_that_vanished_as_one_is_split() -> None:
    kit = alone()
    kit.has(folder(b"d"))
    for number in range(4):
        kit.has(record(b"d/%d" % number, b"content %d" % number))
    own = kit.real(Brakes).own
    own.hold({b"d": kit.index.tree.measure(b"d")}, 7)
    assert kit.it.held_below([b"d/1", b"x"]).missing == 1
    assert kit.it.held_below([b"d/1", b"x"]).unknown == (b"x",)
    kit.it.decide(False, [b"d/1"])
    assert sorted(own.held) == [b"d/0", b"d/2", b"d/3"], "the folder has to be there again"
    assert own.held_files == 3
    assert kit.index.rows.get(b"d/1") is None
    assert kit.index.rows.get(b"d") is None
    assert kit.index.rows.get(b"d/0") is not None
    assert len(kit.asked("intake.ask_again")) == 1
    assert own.stays
