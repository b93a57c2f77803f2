"""Names that a disk takes for others: what is held back, and what is looked at when that may have changed."""

from __future__ import annotations

import pytest

from dir_sync.core.events import Urgency
from dir_sync.core.looks import LookOutcome, Seen
from dir_sync.core.model import Kind
from dir_sync.engine.constants import BLIND
from dir_sync.engine.names import Names
from tests.engine.kit import Alone, folder, record


def test_a_name_that_is_taken_for_another_is_held_back_until_it_is_not() -> None:
    kit = Alone(Names)
    unable = kit.work.unable
    pending = kit.look_comes_back(b"A")
    kit.it.looked_at_name(Seen(b"A", LookOutcome.ABSENT, taken_for=b"a"), pending)
    assert unable.why(record(b"A", b"1")) is not None
    kit.it.looked_at_name(Seen(b"A", LookOutcome.ABSENT), pending)
    assert unable.why(record(b"A", b"1")) is None


@pytest.mark.parametrize("look", [LookOutcome.UNSTABLE, LookOutcome.UNKNOWN, LookOutcome.OPEN])
def test_a_look_that_told_nothing_frees_no_name(look: LookOutcome) -> None:
    kit = Alone(Names)
    unable = kit.work.unable
    unable.take_for(b"A", b"a")
    kit.it.looked_at_name(Seen(b"A", look), kit.look_comes_back(b"A"))
    assert unable.why(record(b"A", b"1")) is not None


def test_whatever_used_the_file_by_the_other_name_is_looked_at() -> None:
    kit = Alone(Names)
    pending = kit.look_comes_back(b"A", watched=True)
    kit.it.looked_at_name(Seen(b"A", LookOutcome.FOUND, taken_for=b"a"), pending)
    assert kit.asked("look_queue.on_touched") == [(b"a", Urgency.NOW)]


def test_a_name_that_appears_while_it_is_looked_at_may_have_moved_another_one_away_before() -> None:
    kit = Alone(Names)
    kit.it.looked_at_name(Seen(b"d/a", LookOutcome.ABSENT, taken_for=b"d/a"), kit.look_comes_back(b"d/a"))
    assert kit.board.listings.when_calm == set(), "no program used it"
    pending = kit.look_comes_back(b"d/a", watched=True)
    kit.it.looked_at_name(Seen(b"d/a", LookOutcome.ABSENT, taken_for=b"d/a"), pending)
    assert kit.board.listings.when_calm == {b"d"}
    assert kit.asked("look_queue.on_touched") == []


def test_when_a_name_goes_those_that_it_kept_away_are_looked_at() -> None:
    kit = Alone(Names)
    kit.work.unable.take_for(b"A", b"a")
    kit.it.look_behind(b"b")
    assert not kit.is_looked_at(b"A")
    kit.it.look_behind(b"a")
    assert kit.is_looked_at(b"A")


def test_a_name_that_is_free_on_a_blind_disk_may_be_fetched_for() -> None:
    kit = Alone(Names)
    pending = kit.look_comes_back(b"d/A", watched=True)
    kit.it.found_on_blind_disk(Seen(b"d/A", LookOutcome.ABSENT), pending)
    assert not kit.work.disk.has_free_name(b"d/A"), "nobody wants it"
    assert kit.board.listings.when_calm == {b"d"}, "a program may have removed another one by this name"
    kit.announces(record(b"d/A", b"1"))
    kit.it.found_on_blind_disk(Seen(b"d/A", LookOutcome.ABSENT), pending)
    assert kit.work.disk.has_free_name(b"d/A")


@pytest.mark.parametrize("why", ["", "a scan", "known", "absent"])
def test_what_a_look_finds_before_the_watcher_tells_of_it_may_have_replaced_another_name(why: str) -> None:
    """A program removes `B` by the name `b` and makes a folder `b`. The look came first; the events find the folder known."""
    kit = Alone(Names)
    kit.board.scan.is_on = why == "a scan"
    if why == "known":
        kit.has(folder(b"d/b"))
    pending = kit.look_comes_back(b"d/b", watched=False)
    look = LookOutcome.ABSENT if why == "absent" else LookOutcome.FOUND
    kit.it.found_on_blind_disk(Seen(b"d/b", look, Kind.DIRECTORY), pending)
    assert kit.board.listings.when_calm == (set() if why else {b"d"})


@pytest.mark.parametrize("why", ["", "not blind", "no scan", "a new index", "known"])
def test_only_an_index_that_was_made_on_another_disk_is_doubted(why: str) -> None:
    kit = Alone(Names)
    kit.work.disk.is_blind = why != "not blind"
    kit.board.scan.is_on = why != "no scan"
    kit.board.scan.is_first = why == "a new index"
    if why == "known":
        kit.index.notes.put(BLIND, 1)
    assert kit.it.was_not_blind() == (not why)
