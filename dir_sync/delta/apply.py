"""Applies a delta that may be hostile.

In:   a delta and its base. Out: the new file, not verified yet.
Rule: never writes beyond the announced size; every invalid command is a DeltaError. Called by `files.patch`.

Source: librsync 2.3, prototab.c.
"""

from __future__ import annotations

from dir_sync.core import limits
from dir_sync.delta.format import COPY, DELTA_MAGIC, END, LITERAL, DeltaError
from dir_sync.delta.window import Stop
from dir_sync.ports import Reader, Writer

__all__ = ["apply_delta"]

_COPY_BYTES = 16 * limits.MIB  # copied between two calls of should_stop


def apply_delta(delta: Reader, base: Reader, out: Writer, size: int, should_stop: Stop | None = None) -> None:
    """Write to `out`, from offset 0, the `size` bytes that `delta` makes from `base`.

    The delta may come from anybody. Raises DeltaError for an unknown or empty command, a copy beyond the end of the
    base, more or less than `size` bytes of output, a missing end, bytes after it, or more commands than an honest delta
    has; and on `should_stop`. Never writes beyond `size`. DiskError passes through. After an error the content of `out`
    is useless; otherwise it is not verified: compare its digest.
    """
    commands = _Commands(delta)
    base_size = base.stat().size
    commands_left = 64 + size // 256  # an honest delta has at most two for each block of 1 KiB or more
    at = 0
    source = held = 0  # a copy that is not carried out yet: newer librsync cuts long copies into pieces of 32 KiB
    while True:
        if should_stop is not None and should_stop():
            raise DeltaError("stopped")
        code = commands.byte()
        is_copy = COPY <= code < COPY + 16
        offset = commands.number((code - COPY) // 4) if is_copy else 0
        if held and (not is_copy or offset != source + held):
            _copy(base, out, source, at - held, held, should_stop)
            held = 0
        if code == END[0]:
            break
        if code < LITERAL:
            length = code
        elif code < COPY:
            length = commands.number(code - LITERAL)
        elif is_copy:
            length = commands.number((code - COPY) % 4)
        else:
            raise DeltaError(f"a delta with the unknown command {code}")
        if length == 0:
            raise DeltaError("a delta with an empty command")
        if length > size - at:
            raise DeltaError("a delta that makes more bytes than announced")
        commands_left -= 1
        if commands_left < 0:
            raise DeltaError("a delta with too many commands")
        if is_copy:
            if offset + length > base_size:
                raise DeltaError("a delta that copies from beyond the end of its base")
            source = source if held else offset
            held += length
            at += length
        else:
            end = at + length
            while at < end:
                piece = commands.some(end - at)
                out.write(at, piece)
                at += len(piece)
    if at != size:
        raise DeltaError("a delta that makes fewer bytes than announced")
    if commands.at != commands.size:
        raise DeltaError("a delta with bytes after its end")


class _Commands:
    """Reads the commands of a delta; `at` is the offset of the next one. The constructor checks the magic."""

    def __init__(self, delta: Reader) -> None:
        self._delta = delta
        self._begin = 0
        self._data = b""
        self.size = delta.stat().size
        self.at = 0
        if self._take(len(DELTA_MAGIC)) != DELTA_MAGIC:
            raise DeltaError("not a delta")

    def byte(self) -> int:
        return self._take(1)[0]

    def number(self, width: int) -> int:
        """A number of 1 << `width` bytes."""
        return int.from_bytes(self._take(1 << width), "big")

    def some(self, length: int) -> bytes:
        """At least one and at most `length` bytes."""
        begin = self.at - self._begin
        if begin == len(self._data):
            self._load(1)
            begin = 0
        data = self._data[begin : begin + length]
        self.at += len(data)
        return data

    def _take(self, length: int) -> bytes:
        begin = self.at - self._begin
        if begin + length > len(self._data):
            self._load(length)
            begin = 0
        self.at += length
        return self._data[begin : begin + length]

    def _load(self, length: int) -> None:
        wanted = min(limits.CHUNK_BYTES, self.size - self.at)
        if wanted < length:
            raise DeltaError("a delta that ends half-way")
        self._data = self._delta.read(self.at, wanted)
        self._begin = self.at
        if len(self._data) != wanted:
            raise DeltaError("the delta became shorter while it was read")


def _copy(base: Reader, out: Writer, source: int, offset: int, length: int, should_stop: Stop | None) -> None:
    for done in range(0, length, _COPY_BYTES):
        if should_stop is not None and should_stop():
            raise DeltaError("stopped")
        wanted = min(_COPY_BYTES, length - done)
        if out.copy_from(base, source + done, offset + done, wanted) != wanted:
            raise DeltaError("the base of a delta became shorter while it was read")
