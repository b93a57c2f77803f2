"""A sealed link: the handshake of the side that dials, and the bytes of the link afterwards.

In:   a connected socket, our credentials. Out: a Channel, and the Member at its other end; HandshakeError if that is none.
Rule: nothing is ever sent in plain text. Changed bytes end the link, without a message to the other side.
Used by: gate, sealing.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Sequence

from dir_sync.core.link_handshake import HEAD_BYTES, SECOND_BYTES, Another, Calling, Credentials, Member
from dir_sync.core.noise import KEY_BYTES, HandshakeError, Suite
from dir_sync.core.sealed import Opener, SealBroken, Sealer
from dir_sync.core.wire import Buffer
from dir_sync.network.channel import PlainChannel

__all__ = ["HANDSHAKE_S", "AnotherKey", "SealedChannel", "Silent", "call"]

HANDSHAKE_S = 5.0  # for all of it
_FRAME_OF_ZLIB = 8  # the low nibble of the first byte of a HELLO


class SealedChannel:
    """The socket of a closed link."""

    def __init__(self, sock: socket.socket, sealer: Sealer, opener: Opener) -> None:
        self._socket = sock
        self._plain = PlainChannel(sock)
        self._sealer = sealer
        self._opener = opener

    def recv_into(self, buffer: memoryview) -> int:
        opener = self._opener
        try:
            while not (n := opener.open_into(buffer)):
                came = self._socket.recv_into(opener.buffer())
                if came == 0:
                    return 0
                opener.filled(came)
        except SealBroken as error:
            raise ConnectionError(str(error)) from None
        return n

    @property
    def has_rest(self) -> bool:
        return self._plain.has_rest

    def send_now(self, buffers: Sequence[Buffer]) -> bool:
        return self._plain.send_now([b"".join(map(bytes, self._sealer.records(buffers)))])

    def send_all(self, buffers: Sequence[Buffer], waiting: Callable[[], object]) -> None:
        if self._plain.has_rest:
            self._plain.send_all((), waiting)
        for records in self._sealer.records(buffers):
            self._plain.send_all([records], waiting)


class Silent(HandshakeError):
    """The other side sent nothing: it does not have that key, or is busy."""


class AnotherKey(HandshakeError):
    """The other side has the gate of one of our keys, and another key. The sealed link serves to exchange the key."""

    def __init__(self, peer: Another, sealer: Sealer, opener: Opener) -> None:
        super().__init__("it has another key of this mesh")
        self.peer = peer
        self.sealer = sealer
        self.opener = opener


def call(sock: socket.socket, credentials: Credentials, suite: Suite, gate: str = "") -> tuple[SealedChannel, Member]:
    """Prove ourselves to the accepting node, and check its proof. `gate`: the id of the key of its door, if that is not ours.
    Raises AnotherKey, HandshakeError or OSError."""
    deadline = time.monotonic() + HANDSHAKE_S
    calling = Calling(credentials, suite, os.urandom(KEY_BYTES), gate)
    sock.settimeout(HANDSHAKE_S)
    sock.sendall(calling.first())
    head = _receive(sock, HEAD_BYTES, deadline)
    if head != SECOND_BYTES.to_bytes(HEAD_BYTES, "big"):
        if _receive(sock, 1, deadline)[0] & 0x0F == _FRAME_OF_ZLIB:
            raise HandshakeError("it is open, and this node belongs to a closed mesh: not connected")
        raise HandshakeError("it is no node of this mesh")
    third, member = calling.third(_receive(sock, SECOND_BYTES, deadline))
    sock.settimeout(max(0.1, deadline - time.monotonic()))
    sock.sendall(third)
    sealer, opener = calling.streams()
    if isinstance(member, Another):
        raise AnotherKey(member, sealer, opener)
    return SealedChannel(sock, sealer, opener), member


def _receive(sock: socket.socket, size: int, deadline: float) -> bytes:
    data = b""
    while len(data) < size:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("it does not answer")
        sock.settimeout(left)
        try:
            more = sock.recv(size - len(data))
        except ConnectionResetError:
            more = b""
        if not more:
            raise Silent("it closed the connection without a word: does it have the same key?")
        data += more
    return data
