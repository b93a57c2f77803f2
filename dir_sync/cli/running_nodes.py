"""Nodes that run on this machine, as the commands that end or restart them see them.

In:   a folder, or a configuration file. Out: the Node that shares it.
Rule: a process is a node only if it has the lock of the folder and answers on its control socket, or has said that it waits for
the folder. One that has just begun is waited for.
Used by: background, service.
"""

from __future__ import annotations

import os
import subprocess
import time

from dir_sync.config import ConfigError
from dir_sync.core.model import show
from dir_sync.core.named import NamedTuple
from dir_sync.folder import root
from dir_sync.folder.processes import Process, holder_of, process_of
from dir_sync.folder.running import running
from dir_sync.network.control import process_that_answers

__all__ = ["Node", "node_of", "node_of_file", "output_of", "restart_unit", "systemctl"]

_BEGINS_S = 15.0
_AGAIN_S = 0.05
_PROGRAMS = ("main.py", "dir-sync", "__main__.py")


class Node(NamedTuple):
    """A node, and the folders that it shares or waits for. The handle of its process lives as long as the command."""

    process: Process
    folders: list[str]

    @property
    def number(self) -> int:
        return self.process.number

    @property
    def owner(self) -> int:
        return self.process.owner

    @property
    def unit(self) -> str:
        return self.process.unit

    @property
    def key_file(self) -> str:
        """What its environment names, as an absolute path."""
        name = self.process.key_file
        return os.path.join(self.process.folder, name) if name else ""

    @property
    def typed(self) -> list[str] | None:
        """What was typed after the name of the program; None: that cannot be seen."""
        words = self.process.words
        for at, word in enumerate(words):
            if word == "-m" and words[at + 1 : at + 2] == ["dir_sync"]:
                return words[at + 2 :]
            if os.path.basename(word) in _PROGRAMS:
                return words[at + 1 :]
        return None


def node_of(folder: str) -> Node | None:
    """`folder`: its real path. ConfigError if a program has the folder that is no node."""
    until_s = time.monotonic() + _BEGINS_S
    while True:
        process = holder_of(folder)
        if process is None:
            waits = root.pauser(folder)
            process = None if waits is None else process_of(*waits)
            return None if process is None else _node(process, folder)
        if process_that_answers(folder) == process.number:
            return _node(process, folder)
        process.close()
        if time.monotonic() > until_s:
            raise ConfigError(
                f"process {process.number} uses {show(os.fsencode(folder))}, but does not answer as a node: wait until it is"
                " over, or see what it is"
            )
        time.sleep(_AGAIN_S)


def node_of_file(file: str) -> Node | None:
    """The node that runs with that configuration file."""
    found = running(file)
    process = None if found is None else process_of(found.process, found.started)
    return None if process is None else _node(process, "")


def _node(process: Process, folder: str) -> Node:
    try:
        folders = process.locked()
    except OSError:
        folders = []  # it has ended, or is another user's
    return Node(process, folders if not folder or folder in folders else [folder, *folders])


def restart_unit(node: Node) -> None:
    """ConfigError with systemd's own words, if it does not do that."""
    systemctl("restart", node.unit, is_user="/user@" in node.process.unit_path)


def systemctl(*words: str, is_user: bool) -> str:
    """What systemctl prints. ConfigError if it fails."""
    return output_of("systemctl", *(["--user"] if is_user else []), *words)


def output_of(*command: str, given: str = "") -> str:
    """What a program of the system prints. `given`: its input. ConfigError with its own words, if it fails."""
    try:
        done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
    except OSError as error:
        raise ConfigError(f"{command[0]} cannot be run: {error.strerror}") from None
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}").splitlines()
        raise ConfigError(f"{' '.join(command)}: {said[0]}")
    return done.stdout
