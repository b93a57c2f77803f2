"""Contents that were current for minutes only: when the history is flooded, they leave it first.

In:   the contents that peers bring, and when they arrived, by our own clock.
Out:  whether a content that is displaced now arrived a short time ago; whether most of the history consists of such
contents.
Rule: a peer that fills the history on purpose has to bring contents and displace them again, whatever names and ids it
uses. Contents that were here before the flood are not among those that leave first.
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["Arrivals", "is_flooded"]

_BRIEF_MS = 600_000
_ARRIVALS_MAX = 200_000  # some 20 MB


class Arrivals:
    """Contents that peers brought recently, and when."""

    def __init__(self) -> None:
        self._came_ms: dict[bytes, int] = {}

    def add(self, contents: Iterable[bytes], now_ms: int) -> None:
        self._came_ms.update(dict.fromkeys(contents, now_ms))
        if len(self._came_ms) > _ARRIVALS_MAX:
            self._came_ms = {content: at for content, at in self._came_ms.items() if now_ms - at < _BRIEF_MS}
            if len(self._came_ms) > _ARRIVALS_MAX // 2:
                self._came_ms.clear()

    def is_brief(self, content: bytes, now_ms: int) -> bool:
        """True if a content that is displaced now arrived only minutes ago."""
        came = self._came_ms.get(content)
        return came is not None and now_ms - came < _BRIEF_MS


def is_flooded(brief_bytes: int, all_bytes: int) -> bool:
    """True if more than a quarter of the history consists of such contents. They then leave first."""
    return 4 * brief_bytes > all_bytes
