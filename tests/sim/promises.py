"""Promises that are checked where things happen: at each message, each commit, each job and each turn.

In:   what a node is about to say, or has just done. Out: nothing, or Broken.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from blake3 import blake3

from dir_sync.core.arrivals import is_flooded
from dir_sync.core.attributes import NOTHING, merged
from dir_sync.core.events import Event, Received
from dir_sync.core.jobs import (
    Applied,
    ApplyItem,
    ApplyJob,
    Cause,
    Listed,
    Looked,
    Naming,
    PruneJob,
    Result,
    TreeOp,
    Version,
)
from dir_sync.core.looks import LookOutcome
from dir_sync.core.messages import Acknowledge, Chunks, Message, ModificationUpdate, Pull, State, StateRequest
from dir_sync.core.mode import OWN_FIRST, Mode, is_own
from dir_sync.core.model import Kind, Record, beats, same_content, same_meta
from dir_sync.core.retention import SHARE, THIN_SHARE
from tests.sim.broken import Broken
from tests.sim.memory_disk import FIELDS
from tests.sim.node import Link, Local, Node
from tests.sim.trees import holds, is_gone_elsewhere, tells
from tests.sim.words import describe_record

if TYPE_CHECKING:
    from tests.sim.world import World

__all__ = ["Promises"]

_VAIN_MAX = 50  # announcements of one peer that changed nothing, however small the world is


class Promises:
    """What was said and done so far, as far as a later check needs it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.crossed: Counter[tuple[tuple[str, str], bytes]] = Counter()  # bytes of each content, by link
        self.sizes: dict[bytes, int] = {}
        self.displaced: dict[
            tuple[str, bytes], bytes
        ] = {}  # versions just displaced: the digest; b"": it cannot be read
        self.claims: dict[tuple[str, str], tuple[int, ...]] = {}  # to be in sync, as checked last

    def check_vain(self, node: Node, peer: str, count: int) -> None:
        rows = node.index.changes.come_to(0)
        # Each row once or twice; and each version that was replaced before it could be had.
        if count > _VAIN_MAX + 2 * (rows.files + rows.others) + self.world.made:
            raise Broken(f"{node.name} counts {count} announcements of {peer} that change nothing")

    def check_words(self, node: Node, link: Link, message: Message) -> None:
        """What is told is committed, and in order."""
        receiver = link.other(node)
        self.world.modes.check_words(node, message)
        self.world.merging.check_words(message)
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
            case StateRequest(_, replica, after):
                link.requests[node.name] += 1
                known = node.heard_of.get(replica, 0)
                may_ask_anew = node.rejected or node.forgot or node.lost_power or self.world.options.rules > 0
                may_ask_anew |= bool(self.world.options.sizes)  # for what is shared again
                if after < known and not (may_ask_anew and (not after or self.world.options.rules)):
                    raise Broken(f"{node.name} asks {receiver.name} again from {after}, it has heard {known}")
                if after < known:  # and from there on as far as that state comes
                    node.heard_of[replica] = after
                    node.asked_anew.add(replica)
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

    def _check_conflict(self, node: Node, item: ApplyItem, why: Cause) -> None:
        """What the winner was not made from is filed as a conflict, and nothing else is."""
        row = node.index.rows.get(item.path)
        if row is not None and is_own(row.record):
            return  # a person or a mirror undoes it
        if self.world.sizing.was_apart(item.path):
            return  # what the mesh had when somebody shared the path again counts as known there
        if row is None or same_content(row.record, item.target) or any(other.forgot for other in self.world.nodes):
            return  # (two lives of a node that got an old index may give out one vector)
        known = self.world.conflicts.was_known(row.record, item.target)
        if known is not None and known == (why == Cause.CONFLICT):
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
            for row in node.index.changes.after(before, 1_000):
                is_told = said.get(row.record.path) == row.record.stamp
                if self.world.ignoring.is_hidden_record(row.record, node, link.other(node)):
                    continue
                if self.world.ignoring.asks_anew(link.other(node), link):
                    continue  # (it may have forgotten what it had when it asked)
                there = link.other(node).index.rows.get(row.record.path)
                is_kept_there = there is not None and is_own(there.record)  # such as a file that is too large
                if is_own(row.record) or is_kept_there or not link.other(node).mode.announces:
                    continue  # (the other may have changed what it had, and tells nobody)
                if row.seq <= sequence and not is_told and not holds(link.other(node), row.record):
                    raise Broken(
                        f"{node.name} told {link.other(node).name} up to {sequence}, but not of {row.record.path!r}"
                    )
            ahead = {
                row.record.path for row in node.index.changes.after(sequence, 1_000)
            }  # told before its turn, maybe
            for path in said.keys() - ahead:
                del said[path]

    def _cross(self, link: Link, digest: bytes, size: int) -> None:
        self.crossed[(link.pair, digest)] += size

    def before_event(self, node: Node, event: Event) -> None:
        if isinstance(event, Received) and isinstance(event.message, StateRequest):
            link = node.links.get(event.peer)
            if link is not None:
                request = event.message
                link.requests[link.other(node).name] -= 1
                index = node.index  # (what was seen of another state of it does not count)
                is_ours = request.replica == index.identity.replica and index.sequences.gave_out(request.after)
                link.sequence[node.name] = request.after if is_ours else 0
                link.said[node.name].clear()
        if isinstance(event, (Looked, Listed)):
            some = (
                event.items
                if isinstance(event, Looked)
                else [one for listing in event.listings for one in listing.seen]
            )
            for seen in some:
                if seen.look == LookOutcome.FOUND and seen.kind == Kind.FILE:
                    node.seen.add(seen.content)
                    self.sizes[seen.content] = seen.size

    def after_event(self, node: Node, event: Event) -> None:
        match event:
            case (
                Received(peer, State(sequence=sequence))
                | Received(peer, Acknowledge(sequence=sequence))
                | Received(peer, ModificationUpdate(sequence=sequence))
            ):
                known = node.engine.board.peers.get(peer)
                if isinstance(event.message, State):
                    node.asked_anew.discard(peer)
                if known is not None and peer not in node.asked_anew:
                    node.heard_of[peer] = max(node.heard_of.get(peer, 0), sequence)
            case Applied(items):
                for result in items:
                    self._check_listed(node, result.version)
            case _:
                pass

    def _check_listed(self, node: Node, version: Version | None) -> None:
        """The history lists what a job has displaced, and as what it was."""
        digest = None if version is None else self.displaced.pop((node.name, version.name), None)
        if version is None or digest is None:
            return
        listed = node.index.versions.get(version.name)
        if listed is None:
            raise Broken(f"{node.name} does not list {version.name!r} in its history")
        if listed.content != digest:
            raise Broken(f"{node.name} lists {version.name!r} in its history as what it is not")

    def committed(self, node: Node) -> None:
        node.committed = node.index.sequences.last
        if node.unsettled:
            self._settle(node)
        node.heard_kept = dict(node.heard_of)
        for local in node.fresh_locals:
            path = local.record.path
            if node.mode.announces:
                self.world.locals.setdefault(path, []).append(local)
            if local.settles is not None and node.touched.get(path) == local.settles:
                del node.touched[path]
        node.fresh_locals.clear()

    def _settle(self, node: Node) -> None:
        there = node.disk.tree()
        for path in sorted(node.unsettled):
            row = node.index.rows.get(path)
            if row is not None and not node.engine.work.jobs.is_at(path) and tells(row.record, there.get(path), True):
                node.unsettled.discard(path)

    def after_apply(self, node: Node, job: ApplyJob, event: Applied) -> None:
        items: dict[bytes, ApplyItem] = {item.path: item for item in job.items}
        for result in event.items:
            item = items[result.path]
            is_news = item.act != TreeOp.META and item.naming is not Naming.JOIN
            if result.result == Result.DONE and is_news and item.target.kind != Kind.DIRECTORY:
                node.unsaid.add(item.path)
            if (
                result.result == Result.DONE
                and item.act in (TreeOp.INSTALL, TreeOp.MOVE)
                and item.target.kind == Kind.FILE
            ):
                node.seen.add(item.target.content)
                self.sizes[item.target.content] = item.target.size
            version = result.version
            if version is None or version.kind != Kind.FILE or version.why.is_of_nobody:
                continue
            content = node.disk.content(version.name)
            if content is None:
                raise Broken(f"{node.name} says it kept {version.name!r}, and it is not there")
            if blake3(content).digest() != item.target.content:  # (a copy of ours may replace another user's file)
                self._check_conflict(node, item, version.why)
            if result.is_unread:
                inode = node.disk._find(version.name)
                if not self.world.options.trouble and (inode is None or inode.number not in node.disk.unreadable):
                    raise Broken(f"{node.name} says of what can be read at {result.path!r} that it cannot")
            elif blake3(content).digest() not in node.seen:
                raise Broken(f"{node.name} replaced bytes it has not seen at {result.path!r}: {content[:20]!r}")
            self.displaced[node.name, version.name] = b"" if result.is_unread else blake3(content).digest()

    def check_pruned(self, node: Node, job: PruneJob) -> None:
        """The history gives way to age, or to room that is wanted: first what fills it with itself, then the oldest, and losers
        of conflicts last. A state goes at once only if a later one of the same file is there."""
        names = job.names
        assert self.world.options.retention is not None
        keep_ns, bytes_max = self.world.options.retention
        now = node.wall_ns()
        versions = list(node.index.versions.oldest_first())
        chosen = [version for version in versions if version.name in names and version.time_ns >= now - keep_ns]
        if not chosen:
            return
        if job.thins:
            if sum(version.size for version in versions) <= bytes_max // THIN_SHARE:
                raise Broken(f"{node.name} thins out a history that is nearly empty: {chosen[0].name!r}")
            for version in chosen:
                later = any(one.path == version.path and one.time_ns > version.time_ns for one in versions)
                if not later or version.why != Cause.REPLACED:
                    raise Broken(f"{node.name} takes {version.name!r} out of the history, and there is nothing later")
            return
        is_full = node.engine.work.retries.is_short
        if sum(version.size for version in versions) <= bytes_max and not is_full:
            raise Broken(f"{node.name} takes {chosen[0].name!r} out of the history, which is neither old nor too much")
        in_use = () if is_full else node.engine.versions.in_use
        stays = [version for version in versions if version.name not in names and version.name not in in_use]
        ordinary = [version for version in versions if version.why != Cause.CONFLICT]
        holds: Counter[bytes] = Counter()
        for version in ordinary:
            holds[version.path] += version.size
        if is_flooded(node.index.versions.brief_bytes(), sum(version.size for version in versions)):
            stays = [other for other in stays if not node.index.versions.is_brief(other.name)]
            chosen = [version for version in chosen if not node.index.versions.is_brief(version.name)]
        for version in chosen:
            newest = max((one.time_ns for one in ordinary if one.path == version.path), default=0)
            if holds[version.path] > bytes_max // SHARE and version.time_ns < newest:
                continue  # it fills the history with itself
            for other in stays:
                is_loser = version.why == Cause.CONFLICT, other.why == Cause.CONFLICT
                if is_loser == (True, False) or (is_loser[0] == is_loser[1] and other.time_ns < version.time_ns):
                    raise Broken(f"{node.name} takes {version.name!r} out of the history before {other.name!r}")

    def _comes_back(self, record: Record, previous: Record | None) -> bool:
        """True if something was ignored when its deletion elsewhere came: it is found when it is shared again."""
        was_gone = previous is not None and previous.kind is Kind.ABSENT and record.kind is not Kind.ABSENT
        return self.world.options.rules > 0 and was_gone and self.world.ignoring.was_hidden(record.path)

    def _is_about_attributes(self, node: Node, record: Record, previous: Record | None) -> bool:
        """True if only attributes are new in a record, and they are those on the disk of a node that keeps them. Whoever makes
        a folder anew has changed them. A file brings along what the version that took its place does not say; what that one
        says, nobody may change by the way."""
        inode = node.disk._find(record.path)
        if previous is None or inode is None or not node.disk.keeps:
            return False
        if not (same_content(record, previous) and same_meta(record, previous)):
            return False
        known, before = record.attributes or NOTHING, previous.attributes or NOTHING
        if record.kind is not Kind.DIRECTORY and merged(known, before) != known:
            return False
        return self._says_attributes(node, record)

    def _says_attributes(self, node: Node, record: Record) -> bool:
        """True if the attributes of a record are those on the disk, as far as the node keeps them."""
        inode, known = node.disk._find(record.path), record.attributes or NOTHING
        fields = [FIELDS[part] for part in node.disk.keeps]
        return inode is None or all(
            getattr(known, field) in (None, getattr(inode.attributes, field)) for field in fields
        )

    def made_here(self, node: Node, record: Record, before: tuple[Record | None, ...], origin: str) -> None:
        """The engine records a change as made on this node, from what was there `before`. Did a user make one?"""
        path = record.path
        previous = before[0]
        self.world.made += 1
        self.world.modes.made_here(node, record)
        self.world.sizing.made_here(record)
        self.world.ignoring.made_here(node, record, previous)
        self.world.conflicts.made(record, before)
        self.world.merging.recorded(node, record, before)
        settles = None
        if origin == "user" and record.stamp.maker.startswith(("=", OWN_FIRST)):
            origin = "scan"
        self.world.note(f"{node.name} records {origin} {describe_record(record)}")
        newer = previous is not None and any(
            beats(offer.record, previous) for offer in node.index.offers.of(path)
        )  # which takes its place at once
        there = node.disk.tree()
        above = [there[path[:at]] for at, c in enumerate(path) if c == b"/"[0] and path[:at] in there]
        replaced = any(kind != Kind.DIRECTORY for kind, *_ in above)
        if replaced:
            node.wiped.clear()  # what was put in the place of a folder was meant, and the rest may be no disaster
        if record.kind == Kind.ABSENT and path in node.wiped and not newer and not is_gone_elsewhere(node):
            raise Broken(f"{node.name} tells of {path!r}, which is gone with most others")
        if origin == "user":
            if (
                path not in node.touched
                and not any(other in node.touched for other in node.other_names(path))
                and not (node.forgot or node.linked)
                and not (self.world.options.rules and path in node.moves)  # the rules came while it moved
                and not self._comes_back(record, previous)
                and not self._is_about_attributes(node, record, previous)
                and b".recovered-" not in path  # a user's folder for which there was no other name
            ):
                raise Broken(f"{node.name} takes its own doing for an edit of a user at {path!r}: {record.kind.name}")
            if tells(record, there.get(path)) and self._says_attributes(node, record):
                settles = node.touched.get(path)
        node.fresh_locals.append(Local(record, origin, settles))

    @staticmethod
    def _is_report_due(node: Node, other: Node) -> bool:
        """True if the other node, after a change of its rules, lacks what it has asked for anew, and its report of that is due
        or on its way: at most five a second go out."""
        lack = other.engine.sync_report.lacked_from(node.index.identity.replica)
        said = node.engine.board.peers[other.index.identity.replica].standing.lacks
        return other.engine.scope.generation > 0 and lack != said

    def check_claim(self, node: Node) -> None:
        """Whoever says that it is in sync with a peer is: the peer has all that this node has announced."""
        for peer in node.engine.sync_report.in_sync_with():
            link = node.links.get(peer)
            if link is None or link.dead or node.greeted.get(peer) is not link:
                continue
            other = link.other(node)
            if (
                not other.alive
                or other.index.identity.replica != peer
                or not node.mode is other.mode is Mode.TWO_WAY
                or self.world.options.root_gone
                or other.forgot
                or node.forgot
            ):
                continue
            heard = node.engine.board.peers[peer].standing.heard
            key = node.index.sequences.last, other.index.sequences.last, heard, other.epoch
            if self.claims.get((node.name, other.name)) == key:
                continue
            self.claims[node.name, other.name] = key
            ours, theirs = (one.index.changes.after(0, 1_000) for one in (node, other))
            lacking = [(other, row.record) for row in ours if not holds(other, row.record)]
            lacking += [(node, row.record) for row in theirs if row.seq <= heard and not holds(node, row.record)]
            for who, record in lacking:
                if self.world.sizing.may_differ(record.path):
                    continue
                if self.world.ignoring.is_hidden_record(record, node, other) or node.engine.ignoring.is_changing:
                    continue
                contact = other.engine.board.peers.get(node.index.identity.replica)
                if self.world.options.rules and (
                    other.engine.ignoring.is_changing or contact is None or not contact.synced
                ):
                    continue  # it asks anew for what it had passed over
                if self.world.options.rules and self._is_report_due(node, other):
                    continue  # it has been told that, and reports it in a moment
                raise Broken(
                    f"{node.name} says that it is in sync with {other.name}; {who.name} lacks {describe_record(record)}"
                )
