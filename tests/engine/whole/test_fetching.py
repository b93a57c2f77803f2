"""Contents on their way here: asked for once, gone on with under other names, put aside while nothing can take them."""

from __future__ import annotations

import pytest
from blake3 import blake3

from dir_sync.core import limits, notes
from dir_sync.core.declined import Reason
from dir_sync.core.events import Drop, PeerDown, Tell, Touched, Urgency
from dir_sync.core.jobs import (
    Applied,
    ApplyItem,
    ApplyJob,
    ApplyResult,
    Cause,
    Looked,
    LookJob,
    Result,
    Staged,
    StageJob,
    SweepJob,
    TreeOp,
    Version,
)
from dir_sync.core.looks import LookOutcome, Seen
from dir_sync.core.messages import (
    Change,
    Chunks,
    Delta,
    DeltaOffer,
    DeltaRequest,
    ModificationUpdate,
    Piece,
    Pull,
    PullItem,
    Refuse,
    State,
)
from dir_sync.core.model import Kind, fingerprint, join
from dir_sync.engine import planner
from tests.engine.whole.bench import (
    FOLDER,
    OTHER,
    PEER,
    WALL_NS,
    Bench,
    change,
    folder,
    known,
    looked_at,
    paths,
    record,
    removed,
    renamed,
    seen,
    stat,
    state,
)


def test_all_that_waits_for_a_folder_is_planned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planner, "PLAN_MAX", 4)
    bench = Bench()
    bench.connect()
    names = [b"d/%d" % number for number in range(11)]
    gone = [record(name, b"", node=PEER, count=number + 2) for number, name in enumerate(names)]
    bench.hear(State(FOLDER, 1, False, tuple(gone)))
    bench.hear(state(folder(b"d", count=50), sequence=2))
    bench.apply(ApplyResult(b"d", Result.DONE, fingerprint(stat(kind=Kind.DIRECTORY))))
    ordered: list[bytes] = []
    while jobs := bench.all(ApplyJob):
        ordered += paths(item for job in jobs for item in job.items)
        bench.feed(*(Applied(tuple(ApplyResult(item.path, Result.DONE) for item in job.items)) for job in jobs))
    assert sorted(ordered) == sorted(names)


def test_one_content_for_two_paths_is_fetched_once() -> None:
    bench = Bench()
    bench.connect()
    bench.hear(state(record(b"a", b"same"), record(b"b", b"same", count=2)))
    pulls = [pull for message in bench.said() if isinstance(message, Pull) for pull in message.pulls]
    assert paths(pulls) == [b"a"]
    bench.hear(Chunks((Piece(pulls[0].id, 0, b"same"),)))
    assert paths(item for job in bench.all(ApplyJob) for item in job.items) == [b"a"]
    bench.apply(ApplyResult(b"a", Result.DONE, fingerprint(stat(b"same"))))
    (item,) = [item for job in bench.all(ApplyJob) for item in job.items]
    assert (item.path, item.copy_path) == (b"b", b"a")


def test_what_has_come_is_not_on_its_way_for_ever() -> None:
    """Pulled or attached, installed or refused: nothing is remembered of it when all is done."""
    bench = Bench()
    bench.connect()
    for at in range(20):
        path, content = b"file%d" % at, b"content %d" % at
        bench.hear(state(record(path, content, count=at + 1), sequence=at + 1))
        (pull,) = (pull for message in bench.said() if isinstance(message, Pull) for pull in message.pulls)
        bench.hear(Chunks((Piece(pull.id, 0, content),)))
        bench.apply(ApplyResult(path, Result.DONE, fingerprint(stat(content))))
    assert not len(bench.engine.work.expected)


def test_trouble_with_our_own_disk_is_no_fault_of_the_peer() -> None:
    bench = Bench()
    bench.connect()
    large = record(b"a", b"x" * (limits.CHUNK_BYTES + 1))
    bench.hear(state(large))
    for _ in range(8):
        jobs = bench.all(StageJob)
        if jobs:
            bench.feed(Staged(jobs[0].token, 0, False, "input/output error", True))
            assert not bench.all(Drop)
        bench.wait(31_000)


def refused_change(bench: Bench, content: bytes) -> ApplyItem:
    """A peer's version of `a`, here as a whole, that is to replace ours."""
    bench.connect()
    bench.found(b"a", b"old")
    mine = bench.index.rows.get(b"a")
    assert mine is not None
    theirs = record(b"a", content, WALL_NS * 2, count=7)
    bench.hear(state(theirs._replace(vector=join(theirs.vector, mine.record.vector))))
    if len(content) > limits.CHUNK_BYTES:
        (stage,) = bench.all(StageJob)
        bench.feed(Staged(stage.token, 0, False))
        bench.feed(Staged(stage.token, len(content), True))
    else:
        bench.hear(Chunks((Piece(bench.pulls()[0].id, 0, content),)))
    (job,) = bench.all(ApplyJob)
    (item,) = job.items
    return item


@pytest.mark.parametrize("size", [10, limits.LARGE_FILE_BYTES])
def test_what_cannot_be_replaced_is_said_once_and_its_content_travels_once(size: int) -> None:
    """Made immutable: that changes its ctime, so that first it looks as if somebody had changed it."""
    bench = Bench()
    content = b"n" * size
    item = refused_change(bench, content)
    told = [effect.note for effect in bench.all(Tell)]
    result = ApplyResult(b"a", Result.CHANGED)
    for turn in range(4):
        bench.apply(result)
        told += [effect.note for effect in bench.all(Tell)]
        for _ in range(100):
            if bench.all(ApplyJob):
                break
            if bench.all(LookJob):
                bench.feed(Looked((Seen(b"a", LookOutcome.SAME, Kind.FILE),)))
            else:
                bench.wait(1_000)
            assert not bench.pulls()
            assert not bench.all(StageJob)
            assert removed(bench) == []
            for sweep in bench.all(SweepJob):
                assert item.staged is None or item.staged in sweep.keep
        (job,) = bench.all(ApplyJob)
        assert job.items == (item,), turn
        result = ApplyResult(b"a", Result.PROBLEM, problem="no permission")
    assert sum(isinstance(note, notes.CannotWrite) for note in told) == 1
    assert sum(isinstance(note, notes.Fetched) for note in told) == (size >= limits.LARGE_FILE_BYTES)
    assert bench.engine.sync_report.troubled() == [(b"a", "no permission", Reason.FAILED, True)]


def test_whoever_wants_what_waits_for_a_stubborn_path_does_not_wait_for_it() -> None:
    bench = Bench()
    content = b"new"
    refused_change(bench, content)
    bench.apply(ApplyResult(b"a", Result.PROBLEM, problem="no permission"))
    bench.hear(state(record(b"b", content, count=9), sequence=2))
    assert paths(bench.pulls()) == [b"b"]


def test_what_could_not_be_put_there_goes_when_something_newer_is_wanted() -> None:
    bench = Bench()
    item = refused_change(bench, b"n" * limits.LARGE_FILE_BYTES)
    assert item.staged is not None
    bench.apply(ApplyResult(b"a", Result.PROBLEM, problem="no permission"))
    later = record(b"a", b"newest", WALL_NS * 2 + 9, count=8)
    bench.hear(state(later._replace(vector=join(later.vector, item.target.vector)), sequence=3))
    bench.wait(5_000)
    bench.feed(Looked((Seen(b"a", LookOutcome.SAME, Kind.FILE),)))
    assert paths(bench.pulls()) == [b"a"]
    assert removed(bench) == [item.staged]


def test_what_could_not_be_put_there_takes_no_place_from_something_newer() -> None:
    bench = Bench()
    item = refused_change(bench, b"new")
    later = record(b"a", b"newest", WALL_NS * 2 + 9, count=8)
    later = later._replace(vector=join(later.vector, item.target.vector))
    bench.hear(ModificationUpdate(FOLDER, 3, (change(later, b"newest"),), (), True))
    bench.apply(ApplyResult(b"a", Result.CHANGED))
    bench.feed(Looked((Seen(b"a", LookOutcome.SAME, Kind.FILE),)))
    assert not bench.pulls()
    (job,) = bench.all(ApplyJob)
    assert job.items[0].data == b"newest"


def test_what_was_here_already_did_not_come() -> None:
    bench = Bench()
    bench.connect()
    content = b"n" * limits.LARGE_FILE_BYTES
    bench.hear(state(record(b"a", content)))
    (stage,) = bench.all(StageJob)
    bench.feed(Staged(stage.token, len(content), True))
    assert bench.all(ApplyJob)
    assert not bench.told(notes.Fetched)


def kept(path: bytes, content: bytes, why: Cause = Cause.DELETED, node: str = PEER) -> Version:
    digest = blake3(content).digest()
    name = b".dir_sync/versions/" + path
    return Version(name, path, Kind.FILE, len(content), digest, WALL_NS, 0o644, WALL_NS, why, node)


@pytest.mark.parametrize("maker", [PEER, OTHER])
def test_what_was_removed_and_turns_up_under_another_name_leaves_the_history_again(maker: str) -> None:
    bench = Bench()
    bench.connect()
    found = known(bench, b"a", b"content")
    mine = bench.index.rows.get(b"a")
    assert mine is not None
    gone = record(b"a", None, WALL_NS + 10**9)._replace(vector=join(mine.record.vector, ((PEER, 1),)))
    bench.hear(state(gone))
    assert [item.act for job in bench.all(ApplyJob) for item in job.items] == [TreeOp.REMOVE]
    version = kept(b"a", b"content")
    bench.apply(ApplyResult(b"a", Result.DONE, b"", version))
    bench.hear(state(record(b"b", b"content", WALL_NS + 10**9, maker, 2), sequence=2))
    (item,) = [item for job in bench.all(ApplyJob) for item in job.items]
    assert item.copy_path == version.name
    if maker == OTHER:  # not the one who removed it: two things that have nothing to do with each other
        assert item.act is TreeOp.INSTALL
        return
    assert (item.act, item.copy_fp) == (TreeOp.MOVE, found.fp)
    bench.apply(ApplyResult(b"b", Result.DONE, seen(b"b", b"content").fp))
    assert bench.index.versions.get(version.name) is None
    assert bench.index.rows.get(b"b") is not None
    assert [note.source for note in bench.told(notes.Renamed)] == [b"a"], "not its name in the history"


@pytest.mark.parametrize("result", [Result.MISSING, Result.CHANGED, Result.PROBLEM])
def test_a_name_in_the_history_is_never_looked_at_as_one_of_the_tree(result: Result) -> None:
    bench = Bench()
    bench.connect()
    known(bench, b"a", b"content")
    mine = bench.index.rows.get(b"a")
    assert mine is not None
    gone = record(b"a", None, WALL_NS + 10**9)._replace(vector=join(mine.record.vector, ((PEER, 1),)))
    bench.hear(state(gone))
    bench.apply(ApplyResult(b"a", Result.DONE, b"", kept(b"a", b"content")))
    bench.hear(state(record(b"b", b"content", WALL_NS + 10**9, PEER, 2), sequence=2))
    bench.apply(ApplyResult(b"b", result))
    for _ in range(5):
        assert not any(path.startswith(b".dir_sync") for path in looked_at(bench))
        bench.wait(1_000)


@pytest.mark.parametrize("end", ["it comes", "there is none", "no answer", "its maker leaves"])
def test_a_delta_is_waited_for_though_another_has_the_whole_by_now(end: str) -> None:
    bench = Bench()
    bench.connect(PEER)
    bench.connect(OTHER)
    known(bench, b"a", b"x" * 100_000)
    mine = bench.index.rows.get(b"a")
    assert mine is not None
    new = record(b"a", b"x" * 99_000 + b"y", WALL_NS + 10**9)
    new = new._replace(vector=join(new.vector, mine.record.vector))
    bench.hear(state(new))
    (asked,) = [message for message in bench.said() if isinstance(message, DeltaRequest)]

    def pulls() -> list[PullItem]:
        for stage in bench.all(StageJob):
            bench.feed(Staged(stage.token, 0, False))
        said = [*bench.said(PEER), *bench.said(OTHER)]
        return [item for message in said if isinstance(message, Pull) for item in message.pulls]

    bench.hear(state(new), OTHER)
    assert not pulls()
    if end == "it comes":
        bench.hear(Delta(FOLDER, asked.id, 50))
    elif end == "there is none":
        bench.hear(Refuse(FOLDER, ((asked.id, "gone"),)))
    elif end == "no answer":
        bench.wait(60_000)
    else:
        bench.feed(PeerDown(PEER, "lost"))
    (pull,) = pulls()
    assert pull.base == (mine.record.content if end == "it comes" else None)


def test_what_is_here_and_just_being_looked_at_does_not_travel() -> None:
    bench = Bench()
    bench.connect()
    known(bench, b"a", b"x" * 100_000)
    bench.feed(Touched(b"a", Urgency.NOW))
    assert looked_at(bench) == [b"a"]
    bench.hear(state(record(b"b", b"x" * 100_000, WALL_NS + 10**9)))
    assert not bench.pulls()
    bench.feed(Looked((Seen(b"a", LookOutcome.SAME, Kind.FILE),)))
    bench.wait(50)
    (item,) = [item for job in bench.all(ApplyJob) for item in job.items]
    assert item.copy_path == b"a"


def test_what_is_on_its_way_goes_on_under_the_name_that_it_gets_meanwhile() -> None:
    bench = Bench()
    bench.connect()
    size = 2 * limits.CHUNK_BYTES
    old = record(b"film.part", b"x" * size)
    bench.hear(state(old))
    (stage,) = bench.all(StageJob)
    bench.feed(Staged(stage.token, 0, False))
    pulls = {pull.id: pull for pull in bench.pulls()}
    first = next(pull for pull in pulls.values() if pull.offset == 0)
    bench.hear(Chunks((Piece(first.id, 0, b"x" * first.length),)))
    bench.feed(Staged(stage.token, first.length, False))
    asked = list(pulls.values()) + list(bench.pulls())
    bench.hear(renamed(old, b"film"))
    assert not bench.pulls()
    assert removed(bench) == []
    for pull in asked:
        if pull is not first:
            bench.hear(Chunks((Piece(pull.id, pull.offset, b"x" * pull.length),)))
            assert not bench.pulls()
            bench.feed(Staged(stage.token, pull.offset + pull.length, pull.offset + pull.length == size))
    assert sum(pull.length for pull in asked) == size
    (item,) = [item for job in bench.all(ApplyJob) for item in job.items]
    assert (item.path, item.staged, item.target.content) == (b"film", stage.name, old.content)


@pytest.mark.parametrize("name", [b"film.part", b"film"])
@pytest.mark.parametrize("all_asked", [False, True])
def test_what_is_on_its_way_and_grows_goes_on_with_all_that_has_come(name: bytes, all_asked: bool) -> None:
    """Also under the name that it gets meanwhile."""
    bench = Bench()
    bench.connect()
    size, longer = 2 * limits.CHUNK_BYTES, 3 * limits.CHUNK_BYTES
    old = record(b"film.part", b"x" * size)
    new = record(name, b"x" * longer, WALL_NS + 10**9, count=2)
    bench.hear(state(old))
    (stage,) = bench.all(StageJob)
    bench.feed(Staged(stage.token, 0, False))
    ahead = list(bench.pulls())
    came = 0
    while ahead and (all_asked or came == 0):
        pull = ahead.pop(0)
        bench.hear(Chunks((Piece(pull.id, pull.offset, b"x" * pull.length),)))
        came = pull.offset + pull.length
        if came < size:
            bench.feed(Staged(stage.token, came, False))
        ahead += bench.pulls()
    offer = DeltaOffer(old.content, longer - size, ())
    changes = [Change("modify" if name == old.path else "rename", new, old.path, False, offer, None)]
    if name != old.path:
        changes.append(Change("delete", record(old.path, None, WALL_NS + 10**9, count=3), None, False, None, None))
    else:
        changes = [changes[0]._replace(source=None)]
    bench.hear(ModificationUpdate(FOLDER, 3, tuple(changes), (), False))
    ahead += bench.pulls()
    assert not bench.all(StageJob), "it goes on in the same file"
    if all_asked:  # the job that wrote the last piece knew of the old size only
        bench.feed(Staged(stage.token, size, True))
        ahead += bench.pulls()
    while ahead:
        pull = ahead.pop(0)
        assert pull.offset == came
        assert (pull.path, pull.digest) in [(old.path, old.content), (new.path, new.content)]
        came += pull.length
        bench.hear(Chunks((Piece(pull.id, pull.offset, b"x" * pull.length),)))
        ahead += bench.pulls()
        bench.feed(Staged(stage.token, came, came == longer))
        ahead += bench.pulls()
    assert came == longer
    (item,) = [item for job in bench.all(ApplyJob) for item in job.items]
    assert (item.path, item.staged, item.target.content) == (name, stage.name, new.content)


def test_what_is_complete_and_not_installed_goes_to_the_name_that_it_gets_meanwhile() -> None:
    bench = Bench()
    bench.connect()
    size = 2 * limits.CHUNK_BYTES
    old = record(b"film.part", b"x" * size)
    bench.hear(state(old))
    (stage,) = bench.all(StageJob)
    bench.feed(Touched(b"film.part", Urgency.NOW))  # it is just being looked at when the last byte is here
    bench.feed(Staged(stage.token, size, True))
    assert not bench.all(ApplyJob)
    bench.hear(renamed(old, b"film"))
    bench.feed(Looked((Seen(b"film.part", LookOutcome.ABSENT),)))
    bench.wait(50)
    assert not bench.pulls()
    assert removed(bench) == []


def test_what_its_peer_has_replaced_meanwhile_still_came_from_somebody() -> None:
    bench = Bench()
    bench.connect()
    known(bench, b"a", b"content")
    mine = bench.index.rows.get(b"a")
    assert mine is not None
    vector = join(mine.record.vector, ((PEER, 1),))
    bench.hear(state(record(b"a", b"", WALL_NS + 10**9, PEER)._replace(vector=vector)))
    assert [item.act for job in bench.all(ApplyJob) for item in job.items] == [TreeOp.INSTALL]
    newer = record(b"a", b"newer", WALL_NS + 2 * 10**9, PEER)._replace(vector=join(vector, ((PEER, 2),)))
    bench.hear(state(newer, sequence=2))
    bench.apply(ApplyResult(b"a", Result.DONE, seen(b"a", b"").fp))
    assert [bool(note.peer) for note in bench.told(notes.Received)] == [True]
