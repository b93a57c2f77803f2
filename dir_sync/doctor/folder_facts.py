"""Facts about a shared folder: what its file system can do, free space, the rights of `.dir_sync`.

In:   the folder. Out: values for `folder_checks`.
Rule: what is tried is tried in a new folder in `.dir_sync`, which no node watches, or, if there is none, in a hidden one
beside the user's files; it is removed at the end. Nothing else is changed.
Used by: doctor.examination.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Callable

from dir_sync.core.limits import RESERVED_NAME
from dir_sync.core.taking import Keep
from dir_sync.disk import RealDisk
from dir_sync.disk.folder import room as disk_room
from dir_sync.doctor.folder_checks import Abilities, Room, StateFolder
from dir_sync.ports import DiskError

__all__ = ["abilities", "room", "state_folder"]

_PREFIX = "doctor-"
_HOLE_BYTES = 4 * 2**20
_TIME_NS = 1_700_000_000_123_456_789
_NAMES: tuple[tuple[str, bytes], ...] = (
    ("are longer than 143 bytes", b"n" * 255),
    ("are not UTF-8", b"latin-\xe9"),
    ("have a line break in them", b"two\nlines"),
    ('have one of :*?"<>| in them', b"a:b*c?"),
    ("end with a dot or a blank", b"end. "),
    ("have a backslash in them", b"back\\slash"),
)


def _file_system(folder: str) -> str:
    """The kind of file system (ext4, vfat, ...) by the mount table; "file system" if it is not known."""
    try:
        device = os.stat(folder).st_dev
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
            for line in file:
                before, _, after = line.partition(" - ")
                major, _, minor = before.split()[2].partition(":")
                if os.makedev(int(major), int(minor)) == device:
                    return after.split()[0]
    except (OSError, ValueError, IndexError):
        pass
    return "file system"


def abilities(folder: str) -> Abilities:
    kind = _file_system(folder)
    ours = os.path.join(folder, os.fsdecode(RESERVED_NAME))
    is_shared = os.path.isdir(ours) and not os.path.islink(ours)
    try:
        place = tempfile.mkdtemp(
            prefix=_PREFIX if is_shared else ".dir_sync-doctor-", dir=ours if is_shared else folder
        )
    except OSError as error:
        return Abilities(kind, trouble=error.strerror or str(error), errno=error.errno or 0)
    try:
        return _tried(kind, place)
    except OSError as error:
        return Abilities(kind, trouble=error.strerror or str(error), errno=error.errno or 0)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _tried(kind: str, place: str) -> Abilities:
    one = os.path.join(place, "one")
    with open(one, "wb") as file:
        file.write(b"1")
    return Abilities(
        kind,
        exchange=_exchanges(place),
        nanoseconds=_can(lambda: _keeps_time(one)),
        case=not os.path.lexists(os.path.join(place, "ONE")),
        forms=_can(lambda: _tells_forms(place)),
        names=tuple(text for text, name in _NAMES if not _can(lambda name=name: _takes(place, name))),  # type: ignore[misc]
        xattrs=_can(lambda: _keeps_xattr(one)),
        holes=_can(lambda: _has_holes(os.path.join(place, "hole"))),
        links=_can(lambda: _links(os.path.join(place, "link"))),
        modes=_can(lambda: _keeps_mode(one)),
    )


def _can(try_it: Callable[[], bool]) -> bool:
    try:
        return try_it()
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS):
            raise
        return False


def _exchanges(place: str) -> bool | None:
    try:
        disk = RealDisk(os.fsencode(place))
    except DiskError:
        return None
    try:
        return disk.supports_exchange
    finally:
        disk.close()


def _keeps_time(path: str) -> bool:
    os.utime(path, ns=(_TIME_NS, _TIME_NS))
    return os.stat(path).st_mtime_ns == _TIME_NS


def _tells_forms(place: str) -> bool:
    with open(os.path.join(place, "\u00e9"), "wb"):
        return not os.path.lexists(os.path.join(place, "e\u0301"))


def _takes(place: str, name: bytes) -> bool:
    path = os.path.join(os.fsencode(place), name)
    with open(path, "xb"):
        return name in os.listdir(os.fsencode(place))


def _keeps_xattr(path: str) -> bool:
    os.setxattr(path, "user.dir_sync", b"x")
    return os.getxattr(path, "user.dir_sync") == b"x"


def _has_holes(path: str) -> bool:
    with open(path, "wb") as file:
        file.truncate(_HOLE_BYTES)
        file.flush()
        return os.fstat(file.fileno()).st_blocks * 512 < _HOLE_BYTES


def _links(path: str) -> bool:
    os.symlink("nowhere", path)
    return os.path.islink(path)


def _keeps_mode(path: str) -> bool:
    found = []
    for mode in (0o600, 0o750):
        os.chmod(path, mode)
        found.append(stat.S_IMODE(os.stat(path).st_mode))
    return found == [0o600, 0o750]


def room(folder: str, keeps_free: Keep) -> Room:
    """`keeps_free`: by --min-free. Raises OSError."""
    found = os.statvfs(folder)
    size = found.f_blocks * found.f_frsize
    free = found.f_bavail * found.f_frsize
    return Room(free, size, found.f_favail, found.f_files, keeps_free.of(size), free - disk_room(found))


def state_folder(folder: str, has_modes: bool) -> StateFolder:
    """`has_modes`: the file system keeps modes. Raises OSError."""
    path = os.path.join(folder, os.fsdecode(RESERVED_NAME))
    try:
        found = os.lstat(path)
        is_here = found.st_dev == os.stat(folder).st_dev
    except FileNotFoundError:
        return StateFolder(exists=False)
    is_folder = stat.S_ISDIR(found.st_mode) and is_here
    damaged: tuple[str, ...] = ()
    if is_folder:
        try:
            damaged = tuple(sorted(name for name in os.listdir(path) if ".damaged-" in name))
        except OSError:
            pass  # its rights are judged
    return StateFolder(
        exists=True,
        is_folder=is_folder,
        is_ours=found.st_uid == os.geteuid(),
        mode=stat.S_IMODE(found.st_mode),
        has_modes=has_modes,
        damaged=damaged,
    )
