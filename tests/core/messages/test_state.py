"""STATE_REQUEST, STATE, ACKNOWLEDGE, LACKS."""

from __future__ import annotations

from typing import Any

import pytest

from dir_sync.core import limits
from dir_sync.core.declined import Declined, Reason
from dir_sync.core.messages import (
    Acknowledge,
    JsonMessage,
    Lacks,
    LocalError,
    State,
    StateRequest,
    from_wire,
)
from dir_sync.core.model import PeerError, Stamp
from tests.core.messages.bench import (
    BAD,
    FILE,
    FILE_RECORD,
    FOLDER,
    FOLDER_RECORD,
    GONE,
    GONE_RECORD,
    LINK,
    LINK_RECORD,
    Arrays,
    Examples,
    Fields,
    refused,
)

REASONS = {
    "disk-full": {"files": 2, "bytes": 100, "others": 1},
    "too-large": {"files": 1, "bytes": 600, "others": 0, "limit": 500},
}
# What each message is on the wire, written by hand, and what it means.
EXAMPLES: Examples = [
    (
        {"type": "STATE_REQUEST", "folder": "docs", "replica": "cd", "after": 12, "sequence": 3},
        StateRequest("docs", "cd", 12, 3),
    ),
    (
        {"type": "STATE", "folder": "docs", "sequence": 5, "last": True, "records": [FILE, FOLDER, LINK, GONE]},
        State("docs", 5, True, (FILE_RECORD, FOLDER_RECORD, LINK_RECORD, GONE_RECORD)),
    ),
    (
        {"type": "ACKNOWLEDGE", "folder": "docs", "sequence": 6, "held": [["a/b", 9, "=0f"]]},
        Acknowledge("docs", 6, ((b"a/b", Stamp(9, "=0f")),)),
    ),
    (
        {"type": "LACKS", "folder": "docs", "sequence": 12, "files": 3, "bytes": 700, "others": 1},
        Lacks("docs", 12, 3, 700, 1),
    ),
    (
        {"type": "LACKS", "folder": "docs", "sequence": 12, "files": 3, "bytes": 700, "others": 1, "declined": REASONS},
        Lacks(
            "docs", 12, 3, 700, 1, (Declined(Reason.TOO_LARGE, 1, 600, 0, 500), Declined(Reason.DISK_FULL, 2, 100, 1))
        ),
    ),
]
# Where a value of each kind stands: the type of the message, the way into it, the kind of value (see BAD and GOOD).
FIELDS: Fields = [
    ("STATE_REQUEST", ("folder",), "name"),
    ("STATE_REQUEST", ("replica",), "id"),
    ("STATE_REQUEST", ("after",), "sequence"),
    ("STATE_REQUEST", ("sequence",), "sequence"),
    ("STATE", ("folder",), "name"),
    ("STATE", ("sequence",), "sequence"),
    ("STATE", ("last",), "boolean"),
    ("STATE", ("records", 0, 0), "path"),
    ("STATE", ("records", 0, 2), "size"),
    ("STATE", ("records", 0, 3), "digest"),
    ("STATE", ("records", 0, 4), "seconds"),
    ("STATE", ("records", 0, 5), "nanoseconds"),
    ("STATE", ("records", 0, 7), "stamp"),
    ("STATE", ("records", 0, 8), "maker"),
    ("STATE", ("records", 0, 9, 1, 1), "counter"),
    ("STATE", ("records", 1, 9, 0, 0), "maker"),
    ("ACKNOWLEDGE", ("folder",), "name"),
    ("ACKNOWLEDGE", ("sequence",), "sequence"),
    ("ACKNOWLEDGE", ("held", 0, 0), "path"),
    ("ACKNOWLEDGE", ("held", 0, 1), "stamp"),
    ("ACKNOWLEDGE", ("held", 0, 2), "maker"),
    ("LACKS", ("folder",), "name"),
    ("LACKS", ("sequence",), "sequence"),
    ("LACKS", ("files",), "sequence"),
    ("LACKS", ("bytes",), "sequence"),
    ("LACKS", ("others",), "sequence"),
    ("LACKS", ("declined", "too-large", "files"), "sequence"),
    ("LACKS", ("declined", "too-large", "bytes"), "sequence"),
    ("LACKS", ("declined", "too-large", "others"), "sequence"),
]
# Which arrays are bounded: the type of the message, the way to it, its least and its greatest length.
ARRAYS: Arrays = [
    ("STATE", ("records",), 0, 2000),
    ("STATE", ("records", 0), 10, 10),
    ("STATE", ("records", 0, 9), 1, limits.VECTOR_ENTRIES_MAX),
    ("STATE", ("records", 0, 9, 0), 2, 2),
    ("ACKNOWLEDGE", ("held",), 0, 2000),
    ("ACKNOWLEDGE", ("held", 0), 3, 3),
]
WIRE = {fields["type"]: fields for fields, _ in EXAMPLES}


def lacks(declined: Any) -> Lacks:
    fields = {"type": "LACKS", "folder": "docs", "sequence": 1, "files": 9, "bytes": 9, "others": 9}
    return Lacks.from_wire(fields | {"declined": declined})


def test_reasons_of_a_later_version_are_skipped() -> None:
    known = {"files": 1, "bytes": 2, "others": 3}
    said = {"moon-phase": known, "unfit": known | {"colour": "red"}}
    assert lacks(said).declined == (Declined(Reason.UNFIT, 1, 2, 3),)
    assert lacks({}) == Lacks("docs", 1, 9, 9, 9), "an older version says none"


@pytest.mark.parametrize(
    "declined",
    [
        *(
            None,
            [],
            "disk-full",
            {"disk-full": None},
            {"disk-full": [1, 2, 3]},
            {"disk-full": {}},
            {"": {}},
            {"x" * 33: {}},
        ),
        {"disk-full": {"files": -1, "bytes": 0, "others": 0}},
        {"disk-full": {"files": True, "bytes": 0, "others": 0}},
        {"moon-phase": {"files": 2**70, "bytes": 0, "others": 0}},
        {"\udc80": {"files": 0, "bytes": 0, "others": 0}},
        {f"reason {number}": {"files": 0, "bytes": 0, "others": 0} for number in range(17)},
    ],
)
def test_reasons_that_are_none_are_refused(declined: Any) -> None:
    with pytest.raises(PeerError):
        lacks(declined)


def test_a_reason_may_say_its_limit() -> None:
    row = {"files": 1, "bytes": 2, "others": 0}
    for limit in (1, limits.SEQUENCE_MAX):
        (one,) = lacks({"too-large": row | {"limit": limit}}).declined
        assert one.limit == limit
    assert lacks({"too-large": row | {"limit": 0}}) == lacks({"too-large": row}), "0: not known"
    for value in BAD["sequence"]:
        with pytest.raises(PeerError):
            lacks({"too-large": row | {"limit": value}})


def test_a_state_request_may_carry_a_summary() -> None:
    summary = bytes(range(256)) * (limits.SUMMARY_BYTES // 256)
    fields = StateRequest("docs", "cd", 0, 3, summary).to_wire()
    assert fields["summary"] == summary.hex()
    assert from_wire(fields) == StateRequest("docs", "cd", 0, 3, summary)
    for wrong in ("", "00", summary.hex().upper(), summary.hex()[:-1] + "g", summary.hex() + "00", 7, None):
        assert "summary" in refused({**fields, "summary": wrong})


def test_a_state_may_say_what_was_renamed() -> None:
    message = State("docs", 5, True, (FILE_RECORD,), ((b"a/b", b"old"), (b"a/b", b"\xff")))
    fields = message.to_wire()
    assert fields["renames"] == [["a/b", "old"], ["a/b", "\udcff"]]
    assert from_wire(fields) == message
    for wrong in ([["a"]], [["a", "b", "c"]], [["a", "../b"]], [["", "b"]], [["a", 7]], ["ab"], {}, None, 7):
        refused({**fields, "renames": wrong})
    assert "renames" in refused({**fields, "renames": [["a", "b"]] * (limits.PAGE_RECORDS_MAX + 1)})


@pytest.mark.parametrize(
    "message",
    [
        State("docs", 1, True, (FILE_RECORD,) * (limits.PAGE_RECORDS_MAX + 1)),
        State("docs", 1, True, (), ((b"a", b"b"),) * (limits.PAGE_RECORDS_MAX + 1)),
        Acknowledge("docs", 1, ((b"a", Stamp(1, "a")),) * (limits.PAGE_RECORDS_MAX + 1)),
    ],
    ids=lambda each: type(each).__name__,
)
def test_more_than_a_page_may_hold_is_our_fault(message: JsonMessage) -> None:
    with pytest.raises(LocalError):
        message.to_wire()
