"""Decide what this node should do about one path.

In:   our record, the records that peers announced.
Out:  one decision. Nothing is read, written or remembered here.
Rule: the record with the larger stamp wins, vectors are joined; so merging is a join, and the order in which
      messages arrive cannot matter. The vector decides one thing only: whether the winner's maker knew the loser.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from dir_sync.core import limits
from dir_sync.core.model import (
    Kind,
    Record,
    Stamp,
    Vector,
    has_seen,
    is_first_scan,
    join,
    same_content,
    same_version,
)

__all__ = ["Answer", "Decision", "Join", "Nothing", "Offer", "Take", "answer", "changed", "decide"]


_STAMP_STEP = 1024  # ns


class Offer(NamedTuple):
    """A record that a peer announced and that we do not hold (yet)."""

    peer: str
    record: Record
    foreign: bool  # a tombstone told during the first contact: its maker did not know our copy


class Nothing(NamedTuple):
    """We hold the best there is."""


class Join(NamedTuple):
    """We hold the best there is, and now know more of what it has seen: `record` is ours with the joined vector."""

    record: Record


class Answer(NamedTuple):
    """Our live content met a concurrent tombstone: it must live on, above `top`."""

    top: Record


class Take(NamedTuple):
    """`record` (vector joined) should be here. `conflict`: what it displaces was made without knowledge of it."""

    record: Record
    conflict: bool


Decision = Nothing | Join | Answer | Take


def decide(mine: Record | None, offers: Iterable[Offer]) -> Decision:
    """What to do about a path. `offers`: any number, in any order."""
    best = mine
    foreign = False
    offers = list(offers)
    for offer in offers:
        if best is None or offer.record.stamp > best.stamp:
            best, foreign = offer.record, offer.foreign
    if best is None:
        return Nothing()
    if mine is not None and mine.kind != Kind.ABSENT and best.kind == Kind.ABSENT:
        # Known here: the tombstone has the larger stamp. Did its maker know our content?
        if not has_seen(best, mine) or (foreign and is_first_scan(mine)):
            return Answer(best)
    vector = best.vector
    if mine is not None:
        vector = join(vector, mine.vector)
    for offer in offers:
        theirs = offer.record
        if best.kind == Kind.ABSENT and theirs.kind != Kind.ABSENT and not has_seen(best, theirs):
            continue  # whoever holds that content will answer; joining now would let it die
        vector = join(vector, theirs.vector)
    if mine is not None and mine.stamp == best.stamp:
        if vector == mine.vector:
            return Nothing()
        return Join(mine._replace(vector=vector))
    conflict = (
        mine is not None
        and mine.kind not in (Kind.ABSENT, Kind.DIRECTORY)
        and not has_seen(best, mine)
        and not same_content(mine, best)
    )
    return Take(best._replace(vector=vector), conflict)


def changed(previous: Record | None, now: Record, node: str, sequence: int, stamp_ns: int) -> Record:
    """The record of a change made on `node`: newer than what it replaces, whatever the clocks say.

    `now` carries path, kind, size, content, mtime and mode; `stamp_ns` is when it was made, as far as anyone knows."""
    vector: Vector = ((node, sequence),)
    stamp_ns = min(max(stamp_ns, 1), limits.STAMP_NS_MADE_MAX)
    is_time = now.kind != Kind.DIRECTORY  # a folder's tells when something in it was changed
    if previous is not None:
        is_time = is_time and stamp_ns > previous.stamp.ns
        stamp_ns = max(stamp_ns, previous.stamp.ns + 1)
        vector = join(previous.vector, vector)
    stamp = Stamp(stamp_ns, node) if is_time else _stamp(stamp_ns, node, sequence)
    return now._replace(stamp=stamp, vector=vector)


def _stamp(least_ns: int, node: str, sequence: int) -> Stamp:
    """For what is not dated by a time of its own: the next stamp whose last microsecond comes from the sequence. A node that
    works with a backup of its index, and comes to the same number again for another change, does not give it out twice."""
    return Stamp(min(least_ns + (sequence - least_ns) % _STAMP_STEP, limits.STAMP_NS_MAX), node)


def answer(mine: Record, top: Record, node: str, sequence: int) -> Record:
    """Our live record again, above `top`, in knowledge of it."""
    stamp = _stamp(max(mine.stamp.ns, top.stamp.ns) + 1, node, sequence)
    vector = join(join(mine.vector, top.vector), ((node, sequence),))
    return mine._replace(stamp=stamp, vector=vector)


def holds(offer: Offer, wanted: Record) -> bool:
    """True if that peer has the content of `wanted`."""
    return same_version(offer.record, wanted) or same_content(offer.record, wanted)
