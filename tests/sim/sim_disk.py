"""The disk of a node: a memory disk that tells a watcher what happens, and notices when the program harms a user.

In:   a node; the verbs of the program and of users.
Out:  events for the watcher of the node; Broken, if the program overwrites or removes the last copy of what a user had.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any

from blake3 import blake3

from dir_sync.core import limits
from dir_sync.core.attributes import Attributes
from dir_sync.core.events import Moved, Touched, Urgency
from dir_sync.core.jobs import ApplyItem, TreeOp
from dir_sync.core.model import Kind
from dir_sync.core.names import HISTORY, STAGING
from dir_sync.ports import Trouble
from tests.sim.broken import Broken
from tests.sim.memory_disk import MemoryDisk, MemoryFile
from tests.sim.memory_tree import Inode
from tests.sim.trees import fold, tokens_of

if TYPE_CHECKING:
    from tests.sim.node import Node

__all__ = ["SimDisk"]


@dataclass
class _Successor:
    """What took the place of a file that the program put aside or moves: its content then, and whether a user took that away
    since."""

    content: bytes
    is_taken: bool = False


class SimDisk(MemoryDisk):
    """A memory disk that knows who acts, tells a watcher, and does not let the program harm what a user made."""

    def __init__(self, node: Node, clock: Callable[[], int], rng: Random, grain_ns: int, blind: bool) -> None:
        super().__init__(clock, rng, grain_ns=grain_ns, fold=fold if blind else None)
        self.node = node
        self.program = False  # a job of the program is running, not a user
        self.users: set[int] = set()  # inodes that users ever saw
        self.owners = Random(f"owners {node.world.options.seed} {node.number}")
        self.expected: dict[bytes, set[bytes]] = {}  # path -> contents that the running job may put there
        self.new_names: set[bytes] = set()  # in the staging folder, of files that users have
        self.pruned: frozenset[bytes] = frozenset()  # versions that the running job may remove
        self.last_heard: dict[bytes, bool] = {}  # the last that a program heard which watches: is the name there?
        self.written = 0  # bytes of content, by the program
        self.growing: set[int] = set()  # inodes that the program opened in order to append to them
        self.appended: dict[int, tuple[int, bytes]] = {}  # inode -> from where on the program has appended what
        self.successors: dict[int, _Successor] = {}  # of each inode that an exchange of the program has put aside
        self.moving: dict[bytes, bytes] = {}  # where the running job moves what has this name
        self.given: dict[bytes, _Successor] = {}  # what the running job has given a name in the tree, by that name
        self.before = self._hook
        self.fail = self._trouble

    def _hook(self, verb: str, path: bytes) -> None:
        self.node.world.hazards.at_verb(self.node, verb, path)

    def _trouble(self, verb: str, path: bytes) -> Trouble | None:
        return self.node.world.hazards.trouble(self.node, verb, path)

    def _is_users(self, path: bytes) -> bool:
        return path.split(b"/", 1)[0] != limits.RESERVED_NAME

    def _heard(self, path: bytes, urgency: Urgency) -> None:
        self.last_heard[path] = urgency != Urgency.VANISHED
        if self._is_users(path) and self._is_watched(path):
            self.node.heard(Touched(self._as_told(path), urgency))

    def _as_told(self, path: bytes) -> bytes:
        """How a watcher says it: folders by the names by which they were listed, and so watched; the last part as whoever
        acts has spelled it."""
        if self.fold is None:
            return path
        folder, slash, name = path.rpartition(b"/")
        return self.real(folder) + slash + name

    def _is_watched(self, path: bytes) -> bool:
        folder = self._find(path.rpartition(b"/")[0])
        return folder is not None and folder.number in self.node.watched

    def _make(self, path: bytes, kind: Kind, mode: int) -> Inode:
        inode = super()._make(path, kind, mode)
        if self._is_users(path):
            self.users.add(inode.number)
            self._heard(path, Urgency.FOLDER if kind == Kind.DIRECTORY else Urgency.CREATED)
        return inode

    def write(
        self, path: bytes, data: bytes, mtime: int | None = None, *, replace: bool = False, mode: int = 0o644
    ) -> None:
        is_new = self._find(path) is None
        try:
            super().write(path, data, mtime, replace=replace, mode=mode)
        finally:  # a full disk may have taken a part
            inode = self._find(path)
            if inode is not None:
                is_made = (is_new or replace) and inode.kind == Kind.FILE and not path.startswith(b"still/")
                if is_made and self.owners.random() < self.node.world.options.others:
                    self.others.add(inode.number)
                self.users.add(inode.number)
                if is_new:
                    self._heard(path, Urgency.CREATED)
                self._heard(path, Urgency.NOW)

    def link(self, source: bytes, target: bytes) -> None:
        super().link(source, target)
        self.new_names.add(target)  # a name of ours: if it is the last one, users have taken all others away

    def give_name(self, source: bytes, target: bytes) -> None:
        super().give_name(source, target)
        self._heard(target, Urgency.CREATED)

    def touch(self, path: bytes, mtime: int | None = None) -> None:
        super().touch(path, mtime)
        self._heard(path, Urgency.ATTRIBUTES)

    def exchange(self, mine: bytes, theirs: bytes) -> None:
        self._may_appear(mine, theirs)
        self._may_appear(theirs, mine)
        super().exchange(mine, theirs)
        for source, target in ((mine, theirs), (theirs, mine)):
            self._moved(source, target)
            self._succeeds(source, target)

    def begins(self, items: Iterable[ApplyItem]) -> None:
        """A job of the program begins that changes the tree."""
        self.expected, self.moving, self.given = {}, {}, {}
        for item in items:
            self.expected.setdefault(item.path, set()).add(item.target.content)
            if item.act is TreeOp.MOVE and item.copy_path is not None:
                self.moving[item.copy_path] = item.path

    def _succeeds(self, path: bytes, aside: bytes) -> None:
        """An exchange has put what had the name `path` into the staging folder, or back from there."""
        now, before = self._existing(path)[2], self._existing(aside)[2]
        self.successors.pop(before.number, None)
        if self.program and aside.startswith(STAGING) and now.kind == Kind.FILE:
            self.successors[before.number] = _Successor(bytes(now.data))

    def user_took(self, content: bytes) -> None:
        """A user has overwritten or deleted a file with this content."""
        for successor in (*self.successors.values(), *self.given.values()):
            successor.is_taken |= content.startswith(successor.content)

    def _rename(self, source: bytes, target: bytes, replace: bool = False) -> None:
        self._may_appear(source, target)
        super()._rename(source, target, replace)
        self._moved(source, target)
        if target.startswith(STAGING + b"/new-"):
            inode = self._find(target)
            assert inode is not None
            if inode.links == 1:
                self.users.discard(inode.number)  # it had a name for a moment, and what it had replaced is put back

    def _moved(self, source: bytes, target: bytes) -> None:
        inode = self._find(target)
        assert inode is not None
        is_directory = inode.kind == Kind.DIRECTORY
        self._has_moved(source, target, is_directory)
        seen_from = self._is_users(source) and self._is_watched(source)
        seen_to = self._is_users(target) and self._is_watched(target)
        if self.program and inode.kind == Kind.FILE and self._is_users(target) and not self._is_users(source):
            self.given[target] = _Successor(bytes(inode.data))
            told = self._as_told(target)
            folder = told.rpartition(b"/")[0]
            if told != target and folder in self.node.touched:
                # A user has just given its folder another spelling: so it goes along, as all that was in it before.
                self.node.touched[told] = self.node.touched[target] = self.node.touched[folder]
        if self._is_users(target):
            ahead = [inode]
            while ahead:
                each = ahead.pop()
                self.users.add(each.number)
                ahead += each.entries.values()
        if seen_from and seen_to:
            self.node.heard(Moved(self._as_told(source), self._as_told(target), is_directory))
        elif seen_from:
            self._heard(source, Urgency.VANISHED)
        elif seen_to:
            self._heard(target, Urgency.FOLDER if is_directory else Urgency.ARRIVED)

    def _has_moved(self, source: bytes, target: bytes, is_directory: bool) -> None:
        """What a program hears that watches the tree: first of the one name, then of the other."""
        self.last_heard[source], self.last_heard[target] = False, True
        if is_directory:  # of what is in it nothing is heard
            for path in [path for path in self.last_heard if path.startswith((source + b"/", target + b"/"))]:
                del self.last_heard[path]
        self._must_stay(source)

    def _must_stay(self, path: bytes) -> None:
        """A name that somebody elsewhere saves to is never missing."""
        if self.program and path in self.node.world.saved and self._find(path) is None:
            raise Broken(f"{self.node.name} is without {path!r} while somebody saves it")

    def is_told_gone(self) -> bytes | None:
        """A name that is there, and of which the last that was heard is that it has left. (Not on a disk that is blind: there
        the last may have been said by another spelling.)"""
        if self.fold is not None:
            return None
        return next((path for path in self.tree() if not self.last_heard.get(path, True)), None)

    def _remove_directory(self, path: bytes) -> None:
        super()._remove_directory(path)
        self._heard(path, Urgency.VANISHED)

    def _remove_file(self, path: bytes) -> None:
        inode = self._find(path)
        if self.program and inode is not None and inode.number in self.users and inode.links == 1 and inode.data:
            if path not in self.pruned and path not in self.new_names:
                self._must_be_elsewhere(path, inode)
        super()._remove_file(path)
        self._heard(path, Urgency.VANISHED)
        self._must_stay(path)

    def _set_meta(self, path: bytes, mode: int | None, mtime: int | None) -> None:
        super()._set_meta(path, mode, mtime)
        self._heard(path, Urgency.ATTRIBUTES)

    def change_attributes(self, path: bytes, **given: Any) -> None:
        super().change_attributes(path, **given)
        self._heard(path, Urgency.ATTRIBUTES)

    def set_attributes(self, path: bytes, wanted: Attributes) -> None:
        try:
            super().set_attributes(path, wanted)
        finally:
            if self.kept_parts:
                self._heard(path, Urgency.ATTRIBUTES)

    def _soil(self, inode: Inode) -> None:
        if self.program and inode.number in self.users and inode.number not in self.growing:
            raise Broken(f"{self.node.name} writes into a file of a user")
        super()._soil(inode)

    def append(self, path: bytes) -> MemoryFile:
        file = super().append(path)
        self.growing.add(file._inode.number)
        return file

    def _put(self, inode: Inode, offset: int, data: bytes | memoryview, path: bytes) -> None:
        if self.program and inode.number in self.users:
            if offset != len(inode.data):
                raise Broken(f"{self.node.name} writes over what a user had at {path!r}")
            start, before = self.appended.get(inode.number, (offset, b""))
            if start + len(before) != offset:
                start, before = offset, b""
            self.appended[inode.number] = start, before + bytes(data)
        if self.program:
            self.written += len(data)
        super()._put(inode, offset, data, path)

    def _cut(self, inode: Inode, length: int) -> None:
        if self.program and inode.number in self.users:
            start, ours = self.appended.get(inode.number, (len(inode.data), b""))
            if length < start or not ours.startswith(inode.data[start:]):
                self._must_be_elsewhere(b"what a user had appended to", inode)
        super()._cut(inode, length)

    def _may_appear(self, source: bytes, target: bytes) -> None:
        """Nothing partial, unverified or unsynced gets a name that users see."""
        if not self.program or self._is_users(source) or not self._is_users(target):
            return
        inode = self._find(source)
        if inode is None or inode.kind != Kind.FILE or inode.number in self.users:
            return
        digest = blake3(bytes(inode.data)).digest()
        if digest in self.node.world.halves:
            raise Broken(f"{self.node.name} puts half a save ({len(inode.data)} bytes) at {target!r}")
        if digest not in self.expected.get(target, ()):
            raise Broken(f"{self.node.name} puts an unverified content at {target!r}")
        if inode.number in self._unsynced:
            raise Broken(f"{self.node.name} puts a content at {target!r} that is not on the medium")

    def crash(self) -> None:
        super().crash()
        self.last_heard.clear()
        self.successors.clear()  # names may be back
        staging = self._find(STAGING)
        for name, inode in staging.entries.items() if staging is not None else ():
            if name.startswith(b"new-") and inode.links == 1:
                self.users.discard(inode.number)  # the name it had got was lost again, before anybody was told

    def _must_be_elsewhere(self, path: bytes, inode: Inode) -> None:
        for other in self._walk(self._root):
            if other is not inode and other.kind == Kind.FILE and other.data.startswith(inode.data):
                return
        successor = self.successors.get(inode.number)
        if successor is not None and successor.is_taken and successor.content.startswith(inode.data):
            return  # what took its place began with it, and a user has just taken that away here
        copy = self.given.get(self.moving[path]) if path in self.moving else None
        if copy is not None and copy.is_taken and copy.content == inode.data:
            return  # a copy was made of what is moved, because that is another user's, and a user has taken away the copy
        raise Broken(f"{self.node.name} removes the last copy of what a user had: {path!r}")

    def contents(self) -> Counter[bytes]:
        """All contents, history and staging too."""
        return Counter(bytes(inode.data) for inode in self._walk(self._root) if inode.kind == Kind.FILE)

    def has_hard_links(self) -> bool:
        return any(inode.links > 1 for inode in self._walk(self._root) if inode.kind != Kind.DIRECTORY)

    def tokens(self, everywhere: bool) -> set[bytes]:
        found: set[bytes] = set()
        staging = self._find(STAGING)
        passing = (b"new-", b"delta-", b"part-")  # copies on their way
        ours = () if staging is None else [inode for name, inode in staging.entries.items() if name.startswith(passing)]
        for inode in self._walk(self._root):
            if inode.kind == Kind.FILE and inode not in ours:
                found |= tokens_of(bytes(inode.data))
        if not everywhere:
            found = set()
            for kind, content, _, _ in self.tree().values():
                if kind == Kind.FILE:
                    found |= tokens_of(content)
        return found

    def has_writers(self, path: bytes) -> bool:
        """True if a program has the file open for writing. No hooks."""
        inode = self._find(path)
        return inode is not None and inode.writers > 0

    def has_content(self, digest: bytes) -> bool:
        """True if a file with this content is somewhere, in the tree or not."""
        files = (inode for inode in self._walk(self._root) if inode.kind == Kind.FILE)
        return any(blake3(bytes(inode.data)).digest() == digest for inode in files)

    def history(self) -> list[bytes]:
        """The names of all that is in the history."""
        found, folders = [], [HISTORY]
        while folders:
            folder = folders.pop()
            inode = self._find(folder)
            for name, entry in {} if inode is None else inode.entries.items():
                (folders if entry.kind == Kind.DIRECTORY else found).append(folder + b"/" + name)
        return found

    def writes(self) -> int:
        """How many verbs of the program changed anything so far."""
        quiet = (
            "stat",
            "list",
            "read_link",
            "open",
            "file.stat",
            "file.read",
            "file.close",
            "file.again",
            "is_root_here",
            "is_closed",
            "is_open",
            "file.lock",
            "append",
            "free_bytes",
            "read_attributes",
        )
        return sum(count for verb, count in self.counts.items() if verb not in quiet)
