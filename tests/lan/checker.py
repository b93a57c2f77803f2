"""The independent checker: are these folders equal, and if not, where?

Knows nothing of dir_sync. Compares names as bytes, types, content (SHA-256), mode & 0o7777 and mtime to the
nanosecond of files, mode of directories, mtime and target of symbolic links. Left out, on all sides:
`.dir_sync` at the root, fifos, sockets, devices, and the mtimes of directories.
"""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

OWN_FOLDER = b".dir_sync"
SHOWN_DIFFERENCES = 25
POLL_S = 0.03
STEP_MAX_S = 5.0
READ_BYTES = 1 << 20

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Entry:
    """What one name stands for. Fields that do not count for its kind are None."""

    kind: str  # "file", "directory" or "link"
    mode: int | None = None
    mtime_ns: int | None = None
    size: int | None = None
    sha256: str | None = None
    target: bytes | None = None


Survey = Mapping[bytes, Entry]
"""A tree at one moment: path relative to its root -> entry."""


def sha256_of(path: Path | bytes) -> str:
    """Of a regular file, which is never followed or waited for."""
    digest = hashlib.sha256()
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(handle, "rb", buffering=0) as file:
        while block := file.read(READ_BYTES):
            digest.update(block)
    return digest.hexdigest()


def survey(root: Path, *, only: str = "", contents: bool = True) -> dict[bytes, Entry]:
    """Everything below `root`, or below `only`, a folder in it. What vanishes meanwhile is left out."""
    found: dict[bytes, Entry] = {}
    top = os.fsencode(root)
    folders = [os.fsencode(only)]
    if only:
        try:
            itself = _entry_at(os.path.join(top, folders[0]), contents)
        except (FileNotFoundError, NotADirectoryError):
            return {}
        if itself:
            found[folders[0]] = itself
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(os.path.join(top, folder) if folder else top) as listing:
                names = [entry.name for entry in listing]
        except (FileNotFoundError, NotADirectoryError):
            if not folder:
                raise
            continue
        for name in names:
            if not folder and name == OWN_FOLDER:
                continue
            path = os.path.join(folder, name)
            try:
                entry = _entry_at(os.path.join(top, path), contents)
            except (FileNotFoundError, NotADirectoryError):
                continue
            if entry:
                found[path] = entry
                if entry.kind == "directory":
                    folders.append(path)
    return found


def _entry_at(path: bytes, contents: bool) -> Entry | None:
    info = os.lstat(path)
    if stat.S_ISDIR(info.st_mode):
        return Entry("directory", mode=info.st_mode & 0o7777)
    if stat.S_ISLNK(info.st_mode):
        return Entry("link", mtime_ns=info.st_mtime_ns, target=os.readlink(path))
    if stat.S_ISREG(info.st_mode):
        digest = sha256_of(path) if contents else None
        return Entry("file", info.st_mode & 0o7777, info.st_mtime_ns, info.st_size, digest)
    return None


def differences(*trees: Path | Survey, labels: Sequence[str] = ()) -> list[str]:
    """How the other trees differ from the first one: one line each, [] if all are equal."""
    assert len(trees) >= 2, "nothing to compare"
    surveys = [survey(tree) if isinstance(tree, Path) else tree for tree in trees]
    if not labels:
        labels = [str(tree) if isinstance(tree, Path) else f"tree {at}" for at, tree in enumerate(trees)]
    first, first_label = surveys[0], labels[0]
    found = []
    for other, label in zip(surveys[1:], labels[1:], strict=True):
        for path in sorted(first.keys() | other.keys()):
            one, two = first.get(path), other.get(path)
            if one is None or two is None:
                found.append(f"{path!r}: only in {label if one is None else first_label}")
            elif one.kind != two.kind:
                found.append(f"{path!r}: {one.kind} in {first_label}, {two.kind} in {label}")
            else:
                found.extend(_fields(path, one, two, f"in {first_label}", f"in {label}"))
    return found


def _fields(path: bytes, one: Entry, two: Entry, here: str, there: str) -> list[str]:
    found = []
    for name in ("size", "sha256", "mode", "mtime_ns", "target"):
        mine, theirs = getattr(one, name), getattr(two, name)
        # A survey without contents says nothing about them.
        if mine != theirs and not (name == "sha256" and None in (mine, theirs)):
            if name == "mode":
                mine, theirs = oct(mine), oct(theirs)
            found.append(f"{path!r}: {name} {mine!r} {here}, {theirs!r} {there}")
    return found


ALARMS: list[Callable[[], str]] = []
"""What makes waiting pointless: each says what has gone wrong, or ""."""

# --- waiting --------------------------------------------------------------------------------------


def _hear_alarms() -> None:
    for alarm in ALARMS:
        wrong = alarm()
        assert not wrong, wrong


class Patience:
    """Until when to wait. A step counts for STEP_MAX_S, or a quarter of all, at most: when the machine stands still,
    neither who waits nor who is waited for can do anything."""

    def __init__(self, limit_s: float) -> None:
        self._left_s, self._step_max_s = limit_s, min(STEP_MAX_S, limit_s / 4)
        self._at_s = time.monotonic()

    def is_over(self) -> bool:
        now = time.monotonic()
        self._left_s -= min(now - self._at_s, self._step_max_s)
        self._at_s = now
        return self._left_s <= 0


def wait_for(predicate: Callable[[], T], limit_s: float, what: str) -> T:
    """Poll until `predicate` gives something true, and return that."""
    patience = Patience(limit_s)
    while True:
        begun = time.monotonic()
        if result := predicate():
            return result
        _hear_alarms()
        if patience.is_over():
            raise AssertionError(f"not within {limit_s:g} s: {what}")
        time.sleep(max(POLL_S, min(1.0, time.monotonic() - begun)))


def holds(predicate: Callable[[], object], for_s: float, what: str) -> None:
    """`predicate` is true now, and at every look for so long."""
    end = time.monotonic() + for_s
    while True:
        assert predicate(), f"no longer true: {what}"
        _hear_alarms()
        if time.monotonic() >= end:
            return
        time.sleep(POLL_S)


def wait_equal(
    roots: Sequence[Path],
    limit_s: float,
    *,
    like: Survey | None = None,
    only: str = "",
    contents: bool = True,
) -> dict[bytes, Entry]:
    """Wait until all folders are equal (and equal to `like`); the survey that they have in common.

    `only`: a folder in each of them that counts, and nothing else. Without `contents` it is quicker, and less.

    While it waits it looks at everything but content, which is read, of all of them, before the verdict.
    """
    patience = Patience(limit_s)
    while True:
        begun = time.monotonic()
        for read in (False, True)[: 1 + contents]:
            trees = [survey(root, only=only, contents=read) for root in roots]
            expected = {} if like is None else {"what is expected": like}
            named = expected | dict(zip(map(str, roots), trees, strict=True))
            found = differences(*named.values(), labels=list(named))
            if found:
                break
        else:
            return trees[0]
        _hear_alarms()
        if patience.is_over():
            text = "\n".join(found[:SHOWN_DIFFERENCES])
            raise AssertionError(f"not equal within {limit_s:g} s, {len(found)} differences, such as:\n{text}")
        time.sleep(max(POLL_S, min(1.0, time.monotonic() - begun)))
