"""MODIFICATION_UPDATE: changes one by one, and many new files at once."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dir_sync.core import limits
from dir_sync.core.messages import (
    Change,
    DeltaOffer,
    JsonMessage,
    LocalError,
    ModificationUpdate,
)
from dir_sync.core.model import PeerError, Record
from tests import strategies
from tests.core.messages.bench import (
    BASE,
    DIGEST,
    FILE,
    FILE_RECORD,
    FOLDER,
    FOLDER_RECORD,
    GONE,
    GONE_RECORD,
    LINK,
    LINK_RECORD,
    NOT_INTEGERS,
    NOT_STRINGS,
    RAW_BASE,
    SURROGATES,
    Arrays,
    Examples,
    Fields,
    over_the_wire,
    refused,
)

# What each message is on the wire, written by hand, and what it means.
EXAMPLES: Examples = [
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
]
# Where a value of each kind stands: the type of the message, the way into it, the kind of value (see BAD and GOOD).
FIELDS: Fields = [
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
]
# Which arrays are bounded: the type of the message, the way to it, its least and its greatest length.
ARRAYS: Arrays = [
    ("MODIFICATION_UPDATE", ("changes",), 1, 1000),
    ("MODIFICATION_UPDATE", ("changes", 0, "record"), 10, 10),
    ("MODIFICATION_UPDATE", ("times",), 0, 1000),
    ("MODIFICATION_UPDATE", ("times", 0), 3, 3),
]
WIRE = {fields["type"]: fields for fields, _ in EXAMPLES}


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


def test_unknown_fields_of_a_change_are_skipped() -> None:
    change = {"action": "create", "record": FILE, "zzz": 1}
    got = over_the_wire({**WIRE["MODIFICATION_UPDATE"], "changes": [change], "attached": False})
    assert isinstance(got, ModificationUpdate)
    assert got.changes == (Change("create", FILE_RECORD),)


@pytest.mark.parametrize(
    "message",
    [
        ModificationUpdate("docs", 1, (Change("create", FILE_RECORD),) * (limits.CHANGES_MAX + 1)),
        ModificationUpdate("docs", 1, (), ((b"a", 1),) * (limits.CHANGES_MAX + 1)),
        ModificationUpdate("docs", 1, (Change("create", FILE_RECORD),), attached=True),
        ModificationUpdate("docs", 1, (Change("create", FILE_RECORD, attached=True),)),
    ],
    ids=lambda each: type(each).__name__,
)
def test_what_no_peer_would_take_is_our_fault(message: JsonMessage) -> None:
    with pytest.raises(LocalError):
        message.to_wire()


NEW_FILE = ["a/b", 1, 5, DIGEST, 1_700_000_000, 7, 0o644, 9, "ab", [["ab", 3]]]
AS_OTHERS = {"action": "create", "record": NEW_FILE, "content": "attached"}
TOO_LARGE = {"action": "create", "record": NEW_FILE}  # to have its content attached
A_RENAME = {"action": "rename", "record": NEW_FILE, "from": "old"}
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
    for crowd in ([], [AS_OTHERS] * 11, [TOO_LARGE] * 11, [AS_OTHERS, TOO_LARGE, A_RENAME] * 9):
        changes = [*crowd]
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
            assert [(each.action, each.attached) for each in got.changes] == [
                (each["action"], "content" in each) for each in changes
            ]
    assert all(each == outcomes[0] for each in outcomes)
