"""How `start` waits for the process that it has started: until that is ready, has ended, or the time is over."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dir_sync.cli.launch import Launched, launch
from dir_sync.reporting import shell

READY = "s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.sendto(b'READY=1', '\\0' + os.environ['NOTIFY_SOCKET'][1:]); "

Start = Callable[..., Launched]


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Starts a program instead of a node; it has ended when the test has."""
    begun: list[int] = []

    def run(program: str, within_s: float = 60.0) -> Launched:
        whole = "import os, socket, sys, time, signal, subprocess; " + program
        monkeypatch.setattr(shell, "again", lambda: [sys.executable, "-c", whole])
        found = launch(["word"], within_s)
        begun.append(found.process)
        return found

    yield run
    for process in begun:
        try:
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
        except (ProcessLookupError, ChildProcessError):
            pass


def test_ready(start: Start) -> None:
    found = start(READY + "time.sleep(1000)")
    assert found.is_ready
    assert os.getsid(found.process) == found.process, "a session of its own"
    assert os.readlink(f"/proc/{found.process}/cwd") == "/"


def test_warnings_of_the_start_are_passed_on(start: Start, capfd: pytest.CaptureFixture[str]) -> None:
    start("print('10:00:00  warning: be careful', file=sys.stderr); print('10:00:01  fine', file=sys.stderr); "
          + READY + "time.sleep(1000)")  # fmt: skip
    assert capfd.readouterr().err == "warning: be careful\n"


@pytest.mark.parametrize(
    ("program", "code", "reason"),
    [
        ("print('10:00:00  x\\ndir_sync: no such port', file=sys.stderr); sys.exit(2)", 2, "no such port"),
        ("sys.exit(7)", 7, "the node ended with exit code 7"),
        ("os.kill(os.getpid(), signal.SIGKILL)", -9, "the node ended with signal 9"),
        ("sys.stdout.close(); os.close(2); sys.exit(3)", 3, "the node ended with exit code 3"),
        ("print('Segmentation', file=sys.stderr); sys.exit(1)", 1, "the node ended with exit code 1: Segmentation"),
        ("sys.stderr.write('x' * 300000 + '\\ndir_sync: long\\n'); sys.exit(1)", 1, "long"),
    ],
)
def test_it_ends_before_it_is_ready(start: Start, program: str, code: int, reason: str) -> None:
    found = start(program)
    assert (found.is_ready, found.exit_code, found.reason) == (False, code, reason)


def test_it_takes_too_long(start: Start) -> None:
    found = start("time.sleep(1000)", 0.5)
    assert (found.is_ready, found.exit_code) == (False, None)
    os.kill(found.process, 0)


def test_what_another_process_says_does_not_count(start: Start) -> None:
    """Any process of this machine can send a datagram there."""
    other = "import os, socket; " + READY
    found = start(f"subprocess.run([sys.executable, '-c', {other!r}], check=True); sys.exit(5)")
    assert (found.is_ready, found.exit_code) == (False, 5)


def test_an_interrupt_ends_it(start: Start, tmp_path: Path) -> None:
    """Also if the tests run in the background of a shell: such processes ignore the signal, and their Python does not raise."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    note = tmp_path / "number"
    begun = threading.Event()

    def interrupt() -> None:
        while not begun.wait(0.01):
            if note.exists() and note.read_text():
                os.kill(os.getpid(), signal.SIGINT)
                return

    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            start(f"open({str(note)!r}, 'w').write(str(os.getpid())); time.sleep(1000)")
    finally:
        begun.set()
        thread.join()
        signal.signal(signal.SIGINT, before)
    with pytest.raises(ProcessLookupError):
        os.kill(int(note.read_text()), 0)


def test_programs_and_files_are_named_so_that_they_are_found_from_everywhere(
    start: Start, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(shell.STARTED_AS, "scripts/run")
    monkeypatch.setenv("DIR_SYNC_KEY_FILE", "./key")
    found = start(READY + "time.sleep(1000)")
    there = Path(f"/proc/{found.process}/environ").read_text().split("\0")
    assert f"{shell.STARTED_AS}={tmp_path}/scripts/run" in there
    assert f"DIR_SYNC_KEY_FILE={tmp_path}/key" in there
