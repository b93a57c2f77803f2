"""Sealed links of a world: the same handshake and records that nodes of a closed mesh have on their sockets.

In:   what a session says, and pieces of bytes that came, cut anywhere. Out: bytes for the other end; what the session is to read.
Rule: all that is random comes from the seed. A link that breaks here is a fault: nobody changes bytes in this network.
"""

from __future__ import annotations

from random import Random

from dir_sync.core.keys import MeshKey
from dir_sync.core.link_handshake import (
    FIRST_BYTES,
    HEAD_BYTES,
    SECOND_BYTES,
    THIRD_BYTES,
    Answering,
    Calling,
    Credentials,
    Door,
    Member,
)
from dir_sync.core.noise import Suite
from dir_sync.core.sealed import Opener, Sealer

__all__ = ["End"]

KEY = MeshKey.made_of(b"the key of all simulated meshes.")
_ROOM = 5_000  # of one read: some records fit, and some do not


class End:
    """One end of a sealed link."""

    def __init__(self, number: int, is_caller: bool, rng: Random) -> None:
        """`number`: of the node."""
        credentials = Credentials(KEY, number.to_bytes(32, "big"))
        suite: Suite = "AESGCM" if rng.random() < 0.5 else "ChaChaPoly"
        self._ephemeral = rng.randbytes(32)
        self._calling = Calling(credentials, suite, self._ephemeral) if is_caller else None
        self._door = Door(credentials)
        self._answering: Answering | None = None
        self._streams: tuple[Sealer, Opener] | None = None
        self._said = b""  # by the session, before the handshake was over
        self._came = b""
        self._expects = HEAD_BYTES + (SECOND_BYTES if is_caller else FIRST_BYTES)
        self.peer: Member | None = None

    def begin(self) -> bytes:
        """What to send first."""
        return b"" if self._calling is None else self._calling.first()

    def say(self, data: bytes) -> bytes:
        """What to send for what the session says."""
        if self._streams is None:
            self._said += data
            return b""
        return b"".join(map(bytes, self._streams[0].records([data])))

    def hear(self, data: bytes) -> tuple[bytes, bytes]:
        """What the session is to read, and what to send. PeerError if the link is broken."""
        answer = b""
        while self._streams is None:
            self._came += data
            frame, data = self._came[: self._expects], self._came[self._expects :]
            if len(frame) < self._expects:
                return b"", answer
            self._came = b""
            answer += self._step(frame[HEAD_BYTES:])
        return self._opened(self._streams[1], data), answer

    def _step(self, body: bytes) -> bytes:
        if self._calling is not None:
            third, peer = self._calling.third(body)
            return third + self._done(peer, self._calling.streams())
        if self._answering is None:
            self._answering = self._door.knock(body, self._ephemeral)
            self._expects = HEAD_BYTES + THIRD_BYTES
            return self._answering.second()
        return self._done(self._answering.finish(body), self._answering.streams())

    def _done(self, peer: object, streams: tuple[Sealer, Opener]) -> bytes:
        assert isinstance(peer, Member)
        self.peer, self._streams = peer, streams
        said, self._said = self._said, b""
        return self.say(said)

    @staticmethod
    def _opened(opener: Opener, data: bytes) -> bytes:
        out, room = b"", memoryview(bytearray(_ROOM))
        while True:
            while n := opener.open_into(room):
                out += room[:n]
            if not data:
                return out
            place = opener.buffer()
            n = min(len(place), len(data))
            place[:n] = data[:n]
            opener.filled(n)
            data = data[n:]
