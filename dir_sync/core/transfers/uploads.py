"""Large contents being sent to peers, for display: the progress of each, and when it is complete.

In:   pulls, acknowledgements and announcements of peers. Out: progress.
Rule: a peer requests a content in order, so the offset of its last request shows the progress.
"""

from __future__ import annotations

from collections.abc import Mapping

from dir_sync.core.frozen import mutable

__all__ = ["Upload", "Uploads"]

_STALE_MS = 30_000  # no request for so long: the peer no longer needs it
_PER_PEER_MAX = 256  # of one peer; a new one replaces the oldest


@mutable
class Upload:
    path: bytes
    peer: str
    digest: bytes  # of the content
    file_size: int
    size: int  # bytes to send: fewer than `file_size` for a delta
    since_ms: int
    began_at: int  # the first requested byte: the peer had the bytes before it
    asked_to: int  # end of the last request
    asked_ms: int

    @property
    def is_delta(self) -> bool:
        return self.size != self.file_size

    def sent(self, waiting: int) -> int:
        """The approximate number of bytes that the peer has. `waiting`: bytes that it requested and that are not sent
        yet."""
        return max(self.began_at, min(self.asked_to, self.size) - waiting)


class Uploads:
    """The uploads, by peer and path."""

    def __init__(self) -> None:
        self._all: dict[str, dict[bytes, Upload]] = {}

    def asked(
        self, peer: str, path: bytes, digest: bytes, file_size: int, size: int, offset: int, length: int, now_ms: int
    ) -> None:
        """A peer requested a part of a content; or, if `size` differs from `file_size`, of a delta that produces it."""
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
        """The uploads to a peer, by path."""
        return self._all.get(peer, {})

    def ended(self, peer: str, path: bytes) -> Upload | None:
        """The peer has this version now, or a newer one. Returns its upload, if there was one."""
        ours = self._all.get(peer)
        return None if ours is None else ours.pop(path, None)

    def gone(self, peer: str) -> None:
        self._all.pop(peer, None)

    def under_way(self, now_ms: int) -> list[Upload]:
        """All uploads, by peer and path. Stale ones are removed."""
        for ours in self._all.values():
            for path in [one.path for one in ours.values() if now_ms - one.asked_ms > _STALE_MS]:
                del ours[path]
        return [ours[path] for _, ours in sorted(self._all.items()) for path in sorted(ours)]
