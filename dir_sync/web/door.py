"""The door of the web pages: who may ask, and the headers of every answer.

In:   requests as ASGI sees them. Out: those that may pass, to the application; to all others a refusal.
Rule: there are three locks, and each holds alone. The Host has to be this machine, so that no page of another site can reach
us by a name that it controls. A request that another site started is refused by its Origin or Sec-Fetch-Site. All else needs
the cookie, which only the address with the token gives, and only to a process of this user, where the kernel can tell.
"""

from __future__ import annotations

import hmac
import ipaddress
import os
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["HEADERS", "Door", "Guard", "user_of"]

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; manifest-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}
"""Of every answer that does not say otherwise."""

_SESSIONS_MAX = 64  # browsers that were let in; the oldest goes first
_WELCOME = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>dir_sync</title><link rel="icon" href="/static/icon.svg">
<meta http-equiv="refresh" content="0;url=/"><p><a href="/">dir_sync</a></p></html>"""
_LOCKED = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>dir_sync</title><link rel="icon" href="/static/icon.svg">
<link rel="stylesheet" href="/static/style.css"><main class="locked"><h1>dir_sync</h1>
<p>Open the address that the command <code>web</code> printed: it contains the token with which this page opens.</p>
<p lang="de">Öffnen Sie die Adresse, die der Befehl <code>web</code> ausgegeben hat: Sie enthält das Token, mit dem sich
diese Seite öffnet.</p></main></html>"""
_OPEN_PATHS = ("/static/style.css", "/static/icon.svg")  # what the locked page needs


class Door:
    """The token, and the browsers that have shown it. All tokens live in memory, for as long as the process does."""

    def __init__(self, token: str = "", is_loopback: bool = True) -> None:
        """`token`: "" for a new one. `is_loopback`: only this machine can connect."""
        self.token = token or secrets.token_urlsafe(32)
        self.is_loopback = is_loopback
        self._sessions: dict[str, None] = {}

    def let_in(self) -> str:
        """A new session: the value of its cookie."""
        session = secrets.token_urlsafe(32)
        self._sessions[session] = None
        while len(self._sessions) > _SESSIONS_MAX:
            del self._sessions[next(iter(self._sessions))]
        return session

    def is_token(self, text: str) -> bool:
        return hmac.compare_digest(text.encode(), self.token.encode())

    def knows(self, session: str) -> bool:
        given = session.encode()
        return sum(hmac.compare_digest(given, one.encode()) for one in self._sessions) > 0

    def is_our_name(self, host: str) -> bool:
        """Whether a Host is this machine. A site that lets its own name point here has that name in it, so where others
        may connect, too, addresses are allowed, and names are not."""
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() and not host.endswith("]") else host
        if name in ("localhost", "127.0.0.1", "[::1]"):
            return True
        if self.is_loopback:
            return False
        try:
            ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
        except ValueError:
            return False
        return True


class Guard:
    """The outermost part of the application."""

    def __init__(self, app: ASGIApp, door: Door, user_of_peer: Callable[[Scope], int | None] | None = None) -> None:
        """`user_of_peer`: the user whose process has connected; None: unknown."""
        self._app = app
        self._door = door
        self._user_of_peer = user_of_peer or user_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        answer = self._refusal(scope, Headers(scope=scope))
        await (answer or self._app)(scope, receive, _with_headers(send))

    def _refusal(self, scope: Scope, headers: Headers) -> Response | None:
        """What is answered in place of the application; None: the request may pass."""
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._door.is_our_name(hosts[0].lower()):
            return PlainTextResponse("this is not the name of this machine", 421)
        if scope["method"] not in ("GET", "HEAD", "POST"):
            return PlainTextResponse("no such method", 405, {"Allow": "GET, HEAD, POST"})
        origins = headers.getlist("origin")
        if any(origin.lower() != f"http://{hosts[0].lower()}" for origin in origins):
            return PlainTextResponse("another site may not ask this", 403)
        path = scope["path"]
        is_page = path == "/" and scope["method"] == "GET"
        if headers.get("sec-fetch-site", "none") not in ("same-origin", "none") and not is_page:
            return PlainTextResponse("another site may not ask this", 403)
        if scope["method"] == "POST":
            if not origins:
                return PlainTextResponse("a change needs an Origin", 403)
            if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
                return PlainTextResponse("a change is asked for as JSON", 415)
        if is_page and "token" in (query := parse_qs(scope["query_string"].decode("latin-1"))):
            return self._welcome(scope, query["token"][0])
        if path in _OPEN_PATHS or self._has_cookie(scope, headers):
            return None
        if path == "/metrics" and self._has_bearer(headers):
            return None
        if is_page:
            return HTMLResponse(_LOCKED, 401)
        return PlainTextResponse("open the address that the command 'web' printed", 401)

    def _welcome(self, scope: Scope, token: str) -> Response:
        """The token becomes a cookie. The page that goes on to "/" is ours, so that the cookie, which is SameSite=Strict, is
        sent though the address came from elsewhere."""
        if not self._door.is_token(token):
            return HTMLResponse(_LOCKED, 401)
        user = self._user_of_peer(scope)
        if user not in (None, os.geteuid(), 0):
            return PlainTextResponse("this belongs to another user of this machine", 403)
        answer = HTMLResponse(_WELCOME)
        answer.set_cookie(_cookie(scope), self._door.let_in(), path="/", httponly=True, samesite="strict")
        return answer

    def _has_cookie(self, scope: Scope, headers: Headers) -> bool:
        name = _cookie(scope)
        for line in headers.getlist("cookie"):
            for part in line.split(";"):
                key, _, value = part.strip().partition("=")
                if key == name and self._door.knows(value):
                    return True
        return False

    def _has_bearer(self, headers: Headers) -> bool:
        kind, _, token = headers.get("authorization", "").partition(" ")
        return kind.lower() == "bearer" and self._door.is_token(token.strip())


def _cookie(scope: Scope) -> str:
    """The name of the cookie. It has the port, because browsers give cookies to all ports of a host."""
    server = scope.get("server")
    return f"dir_sync_{server[1] if server else 0}"


def _with_headers(send: Send) -> Callable[[Message], Awaitable[None]]:
    async def begin(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return begin


def user_of(scope: Scope) -> int | None:
    """The user whose process is at the other end of a connection inside this machine; None: the kernel does not tell."""
    client, server = scope.get("client"), scope.get("server")
    if not client or not server or server[1] is None:
        return None
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            with open(table, encoding="ascii") as file:
                rows = [line.split() for line in file][1:]
        except OSError:
            continue
        for row in rows:
            if _port(row[1]) == client[1] and _port(row[2]) == server[1]:
                return int(row[7])
    return None


def _port(address: str) -> int:
    return int(address.rpartition(":")[2], 16)
