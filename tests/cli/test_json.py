"""`--json` and exit codes of all commands: real nodes answer, and what is printed is what docs/cli.md says."""

from __future__ import annotations

import argparse
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dir_sync import cli
from dir_sync.cli.exits import EXITS, GENERAL, exits_of
from dir_sync.cli.parser import parser_of
from dir_sync.core.model import from_shown
from tests.cli_doc import main as cli_doc
from tests.json_schemas import SCHEMAS, WITHOUT, faults

ROOT = Path(__file__).resolve().parent.parent.parent
WITHOUT_PARSER = ("help", "version")
PATIENCE_S = 60.0


# --- the tables ---------------------------------------------------------------------------------------------------------


def test_each_command_has_its_exit_codes() -> None:
    assert set(EXITS) == set(cli.COMMANDS), "dir_sync/cli/exits.py needs a row for each command"
    assert all(set(codes) <= set(GENERAL) for codes in EXITS.values())


@pytest.mark.parametrize("name", [name for name in cli.COMMANDS if name not in WITHOUT_PARSER])
def test_help_says_the_exit_codes_once_from_the_table(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([name, "--help-all"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert text.count("exit codes:") == 1
    for code, words in exits_of(name).items():
        assert f"{code} {words}" in text


@pytest.mark.parametrize("name", [name for name in cli.COMMANDS if name not in WITHOUT_PARSER])
def test_each_command_that_prints_a_result_has_json_and_a_schema(name: str) -> None:
    options = {word for action in parser_of(cli.COMMANDS[name]).options for word in action.option_strings}
    assert ("--json" in options) == (name not in WITHOUT), "tests/json_schemas.py says which have none, and why"
    assert (name in SCHEMAS) == ("--json" in options)


def test_docs_cli_is_made_from_them() -> None:
    assert cli_doc(["--check"]) == 0, "run: python -m tests.cli_doc"


def test_what_is_wrong_with_an_output_is_noticed() -> None:
    right = {"was_paused": True, "paused": False, "until_s": 0, "overruled_until_s": None}
    assert faults("pause", right) == []
    assert faults("pause", right | {"until_s": None}) == ["until_s is None, and not number"]
    assert faults("pause", right | {"paused": 1}) == ["paused is 1, and not bool"]
    assert faults("pause", right | {"new": 1}) == ["new is not described"]
    assert faults("pause", {"was_paused": True, "paused": False, "overruled_until_s": None}) == ["until_s is missing"]
    assert faults("history", {"versions": [{"odd": 1}], "more": 0, "away": []}) == ["versions[].odd is not described"]
    assert faults("status", {"anything": 1}) == []


# --- real nodes ---------------------------------------------------------------------------------------------------------


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port: int = server.getsockname()[1]
        return port


class Pair:
    """Two nodes that share a folder."""

    def __init__(self, base: Path) -> None:
        self.dir, self.other = base / "here", base / "there"
        port = free_port()
        self.nodes = [self._start(self.dir, "anna", port), self._start(self.other, "bob", 0, f"127.0.0.1:{port}")]

    def _start(self, folder: Path, name: str, port: int, peer: str = "") -> subprocess.Popen[bytes]:
        folder.mkdir()
        words = [sys.executable, str(ROOT / "main.py"), str(folder), "--name", name, "--interface", "lo", "-q"]
        words += ["--no-discovery", "--peer", peer, "--no-listen"] if peer else ["--no-discovery", "-l", str(port)]
        return subprocess.Popen(words)

    def end(self) -> None:
        for node in self.nodes:
            node.terminate()
        for node in self.nodes:
            assert node.wait(20) == 0


def wait_for(is_true: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE_S
    while not is_true():
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    base = tmp_path_factory.mktemp("json")
    before = dict(os.environ)
    for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME"):
        os.environ[name] = str(base / name)
    it = Pair(base)
    try:
        wait_for(lambda: all((folder / ".dir_sync" / "control").exists() for folder in (it.dir, it.other)))
        (it.dir / "two\nlines").write_text("one")
        wait_for(lambda: (it.other / "two\nlines").exists())
        (it.other / "two\nlines").write_text("another text")
        wait_for(lambda: (it.dir / "two\nlines").read_text() == "another text")
        yield it
    finally:
        it.end()
        os.environ.clear()
        os.environ.update(before)


Run = Callable[..., tuple[int, list[dict[str, Any]]]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command with --json: its exit code and its objects, which are as described."""

    def run(*words: object) -> tuple[int, list[dict[str, Any]]]:
        code = cli.main([*map(str, words), "--json"])
        lines = capsys.readouterr().out.splitlines()
        objects = [json.loads(line) for line in lines]
        assert objects, words
        for one in objects:
            assert faults(str(words[0]), one) == [], words
        assert code in exits_of(str(words[0]))
        return code, objects

    return run


def one_of(found: tuple[int, list[dict[str, Any]]]) -> dict[str, Any]:
    code, objects = found
    assert code == 0
    assert len(objects) == 1
    return objects[0]


SHOWN = "two\\nlines"


def test_all_commands_about_a_folder(pair: Pair, run: Run, tmp_path: Path) -> None:
    here = pair.dir
    assert one_of(run("status", here))["name"] == "anna"
    code, events = run("events", here, "--no-wait", "--last", 100)
    assert code == 0
    assert SHOWN in {event.get("path") for event in events}
    listed = one_of(run("history", here))
    assert [each["path"] for each in listed["versions"]] == [SHOWN]
    assert one_of(run("history", here, SHOWN))["versions"] == listed["versions"]
    assert one_of(run("why", here, SHOWN))
    assert one_of(run("verify", here))["equal"] is True
    to = tmp_path / "old"
    assert one_of(run("restore", here, SHOWN, "--to", to))["written"] == str(to)
    assert to.read_text() == "one"
    plan = one_of(run("undo", here, "--since", "1h", "--dry-run"))
    assert [each["path"] for each in plan["changes"]] == [SHOWN]  # restored or deleted: as it was at the first contact
    assert one_of(run("undo", here, "--since", "1h", "--yes"))["changes"] == plan["changes"]
    done = one_of(run("restore", here, SHOWN))
    assert [each["path"] for each in done["restored"]] == [SHOWN]
    wait_for(lambda: (here / "two\nlines").read_text() == "another text")
    assert one_of(run("wait", here, "--timeout", "60s"))["result"] == "done"
    assert one_of(run("conflicts", here)) == {"conflicts": []}
    assert one_of(run("held", here, "--check")) == {"held": []}
    assert one_of(run("approve", here))["files"] == 0
    assert one_of(run("reject", here))["files"] == 0
    assert one_of(run("diverged", here))["count"] == 0
    assert one_of(run("pause", here))["paused"] is True
    assert one_of(run("resume", here))["was_paused"] is True
    assert one_of(run("ignore", here))["rules"]
    code, found = run("ignore", here, SHOWN)
    assert (code, found[0]["paths"][0]["path"]) == (4, SHOWN)
    rules = tmp_path / "rules"
    rules.write_text("two*\n")
    assert one_of(run("ignore", here, "--check", rules))["newly_ignored"] == [SHOWN]


NASTY = [b"caf\xe9", b"back\\slash", b"two\nlines \\n", "dir\u202e ä".encode(), b"\\xe9"]
TAKES_A_PATH = {"approve", "history", "ignore", "reject", "restore", "why"}


def test_these_commands_take_a_path() -> None:
    """A new one needs a line in the next test."""
    found = set()
    for name in cli.COMMANDS.keys() - set(WITHOUT_PARSER):
        names = {str(action.metavar) for action in parser_of(cli.COMMANDS[name])._actions if not action.option_strings}
        found |= {name} & ({name} if any(each.startswith("PATH") for each in names) else set())
    assert found == TAKES_A_PATH


@pytest.mark.parametrize("name", NASTY)
def test_a_printed_name_can_be_given_back_to_every_command(pair: Pair, run: Run, tmp_path: Path, name: bytes) -> None:
    here, there = os.fsencode(pair.dir) + b"/" + name, os.fsencode(pair.other) + b"/" + name
    with open(here, "wb") as file:
        file.write(b"one")
    wait_for(lambda: os.path.exists(there))
    with open(there, "wb") as file:
        file.write(b"another")
    wait_for(lambda: os.path.getsize(here) == 7)
    wait_for(lambda: name in [from_shown(one["path"]) or os.fsencode(one["path"]) for one in listed(run, pair)])
    (printed,) = {one["path"] for one in listed(run, pair) if (from_shown(one["path"]) or b"") == name}
    assert [one["path"] for one in one_of(run("history", pair.dir, printed))["versions"]] == [printed]
    to = tmp_path / "old"
    assert one_of(run("restore", pair.dir, printed, "--to", to))["version"]["path"] == printed
    assert to.read_bytes() == b"one"
    assert one_of(run("why", pair.dir, printed))["path"] == printed
    code, found = run("ignore", pair.dir, printed)
    assert (code, [one["path"] for one in found[0]["paths"]]) == (4, [printed])
    for word in ("approve", "reject"):  # tests/cli/test_deciding.py and tests/daemon/test_requests.py have what is held
        code, found = run(word, pair.dir, printed)
        assert (code, found[0]["error"]) == (1, f"nothing is held at {printed}; nothing was decided")
    assert [one["path"] for one in one_of(run("restore", pair.dir, printed))["restored"]] == [printed]
    with open(here, "rb") as file:
        assert file.read() == b"one"


def listed(run: Run, pair: Pair) -> list[dict[str, Any]]:
    versions: list[dict[str, Any]] = one_of(run("history", pair.dir))["versions"]
    return versions


def test_commands_that_need_no_folder(run: Run, tmp_path: Path) -> None:
    assert one_of(run("new-key", tmp_path / "key"))["generation"] == 1
    file = tmp_path / "config.toml"
    (tmp_path / "notes").mkdir()
    file.write_text(f'[folders.notes]\ndir = "{tmp_path}/notes"\n')
    assert one_of(run("config", "--check", "--config", file))["folders"] == [
        {"name": "notes", "folder": str(tmp_path / "notes")}
    ]
    assert one_of(run("config", "--example"))["text"]


@pytest.mark.parametrize(
    "name", sorted(SCHEMAS.keys() - {"config", "reload", "new-key", "once", "join", "invite", "undo"})
)
def test_a_failure_is_an_object_too(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = {"restore": ["x"], "remove": ["x"]}.get(name, [])
    code = cli.main([name, str(tmp_path / "missing"), *words, "--json"])
    said = capsys.readouterr()
    answer = json.loads(said.out)
    assert set(answer) == {"error", "exit_code"}
    assert answer["exit_code"] == code
    assert code in (1, 2)
    assert re.search(re.escape(answer["error"]), said.err)
    assert said.err.count("\n") == 1


def test_without_json_nothing_goes_to_stdout(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["status", str(tmp_path / "missing")]) == 2
    assert capsys.readouterr().out == ""


def test_every_json_option_is_described() -> None:
    for name in SCHEMAS:
        (option,) = [each for each in parser_of(cli.COMMANDS[name]).options if "--json" in each.option_strings]
        assert option.help not in (None, argparse.SUPPRESS)
