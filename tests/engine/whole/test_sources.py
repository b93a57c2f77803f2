"""Where a content comes from: what was out of reach and turns up, and what could not be copied for a moment."""

from __future__ import annotations

from dir_sync.core.events import PeerDown
from dir_sync.core.jobs import ApplyItem, ApplyJob, ApplyResult, Looked, Result
from dir_sync.core.looks import LookOutcome, Seen
from dir_sync.core.model import Kind
from dir_sync.engine.out_of_reach import OutOfReach
from tests.engine.whole.bench import OTHER, PEER, WALL_NS, Bench, record, state

LARGE = b"content" * 20_000  # more than travels inside an update


def ordered(bench: Bench) -> list[ApplyItem]:
    return [item for job in bench.all(ApplyJob) for item in job.items]


def test_what_was_out_of_reach_is_taken_when_its_content_turns_up_under_another_name() -> None:
    """Whoever announced it has lost its index, and knows the content by another name. The offer is still newer than what is
    here: if it were left, it would win later over a change that knows nothing of it."""
    bench = Bench()
    bench.connect()
    bench.found(b"f", b"ours")
    bench.hear(state(record(b"f", LARGE, WALL_NS + 10**9)))
    assert [pull.path for pull in bench.pulls()] == [b"f"]
    bench.feed(PeerDown(PEER, "lost"))
    bench.wait(100)
    assert ordered(bench) == []
    bench.connect(OTHER)
    bench.found(b"a", LARGE)
    (item,) = ordered(bench)
    assert (item.path, item.copy_path, item.target.stamp.maker) == (b"f", b"a", PEER)


def test_who_waits_for_a_content_is_forgotten_with_what_was_announced() -> None:
    bench = Bench()
    bench.connect()
    bench.hear(state(record(b"f", LARGE)))
    bench.feed(PeerDown(PEER, "lost"))
    bench.wait(100)
    assert bench.engine.work.out_of_reach.paths() == [b"f"]
    bench.connect(OTHER)
    newer = record(b"f", None, WALL_NS + 10**9, OTHER)._replace(vector=((PEER, 1), (OTHER, 1)))
    bench.hear(state(newer), OTHER)
    bench.wait(100)
    assert not bench.engine.work.out_of_reach


def test_a_file_that_could_not_be_copied_for_a_moment_is_copied_from_later() -> None:
    """A disk has trouble that passes. What is renamed an hour later must not come out of the history, or over the wire."""
    bench = Bench()
    bench.connect()
    bench.found(b"a", LARGE)
    bench.hear(state(record(b"b", LARGE)))
    (item,) = ordered(bench)
    assert item.copy_path == b"a"
    bench.apply(ApplyResult(b"b", Result.MISSING))
    assert [pull.path for pull in bench.pulls()] == [b"b"], "not from there again at once"
    bench.feed(Looked((Seen(b"a", LookOutcome.SAME, Kind.FILE),)))
    bench.ms += 61_000
    bench.hear(state(record(b"c", LARGE, count=2), sequence=2))
    assert [(item.path, item.copy_path) for item in ordered(bench)] == [(b"c", b"a")]


def test_a_path_waits_for_one_content_and_a_content_is_waited_for_by_many() -> None:
    waiting = OutOfReach()
    waiting.enter(b"a", b"1")
    waiting.enter(b"b", b"1")
    waiting.enter(b"c", b"1")
    waiting.enter(b"b", b"2")
    waiting.leave(b"c")
    waiting.leave(b"never")
    assert waiting.take(b"1") == [b"a"]
    assert waiting.take(b"1") == []
    assert waiting.paths() == [b"b"]
    assert waiting.take(b"2") == [b"b"]
    assert not waiting


def test_what_nobody_else_has_is_copied_again_when_the_trouble_may_have_passed() -> None:
    bench = Bench()
    bench.connect()
    bench.found(b"a", LARGE)
    bench.hear(state(record(b"b", LARGE)))
    waits = []
    for _ in range(3):
        assert [item.copy_path for item in ordered(bench)] == [b"a"]
        if bench.engine.board.peers:
            bench.feed(PeerDown(PEER, "lost"))
        bench.apply(ApplyResult(b"b", Result.MISSING))
        bench.feed(Looked((Seen(b"a", LookOutcome.SAME, Kind.FILE),)))
        began = bench.ms
        while not ordered(bench):
            deadline = bench.engine.next_deadline()
            assert deadline is not None
            bench.wait(deadline - bench.ms)
        waits.append((bench.ms - began) // 60_000)
    assert waits == [1, 2, 4]
