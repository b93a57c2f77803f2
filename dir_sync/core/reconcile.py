"""Decides what this node should do about one path.

In:   our record, and the records that peers announced.
Out:  one decision. Nothing is read, written or stored here. The mode of the node is an argument; each mode is one function.
Rule: the record with the larger stamp wins, and vectors are joined. A merge is thus a join, and the order of messages
does not matter. The vector shows whether the winner's maker knew the loser (for a conflict the lineage is used, since
the vector may have been joined with the loser's). There is one exception: if a stamp was far ahead of the clock of the
node that replaced its version, the vector decides against it (`model.beats`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from dir_sync.core import limits
from dir_sync.core.attributes import merged
from dir_sync.core.mode import OURS, THEIRS, Mode, is_own, is_own_first
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
    same_body,
    same_content,
    with_change,
)
from dir_sync.core.named import NamedTuple

__all__ = [
    "Answer",
    "Decision",
    "Join",
    "Nothing",
    "Offer",
    "Rebase",
    "Refuse",
    "Take",
    "answer",
    "apart",
    "changed",
    "decide",
    "mirror",
    "receive_only",
    "revert",
    "send_only",
    "two_way",
]


_STAMP_STEP = 1024  # ns


class Offer(NamedTuple):
    """A record that a peer announced and that this node does not have (yet)."""

    peer: str
    record: Record
    foreign: bool  # a tombstone from the first contact: its maker did not know our copy


class Nothing(NamedTuple):
    """Our record is the best."""


class Join(NamedTuple):
    """Our record is the best, and the offers add to its vector: `record` is ours with the joined vector."""

    record: Record


class Answer(NamedTuple):
    """Our content met a concurrent tombstone. The content survives, with a record above `top`."""

    top: Record


class Take(NamedTuple):
    """`record` (vector joined) should be here. `conflict`: the displaced version was made without knowledge of it."""

    record: Record
    conflict: bool


class Refuse(NamedTuple):
    """`record` would be the best, and this node does not take what others change."""

    record: Record


class Rebase(NamedTuple):
    """Ours stays on this node. The version of the mesh, to which it can be reverted, is now `record`."""

    record: Record


Decision = Nothing | Join | Answer | Take | Refuse | Rebase
Spent = Collection[tuple[Stamp, Stamp]]


def decide(mine: Record | None, offers: Iterable[Offer], spent: Spent = (), mode: Mode = Mode.TWO_WAY) -> Decision:
    """What to do about a path, in this mode of the node. `offers`: any number, in any order. `spent`: pairs of a winner
    and a loser with a larger stamp that were decided here before. Such a winner wins only once, so forged vectors that
    claim to include each other in a circle cannot keep nodes busy forever."""
    return _MODES[mode](mine, list(offers), spent)


def two_way(mine: Record | None, offers: list[Offer], spent: Spent = ()) -> Decision:
    """The newest version wins, by the total order."""
    best = mine
    foreign = False
    least_ns = limits.STAMP_NS_MAX if mine is None else mine.stamp.ns
    for offer in offers:
        theirs = offer.record
        stamp = theirs.stamp
        if stamp.ns < least_ns:
            least_ns = stamp.ns
        if best is None or stamp > best.stamp or (stamp == best.stamp and beats(theirs, best)):
            best, foreign = theirs, offer.foreign
    if best is None:
        return Nothing()
    if best.stamp.ns - least_ns > limits.STAMP_GAP_NS:
        best = _best_by_causality(_versions(mine, offers), spent)
        foreign = any(offer.foreign for offer in offers if offer.record is best)
    if best.kind == Kind.ABSENT and (mine is None or mine.kind == Kind.ABSENT):
        kept = _kept_against(best, offers, spent)
        if kept is not None:
            best, foreign = kept.record, kept.foreign
    if mine is not None and mine.kind != Kind.ABSENT and best.kind == Kind.ABSENT:
        # The tombstone has the larger stamp. Did its maker know our content?
        if not has_seen(best, mine) or (foreign and is_first_scan(mine)):
            return Answer(best)
    wanted = best if mine is None else joined(best, mine)
    for offer in offers:
        theirs = offer.record
        if theirs is best:
            continue
        if best.kind == Kind.ABSENT and theirs.kind != Kind.ABSENT and not has_seen(best, theirs):
            continue  # a node with that content will reassert it; a join now would delete it
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


def send_only(mine: Record | None, offers: list[Offer], spent: Spent = ()) -> Decision:
    """What peers change is not taken. There are two exceptions: what a person here restores, and a version that changes
    nothing here."""
    decision = two_way(mine, offers, spent)
    if not isinstance(decision, Take):
        return decision
    wanted = decision.record
    if wanted.kind == Kind.ABSENT if mine is None else same_body(mine, wanted):
        return decision
    meant = two_way(mine, [offer for offer in offers if offer.peer.startswith(OURS)], spent)
    return meant if isinstance(meant, Take) else Refuse(wanted)


def receive_only(mine: Record | None, offers: list[Offer], spent: Spent = ()) -> Decision:
    """What is changed here stays here, until the mesh has a newer version. A content that was changed here survives a
    deletion elsewhere. A version of ours that a peer deleted without knowing it is not announced again: those who made it
    do that. No deletion is foreign to what is not an own change: it came from the mesh. What the mesh had at the path of
    an own change is known from announcements only. If peers have another version now, that one counts: who still has the
    better one announces it again."""
    restored = [offer.record for offer in offers if offer.peer.startswith(OURS) and is_own(offer.record)]
    if restored and (mine is None or restored[0].stamp > mine.stamp):
        return Take(restored[0], False)
    if mine is None or not is_own(mine):
        decision = two_way(mine, [offer._replace(foreign=False) for offer in offers], spent)
        return Nothing() if isinstance(decision, Answer) else decision
    theirs = _mesh_version(offers)
    if theirs is not None and is_own(theirs):
        theirs = None  # nothing is there
    decision = two_way(theirs, [one for one in offers if one.peer != THEIRS and not is_own(one.record)], spent)
    newest = decision.record if isinstance(decision, (Take, Join)) else theirs
    if newest is not None and same_body(mine, newest):
        return Take(newest, False)
    match decision:
        case Take(wanted) if wanted.kind == Kind.ABSENT and mine.kind != Kind.ABSENT:
            return Rebase(wanted)
        case Take(wanted):
            return Take(wanted, mine.kind in (Kind.FILE, Kind.SYMLINK) and not same_content(mine, wanted))
        case Join(record):
            return Rebase(_now_there(theirs, offers) or record)
        case Answer(top):
            return Rebase(top)
    return Nothing()


def mirror(mine: Record | None, offers: list[Offer], spent: Spent = ()) -> Decision:
    """What is changed here is undone. What was here before the first contact stays until a person reverts it."""
    if mine is not None and is_own_first(mine):
        return receive_only(mine, offers, spent)
    return revert(mine, offers, spent)


def revert(mine: Record | None, offers: list[Offer], spent: Spent = ()) -> Decision:
    """What was changed here only becomes what the mesh has, or nothing."""
    decision = receive_only(mine, offers, spent)
    if mine is None or not is_own(mine) or isinstance(decision, Take):
        return decision
    theirs = decision.record if isinstance(decision, Rebase) else _mesh_version(offers)
    return Nothing() if theirs is None else Take(theirs, False)


def apart(mine: Record | None, offers: list[Offer], spent: Spent = ()) -> Decision:
    """What is here is too large to be shared: it stays, whatever the mesh has. Only a person here replaces it."""
    decision = receive_only(mine, offers, spent)
    if not isinstance(decision, Take) or mine is None or not is_own(mine):
        return decision
    stamp = decision.record.stamp
    is_meant = any(offer.peer.startswith(OURS) and offer.record.stamp == stamp for offer in offers)
    return decision if is_meant else Rebase(decision.record)


def _now_there(known: Record | None, offers: list[Offer]) -> Record | None:
    """The best version that peers announced in place of `known`, made without knowledge of each other; None if there is
    none, or if one of them announced `known`, too."""
    told = [one for one in offers if one.peer not in ("", THEIRS) and not one.peer.startswith(OURS)]
    if known is None or any(one.record.stamp == known.stamp for one in told):
        return None
    decision = two_way(None, [one for one in told if not has_seen(known, one.record)])
    return decision.record if isinstance(decision, Take) else None


def _mesh_version(offers: Iterable[Offer]) -> Record | None:
    """What the mesh has at a path that was changed here only; nothing, if the record is one of ours."""
    return next((offer.record for offer in offers if offer.peer == THEIRS), None)


def _versions(mine: Record | None, offers: Sequence[Offer]) -> list[Record]:
    """All known versions. If several have the same stamp and body, each of them: their vectors differ."""
    told = [offer.record for offer in offers]
    return told if mine is None else [mine, *told]


def _best_by_causality(versions: list[Record], spent: Spent) -> Record:
    """The largest stamp among versions that no other version includes; if forged vectors exclude all, among all
    versions."""
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
        if _is_newer(one, best):
            best = one
    return best


def _is_newer(one: Record, other: Record) -> bool:
    """By the stamps, whatever the vectors say."""
    return one.stamp > other.stamp or (one.stamp == other.stamp and beats(one, other))


def _kept_against(gone: Record, offers: Iterable[Offer], spent: Spent) -> Offer | None:
    """The newest content below this tombstone whose holder knows the tombstone, although the tombstone does not know the
    content. It lost against what had replaced the tombstone by the exception (`model.beats`), or the like. That holder is
    not told of the tombstone again, and so cannot reassert its content, as others do."""
    best: Offer | None = None
    for offer in offers:
        theirs = offer.record
        if theirs.kind == Kind.ABSENT or not has_seen(theirs, gone) or has_seen(gone, theirs):
            continue
        if (theirs.stamp, gone.stamp) not in spent and (best is None or _is_newer(theirs, best.record)):
            best = offer
    return best


def changed(
    previous: Record | None,
    now: Record,
    node: str,
    sequence: int,
    stamp_ns: int,
    latest_ns: int = limits.STAMP_NS_MAX,
) -> Record:
    """The record of a change made on `node`. It wins over what it replaces, whatever the clocks say.

    `now` has path, kind, size, content, mtime and mode, and the attributes that this node keeps: the others are those of
    `previous`, so a node passes on what it does not keep. `stamp_ns` is the time of the change, as well as it is known.
    If the replaced version is dated beyond `latest_ns`, the new stamp does not continue from there: the new version
    wins because its vector includes the other one (`model.beats`), and from then on the path has a normal stamp."""
    vector: Vector = ((node, sequence),)
    lineage = vector
    stamp_ns = min(max(stamp_ns, 1), limits.STAMP_NS_MADE_MAX)
    is_time = now.kind != Kind.DIRECTORY  # a folder's mtime tells when an entry in it changed, not when its record did
    if previous is not None:
        if previous.stamp.ns > latest_ns:
            is_time = False
        else:
            is_time = is_time and stamp_ns > previous.stamp.ns
            stamp_ns = max(stamp_ns, previous.stamp.ns + 1)
            if is_time and any(maker == node for maker, _ in previous.vector):
                # An earlier version of ours may have this very time: a file can get an old mtime, and the stamps in
                # between may have gone back, at a node whose clock is far behind.
                is_time, stamp_ns = False, stamp_ns + 1
        vector = with_change(previous.vector, node, sequence, previous.stamp.maker)
        lineage = vector
        if previous.lineage:
            lineage = with_change(previous.lineage, node, sequence, previous.stamp.maker)
    stamp = Stamp(stamp_ns, node) if is_time else _stamp(stamp_ns, node, sequence)
    found = now._replace(stamp=stamp, vector=vector, lineage=() if lineage == vector else lineage)
    if previous is not None and previous.attributes is not None and previous.kind == now.kind:
        return found._replace(attributes=merged(previous.attributes, now.attributes))
    return found


def _stamp(least_ns: int, node: str, sequence: int) -> Stamp:
    """The next stamp for a change without a time of its own. Its last microsecond comes from the sequence: a node that
    works with a backup of its index, and reaches the same number for another change, does not use a stamp twice."""
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
    """Our record again, with knowledge of `top` and above it; but not above a stamp beyond `latest_ns`, as in
    `changed`. `is_meant`: a person knew `top` and wants ours; otherwise the content of `top` is the loser of a
    conflict."""
    known = [record.stamp.ns for record in (mine, top) if record.stamp.ns <= latest_ns]
    stamp = _stamp(max(known, default=max(now_ns, 1)) + 1, node, sequence)
    makers = mine.stamp.maker, top.stamp.maker
    vector = with_change(join(mine.vector, top.vector), node, sequence, *makers)
    lineage = lineage_of(mine)
    if is_meant or top.kind == Kind.ABSENT:
        lineage = join(lineage, lineage_of(top))
    lineage = with_change(lineage, node, sequence, *makers)
    return mine._replace(stamp=stamp, vector=vector, lineage=() if lineage == vector else lineage)


_MODES = {
    Mode.TWO_WAY: two_way,
    Mode.SEND_ONLY: send_only,
    Mode.RECEIVE_ONLY: receive_only,
    Mode.MIRROR: mirror,
    Mode.APART: apart,
    Mode.REVERT: revert,
}
