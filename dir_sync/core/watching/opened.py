"""Files that a program has open and rewrites: when their state is announced before they are closed.

In:   what looks found at files that are open for writing; announcements; writes; closes.
Out:  for a path: the time until which it waits for its close.
Rule: bytes appended to an open file are announced as they come (core/watching/pace.py), because that costs only the new
bytes. An open file that is shorter than the announced version, or changed in another way, is probably half a save: it
waits for the close. Without a close, its state is announced when nobody has written for a while, and at the latest
after a time that grows with its size. A close ends all waiting.

Three cases:
1. It is shorter than the announced version, or empty: a program has truncated it and writes it anew.
2. It has the same size and changed: a disk image or a database. Each state may cost its whole size on each disk, so the
time between two announced states grows with the size, and doubles with each state.
3. It is longer, and its beginning changed: a recording whose header is rewritten. The time between two states is
GROWS_BY times the one before, so that all of them together cost a small share of the last one.
"""

from __future__ import annotations

from dir_sync.core import limits
from dir_sync.core.frozen import mutable

__all__ = ["Opened"]

GROWS_BY = 7
_CHANGED_MS = 3_000  # without a write for so long, the state is probably complete
_EMPTY_MS = 10_000  # programs truncate a file, and need time before they write it
_BYTES_PER_MS = 10_000  # a large file costs more to announce: 1 s for each 10 MB
_LONGEST_MS = 30_000  # if it never rests; longer for larger files ...
_LONGEST_MS_MAX = 300_000  # ... up to this
_RECORDING_MS = 60_000
_RECORDING_MS_MAX = 600_000
_DOUBLED_MAX = 4
_PATHS_MAX = 1_000


@mutable
class _Session:
    size: int  # of the last announced state
    since_ms: int = 0  # when it was first found waiting
    wrote_ms: int = 0
    is_waiting: bool = False
    rest_ms: int = 0  # announced after so long without a write ...
    longest_ms: int = 0  # ... or after it has waited for so long
    told: int = 0  # states announced without a long pause in between ...
    told_ms: int = 0  # ... and the time of the last one
    recording_ms: int = _RECORDING_MS


class Opened:
    def __init__(self) -> None:
        self._sessions: dict[bytes, _Session] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def until(self, path: bytes) -> int | None:
        """When (ms) its state is announced, closed or not; None: it does not wait."""
        session = self._sessions.get(path)
        if session is None or not session.is_waiting:
            return None
        due = min(session.wrote_ms + session.rest_ms, session.since_ms + session.longest_ms)
        if session.told:
            gap = session.rest_ms << min(session.told - 1, _DOUBLED_MAX)
            due = max(due, session.told_ms + min(gap, session.longest_ms))
        return due

    def wrote(self, path: bytes, now_ms: int) -> None:
        session = self._sessions.get(path)
        if session is not None:
            session.wrote_ms = now_ms

    def found(self, path: bytes, size: int, replaced: int, now_ms: int) -> int:
        """It is open, has `size` bytes, and does not continue the `replaced` bytes of the announced version. Returns
        `until`."""
        session = self._sessions.get(path)
        if session is None:
            session = self._sessions[path] = _Session(replaced)
            if len(self._sessions) > _PATHS_MAX:
                del self._sessions[next(iter(self._sessions))]
        if not session.is_waiting:
            session.is_waiting = True
            session.since_ms = session.wrote_ms = now_ms
        large = max(size, session.size)
        share = large // _BYTES_PER_MS
        session.rest_ms = share + (_CHANGED_MS if size else _EMPTY_MS)
        session.longest_ms = min(_LONGEST_MS + 5 * share, _LONGEST_MS_MAX)
        if size < session.size and large > limits.INLINE_BYTES_MAX:
            session.rest_ms += _CHANGED_MS
        elif size > session.size:
            session.rest_ms = max(session.rest_ms, _EMPTY_MS)
            session.longest_ms = max(session.longest_ms, session.recording_ms)
        if now_ms - session.told_ms > session.longest_ms:
            session.told = 0
        until = self.until(path)
        assert until is not None
        return until

    def announced(self, path: bytes, size: int, looked_ms: int, now_ms: int) -> None:
        """A state found at `looked_ms` is announced. The file may still be open, unless it had to wait at that time."""
        session = self._sessions.get(path)
        if session is None:
            return
        until = self.until(path)
        if until is not None and until > looked_ms:
            self.closed(path)
            return
        if session.is_waiting and size > session.size:
            session.recording_ms = min(GROWS_BY * session.recording_ms, _RECORDING_MS_MAX)
        session.told += session.is_waiting
        session.is_waiting = False
        session.told_ms, session.size = now_ms, size

    def closed(self, path: bytes) -> None:
        """No program has it open any more, or another file got its name."""
        self._sessions.pop(path, None)
