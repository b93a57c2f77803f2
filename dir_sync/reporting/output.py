"""What a command prints: every name can be printed, and an output that cannot be written is said in one line.

In:   lines. Out: stdout.
Rule: only the names are the user's: no locale, no full disk and no closed handle ends in a traceback.
"""

from __future__ import annotations

import codecs
import os
import sys

from dir_sync.core.model import meanings

__all__ = ["ESCAPE", "OutputError", "finish", "meant", "prepare", "say", "throw_away"]

ESCAPE = "dir_sync-escape"
"""How what an encoding lacks is written: as `core.model.show` escapes, so that it can be read back."""


_CLOSED = "standard output is closed"
_closed: set[int] = set()  # standard handles that were closed when we began


class OutputError(Exception):
    """What was printed did not get to where it should: the reason, in words."""


def prepare() -> None:
    """Before anything else. A standard handle that is closed is opened on /dev/null: else the next file that is opened
    gets its number, and whatever is printed ends up in that file."""
    for handle in range(3):
        try:
            os.fstat(handle)
        except OSError:
            _closed.add(handle)
            try:
                os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # it gets the lowest number that is free
            except OSError:
                return
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors=ESCAPE)  # LANG=C, Latin-1: what they lack is escaped


def say(text: str, end: str = "\n") -> None:
    """Print. Raises OutputError; BrokenPipeError if the reader has read enough."""
    if sys.stdout is None or 1 in _closed:
        raise OutputError(_CLOSED)
    try:
        print(text, end=end)
    except BrokenPipeError:
        raise
    except (OSError, ValueError) as error:  # ValueError: it is closed
        raise _why(error) from None


def finish() -> None:
    """Everything that was said is written now. Raises what `say` raises."""
    if sys.stdout is None:
        return
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except (OSError, ValueError) as error:
        raise _why(error) from None


def meant(text: str) -> list[str]:
    """The names that a user may mean who typed `text`, or pasted what we printed; the likeliest first."""
    encoding = (sys.stdout.encoding if sys.stdout is not None else None) or "utf-8"
    return [os.fsdecode(name) for name in meanings(os.fsencode(text), encoding)]


def throw_away() -> None:
    """Forget what could not be written: Python would try it again at exit, with a traceback and another exit code."""
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
