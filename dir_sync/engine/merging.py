"""Texts that lost a conflict are merged with what won, if the user asked for that.

In:   losers of conflicts, here and from peers; rows that change; what workers read and merged.
Out:  jobs that keep versions to be merged from, and that merge; a merged version as an offer of ours; LOST and SETTLE.
Rule: `core.merging` says who merges, and from what. A merged version replaces what it was made from and nothing else:
if the path has changed meanwhile, the conflict is decided anew. What cannot be merged stays a conflict.
Used by: router.
"""

from __future__ import annotations

import zlib

from blake3 import blake3

from dir_sync.core import limits, notes
from dir_sync.core.jobs import Cause
from dir_sync.core.merging import (
    common_version,
    do_parts_clash,
    includes,
    is_text,
    may_merge,
    merged,
    merger_of,
    with_loser,
)
from dir_sync.core.messages import Loser, Lost
from dir_sync.core.mode import Mode
from dir_sync.core.model import (
    FINGERPRINT_BYTES,
    Kind,
    PeerError,
    Record,
    Stamp,
    is_first_scan,
    same_body,
    same_content,
)
from dir_sync.core.named import NamedTuple
from dir_sync.core.peers.announce import Fresh
from dir_sync.core.peers.contact import Contact
from dir_sync.core.reconcile import Offer, Take
from dir_sync.core.text_jobs import KeepTextsJob, Merged, MergeJob, Text, TextsRead
from dir_sync.engine.board import Board
from dir_sync.engine.constants import MERGED
from dir_sync.engine.mode_rules import ModeRules
from dir_sync.engine.queries import Queries
from dir_sync.engine.rows import Rows
from dir_sync.engine.stamps import Stamps
from dir_sync.engine.values import Ready
from dir_sync.engine.work import WorkTable
from dir_sync.index import LostVersion, Row

__all__ = ["Merging"]

_KEPT_UP_TO = "texts kept"  # index note: the texts of rows up to this sequence are kept to be merged from
_PAGE = 64  # rows whose texts are read by one job
_JOBS_MAX = 4  # merges at the same time
_REMEMBERED_MAX = 10_000  # pairs that could not be merged, losers that were sent
_LOSERS_MAX = 20_000  # paths with losers, those of peers included
_AGAIN_MS = (500, 60_000)  # a path at which something is going on is tried again: first and longest wait
_AGAIN_MAX = 10  # ... so often; then when it changes


class _Pair(NamedTuple):
    """What is being merged."""

    winner: Record
    loser: Record
    base: Record


class Merging:
    """Keeps texts, and merges those that lost a conflict.

    It has more fields than a class should have: whom it asks and tells, and what it knows of conflicts and of texts."""

    def __init__(
        self,
        board: Board,
        mode_rules: ModeRules,
        work: WorkTable,
        stamps: Stamps,
        rows: Rows,
        queries: Queries,
        is_on: bool,
    ) -> None:
        self._board = board
        self._mode_rules = mode_rules
        self._work = work
        self._stamps = stamps
        self._rows = rows
        self._queries = queries
        self.is_on = is_on and mode_rules.mode is Mode.TWO_WAY
        self._losers: dict[bytes, dict[Stamp, LostVersion]] = {}  # by path; those of peers are in no history here
        self._work_at: dict[bytes, _Pair | None] = {}  # paths at which texts are merged, or (None) a loser is read
        self._done: set[tuple[object, ...]] = set()  # pairs that cannot be merged; pairs that were sent, and to whom
        self._due: dict[
            bytes, tuple[int, int]
        ] = {}  # path -> when (ms) its conflicts are decided, and the tries so far
        self._kept_up_to = int(board.index.notes.get(_KEPT_UP_TO) or 0) if self.is_on else 0  # sequence
        self._page = 0  # the sequence up to which a job is reading texts; 0: there is none
        if self.is_on:
            board.losers.begin()
            for lost in board.index.bases.losers():
                self._add(lost)

    def run(self) -> None:
        """Keep what changed, and decide about conflicts that are due."""
        if self._board.scan.is_on:
            return
        self._take_losers()
        self._keep_texts()
        now_ms = self._board.now.mono_ms
        for path in [path for path, (due, _) in self._due.items() if due <= now_ms]:
            if len(self._work_at) >= _JOBS_MAX:
                break  # the end of a job is an event: the others are decided then
            _, tries = self._due.pop(path)
            self._decide_all(path, tries)

    def due_ms(self) -> int | None:
        """When (ms) `run` has something to do; None: when something happens."""
        if self._board.scan.is_on:
            return None
        due = [when for when, _ in self._due.values()] if len(self._work_at) < _JOBS_MAX else []
        if not self._page and self._board.index.sequences.last > self._kept_up_to:
            due.append(self._board.now.mono_ms)
        return min(due, default=None)

    def is_at(self, path: bytes) -> bool:
        """True while texts of a path are merged, or it is about to be decided whether they can be."""
        return path in self._work_at or path in self._due

    # --- the versions that can be merged from ------------------------------------------------------------------------

    def _keep_texts(self) -> None:
        """Read the texts of rows that are new since the last time."""
        index = self._board.index
        if self._page or index.sequences.last <= self._kept_up_to:
            return
        rows = index.changes.after(self._kept_up_to, _PAGE)
        texts = []
        for row in rows:
            record = row.record
            if record.path in self._losers:
                self._soon(record.path)
            if record.kind is not Kind.FILE:
                index.bases.drop(record.path)
            elif may_merge(record) and row.fp and index.bases.content(record) is None:
                texts.append(Text(record, record.path))
        page = rows[-1].seq if len(rows) == _PAGE else index.sequences.last
        if texts:
            self._page = page
            self._board.order(KeepTextsJob(tuple(texts)))
            return
        self._note_kept(page)
        if page < index.sequences.last:
            self._board.run_once_more()

    def _note_kept(self, sequence: int) -> None:
        self._kept_up_to, self._page = sequence, 0
        self._board.index.notes.put(_KEPT_UP_TO, sequence)

    def on_texts(self, event: TextsRead) -> None:
        """Texts were read: those of new rows, or a loser out of the history."""
        for text, packed in zip(event.texts, event.packed, strict=True):
            path = text.record.path
            if packed is not None:
                spared = self._losers.get(path, ())
                self._board.index.bases.put(text.record, packed, self._board.now.wall_ns, spared)
            if text.at != path:
                del self._work_at[path]
                if packed is None:
                    self._forget(text.record)
            if path in self._losers:
                self._soon(path)
        if event.texts[0].at == event.texts[0].record.path:
            self._note_kept(self._page)

    # --- the conflicts -----------------------------------------------------------------------------------------------

    def _take_losers(self) -> None:
        """Note the versions that lost here since the last time."""
        for record, version in self._board.losers.take():
            if may_merge(record) and not is_first_scan(record):  # what a first scan found was made from nothing
                self._board.index.bases.lost(record, version)
                self._add(LostVersion(record, version))

    def _add(self, lost: LostVersion) -> None:
        self._losers.setdefault(lost.record.path, {})[lost.record.stamp] = lost
        self._soon(lost.record.path)

    def _forget(self, loser: Record) -> None:
        """That conflict is over, or can never be merged."""
        losers = self._losers.get(loser.path, {})
        lost = losers.pop(loser.stamp, None)
        if lost is not None and lost.version:
            self._board.index.bases.conflict_over(lost.version)
        if not losers:
            self._losers.pop(loser.path, None)

    def _soon(self, path: bytes, tries: int = 0) -> None:
        """Decide about the conflicts of a path at once, or (`tries`) after a while."""
        first, longest = _AGAIN_MS
        wait_ms = min(first << tries, longest) if tries else 0
        if tries <= _AGAIN_MAX:
            self._due[path] = (self._board.now.mono_ms + wait_ms, tries)
            self._board.run_once_more()

    def _decide_all(self, path: bytes, tries: int) -> None:
        row = self._board.index.rows.get(path)
        if row is None:
            return
        for lost in list(self._losers.get(path, {}).values()):
            if path not in self._work_at:
                self._decide(row, lost, tries)

    def _decide(self, row: Row, lost: LostVersion, tries: int) -> None:
        """What to do about one loser: nothing any more, merge it, or send it to the node that merges it."""
        index, winner, path = self._board.index, row.record, row.record.path
        loser, version, result = lost
        if version:
            known = index.versions.get(version)
            if known is None or known.why is not Cause.CONFLICT or known.content != loser.content:
                self._forget(loser)  # a person has settled it, or a program has written into it since
                return
        kept = index.bases.of(path)
        is_merged = result is not None and (winner.stamp == result.stamp or includes(winner, result, kept))
        if is_merged or same_content(winner, loser) or includes(winner, loser, kept):
            self._settle(loser)
            return
        if not may_merge(winner) or (path, winner.stamp, loser.stamp) in self._done:
            return
        base = common_version(winner, loser, kept)
        if base is None or do_parts_clash(winner, loser, base):
            return
        merger = merger_of(winner, loser)
        if merger == index.identity.replica:
            self._merge(row, _Pair(winner, loser, base), version, tries)
        elif version and loser.stamp.maker == index.identity.replica:
            self._send(winner, loser, merger, version, tries)

    def _content(self, record: Record, version: bytes) -> bytes | None:
        """The text of a loser, compressed. None: there is none, or it is read out of the history first."""
        packed = self._board.index.bases.content(record)
        if packed is None and version and (record.path, record.stamp) not in self._done:
            self._remember(record.path, record.stamp)  # it is read once
            self._work_at[record.path] = None
            self._board.order(KeepTextsJob((Text(record, version),)))
        elif packed == b"":
            self._forget(record)
        return packed or None

    def _merge(self, row: Row, pair: _Pair, version: bytes, tries: int) -> None:
        path = pair.winner.path
        loser = self._content(pair.loser, version)
        if loser is None:
            return
        bases = self._board.index.bases
        base, winner = bases.content(pair.base), bases.content(pair.winner)
        if winner == b"":
            self._remember(path, pair.winner.stamp, pair.loser.stamp)
        elif not base or winner is None or not self._is_calm(row):
            self._soon(path, tries + 1)
        else:
            self._work_at[path] = pair
            self._board.order(MergeJob(path, base, winner, loser))

    def _is_calm(self, row: Row) -> bool:
        """True if nothing is going on at this path, and nothing newer is to come there."""
        path = row.record.path
        return (
            self._work.is_free(path)
            and len(row.fp) == FINGERPRINT_BYTES
            and path not in self._board.pending_looks
            and not isinstance(self._mode_rules.decision_at(path, row), Take)
        )

    def on_merged(self, event: Merged) -> None:
        """A merge is done: its result becomes the version here, unless something else has happened."""
        path, data = event
        pair = self._work_at.pop(path)
        assert pair is not None
        row, taking = self._board.index.rows.get(path), self._board.taking
        is_large = data is not None and taking is not None and taking.is_too_large(pair.winner._replace(size=len(data)))
        if data is None or is_large:
            self._remember(path, pair.winner.stamp, pair.loser.stamp)  # each of them may be merged with another version
        elif (
            pair.loser.stamp in self._losers.get(path, {})  # else a person has settled it meanwhile
            and row is not None
            and row.record.stamp == pair.winner.stamp
            and self._is_calm(row)
        ):
            self._work.arrivals.make_ready(path, Ready(blake3(data).digest(), data, None))
            if self._work.arrivals.is_ready(path):
                self.make(row, pair.loser, pair.base, data)
                return  # else there is no room in memory for it now
        self._soon(path, 1)

    def make(self, row: Row, loser: Record, base: Record, data: bytes) -> Record:
        """The merged version, as a change that is made here now and replaces both."""
        path, now_ns = row.record.path, self._board.now.wall_ns
        now = merged(row.record, loser, base, blake3(data).digest(), len(data), now_ns)
        record = self._stamps.changed_to(with_loser(row.record, loser), now, now_ns)
        self._losers[path][loser.stamp] = self._losers[path][loser.stamp]._replace(merged=record)
        if same_body(record, row.record):
            self._work.arrivals.unready(path)
            self._rows.put(record, row.fp)
            self._board.announcements.add_change(Fresh(record, row.record, None, None, None, None))
            self._board.tell(notes.TextMerged(path))
            return record
        self._board.index.offers.put(Offer(MERGED, record, False))
        self._board.plan_queue.add(path)
        return record

    def _remember(self, *what: object) -> None:
        if len(self._done) >= _REMEMBERED_MAX:
            self._done.clear()
        self._done.add(what)

    def _settle(self, loser: Record) -> None:
        """What is here includes the loser: no node need list it any more."""
        self._board.index.versions.settle(loser.path, loser.kind, loser.content)
        self._forget(loser)
        self._queries.on_conflicts_settled((Loser(loser.path, loser.kind, loser.content),))

    # --- losers travel to who merges them ----------------------------------------------------------------------------

    def _send(self, winner: Record, loser: Record, merger: str, version: bytes, tries: int) -> None:
        """Send our loser to the node that merges it; if that is not connected, to all peers, which pass it on."""
        peers = self._board.peers
        packed = self._content(loser, version)
        if packed is None or not peers:
            return  # the next peer that comes has it decided again
        message: Lost | None = None
        for replica in [merger] if merger in peers else sorted(peers):
            if (loser.path, winner.stamp, loser.stamp, replica) in self._done:
                continue
            if not peers[replica].has_asked:
                self._soon(loser.path, tries + 1)
                continue
            message = message or Lost(self._board.folder, loser, merger, zlib.decompress(packed))
            self._board.send(replica, message, loser.size + 500)
            self._remember(loser.path, winner.stamp, loser.stamp, replica)

    def on_lost(self, peer: Contact, message: Lost) -> None:
        """A text of a peer lost against a version that was made here; or we pass it on to who made that."""
        index, loser = self._board.index, message.record
        path = loser.path
        if message.to != index.identity.replica:
            other = self._board.peers.get(message.to)
            if other is not None and other is not peer and other.has_asked:
                self._board.send(message.to, message, loser.size + 500)
            return
        if blake3(message.text).digest() != loser.content:
            raise PeerError("the text of a loser is not what its record says")
        row = index.rows.get(path)
        if row is None or not may_merge(row.record) or merger_of(row.record, loser) != index.identity.replica:
            return  # it is decided anew when the sender has what is here
        losers = self._losers.get(path, {})
        if loser.stamp in losers or len(losers) >= limits.BASES_PER_PATH_MAX or len(self._losers) >= _LOSERS_MAX:
            return
        if is_text(message.text) and common_version(row.record, loser, index.bases.of(path)) is not None:
            self._add(LostVersion(loser, b""))
            index.bases.put(loser, zlib.compress(message.text, 1), self._board.now.wall_ns, self._losers[path])

    def peer_came(self) -> None:
        """It may be who merges a loser of ours."""
        for path in self._losers:
            self._soon(path, 1)

    def peer_gone(self, replica: str) -> None:
        """The next time it is connected, it is sent what it has not merged."""
        self._done = {what for what in self._done if what[-1] != replica}
