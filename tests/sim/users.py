"""People and programs on the nodes: they know nothing of the synchronisation, and act when they like.

In:   a world, a node. Out: changes on the node's disk, each write with a token of its own; the world is told of each act.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from random import Random
from typing import TYPE_CHECKING

from dir_sync.core.events import Urgency
from dir_sync.core.model import Kind, parent_of
from dir_sync.ports import DiskError
from tests.sim.memory_disk import MemoryFile
from tests.sim.options import OPERATIONS

if TYPE_CHECKING:
    from tests.sim.node import Node
    from tests.sim.world import World

__all__ = ["User"]

_FEW = (b"a", b"d/a", b"d")
_MANY = (b"a", b"b", b"c", b"d/a", b"d/b", b"d/e/a", b"d/e/b", b"f/\xffx", b"f/g/h", b"a/b", b"k")
_ALIKE = (b"a", b"A", b"d/a", b"D/a", b"d", b"d/B", b"\xc3\xa9", b"e\xcc\x81", b"d/b")  # with a disk that is blind
_FOLDERS = (b"d", b"d/e", b"f", b"f/g", b"a", b"k/l")
_DAY_NS = 86_400 * 1_000_000_000


class User:
    """The users of one node."""

    def __init__(self, world: World, node: Node) -> None:
        self._world = world
        self._node = node
        self._acting = False
        self._names = _ALIKE if world.options.blind else _FEW if world.options.crowded else _MANY

    def act(self, at_once: bool = False) -> None:
        """One thing that people do. `at_once`: it is over when this returns."""
        rng = self._world.rng
        what = rng.choices(OPERATIONS, self._world.options.weights)[0]
        if at_once and what == "slow write":
            what = "write"
        self._try(what, getattr(self, "_" + what.replace(" ", "_")))

    def do(self, what: str, act: Callable[[], None]) -> None:
        """Something that only some worlds have."""
        self._try(what, act)

    def some_name(self, rng: Random) -> bytes:
        """A name that users here give."""
        return rng.choice(self._names)

    def meddle(self, path: bytes) -> None:
        """Between two verbs of a job: something happens, most likely to the very file."""
        rng = self._world.rng
        if path.startswith((b".dir_sync", b"still")) or not path or rng.random() < 0.2:
            self.act(at_once=True)
            return
        acts: list[Callable[[], None]] = [
            lambda: self._put(path),
            lambda: self._put(path, replace=True),
            lambda: self._node.disk.delete(path),
            lambda: self._add(path),
            lambda: self._node.disk.move(path, rng.choice(self._names)),
            lambda: self._node.disk.touch(path),
            lambda: self._node.disk.mkdir(path),
        ]
        self._try(f"meddle {path!r}", rng.choice(acts))

    def save_now(self, path: bytes) -> None:
        """The worst moment: between the last check of a file and its exchange."""
        if self._world.options.alike and self._world.rng.random() < self._world.options.alike:
            self._try(f"saves {path!r} at the worst moment, as large and as old", lambda: self._put_alike(path))
            return
        replace = self._world.rng.random() < 0.5
        self._try(f"saves {path!r} at the worst moment", lambda: self._put(path, replace))

    def write_later(self, path: bytes) -> None:
        """A program has the file open, and writes into it after a while, whatever its name is by then."""
        later = self._world.rng.choice([2_000, 1_000_000, 4_000_000, 40_000_000])
        self._world.at(later, self._go_on, self._node.disk.hold(path), path, 1)

    def wipe(self, moves: bool) -> None:
        """Behind the back of the program, which does not run: all that is not still goes; or half of it, and the rest
        gets other names."""
        disk = self._node.disk

        def act() -> None:
            paths = [path for path, entry in disk.tree().items() if entry[0] == Kind.FILE]
            for number, path in enumerate(path for path in paths if not path.startswith(b"still")):
                if moves and number % 2:
                    disk.move(path, path[:20] + b".moved")
                else:
                    disk.delete(path)

        self._try("renames everything" if moves else "wipes everything", act)

    def rename_something(self, number: int) -> None:
        """A file or a folder gets names that nothing ever had, and nothing else happens to it."""
        disk, rng = self._node.disk, self._world.rng
        new = b"new%d" % number

        def act() -> None:
            tree = disk.tree()
            files = [path for path, entry in tree.items() if entry[0] == Kind.FILE and not path.startswith(b"still")]
            folders = [path for path, entry in tree.items() if entry[0] == Kind.DIRECTORY]
            folders = [path for path in folders if not path.startswith(b"still")]
            if folders and rng.random() < 0.4:
                disk.mkdir(new)
                disk.move(rng.choice(folders), new + b"/folder")
            elif files:
                if rng.random() < 0.5:
                    disk.mkdir(new + b"/deep")
                for count, path in enumerate(rng.sample(files, min(len(files), 3))):
                    name = b"/deep/" if disk._find(new) is not None else b"-"
                    disk.move(path, new + name + b"%d" % count)
                    if rng.random() < 0.3:
                        disk.move(new + name + b"%d" % count, new + name + b"again%d" % count)

        self._try("renames something", act)

    def choose_saved(self) -> bytes | None:
        """A file that an editor may save."""
        tree = self._node.disk.tree()
        files = [path for path, entry in tree.items() if entry[0] == Kind.FILE and not path.startswith(b"still")]
        return self._world.rng.choice(files) if files else None

    def save_as_editors_do(self, path: bytes) -> int:
        """The old file is put aside, or removed, before the new one takes its name. Returns how long (us) that takes."""
        disk, rng, world = self._node.disk, self._world.rng, self._world
        aside, beside = path + b"~", path + b".tmp"
        content = self._content(f"save {path!r}")
        create = [lambda: disk.write(beside, content)]
        take = [lambda: disk.move(beside, path)]
        steps: list[Callable[[], None]] = rng.choice(
            [
                [*create, lambda: disk.move(path, path + b".old"), *take, lambda: disk.delete(path + b".old")],
                [*create, lambda: disk.move(path, b"other.bak"), *take, lambda: disk.delete(b"other.bak")],
                [*create, lambda: disk.delete(path), *take],
                [lambda: disk.move(path, aside), lambda: disk.write(path, content), lambda: disk.delete(aside)],
            ]
        )
        at = 0
        for step in steps:
            world.at(at, self._try, "saves like an editor", step)
            at += rng.choice([0, 100, 3_000, 40_000])
        return at + 1_000

    def append_to(self, path: bytes) -> int:
        """Opened, appended to, closed. Returns how many bytes came to it."""
        more = b"-" * self._world.rng.choice([1, 60, 1_500])

        def act() -> None:
            nonlocal more
            more = self._world.token(self._node, f"append {path!r}") + more
            file = self._node.disk.hold(path)
            file.write(file.stat().size, more)
            file.close()
            self._written(file, Urgency.NOW)

        self._try(f"appends to {path!r}", act)
        return len(more)

    def save_slowly(self, path: bytes, renamed: bytes) -> tuple[int, list[bytes]]:
        """Cut, written in pieces with pauses between them, and closed. `renamed`: the name that it gets right before it
        is cut. Returns how long (us) that takes, and what the file has meanwhile, before its last state."""
        disk, rng, world = self._node.disk, self._world.rng, self._world
        content = self._content(f"save {path!r} slowly")
        pieces = [content[at : at + len(content) // 3 + 1] for at in range(0, len(content), len(content) // 3 + 1)]
        files: list[MemoryFile] = []

        def begin() -> None:
            files.append(disk.hold(renamed))
            files[0].truncate(0)
            self._written(files[0], Urgency.WRITING)

        def go_on(piece: bytes) -> None:
            files[0].write(files[0].stat().size, piece)
            self._written(files[0], Urgency.WRITING)

        def end() -> None:
            files[0].close()
            self._written(files[0], Urgency.NOW)

        steps: list[Callable[[], None]] = [begin, *(partial(go_on, piece) for piece in pieces), end]
        at = 0
        if renamed != path:
            world.at(at, self._try, f"renames {path!r}", lambda: disk.move(path, renamed))
            at = rng.choice([0, 300, 1_000])
        for step in steps:
            world.at(at, self._try, f"saves {path!r} slowly", step)
            at += rng.choice([3_000, 150_000, 400_000, 1_500_000])
        return at, [b"".join(pieces[:count]) for count in range(len(pieces))]

    def log(self) -> None:
        """A program appends to a file: it opens it for each line, or keeps it open."""
        rng = self._world.rng

        def act() -> None:
            path = self._existing(Kind.FILE) if rng.random() < 0.7 else self._name()
            if (self._node.disk.content(path) or b"") == b"":
                self._put(path)
            self._world.at(1_000, self._add_line, path, None, rng.randint(1, 8), rng.random() < 0.5)

        self._try("begins to log", act)

    def _add_line(self, path: bytes, file: MemoryFile | None, left: int, keeps_open: bool) -> None:
        world, node, rng = self._world, self._node, self._world.rng
        if not node.disk.root_here or (file is not None and file._generation != node.disk.generation):
            if file is not None:
                file.close()
            return
        with self._as_user():
            before = node.disk.tree()
            first = len(world.tokens)
            try:
                file = file or node.disk.hold(path)
                if left and world.faults:
                    line = world.token(node, f"a line of {path!r}") + b"-" * rng.choice([1, 40, 600, 3_000])
                    file.write(file.stat().size, line)
                    self._written(file, Urgency.WRITING)
                    world.at(rng.choice([2_000, 100_000, 700_000, 3_000_000]), self._add_line, path,
                             file if keeps_open else None, left - 1, keeps_open)  # fmt: skip
                if not keeps_open or not left or not world.faults:
                    file.close()
                    self._written(file, Urgency.NOW)
            except DiskError as error:
                if file is not None:
                    file.close()
                    self._written(file, Urgency.NOW)  # a full disk may have taken a part
                world.note(f"{node.name} user: adds nothing to {path!r}: {error}")
            world.note(f"{node.name} user: adds to {path!r}")
            world.acted(node, before, first)

    # --- how -----------------------------------------------------------------------------------------------------

    def _try(self, what: str, act: Callable[[], None]) -> None:
        node, world = self._node, self._world
        if self._acting or not node.disk.root_here:
            return
        with self._as_user():
            before = node.disk.tree()
            first = len(world.tokens)
            try:
                act()
                world.note(f"{node.name} user: {what}")
            except DiskError as error:
                world.note(f"{node.name} user: {what} fails: {error}")
            world.acted(node, before, first)

    @contextmanager
    def _as_user(self) -> Iterator[None]:
        node, disk = self._node, self._node.disk
        program, disk.program = disk.program, False
        self._acting = True
        before = node.untold()
        try:
            yield
        finally:
            disk.program = program
            self._acting = False
            after = node.untold()
            changed = [path for path, entry in before.items() if path in after and after[path] != entry]
            node.touched |= dict.fromkeys(changed, self._world.us)

    def _name(self) -> bytes:
        return self._world.rng.choice(self._names)

    def _existing(self, *kinds: Kind) -> bytes:
        tree = self._node.disk.tree()
        names = [path for path, entry in tree.items() if entry[0] in kinds and not path.startswith(b"still")]
        return self._world.rng.choice(names) if names else self._name()

    def _content(self, what: str) -> bytes:
        rng = self._world.rng
        token = self._world.token(self._node, what)
        if rng.random() < self._world.options.large:
            size = rng.choice([300, 900, 3_000, 9_000])
            block = bytes(rng.randrange(256) for _ in range(16)).hex().encode()
            return token + b"".join(b"%04d" % n + block for n in range(size // len(block)))
        return token + b"." * rng.randint(0, 20)

    def _put(self, path: bytes, replace: bool = False) -> None:
        disk = self._node.disk
        if parent_of(path):
            disk.mkdir(parent_of(path))
        disk.write(path, self._content(f"write {path!r}"), replace=replace)

    def _put_alike(self, path: bytes) -> None:
        """cp -p over a file that is as large and has the same time."""
        there = self._node.disk.tree().get(path)
        if there is None or there[0] != Kind.FILE:
            return
        _, content, _, mtime = there
        token = self._world.token(self._node, f"write {path!r}")
        if len(token) <= len(content):
            self._node.disk.write(path, token + content[len(token) :], mtime)

    def _add(self, path: bytes) -> None:
        content = self._node.disk.content(path)
        if content is not None:
            self._node.disk.write(path, content + self._world.token(self._node, f"append {path!r}"))

    # --- what ----------------------------------------------------------------------------------------------------

    def _write(self) -> None:
        rng = self._world.rng
        path = self._existing(Kind.FILE) if rng.random() < 0.5 else self._name()
        content = self._node.disk.content(path)
        if content is not None and len(content) > 500 and rng.random() < 0.6:
            at = rng.randrange(len(content))
            changed = content[:at] + self._world.token(self._node, f"patch {path!r}") + content[at:]
            self._node.disk.write(path, changed)
            return
        self._put(path)

    def _save(self) -> None:
        """As editors do: a new file beside it, renamed over it."""
        path = self._existing(Kind.FILE) if self._world.rng.random() < 0.7 else self._name()
        if parent_of(path):
            self._node.disk.mkdir(parent_of(path))
        beside = path + b"~"
        self._node.disk.write(beside, self._content(f"save {path!r}"))
        self._node.disk.move(beside, path)

    def _append(self) -> None:
        self._add(self._existing(Kind.FILE))

    def _slow_write(self) -> None:
        """A program that writes for a while, and has the file open meanwhile."""
        path = self._name()
        self._put(path)
        self._go_on(self._node.disk.hold(path), path, self._world.rng.randint(1, 6))

    def _go_on(self, file: MemoryFile, path: bytes, left: int) -> None:
        world, node = self._world, self._node
        if file._generation != node.disk.generation or not node.disk.root_here:
            file.close()
            return
        with self._as_user():
            before = node.disk.tree()
            first = len(world.tokens)
            if left == 0 or not world.faults:
                file.close()
                self._written(file, Urgency.NOW)
            else:
                try:
                    file.write(file.stat().size, world.token(node, f"go on with {path!r}"))
                    self._written(file, Urgency.WRITING)
                except DiskError:
                    left = 1
                world.at(world.rng.randint(1_000, 150_000), self._go_on, file, path, left - 1)
            world.note(f"{node.name} user: goes on with {path!r}")
            world.acted(node, before, first)

    def _written(self, file: MemoryFile, urgency: Urgency) -> None:
        """The watcher tells the name that the file has by now, if it has one."""
        disk = self._node.disk
        for path in disk.tree():
            if disk._find(path) is file._inode:
                disk._heard(path, urgency)

    def _delete(self) -> None:
        self._node.disk.delete(self._existing(Kind.FILE, Kind.SYMLINK, Kind.OTHER))

    def _delete_folder(self) -> None:
        self._node.disk.delete(self._existing(Kind.DIRECTORY))

    def _move(self) -> None:
        target = self._name()
        if parent_of(target):
            self._node.disk.mkdir(parent_of(target))
        self._node.disk.move(self._existing(Kind.FILE, Kind.SYMLINK), target)

    def _move_folder(self) -> None:
        folders = (b"D", *_FOLDERS) if self._world.options.blind else _FOLDERS
        self._node.disk.move(self._existing(Kind.DIRECTORY), self._world.rng.choice(folders))

    def _move_tree_out(self) -> None:
        """A folder leaves, and another one comes from outside: a new tree, at once."""
        disk = self._node.disk
        source = self._existing(Kind.DIRECTORY)
        disk.delete(source)
        disk.mkdir(source + b"/in")
        disk.write(source + b"/in/x", self._content("a tree from outside"))

    def _swap(self) -> None:
        disk = self._node.disk
        mine, theirs = self._existing(Kind.FILE, Kind.DIRECTORY), self._existing(Kind.FILE, Kind.DIRECTORY)
        if mine == theirs or mine.startswith(theirs + b"/") or theirs.startswith(mine + b"/"):
            return
        disk.move(mine, b"swap~")
        disk.move(theirs, mine)
        disk.move(b"swap~", theirs)

    def _change_type(self) -> None:
        disk, rng = self._node.disk, self._world.rng
        path = self._existing(Kind.FILE, Kind.DIRECTORY, Kind.SYMLINK)
        disk.delete(path)
        match rng.randrange(3):
            case 0:
                self._put(path)
            case 1:
                disk.mkdir(path)
                if rng.random() < 0.7:
                    self._put(path + b"/x")
            case _:
                disk.symlink(path, rng.choice([b"a", b"/nowhere", b"../x"]))

    def _chmod(self) -> None:
        path = self._existing(Kind.FILE, Kind.FILE, Kind.DIRECTORY)
        self._node.disk.chmod(path, self._world.rng.choice([0o600, 0o644, 0o755, 0o700]))

    def _touch(self) -> None:
        rng = self._world.rng
        now = self._node.wall_ns()
        self._node.disk.touch(
            self._existing(Kind.FILE, Kind.SYMLINK),
            rng.choice([None, now - _DAY_NS * rng.randint(1, 5_000), now + _DAY_NS * rng.randint(1, 5_000)]),
        )

    def _copy(self, old: bool = False) -> None:
        disk = self._node.disk
        source, target = self._existing(Kind.FILE), self._name()
        content = disk.content(source)
        stat = disk.tree().get(source)
        if content is None or stat is None or source == target:  # cp refuses the latter
            return
        if parent_of(target):
            disk.mkdir(parent_of(target))
        disk.write(target, content, stat[3] if old else None)

    def _copy_old(self) -> None:
        """cp -p: a new file with an old time."""
        self._copy(old=True)

    def _make_folder(self) -> None:
        self._node.disk.mkdir(self._world.rng.choice(_FOLDERS))

    def _make_link(self) -> None:
        path = self._name()
        if parent_of(path):
            self._node.disk.mkdir(parent_of(path))
        self._node.disk.symlink(path, self._world.rng.choice([b"a", b"d", b"/etc/passwd", b"\xff"]))

    def _make_fifo(self) -> None:
        """Something that is never synchronized; it keeps its folder alive, here only."""
        path = self._name()
        if parent_of(path):
            self._node.disk.mkdir(parent_of(path))
        self._node.disk.mkfifo(path)

    def _hard_link(self) -> None:
        self._node.disk.give_name(self._existing(Kind.FILE), self._name())
