"""One node's decisions about one folder. Everything that happens comes in as an event; everything to do goes out as an effect.

In:   `handle(event, now)`, as often as things happen; `end_turn(now)` after one or several of them.
Out:  effects, to be performed in order after the index was committed.
Rule: one thread only. Nothing here waits, reads a clock, touches a disk or a socket: bytes first, then the index, then
      words. A path has at most one job at a time, so a job's answer is true about the row it was made from.

What is to be done is never stored: it is computed again from what we have (rows) and what peers announced (offers).
"""

from __future__ import annotations

import heapq
import struct
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

from dir_sync import undo
from dir_sync.core import limits
from dir_sync.core.agenda import Agenda, Errand
from dir_sync.core.approval import Approval, Approvals
from dir_sync.core.arrivals import Arrivals, is_flooded
from dir_sync.core.brake import Brake, covers
from dir_sync.core.brake import Limits as BrakeLimits
from dir_sync.core.content import bucket_of, first_scan_record
from dir_sync.core.events import (
    Blind,
    ConflictsSettled,
    Decided,
    Drained,
    Drop,
    Effect,
    Event,
    Inquired,
    Moved,
    NewIdentity,
    Note,
    PeerDown,
    PeerUp,
    Recalled,
    Received,
    Report,
    Send,
    Ticked,
    Touched,
    Urgency,
)
from dir_sync.core.fairness import Backlog
from dir_sync.core.growth import Growths, mark_offsets
from dir_sync.core.identity import EVERY_MS as IDENTITY_EVERY_MS
from dir_sync.core.inquiry import Inquiries
from dir_sync.core.jobs import (
    Act,
    Applied,
    ApplyItem,
    ApplyJob,
    ApplyResult,
    Before,
    DeltaDone,
    DeltaJob,
    DiscardJob,
    Growing,
    Listed,
    ListJob,
    Looked,
    LookJob,
    PatchJob,
    Pruned,
    PruneJob,
    ReadDone,
    ReadItem,
    ReadJob,
    Rechecked,
    RecheckJob,
    Result,
    Signed,
    SignJob,
    Staged,
    StageJob,
    SweepJob,
    Version,
    Why,
)
from dir_sync.core.looks import MOUNTED, Folder, Hint, Listing, Look, LookItem, MadeDelta, Seen
from dir_sync.core.messages import (
    Acknowledge,
    Change,
    Chunks,
    Decision,
    Delta,
    DeltaOffer,
    DeltaRequest,
    Have,
    HaveRequest,
    Held,
    History,
    HistoryRequest,
    Kept,
    Lacks,
    Loser,
    Message,
    ModificationUpdate,
    NeedSignature,
    Pull,
    PullItem,
    Refuse,
    Settle,
    Signature,
    State,
    StateRequest,
)
from dir_sync.core.messages import Brake as BrakeNews
from dir_sync.core.model import (
    FINGERPRINT_BYTES,
    FIRST_CONTACT,
    Kind,
    PathError,
    PeerError,
    Record,
    Stamp,
    Stat,
    beats,
    check_path,
    fingerprint,
    has_seen,
    inode_of,
    is_first_scan,
    joined,
    knows_itself,
    leq,
    parent_of,
    same_body,
    same_content,
    same_meta,
    same_version,
    show,
    size_of,
    with_change,
)
from dir_sync.core.opened import Opened
from dir_sync.core.pace import Pace, Span
from dir_sync.core.peer_brake import BRAKE_WINDOW_MS, OLD_NS, PeerBrake, Verdict
from dir_sync.core.peers import Fresh, Peer, Requested, Told, pages, tell
from dir_sync.core.reconcile import Answer, Join, Nothing, Offer, Take, answer, changed, decide
from dir_sync.core.renames import Renames, likely_originals
from dir_sync.core.retention import SHARE, Retention, Thinning, crowding, enough
from dir_sync.core.standing import NOTHING, Lack, Standing
from dir_sync.core.transfer import Fetch
from dir_sync.core.unable import Unable, Unfit
from dir_sync.core.uploads import Upload, Uploads
from dir_sync.index import JOURNAL_SINCE, Index, PeerSeen, Row

__all__ = ["Engine", "Now"]

_STAGING = limits.RESERVED_NAME + b"/staging/"
_NOBODY = ""  # whose offers are those that their peer has replaced
_OURS = "~"  # whose offers are what was here once and is wanted again; before the name of a peer: it has the content
_SWEEP = "*"  # for whom what a sweep finds is planned: for all
_KEPT_PAGE = 500  # versions in one message: a few kB each at the most
_CHANGES_MAX = 1_000_000  # entries of the journal
_TIMES_MAX = 10_000  # folders whose times are to be set, or told once more
_PLAN_MAX = 800  # paths planned in one turn ...
_PLAN_SHARED_MAX = 40  # ... while several want something: some 2 ms, for which the others have to wait
_TELL_TOGETHER_MS = 40
_LOOKUPS_MAX = 128  # of contents, in one turn
_PUMPS_MAX = 2  # peers that are told a page in one turn
_TURN_LOOKS_MAX = 4 * limits.LOOK_ITEMS_MAX
_LARGE_FETCHES_MAX = 4  # from one peer, so that none that is slow, or gives nothing, holds up what others have
_PULL_COST_BYTES = 4 * limits.KIB  # what even an empty file counts for when those who wait for room are woken
_RETRY_MS = 1_000
_RETRY_MS_MAX = 60_000
_UNDECIDED_MAX = 1_000  # paths that wait for a decision, named in the status
_BRAKE_AGAIN_MS = 500  # peers hear how much is held at most so often
_SHRUNK_MS = 2_000  # nothing more of what is held came back for so long
_REVERT_MS = 600_000  # what we did within this a peer may undo, if it was rejected there
_HEARSAY = (
    "hearsay "  # note of the index, before the id of a link: how many tombstones it brought of what was never here
)
_MEMBER = "member "  # note of the index, before the id of a node that has shared most of the folder with us
_BRAKED = "braked "  # notes of the index, before a maker's id: what of it is held ...
_BRAKED_AT = "brake time "  # ... and since when (wall clock, ns)
_TROUBLE_RETRY_MS = (2_000, 30_000)  # first and longest wait after the world's trouble
_BLIND = "blind"  # note of the index: it was made, or has been checked, on a disk that is blind to spellings
_CHANGING = "it is being changed here"  # no trouble that people are told of
_STALLED_MS = 60_000
_LINGER_MS = 400  # a folder's tombstone may overtake one of a child by so much
_PRUNE_EVERY_MS = 3_600_000
_PRUNE_AFTER_MS = 1_000  # something was kept: is it too much now?
_RECHECK_MAX = 500
_RECHECK_MS = (5_000, 60_000)  # after it was displaced, a version is looked at again
_YOUNG_VERSION_NS = 120 * 10**9  # somebody may still be writing into it
_CALM_MS = 300  # after the last change: time for what is only nice to have
_ECHO_MS = 2_000  # an event that comes later is looked at
_OUTDONE_MAX = 10_000  # paths ...
_OUTDONE_PAIRS_MAX = 100  # ... and pairs of versions of one of them
_ADDRESSES_MAX = 10_000
_LAG_FILES = 100  # a peer that lacks so many, or as many bytes as a large file has, is told of ...
_LAG_NOTED_MS = 30_000  # ... not more often than this
_SYNC_LASTS_MS = 500  # all is in sync for so long before people are told ...
_SYNC_NOTED_MS = 10_000  # ... and told again, if the same peers are, not before this has passed
_STRIKES_MAX = 3  # contents that were not what was announced, until the peer is dropped
_READY_BYTES_MAX = 64 * limits.MIB  # contents in memory that wait for their turn
_DELTAS_MAX = 32  # deltas kept for peers that may pull them ...
_DELTAS_BYTES_MAX = 1024 * limits.MIB  # ... and what they hold; the newest stays in any case
_DELTA_KEEP_MS = _STALLED_MS + 5_000  # nobody has asked for any of it: whoever began to has given it up by then
_SIGN_BYTES_MAX = 2 * 1024 * limits.MIB  # of files that only lie there: read once, to have their signatures
_SIGN_GROWN_MS = 60_000  # a file that grew has rested for so long
_TOLD_SINGLY = 5  # of a crowd, people are told of so many by name
_DISPLACED_MAX = 10_000  # contents remembered that were displaced a moment ago ...
_DISPLACED_ALIKE_MAX = 100  # of one content
_DISPLACED_MS = 60_000  # how long they may be wanted under another name
_MOVE_ROWS_MAX = 5_000  # rows of a moved folder that are paired one by one; the rest is found by content


# A file that keeps changing is not looked at each time
_PACED = (Urgency.NOW, Urgency.ATTRIBUTES, Urgency.ARRIVED, Urgency.CREATED)
_EMPTY_MS = 3_000  # a new file that is open and empty is announced after this
_STILL_OPEN = (Urgency.WRITING, Urgency.ATTRIBUTES)  # what does not end a program's work at a file
_new = tuple.__new__  # half the cost of a named tuple's own


class Now(NamedTuple):
    """The time, as the engine is told it: wall clock for stamps, monotonic for deadlines."""

    wall_ns: int
    mono_ms: int


class _Ready(NamedTuple):
    """A content that is here and not yet in its place: in memory, or in the staging folder."""

    digest: bytes
    data: bytes | None
    staged: bytes | None


class _Displaced(NamedTuple):
    """A content that a peer's change has just displaced: if the same peer wants it under another name, it has only moved."""

    version: bytes
    fp: bytes  # of the file while it had its name
    node: str
    when_ms: int


class _Gift(NamedTuple):
    """A new file that came with its content, and is being installed without further ado."""

    intent: int
    peer: str
    record: Record


class Engine:
    """See the module. Fields: set once; index and memory of what is going on (this thread only)."""

    echoes_min = 16  # so many new files at once are a bulk
    blind = False  # the disk may take a name for another one: a name is looked at before its content is fetched

    def __init__(
        self,
        index: Index,
        folder: str,
        tag: str,
        deltas: bool = True,
        brake: BrakeLimits | None = None,
        retention: Retention | None = None,
        ahead_ns: int = limits.STAMP_AHEAD_NS,
    ) -> None:
        """`tag`: part of staging names, different at each start. `deltas`: there is a library that makes them.
        `retention`: how long the history keeps things; None: for ever. `ahead_ns`: what is dated further ahead of our
        clock is not continued by what is made here."""
        self.index = index
        self.folder = folder
        self._tag = tag.encode()
        self._with_deltas = deltas
        self._ahead_ns = ahead_ns
        # --- what is going on ---
        self._now = Now(0, 0)
        self._out: list[Effect] = []
        self._peers: dict[str, Peer] = {}
        self._gone: list[str] = []  # peers that are let go of when this event is done with
        self._links = 0  # connections so far
        self._new_ids_ms: int | None = None  # when this index took new ids
        self._agenda = Agenda()
        self._pace = Pace()
        self._opened = Opened()
        self._restless_told: set[bytes] = set()  # files of which people were told that they never rest
        self._looking: dict[bytes, Errand] = {}
        self._looks_out = 0
        self._renames = Renames()
        self._renamed_here: dict[bytes, tuple[bytes, ...]] = {}  # new name -> old names, of this turn
        self._arrived: dict[bytes, bytes] = {}  # known name -> where a scan found most probably the same file
        self._is_listing = False  # a folder is about to be listed: what vanished may be in it
        self._busy: set[bytes] = set()
        # Names that cannot be had: something never synchronized has them (OTHER), or is in the folder that has them
        self._obstructed: dict[bytes, Kind] = {}
        self.mounted: set[bytes] = set()  # where other file systems are mounted: no event tells when they are no more
        self._unable = Unable()
        self._free: set[bytes] = set()  # names that a blind disk has room for, as a look has just shown
        self._leaving: set[bytes] = set()  # folders that should go, and were not empty
        self._doing: dict[bytes, tuple[ApplyItem, Take | None]] = {}
        self._gifts: dict[bytes, _Gift] = {}
        self._intents: dict[int, int] = {}  # how many gifts of an intent are still being installed
        self._echoes: dict[bytes, int | None] = {}  # new names we make -> until when (ms) their events are ours
        self._check_again: set[bytes] = set()  # folders in which such events were believed to be ours
        self._to_list: list[bytes] = []  # a stack: deep before wide keeps it short
        self._listings_out = 0
        self._put_in: set[bytes] = set()  # folders that are being listed while something is being put into them
        self._to_list_again: dict[bytes, tuple[int, int]] = {}  # folders that could not be listed: when, last wait (ms)
        self._listed_busy: dict[bytes, bytes] = {}  # path -> fingerprint that a listing saw while a job was out there
        self._scanned: set[bytes] = set()  # found by the scan at the start and not yet looked at
        self._todo = Backlog(limits.TODO_PATHS_MAX)
        self._sweep: bytes | None = None  # the offers above this path have still to be planned
        self._next_stall_check = 0
        self._wake = False  # room came free in a window
        # Peer, its link, what it asks for, how many of it were looked up, which of these are here
        self._questions: deque[tuple[str, int, HaveRequest, int, list[int]]] = deque()
        self._told_ms = 0  # when what changed was last told
        self.is_shared = False  # several want something: do it in small pieces
        self._waiting: dict[str, dict[bytes, int]] = {}  # peer -> path -> for so much room in its window
        self._blocked: dict[bytes, bytes] = {}  # path -> content that waits for its folder
        self._timers: list[tuple[int, int, bytes, str]] = []  # plan this path again at that time, for whom
        self._timer_count = 0
        self._held_since: dict[bytes, tuple[Stamp, int]] = {}  # since when (ms) a grace is given to what is announced
        self._troubled: dict[bytes, tuple[int, str]] = {}  # path -> last wait after trouble, and what it was
        self._tried: dict[bytes, Stamp] = {}  # path -> what a job was to put there, until a look has told if it did
        self._denied_in: dict[bytes, dict[bytes, None]] = {}  # folder -> what could not be done or seen in it
        self._not_before: dict[bytes, int] = {}  # path -> when the next try is due, however often it is looked at
        self._ready: dict[bytes, _Ready] = {}
        self._ready_bytes = 0
        self._fetches: dict[bytes, Fetch] = {}
        self._by_token: dict[int, Fetch] = {}
        self._orphans: dict[int, tuple[Fetch, bool]] = {}  # given up while their files were written; remove them?
        self._discarded: dict[bytes, None] = {}  # staging files that were ordered away, the last of them
        self._part_left = True  # there may be partial downloads that nobody wants any more
        self._part_kept = False  # ... or will not want when what is announced changes
        self._large: dict[int, Fetch] = {}  # those of _fetches that go through the staging folder
        self._token = 0
        self._coming: dict[bytes, bytes] = {}  # content -> path that it is on its way to
        self._copies: dict[bytes, dict[bytes, None]] = {}  # that path -> others that want the same, and wait for it
        self._avoid: dict[bytes, set[str]] = {}  # holders that just could not give it
        self._in_vain: dict[bytes, int] = {}  # how often none of its holders could
        self._no_source: set[tuple[bytes, bytes]] = set()  # path and fingerprint of what could not be copied from
        self._displaced: dict[bytes, list[_Displaced]] = {}  # by content; equal files may move together
        self._origins: dict[bytes, bytes] = {}  # path -> the name that its maker says it had
        self._bases: dict[bytes, bytes] = {}  # path -> content of ours that a delta for it may begin with
        # path -> peer, base, digest, and the offer
        self._delta_offers: dict[bytes, tuple[str, bytes, bytes, DeltaOffer]] = {}
        self._growths = Growths()
        self._unfinished: dict[int, tuple[int, Fetch]] = {}  # token -> when (ms) a file that grew is cut back
        self._sign_grown: dict[bytes, int] = {}  # files that grew -> when (ms) they get a signature, if they rest
        # Made for peers, by base and content, and when (ms) they were last asked for; in that order
        self._deltas: dict[tuple[bytes, bytes], tuple[MadeDelta, int]] = {}
        self._pumped = ""  # the last peer that was told a page
        self._changed: list[tuple[int, Record]] = []
        self._fresh: dict[bytes, Fresh] = {}
        self._uploads = Uploads()
        self._here: dict[tuple[bytes, str], int] = {}  # path and what a user did to it, not told to people yet -> size
        self._times: dict[bytes, int] = {}  # folder -> mtime to set when all is calm
        self._restless: dict[bytes, int | None] = {}  # folder in which people change things -> its time as told last
        self._timing: dict[bytes, int | None] = {}  # the same, now that it is calm: their times are looked at
        self._late_times: dict[bytes, int] = {}  # these have others by now, to be told
        self._to_sign: dict[
            bytes, bytes
        ] = {}  # path -> content it had before, whose signature helps to make the new one
        self._sign_after: bytes | None = b"" if deltas else None
        self._sign_budget = _SIGN_BYTES_MAX
        self._signing = False
        self._may_hold = False  # large files may be held open until they have a signature (unsigned.py)
        self._jobs_out = 0
        self._moved_ms = 0  # when something last happened
        self._blocked_told: set[bytes] = set()
        self._named: set[bytes] = set()  # skipped things that people were told of
        self._applies: dict[str, list[ApplyItem]] = {}  # by the peer for whose changes they are
        self._applies_bulk: list[tuple[str, ApplyItem]] = []
        self._pulls: dict[str, list[PullItem]] = {}
        self._again = False
        self.first_scan = not index.first_scan_done
        self.scanning = False
        self.brake = Brake(brake or BrakeLimits())
        self.peer_brake = PeerBrake(self.brake.limits)
        self._addresses: dict[str, str] = {}  # of peers that are or were connected
        self._approvals = Approvals(lambda node: self._addresses.get(node, ""))
        self._approvals.here = {
            maker: Approval.parse(str(text)) for maker, text in index.noted_below("approved ").items() if text
        }
        self.held_elsewhere: dict[str, tuple[Held, ...]] = {}  # by peers' brakes
        self._brake_told = True  # peers know what is held here ...
        self._brake_said: tuple[Held, ...] = ()  # ... which was this ...
        self._brake_due_ms = 0  # ... and hear of more at this time at the earliest
        self._hearsay: dict[str, int] | None = None  # link -> tombstones it brought of paths that were never here
        self._held_again_ms: int | None = None  # when to see whether what our own side holds is still a disaster
        self._removing = 0  # files that are just being removed
        self._alias = ""  # under which a change is made where our own entry in a vector is forged
        self._outdone: dict[
            bytes, set[tuple[Stamp, Stamp]]
        ] = {}  # what won here against a larger stamp, and over which
        self._lowered: dict[bytes, set[Stamp]] = {}  # larger stamps than a path has now, which it had before
        self._lacks_due_ms: int | None = None  # a peer is told again what we lack
        self._sync_due_ms: int | None = None  # people are told that all is in sync
        self._in_sync: frozenset[str] = frozenset()  # with these, as people were told last; empty: not any more
        self._sync_left: frozenset[str] = frozenset()  # what `_in_sync` was before
        self._sync_since_ms: int | None = None
        self._sync_told_ms: int | None = None
        self._inquiries = Inquiries()
        self._journals = index.noted(JOURNAL_SINCE) is not None  # what the first contact brings is no change
        self._retention = retention
        self._arrivals = Arrivals()
        self._prune_at = 0  # (ms) the history is looked at again
        self._pruning: tuple[bytes, ...] = ()  # versions that are being removed
        self._in_use: dict[
            bytes, int
        ] = {}  # versions that somebody has open for writing -> until when (wall, ns) they stay
        self._thinning = Thinning()
        self._thin: list[bytes] = []  # versions that go, whatever room there is
        self._since: dict[bytes, int] = {}  # path -> when (ms) its content came
        self._rechecks: list[tuple[int, bytes]] = []  # when (ms) which version is looked at again
        self._short: dict[bytes, int] = {}  # path -> bytes that found no room on the disk
        self._not_noted: dict[bytes, tuple[Record, Record]] = {}  # path -> what its row says, what had taken its place

    # --- the two ways in ---------------------------------------------------------------------------------------------

    def start(self, now: Now, found: Sequence[Version] = ()) -> list[Effect]:
        """Look at everything: what happened while nobody watched? `found`: what the last run displaced and did not live
        to note, under the paths where the index says that these contents still are."""
        self._now, self._out = now, []
        self.scanning = True
        self._begin_to_look()
        self._to_list.append(b"")
        if self.index.any_offers():
            self._sweep = b""
        self._brake_again()
        self._find_not_noted(found)
        for version in self.index.versions_since(now.wall_ns - _RECHECK_MS[-1] * 1_000_000, _RECHECK_MAX):
            self._recheck_later(version)
        return self._out + self.end_turn(now)

    def _begin_to_look(self) -> None:
        if not self.brake.missed:
            self.brake.before = self.index.files()

    def _find_not_noted(self, found: Sequence[Version]) -> None:
        """What was displaced was displaced by what is wanted there: so that is what a user has seen who then removed or
        changed it. Only where nothing else can have been meant."""
        index = self.index
        wanted = set(index.offered_contents()) if found else set()
        for version in found:
            row = index.get(version.path)
            if (
                row is None
                or row.record.kind != Kind.FILE
                or row.record.content != version.content
                or version.content in wanted  # it may have been on its way to a name
                or len(index.by_content(version.content)) != 1
            ):
                continue
            decision = decide(row.record, index.offers(version.path))
            if isinstance(decision, Take) and decision.record.kind != Kind.ABSENT:
                self._not_noted[version.path] = row.record, decision.record

    def _as_installed(self, mine: Record) -> Record:
        """What was at a path before a user's change: not what its row says, if something had taken its place unnoted."""
        said, installed = self._not_noted.get(mine.path, (None, mine))
        return installed if said == mine else mine

    def heard(self, events: Iterable[Event], now: Now) -> list[Effect]:
        """`handle` for what the watcher tells, which comes by the thousand."""
        self._now = now
        effects: list[Effect] = []
        for event in events:
            if type(event) is Touched and event.urgency is Urgency.ARRIVED and self._is_echo(event.path):
                continue
            effects += self.handle(event, now)
        return effects

    def handle(self, event: Event, now: Now) -> list[Effect]:
        """One event. What it makes necessary comes now or with `end_turn`."""
        self._now, self._out = now, []
        match event:
            case Touched(path, urgency):
                self._touched(path, urgency)
            case Moved():
                self._renamed(event)
            case Blind(path, reason):
                self._begin_to_look()
                if reason:
                    self._note("blind", path, text=reason)
                    self._echoes.clear()
                self._to_list.append(path)
            case Decided(approve):
                self._decided(approve)
            case ConflictsSettled(losers):
                self._conflicts_settled(losers)
            case Recalled(wanted, holders):
                self._recalled(wanted, holders)
            case Inquired(id_, questions):
                self._inquire(id_, questions)
            case Pruned(names):
                self._jobs_out -= 1
                self._pruned(names)
            case Rechecked(versions, gone):
                self._jobs_out -= 1
                self._rechecked(versions, gone)
            case Ticked():
                pass
            case Listed(listings, left):
                self._listings_out -= 1
                self._jobs_out -= 1
                self._to_list += left
                for listing in listings:
                    self._listed(listing)
            case Looked(items):
                self._looks_out -= not self._looking[items[0].path].large
                self._jobs_out -= 1
                self.index.fetch(seen.path for seen in items)
                together = {seen.path for seen in items} if self._renames else frozenset[bytes]()
                is_soon = bool(self._to_list or self._listings_out)
                self._is_listing = is_soon or any(errand.listing for errand in self._looking.values())
                for seen in items:
                    self._looked(seen, together)
            case Applied(items):
                self._jobs_out -= 1
                for result in self._given_all(items) if self._gifts else items:
                    self._applied(result)
            case Staged():
                self._jobs_out -= 1
                self._staged(event)
            case ReadDone():
                self._jobs_out -= 1
                self._read(event)
            case DeltaDone():
                self._jobs_out -= 1
                self._delta_made(event)
            case Signed():
                self._jobs_out -= 1
                self._signed(event)
            case PeerUp():
                self._peer_up(event)
            case PeerDown(node, _):
                self._peer_down(node)
            case Received(node, message):
                self._received(node, message)
            case Drained(node, size):
                peer = self._peers.get(node)
                if peer is not None:
                    peer.queued = max(0, peer.queued - size)
        while self._gone:
            self._peer_down(self._gone.pop(0))
        return self._out

    def end_turn(self, now: Now) -> list[Effect]:
        """Everything that is due now: looks, plans, words to the peers."""
        self._now, self._out = now, []
        self._again = False
        self.peer_brake.sample(self.index.files(), now.mono_ms)
        self._send_looks()
        self._send_listings()
        self._run_timers()
        self._judge_peers()
        self._judge_again()
        self._plan_todo()
        self._flush_jobs()
        self._answer_some()
        if not self._may_tell_later():
            self._told_ms = now.mono_ms
            self._publish()
        self._tell_late_times()
        if not self._brake_told and self._brake_due_ms <= now.mono_ms:
            self._brake_told = True
            if self.braked() != self._brake_said:
                self._tell_brake()
        for node in sorted(self._peers):
            if self._peers[node].ask_again and self._peers[node].synced:
                self._ask_again(self._peers[node])
            if self._peers[node].parked:
                self._serve_parked(self._peers[node])
        self._pump_all()
        if not self._journals:
            self._begin_journal()
        self._prune()
        self._recheck()
        self._drop_old_deltas()
        self._sign_rested()
        self._when_calm()
        if len(self._coming) > len(self._ready) and not (self._fetches or self._doing):
            # All others have come: else each content would be remembered for good.
            self._coming = {ready.digest: path for path, ready in self._ready.items()}
        for id_, answers in self._inquiries.over(now.mono_ms):
            self._out.append(Report(id_, tuple(answers)))
        self._tell_lacks()
        self._note_in_sync()
        if self._out or self._jobs_out:
            self._moved_ms = now.mono_ms
        return self._out

    def next_deadline(self) -> int | None:
        """The monotonic ms at which `end_turn` has something to do, even if nothing happens; None: never."""
        if self._again:
            return self._now.mono_ms
        due: list[int] = []
        if self._changed:
            due.append(self._told_ms + _TELL_TOGETHER_MS)
        if not self._looks_out and (when := self._agenda.next_due()) is not None:
            due.append(when)  # while looks are out, the next ones are sent when they come back
        if self._timers:
            due.append(self._timers[0][0])
        if self._to_list_again:
            due.append(min(when for when, _ in self._to_list_again.values()))
        if self._rechecks:
            due.append(self._rechecks[0][0])
        if self._deltas:
            due.append(next(iter(self._deltas.values()))[1] + _DELTA_KEEP_MS)
        due += [when for when, _ in self._unfinished.values()]
        if self._sign_grown:
            due.append(next(iter(self._sign_grown.values())))
        if self._retention is not None and not self._pruning:
            due.append(self._now.mono_ms if self._thin else self._prune_at)
        telling = None if self._brake_told else self._brake_due_ms
        others = (self.peer_brake.due_ms(), self._inquiries.due_ms(), self._held_again_ms, telling)
        due += [when for when in (*others, self._lacks_due_ms, self._sync_due_ms) if when is not None]
        if self._calm_work():
            due.append(max(self._moved_ms, self._now.mono_ms) + _CALM_MS)
        behind = [peer for peer in self._peers.values() if peer.sent < self.index.sequence]
        if any(peer.parked for peer in self._peers.values()):
            due.append(self._now.mono_ms + 20)
        if self._fetches or any(peer.given is not None and peer.unacked for peer in behind):
            due.append(self._now.mono_ms + _RETRY_MS)
        return min(due, default=None)

    # --- for people --------------------------------------------------------------------------------------------------

    @property
    def is_busy(self) -> bool:
        """True while anything is under way or known to be missing here and to be had."""
        return bool(
            self._jobs_out or len(self._agenda) or self._todo or self._to_list or self._fetches or self._ready
            or any(self._waiting.values()) or self.scanning or self.brake.missed
        )  # fmt: skip

    @property
    def has_jobs_out(self) -> bool:
        """True while a worker may be at something whose outcome is not noted yet."""
        return bool(self._jobs_out)

    def in_sync_with(self) -> list[str]:
        """Peers of which it is known that they have all that this node has, and this node all that they have."""
        if not self._is_settled():
            return []
        return [node for node, peer in sorted(self._peers.items()) if self._is_in_sync(peer)]

    def _is_in_sync(self, peer: Peer) -> bool:
        return (
            peer.standing.has_all
            and peer.synced
            and peer.told_last
            and not peer.summary
            and peer.sent >= self.index.sequence
            and self.index.wanted_from(peer.node) == NOTHING
        )

    def _is_settled(self) -> bool:
        """True if nothing is known to have changed here that was not noted yet, and nothing is being changed here."""
        return not (
            self.scanning or len(self._agenda) or self._looking or self._to_list or self._listings_out
            or self._todo or self._doing or self._check_again or self._changed or self.brake.missed or self.brake.held
        )  # fmt: skip

    def lacked_by(self, node: str) -> Lack | None:
        """What a connected peer does not have of ours, as far as it has said; None: it has said nothing yet."""
        standing = self._peers[node].standing if node in self._peers else Standing()
        if standing.lacks is None:
            return None
        counted, sent = standing.lacks_as_of, self._peers[node].sent
        if standing.news <= counted:  # what was passed over since then came from this peer
            counted = max(counted, sent)
        return (
            standing.lacks if counted >= self.index.sequence else standing.lacks.plus(self.index.rows_come_to(counted))
        )

    def lacked_from(self, node: str) -> Lack:
        """What this node does not have of what a peer announced."""
        lack = self.index.wanted_from(node)
        gifts = [gift.record.size for gift in self._gifts.values() if gift.peer == node]
        if gifts:
            lack = lack.plus(Lack(len(gifts), sum(gifts), 0))
        here = sum(
            fetch.received
            for fetch in self._large.values()
            if fetch.base is None and self.index.offer(fetch.target.path, node) is not None
        )
        lack = lack._replace(bytes=max(0, lack.bytes - here))
        return lack.plus(Lack(self.brake.held_files, self.brake.held_bytes, 0))

    def unseen(self) -> int:
        """How many paths have still to be looked at."""
        return len(self._agenda) + len(self._looking)

    def name_of(self, node: str) -> str:
        """What a node calls itself, or did when it was last connected."""
        if node in self._peers:
            return self._peers[node].name
        if node.startswith("="):  # the maker of a first scan's record is no node
            return FIRST_CONTACT
        return str(self.index.noted("name " + node) or node[:8])

    def troubled(self) -> list[tuple[bytes, str, bool]]:
        """Paths that are newer elsewhere and cannot be had here, why, and whether they are tried again."""
        found = {path: (problem, True) for path, (_, problem) in self._troubled.items()}
        found.update({path: (problem, False) for path, problem in self._unable.all()})
        return [
            (path, *what)
            for path, what in sorted(found.items())
            if self._is_wanted(path) and not self.brake.holds(parent_of(path))
        ]

    def undecided(self) -> list[bytes]:
        """Paths that are newer elsewhere and wait because their folder vanished here, and that is held. At most some."""
        found: list[bytes] = []
        after: bytes | None = None
        while self.brake.held and len(found) < _UNDECIDED_MAX:
            paths = self.index.offered_paths(after, _PLAN_MAX)
            if not paths:
                break
            after = paths[-1]
            found += [path for path in paths if self.brake.holds(parent_of(path)) and self._is_wanted(path)]
        return found[:_UNDECIDED_MAX]

    def _is_wanted(self, path: bytes) -> bool:
        """True if a peer has something newer there, that is not just gone."""
        offers = self.index.offers(path)
        row = self.index.get(path) if offers else None
        decision = decide(None if row is None else row.record, offers)
        return isinstance(decision, Take) and (decision.record.kind != Kind.ABSENT or row is not None)

    def restless(self) -> list[bytes]:
        """Files that changed each time while they were read: they are tried again, less and less often."""
        return self._pace.restless()

    def transfers(self) -> list[tuple[bytes, str, int, int, int, int]]:
        """Large contents on their way: path, peer, bytes here, bytes in all, since when (ms), and from which byte on."""
        return [
            (
                path,
                self._peers[fetch.peer].name if fetch.peer in self._peers else fetch.peer,
                fetch.received,
                fetch.size,
                fetch.started_ms,
                fetch.began_at,
            )
            for path, fetch in sorted(self._fetches.items())
            if not fetch.is_small
        ]

    def uploads(self) -> list[tuple[Upload, int]]:
        """Large contents on their way to peers, and how many bytes of each have left."""
        found = []
        for one in self._uploads.under_way(self._now.mono_ms):
            peer = self._peers[one.peer]
            found.append((one, one.sent(peer.serving + peer.queued)))
        return found

    def _note(self, what: str, path: bytes = b"", peer: str = "", size: int = 0, wire: int = 0, text: str = "") -> None:
        peer = _holder(peer)
        name = self.name_of(peer) if peer else ""
        self._out.append(Note(what, path, name, size, wire, text))

    # --- looking at our own disk -------------------------------------------------------------------------------------

    def _touched(self, path: bytes, urgency: Urgency) -> None:
        if not self._is_ours(path):
            return
        if urgency is Urgency.ARRIVED and self._is_echo(path):
            return
        now = self._now.mono_ms
        row = self.index.get(path)
        if urgency is Urgency.VANISHED:
            self._vanished(path, row)
            return
        span = None
        if urgency is Urgency.WRITING or (urgency in _PACED and self._pace.knows(path)):
            size = 0 if row is None else row.record.size
            span = self._pace.span(path, self._agenda.first_ms(path, now), size, now, urgency is Urgency.NOW)
        if self._opened:
            if urgency in _STILL_OPEN:
                self._opened.wrote(path, now)
                if (until := self._opened.until(path)) is not None:
                    span = Span(until, 0, until)
            else:
                self._opened.closed(path)
        if urgency is not Urgency.FOLDER:
            is_new = row is None or row.record.kind == Kind.ABSENT
            self._renames.written(path, is_new and urgency is Urgency.CREATED, now)
        errand = self._agenda.touch(path, urgency, now, span)
        if row is not None and row.record.size >= limits.LARGE_FILE_BYTES:
            errand.large = True
        errand.patience_ms = 0
        if self._renames and (target := self._renames.target_of(path, now)) is not None and target in self._agenda:
            self._agenda.add(target, errand.due_ms, now)  # it is back: a save, both names of which are told now

    def _vanished(self, path: bytes, row: Row | None) -> None:
        """A name is gone, and nobody saw where to."""
        self._opened.closed(path)
        now = self._now.mono_ms
        grace = 0
        if row is not None and row.record.kind == Kind.FILE and row.fp:
            grace = self._renames.grace_ms(path, None, now)
            found = self._renames.appeared_as(inode_of(row.fp))
            if found is not None and found != path and self._is_at_work(found):
                self._pair(path, found, row)
                return
            self._renames.vanished(path, inode_of(row.fp))
        elif row is not None and row.record.kind == Kind.DIRECTORY:
            for below in self.index.live_below(path, _MOVE_ROWS_MAX):
                if below.record.kind == Kind.FILE and below.fp:
                    self._renames.vanished(below.record.path, inode_of(below.fp))
        span = Span(now + grace, limits.SETTLE_MS, now + grace) if grace else None
        errand = self._agenda.touch(path, Urgency.VANISHED, now, span)
        errand.large = False  # there is most probably nothing to read
        if grace:
            errand.patience_ms = now + grace

    def _is_echo(self, path: bytes) -> bool:
        """True if this is (most probably) our own doing. Such events come by the thousand with a bulk of new files; their
        folders are listed once more when all is calm, which costs less than a look at each of them."""
        until = self._echoes.pop(path, 0)
        if until is not None and until <= self._now.mono_ms:
            return False
        if len(self._echoes) < self.echoes_min and not self._check_again:
            return False
        self._check_again.add(parent_of(path))
        return True

    def _renamed(self, event: Moved) -> None:
        """Both ends are looked at together, so that the peers hear of one rename. What was known under the old name need
        not be read again."""
        if not (self._is_ours(event.source) and self._is_ours(event.target)):
            for path in (event.source, event.target):
                self._touched(path, Urgency.FOLDER if event.is_directory else Urgency.NOW)
            return
        if event.is_directory:
            self._touched(event.target, Urgency.FOLDER)
            rows = self.index.live_below(event.source, _MOVE_ROWS_MAX)
            rows.sort(key=lambda row: (row.record.kind != Kind.DIRECTORY, row.record.path))
            for row in rows:
                path = row.record.path
                self._pair(path, event.target + path[len(event.source) :], row)
            self._agenda.touch(event.source, Urgency.VANISHED, self._now.mono_ms)
        else:
            self._pair(event.source, event.target, self.index.get(event.source))

    def _pair(self, source: bytes, target: bytes, row: Row | None, is_seen: bool = True) -> None:
        """What was at `source`, as `row` says, is at `target` now. `is_seen`: the watcher saw it go."""
        if not self._is_ours(target):
            return
        for path in (source, target):
            self._opened.closed(path)
        now = self._now.mono_ms
        before = self._agenda.find(source) or self._looking.get(source)
        is_same = before is not None and not before.written and (before.rested or self._renames.sources_of(source))
        hint = before.hint if before is not None and is_same else None  # it has moved on
        if row is not None and row.record.kind == Kind.FILE and row.fp and (before is None or not before.written):
            relaxed = row.record.size >= limits.MIB  # small ones are read again: cheap, and beyond doubt
            hint = Hint(row.fp, row.record.size, row.record.content, relaxed)
        grace = 0
        if is_seen and row is not None and row.record.kind == Kind.FILE:
            grace = self._renames.grace_ms(source, target, now)
        self._renames.open(source, target, now)
        errand = self._agenda.add(target, max(now + grace, self._pace.earliest(target, now)), now)
        errand.hint = hint
        errand.live |= is_seen
        errand.large = errand.open = False  # what has to be read after all is found out by the look
        errand = self._agenda.add(source, now + grace, now)
        errand.live |= is_seen
        errand.large = False
        errand.gone = True
        errand.judged |= not self.brake.holds(source)  # it is not lost; what is held was not there to move
        errand.patience_ms = now + grace if grace else 0

    def _new_name_of(self, path: bytes, kind: Kind, content: bytes, fp: bytes) -> Row | None:
        """The row of a file that was found under a name of which nothing is known, if it is known under another one: it has
        the same inode and the same content."""
        if kind is not Kind.FILE or self.first_scan:
            return None
        for row in self.index.by_content(content):
            is_other = row.record.path != path and row.record.path not in self._arrived
            if is_other and row.fp and inode_of(row.fp) == inode_of(fp):
                return row
        return None

    def _match(self, path: bytes, row: Row) -> None:
        """What was found at `path` is the file of `row`, which has most probably left its old name. A scan sets it aside until
        it has seen everything."""
        if self.scanning:
            self._arrived[row.record.path] = path
            return
        self._pair(row.record.path, path, row, is_seen=False)
        if (errand := self._agenda.find(path)) is not None:
            errand.matched = True

    def _judge_arrived(self) -> None:
        """The scan has listed every folder: have those files that it found under new names left their old ones?"""
        arrived, self._arrived = self._arrived, {}
        for source, path in arrived.items():
            self._add_scanned(path).matched = True
            self.brake.missed.pop(source, None)
            self._pair(source, path, self.index.get(source), is_seen=False)

    def _is_ours(self, path: bytes) -> bool:
        """True if the path may be synchronized; people are told once of one that never can be."""
        if not path:
            return False
        if limits.RESERVED_NAME in path.split(b"/"):
            return False
        try:
            check_path(path)
        except PathError as error:
            self._skip(path, str(error))
            return False
        return True

    def _skip(self, path: bytes, reason: str) -> None:
        if path not in self._named and len(self._named) < 10_000:
            self._named.add(path)
            self._note("skipped", path, text=reason)

    def _send_looks(self) -> None:
        now = self._now.mono_ms
        most = 1 if len(self._agenda) < _TURN_LOOKS_MAX else 3
        while self._looks_out < most:
            errands = self._agenda.take(now, limits.LOOK_ITEMS_MAX)
            if not errands:
                return
            small: list[LookItem] = []
            taken = {errand.path: errand for errand in errands}
            while taken:
                errand = taken.pop(next(iter(taken)))
                if errand.path in self._busy or errand.path in self._looking:
                    self._agenda.put_back(errand, now + 10)
                elif errand.large or self._renames:
                    small += self._look_together(errand, taken)
                else:
                    errand.sent_ms = now
                    self._looking[errand.path] = errand
                    small.append(self._look_item(errand))
            if small:
                self._order(LookJob(tuple(small)))
                self._looks_out += 1

    def _look_together(self, errand: Errand, taken: dict[bytes, Errand]) -> list[LookItem]:
        """Look at a path with all others that belong to the same rename, once all of them are due. Returns what is looked at
        with other small ones. `taken`: others that are due now; those of the group are taken out."""
        now = self._now.mono_ms
        group: list[Errand] = []
        for path in self._renames.group_of(errand.path):
            each = errand if path == errand.path else taken.pop(path, None) or self._agenda.pull(path)
            if each is not None:
                group.append(each)
        due = max(each.due_ms for each in group)
        if any(each.path in self._busy or each.path in self._looking for each in group):
            due = max(due, now + 10)
        if due > now:
            for each in group:
                self._agenda.put_back(each, due)
            return []
        is_large = any(each.large for each in group)
        items = []
        for each in group:
            each.large, each.sent_ms = is_large, now
            items.append(self._look_item(each))
            self._looking[each.path] = each
        if is_large:
            self._order(LookJob(tuple(items), bulk=True))  # not counted: nobody waits for it
            return []
        return items

    def _look_item(self, errand: Errand) -> LookItem:
        row = self.index.get(errand.path)
        fp = b"" if row is None else row.fp
        base, was, was_size = b"", b"", 0
        replaced = 1 if row is None or row.record.kind != Kind.FILE else row.record.size
        if self._peers and self._with_deltas:
            others = [*self._renames.sources_of(errand.path)]
            if row is None or row.record.kind == Kind.ABSENT:
                others += likely_originals(errand.path)
            before = [row, *(self.index.get(other) for other in others)]
            files = (one.record for one in before if one is not None and one.record.kind == Kind.FILE)
            large = (record for record in files if record.size >= limits.DELTA_FILE_BYTES_MIN)
            if (original := next(large, None)) is not None:
                base, replaced = original.content, max(replaced, original.size)
        old = row
        if self._renames and (row is None or row.record.kind == Kind.ABSENT):
            old = self._renamed_from(errand.path)
        if self._peers and old is not None and old.record.kind == Kind.FILE:
            if old.record.size >= limits.GROWTH_FILE_BYTES_MIN:
                was, was_size = old.record.content, old.record.size
        tried = errand.tries > 0
        errand.replaced = replaced
        below = self._open_below(errand)
        bytes_too = self._want_bytes()
        return LookItem(errand.path, fp, base, errand.hint, bytes_too, errand.large, tried, was, was_size, below)

    def _open_below(self, errand: Errand) -> int:
        """A file that a program has open waits for its close if it is shorter than this; 0: it does not wait."""
        until = self._opened.until(errand.path)
        if until is None:
            is_long_new = errand.replaced <= 1 and self._now.mono_ms - errand.first_ms >= _EMPTY_MS
            return errand.replaced if errand.open and not is_long_new else 0
        return limits.SIZE_MAX if until > self._now.mono_ms else 0

    def _renamed_from(self, path: bytes) -> Row | None:
        """What was known under the old name, while a rename is open."""
        rows = (self.index.get(source) for source in self._renames.sources_of(path))
        return next((row for row in rows if row is not None and row.record.kind == Kind.FILE), None)

    def _want_bytes(self) -> bool:
        """True if the content of small files that are looked at now will be told at once."""
        if self.scanning:
            return any(self._gives(peer) for peer in self._peers.values())
        return bool(self._peers)

    def _send_listings(self) -> None:
        for path, (due, wait) in list(self._to_list_again.items()):
            if due <= self._now.mono_ms:
                self._to_list_again[path] = (self._now.mono_ms + wait, wait)
                self._to_list.append(path)
        while (
            self._to_list
            and not self._listings_out
            and len(self._agenda) < limits.DIRTY_BACKLOG_MAX
            and not (self.scanning and self._gives_enough())
        ):
            some = self._to_list[-32:]
            del self._to_list[-32:]
            self._listings_out += 1
            self._put_in = {parent_of(path) for path in self._doing}.intersection(some)
            folders = tuple([self._folder(path) for path in dict.fromkeys(some)])
            self._order(ListJob(folders, self._want_bytes()))
        if self._arrived and not self._to_list and not self._listings_out:
            self._judge_arrived()
        if self.brake.missed and not self._to_list and not self._listings_out and not self._scanned:
            self._judge()
        unfinished = self._to_list or self._listings_out or self._scanned or b"" in self._to_list_again
        if self.scanning and not unfinished:
            if self.blind and self.index.noted(_BLIND) is None:
                self.index.note(_BLIND, 1)
            self.scanning = False
            if self.first_scan:
                self.first_scan = False
                self.index.set_first_scan_done()
            count, size = self.index.count_live()
            self._note("scanned", size=size, wire=count)
            if self.index.any_offers():
                self._sweep = b""
            for node in sorted(self._peers):
                self._ask_state(self._peers[node])
            self._again = True

    def _listed(self, listing: Listing) -> None:
        """A folder's entries: whatever differs from the index is looked at. A listing alone never decides anything."""
        folder = listing.path
        now = self._now.mono_ms
        if listing.entries is None:
            if listing.problem:
                self._list_later(folder, listing.problem)
            elif folder:
                self._to_list_again.pop(folder, None)
                self._leaving.discard(folder)
                self._add_scanned(folder).listing = True  # if it is there again, what is in it is unknown
            return
        self._to_list_again.pop(folder, None)
        if folder in self._put_in:
            # What came and was deleted before the folder was watched is not known as gone.
            self._check_again.add(folder)
        prefix = folder + b"/" if folder else b""
        self._to_list += [prefix + name for name in listing.folders]
        if listing.seen:
            self._found_new(folder, listing.seen, listing.mtime)
        for name in listing.mounts:
            self._skip(prefix + name, MOUNTED)
            self.mounted.add(prefix + name)
        for path in [path for path in self.mounted if parent_of(path) == folder]:
            if path[len(prefix) :] not in listing.mounts:
                self.mounted.discard(path)
        if listing.entries:
            self._entered(folder, prefix, listing.entries, listing.mtime)
        for name in listing.gone:
            row = self.index.get(prefix + name)
            if row is not None and (row.record.kind != Kind.ABSENT or row.fp):
                self._add_scanned(prefix + name)
        if self.brake.held:
            gone = {prefix + name for name in listing.gone}
            gone |= {prefix + name for name, stat in listing.entries if stat.kind == Kind.OTHER}
            for path in [path for path in self.brake.held if parent_of(path) == folder and path not in gone]:
                self._no_longer_held(path)
        if self._obstructed:
            there = {prefix + name for name, _ in listing.entries}
            for path in self._obstructed.keys() - there:
                if parent_of(path) == folder:
                    self._agenda.add(path, now, now)  # of what is not synchronized the index cannot tell that it went
        for path in self._unable.in_folder(folder) if self._unable else ():
            self._agenda.add(path, now, now)  # of what keeps them away the index may not know that it went
        if folder:
            here = self.index.get(folder)
            left_over = here is not None and here.record.kind == Kind.ABSENT and here.fp
            if folder not in self._busy and (left_over or folder in self._leaving or folder in self._obstructed):
                self._leaving.discard(folder)
                self._obstructed.pop(folder, None)
                self._left_over(folder, listing.entries)

    def _entered(
        self, folder: bytes, prefix: bytes, entries: list[tuple[bytes, Stat]], folder_mtime: int | None
    ) -> None:
        """Entries that are not as known when their folder was to be listed: some of them are by now."""
        self.index.fetch([prefix + name for name, _ in entries])
        new_folders: list[Seen] = []
        for name, stat in entries:
            path = prefix + name
            if name == limits.RESERVED_NAME:
                if folder:
                    self._skip(path, "the name is reserved")
                continue
            if not self._is_ours(path):
                continue
            row = self.index.get(path)
            if row is not None and row.fp == fingerprint(stat):
                if stat.kind == Kind.DIRECTORY:
                    self._to_list.append(path)
                continue
            if stat.kind == Kind.OTHER and (row is None or row.record.kind == Kind.ABSENT):
                self._skip(path, "not a file, a folder or a link")
                continue
            if path in self._looking:  # that look is younger than this listing, or will be followed by one
                self._looking[path].listing |= stat.kind == Kind.DIRECTORY
                continue
            if row is None and stat.kind == Kind.DIRECTORY:
                fp = fingerprint(stat)
                new_folders.append(Seen(path, Look.FOUND, stat.kind, 0, b"", stat.mtime, stat.mode, fp))
                continue
            errand = self._add_scanned(path)
            errand.large = stat.kind == Kind.FILE and stat.size >= limits.LARGE_FILE_BYTES
            errand.listing |= stat.kind == Kind.DIRECTORY
            if row is not None or stat.kind != Kind.FILE:
                continue
            if (vanished := self._renames.name_of(stat.inode)) is not None:
                errand.matched = True
                self._pair(vanished, path, self.index.get(vanished), is_seen=False)
            elif not self.scanning:
                self._renames.appeared(path, stat.inode)
        if new_folders:
            self._found_new(folder, new_folders, folder_mtime)

    def _found_new(self, folder: bytes, found: Sequence[Seen], folder_mtime: int | None) -> None:
        """Files and folders that a listing found, and that were not known when it was ordered."""
        above = self.index.get(folder) if folder else None
        is_here = not folder or (above is not None and above.record.kind == Kind.DIRECTORY and above.fp != b"")
        is_deep = len(folder) + 1 + limits.PART_BYTES_MAX > limits.PATH_BYTES_MAX or (
            folder.count(b"/") + 2 > limits.PATH_DEPTH_MAX
        )
        looking, busy, agenda, index = self._looking, self._busy, self._agenda, self.index
        told = any(peer.asked for peer in self._peers.values())
        errand = Errand(b"", 0, 0)
        is_simple = self.first_scan and not (self.brake.held or self.peer_brake.is_on or self._obstructed)
        at_once: list[Seen] = []
        for seen in (*found[:-1], found[-1]._replace(folder_mtime=folder_mtime)):
            path = seen.path
            is_folder = seen.kind is Kind.DIRECTORY
            if path in looking:
                looking[path].listing |= is_folder
            elif path in busy and not self.scanning and not is_folder:  # a folder has to be listed, and so watched
                self._listed_busy[path] = seen.fp
            elif (
                not is_here or path in agenda or path in busy or path in self._obstructed or index.get(path) is not None
            ):
                self._add_scanned(path).listing |= is_folder
            elif is_deep and not self._is_ours(path):
                pass
            elif index.offers(path) or len(seen.fp) > FINGERPRINT_BYTES:
                if self._found(seen, errand):
                    self._todo[path] = None
                else:
                    self._add_scanned(path).listing |= is_folder
            elif is_simple and seen.kind is Kind.FILE:
                at_once.append(seen)
            elif (moved := self._new_name_of(path, seen.kind, seen.content, seen.fp)) is not None:
                self._match(path, moved)
            else:
                self._new(seen, told)
        if at_once:
            self._new_files(at_once, told)

    def _new_files(self, found: Sequence[Seen], told: bool) -> None:
        """`_new` for many files that the first scan found: nothing waits for them."""
        index, fresh = self.index, self._fresh
        records = [
            first_scan_record(path, kind, size, content, mtime, mode)
            for path, _, kind, size, content, mtime, mode, *_ in found
        ]
        contents: set[bytes] = set()
        for seen, record in zip(found, records, strict=True):
            if self._journals:
                self._journal(record)
            if record.size >= limits.DELTA_FILE_BYTES_MIN:
                self._sign_later(record, None)
            if told:
                data = seen.data
                if data and (record.content in contents or self._is_elsewhere(record)):
                    data = None  # whoever holds the other one makes a copy of it
                contents.add(record.content)
                fresh[record.path] = _new(Fresh, (record, None, data, None, None, seen.folder_mtime))
        rows = index.put_new(records, [seen.fp for seen in found])
        if told:
            self._changed += [(row.seq, row.record) for row in rows]
            self._is_changing(parent_of(found[-1].path), found[-1].folder_mtime)

    def _new(self, seen: Seen, told: bool) -> None:
        """Known here: what was seen is new, to us and as far as we know to everyone. `told`: there is a peer to tell."""
        path, _, kind, size, content, mtime, mode, fp, *_ = seen
        if self.first_scan:
            record = first_scan_record(path, kind, size, content, mtime, mode)
        else:
            now = Record(path, kind, size, content, mtime, mode, Stamp(1, ""), ())
            stamp_ns = min(mtime, self._now.wall_ns)
            record = self._changed_to(None, now, stamp_ns)
            if kind is not Kind.DIRECTORY:
                self._here[path, "new here"] = size
        if kind is Kind.DIRECTORY:
            self._to_list.append(path)
        if told or kind is Kind.DIRECTORY:
            self._record_change(record, None, fp, seen)
        else:
            self._journal(record)
            self.index.put(record, fp)
            self._sign_later(record, None)

    def _folder(self, path: bytes) -> Folder:
        """What a listing of a folder may leave out."""
        row = self.index.get(path) if path else None
        if path in self._leaving or path in self._obstructed or (row is not None and row.record.kind == Kind.ABSENT):
            return Folder(path, {})  # all of it counts
        return Folder(path, self.index.known_in(path))

    def _list_later(self, folder: bytes, problem: str) -> None:
        """What is in a folder is unknown: try again."""
        first, most = _TROUBLE_RETRY_MS
        known = self._to_list_again.get(folder)
        if known is None:
            self._note("unreadable", folder, text=problem)
        wait = first if known is None else min(2 * known[1], most)
        self._to_list_again[folder] = (self._now.mono_ms + wait, wait)

    def _add_scanned(self, path: bytes) -> Errand:
        if self.scanning:
            self._scanned.add(path)
        return self._agenda.add(path, self._now.mono_ms, self._now.mono_ms)

    def _looked(self, seen: Seen, together: frozenset[bytes] | set[bytes] = frozenset()) -> None:
        """`together`: the paths of the same job, some of which may be halves of one rename."""
        path = seen.path
        errand = self._looking.pop(path)
        now = self._now.mono_ms
        self._todo[path] = None
        if self._renames and seen.look in (Look.FOUND, Look.ABSENT) and self._waits_for_new_name(seen, together):
            self._drop_delta(seen.delta)
            self._agenda.put_back(errand, now + 20)
            return
        if self._renames and seen.look is Look.FOUND and self._began_too_early(seen, together):
            self._drop_delta(seen.delta)
            self._agenda.put_back(errand, now)
            self._agenda.add(path, now, now).hint = Hint(seen.fp, seen.size, seen.content, True)
            return
        if self._obstructed and seen.look in (Look.FOUND, Look.ABSENT):
            no_folder = seen.kind != Kind.DIRECTORY
            for other, kind in list(self._obstructed.items()):
                if (other == path and kind != seen.kind) or (no_folder and other.startswith(path + b"/")):
                    del self._obstructed[other]
                    self._todo[other] = None
        again = now
        if self.brake.held and seen.look in (Look.FOUND, Look.SAME) and seen.kind != Kind.OTHER:
            self._no_longer_held(path)
        if seen.look in (Look.FOUND, Look.UNSTABLE) and errand.live:
            is_open = errand.open and not errand.closed
            self._pace.looked(path, seen.size, now - errand.sent_ms, now, seen.look is Look.FOUND, is_open)
            self._agenda.postpone(path, self._pace.earliest(path, now), is_open)
        if self._unable or seen.taken_for is not None:
            self._looked_at_name(seen, errand)
        if self.blind and seen.taken_for is None and seen.look in (Look.ABSENT, Look.FOUND):
            self._found_on_blind_disk(seen, errand)
        match seen.look:
            case Look.SAME:
                self._not_noted.pop(path, None)
                if errand.times and self._timing.pop(path, seen.mtime) != seen.mtime:
                    self._late_times[path] = seen.mtime
                if errand.listing and seen.kind == Kind.DIRECTORY:
                    self._to_list.append(path)
                self._done(path)
                return
            case Look.ABSENT:
                wait = self._disbelief_ms(path, errand)
                if not wait:
                    self._pace.forget(path)
                if not wait and self._absent(seen, errand):
                    self._done(path, is_there=False)
                    return
                again = now + (wait or 20)
            case Look.OPEN:
                again = errand.first_ms + _EMPTY_MS  # a new file, unless it replaces something
                if errand.replaced > 1:
                    again = self._opened.found(path, seen.size, errand.replaced, now)
            case Look.FOUND:
                if self._opened:
                    self._opened.announced(path, seen.size, errand.sent_ms, now)
                if self._may_get_its_true_name(seen, errand):
                    errand.rested = True
                    errand.written = False
                    errand.hint = Hint(seen.fp, seen.size, seen.content, True)
                    self._agenda.put_back(errand, now + limits.TRUE_NAME_MS)
                    if seen.delta is not None:
                        self._keep_delta(seen.delta)
                    return
                if self._found(seen, errand):
                    self._not_noted.pop(path, None)
                    self._restless_told.discard(path)
                    self._drop_delta(seen.delta)
                    self._done(path)
                    return
                again = now + 15
            case Look.TOO_BIG:
                errand.large = True
                self._pace.note_size(path, seen.size)
                if errand.open:
                    span = self._pace.span(path, errand.first_ms, seen.size, now)
                    again = min(max(now + span.settle_ms, span.earliest_ms), span.latest_ms)
            case Look.UNSTABLE:
                errand.tries += 1
                again = self._pace.earliest(path, now + limits.SETTLE_MS)
                if self._pace.is_restless(path) and path not in self._restless_told:
                    self._restless_told.add(path)
                    self._note("restless", path, size=seen.size)
            case Look.UNKNOWN:
                errand.tries += 1
                if errand.tries == 1:
                    self._note("unreadable", path, text=seen.problem)
                first, most = _TROUBLE_RETRY_MS
                again = now + min(first * 2 ** min(errand.tries, 10), most)
                self._deny(parent_of(path), path)
                self._scanned.discard(path)  # the scan does not wait for what may never be readable
        self._drop_delta(seen.delta)
        self._agenda.put_back(errand, again)

    def _waits_for_new_name(self, seen: Seen, together: frozenset[bytes] | set[bytes]) -> bool:
        """True while the new name of what was at a path has still to be looked at, or to be heard of."""
        path = seen.path
        is_out = (target := self._renames.target_of(path, self._now.mono_ms)) is not None and target in self._looking
        if is_out:
            target = self._renames.target_of(path, self._now.mono_ms, is_read=True)
        if target is not None and (target in self._agenda or (target in self._looking and target not in together)):
            return True
        return seen.look is Look.ABSENT and self._renames.may_have_gone_on(path, self._now.mono_ms)

    def _began_too_early(self, seen: Seen, together: frozenset[bytes] | set[bytes]) -> bool:
        """True if the look at a new name had begun when the rename was heard of: the old name is looked at with it."""
        if seen.kind != Kind.FILE or len(seen.fp) > FINGERPRINT_BYTES:
            return False
        row = self.index.get(seen.path)
        if row is not None and row.record.kind != Kind.ABSENT:
            return False
        return any(one in self._agenda and one not in together for one in self._renames.sources_of(seen.path))

    def _may_get_its_true_name(self, seen: Seen, errand: Errand) -> bool:
        """True for a large new file that somebody has just written and closed, beside others: it may be the new version of one
        of them, which takes its name in a moment."""
        if seen.kind != Kind.FILE or seen.size < limits.LARGE_FILE_BYTES or errand.rested or not errand.live:
            return False
        if not self._peers or len(seen.fp) > FINGERPRINT_BYTES or seen.grown is not None or errand.hint is not None:
            return False
        row = self.index.get(seen.path)
        return row is None or row.record.kind == Kind.ABSENT

    def _disbelief_ms(self, path: bytes, errand: Errand) -> int:
        """How long the absence of a file is not told yet: somebody may be saving it, or it is in a folder that will be
        listed in a moment."""
        row = self.index.get(path)
        if row is None or row.record.kind != Kind.FILE:
            return 0
        now = self._now.mono_ms
        if errand.patience_ms > now:
            return errand.patience_ms - now
        newer = self._agenda.find(path)
        if newer is not None and (newer.written or self._renames.sources_of(path)):
            return max(1, newer.due_ms - now)  # there was something since
        if errand.live and path in self._arrived:
            return 20
        is_young = errand.live and now - errand.first_ms < limits.RENAME_HOLD_MS
        if not (is_young and self._is_listing) or any(path in sources for sources in self._renamed_here.values()):
            return 0
        return 20

    def _looked_at_name(self, seen: Seen, errand: Errand) -> None:
        """Is a name that the disk takes for another one free now, or has one just proved to be taken?"""
        path = seen.path
        if seen.look not in (Look.FOUND, Look.SAME, Look.ABSENT):
            return
        if seen.taken_for is None:
            self._unable.let_go(path, only_names=True)
        else:
            self._unable.take_for(path, seen.taken_for)
            if errand.live and seen.taken_for != path:
                self._touched(seen.taken_for, Urgency.NOW)  # a program may have used it by this name
        if seen.look is Look.ABSENT:
            self._look_behind(path)

    def _found_on_blind_disk(self, seen: Seen, errand: Errand) -> None:
        """Known here: the disk takes the name for no other one. A program may have removed or replaced another one by it:
        what its folder lists tells, when all is calm."""
        path = seen.path
        if seen.look is Look.ABSENT and self.index.offers(path):
            self._free.add(path)
        row = self.index.get(path)
        if errand.live and (row is None or not row.fp):
            self._check_again.add(parent_of(path))

    def _look_behind(self, path: bytes) -> None:
        """A name is there no more: those that it kept away may come, unless another one does."""
        for other in self._unable.behind(path):
            self._agenda.add(other, self._now.mono_ms, self._now.mono_ms)

    def _done(self, path: bytes, is_there: bool = True) -> None:
        if self._renames and (sources := self._renames.close(path, is_there)):
            self._renamed_here[path] = sources
        if path not in self._agenda:
            self._scanned.discard(path)
            if path not in self._busy:
                self._tried.pop(path, None)
                if self._to_list_again:
                    self.index.drop_offer(path, _NOBODY)  # see `_may_be_unseen`: it has been seen now

    def _drop_delta(self, delta: MadeDelta | None) -> None:
        """It goes, unless it is kept for peers."""
        if delta is not None and all(delta is not kept for kept, _ in self._deltas.values()):
            self._order_discard((delta.name,))

    def _absent(self, seen: Seen, errand: Errand) -> bool:
        """Nothing is there. True if that is settled; false: look again, its children come first."""
        path = seen.path
        row = self.index.get(path)
        if (row is None or row.record.kind == Kind.ABSENT) and seen.taken_for is None:
            self._let_folder_go(path)  # (a name that the disk takes for another one has not gone: else this had no end)
        if row is None:
            if errand.live:
                self._is_changing(parent_of(path), None)  # somebody's file that has come and gone
            return True
        mine = row.record
        if mine.kind == Kind.ABSENT:
            self.index.set_fp(path, b"")
            return True
        if seen.taken_for is not None and self._was_not_blind():
            self._forget_taken(path)
            return True
        best = self._announced_gone(mine)
        is_known_gone = best is not None and (mine.kind != Kind.DIRECTORY or self._is_all_known_gone(path))
        is_seen_gone = errand.live and path not in self.brake.held  # of what is held, there was nothing left to remove
        if not is_seen_gone and not errand.judged and not is_known_gone:
            if not self.brake.holds(path):
                self.brake.missed[path] = None
                return True
            newer = any(beats(offer.record, mine) for offer in self.index.offers(path))
            is_wanted = mine.kind != Kind.DIRECTORY and path in self.brake.held and newer
            if not is_wanted:  # else it comes back at once, or is gone elsewhere as well
                return True
        if mine.kind == Kind.DIRECTORY and self.brake.held:
            below = self.index.live_below(path, limits.LOOK_ITEMS_MAX)
            if below and all(child.record.path in self.brake.held for child in below):
                self.brake.held[path] = 0, 0  # it was moved without what is held in it: the same is decided of both
                return True
        if mine.kind == Kind.DIRECTORY and (self._look_below(path, errand) or self._is_being_filled(path)):
            return False
        if best is not None and seen.kind == Kind.OTHER:
            self._hold(best, b"")  # nothing of ours is there any more
            return True
        if best is not None:
            # We removed it and did not live to note it, or to see it on the medium.
            return self._redo(ApplyItem(path, Act.REMOVE, best, b"", Why.DELETED))
        mine = self._as_installed(mine)
        stamp_ns = self._now.wall_ns if errand.live else 0
        gone = mine._replace(kind=Kind.ABSENT, size=0, content=b"", mtime=0, mode=0)
        record = self._changed_to(mine, gone, stamp_ns)
        self._record_change(record, mine, b"", seen)
        self._here[path, "deleted here"] = 0
        return True

    def _was_not_blind(self) -> bool:
        """True while the first scan on a blind disk goes on: the folder came here with an index made on another disk."""
        return self.blind and self.scanning and not self.first_scan and self.index.noted(_BLIND) is None

    def _forget_taken(self, path: bytes) -> None:
        """What was known here has no room on this disk beside another name: nobody has deleted it. It is held back when
        peers announce it."""
        for lost in self.index.live_paths(path):
            self.index.forget(lost)
        self.index.ask_anew()
        for node in sorted(self._peers):
            self._ask_again(self._peers[node])

    def _let_folder_go(self, path: bytes) -> None:
        """Nothing is at `path` any more: it may have been what kept its folder here."""
        parent = parent_of(path)
        above = self.index.get(parent)
        if above is not None and above.fp and (above.record.kind == Kind.ABSENT or parent in self._obstructed):
            self._to_list.append(parent)

    def _is_being_filled(self, folder: bytes) -> bool:
        """True if something is just being put into a folder: it may have been there already when its user removed both."""
        prefix = folder + b"/"
        return any(path.startswith(prefix) for path in self._doing)

    def _is_all_known_gone(self, folder: bytes) -> bool:
        """True if peers have announced that all (of the first) that we know below a folder are gone."""
        below = self.index.live_below(folder, limits.LOOK_ITEMS_MAX)
        return all(self._announced_gone(child.record) is not None for child in below)

    def _look_below(self, path: bytes, errand: Errand, replaced: bool = False) -> bool:
        """A folder is one no more: true if there are rows below it, which are looked at first. If something else was put
        in its place, somebody meant it."""
        below = self.index.live_below(path, limits.LOOK_ITEMS_MAX)
        for child in below:
            if child.record.path not in self._looking:
                found = self._agenda.add(child.record.path, self._now.mono_ms, self._now.mono_ms)
                found.live |= errand.live
                found.judged |= errand.judged or replaced
        return bool(below)

    # --- the brake ---------------------------------------------------------------------------------------------------

    def _judge(self) -> None:
        """The scan is over: what it missed was deleted, or is held because it is too much to be believed."""
        missed = self.brake.missed
        if self._is_disaster():
            amounts = {path: self.index.measure(path) for path in missed}
            self.brake.hold(amounts, self.index.reserve())
            self._note("braked", next(iter(self.brake.held)), wire=self.brake.held_files, size=len(self.brake.held))
            self._tell_brake()
            return
        self._let_go(list(missed))
        missed.clear()

    def _is_disaster(self) -> bool:
        limits_, missed = self.brake.limits, self.brake.missed
        if not limits_.files:
            return False
        gone = self._count_files(missed)
        if gone < limits_.files:
            return False
        before = max(self.brake.before, gone)  # what is new since then makes up for nothing
        if not limits_.is_disaster(gone, before):
            return False
        moved = sum(self._is_moved(row.record) for path in missed for row in self.index.live_files(path))
        return limits_.is_disaster(gone - moved, before - moved)

    def _count_files(self, paths: Iterable[bytes]) -> int:
        return sum(self.index.measure(path)[0] for path in paths)

    def _is_moved(self, record: Record) -> bool:
        """True if a content that is missing at its old name is at another one."""
        if record.path in self._arrived:
            return True
        others = self.index.by_content(record.content)
        return any(row.record.path != record.path and not covers(self.brake.missed, row.record.path) for row in others)

    def _let_go(self, paths: list[bytes]) -> None:
        for path in paths:
            errand = self._add_scanned(path)
            errand.judged = True

    def _no_longer_held(self, path: bytes) -> None:
        if path in self.brake.held:
            self._sweep = b""  # what waited for it
            self._brake_told = False
            self._held_again_ms = self._now.mono_ms + _SHRUNK_MS
        if self.brake.is_back(path):
            self._note("unbraked")

    def _judge_again(self) -> None:
        """Much of what a scan missed is there again. If the rest is no disaster, it was deleted."""
        if self._held_again_ms is None or self._held_again_ms > self._now.mono_ms or self.scanning:
            return
        self._held_again_ms = None
        gone = self._count_files(self.brake.held)
        if self.brake.held and not self.brake.limits.is_disaster(gone, max(self.brake.before, gone)):
            paths = self.brake.let_go()
            self._note("unbraked")
            self._tell_brake()
            self._sweep = b""
            self._let_go(paths)

    def _decided(self, approve: bool) -> None:
        """Somebody at this node has decided about all that is held, here and by the peers."""
        for node, news in self.held_elsewhere.items():
            if approve and (files := sum(one.files for one in news if one.maker == node)):
                self._approvals.expect(node, files)
        open_ = {(maker, max(held.values())) for maker, held in self.peer_brake.held().items()}
        open_.update((maker, counter) for news in self.held_elsewhere.values() for maker, counter, _, _ in news)
        for maker, counter in sorted(open_):
            self._decide_on(maker, counter, approve, "")
        if self.brake.held:
            self._decided_here(approve)

    def _decide_on(self, maker: str, counter: int, approve: bool, said_by: str) -> None:
        """What that node did up to `counter` was meant; or it was not. `said_by`: a peer, or "" for a person at this node.
        There are three cases:

        1. It is about our own losses: any member of the folder may decide.
        2. It is about what is held here: nobody approves what came by its own link, but whoever brought it may take it back.
        3. It is about what nobody has brought yet: noted, and asked about when it comes."""
        is_news = False
        counts = not said_by or self._peers[said_by].is_member
        if counts and maker == self.index.node and self.brake.held and counter == self.brake.counter:
            is_news = True
            self._decided_here(approve)
        if counts and not approve and maker == self.index.node and said_by:
            since_ns = self._now.wall_ns - _REVERT_MS * 1_000_000
            wanted = undo.plan(self.index, since_ns, maker).wanted
            self._approvals.expect_reverts(said_by, {one.path: one.content for one in wanted if one.kind == Kind.FILE})
        rewrites = self.peer_brake.holds_rewrites(maker)
        links = self.peer_brake.links_of(maker)

        def is_meant(path: bytes) -> bool:
            carriers = self._carriers(path, maker)
            if not approve:
                return counts or said_by in carriers
            return counts and (not said_by or self._approvals.may_decide(said_by, maker, carriers))

        held, free = self.peer_brake.let_go(maker, counter, is_meant, self._now.mono_ms)
        if approve and not said_by:
            links |= {
                node: set() for node, news in self.held_elsewhere.items() if any(one.maker == maker for one in news)
            }
        if approve and (held or not said_by):
            approval = self._approvals.approve(maker, counter, links)
            is_news |= approval is not None
            if approval is not None:
                self.index.note(f"approved {maker}", str(approval))
        elif approve and counts:
            self._approvals.tell(maker, counter, said_by)
        if held:
            if not approve:
                for link in links:
                    for one in sorted(links[link]):
                        self._bring_back(one, link, rewrites)
            for link in free:
                self._no_longer_braked(link)
            is_news = True
            self._sweep = b""
            self._todo.update(dict.fromkeys(held))
            self._note("decided", held[0], peer=maker, wire=len(held), text="approved" if approve else "rejected")
        if not approve:
            for path in held:
                row = self.index.get(path)
                decision = decide(None if row is None else row.record, self.index.offers(path))
                if row is not None and row.record.kind != Kind.ABSENT and isinstance(decision, Take):
                    self._answer(row, decision.record, is_meant=True)
                    self._note("spared", path)
        if is_news or not said_by:
            for node in sorted(self._peers):
                if node != said_by and self._peers[node].asked:
                    self._send(node, Decision(self.folder, maker, counter, approve), 100)
        if held:
            self._tell_brake()

    def _carriers(self, path: bytes, maker: str) -> set[str]:
        """The peers whose links brought a version by that maker that we do not hold; "~" for what we bring back ourselves."""
        offers = self.index.offers(path)
        return {_OURS if offer.peer.startswith(_OURS) else offer.peer for offer in offers if _is_by(offer, maker)}

    def _bring_back(self, maker: str, link: str, rewrites: bool) -> None:
        """What a maker did within the minute before its link was braked, and was let through: it was not meant either."""
        since = self.index.noted(_BRAKED_AT + link)
        if not isinstance(since, int):
            return
        since -= BRAKE_WINDOW_MS * 1_000_000
        wanted = undo.removed(self.index, since, maker)
        if rewrites:
            gone = {before.path for before in wanted}
            rewritten = undo.plan(self.index, since, maker).wanted
            wanted += [before for before in rewritten if before.kind != Kind.ABSENT and before.path not in gone]
        if wanted:
            self._recalled(undo.with_parents(self.index, wanted), {})

    def _no_longer_braked(self, link: str) -> None:
        self.index.note(_BRAKED + link, "")
        self.index.note(_BRAKED_AT + link, "")

    def _decided_here(self, approve: bool) -> None:
        """What our own scan missed was meant, and is told; or it was not, and comes back from whoever has it."""
        paths = self.brake.let_go()
        self._tell_brake()
        self._sweep = b""  # what waited for it
        if approve:
            self._let_go(paths)
            return
        for path in paths:
            for lost in self.index.live_paths(path):
                self.index.forget(lost)
        self.index.ask_anew()
        for node in sorted(self._peers):
            self._ask_again(self._peers[node])

    def _is_braked(self, mine: Record, target: Record) -> bool:
        """True if what another node did to a file of ours is not done here now: there is too much of it."""
        maker = target.stamp.node
        limits_ = self.brake.limits
        if mine.kind != Kind.FILE or not limits_.files:
            return False
        carriers = self._carriers(mine.path, maker)
        if _OURS in carriers:
            return False  # a person at this node wants it
        carriers = carriers or {maker}  # whoever announced it has announced something else since
        counter = _counter(target, maker)
        files = self.index.files() - self._removing
        is_removal = target.kind == Kind.ABSENT
        if is_removal and self._is_being_moved(mine.path):
            return False
        if self._approvals.covers(maker, counter, carriers):
            return False
        if is_removal and self._approvals.is_expected(mine.path, maker, carriers):
            return False
        if self._approvals.is_revert(mine.path, target.content, carriers):
            return False
        if not is_removal and self.peer_brake.holds(mine.path) and not self.peer_brake.holds_rewrites(maker):
            self._settled_peers(mine.path)  # its removal was held: it is made anew
        was_on = bool(self.peer_brake.held())
        is_old = mine.stamp.ns + OLD_NS < target.stamp.ns
        link = maker if maker in carriers else min(carriers)
        verdict = self.peer_brake.ask(
            link, maker, counter, mine.path, is_removal, is_old, mine.content, files, self._now.mono_ms
        )
        if verdict is Verdict.HOLD:
            self._unready(mine.path)
            if was_on:
                self._brake_told = False
            else:
                self._tell_brake()
        return verdict is not Verdict.PASS

    def _brake_again(self) -> None:
        """What was held when the program ended is held again."""
        kinds = {link: kind for link, kind in self.index.noted_below(_BRAKED).items() if kind}
        held: dict[str, dict[bytes, tuple[str, int]]] = {link: {} for link in kinds}
        after: bytes | None = None
        while held and (paths := self.index.offered_paths(after, _PLAN_MAX)):
            after = paths[-1]
            for path in paths:
                row = self.index.get(path)
                decision = decide(None if row is None else row.record, self.index.offers(path))
                if row is None or row.record.kind != Kind.FILE or not isinstance(decision, Take):
                    continue
                target = decision.record
                maker = target.stamp.node
                for link in sorted(self._carriers(path, maker) & held.keys()):
                    if target.kind == Kind.ABSENT or kinds[link] == "rewrites":
                        held[link][path] = maker, _counter(target, maker)
                        break
        for link, paths_held in held.items():
            if not paths_held:
                self._no_longer_braked(link)
                continue
            self.peer_brake.go_on(link, paths_held, kinds[link] == "rewrites")
            self._note("still braked", peer=link, text=str(self.index.noted(f"name {link}") or link[:8]))

    def _judge_peers(self) -> None:
        due = self.peer_brake.due_ms()
        if due is None or due > self._now.mono_ms:
            return
        files = self.index.files() - self._removing
        for link, paths, held, is_less in self.peer_brake.judge(
            self._is_being_moved, self._is_here, self._is_being_told, files, self._now.mono_ms
        ):
            if held:
                for path in paths:
                    self._unready(path)
                kind = "rewrites" if self.peer_brake.is_rewriting(link) else "removals"
                self.index.note(_BRAKED + link, kind)
                if not self.index.noted(_BRAKED_AT + link):
                    self.index.note(_BRAKED_AT + link, self._now.wall_ns)
                self._note("peer braked", paths[0], peer=link, wire=len(paths), size=files)
                self._tell_brake()
            else:
                self._todo.update(dict.fromkeys(paths))
                self._sweep = b""  # and the folders that waited for them
            if is_less:
                self._no_longer_braked(link)
                self._note("unbraked")
                self._tell_brake()

    def _is_being_moved(self, path: bytes) -> bool:
        """True if the content of a path that should go has another name, or is about to get one."""
        row = self.index.get(path)
        if row is None:
            return False
        content = row.record.content
        if self._coming_to(content) not in (None, path) or content in self._blocked.values():
            return True
        others = self.index.by_content(content)
        return any(one.record.path != path and not self.peer_brake.holds(one.record.path) for one in others)

    def _is_here(self, content: bytes) -> bool:
        return any(not self.peer_brake.holds(one.record.path) for one in self.index.by_content(content))

    def _settled_peers(self, path: bytes) -> None:
        if self.peer_brake.holds(path):
            self._todo[parent_of(path)] = None  # which may have waited for it
            self._brake_told = False
        free = self.peer_brake.settled(path, self._now.mono_ms)
        if free:
            for link in free:
                self._no_longer_braked(link)
            self._note("unbraked")
            self._tell_brake()

    def braked(self) -> tuple[Held, ...]:
        """What is held here, by who did it; our own side under our own name."""
        held = [
            Held(maker, max(paths.values()), len(paths), next(iter(paths)))
            for maker, paths in sorted(self.peer_brake.held().items())
        ]
        if self.brake.held:
            first = next(iter(self.brake.held))
            held.append(Held(self.index.node, self.brake.counter, self.brake.held_files, first))
        return tuple(held[: limits.LINKS_MAX])

    def _tell_brake(self) -> None:
        self._brake_told = True
        self._brake_said = self.braked()
        self._brake_due_ms = self._now.mono_ms + _BRAKE_AGAIN_MS
        news = BrakeNews(self.folder, self._brake_said)
        for node in sorted(self._peers):
            if self._peers[node].asked:
                self._send(node, news, 100 * (1 + len(news.held)))

    def _found(self, seen: Seen, errand: Errand) -> bool:
        """Something is there. True if that is settled; false: look again, its folder comes first."""
        path = seen.path
        row = self.index.get(path)
        mine = None if row is None else row.record
        if seen.kind == Kind.OTHER:
            self._skip(path, seen.problem or "not a file, a folder or a link")
            self._obstruct(path, Kind.OTHER)
            if seen.problem == MOUNTED:
                self.mounted.add(path)
            if mine is not None and mine.kind == Kind.DIRECTORY and seen.problem == MOUNTED:
                return self._hidden(mine)
            if mine is not None and mine.kind != Kind.ABSENT:
                return self._absent(seen, errand)
            return True
        parent = parent_of(path)
        if parent:
            above = self.index.get(parent)
            if above is None or above.record.kind != Kind.DIRECTORY or not above.fp:
                if parent not in self._looking:
                    if above is not None and above.record.kind == Kind.ABSENT and above.fp:
                        self._revive_folder(above)
                        return self._found(seen, errand)
                    self._agenda.add(parent, self._now.mono_ms, self._now.mono_ms)
                errand.tries += 1
                return errand.tries > 200  # it keeps vanishing: whoever lists its folder next will find it
        if seen.kind == Kind.DIRECTORY and (errand.listing or mine is None or mine.kind != Kind.DIRECTORY):
            self._to_list.append(path)
        elif seen.kind != Kind.DIRECTORY and mine is not None and mine.kind == Kind.DIRECTORY:
            if self._look_below(path, errand, replaced=True):
                return False
        fp = seen.fp
        if len(fp) > FINGERPRINT_BYTES:
            again = self._pace.earliest(path, self._now.mono_ms + limits.SETTLE_MS_MAX // 4)
            if errand.open:
                again = max(again, self._pace.span(path, self._now.mono_ms, seen.size, again).latest_ms)
            self._agenda.add(path, again, self._now.mono_ms).live = True
        now = Record(path, seen.kind, seen.size, seen.content, seen.mtime, seen.mode, Stamp(1, ""), ())
        if row is not None and mine is not None:
            if mine.kind == Kind.ABSENT and seen.kind == Kind.DIRECTORY and row.fp:
                self.index.set_fp(path, fp)  # a folder that stays only because of something in it that is not ours
                return True
            if same_content(mine, now) and row.fp and _got_meta(row.fp) == _got_meta(fp):
                self.index.set_fp(path, fp)
                return True
        best = self._announced(now, mine)
        if best is not None:
            # We installed it and did not live to note it, or to see its name on the medium: nobody is told before it is.
            mode = best.mode if best.kind == Kind.DIRECTORY else None
            return self._redo(ApplyItem(path, Act.META, best, fp[:FINGERPRINT_BYTES], Why.REPLACED, mode=mode))
        if not errand.matched and (mine is None or mine.kind == Kind.ABSENT):
            moved = self._new_name_of(path, seen.kind, seen.content, fp)
            sources = self._renames.sources_of(path)
            if moved is not None and moved.record.path not in sources:
                errand.matched = True
                self._match(path, moved)
                return self.scanning
        if mine is not None:
            mine = self._as_installed(mine)
        if mine is None and self.first_scan:
            record = first_scan_record(path, seen.kind, seen.size, seen.content, seen.mtime, seen.mode)
        else:
            stamp_ns = min(seen.mtime, self._now.wall_ns)
            record = self._changed_to(mine, now, stamp_ns)
        self._record_change(record, mine, fp, seen)
        if not self.first_scan and record.kind != Kind.DIRECTORY:
            is_new = mine is None or mine.kind == Kind.ABSENT
            self._here[path, "new here" if is_new else "changed here"] = seen.size
        return True

    def _hidden(self, mine: Record) -> bool:
        """Another file system is mounted on a folder of ours: what is below is hidden, not gone. If it is gone for everybody
        else and nothing is known in it, it is noted as a folder that has stayed behind: it goes when it is seen again."""
        row = self.index.get(mine.path)
        best = self._announced_gone(mine)
        if row is not None and best is not None and not self.index.has_live_child(mine.path):
            self._hold(best, row.fp)
        return True

    def _redo(self, item: ApplyItem) -> bool:
        """Once more what is done already, so that it is on the medium. False: something else is being done there."""
        if item.path in self._busy:
            return False
        self._do(item, Take(item.target, False))
        return True

    def _revive_folder(self, row: Row) -> None:
        """A folder that was kept only by something unsynchronized now holds something of ours."""
        above = self.index.get(parent_of(row.record.path))
        if above is not None and above.record.kind == Kind.ABSENT and above.fp:
            self._revive_folder(above)
        _, mode = _got_meta(row.fp)
        folder = row.record._replace(kind=Kind.DIRECTORY, mode=mode)
        record = self._changed_to(row.record, folder, self._now.wall_ns)
        self._record_change(record, row.record, row.fp, None)

    def _changed_to(self, previous: Record | None, now: Record, stamp_ns: int) -> Record:
        """The record of what somebody at this node has made of `previous`."""
        record = changed(previous, now, *self._maker(previous), stamp_ns, self._latest_ns())
        if previous is not None:
            self._note_lowered(previous, record)
        return record

    def _note_lowered(self, previous: Record, record: Record) -> None:
        """The stamp of a path goes back: whoever acknowledges the larger one later does not know more than we do."""
        if record.stamp < previous.stamp:
            if len(self._lowered) > _OUTDONE_MAX:
                self._lowered.clear()
            self._lowered.setdefault(record.path, set()).add(previous.stamp)

    def _latest_ns(self) -> int:
        """The largest stamp that our clock allows."""
        wall_ns = self._now.wall_ns
        return wall_ns + self._ahead_ns if wall_ns >= limits.CLOCK_SANE_NS else limits.STAMP_NS_MAX

    def _maker(self, *replaced: Record | None) -> tuple[str, int]:
        """The maker of the change that replaces these, and its counter: this node, and the next sequence. If a peer has
        announced changes of ours that we never made, peers could not tell from those what we really make: then the maker
        is a new id, of which nobody can have heard."""
        counter = self.index.next_sequence()
        seen: dict[str, int] = {}
        for record in replaced:
            seen.update(record.vector if record is not None else ())
        if seen.get(self.index.node, 0) < counter:
            return self.index.node, counter
        if not self._alias or seen.get(self._alias, 0) >= counter:
            self._alias = self.index.made_up_id()
        return self._alias, counter

    def _note_outdone(self, winner: Record) -> None:
        """`winner` takes the place of what is here, maybe of a version with a larger stamp: then it does so once."""
        row = self.index.get(winner.path)
        if row is not None:
            self._note_lowered(row.record, winner)
        if row is None or winner.stamp.ns >= row.record.stamp.ns - limits.STAMP_GAP_NS:
            return
        if len(self._outdone) > _OUTDONE_MAX:
            self._outdone.clear()
        pairs = self._outdone.setdefault(winner.path, set())
        if len(pairs) < _OUTDONE_PAIRS_MAX:
            pairs.add((winner.stamp, row.record.stamp))

    def _announced(self, now: Record, mine: Record | None) -> Record | None:
        """A newer record that a peer announced and that is exactly what is there now."""
        for offer in self.index.offers(now.path):
            theirs = offer.record
            if same_content(theirs, now) and same_meta(theirs, now) and (mine is None or beats(theirs, mine)):
                return joined(theirs, mine) if mine is not None else theirs
        return None

    def _announced_gone(self, mine: Record) -> Record | None:
        """A newer tombstone that a peer announced, made in knowledge of what we held."""
        for offer in self.index.offers(mine.path):
            theirs = offer.record
            if theirs.kind == Kind.ABSENT and beats(theirs, mine) and has_seen(theirs, mine):
                return joined(theirs, mine)
        return None

    def _record_change(self, record: Record, previous: Record | None, fp: bytes, seen: Seen | None) -> None:
        """A change made here: into the index, and to be told."""
        delta = None
        known = self.index.get(record.path) if previous is not None else None
        before = known.fp if known is not None else b""
        if seen is not None and seen.delta is not None:
            delta = DeltaOffer(seen.delta.base, seen.delta.size)
            self._keep_delta(seen.delta)
        elif seen is not None and record.size >= limits.LARGE_FILE_BYTES and self._deltas:
            made = next((made for made, _ in self._deltas.values() if made.digest == record.content), None)
            delta = None if made is None else DeltaOffer(made.base, made.size)
        only_meta = previous is not None and same_content(previous, record)
        data = None if seen is None or only_meta else seen.data
        if not only_meta:
            grown = self._grew_here(record, previous, seen)
            if grown is not None and (data is None or 2 * grown.size <= record.size):
                delta, data = grown, None
        if data and self._is_elsewhere(record):
            data = None  # whoever holds the other one makes a copy of it
        row = self._put(record, fp)
        folder_mtime = None if seen is None else seen.folder_mtime
        self._fresh[record.path] = Fresh(row.record, previous, data, delta, None, folder_mtime)
        if seen is not None:
            self._is_changing(parent_of(record.path), folder_mtime)
        self._sign_later(record, previous, delta is not None and delta.marks is not None)
        if seen is not None and previous is not None and previous.kind == Kind.FILE:
            self._look_at_links(before, previous)

    def _grew_here(self, record: Record, previous: Record | None, seen: Seen | None) -> DeltaOffer | None:
        """What peers need to know of a file that only grew."""
        grown = None if seen is None else seen.grown
        is_new = previous is None or previous.kind == Kind.ABSENT
        old = self._renamed_from(record.path) if is_new and self._renames and record.kind == Kind.FILE else None
        if old is not None:
            self._growths.moved(old.record.path, record.path, old.record.content)
            previous = old.record
            if previous.content == record.content:
                return None
        if grown is None or previous is None or previous.content != grown.base:
            self._growths.forget(record.path)
            return None
        self._growths.grew(record.path, grown.base, grown.size, record.content, record.size, grown.marks)
        known = self._growths.offer(record.path, grown.base, record.content)
        return None if known is None else DeltaOffer(grown.base, record.size - grown.size, known[1])

    def _is_changing(self, folder: bytes, mtime: int | None) -> None:
        """People change something in a folder, whose time was told as `mtime` (None: was not told). It may have got a later
        one by what they did before we looked, or right after."""
        if folder and (folder in self._restless or len(self._restless) < _TIMES_MAX):
            known = self._restless.get(folder)
            self._restless[folder] = known if mtime is None else mtime

    def _look_at_links(self, before: bytes, previous: Record) -> None:
        """A file was changed by one of its names: the watcher tells of none of the others. `before`: its fingerprint until
        then."""
        for row in self.index.by_content(previous.content):
            if row.record.path != previous.path and row.fp and inode_of(row.fp) == inode_of(before):
                self._agenda.add(row.record.path, self._now.mono_ms, self._now.mono_ms)

    def _is_elsewhere(self, record: Record) -> bool:
        if self.first_scan:
            return self.index.may_have(record.content)  # that it is not, is asked later if need be
        return any(row.record.path != record.path for row in self.index.by_content(record.content))

    def _put(self, record: Record, fp: bytes) -> Row:
        """Every change of a row goes through here: it is told to the peers, and what depends on it is planned."""
        self._journal(record)
        if self.brake.held:
            before = self.index.get(record.path)
            if before is None or fp != before.fp or record.kind == Kind.ABSENT:  # else only its vector or stamp is new
                self._no_longer_held(record.path)
        row = self.index.put(record, fp)
        self._changed.append((row.seq, record))
        self._todo[record.path] = None
        if self._unable and record.kind == Kind.ABSENT:
            self._look_behind(record.path)
        if self.peer_brake.is_on:
            self._settled_peers(record.path)
        if self._obstructed and parent_of(record.path) in self._obstructed:
            self._todo[parent_of(record.path)] = None
        if record.kind == Kind.DIRECTORY:
            if self._denied_in or self._to_list_again:
                self._try_again_below(record.path)
            waiting = self.index.offered_below(record.path, _PLAN_MAX)
            self._todo.update(waiting)
            if len(waiting) == _PLAN_MAX:
                self._sweep = b""  # and more of them
        return row

    def _try_again_below(self, folder: bytes) -> None:
        """A folder is not what it was: what could not be done in it may be by now (somebody has changed its mode)."""
        now, first = self._now.mono_ms, _TROUBLE_RETRY_MS[0]
        for each in [each for each in self._denied_in if each == folder or each.startswith(folder + b"/")]:
            for path in self._denied_in.pop(each):
                if path in self._troubled:
                    self._troubled[path] = (first // 2, self._troubled[path][1])
                if path in self._agenda:
                    self._agenda.add(path, now, now)
                self._todo[path] = None
        for each in self._to_list_again:
            if each == folder or each.startswith(folder + b"/"):
                self._to_list_again[each] = (now, first)

    def _deny(self, folder: bytes, path: bytes) -> None:
        """Something failed at `path`, and may be the fault of `folder`."""
        if len(self._denied_in) > limits.TODO_PATHS_MAX:
            self._denied_in.clear()  # they are tried again at their time
        self._denied_in.setdefault(folder, {})[path] = None

    def _begin_journal(self) -> None:
        """Once we have all that the first peer had: to undo what came by meeting it would undo the meeting."""
        if not any(peer.synced for peer in self._peers.values()) or self.scanning or self._todo:
            return
        if self._gifts or self._jobs_out or self._fetches or self._ready or self.index.any_offers():
            return
        self._journals = True
        self.index.note(JOURNAL_SINCE, self._now.wall_ns)

    def _journal(self, record: Record) -> None:
        """Note how the path was, if that changes."""
        if not self._journals:
            return
        row = self.index.get(record.path)
        if row is None or row.record.kind == Kind.ABSENT:
            if record.kind != Kind.ABSENT:
                self.index.journal(record, None, self._now.wall_ns)
        elif not (same_content(row.record, record) and same_meta(row.record, record)):
            self.index.journal(record, row.record, self._now.wall_ns)

    # --- deciding ----------------------------------------------------------------------------------------------------

    def _run_timers(self) -> None:
        while self._timers and self._timers[0][0] <= self._now.mono_ms:
            _, _, path, self._todo.owner = heapq.heappop(self._timers)
            self._todo[path] = None
        self._todo.owner = ""
        self._undo_growths()
        if self._now.mono_ms < self._next_stall_check:
            return
        self._next_stall_check = self._now.mono_ms + _RETRY_MS
        for path, fetch in list(self._fetches.items()):
            if self._now.mono_ms - fetch.moved_ms > _STALLED_MS:
                self._give_up(fetch, path)
                self._plan_later(path, _RETRY_MS)

    def _plan_later(self, path: bytes, wait_ms: int) -> None:
        self._timer_count += 1
        heapq.heappush(self._timers, (self._now.mono_ms + wait_ms, self._timer_count, path, self._todo.owner))

    def _plan_todo(self) -> None:
        if self.scanning:
            if len(self._todo) > limits.TODO_PATHS_MAX:
                self._todo.clear()
            return  # what is here is not known yet; the end of the scan plans everything
        self._todo.owner = _SWEEP
        if self._sweep is not None and self._todo.waiting < _PLAN_MAX:
            some = self.index.offered_paths(self._sweep or None, _PLAN_MAX)
            self._todo.update(some)
            self._sweep = some[-1] if len(some) == _PLAN_MAX else None
        self._todo.owner = ""
        if self._wake or (self._waiting and not self._fetches):
            self._wake = False
            self._wake_waiting()
        if not self._todo:
            return
        if self._todo.overflowed:
            self._todo.overflowed = False
            self._sweep = b""
        for owner, paths in self._todo.take(min(_PLAN_MAX, _PLAN_SHARED_MAX) if self.is_shared else _PLAN_MAX):
            self._todo.owner = owner
            self._plan_some(paths)
        self._todo.owner = ""
        if self._todo or self._sweep is not None:
            self._again = True

    def _plan_some(self, paths: list[bytes]) -> None:
        offered = []
        for path in paths:
            if offers := self.index.offers(path):
                offered.append((path, offers))
            elif path not in self._busy:
                self._nothing_wanted(path)
                self._forget_wanted(path)
        self.index.fetch(path for path, _ in offered)
        live = [(path, offers) for path, offers in offered if _best_kind(offers) != Kind.ABSENT]
        dead = [(path, offers) for path, offers in offered if _best_kind(offers) == Kind.ABSENT]
        for path, offers in sorted(live, key=_path_of):
            if path not in self._ready and self._is_new_file(path, offers):
                holder = _holder(offers[0].peer)
                if self._peers[holder].window.room() < limits.CHUNK_BYTES:
                    self._await_room(holder, path, min(offers[0].record.size, limits.CHUNK_BYTES))  # it could only wait
                    continue
            self._plan(path, offers)
        for path, offers in sorted(dead, key=_path_of, reverse=True):  # children before their folders
            self._plan(path, offers)

    def _await_room(self, peer: str, path: bytes, size: int) -> None:
        """So much has to come free in that peer's window before the path is planned again."""
        self._waiting.setdefault(peer, {})[path] = size

    def _is_new_file(self, path: bytes, offers: list[Offer]) -> bool:
        return (
            len(offers) == 1
            and offers[0].record.kind == Kind.FILE
            and offers[0].record.size > 0
            and self._may_be_asked(offers[0].peer, offers[0].record.content)
            and self.index.get(path) is None
        )

    def _plan(self, path: bytes, offers: list[Offer]) -> None:
        if self._not_before.get(path, 0) > self._now.mono_ms:
            return  # its timer is set
        if self.brake.held and path not in self.brake.held and self.brake.holds(path):
            return  # its folder is missing; what becomes of that is not decided
        if path in self._busy or path in self._looking or path in self._agenda:
            if path in self._agenda or path in self._looking:
                return  # its look puts it back on the list
            return
        if self._to_list_again and self._may_be_unseen(path):
            self._agenda.add(path, self._now.mono_ms, self._now.mono_ms)
            return
        row = self.index.get(path)
        spent = self._outdone.get(path, ())
        decision = decide(None if row is None else row.record, offers, spent)
        if isinstance(decision, Take) and not self._is_within_reach(decision.record, offers):
            if decision.record.stamp.node == self.index.node and self.index.offer(path, _OURS) is not None:
                self.index.drop_offer(path, _OURS)  # what should come back was in the history, and is no more
                self._note("lost", path)
                offers = self.index.offers(path)
            near = [offer for offer in offers if self._may_be_asked(offer.peer, offer.record.content)]
            second = decide(None if row is None else row.record, near, spent)
            if not isinstance(second, Nothing):
                decision, offers = second, near  # until whoever has the best comes, if ever
        if path in self._obstructed:
            wanted = decision.record.kind if isinstance(decision, Take) else Kind.ABSENT
            may_be_folder = wanted in (Kind.ABSENT, Kind.DIRECTORY) or self.index.has_live_child(path)
            if self._obstructed[path] == Kind.DIRECTORY and may_be_folder:
                del self._obstructed[path]  # it may stay, or its listing decides; everyone has to know
            elif wanted != Kind.ABSENT:
                self._nothing_wanted(path)
                self._block(path)
                return  # whoever sees that the way is free plans it again
        if self._unable and isinstance(decision, Take) and self._is_held_back(decision):
            return
        match decision:
            case Nothing():
                self._settled(path, offers)
            case Join(record):
                assert row is not None
                if path in self._fresh:
                    self._plan_later(path, 1)  # first it is told as it was made: in ignorance of the other
                else:
                    self._hold(record, row.fp)
            case Answer(top):
                assert row is not None
                self._answer(row, top)
                self._note("kept", path)
            case Take():
                self._take(path, row, offers, decision)

    def _may_be_unseen(self, path: bytes) -> bool:
        """True if what was being installed when the program ended may be there, and its peer has moved on: its folder could not
        be listed since. To take anything newer is to forget what it was, so it is looked at first."""
        if self.index.offer(path, _NOBODY) is None:
            return False
        folder = path
        while folder:
            folder = parent_of(folder)
            if folder in self._to_list_again:
                return True
        return False

    def _is_held_back(self, take: Take) -> bool:
        """True if what is wanted cannot be on this disk: people are told once, and whoever sees that it can plans it again."""
        path = take.record.path
        unfit = self._unable.why(take.record)
        if unfit is None:
            return False
        if unfit.by is not None and self._respell(unfit.by):
            return True
        self._nothing_wanted(path)
        if self._unable.is_news(path):
            self._note("unable", path, text=unfit.text)
        return True

    def _respell(self, source: bytes) -> bool:
        """True if a name that should go gets the other spelling by which it is wanted, now or soon: it is renamed, not
        removed and made again."""
        row = self.index.get(source)
        if row is None or not row.fp or self._is_at_work(source) or self.peer_brake.holds(source):
            return False
        mine = row.record
        if mine.kind not in (Kind.FILE, Kind.DIRECTORY):
            return False
        gone = decide(mine, self.index.offers(source))
        if not isinstance(gone, Take) or gone.record.kind != Kind.ABSENT:
            return False
        for path in self._unable.behind(source):
            known = self.index.get(path)
            take = decide(None if known is None else known.record, self.index.offers(path))
            is_here = self._is_unblocked(path) and not self._is_at_work(path) and (known is None or not known.fp)
            if not isinstance(take, Take) or not same_content(take.record, mine) or not is_here:
                continue
            if mine.kind == Kind.DIRECTORY and not self._moves_whole(source, path):
                continue
            self._unready(path)
            self._cancel(path)
            self._busy.add(source)
            why = Why.REPLACED
            self._do(ApplyItem(path, Act.MOVE, take.record, b"", why, copy_path=source, copy_fp=row.fp), take)
            return True
        return False

    def _moves_whole(self, source: bytes, target: bytes) -> bool:
        """True if all that we know below a folder is wanted below its new name, and nowhere else."""
        below = self.index.live_below(source, _MOVE_ROWS_MAX)
        if len(below) == _MOVE_ROWS_MAX or any(busy.startswith(source + b"/") for busy in self._busy):
            return False
        for child in below:
            path = target + child.record.path[len(source) :]
            known = self.index.get(path)
            take = decide(None if known is None else known.record, self.index.offers(path))
            is_wanted = isinstance(take, Take) and same_content(take.record, child.record)
            if not is_wanted or self._announced_gone(child.record) is None:
                return False
        return True

    def _block(self, path: bytes) -> None:
        """Something newer cannot be had here: people are told once."""
        near = next((other for other in self._named if other == path or other.startswith(path + b"/")), None)
        what = "something in it or in its place" if near is None else show(near)
        self._troubled[path] = (_TROUBLE_RETRY_MS[1], f"{what} is in the way, and is not synchronized")
        if path not in self._blocked_told:
            self._blocked_told.add(path)
            self._note("blocked", path)

    def _is_within_reach(self, wanted: Record, offers: list[Offer]) -> bool:
        """False if nobody who is here has what is wanted, and we have it nowhere else."""
        if wanted.kind != Kind.FILE or not wanted.size:
            return True
        if any(self._has(offer, wanted) for offer in offers):
            return True
        ready = self._ready.get(wanted.path)
        if ready is not None and ready.digest == wanted.content:
            return True
        if self.index.by_content(wanted.content) or self.index.version_with(wanted.content) is not None:
            return True
        return self._begins_here(wanted) is not None

    def _begins_here(self, wanted: Record) -> Row | None:
        """What is at a path, if it may begin with the older content that somebody wants back there: such a version is in no
        history."""
        row = self.index.get(wanted.path)
        if row is None or row.record.kind != Kind.FILE or not 0 < wanted.size < row.record.size:
            return None
        if len(row.fp) != FINGERPRINT_BYTES or (wanted.path, row.fp) in self._no_source:
            return None
        return row if self.index.offer(wanted.path, _OURS) is not None else None

    def _settled(self, path: bytes, offers: list[Offer]) -> None:
        """We hold the best there is: offers that tell nothing new are dropped."""
        row = self.index.get(path)
        assert row is not None
        for offer in offers:
            if leq(offer.record.vector, row.record.vector) and not beats(offer.record, row.record):
                self.index.drop_offer(path, offer.peer)
        self._nothing_wanted(path)
        if not self.index.offers(path):
            self._forget_wanted(path)

    def _nothing_wanted(self, path: bytes) -> None:
        """Whatever was on its way here is not needed any more."""
        if self.peer_brake.is_on:
            self._settled_peers(path)
        self._in_vain.pop(path, None)
        self._blocked.pop(path, None)
        self._hand_over(path)
        self._cancel(path)
        self._unready(path)

    def _forget_wanted(self, path: bytes) -> None:
        """Nobody announces anything newer for this path any more: what was tried and waited for on account of that says
        nothing about what is announced later. (What may be on the disk, `_tried`, is remembered until a look.)"""
        for waiting in self._waiting.values():
            waiting.pop(path, None)
        self._held_since.pop(path, None)
        self._avoid.pop(path, None)
        self._delta_offers.pop(path, None)
        self._bases.pop(path, None)
        self._origins.pop(path, None)
        self._troubled.pop(path, None)
        self._not_before.pop(path, None)
        self._short.pop(path, None)

    def _answer(self, row: Row, top: Record, is_meant: bool = False) -> None:
        now_ns, latest_ns = self._now.wall_ns, self._latest_ns()
        record = answer(row.record, top, *self._maker(row.record, top), now_ns, latest_ns, is_meant)
        self._note_lowered(row.record, record)
        self._put(record, row.fp)
        self._fresh[record.path] = Fresh(record, row.record, None, None, None, None)

    def _take(self, path: bytes, row: Row | None, offers: list[Offer], take: Take) -> None:
        """Known here: `take.record` is newer than what we hold, and nothing is going on at this path."""
        target = take.record
        mine = None if row is None else row.record
        there = b"" if row is None else row.fp
        self._blocked.pop(path, None)
        if len(there) > FINGERPRINT_BYTES:
            again = self._pace.earliest(path, self._now.mono_ms + limits.SETTLE_MS)
            self._agenda.add(path, again, self._now.mono_ms)
            return
        if self._unable and target.kind == Kind.ABSENT and self._respell(path):
            return
        is_folder = mine is not None and mine.kind == Kind.DIRECTORY
        if is_folder and target.kind != Kind.DIRECTORY and not self._may_leave(path, row, target):
            return
        if target.kind == Kind.ABSENT:
            self._hand_over(path)
            self._cancel(path)
            self._unready(path)
            if mine is None and self._is_hearsay(offers):
                for offer in offers:
                    self.index.drop_offer(path, offer.peer)
                self._nothing_wanted(path)
            elif mine is None or mine.kind == Kind.ABSENT:
                self._hold(target, there)
            elif not self._is_awaited(path, mine, target) and not self._is_braked(mine, target):
                why = Why.CONFLICT if self._is_conflict(mine, take) else Why.DELETED
                self._do(ApplyItem(path, Act.REMOVE, target, there, why), take)
            return
        parent = parent_of(path)
        if parent:
            above = self.index.get(parent)
            if above is None or above.record.kind != Kind.DIRECTORY or not above.fp:
                self._blocked[path] = target.content  # its folder comes first, and then calls for it
                if self._is_obstructed(parent):
                    self._nothing_wanted(path)
                return
        why = Why.CONFLICT if self._is_conflict(mine, take) else Why.REPLACED
        if mine is not None and mine.kind != Kind.ABSENT and same_content(mine, target):
            self._cancel(path)
            self._unready(path)
            if same_meta(mine, target):
                self._hold(target, there)
            else:
                mode = target.mode if target.kind == Kind.DIRECTORY else None
                self._do(ApplyItem(path, Act.META, target, there, why, mode=mode), take)
            return
        if mine is not None and self._is_braked(mine, target):
            self._cancel(path)
            return
        if target.kind == Kind.DIRECTORY and there and mine is not None and mine.kind == Kind.ABSENT:
            self._do(ApplyItem(path, Act.META, target, there, why, mode=target.mode), take)  # it had stayed behind
            return
        if target.kind != Kind.FILE:
            self._cancel(path)
            self._do(ApplyItem(path, Act.INSTALL, target, there, why), take)
            return
        self._take_file(path, row, offers, take, ApplyItem(path, Act.INSTALL, target, there, why))

    def _is_conflict(self, mine: Record | None, take: Take) -> bool:
        """True if what is taken was not made from what we hold: its user never saw that, and ours would be lost unnoticed."""
        if mine is None or mine.kind not in (Kind.FILE, Kind.SYMLINK):
            return False
        return take.conflict

    def _may_leave(self, path: bytes, row: Row | None, target: Record) -> bool:
        """A folder of ours should go. Not before its children; and if one of them stays, so does the folder."""
        assert row is not None
        if path in self._leaving:
            return False  # it was not empty: its listing decides what comes next
        pending = False
        for child in self.index.live_children(path, limits.LOOK_ITEMS_MAX):
            name = child.record.path
            if self.peer_brake.holds(name):
                return False  # once it is decided, everything is planned again
            if name in self._busy or name in self._looking or name in self._agenda:
                pending = True
                continue
            decision = decide(child.record, self.index.offers(name))
            if isinstance(decision, Take) and decision.record.kind == Kind.ABSENT:
                self._todo[name] = None
                pending = True
                continue
            # Known here: the child lives. Its own tombstone may still be on its way to us, behind the folder's.
            if self._grace_ms(path, target) < _LINGER_MS or self._is_being_told(path):
                pending = True
                continue
            del self._held_since[path]
            self._answer(row, target)
            self._note("kept", path)
            return False
        if pending:
            self._plan_later(path, _RETRY_MS if self.peer_brake.is_on else 50)
        else:
            self._held_since.pop(path, None)
        return not pending

    def _is_being_told(self, path: bytes) -> bool:
        """True while a peer that announced this path has not yet told us everything."""
        return any(
            offer.peer in self._peers and not self._peers[offer.peer].synced for offer in self.index.offers(path)
        )

    def _grace_ms(self, path: bytes, announced: Record) -> int:
        """For how long this very version has been given a grace: the clock starts with the first call. A version that is
        announced later, also after this one was withdrawn, has a grace of its own."""
        stamp, since = self._held_since.setdefault(path, (announced.stamp, self._now.mono_ms))
        if stamp != announced.stamp:
            since = self._now.mono_ms
            self._held_since[path] = announced.stamp, since
        return self._now.mono_ms - since

    def _is_awaited(self, path: bytes, mine: Record, target: Record) -> bool:
        """True while a new name for this content is about to be made here: then it is moved there instead; or while a file
        is made from it by a delta."""
        if mine.kind != Kind.FILE or not mine.size:
            return False
        is_base = mine.size >= limits.DELTA_FILE_BYTES_MIN and mine.content in self._bases.values()
        if not is_base and mine.content not in self._blocked.values():
            self._held_since.pop(path, None)
            return False
        if self._grace_ms(path, target) > limits.RENAME_HOLD_MS:
            del self._held_since[path]
            return False
        self._plan_later(path, 20)
        return True

    def _take_file(self, path: bytes, row: Row | None, offers: list[Offer], take: Take, item: ApplyItem) -> None:
        """The content comes from the cheapest place: here already, elsewhere in the tree or the history, a delta, the whole."""
        target = take.record
        ready = self._ready.get(path)
        if ready is not None and ready.digest == target.content:
            self._unready(path, keep_file=True)
            self._cancel(path)
            self._do(item._replace(data=ready.data, staged=ready.staged), take)
            return
        self._unready(path)
        if target.size == 0:
            self._cancel(path)
            self._do(item._replace(data=b""), take)
            return
        if self._take_locally(item, take):
            return
        if self._comes_to_another(path, target.content):
            self._cancel(path)
            return
        fetch = self._fetches.get(path)
        if fetch is not None:
            if fetch.target.content == target.content:
                fetch.target = target
                return
            if self._go_on_with(fetch, target):
                return
            self._cancel(path)
        elif (before := self._fetches.get(self._origins.get(path, b""))) is not None and self._go_on_with(
            before, target
        ):
            return
        avoid = self._avoid.get(path, ())
        holders = [
            _holder(offer.peer) for offer in offers if self._has(offer, target) and _holder(offer.peer) not in avoid
        ]
        if not holders:
            if avoid:
                del self._avoid[path]
                tries = self._in_vain[path] = self._in_vain.get(path, -1) + 1
                self._plan_later(path, min(_RETRY_MS << min(tries, 10), _RETRY_MS_MAX))
            elif any(self._is_at_work(row.record.path) for row in self.index.by_content(target.content)):
                self._plan_later(path, 100)  # it is just being moved or looked at
            return  # a peer that has it will come, or none ever: the offer stays
        maker = target.stamp.node
        if (
            self._may_be_asked(maker, target.content)
            and maker not in holders
            and maker not in avoid
            and self._wait_for_maker(target)
        ):
            return
        if self.blind and (row is None or not row.fp) and path not in self._free:
            self._agenda.add(path, self._now.mono_ms, self._now.mono_ms)  # is there room for the name?
            return
        self._free.discard(path)
        self._fetch(path, row, target, holders)
        fetch = self._fetches.get(path)
        if fetch is not None and (fetch.is_small or fetch.grows is not None):
            fetch.plan = (row, offers, item, take)

    def _is_at_work(self, path: bytes) -> bool:
        return path in self._busy or path in self._looking or path in self._agenda

    def _comes_to_another(self, path: bytes, content: bytes) -> bool:
        """True while the same content is on its way to another path: then it is copied from there."""
        other = self._coming_to(content)
        if other is None or other == path:
            return False
        self._copies.setdefault(other, {})[path] = None
        return True

    def _coming_to(self, content: bytes) -> bytes | None:
        """The path that a content is on its way to."""
        path = self._coming.get(content)
        if path is None:
            return None
        fetch, ready, doing = self._fetches.get(path), self._ready.get(path), self._doing.get(path)
        if (
            (fetch is not None and fetch.target.content == content)
            or (ready is not None and ready.digest == content and path not in self._troubled)
            or (doing is not None and doing[0].target.content == content)
        ):
            return path
        del self._coming[content]
        return None

    def _wake_copies(self, path: bytes) -> None:
        self._todo.update(self._copies.pop(path, {}))

    def _may_be_asked(self, node: str, content: bytes) -> bool:
        peer = self._peers.get(_holder(node))
        return peer is not None and content not in peer.lacks

    def _has(self, offer: Offer, wanted: Record) -> bool:
        """True if the content that is wanted may be asked for where this offer comes from."""
        return same_content(offer.record, wanted) and self._may_be_asked(offer.peer, wanted.content)

    def _wait_for_maker(self, target: Record) -> bool:
        """The maker of a change pushes it: another holder is asked only after a grace."""
        left = limits.ORIGIN_GRACE_MS - self._grace_ms(target.path, target)
        if left <= 0:
            del self._held_since[target.path]
            return False
        self._plan_later(target.path, left)
        return True

    def _take_locally(self, item: ApplyItem, take: Take) -> bool:
        target = take.record
        rows = self.index.by_content(target.content)
        origin = self.index.get(self._origins.get(item.path, b"")) if item.path in self._origins else None
        if origin is not None and origin not in rows and same_content(origin.record, target):
            rows.append(origin)
        is_at_work = False
        for row in sorted(rows, key=lambda row: not self._is_leaving(row)) if len(rows) > 1 else rows:
            source = row.record.path
            if source == item.path or not row.fp or (source, row.fp) in self._no_source:
                continue
            if len(row.fp) > FINGERPRINT_BYTES:
                is_at_work = True  # it grew a moment ago, and is read once more before anything is made from it
                continue
            if self._is_at_work(source):
                doing = self._doing.get(source)
                if doing is not None and doing[0].act is not Act.META and doing[0].target.content != target.content:
                    self._plan_later(item.path, 20)  # it is on its way into the history, and is taken from there
                    return True
                is_at_work = True
                continue
            is_leaving = self._is_leaving(row)
            if not is_leaving and self._take_back_moved(item, take):
                return True
            self._cancel(item.path)
            if is_leaving:
                self._busy.add(source)
                moved = item._replace(act=Act.MOVE, copy_path=source, copy_fp=row.fp)
                self._do(moved, take)
            else:
                self._do(item._replace(copy_path=source, copy_fp=row.fp), take)
            return True
        if self._take_back_moved(item, take):
            return True
        if is_at_work and self._wait_a_moment(target):
            return True
        version = self.index.version_with(target.content)
        if version is not None and (version.name, b"") not in self._no_source:
            self._cancel(item.path)
            self._do(item._replace(copy_path=version.name), take)
            return True
        longer = self._begins_here(target)
        if longer is not None:
            self._do(item._replace(copy_path=item.path, copy_fp=longer.fp), take)
            return True
        return False

    def _wait_a_moment(self, target: Record) -> bool:
        """True for a while, for what is here and just being looked at: so that it does not travel."""
        if self._grace_ms(target.path, target) > limits.RENAME_HOLD_MS:
            return False
        self._plan_later(target.path, 20)
        return True

    def _is_leaving(self, row: Row) -> bool:
        """True if a file of ours should go, as far as we have heard, and is not to be kept as the loser of a conflict."""
        decision = decide(row.record, self.index.offers(row.record.path))
        return isinstance(decision, Take) and decision.record.kind == Kind.ABSENT and not decision.conflict

    def _take_back_moved(self, item: ApplyItem, take: Take) -> bool:
        """True if what is wanted was displaced just now by the same peer: its old name was heard of first. It comes out of
        the history again, where it would take room twice."""
        alike = self._displaced.get(take.record.content)
        if alike is None:
            return False
        kept = alike.pop()
        if not alike:
            del self._displaced[take.record.content]
        if kept.node != take.record.stamp.node or self._now.mono_ms - kept.when_ms > _DISPLACED_MS:
            return False
        version = self.index.version(kept.version)
        if version is None or version.why is Why.CONFLICT or (version.name, b"") in self._no_source:
            return False
        self._cancel(item.path)
        self._do(item._replace(act=Act.MOVE, copy_path=kept.version, copy_fp=kept.fp), take)
        return True

    def _base_of(self, path: bytes, row: Row | None) -> tuple[bytes, int] | None:
        """Digest and size of a content of ours from which a delta for `path` may begin: what is there, or what was there
        under the old name."""
        if row is not None and row.record.kind == Kind.FILE and len(row.fp) == FINGERPRINT_BYTES:
            return row.record.content, row.record.size
        origin = self.index.get(self._origins[path]) if path in self._origins else None
        if origin is not None and origin.record.kind == Kind.FILE and len(origin.fp) == FINGERPRINT_BYTES:
            self._bases[path] = origin.record.content
        content = self._bases.get(path)
        if content is None:
            return None
        where = self._where_is(content, path)
        return None if where is None else (content, where[2])

    def _where_is(self, content: bytes, path: bytes) -> tuple[bytes, bytes, int] | None:
        """Name, fingerprint (b"" in the history) and size of a file of ours with that content, `path` itself if it can be."""
        rows = [row for row in self.index.by_content(content) if len(row.fp) == FINGERPRINT_BYTES]
        for row in sorted(rows, key=lambda row: row.record.path != path):
            if row.record.path == path or row.record.path not in self._busy:
                return row.record.path, row.fp, row.record.size
        version = self.index.version_with(content)
        if version is None or (version.name, b"") in self._no_source:
            return None
        return version.name, b"", version.size

    # --- doing -------------------------------------------------------------------------------------------------------

    def _order(
        self,
        job: ListJob | LookJob | ApplyJob | StageJob | PatchJob | ReadJob | DeltaJob | SignJob | PruneJob | RecheckJob,
    ) -> None:
        self._jobs_out += 1
        self._out.append(job)

    def _order_discard(self, names: tuple[bytes, ...], tokens: tuple[int, ...] = ()) -> None:
        for name in names:
            self._discarded[name] = None
            if len(self._discarded) > 1_000:
                del self._discarded[next(iter(self._discarded))]
        self._out.append(DiscardJob(names, tokens=tokens))

    def _do(self, item: ApplyItem, take: Take | None) -> None:
        self._busy.add(item.path)
        self._doing[item.path] = (item, take)
        self._removing += item.act is Act.REMOVE
        if take is not None:
            self._try(item.path, take.record.stamp)
        if item.act is Act.MOVE and item.copy_path is not None and not _is_kept(item.copy_path):
            source = self.index.get(item.copy_path)
            if source is not None and (gone := self._announced_gone(source.record)) is not None:
                self._tried[item.copy_path] = (
                    gone.stamp
                )  # the old name may be gone by us, whatever comes of the new one
        if item.copy_path is not None and item.target.kind is Kind.FILE:
            self._coming[item.target.content] = item.path
        if item.act is Act.INSTALL and not item.expect:
            self._echoes[item.path] = None
        if self._listings_out and item.act in (Act.INSTALL, Act.MOVE):
            self._put_in.add(parent_of(item.path))
        large = item.copy_path is not None and item.act == Act.INSTALL and item.target.size >= limits.LARGE_FILE_BYTES
        if large or item.staged is not None:
            self._applies_bulk.append((self._todo.owner, item))
        else:
            self._applies.setdefault(self._todo.owner, []).append(item)

    def _try(self, path: bytes, stamp: Stamp) -> None:
        """From now on, this may be on the disk; what was tried before is not, or it would have been seen."""
        self._tried[path] = stamp
        earlier = self.index.offer(path, _NOBODY)
        if earlier is not None and earlier.record.stamp != stamp:
            self.index.drop_offer(path, _NOBODY)

    def _flush_jobs(self) -> None:
        for owner, items in self._applies.items():
            batch: list[ApplyItem] = []
            size = 0
            for item in items:
                batch.append(item)
                size += item.target.size
                if len(batch) >= limits.APPLY_ITEMS_MAX or size >= limits.APPLY_BYTES_MAX:
                    self._order(ApplyJob(tuple(batch), peer=owner))
                    batch, size = [], 0
            if batch:
                self._order(ApplyJob(tuple(batch), peer=owner))
        self._applies.clear()
        for owner, item in self._applies_bulk:
            self._order(ApplyJob((item,), bulk=True, peer=owner))
        self._applies_bulk.clear()
        for node, pulls in self._pulls.items():
            if node in self._peers:
                for at in range(0, len(pulls), 1_000):
                    some = tuple(pulls[at : at + 1_000])
                    self._send(node, Pull(self.folder, some), 100 * len(some))
        self._pulls.clear()

    def _applied(self, result: ApplyResult) -> None:
        path = result.path
        if path in self._echoes:
            if result.result is Result.DONE:
                self._echoes[path] = self._now.mono_ms + _ECHO_MS
            else:
                del self._echoes[path]
        gift = self._gifts.pop(path, None)
        if gift is not None:  # something is not as it should be: it is an offer like any other again
            self._no_longer_intended(gift.intent)
            self._tried[path] = gift.record.stamp
            if self.index.offer(path, gift.peer) is None:
                self.index.put_offer(Offer(gift.peer, gift.record, False))
        item, take = self._doing.pop(path)
        self._removing -= item.act is Act.REMOVE
        self._busy.discard(path)
        self._wake_copies(path)
        if item.act == Act.MOVE and item.copy_path is not None:
            self._busy.discard(item.copy_path)
            if self._listed_busy.pop(item.copy_path, None) is not None:
                self._agenda.add(item.copy_path, self._now.mono_ms, self._now.mono_ms)
        listed = self._listed_busy.pop(path, None)
        if listed is not None and not (result.result == Result.DONE and result.fp == listed):
            self._agenda.add(path, self._now.mono_ms, self._now.mono_ms)
        if take is None:
            self._todo[path] = None
            if result.result == Result.DONE:
                self.index.set_fp(path, result.fp)
                if item.act is Act.REMOVE:
                    self._note("removed", path, item.target.stamp.node)
                    self._let_folder_go(path)
            return
        row = self.index.get(path)
        if result.version is not None and row is not None:
            self._keep(result.version, row.record, path, take.record.stamp)
            if row.record.kind == Kind.FILE and len(row.fp) == FINGERPRINT_BYTES and result.version.why != Why.CONFLICT:
                if len(self._displaced) >= _DISPLACED_MAX:
                    self._displaced.clear()
                kept = _Displaced(result.version.name, row.fp, result.version.node, self._now.mono_ms)
                alike = self._displaced.setdefault(row.record.content, [])
                alike.append(kept)
                del alike[:-_DISPLACED_ALIKE_MAX]
        match result.result:
            case Result.DONE:
                self._troubled.pop(path, None)
                self._tried.pop(path, None)
                self._not_before.pop(path, None)
                self._leaving.discard(path)
                self._installed(item, take, row, result)
            case Result.CHANGED:
                wait, problem = self._troubled.get(path, (0, _CHANGING))
                self._troubled[path] = (min(max(20, wait * 2), _TROUBLE_RETRY_MS[1]), problem)
                self._not_before[path] = self._now.mono_ms + wait
                self._plan_later(path, wait)
                self._agenda.add(path, self._now.mono_ms + wait, self._now.mono_ms).listing = True
                is_folder = row is not None and row.record.kind == Kind.DIRECTORY
                if is_folder and item.target.kind != Kind.DIRECTORY:
                    self._leaving.add(path)
                self._ready_again(item)
            case Result.MISSING:
                self._tried.pop(path, None)
                if item.copy_path is not None:
                    if item.copy_fp and not _is_kept(item.copy_path):
                        self._agenda.add(item.copy_path, self._now.mono_ms, self._now.mono_ms)
                        self._avoid_source(item.copy_path, item.copy_fp)
                    elif (version := self.index.version(item.copy_path)) is not None:
                        self._doubt(version)
                self._todo[path] = None
            case Result.PROBLEM:
                if result.full:
                    self._short[path] = item.target.size
                else:
                    self._deny(parent_of(path), path)
                    if item.copy_path is not None:
                        self._deny(parent_of(item.copy_path), path)
                wait = self._wait_after(path, result.problem)
                self._agenda.add(path, self._now.mono_ms + wait, self._now.mono_ms)
                self._ready_again(item)
            case Result.IMPOSSIBLE:
                self._tried.pop(path, None)
                least = item.target.size if result.too_large else 0
                stamp = None if least else item.target.stamp
                self._unable.hold(path, Unfit(result.problem, least=least, stamp=stamp))
                self._todo[path] = None
            case Result.REFUSED:
                wait = _TROUBLE_RETRY_MS[1]
                self._skip(path, result.problem)
                self._troubled[path] = (wait, result.problem)
                self._not_before[path] = self._now.mono_ms + wait
                self._plan_later(path, wait)
        is_move = item.act == Act.MOVE and item.copy_path is not None and not _is_kept(item.copy_path)
        if is_move and item.copy_path is not None and result.result != Result.DONE:
            self._agenda.add(item.copy_path, self._now.mono_ms, self._now.mono_ms)

    def _ready_again(self, item: ApplyItem) -> None:
        """It could not be put there now: when it is tried again, its content need not travel again."""
        if item.staged is not None:
            self._part_left = True  # it has its name again; and somebody else may want it by then, or nobody
        if item.path in self._ready:
            return  # something newer has come meanwhile
        if item.staged is not None:
            self._make_ready(item.path, _Ready(item.target.content, None, item.staged))
        elif item.data and self._ready_bytes + len(item.data) <= _READY_BYTES_MAX // 2:
            self._make_ready(item.path, _Ready(item.target.content, item.data, None))

    def _avoid_source(self, path: bytes, fp: bytes) -> None:
        """Nothing is copied from there, as long as it is as it is."""
        if len(self._no_source) > 1_000:
            self._no_source.clear()
        self._no_source.add((path, fp))

    def _doubt(self, version: Version) -> None:
        """A version does not hold what it is said to hold: until it was looked at again, nothing is taken from it."""
        self._avoid_source(version.name, b"")
        self._order(RecheckJob((version,), closely=True))

    def _take_gifts(self, peer: Peer, changes: tuple[Change, ...]) -> list[Change]:
        """New files that came with their content, to a place where nothing is known: installed at once, as `_plan` would in
        the end. Returns the other changes."""
        index, busy, looking, agenda, coming = self.index, self._busy, self._looking, self._agenda, self._coming
        others: list[Change] = []
        gifts: dict[bytes, Record] = {}
        here: dict[bytes, bool] = {}
        unknown = index.unknown([change.record.path for change in changes])
        new = index.may_not_have([change.record.content for change in changes])
        for change in changes:
            record, content = change.record, change.content
            path, _, _, digest, *_ = record
            if (
                content is None
                or path not in unknown
                or digest not in new
                or path in gifts
                or path in busy
                or path in looking
                or path in agenda
                or digest in coming
                or path in self._obstructed
                or not knows_itself(record)
            ):
                others.append(change)
                continue
            parent = path.rpartition(b"/")[0]
            is_here = here.get(parent)
            if is_here is None:
                is_here = here[parent] = self._is_unblocked(path)
            if not is_here:
                others.append(change)
                continue
            gifts[path] = record
            coming[digest] = path
            if self._listings_out:
                self._put_in.add(parent)
            item = _new(ApplyItem, (path, Act.INSTALL, record, b"", Why.REPLACED, content, None, b"", None, None, None))
            self._doing[path] = (item, _new(Take, (record, False)))
            self._applies.setdefault(peer.node, []).append(item)
        if gifts:
            peer.told_us = True
            busy.update(gifts)
            self._echoes.update(dict.fromkeys(gifts))
            intent = index.put_intent(peer.node, gifts.values())
            self._intents[intent] = len(gifts)
            self._gifts.update((path, _new(_Gift, (intent, peer.node, record))) for path, record in gifts.items())
        return others

    def _given_all(self, results: Sequence[ApplyResult]) -> list[ApplyResult]:
        """`_applied` for all gifts that were installed as they should be. Returns the other results."""
        gifts, listed = self._gifts, self._listed_busy
        others: list[ApplyResult] = []
        given: dict[str, tuple[list[Record], list[bytes]]] = {}
        unknown = self.index.unknown([result.path for result in results])
        for result in results:
            path, outcome, fp, *_ = result
            gift = gifts.get(path)
            is_done = outcome is Result.DONE and len(fp) == FINGERPRINT_BYTES
            if gift is None or not is_done or path not in unknown or path in listed:
                others.append(result)
                continue
            del gifts[path], self._doing[path]
            intent, node, record = gift
            self._no_longer_intended(intent)
            records, fps = given.setdefault(node, ([], []))
            records.append(record)
            fps.append(fp)
        for node, (records, fps) in given.items():
            paths = [record.path for record in records]
            self._busy.difference_update(paths)
            self._echoes.update(dict.fromkeys(self._echoes.keys() & paths, self._now.mono_ms + _ECHO_MS))
            if self._journals:
                self.index.journal_new(records, self._now.wall_ns)
            rows = self.index.put_new(records, fps)
            self._arrivals.add((record.content for record in records), self._now.mono_ms)
            self._changed += [(row.seq, row.record) for row in rows]
            peer = self._peers.get(node)
            if peer is not None:
                peer.knows.update((record.path, (record.stamp, record.vector)) for record in records)
                peer.shared += sum(record.stamp.node != node for record in records)
            for record in records:
                if self._copies:
                    self._wake_copies(record.path)
                if record.size >= limits.DELTA_FILE_BYTES_MIN:
                    self._sign_later(record, None)
            for record in records[:_TOLD_SINGLY]:
                self._note("received", record.path, node, record.size)
            if more := records[_TOLD_SINGLY:]:
                each = tuple((record.path, record.size) for record in more)
                size = sum(record.size for record in more)
                self._out.append(Note("received", peer=self.name_of(node), size=size, crowd=len(more), each=each))
        return others

    def _no_longer_intended(self, intent: int) -> None:
        left = self._intents[intent] - 1
        if left:
            self._intents[intent] = left
        else:
            del self._intents[intent]
            self.index.drop_intent(intent)

    def _left_over(self, folder: bytes, entries: list[tuple[bytes, Stat]]) -> None:
        """A folder that should be gone was listed. If nothing in it is ours, it stays here and is gone for everyone
        else; if nothing is in it at all any more, it goes here, too."""
        row = self.index.get(folder)
        if row is None or not row.fp:
            return
        prefix = folder + b"/"
        self._todo[folder] = None
        if any(self._keeps_folder(prefix + name, stat) for name, stat in entries):
            return  # looked at by now; it will keep its folder
        decision = decide(row.record, self.index.offers(folder))
        wanted = decision.record.kind if isinstance(decision, Take) else row.record.kind
        if row.record.kind == Kind.ABSENT and wanted == Kind.ABSENT and not entries:
            self._do(ApplyItem(folder, Act.REMOVE, row.record, row.fp, Why.DELETED), None)
        elif not entries or wanted == Kind.DIRECTORY or self.index.has_live_child(folder):
            return
        elif wanted != Kind.ABSENT:
            self._obstruct(folder, Kind.DIRECTORY)
        elif isinstance(decision, Take):
            self._hold(decision.record, row.fp)
            self._block(folder)

    def _keeps_folder(self, path: bytes, stat: Stat) -> bool:
        """True if what was listed is synchronized. A folder that itself only stayed behind here is not."""
        row = self.index.get(path)
        left_over = stat.kind == Kind.DIRECTORY and row is not None and row.record.kind == Kind.ABSENT and row.fp != b""
        return stat.kind != Kind.OTHER and not left_over and self._is_ours(path)

    def _obstruct(self, path: bytes, kind: Kind) -> None:
        self._obstructed[path] = kind
        for below in [other for other in self._ready if other.startswith(path + b"/")]:
            self._unready(below)

    def _is_obstructed(self, path: bytes) -> bool:
        """True if nothing can be had at or below this path for the time being."""
        while path and self._obstructed:
            if path in self._obstructed:
                return True
            path = parent_of(path)
        return False

    def _installed(self, item: ApplyItem, take: Take, row: Row | None, result: ApplyResult) -> None:
        path, target = item.path, take.record
        if row is not None:
            target = joined(target, row.record)
        if row is not None and row.record.kind == Kind.DIRECTORY and target.kind != Kind.DIRECTORY:
            # What came and went in it while the job was under way was seen to come, maybe not to go.
            now = self._now.mono_ms
            self._look_below(path, self._agenda.add(path, now, now), replaced=True)
        source = item.copy_path if item.act == Act.MOVE else None
        maker = target.stamp.node
        offers = [one for one in self.index.offers(path) if one.peer != _NOBODY and same_content(one.record, target)]
        default = "" if maker == self.index.node or maker.startswith("=") else maker
        peer = next((offer.peer for offer in offers), default)
        old_name = item.copy_path or b""
        if _is_kept(old_name):
            version = self.index.version(old_name)
            old_name = path if version is None else version.path
        if row is None or not same_content(row.record, target):
            self._note_since(path)
        self._hold(target, result.fp)
        if len(result.fp) > FINGERPRINT_BYTES:
            self._agenda.add(path, self._now.mono_ms + limits.SETTLE_MS_MAX // 4, self._now.mono_ms)
        if source is not None and _is_kept(source):
            self.index.drop_version(source)
        elif source is not None:
            self._moved_away(source, item.expect != b"")
            if target.kind == Kind.DIRECTORY:
                self._moved_whole(source, path)
        if target.kind == Kind.DIRECTORY:
            self._times[path] = target.mtime
        self._sign_later(target, None if row is None else row.record)
        maker = peer if maker.startswith("=") else maker
        match item.act:
            case Act.REMOVE:
                self._note("removed", path, maker)
            case Act.MOVE if old_name == path:
                self._note("copied", path, peer, target.size)  # out of the history again
            case Act.MOVE:
                self._note("renamed", path, maker, text=old_name.decode("utf-8", "surrogateescape"))
            case Act.META:
                self._note("meta", path, maker)
            case Act.INSTALL:
                local = item.copy_path is not None
                if not local and target.kind is Kind.FILE:
                    self._arrivals.add((target.content,), self._now.mono_ms)
                what = "restored" if peer == _OURS else "copied" if local else "received"
                self._note(what, path, peer, target.size)

    def _moved_whole(self, source: bytes, target: bytes) -> None:
        """A folder has got its other name, as `_respell` wanted: so has all that is in it, untouched. A look follows."""
        now = self._now.mono_ms
        self._touched(target, Urgency.FOLDER)
        below = self.index.live_below(source, _MOVE_ROWS_MAX)
        for row in sorted(below, key=lambda row: row.record.path):
            child = row.record
            path = target + child.path[len(source) :]
            known = self.index.get(path)
            take = decide(None if known is None else known.record, self.index.offers(path))
            gone = decide(child, self.index.offers(child.path))
            if (
                isinstance(take, Take)
                and isinstance(gone, Take)
                and gone.record.kind == Kind.ABSENT
                and same_content(take.record, child)
                and same_meta(take.record, child)
                and not self._is_at_work(path)
                and not self._is_at_work(child.path)
            ):
                self._nothing_wanted(path)
                self._hold(take.record, row.fp)
                self._hold(gone.record, b"")
            self._agenda.add(path, now, now)
            self._agenda.add(child.path, now, now)

    def _moved_away(self, source: bytes, exchanged: bool) -> None:
        """The old name of a move: its tombstone is taken now."""
        self._tried.pop(source, None)
        row = self.index.get(source)
        decision = decide(None if row is None else row.record, self.index.offers(source))
        if isinstance(decision, Take) and decision.record.kind == Kind.ABSENT:
            self._hold(decision.record, b"")
        else:
            self._agenda.add(source, self._now.mono_ms, self._now.mono_ms)

    def _keep(self, version: Version, displaced: Record, path: bytes, by: Stamp) -> None:
        if version.kind == Kind.FILE:
            version = version._replace(content=displaced.content)
        self.index.put_version(version)
        if version.kind == Kind.FILE and self._arrivals.is_brief(version.content, self._now.mono_ms):
            self.index.put_brief(version.name)
        self._prune_at = min(self._prune_at, self._now.mono_ms + _PRUNE_AFTER_MS)
        self._recheck_later(version)
        if version.why == Why.REPLACED and displaced.stamp.node == version.node and self._retention is not None:
            now = self._now.mono_ms
            # It may have come late, when its maker had replaced it already: the stamps tell how long it lasted there.
            lasted = max(now - self._since.get(path, 0), (by.ns - displaced.stamp.ns) // 1_000_000)
            room = self._retention.bytes_max
            self._thin += self._thinning.keep(path, version.name, version.size, lasted, now, room)
        if version.why == Why.CONFLICT:
            self._note("conflict", path, text=version.name.decode("utf-8", "surrogateescape"))

    def _note_since(self, path: bytes) -> None:
        self._since.pop(path, None)
        self._since[path] = self._now.mono_ms
        if len(self._since) > _TIMES_MAX:
            del self._since[next(iter(self._since))]

    def _hold(self, record: Record, fp: bytes) -> None:
        """We now have `record`: into the index, offers that it answers are dropped, who announced it is told in short."""
        path = record.path
        for offer in self.index.offers(path):
            theirs = offer.record
            if leq(theirs.vector, record.vector) and not beats(theirs, record):
                self.index.drop_offer(path, offer.peer)
                peer = self._peers.get(offer.peer)
                if peer is not None and same_version(theirs, record):
                    peer.shared += theirs.stamp.node != peer.node
                    peer.knows[path] = (theirs.stamp, theirs.vector)
        self._in_vain.pop(path, None)
        self._blocked.pop(path, None)
        self._forget_wanted(path)
        self._note_outdone(record)
        self._put(record, fp)

    # --- what was here once ------------------------------------------------------------------------------------------

    def _recalled(self, wanted: Sequence[Before], holders: dict[bytes, tuple[str, ...]]) -> None:
        """Each of them becomes a new change of ours, which is taken like one of a peer: from wherever its content is."""
        for path, kind, size, content, mtime, mode, _, _ in wanted:
            row = self.index.get(path)
            mine = None if row is None else row.record
            now = Record(path, kind, size, content, mtime, mode, Stamp(1, ""), ())
            if mine is None and kind == Kind.ABSENT:
                continue
            if mine is not None and same_content(mine, now) and same_meta(mine, now):
                continue
            record = self._changed_to(mine, now, self._now.wall_ns)
            is_here = kind != Kind.FILE or not size or self.index.has_content(content)
            is_shorter = mine is not None and mine.kind == Kind.FILE and size < mine.size
            is_here |= is_shorter and content not in holders  # what is here may begin with it
            for peer in [""] if is_here else holders.get(content, ()):
                self.index.put_offer(Offer(_OURS + peer, record, False))
            self._todo[path] = None

    def recalled(self) -> int:
        """How many paths are still on their way back to what they were."""
        return len(self.index.offered_by(self.index.node))

    def _inquire(self, id_: int, questions: Sequence[HistoryRequest | HaveRequest]) -> None:
        self._inquiries.begin(id_, self._now.mono_ms)
        for node in sorted(self._peers):
            if not self._peers[node].asked:
                continue
            for number, question in enumerate(questions):
                wire_id = self._inquiries.asked(id_, node, number)
                if isinstance(question, HistoryRequest):
                    self._send(node, replace(question, folder=self.folder, id=wire_id), 200)
                else:
                    size = 70 * len(question.digests)
                    self._send(node, HaveRequest(self.folder, wire_id, question.digests), size)
        self._again = True

    def _conflicts_settled(self, losers: tuple[Loser, ...]) -> None:
        for node in sorted(self._peers):
            for at in range(0, len(losers), limits.PAGE_RECORDS_MAX):
                some = losers[at : at + limits.PAGE_RECORDS_MAX]
                if self._peers[node].asked:
                    self._send(node, Settle(self.folder, some), 200 * len(some))

    def _history_asked(self, peer: Peer, request: HistoryRequest) -> None:
        versions = []
        if peer.queued < limits.OUTBOX_BYTES_MAX:
            versions = self.index.newest_versions(request.path, request.limit, request.conflicts)
        kept = [
            Kept(path, kind, size if kind == Kind.FILE else 0, content, mtime, mode, time_ns, why.value, node)
            for _, path, kind, size, content, mtime, mode, time_ns, why, node in versions
            if kind == Kind.SYMLINK or (kind == Kind.FILE and content)
        ]
        for at in range(0, max(len(kept), 1), _KEPT_PAGE):
            page = tuple(kept[at : at + _KEPT_PAGE])
            last = at + _KEPT_PAGE >= len(kept)
            self._send(peer.node, History(self.folder, request.id, last, page), 50 + 250 * len(page))

    def _have_asked(self, peer: Peer, request: HaveRequest) -> None:
        self._questions.append((peer.node, peer.link, request, 0, []))

    def _answer_some(self) -> None:
        """Questions for contents are answered in pieces, the peers in turn: some hundred look-ups a turn."""
        left = _LOOKUPS_MAX
        while self._questions and left > 0:
            node, link, request, at, which = self._questions.popleft()
            peer = self._peers.get(node)
            if peer is None or peer.link != link:
                continue
            some = request.digests[at : at + _LOOKUPS_MAX // 2]
            left -= len(some)
            which += [at + number for number, digest in enumerate(some) if self.index.has_content(digest)]
            if at + len(some) < len(request.digests):
                self._questions.append((node, link, request, at + len(some), which))
            else:
                self._send(node, Have(self.folder, request.id, tuple(which)), 50 + 6 * len(which))
        self._again |= bool(self._questions)

    # --- the history gives way ---------------------------------------------------------------------------------------

    def _prune(self) -> None:
        """What is too old goes, and what is too much; and where the disk is full, as much as is wanted now."""
        now = self._now
        if self._retention is None or self._pruning:
            return
        if self._thin:
            names = tuple(name for name in self._thin if self.index.has_version(name))
            self._thin.clear()
            if names:
                self._pruning = names
                self._order(PruneJob(names, young=frozenset(names), thins=True))
                return
        if now.mono_ms < self._prune_at and not self._short:
            return
        self._in_use = {name: until for name, until in self._in_use.items() if until > now.wall_ns}
        wanted = sum(self._short.values())
        over = self.index.history_bytes() - self._retention.bytes_max
        young = now.wall_ns - _YOUNG_VERSION_NS
        chosen = {
            version.name: version for version in self.index.old_versions(now.wall_ns - self._retention.keep_ns, 256)
        }
        room, most = max(over, wanted), 256 + len(self._in_use)
        if room > 0:
            share = self._retention.bytes_max // SHARE
            more = crowding(self.index.crowding_versions(share, most), share)
            flooded = is_flooded(self.index.brief_bytes(), over + self._retention.bytes_max)
            more += self.index.least_versions(most, flooded)
            free = {version.name: version for version in more if self._short or version.name not in self._in_use}
            chosen.update((version.name, version) for version in enough(free.values(), room))
        if not chosen:
            self.index.forget_changes(now.wall_ns - self._retention.keep_ns, _CHANGES_MAX)
            self._short.clear()
            self._prune_at = now.mono_ms + (self._young_for_ms() if over > 0 else _PRUNE_EVERY_MS)
            return
        self._pruning = tuple(chosen)
        self._note("pruned", size=sum(version.size for version in chosen.values()), wire=len(chosen))
        fresh = () if self._short else (version.name for version in chosen.values() if version.time_ns >= young)
        self._order(PruneJob(tuple(chosen), young=frozenset(fresh)))

    def _young_for_ms(self) -> int:
        """How long until a version may give way that somebody had open."""
        until = min(self._in_use.values(), default=self._now.wall_ns)
        return max((until - self._now.wall_ns) // 1_000_000 + 1, 1_000) if self._in_use else _PRUNE_EVERY_MS

    def _recheck_later(self, version: Version) -> None:
        if version.kind == Kind.FILE:
            for wait in _RECHECK_MS:
                heapq.heappush(self._rechecks, (self._now.mono_ms + wait, version.name))

    def _recheck(self) -> None:
        """Whoever had a file open when it was displaced may have gone on writing into it."""
        names: dict[bytes, None] = {}
        while self._rechecks and self._rechecks[0][0] <= self._now.mono_ms and len(names) < _RECHECK_MAX:
            names[heapq.heappop(self._rechecks)[1]] = None
        versions = [version for name in names if (version := self.index.version(name)) is not None]
        if versions:
            self._order(RecheckJob(tuple(versions)))
            self._again = True

    def _rechecked(self, versions: tuple[Version, ...], gone: tuple[bytes, ...]) -> None:
        """Versions as they are now: those that changed are listed so, and kept as long as losers of conflicts."""
        for name in gone:
            self.index.drop_version(name)
        for version in versions:
            known = self.index.version(version.name)
            if known is None:
                continue
            self._no_source.discard((version.name, b""))
            if version != known._replace(why=version.why):
                self.index.put_version(version._replace(why=Why.CONFLICT))
                self._note("written late", version.path, text=version.name.decode("utf-8", "surrogateescape"))
                heapq.heappush(self._rechecks, (self._now.mono_ms + _RECHECK_MS[-1], version.name))

    def _pruned(self, names: tuple[bytes, ...]) -> None:
        until = self._now.wall_ns + _YOUNG_VERSION_NS
        self._in_use.update((name, until) for name in set(self._pruning) - set(names))
        self._pruning = ()
        for name in names:
            self.index.drop_version(name)
        self._prune_at = self._now.mono_ms + 100
        for path in self._short:  # there is room now
            self._troubled.pop(path, None)
            self._not_before.pop(path, None)
            self._todo[path] = None
        self._short.clear()
        self._again = True

    # --- content on its way here -------------------------------------------------------------------------------------

    def _fetch(self, path: bytes, row: Row | None, target: Record, holders: list[str]) -> None:
        delta = self._delta_offers.get(path)
        if delta is not None and delta[2] == target.content:
            peer, base, _, offer = delta
            if offer.marks is None:
                if peer in holders and self._where_is(base, path) is not None:
                    self._bases[path] = base
                    self._begin(path, target, peer, base, offer.size)
                    return
            elif row is not None and peer in holders and (row.record.kind, row.record.content) == (Kind.FILE, base):
                if len(offer.marks) == len(mark_offsets(row.record.size, target.size)):
                    self._begin_growth(row, target, peer, offer.marks)
                    return
        if path in self._avoid and self._delta_is_coming(path, target.content):
            return
        choice = min(holders, key=lambda node: (self._peers[node].window.bytes, node))
        small = target.size <= limits.CHUNK_BYTES
        peer_state = self._peers[choice]
        if not peer_state.window.has_room(target.size if small else limits.CHUNK_BYTES):
            self._await_room(choice, path, target.size if small else limits.CHUNK_BYTES)
            return
        if not small and sum(fetch.peer == choice for fetch in self._large.values()) >= _LARGE_FETCHES_MAX:
            self._await_room(choice, path, limits.CHUNK_BYTES)
            return
        origin = self._origins.get(path)
        if (origin in self._busy or self._has_just_grown(origin)) and self._wait_a_moment(target):
            return
        grows = delta is not None and delta[3].marks is not None
        may_have_grown = row is not None and 0 < row.record.size < target.size  # to tell that, no library is needed
        may_ask = (self._with_deltas or grows or may_have_grown) and path not in self._avoid
        before = self._base_of(path, row) if may_ask else None
        is_ours = before is not None and row is not None and row.record.content == before[0]
        if (
            before is not None
            and min(before[1], target.size) >= limits.DELTA_FILE_BYTES_MIN
            and (
                grows or (may_have_grown and is_ours) or min(before[1], target.size) * 4 >= max(before[1], target.size)
            )
        ):
            self._ask_for_delta(path, before[0], before[1] if is_ours else 0, target, choice)
            return
        self._begin(path, target, choice, None, target.size)

    def _has_just_grown(self, path: bytes | None) -> bool:
        """True for a file that has to be read once more before anything is made from it."""
        row = None if path is None else self.index.get(path)
        return row is not None and row.record.kind == Kind.FILE and len(row.fp) > FINGERPRINT_BYTES

    def _ask_for_delta(self, path: bytes, base: bytes, size: int, target: Record, node: str) -> None:
        """`size`: of the base, if it is what is at the path; else 0."""
        peer = self._peers[node]
        if self._delta_is_coming(path, target.content):
            return
        id_ = peer.window.new_id()
        peer.requests[id_] = Requested(path, target.content, self._now.mono_ms + _STALLED_MS)
        self._bases[path] = base
        self._send(node, DeltaRequest(self.folder, id_, path, target.content, base, size), 200)
        self._avoid.setdefault(path, set())  # where no delta comes, the next plan asks for the whole
        self._plan_later(path, _STALLED_MS)

    def _delta_is_coming(self, path: bytes, content: bytes) -> bool:
        """A peer makes it, or looks whether there is one: that is waited for, though others have the whole by now."""
        return any(
            asked.path == path and asked.content == content and self._now.mono_ms < asked.until_ms
            for peer in self._peers.values()
            for asked in peer.requests.values()
        )

    def _begin(self, path: bytes, target: Record, node: str, base: bytes | None, size: int) -> None:
        self._token += 1
        now = self._now.mono_ms
        small = base is None and size <= limits.CHUNK_BYTES
        name = b""
        if base is not None:
            name = _STAGING + b"delta-in-%s-%d" % (self._tag, self._token)
        elif not small:
            name = self._part_name(target.content)
        fetch = Fetch(self._token, target, node, base, size, name, moved_ms=now, started_ms=now)
        self._fetches[path] = fetch
        self._by_token[fetch.token] = fetch
        self._coming[target.content] = path
        if small:
            self._pull(fetch)
        else:
            self._large[fetch.token] = fetch
            fetch.writing = True
            digest = b"" if base is not None else target.content
            self._order(StageJob(fetch.token, name, (), size, digest, peer=node))

    def _begin_growth(self, row: Row, target: Record, node: str, marks: tuple[bytes, ...]) -> None:
        """Known here: what we hold is the beginning of what is wanted. The file itself is written to, so nothing else is done
        at its path until that is over."""
        path, mine = target.path, row.record
        self._token += 1
        now, size = self._now.mono_ms, mine.size
        name = _STAGING + b"new-grow-%s-%d" % (self._tag, self._token)
        fetch = Fetch(
            self._token, target, node, None, target.size, name, size, size, size, True, True,
            moved_ms=now, started_ms=now, began_at=size,
        )  # fmt: skip
        fetch.grows = Growing(
            path, row.fp, size, mine.content, marks, target.content, target.size, target.mode, target.mtime
        )
        self._fetches[path] = self._by_token[fetch.token] = self._large[fetch.token] = fetch
        self._coming[target.content] = path
        self._busy.add(path)
        self._try(path, target.stamp)
        self._order_growth(fetch, ())
        self._pull(fetch)

    def _order_growth(
        self, fetch: Fetch, chunks: tuple[tuple[int, bytes | memoryview], ...], give_up: bool = False
    ) -> None:
        fetch.writing = True
        bulk, peer = fetch.size >= limits.LARGE_FILE_BYTES, "" if give_up else fetch.peer
        content = fetch.target.content
        self._order(StageJob(fetch.token, fetch.name, chunks, fetch.size, content, bulk, peer, fetch.grows, give_up))

    def _grew(self, fetch: Fetch, event: Staged) -> None:
        """More of a file that grows is here."""
        path = fetch.target.path
        if not event.problem and not event.verified:
            fetch.written = event.written
            self._pull(fetch)
            self._write(fetch)
            return
        if event.unfinished:
            self._forget(fetch)
            self._wait_after(path, event.problem)
            self._unfinished[event.token] = self._now.mono_ms + _RETRY_MS, fetch
            return
        self._growth_ends(fetch)
        if event.problem:
            self._agenda.add(path, self._now.mono_ms, self._now.mono_ms)  # what it is now decides what comes next
            if event.full:
                self._short[path] = fetch.target.size
            if event.base_changed:
                self._forget(fetch)
                self._delta_offers.pop(path, None)
            else:
                self._failed_fetch(fetch, event)
                self._avoid.setdefault(path, set())  # no delta: the whole
            return
        self._forget(fetch)
        took = max(1, self._now.mono_ms - fetch.started_ms)
        self._note("fetched", path, fetch.peer, fetch.size, took, _rest(fetch.size, fetch.began_at))
        if not event.fp:
            self._make_ready(path, _Ready(fetch.target.content, None, fetch.name))
            return
        _, _, item, take = fetch.plan
        self._tried.pop(path, None)
        self._troubled.pop(path, None)
        self._not_before.pop(path, None)
        row = self.index.get(path)
        self._installed(item, take, row, ApplyResult(path, Result.DONE, event.fp))

    def _undo_growths(self) -> None:
        for token, (due, fetch) in list(self._unfinished.items()):
            if due <= self._now.mono_ms:
                del self._unfinished[token]
                self._drop_stage(fetch, True)

    def _growth_ends(self, fetch: Fetch) -> None:
        """Nothing writes to the file any more."""
        path = fetch.target.path
        fetch.grows = None
        self._busy.discard(path)
        self._listed_busy.pop(path, None)
        self._todo[path] = None
        self._wake = self._again = True

    def _part_name(self, content: bytes) -> bytes:
        """Where a content is gathered, so that it is gone on with after a cut. Never a name that is about to be removed, or
        of a file that is complete and waits to be installed at another path."""
        name = _STAGING + b"part-" + content.hex().encode()
        is_free = name not in self._discarded and not self._is_staged(name)
        return name if is_free else name + b"-%s-%d" % (self._tag, self._token)

    def _is_staged(self, name: bytes) -> bool:
        """True if a staging file is used, or will be."""
        return (
            any(ready.staged == name for ready in self._ready.values())
            or any(item.staged == name for item, _ in self._doing.values())
            or any(fetch.name == name for fetch in self._large.values())
        )

    def _pull(self, fetch: Fetch) -> None:
        peer = self._peers.get(fetch.peer)
        if peer is None:
            return
        pulls = self._pulls.setdefault(fetch.peer, [])
        for offset, length in fetch.next_ranges(peer.window):
            pulls.append(peer.window.ask(fetch, offset, length))

    def _chunks(self, peer: Peer, message: Chunks) -> None:
        for piece in message.pieces:
            fetch = peer.window.arrived(piece.key, piece.offset, len(piece.data), self._now.mono_ms)
            if fetch is None:
                continue
            fetch.moved_ms = self._now.mono_ms
            fetch.take(piece.offset, piece.data)
            if not fetch.is_small:
                self._write(fetch)
            elif fetch.received == fetch.size:
                self._arrived_small(fetch)
        self._wake = True

    def _arrived_small(self, fetch: Fetch) -> None:
        path = fetch.target.path
        self._forget(fetch)
        data = b"".join(data for _, data in fetch.waiting)
        if fetch.plan is not None and path not in self._busy and path not in self._looking and path not in self._agenda:
            row, offers, item, take = fetch.plan
            if self.index.get(path) is row and self.index.offers(path) == offers and self._is_unblocked(path):
                self._do(item._replace(data=data), take)  # nothing has changed since it was planned
                return
        self._make_ready(path, _Ready(fetch.target.content, data, None))
        self._todo[path] = None

    def _is_unblocked(self, path: bytes) -> bool:
        """True if the folder of a path is here, to take a new name."""
        parent = parent_of(path)
        if not parent:
            return True
        above = self.index.get(parent)
        return above is not None and above.record.kind == Kind.DIRECTORY and above.fp != b""

    def _write(self, fetch: Fetch) -> None:
        if fetch.writing or not fetch.waiting:
            return
        fetch.writing = True
        chunks = tuple(fetch.waiting)
        fetch.waiting.clear()
        if fetch.grows is not None:
            self._order_growth(fetch, chunks)
            return
        digest = b"" if fetch.base is not None else fetch.target.content
        self._order(StageJob(fetch.token, fetch.name, chunks, fetch.size, digest, peer=fetch.peer))

    def _staged(self, event: Staged) -> None:
        orphan = self._orphans.pop(event.token, None)
        if orphan is not None:
            self._part_left = True
            given_up, remove = orphan
            given_up.writing = False
            if event.unfinished:
                self._unfinished[event.token] = self._now.mono_ms + _RETRY_MS, given_up
                return
            if given_up.grows is not None and (event.problem or event.verified):
                self._growth_ends(given_up)
                self._agenda.add(given_up.target.path, self._now.mono_ms, self._now.mono_ms)
            self._drop_stage(given_up, remove)
            return
        fetch = self._by_token.get(event.token)
        if fetch is None:
            return
        path = fetch.target.path
        fetch.writing = False
        fetch.moved_ms = self._now.mono_ms
        if fetch.grows is not None:
            self._grew(fetch, event)
            return
        if event.problem:
            if event.full:
                self._short[path] = fetch.target.size
            self._failed_fetch(fetch, event)
            return
        if event.verified and fetch.base is not None and fetch.name.startswith(_STAGING + b"delta-in-"):
            self._patch(fetch)
            return
        if event.verified and (fetch.base is not None or event.written == fetch.size):  # else it is to be longer by now
            self._forget(fetch)
            took = max(1, self._now.mono_ms - fetch.started_ms)
            if fetch.base is not None:
                self._note("delta", path, fetch.peer, fetch.target.size, fetch.size)
            elif fetch.size >= limits.LARGE_FILE_BYTES and fetch.opened:  # else all of it was here
                self._note("fetched", path, fetch.peer, fetch.size, took, _rest(fetch.size, fetch.began_at))
            self._make_ready(path, _Ready(fetch.target.content, None, fetch.name))
            self._todo[path] = None
            self._wake = True
            return
        fetch.written = event.written
        if not fetch.opened:
            fetch.opened = True
            fetch.asked = fetch.received = fetch.began_at = event.written
            if event.written:
                self._note("resumed", path, fetch.peer, fetch.size, event.written)
        self._pull(fetch)
        self._write(fetch)

    def _patch(self, fetch: Fetch) -> None:
        """The delta is here: make the file. A second Staged with the same token tells how it went."""
        path = fetch.target.path
        base = None if fetch.base is None else self._where_is(fetch.base, path)
        if base is None:
            self._forget(fetch)
            self._order_discard((fetch.name,))
            self._todo[path] = None
            return
        delta_name, fetch.name = fetch.name, self._part_name(fetch.target.content)
        fetch.writing = True
        size, content = fetch.target.size, fetch.target.content
        self._order(PatchJob(fetch.token, fetch.name, delta_name, base[0], base[1], size, content, peer=fetch.peer))

    def _wait_after(self, path: bytes, problem: str) -> int:
        """How long (ms) to leave a path alone after trouble on our own disk: longer each time. Said once."""
        first, most = _TROUBLE_RETRY_MS
        before, told = self._troubled.get(path, (first // 2, _CHANGING))
        if told == _CHANGING:
            self._note("trouble", path, text=problem)
        wait = max(first, min(before * 2, most))
        self._troubled[path] = (wait, problem)
        return wait

    def _failed_fetch(self, fetch: Fetch, event: Staged) -> None:
        path = fetch.target.path
        peer = self._peers.get(fetch.peer)
        self._give_up(fetch, path)
        if event.base_changed:
            self._agenda.add(path, self._now.mono_ms, self._now.mono_ms)  # what it is now decides what comes next
            return
        if event.too_large:
            self._avoid.pop(path, None)
            self._unable.hold(path, Unfit(event.problem, least=fetch.target.size))
            self._todo[path] = None
            return
        if event.ours:
            self._avoid.pop(path, None)
            self._plan_later(path, self._wait_after(path, event.problem))
            return
        self._note("bad content", path, fetch.peer, text=event.problem)
        if fetch.base is None and peer is not None and not fetch.began_at:  # else it may be the older part that is bad
            peer.strikes += 1
            if peer.strikes >= _STRIKES_MAX:
                self._drop(peer, "protocol-error", "it sent contents that were not what it announced")
        self._plan_later(path, _RETRY_MS // 4)

    def _give_up(self, fetch: Fetch, path: bytes) -> None:
        """This holder, this time: it failed. Another is asked, or the same later."""
        self._forget(fetch)
        self._drop_stage(fetch, fetch.base is not None)
        self._delta_offers.pop(path, None)
        avoid = self._avoid.setdefault(path, set())
        if fetch.base is None:
            avoid.add(fetch.peer)
        self._wake = True

    def _hand_over(self, path: bytes) -> None:
        """What is on its way to `path` is not wanted there any more. If the file has got another name meanwhile, it goes on
        under that one, with all that has come."""
        fetch, ready = self._fetches.get(path), self._ready.get(path)
        if fetch is not None and not fetch.is_small and fetch.base is None and fetch.grows is None:
            content = fetch.target.content
        elif fetch is None and ready is not None and ready.staged is not None:
            content = ready.digest
        else:
            return
        names = [*self._copies.get(path, ()), *(name for name, source in self._origins.items() if source == path)]
        for name in names:
            row = self.index.get(name)
            decision = decide(None if row is None else row.record, self.index.offers(name))
            if not isinstance(decision, Take) or name in self._fetches or name in self._ready:
                continue
            if fetch is not None and self._go_on_with(fetch, decision.record):
                return
            if decision.record.kind != Kind.FILE or decision.record.content != content:
                continue
            if fetch is not None:
                fetch.target = decision.record
                self._fetches[name] = self._fetches.pop(path)
            if ready is not None:
                self._ready[name] = self._ready.pop(path)
            self._coming[content] = name
            self._wake_copies(path)
            self._todo[name] = None
            return

    def _go_on_with(self, fetch: Fetch, target: Record) -> bool:
        """If what is on its way is known to be the beginning of what is wanted now, at its path or under a new name, it goes
        on with all that has come."""
        peer, base, content, offer = self._delta_offers.get(target.path, ("", b"", b"", None))
        if fetch.is_small or fetch.base is not None or fetch.grows is not None or offer is None or offer.marks is None:
            return False
        if (peer, base, content) != (fetch.peer, fetch.target.content, target.content) or target.size <= fetch.size:
            return False
        old = fetch.target.path
        if self._fetches.get(old) is fetch:
            del self._fetches[old]
        fetch.target, fetch.size = target, target.size
        fetch.began_at = max(fetch.began_at, 1)  # if it comes out wrong, nobody knows which part was
        self._fetches[target.path] = fetch
        self._coming[target.content] = target.path
        self._wake_copies(old)
        if fetch.opened:
            self._pull(fetch)
        return True

    def _cancel(self, path: bytes) -> None:
        fetch = self._fetches.get(path)
        if fetch is not None:
            self._forget(fetch)
            self._drop_stage(fetch, True)
            self._wake = True

    def _drop_stage(self, fetch: Fetch, remove: bool) -> None:
        """Its staging file is let go of when nothing is out that writes it, and removed if nobody will go on with it."""
        if fetch.is_small:
            return
        if fetch.grows is not None and not fetch.writing:
            self._order_growth(fetch, (), give_up=True)
            remove = True
        if fetch.writing:
            self._orphans[fetch.token] = (fetch, remove)
            return
        name = fetch.name
        self._part_left = True
        if remove and not self._is_staged(name):
            self._order_discard((name,), (fetch.token,))
        else:
            self._order_discard((), (fetch.token,))

    def _forget(self, fetch: Fetch) -> None:
        if self._fetches.get(fetch.target.path) is fetch:
            del self._fetches[fetch.target.path]
            self._wake_copies(fetch.target.path)
        if self._by_token.pop(fetch.token, None) is not None and not fetch.is_small:
            del self._large[fetch.token]
            fetch.waiting.clear()
        peer = self._peers.get(fetch.peer)
        if peer is not None:
            peer.window.cancel(fetch)

    def _wake_waiting(self) -> None:
        """Room in a window: some of those who wait for it are planned again; in bulk, not one by one."""
        for fetch in self._large.values():
            if fetch.opened:
                self._pull(fetch)
        for holder, waiting in list(self._waiting.items()):
            peer = self._peers.get(holder)
            self._todo.owner = holder
            if peer is None:
                self._todo.update(waiting)
                del self._waiting[holder]
                continue
            room = peer.window.room()
            if room < limits.PULL_WINDOW_BYTES // 4:
                continue
            woken = []
            for path, size in waiting.items():
                room -= max(size, _PULL_COST_BYTES)
                if room < 0:
                    break
                woken.append(path)
            for path in woken:
                del waiting[path]
            self._todo.update(woken)
            if not waiting:
                del self._waiting[holder]
        self._todo.owner = ""

    def _make_ready(self, path: bytes, ready: _Ready) -> None:
        self._unready(path)
        size = 0 if ready.data is None else len(ready.data)
        if self._ready_bytes + size > _READY_BYTES_MAX:
            return  # it will be pulled when its turn comes
        self._ready[path] = ready
        self._ready_bytes += size
        self._coming[ready.digest] = path

    def _unready(self, path: bytes, keep_file: bool = False) -> None:
        ready = self._ready.pop(path, None)
        if ready is None:
            return
        self._wake_copies(path)
        if ready.data is not None:
            self._ready_bytes -= len(ready.data)
        if ready.staged is not None and not keep_file:
            self._order_discard((ready.staged,))

    # --- content on its way to others --------------------------------------------------------------------------------

    def _serve(self, peer: Peer, message: Pull, again: bool = False) -> None:
        """`again`: these had to wait for a moment."""
        refused: list[tuple[int, str]] = []
        items: list[ReadItem] = []
        size = 0
        for pull in message.pulls:
            if pull.length > limits.PULL_BYTES_MAX:
                raise PeerError("asked for too much in one pull")
            peer.serving += pull.length
            peer.serving_pulls += 1
            if peer.serving > 2 * limits.PULL_WINDOW_BYTES or peer.serving_pulls > limits.PULLS_MAX:
                raise PeerError("asked for more than the window allows")
            source = self._source_of(pull)
            if source is None:
                is_known = pull.base is not None or self.index.get(pull.path) is not None
                refused.append((pull.id, "gone" if is_known else "forgotten"))
                peer.serving -= pull.length
                peer.serving_pulls -= 1
                continue
            path, fp, kept = source
            if not again and pull.base is None and kept is None and size_of(fp) > limits.CHUNK_BYTES:
                peer.reading[pull.id] = pull
            grows = kept is None and (len(fp) > FINGERPRINT_BYTES or self._growths.knows(path))
            items.append(ReadItem(pull.id, path, fp, pull.offset, pull.length, kept, grows))
            size += pull.length
            if not again:
                self._sent(peer, pull)
            if size >= limits.CHUNK_BYTES or len(items) >= limits.LOOK_ITEMS_MAX:
                self._order(ReadJob(peer.node, peer.link, tuple(items)))
                items, size = [], 0
        if items:
            self._order(ReadJob(peer.node, peer.link, tuple(items)))
        if refused:
            self._send(peer.node, Refuse(self.folder, tuple(refused)), 30 * len(refused))

    def _sent(self, peer: Peer, pull: PullItem) -> None:
        """For people: some bytes of a content, or of a delta, go to a peer. What is large is told of when it is there."""
        row = self.index.get(pull.path)
        if row is None or row.record.content != pull.digest:
            row = next(iter(self.index.by_content(pull.digest)), None)
        version = self.index.version_with(pull.digest) if row is None else None
        file_size = row.record.size if row is not None else pull.length if version is None else version.size
        made = None if pull.base is None else self._delta_of(pull.base, pull.digest)
        size = file_size if made is None else made.size
        if size >= limits.LARGE_FILE_BYTES:
            self._uploads.asked(
                peer.node, pull.path, pull.digest, file_size, size, pull.offset, pull.length, self._now.mono_ms
            )
        elif not pull.offset and made is None:
            self._note("sent", pull.path, peer.node, size)
        elif not pull.offset:
            self._note("sent delta", pull.path, peer.node, file_size, size)

    def _source_of(self, pull: PullItem) -> tuple[bytes, bytes, tuple[int, int] | None] | None:
        """Path and fingerprint of a file of ours that has what is asked for; of a version, size and mtime."""
        if pull.base is not None:
            made = self._delta_of(pull.base, pull.digest)
            return None if made is None else (made.name, b"", None)
        row = self.index.get(pull.path)
        if row is not None and row.fp and row.record.content != pull.digest and not self.brake.holds(pull.path):
            begins = self._growths.beginning(pull.path, pull.digest, row.record.content)
            if pull.offset + pull.length <= begins:
                return pull.path, row.fp, None
        missing = self.brake.holds
        is_it = row is not None and row.record.kind == Kind.FILE and row.record.content == pull.digest and row.fp
        if not is_it or missing(pull.path):
            rows = self.index.by_content(pull.digest)
            row = next((other for other in rows if other.fp and not missing(other.record.path)), None)
        if row is not None:
            return row.record.path, row.fp, None
        for path, content, begins in self._growths.beginning_with(pull.digest):  # it has got another name since
            row = self.index.get(path)
            if row is None or not row.fp or row.record.content != content or missing(path):
                continue
            if pull.offset + pull.length <= begins:
                return path, row.fp, None
        version = self.index.version_with(pull.digest)
        if version is None or (version.name, b"") in self._no_source:
            return None
        return version.name, b"", (version.size, version.mtime)

    def _differs(self, path: bytes) -> None:
        """A job found something else at a path than the index says."""
        if not path.startswith(limits.RESERVED_NAME + b"/"):
            self._agenda.add(path, self._now.mono_ms, self._now.mono_ms)
        elif (version := self.index.version(path)) is not None:
            self._doubt(version)

    def _asker(self, event: ReadDone | DeltaDone | Signed) -> Peer | None:
        """The peer that waits for this; None if its link is another one by now."""
        peer = self._peers.get(event.peer)
        return peer if peer is not None and peer.link == event.link else None

    def _read(self, event: ReadDone) -> None:
        for _, path in event.refused:
            self._differs(path)
        peer = self._asker(event)
        if peer is None:
            return
        if event.push:
            self._give(peer, {piece.key: bytes(piece.data) for piece in event.pieces})
            return
        peer.serving = max(0, peer.serving - event.asked)
        peer.serving_pulls = max(0, peer.serving_pulls - len(event.pieces) - len(event.refused))
        if peer.reading:
            event = event._replace(refused=self._park(peer, event))
        if event.pieces:
            size = sum(len(piece.data) for piece in event.pieces)
            self._send(peer.node, Chunks(event.pieces), size)
        if event.refused:
            self._send(peer.node, Refuse(self.folder, tuple((id_, "gone") for id_, _ in event.refused)), 50)

    def _park(self, peer: Peer, event: ReadDone) -> tuple[tuple[int, bytes], ...]:
        """What could not be read of a file that is just being looked at waits for that: it is renamed, or written into. Returns
        the rest."""
        for piece in event.pieces:
            peer.reading.pop(piece.key, None)
        refused = []
        for id_, path in event.refused:
            pull = peer.reading.pop(id_, None)
            if pull is not None and self._is_unsettled(path):
                peer.parked.append((pull, self._now.mono_ms))
            else:
                refused.append((id_, path))
        return tuple(refused)

    def _is_unsettled(self, path: bytes) -> bool:
        target = self._renames.target_of(path, self._now.mono_ms)
        return self._is_at_work(path) or (target is not None and self._is_at_work(target))

    def _serve_parked(self, peer: Peer) -> None:
        parked, peer.parked = peer.parked, []
        for pull, since_ms in parked:
            is_over = self._now.mono_ms - since_ms > limits.RENAME_HOLD_MS
            if not is_over and self._is_unsettled(pull.path):
                peer.parked.append((pull, since_ms))
            else:
                self._serve(peer, Pull(self.folder, (pull,)), again=True)

    def _keep_delta(self, made: MadeDelta) -> None:
        """A delta that peers may pull. Where there are too many, those of contents that we have no more go first."""
        known, _ = self._deltas.pop((made.base, made.digest), (None, 0))
        if known is not None:
            self._order_discard((known.name,))
        size = made.size + sum(kept.size for kept, _ in self._deltas.values())
        while self._deltas and (len(self._deltas) >= _DELTAS_MAX or size > _DELTAS_BYTES_MAX):
            key = next((key for key in self._deltas if not self.index.by_content(key[1])), next(iter(self._deltas)))
            size -= self._deltas[key][0].size
            self._forget_delta(key)
        self._deltas[(made.base, made.digest)] = (made, self._now.mono_ms)

    def _forget_delta(self, key: tuple[bytes, bytes]) -> None:
        made, _ = self._deltas.pop(key)
        self._order_discard((made.name,))

    def _drop_old_deltas(self) -> None:
        """Those that nobody has asked for for long. Who comes for one later has it made again."""
        while self._deltas:
            key, (_, asked_ms) = next(iter(self._deltas.items()))
            if self._now.mono_ms - asked_ms < _DELTA_KEEP_MS:
                return
            self._forget_delta(key)

    def _delta_of(self, base: bytes, digest: bytes) -> MadeDelta | None:
        """A delta that is kept; it was asked for just now."""
        made, _ = self._deltas.pop((base, digest), (None, 0))
        if made is not None:
            self._deltas[(base, digest)] = (made, self._now.mono_ms)
        return made

    def _delta_wanted(self, peer: Peer, message: DeltaRequest, signature: bytes | None) -> None:
        row = self.index.get(message.path)
        if row is None or row.record.kind != Kind.FILE or row.record.content != message.digest:
            self._send(peer.node, Refuse(self.folder, ((message.id, "gone"),)), 50)
            return
        known = self._growths.offer(message.path, message.base, message.digest)
        if known is not None and known[0] == message.size:
            self._send(peer.node, Delta(self.folder, message.id, row.record.size - known[0], known[1]), 50)
            return
        made = self._delta_of(message.base, message.digest)
        if made is not None:
            self._send(peer.node, Delta(self.folder, message.id, made.size), 50)
            return
        if len(peer.wanted_deltas) >= 64:
            self._send(peer.node, Refuse(self.folder, ((message.id, "later"),)), 50)
            return
        peer.wanted_deltas[message.id] = (message.path, message.digest, message.base)
        size = message.size if signature is None else 0
        only_growth = 0 < 4 * size < row.record.size  # of so little a delta is no smaller than the whole
        self._order(
            DeltaJob(
                peer.node, peer.link, message.id, message.path, row.fp, message.digest, message.base, signature, size,
                only_growth,
            )
        )  # fmt: skip

    def _delta_made(self, event: DeltaDone) -> None:
        if event.delta is not None:
            self._keep_delta(event.delta)
        peer = self._asker(event)
        if peer is None or event.id not in peer.wanted_deltas:
            return
        if event.need_signature:
            self._send(peer.node, NeedSignature(self.folder, event.id), 50)
            return
        path, digest, base = peer.wanted_deltas.pop(event.id)
        row = self.index.get(path)
        if event.grown is not None and row is not None and row.record.content == digest:
            self._growths.grew(path, base, event.grown.size, digest, row.record.size, event.grown.marks)
            known = self._growths.offer(path, base, digest)
            if known is not None:
                self._send(peer.node, Delta(self.folder, event.id, row.record.size - known[0], known[1]), 50)
                return
        if event.delta is None:
            self._send(peer.node, Refuse(self.folder, ((event.id, "gone"),)), 50)
        else:
            self._send(peer.node, Delta(self.folder, event.id, event.delta.size), 50)

    # --- signatures --------------------------------------------------------------------------------------------------

    def _sign_later(self, record: Record, previous: Record | None, grown: bool = False) -> None:
        """`grown`: what comes next is probably appended, too, and needs no signature; each has 0.5 % of the file's size.
        A file that changed in any other way needs one for its next change."""
        self._may_hold |= max(record.size, 0 if previous is None else previous.size) >= limits.LARGE_FILE_BYTES
        if not self._with_deltas or len(self._to_sign) >= 1_000:
            return
        self._sign_grown.pop(record.path, None)
        if grown:
            self._sign_grown[record.path] = self._now.mono_ms + _SIGN_GROWN_MS
            return
        if record.kind == Kind.FILE and record.size >= limits.DELTA_FILE_BYTES_MIN:
            earlier = self._to_sign.pop(record.path, b"")
            if previous is not None and previous.kind == Kind.FILE:
                earlier = earlier or previous.content
            self._to_sign[record.path] = earlier

    def _sign_rested(self) -> None:
        """Files that grew and do so no more."""
        while self._sign_grown:
            path, due = next(iter(self._sign_grown.items()))
            if due > self._now.mono_ms:
                return
            del self._sign_grown[path]
            row = self.index.get(path)
            if row is not None:
                self._sign_later(row.record, None)

    def _calm_work(self) -> bool:
        return (
            bool(
                self._check_again
                or self._times
                or self._restless
                or self._to_sign
                or self._may_hold
                or self._sign_after is not None
                or self._must_sweep
            )
            or not self._ready.keys().isdisjoint(self._blocked)
        ) and not self._signing

    @property
    def _must_sweep(self) -> bool:
        return self._part_left or (self._part_kept and self.index.offers_went)

    def _when_calm(self) -> None:
        """Folder times and signatures: when nothing else is to be done."""
        calm = self._now.mono_ms - self._moved_ms >= _CALM_MS
        due = self._agenda.next_due()
        soon = due is not None and due < self._now.mono_ms + _CALM_MS
        if self._out or self._jobs_out or self._todo or self._to_list or self._fetches or self.scanning or soon:
            return
        if self._signing or not calm or not self._calm_work():
            return
        if self._check_again:
            self._to_list += sorted(self._check_again)
            self._check_again.clear()
            self._echoes.clear()
            self._again = True
            return
        for path in sorted(self._ready.keys() & self._blocked.keys()):
            self._unready(path)  # its folder does not come: who waits for this content is served otherwise
            self._again = True
        if self._must_sweep:
            self._part_left = self.index.offers_went = False
            wanted = {_STAGING + b"part-" + content.hex().encode() for content in self.index.offered_contents()}
            self._part_kept = bool(wanted)
            wanted.update(ready.staged for ready in self._ready.values() if ready.staged is not None)
            self._out.append(SweepJob(frozenset(wanted)))
        if self._restless:
            self._timing, self._restless = self._restless, {}
            for path in sorted(self._timing) if self._peers else ():
                self._agenda.add(path, self._now.mono_ms, self._now.mono_ms).times = True
            self._again = True
            return
        if self._times:
            self._set_times()
            return
        if not self._to_sign and self._sign_after is not None:
            rows = self.index.live_rows(self._sign_after, limits.DELTA_FILE_BYTES_MIN, 64)
            self._sign_after = rows[-1].record.path if rows else None
            for row in rows:
                self._sign_budget -= row.record.size
                if self._sign_budget < 0:
                    self._sign_after = None
                    break
                self._to_sign[row.record.path] = b""
        while self._to_sign:
            path = next(iter(self._to_sign))
            earlier = self._to_sign.pop(path)
            found = self.index.get(path)
            if found is not None and found.record.kind == Kind.FILE and len(found.fp) == FINGERPRINT_BYTES:
                self._signing = True
                self._order(SignJob("", 0, 0, path, found.fp, found.record.content, earlier))
                return
        if self._may_hold and self._sign_after is None:
            self._may_hold = False
            self._out.append(DiscardJob((), unsigned=True))

    def _set_times(self) -> None:
        items = []
        for path, mtime in sorted(self._times.items(), reverse=True):
            row = self.index.get(path)
            if path in self._busy or row is None or row.record.kind != Kind.DIRECTORY or not row.fp:
                continue
            items.append(ApplyItem(path, Act.META, row.record, row.fp, Why.REPLACED, mtime=mtime))
            self._busy.add(path)
            self._doing[path] = (items[-1], None)
        self._times.clear()
        for at in range(0, len(items), limits.APPLY_ITEMS_MAX):
            self._order(ApplyJob(tuple(items[at : at + limits.APPLY_ITEMS_MAX])))

    def _signed(self, event: Signed) -> None:
        if not event.peer:
            self._signing = False
            return
        peer = self._asker(event)
        if peer is None:
            return
        if event.data is not None and len(event.data) <= limits.SIGNATURE_BYTES_MAX:
            self._send(event.peer, Signature(self.folder, event.id, event.data), len(event.data))
        else:
            self._no_delta(peer, event.id)

    def _no_delta(self, peer: Peer, id_: int) -> None:
        """There will be no delta: the whole file is asked for (`_avoid` has an entry for it already)."""
        asked = peer.requests.pop(id_, None)
        if asked is not None:
            self._todo[asked.path] = None

    # --- peers -------------------------------------------------------------------------------------------------------

    def _peer_up(self, event: PeerUp) -> None:
        hello = event.hello
        theirs = next((folder for folder in hello.folders if folder.name == self.folder), None)
        if theirs is None:
            self._out.append(Drop(event.peer, "no-common-folder", f"no folder named {self.folder} there"))
            return
        known = self.index.peer(event.peer)
        if known is None or known.index_id != theirs.index_id:
            if known is not None:
                self.index.forget_offers(event.peer)
            known = PeerSeen(theirs.index_id, 0, None)
            self.index.set_peer(event.peer, known)
        self._links += 1
        self._forget_strangers()
        if len(self._addresses) > _ADDRESSES_MAX:
            self._addresses = {node: at for node, at in self._addresses.items() if node in self._peers}
        self._addresses[event.peer] = event.address
        self._peers[event.peer] = Peer(event.peer, hello.name, self._links, theirs.index_id, known.first is None)
        self._peers[event.peer].is_member = bool(self.index.noted(_MEMBER + event.peer))
        if not self.scanning:
            self._ask_state(self._peers[event.peer])

    def _forget_strangers(self) -> None:
        """Ids cost nothing: of nodes that never shared the folder, only so many are remembered."""
        peers = self.index.peers()
        if len(peers) <= limits.PEERS_KEPT_MAX:
            return
        members = self.index.noted_below(_MEMBER)
        strangers = [node for node in peers if node not in members and node not in self._peers]
        for node in strangers[: max(0, len(strangers) - limits.PEERS_KEPT_MAX // 2)]:
            self.index.forget_peer(node)

    def _is_hearsay(self, offers: list[Offer]) -> bool:
        """True if the tombstone of a path that was never here is one too many."""
        if self._hearsay is None:
            self._hearsay = {
                link: count for link, count in self.index.noted_below(_HEARSAY).items() if isinstance(count, int)
            }
        link = min((_holder(offer.peer) for offer in offers), default="")
        count = self._hearsay.get(link, 0) + 1
        if count > limits.HEARSAY_PER_LINK_MAX or sum(self._hearsay.values()) >= limits.HEARSAY_MAX:
            return True
        self._hearsay[link] = count
        self.index.note(_HEARSAY + link, count)
        return False

    def _ask_state(self, peer: Peer) -> None:
        """Ask for a peer's state. While we do not know what is here, much of it would only have to be kept until we do."""
        if not peer.was_asked:
            peer.was_asked = True
            known = self.index.peer(peer.node)
            after = 0 if known is None else known.seen
            sequence = self.index.sequence
            summary = b"" if after or not sequence else self.index.summary()
            self._send(peer.node, StateRequest(self.folder, peer.index_id, after, sequence, summary), 100)

    def _peer_down(self, node: str) -> None:
        peer = self._peers.pop(node, None)
        if peer is None:
            return
        known = self.index.peer(node)
        if not peer.is_member and known is not None and self.index.count_offers_of(node) > limits.OFFERS_LEFT_MAX:
            self.index.forget_offers(node)
            self.index.set_peer(node, known._replace(seen=0))  # if it comes again, it is asked for all of it
        for path, fetch in list(self._fetches.items()):
            if fetch.peer == node:
                self._forget(fetch)
                self._drop_stage(fetch, fetch.base is not None)
                self._todo[path] = None
        for asked in peer.requests.values():
            self._todo[asked.path] = None
        self._todo.update(self._waiting.pop(node, ()))  # for room with it: another may have what they want
        self._pulls.pop(node, None)
        self._uploads.gone(node)
        self.held_elsewhere.pop(node, None)
        self._inquiries.gone(node)
        self._wake = True

    def _received(self, node: str, message: Message) -> None:
        peer = self._peers.get(node)
        if peer is None:
            return
        if getattr(message, "folder", self.folder) != self.folder:
            return
        self._todo.owner = node
        try:
            self._message(peer, message)
        except PeerError as error:
            self._drop(peer, "protocol-error", str(error))
        self._todo.owner = ""

    def _drop(self, peer: Peer, reason: str, text: str) -> None:
        self._out.append(Drop(peer.node, reason, text))
        self._gone.append(peer.node)

    def _message(self, peer: Peer, message: Message) -> None:
        peer.standing.came(message)
        match message:
            case StateRequest():
                self._state_asked(peer, message)
            case State(_, sequence, last, records):
                self.index.fetch(record.path for record in records)
                for record in records:
                    self._told(peer, record, sequence)
                self._seen(peer, sequence)
                if last:
                    self._synchronized(peer, sequence)
            case Acknowledge(_, sequence, held):
                for path, stamp in held:
                    self._acknowledged(peer, path, stamp)
                self._seen(peer, sequence)
            case ModificationUpdate(_, sequence, told, times, attached):
                changes: Sequence[Change] = told
                if attached and not self.scanning:
                    changes = self._take_gifts(peer, told)
                self.index.fetch(change.record.path for change in changes)
                for change in changes:
                    record = change.record
                    if self._told(peer, record, sequence) and record.kind == Kind.FILE:
                        if change.source is not None:
                            self._renamed_there(record, change.source)
                        if change.content is not None:
                            self._make_ready(record.path, _Ready(record.content, bytes(change.content), None))
                        elif change.delta is not None:
                            offer = (peer.node, change.delta.base, record.content, change.delta)
                            self._delta_offers[record.path] = offer
                for path, mtime in times:
                    if path and len(self._times) < _TIMES_MAX:
                        self._times[path] = mtime
                self._seen(peer, sequence)
            case Chunks():
                self._chunks(peer, message)
            case Pull():
                self._serve(peer, message)
            case Refuse(_, refused):
                for id_, reason in refused:
                    self._refused(peer, id_, reason)
            case DeltaRequest():
                self._delta_wanted(peer, message, None)
            case NeedSignature(_, id_):
                self._signature_asked(peer, id_)
            case Signature(_, id_, data):
                wanted = peer.wanted_deltas.pop(id_, None)
                if wanted is None:
                    raise PeerError("sent a signature that nobody asked for")
                self._delta_wanted(peer, DeltaRequest(self.folder, id_, *wanted), data)
            case Delta():
                self._delta_offered(peer, message)
            case HistoryRequest():
                self._history_asked(peer, message)
            case HaveRequest():
                self._have_asked(peer, message)
            case History(_, id_, last, _):
                self._inquiries.answered(peer.node, id_, message, last, self._now.mono_ms)
            case Have(_, id_, _):
                self._inquiries.answered(peer.node, id_, message, True, self._now.mono_ms)
            case BrakeNews(_, held):
                self._held_there(peer, held)
            case Decision(_, maker, counter, approve):
                self._decide_on(maker, counter, approve, peer.node)
            case Lacks():
                self._peer_lacks(peer, message)
            case Settle(_, losers):
                for loser in losers:
                    self.index.settle(*loser)
            case _:
                pass

    def _state_asked(self, peer: Peer, message: StateRequest) -> None:
        after = message.after
        is_known = message.index == self.index.index_id
        if is_known and after > self.index.sequence:
            if self._new_ids_ms is not None and self._now.mono_ms - self._new_ids_ms < IDENTITY_EVERY_MS:
                raise PeerError("claims to have seen more of this index than there is")  # true once at most
            self._new_ids_ms = self._now.mono_ms
            self.index.take_new_ids()
            self._note("new identity", text="a peer has seen changes of ours that we have lost")
            self._gone += self._peers
            self._out.append(NewIdentity("new-identity"))
            return
        if not peer.asked:
            for maker, approval in sorted(self._approvals.here.items()):
                self._send(peer.node, Decision(self.folder, maker, approval.counter, True), 100)
            if held := self.braked():
                self._send(peer.node, BrakeNews(self.folder, held), 100 * (1 + len(held)))
        if not message.after:
            peer.knows.clear()  # it has lost what it told us itself, or never told
        peer.asked = True
        peer.sent = after if is_known else 0
        peer.told_last = False
        if message.sequence == 0 and not after and peer.first_contact:
            peer.given = set()
            peer.acked_ms = self._now.mono_ms
        peer.summary = b"" if peer.sent else message.summary
        if message.sequence <= limits.PAGE_RECORDS_MAX:
            self._ask_state(peer)  # it has little to tell, and may acknowledge only what we have asked for
        if self.index.any_offers():
            self._sweep = b""  # from now on it may be asked for what it has

    def _held_there(self, peer: Peer, held: tuple[Held, ...]) -> None:
        """A peer's brake holds something, or no more."""
        if peer.lacks:
            peer.lacks.clear()
            self._sweep = b""  # it may have again what it missed
        known = self.held_elsewhere.get(peer.node, ())
        if held:
            self.held_elsewhere[peer.node] = held
            for maker, _, files, path in [one for one in held if all(one.maker != old.maker for old in known)][:1]:
                who = "this node" if maker == self.index.node else self.name_of(maker)
                what = "missing there" if maker == peer.node else "held there"
                self._note(what, path, peer=peer.node, wire=files, text=who)
        else:
            self.held_elsewhere.pop(peer.node, None)

    def _seen(self, peer: Peer, sequence: int) -> None:
        if not peer.is_member and 0 < self.index.files() <= 2 * peer.shared:
            peer.is_member = True
            self.index.note(_MEMBER + peer.node, 1)
        known = self.index.peer(peer.node)
        if known is not None and sequence > known.seen:
            self.index.set_peer(peer.node, known._replace(seen=sequence))

    def _synchronized(self, peer: Peer, sequence: int) -> None:
        known = self.index.peer(peer.node)
        if known is not None and known.first is None:
            self.index.set_peer(peer.node, known._replace(first=sequence))
        peer.first_contact = False
        if not peer.synced:
            peer.synced = True
            lack = self.lacked_from(peer.node)
            self._note("met", peer=peer.node, size=lack.bytes, wire=lack.files + lack.others)

    def _told(self, peer: Peer, record: Record, sequence: int) -> bool:
        """A peer announced what it holds. True if that is (or may be) news."""
        path = record.path
        if not knows_itself(record):
            record = record._replace(vector=with_change(record.vector, record.stamp.node, 1))
        peer.told_us = True
        if record.content in peer.lacks:
            peer.lacks.remove(record.content)
            self._sweep = b""
        row = self.index.get(path)
        if row is not None:
            mine = row.record
            if mine.stamp == record.stamp and same_body(mine, record):
                peer.acknowledged(path)
                if leq(record.vector, mine.vector):
                    peer.shared += 1
                    self._take_back(path, peer.node)
                    if record.vector == mine.vector and row.seq > peer.sent:
                        peer.knows[path] = (record.stamp, record.vector)
                    return False
            elif leq(record.vector, mine.vector) and not beats(record, mine):
                self._take_back(path, peer.node)
                return False
            else:
                peer.acknowledged(path)
        foreign = (
            record.kind == Kind.ABSENT
            and peer.first_contact
            and row is not None
            and is_first_scan(row.record)
            and not self._knew_us(record)
        )
        earlier = self.index.offer(path, peer.node)
        self._keep_offer(path, peer.node, record.stamp)
        self.index.put_offer(Offer(peer.node, record, foreign))
        self._todo[path] = None
        self._in_vain.pop(path, None)
        avoid = self._avoid.get(path)
        if avoid is not None:
            if earlier is not None and earlier.record.content != record.content:
                del self._avoid[path]  # what failed was another content
            else:
                avoid.discard(peer.node)
        return True

    def _renamed_there(self, record: Record, source: bytes) -> None:
        """A peer has renamed a file, and maybe changed it as well: what we have under the old name is most of it."""
        self._origins[record.path] = source
        row = self.index.get(source)
        if row is None or row.record.kind != Kind.FILE or row.record.content == record.content:
            return
        if min(row.record.size, record.size) >= limits.DELTA_FILE_BYTES_MIN:
            self._bases[record.path] = row.record.content

    def _take_back(self, path: bytes, node: str) -> None:
        """What a peer has offered it offers no more: maybe nothing is wanted there now."""
        if self.index.drop_offer(path, node):
            self._todo[path] = None

    def _keep_offer(self, path: bytes, node: str, stamp: Stamp) -> None:
        """A peer has moved on to `stamp`. What it announced before must still be known when it is found on the disk, if it
        is what is just being installed, or may have been installed by a job that failed, or by one that we did not
        live to see the end of."""
        gift = self._gifts.get(path)
        if gift is not None and self.index.offer(path, _NOBODY) is None:
            self.index.put_offer(Offer(_NOBODY, gift.record, False))
        tried = self._tried.get(path)
        if tried is not None:
            offer = next((offer for offer in self.index.offers(path) if offer.record.stamp == tried != stamp), None)
        else:
            unseen = self.scanning or bool(self._to_list_again)  # not every folder has been listed
            if not unseen and not any(path in some for some in (self._busy, self._looking, self._agenda)):
                return
            offer = self.index.offer(path, node)
            if self.index.offer(path, _NOBODY) is not None or (offer is not None and offer.record.stamp == stamp):
                return
        if offer is not None:
            self.index.put_offer(Offer(_NOBODY, offer.record, offer.foreign))

    def _knew_us(self, record: Record) -> bool:
        """True if a record was made by a node after our first contact with it."""
        for node, counter in record.vector:
            known = self.index.peer(node)
            if known is not None and known.first is not None and counter > known.first:
                return True
        return False

    def _acknowledged(self, peer: Peer, path: bytes, stamp: Stamp) -> None:
        peer.acknowledged(path)
        peer.acked_ms = self._now.mono_ms
        row = self.index.get(path)
        peer.shared += row is not None and row.record.stamp == stamp
        upload = self._uploads.acknowledged(peer.node, path)
        if upload is not None and row is not None and row.record.stamp == stamp:
            took = max(1, self._now.mono_ms - upload.since_ms)
            if upload.is_delta:
                self._note("sent delta", path, peer.node, upload.file_size, upload.size)
            else:
                self._note("sent large", path, peer.node, upload.size, took, _rest(upload.size, upload.began_at))
        for offer in self.index.offers(path):
            if offer.peer == peer.node and offer.record.stamp != stamp:
                self._keep_offer(path, peer.node, stamp)
                self._take_back(path, peer.node)  # it has moved on from there
        if row is not None and row.record.stamp < stamp:
            self._todo[path] = None
        # (What a larger one has replaced meanwhile, before the stamp went back, is not unheard of either.)
        was_lowered = any(stamp <= larger for larger in self._lowered.get(path, ()))
        is_unheard_of = row is None or (row.record.stamp < stamp and not was_lowered)
        if is_unheard_of and all(offer.record.stamp != stamp for offer in self.index.offers(path)):
            peer.ask_again = True  # it has heard that from us; our index is older than that (a backup, a power cut)

    def _ask_again(self, peer: Peer) -> None:
        """Ask a peer for all it has, as if it had told nothing yet."""
        known = self.index.peer(peer.node)
        if known is not None:
            self.index.set_peer(peer.node, known._replace(seen=0))
        peer.standing.heard = -1  # what it says now is news, even if it says no more than before
        peer.ask_again = peer.was_asked = peer.synced = False
        self._ask_state(peer)

    def _refused(self, peer: Peer, id_: int, reason: str) -> None:
        if id_ in peer.requests:
            self._no_delta(peer, id_)
            return
        fetch = peer.window.refused(id_)
        if fetch is None or self._fetches.get(fetch.target.path) is not fetch:
            return
        path = fetch.target.path
        if reason == "forgotten":
            self.index.drop_offer(path, peer.node)
        if reason != "later":
            self.index.drop_offer(path, _OURS + peer.node)
            if any(held.maker == peer.node for held in self.held_elsewhere.get(peer.node, ())):
                peer.lacks.add(fetch.target.content)  # until it tells more of what it misses
        self._give_up(fetch, path)
        self._plan_later(path, _RETRY_MS if reason == "later" else limits.SETTLE_MS)

    def _signature_asked(self, peer: Peer, id_: int) -> None:
        asked = peer.requests.get(id_)
        if asked is None:
            return
        path = asked.path
        base = self._bases.get(path)
        where = None if base is None else self._where_is(base, path)
        if base is None or where is None:
            self._no_delta(peer, id_)
            return
        self._order(SignJob(peer.node, peer.link, id_, where[0], where[1], base))

    def _delta_offered(self, peer: Peer, message: Delta) -> None:
        asked = peer.requests.pop(message.id, None)
        if asked is None:
            return
        path = asked.path
        row = self.index.get(path)
        decision = decide(None if row is None else row.record, self.index.offers(path))
        base = self._bases.get(path)
        if base is not None and isinstance(decision, Take) and decision.record.content == asked.content:
            offer = DeltaOffer(base, message.size, message.marks)
            self._delta_offers[path] = (peer.node, base, asked.content, offer)
        self._todo[path] = None

    # --- telling -----------------------------------------------------------------------------------------------------

    def _tell_lacks(self) -> None:
        """Tell each peer what of its announcements is not here yet, if it does not know."""
        self._lacks_due_ms = None
        if self.scanning:
            return
        for node in sorted(self._peers):
            peer = self._peers[node]
            known = self.index.peer(node)
            if not (peer.asked and peer.was_asked) or known is None:
                continue
            earliest_ms = peer.standing.earliest_ms()
            if earliest_ms > self._now.mono_ms:  # what is lacking then is worth a count, not what is in each turn
                self._lacks_due_ms = min(earliest_ms, self._lacks_due_ms or earliest_ms)
                continue
            lack = self.lacked_from(node)
            due_ms = peer.standing.due_ms(lack)
            if due_ms is None:
                continue
            if due_ms > self._now.mono_ms:
                self._lacks_due_ms = min(due_ms, self._lacks_due_ms or due_ms)
                continue
            peer.standing.said = peer.standing.heard, lack
            peer.standing.said_ms = self._now.mono_ms
            self._send(node, Lacks(self.folder, known.seen, *lack), 100)

    def _peer_lacks(self, peer: Peer, message: Lacks) -> None:
        standing = peer.standing
        lack = standing.lacks = Lack(message.files, message.bytes, message.others)
        standing.lacks_as_of = message.sequence
        is_much = lack.files >= _LAG_FILES or lack.bytes >= limits.LARGE_FILE_BYTES
        if is_much and (standing.noted_ms is None or self._now.mono_ms - standing.noted_ms >= _LAG_NOTED_MS):
            standing.noted_ms = self._now.mono_ms
            self._note("lags", peer=peer.node, size=lack.bytes, wire=lack.files)

    def _note_in_sync(self) -> None:
        """One line when all connected peers have everything, and so has this node: when that has lasted for a moment."""
        now = self._now.mono_ms
        self._sync_due_ms = None
        if not self._peers:
            self._in_sync, self._sync_since_ms = frozenset(), None
            return
        if len(self.in_sync_with()) < len(self._peers):
            self._sync_since_ms = None
            if self._in_sync:
                self._sync_left, self._in_sync = self._in_sync, frozenset()
            return
        peers = frozenset(self._peers)
        if peers <= self._in_sync:  # one has left: the others are told of already
            self._in_sync = peers
            return
        if self._sync_since_ms is None:
            self._sync_since_ms = now
        due_ms = self._sync_since_ms + _SYNC_LASTS_MS
        if peers == self._sync_left and self._sync_told_ms is not None:
            due_ms = max(due_ms, self._sync_told_ms + _SYNC_NOTED_MS)  # single edits, one after the other, are no news
        if due_ms > now:
            self._sync_due_ms = due_ms
            return
        self._in_sync = peers
        self._sync_told_ms = now
        self._note("in sync", text="\n".join(self.name_of(node) for node in sorted(peers)), wire=len(peers))

    def _send(self, node: str, message: Message, size: int) -> None:
        self._peers[node].standing.told(message)
        self._peers[node].queued += size
        self._out.append(Send((node,), message, size))

    def _may_tell_later(self) -> bool:
        """True while several want something, and all that has changed since a moment ago came from peers: it is told
        together, for each telling waits for the medium, and so does everybody else."""
        is_soon = self._now.mono_ms - self._told_ms < _TELL_TOGETHER_MS
        return self.is_shared and is_soon and bool(self._changed) and not self._here

    def _publish(self) -> None:
        """Tell every peer that is up to date what changed in this turn. Who lags behind gets it from the index later."""
        fresh = self._with_renames() if self._here or self._changed else {}
        self._renamed_here.clear()
        self._tell_here(fresh)
        if not self._changed:
            return
        first, last = self._changed[0][0], self._changed[-1][0]
        if last - first >= len(self._changed) or not any(peer.asked for peer in self._peers.values()):
            self._changed, self._fresh = [], {}  # not all of what changed is here: the index tells it
            return
        rows = self._changed
        until = rows[-1][0]
        before = rows[0][0] - 1
        self._changed, self._fresh = [], {}
        latest = {record.path: seq for seq, record in rows}
        rows = [(seq, record) for seq, record in rows if latest[record.path] == seq]
        for _, record in rows:
            if record.path in fresh and fresh[record.path].record != record:
                del fresh[record.path]  # it has changed once more since
        cache: dict[object, Told] = {}
        sends: list[tuple[Told, list[str]]] = []
        for node in sorted(self._peers):
            peer = self._peers[node]
            if not peer.asked or peer.sent != before or peer.queued > limits.OUTBOX_BYTES_MAX:
                continue
            if self._gives(peer):
                assert peer.given is not None
                for path, change in fresh.items():
                    if change.data is not None and change.record.content in peer.given:
                        fresh[path] = change._replace(data=None)  # it makes a copy of what it was given before
                if not peer.may_be_pushed(sum(len(one.data) for one in fresh.values() if one.data is not None)):
                    continue
                peer.given.update(one.record.content for one in fresh.values() if one.data is not None)
            at = 0  # what is said to one peer keeps its order, also where others are told the same
            for told in tell(self.folder, peer, rows, fresh, until, cache):
                same = (n for n in range(at, len(sends)) if sends[n][0].message is told.message)
                at = next(same, len(sends))
                if at == len(sends):
                    sends.append((told, []))
                sends[at][1].append(node)
                peer.standing.told(told.message)
                at += 1
                peer.queued += told.size
            peer.sent = until
        for told, nodes in sends:
            self._out.append(Send(tuple(nodes), told.message, told.size))

    def _tell_late_times(self) -> None:
        times = list(self._late_times.items())
        self._late_times.clear()
        for at in range(0, len(times), limits.CHANGES_MAX):
            some = tuple(times[at : at + limits.CHANGES_MAX])
            for node in sorted(self._peers):
                if self._peers[node].asked:
                    self._send(node, ModificationUpdate(self.folder, self._peers[node].sent, (), some), 60 * len(some))

    def _tell_here(self, fresh: dict[bytes, Fresh]) -> None:
        """For people: what was done here in this turn. A rename is one thing."""
        if not self._here:
            return
        source_of = {path: one.source for path, one in fresh.items() if one.source is not None}
        sources = set(source_of.values())
        for (path, what), size in self._here.items():
            if what in ("changed here", "new here") and path in source_of:
                self._note("renamed here", path, text=source_of[path].decode("utf-8", "surrogateescape"))
            elif what != "deleted here" or path not in sources:
                self._note(what, path, size=size)
        self._here = {}

    def _gives(self, peer: Peer) -> bool:
        """True if that peer is sent contents unasked: it came with nothing, and there is no other who could give them."""
        if peer.given is None or len(self._peers) > 1 or peer.told_us:
            peer.given = None
            return False
        return True

    def _gives_enough(self) -> bool:
        """True while a peer that is given everything has still much to install: so each file is read once, not once for the
        scan and once for the peer."""
        for peer in self._peers.values():
            if self._gives(peer) and peer.unacked_bytes > limits.PULL_WINDOW_BYTES // 2:
                if self._now.mono_ms - peer.acked_ms <= _STALLED_MS // 20:
                    return True
                peer.given = None  # it does not keep up
        return False

    def _give_page(self, peer: Peer) -> None:
        """Read the contents of the next page of the index for a peer that has nothing, a window's worth at a time."""
        assert peer.given is not None
        if peer.page:
            return
        if not peer.may_be_pushed(limits.ATTACHED_BYTES_MAX):
            if self._now.mono_ms - peer.acked_ms > _STALLED_MS // 20:
                peer.given = None  # it does not keep up: it is told what there is, and asks when it can
            return
        rows: list[tuple[int, Record]] = []
        items: list[ReadItem] = []
        size = 0
        page = self.index.rows_after(peer.sent, limits.LOOK_ITEMS_MAX // 2)
        if not page:  # sequences have leapt since the last row
            peer.sent = self.index.sequence
        for row in page:
            record = row.record
            if record.kind == Kind.FILE and record.size <= limits.INLINE_BYTES_MAX and record.content not in peer.given:
                if size + record.size > limits.ATTACHED_BYTES_MAX:
                    break
                size += record.size
                items.append(ReadItem(len(rows), record.path, row.fp, 0, record.size))
            rows.append((row.seq, record))
        peer.page = rows
        if items:
            self._order(ReadJob(peer.node, peer.link, tuple(items), push=True))
        elif rows:
            self._give(peer, {})

    def _give(self, peer: Peer, contents: dict[int, bytes]) -> None:
        """Tell a page with the contents that were read for it."""
        fresh: dict[bytes, Fresh] = {}
        rows = []
        for number, (seq, record) in enumerate(peer.page):
            row = self.index.get(record.path)
            if row is None or row.seq != seq:
                continue  # it has changed since, and will be told with its new sequence
            rows.append((seq, record))
            data = contents.get(number)
            if data is not None and len(data) == record.size:
                fresh[record.path] = Fresh(record, None, data, None, None, None)
                self._note("sent", record.path, peer.node, record.size)
                if peer.given is not None:
                    peer.given.add(record.content)
        until = peer.page[-1][0]
        peer.page = []
        for told in tell(self.folder, peer, rows, fresh, until, {}):
            self._send(peer.node, told.message, told.size)
        peer.sent = until
        self._again = True

    def _compare(self, peer: Peer) -> None:
        """Known here: the summary of what a peer holds, which never saw our index. Where the sums are the same, it holds
        what we hold, and need not be told."""
        ours, theirs = self.index.summary(), peer.summary
        peer.summary = b""
        peer.equal = frozenset(
            number for number in range(limits.SUMMARY_BUCKETS) if ours[8 * number :][:8] == theirs[8 * number :][:8]
        )
        peer.equal_until = self.index.sequence
        peer.shared += self.index.files() * len(peer.equal) // limits.SUMMARY_BUCKETS
        if len(peer.equal) == limits.SUMMARY_BUCKETS:
            peer.sent = self.index.sequence

    def _with_renames(self) -> dict[bytes, Fresh]:
        """The fresh changes of this turn; a new name for a content (or a file) whose old name went in the same turn is a
        rename."""
        gone: dict[bytes, bytes] = {}
        for path, fresh in self._fresh.items():
            if fresh.record.kind == Kind.ABSENT and fresh.previous is not None and fresh.previous.kind == Kind.FILE:
                gone[fresh.previous.content] = path
        out = {}
        for path, fresh in self._fresh.items():
            if fresh.record.kind == Kind.FILE and fresh.record.content in gone:
                fresh = fresh._replace(source=gone.pop(fresh.record.content), data=None, delta=None)
            elif fresh.record.kind == Kind.FILE and path in self._renamed_here:  # and changed
                known = (source for source in self._renamed_here[path] if source in self._fresh)
                source = next((one for one in known if self._fresh[one].record.kind == Kind.ABSENT), None)
                if source is not None and (before := self._fresh[source].previous) and before.kind == Kind.FILE:
                    fresh = fresh._replace(source=source)
            out[path] = fresh
        return out

    def _pump_all(self) -> None:
        """Tell those who lag behind; of those who lag by a page and more only some in one turn, one after the other."""
        nodes = sorted(self._peers)
        nodes = [node for node in nodes if node > self._pumped] + [node for node in nodes if node <= self._pumped]
        left = _PUMPS_MAX
        for node in nodes:
            peer = self._peers[node]
            if self._changed and peer.sent == self._changed[0][0] - 1:
                continue  # it will be told what changes just now, in a moment
            if self.index.sequence - peer.sent < limits.CHANGES_MAX // 10:
                self._pump(peer)
            elif left:
                before = peer.sent
                self._pump(peer)
                if peer.sent != before:
                    left -= 1
                    self._pumped = node
            else:
                self._again = True

    def _pump(self, peer: Peer) -> None:
        """Tell a peer that lags behind the next page of the index, if there is room in its outbox."""
        if not peer.asked or peer.queued > limits.OUTBOX_BYTES_MAX // 4:
            return
        if peer.summary:
            if self.scanning:
                return  # to compare, we have to know what we have
            self._compare(peer)
        if peer.sent < self.index.sequence and self._gives(peer):
            self._give_page(peer)
        elif peer.sent < self.index.sequence and not peer.page:
            rows = self.index.rows_after(peer.sent, limits.PAGE_RECORDS_MAX // 2)
            records = [row.record for row in rows]
            fit = len(pages(records)[0]) if records else 0
            rows = rows[:fit]
            if rows and rows[-1].record.kind == Kind.FILE:  # the two halves of a rename are told together
                rows += [row for row in self.index.rows_after(rows[-1].seq, 1) if row.record.kind == Kind.ABSENT]
            until = rows[-1].seq if rows else self.index.sequence
            if peer.equal and peer.sent < peer.equal_until:
                equal, last = peer.equal, peer.equal_until
                rows = [row for row in rows if row.seq > last or bucket_of(row.record.path) not in equal]
            if rows or until == self.index.sequence:
                for told in tell(self.folder, peer, [(row.seq, row.record) for row in rows], {}, until, {}):
                    self._send(peer.node, told.message, told.size)
            peer.sent = until
            if until < self.index.sequence:
                self._again = True
        if peer.sent >= self.index.sequence and not peer.told_last and not self.scanning:
            peer.told_last = True
            self._send(peer.node, State(self.folder, peer.sent, True, ()), 50)


_META = struct.Struct("<BHQQqI")


def _got_meta(fp: bytes) -> tuple[int, int]:
    """mtime (ns; 0 for folders) and mode that the disk gave when a fingerprint was taken."""
    _, mode, _, _, mtime_s, mtime_ns = _META.unpack_from(fp)
    return mtime_s * 1_000_000_000 + mtime_ns, mode


def _holder(peer: str) -> str:
    """Who has the content of an offer."""
    return peer.removeprefix(_OURS)


def _is_by(offer: Offer, maker: str) -> bool:
    """True if that maker has made what a peer, or we ourselves, announced."""
    return offer.record.stamp.node == maker and offer.peer != _NOBODY


def _counter(record: Record, node: str) -> int:
    """The last change of a node's that a record has seen."""
    return next((counter for maker, counter in record.vector if maker == node), 0)


def _rest(size: int, began_at: int) -> str:
    """For a note: how much of a content travelled, if its beginning was there already; else nothing."""
    return str(size - began_at) if began_at else ""


def _is_kept(name: bytes) -> bool:
    """True for what is in the history, not in the tree."""
    return name.startswith(limits.RESERVED_NAME)


def _best_kind(offers: Iterable[Offer]) -> Kind:
    return max(offers, key=lambda offer: offer.record.stamp).record.kind


def _path_of(entry: tuple[bytes, list[Offer]]) -> bytes:
    return entry[0]
