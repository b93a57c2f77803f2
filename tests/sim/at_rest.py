"""Promises that are checked when nothing happens any more: all have the same, nothing is lost, nobody talks.

In:   a world at rest. Out: nothing, or Broken.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from blake3 import blake3

from dir_sync.core import limits
from dir_sync.core.events import Blind
from dir_sync.core.jobs import Cause
from dir_sync.core.mode import is_own
from dir_sync.core.model import Kind, has_seen, same_content
from dir_sync.core.names import STAGING
from dir_sync.core.reconcile import Take, decide
from tests.sim.broken import Broken
from tests.sim.node import Node
from tests.sim.trees import common, holds_something, is_below, is_in_the_way, rows_of
from tests.sim.words import describe_record, difference

if TYPE_CHECKING:
    from tests.sim.world import World

__all__ = ["AtRest"]


class AtRest:
    """The checks of a world at rest."""

    def __init__(self, world: World) -> None:
        self.world = world

    def check_versions(self) -> None:
        """What the history is said to hold it holds: whoever went on writing into it has been noticed."""
        for node in self.world.nodes:
            if (
                node.forgot
                or node.linked
                or self.world.options.jump
                or (node.lost_power and not self.world.options.users_sync)
            ):
                continue
            for version in node.index.versions.oldest_first():
                content = node.disk.content(version.name)
                if version.kind != Kind.FILE or (content is None and self.world.options.retention is not None):
                    continue
                if content is None or (len(content), blake3(content).digest()) != (version.size, version.content):
                    raise Broken(f"{node.name} lists {version.name!r} in its history, which is not as listed")
            for name in node.disk.history():
                if not node.index.versions.has(name):
                    raise Broken(f"{node.name} does not list {name!r}, which is in its history")

    def check(self, when: str, numbers: set[int] | None = None) -> None:
        """Everyone has the same, and knows it. `numbers`: of the nodes that run."""
        nodes = [node for node in self.world.nodes if numbers is None or node.number in numbers]
        best = common(nodes[0])
        for node in nodes:
            tree = common(node)
            wanted = {path: entry for path, entry in best.items() if not node.keeps_away(path)}
            if tree != wanted:
                raise Broken(f"{when}: {nodes[0].name} and {node.name} differ: {difference(wanted, tree)}")
            if node.engine.is_busy:
                raise Broken(f"{when}: {node.name} is busy at rest: {self.world.why_busy()}")
            running = {other.number for other in nodes}
            expected = sum(node.number in pair and running.issuperset(pair) for pair in self.world.options.links)
            if len(node.engine.board.peers) != expected:
                raise Broken(f"{when}: {node.name} is not connected with all its peers")
            self._check_in_sync(when, node, nodes)
            here = {other.index.identity.replica: other for other in nodes}
            machines = {other.node_id for other in self.world.nodes}
            for row in node.index.changes.after(0, 1_000_000):
                if machines & {row.record.stamp.maker, *(maker for maker, _ in row.record.vector)}:
                    raise Broken(f"{when}: {node.name} takes a node for the maker of {row.record.path!r}")
            for path in node.index.offers.paths(None, 1_000):
                left = [offer for offer in node.index.offers.of(path) if offer.peer in here]
                forgotten = node.engine.work.folders.is_waiting(path) and all(
                    self._has_forgotten(here[one.peer], path) for one in left
                )
                if left and not forgotten and not self.is_obstructed(path) and not node.keeps_away(path):
                    # (What an identity announced that is no more stays, in case it comes back. What it has forgotten is
                    # asked for, and dropped then; unless it waits for a folder. A node that keeps what it changes to itself
                    # does not say that it has undone a version which nobody else has.)
                    raise Broken(f"{when}: {node.name} has an offer left: {describe_record(left[0].record)}")
                self._check_within_reach(when, node, path)
            for peer, repeats in node.engine.vain.repeats.items():
                self.world.promises.check_vain(node, peer, repeats)
            staged = [name for name, _ in node.disk.list(STAGING) or [] if not name.startswith(b"delta-")]
            if staged:
                self.world.stats["left in staging"] += len(staged)
            displaced = [name for name in staged if name.startswith((b"swap-", b"old-"))]
            if displaced and not self.world.options.trouble and not self.world.options.unreadable:
                raise Broken(f"{when}: {node.name} has not filed away {displaced[0]!r}")
            for path, kind in node.engine.work.obstacles.all():
                if not is_in_the_way(node.disk.tree(), path, kind) and path not in self.world.ignoring.near():
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
        others = self.others()
        rows = [
            {path: row for path, row in rows_of(node.index).items() if not is_below(path, others)} for node in nodes
        ]
        for node, mine in zip(nodes, rows, strict=True):
            wanted = {path: row for path, row in rows[0].items() if not node.keeps_away(path)}
            mine = {path: row for path, row in mine.items() if not node.keeps_away(path)}
            if mine != wanted:
                raise Broken(f"{when}: the indexes of A and {node.name} differ: {difference(wanted, mine)}")
            if node.index.rows.count_live() != node.index.rows.counted_live():
                raise Broken(f"{when}: {node.name} has counted its files wrong")
            on_disk = common(node)
            live = {path for path, record in mine.items() if record[0] != Kind.ABSENT}
            if live != set(on_disk):
                raise Broken(f"{when}: index and disk of {node.name} differ: {sorted(live ^ set(on_disk))}")

    def _has_forgotten(self, node: Node, path: bytes) -> bool:
        """True if the node would not announce what it once announced at this path: it has nothing there that is shared."""
        row = node.index.rows.get(path)
        return row is None or is_own(row.record)

    def _check_in_sync(self, when: str, node: Node, nodes: Sequence[Node]) -> None:
        """At rest each node knows that it is in sync with each of its peers, unless something is in the way somewhere."""
        if self.others() or any(other.index.offers.count_paths() or holds_something(other) for other in nodes):
            return
        missing = node.engine.board.peers.keys() - set(node.engine.sync_report.in_sync_with())
        for peer in missing:
            standing = node.engine.board.peers[peer].standing
            raise Broken(f"{when}: {node.name} does not know that it is in sync with {peer[:4]}: {standing}")

    def is_obstructed(self, path: bytes) -> bool:
        """True if some node has something at this name, or above it, that is never synchronized."""
        return is_below(path, self.others())

    def kept_away(self) -> list[bytes]:
        """Names that are somewhere, and not where the disk takes them for others."""
        return [path for path in self.world.nodes[0].disk.tree() for node in self.world.nodes if node.keeps_away(path)]

    def others(self) -> list[bytes]:
        found = [
            path for node in self.world.nodes for path, entry in node.disk.tree().items() if entry[0] == Kind.OTHER
        ]
        found += self.world.ignoring.hidden()
        return found + [path for node in self.world.nodes if node.alive for path, _ in node.engine.work.obstacles.all()]

    def check_history(self) -> None:
        """Nothing is lost, and what users did counts."""
        kept = self.check_kept()
        self._check_lives(kept)
        self._check_named()

    def check_kept(self) -> set[bytes]:
        """Every write is in some tree or some history, unless a user who had it took it away. Returns what is there."""
        kept: set[bytes] = set()
        for node in self.world.nodes:
            kept |= node.disk.tokens(everywhere=True)
        lost = set(self.world.tokens) - kept - self.world.excused
        if lost:
            raise Broken(f"lost: {[(token, self.world.tokens[token]) for token in sorted(lost)[:3]]}")
        return kept

    def _check_named(self) -> None:
        """Of users who changed a path without knowledge of each other, all but the one that won are named as conflicts."""
        options = self.world.options
        if (
            options.retention is not None
            or options.rules
            or options.unreadable
            or any(node.forgot or node.linked for node in self.world.nodes)
        ):
            return
        if self.world.rejections or not options.users_sync or options.sync_fails or options.trouble or options.full:
            return  # (what a job displaced that failed afterwards is listed at the next start)
        whys = {Cause.CONFLICT}
        if options.crash or options.crash_in_job or options.root_gone or options.disaster:
            whys.add(Cause.RECOVERED)
        # By path: a program that goes on writing into what was displaced makes it another content.
        named = {
            version.path
            for node in self.world.nodes
            for version in node.index.versions.oldest_first()
            if version.why in whys
        }
        others = self.others() + self.world.modes.refused()
        for path, locals_ in sorted(self.world.locals.items()):
            if is_below(path, others):
                continue
            made = [local.record for local in locals_ if local.origin != "engine"]
            row = self.world.nodes[0].index.rows.get(path)
            for lost in self.world.conflicts.heads(made):
                if row is None or same_content(lost, row.record) or path in named:
                    continue
                if (path, lost.content) in self.world.taken:
                    continue  # before the winner came: so nothing was displaced there, and no record tells of that act
                if self.world.conflicts.was_known(lost, row.record) is False:
                    raise Broken(
                        f"nobody names the conflict that {describe_record(lost)} lost to {describe_record(row.record)}"
                    )

    def _check_within_reach(self, when: str, node: Node, path: bytes) -> None:
        """What is newer than what a node has at a path, and whose content it has elsewhere, does not stay an offer: it would
        win later, over a change that knows nothing of it."""
        engine, index = node.engine, node.index
        row = index.rows.get(path)
        take = decide(
            None if row is None else row.record, index.offers.of(path), (), engine.mode_rules.mode_at(path, row)
        )
        if (
            not isinstance(take, Take)
            or take.record.kind != Kind.FILE
            or not index.rows.by_content(take.record.content)
        ):
            return
        if (
            self.is_obstructed(path)
            or node.keeps_away(path)
            or engine.work.folders.is_waiting(path)
            or holds_something(node)
        ):
            return
        raise Broken(f"{when}: {node.name} has the content of {describe_record(take.record)}, and leaves it an offer")

    def check_crossed(self, when: str) -> None:
        """No content crosses a link twice, where nobody acts meanwhile. (A small one that moves on twice may be told twice.)"""
        for (pair, digest), size in sorted(self.world.promises.crossed.items()):
            allowed = self.world.promises.sizes.get(digest, size)
            if size > (2 * allowed if allowed <= limits.INLINE_BYTES_MAX else allowed):
                raise Broken(
                    f"{when}: {size} bytes of a content of {self.world.promises.sizes[digest]} crossed {pair[0]}-{pair[1]}"
                )
        self.world.promises.crossed.clear()

    def _check_lives(self, kept: set[bytes]) -> None:
        """An edit that nobody knowingly superseded is alive; what was knowingly deleted stays deleted. `kept`: the tokens
        that are somewhere: an edit that its user wiped before anybody had it cannot come back."""
        tree = self.world.nodes[0].disk.tree()
        forgetful = any(node.forgot for node in self.world.nodes)
        is_rejected = any(node.rejected for node in self.world.nodes)
        others = self.others()
        for path, locals_ in sorted(self.world.locals.items()):
            if is_below(path, others):
                continue
            made = [local for local in locals_ if local.origin != "engine"]
            last = [
                local
                for local in made
                if not any(other.record != local.record and has_seen(other.record, local.record) for other in made)
            ]
            # An edit that lost against a newer one, or against a folder, is in a history, whatever becomes of the winner.
            # One that only one node had, which lost it and forgot it, is gone, also if another file has its content.
            edits = [local.record for local in locals_ if local.record.kind != Kind.ABSENT]
            known = [record for record in edits if (path, record.stamp) not in self.world.forgotten]
            newest = max(known, key=lambda record: record.stamp, default=None)
            survives = newest in [local.record for local in last if local.record.kind in (Kind.FILE, Kind.SYMLINK)]
            is_to_be_had = newest is not None and self.world.written.get(newest.content, kept) <= kept
            if self.world.ignoring.was_hidden(path):
                continue  # what users did to it meanwhile is known to nobody
            if newest is not None and is_rejected:  # what went in a disaster, and is nowhere, cannot come back
                is_to_be_had = any(node.disk.has_content(newest.content) for node in self.world.nodes)
            if survives and is_to_be_had and path not in tree and not forgetful:
                raise Broken(f"the edit of {path!r} died: {[describe_record(local.record) for local in last]}")
            # Whose answer may have met, unknown to it, a delete of what it answered for. (Its stamp is the smaller one if the
            # clock of its node is more than a year behind: that node cannot tell a stamp from a forged one.)
            answered = any(
                gone.record.kind == Kind.ABSENT
                and (gone.record.stamp > edit.stamp or edit.stamp.ns - gone.record.stamp.ns > limits.STAMP_AHEAD_NS)
                and not has_seen(gone.record, edit)
                for gone in made
                for edit in edits
                if edit.kind != Kind.DIRECTORY
            )
            scanned = any(local.origin == "scan" for local in made)
            if (
                path in tree
                and tree[path][0] != Kind.DIRECTORY
                and not (scanned or answered or forgetful or path in self.world.rejected)
                and last
                and all(local.record.kind == Kind.ABSENT for local in last)
            ):
                raise Broken(f"{path!r} was deleted and is back")

    def check_quiet(self) -> None:
        """At rest a further look at everything says nothing, changes nothing, writes nothing."""
        before = [(node.disk.writes(), node.index.sequences.last) for node in self.world.nodes]
        sent = self.world.sent_messages
        self.world.note("a further look")
        for node in self.world.nodes:
            self.world.loop.post(node, node.epoch, Blind(b"", ""))
        self.world.run_to_rest("a further look")
        if self.world.sent_messages != sent:
            raise Broken("a further look at rest has made them talk")
        for node, (writes, sequence) in zip(self.world.nodes, before, strict=True):
            if node.index.sequences.last != sequence:
                raise Broken(f"a further look at rest has changed the index of {node.name}")
            if node.disk.writes() != writes:
                raise Broken(f"a further look at rest has made {node.name} write")
