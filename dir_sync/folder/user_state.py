"""Small JSON files in the user's state folder: what this user's programs remember on this machine, for all folders.

In:   the name of a file, and its content. Out: its content; nothing, if it does not exist or is invalid.
Rule: no failure here is an error. Callers have to work without the data.
Used by: cli.background, cli.service, root, running, network.node_id, security, doctor.machine_facts.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from dir_sync.folder.locking import lock_within

__all__ = ["alone", "read", "state_path", "write"]

_PATIENCE_S = 1.0
_AGAIN_S = 0.005


def read(name: str) -> dict[str, object]:
    """The object in that file, whose keys may be paths; {} if there is none."""
    try:
        with open(state_path(name), encoding="utf-8") as file:
            known = json.load(file)
        if not isinstance(known, dict):
            return {}
        return {os.fsdecode(key.encode("utf-8", "surrogateescape")): said for key, said in known.items()}
    except (OSError, ValueError, RecursionError):
        return {}


def write(name: str, known: Mapping[str, object]) -> None:
    """Replace that file. If that fails, nothing is stored."""
    path = state_path(name)
    new = f"{path}.{os.getpid()}-{threading.get_ident()}"
    try:
        os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
        with open(new, "w", encoding="utf-8") as file:
            json.dump({os.fsencode(key).decode("utf-8", "surrogateescape"): said for key, said in known.items()}, file)
        os.replace(new, path)
    except (OSError, ValueError):
        pass


@contextmanager
def alone() -> Iterator[None]:
    """While this lasts, no other program of this user changes such a file: around reading one, changing and writing it. Where
    no lock can be had, or not within a second, it goes on without."""
    path = state_path("lock")
    try:
        os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        yield
        return
    try:
        try:
            lock_within(lock, _PATIENCE_S, _AGAIN_S)
        except OSError:
            pass  # whoever has it takes too long, or the file system knows no locks
        yield
    finally:
        os.close(lock)


def state_path(name: str) -> str:
    """The path in the user's state folder, by the XDG base directory specification."""
    base = os.environ.get("XDG_STATE_HOME", "")
    if not os.path.isabs(base):
        base = os.path.expanduser("~/.local/state")
    return os.path.join(base, "dir_sync", name)
