"""The command line of `once --dry-run`, and its words."""

from __future__ import annotations

import json
import os
import socket
from typing import Any

import pytest

from dir_sync import cli
from dir_sync.core.forecast import Action, Plan, Step
from dir_sync.core.model import Kind
from dir_sync.daemon import dry_run
from dir_sync.daemon.dry_run import Rehearsed

MADE = Plan(
    [
        Step(Action.CONFLICT, b"a", Kind.FILE, 2_000, ""),
        Step(Action.SEND, b"b\n", Kind.FILE, 3_000_000, "bea"),
        Step(Action.RECEIVE, b"c", Kind.FILE, 5, "", what="owner"),
        Step(Action.SEND, b"d", Kind.DIRECTORY, 0, "bea"),
        Step(Action.DELETE, b"e", Kind.FILE, 7, "bea"),
        Step(Action.RENAME, b"f", Kind.FILE, 7, "", b"old"),
    ],
    [],
)


@pytest.fixture
def folder(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "shared").mkdir()
    return str(tmp_path / "shared")


def ends(monkeypatch: pytest.MonkeyPatch, found: Rehearsed) -> None:
    monkeypatch.setattr(dry_run, "run", lambda *args: found)


def test_the_table(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: str) -> None:
    ends(monkeypatch, Rehearsed(MADE, ("bea",)))
    assert cli.main(["once", folder, "--dry-run"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "this is what a run would do with bea; nothing was changed",
        "  conflict here  2.00 kB  a (the version here loses, and is kept)",
        "  send to bea    3.00 MB  b\\n",
        "  receive                 c (only owner)",
        "  send to bea             d/",
        "  delete at bea           e",
        "  rename here             old -> f",
        "conflict here: 1 path (2.00 kB)",
        "delete at bea: 1 path",
        "receive: 1 path",
        "rename here: 1 path",
        "send to bea: 2 paths (3.00 MB)",
    ]
    assert os.listdir(folder) == []


def test_the_json_object(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: str) -> None:
    ends(monkeypatch, Rehearsed(MADE, ("bea",), (("pipe", "no file"),)))
    assert cli.main(["once", folder, "--dry-run", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["result"], said["dry_run"], said["node_runs"], said["peers"]) == ("planned", True, False, ["bea"])
    assert said["plan"][1] == {
        "action": "send", "path": "b\\n", "kind": "file", "bytes": 3_000_000, "at": "bea", "from": None,
        "only_attributes": False,
        "what": None,
    }  # fmt: skip
    assert (said["plan"][5]["from"], said["plan"][5]["at"]) == ("old", None)
    assert said["skipped"] == [{"path": "pipe", "reason": "no file"}]
    assert (said["left"], said["differs"]) == ([], 0)


def test_what_would_be_left_is_code_4(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: str
) -> None:
    ends(monkeypatch, Rehearsed(Plan([], [("a", "no room")], 3), ("bea",)))
    assert cli.main(["once", folder, "--dry-run", "-q"]) == 4
    assert capsys.readouterr().out.splitlines() == [
        "in sync with bea: nothing would be done",
        "3 paths would stay different because of a mode",
        "this could not be the same:",
        "  a: no room",
    ]


@pytest.mark.parametrize(
    ("peers", "who"),
    [
        ((), "no other machine was there in time"),
        (("bea",), "only bea was there in time"),
        (("bea", "cem"), "only bea and cem were there in time"),
    ],
)
def test_not_enough_others_is_code_3(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: str, peers: tuple[str, ...], who: str
) -> None:
    ends(monkeypatch, Rehearsed(None, peers, (), ("cannot ask 10.0.0.2:6000 (Connection refused)",)))
    assert cli.main(["once", folder, "--dry-run"]) == 3
    first, second = capsys.readouterr().out.splitlines()
    assert first == f"not known: {who}"
    assert second == "  cannot ask 10.0.0.2:6000 (Connection refused)"
    assert cli.main(["once", folder, "--dry-run", "--json"]) == 3
    said = json.loads(capsys.readouterr().out)
    assert (said["result"], said["plan"]) == ("late", None)
    assert said["left"] == [{"path": "", "problem": "cannot ask 10.0.0.2:6000 (Connection refused)"}]


def test_a_machine_that_says_nothing_is_named(capsys: pytest.CaptureFixture[str], folder: str) -> None:
    """The same is said of one whose name is still being looked up when the time is over."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        peer = f"127.0.0.1:{silent.getsockname()[1]}"
        words = ["--dry-run", "--no-discovery", "--no-listen", "--peer", peer, "--timeout", "1s"]
        assert cli.main(["once", folder, *words]) == 3
    assert capsys.readouterr().out.splitlines() == [
        "not known: no other machine was there in time",
        f"  cannot ask {peer} (no answer in time)",
    ]


def test_what_changes_something_is_refused(capsys: pytest.CaptureFixture[str], folder: str) -> None:
    assert cli.main(["once", folder, "--dry-run", "--join", "AAAA-BBBB"]) == 2
    assert cli.main(["once", f"{folder}/none", "--dry-run", "--create"]) == 2
    assert cli.main(["once", folder, "--dry-run", "--no-discovery"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert "join first" in lines[0]
    assert f"{folder}/none is not there: a run without --dry-run would make {folder}/none" in lines[1]
    assert "name one with --peer HOST" in lines[2]
    assert os.listdir(folder) == []
