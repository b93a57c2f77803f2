"""Facts about this machine: limits of the kernel, the librsync library, what this user's programs remember.

In:   /proc, the library. Out: values for `machine_checks`.
Used by: doctor.examination.
"""

from __future__ import annotations

import importlib.util
import os
import resource
import tempfile
import time
from collections.abc import Iterator

from dir_sync.delta import DeltaError, apply_delta, available, make_delta, signature
from dir_sync.disk import RealDisk
from dir_sync.doctor.machine_checks import Inotify, OpenFiles, Rsync
from dir_sync.folder import user_state

__all__ = ["count_folders", "inotify", "librsync", "missing_packages", "open_files", "user_state_trouble"]

_PACKAGES = ("blake3", "watchdog", "psutil", "pathspec")
_COUNT_WITHIN_S = 20.0
_TRIED_BYTES = 200_000
_LIMITS = "/proc/sys/fs/inotify"


def count_folders(folder: str) -> int:
    """How many folders would be watched: all, with the shared one, without .dir_sync."""
    until = time.monotonic() + _COUNT_WITHIN_S
    count, ahead = 0, [folder]
    while ahead and time.monotonic() < until:
        count += 1
        try:
            with os.scandir(ahead.pop()) as entries:
                ahead += [
                    entry.path for entry in entries if entry.name != ".dir_sync" and entry.is_dir(follow_symlinks=False)
                ]
        except OSError:
            continue
    return count + len(ahead)


def inotify(folders: int, is_watched: bool, unwatched: int) -> Inotify:
    watches, instances = _inotify_used()
    return Inotify(
        _number(f"{_LIMITS}/max_user_watches"),
        watches,
        _number(f"{_LIMITS}/max_user_instances"),
        instances,
        folders,
        is_watched,
        unwatched,
        needs_instance=not is_watched,
    )


def _number(path: str) -> int:
    try:
        with open(path, encoding="ascii") as file:
            return int(file.read())
    except (OSError, ValueError):
        return 1 << 30  # no such limit


def _inotify_used() -> tuple[int, int]:
    """Watches and instances of this user's processes, as far as they can be seen."""
    watches = instances = 0
    for folder in _processes_of(os.geteuid()):
        try:
            handles = os.listdir(f"{folder}/fd")
        except OSError:
            continue
        for handle in handles:
            try:
                if os.readlink(f"{folder}/fd/{handle}") != "anon_inode:inotify":
                    continue
                with open(f"{folder}/fdinfo/{handle}", encoding="ascii") as file:
                    watches += sum(line.startswith("inotify ") for line in file)
                instances += 1
            except OSError:
                continue
    return watches, instances


def _processes_of(user: int) -> Iterator[str]:
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                if os.stat(f"/proc/{name}").st_uid == user:
                    yield f"/proc/{name}"
            except OSError:
                continue


def open_files(process: int) -> OpenFiles:
    """The limit of a process; 0: this one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = 0
    if process:
        try:
            with open(f"/proc/{process}/limits", encoding="ascii") as file:
                words = next(line.split() for line in file if line.startswith("Max open files"))
            soft, hard = (1 << 30 if word == "unlimited" else int(word) for word in words[3:5])
            used = len(os.listdir(f"/proc/{process}/fd"))
        except (OSError, ValueError, StopIteration):
            pass  # it belongs to another user, or has ended
    return OpenFiles(soft, hard, used)


def missing_packages() -> tuple[str, ...]:
    return tuple(name for name in _PACKAGES if importlib.util.find_spec(name) is None)


def user_state_trouble() -> tuple[str, str]:
    """The user's state folder, and why nothing can be written there; "": it can."""
    folder = os.path.dirname(user_state.state_path("x"))
    at = folder
    while not os.path.lexists(at) and at != os.path.dirname(at):
        at = os.path.dirname(at)
    if not os.path.isdir(at):
        return folder, f"{at} is no folder"
    return folder, "" if os.access(at, os.W_OK | os.X_OK) else f"{at} cannot be written"


def librsync() -> Rsync:
    """Whether a difference can be made and applied."""
    if not available():
        return Rsync(is_there=False, works=False)
    try:
        return Rsync(True, *_try_librsync())
    except (DeltaError, OSError, ValueError) as error:
        return Rsync(is_there=True, works=False, trouble=str(error))


def _try_librsync() -> tuple[bool, str]:
    """The difference between two files that share most of their bytes: is it small, and does it make the second one?"""
    base = b"".join(number.to_bytes(4, "big") for number in range(_TRIED_BYTES // 4))
    new = base[: _TRIED_BYTES // 2] + b"something else" + base[_TRIED_BYTES // 2 :]
    with tempfile.TemporaryDirectory(prefix="dir_sync-doctor-") as folder:
        disk = RealDisk(os.fsencode(folder))
        try:
            for name, data in ((b"base", base), (b"new", new)):
                _write(disk, name, data)
            first, second = disk.open(b"base"), disk.open(b"new")
            sums = signature(first, len(base))
            made: list[bytes] = []
            if make_delta(sums, second, len(new), made.append, len(new) // 2) is None:
                return False, "it finds nothing that two files have in common"
            _write(disk, b"delta", b"".join(made))
            delta, out = disk.open(b"delta"), disk.create(b"out")
            apply_delta(delta, first, out, len(new))
            is_same = out.read(0, len(new) + 1) == new
            for one in (first, second, delta, out):
                one.close()
        finally:
            disk.close()
    return is_same, "" if is_same else "what it makes is something else"


def _write(disk: RealDisk, name: bytes, data: bytes) -> None:
    writer = disk.create(name)
    writer.write(0, data)
    writer.close()
