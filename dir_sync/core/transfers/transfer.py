"""Incoming contents: which ranges are missing, how much may be requested, and how to resume.

In:   wanted contents and their holders, received bytes, bytes written to disk.
Out:  pulls to send, chunks to write. Stores only bytes that wait for the disk.
Rule: contents arrive only on request, so the outstanding requests are the window: per link, and per transfer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from dir_sync.core import limits
from dir_sync.core.frozen import field, mutable
from dir_sync.core.jobs import Growing
from dir_sync.core.messages import PullItem
from dir_sync.core.model import PeerError, Record
from dir_sync.core.overload.byte_rate import ByteRate

__all__ = ["Fetch", "Window", "folder_of"]

_MEASURE_MS = 50
_AHEAD_BYTES = limits.PULL_WINDOW_BYTES // 2  # of one transfer, so that others have room as well
_SMALL_OWES_MS = 100  # small contents do not wait for the last piece of bulk, and for so much of their own
_WINDOW_MS = 2_000  # what a peer sends in this time is requested at once: nothing waits there for long
_WINDOW_BYTES_MIN = limits.CHUNK_BYTES


@mutable
class Fetch:
    """One content (or one delta) being fetched. Bytes are appended in order; `received` of `size` bytes are here.

    It has more fields than a machine may have: what is asked for, how far each step has got (asked, received, written),
    and what waits between two steps. There is one for each file, so parts of it would cost memory and time in each
    transfer."""

    token: int
    target: Record
    peer: str
    base: bytes | None  # digest: the transfer is a delta from it
    size: int  # bytes to fetch: of the content, or of the delta; at least 1
    name: bytes  # staging file; b"": a small content, kept in memory
    asked: int = 0
    received: int = 0
    written: int = 0
    opened: bool = False  # the staging file's length is known
    writing: bool = False  # a job that writes it is out
    waiting: list[tuple[int, bytes | memoryview]] = field(
        default_factory=list
    )  # in order; for the disk, or (small content) until the rest arrives
    early: dict[int, bytes | memoryview] = field(default_factory=dict)  # arrived before the bytes in front of them
    pulls: set[int] = field(default_factory=set)  # ids of pulls that are not answered yet
    plan: Any = None  # small content only: what it was planned from, and what to do with it
    moved_ms: int = 0  # when bytes last arrived
    started_ms: int = 0
    began_at: int = 0  # offset at which it resumed
    grows: Growing | None = None  # the bytes are appended to this file of ours

    @property
    def is_small(self) -> bool:
        return not self.name

    def take(self, offset: int, data: bytes | memoryview) -> None:
        """Accept received bytes; pulls may be answered in any order."""
        self.early[offset] = data
        while (piece := self.early.pop(self.received, None)) is not None:
            self.waiting.append((self.received, piece))
            self.received += len(piece)

    def next_ranges(self, window: Window, now_ms: int) -> Iterator[tuple[int, int]]:
        """Offsets and lengths to request now; each takes room of the window."""
        while self.asked < self.size:
            length = min(window.chunk, self.size - self.asked)
            if self.asked - self.written >= _AHEAD_BYTES or not window.has_room(length, now_ms):
                return
            yield self.asked, length
            self.asked += length


def folder_of(id_: int) -> int:
    """The folder of a request, as its position in our HELLO: the upper bits of the id."""
    return id_ >> limits.FOLDER_ID_SHIFT


class Window:
    """Bytes requested from one peer and not received yet, for all folders of the connection."""

    def __init__(self, rates: Sequence[ByteRate] = ()) -> None:
        """`rates`: the limits of bytes per second for what is requested."""
        self._rates = rates
        self.bytes = 0
        self.chunk = limits.CHUNK_BYTES  # bytes in the next pull of a large content
        self._since_ms: int | None = None  # since when bytes have arrived without a pause
        self._came = 0  # bytes since then
        self.most = limits.PULL_WINDOW_BYTES  # requested at once; less from a slow peer
        self.users = 0  # folders that fetch through this connection
        self.freed = 0  # how often room became free; a folder that waits for room compares it
        self._count = 1  # lower bits of the next id
        self._is_reused = False  # all ids were used once
        # id -> transfer (None: it was cancelled), next offset, bytes missing
        self._pulls: dict[int, tuple[Fetch | None, int, int]] = {}

    def __len__(self) -> int:
        return len(self._pulls)

    def has_room(self, length: int, now_ms: int) -> bool:
        """True if so many bytes may be requested now."""
        if len(self._pulls) >= limits.PULLS_MAX // 2 or self.bytes + length > max(self.most, length):
            return False
        return not self.wait_ms(length, now_ms)

    @property
    def has_limits(self) -> bool:
        return bool(self._rates)

    def wait_ms(self, length: int, now_ms: int) -> int:
        """How long (ms) the limits of bytes per second let a request of that length wait. A small content does not wait
        for the bulk that was requested just before."""
        if not self._rates:
            return 0
        if length >= limits.CHUNK_BYTES_MIN:
            return max(rate.wait_ms(now_ms) for rate in self._rates)
        return max(rate.wait_ms(now_ms, self.chunk + rate.per_s * _SMALL_OWES_MS // 1000) for rate in self._rates)

    def count(self, size: int, now_ms: int) -> None:
        """So many bytes have come, or will come, from this peer."""
        for rate in self._rates:
            rate.count(size, now_ms)

    def room(self) -> int:
        """Bytes that may be requested now; 0 if there are many pulls already."""
        return 0 if len(self._pulls) >= limits.PULLS_MAX // 4 else max(0, self.most - self.bytes)

    def portion(self, now_ms: int) -> int | None:
        """Bytes that the limits of bytes per second allow to be requested together; None: there are no limits."""
        if not self._rates:
            return None
        return 0 if self.wait_ms(limits.CHUNK_BYTES, now_ms) else min(rate.per_s for rate in self._rates) // 10

    def ask(self, fetch: Fetch, offset: int, length: int, folder: int = 0, now_ms: int = 0) -> PullItem:
        """The pull for a range of `fetch`. `folder`: see `new_id`."""
        self.count(length, now_ms)
        id_ = self.new_id(folder)
        self._pulls[id_] = (fetch, offset, length)
        fetch.pulls.add(id_)
        self.bytes += length
        return PullItem(id_, fetch.target.path, fetch.target.content, fetch.base, offset, length)

    def new_id(self, folder: int = 0) -> int:
        """An id that is not in use on this connection, also for requests other than pulls. `folder`: the position of
        the folder in our HELLO, which `folder_of` extracts again."""
        while (id_ := folder << limits.FOLDER_ID_SHIFT | self._count) in self._pulls:
            self._step()
        self._step()
        return id_

    def _step(self) -> None:
        self._count = (self._count + 1) % 2**limits.FOLDER_ID_SHIFT
        self._is_reused |= not self._count

    def _measure(self, length: int, now_ms: int) -> None:
        """Measure the speed: bytes arrived, and more were requested, so there was no pause."""
        if self._since_ms is None:
            self._since_ms, self._came = now_ms, 0
            return
        self._came += length
        took_ms = now_ms - self._since_ms
        if took_ms >= _MEASURE_MS:
            chunk = self._came * limits.CHUNK_MS // took_ms // limits.CHUNK_BYTES_MIN * limits.CHUNK_BYTES_MIN
            self.chunk = max(limits.CHUNK_BYTES_MIN, min(chunk, limits.PULL_BYTES_MAX))
            self.most = max(_WINDOW_BYTES_MIN, min(self._came * _WINDOW_MS // took_ms, limits.PULL_WINDOW_BYTES))
            self._since_ms, self._came = now_ms, 0

    def arrived(self, id_: int, offset: int, length: int, now_ms: int) -> Fetch | None:
        """The transfer of received bytes; None if it was cancelled. Raises PeerError for bytes that were never
        requested."""
        pull = self._pulls.get(id_)
        if pull is None:
            if not self._is_reused and id_ % 2**limits.FOLDER_ID_SHIFT >= self._count:
                raise PeerError(f"sent bytes that nobody asked for (pull {id_})")
            return None
        fetch, expected, missing = pull
        if offset != expected or not 0 < length <= missing:
            raise PeerError(f"sent other bytes than were asked for (pull {id_})")
        self.bytes -= length
        self.freed += 1
        self._measure(length, now_ms)
        if not self.bytes:
            self._since_ms = None  # the next bytes were requested after a pause
        if length == missing:
            del self._pulls[id_]
            if fetch is not None:
                fetch.pulls.discard(id_)
        else:
            self._pulls[id_] = (fetch, expected + length, missing - length)
        return fetch

    def refused(self, id_: int) -> Fetch | None:
        """The transfer whose pull the peer could not answer; None if it was cancelled."""
        fetch = self._free(id_)
        if fetch is not None:
            fetch.pulls.discard(id_)
        return fetch

    def cancel(self, fetch: Fetch) -> None:
        """Ignore what still arrives for `fetch`. It takes room until the peer has answered: a peer that limits what it
        sends may not have read any of it, and counts all that it was asked for."""
        for id_ in fetch.pulls:
            if (pull := self._pulls.get(id_)) is not None:
                self._pulls[id_] = (None, *pull[1:])
        fetch.pulls.clear()

    def unanswered(self, fetch: Fetch) -> None:
        """The peer did not answer in time: what was requested for `fetch` takes no room any more."""
        for id_ in sorted(fetch.pulls):
            self._free(id_)
        fetch.pulls.clear()

    def leave(self, folder: int) -> None:
        """The peer does not share a folder any more, or this node does not: it answers nothing about it."""
        for id_ in [id_ for id_ in self._pulls if folder_of(id_) == folder]:
            self._free(id_)

    def _free(self, id_: int) -> Fetch | None:
        """Nothing more comes for a pull: its room is free. Returns its transfer."""
        fetch, _, missing = self._pulls.pop(id_, (None, 0, 0))
        self.bytes -= missing
        self.freed += missing > 0
        return fetch
