"""HISTORY_REQUEST, HISTORY, HAVE_REQUEST, HAVE, SETTLE."""

from __future__ import annotations

import pytest

from dir_sync.core.attributes import Attributes, Owner
from dir_sync.core.messages import (
    Have,
    HaveRequest,
    History,
    HistoryRequest,
    Kept,
    LocalError,
    Loser,
    Lost,
    Piece,
    Settle,
    from_wire,
)
from dir_sync.core.model import Kind, PeerError, Record, Stamp
from tests.core.messages.bench import (
    BASE,
    DIGEST,
    RAW,
    RAW_BASE,
    Arrays,
    Examples,
    Fields,
    refused,
)

# What each message is on the wire, written by hand, and what it means.
LOSER = Record(b"a/b", Kind.FILE, 5, RAW, 1_700_000_000_000_000_007, 0o644, Stamp(1_700_000_009, "ab"), (("ab", 3),))
ANNAS = Attributes(Owner("anna", 1, "", 2))
EXAMPLES: Examples = [
    (
        {"type": "HISTORY_REQUEST", "folder": "docs", "id": 4, "path": "a/b", "limit": 10},
        HistoryRequest("docs", 4, b"a/b", 10),
    ),
    (
        {
            "type": "HISTORY",
            "folder": "docs",
            "id": 4,
            "last": True,
            "kept": [
                ["a/b", 1, 5, DIGEST, 1_700_000_000, 7, 0o644, 1_700_000_009, 8, "replaced", "ab"],
                ["l", 3, 0, "../\udcff", -1, 0, 0o777, 0, 0, "conflict", "", [["anna", 1, "", 2], None, None]],
            ],
        },
        History(
            "docs",
            4,
            True,
            (
                Kept(
                    b"a/b",
                    Kind.FILE,
                    5,
                    RAW,
                    1_700_000_000_000_000_007,
                    0o644,
                    1_700_000_009_000_000_008,
                    "replaced",
                    "ab",
                ),
                Kept(b"l", Kind.SYMLINK, 0, b"../\xff", -1_000_000_000, 0o777, 0, "conflict", "", ANNAS),
            ),
        ),
    ),
    (
        {"type": "HAVE_REQUEST", "folder": "docs", "id": 4, "digests": [DIGEST, BASE]},
        HaveRequest("docs", 4, (RAW, RAW_BASE)),
    ),
    ({"type": "HAVE", "folder": "docs", "id": 4, "which": [0, 3]}, Have("docs", 4, (0, 3))),
    (
        {"type": "SETTLE", "folder": "docs", "losers": [["a/b", 1, DIGEST], ["l", 3, "../\udcff"]]},
        Settle("docs", (Loser(b"a/b", Kind.FILE, RAW), Loser(b"l", Kind.SYMLINK, b"../\xff"))),
    ),
    (
        {
            "type": "LOST",
            "folder": "docs",
            "record": ["a/b", 1, 5, DIGEST, 1_700_000_000, 7, 0o644, 1_700_000_009, "ab", [["ab", 3]]],
            "to": "ab",
            "attached": True,
        },
        Lost("docs", LOSER, "ab", b""),
    ),
]
# Where a value of each kind stands: the type of the message, the way into it, the kind of value (see BAD and GOOD).
FIELDS: Fields = [
    ("HISTORY_REQUEST", ("folder",), "name"),
    ("HISTORY_REQUEST", ("id",), "pull id"),
    ("HISTORY_REQUEST", ("path",), "path"),
    ("HISTORY_REQUEST", ("limit",), "history limit"),
    ("HISTORY", ("folder",), "name"),
    ("HISTORY", ("id",), "pull id"),
    ("HISTORY", ("last",), "boolean"),
    ("HISTORY", ("kept", 0, 0), "path"),
    ("HISTORY", ("kept", 0, 2), "size"),
    ("HISTORY", ("kept", 0, 3), "digest"),
    ("HISTORY", ("kept", 0, 4), "seconds"),
    ("HISTORY", ("kept", 0, 5), "nanoseconds"),
    ("HISTORY", ("kept", 0, 7), "seconds"),
    ("HISTORY", ("kept", 0, 8), "nanoseconds"),
    ("HISTORY", ("kept", 0, 9), "why"),
    ("HISTORY", ("kept", 0, 10), "maker"),
    ("HAVE_REQUEST", ("folder",), "name"),
    ("HAVE_REQUEST", ("id",), "pull id"),
    ("HAVE_REQUEST", ("digests", 0), "digest"),
    ("HAVE", ("folder",), "name"),
    ("HAVE", ("id",), "pull id"),
    ("HAVE", ("which",), "positions"),
    ("SETTLE", ("folder",), "name"),
    ("SETTLE", ("losers", 0, 0), "path"),
    ("SETTLE", ("losers", 0, 2), "digest"),
    ("LOST", ("folder",), "name"),
    ("LOST", ("record", 0), "path"),
    ("LOST", ("record", 3), "digest"),
    ("LOST", ("to",), "maker"),
    ("LOST", ("attached",), "true"),
]
# Which arrays are bounded: the type of the message, the way to it, its least and its greatest length.
ARRAYS: Arrays = [
    ("HISTORY", ("kept",), 0, 2000),
    ("HISTORY", ("kept", 0), 11, 11),
    ("HAVE_REQUEST", ("digests",), 1, 4096),
    ("SETTLE", ("losers",), 1, 2000),
    ("SETTLE", ("losers", 0), 3, 3),
]
WIRE = {fields["type"]: fields for fields, _ in EXAMPLES}


def test_a_question_may_be_about_losers_of_conflicts_only() -> None:
    fields = HistoryRequest("docs", 4, b"", 10, conflicts=True).to_wire()
    assert fields["conflicts"] is True
    assert from_wire(fields) == HistoryRequest("docs", 4, b"", 10, conflicts=True)
    assert from_wire({**fields, "conflicts": False}) == HistoryRequest("docs", 4, b"", 10)
    for wrong in (0, 1, "true", None, [True]):
        assert "conflicts" in refused({**fields, "conflicts": wrong})


def test_the_text_of_a_loser_is_as_long_as_its_record_says() -> None:
    lost = Lost("docs", LOSER, "ab", b"")
    assert lost.with_attachment((Piece(0, 0, b"12345"),)).text == b"12345"
    for pieces in (
        (Piece(0, 0, b"1234"),),
        (Piece(1, 0, b"12345"),),
        (Piece(0, 1, b"12345"),),
        (Piece(0, 0, b"12345"),) * 2,
    ):
        with pytest.raises(PeerError, match="text of the loser"):
            lost.with_attachment(pieces)
    with pytest.raises(LocalError):
        lost.encode()


def test_only_a_small_file_can_be_merged() -> None:
    fields = Lost("docs", LOSER, "ab", b"").to_wire()
    for size in (0, 1024 * 1024 + 1):
        row = [*fields["record"][:2], size, *fields["record"][3:]]
        assert "small" in refused({**fields, "record": row})
    assert "attached" in refused({**fields, "attached": False})


def test_what_had_gone_bad_is_said_beside_the_word_that_older_nodes_know() -> None:
    kept = Kept(b"a/b", Kind.FILE, 5, RAW, 7, 0o644, 8, "rotten", "")
    fine = kept._replace(why="replaced")
    message = History("docs", 4, True, (fine, kept))
    fields = message.to_wire()
    assert ([row[9] for row in fields["kept"]], fields["rotten"]) == (["replaced", "recovered"], [1])
    assert from_wire(fields) == message
    assert "rotten" not in History("docs", 4, True, (fine,)).to_wire()
    for wrong in (2, -1, True, "1"):
        assert "rotten" in refused({**fields, "rotten": [wrong]})
    assert "rotten" in refused({**fields, "rotten": [0, 1, 1]})
