"""Is the folder there? A disk that is not mounted looks like an empty folder, and must not be taken for one.

In:   the folder's path. Out: why it cannot be used now, in words, or "".
Rule: a folder that was shared from this machine before is not begun anew because it is empty today and on another file
      system: the disk is not mounted.
"""

from __future__ import annotations

import json
import os
import stat

from dir_sync.core.model import show

__all__ = ["is_known", "reason_against", "reason_to_wait", "remember"]

_FILE = "folders.json"
_FOLDERS_MAX = 1_000


def reason_to_wait(folder: str, was: tuple[int, int] | None, fresh: bool = False) -> str:
    """`was`: device and inode that it had a moment ago, when this very run shared it. `fresh`: the user says that it is
    meant to be empty."""
    name = show(os.fsencode(folder))
    try:
        found = os.stat(folder)
        if not stat.S_ISDIR(found.st_mode):
            return f"{name} is not a folder any more"
        entries = os.listdir(folder)
    except OSError as error:
        return f"{name} is gone: {error.strerror}"
    if ".dir_sync" in entries or (found.st_dev, found.st_ino) == was or (fresh and was is None):
        return ""
    if was is not None:
        return f"{name} is another folder now: it has no .dir_sync"
    if not entries and _known().get(folder, found.st_dev) != found.st_dev:
        return (
            f"{name} is empty, and was shared from here before: is its disk mounted? (if it is meant to be empty, start"
            " with --new)"
        )
    return ""


def reason_against(folder: str) -> str:
    """Why this folder cannot be shared: one that is shared itself is above it, or in it."""
    name = show(os.fsencode(folder))
    above = os.path.dirname(folder)
    while True:
        if _is_shared(above):
            return f"{name} is in {show(os.fsencode(above))}, which is shared itself (it has a .dir_sync)"
        if above == os.path.dirname(above):
            break
        above = os.path.dirname(above)
    for other in _known():
        if other.startswith(folder.rstrip("/") + "/") and _is_shared(other):
            return f"{show(os.fsencode(other))}, in it, is shared itself (it has a .dir_sync)"
    return ""


def _is_shared(folder: str) -> bool:
    return os.path.exists(os.path.join(folder, ".dir_sync", "index.db"))


def is_known(folder: str) -> bool:
    """True if a folder of this path was shared before, by this user on this machine."""
    return folder in _known()


def remember(folder: str) -> None:
    """This folder is shared from here, and on which file system it is."""
    known = _known()
    path = _path()
    new = f"{path}.{os.getpid()}"
    try:
        device = os.stat(folder).st_dev
        if known.get(folder) == device:
            return
        known.pop(folder, None)
        known[folder] = device
        os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
        with open(new, "w", encoding="utf-8") as file:
            json.dump(dict(list(known.items())[-_FOLDERS_MAX:]), file)
        os.replace(new, path)
    except (OSError, ValueError):
        pass  # then an unmounted disk cannot be told from a new folder before the start


def _known() -> dict[str, int]:
    """Folders that were shared, and the devices that they were on."""
    try:
        with open(_path(), encoding="utf-8") as file:
            known = json.load(file)
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(known, dict):
        return {}
    return {folder: device for folder, device in known.items() if isinstance(device, int)}


def _path() -> str:
    """In the user's state folder, as the XDG base directory specification has it."""
    base = os.environ.get("XDG_STATE_HOME", "")
    if not os.path.isabs(base):
        base = os.path.expanduser("~/.local/state")
    return os.path.join(base, "dir_sync", _FILE)
