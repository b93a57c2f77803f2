"""How far two nodes are from being in sync, as one of them knows.

In:   what was told and heard, and what each of the two says that it lacks.
Out:  whether both have all that the other has; when the peer has to be told again what is lacking here.
Rule: a node is in sync with a peer only if the peer has heard the last news of this node and says that it lacks nothing,
      and if this node lacks nothing of what the peer announced.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from dir_sync.core.messages import Message, ModificationUpdate, State

__all__ = ["NOTHING", "Lack", "Standing"]

_SAY_AGAIN_MS = 200  # at the earliest, so that a flood of changes is followed by few words
_PROGRESS_MS = 1_000  # the same, if only bytes have come


class Lack(NamedTuple):
    """What was announced and is not there yet: files and their bytes, and other changes (folders, links, deletions)."""

    files: int
    bytes: int
    others: int

    def plus(self, other: Lack) -> Lack:
        return Lack(self.files + other.files, self.bytes + other.bytes, self.others + other.others)


NOTHING = Lack(0, 0, 0)


@dataclass(slots=True)
class Standing:
    """Between this node and one connected peer. Sequences are -1 as long as there is none."""

    news: int = -1  # our sequence with the last news that the peer was told
    heard: int = -1  # its sequence with the last news that we heard
    said: tuple[int, Lack] | None = None  # what the peer was told last: `heard`, and what we lacked
    said_ms: int = 0
    lacks: Lack | None = None  # what the peer said last that it lacks ...
    lacks_as_of: int = -1  # ... of what we told up to this sequence
    noted_ms: int | None = None  # when people were last told what it lacks

    def told(self, message: Message) -> None:
        """This goes to the peer."""
        if _is_news(message):
            assert isinstance(message, (State, ModificationUpdate))
            self.news = max(self.news, message.sequence)

    def came(self, message: Message) -> None:
        """This came from the peer."""
        if _is_news(message):
            assert isinstance(message, (State, ModificationUpdate))
            self.heard = max(self.heard, message.sequence)

    def say(self, lack: Lack, now_ms: int) -> None:
        """The peer is told that we lack this."""
        self.said, self.said_ms = (self.heard, lack), now_ms

    def peer_lacks(self, lack: Lack, as_of: int) -> None:
        """The peer says that it lacks this of what we told up to that sequence."""
        self.lacks, self.lacks_as_of = lack, as_of

    def listen_anew(self) -> None:
        """What the peer says from now on is news, even if it says no more than before."""
        self.heard = -1

    def earliest_ms(self) -> int:
        """Before this time (ms) the peer is not told again, whatever happens."""
        return self.said_ms if self.said is None else self.said_ms + _SAY_AGAIN_MS

    def due_ms(self, lack: Lack) -> int | None:
        """When (ms) the peer is to be told that we lack this; None: it knows."""
        if self.said is None:
            return self.said_ms
        heard, said = self.said
        if (heard, said) == (self.heard, lack):
            return None
        is_progress = heard == self.heard and (said.files, said.others) == (lack.files, lack.others)
        return self.said_ms + (_PROGRESS_MS if is_progress else _SAY_AGAIN_MS)

    @property
    def has_all(self) -> bool:
        """True if the peer has said, knowing our last news, that it lacks nothing."""
        return self.lacks == NOTHING and 0 <= self.news <= self.lacks_as_of


def _is_news(message: Message) -> bool:
    """True if something has to be taken over, or if it is the end of a state; an acknowledgement asks for nothing."""
    match message:
        case State(_, _, last, records):
            return last or bool(records)
        case ModificationUpdate(_, _, changes, _, _):
            return bool(changes)
    return False
