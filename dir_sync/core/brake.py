"""The brake: what looks like a disaster is held until somebody decides, while all else goes on.

In:   paths of ours that a scan misses, though nobody was seen to remove them (Brake); and what other nodes remove and
      rewrite (PeerBrake).
Out:  what may happen at once, and what is held.
Rule: what is held is neither done nor forgotten.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from dir_sync.core.model import parent_of

__all__ = ["BRAKE_WINDOW_MS", "OLD_NS", "Brake", "Judged", "Limits", "PeerBrake", "Verdict", "covers"]

BRAKE_WINDOW_MS = 60_000  # what one node does within this is judged together
OLD_NS = 2_000_000_000  # a file that lived shorter than this has come and gone
_OLD_MS = OLD_NS // 1_000_000
_SAMPLE_MS = 250
_SETTLE_MS = 1_000  # a burst is over when nothing more has come for so long ...
_SETTLE_MS_MAX = 4_000  # ... and is judged at the latest after this ...
_GROWING_MS_MAX = 30_000  # ... but if it is half a disaster already and still grows, after this
_SUSPICIOUS = 5  # a fifth of a disaster, in a burst, is enough to wait and see how it goes on; without one it is half
_BURST = 5  # so many changes ...
_BURST_MS = 1_000  # ... within this


@dataclass(frozen=True, slots=True)
class Limits:
    """More than `percent` of the files, and at least `files` of them, gone; or more than `rewrite_percent` of them, and
    at least `rewrites`, with new content: that is a disaster. `files` or `rewrites` 0: nothing of the kind is."""

    files: int = 100
    percent: int = 50
    rewrites: int = 1_000
    rewrite_percent: int = 80

    def is_disaster(self, gone: int, before: int) -> bool:
        """`gone` of `before` files are not there any more."""
        return 0 < self.files <= gone and gone * 100 > before * self.percent

    def is_rewritten(self, changed: int, files: int) -> bool:
        """`changed` of `files` files have new content."""
        return 0 < self.rewrites <= changed and changed * 100 > files * self.rewrite_percent


@dataclass(slots=True)
class Brake:
    """What is missing and not told yet."""

    limits: Limits = field(default_factory=Limits)
    missed: dict[bytes, None] = field(default_factory=dict)  # to be judged when the scan is over
    held: dict[bytes, None] = field(default_factory=dict)
    before: int = 0  # how many files there were when the look at them began
    held_files: int = 0
    counter: int = 0  # a decision about what is held names exactly this: others are about what the node did

    def holds(self, path: bytes) -> bool:
        """True if `path`, or a folder it is in, is held."""
        return bool(self.held) and covers(self.held, path)

    def hold(self, files: int, counter: int) -> None:
        """All that was missed, `files` files in it, is a disaster. `counter`: of nothing else."""
        self.counter = counter
        self.held.update(self.missed)
        self.held_files += files
        self.missed.clear()

    def is_back(self, path: bytes) -> bool:
        """Something held is there again, or settled in another way. True if nothing is held any more."""
        if path not in self.held:
            return False
        del self.held[path]
        if not self.held:
            self.held_files = 0
        return not self.held

    def let_go(self) -> list[bytes]:
        """Somebody has decided. Returns what was held."""
        paths = list(self.held)
        self.held.clear()
        self.held_files = 0
        return paths


def covers(paths: dict[bytes, None], path: bytes) -> bool:
    """True if `path`, or a folder it is in, is among `paths`."""
    while path:
        if path in paths:
            return True
        path = parent_of(path)
    return False


class Verdict(Enum):
    PASS = "pass"
    WAIT = "wait"  # for its judgement
    HOLD = "hold"


class Judged(NamedTuple):
    """The burst of one node is over: these paths may be changed, or all of them are held."""

    maker: str
    paths: list[bytes]
    held: bool


class _Waiting(NamedTuple):
    """A change that waits for its judgement. `is_old`: it is to a file that had not just come."""

    is_removal: bool
    counter: int
    is_old: bool
    content: bytes


@dataclass(slots=True)
class _Burst:
    """What one node has been doing lately. Paths are those of files that we hold."""

    removed: deque[int] = field(default_factory=deque)  # when (ms) removals were let through
    removed_old: deque[tuple[int, bytes]] = field(
        default_factory=deque
    )  # of files that had not just come; their contents
    before: int = 0  # how many files there were shortly before the first of them
    rewritten: dict[bytes, int] = field(default_factory=dict)  # the same for new contents, each path once
    waiting: dict[bytes, _Waiting] = field(default_factory=dict)
    leaving: int = 0  # how many of these are removals ...
    leaving_old: int = 0  # ... of old files
    held: dict[bytes, int] = field(default_factory=dict)  # counter of the change
    braked: bool = False
    holds_rewrites: bool = False  # not only removals: new contents, too
    judged: dict[bytes, None] = field(default_factory=dict)  # found harmless: let through when asked for again
    lately: deque[int] = field(default_factory=lambda: deque(maxlen=_BURST))  # when it was asked for the last of them
    since_ms: int = 0
    last_ms: int = 0
    grows: bool = False  # half a disaster, and more keeps coming

    def expire(self, before_ms: int) -> None:
        while self.removed and self.removed[0] < before_ms:
            self.removed.popleft()
        while self.removed_old and self.removed_old[0][0] < before_ms:
            self.removed_old.popleft()
        while self.rewritten and (path := next(iter(self.rewritten))) and self.rewritten[path] < before_ms:
            del self.rewritten[path]

    def wait(self, path: bytes, change: _Waiting) -> None:
        self.no_longer_wait(path)
        self.waiting[path] = change
        self.leaving += change.is_removal
        self.leaving_old += change.is_removal and change.is_old

    def no_longer_wait(self, path: bytes) -> None:
        change = self.waiting.pop(path, None)
        if change is not None:
            self.leaving -= change.is_removal
            self.leaving_old -= change.is_removal and change.is_old

    @property
    def due_ms(self) -> int:
        return min(self.last_ms + _SETTLE_MS, self.since_ms + (_GROWING_MS_MAX if self.grows else _SETTLE_MS_MAX))


class PeerBrake:
    """What other nodes do to the files that are here: judged by who has made the changes, not by who told of them."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.approved: dict[str, int] = {}  # maker -> counter up to which its changes are meant
        self._bursts: dict[str, _Burst] = {}
        self._counts: deque[tuple[int, int]] = deque()  # when (ms), how many files there were: maxima
        self._samples: deque[tuple[int, int]] = deque()  # the same, as it was then

    def go_on(self, maker: str, held: dict[bytes, int], holds_rewrites: bool) -> None:
        """That maker was braked when the program ended. `held`: its changes that are not made yet, and their counters."""
        self._bursts[maker] = _Burst(held=held, braked=True, holds_rewrites=holds_rewrites)

    def holds_rewrites(self, maker: str) -> bool:
        return maker in self._bursts and self._bursts[maker].holds_rewrites

    def sample(self, files: int, now_ms: int) -> None:
        """How many files there are, now and then."""
        samples = self._samples
        while len(samples) > 1 and samples[1][0] <= now_ms - BRAKE_WINDOW_MS:
            samples.popleft()
        if not samples or (samples[-1][1] != files and now_ms >= samples[-1][0] + _SAMPLE_MS):
            samples.append((now_ms, files))

    def ask(
        self,
        maker: str,
        counter: int,
        path: bytes,
        is_removal: bool,
        is_old: bool,
        content: bytes,
        files: int,
        now_ms: int,
    ) -> Verdict:
        """May this change be made here? `is_old`: the file had not just come. `content`: what it has. `files`: how many
        there are now, this one included, but not those that are just being removed."""
        if counter <= self.approved.get(maker, 0):
            return Verdict.PASS
        burst = self._bursts.get(maker)
        if burst is None:
            burst = self._bursts[maker] = _Burst()
        if burst.braked and (is_removal or burst.holds_rewrites or path in burst.held):
            burst.held[path] = counter
            return Verdict.HOLD
        change = _Waiting(is_removal, counter, is_old, content)
        if path in burst.waiting:
            burst.wait(path, change)
            return Verdict.WAIT
        if path in burst.judged or (path in burst.rewritten and not is_removal):
            burst.judged.pop(path, None)
            return Verdict.PASS
        burst.expire(now_ms - BRAKE_WINDOW_MS)
        burst.lately.append(now_ms)
        if is_removal and not burst.removed and not burst.waiting:
            times = [at for at in self._samples if at[0] <= now_ms - _OLD_MS]
            burst.before = times[-1][1] if times else 0
        if self._is_suspicious(burst, change, files, now_ms):
            if not burst.waiting:
                burst.since_ms = now_ms
            burst.wait(path, change)
            burst.last_ms = now_ms
            return Verdict.WAIT
        self._let_through(burst, path, change, now_ms)
        return Verdict.PASS

    def _is_suspicious(self, burst: _Burst, change: _Waiting, files: int, now_ms: int) -> bool:
        limits = self.limits
        in_burst = len(burst.lately) == _BURST and burst.lately[0] > now_ms - _BURST_MS
        part = _SUSPICIOUS if in_burst else 2
        if change.is_removal:
            most = self._most_files(files, now_ms)
            gone = min(len(burst.removed) + 1, most - files + 1)
            gone = max(gone, 1) + burst.leaving
            gone_old = len(burst.removed_old) + burst.leaving_old + change.is_old
            return limits.is_disaster(gone * part, most) or self._are_too_many_old(burst, gone_old, part)
        changed = len(burst.rewritten) + len(burst.waiting) + 1
        is_much = changed * 100 * part > files * limits.rewrite_percent
        return 0 < limits.rewrites <= changed * part and is_much

    def _most_files(self, files: int, now_ms: int) -> int:
        """How many files there were at most, of late."""
        counts = self._counts
        while counts and counts[0][0] < now_ms - BRAKE_WINDOW_MS:
            counts.popleft()
        while counts and counts[-1][1] <= files:
            counts.pop()
        counts.append((now_ms, files))
        return counts[0][1]

    def _are_too_many_old(self, burst: _Burst, gone: int, part: int, moved: int = 0) -> bool:
        """True if `gone` old files are a `part` of a disaster, whatever else has come instead: of the files at the beginning
        of the window, or of the burst. Where there were not as many then, they have come since, as to a newcomer: then only
        the loss counts."""
        return any(
            4 * gone <= 5 * before and self.limits.is_disaster(gone * part, before - moved)
            for before in (burst.before, self._samples[0][1] if self._samples else 0)
        )

    @staticmethod
    def _let_through(burst: _Burst, path: bytes, change: _Waiting, now_ms: int) -> None:
        if change.is_removal:
            burst.removed.append(now_ms)
            if change.is_old:
                burst.removed_old.append((now_ms, change.content))
            burst.rewritten.pop(path, None)
        else:
            burst.rewritten[path] = now_ms

    def due_ms(self) -> int | None:
        """When `judge` has something to do."""
        return min((burst.due_ms for burst in self._bursts.values() if burst.waiting), default=None)

    def judge(
        self,
        is_moved: Callable[[bytes], bool],
        is_here: Callable[[bytes], bool],
        is_being_told: Callable[[bytes], bool],
        files: int,
        now_ms: int,
    ) -> list[Judged]:
        """What is over. `is_moved`: the content of a path is (or is coming) elsewhere in the folder; `is_here`: this content
        is; `is_being_told`: who announced its change has more to say, such as a new name; `files`: now."""
        done = []
        for maker, burst in self._bursts.items():
            if not burst.waiting or burst.due_ms > now_ms:
                continue
            paths = list(burst.waiting)
            if now_ms - burst.since_ms < _GROWING_MS_MAX and any(map(is_being_told, paths)):
                burst.last_ms, burst.grows = now_ms, True
                continue
            burst.expire(now_ms - BRAKE_WINDOW_MS)
            most = self._most_files(files, now_ms)
            leaving = [path for path, change in burst.waiting.items() if change.is_removal]
            moved = {path for path in leaving if is_moved(path)}
            moved_before = sum(is_here(content) for _, content in burst.removed_old)
            moved_old = sum(burst.waiting[path].is_old for path in moved) + moved_before
            gone = min(len(burst.removed), most - files) + len(leaving) - len(moved)
            gone_old = len(burst.removed_old) + burst.leaving_old - moved_old
            changed = len(burst.rewritten) + len(paths) - len(leaving)
            if not burst.grows and now_ms - burst.last_ms < _SETTLE_MS:
                burst.grows = (
                    self.limits.is_disaster(2 * gone, most - len(moved))
                    or self._are_too_many_old(burst, gone_old, 2, moved_old)
                    or self.limits.is_rewritten(2 * changed, files)
                )
                if burst.grows:
                    continue
            burst.grows = False
            is_rewritten = self.limits.is_rewritten(changed, files)
            is_lost = self.limits.is_disaster(gone, most - len(moved))
            is_replaced = self._are_too_many_old(burst, gone_old, 1, moved_old)
            if is_replaced and now_ms - burst.since_ms < _GROWING_MS_MAX and self._samples[-1][0] > now_ms - _SETTLE_MS:
                burst.last_ms, burst.grows = now_ms, True  # files are still coming: these may be their new names
                continue
            if is_rewritten or is_lost or is_replaced:
                burst.braked = True
                burst.holds_rewrites |= is_rewritten
                burst.held.update({path: change.counter for path, change in burst.waiting.items()})
                done.append(Judged(maker, paths, True))
            else:
                for path, change in burst.waiting.items():
                    if path not in moved:
                        self._let_through(burst, path, change, now_ms)
                burst.judged.update(dict.fromkeys(paths))
                done.append(Judged(maker, paths, False))
            for path in paths:
                burst.no_longer_wait(path)
        return done

    @property
    def is_on(self) -> bool:
        """True if anything waits or is held."""
        return any(burst.held or burst.waiting for burst in self._bursts.values())

    def holds(self, path: bytes) -> bool:
        """True if a change of this file waits or is held."""
        return any(path in burst.held or path in burst.waiting for burst in self._bursts.values())

    def settled(self, path: bytes) -> list[str]:
        """The change of a path is not wanted any more, or was made. Returns makers of whose changes nothing is held now."""
        free = []
        for maker, burst in self._bursts.items():
            burst.no_longer_wait(path)
            if burst.held.pop(path, None) is not None and not burst.held:
                burst.braked = False
                free.append(maker)
        return free

    def held(self) -> dict[str, dict[bytes, int]]:
        """By maker: the paths, and the counters of their changes."""
        return {maker: burst.held for maker, burst in self._bursts.items() if burst.held}

    def let_go(self, maker: str, counter: int) -> list[bytes]:
        """Somebody has decided about what that maker did up to its `counter`. Returns what was held; nothing if all of it was
        done later: then the decision was about something else."""
        burst = self._bursts.get(maker)
        if burst is None:
            return []
        counters = [*burst.held.values(), *(change.counter for change in burst.waiting.values())]
        if counters and counter < min(counters):
            return []
        del self._bursts[maker]
        return [*burst.held, *burst.waiting]
