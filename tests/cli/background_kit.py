"""Real nodes in the background, on the loopback interface, with a home of their own; all of them end with the test."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from dir_sync.folder.processes import Process, holder_of
from dir_sync.network.control import NoDaemon, ask

__all__ = ["ROOT", "Machine", "wait_for"]

ROOT = Path(__file__).resolve().parent.parent.parent
WITHIN_S = 60.0


def wait_for(condition: Callable[[], object], what: str) -> None:
    end_s = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < end_s, f"not within {WITHIN_S:g} s: {what}"
        time.sleep(0.02)


class Machine:
    """What a person has: a home, and a program to type."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.home = place / "home"
        self.home.mkdir()
        self.shared = self.folder("shared")
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "DIR_SYNC_"))},
            "HOME": str(self.home),
        }
        self._folders = [self.shared]

    def folder(self, name: str) -> Path:
        path = self.place / name
        path.mkdir()
        self._folders = [*getattr(self, "_folders", []), path]
        return path

    def options(self) -> list[str]:
        """A free port, and nothing that leaves this machine."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return ["-l", str(probe.getsockname()[1]), "--interface", "lo", "--no-discovery"]

    def words(self, *words: str | Path) -> list[str]:
        return [sys.executable, str(ROOT / "main.py"), *map(str, words)]

    def run(self, *words: str | Path, **how: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.words(*words), capture_output=True, text=True, timeout=120, check=False, cwd=self.place,
            env=self.environment | how, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def ok(self, *words: str | Path, **how: str) -> str:
        """The output of a command that has to end with 0."""
        done = self.run(*words, **how)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def node(self, folder: Path | None = None) -> int:
        """The process of the node that answers for a folder; 0: none does."""
        try:
            return int(ask(str(folder or self.shared), {"command": "status"})["process"])
        except (NoDaemon, OSError):
            return 0

    def log(self, said: str) -> Path:
        """The log file that `start` has named."""
        found = re.search(r"log: (.*)", said)
        assert found, said
        return Path(found[1])

    def end(self) -> None:
        for folder in self._folders:
            if folder.is_dir() and (process := holder_of(str(folder.resolve()))) is not None:
                _kill(process)


def _kill(process: Process) -> None:
    os.kill(process.number, signal.SIGKILL)
    assert process.has_ended(WITHIN_S)
    process.close()
