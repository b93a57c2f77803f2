"""Records: the sealed stream of a closed link, inside which the frames of an open link run unchanged.

In:   buffers to send; bytes that came. Out: records; the bytes that were sealed, or SealBroken.
Rule: each direction has its own cipher and counter, so the thread that sends and the one that receives share nothing. A
      record that was changed, dropped, repeated or moved breaks the link.
A record is 4 bytes of length n (17 to 32,768, big-endian), then n bytes of ciphertext and tag.
It imports `cryptography`, so only closed meshes import it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from dir_sync.core.model import PeerError
from dir_sync.core.noise import TAG_BYTES, Cipher, HandshakeError
from dir_sync.core.wire import Buffer

__all__ = ["RECORD_BYTES_MAX", "Opener", "SealBroken", "Sealer"]

RECORD_BYTES_MAX: Final = 32 * 1024  # ciphertext and tag; larger ones cost as much CPU, and more memory
REKEY_EVERY: Final = 2**24  # records under one key

_HEAD: Final = 4
_DATA_MAX: Final = RECORD_BYTES_MAX - TAG_BYTES
_AT_ONCE: Final = 4  # records that are handed over together
_BUFFERED: Final = 4 * (_HEAD + RECORD_BYTES_MAX)


class SealBroken(PeerError):
    """What came was not sealed by the peer as the next record."""


class Sealer:
    """What one side sends."""

    __slots__ = ("_cipher", "_rekey_every")

    def __init__(self, cipher: Cipher, rekey_every: int = REKEY_EVERY) -> None:
        self._cipher = cipher
        self._rekey_every = rekey_every

    def records(self, buffers: Iterable[Buffer]) -> Iterator[memoryview]:
        """The bytes to send, a few records at a time. What it yields is valid until the next one is asked for."""
        views = [memoryview(buffer) for buffer in buffers if len(buffer)]
        total = sum(map(len, views))
        count = (total + _DATA_MAX - 1) // _DATA_MAX
        scratch = memoryview(bytearray(min(total + count * (_HEAD + TAG_BYTES), _AT_ONCE * (_HEAD + RECORD_BYTES_MAX))))
        filled = 0
        for data in _cut(views):
            if filled + _HEAD + len(data) + TAG_BYTES > len(scratch):
                yield scratch[:filled]
                filled = 0
            size = len(data) + TAG_BYTES
            scratch[filled : filled + _HEAD] = size.to_bytes(_HEAD, "big")
            filled += _HEAD
            self._cipher.seal_into(data, scratch[filled : filled + size])
            filled += size
            if self._cipher.n % self._rekey_every == 0:
                self._cipher.rekey()
        if filled:
            yield scratch[:filled]


class Opener:
    """What one side receives."""

    __slots__ = ("_cipher", "_end", "_left", "_raw", "_rekey_every", "_start")

    def __init__(self, cipher: Cipher, rekey_every: int = REKEY_EVERY) -> None:
        self._cipher = cipher
        self._rekey_every = rekey_every
        self._raw = memoryview(bytearray(_BUFFERED))
        self._start = self._end = 0  # what has come and is not opened yet
        self._left = memoryview(b"")  # opened, and there was no room for it

    def buffer(self) -> memoryview:
        """Where the next bytes of the link belong, never empty; valid until the next call of this or of `filled`."""
        if self._start == self._end:
            self._start = self._end = 0
        elif (
            self._start and _BUFFERED - self._end < _HEAD + RECORD_BYTES_MAX
        ):  # less often than each time: it costs a copy
            rest = self._end - self._start
            self._raw[:rest] = bytes(self._raw[self._start : self._end])
            self._start, self._end = 0, rest
        return self._raw[self._end :]

    def filled(self, n: int) -> None:
        """So many bytes have come into `buffer()`."""
        self._end += n

    def open_into(self, out: memoryview) -> int:
        """Write into `out`, which is not empty, what is complete of the stream; returns how many bytes. 0: the next record
        is not complete. Raises SealBroken."""
        if self._left:
            return self._give(out)
        written = 0
        while (body := self._next()) is not None:
            size = len(body) - TAG_BYTES
            room = len(out) - written
            if size > room and written:
                break
            try:
                if size <= room:
                    self._cipher.open_into(body, out[written : written + size])
                    written += size
                else:
                    self._left = memoryview(self._cipher.open(body))
                    written = self._give(out)
            except HandshakeError:
                raise SealBroken("what came was changed on the way") from None
            self._start += _HEAD + len(body)
            if self._cipher.n % self._rekey_every == 0:
                self._cipher.rekey()
            if self._left or written == len(out):
                break
        return written

    def _next(self) -> memoryview | None:
        """Ciphertext and tag of the next record; None if it is not complete."""
        have = self._end - self._start
        if have < _HEAD:
            return None
        at = self._start + _HEAD
        size = int.from_bytes(self._raw[self._start : at], "big")
        if not TAG_BYTES < size <= RECORD_BYTES_MAX:
            raise SealBroken("what came was changed on the way")
        return self._raw[at : at + size] if have >= _HEAD + size else None

    def _give(self, out: memoryview) -> int:
        n = min(len(out), len(self._left))
        out[:n] = self._left[:n]
        self._left = self._left[n:]
        return n


def _cut(views: Iterable[memoryview]) -> Iterator[Buffer]:
    """The same bytes in pieces that fit one record: small buffers are joined, large ones are cut."""
    parts: list[memoryview] = []
    room = _DATA_MAX
    for view in views:
        while view:
            part, view = view[:room], view[room:]
            parts.append(part)
            room -= len(part)
            if not room:
                yield parts[0] if len(parts) == 1 else b"".join(parts)
                parts, room = [], _DATA_MAX
    if parts:
        yield parts[0] if len(parts) == 1 else b"".join(parts)
