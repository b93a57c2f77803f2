"""Attributes that are kept on demand: reads and sets owner, POSIX ACLs and extended attributes of one entry.

In:   paths; attributes as a version has them (`core.attributes`).
Out:  attributes as they are on this disk, in the words of the version if they mean the same here: names of users and groups
count before numbers, and an ACL says what the mode says.
Rule: only the parts that were asked for and that this disk and this user can keep. Without any, no call is made.
Of the extended attributes only those of the user travel (`user.*`). `security.capability` gives rights, `security.selinux`
is the policy of one machine, `trusted.*` belongs to programs of root, and `system.*` other than ACLs to the kernel.
Used by: real.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import grp
import os
import pwd
import stat as st
import time
from collections.abc import Iterable

from dir_sync.core import limits
from dir_sync.core.attributes import NAMED_TAGS, Acl, Attributes, Owner, is_kept_name
from dir_sync.core.preserve import ON_ENTRIES, Part
from dir_sync.disk.attributes import ACCESS, DEFAULT, ENTRY_BYTES, VERSION, attempt, with_mode
from dir_sync.disk.errors import disk_error
from dir_sync.disk.handles import Handles
from dir_sync.disk.unlocked import CHANGE, Unlocked
from dir_sync.ports import DiskError

__all__ = ["KeptAttributes"]

Xattrs = tuple[tuple[bytes, bytes], ...]

_NO_ID = 2**32 - 1  # of an entry that names nobody
_NAMES_S = 60  # a name of a user is looked up again after that


class KeptAttributes:
    """The verbs. Fields: open parents, modes of folders, and the parts that are kept here."""

    def __init__(self, handles: Handles, unlocked: Unlocked) -> None:
        self._handles = handles
        self._unlocked = unlocked
        self.parts: frozenset[Part] = frozenset()

    def begin(self, parts: Iterable[Part], probe: bytes) -> dict[Part, str]:
        """Keep these parts from now on, as far as possible. Returns the others, and why not. `probe`: a file of ours, on
        which each of them is tried."""
        refused: dict[Part, str] = {}
        wanted = ON_ENTRIES.intersection(parts)
        for part in sorted(wanted, key=lambda part: part.value):
            try:
                self._handles.at(probe, functools.partial(_try, part))
            except (OSError, DiskError) as error:
                why = error.strerror if isinstance(error, OSError) else str(error)
                refused[part] = "that needs root" if part is Part.OWNER else f"the file system says: {why}"
        self.parts = wanted - refused.keys()
        return refused

    def read(self, path: bytes, known: Attributes | None) -> Attributes | None:
        """The kept parts of an entry. `known`: those of its version; a part that the version does not say is None unless
        it is more than what each new file has. None: everything as it is."""
        if not self.parts:
            return None
        try:
            return self._handles.at(path, lambda parent, leaf: self._read(parent, leaf, known))
        except OSError as error:
            raise disk_error(error, path) from error

    def set(self, path: bytes, wanted: Attributes) -> None:
        """Give an entry the kept parts of a version, as far as this user may and this file system can. DiskError if some
        could not be set, and may be later: what is set then is in between."""
        if not self.parts:
            return
        try:
            denied = self._handles.at(path, lambda parent, leaf: self._set(parent, leaf, wanted))
            if denied is None:
                return
            with contextlib.suppress(PermissionError), self._unlocked.allow(denied, (path, CHANGE)):
                self._handles.at(path, lambda parent, leaf: self._set(parent, leaf, wanted))
        except OSError as error:
            raise disk_error(error, path) from error

    def _read(self, parent: int, leaf: bytes, known: Attributes | None) -> Attributes | None:
        found = os.stat(leaf, dir_fd=parent, follow_symlinks=False)
        owner = acls = xattrs = None
        if Part.OWNER in self.parts:
            owner = _owner_read(found, known)
        if self.parts != {Part.OWNER} and (st.S_ISREG(found.st_mode) or st.S_ISDIR(found.st_mode)):
            at = _path(parent, leaf)
            names = os.listxattr(at, follow_symlinks=False)
            if Part.ACLS in self.parts:
                acls = _acls_read(at, names, found.st_mode, known)
            if Part.XATTRS in self.parts:
                try:
                    xattrs = _xattrs_said(_all_xattrs(at, names))
                except PermissionError:
                    xattrs = None  # the mode of the entry hides them: nothing is said of them
                if not xattrs and known is not None and known.xattrs is None:
                    xattrs = None
        seen = Attributes(owner, acls, xattrs)
        return None if seen == Attributes() else seen

    def _set(self, parent: int, leaf: bytes, wanted: Attributes) -> PermissionError | None:
        """What denied an extended attribute to its owner: the mode of a folder; None: nothing. OSError, which passes."""
        found = os.stat(leaf, dir_fd=parent, follow_symlinks=False)
        if Part.OWNER in self.parts and wanted.owner is not None:
            uid, gid = _ids(wanted.owner)
            if (uid, gid) != (found.st_uid, found.st_gid):
                attempt(parent, lambda: os.chown(leaf, uid, gid, dir_fd=parent, follow_symlinks=False))
        if not (st.S_ISREG(found.st_mode) or st.S_ISDIR(found.st_mode)):
            return None
        at = _path(parent, leaf)
        if Part.ACLS in self.parts and wanted.acls is not None:
            access, default = wanted.acls
            mode = self._unlocked.stat_at(parent, leaf).mode  # an ACL may change it; an unlocked folder has two
            _give(parent, at, ACCESS, with_mode(_acl_bytes(access), found.st_mode) if access else b"")
            if st.S_ISDIR(found.st_mode):
                _give(parent, at, DEFAULT, _acl_bytes(default) if default else b"")
            self._unlocked.change_mode(parent, leaf, os.stat(leaf, dir_fd=parent, follow_symlinks=False), mode)
        if Part.XATTRS in self.parts and wanted.xattrs is not None:
            return self._set_xattrs(parent, leaf, wanted.xattrs)
        return None

    def _set_xattrs(self, parent: int, leaf: bytes, wanted: Xattrs) -> PermissionError | None:
        """As `_set`. The kernel lets an owner change those of a file or folder only while its mode lets it write."""
        at = _path(parent, leaf)
        denied: list[PermissionError] = []

        def change() -> None:
            denied.clear()
            try:
                has = _all_xattrs(at, os.listxattr(at, follow_symlinks=False))
            except PermissionError as error:
                denied.append(error)
                return
            for name in sorted(dict(_xattrs_said(has)).keys() - dict(wanted).keys()):
                denied.extend(attempt(parent, functools.partial(os.removexattr, at, name, follow_symlinks=False)))
            for name, value in wanted:
                if has.get(name) != value:
                    set_one = functools.partial(os.setxattr, at, name, value, follow_symlinks=False)
                    denied.extend(attempt(parent, set_one))

        change()
        found = os.stat(leaf, dir_fd=parent, follow_symlinks=False)
        if not denied or found.st_uid != os.geteuid():
            return None
        if st.S_ISDIR(found.st_mode):
            return denied[0]
        mode = found.st_mode & 0o777
        self._unlocked.change_mode(parent, leaf, found, mode | 0o600)
        try:
            change()
        finally:
            found = os.stat(leaf, dir_fd=parent, follow_symlinks=False)
            self._unlocked.change_mode(parent, leaf, found, mode)
        return None


def _path(parent: int, leaf: bytes) -> bytes:
    """Extended attributes have no calls relative to a handle before Linux 6.13."""
    return b"/proc/self/fd/%d/%b" % (parent, leaf)


def _try(part: Part, parent: int, leaf: bytes) -> None:
    """OSError if a file of ours cannot have such attributes."""
    at = _path(parent, leaf)
    match part:
        case Part.OWNER:
            os.chown(leaf, 1, 1, dir_fd=parent, follow_symlinks=False)
        case Part.XATTRS:
            os.setxattr(at, "user.dir_sync", b"1", follow_symlinks=False)
        case Part.ACLS:
            entries = ((0x01, 6), (0x02, 4, 1), (0x04, 4), (0x10, 4), (0x20, 0))
            os.setxattr(at, ACCESS, _acl_bytes(tuple((e[0], e[1], "", e[2] if len(e) > 2 else 0) for e in entries)))


# Owners


@functools.lru_cache(maxsize=1024)
def _name_of(is_group: bool, number: int, _minute: int) -> str:
    try:
        name = grp.getgrgid(number).gr_name if is_group else pwd.getpwuid(number).pw_name
    except (KeyError, OSError, OverflowError):
        return ""
    return name if name.isprintable() and len(name) <= limits.OWNER_CHARS_MAX else ""


@functools.lru_cache(maxsize=1024)
def _number_of(is_group: bool, name: str, _minute: int) -> int | None:
    try:
        return grp.getgrnam(name).gr_gid if is_group else pwd.getpwnam(name).pw_uid
    except (KeyError, OSError, ValueError):
        return None


def _minute() -> int:
    return int(time.monotonic() // _NAMES_S)


def _name(is_group: bool, number: int) -> str:
    return _name_of(is_group, number, _minute())


def _here(is_group: bool, name: str, number: int) -> int:
    """The number that a user or a group of a version has on this machine: that of its name, or else its number."""
    found = _number_of(is_group, name, _minute()) if name else None
    return number if found is None else found


def _ids(owner: Owner) -> tuple[int, int]:
    return _here(False, owner.user, owner.uid), _here(True, owner.group, owner.gid)


def _owner_read(found: os.stat_result, known: Attributes | None) -> Owner | None:
    if known is not None and known.owner is None and found.st_uid == os.geteuid():
        return None
    if known is not None and known.owner is not None and _ids(known.owner) == (found.st_uid, found.st_gid):
        return known.owner
    return Owner(_name(False, found.st_uid), found.st_uid, _name(True, found.st_gid), found.st_gid)


# Extended attributes


def _all_xattrs(at: bytes, names: list[str]) -> dict[bytes, bytes]:
    """OSError if one of them cannot be read: it is not to look as if it were not there."""
    found: dict[bytes, bytes] = {}
    for name in map(os.fsencode, names):
        if is_kept_name(name):
            value = _value(at, name)
            if value is not None:
                found[name] = value
    return found


def _value(at: bytes, name: bytes | str) -> bytes | None:
    """None: there is none (any more)."""
    try:
        return os.getxattr(at, name, follow_symlinks=False)
    except OSError as error:
        if error.errno != errno.ENODATA:
            raise
        return None


def _xattrs_said(has: dict[bytes, bytes]) -> tuple[tuple[bytes, bytes], ...]:
    """Those that a record may hold; the largest ones are left out, and nobody removes them because of that."""
    found = sorted(has.items(), key=lambda pair: (len(pair[1]), pair[0]))
    size, kept = 0, []
    for name, value in found[: limits.XATTRS_MAX]:
        size += len(name) + len(value)
        if size > limits.XATTRS_BYTES_MAX:
            break
        kept.append((name, value))
    return tuple(sorted(kept))


def _give(parent: int, at: bytes, name: str, value: bytes) -> None:
    """Set an ACL, or remove it. OSError if that may be possible later."""
    present: list[bytes] = []
    attempt(parent, lambda: present.append(_value(at, name) or b""))
    if present == [value]:
        return
    if value:
        attempt(parent, lambda: os.setxattr(at, name, value, follow_symlinks=False))
    else:
        attempt(parent, lambda: os.removexattr(at, name, follow_symlinks=False))


# ACLs


def _acls_read(at: bytes, names: list[str], mode: int, known: Attributes | None) -> tuple[Acl, Acl] | None:
    raw = [_value(at, name) or b"" if name in names else b"" for name in (ACCESS, DEFAULT)]
    if known is not None and known.acls is None and not any(raw):
        return None
    if known is not None and known.acls is not None:
        access, default = known.acls
        meant = [with_mode(_acl_bytes(access), mode) if access else b"", _acl_bytes(default) if default else b""]
        if meant == raw:
            return known.acls
    return _acl_of(raw[0]), _acl_of(raw[1])


def _acl_of(raw: bytes) -> Acl:
    """The entries of an ACL as the kernel returns it."""
    if raw[:4] != VERSION or len(raw) > len(VERSION) + ENTRY_BYTES * limits.ACL_ENTRIES_MAX:
        return ()
    entries = []
    for at in range(len(VERSION), len(raw), ENTRY_BYTES):
        tag, bits = (int.from_bytes(raw[at + part : at + part + 2], "little") for part in (0, 2))
        number = int.from_bytes(raw[at + 4 : at + 8], "little")
        kind = NAMED_TAGS.get(tag)
        entries.append((tag, bits, "", 0) if kind is None else (tag, bits, _name(kind == "group", number), number))
    return tuple(entries)


def _acl_bytes(acl: Acl) -> bytes:
    """The ACL for this machine. The kernel wants the entries of each tag sorted by id."""
    entries = []
    for tag, bits, name, number in acl:
        kind = NAMED_TAGS.get(tag)
        entries.append((tag, _NO_ID if kind is None else _here(kind == "group", name, number), bits))
    return VERSION + b"".join(
        tag.to_bytes(2, "little") + bits.to_bytes(2, "little") + number.to_bytes(4, "little")
        for tag, number, bits in sorted(entries)
    )
