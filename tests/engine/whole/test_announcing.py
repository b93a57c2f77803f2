"""What peers are told of changes here, in which order, and what they are not told."""

from __future__ import annotations

from dir_sync.core import limits
from dir_sync.core.content import bucket_of
from dir_sync.core.events import Received, Touched, Urgency
from dir_sync.core.jobs import Cause, Looked, ReadDone, ReadJob
from dir_sync.core.messages import Acknowledge, ModificationUpdate, Piece, State, StateRequest
from dir_sync.core.model import Kind, Stamp, has_seen, joined
from dir_sync.core.reconcile import Offer
from dir_sync.index import PeerSeen
from tests.engine.whole.bench import FOLDER, OTHER, PEER, WALL_NS, Bench, of_first_scan, pulled, record, seen, state


def test_a_change_is_told_at_once_with_its_content() -> None:
    bench = Bench()
    bench.connect()
    bench.found(b"a", b"new")
    (update,) = bench.said()
    assert isinstance(update, ModificationUpdate)
    assert [(change.action, change.record.path, change.content) for change in update.changes] == [
        ("create", b"a", b"new")
    ]


def test_a_copy_is_told_without_its_content() -> None:
    bench = Bench()
    bench.connect()
    bench.found(b"a", b"same")
    bench.found(b"b", b"same")
    (update,) = bench.said()
    assert isinstance(update, ModificationUpdate)
    assert [change.content for change in update.changes] == [None]


def test_an_echo_says_nothing() -> None:
    bench = Bench()
    bench.connect()
    bench.found(b"a", b"new")
    bench.found(b"a", b"new")
    assert bench.said() == []


def test_each_peer_hears_in_ascending_sequence() -> None:
    """One of two is told in short of what it announced, and both share the update."""
    bench = Bench()
    bench.connect(PEER)
    bench.connect(OTHER)
    bench.hear(state(record(b"theirs", None, node=OTHER)), OTHER)
    bench.feed(Touched(b"mine", Urgency.NOW), Touched(b"mine too", Urgency.NOW))
    events = [Looked((seen(b"mine", b"1"), seen(b"mine too", b"2")))]
    bench.feed(*events, Received(OTHER, state(record(b"x", None, node=OTHER, count=2), sequence=2)))
    for node in (PEER, OTHER):
        sequences = [message.sequence for message in bench.said(node) if not isinstance(message, StateRequest)]  # type: ignore[union-attr]
        assert sequences == sorted(sequences)
        assert sequences[-1] == bench.index.sequences.last
    assert any(isinstance(message, Acknowledge) for message in bench.said(OTHER))


def test_an_edit_survives_a_delete_that_did_not_know_it() -> None:
    bench = Bench()
    bench.connect()
    bench.found(b"a", b"mine")
    bench.hear(state(record(b"a", None, ns=WALL_NS + limits.STAMP_AHEAD_NS // 2)))
    row = bench.index.rows.get(b"a")
    assert row is not None
    assert row.record.kind == Kind.FILE
    assert 0 < row.record.stamp.ns - WALL_NS - limits.STAMP_AHEAD_NS // 2 < 1_025
    assert has_seen(row.record, record(b"a", None, ns=WALL_NS + limits.STAMP_AHEAD_NS // 2))


def test_whoever_holds_the_same_is_told_nothing() -> None:
    bench, other = Bench(), Bench()
    for one in (bench, other):
        one.index.rows.put(of_first_scan(b"a"), b"fp")
        one.index.rows.put(of_first_scan(b"b"), b"fp")
    bench.connect(asks=False)
    bench.hear(StateRequest(FOLDER, bench.index.identity.replica, 0, 2, other.index.rows.summary()))
    (said,) = [message for message in bench.said() if isinstance(message, State)]
    assert said.last
    assert said.sequence == bench.index.sequences.last
    assert said.records == ()


def test_another_content_of_one_stamp_and_vector_is_told() -> None:
    """The peer lost its index, and gave out one stamp twice. We joined both versions, and hold the larger one."""
    bench, other = Bench(), Bench()
    earlier, later = record(b"a", b"1", node=PEER), record(b"a", b"2", node=PEER, count=7)
    larger, smaller = sorted((earlier, later), key=lambda one: one.content, reverse=True)
    bench.index.rows.put(larger._replace(vector=later.vector), b"fp")
    other.index.rows.put(smaller._replace(vector=later.vector), b"fp")
    bench.connect(asks=False)
    bench.hear(StateRequest(FOLDER, bench.index.identity.replica, 0, 7, other.index.rows.summary()))
    told = [record.path for message in bench.said() if isinstance(message, State) for record in message.records]
    assert told == [b"a"]


def test_only_buckets_that_differ_are_told() -> None:
    bench, other = Bench(), Bench()
    names = [b"%d" % number for number in range(100)]
    for one in (bench, other):
        for name in names:
            one.index.rows.put(of_first_scan(name), b"fp")
    bench.index.rows.put(of_first_scan(b"7", b"another"), b"fp")
    bench.connect(asks=False)
    bench.hear(StateRequest(FOLDER, bench.index.identity.replica, 0, 100, other.index.rows.summary()))
    told = [record.path for message in bench.said() if isinstance(message, State) for record in message.records]
    assert b"7" in told
    assert set(told) == {name for name in names if bucket_of(name) == bucket_of(b"7")}
    bench.found(b"new", b"1")
    told = [change.record.path for update in bench.said() for change in getattr(update, "changes", ())]
    assert told == [b"new"], "what changes later is told, whatever its bucket"


def test_what_a_peer_lost_after_it_announced_it_is_wanted_no_longer() -> None:
    """It undid a loss, and has the same as we again, from another node. We ask for its whole state, for we undid one, too."""
    bench, other = Bench(), Bench()
    gone, beside = record(b"a", None), of_first_scan(b"b")
    for one in (bench, other):
        one.index.rows.put(gone, b"")
        one.index.rows.put(beside, b"fp")
    bench.index.offers.put(Offer(PEER, record(b"a", b"lost", WALL_NS + 1, PEER, 2), False))
    bench.index.peers.put(PEER, PeerSeen(9, 1))
    bench.index.peers.ask_anew()
    bench.connect(PEER, asks=False)
    (asked,) = [message for message in bench.said() if isinstance(message, StateRequest)]
    other.connect(OTHER, asks=False)
    other.hear(asked, OTHER)
    answers = [message for message in other.said(OTHER) if isinstance(message, State)]
    assert [record for answer in answers for record in answer.records] == [gone]
    for answer in answers:
        bench.hear(answer)
    assert bench.index.offers.of(b"a") == []


def test_one_of_several_that_were_made_without_knowledge_of_ours_stays_so() -> None:
    """Whoever holds it has heard of ours meanwhile; and another has told of one that loses against both."""
    bench = Bench()
    bench.connect(PEER)
    bench.connect(OTHER)
    bench.found(b"a", b"ours")
    ours = bench.index.rows.get(b"a")
    assert ours is not None
    best = record(b"a", b"best", ours.record.stamp.ns + 2, PEER)
    pulls = bench.hear(state(best))
    bench.hear(state(record(b"a", b"second", ours.record.stamp.ns + 1, OTHER)), OTHER)
    bench.hear(state(joined(best, ours.record), sequence=2))
    bench.effects = pulls
    assert pulled(bench, b"best").why == Cause.CONFLICT


def test_a_peer_with_nothing_is_given_all_though_sequences_have_leapt() -> None:
    bench = Bench()
    bench.found(b"a", b"1")
    bench.index.skip_sequences(WALL_NS)
    bench.connect()
    (job,) = bench.all(ReadJob)
    assert job.push
    piece = Piece(0, 0, b"1")
    bench.feed(ReadDone(PEER, job.link, (piece,), (), 1, True))
    bench.wait(10)
    assert bench.engine.publisher.subscribers[PEER].told_last
    assert bench.engine.publisher.subscribers[PEER].sent == bench.index.sequences.last
    bench.found(b"b", b"2")
    assert [message for message in bench.said() if isinstance(message, ModificationUpdate)]


def test_what_a_peer_acknowledges_late_is_not_unheard_of_where_the_stamp_went_back() -> None:
    """Two changes of a node whose clock is far ahead, and then one of ours: the first of them is acknowledged last."""
    bench = Bench()
    ahead_ns = WALL_NS + 2 * limits.STAMP_AHEAD_NS
    for node in (PEER, OTHER):
        bench.connect(node)
        bench.hear(State(FOLDER, 0, True, ()), node)
    first, second = (record(b"a", None, ahead_ns + count, count=count) for count in (1, 2))
    bench.hear(state(first, sequence=1))
    bench.hear(state(second, sequence=2))
    bench.found(b"a", b"ours")
    row = bench.index.rows.get(b"a")
    assert row is not None
    assert row.record.stamp < first.stamp < second.stamp
    bench.hear(Acknowledge(FOLDER, 1, ((b"a", first.stamp),)), OTHER)
    assert not any(isinstance(message, StateRequest) for message in bench.said(OTHER))
    bench.hear(Acknowledge(FOLDER, 2, ((b"a", Stamp(ahead_ns + 9, PEER)),)), OTHER)
    assert any(isinstance(message, StateRequest) for message in bench.said(OTHER)), "that one we have lost"
