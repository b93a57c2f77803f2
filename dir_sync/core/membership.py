"""Who belongs to a closed mesh, and what two of its members do when they meet (docs/protocol.md, section 5.5).

All that counts travels with the key: for whom it was made (its list), against whom, and the gates of older keys. What
other members only tell of stands apart, and no key is given out for it.

In:   a Membership, and what a peer has shown on a sealed link: its identity, its key, the gate that both of them know.
Out:  a Meeting: what to do with it; a Membership that has changed; the charter of a new key.
Rule: each side decides by itself. A key goes only to the identities on its own list.

Rule: no number that a peer names, and no list, can use up what this machine needs to make a key of its own.

May import of core: limits. Used by: charters, pairing, rekeying, network.sealing, security, cli.members.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

from dir_sync.core import limits
from dir_sync.core.named import NamedTuple

__all__ = [
    "GENERATIONS_AHEAD_MAX",
    "GENERATION_MAX",
    "MEMBERS_MAX",
    "OLDER_GATES_MAX",
    "REMOVED_MAX",
    "REMOVES_NOBODY",
    "ROLES",
    "Charter",
    "Gate",
    "Meeting",
    "Member",
    "Membership",
    "has_room",
    "heard_of",
    "is_forgotten",
    "is_new_key_good",
    "leave_out",
    "meet",
    "merged",
    "met",
    "role_to_give",
    "seen",
    "taken",
]

ROLES: Final = ("ro", "rw")  # read-only, read-write: each has what those before it have
MEMBERS_MAX: Final = limits.MEMBERS_MAX
REMOVED_MAX: Final = limits.REMOVED_MAX
OLDER_GATES_MAX: Final = 8
GENERATION_MAX: Final = 2**31 - 1
GENERATIONS_AHEAD_MAX: Final = limits.GENERATIONS_AHEAD_MAX
_CLOCK_SANE_S: Final = limits.CLOCK_SANE_NS // 10**9
FORGOTTEN_AFTER_S: Final = 90 * 86_400  # who came by the key alone and was not seen for so long gives way first

REMOVES_NOBODY: Final = "this machine is a read-only member: remove others on a machine that may write"  # for people

T = TypeVar("T")


class Member(NamedTuple):
    """One machine, as others know it."""

    identity: str  # 32 hex digits: the first 16 bytes of SHA-256 of its static public key
    name: str
    role: str
    since_s: int = 0  # by the clock of whoever let it in; for people only
    by: str = ""  # the identity that let it in by a code; "": it had the key


class Gate(NamedTuple):
    """What is kept of an older key: enough to be met by those who still have it, too little to read anything."""

    generation: int
    key: str  # id of that key
    secret: bytes

    def __repr__(self) -> str:
        return f"Gate({self.generation}, {self.key})"


@dataclass(frozen=True, slots=True)
class Charter:
    """What a key says of itself. The secret travels beside it."""

    generation: int
    key: str  # its id: 32 hex digits, the first 16 bytes of SHA-256 of its public key
    members: Mapping[str, Member]  # for whom it was made, by identity: confirmed by a person
    removed: frozenset[str]  # the identities against which it was made


@dataclass(frozen=True, slots=True)
class Membership:
    """What one member knows of its mesh. Each change makes a new one."""

    me: str  # our identity
    role: str
    charter: Charter
    older: tuple[Gate, ...] = ()  # those of our own last keys first
    met: Mapping[str, Member] = field(default_factory=dict)  # seen here, with this very key, by identity
    told: Mapping[str, Member] = field(default_factory=dict)  # hearsay, for people
    seen: Mapping[str, int] = field(
        default_factory=dict
    )  # when each was here last (Unix time, our own clock), by identity
    since_s: int = 0  # when we founded or joined it (Unix time, our own clock); 0: not known; for people only

    def everybody(self) -> dict[str, Member]:
        """All of whom this member knows or has heard, without those who were removed."""
        known = {**self.told, **self.met, **self.charter.members}
        return {identity: one for identity, one in known.items() if identity not in self.charter.removed}

    @property
    def count(self) -> int:
        """How many belong to the mesh, as far as this member knows, with itself."""
        return len({*self.everybody(), self.me})

    def known_role(self, identity: str) -> str | None:
        """The role of a peer that this member itself knows: on the list, or met. None: it does not know it."""
        if identity in self.charter.removed:
            return None
        one = self.charter.members.get(identity) or self.met.get(identity)
        return None if one is None else one.role


class Meeting(enum.Enum):
    """What to do with a peer that has proved its identity, and that it knows the gate of this link."""

    TALK = "it has the same key"
    REMOVED = "it was removed, or this machine was"
    GIVE = "it has an older key and is on the list of ours: it gets ours"
    TAKE = "it has a later key, and is somebody from whom we take one"
    MERGE = "both keys are new to the other: this side makes one of both"
    TELL = "both keys are new to the other: that side makes one of both, and needs our charter"
    DISPUTE = "no key goes over, and people are told"


def meet(mine: Membership, peer: str, peer_key: str, gate: str) -> Meeting:
    """The rules of a meeting, seen from one side.

    `peer`: its identity; `peer_key`: the id of the key that it says it has; `gate`: the id of the key whose gate opened
    this link, ours or an older one. There are four cases:

    1. Both have the same key: they talk, unless the key was made against one of them.
    2. Its key is one of our older ones: it gets ours if it is on the list of ours. Having been met is not enough.
    3. The link is under our own gate and its key is another one: it is ahead. We take its key if we know it.
    4. The link is under an older gate and neither knows the other's key: two were removed at the same time. If each is
       on the other's list, the one with the smaller key makes a key of both.
    """
    charter = mine.charter
    if peer_key == charter.key:
        if gate != charter.key:
            return Meeting.DISPUTE  # an id that equals ours, and another key
        return Meeting.REMOVED if peer in charter.removed or mine.me in charter.removed else Meeting.TALK
    if gate == charter.key:
        return Meeting.TAKE if _may_hand_over(mine, peer) else Meeting.DISPUTE
    if peer in charter.removed:
        return Meeting.REMOVED
    if any(one.key == peer_key for one in mine.older):
        return Meeting.GIVE if _may_have_key(mine, peer) else Meeting.DISPUTE
    if not _may_have_key(mine, peer) or mine.role != "rw" or mine.known_role(peer) != "rw":
        return Meeting.DISPUTE
    return Meeting.MERGE if charter.key < peer_key else Meeting.TELL


def _may_have_key(mine: Membership, peer: str) -> bool:
    return peer in mine.charter.members and role_to_give(mine, peer) is not None


def _may_hand_over(mine: Membership, peer: str) -> bool:
    """Only who may write makes keys. A key that a read-only member hands over could be one of its own, in which it is
    the writer: not even other read-only members take one from it."""
    return mine.known_role(peer) == "rw"


def role_to_give(mine: Membership, peer: str) -> str | None:
    """The role that a peer gets with our key: that on its list. None if it is not there, or we may only read ourselves:
    nobody takes a key from such a member."""
    one = mine.charter.members.get(peer)
    if one is None or peer in mine.charter.removed or mine.role != "rw":
        return None
    return one.role


def is_new_key_good(mine: Membership, peer: str, charter: Charter) -> bool:
    """Whether the key that a peer hands over takes the place of ours: a later one, for us, not against the peer itself,
    and for nobody against whom ours was made. A generation far above ours is none that people have made: whoever took it
    would have no number left for a key of its own."""
    return (
        _may_hand_over(mine, peer)
        and 0 < charter.generation - mine.charter.generation <= GENERATIONS_AHEAD_MAX
        and mine.charter.removed.isdisjoint(charter.members.keys() - charter.removed)
        and mine.me in charter.members
        and mine.me not in charter.removed
        and peer not in charter.removed
    )


def merged(mine: Membership, peer: str, theirs: Charter, key: str) -> Charter | None:
    """The charter of a new key `key` for all that stand on both lists. None if one of the two would not be among them, or
    would not take it."""
    if abs(theirs.generation - mine.charter.generation) >= GENERATIONS_AHEAD_MAX:
        return None
    removed = mine.charter.removed | theirs.removed
    members = _on_both(mine.charter.members, theirs.members)
    members = {identity: one for identity, one in members.items() if identity not in removed}
    if mine.me not in members or peer not in members:
        return None
    generation = max(mine.charter.generation, theirs.generation) + 1
    return Charter(generation, key, members, _removed(mine, theirs.removed)) if generation <= GENERATION_MAX else None


def _removed(mine: Membership, more: frozenset[str]) -> frozenset[str]:
    """Those who were removed before, and `more`. If they are too many, those of whom we never knew are left out first. That
    gives them nothing: a key goes to who is on its list."""
    known = mine.everybody()
    both = sorted(mine.charter.removed | more, key=lambda one: (one not in known, one not in mine.charter.removed, one))
    return frozenset(both[:REMOVED_MAX])


def _on_both(mine: Mapping[str, Member], theirs: Mapping[str, Member]) -> dict[str, Member]:
    """The role is the lower one of both: no side gets anybody more than the other one wanted."""
    return {
        identity: one if ROLES.index(one.role) <= ROLES.index(theirs[identity].role) else theirs[identity]
        for identity, one in mine.items()
        if identity in theirs
    }


def taken(mine: Membership, charter: Charter, secret: bytes, older: Iterable[Gate]) -> Membership:
    """`mine` with a new key. `secret`: the gate of the key that it replaces. `older`: those that came with the new one.
    Who was met with the old key only is not known any more. Who was removed stays removed."""
    role = charter.members[mine.me].role if mine.me in charter.members else mine.role
    return replace(
        mine,
        role=role,
        charter=replace(charter, removed=_removed(mine, charter.removed)),
        older=_gates(mine, charter, secret, older),
        met=_of(mine.met, charter.members),
        told={},
        seen=_of(mine.seen, charter.members),
    )


def _gates(mine: Membership, charter: Charter, secret: bytes, came: Iterable[Gate]) -> tuple[Gate, ...]:
    """First those of our own last keys: no gate takes their places that only came with the new key. It may be made up, and
    then nobody who was away would be met any more."""
    own = [Gate(mine.charter.generation, mine.charter.key, secret), *mine.older]
    newer = [gate for gate in [*own, *came] if gate.generation < charter.generation]
    newer.sort(key=lambda gate: (-gate.generation, gate.key))
    kept: dict[str, Gate] = {}
    for gate in [*own[: OLDER_GATES_MAX // 2], *newer]:
        if gate.key != charter.key and len(kept) < OLDER_GATES_MAX:
            kept.setdefault(gate.key, gate)
    return tuple(kept.values())


def _of(known: Mapping[str, T], identities: Iterable[str]) -> dict[str, T]:
    return {identity: known[identity] for identity in identities if identity in known}


def met(mine: Membership, peer: Member, at_s: int = 0) -> Membership:
    """`peer` is here with our key, and has proved its role. What others said of it before, such as who let it in, stays
    beside that. `at_s`: the time now. If there is no room, hearsay gives way, and then who came by the key alone."""
    if peer.identity in (mine.me, *mine.charter.removed):
        return mine
    before = mine.met.get(peer.identity) or mine.told.get(peer.identity) or mine.charter.members.get(peer.identity)
    if before is not None:
        peer = peer._replace(since_s=before.since_s or peer.since_s, by=before.by or peer.by)
    known = {*mine.charter.members, *mine.met, mine.me}
    if peer.identity not in known and len(known) >= MEMBERS_MAX:
        giving_way = _gives_way(mine, at_s, is_wanted=peer.by == mine.me)
        if giving_way is None:
            return mine
        mine = _without(mine, giving_way)
    elif before is None and mine.count >= MEMBERS_MAX:
        told = [one for identity, one in mine.told.items() if identity not in known]
        mine = replace(mine, told={one.identity: one for one in told[1:]})
    return seen(replace(mine, met={**mine.met, peer.identity: peer}), peer.identity, at_s)


def seen(mine: Membership, identity: str, at_s: int) -> Membership:
    """That member is here, or was until now."""
    if at_s <= 0 or identity not in {*mine.met, *mine.charter.members}:
        return mine
    return replace(mine, seen={**mine.seen, identity: at_s})


def is_forgotten(mine: Membership, identity: str, now_s: int) -> bool:
    """True for who came by the key alone, stands on no list, and was not here for a long time."""
    last = mine.seen.get(identity, 0)
    return _came_alone(mine, identity) and last >= _CLOCK_SANE_S and now_s - last > FORGOTTEN_AFTER_S


def _came_alone(mine: Membership, identity: str) -> bool:
    one = mine.met.get(identity)
    return one is not None and not one.by and identity not in mine.charter.members


def _gives_way(mine: Membership, now_s: int, is_wanted: bool) -> str | None:
    """Who gives up its place: of those that came by the key alone the one that was not here for longest. `is_wanted`: a
    person here lets somebody in by a code, who comes before them even if they were here lately."""
    alone = [one for one in mine.met if _came_alone(mine, one)]
    first = min(alone, key=lambda one: (mine.seen.get(one, 0), one), default=None)
    return first if first is not None and (is_wanted or is_forgotten(mine, first, now_s)) else None


def _without(mine: Membership, identity: str) -> Membership:
    def rest(known: Mapping[str, T]) -> dict[str, T]:
        return {one: value for one, value in known.items() if one != identity}

    return replace(mine, met=rest(mine.met), seen=rest(mine.seen))


def has_room(mine: Membership) -> bool:
    """True if one more can be let in by a code."""
    return len({*mine.charter.members, *mine.met, mine.me}) < MEMBERS_MAX or _gives_way(mine, 0, True) is not None


def heard_of(mine: Membership, members: Iterable[Member]) -> Membership:
    """A peer with our key has told of these. People see them; no key is given to them for that."""
    told = dict(mine.told)
    known = {*mine.everybody(), mine.me}
    for one in members:
        if one.identity in mine.charter.removed or one.identity in known:
            continue
        if len(known) >= MEMBERS_MAX:
            break
        known.add(one.identity)
        told[one.identity] = one._replace(by="") if one.by == mine.me else one  # we know best whom we have let in
    return mine if told == dict(mine.told) else replace(mine, told=told)


def leave_out(
    mine: Membership, lost: Iterable[str], members: Iterable[str], key: str, own: Member | None = None
) -> Charter:
    """The charter of a new key `key`, made by a person here against the identities `lost`, for `members` and ourselves.
    `own`: what is written down of ourselves."""
    known = mine.everybody()
    gone = frozenset(lost) - {mine.me}
    confirmed = {*mine.charter.members, *mine.met}
    others = sorted((known.keys() & members) - gone - {mine.me}, key=lambda one: (one not in confirmed, one))
    known[mine.me] = own or known.get(mine.me) or Member(mine.me, "unnamed", mine.role)
    listed = {identity: known[identity] for identity in sorted([*others[: MEMBERS_MAX - 1], mine.me])}
    return Charter(mine.charter.generation + 1, key, listed, _removed(mine, gone))
