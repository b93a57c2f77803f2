"""How far a scan has come: what it found that no look has visited yet, and whether it was the first."""

from __future__ import annotations

from dir_sync.core.watching.pending_looks import PendingLooks
from dir_sync.engine.scan_state import ScanState
from dir_sync.engine.scope import Scope
from tests.engine.kit import Alone


def test_the_first_scan_is_over_for_good() -> None:
    kit = Alone(Scope)
    kit.board.scan.begin()
    kit.board.scan.add(b"a", kit.board.now.mono_ms)
    assert kit.board.scan.unseen == {b"a"}
    kit.board.scan.end()
    assert not kit.board.scan.is_first
    assert kit.index.first_scan_done


def test_only_a_scan_that_goes_on_waits_for_what_is_looked_at() -> None:
    looks = PendingLooks()
    state = ScanState(Alone(Scope).index, looks)
    assert state.add(b"before", 5).due_ms == 5
    assert (b"before" in looks, state.unseen) == (True, set())
    state.begin()
    state.add(b"a", 6)
    state.add(b"b", 6)
    assert state.unseen == {b"a", b"b"}
    state.need_not_wait(b"a")
    state.need_not_wait(b"before")
    assert state.unseen == {b"b"}


def test_what_a_look_could_not_read_is_known_until_one_can() -> None:
    state = ScanState(Alone(Scope).index, PendingLooks())
    state.begin()
    state.add(b"a", 5)
    state.not_read(b"a")
    assert (state.unseen, state.unread) == (set(), {b"a"})
    state.looked_at(b"a")
    assert not state.unread


def test_a_later_scan_is_none_of_a_new_index() -> None:
    index = Alone(Scope).index
    for is_first in (True, False):
        state = ScanState(index, PendingLooks())
        assert state.is_first is is_first
        state.begin()
        state.end()
        assert (state.is_on, state.is_first) == (False, False)
