"""Which events of the watcher are echoes of our own work.

In:   names that we are about to make, and files that we are about to rename; the end of that; the time.
Out:  whether an event is such an echo. Each name and each rename has one.
Rule: most echoes come within a moment after the change, some before its result. What comes later is somebody else's. A
rename has one event for both names; or one for the old name alone, if the new folder is not watched yet.
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["Echoes", "both_names"]


def both_names(source: bytes, target: bytes) -> bytes:
    """What stands for a rename among the names; no path has a NUL."""
    return source + b"\0" + target


class Echoes:
    """New names that we make, and when their events are no echoes any more."""

    def __init__(self, span_ms: int) -> None:
        """`span_ms`: how long after a change its event may come."""
        self._span_ms = span_ms
        self._until: dict[bytes, int | None] = {}  # name -> when (ms) its span ends; None: it is still being made
        self._targets: dict[bytes, bytes] = {}  # old name -> new name, of renames of ours

    def __len__(self) -> int:
        return len(self._until)

    def expect(self, paths: Iterable[bytes]) -> None:
        """We are about to make these names."""
        self._until.update(dict.fromkeys(paths))

    def expect_rename(self, source: bytes, target: bytes) -> None:
        """We are about to rename this file."""
        self._until[both_names(source, target)] = None
        self._targets[source] = target

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

    def take_rename(self, source: bytes, target: bytes, now_ms: int) -> bool:
        """True if the event of a rename is an echo."""
        if self._targets.get(source) == target:
            del self._targets[source]
        return self.take(both_names(source, target), now_ms)

    def take_left(self, source: bytes, now_ms: int) -> bytes | None:
        """The new name, if the event that a file has left this one is the echo of a rename."""
        target = self._targets.pop(source, None)
        return target if target is not None and self.take(both_names(source, target), now_ms) else None

    def forget(self) -> None:
        """Whatever comes from now on is no echo."""
        self._until.clear()
        self._targets.clear()
