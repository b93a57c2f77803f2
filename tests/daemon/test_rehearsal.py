"""This machine's side of a dry run: it finds what is here, and leaves no trace."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest

from dir_sync.config import ConfigError, checked_rule
from dir_sync.core.forecast import Action, Fate, Outcome, Told, plan
from dir_sync.core.mode import Mode
from dir_sync.core.model import Kind, Record, Stamp
from dir_sync.core.pausing import NO_END
from dir_sync.daemon.rehearsal import Asked, Rehearsal
from dir_sync.folder import pauses
from dir_sync.index import Index
from tests.daemon.standins import config as plain_config

NEW = Record(b"new", Kind.FILE, 1, bytes(32), 0, 0o644, Stamp(1, "ab"), (("ab", 1),))


class Other:
    """Another machine that takes everything."""

    name, replica, mode, room = "bob", "cd", Mode.TWO_WAY, None

    def __init__(self, records: dict[bytes, Record]) -> None:
        self.records = records

    def outcomes(self, told: Sequence[tuple[bytes, Sequence[Told]]]) -> list[Outcome]:
        return [Outcome(Fate.TAKE) for _ in told]


def everything(root: Path) -> dict[str, tuple[object, ...]]:
    found: dict[str, tuple[object, ...]] = {"": (root.stat().st_mtime_ns,)}
    for path in sorted(root.rglob("*")):
        info = path.lstat()
        found[str(path)] = (info.st_mode, info.st_ino, info.st_mtime_ns, info.st_ctime_ns)
    return found


def config(folder: Path, **more: Any) -> Any:
    limits = {"brake_files": 100, "brake_percent": 50, "brake_rewrites": 1000, "brake_rewrite_percent": 80}
    return plain_config(folder=str(folder), clock_ahead=365, file_interval=0, **limits | more)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "shared"
    (root / "d").mkdir(parents=True)
    (root / "d" / "small").write_bytes(b"small")
    (root / "large").write_bytes(b"x" * 200_000)
    (root / "link").symlink_to("large")
    (root / "x.part").write_bytes(b"litter")
    os.mkfifo(root / "pipe")
    for path in (root / "d" / "small", root / "large"):
        os.utime(path, ns=(10**18, 10**18))
    return root


@pytest.fixture
def side(folder: Path) -> Iterator[Rehearsal]:
    side = Rehearsal(config(folder), 0.0)
    yield side
    side.close()


def test_it_finds_what_is_here_and_changes_nothing(folder: Path, side: Rehearsal) -> None:
    before = everything(folder)
    assert side.scan(lambda: False)
    assert {path: one.kind for path, one in side.records.items()} == {
        b"d": Kind.DIRECTORY, b"d/small": Kind.FILE, b"large": Kind.FILE, b"link": Kind.SYMLINK,
    }  # fmt: skip
    assert side.mode is Mode.TWO_WAY
    assert side.held == []
    assert [path for path, _ in side.tally.skipped.words()] == ["pipe"]
    (new, litter, blocked) = side.outcomes(
        [(one.path, (("cd", one),)) for one in (NEW, NEW._replace(path=b"y.part"), NEW._replace(path=b"pipe"))]
    )
    assert (new.fate, litter.fate, blocked.fate) == (Fate.TAKE, Fate.IGNORED, Fate.BLOCKED)
    assert everything(folder) == before


def test_what_is_too_large_is_neither_sent_nor_received(folder: Path) -> None:
    side = Rehearsal(config(folder, max_file_size=1_000), 0.0)
    try:
        assert side.scan(lambda: False)
        made = plan(side, (Other({b"new": NEW._replace(size=1_001)}),))
    finally:
        side.close()
    assert sorted((one.action, one.path) for one in made.steps) == [
        (Action.SEND, b"d"), (Action.SEND, b"d/small"), (Action.SEND, b"link"),
    ]  # fmt: skip
    reason = "it is larger than 1.00 kB, the --max-file-size of this machine"
    assert made.left == [("new", f"this machine: {reason}")]
    assert ("large", reason) in side.tally.skipped.words()


def test_while_the_schedule_says_off_nothing_would_be_done(folder: Path) -> None:
    off = checked_rule("off")
    with pytest.raises(ConfigError, match="is paused; to go on"):
        Rehearsal(config(folder, schedule=(off,)), 0.0)
    side = Rehearsal(config(folder, schedule=(off, checked_rule("up=1M"))), 0.0)  # the last rule that holds counts
    side.close()


def test_a_resume_counts_more_than_the_schedule(folder: Path) -> None:
    (folder / ".dir_sync").mkdir()
    index = Index(str(folder / ".dir_sync" / "index.db"), Random(1))
    pauses.asked(index, {"command": "resume"}, time.time(), NO_END)
    index.commit()
    index.close()
    (folder / ".dir_sync" / "lock").touch()
    side = Rehearsal(config(folder, schedule=(checked_rule("off"),)), 0.0)
    side.close()


def test_it_ends_when_it_has_to(side: Rehearsal) -> None:
    assert not side.scan(lambda: True)


def node_of(side: Rehearsal) -> tuple[Callable[[dict[str, Any]], dict[str, Any]], list[dict[str, Any]]]:
    """A node that runs on the same folder, and what it is asked."""
    from dir_sync.daemon.requests import Requests

    requests = Requests.__new__(Requests)
    requests._engine, requests._index = side._engine, side._index
    questions: list[dict[str, Any]] = []

    def ask(question: dict[str, Any]) -> dict[str, Any]:
        questions.append(question)
        return requests._rows(question) if question["command"] == "rows" else requests._forecast(question)

    return ask, questions


def test_a_node_that_runs_says_the_same(side: Rehearsal) -> None:
    """The two forms in which this machine's side is asked agree. Long questions come in pieces."""
    side.scan(lambda: False)
    ask, questions = node_of(side)
    asked = Asked(ask)
    assert asked.scan(lambda: False)
    assert questions == [{"command": "rows", "after": 0}]  # the answer that says that it is known is the first page
    assert asked.records == side.records
    assert (asked.replica, asked.mode) == (side.replica, side.mode)
    told = [(b"%d" % number, (("cd", NEW._replace(path=b"%d" % number)),)) for number in range(500)]
    assert asked.outcomes(told) == side.outcomes(told)
    assert [one["command"] for one in questions].count("forecast") > 1
    assert asked.outcomes([]) == []


def test_a_node_that_scans_says_nothing_and_is_asked_again(side: Rehearsal) -> None:
    side.scan(lambda: False)
    ask, questions = node_of(side)
    side._engine.board.scan.begin()
    answers: list[dict[str, Any]] = []

    def ask_twice(question: dict[str, Any]) -> dict[str, Any]:
        if answers:
            side._engine.board.scan.is_on = False
        answers.append(ask(question))
        return answers[-1]

    asked = Asked(ask_twice)
    assert asked.scan(lambda: False)
    assert asked.records == side.records
    assert [(one["ready"], len(one["records"])) for one in answers] == [(False, 0), (True, len(side.records))]
    assert [one["after"] for one in questions] == [0, 0]
    side._engine.board.scan.begin()
    assert not Asked(ask).scan(lambda: True)
