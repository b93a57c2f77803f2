"""Deltas made for peers: made on demand, kept while they may be pulled.

In:   DELTA_REQUEST messages, and deltas that a look made. Out: delta jobs; DELTA and REFUSE messages.
Used by: rotten, uploader, recorder, local_changes, router.
"""

from __future__ import annotations

from dir_sync.core import limits
from dir_sync.core.jobs import DeltaDone, DeltaJob
from dir_sync.core.looks import MadeDelta
from dir_sync.core.messages import Delta, DeltaRequest, NeedSignature, Refuse
from dir_sync.core.model import Kind, PeerError
from dir_sync.core.peers.contact import Contact
from dir_sync.core.transfers.growth import Growths
from dir_sync.engine.board import Board
from dir_sync.engine.constants import DELTA_KEEP_MS
from dir_sync.engine.contacts import Contacts

__all__ = ["DeltasForPeers"]

_DELTAS_MAX = 32  # deltas kept for peers that may pull them ...
_DELTAS_BYTES_MAX = 1024 * limits.MIB  # ... and their total size; the newest is kept in any case
_WANTED_MAX = 64  # requests of one peer that wait for a delta


class DeltasForPeers:
    """Deltas made for peers: kept while a peer may pull them."""

    def __init__(self, board: Board, contacts: Contacts) -> None:
        self._board = board
        self._contacts = contacts
        self.growths = Growths()
        # By base and content; with the monotonic ms of the last request, in that order.
        self.deltas: dict[tuple[bytes, bytes], tuple[MadeDelta, int]] = {}
        # By peer, and by the id of its DELTA_REQUEST: path, digest, base
        self._wanted: dict[str, dict[int, tuple[bytes, bytes, bytes]]] = {}

    def peer_came(self, peer: Contact) -> None:
        self._wanted[peer.replica] = {}

    def peer_gone(self, replica: str) -> None:
        del self._wanted[replica]

    def keep_delta(self, made: MadeDelta) -> None:
        """Keep a delta for peers to pull. If there are too many, those whose content we no longer have go first."""
        known, _ = self.deltas.pop((made.base, made.digest), (None, 0))
        if known is not None:
            self._board.order_discard((known.name,))
        size = made.size + sum(kept.size for kept, _ in self.deltas.values())
        while self.deltas and (len(self.deltas) >= _DELTAS_MAX or size > _DELTAS_BYTES_MAX):
            key = next(
                (key for key in self.deltas if not self._board.index.rows.by_content(key[1])), next(iter(self.deltas))
            )
            size -= self.deltas[key][0].size
            self._forget_delta(key)
        self.deltas[(made.base, made.digest)] = (made, self._board.now.mono_ms)

    def _forget_delta(self, key: tuple[bytes, bytes]) -> None:
        made, _ = self.deltas.pop(key)
        self._board.order_discard((made.name,))

    def drop_old_deltas(self) -> None:
        """Drop deltas that no peer has pulled for long. A later request makes them anew."""
        while self.deltas:
            key, (_, asked_ms) = next(iter(self.deltas.items()))
            if self._board.now.mono_ms - asked_ms < DELTA_KEEP_MS:
                return
            self._forget_delta(key)

    def delta_of(self, base: bytes, digest: bytes) -> MadeDelta | None:
        """A kept delta, or None. Renews the time of its last use."""
        made, _ = self.deltas.pop((base, digest), (None, 0))
        if made is not None:
            self.deltas[(base, digest)] = (made, self._board.now.mono_ms)
        return made

    def on_delta_request(self, peer: Contact, message: DeltaRequest, signature: bytes | None) -> None:
        row = self._board.index.rows.get(message.path)
        if row is None or row.record.kind != Kind.FILE or row.record.content != message.digest:
            self._board.send(peer.replica, Refuse(self._board.folder, ((message.id, "gone"),)), 50)
            return
        known = self.growths.offer(message.path, message.base, message.digest)
        if known is not None and known[0] == message.size:
            self._board.send(
                peer.replica, Delta(self._board.folder, message.id, row.record.size - known[0], known[1]), 50
            )
            return
        made = self.delta_of(message.base, message.digest)
        if made is not None:
            self._board.send(peer.replica, Delta(self._board.folder, message.id, made.size), 50)
            return
        if len(self._wanted[peer.replica]) >= _WANTED_MAX:
            self._board.send(peer.replica, Refuse(self._board.folder, ((message.id, "later"),)), 50)
            return
        self._wanted[peer.replica][message.id] = (message.path, message.digest, message.base)
        size = message.size if signature is None else 0
        # the base is so short that a delta saves little: the job checks only whether the file grew
        only_growth = 0 < 4 * size < row.record.size
        self._board.order(
            DeltaJob(
                peer.replica,
                peer.link,
                message.id,
                message.path,
                row.fp,
                message.digest,
                message.base,
                signature,
                size,
                only_growth,
            )
        )

    def on_signature(self, peer: Contact, id_: int, signature: bytes) -> None:
        wanted = self._wanted[peer.replica].pop(id_, None)
        if wanted is None:
            raise PeerError("sent a signature that nobody asked for")
        self.on_delta_request(peer, DeltaRequest(self._board.folder, id_, *wanted), signature)

    def on_delta_made(self, event: DeltaDone) -> None:
        if event.delta is not None:
            self.keep_delta(event.delta)
        peer = self._contacts.asker(event)
        if peer is None or event.id not in self._wanted[peer.replica]:
            return
        if event.need_signature:
            self._board.send(peer.replica, NeedSignature(self._board.folder, event.id), 50)
            return
        path, digest, base = self._wanted[peer.replica].pop(event.id)
        row = self._board.index.rows.get(path)
        if event.grown is not None and row is not None and row.record.content == digest:
            self.growths.grew(path, base, event.grown.size, digest, row.record.size, event.grown.marks)
            known = self.growths.offer(path, base, digest)
            if known is not None:
                self._board.send(
                    peer.replica, Delta(self._board.folder, event.id, row.record.size - known[0], known[1]), 50
                )
                return
        if event.delta is None:
            self._board.send(peer.replica, Refuse(self._board.folder, ((event.id, "gone"),)), 50)
        else:
            self._board.send(peer.replica, Delta(self._board.folder, event.id, event.delta.size), 50)

    def drop_delta(self, delta: MadeDelta | None) -> None:
        """Remove the delta's file, unless it is kept for peers."""
        if delta is not None and all(delta is not kept for kept, _ in self.deltas.values()):
            self._board.order_discard((delta.name,))
