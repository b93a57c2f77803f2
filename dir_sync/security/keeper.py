"""The key and the membership of one folder as they are now: every change goes through here, to the disk first.

In:   what was kept; what peers, codes and people change. Out: what counts now, to any thread; `changed` is called when the
      node has to begin anew with another key.
Rule: a change that was made from what does not count any more is dropped: whoever made it meets the peer again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import NamedTuple

from dir_sync.core import membership
from dir_sync.core.keys import MeshKey
from dir_sync.core.membership import Member, Membership
from dir_sync.security import files, store
from dir_sync.security.store import Kept

__all__ = ["Keeper", "Removal"]


class Removal(NamedTuple):
    """A member has said that this machine was removed."""

    by: str  # its name
    at_s: int  # Unix time


class Keeper:
    """Any thread."""

    def __init__(self, folder: str, kept: Kept, static: bytes, name: str, changed: Callable[[], None]) -> None:
        """`static`: the private key of this machine's identity; `name`: of this node. `changed` must not wait."""
        self.folder = folder
        self.static = static
        self.name = name
        self._changed = changed
        self.removal: Removal | None = None
        self._lock = threading.Lock()
        self._kept = kept

    @property
    def kept(self) -> Kept:
        return self._kept

    @property
    def membership(self) -> Membership:
        return self._kept.membership

    def me(self) -> Member:
        """This machine, as others should note it."""
        mine = self.membership
        known = mine.charter.members.get(mine.me)
        return Member(mine.me, self.name, mine.role, known.since_s if known else 0, known.by if known else "")

    def rekey(self, before: Kept, key: MeshKey, mine: Membership) -> bool:
        """Go over to another key, unless something else has changed since `before`. ConfigError if it cannot be kept."""
        with self._lock:
            if self._kept is not before:
                return False
            self._keep(replace(before, key=key, membership=mine))
            files.write_marker(self.folder, key.fingerprint)
        self._changed()
        return True

    def met(self, peer: Member) -> None:
        """It has proved that it has our key. ConfigError if that cannot be kept."""
        with self._lock:
            self._become(membership.met(self.membership, peer))

    def heard_of(self, members: Iterable[Member]) -> None:
        """A member has told of these. ConfigError if that cannot be kept."""
        with self._lock:
            self._become(membership.heard_of(self.membership, members))

    def _become(self, mine: Membership) -> None:
        if mine is not self.membership:
            self._keep(replace(self._kept, membership=mine))

    def _keep(self, kept: Kept) -> None:
        store.save(self.folder, kept)
        self._kept = kept
