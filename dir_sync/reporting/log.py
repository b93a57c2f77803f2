r"""Log lines for people: one line each, nothing in them that could forge a line or move a cursor.

In: records of the logger `dir_sync`. Out: ``23:17:05  text`` on stderr, and full timestamps in the log file.
Rule: writing may fail or stall. That loses lines, which is reported when writing works again; it never stops the
program.
"""

from __future__ import annotations

import logging
import os
import select
import sys
import time
import traceback
from collections.abc import Hashable, MutableMapping, Sequence
from contextlib import nullcontext
from typing import Any, TextIO

from dir_sync.config import LOG_KEEP, LOG_MAX_SIZE, ConfigError
from dir_sync.core.model import show
from dir_sync.reporting.log_file import LogFile
from dir_sync.reporting.output import ESCAPE

__all__ = [
    "Once",
    "close",
    "complain",
    "escape",
    "how_many",
    "human_bytes",
    "human_seconds",
    "is_verbose",
    "labelled",
    "listed",
    "logger",
    "moment",
    "own_limit",
    "passing",
    "reopen",
    "setup",
    "wants_colour",
    "who_have",
]

logger = logging.getLogger("dir_sync")

LINE_CHARS_MAX = 1000  # in UTF-8 less than a page: a pipe that is ready accepts a page without blocking
LINE_BYTES_MAX = 4096  # that page (PIPE_BUF)
PATIENCE_MS = 100  # how long (ms) one line may wait for the reader; no wait after a line was lost
CAUSES_MAX = 10_000  # causes remembered by one Once: some 2 MB; beyond that the oldest is forgotten

_FOREIGN = logging.getLogger("watchdog")  # its warnings go to the same destinations


def setup(verbosity: int, log_file: str | None, max_bytes: int = LOG_MAX_SIZE, kept: int = LOG_KEEP) -> None:
    """Start logging. `verbosity` applies to stderr: -1 only warnings, 0 also events, 1 everything; a log file always
    gets events and warnings. `max_bytes`, `kept`: of the log file, see LogFile. ConfigError if the file cannot be written. A
    further call starts anew; if that fails, the log goes on as before."""
    opened = None if log_file is None else _opened(log_file, max_bytes, kept)
    close()
    logging.raiseExceptions = False  # a line that cannot be formatted or written is lost, and nothing else happens
    wanted = logging.DEBUG if verbosity > 0 else logging.INFO
    handlers: list[_Lines] = []
    if opened is not None:
        handlers.append(_Lines(opened, "utf-8", _Full(), wanted))
    if sys.stderr is not None:
        level = logging.WARNING if verbosity < 0 else wanted
        handlers.insert(0, _Lines(sys.stderr, sys.stderr.encoding, _Short(), level, wants_colour(sys.stderr)))
    for source in (logger, _FOREIGN):
        source.propagate = False
        source.setLevel(wanted if source is logger else logging.WARNING)
        for handler in handlers:
            source.addHandler(handler)
        source.addHandler(logging.NullHandler())  # without any handler logging would write to stderr itself


def is_verbose() -> bool:
    """True if the user wants every detail (-v)."""
    return logger.isEnabledFor(logging.DEBUG)


def close() -> None:
    """Stop logging and close the log file; harmless if nothing was set up."""
    for source in (logger, _FOREIGN):
        for handler in source.handlers[:]:
            source.removeHandler(handler)
            handler.close()
        source.propagate = True
        source.setLevel(logging.NOTSET)


def reopen() -> None:
    """Open the log file anew by its name, if there is one: logrotate may have moved it away. Not for signal handlers."""
    for handler in logger.handlers:
        if isinstance(handler, _Lines) and not handler.reopen():
            logger.warning("the log file cannot be opened anew: its lines still go where they went")


def complain(text: str) -> None:
    """A command's error line: ``dir_sync: text`` on stderr, even before `setup`; also in the log file, if there is
    one."""
    if sys.stderr is not None:
        last = _Lines(sys.stderr, sys.stderr.encoding, _Short(), logging.NOTSET)
        last.write(f"dir_sync: {_cut(escape(text))}")
    record = logging.makeLogRecord({"name": logger.name, "msg": text, "levelno": logging.ERROR})
    for handler in logger.handlers:
        if isinstance(handler, _Lines) and handler.is_file:
            handler.handle(record)


def escape(text: str) -> str:
    """`text` with control characters, line ends, direction marks and lone surrogates escaped (\\x1b). Backslashes are
    kept, because `show` has escaped paths before."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode("ascii") for c in text)


def own_limit(most: int) -> str:
    """The largest file that the person of this machine lets in or out."""
    return f"{human_bytes(most)}, the --max-file-size of this machine"


def human_bytes(n: int) -> str:
    """``0 B``, ``999 B``, ``1.24 kB``, ``12.4 MB``, ``124 GB``: decimal units."""
    if n < 0:
        return "-" + human_bytes(-n)
    if n < 1000:
        return f"{n} B"
    scaled = float(n)
    for unit in ("kB", "MB", "GB", "TB", "PB", "EB"):
        scaled /= 1000
        for below, digits in ((9.995, 2), (99.95, 1), (999.5, 0)):
            if scaled < below:
                return f"{scaled:.{digits}f} {unit}"
    return f"{scaled:.0f} EB"


def how_many(n: int, thing: str) -> str:
    """`1 file`, `2,000 files`."""
    return f"{n:,} {thing}" if n == 1 else f"{n:,} {thing}s"


def moment(at_s: float) -> str:
    """A point in Unix time as local time; with its date, if that is another one than today's."""
    at = time.localtime(at_s)
    is_today = at[:3] == time.localtime()[:3]
    return time.strftime("%H:%M:%S" if is_today else "%Y-%m-%d %H:%M", at)


def listed(names: Sequence[str]) -> str:
    """`anna`, `anna and bob`, `anna, bob and carol`; nothing for none."""
    *first, last = names or [""]
    return f"{', '.join(first)} and {last}" if first else last


def who_have(names: Sequence[str]) -> str:
    """`anna has`, `anna and bob have`."""
    return f"{listed(names)} {'has' if len(names) == 1 else 'have'}"


def human_seconds(s: float) -> str:
    """``0.4 ms``, ``250 ms``, ``1.2 s``, ``45 s``, ``1 min 15 s``, ``2 h 5 min``, ``3 d 4 h``."""
    if s < 0:
        return "-" + human_seconds(-s)
    if s < 0.00995:
        return f"{s * 1000:.1f} ms"
    if s < 0.9995:
        return f"{s * 1000:.0f} ms"
    if s < 9.95:
        return f"{s:.1f} s"
    whole = round(s)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return _pair(whole, 60, "min", 1, "s")
    if whole < 86400:
        return _pair(whole, 3600, "h", 60, "min")
    return _pair(whole, 86400, "d", 3600, "h")


class Once:
    """True the first time a cause is named. Not for several threads."""

    def __init__(self, causes_max: int = CAUSES_MAX) -> None:
        self._causes_max = causes_max
        self._seen: dict[Hashable, None] = {}  # oldest first

    @property
    def causes(self) -> tuple[Hashable, ...]:
        """Those that were named, the oldest first."""
        return tuple(self._seen)

    def first(self, cause: Hashable) -> bool:
        if cause in self._seen:
            return False
        if len(self._seen) >= self._causes_max:
            del self._seen[next(iter(self._seen))]
        self._seen[cause] = None
        return True


class _Labelled(logging.LoggerAdapter[logging.Logger]):
    def __init__(self, label: str) -> None:
        super().__init__(logger, {})
        self._label = f"[{label}] ".replace("%", "%%")

    def process(self, msg: object, kwargs: MutableMapping[str, object]) -> tuple[str, MutableMapping[str, object]]:
        return f"{self._label}{msg}", kwargs


def labelled(label: str) -> logging.Logger | logging.LoggerAdapter[logging.Logger]:
    """The log, in which each line begins with the label: `[notes] received a.txt (2 B) from anna`. Nothing for ""."""
    return _Labelled(label) if label else logger


_PASSING = "is_passing"  # an attribute of records


def passing(label: str) -> logging.LoggerAdapter[Any]:
    """As `labelled`, for lines that count for the moment only: stderr gets them, and the log file does not."""
    return logging.LoggerAdapter(labelled(label), {_PASSING: True})


class _Lines(logging.Handler):
    """Writes whole lines to a descriptor or, if there is none (a captured stderr), to a stream."""

    def __init__(
        self,
        target: TextIO | LogFile,
        encoding: str,
        formatter: logging.Formatter,
        level: int,
        colour: bool = False,
    ) -> None:
        super().__init__(level)
        self.setFormatter(formatter)
        self._file = target if isinstance(target, LogFile) else None
        self._encoding = encoding or "utf-8"
        self._colour = colour
        self._lost = 0  # lines lost since the last written one
        self._torn = False  # a line was written partly: the next one starts on a new line
        self._stream = None if isinstance(target, LogFile) else target
        self._fd: int | None = None
        self._poll = select.poll()
        self._use(target.descriptor if isinstance(target, LogFile) else _descriptor_of(target))

    @property
    def is_file(self) -> bool:
        return self._file is not None

    def emit(self, record: logging.LogRecord) -> None:
        if self.is_file and hasattr(record, _PASSING):
            return
        try:
            colour = _COLOURS.get(record.levelno, "") if self._colour else ""
            for line in self.format(record).split("\n"):
                self.write(f"{colour}{line}\x1b[0m" if colour else line)
        except Exception:  # any error: a log line must never end a daemon
            self.handleError(record)

    def write(self, line: str) -> None:
        """Write one line; counted as lost if that is not possible soon."""
        if self._lost and self._try(
            _Short.stamp(time.time())
            + f"({how_many(self._lost, 'log line')} {'was' if self._lost == 1 else 'were'} lost)"
        ):
            self._lost = 0
        if not self._try(line):
            self._lost += 1

    def reopen(self) -> bool:
        """False if there is a log file, and it cannot be opened anew."""
        if self._file is None:
            return True
        with self.lock or nullcontext():
            done = self._file.reopen()
            self._use(self._file.descriptor)
        return done

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
        self._fd = self._stream = self._file = None
        super().close()

    def _use(self, descriptor: int | None) -> None:
        if descriptor != self._fd:
            self._poll = select.poll()
            if descriptor is not None:
                self._poll.register(descriptor, select.POLLOUT)
            self._fd, self._torn = descriptor, False

    def _try(self, line: str) -> bool:
        data = line.encode(self._encoding, ESCAPE)[: LINE_BYTES_MAX - 2] + b"\n"
        if self._file is not None and self._file.make_room(len(data)):
            self._use(self._file.descriptor)
        data = (b"\n" if self._torn else b"") + data
        try:
            self._put(data)
        except (OSError, ValueError, AttributeError):  # full, gone, closed
            return False
        self._torn = False
        return True

    def _put(self, data: bytes) -> None:
        if self._fd is None:
            assert self._stream is not None
            self._stream.write(data.decode(self._encoding))
            self._stream.flush()
            return
        # Not through the stream: a buffer that cannot be flushed fails again at exit, and changes the exit code.
        while data:
            if not self._poll.poll(0 if self._lost else PATIENCE_MS):
                raise BlockingIOError
            data = data[os.write(self._fd, data) :]
            self._torn = bool(data)


class _Short(logging.Formatter):
    """``23:17:05  text``; warnings and errors are marked."""

    @staticmethod
    def stamp(at_s: float) -> str:
        return time.strftime("%H:%M:%S  ", time.localtime(at_s))

    def format(self, record: logging.LogRecord) -> str:
        mark = {logging.WARNING: "warning: ", logging.ERROR: "error: ", logging.CRITICAL: "error: "}
        return self.stamp(record.created) + mark.get(record.levelno, "") + _text(record)


class _Full(logging.Formatter):
    """``2026-11-20 23:17:05.123 +0100  WARNING  text``"""

    def format(self, record: logging.LogRecord) -> str:
        at = time.localtime(record.created)
        fraction_ms = int(record.created % 1 * 1000)
        stamp = f"{time.strftime('%Y-%m-%d %H:%M:%S', at)}.{fraction_ms:03} {time.strftime('%z', at)}"
        return f"{stamp}  {logging.getLevelName(record.levelno):7}  {_text(record)}"


_COLOURS = {
    logging.DEBUG: "\x1b[2m",
    logging.WARNING: "\x1b[33m",
    logging.ERROR: "\x1b[31m",
    logging.CRITICAL: "\x1b[31m",
}


def _text(record: logging.LogRecord) -> str:
    """The message on one line; a traceback follows with marked lines, so that none looks like an entry."""
    try:
        text = record.getMessage()
    except Exception:  # a wrong format string is our error, but its message is still useful
        text = f"{record.msg!r} with {record.args!r}"
    lines = [_cut(escape(text))]
    if record.exc_info and record.exc_info[1] is not None:
        for block in traceback.format_exception(record.exc_info[1]):
            lines += ["          | " + _cut(escape(line)) for line in block.rstrip("\n").split("\n")]
    return "\n".join(lines)


def _pair(whole: int, large: int, large_unit: str, small: int, small_unit: str) -> str:
    count, rest = divmod(whole, large)
    return f"{count} {large_unit}" + (f" {rest // small} {small_unit}" if rest >= small else "")


def _cut(text: str) -> str:
    return text if len(text) <= LINE_CHARS_MAX else text[: LINE_CHARS_MAX - 1] + "…"


def _descriptor_of(stream: TextIO) -> int | None:
    try:
        return stream.fileno()
    except (OSError, ValueError):  # captured, or closed
        return None


def wants_colour(stream: TextIO | None) -> bool:
    """True for a terminal, unless the user wants no colour (NO_COLOR)."""
    try:
        return (
            stream is not None
            and stream.isatty()
            and not os.environ.get("NO_COLOR")
            and os.environ.get("TERM") != "dumb"
        )
    except ValueError:  # closed
        return False


def _opened(path: str, max_bytes: int, kept: int) -> LogFile:
    try:
        return LogFile(path, max_bytes, kept)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigError(f"cannot write the log file {show(os.fsencode(path))}: {reason}") from None
