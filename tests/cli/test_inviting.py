"""Who may join with a folder, and what `join` asks a node that runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dir_sync.cli import inviting
from dir_sync.config import ConfigError
from dir_sync.security import founding, store


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "shared" / ".dir_sync").mkdir(parents=True)
    return str(tmp_path / "shared")


def why_not(folder: str) -> str:
    """What `join` says for a code that is none, which it reads after it has looked at the folder."""
    with pytest.raises(ConfigError) as refused:
        inviting.join_by(folder, "K7QX", "desk", 1, None, None)
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

    def join_by(*args: Any) -> str:
        asked.extend(args)
        return "joined"

    monkeypatch.setattr(inviting, "join_by", join_by)
    for answer, expected in (
        (node, ["kitchen", 5005, None, None, "photos"]),
        (None, ["desk", 5000, None, None, "default"]),
    ):
        monkeypatch.setattr(inviting, "ask_node", lambda folder, question, answer=answer: answer)
        assert inviting.join([folder, "K7QX-4MDP", "--yes", "--name", "desk"]) == 0
        assert asked == [folder, "K7QX-4MDP", *expected]
        asked.clear()
    assert "the node that runs goes over to it" in capsys.readouterr().out
