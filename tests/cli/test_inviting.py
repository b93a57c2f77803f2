"""Who may join with a folder, and what `join` asks a node that runs."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dir_sync.cli import dialogue, inviting
from dir_sync.config import ConfigError
from dir_sync.core.pairing import Host
from dir_sync.security import founding, joining, store

NEWER = " Where the mesh has another version of a file, the newer one counts everywhere; the other one goes into the history."


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "shared" / ".dir_sync").mkdir(parents=True)
    return str(tmp_path / "shared")


def why_not(folder: str) -> str:
    """What `join` says for a code that is none, which it reads after it has looked at the folder."""
    with pytest.raises(ConfigError) as refused:
        inviting.join_by(folder, "K7QX", "desk", 1, None, folder)
    return str(refused.value)


def test_a_member_leaves_first_and_who_was_removed_or_lost_the_key_need_not(folder: str) -> None:
    assert "a code has 8 letters" in why_not(folder)
    kept = founding.found(folder)
    assert "leave that one first" in why_not(folder)
    store.save(folder, replace(kept, removal=store.Removal("nas", 1_700_000_000)))
    assert "a code has 8 letters" in why_not(folder), "it was removed"
    store.forget(folder)
    assert "a code has 8 letters" in why_not(folder), "the mark is all that is left"


def test_a_node_that_runs_says_what_it_is_called_and_what_it_calls_the_folder(
    folder: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    node = {"name": "kitchen", "broadcast_port": 5005, "folder_name": "photos"}
    asked: list[Any] = []

    def join_by(*args: Any, tell: object, yes: bool) -> inviting.Joined:
        assert yes
        asked.extend(args)
        return inviting.Joined("joined", {"host": "nas"})

    monkeypatch.setattr(inviting, "join_by", join_by)
    for answer, expected in (
        (node, ["kitchen", 5005, None, folder, "photos"]),
        (None, ["desk", 5000, None, folder, "default"]),
    ):
        monkeypatch.setattr(inviting, "ask_node", lambda folder, question, answer=answer: answer)
        assert inviting.join([folder, "K7QX-4MDP", "--yes", "--name", "desk"]) == 0
        assert asked == [folder, "K7QX-4MDP", *expected]
        asked.clear()
    assert "the node that runs goes over to it" in capsys.readouterr().out
    monkeypatch.setattr(inviting, "ask_node", lambda folder, question: node)
    assert inviting.join([folder, "K7QX-4MDP", "--yes", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"host": "nas", "runs": True}


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ([], "looking for the machine with the code K7..., at most 10 s (broadcasts on UDP port 5000; where they do not"
             " arrive: --peer HOST) ..."),
        (["--peer", "nas:6001"], "asking nas, TCP port 6001, for its closed mesh ..."),
        (["--json"], ""),
    ],
)  # fmt: skip
def test_what_is_looked_for_is_said_before_the_search(
    folder: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], line: str
) -> None:
    said: list[str] = []

    def search(*args: Any) -> None:
        said.append(capsys.readouterr().err)
        raise ConfigError("nobody invites")

    monkeypatch.setattr(joining, "join", search)
    monkeypatch.setattr(inviting, "ask_node", lambda folder, question: None)
    with pytest.raises(ConfigError, match="nobody invites"):
        inviting.join([folder, "K7QX-4MDP", "--yes", *words])
    assert said == [f"{line}\n" if line else ""]


def test_a_script_reads_the_code_and_what_came_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    given = argparse.Namespace(json=True, lasts_s=600, folder="docs", read_only=True)
    key = {"fingerprint": "7K3Q-9XMD", "generation": 3, "count": 2}
    inviting._say_code("K7QX-4MDP", "ro", given)
    inviting._warn_of_guesses(True)({"guesses": 2})
    assert inviting._invited("desk", "", key, given) == 0
    assert inviting._invited("", "its time is over", key, given) == 1
    mesh = {"key": "7K3Q-9XMD", "generation": 3, "members": 2}
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [
        {"code": "K7QX-4MDP", "role": "ro", "lasts_s": 600},
        {"wrong_codes_left": 2},
        {"joined": "desk", "over": "", **mesh},
        {"joined": "", "over": "its time is over", **mesh},
    ]


def test_the_last_wrong_code_says_what_comes_of_the_invitation(capsys: pytest.CaptureFixture[str]) -> None:
    given = argparse.Namespace(json=False, lasts_s=600, folder="docs", read_only=True)
    warn = inviting._warn_of_guesses(False)
    for left in (2, 1, 0):
        warn({"guesses": left})
    lines = capsys.readouterr().out.splitlines()
    assert [line.removeprefix("somebody tried a wrong code: ") for line in lines] == [
        "2 more of them end the invitation",
        "1 more of them ends the invitation",
        "it was the last try, and the code is void now",
    ]
    with pytest.raises(ConfigError, match=r"so this code is void; to make a new one: .* invite docs --read-only"):
        inviting._invited("", "3 wrong codes were tried", {}, given)


@pytest.mark.parametrize(
    ("peers", "line"),
    [
        ([], "a machine that shared this folder before shares it openly with anyone on this LAN until it joins"),
        (["bob"], "bob still shares this folder openly with anyone on this LAN until it joins: invite it, or stop its node"),
        (["bob", "carl"], "bob and carl still share this folder openly with anyone on this LAN until they join: invite each of"
                          " them, or stop their nodes"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("is_json", [False, True])
def test_who_is_still_open_when_a_mesh_is_closed_is_named(
    folder: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    peers: list[str],
    line: str,
    is_json: bool,
) -> None:
    """Closing here closes nothing there."""
    closed = {"joined": "desk", "over": "", "guesses": 3, "fingerprint": "7K3Q-9XMD", "generation": 1, "count": 2}
    monkeypatch.setattr(inviting, "ask_node", lambda folder, question: {"closed": False, "peers": peers})
    monkeypatch.setattr(inviting, "answer_of", lambda folder, question: {"code": "K7QX-4MDP"})
    monkeypatch.setattr(inviting, "ask_until", lambda *args: closed)
    assert inviting.invite([folder, "--yes", *(["--json"] if is_json else [])]) == 0
    said = capsys.readouterr()
    assert said.err == f"{line}\n"
    assert "K7QX-4MDP" in said.out.splitlines()[0]
    monkeypatch.setattr(inviting, "ask_node", lambda folder, question: {"closed": True, "peers": peers})
    assert inviting.invite([folder, "--yes"]) == 0
    assert not capsys.readouterr().err


@pytest.mark.parametrize(
    ("peers", "losers"),
    [([], "only machines that join with a code will get anything."),
     (["bob"], "bob, which shares it openly now, gets nothing more until it joins.")],
)  # fmt: skip
def test_where_nobody_can_be_asked_an_open_folder_stays_open_and_that_is_said(
    folder: str, monkeypatch: pytest.MonkeyPatch, peers: list[str], losers: str
) -> None:
    asked: list[str] = []

    def ask_node(folder: str, question: dict[str, Any]) -> dict[str, Any]:
        asked.append(question["command"])
        return {"closed": False, "peers": peers}

    monkeypatch.setattr(inviting, "ask_node", ask_node)
    monkeypatch.setattr(dialogue, "has_terminal", lambda: False)
    with pytest.raises(ConfigError) as refused:
        inviting.invite([folder])
    assert str(refused.value).startswith(f"nothing was changed. {folder} will be closed")
    assert losers in str(refused.value)
    assert asked == ["mesh"]


@pytest.mark.parametrize(
    ("here", "role", "asked", "advice"),
    [
        (
            "docs",
            "rw",
            "anna calls the folder photos, and docs is called docs here. Is it the right one? It has 2 files, which the 1"
            " member of anna's mesh will get once both names are equal." + NEWER,
            "rename its table [folders.docs] to [folders.photos] and run: ",
        ),
        ("photos", "", "docs has 2 files, which the 1 member of anna's mesh will get." + NEWER, ""),
        (
            "default",
            "rw",
            "anna calls the folder photos, and docs is called default here. Is it the right one? It has 2 files, which the 1"
            " member of anna's mesh will get once both names are equal." + NEWER,
            "start this node with --folder photos, or in a configuration file give the folder the table [folders.photos]",
        ),
        (
            "photos",
            "ro",
            "docs has 2 files, which nobody gets: this machine joins anna's mesh read-only. Where the mesh has another version"
            " of a file, that takes its place here; the one from here goes into the history.",
            "",
        ),
    ],
)
def test_a_code_of_a_folder_with_another_name_is_told_of_before_and_after_the_consent(
    folder: str, monkeypatch: pytest.MonkeyPatch, here: str, role: str, asked: str, advice: str
) -> None:
    for name in ("a", "b"):
        (Path(folder) / name).write_bytes(b"x")
    questions: list[str] = []

    def agreed(text: str) -> bool:
        questions.append(text)
        return True

    def join_at(
        _folder: str, _code: object, _name: str, _at: object, agree: Callable[[Host], bool]
    ) -> tuple[store.Kept, Host]:
        assert agree(host)
        return founding.found(folder), host

    host = Host("anna", 1, "photos", role)
    monkeypatch.setattr(inviting, "is_agreed", agreed)
    monkeypatch.setattr(joining, "join", join_at)
    joined = inviting.join_by(folder, "K7QX-4MDP", "desk", 5000, ("127.0.0.1", 1), "docs", here)
    assert questions == [asked]
    assert advice in joined.words
    assert ("There the folder is called photos" in joined.words) == bool(advice)


def test_who_is_not_asked_is_told_what_happens_to_the_files(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (Path(folder) / "a").write_bytes(b"x")
    (Path(folder) / "link").symlink_to("a")

    def join_at(
        _folder: str, _code: object, _name: str, _at: object, agree: Callable[[Host], bool]
    ) -> tuple[store.Kept, Host]:
        host = Host("anna", 2, "photos", "rw")
        assert agree(host)
        return founding.found(folder), host

    monkeypatch.setattr(joining, "join", join_at)
    told: list[str] = []
    inviting.join_by(folder, "K7QX-4MDP", "desk", 5000, ("127.0.0.1", 1), "docs", "photos", told.append, yes=True)
    assert told[1:] == ["docs has 1 file and 1 symbolic link, which the 2 members of anna's mesh will get." + NEWER]


def test_a_table_with_a_name_that_toml_quotes() -> None:
    advice = inviting._renaming("/x y", "my docs", "a.b")
    assert "start this node with 'a.b=/x y'" in advice
    assert 'table [folders."my docs"] to [folders."a.b"]' in advice
