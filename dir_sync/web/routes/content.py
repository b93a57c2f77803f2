"""Routes about what is in a file, now or in an old version: download, preview, and the difference between two of them.

In:   a path and the id of a version, or "now". Out: bytes, text, lines.
Rule: what users have in their files never runs in a browser. It comes as a download, or as one of few kinds of images that
are told by their first bytes and shown in a sandbox, or as text in JSON. SVG is text.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import quote

from starlette.responses import Response, StreamingResponse

from dir_sync.config import USAGE, ConfigError
from dir_sync.core.merging import is_text
from dir_sync.core.model import Kind, show
from dir_sync.disk import RealDisk
from dir_sync.history.client import open_history
from dir_sync.history.words import full
from dir_sync.network.control import Answer
from dir_sync.ports import DiskError, Reader
from dir_sync.web.replies import Asked, get, path_of
from dir_sync.web.routes.history import entry_of, stat_of

__all__ = ["IMAGES", "NOW", "ROUTES", "image_type"]

NOW = "now"  # in place of the id of a version: what is in the folder
_PIECE_BYTES = 256 * 1024
_TEXT_BYTES_MAX = 1_000_000  # of a preview; what follows is left out
_IMAGE_BYTES_MAX = 64_000_000
_DIFF_BYTES_MAX = 2_000_000
_DIFF_LINES_MAX = 20_000
IMAGES = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF87a": "image/gif",
    b"GIF89a": "image/gif",
    b"BM": "image/bmp",
}
"""The images that are shown, by their first bytes; beside these WebP and AVIF."""

_SANDBOX = {
    "Content-Security-Policy": "default-src 'none'; sandbox; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class _Content(NamedTuple):
    """What is in one version. `reader` is None for a link, whose target is `data`."""

    path: bytes
    size: int
    reader: Reader | None
    data: bytes = b""

    def read(self, offset: int, length: int) -> bytes:
        if self.reader is None:
            return self.data[offset : offset + length]
        try:
            return self.reader.read(offset, length)
        except DiskError as error:
            raise ConfigError(f"{show(self.path)} cannot be read: {error}") from None

    def close(self) -> None:
        if self.reader is not None:
            self.reader.close()


def _opened(asked: Asked, path: bytes, version: str) -> _Content:
    """ConfigError if there is no such version here."""
    folder = asked.shared.path
    if version != NOW:
        with open_history(folder) as client:
            entry = entry_of(client, path, version)
            if entry.version.kind == Kind.SYMLINK:
                return _Content(path, len(entry.version.content), None, entry.version.content)
            reader = client.open(entry)
            return _Content(path, reader.stat().size, reader)
    stat = stat_of(folder, path)
    if stat is None:
        raise ConfigError(f"{show(path)} is not there now")
    disk = RealDisk(folder)
    try:
        if stat.kind == Kind.SYMLINK:
            target = disk.read_link(path)
            return _Content(path, len(target), None, target)
        now = disk.open(path)
        return _Content(path, now.stat().size, now)
    except DiskError as error:
        raise ConfigError(f"{show(path)} cannot be read: {error}") from None
    finally:
        disk.close()


def _of_query(asked: Asked) -> _Content:
    return _opened(asked, path_of(asked.query.get("path", "")), asked.query.get("version", NOW))


def image_type(start: bytes) -> str:
    """The type of an image by its first bytes; "": it is none that is shown."""
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return "image/webp"
    if start[4:12] in (b"ftypavif", b"ftypavis"):
        return "image/avif"
    return next((kind for magic, kind in IMAGES.items() if start.startswith(magic)), "")


def _download(asked: Asked) -> Response:
    content = _of_query(asked)
    name = content.path.rpartition(b"/")[2]
    ascii_name = "".join(c if c.isascii() and (c.isalnum() or c in "._- ") else "_" for c in show(name))
    disposition = (
        f"attachment; filename=\"{ascii_name}\"; filename*=UTF-8''{quote(name.decode('utf-8', 'replace'), safe='')}"
    )
    headers = _SANDBOX | {"Content-Disposition": disposition}
    return StreamingResponse(_pieces(content), media_type="application/octet-stream", headers=headers)


def _image(asked: Asked) -> Response:
    content = _of_query(asked)
    kind = image_type(content.read(0, 32)) if content.reader is not None else ""
    if not kind or content.size > _IMAGE_BYTES_MAX:
        content.close()
        raise ConfigError("this is no image that can be shown")
    return StreamingResponse(_pieces(content), media_type=kind, headers=_SANDBOX | {"Content-Disposition": "inline"})


def _pieces(content: _Content) -> Iterator[bytes]:
    try:
        offset = 0
        while data := content.read(offset, _PIECE_BYTES):
            yield data
            offset += len(data)
    finally:
        content.close()


def _text(asked: Asked) -> Answer:
    content = _of_query(asked)
    try:
        if content.reader is not None and image_type(content.read(0, 32)) and content.size <= _IMAGE_BYTES_MAX:
            return {"kind": "image", "size": content.size}
        data = content.read(0, _TEXT_BYTES_MAX)
    finally:
        content.close()
    is_whole = content.size <= len(data)
    text = _decoded(data, is_whole)
    if text is None:
        return {"kind": "binary", "size": content.size}
    return {"kind": "text", "size": content.size, "text": text, "whole": is_whole}


def _decoded(data: bytes, is_whole: bool) -> str | None:
    for cut in range(1 if is_whole else 4):  # a letter may be cut in two
        piece = data[: len(data) - cut]
        if is_text(piece):
            return piece.decode("utf-8")
    return None


def _diff(asked: Asked) -> Answer:
    path = path_of(asked.query.get("path", ""))
    sides = []
    for name in ("from", "to"):
        version = asked.query.get(name, NOW)
        if version == NOW and stat_of(asked.shared.path, path) is None:
            sides.append("")
            continue
        content = _opened(asked, path, version)
        try:
            if content.size > _DIFF_BYTES_MAX:
                raise ConfigError(f"{full(path)} is too large to be compared here: download both versions")
            data = content.read(0, _DIFF_BYTES_MAX)
        finally:
            content.close()
        if not is_text(data):
            raise ConfigError(f"{full(path)}: at least one of the two is no text, so no lines can be compared")
        sides.append(data.decode("utf-8"))
    before, after = (side.split("\n") for side in sides)
    if max(len(before), len(after)) > _DIFF_LINES_MAX:
        raise ConfigError(f"{full(path)} has too many lines to be compared here: download both versions", USAGE)
    lines = list(difflib.unified_diff(before, after, lineterm="", n=3))[2:]
    added = sum(line.startswith("+") for line in lines)
    removed = sum(line.startswith("-") for line in lines)
    return {"path": full(path), "lines": lines, "added": added, "removed": removed}


ROUTES = [
    get("/api/folders/{folder}/download", _download),
    get("/api/folders/{folder}/image", _image),
    get("/api/folders/{folder}/text", _text),
    get("/api/folders/{folder}/diff", _diff),
]
