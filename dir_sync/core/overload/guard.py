"""Limits for requests that an honest node makes rarely, with an allowance for each address. Pure.

In:   what a link asks for, and when.
Out:  how long its link is not read, whether it is disconnected, and how long its address is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dir_sync.core import limits
from dir_sync.core.backoff import backoff
from dir_sync.core.messages import (
    Acknowledge,
    Decision,
    Folders,
    ForecastRequest,
    HaveRequest,
    HistoryRequest,
    Lacks,
    Lost,
    Message,
    Ping,
    Pong,
    Rejected,
    RowsRequest,
    Settle,
    StateRequest,
)
from dir_sync.core.messages import Brake as BrakeNews
from dir_sync.core.named import NamedTuple

__all__ = ["ALLOWED", "Guard", "Patience", "Verdict", "demand", "place_among", "worth"]


class Allowance(NamedTuple):
    """A limit for one kind of request: a burst, and a rate per second."""

    burst: float
    per_s: float
    words: str
    patience_ms: int = 10_000  # an address that has exceeded the limit for so long without a pause is disconnected


ALLOWED: dict[object, Allowance] = {
    # One at each contact, one more after a loss. Each can make us send our whole index.
    StateRequest: Allowance(512, 2, "requests for the whole state"),
    HistoryRequest: Allowance(60, 1, "questions about the history"),  # a person types a command for each
    HaveRequest: Allowance(2_000_000, 4_000, "questions for contents"),  # an undo asks for all contents that it lacks
    Acknowledge: Allowance(50_000, 1_000, "acknowledgements"),  # one for each turn in which it installed something
    Lacks: Allowance(400, 10, "words on what it lacks"),
    Settle: Allowance(100_000, 1_000, "settled conflicts"),
    Lost: Allowance(2_000, 10, "losers of conflicts"),
    Decision: Allowance(2_000, 20, "decisions about held changes"),  # at contact: one for each maker with a decision
    Rejected: Allowance(2_000, 20, "rejected paths"),  # a hundred paths each
    BrakeNews: Allowance(200, 5, "news of held changes"),
    Folders: Allowance(100, 1, "changes of what it shares"),
    # A dry run asks for all that is here, page by page, and then about all that differs.
    RowsRequest: Allowance(4_000, 20, "questions about what is here"),
    ForecastRequest: Allowance(4_000, 20, "questions about what would happen"),
    "ping": Allowance(200, 20, "pings"),
    "unknown": Allowance(2_000, 100, "messages without a meaning"),
    "search": Allowance(10, 0.1, "signatures that lead to no delta"),  # seconds of CPU time
    # Announcements that repeat known records, or that change nothing. Honest nodes may send many of them once: many old
    # deletions, or a mesh that reconnects. A disconnected node continues later where it stopped.
    "vain": Allowance(50_000, 100, "announcements that change nothing", 30_000),
    "waste": Allowance(16 * limits.MIB, limits.MIB, "much text that says little"),
}
"""By type of message, or by name. Changes and contents are not here: fair shares and windows limit them. A test names all
that are not limited."""

_QUESTION = 100  # so many look-ups of contents cost as much as one message
_TEXT_PER_ITEM = 2 * limits.KIB  # more text than an honest message has for each record, path or answer


def demand(message: Message) -> tuple[object, float]:
    """Which allowance a message draws on, and how much of it."""
    match message:
        case HaveRequest(_, _, digests):
            return HaveRequest, _QUESTION + len(digests)
        case Settle(_, losers):
            return Settle, len(losers)
        case Ping() | Pong():
            return "ping", 1
    return type(message), 1


def worth(message: Message) -> int:
    """The largest plausible size (bytes of text) of that message."""
    items = 1
    for value in (getattr(message, name) for name in message.__match_args__):
        if isinstance(value, tuple):
            items += len(value)
    return items * _TEXT_PER_ITEM


_WAIT_MS_MAX = 10_000
_BAR_MS = (10_000, 600_000)  # how long an address is refused: first and longest time
_ERRORS = Allowance(64, 1, "messages that are none")
_CALLS = Allowance(512, 16, "connections")
_ADDRESSES_MAX = 4_096


class Verdict(NamedTuple):
    """`wait_ms`: do not read from that link for so long. `words`: disconnect it, and log this text."""

    wait_ms: int = 0
    words: str = ""


_FINE = Verdict()


class _Level:
    """The rest of one allowance; below zero is debt."""

    __slots__ = ("at_ms", "left", "slow_since_ms")

    def __init__(self, allowance: Allowance, now_ms: int) -> None:
        self.left = allowance.burst
        self.at_ms = now_ms
        self.slow_since_ms: int | None = None

    def take(self, allowance: Allowance, amount: float, now_ms: int) -> int:
        """Draw on the allowance. Returns how long (ms) to wait before the next request."""
        gained = max(0, now_ms - self.at_ms) * allowance.per_s / 1000
        self.left = min(allowance.burst, self.left + gained) - min(amount, allowance.burst)
        self.left = max(self.left, -allowance.burst)
        self.at_ms = max(now_ms, self.at_ms)
        if self.left >= 0:
            if self.left >= allowance.burst / 4:
                self.slow_since_ms = None
            return 0
        if self.slow_since_ms is None:
            self.slow_since_ms = now_ms
        return min(int(-self.left * 1000 / allowance.per_s) + 1, _WAIT_MS_MAX)


class Patience:
    """The state of one address."""

    def __init__(self, now_ms: int) -> None:
        self._levels: dict[object, _Level] = {}
        self.calls = _Level(_CALLS, now_ms)
        self.errors = _Level(_ERRORS, now_ms)
        self.barred_ms = now_ms  # no connection is accepted before
        self.bars = 0  # how often it was refused
        self.seen_ms = now_ms

    def ask(self, kind: object, amount: float, now_ms: int) -> Verdict:
        allowance = ALLOWED.get(kind)
        if allowance is None:
            return _FINE
        level = self._levels.get(kind)
        if level is None:
            level = self._levels[kind] = _Level(allowance, now_ms)
        wait_ms = level.take(allowance, amount, now_ms)
        if (
            wait_ms
            and level.slow_since_ms is not None
            and now_ms + min(wait_ms, 1_000) - level.slow_since_ms >= allowance.patience_ms
        ):
            level.slow_since_ms = None
            return Verdict(wait_ms, allowance.words)
        return Verdict(wait_ms) if wait_ms else _FINE


class Guard:
    """All addresses: which are delayed, disconnected, refused. A link's own thread may call it; the caller locks."""

    def __init__(self) -> None:
        self._known: dict[str, Patience] = {}

    def _of(self, address: str, now_ms: int) -> Patience:
        known = self._known.pop(address, None)
        if known is None:
            known = Patience(now_ms)
            if len(self._known) >= _ADDRESSES_MAX:
                free = (name for name, one in self._known.items() if one.barred_ms <= now_ms)
                del self._known[next(free, next(iter(self._known)))]
        elif known.bars and now_ms - max(known.seen_ms, known.barred_ms) > 2 * _BAR_MS[1]:
            known.bars = 0
        self._known[address] = known  # move it to the end: the last one to be forgotten
        known.seen_ms = now_ms
        return known

    def admits(self, address: str, now_ms: int) -> bool:
        """True if that address may connect now."""
        known = self._of(address, now_ms)
        if known.barred_ms > now_ms:
            return False
        if known.calls.take(_CALLS, 1, now_ms):
            known.calls.left += 1  # a refused connection does not count
            return False
        return True

    def may_ask(self, address: str, kind: object, now_ms: int) -> bool:
        """False if its allowance is used up now."""
        return self._of(address, now_ms).ask(kind, 0, now_ms).wait_ms == 0

    def calls_left(self, address: str) -> float:
        """The rest of its allowance for connections: the higher, the fewer it made recently."""
        known = self._known.get(address)
        return _CALLS.burst if known is None else known.calls.left

    def is_kept_away(self, address: str, now_ms: int) -> bool:
        known = self._known.get(address)
        return known is not None and known.barred_ms > now_ms

    def asked(self, address: str, kind: object, amount: float, now_ms: int) -> Verdict:
        return self._of(address, now_ms).ask(kind, amount, now_ms)

    def erred(self, address: str, now_ms: int) -> Verdict:
        """It violated the protocol. A single error has no consequence; after many of them `wait_ms` and `words` say for
        how long the address is refused."""
        known = self._of(address, now_ms)
        if known.errors.take(_ERRORS, 1, now_ms):
            known.errors.left += 1
            if known.barred_ms <= now_ms and (wait_ms := self.keep_away(address, now_ms)):
                return Verdict(wait_ms, _ERRORS.words)
        return _FINE

    def keep_away(self, address: str, now_ms: int) -> int:
        """It flooded us. Returns for how long (ms) it is refused: longer each time."""
        first, most = _BAR_MS
        known = self._of(address, now_ms)
        if address.startswith("127."):
            return 0  # this machine: refusing one of its nodes would refuse all
        if known.barred_ms <= now_ms:
            known.bars += 1
            known.barred_ms = now_ms + backoff(first, known.bars - 1, most)
        return known.barred_ms - now_ms


def place_among(
    strangers: Mapping[int, str], address: str, calls_left: Callable[[str], float]
) -> tuple[bool, int | None]:
    """Whether a caller from `address` may take a place among the strangers (their addresses, oldest first), and which
    stranger gives up its place for it. That is the oldest one of its own address, if that has many; otherwise the
    oldest one of the address that called most often recently."""
    same = [one for one, other in strangers.items() if other == address]
    if len(same) >= limits.UNFINISHED_PER_ADDRESS_MAX:
        return True, same[0]
    if len(strangers) < limits.UNFINISHED_MAX:
        return True, None
    oldest = min(strangers, key=lambda one: calls_left(strangers[one]))
    if calls_left(strangers[oldest]) > calls_left(address):
        return False, None
    return True, oldest
