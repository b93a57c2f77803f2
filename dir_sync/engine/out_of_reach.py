"""Contents that are wanted and that no connected peer has.

In:   paths whose best version cannot be fetched; contents that become available.
Out:  the paths that can be planned again.
Rule: a content may become available under another name, from a peer that never announced it at the wanted path.
Used by: work.
"""

from __future__ import annotations

__all__ = ["OutOfReach"]

_PATHS_MAX = 10_000  # further paths are planned again when a peer connects, or at the next start


class OutOfReach:
    """Which paths wait for which contents."""

    def __init__(self) -> None:
        self._content_of: dict[bytes, bytes] = {}  # path -> the content that it waits for
        self._waiting: dict[bytes, dict[bytes, None]] = {}  # content -> paths, in the order in which they came

    def __bool__(self) -> bool:
        return bool(self._content_of)

    def __contains__(self, path: object) -> bool:
        return path in self._content_of

    def paths(self) -> list[bytes]:
        return list(self._content_of)

    def enter(self, path: bytes, content: bytes) -> None:
        """Let a path wait for that content only."""
        self.leave(path)
        if len(self._content_of) < _PATHS_MAX:
            self._content_of[path] = content
            self._waiting.setdefault(content, {})[path] = None

    def leave(self, path: bytes) -> None:
        content = self._content_of.pop(path, None)
        if content is not None:
            paths = self._waiting[content]
            del paths[path]
            if not paths:
                del self._waiting[content]

    def take(self, content: bytes) -> list[bytes]:
        """A content became available: remove and return the paths that waited for it."""
        paths = list(self._waiting.pop(content, ()))
        for path in paths:
            del self._content_of[path]
        return paths
