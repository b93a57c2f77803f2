"""Which paths are decided, in which order, and what keeps one from being decided. The steps themselves are recorded."""

from __future__ import annotations

from typing import Any

import pytest

from dir_sync.core import limits, notes
from dir_sync.core.declined import Reason
from dir_sync.core.jobs import ApplyItem, Cause, TreeOp
from dir_sync.core.mode import THEIRS, Mode, own_change
from dir_sync.core.model import Kind, Record
from dir_sync.core.peers.announce import Fresh
from dir_sync.core.reconcile import Offer, Take
from dir_sync.core.taking import Taking
from dir_sync.core.transfers.transfer import Fetch
from dir_sync.engine.constants import MERGED, NOBODY, OURS, STALLED_MS
from dir_sync.engine.planner import Planner
from dir_sync.engine.transfers import TransferTable
from tests.engine.kit import OTHER, PEER, WALL_NS, Alone, folder, later, record, tombstone

WITHIN_REACH = {"sources.is_within_reach": True, "sources.may_be_asked": True}


def alone(**answers: Any) -> Alone[Planner]:
    kit = Alone(Planner, answers=WITHIN_REACH | {name.replace("__", "."): value for name, value in answers.items()})
    kit.real(TransferTable).peer_came(kit.connects())
    return kit


def plan(kit: Alone[Planner], *paths: bytes) -> list[bytes]:
    """Those of the paths that something is done about."""
    kit.board.plan_queue.add_all(dict.fromkeys(paths))
    kit.it.plan_todo()
    return [call[0] for call in kit.asked("acquire.step_towards")]


def test_the_newest_of_what_peers_announced_is_brought_about() -> None:
    kit = alone()
    mine = kit.has(record(b"a", b"mine"))
    old = kit.announces(later(mine.record, b"old", PEER, 10))
    new = kit.announces(later(mine.record, b"new", OTHER, 20), OTHER)
    assert plan(kit, b"a") == [b"a"]
    ((path, row, offers, take),) = kit.asked("acquire.step_towards")
    assert (path, row, take.record.content, take.conflict) == (b"a", mine, new.record.content, False)
    assert sorted(offers, key=lambda offer: offer.peer) == sorted([old, new], key=lambda offer: offer.peer)


def test_what_is_older_than_ours_is_dropped_and_whatever_was_on_its_way_with_it() -> None:
    kit = alone()
    first = record(b"a", b"first")
    kit.has(later(first, b"second"))
    kit.announces(first)
    assert plan(kit, b"a") == []
    assert not kit.index.offers.of(b"a")
    assert kit.asked("transfers.drop_wanted") == [(b"a",)]
    assert kit.asked("transfers.forget_attempts") == [(b"a",)]


def test_a_peer_has_a_moment_to_say_that_it_has_the_better_version_known_there() -> None:
    """`test_mode` says which version that is."""
    kit = alone()
    kit.mode_rules.mode = Mode.RECEIVE_ONLY
    base = later(record(b"a", b"1"), b"2", PEER, 50)
    kit.answers["own_changes.shared_version"] = base
    kit.has(own_change(record(b"a", b"mine"), 99, 7))
    kit.announces(base, THEIRS)
    other = kit.announces(record(b"a", b"3", node=OTHER), OTHER)
    assert plan(kit, b"a") == []
    assert kit.asked("own_changes.rebase") == []
    kit.wait(20_000)
    kit.it.run_timers()
    assert plan(kit) == []
    assert kit.asked("own_changes.rebase") == [(other.record,)]


def test_a_path_that_nobody_announces_any_more_is_forgotten_unless_a_job_is_out_there() -> None:
    kit = alone()
    busy = record(b"busy", b"1")
    kit.work.jobs.begin_apply(ApplyItem(b"busy", TreeOp.INSTALL, busy, b"", Cause.REPLACED), Take(busy, False))
    kit.work.retries.note_trouble(b"free", "the disk is full", Reason.BLOCKED)
    plan(kit, b"free", b"busy")
    assert kit.asked("transfers.drop_wanted") == [(b"free",)]


@pytest.mark.parametrize("why", ["came from", "base", "out of reach"])
def test_what_is_remembered_of_such_a_path_is_forgotten_wherever_it_is(why: str) -> None:
    kit = alone()
    if why == "out of reach":
        kit.work.out_of_reach.enter(b"a", b"content")
    kit.answers["sources.origins"] = {b"a": b"old"} if why == "came from" else {}
    kit.answers["sources.bases"] = {b"a": b"content"} if why == "base" else {}
    plan(kit, b"a")
    assert kit.asked("transfers.forget_attempts") == [(b"a",)]


def test_where_nothing_is_remembered_nothing_is_forgotten() -> None:
    kit = alone(sources__origins={b"b": b"old"}, sources__bases={})
    plan(kit, b"a")
    assert kit.asked("transfers.forget_attempts") == []


def test_an_edit_here_survives_a_deletion_that_did_not_know_it() -> None:
    kit = alone()
    mine = kit.has(record(b"a", b"mine", node=kit.index.identity.replica))
    gone = tombstone(b"a", ns=WALL_NS + 5)
    kit.announces(gone)
    assert plan(kit, b"a") == []
    assert kit.asked("rows.reassert") == [(mine, gone)]
    assert kit.told() == [notes.Kept(b"a")]


def test_two_that_made_the_same_are_joined_and_nothing_moves() -> None:
    kit = alone()
    mine = kit.has(record(b"a", b"same", WALL_NS, "mm"))
    kit.announces(record(b"a", b"same", WALL_NS, "mm")._replace(vector=(("mm", 1), (PEER, 4))))
    assert plan(kit, b"a") == []
    ((joined, fp),) = kit.asked("rows.accept")
    assert dict(joined.vector) == {"mm": 1, PEER: 4}
    assert fp == mine.fp


def test_nothing_is_decided_while_it_is_unknown_what_is_here() -> None:
    kit = alone()
    kit.board.scan.begin()
    kit.announces(record(b"a", b"1"))
    assert plan(kit, b"a") == []
    kit.board.scan.end()
    assert plan(kit) == [b"a"]


@pytest.mark.parametrize("why", ["a job", "a look", "a retry"])
def test_where_something_is_going_on_nothing_is_decided(why: str) -> None:
    kit = alone()
    wanted = record(b"a", b"1")
    kit.announces(wanted)
    match why:
        case "a job":
            kit.work.jobs.begin_apply(ApplyItem(b"a", TreeOp.INSTALL, wanted, b"", Cause.REPLACED), Take(wanted, False))
        case "a look":
            kit.board.pending_looks.add(b"a", kit.board.now.mono_ms + 50, kit.board.now.mono_ms)
        case "a retry":
            kit.work.retries.refuse(b"a", "no permission")
    assert plan(kit, b"a") == []
    kit.announces(record(b"b", b"2"))
    assert plan(kit, b"b") == [b"b"]


def test_children_go_before_their_folders_and_folders_come_before_their_children() -> None:
    kit = alone()
    for path in (b"old", b"old/in", b"old/in/a"):
        mine = record(path, b"1") if path.endswith(b"a") else folder(path)
        kit.has(mine)
        kit.announces(later(mine, None))
    for path in (b"new/in/a", b"new", b"new/in"):
        kit.announces(record(path, b"") if path.endswith(b"a") else folder(path))
    paths = [b"old/in", b"new/in/a", b"old/in/a", b"new", b"new/in", b"old"]
    assert plan(kit, *paths) == [b"new", b"new/in", b"new/in/a", b"old/in/a", b"old/in", b"old"]


def test_new_files_wait_while_the_disk_lags_and_no_turn_is_taken_for_them() -> None:
    kit = alone()
    data = bytes(limits.INSTALLING_BYTES_MAX)
    item = ApplyItem(b"slow", TreeOp.INSTALL, record(b"slow", b"1"), b"", Cause.REPLACED, data)
    kit.work.jobs.begin_apply(item, None)
    kit.announces(record(b"a", b"content"))
    assert plan(kit, b"a") == []
    assert kit.work.rooms.paths() == {b"a"}
    assert not kit.board.run_again


def test_a_new_file_waits_for_room_in_the_window_of_its_peer() -> None:
    kit = alone()
    window = kit.real(TransferTable).holders[PEER].window
    room = window.room()
    window.ask(Fetch(1, record(b"large", b"")._replace(size=room), PEER, None, room, b""), 0, room)
    kit.announces(record(b"a", b"content"))
    assert plan(kit, b"a") == []
    assert kit.work.rooms.paths() == {b"a"}
    kit.announces(record(b"empty", b""))
    assert plan(kit, b"empty") == [b"empty"], "nothing has to come for it"


def test_what_is_out_of_reach_gives_way_to_the_best_that_is_not() -> None:
    far, near = later(record(b"a"), b"far", OTHER, 20), later(record(b"a"), b"near", PEER, 10)
    kit = alone(
        sources__is_within_reach=lambda wanted, offers: wanted.content != far.content,
        sources__may_be_asked=lambda peer, _: peer == PEER,
    )
    kit.announces(far, OTHER)
    kit.announces(near, PEER)
    plan(kit, b"a")
    ((_, _, offers, take),) = kit.asked("acquire.step_towards")
    assert (take.record, [offer.peer for offer in offers]) == (near, [PEER])
    assert kit.work.out_of_reach.take(far.content) == [b"a"], "it is planned again when that content turns up"


def test_what_was_changed_here_only_becomes_as_it_was_if_the_better_version_is_out_of_reach() -> None:
    """A mirror knows what the mesh had there, and has heard of a newer version from a node that is away. The content of the
    former is not here: all are asked for it."""
    base = later(record(b"a"), b"as it was", PEER, 10)
    far = later(record(b"a"), b"far", OTHER, 20)
    kit = alone(
        sources__is_within_reach=lambda wanted, offers: wanted.content != far.content,
        sources__may_be_asked=lambda replica, content: replica == PEER,
        own_changes__ask_holders=lambda wanted: kit.index.offers.of(b"a") + [Offer(OURS + PEER, wanted, False)],
    )
    kit.mode_rules.mode = Mode.MIRROR
    kit.has(own_change(record(b"a", b"mine"), 99, 7))
    kit.announces(base, THEIRS)
    kit.announces(far, OTHER)
    kit.mode_rules.mesh_is_known()
    assert plan(kit, b"a") == [b"a"]
    ((_, _, offers, take),) = kit.asked("acquire.step_towards")
    assert take.record == base
    assert Offer(OURS + PEER, base, False) in offers


@pytest.mark.parametrize("why_not", ["", "its folder is here", "its maker is here", "it is brought back", "nobody"])
def test_what_waits_for_a_folder_that_perhaps_nobody_brings_gives_way(why_not: str) -> None:
    """Its content is here, under another name, and who announced it is gone for good."""
    kit = alone(sources__may_be_asked=lambda peer, _: peer in kit.board.peers)
    above = kit.has(folder(b"d"))
    if why_not != "its folder is here":
        kit.has(later(above.record, None))
    mine = kit.has(later(record(b"d/a"), None))
    wanted = later(mine.record, b"here as well", OTHER, 20)
    kit.announces(wanted, OURS if why_not == "it is brought back" else OTHER)
    if why_not == "its maker is here":
        kit.real(TransferTable).peer_came(kit.connects(OTHER))
    gone = later(mine.record, None, PEER, 10)
    if why_not != "nobody":
        kit.announces(gone, PEER)
    plan(kit, b"d/a")
    ((_, _, _, take),) = kit.asked("acquire.step_towards")
    assert take.record.stamp == (wanted if why_not else gone).stamp


def test_what_should_come_back_and_is_nowhere_is_said_and_given_up() -> None:
    kit = alone(sources__is_within_reach=False, sources__may_be_asked=False)
    mine = kit.has(record(b"a", b"mine"))
    kit.index.offers.put(Offer(OURS, later(mine.record, b"was here once", kit.index.identity.replica), False))
    plan(kit, b"a")
    assert kit.told() == [notes.CannotRestore(b"a")]
    assert not kit.index.offers.of(b"a")
    assert kit.asked("acquire.step_towards") == [], "nothing is announced there any more"


def test_what_is_in_the_way_is_said_once() -> None:
    kit = alone()
    kit.work.obstruct(b"a", Kind.OTHER)
    kit.announces(record(b"a", b"1"))
    for _ in range(2):
        assert plan(kit, b"a") == []
    assert kit.told() == [notes.Blocked(b"a")]
    assert kit.asked("transfers.drop_wanted") == [(b"a",), (b"a",)]
    assert kit.work.retries.is_troubled(b"a")


@pytest.mark.parametrize("failed", [b"d", b""])
def test_what_may_have_been_installed_where_nothing_can_be_listed_is_looked_at_first(failed: bytes) -> None:
    kit = alone()
    kit.board.listings.list_later(failed, kit.board.now.mono_ms, 10, 20)
    kit.announces(record(b"d/e/a", b"1"), NOBODY)
    kit.announces(later(record(b"d/e/a", b"1"), b"2"))
    assert plan(kit, b"d/e/a") == []
    assert kit.is_looked_at(b"d/e/a")


def test_where_several_want_something_it_is_done_in_small_pieces() -> None:
    kit = alone()
    paths = [b"%03d" % number for number in range(100)]
    for path in paths:
        kit.announces(folder(path))
    kit.board.is_shared = True
    assert len(plan(kit, *paths)) == 40
    assert kit.board.run_again
    assert len(plan(kit)) == 80
    assert len(plan(kit)) == 100


def test_the_paths_of_one_peer_do_not_keep_another_waiting() -> None:
    kit = alone()
    kit.board.is_shared = True
    for path, node in [(b"%03d" % number, PEER) for number in range(100)] + [(b"z", OTHER)]:
        kit.announces(folder(path), node)
        kit.board.plan_queue.for_one(node)
        kit.board.plan_queue.add(path)
    assert b"z" in plan(kit)


def test_what_a_peer_that_rests_has_announced_is_decided_later() -> None:
    kit = alone()
    for path, node in [(b"%03d" % number, PEER) for number in range(3)] + [(b"z", OTHER)]:
        kit.announces(folder(path), node)
        kit.board.plan_queue.for_one(node)
        kit.board.plan_queue.add(path)
    kit.board.plan_queue.for_all()
    kit.board.resting = {PEER}
    assert plan(kit) == [b"z"]
    assert not kit.board.run_again, "no turn after turn in which nothing may be done"
    assert kit.board.plan_queue
    kit.board.resting = ()
    assert len(plan(kit)) == 4


def test_a_transfer_that_stands_still_is_given_up() -> None:
    kit = alone()
    wanted: Record = record(b"a", b"content")
    fetch = Fetch(1, wanted, PEER, None, 7, b"")
    fetch.moved_ms = kit.board.now.mono_ms
    kit.work.arrivals.begin_fetch(fetch)
    kit.wait(STALLED_MS)
    kit.it.run_timers()
    assert kit.asked("transfers.stalled") == []
    kit.wait(2_000)
    kit.it.run_timers()
    assert kit.asked("transfers.stalled") == [(fetch, b"a")]
    assert kit.planned_later() == {b"a"}


def test_what_this_disk_cannot_have_is_held_back_and_said_once() -> None:
    kit = alone()
    unable = kit.work.unable
    unable.take_for(b"A", b"a")
    kit.announces(record(b"A", b"1"))
    for _ in range(2):
        assert plan(kit, b"A") == []
    assert [type(note) for note in kit.told()] == [notes.Unfit]
    assert kit.asked("transfers.drop_wanted") == [(b"A",), (b"A",)]
    kit.announces(record(b"b", b"2"))
    assert plan(kit, b"b") == [b"b"], "and nothing else"


def test_if_what_keeps_it_away_can_get_that_spelling_it_is_not_held_back_for_good() -> None:
    kit = alone(incoming_moves__respell=True)
    kit.work.unable.take_for(b"A", b"a")
    kit.announces(record(b"A", b"1"))
    assert plan(kit, b"A") == []
    assert kit.asked("incoming_moves.respell") == [(b"a",)]
    assert kit.told() == []


def test_when_room_has_come_those_who_wait_for_it_are_woken() -> None:
    kit = alone()
    plan(kit)
    assert kit.asked("fetcher.wake_waiting") == []
    kit.board.plan_queue.room_came()
    plan(kit)
    plan(kit)
    assert kit.asked("fetcher.wake_waiting") == [()]


def test_all_offers_are_planned_piece_by_piece() -> None:
    kit = alone()
    for number in range(1_000):
        kit.announces(folder(b"%04d" % number))
    kit.board.plan_queue.add_all_offers()
    done: list[bytes] = []
    for _ in range(5):
        done = plan(kit)
    assert len(done) == len(set(done)) == 1_000
    assert kit.board.plan_queue.cursor is None


def test_a_change_that_is_not_told_yet_is_told_as_it_was_made() -> None:
    kit = alone()
    mine = record(b"a", b"same", WALL_NS, "mm")
    kit.board.announcements.add(kit.has(mine), mine)
    kit.board.announcements.add_change(Fresh(mine, None, None, None, None, None))
    kit.announces(mine._replace(vector=(("mm", 1), (PEER, 4))))
    plan(kit, b"a")
    assert kit.asked("rows.accept") == []
    assert kit.planned_later() == {b"a"}


def test_a_folder_that_could_not_go_may_stay_for_all() -> None:
    kit = alone()
    mine = kit.has(folder(b"d"))
    kit.work.obstruct(b"d", Kind.DIRECTORY)
    kit.announces(later(mine.record, None))
    assert plan(kit, b"d") == [b"d"]
    assert not kit.work.obstacles.is_at(b"d")


def test_a_content_for_which_there_is_no_room_waits_and_comes_by_itself() -> None:
    kit = alone()
    kit.board.taking = Taking(room=10, full="the limit")
    kit.announces(record(b"large", b"x" * 11))
    kit.announces(record(b"small", b"x" * 7))
    kit.announces(folder(b"d"))
    kit.announces(record(b"empty", b""))
    assert plan(kit, b"large", b"small", b"d", b"empty") == [b"d", b"empty", b"small"]
    assert kit.told() == [notes.NoRoom(b"large", "the limit")]
    assert [*kit.work.retries.troubles()] == [(b"large", "the limit", Reason.MIN_FREE)]
    kit.announces(record(b"another", b"y" * 4))
    assert len(plan(kit, b"another")) == 3, "what may come has its room at once"
    assert len(kit.told()) == 1, "people know it already"
    kit.it.room_measured(10)
    kit.it.plan_todo()
    assert [call[0] for call in kit.asked("acquire.step_towards")][3:] == [b"another"], "the large one waits on"
    kit.it.room_measured(11)
    kit.it.plan_todo()
    assert [call[0] for call in kit.asked("acquire.step_towards")][4:] == [b"large"]
    assert kit.told()[1:] == [notes.RoomAgain()]
    assert not kit.work.retries.has_troubles


def test_what_has_come_and_was_deleted_needs_room_again() -> None:
    kit = alone()
    kit.board.taking = Taking(room=10, full="the limit")
    wanted = record(b"a", b"x" * 7)
    kit.announces(wanted)
    assert plan(kit, b"a") == [b"a"]
    kit.has(wanted)
    plan(kit, b"a")
    kit.index.rows.forget(b"a")
    kit.announces(wanted)
    plan(kit, b"a")
    assert kit.told() == [notes.NoRoom(b"a", "the limit")]


def test_what_needs_no_room_goes_on() -> None:
    kit = alone()
    kit.board.taking = Taking(room=0, full="the limit")
    mine = kit.has(record(b"a", b"content"))
    kit.announces(later(mine.record, None))
    kit.has(record(b"b", b"other"))
    kit.announces(record(b"b", b"other", WALL_NS + 9)._replace(mode=0o600))
    kit.announces(record(b"moved", b"content"))
    assert sorted(plan(kit, b"a", b"b", b"moved")) == [b"a", b"b", b"moved"]
    assert kit.told() == []


def test_a_text_that_was_merged_here_does_not_wait_for_room() -> None:
    kit = alone()
    kit.board.taking = Taking(room=0, full="the limit")
    mine = kit.has(record(b"a", b"mine")).record
    kit.index.offers.put(Offer(MERGED, later(mine, b"mine and theirs", kit.index.identity.replica), False))
    assert plan(kit, b"a") == [b"a"]
    kit.announces(later(mine, b"larger", PEER, 2 * 10**9))
    assert plan(kit, b"a") == [b"a"], "what a peer has made after that needs room"
    assert kit.told() == [notes.NoRoom(b"a", "the limit")]


def test_a_content_that_is_too_large_is_not_taken_and_said_once() -> None:
    kit = alone()
    kit.board.taking = Taking(most=5, large="larger than the limit")
    kit.announces(record(b"large", b"x" * 6))
    kit.announces(record(b"fits", b"x" * 5))
    assert plan(kit, b"large", b"fits") == [b"fits"]
    assert kit.told() == [notes.NotTaken(b"large", 6, 5)]
    assert plan(kit, b"large") == [b"fits"]
    assert len(kit.told()) == 1
    ((path, unfit),) = kit.work.unable.all()
    assert (path, unfit.text, unfit.reason) == (b"large", "larger than the limit", Reason.TOO_LARGE)
    kit.announces(record(b"large", b"x" * 4, WALL_NS + 9))
    assert plan(kit, b"large") == [b"fits", b"large"], "a smaller version is taken"


@pytest.mark.parametrize(
    "why", ["deleted", "empty", "here", "withdrawn", "newer here", "in the way", "too large", "smaller"]
)
def test_what_waits_for_room_and_is_not_wanted_any_more_waits_no_more(why: str) -> None:
    kit = alone()
    kit.board.taking = taking = Taking(room=10, most=50, full="the limit", large="too large")
    mine = kit.has(record(b"a", b"old")).record
    wanted = kit.announces(later(mine, b"x" * 11)).record
    assert plan(kit, b"a") == []
    match why:
        case "deleted":
            kit.announces(later(wanted, None))
        case "empty":
            kit.announces(later(wanted, b""))
        case "here":
            kit.has(record(b"copy", b"x" * 11))
        case "withdrawn":
            kit.index.offers.drop(b"a", PEER)
        case "newer here":
            kit.has(later(wanted, b"newer"))
        case "in the way":
            kit.work.obstruct(b"a", Kind.OTHER)
        case "too large":
            kit.announces(later(wanted, b"x" * 51))
        case "smaller":
            kit.announces(later(wanted, b"x" * 9))
    plan(kit, b"a")
    assert not taking.waiting
    told = [note for note in kit.told() if isinstance(note, notes.NoRoom | notes.RoomAgain)]
    assert told == [notes.NoRoom(b"a", "the limit"), notes.RoomAgain()]
    assert why == "smaller" or Reason.MIN_FREE not in [reason for *_, reason in kit.work.retries.troubles()]
    kit.announces(record(b"next", b"y" * 12))
    plan(kit, b"next")
    assert kit.told()[-1] == notes.NoRoom(b"next", "the limit"), "the next shortage is told again"
