"""What a read-only member of a closed mesh may send: that it has a version which others made, and nothing else.

In:   each message of a peer that may not write. Out: the message without changes made by that peer; None: nothing is
left.
Rule: a version is accepted if it is ours, or if a member that may write has announced it. Contents may still come from
a read-only member: their hash is checked. A kind of message that is not named here does not pass.
Used by: engine.
"""

from __future__ import annotations

from dir_sync.core import notes
from dir_sync.core.messages import (
    Acknowledge,
    Change,
    Chunks,
    Close,
    Delta,
    DeltaRequest,
    Folders,
    Forecast,
    ForecastRequest,
    Have,
    HaveRequest,
    Hello,
    History,
    HistoryRequest,
    Lacks,
    Members,
    Message,
    ModificationUpdate,
    NeedSignature,
    Ping,
    Pong,
    Pull,
    Refuse,
    Rows,
    RowsRequest,
    Signature,
    State,
    StateRequest,
    VerifyReport,
    VerifyRequest,
)
from dir_sync.core.model import Record, beats, knows_itself, leq, same_body, with_change
from dir_sync.core.peers.contact import Contact
from dir_sync.engine.board import Board

__all__ = ["HARMLESS", "ReadersFilter"]

HARMLESS = frozenset[type[Message]](
    (
        *(Hello, Close, Ping, Pong, Members, Folders),  # of the connection
        *(StateRequest, Acknowledge, Lacks, Pull, Refuse, Chunks),  # what it has, what it lacks, contents
        *(DeltaRequest, NeedSignature, Signature, Delta),
        *(HistoryRequest, History, HaveRequest, Have, RowsRequest, Rows, ForecastRequest, Forecast),
        *(VerifyRequest, VerifyReport),
    )
)
"""Messages that change and decide nothing. All others count only from a member that may write."""

_REASON = "it is a read-only member of this mesh, so what it changes counts nowhere else"


class ReadersFilter:
    """What a read-only member may send."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._told: set[str] = set()  # peers about whose ignored changes people were told

    def peer_gone(self, replica: str) -> None:
        """Report its ignored changes again at the next connection."""
        self._told.discard(replica)

    def allowed(self, peer: Contact, message: Message) -> Message | None:
        """The part of the message that the peer may send; None: nothing."""
        match message:
            case State(folder, sequence, last, records):
                return State(folder, sequence, last, tuple(self._known(peer, records)))
            case ModificationUpdate(folder, sequence, changes):
                records = tuple(change.record for change in changes)
                told = tuple(
                    Change("modify" if record.kind else "delete", record) for record in self._known(peer, records)
                )
                return ModificationUpdate(folder, sequence, told)
        return message if type(message) in HARMLESS else None

    def _known(self, peer: Contact, records: tuple[Record, ...]) -> list[Record]:
        """Those of the peer's records that it did not make itself."""
        self._board.index.rows.fetch(record.path for record in records)
        found: list[Record] = []
        for record in records:
            known = self._known_as(record)
            if known is not None:
                found.append(known)
            elif peer.replica not in self._told:
                self._told.add(peer.replica)
                self._board.tell(notes.BadContent(record.path, peer.name, _REASON))
        return found

    def _known_as(self, record: Record) -> Record | None:
        """The record as members that may write announced it; None: they have not."""
        if not knows_itself(record):
            record = record._replace(vector=with_change(record.vector, record.stamp.maker, 1))
        row = self._board.index.rows.get(record.path)
        if row is not None:
            mine = row.record
            if mine.stamp == record.stamp and same_body(mine, record):
                return mine if leq(record.vector, mine.vector) else None
            if leq(record.vector, mine.vector) and not beats(record, mine):
                return record  # the peer is behind
        for offer in self._board.index.offers.of(record.path):
            if offer.record.stamp == record.stamp and same_body(offer.record, record):
                if leq(record.vector, offer.record.vector):
                    return offer.record
        return None
