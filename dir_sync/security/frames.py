"""Frames on a socket, one after the other, until a deadline: how codes and new keys travel.

In:   a socket that nobody else uses. Out: the body of each frame; OSError if the peer ends, is too slow or sends too much.
Rule: at no time more is read than one frame that has a permitted length.
"""

from __future__ import annotations

import socket
import time

from dir_sync.core.link_handshake import HEAD_BYTES

__all__ = ["Frames", "allow_until"]

_PIECE = 64 * 1024


class Frames:
    """Used by one thread."""

    def __init__(self, sock: socket.socket, within_s: float) -> None:
        """From now on everything has to be over within that time."""
        self._socket = sock
        self._until = time.monotonic() + within_s

    def send(self, body: bytes) -> None:
        """OSError."""
        self._wait()
        self._socket.sendall(len(body).to_bytes(HEAD_BYTES, "big") + body)

    def receive(self, most: int) -> bytes:
        """The next frame, of at most that many bytes. OSError."""
        size = int.from_bytes(self._exactly(HEAD_BYTES), "big")
        if not 0 < size <= most:
            raise OSError("it sent a frame of a wrong length")
        return self._exactly(size)

    def _exactly(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            self._wait()
            piece = self._socket.recv(min(size - len(data), _PIECE))
            if not piece:
                raise OSError("it closed the connection")
            data += piece
        return bytes(data)

    def _wait(self) -> None:
        allow_until(self._socket, self._until)


def allow_until(sock: socket.socket, until: float) -> None:
    """The next step on `sock` is over by then (time.monotonic). TimeoutError, an OSError, if that is past."""
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError("it took too long")
    sock.settimeout(left)
