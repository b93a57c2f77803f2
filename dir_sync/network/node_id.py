"""The id of this node on the network: one for each folder that is shared from this machine.

In:   the folder's path, this machine, random numbers. Out: the id, the same at each start.
Rule: the id is in the user's state folder, not in the shared one. A copy of the folder on another machine thus belongs
to another node, with the same replica. If nothing can be stored, each start has a new id; that is no error.
Used by: daemon.daemon, daemon.links, daemon.sharing.
"""

from __future__ import annotations

import os
import re
from random import Random

from blake3 import blake3

from dir_sync.folder import user_state

__all__ = ["NodeId"]

_ID = re.compile(r"[0-9a-f]{16}")
_MACHINE = "/etc/machine-id"


class NodeId:
    """The id. Any thread may read `value` and `instance`."""

    def __init__(self, folder: str, rng: Random) -> None:
        """`folder`: the real path."""
        self.instance = f"{rng.getrandbits(64):016x}"  # random id of this run of the program
        self._folder = folder
        self._rng = rng
        self._name = f"nodes/{_digest(folder)}.json"
        known = user_state.read(self._name).get("node")
        if isinstance(known, str) and _ID.fullmatch(known):
            self.value = known
        else:
            self.take_new()

    def take_new(self) -> None:
        """Another machine uses the same id: take a new one."""
        self.value = f"{self._rng.getrandbits(64):016x}"
        user_state.write(self._name, {"node": self.value, "folder": self._folder})


def _digest(folder: str) -> str:
    """A hash of this folder on this machine: several machines may share one home, and containers one image."""
    try:
        with open(_MACHINE, "rb") as file:
            machine = file.read(100).strip()
    except OSError:
        machine = b""
    named = b"\0".join((machine, os.fsencode(os.uname().nodename), os.fsencode(folder)))
    return blake3(named).hexdigest(length=8)
