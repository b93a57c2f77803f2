"""What a look found: an echo, an installation that was not noted, a change made here, or something to be looked at again."""

from __future__ import annotations

from typing import Any

import pytest

from dir_sync.core import limits, notes
from dir_sync.core.content import first_scan_record
from dir_sync.core.events import Urgency
from dir_sync.core.jobs import ApplyItem, Cause, TreeOp
from dir_sync.core.looks import MOUNTED, LookOutcome, MadeDelta, Seen
from dir_sync.core.model import Kind
from dir_sync.core.reconcile import Take
from dir_sync.core.watching.pending_looks import PendingLook
from dir_sync.engine.brakes import Brakes
from dir_sync.engine.constants import EMPTY_MS, NOBODY
from dir_sync.engine.local_changes import LocalChanges
from dir_sync.engine.rows import Rows
from dir_sync.engine.stamps import Stamps
from tests.engine.kit import PEER, WALL_NS, Alone, folder, later, record, seen


def alone(first_scan: bool = False, **answers: Any) -> Alone[LocalChanges]:
    answers = {name.replace("__", "."): it for name, it in answers.items()}
    usual = {
        "recorder.as_installed": lambda mine: mine,
        "recorder.redo": True,
        "local_renames.attributes_now": lambda found, row: (found.attributes, found.attributes, False),
    }
    kit = Alone(LocalChanges, Stamps, answers=usual | answers)
    kit.board.scan.is_first = first_scan
    for name in ("announced", "announced_gone"):  # these two only read
        if f"rows.{name}" not in kit.answers:
            kit.answers[f"rows.{name}"] = getattr(kit.real(Rows), name)
    return kit


def look(kit: Alone[LocalChanges], found: Seen, **marks: Any) -> PendingLook:
    pending = kit.look_comes_back(found.path, **marks)
    kit.it.on_looked(found)
    return pending


def recorded(kit: Alone[LocalChanges]) -> list[tuple[Any, Any]]:
    """Path and kind of each change that is recorded as made here, and what was there before."""
    return [((one.path, one.kind), before) for one, before, _, _ in kit.asked("recorder.record_change")]


# --- found -----------------------------------------------------------------------------------------------------------


def test_a_new_file_is_a_change_made_here() -> None:
    kit = alone()
    found = seen(b"a", b"new")
    look(kit, found)
    ((made, previous, fp, of),) = kit.asked("recorder.record_change")
    assert (made.path, made.content, made.stamp.maker) == (b"a", found.content, kit.index.identity.replica)
    assert (previous, fp, of) == (None, found.fp, found)
    assert kit.board.announcements.take_unlogged() == [notes.NewHere(b"a", 3)]


def test_a_change_follows_what_was_there() -> None:
    kit = alone()
    mine = kit.has(record(b"a", b"old"))
    look(kit, seen(b"a", b"new"))
    ((made, previous, _, _),) = kit.asked("recorder.record_change")
    assert previous == mine.record
    assert dict(made.vector).keys() == {PEER, kit.index.identity.replica}
    assert kit.board.announcements.take_unlogged() == [notes.ChangedHere(b"a", 3)]


def test_what_is_as_known_is_an_echo_of_our_own_and_its_fingerprint_is_kept() -> None:
    kit = alone()
    found = seen(b"a", b"same")
    kit.has(record(b"a", b"same"), found.fp[:-1] + b"x")
    look(kit, found)
    assert recorded(kit) == []
    row = kit.index.rows.get(b"a")
    assert row is not None
    assert row.fp == found.fp


def test_the_first_scan_of_a_folder_makes_records_that_are_equal_on_all_nodes() -> None:
    kit = alone(first_scan=True)
    found = seen(b"a", b"new")
    look(kit, found)
    ((made, *_),) = kit.asked("recorder.record_change")
    assert made == first_scan_record(b"a", Kind.FILE, 3, found.content, found.mtime, found.mode)
    assert kit.board.announcements.take_unlogged() == []


def test_what_was_installed_and_not_noted_is_no_edit_of_a_user() -> None:
    kit = alone()
    found = seen(b"a", b"new")
    offered = kit.announces(record(b"a", b"new", ns=WALL_NS + 5)).record
    look(kit, found)
    assert recorded(kit) == []
    assert kit.asked("recorder.redo") == [(ApplyItem(b"a", TreeOp.META, offered, found.fp, Cause.REPLACED),)]


def test_nothing_is_recorded_in_a_folder_that_is_not_known_yet() -> None:
    kit = alone()
    look(kit, seen(b"d/a", b"new"))
    assert recorded(kit) == []
    assert kit.is_looked_at(b"d"), "its folder comes first"
    assert kit.is_looked_at(b"d/a")


def test_a_file_whose_folder_keeps_vanishing_is_not_looked_at_for_ever() -> None:
    kit = alone()
    look(kit, seen(b"d/a", b"new"), tries=200)
    assert not kit.is_looked_at(b"d/a")


def test_a_folder_that_only_stayed_behind_holds_something_of_ours_again() -> None:
    kit = alone()
    kit.index.rows.put(later(folder(b"d"), None), b"f" * 50)
    kit.answers["recorder.revive_folder"] = lambda above: kit.has(folder(b"d"), b"f" * 50)
    look(kit, seen(b"d/a", b"new"))
    assert [call[0].record.path for call in kit.asked("recorder.revive_folder")] == [b"d"]
    assert [what for what, _ in recorded(kit)] == [(b"d/a", Kind.FILE)]


def test_a_new_folder_is_listed() -> None:
    kit = alone()
    look(kit, seen(b"d", kind=Kind.DIRECTORY))
    assert kit.listed() == [b"d"]


def test_what_took_the_place_of_a_folder_waits_for_what_was_in_it() -> None:
    kit = alone(look_queue__look_below=True)
    kit.has(folder(b"d"))
    look(kit, seen(b"d", b"a file"))
    assert recorded(kit) == []
    assert kit.is_looked_at(b"d")
    kit.answers["look_queue.look_below"] = False
    look(kit, seen(b"d", b"a file"))
    assert [what for what, _ in recorded(kit)] == [(b"d", Kind.FILE)]


def test_what_is_no_file_is_left_out_and_in_the_way() -> None:
    kit = alone()
    look(kit, seen(b"pipe", kind=Kind.OTHER))
    assert recorded(kit) == []
    assert kit.work.obstacles.is_at(b"pipe")
    assert [call[0] for call in kit.asked("scope.skip")] == [b"pipe"]


def test_a_mount_hides_a_folder_and_does_not_delete_it() -> None:
    kit = alone()
    kit.has(folder(b"d"))
    look(kit, seen(b"d", kind=Kind.OTHER)._replace(problem=MOUNTED), watched=True)
    assert recorded(kit) == []
    assert kit.asked("scope.note_mount") == [(b"d",)]


def test_a_new_name_that_may_be_a_rename_is_looked_at_with_its_old_one() -> None:
    row = None
    kit = alone(local_renames__new_name_of=lambda *_: row)
    row = kit.has(record(b"old", b"content"))
    look(kit, seen(b"new", b"content"))
    assert kit.asked("local_renames.match") == [(b"new", row)]
    assert recorded(kit) == []
    assert kit.is_looked_at(b"new")


# --- absent ----------------------------------------------------------------------------------------------------------


def test_what_was_seen_to_go_is_a_deletion() -> None:
    kit = alone()
    mine = kit.has(record(b"a", b"old"))
    look(kit, Seen(b"a", LookOutcome.ABSENT), watched=True)
    assert recorded(kit) == [((b"a", Kind.ABSENT), mine.record)]
    assert kit.board.announcements.take_unlogged() == [notes.DeletedHere(b"a")]


def test_what_a_scan_misses_is_not_believed_until_all_is_known() -> None:
    kit = alone()
    kit.has(record(b"a", b"old"))
    look(kit, Seen(b"a", LookOutcome.ABSENT))
    assert recorded(kit) == []
    assert list(kit.real(Brakes).own.missed) == [b"a"]
    look(kit, Seen(b"a", LookOutcome.ABSENT), removal_confirmed=True)
    assert [what for what, _ in recorded(kit)] == [(b"a", Kind.ABSENT)]


def test_a_removal_of_ours_that_was_not_noted_is_no_users_deletion() -> None:
    kit = alone()
    mine = kit.has(record(b"a", b"old"))
    gone = kit.announces(later(mine.record, None)).record
    look(kit, Seen(b"a", LookOutcome.ABSENT))
    assert recorded(kit) == []
    assert kit.asked("recorder.redo") == [(ApplyItem(b"a", TreeOp.REMOVE, gone, b"", Cause.DELETED),)]


@pytest.mark.parametrize("is_seen", [True, False])
def test_what_the_rules_came_to_ignore_during_a_look_is_forgotten_and_not_deleted(is_seen: bool) -> None:
    kit = alone(scope__ignores_record=lambda what: what.path == b"a")
    kit.has(record(b"a", b"old"))
    kit.has(record(b"b", b"old"))
    for path in (b"a", b"b"):
        look(kit, Seen(path, LookOutcome.ABSENT), watched=is_seen, removal_confirmed=not is_seen)
    assert [what for what, _ in recorded(kit)] == [(b"b", Kind.ABSENT)]
    assert kit.index.rows.get(b"a") is None
    assert kit.board.announcements.take_unlogged() == [notes.DeletedHere(b"b")]
    assert kit.asked("look_queue.let_folder_go") == [(b"a",)]


def test_what_is_ignored_and_takes_the_place_of_what_is_not_is_a_deletion() -> None:
    kit = alone(scope__ignores=lambda path, is_folder: is_folder)
    kit.has(record(b"a", b"old"))
    look(kit, seen(b"a", kind=Kind.DIRECTORY))
    assert [what for what, _ in recorded(kit)] == [(b"a", Kind.ABSENT)]


def test_a_deletion_that_is_not_believed_yet_is_looked_at_again() -> None:
    kit = alone(local_renames__disbelief_ms=300)
    kit.has(record(b"a", b"old"))
    look(kit, Seen(b"a", LookOutcome.ABSENT), watched=True)
    assert recorded(kit) == []
    assert kit.board.pending_looks.next_due() == kit.board.now.mono_ms + 300


def test_a_folder_goes_after_what_was_in_it() -> None:
    kit = alone(look_queue__look_below=True)
    kit.has(folder(b"d"))
    look(kit, Seen(b"d", LookOutcome.ABSENT), watched=True)
    assert recorded(kit) == []
    assert kit.is_looked_at(b"d")


def test_a_folder_into_which_something_is_being_put_is_not_gone_yet() -> None:
    kit = alone()
    kit.has(folder(b"d"))
    coming = record(b"d/a", b"1")
    kit.work.jobs.begin_apply(ApplyItem(b"d/a", TreeOp.INSTALL, coming, b"", Cause.REPLACED), Take(coming, False))
    look(kit, Seen(b"d", LookOutcome.ABSENT), watched=True)
    assert recorded(kit) == []
    kit.work.end_apply(b"d/a")
    look(kit, Seen(b"d", LookOutcome.ABSENT), watched=True)
    assert [what for what, _ in recorded(kit)] == [(b"d", Kind.ABSENT)]


def test_what_is_held_is_no_deletion_however_it_is_looked_at() -> None:
    kit = alone()
    kit.has(record(b"a", b"old"))
    own = kit.real(Brakes).own
    own.miss(b"a")
    own.hold({b"a": (1, 3)}, 1)
    look(kit, Seen(b"a", LookOutcome.ABSENT), watched=True)
    assert recorded(kit) == []
    assert list(own.held) == [b"a"]


@pytest.mark.parametrize("kind", [Kind.FILE, Kind.DIRECTORY])
def test_what_is_held_and_there_again_is_held_no_longer(kind: Kind) -> None:
    kit = alone()
    kit.has(record(b"a", b"old"))
    own = kit.real(Brakes).own
    own.miss(b"a")
    own.hold({b"a": (1, 3)}, 1)
    look(kit, Seen(b"a", LookOutcome.SAME, kind))
    assert kit.asked("own_losses.no_longer_held") == [(b"a", kind is Kind.DIRECTORY)]


def test_of_what_came_and_went_only_the_time_of_its_folder_is_left() -> None:
    kit = alone()
    kit.has(folder(b"d"))
    look(kit, Seen(b"d/a", LookOutcome.ABSENT), watched=True)
    assert recorded(kit) == []
    assert kit.asked("folder_times.mark_active") == [(b"d", None)]


# --- looks that tell nothing yet -------------------------------------------------------------------------------------


@pytest.mark.parametrize("result", [LookOutcome.UNSTABLE, LookOutcome.UNKNOWN, LookOutcome.OPEN, LookOutcome.TOO_BIG])
def test_a_look_that_could_not_tell_is_followed_by_another(result: LookOutcome) -> None:
    kit = alone()
    kit.has(record(b"a", b"old"))
    look(kit, Seen(b"a", result, Kind.FILE, problem="denied"))
    assert recorded(kit) == []
    assert kit.is_looked_at(b"a")


def test_what_cannot_be_read_is_said_once_and_the_scan_does_not_wait_for_it() -> None:
    kit = alone()
    kit.board.scan.begin()
    kit.board.scan.add(b"a", kit.board.now.mono_ms)
    kit.board.pending_looks.pull(b"a")
    pending = look(kit, Seen(b"a", LookOutcome.UNKNOWN, problem="denied"))
    assert kit.told() == [notes.Unreadable(b"a", "denied")]
    assert not kit.board.scan.unseen
    first = (kit.board.pending_looks.next_due() or 0) - kit.board.now.mono_ms
    kit.board.pending_looks.pull(b"a")
    kit.effects()
    look(kit, Seen(b"a", LookOutcome.UNKNOWN, problem="denied"), tries=pending.tries)
    assert kit.told() == []
    assert (kit.board.pending_looks.next_due() or 0) - kit.board.now.mono_ms > first


def test_a_new_file_that_is_open_and_empty_is_announced_after_a_moment() -> None:
    kit = alone()
    pending = look(kit, Seen(b"a", LookOutcome.OPEN, Kind.FILE))
    assert kit.board.pending_looks.next_due() == pending.first_ms + EMPTY_MS


def test_a_file_that_is_open_and_was_cut_waits_for_its_close_however_small_it_was() -> None:
    kit = alone()
    kit.look_comes_back(b"a", replaced=1)
    kit.it.on_looked(Seen(b"a", LookOutcome.OPEN, Kind.FILE))
    assert kit.board.pending_looks.next_due() == kit.work.opened.until(b"a")


def test_a_scan_does_not_wait_for_a_file_that_a_program_has_open() -> None:
    kit = alone()
    kit.board.scan.begin()
    kit.board.scan.add(b"a", kit.board.now.mono_ms)
    kit.board.pending_looks.pull(b"a")
    look(kit, Seen(b"a", LookOutcome.OPEN, Kind.FILE))
    assert not kit.board.scan.unseen


def test_an_open_file_that_was_closed_during_the_look_is_looked_at_at_once() -> None:
    kit = alone()
    kit.look_comes_back(b"a", replaced=500)
    kit.board.pending_looks.touch(b"a", Urgency.NOW, kit.board.now.mono_ms)
    kit.it.on_looked(Seen(b"a", LookOutcome.OPEN, Kind.FILE))
    assert kit.board.pending_looks.next_due() == kit.board.now.mono_ms
    assert kit.work.opened.until(b"a") is None


def test_a_delta_of_a_look_that_tells_nothing_is_dropped() -> None:
    kit = alone()
    made = MadeDelta(b"delta-1", b"b" * 32, b"c" * 32, 10)
    look(kit, Seen(b"a", LookOutcome.UNSTABLE, Kind.FILE, delta=made))
    assert kit.asked("deltas_out.drop_delta") == [(made,)]


def test_a_large_new_file_that_may_get_its_true_name_is_kept_back_a_moment() -> None:
    kit = alone(local_renames__may_get_its_true_name=True)
    found = seen(b"a.part", b"content")
    pending = look(kit, found)
    assert recorded(kit) == []
    assert pending.hint is not None, "it need not be read again"
    assert kit.board.pending_looks.next_due() == kit.board.now.mono_ms + limits.TRUE_NAME_MS


# --- what ends with a look -------------------------------------------------------------------------------------------


def test_what_was_tried_there_is_known_by_a_look() -> None:
    kit = alone()
    mine = kit.has(record(b"a", b"same"))
    kit.work.attempts.record_attempt(b"a", later(mine.record, b"2").stamp)
    kit.announces(record(b"a", b"1"), NOBODY)
    kit.board.listings.list_later(b"", kit.board.now.mono_ms, 10, 20)
    look(kit, Seen(b"a", LookOutcome.SAME, Kind.FILE))
    assert kit.work.attempts.attempted(b"a") is None
    assert kit.index.offers.of_peer(b"a", NOBODY) is None
    assert kit.planned() == [b"a"]


def test_the_time_of_a_folder_is_checked_and_its_listing_ordered() -> None:
    kit = alone()
    kit.has(folder(b"d"))
    look(kit, Seen(b"d", LookOutcome.SAME, Kind.DIRECTORY, mtime=7), check_mtime=True, listing=True)
    assert kit.asked("folder_times.checked") == [(b"d", 7)]
    assert kit.listed() == [b"d"]


def test_what_was_in_the_way_and_is_gone_frees_the_names_that_waited() -> None:
    kit = alone()
    kit.work.obstruct(b"pipe", Kind.OTHER)
    look(kit, Seen(b"pipe", LookOutcome.ABSENT))
    assert not kit.work.obstacles.is_at(b"pipe")
    assert b"pipe" in kit.planned()


def test_peers_hear_the_names_that_a_file_had() -> None:
    kit = alone()
    found = seen(b"new", b"content")
    kit.has(record(b"new", b"content"), found.fp)

    class Renames:
        targets = True

        def close(self, path: bytes, is_there: bool) -> tuple[bytes, ...]:
            return (b"old",) if (path, is_there) == (b"new", True) else ()

        def sources_of(self, path: bytes) -> tuple[bytes, ...]:
            return ()

    kit.answers["local_renames.renames"] = Renames()
    look(kit, Seen(b"new", LookOutcome.SAME, Kind.FILE))
    assert kit.asked("publisher.renamed") == [(b"new", (b"old",))]


def test_on_a_disk_that_proved_blind_what_has_no_room_is_forgotten_not_deleted() -> None:
    kit = alone(names__was_not_blind=True)
    kit.has(record(b"A", b"1"))
    peer = kit.connects()
    look(kit, Seen(b"A", LookOutcome.ABSENT, taken_for=b"a"), watched=True)
    assert recorded(kit) == []
    assert kit.index.rows.get(b"A") is None
    assert kit.asked("intake.ask_again") == [(peer,)]
