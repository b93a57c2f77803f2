"""Which holders could not give a path's content, and whether a delta or the whole is asked for next.

In:   holders that failed, offered deltas, new announcements.
Out:  holders that are skipped; whether a delta or the whole is asked for.
Rule: all of it belongs to the current announcement, and is forgotten with it (`Retries.forget`).
Used by: work.
"""

from __future__ import annotations

from dir_sync.core.backoff import backoff
from dir_sync.core.messages import DeltaOffer
from dir_sync.engine.constants import RETRY_MS
from dir_sync.engine.path_work import OfferedDelta, PathTable, Retry, RetryEntries

__all__ = ["Holders"]

_ROUND_MS_MAX = 3_600_000  # nobody may have the content any more; who announces the path or connects is asked at once


class Holders:
    """Which holders could not give a path's content, and whether a delta or the whole is asked for next."""

    def __init__(self, paths: PathTable) -> None:
        self._entries = RetryEntries(paths)

    def failed_holders(self, path: bytes) -> frozenset[str]:
        """Holders that failed in this round."""
        retry = self._entries.of(path)
        return frozenset() if retry is None else retry.failed

    def begin_round(self, path: bytes, content: bytes, now_ms: int) -> bool:
        """False while the wait after the last round is not over, for whatever reason the path is planned. When it is over, or
        another content is wanted, all holders may be asked again."""
        retry = self._entries.of(path)
        if retry is None or retry.round_at is None:
            return True
        if retry.round_at[0] == content and now_ms < retry.round_at[1]:
            return False
        self._end_rest(retry)
        return True

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
            retry.failed, retry.whole, retry.round_at = frozenset(), False, None
            self._entries.tidy(path, retry)

    def end_round(self, path: bytes, content: bytes, now_ms: int) -> int:
        """No holder could give the content. Returns how long (ms) to wait for the next round, which begins with all of them:
        longer each time."""
        retry = self._entries.at(path)
        retry.rounds += 1
        wait = backoff(RETRY_MS, retry.rounds, _ROUND_MS_MAX)
        retry.round_at = content, now_ms + wait
        return wait

    def announced_by(self, path: bytes, replica: str, is_other: bool) -> None:
        """A peer announced this path, so it may be asked again. `is_other`: the failed attempt was for another
        content."""
        retry = self._entries.of(path)
        if retry is None:
            return
        self._end_rest(retry)
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
            self._end_rest(retry)
            retry.rounds = -1
            self._entries.tidy(path, retry)

    def end_rests(self) -> None:
        """A peer may be asked from now on: no path waits for its next round."""
        for path, retry in self._entries.all():
            self._end_rest(retry)
            self._entries.tidy(path, retry)

    def _end_rest(self, retry: Retry) -> None:
        """If a round is over, the next one has begun."""
        if retry.round_at is not None:
            retry.failed, retry.whole, retry.round_at = frozenset(), False, None
