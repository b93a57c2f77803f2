"""`verify`: its line on a terminal. tests/lan/test_verify.py has it with real nodes."""

from __future__ import annotations

import io
import sys
from typing import Any

import pytest

from dir_sync import config
from dir_sync.cli import main, verifying
from dir_sync.config import ConfigError
from dir_sync.network.control import Answer

LOOK: dict[str, Any] = {
    "number": 1,
    "over": False,
    "again": 0,
    "entries": 3,
    "bytes": 500,
    "files": 3,
    "size": 2_000,
    "peers": [],
    "away": [],
    "found": 0,
    "findings": [],
    "healed": [],
    "kept_apart": 0,
    "apart": [],
}
AWAY = "\r\x1b[K"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def on_terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """What stands on stderr, a terminal. Called in a test, because pytest sets stderr itself before that."""
    made = Terminal()
    monkeypatch.setattr(sys, "stderr", made)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(verifying, "_LOOK_S", 0.0)
    monkeypatch.setattr(verifying, "_LINE_S", 0.0)
    return made


def answer_with(monkeypatch: pytest.MonkeyPatch, *given: Answer | ConfigError) -> list[str]:
    """The node gives these answers, and the last one again. Returns what it was asked to do."""
    left = list(given)
    asked: list[str] = []

    def answer(folder: str, question: Answer) -> Answer:
        asked.append(question["do"])
        one = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(one, ConfigError):
            raise one
        return one

    monkeypatch.setattr(verifying, "ask_running", answer)
    return asked


def test_the_line_is_written_again_in_its_place_and_away_at_the_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = on_terminal(monkeypatch)
    asked = answer_with(monkeypatch, LOOK, LOOK | {"again": 1}, LOOK | {"over": True, "bytes": 2_000})
    assert main(["verify", "docs"]) == config.OK
    assert asked == ["begin", "look", "look", "end"]
    first, second, end = terminal.getvalue().removeprefix(AWAY).split(AWAY)
    assert first.startswith("3 paths read, 25 % of 2.00 kB, ")
    assert (second, end) == ("looking again at what was found", "")
    assert "everything is as it was recorded" in capsys.readouterr().out


def test_the_line_is_away_before_what_went_wrong_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_terminal(monkeypatch)
    gone = ConfigError("another 'verify' for this folder has taken the place of this one")
    answer_with(monkeypatch, LOOK, gone)
    assert main(["verify", "docs"]) == gone.exit_code
    assert f"{AWAY}dir_sync: another 'verify'" in terminal.getvalue()


def test_a_terminal_that_cannot_go_back_gets_no_line(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_terminal(monkeypatch)
    monkeypatch.setenv("TERM", "dumb")
    answer_with(monkeypatch, LOOK, LOOK | {"over": True})
    assert main(["verify", "docs"]) == config.OK
    assert terminal.getvalue() == ""


def test_without_a_terminal_it_says_how_far_it_is_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(verifying, "_LOOK_S", 0.0)
    for each_s, said in ((60.0, 0), (0.0, 1)):
        monkeypatch.setattr(verifying, "_PRINTED_S", each_s)
        answer_with(monkeypatch, LOOK, LOOK, LOOK | {"over": True})
        assert main(["verify", "docs"]) == config.OK
        assert capsys.readouterr().out.count("3 paths read, 25 % of 2.00 kB") == said


def test_with_json_nothing_says_how_far_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = on_terminal(monkeypatch)
    monkeypatch.setattr(verifying, "_PRINTED_S", 0.0)
    answer_with(monkeypatch, LOOK, LOOK, LOOK | {"over": True})
    assert main(["verify", "docs", "--json"]) == config.OK
    assert terminal.getvalue() == ""
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_what_a_machine_has_otherwise_on_purpose_is_said_and_is_no_fault(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    apart = [
        {"path": "notes.txt", "what": "diverged", "at": "desk"},
        {"path": "a.log", "what": "ignored", "at": "desk"},
    ]
    peers = [{"name": "desk", "bytes": 2_000, "problem": ""}]
    answer_with(monkeypatch, LOOK | {"over": True, "peers": peers, "kept_apart": 2, "apart": apart})
    assert main(["verify", "docs"]) == config.OK
    out = capsys.readouterr().out
    assert "notes.txt (on desk) was changed or deleted on that machine only: it is read-only" in out
    assert "a.log (on desk) is ignored by the rules of that machine" in out
    assert "the same on all of them, but for 2 paths where a machine has something else on purpose" in out
