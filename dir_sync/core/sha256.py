"""SHA-256 and HMAC, by the library that closed meshes use anyway.

In:   bytes. Out: 32 bytes.
Rule: `hashlib` and `hmac` would load the system's OpenSSL beside the one that `cryptography` brings: 4 MiB of each node.
It imports `cryptography`, so only closed meshes import it.
"""

from __future__ import annotations

from cryptography.hazmat.primitives.hashes import SHA256, Hash
from cryptography.hazmat.primitives.hmac import HMAC

__all__ = ["hmac_sha256", "sha256"]

_SHA256 = SHA256()


def sha256(data: bytes) -> bytes:
    digest = Hash(_SHA256)
    digest.update(data)
    return digest.finalize()


def hmac_sha256(key: bytes, data: bytes) -> bytes:
    mac = HMAC(key, _SHA256)
    mac.update(data)
    return mac.finalize()
