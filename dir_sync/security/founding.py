"""An open folder becomes the first of a closed mesh, and a person removes members of one.

In:   a folder, or a keeper and the identities that a person has named. Out: a new key, kept.
Rule: the key is on the disk before anybody hears of it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from dir_sync.config import ConfigError
from dir_sync.core.keys import GENERATION_MAX, MeshKey, identity_of
from dir_sync.core.membership import REMOVES_NOBODY, leave_out, taken
from dir_sync.core.noise import public_of
from dir_sync.security import files, store
from dir_sync.security.keeper import Keeper
from dir_sync.security.store import Kept

__all__ = ["found", "remove"]


def found(folder: str) -> Kept:
    """A closed mesh that has this machine alone. ConfigError if the folder belongs to one, or the key cannot be kept."""
    if files.is_closed(folder):
        raise ConfigError("the folder belongs to a closed mesh already")
    key = MeshKey.made_of(os.urandom(32))
    kept = store.begin(key, identity_of(public_of(store.identity())))
    store.save(folder, kept)  # before the mark: a folder that is marked has a key
    files.write_marker(folder, key.fingerprint)
    return kept


def remove(keeper: Keeper, lost: Iterable[str], stay: Iterable[str]) -> MeshKey:
    """A new key, against the identities `lost`, for this machine and `stay`. ConfigError."""
    before = keeper.kept
    mine = before.membership
    if mine.role != "rw":
        raise ConfigError(REMOVES_NOBODY)
    if mine.me in lost:
        raise ConfigError("a machine does not remove itself: use 'leave', or 'remove' on another machine")
    if before.key.generation >= GENERATION_MAX:
        raise ConfigError("this mesh has had too many keys: found a new one")
    key = MeshKey.made_of(os.urandom(32), before.key.generation + 1)
    charter = leave_out(mine, lost, stay, key.id, keeper.me())
    if not keeper.rekey(before, key, taken(mine, charter, before.key.gate.secret, ())):
        raise ConfigError("the key has changed in this moment, or its file was deleted: try again")
    return key
