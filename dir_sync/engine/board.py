"""What all machines of one folder see, and the queues through which they ask each other for work.

In:   marks: look at this path, plan it, announce it, run once more; effects to be performed.
Out:  the same, to the machine that consumes each of them; index, time and connected peers.
Rule: decides nothing by itself: `core.reconcile` does. A mark may be set by every machine and twice; one machine consumes it.
"""

from __future__ import annotations

from collections.abc import Collection

from dir_sync.core.events import Effect, Send, Tell
from dir_sync.core.jobs import (
    ApplyJob,
    DeltaJob,
    DiscardJob,
    ListJob,
    LookJob,
    PatchJob,
    PruneJob,
    ReadJob,
    RecheckJob,
    SignJob,
    StageJob,
)
from dir_sync.core.messages import Message
from dir_sync.core.mode import OWN
from dir_sync.core.model import FIRST_CONTACT
from dir_sync.core.notes import LocalChange, Note
from dir_sync.core.peers.contact import Contact
from dir_sync.core.taking import Taking
from dir_sync.core.text_jobs import KeepTextsJob, MergeJob
from dir_sync.core.watching.pending_looks import PendingLook, PendingLooks
from dir_sync.engine.queues import Announcements, LinkQueue, ListQueue, Losers, PlanQueue
from dir_sync.engine.scan_state import ScanState
from dir_sync.engine.values import Now
from dir_sync.index import JOURNAL_SINCE, Index

__all__ = ["Board"]


class Board:
    """The index, the time of this turn, the peers, the effects so far, and the queues.

    It has more fields than a machine may have: each is a queue or a mark that joins several machines, and belongs to none.
    """

    def __init__(self, index: Index, folder: str, tag: str, deltas: bool, number: int = 0) -> None:
        self.index = index
        self.taking: Taking | None = None  # what may come of peers' contents; None: everything
        self.folder = folder
        self.number = number  # of the folder: its place in our HELLO
        self.tag = tag.encode()
        self.keeps = False  # the disk keeps attributes (core.attributes): looks read them, and installations set them
        self.with_deltas = deltas
        self.now = Now(0, 0)
        self.out: list[Effect] = []
        self.has_acted = False  # the first half of this turn had effects
        self.peers: dict[str, Contact] = {}  # `Contacts` alone adds and removes
        self.pending_looks = PendingLooks()
        self.looking: dict[bytes, PendingLook] = {}
        self.listings = ListQueue()
        self.plan_queue = PlanQueue()
        self.is_shared = False  # several peers or jobs compete: machines work in small pieces
        self.resting: Collection[str] = ()  # peers that took much time: what they announced is not planned now
        self.discarded: dict[bytes, None] = {}  # the last staging files whose removal was ordered
        self.announcements = Announcements()
        self.jobs_out = 0
        self.moved_ms = 0  # monotonic time at which something last happened
        self.run_again = False
        self.scan = ScanState(index, self.pending_looks)
        self.removing = 0  # removals of files that are being carried out
        self.losers = Losers()
        self.links = LinkQueue()
        # false until the first peer's state is complete: what that brings is no change
        self.journals = index.notes.get(JOURNAL_SINCE) is not None

    def name_of(self, replica: str) -> str:
        """The display name of a node, as it called itself when it was last connected."""
        if not replica:
            return ""
        if replica in self.peers:
            return self.peers[replica].name
        if replica.startswith(OWN):
            replica = self.index.identity.replica
        if replica.startswith("="):  # the maker of a record from a first scan is a content hash, not a node
            return FIRST_CONTACT
        return str(self.index.notes.get("name " + replica) or replica[:8])

    def tell(self, note: Note) -> None:
        self.out.append(Tell(note))

    def tell_later(self, note: LocalChange) -> None:
        """Log a user's change at the end of the turn, when it is known whether it is part of a rename."""
        self.announcements.log(note)

    def plan_later(self, path: bytes, wait_ms: int) -> None:
        self.plan_queue.add_at(self.now.mono_ms + wait_ms, path)

    def order(
        self,
        job: ListJob
        | LookJob
        | ApplyJob
        | StageJob
        | PatchJob
        | ReadJob
        | DeltaJob
        | SignJob
        | PruneJob
        | RecheckJob
        | KeepTextsJob
        | MergeJob,
    ) -> None:
        self.jobs_out += 1
        self.out.append(job)

    def order_discard(self, names: tuple[bytes, ...], tokens: tuple[int, ...] = ()) -> None:
        for name in names:
            self.discarded[name] = None
            if len(self.discarded) > 1_000:
                del self.discarded[next(iter(self.discarded))]
        self.out.append(DiscardJob(names, tokens=tokens))

    def send(self, replica: str, message: Message, size: int) -> None:
        self.peers[replica].standing.told(message)
        self.peers[replica].connection.queued += size
        self.out.append(Send((replica,), message, size))

    def send_to_all(self, message: Message, size: int, but: str = "") -> None:
        """Send to every peer that has asked for our state, except `but`."""
        for replica in sorted(self.peers):
            if replica != but and self.peers[replica].has_asked:
                self.send(replica, message, size)

    def begin(self, now: Now) -> None:
        """Start handling one event at this time."""
        self.now, self.out = now, []

    def begin_turn(self, now: Now) -> None:
        """Start the work that is due at the end of a turn."""
        self.begin(now)
        self.run_again = False

    def end_act(self) -> list[Effect]:
        """The first half of the turn is over. Returns its effects."""
        self.has_acted = bool(self.out)
        return self.out

    def emit(self, effect: Effect) -> None:
        self.out.append(effect)

    def run_once_more(self) -> None:
        """Ask for another run at the end of the turn, even if no event arrives."""
        self.run_again = True

    def something_happened(self) -> None:
        self.moved_ms = self.now.mono_ms

    def job_came_back(self) -> None:
        self.jobs_out -= 1

    def look_begins(self, pending: PendingLook) -> None:
        self.looking[pending.path] = pending

    def look_ends(self, path: bytes) -> PendingLook:
        self.listings.look_ended(path)
        return self.looking.pop(path)

    def removal_begins(self) -> None:
        self.removing += 1

    def removal_ends(self) -> None:
        self.removing -= 1

    def begin_journal(self) -> None:
        self.journals = True

    def is_being_told(self, path: bytes) -> bool:
        """True while a peer that announced this path has not sent all of its state yet."""
        return any(
            offer.peer in self.peers and not self.peers[offer.peer].synced for offer in self.index.offers.of(path)
        )
