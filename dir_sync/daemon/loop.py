"""The engine's thread: it waits for an event, takes a turn, and performs the effects of the turn.

In:   the inbox: messages of peers, hints of the watchers, results of jobs, beacons, questions of other commands.
Out:  each event handed to the folder or object that handles it; then the effects of the turn.
Rule: one turn is one commit of each folder that took part in it. It ends after some events or some milliseconds, so that
effects do not wait long.
Used by: daemon.
"""

from __future__ import annotations

import time
from collections.abc import Hashable
from typing import Final

from dir_sync.core.events import Received
from dir_sync.core.jobs import Listed
from dir_sync.core.messages import Chunks, Message, Taker, handlers
from dir_sync.core.transfers.transfer import folder_of
from dir_sync.daemon.folder import FOUND_OR_DONE, Attached, Detached, Folder, Folders
from dir_sync.daemon.inbox import In, Inbox
from dir_sync.daemon.links import Neighbours
from dir_sync.daemon.news import Asked, Heard, PauseChanged, Stop
from dir_sync.daemon.observers import Observers
from dir_sync.daemon.turns import Turns
from dir_sync.engine import Now
from dir_sync.node import Node
from dir_sync.node_manager import BytesSent, Dialled, HelloReceived, LinkClosed, MessageReceived, Stalled

__all__ = ["Loop"]

_TURN_EVENTS_MAX = 128  # events of one turn, and so of one commit
_TURN_S_MAX = 0.02  # a turn ends after this even if more events wait ...
_TURN_S_FAIR = 0.006  # ... and earlier, if several groups wait
_LINGER_S = 0.0005  # after a turn the next event often comes at once; deadlines are computed only if it does not ...
_WORK_LINGER_S = 0.002  # ... and later while a worker is busy: until then it has the interpreter alone
_LAST_ANSWERS_S = 0.3  # the end takes at most so long for what workers have answered
_HANDLERS: Final = handlers(Taker.LINKS, Neighbours)  # messages for them ...
_OBSERVERS: Final = handlers(Taker.OBSERVERS, Observers)  # ... and for those; all others are for a folder


class Loop:
    """The folders and the links, in the order of a turn. Engine thread only."""

    def __init__(self, inbox: Inbox, folders: Folders, links: Neighbours, observers: Observers | None = None) -> None:
        self._observers = observers
        self._inbox = inbox
        self._folders = folders
        self._links = links
        self._turns: Turns[Folder] = Turns()

    def run(self) -> None:
        """Take turns until Stop arrives."""
        self._inbox.numbers = self._folders.numbers
        for folder in self._folders.each:
            folder.start(_now(), len(self._folders.each) == 1)
        self._scan_in_turn()
        while True:
            news = self._wait()
            now = _now()
            begun = time.monotonic()
            count, lingered = 0, 0.0
            while news is not None:
                if isinstance(news, Stop):
                    for folder in self._folders.each:
                        self._finish(folder)
                    return
                count += self._handle(news, now)
                most_s = _TURN_S_FAIR if self._inbox.is_shared else _TURN_S_MAX
                if count >= _TURN_EVENTS_MAX or time.monotonic() - begun > most_s:
                    break
                news = self._inbox.get(0)
                if news is None and not lingered:
                    news, lingered = self._look_at_once(now)
            self._inbox.over()
            now = _now()
            resting = self._inbox.resting()
            planned: list[tuple[Hashable, int]] = []
            for folder in self._folders.each:
                folder.decide(now, self._inbox.is_shared, resting)
            if now.mono_ms >= self._links.due_ms:
                self._links.tick(now)
            for folder in self._folders.each:
                folder.perform()
                if folder.board.plan_queue.has_served:
                    planned += folder.planned()
            self._scan_in_turn()
            self._inbox.turn_over(time.monotonic() - begun - lingered, planned)

    def _look_at_once(self, now: Now) -> tuple[object | None, float]:
        """Order the looks at what was touched, and wait a moment for what they find: so one change of one file needs one
        turn, not two. Returns the next event, if one came, and how long (s) was waited."""
        are_out = False
        for folder in self._folders.each:
            if folder.is_touched and folder.look_at_once(now):
                are_out = True
        if not are_out:
            return None, 0.0
        begun = time.monotonic()
        news = self._inbox.get(_LINGER_S)
        return news, time.monotonic() - begun

    def _scan_in_turn(self) -> None:
        """Let the first scans go on, one after the other."""
        scanning: tuple[Folder, ...] = ()
        for folder in self._folders.each:
            if folder.board.scan.is_on and folder.is_scanning:
                scanning = (*scanning, folder)
        if scanning or self._turns.since:
            going = self._turns.now(scanning, time.monotonic())
            for folder in scanning:
                folder.let_scan(folder in going)

    def _finish(self, folder: Folder) -> None:
        """Take in what its workers have answered before they ended, so that the index says what is on the disk: commands
        read it without a node. What the engine wants to be done next is left to the next start."""
        until = time.monotonic() + _LAST_ANSWERS_S
        for news in self._inbox.last_news_of(folder.name, FOUND_OR_DONE):
            if time.monotonic() < until:
                folder.take(news, _now())
        folder.finish()

    def _wait(self) -> object | None:
        """The next event; None if a deadline came first."""
        linger_s = _LINGER_S
        for folder in self._folders.each:
            if folder.board.run_again and folder.runs_again:
                linger_s = 0
                break
            if folder.board.jobs_out and folder.has_jobs_out:
                linger_s = _WORK_LINGER_S
        news = self._inbox.get(linger_s)
        if news is not None:
            return news
        mono = time.monotonic()
        due_s = self._links.due_ms / 1000
        for folder in self._folders.each:
            due_s = min(due_s, folder.due_s(mono))
        if self._turns.since and (turn := self._turns.due_s()) is not None:
            due_s = min(due_s, turn)
        if resting := self._inbox.resting():
            due_s = min(due_s, *resting.values())  # what their peers have announced is planned then
        return self._inbox.get(max(0.0, due_s - mono))

    def _handle(self, news: object, now: Now) -> int:
        """Hand an event to whom it concerns. Returns how many events it stands for."""
        match news:
            case In(name, its):
                folder = self._folders.named(name)
                if folder is not None:
                    if isinstance(its, Listed):
                        self._turns.came(folder, time.monotonic())
                    folder.take(its, now)
                    return len(its) if isinstance(its, list) else 1
                if isinstance(its, Asked):
                    its.reply.put({"error": "this node does not share the folder any more"})
            case MessageReceived(node, message, cost):
                node.consumed(cost)
                self._said(node, message, now)
            case BytesSent(node, size):
                self._links.on_sent(node, size, now)
            case _:
                self._links.happened()
                self._happened(news, now)
        return 1

    def _happened(self, news: object, now: Now) -> None:
        """Something that concerns links, or the folders as such."""
        match news:
            case HelloReceived(node, hello) if hello.observes:
                if self._observers is not None:
                    self._observers.came(node, hello)
            case HelloReceived():
                for folder in self._folders.each:  # effects made before this event belong to the old link
                    folder.flush()
                self._links.on_hello(news, now)
            case Stalled(node):
                self._links.on_stalled(node, now)
            case LinkClosed(node, reason, text):
                if self._observers is not None:
                    self._observers.left(node)
                self._links.on_end(node, reason, text, now)
            case Dialled():
                self._links.on_dialled(news, now)
            case Heard():
                self._links.on_beacon(news.beacon, news.address, now)
            case Attached():
                self._attach(news, now)
            case Detached():
                self._detach(news, now)
            case PauseChanged():
                self._links.matching.pauses_changed(now)
            case _:
                raise TypeError(f"an event that nobody handles: {news!r}")

    def _attach(self, news: Attached, now: Now) -> None:
        self._folders.add(news.folder)
        self._inbox.numbers = self._folders.numbers
        news.folder.start(now, len(self._folders) == 1)
        self._links.matching.folders_changed(now)
        news.done.set()

    def _detach(self, news: Detached, now: Now) -> None:
        folder = self._folders.named(news.name)
        if folder is not None:
            self._links.matching.forget(folder, now)
            self._folders.remove(news.name)
            self._inbox.numbers = self._folders.numbers
            folder.flush()
            self._finish(folder)
            for other in self._folders:
                other.lender_gone(folder.share)
            self._links.matching.folders_changed(now, (news.name,) if news.closes else ())
        news.done.set()

    def _said(self, node: Node, message: Message, now: Now) -> None:
        """A message of a peer, for the folder that it names."""
        handle = _HANDLERS.get(type(message))
        if handle is not None:
            self._links.happened()
            handle(self._links, node, message)
        elif (answer := _OBSERVERS.get(type(message))) is not None:
            if self._observers is not None:
                answer(self._observers, node, message)
        elif isinstance(message, Chunks):
            self._came(node, message, now)
        else:
            self._pass(self._folders.named(message.folder), node, message, now)  # type: ignore[union-attr]

    def _came(self, node: Node, chunks: Chunks, now: Now) -> None:
        """Contents: the id of each pull says for which folder it was drawn."""
        first = folder_of(chunks.pieces[0].key)
        if all(folder_of(piece.key) == first for piece in chunks.pieces):
            self._pass(self._folders.numbered(first), node, chunks, now)
        else:
            for number in sorted({folder_of(piece.key) for piece in chunks.pieces}):
                some = tuple(piece for piece in chunks.pieces if folder_of(piece.key) == number)
                self._pass(self._folders.numbered(number), node, Chunks(some), now)
        if len(self._folders) > 1:
            self._links.concern(node)  # there is room in the window that they share

    @staticmethod
    def _pass(folder: Folder | None, node: Node, message: Message, now: Now) -> None:
        replica = None if folder is None else folder.peers.replica_on(node)
        if folder is not None and replica is not None:
            folder.handle(Received(replica, message), now)


def _now() -> Now:
    return Now(time.time_ns(), time.monotonic_ns() // 1_000_000)
