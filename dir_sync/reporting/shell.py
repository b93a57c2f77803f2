"""Commands to paste into a shell, and names quoted for a shell.

In:   how this program was started: by scripts/run, or as main.py with some Python.
Out:  text for people.
Rule: a printed command works when it is pasted: names are quoted, and paths in a log, which is read later and
elsewhere, are absolute.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable

__all__ = [
    "APPROVE_ELSEWHERE",
    "PYTHON",
    "STARTED_AS",
    "brief",
    "command",
    "how_to_close",
    "how_to_come_back",
    "how_to_invite",
    "how_to_join",
    "pasteable",
    "program",
    "quoted",
]

STARTED_AS = "DIR_SYNC_STARTED_AS"  # set by scripts/run: its own path, as the user typed it
PYTHON = "DIR_SYNC_PYTHON"  # set by main.py before it runs the Python of .venv: the one the user typed

APPROVE_ELSEWHERE = "run 'approve' on another machine"  # shown instead of the command if it cannot be given here

_USUAL = "python main.py"
_LONG = 36  # characters; --help uses the usual name of a longer program path


def program(in_full: bool = False) -> str:
    """The user's command to start this program, quoted. `in_full`: valid in any folder."""
    script = os.environ.get(STARTED_AS, "")
    if script:
        return quoted(_found(script, in_full))
    script = sys.argv[0] if sys.argv else ""
    if os.path.basename(script) != "main.py":
        return _USUAL
    python = os.environ.get(PYTHON) or next(iter(sys.orig_argv), "") or "python"
    return f"{quoted(_found(python, in_full and '/' in python))} {quoted(_found(script, in_full))}"


def brief() -> str:
    """The same in few characters, for help texts."""
    name = program()
    if len(name) <= _LONG:
        return name
    return "scripts/run" if os.environ.get(STARTED_AS) else _USUAL


def command(*args: str) -> str:
    """A command for this terminal: ``python main.py status 'my folder'``."""
    return " ".join([program(), *map(quoted, args)])


def pasteable(*args: str) -> str:
    """A command for a log, valid in any terminal: a folder among `args` is given by its absolute path."""
    return " ".join([program(in_full=True), *map(quoted, args)])


def how_to_close(say: Callable[..., str], folder: str) -> str:
    """The commands to close an open mesh. `say`: `command` or `pasteable`."""
    return f"to close it: {say('invite', folder)}"


def how_to_come_back(say: Callable[..., str], folder: str) -> str:
    """What a person does on a machine that was removed from its closed mesh. `say`: `command` or `pasteable`."""
    return f"to belong to it again, ask a member for a code ('invite'), and run: {say('join', folder)}"


def how_to_invite(folder: str) -> str:
    """What a person types to let another machine into the closed mesh of that folder; for a log."""
    return f"to let it in: {pasteable('invite', folder)}"


def how_to_join(folder: str) -> str:
    """What a person types to join a closed mesh with an open folder; for a log."""
    return f"to join it: 'invite DIR' there, and here: {pasteable('join', folder)}"


def quoted(text: str) -> str:
    """Quoted for a shell. Unprintable characters are written as bash, zsh and ksh read them: $'a\
    b'."""
    if text.isprintable():
        return shlex.quote(text)
    escaped = "".join(
        f"\\{c}" if c in "\\'" else c if c.isprintable() else "".join(f"\\x{byte:02x}" for byte in os.fsencode(c))
        for c in text
    )
    return f"$'{escaped}'"


def _found(path: str, in_full: bool) -> str:
    if not in_full:
        return path
    try:
        return os.path.abspath(path)
    except OSError:  # the current folder is gone
        return path
