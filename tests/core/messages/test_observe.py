"""ROWS_REQUEST, ROWS, FORECAST_REQUEST, FORECAST, and the HELLO of who asks."""

from __future__ import annotations

import pytest

from dir_sync.core.forecast import Fate
from dir_sync.core.messages import Forecast, ForecastRequest, Hello, Rows, RowsRequest, from_wire
from dir_sync.core.mode import Mode
from dir_sync.core.model import Kind, PeerError, Record, Stamp
from tests.core.messages.bench import Arrays, Examples, Fields, over_the_wire

ROW = ["a", 1, 3, "00" * 32, 5, 6, 0o600, 7, "ab", [["ab", 8]]]
RECORD = Record(b"a", Kind.FILE, 3, bytes(32), 5 * 10**9 + 6, 0o600, Stamp(7, "ab"), (("ab", 8),))

# What each message is on the wire, written by hand, and what it means.
EXAMPLES: Examples = [
    ({"type": "ROWS_REQUEST", "folder": "docs", "after": 7}, RowsRequest("docs", 7)),
    (
        {"type": "ROWS", "folder": "docs", "replica": "ab", "mode": "mirror", "ready": True, "sequence": 9, "last": False,
         "records": [ROW], "room": [7, "full"]},
        Rows("docs", "ab", Mode.MIRROR, True, 9, False, (RECORD,), (7, "full")),
    ),
    (
        {"type": "FORECAST_REQUEST", "folder": "docs", "replica": "ab", "records": [ROW]},
        ForecastRequest("docs", "ab", (RECORD,)),
    ),
    (
        {"type": "FORECAST", "folder": "docs", "outcomes": [["blocked", "why"], ["take", ""]]},
        Forecast("docs", ((Fate.BLOCKED, "why"), (Fate.TAKE, ""))),
    ),
]  # fmt: skip
# Where a value of each kind stands: the type of the message, the way into it, the kind of value (see BAD and GOOD).
FIELDS: Fields = [
    ("ROWS_REQUEST", ("folder",), "name"),
    ("ROWS_REQUEST", ("after",), "sequence"),
    ("ROWS", ("folder",), "name"),
    ("ROWS", ("replica",), "id"),
    ("ROWS", ("mode",), "mode"),
    ("ROWS", ("ready",), "boolean"),
    ("ROWS", ("last",), "boolean"),
    ("ROWS", ("sequence",), "sequence"),
    ("ROWS", ("records", 0, 0), "path"),
    ("ROWS", ("room", 0), "size"),
    ("ROWS", ("room", 1), "text"),
    ("FORECAST_REQUEST", ("folder",), "name"),
    ("FORECAST_REQUEST", ("replica",), "id"),
    ("FORECAST_REQUEST", ("records", 0, 0), "path"),
    ("FORECAST", ("folder",), "name"),
    ("FORECAST", ("outcomes", 0, 0), "outcome"),
    ("FORECAST", ("outcomes", 0, 1), "text"),
]
# Which arrays are bounded: the type of the message, the way to it, its least and its greatest length.
ARRAYS: Arrays = [
    ("ROWS", ("records",), 0, 2_000),
    ("ROWS", ("room",), 2, 2),
    ("FORECAST_REQUEST", ("records",), 1, 1_000),
    ("FORECAST", ("outcomes",), 1, 1_000),
    ("FORECAST", ("outcomes", 0), 2, 2),
]
WIRE = {fields["type"]: fields for fields, _ in EXAMPLES}


def test_reasons_are_cut_and_can_be_shown() -> None:
    """They are made of names on the disk, which may be anything."""
    said = over_the_wire(Forecast("docs", ((Fate.BLOCKED, "\udcff" + "x" * 500),)).to_wire())
    assert said == Forecast("docs", ((Fate.BLOCKED, "?" + "x" * 399),))


def test_who_only_looks_says_so_in_its_hello() -> None:
    hello = Hello(2, "ab", "n", "01", 0, (), "docs")
    assert hello.to_wire()["observes"] == "docs"
    assert over_the_wire(hello.to_wire()) == hello
    with pytest.raises(PeerError, match="observes"):
        from_wire(hello.to_wire() | {"observes": ""})
    assert "observes" not in Hello(2, "ab", "n", "01", 0, ()).to_wire()
