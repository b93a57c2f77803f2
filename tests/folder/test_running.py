"""Which process runs with a configuration file: known as long as that very process lives."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dir_sync.folder import user_state
from dir_sync.folder.running import note, running


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


def test_a_process_that_runs_is_known() -> None:
    assert running("/a.toml") is None
    note("/a.toml", 3, "line 5 is wrong")
    found = running("/a.toml")
    assert found is not None
    assert (found.process, found.readings, found.trouble) == (os.getpid(), 3, "line 5 is wrong")
    assert running("/b.toml") is None


def test_a_process_that_has_ended_is_not_known_and_neither_is_another_one_with_its_id(tmp_path: Path) -> None:
    note("/a.toml", 0, "")
    (name,) = (path.relative_to(tmp_path / "dir_sync") for path in tmp_path.rglob("*.json"))
    said = user_state.read(str(name))
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    for changed in ({"process": ended.pid}, {"started": "1"}, {"process": "x"}, {"process": -1}, {"readings": None}):
        user_state.write(str(name), said | changed)
        assert running("/a.toml") is None, changed
