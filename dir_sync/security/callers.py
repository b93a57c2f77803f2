"""Who comes to the door of a closed node and is no member with its key: a machine with a code, or one with another key.

In:   sockets, after what the door has found out. Out: what came of each, as a line for people; changes go to the keeper.
Rule: each of them has a thread of its own for some seconds, and there are few such threads: more callers are turned away.
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass

from dir_sync.config import ConfigError
from dir_sync.core.keys import fingerprint_of
from dir_sync.core.link_handshake import Another
from dir_sync.core.membership import Meeting
from dir_sync.core.model import PeerError, show_text
from dir_sync.core.sealed import Opener, Sealer
from dir_sync.reporting import shell
from dir_sync.reporting.log import Once, logger
from dir_sync.security import meeting
from dir_sync.security.invitations import Invitations
from dir_sync.security.keeper import Keeper

__all__ = ["Callers", "removal_words"]

_AT_ONCE_MAX = 8  # of each kind
_JOIN_S = 1.0


@dataclass(slots=True)
class _Caller:
    sock: socket.socket
    has_code: bool
    gives_way: bool = False  # it ends by itself in a moment


class Callers:
    """Any thread."""

    def __init__(self, keeper: Keeper, invitations: Invitations) -> None:
        self._keeper = keeper
        self._invitations = invitations
        self._lock = threading.Lock()
        # Under _lock.
        self._once = Once()
        self._running: dict[threading.Thread, _Caller] = {}  # oldest first
        self._is_ending = False

    def has_code(self, sock: socket.socket, first: bytes) -> None:
        """Somebody who may know the code of an invitation; `first`: the body of its first frame."""
        if self._invitations.current is None:
            sock.close()
        else:
            self._start(_Caller(sock, True), lambda: self._pair(sock, first))

    def has_another_key(self, sock: socket.socket, sealer: Sealer, opener: Opener, peer: Another) -> None:
        """Somebody with the gate of one of our keys, on a sealed link."""
        self._start(_Caller(sock, False), lambda: self._meet(sock, sealer, opener, peer))

    def stop(self) -> None:
        """End all of them."""
        self._invitations.begin(None)
        with self._lock:
            self._is_ending = True
            running = dict(self._running)
            for caller in running.values():
                _hang_up(caller.sock)
        for thread in running:
            thread.join(_JOIN_S)

    def _start(self, caller: _Caller, work: Callable[[], None]) -> None:
        def run() -> None:
            try:
                work()
            finally:
                with self._lock:  # nobody hangs up on a descriptor that is another one's by now
                    del self._running[thread]
                    caller.sock.close()

        thread = threading.Thread(target=run, name="caller", daemon=True)
        with self._lock:
            is_admitted = not self._is_ending and self._makes_place(caller)
            if is_admitted:
                self._running[thread] = caller
        if is_admitted:
            thread.start()
        else:
            caller.sock.close()

    def _makes_place(self, caller: _Caller) -> bool:
        """Of those with another key the oldest one gives way: a removed machine may hold its link, and a member that was off
        is done in a moment. Those who may have a code wait for each other anyway, so they keep no place of the former."""
        same = [one for one in self._running.values() if one.has_code == caller.has_code and not one.gives_way]
        if len(same) < _AT_ONCE_MAX:
            return True
        if caller.has_code or len(self._running) >= 4 * _AT_ONCE_MAX:
            return False
        same[0].gives_way = True
        _hang_up(same[0].sock)
        return True

    def _pair(self, sock: socket.socket, first: bytes) -> None:
        try:
            member = self._invitations.serve(sock, first)
        except ConfigError as error:
            logger.warning("%s", error)
            return
        if member is not None:
            logger.info("%s has joined the mesh with a code", show_text(member.name))

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
        if peer.key == self._keeper.kept.key.id and outcome is Meeting.DISPUTE:
            logger.debug("%s has our key, and has come by an older door", name)
            return
        if outcome is Meeting.DISPUTE and self._keeper.kept.removal is not None:
            logger.debug("%s has another key: this machine was removed", name)  # people have been told what to do
            return
        if outcome is None:
            try:
                if not self._keeper.was_removed(name):
                    return  # one has said so already
            except ConfigError as error:
                logger.warning("%s", error)
        level, line = self._words(outcome, name, peer)
        with self._lock:
            is_news = level <= logging.INFO or self._once.first((outcome, self._cause(peer), self._keeper.kept.key.id))
        if not is_news:
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
                return logging.WARNING, removal_words(name, self._keeper.folder)
        if self._keeper.membership.role == "ro" and self._keeper.membership.known_role(peer.identity) == "ro":
            return logging.INFO, (
                f"{name} has another key of this mesh, {fingerprint_of(peer.key)}: whoever has the older one gets the later"
                " one from a machine that may write"
            )
        return logging.WARNING, (
            f"{name} has another key of this mesh, {fingerprint_of(peer.key)}, and neither takes that of the other: somebody"
            " was removed on one side. Whoever should belong to the other side leaves, and joins with a code"
        )

    def _cause(self, peer: Another) -> str:
        """Whom a line is about. An identity that is not known is made in no time, and the key that it says it has is proved
        by nothing: such callers have one line together, however many they are."""
        mine = self._keeper.membership
        return peer.identity if peer.identity in {*mine.everybody(), *mine.charter.removed} else ""

    def _name(self, peer: Another) -> str:
        known = self._keeper.membership.everybody().get(peer.identity)
        return f"a machine ({peer.identity[:8]})" if known is None else show_text(known.name)


def removal_words(by: str, folder: str) -> str:
    """That a member, `by`, has said that this machine was removed, for a log."""
    return (
        f"this machine was removed from its mesh, says {by}, and gets nothing any more;"
        f" {shell.how_to_come_back(shell.pasteable, folder)}"
    )


def _hang_up(sock: socket.socket) -> None:
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # it has ended by itself
