#!/usr/bin/env python3
"""The door: python main.py DIR ...

A Python that is too old, or that lacks a package, hands over to the one in the .venv beside this file, where
scripts/setup puts everything (where it cannot write there: in the user's cache folder); if there is none, one line
says what to do. No annotations and no f-strings
here: the oldest Python must be able to read this file, to say that it is too old.
"""
# ruff: noqa: UP031, UP036

import os
import sys

NEEDED = ("watchdog", "psutil", "blake3")
HERE = os.path.dirname(os.path.realpath(__file__))
HANDED_OVER = "DIR_SYNC_HANDED_OVER"  # how many of `pythons` had their turn: each hands over to the next one


def lacking():
    """What keeps this Python from running dir_sync, in words; empty if nothing does."""
    if sys.version_info < (3, 11):
        return "it needs Python 3.11 or newer, and this is %d.%d" % sys.version_info[:2]
    from importlib.util import find_spec

    absent = [name for name in NEEDED if find_spec(name) is None]
    return "missing Python package%s: %s" % ("s" * (len(absent) > 1), ", ".join(absent)) if absent else ""


def pythons():
    """Where scripts/setup may have put a Python that has everything."""
    cache = os.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(cache):
        cache = os.path.expanduser(os.path.join("~", ".cache"))
    return [os.path.join(place, ".venv", "bin", "python") for place in (HERE, cache + "/dir_sync" + HERE)]


def start():
    """Exit code; does not return at all where another Python takes over."""
    tried = os.environ.pop(HANDED_OVER, "")
    trouble = lacking()
    if not trouble:
        from dir_sync.__main__ import main

        return main()
    for number, python in enumerate(pythons(), 1):
        if str(number) > tried and os.access(python, os.X_OK):
            more = {HANDED_OVER: str(number), "DIR_SYNC_PYTHON": (getattr(sys, "orig_argv", None) or [""])[0]}
            words = [python, os.path.join(HERE, "main.py")] + sys.argv[1:]
            try:
                os.execve(python, words, dict(os.environ, **more))
            except OSError:
                pass  # a .venv that cannot run is as good as none
    setup = os.path.join(HERE, "scripts", "setup")
    sys.stderr.write("dir_sync: %s; to set everything up, run: %s\n" % (trouble, setup))
    return 1


if __name__ == "__main__":
    try:
        sys.exit(start())
    except KeyboardInterrupt:  # before there is anything to end
        sys.exit(130)
