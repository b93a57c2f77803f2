"""Files that a program has open and rewrites: when their state is announced though they are not closed.

In:   what looks found at files that are open for writing; what was announced; when somebody wrote; what was closed.
Out:  for a path: the time until which it waits for its close.
Rule: what is appended to an open file is announced as it comes (core/watching/pace.py), for it costs what was appended. An open
      file that is shorter than what it replaces, or that changed otherwise, is most probably half a save: it waits for
      the close. If the close does not come, its state is announced when nobody has written for a while, and at the
      latest after a time that grows with its size. A close ends all waiting.

Three cases:
1. It is shorter than what it replaces, or empty: a program has cut it and writes it anew.
2. It is as long, and changed: an image or a database. Each state may cost its whole size on each disk, so the time between
   two of them grows with the size, and doubles with each state.
3. It is longer, and its beginning changed: a recording whose header is rewritten. The time between two states is GROWS_BY
   times as long as the one before, so that all of them together cost a small share of the last one.
"""

from __future__ import annotations

from dataclasses import dataclass

from dir_sync.core import limits

__all__ = ["Opened"]

GROWS_BY = 7
_CHANGED_MS = 3_000  # nobody has written for so long: the state is meant to be one
_EMPTY_MS = 10_000  # programs make a file empty, and need time for what comes next
_BYTES_PER_MS = 10_000  # the larger it is, the dearer is a state too many: 1 s for each 10 MB
_LONGEST_MS = 30_000  # if it never rests; the larger, the longer ...
_LONGEST_MS_MAX = 300_000  # ... up to this
_RECORDING_MS = 60_000
_RECORDING_MS_MAX = 600_000
_DOUBLED_MAX = 4
_PATHS_MAX = 1_000


@dataclass(slots=True)
class _Session:
    size: int  # of its last announced state, or of what it replaces
    since_ms: int = 0  # when it was found waiting
    wrote_ms: int = 0
    is_waiting: bool = False
    rest_ms: int = 0  # announced when nobody has written for so long ...
    longest_ms: int = 0  # ... or when it has waited for so long
    told: int = 0  # states announced without a long pause between them ...
    told_ms: int = 0  # ... and when the last of them was
    recording_ms: int = _RECORDING_MS


class Opened:
    def __init__(self) -> None:
        self._sessions: dict[bytes, _Session] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def until(self, path: bytes) -> int | None:
        """When it is announced, closed or not; None: it does not wait, as far as is known."""
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
        """It is open, has `size` bytes, and does not continue the `replaced` bytes that are announced. Returns `until`."""
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
        """A state of it was found at `looked_ms` that is announced. It may be open still, unless it had yet to wait then."""
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
        """Nobody has it open any more, or another file has its name."""
        self._sessions.pop(path, None)
