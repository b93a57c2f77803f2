"""The output of a command: every name can be printed, and a failed write is reported in one line.

In:   lines. Out: stdout.
Rule: no locale, full disk or closed handle causes a traceback.
"""

from __future__ import annotations

import codecs
import os
import sys

from dir_sync.core.model import meanings

__all__ = ["ESCAPE", "OutputError", "finish", "meant", "prepare", "say", "throw_away"]

ESCAPE = "dir_sync-escape"
"""The error handler for characters that an encoding lacks: escapes like `core.model.show`, so that they can be read
back."""


_CLOSED = "standard output is closed"
_closed: set[int] = set()  # standard handles that were closed at the start


class OutputError(Exception):
    """The output could not be written; the text is the reason."""


def prepare() -> None:
    """Call this before anything else. It opens /dev/null for a closed standard handle: otherwise the next opened file
    would get its number, and printed text would end up in that file."""
    for handle in range(3):
        try:
            os.fstat(handle)
        except OSError:
            _closed.add(handle)
            try:
                os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # it gets the lowest free number
            except OSError:
                return
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors=ESCAPE)  # LANG=C, Latin-1: missing characters are escaped


def say(text: str, end: str = "\n") -> None:
    """Print a line. Raises OutputError; BrokenPipeError if the reader has closed the pipe."""
    if sys.stdout is None or 1 in _closed:
        raise OutputError(_CLOSED)
    try:
        print(text, end=end)
    except BrokenPipeError:
        raise
    except (OSError, ValueError) as error:  # ValueError: it is closed
        raise _why(error) from None


def finish() -> None:
    """Flush the output. Raises the same as `say`."""
    if sys.stdout is None:
        return
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except (OSError, ValueError) as error:
        raise _why(error) from None


def meant(text: str) -> list[str]:
    """The names that a user may mean who typed or pasted `text`; the most likely first."""
    encoding = (sys.stdout.encoding if sys.stdout is not None else None) or "utf-8"
    return [os.fsdecode(name) for name in meanings(os.fsencode(text), encoding)]


def throw_away() -> None:
    """Drop what could not be written: Python would try again at exit, with a traceback and another exit code."""
    try:
        number = sys.stdout.fileno()
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, number)
        os.close(nowhere)
    except (OSError, ValueError, AttributeError):
        pass


def _why(error: OSError | ValueError) -> OutputError:
    return OutputError((isinstance(error, OSError) and error.strerror) or str(error))


def _escape(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(f"\\u{ord(c):04x}" if ord(c) < 0x10000 else f"\\U{ord(c):08x}" for c in lacking), error.end


codecs.register_error(ESCAPE, _escape)
