"""What two machines say to each other on a sealed link under the door of an older key (docs/protocol.md, section 5.5).

There they cannot synchronize. One hands its key over, or both make one of both keys, or one says that the other was removed.
Then the link ends, and they meet again with one key.

In:   what this machine knows of its mesh, who the other one is, the frames that it sends. Out: frames; in the end the key and
      the membership that this machine has now, or what people are told.
Rule: `membership` decides. Here that is only said and heard.

It imports `cryptography`, so only closed meshes import it.
May import of core: keys, limits, link_handshake, membership, model, strict_json. Used by: security.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

from dir_sync.core import limits
from dir_sync.core.charters import charter_from_json, charter_to_json, gates_from_json, gates_to_json
from dir_sync.core.keys import GENERATION_MAX, KeyTextError, MeshKey, Role
from dir_sync.core.link_handshake import Another
from dir_sync.core.membership import Gate, Meeting, Membership, is_new_key_good, meet, merged, role_to_give, taken
from dir_sync.core.model import PeerError
from dir_sync.core.strict_json import no_duplicates, no_such_number

__all__ = ["FRAME_BYTES_MAX", "Rekeying"]

FRAME_BYTES_MAX: Final = 512 * limits.KIB
_REMOVED: Final = "removed"
_REFUSED: Final = "refused"


class Rekeying:
    """One side of one such link: `begin`, then `on_frame` for each frame, until `is_over`."""

    def __init__(self, key: MeshKey, membership: Membership, peer: Another, draw: Callable[[int], bytes]) -> None:
        """`draw`: random bytes."""
        self._key = key
        self._mine = membership
        self._peer = peer
        self._draw = draw
        self.verdict = meet(membership, peer.identity, peer.key, peer.gate)
        self.is_over = False
        self.has_given = False  # our key: the other side may still say that it does not take it
        self.changed: tuple[MeshKey, Membership] | None = None  # what this machine has now
        self.was_removed = False  # it says that this machine was removed

    def begin(self) -> list[bytes]:
        """The frames with which we begin."""
        match self.verdict:
            case Meeting.GIVE:
                self.is_over = True
                return [self._rekey(self._key, self._mine)]
            case Meeting.TELL:
                return [_frame("CHARTER", {"charter": charter_to_json(self._mine.charter), "older": self._older()})]
            case Meeting.REMOVED if self._peer.identity in self._mine.charter.removed:
                self.is_over = True
                return [_frame("CLOSE", {"reason": _REMOVED})]
            case Meeting.TAKE | Meeting.MERGE | Meeting.DISPUTE:
                return []
        self.is_over = True
        return []

    def on_frame(self, frame: bytes) -> list[bytes]:
        """The frames that answer that one. PeerError if it is none that may come now."""
        fields = _object(frame)
        if self.has_given and (fields.get("type"), fields.get("reason")) == ("CLOSE", _REFUSED):
            self.verdict = Meeting.DISPUTE
            return []
        match fields.get("type"), self.verdict:
            case "CLOSE", _:
                self.was_removed = fields.get("reason") == _REMOVED and self._is_known()
                self.is_over = True
                return []
            case "REKEY", Meeting.TAKE | Meeting.TELL:
                return self._take(fields)
            case "CHARTER", Meeting.MERGE:
                return self._merge(fields)
        raise PeerError("a message that does not belong there")

    def _is_known(self) -> bool:
        return self._mine.known_role(self._peer.identity) is not None

    def _older(self) -> list[list[Any]]:
        """The gates by which those who have our key, or an older one, may be met."""
        charter = self._mine.charter
        own = Gate(charter.generation, charter.key, self._key.gate.secret)
        return gates_to_json([own, *self._mine.older][:8])

    def _rekey(self, key: MeshKey, membership: Membership) -> bytes:
        """The message that hands over that key. The role is that on its list."""
        role = role_to_give(membership, self._peer.identity)
        assert role is not None, "no key for somebody who is not on its list"
        given = key.read_only() if role == Role.READ_ONLY.value else key
        older = gates_to_json(membership.older)
        self.has_given = True
        return _frame("REKEY", {"key": given.text, "charter": charter_to_json(membership.charter), "older": older})

    def _take(self, fields: dict[str, Any]) -> list[bytes]:
        charter, older = charter_from_json(fields.get("charter")), gates_from_json(fields.get("older"))
        text = fields.get("key")
        try:
            key = MeshKey.from_text(text if isinstance(text, str) else "")
        except KeyTextError:
            raise PeerError("a key that is none") from None
        if (key.id, key.generation) != (charter.key, charter.generation):
            raise PeerError("a key and a charter that do not belong together")
        self.is_over = True
        if not is_new_key_good(self._mine, self._peer.identity, charter):
            self.verdict = Meeting.DISPUTE
            return [_frame("CLOSE", {"reason": _REFUSED})]
        if charter.members[self._mine.me].role != key.role.value:
            raise PeerError("a key of another role than its list has for this machine")
        self.changed = key, taken(self._mine, charter, self._key.gate.secret, older)
        return []

    def _merge(self, fields: dict[str, Any]) -> list[bytes]:
        theirs, older = charter_from_json(fields.get("charter")), gates_from_json(fields.get("older"))
        if theirs.key != self._peer.key:
            raise PeerError("a charter of another key")
        self.is_over = True
        generation = max(theirs.generation, self._mine.charter.generation) + 1
        if generation > GENERATION_MAX:
            return []
        key = MeshKey.made_of(self._draw(32), generation)
        charter = merged(self._mine, self._peer.identity, theirs, key.id)
        if charter is None:
            return []
        membership = taken(self._mine, charter, self._key.gate.secret, older)
        self.changed = key, membership
        return [self._rekey(key, membership)]


def _frame(kind: str, fields: dict[str, Any]) -> bytes:
    return json.dumps({"type": kind, **fields}, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


def _object(frame: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(
            frame.decode("utf-8"),
            object_pairs_hook=no_duplicates,
            parse_constant=no_such_number,
            parse_float=no_such_number,
        )
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        raise PeerError("a message that cannot be read")
    return fields
