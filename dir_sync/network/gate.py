"""The entrance of a closed mesh: one thread accepts callers, and lets in those that prove to be members.

In:   a listening socket. Out: sockets whose handshake is done, with the Member at the other end.
Rule: a caller without proof gets no byte, no thread and little time. When there is no place, an older stranger gives way, so
      that a crowd of them keeps no member out.
Used by: sealing.
"""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from typing import Protocol

from dir_sync.core.invitations import QUESTION_BYTES
from dir_sync.core.link_handshake import FIRST_BYTES, HEAD_BYTES, THIRD_BYTES, Another, Answering, Door, Member
from dir_sync.core.noise import KEY_BYTES, HandshakeError
from dir_sync.core.sealed import Opener, Sealer
from dir_sync.network.sealed_channel import HANDSHAKE_S, SealedChannel

__all__ = ["Gate", "Host", "Others"]

FIRST_S = 2.0  # for the first frame, which needs no answer from us
_ACCEPTED_AT_ONCE = 32  # then the callers that have sent something are served
_REST_S = 0.2  # pause in accepting when there are no more descriptors


class Host(Protocol):
    """The owner of the links. Called on the thread of the gate."""

    def admits(self, address: str) -> bool:
        """True if a connection from there may be listened to at all."""

    def gives_way(self, strangers: dict[int, str], address: str) -> tuple[bool, int | None]:
        """Whether a caller from `address` may take a place, and which of the strangers gives it up."""

    def came_in(self, sock: socket.socket, address: str, channel: SealedChannel, member: Member) -> bool:
        """A member has connected. False: there is no room for it."""

    def was_refused(self, address: str, text: str) -> None:
        """A caller that has the key of the door was refused."""


class Others(Protocol):
    """Who talks to callers that are no members with our key. Called on the thread of the gate; must not wait. The socket is
    theirs from then on."""

    def has_code(self, sock: socket.socket, first: bytes) -> None:
        """A caller that may know the code of an invitation; `first`: the body of its first frame."""

    def has_another_key(self, sock: socket.socket, sealer: Sealer, opener: Opener, peer: Another) -> None:
        """A caller with the gate of one of our keys, on a sealed link."""


class _Caller:
    """A caller that has not proved anything yet."""

    __slots__ = ("address", "answering", "data", "expected", "since", "sock")

    def __init__(self, sock: socket.socket, address: str) -> None:
        self.sock = sock
        self.address = address
        self.since = time.monotonic()
        self.answering: Answering | None = None  # it has the key of the door
        self.expected: tuple[int, ...] = (FIRST_BYTES, QUESTION_BYTES)  # lengths that its next frame may have
        self.data = b""

    @property
    def size(self) -> int:
        """Of what is read now: the head of its frame, or all of it. 0: it says a length that none may have."""
        if len(self.data) < HEAD_BYTES:
            return HEAD_BYTES
        size = int.from_bytes(self.data[:HEAD_BYTES], "big")
        return HEAD_BYTES + size if size in self.expected else 0

    @property
    def until(self) -> float:
        return self.since + (FIRST_S if self.answering is None else HANDSHAKE_S)


class Gate:
    """One thread, from `start` to `stop`."""

    def __init__(self, listener: socket.socket, door: Door, host: Host, others: Others) -> None:
        """The listener stays the caller's, who shuts it down before `stop`."""
        self._others = others
        self._listener = listener
        self._door = door
        self._host = host
        self._callers: dict[int, _Caller] = {}  # by file descriptor, oldest first
        self._rests_until = 0.0
        self._wake_read, self._wake_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._thread = threading.Thread(target=self._run, name="gate", daemon=True)
        listener.setblocking(False)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the thread, and close the callers that wait."""
        os.write(self._wake_write, b".")
        if self._thread.ident is not None:
            self._thread.join(1.0)
        if self._thread.is_alive():
            return  # it still uses them
        for handle in (self._wake_read, self._wake_write):
            os.close(handle)

    def _run(self) -> None:
        try:
            while self._turn():
                pass
        finally:
            for caller in list(self._callers.values()):
                self._end(caller)

    def _turn(self) -> bool:
        """One round of the thread. False: the gate is stopped."""
        poll = select.poll()
        poll.register(self._wake_read, select.POLLIN)
        now = time.monotonic()
        rests_s = self._rests_until - now
        if rests_s <= 0:
            poll.register(self._listener, select.POLLIN)
        for number in self._callers:
            poll.register(number, select.POLLIN)
        waits_s = [caller.until - now for caller in self._callers.values()] + [rests_s] * (rests_s > 0)
        ready = [number for number, _ in poll.poll(None if not waits_s else max(0.0, min(waits_s)) * 1000 + 1)]
        if self._wake_read in ready:
            return False
        for number in ready:
            caller = self._callers.get(number)
            if caller is not None:
                self._hear(caller)
        now = time.monotonic()
        for caller in [one for one in self._callers.values() if one.until <= now]:
            self._end(caller)
        return self._listener.fileno() not in ready or self._accept()

    def _accept(self) -> bool:
        for _ in range(_ACCEPTED_AT_ONCE):
            try:
                sock, (address, _) = self._listener.accept()
            except BlockingIOError:
                return True
            except OSError:
                # Shut down, or out of descriptors, or the peer was gone before it was accepted. Of the first, the
                # pipe tells in a moment.
                self._rests_until = time.monotonic() + _REST_S
                return True
            self._admit(sock, address)
        return True

    def _admit(self, sock: socket.socket, address: str) -> None:
        has_place = False
        if self._host.admits(address):
            strangers = {number: caller.address for number, caller in self._callers.items()}
            has_place, giving_way = self._host.gives_way(strangers, address)
            if giving_way is not None:
                self._end(self._callers[giving_way])
        if not has_place:
            sock.close()
            return
        sock.setblocking(False)
        caller = self._callers[sock.fileno()] = _Caller(sock, address)
        self._hear(caller)  # a member has often sent its first frame by now

    def _end(self, caller: _Caller) -> None:
        del self._callers[caller.sock.fileno()]
        caller.sock.close()

    def _hear(self, caller: _Caller) -> None:
        """Read what it says, never beyond the end of the frame that is due: what follows belongs to the sealed stream."""
        while len(caller.data) < caller.size:
            try:
                data = caller.sock.recv(caller.size - len(caller.data))
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self._end(caller)
                return
            caller.data += data
        if not caller.size:
            self._end(caller)
            return
        body, caller.data = caller.data[HEAD_BYTES:], b""
        try:
            if caller.answering is None and len(body) == QUESTION_BYTES:
                self._others.has_code(self._given_away(caller), body)
            elif caller.answering is None:
                self._answer(caller, body)
            else:
                self._let_in(caller, caller.answering, body)
        except HandshakeError as error:
            if caller.answering is not None:
                self._host.was_refused(caller.address, str(error))
            self._end(caller)
        except OSError:
            self._end(caller)

    def _answer(self, caller: _Caller, first: bytes) -> None:
        answering = self._door.knock(first, os.urandom(KEY_BYTES))
        second = answering.second()
        if caller.sock.send(second) < len(second):
            raise OSError
        caller.answering = answering
        caller.expected = (THIRD_BYTES,)

    def _let_in(self, caller: _Caller, answering: Answering, third: bytes) -> None:
        member = answering.finish(third)
        sealer, opener = answering.streams()
        self._given_away(caller)
        if isinstance(member, Another):
            self._others.has_another_key(caller.sock, sealer, opener, member)
        elif not self._host.came_in(caller.sock, caller.address, SealedChannel(caller.sock, sealer, opener), member):
            caller.sock.close()

    def _given_away(self, caller: _Caller) -> socket.socket:
        """The socket of a caller, which the gate gives away."""
        del self._callers[caller.sock.fileno()]
        return caller.sock
