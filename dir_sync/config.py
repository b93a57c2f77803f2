"""What the user asked for: checked once, then frozen.

In: words from the command line. Out: values that the rest may trust, or ConfigError, one line for the user.
Rule: nothing here is changed, and nothing is created; parts get the few values they need, not the whole.
"""

from __future__ import annotations

import errno
import os
import stat

from dir_sync.core import limits
from dir_sync.core.frozen import frozen
from dir_sync.core.model import show
from dir_sync.reporting.output import meant

__all__ = [
    "BRAKE_FILES",
    "BRAKE_PERCENT",
    "BROADCAST_PORT",
    "CLOCK_AHEAD",
    "ENVIRONMENT",
    "FOLDER_NAME",
    "HISTORY_DAYS",
    "HISTORY_DAYS_MOST",
    "HISTORY_MAX",
    "HISTORY_MIN",
    "HISTORY_SHARE",
    "LISTEN_PORT",
    "OK",
    "SIGNATURE_DIR",
    "TIMEOUT",
    "UNFINISHED",
    "USAGE",
    "Config",
    "ConfigError",
    "barred",
    "checked_folder",
    "checked_name",
    "checked_port",
    "checked_size",
    "existing",
    "host_name",
    "is_shared",
]

BROADCAST_PORT = 5000
LISTEN_PORT = 6000
SIGNATURE_DIR = "/tmp/signatures"
FOLDER_NAME = "default"
BRAKE_FILES = 100
BRAKE_PERCENT = 50
BRAKE_REWRITES = 1_000
BRAKE_REWRITE_PERCENT = 80
CLOCK_AHEAD = limits.STAMP_AHEAD_NS // (86_400 * 10**9)
HISTORY_DAYS = 30
HISTORY_SHARE = 10
HISTORY_MIN = 10**9
HISTORY_MAX = 50 * 10**9
HISTORY_DAYS_MOST = 36_500

# Exit codes, of all commands: docs/cli.md has the table.
OK = 0  # done; of `status`: in sync
ENVIRONMENT = 1  # the command line is fine, but it could not be done
USAGE = 2  # the command line is wrong
TIMEOUT = 3  # it is under way, and was not over in time
UNFINISHED = 4  # something is held, in conflict, or not in sync

PORT_MAX = 65535


class ConfigError(Exception):
    """Tell the user, one line, and exit with `exit_code`."""

    def __init__(self, message: str, exit_code: int = ENVIRONMENT) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@frozen
class Config:
    """One run of one node. Paths are absolute; they are str with surrogateescape, for os.fsencode.

    It has more fields than a class should have: each is one setting of the command line, and none depends on another.
    """

    folder: str  # the shared folder, real: no link in it
    broadcast_port: int = BROADCAST_PORT  # UDP
    listen_port: int = LISTEN_PORT  # TCP
    signature_dir: str = SIGNATURE_DIR  # links not resolved: whoever opens it must see them
    peers: tuple[tuple[str, int], ...] = ()  # (host or address, port) to dial besides those heard of
    name: str = "unnamed"  # of this node, for people
    folder_name: str = FOLDER_NAME  # nodes synchronize the folders whose names they share
    interface: str | None = None  # address or name; None: all
    verbosity: int = 0  # -1 only warnings, 0 what happens, 1 how
    log_file: str | None = None
    key_file: str | None = None  # of a closed mesh; None: none was named
    join: str | None = None  # the code by which this machine joins a closed mesh first
    fresh: bool = False  # DIR is meant to be empty, though it was shared before
    brake_files: int = BRAKE_FILES  # so many files missing at once are a disaster; 0: nothing is
    brake_percent: int = BRAKE_PERCENT  # if they are more than this of all files
    brake_rewrites: int = BRAKE_REWRITES  # the same for files that one node rewrites within a minute
    brake_rewrite_percent: int = BRAKE_REWRITE_PERCENT
    clock_ahead: int = CLOCK_AHEAD  # days: what is dated further ahead does not win over what is made here later
    history_days: int = HISTORY_DAYS  # what was replaced is kept so long ...
    history_share: int = HISTORY_SHARE  # ... and up to so many percent of the disk,
    history_min: int = HISTORY_MIN  # but at least so many bytes
    history_max: int = HISTORY_MAX  # and at most so many


def checked_port(text: str) -> int:
    """1-65535, decimal digits only."""
    if text.isascii() and text.isdigit() and len(text) <= 5 and 1 <= int(text) <= PORT_MAX:
        return int(text)
    raise ConfigError(f"'{_shown(text)}' is not a port (1-{PORT_MAX})", USAGE)


def checked_size(text: str) -> int:
    """Bytes: 1500, 20k, 1.5M, 10G, 2T (decimal, as disks are sold)."""
    number, unit = (text[:-1], text[-1]) if text and not text[-1].isdigit() else (text, "")
    factor = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}.get(unit.lower())
    digits = number.replace(".", "", 1)
    if factor is None or not digits.isascii() or not digits.isdigit() or len(number) > 15:
        raise ConfigError(f"'{_shown(text)}' is not a size: 500M, 10G", USAGE)
    return int(float(number) * factor)


def checked_name(text: str) -> str:
    """1-64 printable characters, no space at either end: two names that look alike should be equal."""
    if not text:
        raise ConfigError("a name needs at least one character", USAGE)
    if len(text) > limits.NAME_CHARS_MAX:
        raise ConfigError(f"a name of {len(text)} characters; {limits.NAME_CHARS_MAX} is the limit", USAGE)
    try:
        text = os.fsencode(text).decode("utf-8")  # whatever the locale made of it
    except UnicodeError:
        pass  # told below
    if not text.isprintable():
        raise ConfigError(f"'{_shown(text)}' has characters that cannot be printed", USAGE)
    if text != text.strip():
        raise ConfigError(f"'{_shown(text)}' begins or ends with a space", USAGE)
    return text


def checked_folder(text: str) -> str:
    """The real, absolute path of a folder that can be read and written. ConfigError."""
    if not text:
        raise ConfigError("DIR is empty: which folder?", USAGE)
    text = existing(text)
    try:
        folder = os.path.realpath(text)
        is_directory = stat.S_ISDIR(os.stat(folder).st_mode)
    except ValueError:  # a NUL byte
        raise ConfigError(f"{_shown(text)} cannot be the name of a folder", USAGE) from None
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            if os.path.islink(text.rstrip("/")):
                raise ConfigError(f"{_shown(text)} is a link to a folder that does not exist", USAGE) from None
            raise ConfigError(f"{_shown(text)}: there is no such folder", USAGE) from None
        raise ConfigError(f"{_shown(text)}: {error.strerror}") from None
    if not is_directory:
        raise ConfigError(f"{_shown(text)} is not a folder", USAGE)
    if os.fsdecode(limits.RESERVED_NAME) in folder.split(os.sep):
        raise ConfigError(f"{_shown(text)} is inside .dir_sync, which is never shared", USAGE)
    if reason := barred(folder):
        raise ConfigError(f"{_shown(text)} {reason}")
    return folder


def existing(text: str) -> str:
    """`text`; but if nothing has that name, and it is how we print a name that something has, that name."""
    try:
        return next((one for one in meant(text) if os.path.lexists(one)), text)
    except ValueError:  # a NUL byte
        return text


def barred(folder: str) -> str:
    """Why this user cannot use a folder that is there, as the end of a sentence; "": nothing is in the way."""
    for way, word in ((os.R_OK | os.X_OK, "read"), (os.W_OK, "written")):
        if not os.access(folder, way, effective_ids=os.access in os.supports_effective_ids):
            return f"cannot be {word}: check its permissions and its file system"
    return ""


def is_shared(path: str, folder: str) -> bool:
    """True if what is written at `path` gets synchronized: in `folder` (a real path), not in .dir_sync."""
    real = os.path.realpath(path)
    if real != folder and not real.startswith(folder.rstrip(os.sep) + os.sep):
        return False
    return os.fsdecode(limits.RESERVED_NAME) not in real[len(folder) :].split(os.sep)


def host_name() -> str:
    """The name of this machine, made fit for a node's name."""
    name = "".join(c for c in os.uname().nodename if c.isprintable())
    return name[: limits.NAME_CHARS_MAX].strip() or "unnamed"


def _shown(text: str) -> str:
    try:
        return show(os.fsencode(text))
    except UnicodeEncodeError:  # the locale cannot say what is no path
        return show(text.encode("utf-8", "surrogateescape"))
