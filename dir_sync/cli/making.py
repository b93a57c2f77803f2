"""A folder that is made because the user has asked for it (--create).

In:   its path, as the user typed it. Out: a folder. Raises ConfigError, one line for the user.
Rule: a folder that was shared before is not made again: its disk may not be mounted, and the node waits for it.
"""

from __future__ import annotations

import os

from dir_sync.config import USAGE, ConfigError, existing
from dir_sync.core.model import show
from dir_sync.folder import root

__all__ = ["make", "refuse_to_make"]


def make(path: str) -> None:
    if not _is_to_be_made(path):
        return  # if it is no folder, whoever reads the settings says so
    try:
        os.makedirs(path)
    except OSError as error:
        raise ConfigError(f"{show(os.fsencode(path))} cannot be made: {error.strerror}") from None


def refuse_to_make(path: str) -> None:
    """The same for a run that changes nothing: ConfigError if the folder would be made."""
    if _is_to_be_made(path):
        name = show(os.fsencode(path))
        raise ConfigError(
            f"{name} is not there: a run without --dry-run would make {name}, empty, and receive what the other"
            " machines have; --dry-run makes nothing",
            USAGE,
        )


def _is_to_be_made(path: str) -> bool:
    return bool(path) and "\0" not in path and not os.path.lexists(existing(path)) and not root.known_as(path)
