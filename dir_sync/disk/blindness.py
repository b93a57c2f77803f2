"""Which spellings of a name a disk takes for the same one: tried with entries of our own folder.

In:   a disk, with the verbs that show that. Out: its Blindness.
Rule: what was made is removed again. Where nothing can be made, what is known decides.
Used by: spelling.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Protocol

from dir_sync.core.limits import RESERVED_NAME
from dir_sync.ports import Disk, DiskError

__all__ = ["CASEFOLD", "Blindness", "RawDisk", "probe"]


CASEFOLD = 0x40000000
"""FSCASEFOLD_FL: folders of ext4, f2fs, bcachefs and tmpfs can ignore case, if their user sets this flag."""

_COMPOSED, _DECOMPOSED = "\u00e9".encode(), "e\u0301".encode()  # one letter, in two Unicode forms


class RawDisk(Disk, Protocol):
    """A disk, with the verbs that show whether it ignores spelling."""

    def names(self, path: bytes) -> Sequence[bytes] | None:
        """The names in a folder, without a stat of each; None if it does not exist or is not a folder."""

    def folder_flags(self, path: bytes, add: int = 0) -> int:
        """The inode flags of a folder, after `add` was set; 0 if there are none. DiskError if it cannot be set."""


class Blindness(Enum):
    NONE = "each name is itself"
    SOME = "folders with the casefold flag are blind"
    ALL = "other spellings of a name are found"


def probe(disk: RawDisk) -> tuple[Blindness, bool]:
    """Which disk it is, and whether it lists new names as they were given. Tested with names in our own folder."""
    other = RESERVED_NAME.upper()
    is_blind = _exists(disk, other) and other not in (disk.names(b"") or ())
    mark = b"Probe-" + os.urandom(6).hex().encode()
    both = RESERVED_NAME + b"/" + mark + _COMPOSED + _DECOMPOSED
    try:
        disk.make_directory(both, 0o700)
    except DiskError:
        tried = [_try_file(disk, mark, *forms) for forms in ((_COMPOSED, _DECOMPOSED), (_DECOMPOSED, _COMPOSED))]
        is_blind |= any(is_found for is_found, _ in tried)
        keeps = all(is_kept for _, is_kept in tried)
        return (Blindness.ALL if is_blind or not keeps else Blindness.NONE), keeps
    try:  # one entry for all questions: each one that is made and removed may wait for the journal of the disk
        is_found, keeps = _spellings(disk, mark, _COMPOSED + _DECOMPOSED, _DECOMPOSED + _COMPOSED)
        if is_blind or is_found or not keeps:
            return Blindness.ALL, keeps
        return (Blindness.SOME if _can_fold(disk, both) else Blindness.NONE), True
    finally:
        _remove(disk.remove_directory, both)


def _spellings(disk: RawDisk, mark: bytes, form: bytes, other_form: bytes) -> tuple[bool, bool]:
    """Whether an entry of our own folder is found by other spellings, and whether it is listed as it was given."""
    name = mark + form
    others = (name.swapcase(), mark + other_form, name + b".")
    is_found = any(_exists(disk, RESERVED_NAME + b"/" + other) for other in others)
    return is_found, name in (disk.names(RESERVED_NAME) or (name,))


def _try_file(disk: RawDisk, mark: bytes, form: bytes, other_form: bytes) -> tuple[bool, bool]:
    """The same, tried with a file: where no folder can be made, or not with both forms in its name."""
    path = RESERVED_NAME + b"/" + mark + form
    try:
        disk.create(path).close()
    except DiskError:
        return False, True  # the disk is full, or the name is impossible: decide by what is known
    try:
        return _spellings(disk, mark, form, other_form)
    finally:
        _remove(disk.remove_file, path)


def _exists(disk: RawDisk, path: bytes) -> bool:
    try:
        return disk.stat(path) is not None
    except DiskError:
        return False


def _can_fold(disk: RawDisk, path: bytes) -> bool:
    """True if folders of this file system can ignore case: tested on an empty folder of ours."""
    try:
        return bool(disk.folder_flags(path, CASEFOLD) & CASEFOLD)
    except DiskError:
        return False


def _remove(verb: Callable[[bytes], None], path: bytes) -> None:
    try:
        verb(path)
    except DiskError:
        pass  # an empty entry stays in our own folder
