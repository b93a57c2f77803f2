"""A member that does as tests tell it: a stranger of the open protocol, on a sealed link."""

from __future__ import annotations

import os
import socket

from dir_sync.core.keys import MeshKey
from dir_sync.core.link_handshake import Credentials
from dir_sync.network.sealed_channel import SealedChannel, call

from ..lan import Node
from ..stranger import Stranger


class _Sealed(socket.socket):
    """The calls that a Stranger makes, of a link whose bytes are sealed."""

    def __init__(self, plain: socket.socket, credentials: Credentials) -> None:
        self.channel: SealedChannel
        self.channel, self.member = call(plain, credentials, "ChaChaPoly")
        super().__init__(plain.family, plain.type, plain.proto, plain.detach())
        self.channel = SealedChannel(self, self.channel._sealer, self.channel._opener)

    def sendall(self, data: object, flags: int = 0) -> None:
        assert isinstance(data, bytes)
        self.channel.send_all([data], lambda: None)

    def recv(self, size: int, flags: int = 0) -> bytes:
        room = bytearray(size)
        return bytes(room[: self.channel.recv_into(memoryview(room))])


class Insider(Stranger):
    """Whoever has that key, from the namespace of `at`, as the machine whose private key is `static`."""

    def __init__(self, at: Node, to: Node, key: MeshKey, static: bytes = b"") -> None:
        with at.inside():
            plain = socket.create_connection((to.address, to.port), 10, (next(at.sources), 0))
        try:
            sealed = _Sealed(plain, Credentials(key, static or os.urandom(32)))
        except BaseException:
            plain.close()
            raise
        super().__init__(at, None, accepted=sealed)
