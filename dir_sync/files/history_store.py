"""The history on disk: adds displaced versions, removes pruned ones, and finds those that are in it.

In:   a displaced file in the staging folder and the reason; versions of the index; names to remove.
Out:  `Version`, `Rechecked`, `Pruned`. The name of a version has the day, the time, the reason, and the last part of
its path, so that people can sort and read it, and the next start can list versions that are missing in the index.
Used by: `put_back`, `replace`, `install`, `move`, `batches`, `recovery`, `file_sync`.
"""

from __future__ import annotations

import contextlib
import itertools
import re
import time as _time
from collections.abc import Callable, Iterator

from dir_sync.core.jobs import Cause, Pruned, Rechecked, Version
from dir_sync.core.model import Kind, Stat, parent_of
from dir_sync.core.names import HISTORY, NEW
from dir_sync.files.hashing import Stopped, digest_at
from dir_sync.files.staging import Staging
from dir_sync.ports import Disk, DiskError, Trouble

__all__ = ["HistoryStore"]

_FOLDER_TRIES = 4  # another thread may make or remove the day's folder at the same time
_RESCUE_TRIES = 3
_READ_TRIES = 3
_KEPT_NAME = re.compile(rb"(\d{6})\.(\d{6})-(%s)-\d+-(.*)" % b"|".join(why.value.encode() for why in Cause), re.DOTALL)
"""The name that `file_away` gives a version: time of day, reason, and the last part of its path."""
_DAY_BYTES = len(b"2000-01-01")  # put before the name, with a hyphen, if the disk has no room for the day's folder


class HistoryStore:
    """The history of one folder. All methods may be called from any thread. Fields: the disk, the staging folder, the
    wall clock, the function that tells whether the program ends, and what was filed away and not reported yet."""

    def __init__(self, disk: Disk, staging: Staging, now_ns: Callable[[], int], stopping: Callable[[], bool]) -> None:
        self._disk = disk
        self._staging = staging
        self._now_ns = now_ns
        self._stopping = stopping
        self._filed: dict[bytes, list[Version]] = {}  # by path; only one job works on a path
        self._unread: set[bytes] = set()  # names of those among them whose content could not be compared

    def file_away(
        self, name: bytes, stat: Stat, path: bytes, digest: bytes, why: Cause, node: str, is_read: bool = True
    ) -> Version:
        """Move a displaced file into the history. It is renamed, so a program that still has it open goes on writing
        into a file that exists. A file with other hard links is copied, because writes through those would change the
        version. A full disk without room for the day's folder still has room for a name; pruning may then free
        space. `is_read`: False if the content could not be compared with what a look has seen."""
        now = self._now_ns()
        content = self._disk.read_link(name) if stat.kind == Kind.SYMLINK else digest if is_read else b""
        day, clock = _calendar(now)
        folder = HISTORY + b"/" + day
        place = folder + b"/"
        base = path.rpartition(b"/")[2][-120:]
        for number in itertools.count():
            kept = place + b"%s-%s-%d-%s" % (clock, why.value.encode(), number, base)
            try:
                if stat.kind == Kind.FILE and stat.links > 1:
                    if not self._copy_out(name, kept, stat):
                        # it differs from the replaced version: its user went on through another hard link
                        why, content = Cause.RECOVERED, b""
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
        if why.is_of_nobody and not content:
            with contextlib.suppress(Stopped):
                content = self._read_if_possible(kept, stat)  # no look has seen it
        version = Version(kept, path, stat.kind, stat.size, content, stat.mtime, stat.mode, now, why, node)
        self._filed.setdefault(path, []).append(version)
        if not is_read and not why.is_of_nobody:
            self._unread.add(version.name)
        return version

    @property
    def has_filed(self) -> bool:
        return bool(self._filed)

    def take_filed(self, path: bytes) -> list[Version]:
        """What was filed away under that path since the last call."""
        return self._filed.pop(path, [])

    def take_unread(self, version: Version) -> bool:
        """True, once, if nobody knows the content of a version that was filed away."""
        is_unread = version.name in self._unread
        self._unread.discard(version.name)
        return is_unread

    def rescue(self, name: bytes, stat: Stat, path: bytes, digest: bytes = b"") -> Version:
        """`file_away` for a user's file that cannot have its name back, so it has no other place to go. A passing error
        is retried at once. Without room for a copy, a file with other hard links is renamed all the same."""
        for _ in range(_RESCUE_TRIES):
            try:
                return self.file_away(name, stat, path, digest, Cause.RECOVERED, "")
            except DiskError as error:
                if error.trouble is Trouble.FULL:
                    stat = stat._replace(links=1)
        return self.file_away(name, stat, path, digest, Cause.RECOVERED, "")

    def _make_folder(self, folder: bytes) -> None:
        try:
            self._disk.make_directory(folder, 0o700)
            self._disk.sync_directory(parent_of(folder))
        except DiskError as error:
            if error.trouble != Trouble.EXISTS:
                raise

    def _copy_out(self, name: bytes, kept: bytes, stat: Stat) -> bool:
        """Copy the file. False if a program wrote into it meanwhile. If the program dies here, no partial copy is in
        the history."""
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
        try:
            self._disk.remove_file(name)
        except DiskError:
            try:
                self._disk.remove_file(kept)  # otherwise there would be two of it
            except DiskError as stays:
                if stays.trouble is Trouble.ABSENT:
                    raise
            else:
                raise
            # The history has it all the same, so that is listed; the next start removes the other.
        return now.size == stat.size and now.mtime == stat.mtime

    def _read_if_possible(self, kept: bytes, stat: Stat) -> bytes:
        """The digest of a file, or the target of a link, in the history; b"" if it cannot be read now: it is
        listed all the same, and `recheck` tries again. A passing error is retried at once."""
        for _ in range(_READ_TRIES):
            try:
                if stat.kind == Kind.SYMLINK:
                    return self._disk.read_link(kept)
                return digest_at(self._disk, kept, stat.size, self._stopping)
            except DiskError:
                continue
        return b""

    def has_kept(self, version: Version | None, digest: bytes) -> bool:
        """True if the version that the index lists for this content exists and has this content."""
        stat = None if version is None else self._disk.stat(version.name)
        if version is None or stat is None or stat.kind != Kind.FILE:
            return False
        return digest_at(self._disk, version.name, stat.size, self._stopping) == digest

    def unlisted(
        self, is_listed: Callable[[bytes], bool], path_of: Callable[[bytes, bytes], bytes | None]
    ) -> list[Version]:
        """Versions in the history that the index does not list, because the program ended between the rename and the
        commit. `path_of`: as in `recover`; a version without an answer gets the last part of its path as its path. One
        that cannot be read is among them, without its content. So is one whose name is not on the medium for certain: a
        row without a file is dropped when it is used, but a file without a row is found by nobody."""
        versions = []
        for kept, day, name, stat in self._all_kept():
            match = _KEPT_NAME.fullmatch(name)
            if match is None or stat.kind not in (Kind.FILE, Kind.SYMLINK) or is_listed(kept):
                continue
            clock, fraction, why, base = match.groups()
            from calendar import timegm  # rarely needed, and it imports `locale`

            try:
                moment = timegm(_time.strptime((day + clock).decode("ascii"), "%Y-%m-%d%H%M%S"))
            except ValueError:
                continue
            content = self._read_if_possible(kept, stat)
            path = (path_of(content, base) if content and stat.kind == Kind.FILE else None) or base
            time_ns = moment * 1_000_000_000 + int(fraction) * 1000
            reason = Cause(why.decode("ascii"))
            versions.append(
                Version(kept, path, stat.kind, stat.size, content, stat.mtime, stat.mode, time_ns, reason, "")
            )
        if versions:
            with contextlib.suppress(DiskError):
                self._disk.sync_all()
        return versions

    def _all_kept(self) -> Iterator[tuple[bytes, bytes, bytes, Stat]]:
        """Everything in the history: its whole name, the day, its name within the day's folder."""
        for top, stat in self._disk.list(HISTORY) or []:
            name = HISTORY + b"/" + top
            if stat.kind != Kind.DIRECTORY:
                yield name, top[:_DAY_BYTES], top[_DAY_BYTES + 1 :], stat
                continue
            for below, kept in self._disk.list(name) or []:
                yield name + b"/" + below, top, below, kept

    def recheck(self, versions: tuple[Version, ...], closely: bool) -> Rechecked:
        """The present state of versions: a program that had one open when it was displaced may have written into it."""
        there: list[Version] = []
        gone: list[bytes] = []
        for version in versions:
            try:
                stat = self._disk.stat(version.name)
                if stat is None or stat.kind != version.kind:
                    gone.append(version.name)
                elif stat.kind == Kind.FILE and (
                    closely or not version.content or (stat.size, stat.mtime) != (version.size, version.mtime)
                ):
                    digest = digest_at(self._disk, version.name, stat.size, self._stopping)
                    there.append(version._replace(size=stat.size, mtime=stat.mtime, content=digest))
                elif stat.kind == Kind.SYMLINK and not version.content:
                    there.append(version._replace(content=self._disk.read_link(version.name)))
            except DiskError:
                continue  # try again another time
        return Rechecked(tuple(there), tuple(self._really(gone)))

    def prune(self, names: tuple[bytes, ...], young: frozenset[bytes]) -> Pruned:
        """Remove versions from the history, and a day's folder after its last one."""
        removed: list[bytes] = []
        absent: list[bytes] = []
        days: dict[bytes, None] = {}
        for name in names:
            try:
                there = self._disk.stat(name) if name in young else None
                if there is not None and there.kind == Kind.FILE and not self._disk.is_closed(name):
                    continue  # a program still writes into it
                self._disk.remove_file(name)
            except DiskError as error:
                if error.trouble != Trouble.ABSENT:
                    continue  # try again another time
                absent.append(name)
            else:
                removed.append(name)
            days[parent_of(name)] = None
        days.pop(HISTORY, None)
        for day in days:
            try:
                self._disk.remove_directory(day)
            except DiskError:
                pass  # the folder has other versions
        return Pruned((*removed, *self._really(absent)))

    def _really(self, absent: list[bytes]) -> list[bytes]:
        """Those that are gone. None, while the shared folder itself is gone: they come back with it."""
        return absent if not absent or self._disk.is_root_here() else []


def _calendar(now_ns: int) -> tuple[bytes, bytes]:
    """UTC day and time of day, for names that people can sort and read."""
    seconds, fraction = divmod(now_ns, 1_000_000_000)
    moment = _time.gmtime(seconds)
    day = _time.strftime("%Y-%m-%d", moment).encode()
    return day, _time.strftime("%H%M%S", moment).encode() + b".%06d" % (fraction // 1000)
