"""Each mode is one pure function: what it takes, what it refuses, and what stays on this node."""

from __future__ import annotations

import itertools

import pytest

from dir_sync.core.content import first_scan_record
from dir_sync.core.messages.checks import checked_maker
from dir_sync.core.mode import CHOICES, OURS, OWN, THEIRS, Mode, is_own, nothing, own_change, own_first_scan
from dir_sync.core.model import Kind, PeerError, Record, Stamp, unstamped
from dir_sync.core.reconcile import Join, Nothing, Offer, Rebase, Refuse, Take, decide

ME, PEER = "a" * 16, "b" * 16
OWN_MODES = (Mode.RECEIVE_ONLY, Mode.MIRROR)


def version(content: bytes | None, ns: int = 10, maker: str = PEER, **known: int) -> Record:
    kind = Kind.ABSENT if content is None else Kind.FILE
    vector = tuple(sorted({maker: ns, **known}.items()))
    data = content or b""
    return Record(b"x", kind, len(data), data, 5 if data else 0, 0o644 if data else 0, Stamp(ns, maker), vector)


def own(content: bytes | None, ns: int = 20) -> Record:
    return own_change(version(content), ns, 7)


def theirs(record: Record) -> Offer:
    return Offer(THEIRS, record, False)


def offer(record: Record, peer: str = PEER) -> Offer:
    return Offer(peer, record, False)


FIRST = own_first_scan(b"x", Kind.FILE, 2, b"my", 5, 0o644)


def test_no_peer_accepts_the_maker_of_what_stays_here() -> None:
    for maker in (OWN, FIRST.stamp.maker):
        with pytest.raises(PeerError):
            checked_maker(maker, {})


def test_send_only_refuses_what_peers_change() -> None:
    mine = version(b"v1")
    for wanted in (version(b"v2", 30, ME, **{PEER: 10}), version(None, 30, ME, **{PEER: 10})):
        assert decide(mine, [offer(wanted)], (), Mode.SEND_ONLY) == Refuse(wanted)
    assert decide(None, [offer(mine)], (), Mode.SEND_ONLY) == Refuse(mine)


def test_send_only_takes_what_changes_nothing_here() -> None:
    mine, same = version(b"v1"), version(b"v1", 30)
    assert isinstance(decide(mine, [offer(same)], (), Mode.SEND_ONLY), Take)
    assert isinstance(decide(None, [offer(version(None))], (), Mode.SEND_ONLY), Take)
    assert isinstance(decide(mine, [offer(version(b"v0", 5, ME))], (), Mode.SEND_ONLY), Join)


def test_send_only_takes_what_a_person_restores_here() -> None:
    mine, wanted = version(b"v1"), version(b"v0", 30, ME, **{PEER: 10})
    found = decide(mine, [offer(wanted, OURS + PEER), offer(version(b"v2", 40))], (), Mode.SEND_ONLY)
    assert isinstance(found, Take)
    assert found.record.content == b"v0"


@pytest.mark.parametrize("mode", OWN_MODES)
def test_what_others_made_is_taken(mode: Mode) -> None:
    mine, wanted = version(b"v1"), version(b"v2", 30, ME, **{PEER: 10})
    assert decide(mine, [offer(wanted)], (), mode) == Take(wanted, False)
    assert decide(None, [offer(wanted)], (), mode) == Take(wanted, False)


@pytest.mark.parametrize("mode", OWN_MODES)
def test_a_newer_version_of_the_mesh_replaces_an_own_change_as_a_conflict(mode: Mode) -> None:
    base, wanted = version(b"v1"), version(b"v2", 15, ME, **{PEER: 10})
    assert decide(own(b"mine", 10**6), [theirs(base), offer(wanted)], (), mode) == Take(wanted, True)


def test_receive_only_keeps_an_own_change() -> None:
    base = version(b"v1")
    assert decide(own(b"mine"), [theirs(base)], (), Mode.RECEIVE_ONLY) == Nothing()
    assert decide(own(b"mine"), [theirs(base), offer(base)], (), Mode.RECEIVE_ONLY) == Nothing()
    assert decide(own(None), [theirs(base)], (), Mode.RECEIVE_ONLY) == Nothing()


def test_receive_only_keeps_an_own_change_that_was_deleted_elsewhere() -> None:
    base, gone = version(b"v1"), version(None, 30, ME, **{PEER: 10})
    assert decide(own(b"mine"), [theirs(base), offer(gone)], (), Mode.RECEIVE_ONLY) == Rebase(gone)
    assert decide(own(b"mine"), [offer(gone)], (), Mode.RECEIVE_ONLY) == Rebase(gone)


@pytest.mark.parametrize("content", [b"v0", None])
def test_what_peers_have_now_counts_and_not_what_an_index_that_was_lost_knew(content: bytes | None) -> None:
    """The version that was known there is better, but nobody announces it again."""
    base = version(b"v1", 50)
    now = version(content, 15 if content else 60, ME)
    assert decide(own(b"mine"), [theirs(base), offer(now, ME)], (), Mode.RECEIVE_ONLY) == Rebase(now)
    assert decide(own(b"mine"), [theirs(base), offer(now, ME)], (), Mode.REVERT) == Take(now, False)
    wish = offer(base, OURS + PEER)  # the content of the known version is asked for at a peer
    assert decide(own(b"mine"), [theirs(base), offer(now, ME), wish], (), Mode.RECEIVE_ONLY) == Rebase(now)


def test_a_worse_version_changes_nothing_while_a_peer_has_the_known_one() -> None:
    base, other = version(b"v1", 50), version(b"v0", 15, ME)
    found = decide(own(b"mine"), [theirs(base), offer(other, ME), offer(base)], (), Mode.RECEIVE_ONLY)
    assert isinstance(found, Rebase)
    assert found.record.content == b"v1"
    old = version(b"v0", 15, ME)
    newer = version(b"v1", 50, PEER, **{ME: 15})
    assert decide(own(b"mine"), [theirs(newer), offer(old, ME)], (), Mode.RECEIVE_ONLY) == Nothing()


def test_an_own_change_to_what_the_mesh_has_is_none_any_more() -> None:
    base, gone = version(b"v1"), version(None, 30, ME, **{PEER: 10})
    same = own_change(base, 99, 7)
    assert decide(same, [theirs(base)], (), Mode.RECEIVE_ONLY) == Take(base, False)
    assert decide(own(None), [theirs(base), offer(gone)], (), Mode.RECEIVE_ONLY) == Take(gone, False)
    assert decide(FIRST, [offer(version(b"my"))], (), Mode.RECEIVE_ONLY) == Take(version(b"my"), False)


@pytest.mark.parametrize("mode", [Mode.MIRROR, Mode.REVERT])
def test_an_own_change_is_undone(mode: Mode) -> None:
    base, gone = version(b"v1"), version(None, 30, ME, **{PEER: 10})
    new = own(b"mine")
    assert decide(new, [theirs(base)], (), mode) == Take(base, False)
    assert decide(own(None), [theirs(base)], (), mode) == Take(base, False)
    assert decide(new, [theirs(base), offer(gone)], (), mode) == Take(gone, False)
    assert decide(new, [theirs(nothing(new))], (), mode) == Take(nothing(new), False)


def test_a_mirror_leaves_what_was_here_first_until_a_person_reverts_it() -> None:
    assert decide(FIRST, [theirs(nothing(FIRST))], (), Mode.MIRROR) == Nothing()
    assert decide(FIRST, [theirs(nothing(FIRST))], (), Mode.REVERT) == Take(nothing(FIRST), False)


@pytest.mark.parametrize("mode", OWN_MODES)
def test_nothing_that_stays_here_enters_the_vector_of_what_is_taken(mode: Mode) -> None:
    records = [version(b"v1"), version(b"v2", 15, ME), version(None, 30, ME, **{PEER: 10}), version(b"v3", 40)]
    for mine, base, new in itertools.product((own(b"mine"), own(None), FIRST), records, records):
        found = decide(mine, [theirs(base), offer(new)], (), mode)
        if isinstance(found, (Take, Rebase)) and not is_own(found.record):
            assert all(maker[0] != OWN for maker, _ in found.record.vector)


@pytest.mark.parametrize("mode", CHOICES)
def test_what_cannot_be_announced_is_not_reasserted(mode: Mode) -> None:
    """A tombstone that did not know our version: who made the version announces it again, and nobody else."""
    mine, gone = version(b"v1"), version(None, 30, ME)
    answers = type(decide(mine, [offer(gone)], (), mode)).__name__
    assert answers == ("Answer" if mode.announces else "Nothing")


@pytest.mark.parametrize("mode", OWN_MODES)
@pytest.mark.parametrize("others", [(False,), (True,), (True, False)])
def test_what_came_from_the_mesh_goes_when_it_is_deleted_there(mode: Mode, others: tuple[bool, ...]) -> None:
    """Also by a node that this one has never met before (`foreign`): what was found here by a first scan is another record.
    A node that announces its changes brings it back, and so do those that still have it."""
    mine = first_scan_record(b"x", Kind.FILE, 2, b"v1", 5, 0o644)
    gone = version(None, 30, **dict(mine.vector))
    offers = [Offer(f"{number}" * 16, gone, foreign) for number, foreign in enumerate(others)]
    assert decide(mine, offers, (), mode) == Take(gone, False)


@pytest.mark.parametrize("mode", OWN_MODES)
def test_only_a_person_restores_what_stays_here(mode: Mode) -> None:
    """What was being undone when a peer announced a newer version is kept as an offer of nobody, and is no wish."""
    mine, wanted = own(None), version(b"v2", 30)
    undone = nothing(mine)
    found = decide(mine, [Offer("", undone, False), theirs(undone), offer(wanted)], (), mode)
    assert found == Take(wanted, False)


def test_a_restored_version_is_taken_where_it_stays_here() -> None:
    base = version(b"v1")
    restored = own_change(unstamped(b"x", Kind.FILE, 2, b"v0", 5, 0o644), 30, 8)
    for mine, more in ((base, []), (own(b"mine"), [theirs(base)])):
        assert decide(mine, [*more, offer(restored, OURS)], (), Mode.RECEIVE_ONLY) == Take(restored, False)
