"""Turns notes into log lines: one line for an event, one for many equal events.

In:   notes and the time. Out: lines for the log.
Rule: names are escaped. Of many equal events within one second a few get lines and the others are counted; with -v
every file is named. Several files with the same problem share one line. Progress that stands still, as while something
is held, is told again after a minute, and then ever more seldom, so that it drives no other line out of sight.
"""

from __future__ import annotations

import sys
from typing import TypeVar

from dir_sync.core import notes
from dir_sync.core.frozen import mutable
from dir_sync.core.notes import Note
from dir_sync.core.progress import Progress
from dir_sync.reporting.live_line import is_live
from dir_sync.reporting.log import Once, is_verbose, passing
from dir_sync.reporting.progress_words import going_out_to, progress_words
from dir_sync.reporting.sentences import Common, Sentences, Wrong, details

__all__ = ["Narrator"]

T = TypeVar("T")

_ON_TERMINAL_S = 1.0
_ELSEWHERE_S = 60.0
_STANDING_MAX_S = 3_600.0  # between two lines about what stands still

_SINGLE_MAX = 5  # lines of one kind in one interval; the others are counted
_BREATH_S = 1.0
_TROUBLE_AGAIN_S = 600.0  # a file that still cannot be written is reported again after this
_REMEMBERED_MAX = 1_000  # notes that wait for the note that completes them


@mutable
class _Crowd:
    since_s: float
    count: int = 0
    hidden: int = 0  # of these, without a line of their own
    size: int = 0


@mutable
class _Standing:
    """How far the whole has come, and when that is told again if nothing moves."""

    figures: tuple[int | None, ...]
    due_s: float
    wait_s: float = _ELSEWHERE_S


class Narrator:
    """Engine thread only."""

    def __init__(self, folder: str = "DIR", once: Once | None = None, label: str = "") -> None:
        """`folder`: the shared one, for commands that people can paste. `once`: lines that were said, and are not said again.
        `label`: what each line begins with, where there are several folders."""
        self.whole_every_s = _ON_TERMINAL_S if is_live(sys.stderr) else _ELSEWHERE_S  # between lines about the whole
        self._whole_due_s: dict[str, float] = {}  # when the log file gets the next one
        self._standing: dict[str, _Standing] = {}  # by direction
        self._sentences = Sentences(folder, once or Once(), label)
        self._passing = Sentences(folder, Once(), log=passing(label))
        self._crowds: dict[tuple[type[Common], str], _Crowd] = {}  # by kind and peer
        # path -> how its content arrived, until it is installed
        self._came: dict[bytes, notes.Fetched | notes.FetchedDelta] = {}
        self._empty: dict[bytes, tuple[notes.NewHere, float]] = {}  # new empty files, and since when
        self._troubled: dict[bytes, float] = {}  # files that could not be written, and when that was logged
        self._wrong: dict[tuple[type[Wrong], str], tuple[float, list[Wrong]]] = {}  # since when; the notes

    def tell(self, note: Note, now_s: float) -> None:
        """Log the note, or count it."""
        match note:
            case notes.Fetched() | notes.FetchedDelta():  # the line follows when the file is installed
                _remember(self._came, note.path, note)
            case notes.Received() | notes.Copied() | notes.Renamed():
                self._troubled.pop(note.path, None)
                if not (isinstance(note, notes.Received) and note.path in self._came and self._say_how_it_came(note)):
                    self._count(note, now_s)
            case notes.ReceivedMany() | notes.SentMany():
                self._count_many(note, now_s)
            case notes.NewHere() if not note.size and note.path not in self._empty:
                _remember(self._empty, note.path, (note, now_s))  # a copy begins with an empty file
            case notes.ChangedHere() | notes.RenamedHere() | notes.DeletedHere():
                self._count(self._as_one(note, now_s), now_s)
            case _ if isinstance(note, Common):
                self._count(note, now_s)
            case _ if isinstance(note, Wrong):
                self._complain(note, now_s)
            case _:
                self._sentences.single(note)

    def _as_one(
        self, note: notes.ChangedHere | notes.RenamedHere | notes.DeletedHere, now_s: float
    ) -> notes.LocalChange:
        """A new empty file that is changed counts as one new file."""
        empty = self._empty.pop(note.source if isinstance(note, notes.RenamedHere) else note.path, None)
        if empty is not None and isinstance(note, notes.ChangedHere):
            return notes.NewHere(note.path, note.size)
        if empty is not None:
            self._count(empty[0], now_s)
        return note

    def _crowd(self, kind: type[Common], peer: str, count: int, now_s: float) -> _Crowd:
        """The crowd of this kind in the current interval, with `count` added."""
        crowd = self._crowds.get((kind, peer))
        if crowd is None:
            crowd = self._crowds[kind, peer] = _Crowd(now_s)
        crowd.count += count
        return crowd

    def _count(self, note: Common, now_s: float) -> None:
        peer, size, _ = details(note)
        crowd = self._crowd(type(note), peer, 1, now_s)
        if crowd.count <= _SINGLE_MAX or is_verbose():
            self._sentences.common(note)
        else:
            crowd.hidden += 1
            crowd.size += size

    def _count_many(self, note: notes.ReceivedMany | notes.SentMany, now_s: float) -> None:
        kind = notes.Received if isinstance(note, notes.ReceivedMany) else notes.Sent
        if is_verbose():
            for path, size in note.files:
                self.tell(kind(path, note.peer, size), now_s)
        else:
            crowd = self._crowd(kind, note.peer, len(note.files), now_s)
            crowd.hidden += len(note.files)
            crowd.size += note.size

    def _complain(self, note: Wrong, now_s: float) -> None:
        """Log a problem after an interval, together with all files that have the same problem."""
        reason = ""
        match note:
            case notes.CannotWrite(path, reason):
                since_s = self._troubled.get(path)
                if since_s is not None and now_s - since_s < _TROUBLE_AGAIN_S:
                    # logged, and the file was not received since: a later step reports the same problem in other words
                    return
                _remember(self._troubled, path, now_s)
            case notes.Skipped(_, reason) | notes.Unreadable(_, reason):
                pass
            case notes.NotTaken():
                reason = str(note.most)
        if is_verbose():
            self._sentences.wrong(note)
        else:
            self._wrong.setdefault((type(note), reason), (now_s, []))[1].append(note)

    def breathe(self, now_s: float, all_of_it: bool = False) -> float | None:
        """Log the crowds whose interval is over. Returns when to call again; None if nothing waits."""
        if not (self._crowds or self._empty or self._wrong):
            return None
        first_s = None  # asked after most turns, so without a generator
        for path, (note, since_s) in list(self._empty.items()):
            if all_of_it or now_s - since_s >= _BREATH_S:
                del self._empty[path]
                self._count(note, now_s)
            elif first_s is None or since_s < first_s:
                first_s = since_s
        for group, (since_s, same) in list(self._wrong.items()):
            if all_of_it or now_s - since_s >= _BREATH_S:
                del self._wrong[group]
                self._sentences.wrong(*same)
            elif first_s is None or since_s < first_s:
                first_s = since_s
        for key, crowd in list(self._crowds.items()):
            if not all_of_it and now_s - crowd.since_s < _BREATH_S:
                if first_s is None or crowd.since_s < first_s:
                    first_s = crowd.since_s
                continue
            del self._crowds[key]
            if crowd.hidden > 0:
                self._sentences.more(*key, crowd.hidden, crowd.size)
        return first_s

    def whole(self, words: str, progress: Progress, now_s: float, machines: int = 1) -> None:
        """Log how far all that comes here, or goes out to so many machines, has come. What is said more often on a terminal
        is not for the log file."""
        if not self._has_moved(words, progress, now_s):
            return
        is_due = now_s >= self._whole_due_s.get(words, now_s)
        if is_due:
            self._whole_due_s[words] = now_s + _ELSEWHERE_S
        words = going_out_to(machines) if machines > 1 else words
        (self._sentences if is_due else self._passing).whole(words, progress_words(progress))

    def _has_moved(self, words: str, progress: Progress, now_s: float) -> bool:
        """False if this was told already, and not so long ago."""
        figures = progress[:6]  # without the speed, which fades, and the time
        standing = self._standing.get(words)
        if standing is None or standing.figures != figures:
            self._standing[words] = _Standing(figures, now_s + _ELSEWHERE_S)
            return True
        if now_s < standing.due_s:
            return False
        standing.wait_s = min(standing.wait_s * 2, _STANDING_MAX_S)
        standing.due_s = now_s + standing.wait_s
        return True

    def progress(
        self, path: bytes, peer: str, done: int, size: int, since_s: float, began_at: int, sending: bool = False
    ) -> None:
        """Log the progress of a large content that is received, or sent to a peer."""
        self._sentences.progress(path, peer, done, size, since_s, began_at, sending)

    def _say_how_it_came(self, note: notes.Received) -> bool:
        came = self._came.pop(note.path)
        if came.size != note.size:
            return False
        self._sentences.came(came)
        return True


def _remember(notes_: dict[bytes, T], path: bytes, note: T) -> None:
    while len(notes_) >= _REMEMBERED_MAX:
        del notes_[next(iter(notes_))]
    notes_[path] = note
