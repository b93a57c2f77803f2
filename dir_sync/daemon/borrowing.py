"""Contents that another folder of this node has: they are read there, and not asked of a peer.

In:   the pulls of one folder for a peer. Out: those that the peer has to answer; the others are read by the workers of the
other folder, and come back as if the peer had sent them.
Rule: a content is identified by its hash, and verified as any other when it is complete. What was read here once and is asked
for again is asked of the peer, so a damaged file here cannot stand in the way.
Used by: effects, folder, sharing.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable

from dir_sync.core.events import Event
from dir_sync.core.jobs import ReadDone, ReadItem, ReadJob
from dir_sync.core.messages import Piece, Pull, PullItem
from dir_sync.core.named import NamedTuple
from dir_sync.core.notes import Fetched, Note, Received
from dir_sync.core.overload.fairness import Flow
from dir_sync.daemon.inbox import HERE, For, Post
from dir_sync.daemon.share import Share

__all__ = ["Borrowed", "Borrowing"]

_REMEMBERED_MAX = 10_000  # contents that were read here


class Borrowed(NamedTuple):
    """Another folder has answered. `refused`: the ids of pulls that the peer has to answer after all."""

    peer: str
    link: int
    pieces: tuple[Piece, ...]
    refused: tuple[int, ...]


class Borrowing:
    """Of one folder. Engine thread only."""

    def __init__(self, post: Post, others: Callable[[], Iterable[Share]]) -> None:
        """`post`: the inbox of this folder. `others`: the other folders of the node."""
        self._post = post
        self._others = others
        self._pulls: dict[tuple[int, int], tuple[str, PullItem, Share]] = {}  # being read, by link and id; the peer
        self._lent: dict[bytes, str] = {}  # path -> the folder from which its content came, until that is told
        self._read: dict[tuple[bytes, int], None] = {}  # contents and offsets that were read here, oldest first

    def split(self, peer: str, link: int, pull: Pull) -> tuple[PullItem, ...]:
        """The pulls that the peer has to answer. The others are being read."""
        left: list[PullItem] = []
        jobs: dict[Share, list[ReadItem]] = {}
        for item in pull.pulls:
            found = self._lender_of(item)
            if found is None:
                left.append(item)
                continue
            share, path, fp, kept = found
            self._pulls[link, item.id] = peer, item, share
            self._read[item.digest, item.offset] = None
            if len(self._read) > _REMEMBERED_MAX:
                del self._read[next(iter(self._read))]
            jobs.setdefault(share, []).append(ReadItem(item.id, path, fp, item.offset, item.length, kept))
        for share, items in jobs.items():
            share.workers.lend(ReadJob(peer, link, tuple(items)), self._came_back)
        return tuple(left)

    def taken(self, borrowed: Borrowed) -> tuple[PullItem, ...]:
        """The answer is here. Returns the pulls that the peer has to answer after all."""
        for piece in borrowed.pieces:
            pull = self._pulls.pop((borrowed.link, piece.key), None)
            if pull is not None:
                self._lent[pull[1].path] = pull[2].engine.board.folder
        if len(self._lent) > _REMEMBERED_MAX:
            self._lent.clear()  # only words in the log depend on it
        refused = [self._pulls.pop((borrowed.link, id_), None) for id_ in borrowed.refused]
        for one in refused:
            if one is not None:
                self._lent.pop(one[1].path, None)
        return tuple(one[1] for one in refused if one is not None)

    def in_words(self, note: Note) -> Note | None:
        """The note for the log: what was read in another folder did not come from the peer. None: nothing is said."""
        match note:
            case Fetched(path) if path in self._lent:
                return None  # it did not travel, so it had no speed
            case Received(path, _, size) if path in self._lent:
                return Received(path, f"the folder {self._lent.pop(path)} of this machine", size)
        return note

    def lender_gone(self, share: Share) -> list[tuple[str, int, PullItem]]:
        """That folder is not shared any more. Returns the pulls that it will not answer, each with its peer and link."""
        gone = [key for key, (_, _, lender) in self._pulls.items() if lender is share]
        return [(peer, key[0], item) for key in gone for peer, item, _ in [self._pulls.pop(key)]]

    def _lender_of(self, pull: PullItem) -> tuple[Share, bytes, bytes, tuple[int, int] | None] | None:
        """A folder that has the content; path and fingerprint of the file there; of an old version its size and time."""
        if pull.base is not None or (pull.digest, pull.offset) in self._read:
            return None
        for share in self._others():
            try:
                row = next((row for row in share.index.rows.by_content(pull.digest) if row.fp), None)
                if row is not None:
                    return share, row.record.path, row.fp, None
                version = share.index.versions.with_content(pull.digest)
                if version is not None:
                    return share, version.name, b"", (version.size, version.mtime)
            except sqlite3.Error:  # that folder is in trouble, and this one is not
                continue
        return None

    def _came_back(self, event: Event | None) -> None:
        """A worker of the other folder has read. Any thread."""
        if isinstance(event, ReadDone):
            refused = tuple(id_ for id_, _ in event.refused)
            self._post.put(For(Flow(HERE.group, "borrowed"), Borrowed(event.peer, event.link, event.pieces, refused)))
