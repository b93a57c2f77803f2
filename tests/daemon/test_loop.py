"""The loop: what becomes of each piece of news, and what is said on which link."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

from dir_sync.core.events import Drained, Received, Tell, Ticked, Touched, Urgency
from dir_sync.core.jobs import Applied
from dir_sync.core.messages import Ping
from dir_sync.core.notes import Kept
from dir_sync.daemon.inbox import Inbox
from dir_sync.daemon.loop import Loop
from dir_sync.daemon.news import Asked, Heard, Stop
from dir_sync.node_manager import BytesSent, Dialled, HelloReceived, LinkClosed, MessageReceived, Stalled
from tests.daemon.standins import Folder, Link, hello

WORDS = Kept(b"words")
FOREVER_S = 10**9


class Neighbours:
    """All that a loop calls but the engine. `done`: what they were called for, in order."""

    def __init__(self) -> None:
        self.done: list[Any] = []
        self.performed: list[list[object]] = []
        self.folder = Folder()
        self.inbox = Inbox()
        self.known = Link(1, "10.0.0.2")
        self.known.replica = "bb"

    def run(self, *news: object) -> list[Any]:
        """A loop deals with these in one turn, and ends in the next one."""
        for one in news:
            self.inbox.put(one)
        peers = SimpleNamespace(
            is_link=lambda node: node is self.known,
            tick=lambda now: None,
            due_s=lambda: FOREVER_S,
            on_hello=lambda greeted, now: self.did("hello"),
            on_end=lambda node, reason, text, now: self.did("end", reason),
            on_stalled=lambda node, now: self.did("stalled"),
            on_dialled=lambda dialled, now: self.did("dialled"),
            on_beacon=lambda beacon, address, now: self.did("beacon", address),
        )
        requests = SimpleNamespace(on_asked=lambda asked, now: self.did("asked"))
        performer = SimpleNamespace(
            perform=self.perform, finish=lambda: self.did("finish"), commit=lambda durable: self.did("commit", durable)
        )
        chores = SimpleNamespace(due=lambda mono: [FOREVER_S], run=lambda mono: self.inbox.put(Stop()))
        Loop(self.inbox, self.folder.share, *cast(Any, (peers, requests, performer, chores))).run(())
        return self.done

    def did(self, *what: object) -> list[Any]:
        self.done.append(what if len(what) > 1 else what[0])
        return []

    def perform(self, effects: Sequence[object]) -> None:
        self.done += effects
        self.performed.append(list(effects))


def test_what_was_said_before_a_new_link_is_not_said_on_it() -> None:
    """All in one turn: words for a peer, the peer, which has connected anew, and more words."""
    around = Neighbours()
    around.folder.engine.gives = [Tell(WORDS)]
    done = around.run(Ticked(), HelloReceived(Link(2, "10.0.0.2").node, hello("bb")), Ticked())
    assert done == [Tell(WORDS), "hello", Tell(WORDS), "finish"]


def test_news_of_links_go_to_the_peers() -> None:
    node = Link(2, "10.0.0.3").node
    news = (
        Stalled(node),
        Dialled("10.0.0.3", 6000, None, "refused"),
        Heard(cast(Any, None), "10.0.0.3"),
        Asked({"command": "status"}),
        LinkClosed(node, "bye", ""),
    )
    assert sorted(map(str, Neighbours().run(*news))) == sorted(
        map(str, ["stalled", "dialled", ("beacon", "10.0.0.3"), "asked", ("end", "bye"), "finish"])
    )


@pytest.mark.parametrize("is_known", [True, False])
def test_only_the_link_of_a_peer_speaks_to_the_engine(is_known: bool) -> None:
    around = Neighbours()
    node = (around.known if is_known else Link(2, "10.0.0.2")).node
    around.run(MessageReceived(node, Ping(1), 10), BytesSent(node, 5))
    said = [Received("bb", Ping(1)), Drained("bb", 5)]
    assert around.folder.engine.events == (said if is_known else [])


def test_what_the_watcher_tells_comes_in_lists() -> None:
    around = Neighbours()
    touched = [Touched(b"a", Urgency.NOW), Touched(b"b", Urgency.NOW)]
    around.run(touched)
    assert around.folder.engine.events == touched


@pytest.mark.parametrize("is_dirty", [True, False])
def test_what_is_on_the_disk_is_noted_at_the_end_of_its_turn(is_dirty: bool) -> None:
    """Also if no effect asks for a commit."""
    around = Neighbours()
    if is_dirty:
        around.folder.index.note("something", 1)
    else:
        around.folder.index.commit()
    done = around.run(Applied(()))
    assert done == ([("commit", False)] if is_dirty else []) + ["finish"]


def test_a_turn_is_over_after_some_news() -> None:
    around = Neighbours()
    around.folder.engine.gives = [Tell(WORDS)]
    around.run(*[Ticked()] * 300)
    turns = around.performed
    assert len(turns) >= 3
    assert max(map(len, turns)) <= 128
