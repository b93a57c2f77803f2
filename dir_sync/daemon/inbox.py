"""All events for the engine's thread, and which comes next.

In:   events from any thread. Out: the next one to handle, in fair shares (see core/overload/fairness.py).
Rule: `put` never waits. Events of one link keep their order, up to its end, within each folder; what concerns the link
itself comes after all that was said before it. Between links, watcher, workers and other commands there is no order.
Used by: asking, borrowing, chores, daemon, effects, jobs, loop, news, requests, share, sharing.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Protocol

from dir_sync.core.messages import Acknowledge, Chunks, Lacks, Message, ModificationUpdate, Pull, Refuse
from dir_sync.core.named import NamedTuple
from dir_sync.core.overload.fairness import FairQueue, Flow, parts
from dir_sync.core.transfers.transfer import folder_of
from dir_sync.daemon.lanes import Lanes
from dir_sync.network.throttle import Throttle
from dir_sync.node import Node
from dir_sync.node_manager import Dialled, HelloReceived, LinkClosed, MessageReceived

__all__ = ["HERE", "FolderPost", "For", "In", "Inbox", "Post"]

HERE = Flow("")  # the flow of this machine's own disk and user
_ACTIVE_S = 2.0
_PLAN_S = 50e-6  # what it costs to decide what to do at one path
_SMALL_CHANGES = 16  # in one update: a user saves files, and waits for them on another machine
_ANSWERS = (Acknowledge, Chunks, Lacks, Refuse)  # answers to requests of this node
_TRANSFERS = (Chunks, Lacks, Refuse, Pull)


class For(NamedTuple):
    """An event that counts as that flow's."""

    flow: Flow
    news: object


class In(NamedTuple):
    """An event of the folder with this name."""

    folder: str
    news: object


class Post(Protocol):
    """The inbox, as the rooms of one folder use it. Any thread."""

    def put(self, news: object) -> None: ...

    def qsize(self) -> int: ...

    def somebody_works_here(self) -> None: ...


class FolderPost:
    """What is put in here is an event of one folder: it is served in turn with those of other folders."""

    def __init__(self, inbox: Inbox, folder: str) -> None:
        self._inbox = inbox
        self._folder = folder
        self._here = Flow(HERE.group, folder)
        self.qsize = inbox.qsize
        self.somebody_works_here = inbox.somebody_works_here

    def put(self, news: object) -> None:
        match news:
            case For(flow, its):
                self._inbox.put(For(Flow(flow.group, (self._folder, flow.member)), In(self._folder, its)))
            case _:
                self._inbox.put(For(self._here, In(self._folder, news)))


class Inbox:
    """Any thread may call `put` and `qsize`; only the engine's thread calls the rest.

    It has more fields than a class should have: what waits, and what this turn has cost whom, meet here for each event."""

    def __init__(self, throttle: Throttle | None = None) -> None:
        self._throttle = throttle or Throttle()
        self._turn: dict[Hashable, float] = {}  # seconds spent for each group in this turn
        self._new: queue.SimpleQueue[object] = queue.SimpleQueue()
        self._waiting: FairQueue[object] = FairQueue()
        self._served: Flow | None = None
        self._is_transfer = False  # windows limit it, so its peer is not throttled
        self._active: dict[Hashable, float] = {}  # group -> until when it counts as active
        # Several groups are active: peers at different addresses, or a peer and a user of this machine. The engine then works
        # in small pieces, so that each of them is served soon.
        self.is_shared = False
        self._looked = 0.0
        self._since = 0.0
        self._lanes: dict[int, Lanes] = {}  # by link
        self.numbers: Mapping[str, int] = {}  # of the folders; replaced as a whole when they change

    def put(self, news: object) -> None:
        self._new.put(news)

    def qsize(self) -> int:
        """The approximate number of waiting events."""
        return self._new.qsize() + self._waiting.count

    def get(self, timeout_s: float) -> object | None:
        """The next event; None if there is none in time. The event before it counts as handled, at the cost of the CPU
        time that this thread has used since."""
        if self._served is not None:
            self.over()
        if not self._new.empty():
            if not self._waiting.count and self._new.qsize() == 1 and not self._throttle.pauses:
                return self._come(self._new.get_nowait())
            self._sort()
        taken = None
        if self._waiting.count:
            resting = self.resting() if self._throttle.pauses else {}
            taken = self._waiting.take(resting)
            if taken is None and resting:  # there are only items of throttled groups
                timeout_s = min(timeout_s, max(0.0, min(resting.values()) - time.monotonic()))
        if taken is None and timeout_s > 0:
            try:
                came = self._new.get(timeout=timeout_s)
                if not self._waiting.count and self._new.empty() and not self._throttle.pauses:
                    return self._come(came)
                self._add(came)
            except queue.Empty:
                pass
            if not self._new.empty():
                self._sort()
            if self._waiting.count:
                taken = self._waiting.take(self.resting() if self._throttle.pauses else {})
        if taken is None:
            return None
        self._served, news = taken
        if isinstance(news, Lanes):
            news = news.take()
        if isinstance(news, LinkClosed):
            self._lanes.pop(news.node.link, None)
        self._is_transfer = isinstance(news, MessageReceived) and isinstance(news.message, _TRANSFERS)
        self._since = time.thread_time()
        return news

    def _come(self, news: object) -> object:
        """Serve at once what comes while nothing waits and nobody pauses: it needs no queue."""
        flow, its, self._is_transfer = HERE, news, False
        match news:
            case For(flow, its):
                pass
            case MessageReceived(node, message):
                some = self._noted(node, message)
                if len(some) > 1:
                    self._put_parts(news, some)
                    return self.get(0)
                flow, self._is_transfer = Flow(node.address, node.link), isinstance(message, _TRANSFERS)
            case HelloReceived() | LinkClosed() | Dialled():
                self._add(news)
                return self.get(0)
        self._waiting.pass_by(flow)
        self._served, self._since = flow, time.thread_time()
        return its

    def last_news_of(self, folder: str, kinds: tuple[type, ...]) -> list[object]:
        """Take out what still waits for a folder and is of one of these kinds, whichever group rests."""
        self.over()
        self._sort()
        left = self._waiting.remove_all(
            lambda one: isinstance(one, In) and one.folder == folder and isinstance(one.news, kinds)
        )
        return [one.news for one in left if isinstance(one, In)]

    def somebody_works_here(self) -> None:
        """Changes were found that were not made by a peer."""
        self._note(HERE.group)
        self._throttle.wants_soon(HERE.group)

    def _note(self, group: Hashable) -> None:
        now = time.monotonic()
        if self._active.get(group, 0.0) < now + _ACTIVE_S / 2:
            self._active[group] = now + _ACTIVE_S
        if self._looked < now:
            self._looked = now + _ACTIVE_S / 4
            self._active = {one: until for one, until in self._active.items() if until > now}
        self.is_shared = len(self._active) > 1

    def over(self) -> None:
        """The last event was handled."""
        if self._served is not None:
            cost = max(1e-6, time.thread_time() - self._since)
            self._waiting.charge(self._served, cost)
            if not self._is_transfer:
                self._turn[self._served.group] = self._turn.get(self._served.group, 0.0) + cost
            self._served = None

    def resting(self) -> dict[Hashable, float]:
        """The groups for which nothing is done just now, and until when (monotonic, s)."""
        return self._throttle.resting() if self._throttle.pauses else {}

    def turn_over(self, seconds: float, planned: Iterable[tuple[Hashable, int]] = ()) -> None:
        """A turn took so many seconds, including commits: charge them to the groups whose events it handled, or whose
        paths it planned (how many for whom)."""
        for group, paths in planned:
            self._turn[group] = self._turn.get(group, 0.0) + paths * _PLAN_S
        if not self._turn:
            return
        total = sum(self._turn.values())
        for group, cost in self._turn.items():
            self._throttle.spent(group, seconds * cost / total, group != HERE.group)
        self._turn.clear()

    def _sort(self) -> None:
        while not self._new.empty():  # nobody else takes anything out
            self._add(self._new.get_nowait())

    def _add(self, news: object) -> None:
        match news:
            case MessageReceived(node, message):
                self._put_parts(news, self._noted(node, message))
            case HelloReceived(node) | LinkClosed(node):
                self._put(node, None, news)
            case Dialled(node=Node() as node):
                self._put(node, None, news)
            case For(flow, its):
                self._waiting.put(flow, its)
            case _:
                self._waiting.put(HERE, news)

    def _noted(self, node: Node, message: Message) -> Sequence[Message]:
        """Who is active is noted. Returns the message in parts."""
        if type(message) not in _ANSWERS:
            self._note((node.address, self._folder_of(message) or 0))
        if isinstance(message, ModificationUpdate) and len(message.changes) <= _SMALL_CHANGES:
            self._throttle.wants_soon(node.address)
        return parts(message, self.is_shared)

    def _put_parts(self, news: MessageReceived, some: Sequence[Message]) -> None:
        node, message, cost = news
        folder = self._folder_of(message)
        for part in some[:-1]:
            self._put(node, folder, MessageReceived(node, part, 0))
        self._put(node, folder, MessageReceived(node, some[-1], cost))

    def _put(self, node: Node, folder: int | None, news: object) -> None:
        lanes = self._lanes.get(node.link)
        if lanes is None:
            lanes = self._lanes[node.link] = Lanes()
        lanes.put(folder, news)
        self._waiting.put(Flow(node.address, node.link), lanes)

    def _folder_of(self, message: Message) -> int | None:
        """The number of the folder that a message is about; None: it is about the link."""
        if isinstance(message, Chunks):
            return folder_of(message.pieces[0].key)
        name = getattr(message, "folder", None)
        return None if name is None else self.numbers.get(name, 0)
