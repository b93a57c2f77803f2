"""What commands do with the key of a folder while no node runs there: they hold its lock.

In:   a folder. Out: its keeper; a port that lets machines with a code in.
Rule: no node starts in that time.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from dir_sync.config import ConfigError
from dir_sync.core.model import show
from dir_sync.core.pairing import HANDSHAKE_BYTES_MAX
from dir_sync.folder import state
from dir_sync.security import store
from dir_sync.security.admission import admit
from dir_sync.security.founding import found
from dir_sync.security.frames import Frames
from dir_sync.security.keeper import Keeper

__all__ = ["keeping", "listening"]

_FIRST_FRAME_S = 2.0
_JOIN_S = 2.0


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
    """Give each connection and its first frame to `serve`, one at a time. Yields the port. ConfigError if it is taken."""
    try:
        server = socket.create_server((address, port))
    except OSError as error:
        raise ConfigError(f"TCP port {port} cannot be used ({error.strerror}): choose another one with -l") from error

    def accept() -> None:
        while True:
            try:
                sock, _ = server.accept()
            except OSError:
                return
            try:
                first = Frames(sock, _FIRST_FRAME_S).receive(HANDSHAKE_BYTES_MAX)
            except OSError:
                sock.close()
                continue
            serve(sock, first)

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
