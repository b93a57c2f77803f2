"""Questions to and from peers, and restores from the history.

In:   questions of the commands and of peers. Out: HISTORY, HAVE and SETTLE messages; offers of what is to be restored.
Used by: merging, router, path_decisions.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from dir_sync.core import limits
from dir_sync.core.attributes import fits, json_bytes
from dir_sync.core.frozen import changed
from dir_sync.core.jobs import Before, Version
from dir_sync.core.messages import Have, HaveRequest, History, HistoryRequest, Kept, Loser, Settle
from dir_sync.core.mode import OWN
from dir_sync.core.model import Kind, same_content, same_meta, unstamped
from dir_sync.core.peers.contact import Contact
from dir_sync.core.peers.inquiry import Inquiries
from dir_sync.core.reconcile import Offer
from dir_sync.engine.board import Board
from dir_sync.engine.constants import OURS
from dir_sync.engine.scope import Scope
from dir_sync.engine.stamps import Stamps

__all__ = ["Queries"]

_KEPT_PAGE = 500  # versions in one message: at most a few kB each
_ATTRIBUTES_PAGE = 256 * limits.KIB  # about how many bytes of attributes of versions are in one message
_LOOKUPS_MAX = 128  # contents looked up in one turn


class Queries:
    """Questions to and from peers, and restores from the history."""

    def __init__(self, board: Board, scope: Scope, stamps: Stamps) -> None:
        self._board = board
        self._scope = scope
        self._stamps = stamps
        # Peer, its link, its request, how many contents were looked up, and the positions of those that are here.
        self.questions: deque[tuple[str, int, HaveRequest, int, list[int]]] = deque()
        # Peer, its link, its request, how many versions are still to be sent, and the last one that was.
        self.histories: deque[tuple[str, int, HistoryRequest, int, Version | None]] = deque()
        self.inquiries = Inquiries()

    def on_restore(
        self, wanted: Sequence[Before], holders: dict[bytes, tuple[str, ...]], is_decided: bool = False
    ) -> None:
        """Each version to restore becomes a new change of ours. It is planned like an offer: its content comes from
        wherever it is. `is_decided`: a person decided so for all machines."""
        for path, kind, size, content, mtime, mode, _, _, attributes in wanted:
            if self._scope.ignores(path, kind == Kind.DIRECTORY):
                self._scope.skip(path, "it is ignored, and not restored")
                continue
            row = self._board.index.rows.get(path)
            mine = None if row is None else row.record
            now = unstamped(path, kind, size, content, mtime, mode)._replace(attributes=attributes)
            if mine is None and kind == Kind.ABSENT:
                continue
            is_same = mine is not None and same_content(mine, now) and same_meta(mine, now)
            if mine is not None and is_same and fits(attributes, mine.attributes):
                continue
            record = self._stamps.changed_to(mine, now, self._board.now.wall_ns, is_decided)
            is_here = kind != Kind.FILE or not size or self._board.index.has_content(content)
            is_shorter = mine is not None and mine.kind == Kind.FILE and size < mine.size
            is_here |= is_shorter and content not in holders  # the current file may begin with the wanted one
            for peer in [""] if is_here else holders.get(content, ()):
                self._board.index.offers.put(Offer(OURS + peer, record, False))
            self._board.plan_queue.add(path)

    def pending_restores(self) -> int:
        """How many paths are still to be restored."""
        return len(self._board.index.offers.paths_made_by(self._board.index.identity.replica))

    def ask_peers(self, id_: int, questions: Sequence[HistoryRequest | HaveRequest]) -> None:
        self.inquiries.begin(id_, self._board.now.mono_ms)
        for replica in sorted(self._board.peers):
            if not self._board.peers[replica].has_asked:
                continue
            for number, question in enumerate(questions):
                wire_id = self.inquiries.asked(id_, replica, number)
                if isinstance(question, HistoryRequest):
                    self._board.send(replica, changed(question, folder=self._board.folder, id=wire_id), 200)
                else:
                    size = 70 * len(question.digests)
                    self._board.send(replica, HaveRequest(self._board.folder, wire_id, question.digests), size)
        self._board.run_once_more()

    def on_conflicts_settled(self, losers: tuple[Loser, ...]) -> None:
        for replica in sorted(self._board.peers):
            for at in range(0, len(losers), limits.PAGE_RECORDS_MAX):
                some = losers[at : at + limits.PAGE_RECORDS_MAX]
                if self._board.peers[replica].has_asked:
                    self._board.send(replica, Settle(self._board.folder, some), 200 * len(some))

    def on_history_request(self, peer: Contact, request: HistoryRequest) -> None:
        self.histories.append((peer.replica, peer.link, request, request.limit, None))

    def _next_page(self) -> None:
        """Send the next page of the history to the peer that has waited longest."""
        replica, link, request, left, last = self.histories.popleft()
        peer = self._board.peers.get(replica)
        if peer is None or peer.link != link:
            return
        versions: list[Version] = []
        is_more = False
        most = min(left, _KEPT_PAGE)
        if peer.connection.queued < limits.OUTBOX_BYTES_MAX:
            versions = self._board.index.versions.newest(request.path, most, request.conflicts, last)
            versions, is_more = _one_page(versions, len(versions) == most < left)
        me = self._board.index.identity.replica
        page = tuple(
            Kept(
                path,
                kind,
                size if kind == Kind.FILE else 0,
                content,
                mtime,
                mode,
                time_ns,
                why.value,
                me if maker.startswith(OWN) else maker,  # nobody else knows that mark
                kept,
            )
            for _, path, kind, size, content, mtime, mode, time_ns, why, maker, kept in versions
            if kind == Kind.SYMLINK or (kind == Kind.FILE and content)
        )
        size = 50 + sum(250 + json_bytes(one.attributes) for one in page)
        self._board.send(replica, History(self._board.folder, request.id, not is_more, page), size)
        if is_more:
            self.histories.append((replica, link, request, left - len(versions), versions[-1]))

    def on_have_request(self, peer: Contact, request: HaveRequest) -> None:
        self.questions.append((peer.replica, peer.link, request, 0, []))

    def answer_some(self) -> None:
        """Answer requests for contents and versions in pieces, the peers in rotation: some hundred look-ups and one page
        in a turn."""
        if self.histories:
            self._next_page()
        left = _LOOKUPS_MAX
        while self.questions and left > 0:
            replica, link, request, at, which = self.questions.popleft()
            peer = self._board.peers.get(replica)
            if peer is None or peer.link != link:
                continue
            some = request.digests[at : at + _LOOKUPS_MAX // 2]
            left -= len(some)
            which += [at + number for number, digest in enumerate(some) if self._board.index.has_content(digest)]
            if at + len(some) < len(request.digests):
                self.questions.append((replica, link, request, at + len(some), which))
            else:
                self._board.send(replica, Have(self._board.folder, request.id, tuple(which)), 50 + 6 * len(which))
        if self.questions or self.histories:
            self._board.run_once_more()


def _one_page(versions: list[Version], is_more: bool) -> tuple[list[Version], bool]:
    """As many of these as fit into one message with their attributes; and whether there are more."""
    size = 0
    for number, version in enumerate(versions):
        size += json_bytes(version.attributes)
        if size > _ATTRIBUTES_PAGE and number:
            return versions[:number], True
    return versions, is_more
