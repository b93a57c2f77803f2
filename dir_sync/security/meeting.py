"""Two machines with different keys of one mesh talk on a sealed link, which then ends.

In:   a socket after the handshake under the door of an older key, and who is there. Out: what came of it; a new key goes to
      the keeper.
Rule: our own new key is on the disk before the other side gets it, and there is an end after a few seconds.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator

from dir_sync.core.link_handshake import HEAD_BYTES, Another
from dir_sync.core.membership import Meeting
from dir_sync.core.model import PeerError
from dir_sync.core.rekeying import FRAME_BYTES_MAX, Rekeying
from dir_sync.core.sealed import Opener, Sealer
from dir_sync.security.frames import allow_until
from dir_sync.security.keeper import Keeper

__all__ = ["WITHIN_S", "Outcome", "talk"]

WITHIN_S = 5.0  # for all of it

Outcome = Meeting | None
"""What the rules said; None: we were removed, says a machine that we know."""


def talk(sock: socket.socket, sealer: Sealer, opener: Opener, peer: Another, keeper: Keeper) -> Outcome:
    """Say and hear all there is to say, and close the socket. OSError or PeerError if it did not come to its end;
    ConfigError if a new key cannot be kept."""
    with sock:
        before = keeper.kept
        side = Rekeying(before.key, before.membership, peer, os.urandom)
        until = time.monotonic() + WITHIN_S
        _send(sock, sealer, side.begin(), until)
        frames = _frames(sock, opener, until)
        while not side.is_over and side.verdict is not Meeting.DISPUTE:
            answers = side.on_frame(next(frames))
            if side.changed is not None and not keeper.rekey(before, *side.changed):
                raise PeerError("the key has changed meanwhile")
            _send(sock, sealer, answers, until)
        _part(sock, until, (lambda: side.on_frame(next(frames))) if side.has_given else (lambda: None))
        return None if side.was_removed else side.verdict


def _send(sock: socket.socket, sealer: Sealer, frames: list[bytes], until: float) -> None:
    for frame in frames:
        for record in sealer.records([len(frame).to_bytes(HEAD_BYTES, "big"), frame]):
            allow_until(sock, until)
            sock.sendall(record)


def _frames(sock: socket.socket, opener: Opener, until: float) -> Iterator[bytes]:
    """The bodies of what comes. OSError; PeerError."""
    have = bytearray()
    room = memoryview(bytearray(64 * 1024))
    while True:
        size = int.from_bytes(have[:HEAD_BYTES], "big") if len(have) >= HEAD_BYTES else 0
        if size > FRAME_BYTES_MAX:
            raise PeerError("a message that is too long")
        if size and len(have) >= HEAD_BYTES + size:
            yield bytes(have[HEAD_BYTES : HEAD_BYTES + size])
            del have[: HEAD_BYTES + size]
            continue
        n = opener.open_into(room)
        if n:
            have += room[:n]
            continue
        allow_until(sock, until)
        buffer = opener.buffer()
        came = sock.recv_into(buffer)
        buffer.release()
        if not came:
            raise OSError("it closed the connection")
        opener.filled(came)


def _part(sock: socket.socket, until: float, hear: Callable[[], object]) -> None:
    """What we said last arrives, also if the other side still says something. `hear` takes its last frame, if there is one."""
    try:
        sock.shutdown(socket.SHUT_WR)
        hear()
        more = b"."
        while more:
            allow_until(sock, until)
            more = sock.recv(4096)
    except (OSError, PeerError):
        pass
