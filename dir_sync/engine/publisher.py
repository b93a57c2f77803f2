"""Announces to each peer what changed here, in ascending sequence, and seeds new peers with contents.

In:   rows of the index above the sequence sent to a peer, and the changes of this turn.
Out:  STATE, ACKNOWLEDGE and MODIFICATION_UPDATE messages.
Rule: changes that stay on this node are passed over; nothing tells a peer that there was one.
Used by: folder_times, local_renames, look_queue, rows, uploader, bulk_install, sync_report, intake, local_changes,
      scan.
"""

from __future__ import annotations

from dir_sync.core import limits, notes
from dir_sync.core.content import bucket_of
from dir_sync.core.events import Send
from dir_sync.core.jobs import ReadItem, ReadJob
from dir_sync.core.messages import State
from dir_sync.core.mode import is_own
from dir_sync.core.model import Kind, Record
from dir_sync.core.peers.announce import Fresh, Outgoing, Subscriber, pages, tell
from dir_sync.core.peers.contact import Contact
from dir_sync.engine.board import Board
from dir_sync.engine.constants import STALLED_MS, TELL_TOGETHER_MS, TOLD_SINGLY
from dir_sync.engine.mode_rules import ModeRules

__all__ = ["Publisher"]

_OLD_NAMES_MAX = 4  # of one file
_RENAMES_MAX = 10_000  # remembered renames
_PAGE_SHARED = limits.PAGE_RECORDS_MAX // 8  # rows of a page while several peers compete: some 3 ms
_PUMPS_MAX = 2  # peers that receive a page of backlog in one turn


class Publisher:
    """Announces to each peer what changed here, in ascending sequence, and seeds new peers."""

    def __init__(self, board: Board, mode_rules: ModeRules) -> None:
        self._board = board
        self._mode_rules = mode_rules
        self.renamed_here: dict[bytes, tuple[bytes, ...]] = {}  # new name -> old names, of this turn
        self._left_here: dict[bytes, bytes] = {}  # all these old names, each with the new one
        # new name -> old names, since the start, for peers that were away
        self._sources: dict[bytes, tuple[bytes, ...]] = {}
        self.told_ms = 0  # when (ms) changes were last announced
        self._pumped = ""  # the last peer that received a page of backlog
        self.subscribers: dict[str, Subscriber] = {}  # by node: the connected peers

    def peer_came(self, peer: Contact) -> None:
        self.subscribers[peer.replica] = Subscriber(peer)

    def peer_gone(self, replica: str) -> None:
        del self.subscribers[replica]

    def is_up_to_date(self, replica: str) -> bool:
        """True if everything in the index was announced to that peer."""
        peer = self.subscribers[replica]
        return peer.told_last and not peer.summary and peer.sent >= self._board.index.sequences.last

    def waits_for_acknowledgements(self) -> bool:
        """True while a peer that is being seeded has not acknowledged what was sent."""
        for peer in self.subscribers.values():  # asked after each turn, so without a generator
            is_seeded = peer.seeding.contents is not None and peer.pushes.sizes
            if is_seeded and peer.sent < self._board.index.sequences.last:
                return True
        return False

    def publish_when_due(self) -> None:
        if self._board.is_shared and self.may_tell_later():
            return
        self.told_ms = self._board.now.mono_ms
        if self._board.announcements.rows or self._board.announcements.unlogged:
            self.publish()
        elif self.renamed_here:
            self._forget_renames()

    def renamed(self, path: bytes, sources: tuple[bytes, ...]) -> None:
        """A file was renamed to `path` in this turn. `sources`: its earlier names."""
        self.renamed_here[path] = sources
        self._left_here.update(dict.fromkeys(sources, path))

    def new_name_of(self, source: bytes) -> bytes | None:
        """The name to which the file that was known as `source` was renamed in this turn; None: it was not."""
        return self._left_here.get(source)

    def _forget_renames(self) -> None:
        self.renamed_here.clear()
        self._left_here.clear()

    def publish(self) -> None:
        """Announce the changes of this turn to every peer that is up to date. Peers that lag behind get them from the
        index."""
        fresh = self._with_renames() if self._board.announcements.unlogged or self._board.announcements.rows else {}
        self._forget_renames()
        for path, change in fresh.items():
            if change.source is not None:
                self._remember_rename(path, change.source)
        self.log_local_changes(fresh)
        if not self._board.announcements.rows:
            return
        first, last = self._board.announcements.rows[0][0], self._board.announcements.rows[-1][0]
        is_known = last - first < len(self._board.announcements.rows)
        rows = self._board.announcements.take()
        if not is_known or not any(peer.has_asked for peer in self._board.peers.values()):
            return  # not all changes are in the queue: the index has them
        until = rows[-1][0]
        before = rows[0][0] - 1
        latest = {record.path: seq for seq, record in rows}
        rows = [(seq, record) for seq, record in rows if latest[record.path] == seq]
        if self._mode_rules.keeps_own:
            rows = [(seq, record) for seq, record in rows if not is_own(record)]
            if not rows:
                for subscriber in self.subscribers.values():
                    if subscriber.sent == before:
                        subscriber.sent = until
                return
        for _, record in rows:
            if record.path in fresh and fresh[record.path].record != record:
                del fresh[record.path]  # the path changed once more since
        cache: dict[object, Outgoing] = {}
        sends: list[tuple[Outgoing, list[str]]] = []
        for replica in sorted(self._board.peers):
            peer, subscriber = self._board.peers[replica], self.subscribers[replica]
            if not peer.has_asked or subscriber.sent != before or peer.connection.queued > limits.OUTBOX_BYTES_MAX:
                continue
            if self.check_seeding(replica):
                given = subscriber.seeding.contents
                assert given is not None
                for path, change in fresh.items():
                    if change.data is not None and change.record.content in given:
                        # the peer makes a copy of the content that it received before
                        fresh[path] = change._replace(data=None)
                if not subscriber.may_be_pushed(sum(len(one.data) for one in fresh.values() if one.data is not None)):
                    continue
                given.update(one.record.content for one in fresh.values() if one.data is not None)
            at = 0  # messages to one peer keep their order, also where several peers get the same message
            for told in tell(self._board.folder, subscriber, rows, fresh, until, cache):
                same = (n for n in range(at, len(sends)) if sends[n][0].message is told.message)
                at = next(same, len(sends))
                if at == len(sends):
                    sends.append((told, []))
                sends[at][1].append(replica)
                peer.standing.told(told.message)
                at += 1
                peer.connection.queued += told.size
            subscriber.sent = until
        for told, nodes in sends:
            self._board.emit(Send(tuple(nodes), told.message, told.size))

    def log_local_changes(self, fresh: dict[bytes, Fresh]) -> None:
        """Log what was changed here in this turn. A rename is one entry."""
        if not self._board.announcements.unlogged:
            return
        source_of = {path: one.source for path, one in fresh.items() if one.source is not None}
        sources = set(source_of.values())
        for note in self._board.announcements.take_unlogged():
            is_deletion = isinstance(note, notes.DeletedHere)
            if note.path in source_of and not is_deletion:
                self._board.tell(notes.RenamedHere(note.path, source_of[note.path]))
            elif note.path not in sources or not is_deletion:
                self._board.tell(note)

    def check_seeding(self, replica: str) -> bool:
        """True if that peer is sent contents without asking: it came with an empty folder, and no other peer could give
        them."""
        seeding = self.subscribers[replica].seeding
        if seeding.contents is None or len(self._board.peers) > 1 or seeding.has_announced:
            seeding.end()
            return False
        return True

    def seeding_lags(self) -> bool:
        """True while a peer that is being seeded still has much to install. The scan then waits, so that each file is
        read once for both the scan and the peer."""
        for replica, subscriber in self.subscribers.items():
            if self.check_seeding(replica) and subscriber.pushes.total > limits.PULL_WINDOW_BYTES // 2:
                if self._board.now.mono_ms - subscriber.pushes.acked_ms <= STALLED_MS // 20:
                    return True
                subscriber.seeding.end()  # the peer does not keep up
        return False

    def seed_page(self, subscriber: Subscriber) -> None:
        """Read the contents of the next page of the index for a peer that is being seeded, as much as its window
        allows."""
        peer, seeding = subscriber.contact, subscriber.seeding
        assert seeding.contents is not None
        if seeding.page:
            return
        if not subscriber.may_be_pushed(limits.ATTACHED_BYTES_MAX):
            if self._board.now.mono_ms - subscriber.pushes.acked_ms > STALLED_MS // 20:
                seeding.end()  # the peer does not keep up: it gets announcements, and pulls when it can
            return
        rows: list[tuple[int, Record]] = []
        items: list[ReadItem] = []
        size = 0
        page = self._board.index.changes.after(subscriber.sent, limits.LOOK_ITEMS_MAX // 2)
        if not page:  # the sequence numbers since the last row are unused
            subscriber.sent = self._board.index.sequences.last
        if self._mode_rules.keeps_own:
            announced = [row for row in page if not is_own(row.record)]
            if page and not announced:
                subscriber.sent = page[-1].seq
                self._board.run_once_more()
            page = announced
        for row in page:
            record = row.record
            is_sent = record.content in seeding.contents
            if record.kind == Kind.FILE and record.size <= limits.INLINE_BYTES_MAX and not is_sent:
                if size + record.size > limits.ATTACHED_BYTES_MAX:
                    break
                size += record.size
                items.append(ReadItem(len(rows), record.path, row.fp, 0, record.size))
            rows.append((row.seq, record))
        seeding.page = rows
        if items:
            self._board.order(ReadJob(peer.replica, peer.link, tuple(items), push=True))
        elif rows:
            self.seed(peer.replica, {})

    def seed(self, replica: str, contents: dict[int, bytes]) -> None:
        """Send a page with the contents that were read for it."""
        subscriber = self.subscribers[replica]
        seeding = subscriber.seeding
        fresh: dict[bytes, Fresh] = {}
        sent: list[tuple[bytes, int]] = []
        rows = []
        for number, (seq, record) in enumerate(seeding.page):
            row = self._board.index.rows.get(record.path)
            if row is None or row.seq != seq:
                continue  # it changed since, and is announced with its new sequence
            rows.append((seq, record))
            data = contents.get(number)
            if data is not None and len(data) == record.size:
                fresh[record.path] = Fresh(record, None, data, None, None, None)
                sent.append((record.path, record.size))
                if seeding.contents is not None:
                    seeding.contents.add(record.content)
        self._log_sent(replica, sent)
        until = seeding.page[-1][0]
        seeding.page = []
        for told in tell(self._board.folder, subscriber, rows, fresh, until, {}):
            self._board.send(replica, told.message, told.size)
        subscriber.sent = until
        self._board.run_once_more()

    def _log_sent(self, replica: str, files: list[tuple[bytes, int]]) -> None:
        """Log the files of one page: path and size of each."""
        name = self._board.name_of(replica)
        for path, size in files[:TOLD_SINGLY]:
            self._board.tell(notes.Sent(path, name, size))
        if more := tuple(files[TOLD_SINGLY:]):
            self._board.tell(notes.SentMany(name, more, sum([size for _, size in more])))

    def _with_renames(self) -> dict[bytes, Fresh]:
        """The changes of this turn. If a content or a file has a new name, and its old name vanished in the same turn,
        the change becomes a rename."""
        gone: dict[bytes, bytes] = {}
        for path, fresh in self._board.announcements.fresh.items():
            if fresh.record.kind == Kind.ABSENT and fresh.previous is not None and fresh.previous.kind == Kind.FILE:
                gone[fresh.previous.content] = path
        out = {}
        for path, fresh in self._board.announcements.fresh.items():
            if fresh.record.kind == Kind.FILE and fresh.record.content in gone:
                fresh = fresh._replace(source=gone.pop(fresh.record.content), data=None, delta=None)
            elif fresh.record.kind == Kind.FILE and path in self.renamed_here:  # a renamed file that also changed
                known = (source for source in self.renamed_here[path] if source in self._board.announcements.fresh)
                source = next(
                    (one for one in known if self._board.announcements.fresh[one].record.kind == Kind.ABSENT), None
                )
                if (
                    source is not None
                    and (before := self._board.announcements.fresh[source].previous)
                    and before.kind == Kind.FILE
                ):
                    fresh = fresh._replace(source=source)
            out[path] = fresh
        return out

    def _remember_rename(self, path: bytes, source: bytes) -> None:
        """Remember earlier names of a file: a peer that is away may know any of them."""
        self._sources[path] = (source, *self._sources.pop(source, ()))[:_OLD_NAMES_MAX]
        if len(self._sources) > _RENAMES_MAX:
            del self._sources[next(iter(self._sources))]

    def send_backlogs(self) -> None:
        """Announce the backlog to peers that lag behind. Of peers that lag by a page or more, only some are served in
        one turn, in rotation."""
        nodes = sorted(self._board.peers)
        if len(nodes) > 1:
            nodes = [replica for replica in nodes if replica > self._pumped] + [
                replica for replica in nodes if replica <= self._pumped
            ]
        left = _PUMPS_MAX
        for replica in nodes:
            if self.is_up_to_date(replica):
                continue
            subscriber = self.subscribers[replica]
            if self._board.announcements.rows and subscriber.sent == self._board.announcements.rows[0][0] - 1:
                continue  # the current changes are announced to it in a moment
            if self._board.index.sequences.last - subscriber.sent < limits.CHANGES_MAX // 10:
                self.send_backlog(subscriber)
            elif left:
                before = subscriber.sent
                self.send_backlog(subscriber)
                if subscriber.sent != before:
                    left -= 1
                    self._pumped = replica
            else:
                self._board.run_once_more()

    def send_backlog(self, subscriber: Subscriber) -> None:
        """Send the next page of the index to a peer that lags behind, if its outbox has room."""
        peer = subscriber.contact
        if not peer.has_asked or peer.connection.queued > limits.OUTBOX_BYTES_MAX // 4:
            return
        if subscriber.summary:
            if self._board.scan.is_on:
                return  # the comparison needs the end of our scan
            index = self._board.index
            subscriber.compare(index.rows.summary(), index.sequences.last, index.rows.count_live()[0])
        if subscriber.sent < self._board.index.sequences.last and self.check_seeding(peer.replica):
            self.seed_page(subscriber)
        elif subscriber.sent < self._board.index.sequences.last and not subscriber.seeding.page:
            most = _PAGE_SHARED if self._board.is_shared else limits.PAGE_RECORDS_MAX // 2
            rows = self._board.index.changes.after(subscriber.sent, most)
            records = [row.record for row in rows]
            fit = len(pages(records, self._sources)[0]) if records else 0
            rows = rows[:fit]
            if rows and rows[-1].record.kind == Kind.FILE:  # both halves of a rename belong into one message
                rows += [
                    row for row in self._board.index.changes.after(rows[-1].seq, 1) if row.record.kind == Kind.ABSENT
                ]
            until = rows[-1].seq if rows else self._board.index.sequences.last
            if self._mode_rules.keeps_own:
                rows = [row for row in rows if not is_own(row.record)]
            if subscriber.equal and subscriber.sent < subscriber.equal_until:
                equal, last = subscriber.equal, subscriber.equal_until
                rows = [row for row in rows if row.seq > last or bucket_of(row.record.path) not in equal]
            if rows or until == self._board.index.sequences.last:
                told_rows = [(row.seq, row.record) for row in rows]
                for told in tell(self._board.folder, subscriber, told_rows, {}, until, {}, self._sources):
                    self._board.send(peer.replica, told.message, told.size)
            subscriber.sent = until
            if until < self._board.index.sequences.last:
                self._board.run_once_more()
        if (
            subscriber.sent >= self._board.index.sequences.last
            and not subscriber.told_last
            and not self._board.scan.is_on
        ):
            subscriber.told_last = True
            self._board.send(peer.replica, State(self._board.folder, subscriber.sent, True, ()), 50)

    def may_tell_later(self) -> bool:
        """True while several peers compete, and all recent changes came from peers. Those are announced together: each
        announcement waits for an fsync, and delays all others."""
        is_soon = self._board.now.mono_ms - self.told_ms < TELL_TOGETHER_MS
        return (
            self._board.is_shared
            and is_soon
            and bool(self._board.announcements.rows)
            and not self._board.announcements.unlogged
        )
