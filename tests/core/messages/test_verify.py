"""VERIFY_REQUEST, VERIFY_REPORT."""

from __future__ import annotations

from dir_sync.core.messages import VerifyReport, VerifyRequest
from dir_sync.core.model import Kind
from dir_sync.core.verify import Entry, Outcome
from tests.core.messages.bench import DIGEST, RAW, Arrays, Examples, Fields, refused

# What each message is on the wire, written by hand, and what it means.
EXAMPLES: Examples = [
    (
        {
            "type": "VERIFY_REQUEST",
            "folder": "docs",
            "id": 4,
            "after": "a/b",
            "until": "z",
            "repair": True,
            "paths": ["a"],
        },
        VerifyRequest("docs", 4, b"a/b", b"z", (b"a",), True),
    ),
    (
        {
            "type": "VERIFY_REPORT",
            "folder": "docs",
            "id": 4,
            "entries": [["a/b", 1, 5, DIGEST, "rotten"], ["l", 3, 0, "../\udcff"], ["d", 2, 0, "", "changed"]],
            "read": 5,
            "last": True,
            "refused": False,
        },
        VerifyReport(
            "docs",
            4,
            (
                Entry(b"a/b", Kind.FILE, 5, RAW, Outcome.ROTTEN),
                Entry(b"l", Kind.SYMLINK, 0, b"../\xff"),
                Entry(b"d", Kind.DIRECTORY, 0, b"", Outcome.CHANGED),
            ),
            5,
            True,
            False,
        ),
    ),
]
# Where a value of each kind stands: the type of the message, the way into it, the kind of value (see BAD and GOOD).
FIELDS: Fields = [
    ("VERIFY_REQUEST", ("folder",), "name"),
    ("VERIFY_REQUEST", ("id",), "pull id"),
    ("VERIFY_REQUEST", ("after",), "path"),
    ("VERIFY_REQUEST", ("until",), "path"),
    ("VERIFY_REQUEST", ("paths", 0), "path"),
    ("VERIFY_REQUEST", ("repair",), "boolean"),
    ("VERIFY_REPORT", ("folder",), "name"),
    ("VERIFY_REPORT", ("id",), "pull id"),
    ("VERIFY_REPORT", ("entries", 0, 0), "path"),
    ("VERIFY_REPORT", ("entries", 0, 2), "size"),
    ("VERIFY_REPORT", ("entries", 0, 3), "digest"),
    ("VERIFY_REPORT", ("read",), "size"),
    ("VERIFY_REPORT", ("last",), "boolean"),
    ("VERIFY_REPORT", ("refused",), "boolean"),
]
# Which arrays are bounded: the type of the message, the way to it, its least and its greatest length.
ARRAYS: Arrays = [
    ("VERIFY_REQUEST", ("paths",), 0, 1_000),
    ("VERIFY_REPORT", ("entries",), 0, 1_000),
]


def test_entries_of_no_kind_are_refused() -> None:
    report = EXAMPLES[1][0]
    bad = (
        ["a", 0, 0, ""],
        ["a", 9, 0, ""],
        ["a", True, 5, DIGEST],
        ["a", 2, 5, ""],
        ["a", 2, 0, "x"],
        ["a", 3, 0, ""],
        ["a", 3, 1, "x"],
        ["a", 1, 5, DIGEST, "same"],
        ["a", 1, 5, DIGEST, "ill"],
        ["a", 1, 5, DIGEST, 1],
        ["a", 1, 5, DIGEST, "rotten", 1],
        ["a", 1, 5],
    )
    for row in bad:
        assert "VERIFY_REPORT" in refused(report | {"entries": [row]}), row
