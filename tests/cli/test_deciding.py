"""The commands held, approve and reject: what a person is shown, and asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dir_sync import cli
from dir_sync.cli import deciding, dialogue
from tests.cli.test_status import ANSWER, held
from tests.json_schemas import faults

DECIDED = {"files": 7, "missing": 0, "missing_here": 0, "elsewhere": 0, "others": []}
HELD = {
    "held": [
        {
            "at": "",
            "by": "bob",
            "here": False,
            "kind": "deleted",
            "files": 1_234,
            "folders": [{"folder": "d", "files": 1_233, "examples": ["d/a", "d/b", "d/c"]},
                        {"folder": "", "files": 1, "examples": ["x"]}],
            "more_folders": 30,
        },
        {
            "at": "carol",
            "by": "anna",
            "here": True,
            "kind": "unknown",
            "files": 3,
            "folders": [{"folder": "e", "files": 1, "examples": ["e/f"]}],
            "more_folders": 0,
        },
    ]
}  # fmt: skip


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The questions that the node gets."""
    questions: list[str] = []

    def ask(folder: str, question: dict[str, Any]) -> dict[str, Any]:
        questions.append(question["command"])
        if question["command"] == "decide":
            return DECIDED | {"paths": [one[-1].replace("\n", "\\n") for one in question["paths"]]}
        if question["command"] == "status":
            return ANSWER | {"held": [held(by="bob", here=False)]}
        return HELD if question["command"] == "held" else DECIDED

    monkeypatch.setattr(deciding, "ask_running", ask)
    return questions


@pytest.mark.parametrize("word", ["approve", "reject"])
@pytest.mark.parametrize(
    ("typed", "done"), [("y\n", True), ("yes\n", True), ("n\n", False), ("\n", False), ("", False)]
)
def test_on_a_terminal_it_shows_what_is_held_and_asks(
    asked: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    word: str,
    typed: str,
    done: bool,
) -> None:
    monkeypatch.setattr(dialogue, "has_terminal", lambda: True)
    prompts: list[str] = []
    monkeypatch.setattr(dialogue, "line_of_person", lambda prompt: prompts.append(prompt) or typed)
    assert cli.main([word, str(tmp_path)]) == (0 if done else 1)
    assert asked == ["status", *([word] if done else [])]
    assert len(prompts) == 1
    said = capsys.readouterr()
    assert "HELD: what bob did to" in said.err
    assert ("nothing was changed" in said.err) == (not done)


def test_who_may_not_approve_is_told_before_a_question(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """This machine made the changes."""
    status = ANSWER | {"held": [held(at="bob", by="anna", here=True)]}
    monkeypatch.setattr(deciding, "ask_running", lambda folder, question: {"status": status}[question["command"]])
    monkeypatch.setattr(dialogue, "has_terminal", lambda: True)
    monkeypatch.setattr(dialogue, "line_of_person", lambda prompt: pytest.fail(f"it asks: {prompt}"))
    assert cli.main(["approve", str(tmp_path)]) == 1
    assert "nothing was approved: what this node did to 120 files can only be" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--yes"], []])
def test_without_a_terminal_or_with_yes_nobody_is_asked(
    asked: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: list[str]
) -> None:
    monkeypatch.setattr(dialogue, "has_terminal", lambda: bool(words))
    assert cli.main(["approve", str(tmp_path), *words]) == 0
    assert asked == ["approve"]


@pytest.mark.parametrize("may", [True, False])
def test_a_machine_that_only_reads_does_not_promise_what_others_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, may: bool
) -> None:
    monkeypatch.setattr(deciding, "ask_running", lambda folder, question: DECIDED | {"may_decide": may})
    assert cli.main(["reject", str(tmp_path), "--yes"]) == 0
    said = capsys.readouterr().out
    assert ("will be restored on all machines" in said) == may
    assert ("on this machine alone, which only reads" in said) != may


def test_held_by_machine_kind_and_folder(asked: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert cli.main(["held", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "1,234 files deleted by bob"
    assert [line.split() for line in lines[1:4]] == [
        ["FILES", "FOLDER", "SUCH", "AS"],
        ["1,233", "d", "d/a,", "d/b"],
        ["1", ".", "x"],
    ]
    assert lines[5] == "3 files changed by this machine (held on carol: 'held' there says how)"
    assert lines[6] == "  such as e/f"
    assert lines[-2].startswith("to let it happen: ")
    assert cli.main(["held", str(tmp_path), "--check"]) == 4
    capsys.readouterr()
    assert cli.main(["held", str(tmp_path), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer == HELD
    assert faults("held", answer) == []


@pytest.mark.parametrize(
    ("by", "here", "at", "words"),
    [
        ("anna", True, "", "3 files vanished here while no node was watching"),
        ("anna", False, "anna", "3 files vanished on anna while no node was watching"),
        ("anna", False, "bob", "3 files vanished on anna while no node was watching (held on bob)"),
    ],
)
def test_what_vanished_was_done_by_nobody(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    by: str,
    here: bool,
    at: str,
    words: str,
) -> None:
    group = HELD["held"][1] | {"by": by, "here": here, "at": at, "kind": "vanished"}
    monkeypatch.setattr(deciding, "ask_running", lambda folder, question: {"held": [group]})
    assert cli.main(["held", str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines()[0] == words


@pytest.mark.parametrize("word", ["approve", "reject"])
def test_with_paths_it_asks_about_these(
    asked: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    word: str,
) -> None:
    """A node that knows no paths knows no such question either; it does not decide about everything."""
    monkeypatch.setattr(dialogue, "has_terminal", lambda: True)
    monkeypatch.setattr(dialogue, "line_of_person", lambda prompt: "yes")
    assert cli.main([word, str(tmp_path), "two\\nlines", str(tmp_path / "d")]) == 0
    assert asked == ["decide", "decide"]
    said = capsys.readouterr()
    assert f"{word} what is held of 7 files at two\\nlines and d?" in said.err
    assert said.out.splitlines()[-1] == "what else is held stays held"


def test_the_decision_about_paths_as_json(asked: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert cli.main(["reject", str(tmp_path), "d", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["paths"] == ["d"]
    assert not faults("reject", answer)


def test_a_path_outside_the_folder_is_a_wrong_command_line(
    asked: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert cli.main(["approve", str(tmp_path), "../x"]) == 2
    assert "is not a path in the shared folder" in capsys.readouterr().err
    assert asked == []
