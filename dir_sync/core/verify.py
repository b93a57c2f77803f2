"""Reading everything again: what a worker is asked, what it finds, and how the findings of several nodes are compared.

In:   rows of the index; what workers found; what peers reported. Out: findings.
Rule: a file is rotten only if its fingerprint is exactly the one of the index, change time and inode included, and two reads
gave the same other content. No program can set a change time. So whatever a user's program wrote has another fingerprint, also
if it put the old time of the last write back: that is an edit, which a look announces, and it is never undone.
May import: core.declined, core.model.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from enum import Enum

from dir_sync.core.declined import Reason
from dir_sync.core.model import Kind
from dir_sync.core.named import NamedTuple

__all__ = [
    "Apart",
    "Checked",
    "Entry",
    "Finding",
    "Item",
    "Outcome",
    "Verified",
    "VerifyJob",
    "What",
    "compare",
    "entry_of",
    "key_of",
]


class Outcome(Enum):
    """What reading an entry again has shown. The value is the word in a VERIFY_REPORT."""

    SAME = "same"
    ROTTEN = "rotten"  # the content is another one, and nobody has changed it
    DOUBTFUL = "doubtful"  # the content is another one, and this file system does not tell whether somebody changed it
    CHANGED = "changed"  # it was changed, or is being changed: a look finds out what is there
    UNREADABLE = "unreadable"  # an error of the disk, or each read gives something else


class Item(NamedTuple):
    """An entry to be read again, as the index has it."""

    path: bytes
    kind: Kind
    fp: bytes
    size: int
    content: bytes


class Checked(NamedTuple):
    """What was found of an item. `found`: the digest of what is there, if that is another one."""

    item: Item
    outcome: Outcome
    found: bytes = b""
    problem: str = ""


class VerifyJob(NamedTuple):
    """Read these again, in order, until `most` bytes are read. Done at idle priority. Answer: Verified."""

    asker: str  # whose walk it is: a large file is read on in its next job
    items: tuple[Item, ...]
    most: int
    bulk: bool = True


class Verified(NamedTuple):
    """What was found of the first items; `read` bytes were read, `partly` of them of the item after those."""

    asker: str
    checked: tuple[Checked, ...]
    read: int
    partly: int


class Entry(NamedTuple):
    """What one node has at a path: what its index says, and what reading has shown."""

    path: bytes
    kind: Kind
    size: int
    content: bytes
    outcome: Outcome = Outcome.SAME


class Apart(NamedTuple):
    """Why a node has something else at a path on purpose. `kind`: that counts only for an entry of this kind; None: for any."""

    path: bytes
    reason: Reason
    kind: Kind | None = None


class What(Enum):
    """What is wrong with a path."""

    ROTTEN = "rotten"
    DOUBTFUL = "doubtful"
    UNREADABLE = "unreadable"
    CHANGING = "changing"
    DIFFERENT = "different"  # two nodes have different versions
    MISSING = "missing"  # only one of two nodes has it


class Finding(NamedTuple):
    """`at`: the replica that has it so; "": this node. A difference is between this node and `at`."""

    path: bytes
    what: What
    at: str


_WRONG = {
    Outcome.ROTTEN: What.ROTTEN,
    Outcome.DOUBTFUL: What.DOUBTFUL,
    Outcome.UNREADABLE: What.UNREADABLE,
    Outcome.CHANGED: What.CHANGING,
}


def key_of(path: bytes) -> tuple[bytes, bytes]:
    """The order in which nodes go through a folder: by the folder that an entry is in, then by its name."""
    parent, _, name = path.rpartition(b"/")
    return parent, name


def entry_of(checked: Checked) -> Entry:
    item = checked.item
    return Entry(item.path, item.kind, item.size, item.content, checked.outcome)


def compare(
    mine: Mapping[bytes, Entry], theirs: Mapping[str, Mapping[bytes, Entry]], skipped: Collection[bytes] = ()
) -> list[Finding]:
    """What is wrong in one part of the folder. `theirs`: by peer, the same part there. `skipped`: paths that this node does
    not share, or has otherwise on purpose."""
    found = [Finding(path, what, "") for path, what in _wrong(mine.values())]
    for peer, entries in theirs.items():
        found += [Finding(path, what, peer) for path, what in _wrong(entries.values()) if path not in skipped]
        for path in sorted(mine.keys() | entries.keys()):
            here, there = mine.get(path), entries.get(path)
            if path in skipped or (here is not None and there is not None and _is_same(here, there)):
                continue
            is_both = here is not None and there is not None
            found.append(Finding(path, What.DIFFERENT if is_both else What.MISSING, peer))
    return found


def _wrong(entries: Iterable[Entry]) -> list[tuple[bytes, What]]:
    return [(one.path, _WRONG[one.outcome]) for one in entries if one.outcome is not Outcome.SAME]


def _is_same(here: Entry, there: Entry) -> bool:
    """True if both nodes mean the same content. Whether each has it, its own outcome says."""
    return (here.kind, here.content) == (there.kind, there.content)
