"""Tells each peer what changed here, in ascending sequence, and seeds newcomers with contents.

In:   rows of the index above what a peer was told, and what is new about them in this turn.
Out:  STATE, ACKNOWLEDGE and MODIFICATION_UPDATE messages.
Used by: local_renames, look_queue, uploader, local_changes, scan, engine.
"""

from __future__ import annotations

from dir_sync.core import limits
from dir_sync.core.content import bucket_of
from dir_sync.core.events import Send
from dir_sync.core.jobs import ReadItem, ReadJob
from dir_sync.core.messages import State
from dir_sync.core.model import Kind, Record
from dir_sync.core.peers import Fresh, Peer, Told, pages, tell
from dir_sync.engine.board import Board
from dir_sync.engine.constants import STALLED_MS, TELL_TOGETHER_MS

__all__ = ["Publisher"]

_PUMPS_MAX = 2  # peers that are told a page in one turn


class Publisher:
    """Tells each peer what changed, in ascending sequence, and seeds newcomers."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self.renamed_here: dict[bytes, tuple[bytes, ...]] = {}  # new name -> old names, of this turn
        self.told_ms = 0  # when what changed was last told
        self._pumped = ""  # the last peer that was told a page

    def publish(self) -> None:
        """Tell every peer that is up to date what changed in this turn. Who lags behind gets it from the index later."""
        fresh = self._with_renames() if self._board.unlogged or self._board.to_announce else {}
        self.renamed_here.clear()
        self.log_local_changes(fresh)
        if not self._board.to_announce:
            return
        first, last = self._board.to_announce[0][0], self._board.to_announce[-1][0]
        if last - first >= len(self._board.to_announce) or not any(peer.asked for peer in self._board.peers.values()):
            self._board.to_announce, self._board.new_here = (
                [],
                {},
            )  # not all of what changed is here: the index tells it
            return
        rows = self._board.to_announce
        until = rows[-1][0]
        before = rows[0][0] - 1
        self._board.to_announce, self._board.new_here = [], {}
        latest = {record.path: seq for seq, record in rows}
        rows = [(seq, record) for seq, record in rows if latest[record.path] == seq]
        for _, record in rows:
            if record.path in fresh and fresh[record.path].record != record:
                del fresh[record.path]  # it has changed once more since
        cache: dict[object, Told] = {}
        sends: list[tuple[Told, list[str]]] = []
        for node in sorted(self._board.peers):
            peer = self._board.peers[node]
            if not peer.asked or peer.sent != before or peer.queued > limits.OUTBOX_BYTES_MAX:
                continue
            if self.check_seeding(peer):
                assert peer.given is not None
                for path, change in fresh.items():
                    if change.data is not None and change.record.content in peer.given:
                        fresh[path] = change._replace(data=None)  # it makes a copy of what it was given before
                if not peer.may_be_pushed(sum(len(one.data) for one in fresh.values() if one.data is not None)):
                    continue
                peer.given.update(one.record.content for one in fresh.values() if one.data is not None)
            at = 0  # what is said to one peer keeps its order, also where others are told the same
            for told in tell(self._board.folder, peer, rows, fresh, until, cache):
                same = (n for n in range(at, len(sends)) if sends[n][0].message is told.message)
                at = next(same, len(sends))
                if at == len(sends):
                    sends.append((told, []))
                sends[at][1].append(node)
                peer.standing.told(told.message)
                at += 1
                peer.queued += told.size
            peer.sent = until
        for told, nodes in sends:
            self._board.out.append(Send(tuple(nodes), told.message, told.size))

    def log_local_changes(self, fresh: dict[bytes, Fresh]) -> None:
        """For people: what was done here in this turn. A rename is one thing."""
        if not self._board.unlogged:
            return
        source_of = {path: one.source for path, one in fresh.items() if one.source is not None}
        sources = set(source_of.values())
        for (path, what), size in self._board.unlogged.items():
            if what in ("changed here", "new here") and path in source_of:
                self._board.note("renamed here", path, text=source_of[path].decode("utf-8", "surrogateescape"))
            elif what != "deleted here" or path not in sources:
                self._board.note(what, path, size=size)
        self._board.unlogged = {}

    def check_seeding(self, peer: Peer) -> bool:
        """True if that peer is sent contents unasked: it came with nothing, and there is no other who could give them."""
        if peer.given is None or len(self._board.peers) > 1 or peer.told_us:
            peer.given = None
            return False
        return True

    def seeding_lags(self) -> bool:
        """True while a peer that is given everything has still much to install: so each file is read once, not once for the
        scan and once for the peer."""
        for peer in self._board.peers.values():
            if self.check_seeding(peer) and peer.unacked_bytes > limits.PULL_WINDOW_BYTES // 2:
                if self._board.now.mono_ms - peer.acked_ms <= STALLED_MS // 20:
                    return True
                peer.given = None  # it does not keep up
        return False

    def seed_page(self, peer: Peer) -> None:
        """Read the contents of the next page of the index for a peer that has nothing, a window's worth at a time."""
        assert peer.given is not None
        if peer.page:
            return
        if not peer.may_be_pushed(limits.ATTACHED_BYTES_MAX):
            if self._board.now.mono_ms - peer.acked_ms > STALLED_MS // 20:
                peer.given = None  # it does not keep up: it is told what there is, and asks when it can
            return
        rows: list[tuple[int, Record]] = []
        items: list[ReadItem] = []
        size = 0
        page = self._board.index.rows_after(peer.sent, limits.LOOK_ITEMS_MAX // 2)
        if not page:  # sequences have leapt since the last row
            peer.sent = self._board.index.sequence
        for row in page:
            record = row.record
            if record.kind == Kind.FILE and record.size <= limits.INLINE_BYTES_MAX and record.content not in peer.given:
                if size + record.size > limits.ATTACHED_BYTES_MAX:
                    break
                size += record.size
                items.append(ReadItem(len(rows), record.path, row.fp, 0, record.size))
            rows.append((row.seq, record))
        peer.page = rows
        if items:
            self._board.order(ReadJob(peer.node, peer.link, tuple(items), push=True))
        elif rows:
            self.seed(peer, {})

    def seed(self, peer: Peer, contents: dict[int, bytes]) -> None:
        """Tell a page with the contents that were read for it."""
        fresh: dict[bytes, Fresh] = {}
        rows = []
        for number, (seq, record) in enumerate(peer.page):
            row = self._board.index.get(record.path)
            if row is None or row.seq != seq:
                continue  # it has changed since, and will be told with its new sequence
            rows.append((seq, record))
            data = contents.get(number)
            if data is not None and len(data) == record.size:
                fresh[record.path] = Fresh(record, None, data, None, None, None)
                self._board.note("sent", record.path, peer.node, record.size)
                if peer.given is not None:
                    peer.given.add(record.content)
        until = peer.page[-1][0]
        peer.page = []
        for told in tell(self._board.folder, peer, rows, fresh, until, {}):
            self._board.send(peer.node, told.message, told.size)
        peer.sent = until
        self._board.run_again = True

    def _compare(self, peer: Peer) -> None:
        """Known here: the summary of what a peer holds, which never saw our index. Where the sums are the same, it holds
        what we hold, and need not be told."""
        ours, theirs = self._board.index.summary(), peer.summary
        peer.summary = b""
        peer.equal = frozenset(
            number for number in range(limits.SUMMARY_BUCKETS) if ours[8 * number :][:8] == theirs[8 * number :][:8]
        )
        peer.equal_until = self._board.index.sequence
        peer.shared += self._board.index.files() * len(peer.equal) // limits.SUMMARY_BUCKETS
        if len(peer.equal) == limits.SUMMARY_BUCKETS:
            peer.sent = self._board.index.sequence

    def _with_renames(self) -> dict[bytes, Fresh]:
        """The fresh changes of this turn; a new name for a content (or a file) whose old name went in the same turn is a
        rename."""
        gone: dict[bytes, bytes] = {}
        for path, fresh in self._board.new_here.items():
            if fresh.record.kind == Kind.ABSENT and fresh.previous is not None and fresh.previous.kind == Kind.FILE:
                gone[fresh.previous.content] = path
        out = {}
        for path, fresh in self._board.new_here.items():
            if fresh.record.kind == Kind.FILE and fresh.record.content in gone:
                fresh = fresh._replace(source=gone.pop(fresh.record.content), data=None, delta=None)
            elif fresh.record.kind == Kind.FILE and path in self.renamed_here:  # and changed
                known = (source for source in self.renamed_here[path] if source in self._board.new_here)
                source = next((one for one in known if self._board.new_here[one].record.kind == Kind.ABSENT), None)
                if (
                    source is not None
                    and (before := self._board.new_here[source].previous)
                    and before.kind == Kind.FILE
                ):
                    fresh = fresh._replace(source=source)
            out[path] = fresh
        return out

    def send_backlogs(self) -> None:
        """Tell those who lag behind; of those who lag by a page and more only some in one turn, one after the other."""
        nodes = sorted(self._board.peers)
        nodes = [node for node in nodes if node > self._pumped] + [node for node in nodes if node <= self._pumped]
        left = _PUMPS_MAX
        for node in nodes:
            peer = self._board.peers[node]
            if self._board.to_announce and peer.sent == self._board.to_announce[0][0] - 1:
                continue  # it will be told what changes just now, in a moment
            if self._board.index.sequence - peer.sent < limits.CHANGES_MAX // 10:
                self.send_backlog(peer)
            elif left:
                before = peer.sent
                self.send_backlog(peer)
                if peer.sent != before:
                    left -= 1
                    self._pumped = node
            else:
                self._board.run_again = True

    def send_backlog(self, peer: Peer) -> None:
        """Tell a peer that lags behind the next page of the index, if there is room in its outbox."""
        if not peer.asked or peer.queued > limits.OUTBOX_BYTES_MAX // 4:
            return
        if peer.summary:
            if self._board.scanning:
                return  # to compare, we have to know what we have
            self._compare(peer)
        if peer.sent < self._board.index.sequence and self.check_seeding(peer):
            self.seed_page(peer)
        elif peer.sent < self._board.index.sequence and not peer.page:
            rows = self._board.index.rows_after(peer.sent, limits.PAGE_RECORDS_MAX // 2)
            records = [row.record for row in rows]
            fit = len(pages(records)[0]) if records else 0
            rows = rows[:fit]
            if rows and rows[-1].record.kind == Kind.FILE:  # the two halves of a rename are told together
                rows += [row for row in self._board.index.rows_after(rows[-1].seq, 1) if row.record.kind == Kind.ABSENT]
            until = rows[-1].seq if rows else self._board.index.sequence
            if peer.equal and peer.sent < peer.equal_until:
                equal, last = peer.equal, peer.equal_until
                rows = [row for row in rows if row.seq > last or bucket_of(row.record.path) not in equal]
            if rows or until == self._board.index.sequence:
                for told in tell(self._board.folder, peer, [(row.seq, row.record) for row in rows], {}, until, {}):
                    self._board.send(peer.node, told.message, told.size)
            peer.sent = until
            if until < self._board.index.sequence:
                self._board.run_again = True
        if peer.sent >= self._board.index.sequence and not peer.told_last and not self._board.scanning:
            peer.told_last = True
            self._board.send(peer.node, State(self._board.folder, peer.sent, True, ()), 50)

    def may_tell_later(self) -> bool:
        """True while several want something, and all that has changed since a moment ago came from peers: it is told
        together, for each telling waits for the medium, and so does everybody else."""
        is_soon = self._board.now.mono_ms - self.told_ms < TELL_TOGETHER_MS
        return self._board.is_shared and is_soon and bool(self._board.to_announce) and not self._board.unlogged
