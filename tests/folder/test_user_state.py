"""What this user's programs remember together."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dir_sync.folder import root, user_state

MANY = """
import sys
from dir_sync.folder import root
for number in range(40):
    root.remember(f"{sys.argv[1]}/{sys.argv[2]}-{number}")
    root.say_paused(f"{sys.argv[1]}/{sys.argv[2]}-{number}", "why")
print("done", flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def test_two_programs_that_remember_at_once_lose_nothing(tmp_path: Path) -> None:
    for name in ("a", "b"):
        for number in range(40):
            (tmp_path / f"{name}-{number}").mkdir()
    made = [
        subprocess.Popen(
            [sys.executable, "-c", MANY, str(tmp_path), name], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for name in ("a", "b")
    ]
    for one in made:
        assert one.stdout is not None
        assert one.stdout.readline() == b"done\n"
    assert len(root.shared_before()) == 80
    assert all(root.paused(str(tmp_path / f"{name}-{number}")) for name in ("a", "b") for number in range(40))
    for one in made:
        one.communicate()


def test_whoever_holds_the_lock_for_long_keeps_nobody_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(user_state, "_PATIENCE_S", 0.01)
    with user_state.alone():
        other = os.open(user_state.state_path("lock"), os.O_RDWR)
        with pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(other)
        root.remember(str(tmp_path))
    assert root.shared_before() == [str(tmp_path)]


def test_where_nothing_can_be_written_it_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "state").write_text("no folder")
    with user_state.alone():
        root.remember(str(tmp_path))
    assert root.shared_before() == []
