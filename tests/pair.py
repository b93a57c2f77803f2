"""Two nodes without sockets, threads and clocks: engine, index and file_sync on memory disks, wired together."""

from __future__ import annotations

import itertools
from collections import Counter, deque
from collections.abc import Callable
from random import Random

from dir_sync.core.events import (
    Drained,
    Drop,
    Effect,
    Event,
    Excerpt,
    NewReplica,
    PeerDown,
    PeerUp,
    Received,
    Report,
    Send,
    Tell,
    UselessAnnouncements,
)
from dir_sync.core.messages import PROTOCOL, FolderIndex, Hello
from dir_sync.core.notes import Note
from dir_sync.core.retention import Retention
from dir_sync.core.safeguard.brake import Limits
from dir_sync.core.taking import Taking
from dir_sync.disk import SpelledDisk
from dir_sync.engine import Engine, Now
from dir_sync.file_sync import FileSync
from dir_sync.index import Index
from tests.ends import closed_at_end
from tests.sim.memory_disk import MemoryDisk

FOLDER = "default"
WALL_NS = 1_700_000_000 * 10**9
LIMITS = Limits(files=10, percent=50)


class Clock:
    """Wall and monotonic time go on together."""

    def __init__(self) -> None:
        self.ns = itertools.count(WALL_NS, 1000)
        self.ms = 1_000

    def now(self) -> Now:
        return Now(next(self.ns) + self.ms * 10**6, self.ms)


class NoSignatures:
    """A cache that forgets at once."""

    def get(self, digest: bytes) -> bytes | None:
        return None

    def put(self, digest: bytes, signature: bytes) -> None: ...


class OneNode:
    """A node without sockets and threads; its disk and its index outlive its engine."""

    def __init__(
        self,
        name: str,
        clock: Clock,
        limits: Limits = LIMITS,
        retention: Retention | None = None,
        folder: str = FOLDER,
        number: int = 0,
        merges: bool = False,
        links: bool = False,
    ) -> None:
        """`number`: the place of the folder in the HELLO of its node. `merges`: texts in conflict. `links`: names of one
        file."""
        self.merges, self.links = merges, links
        self.name, self.clock, self.limits, self.retention = name, clock, limits, retention
        self.folder, self.number = folder, number
        self.disk = MemoryDisk(lambda: clock.now().wall_ns, Random(name))
        self.index = closed_at_end(Index(":memory:", Random(name)))
        self.taking: Callable[[], Taking] | None = None  # makes the limits of what is taken, at each start
        self.reads_as = ""  # its identity, if it is a read-only member of a closed mesh
        self.starts = 0
        self.events_max = 1_000_000  # in one turn
        self.boot()

    def boot(self) -> None:
        self.starts += 1
        self.inbox: deque[Event] = deque()
        self.notes: list[Note] = []
        self.sends: list[Send] = []
        self.reports: list[Report] = []
        self.excerpts: list[Excerpt] = []
        self.vain: Counter[str] = Counter()  # announcements by each peer that changed nothing
        tag = f"{self.starts}"
        disk = self.disk if self.disk.fold is None else SpelledDisk(self.disk, True, True)
        self.sync = FileSync(disk, lambda _: True, NoSignatures(), lambda: self.clock.now().wall_ns, tag)
        self.sync.prepare()
        self.engine = Engine(
            self.index, self.folder, tag, False, self.limits, self.retention, number=self.number, merges=self.merges
        )
        self.engine.board.taking = None if self.taking is None else self.taking()
        self.engine.work.disk.is_blind = self.disk.fold is not None
        self.engine.board.keeps = bool(self.disk.keeps)
        self.engine.board.links.is_on = self.links
        if self.reads_as:
            self.engine.mode_rules.reads_only(self.reads_as)
        self._do(self.engine.start(self.clock.now()))

    def _do(self, effects: list[Effect]) -> None:
        self.index.commit()
        for effect in effects:
            if isinstance(effect, Tell):
                self.notes.append(effect.note)
            elif isinstance(effect, Send):
                self.sends.append(effect)
            elif isinstance(effect, Report):
                self.reports.append(effect)
            elif isinstance(effect, Excerpt):
                self.excerpts.append(effect)
            elif isinstance(effect, UselessAnnouncements):
                self.vain[effect.peer] += effect.announcements
            elif not isinstance(effect, Drop | NewReplica):
                done = self.sync.perform(effect)
                if done is not None:
                    self.inbox.append(done)

    def turn(self) -> bool:
        """One turn. True if anything happened."""
        effects: list[Effect] = []
        busy = bool(self.inbox)
        for _ in range(min(self.events_max, len(self.inbox))):
            effects += self.engine.handle(self.inbox.popleft(), self.clock.now())
        effects += self.engine.end_turn(self.clock.now())
        self._do(effects)
        return busy or bool(effects)

    def said(self, kind: type[Note]) -> bool:
        return any(isinstance(note, kind) for note in self.notes)


class Pair:
    def __init__(self, limits: Limits = LIMITS, retention: Retention | None = None, merges: bool = False) -> None:
        self.clock = Clock()
        self.one, self.two = (OneNode(name, self.clock, limits, retention, merges=merges) for name in ("one", "two"))
        self.linked = False
        self.delivered = 0  # messages
        self.run()

    def hello(self, node: OneNode) -> Hello:
        folder = FolderIndex(FOLDER, node.index.identity.replica, node.index.sequences.last)
        return Hello(PROTOCOL, f"node {node.name}".encode().hex(), node.name, f"{node.starts}", 6000, (folder,))

    def link(self) -> None:
        self.link_only()
        self.run()

    def link_only(self) -> None:
        """The same, and nothing happens yet."""
        self.linked = True
        for here, there in ((self.one, self.two), (self.two, self.one)):
            may_write = not there.reads_as
            here.inbox.append(PeerUp(there.index.identity.replica, self.hello(there), may_write=may_write))

    def cut(self) -> None:
        self.linked = False
        for here, there in ((self.one, self.two), (self.two, self.one)):
            here.sends.clear()
            here.inbox.append(PeerDown(there.index.identity.replica, "lost"))
        self.run()

    def restart(self, node: OneNode) -> None:
        if self.linked:
            self.cut()
        node.boot()
        self.run()
        self.link()

    def turn(self) -> bool:
        """One turn of both. True if anything happened."""
        busy = False
        for here, there in ((self.one, self.two), (self.two, self.one)):
            busy |= here.turn()
            for send in here.sends:
                if self.linked:
                    self.delivered += 1
                    there.inbox.append(Received(here.index.identity.replica, send.message))
                    here.inbox.append(Drained(there.index.identity.replica, send.size))
            here.sends.clear()
        return busy

    def step(self) -> None:
        """One turn of both, and ten milliseconds."""
        self.turn()
        self.clock.ms += 10

    def run(self) -> None:
        """Until nothing happens for three seconds."""
        calm = 0
        for _ in range(20_000):
            busy = self.turn()
            calm = 0 if busy else calm + 1
            if calm > 30:
                return
            self.clock.ms += 100 if calm else 1
        raise AssertionError("it runs on and on")
