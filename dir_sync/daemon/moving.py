"""Large contents on their way, as events: each begins, moves and ends.

In:   what is on its way, about once a second. Out: events for those who listen.
Rule: a look costs nothing while nothing large is on its way. That the content is here, or there, is another event
(`received`, `sent`): the end of a transfer only says that nothing more of it moves.
Used by: chores.
"""

from __future__ import annotations

from collections.abc import Iterable

from dir_sync.core.live_notes import Event, TransferBegan, TransferEnded, TransferMoved
from dir_sync.core.named import NamedTuple

__all__ = ["Moving", "OnItsWay"]

_RECEIVE, _SEND = "receive", "send"


class OnItsWay(NamedTuple):
    """One content. `peer`: the name of the other machine."""

    is_sent: bool
    path: bytes
    peer: str
    size: int
    done: int


class Moving:
    """Of one folder. Engine thread only."""

    def __init__(self) -> None:
        self._known: dict[tuple[bool, bytes, str], tuple[OnItsWay, float]] = {}  # as the last event said it, and when

    def __bool__(self) -> bool:
        """True while something is on its way."""
        return bool(self._known)

    def look(self, now: Iterable[OnItsWay], mono: float) -> list[Event]:
        """What is to be told. `now`: all that is on its way."""
        there = {(one.is_sent, one.path, one.peer): one for one in now}
        gone = [key for key in self._known if key not in there]
        events: list[Event] = [TransferEnded(*_named(self._known.pop(key)[0])) for key in gone]
        for key, one in there.items():
            before = self._known.get(key)
            if before is None or before[0].size != one.size:
                events.append(TransferBegan(*_named(one)))
            elif before[0].done == one.done:
                continue
            else:
                per_s = max(0, int((one.done - before[0].done) / max(mono - before[1], 0.001)))
                events.append(TransferMoved(*_named(one), per_s))
            self._known[key] = one, mono
        return events


def _named(one: OnItsWay) -> tuple[bytes, str, str, int, int]:
    return one.path, one.peer, _SEND if one.is_sent else _RECEIVE, one.size, one.done
