"""Who comes to the door of a closed node and is no member with its key: a machine with a code, or one with another key.

In:   sockets, after what the door has found out. Out: what came of each, as a line for people; changes go to the keeper.
Rule: each of them has a thread of its own for some seconds, and there are few such threads: more callers are turned away.
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable

from dir_sync.config import ConfigError
from dir_sync.core.keys import fingerprint_of
from dir_sync.core.link_handshake import Another
from dir_sync.core.membership import Meeting
from dir_sync.core.model import PeerError, show
from dir_sync.core.sealed import Opener, Sealer
from dir_sync.reporting.log import Once, logger
from dir_sync.security import meeting
from dir_sync.security.invitations import Invitations
from dir_sync.security.keeper import Keeper

__all__ = ["Callers"]

_AT_ONCE_MAX = 8
_JOIN_S = 1.0


class Callers:
    """Any thread."""

    def __init__(self, keeper: Keeper, invitations: Invitations) -> None:
        self._keeper = keeper
        self._invitations = invitations
        self._once = Once()
        self._lock = threading.Lock()
        # Under _lock.
        self._sockets: dict[threading.Thread, socket.socket] = {}
        self._is_ending = False

    def has_code(self, sock: socket.socket, first: bytes) -> None:
        """Somebody who may know the code of an invitation; `first`: the body of its first frame."""
        self._start(sock, lambda: self._pair(sock, first))

    def has_another_key(self, sock: socket.socket, sealer: Sealer, opener: Opener, peer: Another) -> None:
        """Somebody with the gate of one of our keys, on a sealed link."""
        self._start(sock, lambda: self._meet(sock, sealer, opener, peer))

    def stop(self) -> None:
        """End all of them."""
        self._invitations.begin(None)
        with self._lock:
            self._is_ending = True
            running = dict(self._sockets)
        for sock in running.values():
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it has ended by itself
        for thread in running:
            thread.join(_JOIN_S)

    def _start(self, sock: socket.socket, work: Callable[[], None]) -> None:
        def run() -> None:
            try:
                work()
            finally:
                sock.close()
                with self._lock:
                    self._sockets.pop(thread, None)

        thread = threading.Thread(target=run, name="caller", daemon=True)
        with self._lock:
            is_admitted = not self._is_ending and len(self._sockets) < _AT_ONCE_MAX
            if is_admitted:
                self._sockets[thread] = sock
        if is_admitted:
            thread.start()
        else:
            sock.close()

    def _pair(self, sock: socket.socket, first: bytes) -> None:
        try:
            member = self._invitations.serve(sock, first)
        except ConfigError as error:
            logger.warning("%s", error)
            return
        if member is not None:
            logger.info("%s has joined the mesh with a code", _shown(member.name))

    def _meet(self, sock: socket.socket, sealer: Sealer, opener: Opener, peer: Another) -> None:
        name = self._name(peer)
        try:
            outcome = meeting.talk(sock, sealer, opener, peer, self._keeper)
        except (OSError, PeerError) as error:
            logger.debug("no key went over to or from %s: %s", name, error)
            return
        except ConfigError as error:
            logger.warning("%s", error)
            return
        level, line = self._words(outcome, name, peer)
        if level > logging.INFO and not self._once.first((outcome, peer.identity, peer.key)):
            return
        logger.log(level, "%s", line)

    def _words(self, outcome: meeting.Outcome, name: str, peer: Another) -> tuple[int, str]:
        key = self._keeper.kept.key
        ours = f"{key.fingerprint}, generation {key.generation}"
        match outcome:
            case Meeting.GIVE:
                return logging.INFO, f"{name} has the key {ours} now"
            case Meeting.TAKE:
                return logging.WARNING, f"the mesh has a new key: {ours}; {name} has handed it over"
            case Meeting.MERGE | Meeting.TELL:
                return logging.WARNING, (
                    f"machines were removed here and at {name} at the same time: with both of that, the key is {ours} now"
                )
            case Meeting.REMOVED:
                return logging.WARNING, f"{name}, which was removed from this mesh, has called and got nothing"
            case None:
                return logging.WARNING, (
                    f"this machine was removed from its mesh, says {name}, and gets nothing any more; to belong to it again,"
                    " leave it here, and join with a new code"
                )
        if self._keeper.membership.role == "ro" and self._keeper.membership.known_role(peer.identity) == "ro":
            return logging.INFO, (
                f"{name} has another key of this mesh, {fingerprint_of(peer.key)}: whoever has the older one gets the later"
                " one from a machine that may write"
            )
        return logging.WARNING, (
            f"{name} has another key of this mesh, {fingerprint_of(peer.key)}, and neither takes that of the other: somebody"
            " was removed on one side. Whoever should belong to the other side leaves, and joins with a code"
        )

    def _name(self, peer: Another) -> str:
        known = self._keeper.membership.everybody().get(peer.identity)
        return f"a machine ({peer.identity[:8]})" if known is None else _shown(known.name)


def _shown(name: str) -> str:
    return show(name.encode("utf-8", "surrogateescape"))
