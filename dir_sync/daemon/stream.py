"""The live stream of events of one folder: what its node tells people, for programs that listen.

In:   notes, on the engine's thread; readers, by the control socket.
Out:  to each reader lines of JSON: first `begun`, then events from some moment on, at last `ended` when the node ends.
Rule: nobody who reads holds up the node. Each reader has a bounded queue and a thread of its own; what does not fit into the
queue is dropped, and the reader is told how many. Without a reader, a note costs its place among the last ones.
Used by: effects, hooks, sharing.
"""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Iterator

from dir_sync.core.live_notes import Begun, Ended, Event, Missed, TransferMoved
from dir_sync.core.named import NamedTuple
from dir_sync.core.notes import ReceivedMany, SentMany
from dir_sync.network.control import Answer, line_of

__all__ = ["Reader", "Stream"]

RECENT_MAX = 1_000  # events that are kept for readers to come
QUEUE_MAX = 10_000  # events, and files named in them, that wait for one reader
READERS_MAX = 16
_NAMED_MAX = 20  # files that are named in an event that is kept
_FILES_MAX = 2_000  # files that are named in one line
_OUT_BYTES = 65_536
_LAST_WORDS_S = 0.3  # at the end of the node, a reader has so long to take what waits for it

_MANY = frozenset({ReceivedMany, SentMany})


class Entry(NamedTuple):
    """One event. The number grows by one with each, and begins with the time: it is never that of an earlier run."""

    number: int
    mono_s: float
    event: Event
    more: int = 0  # files that it does not name

    def to_json(self) -> Answer:
        """The object, with its id, and when it happened in Unix time."""
        from dir_sync.core.note_json import to_json  # imported late: most nodes have no reader

        when = round(time.time() - time.monotonic() + self.mono_s, 3)
        return to_json(self.event) | {"id": self.number, "time": when}


class Reader:
    """The queue of one reader. `put` is for the engine's thread, `taken` and `wait` for the reader's."""

    def __init__(self) -> None:
        self.is_over = False
        self.dropped = 0  # in total; written by `put` only
        self._queue: deque[tuple[Entry, int]] = deque()  # and how many had been dropped before it
        self._put = 0  # weight of all that was put; written by `put` only
        self._taken = 0  # of all that was taken; written by `taken` only
        self._told = 0  # how many of the dropped ones were reported
        self._lock = threading.Lock()  # held while the descriptor is used or closed
        self._bell: int | None = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._has_rung = False

    @property
    def bell(self) -> int:
        """A descriptor that can be read when something is there."""
        assert self._bell is not None
        return self._bell

    def put(self, entry: Entry) -> None:
        """Never waits."""
        weight = _weight(entry.event)
        if self._put - self._taken + weight > QUEUE_MAX:
            self.dropped += 1
            return
        self._put += weight
        self._queue.append((entry, self.dropped))
        if not self._has_rung:
            self._ring()

    def _ring(self) -> None:
        self._has_rung = True
        with self._lock:
            if self._bell is not None:
                os.eventfd_write(self._bell, 1)

    def end(self) -> None:
        """Nothing more will come. Any thread."""
        self.is_over = True
        self._ring()

    def heard(self) -> None:
        """The bell was heard: it rings again for what comes from now on."""
        try:
            os.eventfd_read(self.bell)
        except BlockingIOError:
            pass
        self._has_rung = False

    def taken(self) -> Entry | Missed | None:
        """The next one; how many were dropped in that place; None if nothing is there."""
        if not self._queue:
            return self._gap(self.dropped)
        gap = self._gap(self._queue[0][1])
        if gap is not None:
            return gap
        entry, _ = self._queue.popleft()
        self._taken += _weight(entry.event)
        return entry

    def _gap(self, dropped: int) -> Missed | None:
        if dropped <= self._told:
            return None
        missed, self._told = Missed(dropped - self._told), dropped
        return missed

    def close(self) -> None:
        with self._lock:
            if self._bell is not None:
                os.close(self._bell)
                self._bell = None


def _weight(event: Event) -> int:
    return 1 + len(event.files) if isinstance(event, ReceivedMany | SentMany) else 1


class Stream:
    """Of one folder. `tell` is for the engine's thread; `serve` runs on the thread of a reader."""

    def __init__(self, folder: str, name: str) -> None:
        """`folder`: under which name it is shared. `name`: of this node."""
        self._begun = Begun(name, folder)
        self._first = self._number = int(time.time() * 1_000_000)
        # plain tuples: a named one costs twice as much as all the rest of `tell`
        self._recent: deque[tuple[int, float, Event, int]] = deque(maxlen=RECENT_MAX)
        self._readers: tuple[Reader, ...] = ()  # replaced as a whole
        self._lock = threading.Lock()  # held while `_readers` is replaced
        self._is_over = False

    def tell(self, event: Event, mono_s: float) -> None:
        """Keep it, and give it to those who listen."""
        self._number += 1
        if type(event) is TransferMoved:
            pass  # it counts for the moment only, and would take the places of others
        elif type(event) in _MANY:
            self._recent.append(_shorter(Entry(self._number, mono_s, event), _NAMED_MAX))
        else:
            self._recent.append((self._number, mono_s, event, 0))
        for reader in self._readers:
            reader.put(Entry(self._number, mono_s, event))

    def open(self) -> Reader | None:
        """A reader of what happens from now on. None if there are too many, or the node ends. It must be left."""
        with self._lock:
            if self._is_over or len(self._readers) >= READERS_MAX:
                return None
            reader = Reader()
            self._readers = (*self._readers, reader)
            return reader

    def leave(self, reader: Reader) -> None:
        with self._lock:
            self._readers = tuple(one for one in self._readers if one is not reader)
        reader.close()

    def close(self) -> None:
        """The folder is not shared any more. Any thread."""
        with self._lock:
            self._is_over = True
            readers = self._readers
        for reader in readers:
            reader.end()

    def kept(self) -> list[Entry]:
        """The events that are kept. Any thread."""
        while True:
            try:
                return [Entry(*one) for one in tuple(self._recent)]
            except RuntimeError:  # one was added meanwhile
                continue

    # --- one reader ----------------------------------------------------------------------------------------------------

    def serve(self, question: Answer, link: socket.socket) -> None:
        """Write events to the link until the other end closes it, or the folder is not shared any more. `question`: `last`: so
        many of the events that are kept come first; `since`: only those after the event with this `id`; `wait` false: it ends
        after them. Raises OSError."""
        last, since = question.get("last"), question.get("since")
        if not (_is_number(last) and _is_number(since)):
            link.sendall(line_of({"error": "the question cannot be read"}))
            return
        reader = self.open()
        if reader is None:
            link.sendall(line_of({"error": "the node is ending, or too many programs listen to it"}))
            return
        try:
            _write(link, reader, self._lines(reader, last, since, question.get("wait") is not False))
        finally:
            self.leave(reader)

    def _lines(self, reader: Reader, last: int | None, since: int | None, waits: bool) -> Iterator[bytes | None]:
        """The lines for one reader; None: nothing is there for now."""
        kept = [entry for entry in self.kept() if since is None or entry.number > since]
        most = last if last is not None else len(kept) if since is not None else 0
        chosen = kept[len(kept) - min(most, len(kept)) :]
        at = (chosen[0] if chosen else Entry(self._number + 1, 0.0, self._begun)).number - 1
        yield _line_of(Entry(at, time.monotonic(), self._begun))
        if last is None and since is not None and self._first <= since < at:  # this run had more than it keeps
            yield _line_of(Entry(at, time.monotonic(), Missed(at - since)))
        for entry in chosen:
            yield _line_of(entry)
            at = entry.number
        while waits:
            found = reader.taken()
            if isinstance(found, Missed):
                yield _line_of(Entry(at, time.monotonic(), found))
            elif found is not None and found.number > at:
                yield _line_of(found)
                at = found.number
            elif found is None and reader.is_over:
                yield _line_of(Entry(at, time.monotonic(), Ended()))
                return
            elif found is None:
                yield None


def _shorter(entry: Entry, most: int) -> Entry:
    """The same, with at most so many files named."""
    event = entry.event
    if not isinstance(event, ReceivedMany | SentMany) or len(event.files) <= most:
        return entry
    more = entry.more + len(event.files) - most
    return Entry(entry.number, entry.mono_s, event._replace(files=event.files[:most]), more)


def _line_of(entry: Entry) -> bytes:
    entry = _shorter(entry, _FILES_MAX)
    return line_of(entry.to_json() | ({"more": entry.more} if entry.more else {}))


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 0)


def _write(link: socket.socket, reader: Reader, lines: Iterator[bytes | None]) -> None:
    """Write what there is, whenever the other end takes it. Raises OSError."""
    link.setblocking(False)
    poll = select.poll()
    poll.register(reader.bell, select.POLLIN)
    out = bytearray()
    is_done = False
    until: float | None = None
    while True:
        while not is_done and len(out) < _OUT_BYTES:
            line = next(lines, b"")
            if line is None:
                break
            is_done = not line
            out += line
        if is_done and not out:
            return
        if reader.is_over and until is None:
            until = time.monotonic() + _LAST_WORDS_S
        left_ms = None if until is None else int(1000 * (until - time.monotonic()))
        if left_ms is not None and left_ms <= 0:
            return
        poll.register(link, select.POLLIN | (select.POLLOUT if out else 0))
        for descriptor, found in poll.poll(left_ms):
            if descriptor == reader.bell:
                reader.heard()
            elif found & (select.POLLIN | select.POLLHUP | select.POLLERR) and not _says_something(link):
                return
            elif out:
                _send(link, out)


def _says_something(link: socket.socket) -> bool:
    """False if the other end has closed it. What it says is thrown away."""
    try:
        return bool(link.recv(_OUT_BYTES))
    except BlockingIOError:
        return True


def _send(link: socket.socket, out: bytearray) -> None:
    try:
        del out[: link.send(out)]
    except BlockingIOError:
        pass
