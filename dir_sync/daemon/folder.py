"""The rooms around the engine of one folder, and all folders of a node by name.

In:   events of the folder, from the loop. Out: the effects of each turn, performed after the commit that they rely on.
Rule: a folder takes part in a turn only if something happened to it, or its time has come: what others do costs it
nothing.
Used by: daemon, linked, links, loop, matching, observers, sharing.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Container, Hashable, Iterator, Sequence
from typing import Concatenate, ParamSpec, TypeVar

from dir_sync.core import limits
from dir_sync.core.events import Effect, Event, Received
from dir_sync.core.jobs import Applied, Listed, Looked, Pruned, Rechecked, Staged, Version
from dir_sync.core.live_notes import PeerCame, PeerLeft
from dir_sync.core.messages import FolderIndex, Hello
from dir_sync.core.model import show, show_text
from dir_sync.core.transfers.connection import Connection
from dir_sync.daemon.borrowing import Borrowed
from dir_sync.daemon.chores import Chores
from dir_sync.daemon.effects import Performer
from dir_sync.daemon.memory import Memory
from dir_sync.daemon.news import Asked
from dir_sync.daemon.pausing import Pausing
from dir_sync.daemon.peers import ConnectedPeers
from dir_sync.daemon.requests import Requests
from dir_sync.daemon.share import Share
from dir_sync.daemon.threads import DiskHangs, may_pass
from dir_sync.daemon.witness import Witness
from dir_sync.engine import Now
from dir_sync.node import Node

__all__ = ["FOUND_OR_DONE", "Attached", "Detached", "Folder", "Folders"]


FOUND_OR_DONE = (Applied, Listed, Looked, Pruned, Rechecked, Staged)  # what is on the disk, as workers say it
_NEVER_S = 1e12  # monotonic time
_FAILS = (sqlite3.Error, DiskHangs)  # its disk does
_P = ParamSpec("_P")
_R = TypeVar("_R")


def _alone(work: Callable[Concatenate[Folder, _P], _R]) -> Callable[Concatenate[Folder, _P], _R | None]:
    """A method of Folder: if its disk fails below the index, only this folder ends, and the others go on. None: it has
    ended. What is called in each turn does the same without a call more."""

    def guarded(folder: Folder, /, *args: _P.args, **more: _P.kwargs) -> _R | None:
        if folder.is_over:
            return None
        try:
            return work(folder, *args, **more)
        except _FAILS as error:
            folder.fails(error)
            return None

    return guarded


class Folder:
    """One shared folder, as the loop sees it. Engine thread only.

    It has more fields than a class should have: the rooms that it joins, and what has happened in this turn."""

    def __init__(
        self,
        share: Share,
        peers: ConnectedPeers,
        requests: Requests,
        performer: Performer,
        chores: Chores,
        found: Sequence[Version] = (),
        end: Callable[[Exception], None] = lambda error: None,
        witness: Witness | None = None,
        memory: Memory | None = None,
        pausing: Pausing | None = None,
    ) -> None:
        """`found`: versions that the last run displaced and did not record. `end` is called if the index cannot be written
        or read any more. `witness`: of a run that ends when all is in sync. `memory`: of all folders of the node. `pausing`:
        None: it is never paused."""
        self._memory = memory or Memory()
        self.is_over = False  # then nothing happens here any more
        self.end = end
        self.share = share
        self.board = share.engine.board
        self.peers = peers
        self._requests = requests
        self._performer = performer
        self._chores = chores
        self._witness = witness
        self._pausing = pausing
        self._found = found
        self._effects: list[Effect] = []  # of this turn
        self._is_concerned = False  # something happened to it in this turn
        self._has_applied = False
        self._acted: Now | None = None  # when the engine has acted; it has not tidied yet
        self.is_touched = False  # the watcher has reported something in this turn
        self._due: tuple[int | None] | None = None  # what `_deadline_ms` knows

    @property
    def name(self) -> str:
        """Under which nodes share it."""
        return self.board.folder

    @property
    def number(self) -> int:
        return self.board.number

    @property
    def index(self) -> FolderIndex:
        """What a HELLO says of it."""
        index = self.share.index
        return FolderIndex(self.name, index.identity.replica, index.sequences.last, self.is_paused)

    @property
    def is_paused(self) -> bool:
        """True while nothing of it is exchanged, because a person or the schedule says so."""
        return self._pausing is not None and self._pausing.pause is not None

    @property
    def is_scanning(self) -> bool:
        """True until its first scan is over."""
        return self.board.scan.is_on and not self.is_over

    def let_scan(self, is_its_turn: bool) -> None:
        """Its first scan goes on, or waits for its turn."""
        if self.board.scan.waits == is_its_turn:
            self.board.scan.waits = not is_its_turn
            self._is_concerned = True

    @_alone
    def start(self, now: Now, is_its_turn: bool = True) -> None:
        """Begin its first scan, at once or when it is its turn."""
        self.board.scan.waits = not is_its_turn
        self._due = None
        self._memory.used(self.share.index, time.monotonic())
        self._performer.perform(self.share.engine.start(now, self._found))
        self._found = ()

    def take(self, news: object, now: Now) -> None:
        """Handle what the watcher, a worker, or another command has put into the inbox."""
        if self.is_over:
            return
        self._due = None
        try:
            if isinstance(news, list):
                events = self.share.engine.without_echoes(news, now)
                if events:
                    self.add(self.share.engine.heard(events, now))
                    self.is_touched = True
            elif isinstance(news, Asked):
                self.add(self._requests.on_asked(news, now))
            elif isinstance(news, Borrowed):
                self.concern()
                chunks = self._performer.borrowed(news)
                if chunks is not None:
                    self.add(self.share.engine.handle(Received(news.peer, chunks), now))
            else:
                self._has_applied = self._has_applied or isinstance(news, Applied)
                self.add(self.share.engine.handle(news, now))  # type: ignore[arg-type]
        except _FAILS as error:
            self.fails(error)

    @_alone
    def look_at_once(self, now: Now) -> bool:
        """Order the looks that the watcher's reports ask for, if nothing else of this turn waits to be performed. Returns
        True if what they find may come back within the turn."""
        if not self.is_touched or self._effects or (self._chores.is_checking and self._chores.is_stalled):
            return False
        self.is_touched = False
        looks = self.share.engine.look_at_once(now)
        self._performer.perform(looks)
        return bool(looks)

    def handle(self, event: Event, now: Now) -> None:
        if self.is_over:
            return
        try:
            self.add(self.share.engine.handle(event, now))
        except _FAILS as error:
            self.fails(error)

    def add(self, effects: Sequence[Effect]) -> None:
        """These effects belong to its turn."""
        self._is_concerned = True
        self._effects += effects

    def concern(self) -> None:
        """Something that it shares with other folders has changed."""
        self._is_concerned = True

    @_alone
    def flush(self) -> None:
        """Perform the effects so far: what comes next is about another link."""
        self._flush()

    def _flush(self) -> None:
        if self._effects:
            effects, self._effects = self._effects, []
            self._performer.perform(effects)

    def decide(self, now: Now, is_shared: bool, resting: Container[Hashable] = ()) -> None:
        """Do what is due at the end of a turn. Nothing is planned for peers at addresses in `resting`."""
        if self.is_over or (self._chores.is_checking and self._chores.is_stalled):
            return
        try:
            engine, board = self.share.engine, self.board
            board.resting = self.peers.at(resting) if resting else ()
            if not self._is_concerned:
                # what is planned is maybe of a peer that has rested
                self._is_concerned = not board.scan.is_on and board.plan_queue.waits_beside(board.resting)
            if not self._is_concerned:
                due_ms = self._deadline_ms()
                self._is_concerned = due_ms is not None and due_ms <= now.mono_ms
            if self._is_concerned:
                board.is_shared = is_shared
                self._effects += engine.act(now)
                self._acted = now
        except _FAILS as error:
            self.fails(error)

    def planned(self) -> list[tuple[Hashable, int]]:
        """For which groups paths were planned in this turn, and how many."""
        served = self.board.plan_queue.served()
        return [(self.peers.flow_of(owner).group, count) for owner, count in served.items()]

    def perform(self) -> None:
        """Perform the effects of the turn, then what the engine leaves for afterwards, and the chores that are due."""
        if self.is_over:
            return
        try:
            if self._is_concerned and not (self._chores.is_checking and self._chores.is_stalled):
                self._memory.used(self.share.index, time.monotonic())
                self._flush()
                if self._acted is not None:
                    now, self._acted = self._acted, None
                    if effects := self.share.engine.tidy(now):
                        self._performer.perform(effects)
                if self._has_applied and self.share.index.is_dirty:
                    self._performer.commit(
                        durable=False
                    )  # results of jobs are committed at once, even if no peer is told
                self._is_concerned = self._has_applied = self.is_touched = False
                self._due = None
                if self._witness is not None:
                    self._witness.turn_over(self.share)
                if self._requests.waiting.questions:
                    self._requests.waiting.turn_over()
            self._chores.run(time.monotonic())
        except _FAILS as error:
            self.fails(error)

    @_alone
    def came(self, node: Node, hello: Hello, replica: str, may_write: bool, connection: Connection, now: Now) -> None:
        """The node at the other end of a link shares this folder."""
        self.add(self.peers.came(node, hello, replica, may_write, connection, now))
        self._performer.tell_live(PeerCame(show_text(hello.name), node.address))

    @_alone
    def left(self, node: Node, reason: str, now: Now) -> None:
        """That link has ended, or its node does not share this folder any more."""
        replica = self.peers.replica_on(node)
        if self._witness is not None and replica is not None:
            self._witness.leaves(self.share, replica)
        if replica is not None:
            self._performer.tell_live(PeerLeft(show(self.peers.name_of(replica))))
        self.add(self.peers.left(node, reason, now))

    @_alone
    def lender_gone(self, share: Share) -> None:
        """Another folder, which lent contents to this one, is not shared any more."""
        self._performer.lender_gone(share)

    @property
    def runs_again(self) -> bool:
        """True if it takes another turn at once."""
        return self.board.run_again and not self.is_over

    @property
    def has_jobs_out(self) -> bool:
        """True while workers are busy for it."""
        return self.board.jobs_out > 0 and not self.is_over

    def due_s(self, mono: float) -> float:
        """The time (monotonic, s) at which it has something to do."""
        if self.is_over:
            return _NEVER_S
        if self._is_concerned and not (self._chores.is_checking and self._chores.is_stalled):
            return mono
        due = self._chores.due(mono)
        is_stalled = self._chores.is_checking and self._chores.is_stalled
        engine = None if is_stalled else self._deadline_ms()
        return due if engine is None else min(due, engine / 1000)

    def _deadline_ms(self) -> int | None:
        """When (ms) the engine has something to do. While nobody is connected, only its own turns change that, and what it is
        told: many folders that rest are asked once each, not twice in each turn of every one."""
        due = self._due
        if due is None:
            due = (self.share.engine.next_deadline(),)
            if not self.board.peers:
                self._due = due
        return due[0]

    def fails(self, error: Exception) -> None:
        """Its disk has failed, or an error of the program has happened: that is raised."""
        if not may_pass(error):
            raise error
        self.give_up(error)

    def give_up(self, error: Exception) -> None:
        """Its disk fails. From now on its index is not used: a worker may still be in the commit that hangs."""
        self.is_over = True
        self._memory.gone(self.share.index)
        self.end(error)

    @_alone
    def finish(self) -> None:
        """The last words and the last commit. Its index is not used any more."""
        self._memory.gone(self.share.index)
        self.peers.note_seen()
        effects, self._effects = self._effects, []
        self._performer.finish(effects)


class Folders:
    """The folders of one node, by name and by number. The number is the place in our HELLO; it stays the same as long as the
    folder is shared, and is never that of another folder of the node at the same time."""

    def __init__(self, folders: Sequence[Folder] = ()) -> None:
        self._by_name: dict[str, Folder] = {}
        self._by_number: dict[int, Folder] = {}
        self.each: tuple[Folder, ...] = ()  # all of them
        for folder in folders:
            self.add(folder)

    def __iter__(self) -> Iterator[Folder]:
        return iter(self.each)

    def __len__(self) -> int:
        return len(self._by_name)

    def named(self, name: str) -> Folder | None:
        return self._by_name.get(name)

    def numbered(self, number: int) -> Folder | None:
        return self._by_number.get(number)

    def add(self, folder: Folder) -> None:
        self._by_name[folder.name] = folder
        self._by_number[folder.number] = folder
        self.each = tuple(self._by_name.values())

    def remove(self, name: str) -> Folder | None:
        folder = self._by_name.pop(name, None)
        if folder is not None:
            del self._by_number[folder.number]
            self.each = tuple(self._by_name.values())
        return folder

    def shares_beside(self, share: Share) -> list[Share]:
        """The others that can be read."""
        return [folder.share for folder in self if folder.share is not share and not folder.is_over]

    @property
    def numbers(self) -> dict[str, int]:
        return {name: folder.number for name, folder in self._by_name.items()}

    @property
    def indexes(self) -> tuple[FolderIndex, ...]:
        """What a HELLO says of all of them."""
        return tuple(folder.index for folder in self._by_name.values())[: limits.FOLDERS_MAX]


class Attached:
    """The node shares one more folder from now on. `done` is set when the loop knows it."""

    __slots__ = ("done", "folder")

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self.done = threading.Event()


class Detached:
    """The node does not share that folder any more. `done` is set when the loop has forgotten it."""

    __slots__ = ("closes", "done", "name")

    def __init__(self, name: str, closes: bool = False) -> None:
        """`closes`: it goes over to a closed mesh."""
        self.name = name
        self.closes = closes
        self.done = threading.Event()
