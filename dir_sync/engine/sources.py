"""Where a content is available just now, and which sources failed.

In:   wanted contents; sources that failed.
Out:  peers, files here and versions in the history that have a content; the best base of a delta for it.
Used by: versions, peer_losses, transfers, own_changes, uploader, applier, hard_links, incoming_moves, deltas_in,
fetcher, acquire, planner, intake, healing.
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

_DISPLACED_MAX = 10_000  # remembered contents that were displaced a moment ago ...
_DISPLACED_ALIKE_MAX = 100  # ... and files with the same content
_AVOID_MS = (60_000, 3_600_000)  # a disk error may pass: first and longest wait before the source is tried again


class Sources:
    """Where a content is available just now, and which sources failed."""

    def __init__(self, board: Board, work: WorkTable) -> None:
        self._board = board
        self._work = work
        # Path and fingerprint of a source whose copy failed -> until when (ms) it is avoided, and how often it failed.
        self._avoided: dict[tuple[bytes, bytes], tuple[int, int]] = {}
        self._displaced: dict[bytes, list[Displaced]] = {}  # by content; several equal files may be moved together
        # path -> its earlier name, as the maker of the announced version reported it
        self.origins: dict[bytes, bytes] = {}
        self._missing_there: dict[str, set[bytes]] = {}  # by peer: contents that it announced and could not give
        self._unknown_there: dict[str, set[bytes]] = {}  # ... and those that it was asked for by guess
        self.bases: dict[bytes, bytes] = {}  # path -> a content of ours as the base of a delta for it

    def has(self, offer: Offer, wanted: Record) -> bool:
        """True if the peer of this offer may be asked for the wanted content."""
        return same_content(offer.record, wanted) and self.may_be_asked(offer.peer, wanted.content)

    def keep_displaced(self, content: bytes, kept: Displaced) -> None:
        """Remember a displaced content: it may be wanted under another name in a moment."""
        if len(self._displaced) >= _DISPLACED_MAX:
            self._displaced.clear()
        alike = self._displaced.setdefault(content, [])
        alike.append(kept)
        del alike[:-_DISPLACED_ALIKE_MAX]

    def take_displaced(self, content: bytes) -> Displaced | None:
        """Remove and return the last displaced file with this content; None if there is none."""
        alike = self._displaced.get(content)
        if alike is None:
            return None
        kept = alike.pop()
        if not alike:
            del self._displaced[content]
        return kept

    def came_from(self, path: bytes, source: bytes) -> None:
        """The maker of the version announced at `path` reported this earlier name."""
        self.origins[path] = source

    def begin_with(self, path: bytes, content: bytes) -> None:
        """Use that content of ours as the base of a delta for `path`."""
        self.bases[path] = content

    def forget(self, path: bytes) -> None:
        """Nothing is wanted at `path` any more."""
        self.bases.pop(path, None)
        self.origins.pop(path, None)

    def trust(self, path: bytes, fp: bytes) -> None:
        """This file can be copied again."""
        self._avoided.pop((path, fp), None)

    def may_be_asked(self, replica: str, content: bytes) -> bool:
        holder = holder_of(replica)
        return holder in self._board.peers and content not in self._missing_there[holder]

    def note_missing(self, replica: str, content: bytes) -> None:
        """The peer announced the content and could not give it. It is not asked again until it announces it anew."""
        self._missing_there[replica].add(content)

    def may_be_guessed(self, replica: str, content: bytes) -> bool:
        """True if the peer may be asked for a content that it has not announced."""
        return self.may_be_asked(replica, content) and content not in self._unknown_there[replica]

    def note_unknown(self, replica: str, content: bytes) -> None:
        """The peer was asked for the content by guess, and does not know it. It is asked again when it says that it has it."""
        self._unknown_there[replica].add(content)

    def was_bad(self, target: Record, replica: str) -> None:
        """All of a content came from this peer, and is not what was announced: the file may have gone bad on its disk.
        Another holder is asked, or the same one later."""
        self._work.holders.holder_failed(target.path, replica)
        self._work.retries.note_bad(target.path, self._board.name_of(replica))

    def no_longer_missing(self, replica: str, content: bytes) -> bool:
        """The peer says that it has the content. True if it had been missing there."""
        missing, unknown = self._missing_there[replica], self._unknown_there[replica]
        if content not in missing and content not in unknown:
            return False
        missing.discard(content)
        unknown.discard(content)
        return True

    def forget_missing(self, replica: str) -> bool:
        """The peer may have its missing contents again. True if there were any."""
        were_any = bool(self._missing_there[replica] or self._unknown_there[replica])
        self._missing_there[replica], self._unknown_there[replica] = set(), set()
        return were_any

    def peer_came(self, peer: Contact) -> None:
        self._missing_there[peer.replica], self._unknown_there[peer.replica] = set(), set()

    def peer_gone(self, replica: str) -> None:
        del self._missing_there[replica], self._unknown_there[replica]

    def is_within_reach(self, wanted: Record, offers: list[Offer]) -> bool:
        """False if no connected peer has the wanted content, and no file here has it either."""
        if wanted.kind != Kind.FILE or not wanted.size:
            return True
        if any(self.has(offer, wanted) for offer in offers):
            return True
        ready = self._work.arrivals.ready(wanted.path)
        if ready is not None and ready.digest == wanted.content:
            return True
        if (
            self._board.index.rows.by_content(wanted.content)
            or self._board.index.versions.with_content(wanted.content) is not None
        ):
            return True
        return self.begins_here(wanted) is not None

    def avoid_source(self, path: bytes, fp: bytes) -> None:
        """A copy from this file failed: avoid it for a while, unless it changes."""
        if len(self._avoided) > 1_000:
            self._avoided.clear()
        _, tries = self._avoided.get((path, fp), (0, 0))
        first, longest = _AVOID_MS
        self._avoided[path, fp] = self._board.now.mono_ms + backoff(first, tries, longest), tries + 1

    def is_avoided(self, path: bytes, fp: bytes = b"") -> bool:
        """True if a copy from this file failed a short time ago. `fp`: b"" for a version in the history."""
        return (path, fp) in self._avoided and self._avoided[path, fp][0] > self._board.now.mono_ms

    def avoided_ms(self, content: bytes) -> int | None:
        """How long (ms) until a local copy of this content is tried again; None: it is not avoided."""
        if not self._avoided:
            return None
        keys = [(row.record.path, row.fp) for row in self._board.index.rows.by_content(content)]
        version = self._board.index.versions.with_content(content)
        if version is not None:
            keys.append((version.name, b""))
        until = [self._avoided[key][0] for key in keys if key in self._avoided]
        return max(0, min(until) - self._board.now.mono_ms) if until else None

    def where_is(self, content: bytes, path: bytes) -> tuple[bytes, bytes, int] | None:
        """Path, fingerprint (b"" in the history) and size (bytes) of a local file with that content; preferably `path`
        itself."""
        rows = [row for row in self._board.index.rows.by_content(content) if len(row.fp) == FINGERPRINT_BYTES]
        for row in sorted(rows, key=lambda row: row.record.path != path):
            if row.record.path == path or not self._work.jobs.is_at(row.record.path):
                return row.record.path, row.fp, row.record.size
        version = self._board.index.versions.with_content(content)
        if version is None or self.is_avoided(version.name):
            return None
        return version.name, b"", version.size

    def base_of(self, path: bytes, row: Row | None) -> tuple[bytes, int] | None:
        """Digest and size (bytes) of a local content as the base of a delta for `path`: its present content, or that of
        its earlier name."""
        if row is not None and row.record.kind == Kind.FILE and len(row.fp) == FINGERPRINT_BYTES:
            return row.record.content, row.record.size
        origin = self._board.index.rows.get(self.origins[path]) if path in self.origins else None
        if origin is not None and origin.record.kind == Kind.FILE and len(origin.fp) == FINGERPRINT_BYTES:
            self.bases[path] = origin.record.content
        content = self.bases.get(path)
        if content is None:
            return None
        where = self.where_is(content, path)
        return None if where is None else (content, where[2])

    def begins_here(self, wanted: Record) -> Row | None:
        """The row of a path whose file may begin with the wanted older version: the history does not keep such a
        version."""
        row = self._board.index.rows.get(wanted.path)
        if row is None or row.record.kind != Kind.FILE or not 0 < wanted.size < row.record.size:
            return None
        if len(row.fp) != FINGERPRINT_BYTES or self.is_avoided(wanted.path, row.fp):
            return None
        return row if self._board.index.offers.of_peer(wanted.path, OURS) is not None else None
