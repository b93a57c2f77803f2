"""What is ours in the folder: where it may be, and what is said when a part of it is gone."""

from __future__ import annotations

import fcntl
import os
import random
from pathlib import Path

import pytest

from dir_sync.config import ConfigError
from dir_sync.folder import state


@pytest.fixture
def root(tmp_path: Path) -> bytes:
    (tmp_path / "shared").mkdir()
    return os.fsencode(tmp_path.resolve() / "shared")


def opened(root: bytes) -> None:
    handle = state.lock(root)
    try:
        state.open_index(root, random.Random(1)).close()
    finally:
        os.close(handle)


def test_nothing_is_written_through_a_link(root: bytes, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    for target in (b"../elsewhere", b"../nowhere"):
        os.symlink(target, root + b"/.dir_sync")
        with pytest.raises(ConfigError, match="not a link"):
            state.lock(root)
        os.unlink(root + b"/.dir_sync")
    assert not list((tmp_path / "elsewhere").iterdir())
    assert not (tmp_path / "nowhere").exists()


def test_a_command_that_has_the_lock_for_a_moment_is_waited_for(root: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    of_command = state.lock(root)
    with pytest.raises(ConfigError, match="already running"):
        state.lock(root)
    monkeypatch.setattr(state.time, "sleep", lambda seconds: os.close(of_command))
    os.close(state.lock(root, wait_s=60))


def test_who_asks_whether_the_lock_is_taken_does_not_take_it_away(root: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two commands without a node: one looks who has the folder, just when the other one takes it."""
    os.close(state.lock(root))
    asks = os.open(root + b"/.dir_sync/lock", os.O_RDONLY)
    fcntl.flock(asks, fcntl.LOCK_SH)
    monkeypatch.setattr(state.time, "sleep", lambda seconds: os.close(asks))
    os.close(state.lock(root))


@pytest.mark.parametrize("before", [b"", b"1\n", b"4194303999\n", b"x" * 90])
def test_a_lock_names_its_process_whatever_it_named_before(root: bytes, before: bytes) -> None:
    os.close(state.lock(root))
    Path(os.fsdecode(root + b"/.dir_sync/lock")).write_bytes(before)
    os.close(state.lock(root))
    assert Path(os.fsdecode(root + b"/.dir_sync/lock")).read_bytes() == b"%d\n" % os.getpid()


@pytest.mark.parametrize("what", ["missing", "empty"])
def test_an_index_that_is_lost_is_said(root: bytes, what: str, caplog: pytest.LogCaptureFixture) -> None:
    opened(root)
    os.makedirs(root + b"/.dir_sync/versions")
    opened(root)
    for suffix in (b"", b"-wal", b"-shm"):
        path = root + b"/.dir_sync/index.db" + suffix
        if os.path.exists(path):
            os.unlink(path)
    if what == "empty":
        os.close(os.open(root + b"/.dir_sync/index.db", os.O_CREAT))
    os.mkdir(root + b"/.dir_sync/versions/2026-11-21")
    assert not caplog.messages, "neither at a first start, nor at the second one"
    opened(root)
    (line,) = caplog.messages
    assert "the index was lost" in line
    assert "first contact" in line
    opened(root)
    assert len(caplog.messages) == 1


def test_no_index_and_no_history_is_a_first_start(root: bytes, caplog: pytest.LogCaptureFixture) -> None:
    os.makedirs(root + b"/.dir_sync/versions")
    opened(root)
    assert not caplog.messages


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o277])
def test_the_index_and_its_journal_are_private(root: bytes, umask: int) -> None:
    """Whatever the umask, and also where an earlier version left them open to others."""
    before = os.umask(umask)
    try:
        for _ in range(2):
            handle = state.lock(root)
            index = state.open_index(root, random.Random(1))
            index.notes.put("key", "value")
            index.commit()
            beside = sorted(name for name in os.listdir(root + b"/.dir_sync") if name.startswith(b"index.db"))
            assert beside == [b"index.db", b"index.db-shm", b"index.db-wal"]
            modes = {name: os.stat(root + b"/.dir_sync/" + name).st_mode & 0o777 for name in beside}
            assert set(modes.values()) == {0o600}, modes
            index.image()  # ends the transaction, so that nothing is held
            for name in beside:
                os.chmod(root + b"/.dir_sync/" + name, 0o644)
            index.close()
            os.close(handle)
    finally:
        os.umask(before)


def everything(root: bytes) -> dict[str, tuple[object, ...]]:
    found: dict[str, tuple[object, ...]] = {}
    for path in sorted(Path(os.fsdecode(root)).rglob("*")):
        info = path.lstat()
        found[str(path)] = (info.st_mode, info.st_ino, info.st_mtime_ns, path.read_bytes() if path.is_file() else b"")
    return found


def test_a_copy_of_the_index_changes_nothing(root: bytes) -> None:
    """Also what is only in the log beside the database is in it."""
    copy = state.copied_index(root, random.Random(1), 0.0)
    copy.close()
    assert everything(root) == {}  # no `.dir_sync` was made
    handle = state.lock(root)
    index = state.open_index(root, random.Random(1))
    index.notes.put("before", "x")
    index.commit()
    index.notes.put("late", "y")
    index.commit()
    log = Path(os.fsdecode(root)) / ".dir_sync" / "index.db-wal"
    assert log.stat().st_size
    kept = log.read_bytes()
    index.close()
    log.write_bytes(kept)  # as after a crash
    os.close(handle)
    before = everything(root)
    copy = state.copied_index(root, random.Random(2), 0.0)
    assert (copy.notes.get("before"), copy.notes.get("late"), copy.identity.replica) == (
        "x",
        "y",
        index.identity.replica,
    )
    copy.notes.put("before", "z")
    copy.commit()
    copy.close()
    assert everything(root) == before


def test_a_folder_that_is_locked_is_not_copied(root: bytes) -> None:
    handle = state.lock(root)
    with pytest.raises(state.Locked, match="another dir_sync"):
        state.copied_index(root, random.Random(1), 0.0)
    os.close(handle)
    state.copied_index(root, random.Random(1), 0.0).close()


@pytest.mark.parametrize("content", [b"", b"no database" * 500])
def test_a_damaged_index_is_left_as_it_is(root: bytes, content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    os.close(state.lock(root))
    (Path(os.fsdecode(root)) / ".dir_sync" / "index.db").write_bytes(content)
    before = everything(root)
    state.copied_index(root, random.Random(1), 0.0).close()
    assert everything(root) == before
    assert ("damaged" in caplog.text) == bool(content)
