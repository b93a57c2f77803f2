"""Which process runs with which configuration file, and how often it has read that.

In:   the path of a configuration file. Out: a note in the user's state folder, for the command `reload`.
Rule: a process is known by its id and by when it started, so that another one with the same id is not taken for it.
"""

from __future__ import annotations

import os

from blake3 import blake3

from dir_sync.core.named import NamedTuple
from dir_sync.folder import user_state
from dir_sync.folder.started import started

__all__ = ["Running", "note", "running"]


class Running(NamedTuple):
    """A process that runs with a configuration file."""

    process: int
    started: str
    readings: int  # how often it has read the file
    trouble: str  # why the last reading changed nothing; "": it counted


def note(file: str, readings: int, trouble: str) -> None:
    """This process has read that file."""
    mine = Running(os.getpid(), started(os.getpid()), readings, trouble)
    user_state.write(_name(file), {"file": file, **mine._asdict()})


def running(file: str) -> Running | None:
    """The process that runs with that file."""
    known = user_state.read(_name(file))
    process, since, readings, trouble = (known.get(name) for name in Running._fields)
    if type(process) is not int or process <= 0 or type(readings) is not int:
        return None
    if not since or since != started(process):
        return None
    return Running(process, str(since), readings, str(trouble))


def _name(file: str) -> str:
    return f"running/{blake3(os.fsencode(file)).hexdigest(length=8)}.json"
