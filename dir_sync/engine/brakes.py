"""What the two brakes hold, and whether the peers have been informed.

In:   what own_losses and peer_losses decide. Out: BRAKE messages.
Used by: own_losses, peer_losses, transfers, local_renames, rows, uploader, hard_links, incoming_moves, fetcher, acquire,
      planner, sync_report, intake, local_changes, scan, decisions, path_decisions.
"""

from __future__ import annotations

from collections.abc import Mapping

from dir_sync.core import limits
from dir_sync.core.messages import Brake as BrakeNews
from dir_sync.core.messages import Held
from dir_sync.core.safeguard.brake import Brake
from dir_sync.core.safeguard.brake import Limits as BrakeLimits
from dir_sync.core.safeguard.peer_brake import PeerBrake
from dir_sync.engine.board import Board

__all__ = ["Brakes"]

_BRAKE_AGAIN_MS = 500  # the peers are informed at most this often


class Brakes:
    """What the two brakes hold, and whether the peers have been informed."""

    def __init__(self, board: Board, brake: BrakeLimits | None) -> None:
        self._board = board
        self.own = Brake(brake or BrakeLimits())
        self.peers = PeerBrake(self.own.limits)
        self.held_elsewhere: dict[str, tuple[Held, ...]] = {}  # by peer: what its brake holds
        self.is_published = True  # false: what is held here changed since the peers were informed
        self.published: tuple[Held, ...] = ()  # what the peers were informed of last
        self.publish_due_ms = 0  # earliest monotonic time of the next message

    def held(self) -> tuple[Held, ...]:
        """What this node holds, by the node that made the changes. Our own losses stand under our own name."""
        held = [
            Held(maker, self.reach(maker, paths), len(paths), next(iter(paths)))
            for maker, paths in sorted(self.peers.held().items())
        ]
        if self.own.held:
            first = next(iter(self.own.held))
            held.append(Held(self._board.index.identity.replica, self.own.counter, self.own.held_files, first))
        return tuple(held[: limits.LINKS_MAX])

    def reach(self, maker: str, held: Mapping[bytes, int]) -> int:
        """Up to which counter a decision about what is held of a maker counts: who approves it also approves what was let
        through before it. `held`: paths and the counters of their changes."""
        return max(self.peers.let_through(maker), max(held.values()))

    def held_anywhere(self) -> list[tuple[str, Held]]:
        """Who holds it, and what: first this node, then each peer as it has said."""
        mine = self._board.index.identity.replica
        elsewhere = [(peer, one) for peer, some in sorted(self.held_elsewhere.items()) for one in some]
        return [(mine, one) for one in self.held()] + elsewhere

    def peer_gone(self, replica: str) -> None:
        self.held_elsewhere.pop(replica, None)

    def held_there(self, replica: str, held: tuple[Held, ...]) -> None:
        """Note what that peer's brake holds now."""
        if held:
            self.held_elsewhere[replica] = held
        else:
            self.held_elsewhere.pop(replica, None)

    def publish_later(self) -> None:
        """Inform the peers soon: what is held here has changed."""
        self.is_published = False

    def publish_when_due(self) -> None:
        if not self.is_published and self.publish_due_ms <= self._board.now.mono_ms:
            self.is_published = True
            if self.held() != self.published:
                self.publish()

    def publish(self) -> None:
        self.is_published = True
        self.published = self.held()
        self.publish_due_ms = self._board.now.mono_ms + _BRAKE_AGAIN_MS
        news = BrakeNews(self._board.folder, self.published)
        self._board.send_to_all(news, 100 * (1 + len(news.held)))
