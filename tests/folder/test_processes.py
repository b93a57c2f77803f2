"""Which process shares a folder: by its lock and by what the kernel knows, not by a number in a file."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dir_sync.config import ConfigError
from dir_sync.folder import processes
from dir_sync.folder.processes import Process, holder_of, is_locked, own_facts, process_of
from dir_sync.folder.started import started

HOLD = (
    "import fcntl, os, sys, time\n"
    "handle = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)\n"
    "fcntl.flock(handle, fcntl.LOCK_EX)\n"
    "print(flush=True)\n"
    "time.sleep(1000)\n"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shared" / ".dir_sync").mkdir(parents=True)
    return tmp_path / "shared"


@contextmanager
def holding(folder: Path, written: str | None = None) -> Iterator[int]:
    """A process that has the lock, and what the file says of it."""
    lock = folder / ".dir_sync" / "lock"
    with subprocess.Popen([sys.executable, "-c", HOLD, str(lock)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        lock.write_text(f"{process.pid}\n" if written is None else written)
        try:
            yield process.pid
        finally:
            process.kill()


def test_whether_the_lock_is_taken_is_told_without_a_trace(folder: Path) -> None:
    assert not is_locked(str(folder))
    assert not (folder / ".dir_sync" / "lock").exists()
    with holding(folder):
        assert is_locked(str(folder))
    (folder / ".dir_sync" / "lock").write_text("")
    assert not is_locked(str(folder))


def test_nobody_has_a_folder_that_was_never_shared_or_whose_node_has_ended(folder: Path) -> None:
    assert holder_of(str(folder)) is None
    assert holder_of(str(folder / "nowhere")) is None
    (folder / ".dir_sync" / "lock").write_text(f"{os.getpid()}\n")
    assert holder_of(str(folder)) is None, "the number in the file alone says nothing"


@pytest.mark.parametrize("written", [None, "", "1\n", "nonsense", "99999999999999999999"])
def test_who_has_the_lock_is_found_whatever_the_file_says(folder: Path, written: str | None) -> None:
    with holding(folder, written) as number:
        found = holder_of(str(folder))
        assert found is not None
        assert found.number == number
        assert found.locked() == [str(folder)]
        assert found.owner == os.geteuid()
        assert not found.has_ended()
        found.end()
        assert found.has_ended(60)
        found.end()  # of what has ended: nothing
        found.close()
    assert holder_of(str(folder)) is None


def test_if_it_cannot_be_found_nobody_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As of a node in a container, whose number means another process here."""
    with holding(folder, f"{os.getpid()}\n"):
        monkeypatch.setattr(processes, "_lockers", lambda inode: iter(()))
        with pytest.raises(ConfigError, match="cannot be found"):
            holder_of(str(folder))


def test_a_process_is_known_by_its_number_and_its_start() -> None:
    mine = process_of(os.getpid(), started(os.getpid()))
    assert mine is not None
    assert mine.words[0]
    assert mine.folder == os.getcwd()
    mine.close()
    for number, since in ((os.getpid(), "1"), (os.getpid(), ""), (0, "1"), (-1, "1"), ("x", "1"), (True, "1")):
        assert process_of(number, since) is None


def test_a_process_that_has_ended_and_that_nobody_has_asked_is_over() -> None:
    with subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE) as process:
        one = Process(process.pid)
        assert one.has_ended(60)
        assert started(process.pid) == ""
        one.close()


def test_what_its_environment_says(tmp_path: Path) -> None:
    program = "print(flush=True); input()"
    for value, expected in (("/a key", "/a key"), (None, "")):
        environment = {name: word for name, word in os.environ.items() if name != "DIR_SYNC_KEY_FILE"}
        environment |= {} if value is None else {"DIR_SYNC_KEY_FILE": value}
        with subprocess.Popen(
            [sys.executable, "-c", program], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            one = Process(process.pid)
            assert one.key_file == expected
            assert one.unit == ""
            one.close()
            process.communicate(b"\n")


def test_what_a_process_says_of_itself(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIR_SYNC_KEY_FILE", "a key")
    monkeypatch.chdir(folder)
    with (folder / ".dir_sync" / "lock").open("w"):
        facts = own_facts()
    assert facts == {"folders": [str(folder)], "works_in": str(folder), "key_file": "a key"}


@pytest.mark.parametrize("is_ours", [True, False])
def test_one_that_keeps_its_files_to_itself_is_known_by_who_answers(
    folder: Path, monkeypatch: pytest.MonkeyPatch, is_ours: bool
) -> None:
    """Where the kernel's list of locks does not tell, as on some file systems; another user's is not taken for ours."""

    def hidden(process: Process, lock: os.stat_result) -> bool:
        raise PermissionError

    with holding(folder) as number:
        monkeypatch.setattr(Process, "has_open", hidden)
        monkeypatch.setattr(processes, "_lockers", lambda inode: iter(()))
        monkeypatch.setattr(Process, "owner", os.geteuid() if is_ours else os.geteuid() + 1)
        with pytest.raises(ConfigError, match="cannot be found"):
            holder_of(str(folder), lambda folder: number + 1)
        if is_ours:
            found = holder_of(str(folder), lambda folder: number)
            assert found is not None
            assert found.number == number
            found.close()
        else:
            with pytest.raises(ConfigError, match="cannot be found"):
                holder_of(str(folder), lambda folder: number)
            monkeypatch.setattr(processes, "_lockers", lambda inode: iter((number,)))
            with pytest.raises(ConfigError, match="run this as"):
                holder_of(str(folder))


@pytest.mark.skipif(shutil.which("setsid") is None, reason="setsid is not installed")
@pytest.mark.parametrize("kept", [False, True], ids=["plain", "nohup"])
def test_whether_it_ends_with_its_terminal(kept: bool) -> None:
    master, terminal = os.openpty()
    command = [sys.executable, "-c", "print(1, flush=True); import time; time.sleep(60)"]
    words = [*(["nohup"] if kept else []), *command]
    with subprocess.Popen(["setsid", "--ctty", *words], stdin=terminal, stdout=subprocess.PIPE) as made:
        assert made.stdout is not None
        made.stdout.readline()
        process = Process(made.pid)
        try:
            assert process.ends_with_terminal is not kept
        finally:
            process.close()
            made.kill()
    os.close(master)
    os.close(terminal)
    with subprocess.Popen(["setsid", *command], stdout=subprocess.PIPE) as made:
        assert made.stdout is not None
        made.stdout.readline()
        process = Process(made.pid)
        assert not process.ends_with_terminal
        process.close()
        made.kill()
