"""Folders are listed, and what differs from the index is looked at; when all is seen, the scan is over."""

from __future__ import annotations

from typing import Any

import pytest

from dir_sync.core import limits, notes
from dir_sync.core.jobs import ApplyItem, Cause, ListJob, TreeOp
from dir_sync.core.looks import Listing
from dir_sync.core.mode import Mode
from dir_sync.core.model import Kind, Stat, fingerprint
from dir_sync.core.reconcile import Take
from dir_sync.engine.brakes import Brakes
from dir_sync.engine.constants import BLIND, TROUBLE_RETRY_MS
from dir_sync.engine.local_renames import LocalRenames
from dir_sync.engine.own_echoes import OwnEchoes
from dir_sync.engine.scan import Scan
from tests.engine.kit import Alone, folder, later, record, seen, stat


def alone(**answers: Any) -> Alone[Scan]:
    answers = {"scope.is_ours": True} | {name.replace("__", "."): it for name, it in answers.items()}
    return Alone(Scan, answers=answers)


def listing(kit: Alone[Scan], path: bytes = b"", *entries: tuple[bytes, Stat], **more: Any) -> None:
    kit.it.on_listed(Listing(path, list(entries), **more))


def there(content: bytes = b"", kind: Kind = Kind.FILE) -> Stat:
    return stat(content, kind, 5)


def sent(kit: Alone[Scan]) -> list[list[bytes]]:
    kit.it.send_listings()
    return [[each.path for each in job.folders] for job in kit.out(ListJob)]


# --- which folders --------------------------------------------------------------------------------------------------


def test_one_list_job_is_out_at_a_time_and_has_many_folders() -> None:
    kit = alone()
    kit.board.listings.add_all([b"%d" % number for number in range(40)])
    assert [len(job) for job in sent(kit)] == [32]
    kit.effects()
    assert sent(kit) == []
    kit.board.listings.came_back([b"not done"])
    assert [len(job) for job in sent(kit)] == [9]


def test_a_job_gets_about_as_many_folders_as_the_last_one_had_time_for() -> None:
    """What a job needs is collected for each of its folders, also for those that it leaves."""
    kit = scanning()
    kit.board.listings.add_all([b"%d" % number for number in range(60)])
    sizes = []
    for _ in range(8):
        (job,) = sent(kit)
        sizes.append(len(job))
        kit.board.listings.came_back(job[5:])
        kit.effects()
    assert sizes[0] == 32
    assert max(sizes[1:]) <= 7, sizes
    for _ in range(40):
        jobs = sent(kit)
        if not jobs:
            break
        sizes.append(len(jobs[0]))
        kit.board.listings.came_back([])
        kit.effects()
    assert max(sizes[8:]) > 7, "with more time, a job gets more"


def test_with_much_to_look_at_nothing_more_is_listed() -> None:
    kit = alone()
    for number in range(limits.DIRTY_BACKLOG_MAX):
        kit.board.pending_looks.add(b"%d" % number, 0, 0)
    kit.board.listings.add(b"d")
    assert sent(kit) == []


def test_the_first_scan_waits_for_its_turn_and_later_listings_do_not() -> None:
    kit = scanning()
    kit.board.scan.waits = True
    kit.board.listings.add(b"d")
    assert sent(kit) == []
    assert kit.board.scan.is_on
    kit.board.scan.waits = False
    assert sent(kit) == [[b"d"]]
    kit.board.listings.came_back([])
    kit.effects()
    kit.board.scan.end()
    kit.board.scan.waits = True
    kit.board.listings.add(b"e")
    assert sent(kit) == [[b"e"]]


def test_the_scan_waits_for_a_peer_that_is_given_everything() -> None:
    kit = alone(publisher__seeding_lags=True)
    kit.board.scan.begin()
    kit.board.listings.add(b"")
    assert sent(kit) == []
    kit.answers["publisher.seeding_lags"] = False
    assert sent(kit) == [[b""]]


def test_a_listing_leaves_out_what_is_known_unless_all_of_it_counts() -> None:
    kit = alone()
    row = kit.has(record(b"d/a", b"1"))
    kit.has(folder(b"d"))
    assert kit.it.folder(b"d").known == {b"a": row.fp}
    kit.work.attempts.await_listing(b"d")
    assert kit.it.folder(b"d").known == {}


def test_a_folder_that_cannot_be_listed_is_said_once_and_tried_again() -> None:
    kit = alone()
    for _ in range(2):
        kit.it.on_listed(Listing(b"d", None, "denied"))
    assert kit.told() == [notes.Unreadable(b"d", "denied")]
    kit.wait(TROUBLE_RETRY_MS[1])
    assert sent(kit) == [[b"d"]]


def test_a_folder_that_went_while_it_was_to_be_listed_is_looked_at() -> None:
    kit = alone()
    kit.it.on_listed(Listing(b"d", None))
    pending = kit.board.pending_looks.find(b"d")
    assert pending is not None
    assert pending.listing


# --- what a listing found -------------------------------------------------------------------------------------------


def test_what_differs_is_looked_at_and_what_does_not_is_not() -> None:
    kit = alone()
    kit.has(record(b"same", b"1"), fingerprint(there(b"1")))
    kit.has(record(b"other", b"1"), b"another fingerprint")
    listing(kit, b"", (b"same", there(b"1")), (b"other", there(b"1")), (b"new", there(b"1")))
    assert [kit.is_looked_at(path) for path in (b"same", b"other", b"new")] == [False, True, True]


def test_what_is_missing_is_looked_at_if_it_was_here() -> None:
    kit = alone()
    kit.has(record(b"a", b"1"))
    kit.index.rows.put(later(record(b"b", b"1"), None), b"")
    listing(kit, gone=(b"a", b"b", b"c"))
    assert [kit.is_looked_at(path) for path in (b"a", b"b", b"c")] == [True, False, False]


def test_our_own_folder_is_no_entry_and_elsewhere_its_name_is_skipped() -> None:
    kit = alone()
    listing(kit, b"", (limits.RESERVED_NAME, there(kind=Kind.DIRECTORY)))
    assert kit.asked("scope.skip") == []
    listing(kit, b"d", (limits.RESERVED_NAME, there(kind=Kind.DIRECTORY)))
    assert [call[0] for call in kit.asked("scope.skip")] == [b"d/" + limits.RESERVED_NAME]
    assert len(kit.board.pending_looks) == 0


def test_new_folders_are_recorded_at_once_and_listed() -> None:
    kit = alone()
    listing(kit, b"", (b"d", there(kind=Kind.DIRECTORY)), folders=(b"known",))
    assert [call[0].path for call in kit.asked("recorder.new")] == [b"d"]
    assert kit.listed() == [b"known"]


def test_files_whose_content_came_with_the_listing_are_recorded_at_once() -> None:
    kit = alone()
    kit.board.scan.is_first = True
    listing(kit, b"", seen=(seen(b"a", b"1"), seen(b"b", b"2")))
    ((found, told),) = kit.asked("recorder.new_files")
    assert [one.path for one in found] == [b"a", b"b"]
    assert not told


@pytest.mark.parametrize("why", ["its folder", "a job", "an obstacle", "a row", "an offer", "a look came first"])
def test_where_anything_is_known_it_is_not(why: str) -> None:
    kit = alone()
    path = b"d/a" if why == "its folder" else b"a"
    match why:
        case "a job":
            target = record(b"a", b"1")
            kit.board.scan.begin()
            kit.work.jobs.begin_apply(ApplyItem(b"a", TreeOp.INSTALL, target, b"", Cause.REPLACED), Take(target, False))
        case "an obstacle":
            kit.work.obstruct(b"a", Kind.OTHER)
        case "a row":
            kit.has(record(b"a", b"0"))
        case "an offer":
            kit.announces(record(b"a", b"0"))
        case "a look came first":
            kit.board.listings.add(b"")
            sent(kit)
            kit.look_comes_back(b"a")
            kit.board.look_ends(b"a")
    kit.board.scan.is_first = True
    listing(kit, path.rpartition(b"/")[0], seen=(seen(path, b"1"),))
    assert kit.asked("recorder.new_files") == []
    assert kit.asked("recorder.new") == []
    assert kit.is_looked_at(path)


@pytest.mark.parametrize("mode", [Mode.MIRROR, Mode.TWO_WAY])
@pytest.mark.parametrize("is_first", [True, False])
def test_what_the_first_scan_could_not_see_is_remembered_where_changes_stay(mode: Mode, is_first: bool) -> None:
    kit = scanning()
    kit.mode_rules.mode = mode
    kit.mode_rules.knows_mesh = True
    kit.board.scan.is_first = is_first
    kit.board.listings.list_later(b"closed", 0, 10**9, 10**9)
    kit.board.pending_looks.add(b"open", 10**9, 0)
    kit.has(record(b"known", b"1"))
    kit.board.pending_looks.add(b"known", 10**9, 0)
    kit.has(folder(b"went"))  # found, and gone when it was to be listed: perhaps it comes back with all that is in it
    kit.board.pending_looks.add(b"went", 10**9, 0)
    kit.it.send_listings()
    assert not kit.board.scan.is_on
    first = [kit.mode_rules.was_here_first(path) for path in (b"closed/a", b"open", b"known", b"went/a")]
    assert first == ([True, True, False, True] if is_first and mode is Mode.MIRROR else [False] * 4)


def test_a_known_file_under_a_new_name_is_matched_with_its_old_one() -> None:
    kit = alone()
    kit.board.scan.is_first = False
    row = kit.has(record(b"old", b"1"))
    kit.answers["local_renames.new_name_of"] = row
    listing(kit, b"", seen=(seen(b"new", b"1"),))
    assert kit.asked("local_renames.match") == [(b"new", row)]
    assert kit.asked("recorder.new") == []


def test_what_is_being_put_into_a_folder_while_it_is_listed_has_it_listed_once_more() -> None:
    kit = alone()
    kit.board.listings.add(b"d")
    sent(kit)
    kit.board.listings.put_into(b"d")
    listing(kit, b"d")
    assert kit.board.listings.when_calm == {b"d"}


def test_what_is_held_and_listed_is_held_no_longer() -> None:
    kit = alone()
    own = kit.real(Brakes).own
    own.hold(dict.fromkeys((b"d/a", b"d/b", b"d/new", b"d/known", b"d/file"), (1, 1)), 1)
    entries = (b"new", there(kind=Kind.DIRECTORY)), (b"file", there(b"1"))
    listing(kit, b"d", *entries, folders=(b"known",), gone=(b"b",))
    told = dict(kit.asked("own_losses.no_longer_held"))
    assert told == {b"d/a": False, b"d/file": False, b"d/new": True, b"d/known": True}


# --- what a folder keeps --------------------------------------------------------------------------------------------


def left_behind(kit: Alone[Scan], *entries: tuple[bytes, Stat]) -> None:
    kit.index.rows.put(later(folder(b"d"), None), b"its fingerprint")
    listing(kit, b"d", *entries)


def test_a_folder_that_should_be_gone_goes_when_nothing_is_in_it() -> None:
    kit = alone()
    left_behind(kit)
    assert [item.act for item, take in kit.changes() if take is None] == [TreeOp.REMOVE]


def test_it_stays_as_long_as_something_is_that_is_not_ours() -> None:
    kit = alone()
    left_behind(kit, (b"pipe", there(kind=Kind.OTHER)))
    assert kit.changes() == []


def test_a_folder_that_cannot_go_is_gone_for_everyone_else() -> None:
    kit = alone()
    mine = kit.has(folder(b"d"))
    gone = kit.announces(later(mine.record, None)).record
    kit.work.attempts.await_listing(b"d")
    listing(kit, b"d", (b"pipe", there(kind=Kind.OTHER)))
    assert kit.asked("rows.accept") == [(gone, mine.fp)]
    assert kit.asked("planner.block") == [(b"d",)]
    assert kit.planned() == [b"d"]
    assert not kit.work.attempts.awaits_listing(b"d")


def test_while_a_job_is_out_at_a_folder_no_listing_of_it_decides() -> None:
    kit = alone()
    mine = kit.has(folder(b"d"))
    kit.announces(later(mine.record, None))
    kit.work.attempts.await_listing(b"d")
    kit.work.jobs.begin_apply(ApplyItem(b"d", TreeOp.META, mine.record, mine.fp, Cause.REPLACED), None)
    listing(kit, b"d", (b"pipe", there(kind=Kind.OTHER)))
    assert kit.asked("rows.accept") == []
    assert kit.work.attempts.awaits_listing(b"d")
    assert kit.work.attempts.take_listed(b"d") == b"", "the folder is looked at, and listed again, after the job"


def test_a_folder_that_holds_something_of_ours_does_not_go() -> None:
    kit = alone()
    mine = kit.has(folder(b"d"))
    kit.announces(later(mine.record, None))
    kit.work.attempts.await_listing(b"d")
    listing(kit, b"d", (b"a", there(b"new")))
    assert kit.asked("rows.accept") == []


def test_the_looks_at_renamed_files_come_before_the_listings_of_their_folder_for_a_moment() -> None:
    kit = alone(look_queue__looks_out=1)
    kit.real(LocalRenames).renames.open(b"old", b"d/new", kit.board.now.mono_ms)
    kit.board.listings.add(b"d")
    assert sent(kit) == []
    kit.wait(299)
    assert sent(kit) == []
    kit.wait(1)
    assert sent(kit) == [[b"d"]]


@pytest.mark.parametrize("why", ["no look is out", "nothing was renamed", "scan"])
def test_otherwise_a_folder_is_listed_at_once(why: str) -> None:
    kit = alone(look_queue__looks_out=int(why != "no look is out"))
    if why != "nothing was renamed":
        kit.real(LocalRenames).renames.open(b"old", b"d/new", kit.board.now.mono_ms)
    if why == "scan":
        kit.board.scan.begin()
    kit.board.listings.add(b"d")
    assert sent(kit) == [[b"d"]]


def test_folders_in_a_folder_that_we_made_a_moment_ago_are_listed_later() -> None:
    kit = Alone(Scan, OwnEchoes, answers={"scope.is_ours": True})
    echoes = kit.real(OwnEchoes)
    echoes.expect([b"d/%d" % number for number in range(20)])
    kit.has(folder(b"d"))
    listing(kit, b"d", folders=(b"3", b"other"))
    assert (kit.board.listings.folders, kit.board.listings.when_calm) == ([b"d/other"], {b"d/3"})


# --- the end --------------------------------------------------------------------------------------------------------


def scanning(**answers: Any) -> Alone[Scan]:
    kit = alone(**answers)
    kit.board.scan.begin()
    return kit


def test_the_scan_is_over_when_all_is_listed_and_looked_at() -> None:
    kit = scanning()
    peer = kit.connects()
    kit.has(record(b"a", b"123"))
    kit.board.scan.add(b"a", kit.board.now.mono_ms)
    kit.it.send_listings()
    assert kit.board.scan.is_on
    kit.board.scan.need_not_wait(b"a")
    kit.it.send_listings()
    assert not kit.board.scan.is_on
    assert kit.told() == [notes.Scanned(1, 3)]
    assert kit.asked("intake.ask_state") == [(peer,)]


@pytest.mark.parametrize("why", ["a folder to list", "a listing that is out", "the root cannot be listed"])
def test_until_then_it_is_not(why: str) -> None:
    kit = scanning()
    kit.board.listings.add(b"d")
    if why != "a folder to list":
        sent(kit)
    if why == "the root cannot be listed":
        kit.board.listings.came_back([])
        kit.it.on_listed(Listing(b"", None, "denied"))
    else:
        kit.answers["publisher.seeding_lags"] = True
    kit.it.send_listings()
    assert kit.board.scan.is_on


def test_what_is_missing_is_judged_when_all_is_listed() -> None:
    kit = scanning()
    kit.real(Brakes).own.miss(b"a")
    kit.board.listings.add(b"d")
    kit.it.send_listings()
    assert kit.asked("own_losses.judge") == []
    kit.board.listings.came_back([])
    kit.it.send_listings()
    assert len(kit.asked("own_losses.judge")) == 1


def test_files_under_new_names_are_judged_when_all_is_listed() -> None:
    kit = scanning()
    kit.work.set_aside(b"old", b"new")
    kit.it.send_listings()
    assert len(kit.asked("local_renames.judge_arrived")) == 1


def test_an_index_that_was_checked_on_a_blind_disk_is_marked() -> None:
    kit = scanning()
    kit.work.disk.is_blind = True
    kit.it.send_listings()
    assert kit.index.notes.get(BLIND) == 1


def test_the_looks_of_a_scan_bring_contents_along_if_they_are_wanted() -> None:
    kit = alone(look_queue__want_bytes=True)
    kit.board.listings.add(b"")
    sent(kit)
    assert [job.want_bytes for job in kit.out(ListJob)] == [True]
