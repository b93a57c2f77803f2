"""Decides when `wait` is over: everything is where it is wanted, it cannot be, or the time is over.

In:   Status values with the time. Out: a Verdict, and why it is not done.
Rule: pure. It may import core only. What passes by itself is waited for; what needs a person, or makes no progress for long,
is not.
Used by: cli.headlines, cli.waiting.
"""

from __future__ import annotations

from dir_sync.core.declined import Reason
from dir_sync.core.model import show_text
from dir_sync.core.named import NamedTuple
from dir_sync.core.peer_status import AwayPeer, PeerStatus
from dir_sync.core.peers.standing import NOTHING
from dir_sync.core.shot import Left, Verdict, own_left
from dir_sync.core.status import Status

__all__ = [
    "CALM_MS",
    "FOUND_S",
    "LACK_MS",
    "Patience",
    "Wish",
    "is_called",
    "lagging",
    "leaves_out_by_rules",
    "missing",
    "unknown",
]

FOUND_S = 2.0  # other machines are found within this after the start of a node: until then, "all that are connected" may change
CALM_MS = 10_000  # what this node cannot have, and tries again, is given up after so long without any progress
LACK_MS = 30_000  # a peer that lacks something, and gets nothing for so long, cannot have it


class Wish(NamedTuple):
    """On which machines everything has to be. None of both: on all that are connected, at least on one; a machine that keeps
    something apart, by its mode or its rules, need not have that. The one may leave out what its rules ignore; one that takes
    nothing, by its mode, is none."""

    copies: int = 0  # on so many others, whichever they are; 0: not asked for
    peers: tuple[str, ...] = ()  # on these, each by its name or the beginning of an id

    def is_granted(self, status: Status) -> bool:
        done = [peer for peer in status.peers if peer.is_even]
        if self.peers and not all(any(is_called(peer, name) for peer in done) for name in self.peers):
            return False
        if self.copies:
            return len(done) >= self.copies
        if self.peers:
            return True
        is_on_one = bool(done) or any(map(leaves_out_by_rules, status.peers))
        return is_on_one and not status.paused_elsewhere and all(map(_is_done, status.peers))

    def concerns(self, peer: PeerStatus) -> bool:
        return not self.peers or any(is_called(peer, name) for name in self.peers)


def _is_done(peer: PeerStatus) -> bool:
    return peer.is_even or peer.has_dealt_with_all


def leaves_out_by_rules(peer: PeerStatus) -> bool:
    """True if the peer has everything but what its rules ignore."""
    return peer.has_dealt_with_all and all(one.reason is Reason.IGNORED for one in peer.declined)


def is_called(peer: PeerStatus | AwayPeer, name: str) -> bool:
    ids = (peer.replica, peer.node) if isinstance(peer, PeerStatus) else (peer.replica,)
    return peer.name == name or (len(name) >= 4 and any(one.startswith(name) for one in ids))


class Patience:
    """Gets one Status after the other."""

    def __init__(self, wish: Wish, begun_ms: int, within_ms: int | None) -> None:
        """`within_ms`: None: for ever."""
        self._wish = wish
        self._late_ms = None if within_ms is None else begun_ms + within_ms
        self._figures: object = None  # the last ones
        self._calm_since_ms = begun_ms  # since when they are the same

    def left_ms(self, now_ms: int) -> int | None:
        """Until the time is over; None: it never is."""
        return None if self._late_ms is None else max(0, self._late_ms - now_ms)

    def judge(self, status: Status, age_s: float, now_ms: int) -> Verdict | None:
        """`age_s`: how long the node has run. None: it goes on."""
        figures = _figures(status)
        if figures != self._figures or status.scanning:
            self._figures, self._calm_since_ms = figures, now_ms
        if self._needs_a_person(status):
            return Verdict.STUCK
        is_sure = bool(self._wish.peers) or bool(self._wish.copies) or age_s >= FOUND_S
        if is_sure and not status.scanning and self._wish.is_granted(status):
            return Verdict.EQUAL
        calm_ms = now_ms - self._calm_since_ms
        is_stuck = bool(status.troubled or status.restless)
        if is_stuck and calm_ms >= CALM_MS:
            return Verdict.STUCK
        if calm_ms >= LACK_MS and any(self._is_stuck(peer) for peer in status.peers):
            return Verdict.STUCK
        if self._late_ms is not None and now_ms >= self._late_ms:
            return Verdict.STUCK if is_stuck else Verdict.LATE
        return None

    def _needs_a_person(self, status: Status) -> bool:
        """Paused, held, or removed from the mesh."""
        is_removed = status.mesh is not None and bool(status.mesh.removed_by)
        has_paused = not self._wish.copies and any(
            not self._wish.peers or name in self._wish.peers for name in status.paused_elsewhere
        )
        return bool(status.held or status.pause is not None or is_removed or has_paused)

    def _is_stuck(self, peer: PeerStatus) -> bool:
        lacks = peer.lacks
        return self._wish.concerns(peer) and lacks is not None and lacks != NOTHING and peer.lacking_here == NOTHING


def lagging(status: Status, wish: Wish) -> list[PeerStatus]:
    """The connected peers that are waited for, and lack something."""
    return [peer for peer in status.peers if wish.concerns(peer) and peer.lacks not in (None, NOTHING)]


def unknown(status: Status, wish: Wish) -> dict[str, str]:
    """The wanted machines that were never here, by the name that was typed: it may be mistyped, or the machine may come for the
    first time. Each with a line that says so, and who is known."""
    known: list[PeerStatus | AwayPeer] = [*status.peers, *status.away]
    names = sorted({peer.name for peer in known} | set(status.paused_elsewhere))
    others = f" (known: {', '.join(names)})" if names else ""
    return {
        name: f"no machine called '{show_text(name)}' was ever here{others}"
        for name in wish.peers
        if name not in status.paused_elsewhere and not any(is_called(peer, name) for peer in known)
    }


def missing(status: Status, wish: Wish) -> list[Left]:
    """Why it is not done, as far as this node knows, beside what peers lack; a pause here comes first. `path` "": not one path.
    While the folder is paused, no peer is connected to it, and that is no reason of its own."""
    found = []
    if status.pause is not None:
        found.append(Left("", "this folder is paused here"))
    if status.mesh is not None and status.mesh.removed_by:
        found.append(Left("", f"this machine was removed from its mesh by {status.mesh.removed_by}"))
    found += [
        Left("", f"{name} has paused this folder, until that pause is over or somebody runs 'resume' on that machine")
        for name in status.paused_elsewhere
    ]
    if not (status.peers or status.paused_elsewhere or status.pause is not None):
        found.append(Left("", "no other machine is connected"))
    nobody = unknown(status, wish)
    found += [Left("", line) for line in nobody.values()]
    found += [
        Left("", f"{name} is not connected")
        for name in wish.peers
        if name not in nobody and status.peers and not any(is_called(peer, name) for peer in status.peers)
    ]
    if status.unseen or status.scanning:
        found.append(Left("", "changes here are still to be looked at"))
    found += own_left(status)
    found += [
        Left(
            "",
            f"this machine lacks {_changes(peer.lacking_here.files + peer.lacking_here.others)} that {peer.name} has",
        )
        for peer in status.peers
        if peer.lacking_here != NOTHING and wish.concerns(peer)
    ]
    found += [
        Left("", f"{peer.name} and this machine are still comparing")
        for peer in status.peers
        if peer.lacks is None and wish.concerns(peer)
    ]
    done = sum(peer.is_even for peer in status.peers)
    if wish.copies > done:
        found.append(Left("", f"{done:,} of {wish.copies:,} machines have everything"))
    return found


def _changes(n: int) -> str:
    return "1 change" if n == 1 else f"{n:,} changes"


def _figures(status: Status) -> object:
    """They stay the same if nothing goes on. A file that changes all the time is no progress."""
    return (
        tuple((peer.replica, peer.synchronized, peer.lacks, peer.lacking_here) for peer in status.peers),
        *(status.wanted, status.transfers, status.uploads, tuple(one.path for one in status.troubled)),
    )
