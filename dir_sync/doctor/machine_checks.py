"""Judgements about this machine: inotify, open files, librsync, what this user's programs remember.

In:   facts. Out: checks. Pure.
Used by: doctor.machine_facts, doctor.examination.
"""

from __future__ import annotations

from dir_sync.core.named import NamedTuple
from dir_sync.doctor.verdict import Check, fail, good, warn
from dir_sync.reporting.log import how_many

__all__ = [
    "Inotify",
    "OpenFiles",
    "Rsync",
    "judge_inotify",
    "judge_librsync",
    "judge_open_files",
    "judge_python",
    "judge_user_state",
]

FILES_LEAST = 256
FILES_ENOUGH = 1_024
PYTHON_LEAST = (3, 11)
_NEAR = 10  # a limit is near if less than a tenth of it is left


class Inotify(NamedTuple):
    """Limits of the kernel for one user, and what is used of them."""

    watches_max: int
    watches_used: int  # by this user's programs, as far as they can be seen
    instances_max: int
    instances_used: int
    folders: int  # in the shared folder; 0: none is examined, or its node has watches already
    is_watched: bool  # a node runs, and its watches are among those that are used
    unwatched: int = 0  # folders that the node could not watch
    needs_instance: bool = False  # no node runs that has one already


class OpenFiles(NamedTuple):
    """The limit of open files, of the node if one runs."""

    soft: int
    hard: int
    used: int


class Rsync(NamedTuple):
    """The library that finds out what has changed in a large file."""

    is_there: bool
    works: bool
    trouble: str = ""


def judge_inotify(found: Inotify) -> list[Check]:
    more = max(524_288, 2 * (found.watches_used + found.folders + found.unwatched))
    raise_it = (
        f"echo fs.inotify.max_user_watches={more} | sudo tee /etc/sysctl.d/60-dir_sync.conf",
        "sudo sysctl --system",
    )
    checks = []
    needed = 0 if found.is_watched else found.folders
    left = found.watches_max - found.watches_used - needed
    said = f"{found.watches_used + needed:,} of {found.watches_max:,} inotify watches"
    if found.unwatched:
        text = f"{how_many(found.unwatched, 'folder')} cannot be watched: the node scans them every 20 s instead"
        checks.append(warn("inotify-watches", text, *raise_it))
    elif left < 0:
        text = f"the folder needs {needed:,} inotify watches, and {max(0, found.watches_max - found.watches_used):,} are free"
        checks.append(fail("inotify-watches", f"{text}: changes would be found late", *raise_it))
    elif left * _NEAR < found.watches_max:
        checks.append(warn("inotify-watches", f"{said} are used, so new folders may soon not be watched", *raise_it))
    else:
        checks.append(good("inotify-watches", f"{said} are used"))
    used = found.instances_used + found.needs_instance
    if used > found.instances_max:
        text = f"all {found.instances_max} inotify instances of this user are used: no node can start"
        fix = "echo fs.inotify.max_user_instances=1024 | sudo tee /etc/sysctl.d/61-dir_sync.conf"
        checks.append(fail("inotify-instances", text, fix, "sudo sysctl --system"))
    else:
        checks.append(good("inotify-instances", f"{used} of {found.instances_max} inotify instances are used"))
    return checks


def judge_open_files(found: OpenFiles) -> Check:
    said = f"{found.soft:,} files may be open at a time, {found.used:,} are"
    fix = "ulimit -n 4096   # in the shell that starts the node; of a service: LimitNOFILE=4096"
    if found.soft < FILES_LEAST or found.used * 10 > found.soft * 9:
        return fail("open-files", f"only {said}: connections and transfers may fail", fix)
    if found.soft < FILES_ENOUGH:
        return warn("open-files", f"{said}: few, for many machines or folders", fix)
    return good("open-files", said)


def judge_librsync(found: Rsync) -> Check:
    fix = "sudo apt install librsync2   # Debian, Ubuntu; elsewhere the package is called librsync"
    if not found.is_there:
        return warn("librsync", "librsync is missing: changed files travel whole, not as a difference", fix)
    if not found.works:
        return fail("librsync", f"librsync does not work ({found.trouble}): deltas fail", fix)
    return good("librsync", "a difference was made with librsync and applied")


def judge_python(version: tuple[int, int, int], missing: tuple[str, ...], repair: str) -> Check:
    """`missing`: packages that cannot be imported. `repair`: what mends that."""
    said = ".".join(map(str, version))
    if version[:2] < PYTHON_LEAST:
        return fail("python", f"Python {said} is too old: 3.11 or later is needed", repair)
    if missing:
        return fail("python", f"Python {said}, without {', '.join(missing)}", repair)
    return good("python", f"Python {said} with all packages")


def judge_user_state(folder: str, trouble: str, repair: str) -> Check:
    """`trouble`: why nothing can be remembered there. `repair`: what makes the folder."""
    if trouble:
        text = f"{folder} is of no use: {trouble}; whether a disk is not mounted cannot be remembered"
        return warn("user-state", text, repair)
    return good("user-state", f"what is remembered of folders is in {folder}")
