"""Contents that are wanted and that nobody who is here has.

In:   paths whose best version cannot be had; contents that turn up.
Out:  the paths that can be planned again.
Rule: a content may turn up under another name, from somebody who never announced it at the path where it is wanted.
Used by: work.
"""

from __future__ import annotations

__all__ = ["OutOfReach"]

_PATHS_MAX = 10_000  # what is beyond that is planned again when a peer comes, or at the next start


class OutOfReach:
    """Which paths wait for which contents."""

    def __init__(self) -> None:
        self._content_of: dict[bytes, bytes] = {}  # path -> the content that it waits for
        self._waiting: dict[bytes, dict[bytes, None]] = {}  # content -> paths, in the order in which they came

    def __bool__(self) -> bool:
        return bool(self._content_of)

    def paths(self) -> list[bytes]:
        return list(self._content_of)

    def enter(self, path: bytes, content: bytes) -> None:
        """That path waits for that content, and for no other."""
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
        """A content is here now: the paths that waited for it, which wait no longer."""
        paths = list(self._waiting.pop(content, ()))
        for path in paths:
            del self._content_of[path]
        return paths
