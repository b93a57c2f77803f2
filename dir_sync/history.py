"""The history for people: what was replaced or deleted, and how it comes back.

In:   a folder, whether a node runs on it or not: a node that runs is asked, else the index is opened here.
Out:  versions, and files that are as they were. What a restored file displaces is kept in turn.
Rule: a restored file is an ordinary new change: it spreads, and can itself be undone.
"""

from __future__ import annotations

import os
import random
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from blake3 import blake3

from dir_sync import state
from dir_sync.config import ConfigError
from dir_sync.control import Answer, NoDaemon, ask
from dir_sync.core import limits
from dir_sync.core.events import Act, Applied, ApplyItem, ApplyJob, Result, Version, Why
from dir_sync.core.model import Kind, Record, Stamp, fingerprint, parent_of, show
from dir_sync.disk import RealDisk
from dir_sync.file_sync import FileSync
from dir_sync.index import Index
from dir_sync.log import human_bytes
from dir_sync.ports import DiskError

__all__ = [
    "Book",
    "Entry",
    "keep",
    "listed",
    "moment",
    "open_book",
    "settle",
    "table",
    "touched",
]

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_FORMS = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d")
_TRIES = 3  # somebody may be writing the very file


@dataclass(frozen=True, slots=True)
class Entry:
    """One version, and what people call it by."""

    id: str
    version: Version
    by: str  # whose change displaced it


# --- both ends of the control socket ---------------------------------------------------------------------------------


def listed(index: Index) -> Answer:
    """All versions, oldest first."""
    names = {}
    versions = []
    for version in index.versions():
        versions.append(_packed(version))
        if version.node not in names:
            names[version.node] = str(index.noted(f"name {version.node}") or "")
    return {"versions": versions, "names": names, "node": index.node}


def keep(index: Index, question: Answer) -> Answer:
    """A version that somebody else put into the history."""
    try:
        version = _unpacked(question["version"])
    except (KeyError, TypeError, ValueError):
        return {"error": "this is no version"}
    row = index.get(version.path)
    if row is not None and row.record.kind == Kind.FILE == version.kind:
        version = version._replace(content=row.record.content)
    index.put_version(version)
    return {}


def touched(question: Answer) -> list[bytes]:
    """The paths that were changed behind the node's back."""
    path = question.get("path")
    return [_bytes(path)] if isinstance(path, str) else []


def settle(index: Index, question: Answer) -> Answer:
    """Losers of conflicts that nobody has to think of any more: ordinary versions from now on."""
    wanted = question.get("ids")
    ids = set(wanted) if isinstance(wanted, list) else set()
    count = 0
    for version in list(index.versions()):
        if version.why == Why.CONFLICT and (id_of(version) in ids):
            index.put_version(version._replace(why=Why.REPLACED))
            count += 1
    return {"count": count}


def id_of(version: Version) -> str:
    """Eight characters, the same as long as the version is there."""
    digest: str = blake3(version.name).hexdigest(4)
    return digest


def _packed(version: Version) -> Answer:
    name, path, kind, size, content, mtime, mode, time_ns, why, node = version
    fields = (_text(name), _text(path), int(kind), size, content.hex(), mtime, mode, time_ns, why.value, node)
    return dict(zip(Version._fields, fields, strict=True))


def _unpacked(fields: dict[str, Any]) -> Version:
    return Version(
        _bytes(fields["name"]),
        _bytes(fields["path"]),
        Kind(fields["kind"]),
        int(fields["size"]),
        bytes.fromhex(fields["content"]),
        int(fields["mtime"]),
        int(fields["mode"]),
        int(fields["time_ns"]),
        Why(fields["why"]),
        str(fields["node"]),
    )


def _text(path: bytes) -> str:
    return path.decode("utf-8", "surrogateescape")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


# --- the commands ----------------------------------------------------------------------------------------------------


class Book:
    """The history of one folder, open."""

    def __init__(self, folder: str, index: Index | None) -> None:
        self._folder = folder
        self._index = index  # None: a node runs, and is asked
        self._node = ""
        self._disk = RealDisk(folder)
        tag = f"{random.SystemRandom().getrandbits(32):08x}"
        self._sync = FileSync(self._disk, lambda _: True, _NoSignatures(), time.time_ns, tag)

    def close(self) -> None:
        self._disk.close()

    def entries(self) -> list[Entry]:
        """Newest first."""
        answer = self._asked({"command": "versions"})
        self._node = answer["node"]
        names = answer["names"] | {self._node: "this node"}
        versions = [_unpacked(fields) for fields in answer["versions"]]
        return [Entry(id_of(one), one, names.get(one.node) or one.node[:8]) for one in reversed(versions)]

    def of(self, path: bytes, entries: Iterable[Entry]) -> list[Entry]:
        """Those of a path, and of all that was below it."""
        below = path + b"/"
        return [entry for entry in entries if entry.version.path == path or entry.version.path.startswith(below)]

    def path_of(self, text: str) -> bytes:
        """A path below the folder, as a user says it: from the folder on, or in full. ConfigError if it is none."""
        path = text
        if os.path.isabs(path):
            real = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
            if not real.startswith(self._folder.rstrip("/") + "/"):
                raise ConfigError(f"{show(os.fsencode(text))} is not in {show(os.fsencode(self._folder))}", 2)
            path = os.path.relpath(real, self._folder)
        parts = [part for part in os.fsencode(path).split(b"/") if part not in (b"", b".")]
        if not parts or b".." in parts or limits.RESERVED_NAME in parts:
            raise ConfigError(f"{show(os.fsencode(text))} is no path in {show(os.fsencode(self._folder))}", 2)
        return b"/".join(parts)

    def is_there(self, path: bytes) -> bool:
        return self._disk.stat(path) is not None

    def restore(self, version: Version) -> bool:
        """The version gets its name back. False if exactly this is there already. ConfigError if it cannot be had."""
        try:
            for _ in range(_TRIES):
                done = self._restore(version)
                if done is not None:
                    return done
        except DiskError as error:
            raise ConfigError(f"{show(version.path)} cannot be restored: {error}") from None
        raise ConfigError(f"{show(version.path)} is being changed by somebody: try again")

    def _restore(self, version: Version) -> bool | None:
        path = version.path
        size, content = version.size, version.content
        if version.kind == Kind.FILE:
            size, content = self._digest(version.name)
        there = self._disk.stat(path)
        if there is not None and there.kind == Kind.DIRECTORY:
            raise ConfigError(f"{show(path)} is a folder now: restore it elsewhere with --to FILE")
        if there is not None and there.kind == Kind.OTHER:
            raise ConfigError(f"{show(path)} is no file now: restore it elsewhere with --to FILE")
        if there is not None and there.kind == version.kind:
            same = (
                self._digest(path) == (size, content)
                if there.kind == Kind.FILE
                else self._disk.read_link(path) == content
            )
            if same:
                return False
        for parent in reversed(_parents(path)):
            if self._disk.stat(parent) is None:
                self._disk.make_directory(parent, 0o755)
        target = Record(path, version.kind, size, content, version.mtime, version.mode, Stamp(1, ""), ())
        expect = b"" if there is None else fingerprint(there)
        item = ApplyItem(path, Act.INSTALL, target, expect, Why.REPLACED, copy_path=version.name)
        done = self._sync.perform(ApplyJob((item,)))
        assert isinstance(done, Applied)
        (result,) = done.items
        if result.result == Result.PROBLEM or result.result == Result.REFUSED:
            raise ConfigError(f"{show(path)} cannot be restored: {result.problem}")
        if result.result != Result.DONE:
            return None
        if result.version is not None:
            self._asked(
                {"command": "keep", "version": _packed(result.version._replace(node=self._node)), "path": _text(path)}
            )
        return True

    def _digest(self, path: bytes) -> tuple[int, bytes]:
        reader = self._disk.open(path)
        try:
            hasher, offset = blake3(), 0
            while data := reader.read(offset, limits.MIB):
                hasher.update(data)
                offset += len(data)
            return offset, hasher.digest()
        finally:
            reader.close()

    def copy_out(self, version: Version, to: str) -> None:
        """A copy outside of the history; what has that name already stays."""
        try:
            if version.kind == Kind.SYMLINK:
                os.symlink(version.content, os.fsencode(to))
                return
            reader = self._disk.open(version.name)
            try:
                with open(to, "xb") as file:
                    offset = 0
                    while data := reader.read(offset, limits.MIB):
                        file.write(data)
                        offset += len(data)
                os.chmod(to, version.mode & 0o777)
                os.utime(to, ns=(version.mtime, version.mtime))
            finally:
                reader.close()
        except FileExistsError:
            raise ConfigError(f"{show(os.fsencode(to))} is there already, and stays as it is", 2) from None
        except (OSError, DiskError) as error:
            raise ConfigError(f"{show(os.fsencode(to))} cannot be written: {error}") from None

    def settle(self, ids: list[str]) -> int:
        """These conflicts are settled as they are. Returns how many."""
        return int(self._asked({"command": "settle", "ids": ids})["count"])

    def _asked(self, question: Answer) -> Answer:
        if self._index is None:
            try:
                answer = ask(self._folder, question)
            except (NoDaemon, OSError) as error:
                raise ConfigError(f"the node that runs here does not answer: {error or 'it has ended'}") from None
        else:
            match question["command"]:
                case "versions":
                    answer = listed(self._index)
                case "keep":
                    answer = keep(self._index, question)
                case _:
                    answer = settle(self._index, question)
            self._index.commit()
        if "error" in answer:
            raise ConfigError(str(answer["error"]))
        return answer


@contextmanager
def open_book(folder: str) -> Iterator[Book]:
    """The history of a folder, by the node that runs on it if one does. ConfigError if it was never shared."""
    if not os.path.isdir(os.path.join(folder, ".dir_sync", "versions")):
        raise ConfigError(f"{show(os.fsencode(folder))} has no history: it was never shared")
    handle, index = -1, None
    try:
        ask(folder, {"command": "status"})
    except NoDaemon:
        handle = state.lock(os.fsencode(folder))
        index = state.open_index(os.fsencode(folder), random.Random())
    except OSError as error:
        raise ConfigError(f"the node that runs here does not answer: {error}") from None
    try:
        book = Book(folder, index)
        try:
            yield book
        finally:
            book.close()
    finally:
        if index is not None:
            index.close()
            os.close(handle)


class _NoSignatures:
    def get(self, digest: bytes) -> bytes | None:
        return None

    def put(self, digest: bytes, signature: bytes) -> None:
        """Nothing is remembered."""

    def has(self, digest: bytes) -> bool:
        return False


def _parents(path: bytes) -> list[bytes]:
    """The folders that a path is in, the innermost first."""
    found = []
    while path := parent_of(path):
        found.append(path)
    return found


# --- words -----------------------------------------------------------------------------------------------------------


def moment(text: str, now_ns: int) -> int:
    """A time as people say it, in ns: `10m` (ago; s, m, h, d, w), `14:30`, `2026-11-21`, `2026-11-21 14:30[:05]`; local time.
    ConfigError."""
    ago = re.fullmatch(r"(\d{1,6})([smhdw])", text)
    if ago:
        return now_ns - int(ago[1]) * _UNITS_S[ago[2]] * 10**9
    if re.fullmatch(r"\d{1,2}:\d{2}(:\d{2})?", text):
        text = f"{time.strftime('%Y-%m-%d', time.localtime(now_ns / 1e9))} {text}"
    for form in _FORMS:
        try:
            return int(time.mktime(time.strptime(text, form))) * 10**9
        except (ValueError, OverflowError):
            continue
    raise ConfigError(f"'{show(os.fsencode(text))}' is no time: 10m, 14:30, 2026-11-21, '2026-11-21 14:30'", 2)


def local(time_ns: int) -> str:
    """Local time, to the second."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(time_ns / 1e9))


def table(entries: list[Entry]) -> list[str]:
    """One line for each version, under a heading; names are escaped."""
    rows = [("ID", "UNTIL", "WHY", "SIZE", "BY", "PATH")]
    for entry in entries:
        version = entry.version
        by = show(entry.by.encode("utf-8", "surrogateescape"))
        size = "link" if version.kind == Kind.SYMLINK else human_bytes(version.size)
        rows.append((entry.id, local(version.time_ns), version.why.value, size, by, show(version.path)))
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    return [
        "  ".join([*(word.ljust(width) for word, width in zip(row[:5], widths, strict=True)), row[5]]) for row in rows
    ]
