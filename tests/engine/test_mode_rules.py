"""By which mode a path is decided."""

from __future__ import annotations

import pytest

from dir_sync.core.mode import Mode, large_change
from dir_sync.core.model import Kind
from dir_sync.core.reconcile import Take
from dir_sync.core.taking import Taking
from dir_sync.engine.mode_rules import ModeRules
from dir_sync.engine.scope import Scope
from tests.engine.kit import Alone, folder, later, record


@pytest.mark.parametrize("mode", Mode)
def test_a_mirror_undoes_nothing_before_the_first_contact_is_over(mode: Mode) -> None:
    kit = Alone(Scope)
    kit.mode_rules.mode = mode
    assert kit.mode_rules.mode_at(b"a", kit.index.rows.get(b"a")) is (
        Mode.RECEIVE_ONLY if mode is Mode.MIRROR else mode
    )
    kit.announces(record(b"b", b"1"))
    kit.mode_rules.mesh_is_known()
    assert kit.mode_rules.mode_at(b"a", kit.index.rows.get(b"a")) is mode
    assert kit.board.plan_queue.cursor == b"", "what peers announced is decided anew"


def test_a_path_is_reverted_until_something_else_is_there() -> None:
    kit = Alone(Scope)
    kit.mode_rules.mode = Mode.RECEIVE_ONLY
    kit.mode_rules.revert(b"a")
    assert kit.mode_rules.mode_at(b"a", kit.index.rows.get(b"a")) is Mode.REVERT
    assert kit.planned() == [b"a"]
    kit.mode_rules.revert_ends(b"a")
    assert kit.mode_rules.mode_at(b"a", kit.index.rows.get(b"a")) is Mode.RECEIVE_ONLY


@pytest.mark.parametrize("days", [6, 8])
def test_what_is_wanted_back_outlives_the_program_for_some_days(days: int) -> None:
    kit = Alone(Scope)
    theirs = record(b"a", b"1")
    wished = [(b"a", (theirs.kind, theirs.content)), (b"a", (Kind.FILE, bytes(32))), (b"d", None)]
    kit.mode_rules.mode = Mode.SEND_ONLY
    for path, what in wished:
        kit.mode_rules.want_back(path, what)
    kit.wait(days * 86_400_000)
    kit.announces(theirs)
    kit.announces(folder(b"d"))
    again = ModeRules(kit.board, Mode.SEND_ONLY)
    again.adopt()
    kept = days < 7
    assert again.wants_back is kept
    for path in (b"a", b"d"):
        assert isinstance(again.decision_at(path, None), Take) is kept
    assert ModeRules(kit.board, Mode.RECEIVE_ONLY).mode_at(b"a", None) is Mode.RECEIVE_ONLY
    again.note_here(theirs)
    again.note_here(folder(b"d"))
    assert not again.wants_back
    third = ModeRules(kit.board, Mode.SEND_ONLY)
    third.adopt()
    assert not third.wants_back, "it has come"


def test_the_mode_decides() -> None:
    kit = Alone(Scope)
    row = kit.has(record(b"a", b"1"))
    kit.announces(later(row.record, b"2"))
    assert isinstance(kit.mode_rules.decision_at(b"a", row), Take)
    kit.mode_rules.mode = Mode.SEND_ONLY
    assert not isinstance(kit.mode_rules.decision_at(b"a", row), Take)


def test_whether_a_file_is_too_large_to_be_shared_is_decided_without_another_look_into_the_index(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kit = Alone(Scope)
    kit.board.taking = Taking(most=4)
    row = kit.has(large_change(record(b"a", b"large"), 5, 1))
    kit.announces(record(b"a", b"of a peer"))
    looked: list[bytes] = []
    monkeypatch.setattr(kit.index.rows, "get", looked.append)
    assert not isinstance(kit.mode_rules.decision_at(b"a", row), Take)
    assert kit.mode_rules.mode_at(b"a", row) is Mode.APART
    assert kit.mode_rules.mode_at(b"a", None) is Mode.TWO_WAY
    assert not looked


def test_what_the_first_scan_could_not_see_was_here_first_until_it_is_seen() -> None:
    kit = Alone(Scope)
    kit.mode_rules.mode = Mode.MIRROR
    assert kit.mode_rules.was_here_first(b"a"), "before the first contact is over"
    kit.mode_rules.mesh_is_known()
    assert not kit.mode_rules.was_here_first(b"a")
    kit.board.listings.list_later(b"closed", 0, 10**9, 10**9)
    kit.board.pending_looks.add(b"open", 0, 0)
    kit.mode_rules.first_scan_left([b"closed", b"open"])
    kit.mode_rules.notice_seen()
    again = ModeRules(kit.board, Mode.MIRROR)  # the next run knows it, too
    for rules in (kit.mode_rules, again):
        assert [rules.was_here_first(path) for path in (b"closed/d/a", b"open", b"closed too", b"a")] == [
            True,
            True,
            False,
            False,
        ]
    kit.board.listings.listed(b"closed")
    kit.board.pending_looks.add(b"closed/d/a", 0, 0)
    kit.board.pending_looks.pull(b"open")
    kit.mode_rules.notice_seen()
    assert [kit.mode_rules.was_here_first(path) for path in (b"closed/d/a", b"open")] == [True, False]
    kit.board.pending_looks.pull(b"closed/d/a")
    kit.board.scan.begin()
    kit.mode_rules.notice_seen()
    assert kit.mode_rules.was_here_first(b"closed/d/a"), "this scan may find it"
    kit.board.scan.end()
    kit.mode_rules.notice_seen()
    assert not kit.mode_rules.was_here_first(b"closed/d/a")
