"""What all routes of the web pages have in common.

In:   requests. Out: questions with a checked folder, and JSON as answers; an error for the user is one line, as everywhere.
Rule: paths of files cross the network as keys (their bytes in base64url), so that names that are no text survive; a key is
checked as a path in a shared folder before anything is done with it.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dir_sync.config import ENVIRONMENT, USAGE, ConfigError
from dir_sync.core.model import PathError, check_path, show
from dir_sync.core.named import NamedTuple
from dir_sync.network.control import Answer
from dir_sync.ports import DiskError
from dir_sync.web.nodes import Nodes, NoNode, SharedFolder

__all__ = ["PAGE_MAX", "Asked", "Handler", "get", "key_of", "path_of", "post", "reply"]

PAGE_MAX = 1_000  # rows of one answer
_BODY_BYTES_MAX = 2_000_000
_FIND_CHARS_MAX = 200


class Asked(NamedTuple):
    """What a page asks for."""

    nodes: Nodes
    folder: SharedFolder | None
    query: Mapping[str, str]
    body: Mapping[str, Any]

    @property
    def shared(self) -> SharedFolder:
        assert self.folder is not None, "the address of this route names a folder"
        return self.folder

    def ask(self, command: str, **more: Any) -> Answer:
        """The answer of the folder's node. ConfigError if there is none, or if it is an error."""
        return self.nodes.ask(self.shared, {"command": command, **more})

    @property
    def path(self) -> bytes:
        """That the query names. ConfigError if it is no path in a shared folder."""
        return path_of(self.query.get("path", ""))

    @property
    def find(self) -> str:
        """What a person looks for; "": everything."""
        return self.query.get("find", "").strip()[:_FIND_CHARS_MAX]

    def text(self, name: str) -> str:
        """A text of the body; ConfigError if it is not there."""
        value = self.body.get(name)
        if not isinstance(value, str):
            raise ConfigError(f"the request has no text {name!r}", USAGE)
        return value

    def texts(self, name: str) -> list[str]:
        value = self.body.get(name)
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise ConfigError(f"the request has no list of texts {name!r}", USAGE)
        return value

    def page(self) -> tuple[int, int]:
        """The first row and the number of rows that are asked for."""
        return self._number("offset", 0, 10**9), self._number("limit", 200, PAGE_MAX)

    def _number(self, name: str, default: int, most: int) -> int:
        text = self.query.get(name, "")
        if not text:
            return default
        if not (text.isascii() and text.isdigit() and len(text) <= 10 and int(text) <= most):
            raise ConfigError(f"{name} has to be a whole number up to {most}", USAGE)
        return int(text)


Handler = Callable[[Asked], "Answer | Response"]


def get(path: str, handler: Handler) -> Route:
    """`handler` is called on a thread of its own."""
    return Route(path, _endpoint(handler, False), methods=["GET"])


def post(path: str, handler: Handler) -> Route:
    return Route(path, _endpoint(handler, True), methods=["POST"])


def _endpoint(handler: Handler, has_body: bool) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        try:
            body = await _body_of(request) if has_body else {}
            found = await run_in_threadpool(_answer, handler, request, body)
            if has_body:
                request.app.state.changed()  # all open pages see it at once
            return found
        except DiskError as error:
            return reply({"error": f"{show(error.path)} cannot be read: {error}", "exit_code": ENVIRONMENT}, 409)
        except ConfigError as error:
            answer = {"error": str(error), "exit_code": error.exit_code, "no_node": isinstance(error, NoNode)}
            return reply(answer, 400 if error.exit_code == USAGE else 409)

    return endpoint


def _answer(handler: Handler, request: Request, body: Mapping[str, Any]) -> Response:
    nodes: Nodes = request.app.state.nodes
    id_ = request.path_params.get("folder")
    folder = None if id_ is None else nodes.folder(id_)
    answer = handler(Asked(nodes, folder, request.query_params, body))
    return answer if isinstance(answer, Response) else reply(answer)


async def _body_of(request: Request) -> dict[str, Any]:
    data = bytearray()
    async for piece in request.stream():
        data += piece
        if len(data) > _BODY_BYTES_MAX:
            raise ConfigError("the request is too large", USAGE)
    try:
        body = json.loads(data or b"{}")
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise ConfigError("the request cannot be read", USAGE)
    return body


def reply(value: Answer, status: int = 200) -> Response:
    """JSON in ASCII: names that are no text have surrogates, which UTF-8 cannot hold."""
    return Response(json.dumps(value), status, media_type="application/json")


def key_of(path: bytes) -> str:
    return base64.urlsafe_b64encode(path).decode("ascii").rstrip("=")


def path_of(key: str, whole: bool = False) -> bytes:
    """ConfigError if it is no path in a shared folder. With `whole`, the folder itself is allowed: ""."""
    try:
        path = base64.b64decode(key + "=" * (-len(key) % 4), b"-_", validate=True)
        if not path and whole:
            return b""
        return check_path(path)
    except (binascii.Error, ValueError, PathError):
        raise ConfigError("that is not a path in a shared folder", USAGE) from None
