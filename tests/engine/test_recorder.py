"""A change made here: its row, and what is new about it for the peers: content, delta, or only what was appended."""

from __future__ import annotations

from typing import Any

import pytest

from dir_sync.core import limits, notes
from dir_sync.core.content import first_scan_record
from dir_sync.core.jobs import ApplyItem, Cause, TreeOp, Version
from dir_sync.core.looks import Grown, MadeDelta
from dir_sync.core.messages import DeltaOffer
from dir_sync.core.model import Kind, fingerprint, inode_of
from dir_sync.core.peers.announce import Fresh
from dir_sync.core.reconcile import Take
from dir_sync.engine.deltas_out import DeltasForPeers
from dir_sync.engine.recorder import LocalRecorder
from dir_sync.engine.rows import Rows
from dir_sync.engine.stamps import Stamps
from tests.engine.kit import WALL_NS, Alone, folder, fp_of, later, record, seen, stat


def alone(first_scan: bool = False, **answers: Any) -> Alone[LocalRecorder]:
    answers = {name.replace("__", "."): it for name, it in answers.items()}
    kit = Alone(LocalRecorder, Stamps, Rows, answers=answers)
    kit.board.scan.is_first = first_scan
    return kit


def changed(kit: Alone[LocalRecorder], before: bytes | None, after: bytes, **found: Any) -> Fresh:
    """What is told of a change of `a`."""
    previous = None if before is None else kit.has(record(b"a", before)).record
    now = record(b"a", after) if previous is None else later(previous, after, kit.index.identity.replica)
    look = seen(b"a", after)._replace(**found)
    kit.it.record_change(now._replace(size=look.size), previous, look.fp, look)
    return kit.board.announcements.fresh[b"a"]


def test_a_small_change_is_told_with_its_content() -> None:
    kit = alone()
    assert changed(kit, b"old", b"new").data == b"new"
    row = kit.index.rows.get(b"a")
    assert row is not None
    assert row.fp == seen(b"a", b"new").fp


def test_a_change_of_the_mode_is_told_without_a_content() -> None:
    assert changed(alone(), b"same", b"same", mode=0o600).data is None


def test_a_copy_is_told_without_its_content() -> None:
    kit = alone()
    kit.has(record(b"b", b"new"))
    assert changed(kit, b"old", b"new").data is None


def test_a_change_with_a_delta_offers_it() -> None:
    kit = alone()
    made = MadeDelta(b"delta-1", b"b" * 32, b"c" * 32, 10)
    assert changed(kit, b"old", b"new", delta=made, data=None).delta == DeltaOffer(b"b" * 32, 10)
    assert kit.asked("deltas_out.keep_delta") == [(made,)]


def test_a_delta_that_was_made_under_another_name_is_offered_again() -> None:
    kit = alone()
    made = MadeDelta(b"delta-1", b"b" * 32, seen(b"a", b"new").content, 10)
    kit.real(DeltasForPeers).keep_delta(made)
    assert changed(kit, b"old", b"new", size=limits.LARGE_FILE_BYTES, data=None).delta == DeltaOffer(b"b" * 32, 10)


@pytest.mark.parametrize("more", [100, 3_000])
def test_of_what_grew_only_what_is_more_is_told_if_that_is_less(more: int) -> None:
    kit = alone()
    base = b"x" * 1_000
    grown = Grown(record(b"a", base).content, 1_000, ())
    fresh = changed(kit, base, base + b"y" * more, grown=grown)
    if more < 1_000:
        assert (fresh.data, fresh.delta) == (None, DeltaOffer(grown.base, more, grown.marks))
    else:
        assert (fresh.data, fresh.delta) == (base + b"y" * more, None)


def test_what_grew_from_something_else_is_told_whole() -> None:
    kit = alone()
    fresh = changed(kit, b"x" * 100, b"z" * 110, grown=Grown(b"o" * 32, 100, ()))
    assert fresh.data == b"z" * 110


def test_what_grew_gets_no_signature_at_once() -> None:
    kit = alone()
    base = b"x" * 1_000
    changed(kit, base, base + b"y", grown=Grown(record(b"a", base).content, 1_000, ()))
    changed(kit, base, b"quite another")
    assert [call[2] for call in kit.asked("signatures.sign_later")] == [True, False]


def test_the_time_of_its_folder_and_its_other_names_are_looked_at() -> None:
    kit = alone()
    changed(kit, b"old", b"new", folder_mtime=7)
    assert kit.asked("folder_times.mark_active") == [(b"", 7)]
    assert [call[0] for call in kit.asked("look_queue.look_at_links")] == [fp_of(record(b"a", b"old"))]


# --- new ones --------------------------------------------------------------------------------------------------------


def test_what_the_first_scan_finds_is_equal_on_all_nodes_and_no_news_for_people() -> None:
    kit = alone(first_scan=True)
    found = seen(b"a", b"new")
    kit.it.new(found, False)
    row = kit.index.rows.get(b"a")
    assert row is not None
    assert row.record == first_scan_record(b"a", Kind.FILE, 3, found.content, found.mtime, found.mode)
    assert kit.board.announcements.rows == [], "nobody is there to be told"
    assert kit.board.announcements.take_unlogged() == []


def test_what_a_later_listing_finds_is_a_change_made_here() -> None:
    kit = alone()
    kit.it.new(seen(b"a", b"new"), True)
    row = kit.index.rows.get(b"a")
    assert row is not None
    assert row.record.stamp.maker == kit.index.identity.replica
    assert row.record.stamp.ns <= WALL_NS
    assert kit.board.announcements.take_unlogged() == [notes.NewHere(b"a", 3)]


def test_a_new_folder_is_listed() -> None:
    kit = alone()
    kit.it.new(seen(b"d", kind=Kind.DIRECTORY), False)
    assert kit.listed() == [b"d"]
    assert kit.board.announcements.take_unlogged() == []


@pytest.mark.parametrize("told", [True, False])
def test_many_files_of_the_first_scan_are_told_if_somebody_is_there(told: bool) -> None:
    kit = alone(first_scan=True)
    kit.it.new_files([seen(b"a", b"1"), seen(b"b", b"1"), seen(b"c", b"2")], told)
    assert [path for path in (b"a", b"b", b"c") if kit.index.rows.get(path)] == [b"a", b"b", b"c"]
    data = {path: fresh.data for path, fresh in kit.board.announcements.fresh.items()}
    assert data == ({b"a": b"1", b"b": None, b"c": b"2"} if told else {}), "of two equal ones one travels"


# --- what was not noted ----------------------------------------------------------------------------------------------


def displaced(kit: Alone[LocalRecorder], content: bytes) -> Version:
    return Version(b"v", b"a", Kind.FILE, 3, record(b"a", content).content, 0, 0o644, WALL_NS, Cause.REPLACED, "")


def test_who_changes_what_had_taken_the_place_of_ours_has_seen_it() -> None:
    kit = alone()
    mine = kit.has(record(b"a", b"old")).record
    theirs = kit.announces(later(mine, b"new")).record
    kit.it.find_not_noted([displaced(kit, b"old")])
    assert kit.it.as_installed(mine) == theirs
    kit.it.looked_at(b"a")
    assert kit.it.as_installed(mine) == mine, "its row says what is there"


@pytest.mark.parametrize("why", ["two have it", "it was on its way", "it should go", "it is another content"])
def test_only_where_nothing_else_can_have_been_meant(why: str) -> None:
    kit = alone()
    mine = kit.has(record(b"a", b"old")).record
    kit.announces(later(mine, None if why == "it should go" else b"new"))
    if why == "two have it":
        kit.has(record(b"b", b"old"))
    if why == "it was on its way":
        kit.announces(record(b"c", b"old"))
    kit.it.find_not_noted([displaced(kit, b"another" if why == "it is another content" else b"old")])
    assert kit.it.as_installed(mine) == mine


def test_a_folder_that_stayed_behind_comes_back_with_those_above_it() -> None:
    kit = alone()
    for path in (b"d", b"d/e"):
        kit.index.rows.put(later(folder(path), None), seen(path, kind=Kind.DIRECTORY).fp)
    row = kit.index.rows.get(b"d/e")
    assert row is not None
    kit.it.revive_folder(row)
    back = [found.record for path in (b"d", b"d/e") if (found := kit.index.rows.get(path))]
    assert [one.kind for one in back] == [Kind.DIRECTORY, Kind.DIRECTORY]
    assert [one.mtime for one in back] == [kit.board.now.wall_ns] * 2, "not that of its deletion, which is 0"
    assert (b"d/e", kit.board.now.wall_ns) in kit.asked("folder_times.mark_active"), "its true time is announced then"


def test_what_is_done_already_is_done_once_more_unless_something_else_is() -> None:
    kit = alone()
    target = record(b"a", b"1")
    item = ApplyItem(b"a", TreeOp.META, target, b"fp", Cause.REPLACED)
    assert kit.it.redo(item)
    assert kit.changes() == [(item, Take(target, False))]
    kit.work.jobs.begin_apply(item, None)
    assert not kit.it.redo(item)


def moved_from(kit: Alone[LocalRecorder], inode: int) -> Any:
    """A peer has renamed `a` to `b` and changed its mode. What does the recorder make of a file `b` with the old mode?"""
    mine = kit.index.rows.get(b"a")
    assert mine is not None
    kit.announces(later(mine.record, None))
    kit.announces(record(b"b", b"1")._replace(mode=0o600))
    now = record(b"b", b"1")
    return kit.it.half_moved(now, None, fingerprint(stat()._replace(size=now.size, mtime=now.mtime, inode=inode)))


def test_a_file_of_ours_at_the_name_that_peers_gave_it_was_moved_there() -> None:
    kit = alone()
    mine = kit.has(record(b"a", b"1"))
    wanted = moved_from(kit, inode_of(mine.fp))
    assert (wanted.path, wanted.mode) == (b"b", 0o600)


def test_it_was_also_if_its_old_name_has_been_settled_before() -> None:
    kit = alone()
    mine = kit.has(record(b"a", b"1"))
    kit.it.redo(ApplyItem(b"a", TreeOp.REMOVE, later(mine.record, None), b"", Cause.DELETED))
    kit.index.rows.put(later(mine.record, None), b"")
    wanted = moved_from(kit, inode_of(mine.fp))
    assert (wanted.path, wanted.mode) == (b"b", 0o600)


def test_another_file_with_that_content_was_not() -> None:
    kit = alone()
    mine = kit.has(record(b"a", b"1"))
    assert moved_from(kit, inode_of(mine.fp) + 1) is None
