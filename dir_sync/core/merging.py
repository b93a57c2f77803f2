"""Text conflicts that merge themselves: which node does it, from which common version, and what comes out of it.

In:   the version that won, the version that lost, and earlier versions whose contents are kept here.
Out:  the node that merges; the base of the merge; the record of the result. Nothing is read or written here.
Rule: of the two nodes that made the versions, the one with the smaller id merges, so nobody else ever does. The base is
a version from which both were really made: a vector says that a node *knew* a version, which is not enough here. If that
cannot be proved, nothing is merged, and the conflict stays one. It stays one too if both changed the owner, the permissions
or the extended attributes in different ways. A mode and an ACL are one part: they never come from two sides.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from dir_sync.core import limits
from dir_sync.core.attributes import NOTHING, Acl, Attributes, Owner
from dir_sync.core.model import Kind, Record, Vector, counter_of, join, lineage_of, unstamped
from dir_sync.core.named import NamedTuple

__all__ = [
    "TextMerged",
    "common_version",
    "do_parts_clash",
    "includes",
    "is_text",
    "may_merge",
    "merged",
    "merger_of",
    "with_loser",
]

_GRAIN_NS = 2 * 10**9  # of times on the coarsest file system, FAT
_T = TypeVar("_T")
_NO_ACLS: tuple[Acl, Acl] = ((), ())


class TextMerged(NamedTuple):
    """For people (`core.notes`): a text that lost a conflict was merged here with what won, and has the changes of both."""

    path: bytes


def is_text(data: bytes) -> bool:
    """True for text in UTF-8: without NUL, and decodable."""
    if b"\0" in data:
        return False
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def may_merge(record: Record) -> bool:
    """True if that version is small enough to be merged, if it is text."""
    return record.kind is Kind.FILE and 0 < record.size <= limits.MERGE_BYTES_MAX


def merger_of(winner: Record, loser: Record) -> str:
    """The replica that merges this conflict: the smaller one of those that made the two versions."""
    return min(winner.stamp.maker, loser.stamp.maker)


def common_version(winner: Record, loser: Record, kept: Sequence[Record]) -> Record | None:
    """The newest of the kept versions from which both were made; None: none is known."""
    common = [one for one in kept if includes(winner, one, kept) and includes(loser, one, kept)]
    return max(common, key=lambda one: one.stamp, default=None)


def includes(later: Record, earlier: Record, kept: Sequence[Record]) -> bool:
    """True if `later` was certainly made from `earlier`, directly or by way of the kept versions.

    The lineage has one counter for each maker, the highest. There are three cases:

    1. The counter is lower, or there is none: no.
    2. It is the one of `earlier`: yes.
    3. It is higher. The maker has changed the path again. That later version was made from `earlier` if nothing of
       another node came in between (`_continues`). Otherwise a third version, kept here, may join the two."""
    reached, ahead = {earlier.stamp}, [earlier]
    while ahead:
        one = ahead.pop()
        if _follows(later, one, kept):
            return True
        for other in kept:
            if other.stamp not in reached and other.stamp != later.stamp and _follows(other, one, kept):
                reached.add(other.stamp)
                ahead.append(other)
    return False


def _follows(later: Record, earlier: Record, kept: Sequence[Record]) -> bool:
    """`includes` without a third version."""
    maker = earlier.stamp.maker
    made, known = counter_of(lineage_of(earlier), maker), counter_of(lineage_of(later), maker)
    if later.stamp == earlier.stamp or made is None or known is None or known < made:
        return False
    if known == made:
        return True
    by_maker = (one for one in (later, *kept) if one.stamp.maker == maker)
    last = next((one for one in by_maker if counter_of(lineage_of(one), maker) == known), None)
    return last is not None and _continues(last, earlier)


def _continues(later: Record, earlier: Record) -> bool:
    """True if both have one maker, and nothing that another node made came in between."""
    maker = earlier.stamp.maker
    return _without(lineage_of(later), maker) == _without(lineage_of(earlier), maker)


def _without(vector: Vector, maker: str) -> Vector:
    return tuple(entry for entry in vector if entry[0] != maker)


def with_loser(winner: Record, loser: Record) -> Record:
    """What a merged version replaces: the winner, with knowledge of the loser, as if it had been made from both."""
    vector = join(winner.vector, loser.vector)
    lineage = join(lineage_of(winner), lineage_of(loser))
    return winner._replace(vector=vector, lineage=() if lineage == vector else lineage)


class _Parts(NamedTuple):
    """What of a version is merged as a whole, beside its text. Where nobody said anything, there is no ACL and no
    extended attribute."""

    owner: Owner | None
    permissions: tuple[int, tuple[Acl, Acl]]
    xattrs: tuple[tuple[bytes, bytes], ...]


def _parts(record: Record) -> _Parts:
    owner, acls, xattrs, _ = record.attributes or NOTHING
    return _Parts(owner, (record.mode, acls or _NO_ACLS), xattrs or ())


def _changed(mine: _T, theirs: _T, before: _T) -> _T:
    return theirs if mine == before else mine


def do_parts_clash(winner: Record, loser: Record, base: Record) -> bool:
    """True if both sides changed the owner, the permissions or the extended attributes in different ways: then a person
    decides."""
    sides = zip(_parts(winner), _parts(loser), _parts(base), strict=True)
    return any(mine != theirs and before not in (mine, theirs) for mine, theirs, before in sides)


def merged(winner: Record, loser: Record, base: Record, content: bytes, size: int, now_ns: int) -> Record:
    """The merged version, before it is a record. Owner, permissions and extended attributes are those that were changed, of
    the winner if both changed them. Its mtime is later than both others, and one that every file system can store."""
    latest = max(winner.mtime, loser.mtime)
    now = now_ns - now_ns % _GRAIN_NS
    mtime = now if now > latest else latest + _GRAIN_NS
    if content == winner.content:
        mtime = winner.mtime
    mine, theirs, before = _parts(winner), _parts(loser), _parts(base)
    owner = _changed(mine.owner, theirs.owner, before.owner)
    mode, acls = _changed(mine.permissions, theirs.permissions, before.permissions)
    xattrs = _changed(mine.xattrs, theirs.xattrs, before.xattrs)
    found = unstamped(winner.path, Kind.FILE, size, content, mtime, mode)
    said = [record.attributes for record in (winner, loser) if record.attributes is not None]
    attributes = Attributes(
        owner if owner is not None else next((one.owner for one in said if one.owner is not None), None),
        acls if any(one.acls is not None for one in said) else None,
        xattrs if any(one.xattrs is not None for one in said) else None,
    )
    return found if attributes == NOTHING else found._replace(attributes=attributes)
