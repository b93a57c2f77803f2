"""A ledger of tokens: every write carries one of its own, and in the end nothing is lost that nobody meant to lose.

`User` works in the folder of one node, at random, as people and programs do. Whatever a user takes away (overwrites,
deletes) is looked at while it is taken, atomically: those tokens, and only those, were replaced with knowledge of
them. All others must be found in the end, in a tree or in a history (`Ledger.missing`).

Knows nothing of dir_sync but where its history is.
"""

from __future__ import annotations

import ctypes
import errno
import os
import random
import re
import stat
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

from .changes import set_mtime

TOKEN = re.compile(rb"<token [0-9a-f]{8} [0-9]+>")
AT_FDCWD, NOREPLACE, EXCHANGE = -100, 1, 2
SECOND_NS = 10**9

_libc = ctypes.CDLL(None, use_errno=True)


def rename(one: Path, other: Path, flag: int) -> None:
    """renameat2: never replaces anything, or exchanges the two."""
    if _libc.renameat2(AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other), flag):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(other))


def tokens_in(content: bytes) -> list[bytes]:
    return TOKEN.findall(content)


class Ledger:
    """What was written, by whom and where; and what was replaced with knowledge of it. Any thread may write in it."""

    def __init__(self, seed: int = 0) -> None:
        self.written: dict[bytes, str] = {}
        self.replaced: dict[bytes, str] = {}
        self._tag = b"%08x" % (seed & 0xFFFFFFFF)
        self._count = 0
        self._lock = threading.Lock()
        self._known: dict[tuple[int, ...], frozenset[bytes]] = {}

    def new(self) -> bytes:
        """A token that nobody has; it counts once `wrote` says so."""
        with self._lock:
            self._count += 1
            return b"<token %s %d>" % (self._tag, self._count)

    def wrote(self, token: bytes, where: str) -> None:
        with self._lock:
            self.written[token] = where

    def took(self, content: bytes, where: str) -> None:
        """A user has replaced or deleted this content, and knows it."""
        with self._lock:
            for token in tokens_in(content):
                self.replaced[token] = where

    def tokens_at(self, path: bytes) -> frozenset[bytes]:
        """Of a file; one that was not changed since is not read again."""
        try:
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            return frozenset()
        with open(handle, "rb") as file:
            info = os.fstat(handle)
            identity = (info.st_dev, info.st_ino, info.st_size, info.st_mtime_ns, info.st_ctime_ns)
            found = self._known.get(identity)
            if found is None:
                found = self._known[identity] = frozenset(tokens_in(file.read()))
        return found

    def found(self, root: Path) -> set[bytes]:
        """Every token in any file of the tree or of the history."""
        result: set[bytes] = set()
        own = os.fsencode(root / ".dir_sync")
        for start in (os.fsencode(root), os.path.join(own, b"versions")):
            for top, folders, names in os.walk(start):
                if top == os.path.dirname(own) and b".dir_sync" in folders:
                    folders.remove(b".dir_sync")
                for name in names:
                    path = os.path.join(top, name)
                    try:
                        if stat.S_ISREG(os.lstat(path).st_mode):
                            result |= self.tokens_at(path)
                    except (FileNotFoundError, NotADirectoryError):
                        continue
        return result

    def missing(self, roots: Iterable[Path]) -> list[str]:
        """What is neither in a tree nor in a history, though nobody replaced it knowing it: [] if nothing is lost."""
        found = set().union(*map(self.found, roots))
        with self._lock:
            lost = self.written.keys() - self.replaced.keys() - found
            return [f"{token.decode()}: {self.written[token]}" for token in sorted(lost)]


VAIN = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOTEMPTY, errno.ELOOP, errno.EINVAL}
"""What may happen to a user whose folder changes under the hands: the next try goes elsewhere."""

POOL = random.Random("ledger").randbytes(400_000).replace(b"<", b"_")


class User(threading.Thread):
    """Works in one folder until told to stop, or so many times. One user per folder, or the ledger is not exact."""

    def __init__(
        self,
        ledger: Ledger,
        root: Path,
        seed: object,
        *,
        times: int = 1 << 60,
        pause_s: float = 0.02,
        clock_s: int = 0,
    ) -> None:
        super().__init__(name=f"user of {root.parent.name}", daemon=True)
        self.ledger, self.root, self.me = ledger, root, root.parent.name
        self.rng = random.Random(f"{seed} {self.me}")
        self.times, self.pause_s, self.clock_s = times, pause_s, clock_s
        self.done: Counter[str] = Counter()
        self.failure: BaseException | None = None
        self._beside = root.parent / "desk"
        self._stop_asked = threading.Event()
        self._idle = threading.Event()
        self._may_work = threading.Event()
        self._may_work.set()

    # --- its life

    def run(self) -> None:
        self._beside.mkdir(exist_ok=True)
        try:
            while self.times > 0 and not self._stop_asked.is_set():
                self.times -= 1
                self.act()
                self._stop_asked.wait(self.rng.expovariate(1 / self.pause_s))
                if not self._may_work.is_set():
                    self._idle.set()
                    self._may_work.wait()
                    self._idle.clear()
        except BaseException as error:
            self.failure = error
        finally:
            self._idle.set()

    def rest(self) -> None:
        """Returns when it does nothing, until it is told to go on."""
        self._may_work.clear()
        self._idle.wait()

    def go_on(self) -> None:
        self._may_work.set()

    def stop(self) -> None:
        self._stop_asked.set()
        self._may_work.set()
        self.join()
        if self.failure:
            raise self.failure

    def act(self) -> None:
        (name,) = self.rng.choices([*ACTS], [*ACTS.values()])
        try:
            getattr(self, name)()
            self.done[name] += 1
        except OSError as error:
            if error.errno not in VAIN:
                raise
            self.done["in vain"] += 1

    # --- what it picks

    def somewhere(self) -> Path:
        """A name out of some two hundred; not all of them are there, and any may be a folder or a file."""
        folder = self.rng.choice(["", "", "a", "b", "a/deep", "c", "c/d/e"])
        return self.root / folder / f"{self.rng.choice('nmo')}{int(self.rng.triangular(0, 12, 0))}"

    def a_file(self) -> Path:
        """One that is there, if a few tries find one."""
        for _ in range(8):
            path = self.somewhere()
            if path.is_file() and not path.is_symlink():
                return path
        return path

    def a_folder(self) -> Path:
        return self.root / self.rng.choice(["a", "b", "a/deep", "c", "c/d", "c/d/e", "moved", "b/moved"])

    def content(self, token: bytes) -> bytes:
        size = self.rng.choice([0, 10, 300, 2000, 2000, 20_000, 20_000, 70_000, 300_000])
        at = self.rng.randrange(50)
        filler = POOL[at : at + self.rng.randrange(size + 1)]
        cut = self.rng.randrange(len(filler) + 1)
        return filler[:cut] + token + filler[cut:]

    def where(self, path: Path, how: str) -> str:
        return f"{how} {path.relative_to(self.root)} at {self.me}"

    def now_ns(self) -> int:
        return time.time_ns() + self.clock_s * SECOND_NS

    # --- what it does

    def discard(self, path: Path, where: str) -> None:
        """What was moved out of the folder is looked at and removed. Whoever still works in there (a daemon that had
        begun before it was moved) may add and take away."""
        try:
            if path.is_dir() and not path.is_symlink():
                for name in os.listdir(path):
                    self.discard(path / name, where)
                path.rmdir()
                return
            if not path.is_symlink():
                self.ledger.took(path.read_bytes(), where)
            path.unlink()
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno != errno.ENOTEMPTY:
                raise
            self.discard(path, where)

    def desk(self) -> Path:
        return self._beside / f"{self.rng.getrandbits(64):x}"

    def save_anew(self) -> None:
        """Written beside it and exchanged with it: what comes out is what the user replaced."""
        path, token = self.somewhere(), self.ledger.new()
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir() and self.rng.random() < 0.9:
            return
        beside, where = self.desk(), self.where(path, "saved anew:")
        beside.write_bytes(self.content(token))
        if self.clock_s:
            set_mtime(beside, self.now_ns())
        try:
            try:
                rename(beside, path, EXCHANGE)
            except FileNotFoundError:
                rename(beside, path, NOREPLACE)
        except OSError:
            beside.unlink()
            raise
        self.ledger.wrote(token, where)
        if beside.exists() or beside.is_symlink():
            self.discard(beside, where)

    def save_in_place(self) -> None:
        """Truncated and written through one handle: what that handle held is what the user replaced."""
        path, token = self.a_file(), self.ledger.new()
        handle = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        with open(handle, "r+b", buffering=0) as file:
            where = self.where(path, "saved in place:")
            self.ledger.took(file.read(), where)
            self.ledger.wrote(token, where)
            file.seek(0)
            file.truncate()
            file.write(self.content(token))

    def append(self) -> None:
        path, token = self.a_file(), self.ledger.new()
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC)
        with open(handle, "ab", buffering=0) as file:
            file.write(b"\n" + token)
        self.ledger.wrote(token, self.where(path, "appended to"))

    def copy(self) -> None:
        """A copy with something of its own, to a name that is free."""
        path, other, token = self.a_file(), self.somewhere(), self.ledger.new()
        beside = self.desk()
        beside.write_bytes(path.read_bytes() + token)
        try:
            rename(beside, other, NOREPLACE)
        except OSError:
            beside.unlink()
            raise
        self.ledger.wrote(token, self.where(other, "copied to"))

    def delete(self) -> None:
        path, beside = self.a_file(), self.desk()
        rename(path, beside, NOREPLACE)
        self.discard(beside, self.where(path, "deleted:"))

    def rename_to_a_free_name(self) -> None:
        rename(self.a_file(), self.somewhere(), NOREPLACE)

    def rename_onto(self) -> None:
        """What had the name is replaced."""
        path, other = self.a_file(), self.a_file()
        if path != other:
            beside = self.desk()
            rename(path, other, EXCHANGE)
            rename(path, beside, NOREPLACE)
            self.discard(beside, self.where(other, "replaced by a rename:"))

    def swap(self) -> None:
        rename(self.a_file(), self.a_file(), EXCHANGE)

    def make_folder(self) -> None:
        self.a_folder().mkdir(parents=True, exist_ok=True)

    def move_folder(self) -> None:
        rename(self.a_folder(), self.a_folder(), NOREPLACE)

    def delete_folder(self) -> None:
        path, beside = self.a_folder(), self.desk()
        rename(path, beside, NOREPLACE)
        self.discard(beside, self.where(path, "deleted with its folder:"))

    def file_for_folder(self) -> None:
        """A folder is gone and its name is a file's, from one moment to the next; or the other way round."""
        path, token = self.a_folder(), self.ledger.new()
        beside = self.desk()
        beside.write_bytes(self.content(token))
        where = self.where(path, "in place of a folder:")
        try:
            rename(beside, path, EXCHANGE)
        except OSError:
            beside.unlink()
            raise
        self.ledger.wrote(token, where)
        self.discard(beside, where)

    def change_mode(self) -> None:
        self.a_file().chmod(self.rng.choice([0o600, 0o644, 0o444, 0o755]))

    def touch(self) -> None:
        path = self.a_file()
        set_mtime(path, self.now_ns() - self.rng.choice([0, 1, 10**6]) * SECOND_NS)


ACTS = {
    "save_anew": 30,
    "save_in_place": 18,
    "append": 14,
    "copy": 5,
    "delete": 6,
    "rename_to_a_free_name": 7,
    "rename_onto": 3,
    "swap": 2,
    "make_folder": 2,
    "move_folder": 2,
    "delete_folder": 0.7,
    "file_for_folder": 0.7,
    "change_mode": 3,
    "touch": 3,
}


def work_together(users: list[User], meanwhile: Callable[[], object]) -> Counter[str]:
    """All at once, while something else happens; what they have done."""
    for user in users:
        user.start()
    try:
        meanwhile()
    finally:
        for user in users:
            user.stop()
    return sum((user.done for user in users), Counter())
