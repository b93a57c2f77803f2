"""What was here for minutes only: in a flood, it leaves the history first.

In:   the contents that peers bring, and when, by our own clock.
Out:  whether a content that is displaced now came just before; whether most of what is kept came like that.
Rule: whoever fills a history on purpose, through however many names and ids, has to bring contents and to displace them
      again. What stood here before is not among them, whatever is done to it.
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["Arrivals", "is_flooded"]

_BRIEF_MS = 600_000
_ARRIVALS_MAX = 200_000  # some 20 MB


class Arrivals:
    """Contents that peers brought lately, and when."""

    def __init__(self) -> None:
        self._came_ms: dict[bytes, int] = {}

    def add(self, contents: Iterable[bytes], now_ms: int) -> None:
        self._came_ms.update(dict.fromkeys(contents, now_ms))
        if len(self._came_ms) > _ARRIVALS_MAX:
            self._came_ms = {content: at for content, at in self._came_ms.items() if now_ms - at < _BRIEF_MS}
            if len(self._came_ms) > _ARRIVALS_MAX // 2:
                self._came_ms.clear()

    def is_brief(self, content: bytes, now_ms: int) -> bool:
        """True if a content that is displaced now was here for minutes only."""
        came = self._came_ms.get(content)
        return came is not None and now_ms - came < _BRIEF_MS


def is_flooded(brief_bytes: int, all_bytes: int) -> bool:
    """True if more than a quarter of the history was here for minutes only: then that gives way first, and not what stood
    here before."""
    return 4 * brief_bytes > all_bytes
