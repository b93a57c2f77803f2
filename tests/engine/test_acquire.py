"""How a wanted version is brought about: which one step follows from what is here. Whoever takes that step is recorded."""

from __future__ import annotations

from typing import Any

import pytest

from dir_sync.core import limits, notes
from dir_sync.core.jobs import ApplyItem, Cause, TreeOp, Version
from dir_sync.core.mode import Mode, nothing
from dir_sync.core.model import Kind, Record
from dir_sync.core.reconcile import Offer, Take
from dir_sync.core.transfers.transfer import Fetch
from dir_sync.engine.acquire import Acquire
from dir_sync.engine.constants import RETRY_MS
from dir_sync.engine.values import Ready
from tests.engine.kit import OTHER, PEER, WALL_NS, Alone, folder, fp_of, later, record, tombstone


def alone(**answers: Any) -> Alone[Acquire]:
    kit = Alone(Acquire, answers={"sources.has": True} | {name.replace("__", "."): it for name, it in answers.items()})
    kit.connects()
    return kit


def bring(kit: Alone[Acquire], target: Record, conflict: bool = False, node: str = PEER) -> ApplyItem | None:
    """What is ordered for it; None: no change of the tree."""
    path = target.path
    kit.announces(target, node)
    kit.calls.clear()
    kit.it.step_towards(path, kit.index.rows.get(path), kit.index.offers.of(path), Take(target, conflict))
    changes = kit.changes()
    assert len(changes) <= 1, "exactly one step"
    return changes[0][0] if changes else None


def copied_from(item: ApplyItem | None) -> bytes | None:
    assert item is not None
    return item.copy_path


def fetched(kit: Alone[Acquire]) -> list[list[str]]:
    """Whom a content would be asked of."""
    return [call[3] for call in kit.asked("fetcher.fetch")]


# --- deletions -----------------------------------------------------------------------------------------------------


def test_a_file_that_was_deleted_elsewhere_is_removed_if_it_is_as_known() -> None:
    kit = alone()
    mine = kit.has(record(b"a", b"old"))
    gone = later(mine.record, None)
    assert bring(kit, gone) == ApplyItem(b"a", TreeOp.REMOVE, gone, mine.fp, Cause.DELETED)


def test_what_its_remover_did_not_know_is_kept_as_the_loser_of_a_conflict() -> None:
    kit = alone()
    kit.has(record(b"a", b"old"))
    item = bring(kit, tombstone(b"a", ns=WALL_NS * 2), conflict=True)
    assert item is not None
    assert item.why is Cause.CONFLICT


def test_the_deletion_of_what_was_never_here_is_noted_and_counts_as_in_vain() -> None:
    kit = alone()
    gone = tombstone(b"a")
    assert bring(kit, gone) is None
    assert kit.asked("rows.accept") == [(gone, b"")]
    assert [offer.record for offer in kit.asked("vain.add_all")[0][0]] == [gone]


def test_of_too_many_such_deletions_nothing_is_kept() -> None:
    kit = alone(peer_losses__count_hearsay=True)
    assert bring(kit, tombstone(b"a")) is None
    assert not kit.index.offers.of(b"a")
    assert kit.asked("rows.accept") == []


@pytest.mark.parametrize("gone", [True, False])
def test_what_may_be_a_disaster_is_not_done(gone: bool) -> None:
    kit = alone(peer_losses__hold_if_disaster=True)
    mine = kit.has(record(b"a", b"old"))
    target = later(mine.record, None if gone else b"new")
    assert bring(kit, target) is None
    assert kit.asked("peer_losses.hold_if_disaster") == [(mine.record, target)]
    assert fetched(kit) == []


def test_a_file_whose_content_is_wanted_in_a_folder_that_is_still_to_come_is_not_removed_yet() -> None:
    kit = alone()
    mine = kit.has(record(b"a", b"moved"))
    kit.work.folders.begin_wait(b"new/a", mine.record.content)
    gone = later(mine.record, None)
    assert bring(kit, gone) is None
    assert kit.planned_later() == {b"a"}
    kit.wait(limits.RENAME_HOLD_MS + 1)
    assert bring(kit, gone) is not None, "not for ever"


# --- folders ---------------------------------------------------------------------------------------------------------


def test_nothing_comes_into_a_folder_that_is_not_here() -> None:
    kit = alone()
    assert bring(kit, record(b"d/a", b"1")) is None
    assert kit.work.folders.is_waiting(b"d/a")
    kit.has(folder(b"d"))
    bring(kit, record(b"d/a", b"1"))
    assert not kit.work.folders.is_waiting(b"d/a")
    assert fetched(kit) == [[PEER]]


def test_nothing_is_fetched_for_a_folder_whose_name_is_taken() -> None:
    kit = alone()
    kit.work.obstruct(b"d", Kind.OTHER)
    bring(kit, record(b"d/a", b"1"))
    assert kit.asked("transfers.drop_wanted") == [(b"d/a",)]


def test_where_a_folder_stayed_behind_its_listing_comes_before_a_file() -> None:
    kit = alone()
    kit.index.rows.put(record(b"d", None), b"its fingerprint")
    kit.work.attempts.await_listing(b"d")
    wanted = record(b"d", b"a file", count=2)
    assert bring(kit, wanted) is None
    assert fetched(kit) == []
    kit.work.attempts.end_listing_wait(b"d")
    bring(kit, wanted)
    assert fetched(kit) == [[PEER]]


def test_a_folder_goes_after_its_children() -> None:
    kit = alone()
    here = kit.has(folder(b"d"))
    child = kit.has(record(b"d/a", b"1"))
    kit.announces(later(child.record, None))
    gone = later(here.record, None)
    assert bring(kit, gone) is None
    assert kit.planned() == [b"d/a"], "the child is to go first"
    kit.index.rows.put(later(child.record, None), b"")
    item = bring(kit, gone)
    assert item is not None
    assert item.act is TreeOp.REMOVE


def test_a_folder_stays_if_something_in_it_does_and_everybody_hears_of_it() -> None:
    kit = alone()
    here = kit.has(folder(b"d"))
    kit.has(record(b"d/a", b"1"))
    gone = later(here.record, None)
    kit.board.peers[PEER].synced = True
    assert bring(kit, gone) is None
    assert kit.asked("rows.reassert") == [], "the word of its child may still be on its way"
    kit.wait(1_000)
    assert bring(kit, gone) is None
    assert kit.asked("rows.reassert") == [(here, gone)]
    assert kit.told() == [notes.Kept(b"d")]
    assert kit.work.grace_ms(b"d", gone) == 0, "another time its children are waited for again"


@pytest.mark.parametrize("is_reverted", [True, False])
@pytest.mark.parametrize("mode", [Mode.MIRROR, Mode.RECEIVE_ONLY])
def test_what_nobody_brings_back_in_a_folder_that_was_deleted_elsewhere_is_here_only(
    mode: Mode, is_reverted: bool
) -> None:
    kit = alone()
    kit.mode_rules.mode = mode
    if is_reverted:
        kit.mode_rules.revert(b"d")
    here, child = kit.has(folder(b"d")), kit.has(record(b"d/a", b"1"))
    gone = later(here.record, None)
    kit.board.peers[PEER].synced = True
    bring(kit, gone)
    kit.wait(1_000)
    assert bring(kit, gone) is None
    assert kit.asked("rows.keep_own") == [], "who made it may still bring the folder back"
    kit.wait(10_000)
    assert bring(kit, gone) is None
    kept = nothing(child.record)
    assert kit.asked("rows.keep_own") == [(child, kept)]
    assert kept.kind is Kind.ABSENT, "a mirror undoes it"
    assert (b"d/a" in kit.mode_rules.reverting) is is_reverted, "a person wants the folder as the mesh has it"
    assert kit.asked("rows.reassert") == []


def test_a_folder_does_not_go_while_its_peer_has_not_told_all() -> None:
    kit = alone()
    here = kit.has(folder(b"d"))
    kit.has(record(b"d/a", b"1"))
    for _ in range(3):
        bring(kit, later(here.record, None))
        kit.wait(1_000)
    assert kit.asked("rows.reassert") == []


def test_a_folder_with_something_that_is_held_waits_for_a_decision() -> None:
    kit = alone(brakes__peers=HoldsAll())
    here = kit.has(folder(b"d"))
    kit.has(record(b"d/a", b"1"))
    assert bring(kit, later(here.record, None)) is None
    assert kit.planned_later() == set()


class HoldsAll:
    """A brake that holds everything."""

    is_on = True

    def holds(self, path: bytes) -> bool:
        return True


# --- contents -------------------------------------------------------------------------------------------------------


def test_what_differs_in_its_mode_only_is_not_fetched() -> None:
    kit = alone()
    mine = kit.has(record(b"a", b"same"))
    target = later(mine.record, b"same")._replace(mode=0o600)
    item = bring(kit, target)
    assert item is not None
    assert item.act is TreeOp.META
    assert fetched(kit) == []


def test_what_differs_in_nothing_is_only_noted() -> None:
    kit = alone()
    mine = kit.has(record(b"a", b"same"))
    target = later(mine.record, b"same")
    assert bring(kit, target) is None
    assert kit.asked("rows.accept") == [(target, mine.fp)]


def test_a_link_or_folder_is_made_at_once_and_what_was_there_is_expected() -> None:
    kit = alone()
    mine = kit.has(record(b"a", b"a file"))
    link = later(mine.record, b"")._replace(kind=Kind.SYMLINK, content=b"target", size=6)
    item = bring(kit, link)
    assert item is not None
    assert (item.act, item.expect) == (TreeOp.INSTALL, mine.fp)


def test_an_empty_file_needs_nobody() -> None:
    kit = alone()
    item = bring(kit, record(b"a", b""))
    assert item is not None
    assert item.data == b""


def test_what_has_come_is_put_in_its_place() -> None:
    kit = alone()
    target = record(b"a", b"content")
    kit.work.arrivals.make_ready(b"a", Ready(target.content, b"content", None))
    item = bring(kit, target)
    assert item is not None
    assert item.data == b"content"
    assert not kit.work.arrivals.is_ready(b"a")


def test_what_has_come_and_is_another_content_is_not() -> None:
    kit = alone()
    kit.work.arrivals.make_ready(b"a", Ready(record(b"a", b"older").content, b"older", None))
    assert bring(kit, record(b"a", b"content")) is None
    assert not kit.work.arrivals.is_ready(b"a")
    assert fetched(kit) == [[PEER]]


def test_what_is_here_under_another_name_is_copied() -> None:
    kit = alone()
    other = kit.has(record(b"b", b"same"))
    item = bring(kit, record(b"a", b"same"))
    assert item is not None
    assert (item.act, item.copy_path, item.copy_fp) == (TreeOp.INSTALL, b"b", other.fp)
    assert fetched(kit) == []


def test_what_leaves_its_other_name_is_moved_from_there() -> None:
    kit = alone(incoming_moves__is_leaving=lambda row: row.record.path == b"c")
    for path in (b"b", b"c"):
        kit.has(record(path, b"same"))
    item = bring(kit, record(b"a", b"same"))
    assert item is not None
    assert (item.act, item.copy_path) == (TreeOp.MOVE, b"c")
    assert kit.work.jobs.is_at(b"c"), "nothing else is done there meanwhile"


@pytest.mark.parametrize("like", [b"b", b"c"])
def test_of_several_files_that_leave_the_one_with_the_wanted_mode_and_time_is_moved(like: bytes) -> None:
    """The times of another one would have to be set, and another user's would be replaced by a copy of ours."""
    kit = alone(incoming_moves__is_leaving=True)
    wanted = record(b"a", b"same")
    for path in (b"b", b"c"):
        kit.has(record(path, b"same")._replace(mtime=wanted.mtime if path == like else wanted.mtime + 1))
    item = bring(kit, wanted)
    assert item is not None
    assert (item.act, item.copy_path) == (TreeOp.MOVE, like)


@pytest.mark.parametrize("why", ["it is gone", "it has just grown", "a copy has failed", "a look is due"])
def test_from_where_nothing_can_be_copied_now_nothing_is(why: str) -> None:
    kit = alone(sources__is_avoided=lambda path, fp=b"": why == "a copy has failed")
    kit.has(
        record(b"b", b"same"), {"it is gone": b"", "it has just grown": fp_of(record(b"b", b"same")) + b"racy"}.get(why)
    )
    if why == "a look is due":
        kit.board.pending_looks.add(b"b", kit.board.now.mono_ms, kit.board.now.mono_ms)
    assert bring(kit, record(b"a", b"same")) is None


def test_what_is_in_the_history_comes_from_there() -> None:
    kit = alone()
    wanted = record(b"a", b"was here once")
    version = Version(b"v", b"b", Kind.FILE, wanted.size, wanted.content, 0, 0o644, WALL_NS, Cause.DELETED, PEER)
    kit.index.versions.put(version)
    assert copied_from(bring(kit, wanted)) == b"v"


def test_what_was_displaced_a_moment_ago_is_taken_back_before_anything_is_copied() -> None:
    kit = alone(incoming_moves__take_back_moved=True)
    kit.has(record(b"b", b"same"))
    assert bring(kit, record(b"a", b"same")) is None
    assert len(kit.asked("incoming_moves.take_back_moved")) == 1
    assert fetched(kit) == []


def test_what_is_on_its_way_to_another_path_travels_once() -> None:
    kit = alone()
    wanted = record(b"b", b"same")
    kit.work.arrivals.begin_fetch(Fetch(1, wanted, PEER, None, wanted.size, b""))
    assert bring(kit, record(b"a", b"same")) is None
    assert kit.work.copies.waiting_for(b"b") == [b"a"]
    assert fetched(kit) == []


def test_a_transfer_of_the_same_content_goes_on_for_a_newer_version() -> None:
    kit = alone()
    first = record(b"a", b"same")
    fetch = Fetch(1, first, PEER, None, first.size, b"")
    kit.work.arrivals.begin_fetch(fetch)
    target = later(first, b"same")
    assert bring(kit, target) is None
    assert fetch.target == target
    assert kit.asked("transfers.cancel") == []


def test_a_transfer_of_what_is_not_wanted_any_more_ends() -> None:
    kit = alone()
    first = record(b"a", b"first")
    kit.work.arrivals.begin_fetch(Fetch(1, first, PEER, None, first.size, b""))
    bring(kit, later(first, b"second"))
    assert kit.asked("transfers.cancel") == [(b"a",)]
    assert fetched(kit) == [[PEER]]


@pytest.mark.parametrize("conflict", [False, True])
def test_who_fetches_knows_whether_ours_is_to_be_kept(conflict: bool) -> None:
    kit = alone()
    mine = kit.has(record(b"a", b"ours"))
    bring(kit, later(mine.record, b"ours and more"), conflict)
    assert [call[4] for call in kit.asked("fetcher.fetch")] == [conflict]


# --- holders --------------------------------------------------------------------------------------------------------


def test_who_has_just_failed_is_not_asked_and_all_are_asked_again_later() -> None:
    kit = alone()
    target = record(b"a", b"content", node="maker")
    kit.announces(target, OTHER)
    kit.work.holders.holder_failed(b"a", PEER)
    bring(kit, target)
    assert fetched(kit) == [[OTHER]]
    kit.work.holders.holder_failed(b"a", OTHER)
    bring(kit, target)
    assert fetched(kit) == []
    assert kit.planned_later() == {b"a"}
    for _ in range(3):  # a look at the file, say, plans the path
        bring(kit, target)
    assert fetched(kit) == []
    kit.wait(RETRY_MS)
    bring(kit, target)
    assert fetched(kit) == [[PEER, OTHER]]


def test_a_content_that_no_holder_gives_is_asked_for_ever_more_rarely_until_it_is_announced() -> None:
    """Nobody may have it any more, as after two people have rejected the same loss in different ways."""
    kit = alone()
    target = record(b"a", b"content", node="maker")
    kit.announces(target, PEER)

    def wait() -> int:
        bring(kit, target)
        assert fetched(kit) == [[PEER]]
        kit.work.holders.holder_failed(b"a", PEER)
        bring(kit, target)
        due = kit.board.plan_queue.next_due_ms()
        assert due is not None
        took = due - kit.board.now.mono_ms
        kit.wait(took)
        kit.board.plan_queue.add_due(due)
        return took

    waits = [wait() for _ in range(16)]
    assert waits[:3] == [RETRY_MS, 2 * RETRY_MS, 4 * RETRY_MS]
    assert waits == sorted(waits)
    assert waits[-1] == 3_600_000
    kit.work.holders.announced_by(b"a", PEER, False)
    assert wait() == RETRY_MS


def test_the_maker_of_a_change_is_waited_for_a_moment_before_another_holder_is_asked() -> None:
    kit = alone(sources__may_be_asked=lambda node, content: node == OTHER)
    target = record(b"a", b"content", node=OTHER)
    bring(kit, target, node=PEER)
    assert fetched(kit) == []
    assert kit.planned_later() == {b"a"}
    kit.wait(limits.ORIGIN_GRACE_MS)
    bring(kit, target, node=PEER)
    assert fetched(kit) == [[PEER]]


def test_what_nobody_can_give_stays_an_offer() -> None:
    kit = alone(sources__has=False)
    target = record(b"a", b"content")
    assert bring(kit, target) is None
    assert fetched(kit) == []
    assert kit.index.offers.of(b"a") == [Offer(PEER, target, False)]


def test_where_a_copy_has_failed_and_nobody_else_has_it_it_is_tried_again() -> None:
    kit = alone(sources__has=False, sources__avoided_ms=5_000)
    bring(kit, record(b"a", b"content"))
    assert kit.board.plan_queue.next_due_ms() == kit.board.now.mono_ms + 5_001


def test_on_a_blind_disk_a_new_name_is_looked_at_before_anything_is_fetched() -> None:
    kit = alone()
    kit.work.disk.is_blind = True
    target = record(b"a", b"content")
    bring(kit, target)
    assert (fetched(kit), kit.is_looked_at(b"a")) == ([], True)
    kit.work.disk.name_is_free(b"a")
    bring(kit, target)
    assert fetched(kit) == [[PEER]]


def test_a_file_that_has_just_grown_is_read_once_more_before_it_is_replaced() -> None:
    kit = alone()
    mine = kit.has(record(b"a", b"1"), fp_of(record(b"a", b"1")) + b"racy")
    assert bring(kit, later(mine.record, b"2")) is None
    assert kit.is_looked_at(b"a")
    assert fetched(kit) == []
