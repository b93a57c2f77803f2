"""What went wrong at a path, and when and how it is tried again.

In:   errors of our own disk.
Out:  how long a path waits; what `status` says about it.
Rule: all of it belongs to the current announcement, and is forgotten with it.
Used by: work, arrivals.
"""

from __future__ import annotations

from collections.abc import Iterator, Set

from dir_sync.core import notes
from dir_sync.core.backoff import longer
from dir_sync.core.declined import Reason
from dir_sync.engine.board import Board
from dir_sync.engine.constants import CHANGING, TROUBLE_RETRY_MS
from dir_sync.engine.path_work import PathTable, Retry, RetryEntries

__all__ = ["Retries"]


class Retries:
    """What went wrong at a path, and when and how it is tried again."""

    def __init__(self, board: Board, paths: PathTable) -> None:
        self._board = board
        self._paths = paths
        self._entries = RetryEntries(paths)
        self.short_paths: dict[bytes, None] = {}  # paths that wait for disk space, in the order of arrival
        self._troubled: dict[bytes, None] = {}  # paths with a problem, in the same order

    def wait_after(self, path: bytes, problem: str) -> int:
        """Note an error of our own disk. Returns how long (ms) to leave the path alone: longer each time. Reported
        once."""
        first, most = TROUBLE_RETRY_MS
        retry = self._entries.at(path)
        before, told = (first // 2, CHANGING) if retry.problem is None else (retry.wait_ms, retry.problem)
        if told == CHANGING or retry.reason is Reason.BAD_CONTENT:
            self._board.tell(notes.CannotWrite(path, problem))
        retry.wait_ms = max(first, longer(before, most))
        self._note(path, retry, problem, Reason.FAILED if retry.short is None else Reason.DISK_FULL)
        return retry.wait_ms

    def wait_after_change(self, path: bytes) -> int:
        """The same after a job found something else at a path than it expected."""
        retry = self._entries.at(path)
        wait, problem = (0, CHANGING) if retry.problem is None else (retry.wait_ms, retry.problem)
        retry.wait_ms = min(max(20, wait * 2), TROUBLE_RETRY_MS[1])
        self._note(path, retry, problem, retry.reason)
        retry.not_before_ms = self._board.now.mono_ms + wait
        return wait

    def note_bad(self, path: bytes, peer: str) -> None:
        """What this peer (its display name) sent is not what was announced. Reported once."""
        retry = self._entries.at(path)
        problem = f"what {peer} sent is not what was announced; {peer} may have a bad copy: run 'verify' there"
        if retry.problem != problem:
            self._board.tell(notes.BadContent(path, peer, problem))
        self._note(path, retry, problem, Reason.BAD_CONTENT)

    def refuse(self, path: bytes, problem: str) -> int:
        """The disk rejects the version. Returns the long time (ms) until the next try."""
        self.note_trouble(path, problem, Reason.BLOCKED)
        self._entries.at(path).not_before_ms = self._board.now.mono_ms + TROUBLE_RETRY_MS[1]
        return TROUBLE_RETRY_MS[1]

    def note_trouble(self, path: bytes, problem: str, reason: Reason) -> None:
        """The path cannot be installed here until something else changes."""
        retry = self._entries.at(path)
        retry.wait_ms = TROUBLE_RETRY_MS[1]
        self._note(path, retry, problem, reason)

    def _note(self, path: bytes, retry: Retry, problem: str, reason: Reason | None) -> None:
        retry.problem, retry.reason = problem, reason
        self._troubled[path] = None

    def end_trouble(self, path: bytes) -> None:
        retry = self._entries.of(path)
        if retry is not None:
            retry.problem = retry.reason = retry.not_before_ms = None
            self._troubled.pop(path, None)
            self._entries.tidy(path, retry)

    @property
    def has_troubles(self) -> bool:
        return bool(self._troubled)

    def troubles(self) -> Iterator[tuple[bytes, str, Reason | None]]:
        """Path, problem and its reason, in the order in which they began."""
        for path in self._troubled:
            retry = self._entries.of(path)
            if retry is not None and retry.problem is not None:
                yield path, retry.problem, retry.reason

    def await_disk_room(self, path: bytes, size: int) -> None:
        self._entries.at(path).short = size
        self.short_paths[path] = None

    @property
    def is_short(self) -> bool:
        """True while an installation waits for disk space."""
        return bool(self.short_paths)

    def short_bytes(self) -> int:
        retries = (self._entries.of(path) for path in self.short_paths)
        return sum(retry.short for retry in retries if retry is not None and retry.short is not None)

    def end_shortage(self) -> list[bytes]:
        """End all waits for disk space. Returns the paths."""
        paths = list(self.short_paths)
        self.short_paths.clear()
        for path in paths:
            retry = self._entries.at(path)
            retry.short = None
            self._entries.tidy(path, retry)
        return paths

    def is_due(self, path: bytes) -> bool:
        """True unless the path has a wait that is not over."""
        retry = self._entries.of(path)
        return retry is None or retry.not_before_ms is None or retry.not_before_ms <= self._board.now.mono_ms

    def is_troubled(self, path: bytes) -> bool:
        retry = self._entries.of(path)
        return retry is not None and retry.problem is not None

    def begin_anew(self, path: bytes) -> None:
        """The cause may be gone: the next wait is the shortest one again."""
        retry = self._entries.of(path)
        if retry is not None and retry.problem is not None:
            retry.wait_ms = TROUBLE_RETRY_MS[0] // 2

    def forget(self, path: bytes) -> None:
        """Nothing newer is announced any more. (The number of rounds is kept until something is.)"""
        retry = self._entries.of(path)
        if retry is not None:
            self.short_paths.pop(path, None)
            self._troubled.pop(path, None)
            self._paths.at(path).retry = None if retry.rounds < 0 else Retry(rounds=retry.rounds)
            self._paths.touch(path)

    def check(self, timers: Set[bytes]) -> Iterator[str]:
        """Yield each invariant that is violated between two turns. `timers`: paths with a timer."""
        now = self._board.now.mono_ms
        for path, entry in self._paths.items():
            retry = entry.retry
            if (retry is not None and retry.short is not None) != (path in self.short_paths):
                yield f"{path!r} waits for room on the disk, and is not in the list, or the other way round"
            if (retry is not None and retry.problem is not None) != (path in self._troubled):
                yield f"{path!r} has a problem, and is not in the list, or the other way round"
            if retry is None:
                continue
            if retry.is_empty or (retry.failed and not retry.whole):
                yield f"{path!r} has a retry that says nothing, or half of it: {retry}"
            is_waiting = retry.not_before_ms is not None and retry.not_before_ms > now
            if (
                is_waiting
                and path not in timers
                and path not in self._board.pending_looks
                and path not in self._board.looking
            ):
                yield f"{path!r} is tried again at {retry.not_before_ms}, and there is no timer for it"
