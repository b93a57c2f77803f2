"""The dispatch: each event reaches a machine, a turn ends in a fixed order, and the next deadline is the earliest of all."""

from __future__ import annotations

import pytest

from dir_sync.core.events import Drained, Drop, PeerDown, PeerUp, Received, Ticked, Touched, Urgency
from dir_sync.core.jobs import Cause, ListJob, Looked, LookJob, Version
from dir_sync.core.looks import LookOutcome, Seen
from dir_sync.core.messages import PROTOCOL, FolderIndex, Hello, Pull, PullItem, State
from dir_sync.core.model import Kind
from dir_sync.engine import Engine
from tests.engine.whole.bench import FOLDER, PEER, Bench, record, state


def test_a_start_looks_at_everything() -> None:
    bench = Bench(scanned=False)
    assert [[folder.path for folder in job.folders] for job in bench.all(ListJob)] == [[b""]]
    assert bench.engine.board.scan.is_on
    assert bench.engine.is_busy
    assert bench.engine.has_jobs_out


@pytest.mark.parametrize("how", ["listed before", "found now"])
def test_a_start_reads_versions_again_that_could_not_be_read(how: str) -> None:
    bench = Bench(scanned=False)
    kind = Kind.FILE if how == "listed before" else Kind.SYMLINK
    unread = Version(b"old", b"a", kind, 1, b"", 0, 0o644, 5, Cause.DELETED, PEER)
    bench.index.versions.put(unread)
    engine = Engine(bench.index, FOLDER, "again")
    engine.start(bench.now, [] if kind is Kind.FILE else [unread])
    assert {name for _, name in engine.versions.rechecks} == {b"old"}


def test_at_rest_there_is_nothing_to_wait_for() -> None:
    bench = Bench()
    for _ in range(20):
        if (deadline := bench.engine.next_deadline()) is None:
            break
        bench.wait(deadline - bench.ms)
    assert bench.engine.next_deadline() is None
    assert not bench.engine.is_busy
    assert bench.feed(Ticked()) == []


def test_an_event_is_handled_before_the_turn_ends() -> None:
    bench = Bench()
    assert bench.engine.handle(Touched(b"a", Urgency.NOW), bench.now) == []
    assert bench.engine.next_deadline() == bench.ms
    effects = bench.engine.end_turn(bench.now)
    assert [item.path for job in effects if isinstance(job, LookJob) for item in job.items] == [b"a"]


def test_a_look_can_be_ordered_and_come_back_within_one_turn() -> None:
    bench = Bench()
    bench.engine.handle(Touched(b"a", Urgency.NOW), bench.now)
    assert bench.engine.next_deadline() == bench.ms
    (job,) = bench.engine.look_at_once(bench.now)
    assert isinstance(job, LookJob)
    assert [item.path for item in job.items] == [b"a"]
    assert bench.engine.look_at_once(bench.now) == [], "it is being looked at"
    assert not any(isinstance(effect, LookJob) for effect in bench.engine.end_turn(bench.now))


def test_a_message_of_nobody_or_of_another_folder_is_let_pass() -> None:
    bench = Bench()
    bench.hear(state(record(b"a", b"1")))
    assert not bench.index.offers.of(b"a")
    bench.connect()
    bench.hear(State("another", 1, False, (record(b"a", b"1"),)))
    assert not bench.index.offers.of(b"a")
    bench.hear(state(record(b"a", b"1")))
    assert bench.index.offers.of(b"a")


def test_who_breaks_the_protocol_loses_its_link_and_nobody_else_anything() -> None:
    bench = Bench()
    bench.connect()
    bench.connect("bb")
    too_much = PullItem(1, b"a", b"d" * 32, None, 0, 2**31)
    bench.feed(Received(PEER, Pull(FOLDER, (too_much,))))
    assert [drop.peer for drop in bench.all(Drop)] == [PEER]
    assert list(bench.engine.board.peers) == ["bb"]


def test_all_machines_let_go_of_a_peer_that_left() -> None:
    bench = Bench()
    bench.connect()
    bench.hear(state(record(b"a", b"content")))
    assert bench.pulls()
    bench.feed(PeerDown(PEER, "lost"))
    bench.feed(PeerDown(PEER, "lost"))
    assert not bench.engine.work.arrivals.is_fetching
    assert list(bench.engine.work.check()) == []
    bench.feed(Drained(PEER, 5))
    bench.connect()
    assert list(bench.engine.board.peers) == [PEER]


def test_a_peer_without_this_folder_is_no_peer() -> None:
    bench = Bench()
    bench.feed(PeerUp(PEER, Hello(PROTOCOL, PEER, PEER, "1", 6000, (FolderIndex("another", PEER, 0),))))
    assert [drop.reason for drop in bench.all(Drop)] == ["no-common-folder"]
    assert not bench.engine.board.peers


def test_the_events_of_a_bulk_of_ours_cost_no_turn() -> None:
    bench = Bench()
    made = [b"%03d" % number for number in range(40)]
    bench.engine.echoes.expect(made)
    other = Touched(b"other", Urgency.ARRIVED)
    events = [*(Touched(path, Urgency.ARRIVED) for path in made), other]
    assert bench.engine.without_echoes(events, bench.now) == [other]
    assert len(bench.engine.board.pending_looks) == 0


def test_the_looks_of_one_job_are_taken_together() -> None:
    bench = Bench()
    bench.feed(Touched(b"a", Urgency.NOW), Touched(b"b", Urgency.NOW))
    (job,) = bench.all(LookJob)

    bench.feed(Looked(tuple(Seen(item.path, LookOutcome.ABSENT) for item in job.items)))
    assert not bench.engine.has_jobs_out
