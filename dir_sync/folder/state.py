"""The folder's own state, `.dir_sync`: its lock, and the index in it.

In:   the folder's path. Out: a lock that is held until it is closed, and the index, or a copy of it.
Rule: only one program at a time writes the index of a folder.
"""

from __future__ import annotations

import errno
import os
import random
import sqlite3
import stat
import time

from dir_sync.config import ConfigError
from dir_sync.core import limits
from dir_sync.core.model import show
from dir_sync.folder.locking import lock_within
from dir_sync.index import Index, IndexDamaged
from dir_sync.reporting.log import logger

__all__ = ["AT_REST", "Locked", "copied_index", "lock", "open_index"]

AT_REST = "at rest"
"""Index note: the index lists everything in the history. 0 while a version may be displaced and not recorded."""

_LOCK_POLL_S = 0.05
_ASKED_S = 0.2  # whoever asks whether the lock is taken has it for a moment
_BESIDE_BYTES = 64 * 1024  # the minimum size of SQLite's files beside a database


class Locked(ConfigError):
    """Another program has the lock of the folder."""


def lock(root: bytes, wait_s: float = _ASKED_S) -> int:
    """A handle that locks the folder until it is closed. Locked if another program has the lock for longer than
    `wait_s` seconds; ConfigError if it cannot be made."""
    path = root + b"/" + limits.RESERVED_NAME
    if not _is_in(root, path):
        raise ConfigError(f"{show(path)} has to be a folder on the same file system as {show(root)}, not a link")
    try:
        _make_private(path)
        handle = os.open(path + b"/lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise ConfigError(f"{show(path)} cannot be created: {error.strerror}") from error
    try:
        lock_within(handle, wait_s, _LOCK_POLL_S)
    except OSError as error:
        owner = os.pread(handle, 20, 0).decode("ascii", "replace").strip()
        os.close(handle)
        if error.errno not in (errno.EAGAIN, errno.EACCES):
            raise ConfigError(f"{show(path)} cannot be locked: {error.strerror}") from error
        who = f" (process {owner})" if owner.isdigit() else ""
        raise Locked(f"another dir_sync{who} is already running on {show(root)}") from None
    try:
        said, ours = os.pread(handle, 40, 0), b"%d\n" % os.getpid()
        os.pwrite(handle, ours, 0)
        if len(said) > len(ours):  # else nothing is cut off: that waits for the journal of the disk
            os.ftruncate(handle, len(ours))
        os.fchmod(handle, 0o600)  # as for the folder
    except OSError:
        pass  # a full disk: the process id is only for people
    return handle


def open_index(root: bytes, rng: random.Random) -> Index:
    """The index of a locked folder. A damaged one is moved aside; a lost one is reported. ConfigError if there can be
    none."""
    path = root + b"/" + limits.RESERVED_NAME + b"/index.db"
    lost = _is_lost(root, path)
    _keep_private(path)
    try:
        try:
            index = Index(os.fsdecode(path), rng)
            index.skip_sequences(time.time_ns())
            if lost:
                logger.warning(
                    "the index was lost: it is rebuilt from the folder, and this node begins anew, as at a first contact"
                )
            return index
        except IndexDamaged as error:
            aside = path + b".damaged-%d" % int(time.time())
            os.rename(path, aside)
            for suffix in (b"-wal", b"-shm"):
                if os.path.exists(path + suffix):
                    os.rename(path + suffix, aside + suffix)
            logger.warning("the index was damaged (%s): set aside, and rebuilt from the folder", error)
            _keep_private(path)
            return Index(os.fsdecode(path), rng)
    except (OSError, sqlite3.Error) as error:
        name = getattr(error, "sqlite_errorname", "")
        if isinstance(error, sqlite3.Error) and (_is_full(root) or name.startswith("SQLITE_FULL")):
            full = sqlite3.OperationalError("database or disk is full")
            full.sqlite_errorname = "SQLITE_FULL"
            raise full from error
        raise ConfigError(f"{show(path)} cannot be opened: {error}") from error


def copied_index(root: bytes, rng: random.Random, wait_s: float) -> Index:
    """A copy of the folder's index, in memory; an empty one if there is none. Nothing is changed in the folder. Locked if a
    program has its lock for longer than `wait_s` seconds; ConfigError if it cannot be read."""
    own = root + b"/" + limits.RESERVED_NAME
    image: bytes | None = None
    try:
        handle = os.open(own + b"/lock", os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except (FileNotFoundError, NotADirectoryError):
        return Index(":memory:", rng)
    except OSError as error:
        raise ConfigError(f"{show(own)} cannot be read: {error.strerror}") from error
    try:
        lock_within(handle, wait_s, _LOCK_POLL_S)
        image = _image(own + b"/index.db")
    except BlockingIOError:
        raise Locked(f"another dir_sync is already running on {show(root)}") from None
    except (OSError, sqlite3.Error) as error:
        raise ConfigError(f"{show(own)} cannot be read: {error}") from error
    finally:
        os.close(handle)
    try:
        index = Index(":memory:", rng, image)
    except (IndexDamaged, sqlite3.Error) as error:
        logger.warning("the index is damaged (%s): what a run would do is found out without it", error)
        index = Index(":memory:", rng)
    index.skip_sequences(time.time_ns())
    return index


def _image(path: bytes) -> bytes | None:
    """The bytes of a database that nobody has open, with what its write-ahead log holds. None: there is none."""
    if not os.path.exists(path):
        return None
    import shutil  # imported late: only what looks without changing anything needs them
    import tempfile

    with tempfile.TemporaryDirectory(prefix="dir_sync-") as folder:
        copy = os.path.join(folder, "index.db")
        for suffix in ("", "-wal"):
            try:
                shutil.copyfile(path + os.fsencode(suffix), copy + suffix)
            except FileNotFoundError:
                pass  # no log is left if its last user has closed it
        try:
            connection = sqlite3.connect(copy, isolation_level=None)
            try:
                connection.execute("PRAGMA journal_mode=DELETE")
            finally:
                connection.close()
        except sqlite3.DatabaseError:
            pass  # it is damaged: who opens the copy finds out
        with open(copy, "rb") as file:
            return file.read() or None


def _keep_private(path: bytes) -> None:
    """Give the index file mode 0600, new or old, whatever the umask: it names every file and every version in the
    history. SQLite gives new files beside a database the mode of the database; existing ones get it here."""
    for name, flags in ((path, os.O_CREAT), (path + b"-wal", 0), (path + b"-shm", 0)):
        try:
            handle = os.open(name, os.O_RDWR | os.O_CLOEXEC | flags, 0o600)
        except OSError:
            continue  # it does not exist; or SQLite fails for the same reason, and reports it
        try:
            if stat.S_IMODE(os.fstat(handle).st_mode) != 0o600:
                os.fchmod(handle, 0o600)
        except OSError:
            pass  # the file system has no modes, or the file belongs to another user
        finally:
            os.close(handle)


def _make_private(folder: bytes) -> None:
    """Make our folder, if it is missing: 0700, also under a umask that takes rights from its owner."""
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:
        if not os.path.isdir(folder):
            raise
    else:
        os.chmod(folder, 0o700)


def _is_in(root: bytes, path: bytes) -> bool:
    """False if a file written below `path` would be outside the folder."""
    try:
        found = os.lstat(path)
        return not stat.S_ISLNK(found.st_mode) and found.st_dev == os.stat(root).st_dev
    except OSError:
        return True  # it does not exist, or making it fails and is reported


def _is_lost(root: bytes, path: bytes) -> bool:
    """True if there is a history without an index, or with an empty one: the folder was shared before."""
    try:
        if os.path.exists(path) and os.path.getsize(path):
            return False
        return bool(os.listdir(root + b"/" + limits.RESERVED_NAME + b"/versions"))
    except OSError:
        return False


def _is_full(root: bytes) -> bool:
    """True if there is no space even for the files that SQLite keeps beside a database; it then reports an I/O
    error."""
    try:
        found = os.statvfs(root)
    except OSError:
        return False
    return found.f_bavail * found.f_frsize < _BESIDE_BYTES
