"""Recent changes by peers, by link or in total: which were carried out, which wait, and which are held.

In:   changes, and what happened to each. Out: how many there are of each kind, and when to judge them.
Used by: peer_brake.
"""

from __future__ import annotations

from collections import deque

from dir_sync.core.frozen import field, mutable
from dir_sync.core.named import NamedTuple

__all__ = ["GROWING_MS_MAX", "QUIET_MS", "Burst", "Change"]

QUIET_MS = 1_000  # a burst is over when no change came for so long ...
_QUIET_MS_MAX = 4_000  # ... and is judged at the latest after this ...
GROWING_MS_MAX = 30_000  # ... but after this if it is half a disaster already and still grows
_SHRUNK_MS = 2_000  # no held change was made again for so long: what is left is judged
_BURST = 5  # this many changes ...
_BURST_MS = 1_000  # ... within this


class Change(NamedTuple):
    """A change that a peer wants to make here. `is_old`: its file had not arrived just before."""

    maker: str
    is_removal: bool
    counter: int
    is_old: bool
    content: bytes


@mutable
class Passed:
    """Changes that were carried out recently. Paths are those of files that we have."""

    removed: deque[int] = field(default_factory=deque)  # when (ms)
    # files that had not arrived just before; their contents
    removed_old: deque[tuple[int, bytes]] = field(default_factory=deque)
    rewritten: dict[bytes, int] = field(default_factory=dict)  # the same for new contents, each path once
    makers: dict[str, int] = field(default_factory=dict)  # of these changes, each with its highest counter
    before: int = 0  # how many files there were shortly before the first removal

    def add(self, path: bytes, change: Change, now_ms: int) -> None:
        if not change.is_removal:
            self.rewritten[path] = now_ms
            return
        self.removed.append(now_ms)
        if change.is_old:
            self.removed_old.append((now_ms, change.content))
        self.rewritten.pop(path, None)

    def expire(self, before_ms: int) -> None:
        while self.removed and self.removed[0] < before_ms:
            self.removed.popleft()
        while self.removed_old and self.removed_old[0][0] < before_ms:
            self.removed_old.popleft()
        while self.rewritten and (path := next(iter(self.rewritten))) and self.rewritten[path] < before_ms:
            del self.rewritten[path]


@mutable
class Waiting:
    """Changes that wait for the judgement."""

    changes: dict[bytes, Change] = field(default_factory=dict)  # by path
    leaving: int = 0  # how many of these are removals ...
    leaving_old: int = 0  # ... of old files
    since_ms: int = 0
    last_ms: int = 0
    grows: bool = False  # half a disaster, and still growing

    def add(self, path: bytes, change: Change) -> None:
        self.remove(path)
        self.changes[path] = change
        self.leaving += change.is_removal
        self.leaving_old += change.is_removal and change.is_old

    def remove(self, path: bytes) -> None:
        change = self.changes.pop(path, None)
        if change is not None:
            self.leaving -= change.is_removal
            self.leaving_old -= change.is_removal and change.is_old

    def go_on_growing(self, now_ms: int) -> None:
        """More changes are known to come: delay the judgement."""
        self.last_ms, self.grows = now_ms, True

    @property
    def due_ms(self) -> int:
        return min(self.last_ms + QUIET_MS, self.since_ms + (GROWING_MS_MAX if self.grows else _QUIET_MS_MAX))


@mutable
class HeldChanges:
    """Changes that are held until a person decides."""

    changes: dict[bytes, tuple[str, int]] = field(default_factory=dict)  # by path: maker and counter
    is_braked: bool = False
    has_rewrites: bool = False  # also new contents, not only removals
    files: int = 0  # number of files when the brake engaged, including those removed before ...
    left: int = 0  # ... and without those
    shrunk_ms: int | None = None  # when a held change was last settled in another way
    stays: bool = False  # a person decided about some of them: the others wait for a person, however few they are
    rewritten: set[bytes] = field(default_factory=set)  # the paths whose held change is a new content, no removal

    def hold(self, path: bytes, maker: str, counter: int, is_removal: bool) -> None:
        self.changes[path] = maker, counter
        (self.rewritten.discard if is_removal else self.rewritten.add)(path)

    def brake(self, changes: dict[bytes, Change], has_rewrites: bool) -> None:
        self.is_braked = True
        self.has_rewrites |= has_rewrites
        for path, change in changes.items():
            self.hold(path, change.maker, change.counter, change.is_removal)

    @property
    def due_again_ms(self) -> int | None:
        """When (ms) to check whether the held changes still are a disaster."""
        if self.shrunk_ms is None or self.stays or not self.changes:
            return None
        return self.shrunk_ms + _SHRUNK_MS


@mutable
class Burst:
    """Recent changes by one link, or in total."""

    passed: Passed = field(default_factory=Passed)
    waiting: Waiting = field(default_factory=Waiting)
    held: HeldChanges = field(default_factory=HeldChanges)
    lately: deque[int] = field(
        default_factory=lambda: deque(maxlen=_BURST)
    )  # when (ms) each of the last changes was requested

    @property
    def last_asked_ms(self) -> int:
        return self.lately[-1] if self.lately else 0

    def comes_at_once(self, now_ms: int) -> bool:
        """True if several changes came within a moment."""
        return len(self.lately) == _BURST and self.lately[0] > now_ms - _BURST_MS
