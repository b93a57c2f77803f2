"""The Noise protocol framework, as far as closed meshes use it: XXpsk0 over X25519, SHA-256, AESGCM or ChaChaPoly.

In:   keys, a prologue, and messages that anybody may have sent. Out: handshake messages; in the end a Cipher for each direction.
Rule: no random numbers are made here: who starts a handshake hands over a fresh ephemeral key, and never uses it twice.
It imports `cryptography`, so only closed meshes import it.
Source: https://noiseprotocol.org/noise.html, revision 34; the names are those of the specification.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from dir_sync.core.model import PeerError
from dir_sync.core.sha256 import hmac_sha256, sha256
from dir_sync.core.wire import Buffer

__all__ = ["KEY_BYTES", "TAG_BYTES", "Cipher", "Handshake", "HandshakeError", "Suite", "hkdf", "public_of"]

KEY_BYTES: Final = 32  # of every key here
TAG_BYTES: Final = 16
Suite = Literal["AESGCM", "ChaChaPoly"]

_REKEY_NONCE = 2**64 - 1

_PATTERNS: Final[dict[str, tuple[tuple[str, ...], ...]]] = {
    "XXpsk0": (("psk", "e"), ("e", "ee", "s", "es"), ("s", "se")),
    # Published test vectors exist for these; they run through every line that XXpsk0 runs through.
    "XX": (("e",), ("e", "ee", "s", "es"), ("s", "se")),
    "XXpsk3": (("e",), ("e", "ee", "s", "es"), ("s", "se", "psk")),
    "NNpsk0": (("psk", "e"), ("e", "ee")),
    "XXpsk0+psk1": (("psk", "e", "psk"), ("e", "ee", "s", "es"), ("s", "se")),
    "XXpsk0+psk2": (("psk", "e"), ("e", "ee", "s", "es", "psk"), ("s", "se")),
    "XXpsk0+psk3": (("psk", "e"), ("e", "ee", "s", "es"), ("s", "se", "psk")),
    "XXpsk0+psk1+psk2+psk3": (("psk", "e", "psk"), ("e", "ee", "s", "es", "psk"), ("s", "se", "psk")),
}


class HandshakeError(PeerError):
    """A message that no holder of the key has made so. The peer loses its connection, and is told nothing."""


def hkdf(chaining_key: bytes, material: bytes, outputs: int) -> list[bytes]:
    """HKDF of the specification: `outputs` keys of 32 bytes."""
    temp = hmac_sha256(chaining_key, material)
    made: list[bytes] = []
    last = b""
    for number in range(1, outputs + 1):
        last = hmac_sha256(temp, last + bytes([number]))
        made.append(last)
    return made


def public_of(private: bytes) -> bytes:
    """The X25519 public key of a private one."""
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


class Cipher:
    """One direction: each message is sealed under the next nonce. No nonce comes twice."""

    __slots__ = ("_aead", "_is_aes", "n")

    def __init__(self, key: bytes, suite: Suite) -> None:
        self._is_aes = suite == "AESGCM"
        self._aead: AESGCM | ChaCha20Poly1305 = AESGCM(key) if self._is_aes else ChaCha20Poly1305(key)
        self.n = 0

    def seal(self, data: Buffer, associated: bytes | None = None) -> bytes:
        return self._aead.encrypt(self._next_nonce(), data, associated)

    def open(self, data: Buffer, associated: bytes | None = None) -> bytes:
        """Raises HandshakeError if it was not sealed as the next one under this key."""
        try:
            return self._aead.decrypt(self._next_nonce(), data, associated)
        except InvalidTag:
            raise HandshakeError("it does not know the key") from None

    def seal_into(self, data: Buffer, out: memoryview) -> None:
        """`out` has room for the data and the tag, exactly."""
        self._aead.encrypt_into(self._next_nonce(), data, None, out)

    def open_into(self, data: Buffer, out: memoryview) -> None:
        """`out` has room for the data without the tag, exactly. Raises HandshakeError as `open` does."""
        try:
            self._aead.decrypt_into(self._next_nonce(), data, None, out)
        except InvalidTag:
            raise HandshakeError("it does not know the key") from None

    def rekey(self) -> None:
        """Go over to the key that follows from this one. The nonce goes on."""
        key = self._aead.encrypt(self._nonce(_REKEY_NONCE), bytes(KEY_BYTES), None)[:KEY_BYTES]
        self._aead = AESGCM(key) if self._is_aes else ChaCha20Poly1305(key)

    def _next_nonce(self) -> bytes:
        n, self.n = self.n, self.n + 1
        if n >= _REKEY_NONCE:
            raise OverflowError("no nonce is left")
        return self._nonce(n)

    def _nonce(self, n: int) -> bytes:
        return bytes(4) + n.to_bytes(8, "big" if self._is_aes else "little")


class Handshake:
    """One side of one handshake. `write` and `read` take turns, as the pattern has it; then `split`.

    It has more fields than a class should have: they are the variables of the specification, under its names.
    """

    def __init__(
        self,
        pattern: str,
        initiator: bool,
        prologue: bytes,
        static: bytes,
        ephemeral: bytes,
        psks: Sequence[bytes] = (),
        suite: Suite = "ChaChaPoly",
    ) -> None:
        """`static`, `ephemeral`: private keys; `ephemeral` was never used before. `psks`: one for each psk of the pattern."""
        name = f"Noise_{pattern}_25519_{suite}_SHA256".encode()
        self.h = name.ljust(32, b"\0") if len(name) <= 32 else sha256(name)
        self.ck = self.h
        self.rs = b""  # the peer's static public key, once it has come
        self.bound = b""  # the hash before the last payload: a signature over it belongs to this handshake alone
        self._suite: Suite = suite
        self._initiator = initiator
        self._has_psk = "psk" in pattern
        self._psks = list(psks)
        self._steps = list(_PATTERNS[pattern])
        self._cipher: Cipher | None = None
        self._s = X25519PrivateKey.from_private_bytes(static)
        self._e = X25519PrivateKey.from_private_bytes(ephemeral)
        self._re = b""
        self._mix_hash(prologue)

    def write(self, payload: bytes | Callable[[bytes], bytes] = b"") -> bytes:
        """Our next message. `payload` may be made of the hash that it is bound to (`bound`)."""
        out = b""
        for token in self._steps.pop(0):
            if token == "e":
                public = self._e.public_key().public_bytes_raw()
                out += public
                self._mix_ephemeral(public)
            elif token == "s":
                out += self._encrypt_and_hash(self._s.public_key().public_bytes_raw())
            else:
                self._mix(token)
        self.bound = self.h
        return out + self._encrypt_and_hash(payload if isinstance(payload, bytes) else payload(self.bound))

    def read(self, message: bytes) -> bytes:
        """The payload of the peer's next message. Raises HandshakeError; then this handshake is of no use any more."""
        for token in self._steps.pop(0):
            if token == "e":
                self._re, message = message[:KEY_BYTES], message[KEY_BYTES:]
                if len(self._re) != KEY_BYTES:
                    raise HandshakeError("a handshake that is cut off")
                self._mix_ephemeral(self._re)
            elif token == "s":
                size = KEY_BYTES + (TAG_BYTES if self._cipher else 0)
                if len(message) < size:
                    raise HandshakeError("a handshake that is cut off")
                self.rs, message = self._decrypt_and_hash(message[:size]), message[size:]
            else:
                self._mix(token)
        self.bound = self.h
        return self._decrypt_and_hash(message)

    def split(self) -> tuple[Cipher, Cipher]:
        """The ciphers to send and to receive with."""
        first, second = (Cipher(key, self._suite) for key in hkdf(self.ck, b"", 2))
        return (first, second) if self._initiator else (second, first)

    # --- the symmetric state -----------------------------------------------------------------------------------------

    def _mix_hash(self, data: bytes) -> None:
        self.h = sha256(self.h + data)

    def _mix_key(self, material: bytes) -> None:
        self.ck, key = hkdf(self.ck, material, 2)
        self._cipher = Cipher(key, self._suite)

    def _mix_ephemeral(self, public: bytes) -> None:
        self._mix_hash(public)
        if self._has_psk:
            self._mix_key(public)

    def _mix(self, token: str) -> None:
        if token == "psk":
            self.ck, temp, key = hkdf(self.ck, self._psks.pop(0), 3)
            self._mix_hash(temp)
            self._cipher = Cipher(key, self._suite)
            return
        mine, theirs = {
            "ee": (self._e, self._re),
            "es": (self._e, self.rs) if self._initiator else (self._s, self._re),
            "se": (self._s, self._re) if self._initiator else (self._e, self.rs),
        }[token]
        try:
            shared = mine.exchange(X25519PublicKey.from_public_bytes(theirs))
        except ValueError:  # a point of small order: the shared secret would be zero
            raise HandshakeError("a key that is none") from None
        self._mix_key(shared)

    def _encrypt_and_hash(self, data: bytes) -> bytes:
        out = self._cipher.seal(data, self.h) if self._cipher else data
        self._mix_hash(out)
        return out

    def _decrypt_and_hash(self, data: bytes) -> bytes:
        if self._cipher is None:
            out = data
        elif len(data) < TAG_BYTES:
            raise HandshakeError("a handshake that is cut off")
        else:
            out = self._cipher.open(data, self.h)
        self._mix_hash(data)
        return out
