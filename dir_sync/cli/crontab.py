"""The crontab of this user, as bytes: what others wrote in it is written back byte for byte.

In:   the name of a service, and its line. Out: the lines, and what ``crontab`` is asked to install.
Rule: a crontab that cannot be read is not an empty one: nothing is written then. Only the newline ends a line.
Used by: service.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess

from dir_sync.config import ConfigError
from dir_sync.core.model import show

__all__ = ["add", "has_cron", "has_line", "remove"]

_NO_CRONTAB = re.compile(rb"no crontab for |^crontab: can't open '[^/'\n]+': No such file or directory$", re.MULTILINE)
# What Debian's cron, cronie, dcron and systemd-cron say; and BusyBox, of a bare name in the folder of the crontabs.


def has_cron() -> bool:
    return shutil.which("crontab") is not None


def has_line(name: str) -> bool:
    """True if the service has a line. ConfigError if the crontab cannot be read."""
    return any(_is_of(name, line) for line in _lines())


def add(name: str, line: str) -> None:
    """Give the service this line, instead of any that it has. ConfigError; then nothing is changed."""
    lines = [one for one in _lines() if not _is_of(name, one)]
    if lines and not lines[-1].endswith(b"\n"):
        lines[-1] += b"\n"
    _install([*lines, os.fsencode(line) + b"\n"])


def remove(name: str) -> bool:
    """False: the service has no line. ConfigError; then nothing is changed."""
    lines = _lines()
    others = [one for one in lines if not _is_of(name, one)]
    if len(others) == len(lines):
        return False
    _install(others)
    return True


def _is_of(name: str, line: bytes) -> bool:
    return f"# {name}:".encode() in line


def _lines() -> list[bytes]:
    """Each with the newline that ends it."""
    done = _crontab("-l")
    if done.returncode == 0:
        return io.BytesIO(done.stdout).readlines()
    if not done.stdout and _NO_CRONTAB.search(done.stderr):
        return []
    raise ConfigError(
        f"your crontab cannot be read, so nothing is changed: crontab -l: {_said(done)}; run this again when it shows your lines"
    )


def _install(lines: list[bytes]) -> None:
    done = _crontab("-", given=b"".join(lines))
    if done.returncode:
        raise ConfigError(f"your crontab cannot be written: crontab -: {_said(done)}")


def _crontab(word: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """In the language in which _NO_CRONTAB is written."""
    try:
        return subprocess.run(
            ["crontab", word], input=given, capture_output=True, check=False, env={**os.environ, "LC_ALL": "C"}
        )
    except OSError as error:
        raise ConfigError(f"crontab cannot be run: {error.strerror}") from None


def _said(done: subprocess.CompletedProcess[bytes]) -> str:
    words = done.stderr.strip() or done.stdout.strip() if done.returncode >= 0 else b""
    return show(words.partition(b"\n")[0].strip()) or f"exit code {done.returncode}"
