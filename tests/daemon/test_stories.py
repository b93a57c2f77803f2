"""What a path waits for: no region of the engine is silent, no wait is missing, and to ask changes nothing."""

from __future__ import annotations

import ast
import inspect
import typing
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from dir_sync.core import reconcile
from dir_sync.core.frozen import fields_of
from dir_sync.core.mode import is_own
from dir_sync.core.model import Kind
from dir_sync.core.status import Status
from dir_sync.core.unable import Unfit
from dir_sync.core.waits import Wait
from dir_sync.daemon import stories
from dir_sync.daemon.stories import REGIONS, waits_at
from dir_sync.engine import Engine
from dir_sync.engine.path_work import MAY_FOLLOW, PathWork, Retry
from dir_sync.engine.work import WorkTable
from tests.sim.__main__ import changes_of
from tests.sim.world import run

PACKAGE = Path(inspect.getfile(stories)).parent.parent
TELLERS = ("daemon/stories.py", "history/story.py", "cli/why.py")

# What the table of work has beside its regions by path, and what tells of it; (): no path waits because of it.
TABLE: dict[str, tuple[Wait, ...]] = {
    "pace": (Wait.RESTLESS, Wait.LOOK, Wait.INTERVAL),
    "opened": (Wait.OPEN,),
    "unable": (Wait.SPELLING, Wait.TOO_LARGE, Wait.DISK_LIMIT, Wait.REJECTED),
    "disk": (Wait.LOOK,),
    "obstacles": (Wait.NEVER_SHARED, Wait.OBSTACLE),
    "rooms": (Wait.WINDOW,),
    "out_of_reach": (Wait.OUT_OF_REACH,),
    "attempts": REGIONS["attempted"],
    "jobs": REGIONS["job"],
    "retries": REGIONS["retry"],
    "holders": (Wait.HOLDERS, Wait.DELTA),
    "expected": (Wait.COPY,),
    "copies": (Wait.COPY,),
    "arrivals": (Wait.FETCHING, Wait.ARRIVED),
    "folders": (Wait.FOLDER,),
    "_board": (),
    "_paths": (),
    "aside": (),  # it is looked at in the same turn
}
RETRY = {
    "wait_ms": (),  # how long the last one was
    "problem": (Wait.TROUBLE, Wait.MIN_FREE, Wait.OBSTACLE),
    "reason": (Wait.TROUBLE, Wait.MIN_FREE, Wait.OBSTACLE),
    "not_before_ms": (Wait.TROUBLE,),
    "rounds": (Wait.HOLDERS,),
    "round_at": (Wait.HOLDERS,),
    "failed": (Wait.HOLDERS,),
    "whole": (Wait.DELTA, Wait.FETCHING),
    "short": (Wait.DISK_FULL,),
    "delta": (Wait.DELTA,),
}
UNFIT = {
    "text": (),
    "by": (Wait.SPELLING,),
    "least": (Wait.DISK_LIMIT,),
    "stamp": (Wait.REJECTED,),
    "limit": (Wait.TOO_LARGE,),
}
# What decides that a path stays as it is, or comes; each but these two needs a wait.
DECISIONS = {"Nothing", "Join", "Answer", "Take", "Refuse", "Rebase"}


def fields(kind: Any) -> tuple[str, ...]:
    return tuple(kind.__slots__)


def told_by(*files: str) -> set[str]:
    """The waits that these modules make."""
    found = set()
    for file in files:
        for node in ast.walk(ast.parse((PACKAGE / file).read_text("utf-8"))):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Wait":
                found.add(node.attr)
    return found


def test_each_wait_is_told_by_somebody() -> None:
    assert {wait.name for wait in Wait} == told_by(*TELLERS)


def test_each_region_of_a_path_has_its_waits() -> None:
    assert set(REGIONS) == set(fields(PathWork))
    jobs = {kind.__name__ for kind in MAY_FOLLOW if kind is not type(None)}
    assert jobs == {"Applying", "MovingAway", "Growing"}, "a new job needs a wait"
    assert len(REGIONS["job"]) == len(jobs)


def test_each_field_of_a_retry_and_of_what_cannot_be_stored_has_its_waits() -> None:
    assert set(RETRY) == set(fields(Retry))
    assert set(UNFIT) == set(Unfit._fields)


def test_each_part_of_the_table_of_work_has_its_waits() -> None:
    tree = ast.parse(inspect.getsource(WorkTable))
    fields = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and ast.unparse(node.value) == "self"
    }
    assert fields == set(TABLE)


def test_each_decision_is_thought_of() -> None:
    assert {kind.__name__ for kind in typing.get_args(reconcile.Decision)} == DECISIONS


def silent(engine: Engine) -> list[tuple[bytes, Any]]:
    """Paths at which something is going on, or is to come, and of which no wait tells."""
    board, work = engine.board, engine.work
    paths = dict.fromkeys(board.index.offers.paths(None, 200))
    paths |= dict.fromkeys([*board.looking, *work.jobs.all(), *work.out_of_reach.paths()])
    found: list[tuple[bytes, Any]] = []
    for path in paths:
        row, offers = board.index.rows.get(path), board.index.offers.of(path)
        mode = engine.mode_rules.mode_at(path, row)
        decision = reconcile.decide(None if row is None else row.record, offers, (), mode)
        is_to_come = isinstance(decision, reconcile.Take | reconcile.Refuse)
        regions = work.regions_of(path)
        is_busy = regions is not None and not regions.is_empty
        if isinstance(decision, reconcile.Take) and decision.record.kind is Kind.ABSENT and row is None:
            is_to_come = False  # nothing is there, and nothing is to be there
        if is_to_come or is_busy:
            told = waits_at(engine, path)
            names = {one.wait for one in told}
            if not told:
                found.append((path, decision))
            for name in fields(PathWork) if regions is not None else ():
                value = getattr(regions, name)
                if name not in ("copies", "retry") and value not in (None, False) and not names & set(REGIONS[name]):
                    found.append((path, f"{name} is {value}"))
        if row is not None and is_own(row.record):
            assert {Wait.OWN_CHANGE, Wait.OWN_LARGE} & {one.wait for one in waits_at(engine, path)}
    return found


@pytest.mark.parametrize(
    ("kind", "seeds"), [("", (0, 1, 2)), ("modes", (0, 24, 30)), ("rules", (0, 1)), ("merge", (0, 1))]
)
def test_no_path_of_a_mesh_waits_in_silence_and_to_ask_changes_nothing(
    kind: str, seeds: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = [run(seed, changes=changes_of(seed, kind)).log_hash for seed in seeds]
    turn, turns, seen = Engine.end_turn, Counter[str](), Counter[Wait]()

    def end_turn(self: Engine, now: Any) -> Any:
        effects = turn(self, now)
        turns["all"] += 1
        if turns["all"] % 3 == 0:
            assert silent(self) == []
            for path in self.board.index.offers.paths(None, 50):
                seen.update(one.wait for one in waits_at(self, path))
        return effects

    monkeypatch.setattr(Engine, "end_turn", end_turn)
    assert [run(seed, changes=changes_of(seed, kind)).log_hash for seed in seeds] == before
    assert turns["all"] > 100
    assert len(seen) > 3, seen


def test_the_status_knows_what_concerns_the_whole_folder() -> None:
    fields = set(fields_of(Status)[0])
    assert {"pause", "paused_elsewhere", "mesh", "peers"} <= fields
