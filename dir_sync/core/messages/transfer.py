"""Messages that bring contents: PULL, REFUSE, DELTA_REQUEST, NEED_SIGNATURE, SIGNATURE, DELTA.

The answer to a PULL is `Chunks`: a frame of its own kind, not JSON, which core.wire defines and decodes.

May import of this package: base, checks. Imported by: this package's __init__ alone; all others import the package.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final, Self

from dir_sync.core import limits
from dir_sync.core.frozen import frozen
from dir_sync.core.messages.base import ONCE_ASKED, ONCE_OPEN, BaseMessage, Handler, Phase, Taker
from dir_sync.core.messages.checks import (
    PULL_ID_MAX,
    bounded,
    checked_array,
    checked_digest,
    checked_int,
    checked_marks,
    checked_path,
    folder_of,
    id_of,
    marks_text,
    text_of,
    wrong,
)
from dir_sync.core.model import PeerError
from dir_sync.core.named import NamedTuple
from dir_sync.core.wire import ATTACHMENT, Buffer, LocalError, Piece, encode_message, encode_pieces

__all__ = [
    "CHUNKS_HANDLER",
    "CHUNKS_SAID_IN",
    "Delta",
    "DeltaRequest",
    "NeedSignature",
    "Pull",
    "PullItem",
    "Refuse",
    "Signature",
]

CHUNKS_SAID_IN: Final = ONCE_ASKED  # the state rule of Chunks
CHUNKS_HANDLER: Final = Handler(Taker.ENGINE, "on_chunks")  # ... and their handler

_REASONS: Final = frozenset({"gone", "later", "forgotten"})


class PullItem(NamedTuple):
    """Bytes of the content `digest` announced at `path`, or, with `base`, of the delta from `base` to it."""

    id: int
    path: bytes
    digest: bytes
    base: bytes | None
    offset: int
    length: int


@frozen
class Pull(BaseMessage):
    """Ask for these ranges."""

    TYPE: ClassVar[str] = "PULL"
    SAID_IN: ClassVar[frozenset[Phase]] = ONCE_OPEN
    HANDLER: ClassVar[Handler] = Handler(Taker.ENGINE, "on_pull")

    folder: str
    pulls: tuple[PullItem, ...]

    def to_wire(self) -> dict[str, Any]:
        return {
            "type": self.TYPE,
            "folder": self.folder,
            "pulls": [
                [id_, text_of(path), digest.hex(), None if base is None else base.hex(), offset, length]
                for id_, path, digest, base, offset, length in bounded(self.pulls, 1, limits.PULLS_MAX)
            ],
        }

    @classmethod
    def from_wire(cls, fields: dict[str, Any]) -> Self:
        pulls = []
        for row in checked_array(fields.get("pulls"), "pulls", 1, limits.PULLS_MAX):
            id_, path, digest, base, offset, length = checked_array(row, "pull", 6, 6)
            pulls.append(
                PullItem(
                    checked_int(id_, "id", 0, PULL_ID_MAX),
                    checked_path(path, "path"),
                    checked_digest(digest, "digest"),
                    None if base is None else checked_digest(base, "base"),
                    checked_int(offset, "offset", 0, limits.SIZE_MAX),
                    checked_int(length, "length", 0, limits.SIZE_MAX),
                )
            )
        return cls(folder_of(fields), tuple(pulls))


@frozen
class Refuse(BaseMessage):
    """Pulls or delta requests that are not answered, with the reason."""

    TYPE: ClassVar[str] = "REFUSE"
    SAID_IN: ClassVar[frozenset[Phase]] = ONCE_ASKED
    HANDLER: ClassVar[Handler] = Handler(Taker.ENGINE, "on_refuse")

    folder: str
    refused: tuple[tuple[int, str], ...]  # (pull id, one of _REASONS)

    def to_wire(self) -> dict[str, Any]:
        refused = [[id_, reason] for id_, reason in bounded(self.refused, 1, limits.PULLS_MAX)]
        return {"type": self.TYPE, "folder": self.folder, "refused": refused}

    @classmethod
    def from_wire(cls, fields: dict[str, Any]) -> Self:
        refused = []
        for row in checked_array(fields.get("refused"), "refused", 1, limits.PULLS_MAX):
            id_, reason = checked_array(row, "refused", 2, 2)
            if type(reason) is not str or reason not in _REASONS:
                raise wrong("reason")
            refused.append((checked_int(id_, "id", 0, PULL_ID_MAX), reason))
        return cls(folder_of(fields), tuple(refused))


@frozen
class DeltaRequest(BaseMessage):
    """The sender has `base`, and asks for a delta from it to the content `digest` announced at `path`."""

    TYPE: ClassVar[str] = "DELTA_REQUEST"
    SAID_IN: ClassVar[frozenset[Phase]] = ONCE_OPEN
    HANDLER: ClassVar[Handler] = Handler(Taker.ENGINE, "on_delta_request")

    folder: str
    id: int
    path: bytes
    digest: bytes
    base: bytes
    size: int = 0  # bytes of the base; 0: unknown

    def to_wire(self) -> dict[str, Any]:
        fields: dict[str, Any] = {
            "type": self.TYPE,
            "folder": self.folder,
            "id": self.id,
            "path": text_of(self.path),
            "digest": self.digest.hex(),
            "base": self.base.hex(),
        }
        return fields | {"size": self.size} if self.size else fields

    @classmethod
    def from_wire(cls, fields: dict[str, Any]) -> Self:
        return cls(
            folder_of(fields),
            id_of(fields),
            checked_path(fields.get("path"), "path"),
            checked_digest(fields.get("digest"), "digest"),
            checked_digest(fields.get("base"), "base"),
            checked_int(fields.get("size", 0), "size", 0, limits.SIZE_MAX),
        )


@frozen
class NeedSignature(BaseMessage):
    """The speaker has no signature of the base of this delta request, and asks for it."""

    TYPE: ClassVar[str] = "NEED_SIGNATURE"
    SAID_IN: ClassVar[frozenset[Phase]] = ONCE_ASKED
    HANDLER: ClassVar[Handler] = Handler(Taker.ENGINE, "on_need_signature")

    folder: str
    id: int

    def to_wire(self) -> dict[str, Any]:
        return {"type": self.TYPE, "folder": self.folder, "id": self.id}

    @classmethod
    def from_wire(cls, fields: dict[str, Any]) -> Self:
        return cls(folder_of(fields), id_of(fields))


@frozen
class Signature(BaseMessage):
    """The answer to NEED_SIGNATURE. `data` is empty until the attachment has arrived."""

    TYPE: ClassVar[str] = "SIGNATURE"
    SAID_IN: ClassVar[frozenset[Phase]] = ONCE_OPEN
    HANDLER: ClassVar[Handler] = Handler(Taker.ENGINE, "on_signature")

    folder: str
    id: int
    data: bytes  # travels as the attachment

    def to_wire(self) -> dict[str, Any]:
        return {"type": self.TYPE, "folder": self.folder, "id": self.id, "attached": True}

    @classmethod
    def from_wire(cls, fields: dict[str, Any]) -> Self:
        if fields.get("attached") is not True:
            raise wrong("attached")
        return cls(folder_of(fields), id_of(fields), b"")

    def encode(self) -> list[Buffer]:
        if len(self.data) > limits.SIGNATURE_BYTES_MAX:
            raise LocalError(f"a signature of {len(self.data)} bytes")
        return [encode_message(self.to_wire()), *encode_pieces(ATTACHMENT, (Piece(self.id, 0, self.data),))]

    def with_attachment(self, pieces: tuple[Piece, ...]) -> Signature:
        (key, offset, data), *more = pieces
        if more or key != self.id or offset != 0 or len(data) > limits.SIGNATURE_BYTES_MAX:
            raise PeerError("an attachment that is not the signature's")
        return Signature(self.folder, self.id, bytes(data))


@frozen
class Delta(BaseMessage):
    """The requested delta can be pulled; it has `size` bytes."""

    TYPE: ClassVar[str] = "DELTA"
    SAID_IN: ClassVar[frozenset[Phase]] = ONCE_ASKED
    HANDLER: ClassVar[Handler] = Handler(Taker.ENGINE, "on_delta")

    folder: str
    id: int
    size: int
    marks: tuple[bytes, ...] | None = None  # as in DeltaOffer

    def to_wire(self) -> dict[str, Any]:
        fields: dict[str, Any] = {"type": self.TYPE, "folder": self.folder, "id": self.id, "size": self.size}
        return fields if self.marks is None else fields | {"marks": marks_text(self.marks)}

    @classmethod
    def from_wire(cls, fields: dict[str, Any]) -> Self:
        return cls(
            folder_of(fields),
            id_of(fields),
            checked_int(fields.get("size"), "size", 0, limits.SIZE_MAX),
            checked_marks(fields),
        )
