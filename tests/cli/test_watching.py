"""The command `events`: lines for people and for programs, from a stand-in for the node's control socket."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from dir_sync import cli
from dir_sync.cli import watching
from dir_sync.core.live_notes import Event
from dir_sync.core.note_json import kind_of
from dir_sync.core.notes import Conflict, Received, ReceivedMany
from dir_sync.daemon.stream import Stream
from dir_sync.folder import root
from dir_sync.network.control import ControlServer
from dir_sync.readable import Readable
from dir_sync.reporting.event_words import EventWords
from tests.core.test_note_json import samples

Printed = pytest.CaptureFixture[str]


class Node:
    """What runs on a folder: its control socket and its stream."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stream = Stream("notes", "anna")
        self.readable = Readable()
        state = folder / ".dir_sync"
        state.mkdir(exist_ok=True)
        self.control = ControlServer(str(state), self.readable, lambda _: {}, {"events": self.stream.serve})
        self.control.start()
        self.thread = threading.Thread(target=self.readable.run)
        self.thread.start()

    def tell(self, event: Event) -> None:
        self.stream.tell(event, time.monotonic())

    def end(self) -> None:
        self.stream.close()
        self.control.stop()
        self.readable.stop()
        self.thread.join()
        self.readable.close()


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    it = Node(tmp_path)
    yield it
    if it.thread.is_alive():
        it.end()


def test_lines_for_people(node: Node, capsys: Printed) -> None:
    node.tell(Received(b"a\nb", "bob", 2_000))
    node.tell(ReceivedMany("bob", ((b"c", 1), (b"d", 1)), 2))
    node.tell(Conflict(b"e", b"e.old"))
    assert cli.main(["events", str(node.folder), "--no-wait"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ", line) for line in lines)
    said = [line[20:] for line in lines]
    assert said[:3] == ["received a\\nb (2.00 kB) from bob", "received c (1 B) from bob", "received d (1 B) from bob"]
    assert said[3].startswith("CONFLICT: e was changed on two nodes at once.")
    assert str(node.folder) in said[3]


def test_objects_for_programs_and_only_some_kinds(node: Node, capsys: Printed) -> None:
    node.tell(Received(b"a", "bob", 2_000))
    node.tell(Conflict(b"e", b"e.old"))
    assert cli.main(["events", str(node.folder), "--no-wait", "--json", "--only", "conflict,begun"]) == 0
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first["event"], first["name"]) == ("begun", "anna")
    assert (second["event"], second["path"], second["version"]) == ("conflict", "e", "e.old")
    assert cli.main(["events", str(node.folder), "--no-wait", "--json", "--since", str(second["id"])]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1
    assert cli.main(["events", str(node.folder), "--no-wait", "--last", "1"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_it_ends_with_the_node(node: Node, capsys: Printed) -> None:
    codes: list[int] = []
    listening = threading.Thread(target=lambda: codes.append(cli.main(["events", str(node.folder)])))
    listening.start()
    until = time.monotonic() + 20
    while not node.stream._readers:
        assert time.monotonic() < until
        time.sleep(0.005)
    node.tell(Received(b"a", "bob", 2_000))
    node.end()
    listening.join(20)
    assert codes == [0]
    assert [line[20:] for line in capsys.readouterr().out.splitlines()] == [
        "received a (2.00 kB) from bob",
        "the node has ended",
    ]


def test_follow_goes_on_with_the_next_node_and_says_nothing_twice(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "_AGAIN_S", 0.01)
    node.tell(Received(b"before", "bob", 1))
    heard = watching._followed(str(node.folder), {"command": "events", "last": 10, "since": None})
    assert [next(heard)["event"] for _ in range(2)] == ["begun", "received"]
    node.end()
    assert next(heard)["event"] == "ended"
    again = Node(node.folder)
    try:
        again.tell(Received(b"after", "bob", 1))
        found = [next(heard) for _ in range(2)]
        assert [(one["event"], one.get("path")) for one in found] == [("begun", None), ("received", "after")]
    finally:
        heard.close()
        again.end()


def test_no_node(tmp_path: Path, capsys: Printed) -> None:
    assert cli.main(["events", str(tmp_path)]) == 1
    assert "no node is running for" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--only", "conflicts"], "did you mean conflict?"),
        (["--only", "zzzzzz"], "there are new_here, "),
        (["--follow", "--no-wait"], "exclude each other"),
        (["--last", "x"], "not a whole number"),
    ],
)
def test_a_wrong_command_line(tmp_path: Path, capsys: Printed, words: list[str], said: str) -> None:
    assert cli.main(["events", str(tmp_path), *words]) == 2
    assert said in capsys.readouterr().err


def test_a_node_that_waits_for_its_folder_is_told_of(
    tmp_path: Path, capsys: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(root, "paused", lambda text: "its disk is gone" if text == str(tmp_path / "gone") else "")
    assert cli.main(["events", str(tmp_path / "gone")]) == 1
    assert "the node is paused: its disk is gone" in capsys.readouterr().err


@pytest.mark.parametrize("kind", get_args(Event), ids=kind_of)
def test_each_kind_has_words_that_a_terminal_can_show(kind: type[Event]) -> None:
    words = EventWords("/shared")
    for event in samples(kind):
        lines = words.of(event)
        assert all(line.isprintable() for line in lines)
        if not kind.__name__.startswith(("Fetched", "Begun", "ReceivedMany", "SentMany", "PeerAhead")):
            assert lines
