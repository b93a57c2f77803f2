"""Deltas that this node asks for: a file of ours is the base of the wanted version.

In:   offers of files that we hold in another version. Out: DELTA_REQUEST and SIGNATURE messages, patch jobs.
Used by: fetcher, router.
"""

from __future__ import annotations

from dir_sync.core import limits
from dir_sync.core.jobs import PatchJob, Signed, SignJob
from dir_sync.core.messages import Delta, DeltaOffer, DeltaRequest, Signature
from dir_sync.core.model import Record
from dir_sync.core.named import NamedTuple
from dir_sync.core.peers.contact import Contact
from dir_sync.core.reconcile import Take
from dir_sync.core.transfers.transfer import Fetch
from dir_sync.engine.board import Board
from dir_sync.engine.constants import STALLED_MS
from dir_sync.engine.contacts import Contacts
from dir_sync.engine.mode_rules import ModeRules
from dir_sync.engine.signatures import SignatureBacklog
from dir_sync.engine.sources import Sources
from dir_sync.engine.transfers import TransferTable
from dir_sync.engine.work import WorkTable

__all__ = ["DeltaRequests"]


class _Requested(NamedTuple):
    """A delta that this node asked for."""

    path: bytes
    content: bytes  # the content that the delta produces
    until_ms: int  # monotonic time until which the answer is awaited


class DeltaRequests:
    """Deltas that this node asks for: a file of ours is the base of the wanted version."""

    def __init__(
        self,
        board: Board,
        mode_rules: ModeRules,
        contacts: Contacts,
        work: WorkTable,
        sources: Sources,
        signatures: SignatureBacklog,
        transfers: TransferTable,
    ) -> None:
        self._board = board
        self._mode_rules = mode_rules
        self._contacts = contacts
        self._work = work
        self._sources = sources
        self._signatures = signatures
        self._transfers = transfers
        self._requests: dict[str, dict[int, _Requested]] = {}  # by peer, and by the id of a DELTA_REQUEST of ours

    def peer_came(self, peer: Contact) -> None:
        self._requests[peer.replica] = {}

    def peer_gone(self, replica: str) -> None:
        for asked in self._requests.pop(replica).values():
            self._board.plan_queue.add(asked.path)

    def ask_for_delta(self, path: bytes, base: bytes, size: int, target: Record, replica: str) -> None:
        """`size`: bytes of the base if it is the file at `path`; otherwise 0."""
        if self.delta_is_coming(path, target.content):
            return
        id_ = self._transfers.holders[replica].window.new_id(self._board.number)
        self._requests[replica][id_] = _Requested(path, target.content, self._board.now.mono_ms + STALLED_MS)
        self._sources.begin_with(path, base)
        self._board.send(replica, DeltaRequest(self._board.folder, id_, path, target.content, base, size), 200)
        self._work.holders.want_whole(path)  # if no delta comes, the next plan fetches the whole file
        self._board.plan_later(path, STALLED_MS)

    def delta_is_coming(self, path: bytes, content: bytes) -> bool:
        """True while a peer makes this delta or checks whether it can. The path waits, even if other peers have the
        whole file."""
        return any(
            asked.path == path and asked.content == content and self._board.now.mono_ms < asked.until_ms
            for requests in self._requests.values()
            for asked in requests.values()
        )

    def asked_for(self, path: bytes) -> str | None:
        """The peer that was asked for a delta for a path and has still time to answer; None: none was asked."""
        now_ms = self._board.now.mono_ms
        for replica, requests in self._requests.items():
            if any(asked.path == path and now_ms < asked.until_ms for asked in requests.values()):
                return replica
        return None

    def patch(self, fetch: Fetch) -> None:
        """The delta has arrived: order the job that makes the file. A second `Staged` with the same token reports the
        result."""
        path = fetch.target.path
        base = None if fetch.base is None else self._sources.where_is(fetch.base, path)
        if base is None:
            self._transfers.forget(fetch)
            self._board.order_discard((fetch.name,))
            self._board.plan_queue.add(path)
            return
        delta_name, fetch.name = fetch.name, self._transfers.parts.name_for(fetch.target.content)
        fetch.writing = True
        size, content = fetch.target.size, fetch.target.content
        self._board.order(
            PatchJob(fetch.token, fetch.name, delta_name, base[0], base[1], size, content, peer=fetch.peer)
        )

    def no_delta(self, replica: str, id_: int) -> bool:
        """The peer makes no delta: the next plan fetches the whole file (`want_whole` was called before). False if the
        id is unknown."""
        asked = self._requests[replica].pop(id_, None)
        if asked is not None:
            self._board.plan_queue.add(asked.path)
        return asked is not None

    def on_need_signature(self, peer: Contact, id_: int) -> None:
        asked = self._requests[peer.replica].get(id_)
        if asked is None:
            return
        path = asked.path
        base = self._sources.bases.get(path)
        where = None if base is None else self._sources.where_is(base, path)
        if base is None or where is None:
            self.no_delta(peer.replica, id_)
            return
        self._board.order(SignJob(peer.replica, peer.link, id_, where[0], where[1], base))

    def on_delta(self, peer: Contact, message: Delta) -> None:
        asked = self._requests[peer.replica].pop(message.id, None)
        if asked is None:
            return
        path = asked.path
        row = self._board.index.rows.get(path)
        decision = self._mode_rules.decision_at(path, row)
        base = self._sources.bases.get(path)
        if base is not None and isinstance(decision, Take) and self._is_wanted(peer, asked, decision):
            offer = DeltaOffer(base, message.size, message.marks)
            self._work.holders.offer_delta(path, peer.replica, base, asked.content, offer)
        self._board.plan_queue.add(path)

    def _is_wanted(self, peer: Contact, asked: _Requested, decision: Take) -> bool:
        """While nobody within reach has the best version, the planner takes another one: then the peer's own offer counts."""
        offer = self._board.index.offers.of_peer(asked.path, peer.replica)
        return asked.content in (decision.record.content, None if offer is None else offer.record.content)

    def on_signed(self, event: Signed) -> None:
        if not event.peer:
            self._signatures.one_signed()
            return
        peer = self._contacts.asker(event)
        if peer is None:
            return
        if event.data is not None and len(event.data) <= limits.SIGNATURE_BYTES_MAX:
            self._board.send(event.peer, Signature(self._board.folder, event.id, event.data), len(event.data))
        else:
            self.no_delta(event.peer, event.id)
