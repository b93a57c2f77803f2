"""Owners, groups and ACLs: what a new entry inherits from its folder, and what only an owner may change.

In:   paths of files and folders; prepared entries in the staging folder that will be renamed elsewhere.
Out:  these get the attributes that they would have if they had been made there. A rename alone does not set them.
Attributes that are synchronized are read and set in `kept`.
Rule: as far as this user may and this file system can: the file matters more than its group. Errors that pass are reported,
so that the same is done once more (`attempt`).
Used by: kept, real.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import stat as st
from collections.abc import Callable, Iterator, Sequence

from dir_sync.core.named import NamedTuple
from dir_sync.disk.errors import MISSING, disk_error, is_passing
from dir_sync.disk.handles import Handles
from dir_sync.disk.linux import inode_flags
from dir_sync.disk.unlocked import Unlocked
from dir_sync.ports import DiskError

__all__ = ["ACCESS", "DEFAULT", "ENTRY_BYTES", "VERSION", "Attributes", "attempt", "with_mode"]

ACCESS, DEFAULT = "system.posix_acl_access", "system.posix_acl_default"
_COPIED = (ACCESS, "security.selinux")

# An ACL as the kernel returns it: version 2, then entries of eight bytes: tag, permissions, id.
VERSION = b"\2\0\0\0"
ENTRY_BYTES = 8
_IMMUTABLE_OR_APPEND_ONLY = 0x30
_USER_OBJ, _GROUP_OBJ, _MASK, _OTHER = 0x01, 0x04, 0x10, 0x20


class Attributes:
    """The verbs. `copy` and `inherit` raise DiskError for what may be possible later, the others nothing."""

    def __init__(self, handles: Handles, unlocked: Unlocked) -> None:
        self._handles = handles
        self._unlocked = unlocked

    def copy(self, of: bytes, on: bytes) -> None:
        """Give the file `on` the owner, group and extended attributes of the file `of`. Of the extended attributes:
        ACL, SELinux label and user attributes. Capabilities are not copied: they were granted to the old content. The
        mode of `on` stays as it is. DiskError if something could not be copied, and may be later."""

        def copy(here: int, mine: bytes) -> None:
            self._handles.at(on, lambda there, theirs: self._copy(here, mine, there, theirs))

        with _reporting(on):
            self._handles.at(of, copy)

    def inherit(self, folder: bytes, on: Sequence[bytes]) -> None:
        """Give prepared entries what they would inherit if they were made in `folder`. No other program uses them yet.
        DiskError if something could not be given, and may be later."""
        inherited: _Inherited | None = None
        with _reporting(folder), contextlib.suppress(PermissionError):  # the verb that follows reports what is denied
            handle = self._handles.hold(folder)
            try:
                inherited = _inherited_from(handle)
            finally:
                os.close(handle)
        if inherited is None:
            return
        for path in on:
            with _reporting(path):
                self._handles.at(path, functools.partial(_give, inherited))

    def make_plain(self, path: bytes) -> None:
        """Entries made in this folder of ours inherit nothing from it, whatever it inherited itself."""
        try:
            handle = self._handles.hold(path)
        except (OSError, DiskError):
            return
        try:
            _make_plain(handle)
        finally:
            os.close(handle)

    def is_only_replaceable(self, path: bytes) -> bool:
        """True for an entry of another user in a folder that we may change."""
        try:
            return self._handles.at(path, _is_only_replaceable)
        except (OSError, DiskError):
            return False

    def _copy(self, here: int, mine: bytes, there: int, theirs: bytes) -> None:
        old = os.stat(mine, dir_fd=here, follow_symlinks=False)
        new = os.stat(theirs, dir_fd=there, follow_symlinks=False)
        for uid, gid in ((-1, old.st_gid), (old.st_uid, -1)):  # separately: only root may change the owner
            if uid not in (-1, new.st_uid) or gid not in (-1, new.st_gid):
                attempt(there, functools.partial(os.chown, theirs, uid, gid, dir_fd=there, follow_symlinks=False))
        # Extended attributes have no calls relative to a handle before Linux 6.13.
        before, after = (b"/proc/self/fd/%d/%b" % name for name in ((here, mine), (there, theirs)))
        names: list[str] = []
        attempt(here, lambda: names.extend(os.listxattr(before, follow_symlinks=False)))
        for name in names:
            if name in _COPIED or name.startswith("user."):
                attempt(there, functools.partial(_copy_one, before, after, name))
        if names and st.S_ISREG(new.st_mode):
            found = os.stat(theirs, dir_fd=there, follow_symlinks=False)
            self._unlocked.change_mode(there, theirs, found, new.st_mode)  # an ACL changes the mode


@contextlib.contextmanager
def _reporting(path: bytes) -> Iterator[None]:
    """An OSError becomes a DiskError, unless something is missing: the verb that follows reports that."""
    try:
        yield
    except OSError as error:
        if error.errno not in MISSING:
            raise disk_error(error, path) from error


def attempt(parent: int, call: Callable[[], object]) -> list[PermissionError]:
    """Change an attribute of an entry. What denies it, or nothing. OSError if it may be possible later. `parent`: a handle
    in that file system."""
    try:
        call()
    except PermissionError as error:
        return [error] if error.errno == errno.EACCES else []
    except OSError as error:
        if is_passing(error, parent):
            raise
    return []


def _copy_one(before: bytes, after: bytes, name: str) -> None:
    os.setxattr(after, name, os.getxattr(before, name, follow_symlinks=False), follow_symlinks=False)


class _Inherited(NamedTuple):
    """`group`: -1 for none; `acl`: b"" for none."""

    group: int
    acl: bytes


def _inherited_from(folder: int) -> _Inherited | None:
    """What a new entry inherits from a folder (any kind of handle); None: nothing, as in nearly all folders. OSError, which
    passes."""
    found = os.fstat(folder)
    group = found.st_gid if found.st_mode & st.S_ISGID else -1
    acls: list[bytes] = []
    attempt(folder, lambda: acls.append(os.getxattr(b"/proc/self/fd/%d" % folder, DEFAULT)))
    acl = acls[0] if acls else b""
    return _Inherited(group, acl) if group >= 0 or acl else None


def _give(inherited: _Inherited, parent: int, leaf: bytes) -> None:
    """The rwx bits stay as they are. OSError, which passes."""
    found = os.stat(leaf, dir_fd=parent, follow_symlinks=False)
    group, acl = inherited
    if group >= 0 and found.st_gid != group:  # it is denied to who is not a member of that group
        attempt(parent, lambda: os.chown(leaf, -1, group, dir_fd=parent, follow_symlinks=False))
    if st.S_ISLNK(found.st_mode):
        return
    path = b"/proc/self/fd/%d/%b" % (parent, leaf)  # these calls take no handle of a folder
    is_folder = st.S_ISDIR(found.st_mode)
    if acl:
        attempt(parent, lambda: os.setxattr(path, ACCESS, with_mode(acl, found.st_mode), follow_symlinks=False))
        if is_folder:
            attempt(parent, lambda: os.setxattr(path, DEFAULT, acl, follow_symlinks=False))
    if group >= 0 and is_folder:
        attempt(parent, lambda: os.chmod(path, st.S_IMODE(found.st_mode) | st.S_ISGID))


def _make_plain(folder: int) -> None:
    path = b"/proc/self/fd/%d" % folder
    for name in (DEFAULT, ACCESS):
        try:
            os.removexattr(path, name)
        except OSError:
            pass  # there is none
    try:
        mode = st.S_IMODE(os.fstat(folder).st_mode)
        if mode & st.S_ISGID:
            os.chmod(path, mode & ~st.S_ISGID)
    except OSError:
        pass


def _is_only_replaceable(parent: int, leaf: bytes) -> bool:
    """OSError."""
    user = os.geteuid()
    found, folder = os.stat(leaf, dir_fd=parent, follow_symlinks=False), os.fstat(parent)
    if found.st_uid == user or (folder.st_mode & st.S_ISVTX and folder.st_uid != user):
        return False
    if st.S_ISREG(found.st_mode) and _is_immutable(parent, leaf):
        return False
    effective = os.access in os.supports_effective_ids
    return os.access(f"/proc/self/fd/{parent}", os.W_OK | os.X_OK, effective_ids=effective)


def _is_immutable(parent: int, leaf: bytes) -> bool:
    """OSError if it cannot be read; then it cannot be copied either."""
    handle = os.open(leaf, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=parent)
    try:
        return bool(inode_flags(handle) & _IMMUTABLE_OR_APPEND_ONLY)
    except OSError:
        return False  # the file system has no such flags
    finally:
        os.close(handle)


def with_mode(acl: bytes, mode: int) -> bytes:
    """The ACL with its entries for owner, group (or mask, which limits all groups and named users) and others set to
    these rwx bits, as after a chmod."""
    if acl[:4] != VERSION:
        return acl
    entries = [acl[at : at + ENTRY_BYTES] for at in range(len(VERSION), len(acl), ENTRY_BYTES)]
    tags = [int.from_bytes(entry[:2], "little") for entry in entries]
    bits = {_USER_OBJ: mode >> 6 & 7, _MASK if _MASK in tags else _GROUP_OBJ: mode >> 3 & 7, _OTHER: mode & 7}
    made = [
        entry[:2] + bits[tag].to_bytes(2, "little") + entry[4:] if tag in bits else entry
        for tag, entry in zip(tags, entries, strict=True)
    ]
    return VERSION + b"".join(made)
