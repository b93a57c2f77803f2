"""Remembers which files have gone bad on the disk, until they are good again, or are edited.

In:   what reading again has found; what looks find. Out: files that are known to be bad; looks that do not take their bytes
for an edit.
Rule: what is known is known of the file itself: inode, size, time of the last write and the digest of the bad bytes. All
names of it have them, whatever names it gets or loses. So another link count, mode or name never makes an edit of them, and a
write or another time of the last write always does.
Used by: hard_links, healing, verify_answers, verifying.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dir_sync.core import limits, notes
from dir_sync.core.frozen import mutable
from dir_sync.core.looks import Listing, LookOutcome, Seen
from dir_sync.core.model import FINGERPRINT_BYTES, NS_PER_S, Kind, inode_of
from dir_sync.core.verify import Checked, Item, Outcome
from dir_sync.engine.board import Board
from dir_sync.engine.deltas_out import DeltasForPeers
from dir_sync.engine.values import file_of, fp_of_file
from dir_sync.index import Row

__all__ = ["RottenFiles"]

_NOTE = "rotten "  # index notes, by the file: recorded and found digest, when it was found (Unix time), whether it is healed
_MOST = 1_000  # remembered: with more, a disk is to be replaced


@mutable
class _Bad:
    """A file that is bad. `good`: the recorded digest; `found`: that of what is there. `heals`: it is to be healed."""

    good: bytes
    found: bytes
    at_s: int
    heals: bool


class RottenFiles:
    """`again`: by path, what looks found under another fingerprint, and is to be healed."""

    def __init__(self, board: Board, deltas_out: DeltasForPeers) -> None:
        self._board = board
        self._deltas_out = deltas_out
        self._bad: dict[bytes, _Bad] = {}
        self.again: dict[bytes, Checked] = {}
        for key, words in board.index.notes.below(_NOTE).items():
            good, found, at_s, heals = str(words).split()
            self._bad[bytes.fromhex(key)] = _Bad(bytes.fromhex(good), bytes.fromhex(found), int(at_s), heals == "1")

    def read(self, found: Iterable[Checked], heals: bool) -> None:
        """These entries were read again. `heals`: what is bad is to be healed."""
        for one in found:
            if one.outcome is Outcome.ROTTEN:
                self._remember(one, heals)
            elif one.outcome is Outcome.SAME and self._bad:
                self._forget(file_of(one.item.fp))

    def _remember(self, one: Checked, heals: bool) -> None:
        key = file_of(one.item.fp)
        known = self._bad.get(key)
        if known is None and len(self._bad) >= _MOST:
            self._forget_edited()
        if known is None and len(self._bad) >= _MOST:
            return
        heals = heals or (known is not None and known.heals)
        now = _Bad(one.item.content, one.found, self._board.now.wall_ns // NS_PER_S, heals)
        self._bad[key] = now
        words = f"{now.good.hex()} {now.found.hex()} {now.at_s} {now.heals:d}"
        self._board.index.notes.put(_NOTE + key.hex(), words)

    def _forget(self, key: bytes) -> None:
        if self._bad.pop(key, None) is not None:
            self._board.index.notes.forget(_NOTE + key.hex())

    def _forget_edited(self) -> None:
        """Forget the files that are others by now."""
        for key in [key for key in self._bad if not self.names(fp_of_file(key))]:
            self._forget(key)

    def is_bad(self, fp: bytes) -> bool:
        """True if the file with this fingerprint is known to be bad."""
        return bool(self._bad) and file_of(fp) in self._bad

    def names(self, fp: bytes) -> list[Row]:
        """The names that a bad file still has."""
        key = file_of(fp)
        bad = self._bad.get(key)
        if bad is None:
            return []
        rows = self._board.index.rows.names_of(bad.good, inode_of(fp))
        return [row for row in rows if file_of(row.fp) == key]

    def healed(self, fp: bytes) -> None:
        """One name of a bad file has its recorded content again. Look at the others: the file has lost a name, so it has
        another fingerprint."""
        names, now = self.names(fp), self._board.now.mono_ms
        for row in names:
            self._board.pending_looks.add(row.record.path, now, now)
        if not names:
            self._forget(file_of(fp))

    def known(self) -> Iterator[tuple[bytes, int, bool]]:
        """The paths of the bad files, when that was found (Unix time, s), and whether they are to be healed."""
        for key, bad in self._bad.items():
            for row in self.names(fp_of_file(key)):
                yield row.record.path, bad.at_s, bad.heals

    # What looks find

    def take_again(self) -> list[Checked]:
        """Remove and return what is to be healed."""
        found, self.again = list(self.again.values()), {}
        return found

    def as_recorded(self, seen: Seen) -> Seen:
        """The same, with the recorded content in the place of bytes that are known to be bad."""
        if seen.kind is not Kind.FILE or seen.look is not LookOutcome.FOUND:
            return seen
        self._prove(seen)
        return self._known_as_recorded(seen)

    def _prove(self, seen: Seen) -> None:
        """A look found another content, and nothing else is new but the ctime, which is that of all names of a file. If the row
        of another name has just this ctime with the recorded content, nobody has changed the content since. That of a large
        file may have it without having been read."""
        row = self._board.index.rows.get(seen.path)
        if (
            row is None
            or row.record.kind is not Kind.FILE
            or row.record.content == seen.content
            or seen.size >= limits.LARGE_FILE_BYTES
            or self.is_bad(seen.fp)
        ):
            return
        if file_of(row.fp) != file_of(seen.fp) or len(seen.fp) != FINGERPRINT_BYTES:
            return
        names = self._board.index.rows.names_of(row.record.content, inode_of(seen.fp))
        if any(name.fp == seen.fp and name.record.path != seen.path for name in names):
            item = Item(seen.path, Kind.FILE, seen.fp, seen.size, row.record.content)
            self._remember(Checked(item, Outcome.ROTTEN, seen.content), heals=False)
            self._board.tell(notes.Rotten(seen.path, seen.size))

    def _known_as_recorded(self, seen: Seen) -> Seen:
        bad = self._bad.get(file_of(seen.fp))
        if bad is None or seen.content != bad.found:
            return seen
        self._deltas_out.drop_delta(seen.delta)
        if bad.heals:
            item = Item(seen.path, Kind.FILE, seen.fp, seen.size, bad.good)
            self.again[seen.path] = Checked(item, Outcome.ROTTEN, bad.found)
        return seen._replace(content=bad.good, data=None, delta=None, grown=None)

    def listed_as_recorded(self, listing: Listing) -> Listing:
        """The same for what a listing has read."""
        if not self._bad or not listing.seen:
            return listing
        return listing._replace(seen=tuple([self._known_as_recorded(one) for one in listing.seen]))
