"""Worlds whose users change lines of texts, and the promises about texts that are merged.

In:   a seed; versions and merges; a world at rest. Out: changes for its Options; Broken.
Rule: who was made from whom is followed here by each step, and not by vectors. A merge has a true common version, one
node makes it, once, and it has what both sides wrote. At rest nothing is left that could be merged.
"""

from __future__ import annotations

import zlib
from collections import Counter
from random import Random
from typing import TYPE_CHECKING, Any

from blake3 import blake3

from dir_sync.core.jobs import Cause
from dir_sync.core.merging import common_version
from dir_sync.core.messages import Acknowledge, Message, ModificationUpdate, State
from dir_sync.core.model import Kind, Record, Stamp
from dir_sync.files.texts import merge_texts
from tests.sim.broken import Broken
from tests.sim.seams import Merge
from tests.sim.trees import tokens_of
from tests.sim.words import describe_record

if TYPE_CHECKING:
    from tests.sim.node import Node
    from tests.sim.world import World

__all__ = ["Merging", "merges_of"]

_LINES = 24
_Version = tuple[bytes, Stamp]


def merges_of(seed: int) -> dict[str, Any]:
    """A world with texts, and with partitions in which several people change one."""
    dice = Random(f"merges {seed}")
    nodes = dice.choice([2, 2, 3, 3, 4])
    links = [(a, b) for a in range(nodes) for b in range(a + 1, nodes)]
    if nodes > 2 and dice.random() < 0.4:
        links = [(0, a) for a in range(1, nodes)]  # a hub
    return {
        "merges": dice.choice([0.4, 0.7, 0.9]),
        "nodes": nodes,
        "links": tuple(links),
        "skews": tuple(dice.choice([0, 0, dice.randint(-(10**9), 10**9), 10**17]) for _ in range(nodes)),
        "cut": dice.choice([0.05, 0.2]),
        "steps": dice.choice([15, 30, 50]),
        "pause_ms": dice.choice([30, 300, 1500]),
        "rest_first": dice.random() < 0.8,
        "trees": dice.choice(["equal", "equal", "overlapping"]),
        "crowded": True,
        "blind": False,
        "small_pages": False,
        "brake": False,
        "disaster": 0.0,
    }


class Merging:
    """Texts of a world, and what was merged."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.is_on = world.options.merges > 0
        self.rng = Random(f"texts of {world.options.seed}")
        self._from: dict[_Version, tuple[Stamp, ...] | None] = {}  # the versions it was made from; None: unknown
        self._with: dict[tuple[bytes, bytes], list[Stamp]] = {}  # (path, content) -> the versions that have it
        self._texts: dict[bytes, bytes] = {}  # by digest
        self._merges: dict[tuple[bytes, frozenset[Stamp]], list[Stamp]] = {}  # by what was merged
        self._told: set[_Version] = set()

    def planted(self, content: bytes) -> bytes:
        """What a file of the first trees has: a text, in these worlds."""
        return b"".join(b"%b %d\n" % (content, number) for number in range(_LINES)) if self.is_on else content

    # --- what users do -----------------------------------------------------------------------------------------------

    def edit(self, node: Node) -> None:
        """A user changes some lines of a text: adds one, rewrites one, or removes one."""
        tree = node.disk.tree()
        paths = [path for path, entry in tree.items() if entry[0] == Kind.FILE and not path.startswith(b"still")]
        if not paths:
            node.user.act()
            return
        path = self.rng.choice(paths)

        def act() -> None:
            content = node.disk.content(path) or b""
            lines = content.splitlines(keepends=True)
            if len(lines) < _LINES:
                lines = [*lines, *(self._line(node, path) for _ in range(_LINES))]
                lines = [line if line.endswith(b"\n") else line + b"\n" for line in lines]
            at = self.rng.randrange(len(lines))
            match self.rng.choice(["add", "rewrite", "rewrite", "remove"]):
                case "add":
                    lines.insert(at, self._line(node, path))
                case "rewrite":
                    lines[at] = self._line(node, path)
                case _:
                    del lines[at]
            node.disk.write(path, b"".join(lines), replace=self.rng.random() < 0.5)

        node.user.do(f"changes lines of {path!r}", act)

    def _line(self, node: Node, path: bytes) -> bytes:
        return self.world.token(node, f"a line of {path!r}") + b" %d\n" % self.rng.randrange(10)

    # --- what is true ------------------------------------------------------------------------------------------------

    def recorded(self, node: Node, record: Record, before: tuple[Record | None, ...]) -> None:
        """A node made a version from others."""
        if not self.is_on:
            return
        same = self._with.setdefault((record.path, record.content), [])
        # What has an earlier version's content is that version, under another name.
        found_again = same if node.forgot else []
        made_from = [one.stamp for one in before if one is not None]
        # A user may have changed a text that the node has forgotten, and that is what nobody knows.
        is_known = bool(made_from or found_again or not node.forgot)
        self._from[record.path, record.stamp] = (*made_from, *found_again) if is_known else None
        same.append(record.stamp)
        content = node.disk.content(record.path)
        if content is not None and blake3(content).digest() == record.content:
            self._texts[record.content] = content

    def _ancestors(self, path: bytes, stamp: Stamp) -> set[Stamp] | None:
        """All versions that one was made from, itself too; None: some are unknown."""
        found: set[Stamp] = set()
        ahead = [stamp]
        while ahead:
            one = ahead.pop()
            if one in found:
                continue
            found.add(one)
            before = self._from.get((path, one))
            if before is None:
                return None
            ahead += before
        return found

    def made(self, node: Node, merge: Merge) -> None:
        """A node has merged two versions."""
        record, winner, loser, base, data = merge
        path = record.path
        self.world.stats["merged"] += 1
        what = (
            f"{node.name} merges {describe_record(winner)} with {describe_record(loser)} from {describe_record(base)}"
        )
        self.world.note(what)
        self._texts[record.content] = data
        if node.index.identity.replica != min(winner.stamp.maker, loser.stamp.maker):
            raise Broken(f"{what}, and another node has the smaller id")
        self._merges.setdefault((path, frozenset((winner.stamp, loser.stamp))), []).append(record.stamp)
        mine, theirs = self._ancestors(path, winner.stamp), self._ancestors(path, loser.stamp)
        if mine is None or theirs is None:
            return
        alike = {base.stamp, *self._with.get((path, base.content), ())}  # two users may have made one content
        if not alike & mine or not alike & theirs:
            raise Broken(f"{what}, which is no common version")
        texts = [self._texts.get(one.content) for one in (winner, loser, base)]
        if None in texts:
            return
        ours, others, common = (tokens_of(text or b"") for text in texts)
        wanted = (ours - common) | (others - common) | (ours & others)
        if tokens_of(data) != wanted:
            raise Broken(f"{what}: {sorted(tokens_of(data) ^ wanted)[:3]} are lines that one side wrote or removed")

    def counts(self) -> Counter[bytes]:
        """How often the text at each path was merged."""
        found = Counter[bytes]()
        for (path, _), stamps in self._merges.items():
            found[path] += len(stamps)
        return found

    def check_words(self, message: Message) -> None:
        if not self.is_on:
            return
        match message:
            case State(records=records):
                self._told.update((record.path, record.stamp) for record in records)
            case Acknowledge(held=held):
                self._told.update(held)
            case ModificationUpdate(changes=changes):
                self._told.update((change.record.path, change.record.stamp) for change in changes)

    # --- at rest -----------------------------------------------------------------------------------------------------

    def check(self, when: str) -> None:
        """One version was merged from each two, and all that can be merged are."""
        if not self.is_on:
            return
        for (path, _), stamps in self._merges.items():
            if sum((path, stamp) in self._told for stamp in stamps) > 1:
                raise Broken(f"{when}: two versions of {path!r} were merged from the same two: {stamps}")
        options = self.world.options
        if options.retention is not None or options.trouble or options.unreadable or options.full or options.sync_fails:
            return
        if (
            any(node.forgot or node.linked or node.lost_power for node in self.world.nodes)
            or self.world.at_rest.others()
        ):
            return
        by_replica = {node.index.identity.replica: node for node in self.world.nodes}
        for node in self.world.nodes:
            for loser, version, _ in list(node.index.bases.losers()):
                known = node.index.versions.get(version)
                if (
                    loser.stamp.maker == node.index.identity.replica
                    and known is not None
                    and known.why is Cause.CONFLICT
                ):
                    self._check_loser(when, node, loser, by_replica)

    def _check_loser(self, when: str, node: Node, loser: Record, by_replica: dict[str, Node]) -> None:
        row = node.index.rows.get(loser.path)
        if row is None or row.record.kind is not Kind.FILE or row.record.content == loser.content:
            return
        winner = row.record
        merger = by_replica.get(min(winner.stamp.maker, loser.stamp.maker))
        if merger is None:
            return
        links = {frozenset(pair) for pair in self.world.options.links}
        hops = [{node.number, other.number} for other in self.world.nodes if other not in (node, merger)]
        relayed = any({*hop} in links and frozenset({merger.number, *(hop - {node.number})}) in links for hop in hops)
        if merger is not node and frozenset((node.number, merger.number)) not in links and not relayed:
            return
        bases = merger.index.bases
        common = [common_version(winner, loser, one.index.bases.of(loser.path)) for one in (node, merger)]
        packed = bases.content(winner)
        text = self._texts.get(loser.content)
        if None in common and self._is_plain(winner, loser, node, merger):
            raise Broken(
                f"{when}: nobody sees that {describe_record(loser)} and {describe_record(winner)} were made from one"
            )
        if None in common or not packed or text is None:
            return  # no common version can be proved; or it changed before it could be kept
        assert common[1] is not None
        base = bases.content(common[1])
        assert base is not None
        if merge_texts(zlib.decompress(base), zlib.decompress(packed), text, 5.0) is not None:
            raise Broken(f"{when}: nobody merges {describe_record(loser)} with {describe_record(winner)}")

    def _is_plain(self, winner: Record, loser: Record, *nodes: Node) -> bool:
        """True if both were made directly from one version, and the nodes have kept that."""
        path = loser.path
        mine, theirs = (self._from.get((path, one.stamp)) for one in (winner, loser))
        if not mine or len(mine) != 1 or mine != theirs:
            return False
        return all(mine[0] in {one.stamp for one in node.index.bases.of(path)} for node in nodes)
