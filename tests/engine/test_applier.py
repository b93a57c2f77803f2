"""Changes of the tree are ordered, and their results mean something: a row, a version, a look, another try."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from dir_sync.core import limits, notes
from dir_sync.core.events import Urgency
from dir_sync.core.jobs import ApplyItem, ApplyJob, ApplyResult, Cause, Result, TreeOp, Version
from dir_sync.core.looks import RACY
from dir_sync.core.messages import Pull, PullItem
from dir_sync.core.model import Kind, Record
from dir_sync.core.reconcile import Take
from dir_sync.engine.applier import Applier
from dir_sync.engine.constants import NOBODY, OURS, TROUBLE_RETRY_MS
from dir_sync.engine.values import Ready
from dir_sync.index import Index
from tests.ends import closed_at_end
from tests.engine.kit import OTHER, PEER, WALL_NS, Alone, folder, fp_of, later, record

FP = fp_of(record(b"a", b"new"))


def alone(**answers: Any) -> Alone[Applier]:
    return Alone(Applier, answers={name.replace("__", "."): it for name, it in answers.items()})


def order(kit: Alone[Applier], target: Record, act: TreeOp = TreeOp.INSTALL, **more: Any) -> ApplyItem:
    row = kit.index.rows.get(target.path)
    item = ApplyItem(target.path, act, target, b"" if row is None else row.fp, Cause.REPLACED)._replace(**more)
    kit.it.order_change(item, Take(target, False))
    return item


def apply(
    kit: Alone[Applier], target: Record, result: Result = Result.DONE, act: TreeOp = TreeOp.INSTALL, **more: Any
) -> None:
    """It is ordered, and comes out so."""
    result_of = {
        name: more.pop(name) for name in ("version", "problem", "full", "too_large", "is_unread") if name in more
    }
    kit.announces(target)
    order(kit, target, act, **more)
    kit.it.flush_jobs()
    kit.calls.clear()
    kit.effects()
    fp = fp_of(target) if result is Result.DONE else b""
    kit.it.on_applied(ApplyResult(target.path, result, fp, **result_of))


# --- orders ---------------------------------------------------------------------------------------------------------


def test_changes_are_ordered_together_by_the_peer_that_they_are_for() -> None:
    kit = alone()
    for path, owner in [(b"a", PEER), (b"b", OTHER), (b"c", PEER)]:
        kit.board.plan_queue.for_one(owner)
        order(kit, record(path, b"1"))
    kit.it.flush_jobs()
    jobs = [(job.peer, [item.path for item in job.items], job.bulk) for job in kit.out(ApplyJob)]
    assert jobs == [(PEER, [b"a", b"c"], False), (OTHER, [b"b"], False)]
    assert kit.board.jobs_out == 2
    kit.effects()
    kit.it.flush_jobs()
    assert kit.effects() == []


def test_one_job_has_so_many_changes_and_bytes() -> None:
    kit = alone()
    for number in range(limits.APPLY_ITEMS_MAX + 1):
        order(kit, record(b"%05d" % number, b""))
    kit.it.flush_jobs()
    assert [len(job.items) for job in kit.out(ApplyJob)] == [limits.APPLY_ITEMS_MAX, 1]
    kit.effects()
    for path in (b"x", b"y"):
        order(kit, record(path, b"1")._replace(size=limits.APPLY_BYTES_MAX))
    kit.it.flush_jobs()
    assert [len(job.items) for job in kit.out(ApplyJob)] == [1, 1]


@pytest.mark.parametrize("staged", [True, False])
def test_what_takes_long_does_not_hold_up_small_changes(staged: bool) -> None:
    kit = alone()
    large = record(b"large", b"1")._replace(size=limits.LARGE_FILE_BYTES)
    order(kit, large, **({"staged": b"part"} if staged else {"copy_path": b"b", "copy_fp": b"fp"}))
    order(kit, record(b"small", b"1"))
    kit.it.flush_jobs()
    assert [(job.items[0].path, job.bulk) for job in kit.out(ApplyJob)] == [(b"small", False), (b"large", True)]


def test_pulls_go_to_those_who_are_still_there() -> None:
    pull = PullItem(1, b"a", b"d" * 32, None, 0, 1)
    kit = alone(transfers__take_pulls=lambda: {PEER: [pull], OTHER: [pull]})
    kit.connects(PEER)
    kit.it.flush_jobs()
    assert kit.said(PEER) == [Pull(kit.board.folder, (pull,))]
    assert kit.said(OTHER) == []


def test_what_may_be_on_the_disk_from_now_on_takes_the_place_of_what_was_tried_before() -> None:
    kit = alone()
    kit.announces(record(b"a", b"tried before"), NOBODY)
    target = later(record(b"a", b"1"), b"2")
    order(kit, target)
    assert kit.work.attempts.attempted(b"a") == target.stamp
    assert kit.index.offers.of_peer(b"a", NOBODY) is None


def test_the_old_name_of_a_move_may_be_gone_by_us_whatever_comes_of_the_new_one() -> None:
    old = record(b"old", b"1")
    gone = later(old, None)
    kit = alone(rows__announced_gone=gone)
    kit.has(old)
    order(kit, record(b"a", b"1"), TreeOp.MOVE, copy_path=b"old")
    assert kit.work.attempts.attempted(b"old") == gone.stamp


def test_the_event_of_what_is_ordered_is_expected() -> None:
    kit = alone()
    order(kit, record(b"a", b"1"))
    order(kit, record(b"c", b"1"), TreeOp.MOVE, copy_path=b"old")
    assert [(item.path, item.act) for (item,) in kit.asked("echoes.expect_change")] == [
        (b"a", TreeOp.INSTALL),
        (b"c", TreeOp.MOVE),
    ]


# --- results --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("result", [Result.DONE, Result.CHANGED])
def test_the_end_of_a_rename_is_told_with_its_result(result: Result) -> None:
    kit = alone()
    kit.has(record(b"old", b"new"))
    apply(kit, record(b"a", b"new"), result, TreeOp.MOVE, copy_path=b"old", copy_fp=b"fp")
    assert [(item.path, done) for item, done in kit.asked("echoes.change_ended")] == [(b"a", result is Result.DONE)]


def test_what_is_installed_is_noted_and_told() -> None:
    kit = alone()
    kit.connects()
    target = record(b"a", b"new")
    apply(kit, target)
    assert kit.asked("rows.accept") == [(target, fp_of(target))]
    assert kit.told() == [notes.Received(b"a", "name of " + PEER, 3)]
    assert not kit.work.jobs.is_at(b"a")
    assert kit.asked("versions.came") == [((target.content,),)]
    assert kit.asked("signatures.sign_later") == [(target, None)]


@pytest.mark.parametrize(
    ("act", "more", "note"),
    [
        (TreeOp.REMOVE, {}, notes.Removed(b"a", "name")),
        (TreeOp.META, {}, notes.MetaChanged(b"a", "name")),
        (TreeOp.INSTALL, {"copy_path": b"b"}, notes.Copied(b"a", "name", 3)),
        (TreeOp.MOVE, {"copy_path": b"b"}, notes.Renamed(b"a", "name", b"b")),
        (TreeOp.MOVE, {"copy_path": b".dir_sync/versions/v"}, notes.Copied(b"a", "name", 3)),
    ],
)
def test_people_are_told_what_was_done(act: TreeOp, more: dict[str, Any], note: notes.Note) -> None:
    kit = alone()
    kit.connects().name = "name"
    mine = kit.has(record(b"a", b"old"))
    kit.has(record(b"b", b"new"))
    apply(kit, later(mine.record, None if act is TreeOp.REMOVE else b"new"), Result.DONE, act, **more)
    assert kit.told() == [note]


def test_what_a_person_here_wanted_back_is_restored_not_received() -> None:
    kit = alone()
    target = record(b"a", b"new", node=kit.index.identity.replica)
    kit.announces(target, OURS)
    order(kit, target)
    kit.it.on_applied(ApplyResult(b"a", Result.DONE, fp_of(target)))
    assert kit.told() == [notes.Restored(b"a", 3)]


def test_what_was_replaced_is_kept_and_can_be_moved_back_for_a_while() -> None:
    kit = alone()
    mine = kit.has(record(b"a", b"old"))
    target = later(mine.record, b"new")
    version = Version(b"v", b"a", Kind.FILE, 3, b"", 0, 0o644, WALL_NS, Cause.REPLACED, PEER)
    apply(kit, target, version=version)
    assert kit.asked("versions.keep") == [(version, mine.record, b"a", target.stamp)]
    ((content, kept),) = kit.asked("sources.keep_displaced")
    assert (content, kept.version, kept.node) == (mine.record.content, b"v", PEER)


@pytest.mark.parametrize("row", [b"old", None, b""])
def test_another_users_file_that_our_copy_replaced_is_listed_as_what_it_was(row: bytes | None) -> None:
    """Whatever our row says: a job that failed later had installed the file, or a user made it. b"": a tombstone."""
    kit = alone()
    if row is not None:
        mine = kit.has(record(b"a", b"old") if row else later(record(b"a", b"old"), None)).record
    target = record(b"a", b"new") if row is None else later(mine, b"new")
    version = Version(b"v", b"a", Kind.FILE, 3, target.content, 0, 0o644, WALL_NS, Cause.REPLACED, PEER)
    apply(kit, target, act=TreeOp.META, version=version)
    assert kit.asked("versions.keep") == [(version, target, b"a", target.stamp)]
    assert kit.asked("sources.keep_displaced") == []


def test_what_could_not_be_read_when_it_was_replaced_is_not_listed_as_what_our_row_says() -> None:
    kit = alone()
    mine = kit.has(record(b"a", b"old"))
    version = Version(b"v", b"a", Kind.FILE, 3, b"", 0, 0o644, WALL_NS, Cause.REPLACED, PEER)
    apply(kit, later(mine.record, b"new"), version=version, is_unread=True)
    assert kit.asked("versions.keep_unread") == [(version, mine.record)]
    assert kit.asked("versions.keep") == []
    assert kit.asked("sources.keep_displaced") == []


def test_the_loser_of_a_conflict_is_not_moved_out_of_the_history_again() -> None:
    kit = alone()
    mine = kit.has(record(b"a", b"old"))
    version = Version(b"v", b"a", Kind.FILE, 3, b"", 0, 0o644, WALL_NS, Cause.CONFLICT, PEER)
    apply(kit, later(mine.record, b"new"), version=version)
    assert kit.asked("sources.keep_displaced") == []


def test_if_something_else_is_there_nothing_is_noted_and_a_look_follows() -> None:
    kit = alone()
    target = record(b"a", b"new")
    apply(kit, target, Result.CHANGED, data=b"new")
    assert kit.asked("rows.accept") == []
    assert kit.is_looked_at(b"a")
    assert kit.planned_later() == {b"a"}
    ready = kit.work.arrivals.ready(b"a")
    assert ready == Ready(target.content, b"new", None), "it need not travel again"


def test_what_has_come_meanwhile_is_not_replaced_by_what_could_not_be_installed() -> None:
    kit = alone()
    target = record(b"a", b"new")
    newer = Ready(record(b"a", b"newer").content, b"newer", None)
    order(kit, target, data=b"new")
    kit.work.arrivals.make_ready(b"a", newer)
    kit.it.on_applied(ApplyResult(b"a", Result.CHANGED))
    assert kit.work.arrivals.ready(b"a") == newer


def test_a_folder_in_the_way_is_listed_before_anything_takes_its_place() -> None:
    kit = alone()
    mine = kit.has(folder(b"a"))
    apply(kit, later(mine.record, b"a file"), Result.CHANGED)
    assert kit.work.attempts.awaits_listing(b"a")


def test_so_is_a_folder_that_had_stayed_behind() -> None:
    kit = alone()
    kit.index.rows.put(record(b"a", None), b"its fingerprint")
    apply(kit, record(b"a", b"a file", count=2), Result.CHANGED)
    assert kit.work.attempts.awaits_listing(b"a")


def test_a_listing_that_came_while_a_job_was_out_is_made_again() -> None:
    kit = alone()
    mine = kit.has(folder(b"a"))
    order(kit, later(mine.record, b"a file"))
    kit.work.attempts.note_listed(b"a", b"")
    kit.work.attempts.await_listing(b"a")
    kit.it.on_applied(ApplyResult(b"a", Result.MISSING))
    assert kit.board.pending_looks.add(b"a", 0, 0).listing


def test_a_source_that_is_not_as_known_is_looked_at_and_avoided() -> None:
    kit = alone()
    kit.has(record(b"b", b"new"))
    apply(kit, record(b"a", b"new"), Result.MISSING, copy_path=b"b", copy_fp=b"fp")
    assert kit.is_looked_at(b"b")
    assert kit.asked("sources.avoid_source") == [(b"b", b"fp")]
    assert b"a" in kit.planned()
    assert kit.work.attempts.attempted(b"a") is None


@pytest.mark.parametrize("giver", [PEER, ""])
def test_what_a_peer_sent_and_is_not_what_was_announced_is_asked_of_another(giver: str) -> None:
    kit = alone()
    target = record(b"a", b"new")
    apply(kit, target, Result.MISSING, data=b"bad", giver=giver)
    assert kit.asked("sources.was_bad") == ([(target, giver)] if giver else [])
    assert b"a" in kit.planned()


def test_a_version_that_is_not_as_listed_is_doubted() -> None:
    kit = alone()
    name = b".dir_sync/versions/v"
    version = Version(name, b"b", Kind.FILE, 3, b"c" * 32, 0, 0o644, WALL_NS, Cause.DELETED, PEER)
    kit.index.versions.put(version)
    apply(kit, record(b"a", b"new"), Result.MISSING, copy_path=name)
    assert kit.asked("versions.doubt") == [(version,)]
    assert not kit.is_looked_at(name), "no name of the tree"


@pytest.mark.parametrize("result", [Result.DONE, Result.CHANGED, Result.PROBLEM])
def test_what_was_displaced_is_listed_also_if_its_row_has_gone(result: Result) -> None:
    kit = alone()
    version = Version(b".dir_sync/versions/v", b"a", Kind.FILE, 3, b"", 0, 0o644, WALL_NS, Cause.REPLACED, PEER)
    apply(kit, record(b"a", b"new"), result, version=version, expect=b"something")
    assert kit.asked("versions.keep_unread") == [(version, None)]


@pytest.mark.parametrize(
    ("result", "size", "urgency", "is_doubted"),
    [
        (Result.CHANGED, 3, Urgency.ARRIVED, True),
        (Result.CHANGED, limits.MIB + 1, Urgency.ARRIVED, True),
        (Result.PROBLEM, 3, Urgency.ARRIVED, True),
        (Result.PROBLEM, limits.MIB + 1, Urgency.NOW, True),
        (Result.PROBLEM, limits.MIB + 1, Urgency.ARRIVED, False),
        (Result.DONE, 3, Urgency.NOW, False),
    ],
)
def test_a_version_that_was_to_move_and_did_not_is_read_again(
    result: Result, size: int, urgency: Urgency, is_doubted: bool
) -> None:
    """It may not be back in the history, or a program may have written into it."""
    kit = alone()
    name = b".dir_sync/versions/v"
    version = Version(name, b"a", Kind.FILE, size, b"c" * 32, 0, 0o644, WALL_NS, Cause.REPLACED, PEER)
    kit.index.versions.put(version)
    kit.board.pending_looks.touch(b"a", urgency, kit.board.now.mono_ms)
    apply(kit, record(b"a", b"new"), result, TreeOp.MOVE, copy_path=name)
    assert kit.asked("versions.doubt") == ([(version,)] if is_doubted else [])
    assert not kit.is_looked_at(name)


def test_what_a_change_that_failed_has_displaced_is_listed_also_if_nobody_wanted_the_change() -> None:
    kit = alone()
    row = kit.has(record(b"a", b"1"))
    version = Version(b".dir_sync/versions/v", b"a", Kind.FILE, 1, b"", 0, 0o644, WALL_NS, Cause.RECOVERED, PEER)
    kit.it.order_change(ApplyItem(b"a", TreeOp.INSTALL, row.record, row.fp, Cause.RECOVERED), None)
    kit.it.flush_jobs()
    kit.it.on_applied(ApplyResult(b"a", Result.PROBLEM, version=version))
    assert kit.asked("versions.rescued") == [((version,),)]


@pytest.mark.parametrize(
    ("size", "urgency", "is_doubted"),
    [(limits.MIB + 1, Urgency.NOW, True), (limits.MIB, Urgency.NOW, False), (limits.MIB + 1, Urgency.ARRIVED, False)],
)
def test_a_large_version_is_read_again_if_a_program_wrote_while_it_was_displaced(
    size: int, urgency: Urgency, is_doubted: bool
) -> None:
    """A small one was read when it came out."""
    kit = alone()
    name = b".dir_sync/versions/v"
    version = Version(name, b"a", Kind.FILE, size, b"", 0, 0o644, WALL_NS, Cause.REPLACED, PEER)
    kit.has(record(b"a", b"old"))
    kit.index.versions.put(version)
    kit.board.pending_looks.touch(b"a", urgency, kit.board.now.mono_ms)
    apply(kit, later(record(b"a", b"old"), b"new"), version=version)
    assert kit.asked("versions.doubt") == ([(version,)] if is_doubted else [])


def test_a_job_knows_the_content_that_it_displaces() -> None:
    kit = alone()
    old = record(b"a", b"old")
    kit.has(old)
    order(kit, later(old, b"new"))
    order(kit, record(b"b", b"new"))
    order(kit, record(b"c", b"new"), expect=b"something that no row knows")
    kit.it.flush_jobs()
    (job,) = kit.out(ApplyJob)
    assert [item.known for item in job.items] == [old.content, b"", b""]


def test_trouble_of_the_disk_is_said_once_and_tried_again_later_each_time() -> None:
    kit = alone()
    waits = []
    told: list[notes.Note] = []
    for _ in range(3):
        apply(kit, record(b"d/a", b"new"), Result.PROBLEM, problem="no permission")
        told += kit.told()
        waits.append((kit.board.pending_looks.next_due() or 0) - kit.board.now.mono_ms)
        kit.board.pending_looks.pull(b"d/a")
        kit.wait(60_000)
    assert told == [notes.CannotWrite(b"d/a", "no permission")]
    assert waits[0] == TROUBLE_RETRY_MS[0]
    assert waits == sorted(waits)
    assert waits[2] > waits[0]
    assert kit.work.obstacles.take_denied(b"d") == [b"d/a"], "or when its folder gets another mode"


def test_without_room_on_the_disk_the_history_is_asked_to_give_way() -> None:
    kit = alone()
    apply(kit, record(b"a", b"new"), Result.PROBLEM, problem="no space", full=True)
    assert kit.work.retries.is_short
    assert kit.work.retries.short_bytes() == 3


@pytest.mark.parametrize("too_large", [True, False])
def test_what_this_disk_cannot_have_is_held_back(too_large: bool) -> None:
    kit = alone()
    target = record(b"a", b"new")
    apply(kit, target, Result.IMPOSSIBLE, problem="invalid argument", too_large=too_large)
    unable = kit.work.unable
    assert unable.why(target) is not None
    other = later(target, b"x")
    assert unable.why(other) is None, "another version may fit"
    assert unable.why(later(target, b"even larger")._replace(size=9)) is not None if too_large else True
    assert kit.planned() == [b"a"]


def test_what_may_never_be_written_is_left_alone_for_long() -> None:
    kit = alone()
    apply(kit, record(b"a", b"new"), Result.REFUSED, problem="a mount")
    assert kit.asked("scope.skip") == [(b"a", "a mount")]
    assert not kit.work.is_free(b"a")
    assert kit.planned_later() == {b"a"}


# --- moves and folders ----------------------------------------------------------------------------------------------


def test_the_old_name_of_a_move_goes_with_it() -> None:
    kit = alone()
    old = kit.has(record(b"old", b"new"))
    gone = kit.announces(later(old.record, None)).record
    kit.work.jobs.begin_move_away(b"old", b"a")
    target = record(b"a", b"new")
    apply(kit, target, act=TreeOp.MOVE, copy_path=b"old", copy_fp=old.fp)
    assert [call[0] for call in kit.asked("rows.accept")] == [target, gone]
    assert not kit.work.jobs.is_at(b"old")


def test_the_old_name_of_a_move_that_failed_is_looked_at() -> None:
    kit = alone()
    kit.has(record(b"old", b"new"))
    apply(kit, record(b"a", b"new"), Result.CHANGED, TreeOp.MOVE, copy_path=b"old", copy_fp=b"fp")
    assert kit.is_looked_at(b"old")


def test_what_a_folder_had_in_it_is_looked_at_when_a_file_took_its_place() -> None:
    kit = alone()
    mine = kit.has(folder(b"a"))
    apply(kit, later(mine.record, b"a file"))
    ((path, _, replaced),) = kit.asked("look_queue.look_below")
    assert (path, replaced) == (b"a", True)


def test_a_folder_gets_its_time_later() -> None:
    kit = alone()
    apply(kit, folder(b"d"))
    assert kit.asked("folder_times.set_later") == [(b"d", WALL_NS)]


def test_a_folder_that_was_moved_whole_takes_all_that_is_in_it_along() -> None:
    kit = alone()
    for path in (b"old", b"old/a"):
        mine = kit.has(folder(path) if path == b"old" else record(path, b"1"))
        kit.announces(later(mine.record, None))
    kit.announces(record(b"new/a", b"1"))
    kit.work.jobs.begin_move_away(b"old", b"new")
    apply(kit, folder(b"new"), act=TreeOp.MOVE, copy_path=b"old")
    accepted = [(call[0].path, call[0].kind) for call in kit.asked("rows.accept")]
    assert accepted[-2:] == [(b"new/a", Kind.FILE), (b"old/a", Kind.ABSENT)]
    assert (b"new", Urgency.FOLDER) in kit.asked("look_queue.on_touched")
    assert kit.is_looked_at(b"new/a")
    assert kit.is_looked_at(b"old"), "what was in the way in it is not there any more"


# --- gifts ----------------------------------------------------------------------------------------------------------


def test_an_intent_ends_with_the_last_of_its_files() -> None:
    kit = alone()
    records = [record(b"a", b"1"), record(b"b", b"2")]
    intent = kit.index.intents.put(PEER, records)
    kit.it.intend(intent, PEER, [ApplyItem(one.path, TreeOp.INSTALL, one, b"", Cause.REPLACED) for one in records])
    kit.it.flush_jobs()
    assert [(job.peer, len(job.items)) for job in kit.out(ApplyJob)] == [(PEER, 2)]
    kit.it.no_longer_intended(intent)
    assert found_after_a_crash(kit) == [b"a", b"b"]
    kit.it.no_longer_intended(intent)
    assert found_after_a_crash(kit) == []


def found_after_a_crash(kit: Alone[Applier]) -> list[bytes]:
    """What may be there or not: an intent that has not ended."""
    kit.index.commit()
    return closed_at_end(Index(":memory:", Random(1), kit.index.copy())).offers.paths(None, 9)


def test_a_gift_that_could_not_be_installed_is_an_offer_like_any_other() -> None:
    kit = alone()
    one = record(b"a", b"1")
    intent = kit.index.intents.put(PEER, [one])
    item = ApplyItem(b"a", TreeOp.INSTALL, one, b"", Cause.REPLACED, b"1")
    kit.it.intend(intent, PEER, [item])
    kit.work.begin_pushed(intent, PEER, [item])
    kit.it.on_applied(ApplyResult(b"a", Result.PROBLEM, problem="input/output error"))
    assert [offer.record for offer in kit.index.offers.of(b"a")] == [one]
    kit.index.offers.drop(b"a", PEER)
    assert found_after_a_crash(kit) == [], "it is no intent any more"
    assert kit.work.attempts.attempted(b"a") == one.stamp


def test_what_was_not_as_listed_while_the_job_was_out_is_looked_at() -> None:
    kit = alone()
    target = record(b"a", b"new")
    for listed, is_looked_at in ((fp_of(target), False), (b"another", True)):
        order(kit, target)
        kit.work.attempts.note_listed(b"a", listed)
        kit.it.on_applied(ApplyResult(b"a", Result.DONE, fp_of(target)))
        assert kit.is_looked_at(b"a") == is_looked_at


@pytest.mark.parametrize(
    ("urgency", "is_racy"), [(Urgency.NOW, True), (Urgency.ARRIVED, False), (Urgency.VANISHED, False)]
)
def test_what_was_written_while_it_was_installed_is_read_again(urgency: Urgency, is_racy: bool) -> None:
    """A program may have written to the file between its installation and the stat, and have kept its size and mtime."""
    kit = alone()
    target = record(b"a", b"1")
    kit.announces(target)
    order(kit, target)
    kit.it.flush_jobs()
    kit.board.pending_looks.touch(b"a", urgency, kit.board.now.mono_ms)
    kit.it.on_applied(ApplyResult(b"a", Result.DONE, fp_of(target)))
    ((_, fp, *_),) = [call[1:] for call in kit.calls if call[0] == "rows.accept"]
    assert fp == fp_of(target) + (RACY if is_racy else b"")
