"""The process of `dir-sync web`: a socket, and the application until a signal comes.

In:   where to listen. Out: 0 after SIGINT, SIGTERM or SIGHUP; ConfigError if nobody can listen there.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import secrets
import signal
import socket
import stat
import webbrowser
from collections.abc import Callable

import uvicorn

from dir_sync.config import ConfigError
from dir_sync.core.model import show
from dir_sync.core.named import NamedTuple
from dir_sync.web.app import Web
from dir_sync.web.door import Door
from dir_sync.web.nodes import Nodes

__all__ = ["Place", "read_token", "serve"]

_END_WITHIN_S = 2
_TOKEN_CHARS_MIN = 16


class Place(NamedTuple):
    """Where to listen."""

    address: str
    port: int  # 0: any that is free
    token: str = ""  # "": a new one
    opens: bool = False  # the user's browser


class _Server(uvicorn.Server):
    """Ends the streams of events first: they never end by themselves."""

    def __init__(self, config: uvicorn.Config, end: Callable[[], None]) -> None:
        super().__init__(config)
        self._end_streams = end

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._end_streams()
        await super().shutdown(sockets)


def serve(place: Place, say: Callable[[str], None]) -> None:
    """`say` gets the address to open, once somebody listens there."""
    listening = _listen(place.address, place.port)
    try:
        address, port = listening.getsockname()[:2]
        is_loopback = address in ("127.0.0.1", "::1")
        door = Door(place.token, is_loopback)
        web = Web(door, Nodes())
        shown = f"[{address}]" if ":" in address else address
        url = f"http://{'127.0.0.1' if shown == '0.0.0.0' else shown}:{port}/?token={door.token}"
        logging.getLogger("uvicorn").setLevel(logging.CRITICAL)  # each trouble has its answer; nothing is to be printed
        settings = uvicorn.Config(
            web.app,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            ws="none",
            lifespan="on",
            timeout_graceful_shutdown=_END_WITHIN_S,
            h11_max_incomplete_event_size=32_768,
        )
        server = _Server(settings, web.stream.end)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # uvicorn raises what ended it once more
            signal.signal(number, lambda *_: setattr(server, "should_exit", True))
        say(url)
        if place.opens:
            webbrowser.open(url)
        asyncio.run(server.serve(sockets=[listening]))
    finally:
        listening.close()


def _listen(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((address, port))
        listening.listen(128)
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:
            raise ConfigError(
                f"TCP port {port} is in use by another program, or by another 'web'; choose another one: --port"
            ) from None
        raise ConfigError(f"cannot listen on {address}, TCP port {port}: {error.strerror}") from None
    return listening


def read_token(path: str) -> str:
    """The token in a private file, which is made if there is none. ConfigError if others may read it."""
    name = show(os.fsencode(path))
    try:
        try:
            made = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            pass
        else:
            with open(made, "w", encoding="ascii") as file:
                file.write(secrets.token_urlsafe(32) + "\n")
        with open(path, encoding="ascii") as file:
            found = os.fstat(file.fileno())
            token = file.read(1_000).strip()
    except OSError as error:
        raise ConfigError(f"{name} cannot be used: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{name} has no token: letters and digits are needed") from None
    if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise ConfigError(f"others may read the token in {name}; to keep it private: chmod 600 {name}")
    if len(token) < _TOKEN_CHARS_MIN or not token.replace("-", "").replace("_", "").isalnum():
        raise ConfigError(f"{name} has no token: at least {_TOKEN_CHARS_MIN} letters and digits are needed")
    return token
