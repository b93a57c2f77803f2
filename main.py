#!/usr/bin/env python3
"""The door: python main.py DIR ...

A Python that is too old, or that lacks a package, hands over to the one in the .venv beside this file, where
scripts/setup puts everything; if there is none, one line says what to do. No annotations and no f-strings
here: the oldest Python must be able to read this file, to say that it is too old.
"""
# ruff: noqa: UP031, UP036

import os
import sys

NEEDED = ("watchdog", "psutil", "blake3")
HERE = os.path.dirname(os.path.realpath(__file__))
HANDED_OVER = "DIR_SYNC_HANDED_OVER"  # set for the Python of the .venv: it does not hand over again


def lacking():
    """What keeps this Python from running dir_sync, in words; empty if nothing does."""
    if sys.version_info < (3, 11):
        return "it needs Python 3.11 or newer, and this is %d.%d" % sys.version_info[:2]
    from importlib.util import find_spec

    absent = [name for name in NEEDED if find_spec(name) is None]
    return "missing Python package%s: %s" % ("s" * (len(absent) > 1), ", ".join(absent)) if absent else ""


def start():
    """Exit code; does not return at all where the .venv's Python takes over."""
    handed_over = os.environ.pop(HANDED_OVER, None)
    trouble = lacking()
    if not trouble:
        from dir_sync import cli

        return cli.main(sys.argv[1:])
    python = os.path.join(HERE, ".venv", "bin", "python")
    if not handed_over and os.access(python, os.X_OK):
        try:
            os.execve(
                python,
                [python, os.path.join(HERE, "main.py")] + sys.argv[1:],
                dict(os.environ, **{HANDED_OVER: "1", "DIR_SYNC_PYTHON": (getattr(sys, "orig_argv", None) or [""])[0]}),
            )
        except OSError:
            pass  # a .venv that cannot run is as good as none
    setup = os.path.join(HERE, "scripts", "setup")
    sys.stderr.write("dir_sync: %s; to set everything up, run: %s\n" % (trouble, setup))
    return 1


if __name__ == "__main__":
    sys.exit(start())
