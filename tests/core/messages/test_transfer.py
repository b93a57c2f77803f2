"""PULL, REFUSE, DELTA_REQUEST, NEED_SIGNATURE, SIGNATURE, DELTA."""

from __future__ import annotations

import pytest

from dir_sync.core import limits
from dir_sync.core.messages import (
    Delta,
    DeltaRequest,
    JsonMessage,
    LocalError,
    NeedSignature,
    Pull,
    PullItem,
    Refuse,
    Signature,
)
from tests.core.messages.bench import (
    BASE,
    DIGEST,
    RAW,
    RAW_BASE,
    Arrays,
    Examples,
    Fields,
)

# What each message is on the wire, written by hand, and what it means.
EXAMPLES: Examples = [
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
]
# Where a value of each kind stands: the type of the message, the way into it, the kind of value (see BAD and GOOD).
FIELDS: Fields = [
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
]
# Which arrays are bounded: the type of the message, the way to it, its least and its greatest length.
ARRAYS: Arrays = [
    ("PULL", ("pulls",), 1, 4096),
    ("PULL", ("pulls", 0), 6, 6),
    ("REFUSE", ("refused",), 1, 4096),
    ("REFUSE", ("refused", 0), 2, 2),
]
WIRE = {fields["type"]: fields for fields, _ in EXAMPLES}


@pytest.mark.parametrize(
    "message",
    [
        Pull("docs", ()),
        Pull("docs", (PullItem(1, b"a", RAW, None, 0, 1),) * (limits.PULLS_MAX + 1)),
        Refuse("docs", ()),
        Refuse("docs", ((1, "gone"),) * (limits.PULLS_MAX + 1)),
    ],
    ids=lambda each: type(each).__name__,
)
def test_none_or_too_many_are_our_fault(message: JsonMessage) -> None:
    with pytest.raises(LocalError):
        message.to_wire()
