"""The commands about modes, with a node that answers what the test says."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dir_sync import cli
from dir_sync.cli import modes
from dir_sync.core.mode import Mode


def answers(monkeypatch: pytest.MonkeyPatch, *found: dict[str, Any]) -> list[dict[str, Any]]:
    """The node answers these, one after the other. Returns what it is asked."""
    asked: list[dict[str, Any]] = []
    left = list(found)

    def ask(folder: str, question: dict[str, Any]) -> dict[str, Any]:
        asked.append(question)
        return left.pop(0)

    monkeypatch.setattr(modes, "ask_running", ask)
    return asked


def path(name: str, here: str, there: str, by: str = "") -> dict[str, str]:
    return {"path": name, "here": here, "there": there, "by": by}


def listing(mode: Mode, *paths: dict[str, str]) -> dict[str, Any]:
    return {"mode": mode.value, "count": len(paths), "paths": list(paths)}


def test_what_others_did_is_named_with_who_did_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = path("a", "file", "file", "bob"), path("b", "nothing", "file", "bob"), path("c", "file", "nothing", "bob")
    answers(monkeypatch, listing(Mode.SEND_ONLY, *paths))
    assert cli.main(["diverged", "shared"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[:3] == ["a: changed by bob", "b: new by bob", "c: deleted by bob"]
    assert out[3].endswith("override shared")


def test_what_was_done_here_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    paths = path("a", "file", "link"), path("b", "folder", "nothing"), path("c", "nothing", "file")
    answers(monkeypatch, listing(Mode.RECEIVE_ONLY, *paths))
    assert cli.main(["diverged", "shared"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[:3] == ["a: changed here", "b: new here", "c: deleted here"]
    assert out[3].endswith("revert shared")


@pytest.mark.parametrize(("mode", "words"), [(Mode.TWO_WAY, "works both ways"), (Mode.MIRROR, "nothing differs")])
def test_nothing_to_list(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], mode: Mode, words: str
) -> None:
    answers(monkeypatch, listing(mode))
    assert cli.main(["diverged", "shared", "--check"]) == 0
    assert words in capsys.readouterr().out


def test_check_says_by_its_code_that_something_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, listing(Mode.MIRROR, path("a", "file", "nothing")))
    assert cli.main(["diverged", "shared", "--check"]) == 4


@pytest.mark.parametrize("command", ["override", "revert"])
def test_consent_comes_first(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str) -> None:
    found = listing(Mode.SEND_ONLY, path("a", "file", "file", "bob"))
    asked = answers(monkeypatch, found, found, found)
    assert cli.main([command, "shared"]) == 1
    assert "1 path will be" in capsys.readouterr().err
    assert cli.main([command, "shared", "--yes"]) == 0
    assert [one["command"] for one in asked] == ["diverged", "diverged", command]
    assert "1 path will be" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "words"), [("override", "when that one is"), ("revert", "waits for one that has it")]
)
def test_without_another_machine_it_waits(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str, words: str
) -> None:
    found = listing(Mode.SEND_ONLY, path("a", "file", "file", "bob"))
    for connected, waits in ((0, True), (2, False)):
        answers(monkeypatch, found, found | {"connected": connected})
        assert cli.main([command, "shared", "--yes"]) == 0
        first, *more = capsys.readouterr().out.splitlines()
        assert first.startswith("1 path will be")
        assert [words in line and "no other machine is connected" in line for line in more] == [True] * waits
        answers(monkeypatch, found, found | {"connected": connected})
        assert cli.main([command, "shared", "--yes", "--json"]) == 0
        assert json.loads(capsys.readouterr().out) == {"count": 1, "waits": waits}
