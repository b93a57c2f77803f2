"""Which versions the history keeps, checks again, and removes.

In:   displaced versions, and the free disk space.
Out:  rows of the history; jobs that remove or check versions.
Rule: a file that fills the history never causes the removal of versions of another path.
Used by: look_queue, applier, bulk_install.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable

from dir_sync.core import notes
from dir_sync.core.arrivals import Arrivals, is_flooded
from dir_sync.core.jobs import Cause, PruneJob, RecheckJob, Version
from dir_sync.core.mode import is_own, is_own_first
from dir_sync.core.model import Kind, Record, Stamp
from dir_sync.core.retention import SHARE, Retention, Thinning, crowding, enough
from dir_sync.engine.board import Board
from dir_sync.engine.constants import RECHECK_MAX, RECHECK_MS, TIMES_MAX
from dir_sync.engine.sources import Sources
from dir_sync.engine.work import WorkTable

__all__ = ["VersionKeeper"]

_CHANGES_MAX = 1_000_000  # entries of the journal
_PRUNE_EVERY_MS = 3_600_000
_PRUNE_AFTER_MS = 1_000  # the history is checked this long after a version was added
_YOUNG_VERSION_NS = 120 * 10**9  # a program may still be writing into a version this young


class VersionKeeper:
    """Which versions the history keeps, checks again, and removes."""

    def __init__(self, board: Board, work: WorkTable, sources: Sources, retention: Retention | None) -> None:
        self._board = board
        self._work = work
        self._sources = sources
        self.retention = retention
        self._arrivals = Arrivals()
        self.prune_at = 0  # when (ms) the history is checked next
        self.pruning: tuple[bytes, ...] = ()  # versions that are being removed
        self.in_use: dict[
            bytes, int
        ] = {}  # versions that a program has open for writing -> until when (wall, ns) they are kept
        self._thinning = Thinning()
        self.thin: list[bytes] = []  # versions to be removed regardless of space
        self._since: dict[bytes, int] = {}  # path -> when (ms) its content arrived
        self.rechecks: list[tuple[int, bytes]] = []  # due time (ms), name of the version to be checked again

    def begin(self, found: Iterable[Version]) -> None:
        """The program starts: check again what is young, and read what could not be read when it was listed. `found`: what
        the last run had not recorded."""
        listed = self._board.index.versions
        young = listed.since(self._board.now.wall_ns - RECHECK_MS[-1] * 1_000_000, RECHECK_MAX)
        unread = [version for version in (*found, *listed.unread(RECHECK_MAX)) if not version.content]
        for version in {version.name: version for version in (*young, *unread)}.values():
            self.recheck_later(version)

    def came(self, contents: Iterable[bytes]) -> None:
        """These contents arrived from peers just now."""
        self._arrivals.add(contents, self._board.now.mono_ms)

    def keep(self, version: Version, displaced: Record, path: bytes, by: Stamp) -> None:
        if version.kind == Kind.FILE:
            version = version._replace(content=displaced.content)
        if is_own(displaced) and not is_own_first(displaced) and by.maker.startswith("="):
            # This node has undone a change of its own. What came back is from a first scan, which nobody made.
            version = version._replace(maker=self._board.index.identity.replica)
        if displaced.attributes is not None and version.kind is displaced.kind:
            version = version._replace(attributes=displaced.attributes)
        self._board.index.versions.put(version)
        if version.kind == Kind.FILE and self._arrivals.is_brief(version.content, self._board.now.mono_ms):
            self._board.index.versions.put_brief(version.name)
        self.prune_at = min(self.prune_at, self._board.now.mono_ms + _PRUNE_AFTER_MS)
        self.recheck_later(version)
        if version.why == Cause.REPLACED and displaced.stamp.maker == version.maker and self.retention is not None:
            now = self._board.now.mono_ms
            # It may have arrived when its maker had replaced it already: the stamps show how long it was current there.
            lasted = max(now - self._since.get(path, 0), (by.ns - displaced.stamp.ns) // 1_000_000)
            room = self.retention.bytes_max
            self.thin += self._thinning.keep(path, version.name, version.size, lasted, now, room)
        if version.why == Cause.CONFLICT:
            self._board.tell(notes.Conflict(path, version.name))
            self._board.losers.add(displaced, version.name)

    def keep_unread(self, version: Version, displaced: Record | None) -> None:
        """List a version whose content nobody knows: it could not be read when it came out of the tree, and a program may have
        written as many bytes just before. It is listed without its digest until `recheck` can read it."""
        if displaced is not None and version.kind is displaced.kind:
            version = version._replace(attributes=displaced.attributes)
        self.rescued((version._replace(content=b""),))
        if version.why is Cause.CONFLICT:
            self._board.tell(notes.Conflict(version.path, version.name))

    def rescued(self, versions: Iterable[Version]) -> None:
        """Users' files that could not have their names back are in the history, as they are."""
        for version in versions:
            self._board.index.versions.put(version)
            self.prune_at = min(self.prune_at, self._board.now.mono_ms + _PRUNE_AFTER_MS)
            self.recheck_later(version)

    def note_since(self, path: bytes) -> None:
        self._since.pop(path, None)
        self._since[path] = self._board.now.mono_ms
        if len(self._since) > TIMES_MAX:
            del self._since[next(iter(self._since))]

    def prune_when_due(self) -> None:
        """Remove versions that are too old or beyond the size limit; if the disk is full, also as many as the waiting
        files need."""
        now = self._board.now
        if self.retention is None or self.pruning:
            return
        if self.thin:
            names = tuple(name for name in self.thin if self._board.index.versions.has(name))
            self.thin.clear()
            if names:
                self.pruning = names
                self._board.order(PruneJob(names, young=frozenset(names), thins=True))
                return
        if now.mono_ms < self.prune_at and not self._work.retries.is_short:
            return
        self.in_use = {name: until for name, until in self.in_use.items() if until > now.wall_ns}
        wanted = self._work.retries.short_bytes()
        over = self._board.index.versions.total_bytes() - self.retention.bytes_max
        young = now.wall_ns - _YOUNG_VERSION_NS
        chosen = {
            version.name: version
            for version in self._board.index.versions.old(now.wall_ns - self.retention.keep_ns, 256)
        }
        room, most = max(over, wanted), 256 + len(self.in_use)
        if room > 0:
            share = self.retention.bytes_max // SHARE
            more = crowding(self._board.index.versions.crowding(share, most), share)
            flooded = is_flooded(self._board.index.versions.brief_bytes(), over + self.retention.bytes_max)
            more += self._board.index.versions.least(most, flooded)
            free = {
                version.name: version
                for version in more
                if self._work.retries.is_short or version.name not in self.in_use
            }
            chosen.update((version.name, version) for version in enough(free.values(), room))
        if not chosen:
            self._board.index.journal.forget(now.wall_ns - self.retention.keep_ns, _CHANGES_MAX)
            self._work.retries.end_shortage()
            self.prune_at = now.mono_ms + (self._young_for_ms() if over > 0 else _PRUNE_EVERY_MS)
            return
        self.pruning = tuple(chosen)
        self._board.tell(notes.HistoryPruned(len(chosen), sum(version.size for version in chosen.values())))
        fresh = (
            ()
            if self._work.retries.is_short
            else (version.name for version in chosen.values() if version.time_ns >= young)
        )
        self._board.order(PruneJob(tuple(chosen), young=frozenset(fresh)))

    def on_pruned(self, names: tuple[bytes, ...]) -> None:
        until = self._board.now.wall_ns + _YOUNG_VERSION_NS
        self.in_use.update((name, until) for name in set(self.pruning) - set(names))
        self.pruning = ()
        for name in names:
            self._board.index.versions.drop(name)
        self.prune_at = self._board.now.mono_ms + 100
        for path in self._work.retries.end_shortage():  # there is disk space now
            self._work.retries.end_trouble(path)
            self._board.plan_queue.add(path)
        self._board.run_once_more()

    def recheck_when_due(self) -> None:
        """Check displaced versions again: a program that had the file open may have written into it."""
        names: dict[bytes, None] = {}
        while self.rechecks and self.rechecks[0][0] <= self._board.now.mono_ms and len(names) < RECHECK_MAX:
            names[heapq.heappop(self.rechecks)[1]] = None
        versions = [version for name in names if (version := self._board.index.versions.get(name)) is not None]
        if versions:
            self._board.order(RecheckJob(tuple(versions)))
            self._board.run_once_more()

    def recheck_later(self, version: Version) -> None:
        if version.kind == Kind.FILE or not version.content:
            for wait in RECHECK_MS:
                heapq.heappush(self.rechecks, (self._board.now.mono_ms + wait, version.name))

    def on_rechecked(self, versions: tuple[Version, ...], gone: tuple[bytes, ...]) -> None:
        """Versions as they are now. Those that changed get new rows, and are kept as long as losers of conflicts."""
        for name in gone:
            self._board.index.versions.drop(name)
        for version in versions:
            known = self._board.index.versions.get(version.name)
            if known is None:
                continue
            self._sources.trust(version.name, b"")
            if not known.content and version == known._replace(content=version.content):
                self._board.index.versions.put(version)  # it could not be read when it was listed
            elif version != known._replace(why=version.why):
                self._board.index.versions.put(version._replace(why=Cause.CONFLICT))
                self._board.tell(notes.WrittenLate(version.path, version.name))
                heapq.heappush(self.rechecks, (self._board.now.mono_ms + RECHECK_MS[-1], version.name))

    def doubt(self, version: Version) -> None:
        """The content of a version differs from its row: nothing is copied from it until it was checked."""
        self._sources.avoid_source(version.name, b"")
        self._board.order(RecheckJob((version,), closely=True))

    def _young_for_ms(self) -> int:
        """How long (ms) until a version that a program had open may be removed."""
        until = min(self.in_use.values(), default=self._board.now.wall_ns)
        return max((until - self._board.now.wall_ns) // 1_000_000 + 1, 1_000) if self.in_use else _PRUNE_EVERY_MS
