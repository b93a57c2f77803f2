"""Judgements about a shared folder: abilities of its file system, free space, rights, whether it can be shared.

In:   facts. Out: checks. Pure.
Used by: doctor.folder_facts, doctor.examination.
"""

from __future__ import annotations

import errno

from dir_sync.core.named import NamedTuple
from dir_sync.doctor.verdict import Check, fail, good, warn
from dir_sync.reporting.log import human_bytes
from dir_sync.reporting.shell import quoted

__all__ = [
    "Abilities",
    "Room",
    "StateFolder",
    "judge_abilities",
    "judge_folder",
    "judge_room",
    "judge_state_folder",
]

ROOM_FAIL = 50 * 10**6
ROOM_WARN = 10**9
_UNWRITABLE = {  # why nothing can be written, and the command that tells more
    errno.ENOSPC: ("no room is left on its disk", "df -h {0}; df -i {0}   # then remove what is not needed"),
    errno.EDQUOT: ("this user's quota is used up", "quota -s   # then remove what is not needed"),
    errno.EROFS: (
        "its file system is mounted read-only",
        "findmnt -T {0}   # if that disk is in order: sudo mount -o remount,rw TARGET",
    ),
    errno.EIO: ("its disk reports errors", "sudo dmesg --level=err | tail   # is the disk failing?"),
    errno.EACCES: ("this user may not write there", "ls -ld {0}"),
}
_ELSEWHERE = "a file system of Linux (ext4, xfs, btrfs, ...) can"


class Abilities(NamedTuple):
    """What the file system of a folder can do. None: it was not tried."""

    kind: str  # ext4, vfat, ...
    exchange: bool | None = None  # swap two names in one step
    nanoseconds: bool | None = None
    case: bool | None = None  # readme and README are two names
    forms: bool | None = None  # two Unicode forms of one letter are two names
    names: tuple[str, ...] | None = None  # kinds of names that it refuses
    xattrs: bool | None = None
    holes: bool | None = None
    links: bool | None = None
    modes: bool | None = None
    trouble: str = ""  # why nothing could be tried, in the words of the system
    errno: int = 0  # its number


class Room(NamedTuple):
    """Of the disk, in bytes. `least`: what --min-free keeps; 0: not known, or nothing. `reserve`: what a node leaves free for
    its index."""

    free: int
    size: int
    inodes_free: int
    inodes: int
    least: int = 0
    reserve: int = 0


class StateFolder(NamedTuple):
    """`.dir_sync`. Where it is missing, the folder was never shared."""

    exists: bool
    is_folder: bool = True
    is_ours: bool = True  # this user owns it
    mode: int = 0o700
    has_modes: bool = True  # the file system keeps modes
    damaged: tuple[str, ...] = ()  # index files that were set aside


def judge_abilities(found: Abilities, folder: str) -> list[Check]:
    if found.trouble:
        why, command = _UNWRITABLE.get(found.errno, (found.trouble, "ls -ld {0}; findmnt -T {0}"))
        text = f"nothing can be written in the folder, so nothing can be received: {why}"
        return [fail("file-system", text, command.format(quoted(folder)))]
    lacking: list[tuple[str, bool | None, str]] = [
        ("exchange", found.exchange, "two names cannot be exchanged in one step: a file is replaced in two"),
        ("times", found.nanoseconds, "times are kept less exactly than to the nanosecond"),
        ("case", found.case, "readme and README are one name here: only one of two such files can be here"),
        ("forms", found.forms, "two Unicode forms of one letter are one name here"),
        ("xattrs", found.xattrs, "extended attributes are not kept (--preserve xattrs has no effect here)"),
        ("holes", found.holes, "holes of sparse files take room here"),
        ("links", found.links, "symbolic links cannot be here"),
        ("modes", found.modes, "modes (the x of programs) are not kept"),
    ]
    checks = [
        warn(f"file-system-{name}", f"{found.kind}: {text}", _ELSEWHERE)
        for name, has_it, text in lacking
        if has_it is False
    ]
    if found.names:
        text = f"{found.kind}: names cannot be here that {' or '.join(found.names)}"
        checks.append(warn("file-system-names", text, "rename such files, or use another file system"))
    can = [name for name, has_it, _ in lacking if has_it]
    if found.names == ():
        can.append("all names")
    words = {"times": "ns times", "forms": "Unicode forms"}
    if can:
        checks.insert(0, good("file-system", f"{found.kind}: {', '.join(words.get(name, name) for name in can)}"))
    return checks


def judge_room(found: Room, folder: str) -> list[Check]:
    said = f"{human_bytes(found.free)} of {human_bytes(found.size)} are free"
    fix = (
        f"df -h {quoted(folder)}   # then remove what is not needed from that disk",
        f"du -sh {quoted(folder.rstrip('/') + '/.dir_sync')}   # mostly old versions; a lower --history-max lets them go",
    )
    largest = f"a file of more than {human_bytes(max(0, found.free - found.reserve))} cannot be received"
    is_nearly_full = found.free * 20 < found.size
    if found.free <= found.reserve:
        text = f"the disk is full ({said}): no file can be received, and the node may have to pause"
        checks = [fail("space", text, *fix)]
    elif found.free < ROOM_FAIL and is_nearly_full:
        text = f"the disk is nearly full ({said}): {largest}, and the node may have to pause"
        checks = [fail("space", text, *fix)]
    elif found.free < found.least:
        checks = [warn("space", f"{said}, less than --min-free: contents of other machines wait", *fix)]
    elif found.free < ROOM_FAIL:
        checks = [warn("space", f"only {said}: {largest}", *fix)]
    elif found.free < ROOM_WARN or is_nearly_full:
        checks = [warn("space", f"only {said}", *fix)]
    else:
        checks = [good("space", said)]
    if found.inodes and not found.inodes_free:
        checks.append(fail("inodes", "no inode is free: no new file can be made", f"df -i {quoted(folder)}"))
    elif found.inodes and found.inodes_free * 50 < found.inodes:
        text = f"only {found.inodes_free:,} of {found.inodes:,} inodes are free"
        checks.append(warn("inodes", text, f"df -i {quoted(folder)}"))
    return checks


def judge_state_folder(found: StateFolder, folder: str) -> list[Check]:
    path = f"{folder.rstrip('/')}/.dir_sync"
    if not found.exists:
        return [good("state-folder", "the folder has no .dir_sync: it was never shared from here")]
    if not found.is_folder:
        text = ".dir_sync has to be a folder on the same file system, not a link: nothing can be shared"
        return [fail("state-folder", text, f"ls -ld {quoted(path)}")]
    if not found.is_ours:
        text = ".dir_sync belongs to another user: was a node started with sudo?"
        return [fail("state-folder", text, f'sudo chown -R "$(id -u):$(id -g)" {quoted(path)}')]
    if found.has_modes and found.mode & 0o700 != 0o700:
        text = f".dir_sync has mode {found.mode:04o}: its owner cannot use it"
        return [fail("state-folder", text, f"chmod 700 {quoted(path)}")]
    if found.has_modes and found.mode & 0o077:
        text = f".dir_sync has mode {found.mode:04o}: other users can read the history"
        return [warn("state-folder", text, f"chmod 700 {quoted(path)}")]
    checks = [good("state-folder", ".dir_sync is private")]
    if found.damaged:
        text = f"a damaged index was set aside ({found.damaged[0]}): is the disk in order?"
        checks.append(warn("index", text, f"rm {quoted(f'{path}/{found.damaged[0]}')}   # when it is not needed"))
    return checks


def judge_folder(folder: str, reason: str, waits: str, runs: int) -> list[Check]:
    """`reason`: why it cannot be shared. `waits`: why its node is paused. `runs`: the process of its node; 0: none."""
    if waits:
        return [fail("folder", f"the node waits for the folder: {waits}", f"ls -la {quoted(folder)}")]
    if reason:
        return [fail("folder", reason)]
    if runs:
        return [good("folder", f"a node runs for it (process {runs})")]
    return [good("folder", "no node runs for it")]
