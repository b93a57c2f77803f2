"""How two members of a closed mesh prove themselves to each other before the first HELLO (docs/protocol.md, section 5.2).

In:   our credentials, fresh ephemeral keys, and frames that anybody may have sent. Out: the frames to answer with; in the end
      who the other side is, and the two directions of the sealed stream.
Rule: a stranger is answered with nothing. The first frame is checked by symmetric cryptography alone; only who has the gate's key
      costs us more. A first frame that comes again is dropped, too.
It imports `cryptography`, so only closed meshes import it.
"""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from dir_sync.core.keys import GENERATION_MAX, Gate, MeshKey, Role, identity_of
from dir_sync.core.model import PeerError
from dir_sync.core.noise import KEY_BYTES, TAG_BYTES, Handshake, HandshakeError, Suite, hkdf, public_of
from dir_sync.core.sealed import Opener, Sealer
from dir_sync.core.sha256 import sha256
from dir_sync.core.strict_json import no_duplicates, no_such_number

__all__ = [
    "FIRST_BYTES",
    "HEAD_BYTES",
    "KINDS",
    "SECOND_BYTES",
    "THIRD_BYTES",
    "Another",
    "Answering",
    "Calling",
    "Credentials",
    "Door",
    "Member",
]

PROLOGUE: Final = b"dir_sync/1 link"
KINDS: Final[dict[Suite, int]] = {"ChaChaPoly": 0x10, "AESGCM": 0x11}  # the first byte of each frame of the handshake
HEAD_BYTES: Final = 8  # of a frame: its length
PAYLOAD_BYTES: Final = 256
FIRST_BYTES: Final = 1 + KEY_BYTES + TAG_BYTES  # bodies of the three frames
SECOND_BYTES: Final = 1 + KEY_BYTES + (KEY_BYTES + TAG_BYTES) + (PAYLOAD_BYTES + TAG_BYTES)
THIRD_BYTES: Final = 1 + (KEY_BYTES + TAG_BYTES) + (PAYLOAD_BYTES + TAG_BYTES)
REMEMBERED: Final = 4_096  # first frames that are known when they come again

_is_key_id = re.compile("[0-9a-f]{32}").fullmatch
_PATTERN: Final = "XXpsk0"
_ROLE_LABEL: Final = b"dir_sync 1 role"
_SUITES: Final[dict[int, Suite]] = {kind: suite for suite, kind in KINDS.items()}
_STRANGER: Final = "it does not have the key of this mesh"


@dataclass(frozen=True)
class Credentials:
    """By what this machine proves itself, and whom it admits."""

    key: MeshKey
    static: bytes = field(repr=False)  # the private key that is this machine's identity
    removed: frozenset[str] = frozenset()  # identities that are not let in, whatever they prove
    older: tuple[tuple[str, Gate], ...] = ()  # ids and gates of keys that were ours: who was away still has them
    admitted: frozenset[Role] = frozenset(Role)  # roles that are let in

    @property
    def identity(self) -> str:
        return identity_of(public_of(self.static))

    @property
    def gates(self) -> dict[str, Gate]:
        """Of our key, and of those that were ours, by the id of the key."""
        return {self.key.id: self.key.gate, **dict(self.older)}


@dataclass(frozen=True)
class Member:
    """Who is at the other end of a sealed link."""

    identity: str
    role: Role


@dataclass(frozen=True)
class Another:
    """Somebody with the key of one of our doors, and with another mesh key than ours: `membership.meet` says what to do
    with it. Its identity is proved, and what it says of its key is not."""

    identity: str
    key: str  # the id of the key that it says it has
    generation: int
    gate: str  # the id of the key whose door this is


class Calling:
    """The side that has dialled."""

    def __init__(self, credentials: Credentials, suite: Suite, ephemeral: bytes, gate: str = "") -> None:
        """`gate`: the id of the key whose door is knocked at, if it is not that of our own key."""
        self._credentials = credentials
        self._gate = gate or credentials.key.id
        self._kind = KINDS[suite]
        psk = credentials.gates[self._gate].psk
        self._noise = Handshake(_PATTERN, True, PROLOGUE, credentials.static, ephemeral, [psk], suite)

    def first(self) -> bytes:
        """The frame to begin with."""
        return _frame(self._kind, self._noise.write())

    def third(self, second: bytes) -> tuple[bytes, Member | Another]:
        """The last frame, and who has answered. `second`: the body of what came. Raises HandshakeError: hang up, say nothing."""
        if len(second) != SECOND_BYTES or second[0] != self._kind:
            raise HandshakeError(_STRANGER)
        member = _checked(self._credentials, self._gate, self._noise, self._noise.read(second[1:]))
        return _frame(self._kind, self._noise.write(_payload(self._credentials))), member

    def streams(self) -> tuple[Sealer, Opener]:
        """After `third`."""
        return _streams(self._noise)


class Answering:
    """The side that was dialled, for one caller that has the gate's key."""

    def __init__(self, credentials: Credentials, gate: str, noise: Handshake, kind: int) -> None:
        """Made by `Door.knock`."""
        self._credentials = credentials
        self._gate = gate
        self._noise = noise
        self._kind = kind

    def second(self) -> bytes:
        """The frame to answer with."""
        return _frame(self._kind, self._noise.write(_payload(self._credentials)))

    def finish(self, third: bytes) -> Member | Another:
        """Who has called. `third`: the body of what came. Raises HandshakeError: hang up, say nothing."""
        if len(third) != THIRD_BYTES or third[0] != self._kind:
            raise HandshakeError(_STRANGER)
        return _checked(self._credentials, self._gate, self._noise, self._noise.read(third[1:]))

    def streams(self) -> tuple[Sealer, Opener]:
        """After `finish`."""
        return _streams(self._noise)


class Door:
    """Who may have an answer at all: who has the gate of our key, or of one that was ours. Keeps what of the check is the
    same for all callers."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self._prepared = {
            kind: {key: _prepared(gate, suite) for key, gate in credentials.gates.items()}
            for suite, kind in KINDS.items()
        }
        self._seen: OrderedDict[bytes, None] = OrderedDict()

    def knock(self, first: bytes, ephemeral: bytes) -> Answering:
        """`first`: the body of the first frame that came. Raises HandshakeError: hang up, say nothing."""
        kind = first[0] if first else -1
        suite = _SUITES.get(kind)
        if suite is None or len(first) != FIRST_BYTES:
            raise HandshakeError(_STRANGER)
        caller, tag = first[1 : 1 + KEY_BYTES], first[1 + KEY_BYTES :]
        known = (key for key, prepared in self._prepared[kind].items() if _has_key(prepared, suite, caller, tag))
        gate = next(known, None)
        if gate is None:
            raise HandshakeError(_STRANGER)
        if caller in self._seen:
            raise HandshakeError("it repeats what another one has said")
        self._seen[caller] = None
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        credentials = self._credentials
        psk = credentials.gates[gate].psk
        noise = Handshake(_PATTERN, False, PROLOGUE, credentials.static, ephemeral, [psk], suite)
        noise.read(first[1:])
        return Answering(credentials, gate, noise, kind)


def _prepared(gate: Gate, suite: Suite) -> tuple[bytes, bytes]:
    """Hash and chaining key after the prologue and the psk, as a Handshake has them: equal for all callers."""
    name = f"Noise_{_PATTERN}_25519_{suite}_SHA256".encode()
    start = name.ljust(32, b"\0") if len(name) <= 32 else sha256(name)
    chaining_key, temp, _ = hkdf(start, gate.psk, 3)
    return sha256(sha256(start + PROLOGUE) + temp), chaining_key


def _has_key(prepared: tuple[bytes, bytes], suite: Suite, caller: bytes, tag: bytes) -> bool:
    """True if `tag` seals nothing under the key that follows from the psk and the caller's ephemeral key."""
    h, chaining_key = prepared
    key = hkdf(chaining_key, caller, 2)[1]
    aead: AESGCM | ChaCha20Poly1305 = AESGCM(key) if suite == "AESGCM" else ChaCha20Poly1305(key)
    try:
        aead.decrypt(bytes(12), tag, sha256(h + caller))
    except InvalidTag:
        return False
    return True


def _payload(credentials: Credentials) -> Callable[[bytes], bytes]:
    def make(bound: bytes) -> bytes:
        key = credentials.key
        fields = {
            "role": key.role.value,
            "proof": key.sign(_ROLE_LABEL + bound).hex(),
            "generation": key.generation,
            "key": key.id,
        }
        data = json.dumps(fields, separators=(",", ":")).encode("ascii")
        assert len(data) <= PAYLOAD_BYTES
        return data.ljust(PAYLOAD_BYTES)

    return make


def _checked(credentials: Credentials, gate: str, noise: Handshake, payload: bytes) -> Member | Another:
    """Who has sent that payload. Raises HandshakeError."""
    try:
        fields = json.loads(
            payload, object_pairs_hook=no_duplicates, parse_constant=no_such_number, parse_float=no_such_number
        )
        role, proof = Role(fields["role"]), bytes.fromhex(fields["proof"])
        generation, key_id = fields["generation"], fields["key"]
    except (ValueError, KeyError, TypeError, RecursionError, PeerError):
        raise HandshakeError("it has the key of the door, and says nothing that this version understands") from None
    if type(generation) is not int or not 0 < generation <= GENERATION_MAX:
        raise HandshakeError("it has the key of the door, and says nothing that this version understands")
    if not isinstance(key_id, str) or not _is_key_id(key_id):
        raise HandshakeError("it has the key of the door, and says nothing that this version understands")
    if gate != credentials.key.id or key_id != credentials.key.id:
        return Another(identity_of(noise.rs), key_id, generation, gate)
    if not credentials.key.has_proved(role, proof, _ROLE_LABEL + noise.bound):
        raise HandshakeError("it has the key of the door, and does not have the role that it claims")
    if role not in credentials.admitted:
        raise HandshakeError(f"its key is {role.words}, and this version does not know how to treat such a machine")
    identity = identity_of(noise.rs)
    if identity in credentials.removed:
        raise HandshakeError("it was removed from this mesh")
    return Member(identity, role)


def _streams(noise: Handshake) -> tuple[Sealer, Opener]:
    sending, receiving = noise.split()
    return Sealer(sending), Opener(receiving)


def _frame(kind: int, message: bytes) -> bytes:
    return (1 + len(message)).to_bytes(HEAD_BYTES, "big") + bytes([kind]) + message
