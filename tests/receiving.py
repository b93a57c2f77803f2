"""Bytes of any length for a session or a decoder, through the buffer into which the reader of a link receives them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from dir_sync.core.messages import Message
from dir_sync.core.session import Session
from dir_sync.core.wire import Buffer, Frame, FrameDecoder


class _Buffered(Protocol):
    def buffer(self) -> memoryview: ...


def _chunks(receiver: _Buffered, data: Buffer) -> Iterator[int]:
    """Put `data` into the receiver's buffer. Yields how many bytes are there, each time it is full, and at the end."""
    rest = memoryview(data)
    while rest:
        room = receiver.buffer()
        n = min(len(room), len(rest))
        room[:n] = rest[:n]
        rest = rest[n:]
        yield n


def feed(session: Session, data: Buffer) -> list[Message]:
    """The messages that are complete with `data`."""
    found: list[Message] = []
    for n in _chunks(session, data):
        found += session.filled(n)
    return found


def frames_of(decoder: FrameDecoder, data: Buffer) -> Iterator[Frame]:
    """The frames that are complete with `data`, one at a time: see `FrameDecoder.frames`."""
    for n in _chunks(decoder, data):
        yield from decoder.frames(n)


def frames_in(decoder: FrameDecoder, data: Buffer) -> list[Any]:
    """The frames that are complete with `data`."""
    return list(frames_of(decoder, data))
