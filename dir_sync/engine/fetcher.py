"""Fetches contents: chooses the holder, asks for the whole or for a delta, and gathers what arrives.

In:   paths whose content is wanted; CHUNKS and REFUSE messages; results of staging jobs.
Out:  pulls within the window of each peer; contents that are ready to be installed.
Used by: acquire, planner, router.
"""

from __future__ import annotations

from dir_sync.core import limits, notes
from dir_sync.core.jobs import Beginning, Staged, StageJob
from dir_sync.core.messages import Chunks
from dir_sync.core.model import Kind, Record
from dir_sync.core.names import DELTA_IN, is_delta_in, staging_name
from dir_sync.core.peers.contact import Contact
from dir_sync.core.transfers.growth import mark_offsets
from dir_sync.core.transfers.transfer import Fetch
from dir_sync.engine.applier import Applier
from dir_sync.engine.board import Board
from dir_sync.engine.brakes import Brakes
from dir_sync.engine.constants import OURS, RETRY_MS
from dir_sync.engine.deltas_in import DeltaRequests
from dir_sync.engine.excerpts import Excerpts
from dir_sync.engine.growth_in import GrowthInstaller
from dir_sync.engine.incoming_moves import IncomingMoves
from dir_sync.engine.sources import Sources
from dir_sync.engine.transfers import TransferTable
from dir_sync.engine.values import Ready
from dir_sync.engine.work import WorkTable
from dir_sync.index import Row

__all__ = ["Fetcher"]

_LARGE_FETCHES_MAX = 4  # from one peer, so that one slow transfer does not delay all others


class Fetcher:
    """Fetches contents: chooses the holder, asks for the whole or for a delta, and gathers what arrives."""

    def __init__(
        self,
        board: Board,
        work: WorkTable,
        sources: Sources,
        brakes: Brakes,
        transfers: TransferTable,
        applier: Applier,
        incoming_moves: IncomingMoves,
        growth_in: GrowthInstaller,
        deltas_in: DeltaRequests,
        excerpts: Excerpts,
    ) -> None:
        self._board = board
        self._work = work
        self._sources = sources
        self._brakes = brakes
        self._transfers = transfers
        self._applier = applier
        self._incoming_moves = incoming_moves
        self._growth_in = growth_in
        self._deltas_in = deltas_in
        self._excerpts = excerpts

    def fetch(self, path: bytes, row: Row | None, target: Record, holders: list[str], is_conflict: bool) -> None:
        """`is_conflict`: our version has lost a conflict and is to be kept. So nothing is appended to it, also if the wanted
        version begins with it: somebody may have cut the end off here."""
        delta = self._work.holders.delta_offer(path)
        if delta is not None and delta[2] == target.content:
            peer, base, _, offer = delta
            if offer.marks is None:
                if peer in holders and self._sources.where_is(base, path) is not None:
                    self._sources.begin_with(path, base)
                    self._begin(target, peer, base, offer.size)
                    return
            elif (
                row is not None
                and not is_conflict
                and peer in holders
                and (row.record.kind, row.record.content) == (Kind.FILE, base)
            ):
                is_only_longer = row.record.attributes == target.attributes or not self._board.keeps
                if is_only_longer and len(offer.marks) == len(mark_offsets(row.record.size, target.size)):
                    self._growth_in.begin_growth(row, target, peer, offer.marks)
                    return
            elif peer in holders and (known := self._sources.where_is(base, path)) is not None:
                self._sources.begin_with(path, base)
                self._begin(target, peer, None, target.size, Beginning(*known))
                return
        if self._work.holders.is_whole_wanted(path) and self._deltas_in.delta_is_coming(path, target.content):
            return
        choice = min(holders, key=lambda replica: (self._transfers.holders[replica].window.bytes, replica))
        small = target.size <= limits.CHUNK_BYTES
        length = target.size if small else limits.CHUNK_BYTES
        if not self._transfers.holders[choice].window.has_room(length, self._board.now.mono_ms):
            self._work.rooms.enter(choice, path, length)
            self._transfers.note_limit(choice)
            return
        if small and self._work.jobs.are_full:
            self._work.rooms.enter(choice, path, length)
            return
        if (
            not small
            and sum(fetch.peer == choice for fetch in self._transfers.parts.large.values()) >= _LARGE_FETCHES_MAX
        ):
            self._work.rooms.enter(choice, path, limits.CHUNK_BYTES)
            return
        origin = self._sources.origins.get(path)
        is_changing = origin is not None and (self._work.jobs.is_at(origin) or self._work.has_just_grown(origin))
        if is_changing and self._incoming_moves.wait_a_moment(target):
            return
        grows = delta is not None and delta[3].marks is not None
        # appended bytes are recognized without the delta library
        may_have_grown = row is not None and 0 < row.record.size < target.size
        may_ask = (self._board.with_deltas or grows or may_have_grown) and not self._work.holders.is_whole_wanted(path)
        before = self._sources.base_of(path, row) if may_ask else None
        is_ours = before is not None and row is not None and row.record.content == before[0]
        if (
            before is not None
            and min(before[1], target.size) >= limits.DELTA_FILE_BYTES_MIN
            and (
                grows or (may_have_grown and is_ours) or min(before[1], target.size) * 4 >= max(before[1], target.size)
            )
        ):
            self._deltas_in.ask_for_delta(path, before[0], before[1] if is_ours else 0, target, choice)
            return
        self._begin(target, choice, None, target.size)

    def _begin(
        self, target: Record, replica: str, base: bytes | None, size: int, begins: Beginning | None = None
    ) -> None:
        token = self._transfers.parts.new_token()
        now = self._board.now.mono_ms
        small = base is None and size <= limits.CHUNK_BYTES
        name = b""
        if base is not None:
            name = staging_name(DELTA_IN, self._board.tag, token)
        elif not small:
            name = self._transfers.parts.name_for(target.content)
        fetch = Fetch(token, target, replica, base, size, name, moved_ms=now, started_ms=now)
        self._work.arrivals.begin_fetch(fetch)
        self._transfers.begin(fetch)
        if small:
            self._transfers.pull(fetch)
        else:
            fetch.writing = True
            digest = b"" if base is not None else target.content
            self._board.order(StageJob(fetch.token, name, (), size, digest, peer=replica, begins=begins))

    def on_chunks(self, peer: Contact, message: Chunks) -> None:
        window = self._transfers.holders[peer.replica].window
        for piece in message.pieces:
            fetch = window.arrived(piece.key, piece.offset, len(piece.data), self._board.now.mono_ms)
            if fetch is None:
                continue
            fetch.moved_ms = self._board.now.mono_ms
            fetch.take(piece.offset, piece.data)
            if not fetch.is_small:
                self._transfers.write(fetch)
            elif fetch.received == fetch.size and not (self._excerpts.wanted and self._excerpts.took(fetch)):
                self._arrived_small(fetch)
        self._board.plan_queue.room_came()

    def _arrived_small(self, fetch: Fetch) -> None:
        path = fetch.target.path
        self._transfers.forget(fetch)
        data = b"".join(data for _, data in fetch.waiting)
        if fetch.plan is not None and not self._work.is_at_work(path):
            row, offers, item, take = fetch.plan
            if (
                self._board.index.rows.get(path) is row
                and self._board.index.offers.of(path) == offers
                and self._work.is_unblocked(path)
            ):
                # nothing has changed since it was planned
                self._applier.order_change(item._replace(data=data, giver=fetch.peer), take)
                return
        self._work.arrivals.make_ready(path, Ready(fetch.target.content, data, None, fetch.peer))
        self._board.plan_queue.add(path)

    def on_staged(self, event: Staged) -> None:
        orphan = self._transfers.parts.take_orphan(event.token)
        if orphan is not None:
            given_up, remove = orphan
            given_up.writing = False
            if event.unfinished:
                self._transfers.cut_back_later(given_up)
                return
            if given_up.grows is not None and (event.problem or event.verified):
                self._transfers.growth_ends(given_up)
                self._board.pending_looks.add(given_up.target.path, self._board.now.mono_ms, self._board.now.mono_ms)
            self._transfers.drop_stage(given_up, remove)
            return
        fetch = self._transfers.by_token.get(event.token)
        if fetch is None:
            return
        path = fetch.target.path
        fetch.writing = False
        fetch.moved_ms = self._board.now.mono_ms
        if fetch.grows is not None:
            self._growth_in.on_grown(fetch, event)
            return
        if event.problem:
            if event.full:
                self._work.retries.await_disk_room(path, fetch.target.size)
            self._transfers.failed_fetch(fetch, event)
            return
        if event.verified and fetch.base is not None and is_delta_in(fetch.name):
            self._deltas_in.patch(fetch)
            return
        # otherwise the file became longer meanwhile
        if event.verified and (fetch.base is not None or event.written == fetch.size):
            self._transfers.forget(fetch)
            if fetch.base is not None:
                self._board.tell(
                    notes.FetchedDelta(path, self._board.name_of(fetch.peer), fetch.target.size, fetch.size)
                )
            elif fetch.size >= limits.LARGE_FILE_BYTES and fetch.opened:  # otherwise all of its bytes were here already
                self._transfers.tell_fetched(fetch)
            self._work.arrivals.make_ready(path, Ready(fetch.target.content, None, fetch.name))
            self._board.plan_queue.add(path)
            self._board.plan_queue.room_came()
            return
        fetch.written = event.written
        if not fetch.opened:
            fetch.opened = True
            fetch.asked = fetch.received = fetch.began_at = event.written
            if event.written:
                self._board.tell(notes.Resumed(path, self._board.name_of(fetch.peer), fetch.size, event.written))
        self._transfers.pull(fetch)
        self._transfers.write(fetch)

    def progress(self) -> list[tuple[bytes, str, int, int, int, int]]:
        """Large contents being fetched: path, peer, bytes here, bytes in all, start time (ms), and first byte of this
        transfer."""
        return [
            (
                path,
                self._board.peers[fetch.peer].name if fetch.peer in self._board.peers else fetch.peer,
                fetch.received,
                fetch.size,
                fetch.started_ms,
                fetch.began_at,
            )
            for path, fetch in sorted(self._work.arrivals.fetches())
            if not fetch.is_small
        ]

    def wake_waiting(self) -> None:
        """Plan paths that waited for room in a peer's window: as many as fit, in bulk."""
        for fetch in self._transfers.parts.large.values():
            if fetch.opened:
                self._transfers.pull(fetch)
        # A small content of a slow peer is asked for in pieces, too, and a limit may have come between two of them.
        for _, fetch in self._work.arrivals.fetches():
            if fetch.is_small and fetch.asked < fetch.size:
                self._transfers.pull(fetch)
        if self._work.jobs.are_full:
            return  # the end of a job wakes them
        for holder in self._work.rooms.peers():
            giver = self._transfers.holders.get(holder)
            self._board.plan_queue.for_one(holder)
            if giver is None:
                self._board.plan_queue.add_all(self._work.rooms.close(holder))
                continue
            room = giver.window.room()
            if room < giver.window.most // 4:
                continue
            portion = giver.window.portion(self._board.now.mono_ms)
            if portion is not None:
                room = min(room, max(portion, limits.CHUNK_BYTES)) if portion else 0
                self._transfers.note_limit(holder)
            self._board.plan_queue.add_all(self._work.rooms.wake(holder, room))
        self._board.plan_queue.for_all()

    def on_refuse(self, peer: Contact, id_: int, reason: str) -> None:
        if self._deltas_in.no_delta(peer.replica, id_):
            return
        fetch = self._transfers.holders[peer.replica].window.refused(id_)
        self._board.plan_queue.room_came()
        if fetch is None or self._excerpts.refused(fetch) or self._work.arrivals.fetch(fetch.target.path) is not fetch:
            return
        path = fetch.target.path
        if reason == "forgotten":
            self._board.index.offers.drop(path, peer.replica)
        if reason != "later":
            was_guess = self._board.index.offers.drop(path, OURS + peer.replica)
            if was_guess and reason == "forgotten":
                self._sources.note_unknown(peer.replica, fetch.target.content)
            if any(held.maker == peer.replica for held in self._brakes.held_elsewhere.get(peer.replica, ())):
                self._sources.note_missing(peer.replica, fetch.target.content)  # until that peer announces it anew
        self._transfers.give_up(fetch, path)
        self._board.plan_later(path, RETRY_MS if reason == "later" else limits.DEBOUNCE_MS)
