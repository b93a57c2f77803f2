"""What peers ask for: pieces of files and deltas, and what becomes of them."""

from __future__ import annotations

import pytest
from blake3 import blake3

from dir_sync.core import limits
from dir_sync.core.events import Moved, PeerDown, Touched, Urgency
from dir_sync.core.jobs import (
    ApplyJob,
    DiscardJob,
    Looked,
    LookJob,
    ReadDone,
    ReadJob,
    Signed,
    SignJob,
    Staged,
    StageJob,
)
from dir_sync.core.looks import Grown, LookOutcome, Seen
from dir_sync.core.messages import (
    Change,
    Chunks,
    DeltaOffer,
    DeltaRequest,
    ModificationUpdate,
    Piece,
    Pull,
    PullItem,
    Refuse,
)
from dir_sync.core.model import Kind, fingerprint, join
from dir_sync.engine import deltas_out
from dir_sync.files.fingerprints import RACY
from tests.engine.whole.bench import (
    FOLDER,
    PEER,
    WALL_NS,
    Bench,
    edited,
    known,
    looked_at,
    paths,
    record,
    removed,
    renamed,
    seen,
    stat,
    state,
    with_delta,
)


def test_an_answer_to_a_peer_is_for_the_link_that_asked() -> None:
    bench = Bench()
    bench.found(b"a", b"mine")
    bench.connect()
    digest = blake3(b"mine").digest()
    bench.hear(Pull(FOLDER, (PullItem(1, b"a", digest, None, 0, 4),)))
    (job,) = bench.all(ReadJob)
    bench.feed(PeerDown(PEER, "lost"))
    bench.connect()
    bench.feed(ReadDone(PEER, job.link, (Piece(1, 0, b"mine"),), (), 4))
    assert not [message for message in bench.said() if isinstance(message, Chunks)]


def test_a_file_that_cannot_be_read_as_known_is_looked_at() -> None:
    bench = Bench()
    bench.found(b"a", b"mine")
    bench.connect()
    bench.hear(Pull(FOLDER, (PullItem(1, b"a", blake3(b"mine").digest(), None, 0, 4),)))
    (job,) = bench.all(ReadJob)
    bench.feed(ReadDone(PEER, job.link, (), ((1, b"a"),), 4))
    assert paths(item for look in bench.all(LookJob) for item in look.items) == [b"a"]


def test_a_delta_that_nobody_asks_for_any_more_goes() -> None:
    bench = Bench()
    bench.connect()
    bench.found(b"a", b"old")
    edited(bench, b"a", b"old", b"new", 1)
    pull = PullItem(1, b"a", blake3(b"new").digest(), blake3(b"old").digest(), 0, 500)
    bench.wait(50_000)
    bench.hear(Pull(FOLDER, (pull,)))
    assert [item.path for job in bench.all(ReadJob) for item in job.items] == [b"delta-1"]
    bench.wait(50_000)
    assert removed(bench) == [], "it is being asked for"
    gone = []
    for _ in range(10):
        deadline = bench.engine.next_deadline()
        if deadline is None:
            break
        bench.wait(max(0, deadline - bench.ms))
        gone += removed(bench)
    assert gone == [b"delta-1"]
    assert bench.engine.next_deadline() is None
    bench.hear(Pull(FOLDER, (pull._replace(id=2),)))
    assert [message for message in bench.said() if isinstance(message, Refuse)]


def test_the_bytes_of_all_deltas_are_bounded_and_those_of_old_contents_go_first() -> None:
    bench = Bench()
    bench.connect()
    third = deltas_out._DELTAS_BYTES_MAX // 3
    for path in (b"a", b"b", b"c"):
        bench.found(path, b"old " + path)
    edited(bench, b"a", b"old a", b"new a", 1, third)
    edited(bench, b"b", b"old b", b"new b", 2, third)
    edited(bench, b"b", b"new b", b"newer b", 3, third)
    assert removed(bench) == []
    edited(bench, b"c", b"old c", b"new c", 4, third)
    assert removed(bench) == [b"delta-2"]
    edited(bench, b"c", b"new c", b"newer c", 5, 4 * third)
    assert sorted(removed(bench)) == [b"delta-1", b"delta-3", b"delta-4"]
    assert [made.name for made, _ in bench.engine.deltas_out.deltas.values()] == [b"delta-5"]


@pytest.mark.parametrize("how", ["unstable", "no change", "announced"])
def test_a_delta_of_a_look_that_tells_nothing_new_goes(how: str) -> None:
    bench = Bench()
    bench.connect()
    bench.found(b"a", b"old")
    mine = bench.index.rows.get(b"a")
    assert mine is not None
    bench.feed(Touched(b"a", Urgency.NOW))
    found = with_delta(b"a", b"new", b"old")
    match how:
        case "unstable":
            found = found._replace(look=LookOutcome.UNSTABLE)
        case "no change":
            found = with_delta(b"a", b"old", b"older")
        case "announced":
            theirs = record(b"a", b"new", WALL_NS * 2, count=7)
            bench.hear(state(theirs._replace(vector=join(theirs.vector, mine.record.vector))))
    bench.feed(Looked((found,)))
    assert removed(bench) == [b"delta-1"]


def test_a_delta_begins_with_what_has_the_old_name() -> None:
    bench = Bench()
    bench.connect()
    old, new = b"x" * 100_000, b"x" * 100_000 + b"y"
    known(bench, b"a", old)
    mine = bench.index.rows.get(b"a")
    assert mine is not None
    change = Change(
        "rename", record(b"b", new, WALL_NS + 10**9), b"a", False, DeltaOffer(mine.record.content, 50), None
    )
    gone = record(b"a", None, WALL_NS + 10**9, count=2)._replace(vector=join(mine.record.vector, ((PEER, 2),)))
    update = ModificationUpdate(FOLDER, 2, (change, Change("delete", gone, None, False, None, None)), (), False)
    bench.hear(update)
    assert not bench.all(ApplyJob)  # the base stays until the delta is here
    (stage,) = bench.all(StageJob)
    bench.feed(Staged(stage.token, 0, False))
    (pull,) = bench.pulls()
    assert (pull.path, pull.base, pull.length) == (b"b", mine.record.content, 50)


@pytest.mark.parametrize("more", [b"", b"and more"])
def test_what_is_asked_for_between_a_rename_and_the_look_at_it_comes_from_the_new_name(more: bytes) -> None:
    bench = Bench()
    bench.connect()
    content = b"x" * (2 * limits.CHUNK_BYTES)
    old = known(bench, b"film.part", content)
    bench.hear(Pull(FOLDER, (PullItem(1, b"film.part", old.content, None, 0, 1_000),)))
    (job,) = bench.all(ReadJob)
    bench.feed(Moved(b"film.part", b"film", False))
    (item,) = [item for look in bench.all(LookJob) for item in look.items if item.path == b"film"]
    assert (item.was, item.was_size) == (old.content, len(content))  # has it grown, too?
    bench.feed(ReadDone(PEER, job.link, (), ((1, b"film.part"),), 1_000))
    assert not [message for message in bench.said() if isinstance(message, Refuse)]
    there = seen(b"film", content + more)
    if more:
        there = there._replace(grown=Grown(old.content, len(content), ()))
    bench.feed(Looked((there, Seen(b"film.part", LookOutcome.ABSENT))))
    while not bench.all(ReadJob):
        looks = looked_at(bench)
        bench.feed(Looked(tuple(Seen(path, LookOutcome.ABSENT) for path in looks))) if looks else bench.wait(20)
        assert bench.ms < 2_000
    (again,) = bench.all(ReadJob)
    assert [(item.id, item.path, item.length) for item in again.items] == [(1, b"film", 1_000)]
    bench.feed(ReadDone(PEER, again.link, (), ((1, b"film"),), 1_000))
    assert [message.refused for message in bench.said() if isinstance(message, Refuse)] == [((1, "gone"),)]


def test_a_delta_waits_until_the_old_name_of_what_grew_was_read_once_more() -> None:
    bench = Bench()
    bench.connect()
    content = b"x" * 100_000
    row = known(bench, b"film.part", content)
    bench.index.rows.put(record(b"film.part", content), row.fp + RACY)
    bench.hear(renamed(record(b"film.part", content + b"y")._replace(path=b"film.part"), b"film"))
    assert not bench.all(StageJob)
    assert not bench.pulls()
    assert not any(isinstance(message, DeltaRequest) for message in bench.said())
    bench.index.rows.set_fp(b"film.part", row.fp)
    bench.wait(50)
    (asked,) = [message for message in bench.said() if isinstance(message, DeltaRequest)]
    assert asked.base == row.content


def test_files_that_are_held_open_for_their_signature_are_let_go_of_when_all_is_calm() -> None:
    bench = Bench()
    bench.connect()
    known(bench, b"big", b"content", 5 * limits.MIB)
    gone = False
    for _ in range(10):
        bench.wait(200)
        for _job in bench.all(SignJob):
            assert not gone
            bench.feed(Signed("", 0, 0, None))
        gone = gone or any(job.unsigned for job in bench.all(DiscardJob))
    assert gone


def signed_paths(bench: Bench, ms: int = 2_000) -> list[bytes]:
    """What is read for its signature within that time, in which all is calm."""
    paths = []
    for _ in range(ms // 200):
        bench.wait(200)
        for job in bench.all(SignJob):
            paths.append(job.path)
            bench.feed(Signed("", 0, 0, None))
    return paths


def test_a_file_that_grew_has_no_signature_at_once_but_one_that_was_then_overwritten_has() -> None:
    """Else the next change of it would have to wait for the signature of a peer."""
    bench = Bench()
    bench.connect()

    def changes(content: bytes, size: int, base: Seen | None) -> Seen:
        found = seen(b"log", content)
        found = found._replace(size=size, fp=fingerprint(stat(content, Kind.FILE, 3)._replace(size=size)), data=None)
        if base is not None:
            found = found._replace(grown=Grown(base.content, base.size, ()))
        bench.feed(Touched(b"log", Urgency.NOW))
        while not looked_at(bench):
            bench.wait(50)
        bench.feed(Looked((found,)))
        return found

    first = changes(b"first", 100_000, None)
    signed_paths(bench)
    longer = changes(b"first and more", 100_100, first)
    assert signed_paths(bench, 800) == []
    changes(b"something else", longer.size, None)
    assert signed_paths(bench) == [b"log"]
