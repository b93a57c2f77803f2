"""The command leave: what it says of the other members."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dir_sync.cli import main, mesh
from dir_sync.core.membership import Member
from dir_sync.security import founding, store

NAS = Member("a" * 32, "nas", "rw", 1_700_000_000)
LISTED = "Other members of the mesh list this machine until one of them removes it"
LAST = "No other member is known here"
REMOVED = "The mesh had removed this machine already"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A closed one."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "shared" / ".dir_sync").mkdir(parents=True)
    founding.found(str(tmp_path / "shared"))
    return str(tmp_path / "shared")


@pytest.mark.parametrize(
    ("others", "is_removed", "words"), [(1, False, LISTED), (0, False, LAST), (1, True, REMOVED), (0, True, REMOVED)]
)
@pytest.mark.parametrize("runs", [True, False])
def test_what_leave_says_of_the_others_is_so(
    folder: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    others: int,
    is_removed: bool,
    words: str,
    runs: bool,
) -> None:
    kept = store.load(folder)
    assert kept is not None
    if others:
        kept = replace(kept, membership=replace(kept.membership, met={NAS.identity: NAS}))
    if is_removed:
        kept = replace(kept, removal=store.Removal("nas", 1_700_000_000))
    store.save(folder, kept)
    answer = {"role": "rw", "mode": "two-way", "count": 1 + others, "removed": is_removed}

    def ask(path: str, question: dict[str, Any]) -> dict[str, Any] | None:
        return answer if runs else None

    monkeypatch.setattr(mesh, "ask_node", ask)
    assert main(["leave", folder, "--yes"]) == 0
    said = capsys.readouterr().out
    assert [one for one in (LISTED, LAST, REMOVED) if one in said] == [words]
    assert (store.load(folder) is None) == (not runs), "a node forgets it itself"
    assert os.path.isdir(folder)
