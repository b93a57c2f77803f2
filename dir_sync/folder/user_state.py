"""What this user's programs remember on this machine, outside all folders: small JSON files.

In:   the name of a file, and what it is to hold. Out: what it holds; nothing, if it is not there or makes no sense.
Rule: nothing here is worth an error. Whoever reads must do without.
Used by: root, network.node_id, security.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping

__all__ = ["read", "state_path", "write"]


def read(name: str) -> dict[str, object]:
    """The object in that file, whose keys may be paths; {}: there is none."""
    try:
        with open(state_path(name), encoding="utf-8") as file:
            known = json.load(file)
        if not isinstance(known, dict):
            return {}
        return {os.fsdecode(key.encode("utf-8", "surrogateescape")): said for key, said in known.items()}
    except (OSError, ValueError, RecursionError):
        return {}


def write(name: str, known: Mapping[str, object]) -> None:
    """Replace that file. If that cannot be done, nothing is remembered."""
    path = state_path(name)
    new = f"{path}.{os.getpid()}"
    try:
        os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
        with open(new, "w", encoding="utf-8") as file:
            json.dump({os.fsencode(key).decode("utf-8", "surrogateescape"): said for key, said in known.items()}, file)
        os.replace(new, path)
    except (OSError, ValueError):
        pass


def state_path(name: str) -> str:
    """In the user's state folder, as the XDG base directory specification has it."""
    base = os.environ.get("XDG_STATE_HOME", "")
    if not os.path.isabs(base):
        base = os.path.expanduser("~/.local/state")
    return os.path.join(base, "dir_sync", name)
