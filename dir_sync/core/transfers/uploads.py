"""Large contents on their way to peers, for people: how far each is, and when it is over.

In:   what peers ask for and acknowledge. Out: progress.
Rule: a peer asks for a content in order, so the place of what it asks for tells how much of it has gone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Upload", "Uploads"]

_STALE_MS = 30_000  # nothing was asked for: the peer wants it no more, or has it from somebody else
_PER_PEER_MAX = 256  # of one peer; a new one takes the place of the oldest


@dataclass(slots=True)
class Upload:
    path: bytes
    peer: str
    digest: bytes  # of the content
    file_size: int
    size: int  # bytes to send: less than `file_size`, if it is a delta
    since_ms: int
    began_at: int  # the first byte that was asked for: before it, the peer had it already
    asked_to: int  # the end of what was asked for
    asked_ms: int

    @property
    def is_delta(self) -> bool:
        return self.size != self.file_size

    def sent(self, waiting: int) -> int:
        """Bytes of it that the peer has, roughly. `waiting`: what that peer asked for and has not left us yet."""
        return max(self.began_at, min(self.asked_to, self.size) - waiting)


class Uploads:
    """Keyed by peer and path."""

    def __init__(self) -> None:
        self._all: dict[str, dict[bytes, Upload]] = {}

    def asked(
        self, peer: str, path: bytes, digest: bytes, file_size: int, size: int, offset: int, length: int, now_ms: int
    ) -> None:
        """A peer asked for a part of a content; or, if `size` is another one than `file_size`, of a delta that makes it."""
        ours = self._all.setdefault(peer, {})
        known = ours.get(path)
        if known is None or (known.digest, known.size) != (digest, size):
            ours.pop(path, None)
            while len(ours) >= _PER_PEER_MAX:
                del ours[next(iter(ours))]
            known = ours[path] = Upload(path, peer, digest, file_size, size, now_ms, offset, offset, now_ms)
        known.asked_to = max(known.asked_to, offset + length)
        known.asked_ms = now_ms

    def of(self, peer: str) -> Mapping[bytes, Upload]:
        """What goes to a peer, by path."""
        return self._all.get(peer, {})

    def acknowledged(self, peer: str, path: bytes) -> Upload | None:
        """The peer has that path now, or moved beyond it. Returns what it was sent, if that was large."""
        ours = self._all.get(peer)
        return None if ours is None else ours.pop(path, None)

    def gone(self, peer: str) -> None:
        self._all.pop(peer, None)

    def under_way(self, now_ms: int) -> list[Upload]:
        """By peer and path. What nobody asks for any more is forgotten."""
        for ours in self._all.values():
            for path in [one.path for one in ours.values() if now_ms - one.asked_ms > _STALE_MS]:
                del ours[path]
        return [ours[path] for _, ours in sorted(self._all.items()) for path in sorted(ours)]
