"""A user's home and a folder to share, both new for each test."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's state folder of dir_sync, which is not there yet."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "dir_sync"


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """A folder that is shared."""
    (tmp_path / "shared" / ".dir_sync").mkdir(parents=True)
    return str(tmp_path / "shared")
