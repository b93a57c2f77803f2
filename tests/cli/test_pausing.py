"""The commands pause and resume, with a node that answers what the test says, and without one."""

from __future__ import annotations

import json
import os
from pathlib import Path
from random import Random
from typing import Any

import pytest

from dir_sync import cli, config
from dir_sync.cli import pausing
from dir_sync.core.pausing import NO_END
from dir_sync.folder import pauses, state
from dir_sync.index import Index
from dir_sync.network.control import Answer, NoDaemon
from dir_sync.reporting.log import moment
from tests.cli.background_kit import Machine


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    folder = tmp_path / "shared"
    (folder / ".dir_sync").mkdir(parents=True)
    return folder


def answers(monkeypatch: pytest.MonkeyPatch, answer: dict[str, Any]) -> list[dict[str, Any]]:
    asked: list[dict[str, Any]] = []

    def ask(folder: str, question: dict[str, Any]) -> dict[str, Any]:
        asked.append(question)
        return answer

    monkeypatch.setattr(pausing, "ask_node", ask)
    return asked


def test_a_node_is_asked(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], shared: Path) -> None:
    asked = answers(monkeypatch, {"was_paused": False, "paused": True, "until_s": NO_END})
    assert cli.main(["pause", str(shared)]) == 0
    assert capsys.readouterr().out.startswith("paused until you resume it; to go on: ")
    assert cli.main(["pause", str(shared), "--for", "90m", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"was_paused": False, "paused": True, "until_s": 0}
    assert cli.main(["resume", str(shared)]) == 0
    assert capsys.readouterr().out == "it was not paused: there is nothing to do\n"
    assert asked == [{"command": "pause"}, {"command": "pause", "for_s": 5_400}, {"command": "resume"}]


def test_without_a_node_the_note_waits_for_one(capsys: pytest.CaptureFixture[str], shared: Path) -> None:
    path = str(shared / ".dir_sync" / "index.db")
    Index(path, Random(1)).close()
    assert cli.main(["pause", str(shared)]) == 0
    assert "paused until you resume it (no node runs now)" in capsys.readouterr().out
    index = Index(path, Random(1))
    assert pauses.noted(index) is not None
    index.close()
    assert cli.main(["resume", str(shared)]) == 0
    assert capsys.readouterr().out == "resumed (no node runs now)\n"
    index = Index(path, Random(1))
    assert pauses.noted(index) is None
    index.close()


def test_a_node_that_starts_is_asked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], shared: Path
) -> None:
    """It has the lock a moment before it answers."""
    Index(str(shared / ".dir_sync" / "index.db"), Random(1)).close()
    lock = state.lock(os.fsencode(shared))
    asked: list[str] = []

    def ask(folder: str, question: dict[str, Any], begins_s: float) -> dict[str, Any]:
        asked.append(question["command"])
        if len(asked) < 4:
            raise NoDaemon
        return {"was_paused": False, "paused": True, "until_s": NO_END}

    monkeypatch.setattr("dir_sync.cli.dialogue.ask", ask)
    monkeypatch.setattr("dir_sync.history.source.ask", ask)
    try:
        assert cli.main(["pause", str(shared)]) == 0
    finally:
        os.close(lock)
    assert capsys.readouterr().out.startswith("paused until you resume it; to go on: ")
    assert asked == ["pause", "status", "status", "status", "pause"]


def test_a_folder_that_was_never_shared_is_not_touched(
    capsys: pytest.CaptureFixture[str], shared: Path, tmp_path: Path
) -> None:
    (other := tmp_path / "other").mkdir()
    assert cli.main(["pause", str(other)]) == 1
    assert "was never shared from here" in capsys.readouterr().err
    assert not list(other.iterdir())


@pytest.mark.parametrize("time", ["", "5", "0s", "-1h", "1y", "h", "1.5h", "999999999d", "9999d"])
def test_a_time_that_is_none_is_one_line(capsys: pytest.CaptureFixture[str], shared: Path, time: str) -> None:
    assert cli.main(["pause", str(shared), f"--for={time}"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert "such as 10m, 1h or 2d" in lines[0]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1m", None),
        ("2m", 120),
        ("1h", 3_600),
        ("00000120", None),
        ("2", None),
        ("2d", None),
        ("2h", None),
        ("m", None),
    ],
)
def test_a_typed_time_has_a_unit_and_limits(text: str, seconds: int | None) -> None:
    assert config.seconds_of(text, 61, 3_600) == seconds


def test_days_only_where_they_may_be_typed() -> None:
    assert config.seconds_of("1d", 1, 86_400) is None
    assert config.seconds_of("1d", 1, 86_400, "smhd") == 86_400
    assert config.seconds_of("000000001s", 1, 86_400) is None


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        ({"was_paused": True, "overruled_until_s": None}, "resumed\n"),
        ({"was_paused": True}, "resumed\n"),  # of an older node
        ({"was_paused": True, "overruled_until_s": 0}, "resumed for good, though the schedule says 'off'\n"),
        (
            {"was_paused": True, "overruled_until_s": 1_700_000_000},
            f"resumed until {moment(1_700_000_000)}, when the schedule counts again\n",
        ),
        ({"was_paused": False, "overruled_until_s": 9}, "it was not paused: there is nothing to do\n"),
    ],
)
def test_a_resume_says_until_when_it_counts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], shared: Path, answer: Answer, line: str
) -> None:
    answers(monkeypatch, answer)
    assert cli.main(["resume", str(shared)]) == 0
    assert capsys.readouterr().out == line


def test_status_says_that_the_schedule_does_not_count_after_a_resume(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    try:
        machine.ok("start", "shared", *machine.options(), "--schedule", "off")
        said = machine.ok("status", "shared")
        assert said.startswith("PAUSED by the schedule: ")
        assert "schedule: 'off' holds (1 rule)" in said
        machine.ok("resume", "shared")
        assert "schedule: 'off' does not count any more, because of 'resume' (1 rule)" in machine.ok("status", "shared")
        machine.ok("pause", "shared")
        assert "schedule: 'off' holds (1 rule)" in machine.ok("status", "shared")
    finally:
        machine.end()
