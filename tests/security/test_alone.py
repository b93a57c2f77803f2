"""The port that a command without a node listens on."""

from __future__ import annotations

import socket
from queue import SimpleQueue

from dir_sync.config import ConfigError
from dir_sync.core.invitations import QUESTION_BYTES
from dir_sync.security import alone
from dir_sync.security.alone import listening

SOON_S = 20.0
QUESTION = QUESTION_BYTES.to_bytes(8, "big") + b"\x12" + bytes(QUESTION_BYTES - 1)


def connect(port: int) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port), SOON_S)
    sock.settimeout(SOON_S)
    return sock


def test_who_says_nothing_or_breaks_something_keeps_nobody_waiting() -> None:
    served: SimpleQueue[bytes] = SimpleQueue()

    def serve(sock: socket.socket, first: bytes) -> None:
        sock.close()
        served.put(first)
        raise ConfigError("it cannot be kept")

    with listening(0, "127.0.0.1", serve) as port:
        silent = [connect(port) for _ in range(alone._WAITING_MAX)]
        for number in range(2):
            with connect(port) as late:
                late.sendall(QUESTION[:20])
                late.sendall(QUESTION[20:])
                assert served.get(timeout=SOON_S) == QUESTION[8:], number
        with connect(port) as wrong:
            wrong.sendall(b"GET / HTTP/1.1\r\n\r\n")
            try:
                assert wrong.recv(1) == b""
            except ConnectionResetError:
                pass  # it had said more than was read
        assert silent[0].recv(1) == b"", "the oldest gave way"
        for sock in silent:
            sock.close()
    assert served.empty()
