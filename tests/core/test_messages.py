"""Messages: each one comes back as it was; each wrong field is refused, each bound taken."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dir_sync.core import limits
from dir_sync.core.messages import (
    PROTOCOL,
    Acknowledge,
    Brake,
    Change,
    Chunks,
    Close,
    Decision,
    Delta,
    DeltaOffer,
    DeltaRequest,
    FolderIndex,
    Have,
    HaveRequest,
    Held,
    Hello,
    History,
    HistoryRequest,
    Kept,
    Lacks,
    LocalError,
    Loser,
    Message,
    ModificationUpdate,
    NeedSignature,
    Ping,
    Pong,
    ProtocolVersion,
    Pull,
    PullItem,
    Refuse,
    Settle,
    Signature,
    State,
    StateRequest,
    from_wire,
    page_size,
)
from dir_sync.core.model import Kind, PathError, PeerError, Record, Stamp, check_path
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

# What each message is on the wire, written by hand, and what it means.
EXAMPLES: list[tuple[dict[str, Any], Message]] = [
    (
        {
            "type": "HELLO",
            "protocol": 1,
            "node": "ab",
            "name": "k\u00fcche",
            "instance": "01",
            "port": 4711,
            "folders": [["docs", "cd", 12]],
        },
        Hello(1, "ab", "k\u00fcche", "01", 4711, (FolderIndex("docs", "cd", 12),)),
    ),
    (
        {"type": "STATE_REQUEST", "folder": "docs", "index": "cd", "after": 12, "sequence": 3},
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
        {
            "type": "MODIFICATION_UPDATE",
            "folder": "docs",
            "sequence": 7,
            "changes": [
                {"action": "create", "record": FOLDER},
                {
                    "action": "modify",
                    "record": FILE,
                    "content": "attached",
                    "delta": {"base": BASE, "size": 3},
                },
                {"action": "rename", "record": LINK, "from": "old"},
                {"action": "delete", "record": GONE},
            ],
            "times": [["", 1, 2], ["a", -3, 4]],
            "attached": True,
        },
        ModificationUpdate(
            "docs",
            7,
            (
                Change("create", FOLDER_RECORD),
                Change("modify", FILE_RECORD, None, True, DeltaOffer(RAW_BASE, 3)),
                Change("rename", LINK_RECORD, b"old"),
                Change("delete", GONE_RECORD),
            ),
            ((b"", 1_000_000_002), (b"a", -2_999_999_996)),
            True,
        ),
    ),
    (
        {
            "type": "PULL",
            "folder": "docs",
            "pulls": [[1, "a/b", DIGEST, None, 0, 5], [2, "a/b", DIGEST, BASE, 3, 4]],
        },
        Pull("docs", (PullItem(1, b"a/b", RAW, None, 0, 5), PullItem(2, b"a/b", RAW, RAW_BASE, 3, 4))),
    ),
    (
        {"type": "REFUSE", "folder": "docs", "refused": [[1, "gone"], [2, "later"]]},
        Refuse("docs", ((1, "gone"), (2, "later"))),
    ),
    (
        {"type": "DELTA_REQUEST", "folder": "docs", "id": 3, "path": "a/b", "digest": DIGEST, "base": BASE},
        DeltaRequest("docs", 3, b"a/b", RAW, RAW_BASE),
    ),
    ({"type": "NEED_SIGNATURE", "folder": "docs", "id": 3}, NeedSignature("docs", 3)),
    ({"type": "SIGNATURE", "folder": "docs", "id": 3, "attached": True}, Signature("docs", 3, b"")),
    ({"type": "DELTA", "folder": "docs", "id": 3, "size": 99}, Delta("docs", 3, 99)),
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
                ["l", 3, 0, "../\udcff", -1, 0, 0o777, 0, 0, "conflict", ""],
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
                Kept(b"l", Kind.SYMLINK, 0, b"../\xff", -1_000_000_000, 0o777, 0, "conflict", ""),
            ),
        ),
    ),
    (
        {"type": "HAVE_REQUEST", "folder": "docs", "id": 4, "digests": [DIGEST, BASE]},
        HaveRequest("docs", 4, (RAW, RAW_BASE)),
    ),
    ({"type": "HAVE", "folder": "docs", "id": 4, "which": [0, 3]}, Have("docs", 4, (0, 3))),
    (
        {"type": "BRAKE", "folder": "docs", "held": [["ab", 7, 120, "a/b"]]},
        Brake("docs", (Held("ab", 7, 120, b"a/b"),)),
    ),
    (
        {"type": "DECISION", "folder": "docs", "maker": "ab", "counter": 7, "approve": True},
        Decision("docs", "ab", 7, True),
    ),
    (
        {"type": "SETTLE", "folder": "docs", "losers": [["a/b", 1, DIGEST], ["l", 3, "../\udcff"]]},
        Settle("docs", (Loser(b"a/b", Kind.FILE, RAW), Loser(b"l", Kind.SYMLINK, b"../\xff"))),
    ),
    (
        {"type": "LACKS", "folder": "docs", "sequence": 12, "files": 3, "bytes": 700, "others": 1},
        Lacks("docs", 12, 3, 700, 1),
    ),
    ({"type": "PING", "token": 1}, Ping(1)),
    ({"type": "PONG", "token": 1}, Pong(1)),
    ({"type": "CLOSE", "reason": "bye", "text": "see you"}, Close("bye", "see you")),
]
WIRE = {fields["type"]: fields for fields, _ in EXAMPLES}


def over_the_wire(fields: dict[str, Any]) -> Message | None:
    return from_wire(strategies.as_json(fields))


def refused(fields: dict[str, Any]) -> str:
    with pytest.raises(PeerError) as caught:
        over_the_wire(fields)
    line = str(caught.value)
    assert line.isprintable()
    assert 0 < len(line) < 400
    return line


def without_data(message: Message) -> Message:
    """`message` without what travels as attachment."""
    match message:
        case Signature(folder, number, _):
            return Signature(folder, number, b"")
        case ModificationUpdate(folder, sequence, changes, times, attached):
            bare = tuple(change._replace(content=None) for change in changes)
            return ModificationUpdate(folder, sequence, bare, times, attached)
        case _:
            return message


@pytest.mark.parametrize(("fields", "message"), EXAMPLES, ids=list(WIRE))
def test_examples_mean_what_they_should(fields: dict[str, Any], message: Message) -> None:
    got = over_the_wire(fields)
    assert got == message
    assert type(got) is type(message)
    assert message.to_wire() == fields


def test_kinds_come_back_as_kinds() -> None:
    got = over_the_wire(WIRE["STATE"])
    assert isinstance(got, State)
    assert [type(record.kind) for record in got.records] == [Kind] * 4
    assert [type(record) for record in got.records] == [Record] * 4
    assert {type(record.stamp) for record in got.records} == {Stamp}
    assert all(type(each) is int for row in got.to_wire()["records"] for each in (row[1], row[2]))


@given(
    st.one_of(strategies.messages().filter(lambda m: type(m) is not Chunks), strategies.hellos(), strategies.closes())
)
def test_every_message_comes_back_as_it_was(message: Message) -> None:
    fields = message.to_wire()
    assert strategies.as_json(fields) == fields  # plain types only
    got = over_the_wire(fields)
    assert got == without_data(message)
    assert type(got) is type(message)


def test_unknown_types_are_none_and_unknown_fields_are_skipped() -> None:
    assert over_the_wire({"type": "WEATHER", "sunny": True}) is None
    assert over_the_wire({"type": "ping", "token": 1}) is None
    for fields, message in EXAMPLES:
        assert over_the_wire({**fields, "zzz": [[{}]], "": 1.5}) == message
    change = {"action": "create", "record": FILE, "zzz": 1}
    update = {**WIRE["MODIFICATION_UPDATE"], "changes": [change], "attached": False}
    got = over_the_wire(update)
    assert isinstance(got, ModificationUpdate)
    assert got.changes == (Change("create", FILE_RECORD),)


@pytest.mark.parametrize("kind", [None, 1, True, [], {}, ["PING"]])
def test_a_message_has_a_type(kind: object) -> None:
    refused({"type": kind, "token": 1})
    refused({"token": 1})


@pytest.mark.parametrize("version", [0, 2, 3, 2**62])
def test_another_version_is_told_whatever_else_the_hello_says(version: int) -> None:
    for fields in ({**WIRE["HELLO"], "protocol": version}, {"type": "HELLO", "protocol": version, "node": 5}):
        with pytest.raises(ProtocolVersion) as caught:
            over_the_wire(fields)
        assert caught.value.version == version
        assert isinstance(caught.value, PeerError)
        assert str(version) in str(caught.value)
    assert PROTOCOL == 1


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
    "positions": [[], [0], list(range(4096))],
}


# Where each of them is: the type of the message, the way into it, the kind of value.
def test_a_question_may_be_about_losers_of_conflicts_only() -> None:
    fields = HistoryRequest("docs", 4, b"", 10, conflicts=True).to_wire()
    assert fields["conflicts"] is True
    assert from_wire(fields) == HistoryRequest("docs", 4, b"", 10, conflicts=True)
    assert from_wire({**fields, "conflicts": False}) == HistoryRequest("docs", 4, b"", 10)
    for wrong in (0, 1, "true", None, [True]):
        assert "conflicts" in refused({**fields, "conflicts": wrong})


def test_a_state_request_may_carry_a_summary() -> None:
    summary = bytes(range(256)) * (limits.SUMMARY_BYTES // 256)
    fields = StateRequest("docs", "cd", 0, 3, summary).to_wire()
    assert fields["summary"] == summary.hex()
    assert from_wire(fields) == StateRequest("docs", "cd", 0, 3, summary)
    for wrong in ("", "00", summary.hex().upper(), summary.hex()[:-1] + "g", summary.hex() + "00", 7, None):
        assert "summary" in refused({**fields, "summary": wrong})


Way = tuple[str | int, ...]
FIELDS: list[tuple[str, Way, str]] = [
    ("HELLO", ("node",), "id"),
    ("HELLO", ("name",), "name"),
    ("HELLO", ("instance",), "id"),
    ("HELLO", ("port",), "port"),
    ("HELLO", ("folders", 0, 0), "name"),
    ("HELLO", ("folders", 0, 1), "id"),
    ("HELLO", ("folders", 0, 2), "sequence"),
    ("STATE_REQUEST", ("folder",), "name"),
    ("STATE_REQUEST", ("index",), "id"),
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
    ("MODIFICATION_UPDATE", ("folder",), "name"),
    ("MODIFICATION_UPDATE", ("sequence",), "sequence"),
    ("MODIFICATION_UPDATE", ("changes", 0, "action"), "action"),
    ("MODIFICATION_UPDATE", ("changes", 0, "record", 0), "path"),
    ("MODIFICATION_UPDATE", ("changes", 1, "delta", "base"), "digest"),
    ("MODIFICATION_UPDATE", ("changes", 1, "delta", "size"), "size"),
    ("MODIFICATION_UPDATE", ("changes", 2, "from"), "path"),
    ("MODIFICATION_UPDATE", ("times", 1, 0), "path"),
    ("MODIFICATION_UPDATE", ("times", 0, 1), "seconds"),
    ("MODIFICATION_UPDATE", ("times", 0, 2), "nanoseconds"),
    ("MODIFICATION_UPDATE", ("attached",), "true"),
    ("PULL", ("folder",), "name"),
    ("PULL", ("pulls", 0, 0), "pull id"),
    ("PULL", ("pulls", 0, 1), "path"),
    ("PULL", ("pulls", 0, 2), "digest"),
    ("PULL", ("pulls", 1, 3), "digest"),
    ("PULL", ("pulls", 0, 4), "size"),
    ("PULL", ("pulls", 0, 5), "size"),
    ("REFUSE", ("folder",), "name"),
    ("REFUSE", ("refused", 0, 0), "pull id"),
    ("REFUSE", ("refused", 0, 1), "reason"),
    ("DELTA_REQUEST", ("folder",), "name"),
    ("DELTA_REQUEST", ("id",), "pull id"),
    ("DELTA_REQUEST", ("path",), "path"),
    ("DELTA_REQUEST", ("digest",), "digest"),
    ("DELTA_REQUEST", ("base",), "digest"),
    ("NEED_SIGNATURE", ("folder",), "name"),
    ("NEED_SIGNATURE", ("id",), "pull id"),
    ("SIGNATURE", ("folder",), "name"),
    ("SIGNATURE", ("id",), "pull id"),
    ("SIGNATURE", ("attached",), "true"),
    ("DELTA", ("folder",), "name"),
    ("DELTA", ("id",), "pull id"),
    ("DELTA", ("size",), "size"),
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
    ("BRAKE", ("folder",), "name"),
    ("BRAKE", ("held", 0, 0), "id"),
    ("BRAKE", ("held", 0, 1), "sequence"),
    ("BRAKE", ("held", 0, 2), "sequence"),
    ("BRAKE", ("held", 0, 3), "path"),
    ("DECISION", ("folder",), "name"),
    ("DECISION", ("maker",), "id"),
    ("DECISION", ("counter",), "sequence"),
    ("DECISION", ("approve",), "boolean"),
    ("LACKS", ("folder",), "name"),
    ("LACKS", ("sequence",), "sequence"),
    ("LACKS", ("files",), "sequence"),
    ("LACKS", ("bytes",), "sequence"),
    ("LACKS", ("others",), "sequence"),
    ("SETTLE", ("folder",), "name"),
    ("SETTLE", ("losers", 0, 0), "path"),
    ("SETTLE", ("losers", 0, 2), "digest"),
    ("PING", ("token",), "sequence"),
    ("PONG", ("token",), "sequence"),
    ("CLOSE", ("reason",), "name"),
    ("CLOSE", ("text",), "text"),
]
# What is wrong elsewhere and right here: the shared folder itself; no base; nobody knows who. Both are in the examples, too.
ALSO_GOOD: list[tuple[Way, Any]] = [
    (("times", 1, 0), ""),
    (("pulls", 1, 3), None),
    (("path",), ""),
    (("kept", 0, 10), ""),
]


def changed(kind: str, way: Way, value: Any) -> dict[str, Any]:
    """The example of a message with one value replaced."""
    fields: Any = copy.deepcopy(WIRE[kind])
    place = fields
    for step in way[:-1]:
        place = place[step]
    assert way[-1] in place or type(way[-1]) is int
    place[way[-1]] = value
    return fields


@pytest.mark.parametrize(("kind", "way", "what"), FIELDS, ids=lambda each: str(each))
def test_fields_are_checked(kind: str, way: Way, what: str) -> None:
    for value in BAD[what]:
        if (way, value) not in ALSO_GOOD:
            assert kind in refused(changed(kind, way, value)), value
    for value in GOOD[what]:
        fields = changed(kind, way, value)
        got = over_the_wire(fields)
        assert got is not None
        assert got.to_wire() == fields


def test_every_field_is_in_the_table() -> None:
    for kind, fields in WIRE.items():
        listed = {way[0] for other, way, _ in FIELDS if other == kind}
        assert listed | {"type", "protocol"} >= set(fields)


@pytest.mark.parametrize("kind", list(WIRE))
def test_no_field_may_be_missing(kind: str) -> None:
    for name in WIRE[kind]:
        fields = {other: value for other, value in WIRE[kind].items() if other != name}
        refused(fields)


ARRAYS: list[tuple[str, Way, int, int]] = [
    ("HELLO", ("folders", 0), 3, 3),
    ("HELLO", ("folders",), 0, 64),
    ("STATE", ("records",), 0, 2000),
    ("STATE", ("records", 0), 10, 10),
    ("STATE", ("records", 0, 9), 1, limits.VECTOR_ENTRIES_MAX),
    ("STATE", ("records", 0, 9, 0), 2, 2),
    ("ACKNOWLEDGE", ("held",), 0, 2000),
    ("ACKNOWLEDGE", ("held", 0), 3, 3),
    ("MODIFICATION_UPDATE", ("changes",), 1, 1000),
    ("MODIFICATION_UPDATE", ("changes", 0, "record"), 10, 10),
    ("MODIFICATION_UPDATE", ("times",), 0, 1000),
    ("MODIFICATION_UPDATE", ("times", 0), 3, 3),
    ("PULL", ("pulls",), 1, 4096),
    ("PULL", ("pulls", 0), 6, 6),
    ("REFUSE", ("refused",), 1, 4096),
    ("REFUSE", ("refused", 0), 2, 2),
    ("HISTORY", ("kept",), 0, 2000),
    ("HISTORY", ("kept", 0), 11, 11),
    ("HAVE_REQUEST", ("digests",), 1, 4096),
    ("BRAKE", ("held",), 0, 256),
    ("BRAKE", ("held", 0), 4, 4),
    ("SETTLE", ("losers",), 1, 2000),
    ("SETTLE", ("losers", 0), 3, 3),
]


def of_length(kind: str, way: Way, length: int) -> dict[str, Any]:
    """The example with an array made as long, of entries that differ where they must."""
    here: Any = WIRE[kind]
    for step in way:
        here = here[step]
    entries = (here * (length // len(here) + 1))[:length]
    if way == ("folders",):
        entries = [[f"folder {number}", "ab", 1] for number in range(length)]
    if way[-1] == 9:
        entries = [[f"{number:04x}", 1] for number in range(length)]
    if way == ("changes",):
        entries = [WIRE[kind]["changes"][1]] * length
    return changed(kind, way, entries)


@pytest.mark.parametrize(("kind", "way", "least", "most"), ARRAYS, ids=lambda each: str(each))
def test_arrays_are_bounded(kind: str, way: Way, least: int, most: int) -> None:
    for value in NOT_ARRAYS:
        refused(changed(kind, way, value))
    refused(of_length(kind, way, most + 1))
    if least:
        refused(of_length(kind, way, least - 1))
    for length in {least, most}:
        fields = of_length(kind, way, length)
        got = over_the_wire(fields)
        assert got is not None
        assert got.to_wire() == fields


@pytest.mark.parametrize(
    ("row", "position", "values"),
    [
        (FILE, 1, [*NOT_INTEGERS, -1, 0, 2, 3, 4, 9, 2**70]),
        (FOLDER, 1, [*NOT_INTEGERS, -1, 1, 3, 4, 9]),
        (LINK, 1, [*NOT_INTEGERS, -1, 0, 1, 2, 4, 9]),
        (GONE, 1, [*NOT_INTEGERS, -1, 1, 3, 4, 9]),
        (FOLDER, 2, [*NOT_INTEGERS, 1, -1]),
        (LINK, 2, [*NOT_INTEGERS, 1, -1]),
        (GONE, 2, [*NOT_INTEGERS, 1, -1]),
        (FOLDER, 3, [*NOT_STRINGS, "a", DIGEST]),
        (GONE, 3, [*NOT_STRINGS, "a", DIGEST]),
        (LINK, 3, [*NOT_STRINGS, *SURROGATES, "", "\0", "a\0b", "t" * 4096, "\udcc3\udca9", "\u00e9" * 2048]),
        (FILE, 6, [*NOT_INTEGERS, -1, 0o1000, 0o4755]),
        (FOLDER, 6, [*NOT_INTEGERS, -1, 0o1000, 0o1777]),
        (LINK, 6, [*NOT_INTEGERS, -1, 0, 0o755, 0o776, 0o1777]),
        (GONE, 6, [*NOT_INTEGERS, -1, 1, 0o644]),
        (FILE, 9, [[["b", 1], ["a", 1]], [["a", 1], ["a", 1]], [["a", 1], ["a", 2]], [["=a", 1], ["0", 1]]]),
        (FILE, 9, [["ab", 3], [["ab"]], [["ab", 3, 4]], [{"ab": 3}], [[3, "ab"]], [None], [[["ab"], 3]]]),
    ],
)
def test_records_of_each_kind_are_checked(row: list[Any], position: int, values: list[Any]) -> None:
    for value in values:
        wrong = [*row[:position], value, *row[position + 1 :]]
        refused({**WIRE["STATE"], "records": [FILE, wrong]})


@pytest.mark.parametrize(
    ("row", "position", "values"),
    [
        (FILE, 6, [0, 0o777]),
        (FOLDER, 6, [0, 0o777]),
        (LINK, 3, ["/", "..", "t" * 4095, "\udcff", "a//b", "\u00e9" * 2047 + "e", "\n"]),
        (FILE, 9, [[["0", 1], ["=a", 1], ["a", 1]], [["a", 1], ["aa", 1], ["b", 1]]]),
    ],
)
def test_records_at_their_bounds_are_taken(row: list[Any], position: int, values: list[Any]) -> None:
    for value in values:
        fields = {**WIRE["STATE"], "records": [[*row[:position], value, *row[position + 1 :]]]}
        got = over_the_wire(fields)
        assert got is not None
        assert got.to_wire() == fields


@pytest.mark.parametrize(
    "change",
    [
        None,
        [],
        {},
        {"action": "create"},
        {"record": FILE},
        {"action": "create", "record": GONE},
        {"action": "modify", "record": GONE},
        {"action": "rename", "record": GONE, "from": "old"},
        {"action": "delete", "record": FILE},
        {"action": "delete", "record": FOLDER},
        {"action": "rename", "record": FILE},
        {"action": "rename", "record": FILE, "from": None},
        {"action": "create", "record": FILE, "from": "old"},
        {"action": "delete", "record": GONE, "from": "old"},
        {"action": "create", "record": FILE, "content": None},
        {"action": "create", "record": FILE, "content": "inline"},
        {"action": "create", "record": FILE, "content": True},
        {"action": "create", "record": FOLDER, "content": "attached"},
        {"action": "create", "record": LINK, "content": "attached"},
        {"action": "delete", "record": GONE, "content": "attached"},
        {"action": "modify", "record": FILE, "delta": None},
        {"action": "modify", "record": FILE, "delta": {}},
        {"action": "modify", "record": FILE, "delta": {"base": BASE}},
        {"action": "modify", "record": FILE, "delta": {"size": 1}},
        {"action": "modify", "record": FILE, "delta": [BASE, 1]},
        {"action": "modify", "record": LINK, "delta": {"base": BASE, "size": 1}},
    ],
)
def test_changes_that_cannot_be_are_refused(change: Any) -> None:
    attached = isinstance(change, dict) and change.get("content") == "attached"
    refused({**WIRE["MODIFICATION_UPDATE"], "changes": [change], "attached": attached})


def test_an_update_is_attached_exactly_if_a_change_is() -> None:
    update = WIRE["MODIFICATION_UPDATE"]
    refused({**update, "attached": False})
    refused({**update, "changes": [update["changes"][0]], "attached": True})
    refused({**update, "changes": [], "attached": True})
    assert over_the_wire({**update, "changes": [], "attached": False}) is not None


def test_a_folder_comes_once_in_a_hello() -> None:
    refused({**WIRE["HELLO"], "folders": [["docs", "ab", 1], ["docs", "cd", 2]]})


@given(strategies.json_values(), st.sampled_from(FIELDS))
def test_any_value_anywhere_is_taken_as_it_is_or_refused(value: Any, where: tuple[str, Way, str]) -> None:
    kind, way, _ = where
    fields = strategies.as_json(changed(kind, way, value))
    try:
        got = from_wire(fields)
    except PeerError as error:
        line = str(error)
    else:
        assert got is not None
        assert got.to_wire() == fields
        line = "taken"
    assert line.isprintable()


@given(
    st.dictionaries(
        st.sampled_from(sorted({name for each in WIRE.values() for name in each})), strategies.json_values()
    )
)
def test_any_object_is_a_message_or_refused(fields: dict[str, Any]) -> None:
    for kind in WIRE:
        try:
            from_wire({**fields, "type": kind})
        except PeerError as error:
            line = str(error)
        else:
            line = "taken"
        assert line.isprintable()


@given(
    st.one_of(
        strategies.paths(),
        st.lists(st.sampled_from([b"/", b".", b"..", b"a", b".dir_sync", b"\0", b"n" * 127]), max_size=6).map(b"".join),
    )
)
def test_paths_are_those_that_the_model_takes(path: bytes) -> None:
    try:
        expected = check_path(path)
    except PathError:
        refused(changed("STATE", ("records", 0, 0), path.decode("utf-8", "surrogateescape")))
    else:
        got = over_the_wire(changed("STATE", ("records", 0, 0), path.decode("utf-8", "surrogateescape")))
        assert isinstance(got, State)
        assert got.records[0].path == expected


# Our own faults


def test_more_than_a_message_may_hold_is_our_fault() -> None:
    too_many: list[Message] = [
        State("docs", 1, True, (FILE_RECORD,) * (limits.PAGE_RECORDS_MAX + 1)),
        Acknowledge("docs", 1, ((b"a", Stamp(1, "a")),) * (limits.PAGE_RECORDS_MAX + 1)),
        ModificationUpdate("docs", 1, (Change("create", FILE_RECORD),) * (limits.CHANGES_MAX + 1)),
        ModificationUpdate("docs", 1, (), ((b"a", 1),) * (limits.CHANGES_MAX + 1)),
        Pull("docs", ()),
        Pull("docs", (PullItem(1, b"a", RAW, None, 0, 1),) * (limits.PULLS_MAX + 1)),
        Refuse("docs", ()),
        Refuse("docs", ((1, "gone"),) * (limits.PULLS_MAX + 1)),
        Hello(1, "a", "n", "b", 1, (FolderIndex("f", "a", 1),) * (limits.FOLDERS_MAX + 1)),
        State("docs", 1, True, (FILE_RECORD._replace(kind=Kind.OTHER),)),
        ModificationUpdate("docs", 1, (Change("create", FILE_RECORD),), attached=True),
        ModificationUpdate("docs", 1, (Change("create", FILE_RECORD, attached=True),)),
    ]
    for message in too_many:
        with pytest.raises(LocalError):
            message.to_wire()


@pytest.mark.parametrize("text", ["x" * 1000, "\ud800" * 3, "\udcff", "\U0001f600" * 401])
def test_a_last_word_is_always_fit_to_be_heard(text: str) -> None:
    got = over_the_wire(Close("protocol-error", text).to_wire())
    assert isinstance(got, Close)
    assert len(got.text) == min(len(text), limits.TEXT_CHARS_MAX)


# Pages


@given(strategies.records())
def test_page_size_is_never_far_from_the_truth(record: Record) -> None:
    row = State("f", 1, True, (record,)).to_wire()["records"][0]
    true = len(json.dumps(row, separators=(",", ":")))
    assert true <= 8 * page_size(record)
    assert page_size(record) <= 8 * true + 200


def test_page_size_is_about_right_for_ordinary_records() -> None:
    nodes = [f"{number:032x}" for number in range(3)]
    vector = tuple((node, 1_000_000) for node in nodes)
    path = b"projects/dir_sync/tests/core/test_messages.py"
    record = FILE_RECORD._replace(path=path, stamp=Stamp(1_700_000_000_000_000_000, nodes[0]), vector=vector)
    row = State("f", 1, True, (record,)).to_wire()["records"][0]
    true = len(json.dumps(row, separators=(",", ":")))
    assert 0.8 * true < page_size(record) < 1.5 * true


def test_a_page_filled_by_page_size_is_a_message_that_may_be_sent() -> None:
    """Even if every path is made of what JSON must escape."""
    record = FILE_RECORD._replace(path=b"\x01" * 255)
    count = limits.PAGE_BYTES_MAX // page_size(record) + 1
    page = State("f", 1, True, (record,) * min(count, limits.PAGE_RECORDS_MAX))
    assert len(json.dumps(page.to_wire())) < limits.MESSAGE_BYTES_MAX


def test_makers_of_a_page_are_shared() -> None:
    got = over_the_wire({**WIRE["STATE"], "records": [FILE] * 3})
    assert isinstance(got, State)
    assert len({id(record.stamp.node) for record in got.records}) == 1
    assert {id(record.vector[0][0]) for record in got.records} == {id(got.records[0].stamp.node)}


NEW_FILE = ["a/b", 1, 5, DIGEST, 1_700_000_000, 7, 0o644, 9, "ab", [["ab", 3]]]
AS_OTHERS = {"action": "create", "record": NEW_FILE, "content": "attached"}
ODD = [
    *NOT_INTEGERS, *NOT_STRINGS, *SURROGATES, -1, 0, 1, 2, 9, 0o777, 0o1000, 2**62, 2**63, 10**400, DIGEST, DIGEST.upper(),
    DIGEST[:-1], DIGEST[:-2] + "\n\n", "", ".", "..", "a/", "/a", "a//b", "a/./b", "a\0b", "a\nb", "\u00e9", "x" * 255,
    "x" * 256, "a/.dir_sync", ".hidden", "ab\ncd", "=ab", "=", "AB", [["ab", 1], ["cd", 2]], [["=ab", 1]], [["a\nb", 1]],
    [[1, "ab"]], [["ab", 0]], [["ab", True]], [[["ab"], 1]], ["ab", 1], [], {}, [{}], [[]], "attached", "modify", "rename",
]  # fmt: skip


@given(st.one_of(st.sampled_from(ODD), strategies.json_values()), st.integers(-3, 9), st.integers(0, 11))
def test_one_among_many_new_files_means_what_it_means_alone(value: Any, position: int, place: int) -> None:
    odd: dict[str, Any] = dict(AS_OTHERS)
    if position >= 0:
        odd["record"] = [*NEW_FILE[:position], value, *NEW_FILE[position + 1 :]]
    else:
        odd[("action", "record", "content")[position]] = value
    outcomes: list[Any] = []
    for crowd in (0, 11):
        changes = [AS_OTHERS] * crowd
        changes.insert(place, odd)
        attached = any("content" in change for change in changes)
        try:
            got = over_the_wire({**WIRE["MODIFICATION_UPDATE"], "changes": changes, "attached": attached})
        except PeerError as error:
            outcomes.append(str(error))
        else:
            assert isinstance(got, ModificationUpdate)
            outcomes.append(got.changes[min(place, len(changes) - 1)])
            assert all(type(each) is Change and type(each.record) is Record for each in got.changes)
    assert outcomes[0] == outcomes[1]
