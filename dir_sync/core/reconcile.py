"""Decide what this node should do about one path.

In:   our record, the records that peers announced.
Out:  one decision. Nothing is read, written or remembered here. A mode in which a node only sends, or only receives, is one
      more argument here, and one in `engine.publisher`.
Rule: the record with the larger stamp wins, vectors are joined; so merging is a join, and the order in which
      messages arrive cannot matter. The vector decides whether the winner's maker knew the loser (for the name of a
      conflict its lineage: the vector may have been joined with the loser's since); and it alone decides against a stamp
      that was far ahead of the clock of whoever replaced that version (`model.beats`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from dir_sync.core import limits
from dir_sync.core.model import (
    Kind,
    Record,
    Stamp,
    Vector,
    beats,
    has_seen,
    is_first_scan,
    join,
    joined,
    lineage_of,
    made_from,
    same_content,
    same_version,
    with_change,
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


def decide(mine: Record | None, offers: Iterable[Offer], spent: Collection[tuple[Stamp, Stamp]] = ()) -> Decision:
    """What to do about a path. `offers`: any number, in any order. `spent`: (winner, loser) of versions that have won here
    against a larger stamp already; they win so once, so that forged vectors which claim to know each other in a circle
    cannot keep nodes busy for ever."""
    best = mine
    foreign = False
    offers = list(offers)
    for offer in offers:
        theirs = offer.record
        if best is None or theirs.stamp > best.stamp or (theirs.stamp == best.stamp and beats(theirs, best)):
            best, foreign = offer.record, offer.foreign
    if best is None:
        return Nothing()
    if best.stamp.ns - min(one.stamp.ns for one in _versions(mine, offers)) > limits.STAMP_GAP_NS:
        best = _best_by_causality(_versions(mine, offers), spent)
        foreign = any(offer.foreign for offer in offers if offer.record is best)
    if mine is not None and mine.kind != Kind.ABSENT and best.kind == Kind.ABSENT:
        # Known here: the tombstone has the larger stamp. Did its maker know our content?
        if not has_seen(best, mine) or (foreign and is_first_scan(mine)):
            return Answer(best)
    wanted = best if mine is None else joined(best, mine)
    for offer in offers:
        theirs = offer.record
        if best.kind == Kind.ABSENT and theirs.kind != Kind.ABSENT and not has_seen(best, theirs):
            continue  # whoever holds that content will answer; joining now would let it die
        wanted = joined(wanted, theirs)
    if mine is not None and mine.stamp == best.stamp and not beats(best, mine):
        if wanted.vector == mine.vector:
            return Nothing()
        return Join(mine._replace(vector=wanted.vector, lineage=wanted.lineage))
    conflict = (
        mine is not None
        and mine.kind not in (Kind.ABSENT, Kind.DIRECTORY)
        and not made_from(best, mine)
        and not same_content(mine, best)
    )
    return Take(wanted, conflict)


def _versions(mine: Record | None, offers: Sequence[Offer]) -> list[Record]:
    """All versions that are known of. Of several told with one stamp and one body, each: their vectors differ."""
    told = [offer.record for offer in offers]
    return told if mine is None else [mine, *told]


def _best_by_causality(versions: list[Record], spent: Collection[tuple[Stamp, Stamp]]) -> Record:
    """The largest stamp among those that no other version was made in knowledge of; if forged vectors leave none, of all."""
    left = [
        one
        for one in versions
        if not any(
            other.stamp < one.stamp and beats(other, one) and (other.stamp, one.stamp) not in spent
            for other in versions
        )
    ]
    best, *others = left or versions
    for one in others:
        if one.stamp > best.stamp or (one.stamp == best.stamp and beats(one, best)):
            best = one
    return best


def changed(
    previous: Record | None,
    now: Record,
    node: str,
    sequence: int,
    stamp_ns: int,
    latest_ns: int = limits.STAMP_NS_MAX,
) -> Record:
    """The record of a change made on `node`: it takes the place of what it replaces, whatever the clocks say.

    `now` carries path, kind, size, content, mtime and mode; `stamp_ns` is when it was made, as far as anyone knows. If
    what it replaces is dated beyond `latest_ns`, its stamp does not go on from there: it wins because its vector has seen
    the other one (`model.beats`), and from then on the path is dated like all others."""
    vector: Vector = ((node, sequence),)
    lineage = vector
    stamp_ns = min(max(stamp_ns, 1), limits.STAMP_NS_MADE_MAX)
    is_time = now.kind != Kind.DIRECTORY  # a folder's tells when something in it was changed
    if previous is not None:
        if previous.stamp.ns > latest_ns:
            is_time = False
        else:
            is_time = is_time and stamp_ns > previous.stamp.ns
            stamp_ns = max(stamp_ns, previous.stamp.ns + 1)
        vector = with_change(previous.vector, node, sequence, previous.stamp.maker)
        lineage = with_change(lineage_of(previous), node, sequence, previous.stamp.maker)
    stamp = Stamp(stamp_ns, node) if is_time else _stamp(stamp_ns, node, sequence)
    return now._replace(stamp=stamp, vector=vector, lineage=() if lineage == vector else lineage)


def _stamp(least_ns: int, node: str, sequence: int) -> Stamp:
    """For what is not dated by a time of its own: the next stamp whose last microsecond comes from the sequence. A node that
    works with a backup of its index, and comes to the same number again for another change, does not give it out twice."""
    return Stamp(min(least_ns + (sequence - least_ns) % _STAMP_STEP, limits.STAMP_NS_MAX), node)


def answer(
    mine: Record,
    top: Record,
    node: str,
    sequence: int,
    now_ns: int = 0,
    latest_ns: int = limits.STAMP_NS_MAX,
    is_meant: bool = False,
) -> Record:
    """Our live record again, in knowledge of `top`, and above it; but not above what is dated beyond `latest_ns`, as in
    `changed`. `is_meant`: a person knew `top` and wants ours; else what `top` held is the loser of a conflict."""
    known = [record.stamp.ns for record in (mine, top) if record.stamp.ns <= latest_ns]
    stamp = _stamp(max(known, default=max(now_ns, 1)) + 1, node, sequence)
    makers = mine.stamp.maker, top.stamp.maker
    vector = with_change(join(mine.vector, top.vector), node, sequence, *makers)
    lineage = lineage_of(mine)
    if is_meant or top.kind == Kind.ABSENT:
        lineage = join(lineage, lineage_of(top))
    lineage = with_change(lineage, node, sequence, *makers)
    return mine._replace(stamp=stamp, vector=vector, lineage=() if lineage == vector else lineage)


def holds(offer: Offer, wanted: Record) -> bool:
    """True if that peer has the content of `wanted`."""
    return same_version(offer.record, wanted) or same_content(offer.record, wanted)
