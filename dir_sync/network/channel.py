"""The transport of a link: a plain socket, or a sealed one.

In:   a connected socket; buffers to send. Out: bytes of the peer; OSError when the link has broken.
Rule: one thread may receive while another one sends. An open link pays nothing for the choice: its reads go to the socket itself.
`sealed_channel` has the other kind. Used by: node, node_manager, reader,
sealed_channel, sealing, writer.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from dir_sync.core import limits
from dir_sync.core.wire import Buffer

__all__ = ["Channel", "PlainChannel"]

_BUFFERS_MAX = 512  # of one sendmsg


class Channel(Protocol):
    """The bytes of one link."""

    @property
    def recv_into(self) -> Callable[[memoryview], int]:
        """Wait for bytes and write them into a buffer; returns how many, 0 at the end. BlockingIOError or TimeoutError when
        the patience of the socket is at an end, OSError when the link has broken."""

    @property
    def has_rest(self) -> bool:
        """True if `send_now` has left something."""

    def send_now(self, buffers: Sequence[Buffer]) -> bool:
        """Send what the socket takes without waiting. False if there is a rest: the next `send_all` sends it first, and
        `send_now` is not called before. OSError."""

    def send_all(self, buffers: Sequence[Buffer], waiting: Callable[[], object]) -> None:
        """Send the rest, and all of it. `waiting` is called whenever the peer takes nothing for as long as the socket
        waits. OSError."""


class PlainChannel:
    """The socket of an open link."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self.recv_into: Callable[[memoryview], int] = sock.recv_into
        self._rest = b""  # of the last `send_now`

    @property
    def has_rest(self) -> bool:
        return bool(self._rest)

    def send_now(self, buffers: Sequence[Buffer]) -> bool:
        try:
            sent = self._socket.sendmsg(buffers[:_BUFFERS_MAX], (), socket.MSG_DONTWAIT)
        except BlockingIOError:
            sent = 0
        if sent < sum(map(len, buffers)):
            self._rest = b"".join(buffers)[sent:]
        return not self._rest

    def send_all(self, buffers: Sequence[Buffer], waiting: Callable[[], object]) -> None:
        views = [memoryview(buffer) for buffer in (self._rest, *buffers) if len(buffer)]
        self._rest = b""
        deadline = time.monotonic() + limits.DEAD_AFTER_MS / 1000
        while views:
            try:
                sent = self._socket.sendmsg(views[:_BUFFERS_MAX])
            except (BlockingIOError, TimeoutError):
                if time.monotonic() > deadline:
                    raise
                waiting()
                continue
            deadline = time.monotonic() + limits.DEAD_AFTER_MS / 1000
            while sent:
                first = views[0]
                if sent >= len(first):
                    sent -= len(first)
                    del views[0]
                else:
                    views[0] = first[sent:]
                    sent = 0
