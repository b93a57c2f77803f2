"""The settings of one run: checked once, then frozen.

In: arguments of the command line. Out: valid values, or ConfigError, one line for the user.
Rule: nothing is changed or created here; each part of the program gets the few values it needs, not the whole Config.
"""

from __future__ import annotations

import errno
import os
import stat

from dir_sync.core import limits
from dir_sync.core.frozen import frozen
from dir_sync.core.mode import CHOICES, Mode
from dir_sync.core.model import show, show_text
from dir_sync.core.overload.byte_rate import SpeedLimits
from dir_sync.core.preserve import ALWAYS, USUAL, Part
from dir_sync.core.schedule import Rule, read_rule
from dir_sync.core.taking import Keep
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
    "LOG_KEEP",
    "LOG_MAX_SIZE",
    "MERGE_OFF",
    "MERGE_TEXT",
    "OK",
    "PORT_MAX",
    "SIGNATURE_DIR",
    "TIMEOUT",
    "UNFINISHED",
    "USAGE",
    "Config",
    "ConfigError",
    "barred",
    "checked_folder",
    "checked_interval",
    "checked_keep",
    "checked_merge",
    "checked_mode",
    "checked_name",
    "checked_parts",
    "checked_port",
    "checked_rate",
    "checked_rule",
    "checked_scrub",
    "checked_size",
    "existing",
    "host_name",
    "is_shared",
    "seconds_of",
]

BROADCAST_PORT = 5000
LISTEN_PORT = 6000
SIGNATURE_DIR = "/tmp/signatures"
FOLDER_NAME = "default"
BRAKE_FILES = 100
BRAKE_PERCENT = 50
BRAKE_REWRITES = 1_000
BRAKE_REWRITE_PERCENT = 80
LOG_MAX_SIZE = 10**7
LOG_KEEP = 3
MERGE_OFF, MERGE_TEXT = "off", "text"
CLOCK_AHEAD = limits.STAMP_AHEAD_NS // (86_400 * 10**9)
HISTORY_DAYS = 30
HISTORY_SHARE = 10
HISTORY_MIN = 10**9
HISTORY_MAX = 50 * 10**9
HISTORY_DAYS_MOST = 36_500

# Exit codes, of all commands: docs/cli.md has the table.
OK = 0  # done; of `status`: in sync
ENVIRONMENT = 1  # the command line is correct, but its command failed
USAGE = 2  # the command line is wrong
TIMEOUT = 3  # under way, but not finished in time
UNFINISHED = 4  # something is held, in conflict, or not in sync

PORT_MAX = 65535
_UNITS_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_DIGITS_MAX = 8  # of a typed time
RATE_MIN = 10_000  # bytes a second: a chunk takes some seconds then


class ConfigError(Exception):
    """An error for the user: one line, and the exit code of the process."""

    def __init__(self, message: str, exit_code: int = ENVIRONMENT) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@frozen
class Config:
    """The settings of one run of one node. Paths are absolute; they are str with surrogateescape, for os.fsencode.

    It has more fields than a class should have: each is one setting of the command line, and none depends on another.
    """

    folder: str  # the shared folder, with links resolved
    broadcast_port: int = BROADCAST_PORT  # UDP
    listen_port: int = LISTEN_PORT  # TCP
    signature_dir: str = SIGNATURE_DIR  # links not resolved: the cache has to check them
    peers: tuple[tuple[str, int], ...] = ()  # (host or address, port) to dial without a beacon
    name: str = "unnamed"  # display name of this node
    folder_name: str = FOLDER_NAME  # nodes synchronize folders with equal names
    label: str = ""  # what the log says first of this folder, if there are several
    interface: str | None = None  # address or name; None: all
    discovers: bool = True  # it sends beacons and listens to those of others
    listens: bool = True  # others may connect to it
    verbosity: int = 0  # -1 only warnings, 0 also events, 1 everything
    log_file: str | None = None
    log_max_size: int = LOG_MAX_SIZE  # bytes, then the log file is rotated; 0: never
    log_keep: int = LOG_KEEP  # how many older log files stay
    key_file: str | None = None  # of a closed mesh; None: not given
    join: str | None = None  # the code by which this machine joins a closed mesh first
    on_event: str | None = None  # a command that is run when something happens; None: none
    on_event_kinds: frozenset[str] = frozenset()  # for these kinds of events; none: for all
    notify: bool = False  # desktop notifications
    fresh: bool = False  # the folder is meant to be empty, though it was shared before
    brake_files: int = BRAKE_FILES  # so many missing files at once are a disaster; 0: no number is
    brake_percent: int = BRAKE_PERCENT  # ... if they are more than this part of all files
    brake_rewrites: int = BRAKE_REWRITES  # the same for files that one node rewrites within a minute
    brake_rewrite_percent: int = BRAKE_REWRITE_PERCENT
    default_rules: bool = True  # litter of editors and file managers is not shared
    preserve: frozenset[Part] = USUAL  # what is kept of files beside content, times and modes
    merge: str = MERGE_OFF  # what is merged if it was changed on two machines at once
    mode: Mode = Mode.TWO_WAY  # what this node announces, and what it takes
    file_interval: int = 0  # seconds between two announcements of one file, at least
    scrub: int = 0  # seconds in which everything is read again in the background; 0: it is not
    speed: SpeedLimits = SpeedLimits()  # bytes per second
    max_file_size: int = 0  # bytes: larger files are neither sent nor taken; 0: any
    min_free: Keep | None = None  # so much of the disk stays free of what others send
    schedule: tuple[Rule, ...] = ()  # when other limits hold, or nothing is exchanged
    clock_ahead: int = CLOCK_AHEAD  # days: a version dated further ahead does not win over later local changes
    history_days: int = HISTORY_DAYS  # versions are kept so many days ...
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


def checked_rate(text: str) -> int:
    """Bytes a second: 500k, 1.5M, 1G, with or without /s; 0: no limit."""
    try:
        rate = checked_size(text.removesuffix("/s"))
    except ConfigError:
        raise ConfigError(f"'{_shown(text)}' is not a number of bytes a second: 500k, 1.5M", USAGE) from None
    if 0 < rate < RATE_MIN:
        raise ConfigError(
            f"{_shown(text)} is too slow to be useful: at least {RATE_MIN // 1000}k, or 0 for no limit", USAGE
        )
    return rate


def checked_keep(text: str) -> Keep:
    """A part of the disk, 5%, or a size, 2G; 0: nothing."""
    number = text.removesuffix("%")
    if number == text:
        return Keep(text, bytes=checked_size(text))
    if number.isascii() and number.isdigit() and int(number[:3]) <= 99 and len(number) <= 2:
        return Keep(text, percent=int(number))
    raise ConfigError(f"'{_shown(text)}' is not a part of the disk: 0% to 99%, or a size such as 2G", USAGE)


def checked_rule(text: str) -> Rule:
    """A rule of the schedule."""
    try:
        return read_rule(text, checked_rate)
    except ValueError as error:
        raise ConfigError(str(error), USAGE) from None


def checked_mode(text: str) -> Mode:
    """One of the modes that a user may choose."""
    for mode in CHOICES:
        if text == mode.value:
            return mode
    words = ", ".join(mode.value for mode in CHOICES)
    raise ConfigError(f"'{_shown(text)}' is not a mode ({words})", USAGE)


def checked_parts(text: str) -> frozenset[Part]:
    """Words with commas between them: each adds a part to what is usually kept, or takes it away (no-sparse)."""
    parts = set(USUAL)
    for word in text.replace(",", " ").split():
        if word == "all":
            parts |= set(Part)
        elif word not in ALWAYS:
            part = next((part for part in Part if part.value == word.removeprefix("no-")), None)
            if part is None:
                words = ", ".join((*(part.value for part in Part), *ALWAYS, "all"))
                raise ConfigError(f"'{_shown(word)}' cannot be kept ({words}; no- before one of them: not kept)", USAGE)
            (parts.discard if word.startswith("no-") else parts.add)(part)
    return frozenset(parts)


def checked_merge(text: str) -> str:
    """What is merged if it was changed on two machines at once."""
    if text in (MERGE_TEXT, MERGE_OFF):
        return text
    raise ConfigError(f"'{_shown(text)}' cannot be merged ({MERGE_TEXT}, {MERGE_OFF})", USAGE)


def checked_interval(text: str) -> int:
    """Seconds: 0, 10s, 2m, 1h."""
    seconds = seconds_of(f"{text}s" if text[-1:].isdigit() else text, 0, 86_400)
    if seconds is None:
        raise ConfigError(f"'{_shown(text)}' is not a time: 10s, 2m, 1h (at most a day)", USAGE)
    return seconds


def checked_scrub(text: str) -> int:
    """Seconds: 30d, 12h; 0: off."""
    seconds = 0 if text == "0" else seconds_of(text, 3_600, 3_650 * 86_400, "hd")
    if seconds is None:
        raise ConfigError(f"'{_shown(text)}' is not a time for a scrub: 30d, 12h (an hour to ten years)", USAGE)
    return seconds


def seconds_of(text: str, least: int, most: int, units: str = "smh") -> int | None:
    """The seconds of a typed time such as 30s, 10m, 1h or 2d; None if it is no time, or not from `least` to `most` seconds.
    `units`: those that may be typed, of s, m, h and d."""
    number, unit = text[:-1], text[-1:]
    if not unit or unit not in units or not (number.isascii() and number.isdigit()) or len(number) > _DIGITS_MAX:
        return None
    seconds = int(number) * _UNITS_S[unit]
    return seconds if least <= seconds <= most else None


def checked_name(text: str) -> str:
    """1-64 printable characters, without a space at either end, so that names that look alike are equal."""
    if not text:
        raise ConfigError("a name needs at least one character", USAGE)
    if len(text) > limits.NAME_CHARS_MAX:
        raise ConfigError(f"a name of {len(text)} characters; {limits.NAME_CHARS_MAX} is the limit", USAGE)
    try:
        text = os.fsencode(text).decode("utf-8")  # undo the decoding by the locale
    except UnicodeError:
        pass  # reported below
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
    """`text`; or, if that does not exist and is the printed form of an existing name, that name."""
    try:
        return next((one for one in meant(text) if os.path.lexists(one)), text)
    except ValueError:  # a NUL byte
        return text


def barred(folder: str) -> str:
    """Why this user cannot use an existing folder, as the end of a sentence; "": there is no reason."""
    for way, word in ((os.R_OK | os.X_OK, "read"), (os.W_OK, "written")):
        if not os.access(folder, way, effective_ids=os.access in os.supports_effective_ids):
            return f"cannot be {word}: check its permissions and its file system"
    return ""


def is_shared(path: str, folder: str) -> bool:
    """True if a file at `path` is synchronized: it is in `folder` (a real path), and not in .dir_sync."""
    real = os.path.realpath(path)
    if real != folder and not real.startswith(folder.rstrip(os.sep) + os.sep):
        return False
    return os.fsdecode(limits.RESERVED_NAME) not in real[len(folder) :].split(os.sep)


def host_name() -> str:
    """The name of this machine, converted to a valid node name."""
    name = "".join(c for c in os.uname().nodename if c.isprintable())
    return name[: limits.NAME_CHARS_MAX].strip() or "unnamed"


def _shown(text: str) -> str:
    try:
        return show(os.fsencode(text))
    except UnicodeEncodeError:  # the locale cannot represent an invalid path
        return show_text(text)
