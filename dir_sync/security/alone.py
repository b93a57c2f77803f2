"""What commands do with the key of a folder while no node runs there: they hold its lock.

In:   a folder. Out: its keeper; a port that lets machines with a code in.
Rule: no node starts in that time.
"""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from dir_sync.config import ConfigError
from dir_sync.core.invitations import QUESTION_BYTES
from dir_sync.core.link_handshake import HEAD_BYTES
from dir_sync.core.model import show
from dir_sync.folder import state
from dir_sync.reporting.log import logger
from dir_sync.security import store
from dir_sync.security.admission import admit
from dir_sync.security.founding import found
from dir_sync.security.keeper import Keeper

__all__ = ["keeping", "listening"]

_FIRST_FRAME_S = 2.0
_WAITING_MAX = 64
_JOIN_S = 2.0
_QUESTION = QUESTION_BYTES.to_bytes(HEAD_BYTES, "big")


@dataclass(slots=True)
class _Waiting:
    """Somebody who has not said its first frame yet."""

    sock: socket.socket
    until: float
    data: bytes = b""


@contextmanager
def keeping(folder: str, name: str, close: bool = False) -> Iterator[Keeper]:
    """The keeper of a closed folder on which no node runs. `close`: an open one is closed. ConfigError."""
    handle = state.lock(os.fsencode(folder))
    try:
        mesh = admit(folder, None)
        if mesh is None and close:
            found(folder)
            mesh = admit(folder, None)
        kept = store.load(folder)
        if mesh is None or kept is None:
            raise ConfigError(f"{show(os.fsencode(folder))} is open: it belongs to no closed mesh")
        yield Keeper(folder, kept, mesh.credentials.static, name, lambda: None)
    finally:
        os.close(handle)


@contextmanager
def listening(port: int, address: str, serve: Callable[[socket.socket, bytes], object]) -> Iterator[int]:
    """Give each connection and its first frame to `serve`, one at a time; who says nothing keeps nobody waiting. Yields the
    port. ConfigError if it is taken."""
    try:
        server = socket.create_server((address, port))
    except OSError as error:
        raise ConfigError(f"TCP port {port} cannot be used ({error.strerror}): choose another one with -l") from error

    def accept() -> None:
        waiting: dict[int, _Waiting] = {}  # by descriptor, oldest first
        try:
            while _turn(server, waiting, serve):
                pass
        finally:
            for one in waiting.values():
                one.sock.close()

    with server:
        thread = threading.Thread(target=accept, name="accept", daemon=True)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            try:
                server.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            thread.join(_JOIN_S)


def _turn(server: socket.socket, waiting: dict[int, _Waiting], serve: Callable[[socket.socket, bytes], object]) -> bool:
    """Wait for the next thing to happen. False: the server is shut down."""
    poll = select.poll()
    for number in (server.fileno(), *waiting):
        poll.register(number, select.POLLIN)
    now = time.monotonic()
    wait_s = min((one.until - now for one in waiting.values()), default=None)
    ready = [number for number, _ in poll.poll(None if wait_s is None else max(0.0, wait_s) * 1000 + 1)]
    for number in ready:
        if number in waiting:
            _hear(waiting, number, serve)
    for number in [number for number, one in waiting.items() if one.until <= time.monotonic()]:
        waiting.pop(number).sock.close()
    if server.fileno() not in ready:
        return True
    try:
        sock, _ = server.accept()
    except OSError:
        return False
    if len(waiting) >= _WAITING_MAX:
        waiting.pop(next(iter(waiting))).sock.close()
    sock.setblocking(False)
    waiting[sock.fileno()] = _Waiting(sock, time.monotonic() + _FIRST_FRAME_S)
    return True


def _hear(waiting: dict[int, _Waiting], number: int, serve: Callable[[socket.socket, bytes], object]) -> None:
    one = waiting[number]
    try:
        more = one.sock.recv(HEAD_BYTES + QUESTION_BYTES - len(one.data))
    except BlockingIOError:
        return
    except OSError:
        more = b""
    one.data += more
    if not more or one.data[:HEAD_BYTES] != _QUESTION[: len(one.data)]:
        waiting.pop(number).sock.close()
    elif len(one.data) == HEAD_BYTES + QUESTION_BYTES:
        del waiting[number]
        try:
            serve(one.sock, one.data[HEAD_BYTES:])
        except ConfigError as error:
            logger.warning("%s", error)
