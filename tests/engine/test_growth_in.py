"""What is appended elsewhere is appended to our file itself: nothing else is done there until that is over."""

from __future__ import annotations

from typing import Any

import pytest

from dir_sync.core.jobs import Result, Staged
from dir_sync.core.transfers.transfer import Fetch
from dir_sync.engine.growth_in import GrowthInstaller
from tests.engine.kit import PEER, Alone, later, record

MINE = record(b"a", b"begins so")
TARGET = later(MINE, b"begins so and goes on")


def growing(**answers: Any) -> tuple[Alone[GrowthInstaller], Fetch]:
    kit = Alone(GrowthInstaller, answers={name.replace("__", "."): it for name, it in answers.items()})
    kit.connects()
    row = kit.has(MINE)
    kit.it.begin_growth(row, TARGET, PEER, ())
    ((fetch,),) = kit.asked("transfers.begin")
    kit.calls.clear()
    return kit, fetch


def test_only_what_is_more_is_asked_for() -> None:
    _, fetch = growing()
    assert (fetch.asked, fetch.received, fetch.size) == (MINE.size, MINE.size, TARGET.size)
    assert fetch.grows is not None
    assert (fetch.grows.size, fetch.grows.target) == (MINE.size, TARGET.content)


def test_nothing_else_is_done_there_meanwhile() -> None:
    kit, fetch = growing()
    assert kit.work.jobs.is_at(b"a")
    assert kit.work.arrivals.fetch(b"a") is fetch


def test_while_more_is_to_come_it_goes_on() -> None:
    kit, fetch = growing()
    kit.it.on_grown(fetch, Staged(fetch.token, MINE.size + 3, False))
    assert fetch.written == MINE.size + 3
    assert [name for name, *_ in kit.calls] == ["transfers.pull", "transfers.write"]


def test_when_all_is_there_it_is_noted_as_installed() -> None:
    kit, fetch = growing()
    fetch.plan = (kit.index.rows.get(b"a"), [], "the item", "the take")
    kit.it.on_grown(fetch, Staged(fetch.token, TARGET.size, True, fp=b"fp"))
    ((item, take, row, result),) = kit.asked("applier.installed")
    assert (item, take, row) == ("the item", "the take", kit.index.rows.get(b"a"))
    assert (result.result, result.fp) == (Result.DONE, b"fp")
    assert kit.asked("transfers.growth_ends") == [(fetch,)]


def test_what_could_not_be_appended_in_place_is_ready_beside_it() -> None:
    kit, fetch = growing()
    kit.it.on_grown(fetch, Staged(fetch.token, TARGET.size, True))
    ready = kit.work.arrivals.ready(b"a")
    assert ready is not None
    assert (ready.digest, ready.staged) == (TARGET.content, fetch.name)
    assert kit.asked("applier.installed") == []


@pytest.mark.parametrize("how", ["full", "base_changed", "ours"])
def test_trouble_is_followed_by_a_look(how: str) -> None:
    kit, fetch = growing()
    kit.it.on_grown(fetch, Staged(fetch.token, MINE.size, False, "problem", **{how: True}))
    assert kit.is_looked_at(b"a")
    assert kit.work.retries.is_short == (how == "full")
    assert bool(kit.asked("transfers.failed_fetch")) == (how != "base_changed")
    assert kit.work.holders.is_whole_wanted(b"a") == (how != "base_changed")


def test_a_file_that_could_not_be_cut_back_is_not_looked_at_before_it_is() -> None:
    kit, fetch = growing()
    kit.it.on_grown(fetch, Staged(fetch.token, MINE.size, False, "problem", unfinished=True))
    assert kit.asked("transfers.cut_back_later") == [(fetch,)]
    assert kit.asked("transfers.growth_ends") == []
    assert not kit.is_looked_at(b"a")
