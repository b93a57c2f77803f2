"""The key and the membership of one folder as they are now: every change goes through here, to the disk first.

In:   what was kept; what peers, codes and people change. Out: what counts now, to any thread; `changed` is called when the
      node has to begin anew with another key.
Rule: a change that was made from what does not count any more is dropped: whoever made it meets the peer again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace

from dir_sync.core import membership
from dir_sync.core.keys import MeshKey
from dir_sync.core.membership import Member, Membership
from dir_sync.security import files, store
from dir_sync.security.store import Kept, Removal

__all__ = ["Keeper"]

_UNSAVED_S = 3_600  # a node that is killed knows by so much less when others were here


class Keeper:
    """Any thread."""

    def __init__(self, folder: str, kept: Kept, static: bytes, name: str, changed: Callable[[], None]) -> None:
        """`static`: the private key of this machine's identity; `name`: of this node. `changed` must not wait."""
        self.folder = folder
        self.static = static
        self.name = name
        self._changed = changed
        self._lock = threading.Lock()
        # Under _lock, for who writes.
        self._kept = kept
        self._saved = kept

    @property
    def kept(self) -> Kept:
        return self._kept

    @property
    def membership(self) -> Membership:
        return self._kept.membership

    @property
    def removal(self) -> Removal | None:
        return self._kept.removal

    def me(self) -> Member:
        """This machine, as others should note it."""
        mine = self.membership
        known = mine.charter.members.get(mine.me)
        since_s = (known.since_s if known else 0) or mine.since_s
        return Member(mine.me, self.name, mine.role, since_s, known.by if known else "")

    def rekey(self, before: Kept, key: MeshKey, mine: Membership) -> bool:
        """Go over to another key, unless something else has changed since `before`. ConfigError if it cannot be kept."""
        with self._lock:
            now = self._kept
            if self._is_replaced() or now.key is not before.key or _known(now.membership) != _known(before.membership):
                return False
            self._keep(replace(before, key=key, membership=mine, removal=None))
            files.write_marker(self.folder, key.fingerprint)
        self._changed()
        return True

    def met(self, peer: Member) -> None:
        """It is here, and has proved that it has our key. ConfigError if that cannot be kept."""
        with self._lock:
            self._become(membership.met(self.membership, peer, int(time.time())))

    def parted(self, identity: str) -> None:
        """That member was here until now. ConfigError if that cannot be kept."""
        with self._lock:
            self._become(membership.seen(self.membership, identity, int(time.time())))

    def was_removed(self, by: str) -> bool:
        """A member with that name says so. False: one has said so before. ConfigError if that cannot be kept."""
        with self._lock:
            if self._kept.removal is not None:
                return False
            self._keep(replace(self._kept, removal=Removal(by, int(time.time()))))
        return True

    def forget(self) -> None:
        """A person leaves the mesh: nothing of it is kept from now on. ConfigError."""
        with self._lock:
            store.forget(self.folder)  # before the mark: a folder that is marked and has no key stays closed
            files.remove_marker(self.folder)

    def finish(self) -> None:
        """What is not on the disk yet gets there. ConfigError."""
        with self._lock:
            if self._kept is not self._saved:
                self._keep(self._kept)

    def heard_of(self, members: Iterable[Member]) -> None:
        """A member has told of these. ConfigError if that cannot be kept."""
        with self._lock:
            self._become(membership.heard_of(self.membership, members))

    def _become(self, mine: Membership) -> None:
        """When somebody was seen is for people, and is not written for every link."""
        if mine == self.membership:
            return
        kept, saved = replace(self._kept, membership=mine), self._saved.membership
        late_s = max((at_s - saved.seen.get(one, 0) for one, at_s in mine.seen.items()), default=0)
        if late_s > _UNSAVED_S or _known(mine) != _known(saved):
            self._keep(kept)
        else:
            self._kept = kept

    def _keep(self, kept: Kept) -> None:
        if not self._is_replaced():
            store.save(self.folder, kept)
        self._kept = self._saved = kept

    def _is_replaced(self) -> bool:
        """True if what is on the disk is not ours to change any more: a person has left this mesh, has joined with a code, or
        has deleted the key, which does not come back then."""
        found = store.load(self.folder)
        return found is None or found.key.id != self._saved.key.id


def _known(mine: Membership) -> Membership:
    """All but when somebody was seen: no key is made from that."""
    return replace(mine, seen={})
