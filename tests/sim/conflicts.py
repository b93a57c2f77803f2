"""Who knew what: which version of a path was made from which, as a world sees it, whatever the vectors say.

In:   each version that a node makes, with what its user had there before.
Out:  whether a version was made in knowledge of another; which versions nobody has knowingly replaced.
"""

from __future__ import annotations

from collections.abc import Sequence

from dir_sync.core.model import Kind, Record, Stamp

__all__ = ["Conflicts"]

_Version = tuple[bytes, Stamp]


class Conflicts:
    """The history of a world, by stamps."""

    def __init__(self) -> None:
        self._from: dict[_Version, frozenset[Stamp] | None] = {}  # all that it was made from, itself too; None: unknown
        self._made: dict[tuple[bytes, str], set[Stamp]] = {}  # by that node, of that path
        self._contents: dict[_Version, tuple[Kind, bytes]] = {}

    def made(self, record: Record, before: Sequence[Record | None]) -> None:
        """`before`: the versions that its maker had there; None: there was nothing."""
        path, stamp = record.path, record.stamp
        self._contents[path, stamp] = record.kind, record.content
        own = self._made.setdefault((path, stamp.maker), set())
        own.add(stamp)
        known: set[Stamp] = set(own)  # whoever makes a version knows all that the same node made before
        for one in before:
            if one is None:
                continue
            earlier = self._from.get((path, one.stamp))
            if earlier is None:
                self._from[path, stamp] = None
                return
            known |= earlier
        self._from[path, stamp] = frozenset(known)

    def was_known(self, lost: Record, winner: Record) -> bool | None:
        """True if the winner was made from what lost. None: that cannot be told, or it held nothing that can be lost, or it
        depends on whether nodes have met that made the same content each by itself."""
        path = winner.path
        known = self._from.get((path, winner.stamp))
        if known is None or (path, lost.stamp) not in self._from or lost.kind not in (Kind.FILE, Kind.SYMLINK):
            return None
        if lost.stamp in known:
            return True
        alike = self._with_alike(path, known)
        contents = {self._contents[path, stamp] for stamp in alike}
        return None if (lost.kind, lost.content) in contents else False

    def _with_alike(self, path: bytes, known: frozenset[Stamp]) -> set[Stamp]:
        """Some versions, those with the same contents, and what those were made from, and so on."""
        found: set[Stamp] = set()
        more: set[Stamp] = set(known)
        while not more <= found:
            found |= more
            contents = {self._contents[path, stamp] for stamp in found} - {(Kind.ABSENT, b"")}
            for (other, stamp), content in self._contents.items():
                if other == path and content in contents:
                    more.update(self._from[path, stamp] or ())
        return found

    def heads(self, made: Sequence[Record]) -> list[Record]:
        """Of some versions of a path, those with a content from which no other was made."""
        return [
            one
            for one in made
            if one.kind in (Kind.FILE, Kind.SYMLINK)
            and all(other.stamp == one.stamp or self.was_known(one, other) is False for other in made)
        ]
