"""The state of a node: the value behind `status --json` and behind the text of `status`.

In:   figures of a running node, or the JSON object that another process received from it.
Out:  a frozen Status; the JSON object.
Rule: each field is a key of the JSON object, and a later version may add some. Names and paths are printable text: they
are escaped (`model.show`) where the status is made.
Used by: cli, core.shot, core.waiting, daemon, doctor.examination, folder.pauses, network.sealing, reporting.prometheus.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, TypeVar

from dir_sync.core.declined import Declined, declined_in, declined_json
from dir_sync.core.frozen import fields_of, frozen
from dir_sync.core.peer_status import AwayPeer, PeerStatus, Traffic
from dir_sync.core.peers.standing import NOTHING, Lack
from dir_sync.core.progress import Progress

__all__ = [
    "Change",
    "Headline",
    "HeldChange",
    "MeshStatus",
    "PauseStatus",
    "Receiving",
    "Safety",
    "Sending",
    "Status",
    "Trouble",
    "Unwatched",
]

T = TypeVar("T")


class Headline(Enum):
    """How the folder is doing, in one word. The values are those of the JSON object."""

    UP_TO_DATE = "up-to-date"
    SYNCING = "syncing"
    HELD = "held"  # a person has to decide something
    PAUSED = "paused"  # here, or by all nodes that are connected
    ALONE = "alone"  # no other node is connected
    TROUBLE = "trouble"  # all that is left to be done cannot be done, here or at a peer; or this machine was removed


class Safety(Enum):
    """Whether this machine can be switched off and others have all that is here; if not, why. The values are those of the JSON
    object."""

    SAFE = "safe"  # all connected peers have it
    ALONE = "alone"  # no other node is connected
    PAUSED = "paused"
    UNSEEN = "unseen"  # changes here are still to be looked at
    LACKING = "lacking"  # a connected peer lacks something
    HELD = "held"
    ONLY_HERE = "only-here"  # something here goes to nobody: by the mode of this machine, or its limit of sizes


@frozen
class Change:
    """One of the last changes in the folder."""

    path: str
    kind: str  # "file", "link"; "nothing": it was deleted
    size: int
    by: str  # the name of the node that made it
    time_s: int  # when, by the clock of that node


@frozen
class Trouble:
    """A path with a newer version elsewhere that is not here."""

    path: str
    problem: str
    again: bool  # it is tried again
    held: bool  # it waits for a person's decision


@frozen
class Unwatched:
    """A folder that is not watched."""

    path: str
    problem: str


@frozen
class Receiving:
    """A large content being received."""

    path: str
    peer: str
    here: int  # bytes
    size: int
    per_s: int = 0  # bytes, moving average


@frozen
class Sending:
    """A large content being sent to a peer."""

    path: str
    peer: str
    sent: int  # bytes
    size: int
    per_s: int = 0  # bytes, moving average


@frozen
class HeldChange:
    """Changes that a brake holds until a person decides."""

    at: str  # the name of the peer whose brake holds them; "": this node's
    by: str  # the name of the node that made the changes
    here: bool  # this node made them
    missing: bool  # files vanished at the node that holds them
    files: int
    path: str  # of one of them


@frozen
class MeshStatus:
    """The closed mesh to which a folder belongs."""

    key: str  # its fingerprint
    generation: int
    role: str  # of this node: "rw" or "ro"
    members: int  # of whom this node knows, with itself
    removed_by: str = ""  # the member that said that this machine was removed; "": none did
    removed_s: int = 0  # and when, in Unix time


@frozen
class Missed:
    """A machine that the user named, and that was not met since the node started."""

    place: str  # as it was named, with the port
    problem: str


@frozen
class PauseStatus:
    """Nothing of the folder is sent or taken."""

    until_s: int  # Unix time; 0: until a person resumes it
    scheduled: bool  # by the schedule, not by a command


@frozen
class ScheduleStatus:
    """The rules by which limits change with the time of the week."""

    rules: tuple[str, ...]
    holds: str  # the rule that counts now; "": none
    until_s: int  # Unix time; 0: for good
    overruled_until_s: int | None = (
        None  # it says `off`, and a `resume` counts more until then; 0: for good; None: none does
    )


@frozen
class LimitStatus:
    """The limits of speed that count now, in bytes per second; 0: none."""

    up: int  # what this node sends, to all peers together
    down: int  # what it asks for, of all peers together
    peer_up: int  # what it sends to each peer
    peer_down: int


@frozen
class ScrubStatus:
    """The reading of everything in the background."""

    percent: int  # of this pass
    begun_s: int  # Unix time
    until_s: int  # when this pass has to be over
    last_s: int  # when the last one was; 0: none has ended yet


@frozen
class Status:
    """The state of one node and its folder at one moment.

    It has more fields than most classes may have: they are the keys of the JSON object, which is flat for programs."""

    folder: str
    folder_name: str
    name: str
    node: str
    replica: str
    mesh: MeshStatus | None  # None: an open mesh
    port: int
    broadcast_port: int
    process: int
    files: int
    bytes: int
    peers: tuple[PeerStatus, ...]
    pause: PauseStatus | None  # None: it is not paused
    schedule: ScheduleStatus | None  # None: there is none
    paused_elsewhere: tuple[str, ...]  # the names of connected nodes that have paused the folder
    in_sync: bool  # with all connected peers, of which there is at least one
    scanning: bool
    unseen: int  # paths that wait for a look
    busy: bool
    mode: str
    diverged: int  # paths that the mode leaves different
    wanted: int  # paths with a newer version elsewhere
    troubled: tuple[Trouble, ...]
    too_large: tuple[str, ...]  # files here that are larger than the limit of this node, and not sent
    restless: tuple[str, ...]  # paths that change all the time
    unwatched: int
    unwatched_first: Unwatched | None
    transfers: tuple[Receiving, ...]
    uploads: tuple[Sending, ...]
    held: tuple[HeldChange, ...]
    version: str = ""  # of the program that runs
    started_s: int = 0  # Unix time
    away: tuple[AwayPeer, ...] = ()  # the last one that was seen comes first
    receiving: Progress | None = None  # of all that comes here; None: nothing is lacking
    sending: Progress | None = None  # of all that peers get from here and from each other; None: they lack nothing
    conflicts: int = 0  # versions here that lost a conflict, and are not decided about
    changes: tuple[Change, ...] = ()  # the last ones, newest first
    scrub: ScrubStatus | None = None  # None: there is none
    rotten: tuple[str, ...] = ()  # files here that went bad on the disk, and are not healed yet
    to_repair: tuple[str, ...] = ()  # those of them that nothing heals now: a person has to ask for it
    found_bad_s: int = 0  # when the last one of these was found (Unix time); 0: there are none
    silent: tuple[str, ...] = ()  # files whose content changed lately, and whose size and time did not
    healed: int = 0  # files that were, since the node started
    not_taken: tuple[str, ...] = ()  # files elsewhere that are larger than the limit of this node, and not taken
    limits: LimitStatus | None = None  # of speed; None: there are none now
    missed: tuple[Missed, ...] = ()

    @property
    def headline(self) -> Headline:
        if self.pause is not None:
            return Headline.PAUSED
        if self.held:
            return Headline.HELD
        if not self.peers:
            if self.mesh is not None and self.mesh.removed_by:
                return Headline.TROUBLE
            return Headline.PAUSED if self.paused_elsewhere else Headline.ALONE
        if (self.in_sync or self._is_even or self._is_done_reading) and not self.scanning:
            return Headline.UP_TO_DATE
        if self._is_done_giving:
            return Headline.UP_TO_DATE if all(one.is_even or one.is_choosy for one in self.peers) else Headline.TROUBLE
        stuck = [one for one in self.troubled if not one.held]
        if stuck and len(stuck) >= self.wanted and not (self.scanning or self.transfers or self.unseen or self.sending):
            return Headline.TROUBLE
        return Headline.SYNCING

    @property
    def _is_even(self) -> bool:
        """True if nothing is to be done but what this node does not take."""
        return bool(self.not_taken) and not (self.wanted or self.unseen) and all(peer.is_even for peer in self.peers)

    @property
    def is_reader(self) -> bool:
        """True for a read-only member of a closed mesh: what is changed here counts nowhere else, so no peer waits for it."""
        return self.mesh is not None and self.mesh.role == "ro" and not self.mesh.removed_by

    @property
    def _is_done_reading(self) -> bool:
        """True for a read-only member that has all that others have, and sends nothing."""
        is_idle = not (self.wanted or self.unseen or self.transfers or self.uploads)
        return self.is_reader and is_idle and all(peer.lacking_here == NOTHING for peer in self.peers)

    @property
    def _is_done_giving(self) -> bool:
        """True if nothing is left to be done but what peers say that they do not take."""
        is_idle = not (self.scanning or self.wanted or self.unseen or self.transfers or self.uploads or self.is_reader)
        left = [one for one in self.peers if not one.is_even]
        return is_idle and bool(left) and all(one.is_declining and one.gives_all for one in left)

    @property
    def safety(self) -> Safety:
        if self.pause is not None:
            return Safety.PAUSED
        if not self.peers:
            return Safety.ALONE
        if self.scanning or self.unseen:
            return Safety.UNSEEN
        if any(peer.lacks != NOTHING for peer in self.peers) and not self.is_reader:
            return Safety.LACKING
        if any(one.here or not one.at for one in self.held):  # what is held here may be on no other machine
            return Safety.HELD
        return Safety.ONLY_HERE if self.kept_to_itself else Safety.SAFE

    @property
    def kept_to_itself(self) -> int:
        """How many paths this node announces to nobody: files above its limit of sizes, and what its mode leaves different."""
        return len(self.too_large) + (self.diverged if self.mode in ("receive-only", "mirror") else 0)

    @property
    def held_files(self) -> int:
        """Of how many files a person has to decide. Several machines may hold what was done to the same ones."""
        most: dict[tuple[str, str], int] = {}
        for one in self.held:
            key = (one.by, one.at if one.missing else "")
            most[key] = max(most.get(key, 0), one.files)
        return sum(most.values())

    @property
    def is_all_in_sync(self) -> bool:
        """True if nothing is to be done and nothing waits for a decision."""
        return self.headline is Headline.UP_TO_DATE

    def to_json(self) -> dict[str, Any]:
        plain, safety = _plain(self), self.safety
        assert isinstance(plain, dict)
        words = {"headline": self.headline.value, "safe_to_switch_off": safety is Safety.SAFE, "safety": safety.value}
        return words | plain

    @classmethod
    def from_json(cls, answer: Mapping[str, Any]) -> Status:
        """Ignores unknown keys. Raises KeyError for a missing one, unless it has a default: an older node does not know it."""
        known = _known(cls, answer)
        return cls(
            **known
            | {
                "mesh": _maybe(MeshStatus, known["mesh"]),
                "pause": _maybe(PauseStatus, known["pause"]),
                "schedule": _maybe(ScheduleStatus, known["schedule"]),
                "peers": tuple(_peer(one) for one in known["peers"]),
                "troubled": _each(Trouble, known["troubled"]),
                "unwatched_first": _maybe(Unwatched, known["unwatched_first"]),
                "transfers": _each(Receiving, known["transfers"]),
                "uploads": _each(Sending, known["uploads"]),
                "held": _each(HeldChange, known["held"]),
                "away": _each(AwayPeer, known["away"]),
                "receiving": _progress(known["receiving"]),
                "sending": _progress(known["sending"]),
                "changes": _each(Change, known["changes"]),
                "scrub": _maybe(ScrubStatus, known["scrub"]),
                "limits": _maybe(LimitStatus, known["limits"]),
                "missed": _each(Missed, known["missed"]),
            }
        )


def _plain(value: object) -> object:
    """The same value with types of JSON only."""
    if isinstance(value, Lack | Progress):
        return value._asdict()
    if isinstance(value, Declined):
        return declined_json(value)
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    if hasattr(value, "_field_defaults"):
        return {name: _plain(getattr(value, name)) for name in fields_of(type(value))[0]}
    return value


def _known(kind: type[Any], answer: Mapping[str, Any]) -> dict[str, Any]:
    """A value for each field, a tuple for each list. KeyError if one without a default is missing."""
    names, defaults = fields_of(kind)
    values = [(name, answer.get(name, defaults[name]) if name in defaults else answer[name]) for name in names]
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values}


def _made(kind: type[T], answer: Mapping[str, Any]) -> T:
    return kind(**_known(kind, answer))


def _maybe(kind: type[T], answer: Mapping[str, Any] | None) -> T | None:
    return None if answer is None else _made(kind, answer)


def _each(kind: type[T], answers: list[Mapping[str, Any]]) -> tuple[T, ...]:
    return tuple(_made(kind, one) for one in answers)


def _peer(answer: Mapping[str, Any]) -> PeerStatus:
    made = _known(PeerStatus, answer)
    lacks = None if made["lacks"] is None else _lack(made["lacks"])
    more = {
        "traffic": _maybe(Traffic, made["traffic"]),
        "progress": _progress(made["progress"]),
        "declined": declined_in(made["declined"]),
    }
    return PeerStatus(**made | {"lacks": lacks, "lacking_here": _lack(made["lacking_here"])} | more)


def _progress(answer: Mapping[str, Any] | None) -> Progress | None:
    return None if answer is None else Progress(**{name: answer[name] for name in Progress._fields})


def _lack(answer: Mapping[str, int]) -> Lack:
    return Lack(answer["files"], answer["bytes"], answer["others"])
