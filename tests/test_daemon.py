"""The loop around the engine: what is said on which link."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

from dir_sync.core.messages import PROTOCOL, Hello
from dir_sync.daemon import Daemon, _Stop
from dir_sync.inbox import Inbox
from dir_sync.node_manager import Greeted


def test_what_was_said_before_a_new_link_is_not_said_on_it() -> None:
    """All in one turn: words for a peer, and the peer, which has connected anew."""
    daemon: Any = object.__new__(Daemon)
    greeted = Greeted(Mock(), Hello(PROTOCOL, "bb", "b", "1", 6000, ()))
    daemon._inbox = Inbox()
    for news in ("words for the old link", greeted, "words for the new link", _Stop()):
        daemon._inbox.put(news)
    done: list[object] = []
    daemon._found = []
    daemon._engine = SimpleNamespace(start=lambda now, found: [], next_deadline=lambda: None)
    daemon._handle = lambda news, now: done.append("greeted") or [] if news is greeted else [news]
    daemon._perform = done.extend
    daemon._perform_last = lambda: done.append("end")
    daemon._turn_forever()
    assert done == ["words for the old link", "greeted", "end"]
