"""Worlds in which nodes keep a part of their disks free, and what that promises.

In:   a seed; what nodes tell; a world at rest. Out: changes for its Options; Broken.
Rule: of contents of peers, no more comes to a node than it has room for. When there is room again, all of it comes by itself.
What one of its files has needs no room, whichever way it comes: when the change is ordered, or when the content is asked for
(a user may change that file while it is on its way).
"""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import TYPE_CHECKING, Any

from dir_sync.core import notes
from dir_sync.core.events import RoomMeasured
from dir_sync.core.jobs import ApplyJob, Job, StageJob, TreeOp
from dir_sync.core.messages import Message, Pull
from dir_sync.core.model import Kind
from dir_sync.core.notes import Note
from dir_sync.core.taking import Taking
from tests.sim.broken import Broken
from tests.sim.rating import rates_of
from tests.sim.sizing import sizes_of

if TYPE_CHECKING:
    from tests.sim.node import Node
    from tests.sim.world import World

__all__ = ["Limiting", "limits_of"]

_PLENTY = 1 << 40


def limits_of(seed: int) -> dict[str, Any]:
    """Of three kinds: 0. nodes have room for some bytes of others, and get more now and then; 1. they have limits of bytes per
    second; 2. they share no file above a size."""
    kind = seed // 5 % 3
    if kind:
        return rates_of(seed) if kind == 1 else sizes_of(seed)
    dice = Random(f"limits {seed}")
    return {"room": dice.choice([40, 300, 3_000, 20_000]), "rest_first": False}


class Limiting:
    """How much may come to each node, and how much has come."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.rng = Random(f"room of {world.options.seed}")
        self._given: Counter[str] = Counter(dict.fromkeys("ABCDE", world.options.room))
        self._came: Counter[str] = Counter()
        self._known: dict[str, set[bytes]] = {}  # node -> paths to which a content is to come that a file there has
        self._asked: dict[
            str, dict[bytes, bytes]
        ] = {}  # node -> path -> the content, if a file there had it when it was asked for
        self._is_plenty = False

    def begin(self, node: Node) -> None:
        """A node starts."""
        if self.world.options.room:
            self._known[node.name] = set()
            self._asked[node.name] = {}
            node.engine.board.taking = Taking(0, self._room(node), "--min-free keeps room")

    def _room(self, node: Node) -> int:
        return _PLENTY if self._is_plenty else self._given[node.name] - self._came[node.name]

    def act(self, node: Node) -> None:
        """Somebody makes room, or none; then it is measured, as a daemon does now and then."""
        if self.rng.random() < 0.5:
            self._given[node.name] += self.rng.choice([20, 200, 2_000])
        self.measure(node)

    def measure(self, node: Node) -> None:
        if not node.alive or node.engine.board.jobs_out:
            return  # what jobs have on the disk by now nobody has counted yet
        self.world.loop.post(node, node.epoch, RoomMeasured(self._room(node)))

    def end(self) -> None:
        """From now on there is room for everything."""
        self._is_plenty = True
        if self.world.options.room:
            for node in self.world.nodes:
                if node.alive:
                    self.world.loop.post(node, node.epoch, RoomMeasured(_PLENTY))

    @staticmethod
    def _contents(node: Node) -> set[bytes]:
        return {row.record.content for row in node.index.changes.after(0, 100_000) if row.record.kind == Kind.FILE}

    def asks(self, node: Node, message: Message) -> None:
        """A node asks for contents. Which of them has a file of the node already?"""
        if not self.world.options.room or not isinstance(message, Pull):
            return
        asked, there = self._asked[node.name], self._contents(node)
        for item in message.pulls:
            if item.digest in there:
                asked[item.path] = item.digest
            elif not item.offset:
                asked.pop(item.path, None)

    def ordered(self, node: Node, job: Job) -> None:
        """A node orders a job. Of what it is to install, what has a file of the node already?"""
        if not self.world.options.room:
            return
        known = self._known[node.name]
        if isinstance(job, StageJob) and job.grows is not None:
            known.discard(job.grows.path)
        if isinstance(job, ApplyJob):
            known.difference_update(item.path for item in job.items)
            there, asked = self._contents(node), self._asked[node.name]
            for item in job.items:
                content, was_there = item.target.content, asked.pop(item.path, None)
                if item.act == TreeOp.INSTALL and item.target.kind == Kind.FILE:
                    if content in there or content == was_there:
                        known.add(item.path)

    def told(self, node: Node, note: Note) -> None:
        if not self.world.options.room:
            return
        match note:
            case notes.Received(path, _, size):
                if path not in self._known[node.name]:
                    self._came[node.name] += size
            case notes.ReceivedMany(_, files, _):
                self._came[node.name] += sum(size for _, size in files)
            case notes.NoRoom():
                self.world.stats["no room"] += 1
        if not self._is_plenty and self._came[node.name] > self._given[node.name]:
            came, given = self._came[node.name], self._given[node.name]
            raise Broken(f"{node.name} took {came} bytes of others, and has room for {given}")

    def check(self, when: str) -> None:
        """At rest, with room for everything, nothing waits for room."""
        for node in self.world.nodes:
            taking = node.engine.board.taking
            if self.world.options.room and taking is not None and taking.waiting:
                raise Broken(f"{when}: {taking.waiting} paths of {node.name} wait for room, of which there is plenty")
