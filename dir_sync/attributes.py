"""Owners, groups and ACLs: what a folder gives to what is made in it, and what only an owner may change.

In:   an open handle of that folder; the names of what lies ready in the staging folder and will be renamed there.
Out:  they have what they would have, had they been made there. A rename brings nothing of this about.
Rule: as far as this user may, and never an error: the file matters more than its group.
"""

from __future__ import annotations

import fcntl
import os
import stat as st
from typing import NamedTuple

__all__ = ["Inherited", "give", "inherited_from", "is_only_replaceable", "make_plain"]

_ACCESS, _DEFAULT = "system.posix_acl_access", "system.posix_acl_default"

# An ACL as the kernel tells it: version 2, then entries of eight bytes: tag, permissions, id.
_VERSION = b"\2\0\0\0"
_ENTRY_BYTES = 8
_GET_FLAGS = 0x80086601  # FS_IOC_GETFLAGS, which is the same on all machines with 64 bits but a few
_IMMUTABLE_OR_APPEND_ONLY = 0x30
_USER_OBJ, _GROUP_OBJ, _MASK, _OTHER = 0x01, 0x04, 0x10, 0x20


class Inherited(NamedTuple):
    """`group`: -1 for none; `acl`: b"" for none."""

    group: int
    acl: bytes


def inherited_from(folder: int) -> Inherited | None:
    """What is made in a folder (any kind of handle) gets from it; None: nothing, as nearly everywhere."""
    try:
        found = os.fstat(folder)
        group = found.st_gid if found.st_mode & st.S_ISGID else -1
    except OSError:
        return None
    try:
        acl = os.getxattr(b"/proc/self/fd/%d" % folder, _DEFAULT)
    except OSError:
        acl = b""
    return Inherited(group, acl) if group >= 0 or acl else None


def give(inherited: Inherited, parent: int, leaf: bytes) -> None:
    """Give it to something of ours that nobody else uses yet. Its rwx bits stay as they are."""
    try:
        found = os.stat(leaf, dir_fd=parent, follow_symlinks=False)
    except OSError:
        return
    group, acl = inherited
    if group >= 0 and found.st_gid != group:
        try:
            os.chown(leaf, -1, group, dir_fd=parent, follow_symlinks=False)
        except OSError:
            pass  # a group that we are not in
    if st.S_ISLNK(found.st_mode):
        return
    path = b"/proc/self/fd/%d/%b" % (parent, leaf)  # these calls know no handle of a folder
    try:
        if acl:
            os.setxattr(path, _ACCESS, _with_mode(acl, found.st_mode), follow_symlinks=False)
            if st.S_ISDIR(found.st_mode):
                os.setxattr(path, _DEFAULT, acl, follow_symlinks=False)
        if group >= 0 and st.S_ISDIR(found.st_mode):
            os.chmod(path, st.S_IMODE(found.st_mode) | st.S_ISGID)
    except OSError:
        pass


def make_plain(folder: int) -> None:
    """What is made in this folder of ours gets nothing from it, whatever it has inherited itself."""
    path = b"/proc/self/fd/%d" % folder
    for name in (_DEFAULT, _ACCESS):
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


def is_only_replaceable(parent: int, leaf: bytes) -> bool:
    """True for what is another user's, in a folder that we may change. OSError."""
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
        answer = fcntl.ioctl(handle, _GET_FLAGS, bytes(8))
        return bool(int.from_bytes(answer[:4], "little") & _IMMUTABLE_OR_APPEND_ONLY)
    except OSError:
        return False  # a file system without such flags
    finally:
        os.close(handle)


def _with_mode(acl: bytes, mode: int) -> bytes:
    """An ACL whose entries for owner, group (or mask, which limits all groups and named users) and others are these rwx
    bits, as after a chmod."""
    if acl[:4] != _VERSION:
        return acl
    entries = [acl[at : at + _ENTRY_BYTES] for at in range(len(_VERSION), len(acl), _ENTRY_BYTES)]
    tags = [int.from_bytes(entry[:2], "little") for entry in entries]
    bits = {_USER_OBJ: mode >> 6 & 7, _MASK if _MASK in tags else _GROUP_OBJ: mode >> 3 & 7, _OTHER: mode & 7}
    made = [
        entry[:2] + bits[tag].to_bytes(2, "little") + entry[4:] if tag in bits else entry
        for tag, entry in zip(tags, entries, strict=True)
    ]
    return _VERSION + b"".join(made)
