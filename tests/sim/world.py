"""A whole mesh in one thread, from one seed: the real engines, indexes, disks jobs, sessions and bytes on the wire.

In:   a seed (or Options). Out: nothing, or a Broken that says which promise was broken, and when.
Rule: everything is an action in one heap, ordered by time and number. Replaced are only the seams: time, the disk
      (MemoryDisk), the sockets, the workers and the watcher. The checkers stand where things happen, not only at the end.

Its rooms: `node` (state of one node) on `sim_disk`, `seams` and `users`; `lives` (start, crash), `loop` (turns and jobs),
`hazards` (faults between verbs), `network` (links); `promises` (checks where things happen), `at_rest` (checks of a mesh at
rest), `course` (what happens in which order). Each knows the world, and through it the others.
"""

from __future__ import annotations

import hashlib
import heapq
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from random import Random
from types import MappingProxyType
from typing import Any

from blake3 import blake3

from dir_sync.core.events import Decided
from dir_sync.core.model import Kind, Stamp, has_seen, parent_of
from dir_sync.core.safeguard.brake import covers
from tests.sim.at_rest import AtRest
from tests.sim.broken import Broken
from tests.sim.conflicts import Conflicts
from tests.sim.course import Course
from tests.sim.hazards import Hazards
from tests.sim.ignoring import Ignoring
from tests.sim.keeping import Keeping
from tests.sim.limiting import Limiting
from tests.sim.linking import Linking
from tests.sim.lives import Lives
from tests.sim.loop import Loop
from tests.sim.merging import Merging
from tests.sim.modes import Modes
from tests.sim.network import Network
from tests.sim.node import BIRTH_NS, Local, Node
from tests.sim.options import Options, bounded, draw
from tests.sim.promises import Promises
from tests.sim.rating import Rating
from tests.sim.sizing import Sizing
from tests.sim.trees import holds_something, is_below, kind_of, tokens_of

__all__ = ["Broken", "World", "run"]

_REST_WITHIN_US = 400_000_000  # after the last fault
_ACTIONS_MAX = 120_000


class World:
    """See the module. `trace`: called with one line for each thing that happens."""

    def __init__(self, options: Options, trace: Callable[[str], None] | None = None, bug: str = "") -> None:
        self.options = options
        self.bug = bug  # of the loop: "words before commit"
        self.rng = Random(f"world {options.seed}")
        self.us = 1_000_000
        self.faults = True
        self.actions = 0
        self._heap: list[tuple[int, int, Callable[..., None], tuple[object, ...]]] = []
        self._count = 0
        self._trace = trace
        self._log = hashlib.sha256()
        self.tokens: dict[bytes, str] = {}  # token -> who wrote what
        self.excused: set[bytes] = set()  # tokens that a user destroyed
        self.taken: set[tuple[bytes, bytes]] = set()  # (path, content) that a user had and took away
        self.saved: set[bytes] = set()  # names to which somebody saves just now
        self.halves: set[bytes] = set()  # digests of what is half a save just now
        self.rejections = 0
        self.made = 0  # versions that were made, by all nodes together
        self.rejected: set[bytes] = set()  # paths of which somebody said that what a node did to them was not meant
        self.forgotten: set[tuple[bytes, Stamp]] = set()  # versions that only one node had, and forgot with its loss
        self.locals: dict[bytes, list[Local]] = {}
        self.written: dict[bytes, set[bytes]] = {}  # digest of what a user wrote -> its tokens
        self.conflicts = Conflicts()
        self.sent_messages = 0
        self.stats: Counter[str] = Counter()
        self.lives = Lives(self)
        self.loop = Loop(self)
        self.hazards = Hazards(self)
        self.network = Network(self)
        self.promises = Promises(self)
        self.modes = Modes(self)
        self.ignoring = Ignoring(self)
        self.keeping = Keeping(self)
        self.linking = Linking(self)
        self.merging = Merging(self)
        self.limiting = Limiting(self)
        self.rating = Rating(self)
        self.sizing = Sizing(self)
        self.at_rest = AtRest(self)
        self.course = Course(self)
        self.nodes = [
            Node(self, number, options.skews[number], Random(f"node {options.seed} {number}"))
            for number in range(options.nodes)
        ]
        self._plant()

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
        return self.faults and share > 0 and self.rng.random() < share

    def run_until(self, us: int) -> None:
        while self._heap and self._heap[0][0] <= us:
            self._step()
        self.us = us

    def rest(self, what: str) -> None:
        """Until nothing happens any more; what a brake holds is decided on the way."""
        for node in self.nodes:
            if node.alive and holds_something(node):
                self.at(self.rng.randint(0, 20_000_000), self.decide, node, node.epoch, self.rng.random() < 0.5)
        self.run_to_rest(what)

    def decide(self, node: Node, epoch: int, approve: bool) -> None:
        if not node.alive or node.epoch != epoch or not holds_something(node):
            return
        # Its own generator: a world in which nothing is held is the same as before there were decisions about paths.
        rng = Random(f"paths {self.options.seed} {self.us}")
        if rng.random() < 0.7 and (paths := self._some_held(node, rng)):
            self.stats["decisions about paths"] += 1
            self.note(f"{node.name}: {paths!r} are {'approved' if approve else 'rejected'}")
            self.loop.post(node, node.epoch, Decided(approve, paths))
            self.at(rng.randint(0, 20_000_000), self.decide, node, epoch, rng.random() < 0.5)
            return
        self.loop.post(node, node.epoch, Decided(approve))

    def _some_held(self, node: Node, rng: Random) -> tuple[bytes, ...]:
        """Some paths that a node holds, or a folder of them, or what is in a folder that is held as one."""
        brakes, tree = node.engine.brakes, node.index.tree
        held = {path for paths in brakes.peers.held().values() for path in paths} | set(brakes.own.held)
        held |= {below for path in brakes.own.held for below in tree.live_paths(path)}
        some = rng.sample(sorted(held), rng.randint(1, max(1, len(held) - 1)))
        return tuple((parent_of(path) or path) if rng.random() < 0.2 else path for path in some)

    def decided(self, node: Node, approve: bool, paths: Collection[bytes]) -> None:
        """What a node holds of its own losses is approved or rejected, by its user or by that of another node."""
        self.note(f"{node.name}: what is held is {'approved' if approve else 'rejected'}")
        if not approve:
            for held in paths:
                for path in node.index.tree.live_paths(held):
                    others = [other for other in self.nodes if other is not node]
                    rows = (other.index.rows.get(path) for other in others if other.alive)
                    live = [row.record for row in rows if row is not None and row.record.kind != Kind.ABSENT]
                    if not live:
                        self.locals.pop(path, None)  # only this node knew of it, and forgets
                    mine = node.index.rows.get(path)
                    if mine is None or not all(other.alive for other in others):
                        continue
                    if not any(has_seen(record, mine.record) for record in live):
                        self.forgotten.add((path, mine.record.stamp))  # what the others have is older
            node.rejected = True
        node.wiped = {path for path in node.wiped if not covers(paths, path)}

    def run_to_rest(self, what: str) -> None:
        end = self.us + _REST_WITHIN_US
        while self._heap:
            if self._heap[0][0] > end:
                raise Broken(f"{what}: not at rest in time: {self.why_busy()}")
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
            raise Broken(f"it runs on and on: {self.why_busy()}")
        act(*arguments)

    def why_busy(self) -> str:
        words = []
        for node in self.nodes:
            engine = node.engine
            board = engine.board
            words.append(
                f"{node.name}: jobs {board.jobs_out}, agenda {len(board.pending_looks)}, todo {len(board.plan_queue)},"
                f" timers {len(board.plan_queue.timed())}, fetches {sorted(path for path, _ in engine.work.arrivals.fetches())},"
                f" offers {node.index.offers.count_paths()}, doing {engine.work.jobs.all()},"
                f" to list {board.listings.waiting}, ready {engine.work.arrivals.has_ready},"
                f" waiting {sorted(engine.work.rooms.paths())}, scanning {board.scan.is_on}"
                f" {sorted(board.scan.unseen)}"
            )
        return "; ".join(words)

    def acted(self, node: Node, before: dict[bytes, tuple[Kind, bytes, int, int]], first: int) -> None:
        """A user has done something on a node: what was it? `first`: number of the first token made in this act."""
        after = node.disk.tree()
        lost: set[bytes] = set()
        if node.alive and node.engine.board.scan.is_on:
            node.wiped.clear()
            node.may_brake = True
        if node.wiped:
            away = [path for path, entry in before.items() if entry[0] == Kind.DIRECTORY != kind_of(after, path)]
            there = before.keys() | after.keys()
            node.wiped = {path for path in node.wiped if path not in there and not is_below(path, away)}
        for path in {**before, **after}:
            old, new = before.get(path), after.get(path)
            if old == new or (old and new and old[:3] == new[:3] and old[0] == Kind.DIRECTORY):
                continue
            node.touched[path] = self.us
            if new is not None and new[0] == Kind.FILE and (old is None or old[1] != new[1]):
                self.written[blake3(new[1]).digest()] = tokens_of(new[1])
            if old is not None and old[0] == Kind.FILE:
                lost |= tokens_of(old[1])
            if old is not None and (new is None or old[:2] != new[:2]):
                self.taken.add((path, blake3(old[1]).digest() if old[0] == Kind.FILE else old[1]))
                node.disk.user_took(old[1])
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
                disk.write(name, b"a bystander: " + name, BIRTH_NS - 10**15)
            for name, content in common.items():
                if options.trees == "overlapping":
                    if shared.random() < 0.3:
                        continue
                    if shared.random() < 0.5:
                        content = self.token(node, f"initial {name!r}")
                if name.rpartition(b"/")[0]:
                    disk.mkdir(name.rpartition(b"/")[0])
                mtime = BIRTH_NS - 10**14
                if options.trees == "overlapping":
                    mtime += shared.choice([0, shared.randint(-(10**13), 10**13)])
                disk.write(name, self.merging.planted(content), mtime)
            disk.settle()
            node.touched = dict.fromkeys(disk.tree(), 0)
            node.bystanders = {
                name: disk.stat(name).inode
                for name in (b"still", b"still/deep", b"still/one", b"still/deep/two")  # type: ignore[union-attr]
            }


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
            world.course.run()
        finally:
            world.close()
        return world
