"""The user's command for events, and desktop notifications: real processes, which write down what they got."""

from __future__ import annotations

import json
import logging
import os
import shlex
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dir_sync.core.live_notes import Event
from dir_sync.core.notes import ChangedHere, Conflict, InSync, PeerHeld
from dir_sync.daemon import hooks as module
from dir_sync.daemon import stream as streaming
from dir_sync.daemon.hooks import Hooks
from dir_sync.daemon.stream import Stream

PATIENCE_S = 30.0
LOG = logging.getLogger("dir_sync")


class Program:
    """A program that writes what it was given, each run as a line of JSON. `after`: what it does then."""

    def __init__(self, folder: Path, name: str = "program", after: str = "") -> None:
        self.file = folder / f"{name}.txt"
        self.path = folder / name
        self.path.write_text(
            f"#!{sys.executable}\n"
            "import json, os, sys, time\n"
            "given = {k: v for k, v in os.environ.items() if k.startswith('DIR_SYNC_')}\n"
            f"line = json.dumps([sys.argv[1:], given, sys.stdin.read()]) + '\\n'\n"
            f"open({str(self.file)!r}, 'a').write(line)\n"
            f"{after}\n"
        )
        self.path.chmod(0o755)

    @property
    def runs(self) -> list[tuple[list[str], dict[str, str], str]]:
        text = self.file.read_text() if self.file.exists() else ""
        return [tuple(json.loads(line)) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def wait_for(is_true: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE_S
    while not is_true():
        assert time.monotonic() < until
        time.sleep(0.01)


@contextmanager
def hooked(command: str | None = None, *kinds: str, notifies: bool = False) -> Iterator[Stream]:
    stream = Stream("notes", "anna")
    hooks = Hooks("/my docs", "notes", command, frozenset(kinds), notifies, LOG)
    thread = threading.Thread(target=hooks.run, args=(stream,))
    thread.start()
    wait_for(lambda: bool(stream._readers))
    try:
        yield stream
    finally:
        stream.close()
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


def tell(stream: Stream, *events: Event) -> None:
    for event in events:
        stream.tell(event, time.monotonic())


def test_the_command_gets_the_event_on_stdin_and_in_its_environment(tmp_path: Path) -> None:
    program = Program(tmp_path, "my program")
    with hooked(f"{shlex.quote(str(program.path))} 'one word' '$(touch x) ; *'", "conflict") as stream:
        tell(stream, ChangedHere(b"other", 1), Conflict(b"a\n;b", b"old"))
        wait_for(lambda: bool(program.runs))
    ((words, environment, given),) = program.runs
    assert words == ["one word", "$(touch x) ; *"], "no shell has seen it"
    answer = json.loads(given)
    assert (answer["event"], answer["path"], answer["dir"], answer["folder"]) == (
        "conflict",
        "a\\n;b",
        "/my docs",
        "notes",
    )
    assert environment["DIR_SYNC_EVENT"] == "conflict"
    assert environment["DIR_SYNC_PATH"] == "a\\n;b"
    assert environment["DIR_SYNC_DIR"] == "/my docs"
    assert abs(float(environment["DIR_SYNC_TIME"]) - time.time()) < PATIENCE_S


def test_one_at_a_time_in_their_order_and_without_kinds_all(tmp_path: Path) -> None:
    program = Program(tmp_path, after="time.sleep(0.02)")
    with hooked(str(program.path)) as stream:
        tell(stream, *(ChangedHere(b"%d" % number, 1) for number in range(5)), InSync(("bob",)))
        wait_for(lambda: len(program.runs) == 6)
    assert [json.loads(given).get("path") for _, _, given in program.runs] == ["0", "1", "2", "3", "4", None]


@pytest.mark.parametrize(
    ("after", "words"),
    [("sys.exit(3)", "ended with exit code 3"), ("os.kill(os.getpid(), 9)", "was ended by signal 9")],
)
def test_a_failure_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture, after: str, words: str) -> None:
    program = Program(tmp_path, after=after)
    with caplog.at_level(logging.WARNING, "dir_sync"), hooked(str(program.path)) as stream:
        tell(stream, ChangedHere(b"a", 1), ChangedHere(b"b", 1), ChangedHere(b"c", 1))
        wait_for(lambda: len(program.runs) == 3)
        wait_for(lambda: bool(caplog.messages))
    assert len(caplog.messages) == 1
    assert words in caplog.messages[0]


def test_a_program_that_is_not_there_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "dir_sync"), hooked(str(tmp_path / "missing")) as stream:
        tell(stream, ChangedHere(b"a", 1), ChangedHere(b"b", 1))
        wait_for(lambda: bool(caplog.messages))
    assert ["cannot be started (No such file or directory)" in line for line in caplog.messages] == [True]


def test_a_command_that_hangs_is_ended_with_all_it_has_started(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "COMMAND_S", 0.3)
    child = tmp_path / "child"
    program = Program(
        tmp_path,
        after="import subprocess\n"
        f"if json.loads(json.loads(line)[2])['path'] == 'a':\n"
        f"    open({str(child)!r}, 'w').write(str(subprocess.Popen(['sleep', '1000']).pid))\n"
        "    time.sleep(1000)",
    )
    with caplog.at_level(logging.WARNING, "dir_sync"), hooked(str(program.path)) as stream:
        tell(stream, ChangedHere(b"a", 1), ChangedHere(b"b", 1))
        wait_for(lambda: len(program.runs) == 2)
    assert "took longer than" in caplog.messages[0]
    if child.exists() and (number := child.read_text()):  # it may have been ended between the two
        wait_for(lambda: not is_running(int(number)))


def is_running(process: int) -> bool:
    try:
        with open(f"/proc/{process}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_the_end_of_the_node_waits_for_no_command(tmp_path: Path) -> None:
    program = Program(tmp_path, after="time.sleep(1000)")
    with hooked(str(program.path)) as stream:
        tell(stream, ChangedHere(b"a", 1), ChangedHere(b"b", 1))
        wait_for(lambda: bool(program.runs))
        begun_s = time.monotonic()
    assert time.monotonic() - begun_s < PATIENCE_S
    assert len(program.runs) == 1


def test_what_does_not_fit_into_the_queue_is_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streaming, "QUEUE_MAX", 3)
    go_on = tmp_path / "go on"
    program = Program(tmp_path, after=f"while not os.path.exists({str(go_on)!r}): time.sleep(0.01)")
    with caplog.at_level(logging.WARNING, "dir_sync"), hooked(str(program.path)) as stream:
        tell(stream, ChangedHere(b"first", 1))
        wait_for(lambda: bool(program.runs))
        tell(stream, *(ChangedHere(b"%d" % number, 1) for number in range(10)))
        go_on.touch()
        wait_for(lambda: len(program.runs) == 4)
        wait_for(lambda: bool(caplog.messages))
    assert "7 events were left out" in caplog.messages[0]


# --- notifications ------------------------------------------------------------------------------------------------------


@pytest.fixture
def desktop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    monkeypatch.setenv("DISPLAY", ":7")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(module, "_GATHER_S", 0.2)
    return Program(tmp_path, "notify-send")


def test_what_comes_within_a_moment_is_one_notification(desktop: Program) -> None:
    with hooked(notifies=True) as stream:
        tell(stream, ChangedHere(b"quiet", 1), Conflict(b"<b>a&b</b>", b"old"), Conflict(b"c", b"old"))
        tell(stream, PeerHeld(b"x", "bob", 7, 9, 7))
        wait_for(lambda: len(desktop.runs) == 2)
    conflict, held = (words for words, _, _ in desktop.runs)
    assert conflict[:3] == ["--app-name=dir_sync", "--urgency=critical", "--"]
    assert conflict[3] == "Conflict: notes"
    assert conflict[4].startswith("CONFLICT: &lt;b&gt;a&amp;b&lt;/b&gt; was changed")
    assert conflict[4].endswith("\nand 1 more")
    assert held[3] == "Held: waits for your decision: notes"


@pytest.mark.parametrize(("display", "words"), [("", "outside of a desktop session"), (":7", "libnotify-bin")])
def test_without_a_desktop_it_is_said_and_nothing_is_run(
    desktop: Program, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, display: str, words: str
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "DBUS_SESSION_BUS_ADDRESS"):
        monkeypatch.setenv(name, display if name == "DISPLAY" else "")
    if display:
        monkeypatch.setattr(module.shutil, "which", lambda name: None)
    with caplog.at_level(logging.WARNING, "dir_sync"), hooked(notifies=True) as stream:
        tell(stream, Conflict(b"a", b"old"))
    assert [words in line for line in caplog.messages] == [True]
    assert not desktop.runs
