"""`wait`: its words, its JSON, and how it asks. tests/lan/test_wait.py has it with real nodes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from dir_sync import config
from dir_sync.cli import main, waiting
from dir_sync.network.control import Answer
from dir_sync.reporting.log import moment
from tests.cli.test_status import ANSWER, BOB, DORA, MESH

PEER = BOB | {"traffic": None}
LAGS = PEER | {"synchronized": False, "lacks": {"files": 2, "bytes": 10_000, "others": 1}}
HELD = {"at": "", "by": "bob", "here": False, "missing": False, "files": 120, "path": "f1"}


APART = LAGS | {
    "name": "carol",
    "lacks": {"files": 1, "bytes": 1_000, "others": 0},
    "declined": [{"reason": "ignored", "files": 1, "bytes": 1_000, "others": 0, "limit": 0}],
}


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Answer]]:
    """The node gives these answers, one after the other; then the last one again. Returns what it was asked."""

    def give(*given: dict[str, Any]) -> list[Answer]:
        left = [ANSWER | {"number": number} | more for number, more in enumerate(given, 1)]
        asked: list[Answer] = []

        def answer(folder: str, question: Answer) -> Answer:
            asked.append(question)
            return left.pop(0) if len(left) > 1 else left[0]

        monkeypatch.setattr(waiting, "ask_running", answer)
        return asked

    return give


UNTIL_S = int(time.time()) + 3_600
FULL = {"reason": "disk-full", "files": 1, "bytes": 1_000, "others": 0, "limit": 0}


def test_the_node_looks_first_and_wakes_it_then(
    answers: Callable[..., list[Answer]], capsys: pytest.CaptureFixture[str]
) -> None:
    asked = answers({"peers": [LAGS]}, {"peers": [LAGS]}, {"peers": [PEER]})
    assert main(["wait", "my docs", "--timeout", "1h"]) == config.OK
    assert asked[0] == {"command": "status", "unlike": 0, "look": True}
    assert [one["unlike"] for one in asked[1:]] == [1, 2]
    assert all(0 < one["within_s"] <= 1 and "look" not in one for one in asked[1:])
    assert capsys.readouterr().out == "done: bob has everything that is here: 3 files (2.00 kB)\n"


@pytest.mark.parametrize(
    ("given", "words", "code", "lines"),
    [
        ({"peers": [PEER, LAGS | {"name": "carol"}]}, ["--timeout", "0"], 3,
         ["not in time: /home/anna/my docs is not everywhere", "  carol lacks 2 files (10.0 kB) and 1 other change",
          "to see more: python main.py status 'my docs'"]),
        ({"peers": [PEER, LAGS | {"name": "carol"}]}, ["--timeout", "0", "--peer", "bob"], 0,
         ["done: bob has everything that is here: 3 files (2.00 kB)"]),
        ({"peers": [PEER, APART]}, [], 0,
         ["done: bob has everything that is here: 3 files (2.00 kB)",
          "carol leaves out what its rules ignore: 1 file (1.00 kB)"]),
        ({"peers": [APART]}, [], 0,
         ["done: carol has everything that is here and is not ignored there",
          "carol leaves out what its rules ignore: 1 file (1.00 kB)"]),
        ({"peers": [PEER, APART]}, ["--copies", "1"], 0, ["done: bob has everything that is here: 3 files (2.00 kB)"]),
        ({"peers": [PEER]}, ["--timeout", "0", "--copies", "2"], 3,
         ["not in time: /home/anna/my docs is not everywhere", "  1 of 2 machines have everything",
          "to see more: python main.py status 'my docs'"]),
        ({"peers": [PEER, LAGS | {"name": "carol", "still_s": 30}]}, ["--timeout", "0"], 3,
         ["not in time: /home/anna/my docs is not everywhere",
          "  carol does not take 2 files (10.0 kB) and 1 other change: 'status' on that machine says why",
          "to see more: python main.py status 'my docs'"]),
        ({"peers": [PEER, LAGS | {"name": "carol", "declined": [FULL]}]}, ["--timeout", "0"], 3,
         ["not in time: /home/anna/my docs is not everywhere",
          "  carol lacks 1 file (9.00 kB) and 1 other change",
          "  carol has no room: its disk is full: 1 file (1.00 kB)",
          "to see more: python main.py status 'my docs'"]),
        ({"peers": [PEER], "held": [HELD]}, [], 4,
         ["it cannot be done now: /home/anna/my docs is not everywhere",
          "  120 files (f1, ...) are held here until a person decides", "to see more: python main.py status 'my docs'"]),
        ({"peers": [], "pause": {"until_s": UNTIL_S, "scheduled": False}}, [], 4,
         ["it cannot be done now: /home/anna/my docs is not everywhere",
          f"  this folder is paused here until {moment(UNTIL_S)}: nothing is sent or taken",
          "to go on: python main.py resume 'my docs'", "to see more: python main.py status 'my docs'"]),
        ({"peers": [], "pause": {"until_s": UNTIL_S, "scheduled": True}}, ["--copies", "2"], 4,
         ["it cannot be done now: /home/anna/my docs is not everywhere",
          f"  this folder is paused here by the schedule until {moment(UNTIL_S)}: nothing is sent or taken",
          "  0 of 2 machines have everything",
          "to go on: python main.py resume 'my docs'", "to see more: python main.py status 'my docs'"]),
        ({"peers": [], "pause": {"until_s": 0, "scheduled": False}, "mesh": MESH | {"role": "ro"}}, [], 4,
         ["/home/anna/my docs: this machine is a read-only member of its closed mesh: nothing goes out, and what is changed"
          " here stays here",
          "  this folder is paused here: nothing is sent or taken",
          "to go on: python main.py resume 'my docs'", "to see more: python main.py status 'my docs'"]),
    ],
)  # fmt: skip
def test_how_it_ends(
    answers: Callable[..., list[Answer]],
    capsys: pytest.CaptureFixture[str],
    given: dict[str, Any],
    words: list[str],
    code: int,
    lines: list[str],
) -> None:
    answers(given)
    assert main(["wait", "my docs", *words]) == code
    assert capsys.readouterr().out.splitlines() == lines
    answers(given)
    assert main(["wait", "my docs", *words, "--json"]) == code
    said = json.loads(capsys.readouterr().out)
    assert said["result"] == {0: "done", 3: "late", 4: "stuck"}[code]
    assert bool(said["left"]) == bool(code)
    assert said["copies"] == len([one for one in given["peers"] if one["synchronized"]])


@pytest.mark.parametrize("peer", [PEER, LAGS])
@pytest.mark.parametrize("words", [[], ["--copies", "1"], ["--peer", "bob", "--timeout", "1h"]])
def test_of_a_read_only_member_nothing_goes_out(
    answers: Callable[..., list[Answer]], capsys: pytest.CaptureFixture[str], peer: dict[str, Any], words: list[str]
) -> None:
    """Also if the peer says that it lacks nothing: it ignores what it hears of a change here."""
    asked = answers({"peers": [peer], "mesh": MESH | {"role": "ro"}, "in_sync": peer is PEER})
    assert main(["wait", "x", *words]) == config.UNFINISHED
    assert len(asked) == 1
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith(
        "/home/anna/my docs: this machine is a read-only member of its closed mesh: nothing goes out"
    )
    assert not any("lacks" in line for line in said)


def test_a_name_that_nobody_has_is_said_at_once(
    answers: Callable[..., list[Answer]], capsys: pytest.CaptureFixture[str]
) -> None:
    answers({"peers": [PEER]})
    assert main(["wait", "x", "--peer", "bbo", "--timeout", "0"]) == config.TIMEOUT
    assert capsys.readouterr().err == "dir_sync: no machine called 'bbo' was ever here (known: bob): waiting for it\n"


@pytest.mark.parametrize(("name", "is_known"), [("dora", True), ("dddd", True), ("d", False), ("dddd0", False)])
def test_one_that_is_away_is_known_by_its_name_or_by_a_long_enough_beginning_of_its_id(
    answers: Callable[..., list[Answer]], capsys: pytest.CaptureFixture[str], name: str, is_known: bool
) -> None:
    """As one that is connected: what would not be waited for is no name."""
    answers({"peers": [PEER], "away": [DORA]})
    assert main(["wait", "x", "--peer", name, "--timeout", "0"]) == config.TIMEOUT
    assert capsys.readouterr().err == (
        "" if is_known else f"dir_sync: no machine called '{name}' was ever here (known: bob, dora): waiting for it\n"
    )


@pytest.mark.parametrize("words", [["--copies", "0"], ["--copies", "x"], ["--timeout", "soon"]])
def test_wrong_words(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["wait", "x", *words]) == config.USAGE
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_node_in_which_all_changes_all_the_time_is_not_asked_all_the_time(
    answers: Callable[..., list[Answer]],
) -> None:
    asked = answers(*[{"peers": [LAGS]}] * 10_000)
    began = time.monotonic()
    assert main(["wait", "x", "--timeout", "1"]) == config.TIMEOUT
    assert len(asked) <= 3 + 25 * (time.monotonic() - began)
