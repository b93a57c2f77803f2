"""A folder that is made because the user has asked for it (--create).

In:   its path, as the user typed it. Out: a folder. Raises ConfigError, one line for the user.
Rule: a folder that was shared before is not made again: its disk may not be mounted, and the node waits for it.
"""

from __future__ import annotations

import os

from dir_sync.config import ConfigError, existing
from dir_sync.core.model import show
from dir_sync.folder import root

__all__ = ["make"]


def make(path: str) -> None:
    if not path or "\0" in path or os.path.lexists(existing(path)) or root.known_as(path):
        return  # if it is no folder, whoever reads the settings says so
    try:
        os.makedirs(path)
    except OSError as error:
        raise ConfigError(f"{show(os.fsencode(path))} cannot be made: {error.strerror}") from None
