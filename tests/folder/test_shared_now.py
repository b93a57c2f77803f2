"""Which folders this user's nodes share now: by their locks."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dir_sync.folder import root, state
from dir_sync.folder.shared_now import shared_now


def test_only_those_with_a_lock_or_that_wait_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    folders = [str(tmp_path / name) for name in ("b", "a", "c")]
    for folder in folders:
        os.mkdir(folder)
        root.remember(folder)
    assert shared_now() == []
    locks = [state.lock(os.fsencode(folder)) for folder in folders[:2]]
    try:
        assert shared_now() == [folders[1], folders[0]]
        os.rmdir(folders[2])
        root.say_paused(folders[2], "it is not mounted")
        assert shared_now() == [folders[1], folders[0], folders[2]]
    finally:
        for lock in locks:
            os.close(lock)
