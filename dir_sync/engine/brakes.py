"""What the two brakes hold, and whether the peers know it.

In:   what own_losses and peer_losses decide. Out: BRAKE messages.
Used by: own_losses, peer_losses, transfers, local_renames, rows, uploader, incoming_moves, fetcher, acquire, planner,
      sync_report, intake, local_changes, scan, decisions.
"""

from __future__ import annotations

from dir_sync.core import limits
from dir_sync.core.messages import Brake as BrakeNews
from dir_sync.core.messages import Held
from dir_sync.core.safeguard.brake import Brake
from dir_sync.core.safeguard.brake import Limits as BrakeLimits
from dir_sync.core.safeguard.peer_brake import PeerBrake
from dir_sync.engine.board import Board

__all__ = ["Brakes"]

_BRAKE_AGAIN_MS = 500  # peers hear how much is held at most so often


class Brakes:
    """What the two brakes hold, and whether peers know."""

    def __init__(self, board: Board, brake: BrakeLimits | None) -> None:
        self._board = board
        self.own = Brake(brake or BrakeLimits())
        self.peers = PeerBrake(self.own.limits)
        self.held_elsewhere: dict[str, tuple[Held, ...]] = {}  # by peers' brakes
        self.is_published = True  # peers know what is held here ...
        self.published: tuple[Held, ...] = ()  # ... which was this ...
        self.publish_due_ms = 0  # ... and hear of more at this time at the earliest

    def held(self) -> tuple[Held, ...]:
        """What is held here, by who did it; our own side under our own name."""
        held = [
            Held(maker, max(paths.values()), len(paths), next(iter(paths)))
            for maker, paths in sorted(self.peers.held().items())
        ]
        if self.own.held:
            first = next(iter(self.own.held))
            held.append(Held(self._board.index.replica, self.own.counter, self.own.held_files, first))
        return tuple(held[: limits.LINKS_MAX])

    def peer_gone(self, node: str) -> None:
        self.held_elsewhere.pop(node, None)

    def held_there(self, node: str, held: tuple[Held, ...]) -> None:
        """That peer's brake holds this now."""
        if held:
            self.held_elsewhere[node] = held
        else:
            self.held_elsewhere.pop(node, None)

    def publish_later(self) -> None:
        """What is held here has changed; the peers hear of it soon."""
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
