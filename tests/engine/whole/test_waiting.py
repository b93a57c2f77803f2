"""What is remembered of a path while something newer is wanted there, and that it goes with the wish."""

from __future__ import annotations

import pytest
from blake3 import blake3

from dir_sync.core import limits
from dir_sync.core.events import PeerDown
from dir_sync.core.jobs import Applied, ApplyJob, ApplyResult, Result
from dir_sync.core.messages import Acknowledge, Chunks, Piece, Refuse, State
from dir_sync.core.model import Kind, Record, fingerprint
from tests.engine.whole.bench import FOLDER, OTHER, PEER, WALL_NS, Bench, folder, record, stat, state

SIZE = 200_000


def large(path: bytes, node: str = PEER, count: int = 1) -> Record:
    """A file of 200 kB, of which a window holds 41."""
    return record(path, path, node=node, count=count)._replace(size=SIZE)


def test_a_peer_that_leaves_while_paths_wait_for_room_leaves_nothing_to_do() -> None:
    bench = Bench()
    bench.connect()
    bench.hear(state(*[large(b"f%03d" % number) for number in range(200)]))
    assert 0 < len(bench.pulls()) < 200
    assert bench.engine.work.rooms
    bench.feed(PeerDown(PEER, "lost"))
    for _ in range(20):
        bench.wait(100)
    assert not bench.engine.is_busy
    assert bench.index.offers.count_paths() == 200, "all are wanted still, when a holder comes"
    bench.connect(OTHER)
    bench.hear(state(large(b"f000", OTHER)), OTHER)
    bench.connect()
    asked = {pull.path for pull in bench.pulls()}
    for _ in range(3):
        bench.wait(10)
        asked |= {pull.path for pull in bench.pulls()}
    assert len(asked) > 30


def test_of_two_peers_one_leaves_and_the_other_is_asked_for_what_waited() -> None:
    bench = Bench()
    for peer in (PEER, OTHER):
        bench.connect(peer)
        bench.hear(state(*[large(b"f%03d" % number) for number in range(200)]), peer)
    bench.feed(PeerDown(PEER, "lost"))
    asked: dict[int, int] = {}
    done: set[bytes] = set()
    for _ in range(2_000):
        asked |= {
            pull.id: pull.length
            for message in bench.said(OTHER)
            for pull in getattr(message, "pulls", ())
            if pull.length
        }
        if items := [item for job in bench.all(ApplyJob) for item in job.items]:
            done.update(item.path for item in items)
            fp = fingerprint(stat(b""))
            bench.feed(Applied(tuple(ApplyResult(item.path, Result.DONE, fp) for item in items)))
        elif asked:
            id_, length = asked.popitem()
            bench.hear(Chunks((Piece(id_, 0, bytes(length)),)), OTHER)
        elif len(done) == 200:
            break
        else:
            bench.wait(50)
    assert len(done) == 200
    assert not bench.engine.work.rooms


def test_what_is_on_its_way_does_not_wait_for_room_when_it_is_announced_again() -> None:
    bench = Bench()
    bench.connect()
    bench.hear(state(*[large(b"f%03d" % number) for number in range(200)]))
    waiting = bench.engine.work.rooms.paths()
    assert b"f000" not in waiting
    bench.hear(state(large(b"f000", count=2)._replace(stamp=large(b"f000").stamp._replace(ns=WALL_NS + 1))))
    bench.wait(10)
    assert bench.engine.work.rooms.paths() == waiting


def test_who_gets_room_and_has_no_use_for_it_leaves_it_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "PULL_WINDOW_BYTES", 4 * limits.KIB)
    monkeypatch.setattr(limits, "CHUNK_BYTES", limits.KIB)
    bench = Bench()
    bench.connect()
    bench.hear(state(*[large(b"f%d" % number)._replace(size=limits.KIB) for number in range(8)]))
    asked = bench.pulls()
    waiting = sorted(bench.engine.work.rooms.paths())
    assert (len(asked), len(waiting)) == (4, 4)
    for path in waiting[:3]:
        bench.engine.board.plan_later(path, bench.engine.work.retries.refuse(path, "not now"))
    bench.hear(Refuse(FOLDER, tuple((pull.id, "gone") for pull in asked)))
    for _ in range(6):
        assert not list(bench.engine.work.check())
        if waiting[3] in {pull.path for pull in bench.pulls()}:
            return
        assert bench.engine.next_deadline() == bench.now.mono_ms, "it goes on at once"
        bench.wait(0)
    raise AssertionError("the last one was never asked for")


def test_what_waits_for_room_waits_no_more_when_it_is_withdrawn() -> None:
    bench = Bench()
    bench.connect()
    files = [large(b"f%03d" % number) for number in range(200)]
    bench.hear(state(*files))
    waiting = bench.engine.work.rooms.paths()
    assert waiting
    newer = [one._replace(stamp=one.stamp._replace(ns=WALL_NS + 1)) for one in files]
    held = tuple((one.path, one.stamp) for one in newer if one.path in waiting)
    bench.hear(Acknowledge(FOLDER, 3, held))  # it has moved on from each of them
    bench.wait(10)
    assert not bench.engine.work.rooms


def test_a_version_that_is_announced_anew_has_a_grace_of_its_own() -> None:
    """OTHER made a file and will push it; PEER, who has it too, is not asked before a grace is over: also if PEER withdrew it
    and announced it again."""
    bench = Bench()
    bench.connect(PEER)
    bench.connect(OTHER)
    made = record(b"a", b"by other", node=OTHER)
    assert made.content == blake3(b"by other").digest()
    bench.hear(state(made))
    assert bench.pulls() == ()
    bench.hear(Acknowledge(FOLDER, 2, ((b"a", made.stamp._replace(ns=WALL_NS - 1)),)))  # withdrawn
    bench.wait(2 * limits.ORIGIN_GRACE_MS)
    assert bench.pulls() == ()
    bench.hear(State(FOLDER, 3, False, (made,)))
    assert bench.pulls() == (), "its maker may be about to push it"
    bench.wait(limits.ORIGIN_GRACE_MS + 10)
    assert [pull.path for pull in bench.pulls()] == [b"a"]


def test_a_newer_version_has_a_grace_of_its_own() -> None:
    bench = Bench()
    bench.connect(PEER)
    bench.connect(OTHER)
    bench.hear(state(record(b"a", b"first", node=OTHER)))
    bench.wait(limits.ORIGIN_GRACE_MS - 10)
    bench.hear(state(record(b"a", b"second", WALL_NS + 1, OTHER, 2), sequence=2))
    bench.wait(20)
    assert bench.pulls() == (), "the grace of the first one was over, not that of the second"
    bench.wait(limits.ORIGIN_GRACE_MS)
    assert [pull.digest for pull in bench.pulls()] == [blake3(b"second").digest()]


@pytest.mark.parametrize("is_forgotten", [True, False])
def test_who_announced_a_file_is_asked_for_it_in_the_end_though_its_folder_does_not_come(is_forgotten: bool) -> None:
    """Perhaps nobody has it any more, and so nobody brings its folder."""
    bench = Bench()
    bench.connect()
    bench.hear(state(record(b"d/a", b"content" * 100)))
    assert bench.pulls() == ()
    for _ in range(9):
        bench.wait(1_000)
        assert bench.pulls() == ()
    bench.wait(1_001)
    (pull,) = bench.pulls()
    if is_forgotten:
        bench.hear(Refuse(FOLDER, ((pull.id, "forgotten"),)))
        assert not bench.index.offers.of(b"d/a")
    else:
        bench.hear(Chunks((Piece(pull.id, 0, b"content" * 100),)))
        assert bench.index.offers.of(b"d/a"), "it waits for its folder"
        assert not bench.all(ApplyJob)
    for _ in range(30):
        bench.wait(1_000)
        assert bench.pulls() == (), "once"
    assert not bench.engine.is_busy
    bench.hear(state(folder(b"d", count=2), sequence=2))
    bench.apply(ApplyResult(b"d", Result.DONE, fingerprint(stat(kind=Kind.DIRECTORY))))
    assert bool(bench.pulls() or bench.all(ApplyJob)) is not is_forgotten
