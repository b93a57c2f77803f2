"""What runs in a bare tree: commands of somebody who installs, and two nodes with a network between them.

The commands use the network of this machine, because they fetch packages. The two nodes, anna and bob, each have a network
namespace of their own; one wire joins the two, and nothing else. All processes are in a namespace of processes that
tests/fresh/__main__.py made, and end with it; so do the mounts.

It may import the standard library alone. tests/fresh/__main__.py and ways.py use it.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

NAMES = ("anna", "bob")
COMMAND_WITHIN_S = 300
FILE_WITHIN_S = 120
PASSED_ON = ("http_proxy", "https_proxy", "no_proxy", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_TRUSTED_HOST")
CERTIFICATES = ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")  # where a proxy has keys of its own


class Failed(Exception):
    """A command of the documentation does not do what it should; the words are for the table."""


class Tree:
    """A system in a folder, and what was typed there."""

    def __init__(self, place: Path, log: Path) -> None:
        self.place, self.log = place, log
        self.environment = {"HOME": "/home/anna", "LC_ALL": "C.UTF-8", "TERM": "dumb"}
        self.environment["PATH"] = "/home/anna/.local/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        self.environment |= {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        for name in NAMES:
            (place / "home" / name).mkdir(parents=True)
        shutil.copy("/etc/resolv.conf", place / "etc/resolv.conf", follow_symlinks=True)
        for file in filter(None, map(os.environ.get, CERTIFICATES)):
            shutil.copy(file, place / "etc/certificates-of-this-network.pem")
            self.environment |= dict.fromkeys(CERTIFICATES, "/etc/certificates-of-this-network.pem")
        subprocess.run(["mount", "-t", "proc", "proc", place / "proc"], check=True)

    def words(self, line: str, home: str) -> list[str]:
        given = {**self.environment, "HOME": home}
        values = [f"{name}={value}" for name, value in given.items()]
        return ["chroot", str(self.place), "/usr/bin/env", "-i", *values, "sh", "-c", f"cd && {line}"]

    def type(self, line: str, home: str = "/home/anna") -> str:
        """One line of shell, as root, from the home folder. Failed if it fails."""
        with self.log.open("a") as log:
            log.write(f"$ {line}\n")
        with self.log.open("ab") as log:
            ended = subprocess.run(
                self.words(line, home),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                timeout=COMMAND_WITHIN_S,
                check=False,
            )
            log.write(ended.stdout)
        if ended.returncode != 0:
            raise Failed(f"'{line}' ended with {ended.returncode}")
        return ended.stdout.decode("utf-8", "replace").strip()

    def close(self) -> None:
        subprocess.run(["umount", "--lazy", self.place / "proc"], check=False)


@contextmanager
def wire() -> Iterator[dict[str, int]]:
    """Two network namespaces and a wire between them; for each name a process that is in its namespace."""
    holders = {name: subprocess.Popen(["unshare", "--net", "sleep", "infinity"]) for name in NAMES}
    anna, bob = (holder.pid for holder in holders.values())
    own = os.readlink("/proc/self/ns/net")
    try:
        until(lambda: all(os.readlink(f"/proc/{each.pid}/ns/net") != own for each in holders.values()), "namespaces")
        link = f"ip link add name eth0 netns {anna} type veth peer name eth0 netns {bob}"
        subprocess.run(link.split(), check=True)
        for number, process in enumerate((anna, bob), 1):
            for line in (f"ip addr add 192.168.77.{number}/24 dev eth0", "ip link set lo up", "ip link set eth0 up"):
                subprocess.run(["nsenter", "-t", str(process), "--net", *line.split()], check=True)
        yield {name: holder.pid for name, holder in holders.items()}
    finally:
        for holder in holders.values():
            holder.kill()
            holder.wait()


def until(condition: Callable[[], bool], what: str, alive: Callable[[], bool] = lambda: True) -> None:
    end = time.monotonic() + FILE_WITHIN_S
    while not condition():
        if time.monotonic() > end:
            raise Failed(f"not within {FILE_WITHIN_S} s: {what}")
        if not alive():
            raise Failed(f"a node ended before this: {what}")
        time.sleep(0.005)


class Node:
    """A node that somebody started by typing a line."""

    def __init__(self, tree: Tree, name: str, namespace: int, line: str) -> None:
        self.tree, self.name = tree, name
        self.home = tree.place / "home" / name
        self.log = tree.log.with_suffix(f".{name}.log")
        words = ["nsenter", "-t", str(namespace), "--net", *tree.words(f"exec {line}", f"/home/{name}")]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def is_up(self) -> bool:
        return self.process.poll() is None

    def has(self, content: str) -> bool:
        try:
            return (self.home / "shared/greeting.txt").read_text() == content
        except FileNotFoundError:
            return False

    def end(self) -> str:
        """What it has said. Failed if it does not end well."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(COMMAND_WITHIN_S)
        said = self.log.read_text("utf-8", "replace")
        if code != 0 or "Traceback" in said:
            raise Failed(f"the node of {self.name} ended with {code}")
        if "librsync is missing" in said or "without librsync" in said:
            raise Failed("librsync is missing")
        return said
