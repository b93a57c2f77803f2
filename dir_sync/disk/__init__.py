"""The disk: one shared folder on a Linux file system, held open.

In:   paths relative to the folder, bytes.
Out:  the verbs of ports.Disk; every failure is a DiskError.
Rule: nothing outside the folder is ever reached. Each verb opens the parent directory from the open handle of the
folder, without following a link and without crossing a mount, and acts on one name relative to that parent. Even if
another program swaps directories meanwhile, the verb acts in a directory that was inside when it was opened.

    real         RealDisk: the verbs
    blindness    which spellings of a name a disk takes for the same one
    spelling     a Disk around one that takes two spellings for one name
    renames      renames that never replace, and exchanges     steps      the same without the flags of renameat2
    handles      open parents, kept during a batch; stale ones
    unlocked     our folders whose mode denies their owner something: unlocked temporarily; all modes of folders
    directories  from a path to a handle of a directory        folder     the shared folder itself
    files        regular files: Reader, Writer, small ones     attributes owners, groups, ACLs of folders
    kept         owner, ACLs and extended attributes that are part of a version
    holes        holes of sparse files
    stats        converts os.stat_result to Stat            errors     converts errno to Trouble
    linux        system calls that the standard library lacks

Made by `daemon` and `history`; all others know only ports.Disk. Imports `core` and `ports`.
No module imports one that stands above it in `tests/import_table.py`.
"""

from dir_sync.disk.blindness import Blindness, RawDisk, probe
from dir_sync.disk.folder import room
from dir_sync.disk.linux import Kernel
from dir_sync.disk.real import RealDisk
from dir_sync.disk.spelling import SpelledDisk, truthful

__all__ = ["Blindness", "Kernel", "RawDisk", "RealDisk", "SpelledDisk", "probe", "room", "truthful"]
