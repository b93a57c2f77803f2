"""Answers peers that ask what reading everything again shows here.

In:   VERIFY_REQUEST. Out: a walk for each peer, and VERIFY_REPORT, one after the other.
Rule: a peer has one walk at a time, and what it may have read is limited. What is found to be rotten is healed if the peer
asks for that: it brings back what all nodes agree on.
Used by: verifying, router, scrub.
"""

from __future__ import annotations

from dir_sync.core import limits, notes
from dir_sync.core.frozen import mutable
from dir_sync.core.messages import VerifyReport, VerifyRequest
from dir_sync.core.peers.contact import Contact
from dir_sync.core.verify import Checked, Outcome, entry_of
from dir_sync.engine.apart import Aparts
from dir_sync.engine.board import Board
from dir_sync.engine.healing import Healing
from dir_sync.engine.rereads import Rereads, Walk
from dir_sync.engine.rotten import RottenFiles

__all__ = ["VerifyAnswers"]

_BEAT_MS = 2_000  # a peer hears so often that its request is not forgotten
_ENTRY_BYTES = 4 * limits.KIB  # what an entry costs beside its content: a name to be opened
_DAY_MS = 86_400_000
_KNOWN_MAX = 1_000  # peers whose account is kept


@mutable
class _Account:
    """What a peer may still have read, as of `at_ms`."""

    left: int
    at_ms: int


@mutable
class _Request:
    """A request that is being answered."""

    id: int
    repair: bool
    said_ms: int
    read: int = 0  # bytes that its account was charged for


class VerifyAnswers:
    """The requests of peers, and what each of them has had read."""

    def __init__(
        self, board: Board, aparts: Aparts, rereads: Rereads, healing: Healing, rotten_files: RottenFiles
    ) -> None:
        self._board = board
        self._aparts = aparts
        self._rereads = rereads
        self._healing = healing
        self._rotten_files = rotten_files
        self._requests: dict[str, _Request] = {}
        self._accounts: dict[str, _Account] = {}

    def on_request(self, peer: Contact, message: VerifyRequest) -> None:
        """A new request takes the place of the peer's last one."""
        replica, now = peer.replica, self._board.now.mono_ms
        if self._left(replica) <= 0:
            self._requests.pop(replica, None)
            self._rereads.end(replica)
            self._send(replica, VerifyReport(self._board.folder, message.id, (), 0, True, True))
            return
        self._requests[replica] = _Request(message.id, message.repair, now)
        self._rereads.begin(Walk(replica, message.after, message.until, message.paths, limits.VERIFY_SHARE))
        if apart := tuple(one for path in message.paths for one in self._aparts.at(path)):
            self._send(replica, VerifyReport(self._board.folder, message.id, (), 0, False, False, apart))

    def peer_gone(self, replica: str) -> None:
        self._requests.pop(replica, None)
        self._rereads.end(replica)

    @property
    def is_busy(self) -> bool:
        return bool(self._requests)

    def due_ms(self) -> int | None:
        return min((request.said_ms + _BEAT_MS for request in self._requests.values()), default=None)

    def run(self) -> None:
        """Report what was found."""
        now = self._board.now.mono_ms
        for replica, request in list(self._requests.items()):
            walk, peer = self._rereads.walk(replica), self._board.peers.get(replica)
            if walk is None or peer is None:
                del self._requests[replica]
                continue
            if peer.connection.queued >= limits.OUTBOX_BYTES_MAX:
                continue
            is_due = now - request.said_ms >= _BEAT_MS
            if walk.is_over or is_due or len(walk.checked) >= limits.VERIFY_ENTRIES_MAX:
                self._report(replica, request, walk)

    def _report(self, replica: str, request: _Request, walk: Walk) -> None:
        found = walk.take()
        self.act(found, request.repair)
        self._charge(replica, walk.read - request.read + len(found) * _ENTRY_BYTES)
        request.read, request.said_ms = walk.read, self._board.now.mono_ms
        is_refused = not walk.is_over and self._left(replica) <= 0
        pages = _pages(found) or [[]]
        for number, page in enumerate(pages, 1):
            is_last = number == len(pages) and (walk.is_over or is_refused)
            entries = tuple(entry_of(one) for one in page)
            report = VerifyReport(self._board.folder, request.id, entries, walk.read, is_last, is_refused)
            self._send(replica, report)
        if walk.is_over or is_refused:
            self.peer_gone(replica)

    def act(self, found: list[Checked], repair: bool) -> None:
        """Say what is rotten, and heal it if that is wanted."""
        self._rotten_files.read(found, repair)
        for one in found:
            if one.outcome is Outcome.ROTTEN:
                self._board.tell(notes.Rotten(one.item.path, one.item.size))
                if repair:
                    self._healing.heal(one)

    def _send(self, replica: str, report: VerifyReport) -> None:
        size = 100 + sum(len(entry.path) + len(entry.content) + 100 for entry in report.entries)
        size += sum(len(one.path) + 30 for one in report.apart)
        self._board.send(replica, report, size)

    def _left(self, replica: str) -> int:
        """What a peer may still have read, in bytes."""
        files, size = self._board.index.rows.count_live()
        most = max(limits.VERIFY_PASSES_A_DAY * (size + files * _ENTRY_BYTES), limits.VERIFY_FREE_BYTES)
        now = self._board.now.mono_ms
        account = self._accounts.get(replica)
        if account is None:
            if len(self._accounts) >= _KNOWN_MAX:
                del self._accounts[next(iter(self._accounts))]
            account = self._accounts[replica] = _Account(most, now)
        account.left = min(most, account.left + most * (now - account.at_ms) // _DAY_MS)
        account.at_ms = now
        return account.left

    def _charge(self, replica: str, size: int) -> None:
        if replica in self._accounts:
            self._accounts[replica].left -= size


def _pages(found: list[Checked]) -> list[list[Checked]]:
    """What goes into one message each."""
    pages: list[list[Checked]] = []
    size = limits.PAGE_BYTES_MAX
    for one in found:
        size += 6 * (len(one.item.path) + len(one.item.content)) + 100  # a byte that is not ASCII may need six letters
        if size > limits.PAGE_BYTES_MAX:
            pages.append([])
            size = 0
        pages[-1].append(one)
    return pages
