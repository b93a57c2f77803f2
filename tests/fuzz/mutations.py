"""Bytes made of valid ones: some bits, bytes or pieces of them are changed.

In: a random generator, valid bytes. Out: other bytes, or the same.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

__all__ = ["mutated"]

_TOKENS = (
    *(
        b"[",
        b"{",
        b"}",
        b'"',
        b",",
        b":",
        b"null",
        b"true",
        b"-1",
        b"1e999",
        b"NaN",
        b"Infinity",
        b"\\ud800",
        b"\\u0000",
    ),
    *(
        b"9" * 400,
        b"[" * 200,
        b"[" * 9_000,
        b'{"a":' * 80,
        b"\xff",
        b"\xed\xa0\x80",
        b"\x00",
        b"closed",
        b"open",
        b'"box":[]',
    ),
    *(b'"role":"st"', b'"role":[]', b'"generation":true', b'"generation":0', b'"proof":"zz"', b'"key":{}'),
)
"""What often breaks who reads JSON, text or numbers."""


def _bits(rng: Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 8))):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _bytes(rng: Random, data: bytes) -> bytes:
    at = rng.randrange(len(data))
    size = min(len(data) - at, rng.choice((1, 2, 4, 16, 32)))
    return data[:at] + rng.choice((rng.randbytes(size), bytes(size), b"\xff" * size)) + data[at + size :]


def _cut(rng: Random, data: bytes) -> bytes:
    return data[: rng.randrange(len(data))]


def _longer(rng: Random, data: bytes) -> bytes:
    return data + rng.randbytes(rng.choice((1, 2, 16, 300)))


def _without(rng: Random, data: bytes) -> bytes:
    at, to = sorted((rng.randrange(len(data)), rng.randrange(len(data) + 1)))
    return data[:at] + data[to:]


def _twice(rng: Random, data: bytes) -> bytes:
    at, to = sorted((rng.randrange(len(data)), rng.randrange(len(data) + 1)))
    return data[:to] + data[at:to] + data[to:]


def _token(rng: Random, data: bytes) -> bytes:
    at = rng.randrange(len(data))
    token = rng.choice(_TOKENS)
    return data[:at] + token + data[at + rng.choice((0, 0, 1, len(token))) :]


def _value(rng: Random, data: bytes) -> bytes:
    """One value of JSON text becomes another one."""
    at = data.find(b":", rng.randrange(len(data)))
    end = min((found for found in (data.find(b",", at), data.find(b"}", at)) if found > 0), default=-1)
    return data[: at + 1] + rng.choice(_TOKENS) + data[end:] if 0 < at < end else _token(rng, data)


_WAYS: tuple[Callable[[Random, bytes], bytes], ...] = (
    _bits,
    _bits,
    _bytes,
    _cut,
    _longer,
    _without,
    _twice,
    _token,
    _value,
)


def mutated(rng: Random, data: bytes) -> bytes:
    """Mostly valid bytes that were changed once or a few times; sometimes random ones."""
    if rng.random() < 0.08:
        return rng.randbytes(rng.choice((0, 1, 2, 8, len(data), rng.randrange(600))))
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        if data:
            data = rng.choice(_WAYS)(rng, data)
    return data
