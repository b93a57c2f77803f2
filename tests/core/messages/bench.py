"""What the tests of messages share: rows and records, values that are wrong everywhere, the way over the wire."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from dir_sync.core.messages import (
    Message,
    from_wire,
)
from dir_sync.core.model import Kind, PeerError, Record, Stamp
from tests import strategies

DIGEST = "0123456789abcdef" * 4
BASE = "f" * 64
RAW, RAW_BASE = bytes.fromhex(DIGEST), bytes.fromhex(BASE)

FILE = ["a/b", 1, 5, DIGEST, 1_700_000_000, 7, 0o644, 9, "ab", [["ab", 3], ["cd", 4]]]
FOLDER = ["a", 2, 0, "", -1, 999_999_999, 0o755, 9, "=0f", [["=0f", 1]]]
LINK = ["l", 3, 0, "../\udcff", 0, 0, 0o777, 9, "ab", [["ab", 3]]]
GONE = ["old", 0, 0, "", 0, 0, 0, 9, "ab", [["ab", 3]]]

VECTOR = (("ab", 3), ("cd", 4))
FILE_RECORD = Record(b"a/b", Kind.FILE, 5, RAW, 1_700_000_000_000_000_007, 0o644, Stamp(9, "ab"), VECTOR)
FOLDER_RECORD = Record(b"a", Kind.DIRECTORY, 0, b"", -1, 0o755, Stamp(9, "=0f"), (("=0f", 1),))
LINK_RECORD = Record(b"l", Kind.SYMLINK, 0, b"../\xff", 0, 0o777, Stamp(9, "ab"), (("ab", 3),))
GONE_RECORD = Record(b"old", Kind.ABSENT, 0, b"", 0, 0, Stamp(9, "ab"), (("ab", 3),))

Way = tuple[str | int, ...]
Examples = list[tuple[dict[str, Any], Message]]
Fields = list[tuple[str, Way, str]]
Arrays = list[tuple[str, Way, int, int]]


def over_the_wire(fields: dict[str, Any]) -> Message | None:
    return from_wire(strategies.as_json(fields))


def refused(fields: dict[str, Any]) -> str:
    with pytest.raises(PeerError) as caught:
        over_the_wire(fields)
    line = str(caught.value)
    assert line.isprintable()
    assert 0 < len(line) < 400
    return line


def changed(fields: dict[str, Any], way: Way, value: Any) -> dict[str, Any]:
    """The JSON object of a message with one value replaced."""
    fields = copy.deepcopy(fields)
    place: Any = fields
    for step in way[:-1]:
        place = place[step]
    assert way[-1] in place or type(way[-1]) is int
    place[way[-1]] = value
    return fields


# Wrong fields. Each kind of value, what it must not be and what it may be at its bounds.

NOT_INTEGERS: list[Any] = [None, True, False, 1.0, 1e300, "1", [], [1], {}]
NOT_STRINGS: list[Any] = [None, 1, True, 1.5, [], ["a"], {}]
NOT_ARRAYS: list[Any] = [None, 1, True, "", "ab", {}, {"0": 1}]
SURROGATES = ["\ud800", "a\udfff", "\udc7f", "\udd00", "\udc80\ud800"]


def not_between(least: int, most: int) -> list[Any]:
    return [*NOT_INTEGERS, least - 1, most + 1, -(2**63) - 1, 2**63, 2**64, 10**400]


BAD: dict[str, list[Any]] = {
    "id": [*NOT_STRINGS, "", "g", "AB", "a b", "a\n", "ab\x00", "\u0661", "=ab", "a" * 65],
    "maker": [*NOT_STRINGS, "", "g", "AB", "=", "=g", "==a", "a=", "a\n", "=" + "a" * 64, "a" * 65],
    "name": [*NOT_STRINGS, "", "n" * 65, *SURROGATES, "\udcff"],
    "text": [*NOT_STRINGS, "t" * 401, *SURROGATES, "\udcff"],
    "path": [
        *NOT_STRINGS,
        *SURROGATES,
        "\udcc3\udca9",  # should have been written as e with an accent
        "a/\udcf0\udc9f\udc98\udc80",
        *["", "/", ".", "..", "/a", "a/", "a//b", "../a", "a/../b", "a/.", "a\0b", "\0", ".dir_sync", "a/.dir_sync/b"],
        *["n" * 256, "\u00e9" * 128, "a/" * 256 + "a", "/".join(["n" * 240] * 17) + "n"],
    ],
    "digest": [*NOT_STRINGS, "", "ab", DIGEST[:-1], DIGEST + "0", DIGEST.upper(), DIGEST[:-1] + "g"]
    + [DIGEST[:-1] + " ", DIGEST[:62] + " 0", " " + DIGEST[1:], DIGEST[:-1] + "\u0661", "0x" + DIGEST[2:]],
    "size": not_between(0, 2**60),
    "sequence": not_between(0, 2**62),
    "pull id": not_between(0, 2**32 - 1),
    "port": not_between(0, 65535),
    "stamp": not_between(1, 2**63 - 1),
    "counter": not_between(1, 2**62),
    "seconds": not_between(-(2**40), 2**40),
    "nanoseconds": not_between(0, 999_999_999),
    "boolean": [None, 0, 1, "true", "", [], {}],
    "reason": [*NOT_STRINGS, "", "GONE", "never"],
    "action": [*NOT_STRINGS, "", "Create", "move"],
    "true": [None, False, 0, 1, "true", []],
    "history limit": not_between(1, 10_000),
    "why": [*NOT_STRINGS, "", "Replaced", "moved"],
    "mode": [*NOT_STRINGS, "", "Mirror", "revert"],
    "outcome": [*NOT_STRINGS, "", "Take", "maybe"],
    "positions": [[0, 0], [1, 0], [-1], [4096], [True], ["0"], [None], 0, {}],
}
GOOD: dict[str, list[Any]] = {
    "id": ["0", "f" * 64],
    "maker": ["0", "f" * 64, "=0", "=" + "f" * 63],
    "name": ["n", "n" * 64, "\u00e9" * 64, "\U0001f600" * 64, "a/b", " ", "\n"],
    "text": ["", "t" * 400, "\U0001f600" * 400],
    "path": ["a", "\udcff", "\udcc3", "\u00e9\udca9", "n" * 255, "\udcff" * 255, "...", "a\\b", "a/" * 255 + "a"]
    + ["/".join(["n" * 240] * 17)],
    "digest": ["0" * 64, "f" * 64],
    "size": [0, 2**60],
    "sequence": [0, 2**62],
    "pull id": [0, 2**32 - 1],
    "port": [0, 65535],
    "stamp": [1, 2**63 - 1],
    "counter": [1, 2**62],
    "seconds": [-(2**40), 2**40],
    "nanoseconds": [0, 999_999_999],
    "boolean": [True, False],
    "reason": ["gone", "later"],
    "action": [],
    "true": [True],
    "history limit": [1, 10_000],
    "why": ["replaced", "deleted", "conflict", "recovered"],
    "mode": ["two-way", "send-only", "receive-only", "mirror"],
    "outcome": ["same", "take", "conflict", "keep", "answer", "refuse", "ignored", "blocked"],
    "positions": [[], [0], list(range(4096))],
}
