"""The one writer of rows: what follows from a row, an offer that is taken, and an answer to one."""

from __future__ import annotations

from typing import Any

import pytest

from dir_sync.core import limits
from dir_sync.core.jobs import ApplyItem, Cause, TreeOp
from dir_sync.core.model import Record, beats, fingerprint, has_seen, joined
from dir_sync.core.reconcile import Take
from dir_sync.engine.brakes import Brakes
from dir_sync.engine.publisher import Publisher
from dir_sync.engine.rows import Rows
from dir_sync.engine.stamps import Stamps
from tests.engine.kit import OTHER, PEER, WALL_NS, Alone, folder, fp_of, later, record, stat, tombstone

THIRD = "3" * 16


def alone(**answers: Any) -> Alone[Rows]:
    return Alone(Rows, Stamps, answers={name.replace("__", "."): it for name, it in answers.items()})


def test_a_row_is_told_to_peers_and_planned() -> None:
    kit = alone()
    row = kit.it.put(record(b"a", b"1"), b"fp")
    assert kit.index.rows.get(b"a") == row
    assert kit.board.announcements.rows == [(row.seq, row.record)]
    assert kit.planned() == [b"a"]


def test_with_a_folder_all_is_planned_that_waits_for_it() -> None:
    kit = alone()
    for path in (b"d/a", b"d/e/b", b"other"):
        kit.announces(record(path, b"1"))
    kit.it.put(folder(b"d"), b"fp")
    assert kit.planned() == [b"d", b"d/a"], "what is deeper waits for a folder of its own"


def test_with_a_folder_all_is_tried_again_that_was_denied_in_it() -> None:
    kit = alone()
    kit.work.obstacles.deny(b"d", b"d/a")
    kit.work.retries.wait_after(b"d/a", "no permission")
    kit.board.listings.list_later(b"d/e", kit.board.now.mono_ms, 10_000, 20_000)
    kit.it.put(folder(b"d"), b"fp")
    assert b"d/a" in kit.planned()
    assert kit.board.listings.next_due_ms() == kit.board.now.mono_ms


def test_a_content_that_turns_up_is_what_others_waited_for() -> None:
    kit = alone()
    wanted = record(b"a", b"content")
    kit.work.out_of_reach.enter(b"b", wanted.content)
    kit.it.put(wanted, b"")
    assert kit.planned() == [b"a"], "it is not on the disk"
    kit.it.put(wanted, b"fp")
    assert kit.planned() == [b"a", b"b"]


def test_what_is_there_again_is_held_no_longer() -> None:
    kit = alone()
    kit.has(record(b"a", b"old"), b"fp")
    own = kit.real(Brakes).own
    own.miss(b"a")
    own.hold({b"a": (1, 3)}, 1)
    kit.it.put(record(b"a", b"old"), b"fp")
    assert kit.asked("own_losses.no_longer_held") == [], "only its vector is new"
    kit.it.put(record(b"a", b"new"), b"other fp")
    assert kit.asked("own_losses.no_longer_held") == [(b"a", False)]
    kit.it.put(folder(b"a"), b"fp of a folder")
    kit.it.put(later(folder(b"a"), None), b"")
    assert kit.asked("own_losses.no_longer_held")[1:] == [(b"a", True), (b"a", False)]


# --- offers ----------------------------------------------------------------------------------------------------------


def test_what_is_taken_answers_all_offers_that_it_covers_and_no_newer_one() -> None:
    kit = alone()
    for node in (PEER, OTHER):
        kit.real(Publisher).peer_came(kit.connects(node))
    taken = record(b"a", b"1")
    kit.announces(taken)
    newer = kit.announces(later(taken, b"2", OTHER), OTHER)
    kit.it.accept(taken, b"fp")
    assert kit.index.offers.of(b"a") == [newer]
    row = kit.index.rows.get(b"a")
    assert row is not None
    assert row.record == taken


def test_who_announced_what_is_taken_is_told_in_short() -> None:
    kit = alone()
    kit.real(Publisher).peer_came(kit.connects())
    taken = kit.announces(record(b"a", b"1")).record
    kit.it.accept(taken, b"fp")
    assert kit.real(Publisher).subscribers[PEER].knows == {b"a": (taken.stamp, taken.vector)}


def test_what_was_remembered_for_an_offer_goes_with_it() -> None:
    kit = alone()
    kit.work.folders.begin_wait(b"a", b"c" * 32)
    kit.it.accept(record(b"a", b"1"), b"fp")
    assert not kit.work.folders.is_waiting(b"a")
    assert kit.asked("transfers.forget_attempts") == [(b"a",)]


def test_our_answer_wins_over_what_it_answers_and_knows_it() -> None:
    kit = alone()
    mine = kit.has(record(b"a", b"mine", node=kit.index.identity.replica))
    gone = tombstone(b"a", ns=WALL_NS + 10)
    kit.it.reassert(mine, gone)
    row = kit.index.rows.get(b"a")
    assert row is not None
    assert (row.record.content, row.fp) == (mine.record.content, mine.fp)
    assert beats(row.record, gone)
    assert has_seen(row.record, gone)
    assert kit.board.announcements.fresh[b"a"].previous == mine.record


def test_an_announced_deletion_counts_only_if_it_knew_what_is_here() -> None:
    kit = alone()
    mine = kit.has(record(b"a", b"mine", node=kit.index.identity.replica)).record
    kit.announces(tombstone(b"a", ns=WALL_NS + 10))
    assert kit.it.announced_gone(mine) is None
    gone = kit.announces(later(mine, None), OTHER).record
    assert kit.it.announced_gone(mine) == gone


@pytest.mark.parametrize("change", [{"content": b"x" * 32}, {"mode": 0o600}, {"mtime": 1}])
def test_what_is_there_was_announced_only_if_it_is_exactly_that(change: dict[str, Any]) -> None:
    kit = alone()
    mine = kit.has(record(b"a", b"old")).record
    offered = kit.announces(later(mine, b"new")).record
    assert kit.it.announced(offered, mine) == offered
    assert kit.it.announced(offered._replace(**change), mine) is None
    assert kit.it.announced(offered, later(offered, b"newer")) is None


def in_a_circle() -> tuple[Record, Record, Record]:
    """Three versions. The first is dated hours ahead, and beats the second. The third was made from the first by a node with
    a correct clock, and so beats it. The second is a little newer than the third, and beats that."""
    ahead = record(b"a", b"ahead", WALL_NS + 2 * limits.STAMP_GAP_NS)
    newest, heir = record(b"a", b"newest", WALL_NS + 5, OTHER), later(ahead, b"heir", THIRD, -2 * limits.STAMP_GAP_NS)
    assert beats(ahead, newest)
    assert beats(newest, heir)
    assert beats(heir, ahead)
    return ahead, newest, heir


def test_what_was_to_take_the_place_of_ours_is_no_edit_though_ours_beats_it() -> None:
    """As after a power cut: nobody knows what was tried."""
    kit = alone()
    mine, newest, heir = in_a_circle()
    kit.has(mine)
    kit.announces(newest)
    assert kit.it.announced(newest, mine) is None, "ours is to stay"
    kit.announces(heir, OTHER)
    assert kit.it.announced(newest, mine) == joined(newest, mine)


def test_what_was_tried_is_no_edit_whatever_is_decided_since() -> None:
    """The third version was taken back by its peer while the second was being installed."""
    kit = alone()
    mine, newest, heir = in_a_circle()
    kit.has(mine)
    kit.announces(newest)
    kit.work.attempts.record_attempt(b"a", newest.stamp)
    assert kit.it.announced(newest, mine) == joined(newest, mine)
    kit.work.attempts.record_attempt(b"a", heir.stamp)
    assert kit.it.announced(newest, mine) is None


# --- the journal -----------------------------------------------------------------------------------------------------


def test_the_journal_notes_how_a_path_was_if_that_changes() -> None:
    kit = alone()
    kit.board.begin_journal()
    kit.index.journal.write = lambda *entry: noted.append(entry)  # type: ignore[method-assign]
    noted: list[Any] = []
    mine = kit.has(record(b"a", b"old"))
    kit.it.put(later(mine.record, b"old"), fp_of(mine.record))
    assert noted == [], "only its vector is new"
    new = later(mine.record, b"new")
    kit.it.put(new, b"fp")
    assert noted == [(new, kit.index.rows.get(b"a") and later(mine.record, b"old"), WALL_NS)]
    kit.it.put(record(b"b", b"1"), b"fp")
    assert noted[1][:2] == (record(b"b", b"1"), None)
    kit.it.put(tombstone(b"never here"), b"")
    assert len(noted) == 2


@pytest.mark.parametrize("why", ["nobody told all", "the scan", "a plan", "a job", "an offer"])
def test_the_journal_begins_when_the_first_meeting_is_over(why: str) -> None:
    kit = alone()
    peer = kit.connects()
    peer.synced = why != "nobody told all"
    if why == "the scan":
        kit.board.scan.begin()
    if why == "a plan":
        kit.board.plan_queue.add(b"a")
    if why == "a job":
        wanted = record(b"a", b"1")
        kit.work.jobs.begin_apply(ApplyItem(b"a", TreeOp.INSTALL, wanted, b"", Cause.REPLACED), Take(wanted, False))
        kit.board.jobs_out += 1
    if why == "an offer":
        kit.announces(record(b"a", b"1"))
    kit.it.begin_journal()
    assert not kit.board.journals


def test_the_journal_begins_once_all_is_here() -> None:
    kit = alone()
    kit.connects().synced = True
    kit.it.begin_journal()
    assert kit.board.journals


@pytest.mark.parametrize("why_not", ["", "a user set it", "it may stay", "another file", "another time"])
def test_what_another_name_brought_is_no_change_of_a_name_that_goes(why_not: str) -> None:
    kit = alone()
    other = record(b"a", b"1", node=kit.index.identity.replica if why_not == "a user set it" else OTHER)
    mine = kit.has(record(b"b", b"1")).record
    now = mine._replace(mtime=WALL_NS + 10**9)
    kit.has(other, fp_of(mine if why_not == "another time" else now))
    if why_not != "it may stay":
        kit.announces(later(mine, None))
    there = stat(b"1", inode=2 if why_not == "another file" else 1)._replace(mtime=now.mtime)
    assert kit.it.is_set_by_another_name(now, mine, fingerprint(there)) is (not why_not)
