"""The only place where errno is converted to Trouble.

In:   an OSError, and the path that the caller asked about.
Out:  a DiskError; whether an error is one that passes.
Used by: attributes, handles, files, folder, kept, renames, real.
"""

from __future__ import annotations

import errno
import os

from dir_sync.ports import DiskError, Trouble

__all__ = ["MISSING", "NO_MODES", "disk_error", "is_passing"]

_TROUBLES = {
    errno.ENOENT: Trouble.ABSENT,
    errno.ENOTDIR: Trouble.ABSENT,  # a part of the path is a file
    errno.EEXIST: Trouble.EXISTS,
    errno.ENOTEMPTY: Trouble.NOT_EMPTY,
    errno.EISDIR: Trouble.WRONG_TYPE,
    errno.ENXIO: Trouble.WRONG_TYPE,  # a socket, or a fifo without a reader
    errno.ENOSPC: Trouble.FULL,
    errno.EDQUOT: Trouble.FULL,
    errno.EFBIG: Trouble.TOO_LARGE,
    errno.EACCES: Trouble.DENIED,
    errno.EPERM: Trouble.DENIED,
    errno.EROFS: Trouble.READ_ONLY,
    errno.ELOOP: Trouble.BOUNDARY,  # a part of the path is a link
    errno.EXDEV: Trouble.BOUNDARY,
    errno.EBUSY: Trouble.BOUNDARY,  # renaming or removing a mount point
    errno.ENAMETOOLONG: Trouble.NAME,
    errno.EILSEQ: Trouble.NAME,
    errno.EINVAL: Trouble.NAME,
    errno.EMFILE: Trouble.LIMIT,
    errno.ENFILE: Trouble.LIMIT,
}
"""Any other errno is IO."""

MISSING = frozenset((errno.ENOENT, errno.ENOTDIR, errno.ELOOP))
"""A name below a file or a link is not in the folder. A link has no children, so that is absence, not an error."""

NO_MODES = frozenset((errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP))
"""The errnos of a chmod of our own file on a file system without modes."""

_PASSING = frozenset(
    {
        *(errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOLCK),  # this process or this machine has too much to do
        *(errno.EIO, errno.EROFS, errno.ETIMEDOUT, errno.ESTALE, errno.EDQUOT, errno.EAGAIN, errno.EBUSY, errno.EINTR),
        *MISSING,  # the entry is another one by now
    }
)
_ROOM_BYTES = 1024 * 1024
"""A file system with more room than that that says ENOSPC has no place for so many attributes of one entry."""

_SAME_WORDS = frozenset(
    {errno.EACCES, errno.EROFS, errno.EMFILE, errno.EIO, errno.ENOENT, errno.EEXIST, errno.ENOTEMPTY, errno.EFBIG}
)  # for these the Trouble says the same as the system's text
_INODES = "or no free inodes"  # the system reports both with one errno


def is_passing(error: OSError, at: int) -> bool:
    """True if an attribute that could not be set may be set later: this file system and this user can have it, as far as
    the error tells. `at`: a handle in the file system."""
    if error.errno != errno.ENOSPC:
        return error.errno in _PASSING
    room = os.fstatvfs(at)
    return room.f_bavail * room.f_frsize < _ROOM_BYTES


def disk_error(error: OSError, path: bytes, wrong_type: int = 0) -> DiskError:
    """`wrong_type` is the errno with which the calling verb reports an entry of another type."""
    number = error.errno or errno.EIO
    trouble = Trouble.WRONG_TYPE if number == wrong_type else _TROUBLES.get(number, Trouble.IO)
    if number in _SAME_WORDS:
        detail = ""
    else:
        detail = _INODES if number == errno.ENOSPC else os.strerror(number)
    return DiskError(trouble, path, detail)
