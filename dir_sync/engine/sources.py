"""Where a content can be had just now, and where it could not.

In:   contents that are wanted; sources that turned out to be none.
Out:  peers, paths here and kept versions that have a content, or the best base of a delta for it.
Used by: versions, peer_losses, transfers, uploader, applier, incoming_moves, deltas_in, fetcher, acquire, planner,
      intake.
"""

from __future__ import annotations

from dir_sync.core.backoff import backoff
from dir_sync.core.model import FINGERPRINT_BYTES, Kind, Record, same_content
from dir_sync.core.peers.contact import Contact
from dir_sync.core.reconcile import Offer
from dir_sync.engine.board import Board
from dir_sync.engine.constants import OURS
from dir_sync.engine.values import Displaced, holder_of
from dir_sync.engine.work import WorkTable
from dir_sync.index import Row

__all__ = ["Sources"]

_DISPLACED_MAX = 10_000  # contents remembered that were displaced a moment ago ...
_DISPLACED_ALIKE_MAX = 100  # of one content
_AVOID_MS = (60_000, 3_600_000)  # a copy may have failed for a trouble of the disk that passes: first wait, longest


class Sources:
    """Where a content can be had just now, and where it could not."""

    def __init__(self, board: Board, work: WorkTable) -> None:
        self._board = board
        self._work = work
        # Path and fingerprint of what could not be copied -> until when (ms), and how often that was so
        self._avoided: dict[tuple[bytes, bytes], tuple[int, int]] = {}
        self._displaced: dict[bytes, list[Displaced]] = {}  # by content; equal files may move together
        self.origins: dict[bytes, bytes] = {}  # path -> the name that its maker says it had
        self._missing_there: dict[str, set[bytes]] = {}  # by peer: contents that it lacks itself, and does not know why
        self.bases: dict[bytes, bytes] = {}  # path -> content of ours that a delta for it may begin with

    def has(self, offer: Offer, wanted: Record) -> bool:
        """True if the content that is wanted may be asked for where this offer comes from."""
        return same_content(offer.record, wanted) and self.may_be_asked(offer.peer, wanted.content)

    def keep_displaced(self, content: bytes, kept: Displaced) -> None:
        """That content was displaced just now: it may be wanted under another name."""
        if len(self._displaced) >= _DISPLACED_MAX:
            self._displaced.clear()
        alike = self._displaced.setdefault(content, [])
        alike.append(kept)
        del alike[:-_DISPLACED_ALIKE_MAX]

    def take_displaced(self, content: bytes) -> Displaced | None:
        """The last of its kind; it is not given twice."""
        alike = self._displaced.get(content)
        if alike is None:
            return None
        kept = alike.pop()
        if not alike:
            del self._displaced[content]
        return kept

    def came_from(self, path: bytes, source: bytes) -> None:
        """The maker of what is announced at `path` says that it had that name."""
        self.origins[path] = source

    def begin_with(self, path: bytes, content: bytes) -> None:
        """A delta for `path` may begin with that content of ours."""
        self.bases[path] = content

    def forget(self, path: bytes) -> None:
        """Nothing is wanted there any more."""
        self.bases.pop(path, None)
        self.origins.pop(path, None)

    def trust(self, path: bytes, fp: bytes) -> None:
        """It can be copied from again."""
        self._avoided.pop((path, fp), None)

    def may_be_asked(self, node: str, content: bytes) -> bool:
        holder = holder_of(node)
        return holder in self._board.peers and content not in self._missing_there[holder]

    def note_missing(self, node: str, content: bytes) -> None:
        """That peer announces the content and does not have it: it is not asked for it, until it announces it anew."""
        self._missing_there[node].add(content)

    def no_longer_missing(self, node: str, content: bytes) -> bool:
        """That peer has announced the content. True if it was missing there."""
        missing = self._missing_there[node]
        if content not in missing:
            return False
        missing.remove(content)
        return True

    def forget_missing(self, node: str) -> bool:
        """That peer may have again what it missed. True if there was anything."""
        missing, self._missing_there[node] = self._missing_there[node], set()
        return bool(missing)

    def peer_came(self, peer: Contact) -> None:
        self._missing_there[peer.replica] = set()

    def peer_gone(self, node: str) -> None:
        del self._missing_there[node]

    def is_within_reach(self, wanted: Record, offers: list[Offer]) -> bool:
        """False if nobody who is here has what is wanted, and we have it nowhere else."""
        if wanted.kind != Kind.FILE or not wanted.size:
            return True
        if any(self.has(offer, wanted) for offer in offers):
            return True
        ready = self._work.arrivals.ready(wanted.path)
        if ready is not None and ready.digest == wanted.content:
            return True
        if self._board.index.by_content(wanted.content) or self._board.index.version_with(wanted.content) is not None:
            return True
        return self.begins_here(wanted) is not None

    def avoid_source(self, path: bytes, fp: bytes) -> None:
        """A copy from there has failed: others are asked for a while, as long as it is as it is."""
        if len(self._avoided) > 1_000:
            self._avoided.clear()
        _, tries = self._avoided.get((path, fp), (0, 0))
        first, longest = _AVOID_MS
        self._avoided[path, fp] = self._board.now.mono_ms + backoff(first, tries, longest), tries + 1

    def is_avoided(self, path: bytes, fp: bytes = b"") -> bool:
        """True if a copy from there has failed a short time ago. `fp`: b"" in the history."""
        return (path, fp) in self._avoided and self._avoided[path, fp][0] > self._board.now.mono_ms

    def avoided_ms(self, content: bytes) -> int | None:
        """How long until it is tried again to copy this content from somewhere here; None: it is not avoided."""
        if not self._avoided:
            return None
        keys = [(row.record.path, row.fp) for row in self._board.index.by_content(content)]
        version = self._board.index.version_with(content)
        if version is not None:
            keys.append((version.name, b""))
        until = [self._avoided[key][0] for key in keys if key in self._avoided]
        return max(0, min(until) - self._board.now.mono_ms) if until else None

    def where_is(self, content: bytes, path: bytes) -> tuple[bytes, bytes, int] | None:
        """Name, fingerprint (b"" in the history) and size of a file of ours with that content, `path` itself if it can be."""
        rows = [row for row in self._board.index.by_content(content) if len(row.fp) == FINGERPRINT_BYTES]
        for row in sorted(rows, key=lambda row: row.record.path != path):
            if row.record.path == path or not self._work.jobs.is_at(row.record.path):
                return row.record.path, row.fp, row.record.size
        version = self._board.index.version_with(content)
        if version is None or self.is_avoided(version.name):
            return None
        return version.name, b"", version.size

    def base_of(self, path: bytes, row: Row | None) -> tuple[bytes, int] | None:
        """Digest and size of a content of ours from which a delta for `path` may begin: what is there, or what was there
        under the old name."""
        if row is not None and row.record.kind == Kind.FILE and len(row.fp) == FINGERPRINT_BYTES:
            return row.record.content, row.record.size
        origin = self._board.index.get(self.origins[path]) if path in self.origins else None
        if origin is not None and origin.record.kind == Kind.FILE and len(origin.fp) == FINGERPRINT_BYTES:
            self.bases[path] = origin.record.content
        content = self.bases.get(path)
        if content is None:
            return None
        where = self.where_is(content, path)
        return None if where is None else (content, where[2])

    def begins_here(self, wanted: Record) -> Row | None:
        """What is at a path, if it may begin with the older content that somebody wants back there: such a version is in no
        history."""
        row = self._board.index.get(wanted.path)
        if row is None or row.record.kind != Kind.FILE or not 0 < wanted.size < row.record.size:
            return None
        if len(row.fp) != FINGERPRINT_BYTES or self.is_avoided(wanted.path, row.fp):
            return None
        return row if self._board.index.offer(wanted.path, OURS) is not None else None
