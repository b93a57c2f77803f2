"""Which holders of a path could not give what is wanted, and what is tried next.

In:   holders that failed, deltas that are offered, what peers announce anew.
Out:  who is not asked; whether a delta or the whole is asked for.
Rule: all of it is about what is announced just now, and is forgotten with that (`Retries.forget`).
Used by: work.
"""

from __future__ import annotations

from dir_sync.core.messages import DeltaOffer
from dir_sync.engine.path_work import OfferedDelta, PathTable, RetryEntries

__all__ = ["Holders"]


class Holders:
    """Which holders of a path could not give what is wanted, and what is tried next."""

    def __init__(self, paths: PathTable) -> None:
        self._entries = RetryEntries(paths)

    def failed_holders(self, path: bytes) -> frozenset[str]:
        """Holders that just could not give what is wanted."""
        retry = self._entries.of(path)
        return frozenset() if retry is None else retry.failed

    def is_whole_wanted(self, path: bytes) -> bool:
        """True if a delta was asked for already, or a holder has failed: the next plan asks for the whole."""
        retry = self._entries.of(path)
        return retry is not None and retry.whole

    def want_whole(self, path: bytes) -> None:
        self._entries.at(path).whole = True

    def holder_failed(self, path: bytes, node: str) -> None:
        retry = self._entries.at(path)
        retry.whole = True
        retry.failed |= {node}

    def forgive_holders(self, path: bytes) -> None:
        retry = self._entries.of(path)
        if retry is not None:
            retry.failed, retry.whole = frozenset(), False
            self._entries.tidy(path, retry)

    def end_round(self, path: bytes) -> int:
        """None of its holders could give it: they are asked once more. Returns how many rounds there were before."""
        retry = self._entries.at(path)
        retry.failed, retry.whole = frozenset(), False
        retry.rounds += 1
        return retry.rounds

    def announced_by(self, path: bytes, node: str, is_other: bool) -> None:
        """A peer announced something: it may be asked again. `is_other`: what failed was another content."""
        retry = self._entries.of(path)
        if retry is None:
            return
        retry.rounds = -1
        if is_other:
            retry.failed, retry.whole = frozenset(), False
        elif node in retry.failed:
            retry.failed -= {node}
        self._entries.tidy(path, retry)

    def offer_delta(self, path: bytes, node: str, base: bytes, content: bytes, offer: DeltaOffer) -> None:
        self._entries.at(path).delta = OfferedDelta(node, base, content, offer)

    def delta_offer(self, path: bytes) -> OfferedDelta | None:
        retry = self._entries.of(path)
        return None if retry is None else retry.delta

    def drop_delta_offer(self, path: bytes) -> None:
        retry = self._entries.of(path)
        if retry is not None:
            retry.delta = None
            self._entries.tidy(path, retry)

    def forget_rounds(self, path: bytes) -> None:
        retry = self._entries.of(path)
        if retry is not None:
            retry.rounds = -1
            self._entries.tidy(path, retry)
