"""What is kept of closed meshes on this machine: for each folder its key and its membership, and who this machine is.

In:   a folder's real path. Out: the key and the membership that are kept for it; the machine's identity.
Rule: a file that cannot be understood is never taken for one that is not there.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass, replace

from dir_sync.config import ConfigError
from dir_sync.core.charters import (
    charter_from_json,
    charter_to_json,
    gates_from_json,
    gates_to_json,
    members_from_json,
    members_to_json,
    seconds_from_json,
    times_from_json,
)
from dir_sync.core.keys import KeyTextError, MeshKey, identity_of
from dir_sync.core.membership import Charter, Membership
from dir_sync.core.model import PeerError, show
from dir_sync.core.named import NamedTuple
from dir_sync.core.noise import KEY_BYTES, public_of
from dir_sync.folder import user_state
from dir_sync.security import files

__all__ = ["Kept", "Removal", "begin", "forget", "identity", "known_identity", "load", "save", "with_identity"]

_VERSION = 1


class Removal(NamedTuple):
    """A member has said that this machine was removed."""

    by: str  # its name
    at_s: int  # Unix time


@dataclass(frozen=True, slots=True)
class Kept:
    """All that is kept for one folder."""

    key: MeshKey
    membership: Membership
    static: bytes = (
        b""  # the private key by which this machine joined with a code; b"": it is known by that of the machine
    )

    removal: Removal | None = None  # it counts until there is another key

    def __repr__(self) -> str:
        return f"Kept({self.key})"


def begin(key: MeshKey, me: str) -> Kept:
    """For a machine that has a key from a file, and knows nobody yet. `me`: its identity."""
    charter = Charter(key.generation, key.id, {}, frozenset())
    return Kept(key, Membership(me, key.role.value, charter, since_s=int(time.time())))


def identity() -> bytes:
    """The private key by which this machine is known in all its meshes; made if there is none. ConfigError."""
    found = known_identity()
    if found is None:
        with files.keys_folder(create=True) as keys:
            assert keys is not None
            made = {"version": _VERSION, "static": os.urandom(KEY_BYTES).hex()}
            files.keep_first(keys, files.IDENTITY, _dumped(made))
        found = known_identity()  # another process may have been first
    if found is None:
        raise ConfigError(_damaged_identity())
    return found


def known_identity() -> bytes | None:
    """The same; None if there is none. ConfigError."""
    with files.keys_folder() as keys:
        data = None if keys is None else files.read_kept(keys, files.IDENTITY)
    if data is None:
        return None
    try:
        fields = json.loads(data)
        static = bytes.fromhex(fields["static"])
        if fields["version"] == _VERSION and len(static) == KEY_BYTES:
            return static
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    raise ConfigError(_damaged_identity())


def load(folder: str) -> Kept | None:
    """None if nothing is kept for that folder. ConfigError if it cannot be used."""
    name = files.name_for(folder)
    with files.keys_folder() as keys:
        data = None if keys is None else files.read_kept(keys, name)
    if data is None:
        return None
    try:
        return _kept(data, folder)
    except (ValueError, KeyError, TypeError, PeerError, RecursionError):
        # The cause would quote what is in the file.
        path = user_state.state_path(f"keys/{name}")
        raise ConfigError(
            f"{_shown(path)}, which holds the key of {_shown(folder)}, is damaged: restore it, or remove it and give"
            " --key-file"
        ) from None


def save(folder: str, kept: Kept) -> None:
    """ConfigError."""
    membership = kept.membership
    fields = {
        "version": _VERSION,
        "folder": os.fsencode(folder).decode("utf-8", "surrogateescape"),
        "key": kept.key.text,
        "me": membership.me,
        "static": kept.static.hex(),
        "charter": charter_to_json(membership.charter),
        "older": gates_to_json(membership.older),
        "met": members_to_json(membership.met.values()),
        "told": members_to_json(membership.told.values()),
        "seen": dict(membership.seen),
        "since": membership.since_s,
        "removal": None if kept.removal is None else list(kept.removal),
    }
    with files.keys_folder(create=True) as keys:
        assert keys is not None
        files.write_kept(keys, files.name_for(folder), _dumped(fields))


def forget(folder: str) -> None:
    """ConfigError."""
    with files.keys_folder() as keys:
        if keys is not None:
            files.remove_kept(keys, files.name_for(folder))


def with_identity(kept: Kept, static: bytes) -> Kept:
    """The same, for the identity that this machine has now: it has another one if that was lost."""
    me = identity_of(public_of(static))
    return kept if kept.membership.me == me else replace(kept, membership=replace(kept.membership, me=me))


def _kept(data: bytes, folder: str) -> Kept:
    fields = json.loads(data)
    if fields["version"] != _VERSION or os.fsdecode(fields["folder"].encode("utf-8", "surrogateescape")) != folder:
        raise ValueError
    try:
        key = MeshKey.from_text(fields["key"])
    except KeyTextError:
        raise ValueError from None
    static = bytes.fromhex(fields.get("static", ""))
    if len(static) not in (0, KEY_BYTES):
        raise ValueError
    charter = charter_from_json(fields["charter"])
    if (charter.key, charter.generation) != (key.id, key.generation) or not isinstance(fields["me"], str):
        raise ValueError
    return Kept(
        key,
        Membership(
            fields["me"],
            key.role.value,
            charter,
            gates_from_json(fields["older"]),
            {one.identity: one for one in members_from_json(fields["met"])},
            {one.identity: one for one in members_from_json(fields["told"])},
            times_from_json(fields.get("seen", {})),
            seconds_from_json(fields.get("since", 0)),
        ),
        static,
        _removal(fields.get("removal")),
    )


def _removal(value: object) -> Removal | None:
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != 2 or type(value[0]) is not str or type(value[1]) is not int:
        raise TypeError
    by, at_s = value
    return Removal(by, at_s)


def _damaged_identity() -> str:
    path = user_state.state_path(f"keys/{files.IDENTITY}")
    return f"{_shown(path)}, by which this machine is known, is damaged: restore it, or remove it to begin anew"


def _dumped(fields: dict[str, object]) -> bytes:
    return json.dumps(fields, indent=1).encode("ascii") + b"\n"


def _shown(path: str) -> str:
    return show(os.fsencode(path))
