"""Another implementation of the protocol, written from docs/protocol.md alone: a peer that does as it is told.

It holds nothing and decides nothing: tests make it say what they like, well-formed or not.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from blake3 import blake3

from .lan import Node

Message = dict[str, Any]
Piece = tuple[int, int, bytes]  # key, offset, bytes

FILE, DIRECTORY, LINK, ABSENT = 1, 2, 3, 0
CHUNKS, ATTACHMENT = 1, 2
_PIECE = struct.Struct(">IQI")


def new_id() -> str:
    return os.urandom(8).hex()


def digest_of(content: bytes) -> str:
    return blake3(content).hexdigest()


def frame(body: bytes) -> bytes:
    return struct.pack(">Q", len(body)) + body


def deflated(text: bytes) -> bytes:
    """One zlib stream; stored, where it would deflate to less than one 64th."""
    body = zlib.compress(text)
    return body if len(body) * 60 > len(text) else zlib.compress(text, 0)


def encoded(message: object) -> bytes:
    return frame(deflated(json.dumps(message).encode()))


def pieces_frame(kind: int, pieces: list[Piece]) -> bytes:
    parts = [bytes([kind])]
    for key, offset, content in pieces:
        parts += (_PIECE.pack(key, offset, len(content)), content)
    return frame(b"".join(parts))


def pieces_in(body: bytes) -> list[Piece]:
    pieces = []
    at = 1
    while at < len(body):
        key, offset, length = _PIECE.unpack_from(body, at)
        at += _PIECE.size
        assert at + length <= len(body), "a piece longer than its frame"
        pieces.append((key, offset, body[at : at + length]))
        at += length
    return pieces


class Closed(Exception):
    """The other side has closed the connection; its reason, if it gave one."""


@dataclass
class Got:
    """One frame that came: a message, chunks or an attachment."""

    message: Message = field(default_factory=dict)
    kind: int = 0
    pieces: list[Piece] = field(default_factory=list)


class Stranger:
    """One connection, from the namespace of `at`, to the daemon at `to`."""

    def __init__(self, at: Node, to: Node | None, *, accepted: socket.socket | None = None) -> None:
        self.node, self.instance, self.replica = new_id(), new_id(), new_id()
        self.sequence = 0
        self.hello: Message = {}
        self.served = 0  # bytes that were asked for and sent by serve()
        self._buffer = b""
        if accepted is not None:
            self.socket = accepted
        else:
            assert to is not None
            with at.inside():
                self.socket = socket.create_connection((to.address, to.port), 10, (next(at.sources), 0))

    def __enter__(self) -> Stranger:
        return self

    def __exit__(self, *error: object) -> None:
        self.socket.close()

    # --- out

    def send_bytes(self, raw: bytes) -> None:
        self.socket.settimeout(10)
        try:
            self.socket.sendall(raw)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise Closed from error

    def send(self, message: object) -> None:
        self.send_bytes(encoded(message))

    def my_hello(self, **changed: object) -> Message:
        said: Message = {
            "type": "HELLO",
            "protocol": 2,
            "node": self.node,
            "name": "stranger",
            "instance": self.instance,
            "port": 0,
            "folders": [["default", self.replica, self.sequence]],
        }
        return said | changed

    def open(self, **changed: object) -> Stranger:
        """Through both HELLOs and both exchanges of state; ours is empty."""
        self.send(self.my_hello(**changed))
        self.hello = self.expect("HELLO")
        self.ask_for_state(self.their_replica, 0)
        asked = self.expect("STATE_REQUEST")
        assert asked["replica"] == self.replica
        self.send({"type": "STATE", "folder": "default", "sequence": 0, "last": True, "records": []})
        return self

    @property
    def their_replica(self) -> str:
        """The maker of what the other side changes."""
        return next(str(replica) for name, replica, _ in self.hello["folders"] if name == "default")

    def ask_for_state(self, replica: str, after: int) -> None:
        asked = {"folder": "default", "replica": replica, "after": after, "sequence": self.sequence}
        self.send({"type": "STATE_REQUEST"} | asked)

    def state(self) -> dict[str, list[Any]]:
        """All records of the state that was asked for in open()."""
        records: dict[str, list[Any]] = {}
        while True:
            page = self.expect("STATE")
            assert len(page["records"]) <= 2000
            records |= {record[0]: record for record in page["records"]}
            if page["last"]:
                return records

    def record(self, path: str, kind: int = FILE, content: bytes = b"", **changed: object) -> list[Any]:
        """A record of a change that this stranger makes now."""
        self.sequence += 1
        now = time.time_ns()
        fields: dict[str, Any] = {
            "path": path,
            "kind": kind,
            "size": len(content) if kind == FILE else 0,
            "content": {FILE: digest_of(content), LINK: os.fsdecode(content)}.get(kind, ""),
            "mtime_s": now // 10**9,
            "mtime_ns": now % 10**9,
            "mode": {FILE: 0o644, DIRECTORY: 0o755, LINK: 0o777, ABSENT: 0}[kind],
            "stamp_ns": now,
            "stamp_node": self.replica,
            "vector": [[self.replica, self.sequence]],
        }
        return list((fields | changed).values())

    def update(self, *changes: tuple[str, list[Any], bytes | None], **changed: object) -> None:
        """A MODIFICATION_UPDATE of (action, record, attached content or None)."""
        listed: list[Message] = []
        pieces: list[Piece] = []
        for at, (action, record, content) in enumerate(changes):
            listed.append({"action": action, "record": record})
            if content is not None:
                listed[-1]["content"] = "attached"
                pieces.append((at, 0, content))
        said: Message = {
            "type": "MODIFICATION_UPDATE",
            "folder": "default",
            "sequence": self.sequence,
            "changes": listed,
            "times": [],
            "attached": bool(pieces),
        }
        raw = encoded(said | changed)
        self.send_bytes(raw + (pieces_frame(ATTACHMENT, pieces) if pieces else b""))

    # --- in

    def _exactly(self, count: int, end: float) -> bytes:
        while len(self._buffer) < count:
            self.socket.settimeout(max(0.01, end - time.monotonic()))
            try:
                more = self.socket.recv(1 << 20)
            except TimeoutError:
                raise AssertionError("the daemon has said nothing more in time") from None
            except ConnectionResetError as error:
                raise Closed from error
            if not more:
                raise Closed
            self._buffer += more
        taken, self._buffer = self._buffer[:count], self._buffer[count:]
        return taken

    def receive(self, limit_s: float = 20.0) -> Got:
        """The next frame; raises Closed after the last one."""
        end = time.monotonic() + limit_s
        (length,) = struct.unpack(">Q", self._exactly(8, end))
        assert 1 <= length <= 4 << 20
        body = self._exactly(length, end)
        if body[0] & 15 != 8:
            return Got(kind=body[0], pieces=pieces_in(body))
        stream = zlib.decompressobj()
        text = stream.decompress(body)
        assert stream.eof
        assert not stream.unused_data
        assert len(text) <= min(4 << 20, 64 * length)
        message = json.loads(text)
        assert isinstance(message, dict)
        if message["type"] == "PING":
            self.send({"type": "PONG", "token": message["token"]})
        return Got(message)

    def frames(self, limit_s: float) -> Iterator[Got]:
        """What comes, until it is enough; fails after so long."""
        end = time.monotonic() + limit_s
        while (left := end - time.monotonic()) > 0:
            yield self.receive(left)
        raise AssertionError(f"not within {limit_s:g} s: what was asked for")

    def expect(self, kind: str, limit_s: float = 20.0, *, that: Callable[[Message], object] | None = None) -> Message:
        """The next message of that type (for which `that` is true); others are passed over."""
        for got in self.frames(limit_s):
            if got.message.get("type") == "CLOSE" and kind != "CLOSE":
                raise Closed(got.message["reason"])
            if got.message.get("type") == kind and (that is None or that(got.message)):
                return got.message
        raise AssertionError("unreachable")

    def serve(self, contents: dict[str, bytes], until: Callable[[], object], limit_s: float = 30.0) -> None:
        """Answer PULLs until it is so. The contents are by digest, deltas by "base digest"."""
        end = time.monotonic() + limit_s
        while not until():
            assert time.monotonic() < end, "it did not come to that in time"
            try:
                got = self.receive(0.2)
            except AssertionError:
                continue
            if got.message.get("type") != "PULL":
                continue
            for pull, _path, digest, base, offset, length in got.message["pulls"]:
                content = contents.get(digest if base is None else f"{base} {digest}")
                if content is None:
                    refused = [[pull, "gone"]]
                    self.send({"type": "REFUSE", "folder": "default", "refused": refused})
                    continue
                part = content[offset : offset + length]
                self.served += len(part)
                for at in range(0, max(1, len(part)), 256 << 10):
                    piece = (pull, offset + at, part[at : at + (256 << 10)])
                    self.send_bytes(pieces_frame(CHUNKS, [piece]))

    def closed(self, limit_s: float) -> str | None:
        """Wait until the daemon has closed the connection: the reason that it gave, if any."""
        reason = None
        end = time.monotonic() + limit_s
        try:
            while True:
                got = self.receive(max(0.01, end - time.monotonic()))
                if got.message.get("type") == "CLOSE":
                    reason = got.message["reason"]
        except Closed:
            return reason
