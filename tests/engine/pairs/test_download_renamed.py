"""A download gets its name right after its last byte, whatever the watcher, the looks and the link are just about: its bytes
travel once. Two nodes whose disks, watcher and link take their time, as a seed has it."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from random import Random

import pytest

from dir_sync.core import limits
from dir_sync.core.events import Drained, Effect, Event, Moved, PeerUp, Received, Send, Touched, Urgency
from dir_sync.core.jobs import Job, Looked, LookJob
from dir_sync.core.looks import LookOutcome, Seen
from dir_sync.core.messages import PROTOCOL, Chunks, FolderIndex, Hello
from dir_sync.core.model import Kind, Stat, parent_of
from dir_sync.file_sync import FileSync
from tests.pair import FOLDER, LIMITS, Clock, OneNode
from tests.sim.node import Signatures

READ_BYTES_PER_MS = 300 * limits.KIB
WIRE_BYTES_PER_MS = 150 * limits.KIB
PIECE = 500_000
STEP_US = 500


class SlowNode(OneNode):
    """Its jobs take time, and it hears of changes a moment later. In a folder that it has not listed it hears of none."""

    def __init__(self, name: str, world: World) -> None:
        self.world = world
        self.watched: set[bytes] = set()
        self.heard_us = 0
        super().__init__(name, world.clock, LIMITS, None)

    def boot(self) -> None:
        super().boot()
        self.engine.board.with_deltas = True
        self.sync = FileSync(self.disk, self._watch, Signatures(), lambda: self.clock.now().wall_ns, f"{self.starts}")

    def _watch(self, path: bytes) -> bool:
        self.watched.add(path)
        return True

    def hear(self, event: Event) -> None:
        """In order, and when the watcher gets round to it."""
        late_ms = self.world.rng.choice([0, 0, 1, 3, 10, 30])
        self.heard_us = max(self.heard_us, self.world.us + late_ms * 1000)
        self.world.at(self.heard_us - self.world.us, lambda: self.inbox.append(event))

    def _do(self, effects: list[Effect]) -> None:
        self.index.commit()
        for effect in effects:
            if isinstance(effect, Send):
                self.world.send(self, effect)
            elif isinstance(effect, Job):
                self._begin_later(effect)

    def _begin_later(self, job: Job) -> None:
        self.world.at(self.world.rng.randint(0, 2_000), lambda: self._begin(job))

    def _begin(self, job: Job) -> None:
        """A look at a large file takes long."""
        paths = [item.path for item in job.items] if isinstance(job, LookJob) else []
        before = {path: self.disk.stat(path) for path in paths}
        size = sum(stat.size for stat in before.values() if stat is not None)
        took_us = self.world.rng.randint(50, 1_000) + size * 1000 // READ_BYTES_PER_MS
        self.world.at(took_us, lambda: self._end(job, before))

    def _end(self, job: Job, before: dict[bytes, Stat | None]) -> None:
        done = self.sync.perform(job)
        if isinstance(done, Looked):
            done = Looked(tuple(self._as_seen(seen, before[seen.path]) for seen in done.items))
        if done is not None:
            self.inbox.append(done)

    def _as_seen(self, seen: Seen, before: Stat | None) -> Seen:
        """What was there when the look began, if it was the same all the time."""
        if before is None:
            return Seen(seen.path, LookOutcome.ABSENT)
        is_large = seen.kind is Kind.FILE and seen.size >= limits.LARGE_FILE_BYTES
        if seen.look is LookOutcome.ABSENT or (is_large and before != self.disk.stat(seen.path)):
            return Seen(seen.path, LookOutcome.UNSTABLE, size=before.size)
        return seen


class World:
    def __init__(self, seed: int) -> None:
        self.rng = Random(seed)
        self.clock = Clock()
        self.us = 1_000_000
        self.queue: list[tuple[int, int, Callable[[], None]]] = []
        self.count = itertools.count()
        self.wire = 0  # bytes of contents
        self.free_us: dict[str, int] = {}  # node -> when all it has sent so far has arrived
        self.one, self.two = (SlowNode(name, self) for name in ("one", "two"))
        self.run(200)
        for here, there in ((self.one, self.two), (self.two, self.one)):
            folder = FolderIndex(FOLDER, there.index.identity.replica, 0)
            here.inbox.append(
                PeerUp(
                    there.index.identity.replica,
                    Hello(PROTOCOL, there.index.identity.replica, there.name, "1", 6000, (folder,)),
                )
            )
        self.run(1_000)

    def at(self, delay_us: int, act: Callable[[], None]) -> None:
        heapq.heappush(self.queue, (self.us + delay_us, next(self.count), act))

    def send(self, node: SlowNode, send: Send) -> None:
        other = self.two if node is self.one else self.one
        size = send.size
        if isinstance(send.message, Chunks):
            size = sum(len(piece.data) for piece in send.message.pieces)
            self.wire += size
        there_us = max(self.us, self.free_us.get(node.name, 0)) + 200 + size * 1000 // WIRE_BYTES_PER_MS
        self.free_us[node.name] = there_us
        self.at(there_us - self.us, lambda: other.inbox.append(Received(node.index.identity.replica, send.message)))
        self.at(there_us - self.us, lambda: node.inbox.append(Drained(other.index.identity.replica, send.size)))

    def run(self, ms: int) -> None:
        end = self.us + ms * 1000
        while self.us < end:
            while self.queue and self.queue[0][0] <= self.us:
                heapq.heappop(self.queue)[2]()
            for node in (self.one, self.two):
                due = node.engine.next_deadline()
                if node.inbox or (due is not None and due <= self.clock.ms):
                    node.turn()
            self.us += STEP_US
            self.clock.ms = self.us // 1000


def download(seed: int) -> float:
    """Returns how often its bytes have travelled."""
    world = World(seed)
    rng, node = world.rng, world.one
    size = rng.choice([8, 16, 24, 40]) * limits.MIB + rng.randrange(limits.MIB)
    bytes_per_ms = rng.choice([8_000, 12_000, 40_000])
    data = rng.randbytes(size)
    node.disk.write(b"d.part", b"")
    node.hear(Touched(b"d.part", Urgency.CREATED))
    file = node.disk.hold(b"d.part")
    for at in range(0, size, PIECE):
        file.write(at, data[at : at + PIECE])
        node.hear(Touched(b"d.part", Urgency.WRITING))
        world.run(PIECE // bytes_per_ms)
    file.close()
    node.hear(Touched(b"d.part", Urgency.NOW))
    world.run(rng.choice([1, 1, 1, 3, 10, 20, 50, 100, 300]))
    name = b"d.iso"
    if rng.random() < 0.5:
        name = b"new/d.iso"
        node.disk.mkdir(b"new")
        node.hear(Touched(b"new", Urgency.FOLDER))
        if rng.random() < 0.3:
            world.run(rng.choice([1, 5, 20]))
    node.disk.move(b"d.part", name)
    is_seen = parent_of(name) in node.watched
    node.hear(Moved(b"d.part", name, False) if is_seen else Touched(b"d.part", Urgency.VANISHED))
    for _ in range(30):
        world.run(500)
        if world.two.disk.content(name) == data and world.two.disk.content(b"d.part") is None:
            return world.wire / size
    raise AssertionError("it never got its name there")


@pytest.mark.parametrize("seed", [7, 43, 97])
def test_a_download_that_is_renamed_after_its_last_byte_travels_once(seed: int) -> None:
    assert download(seed) <= 1.05
