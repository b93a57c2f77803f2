"""Walks in which everything is read again: their order, their turns, and what changes meanwhile."""

from __future__ import annotations

from dir_sync.core.model import fingerprint
from dir_sync.core.verify import Checked, Outcome, Verified, VerifyJob
from dir_sync.engine.rereads import SCRUB, Rereads, Walk
from tests.engine.kit import Alone, record, stat

PATHS = (b"a", b"z", b"d/b", b"e/a")


def made() -> Alone[Rereads]:
    kit = Alone(Rereads)
    for path in PATHS:
        kit.has(record(path, path), fingerprint(stat(path)))
    return kit


def items(kit: Alone[Rereads]) -> list[bytes]:
    return [item.path for job in kit.out(VerifyJob) for item in job.items]


def answered(kit: Alone[Rereads], outcome: Outcome = Outcome.SAME, most: int = 99) -> None:
    (job,) = kit.out(VerifyJob)
    kit.wait(100)
    kit.it.on_verified(Verified(job.asker, tuple(Checked(item, outcome) for item in job.items[:most]), 10, 0))


def test_a_walk_goes_through_the_folder_in_order_and_ends() -> None:
    kit = made()
    walk = Walk("")
    kit.it.begin(walk)
    kit.it.run(False)
    assert items(kit) == list(PATHS)
    answered(kit)
    kit.it.run(False)
    assert walk.is_over
    assert [one.item.path for one in walk.take()] == list(PATHS)
    assert walk.read == 10
    assert kit.it.due_ms() is None


def test_one_job_is_out_at_a_time_and_askers_take_turns() -> None:
    kit = made()
    kit.it.begin(Walk("x"))
    kit.it.begin(Walk("y"))
    kit.it.run(False)
    kit.it.run(False)
    assert [job.asker for job in kit.out(VerifyJob)] == ["x"]
    answered(kit, most=1)
    kit.it.run(False)
    assert [job.asker for job in kit.out(VerifyJob)] == ["y"]


def test_a_part_and_single_paths() -> None:
    kit = made()
    kit.it.begin(Walk("", b"a", b"d/b"))
    kit.it.run(False)
    assert items(kit) == [b"z", b"d/b"]
    kit.it.begin(walk := Walk("", paths=(b"e/a", b"nothing", b"a")))
    answered(kit)
    assert walk.checked == [], "that was the answer to the walk before"
    kit.it.run(False)
    assert items(kit) == [b"e/a", b"a"]
    answered(kit)
    assert walk.is_over


def test_a_walk_that_is_begun_anew_gets_no_answer_of_the_one_before() -> None:
    kit = made()
    kit.it.begin(Walk("", b"a"))
    kit.it.run(False)
    assert items(kit) == [b"z", b"d/b", b"e/a"]
    kit.it.end("")
    kit.it.begin(walk := Walk(""))
    answered(kit)
    assert (walk.checked, walk.read, walk.after) == ([], 0, b"")
    kit.it.run(False)
    assert items(kit) == list(PATHS), "no entry is left out"


def test_the_share_of_the_time_is_kept() -> None:
    kit = made()
    kit.it.begin(Walk("x", share=4))
    kit.it.run(False)
    answered(kit, most=1)
    assert kit.it.due_ms() == kit.board.now.mono_ms + 300
    kit.it.run(False)
    assert items(kit) == []
    kit.wait(300)
    kit.it.run(False)
    assert items(kit) == [b"z", b"d/b", b"e/a"]


def test_the_scrub_waits_for_all_others_and_for_rest() -> None:
    kit = made()
    kit.it.begin(Walk(SCRUB))
    kit.it.run(False)
    assert items(kit) == []
    kit.it.begin(Walk("x", b"e/a"))
    kit.it.run(True)
    assert items(kit) == []
    kit.it.end("x")
    kit.it.run(True)
    assert items(kit) == list(PATHS)


def test_what_changed_meanwhile_is_looked_at() -> None:
    kit = made()
    walk = Walk("")
    kit.it.begin(walk)
    kit.it.run(False)
    kit.has(record(b"a", b"other"), fingerprint(stat(b"other")))
    (job,) = kit.out(VerifyJob)
    found = [Checked(job.items[0], Outcome.ROTTEN, b"1" * 32), Checked(job.items[1], Outcome.CHANGED)]
    kit.it.on_verified(Verified("", tuple(found), 0, 0))
    assert [one.outcome for one in walk.checked] == [Outcome.CHANGED, Outcome.CHANGED]
    assert not kit.is_looked_at(b"a"), "the index knows that already"
    assert kit.is_looked_at(b"z")


def test_what_is_being_looked_at_is_not_read() -> None:
    kit = made()
    kit.board.pending_looks.add(b"z", 0, 0)
    walk = Walk("")
    kit.it.begin(walk)
    kit.it.run(False)
    assert items(kit) == [b"a"]
    answered(kit)
    kit.it.run(False)
    assert items(kit) == [b"d/b", b"e/a"]
    assert [(one.item.path, one.outcome) for one in walk.checked] == [(b"a", Outcome.SAME), (b"z", Outcome.CHANGED)]


def test_what_stays_on_this_node_is_nothing_for_peers() -> None:
    kit = made()
    own = record(b"own", b"own")._replace(stamp=record(b"own")._replace().stamp._replace(maker="!"))
    kit.has(own, fingerprint(stat(b"own")))
    for asker, paths in (("x", [b"a"]), ("", [b"a", b"own", b"z", b"d/b", b"e/a"])):
        kit.it.begin(walk := Walk(asker))
        kit.it.run(False)
        assert items(kit) == paths
        answered(kit)
        kit.it.end(asker)
    assert not walk.is_over


def test_while_the_folder_is_scanned_nothing_is_read() -> None:
    kit = made()
    kit.board.scan.is_on = True
    kit.it.begin(Walk(""))
    kit.it.run(True)
    assert items(kit) == []


def test_without_walks_there_is_nothing_to_do() -> None:
    kit = Alone(Rereads)
    kit.it.rest()
    assert not kit.it.is_on
    kit.it.wake()
    assert kit.it.is_on
    kit.it.begin(Walk("x"))
    kit.it.rest()
    assert kit.it.is_on
    kit.it.end("x")
    kit.it.rest()
    assert not kit.it.is_on
