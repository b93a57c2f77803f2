"""The record of a change made here: it wins over what it replaces, and bears a name that nobody can have forged."""

from __future__ import annotations

import pytest

from dir_sync.core import limits
from dir_sync.core.mode import Mode, is_own, is_own_first
from dir_sync.core.model import Kind, Stamp, beats, has_seen, unstamped
from dir_sync.core.peers.identity import EVERY_MS
from dir_sync.engine.stamps import Stamps
from dir_sync.engine.values import Now
from tests.engine.kit import PEER, WALL_NS, Alone, later, record


def test_a_change_made_here_wins_over_what_it_replaces_though_our_clock_is_behind() -> None:
    kit = Alone(Stamps)
    theirs = record(b"a", b"old", ns=WALL_NS + 3600 * 10**9)
    made = kit.it.changed_to(theirs, record(b"a", b"new"), WALL_NS)
    assert beats(made, theirs)
    assert has_seen(made, theirs)
    assert made.stamp.maker == kit.index.identity.replica


def test_the_counter_is_the_next_sequence() -> None:
    kit = Alone(Stamps)
    kit.has(record(b"b", b"1"))
    made = kit.it.changed_to(None, record(b"a", b"new"), WALL_NS)
    assert dict(made.vector)[kit.index.identity.replica] == kit.index.sequences.next() == 2


def test_what_is_dated_far_ahead_is_not_continued() -> None:
    kit = Alone(Stamps, ahead_ns=10)
    ahead = record(b"a", b"old", ns=WALL_NS + 10**18)
    made = kit.it.changed_to(ahead, record(b"a", b"new"), WALL_NS)
    assert made.stamp < ahead.stamp
    assert beats(made, ahead), "it was made from it"
    assert kit.it.lowered == {b"a": {ahead.stamp}}


def test_a_clock_that_knows_nothing_bounds_nothing() -> None:
    kit = Alone(Stamps)
    kit.board.now = Now(limits.CLOCK_SANE_NS - 1, 0)
    assert kit.it.latest_ns() == limits.STAMP_NS_MAX


def test_where_our_own_counter_is_forged_a_new_name_is_used() -> None:
    kit = Alone(Stamps)
    forged = record(b"a", b"old")._replace(vector=((kit.index.identity.replica, 99), (PEER, 1)))
    maker, counter = kit.it.maker(forged)
    assert maker != kit.index.identity.replica
    assert counter == kit.index.sequences.next()
    assert kit.it.maker(record(b"b", b"1")) == (kit.index.identity.replica, counter), "only there"
    assert kit.it.maker(forged)[0] == maker, "the same name again"


def test_what_wins_against_a_larger_stamp_does_so_once() -> None:
    kit = Alone(Stamps)
    mine = kit.has(record(b"a", b"old", ns=WALL_NS + 2 * limits.STAMP_GAP_NS)).record
    winner = later(mine, b"new", ns=-2 * limits.STAMP_GAP_NS)
    kit.it.note_outdone(winner)
    assert kit.it.outdone == {b"a": {(winner.stamp, mine.stamp)}}
    assert kit.it.lowered == {b"a": {mine.stamp}}
    other = Alone(Stamps)
    other.has(record(b"a", b"old"))
    other.it.note_outdone(later(record(b"a", b"old"), b"new"))
    assert other.it.outdone == {}


def test_an_index_takes_a_new_id_once_in_a_while() -> None:
    kit = Alone(Stamps)
    before = kit.index.identity.replica
    assert kit.it.take_new_id()
    assert kit.index.identity.replica != before
    assert not kit.it.take_new_id()
    kit.wait(EVERY_MS)
    assert kit.it.take_new_id()


def test_who_acknowledges_a_larger_stamp_is_known_to_know_no_more() -> None:
    kit = Alone(Stamps)
    previous = record(b"a", b"1", ns=WALL_NS + 5)
    kit.it.note_lowered(previous, previous._replace(stamp=Stamp(WALL_NS, PEER)))
    assert kit.it.lowered == {b"a": {previous.stamp}}
    kit.it.note_lowered(previous, later(previous, b"2"))
    assert kit.it.lowered == {b"a": {previous.stamp}}


def test_what_goes_back_from_far_ahead_is_dated_now_and_not_by_an_old_mtime() -> None:
    """What was ahead may itself have replaced something of a moment ago, which somebody else still has."""
    kit = Alone(Stamps, ahead_ns=10)
    before = record(b"a", b"1", ns=WALL_NS - 1)
    ahead = record(b"a", b"2", ns=WALL_NS + 10**18)
    made = kit.it.changed_to(ahead, record(b"a", b"3"), WALL_NS - 10**9)
    assert beats(made, ahead)
    assert beats(made, before)


@pytest.mark.parametrize("mode", [Mode.MIRROR, Mode.RECEIVE_ONLY])
def test_what_was_here_before_the_first_contact_is_no_change_that_a_mirror_undoes(mode: Mode) -> None:
    kit = Alone(Stamps)
    kit.mode_rules.mode = mode
    kit.mode_rules.first_scan_left([b"closed"])
    found = kit.it.changed_to(None, record(b"closed/a", b"1"), 5)
    assert is_own_first(found)
    assert is_own_first(kit.it.changed_to(found, record(b"closed/a", b"2"), 5))
    gone = unstamped(b"closed/a", Kind.ABSENT, 0, b"", 0, 0)
    for previous, now in ((found, gone), (record(b"closed/a", b"1"), record(b"closed/a", b"2"))):
        made = kit.it.changed_to(previous, now, 5)
        assert is_own(made)
        assert not is_own_first(made)
    assert is_own_first(kit.it.changed_to(None, record(b"a", b"1"), 5)) is (mode is Mode.MIRROR)
    kit.mode_rules.mesh_is_known()
    assert not is_own_first(kit.it.changed_to(None, record(b"a", b"1"), 5))
