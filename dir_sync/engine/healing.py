"""Heals rotten files: what the index says is brought back, and the rotten bytes go into the history.

In:   paths whose content is another one, though nobody has changed them. Out: the recorded content, from another place of
this machine or from a peer.
Rule: nothing is announced, because no version changes: the row keeps its sequence, and only its fingerprint is another one. The
installation expects the very fingerprint that was read and, of a small file, the rotten bytes; whatever else it finds, it
leaves as it is. So an edit is never undone, and no bytes are lost.
Used by: verify_answers, verifying.
"""

from __future__ import annotations

from dir_sync.core import limits, notes
from dir_sync.core.frozen import field, mutable
from dir_sync.core.jobs import ApplyItem, Cause, StageJob, TreeOp
from dir_sync.core.model import FINGERPRINT_BYTES, Kind, Record, inode_of
from dir_sync.core.transfers.transfer import Fetch
from dir_sync.core.verify import Checked
from dir_sync.engine.applier import Applier
from dir_sync.engine.board import Board
from dir_sync.engine.constants import RETRY_MS
from dir_sync.engine.rereads import Rereads
from dir_sync.engine.rotten import RottenFiles
from dir_sync.engine.sources import Sources
from dir_sync.engine.transfers import TransferTable
from dir_sync.engine.work import WorkTable
from dir_sync.index import Row

__all__ = ["Healing"]

_AT_ONCE = 4  # files, of many rotten ones
_ROTTEN_MAX = 10_000  # remembered: with more, a disk is to be replaced
_DROPPED_MAX = 5  # then it waits, as if nobody had it
_WAIT_MS = 60_000  # until the peers are asked again for what none of them has


@mutable
class _Heal:
    """One rotten file. `copies`: other places here with this content that were not tried; `peers`: the same of peers."""

    checked: Checked
    copies: list[tuple[bytes, bytes]] = field(default_factory=list)  # path or name in the history, fingerprint
    peers: list[str] = field(default_factory=list)
    fetch: Fetch | None = None
    by: str = ""  # the peer that is asked; "": it is copied from here
    dropped: int = 0  # how often what was fetched was dropped on its way
    is_installing: bool = False
    is_active: bool = False
    not_before_ms: int = 0


class Healing:
    """`healed`: how many files since the start."""

    def __init__(
        self,
        board: Board,
        work: WorkTable,
        sources: Sources,
        transfers: TransferTable,
        applier: Applier,
        rereads: Rereads,
        rotten_files: RottenFiles,
    ) -> None:
        self._board = board
        self._work = work
        self._sources = sources
        self._transfers = transfers
        self._applier = applier
        self._rereads = rereads
        self._rotten_files = rotten_files
        self._heals: dict[bytes, _Heal] = {}
        self.healed = 0

    def heal(self, checked: Checked) -> None:
        """This file is rotten: bring back what the index says."""
        path = checked.item.path
        known = self._heals.get(path)
        if (known is None or known.checked != checked) and len(self._heals) < _ROTTEN_MAX:
            if known is not None:
                self._cancel(path, known)
            self._heals[path] = _Heal(checked)
            self._rereads.wake()

    def forget_waiting(self) -> None:
        """Nobody waits any more for what cannot be healed now."""
        for path in [path for path, heal in self._heals.items() if not heal.is_active]:
            del self._heals[path]

    @property
    def rotten(self) -> list[bytes]:
        """Files that are rotten, and not healed yet."""
        return list(self._heals)

    @property
    def is_busy(self) -> bool:
        """True while something is being brought back, or was not tried yet."""
        return any(heal.is_active or not heal.not_before_ms for heal in self._heals.values())

    def peer_came(self) -> None:
        """That peer may have what others lack."""
        for heal in self._heals.values():
            heal.not_before_ms = 0

    def due_ms(self) -> int | None:
        if not self._heals:
            return None
        now = self._board.now.mono_ms
        return min(heal.not_before_ms if not heal.is_active else now + RETRY_MS for heal in self._heals.values())

    def run(self) -> None:
        """Take one step with each file. This comes before paths are planned, which would drop what nobody announces."""
        for checked in self._rotten_files.take_again():
            self.heal(checked)
        active = [inode_of(heal.checked.item.fp) for heal in self._heals.values() if heal.is_active]
        now = self._board.now.mono_ms
        for path, heal in list(self._heals.items()):
            if not heal.is_active and (heal.not_before_ms > now or len(active) >= _AT_ONCE):
                continue
            row, inode = self._board.index.rows.get(path), inode_of(heal.checked.item.fp)
            if not self._is_still_so(heal, row):
                self._over(path, heal, row)
            elif not heal.is_active and inode in active:
                heal.not_before_ms = now + RETRY_MS  # another name of this file leaves it: then a look comes first
            elif row is not None:
                was_active = heal.is_active
                self._step(path, heal, row)
                if heal.is_active and not was_active:
                    active.append(inode)

    def _is_still_so(self, heal: _Heal, row: Row | None) -> bool:
        """True if the index says what it said when the file was read, and nobody has announced anything newer."""
        item = heal.checked.item
        if row is None or (row.record.kind, row.record.content) != (Kind.FILE, item.content) or row.fp != item.fp:
            return False
        return heal.is_installing or not self._board.index.offers.of(item.path)

    def _over(self, path: bytes, heal: _Heal, row: Row | None) -> None:
        """The file is healed, or it is another one by now."""
        del self._heals[path]
        self._cancel(path, heal)
        item = heal.checked.item
        if not heal.is_installing or row is None or row.record.content != item.content or row.fp == item.fp:
            return
        self.healed += 1
        self._rotten_files.healed(item.fp)
        self._board.tell(notes.Healed(path, item.size, self._board.name_of(heal.by)))
        if len(row.fp) > FINGERPRINT_BYTES:
            now = self._board.now.mono_ms
            self._board.pending_looks.add(path, now + limits.DEBOUNCE_MS_MAX // 4, now)

    def _cancel(self, path: bytes, heal: _Heal) -> None:
        if heal.fetch is not None and self._work.arrivals.fetch(path) is heal.fetch:
            self._transfers.cancel(path)
        heal.fetch = None

    def _step(self, path: bytes, heal: _Heal, row: Row) -> None:
        """The next step with a file."""
        if heal.is_installing:
            if self._work.jobs.is_at(path):
                return
            heal.is_installing = False  # it was not possible: the disk, or somebody came in between
        elif heal.fetch is not None:
            ready = self._work.arrivals.ready(path)
            if ready is not None and ready.digest == row.record.content:
                heal.fetch = None
                self._work.arrivals.unready(path, keep_file=True)
                self._install(heal, row, ApplyItem(*self._change(row), data=ready.data, staged=ready.staged))
                return
            if self._work.arrivals.fetch(path) is heal.fetch:
                return
            self._ask_again(heal, heal.fetch)
        is_planned = not heal.is_active and path in self._board.plan_queue  # a plan would drop what is fetched
        if self._work.is_at_work(path) or is_planned:
            heal.not_before_ms, heal.is_active = self._board.now.mono_ms + RETRY_MS, False
            return
        if not heal.is_active:
            heal.copies, heal.peers = self._copies(row), self._peers(row.record)
        heal.is_active = self._try_next(heal, row)
        if not heal.is_active:
            heal.not_before_ms = self._board.now.mono_ms + _WAIT_MS

    def _ask_again(self, heal: _Heal, fetch: Fetch) -> None:
        """A content did not come. If nobody refused it, a plan has dropped it: after a look at the path, for example."""
        heal.fetch = None
        is_whole = fetch.received == fetch.size  # then it was another content
        if not is_whole and heal.dropped < _DROPPED_MAX and self._sources.may_be_asked(heal.by, fetch.target.content):
            heal.dropped += 1
            heal.peers.insert(0, heal.by)

    def _try_next(self, heal: _Heal, row: Row) -> bool:
        """False: there is no place left that may have the content."""
        record = row.record
        if heal.copies:
            source, fp = heal.copies.pop()
            heal.by = ""
            self._install(heal, row, ApplyItem(*self._change(row), copy_path=source, copy_fp=fp))
            return True
        while heal.peers:
            peer = heal.peers[-1]
            holder = self._transfers.holders.get(peer)
            if holder is None:
                heal.peers.pop()
                continue
            now = self._board.now.mono_ms
            if holder.window.has_room(min(record.size, limits.CHUNK_BYTES), now):
                heal.by = heal.peers.pop()
                heal.fetch = self._fetch(record, peer)
            return True
        return False

    def _change(self, row: Row) -> tuple[bytes, TreeOp, Record, bytes, Cause]:
        return row.record.path, TreeOp.INSTALL, row.record, row.fp, Cause.ROTTEN

    def _install(self, heal: _Heal, row: Row, item: ApplyItem) -> None:
        heal.is_installing = heal.is_active = True
        self._applier.order_change(item._replace(known=heal.checked.found), None)

    def _copies(self, row: Row) -> list[tuple[bytes, bytes]]:
        """Other places here with this content, the best one last."""
        found: list[tuple[bytes, bytes]] = []
        version = self._board.index.versions.with_content(row.record.content)
        if version is not None:
            found.append((version.name, b""))
        for other in self._board.index.rows.by_content(row.record.content):
            path = other.record.path
            is_same = path == row.record.path or inode_of(other.fp) == inode_of(row.fp)
            is_same = is_same or self._rotten_files.is_bad(other.fp)
            if not is_same and len(other.fp) == FINGERPRINT_BYTES and path not in self._heals:
                if not self._work.is_at_work(path):
                    found.append((path, other.fp))
        return found

    def _peers(self, record: Record) -> list[str]:
        """The peers that may have it: the maker of this version is asked first."""
        able = [one for one in sorted(self._board.peers) if self._sources.may_be_asked(one, record.content)]
        return sorted(able, key=lambda one: one == record.stamp.maker)

    def _fetch(self, record: Record, peer: str) -> Fetch:
        """Ask a peer for the whole content. It is verified before it is installed."""
        parts, now = self._transfers.parts, self._board.now.mono_ms
        name = b"" if record.size <= limits.CHUNK_BYTES else parts.name_for(record.content)
        fetch = Fetch(parts.new_token(), record, peer, None, record.size, name, moved_ms=now, started_ms=now)
        self._work.arrivals.begin_fetch(fetch)
        self._transfers.begin(fetch)
        if fetch.is_small:
            self._transfers.pull(fetch)
        else:
            fetch.writing = True
            self._board.order(StageJob(fetch.token, name, (), record.size, record.content, peer=peer))
        return fetch
