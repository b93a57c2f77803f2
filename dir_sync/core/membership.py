"""Who belongs to a closed mesh, and what two of its members do when they meet (docs/protocol.md, section 5.5).

All that counts travels with the key: for whom it was made (its list), against whom, and the gates of older keys. What
other members only tell of stands apart, and no key is given out for it.

In:   a Membership, and what a peer has shown on a sealed link: its identity, its key, the gate that both of them know.
Out:  a Meeting: what to do with it; a Membership that has changed; the charter of a new key.
Rule: each side decides by itself. A key goes only to the identities on its own list.

May import of core: limits, model. Used by: pairing, security, cli.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

from dir_sync.core import limits
from dir_sync.core.model import PeerError

__all__ = [
    "MEMBERS_MAX",
    "OLDER_GATES_MAX",
    "ROLES",
    "Charter",
    "Gate",
    "Meeting",
    "Member",
    "Membership",
    "charter_from_json",
    "charter_to_json",
    "gates_from_json",
    "gates_to_json",
    "heard_of",
    "is_new_key_good",
    "leave_out",
    "let_in_by",
    "meet",
    "members_from_json",
    "members_to_json",
    "merged",
    "met",
    "role_to_give",
    "taken",
]

ROLES: Final = ("ro", "rw")  # read-only, read-write: each has what those before it have
MEMBERS_MAX: Final = limits.MEMBERS_MAX
OLDER_GATES_MAX: Final = 8
GENERATION_MAX: Final = 2**31 - 1
_SECONDS_MAX: Final = 2**40

_is_identity = re.compile("[0-9a-f]{32}").fullmatch
_is_key_id = re.compile("[0-9a-f]{32}").fullmatch


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
    older: tuple[Gate, ...] = ()  # newest first
    met: Mapping[str, Member] = field(default_factory=dict)  # seen here, with this very key, by identity
    told: Mapping[str, Member] = field(default_factory=dict)  # hearsay, for people

    def everybody(self) -> dict[str, Member]:
        """All of whom this member knows or has heard, without those who were removed."""
        known = {**self.told, **self.met, **self.charter.members}
        return {identity: one for identity, one in known.items() if identity not in self.charter.removed}

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
    and against everybody against whom ours was made."""
    return (
        _may_hand_over(mine, peer)
        and charter.generation > mine.charter.generation
        and charter.removed >= mine.charter.removed
        and mine.me in charter.members
        and mine.me not in charter.removed
        and peer not in charter.removed
    )


def merged(mine: Membership, peer: str, theirs: Charter, key: str) -> Charter | None:
    """The charter of a new key `key` for all that stand on both lists. None if one of the two would not be among them."""
    removed = mine.charter.removed | theirs.removed
    members = _on_both(mine.charter.members, theirs.members)
    members = {identity: one for identity, one in members.items() if identity not in removed}
    if mine.me not in members or peer not in members:
        return None
    generation = max(mine.charter.generation, theirs.generation) + 1
    return Charter(generation, key, members, removed) if generation <= GENERATION_MAX else None


def _on_both(mine: Mapping[str, Member], theirs: Mapping[str, Member]) -> dict[str, Member]:
    """The role is the lower one of both: no side gets anybody more than the other one wanted."""
    return {
        identity: one if ROLES.index(one.role) <= ROLES.index(theirs[identity].role) else theirs[identity]
        for identity, one in mine.items()
        if identity in theirs
    }


def taken(mine: Membership, charter: Charter, secret: bytes, older: Iterable[Gate]) -> Membership:
    """`mine` with a new key. `secret`: the gate of the key that it replaces. `older`: those that came with the new one.
    Who was met with the old key only is not known any more."""
    gates = {gate.key: gate for gate in [*older, *mine.older]}
    gates[mine.charter.key] = Gate(mine.charter.generation, mine.charter.key, secret)
    gates.pop(charter.key, None)
    kept = sorted(gates.values(), key=lambda gate: (-gate.generation, gate.key))[:OLDER_GATES_MAX]
    role = charter.members[mine.me].role if mine.me in charter.members else mine.role
    return replace(mine, role=role, charter=charter, older=tuple(kept), met=_still_met(mine, charter), told={})


def _still_met(mine: Membership, charter: Charter) -> dict[str, Member]:
    return {identity: one for identity, one in mine.met.items() if identity in charter.members}


def met(mine: Membership, peer: Member) -> Membership:
    """`peer` was here with our key, and has proved its role. What others said of it before, such as who let it in, stays
    beside that."""
    if peer.identity in (mine.me, *mine.charter.removed):
        return mine
    before = mine.met.get(peer.identity) or mine.told.get(peer.identity) or mine.charter.members.get(peer.identity)
    if before is not None:
        peer = peer._replace(since_s=before.since_s or peer.since_s, by=before.by or peer.by)
    if mine.met.get(peer.identity) == peer:
        return mine
    seen = {*mine.charter.members, *mine.met}
    if peer.identity not in seen and len(seen) >= MEMBERS_MAX:
        return mine
    if before is None and len(mine.everybody()) >= MEMBERS_MAX:  # hearsay gives way to who is here
        told = [one for identity, one in mine.told.items() if identity not in seen]
        mine = replace(mine, told={one.identity: one for one in told[1:]})
    return replace(mine, met={**mine.met, peer.identity: peer})


def heard_of(mine: Membership, members: Iterable[Member]) -> Membership:
    """A peer with our key has told of these. People see them; no key is given to them for that."""
    told = dict(mine.told)
    known = mine.everybody()
    for one in members:
        if one.identity == mine.me or one.identity in mine.charter.removed or one.identity in known:
            continue
        if len(known) + len(told) >= MEMBERS_MAX:
            break
        told[one.identity] = one
    return mine if told == dict(mine.told) else replace(mine, told=told)


def leave_out(
    mine: Membership, lost: Iterable[str], members: Iterable[str], key: str, own: Member | None = None
) -> Charter:
    """The charter of a new key `key`, made by a person here against the identities `lost`, for `members` and ourselves.
    `own`: what is written down of ourselves."""
    known = mine.everybody()
    removed = mine.charter.removed | frozenset(lost) - {mine.me}
    chosen = {identity for identity in members if identity in known} | {mine.me}
    known[mine.me] = own or known.get(mine.me) or Member(mine.me, "unnamed", mine.role)
    listed = {identity: known[identity] for identity in sorted(chosen - removed)}
    return Charter(mine.charter.generation + 1, key, listed, removed)


def let_in_by(mine: Membership, lost: Iterable[str]) -> frozenset[str]:
    """Those whom only the lost ones let in, directly or by others whom these let in."""
    known = mine.everybody()
    found = set(lost)
    while True:
        more = {identity for identity, one in known.items() if one.by in found} - found - {mine.me}
        if not more:
            return frozenset(found - set(lost))
        found |= more


# --- as JSON: in the key's file, and in messages of peers ----------------------------------------------------------------


def charter_to_json(charter: Charter) -> dict[str, Any]:
    return {
        "generation": charter.generation,
        "key": charter.key,
        "members": members_to_json(charter.members.values()),
        "removed": sorted(charter.removed),
    }


def charter_from_json(fields: Any) -> Charter:
    """PeerError if it is not what `charter_to_json` makes."""
    if type(fields) is not dict:
        raise PeerError("charter is missing or wrong")
    removed = fields.get("removed")
    if type(removed) is not list or len(removed) > MEMBERS_MAX:
        raise PeerError("removed is missing or wrong")
    members = members_from_json(fields.get("members"))
    return Charter(
        _number(fields.get("generation"), "generation", 1, GENERATION_MAX),
        _key_id(fields.get("key")),
        {one.identity: one for one in members},
        frozenset(_identity(one) for one in removed),
    )


def members_to_json(members: Iterable[Member]) -> list[list[Any]]:
    return [list(one) for one in sorted(members)]


def members_from_json(value: Any) -> list[Member]:
    """PeerError if it is not what `members_to_json` makes."""
    if type(value) is not list or len(value) > MEMBERS_MAX:
        raise PeerError("members is missing or wrong")
    return [_member(one) for one in value]


def gates_to_json(gates: Iterable[Gate]) -> list[list[Any]]:
    return [[gate.generation, gate.key, gate.secret.hex()] for gate in gates]


def gates_from_json(value: Any) -> tuple[Gate, ...]:
    """PeerError if it is not what `gates_to_json` makes."""
    if type(value) is not list or len(value) > OLDER_GATES_MAX:
        raise PeerError("older is missing or wrong")
    return tuple(_gate(one) for one in value)


def _gate(value: Any) -> Gate:
    if type(value) is not list or len(value) != 3:
        raise PeerError("older is missing or wrong")
    generation, key, secret = value
    if type(secret) is not str or not re.fullmatch("[0-9a-f]{64}", secret):
        raise PeerError("older is missing or wrong")
    return Gate(_number(generation, "generation", 1, GENERATION_MAX), _key_id(key), bytes.fromhex(secret))


def _member(value: Any) -> Member:
    if type(value) is not list or len(value) != 5:
        raise PeerError("members is missing or wrong")
    identity, name, role, since_s, by = value
    if role not in ROLES or (by != "" and not (type(by) is str and _is_identity(by))):
        raise PeerError("members is missing or wrong")
    return Member(_identity(identity), _name(name), role, _number(since_s, "since", 0, _SECONDS_MAX), by)


def _identity(value: Any) -> str:
    if type(value) is not str or not _is_identity(value):
        raise PeerError("identity is missing or wrong")
    return value


def _key_id(value: Any) -> str:
    if type(value) is not str or not _is_key_id(value):
        raise PeerError("key is missing or wrong")
    return value


def _name(value: Any) -> str:
    if type(value) is not str or not 1 <= len(value) <= limits.NAME_CHARS_MAX or not value.isprintable():
        raise PeerError("name is missing or wrong")
    return value


def _number(value: Any, what: str, least: int, most: int) -> int:
    if type(value) is not int or not least <= value <= most:
        raise PeerError(f"{what} is missing or wrong")
    return value
