"""The brake on changes by peers: removals and rewrites that look like a disaster are held until a person decides.

In:   each change by another node to a file of ours, and the link that brought it.
Out:  which changes are carried out at once, which wait until their burst is over, and which are held.
Rule: a held change is neither carried out nor forgotten.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from enum import Enum

from dir_sync.core.named import NamedTuple
from dir_sync.core.safeguard.brake import Limits
from dir_sync.core.safeguard.burst import GROWING_MS_MAX, QUIET_MS, Burst, Change, HeldChanges
from dir_sync.core.safeguard.file_counts import WINDOW_MS, FileCounts

__all__ = ["BRAKE_WINDOW_MS", "OLD_NS", "Judged", "PeerBrake", "Verdict"]

BRAKE_WINDOW_MS = WINDOW_MS  # changes within this time are judged together
_MINUTE_MS = 60_000
OLD_NS = 2_000_000_000  # a file that existed for less than this counts as new
_OLD_MS = OLD_NS // 1_000_000
_SUSPICIOUS = 5  # in a burst, a fifth of a disaster is enough to wait for more; otherwise half


class Verdict(Enum):
    PASS = "pass"
    WAIT = "wait"  # until the burst is judged
    HOLD = "hold"


class Judged(NamedTuple):
    """A burst of one link was judged: these paths may be changed, or all of them are held. `is_less`: they were held
    before, and are no longer a disaster because the other files are back. `removed`: how many of them would go."""

    link: str
    paths: list[bytes]
    held: bool
    is_less: bool = False
    removed: int = 0


class _Weight(NamedTuple):
    """The size of a burst."""

    burst: Burst
    leaving: int  # waiting removals
    moved: int  # of these, files that were only moved
    moved_old: int
    gone: int
    gone_old: int
    changed: int

    def is_disaster(self, brake: PeerBrake, part: int, most: int, files: int) -> bool:
        """True if it is at least a `part` (one half, one fifth) of a disaster."""
        return (
            brake.limits.is_disaster(part * self.gone, most - self.moved)
            or brake.are_too_many_old(self.burst, self.gone_old, part, self.moved_old)
            or brake.limits.is_rewritten(part * self.changed, files)
        )


class PeerBrake:
    """Changes by other nodes to files that are here, judged by link and in total. The maker of a change is only a field
    that the sender fills in, so it is not used alone."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.bursts: dict[str, Burst] = {}  # by link: the node at the other end
        self._all = Burst()  # all links; only its counts are used
        self._at: dict[bytes, str] = {}  # waiting or held path -> link
        self._judged: dict[bytes, None] = {}  # judged harmless: carried out when requested again
        self._counts = FileCounts()

    def go_on(
        self, link: str, held: dict[bytes, tuple[str, int]], holds_rewrites: bool, rewritten: Collection[bytes] = ()
    ) -> None:
        """That link was braked when the program ended. `held`: its changes that were not carried out, with maker and
        counter. `rewritten`: those of them that are no removals."""
        self.bursts[link] = Burst(held=HeldChanges(held, True, holds_rewrites, rewritten=set(rewritten)))
        self._at.update(dict.fromkeys(held, link))

    def is_rewrite(self, path: bytes) -> bool:
        """True if the held change of this path is a new content; False for a removal."""
        return any(path in burst.held.rewritten for burst in self.bursts.values())

    def holds_rewrites(self, maker: str) -> bool:
        return any(burst.held.has_rewrites for burst in self._bursts_of(maker).values())

    def is_rewriting(self, link: str) -> bool:
        return self.bursts[link].held.has_rewrites

    def links_of(self, maker: str) -> dict[str, set[str]]:
        """The links that brought held or waiting changes of that maker, and the makers of what these links brought
        shortly before."""
        return {link: {maker, *burst.passed.makers} for link, burst in self._bursts_of(maker).items()}

    def let_through(self, maker: str) -> int:
        """The highest counter of that maker's changes that were let through lately."""
        return max((burst.passed.makers.get(maker, 0) for burst in self.bursts.values()), default=0)

    def _bursts_of(self, maker: str) -> dict[str, Burst]:
        return {
            link: burst
            for link, burst in self.bursts.items()
            if any(one == maker for one, _ in burst.held.changes.values())
            or any(change.maker == maker for change in burst.waiting.changes.values())
        }

    def sample(self, files: int, now_ms: int) -> None:
        """Note the number of files, and forget the links that have long been quiet, from time to time."""
        if not self._counts.sample(files, now_ms):
            return
        quiet_ms = now_ms // _MINUTE_MS * _MINUTE_MS - BRAKE_WINDOW_MS
        for link, burst in list(self.bursts.items()):
            is_empty = not (burst.held.changes or burst.waiting.changes or burst.held.is_braked)
            if is_empty and burst.last_asked_ms < quiet_ms:
                del self.bursts[link]

    def _is_lost_slowly(self, leaving: int, files: int) -> bool:
        """True if, with so many waiting removals, too many files were lost within the hour: those that peers removed,
        but no more than the decrease of the number of files."""
        lost, most = self._counts.lost_in_an_hour(files)
        return self.limits.is_disaster(lost + leaving, most)

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
        """May this change be carried out? `link`: the node whose link brought it. `is_old`: its file had not arrived
        just before. `content`: of the file. `files`: their number, including this one, without those being removed just
        now."""
        if is_removal or path not in self._at:
            link = self._at.get(path, link)  # the path keeps the link that brought its change first
        burst = self.bursts.setdefault(link, Burst())
        held = burst.held
        if path in held.changes or (held.is_braked and (is_removal or held.has_rewrites)):
            held.hold(path, maker, counter, is_removal)
            self._at[path] = link
            return Verdict.HOLD
        change = Change(maker, is_removal, counter, is_old, content)
        if path in burst.waiting.changes:
            self._wait(link, path, change)
            return Verdict.WAIT
        if path in self._judged or (path in burst.passed.rewritten and not is_removal):
            self._judged.pop(path, None)
            return Verdict.PASS
        for each in (burst, self._all):
            each.passed.expire(now_ms - BRAKE_WINDOW_MS)
            each.lately.append(now_ms)
            if is_removal and not each.passed.removed and not each.waiting.changes:
                each.passed.before = self._counts.at(now_ms - _OLD_MS)
        if (
            self._is_suspicious(burst, change, files, now_ms)
            or self._is_suspicious(self._all, change, files, now_ms)
            or (is_removal and self._is_lost_slowly(self._all.waiting.leaving + 1, files))
        ):
            if not burst.waiting.changes:
                burst.waiting.since_ms = now_ms
            self._wait(link, path, change)
            burst.waiting.last_ms = now_ms
            return Verdict.WAIT
        self._let_through(burst, path, change, now_ms)
        return Verdict.PASS

    def _wait(self, link: str, path: bytes, change: Change) -> None:
        self._no_longer_wait(path)
        self._at[path] = link
        self.bursts[link].waiting.add(path, change)
        self._all.waiting.add(path, change)

    def _no_longer_wait(self, path: bytes) -> None:
        burst = self.bursts.get(self._at.get(path, ""))
        if burst is not None:
            burst.waiting.remove(path)
            if path not in burst.held.changes:
                del self._at[path]
        self._all.waiting.remove(path)

    def _is_suspicious(self, burst: Burst, change: Change, files: int, now_ms: int) -> bool:
        limits, passed, waiting = self.limits, burst.passed, burst.waiting
        part = _SUSPICIOUS if burst.comes_at_once(now_ms) else 2
        if change.is_removal:
            most = self._counts.most(files, now_ms)
            gone = min(len(passed.removed) + 1, most - files + 1)
            gone = max(gone, 1) + waiting.leaving
            gone_old = len(passed.removed_old) + waiting.leaving_old + change.is_old
            return limits.is_disaster(gone * part, most) or self.are_too_many_old(burst, gone_old, part)
        changed = len(passed.rewritten) + len(waiting.changes) + 1
        is_much = changed * 100 * part > files * limits.rewrite_percent
        return 0 < limits.rewrites <= changed * part and is_much

    def are_too_many_old(self, burst: Burst, gone: int, part: int, moved: int = 0) -> bool:
        """True if `gone` old files are a `part` of a disaster, regardless of new files: measured by the number of files
        at the beginning of the window, or of the burst. If there were fewer then, the files have arrived since, as at a
        new node; then only the losses count."""
        return any(
            4 * gone <= 5 * before and self.limits.is_disaster(gone * part, before - moved)
            for before in (burst.passed.before, self._counts.at_first)
        )

    def _let_through(self, burst: Burst, path: bytes, change: Change, now_ms: int) -> None:
        makers = burst.passed.makers
        makers[change.maker] = max(change.counter, makers.get(change.maker, 0))
        for each in (burst, self._all):
            each.passed.add(path, change, now_ms)
        if change.is_removal:
            self._counts.removed_one(now_ms)

    def due_ms(self) -> int | None:
        """When (ms) `judge` has something to do."""
        if not self.bursts:
            return None
        due = [burst.waiting.due_ms for burst in self.bursts.values() if burst.waiting.changes]
        due += [at for burst in self.bursts.values() if (at := burst.held.due_again_ms) is not None]
        return min(due, default=None)

    def judge(
        self,
        is_moved: Callable[[bytes], bool],
        is_here: Callable[[bytes], bool],
        is_being_told: Callable[[bytes], bool],
        files: int,
        now_ms: int,
    ) -> list[Judged]:
        """Judge the bursts that are over. `is_moved`: the content of a path exists, or is coming, elsewhere in the
        folder. `is_here`: this content exists. `is_being_told`: the peer that announced the change has more to send,
        such as a new name. `files`: their number now."""
        done = []
        for link, burst in self.bursts.items():
            waiting = burst.waiting
            if not waiting.changes or waiting.due_ms > now_ms:
                continue
            paths = list(waiting.changes)
            is_in_time = now_ms - waiting.since_ms < GROWING_MS_MAX
            if is_in_time and any(map(is_being_told, paths)):
                waiting.go_on_growing(now_ms)
                continue
            most = self._counts.most(files, now_ms)
            seen = [self._weigh(each, most, is_moved, is_here, files, now_ms) for each in (burst, self._all)]
            if not waiting.grows and now_ms - waiting.last_ms < QUIET_MS:
                waiting.grows = any(one.is_disaster(self, 2, most, files) for one in seen)
                if waiting.grows:
                    continue
            waiting.grows = False
            is_rewritten = any(self.limits.is_rewritten(one.changed, files) for one in seen)
            is_lost = any(self.limits.is_disaster(one.gone, most - one.moved) for one in seen)
            is_lost = is_lost or (seen[1].leaving > 0 and self._is_lost_slowly(seen[1].leaving, files))
            is_replaced = any(self.are_too_many_old(one.burst, one.gone_old, 1, one.moved_old) for one in seen)
            if is_replaced and is_in_time and self._counts.changed_ms > now_ms - QUIET_MS:
                waiting.go_on_growing(now_ms)  # files still arrive, which may be new names of the removed ones
                continue
            is_held = is_rewritten or is_lost or is_replaced
            if is_held:
                if not burst.held.is_braked:
                    gone = min(len(burst.passed.removed), most - files)
                    burst.held.files, burst.held.left = files + gone, files
                burst.held.brake(waiting.changes, is_rewritten)
            else:
                moved = {path for path, change in waiting.changes.items() if change.is_removal and is_moved(path)}
                for path, change in waiting.changes.items():
                    if path not in moved:
                        self._let_through(burst, path, change, now_ms)
                self._judged.update(dict.fromkeys(paths))
            done.append(Judged(link, paths, is_held, removed=waiting.leaving))
            for path in paths:
                self._no_longer_wait(path)
        return done + self._judge_again(files, now_ms)

    def _judge_again(self, files: int, now_ms: int) -> list[Judged]:
        """Many held changes may have been reverted, as by a build. Is the rest still a disaster?"""
        done = []
        all_held = sum(len(burst.held.changes) for burst in self.bursts.values())
        for link, burst in self.bursts.items():
            held, due = burst.held, burst.held.due_again_ms
            if due is None or due > now_ms:
                continue
            held.shrunk_ms = None
            most = max(held.files, files)
            gone = all_held + max(0, held.files - held.left - max(0, files - held.left))
            rewritten = all_held + len(burst.passed.rewritten)
            if self.limits.is_disaster(gone, most) or self.limits.is_rewritten(rewritten, files):
                continue
            paths = list(held.changes)
            for path in paths:
                self.settled(path, now_ms)
            self._judged.update(dict.fromkeys(paths))
            done.append(Judged(link, paths, False, True))
        return done

    def _weigh(
        self,
        burst: Burst,
        most: int,
        is_moved: Callable[[bytes], bool],
        is_here: Callable[[bytes], bool],
        files: int,
        now_ms: int,
    ) -> _Weight:
        """The size of a burst, without files that were only moved."""
        passed, waiting = burst.passed, burst.waiting
        passed.expire(now_ms - BRAKE_WINDOW_MS)
        leaving = [path for path, change in waiting.changes.items() if change.is_removal]
        moved = {path for path in leaving if is_moved(path)}
        moved_old = sum(waiting.changes[path].is_old for path in moved)
        moved_old += sum(is_here(content) for _, content in passed.removed_old)
        return _Weight(
            burst,
            leaving=len(leaving) - len(moved),
            moved=len(moved),
            moved_old=moved_old,
            gone=min(len(passed.removed), most - files) + len(leaving) - len(moved),
            gone_old=len(passed.removed_old) + waiting.leaving_old - moved_old,
            changed=len(passed.rewritten) + len(waiting.changes) - len(leaving),
        )

    @property
    def is_on(self) -> bool:
        """True if any change waits or is held."""
        if not self.bursts:
            return False
        return any(burst.held.changes or burst.waiting.changes for burst in self.bursts.values())

    def holds(self, path: bytes) -> bool:
        """True if a change of this file waits or is held."""
        return path in self._at

    def link_of(self, path: bytes) -> str | None:
        """The link that brought the change of this file that waits or is held; None: there is none."""
        return self._at.get(path)

    def change_at(self, path: bytes) -> tuple[str, bool, int] | None:
        """The change of a file that waits or is held: its maker, whether it is held, and when (ms) the burst is judged;
        None: there is none."""
        burst = self.bursts.get(self._at.get(path, ""))
        if burst is None:
            return None
        if path in burst.held.changes:
            return burst.held.changes[path][0], True, 0
        change = burst.waiting.changes.get(path)
        return None if change is None else (change.maker, False, burst.waiting.due_ms)

    def settled(self, path: bytes, now_ms: int) -> list[str]:
        """The change of a path is no longer wanted, or was carried out. Returns the links with nothing held any
        more."""
        link = self._at.get(path)
        if link is None:
            return []
        self._no_longer_wait(path)
        self._at.pop(path, None)
        held = self.bursts[link].held
        held.rewritten.discard(path)
        if held.changes.pop(path, None) is None:
            return []
        held.shrunk_ms = now_ms
        if held.changes:
            return []
        held.is_braked = held.stays = False
        return [link]

    def stay_held(self, path: bytes) -> str:
        """A person decides about this held path alone: what else its link brought stays held, however little it is.
        Returns the link."""
        link = self._at[path]
        self.bursts[link].held.stays = True
        return link

    def held(self) -> dict[str, dict[bytes, int]]:
        """By maker: the paths and the counters of their changes."""
        found: dict[str, dict[bytes, int]] = {}
        for burst in self.bursts.values():
            for path, (maker, counter) in burst.held.changes.items():
                found.setdefault(maker, {})[path] = counter
        return found

    def release(
        self, maker: str, counter: int, is_meant: Callable[[bytes], bool], now_ms: int
    ) -> tuple[list[bytes], list[str]]:
        """A person decided about what that maker did up to `counter`, where `is_meant` is true. Returns the paths that
        were held or waited, and the links with nothing held any more."""
        paths: list[bytes] = []
        free = []
        for link, burst in self._bursts_of(maker).items():
            changes = [(path, *change) for path, change in burst.held.changes.items()]
            changes += [(path, change.maker, change.counter) for path, change in burst.waiting.changes.items()]
            some = [path for path, one, at in changes if one == maker and at <= counter and is_meant(path)]
            free += [link for path in some if self.settled(path, now_ms)]
            paths += some
            if some and not (burst.held.changes or burst.waiting.changes):
                del self.bursts[link]
        return paths, free
