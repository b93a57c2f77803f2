"""The content of an old version that only another machine keeps, brought piece by piece and not written into the folder.

In:   a version, the machine that keeps it, and who answers questions. Out: its bytes; ConfigError if they cannot be had.
Rule: whoever reads all of it from the beginning gets an error at the end, if the bytes are not those of that version.
Used by: client.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable

from blake3 import blake3

from dir_sync.config import ConfigError
from dir_sync.core import limits
from dir_sync.core.jobs import Version
from dir_sync.core.model import Stat, show
from dir_sync.history.codec import text_of
from dir_sync.network.control import Answer
from dir_sync.ports import Reader

__all__ = ["Brought"]


class Brought:
    """A Reader of such a content."""

    def __init__(self, version: Version, holder: str, ask: Callable[[Answer], Answer]) -> None:
        """`holder`: the id of the machine. `ask` gives the answer of the running node, or raises ConfigError."""
        self._version = version
        self._holder = holder
        self._ask = ask
        self._hasher = blake3()
        self._hashed = 0  # bytes, from the beginning

    def stat(self) -> Stat:
        kind, size, mtime, mode = self._version.kind, self._version.size, self._version.mtime, self._version.mode
        return Stat(kind, size, mtime, mtime, mode & 0o777, 0, 0, 1)

    def read(self, offset: int, length: int) -> bytes:
        """As Reader says; ConfigError if the bytes cannot be had, or are wrong."""
        until = min(offset + length, self._version.size)
        data = bytearray()
        while offset + len(data) < until:
            data += self._piece(offset + len(data), min(until - offset - len(data), limits.PULL_BYTES_MAX))
        self._verify(offset, bytes(data))
        return bytes(data)

    def _piece(self, offset: int, length: int) -> bytes:
        answer = self._ask(
            {
                "command": "excerpt",
                "holder": self._holder,
                "path": text_of(self._version.path),
                "content": self._version.content.hex(),
                "offset": offset,
                "length": length,
            }
        )
        try:
            data = base64.b64decode(answer["data"], validate=True)
        except (KeyError, TypeError, binascii.Error):
            raise ConfigError("the running node is another version: restart it") from None
        if len(data) != length:
            raise ConfigError(f"the old version of {show(self._version.path)} did not come completely: try again")
        return data

    def _verify(self, offset: int, data: bytes) -> None:
        if not offset:
            self._hasher, self._hashed = blake3(), 0
        if offset != self._hashed:
            return
        self._hasher.update(data)
        self._hashed += len(data)
        if self._hashed == self._version.size and self._hasher.digest() != self._version.content:
            raise ConfigError(f"what came is not the old version of {show(self._version.path)}: its bytes are wrong")

    def fileno(self) -> int:
        return -1

    def again(self) -> Reader:
        return Brought(self._version, self._holder, self._ask)

    def close(self) -> None:
        """Nothing is open here."""
