"""How a folder's peers are doing: those that are connected, and those that are away. Parts of a Status.

In:   figures of a running node. Out: frozen values; their fields are keys of the JSON object of `status`.
Rule: as in core.status: names are escaped where the values are made, and a later version may add fields, with defaults.
Used by: cli.headlines, core.shot, core.status, core.waiting, daemon.status.
"""

from __future__ import annotations

from dir_sync.core.declined import APART, CHOSEN, Declined
from dir_sync.core.frozen import frozen
from dir_sync.core.peers.standing import NOTHING, Lack, without
from dir_sync.core.progress import Progress

__all__ = ["AwayPeer", "PeerStatus", "Traffic"]


@frozen
class Traffic:
    """On the connection with a peer, which all folders of the two nodes share."""

    sent: int  # bytes since it began, as far as they have arrived there
    received: int
    sends_per_s: int  # bytes, moving average
    receives_per_s: int
    rtt_ms: float  # how long an answer takes


@frozen
class PeerStatus:
    """A connected peer. It has more fields than most classes may have: they are keys of the JSON object."""

    name: str
    node: str
    replica: str
    address: str
    synchronized: bool  # it has everything this node has, and this node everything it has
    lacks: Lack | None  # of what is here; None: unknown so far
    lacking_here: Lack  # of what the peer has
    version: str = ""  # of its program; "": it does not say
    since_s: int = 0  # of the connection, in Unix time
    traffic: Traffic | None = None  # None: the system does not tell
    progress: Progress | None = None  # of what it gets; None: it lacks nothing
    still_s: int = 0  # since when what it lacks has not changed
    declined: tuple[Declined, ...] = ()  # what of it the peer does not take, and why, if it says so
    not_taken: int = 0  # of the files in `lacking_here`: this node does not take them, because of their size

    @property
    def is_declining(self) -> bool:
        """True if the peer says of all that it lacks why it does not take it."""
        return self.lacks not in (None, NOTHING) and without(self.lacks, self.declined) == NOTHING

    @property
    def is_even(self) -> bool:
        """True if nothing is to be done between the two but what this node does not take."""
        return self.synchronized or (self.lacks == NOTHING and self.not_taken > 0 and self.gives_all)

    @property
    def has_dealt_with_all(self) -> bool:
        """True if nothing is to be done between the two, although the peer may not have something, by its mode or its rules."""
        is_apart = self.is_declining and all(one.reason in APART for one in self.declined)
        return self.synchronized or (is_apart and self.lacking_here == NOTHING)

    @property
    def gives_all(self) -> bool:
        """True if this node lacks nothing of what the peer has but what it does not take itself."""
        files, _, others = self.lacking_here
        return files == self.not_taken and not others

    @property
    def is_choosy(self) -> bool:
        """True if the peer does not have something only because of what a person chose there."""
        return self.is_declining and all(one.reason in CHOSEN for one in self.declined)


@frozen
class AwayPeer:
    """A node that shared the folder and is not connected."""

    name: str
    replica: str
    address: str  # the last one; "": not known
    version: str  # as it was then
    last_seen_s: int  # Unix time; 0: not known
    has_closed: bool = False  # it went over to a closed mesh, to which this node does not belong
    was_member: bool = False  # it was met as a member of a closed mesh
