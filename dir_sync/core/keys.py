"""The keys of a closed mesh: the tree that grows from one secret, and the line of text that a person carries.

In:   32 random bytes, or the text of a key. Out: everything that is derived from it.
Rule: each key is derived one way from the one above: who may read cannot find the key to write, and who only guards the door
      cannot find the key to read. No key shows itself in `repr`, so none gets into a log by accident.
It imports `cryptography`, so only closed meshes import it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from dir_sync.core.base32 import grouped, spell, unspell
from dir_sync.core.sha256 import hmac_sha256, sha256

__all__ = [
    "GENERATION_MAX",
    "KEY_TEXT_CHARS_MAX",
    "SECRET_BYTES",
    "Gate",
    "KeyTextError",
    "MeshKey",
    "Role",
    "derive",
    "fingerprint_of",
    "identity_of",
    "is_signed",
]

SECRET_BYTES: Final = 32
GENERATION_MAX: Final = 2**31 - 1
KEY_TEXT_CHARS_MAX: Final = 256  # of any key text, with room for the blanks around it
_CHECKSUM_BYTES: Final = 4
_GENERATION_BYTES: Final = 4
_SHAPE: Final = re.compile(r"dsk(\d{1,4})-([a-z]{2})-([0-9a-z]+)")


class Role(Enum):
    """What the holder of a key may do."""

    READ_WRITE = "rw"
    READ_ONLY = "ro"

    @property
    def words(self) -> str:
        return "read-write" if self is Role.READ_WRITE else "read-only"


class KeyTextError(ValueError):
    """It is not the text of a key. The message says why, as the end of a sentence, and never quotes the text."""


def derive(secret: bytes, label: str) -> bytes:
    """HKDF-SHA256 (RFC 5869) without salt: 32 bytes for that purpose."""
    extracted = hmac_sha256(bytes(32), secret)
    return hmac_sha256(extracted, b"dir_sync 1 " + label.encode("ascii") + b"\x01")


def identity_of(static: bytes) -> str:
    """The identity of the machine with this X25519 public key: 32 hex digits."""
    return sha256(static)[:16].hex()


def fingerprint_of(key_id: str) -> str:
    """What people call the key with that id, such as 7K3Q-9XMD: its first 40 bits."""
    return grouped(spell(bytes.fromhex(key_id)[:5]))


@dataclass(frozen=True)
class Gate:
    """The key of the door: who has it is answered. It opens no content."""

    secret: bytes

    @cached_property
    def psk(self) -> bytes:
        """Of the handshake."""
        return derive(self.secret, "psk")

    @cached_property
    def beacon(self) -> bytes:
        """Of the presence."""
        return derive(self.secret, "beacon")

    def __repr__(self) -> str:
        return "Gate(...)"


@dataclass(frozen=True)
class MeshKey:
    """The key of one generation of a mesh, as far as a role has it."""

    role: Role
    generation: int
    secret: bytes  # of that role
    writers: bytes  # the public key by which read-write members prove themselves

    @staticmethod
    def made_of(secret: bytes, generation: int = 1) -> MeshKey:
        """The read-write key with that secret, which has to be random."""
        return MeshKey(Role.READ_WRITE, generation, secret, _public(derive(secret, "sign rw")))

    @cached_property
    def gate(self) -> Gate:
        return Gate(derive(self._read_secret, "gate"))

    @cached_property
    def id(self) -> str:
        """32 hex digits, equal for all roles: what nodes call this key."""
        return sha256(self.writers)[:16].hex()

    @property
    def fingerprint(self) -> str:
        return fingerprint_of(self.id)

    @cached_property
    def readers(self) -> bytes:
        """The public key by which read-only members prove themselves."""
        return _public(derive(self._read_secret, "sign ro"))

    def read_only(self) -> MeshKey:
        """The same mesh for who may only read."""
        return MeshKey(Role.READ_ONLY, self.generation, self._read_secret, self.writers)

    def sign(self, data: bytes) -> bytes:
        """The proof, bound to `data`, that we have the key of our role."""
        seed = derive(self.secret, f"sign {self.role.value}")
        return Ed25519PrivateKey.from_private_bytes(seed).sign(data)

    def has_proved(self, role: Role, proof: bytes, data: bytes) -> bool:
        """True if `proof` could be made with the key of `role` only."""
        return is_signed(self.writers if role is Role.READ_WRITE else self.readers, proof, data)

    @property
    def _read_secret(self) -> bytes:
        return self.secret if self.role is Role.READ_ONLY else derive(self.secret, "read")

    # --- as text -----------------------------------------------------------------------------------------------------

    @property
    def text(self) -> str:
        """One line, which a person can carry from machine to machine. Whoever reads it has the role."""
        body = self.generation.to_bytes(_GENERATION_BYTES, "big") + self.secret
        if self.role is Role.READ_ONLY:
            body += self.writers
        return f"dsk1-{self.role.value}-{spell(body + _checksum(self.role, body)).lower()}"

    @staticmethod
    def from_text(text: str) -> MeshKey:
        """The key that `text` says. Raises KeyTextError."""
        shape = _SHAPE.fullmatch(text.strip().lower()) if len(text) <= KEY_TEXT_CHARS_MAX else None
        if shape is None:
            raise KeyTextError("it does not hold a key of dir_sync, which is one line that begins with dsk1-")
        version, name, letters = shape.groups()
        if version != "1":
            raise KeyTextError("its key is of a newer dir_sync: update this one")
        try:
            role = Role(name)
        except ValueError:
            raise KeyTextError("its key is for a role that this dir_sync does not know") from None
        size = _GENERATION_BYTES + SECRET_BYTES * (1 if role is Role.READ_WRITE else 2)
        raw = unspell(letters, size + _CHECKSUM_BYTES)
        if raw is None:
            raise KeyTextError("its key has too few or too many letters")
        body, checksum = raw[:size], raw[size:]
        if checksum != _checksum(role, body):
            raise KeyTextError("its key has a wrong letter (the checksum does not fit)")
        generation = int.from_bytes(body[:_GENERATION_BYTES], "big")
        secret = body[_GENERATION_BYTES : _GENERATION_BYTES + SECRET_BYTES]
        if not 0 < generation <= GENERATION_MAX:
            raise KeyTextError("its key has no generation")
        if role is Role.READ_WRITE:
            return MeshKey.made_of(secret, generation)
        return MeshKey(role, generation, secret, body[_GENERATION_BYTES + SECRET_BYTES :])

    def __repr__(self) -> str:
        return f"MeshKey({self.fingerprint}, {self.role.words}, generation {self.generation})"


def is_signed(public: bytes, proof: bytes, data: bytes) -> bool:
    """True if `proof` is the signature of `data` by the owner of that Ed25519 public key."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(proof, data)
    except (InvalidSignature, ValueError):
        return False
    return True


def _public(seed: bytes) -> bytes:
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def _checksum(role: Role, body: bytes) -> bytes:
    return sha256(b"dir_sync 1 key " + role.value.encode() + b" " + body)[:_CHECKSUM_BYTES]
