"""The datagram that says: here is an invitation (docs/protocol.md, section 5.4). It names the public letters of its code.

In:   channel and port; or bytes that anybody may have sent. Out: the datagram; channel and port, or None.

May import of core: base32, limits, messages, strict_json. Used by: network.gate, security.
"""

from __future__ import annotations

import json
from typing import Final

from dir_sync.core import base32, limits
from dir_sync.core.messages import PROTOCOL
from dir_sync.core.strict_json import no_duplicates, no_such_number

__all__ = ["QUESTION_BYTES", "decode_invitation", "encode_invitation"]

QUESTION_BYTES: Final = 36  # the first frame of somebody who has a code: 0x12, two letters, 33 bytes of SPAKE2


def encode_invitation(channel: str, port: int) -> bytes:
    """The datagram; `port`: TCP, where the inviter listens."""
    fields = {"dir_sync": PROTOCOL, "mesh": "closed", "invite": [channel, port]}
    return json.dumps(fields, separators=(",", ":")).encode("ascii")


def decode_invitation(data: bytes) -> tuple[str, int] | None:
    """None for anything but an invitation. Never raises."""
    if len(data) > limits.BEACON_BYTES_MAX:
        return None
    try:
        fields = json.loads(
            data.decode("ascii"),
            object_pairs_hook=no_duplicates,
            parse_constant=no_such_number,
            parse_float=no_such_number,
        )
    except (ValueError, RecursionError):
        return None
    if not isinstance(fields, dict) or type(fields.get("dir_sync")) is not int or fields["dir_sync"] != PROTOCOL:
        return None
    invite = fields.get("invite")
    if fields.get("mesh") != "closed" or not isinstance(invite, list) or len(invite) != 2:
        return None
    channel, port = invite
    if not isinstance(channel, str) or len(channel) != 2 or any(letter not in base32.LETTERS for letter in channel):
        return None
    return (channel, port) if type(port) is int and 1 <= port <= 65535 else None
