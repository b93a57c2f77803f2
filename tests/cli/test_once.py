"""The command line of `once`, and its words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dir_sync import cli
from dir_sync.cli import once
from dir_sync.config import Config
from dir_sync.core import notes
from dir_sync.core.declined import Declined, Reason
from dir_sync.core.peers.standing import Lack
from dir_sync.core.shot import Left, Shot, Verdict
from dir_sync.core.tally import Tally
from dir_sync.daemon import dry_run
from dir_sync.folder.state import Locked
from tests.core.test_shot import ALONE, TROUBLE, peer, with_peers


@pytest.fixture
def folder(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "shared").mkdir()
    return str(tmp_path / "shared")


def ends(monkeypatch: pytest.MonkeyPatch, shot: Shot) -> list[Any]:
    """The run ends so. Returns what it is called with."""
    called: list[Any] = []

    def run(*args: Any) -> Shot:
        called.extend(args)
        return shot

    monkeypatch.setattr(once, "_run", run)
    return called


@pytest.mark.parametrize(
    "words",
    [["--timeout", "0"], ["--timeout", "x"], ["--timeout", "2d"], ["--wait-for", "0"], ["--wait-for", "x"], ["--wait"],
     ["--config", "f"], ["more"], ["-l", "0"]],
)  # fmt: skip
def test_wrong_words(capsys: pytest.CaptureFixture[str], folder: str, words: list[str]) -> None:
    assert cli.main(["once", folder, *words]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1


def test_no_such_folder(capsys: pytest.CaptureFixture[str], folder: str) -> None:
    assert cli.main(["once", f"{folder}/none"]) == 2
    assert "no such folder" in capsys.readouterr().err


def test_the_options_of_a_node_count(monkeypatch: pytest.MonkeyPatch, folder: str) -> None:
    called = ends(monkeypatch, Shot(Verdict.EQUAL, with_peers(peer("b")), ("b",), Tally()))
    words = ["-b", "5001", "-s", f"{folder}.s", "--peer", "h", "--mode", "mirror", "--folder", "photos", "--no-listen"]
    assert cli.main(["once", folder, *words]) == 0
    config: Config = called[0]
    assert (config.broadcast_port, config.peers, config.mode.value) == (5001, (("h", 6000),), "mirror")
    assert (config.folder_name, config.listens, config.listen_port) == ("photos", False, 6000)
    assert called[1] is True, "any port will do"
    assert cli.main(["once", folder, "-l", "6000"]) == 0
    assert called[5] is False


FILE = """\
peer = ["server"]
listen_port = 6001
[folders.work]
dir = "shared"
mode = "receive-only"
"""
SECOND = '[folders.more]\ndir = "more"\ncreate = true\n'


def test_the_options_of_a_file_count_and_those_that_are_typed_count_more(
    monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    called = ends(monkeypatch, Shot(Verdict.EQUAL, with_peers(peer("b")), ("b",), Tally()))
    file = Path(folder).with_name("work.toml")
    file.write_text(FILE)
    assert cli.main(["once", "--config", str(file), "--timeout", "5s"]) == 0
    one: Config = called[0]
    assert (one.folder, one.folder_name, one.mode.value) == (folder, "work", "receive-only")
    assert (one.peers, one.listen_port, called[1]) == ((("server", 6000),), 6001, True)
    file.write_text(FILE + SECOND)
    assert cli.main(["once", folder, "--config", str(file), "--mode", "mirror", "--peer", "h", "-l", "6002"]) == 0
    one = called[4]
    assert (one.folder, one.folder_name, one.mode.value) == (folder, "work", "mirror")
    assert (one.peers, one.listen_port, called[5]) == ((("h", 6000),), 6002, False)
    assert cli.main(["once", str(file.with_name("more")), "--config", str(file)]) == 0
    assert called[8].folder_name == "more"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "which folder? For example"),
        (["--config", "two.toml"], "two.toml names 2 folders: write the one that is meant"),
        ([".", "--config", "two.toml"], "two.toml does not name ."),
        (["--config", "two.toml", "--folder", "x"], "--folder cannot be given"),
        (["--config", "none.toml"], "none.toml: No such file or directory"),
        (["--config", "two.toml", "--config", "wrong.toml"], "wrong.toml:1: pear: there is no such key"),
    ],
)
def test_a_file_that_does_not_say_which_folder(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: str, words: list[str], said: str
) -> None:
    monkeypatch.chdir(Path(folder).parent)
    Path("two.toml").write_text(FILE + SECOND)
    Path("wrong.toml").write_text("pear = 1\n" + FILE)
    assert cli.main(["once", *words]) == 2
    out, err = capsys.readouterr()
    assert said in err
    assert (out, len(err.splitlines())) == ("", 1)


@pytest.mark.parametrize("is_dry", [False, True])
def test_another_program_has_the_folder_all_the_time(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: str, is_dry: bool
) -> None:
    """One line, and with --json the usual object as well."""

    def locked(*args: object) -> None:
        raise Locked("another process has the folder")

    monkeypatch.setattr(*((dry_run, "run") if is_dry else (once, "_run")), locked)
    words = ["once", folder, "--timeout", "1s", *(["--dry-run"] if is_dry else [])]
    line = "another process has the folder, and has not ended in time"
    assert cli.main(words) == 3
    assert capsys.readouterr() == ("", f"dir_sync: {line}\n")
    assert cli.main([*words, "--json"]) == 3
    out, err = capsys.readouterr()
    said = json.loads(out)
    assert (said["result"], said["node_runs"], said["peers"]) == ("late", False, [])
    assert said["left"] == [{"path": "", "problem": line}]
    assert err == f"dir_sync: {line}\n"


def test_a_dry_run_makes_no_folder_of_a_file(folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    file = Path(folder).with_name("one.toml")
    file.write_text(SECOND)
    assert cli.main(["once", "--config", str(file), "--dry-run"]) == 2
    assert not file.with_name("more").exists()
    (line,) = capsys.readouterr().err.splitlines()
    assert "is not there: a run without --dry-run would make" in line


def test_create_makes_the_folder(monkeypatch: pytest.MonkeyPatch, folder: str) -> None:
    called = ends(monkeypatch, Shot(Verdict.EQUAL, with_peers(peer("b")), ("b",), Tally()))
    assert cli.main(["once", f"{folder}/new", "--create"]) == 0
    assert called[0].folder == f"{folder}/new"


@pytest.mark.parametrize(
    ("shot", "code", "line"),
    [
        (Shot(Verdict.EQUAL, with_peers(peer("b")), ("b",), Tally()), 0, "in sync with b: 3 files (9 B)"),
        (Shot(Verdict.EQUAL, ALONE, ("b", "c"), Tally()), 0, "in sync with b and c: 3 files (9 B)"),
        (Shot(Verdict.EQUAL, with_peers(peer("b")), ("b",)), 0,
         "in sync with b: 3 files (9 B) (by the node that runs here, process 1)"),
        (Shot(Verdict.LATE, ALONE, (), Tally()), 3, "not in sync: no other machine was there in time"),
        (Shot(Verdict.LATE, None, (), Tally()), 3, "not in sync: no other machine was there in time"),
        (Shot(Verdict.LATE, with_peers(paused_elsewhere=("b",)), (), Tally()), 3, "not in sync: b has paused this folder"),
        (Shot(Verdict.LATE, with_peers(paused_elsewhere=("b", "c")), (), Tally()), 3,
         "not in sync: b and c have paused this folder"),
        (Shot(Verdict.LATE, with_peers(peer("b", None)), ("b",), Tally()), 3, "not in sync in time with b"),
        (Shot(Verdict.STUCK, with_peers(peer("b"), troubled=TROUBLE), ("b",), Tally()), 4,
         "not in sync with b: something is left"),
    ],
)  # fmt: skip
def test_how_it_ended(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: str, shot: Shot, code: int, line: str
) -> None:
    ends(monkeypatch, shot)
    assert cli.main(["once", folder]) == code
    assert capsys.readouterr().out.splitlines()[0] == line
    assert cli.main(["once", folder, "-q"]) == code
    assert bool(capsys.readouterr().out) == bool(code)
    assert cli.main(["once", folder, "--json"]) == code
    found = json.loads(capsys.readouterr().out)
    assert found["result"] == shot.verdict.value if shot.verdict else None
    assert found["peers"] == list(shot.peers)
    assert found["node_runs"] is (shot.tally is None)


def test_a_machine_that_could_not_be_reached_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: str
) -> None:
    why = ("cannot connect to kitchen:6000 (Connection refused)",)
    ends(monkeypatch, Shot(Verdict.LATE, ALONE, (), Tally(), why))
    assert cli.main(["once", folder]) == 3
    assert capsys.readouterr().out.splitlines() == [
        "not in sync: no other machine was there in time",
        "  cannot connect to kitchen:6000 (Connection refused)",
    ]
    assert cli.main(["once", folder, "--json"]) == 3
    left = json.loads(capsys.readouterr().out)["left"]
    assert left == [{"path": "", "problem": "cannot connect to kitchen:6000 (Connection refused)"}]
    ends(monkeypatch, Shot(Verdict.LATE, with_peers(peer("b")), ("b",), Tally(), why))
    assert cli.main(["once", folder]) == 3
    assert capsys.readouterr().out.splitlines() == [
        "not in sync in time: in sync with b, and not with all that were named",
        "  cannot connect to kitchen:6000 (Connection refused)",
    ]


def test_what_a_peer_does_not_have_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: str
) -> None:
    status = with_peers(peer("bob", lacks=Lack(60, 600, 0)))
    lacking = tuple(Left(f"f{number}", "bob does not have it") for number in range(60))
    ends(monkeypatch, Shot(Verdict.LATE, status, ("bob",), Tally(), lacking=lacking))
    assert cli.main(["once", folder]) == 3
    lines = capsys.readouterr().out.splitlines()
    assert "  bob lacks 60 of the changes made here; 'status' there says why" in lines
    assert "  f0: bob does not have it" in lines
    assert lines[-1] == "  and 11 more; --json names them"
    assert cli.main(["once", folder, "--json"]) == 3
    assert len(json.loads(capsys.readouterr().out)["left"]) == 61


def test_who_is_done_and_does_not_have_all_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: str
) -> None:
    """A run that asks the node here ends as one that has done the work: nothing is to be done with that peer."""
    apart = peer("bob", Lack(2, 9, 0), declined=(Declined(Reason.IGNORED, 2, 9),))
    assert apart.has_dealt_with_all
    assert not peer("bob", Lack(3, 9, 0), declined=apart.declined).has_dealt_with_all
    assert not peer("bob", Lack(2, 9, 0), Lack(1, 1, 0), apart.declined).has_dealt_with_all
    assert not peer("bob", Lack(2, 9, 0), declined=(Declined(Reason.FAILED, 2, 9),)).has_dealt_with_all
    ends(monkeypatch, Shot(Verdict.EQUAL, with_peers(apart), ("bob",), Tally()))
    assert cli.main(["once", folder]) == 0
    assert capsys.readouterr().out.splitlines()[:2] == [
        "in sync with bob: 3 files (9 B)",
        "bob leaves out what its rules ignore: 2 files (9 B)",
    ]


def test_a_signal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: str) -> None:
    called = ends(monkeypatch, Shot(None))
    monkeypatch.setattr(once.Ending, "listen", lambda ending: setattr(ending, "number", 2))
    assert cli.main(["once", folder]) == 130
    assert called
    assert capsys.readouterr().out == ""


def test_what_was_done_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: str
) -> None:
    tally = Tally()
    for number in range(9):
        tally.tell(notes.Received(b"%d" % number, "b", 5))
    for note in (notes.Sent(b"s", "b", 7), notes.Removed(b"gone", "b"), notes.Conflict(b"c", b"c.1")):
        tally.tell(note)
    tally.tell(notes.Unreadable(b"locked", "Permission denied"))
    ends(monkeypatch, Shot(Verdict.EQUAL, with_peers(peer("b")), ("b",), tally))
    assert cli.main(["once", folder]) == 4, "a file that cannot be read is not the same elsewhere"
    lines = capsys.readouterr().out.splitlines()
    assert lines[1:4] == [
        "received: 9 paths (45 B)",
        "sent: 1 path (7 B): s",
        "deleted here, as elsewhere: 1 path: gone",
    ]
    assert lines[4] == "in conflict; what lost is kept: 1 path: c"
    assert "conflicts" in lines[5]
    assert lines[6:] == ["  locked: Permission denied"]
    assert cli.main(["once", folder, "--json"]) == 4
    found = json.loads(capsys.readouterr().out)
    assert found["result"] == "stuck"
    assert found["received"]["count"] == 9
    assert found["conflicts"] == [{"path": "c", "version": "c.1"}]
    assert found["left"] == [{"path": "locked", "problem": "Permission denied"}]
