"""A whole mesh in one thread, from one seed: the real engines, indexes, disks jobs, sessions and bytes on the wire.

In:   a seed (or Options). Out: nothing, or a Broken that says which promise was broken, and when.
Rule: everything is an action in one heap, ordered by time and number. Replaced are only the seams: time, the disk
      (MemoryDisk), the sockets, the workers and the watcher. The checkers stand where things happen, not only at the end.
"""

from __future__ import annotations

import hashlib
import heapq
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from random import Random
from types import MappingProxyType
from typing import Any

from blake3 import blake3

from dir_sync.core import limits, notes
from dir_sync.core.arrivals import is_flooded
from dir_sync.core.brake import Limits
from dir_sync.core.events import (
    Blind,
    Decided,
    Drained,
    Drop,
    Effect,
    Event,
    InVain,
    Moved,
    NewIdentity,
    PeerDown,
    PeerUp,
    Received,
    Send,
    Tell,
    Ticked,
    Touched,
    Urgency,
)
from dir_sync.core.jobs import (
    Act,
    Applied,
    ApplyItem,
    ApplyJob,
    DiscardJob,
    Job,
    Listed,
    Looked,
    PruneJob,
    Result,
    Staged,
    StageJob,
    Version,
    Why,
)
from dir_sync.core.looks import Look
from dir_sync.core.messages import (
    PROTOCOL,
    Acknowledge,
    Chunks,
    Close,
    FolderIndex,
    Hello,
    Message,
    ModificationUpdate,
    Pull,
    State,
    StateRequest,
    encode,
)
from dir_sync.core.model import Kind, PeerError, Record, Stamp, Stat, beats, has_seen, leq, same_content
from dir_sync.core.names import HISTORY, STAGING
from dir_sync.core.notes import Note
from dir_sync.core.reconcile import Take, decide
from dir_sync.core.retention import SHARE, THIN_SHARE, Retention
from dir_sync.core.session import Session
from dir_sync.disk import SpelledDisk
from dir_sync.engine import Now
from dir_sync.file_sync import FileSync
from dir_sync.index import Index
from dir_sync.ports import DiskError, Trouble
from tests.sim.conflicts import Conflicts
from tests.sim.memory_disk import MemoryDisk, MemoryFile, Tree, _Inode
from tests.sim.options import Options, bounded, draw
from tests.sim.seams import SimEngine
from tests.sim.users import User

__all__ = ["Broken", "World", "run"]

FOLDER = "default"
_BIRTH_NS = 1_700_000_000 * 1_000_000_000
_REST_WITHIN_US = 400_000_000  # after the last fault
_ACTIONS_MAX = 120_000
_MEDDLED_MAX = 300  # each makes more jobs, with more verbs
_VAIN_MAX = 50  # announcements of one peer that changed nothing, however small the world is
_TOKEN = b"<T"
_HOUR_MS = 3_600_000
_BRAKE = Limits(files=3, percent=50)


class Broken(AssertionError):
    """A promise was broken."""


class PowerCut(BaseException):
    """The power fails in the middle of a job."""


# --- the parts of one node -------------------------------------------------------------------------------------------


class SimIndex(Index):
    """The real index; a commit can be seen."""

    on_commit: Callable[[], None] | None = None

    def commit(self, durable: bool = True) -> None:
        super().commit(durable)
        if self.on_commit is not None:
            self.on_commit()


class SimDisk(MemoryDisk):
    """A memory disk that knows who acts, tells a watcher, and does not let the program harm what a user made."""

    def __init__(self, node: Node, clock: Callable[[], int], dice: Random, grain_ns: int, blind: bool) -> None:
        super().__init__(clock, dice, grain_ns=grain_ns, fold=_fold if blind else None)
        self.node = node
        self.program = False  # a job of the program is running, not a user
        self.users: set[int] = set()  # inodes that users ever saw
        self.owners = Random(f"owners {node.world.options.seed} {node.number}")
        self.expected: dict[bytes, set[bytes]] = {}  # path -> contents that the running job may put there
        self.pruned: frozenset[bytes] = frozenset()  # versions that the running job may remove
        self.last_heard: dict[bytes, bool] = {}  # the last that a program heard which watches: is the name there?
        self.written = 0  # bytes of content, by the program
        self.growing: set[int] = set()  # inodes that the program opened in order to append to them
        self.appended: dict[int, tuple[int, bytes]] = {}  # inode -> from where on the program has appended what
        self.before = self._hook
        self.fail = self._trouble

    def _hook(self, verb: str, path: bytes) -> None:
        self.node.world.at_verb(self.node, verb, path)

    def _trouble(self, verb: str, path: bytes) -> Trouble | None:
        return self.node.world.trouble(self.node, verb, path)

    def _is_users(self, path: bytes) -> bool:
        return path.split(b"/", 1)[0] != limits.RESERVED_NAME

    def _heard(self, path: bytes, urgency: Urgency) -> None:
        self.last_heard[path] = urgency != Urgency.VANISHED
        if self._is_users(path) and self._is_watched(path):
            self.node.heard(Touched(path, urgency))

    def _is_watched(self, path: bytes) -> bool:
        folder = self._find(path.rpartition(b"/")[0])
        return folder is not None and folder.number in self.node.watched

    def _make(self, path: bytes, kind: Kind, mode: int) -> _Inode:
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

    def _rename(self, source: bytes, target: bytes, replace: bool = False) -> None:
        self._may_appear(source, target)
        super()._rename(source, target, replace)
        self._moved(source, target)
        if target.startswith(STAGING + b"/new-"):
            inode = self._find(target)
            assert inode is not None
            self.users.discard(inode.number)  # it had a name for a moment, and what it had replaced is put back

    def _moved(self, source: bytes, target: bytes) -> None:
        inode = self._find(target)
        assert inode is not None
        is_directory = inode.kind == Kind.DIRECTORY
        self._has_moved(source, target, is_directory)
        seen_from = self._is_users(source) and self._is_watched(source)
        seen_to = self._is_users(target) and self._is_watched(target)
        if self._is_users(target):
            ahead = [inode]
            while ahead:
                each = ahead.pop()
                self.users.add(each.number)
                ahead += each.entries.values()
        if seen_from and seen_to:
            self.node.heard(Moved(source, target, is_directory))
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
            if path not in self.pruned:
                self._must_be_elsewhere(path, inode)
        super()._remove_file(path)
        self._heard(path, Urgency.VANISHED)
        self._must_stay(path)

    def _set_meta(self, path: bytes, mode: int | None, mtime: int | None) -> None:
        super()._set_meta(path, mode, mtime)
        self._heard(path, Urgency.ATTRIBUTES)

    def _soil(self, inode: _Inode) -> None:
        if self.program and inode.number in self.users and inode.number not in self.growing:
            raise Broken(f"{self.node.name} writes into a file of a user")
        super()._soil(inode)

    def append(self, path: bytes) -> MemoryFile:
        file = super().append(path)
        self.growing.add(file._inode.number)
        return file

    def _put(self, inode: _Inode, offset: int, data: bytes | memoryview, path: bytes) -> None:
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

    def _cut(self, inode: _Inode, length: int) -> None:
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
        if digest not in self.expected.get(target, ()):
            raise Broken(f"{self.node.name} puts an unverified content at {target!r}")
        if inode.number in self._unsynced:
            raise Broken(f"{self.node.name} puts a content at {target!r} that is not on the medium")

    def crash(self) -> None:
        super().crash()
        self.last_heard.clear()
        staging = self._find(STAGING)
        for name, inode in staging.entries.items() if staging is not None else ():
            if name.startswith(b"new-"):
                self.users.discard(inode.number)  # the name it had got was lost again, before anybody was told

    def _must_be_elsewhere(self, path: bytes, inode: _Inode) -> None:
        for other in self._walk(self._root):
            if other is not inode and other.kind == Kind.FILE and other.data.startswith(inode.data):
                return
        for node in self.node.world.nodes if path.startswith(STAGING) else ():
            for other in node.disk._walk(node.disk._root):
                if other is not inode and other.kind == Kind.FILE and other.data.startswith(inode.data):
                    return  # what took its place began with it, and a user has just changed that here
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
            "is_root_here",
            "is_closed",
            "file.lock",
            "append",
            "free_bytes",
        )
        return sum(count for verb, count in self.counts.items() if verb not in quiet)


def tokens_of(data: bytes) -> set[bytes]:
    """Each write of a user carries one: `<T` number `>`."""
    return {piece.split(b">", 1)[0] for piece in data.split(_TOKEN)[1:] if b">" in piece[:12]}


class Signatures:
    """The cache of signatures: memory only."""

    def __init__(self) -> None:
        self._known: dict[bytes, bytes] = {}

    def get(self, digest: bytes) -> bytes | None:
        return self._known.get(digest)

    def put(self, digest: bytes, signature: bytes) -> None:
        self._known[digest] = signature


class Link:
    """One connection: two sessions, and bytes on their way. Each direction keeps its order."""

    def __init__(self, number: int, ends: tuple[Node, Node]) -> None:
        self.number = number
        self.ends = ends
        self.dead = False
        self.sessions = {node.name: Session() for node in ends}
        self.arrives = {node.name: 0 for node in ends}  # when the last byte to that node arrives
        self.peer_of: dict[str, str] = {}  # node name -> the id that its peer said
        self.sequence = {node.name: 0 for node in ends}  # last one said by that node
        self.said: dict[str, dict[bytes, Stamp]] = {
            node.name: {} for node in ends
        }  # by that node, of what is not passed yet
        self.pulls: dict[str, dict[int, bytes]] = {node.name: {} for node in ends}  # asked by that node: id -> digest

    def other(self, node: Node) -> Node:
        return self.ends[0] if node is self.ends[1] else self.ends[1]

    @property
    def pair(self) -> tuple[str, str]:
        return self.ends[0].name, self.ends[1].name


@dataclass(slots=True)
class Local:
    """A record that a node made: the history against which the end is judged."""

    record: Record
    origin: str  # "user", "engine" (an answer), "scan"
    settles: int | None  # the change of a user's that it tells of, by its time


@dataclass
class Node:
    world: World
    number: int
    skew_ns: int
    dice: Random
    name: str = ""
    alive: bool = False
    epoch: int = 0
    watched: set[int] = field(default_factory=set)
    inbox: list[Event] = field(default_factory=list)
    turn_due: bool = False
    tick_us: int | None = None
    links: dict[str, Link] = field(default_factory=dict)  # id of the peer -> link that is up
    vain: dict[str, int] = field(default_factory=dict)  # announcements of each peer that changed nothing, of all links
    greeted: dict[str, Link | None] = field(default_factory=dict)  # the same, as the engine knows it
    seen: set[bytes] = field(default_factory=set)  # digests that a look has read, or that were installed
    touched: dict[bytes, int] = field(default_factory=dict)  # paths that a user changed and no record tells of yet
    fresh_locals: list[Local] = field(default_factory=list)  # not committed yet
    committed: int = 0  # sequence at the last commit
    told: int = 0  # sequence that some peer has been sent
    heard_of: dict[tuple[str, str], int] = field(default_factory=dict)  # (peer, its index) -> sequence handled
    heard_kept: dict[tuple[str, str], int] = field(default_factory=dict)  # ... and committed
    image: bytes | None = None
    older_images: list[bytes] = field(default_factory=list)
    forgot: bool = False  # it has lost its index once
    linked: bool = False  # files with two names: what is done to one is done to the other
    alike: set[tuple[bytes, bytes]] = field(default_factory=set)  # (path, content): size and time of what was there
    unsettled: set[bytes] = field(default_factory=set)  # a job has been there, and no committed row tells of it yet
    moves: dict[bytes, bytes] = field(default_factory=dict)  # the two names of moves by the program, either way
    bystanders: dict[bytes, int] = field(default_factory=dict)
    instance: int = 0
    backup: bytes | None = None  # of its index
    lost_power: bool = False
    wiped: set[bytes] = field(default_factory=set)  # missing since the program did not run, and to be held by the brake
    rejected: bool = False  # and so has asked all others for all they have
    hears_at: int = 0  # when the last event of its watcher comes
    unsaid: set[bytes] = field(
        default_factory=set
    )  # paths that were changed here, and no line for people tells of it yet
    may_brake: bool = True  # the scan at the start may find that so much is missing

    def __post_init__(self) -> None:
        self.name = "ABCDE"[self.number]
        options = self.world.options
        blind = options.blind and self.number == options.nodes - 1
        self.disk = SimDisk(self, self.wall_ns, self.dice, options.grain_ns, blind)
        self.signatures = Signatures()
        self.user = User(self.world, self)
        self.index: SimIndex
        self.engine: SimEngine
        self.sync: FileSync

    def wall_ns(self) -> int:
        return _BIRTH_NS + self.world.us * 1000 + self.skew_ns

    def now(self) -> Now:
        return Now(self.wall_ns(), self.world.us // 1000)

    def heard(self, event: Event) -> None:
        self.world.watcher(self, event)

    def other_names(self, path: bytes) -> list[bytes]:
        """What a path was called, or is called now, if the program has moved it or a folder above it."""
        above = [path[:at] for at, c in enumerate(path) if c == b"/"[0]]
        return [self.moves[each] + path[len(each) :] for each in [*above, path] if each in self.moves]

    def keeps_away(self, path: bytes) -> bool:
        """True if this disk takes the name, or one above it, for another one, which is there."""
        return self.disk.fold is not None and self.disk.real(path) != path

    def watch(self, path: bytes) -> bool:
        stat = self.disk.stat(path)
        if stat is None or stat.kind != Kind.DIRECTORY:
            return False
        self.watched.add(stat.inode)
        return True


# --- the world -------------------------------------------------------------------------------------------------------


class World:
    """See the module. `trace`: called with one line for each thing that happens."""

    def __init__(self, options: Options, trace: Callable[[str], None] | None = None, bug: str = "") -> None:
        self.options = options
        self.bug = bug  # of the loop: "words before commit"
        self.dice = Random(f"world {options.seed}")
        self.us = 1_000_000
        self.faults = True
        self.actions = 0
        self._heap: list[tuple[int, int, Callable[..., None], tuple[object, ...]]] = []
        self._count = 0
        self._trace = trace
        self._log = hashlib.sha256()
        self._link_count = 0
        self.links: dict[tuple[int, int], Link] = {}
        self.cut_for_long: set[tuple[int, int]] = set()
        self.tokens: dict[bytes, str] = {}  # token -> who wrote what
        self.excused: set[bytes] = set()  # tokens that a user destroyed
        self.taken: set[tuple[bytes, bytes]] = set()  # (path, content) that a user had and took away
        self.saved: set[bytes] = set()  # names to which somebody saves just now
        self.rejections = 0
        self.made = 0  # versions that were made, by all nodes together
        self.rejected: set[bytes] = set()  # paths of which somebody said that what a node did to them was not meant
        self.locals: dict[bytes, list[Local]] = {}
        self.crossed: Counter[tuple[tuple[str, str], bytes]] = Counter()
        self.sizes: dict[bytes, int] = {}
        self.written: dict[bytes, set[bytes]] = {}  # digest of what a user wrote -> its tokens
        self.conflicts = Conflicts()
        self.claims: dict[tuple[str, str], tuple[int, ...]] = {}  # to be in sync, as checked last
        self.sent_messages = 0
        self.stats: Counter[str] = Counter()
        self.nodes = [
            Node(self, number, options.skews[number], Random(f"node {options.seed} {number}"))
            for number in range(options.nodes)
        ]
        self._plant()

    # --- time and log --------------------------------------------------------------------------------------------

    def at(self, delay_us: int, act: Callable[..., None], *arguments: object) -> None:
        self._count += 1
        heapq.heappush(self._heap, (self.us + delay_us, self._count, act, arguments))

    def note(self, text: str) -> None:
        line = f"{self.us / 1_000_000:.6f} {text}"
        self._log.update(line.encode("utf-8", "surrogateescape"))
        if self._trace is not None:
            self._trace(line)

    @property
    def log_hash(self) -> str:
        return self._log.hexdigest()

    def chance(self, share: float) -> bool:
        return self.faults and share > 0 and self.dice.random() < share

    def run_until(self, us: int) -> None:
        while self._heap and self._heap[0][0] <= us:
            self._step()
        self.us = us

    def rest(self, what: str) -> None:
        """Until nothing happens any more; what a brake holds is decided on the way."""
        for node in self.nodes:
            if node.alive and _holds_something(node):
                self.at(self.dice.randint(0, 20_000_000), self._decide, node, node.epoch, self.dice.random() < 0.5)
        self.run_to_rest(what)

    def _decide(self, node: Node, epoch: int, approve: bool) -> None:
        if not node.alive or node.epoch != epoch or not _holds_something(node):
            return
        self.post(node, node.epoch, Decided(approve))

    def _decided(self, node: Node, approve: bool) -> None:
        """What a node holds of its own losses is approved or rejected, by its user or by that of another node."""
        self.note(f"{node.name}: what is held is {'approved' if approve else 'rejected'}")
        if not approve:
            for held in node.engine.brakes.own.held:
                for path in node.index.live_paths(held):
                    others = (other.index.get(path) for other in self.nodes if other is not node and other.alive)
                    if not any(row is not None and row.record.kind != Kind.ABSENT for row in others):
                        self.locals.pop(path, None)  # only this node knew of it, and forgets
            node.rejected = True
        node.wiped.clear()

    def run_to_rest(self, what: str) -> None:
        end = self.us + _REST_WITHIN_US
        while self._heap:
            if self._heap[0][0] > end:
                raise Broken(f"{what}: not at rest in time: {self._why_busy()}")
            self._step()

    def close(self) -> None:
        """Close the indexes of all nodes that were ever started."""
        for node in self.nodes:
            if node.instance:
                node.index.close()

    def _step(self) -> None:
        self.us, _, act, arguments = heapq.heappop(self._heap)
        self.actions += 1
        if self.actions > _ACTIONS_MAX:
            raise Broken(f"it runs on and on: {self._why_busy()}")
        act(*arguments)

    def _why_busy(self) -> str:
        words = []
        for node in self.nodes:
            engine = node.engine
            board = engine.board
            words.append(
                f"{node.name}: jobs {board.jobs_out}, agenda {len(board.agenda)}, todo {len(board.plan_queue)},"
                f" timers {len(board.plan_queue.timed())}, fetches {sorted(path for path, _ in engine.work.arrivals.fetches())},"
                f" offers {node.index.count_offers()}, doing {engine.work.jobs.all()},"
                f" to list {board.listings.waiting}, ready {engine.work.arrivals.has_ready},"
                f" waiting {sorted(engine.work.rooms.paths())}, scanning {board.scanning}"
                f" {sorted(board.scanned)}"
            )
        return "; ".join(words)

    # --- life and death of a node --------------------------------------------------------------------------------

    def boot(self, node: Node) -> None:
        if node.alive:
            return
        node.alive = True
        node.epoch += 1
        node.instance += 1
        node.watched.clear()
        node.inbox.clear()
        node.turn_due, node.tick_us = False, None
        node.index = SimIndex(":memory:", node.dice, node.image)
        node.index.skip_sequences(node.wall_ns())
        node.index.on_commit = lambda: self._committed(node)
        tag = f"{node.instance:x}"
        brake = _BRAKE if self.options.brake else None
        retention = None if self.options.retention is None else Retention(*self.options.retention)
        node.engine = SimEngine(node.index, FOLDER, tag, self.options.deltas, brake, retention)
        node.engine.board.is_shared = node.instance % 3 == 0  # some do all in small pieces, and tell it together
        node.engine.on_decided = lambda approve: self._decided(node, approve)
        node.engine.on_rejected = self._rejected
        node.engine.on_local = lambda record, before, origin: self._made_here(node, record, before, origin)
        disk = node.disk if node.disk.fold is None else SpelledDisk(node.disk, True, True)
        node.engine.transfers.blind = disk is not node.disk
        node.sync = FileSync(disk, node.watch, node.signatures, node.wall_ns, tag)
        node.committed = node.index.sequence
        self.note(f"{node.name} starts as {node.index.node} at {node.index.sequence}")
        try:
            node.disk.program = True
            try:
                index, names = node.index, node.sync.prepare()
                found = node.sync.unlisted(index.has_version, index.path_with)
                found += node.sync.recover(names, index.version_with, index.path_with)
                for version in found:
                    index.put_version(version)
            finally:
                node.disk.program = False
        except DiskError as error:
            self.note(f"{node.name} cannot start: {error}")
            node.index.close()
            self._die(node)
            return
        except PowerCut:
            self.crash(node)
            return
        self._foresee(node)
        self._after_turn(node, node.engine.start(node.now(), found))
        for pair in self.options.links:
            if node.number in pair:
                self.at(self.dice.randint(1, 50_000), self.connect, pair)

    def _rejected(self, paths: list[bytes]) -> None:
        self.rejected.update(paths)
        self.rejections += bool(paths)

    def crash(self, node: Node, power: bool = True) -> None:
        """The power fails; or only the process is killed."""
        if not node.alive:
            return
        node.disk.come_back()
        node.lost_power |= power
        self.note(f"{node.name} {'loses power' if power else 'is killed'}")
        self.stats["crashes"] += 1
        before = node.disk.tree() if power else {}
        had = node.disk.tokens(everywhere=True)
        image = node.index.image()
        node.index.close()
        if power:
            node.disk.crash()
            if not self.options.users_sync:
                self.excused |= had - node.disk.tokens(everywhere=True)
            self._after_power_cut(node, before, image)
        else:
            node.disk.end_programs()
        node.older_images.append(image)
        node.image = image
        node.fresh_locals.clear()
        node.unsaid.clear()
        node.heard_of = dict(node.heard_kept)
        self._die(node)

    def _root_goes(self, node: Node) -> None:
        """Its folder is gone for a while: unmounted, or cut off from its server."""
        if not node.alive or not node.disk.root_here:
            return
        self.note(f"{node.name} has lost its folder")
        self.stats["roots gone"] += 1
        if self.dice.random() < 0.5:
            node.disk.go_away()
        else:
            node.disk.root_here = False  # and every verb fails
        self.at(self.dice.randint(0, 2_000_000), self._root_missed, node, node.epoch)
        self.at(self.dice.choice([500_000, 3_000_000, 30_000_000]), self._root_returns, node)

    def _root_missed(self, node: Node, epoch: int) -> None:
        """What the daemon does when it looks whether its folder is still there: it ends, and waits."""
        if not node.alive or node.epoch != epoch or node.disk.root_here:
            return
        self.note(f"{node.name} pauses")
        node.index.commit()
        node.image = node.index.image()
        node.index.close()
        node.disk.end_programs()
        node.fresh_locals.clear()
        self._die(node, restarts=False)

    def _root_returns(self, node: Node) -> None:
        if node.disk.root_here:
            return
        self.note(f"{node.name} has its folder again")
        node.disk.come_back()
        node.disk.root_here = True
        self.boot(node)

    def _back_up(self, node: Node) -> None:
        """The index is backed up; or such a backup is put back, maybe on a machine that is alone for a while."""
        if not node.alive:
            return
        if node.backup is None or self.dice.random() < 0.3:
            self.note(f"{node.name} is backed up")
            node.index.commit()
            node.backup = node.index.copy()
            return
        if self.dice.random() < 0.6:
            for pair, link in sorted(self.links.items()):
                if node.number in pair:
                    self.cut_for_long.add(pair)
                    self.cut(link)
        self.crash(node, power=False)
        self.note(f"{node.name} gets a backup of its index")
        self.stats["backups"] += 1
        node.image = node.backup
        node.forgot = True
        node.heard_of.clear()
        node.heard_kept.clear()

    def _disaster(self, node: Node) -> None:
        """Most files are deleted, or all renamed, while the program does not run."""
        if not node.alive or not node.disk.root_here:
            return
        self.crash(node, power=False)
        self.stats["disasters"] += 1
        node.user.wipe(self.dice.random() < 0.5)

    def _foresee(self, node: Node) -> None:
        """What should the brake do about what the scan at the start will find? (Nothing is known where looks may fail.)"""
        node.wiped.clear()
        node.may_brake = True
        options = self.options
        if not options.brake or options.trouble or options.unreadable or not node.disk.root_here:
            return
        tree = node.disk.tree()
        there = {blake3(content).digest() for kind, content, _, _ in tree.values() if kind == Kind.FILE}
        files = [row.record for row in node.index.rows_after(0, 100_000) if row.record.kind == Kind.FILE]
        gone = [record for record in files if tree.get(record.path, (Kind.OTHER,))[0] == Kind.OTHER]
        sure = {record.path for record in gone if not node.index.offers(record.path)}
        moved = sum(record.content in there for record in gone)
        count = len(files)  # what is new there makes up for nothing
        if not moved and _BRAKE.is_disaster(len(sure), count):
            node.wiped = sure
        if not _BRAKE.is_disaster(len(gone) - moved, count - moved):
            node.may_brake = False

    def _die(self, node: Node, restarts: bool = True) -> None:
        node.alive = False
        node.epoch += 1
        for pair, link in list(self.links.items()):
            if node.number in pair:
                self.cut(link)
        node.links.clear()
        if restarts:
            self.at(self.dice.choice([1_000, 300_000, 3_000_000]), self.restart, node)

    def restart(self, node: Node) -> None:
        if node.alive or not node.disk.root_here:
            return
        if self.chance(self.options.lose_index):
            self.note(f"{node.name} has lost its index")
            self.stats["lost indexes"] += 1
            node.image = None
            node.forgot = True
            node.heard_of.clear()
            node.heard_kept.clear()
        elif self.chance(self.options.old_index) and node.older_images:
            self.note(f"{node.name} gets an old index")
            self.stats["old indexes"] += 1
            node.image = self.dice.choice(node.older_images)
            node.forgot = True
            node.heard_of.clear()
            node.heard_kept.clear()
        self.boot(node)

    def _after_power_cut(self, node: Node, before: dict[bytes, tuple[Kind, bytes, int, int]], image: bytes) -> None:
        after = node.disk.tree()
        # Where new content keeps old times, no look can tell: what is there counts as seen.
        node.seen |= {blake3(content).digest() for kind, content, _, _ in after.values() if kind == Kind.FILE}
        for path in {**before, **after}:
            old, new = before.get(path), after.get(path)
            if old == new:
                continue
            if path in node.touched or not self.options.users_sync:
                node.touched[path] = self.us
        if not self.options.users_sync or node.forgot:
            return
        with closing(Index(":memory:", Random(1), image)) as index:
            rows = index.rows_after(0, 100_000)
        for row in rows:
            record = row.record
            if row.seq > node.told or record.path in node.touched:
                continue
            found = after.get(record.path)
            if record.path in node.unsettled:
                continue  # it was being replaced or removed; nothing of it was told
            if record.kind == Kind.FILE and row.fp and not _tells(record, found, only_content=True):
                raise Broken(f"{node.name} told of {record.path!r}, and after a power cut it is not on its disk")
            if record.kind == Kind.ABSENT and not row.fp and found is not None and record.path not in before:
                raise Broken(f"{node.name} told that {record.path!r} is gone, and after a power cut it is back")

    # --- the loop, like the daemon's -----------------------------------------------------------------------------

    def post(self, node: Node, epoch: int, event: Event, link: Link | None = None) -> None:
        if not node.alive or node.epoch != epoch:
            return
        if link is not None and link.dead and not isinstance(event, PeerDown):
            return
        node.inbox.append(event)
        if not node.turn_due:
            node.turn_due = True
            self.at(self.dice.randint(0, 1_500), self._turn, node, epoch)

    def _turn(self, node: Node, epoch: int) -> None:
        if not node.alive or node.epoch != epoch:
            return
        node.turn_due = False
        events, node.inbox = node.inbox, []
        effects: list[Effect] = []
        now = node.now()
        for event in events:
            if isinstance(event, PeerUp):  # what was meant for an earlier connection does not go out on this one
                self._after_turn(node, effects)
                if not node.alive or node.epoch != epoch:
                    return
                effects = []
                node.greeted[event.peer] = node.links.get(event.peer)
            self.note(f"{node.name} < {describe(event)}")
            self._before_event(node, event)
            effects += node.engine.handle(event, now)
            self._after_event(node, event)
        effects += node.engine.end_turn(now)
        for fault in node.engine.work.check():
            raise Broken(f"{node.name}: {fault}")
        self._check_claim(node)
        self._after_turn(node, effects)

    def _after_turn(self, node: Node, effects: list[Effect]) -> None:
        epoch = node.epoch
        now_ms = self.us // 1000
        if self.chance(self.options.crash / 20):
            self.crash(node)
            return
        if self.bug == "words before commit":
            for effect in effects:
                if isinstance(effect, Send):
                    self._perform(node, effect)
            effects = [effect for effect in effects if not isinstance(effect, Send)]
        due = any(isinstance(effect, (Send, ApplyJob, NewIdentity)) for effect in effects)
        if due or self.dice.random() < 0.2:
            node.index.commit()
        if self.chance(self.options.crash / 20):
            self.crash(node)
            return
        for effect in effects:
            self._perform(node, effect)
            if node.epoch != epoch:
                return
        deadline = node.engine.next_deadline()
        if deadline is not None and deadline > now_ms + _HOUR_MS // 2:
            deadline = None  # the history is looked at now and then: that is rest
        if deadline is not None:
            due_us = max(self.us + 100, deadline * 1000)
            if node.tick_us is None or due_us < node.tick_us:
                node.tick_us = due_us
                self.at(due_us - self.us, self._tick, node, epoch, due_us)
        elif node.index.is_dirty:
            self.at(300_000, self._commit_later, node, epoch)

    def _commit_later(self, node: Node, epoch: int) -> None:
        if node.alive and node.epoch == epoch:
            node.index.commit()

    def _tick(self, node: Node, epoch: int, due_us: int) -> None:
        if node.alive and node.epoch == epoch and node.tick_us == due_us:
            node.tick_us = None
            self.post(node, epoch, Ticked())

    def _told(self, node: Node, note: Note) -> None:
        """What people read, and what they decide then."""
        many = note.files if isinstance(note, notes.ReceivedMany) else ()
        node.unsaid.difference_update((getattr(note, "path", b""), *(path for path, _ in many)))
        match note:
            case notes.BadContent(path):
                self._bad_content(node, path)
            case notes.LossHeld(path) if not node.may_brake:
                raise Broken(f"{node.name} holds what has only moved: {path!r}")
            case notes.LossHeld() | notes.PeerHeld():
                if not self.faults or self.dice.random() < 0.5:
                    approve = self.dice.random() < 0.5
                    self.at(self.dice.randint(0, 20_000_000), self._decide, node, node.epoch, approve)
            case notes.NothingHeld() if not node.engine.brakes.own.held:
                node.wiped.clear()  # so much is there again that the rest is no disaster
            case notes.Scanned():
                node.may_brake = True

    def _perform(self, node: Node, effect: Effect) -> None:
        match effect:
            case Tell(note):
                self.note(f"{node.name} tells {note!r}")
                self._told(node, note)
            case Send(peers, message, size):
                self._send(node, peers, message, size)
            case Drop(peer, reason, text):
                raise Broken(f"{node.name} drops an honest peer {peer}: {reason}, {text}")
            case InVain(peer, count):
                self._in_vain(node, peer, count)
            case NewIdentity():
                self.note(f"{node.name} is {node.index.node} from now on")
                self.stats["new identities"] += 1
                node.forgot = True
                for link in list(node.links.values()):
                    self.cut(link)
                for pair, other in list(self.links.items()):
                    if node.number in pair:
                        self.cut(other)
            case _:
                self.note(f"{node.name} > {describe_job(effect)}")
                if isinstance(effect, PruneJob):
                    self._check_pruned(node, effect)
                delay = self.options.disk_us
                if effect.bulk:
                    delay *= 5
                self.at(self.dice.randint(50, 50 + delay), self._do, node, node.epoch, effect)

    def _in_vain(self, node: Node, peer: str, count: int) -> None:
        """Of what honest peers announce little changes nothing: none of them is ever slowed or dropped for that."""
        node.vain[peer] = node.vain.get(peer, 0) + count
        self._check_vain(node, peer, node.vain[peer])

    def _check_vain(self, node: Node, peer: str, count: int) -> None:
        rows = node.index.rows_come_to(0)
        # Each row once or twice; and each version that was replaced before it could be had.
        if count > _VAIN_MAX + 2 * (rows.files + rows.others) + self.made:
            raise Broken(f"{node.name} counts {count} announcements of {peer} that change nothing")

    def _bad_content(self, node: Node, path: bytes) -> None:
        self.stats["bad contents"] += 1
        options = self.options
        faults = (
            options.meddling, options.trouble, options.full, options.crash, options.crash_in_job, options.grain_ns,
            options.worst, options.late_writes, options.sync_fails, options.disaster, options.root_gone,
            options.old_state,
        )  # fmt: skip
        if not any(faults):
            raise Broken(f"{node.name} was sent a content for {path!r} that was not what was announced")

    def _do(self, node: Node, epoch: int, job: Job) -> None:
        """A worker performs a job, all of it now; but users, power cuts and trouble come in between its verbs."""
        if not node.alive or node.epoch != epoch:
            return
        disk = node.disk
        if isinstance(job, ApplyJob):
            disk.expected = {}
            for item in job.items:
                disk.expected.setdefault(item.path, set()).add(item.target.content)
                node.unsettled.add(item.path)
                if item.act == Act.MOVE and item.copy_path is not None:
                    node.unsettled.add(item.copy_path)
                    node.moves[item.path], node.moves[item.copy_path] = item.copy_path, item.path
                displaces = item.expect and item.act != Act.META and disk.content(item.path) is not None
                if displaces and self.chance(self.options.late_writes):
                    node.user.write_later(item.path)
        grows = job.grows if isinstance(job, StageJob) else None
        if grows is not None:
            node.unsettled.add(grows.path)
        before = disk.tokens(everywhere=True) if isinstance(job, PruneJob) else set()
        disk.pruned = frozenset(job.names) if isinstance(job, PruneJob) else frozenset()
        disk.program = True
        try:
            event = node.sync.perform(job)
        except PowerCut:
            self.crash(node)
            return
        finally:
            disk.program = False
            if before:
                self.excused |= before - disk.tokens(everywhere=True)  # the history has given way
        if isinstance(job, ApplyJob):
            assert isinstance(event, Applied)
            self._after_apply(node, job, event)
        if grows is not None and isinstance(event, Staged) and event.fp:
            node.seen.add(grows.target)
            self.sizes[grows.target] = grows.target_size
            self.stats["grown in place"] += 1
        if event is not None:
            self.at(self.dice.randint(0, self.options.disk_us // 2), self.post, node, epoch, event)

    # --- the seams under a job -----------------------------------------------------------------------------------

    def at_verb(self, node: Node, verb: str, path: bytes) -> None:
        if not node.disk.program:
            return
        if self.chance(self.options.crash_in_job):
            raise PowerCut
        if node.disk.locked is not None:
            return  # whoever wants that file waits, and the others have had their chance
        if verb in ("exchange", "rename") and not path.startswith((b".dir_sync", b"still")) and path:
            if self.stats["meddled"] < _MEDDLED_MAX and self.chance(self.options.worst):
                self.stats["meddled"] += 1
                node.user.save_now(path)
        if self.stats["meddled"] < _MEDDLED_MAX and self.chance(self.options.meddling):
            self.stats["meddled"] += 1
            node.user.meddle(path)

    def trouble(self, node: Node, verb: str, path: bytes) -> Trouble | None:
        if not node.disk.root_here and verb not in ("is_root_here", "stat", "list"):
            return Trouble.IO if node.disk._away is None else Trouble.ABSENT
        if not node.disk.root_here and node.disk._away is None and verb != "is_root_here":
            return Trouble.IO
        if verb in ("file.sync", "sync_all", "sync_directory") and self.chance(self.options.sync_fails):
            return Trouble.IO
        if verb != "is_root_here" and node.disk.program and self.chance(self.options.trouble):
            return self.dice.choice([Trouble.IO, Trouble.DENIED, Trouble.LIMIT])
        return None

    def watcher(self, node: Node, event: Event) -> None:
        """An event of the file system, on its way to the engine."""
        options = self.options
        if not node.alive or self.chance(options.lost):
            return
        delay = self.dice.randint(0, 800)
        if self.chance(options.late):
            delay = self.dice.randint(0, 400_000)
        if not self.faults:  # else some come late, and so not in their order
            delay = node.hears_at = max(self.us + delay, node.hears_at)
            delay -= self.us
        self.at(delay, self.post, node, node.epoch, event)
        if self.chance(options.repeated):
            self.at(delay + self.dice.randint(0, 50_000), self.post, node, node.epoch, event)

    # --- the network ---------------------------------------------------------------------------------------------

    def connect(self, pair: tuple[int, int]) -> None:
        ends = self.nodes[pair[0]], self.nodes[pair[1]]
        if pair in self.links or pair in self.cut_for_long or not (ends[0].alive and ends[1].alive):
            return
        self._link_count += 1
        link = Link(self._link_count, ends)
        self.links[pair] = link
        self.note(f"{ends[0].name}-{ends[1].name} connect")
        for node in ends:
            folder = FolderIndex(FOLDER, node.index.index_id, node.committed)
            hello = Hello(PROTOCOL, node.index.node, node.name, f"{node.instance:x}", 6000, (folder,))
            self._transmit(link, node, b"".join(bytes(part) for part in link.sessions[node.name].send(hello)))

    def cut(self, link: Link) -> None:
        """What is in flight is lost; both ends hear of it, not at the same time."""
        if link.dead:
            return
        link.dead = True
        self.stats["cuts"] += 1
        self.note(f"{link.ends[0].name}-{link.ends[1].name} is cut")
        last = 0
        for node in link.ends:
            delay = self.dice.choice([10, 2_000, 30_000])
            last = max(last, delay)
            self.at(delay, self._down, link, node, node.epoch)
        self.at(last + 1, self._gone, link)

    def _down(self, link: Link, node: Node, epoch: int) -> None:
        peer = link.peer_of.get(node.name)
        if peer is not None and node.links.get(peer) is link:
            del node.links[peer]
            self.post(node, epoch, PeerDown(peer, "lost"), link)

    def _gone(self, link: Link) -> None:
        pair = link.ends[0].number, link.ends[1].number
        if self.links.get(pair) is link:
            del self.links[pair]
        self.at(self.dice.choice([1_000, 50_000, 800_000]), self.connect, pair)

    def _send(self, node: Node, peers: tuple[str, ...], message: Message, size: int) -> None:
        encoded = encode(message)
        for peer in peers:
            link = node.links.get(peer)
            if link is None or link.dead or node.greeted.get(peer) is not link:
                continue
            self.note(f"{node.name} -> {link.other(node).name} {describe_message(message)}")
            self.sent_messages += 1
            self._check_words(node, link, message)
            parts = link.sessions[node.name].send(message, encoded)
            self._transmit(link, node, b"".join(bytes(part) for part in parts))
            self.at(self.dice.randint(10, 2_000), self._drained, node, node.epoch, link, Drained(peer, size))

    def _drained(self, node: Node, epoch: int, link: Link, event: Event) -> None:
        if not link.dead:
            self.post(node, epoch, event, link)

    def _transmit(self, link: Link, sender: Node, data: bytes) -> None:
        receiver = link.other(sender)
        cut = self.dice.randint(0, len(data)) if len(data) and self.dice.random() < 0.2 else len(data)
        for piece in (data[:cut], data[cut:]):
            if piece:
                arrives = max(link.arrives[receiver.name], self.us + self.dice.randint(50, self.options.latency_us))
                link.arrives[receiver.name] = arrives
                self.at(arrives - self.us, self._arrive, link, receiver, receiver.epoch, piece)

    def _arrive(self, link: Link, node: Node, epoch: int, data: bytes) -> None:
        if link.dead or not node.alive or node.epoch != epoch:
            return
        try:
            messages = link.sessions[node.name].feed(data)
        except PeerError as error:
            raise Broken(f"{node.name} does not understand {link.other(node).name}: {error}") from error
        for message in messages:
            if isinstance(message, Hello):
                link.peer_of[node.name] = message.node
                assert message.node not in node.links
                node.links[message.node] = link
                self.post(node, epoch, PeerUp(message.node, message), link)
            elif isinstance(message, Close):
                self.cut(link)
                return
            else:
                self.post(node, epoch, Received(link.peer_of[node.name], message), link)

    # --- checkers, where things happen ---------------------------------------------------------------------------

    def _check_words(self, node: Node, link: Link, message: Message) -> None:
        """What is told is committed, and in order."""
        receiver = link.other(node)
        match message:
            case State(sequence=sequence) | Acknowledge(sequence=sequence) | ModificationUpdate(sequence=sequence):
                if sequence > node.committed:
                    raise Broken(f"{node.name} tells what is not committed: {sequence} > {node.committed}")
                if sequence < link.sequence[node.name]:
                    raise Broken(f"{node.name} tells sequence {sequence} after {link.sequence[node.name]}")
                self._check_complete(node, link, message, sequence)
                link.sequence[node.name] = sequence
                node.told = max(node.told, sequence)
                if isinstance(message, ModificationUpdate):
                    for change in message.changes:
                        if change.content is not None:
                            self._cross(link, change.record.content, len(change.content))
            case StateRequest(_, index, after):
                known = node.heard_of.get((link.peer_of[node.name], index), 0)
                may_ask_anew = node.rejected or node.forgot or node.lost_power
                if after < known and not (may_ask_anew and not after):
                    raise Broken(f"{node.name} asks {receiver.name} again from {after}, it has heard {known}")
            case Pull(_, pulls):
                for pull in pulls:
                    if pull.base is None:
                        link.pulls[node.name][pull.id] = pull.digest
            case Chunks(pieces):
                for piece in pieces:
                    digest = link.pulls[receiver.name].get(piece.key)
                    if digest is not None:
                        self._cross(link, digest, len(piece.data))
            case _:
                pass

    def _check_conflict(self, node: Node, item: ApplyItem, why: Why) -> None:
        """What the winner was not made from is filed as a conflict, and nothing else is."""
        row = node.index.get(item.path)
        if row is None or same_content(row.record, item.target) or any(other.forgot for other in self.nodes):
            return  # (two lives of a node that got an old index may give out one vector)
        known = self.conflicts.was_known(row.record, item.target)
        if known is not None and known == (why == Why.CONFLICT):
            words = "calls a conflict" if known else "does not call a conflict"
            raise Broken(
                f"{node.name} {words} what lost at {item.path!r}: {describe_record(row.record)} to {describe_record(item.target)}"
            )

    def _check_complete(self, node: Node, link: Link, message: Message, sequence: int) -> None:
        """Who has heard of a sequence has heard of every row up to it."""
        said = link.said[node.name]
        match message:
            case State(records=records):
                said.update((record.path, record.stamp) for record in records)
            case Acknowledge(held=held):
                said.update(held)
            case ModificationUpdate(changes=changes):
                said.update((change.record.path, change.record.stamp) for change in changes)
        before = link.sequence[node.name]
        if sequence > before:
            for row in node.index.rows_after(before, 1_000):
                is_told = said.get(row.record.path) == row.record.stamp
                if row.seq <= sequence and not is_told and not _holds(link.other(node), row.record):
                    raise Broken(
                        f"{node.name} told {link.other(node).name} up to {sequence}, but not of {row.record.path!r}"
                    )
            ahead = {row.record.path for row in node.index.rows_after(sequence, 1_000)}  # told before its turn, maybe
            for path in said.keys() - ahead:
                del said[path]

    def _cross(self, link: Link, digest: bytes, size: int) -> None:
        self.crossed[(link.pair, digest)] += size

    def _before_event(self, node: Node, event: Event) -> None:
        if isinstance(event, Received) and isinstance(event.message, StateRequest):
            link = node.links.get(event.peer)
            if link is not None:
                request = event.message
                link.sequence[node.name] = request.after if request.index == node.index.index_id else 0
                link.said[node.name].clear()
        if isinstance(event, (Looked, Listed)):
            some = (
                event.items
                if isinstance(event, Looked)
                else [one for listing in event.listings for one in listing.seen]
            )
            for seen in some:
                if seen.look == Look.FOUND and seen.kind == Kind.FILE:
                    node.seen.add(seen.content)
                    self.sizes[seen.content] = seen.size

    def _after_event(self, node: Node, event: Event) -> None:
        match event:
            case (
                Received(peer, State(sequence=sequence))
                | Received(peer, Acknowledge(sequence=sequence))
                | Received(peer, ModificationUpdate(sequence=sequence))
            ):
                known = node.engine.board.peers.get(peer)
                if known is not None:
                    key = peer, known.index_id
                    node.heard_of[key] = max(node.heard_of.get(key, 0), sequence)
            case _:
                pass

    def _committed(self, node: Node) -> None:
        node.committed = node.index.sequence
        if node.unsettled:
            self._settle(node)
        node.heard_kept = dict(node.heard_of)
        for local in node.fresh_locals:
            path = local.record.path
            self.locals.setdefault(path, []).append(local)
            if local.settles is not None and node.touched.get(path) == local.settles:
                del node.touched[path]
        node.fresh_locals.clear()

    def _settle(self, node: Node) -> None:
        there = node.disk.tree()
        for path in sorted(node.unsettled):
            row = node.index.get(path)
            if row is not None and not node.engine.work.jobs.is_at(path) and _tells(row.record, there.get(path), True):
                node.unsettled.discard(path)

    def _after_apply(self, node: Node, job: ApplyJob, event: Applied) -> None:
        items: dict[bytes, ApplyItem] = {item.path: item for item in job.items}
        for result in event.items:
            item = items[result.path]
            if result.result == Result.DONE and item.act != Act.META and item.target.kind != Kind.DIRECTORY:
                node.unsaid.add(item.path)
            if result.result == Result.DONE and item.act in (Act.INSTALL, Act.MOVE) and item.target.kind == Kind.FILE:
                node.seen.add(item.target.content)
                self.sizes[item.target.content] = item.target.size
            version = result.version
            if version is None or version.kind != Kind.FILE or version.why == Why.RECOVERED:
                continue
            self._check_conflict(node, item, version.why)
            content = node.disk.content(version.name)
            if content is None:
                raise Broken(f"{node.name} says it kept {version.name!r}, and it is not there")
            if blake3(content).digest() not in node.seen:
                raise Broken(f"{node.name} replaced bytes it has not seen at {result.path!r}: {content[:20]!r}")

    def _check_pruned(self, node: Node, job: PruneJob) -> None:
        """The history gives way to age, or to room that is wanted: first what fills it with itself, then the oldest, and losers
        of conflicts last. A state goes at once only if a later one of the same file is there."""
        names = job.names
        assert self.options.retention is not None
        keep_ns, bytes_max = self.options.retention
        now = node.wall_ns()
        versions = list(node.index.versions())
        chosen = [version for version in versions if version.name in names and version.time_ns >= now - keep_ns]
        if not chosen:
            return
        if job.thins:
            if sum(version.size for version in versions) <= bytes_max // THIN_SHARE:
                raise Broken(f"{node.name} thins out a history that is nearly empty: {chosen[0].name!r}")
            for version in chosen:
                later = any(one.path == version.path and one.time_ns > version.time_ns for one in versions)
                if not later or version.why != Why.REPLACED:
                    raise Broken(f"{node.name} takes {version.name!r} out of the history, and there is nothing later")
            return
        is_full = node.engine.work.retries.is_short
        if sum(version.size for version in versions) <= bytes_max and not is_full:
            raise Broken(f"{node.name} takes {chosen[0].name!r} out of the history, which is neither old nor too much")
        in_use = () if is_full else node.engine.versions.in_use
        stays = [version for version in versions if version.name not in names and version.name not in in_use]
        ordinary = [version for version in versions if version.why != Why.CONFLICT]
        holds: Counter[bytes] = Counter()
        for version in ordinary:
            holds[version.path] += version.size
        if is_flooded(node.index.brief_bytes(), sum(version.size for version in versions)):
            stays = [other for other in stays if not node.index.is_brief(other.name)]
            chosen = [version for version in chosen if not node.index.is_brief(version.name)]
        for version in chosen:
            newest = max((one.time_ns for one in ordinary if one.path == version.path), default=0)
            if holds[version.path] > bytes_max // SHARE and version.time_ns < newest:
                continue  # it fills the history with itself
            for other in stays:
                is_loser = version.why == Why.CONFLICT, other.why == Why.CONFLICT
                if is_loser == (True, False) or (is_loser[0] == is_loser[1] and other.time_ns < version.time_ns):
                    raise Broken(f"{node.name} takes {version.name!r} out of the history before {other.name!r}")

    def _check_versions(self) -> None:
        """What the history is said to hold it holds: whoever went on writing into it has been noticed."""
        for node in self.nodes:
            if node.forgot or node.linked or self.options.jump or (node.lost_power and not self.options.users_sync):
                continue
            for version in node.index.versions():
                content = node.disk.content(version.name)
                if version.kind != Kind.FILE or (content is None and self.options.retention is not None):
                    continue
                if (version.path, content) in node.alike:
                    continue  # between the last look at it and its exchange: only its ctime told, and that changes with names
                if content is None or (len(content), blake3(content).digest()) != (version.size, version.content):
                    raise Broken(f"{node.name} lists {version.name!r} in its history, which is not as listed")

    def _made_here(self, node: Node, record: Record, before: tuple[Record | None, ...], origin: str) -> None:
        """The engine records a change as made on this node, from what was there `before`. Did a user make one?"""
        path = record.path
        previous = before[0]
        self.made += 1
        self.conflicts.made(record, before)
        settles = None
        if origin == "user" and record.stamp.node.startswith("="):
            origin = "scan"
        self.note(f"{node.name} records {origin} {describe_record(record)}")
        newer = previous is not None and any(
            beats(offer.record, previous) for offer in node.index.offers(path)
        )  # which takes its place at once
        there = node.disk.tree()
        above = [there[path[:at]] for at, c in enumerate(path) if c == b"/"[0] and path[:at] in there]
        replaced = any(kind != Kind.DIRECTORY for kind, *_ in above)
        if replaced:
            node.wiped.clear()  # what was put in the place of a folder was meant, and the rest may be no disaster
        if record.kind == Kind.ABSENT and path in node.wiped and not newer and not _is_gone_elsewhere(node):
            raise Broken(f"{node.name} tells of {path!r}, which is gone with most others")
        if origin == "user":
            if (
                path not in node.touched
                and not any(other in node.touched for other in node.other_names(path))
                and not (node.forgot or node.linked)
                and b".recovered-" not in path  # a user's folder for which there was no other name
            ):
                raise Broken(f"{node.name} takes its own doing for an edit of a user at {path!r}: {record.kind.name}")
            if _tells(record, there.get(path)):
                settles = node.touched.get(path)
        node.fresh_locals.append(Local(record, origin, settles))

    # --- users ---------------------------------------------------------------------------------------------------

    def acted(self, node: Node, before: dict[bytes, tuple[Kind, bytes, int, int]], first: int) -> None:
        """A user has done something on a node: what was it? `first`: number of the first token made in this act."""
        after = node.disk.tree()
        lost: set[bytes] = set()
        if node.alive and node.engine.board.scanning:
            node.wiped.clear()
            node.may_brake = True
        if node.wiped:
            away = [path for path, entry in before.items() if entry[0] == Kind.DIRECTORY != _kind(after, path)]
            there = before.keys() | after.keys()
            node.wiped = {path for path in node.wiped if path not in there and not _is_below(path, away)}
        for path in {**before, **after}:
            old, new = before.get(path), after.get(path)
            if old == new or (old and new and old[:3] == new[:3] and old[0] == Kind.DIRECTORY):
                continue
            node.touched[path] = self.us
            if old and new and old[0] == new[0] == Kind.FILE and old[1] != new[1]:
                if len(old[1]) == len(new[1]) and old[3] == new[3]:
                    node.alike.add((path, new[1]))
            if new is not None and new[0] == Kind.FILE and (old is None or old[1] != new[1]):
                self.written[blake3(new[1]).digest()] = tokens_of(new[1])
            if old is not None and old[0] == Kind.FILE:
                lost |= tokens_of(old[1])
            if old is not None and (new is None or old[:2] != new[:2]):
                self.taken.add((path, blake3(old[1]).digest() if old[0] == Kind.FILE else old[1]))
        for kind, content, _, _ in after.values():
            if kind == Kind.FILE and lost:
                lost -= tokens_of(content)
        made = {b"%05d" % number for number in range(first, len(self.tokens))}
        if made:
            lost |= made - node.disk.tokens(everywhere=True)  # there was no room, or no such place
        self.excused |= lost
        node.linked |= node.disk.has_hard_links()
        if self.options.users_sync:
            node.disk.settle()

    def token(self, node: Node, what: str) -> bytes:
        number = f"{len(self.tokens):05d}"
        self.tokens[number.encode()] = f"{what} by {node.name} at {self.us / 1e6:.6f}"
        return f"<T{number}>".encode()

    def _plant(self) -> None:
        """The trees to begin with."""
        options = self.options
        if options.trees == "empty":
            return
        shared = Random(f"trees {options.seed}")
        names = [b"a", b"b", b"d/a", b"d/b", b"d/e/a", b"f/\xffx"]
        common = {
            name: b"<T" + b"%05d" % (90000 + n) + b">" + shared.randbytes(3).hex().encode()
            for n, name in enumerate(names)
        }
        for node in self.nodes:
            disk = node.disk
            disk.mkdir(b"still/deep")
            for name in (b"still/one", b"still/deep/two"):
                disk.write(name, b"a bystander: " + name, _BIRTH_NS - 10**15)
            for name, content in common.items():
                if options.trees == "overlapping":
                    if shared.random() < 0.3:
                        continue
                    if shared.random() < 0.5:
                        content = self.token(node, f"initial {name!r}")
                if name.rpartition(b"/")[0]:
                    disk.mkdir(name.rpartition(b"/")[0])
                mtime = _BIRTH_NS - 10**14
                if options.trees == "overlapping":
                    mtime += shared.choice([0, shared.randint(-(10**13), 10**13)])
                disk.write(name, content, mtime)
            disk.settle()
            node.touched = dict.fromkeys(disk.tree(), 0)
            node.bystanders = {
                name: disk.stat(name).inode
                for name in (b"still", b"still/deep", b"still/one", b"still/deep/two")  # type: ignore[union-attr]
            }

    # --- the course of a world -----------------------------------------------------------------------------------

    def run(self) -> None:
        options = self.options
        order = list(self.nodes)
        late = order.pop() if options.late_joiner and len(order) > 1 else None
        for node in order:
            self.at(self.dice.randint(0, 30_000), self.boot, node)
        if options.rest_first:
            faults, self.faults = self.faults, False
            self.run_to_rest("at the beginning")
            self._check_rest("at the beginning", {node.number for node in order})
            if options.trees != "overlapping":
                self._check_crossed("at the beginning")
                for node in order:
                    if node.index.sequence != len(node.index.rows_after(0, 1_000)):
                        raise Broken("equal trees have made records change")
            self.faults = faults
        for step in range(options.steps):
            self.run_until(self.us + self.dice.randint(0, options.pause_ms * 1000))
            if late is not None and step >= options.steps // 2:
                self.boot(late)
                late = None
            self._something_happens()
        if late is not None:
            self.boot(late)
        self._heal()
        self.rest("after the last fault")
        for _ in range(2 if any(node.linked for node in self.nodes) else 0):
            for node in self.nodes:
                self.post(node, node.epoch, Blind(b"", ""))
            self.rest("after the last fault")
        self._check_rest("after the last fault")
        self._check_history()
        self._check_versions()
        self._check_quiet()
        self._one_after_the_other()
        self._only_renamed()
        self._saved_by_editors()
        self._only_appended()
        self._saved_slowly()

    def _something_happens(self) -> None:
        options, dice = self.options, self.dice
        node = dice.choice(self.nodes)
        if self.chance(options.cut) and self.links:
            pair = dice.choice(sorted(self.links))
            if dice.random() < 0.5:
                self.cut_for_long.add(pair)
            self.cut(self.links[pair])
        elif self.cut_for_long and dice.random() < 0.2:
            pair = dice.choice(sorted(self.cut_for_long))
            self.cut_for_long.discard(pair)
            self.connect(pair)
        elif self.chance(options.crash):
            self.crash(node, power=dice.random() < 0.7)
        elif self.chance(options.full):
            node.disk.capacity = node.disk._used + dice.randint(0, 300)
            self.note(f"{node.name} has a full disk")
        elif self.chance(options.full):
            node.disk.capacity = None
        elif self.chance(options.root_gone):
            self._root_goes(node)
        elif self.chance(options.old_state):
            self._back_up(node)
        elif self.chance(options.disaster):
            self._disaster(node)
        elif self.chance(options.unreadable):
            files = [path for path, entry in node.disk.tree().items() if entry[0] == Kind.FILE]
            if files and (inode := node.disk._find(dice.choice(files))) is not None:
                node.disk.unreadable.add(inode.number)
                self.note(f"{node.name} cannot read a file")
        elif self.chance(options.jump):
            node.skew_ns += dice.choice([-1, 1]) * dice.choice([10**9, 10**13, 10**17])
            self.note(f"{node.name} has its clock set to {node.skew_ns}")
        elif self.chance(options.rescan) and node.alive:
            self.post(node, node.epoch, Blind(b"", "events were lost"))
        elif self.chance(options.logs):
            node.user.log()
        else:
            node.user.act()

    def _heal(self) -> None:
        self.note("no more faults")
        self.faults = False
        self.cut_for_long.clear()
        for node in self.nodes:
            node.disk.capacity = None
            node.disk.unreadable.clear()
            self._root_returns(node)
            self.boot(node)
            node.disk.settle()
            if self.options.lost or node.linked:
                self.post(node, node.epoch, Blind(b"", "healed"))
        for pair in self.options.links:
            self.connect(pair)

    def _one_after_the_other(self) -> None:
        """In a mesh at rest users act one at a time: everyone must get exactly what that user sees."""
        self.crossed.clear()
        for _ in range(3):
            node = self.dice.choice(self.nodes)
            left_over = _left_over(node)
            others = self._others() + self._kept_away()
            rejections = self.rejections
            node.user.act(at_once=True)
            wanted = _wanted(node, left_over)
            linked = any(other.linked for other in self.nodes)
            self.rest("after one act of one user")
            for _ in range(3 if linked else 0):
                for other in self.nodes:  # a change under one name is not told of the others
                    self.post(other, other.epoch, Blind(b"", ""))
                self.rest("after one act of one user")
            self._check_rest("after one act of one user")
            if not linked:
                self._check_crossed("after one act of one user")
            if linked or self._others() or self._kept_away() or self.rejections > rejections:
                continue
            # Known here: nothing is in anyone's way any more. Where something was, users did not see what others had.
            got = _common(node)
            for path in [path for path in {**wanted, **got} if _is_below(path, others) or _has_below(path, others)]:
                wanted.pop(path, None)
                got.pop(path, None)
            if got != wanted:
                raise Broken(f"what {node.name} did alone was not kept: {_difference(wanted, got)}")

    def _only_renamed(self) -> None:
        """What only gets another name costs nothing but names: its content crosses no link, and no history keeps it."""
        dice = self.dice
        self.run_until(self.us + 60_000_000)  # for so long nothing is copied from where a copy has failed
        for number in range(3):
            node = dice.choice(self.nodes)
            if any(other.linked for other in self.nodes) or self._others() or self._kept_away():
                return
            before = node.disk.tree()
            files = {blake3(entry[1]).digest() for entry in before.values() if entry[0] == Kind.FILE and entry[1]}
            since = {other.name: other.wall_ns() for other in self.nodes}
            known = {(other.name, version.name) for other in self.nodes for version in other.index.versions()}
            rejections = self.rejections
            self.crossed.clear()
            away = dice.randrange(3)  # at work; alone; its program does not run
            links = [(pair, link) for pair, link in sorted(self.links.items()) if node.number in pair]
            for pair, link in links if away == 1 else ():
                self.cut_for_long.add(pair)
                self.cut(link)
            if away == 2:
                self.crash(node, power=False)
            self.run_until(self.us + 100_000)
            node.user.rename_something(number)
            self.run_until(self.us + dice.choice([0, 100_000, 3_000_000]))
            self.cut_for_long.clear()
            self.boot(node)
            for pair, _ in links:
                self.connect(pair)
            self.rest("after a rename")
            self._check_rest("after a rename")
            if self.rejections > rejections or self.options.retention is not None or self._kept_away():
                continue  # (the new name may have no room on a disk, or have made room for another one)
            told = sum(size for (_, digest), size in self.crossed.items() if digest in files)
            kept = sum(
                version.size
                for other in self.nodes
                for version in _kept_since(other, since[other.name])
                if version.content in files and (other.name, version.name) not in known
            )
            if told or kept:
                raise Broken(f"what {node.name} only renamed cost {told} bytes on the wire and {kept} in the history")

    def _only_appended(self) -> None:
        """What is appended to a file costs what is appended: on each link, on each disk, and nothing in any history."""
        for _ in range(3):
            node = self.dice.choice(self.nodes)
            if any(other.linked for other in self.nodes) or self._others() or self._kept_away():
                return
            large = [
                path
                for path, entry in node.disk.tree().items()
                if entry[0] == Kind.FILE and len(entry[1]) > limits.INLINE_BYTES_MAX and not path.startswith(b"still")
            ]
            if not large or self.options.blind:
                return
            path = self.dice.choice(large)
            self.crossed.clear()
            since = {other.name: other.wall_ns() for other in self.nodes}
            known = {(other.name, version.name) for other in self.nodes for version in other.index.versions()}
            written = {other.name: other.disk.written for other in self.nodes}
            more = node.user.append_to(path)
            self.rest("after an append")
            self._check_rest("after an append")
            content = node.disk.content(path)
            assert content is not None
            digest = blake3(content).digest()
            told = max((size for (_, other), size in self.crossed.items() if other == digest), default=0)
            kept = [  # (where clocks were set back, an older version has a later time)
                version.name
                for other in self.nodes
                for version in _kept_since(other, since[other.name])
                if version.path == path and (other.name, version.name) not in known
            ]
            cost = max(other.disk.written - written[other.name] for other in self.nodes)
            if told > more or kept or cost > more:
                raise Broken(
                    f"{more} bytes that {node.name} appended to {path!r} ({len(content)} bytes) cost {told} bytes on a"
                    f" link, {cost} bytes on a disk, and {kept} in a history"
                )

    def _saved_slowly(self) -> None:
        """A program cuts a file, and writes it in pieces before it closes it: what it was in between is announced to nobody, as
        far as it is shorter than the file was."""
        for _ in range(2):
            node = self.dice.choice(self.nodes)
            if any(other.linked for other in self.nodes) or self._others() or self._kept_away() or self.options.blind:
                return
            path = node.user.choose_saved()
            before = None if path is None else node.disk.content(path)
            if path is None or before is None:
                return
            known = {(other.name, version.name) for other in self.nodes for version in other.index.versions()}
            took, halves = node.user.save_slowly(path)
            self.run_until(self.us + took)
            self.rest("after a slow save")
            self._check_rest("after a slow save")
            if any(len(half) >= len(before) for half in halves) or node.disk.content(path) is None:
                continue
            told = {blake3(half).digest() for half in halves}
            for other in self.nodes:
                for version in other.index.versions():
                    if version.content in told and version.path == path and (other.name, version.name) not in known:
                        raise Broken(
                            f"{node.name} saves {path!r} slowly: {other.name} keeps a half of it ({version.size} bytes)"
                        )

    def _saved_by_editors(self) -> None:
        """Programs that save by putting the old file aside first: elsewhere the name is never missing."""
        for _ in range(2):
            node = self.dice.choice(self.nodes)
            if any(other.linked for other in self.nodes) or self._others():
                return
            path = node.user.choose_saved()
            if path is None:
                return
            self.saved.add(path)
            took = node.user.save_as_editors_do(path)
            self.run_until(self.us + took)
            self.rest("after an editor has saved")
            self.saved.clear()
            self._check_rest("after an editor has saved")

    # --- checkers, at the end ------------------------------------------------------------------------------------

    def _check_rest(self, when: str, numbers: set[int] | None = None) -> None:
        """Everyone has the same, and knows it. `numbers`: of the nodes that run."""
        nodes = [node for node in self.nodes if numbers is None or node.number in numbers]
        best = _common(nodes[0])
        for node in nodes:
            tree = _common(node)
            wanted = {path: entry for path, entry in best.items() if not node.keeps_away(path)}
            if tree != wanted:
                raise Broken(f"{when}: {nodes[0].name} and {node.name} differ: {_difference(wanted, tree)}")
            if node.engine.is_busy:
                raise Broken(f"{when}: {node.name} is busy at rest: {self._why_busy()}")
            running = {other.number for other in nodes}
            expected = sum(node.number in pair and running.issuperset(pair) for pair in self.options.links)
            if len(node.engine.board.peers) != expected:
                raise Broken(f"{when}: {node.name} is not connected with all its peers")
            self._check_in_sync(when, node, nodes)
            here = {other.index.node: other for other in nodes}
            for path in node.index.offered_paths(None, 1_000):
                left = [offer for offer in node.index.offers(path) if offer.peer in here]
                forgotten = node.engine.work.awaits_folder(path) and all(
                    here[one.peer].index.get(path) is None for one in left
                )
                if left and not forgotten and not self.is_obstructed(path) and not node.keeps_away(path):
                    # (What an identity announced that is no more stays, in case it comes back. What it has forgotten is
                    # asked for, and dropped then; unless it waits for a folder.)
                    raise Broken(f"{when}: {node.name} has an offer left: {describe_record(left[0].record)}")
                self._check_within_reach(when, node, path)
            for peer, repeats in node.engine.vain.repeats.items():
                self._check_vain(node, peer, repeats)
            staged = [name for name, _ in node.disk.list(STAGING) or [] if not name.startswith(b"delta-")]
            if staged:
                self.stats["left in staging"] += len(staged)
            displaced = [name for name in staged if name.startswith((b"swap-", b"old-"))]
            if displaced and not self.options.trouble and not self.options.unreadable:
                raise Broken(f"{when}: {node.name} has not filed away {displaced[0]!r}")
            for path, kind in node.engine.work.obstacles.all():
                if not _is_in_the_way(node.disk.tree(), path, kind):
                    raise Broken(f"{when}: {node.name} leaves out {path!r}, and nothing is in the way")
            if node.unsaid:
                raise Broken(f"{when}: no line of {node.name} tells of the change of {min(node.unsaid)!r}")
            gone = node.disk.is_told_gone()
            if gone is not None:
                raise Broken(f"{when}: who watches the tree of {node.name} has heard last that {gone!r} has left")
            for path, inode in node.bystanders.items():
                stat = node.disk.stat(path)
                if stat is None or stat.inode != inode:
                    raise Broken(f"{when}: {node.name} has touched {path!r}, which concerned nobody")
        others = self._others()
        rows = [{path: row for path, row in _rows(node.index).items() if not _is_below(path, others)} for node in nodes]
        for node, mine in zip(nodes, rows, strict=True):
            wanted = {path: row for path, row in rows[0].items() if not node.keeps_away(path)}
            mine = {path: row for path, row in mine.items() if not node.keeps_away(path)}
            if mine != wanted:
                raise Broken(f"{when}: the indexes of A and {node.name} differ: {_difference(wanted, mine)}")
            if node.index.count_live() != node.index.counted_live():
                raise Broken(f"{when}: {node.name} has counted its files wrong")
            on_disk = _common(node)
            live = {path for path, record in mine.items() if record[0] != Kind.ABSENT}
            if live != set(on_disk):
                raise Broken(f"{when}: index and disk of {node.name} differ: {sorted(live ^ set(on_disk))}")

    def _check_within_reach(self, when: str, node: Node, path: bytes) -> None:
        """What is newer than what a node has at a path, and whose content it has elsewhere, does not stay an offer: it would
        win later, over a change that knows nothing of it."""
        engine, index = node.engine, node.index
        row = index.get(path)
        take = decide(None if row is None else row.record, index.offers(path))
        if not isinstance(take, Take) or take.record.kind != Kind.FILE or not index.by_content(take.record.content):
            return
        if (
            self.is_obstructed(path)
            or node.keeps_away(path)
            or engine.work.awaits_folder(path)
            or _holds_something(node)
        ):
            return
        raise Broken(f"{when}: {node.name} has the content of {describe_record(take.record)}, and leaves it an offer")

    def _check_in_sync(self, when: str, node: Node, nodes: Sequence[Node]) -> None:
        """At rest each node knows that it is in sync with each of its peers, unless something is in the way somewhere."""
        if self._others() or any(other.index.count_offers() or _holds_something(other) for other in nodes):
            return
        missing = node.engine.board.peers.keys() - set(node.engine.sync_report.in_sync_with())
        for peer in missing:
            standing = node.engine.board.peers[peer].standing
            raise Broken(f"{when}: {node.name} does not know that it is in sync with {peer[:4]}: {standing}")

    def _check_claim(self, node: Node) -> None:
        """Whoever says that it is in sync with a peer is: the peer has all that this node has announced."""
        for peer in node.engine.sync_report.in_sync_with():
            link = node.links.get(peer)
            if link is None or link.dead or node.greeted.get(peer) is not link:
                continue
            other = link.other(node)
            if not other.alive or other.index.node != peer or self.options.root_gone or other.forgot or node.forgot:
                continue
            heard = node.engine.board.peers[peer].standing.heard
            key = node.index.sequence, other.index.sequence, heard, other.epoch
            if self.claims.get((node.name, other.name)) == key:
                continue
            self.claims[node.name, other.name] = key
            ours, theirs = (one.index.rows_after(0, 1_000) for one in (node, other))
            lacking = [(other, row.record) for row in ours if not _holds(other, row.record)]
            lacking += [(node, row.record) for row in theirs if row.seq <= heard and not _holds(node, row.record)]
            for who, record in lacking:
                raise Broken(
                    f"{node.name} says that it is in sync with {other.name}; {who.name} lacks {describe_record(record)}"
                )

    def is_obstructed(self, path: bytes) -> bool:
        """True if some node has something at this name, or above it, that is never synchronized."""
        return _is_below(path, self._others())

    def _kept_away(self) -> list[bytes]:
        """Names that are somewhere, and not where the disk takes them for others."""
        return [path for path in self.nodes[0].disk.tree() for node in self.nodes if node.keeps_away(path)]

    def _others(self) -> list[bytes]:
        found = [path for node in self.nodes for path, entry in node.disk.tree().items() if entry[0] == Kind.OTHER]
        return found + [path for node in self.nodes if node.alive for path, _ in node.engine.work.obstacles.all()]

    def _check_history(self) -> None:
        """Nothing is lost: every write is in some tree or some history, unless a user who had it took it away."""
        kept: set[bytes] = set()
        for node in self.nodes:
            kept |= node.disk.tokens(everywhere=True)
        lost = set(self.tokens) - kept - self.excused
        if lost:
            raise Broken(f"lost: {[(token, self.tokens[token]) for token in sorted(lost)[:3]]}")
        self._check_lives(kept)
        self._check_named()

    def _check_named(self) -> None:
        """Of users who changed a path without knowledge of each other, all but the one that won are named as conflicts."""
        options = self.options
        if (
            options.retention is not None
            or options.unreadable
            or any(node.forgot or node.linked for node in self.nodes)
        ):
            return
        if self.rejections or not options.users_sync or options.sync_fails or options.trouble or options.full:
            return  # (what a job displaced that failed afterwards is listed at the next start)
        whys = {Why.CONFLICT}
        if options.crash or options.crash_in_job or options.root_gone or options.disaster:
            whys.add(Why.RECOVERED)
        # By path: a program that goes on writing into what was displaced makes it another content.
        named = {version.path for node in self.nodes for version in node.index.versions() if version.why in whys}
        others = self._others()
        for path, locals_ in sorted(self.locals.items()):
            if _is_below(path, others):
                continue
            made = [local.record for local in locals_ if local.origin != "engine"]
            row = self.nodes[0].index.get(path)
            for lost in self.conflicts.heads(made):
                if row is None or same_content(lost, row.record) or path in named:
                    continue
                if (path, lost.content) in self.taken:
                    continue  # before the winner came: so nothing was displaced there, and no record tells of that act
                if self.conflicts.was_known(lost, row.record) is False:
                    raise Broken(
                        f"nobody names the conflict that {describe_record(lost)} lost to {describe_record(row.record)}"
                    )

    def _check_crossed(self, when: str) -> None:
        """No content crosses a link twice, where nobody acts meanwhile. (A small one that moves on twice may be told twice.)"""
        for (pair, digest), size in sorted(self.crossed.items()):
            allowed = self.sizes.get(digest, size)
            if size > (2 * allowed if allowed <= limits.INLINE_BYTES_MAX else allowed):
                raise Broken(f"{when}: {size} bytes of a content of {self.sizes[digest]} crossed {pair[0]}-{pair[1]}")
        self.crossed.clear()

    def _check_lives(self, kept: set[bytes]) -> None:
        """An edit that nobody knowingly superseded is alive; what was knowingly deleted stays deleted. `kept`: the tokens
        that are somewhere: an edit that its user wiped before anybody had it cannot come back."""
        tree = self.nodes[0].disk.tree()
        forgetful = any(node.forgot for node in self.nodes)
        others = self._others()
        for path, locals_ in sorted(self.locals.items()):
            if _is_below(path, others):
                continue
            made = [local for local in locals_ if local.origin != "engine"]
            last = [
                local
                for local in made
                if not any(other.record != local.record and has_seen(other.record, local.record) for other in made)
            ]
            # An edit that lost against a newer one, or against a folder, is in a history, whatever becomes of the winner.
            edits = [local.record for local in locals_ if local.record.kind != Kind.ABSENT]
            newest = max(edits, key=lambda record: record.stamp, default=None)
            survives = newest in [local.record for local in last if local.record.kind in (Kind.FILE, Kind.SYMLINK)]
            is_to_be_had = newest is not None and self.written.get(newest.content, kept) <= kept
            if survives and is_to_be_had and path not in tree and not forgetful:
                raise Broken(f"the edit of {path!r} died: {[describe_record(local.record) for local in last]}")
            answered = any(  # whose answer may have met, unknown to it, a delete of what it answered for
                gone.record.kind == Kind.ABSENT and gone.record.stamp > edit.stamp and not has_seen(gone.record, edit)
                for gone in made
                for edit in edits
                if edit.kind != Kind.DIRECTORY
            )
            scanned = any(local.origin == "scan" for local in made)
            if (
                path in tree
                and tree[path][0] != Kind.DIRECTORY
                and not (scanned or answered or forgetful or path in self.rejected)
                and last
                and all(local.record.kind == Kind.ABSENT for local in last)
            ):
                raise Broken(f"{path!r} was deleted and is back")

    def _check_quiet(self) -> None:
        """At rest a further look at everything says nothing, changes nothing, writes nothing."""
        before = [(node.disk.writes(), node.index.sequence) for node in self.nodes]
        sent = self.sent_messages
        self.note("a further look")
        for node in self.nodes:
            self.post(node, node.epoch, Blind(b"", ""))
        self.run_to_rest("a further look")
        if self.sent_messages != sent:
            raise Broken("a further look at rest has made them talk")
        for node, (writes, sequence) in zip(self.nodes, before, strict=True):
            if node.index.sequence != sequence:
                raise Broken(f"a further look at rest has changed the index of {node.name}")
            if node.disk.writes() != writes:
                raise Broken(f"a further look at rest has made {node.name} write")


def run(
    seed: int,
    trace: Callable[[str], None] | None = None,
    bug: str = "",
    changes: Mapping[str, Any] = MappingProxyType({}),
) -> World:
    """One world, from beginning to end. Raises Broken. `changes`: options that are not as the seed has them."""
    options = replace(draw(seed), **changes)
    with bounded(options):
        world = World(options, trace, bug)
        if trace is not None:
            trace(repr(options))
        try:
            world.run()
        finally:
            world.close()
        return world


# --- helpers ---------------------------------------------------------------------------------------------------------


def _plain(tree: dict[bytes, tuple[Kind, bytes, int, int]]) -> dict[bytes, tuple[object, ...]]:
    """What must be equal everywhere."""
    return {
        path: (kind, content, mode if kind != Kind.SYMLINK else 0, 0 if kind == Kind.DIRECTORY else mtime)
        for path, (kind, content, mode, mtime) in tree.items()
    }


def _common(node: Node) -> dict[bytes, tuple[object, ...]]:
    """What of a node's tree must be equal everywhere: not fifos, nor a folder that only such a thing keeps alive."""
    left_over = _left_over(node)
    others = node.world._others()
    return {
        path: entry
        for path, entry in _plain(node.disk.tree()).items()
        if not _is_below(path, others) and not (entry[0] == Kind.DIRECTORY and path in left_over)
    }


def _kept_since(node: Node, since_ns: int) -> list[Version]:
    """Files that the history was given since a time; not those that a start has found in it, or in the staging folder."""
    return [
        one
        for one in node.index.versions()
        if one.kind == Kind.FILE and one.why != Why.RECOVERED and one.time_ns >= since_ns
    ]


def _is_in_the_way(tree: dict[bytes, tuple[Kind, bytes, int, int]], path: bytes, kind: Kind) -> bool:
    """True if something that is never synchronized has this name, or is in the folder that has it."""
    below = path + b"/"
    inside = any(entry[0] == Kind.OTHER and other.startswith(below) for other, entry in tree.items())
    return path in tree and tree[path][0] == kind and (inside or kind == Kind.OTHER)


def _left_over(node: Node) -> set[bytes]:
    """Folders that are gone for everyone, and stay here for something in them that is never synchronized."""
    return {row.record.path for row in node.index.rows_after(0, 100_000) if row.fp and row.record.kind == Kind.ABSENT}


def _wanted(node: Node, left_over: set[bytes]) -> dict[bytes, tuple[object, ...]]:
    """What a user sees and everyone should get, now that the engine has not looked yet. `left_over`: before the act."""
    tree = {path: entry for path, entry in _plain(node.disk.tree()).items() if entry[0] != Kind.OTHER}
    kept = tree.keys() - left_over
    return {
        path: entry
        for path, entry in tree.items()
        if path in kept or any(other.startswith(path + b"/") for other in kept)
    }


def _fold(name: bytes) -> bytes:
    return (
        unicodedata.normalize("NFC", name.decode("utf-8", "surrogateescape"))
        .casefold()
        .encode(errors="surrogateescape")
    )


def _kind(tree: Tree, path: bytes) -> Kind:
    return tree[path][0] if path in tree else Kind.ABSENT


def _is_gone_elsewhere(node: Node) -> bool:
    """True if others have removed some of what is gone with most others; the rest may be no disaster."""
    rows = [node.index.get(path) for path in node.wiped]
    return any(
        row is not None and row.record.kind == Kind.ABSENT and row.record.stamp.node != node.index.node for row in rows
    )


def _holds_something(node: Node) -> bool:
    return bool(node.engine.brakes.own.held or node.engine.brakes.peers.held())


def _is_below(path: bytes, others: list[bytes]) -> bool:
    return any(path == other or path.startswith(other + b"/") for other in others)


def _has_below(path: bytes, others: list[bytes]) -> bool:
    return any(other.startswith(path + b"/") for other in others)


def _rows(index: Index) -> dict[bytes, tuple[object, ...]]:
    rows = index.rows_after(0, 1_000_000)
    return {row.record.path: (row.record.kind, row.record.content, row.record.stamp, row.record.vector) for row in rows}


def _difference(mine: dict[bytes, tuple[object, ...]], theirs: dict[bytes, tuple[object, ...]]) -> str:
    words = [
        f"{path!r}: {_short(mine.get(path))} / {_short(theirs.get(path))}"
        for path in sorted({**mine, **theirs})
        if mine.get(path) != theirs.get(path)
    ]
    return "; ".join(words[:4])


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) < 160 else text[:160] + "..."


def _tells(record: Record, there: tuple[Kind, bytes, int, int] | None, only_content: bool = False) -> bool:
    """True if a record is what is on the disk."""
    if there is None:
        return record.kind == Kind.ABSENT
    kind, content, mode, mtime = there
    if kind != record.kind:
        return False
    if kind == Kind.DIRECTORY:
        return mode == record.mode
    if kind == Kind.FILE:
        same = blake3(content).digest() == record.content
        return (same and only_content) or (same and mode == record.mode and mtime == record.mtime)
    return content == record.content and mtime == record.mtime


def describe_record(record: Record) -> str:
    content = record.content.hex()[:6] if record.kind == Kind.FILE else record.content[:20]
    vector, lineage = (
        " ".join(f"{maker[:4]}:{counter}" for maker, counter in entries) for entries in (record.vector, record.lineage)
    )
    made_from = f" from [{lineage}]" if lineage else ""
    return f"{record.path!r} {record.kind.name} {content!r} {record.stamp.ns}@{record.stamp.node[:4]} [{vector}]{made_from}"


def describe_message(message: Message) -> str:
    match message:
        case State(_, sequence, last, records):
            return f"STATE {sequence} {last} " + ", ".join(describe_record(record) for record in records)
        case ModificationUpdate(_, sequence, changes, times, _):
            words = [
                f"{change.action} {describe_record(change.record)}{' +' if change.attached else ''}"
                for change in changes
            ]
            return f"UPDATE {sequence} " + ", ".join(words) + f" {len(times)} times"
        case Chunks(pieces):
            return f"CHUNKS {[(piece.key, piece.offset, len(piece.data)) for piece in pieces]}"
        case Acknowledge(_, sequence, held):
            return f"ACK {sequence} {[(path, stamp.ns, stamp.node[:4]) for path, stamp in held]}"
        case Pull(_, pulls):
            words = [
                f"{pull.id} {pull.path!r} {pull.digest.hex()[:6]} {'delta' if pull.base else ''} {pull.offset}+{pull.length}"
                for pull in pulls
            ]
            return f"PULL {words}"
        case _:
            return repr(message)[:200]


def _holds(node: Node, record: Record) -> bool:
    """True if a node has that record, or has moved on from it: then it need not be told (it sent a summary)."""
    row = node.index.get(record.path)
    return row is not None and leq(record.vector, row.record.vector) and not beats(record, row.record)


def describe(event: Event) -> str:
    match event:
        case Received(peer, message):
            return f"from {peer[:4]} {describe_message(message)}"
        case Looked(items):
            return "Looked " + ", ".join(
                f"{seen.path!r} {seen.look.value} {seen.kind.name} {seen.content.hex()[:6]} {seen.mtime} {len(seen.fp)}"
                for seen in items
            )
        case Applied(items):
            return "Applied " + ", ".join(
                f"{result.path!r} {result.result.value}{' kept' if result.version else ''} {result.problem}"
                for result in items
            )
        case PeerUp(peer, _):
            return f"PeerUp {peer[:4]}"
        case _:
            text = repr(event)
            return text if len(text) < 300 else text[:300] + "..."


def describe_job(job: Job) -> str:
    match job:
        case ApplyJob(items):
            return "Apply " + ", ".join(
                f"{item.act.value} {describe_record(item.target)} expect {item.expect.hex()[-8:]} {item.why.value}"
                f"{' copy ' + repr(item.copy_path) if item.copy_path else ''}{' staged' if item.staged else ''}"
                for item in items
            )
        case _:
            names = getattr(job, "items", None) or getattr(job, "paths", None) or getattr(job, "names", None)
            if names is not None:
                return f"{type(job).__name__} {[getattr(name, 'path', name) for name in names]}"
            token = getattr(job, "token", getattr(job, "path", ""))
            return f"{type(job).__name__} {token} {getattr(job, 'name', b'')!r}"


_ = (Stat, DiscardJob, HISTORY)
