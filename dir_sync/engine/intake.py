"""Turns the announcements of peers into offers; tracks how much each peer sent and acknowledged.

In:   connections, STATE_REQUEST, STATE, ACKNOWLEDGE, and the records of updates. Out: offers; STATE_REQUEST messages.
Used by: forecaster, local_changes, ignoring, scan, decisions, router, path_decisions.
"""

from __future__ import annotations

from collections.abc import Sequence

from dir_sync.core import limits, notes
from dir_sync.core.events import Drop, NewReplica, PeerUp
from dir_sync.core.frozen import mutable
from dir_sync.core.messages import Acknowledge, Decision, State, StateRequest
from dir_sync.core.messages import Brake as BrakeNews
from dir_sync.core.model import (
    Kind,
    PeerError,
    Record,
    Stamp,
    beats,
    is_first_scan,
    knows_itself,
    leq,
    same_body,
    with_change,
)
from dir_sync.core.peers.contact import Contact
from dir_sync.core.reconcile import Offer
from dir_sync.core.transfers.connection import Connection
from dir_sync.core.transfers.uploads import Upload
from dir_sync.engine.board import Board
from dir_sync.engine.brakes import Brakes
from dir_sync.engine.constants import MEMBER, READER
from dir_sync.engine.contacts import Contacts
from dir_sync.engine.in_vain import VainCounter
from dir_sync.engine.peer_losses import PeerLosses
from dir_sync.engine.publisher import Publisher
from dir_sync.engine.scope import Scope
from dir_sync.engine.sources import Sources
from dir_sync.engine.stamps import Stamps
from dir_sync.engine.sync_report import SyncReport
from dir_sync.engine.unconfirmed import Unconfirmed
from dir_sync.engine.uploader import Uploader
from dir_sync.engine.work import WorkTable
from dir_sync.index import PeerSeen, Row

__all__ = ["Intake", "ask_all_again"]


@mutable
class _Announcer:
    """How this node treats the announcements of one connected peer."""

    is_first_contact: bool  # its records were made without knowledge of this node
    is_member: bool  # it has shared most of the folder with us, now or earlier
    ask_again: bool = False  # it acknowledged a version of ours that our index lost: its whole state is wanted again
    told: int = 0  # the highest sequence that it told on this connection
    is_asked_anew: bool = False  # it was asked for its whole state once more, and that has not begun to come


class Intake:
    """Turns the announcements of peers into offers; tracks how much each peer sent and acknowledged.

    It has more fields than a class should have: the machines below it, which each announcement concerns."""

    def __init__(
        self,
        board: Board,
        contacts: Contacts,
        work: WorkTable,
        scope: Scope,
        vain: VainCounter,
        stamps: Stamps,
        sources: Sources,
        brakes: Brakes,
        peer_losses: PeerLosses,
        publisher: Publisher,
        uploader: Uploader,
        sync_report: SyncReport,
    ) -> None:
        self._board = board
        self._contacts = contacts
        self._work = work
        self._scope = scope
        self._vain = vain
        self._stamps = stamps
        self._sources = sources
        self._brakes = brakes
        self._publisher = publisher
        self._peer_losses = peer_losses
        self._uploader = uploader
        self._sync_report = sync_report
        self._unconfirmed = Unconfirmed(board, work)
        self._links = 0  # number of connections so far; the next one gets its number from it
        self.asks_again = False  # a peer is to be asked for its whole state again, once it has sent what was asked for
        self.declined: dict[str, list[tuple[bytes, Stamp]]] = {}  # by node: announcements at ignored paths
        self._announcers: dict[str, _Announcer] = {}  # by node: the connected peers

    def on_peer_up(self, event: PeerUp) -> Contact | None:
        """The contact for a new connection; None if the peer has no folder of that name."""
        hello = event.hello
        if all(folder.name != self._board.folder for folder in hello.folders):
            self._board.emit(Drop(event.peer, "no-common-folder", f"no folder named {self._board.folder} there"))
            return None
        known = self._board.index.peers.get(event.peer)
        if known is None:
            known = PeerSeen(0, None)
            self._board.index.peers.put(event.peer, known)
        if event.may_write == bool(self._board.index.notes.get(READER + event.peer)):
            self._board.index.notes.put(READER + event.peer, int(not event.may_write))
            if event.may_write:  # what was ignored while it was read-only counts now
                known = known._replace(seen=0)
                self._board.index.peers.put(event.peer, known)
        self._links += 1
        self._peer_losses.forget_strangers()
        peer = Contact(event.peer, hello.name, event.connection or Connection(self._links), event.may_write)
        self._contacts.came(peer, event.address)
        is_member = self._board.index.notes.get(MEMBER + peer.replica) == 1
        self._announcers[peer.replica] = _Announcer(known.first is None, is_member)
        if not self._board.scan.is_on:
            self.ask_state(peer)
        return peer

    def peer_gone(self, replica: str) -> None:
        announcer = self._announcers.pop(replica)
        self.declined.pop(replica, None)
        known = self._board.index.peers.get(replica)
        if announcer.is_member or known is None:
            return
        ignored = self._board.index.unshared.of_peer(replica)
        if self._board.index.offers.count_by(replica) + ignored.files + ignored.others > limits.OFFERS_LEFT_MAX:
            self._board.index.offers.forget(replica)
            self._board.index.unshared.forget(replica)
            self._board.index.peers.put(
                replica, known._replace(seen=0)
            )  # at its next connection it sends its whole state

    def is_member(self, replica: str) -> bool:
        """True if that peer has shared most of the folder with us, now or earlier. Its statements about other nodes
        then count."""
        return self._announcers[replica].is_member

    def ask_state(self, peer: Contact) -> None:
        """Ask for a peer's state once. Not called during the first scan: its announcements would have to wait until the
        end of it."""
        if not peer.was_asked:
            peer.was_asked = True
            known = self._board.index.peers.get(peer.replica)
            after = 0 if known is None else known.seen
            if not after:
                self._board.index.unshared.forget(peer.replica)
            sequence = self._board.index.sequences.last
            summary = b"" if after or not sequence else self._board.index.summary_for(peer.replica)
            pulls = peer.connection.window.has_limits
            request = StateRequest(self._board.folder, peer.replica, after, sequence, summary, pulls)
            self._board.send(peer.replica, request, 100)

    def on_state_request(self, peer: Contact, message: StateRequest) -> None:
        after = message.after
        is_known = message.replica == self._board.index.identity.replica
        if is_known and after > self._board.index.sequences.last:
            if not self._stamps.take_new_id():
                raise PeerError("claims to have seen more of this index than there is")
            self._board.tell(notes.IdentityChanged("a peer has seen changes of ours that we have lost"))
            self._contacts.drop_all()
            self._board.emit(NewReplica())
            return
        if not peer.has_asked:
            for maker, approval in sorted(self._peer_losses.approvals.here.items()):
                self._board.send(peer.replica, Decision(self._board.folder, maker, approval.counter, True), 100)
            if held := self._brakes.held():
                self._board.send(peer.replica, BrakeNews(self._board.folder, held), 100 * (1 + len(held)))
        subscriber = self._publisher.subscribers[peer.replica]
        # What it announced on an earlier connection it may have lost since: its index may come from a backup.
        subscriber.knows.clear()
        peer.has_asked = True
        # What it has seen of another state of our index says nothing about this one.
        is_known = is_known and self._board.index.sequences.gave_out(after)
        subscriber.begin(after if is_known else 0, message.summary)
        is_first = self._announcers[peer.replica].is_first_contact
        may_seed = not message.pulls and peer.connection.outbox_bytes is None
        if message.sequence == 0 and not after and is_first and may_seed:
            subscriber.seeding.begin()
            subscriber.pushes.acked_ms = self._board.now.mono_ms
        if message.sequence <= limits.PAGE_RECORDS_MAX:
            self.ask_state(peer)  # a peer may acknowledge only what it asked for
        if self._board.index.offers.any():
            self._work.holders.end_rests()
            self._board.plan_queue.add_all_offers()  # from now on the peer may be asked for contents

    def acknowledge_declined(self, peer: Contact) -> None:
        """Tell a peer that what it announced at ignored paths was dealt with: it need not wait for that."""
        declined = self.declined.pop(peer.replica, [])
        if not declined:
            return
        sent = self._publisher.subscribers[peer.replica].sent
        for at in range(0, len(declined) if peer.has_asked else 0, limits.PAGE_RECORDS_MAX):
            some = tuple(declined[at : at + limits.PAGE_RECORDS_MAX])
            self._board.send(peer.replica, Acknowledge(self._board.folder, sent, some), 60 * len(some))

    def advance_received(self, peer: Contact, sequence: int, state: State | None = None) -> None:
        """The peer has told everything up to `sequence`. `state`: the page that says so.

        What was under way when the peer was asked anew does not count: if the connection broke after it, nobody would
        ask for the rest of the state. The state that was asked for has begun when a page goes back in the sequence, or
        is the last one."""
        announcer = self._announcers[peer.replica]
        if announcer.is_asked_anew:
            if state is None or not (sequence < announcer.told or state.last):
                announcer.told = max(announcer.told, sequence)
                peer.standing.listen_anew()
                return
            announcer.is_asked_anew = False
        announcer.told = max(announcer.told, sequence)
        shared = self._publisher.subscribers[peer.replica].shared
        if not announcer.is_member and 0 < self._board.index.rows.count_live()[0] <= 2 * shared:
            announcer.is_member = True
            self._board.index.notes.put(MEMBER + peer.replica, 1)
        known = self._board.index.peers.get(peer.replica)
        if known is not None and sequence > known.seen:
            self._board.index.peers.put(peer.replica, known._replace(seen=sequence))

    def on_last_state(self, peer: Contact, sequence: int) -> None:
        known = self._board.index.peers.get(peer.replica)
        if known is not None and known.first is None:
            self._board.index.peers.put(peer.replica, known._replace(first=sequence))
        self._announcers[peer.replica].is_first_contact = False
        if not peer.synced:
            peer.synced = True
            lack = self._sync_report.lacked_from(peer.replica)
            self._board.tell(notes.PeerAhead(peer.name, lack.files + lack.others, lack.bytes))

    def _take_back(self, path: bytes, replica: str) -> None:
        """Drop a peer's offer, and plan the path again: maybe nothing is wanted there now."""
        if self._board.index.offers.drop(path, replica):
            self._board.plan_queue.add(path)

    def is_foreign(self, record: Record, row: Row | None, is_first_contact: bool) -> bool:
        """True for a deletion whose maker did not know what is here (`row`): it is from the first contact with a peer, or the
        path is shared again."""
        if record.kind != Kind.ABSENT or row is None or not is_first_scan(row.record):
            return False
        return self._scope.is_shared_again(record.path) or (is_first_contact and not self._knew_us(record))

    def _knew_us(self, record: Record) -> bool:
        """True if a record was made by a node after our first contact with it."""
        for replica, counter in record.vector:
            known = self._board.index.peers.get(replica)
            if known is not None and known.first is not None and counter > known.first:
                return True
        return False

    def on_acknowledge(self, peer: Contact, held: Sequence[tuple[bytes, Stamp]]) -> None:
        """The peer has these versions: it installed them, or it already had something newer at these paths."""
        index = self._board.index
        subscriber = self._publisher.subscribers[peer.replica]
        if held:
            subscriber.pushes.acked_ms = self._board.now.mono_ms
        paths = [path for path, _ in held]
        subscriber.pushes.all_acknowledged(paths)
        uploads = self._uploader.active.of(peer.replica)
        unoffered = index.offers.without(set(paths))
        for path, stamp in held:
            row = index.rows.get(path)
            is_ours = row is not None and row.record.stamp == stamp
            subscriber.shared += is_ours
            if uploads and (upload := self._uploader.active.ended(peer.replica, path)) is not None and is_ours:
                self._tell_of_upload(peer, path, upload)
            if path not in unoffered:
                for offer in index.offers.of(path):
                    if offer.record.stamp == stamp:
                        self._has_again(peer, offer.record.content)
                    elif offer.peer == peer.replica:
                        self._unconfirmed.replaced(path, peer.replica, stamp)
                        self._take_back(path, peer.replica)  # the peer has a newer version there
            if is_ours:
                continue
            if row is not None and row.record.stamp < stamp:
                self._board.plan_queue.add(path)
            # A version that a larger stamp replaced before our stamp went back is known, too.
            was_lowered = any(stamp <= larger for larger in self._stamps.lowered.get(path, ()))
            is_unheard_of = row is None or (row.record.stamp < stamp and not was_lowered)
            if is_unheard_of and all(offer.record.stamp != stamp for offer in index.offers.of(path)):
                # This version came from us, but our index is older than it (restored from a backup, or a power cut).
                self._vain.add(peer.replica)
                self._announcers[peer.replica].ask_again = self.asks_again = True

    def _has_again(self, peer: Contact, content: bytes) -> None:
        """The peer has said that it has this content. If it was missing there, whoever waits for it asks again."""
        if self._sources.no_longer_missing(peer.replica, content):
            self._work.holders.end_rests()
            self._board.plan_queue.add_all_offers()

    def _tell_of_upload(self, peer: Contact, path: bytes, upload: Upload) -> None:
        took = max(1, self._board.now.mono_ms - upload.since_ms)
        if upload.is_delta:
            self._board.tell(notes.SentDelta(path, peer.name, upload.file_size, upload.size))
        else:
            travelled = upload.size - upload.began_at
            self._board.tell(notes.SentLarge(path, peer.name, upload.size, travelled, took))

    def ask_again(self, peer: Contact) -> None:
        """Ask a peer for its whole state, as at the first contact."""
        known = self._board.index.peers.get(peer.replica)
        if known is not None:
            self._board.index.peers.put(peer.replica, known._replace(seen=0))
        self._vain.begin_anew(peer.replica)
        peer.standing.listen_anew()
        announcer = self._announcers[peer.replica]
        announcer.is_asked_anew = peer.was_asked
        announcer.ask_again = peer.was_asked = peer.synced = False
        self.ask_state(peer)

    def ask_again_if_due(self, peer: Contact) -> None:
        """Ask again if the peer knows versions that our index lost, and if it has sent the state that it was asked
        for."""
        if self._announcers[peer.replica].ask_again and peer.synced:
            self.ask_again(peer)
            self.asks_again = any(one.ask_again for one in self._announcers.values())

    def on_announced(self, peer: Contact, record: Record, sequence: int) -> bool:
        """Store what a peer announced as an offer. True if it is, or may be, news."""
        path = record.path
        if not knows_itself(record):
            record = record._replace(vector=with_change(record.vector, record.stamp.maker, 1))
        subscriber = self._publisher.subscribers[peer.replica]
        if self._scope.ignores_record(record):
            self.declined.setdefault(peer.replica, []).append((path, record.stamp))
            self._board.index.unshared.put(peer.replica, record)
            return False
        self._board.index.unshared.drop(peer.replica, path)
        subscriber.seeding.note_announcement()
        upload = self._uploader.active.of(peer.replica).get(path)
        if upload is not None and upload.digest == record.content:
            # It has restored that version, or a third node gave it the record: it never acknowledges ours.
            self._uploader.active.ended(peer.replica, path)
            self._tell_of_upload(peer, path, upload)
        self._has_again(peer, record.content)
        row = self._board.index.rows.get(path)
        if row is not None:
            mine = row.record
            if mine.stamp == record.stamp and same_body(mine, record):
                subscriber.pushes.acknowledged(path)
                if leq(record.vector, mine.vector):
                    subscriber.shared += 1
                    self._vain.add_repeat(peer.replica)
                    self._take_back(path, peer.replica)
                    if record.vector == mine.vector and row.seq > subscriber.sent:
                        subscriber.knows[path] = (record.stamp, record.vector)
                    return False
            elif leq(record.vector, mine.vector) and not beats(record, mine):
                self._vain.add_repeat(peer.replica)
                self._take_back(path, peer.replica)
                return False
            else:
                subscriber.pushes.acknowledged(path)
        foreign = self.is_foreign(record, row, self._announcers[peer.replica].is_first_contact)
        earlier = self._board.index.offers.of_peer(path, peer.replica)
        if earlier is not None and earlier.record.stamp != record.stamp:
            self._vain.add(peer.replica)  # its earlier offer was never installed
        elif earlier is not None and leq(record.vector, earlier.record.vector):
            self._vain.add_repeat(peer.replica)
        self._unconfirmed.replaced(path, peer.replica, record.stamp)
        self._board.index.offers.put(Offer(peer.replica, record, foreign))
        self._board.plan_queue.add(path)
        is_other = earlier is not None and earlier.record.content != record.content
        self._work.holders.announced_by(path, peer.replica, is_other)
        return True


def ask_all_again(board: Board, intake: Intake) -> None:
    """Ask every peer for its whole state: those that are connected now, the others at the next contact."""
    board.index.peers.ask_anew()
    for replica in sorted(board.peers):
        intake.ask_again(board.peers[replica])
