"""Notices contents that changed without their time, which is what a disk that goes bad looks like.

In:   changes that are recorded here. Out: a word to people, and which files these are.
Rule: such a change is announced like any other one: a program may put the time back after it wrote (an encrypted container, a
tag editor), and what a user wrote is never undone. So people are told of it, and others keep the former version.
Used by: recorder.
"""

from __future__ import annotations

from collections.abc import Iterator

from dir_sync.core import notes
from dir_sync.core.model import FINGERPRINT_BYTES, NS_PER_S, Kind, Record
from dir_sync.engine.board import Board
from dir_sync.engine.values import file_of
from dir_sync.index import Row

__all__ = ["SilentChanges"]

_NOTE = "silent "  # index notes, by path: the digest that was found, and when (Unix time)
_MOST = 100  # remembered
_TOLD_MAX, _TOLD_S = 20, 3_600  # so many are told of in so many seconds; `status` says the others
_KEPT_S = 7 * 86_400  # then everybody who wants to know has been told
_PASSING_MAX = 1_000  # files that came and went lately


class SilentChanges:
    """The last such changes, and what may be halves of a rename that nobody saw."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._told: list[int] = []  # when (Unix time)
        self._came: dict[bytes, Record] = {}  # by inode, size and time of the last write
        self._gone: dict[bytes, Record] = {}
        self._found: dict[bytes, tuple[bytes, int]] = {}
        for path, words in board.index.notes.below(_NOTE).items():
            digest, at_s = str(words).split()
            self._found[bytes.fromhex(path)] = bytes.fromhex(digest), int(at_s)

    def recorded(self, record: Record, known: Row | None, fp: bytes) -> None:
        """A change is about to be recorded. `known`: the row that it replaces; `fp`: of what is there now."""
        was = None if known is None or known.record.kind is not Kind.FILE or not known.fp else known
        is_file = record.kind is Kind.FILE and len(fp) == FINGERPRINT_BYTES
        if was is not None and is_file:
            if len(was.fp) == FINGERPRINT_BYTES and file_of(was.fp) == file_of(fp):
                self._compare(was.record, record)
        elif was is not None and record.kind is Kind.ABSENT:
            self._half(was.record, file_of(was.fp), self._gone)
            if (came := self._came.pop(file_of(was.fp), None)) is not None:
                self._compare(was.record, came)
        elif was is None and is_file:
            self._half(record, file_of(fp), self._came)
            if (gone := self._gone.pop(file_of(fp), None)) is not None:
                self._compare(gone, record)

    @staticmethod
    def _half(record: Record, file: bytes, halves: dict[bytes, Record]) -> None:
        """Keep what may be one half of a rename. A time without a fraction of a second says little: archives set one for many
        files, and a new file may get the inode of one that is gone."""
        if record.mtime % NS_PER_S:
            halves[file] = record
            if len(halves) > _PASSING_MAX:
                del halves[next(iter(halves))]

    def _compare(self, was: Record, now: Record) -> None:
        if was.content == now.content:
            return
        at_s = self._board.now.wall_ns // NS_PER_S
        self._found.pop(now.path, None)
        self._found[now.path] = now.content, at_s
        self._board.index.notes.put(_NOTE + now.path.hex(), f"{now.content.hex()} {at_s}")
        if len(self._found) > _MOST:
            self._forget(next(iter(self._found)))
        self._told = [when for when in self._told if when > at_s - _TOLD_S]
        if len(self._told) < _TOLD_MAX:
            self._told.append(at_s)
            self._board.tell(notes.SilentChange(now.path, now.size))

    def _forget(self, path: bytes) -> None:
        del self._found[path]
        self._board.index.notes.forget(_NOTE + path.hex())

    def found(self) -> Iterator[bytes]:
        """The files that are still as they were found, for a week."""
        now_s = self._board.now.wall_ns // NS_PER_S
        for path, (digest, at_s) in list(self._found.items()):
            row = self._board.index.rows.get(path)
            if row is None or row.record.content != digest or now_s - at_s > _KEPT_S:
                self._forget(path)
            else:
                yield path
