"""Two nodes of one user on the loopback interface, and the web process beside them: for tests in a browser, and for pictures."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dir_sync.network.control import NoDaemon, ask

MAIN = Path(__file__).resolve().parents[2] / "main.py"
WITHIN_S = 60.0  # on a busy machine


def why_no_browser() -> str:
    """Why no browser can be driven here; "": one can."""
    try:
        import playwright.sync_api  # noqa: F401
    except ImportError:
        return "no package playwright"
    return "" if chromium() else "no chromium (Debian: apt-get install chromium)"


def chromium() -> str:
    """The path of the system's browser; "": there is none."""
    import shutil

    return next(
        (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), ""
    )


def until(check: Callable[[], Any], what: str, within_s: float = WITHIN_S) -> Any:
    """What `check` says, once it is true."""
    deadline_s = time.monotonic() + within_s
    while not (found := check()):
        assert time.monotonic() < deadline_s, what
        time.sleep(0.05)
    return found


def free_port(kind: socket.SocketKind) -> int:
    with socket.socket(socket.AF_INET, kind) as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


class Lab:
    """anna and bob share a folder each; both folders are this user's."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.env = {
            **os.environ,
            **{"XDG_STATE_HOME": str(place / "state"), "XDG_CONFIG_HOME": str(place / "config"), "HOME": str(place)},
            **{"PYTHONWARNINGS": "default", "COLUMNS": "100"},
        }
        self.beacons = free_port(socket.SOCK_DGRAM)
        self.ports = {name: free_port(socket.SOCK_STREAM) for name in ("anna", "bob")}
        self.folders = {name: place / f"{name}s-folder" for name in self.ports}
        self.running: dict[str, subprocess.Popen[str]] = {}
        self.url = ""
        for folder in self.folders.values():
            folder.mkdir()

    def start(self, *names: str) -> None:
        for name in names or tuple(self.folders):
            words = ["-l", str(self.ports[name]), "-b", str(self.beacons), "--interface", "lo", "--name", name]
            words += ["-s", str(self.place / "signatures" / name), "--brake-files", "8", "--brake-percent", "30"]
            with open(self.place / f"{name}.log", "a") as log:
                self.running[name] = subprocess.Popen(
                    [sys.executable, MAIN, self.folders[name], *words], stderr=log, env=self.env, text=True
                )

    def start_web(self) -> None:
        self.url = self.start_another_web("web", 0)

    def start_another_web(self, name: str, port: int) -> str:
        """Returns its address. `name`: for `stop`."""
        process = subprocess.Popen(
            [sys.executable, MAIN, "web", "--port", str(port)], stdout=subprocess.PIPE, env=self.env, text=True
        )
        self.running[name] = process
        assert process.stdout is not None
        return process.stdout.readline().split()[1]

    def stop(self, *names: str) -> None:
        ended = [self.running.pop(name) for name in names or tuple(self.running)]
        for process in ended:
            process.terminate()
        for process in ended:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout is not None:
                process.stdout.close()

    def run(self, *words: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, MAIN, *map(str, words)],
            capture_output=True,
            text=True,
            env=self.env,
            timeout=WITHIN_S,
            check=False,
        )

    def status(self, name: str) -> dict[str, Any]:
        """{} while the node does not answer."""
        try:
            return ask(str(self.folders[name]), {"command": "status"})
        except (NoDaemon, OSError):
            return {}

    def in_sync(self) -> None:
        until(lambda: all(self.status(name).get("in_sync") for name in self.folders), "both have everything")

    def conflict(self, path: str, mine: str = "from anna\n", theirs: str = "from bob\n") -> None:
        """Both change a file while they do not see each other."""
        self.stop("bob")
        (self.folders["anna"] / path).write_text(mine)
        until(lambda: self.status("anna").get("changes", [{}])[0].get("path") == path, "anna has seen it")
        (self.folders["bob"] / path).write_text(theirs)
        self.start("bob")
        until(lambda: any(self.status(name).get("conflicts") for name in self.folders), f"{path} is in conflict")

    def hold(self, count: int = 30) -> None:
        """Most of bob's files vanish while no node watches."""
        folder = self.folders["bob"] / "photos"
        self.stop("bob")
        for path in sorted(folder.iterdir())[:count]:
            path.unlink()
        self.start("bob")
        until(lambda: self.status("bob").get("held"), "it is held")
