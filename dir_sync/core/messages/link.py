"""Messages about the connection itself: HELLO, FOLDERS, MEMBERS, PING, PONG, CLOSE.

May import of this package: base, checks. Imported by: this package's __init__ alone; all others import the package.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final, Self

from dir_sync.core import limits
from dir_sync.core.frozen import frozen
from dir_sync.core.messages.base import ANY_TIME, FIRST, ONCE_OPEN, BaseMessage, Handler, Phase, Taker
from dir_sync.core.messages.checks import (
    bounded,
    checked_array,
    checked_bool,
    checked_hex,
    checked_id,
    checked_int,
    checked_name,
    checked_text,
)
from dir_sync.core.model import PeerError
from dir_sync.core.named import NamedTuple
from dir_sync.core.wire import Buffer, LocalError

__all__ = [
    "PROTOCOL",
    "Close",
    "FolderIndex",
    "Folders",
    "Hello",
    "MemberRow",
    "Members",
    "Ping",
    "Pong",
    "ProtocolVersion",
]

PROTOCOL: Final = 2


class ProtocolVersion(PeerError):
    """The peer uses another version of the protocol. `said_there`: the same error in words for the peer's user."""

    def __init__(self, version: int) -> None:
        super().__init__(_versions(version, PROTOCOL))
        self.version = version
        self.said_there = _versions(PROTOCOL, version)


def _versions(theirs: int, ours: int) -> str:
    where = "there" if theirs < ours else "here"
    return f"it speaks protocol {theirs}, this node speaks protocol {ours}; upgrade dir_sync {where}"


class FolderIndex(NamedTuple):
    """One folder of a HELLO: its name, the id of the sender's replica, and the last sequence of that replica. `paused`: the
    sender exchanges nothing of it for now."""

    name: str
    replica: str
    sequence: int
    paused: bool = False


@frozen
class Hello(BaseMessage):
    """The first message of each direction: the node that speaks, and its replica of each folder. Decoding raises
    ProtocolVersion for another version, whatever the other fields are."""

    TYPE: ClassVar[str] = "HELLO"
    SAID_IN: ClassVar[frozenset[Phase]] = FIRST
    HANDLER: ClassVar[Handler] = Handler(Taker.CONNECTION, "on_hello")

    protocol: int
    node: str
    name: str
    instance: str
    port: int
    folders: tuple[FolderIndex, ...]
    observes: str = ""  # the folder at which the speaker only looks, for a dry run; then it shares none
    version: str = ""  # of the program that speaks, for people

    def to_wire(self) -> dict[str, Any]:
        fields: dict[str, Any] = {
            "type": self.TYPE,
            "protocol": self.protocol,
            "node": self.node,
            "name": self.name,
            "instance": self.instance,
            "port": self.port,
            "folders": _rows_of(self.folders),
        }
        if self.observes:
            fields["observes"] = self.observes
        if self.version:
            fields["version"] = self.version
        return fields

    @classmethod
    def from_wire(cls, fields: dict[str, Any]) -> Self:
        protocol = checked_int(fields.get("protocol"), "protocol", 0, limits.SEQUENCE_MAX)
        if protocol != PROTOCOL:
            raise ProtocolVersion(protocol)
        return cls(
            protocol,
            checked_id(fields.get("node"), "node"),
            checked_name(fields.get("name"), "name"),
            checked_id(fields.get("instance"), "instance"),
            checked_int(fields.get("port"), "port", 0, 65535),
            _folders_of(fields),
            checked_name(fields["observes"], "observes") if "observes" in fields else "",
            checked_name(fields["version"], "version") if "version" in fields else "",
        )

    def with_folders(self, folders: tuple[FolderIndex, ...]) -> Hello:
        """The same node with other folders."""
        return Hello(self.protocol, self.node, self.name, self.instance, self.port, folders, version=self.version)

    def encode(self) -> list[Buffer]:
        # Not super(): the decorator makes a new class, which super() would not find.
        (frame,) = BaseMessage.encode(self)
        if len(frame) - 8 > limits.HELLO_FRAME_BYTES_MAX:
            raise LocalError(f"a HELLO of {len(frame)} bytes")
        return [frame]


@frozen
class Folders(BaseMessage):
    """The folders that the sender shares from now on, in place of those of its HELLO. `answer`: it answers such a message of
    the other side, which may then say something about a new folder. `closed`: the names of those that the sender has shared, and
    that have just gone over to a closed mesh."""

    TYPE: ClassVar[str] = "FOLDERS"
    SAID_IN: ClassVar[frozenset[Phase]] = ONCE_OPEN
    HANDLER: ClassVar[Handler] = Handler(Taker.LINKS, "on_folders")

    folders: tuple[FolderIndex, ...]
    answer: bool
    closed: tuple[str, ...] = ()

    def to_wire(self) -> dict[str, Any]:
        fields: dict[str, Any] = {"type": self.TYPE, "folders": _rows_of(self.folders), "answer": self.answer}
        if self.closed:
            fields["closed"] = list(bounded(self.closed, 0, limits.FOLDERS_MAX))
        return fields

    @classmethod
    def from_wire(cls, fields: dict[str, Any]) -> Self:
        closed = checked_array(fields["closed"], "closed", 1, limits.FOLDERS_MAX) if "closed" in fields else []
        return cls(
            _folders_of(fields),
            checked_bool(fields.get("answer"), "answer"),
            tuple(checked_name(name, "closed") for name in closed),
        )


class MemberRow(NamedTuple):
    """One member of a closed mesh: core.membership says what the fields mean."""

    identity: str
    name: str
    role: str
    since_s: int
    by: str


@frozen
class Members(BaseMessage):
    """The members of the closed mesh that the sender knows. For display only, and sent only on sealed links."""

    TYPE: ClassVar[str] = "MEMBERS"
    SAID_IN: ClassVar[frozenset[Phase]] = ONCE_OPEN
    HANDLER: ClassVar[Handler] = Handler(Taker.LINKS, "on_members")

    members: tuple[MemberRow, ...]

    def to_wire(self) -> dict[str, Any]:
        return {"type": self.TYPE, "members": [list(row) for row in bounded(self.members, 0, limits.MEMBERS_MAX)]}

    @classmethod
    def from_wire(cls, fields: dict[str, Any]) -> Self:
        rows = checked_array(fields.get("members"), "members", 0, limits.MEMBERS_MAX)
        return cls(tuple(_member_row(*checked_array(row, "member", 5, 5)) for row in rows))


@frozen
class Ping(BaseMessage):
    """Ask whether the connection is alive. The answer is a PONG with the same token."""

    TYPE: ClassVar[str] = "PING"
    SAID_IN: ClassVar[frozenset[Phase]] = ONCE_OPEN
    HANDLER: ClassVar[Handler] = Handler(Taker.CONNECTION, "on_ping")

    token: int

    def to_wire(self) -> dict[str, Any]:
        return {"type": self.TYPE, "token": self.token}

    @classmethod
    def from_wire(cls, fields: dict[str, Any]) -> Self:
        return cls(_token_of(fields))


@frozen
class Pong(BaseMessage):
    """The answer to the PING with this token. `time_ns`: the clock of who answers, then; 0: it does not say."""

    TYPE: ClassVar[str] = "PONG"
    SAID_IN: ClassVar[frozenset[Phase]] = ONCE_OPEN
    HANDLER: ClassVar[Handler] = Handler(Taker.CONNECTION, "on_pong")

    token: int
    time_ns: int = 0

    def to_wire(self) -> dict[str, Any]:
        fields: dict[str, Any] = {"type": self.TYPE, "token": self.token}
        if self.time_ns:
            fields["time_ns"] = self.time_ns
        return fields

    @classmethod
    def from_wire(cls, fields: dict[str, Any]) -> Self:
        time_ns = checked_int(fields["time_ns"], "time", 1, limits.STAMP_NS_MAX) if "time_ns" in fields else 0
        return cls(_token_of(fields), time_ns)


@frozen
class Close(BaseMessage):
    """The last message: the speaker closes the connection, with a reason. `text` is for people."""

    TYPE: ClassVar[str] = "CLOSE"
    SAID_IN: ClassVar[frozenset[Phase]] = ANY_TIME
    HANDLER: ClassVar[Handler] = Handler(Taker.CONNECTION, "on_close")

    reason: str
    text: str

    def to_wire(self) -> dict[str, Any]:
        # Cut, not refused: the text may have any source, and the last message should arrive.
        said = self.text[: limits.TEXT_CHARS_MAX].encode("utf-8", "replace").decode("utf-8")
        return {"type": self.TYPE, "reason": self.reason, "text": said}

    @classmethod
    def from_wire(cls, fields: dict[str, Any]) -> Self:
        reason = checked_name(fields.get("reason"), "reason")
        return cls(reason, checked_text(fields.get("text"), "text", 0, limits.TEXT_CHARS_MAX))


def _rows_of(folders: tuple[FolderIndex, ...]) -> list[list[Any]]:
    return [list(folder if folder.paused else folder[:3]) for folder in bounded(folders, 0, limits.FOLDERS_MAX)]


def _folders_of(fields: dict[str, Any]) -> tuple[FolderIndex, ...]:
    """No name and no replica comes twice. Raises PeerError."""
    folders = []
    names, replicas = set[str](), set[str]()
    for row in checked_array(fields.get("folders"), "folders", 0, limits.FOLDERS_MAX):
        name, replica, sequence, *paused = checked_array(row, "folder", 3, 4)
        folder = FolderIndex(
            checked_name(name, "folder"),
            checked_id(replica, "replica"),
            checked_int(sequence, "sequence", 0, limits.SEQUENCE_MAX),
            bool(paused),
        )
        if paused and paused[0] is not True:
            raise PeerError("a folder with another word than that it is paused")
        if folder.name in names or folder.replica in replicas:
            raise PeerError("a folder that comes twice")
        names.add(folder.name)
        replicas.add(folder.replica)
        folders.append(folder)
    return tuple(folders)


def _token_of(fields: dict[str, Any]) -> int:
    return checked_int(fields.get("token"), "token", 0, limits.SEQUENCE_MAX)


def _member_row(identity: Any, name: Any, role: Any, since_s: Any, by: Any) -> MemberRow:
    if role not in ("ro", "rw"):
        raise PeerError("role is missing or wrong")
    return MemberRow(
        checked_hex(identity, "identity", 16).hex(),
        checked_name(name, "name"),
        role,
        checked_int(since_s, "since", 0, limits.MTIME_S_MAX),
        "" if by == "" else checked_hex(by, "by", 16).hex(),
    )
