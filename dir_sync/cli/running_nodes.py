"""Nodes that run on this machine, as the commands that end or restart them see them.

In:   a folder, or a configuration file. Out: the Node that shares it.
Rule: a process is a node only if it has the lock of the folder and answers on its control socket, or has said that it waits for
the folder. One that has just begun is waited for. What the kernel does not tell of a node that holds a key, the node says itself.
Used by: background, service.
"""

from __future__ import annotations

import os
import subprocess
import time

from dir_sync.cli.absolute import Words, of_typed
from dir_sync.cli.options import run_parser
from dir_sync.config import ConfigError
from dir_sync.core.model import show
from dir_sync.core.named import NamedTuple
from dir_sync.folder import root
from dir_sync.folder.processes import Process, holder_of, process_of
from dir_sync.folder.running import running
from dir_sync.network.control import Answer, NoDaemon, ask, process_that_answers
from dir_sync.reporting import shell
from dir_sync.reporting.log import listed

__all__ = ["Node", "node_of", "node_of_file", "output_of", "restart_unit", "systemctl", "words_of"]

_BEGINS_S = 15.0
_AGAIN_S = 0.05
_PROGRAMS = ("main.py", "dir-sync", "__main__.py")


class Node(NamedTuple):
    """A node, and the folders that it shares or waits for. The handle of its process lives as long as the command. `told`: what
    it says of itself (`own_facts`), if that cannot be seen from here."""

    process: Process
    folders: list[str]
    told: Answer | None = None

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
    def works_in(self) -> str | None:
        """The folder in which it works; None: that cannot be found out."""
        if self.told is not None:
            return self.told.get("works_in")
        try:
            return self.process.folder
        except OSError:
            return None  # it has ended, or has just gone over to a closed mesh

    @property
    def key_file(self) -> str:
        """What its environment names, as an absolute path; "": nothing, as far as can be found out."""
        try:
            name = self.process.key_file if self.told is None else str(self.told.get("key_file", ""))
        except OSError:
            return ""
        return os.path.join(self.works_in or "/", name) if name else ""

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
        process = holder_of(folder, process_that_answers)
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
    told = None
    try:
        folders = process.locked()
    except PermissionError:
        told = _told_by(process, folder)
        folders = told["folders"]
    except OSError:
        folders = []  # it has ended
    return Node(process, folders if not folder or folder in folders else [folder, *folders], told)


def _told_by(process: Process, folder: str) -> Answer:
    """What a node says of itself, at the first folder at which it answers. A node of an older version, which does not know the
    question, is known by its folders alone; one that waits for all of them, not even by these."""
    folders = []
    for path in dict.fromkeys([*([folder] if folder else []), *root.shared_before()]):
        if process_that_answers(path) != process.number:
            continue
        folders.append(path)
        try:
            told = ask(path, {"command": "process"}, begins_s=0.0)
        except (NoDaemon, OSError):
            continue
        if isinstance(told.get("folders"), list):
            return told
    return {"folders": sorted(folders)}


def words_of(node: Node) -> Words:
    """The command line of a node that runs. ConfigError if it cannot be seen, or if that is `once`."""
    typed = node.typed
    if typed is None:
        raise ConfigError(
            f"how process {node.number} was started cannot be found out: give the options of the node here"
        )
    if typed[:1] == ["run"]:
        typed = typed[1:]
    elif typed[:1] == ["once"]:
        shown = listed([show(os.fsencode(folder)) for folder in node.folders]) or "its folders"
        raise ConfigError(f"'once' is running for {shown} (process {node.number}): it ends by itself")
    if node.works_in is not None:
        return of_typed(run_parser(), typed, node.works_in)
    words, elsewhere = (of_typed(run_parser(), typed, folder) for folder in ("/", "/elsewhere"))
    if words != elsewhere:
        raise ConfigError(
            f"in which folder process {node.number} was started cannot be found out, and its command line has relative"
            f" paths: {shell.command('stop', *node.folders)}, then start it again"
        )
    return words


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
