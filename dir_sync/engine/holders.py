"""Which holders could not give a path's content, and whether a delta or the whole is asked for next.

In:   holders that failed, offered deltas, new announcements.
Out:  holders that are skipped; whether a delta or the whole is asked for.
Rule: all of it belongs to the current announcement, and is forgotten with it (`Retries.forget`).
Used by: work.
"""

from __future__ import annotations

from dir_sync.core.messages import DeltaOffer
from dir_sync.engine.path_work import OfferedDelta, PathTable, RetryEntries

__all__ = ["Holders"]


class Holders:
    """Which holders could not give a path's content, and whether a delta or the whole is asked for next."""

    def __init__(self, paths: PathTable) -> None:
        self._entries = RetryEntries(paths)

    def failed_holders(self, path: bytes) -> frozenset[str]:
        """Holders that failed in this round."""
        retry = self._entries.of(path)
        return frozenset() if retry is None else retry.failed

    def is_whole_wanted(self, path: bytes) -> bool:
        """True if a delta was asked for before, or a holder failed: the next plan fetches the whole."""
        retry = self._entries.of(path)
        return retry is not None and retry.whole

    def want_whole(self, path: bytes) -> None:
        self._entries.at(path).whole = True

    def holder_failed(self, path: bytes, replica: str) -> None:
        retry = self._entries.at(path)
        retry.whole = True
        retry.failed |= {replica}

    def forgive_holders(self, path: bytes) -> None:
        retry = self._entries.of(path)
        if retry is not None:
            retry.failed, retry.whole = frozenset(), False
            self._entries.tidy(path, retry)

    def end_round(self, path: bytes) -> int:
        """No holder could give the content: start the next round with all of them. Returns the number of rounds
        before."""
        retry = self._entries.at(path)
        retry.failed, retry.whole = frozenset(), False
        retry.rounds += 1
        return retry.rounds

    def announced_by(self, path: bytes, replica: str, is_other: bool) -> None:
        """A peer announced this path, so it may be asked again. `is_other`: the failed attempt was for another
        content."""
        retry = self._entries.of(path)
        if retry is None:
            return
        retry.rounds = -1
        if is_other:
            retry.failed, retry.whole = frozenset(), False
        elif replica in retry.failed:
            retry.failed -= {replica}
        self._entries.tidy(path, retry)

    def offer_delta(self, path: bytes, replica: str, base: bytes, content: bytes, offer: DeltaOffer) -> None:
        self._entries.at(path).delta = OfferedDelta(replica, base, content, offer)

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
