"""What went wrong at a path, and when and how it is tried again.

In:   trouble on our own disk, holders that could not give a content, deltas that are offered.
Out:  how long a path is left alone; who is not asked; what a status says of it.
Rule: all of it is about what is announced just now, and is forgotten with that.
Used by: work, arrivals.
"""

from __future__ import annotations

from dir_sync.core import notes
from dir_sync.core.messages import DeltaOffer
from dir_sync.engine.board import Board
from dir_sync.engine.constants import CHANGING, TROUBLE_RETRY_MS

__all__ = ["Retries"]


class Retries:
    """What went wrong at a path, and when and how it is tried again."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._troubled: dict[bytes, tuple[int, str]] = {}  # path -> last wait after trouble, and what it was
        self._not_before: dict[bytes, int] = {}  # path -> when the next try is due, however often it is looked at
        self._failed_holders: dict[bytes, set[str]] = {}  # holders that just could not give it
        self._failed_rounds: dict[bytes, int] = {}  # how often none of its holders could
        # path -> peer, base, digest, and the offer
        self._delta_offers: dict[bytes, tuple[str, bytes, bytes, DeltaOffer]] = {}
        self._short: dict[bytes, int] = {}  # path -> bytes that found no room on the disk

    def wait_after(self, path: bytes, problem: str) -> int:
        """How long (ms) to leave a path alone after trouble on our own disk: longer each time. Said once."""
        first, most = TROUBLE_RETRY_MS
        before, told = self._troubled.get(path, (first // 2, CHANGING))
        if told == CHANGING:
            self._board.tell(notes.CannotWrite(path, problem))
        wait = max(first, min(before * 2, most))
        self._troubled[path] = (wait, problem)
        return wait

    def wait_after_change(self, path: bytes) -> int:
        """The same after something else was found at a path than was expected."""
        wait, problem = self._troubled.get(path, (0, CHANGING))
        self._troubled[path] = (min(max(20, wait * 2), TROUBLE_RETRY_MS[1]), problem)
        self._not_before[path] = self._board.now.mono_ms + wait
        return wait

    def refuse(self, path: bytes, problem: str) -> int:
        """The disk will not have it: it is tried again after a long time (ms)."""
        wait = TROUBLE_RETRY_MS[1]
        self._troubled[path] = (wait, problem)
        self._not_before[path] = self._board.now.mono_ms + wait
        return wait

    def note_trouble(self, path: bytes, problem: str) -> None:
        """It cannot be had here until something makes way."""
        self._troubled[path] = (TROUBLE_RETRY_MS[1], problem)

    def end_trouble(self, path: bytes) -> None:
        self._troubled.pop(path, None)
        self._not_before.pop(path, None)

    def troubles(self) -> dict[bytes, str]:
        return {path: problem for path, (_, problem) in self._troubled.items()}

    def await_disk_room(self, path: bytes, size: int) -> None:
        self._short[path] = size

    @property
    def is_short(self) -> bool:
        """True while something found no room on the disk."""
        return bool(self._short)

    def short_bytes(self) -> int:
        return sum(self._short.values())

    def end_shortage(self) -> list[bytes]:
        """The paths that waited for room on the disk."""
        paths = list(self._short)
        self._short.clear()
        return paths

    def failed_holders(self, path: bytes) -> frozenset[str]:
        """Holders that just could not give what is wanted."""
        return frozenset(self._failed_holders.get(path, ()))

    def is_whole_wanted(self, path: bytes) -> bool:
        """True if a delta was asked for already, or a holder has failed: the next plan asks for the whole."""
        return path in self._failed_holders

    def want_whole(self, path: bytes) -> None:
        self._failed_holders.setdefault(path, set())

    def holder_failed(self, path: bytes, node: str) -> None:
        self._failed_holders.setdefault(path, set()).add(node)

    def forgive_holders(self, path: bytes) -> None:
        self._failed_holders.pop(path, None)

    def end_round(self, path: bytes) -> int:
        """None of its holders could give it: they are asked once more. Returns how many rounds there were before."""
        del self._failed_holders[path]
        rounds = self._failed_rounds[path] = self._failed_rounds.get(path, -1) + 1
        return rounds

    def announced_by(self, path: bytes, node: str, is_other: bool) -> None:
        """A peer announced something: it may be asked again. `is_other`: what failed was another content."""
        self._failed_rounds.pop(path, None)
        failed = self._failed_holders.get(path)
        if failed is not None:
            if is_other:
                del self._failed_holders[path]
            else:
                failed.discard(node)

    def offer_delta(self, path: bytes, node: str, base: bytes, content: bytes, offer: DeltaOffer) -> None:
        self._delta_offers[path] = (node, base, content, offer)

    def delta_offer(self, path: bytes) -> tuple[str, bytes, bytes, DeltaOffer] | None:
        """Peer, base, content, and the offer."""
        return self._delta_offers.get(path)

    def drop_delta_offer(self, path: bytes) -> None:
        self._delta_offers.pop(path, None)

    def is_due(self, path: bytes) -> bool:
        """True unless a wait is set that is not over."""
        return self._not_before.get(path, 0) <= self._board.now.mono_ms

    def is_troubled(self, path: bytes) -> bool:
        return path in self._troubled

    def begin_anew(self, path: bytes) -> None:
        """The cause may be gone: the next wait is the shortest again."""
        if path in self._troubled:
            self._troubled[path] = (TROUBLE_RETRY_MS[0] // 2, self._troubled[path][1])

    def forget_rounds(self, path: bytes) -> None:
        self._failed_rounds.pop(path, None)

    def forget(self, path: bytes) -> None:
        """Nothing newer is announced any more."""
        self._failed_holders.pop(path, None)
        self._delta_offers.pop(path, None)
        self._troubled.pop(path, None)
        self._not_before.pop(path, None)
        self._short.pop(path, None)
