"""Which events of the watcher are echoes of our own work.

In:   names that we are about to make; the end of that; the time.
Out:  whether an event is such an echo. Each name has one.
Rule: most echoes come within a moment after the change, some before its result. What comes later is somebody else's. A
rename of ours has none: a user may rename at once what came by it, and each of the two names is looked at.
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["Echoes"]


class Echoes:
    """New names that we make, and when their events are no echoes any more."""

    def __init__(self, span_ms: int) -> None:
        """`span_ms`: how long after a change its event may come."""
        self._span_ms = span_ms
        self._until: dict[bytes, int | None] = {}  # name -> when (ms) its span ends; None: it is still being made

    def __len__(self) -> int:
        return len(self._until)

    def expect(self, paths: Iterable[bytes]) -> None:
        """We are about to make these names."""
        self._until.update(dict.fromkeys(paths))

    def made(self, paths: Iterable[bytes], now_ms: int) -> None:
        """These names were made."""
        self._until.update(dict.fromkeys(self._until.keys() & paths, now_ms + self._span_ms))

    def ended(self, path: bytes, is_made: bool, now_ms: int) -> None:
        """The name was made, or making it failed."""
        if is_made:
            self.made((path,), now_ms)
        else:
            self._until.pop(path, None)

    def take(self, path: bytes, now_ms: int) -> bool:
        """True if the event that a name has come is an echo."""
        until = self._until.pop(path, 0)
        return until is None or until > now_ms

    def forget(self) -> None:
        """Whatever comes from now on is no echo."""
        self._until.clear()
