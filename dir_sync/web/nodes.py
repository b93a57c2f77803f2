"""The folders that this user shares from this machine, and their nodes.

In:   what the other commands remember of folders; the control sockets. Out: folders with short ids; answers of nodes.
Rule: a folder is only reached if this user has shared it: the id in an address is looked up, never a path.
"""

from __future__ import annotations

import os
import time

from blake3 import blake3

from dir_sync.cli.dialogue import answer_or_none, ask_node
from dir_sync.config import FOLDER_NAME, ConfigError
from dir_sync.core.model import show
from dir_sync.core.named import NamedTuple
from dir_sync.folder import root
from dir_sync.network.control import Answer
from dir_sync.reporting import shell
from dir_sync.web.invitations import Invitations

__all__ = ["NoNode", "Nodes", "SharedFolder", "State"]

_KNOWN_FOR_S = 2.0  # then the list of folders is read again


class NoNode(ConfigError):
    """No node runs for the folder: a page says that in its own words."""


class SharedFolder(NamedTuple):
    """A folder that was shared from here."""

    id: str
    path: str

    @property
    def shown(self) -> str:
        return show(os.fsencode(self.path))


class State(NamedTuple):
    """How a folder is doing. `status`: of its node; None: there is no answer, and `problem` says why."""

    folder: SharedFolder
    status: Answer | None
    problem: str
    is_running: bool  # a node runs, though it may be paused or busy
    invitation: Answer | None = None  # the one that a page has made, and what is known of it

    def to_json(self) -> Answer:
        name = self.status["folder_name"] if self.status else FOLDER_NAME
        return {
            "id": self.folder.id,
            "path": self.folder.shown,
            "name": show(os.fsencode(os.path.basename(self.folder.path))) if name == FOLDER_NAME else name,
            "running": self.is_running,
            "problem": self.problem,
            "start": shell.pasteable(self.folder.path),
            "status": self.status,
            "invitation": self.invitation,
        }


class Nodes:
    """Any thread."""

    def __init__(self) -> None:
        self._read_s = -_KNOWN_FOR_S
        self._folders: dict[str, SharedFolder] = {}
        self.invitations = Invitations()

    def folders(self) -> list[SharedFolder]:
        """All of them that are there, or whose node waits for them, by path."""
        now_s = time.monotonic()
        if now_s - self._read_s >= _KNOWN_FOR_S:
            known = [path for path in root.shared_before() if _is_there(path)]
            self._folders = {one.id: one for one in (SharedFolder(_id_of(path), path) for path in sorted(known))}
            self._read_s = now_s
        return list(self._folders.values())

    def folder(self, id_: str) -> SharedFolder:
        """ConfigError if this user shares no such folder."""
        self.folders()
        if id_ not in self._folders:
            self._read_s = -_KNOWN_FOR_S  # it may be new
            self.folders()
        found = self._folders.get(id_)
        if found is None:
            raise ConfigError("that folder is not shared from here any more")
        return found

    def ask(self, folder: SharedFolder, question: Answer) -> Answer:
        """The answer of a folder's node. NoNode if there is none, ConfigError if it is an error."""
        answer = ask_node(folder.path, question)
        if answer is None:
            raise NoNode(f"no node is running for {folder.shown}; to start one: {shell.pasteable(folder.path)}")
        return answer

    def state(self, folder: SharedFolder) -> State:
        if reason := root.paused(folder.path):
            return State(folder, None, reason, True)
        try:
            answer = answer_or_none(folder.path, {"command": "status"}, folder.path)
        except ConfigError as error:
            return State(folder, None, str(error), True)
        return State(folder, answer, "", answer is not None, None if answer is None else self._invitation(folder))

    def _invitation(self, folder: SharedFolder) -> Answer | None:
        found = self.invitations.of(folder.id)
        if found is None:
            return None
        try:
            return found.to_json(self.ask(folder, {"command": "invitation", "code": found.code}))
        except ConfigError:
            return None  # the node begins anew, or has left the mesh


def _is_there(path: str) -> bool:
    return os.path.isdir(os.path.join(path, ".dir_sync")) or bool(root.paused(path))


def _id_of(path: str) -> str:
    digest: str = blake3(os.fsencode(path)).hexdigest(6)
    return digest
