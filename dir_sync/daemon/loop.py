"""The engine's thread: it waits for an event, takes a turn, and performs the effects of the turn.

In:   the inbox: messages of peers, hints of the watcher, results of jobs, beacons, questions of other commands.
Out:  each event handed to the object that handles it; then the effects of the turn.
Rule: one turn is one commit. It ends after some events or some milliseconds, so that effects do not wait long.
Used by: daemon.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

from dir_sync.core.events import Drained, Effect, Received
from dir_sync.core.jobs import Applied, Version
from dir_sync.core.messages import Taker, handlers
from dir_sync.daemon.chores import Chores
from dir_sync.daemon.effects import Performer
from dir_sync.daemon.inbox import Inbox
from dir_sync.daemon.links import ConnectedPeers
from dir_sync.daemon.news import Asked, Heard, Stop
from dir_sync.daemon.requests import Requests
from dir_sync.daemon.share import Share
from dir_sync.engine import Now
from dir_sync.node_manager import BytesSent, Dialled, HelloReceived, LinkClosed, MessageReceived, Stalled

__all__ = ["Loop"]

_TURN_EVENTS_MAX = 128  # events of one turn, and so of one commit
_TURN_S_MAX = 0.02  # a turn ends after this even if more events wait ...
_TURN_S_FAIR = 0.006  # ... and earlier, if several groups wait
_HANDLERS: Final = handlers(Taker.LINKS, ConnectedPeers)  # messages for them; all others are for the engine


class Loop:
    """The objects around the engine, in the order of a turn. Engine thread only."""

    def __init__(
        self,
        inbox: Inbox,
        share: Share,
        peers: ConnectedPeers,
        requests: Requests,
        performer: Performer,
        chores: Chores,
    ) -> None:
        self._inbox = inbox
        self._share = share
        self._peers = peers
        self._requests = requests
        self._performer = performer
        self._chores = chores

    def run(self, found: Sequence[Version]) -> None:
        """Take turns until Stop arrives. `found`: versions that the last run displaced and did not record."""
        engine = self._share.engine
        self._performer.perform(engine.start(_now(), found))
        while True:
            news = self._wait()
            now = _now()
            effects: list[Effect] = []
            begun = time.monotonic()
            count = 0
            applied = False
            while news is not None:
                applied = applied or isinstance(news, Applied)
                if isinstance(news, Stop):
                    self._performer.finish()
                    return
                if isinstance(news, list):
                    effects += engine.heard(news, now)
                    count += len(news)
                else:
                    if isinstance(news, HelloReceived):  # effects made before this event belong to the old link
                        self._performer.perform(effects)
                        effects = []
                    effects += self._handle(news, now)
                    count += 1
                most_s = _TURN_S_FAIR if self._inbox.is_shared else _TURN_S_MAX
                if count >= _TURN_EVENTS_MAX or time.monotonic() - begun > most_s:
                    break
                news = self._inbox.get(0)
            self._inbox.over()
            now = _now()
            engine.board.is_shared = self._inbox.is_shared
            effects += engine.end_turn(now)
            self._peers.tick(now)
            self._performer.perform(effects)
            if applied and self._share.index.is_dirty:
                self._performer.commit(durable=False)  # results of jobs are committed at once, even if no peer is told
            self._chores.run(time.monotonic())
            self._inbox.turn_over(time.monotonic() - begun)

    def _wait(self) -> object | None:
        """The next event; None if a deadline came first."""
        news = self._inbox.get(0)
        if news is not None:
            return news
        mono = time.monotonic()
        due = [self._peers.due_s(), *self._chores.due(mono)]
        engine = self._share.engine.next_deadline()
        if engine is not None:
            due.append(engine / 1000)
        return self._inbox.get(max(0.0, min(due) - mono))

    def _handle(self, news: object, now: Now) -> list[Effect]:
        engine = self._share.engine
        match news:
            case MessageReceived(node, message, cost):
                node.consumed(cost)
                handle = _HANDLERS.get(type(message))
                if handle is not None:
                    handle(self._peers, node, message)
                    return []
                return engine.handle(Received(node.replica, message), now) if self._peers.is_link(node) else []
            case BytesSent(node, size):
                return engine.handle(Drained(node.replica, size), now) if self._peers.is_link(node) else []
            case HelloReceived():
                return self._peers.on_hello(news, now)
            case Stalled(node):
                self._peers.on_stalled(node, now)
                return []
            case LinkClosed(node, reason, text):
                return self._peers.on_end(node, reason, text, now)
            case Dialled():
                self._peers.on_dialled(news, now)
                return []
            case Asked():
                return self._requests.on_asked(news, now)
            case Heard():
                self._peers.on_beacon(news.beacon, news.address, now)
                return []
            case _:
                return engine.handle(news, now)  # type: ignore[arg-type]


def _now() -> Now:
    return Now(time.time_ns(), time.monotonic_ns() // 1_000_000)
