"""An invitation that is open: it says that it is there, and lets in one machine that knows the code.

In:   the keeper of the mesh, connections of machines that may know the code. Out: how the invitation stands; a new member.
Rule: one connection at a time, and each has a few seconds. Only who is let in is ever named.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable

from dir_sync.config import ConfigError
from dir_sync.core.invitations import encode_invitation
from dir_sync.core.membership import MEMBERS_MAX, Member, has_room
from dir_sync.core.model import PeerError
from dir_sync.core.pairing import (
    FRAME_BYTES_MAX,
    GUESSES,
    HANDSHAKE_BYTES_MAX,
    RUN_S,
    Code,
    Host,
    Invitation,
    InviterRun,
    PairingError,
    Welcome,
    channel_of,
)
from dir_sync.security.frames import Frames
from dir_sync.security.keeper import Keeper
from dir_sync.utils import interfaces

__all__ = ["UNTRIED", "Inviting", "broadcaster"]

UNTRIED = GUESSES  # wrong codes that are left as long as nobody has tried one
_EVERY_S = 0.25  # between two announcements
_JOIN_S = 2.0


class Inviting:
    """Announces itself on a thread from construction to `stop`. Any thread."""

    def __init__(
        self,
        keeper: Keeper,
        role: str,
        lasts_s: float,
        folder_name: str,
        announce: Callable[[bytes], None],
        port: int,
    ) -> None:
        """`announce` sends a datagram to everybody near; `port`: TCP, where `serve` is called for who comes. ConfigError if the
        mesh has no room."""
        if not has_room(keeper.membership):
            raise ConfigError(f"this mesh has {MEMBERS_MAX:,} members, and no room for more: remove some of them first")
        self.code = Code.draw(os.urandom)
        self._keeper = keeper
        self._folder_name = folder_name
        self._announce = announce
        self._datagram = encode_invitation(self.code.channel, port)
        self._invitation = Invitation(self.code, role, time.monotonic(), lasts_s)
        self._serving = threading.Lock()
        self._is_noted = False  # whoever has joined is among the members, for whoever counts them
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._speak, name="invitation", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """From now on nobody is let in."""
        self._is_over.set()
        self._thread.join(_JOIN_S)

    @property
    def joined(self) -> Member | None:
        return self._invitation.joined if self._is_noted else None

    @property
    def guesses(self) -> int:
        """Wrong codes that may still be tried."""
        return self._invitation.guesses

    def over(self) -> str:
        """Why nobody can join by it any more; "": it is open."""
        if self._invitation.joined is not None and not self._is_noted:
            return ""  # in a moment
        if self._is_over.is_set() and self._invitation.joined is None:
            return "it was ended"
        return self._invitation.over(time.monotonic())

    def serve(self, sock: socket.socket, first: bytes) -> Member | None:
        """Talk to somebody whose first frame had this body, and close the socket. Who has joined, if somebody has."""
        with sock:
            if channel_of(first) != self.code.channel or self.over() or not self._serving.acquire(timeout=RUN_S):
                return None
            try:
                return self._serve(Frames(sock, RUN_S), first)
            except (OSError, PeerError, PairingError):
                return None
            finally:
                self._serving.release()

    def _serve(self, frames: Frames, first: bytes) -> Member:
        keeper = self._keeper
        mine, me = keeper.membership, keeper.me()
        known = mine.everybody()
        host = Host(keeper.name, mine.count, self._folder_name)
        # The charter lists the others: both lists together would be too long for one frame.
        members = tuple(one for identity, one in known.items() if identity not in mine.charter.members)
        welcome = Welcome(keeper.kept.key, mine.charter, mine.older, members, me, me)
        run = InviterRun(self._invitation, keeper.static, host, welcome)
        frames.send(run.on_hello(first, time.monotonic(), os.urandom, os.urandom(32)))
        frames.send(run.on_proof(frames.receive(HANDSHAKE_BYTES_MAX)))
        identity = frames.receive(HANDSHAKE_BYTES_MAX)
        if self._is_over.is_set():  # ended meanwhile, by a person, or because this key does not count any more
            raise PairingError("the invitation was ended")
        frames.send(run.on_identity(identity, int(time.time())))
        member = run.on_stored(frames.receive(FRAME_BYTES_MAX))
        try:
            keeper.met(member)
        finally:
            self._is_noted = True
        return member

    def _speak(self) -> None:
        while not self.over():
            self._announce(self._datagram)
            self._is_over.wait(_EVERY_S)


def broadcaster(port: int, interface: str | None) -> Callable[[bytes], None]:
    """What sends a datagram to everybody near, on that UDP port. An interface that fails is left out."""

    def send(data: bytes) -> None:
        try:
            networks = interfaces(interface)
        except (OSError, ValueError):
            return
        for network in networks:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
                try:
                    out.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
                    out.bind((network.address, 0))
                    out.sendto(data, (network.broadcast, port))
                except OSError:
                    continue

    return send
