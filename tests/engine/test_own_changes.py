"""What a mode leaves different: what of it is listed, and how a person, a newer version or another mode ends it."""

from __future__ import annotations

import pytest

from dir_sync.core import notes
from dir_sync.core.mode import OURS, THEIRS, Mode, is_own, own_change, own_first_scan
from dir_sync.core.model import Kind
from dir_sync.core.reconcile import Offer
from dir_sync.core.taking import Taking
from dir_sync.engine.constants import PLAN_MAX
from dir_sync.engine.own_changes import Difference, OwnChanges
from dir_sync.engine.rows import Rows
from dir_sync.engine.sources import Sources
from dir_sync.engine.stamps import Stamps
from dir_sync.index import Row
from tests.engine.kit import OTHER, PEER, Alone, fp_of, later, record


def alone(mode: Mode) -> Alone[OwnChanges]:
    kit = Alone(OwnChanges, Rows, Stamps)
    kit.mode_rules.mode = mode
    return kit


def changes_here(kit: Alone[OwnChanges], path: bytes, content: bytes | None) -> None:
    """A user changes something, and the recorder writes its row."""
    row = kit.index.rows.get(path)
    mine = None if row is None else row.record
    made = kit.real(Stamps).changed_to(mine, record(path, content), 5)
    kit.real(Rows).put(made, fp_of(made))


def test_a_send_only_node_lists_what_it_refuses() -> None:
    kit = alone(Mode.SEND_ONLY)
    mine = kit.has(record(b"a", b"1")).record
    kit.announces(later(mine, b"2"))
    kit.announces(record(b"b", b"new", node=PEER))
    found = list(kit.it.differences())
    assert [(one.path, one.here, one.there) for one in found] == [
        (b"a", Kind.FILE, Kind.FILE),
        (b"b", Kind.ABSENT, Kind.FILE),
    ]
    assert all(one.by for one in found)


def test_override_makes_ours_win_also_where_nothing_is() -> None:
    kit = alone(Mode.SEND_ONLY)
    mine = kit.has(record(b"a", b"1")).record
    changed, new = later(mine, b"2"), record(b"b", b"new", node=PEER)
    kit.announces(changed)
    kit.announces(new)
    assert kit.it.override() == 2
    rows = [kit.index.rows.get(path) for path in (b"a", b"b")]
    assert all(row is not None for row in rows)
    kept, gone = (row.record for row in rows if row is not None)
    assert kept.content == mine.content
    assert kept.stamp > changed.stamp
    assert gone.kind == Kind.ABSENT
    assert gone.stamp > new.stamp
    assert list(kit.it.differences()) == []
    assert [change.record for change in kit.board.announcements.fresh.values()] == [kept, gone]


def test_what_is_changed_here_only_is_listed_with_what_the_mesh_has() -> None:
    kit = alone(Mode.RECEIVE_ONLY)
    for path in (b"changed", b"deleted"):
        kit.has(record(path, b"1"))
    changes_here(kit, b"changed", b"2")
    changes_here(kit, b"changed", b"3")
    changes_here(kit, b"deleted", None)
    changes_here(kit, b"new", b"1")
    changes_here(kit, b"came and went", b"1")
    changes_here(kit, b"came and went", None)
    assert list(kit.it.differences()) == [
        Difference(b"changed", Kind.FILE, Kind.FILE, ""),
        Difference(b"deleted", Kind.ABSENT, Kind.FILE, ""),
        Difference(b"new", Kind.FILE, Kind.ABSENT, ""),
    ]


def test_revert_plans_each_path_by_the_rule_for_that() -> None:
    kit = alone(Mode.RECEIVE_ONLY)
    kit.has(record(b"a", b"1"))
    changes_here(kit, b"a", b"2")
    changes_here(kit, b"b", b"new")
    kit.planned()
    assert kit.it.revert() == 2
    assert kit.planned() == [b"a", b"b"]
    modes = [kit.mode_rules.mode_at(path, kit.index.rows.get(path)) for path in (b"a", b"b")]
    assert modes == [Mode.REVERT, Mode.REVERT]
    assert kit.index.offers.of_peer(b"b", THEIRS) is not None


@pytest.mark.parametrize("is_known_not_to_have_it", [False, True])
def test_each_peer_is_asked_for_a_content_that_is_wanted_back(is_known_not_to_have_it: bool) -> None:
    kit = alone(Mode.MIRROR)
    kit.connects()
    kit.real(Sources).peer_came(kit.board.peers[PEER])
    kit.answers["sources.may_be_guessed"] = not is_known_not_to_have_it
    base = kit.has(record(b"a", b"1")).record
    changes_here(kit, b"a", b"2")
    is_asked = OURS + PEER in [offer.peer for offer in kit.it.ask_holders(base)]
    assert is_asked is not is_known_not_to_have_it


def test_nobody_is_asked_for_a_version_that_only_somebody_who_is_away_has_announced() -> None:
    kit = alone(Mode.MIRROR)
    kit.connects()
    kit.answers["sources.may_be_guessed"] = True
    base = kit.has(record(b"a", b"1")).record
    changes_here(kit, b"a", b"2")
    far, first = later(base, b"3", OTHER), record(b"b", b"4", node=OTHER)
    kit.announces(far, OTHER)
    kit.announces(first, OTHER)
    for wanted in (far, first):
        assert [offer.peer for offer in kit.it.ask_holders(wanted) if offer.peer != THEIRS] == [OTHER]


def test_a_mirror_waits_for_the_state_of_a_peer() -> None:
    kit = alone(Mode.MIRROR)
    peer = kit.connects()
    kit.it.run_timers()
    assert kit.mode_rules.mode_at(b"a", kit.index.rows.get(b"a")) is Mode.RECEIVE_ONLY
    peer.synced = True
    kit.it.run_timers()
    assert kit.mode_rules.mode_at(b"a", kit.index.rows.get(b"a")) is Mode.MIRROR


def test_the_mesh_has_another_version_now() -> None:
    kit = alone(Mode.RECEIVE_ONLY)
    base = kit.has(record(b"a", b"1")).record
    changes_here(kit, b"a", b"2")
    gone = later(base, None)
    kit.announces(gone)
    kit.it.rebase(gone)
    assert kit.index.offers.of(b"a") == [Offer(THEIRS, gone, False)]


def test_what_was_known_before_counts_no_more_where_the_mesh_has_a_worse_version() -> None:
    kit = alone(Mode.RECEIVE_ONLY)
    first = kit.has(record(b"a", b"0")).record
    base = kit.has(later(first, b"1", ns=500)).record
    changes_here(kit, b"a", b"2")
    for peer, known in ((OTHER, first), (OURS + PEER, base)):
        kit.announces(known, peer)
    other = record(b"a", b"3", node=PEER)
    kit.announces(other)
    kit.it.rebase(other)
    assert kit.index.offers.of(b"a") == [Offer(THEIRS, other, False)]


def test_another_mode_announces_what_was_kept_here() -> None:
    kit = alone(Mode.RECEIVE_ONLY)
    base = kit.has(record(b"a", b"1")).record
    changes_here(kit, b"a", b"2")
    kit.has(own_first_scan(b"first", Kind.FILE, 1, b"f" * 32, 5, 0o644))
    kit.has(own_change(record(b"gone", None), 5, 3))
    kit.mode_rules.mode = Mode.TWO_WAY
    kit.it.adopt()
    row, first = kit.index.rows.get(b"a"), kit.index.rows.get(b"first")
    assert row is not None
    assert first is not None
    assert row.record.stamp.maker == kit.index.identity.replica
    assert row.record.stamp > base.stamp
    assert first.record.stamp.maker.startswith("=")
    assert kit.index.rows.get(b"gone") is None
    assert not any(is_own(each.record) for each in kit.index.changes.after(0, 100))
    assert kit.index.offers.of(b"a") == []
    assert [note for note in kit.told() if isinstance(note, notes.Adopted)] == [notes.Adopted(2)]


def test_what_came_and_went_is_no_change_that_will_be_announced() -> None:
    kit = alone(Mode.RECEIVE_ONLY)
    kit.has(own_change(record(b"gone", None), 5, 3))
    kit.mode_rules.mode = Mode.TWO_WAY
    kit.it.adopt()
    assert kit.index.rows.get(b"gone") is None
    assert not [note for note in kit.told() if isinstance(note, notes.Adopted)]


def test_a_lower_limit_is_followed_page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    kit = alone(Mode.TWO_WAY)
    large = [b"%03d" % number for number in range(PLAN_MAX + 100)]
    for path in large:
        kit.has(record(path, b"large"))
    kit.has(record(b"small", b"s"))
    kit.board.taking = Taking(most=4, large="too large")
    pages: list[int] = []
    changes_after = kit.index.changes.after

    def paged(after: int, most: int) -> list[Row]:
        found = changes_after(after, most)
        pages.append(len(found))
        return found

    monkeypatch.setattr(kit.index.changes, "after", paged)
    kit.it.adopt()
    assert pages[0] == max(pages) == PLAN_MAX
    assert kit.it.too_large() == large
    assert [note.path for note in kit.told() if isinstance(note, notes.Skipped)] == large, "each is said once"
