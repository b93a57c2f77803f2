"""BRAKE, DECISION, REJECTED."""

from __future__ import annotations

from dir_sync.core.messages import (
    Brake,
    Decision,
    Held,
    Rejected,
)
from tests.core.messages.bench import (
    Arrays,
    Examples,
    Fields,
)

# What each message is on the wire, written by hand, and what it means.
EXAMPLES: Examples = [
    (
        {"type": "BRAKE", "folder": "docs", "held": [["ab", 7, 120, "a/b"]]},
        Brake("docs", (Held("ab", 7, 120, b"a/b"),)),
    ),
    (
        {"type": "DECISION", "folder": "docs", "maker": "ab", "counter": 7, "approve": True},
        Decision("docs", "ab", 7, True),
    ),
    (
        {"type": "REJECTED", "folder": "docs", "maker": "ab", "paths": ["a/b", "c"]},
        Rejected("docs", "ab", (b"a/b", b"c")),
    ),
]
# Where a value of each kind stands: the type of the message, the way into it, the kind of value (see BAD and GOOD).
FIELDS: Fields = [
    ("BRAKE", ("folder",), "name"),
    ("BRAKE", ("held", 0, 0), "id"),
    ("BRAKE", ("held", 0, 1), "sequence"),
    ("BRAKE", ("held", 0, 2), "sequence"),
    ("BRAKE", ("held", 0, 3), "path"),
    ("DECISION", ("folder",), "name"),
    ("DECISION", ("maker",), "id"),
    ("DECISION", ("counter",), "sequence"),
    ("DECISION", ("approve",), "boolean"),
    ("REJECTED", ("folder",), "name"),
    ("REJECTED", ("maker",), "id"),
    ("REJECTED", ("paths", 0), "path"),
]
# Which arrays are bounded: the type of the message, the way to it, its least and its greatest length.
ARRAYS: Arrays = [
    ("BRAKE", ("held",), 0, 256),
    ("BRAKE", ("held", 0), 4, 4),
    ("REJECTED", ("paths",), 1, 100),
]
WIRE = {fields["type"]: fields for fields, _ in EXAMPLES}
