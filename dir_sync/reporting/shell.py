"""Commands to paste into a shell, and names quoted for a shell.

In:   how this program was started: by scripts/run, as main.py with some Python, or as it was installed.
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
    "again",
    "brief",
    "command",
    "how_to_close",
    "how_to_come_back",
    "how_to_invite",
    "how_to_join",
    "how_to_repair",
    "is_checkout",
    "pasteable",
    "program",
    "quoted",
]

STARTED_AS = "DIR_SYNC_STARTED_AS"  # set by scripts/run: its own path, as the user typed it
PYTHON = "DIR_SYNC_PYTHON"  # set by main.py before it runs the Python of .venv: the one the user typed

APPROVE_ELSEWHERE = "run 'approve' on another machine"  # shown instead of the command if it cannot be given here

_USUAL = "python main.py"  # in a checkout
_INSTALLED = "dir-sync"  # the console script of the package
_IN_EVERY_PATH = ("/usr/bin", "/usr/local/bin", "/bin")
_HOME = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # of the package
_LONG = 36  # characters; --help uses the usual name of a longer program path


def program(in_full: bool = False) -> str:
    """The user's command to start this program, quoted. `in_full`: valid in any folder."""
    script = os.environ.get(STARTED_AS, "")
    if script:
        return quoted(_found(script, in_full))
    script = sys.argv[0] if sys.argv else ""
    folder, name = os.path.split(script)
    if name == _INSTALLED:
        return quoted(_installed(script, in_full))
    is_module = name == "__main__.py" and os.path.basename(folder) == "dir_sync"
    if name != "main.py" and not is_module:
        return _USUAL if is_checkout() else _INSTALLED
    python = os.environ.get(PYTHON) or next(iter(sys.orig_argv), "") or "python"
    python = quoted(_found(python, in_full and "/" in python))
    if not is_module:
        return f"{python} {quoted(_found(script, in_full))}"
    if in_full and is_checkout():  # the module is found only from there
        return f"{python} {quoted(os.path.join(_HOME, 'main.py'))}"
    return f"{python} -m dir_sync"


def again() -> list[str]:
    """The words that start this program once more, in any folder, not quoted."""
    script = sys.argv[0] if sys.argv else ""
    is_module = os.path.basename(script) == "__main__.py"
    if is_checkout() and (is_module or os.path.basename(script) != "main.py"):
        return [sys.executable, os.path.join(_HOME, "main.py")]
    if is_module or not os.path.basename(script):
        return [sys.executable, "-m", "dir_sync"]
    of_python = sys.orig_argv[1 : len(sys.orig_argv) - len(sys.argv)]
    return [sys.executable, *of_python, os.path.abspath(script)]


def is_checkout() -> bool:
    """True if the program runs from a checkout; False if it was installed."""
    return os.path.exists(os.path.join(_HOME, "main.py"))


def how_to_repair() -> str:
    """What a person does if a Python package is missing or damaged."""
    setup = os.path.join(_HOME, "scripts", "setup")
    if os.path.exists(setup):
        return f"to set everything up again, run: {quoted(setup)}"
    return "to mend it, install dir_sync again, as it was installed the first time"


def brief() -> str:
    """The same in few characters, for help texts."""
    name = program()
    if len(name) <= _LONG:
        return name
    if os.environ.get(STARTED_AS):
        return "scripts/run"
    return _USUAL if is_checkout() else _INSTALLED


def command(*args: str) -> str:
    """A command for this terminal: ``python main.py status 'my folder'``."""
    return " ".join([program(), *map(quoted, args)])


def pasteable(*args: str) -> str:
    """A command for a log, valid in any terminal: a folder among `args` is given by its absolute path."""
    return " ".join([program(in_full=True), *map(quoted, args)])


def how_to_close(say: Callable[..., str], folder: str) -> str:
    """The commands to close an open mesh. `say`: `command` or `pasteable`."""
    return f"to close it: {say('invite', folder)}"


def how_to_close_each(say: Callable[..., str]) -> str:
    """The same for a node of several open folders."""
    return f"each of them is closed by itself: {say('invite', 'DIR')}"


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


def _installed(script: str, in_full: bool) -> str:
    """The console script: its mere name, if the shell finds this one by it."""
    if in_full and os.path.dirname(script) not in _IN_EVERY_PATH:  # another terminal may look elsewhere
        return _found(script, in_full)
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        first = os.path.join(folder, _INSTALLED)
        try:
            if folder and os.access(first, os.X_OK):
                return _INSTALLED if os.path.samefile(first, script) else _found(script, in_full)
        except OSError:
            break
    return _found(script, in_full)


def _found(path: str, in_full: bool) -> str:
    if not in_full:
        return path
    try:
        return os.path.abspath(path)
    except OSError:  # the current folder is gone
        return path
