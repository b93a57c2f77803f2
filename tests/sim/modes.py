"""Worlds whose nodes have different modes, and the promises of each mode.

In:   a seed; a world at rest. Out: changes for its Options; nothing, or Broken.
Rule: two-way nodes keep all promises of ordinary worlds. A send-only node changes nothing that its users have, and a node
that keeps its changes to itself announces nothing that only it has made. After `override` and `revert` all have the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import TYPE_CHECKING, Any

from dir_sync.core.events import Overridden, Reverted
from dir_sync.core.jobs import ApplyItem, TreeOp
from dir_sync.core.messages import Acknowledge, Message, ModificationUpdate, State
from dir_sync.core.mode import Mode, is_own, is_own_first
from dir_sync.core.model import Kind, Record, Stamp, Stat, has_seen
from tests.sim.broken import Broken
from tests.sim.trees import common, has_below, is_below
from tests.sim.words import difference

if TYPE_CHECKING:
    from tests.sim.node import Node
    from tests.sim.world import World

__all__ = ["Modes", "modes_of"]

_CHANGING = (
    "create", "create_whole", "make_directory", "make_link", "remove_directory", "remove_file", "rename", "exchange",
    "append", "file.write",
)  # fmt: skip


def modes_of(seed: int) -> dict[str, Any]:
    """The nodes of a world with modes: the first works both ways, at most one only sends. All of them are linked."""
    dice = Random(f"modes {seed}")
    nodes = dice.choice([2, 3, 3, 4])
    others = [Mode.SEND_ONLY, *[dice.choice([Mode.RECEIVE_ONLY, Mode.MIRROR]) for _ in range(nodes)]]
    dice.shuffle(others)
    modes = [Mode.TWO_WAY, *others[: nodes - 1]]
    if nodes > 2 and dice.random() < 0.3:
        modes[1] = Mode.TWO_WAY
    links = tuple((a, b) for a in range(nodes) for b in range(a + 1, nodes))
    skew = dice.choice([0, 10**9, 10**17])
    return {
        "modes": tuple(modes),
        "nodes": nodes,
        "links": links,
        "skews": tuple(dice.randint(-skew, skew) for _ in range(nodes)),
        "blind": False,
        "brake": False,
        "disaster": 0.0,
    }


class Modes:
    """What the modes of a world promise."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.is_on = bool(world.options.modes)
        self.first: dict[str, dict[bytes, Stat]] = {}  # what each mirror had before it started for the first time
        self.shared: set[tuple[bytes, Stamp]] = set()  # versions that nodes made which announce what they make

    def begin(self, node: Node) -> None:
        """A node starts."""
        if node.mode is Mode.MIRROR and node.name not in self.first:
            with node.disk.calm():
                stats = {path: node.disk.stat(path) for path in node.disk.tree()}
            self.first[node.name] = {path: stat for path, stat in stats.items() if stat is not None}

    def before_apply(self, node: Node, items: Iterable[ApplyItem]) -> None:
        """A mirror does not undo what was here before the first contact, and nobody has touched since."""
        for item in items:
            is_undone = item.act is TreeOp.REMOVE and is_own(item.target)
            if is_undone and item.path not in node.engine.mode_rules.reverting:
                with node.disk.calm():
                    there = node.disk.stat(item.path)
                if (
                    there is not None
                    and there.kind is Kind.FILE
                    and there == self.first.get(node.name, {}).get(item.path)
                ):
                    raise Broken(f"{node.name} undoes {item.path!r}, which was here before the first contact")

    def made_here(self, node: Node, record: Record) -> None:
        if self.is_on and node.mode.announces:
            self.shared.add((record.path, record.stamp))

    def at_verb(self, node: Node, verb: str, path: bytes) -> None:
        """The program at a send-only node changes nothing that its users have."""
        if node.mode is Mode.SEND_ONLY and node.disk.program and verb in _CHANGING:
            if path and not path.startswith(b".dir_sync"):
                raise Broken(f"{node.name} only sends, and changes {path!r} ({verb})")

    def check_words(self, node: Node, message: Message) -> None:
        """A node that keeps its changes to itself announces what others made, and nothing else."""
        if node.mode.announces:
            return
        told: list[tuple[bytes, Stamp]] = []
        match message:
            case State(records=records):
                told = [(record.path, record.stamp) for record in records]
            case Acknowledge(held=held):
                told = list(held)
            case ModificationUpdate(changes=changes):
                told = [(change.record.path, change.record.stamp) for change in changes]
        for path, stamp in told:
            if (path, stamp) not in self.shared:
                raise Broken(f"{node.name} keeps its changes to itself, and announces {path!r} of {stamp}")

    def refused(self) -> list[bytes]:
        """Paths at which a send-only node has another version than the others: it need not be kept anywhere else."""
        nodes = [node for node in self.world.nodes if node.mode is Mode.SEND_ONLY]
        return [one.path for node in nodes for one in node.engine.own_changes.differences()]

    def check(self, when: str) -> None:
        """At rest the nodes differ in what their modes allow, and know it."""
        writers = [node for node in self.world.nodes if node.mode is Mode.TWO_WAY]
        others = self.world.at_rest.others()
        best = common(writers[0])
        for node in self.world.nodes:
            if node.engine.is_busy:
                raise Broken(f"{when}: {node.name} is busy at rest: {self.world.why_busy()}")
            found = list(node.engine.own_changes.differences())
            apart = [one.path for one in found] + others
            if node.mode is Mode.TWO_WAY and found:
                raise Broken(f"{when}: {node.name} works both ways, and says that {found[0].path!r} differs")
            if node.mode is Mode.MIRROR:
                self._check_mirror(when, node)
            mine = common(node)
            for path in [path for path in {**mine, **best} if mine.get(path) != best.get(path)]:
                if not is_below(path, apart) and not (has_below(path, apart) and self._is_folder(path, best, mine)):
                    raise Broken(
                        f"{when}: {node.name} ({node.mode.value}) and {writers[0].name} differ:"
                        f" {difference({path: best.get(path, ())}, {path: mine.get(path, ())})}"
                    )
            for one in found:
                kinds = best.get(one.path, (Kind.ABSENT,))[0], mine.get(one.path, (Kind.ABSENT,))[0]
                if (
                    kinds != (one.there, one.here)
                    and not is_below(one.path, others)
                    and not has_below(one.path, others)
                    and not self._is_lost(node, one.path)
                ):
                    raise Broken(f"{when}: {node.name} says {one}, and it is {kinds}")

    def _is_folder(self, path: bytes, *trees: dict[bytes, tuple[object, ...]]) -> bool:
        return all(path not in tree or tree[path][0] == Kind.DIRECTORY for tree in trees)

    def _is_lost(self, node: Node, path: bytes) -> bool:
        """True if the version that this node remembers was really announced, and no other node knows it any more: an index
        was lost, or an earlier one came back. A two-way node would bring that version back at once; this one does when a
        person reverts."""
        if node.mode is Mode.SEND_ONLY:  # what an identity announced that is no more stays, in case it comes back
            here = {other.index.identity.replica for other in self.world.nodes}
            return all(offer.peer not in here for offer in node.index.offers.of(path))
        known = node.index.rows.get(path)
        theirs = None if known is None else node.engine.own_changes.shared_version(known)
        if theirs is None or (path, theirs.stamp) not in self.shared:
            return False
        others = [other for other in self.world.nodes if other is not node]
        rows = [other.index.rows.get(path) for other in others]
        return any(other.forgot and other.mode.announces for other in others) and not any(
            row is not None and has_seen(row.record, theirs) for row in rows
        )

    def _check_mirror(self, when: str, node: Node) -> None:
        """A mirror keeps what was here before the first contact, and folders with that; everything else it undoes."""
        kept = [one.path for one in node.engine.own_changes.differences()]
        first = []
        for path in kept:
            row = node.index.rows.get(path)
            if row is not None and is_own_first(row.record):
                first.append(path)
        others = self.world.at_rest.others()
        for path in kept:
            is_obstructed = is_below(path, others) or has_below(path, others)
            if path not in first and not has_below(path, first) and not is_obstructed:
                raise Broken(f"{when}: {node.name} mirrors, and has left {path!r} as it is")

    def end_differences(self) -> None:
        """People end what differs: what the send-only node has counts everywhere, and the others take it."""
        for event, modes in ((Overridden(), (Mode.SEND_ONLY,)), (Reverted(), (Mode.RECEIVE_ONLY, Mode.MIRROR))):
            for node in self.world.nodes:
                if node.mode in modes:
                    self.world.note(f"{node.name}: {event!r}")
                    self.world.loop.post(node, node.epoch, event)
            self.world.rest(f"after {type(event).__name__}")
