"""One node of a world: its disk, index, engine and user, and what the checkers have to know of it; and a link of two.

In:   a world, which the node belongs to. Out: plain state; `lives`, `loop` and `network` work on it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

from dir_sync.core.attributes import Attributes
from dir_sync.core.events import Event
from dir_sync.core.mode import Mode
from dir_sync.core.model import Kind, Record, Stamp
from dir_sync.core.session import Session
from dir_sync.engine import Now
from dir_sync.file_sync import FileSync
from dir_sync.index import Index
from tests.sim.sealed import End
from tests.sim.seams import SimEngine
from tests.sim.sim_disk import SimDisk
from tests.sim.users import User

if TYPE_CHECKING:
    from tests.sim.world import World

__all__ = ["BIRTH_NS", "FOLDER", "Link", "Local", "Node", "Signatures", "SimIndex", "Untold"]

Untold = dict[bytes, tuple[int, Attributes | None]]  # what a tree does not say of its paths: see Node.untold

BIRTH_NS = 1_700_000_000 * 1_000_000_000
FOLDER = "default"


class SimIndex(Index):
    """The real index; a commit can be seen."""

    on_commit: Callable[[], None] | None = None

    def commit(self, durable: bool = True) -> None:
        super().commit(durable)
        if self.on_commit is not None:
            self.on_commit()


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

    def __init__(self, number: int, ends: tuple[Node, Node], seals: dict[str, End] | None = None) -> None:
        """`seals`: by the name of a node, its end of a sealed link."""
        self.number = number
        self.seals = seals or {}
        self.ends = ends
        self.dead = False
        self.sessions = {node.name: Session() for node in ends}
        self.arrives = {node.name: 0 for node in ends}  # when the last byte to that node arrives
        self.peer_of: dict[str, str] = {}  # node name -> the replica that its peer has
        self.sequence = {node.name: 0 for node in ends}  # last one said by that node
        self.said: dict[str, dict[bytes, Stamp]] = {
            node.name: {} for node in ends
        }  # by that node, of what is not passed yet
        self.pulls: dict[str, dict[int, bytes]] = {node.name: {} for node in ends}  # asked by that node: id -> digest
        self.requests = Counter[str]()  # for a state, by that node, on their way

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
    rng: Random
    name: str = ""
    alive: bool = False
    epoch: int = 0
    watched: set[int] = field(default_factory=set)
    inbox: list[Event] = field(default_factory=list)
    turn_due: bool = False
    tick_us: int | None = None
    links: dict[str, Link] = field(default_factory=dict)  # replica of the peer -> link that is up
    vain: dict[str, int] = field(default_factory=dict)  # announcements of each peer that changed nothing, of all links
    greeted: dict[str, Link | None] = field(default_factory=dict)  # the same, as the engine knows it
    seen: set[bytes] = field(default_factory=set)  # digests that a look has read, or that were installed
    touched: dict[bytes, int] = field(default_factory=dict)  # paths that a user changed and no record tells of yet
    fresh_locals: list[Local] = field(default_factory=list)  # not committed yet
    committed: int = 0  # sequence at the last commit
    told: int = 0  # sequence that some peer has been sent
    heard_of: dict[str, int] = field(default_factory=dict)  # replica of a peer -> sequence handled
    asked_anew: set[str] = field(default_factory=set)  # replicas that have not begun to tell all they have once more
    heard_kept: dict[str, int] = field(default_factory=dict)  # ... and committed
    image: bytes | None = None
    older_images: list[bytes] = field(default_factory=list)
    forgot: bool = False  # it has lost its index once
    linked: bool = False  # files with two names: what is done to one is done to the other
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
        self.node_id = f"{0xA + self.number:x}" * 16  # of the machine: it outlives each index
        options = self.world.options
        self.mode = options.modes[self.number] if options.modes else Mode.TWO_WAY
        blind = options.blind and self.number == options.nodes - 1
        self.disk = SimDisk(self, self.wall_ns, self.rng, options.grain_ns, blind)
        self.signatures = Signatures()
        self.user = User(self.world, self)
        self.index: SimIndex
        self.engine: SimEngine
        self.sync: FileSync

    def wall_ns(self) -> int:
        return BIRTH_NS + self.world.us * 1000 + self.skew_ns

    def now(self) -> Now:
        return Now(self.wall_ns(), self.world.us // 1000)

    def heard(self, event: Event) -> None:
        self.world.hazards.watcher(self, event)

    def other_names(self, path: bytes) -> list[bytes]:
        """What a path was called, or is called now, if the program has moved it or a folder above it."""
        above = [path[:at] for at, c in enumerate(path) if c == b"/"[0]]
        return [self.moves[each] + path[len(each) :] for each in [*above, path] if each in self.moves]

    def untold(self) -> Untold:
        """Of each path what its tree does not say, and the program sees here: which file it is, if names of one file are
        kept; its attributes, if they are. Empty where nothing of that is kept."""
        is_linking, is_keeping = self.world.linking.is_on_at(self), bool(self.world.keeping.parts_of(self))
        if not is_linking and not is_keeping:
            return {}
        found = {path: self.disk._find(path) for path in self.disk.tree()}
        return {
            path: (
                inode.number if is_linking and inode.kind is Kind.FILE else 0,
                inode.attributes if is_keeping else None,
            )
            for path, inode in found.items()
            if inode is not None
        }

    def keeps_away(self, path: bytes) -> bool:
        """True if this disk takes the name, or one above it, for another one, which is there."""
        return self.disk.fold is not None and self.disk.real(path) != path

    def watch(self, path: bytes) -> bool:
        stat = self.disk.stat(path)
        if stat is None or stat.kind != Kind.DIRECTORY:
            return False
        self.watched.add(stat.inode)
        return True
