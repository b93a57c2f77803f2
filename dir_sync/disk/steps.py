"""Renames for file systems without the flags of renameat2: a rename that never replaces, and an exchange, in steps.

In:   two open parents and two names.
Out:  nothing, or OSError with everything as it was. A crash in between may leave both names, or a spare one.
Used by: renames. It lets one thread in at a time.
"""

from __future__ import annotations

import errno
import os
import stat as st

from dir_sync.disk.linux import os_error

__all__ = ["exchange", "is_taken", "rename", "spare_name"]

_NO_LINKS = frozenset((errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP, errno.EMLINK, errno.EACCES))


def spare_name() -> bytes:
    return b".dir_sync-" + os.urandom(8).hex().encode("ascii")


def rename(here: int, mine: bytes, there: int, theirs: bytes) -> None:
    """A file is linked to its new name and the old one removed. A folder replaces an empty one made for it. Without
    hard links: a stat, and then a rename."""
    found = os.stat(mine, dir_fd=here, follow_symlinks=False)
    if st.S_ISDIR(found.st_mode):
        os.mkdir(theirs, 0o700, dir_fd=there)  # reserves the name, or fails if it is taken
        try:
            os.rename(mine, theirs, src_dir_fd=here, dst_dir_fd=there)
        except OSError as error:
            try:
                os.rmdir(theirs, dir_fd=there)
            except OSError:
                pass
            if error.errno == errno.ENOTEMPTY:
                raise os_error(errno.EEXIST) from error
            raise
        return
    try:
        os.link(mine, theirs, src_dir_fd=here, dst_dir_fd=there, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if is_taken(there, theirs):
            raise os_error(errno.EEXIST) from error
        os.rename(mine, theirs, src_dir_fd=here, dst_dir_fd=there)
        return
    try:
        # A program that saves by renaming may just have put a new file here: keep it.
        if os.path.samestat(os.stat(mine, dir_fd=here, follow_symlinks=False), found):
            os.unlink(mine, dir_fd=here)
    except FileNotFoundError:
        pass
    except OSError:
        os.unlink(theirs, dir_fd=there)
        raise


def exchange(here: int, mine: bytes, there: int, theirs: bytes) -> None:
    """`theirs` is linked to a spare name beside `mine`, `mine` is renamed over it, and the spare name is renamed to
    `mine`. An entry that cannot be linked is renamed."""
    first = os.stat(mine, dir_fd=here, follow_symlinks=False)
    second = os.stat(theirs, dir_fd=there, follow_symlinks=False)
    if os.path.samestat(first, second):
        return  # two names of one file
    aside = spare_name()
    linked = not st.S_ISDIR(first.st_mode) and not st.S_ISDIR(second.st_mode)
    if linked:
        try:
            os.link(theirs, aside, src_dir_fd=there, dst_dir_fd=here, follow_symlinks=False)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            linked = False
    if not linked:
        os.rename(theirs, aside, src_dir_fd=there, dst_dir_fd=here)
    try:
        os.rename(mine, theirs, src_dir_fd=here, dst_dir_fd=there)
    except OSError:
        if linked:
            os.unlink(aside, dir_fd=here)
        else:
            os.rename(aside, theirs, src_dir_fd=here, dst_dir_fd=there)
        raise
    os.rename(aside, mine, src_dir_fd=here, dst_dir_fd=here)


def is_taken(parent: int, leaf: bytes) -> bool:
    try:
        os.stat(leaf, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True
