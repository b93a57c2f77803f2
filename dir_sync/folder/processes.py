"""Which process shares a folder, by what the kernel knows of it, and how it is ended.

In:   a folder, or the id of a process and when that started. Out: a Process.
Rule: no process gets a signal because a file names its id. A process shares a folder only if it has the folder's lock open while
that is taken; and from then on it is a handle (pidfd), which never means another process. A process that holds a key keeps its
memory to itself (security.process): then its open files, its environment and its working folder cannot be seen from outside,
also by its own user. The kernel says of it who has the lock, and it says the rest itself (`own_facts`).
Used by: cli, daemon.sharing, shared_now, network.control.
"""

from __future__ import annotations

import errno
import fcntl
import os
import pwd
import re
import select
import signal
from collections.abc import Callable, Iterator

from dir_sync.config import ConfigError
from dir_sync.core import limits
from dir_sync.core.model import show
from dir_sync.folder.started import started

__all__ = ["Process", "holder_of", "is_locked", "own_facts", "owner_name", "process_of"]

_OWN = os.fsdecode(limits.RESERVED_NAME)
_LOCK = f"/{_OWN}/lock"
_ANOTHER = "another user"
_KEY_FILE = "DIR_SYNC_KEY_FILE"


class Process:
    """A process of this machine, for as long as the handle is open."""

    def __init__(self, number: int) -> None:
        """ProcessLookupError if there is none."""
        self.number = number
        self._handle = os.pidfd_open(number)

    def close(self) -> None:
        os.close(self._handle)

    @property
    def owner(self) -> int:
        """The user as whom it acts. Its folder in /proc belongs to root if it keeps its memory to itself."""
        with open(f"/proc/{self.number}/status", "rb") as file:
            found = re.search(rb"^Uid:\s*\d+\s+(\d+)", file.read(), re.MULTILINE)
        if found is None:
            raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH))
        return int(found[1])

    @property
    def owner_name(self) -> str:
        """The name of that user."""
        try:
            return _name_of(self.owner)
        except OSError:
            return _ANOTHER

    @property
    def words(self) -> list[str]:
        """Its command line."""
        with open(f"/proc/{self.number}/cmdline", "rb") as file:
            return [os.fsdecode(word) for word in file.read().split(b"\0")[:-1]]

    @property
    def folder(self) -> str:
        """The folder in which it works. PermissionError if that cannot be seen, another OSError if it has ended."""
        return os.readlink(f"/proc/{self.number}/cwd")

    @property
    def ends_with_terminal(self) -> bool:
        """True if it has a terminal, and ends when that is closed."""
        try:
            with open(f"/proc/{self.number}/stat", "rb") as file:
                after_name = file.read().rpartition(b")")[2].split()
            with open(f"/proc/{self.number}/status", "rb") as file:
                ignored = re.search(rb"^SigIgn:\s*([0-9a-f]+)", file.read(), re.MULTILINE)
        except OSError:
            return False
        has_terminal = after_name[4] != b"0"  # tty_nr of proc(5)
        return has_terminal and not (ignored and int(ignored[1], 16) >> (signal.SIGHUP - 1) & 1)

    @property
    def key_file(self) -> str:
        """The key file that its environment names; "": none. PermissionError if that cannot be seen, another OSError if it has
        ended."""
        with open(f"/proc/{self.number}/environ", "rb") as file:
            found = re.search(rb"(?:^|\0)%b=([^\0]*)" % _KEY_FILE.encode(), file.read())
        return os.fsdecode(found[1]) if found else ""

    @property
    def unit_path(self) -> str:
        """The control group that systemd has made for it, if that is one of our units; "": none."""
        try:
            with open(f"/proc/{self.number}/cgroup", encoding="utf-8", errors="replace") as file:
                found = re.search(r"/\S*/dir-sync[^/\n]*\.service$", file.read(), re.MULTILINE)
        except OSError:
            return ""
        return found[0] if found else ""

    @property
    def unit(self) -> str:
        """The name of that unit."""
        return os.path.basename(self.unit_path)

    def locked(self) -> list[str]:
        """The folders that it shares now. PermissionError if that cannot be seen."""
        found = {path.removesuffix(_LOCK) for path, _ in self._open_files() if path.endswith(_LOCK)}
        return sorted(found)

    def has_open(self, file: os.stat_result) -> bool:
        """PermissionError if that cannot be seen."""
        return any((one.st_dev, one.st_ino) == (file.st_dev, file.st_ino) for _, one in self._open_files())

    def end(self) -> None:
        """Let it end cleanly. PermissionError; nothing if it has ended."""
        try:
            signal.pidfd_send_signal(self._handle, signal.SIGTERM)
        except ProcessLookupError:
            pass

    def has_ended(self, within_s: float = 0.0) -> bool:
        """Wait for its end."""
        poll = select.poll()
        poll.register(self._handle, select.POLLIN)
        return bool(poll.poll(max(0.0, within_s) * 1000))

    def _open_files(self) -> Iterator[tuple[str, os.stat_result]]:
        folder = f"/proc/{self.number}/fd"
        for name in os.listdir(folder):
            try:
                path = os.readlink(f"{folder}/{name}")
                if path.startswith("/"):
                    yield path, os.stat(f"{folder}/{name}")
            except PermissionError:
                raise
            except OSError:
                continue  # closed meanwhile


def own_facts() -> dict[str, object]:
    """What other commands of this user cannot see of this process once it holds a key: the folders that it shares, the folder in
    which it works (None: that is gone), and the key file that its environment names."""
    this = Process(os.getpid())
    try:
        folders = this.locked()
    finally:
        this.close()
    try:
        works_in = os.getcwd()
    except OSError:
        works_in = None
    return {"folders": folders, "works_in": works_in, "key_file": os.environ.get(_KEY_FILE, "")}


def _nobody(folder: str) -> int | None:
    return None


def holder_of(folder: str, who_answers: Callable[[str], int | None] = _nobody) -> Process | None:
    """The process that has the lock of a folder; None: nobody has it. `who_answers`: the id of the process that answers for a
    folder by the kernel's word, where another way is needed. ConfigError if it cannot be found out."""
    path = folder + _LOCK
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if error.errno == errno.EACCES:
            owner = owner_name(folder + "/" + _OWN)
            raise ConfigError(f"the node of {_shown(folder)} belongs to {owner}: run this as {owner}") from None
        raise ConfigError(f"{_shown(path)}: {error.strerror}") from None
    try:
        return _holder(folder, handle, who_answers) if _is_taken(handle) else None
    except OSError as error:
        raise ConfigError(f"{_shown(path)}: {error.strerror}") from None
    finally:
        os.close(handle)


def is_locked(folder: str) -> bool:
    """True if a process has the lock of a folder, as far as that can be found out."""
    try:
        handle = os.open(folder + _LOCK, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        return _is_taken(handle)
    except OSError:
        return False
    finally:
        os.close(handle)


def _is_taken(handle: int) -> bool:
    """For a moment, nobody else can take the lock: `state.lock` waits longer than that."""
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return False
    except BlockingIOError:
        return True


def _holder(folder: str, handle: int, who_answers: Callable[[str], int | None]) -> Process:
    lock = os.fstat(handle)
    text = os.pread(handle, 20, 0).decode("ascii", "replace").strip()
    for number in ([int(text)] if text.isdigit() and int(text) > 0 else []) + list(_lockers(lock.st_ino)):
        if number == os.getpid():
            continue  # it has the file open just now, to ask
        try:
            process = Process(number)
        except (OSError, OverflowError):
            continue
        try:
            if process.has_open(lock):
                return process
        except PermissionError:  # it is another user's, or keeps its memory to itself
            owner, is_ours = process.owner_name, _is_ours(process)
            has_lock = number in _lockers(lock.st_ino)
            if is_ours and (has_lock or who_answers(folder) == number):
                return process
            process.close()
            if has_lock and not is_ours:
                raise ConfigError(f"the node of {_shown(folder)} runs as {owner}: run this as {owner}") from None
            continue
        except OSError:
            pass
        process.close()
    raise ConfigError(f"a program that cannot be found from here, such as one in a container, uses {_shown(folder)}")


def _is_ours(process: Process) -> bool:
    try:
        return process.owner == os.geteuid()
    except OSError:
        return False  # it has ended


def _lockers(inode: int) -> Iterator[int]:
    """The processes that have locked a file of that number, maybe on another file system."""
    try:
        with open("/proc/locks", encoding="ascii", errors="replace") as file:
            for line in file:
                fields = line.split()
                if "FLOCK" in fields and len(fields) > 5 and fields[-3].endswith(f":{inode}") and fields[-4].isdigit():
                    yield int(fields[-4])
    except OSError:
        return


def process_of(number: object, since: object) -> Process | None:
    """The process with this id that started then (`started`); None if it has ended."""
    if type(number) is not int or number <= 0 or not since:
        return None
    try:
        process = Process(number)
    except (OSError, OverflowError):
        return None
    if started(number) == since:  # asked while the handle is open: the id means this process
        return process
    process.close()
    return None


def owner_name(path: str) -> str:
    """The name of the user to whom a file belongs; its number, if it has none."""
    try:
        return _name_of(os.stat(path).st_uid)
    except OSError:
        return _ANOTHER


def _name_of(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"the user {user}"


def _shown(path: str) -> str:
    return show(os.fsencode(path))
