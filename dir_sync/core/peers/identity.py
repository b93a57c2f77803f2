"""When a node gives up an id because another machine uses it as well (a copied folder, a restored image).

There are two kinds of id: of the node, and of its replica of a folder. `Proofs` has an Identity for each.
A HELLO proves nothing: anybody may send one. Two observations prove that another machine uses our id:
1. We dialled it on a fresh connection, and it answered with our id and another instance. The node with the larger
instance gives way at once. The other one gives way if it gets this answer PROOFS_MAX times: then the first node cannot
reach it, and has no proof.
2. A peer refuses each of our links as a duplicate (of the node, or of the replica) for SQUATTED_MS, at least
REFUSALS_MIN times, while we have no link with it: another node has a link there with our id. One or two such refusals
also occur on an honest LAN: both ends dialled at once, or the peer had not noticed that an older link is dead. A busy
or lossy LAN must not count as proof.

A node takes a new id at most once in EVERY_MS, whatever the proof. An attacker that uses our id is refused then.
"""

from __future__ import annotations

from dir_sync.core import limits
from dir_sync.core.named import NamedTuple

__all__ = ["EVERY_MS", "Identity", "NewIdentity", "NewReplica", "Proofs"]

PROOFS_MAX = 3
SQUATTED_MS = limits.DEAD_AFTER_MS + limits.PING_EVERY_MS  # longer than a peer keeps a dead link
REFUSALS_MIN = 5
REFUSALS_GAP_MS = 60_000  # more than the longest pause between two dials: refusals further apart do not belong together
EVERY_MS = 3_600_000  # each copy needs one new id; only an attacker would cause more
PEERS_MAX = 256


class NewIdentity(NamedTuple):
    """Another machine is proved to use our node id: take a new one, close all links with `new-identity`, and call the
    roster's `rename`."""


class NewReplica(NamedTuple):
    """Another node is proved to have these replicas of ours (a copy of a folder): take new ids for them, close all links
    with `new-replica`, and call the roster's `has_replicas`."""

    replicas: tuple[str, ...]


class Identity:
    """The evidence for taking a new id of one kind. All times in ms, by any clock that never goes back."""

    def __init__(self, instance: str) -> None:
        self._instance = instance
        self._proofs = 0
        self._refused: dict[str, tuple[int, int, int]] = {}  # peer -> first and last refusal (ms), number of refusals
        self._taken_ms: int | None = None

    def is_settled(self, now_ms: int) -> bool:
        """True while no proof would make us take a new id."""
        return self._taken_ms is not None and now_ms - self._taken_ms < EVERY_MS

    def met_clash(self, instance: str, is_proved: bool, now_ms: int) -> bool:
        """A HELLO arrived with our id and this other instance. `is_proved`: we dialled that connection. True: take a
        new id now."""
        if not is_proved or self.is_settled(now_ms):
            return False
        self._proofs += 1
        if self._instance < instance and self._proofs < PROOFS_MAX:
            return False
        self._take(now_ms)
        return True

    def was_refused(self, node: str, now_ms: int) -> bool:
        """That peer ended our only link with it as a duplicate. True: take a new id now."""
        if len(self._refused) >= PEERS_MAX:
            self._refused.clear()
        since_ms, last_ms, count = self._refused.get(node, (now_ms, now_ms, 0))
        if now_ms - last_ms > REFUSALS_GAP_MS:
            since_ms, count = now_ms, 0
        self._refused[node] = since_ms, now_ms, count + 1
        if now_ms - since_ms < SQUATTED_MS or count + 1 < REFUSALS_MIN or self.is_settled(now_ms):
            return False
        self._take(now_ms)
        return True

    def was_welcome(self, node: str) -> None:
        """A link with that peer was accepted, or ended for another reason."""
        self._refused.pop(node, None)

    def _take(self, now_ms: int) -> None:
        self._taken_ms = now_ms
        self._proofs = 0
        self._refused.clear()


class Proofs:
    """The evidence for both kinds of id."""

    def __init__(self, instance: str) -> None:
        self.node = Identity(instance)
        self.replica = Identity(instance)

    def link_ended(
        self, node: str, reason: str, is_young: bool, now_ms: int, replicas: tuple[str, ...]
    ) -> list[NewIdentity | NewReplica]:
        """Our only link with that node ended. If it was refused as a duplicate, another node has a link there with our
        id or one of our replicas. `replicas`: all of ours, because the refusal does not say which one."""
        proved: list[NewIdentity | NewReplica] = []
        for one, word, action in (
            (self.node, "duplicate", NewIdentity()),
            (self.replica, "duplicate-replica", NewReplica(replicas)),
        ):
            if reason != word or not is_young:
                one.was_welcome(node)
            elif one.was_refused(node, now_ms):
                proved.append(action)
        return proved
