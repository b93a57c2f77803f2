"""Serves the contents that peers pull.

In:   PULL messages. Out: read jobs, CHUNKS and REFUSE messages.
Used by: intake, router.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from dir_sync.core import limits, notes
from dir_sync.core.frozen import field, mutable
from dir_sync.core.jobs import ReadDone, ReadItem, ReadJob
from dir_sync.core.messages import Chunks, Pull, PullItem, Refuse
from dir_sync.core.mode import is_own, is_own_large
from dir_sync.core.model import FINGERPRINT_BYTES, Kind, PeerError, size_of
from dir_sync.core.peers.contact import Contact
from dir_sync.core.transfers.connection import Connection
from dir_sync.core.transfers.uploads import Upload, Uploads
from dir_sync.engine.board import Board
from dir_sync.engine.brakes import Brakes
from dir_sync.engine.contacts import Contacts
from dir_sync.engine.deltas_out import DeltasForPeers
from dir_sync.engine.in_vain import VainCounter
from dir_sync.engine.local_renames import LocalRenames
from dir_sync.engine.look_queue import LookQueue
from dir_sync.engine.publisher import Publisher
from dir_sync.engine.sources import Sources
from dir_sync.engine.work import WorkTable

__all__ = ["Uploader"]

_QUIET_MS = 2_000  # a peer that was sent all it asked for, up to the end, and asks for nothing for so long, has it


@mutable
class _Served:
    """The pending pulls of one peer."""

    connection: Connection
    unread: int = 0  # bytes that the peer has asked for in this folder, and that were not read yet ...
    pulls: int = 0  # ... and the number of these pulls
    reading: dict[int, PullItem] = field(default_factory=dict)  # by id: pieces of large files
    # ... of files that were just renamed; since when (ms)
    parked: list[tuple[PullItem, int]] = field(default_factory=list)
    # ... that wait because what is sent is limited, and their bytes
    paced: deque[PullItem] = field(default_factory=deque)
    paced_bytes: int = 0

    def asked(self, length: int) -> None:
        self.unread += length
        self.pulls += 1
        self.connection.asked(length)

    def answered(self, length: int, pulls: int = 1) -> None:
        self.unread = max(0, self.unread - length)
        self.pulls = max(0, self.pulls - pulls)
        self.connection.answered(length, pulls)


class Uploader:
    """Serves the contents that peers pull."""

    def __init__(
        self,
        board: Board,
        contacts: Contacts,
        work: WorkTable,
        sources: Sources,
        brakes: Brakes,
        publisher: Publisher,
        local_renames: LocalRenames,
        look_queue: LookQueue,
        deltas_out: DeltasForPeers,
        vain: VainCounter,
    ) -> None:
        self._board = board
        self._contacts = contacts
        self._work = work
        self._sources = sources
        self._brakes = brakes
        self._publisher = publisher
        self._local_renames = local_renames
        self._look_queue = look_queue
        self._deltas_out = deltas_out
        self._vain = vain
        self.active = Uploads()
        self._served: dict[str, _Served] = {}  # by peer

    def peer_came(self, peer: Contact) -> None:
        self._served[peer.replica] = _Served(peer.connection)

    def peer_gone(self, replica: str) -> None:
        """What it has asked for is not answered any more: the connection may live on, for other folders."""
        self.active.gone(replica)
        served = self._served.pop(replica)
        served.connection.answered(served.unread, served.pulls)

    @property
    def has_parked(self) -> bool:
        for served in self._served.values():  # noqa: SIM110 - asked after each turn: `any` makes a generator each time
            if served.parked:
                return True
        return False

    def on_pull(self, peer: Contact, message: Pull, again: bool = False) -> None:
        """`again`: these pulls were parked before."""
        served, connection = self._served[peer.replica], peer.connection
        for pull in message.pulls:
            if pull.length > limits.PULL_BYTES_MAX:
                raise PeerError("asked for too much in one pull")
            served.asked(pull.length)
            if connection.unread > 2 * limits.PULL_WINDOW_BYTES or connection.pulls > limits.PULLS_MAX:
                raise PeerError("asked for more than the window allows")
        if connection.outbox_bytes is None or again:
            self._read(peer, message.pulls, again)
        else:
            served.paced.extend(message.pulls)
            served.paced_bytes += sum(pull.length for pull in message.pulls)
            self._read_paced(peer, connection.outbox_bytes)

    def _read_paced(self, peer: Contact, outbox_bytes: int) -> None:
        """What is sent is limited: read as much as keeps the outbox filled."""
        served = self._served[peer.replica]
        going = peer.connection.queued + served.unread - served.paced_bytes
        pulls: list[PullItem] = []
        while served.paced and going < outbox_bytes:
            pull = served.paced.popleft()
            served.paced_bytes -= pull.length
            going += pull.length
            pulls.append(pull)
        if pulls:
            self._read(peer, pulls, again=False)

    def _is_known(self, pull: PullItem) -> bool:
        """False if the peer is to drop what was announced once: nothing is known of that path, or it is shared no longer as
        it is here. A version that could not be read a moment ago is known."""
        index = self._board.index
        row = index.rows.get(pull.path)
        is_shared = row is not None and not is_own(row.record)
        return is_shared or index.versions.with_content(pull.digest) is not None

    def _read(self, peer: Contact, pulls: Sequence[PullItem], again: bool) -> None:
        served = self._served[peer.replica]
        refused: list[tuple[int, str]] = []
        items: list[ReadItem] = []
        size = 0
        for pull in pulls:
            source = self._source_of(pull)
            if source is None:
                is_known = pull.base is not None or self._is_known(pull)
                refused.append((pull.id, "gone" if is_known else "forgotten"))
                served.answered(pull.length)
                self._vain.add(peer.replica)
                continue
            path, fp, kept, begins = source
            if not again and pull.base is None and kept is None and size_of(fp) > limits.CHUNK_BYTES:
                served.reading[pull.id] = pull
            may_grow = kept is None and (len(fp) > FINGERPRINT_BYTES or self._deltas_out.growths.knows(path))
            grows = (pull.digest, begins) if may_grow else None
            items.append(ReadItem(pull.id, path, fp, pull.offset, pull.length, kept, grows))
            size += pull.length
            if not again:
                self._sent(peer, pull)
            if size >= limits.CHUNK_BYTES or len(items) >= limits.LOOK_ITEMS_MAX:
                self._board.order(ReadJob(peer.replica, peer.link, tuple(items)))
                items, size = [], 0
        if items:
            self._board.order(ReadJob(peer.replica, peer.link, tuple(items)))
        if refused:
            self._board.send(peer.replica, Refuse(self._board.folder, tuple(refused)), 100 * len(refused))

    def _park(self, served: _Served, event: ReadDone) -> tuple[tuple[int, bytes], ...]:
        """Park pulls of a file that could not be read because it was just renamed or written to: a look at it follows.
        Returns the other results."""
        for piece in event.pieces:
            served.reading.pop(piece.key, None)
        refused = []
        for id_, path in event.refused:
            pull = served.reading.pop(id_, None)
            if pull is not None and self._is_unsettled(path):
                served.parked.append((pull, self._board.now.mono_ms))
            else:
                refused.append((id_, path))
        return tuple(refused)

    def _is_unsettled(self, path: bytes) -> bool:
        target = self._local_renames.renames.target_of(path, self._board.now.mono_ms)
        return self._work.is_at_work(path) or (target is not None and self._work.is_at_work(target))

    def serve_parked(self, peer: Contact) -> None:
        served = self._served[peer.replica]
        if served.paced and peer.connection.outbox_bytes is not None:
            self._read_paced(peer, peer.connection.outbox_bytes)
        if not served.parked:
            return
        parked, served.parked = served.parked, []
        for pull, since_ms in parked:
            is_over = self._board.now.mono_ms - since_ms > limits.RENAME_HOLD_MS
            if not is_over and self._is_unsettled(pull.path):
                served.parked.append((pull, since_ms))
            else:
                self.on_pull(peer, Pull(self._board.folder, (pull,)), again=True)

    def _sent(self, peer: Contact, pull: PullItem) -> None:
        """Log what is sent to a peer. A large content or delta is logged when the peer acknowledges the file."""
        row = self._board.index.rows.get(pull.path)
        if row is None or row.record.content != pull.digest:
            row = next(iter(self._board.index.rows.by_content(pull.digest)), None)
        version = self._board.index.versions.with_content(pull.digest) if row is None else None
        file_size = row.record.size if row is not None else pull.length if version is None else version.size
        made = None if pull.base is None else self._deltas_out.delta_of(pull.base, pull.digest)
        size = file_size if made is None else made.size
        if size >= limits.LARGE_FILE_BYTES:
            self.active.asked(
                peer.replica, pull.path, pull.digest, file_size, size, pull.offset, pull.length, self._board.now.mono_ms
            )
        elif not pull.offset and made is None:
            self._board.tell(notes.Sent(pull.path, peer.name, size))
        elif not pull.offset:
            self._board.tell(notes.SentDelta(pull.path, peer.name, file_size, size))

    def _source_of(self, pull: PullItem) -> tuple[bytes, bytes, tuple[int, int] | None, int] | None:
        """Path and fingerprint of a local file that begins with the requested content; for a version of the history
        also its size and mtime; the size of the content (0: it is a delta)."""
        if pull.base is not None:
            made = self._deltas_out.delta_of(pull.base, pull.digest)
            return None if made is None else (made.name, b"", None, 0)
        row = self._board.index.rows.get(pull.path)
        if row is not None and row.fp and row.record.content != pull.digest and not self._brakes.own.holds(pull.path):
            begins = self._deltas_out.growths.beginning(pull.path, pull.digest, row.record.content)
            if pull.offset + pull.length <= begins:
                return pull.path, row.fp, None, begins
        missing = self._brakes.own.holds
        is_it = row is not None and row.record.kind == Kind.FILE and row.record.content == pull.digest and row.fp
        if row is None or not is_it or missing(pull.path) or is_own_large(row.record):
            rows = [other for other in self._board.index.rows.by_content(pull.digest) if not is_own_large(other.record)]
            row = next((other for other in rows if other.fp and not missing(other.record.path)), None)
        if row is not None:
            return row.record.path, row.fp, None, row.record.size
        for path, content, begins in self._deltas_out.growths.beginning_with(pull.digest):  # the file was renamed since
            row = self._board.index.rows.get(path)
            if row is None or not row.fp or row.record.content != content or missing(path):
                continue
            if pull.offset + pull.length <= begins:
                return path, row.fp, None, begins
        version = self._board.index.versions.with_content(pull.digest)
        if version is None or self._sources.is_avoided(version.name):
            return None
        return version.name, b"", (version.size, version.mtime), version.size

    def on_read(self, event: ReadDone) -> None:
        for _, path in event.refused:
            self._look_queue.differs(path)
        peer = self._contacts.asker(event)
        if peer is None:
            return
        if event.push:
            self._publisher.seed(peer.replica, {piece.key: bytes(piece.data) for piece in event.pieces})
            return
        served = self._served[peer.replica]
        served.answered(event.asked, len(event.pieces) + len(event.refused))
        if served.reading:
            event = event._replace(refused=self._park(served, event))
        if event.pieces:
            size = sum(len(piece.data) for piece in event.pieces)
            self._board.send(peer.replica, Chunks(event.pieces), size)
        if event.refused:
            self._board.send(
                peer.replica, Refuse(self._board.folder, tuple((id_, "gone") for id_, _ in event.refused)), 50
            )

    def progress(self, now_ms: int) -> list[tuple[Upload, int]]:
        """Large contents being sent to peers, and how many bytes of each were sent. `now_ms`: the caller's time, because the
        time of the board stands still while nothing happens in the folder."""
        found = []
        for one in self.active.under_way(now_ms):
            connection = self._board.peers[one.peer].connection
            left = connection.unread + connection.queued
            if not left and one.asked_to >= one.size and now_ms - one.asked_ms >= _QUIET_MS:
                continue  # a peer that repairs its own file says nothing when it is done
            found.append((one, one.sent(left)))
        return found
