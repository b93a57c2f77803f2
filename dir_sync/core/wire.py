"""Frames: bytes of a connection in; JSON objects and pieces of content out; and the reverse. Sans I/O.

In: any bytes of a peer, in any pieces. Out: frames in order, or PeerError with one line. Rule: a length is checked
against its limit before memory is reserved, and memory grows with the bytes that arrive: a frame of 4 MiB that is only
announced costs half a megabyte.

Many small frames are read at once into one buffer and parsed there; their contents are copied once. The body of a large
frame is received directly into its own buffer, and its pieces point into that.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import Any, Final

from dir_sync.core import limits
from dir_sync.core.frozen import frozen
from dir_sync.core.model import PeerError
from dir_sync.core.named import NamedTuple
from dir_sync.core.strict_json import (
    NotStrict,
    StepByStep,
    has_too_many_values,
    is_quick,
    no_duplicates,
    no_such_number,
)

__all__ = [
    "ATTACHMENT",
    "CHUNKS",
    "Attachment",
    "Buffer",
    "Chunks",
    "Frame",
    "FrameDecoder",
    "Json",
    "LocalError",
    "Piece",
    "Unknown",
    "encode_message",
    "encode_pieces",
]

CHUNKS: Final = 0x01  # the first byte of a frame of chunks
ATTACHMENT: Final = 0x02  # ... of an attachment

Buffer = bytes | bytearray | memoryview


class LocalError(AssertionError):
    """An error of ours: a message was about to be sent that violates the protocol. Never caused by a peer."""


class Piece(NamedTuple):
    """Some bytes of content. `key` is the id of the pull for chunks; for attachments see docs/protocol.md."""

    key: int
    offset: int
    data: memoryview | bytes


@frozen
class Json:
    """The JSON object of a message, with unchecked fields."""

    fields: dict[str, Any]
    size: int = 0  # bytes of text; two that say the same are equal

    def __eq__(self, other: object) -> bool:
        return self.fields == other.fields if isinstance(other, Json) else NotImplemented


@frozen
class Chunks:
    """Answers to pulls."""

    pieces: tuple[Piece, ...]


@frozen
class Attachment:
    """Content that belongs to the preceding message."""

    pieces: tuple[Piece, ...]


@frozen
class Unknown:
    """A frame of a reserved kind, which is skipped."""

    first: int


Frame = Json | Chunks | Attachment | Unknown

_READ_BYTES = 64 * limits.KIB  # what one read may bring of small frames
_LARGE_BYTES = 16 * limits.KIB  # a larger unfinished body gets a buffer of its own
_RESERVE_BYTES = limits.PULL_BYTES_MAX + 64 * limits.KIB  # reserved at once for a large body: any chunk fits
_COPY_BYTES_MAX = 16 * limits.KIB  # smaller contents are copied, because sendmsg takes at most 1,024 buffers
_BESIDE_MUCH = 16
_INFLATE_RATIO_MAX = 64  # honest pages reach some 40; with this limit one read never yields more JSON than one message
_DEPTH_MAX = 64  # of nesting; our messages have 6

assert _READ_BYTES * _INFLATE_RATIO_MAX <= limits.MESSAGE_BYTES_MAX
assert limits.HELLO_FRAME_BYTES_MAX <= _LARGE_BYTES < _READ_BYTES // 2
assert 2 * (limits.FRAME_BYTES_MAX // _COPY_BYTES_MAX) + 1 < 1024
assert _READ_BYTES < limits.CHUNK_BYTES_MIN + 64 * limits.KIB
assert limits.ATTACHED_BYTES_MAX + 32 * limits.KIB < 2 * _RESERVE_BYTES

_NO_MARKS = bytes(set(range(256)) - set(b'"[]{}'))
_BLANKS_BEHIND_QUOTES = (b'" ', b'"\n', b'"\t', b'"\r')
_new: Final = tuple.__new__  # half the cost of calling the named tuple
_LENGTH = struct.Struct(">Q")
_PIECE = struct.Struct(">IQI")


class FrameDecoder:
    """The frames of one connection. After a PeerError from any method the connection is over.

    Call `buffer`, receive into it, and call `filled`, repeatedly; or call `feed`. Pieces stay valid as long as they are
    referenced.
    """

    def __init__(self) -> None:
        self._cap = limits.HELLO_FRAME_BYTES_MAX
        self._view = memoryview(bytearray(_READ_BYTES))
        self._start = 0  # of the unparsed bytes in _view
        self._end = 0
        self._body: bytearray | None = None  # the large body being received; then _view is empty
        self._body_length = 0
        self._body_end = 0

    def open(self) -> None:
        """The peer sent a valid HELLO: large frames are allowed from the next one on."""
        self._cap = limits.FRAME_BYTES_MAX

    def buffer(self) -> memoryview:
        """Where to put the next bytes; never empty. Valid until the next call of any method."""
        if self._body is not None:
            if self._body_end == len(self._body):
                grown = bytearray(min(self._body_length, 2 * len(self._body)))
                grown[: self._body_end] = self._body
                self._body = grown
            return memoryview(self._body)[self._body_end :]
        if self._start:
            left = self._end - self._start
            self._view[:left] = self._view[self._start : self._end]
            self._start, self._end = 0, left
        return self._view[self._end :]

    def frames(self, n: int) -> Iterator[Frame]:
        """The frames that are complete with the `n` bytes just written to the beginning of `buffer()`, one at a time:
        `open` applies to the very next frame, and only one message is in memory. Consume it completely before any call
        except `open`."""
        body = self._body
        if body is not None:
            assert 0 <= n <= len(body) - self._body_end
            self._body_end += n
            if self._body_end == self._body_length:
                self._body = None
                yield _parse(memoryview(body).toreadonly(), lasting=True)
            return
        assert 0 <= n <= len(self._view) - self._end
        self._end += n
        while self._end - self._start >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._view, self._start)
            if not 1 <= length <= self._cap:
                raise PeerError(f"a frame of {length} bytes")
            start = self._start + _LENGTH.size
            have = self._end - start
            if have < length:
                if length > _LARGE_BYTES:
                    self._body = bytearray(min(length, _RESERVE_BYTES))
                    self._body[:have] = self._view[start : self._end]
                    self._body_length, self._body_end = length, have
                    self._start = self._end = 0
                return
            self._start = start + length
            yield _parse(self._view[start : self._start], lasting=False)
        if self._start == self._end:
            self._start = self._end = 0


def encode_message(fields: dict[str, Any], beside: int = 0) -> bytes:
    """The whole frame of a message. `beside`: bytes that are sent along with it; if they are many times as long, the
    message is not compressed, because that costs more than it saves. Raises LocalError if the frame is too large."""
    text = _to_json(fields).encode("ascii")
    if len(text) > limits.MESSAGE_BYTES_MAX:
        raise LocalError(f"a message of {len(text)} bytes")
    body = zlib.compress(text, 1 if len(text) * _BESIDE_MUCH > beside else 0)
    if len(body) * _INFLATE_RATIO_MAX < len(text):
        body = zlib.compress(text, 0)  # the compression ratio exceeds what a peer accepts
    if len(body) > limits.FRAME_BYTES_MAX:
        raise LocalError(f"a frame of {len(body)} bytes")
    return _LENGTH.pack(len(body)) + body


def encode_pieces(kind: int, pieces: Iterable[Piece]) -> list[Buffer]:
    """The frame of CHUNKS or an ATTACHMENT, as fewer than 1,024 buffers to be sent in order; only small contents are
    copied. Raises LocalError if the frame is too large."""
    buffers: list[Buffer] = []
    small = bytearray(_LENGTH.size)  # the length is filled in at the end
    first = small
    small.append(kind)
    length = 1
    count = 0
    for key, offset, data in pieces:
        count += 1
        size = len(data)
        small += _PIECE.pack(key, offset, size)
        length += _PIECE.size + size
        if size < _COPY_BYTES_MAX:
            small += data
        else:
            buffers += (small, data)
            small = bytearray()
    if small:
        buffers.append(small)
    if not 1 <= count <= limits.PULLS_MAX or length > limits.FRAME_BYTES_MAX:
        raise LocalError(f"a frame of {count} pieces, {length} bytes")
    _LENGTH.pack_into(first, 0, length)
    return buffers


def _parse(body: memoryview, *, lasting: bool) -> Frame:
    """Parse one frame. `lasting`: `body` is not written to again, so pieces may point into it."""
    first = body[0]
    if first & 0x0F == 8:
        text = _inflate(body)
        return Json(_from_json(text), len(text))
    if first not in (CHUNKS, ATTACHMENT):
        return Unknown(first)
    pieces = _pieces(body if lasting else memoryview(bytes(body)))
    return Chunks(pieces) if first == CHUNKS else Attachment(pieces)


def _pieces(body: memoryview) -> tuple[Piece, ...]:
    pieces: list[Piece] = []
    unpack, head = _PIECE.unpack_from, _PIECE.size
    at, end = 1, len(body)
    while at < end:
        if end - at < head:
            raise PeerError("a piece that is cut off")
        key, offset, length = unpack(body, at)
        at += head
        if length > end - at:
            raise PeerError("a piece that is longer than its frame")
        if offset > limits.SIZE_MAX:
            raise PeerError(f"a piece at offset {offset}")
        if len(pieces) == limits.PULLS_MAX:
            raise PeerError("a frame of too many pieces")
        pieces.append(_new(Piece, (key, offset, body[at : at + length])))
        at += length
    if not pieces:
        raise PeerError("a frame of no pieces")
    return tuple(pieces)


def _inflate(body: memoryview) -> bytes:
    cap = min(limits.MESSAGE_BYTES_MAX, _INFLATE_RATIO_MAX * len(body))
    stream = zlib.decompressobj()
    try:
        text = stream.decompress(body, cap + 1)
    except zlib.error:
        raise PeerError("a message that is not a zlib stream") from None
    if len(text) > cap:
        raise PeerError(f"a message of {len(body)} bytes that inflates to more than {cap}")
    if not stream.eof:
        raise PeerError("a message whose zlib stream is cut off")
    if stream.unused_data:
        raise PeerError("a message with bytes behind its zlib stream")
    return text


def _from_json(text: bytes) -> dict[str, Any]:
    if has_too_many_values(text):
        raise PeerError("a message of too many values")
    try:
        # Not json.loads(bytes): that would detect UTF-16 and UTF-32, too.
        if is_quick(text):
            value = _json_value(text.decode("utf-8"))
            if not _has_each_key_once(text, value):
                value = _json_value_checked(text.decode("utf-8"))
        else:
            value = _json_value_slowly(text.decode("utf-8"))
    except RecursionError:
        raise PeerError("a message that is nested too deep") from None
    except UnicodeDecodeError:
        raise PeerError("a message that is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise PeerError(f"a message that is not JSON: {error.msg}") from None
    except NotStrict as error:
        raise PeerError(f"a message with {error}") from None
    except ValueError:
        raise PeerError("a message with a number of hundreds of digits") from None
    if type(value) is not dict:
        raise PeerError("a message that is not an object")
    if not _is_flat(text):
        _check_depth(value)
    return value


def _has_each_key_once(text: bytes, value: Any) -> bool:
    """True only if no object has a key twice. Fast for normal messages; never true by mistake.

    Every key is followed by a quote and a colon, without a blank if no quote in the text is followed by one. So the
    text has no more keys than such pairs; if `value` has as many keys, none was lost."""
    if type(value) is not dict or any(blank in text for blank in _BLANKS_BEHIND_QUOTES):
        return False
    keys = len(value)
    for each in value.values():
        if type(each) is list and set(map(type, each)) == {dict}:
            keys += sum(map(len, each))
    return text.count(b'":') == keys


def _is_flat(text: bytes) -> bool:
    """True only if the nesting is below the maximum. Fast for a page of records; never true by mistake.

    Only quotes and brackets of the text are considered. Without a backslash, quotes come in pairs; if all pairs can be
    removed side by side, no bracket is inside a string, and each round removes the innermost brackets."""
    if b"\\" in text:
        return False
    marks = text.translate(None, _NO_MARKS).replace(b'""', b"")
    for _ in range(8):
        marks = marks.replace(b"[]", b"").replace(b"{}", b"")
    return not marks


def _check_depth(value: dict[str, Any]) -> None:
    """Checks level by level, which costs a fraction of a hook for each value."""
    level: list[Any] = [value]
    for _ in range(_DEPTH_MAX):
        inner: list[Any] = []
        for each in level:
            inner += each.values() if type(each) is dict else each
        level = [each for each in inner if type(each) is list or type(each) is dict]
        if not level:
            return
    raise PeerError("a message that is nested too deep")


_json_value = json.JSONDecoder(parse_constant=no_such_number).decode
_json_value_checked = json.JSONDecoder(object_pairs_hook=no_duplicates, parse_constant=no_such_number).decode
_json_value_slowly = StepByStep().decode
_to_json = json.JSONEncoder(check_circular=False, allow_nan=False, separators=(",", ":")).encode
