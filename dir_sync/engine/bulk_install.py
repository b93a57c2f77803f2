"""New files that a peer pushed with their content: installed at once, with one intent for each update.

In:   MODIFICATION_UPDATE messages with contents. Out: apply jobs. What cannot be installed at once becomes an offer.
Used by: router.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from dir_sync.core import limits, notes
from dir_sync.core.hard_links import file_id_of
from dir_sync.core.ignore import NAME as RULES_NAME
from dir_sync.core.jobs import ApplyItem, ApplyResult, Cause, Result, TreeOp
from dir_sync.core.messages import Change
from dir_sync.core.model import FINGERPRINT_BYTES, Record, knows_itself, parent_of
from dir_sync.core.peers.contact import Contact
from dir_sync.engine.applier import Applier
from dir_sync.engine.board import Board
from dir_sync.engine.constants import TOLD_SINGLY, _new
from dir_sync.engine.own_echoes import OwnEchoes
from dir_sync.engine.publisher import Publisher
from dir_sync.engine.scope import Scope
from dir_sync.engine.signatures import SignatureBacklog
from dir_sync.engine.versions import VersionKeeper
from dir_sync.engine.work import WorkTable

__all__ = ["BulkInstall"]


class BulkInstall:
    """New files that a peer pushed with their content: one intent for each update."""

    def __init__(
        self,
        board: Board,
        work: WorkTable,
        scope: Scope,
        versions: VersionKeeper,
        signatures: SignatureBacklog,
        publisher: Publisher,
        echoes: OwnEchoes,
        applier: Applier,
    ) -> None:
        self._board = board
        self._work = work
        self._scope = scope
        self._versions = versions
        self._signatures = signatures
        self._publisher = publisher
        self._echoes = echoes
        self._applier = applier

    def install_pushed(self, peer: Contact, changes: tuple[Change, ...]) -> list[Change]:
        """Install pushed files at paths that the index does not know, as the planner would decide in the end. Returns
        the changes that have to be planned."""
        index, work, taking = self._board.index, self._work, self._board.taking
        others: list[Change] = []
        gifts: dict[bytes, Record] = {}
        given: dict[bytes, None] = {}  # their contents
        giver = peer.replica
        items: list[ApplyItem] = []
        here: dict[bytes, bool] = {}
        free = work.may_be_pushed(index.unknown([change.record.path for change in changes]))
        new = work.expected.lacks(index.contents.may_not_have([change.record.content for change in changes]))
        ignored = self._scope.ignored_files(free)
        for change in changes:
            _, record, _, _, _, content = change
            path, _, _, digest, *_ = record
            is_new = path in free and path not in gifts and digest in new and digest not in given
            if taking is not None and is_new and content is not None and not taking.take_pushed(record):
                content = None
            if content is None or not is_new or not knows_itself(record) or path in ignored:
                others.append(change)
                continue
            parent = path.rpartition(b"/")[0]
            is_here = here.get(parent)
            if is_here is None:
                is_here = here[parent] = work.is_unblocked(path)
                if is_here:
                    self._board.listings.put_into(parent)
            if not is_here:
                others.append(change)
                continue
            gifts[path] = record
            given[digest] = None
            item = _new(ApplyItem, (
                path, TreeOp.INSTALL, record, b"", Cause.REPLACED, content, None, b"", None, None, None, b"", None, giver,
            ))  # fmt: skip
            items.append(item)
        if gifts:
            self._publisher.subscribers[peer.replica].seeding.note_announcement()
            self._echoes.expect(gifts)
            intent = index.intents.put(peer.replica, gifts.values())
            self._applier.intend(intent, peer.replica, items)
            work.begin_pushed(intent, peer.replica, items)
        return others

    def on_pushed_installed(self, results: Sequence[ApplyResult]) -> list[ApplyResult]:
        """Handle all pushed files that were installed as ordered, as `Applier.on_applied` would. Returns the other
        results."""
        unknown = self._board.index.unknown([result.path for result in results])
        done = {
            result[0]: result[2]
            for result in results
            if result[1] is Result.DONE and len(result[2]) == FINGERPRINT_BYTES and result[0] in unknown
        }
        if self._board.pending_looks.looks:
            is_closed = self._board.pending_looks.is_closed  # a program has written to it: `Applier` has it read again
            done = {path: fp for path, fp in done.items() if not is_closed(path)}
        pushed = self._work.jobs.end_pushed(done)
        others = [result for result in results if result[0] not in pushed]
        installed = Counter([intent for _, _, _, intent in pushed.values()])
        for intent, count in installed.items():
            self._applier.no_longer_intended(intent, count)
        for replica in dict.fromkeys([replica for _, _, replica, _ in pushed.values()]):
            records = [item[2] for item, _, its_node, _ in pushed.values() if its_node == replica]
            paths = [record.path for record in records]
            self._echoes.made(paths, self._board.now.mono_ms)
            if self._board.journals:
                self._board.index.journal.write_new(records, self._board.now.wall_ns)
            rows = self._board.index.rows.put_new(records, [done[path] for path in paths])
            self._versions.came(record.content for record in records)
            self._board.announcements.add_rows(rows)
            subscriber = self._publisher.subscribers.get(replica)
            if subscriber is not None:
                subscriber.all_taken_over(records)
            self._work.copies.wake_all(paths)
            if self._board.links.is_on:
                for record in records:
                    if file_id_of(record):
                        self._board.links.add(record.path)
            self._board.listings.add_all([parent_of(path) for path in paths if path.endswith(RULES_NAME)])
            for record in records:
                if record.size >= limits.DELTA_FILE_BYTES_MIN:
                    self._signatures.sign_later(record, None)
            name = self._board.name_of(replica)
            for record in records[:TOLD_SINGLY]:
                self._board.tell(notes.Received(record.path, name, record.size))
            if more := records[TOLD_SINGLY:]:
                each = tuple((record.path, record.size) for record in more)
                self._board.tell(notes.ReceivedMany(name, each, sum(record.size for record in more)))
        return others
