"""What the user wants to be done when something happens: a command of his own (--on-event), and desktop notifications (--notify).

In:   the stream of events of one folder. Out: processes, one at a time; a line in the log if they fail, once.
Rule: it is a reader of the stream like any other, so nothing here holds up the node. No shell is involved.
Used by: sharing.
"""

from __future__ import annotations

import json
import logging
import os
import select
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence

from dir_sync.core import notes
from dir_sync.core.live_notes import Event, Missed
from dir_sync.core.note_json import kind_of
from dir_sync.core.verify_notes import Rotten
from dir_sync.daemon.stream import Entry, Stream
from dir_sync.reporting.event_words import EventWords

__all__ = ["Hooks"]

_Log = logging.Logger | logging.LoggerAdapter[logging.Logger]

COMMAND_S = 60.0  # a command that takes longer is killed
_NOTIFY_S = 10.0
_GATHER_S = 2.0  # events within this become one notification
_LOOK_S = 0.1  # how often a running command is looked at
_BODY_CHARS_MAX = 300

_NOTIFIED: dict[type[Event], tuple[str, str]] = {
    notes.Conflict: ("Conflict", "critical"),
    notes.LossHeld: ("Held: waits for your decision", "critical"),
    notes.PeerHeld: ("Held: waits for your decision", "critical"),
    notes.StillHeld: ("Held: waits for your decision", "critical"),
    notes.LossHeldThere: ("Held: waits for your decision", "normal"),
    notes.HeldThere: ("Held: waits for your decision", "normal"),
    notes.CannotWrite: ("Trouble", "normal"),
    notes.Unfit: ("Trouble", "normal"),
    notes.Unreadable: ("Trouble", "normal"),
    notes.NoRoom: ("Trouble", "normal"),
    notes.CannotRestore: ("Trouble", "normal"),
    notes.BadContent: ("Trouble", "normal"),
    Rotten: ("Trouble", "critical"),
    notes.InSync: ("Everything is in sync", "low"),
}
"""What a person is told on the desktop: a title, and how urgent it is."""


class Hooks:
    """Of one folder. `run` is a thread."""

    def __init__(
        self, folder: str, name: str, command: str | None, kinds: frozenset[str], notifies: bool, log: _Log
    ) -> None:
        """`folder`: the path. `name`: under which it is shared. `command`: of the user; None: none. `kinds`: of events for it;
        empty: all."""
        self._folder = folder
        self._name = name
        self._command = shlex.split(command) if command else []
        self._kinds = kinds
        self._notifier = _Notifier(name, log) if notifies else None
        self._words = EventWords(folder)
        self._log = log
        self._failed = ""  # what was said of the command last; "": it works

    @property
    def is_wanted(self) -> bool:
        return bool(self._command or self._notifier)

    def run(self, stream: Stream) -> None:
        """Until the stream ends."""
        reader = stream.open()
        if reader is None:
            return
        poll = select.poll()
        poll.register(reader.bell, select.POLLIN)
        try:
            while not reader.is_over:
                due_s = None if self._notifier is None else self._notifier.due_s
                poll.poll(None if due_s is None else max(0.0, due_s - time.monotonic()) * 1000)
                reader.heard()
                while not reader.is_over and (found := reader.taken()) is not None:
                    if isinstance(found, Missed):
                        self._log.warning("the --on-event command is too slow: %d events were left out", found.events)
                    else:
                        self._do(found, lambda: reader.is_over)
                if self._notifier is not None:
                    self._notifier.send_when_due(lambda: reader.is_over)
        finally:
            stream.leave(reader)

    def _do(self, entry: Entry, is_over: Callable[[], bool]) -> None:
        if self._notifier is not None and type(entry.event) in _NOTIFIED:
            self._notifier.gather(type(entry.event), self._words.of(entry.event))
        if self._command and (not self._kinds or kind_of(type(entry.event)) in self._kinds):
            answer = entry.to_json() | {"dir": self._folder, "folder": self._name}
            problem = _ended(self._command, COMMAND_S, is_over, _environment(answer), json.dumps(answer) + "\n")
            if problem and problem != self._failed:
                self._log.warning(
                    "the --on-event command %s: %s; this is said once", problem, shlex.join(self._command)
                )
            self._failed = problem


class _Notifier:
    """Desktop notifications by `notify-send`: what comes within a moment becomes one."""

    def __init__(self, name: str, log: _Log) -> None:
        self._name = name
        self._program = shutil.which("notify-send") or ""
        if not self._program:
            log.warning("--notify: the program notify-send is not there (Debian: libnotify-bin), so nothing is shown")
        elif not _has_desktop():
            log.warning("--notify: this node runs outside of a desktop session, so nothing is shown")
            self._program = ""
        self._log = log
        self._gathered: dict[tuple[str, str], list[str]] = {}
        self.due_s: float | None = None  # when the next one is sent

    def gather(self, kind: type[Event], lines: Sequence[str]) -> None:
        if self._program and lines:
            self._gathered.setdefault(_NOTIFIED[kind], []).extend(lines)
            self.due_s = self.due_s or time.monotonic() + _GATHER_S

    def send_when_due(self, is_over: Callable[[], bool]) -> None:
        if self.due_s is None or self.due_s > time.monotonic():
            return
        gathered, self._gathered, self.due_s = self._gathered, {}, None
        for (title, urgency), lines in gathered.items():
            more = f"\nand {len(lines) - 1:,} more" if len(lines) > 1 else ""
            body = lines[0][:_BODY_CHARS_MAX] + more
            words = [self._program, "--app-name=dir_sync", f"--urgency={urgency}", "--"]
            problem = _ended([*words, f"{title}: {self._name}", _plain(body)], _NOTIFY_S, is_over, {}, "")
            if problem:
                self._log.warning("--notify: notify-send %s; nothing more is shown", problem)
                self._program = ""
                return


def _has_desktop() -> bool:
    return any(os.environ.get(name) for name in ("DBUS_SESSION_BUS_ADDRESS", "WAYLAND_DISPLAY", "DISPLAY"))


def _plain(text: str) -> str:
    """A body may contain markup."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _environment(answer: Mapping[str, object]) -> dict[str, str]:
    """DIR_SYNC_EVENT, DIR_SYNC_PATH and so on: all values that are no lists."""
    values = {key: value for key, value in answer.items() if isinstance(value, str | int | float)}
    return {f"DIR_SYNC_{key.upper()}": str(value).replace("\0", "") for key, value in values.items()}


def _ended(
    words: Sequence[str], within_s: float, is_over: Callable[[], bool], more: Mapping[str, str], given: str
) -> str:
    """Run a program to its end. Returns what went wrong; "": nothing. `is_over`: it is not waited for any longer. `more`: its
    environment, beside ours. `given`: what it reads."""
    try:
        process = subprocess.Popen(
            words,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **more},
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        return f"cannot be started ({getattr(error, 'strerror', None) or error})"
    until_s = time.monotonic() + within_s
    rest: bytes | None = given.encode()
    with process:
        while True:
            try:
                process.communicate(rest, timeout=_LOOK_S)
            except subprocess.TimeoutExpired:
                rest = None  # it is known
                if not is_over() and time.monotonic() < until_s:
                    continue
                _kill(process)
                process.communicate()
                return "" if is_over() else f"took longer than {within_s:.0f} s and was ended"
            code = process.returncode
            return f"ended with exit code {code}" if code > 0 else f"was ended by signal {-code}" if code else ""


def _kill(process: subprocess.Popen[bytes]) -> None:
    """With all that it has started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
