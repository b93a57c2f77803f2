"""Files that grow: which older versions are the beginning of a file's present content.

In:   what looks found: a file that begins with the whole of its last version.
Out:  for a peer with one of these versions: only the bytes after it have to travel.
Rule: a version counts as a beginning only if its digest was computed from the file itself.

A *mark* is the BLAKE3 (16 bytes) of a file from its start up to a multiple of limits.GROWTH_STEP_BYTES. The receiver
checks each mark before it writes the bytes in front of it, so its file is at any moment a checked beginning of the
announced content.
"""

from __future__ import annotations

from dir_sync.core import limits
from dir_sync.core.frozen import field, mutable

__all__ = ["MARK_BYTES", "Growths", "mark_offsets"]

MARK_BYTES = 16  # enough, because the digest of the whole is checked as well
_PATHS_MAX = 256
_BEGINNINGS_MAX = 64  # of one file


def mark_offsets(base_size: int, size: int) -> range:
    """The offsets of the marks between a base of `base_size` bytes and the file of `size` bytes that begins with it."""
    step = limits.GROWTH_STEP_BYTES
    return range((base_size // step + 1) * step, size, step)


@mutable
class _Growth:
    content: bytes  # digest of the present content ...
    size: int  # ... and its size
    beginnings: dict[bytes, int] = field(default_factory=dict)  # digest of an older version -> its size
    marks: dict[int, bytes] = field(default_factory=dict)


class Growths:
    """The files that grew last."""

    def __init__(self) -> None:
        self._known: dict[bytes, _Growth] = {}

    def grew(
        self, path: bytes, base: bytes, base_size: int, content: bytes, size: int, marks: tuple[bytes, ...]
    ) -> None:
        """The file at `path` begins with `base` and has the content `content` now. `marks`: at mark_offsets(base_size,
        size)."""
        known = self._known.pop(path, None)
        if known is None or known.content != base:
            known = _Growth(base, base_size)
        known.beginnings[base] = base_size
        while len(known.beginnings) > _BEGINNINGS_MAX:
            oldest = next(iter(known.beginnings))
            del known.beginnings[oldest]
        least = min(known.beginnings.values())
        known.marks = {offset: mark for offset, mark in known.marks.items() if offset > least}
        known.marks.update(zip(mark_offsets(base_size, size), marks, strict=True))
        known.content, known.size = content, size
        self._known[path] = known
        if len(self._known) > _PATHS_MAX:
            del self._known[next(iter(self._known))]

    def knows(self, path: bytes) -> bool:
        return path in self._known

    def offer(self, path: bytes, base: bytes, content: bytes) -> tuple[int, tuple[bytes, ...]] | None:
        """For a peer with `base` that wants `content`: the size of the base, and the marks after it. None: not
        possible."""
        known = self._known.get(path)
        if known is None or known.content != content:
            return None
        base_size = known.beginnings.get(base)
        if base_size is None:
            return None
        offsets = mark_offsets(base_size, known.size)
        # The end of an older version need not be a mark, and marks in a gap were never computed.
        if len(offsets) > limits.GROWTH_MARKS_MAX or any(offset not in known.marks for offset in offsets):
            return None
        return base_size, tuple(known.marks[offset] for offset in offsets)

    def beginning(self, path: bytes, digest: bytes, content: bytes) -> int:
        """The size of version `digest`, if `content` is now at `path` and begins with it; otherwise 0."""
        known = self._known.get(path)
        if known is None or known.content != content:
            return 0
        return known.beginnings.get(digest, 0)

    def moved(self, source: bytes, target: bytes, content: bytes) -> None:
        """The file with `content` was renamed from `source` to `target`."""
        known = self._known.get(source)
        if known is not None and known.content == content:
            self._known[target] = self._known.pop(source)

    def beginning_with(self, digest: bytes) -> list[tuple[bytes, bytes, int]]:
        """Of each file that began with version `digest` at its last look: path, content, and size of that version."""
        return [
            (path, known.content, known.beginnings[digest])
            for path, known in self._known.items()
            if digest in known.beginnings
        ]

    def forget(self, path: bytes) -> None:
        """The file was changed in another way, or is gone."""
        self._known.pop(path, None)
