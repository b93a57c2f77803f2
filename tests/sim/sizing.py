"""Worlds in which nodes share no file above a size, and what that promises.

In:   a seed; what nodes tell; a world at rest. Out: changes for its Options; Broken.
Rule: a file above the limit of a node comes to it never, and goes from it never; both are said. All else is the same
everywhere. When the limits are lifted, everything is.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

from dir_sync.core import notes
from dir_sync.core.declined import Reason
from dir_sync.core.mode import is_own_large
from dir_sync.core.model import Kind, Record
from dir_sync.core.notes import Note
from dir_sync.core.taking import Taking
from tests.sim.broken import Broken
from tests.sim.trees import common, has_below, is_below
from tests.sim.words import difference

if TYPE_CHECKING:
    from tests.sim.node import Node
    from tests.sim.world import World

__all__ = ["Sizing", "sizes_of"]

_LARGE = "larger than it takes"


def sizes_of(seed: int) -> dict[str, Any]:
    """A world in which one node or two have a limit that many files are above."""
    dice = Random(f"sizes {seed}")
    sizes = [dice.choice([30, 200, 1_000]), *[dice.choice([0, 0, 200]) for _ in range(4)]]
    dice.shuffle(sizes[: dice.choice([1, 2])])
    return {
        "sizes": tuple(sizes),
        "large": 0.3,
        "rest_first": False,
        "blind": False,
        "brake": False,
        "disaster": 0.0,
    }


class Sizing:
    """The limit of each node, and what it keeps away."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._is_lifted = False
        self._own: set[bytes] = set()  # paths at which a node kept a change to itself, because of its size

    def most(self, node: Node) -> int:
        """Bytes of a file that the node shares; 0: any number."""
        sizes: tuple[int, ...] = self.world.options.sizes
        return sizes[node.number] if sizes and not self._is_lifted else 0

    def begin(self, node: Node) -> None:
        """A node starts."""
        if self.world.options.sizes:
            node.engine.board.taking = Taking(self.most(node), large=_LARGE)

    def told(self, node: Node, note: Note) -> None:
        match note:
            case notes.Received(path, _, size):
                self._came(node, path, size)
            case notes.ReceivedMany(_, files, _):
                for path, size in files:
                    self._came(node, path, size)

    def _came(self, node: Node, path: bytes, size: int) -> None:
        if 0 < self.most(node) < size:
            raise Broken(f"{node.name} takes files of at most {self.most(node)} bytes, and took {path!r} of {size}")

    def check(self, when: str) -> None:
        """At rest the nodes differ in what is too large for one of them, and each knows what it does not take."""
        nodes = self.world.nodes
        apart = sorted(self._apart() | {*self.world.at_rest.others()})
        best = common(nodes[0])
        for node in nodes:
            if node.engine.is_busy:
                raise Broken(f"{when}: {node.name} is busy at rest: {self.world.why_busy()}")
            self._check_own(when, node)
            mine = common(node)
            for path in [path for path in {**mine, **best} if mine.get(path) != best.get(path)]:
                if not is_below(path, apart) and not (has_below(path, apart) and _is_folder(path, best, mine)):
                    raise Broken(
                        f"{when}: {nodes[0].name} and {node.name} differ:"
                        f" {difference({path: best.get(path, ())}, {path: mine.get(path, ())})}"
                    )

    def made_here(self, record: Record) -> None:
        if is_own_large(record):
            self._own.add(record.path)

    def was_apart(self, path: bytes) -> bool:
        """True if some node has kept a change at that path to itself."""
        return path in self._own

    def may_differ(self, path: bytes) -> bool:
        """True if a file is too large for one of the nodes at that path, or near it."""
        if not self.world.options.sizes or self._is_lifted:
            return False
        apart = sorted(self._apart())
        return is_below(path, apart) or has_below(path, apart)

    def _apart(self) -> set[bytes]:
        """Paths with a file that is too large for one of the nodes."""
        found: set[bytes] = set()
        for node in [node for node in self.world.nodes if node.alive]:
            for other in self.world.nodes:
                if most := self.most(other):
                    rows = [row.record for row in node.index.changes.after(0, 1_000_000)]
                    found |= {
                        one.path for one in rows if is_own_large(one) or (one.kind is Kind.FILE and one.size > most)
                    }
        return found

    def _check_own(self, when: str, node: Node) -> None:
        """What is too large is here only if it was made here; what others have and this node does not take, it names."""
        most = self.most(node)
        if not most:
            return
        named = {one.path for one in node.engine.sync_report.troubled() if one.reason is Reason.TOO_LARGE}
        for row in node.index.changes.after(0, 1_000_000):
            record = row.record
            if record.kind is Kind.FILE and record.size > most and not is_own_large(record):
                raise Broken(f"{when}: {node.name} shares {record.path!r} of {record.size} bytes, and at most {most}")
        links = {other.number for pair in self.world.options.links if node.number in pair for other in self.world.nodes}
        others = self.world.at_rest.others()
        for path in node.index.offers.paths(None, 1_000):
            here = {other.index.identity.replica for other in self.world.nodes if other.number in links}
            wanted = [one for one in node.index.offers.of(path) if one.peer in here]
            too_large = [one for one in wanted if one.record.kind is Kind.FILE and one.record.size > most]
            mine = node.index.rows.get(path)
            if mine is not None and is_own_large(mine.record):
                continue
            if too_large and path not in named and not is_below(path, others):
                raise Broken(f"{when}: {node.name} does not take {path!r}, and does not say it")
            if wanted and not too_large and not is_below(path, [*self._apart(), *others]):
                raise Broken(f"{when}: {node.name} has not taken {path!r}, which is not too large")
        self.world.stats["too large"] += len(named)

    def lift(self) -> None:
        """People start all nodes anew, without limits."""
        self._is_lifted = True
        for node in self.world.nodes:
            if node.alive:
                self.world.lives.crash(node, power=False)
            self.world.lives.boot(node)
        self.world.rest("after the limits were lifted")


def _is_folder(path: bytes, *trees: dict[bytes, tuple[object, ...]]) -> bool:
    return all(path not in tree or tree[path][0] == Kind.DIRECTORY for tree in trees)
