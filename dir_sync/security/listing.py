"""Key and members of a mesh as values that can be printed, or cross the control socket. No secret is among them.

In:   a keeper, and which identities are connected. Out: JSON objects.
It imports no cryptography by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dir_sync.core.membership import Member
    from dir_sync.security.keeper import Keeper

__all__ = ["key_words", "members_words"]


def key_words(keeper: Keeper) -> dict[str, Any]:
    key, mine = keeper.kept.key, keeper.membership
    return {
        "fingerprint": key.fingerprint,
        "generation": key.generation,
        "role": mine.role,
        "count": mine.count,
    }


def members_words(keeper: Keeper, on: frozenset[str], now_s: int) -> list[dict[str, Any]]:
    """Every member that is known here, this machine first. `on`: the identities that are connected now. `now_s`: Unix
    time."""
    from dir_sync.core.membership import is_forgotten  # imported late: open nodes need it not

    mine = keeper.membership
    known = mine.everybody()
    names = {one.identity: one.name for one in known.values()} | {mine.me: keeper.name}
    me = keeper.me()

    def words(one: Member) -> dict[str, Any]:
        return {
            "name": one.name,
            "identity": one.identity,
            "role": one.role,
            "since_s": one.since_s,
            "by": names.get(one.by, one.by[:8]),
            "by_identity": one.by,
            "me": one.identity == mine.me,
            "on": one.identity in on,
            "seen_s": now_s if one.identity in (mine.me, *on) else mine.seen.get(one.identity, 0),
            "is_listed": one.identity in mine.charter.members,
            "is_met": one.identity in mine.met,
            "is_forgotten": one.identity not in on and is_forgotten(mine, one.identity, now_s),
        }

    others = sorted(
        (one for one in known.values() if one.identity != mine.me), key=lambda one: (one.name, one.identity)
    )
    return [words(me), *map(words, others)]
