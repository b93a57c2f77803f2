"""Decides when a run of `once` is over: everything is the same on both sides, something cannot be, or the time is over.

In:   Status values with the time, and which peers know that both sides have everything. Out: a Verdict, and what is left.
Rule: pure. It may import core only. A peer that has left counts as long as nothing has changed since.
Used by: cli.once, cli.waiting, core.waiting, daemon.shot, daemon.witness.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any

from dir_sync.core.declined import WORDS
from dir_sync.core.named import NamedTuple
from dir_sync.core.peer_status import PeerStatus
from dir_sync.core.peers.standing import NOTHING
from dir_sync.core.status import Status
from dir_sync.core.tally import Tally

__all__ = [
    "ALONE_MS",
    "CALM_MS",
    "FOUND_MS",
    "LACK_MS",
    "STEADY_MS",
    "Judge",
    "Left",
    "Seen",
    "Shot",
    "Sight",
    "Verdict",
    "files_lacking",
    "lacks_there",
    "left_over",
    "own_left",
]

STEADY_MS = 30  # all is equal for so long before that counts, as long as a peer is connected ...
FOUND_MS = 150  # ... and not before the node has run for so long: others that hear its first beacon are here by then
LACK_MS = 8_000  # a peer that lacks something, and gets nothing for so long, cannot have it
CALM_MS = 10_000  # what this node cannot have is given up after so long without any progress ...
ALONE_MS = 3_000  # ... and after so long, if no peer is connected


class Verdict(enum.Enum):
    """How it ended."""

    EQUAL = "equal"
    STUCK = "stuck"
    LATE = "late"


class Seen(NamedTuple):
    """What the peers know, by their replicas."""

    agreed: frozenset[str] = frozenset()  # connected: both sides have everything, and both know it
    parted: frozenset[str] = frozenset()  # they left when both sides had everything, and nothing has changed since


class Sight(NamedTuple):
    """What is known at one moment."""

    status: Status
    seen: Seen
    unreadable: int = 0  # paths of ours that cannot be read
    is_missing: bool = False  # a machine that the user named has not had the same in this run


class Left(NamedTuple):
    """Something that is not the same on both sides. `path` is escaped; "": several paths."""

    path: str
    problem: str


class Shot(NamedTuple):
    """How a run ended. `verdict` None: a signal ended it."""

    verdict: Verdict | None
    status: Status | None = None  # the last one; None: there was none
    peers: tuple[str, ...] = ()  # the names of those that were there, also if they have left
    tally: Tally | None = None  # None: a node that was running has done the work
    unreached: tuple[
        str, ...
    ] = ()  # machines that the user named and that were not met, or left too early: a line for each
    lacking: tuple[Left, ...] = ()  # files that a peer does not have


class Judge:
    """Gets one Sight after the other."""

    def __init__(self, wait_for: int, begun_ms: int, within_ms: int) -> None:
        """`wait_for`: how many peers have to have everything, at least. `begun_ms`, `within_ms`: the time-out."""
        self._wait_for = wait_for
        self._late_ms = begun_ms + within_ms
        self._seen_since_ms: int | None = None  # of the first Sight
        self._equal_since_ms: int | None = None
        self._figures: object = None  # the last ones
        self._calm_since_ms = begun_ms  # since when they are the same

    def is_late(self, now_ms: int) -> bool:
        return now_ms >= self._late_ms

    def judge(self, sight: Sight, now_ms: int) -> Verdict | None:
        """None: it goes on."""
        status = sight.status
        if self._seen_since_ms is None:
            self._seen_since_ms = now_ms
        figures = _figures(status)
        if figures != self._figures or status.scanning:
            self._figures, self._calm_since_ms = figures, now_ms
        if not self._is_equal(sight):
            self._equal_since_ms = None
        else:
            if self._equal_since_ms is None:
                self._equal_since_ms = now_ms
            steady_ms = max(self._equal_since_ms + STEADY_MS, self._seen_since_ms + FOUND_MS)
            if not status.peers or now_ms >= steady_ms:
                return Verdict.EQUAL
        calm_ms = now_ms - self._calm_since_ms
        is_stuck = bool(own_left(status) or sight.unreadable)
        may_give_up = not sight.is_missing  # a machine that the user named may still come
        if may_give_up and is_stuck and calm_ms >= (CALM_MS if status.peers else ALONE_MS):
            return Verdict.STUCK
        if may_give_up and _at_peers(status) and calm_ms >= LACK_MS:
            return Verdict.STUCK
        if self.is_late(now_ms):
            return Verdict.STUCK if is_stuck else Verdict.LATE
        return None

    def _is_equal(self, sight: Sight) -> bool:
        status, (agreed, parted), _, is_missing = sight
        connected = {peer.replica for peer in status.peers}
        return (
            not (status.scanning or status.held or is_missing)
            and connected <= agreed
            and len((agreed & connected) | parted) >= self._wait_for
        )


def left_over(status: Status) -> list[Left]:
    """What is not the same on both sides, as far as this node knows why."""
    return own_left(status) + _at_peers(status)


def lacks_there(status: Status) -> bool:
    """True if a peer lacks something that is here."""
    return any(peer.lacks not in (None, NOTHING) for peer in status.peers)


def files_lacking(answer: Mapping[str, Any]) -> tuple[Left, ...]:
    """Those in a node's answer to the question for them."""
    return tuple(
        Left(path, f"{peer['name']} does not have it")
        for peer in answer.get("peers", ())
        for path in peer.get("paths", ())
    )


def own_left(status: Status) -> list[Left]:
    """What this node cannot have or send, or what a person has to decide."""
    found = [Left(one.path, one.problem) for one in status.troubled]
    found += [Left(path, "larger than the --max-file-size of this machine: not taken") for path in status.not_taken]
    found += [Left(path, "it changes all the time") for path in status.restless]
    for held in status.held:
        where = f"on {held.at}" if held.at else "here"
        if held.files == 1:
            found.append(Left(held.path, f"it is held {where} until a person decides"))
        else:
            found.append(Left("", f"{held.files:,} files ({held.path}, ...) are held {where} until a person decides"))
    return found


def _at_peers(status: Status) -> list[Left]:
    """What peers do not take."""
    return [
        Left("", f"{peer.name} lacks {peer.lacks.files + peer.lacks.others:,} of the changes made here; {_why(peer)}")
        for peer in status.peers
        if peer.lacks is not None and peer.lacks != NOTHING and peer.lacking_here == NOTHING
    ]


def _why(peer: PeerStatus) -> str:
    reasons = [f"it {WORDS[one.reason]} ({one.files + one.others:,})" for one in peer.declined]
    return "; ".join(reasons if peer.is_declining else [*reasons, "'status' there says why"])


def _figures(status: Status) -> object:
    """They stay the same if nothing goes on. A file that changes all the time is no progress."""
    return (
        tuple((peer.replica, peer.synchronized, peer.lacks, peer.lacking_here) for peer in status.peers),
        *(status.wanted, status.transfers, status.uploads, tuple(one.path for one in status.troubled)),
    )
