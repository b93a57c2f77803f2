"""Whether the folder is there. A disk that is not mounted looks like an empty folder, and must not be taken for one.

In:   the folder's path. Out: the reason why it cannot be used now, as text, or "".
Rule: if a folder was shared from this machine before, and is now empty and on another file system, its disk is not
mounted; it is not shared as a new folder.
"""

from __future__ import annotations

import errno
import os
import stat

from dir_sync.config import barred
from dir_sync.core.model import show
from dir_sync.folder import user_state
from dir_sync.folder.started import started

__all__ = [
    "has_index",
    "known_as",
    "paused",
    "pauser",
    "reason_against",
    "reason_to_wait",
    "remember",
    "say_paused",
    "shared_before",
]

_FRESH = "start with --new; or in a configuration file write 'new = true' into its table, run 'reload', and take that out again"
_FOLDERS = "folders.json"
_PAUSED = "paused.json"
_FOLDERS_MAX = 1_000


def reason_to_wait(folder: str, was: tuple[int, int] | None, fresh: bool = False) -> str:
    """`was`: device and inode that it had a moment ago, when this run shared it. `fresh`: the user says that it is
    meant to be empty."""
    name = show(os.fsencode(folder))
    try:
        found = os.stat(folder)
        if not stat.S_ISDIR(found.st_mode):
            return f"{name} is not a folder any more"
        if reason := barred(folder):
            return f"{name} {reason}"
        entries = os.listdir(folder)
    except OSError as error:
        is_gone = error.errno in (errno.ENOENT, errno.ENOTDIR)
        return f"{name} {'is gone' if is_gone else 'cannot be used'}: {error.strerror}"
    if ".dir_sync" in entries or (found.st_dev, found.st_ino) == was or (fresh and was is None):
        return ""
    if was is not None:
        return f"{name} is another folder now: it has no .dir_sync (if it is meant to take the place of the old one, {_FRESH})"
    if not entries and _known().get(folder, found.st_dev) != found.st_dev:
        return (
            f"{name} is empty, but was shared from here before: is its disk mounted? (If it is meant to be empty,"
            f" {_FRESH})"
        )
    return ""


def reason_against(folder: str) -> str:
    """Why this folder cannot be shared: a shared folder is above it, or in it."""
    name = show(os.fsencode(folder))
    above = os.path.dirname(folder)
    while True:
        if has_index(above):
            return f"{name} is inside {show(os.fsencode(above))}, which is shared itself (it has a .dir_sync)"
        if above == os.path.dirname(above):
            break
        above = os.path.dirname(above)
    for other in _known():
        if other.startswith(folder.rstrip("/") + "/") and has_index(other):
            return f"{show(os.fsencode(other))} inside it is shared itself (it has a .dir_sync)"
    return ""


def has_index(folder: str) -> bool:
    """True if a folder was shared: what stands in it outlives its nodes."""
    return os.path.exists(os.path.join(folder, ".dir_sync", "index.db"))


def known_as(text: str) -> str:
    """The path under which this user shared the folder `text` before on this machine; "" if it was not shared. What is
    at the path now does not matter."""
    known = _known()
    return next((path for path in _paths(text) if path in known), "")


def shared_before() -> list[str]:
    """The paths of all folders that this user shared on this machine. What is there now does not matter."""
    return list(_known())


def remember(folder: str) -> None:
    """Remember that this folder is shared from here, and its file system."""
    try:
        device = os.stat(folder).st_dev
    except OSError:
        return
    if _known().get(folder) == device:
        return
    with user_state.alone():
        known = _known()
        known.pop(folder, None)
        known[folder] = device
        user_state.write(_FOLDERS, dict(list(known.items())[-_FOLDERS_MAX:]))


def say_paused(folder: str, reason: str) -> None:
    """Store the reason of a pause where other commands find it: the folder itself, with the socket in it, may be
    missing. "": the pause is over."""
    if not reason and folder not in user_state.read(_PAUSED):
        return
    with user_state.alone():
        said = user_state.read(_PAUSED)
        known = {other: word for other, word in said.items() if other != folder and _is_alive(word)}
        if reason:
            known[folder] = [os.getpid(), reason, started(os.getpid())]
        if known != said:
            user_state.write(_PAUSED, known)


def paused(text: str) -> str:
    """Why the node of a folder (as a user types it) is paused; "": it is not, as far as is known."""
    said = user_state.read(_PAUSED)
    for path in _paths(text):
        word = said.get(path)
        if isinstance(word, list) and _is_alive(word):
            return str(word[1])
    return ""


def pauser(text: str) -> tuple[int, str] | None:
    """The process of a node that is paused for this folder, as a user types it, and when that started; None: there is none, as
    far as is known."""
    said = user_state.read(_PAUSED)
    for path in _paths(text):
        word = said.get(path)
        if isinstance(word, list) and len(word) == 3 and _is_alive(word):
            return word[0], word[2]
    return None


def _paths(text: str) -> list[str]:
    """The typed path with all links resolved; then the path where a link at the end is kept as it is."""
    try:
        real = os.path.realpath(text) if text else ""
    except (OSError, ValueError):  # the current folder is gone; a NUL byte
        return []
    if not real:
        return []
    above, name = os.path.split(os.path.abspath(text))
    return [real, os.path.join(os.path.realpath(above), name)]


def _is_alive(word: object) -> bool:
    """`word`: the note of a paused node."""
    if not isinstance(word, list) or len(word) not in (2, 3) or not isinstance(word[0], int) or word[0] <= 0:
        return False
    if len(word) == 3:
        return bool(word[2] == started(word[0]))
    try:
        os.kill(word[0], 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        pass  # a process of another user
    return True


def _known() -> dict[str, int]:
    """Folders that were shared, and their devices."""
    return {folder: device for folder, device in user_state.read(_FOLDERS).items() if isinstance(device, int)}
