"""Charters, members and gates as JSON: in the file of a key, and in messages of peers (docs/protocol.md, section 5.5).

In:   values of `membership`; or JSON values that anybody may have made. Out: JSON values; the same values again, or PeerError.

May import of core: limits, membership, model. Used by: rekeying, pairing, security.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from dir_sync.core import limits
from dir_sync.core.membership import (
    GENERATION_MAX,
    MEMBERS_MAX,
    OLDER_GATES_MAX,
    REMOVED_MAX,
    ROLES,
    Charter,
    Gate,
    Member,
)
from dir_sync.core.model import PeerError

__all__ = [
    "charter_from_json",
    "charter_to_json",
    "gates_from_json",
    "gates_to_json",
    "members_from_json",
    "members_to_json",
    "seconds_from_json",
    "times_from_json",
]

_SECONDS_MAX: Final = 2**40

_is_identity = re.compile("[0-9a-f]{32}").fullmatch
_is_key_id = re.compile("[0-9a-f]{32}").fullmatch


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
    if type(removed) is not list or len(removed) > REMOVED_MAX:
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


def times_from_json(value: Any) -> dict[str, int]:
    """When members were seen, by identity. PeerError."""
    if type(value) is not dict or len(value) > MEMBERS_MAX:
        raise PeerError("seen is missing or wrong")
    return {_identity(one): _number(at_s, "seen", 1, _SECONDS_MAX) for one, at_s in value.items()}


def seconds_from_json(value: Any) -> int:
    """A time of which 0 means that it is not known. PeerError."""
    return _number(value, "since", 0, _SECONDS_MAX)


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
