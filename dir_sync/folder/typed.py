"""A path in a shared folder as a person types it, relative to the folder or absolute.

In:   a text. Out: the path, or ConfigError. Whether anything is there is not looked at.
May import: config, core, reporting.output. Used by: history.client, cli.deciding.
"""

from __future__ import annotations

import os

from dir_sync.config import USAGE, ConfigError
from dir_sync.core import limits
from dir_sync.core.model import show
from dir_sync.reporting.output import meant

__all__ = ["path_of", "paths_meant"]


def path_of(folder: str, text: str, whole: bool = False) -> bytes:
    """The path of a typed name. ConfigError if it is invalid. With `whole`, the folder itself is allowed: b""."""
    path = text
    if os.path.isabs(path):
        real = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
        if not (real + "/").startswith(folder.rstrip("/") + "/"):
            raise _outside(text, folder)
        path = os.path.relpath(real, folder)
    parts = [part for part in os.fsencode(path).split(b"/") if part not in (b"", b".")]
    if (not parts and not whole) or b".." in parts or limits.RESERVED_NAME in parts:
        raise _outside(text, folder)
    return b"/".join(parts)


def paths_meant(folder: str, text: str) -> list[bytes]:
    """The paths that a person may mean, the most likely first: by its name, and in the printed form."""
    return [path_of(folder, one) for one in meant(text)]


def _outside(text: str, folder: str) -> ConfigError:
    return ConfigError(
        f"{show(os.fsencode(text))} is not a path in the shared folder {show(os.fsencode(folder))}", USAGE
    )
