"""The brake for others: what they remove and rewrite here is held if it looks like a disaster, until somebody decides.

In:   each change that somebody else has made to a file of ours, and the link that brought it.
Out:  what may happen at once, what waits until its burst is over, and what is held.
Rule: what is held is neither done nor forgotten.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from dir_sync.core.brake import Limits

__all__ = ["BRAKE_WINDOW_MS", "OLD_NS", "Judged", "PeerBrake", "Verdict"]

BRAKE_WINDOW_MS = 60_000  # what comes within this is judged together
_LONG_MS = 3_600_000  # and what is lost within this: a slow drip stays below any limit for a minute
_MINUTE_MS = 60_000
OLD_NS = 2_000_000_000  # a file that lived shorter than this has come and gone
_OLD_MS = OLD_NS // 1_000_000
_SAMPLE_MS = 250
_SETTLE_MS = 1_000  # a burst is over when nothing more has come for so long ...
_SETTLE_MS_MAX = 4_000  # ... and is judged at the latest after this ...
_GROWING_MS_MAX = 30_000  # ... but if it is half a disaster already and still grows, after this
_SHRUNK_MS = 2_000  # nothing more of what is held is made again: what is left is all there is to decide about
_SUSPICIOUS = 5  # a fifth of a disaster, in a burst, is enough to wait and see how it goes on; without one it is half
_BURST = 5  # so many changes ...
_BURST_MS = 1_000  # ... within this


class Verdict(Enum):
    PASS = "pass"
    WAIT = "wait"  # for its judgement
    HOLD = "hold"


class Judged(NamedTuple):
    """The burst that came by one link is over: these paths may be changed, or all of them are held. `is_less`: they were
    held, and are no disaster any more, since others of them are there again."""

    link: str
    paths: list[bytes]
    held: bool
    is_less: bool = False


class _Waiting(NamedTuple):
    """A change that waits for its judgement. `is_old`: it is to a file that had not just come."""

    maker: str
    is_removal: bool
    counter: int
    is_old: bool
    content: bytes


@dataclass(slots=True)
class _Burst:
    """What has come by one link lately, or by all together. Paths are those of files that we hold."""

    removed: deque[int] = field(default_factory=deque)  # when (ms) removals were let through
    removed_old: deque[tuple[int, bytes]] = field(
        default_factory=deque
    )  # of files that had not just come; their contents
    before: int = 0  # how many files there were shortly before the first of them
    rewritten: dict[bytes, int] = field(default_factory=dict)  # the same for new contents, each path once
    waiting: dict[bytes, _Waiting] = field(default_factory=dict)
    leaving: int = 0  # how many of these are removals ...
    leaving_old: int = 0  # ... of old files
    held: dict[bytes, tuple[str, int]] = field(default_factory=dict)  # maker and counter of the change
    makers: set[str] = field(default_factory=set)  # whose changes were let through
    braked: bool = False
    files: int = 0  # how many there were when it was braked, with those that had gone before ...
    left: int = 0  # ... and without them
    shrunk_ms: int | None = None  # when something of what was held was last settled otherwise
    holds_rewrites: bool = False  # not only removals: new contents, too
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
    def last_asked_ms(self) -> int:
        return self.lately[-1] if self.lately else 0

    @property
    def due_again_ms(self) -> int | None:
        """When to see whether what is still held is a disaster."""
        return None if self.shrunk_ms is None or not self.held else self.shrunk_ms + _SHRUNK_MS

    @property
    def due_ms(self) -> int:
        return min(self.last_ms + _SETTLE_MS, self.since_ms + (_GROWING_MS_MAX if self.grows else _SETTLE_MS_MAX))


class _Weight(NamedTuple):
    """What a burst comes to."""

    burst: _Burst
    leaving: int  # removals that wait
    moved: int  # those that have only moved
    moved_old: int
    gone: int
    gone_old: int
    changed: int

    def is_disaster(self, brake: PeerBrake, part: int, most: int, files: int) -> bool:
        """True if it is a `part` of a disaster."""
        return (
            brake.limits.is_disaster(part * self.gone, most - self.moved)
            or brake.are_too_many_old(self.burst, self.gone_old, part, self.moved_old)
            or brake.limits.is_rewritten(part * self.changed, files)
        )


class PeerBrake:
    """What other nodes do to the files that are here: judged by the link that it comes by, and all together. Who is said to
    have made a change is a field that whoever tells of it has filled in, so nothing is judged by that alone."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._bursts: dict[str, _Burst] = {}  # by link: the node at its other end
        self._all = _Burst()  # of it, only what is counted
        self._at: dict[bytes, str] = {}  # path that waits or is held -> link
        self._judged: dict[bytes, None] = {}  # found harmless: let through when asked for again
        self._removed: deque[tuple[int, int]] = deque()  # minute, how many removals were let through in it
        self._most: deque[tuple[int, int]] = deque()  # minute, how many files there were at most
        self._counts: deque[tuple[int, int]] = deque()  # when (ms), how many files there were: maxima
        self._samples: deque[tuple[int, int]] = deque()  # the same, as it was then

    def go_on(self, link: str, held: dict[bytes, tuple[str, int]], holds_rewrites: bool) -> None:
        """That link was braked when the program ended. `held`: what it brought and is not made yet: makers and counters."""
        self._bursts[link] = _Burst(held=held, braked=True, holds_rewrites=holds_rewrites)
        self._at.update(dict.fromkeys(held, link))

    def holds_rewrites(self, maker: str) -> bool:
        return any(burst.holds_rewrites for burst in self._bursts_of(maker).values())

    def is_rewriting(self, link: str) -> bool:
        return self._bursts[link].holds_rewrites

    def links_of(self, maker: str) -> dict[str, set[str]]:
        """The links that brought what is held or waits of that maker, and the makers of what they brought shortly before."""
        return {link: {maker, *burst.makers} for link, burst in self._bursts_of(maker).items()}

    def _bursts_of(self, maker: str) -> dict[str, _Burst]:
        return {
            link: burst
            for link, burst in self._bursts.items()
            if any(one == maker for one, _ in burst.held.values())
            or any(change.maker == maker for change in burst.waiting.values())
        }

    def sample(self, files: int, now_ms: int) -> None:
        """How many files there are, now and then."""
        samples, minute = self._samples, now_ms // _MINUTE_MS
        if not self._most or self._most[-1][0] != minute:
            self._most.append((minute, files))
            self._expire_minutes(minute)
        elif self._most[-1][1] < files:
            self._most[-1] = (minute, files)
        while len(samples) > 1 and samples[1][0] <= now_ms - BRAKE_WINDOW_MS:
            samples.popleft()
        if not samples or (samples[-1][1] != files and now_ms >= samples[-1][0] + _SAMPLE_MS):
            samples.append((now_ms, files))

    def _expire_minutes(self, minute: int) -> None:
        for some in (self._most, self._removed):
            while some and some[0][0] < minute - _LONG_MS // _MINUTE_MS:
                some.popleft()
        now_ms = minute * _MINUTE_MS
        for link, burst in list(self._bursts.items()):
            if not (burst.held or burst.waiting or burst.braked) and burst.last_asked_ms < now_ms - BRAKE_WINDOW_MS:
                del self._bursts[link]

    def _is_lost_slowly(self, leaving: int, files: int) -> bool:
        """True if, with so many that are about to leave, too many files were lost within the hour: those that others
        removed, as far as there are fewer now than there were."""
        most = max((count for _, count in self._most), default=files)
        gone = min(sum(count for _, count in self._removed), most - files) + leaving
        return self.limits.is_disaster(gone, most)

    def ask(
        self,
        link: str,
        maker: str,
        counter: int,
        path: bytes,
        is_removal: bool,
        is_old: bool,
        content: bytes,
        files: int,
        now_ms: int,
    ) -> Verdict:
        """May this change be made here? `link`: the node whose link brought it. `is_old`: the file had not just come.
        `content`: what it has. `files`: how many there are now, this one included, but not those that are just being
        removed."""
        if is_removal or path not in self._at:
            link = self._at.get(path, link)  # whoever else wants the same
        burst = self._bursts.setdefault(link, _Burst())
        if path in burst.held or (burst.braked and (is_removal or burst.holds_rewrites)):
            burst.held[path] = maker, counter
            self._at[path] = link
            return Verdict.HOLD
        change = _Waiting(maker, is_removal, counter, is_old, content)
        if path in burst.waiting:
            self._wait(link, path, change)
            return Verdict.WAIT
        if path in self._judged or (path in burst.rewritten and not is_removal):
            self._judged.pop(path, None)
            return Verdict.PASS
        for each in (burst, self._all):
            each.expire(now_ms - BRAKE_WINDOW_MS)
            each.lately.append(now_ms)
            if is_removal and not each.removed and not each.waiting:
                times = [at for at in self._samples if at[0] <= now_ms - _OLD_MS]
                each.before = times[-1][1] if times else 0
        if (
            self._is_suspicious(burst, change, files, now_ms)
            or self._is_suspicious(self._all, change, files, now_ms)
            or (is_removal and self._is_lost_slowly(self._all.leaving + 1, files))
        ):
            if not burst.waiting:
                burst.since_ms = now_ms
            self._wait(link, path, change)
            burst.last_ms = now_ms
            return Verdict.WAIT
        self._let_through(burst, path, change, now_ms)
        return Verdict.PASS

    def _wait(self, link: str, path: bytes, change: _Waiting) -> None:
        self._no_longer_wait(path)
        self._at[path] = link
        self._bursts[link].wait(path, change)
        self._all.wait(path, change)

    def _no_longer_wait(self, path: bytes) -> None:
        burst = self._bursts.get(self._at.get(path, ""))
        if burst is not None:
            burst.no_longer_wait(path)
            if path not in burst.held:
                del self._at[path]
        self._all.no_longer_wait(path)

    def _is_suspicious(self, burst: _Burst, change: _Waiting, files: int, now_ms: int) -> bool:
        limits = self.limits
        in_burst = len(burst.lately) == _BURST and burst.lately[0] > now_ms - _BURST_MS
        part = _SUSPICIOUS if in_burst else 2
        if change.is_removal:
            most = self._most_files(files, now_ms)
            gone = min(len(burst.removed) + 1, most - files + 1)
            gone = max(gone, 1) + burst.leaving
            gone_old = len(burst.removed_old) + burst.leaving_old + change.is_old
            return limits.is_disaster(gone * part, most) or self.are_too_many_old(burst, gone_old, part)
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

    def are_too_many_old(self, burst: _Burst, gone: int, part: int, moved: int = 0) -> bool:
        """True if `gone` old files are a `part` of a disaster, whatever else has come instead: of the files at the beginning
        of the window, or of the burst. Where there were not as many then, they have come since, as to a newcomer: then only
        the loss counts."""
        return any(
            4 * gone <= 5 * before and self.limits.is_disaster(gone * part, before - moved)
            for before in (burst.before, self._samples[0][1] if self._samples else 0)
        )

    def _let_through(self, burst: _Burst, path: bytes, change: _Waiting, now_ms: int) -> None:
        burst.makers.add(change.maker)
        for each in (burst, self._all):
            if change.is_removal:
                each.removed.append(now_ms)
                if change.is_old:
                    each.removed_old.append((now_ms, change.content))
                each.rewritten.pop(path, None)
            else:
                each.rewritten[path] = now_ms
        if change.is_removal:
            minute = now_ms // _MINUTE_MS
            known = self._removed.pop()[1] if self._removed and self._removed[-1][0] == minute else 0
            self._removed.append((minute, known + 1))

    def due_ms(self) -> int | None:
        """When `judge` has something to do."""
        due = [burst.due_ms for burst in self._bursts.values() if burst.waiting]
        due += [at for burst in self._bursts.values() if (at := burst.due_again_ms) is not None]
        return min(due, default=None)

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
        for link, burst in self._bursts.items():
            if not burst.waiting or burst.due_ms > now_ms:
                continue
            paths = list(burst.waiting)
            is_in_time = now_ms - burst.since_ms < _GROWING_MS_MAX
            if is_in_time and any(map(is_being_told, paths)):
                burst.last_ms, burst.grows = now_ms, True
                continue
            most = self._most_files(files, now_ms)
            seen = [self._weigh(each, most, is_moved, is_here, files, now_ms) for each in (burst, self._all)]
            if not burst.grows and now_ms - burst.last_ms < _SETTLE_MS:
                burst.grows = any(one.is_disaster(self, 2, most, files) for one in seen)
                if burst.grows:
                    continue
            burst.grows = False
            is_rewritten = any(self.limits.is_rewritten(one.changed, files) for one in seen)
            is_lost = any(self.limits.is_disaster(one.gone, most - one.moved) for one in seen)
            is_lost = is_lost or (seen[1].leaving > 0 and self._is_lost_slowly(seen[1].leaving, files))
            is_replaced = any(self.are_too_many_old(one.burst, one.gone_old, 1, one.moved_old) for one in seen)
            if is_replaced and is_in_time and self._samples[-1][0] > now_ms - _SETTLE_MS:
                burst.last_ms, burst.grows = now_ms, True  # files are still coming: these may be their new names
                continue
            is_held = is_rewritten or is_lost or is_replaced
            if is_held:
                if not burst.braked:
                    gone = min(len(burst.removed), most - files)
                    burst.files, burst.left = files + gone, files
                burst.braked = True
                burst.holds_rewrites |= is_rewritten
                burst.held.update({path: (change.maker, change.counter) for path, change in burst.waiting.items()})
            else:
                moved = {path for path, change in burst.waiting.items() if change.is_removal and is_moved(path)}
                for path, change in burst.waiting.items():
                    if path not in moved:
                        self._let_through(burst, path, change, now_ms)
                self._judged.update(dict.fromkeys(paths))
            done.append(Judged(link, paths, is_held))
            for path in paths:
                self._no_longer_wait(path)
        return done + self._judge_again(files, now_ms)

    def _judge_again(self, files: int, now_ms: int) -> list[Judged]:
        """Much of what was held may have been made again, as by a build. Is the rest still a disaster, if it is all?"""
        done = []
        held = sum(len(burst.held) for burst in self._bursts.values())
        for link, burst in self._bursts.items():
            due = burst.due_again_ms
            if due is None or due > now_ms:
                continue
            burst.shrunk_ms = None
            most = max(burst.files, files)
            gone = held + max(0, burst.files - burst.left - max(0, files - burst.left))
            if self.limits.is_disaster(gone, most) or self.limits.is_rewritten(held + len(burst.rewritten), files):
                continue
            paths = list(burst.held)
            for path in paths:
                self.settled(path, now_ms)
            self._judged.update(dict.fromkeys(paths))
            done.append(Judged(link, paths, False, True))
        return done

    def _weigh(
        self,
        burst: _Burst,
        most: int,
        is_moved: Callable[[bytes], bool],
        is_here: Callable[[bytes], bool],
        files: int,
        now_ms: int,
    ) -> _Weight:
        """What there is in a burst, once what has only moved is taken out."""
        burst.expire(now_ms - BRAKE_WINDOW_MS)
        leaving = [path for path, change in burst.waiting.items() if change.is_removal]
        moved = {path for path in leaving if is_moved(path)}
        moved_old = sum(burst.waiting[path].is_old for path in moved)
        moved_old += sum(is_here(content) for _, content in burst.removed_old)
        return _Weight(
            burst,
            leaving=len(leaving) - len(moved),
            moved=len(moved),
            moved_old=moved_old,
            gone=min(len(burst.removed), most - files) + len(leaving) - len(moved),
            gone_old=len(burst.removed_old) + burst.leaving_old - moved_old,
            changed=len(burst.rewritten) + len(burst.waiting) - len(leaving),
        )

    @property
    def is_on(self) -> bool:
        """True if anything waits or is held."""
        return any(burst.held or burst.waiting for burst in self._bursts.values())

    def holds(self, path: bytes) -> bool:
        """True if a change of this file waits or is held."""
        return path in self._at

    def settled(self, path: bytes, now_ms: int) -> list[str]:
        """The change of a path is not wanted any more, or was made. Returns links of which nothing is held now."""
        link = self._at.get(path)
        if link is None:
            return []
        self._no_longer_wait(path)
        self._at.pop(path, None)
        burst = self._bursts[link]
        if burst.held.pop(path, None) is None:
            return []
        burst.shrunk_ms = now_ms
        if burst.held:
            return []
        burst.braked = False
        return [link]

    def held(self) -> dict[str, dict[bytes, int]]:
        """By maker: the paths, and the counters of their changes."""
        found: dict[str, dict[bytes, int]] = {}
        for burst in self._bursts.values():
            for path, (maker, counter) in burst.held.items():
                found.setdefault(maker, {})[path] = counter
        return found

    def let_go(
        self, maker: str, counter: int, is_meant: Callable[[bytes], bool], now_ms: int
    ) -> tuple[list[bytes], list[str]]:
        """Somebody has decided about what that maker did up to its `counter`, as far as `is_meant`. Returns what was held or
        waited, and the links of which nothing is held now."""
        paths: list[bytes] = []
        free = []
        for link, burst in self._bursts_of(maker).items():
            changes = [(path, *change) for path, change in burst.held.items()]
            changes += [(path, change.maker, change.counter) for path, change in burst.waiting.items()]
            some = [path for path, one, at in changes if one == maker and at <= counter and is_meant(path)]
            free += [link for path in some if self.settled(path, now_ms)]
            paths += some
            if some and not (burst.held or burst.waiting):
                del self._bursts[link]
        return paths, free
