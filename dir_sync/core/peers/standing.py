"""How far two nodes are from being in sync, as one of them knows it.

In:   announcements in both directions, and what each node reports to lack.
Out:  whether both have everything of the other; when the peer has to be told again what this node lacks.
Rule: a node is in sync with a peer if the peer received its last news and reports that it lacks nothing, and if this
node lacks nothing of the peer's announcements.
"""

from __future__ import annotations

from collections.abc import Iterable

from dir_sync.core.declined import APART, Declined, Reason
from dir_sync.core.frozen import field, mutable
from dir_sync.core.messages import Acknowledge, Message, ModificationUpdate, State
from dir_sync.core.named import NamedTuple

__all__ = ["NOTHING", "Lack", "Standing", "apart_of", "coming", "lack_of", "without", "without_held"]

_SAY_AGAIN_MS = 200  # shortest interval, so that a flood of changes causes few messages
_PROGRESS_MS = 1_000  # the same, while something is lacking all the time
_REASON_AGAIN_MS = 600_000  # a reason that was not given for so long is told again


class Lack(NamedTuple):
    """What was announced and is not there yet: files and their bytes, and other changes (folders, links, deletions)."""

    files: int
    bytes: int
    others: int

    def plus(self, other: Lack) -> Lack:
        return Lack(self.files + other.files, self.bytes + other.bytes, self.others + other.others)

    def less(self, other: Lack) -> Lack:
        """By how much this is more than the other one; never below 0."""
        return Lack(
            max(0, self.files - other.files), max(0, self.bytes - other.bytes), max(0, self.others - other.others)
        )


NOTHING = Lack(0, 0, 0)


def lack_of(declined: Declined) -> Lack:
    """What a node does not take for one reason, as a part of what it lacks."""
    return Lack(declined.files, declined.bytes, declined.others)


def apart_of(declined: Iterable[Declined]) -> Lack:
    """What a node does not count as lacking, and does not have."""
    apart = NOTHING
    for one in declined:
        if one.reason in APART:
            apart = apart.plus(lack_of(one))
    return apart


def coming(lack: Lack, declined: Iterable[Declined]) -> Lack:
    """What a node that counts `lack` may still take."""
    return without(lack, [one for one in declined if one.reason not in APART])


def without(lack: Lack, declined: Iterable[Declined]) -> Lack:
    """What is lacking beside what is not taken."""
    for one in declined:
        lack = lack.less(lack_of(one))
    return lack if lack.files or lack.others else NOTHING


def without_held(lack: Lack, held: int) -> Lack:
    """What of it comes before a person decides, if a brake holds so many files of it there. Which ones, nobody says: of each
    kind as large a part."""
    total = lack.files + lack.others
    if held >= max(total, 1):
        return NOTHING
    return Lack(*(number - number * held // max(total, 1) for number in lack))


@mutable
class Standing:
    """Between this node and one connected peer. A sequence of -1 means none."""

    news: int = -1  # our sequence with the last news that was sent to the peer
    sent: int = -1  # our sequence up to which anything was sent to it, also only acknowledgements
    clear: int = -1  # what we have between its last report and this sequence came from the peer itself
    heard: int = -1  # its sequence with the last news that we received
    said: tuple[int, Lack] | None = None  # the last report to the peer: `heard` at that time, and what we lacked
    said_ms: int = 0
    said_declined: tuple[Declined, ...] = ()  # ... and what of it we do not take
    lacks: Lack | None = None  # the peer's last report of what it lacks ...
    lacks_as_of: int = -1  # ... for our announcements up to this sequence
    declined: tuple[Declined, ...] = ()  # ... and what of it the peer does not take, as far as it says why
    noted_ms: int | None = None  # when people were last told about it
    reasons_ms: dict[Reason, int] = field(default_factory=dict)  # ... and about each reason

    def told(self, message: Message) -> None:
        """This message is sent to the peer."""
        if not isinstance(message, (State, ModificationUpdate, Acknowledge)):
            return
        if _is_news(message):
            if self.news <= self.lacks_as_of:
                self.clear = self.sent
            self.news = max(self.news, message.sequence)
        self.sent = max(self.sent, message.sequence)

    def came(self, message: Message) -> None:
        """This message came from the peer."""
        if _is_news(message):
            assert isinstance(message, (State, ModificationUpdate))
            self.heard = max(self.heard, message.sequence)

    def say(self, lack: Lack, declined: tuple[Declined, ...], now_ms: int) -> None:
        """This report is sent to the peer."""
        self.said, self.said_declined, self.said_ms = (self.heard, lack), declined, now_ms

    def peer_lacks(self, lack: Lack, declined: tuple[Declined, ...], as_of: int) -> None:
        """The peer reports that it lacks this of our announcements up to `as_of`."""
        self.lacks, self.declined, self.lacks_as_of = lack, declined, as_of

    def new_reasons(self, now_ms: int) -> list[Declined]:
        """What the peer does not take for a reason of which people were not told lately."""
        news = [
            one
            for one in self.declined
            if now_ms - self.reasons_ms.get(one.reason, -_REASON_AGAIN_MS) >= _REASON_AGAIN_MS
        ]
        self.reasons_ms.update((one.reason, now_ms) for one in self.declined)
        return news

    def listen_anew(self) -> None:
        """Treat everything that the peer sends from now on as news, even if it repeats itself."""
        self.heard = -1

    def earliest_ms(self) -> int:
        """The earliest time (ms) of the next report to the peer."""
        return self.said_ms if self.said is None else self.said_ms + _SAY_AGAIN_MS

    def due_ms(self, lack: Lack, declined: tuple[Declined, ...] = ()) -> int | None:
        """When (ms) to report to the peer what we lack; None: it knows."""
        if self.said is None:
            return self.said_ms
        heard, said = self.said
        if (heard, said, self.said_declined) == (self.heard, lack, declined):
            return None
        return self.said_ms + (_SAY_AGAIN_MS if NOTHING in (said, lack) else _PROGRESS_MS)

    @property
    def is_told_that_we_have_all(self) -> bool:
        """True if the last report to the peer says that this node lacks nothing of the peer's last news."""
        return self.said == (self.heard, NOTHING)

    @property
    def has_all(self) -> bool:
        """True if the peer received our last news and reports that it lacks nothing."""
        return self.lacks == NOTHING and 0 <= self.news <= self.lacks_as_of


def _is_news(message: Message) -> bool:
    """True if a message has something to install, or ends a state. An acknowledgement needs no reaction."""
    match message:
        case State(_, _, last, records):
            return last or bool(records)
        case ModificationUpdate(_, _, changes, _, _):
            return bool(changes)
    return False
