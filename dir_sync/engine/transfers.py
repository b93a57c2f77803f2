"""Contents that are being fetched: which, from which peer, and into which staging file.

In:   transfers that begin, receive bytes, fail, end, or are no longer wanted.
Out:  pulls, jobs that write into the staging folder, and staging files to remove.
Rule: a staging file is never removed while a job writes it.
Used by: rows, applier, incoming_moves, growth_in, deltas_in, excerpts, fetcher, acquire, planner, sync_report, local_changes,
ignoring, scan, idle, healing.
"""

from __future__ import annotations

from dir_sync.core import limits, notes
from dir_sync.core.frozen import field, mutable
from dir_sync.core.jobs import Staged, StageJob
from dir_sync.core.messages import PullItem
from dir_sync.core.model import Kind, Record
from dir_sync.core.peers.contact import Contact
from dir_sync.core.reconcile import Take
from dir_sync.core.transfers.transfer import Fetch, Window
from dir_sync.core.unable import Unfit
from dir_sync.engine.board import Board
from dir_sync.engine.brakes import Brakes
from dir_sync.engine.constants import RETRY_MS
from dir_sync.engine.contacts import Contacts
from dir_sync.engine.mode_rules import ModeRules
from dir_sync.engine.part_files import PartFiles
from dir_sync.engine.peer_losses import PeerLosses
from dir_sync.engine.sources import Sources
from dir_sync.engine.work import WorkTable

__all__ = ["Holder", "TransferTable"]

_BAD_MAX = 10  # contents with a wrong hash before the peer is disconnected: some files of it may have gone bad


@mutable
class Holder:
    """One connected peer as a source of contents."""

    window: Window
    freed: int = 0  # how often the window has got more room, as far as this folder has seen
    bad: set[bytes] = field(default_factory=set)  # large contents of which it sent something else
    is_limited: bool = False  # something waits for a limit of bytes per second


class TransferTable:
    """Contents that are being fetched: which, from which peer, and into which staging file."""

    def __init__(
        self,
        board: Board,
        mode_rules: ModeRules,
        contacts: Contacts,
        work: WorkTable,
        sources: Sources,
        brakes: Brakes,
        peer_losses: PeerLosses,
    ) -> None:
        self._board = board
        self._mode_rules = mode_rules
        self._contacts = contacts
        self._work = work
        self._sources = sources
        self._brakes = brakes
        self._peer_losses = peer_losses
        self.by_token: dict[int, Fetch] = {}
        self.parts = PartFiles(board, work)
        # token -> when (ms) a file that grew is cut back to its old size
        self.unfinished: dict[int, tuple[int, Fetch]] = {}
        self.pulls: dict[str, list[PullItem]] = {}
        self.holders: dict[str, Holder] = {}  # by node: the connected peers

    def begin(self, fetch: Fetch) -> None:
        self.by_token[fetch.token] = fetch
        if not fetch.is_small:
            self.parts.begin(fetch)

    def cut_back_later(self, fetch: Fetch) -> None:
        """A growing file could not be cut back to its old size: try again later."""
        self.unfinished[fetch.token] = self._board.now.mono_ms + RETRY_MS, fetch

    def take_pulls(self) -> dict[str, list[PullItem]]:
        """Remove and return the pulls to be sent now, by peer."""
        pulls, self.pulls = self.pulls, {}
        return pulls

    def peer_came(self, peer: Contact) -> None:
        window = peer.connection.window
        window.users += 1
        self.holders[peer.replica] = Holder(window)

    def peer_gone(self, replica: str) -> None:
        for path, fetch in self._work.arrivals.fetches():
            if fetch.peer == replica:
                self.forget(fetch)
                self.drop_stage(fetch, fetch.base is not None)
                self._board.plan_queue.add(path)
        self.pulls.pop(replica, None)
        self._board.plan_queue.room_came()
        window = self.holders.pop(replica).window
        window.leave(self._board.number)
        window.users -= 1

    def note_limit(self, replica: str) -> None:
        """Something was not requested: if a limit of bytes per second is the reason, it is requested later."""
        holder = self.holders[replica]
        holder.is_limited |= holder.window.wait_ms(limits.CHUNK_BYTES, self._board.now.mono_ms) > 0

    def opens_ms(self) -> int | None:
        """When (ms) a limit of bytes per second allows what had to wait for it; None: nothing waits."""
        now_ms = self._board.now.mono_ms
        first: int | None = None
        for one in self.holders.values():  # asked after each turn, so without a list
            if one.is_limited:
                wait_ms = one.window.wait_ms(limits.CHUNK_BYTES, now_ms)
                first = wait_ms if first is None else min(first, wait_ms)
        return None if first is None else now_ms + max(1, first)

    def notice_room(self) -> None:
        """A limit may allow more now; another folder of a connection may have left room for more in its window."""
        for holder in self.holders.values():
            if holder.is_limited and not holder.window.wait_ms(limits.CHUNK_BYTES, self._board.now.mono_ms):
                holder.is_limited = False
                self._board.plan_queue.room_came()
            if holder.window.users > 1 and holder.freed != holder.window.freed:
                holder.freed = holder.window.freed
                self._board.plan_queue.room_came()

    def pull(self, fetch: Fetch) -> None:
        holder = self.holders.get(fetch.peer)
        if holder is None:
            return
        window = holder.window
        pulls = self.pulls.setdefault(fetch.peer, [])
        now_ms = self._board.now.mono_ms
        for offset, length in fetch.next_ranges(window, now_ms):
            pulls.append(window.ask(fetch, offset, length, self._board.number, now_ms))
        if fetch.asked < fetch.size:
            self.note_limit(fetch.peer)

    def cancel(self, path: bytes) -> None:
        fetch = self._work.arrivals.fetch(path)
        if fetch is not None:
            self.forget(fetch)
            self.drop_stage(fetch, True)
            self._board.plan_queue.room_came()

    def drop_stage(self, fetch: Fetch, remove: bool) -> None:
        """Release a transfer's staging file when no job writes it; `remove`: delete it, unless another transfer
        continues it."""
        if fetch.is_small:
            return
        if fetch.grows is not None and not fetch.writing:
            self.order_growth(fetch, (), give_up=True)
            remove = True
        if fetch.writing:
            self.parts.orphan(fetch, remove)
            return
        name = fetch.name
        self.parts.one_was_left()
        if remove and not self.parts.is_staged(name):
            self._board.order_discard((name,), (fetch.token,))
        else:
            self._board.order_discard((), (fetch.token,))

    def forget(self, fetch: Fetch) -> None:
        self._work.arrivals.end_fetch(fetch)
        if self.by_token.pop(fetch.token, None) is not None and not fetch.is_small:
            self.parts.end(fetch)
            fetch.waiting.clear()
        self.forget_pulls(fetch)

    def forget_pulls(self, fetch: Fetch) -> None:
        """What is still to come for a transfer that has no path here is ignored."""
        holder = self.holders.get(fetch.peer)
        if holder is not None:
            holder.window.cancel(fetch)

    def tell_fetched(self, fetch: Fetch) -> None:
        """Log that a large content has arrived completely and is not installed yet."""
        took_ms = max(1, self._board.now.mono_ms - fetch.started_ms)
        name, travelled = self._board.name_of(fetch.peer), fetch.size - fetch.began_at
        self._board.tell(notes.Fetched(fetch.target.path, name, fetch.size, travelled, took_ms))

    def go_on_with(self, fetch: Fetch, target: Record) -> bool:
        """If the content being fetched is known to be the beginning of the wanted one, continue the transfer with all
        bytes received so far, at the same path or under a new name."""
        delta = self._work.holders.delta_offer(target.path)
        if fetch.is_small or fetch.base is not None or fetch.grows is not None or delta is None:
            return False
        peer, base, content, offer = delta
        if offer.marks is None:
            return False
        if (peer, base, content) != (fetch.peer, fetch.target.content, target.content) or target.size <= fetch.size:
            return False
        self._work.arrivals.redirect_fetch(fetch, target)
        fetch.began_at = max(fetch.began_at, 1)  # if the hash is wrong, it is not known which part caused that
        if fetch.opened:
            self.pull(fetch)
        return True

    def hand_over(self, path: bytes) -> None:
        """The content on its way to `path` is no longer wanted there. If the file was renamed meanwhile, the transfer
        continues under the new name."""
        fetch, ready = self._work.arrivals.fetch(path), self._work.arrivals.ready(path)
        if fetch is not None and not fetch.is_small and fetch.base is None and fetch.grows is None:
            content = fetch.target.content
        elif fetch is None and ready is not None and ready.staged is not None:
            content = ready.digest
        else:
            return
        names = [
            *self._work.copies.waiting_for(path),
            *(name for name, source in self._sources.origins.items() if source == path),
        ]
        for name in names:
            row = self._board.index.rows.get(name)
            decision = self._mode_rules.decision_at(name, row)
            if not isinstance(decision, Take) or self._work.arrivals.is_coming_to(name):
                continue
            if fetch is not None and self.go_on_with(fetch, decision.record):
                return
            if decision.record.kind != Kind.FILE or decision.record.content != content:
                continue
            self._work.arrivals.hand_over(path, decision.record)
            self._board.plan_queue.add(name)
            return

    def order_growth(
        self, fetch: Fetch, chunks: tuple[tuple[int, bytes | memoryview], ...], give_up: bool = False
    ) -> None:
        fetch.writing = True
        bulk, peer = fetch.size >= limits.LARGE_FILE_BYTES, "" if give_up else fetch.peer
        content = fetch.target.content
        self._board.order(
            StageJob(fetch.token, fetch.name, chunks, fetch.size, content, bulk, peer, fetch.grows, give_up)
        )

    def write(self, fetch: Fetch) -> None:
        if fetch.writing or not fetch.waiting:
            return
        fetch.writing = True
        chunks = tuple(fetch.waiting)
        fetch.waiting.clear()
        if fetch.grows is not None:
            self.order_growth(fetch, chunks)
            return
        digest = b"" if fetch.base is not None else fetch.target.content
        self._board.order(StageJob(fetch.token, fetch.name, chunks, fetch.size, digest, peer=fetch.peer))

    def stalled(self, fetch: Fetch, path: bytes) -> None:
        """Nothing has come for so long that nothing is expected any more."""
        holder = self.holders.get(fetch.peer)
        if holder is not None:
            holder.window.unanswered(fetch)
        self.give_up(fetch, path)

    def give_up(self, fetch: Fetch, path: bytes) -> None:
        """The holder failed. Another one is asked, or the same one later."""
        self.forget(fetch)
        self.drop_stage(fetch, fetch.base is not None)
        self._work.holders.drop_delta_offer(path)
        self._work.holders.want_whole(path)
        if fetch.base is None:
            self._work.holders.holder_failed(path, fetch.peer)
        self._board.plan_queue.room_came()

    def failed_fetch(self, fetch: Fetch, event: Staged) -> None:
        path = fetch.target.path
        peer = self._board.peers.get(fetch.peer)
        continues = fetch.grows is not None or fetch.began_at > 0
        self.give_up(fetch, path)
        if event.base_changed:
            self._board.pending_looks.add(
                path, self._board.now.mono_ms, self._board.now.mono_ms
            )  # a look at the file decides what comes next
            return
        if event.too_large:
            self._work.holders.forgive_holders(path)
            self._work.unable.hold(path, Unfit(event.problem, least=fetch.target.size))
            self._board.plan_queue.add(path)
            return
        if event.ours:
            self._work.holders.forgive_holders(path)
            self._board.plan_later(path, self._work.retries.wait_after(path, event.problem))
            return
        offer = self._board.index.offers.of_peer(path, fetch.peer)
        if continues and offer is not None and offer.record.content != fetch.target.content:
            # It was written anew there while we received what it had grown by. Whoever reads a large file for us does not
            # read all of it again, and has announced the new version meanwhile: nobody is to blame.
            self._work.holders.forgive_holders(path)
            self._board.plan_queue.add(path)
            return
        if fetch.base is not None or fetch.began_at:  # an older part of the file may be wrong
            self._board.tell(notes.BadContent(path, self._board.name_of(fetch.peer), event.problem))
        else:
            self._sources.was_bad(fetch.target, fetch.peer)
            if peer is not None:
                bad = self.holders[peer.replica].bad
                bad.add(fetch.target.content)
                if len(bad) >= _BAD_MAX:
                    self._contacts.drop(peer, "protocol-error", "it sent contents that were not what it announced")
        self._board.plan_later(path, RETRY_MS // 4)

    def undo_growths(self) -> None:
        for token, (due, fetch) in list(self.unfinished.items()):
            if due <= self._board.now.mono_ms:
                del self.unfinished[token]
                self.drop_stage(fetch, True)

    def growth_ends(self, fetch: Fetch) -> None:
        """No job writes to the file any more."""
        path = fetch.target.path
        fetch.grows = None
        self._work.jobs.end_growth(path)
        self._board.plan_queue.add(path)
        self._board.plan_queue.room_came()
        self._board.run_once_more()

    def drop_wanted(self, path: bytes) -> None:
        """Cancel and drop whatever was fetched for this path."""
        if self._brakes.peers.is_on:
            self._peer_losses.settled_peers(path)
        self._work.stop_waiting(path)
        if self._work.arrivals.is_coming_to(path):
            self.hand_over(path)
            self.cancel(path)
            self._work.arrivals.unready(path)

    def forget_attempts(self, path: bytes) -> None:
        """Nothing newer is announced for this path any more: forget its attempts, retries and waits, which belong to
        that announcement. (`attempted`, what may be on the disk, is kept until a look.)"""
        self._work.forget_announced(path)
        self._sources.forget(path)
