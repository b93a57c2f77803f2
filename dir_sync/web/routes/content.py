"""Routes about what is in a file, now or in an old version: download, preview, and the difference between two of them.

In:   a path and the id of a version, or "now". Out: bytes, text, lines.
Rule: what users have in their files never runs in a browser. It comes as a download, or as one of few kinds of images that
are told by their first bytes and shown in a sandbox, or as text in JSON. SVG is text.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

from starlette.responses import Response, StreamingResponse

from dir_sync.config import USAGE, ConfigError
from dir_sync.core.model import Kind, show
from dir_sync.core.named import NamedTuple
from dir_sync.disk import RealDisk
from dir_sync.history.client import open_history
from dir_sync.history.differences import line_diff
from dir_sync.history.words import full
from dir_sync.network.control import Answer
from dir_sync.ports import DiskError, Reader
from dir_sync.web.replies import Asked, get
from dir_sync.web.routes.history import entry_of
from dir_sync.web.texts import decoded

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
            raise _unreadable(self.path, error) from None

    def close(self) -> None:
        if self.reader is not None:
            self.reader.close()


def _opened(asked: Asked, version: str) -> _Content | None:
    """None: there is nothing now. ConfigError if there is no such version here."""
    path = asked.path
    if version == NOW:
        return _opened_now(asked.shared.path, path)
    with open_history(asked.shared.path) as client:
        entry = entry_of(client, path, version)
        if entry.version.kind == Kind.SYMLINK:
            return _Content(path, len(entry.version.content), None, entry.version.content)
        return _content_of(path, client.open(entry))


def _opened_now(folder: str, path: bytes) -> _Content | None:
    disk = RealDisk(folder)
    try:
        stat = disk.stat(path)
        if stat is None:
            return None
        if stat.kind == Kind.SYMLINK:
            target = disk.read_link(path)
            return _Content(path, len(target), None, target)
        return _content_of(path, disk.open(path))
    finally:
        disk.close()


def _content_of(path: bytes, reader: Reader) -> _Content:
    try:
        return _Content(path, reader.stat().size, reader)
    except DiskError as error:
        reader.close()
        raise _unreadable(path, error) from None


def _unreadable(path: bytes, error: DiskError) -> ConfigError:
    return ConfigError(f"{show(path)} cannot be read: {error}")


def _of_query(asked: Asked) -> _Content:
    found = _opened(asked, asked.query.get("version", NOW))
    if found is None:
        raise ConfigError(f"{show(asked.path)} is not there now")
    return found


def image_type(start: bytes) -> str:
    """The type of an image by its first bytes; "": it is none that is shown."""
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return "image/webp"
    if start[4:12] in (b"ftypavif", b"ftypavis"):
        return "image/avif"
    return next((kind for magic, kind in IMAGES.items() if start.startswith(magic)), "")


def _image_type(content: _Content) -> str:
    """ "": it is no image, or too large to be shown."""
    is_small = content.reader is not None and content.size <= _IMAGE_BYTES_MAX
    return image_type(content.read(0, 32)) if is_small else ""


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
    try:
        kind = _image_type(content)
        if not kind:
            raise ConfigError("this is no image that can be shown")
    except ConfigError:
        content.close()
        raise
    return StreamingResponse(_pieces(content), media_type=kind, headers=_SANDBOX | {"Content-Disposition": "inline"})


def _pieces(content: _Content) -> Iterator[bytes]:
    """All of it. The first piece is read at once: if that fails, the answer can still say so (ConfigError)."""
    try:
        first = content.read(0, _PIECE_BYTES)
    except ConfigError:
        content.close()
        raise
    return _all_pieces(content, first)


def _all_pieces(content: _Content, data: bytes) -> Iterator[bytes]:
    try:
        offset = 0
        while data:
            yield data
            offset += len(data)
            data = content.read(offset, _PIECE_BYTES)
    finally:
        content.close()


def _text(asked: Asked) -> Answer:
    content = _of_query(asked)
    try:
        if _image_type(content):
            return {"kind": "image", "size": content.size}
        data = content.read(0, _TEXT_BYTES_MAX)
    finally:
        content.close()
    is_whole = content.size <= len(data)
    found = decoded(data, is_whole)
    if found is None:
        return {"kind": "binary", "size": content.size}
    encoding = found.encoding
    return {"kind": "text", "size": content.size, "text": found.text, "whole": is_whole, "encoding": encoding}


def _diff(asked: Asked) -> Answer:
    path = asked.path
    before, after = (_side(asked, asked.query.get(name, NOW)) for name in ("from", "to"))
    if before is None or after is None:
        return {"path": full(path), "kind": "binary", "lines": [], "added": 0, "removed": 0}
    if max(before.count("\n"), after.count("\n")) > _DIFF_LINES_MAX:
        raise ConfigError(f"{full(path)} has too many lines to be compared here: download both versions", USAGE)
    lines = line_diff(before, after)
    added = sum(line.startswith("+") for line in lines)
    removed = sum(line.startswith("-") for line in lines)
    return {"path": full(path), "kind": "text", "lines": lines, "added": added, "removed": removed}


def _side(asked: Asked, version: str) -> str | None:
    """The text of one of the two versions; "" for what is not there now, None for what is no text."""
    content = _opened(asked, version)
    if content is None:
        return ""
    try:
        if content.size > _DIFF_BYTES_MAX:
            raise ConfigError(f"{full(content.path)} is too large to be compared here: download both versions")
        data = content.read(0, _DIFF_BYTES_MAX)
    finally:
        content.close()
    found = decoded(data, True)
    return None if found is None else found.text


ROUTES = [
    get("/api/folders/{folder}/download", _download),
    get("/api/folders/{folder}/image", _image),
    get("/api/folders/{folder}/text", _text),
    get("/api/folders/{folder}/diff", _diff),
]
