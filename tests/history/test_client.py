"""The history for people: what a version is called, and what may be done with it."""

from __future__ import annotations

import base64
import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3

from dir_sync import cli
from dir_sync.core.jobs import Cause, Version
from dir_sync.core.model import Kind, Record, Stamp, fingerprint, show
from dir_sync.disk import RealDisk
from dir_sync.history import client, source
from dir_sync.history.choice import Entry
from dir_sync.history.client import open_history
from dir_sync.history.codec import packed, unpacked
from dir_sync.history.restorer import Restorer
from dir_sync.history.source import open_source
from dir_sync.history.words import describe_undo, local
from dir_sync.index import JOURNAL_SINCE

SECOND_NS = 10**9
NOON_NS = 1_700_000_000 * SECOND_NS


def version(
    content: bytes, until_s: int, path: bytes = b"file", why: Cause = Cause.REPLACED, mtime_s: int = -900
) -> Version:
    """Displaced so many seconds after noon; known by a peer, if nobody gives it a name."""
    digest = blake3(content).digest()
    return Version(
        b"", path, Kind.FILE, len(content), digest, NOON_NS + mtime_s * SECOND_NS, 0o644,
        NOON_NS + until_s * SECOND_NS, why, "cc",
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path.resolve() / "shared"
    for name in ("versions", "staging"):
        (root / ".dir_sync" / name).mkdir(parents=True)
    return root


@pytest.fixture
def node(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    node = Node(folder)
    monkeypatch.setattr(source, "ask", node.answer)
    return node


class Node:
    """Answers the questions that a running node is asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.own: list[Version] = []
        self.peers: dict[str, list[Version]] = {}
        self.asked: list[dict[str, Any]] = []
        self.makers: dict[str, str] = {}  # of the losers of conflicts, by their ids
        self.winners: dict[str, str] = {}  # who made what is there now, by path
        self.pending = 0
        self.undo: dict[str, Any] = {"changes": [], "left": []}
        self.unknown: set[str] = set()
        self.there: dict[str, bytes] = {}  # contents that peers keep, by their hash in hex

    def has(self, one: Version, content: bytes) -> None:
        name = b".dir_sync/versions/%d" % len(self.own)
        (self.folder / name.decode()).write_bytes(content)
        self.own.append(one._replace(name=name))

    def answer(self, folder: str, question: dict[str, Any], begins_s: float = 0.0) -> dict[str, Any]:
        self.asked.append(question)
        if question["command"] == "pending":
            return {"count": self.pending}
        if question["command"] == "undo":
            return self.undo | {"since_ns": question["since_ns"]}
        if question["command"] == "excerpt":
            data = self.there[question["content"]]
            return {"data": base64.b64encode(data[question["offset"] :][: question["length"]]).decode()}
        if question["command"] != "versions":
            return {}
        peers = [{"node": peer, "versions": [packed(one) for one in some]} for peer, some in self.peers.items()]
        own = [packed(one) for one in self.own]
        known = question.get("path") not in self.unknown
        answer = {"versions": own, "names": {}, "node": "aa", "peers": peers, "known": known}
        return answer | {"makers": self.makers, "winners": self.winners}

    def entries(self, conflicts: bool = False) -> list[Entry]:
        with open_history(str(self.folder)) as opened:
            return opened.entries(conflicts=conflicts)


def test_an_id_does_not_depend_on_who_answers_first(node: Node) -> None:
    one, other = version(b"first", 1), version(b"first", 2)
    node.peers = {"bb": [one], "cc": [other]}
    (before,) = node.entries()
    node.peers = {"cc": [other], "bb": [one]}
    (after,) = node.entries()
    assert before.id == after.id
    assert {before.on, after.on} == {"bb, cc", "cc, bb"}
    node.has(version(b"first", 3), b"first")
    (here,) = node.entries()
    assert (here.id, here.on) == (before.id, "here")


def test_other_contents_paths_and_kinds_have_other_ids(node: Node) -> None:
    one = version(b"first", 1)
    link = one._replace(kind=Kind.SYMLINK)
    node.peers = {"bb": [one, version(b"second", 1), version(b"first", 1, b"other"), link]}
    assert len({entry.id for entry in node.entries()}) == 4
    for _ in range(2):
        node.has(one._replace(content=b""), b"nobody has read it")
    assert len({entry.id for entry in node.entries()}) == 6, "what nobody has read may be anything"


def test_the_newest_of_an_id_is_restored(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    for until_s in (1, 3, 2):
        node.has(version(b"first", until_s), b"first")
    (id_,) = {entry.id for entry in node.entries()}
    assert cli.main(["restore", str(node.folder), "file", "--version", id_]) == 0
    assert capsys.readouterr().out == f"file: restored (the version replaced at {local(NOON_NS + 3 * SECOND_NS)})\n"
    assert (node.folder / "file").read_bytes() == b"first"


@pytest.mark.parametrize("word", ["keep", "restore"])
def test_a_conflict_is_settled_for_all_of_an_id(node: Node, word: str, capsys: pytest.CaptureFixture[str]) -> None:
    for until_s in (1, 2):
        node.has(version(b"loser", until_s, why=Cause.CONFLICT), b"loser")
    (id_,) = {entry.id for entry in node.entries(conflicts=True)}
    assert cli.main(["conflicts", str(node.folder), word, id_, id_]) == 0
    (settled,) = [question["versions"] for question in node.asked if question["command"] == "settle"]
    assert {one["name"] for one in settled} == {".dir_sync/versions/0", ".dir_sync/versions/1"}
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_what_a_restore_displaces_is_kept_as_what_it_is(folder: Path) -> None:
    """Without a node, again and again: the index knows only what was there when a node ran."""
    file = folder / "file"
    contents = (b"first", b"other")
    versions = [folder / ".dir_sync/versions" / f"{number}" for number in range(2)]
    with open_source(str(folder)) as here:
        assert here.index is not None
        for number, content in enumerate(contents):
            versions[number].write_bytes(content)
            name = b".dir_sync/versions/%d" % number
            here.index.versions.put(version(content, number)._replace(name=name))
        here.index.commit()
    with open_history(str(folder)) as opened:
        file.write_bytes(b"there!")
        by_id = {entry.version.content: entry for entry in opened.entries()}
        for content in contents:
            assert opened.restore(by_id[blake3(content).digest()])
            assert file.read_bytes() == content
        kept = {entry.version.content for entry in opened.entries()}
        assert kept == {blake3(content).digest() for content in (*contents, b"there!")}


def test_what_is_saved_as_large_and_as_old_while_it_is_displaced_is_kept_as_what_it_is(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """cp -p between the last look and the exchange."""
    file = folder / "file"
    kept = folder / ".dir_sync/versions/0"
    kept.write_bytes(b"first")
    with open_source(str(folder)) as here:
        assert here.index is not None
        here.index.versions.put(version(b"first", 0)._replace(name=b".dir_sync/versions/0"))
        here.index.commit()
    file.write_bytes(b"there!")
    exchange = RealDisk.exchange

    def meddling(disk: RealDisk, mine: bytes, theirs: bytes) -> None:
        if file.read_bytes() == b"there!":
            there = file.stat()
            file.write_bytes(b"saved!")
            os.utime(file, ns=(there.st_atime_ns, there.st_mtime_ns))
        exchange(disk, mine, theirs)

    monkeypatch.setattr(RealDisk, "exchange", meddling)
    with open_history(str(folder)) as opened:
        (entry,) = opened.entries()
        assert opened.restore(entry)
        assert file.read_bytes() == b"first"
        contents = {entry.version.content for entry in opened.entries()}
        assert contents == {blake3(b"first").digest(), blake3(b"saved!").digest()}


def restored(node: Node, *words: str) -> int:
    return cli.main(["restore", str(node.folder), *words])


def at(s: int) -> str:
    return local(NOON_NS + s * SECOND_NS)


def test_a_version_made_later_is_not_what_was_there_then(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    node.has(version(b"second", 60, mtime_s=20), b"second")
    assert restored(node, "file", "--at", at(10)) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert at(20) in err
    assert "history" in err
    assert not (node.folder / "file").exists()
    assert restored(node, "file", "--at", at(30)) == 0
    assert (node.folder / "file").read_bytes() == b"second"


def test_what_was_not_in_a_folder_then_does_not_come_back(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    node.has(version(b"new", 60, b"tree/new", mtime_s=20), b"new")
    assert restored(node, "tree", "--at", at(10)) == 1
    assert at(20) in capsys.readouterr().err
    node.has(version(b"old", 60, b"tree/old", mtime_s=-20), b"old")
    assert restored(node, "tree", "--at", at(10)) == 0
    assert [path.name for path in (node.folder / "tree").iterdir()] == ["old"]


@pytest.mark.parametrize(
    ("words", "is_said"), [([], True), (["--at", "10m"], True), (["--version", "00000000"], False)]
)
def test_where_no_version_is_kept_it_is_said_that_an_undo_cuts_off_what_was_appended(
    node: Node, capsys: pytest.CaptureFixture[str], words: list[str], is_said: bool
) -> None:
    (node.folder / "log").write_bytes(b"one two")
    assert restored(node, "log", *words) == 1
    said = capsys.readouterr().err
    assert "no such old version of log" in said
    assert ("'undo' cuts off what was only appended" in said) == is_said


@pytest.mark.parametrize(("dry_run", "begins"), [(True, "nothing would be restored"), (False, "nothing is restored")])
def test_an_undo_that_leaves_everything_as_it_is_says_so_first(dry_run: bool, begins: str) -> None:
    left = [{"path": "plan", "by": "bob"}]
    answer: dict[str, Any] = {"since_ns": NOON_NS, "changes": [], "left": left}
    first, *rest = describe_undo(answer, NOON_NS, dry_run)
    assert first.startswith(begins)
    assert "plan  bob has changed it since" in rest[-1]


def undone(node: Node | Path, *words: str) -> int:
    return cli.main(["undo", str(node if isinstance(node, Path) else node.folder), "--since", "1h", "--yes", *words])


@pytest.mark.parametrize("begins", [True, False])
def test_what_was_appended_is_cut_off_only_where_the_file_begins_with_what_was_before(
    node: Node, begins: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """No history has the old version. A node says where it may be; the file itself tells."""
    file = node.folder / "log"
    file.write_bytes(b"first\nsecond\n" if begins else b"third\nsecond\n")
    before = packed(version(b"first\n", 0, b"log"))
    change = {"path": "log", "kind": 1, "size": 6, "replaces": True, "lost": False, "unsure": True, "version": before}
    node.undo["changes"] = [change]
    for words in (("--dry-run",), ()):
        node.asked.clear()
        if begins and not words:
            file.write_bytes(b"first\n")  # as the node will have done
        assert undone(node, *words) == (0 if begins or words else 1)
        out, err = capsys.readouterr()
        assert [one["version"] for one in node.asked if one["command"] == "recall"] == (
            [before] if begins and not words else []
        )
        assert bool(re.search(r"^  restore +6 B +log +what was appended since then is cut off$", out, re.M)) == begins
        assert bool(re.search(r"^  leave +- +log +the version of ", out, re.M)) == (not begins)
        assert ("is no longer kept" in out) == (not begins)
        assert ("restoring" in out) == (begins and not words)
        assert err.count("\n") == (0 if begins or words else 1)


@pytest.mark.parametrize("begins", [True, False])
def test_what_was_appended_is_cut_off_without_a_node(
    folder: Path, begins: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    file = folder / "log"
    now = b"first\nsecond\n" if begins else b"third\nsecond\n"
    file.write_bytes(now)
    with open_source(str(folder)) as here, closing(Restorer(here)) as restorer:
        index = here.index
        assert index is not None
        stat = restorer.disk.stat(b"log")
        assert stat is not None
        old = blake3(b"first\n").digest()
        was = Record(b"log", Kind.FILE, 6, old, NOON_NS, 0o644, Stamp(1, "aa"), (("aa", 1),))
        row = Record(b"log", Kind.FILE, 13, blake3(now).digest(), stat.mtime, 0o644, Stamp(2, "aa"), (("aa", 2),))
        index.rows.put(row, fingerprint(stat))
        index.journal.write(row, was, time.time_ns() - 60 * SECOND_NS)
        index.notes.put(JOURNAL_SINCE, NOON_NS)
        index.commit()
    assert undone(folder, "--dry-run") == 0
    assert file.read_bytes() == now
    assert undone(folder) == (0 if begins else 1)
    out, err = capsys.readouterr()
    assert file.read_bytes() == (b"first\n" if begins else now)
    assert err.count("\n") == (0 if begins else 1)
    assert bool(re.search(r"^  leave +- +log +the version of ", out, re.M)) == (not begins)
    with open_history(str(folder)) as opened:
        kept = [entry.version.content for entry in opened.entries()]
    assert kept == ([blake3(now).digest()] if begins else []), "what was there can come back"


@pytest.mark.parametrize("runs", [True, False])
@pytest.mark.parametrize("new", [b"new\n", None])
def test_what_was_appended_to_and_renamed_comes_back_under_its_name(
    folder: Path,
    node: Node,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    runs: bool,
    new: bytes | None,
) -> None:
    """It is taken from the file of the new name before that one goes. With a node running, the node does the rest."""
    whole = b"first\nsecond\n"
    rotated = folder / "logs" / "log.1"
    rotated.parent.mkdir()
    rotated.write_bytes(whole)
    before = version(b"first\n", 0, b"log")
    if new is not None:
        (folder / "log").write_bytes(new)
    if runs:
        shared = {"replaces": new is not None, "lost": False}
        node.undo["changes"] = [
            {
                "path": "log",
                "kind": 1,
                "size": 6,
                "unsure": True,
                "sources": ["log", "logs/log.1"],
                "version": packed(before),
            }
            | shared,
            {"path": "logs/log.1", "kind": 0, "size": 0, "unsure": False} | shared,
        ]
        node.undo["node"] = "aa"
    else:
        monkeypatch.undo()
        with open_source(str(folder)) as here, closing(Restorer(here)) as restorer:
            index = here.index
            assert index is not None
            stamp = Stamp(1, "aa"), (("aa", 1),)
            rows = {b"log": new, b"logs/log.1": whole}
            states: list[tuple[bytes, bytes | None]] = [
                (b"log", b"first\n"),
                (b"log", whole),
                (b"logs/log.1", None),
                (b"log", None),
            ]
            for path, content in rows.items():
                stat = restorer.disk.stat(path)
                if stat is not None and content is not None:
                    row = Record(path, Kind.FILE, len(content), blake3(content).digest(), stat.mtime, 0o644, *stamp)
                    index.rows.put(row, fingerprint(stat))
            for path, content in states:
                was = Record(
                    path, Kind.FILE, len(content or b""), blake3(content or b"").digest(), NOON_NS, 0o644, *stamp
                )
                was = was if content is not None else was._replace(kind=Kind.ABSENT)
                index.journal.write(was, was, time.time_ns() - 60 * SECOND_NS)
            index.notes.put(JOURNAL_SINCE, NOON_NS)
            index.commit()
    assert undone(folder, "--dry-run") == 0
    assert rotated.read_bytes() == whole
    undone(folder)
    assert re.search(r"^  restore +6 B +log +logs/log.1 begins with it$", capsys.readouterr().out, re.M)
    assert (folder / "log").read_bytes() == b"first\n"
    if runs:
        assert [one["dry_run"] for one in node.asked if one["command"] == "undo"] == [True, True, False]
        assert not [one for one in node.asked if one["command"] == "recall"]
        assert [unpacked(one["version"]).maker for one in node.asked if one["command"] == "keep"] == ["aa"] * (
            new is not None
        )
    else:
        assert not rotated.exists()
        with open_history(str(folder)) as opened:
            kept = {entry.version.content for entry in opened.entries()}
        assert kept == {blake3(one).digest() for one in (whole, new) if one is not None}, "what was there can come back"


@pytest.mark.parametrize(("pending", "code"), [(0, 1), (2, 3)])
def test_what_is_still_coming_is_a_time_out(
    node: Node, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, pending: int, code: int
) -> None:
    """Restored from a peer: not there within a minute. What cannot come at all is trouble."""
    monkeypatch.setattr(client.time, "sleep", lambda _s: None)
    node.peers = {"bb": [version(b"theirs", 60)]}
    node.pending = pending
    assert restored(node, "file") == code
    assert ("still coming from bb" in capsys.readouterr().err) == (code == 3)
    change = {"path": "f", "kind": int(Kind.FILE), "size": 1, "replaces": True, "lost": False}
    node.undo["changes"] = [change]
    assert undone(node) == (3 if pending else 1)
    assert ("not restored: f" in capsys.readouterr().err) == (code == 1), "nothing came, and that is said"
    (node.folder / "f").write_bytes(b"1")
    assert undone(node) == (3 if pending else 0)
    assert ("2 paths still to come; to watch: python main.py status " in capsys.readouterr().out) == (code == 3)
    assert cli.main(["undo", str(node.folder), "--since", "1h", "--dry-run"]) == 0


def test_an_undo_needs_consent_also_where_nobody_can_be_asked(
    node: Node, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[bool] = []

    def undo(self: client.HistoryClient, since_ns: int, by: str | None, dry_run: bool) -> dict[str, Any]:
        asked.append(dry_run)
        return {"since_ns": since_ns, "changes": changes, "left": []}

    changes: list[dict[str, Any]] = [{"path": "f", "kind": Kind.ABSENT, "lost": False}]
    monkeypatch.setattr(client.HistoryClient, "undo", undo)
    monkeypatch.setattr("dir_sync.cli.dialogue.has_terminal", lambda: False)
    words = ["undo", str(node.folder), "--since", "1h"]
    assert cli.main(words) == 1
    assert asked == [True]
    shown = capsys.readouterr()
    assert "needs your consent: run it in a terminal, or with --yes" in shown.err
    assert "would restore 1 path to its state" in shown.err
    assert "it did not exist then" in shown.err
    assert not shown.out
    changes.clear()
    assert cli.main(words) == 0, "there is nothing to consent to"


def test_what_a_node_refuses_keeps_its_code(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    for exit_code, code in ((2, 2), (1, 1), (None, 1), ("2; rm", 1), (0, 1)):
        answer = {"error": "no node has that name or id", "exit_code": exit_code}
        monkeypatch.setattr(node, "undo", answer)
        assert cli.main(["undo", str(node.folder), "--since", "1h", "--by", "nobody"]) == code


def test_conflicts_can_be_checked(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["conflicts", str(node.folder), "--check"]) == 0
    node.has(version(b"loser", 1, why=Cause.CONFLICT), b"loser")
    assert cli.main(["conflicts", str(node.folder)]) == 0
    assert cli.main(["conflicts", str(node.folder), "--check"]) == 4
    assert "conflict" in capsys.readouterr().out


def test_without_a_node_conflicts_says_that_nobody_else_was_asked(
    node: Node, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["conflicts", str(node.folder)]) == 0
    assert capsys.readouterr().out == "no conflicts\n"
    monkeypatch.setattr(client.HistoryClient, "asks_others", False)
    assert cli.main(["conflicts", str(node.folder)]) == 0
    assert "no node runs here, so no other machine was asked for conflicts; to start one: " in capsys.readouterr().out
    assert cli.main(["conflicts", str(node.folder), "--json"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_conflicts_come_with_the_commands_that_settle_them(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    """Under an empty line: each line of the table is a conflict."""
    assert cli.main(["conflicts", str(node.folder)]) == 0
    assert capsys.readouterr().out == "no conflicts\n"
    node.has(version(b"loser", 1, why=Cause.CONFLICT), b"loser")
    (id_,) = {entry.id for entry in node.entries(conflicts=True)}
    node.makers = {id_: "dddd"}
    assert cli.main(["conflicts", str(node.folder)]) == 0
    out, err = capsys.readouterr()
    table, _, commands = out.partition("\n\n")
    assert err == ""
    assert [line.split()[0] for line in table.splitlines()] == ["ID", id_]
    assert [len(re.findall(f" {by} ", table)) for by in ("BY", "dddd", "cc")] == [2, 1, 1], "who made both sides"
    command = f"python main.py conflicts {node.folder}"
    assert commands.splitlines() == [
        f"to see how they differ: {command} show {id_}",
        f"to bring back the version that lost: {command} restore {id_}",
        f"to leave what is there now: {command} keep {id_}",
    ]
    assert cli.main(["conflicts", str(node.folder), "--json"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1
    node.has(version(b"other", 2, why=Cause.CONFLICT)._replace(maker="=5f20229"), b"other")
    assert cli.main(["conflicts", str(node.folder)]) == 0
    out = capsys.readouterr().out
    assert out.count("first sync") == 2
    assert out.endswith(
        "first sync: both machines had the file before they met for the first time, and the newer one won\n"
    )
    assert "first contact" not in out


def test_an_older_file_that_won_a_first_sync_won_because_of_a_mode(
    node: Node, capsys: pytest.CaptureFixture[str]
) -> None:
    (node.folder / "file").write_bytes(b"winner")
    os.utime(node.folder / "file", ns=(NOON_NS, NOON_NS))
    by_first_sync = version(b"loser", 1, why=Cause.CONFLICT, mtime_s=60)._replace(maker="=5f20229")
    node.has(by_first_sync, b"loser")
    assert cli.main(["conflicts", str(node.folder)]) == 0
    both = "first sync: both machines had the file before they met for the first time, and"
    assert capsys.readouterr().out.endswith(f"{both} the older one won because of the mode of a machine\n")
    assert cli.main(["conflicts", str(node.folder), "show", "all"]) == 0
    out = capsys.readouterr().out
    assert "older, and won because of the mode of a machine, when the folders first met" in out
    (node.folder / "other").write_bytes(b"winner")
    node.has(by_first_sync._replace(path=b"other", mtime=NOON_NS), b"loser")
    assert cli.main(["conflicts", str(node.folder)]) == 0
    assert capsys.readouterr().out.endswith(
        f"{both} the newer one won; or the older one won because of the mode of a machine\n"
    )


def test_who_changed_the_winner_again_made_what_is_there_now(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    (node.folder / "file").write_bytes(b"winner, edited")
    node.has(version(b"loser", 60, why=Cause.CONFLICT)._replace(maker="aa"), b"loser")
    words = ["conflicts", str(node.folder)]
    for winners, by, since in (
        ({}, "this node", ""),  # a node of an older version
        ({"file": "aa"}, "this node", ""),
        ({"file": "bb" * 8}, "bbbbbbbb", ", then changed by bbbbbbbb"),
    ):
        node.winners = winners
        assert cli.main(words) == 0
        assert re.search(rf" B +{by} +file$", capsys.readouterr().out, re.MULTILINE)
        assert cli.main([*words, "--json"]) == 0
        (one,) = json.loads(capsys.readouterr().out)["conflicts"]
        assert (one["by"], one["now"]["by"]) == ("this node", by)
        assert cli.main([*words, "show", one["id"]]) == 0
        assert f"won by the change of this node{since}\n" in capsys.readouterr().out


@pytest.mark.parametrize("name", [b"back\\slash", b"new\nline", b"caf\xe9", "\u202e".encode(), b"x" * 240 + b"\\"])
def test_a_name_that_was_printed_is_found(node: Node, capsys: pytest.CaptureFixture[str], name: bytes) -> None:
    """Also one that a log has cut. What is known by its name is that, whatever else it may be the printed form of."""
    node.has(version(b"first", 60, name), b"first")
    printed = show(name)
    node.unknown = {name.decode("utf-8", "surrogateescape") for name in (printed.encode(), name)}
    assert restored(node, printed) == 0
    assert capsys.readouterr().out.startswith(f"{show(name, 1000)}: restored")
    assert (Path(os.fsdecode(os.fsencode(node.folder) + b"/" + name))).read_bytes() == b"first"
    node.has(version(b"other", 60, printed.encode()), b"other")
    assert restored(node, printed) == 0
    assert (node.folder / printed).read_bytes() == b"other"


def test_who_displaced_a_version_by_a_first_contact(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    node.has(version(b"first", 60)._replace(maker="=5f20229"), b"first")
    node.has(version(b"second", 60, b"other")._replace(maker=""), b"second")
    node.has(version(b"third", 60, b"reverted")._replace(maker="!"), b"third")
    node.peers = {"bb" * 8: [version(b"fourth", 60, b"there")._replace(maker="bb" * 8)]}
    assert cli.main(["history", str(node.folder)]) == 0
    out = capsys.readouterr().out
    assert re.search(r"  first sync  here +file", out)
    assert re.search(r"  -           here +other", out)
    assert re.search(r"  this node   here +reverted", out)
    assert re.search(r"  bbbbbbbb    bbbbbbbb +there", out)
    assert "5f20229" not in out


@pytest.mark.parametrize("name", ["out", "versions/out", "../.dir_sync/staging/out", "link/out"])
def test_nothing_is_written_among_what_is_ours(node: Node, name: str, tmp_path: Path) -> None:
    node.has(version(b"first", 60), b"first")
    (node.folder / "link").symlink_to(".dir_sync")
    to = node.folder / name if name.startswith("link") else node.folder / ".dir_sync" / name
    assert restored(node, "file", "--to", str(to)) == 2
    assert not to.exists()
    assert restored(node, "file", "--to", str(tmp_path / "out")) == 0


def test_what_only_another_machine_keeps_is_brought_and_verified(
    node: Node, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = b"lost\n" * 500_000
    one = version(content, 60, why=Cause.CONFLICT)
    node.peers = {"bb" * 8: [one]}
    node.there = {one.content.hex(): content}
    (entry,) = node.entries(conflicts=True)
    to = tmp_path / "out"
    words = ["conflicts", str(node.folder), "show", entry.id, "--to", str(to)]
    assert cli.main(words) == 0
    assert to.read_bytes() == content
    assert to.stat().st_mtime_ns == one.mtime
    asked = [question for question in node.asked if question["command"] == "excerpt"]
    assert [question["length"] for question in asked] == [2**20, 2**20, len(content) - 2**21]
    to.unlink()
    node.there = {one.content.hex(): b"x" + content[1:]}
    assert cli.main(words) == 1
    assert "its bytes are wrong" in capsys.readouterr().err
    node.there = {one.content.hex(): content[:-1]}
    assert cli.main(words) == 1
    assert "did not come completely" in capsys.readouterr().err
    assert not to.exists(), "a part of it would be taken for all of it"


def test_the_difference_to_what_only_another_machine_keeps(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    (node.folder / "file").write_text("one\ntwo\n")
    one = version(b"one\n2\n", 60, why=Cause.CONFLICT)
    node.peers = {"bb" * 8: [one]}
    node.there = {one.content.hex(): b"one\n2\n"}
    (entry,) = node.entries(conflicts=True)
    node.makers = {entry.id: "bb" * 8}
    assert cli.main(["conflicts", str(node.folder), "show", entry.id]) == 0
    out = capsys.readouterr().out
    assert "lost, " in out
    assert "made by bbbbbbbb, kept on bbbbbbbb" in out
    assert "-two\n+2\n" in out


def test_what_had_gone_bad_comes_back_only_by_its_id(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    node.has(version(b"good", 10), b"good")
    node.has(version(b"bad!", 20, why=Cause.ROTTEN), b"bad!")
    assert restored(node, "file") == 0
    assert (node.folder / "file").read_bytes() == b"good"
    (node.folder / "file").unlink()
    assert restored(node, "file", "--at", at(15)) != 0, "what was there then had gone bad"
    assert not (node.folder / "file").exists()
    (bad,) = [entry.id for entry in node.entries() if entry.version.why is Cause.ROTTEN]
    capsys.readouterr()
    assert restored(node, "file", "--version", bad) == 0
    assert capsys.readouterr().out == f"file: restored (the version that had gone bad at {at(20)})\n"
    assert (node.folder / "file").read_bytes() == b"bad!"


def test_only_what_had_gone_bad_is_there(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    node.has(version(b"bad!", 20, why=Cause.ROTTEN), b"bad!")
    assert restored(node, "file") != 0
    assert not (node.folder / "file").exists()
    assert "no such old version" in capsys.readouterr().err
