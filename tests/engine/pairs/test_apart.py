"""Who has acknowledged a version and has something else on its disk says so: it is no copy, and lacks nothing."""

from __future__ import annotations

from random import Random

import pytest

from dir_sync.core import limits, notes
from dir_sync.core.declined import Declined, Reason
from dir_sync.core.events import Reverted, Touched, Urgency
from dir_sync.core.ignore import Rules
from dir_sync.core.mode import THEIRS, Mode, nothing
from dir_sync.core.model import Kind, Record, unstamped
from dir_sync.core.peers.standing import NOTHING, Lack
from dir_sync.core.reconcile import Offer
from dir_sync.index import Index
from dir_sync.index.unshared import Unshared
from tests.pair import OneNode, Pair


def edit(node: OneNode, path: bytes, data: bytes | None) -> None:
    if data is None:
        node.disk.delete(path)
    else:
        node.disk.write(path, data)
    node.inbox.append(Touched(path, Urgency.NOW))


def linked(mode: Mode) -> Pair:
    """`two` keeps its changes to itself, and has what `one` has made."""
    pair = Pair()
    pair.two.engine.mode_rules.mode = mode
    pair.link()
    for path in (b"changed", b"deleted", b"same"):
        edit(pair.one, path, b"content of " + path)
    pair.run()
    assert pair.one.disk.tree() == pair.two.disk.tree()
    assert said(pair) == ()
    return pair


def said(pair: Pair) -> tuple[Declined, ...]:
    """What `two` has told `one` that it does not have."""
    pair.clock.ms += 10_000
    pair.run()
    assert pair.one.engine.sync_report.lacked_by(pair.two.index.identity.replica) == NOTHING
    return pair.one.engine.sync_report.declined_by(pair.two.index.identity.replica)


def test_what_a_receive_only_node_changed_or_deleted_is_not_there() -> None:
    pair = linked(Mode.RECEIVE_ONLY)
    edit(pair.two, b"changed", b"otherwise")
    edit(pair.two, b"deleted", None)
    edit(pair.two, b"new", b"only here")
    pair.run()
    assert said(pair) == (Declined(Reason.DIVERGED, 2, len(b"content of changedcontent of deleted")),)
    assert pair.one.said(notes.NotTakenThere)
    assert pair.one.engine.sync_report.in_sync_with(), "nobody waits for it"
    edit(pair.one, b"changed", b"newer")
    pair.run()
    assert said(pair) == (Declined(Reason.DIVERGED, 1, len(b"content of deleted")),), "a newer version is taken"
    pair.two.inbox.append(Reverted())
    pair.run()
    assert pair.two.disk.tree() == pair.one.disk.tree()
    assert said(pair) == ()


def test_what_a_mirror_undoes_in_a_moment_is_not_said() -> None:
    pair = linked(Mode.MIRROR)
    edit(pair.two, b"changed", b"otherwise")
    edit(pair.two, b"deleted", None)
    pair.run()
    assert pair.two.disk.tree() == pair.one.disk.tree()
    assert said(pair) == ()
    assert not pair.one.said(notes.NotTakenThere)


def test_what_the_rules_of_one_node_ignore_is_not_there() -> None:
    pair = Pair()
    pair.two.engine.scope.set_rules(Rules({}, b"*.log\nout/\n", False))
    pair.link()
    for path in (b"a.log", b"b.log", b"shared"):
        edit(pair.one, path, b"content of " + path)
    pair.run()
    size = len(b"content of a.log")
    assert b"a.log" not in pair.two.disk.tree()
    assert said(pair) == (Declined(Reason.IGNORED, 2, 2 * size),)
    edit(pair.one, b"a.log", b"longer: content of a.log")
    edit(pair.one, b"b.log", None)
    pair.run()
    assert said(pair) == (Declined(Reason.IGNORED, 1, size + len(b"longer: ")),)
    peer, unshared = pair.one.index.identity.replica, pair.two.index.unshared
    assert unshared.of_peer(peer) == Unshared(pair.two.index._database).of_peer(peer), "also after a start"
    pair.cut()
    pair.link()
    assert said(pair) == (Declined(Reason.IGNORED, 1, size + len(b"longer: ")),)
    pair.two.engine.scope.set_rules(Rules({}, b"", False))
    pair.cut()
    pair.two.index.peers.ask_anew()
    pair.link()
    assert pair.two.disk.tree() == pair.one.disk.tree()
    assert said(pair) == ()


def test_what_is_no_longer_ignored_counts_no_more() -> None:
    """A rule for folders only: the peer has made a file of the folder."""
    index = Index(":memory:", Random(1))
    folder = unstamped(b"out", Kind.DIRECTORY, 0, b"", 0, 0)
    for peer in ("a", "b"):
        index.unshared.put(peer, folder)
        index.unshared.put(peer, folder._replace(path=b"out/f", kind=Kind.FILE, size=5))
    index.unshared.drop("a", b"out")
    assert (index.unshared.of_peer("a"), index.unshared.of_peer("b")) == (Lack(1, 5, 0), Lack(1, 5, 1))
    index.forget_peer("b")
    assert (index.unshared.of_peer("a"), index.unshared.of_peer("b")) == (Lack(1, 5, 0), NOTHING)
    index.close()


def test_a_peer_cannot_fill_the_index_with_paths_that_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "UNSHARED_PER_PEER_MAX", 3)
    index = Index(":memory:", Random(1))
    for number in range(9):
        index.unshared.put("a", unstamped(b"%d.part" % number, Kind.FILE, 5, b"", 0, 0))
    assert index.unshared.of_peer("a") == Lack(3, 15, 0)
    index.unshared.put("a", unstamped(b"1.part", Kind.FILE, 7, b"", 0, 0))
    assert index.unshared.of_peer("a") == Lack(3, 17, 0), "one that is known is counted as it is now"
    index.unshared.drop("a", b"8.part")
    index.unshared.put("a", unstamped(b"2.part", Kind.ABSENT, 0, b"", 0, 0))
    assert index.unshared.of_peer("a") == Lack(2, 12, 0)
    assert index.unshared.of_peer("b") == NOTHING
    index.close()


def test_the_figures_last_over_a_start() -> None:
    """What a person reverts where the mesh has nothing is an offer, too: nothing is missing there."""
    pair = linked(Mode.RECEIVE_ONLY)
    edit(pair.two, b"changed", b"otherwise")
    edit(pair.two, b"new", b"only here")
    pair.run()
    pair.two.index.offers.put(Offer(THEIRS, nothing(record_at(pair.two, b"new")), False))
    offers = pair.two.index.offers
    offers.flush()
    assert offers.wanted_from(THEIRS) == offers._count_wanted()[THEIRS] == Lack(1, len(b"content of changed"), 0)


def record_at(node: OneNode, path: bytes) -> Record:
    row = node.index.rows.get(path)
    assert row is not None
    return row.record
