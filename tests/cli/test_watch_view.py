"""The screen of `status --watch`: what is on it at each width. Every line fits."""

from __future__ import annotations

import io
import time
from typing import Any

import pytest
from rich.console import Console

from dir_sync import config
from dir_sync.cli import main, watch_view
from dir_sync.cli.watch_view import screen
from dir_sync.config import ConfigError
from dir_sync.core.status import Status
from dir_sync.network.control import Answer
from tests.cli.test_status import ANSWER, BOB, DORA, LAGS, LOST, PROGRESS, held

BUSY: dict[str, Any] = {
    "peers": [LAGS | {"progress": PROGRESS}],
    "away": [DORA],
    "sending": PROGRESS,
    "uploads": [{"path": f"big [red]{at}", "peer": "bob", "sent": 30, "size": 40, "per_s": 5_000} for at in range(20)],
    "troubled": [LOST],
    "conflicts": 2,
    "changes": [{"path": "notes.txt", "kind": "nothing", "size": 0, "by": "carol", "time_s": 1_000}],
}


def shown(width: int, height: int = 100, why: str = "", **more: Any) -> list[str]:
    out = io.StringIO()
    console = Console(file=out, width=width, height=height, highlight=False, markup=False, emoji=False, no_color=True)
    console.print(screen(Status.from_json(ANSWER | more), "my docs", width, height, 1_060.0, why))
    return out.getvalue().splitlines()


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
def test_every_line_fits_and_says_the_main_things(width: int) -> None:
    said = shown(width, **BUSY)
    assert all(len(line) <= width for line in said)
    text = "\n".join(said)
    assert said[0].startswith("SYNCING")
    for part in (
        "safe to switch off: no",
        "going out",
        "75 %",
        "bob",
        "dora",
        "lacks 2 files",
        "2 in conflict",
        "no room",
    ):
        assert part in text, part
    assert "and 12 more transfers" in text
    assert "1 min ago" in text


def test_a_wide_one_has_all_columns_and_names_are_no_markup() -> None:
    text = "\n".join(shown(150, **BUSY))
    for part in ("10.0.0.2", "1.2.3", "up 11.0 MB/s", "connected", "big [red]0 to bob", "deleted notes.txt  (carol)"):
        assert part in text, part


def test_a_node_that_does_not_say_since_when_it_runs() -> None:
    end = "; Ctrl-C ends this view"
    assert f"/home/anna/my docs on anna, version 1.2.3, up 1 min{end}" in shown(120, started_s=1_000)
    assert f"/home/anna/my docs on anna{end}" in shown(120, version="", started_s=0)


def test_a_low_one_is_cut_at_the_end() -> None:
    assert shown(80, 6, **BUSY)[0].startswith("SYNCING")
    assert len(shown(80, 6, **BUSY)) <= 8


def test_what_is_held_and_that_a_node_has_ended() -> None:
    said = shown(120, why="no node is running", held=[held()], peers=[BOB])
    assert said[:2] == ["NOT RUNNING: no node is running", "the last that is known:"]
    assert any(line.startswith("HELD: what bob did to 120 files") for line in said)


def test_without_a_terminal_it_is_a_line_for_each_headline(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also when the node ends and comes back; Ctrl-C ends it well."""
    same = ANSWER | {"number": 1, "peers": [BOB], "in_sync": True}
    left: list[Answer | BaseException] = [
        same, same, ConfigError("no node is running"), same | {"peers": [], "in_sync": False}, KeyboardInterrupt()
    ]  # fmt: skip

    def answer(folder: str, question: Answer) -> Answer:
        found = left.pop(0)
        if isinstance(found, BaseException):
            raise found
        return found

    monkeypatch.setattr(watch_view, "ask_running", answer)
    monkeypatch.setattr(watch_view, "_AGAIN_S", 0.0)
    monkeypatch.setattr(watch_view, "_AT_MOST_EACH_S", 0.0)
    assert main(["status", "x", "--watch"]) == config.OK
    assert [line.partition("  ")[2] for line in capsys.readouterr().out.splitlines()] == [
        "UP TO DATE with bob: 3 files (2.00 kB)",
        "no node is running",
        "ALONE: no other machine is connected",
    ]


def test_a_node_in_which_everything_changes_all_the_time_is_not_kept_busy_by_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[int] = []

    def answer(folder: str, question: Answer) -> Answer:
        asked.append(question["unlike"])
        if len(asked) > 5:
            raise KeyboardInterrupt
        return ANSWER | {"number": len(asked)}

    slept: list[float] = []
    monkeypatch.setattr(watch_view, "ask_running", answer)
    monkeypatch.setattr(time, "sleep", slept.append)
    assert main(["status", "x", "--watch"]) == config.OK
    assert asked == [0, 1, 2, 3, 4, 5]
    assert sum(slept) >= 5 * 0.05


def test_it_is_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "x", "--watch", "--json"]) == config.USAGE
    assert "--watch" in capsys.readouterr().err
