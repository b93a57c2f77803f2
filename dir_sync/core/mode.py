"""What a node does with changes: its own, and those of its peers.

In:   the mode that the user chose; records of changes that are not announced.
Out:  what each mode means, as questions; the record of a change that stays on this node.
Rule: a change that is not announced has a maker that no peer accepts (`OWN`), so it cannot leave by mistake. The version
that the mesh has at such a path is kept as an offer of `THEIRS`. The decisions themselves are in `core.reconcile`;
`engine.stamps` makes a change made here one of these.
"""

from __future__ import annotations

from enum import Enum

from dir_sync.core.attributes import Attributes
from dir_sync.core.model import Kind, Record, Stamp

__all__ = [
    "OURS",
    "OWN",
    "OWN_FIRST",
    "OWN_LARGE",
    "THEIRS",
    "Mode",
    "is_own",
    "is_own_first",
    "is_own_large",
    "large_change",
    "nothing",
    "own_change",
    "own_first_scan",
]

OWN = "!"  # maker of a change that is not announced
OWN_FIRST = "!="  # the same, found by a first scan: nobody changed it while the mode was in force
OWN_LARGE = "!>"  # the same, of a file that is too large to be shared, or of the removal of one
OURS = "~"  # peer of an offer that restores an earlier version; followed by a peer's name if that peer has the content
THEIRS = "^"  # peer of an offer: what the mesh has at a path that was changed here only


class Mode(Enum):
    """What a node announces, and what it takes."""

    TWO_WAY = "two-way"
    SEND_ONLY = "send-only"
    RECEIVE_ONLY = "receive-only"
    MIRROR = "mirror"
    APART = "apart"  # of one path: what is here is too large to be shared
    REVERT = "revert"  # of one path of a node that keeps its changes to itself: its user wants the mesh's version back

    takes: bool  # changes of peers are installed here
    announces: bool  # changes made here are announced

    def __init__(self, word: str) -> None:
        # plain values: they are asked several times in each turn
        self.takes = word != "send-only"
        self.announces = word in ("two-way", "send-only")

    def of_reader(self) -> Mode:
        """What this mode is at a read-only member of a closed mesh: what it changes counts nowhere else."""
        return Mode.RECEIVE_ONLY if self is Mode.TWO_WAY else self


CHOICES = (Mode.TWO_WAY, Mode.SEND_ONLY, Mode.RECEIVE_ONLY, Mode.MIRROR)


def is_own(record: Record) -> bool:
    """True for a change that stays on this node."""
    return record.stamp.maker[:1] == OWN


def is_own_first(record: Record) -> bool:
    """True for something that a first scan found here, and that the mesh does not have."""
    return record.stamp.maker == OWN_FIRST


def is_own_large(record: Record) -> bool:
    """True for a file that is too large to be shared, and for the removal of one."""
    return record.stamp.maker == OWN_LARGE


def large_change(now: Record, stamp_ns: int, counter: int) -> Record:
    """`now` as a change that stays here because of its size."""
    return now._replace(stamp=Stamp(max(stamp_ns, 1), OWN_LARGE), vector=((OWN_LARGE, counter),), lineage=())


def own_change(now: Record, stamp_ns: int, counter: int) -> Record:
    """`now` as a change that stays here. Its vector includes nothing, so no announcement of a peer counts as known."""
    return now._replace(stamp=Stamp(max(stamp_ns, 1), OWN), vector=((OWN, counter),), lineage=())


def own_first_scan(
    path: bytes, kind: Kind, size: int, content: bytes, mtime: int, mode: int, attributes: Attributes | None = None
) -> Record:
    """What a first scan found, as something that stays here until the mesh has a version of it."""
    stamp = Stamp(max(mtime, 1), OWN_FIRST)
    return Record(path, kind, size, content, mtime, mode, stamp, ((OWN_FIRST, 1),), (), attributes)


def nothing(mine: Record) -> Record:
    """Nothing at the path of a change that stayed here, and of which the mesh has no version."""
    return own_change(
        mine._replace(kind=Kind.ABSENT, size=0, content=b"", mtime=0, mode=0, attributes=None),
        mine.stamp.ns + 1,
        mine.vector[0][1],
    )
