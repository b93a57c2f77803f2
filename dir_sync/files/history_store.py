"""The history on disk: what is displaced goes in, what is pruned goes out, what is in it can be found again.

In:   a name in the staging folder and why it was displaced; versions of the index; names to remove.
Out:  `Version`, `Rechecked`, `Pruned`. A version's name says the day, the time, why, and the last part of its path, so that
      people can sort and read it, and the next start can list what the index does not know.
Used by: `put_back`, `replace`, `install`, `recovery`, `file_sync`.
"""

from __future__ import annotations

import itertools
import re
import time as _time
from collections.abc import Callable, Iterator

from dir_sync.core.jobs import Pruned, Rechecked, Version, Why
from dir_sync.core.model import Kind, Stat, parent_of
from dir_sync.core.names import HISTORY, NEW
from dir_sync.files.hashing import digest_at
from dir_sync.files.staging import Staging
from dir_sync.ports import Disk, DiskError, Trouble

__all__ = ["HistoryStore"]

_FOLDER_TRIES = 4  # the day's folder may be made, or go, at the same time
_KEPT_NAME = re.compile(rb"(\d{6})\.(\d{6})-(%s)-\d+-(.*)" % b"|".join(why.value.encode() for why in Why), re.DOTALL)
"""What `file_away` calls a version: time of day, why, and the last part of its path."""
_DAY_BYTES = len(b"2000-01-01")  # before that, and a hyphen, where there is no room for the day's folder


class HistoryStore:
    """The history of one folder. Any thread may call anything. Fields: the disk, the staging folder, the wall clock, and the
    question whether the program ends."""

    def __init__(self, disk: Disk, staging: Staging, now_ns: Callable[[], int], stopping: Callable[[], bool]) -> None:
        self._disk = disk
        self._staging = staging
        self._now_ns = now_ns
        self._stopping = stopping

    def file_away(self, name: bytes, stat: Stat, path: bytes, digest: bytes, why: Why, node: str) -> Version:
        """Rename something displaced into the history: the inode itself, so that a program that still has it open goes on
        writing there and not into the void. With other hard links it is copied: their writes would go on changing it.
        A disk that is too full for the day's folder has room for a name: what is removed is maybe what makes room."""
        now = self._now_ns()
        day, clock = _calendar(now)
        folder = HISTORY + b"/" + day
        place = folder + b"/"
        base = path.rpartition(b"/")[2][-120:]
        for number in itertools.count():
            kept = place + b"%s-%s-%d-%s" % (clock, why.value.encode(), number, base)
            try:
                if stat.kind == Kind.FILE and stat.links > 1:
                    if not self._copy_out(name, kept, stat):
                        why = Why.RECOVERED  # it is not what was replaced: its user went on, under another name of it
                else:
                    self._disk.rename(name, kept)
                break
            except DiskError as error:
                if error.trouble == Trouble.ABSENT and self._disk.stat(name) is not None and number < _FOLDER_TRIES:
                    try:
                        self._make_folder(folder)  # unless another thread has just made it
                    except DiskError as no_folder:
                        if no_folder.trouble != Trouble.FULL:
                            raise
                        place = folder + b"-"
                elif error.trouble != Trouble.EXISTS:
                    raise
        content = digest
        if stat.kind == Kind.SYMLINK:
            content = self._disk.read_link(kept)
        return Version(kept, path, stat.kind, stat.size, content, stat.mtime, stat.mode, now, why, node)

    def _make_folder(self, folder: bytes) -> None:
        try:
            self._disk.make_directory(folder, 0o700)
            self._disk.sync_directory(parent_of(folder))
        except DiskError as error:
            if error.trouble != Trouble.EXISTS:
                raise

    def _copy_out(self, name: bytes, kept: bytes, stat: Stat) -> bool:
        """False if somebody wrote into it meanwhile. Whoever dies here leaves no half of a copy in the history."""
        made = self._staging.new_name(NEW)
        writer = self._disk.create(made)
        try:
            try:
                reader = self._disk.open(name)
                try:
                    writer.copy_from(reader, 0, 0, stat.size)
                    now = reader.stat()
                finally:
                    reader.close()
                writer.set_meta(stat.mode, stat.mtime)
                writer.sync()
            finally:
                writer.close()
            self._disk.rename(made, kept)
        except DiskError:
            self._staging.discard((made,))
            raise
        self._disk.remove_file(name)
        return now.size == stat.size and now.mtime == stat.mtime

    def has_kept(self, version: Version | None, digest: bytes) -> bool:
        """True if the version that the index names for this content is there, and is this content."""
        stat = None if version is None else self._disk.stat(version.name)
        if version is None or stat is None or stat.kind != Kind.FILE:
            return False
        return digest_at(self._disk, version.name, stat.size, self._stopping) == digest

    def unlisted(
        self, is_listed: Callable[[bytes], bool], path_of: Callable[[bytes, bytes], bytes | None]
    ) -> list[Version]:
        """What is in the history though the index does not say so: the program ended between the rename and its note.
        `path_of` as in `recover`; what it does not know gets the last part of its path for its path."""
        versions = []
        for kept, day, name, stat in self._all_kept():
            match = _KEPT_NAME.fullmatch(name)
            if match is None or stat.kind not in (Kind.FILE, Kind.SYMLINK) or is_listed(kept):
                continue
            clock, fraction, why, base = match.groups()
            from calendar import timegm  # rarely needed, and it loads `locale`

            try:
                moment = timegm(_time.strptime((day + clock).decode("ascii"), "%Y-%m-%d%H%M%S"))
                if stat.kind == Kind.FILE:
                    content = digest_at(self._disk, kept, stat.size, self._stopping)
                    path = path_of(content, base) or base
                else:
                    content, path = self._disk.read_link(kept), base
            except (ValueError, DiskError):
                continue
            time_ns = moment * 1_000_000_000 + int(fraction) * 1000
            reason = Why(why.decode("ascii"))
            versions.append(
                Version(kept, path, stat.kind, stat.size, content, stat.mtime, stat.mode, time_ns, reason, "")
            )
        if versions:
            self._disk.sync_all()
        return versions

    def _all_kept(self) -> Iterator[tuple[bytes, bytes, bytes, Stat]]:
        """What is in the history: its whole name, the day, its name on that day."""
        for top, stat in self._disk.list(HISTORY) or []:
            name = HISTORY + b"/" + top
            if stat.kind != Kind.DIRECTORY:
                yield name, top[:_DAY_BYTES], top[_DAY_BYTES + 1 :], stat
                continue
            for below, kept in self._disk.list(name) or []:
                yield name + b"/" + below, top, below, kept

    def recheck(self, versions: tuple[Version, ...], closely: bool) -> Rechecked:
        """What versions are now: somebody who had one open when it was displaced may have gone on writing into it."""
        there: list[Version] = []
        gone: list[bytes] = []
        for version in versions:
            try:
                stat = self._disk.stat(version.name)
                if stat is None or stat.kind != version.kind:
                    gone.append(version.name)
                elif stat.kind == Kind.FILE and (closely or (stat.size, stat.mtime) != (version.size, version.mtime)):
                    digest = digest_at(self._disk, version.name, stat.size, self._stopping)
                    there.append(version._replace(size=stat.size, mtime=stat.mtime, content=digest))
            except DiskError:
                continue  # another time
        return Rechecked(tuple(there), tuple(gone))

    def prune(self, names: tuple[bytes, ...], young: frozenset[bytes]) -> Pruned:
        """Versions leave the history, and a day's folder with its last one."""
        gone: list[bytes] = []
        days: dict[bytes, None] = {}
        for name in names:
            try:
                there = self._disk.stat(name) if name in young else None
                if there is not None and there.kind == Kind.FILE and not self._disk.is_closed(name):
                    continue  # what is written there would be lost
                self._disk.remove_file(name)
            except DiskError as error:
                if error.trouble != Trouble.ABSENT:
                    continue  # another time
            gone.append(name)
            days[parent_of(name)] = None
        days.pop(HISTORY, None)
        for day in days:
            try:
                self._disk.remove_directory(day)
            except DiskError:
                pass  # there are others of that day
        return Pruned(tuple(gone))


def _calendar(now_ns: int) -> tuple[bytes, bytes]:
    """UTC day and time of day, for names that people can sort and read."""
    seconds, fraction = divmod(now_ns, 1_000_000_000)
    moment = _time.gmtime(seconds)
    day = _time.strftime("%Y-%m-%d", moment).encode()
    return day, _time.strftime("%H%M%S", moment).encode() + b".%06d" % (fraction // 1000)
